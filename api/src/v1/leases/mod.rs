//! Leases: `/leases`. [`wire`] has the types; premises are in `premises`, deviations in `deviations`, who agreed in
//! `agreements`, what is read in `document`, and how a lease differs from its template in `compare`.

mod agreements;
mod compare;
mod deviations;
mod document;
mod premises;
pub mod wire;

use std::collections::HashMap;

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpResponse, Responder};
use db::lease_templates::content::{self, Content, VariableKind};
use db::leases::{self, Filter, LeaseState as StoredState, LeaseStatus, NewParty, Origin, Party, Sight};
use db::organisations::{self, Key};
use db::{Conn, Fault, Tx};
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use crate::app::App;
use crate::auth::{Caller, rules};
use crate::http::etag::{IfMatchHeader, IfNoneMatchHeader};
use crate::http::idempotency::IdempotencyKeyHeader;
use crate::http::text::{LeaseTemplateKey, OrganisationKey, text};
use crate::http::{Collection, Cursor, IfMatch, Json, Once, Paging, Patch, Path, Query, Single};
use crate::lease::terms::{Signer, Source, Terms};
use crate::lease::values::uprn;
use crate::problem::Problem;
use crate::routes::Routes;
use crate::v1::lease_templates::published;
use wire::{CreateLease, Lease, LeaseEnd, LeasePage, LeaseState, UpdateLease};

/// The operations on leases.
#[must_use]
pub fn routes() -> Routes {
    routes![list_leases, create_lease, get_lease, update_lease, delete_lease, issue_lease, terminate_lease, void_lease]
        .merge(premises::routes())
        .merge(deviations::routes())
        .merge(agreements::routes())
        .merge(document::routes())
        .merge(compare::routes())
}

text! {
    /// Unique Property Reference Number.
    Uprn, 1 to 12, "^[0-9]{1,12}$", "100023336956"
}

/// Filters of the list of leases.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct ListLeases {
    /// Organisation that draws it up or is a party, by id or slug.
    #[serde(default)]
    #[param(max_items = 50, required = false, inline, value_type = Vec<OrganisationKey>)]
    organisation: Vec<String>,
    /// Template that it is made from, by id or slug.
    #[serde(default)]
    #[param(max_items = 50, required = false, inline, value_type = Vec<LeaseTemplateKey>)]
    template: Vec<String>,
    /// Where it stands.
    #[serde(default)]
    #[param(max_items = 7, required = false, inline, value_type = Vec<LeaseStatus>)]
    status: Vec<LeaseStatus>,
    /// Unique Property Reference Number of premises that it is about.
    #[serde(default)]
    #[param(max_items = 50, required = false, inline, value_type = Vec<Uprn>)]
    uprn: Vec<String>,
    /// Whether it is of use and there is a later version of its template.
    #[param(required = false, value_type = bool, example = true)]
    behind: Option<bool>,
    #[serde(flatten)]
    #[param(ignore)]
    paging: Paging,
}

/// Which lease.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes the parameter that `Path` reads")]
pub struct LeasePath {
    /// Id of the lease.
    #[param(example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    id: Uuid,
}

/// List leases
///
/// The newest first: those that the caller's organisations draw up and, once they were issued, those to which one of them
/// is a party. `behind=true` gives those for which their template has a later version.
#[utoipa::path(
    get, path = "/leases", tag = "leases",
    params(ListLeases, Paging, IfNoneMatchHeader),
    security(("oauth2" = ["leases:read"]), ("bearer" = [])),
    responses((status = 200, body = LeasePage, description = "A page of leases.")),
)]
async fn list_leases(app: Data<App>, caller: Caller, query: Query<ListLeases>) -> Result<impl Responder, Problem> {
    let Query(ListLeases { organisation, template, status, uprn: numbers, behind, paging }) = query;
    let (limit, after): (_, Option<Uuid>) = (paging.limit(), paging.after()?);
    let keys = |named: &[String]| named.iter().map(|key| Key::from(key.as_str())).collect();
    let filter = Filter {
        organisations: keys(&organisation),
        templates: keys(&template),
        statuses: status,
        // What is only noughts is no premises.
        uprns: numbers
            .iter()
            .map(|text| uprn(text).and_then(|number| i64::try_from(number).ok()).unwrap_or(0))
            .collect(),
        behind,
    };
    let read = app.db.read_as(caller.actor()?, move |conn, roles| {
        Ok::<_, Problem>(leases::list(conn, &Sight::new(roles), &filter, after, limit)?)
    });
    let page = read.await?.map(Lease::from);
    let next = page.next.as_ref().map(Cursor::write);
    Ok(Collection { page: LeasePage { items: page.items, next_cursor: next.clone() }, next })
}

