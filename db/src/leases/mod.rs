//! Leases: agreements made from a version of a template. Their schedules are in [`premises`], where they depart from the
//! template in [`deviations`], what their parties read in [`documents`], who agreed in [`agreements`], and who uses which
//! version in [`adoption`].

pub mod adoption;
pub mod agreements;
pub mod deviations;
pub mod documents;
pub mod premises;

use std::fmt::Write as _;

use chrono::{DateTime, NaiveDate, Utc};
use diesel::dsl::{exists, not};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::Bool;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::functions::{
    later_lease_version, lease_document_list, lease_party_list, lease_successor, lease_version_ref, organisation_ref,
    seconds_ago,
};
use crate::lease_templates::{self, VersionReference};
use crate::organisations::{Key, Reference, known, known_by, to_limit, today};
use crate::people::{Role, Roles};
use crate::schema::{lease_parties, lease_premises, lease_template_versions, leases, organisations};
use crate::tx::{Conn, Tx};
use crate::types::Json;
use crate::vocabulary::vocabulary;
use crate::{Error, Fault, Page, Result};

vocabulary! {
    /// Where a lease stands. `draft`: its organisation works on it. `issued`: its parties read it. `agreed`: all of them
    /// agreed. `in_force`: from its first day. `expired`: its last day is over. `terminated`: it ended before, for a reason.
    /// `void`: it is as if it had not been, for a reason.
    LeaseStatus, "in_force" {
        /// Its organisation works on it.
        Draft = "draft",
        /// Its parties read it.
        Issued = "issued",
        /// All of its parties agreed.
        Agreed = "agreed",
        /// From its first day.
        InForce = "in_force",
        /// Its last day is over.
        Expired = "expired",
        /// It ended before, for a reason.
        Terminated = "terminated",
        /// It is as if it had not been, for a reason.
        Void = "void",
    }
}

impl LeaseStatus {
    /// Those in which it may still be of use.
    const LIVE: [Self; 4] = [Self::Draft, Self::Issued, Self::Agreed, Self::InForce];
}

/// A lease.
#[derive(Debug, Clone, Queryable)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct Lease {
    pub id: Uuid,
    pub version: i32,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub organisation_id: Uuid,
    pub organisation: Json<Reference>,
    pub version_id: Uuid,
    pub template: Json<VersionReference>,
    /// The number of the version to use today in place of that; none when it is that itself.
    pub later_version: Option<String>,
    pub supersedes_id: Option<Uuid>,
    /// The lease that amends it.
    pub superseded_by_id: Option<Uuid>,
    pub status: LeaseStatus,
    pub status_reason: Option<String>,
    pub issued_at: Option<DateTime<Utc>>,
    pub agreed_at: Option<DateTime<Utc>>,
    pub premises_count: i32,
    pub state: LeaseState,
    pub parties: Json<Vec<Party>>,
    pub documents: Json<Vec<documents::Document>>,
}

/// What a writer may set, beside parties, premises and deviations.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = leases, treat_none_as_null = true)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct LeaseState {
    pub title: String,
    pub reference: Option<String>,
    pub starts_on: Option<NaiveDate>,
    pub ends_on: Option<NaiveDate>,
    pub filled: Json<Vec<Filled>>,
}

/// What is filled into a variable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filled {
    /// Name of the variable.
    pub variable: String,
    /// Its value, as values of its kind are written.
    pub value: String,
}

/// One between whom a lease is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Party {
    /// Which organisation.
    pub organisation: Reference,
    /// As what, such as `grantor`.
    pub role: String,
    /// Its name on the day of issue; none before.
    pub name: Option<String>,
    /// When it agreed; none before.
    pub agreed_at: Option<DateTime<Utc>>,
}

/// A party to name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewParty {
    /// Which organisation.
    pub organisation_id: Uuid,
    /// As what.
    pub role: String,
}

/// What the trail has of a lease: of what is filled in, for what, and whether it differs.
#[derive(Serialize)]
struct LeaseAudit {
    title: String,
    reference: Option<String>,
    starts_on: Option<NaiveDate>,
    ends_on: Option<NaiveDate>,
    variables: Vec<String>,
    values_sha256: String,
    version_id: Uuid,
    supersedes_id: Option<Uuid>,
    parties: Vec<(String, Uuid)>,
    status: LeaseStatus,
    status_reason: Option<String>,
}

