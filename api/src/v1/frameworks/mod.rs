//! Frameworks: `/frameworks`. [`wire`] has the types; their controls, and the OSCAL catalog of which these are made, are in
//! `controls`, and how those relate to those of others in `mappings`.

pub mod controls;
mod mappings;
pub mod wire;

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, Responder};
use db::frameworks::{self, Filter, FrameworkStatus, Position, Sight};
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
use crate::http::text::OrganisationKey;
use crate::http::{Collection, Cursor, IfMatch, Json, Once, Paging, Patch, Path, Query, Single};
use crate::problem::Problem;
use crate::routes::Routes;
use wire::{Framework, FrameworkPage, FrameworkState, UpdateFramework, WithdrawFramework};

/// The operations on frameworks.
#[must_use]
pub fn routes() -> Routes {
    routes![
        list_frameworks,
        create_framework,
        get_framework,
        update_framework,
        delete_framework,
        publish_framework,
        withdraw_framework
    ]
    .merge(controls::routes())
    .merge(mappings::routes())
}

/// Filters of the list of frameworks.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct ListFrameworks {
    /// Part of the title.
    #[param(
        required = false, value_type = String, min_length = 1, max_length = 200,
        pattern = r"^[^\u0000-\u001f\u007f]+$", example = "cyber"
    )]
    title: Option<String>,
    /// Organisation that keeps it, by id or slug.
    #[serde(default)]
    #[param(max_items = 50, required = false, inline, value_type = Vec<OrganisationKey>)]
    organisation: Vec<String>,
    /// Where it stands.
    #[serde(default)]
    #[param(max_items = 4, required = false, inline, value_type = Vec<FrameworkStatus>)]
    status: Vec<FrameworkStatus>,
    #[serde(flatten)]
    #[param(ignore)]
    paging: Paging,
}

/// Which framework.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes the parameter that `Path<Key>` reads")]
pub struct FrameworkPath {
    /// Id or slug of the framework.
    #[param(min_length = 1, max_length = 80, pattern = "^[a-z0-9]+(-[a-z0-9]+)*$", example = "cyber-baseline")]
    id: String,
}

/// List frameworks
///
/// By title. Those that were published; drafts for contributors of the organisation that keeps them.
#[utoipa::path(
    get, path = "/frameworks", tag = "frameworks",
    params(ListFrameworks, Paging, IfNoneMatchHeader),
    security((), ("oauth2" = ["frameworks:read"]), ("bearer" = [])),
    responses((status = 200, body = FrameworkPage, description = "A page of frameworks.")),
)]
async fn list_frameworks(
    app: Data<App>,
    caller: Caller,
    query: Query<ListFrameworks>,
) -> Result<impl Responder, Problem> {
    let Query(ListFrameworks { title, organisation, status, paging }) = query;
    let (limit, after): (_, Option<Position>) = (paging.limit(), paging.after()?);
    let organisations = organisation.iter().map(|key| Key::from(key.as_str())).collect();
    let filter = Filter { organisations, statuses: status, titled: title };
    let page = caller.read(&app.db, move |conn, roles| {
        Ok(frameworks::list(conn, &Sight::new(roles), &filter, after.as_ref(), limit)?)
    });
    let page = page.await?.map(Framework::from);
    let next = page.next.as_ref().map(Cursor::write);
    Ok(Collection { page: FrameworkPage { items: page.items, next_cursor: next.clone() }, next })
}

