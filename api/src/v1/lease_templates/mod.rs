//! Standard leases: `/lease-templates`. [`wire`] has the types; versions are in `versions`, what they say in `content`,
//! and how they differ in `compare`.

pub mod compare;
pub mod content;
mod versions;
pub mod wire;

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, Responder};
use db::lease_templates::versions::{self as versions_of, Number, Version};
use db::lease_templates::{self as templates, Filter, LeaseTemplateKind, Position, Sight, Template};
use db::organisations::{self, Key};
use db::{Fault, Tx};
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use crate::app::App;
use crate::auth::{Caller, rules};
use crate::http::etag::{IfMatchHeader, IfNoneMatchHeader};
use crate::http::idempotency::IdempotencyKeyHeader;
use crate::http::path::moved;
use crate::http::text::{LeaseTemplateKey, OrganisationKey};
use crate::http::{Collection, Cursor, IfMatch, Json, Once, Paging, Patch, Path, Query, Single};
use crate::problem::{CONFLICT, Problem};
use crate::routes::Routes;
pub(crate) use versions::submit;
use wire::{
    CreateLeaseTemplate, LeaseTemplate, LeaseTemplatePage, LeaseTemplateState, LeaseTemplateVersionKey,
    UpdateLeaseTemplate,
};

/// The operations on templates of leases.
#[must_use]
pub fn routes() -> Routes {
    routes![
        list_lease_templates,
        create_lease_template,
        get_lease_template,
        update_lease_template,
        delete_lease_template
    ]
    .merge(versions::routes())
    .merge(content::routes())
    .merge(compare::routes())
}

/// Filters of the list of templates.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct ListLeaseTemplates {
    /// Part of the title.
    #[param(
        required = false, value_type = String, min_length = 1, max_length = 200,
        pattern = r"^[^\u0000-\u001f\u007f]+$", example = "wayleave"
    )]
    title: Option<String>,
    /// What sort of agreement it is.
    #[serde(default)]
    #[param(max_items = 6, required = false, inline, value_type = Vec<LeaseTemplateKind>)]
    kind: Vec<LeaseTemplateKind>,
    /// Organisation that keeps it, by id or slug.
    #[serde(default)]
    #[param(max_items = 50, required = false, inline, value_type = Vec<OrganisationKey>)]
    organisation: Vec<String>,
    /// Template of which it is a variant, by id or slug.
    #[serde(default)]
    #[param(max_items = 50, required = false, inline, value_type = Vec<LeaseTemplateKey>)]
    forked_from: Vec<String>,
    #[serde(flatten)]
    #[param(ignore)]
    paging: Paging,
}

/// Which template.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes the parameter that `Path<Key>` reads")]
pub struct LeaseTemplatePath {
    /// Id or slug of the template.
    #[param(min_length = 1, max_length = 80, pattern = "^[a-z0-9]+(-[a-z0-9]+)*$", example = "rooftop-wayleave")]
    id: String,
}

/// List templates of leases
///
/// By title. Those of which something was published; those under review as well for people of public bodies, and
/// drafts for contributors of the organisation that keeps them.
#[utoipa::path(
    get, path = "/lease-templates", tag = "lease templates",
    params(ListLeaseTemplates, Paging, IfNoneMatchHeader),
    security((), ("oauth2" = ["lease-templates:read"]), ("bearer" = [])),
    responses((status = 200, body = LeaseTemplatePage, description = "A page of templates.")),
)]
async fn list_lease_templates(
    app: Data<App>,
    caller: Caller,
    query: Query<ListLeaseTemplates>,
) -> Result<impl Responder, Problem> {
    let Query(query) = query;
    let limit = query.paging.limit();
    let after: Option<Position> = query.paging.after()?;
    let keys = |named: &[String]| named.iter().map(|key| Key::from(key.as_str())).collect();
    let filter = Filter {
        organisations: keys(&query.organisation),
        kinds: query.kind,
        titled: query.title,
        forked_from: keys(&query.forked_from),
    };
    let page = caller.read(&app.db, move |conn, roles| {
        Ok(templates::list(conn, &Sight::new(roles), &filter, after.as_ref(), limit)?)
    });
    let page = page.await?.map(LeaseTemplate::from);
    let next = page.next.as_ref().map(Cursor::write);
    Ok(Collection { page: LeaseTemplatePage { items: page.items, next_cursor: next.clone() }, next })
}

/// Add a template of a lease
///
/// For contributors of the public body that keeps it. It is seen by others once a version of it is submitted.
#[utoipa::path(
    post, path = "/lease-templates", tag = "lease templates",
    params(IdempotencyKeyHeader),
    request_body(content = CreateLeaseTemplate, description = "The template to add."),
    security(("oauth2" = ["lease-templates:write"]), ("bearer" = [])),
    responses(
        (status = 201, body = LeaseTemplate, description = "The template, as added."),
        (
            status = 409,
            description = "The slug belongs to another, or the organisation or the version forked from is not in the catalogue."
        ),
    ),
)]
async fn create_lease_template(
    app: Data<App>,
    once: Once,
    body: Json<CreateLeaseTemplate>,
) -> Result<impl Responder, Problem> {
    let Json(wanted) = body;
    let approvals = app.config.lease_approvals;
    let created = once.run(move |tx| {
        let organisation_id = organisations::resolve_one(tx, "/organisation", &wanted.state.organisation)?;
        rules::may_keep_lease_template(tx.roles(), organisation_id)?;
        let origin = match &wanted.forked_from {
            None => None,
            Some(key) => Some(published(tx, "/forkedFrom", key)?.id),
        };
        let slug = match &wanted.state.slug {
            Some(slug) => slug.clone(),
            None => templates::free_slug(tx, &wanted.state.facts.title)?,
        };
        let state = wanted.state.state(slug, organisation_id);
        let created = templates::create(tx, Uuid::now_v7(), &state, approvals, origin)?;
        let (version, path) = (created.version, path_of(&created));
        Ok(Single::created(LeaseTemplate::from(created), version, path))
    });
    created.await
}

