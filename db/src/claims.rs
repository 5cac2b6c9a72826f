//! Claims: how a supplier's people come to speak for it.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::prelude::*;
use serde::Serialize;
use uuid::Uuid;

use crate::functions::{organisation_ref, seconds_ago};
use crate::organisations::{
    self, COMPANIES_HOUSE, Identifier, Key, Organisation, OrganisationKind, OrganisationState, Reference, to_limit,
    today,
};
use crate::page::ById;
use crate::people::{self, Role, Viewer};
use crate::schema::{claims, memberships, users};
use crate::tx::{Conn, Tx};
use crate::types::Json;
use crate::vocabulary::vocabulary;
use crate::{Error, Fault, Page, Result};

vocabulary! {
    /// Where a claim stands. `pending`: a moderator has to decide. `approved`: the claimant became a member.
    /// `rejected`: the note says why. `withdrawn`: the claimant took it back, or is gone.
    ClaimStatus, "approved" {
        /// A moderator has to decide.
        Pending = "pending",
        /// The claimant became a member.
        Approved = "approved",
        /// The note says why.
        Rejected = "rejected",
        /// The claimant took it back, or is gone.
        Withdrawn = "withdrawn",
    }
}

/// A claim.
#[derive(Debug, Clone, Queryable)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct Claim {
    pub id: Uuid,
    pub version: i32,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub organisation_id: Uuid,
    pub organisation: Json<Reference>,
    pub company_number: String,
    /// None once they were removed.
    pub claimant: Option<Claimant>,
    pub statement: Option<String>,
    pub status: ClaimStatus,
    pub decided_by: Option<Uuid>,
    pub decided_at: Option<DateTime<Utc>>,
    pub note: Option<String>,
}

/// Who claims.
#[derive(Debug, Clone, Queryable)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct Claimant {
    pub id: Uuid,
    pub name: String,
    pub email: Option<String>,
}

/// A claim to make.
#[derive(Debug, Clone)]
pub struct NewClaim {
    /// Of which supplier, as [`claimable`] found it.
    pub organisation_id: Uuid,
    /// Its Companies House number, in capitals.
    pub company_number: String,
    /// Whose claim.
    pub claimant_id: Uuid,
    /// What they say to show that they speak for the supplier.
    pub statement: String,
}

/// A claim, for audit: without what was said, which would have to be erased some day.
#[derive(Serialize)]
struct ClaimState {
    organisation_id: Uuid,
    company_number: String,
    status: ClaimStatus,
}

impl ClaimState {
    fn of(claim: &Claim, status: ClaimStatus) -> Self {
        Self { organisation_id: claim.organisation_id, company_number: claim.company_number.clone(), status }
    }
}

/// Which claims a list has.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of these people; of everybody when absent.
    pub claimants: Option<Vec<Uuid>>,
    /// To these organisations only.
    pub organisations: Option<Vec<Uuid>>,
    /// That stand so.
    pub statuses: Vec<ClaimStatus>,
}

/// One page, the oldest first.
pub fn list(conn: &mut Conn<'_>, filter: &Filter, after: Option<ById>, limit: usize) -> Result<Page<Claim, ById>> {
    let mut query = joined().order(claims::id).limit(to_limit(limit)).into_boxed();
    if let Some(claimants) = &filter.claimants {
        query = query.filter(claims::claimant_id.eq_any(claimants.clone()));
    }
    if let Some(organisations) = &filter.organisations {
        query = query.filter(claims::organisation_id.eq_any(organisations.clone()));
    }
    if !filter.statuses.is_empty() {
        query = query.filter(claims::status.eq_any(filter.statuses.clone()));
    }
    if let Some(ById { id }) = after {
        query = query.filter(claims::id.gt(id));
    }
    let found: Vec<Claim> = query.load(conn.pg)?;
    Ok(Page::cut(found, limit, |last| ById { id: last.id }))
}

/// One claim.
pub fn find(conn: &mut Conn<'_>, id: Uuid) -> Result<Claim> {
    Ok(joined().filter(claims::id.eq(id)).first(conn.pg)?)
}

/// One claim, locked for the rest of the transaction.
pub fn lock(tx: &mut Tx<'_>, id: Uuid) -> Result<Claim> {
    claims::table.find(id).select(claims::id).for_update().first::<Uuid>(tx.pg)?;
    find(&mut tx.conn(), id)
}

