//! Checklists: `/checklists`. [`wire`] has the types; the controls that they select, and the OSCAL profiles that they are, in
//! `controls`.

mod controls;
pub mod wire;

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, Responder};
use db::checklists::controls::Selected;
use db::checklists::{self, ChecklistState as StoredState, ChecklistStatus, Filter, Position, Sight};
use db::frameworks::items;
use db::frameworks::{self, FrameworkStatus};
use db::organisations::{self, Key, OrganisationKind};
use db::{Fault, Tx};
use serde::Deserialize;
use serde_json::Map;
use utoipa::IntoParams;
use uuid::Uuid;

use crate::app::App;
use crate::auth::{Caller, rules};
use crate::compliance::selection::{self, Adjustment};
use crate::http::etag::{IfMatchHeader, IfNoneMatchHeader};
use crate::http::idempotency::IdempotencyKeyHeader;
use crate::http::path::moved;
use crate::http::text::{FrameworkKey, OrganisationKey};
use crate::http::{Collection, Cursor, IfMatch, Json, Once, Paging, Patch, Path, Query, Single};
use crate::problem::Problem;
use crate::routes::Routes;
use wire::Ids;
use wire::{Checklist, ChecklistPage, ChecklistState, UpdateChecklist, WithdrawChecklist};

/// The operations on checklists.
#[must_use]
pub fn routes() -> Routes {
    routes![
        list_checklists,
        create_checklist,
        get_checklist,
        update_checklist,
        delete_checklist,
        publish_checklist,
        withdraw_checklist
    ]
    .merge(controls::routes())
}

/// Filters of the list of checklists.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct ListChecklists {
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
    #[param(max_items = 4, required = false, inline, value_type = Vec<ChecklistStatus>)]
    status: Vec<ChecklistStatus>,
    /// Framework of which it selects controls, by id or slug.
    #[serde(default)]
    #[param(max_items = 50, required = false, inline, value_type = Vec<FrameworkKey>)]
    framework: Vec<String>,
    /// Kind of organisation that it is for, among others.
    #[param(required = false, inline, value_type = OrganisationKind)]
    applies_to: Option<OrganisationKind>,
    #[serde(flatten)]
    #[param(ignore)]
    paging: Paging,
}

/// Which checklist.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes the parameter that `Path<Key>` reads")]
pub struct ChecklistPath {
    /// Id or slug of the checklist.
    #[param(min_length = 1, max_length = 80, pattern = "^[a-z0-9]+(-[a-z0-9]+)*$", example = "cyber-baseline")]
    id: String,
}

/// List checklists
///
/// By title. Those that were published; drafts for contributors of the organisation that keeps them.
#[utoipa::path(
    get, path = "/checklists", tag = "checklists",
    params(ListChecklists, Paging, IfNoneMatchHeader),
    security((), ("oauth2" = ["checklists:read"]), ("bearer" = [])),
    responses((status = 200, body = ChecklistPage, description = "A page of checklists.")),
)]
async fn list_checklists(
    app: Data<App>,
    caller: Caller,
    query: Query<ListChecklists>,
) -> Result<impl Responder, Problem> {
    let Query(ListChecklists { title, organisation, status, framework, applies_to, paging }) = query;
    let (limit, after): (_, Option<Position>) = (paging.limit(), paging.after()?);
    let keys = |named: &[String]| named.iter().map(|key| Key::from(key.as_str())).collect();
    let filter = Filter {
        organisations: keys(&organisation),
        statuses: status,
        titled: title,
        frameworks: keys(&framework),
        applies_to: applies_to.map(|kind| kind.to_string()),
    };
    let page = caller.read(&app.db, move |conn, roles| {
        Ok(checklists::list(conn, &Sight::new(roles), &filter, after.as_ref(), limit)?)
    });
    let page = page.await?.map(Checklist::from);
    let next = page.next.as_ref().map(Cursor::write);
    Ok(Collection { page: ChecklistPage { items: page.items, next_cursor: next.clone() }, next })
}

