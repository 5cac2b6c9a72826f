//! Citations: organisation X uses product Y, since when, how well, under which contract.
//!
//! Here: the rows, who sees them, and the way of one of them from draft to end. Lists are in [`list`], contracts across
//! citations in [`contracts`], what a steward has to look at in [`review`], figures in [`statistics`].

pub mod contracts;
pub mod list;
pub mod review;
pub mod statistics;

use chrono::{DateTime, NaiveDate, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::Bool;
use serde::Serialize;
use uuid::Uuid;

use crate::functions::{is_stale, organisation_ref, product_ref, seconds_ago};
use crate::organisations::{Reference, today};
use crate::people::{Role, Roles};
use crate::products::Phase;
use crate::schema::{citations, organisations, products};
use crate::tx::{Conn, Tx};
use crate::types::{Json, Texts};
use crate::vocabulary::vocabulary;
use crate::{Error, Fault, Result};

vocabulary! {
    /// Where a citation stands, as it is stored; that an active one is stale follows from the time.
    Standing, "active" {
        /// Not said yet.
        Draft = "draft",
        /// Said, and holds.
        Active = "active",
        /// Was so, and is over.
        Ended = "ended",
        /// Taken back.
        Withdrawn = "withdrawn",
    }
}

vocabulary! {
    /// Where a citation stands. `draft`: not said yet; only its organisation sees it. `active`: the organisation uses
    /// the product. `stale`: the same, but nobody has confirmed it for longer than the organisation's
    /// `staleAfterDays`. `ended`: it used it. `withdrawn`: taken back; only its organisation sees it.
    CitationStatus, "active" {
        /// Not said yet.
        Draft = "draft",
        /// In use.
        Active = "active",
        /// In use, as far as was known a while ago.
        Stale = "stale",
        /// No longer in use.
        Ended = "ended",
        /// Taken back.
        Withdrawn = "withdrawn",
    }
}

vocabulary! {
    /// Who sees a citation: `public`, everybody; `members`, people and programs of public bodies; `organisation`, those
    /// of its own organisation.
    Visibility, "public" {
        /// Everybody.
        Public = "public",
        /// People and programs of public bodies.
        Members = "members",
        /// Those of its own organisation.
        Organisation = "organisation",
    }
}

vocabulary! {
    /// What a scale counts.
    ScaleUnit, "users" {
        /// People who use it.
        Users = "users",
        /// Properties that are served.
        Properties = "properties",
    }
}

vocabulary! {
    /// How many, in bands that include their lower bound.
    ScaleBand, "from_100_to_1k" {
        /// Fewer than 100.
        Under100 = "under_100",
        /// 100 to 1,000.
        From100To1k = "from_100_to_1k",
        /// 1,000 to 10,000.
        From1kTo10k = "from_1k_to_10k",
        /// 10,000 to 100,000.
        From10kTo100k = "from_10k_to_100k",
        /// 100,000 and more.
        Over100k = "over_100k",
    }
}

/// A row of `citations`.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = citations)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct CitationRow {
    pub id: Uuid,
    pub version: i32,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub organisation_id: Uuid,
    pub product_id: Uuid,
    pub status: Standing,
    pub confirmed_at: DateTime<Utc>,
    pub cited_phase: Option<Phase>,
    #[diesel(embed)]
    pub state: CitationState,
}

/// What a writer may set.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable, AsChangeset, Serialize)]
#[diesel(table_name = citations, treat_none_as_null = true)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct CitationState {
    pub since: Option<NaiveDate>,
    pub until: Option<NaiveDate>,
    pub scale_unit: Option<ScaleUnit>,
    pub scale_band: Option<ScaleBand>,
    pub satisfaction: Option<i16>,
    pub what_worked: Option<String>,
    pub would_change: Option<String>,
    pub integrations: Texts,
    pub visibility: Visibility,
    pub source: Option<String>,
    pub has_contract: bool,
    pub contract_reference: Option<String>,
    pub contract_starts_on: Option<NaiveDate>,
    pub contract_ends_on: Option<NaiveDate>,
    pub contract_extendable_until: Option<NaiveDate>,
    pub contract_amount_pence: Option<i64>,
    pub contract_currency: Option<String>,
    pub contract_cpv_codes: Texts,
    pub contract_route_to_market: Option<String>,
}

/// A citation with what it names.
#[derive(Debug, Clone, Queryable)]
pub struct Citation {
    /// Its own columns.
    pub row: CitationRow,
    /// Who uses.
    pub organisation: Json<Reference>,
    /// What is used.
    pub product: Json<Reference>,
    /// Whether it would count as stale if it were active.
    pub overdue: bool,
}

impl Citation {
    /// Where it stands now.
    #[must_use]
    pub fn status(&self) -> CitationStatus {
        match self.row.status {
            Standing::Draft => CitationStatus::Draft,
            Standing::Active if self.overdue => CitationStatus::Stale,
            Standing::Active => CitationStatus::Active,
            Standing::Ended => CitationStatus::Ended,
            Standing::Withdrawn => CitationStatus::Withdrawn,
        }
    }
}

