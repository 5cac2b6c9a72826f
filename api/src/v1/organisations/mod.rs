//! Organisations: `/organisations`. [`wire`] has the types.

pub mod wire;

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, Responder};
use db::organisations::list::{self, Filter, Position, Sort};
use db::organisations::{self, Key, Organisation as Row, OrganisationKind, OrganisationState};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::app::App;
use crate::auth::{Caller, rules};
use crate::http::etag::{IfMatchHeader, IfNoneMatchHeader};
use crate::http::idempotency::IdempotencyKeyHeader;
use crate::http::path::moved;
use crate::http::text::{IdentifierKey, Region, Spelling};
use crate::http::{Collection, Cursor, IfMatch, Json, Once, Paging, Patch, Path, Query, Single};
use crate::problem::Problem;
use crate::routes::Routes;
use wire::{CreateOrganisation, Organisation, OrganisationPage, UpdateOrganisation};

/// The operations on organisations.
#[must_use]
pub fn routes() -> Routes {
    routes![list_organisations, create_organisation, get_organisation, update_organisation, delete_organisation]
}

/// Order of a list of organisations: by name, or latest change first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = "name")]
pub enum OrganisationSort {
    /// By name.
    #[serde(rename = "name")]
    Name,
    /// Latest change first.
    #[serde(rename = "-updatedAt")]
    Updated,
}

/// Filters of the list of organisations.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct ListOrganisations {
    /// Code as `scheme:id`, such as `GB-LAC:E09000012`.
    #[serde(default)]
    #[param(max_items = 50, required = false, inline, value_type = Vec<IdentifierKey>)]
    identifier: Vec<String>,
    /// Name or alias, however it is spelt: case, accents and punctuation do not count.
    #[serde(default)]
    #[param(max_items = 50, required = false, inline, value_type = Vec<Spelling>)]
    alias: Vec<String>,
    /// What sort of body.
    #[serde(default)]
    #[param(max_items = 7, required = false, inline, value_type = Vec<OrganisationKind>)]
    kind: Vec<OrganisationKind>,
    /// Region of the United Kingdom.
    #[serde(default)]
    #[param(max_items = 20, required = false, inline, value_type = Vec<Region>)]
    region: Vec<String>,
    /// true: those that exist today; false: those that have ended.
    #[param(required = false, value_type = bool, example = true)]
    active: Option<bool>,
    /// Id or slug of the body that they are part of.
    #[param(min_length = 1, max_length = 80, pattern = "^[a-z0-9]+(-[a-z0-9]+)*$", required = false, value_type = String, example = "greater-london-authority")]
    parent: Option<String>,
    /// Part of the name or of an alias, or something like the name.
    #[param(min_length = 1, max_length = 200, pattern = r"^[^\u0000-\u001f\u007f]*$", required = false, value_type = String, example = "hackney")]
    q: Option<String>,
    /// Instead of a body that was replaced, list those that stand for it today.
    #[param(default = false, required = false, value_type = bool, example = true)]
    follow_replacements: Option<bool>,
    /// Order: by name when absent.
    #[param(required = false, inline, value_type = OrganisationSort)]
    sort: Option<OrganisationSort>,
    /// Whether to count the items of all pages as `total`, which takes longer.
    #[param(default = false, required = false, value_type = bool, example = true)]
    count: Option<bool>,
    #[serde(flatten)]
    #[param(ignore)]
    paging: Paging,
}

impl ListOrganisations {
    fn filter(&self) -> Filter {
        Filter {
            identifiers: self.identifier.iter().filter_map(|text| read_identifier(text)).collect(),
            aliases: self.alias.clone(),
            kinds: self.kind.clone(),
            regions: self.region.clone(),
            active: self.active,
            parent: self.parent.as_deref().map(Key::from),
            q: self.q.clone(),
            follow_replacements: self.follow_replacements.unwrap_or(false),
        }
    }

