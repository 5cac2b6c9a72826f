//! Versions of a template: `/lease-templates/{id}/versions`.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpResponse, Responder};
use db::lease_templates::content;
use db::lease_templates::versions::{self, Number, Version, VersionStatus};
use db::lease_templates::{self as templates, Sight, Template};
use db::organisations::{self, Key};
use db::{Fault, Tx};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use utoipa::IntoParams;
use uuid::Uuid;

use super::wire::{
    ApproveLeaseTemplateVersion, CreateLeaseTemplateVersion, LeaseTemplateVersion, LeaseTemplateVersionPage,
    LeaseTemplateVersionReason, LeaseTemplateVersionState, UpdateLeaseTemplateVersion,
};
use super::{LeaseTemplatePath, published};
use crate::app::App;
use crate::auth::{Caller, rules};
use crate::http::etag::{IfMatchHeader, IfNoneMatchHeader};
use crate::http::idempotency::IdempotencyKeyHeader;
use crate::http::{Collection, Cursor, IfMatch, Json, Once, Paging, Patch, Path, Query, Single};
use crate::lease::check;
use crate::problem::{CONFLICT, Problem};
use crate::routes::Routes;
use crate::words::hex;

/// The operations here.
#[must_use]
pub fn routes() -> Routes {
    routes![
        list_lease_template_versions,
        create_lease_template_version,
        get_lease_template_version,
        update_lease_template_version,
        delete_lease_template_version,
        submit_lease_template_version,
        return_lease_template_version,
        approve_lease_template_version,
        publish_lease_template_version,
        withdraw_lease_template_version
    ]
}

/// Filters of the versions of a template.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct ListLeaseTemplateVersions {
    /// Where they stand.
    #[serde(default)]
    #[param(max_items = 5, required = false, inline, value_type = Vec<VersionStatus>)]
    status: Vec<VersionStatus>,
    #[serde(flatten)]
    #[param(ignore)]
    paging: Paging,
}

/// Which version of a template.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes the parameter that `Path` reads")]
pub struct LeaseTemplateVersionPath {
    /// Number of the version.
    #[param(
        min_length = 5,
        max_length = 20,
        pattern = r"^(0|[1-9][0-9]{0,5})\.(0|[1-9][0-9]{0,5})\.(0|[1-9][0-9]{0,5})$",
        example = "1.2.0"
    )]
    number: String,
}

/// List versions of a template
///
/// The highest number first. Those that were published; those under review as well for people of public bodies, and
/// drafts for contributors of the organisation that keeps the template.
#[utoipa::path(
    get, path = "/lease-templates/{id}/versions", tag = "lease templates",
    params(LeaseTemplatePath, ListLeaseTemplateVersions, Paging, IfNoneMatchHeader),
    security((), ("oauth2" = ["lease-templates:read"]), ("bearer" = [])),
    responses((status = 200, body = LeaseTemplateVersionPage, description = "A page of versions.")),
)]
async fn list_lease_template_versions(
    app: Data<App>,
    caller: Caller,
    key: Path<Key>,
    query: Query<ListLeaseTemplateVersions>,
) -> Result<impl Responder, Problem> {
    let (Path(key), Query(ListLeaseTemplateVersions { status, paging })) = (key, query);
    let (limit, after): (_, Option<Number>) = (paging.limit(), paging.after()?);
    let page = caller.read(&app.db, move |conn, roles| {
        let sight = Sight::new(roles);
        let template = templates::find(conn, &sight, &key)?;
        Ok(versions::list(conn, &sight, &template, &status, after, limit)?)
    });
    let page = page.await?.map(LeaseTemplateVersion::from);
    let next = page.next.as_ref().map(Cursor::write);
    Ok(Collection { page: LeaseTemplateVersionPage { items: page.items, next_cursor: next.clone() }, next })
}