/// Add a checklist
///
/// A draft, for contributors of the public body that keeps it. Without `include` it selects all controls of its framework.
#[utoipa::path(
    post, path = "/checklists", tag = "checklists",
    params(IdempotencyKeyHeader),
    request_body(content = ChecklistState, description = "The checklist to add."),
    security(("oauth2" = ["checklists:write"]), ("bearer" = [])),
    responses(
        (status = 201, body = Checklist, description = "The checklist, as added."),
        (
            status = 409,
            description = "The slug belongs to another, or the organisation, the framework, a control or the edition before is not in the catalogue."
        ),
    ),
)]
async fn create_checklist(once: Once, body: Json<ChecklistState>) -> Result<impl Responder, Problem> {
    let Json(wanted) = body;
    let created = once.run(move |tx| {
        let organisation_id = organisations::resolve_one(tx, "/organisation", &wanted.organisation)?;
        rules::may_keep_checklist(tx.roles(), organisation_id)?;
        let supersedes_id = edition_before(tx, wanted.supersedes.as_deref())?;
        let framework_id = published_framework(tx, &wanted.framework)?;
        let slug = match &wanted.slug {
            Some(slug) => slug.clone(),
            None => checklists::free_slug(tx, &format!("{} {}", wanted.facts.title, wanted.facts.edition))?,
        };
        let ids = Ids { organisation: organisation_id, framework: framework_id, supersedes: supersedes_id };
        let state = wanted.stored(slug, ids, Map::new());
        let selected = selected(tx, &state, &wanted.adjustments())?;
        let created = checklists::create(tx, Uuid::now_v7(), &state, &selected)?;
        let (version, path) = (created.version, path_of(created.id));
        Ok(Single::created(Checklist::from(created), version, path))
    });
    created.await
}

/// The framework that a writer names, which was published.
fn published_framework(tx: &mut Tx<'_>, named: &str) -> Result<Uuid, Problem> {
    let sight = frameworks::Sight::new(tx.roles());
    let refused =
        |code: &'static str, detail: &'static str| Err(Problem::conflict(&[Fault::new("/framework", code, detail)]));
    match frameworks::find(&mut tx.conn(), &sight, &Key::from(named)) {
        Ok(found) if matches!(found.status, FrameworkStatus::Published | FrameworkStatus::Superseded) => Ok(found.id),
        Ok(_) => refused("not_published", "names a framework that is a draft or was withdrawn"),
        Err(db::Error::NotFound) => {
            refused("unknown_framework", "names no framework: give the id or slug of one that was published")
        }
        Err(other) => Err(other.into()),
    }
}

/// The controls that a checklist selects; else everything of its selection that names none.
pub(crate) fn selected(
    tx: &mut Tx<'_>,
    state: &StoredState,
    adjustments: &[Adjustment],
) -> Result<Vec<Selected>, Problem> {
    let outline = items::outline(&mut tx.conn(), state.framework_id)?;
    selection::resolve(&outline, &state.included.0, &state.excluded.0, adjustments)
        .map_err(|faults| Problem::conflict(&faults))
}

/// The edition that a writer names.
fn edition_before(tx: &mut Tx<'_>, named: Option<&str>) -> Result<Option<Uuid>, Problem> {
    let Some(key) = named else { return Ok(None) };
    let sight = Sight::new(tx.roles());
    match checklists::find(&mut tx.conn(), &sight, &Key::from(key)) {
        Ok(found) => Ok(Some(found.id)),
        Err(db::Error::NotFound) => {
            let detail = "names no checklist: give the id or slug of one that you see";
            Err(Problem::conflict(&[Fault::new("/supersedes", "unknown_checklist", detail)]))
        }
        Err(other) => Err(other.into()),
    }
}

/// Read a checklist
///
/// By id or slug. A slug that it had earlier redirects to the present one.
#[utoipa::path(
    get, path = "/checklists/{id}", tag = "checklists",
    params(ChecklistPath, IfNoneMatchHeader),
    security((), ("oauth2" = ["checklists:read"]), ("bearer" = [])),
    responses(
        (status = 200, body = Checklist, description = "The checklist."),
        (status = 301, description = "It has another slug today; `Location` has it."),
    ),
)]
async fn get_checklist(
    app: Data<App>,
    caller: Caller,
    key: Path<Key>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let Path(key) = key;
    let asked = key.clone();
    let read = caller.read(&app.db, move |conn, roles| Ok(checklists::find(conn, &Sight::new(roles), &key)?));
    let checklist = read.await?;
    let answer = moved(&asked, "checklists", &checklist.state.slug);
    Ok(answer.unwrap_or_else(|| shown(checklist).respond_to(&request)))
}