    fn sort(&self) -> Sort {
        match self.sort {
            None | Some(OrganisationSort::Name) => Sort::Name,
            Some(OrganisationSort::Updated) => Sort::Updated,
        }
    }
}

fn read_identifier(text: &str) -> Option<organisations::Identifier> {
    let (scheme, id) = text.split_once(':')?;
    Some(organisations::Identifier { scheme: scheme.to_owned(), id: id.to_owned() })
}

/// List organisations
///
/// Organisations that match every filter, one page at a time. Several values of one filter mean any of them.
#[utoipa::path(
    get, path = "/organisations", tag = "organisations",
    params(ListOrganisations, Paging, IfNoneMatchHeader),
    security((), ("oauth2" = ["organisations:read"]), ("bearer" = [])),
    responses((status = 200, body = OrganisationPage, description = "A page of organisations.")),
)]
async fn list_organisations(
    app: Data<App>,
    caller: Caller,
    query: Query<ListOrganisations>,
) -> Result<impl Responder, Problem> {
    let Query(query) = query;
    let (filter, sort, limit, counts) =
        (query.filter(), query.sort(), query.paging.limit(), query.count.unwrap_or(false));
    let after: Option<Position> = query.paging.after()?;
    let fits = match &after {
        None => true,
        Some(Position::Name(..)) => sort == Sort::Name,
        Some(Position::Updated(..)) => sort == Sort::Updated,
    };
    if !fits {
        return Err(Cursor::refused());
    }
    let viewer = caller.viewer();
    let (page, total) = app
        .db
        .read(move |conn| {
            let page = list::list(conn, viewer, &filter, sort, after.as_ref(), limit)?;
            let total = if counts { Some(list::count(conn, &filter)?) } else { None };
            Ok::<_, Problem>((page, total))
        })
        .await?;
    let next = page.next.as_ref().map(Cursor::write);
    let items = page.items.into_iter().map(Into::into).collect();
    Ok(Collection { page: OrganisationPage { items, next_cursor: next.clone(), total }, next })
}

/// Add an organisation
///
/// For administrators of the platform. A slug is made from the name when none is given.
#[utoipa::path(
    post, path = "/organisations", tag = "organisations",
    params(IdempotencyKeyHeader),
    request_body(content = CreateOrganisation, description = "The organisation to add."),
    security(("oauth2" = ["organisations:write"]), ("bearer" = [])),
    responses(
        (status = 201, body = Organisation, description = "The organisation, as added."),
        (status = 409, description = "The slug or an identifier belongs to another, or a parent or replacement is not in the catalogue or would close a circle."),
    ),
)]
async fn create_organisation(once: Once, body: Json<CreateOrganisation>) -> Result<impl Responder, Problem> {
    let Json(wanted) = body;
    let created = once.run(move |tx| {
        rules::may_create_organisation(tx.roles())?;
        let slug = match &wanted.slug {
            Some(slug) => slug.clone(),
            None => organisations::free_slug(tx, &wanted.facts.name)?,
        };
        let state = wanted.state(tx, slug)?;
        let created = organisations::create(tx, Uuid::now_v7(), &state)?;
        let (version, path) = (created.row.version, path_of(&created));
        Ok(Single::created(Organisation::from(created), version, path))
    });
    created.await
}

/// Read an organisation
///
/// By id or slug. A slug that it had earlier redirects to the present one.
#[utoipa::path(
    get, path = "/organisations/{id}", tag = "organisations",
    params(OrganisationPath, IfNoneMatchHeader),
    security((), ("oauth2" = ["organisations:read"]), ("bearer" = [])),
    responses(
        (status = 200, body = Organisation, description = "The organisation."),
        (status = 301, description = "It has another slug today; `Location` has it."),
    ),
)]
async fn get_organisation(
    app: Data<App>,
    caller: Caller,
    key: Path<Key>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let (Path(key), viewer) = (key, caller.viewer());
    let asked = key.clone();
    let found = app.db.read(move |conn| organisations::find(conn, viewer, &key)).await.map_err(Problem::from)?;
    Ok(moved(&asked, "organisations", &found.row.slug).unwrap_or_else(|| answer(found).respond_to(&request)))
}