/// Begin a version of a template
///
/// A draft, for contributors of the organisation that keeps the template.
#[utoipa::path(
    post, path = "/lease-templates/{id}/versions", tag = "lease templates",
    params(LeaseTemplatePath, IdempotencyKeyHeader),
    request_body(content = CreateLeaseTemplateVersion, description = "The version to begin."),
    security(("oauth2" = ["lease-templates:write"]), ("bearer" = [])),
    responses(
        (status = 201, body = LeaseTemplateVersion, description = "The draft."),
        (status = 409, description = "There is a version of this number, or none to base it on."),
    ),
)]
async fn create_lease_template_version(
    once: Once,
    key: Path<Key>,
    body: Json<CreateLeaseTemplateVersion>,
) -> Result<impl Responder, Problem> {
    let (Path(key), Json(wanted)) = (key, body);
    let created = once.run(move |tx| {
        let template = templates::lock(tx, &key)?;
        rules::may_keep_lease_template(tx.roles(), template.state.organisation_id)?;
        let state = wanted.state.state().ok_or_else(Problem::not_found)?;
        let origin = match &wanted.based_on {
            Some(key) => Some(published(tx, "/basedOn", key)?.id),
            None => versions::origin(tx, &template)?,
        };
        let created = versions::create(tx, &template, Uuid::now_v7(), &state, origin)?;
        let (version, path) = (created.version, path_of(&created));
        Ok(Single::created(LeaseTemplateVersion::from(created), version, path))
    });
    created.await
}

/// Read a version of a template
///
/// Where it stands, and who approved it; what it says is at `/clauses` and `/variables` below it.
#[utoipa::path(
    get, path = "/lease-templates/{id}/versions/{number}", tag = "lease templates",
    params(LeaseTemplatePath, LeaseTemplateVersionPath, IfNoneMatchHeader),
    security((), ("oauth2" = ["lease-templates:read"]), ("bearer" = [])),
    responses((status = 200, body = LeaseTemplateVersion, description = "The version.")),
)]
async fn get_lease_template_version(
    app: Data<App>,
    caller: Caller,
    path: Path<(Key, Number)>,
) -> Result<impl Responder, Problem> {
    let Path((key, number)) = path;
    let read = caller.read(&app.db, move |conn, roles| Ok(versions::read(conn, roles, &key, number)?));
    Ok(shown(read.await?))
}

/// Change a draft of a template
///
/// Its number and notes, for contributors of the organisation that keeps the template.
#[utoipa::path(
    patch, path = "/lease-templates/{id}/versions/{number}", tag = "lease templates",
    params(LeaseTemplatePath, LeaseTemplateVersionPath, IfMatchHeader),
    request_body(
        content = UpdateLeaseTemplateVersion, content_type = "application/merge-patch+json",
        description = "The fields to change.",
    ),
    security(("oauth2" = ["lease-templates:write"]), ("bearer" = [])),
    responses(
        (status = 200, body = LeaseTemplateVersion, description = "The draft, as changed."),
        (status = 409, description = "It is no draft, or there is a version of this number."),
    ),
)]
async fn update_lease_template_version(
    app: Data<App>,
    caller: Caller,
    ids: Path<(Key, Number)>,
    if_match: IfMatch,
    patch: Patch,
) -> Result<impl Responder, Problem> {
    let Path((key, number)) = ids;
    let changed = app.db.write(caller.actor()?, move |tx| {
        let (template, current) = kept(tx, &key, number)?;
        if_match.check(current.version)?;
        let wanted: LeaseTemplateVersionState = patch.apply(&LeaseTemplateVersionState::from(current.state.clone()))?;
        let state = wanted.state().ok_or_else(Problem::not_found)?;
        Ok::<_, Problem>(shown(versions::update(tx, &template, &current, &state)?))
    });
    changed.await
}

/// Remove a draft of a template
///
/// For contributors of the organisation that keeps the template. What was published is withdrawn instead.
#[utoipa::path(
    delete, path = "/lease-templates/{id}/versions/{number}", tag = "lease templates",
    params(LeaseTemplatePath, LeaseTemplateVersionPath, IfMatchHeader),
    security(("oauth2" = ["lease-templates:write"]), ("bearer" = [])),
    responses(
        (status = 204, description = "Removed."),
        (status = 409, description = "It is no draft."),
    ),
)]
async fn delete_lease_template_version(
    app: Data<App>,
    caller: Caller,
    path: Path<(Key, Number)>,
    if_match: IfMatch,
) -> Result<impl Responder, Problem> {
    let Path((key, number)) = path;
    app.db
        .write(caller.actor()?, move |tx| {
            let (template, current) = kept(tx, &key, number)?;
            if_match.check(current.version)?;
            Ok::<_, Problem>(versions::delete(tx, &template, &current)?)
        })
        .await?;
    Ok(HttpResponse::new(StatusCode::NO_CONTENT))
}