/// Read a template of a lease
///
/// By id or slug. A slug that it had earlier redirects to the present one.
#[utoipa::path(
    get, path = "/lease-templates/{id}", tag = "lease templates",
    params(LeaseTemplatePath, IfNoneMatchHeader),
    security((), ("oauth2" = ["lease-templates:read"]), ("bearer" = [])),
    responses(
        (status = 200, body = LeaseTemplate, description = "The template."),
        (status = 301, description = "It has another slug today; `Location` has it."),
    ),
)]
async fn get_lease_template(
    app: Data<App>,
    caller: Caller,
    key: Path<Key>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let Path(key) = key;
    let asked = key.clone();
    let read = caller.read(&app.db, move |conn, roles| Ok(templates::find(conn, &Sight::new(roles), &key)?));
    let template = read.await?;
    let answer = moved(&asked, "lease-templates", &template.state.slug);
    Ok(answer.unwrap_or_else(|| shown(template).respond_to(&request)))
}

/// Change a template of a lease
///
/// Title, summary and the like, for contributors of who keeps it. What versions say changes by a new version.
#[utoipa::path(
    patch, path = "/lease-templates/{id}", tag = "lease templates",
    params(LeaseTemplatePath, IfMatchHeader),
    request_body(
        content = UpdateLeaseTemplate, content_type = "application/merge-patch+json",
        description = "The fields to change.",
    ),
    security(("oauth2" = ["lease-templates:write"]), ("bearer" = [])),
    responses(
        (status = 200, body = LeaseTemplate, description = "The template, as changed."),
        (status = 409, description = "The slug belongs to another, or the organisation is not in the catalogue."),
    ),
)]
async fn update_lease_template(
    app: Data<App>,
    caller: Caller,
    key: Path<Key>,
    if_match: IfMatch,
    patch: Patch,
) -> Result<impl Responder, Problem> {
    let Path(key) = key;
    let changed = app.db.write(caller.actor()?, move |tx| {
        let current = templates::lock(tx, &key)?;
        rules::may_keep_lease_template(tx.roles(), current.state.organisation_id)?;
        if_match.check(current.version)?;
        let wanted: LeaseTemplateState = patch.apply(&LeaseTemplateState::from(current.state.clone()))?;
        let slug = wanted.slug.clone().unwrap_or_else(|| current.state.slug.clone());
        let organisation_id = organisations::resolve_one(tx, "/organisation", &wanted.organisation)?;
        rules::may_keep_lease_template(tx.roles(), organisation_id)?;
        Ok::<_, Problem>(shown(templates::update(tx, &current, &wanted.state(slug, organisation_id))?))
    });
    changed.await
}

/// Remove a template of a lease
///
/// One of which nothing was submitted yet, for contributors of who keeps it.
#[utoipa::path(
    delete, path = "/lease-templates/{id}", tag = "lease templates",
    params(LeaseTemplatePath, IfMatchHeader),
    security(("oauth2" = ["lease-templates:write"]), ("bearer" = [])),
    responses(
        (status = 204, description = "Removed."),
        (status = 409, description = "A version of it was submitted or published."),
    ),
)]
async fn delete_lease_template(
    app: Data<App>,
    caller: Caller,
    key: Path<Key>,
    if_match: IfMatch,
) -> Result<impl Responder, Problem> {
    let Path(key) = key;
    app.db
        .write(caller.actor()?, move |tx| {
            let current = templates::lock(tx, &key)?;
            rules::may_keep_lease_template(tx.roles(), current.state.organisation_id)?;
            if_match.check(current.version)?;
            Ok::<_, Problem>(templates::delete(tx, &current)?)
        })
        .await?;
    Ok(HttpResponse::new(StatusCode::NO_CONTENT))
}

/// The version that a writer names, which was published; a conflict when there is none.
pub(crate) fn published(
    tx: &mut Tx<'_>,
    pointer: &'static str,
    key: &LeaseTemplateVersionKey,
) -> Result<Version, Problem> {
    let roles = tx.roles().clone();
    let number = key.number.parse::<Number>().map_err(|()| db::Error::NotFound);
    let template = Key::from(key.template.as_str());
    let found = number.and_then(|number| versions_of::read(&mut tx.conn(), &roles, &template, number));
    match found {
        Ok(version) if version.published_at.is_some() => Ok(version),
        Ok(_) | Err(db::Error::NotFound) => {
            let detail = "names no version that was published: give template and number of one";
            Err(Problem::new(&CONFLICT, "There is no such version.").with_faults([Fault::new(
                pointer,
                "unknown_version",
                detail,
            )]))
        }
        Err(other) => Err(other.into()),
    }
}

fn shown(template: Template) -> Single<LeaseTemplate> {
    let (version, path) = (template.version, path_of(&template));
    Single::ok(LeaseTemplate::from(template), version).with_link(&path, "self")
}

fn path_of(template: &Template) -> String {
    format!("/v1/lease-templates/{}", template.id)
}