/// Draw up a lease
///
/// A draft, made from a published version of a template, for contributors of the public body that draws it up. Everything
/// that is wrong with its values is told at once.
#[utoipa::path(
    post, path = "/leases", tag = "leases",
    params(IdempotencyKeyHeader),
    request_body(content = CreateLease, description = "The lease to draw up."),
    security(("oauth2" = ["leases:write"]), ("bearer" = [])),
    responses(
        (status = 201, body = Lease, description = "The draft."),
        (
            status = 409,
            description = "An organisation is not in the catalogue, the version is not published, or the lease to amend was not issued or is being amended."
        ),
    ),
)]
async fn create_lease(once: Once, body: Json<CreateLease>) -> Result<impl Responder, Problem> {
    let Json(wanted) = body;
    let created = once.run(move |tx| {
        let organisation_id = organisations::resolve_one(tx, "/organisation", &wanted.organisation)?;
        rules::may_draw_up_lease(tx.roles(), organisation_id)?;
        let mut state = wanted.state.clone();
        let origin = origin(tx, organisation_id, &wanted, &mut state)?;
        let content = content::content(&mut tx.conn(), origin.version_id)?;
        let (stored, parties) = checked(tx, &content, &state)?;
        let created = leases::create(tx, Uuid::now_v7(), organisation_id, &origin, &stored, &parties)?;
        let (version, path) = (created.version, path_of(created.id));
        Ok(Single::created(Lease::from(created), version, path))
    });
    created.await
}

/// What a lease is made from; an amendment takes what is not said from the lease that it amends.
fn origin(
    tx: &mut Tx<'_>,
    organisation_id: Uuid,
    wanted: &CreateLease,
    state: &mut LeaseState,
) -> Result<Origin, Problem> {
    let conflict = |pointer: &'static str, code: &'static str, detail: &'static str| {
        Problem::conflict(&[Fault::new(pointer, code, detail)])
    };
    let named = match &wanted.template {
        Some(key) => Some(published(tx, "/template", key)?),
        None => None,
    };
    if let Some(version) = &named
        && version.status != db::lease_templates::versions::VersionStatus::Published
    {
        let detail = "names a version that is not to be used any more: give the number of the one that is";
        return Err(conflict("/template", "not_current", detail));
    }
    let Some(id) = wanted.supersedes else {
        let required = || Problem::invalid([Fault::new("/template", "required", "must be given")]);
        return Ok(Origin { version_id: named.ok_or_else(required)?.id, supersedes_id: None });
    };
    let earlier = match leases::lock(tx, id) {
        Err(db::Error::NotFound) => {
            return Err(conflict("/supersedes", "unknown_lease", "names no lease: give the id of one that you see"));
        }
        found => found?,
    };
    if earlier.organisation_id != organisation_id {
        return Err(conflict("/supersedes", "another_organisation", "names a lease that another organisation drew up"));
    }
    if earlier.status == LeaseStatus::Draft {
        return Err(conflict("/supersedes", "not_issued", "names a draft, which is changed rather than amended"));
    }
    if leases::is_amended(tx, id)? {
        return Err(conflict("/supersedes", "amended_already", "names a lease that has an amendment already"));
    }
    let earlier_state = LeaseState::from(&earlier);
    if state.values.is_empty() {
        state.values = earlier_state.values;
    }
    if state.parties.is_empty() {
        state.parties = earlier_state.parties;
    }
    Ok(Origin { version_id: named.map_or(earlier.version_id, |version| version.id), supersedes_id: Some(id) })
}