/// Submit a draft for review
///
/// For contributors of the organisation that keeps the template. Refused, with the clause and the place in it, when a
/// text names a variable or a clause that there is not, or when nothing names a variable. From now on people of public
/// bodies see it, and it does not change unless it is given back.
#[utoipa::path(
    post, path = "/lease-templates/{id}/versions/{number}/submit", tag = "lease templates",
    params(LeaseTemplatePath, LeaseTemplateVersionPath, IdempotencyKeyHeader),
    security(("oauth2" = ["lease-templates:write"]), ("bearer" = [])),
    responses(
        (status = 200, body = LeaseTemplateVersion, description = "The version, under review."),
        (status = 409, description = "It is no draft, or its parts do not fit together."),
    ),
)]
async fn submit_lease_template_version(once: Once, path: Path<(Key, Number)>) -> Result<impl Responder, Problem> {
    let Path((key, number)) = path;
    let submitted = once.run(move |tx| {
        let (template, current) = kept(tx, &key, number)?;
        Ok(shown(submit(tx, &template, &current)?))
    });
    submitted.await
}

/// Give a version back
///
/// What is under review becomes a draft again, and what was approved is approved no more. For stewards of any public
/// body, and for contributors of the organisation that keeps the template.
#[utoipa::path(
    post, path = "/lease-templates/{id}/versions/{number}/return", tag = "lease templates",
    params(LeaseTemplatePath, LeaseTemplateVersionPath, IdempotencyKeyHeader),
    request_body(content = LeaseTemplateVersionReason, description = "What has to change."),
    security(("oauth2" = ["lease-templates:write"]), ("bearer" = [])),
    responses(
        (status = 200, body = LeaseTemplateVersion, description = "The version, a draft again."),
        (status = 409, description = "It is not under review."),
    ),
)]
async fn return_lease_template_version(
    once: Once,
    path: Path<(Key, Number)>,
    body: Json<LeaseTemplateVersionReason>,
) -> Result<impl Responder, Problem> {
    let (Path((key, number)), Json(LeaseTemplateVersionReason { reason })) = (path, body);
    let returned = once.run(move |tx| {
        let (template, current) = locked(tx, &key, number)?;
        rules::may_return_lease_template_version(tx.roles(), template.state.organisation_id)?;
        let returned = versions::send_back(tx, &template, &current, &reason)?;
        Ok(shown(returned))
    });
    returned.await
}

/// Approve a version
///
/// For stewards of a public body, for that body, but not for who submitted it. Each organisation approves once.
#[utoipa::path(
    post, path = "/lease-templates/{id}/versions/{number}/approve", tag = "lease templates",
    params(LeaseTemplatePath, LeaseTemplateVersionPath, IdempotencyKeyHeader),
    request_body(content = ApproveLeaseTemplateVersion, description = "For whom, and what was read."),
    security(("oauth2" = ["lease-templates:write"]), ("bearer" = [])),
    responses(
        (status = 200, body = LeaseTemplateVersion, description = "The version, with its approvals."),
        (
            status = 409,
            description = "It is not under review, says something else than what was read, or the organisation approved it already or is not in the catalogue."
        ),
    ),
)]
async fn approve_lease_template_version(
    once: Once,
    path: Path<(Key, Number)>,
    body: Json<ApproveLeaseTemplateVersion>,
) -> Result<impl Responder, Problem> {
    let (Path((key, number)), Json(wanted)) = (path, body);
    let approved = once.run(move |tx| {
        let organisation_id = organisations::resolve_one(tx, "/organisation", &wanted.organisation)?;
        let (template, current) = locked(tx, &key, number)?;
        let principal = tx.actor().principal;
        rules::may_approve_lease_template_version(tx.roles(), principal, organisation_id, current.submitted_by)?;
        if current.content_sha256.as_ref().is_some_and(|digest| *digest != wanted.content_sha256) {
            let detail = "is not the digest of what it says today; read it again";
            return Err(Problem::new(&CONFLICT, "It says something else than what you read.")
                .with_faults([Fault::new("/contentSha256", "changed", detail)]));
        }
        Ok(shown(versions::approve(tx, &template, &current, organisation_id)?))
    });
    approved.await
}