/// Whose citations somebody sees. Part of every query by which one could be seen, and of every count.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sight {
    everything: bool,
    member: bool,
    organisations: Vec<Uuid>,
}

impl From<&Roles> for Sight {
    fn from(roles: &Roles) -> Self {
        Self {
            everything: roles.administers(),
            member: roles.with(Role::Viewer).any(|membership| membership.kind.is_public_body()),
            organisations: roles.with(Role::Viewer).map(|membership| membership.organisation_id).collect(),
        }
    }
}

/// A condition on citations.
pub(crate) type Condition = Box<dyn BoxableExpression<citations::table, Pg, SqlType = Bool>>;

/// Citations joined with their organisations.
pub(crate) type Joined = diesel::dsl::InnerJoinQuerySource<citations::table, organisations::table>;

/// A condition on those.
pub(crate) type JoinedCondition = Box<dyn BoxableExpression<Joined, Pg, SqlType = Bool>>;

/// The rule of [`Sight`], for whichever tables a query is over.
macro_rules! sees {
    ($sight:expr) => {{
        let Sight { everything, member, organisations: own } = $sight;
        let shown: &[Visibility] =
            if *member { &[Visibility::Public, Visibility::Members] } else { &[Visibility::Public] };
        let said = citations::status
            .eq_any([Standing::Active, Standing::Ended])
            .and(citations::visibility.eq_any(shown.to_vec()));
        match (everything, own.as_slice()) {
            (true, _) => Box::new(citations::id.is_not_null()),
            (false, []) => Box::new(said),
            (false, own) => Box::new(said.or(citations::organisation_id.eq_any(own.to_vec()))),
        }
    }};
}

impl Sight {
    /// The citations that are seen.
    pub(crate) fn condition(&self) -> Condition {
        sees!(self)
    }

    /// The same, in a query that also reads their organisations.
    pub(crate) fn joined(&self) -> JoinedCondition {
        sees!(self)
    }
}

/// One citation, if it is seen.
pub fn find(conn: &mut Conn<'_>, sight: &Sight, id: Uuid) -> Result<Citation> {
    let query = citations::table.inner_join(organisations::table).filter(citations::id.eq(id));
    Ok(query.filter(sight.joined()).select(columns()).first(conn.pg)?)
}

/// One citation that the writer may see, locked for the rest of the transaction.
pub fn lock(tx: &mut Tx<'_>, id: Uuid) -> Result<Citation> {
    let sight = Sight::from(tx.roles());
    citations::table.find(id).select(citations::id).for_update().first::<Uuid>(tx.pg)?;
    find(&mut tx.conn(), &sight, id)
}

/// The active citation of a product by an organisation, if there is one.
pub fn live(tx: &mut Tx<'_>, organisation_id: Uuid, product_id: Uuid) -> Result<Option<Uuid>> {
    Ok(citations::table
        .filter(citations::organisation_id.eq(organisation_id))
        .filter(citations::product_id.eq(product_id).and(citations::status.eq(Standing::Active)))
        .select(citations::id)
        .first(tx.pg)
        .optional()?)
}

/// Today, as the database has it.
pub fn day(tx: &mut Tx<'_>) -> Result<NaiveDate> {
    Ok(diesel::select(today()).get_result(tx.pg)?)
}

/// What is told of a citation in the trail: the state, with where it stands.
#[derive(Serialize)]
struct CitationAudit<'s> {
    organisation_id: Uuid,
    product_id: Uuid,
    status: Standing,
    confirmed_at: DateTime<Utc>,
    #[serde(flatten)]
    state: &'s CitationState,
}

impl<'s> From<&'s CitationRow> for CitationAudit<'s> {
    fn from(row: &'s CitationRow) -> Self {
        Self {
            organisation_id: row.organisation_id,
            product_id: row.product_id,
            status: row.status,
            confirmed_at: row.confirmed_at,
            state: &row.state,
        }
    }
}

/// Makes a citation: a draft, an active one, or for history one that has ended.
pub fn create(
    tx: &mut Tx<'_>,
    id: Uuid,
    organisation_id: Uuid,
    product_id: Uuid,
    status: Standing,
    state: &CitationState,
) -> Result<Citation> {
    diesel::insert_into(citations::table)
        .values((
            citations::id.eq(id),
            citations::organisation_id.eq(organisation_id),
            citations::product_id.eq(product_id),
            citations::status.eq(status),
            citations::cited_phase.eq(phase_of(tx, product_id)?),
            state,
        ))
        .execute(tx.pg)?;
    let created = own(tx, id)?;
    tx.audit_in(organisation_id, "citations", id, None, Some(&CitationAudit::from(&created.row)))?;
    Ok(created)
}