/// Change an organisation
///
/// Its stewards and administrators change what describes it; kind, slug, identifiers, parent, replacedBy, emailDomains
/// and memberSince are for administrators of the platform. A change to the state that it is in already changes nothing.
#[utoipa::path(
    patch, path = "/organisations/{id}", tag = "organisations",
    params(OrganisationPath, IfMatchHeader),
    request_body(
        content = UpdateOrganisation, content_type = "application/merge-patch+json",
        description = "The fields to change.",
    ),
    security(("oauth2" = ["organisations:write"]), ("bearer" = [])),
    responses(
        (status = 200, body = Organisation, description = "The organisation, as changed."),
        (status = 409, description = "The slug or an identifier belongs to another, or a parent or replacement is not in the catalogue or would close a circle."),
    ),
)]
async fn update_organisation(
    app: Data<App>,
    caller: Caller,
    key: Path<Key>,
    if_match: IfMatch,
    patch: Patch,
) -> Result<impl Responder, Problem> {
    let Path(key) = key;
    let viewer = caller.viewer();
    let changed = app
        .db
        .write(caller.actor()?, move |tx| {
            let current = organisations::lock(tx, &key)?;
            let before = OrganisationState::from(&current);
            // Who may change nothing at all learns so before anything else is looked at.
            rules::may_update_organisation(tx.roles(), current.row.id, &before, &before)?;
            if_match.check(current.row.version)?;
            let wanted: CreateOrganisation = patch.apply(&CreateOrganisation::from(&before))?;
            let slug = wanted.slug.clone().unwrap_or_else(|| before.slug.clone());
            let state = wanted.state(tx, slug)?;
            rules::may_update_organisation(tx.roles(), current.row.id, &before, &state)?;
            let changed = organisations::update(tx, &current, &state)?;
            Ok::<_, Problem>(organisations::find(&mut tx.conn(), viewer, &Key::Id(changed.row.id))?)
        })
        .await?;
    Ok(answer(changed))
}

/// Remove an organisation
///
/// For administrators of the platform, to undo what was added by mistake: one that anything refers to cannot be
/// removed. An organisation that ended gets `endsOn` and `replacedBy` instead.
#[utoipa::path(
    delete, path = "/organisations/{id}", tag = "organisations",
    params(OrganisationPath, IfMatchHeader),
    security(("oauth2" = ["organisations:write"]), ("bearer" = [])),
    responses(
        (status = 204, description = "Removed."),
        (status = 409, description = "Something refers to it."),
    ),
)]
async fn delete_organisation(
    app: Data<App>,
    caller: Caller,
    key: Path<Key>,
    if_match: IfMatch,
) -> Result<impl Responder, Problem> {
    let Path(key) = key;
    app.db
        .write(caller.actor()?, move |tx| {
            let current = organisations::lock(tx, &key)?;
            rules::may_delete_organisation(tx.roles())?;
            if_match.check(current.row.version)?;
            Ok::<_, Problem>(organisations::delete(tx, &current)?)
        })
        .await?;
    Ok(HttpResponse::new(StatusCode::NO_CONTENT))
}

/// Which organisation.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes the parameter that `Path<Key>` reads")]
pub struct OrganisationPath {
    /// Id or slug of the organisation.
    #[param(
        min_length = 1,
        max_length = 80,
        pattern = "^[a-z0-9]+(-[a-z0-9]+)*$",
        example = "london-borough-of-hackney"
    )]
    id: String,
}

fn answer(organisation: Row) -> Single<Organisation> {
    let (version, path) = (organisation.row.version, path_of(&organisation));
    Single::ok(Organisation::from(organisation), version).with_link(&path, "self")
}

fn path_of(organisation: &Row) -> String {
    format!("/v1/organisations/{}", organisation.row.id)
}