/// Change a checklist
///
/// For contributors of who keeps it. Of what was published, only slug, summary and organisation change.
#[utoipa::path(
    patch, path = "/checklists/{id}", tag = "checklists",
    params(ChecklistPath, IfMatchHeader),
    request_body(
        content = UpdateChecklist, content_type = "application/merge-patch+json",
        description = "The fields to change.",
    ),
    security(("oauth2" = ["checklists:write"]), ("bearer" = [])),
    responses(
        (status = 200, body = Checklist, description = "The checklist, as changed."),
        (
            status = 409,
            description = "It was published, the slug belongs to another, or the organisation, the framework, a control or the edition before is not in the catalogue."
        ),
    ),
)]
async fn update_checklist(
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
        let held = checklists::controls::selected(&mut tx.conn(), current.id)?;
        let wanted: ChecklistState = patch.apply(&ChecklistState::new(current.state.clone(), &held))?;
        let slug = wanted.slug.clone().unwrap_or_else(|| current.state.slug.clone());
        let organisation_id = organisations::resolve_one(tx, "/organisation", &wanted.organisation)?;
        rules::may_keep_checklist(tx.roles(), organisation_id)?;
        let supersedes_id = edition_before(tx, wanted.supersedes.as_deref())?;
        let framework_id = if wanted.framework == current.state.framework_id.to_string() {
            current.state.framework_id
        } else {
            published_framework(tx, &wanted.framework)?
        };
        let ids = Ids { organisation: organisation_id, framework: framework_id, supersedes: supersedes_id };
        let state = wanted.stored(slug, ids, current.state.profile.0.clone());
        let selected = selected(tx, &state, &wanted.adjustments())?;
        Ok::<_, Problem>(shown(checklists::update(tx, &current, &state, &selected)?))
    });
    changed.await
}

/// Remove a draft of a checklist
///
/// For contributors of who keeps it. What was published is withdrawn instead.
#[utoipa::path(
    delete, path = "/checklists/{id}", tag = "checklists",
    params(ChecklistPath, IfMatchHeader),
    security(("oauth2" = ["checklists:write"]), ("bearer" = [])),
    responses((status = 204, description = "Removed."), (status = 409, description = "It was published.")),
)]
async fn delete_checklist(
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
            Ok::<_, Problem>(checklists::delete(tx, &current)?)
        })
        .await?;
    Ok(HttpResponse::new(StatusCode::NO_CONTENT))
}

/// Publish a checklist
///
/// For stewards of the organisation that keeps it. From now on what it says stays; the edition that it takes the place of is
/// superseded.
#[utoipa::path(
    post, path = "/checklists/{id}/publish", tag = "checklists",
    params(ChecklistPath, IdempotencyKeyHeader),
    security(("oauth2" = ["checklists:write"]), ("bearer" = [])),
    responses(
        (status = 200, body = Checklist, description = "The checklist, published."),
        (
            status = 409,
            description = "It is no draft, has no controls, or another edition took the place of the same one."
        ),
    ),
)]
async fn publish_checklist(once: Once, key: Path<Key>) -> Result<impl Responder, Problem> {
    let Path(key) = key;
    let published = once.run(move |tx| {
        let current = checklists::lock(tx, &key)?;
        rules::may_publish_checklist(tx.roles(), current.state.organisation_id)?;
        Ok(shown(checklists::publish(tx, &current)?))
    });
    published.await
}

/// Withdraw a checklist
///
/// It is not to be used any more, and stays to be read. For stewards of the organisation that keeps it.
#[utoipa::path(
    post, path = "/checklists/{id}/withdraw", tag = "checklists",
    params(ChecklistPath, IdempotencyKeyHeader),
    request_body(content = WithdrawChecklist, description = "Why."),
    security(("oauth2" = ["checklists:write"]), ("bearer" = [])),
    responses(
        (status = 200, body = Checklist, description = "The checklist, withdrawn."),
        (status = 409, description = "It was not published, or was withdrawn."),
    ),
)]
async fn withdraw_checklist(
    once: Once,
    key: Path<Key>,
    body: Json<WithdrawChecklist>,
) -> Result<impl Responder, Problem> {
    let (Path(key), Json(WithdrawChecklist { reason })) = (key, body);
    let withdrawn = once.run(move |tx| {
        let current = checklists::lock(tx, &key)?;
        rules::may_publish_checklist(tx.roles(), current.state.organisation_id)?;
        Ok(shown(checklists::withdraw(tx, &current, &reason)?))
    });
    withdrawn.await
}

/// One checklist, locked, for who may write it.
fn kept(tx: &mut Tx<'_>, key: &Key) -> Result<checklists::Checklist, Problem> {
    let current = checklists::lock(tx, key)?;
    rules::may_keep_checklist(tx.roles(), current.state.organisation_id)?;
    Ok(current)
}

fn shown(checklist: checklists::Checklist) -> Single<Checklist> {
    let (version, path) = (checklist.version, path_of(checklist.id));
    Single::ok(Checklist::from(checklist), version).with_link(&path, "self")
}

fn path_of(id: Uuid) -> String {
    format!("/v1/checklists/{id}")
}