/// The organisation that a person would claim: the one with the number, or the one they name, which then has no number
/// yet. [`Error::Conflict`] says everything that speaks against it.
pub fn claimable(tx: &mut Tx<'_>, user_id: Uuid, company_number: &str, named: Option<&Key>) -> Result<Uuid> {
    let named = match named {
        Some(key) => organisations::resolve(tx, &[("/organisation".to_owned(), key.clone())])?.pop(),
        None => None,
    };
    let holder = organisations::by_company_number(&mut tx.conn(), company_number)?;
    let Some(id) = named.or(holder) else {
        let detail = "No organisation of the catalogue has this number; name it in `organisation` if it is there.";
        return Err(Error::Conflict(vec![Fault::new("/companyNumber", "unknown_organisation", detail)]));
    };
    let places = Places {
        number: "/companyNumber",
        organisation: if named.is_some() { "/organisation" } else { "/companyNumber" },
    };
    let organisation = organisations::find(&mut tx.conn(), Viewer::Operator, &Key::Id(id))?;
    let mut faults = objections(tx, &organisation, company_number, &places)?;
    if role(tx, user_id, id)?.is_some_and(|held| held >= Role::Contributor) {
        let detail = "You contribute for this organisation already, and so may edit its listings.";
        faults.push(Fault::new(places.organisation, "already_member", detail));
    }
    if faults.is_empty() { Ok(id) } else { Err(Error::Conflict(faults)) }
}

/// Where a request says by what number it means which organisation.
struct Places {
    number: &'static str,
    organisation: &'static str,
}

/// What speaks against claiming an organisation under a number, whoever does.
fn objections(
    tx: &mut Tx<'_>,
    organisation: &Organisation,
    company_number: &str,
    places: &Places,
) -> Result<Vec<Fault>> {
    let mut faults = Vec::new();
    let mut against = |place, code, detail| faults.push(Fault::new(place, code, detail));
    if organisation.row.kind != OrganisationKind::Supplier {
        let detail = "The organisation is no supplier; its people come in by its identity provider or by invitation.";
        against(places.organisation, "not_a_supplier", detail);
    }
    let today: NaiveDate = diesel::select(today()).get_result(tx.pg)?;
    if organisation.row.ends_on.is_some_and(|end| end < today) || !organisation.replaced_by.0.is_empty() {
        let detail = "The organisation has ended or was replaced; claim the one that took over.";
        against(places.organisation, "organisation_ended", detail);
    }
    let numbered = organisation.identifiers.0.iter().any(|identifier| identifier.scheme == COMPANIES_HOUSE);
    match organisations::by_company_number(&mut tx.conn(), company_number)? {
        Some(holder) if holder == organisation.row.id => {}
        Some(_) => against(places.number, "identifier_taken", "Another organisation has this number."),
        None if numbered => against(places.number, "another_number", "The organisation has another number."),
        None => {}
    }
    Ok(faults)
}

fn role(tx: &mut Tx<'_>, user_id: Uuid, organisation_id: Uuid) -> Result<Option<Role>> {
    let held = memberships::table.find((user_id, organisation_id)).select(memberships::role).for_update();
    Ok(held.first(tx.pg).optional()?)
}

/// Keeps a claim.
pub fn create(tx: &mut Tx<'_>, id: Uuid, new: &NewClaim) -> Result<Claim> {
    diesel::insert_into(claims::table)
        .values((
            claims::id.eq(id),
            claims::organisation_id.eq(new.organisation_id),
            claims::company_number.eq(&new.company_number),
            claims::claimant_id.eq(new.claimant_id),
            claims::statement.eq(&new.statement),
            claims::status.eq(ClaimStatus::Pending),
        ))
        .execute(tx.pg)?;
    let made = find(&mut tx.conn(), id)?;
    tx.audit_in(new.organisation_id, "claims", id, None, Some(&ClaimState::of(&made, ClaimStatus::Pending)))?;
    Ok(made)
}