/// Add a framework
///
/// A draft, for contributors of the public body that keeps it. Its controls come with its catalog: `PUT …/oscal`.
#[utoipa::path(
    post, path = "/frameworks", tag = "frameworks",
    params(IdempotencyKeyHeader),
    request_body(content = FrameworkState, description = "The framework to add."),
    security(("oauth2" = ["frameworks:write"]), ("bearer" = [])),
    responses(
        (status = 201, body = Framework, description = "The framework, as added."),
        (
            status = 409,
            description = "The slug belongs to another, or the organisation or the edition before is not in the catalogue."
        ),
    ),
)]
async fn create_framework(once: Once, body: Json<FrameworkState>) -> Result<impl Responder, Problem> {
    let Json(wanted) = body;
    let created = once.run(move |tx| {
        let organisation_id = organisations::resolve_one(tx, "/organisation", &wanted.organisation)?;
        rules::may_keep_framework(tx.roles(), organisation_id)?;
        let supersedes_id = edition_before(tx, wanted.supersedes.as_deref())?;
        let slug = match &wanted.slug {
            Some(slug) => slug.clone(),
            None => frameworks::free_slug(tx, &format!("{} {}", wanted.facts.title, wanted.facts.edition))?,
        };
        let state = wanted.stored(slug, organisation_id, supersedes_id);
        let created = frameworks::create(tx, Uuid::now_v7(), &state)?;
        let (version, path) = (created.version, path_of(created.id));
        Ok(Single::created(Framework::from(created), version, path))
    });
    created.await
}

/// The edition that a writer names.
fn edition_before(tx: &mut Tx<'_>, named: Option<&str>) -> Result<Option<Uuid>, Problem> {
    let Some(key) = named else { return Ok(None) };
    let sight = Sight::new(tx.roles());
    match frameworks::find(&mut tx.conn(), &sight, &Key::from(key)) {
        Ok(found) => Ok(Some(found.id)),
        Err(db::Error::NotFound) => {
            let detail = "names no framework: give the id or slug of one that you see";
            Err(Problem::conflict(&[Fault::new("/supersedes", "unknown_framework", detail)]))
        }
        Err(other) => Err(other.into()),
    }
}

/// Read a framework
///
/// By id or slug. A slug that it had earlier redirects to the present one.
#[utoipa::path(
    get, path = "/frameworks/{id}", tag = "frameworks",
    params(FrameworkPath, IfNoneMatchHeader),
    security((), ("oauth2" = ["frameworks:read"]), ("bearer" = [])),
    responses(
        (status = 200, body = Framework, description = "The framework."),
        (status = 301, description = "It has another slug today; `Location` has it."),
    ),
)]
async fn get_framework(
    app: Data<App>,
    caller: Caller,
    key: Path<Key>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let Path(key) = key;
    let asked = key.clone();
    let read = caller.read(&app.db, move |conn, roles| Ok(frameworks::find(conn, &Sight::new(roles), &key)?));
    let framework = read.await?;
    let answer = moved(&asked, "frameworks", &framework.state.slug);
    Ok(answer.unwrap_or_else(|| shown(framework).respond_to(&request)))
}

/// Change a framework
///
/// For contributors of who keeps it. Of what was published, only slug, summary and organisation change.
#[utoipa::path(
    patch, path = "/frameworks/{id}", tag = "frameworks",
    params(FrameworkPath, IfMatchHeader),
    request_body(
        content = UpdateFramework, content_type = "application/merge-patch+json",
        description = "The fields to change.",
    ),
    security(("oauth2" = ["frameworks:write"]), ("bearer" = [])),
    responses(
        (status = 200, body = Framework, description = "The framework, as changed."),
        (
            status = 409,
            description = "It was published, the slug belongs to another, or the organisation or the edition before is not in the catalogue."
        ),
    ),
)]
async fn update_framework(
    app: Data<App>,
    caller: Caller,
    key: Path<Key>,
    if_match: IfMatch,
    patch: Patch,
) -> Result<impl Responder, Problem> {
    let Path(key) = key;
    let changed = app.db.write(caller.actor()?, move |tx| {
        let current = kept(tx, &key)?;
        if_match.check(current.version)?;
        let wanted: FrameworkState = patch.apply(&FrameworkState::from(current.state.clone()))?;
        let slug = wanted.slug.clone().unwrap_or_else(|| current.state.slug.clone());
        let organisation_id = organisations::resolve_one(tx, "/organisation", &wanted.organisation)?;
        rules::may_keep_framework(tx.roles(), organisation_id)?;
        let supersedes_id = edition_before(tx, wanted.supersedes.as_deref())?;
        let state = wanted.stored(slug, organisation_id, supersedes_id);
        Ok::<_, Problem>(shown(frameworks::update(tx, &current, &state)?))
    });
    changed.await
}