impl From<&Lease> for LeaseAudit {
    fn from(lease: &Lease) -> Self {
        let LeaseState { title, reference, starts_on, ends_on, filled } = lease.state.clone();
        let values: Vec<&str> = filled.0.iter().flat_map(|filled| [filled.variable.as_str(), &filled.value]).collect();
        Self {
            title,
            reference,
            starts_on,
            ends_on,
            variables: filled.0.iter().map(|filled| filled.variable.clone()).collect(),
            values_sha256: hex(&Sha256::digest(values.join("\n"))),
            version_id: lease.version_id,
            supersedes_id: lease.supersedes_id,
            parties: lease.parties.0.iter().map(|party| (party.role.clone(), party.organisation.id)).collect(),
            status: lease.status,
            status_reason: lease.status_reason.clone(),
        }
    }
}

/// A digest as the trail has it.
fn hex(digest: &[u8]) -> String {
    digest.iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// Whose leases somebody sees: those that an organisation of theirs draws up and, once they were issued, those to which
/// one is a party.
#[derive(Debug, Clone, Default)]
pub struct Sight {
    everything: bool,
    organisations: Vec<Uuid>,
}

type Condition = Box<dyn BoxableExpression<leases::table, Pg, SqlType = Bool>>;

impl Sight {
    /// Of somebody with these roles.
    #[must_use]
    pub fn new(roles: &Roles) -> Self {
        let organisations = roles.with(Role::Viewer).map(|membership| membership.organisation_id).collect();
        Self { everything: roles.administers(), organisations }
    }

    fn condition(&self) -> Condition {
        if self.everything {
            return Box::new(leases::id.is_not_null());
        }
        let own = leases::organisation_id.eq_any(self.organisations.clone());
        let shared = leases::issued_at.is_not_null().and(leases::id.eq_any(with_party(self.organisations.clone())));
        Box::new(own.or(shared))
    }
}

/// Leases to which one of these is a party.
#[diesel::dsl::auto_type]
fn with_party(organisations: Vec<Uuid>) -> _ {
    lease_parties::table.filter(lease_parties::organisation_id.eq_any(organisations)).select(lease_parties::lease_id)
}

/// Which leases; several values of one field mean any of them, different fields all of them.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Who draws them up, or is a party.
    pub organisations: Vec<Key>,
    /// Made from which templates.
    pub templates: Vec<Key>,
    /// Where they stand.
    pub statuses: Vec<LeaseStatus>,
    /// About which premises.
    pub uprns: Vec<i64>,
    /// Whether there is a later version of their template, which they could be amended to.
    pub behind: Option<bool>,
}

/// One page of those that match and are seen, the newest first.
pub fn list(
    conn: &mut Conn<'_>,
    sight: &Sight,
    filter: &Filter,
    after: Option<Uuid>,
    limit: usize,
) -> Result<Page<Lease, Uuid>> {
    let mut query = leases::table.filter(sight.condition()).into_boxed();
    if !filter.organisations.is_empty() {
        let named = known(conn, &filter.organisations)?;
        query = query.filter(leases::organisation_id.eq_any(named.clone()).or(leases::id.eq_any(with_party(named))));
    }
    if !filter.templates.is_empty() {
        let of_templates = lease_template_versions::table
            .filter(lease_template_versions::template_id.eq_any(known_by(
                conn,
                &filter.templates,
                lease_templates::id_of,
            )?))
            .select(lease_template_versions::id);
        query = query.filter(leases::version_id.eq_any(of_templates));
    }
    if !filter.statuses.is_empty() {
        query = query.filter(leases::status.eq_any(filter.statuses.clone()));
    }
    if !filter.uprns.is_empty() {
        let about = lease_premises::table
            .filter(lease_premises::uprn.eq_any(filter.uprns.clone()))
            .select(lease_premises::lease_id);
        query = query.filter(leases::id.eq_any(about));
    }
    if let Some(behind) = filter.behind {
        let is_behind =
            leases::status.eq_any(LeaseStatus::LIVE).and(later_lease_version(leases::version_id).is_not_null());
        query = if behind { query.filter(is_behind) } else { query.filter(not(is_behind)) };
    }
    if let Some(after) = after {
        query = query.filter(leases::id.lt(after));
    }
    let found: Vec<Lease> = query.order(leases::id.desc()).limit(to_limit(limit)).select(columns()).load(conn.pg)?;
    Ok(Page::cut(found, limit, |last| last.id))
}