/// What a writer wants of a draft, checked against what it is made from.
fn checked(tx: &mut Tx<'_>, content: &Content, wanted: &LeaseState) -> Result<(StoredState, Vec<NewParty>), Problem> {
    let named = wanted.parties.iter().enumerate();
    let named: Vec<(String, Key)> = named
        .map(|(index, party)| (format!("/parties/{index}/organisation"), Key::from(party.organisation.as_str())))
        .collect();
    let ids = organisations::resolve(tx, &named)?;
    let mut faults = Vec::new();
    for (index, id) in ids.iter().enumerate() {
        if ids.iter().take(index).any(|earlier| earlier == id) {
            let detail = "must be another than those of the parties before it";
            faults.push(Fault::new(format!("/parties/{index}/organisation"), "repeated", detail));
        }
    }
    let parties: Vec<NewParty> = ids
        .into_iter()
        .zip(&wanted.parties)
        .map(|(organisation_id, party)| NewParty { organisation_id, role: party.role.clone() })
        .collect();
    if let (Some(first), Some(last)) = (wanted.starts_on, wanted.ends_on)
        && last < first
    {
        faults.push(Fault::new("/endsOn", "before_start", "must not be before startsOn"));
    }
    let stored = wanted.stored();
    let signers =
        parties.iter().map(|party| Signer { role: party.role.clone(), id: party.organisation_id, name: String::new() });
    let source = source(&mut tx.conn(), content, &stored, signers.collect())?;
    faults.extend(Terms::read(&content.variables, &source).1);
    if faults.is_empty() { Ok((stored, parties)) } else { Err(Problem::invalid(faults)) }
}

/// What a lease says of itself, as far as it fills variables.
fn source(conn: &mut Conn<'_>, content: &Content, state: &StoredState, parties: Vec<Signer>) -> db::Result<Source> {
    let names_organisation = |name: &str| {
        let variable = content.variables.iter().find(|variable| variable.name == name);
        variable.is_some_and(|variable| variable.kind == VariableKind::Organisation)
    };
    let mut named = HashMap::new();
    for filled in state.filled.0.iter().filter(|filled| names_organisation(&filled.variable)) {
        match organisations::reference(conn, &Key::from(filled.value.as_str())) {
            Ok(found) => drop(named.insert(filled.value.clone(), (found.id, found.name))),
            Err(db::Error::NotFound) => {}
            Err(other) => return Err(other),
        }
    }
    Ok(Source {
        filled: state.filled.0.clone(),
        parties,
        starts_on: state.starts_on,
        ends_on: state.ends_on,
        organisations: named,
    })
}

/// The values of a lease that is kept. An organisation that was removed since is not filled in any more.
fn terms(conn: &mut Conn<'_>, content: &Content, lease: &leases::Lease) -> Result<Terms, Problem> {
    let signer = |party: &Party| Signer {
        role: party.role.clone(),
        id: party.organisation.id,
        name: party.name.clone().unwrap_or_else(|| party.organisation.name.clone()),
    };
    let source = source(conn, content, &lease.state, lease.parties.0.iter().map(signer).collect())?;
    Ok(Terms::read(&content.variables, &source).0)
}

/// Read a lease
///
/// Where it stands, between whom it is and what is filled in; its documents are at `/document` below it.
#[utoipa::path(
    get, path = "/leases/{id}", tag = "leases",
    params(LeasePath, IfNoneMatchHeader),
    security(("oauth2" = ["leases:read"]), ("bearer" = [])),
    responses((status = 200, body = Lease, description = "The lease.")),
)]
async fn get_lease(app: Data<App>, caller: Caller, id: Path<Uuid>) -> Result<impl Responder, Problem> {
    let Path(id) = id;
    let read = app.db.read_as(caller.actor()?, move |conn, roles| {
        Ok::<_, Problem>(shown(leases::find(conn, &Sight::new(roles), id)?))
    });
    read.await
}

/// Change a draft of a lease
///
/// For contributors of who draws it up. Once it was issued, an amendment takes its place instead.
#[utoipa::path(
    patch, path = "/leases/{id}", tag = "leases",
    params(LeasePath, IfMatchHeader),
    request_body(
        content = UpdateLease, content_type = "application/merge-patch+json",
        description = "The fields to change.",
    ),
    security(("oauth2" = ["leases:write"]), ("bearer" = [])),
    responses(
        (status = 200, body = Lease, description = "The draft, as changed."),
        (status = 409, description = "It was issued, or an organisation is not in the catalogue."),
    ),
)]
async fn update_lease(
    app: Data<App>,
    caller: Caller,
    ids: Path<Uuid>,
    if_match: IfMatch,
    patch: Patch,
) -> Result<impl Responder, Problem> {
    let Path(id) = ids;
    let changed = app.db.write(caller.actor()?, move |tx| {
        let current = drawn_up(tx, id)?;
        if_match.check(current.version)?;
        let wanted: LeaseState = patch.apply(&LeaseState::from(&current))?;
        leases::check_draft(&current)?;
        let content = content::content(&mut tx.conn(), current.version_id)?;
        let (stored, parties) = checked(tx, &content, &wanted)?;
        Ok::<_, Problem>(shown(leases::update(tx, &current, &stored, &parties)?))
    });
    changed.await
}