/// Remove a draft of a framework
///
/// For contributors of who keeps it. What was published is withdrawn instead.
#[utoipa::path(
    delete, path = "/frameworks/{id}", tag = "frameworks",
    params(FrameworkPath, IfMatchHeader),
    security(("oauth2" = ["frameworks:write"]), ("bearer" = [])),
    responses((status = 204, description = "Removed."), (status = 409, description = "It was published.")),
)]
async fn delete_framework(
    app: Data<App>,
    caller: Caller,
    key: Path<Key>,
    if_match: IfMatch,
) -> Result<impl Responder, Problem> {
    let Path(key) = key;
    app.db
        .write(caller.actor()?, move |tx| {
            let current = kept(tx, &key)?;
            if_match.check(current.version)?;
            Ok::<_, Problem>(frameworks::delete(tx, &current)?)
        })
        .await?;
    Ok(HttpResponse::new(StatusCode::NO_CONTENT))
}

/// Publish a framework
///
/// For stewards of the organisation that keeps it. From now on what it says stays; the edition that it takes the place of is
/// superseded.
#[utoipa::path(
    post, path = "/frameworks/{id}/publish", tag = "frameworks",
    params(FrameworkPath, IdempotencyKeyHeader),
    security(("oauth2" = ["frameworks:write"]), ("bearer" = [])),
    responses(
        (status = 200, body = Framework, description = "The framework, published."),
        (
            status = 409,
            description = "It is no draft, has no controls, or another edition took the place of the same one."
        ),
    ),
)]
async fn publish_framework(once: Once, key: Path<Key>) -> Result<impl Responder, Problem> {
    let Path(key) = key;
    let published = once.run(move |tx| {
        let current = frameworks::lock(tx, &key)?;
        rules::may_publish_framework(tx.roles(), current.state.organisation_id)?;
        Ok(shown(frameworks::publish(tx, &current)?))
    });
    published.await
}

/// Withdraw a framework
///
/// It is not to be used any more, and stays to be read. For stewards of the organisation that keeps it.
#[utoipa::path(
    post, path = "/frameworks/{id}/withdraw", tag = "frameworks",
    params(FrameworkPath, IdempotencyKeyHeader),
    request_body(content = WithdrawFramework, description = "Why."),
    security(("oauth2" = ["frameworks:write"]), ("bearer" = [])),
    responses(
        (status = 200, body = Framework, description = "The framework, withdrawn."),
        (status = 409, description = "It was not published, or was withdrawn."),
    ),
)]
async fn withdraw_framework(
    once: Once,
    key: Path<Key>,
    body: Json<WithdrawFramework>,
) -> Result<impl Responder, Problem> {
    let (Path(key), Json(WithdrawFramework { reason })) = (key, body);
    let withdrawn = once.run(move |tx| {
        let current = frameworks::lock(tx, &key)?;
        rules::may_publish_framework(tx.roles(), current.state.organisation_id)?;
        Ok(shown(frameworks::withdraw(tx, &current, &reason)?))
    });
    withdrawn.await
}

/// One framework, locked, for who may write it.
fn kept(tx: &mut Tx<'_>, key: &Key) -> Result<frameworks::Framework, Problem> {
    let current = frameworks::lock(tx, key)?;
    rules::may_keep_framework(tx.roles(), current.state.organisation_id)?;
    Ok(current)
}

fn shown(framework: frameworks::Framework) -> Single<Framework> {
    let (version, path) = (framework.version, path_of(framework.id));
    Single::ok(Framework::from(framework), version).with_link(&path, "self")
}

fn path_of(id: Uuid) -> String {
    format!("/v1/frameworks/{id}")
}