/// One lease, if it is seen.
pub fn find(conn: &mut Conn<'_>, sight: &Sight, id: Uuid) -> Result<Lease> {
    Ok(leases::table.filter(leases::id.eq(id)).filter(sight.condition()).select(columns()).first(conn.pg)?)
}

/// One lease that the writer sees, locked for the rest of the transaction.
pub fn lock(tx: &mut Tx<'_>, id: Uuid) -> Result<Lease> {
    let sight = Sight::new(tx.roles());
    leases::table.find(id).select(leases::id).for_update().first::<Uuid>(tx.pg)?;
    find(&mut tx.conn(), &sight, id)
}

fn own(tx: &mut Tx<'_>, id: Uuid) -> Result<Lease> {
    Ok(leases::table.find(id).select(columns()).first(tx.pg)?)
}

/// What a lease is made from.
#[derive(Debug, Clone)]
pub struct Origin {
    /// The version of a template.
    pub version_id: Uuid,
    /// The lease that it amends.
    pub supersedes_id: Option<Uuid>,
}

/// Begins a draft. An amendment begins with the premises of the lease that it amends and, as long as it stays with the
/// version of that, with its deviations.
pub fn create(
    tx: &mut Tx<'_>,
    id: Uuid,
    organisation_id: Uuid,
    origin: &Origin,
    state: &LeaseState,
    parties: &[NewParty],
) -> Result<Lease> {
    diesel::insert_into(leases::table)
        .values((
            leases::id.eq(id),
            leases::organisation_id.eq(organisation_id),
            leases::version_id.eq(origin.version_id),
            leases::supersedes_id.eq(origin.supersedes_id),
            state,
        ))
        .execute(tx.pg)?;
    insert_parties(tx, id, parties)?;
    if let Some(earlier) = origin.supersedes_id {
        premises::copy(tx, id, earlier)?;
        deviations::copy(tx, id, origin.version_id, earlier)?;
    }
    let created = own(tx, id)?;
    audit(tx, None, Some(&created))?;
    Ok(created)
}

/// Brings a locked draft into another state. When it is in that state already nothing is written.
pub fn update(tx: &mut Tx<'_>, current: &Lease, state: &LeaseState, parties: &[NewParty]) -> Result<Lease> {
    let named = current.parties.0.iter().map(|party| (party.organisation.id, party.role.as_str()));
    let same_parties = named.eq(parties.iter().map(|party| (party.organisation_id, party.role.as_str())));
    if current.state == *state && same_parties {
        return Ok(current.clone());
    }
    check_draft(current)?;
    if !same_parties {
        diesel::delete(lease_parties::table.filter(lease_parties::lease_id.eq(current.id))).execute(tx.pg)?;
        insert_parties(tx, current.id, parties)?;
    }
    diesel::update(leases::table.find(current.id)).set(state).execute(tx.pg)?;
    advanced(tx, current)
}

fn insert_parties(tx: &mut Tx<'_>, id: Uuid, parties: &[NewParty]) -> Result<()> {
    let mut rows = Vec::with_capacity(parties.len());
    for (position, party) in (1..).zip(parties) {
        rows.push((
            lease_parties::lease_id.eq(id),
            lease_parties::position.eq(position),
            lease_parties::organisation_id.eq(party.organisation_id),
            lease_parties::role.eq(party.role.clone()),
        ));
    }
    diesel::insert_into(lease_parties::table).values(rows).execute(tx.pg)?;
    Ok(())
}

/// Removes a locked draft.
pub fn delete(tx: &mut Tx<'_>, current: &Lease) -> Result<()> {
    check_draft(current)?;
    diesel::delete(leases::table.find(current.id)).execute(tx.pg)?;
    audit(tx, Some(current), None)
}