/// Publish a version
///
/// For stewards of the organisation that keeps the template, once enough organisations approved it. It is the one to
/// use from now on and never changes; the one before is superseded.
#[utoipa::path(
    post, path = "/lease-templates/{id}/versions/{number}/publish", tag = "lease templates",
    params(LeaseTemplatePath, LeaseTemplateVersionPath, IdempotencyKeyHeader),
    security(("oauth2" = ["lease-templates:write"]), ("bearer" = [])),
    responses(
        (status = 200, body = LeaseTemplateVersion, description = "The version, published."),
        (
            status = 409,
            description = "It is not under review, too few organisations approved it, or a higher number was published."
        ),
    ),
)]
async fn publish_lease_template_version(once: Once, path: Path<(Key, Number)>) -> Result<impl Responder, Problem> {
    let Path((key, number)) = path;
    let published = once.run(move |tx| {
        let (template, current) = locked(tx, &key, number)?;
        rules::may_publish_lease_template_version(tx.roles(), template.state.organisation_id)?;
        Ok(shown(versions::publish(tx, &template, &current)?))
    });
    published.await
}

/// Withdraw a version
///
/// It is not to be used any more, and stays to be read. For stewards of the organisation that keeps the template.
#[utoipa::path(
    post, path = "/lease-templates/{id}/versions/{number}/withdraw", tag = "lease templates",
    params(LeaseTemplatePath, LeaseTemplateVersionPath, IdempotencyKeyHeader),
    request_body(content = LeaseTemplateVersionReason, description = "Why."),
    security(("oauth2" = ["lease-templates:write"]), ("bearer" = [])),
    responses(
        (status = 200, body = LeaseTemplateVersion, description = "The version, withdrawn."),
        (status = 409, description = "It was not published, or was withdrawn."),
    ),
)]
async fn withdraw_lease_template_version(
    once: Once,
    path: Path<(Key, Number)>,
    body: Json<LeaseTemplateVersionReason>,
) -> Result<impl Responder, Problem> {
    let (Path((key, number)), Json(LeaseTemplateVersionReason { reason })) = (path, body);
    let withdrawn = once.run(move |tx| {
        let (template, current) = locked(tx, &key, number)?;
        rules::may_publish_lease_template_version(tx.roles(), template.state.organisation_id)?;
        Ok(shown(versions::withdraw(tx, &template, &current, &reason)?))
    });
    withdrawn.await
}

/// Submits a locked version whose parts fit together, with the digest of what it says.
pub(crate) fn submit(tx: &mut Tx<'_>, template: &Template, current: &Version) -> Result<Version, Problem> {
    let content = content::content(&mut tx.conn(), current.id)?;
    let faults = check::together(&content);
    if !faults.is_empty() && current.status == VersionStatus::Draft {
        let detail = "Its clauses and variables do not fit together; put them right, then submit it again.";
        return Err(Problem::new(&CONFLICT, detail).with_faults(faults));
    }
    Ok(versions::submit(tx, template, current, &hex(&Sha256::digest(content.canonical()?)))?)
}

/// A version and its template, both locked: versions of a template go on one after the other.
fn locked(tx: &mut Tx<'_>, key: &Key, number: Number) -> Result<(Template, Version), Problem> {
    let template = templates::lock(tx, key)?;
    let version = versions::lock(tx, &template, number)?;
    Ok((template, version))
}

/// The same, for who works on drafts of the template.
pub(super) fn kept(tx: &mut Tx<'_>, key: &Key, number: Number) -> Result<(Template, Version), Problem> {
    let (template, version) = locked(tx, key, number)?;
    rules::may_keep_lease_template(tx.roles(), template.state.organisation_id)?;
    Ok((template, version))
}

fn shown(version: Version) -> Single<LeaseTemplateVersion> {
    let (row_version, path) = (version.version, path_of(&version));
    Single::ok(LeaseTemplateVersion::from(version), row_version).with_link(&path, "self")
}

fn path_of(version: &Version) -> String {
    format!("/v1/lease-templates/{}/versions/{}", version.template_id, version.state.number())
}