/// Remove a draft of a lease
///
/// For contributors of who draws it up. What was issued is terminated or becomes void instead.
#[utoipa::path(
    delete, path = "/leases/{id}", tag = "leases",
    params(LeasePath, IfMatchHeader),
    security(("oauth2" = ["leases:write"]), ("bearer" = [])),
    responses((status = 204, description = "Removed."), (status = 409, description = "It was issued.")),
)]
async fn delete_lease(
    app: Data<App>,
    caller: Caller,
    id: Path<Uuid>,
    if_match: IfMatch,
) -> Result<impl Responder, Problem> {
    let Path(id) = id;
    app.db
        .write(caller.actor()?, move |tx| {
            let current = drawn_up(tx, id)?;
            if_match.check(current.version)?;
            Ok::<_, Problem>(leases::delete(tx, &current)?)
        })
        .await?;
    Ok(HttpResponse::new(StatusCode::NO_CONTENT))
}

/// Issue a lease
///
/// For contributors of who draws it up. Everything that is missing is told at once. Its documents are made and kept, and
/// its parties see it; from now on it does not change.
#[utoipa::path(
    post, path = "/leases/{id}/issue", tag = "leases",
    params(LeasePath, IdempotencyKeyHeader),
    security(("oauth2" = ["leases:write"]), ("bearer" = [])),
    responses(
        (status = 200, body = Lease, description = "The lease, issued."),
        (
            status = 409,
            description = "It is no draft, something is missing that it needs, or its version of the template was withdrawn."
        ),
    ),
)]
async fn issue_lease(once: Once, id: Path<Uuid>) -> Result<impl Responder, Problem> {
    let Path(id) = id;
    let issued = once.run(move |tx| {
        let current = drawn_up(tx, id)?;
        Ok(shown(document::issue(tx, &current)?))
    });
    issued.await
}

/// Terminate a lease
///
/// One that was agreed ends before its time. For stewards of any of its parties, and of who draws it up.
#[utoipa::path(
    post, path = "/leases/{id}/terminate", tag = "leases",
    params(LeasePath, IdempotencyKeyHeader),
    request_body(content = LeaseEnd, description = "Why."),
    security(("oauth2" = ["leases:write"]), ("bearer" = [])),
    responses(
        (status = 200, body = Lease, description = "The lease, terminated."),
        (status = 409, description = "It was not agreed, or has ended."),
    ),
)]
async fn terminate_lease(once: Once, id: Path<Uuid>, body: Json<LeaseEnd>) -> Result<impl Responder, Problem> {
    let (Path(id), Json(LeaseEnd { reason })) = (id, body);
    let ended = once.run(move |tx| {
        let current = leases::lock(tx, id)?;
        let parties = current.parties.0.iter().map(|party| party.organisation.id);
        rules::may_terminate_lease(tx.roles(), parties.chain([current.organisation_id]))?;
        Ok(shown(leases::terminate(tx, &current, &reason)?))
    });
    ended.await
}

/// Void a lease
///
/// One that was issued is from now on as if it had not been, and stays to be read. For stewards of who draws it up.
#[utoipa::path(
    post, path = "/leases/{id}/void", tag = "leases",
    params(LeasePath, IdempotencyKeyHeader),
    request_body(content = LeaseEnd, description = "Why."),
    security(("oauth2" = ["leases:write"]), ("bearer" = [])),
    responses(
        (status = 200, body = Lease, description = "The lease, void."),
        (status = 409, description = "It is a draft, or has ended."),
    ),
)]
async fn void_lease(once: Once, id: Path<Uuid>, body: Json<LeaseEnd>) -> Result<impl Responder, Problem> {
    let (Path(id), Json(LeaseEnd { reason })) = (id, body);
    let voided = once.run(move |tx| {
        let current = leases::lock(tx, id)?;
        rules::may_void_lease(tx.roles(), current.organisation_id)?;
        Ok(shown(leases::void(tx, &current, &reason)?))
    });
    voided.await
}

/// One lease, locked, for who may write it.
fn drawn_up(tx: &mut Tx<'_>, id: Uuid) -> Result<leases::Lease, Problem> {
    let current = leases::lock(tx, id)?;
    rules::may_draw_up_lease(tx.roles(), current.organisation_id)?;
    Ok(current)
}

fn shown(lease: leases::Lease) -> Single<Lease> {
    let (version, path) = (lease.version, path_of(lease.id));
    Single::ok(Lease::from(lease), version).with_link(&path, "self")
}

fn path_of(id: Uuid) -> String {
    format!("/v1/leases/{id}")
}