/// Keeps the names of the parties of a locked draft as they are today, with which its documents are made.
pub fn name_parties(tx: &mut Tx<'_>, current: &Lease) -> Result<Lease> {
    check_draft(current)?;
    let name = organisations::table.find(lease_parties::organisation_id).select(organisations::name).single_value();
    diesel::update(lease_parties::table.filter(lease_parties::lease_id.eq(current.id)))
        .set(lease_parties::name.eq(name))
        .execute(tx.pg)?;
    own(tx, current.id)
}

/// Issues a locked draft of which [`documents::keep`] has the documents.
pub fn issue(tx: &mut Tx<'_>, current: &Lease) -> Result<Lease> {
    check_draft(current)?;
    diesel::update(leases::table.find(current.id))
        .set((leases::status.eq(LeaseStatus::Issued), leases::issued_at.eq(seconds_ago(0).nullable())))
        .execute(tx.pg)?;
    advanced(tx, current)
}

/// Ends a locked lease that was agreed before its time, for a reason.
pub fn terminate(tx: &mut Tx<'_>, current: &Lease, reason: &str) -> Result<Lease> {
    if !matches!(current.status, LeaseStatus::Agreed | LeaseStatus::InForce) {
        return Err(out_of_turn(current, "Only what was agreed and has not ended is terminated."));
    }
    end(tx, current, LeaseStatus::Terminated, reason)
}

/// Says of a locked lease that was issued that it is void, for a reason.
pub fn void(tx: &mut Tx<'_>, current: &Lease, reason: &str) -> Result<Lease> {
    if !matches!(current.status, LeaseStatus::Issued | LeaseStatus::Agreed | LeaseStatus::InForce) {
        return Err(out_of_turn(current, "Only what was issued and has not ended becomes void; a draft is removed."));
    }
    end(tx, current, LeaseStatus::Void, reason)
}

fn end(tx: &mut Tx<'_>, current: &Lease, status: LeaseStatus, reason: &str) -> Result<Lease> {
    diesel::update(leases::table.find(current.id))
        .set((leases::status.eq(status), leases::status_reason.eq(reason)))
        .execute(tx.pg)?;
    advanced(tx, current)
}

/// Leases for which the day has come to be in force, or to expire; some of them at a time, locked, and none that
/// another replica is at.
fn due(tx: &mut Tx<'_>, most: usize) -> Result<Vec<Lease>> {
    let begins = leases::status.eq(LeaseStatus::Agreed).and(leases::starts_on.le(today().nullable()));
    let ends = leases::status.eq(LeaseStatus::InForce).and(leases::ends_on.lt(today().nullable()));
    let ids: Vec<Uuid> = leases::table
        .filter(begins.assume_not_null().or(ends.assume_not_null()))
        .order(leases::id)
        .limit(i64::try_from(most).unwrap_or(i64::MAX))
        .select(leases::id)
        .for_update()
        .skip_locked()
        .load(tx.pg)?;
    Ok(leases::table.filter(leases::id.eq_any(ids)).order(leases::id).select(columns()).load(tx.pg)?)
}

/// Brings some leases into force, or to their end, for which the day has come; how many that were.
pub fn advance_due(tx: &mut Tx<'_>, most: usize) -> Result<usize> {
    let due = due(tx, most)?;
    for lease in &due {
        advance(tx, lease)?;
    }
    Ok(due.len())
}

/// What the day brings to a locked lease.
fn advance(tx: &mut Tx<'_>, current: &Lease) -> Result<Lease> {
    let now: NaiveDate = diesel::select(today()).get_result(tx.pg)?;
    let status = match current.status {
        LeaseStatus::Agreed if current.state.starts_on.is_some_and(|first| first <= now) => LeaseStatus::InForce,
        LeaseStatus::InForce if current.state.ends_on.is_some_and(|last| last < now) => LeaseStatus::Expired,
        _ => return Ok(current.clone()),
    };
    diesel::update(leases::table.find(current.id)).set(leases::status.eq(status)).execute(tx.pg)?;
    if status == LeaseStatus::InForce
        && let Some(earlier) = current.supersedes_id
    {
        supersede(tx, earlier, current)?;
    }
    advanced(tx, current)
}