/// Brings a locked citation into another state; what was said anew counts as confirmed. When it is in that state already
/// nothing is written.
pub fn update(tx: &mut Tx<'_>, current: &Citation, state: &CitationState) -> Result<Citation> {
    if current.row.state == *state {
        return Ok(current.clone());
    }
    refuse_over(current)?;
    let phase = phase_of(tx, current.row.product_id)?;
    let confirmed = (citations::confirmed_at.eq(seconds_ago(0)), citations::cited_phase.eq(phase));
    diesel::update(citations::table.find(current.row.id)).set((state, confirmed)).execute(tx.pg)?;
    audited(tx, current)
}

/// Says of a locked citation that it still holds.
pub fn confirm(tx: &mut Tx<'_>, current: &Citation) -> Result<Citation> {
    if current.row.status != Standing::Active {
        return Err(out_of_turn(current, "Only a citation that is active or stale is confirmed."));
    }
    let phase = phase_of(tx, current.row.product_id)?;
    diesel::update(citations::table.find(current.row.id))
        .set((citations::confirmed_at.eq(seconds_ago(0)), citations::cited_phase.eq(phase)))
        .execute(tx.pg)?;
    audited(tx, current)
}

/// Says what a locked draft holds.
pub fn activate(tx: &mut Tx<'_>, current: &Citation) -> Result<Citation> {
    if current.row.status != Standing::Draft {
        return Err(out_of_turn(current, "Only a draft is activated."));
    }
    let phase = phase_of(tx, current.row.product_id)?;
    diesel::update(citations::table.find(current.row.id))
        .set((
            citations::status.eq(Standing::Active),
            citations::confirmed_at.eq(seconds_ago(0)),
            citations::cited_phase.eq(phase),
        ))
        .execute(tx.pg)?;
    audited(tx, current)
}

/// Says of a locked citation that it held until a day, today when not said.
pub fn end(tx: &mut Tx<'_>, current: &Citation, until: Option<NaiveDate>) -> Result<Citation> {
    if !matches!(current.row.status, Standing::Draft | Standing::Active) {
        return Err(out_of_turn(current, "Only a citation that is not over is ended."));
    }
    let until = match until.or(current.row.state.until) {
        Some(until) => until,
        None => day(tx)?,
    };
    diesel::update(citations::table.find(current.row.id))
        .set((citations::status.eq(Standing::Ended), citations::until.eq(until)))
        .execute(tx.pg)?;
    audited(tx, current)
}

/// Takes a locked citation back.
pub fn withdraw(tx: &mut Tx<'_>, current: &Citation) -> Result<Citation> {
    if current.row.status == Standing::Withdrawn {
        return Err(out_of_turn(current, "It is withdrawn already."));
    }
    diesel::update(citations::table.find(current.row.id))
        .set(citations::status.eq(Standing::Withdrawn))
        .execute(tx.pg)?;
    audited(tx, current)
}

fn audited(tx: &mut Tx<'_>, before: &Citation) -> Result<Citation> {
    let after = own(tx, before.row.id)?;
    let (old, new) = (CitationAudit::from(&before.row), CitationAudit::from(&after.row));
    tx.audit_in(after.row.organisation_id, "citations", after.row.id, Some(&old), Some(&new))?;
    Ok(after)
}

/// As its writer sees it.
fn own(tx: &mut Tx<'_>, id: Uuid) -> Result<Citation> {
    find(&mut tx.conn(), &Sight { everything: true, ..Sight::default() }, id)
}

fn refuse_over(current: &Citation) -> Result<()> {
    match current.row.status {
        Standing::Draft | Standing::Active | Standing::Ended => Ok(()),
        Standing::Withdrawn => Err(out_of_turn(current, "A citation that was withdrawn does not change any more.")),
    }
}

fn out_of_turn(current: &Citation, detail: &'static str) -> Error {
    let detail = format!("{detail} This one is {}.", current.status());
    Error::Conflict(vec![Fault::new("/status", "out_of_turn", detail)])
}

fn phase_of(tx: &mut Tx<'_>, product_id: Uuid) -> Result<Option<Phase>> {
    Ok(products::table.find(product_id).select(products::phase).first(tx.pg).optional()?)
}

pub(crate) type Columns = (
    diesel::dsl::AsSelect<CitationRow, Pg>,
    diesel::dsl::AssumeNotNull<organisation_ref<diesel::dsl::Nullable<citations::organisation_id>>>,
    product_ref<citations::product_id>,
    is_stale<citations::confirmed_at, organisations::stale_after_days>,
);

/// Of citations joined with their organisations.
pub(crate) fn columns() -> Columns {
    (
        CitationRow::as_select(),
        organisation_ref(citations::organisation_id.nullable()).assume_not_null(),
        product_ref(citations::product_id),
        is_stale(citations::confirmed_at, organisations::stale_after_days),
    )
}