/// Grants a locked claim: the claimant becomes a member in a role no lower than they had, and the organisation gets
/// the number if it had none.
///
/// The row of the organisation is locked: of two claimants whose claims are granted at once, one finds it without an
/// administrator.
pub fn approve(tx: &mut Tx<'_>, current: &Claim, role: Option<Role>, note: Option<&str>) -> Result<Claim> {
    let claimant = pending(current)?;
    let organisation = organisations::lock(tx, &Key::Id(current.organisation_id))?;
    let faults = objections(tx, &organisation, &current.company_number, &Places { number: "", organisation: "" })?;
    if !faults.is_empty() {
        return Err(Error::Conflict(faults));
    }
    add_number(tx, &organisation, &current.company_number)?;
    admit(tx, claimant, current.organisation_id, role)?;
    decide(tx, current, ClaimStatus::Approved, note)
}

/// Refuses a locked claim.
pub fn reject(tx: &mut Tx<'_>, current: &Claim, note: &str) -> Result<Claim> {
    pending(current)?;
    decide(tx, current, ClaimStatus::Rejected, Some(note))
}

/// Takes a locked claim back.
pub fn withdraw(tx: &mut Tx<'_>, current: &Claim) -> Result<Claim> {
    pending(current)?;
    diesel::update(claims::table.find(current.id)).set(claims::status.eq(ClaimStatus::Withdrawn)).execute(tx.pg)?;
    decided(tx, current, ClaimStatus::Withdrawn)
}

/// Who made a claim that is not decided yet.
fn pending(claim: &Claim) -> Result<Uuid> {
    match &claim.claimant {
        Some(claimant) if claim.status == ClaimStatus::Pending => Ok(claimant.id),
        _ => {
            let detail = "The claim was decided or withdrawn already; read it again.";
            Err(Error::Conflict(vec![Fault::new("", "already_decided", detail)]))
        }
    }
}

fn add_number(tx: &mut Tx<'_>, organisation: &Organisation, company_number: &str) -> Result<()> {
    let mut state = OrganisationState::from(organisation);
    if state.identifiers.iter().any(|identifier| identifier.scheme == COMPANIES_HOUSE) {
        return Ok(());
    }
    state.identifiers.push(Identifier { scheme: COMPANIES_HOUSE.to_owned(), id: company_number.to_owned() });
    state.tidy();
    organisations::update(tx, organisation, &state)?;
    Ok(())
}

fn admit(tx: &mut Tx<'_>, user_id: Uuid, organisation_id: Uuid, wanted: Option<Role>) -> Result<()> {
    let given = match wanted {
        Some(given) => given,
        None if has_administrator(tx, organisation_id)? => Role::Contributor,
        None => Role::Admin,
    };
    let held = role(tx, user_id, organisation_id)?;
    people::set_membership(tx, user_id, organisation_id, held.map_or(given, |held| held.max(given)))
}

fn has_administrator(tx: &mut Tx<'_>, organisation_id: Uuid) -> Result<bool> {
    let administrators = memberships::table
        .filter(memberships::organisation_id.eq(organisation_id))
        .filter(memberships::role.eq(Role::Admin));
    Ok(diesel::select(diesel::dsl::exists(administrators)).get_result(tx.pg)?)
}

fn decide(tx: &mut Tx<'_>, current: &Claim, status: ClaimStatus, note: Option<&str>) -> Result<Claim> {
    diesel::update(claims::table.find(current.id))
        .set((
            claims::status.eq(status),
            claims::decided_by.eq(tx.actor().principal.user_id()),
            claims::decided_at.eq(seconds_ago(0).nullable()),
            claims::note.eq(note),
        ))
        .execute(tx.pg)?;
    decided(tx, current, status)
}

fn decided(tx: &mut Tx<'_>, current: &Claim, status: ClaimStatus) -> Result<Claim> {
    let (before, after) = (ClaimState::of(current, current.status), ClaimState::of(current, status));
    tx.audit_in(current.organisation_id, "claims", current.id, Some(&before), Some(&after))?;
    find(&mut tx.conn(), current.id)
}

#[diesel::dsl::auto_type]
fn joined() -> _ {
    claims::table.left_join(users::table.on(claims::claimant_id.eq(users::id.nullable()))).select((
        claims::id,
        claims::version,
        claims::created_at,
        claims::updated_at,
        claims::organisation_id,
        organisation_ref(claims::organisation_id.nullable()).assume_not_null(),
        claims::company_number,
        (users::id, users::display_name, users::email.nullable()).nullable(),
        claims::statement,
        claims::status,
        claims::decided_by,
        claims::decided_at,
        claims::note,
    ))
}