/// What an amendment takes the place of ends when that comes into force.
fn supersede(tx: &mut Tx<'_>, id: Uuid, by: &Lease) -> Result<()> {
    leases::table.find(id).select(leases::id).for_update().first::<Uuid>(tx.pg)?;
    let earlier = own(tx, id)?;
    let reason = format!("Amended by lease {}.", by.id);
    match earlier.status {
        LeaseStatus::Agreed | LeaseStatus::InForce => end(tx, &earlier, LeaseStatus::Terminated, &reason).map(|_| ()),
        LeaseStatus::Issued => end(tx, &earlier, LeaseStatus::Void, &reason).map(|_| ()),
        LeaseStatus::Draft | LeaseStatus::Expired | LeaseStatus::Terminated | LeaseStatus::Void => Ok(()),
    }
}

fn advanced(tx: &mut Tx<'_>, before: &Lease) -> Result<Lease> {
    let after = own(tx, before.id)?;
    audit(tx, Some(before), Some(&after))?;
    Ok(after)
}

/// Raises the version of a locked one whose parts changed.
fn touch(tx: &mut Tx<'_>, current: &Lease) -> Result<Lease> {
    diesel::update(leases::table.find(current.id)).set(leases::status.eq(current.status)).execute(tx.pg)?;
    own(tx, current.id)
}

fn audit(tx: &mut Tx<'_>, before: Option<&Lease>, after: Option<&Lease>) -> Result<()> {
    let Some(lease) = after.or(before) else { return Ok(()) };
    let (id, organisation_id) = (lease.id, lease.organisation_id);
    let (before, after) = (before.map(LeaseAudit::from), after.map(LeaseAudit::from));
    tx.audit_in(organisation_id, "leases", id, before.as_ref(), after.as_ref())
}

/// Refuses unless a lease is a draft.
pub fn check_draft(current: &Lease) -> Result<()> {
    if current.status == LeaseStatus::Draft {
        return Ok(());
    }
    Err(out_of_turn(current, "What was issued stays as it is; draw up an amendment that supersedes it."))
}

fn out_of_turn(current: &Lease, detail: &str) -> Error {
    let detail = format!("{detail} This one is {}.", current.status);
    Error::Conflict(vec![Fault::new("/status", "out_of_turn", detail)])
}

/// Whether a lease is being amended already, by a draft that the writer may not see.
pub fn is_amended(tx: &mut Tx<'_>, id: Uuid) -> Result<bool> {
    let amendments = leases::table.filter(leases::supersedes_id.eq(id)).filter(leases::status.ne(LeaseStatus::Void));
    Ok(diesel::select(exists(amendments)).get_result(tx.pg)?)
}

type Columns = (
    leases::id,
    leases::version,
    leases::created_at,
    leases::updated_at,
    leases::organisation_id,
    diesel::dsl::AssumeNotNull<organisation_ref<diesel::dsl::Nullable<leases::organisation_id>>>,
    leases::version_id,
    diesel::dsl::AssumeNotNull<lease_version_ref<diesel::dsl::Nullable<leases::version_id>>>,
    later_lease_version<leases::version_id>,
    leases::supersedes_id,
    lease_successor<leases::id>,
    leases::status,
    leases::status_reason,
    leases::issued_at,
    leases::agreed_at,
    leases::premises_count,
    diesel::dsl::AsSelect<LeaseState, Pg>,
    diesel::dsl::AssumeNotNull<lease_party_list<diesel::dsl::Nullable<leases::id>>>,
    diesel::dsl::AssumeNotNull<lease_document_list<diesel::dsl::Nullable<leases::id>>>,
);

fn columns() -> Columns {
    (
        leases::id,
        leases::version,
        leases::created_at,
        leases::updated_at,
        leases::organisation_id,
        organisation_ref(leases::organisation_id.nullable()).assume_not_null(),
        leases::version_id,
        lease_version_ref(leases::version_id.nullable()).assume_not_null(),
        later_lease_version(leases::version_id),
        leases::supersedes_id,
        lease_successor(leases::id),
        leases::status,
        leases::status_reason,
        leases::issued_at,
        leases::agreed_at,
        leases::premises_count,
        LeaseState::as_select(),
        lease_party_list(leases::id.nullable()).assume_not_null(),
        lease_document_list(leases::id.nullable()).assume_not_null(),
    )
}
