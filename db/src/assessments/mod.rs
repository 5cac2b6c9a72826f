//! Assessments: an organisation goes through a checklist. What it says to each control is in [`responses`], how it is
//! submitted and assured in [`assurance`], what those who assess and those who assure say to each other in [`comments`].
//!
//! They are private to the organisation and, once submitted, to those whom it names to assure them. Who administers the
//! platform is no exception.

pub mod assurance;
pub mod comments;
pub mod responses;

use chrono::{DateTime, NaiveDate, Utc};
use diesel::dsl::sql;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Uuid as SqlUuid};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::checklists::ChecklistReference;
use crate::functions::{
    assessment_progress, assessment_successor, assurer_list, checklist_ref, organisation_ref, person_ref,
};
use crate::organisations::{Key, Reference, known, known_by, to_limit, today};
use crate::people::{PersonReference, Role, Roles};
use crate::schema::{assessment_assurers as assurers, assessments};
use crate::tx::{Conn, Tx};
use crate::types::Json;
use crate::vocabulary::vocabulary;
use crate::{Error, Fault, Page, Result, checklists};

vocabulary! {
    /// Where an assessment stands. `planned`: nothing is answered. `in_progress`: from the first answer. `submitted`: those
    /// who assure it have it. `changes_requested`: by them. `assured`: by one of them. `superseded`: a later one was assured.
    AssessmentStatus, "in_progress" {
        /// Nothing is answered.
        Planned = "planned",
        /// From the first answer.
        InProgress = "in_progress",
        /// Those who assure it have it.
        Submitted = "submitted",
        /// By those who assure it.
        ChangesRequested = "changes_requested",
        /// By one of those.
        Assured = "assured",
        /// A later one was assured.
        Superseded = "superseded",
    }
}

impl AssessmentStatus {
    /// Whether answers change.
    #[must_use]
    pub fn is_open(self) -> bool {
        matches!(self, Self::Planned | Self::InProgress | Self::ChangesRequested)
    }
}

/// An assessment.
#[derive(Debug, Clone, Queryable)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct Assessment {
    pub id: Uuid,
    pub version: i32,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub organisation_id: Uuid,
    pub organisation: Json<Reference>,
    pub checklist_id: Uuid,
    pub checklist: Json<ChecklistReference>,
    pub supersedes_id: Option<Uuid>,
    /// The one into which its answers were carried forward.
    pub superseded_by_id: Option<Uuid>,
    pub state: AssessmentState,
    pub status: AssessmentStatus,
    pub status_reason: Option<String>,
    pub submitted_at: Option<DateTime<Utc>>,
    pub submitted_by: Option<Json<PersonReference>>,
    pub assured_at: Option<DateTime<Utc>>,
    pub assured_by: Option<Json<PersonReference>>,
    pub assured_for: Option<Json<Reference>>,
    pub assurance: Option<String>,
    pub score: Option<i32>,
    pub assurers: Json<Vec<Assurer>>,
    pub progress: Json<Progress>,
}

/// What a writer may set, beside who assures it.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = assessments, treat_none_as_null = true)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct AssessmentState {
    pub title: String,
    pub due_on: Option<NaiveDate>,
    pub shares_results: bool,
}

/// Who may assure an assessment: an organisation or a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assurer {
    /// Contributors of this organisation.
    pub organisation: Option<Reference>,
    /// This person.
    pub person: Option<PersonReference>,
}

/// One to name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewAssurer {
    /// An organisation.
    Organisation(Uuid),
    /// A person.
    Person(Uuid),
}

impl Assurer {
    fn named(&self) -> Option<NewAssurer> {
        let organisation = self.organisation.as_ref().map(|organisation| NewAssurer::Organisation(organisation.id));
        organisation.or_else(|| self.person.as_ref().map(|person| NewAssurer::Person(person.id)))
    }
}

/// How far an assessment has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// How many controls it has.
    pub controls: i32,
    /// How many are answered.
    pub answered: i32,
    /// Of how many those who assure it want the answer changed.
    pub changes_requested: i32,
    /// How many answers that were carried forward need another look.
    pub look_again: i32,
}

/// What the trail has of an assessment: no words, and no score. Who administers the platform reads it.
#[derive(Serialize)]
struct AssessmentAudit {
    version: i32,
    due_on: Option<NaiveDate>,
    shares_results: bool,
    checklist_id: Uuid,
    supersedes_id: Option<Uuid>,
    status: AssessmentStatus,
    submitted_at: Option<DateTime<Utc>>,
    assurers: Vec<Uuid>,
}

impl From<&Assessment> for AssessmentAudit {
    fn from(assessment: &Assessment) -> Self {
        let Assessment { version, state, checklist_id, supersedes_id, status, submitted_at, assurers, .. } = assessment;
        let named = assurers.0.iter().filter_map(Assurer::named).map(|assurer| match assurer {
            NewAssurer::Organisation(id) | NewAssurer::Person(id) => id,
        });
        Self {
            version: *version,
            due_on: state.due_on,
            shares_results: state.shares_results,
            checklist_id: *checklist_id,
            supersedes_id: *supersedes_id,
            status: *status,
            submitted_at: *submitted_at,
            assurers: named.collect(),
        }
    }
}

/// Whose assessments somebody sees: those of their organisations and, once submitted, those that they are named to assure.
#[derive(Debug, Clone, Default)]
pub struct Sight {
    organisations: Vec<Uuid>,
    person: Option<Uuid>,
}

type Condition = Box<dyn BoxableExpression<assessments::table, Pg, SqlType = Bool>>;

impl Sight {
    /// Of somebody with these roles.
    #[must_use]
    pub fn new(roles: &Roles, person: Option<Uuid>) -> Self {
        let organisations = roles.with(Role::Viewer).map(|membership| membership.organisation_id).collect();
        Self { organisations, person }
    }

    /// The organisations of theirs.
    pub(crate) fn organisations(&self) -> &[Uuid] {
        &self.organisations
    }

    /// The ids of the assessments that are seen, as a query.
    pub(crate) fn ids(&self) -> seen {
        seen(self.organisations.clone(), self.organisations.clone(), self.person)
    }

    fn condition(&self) -> Condition {
        let own = assessments::organisation_id.eq_any(self.organisations.clone());
        let named = assessments::id.eq_any(named_in(self.organisations.clone(), self.person));
        Box::new(own.or(assessments::submitted_at.is_not_null().and(named)))
    }
}

/// Assessments in which one of these organisations, or this person, is named to assure them.
#[diesel::dsl::auto_type]
fn named_in(organisations: Vec<Uuid>, person: Option<Uuid>) -> _ {
    let of_organisation = assurers::organisation_id.eq_any(organisations);
    let of_person = assurers::user_id.eq(person);
    assurers::table.filter(of_organisation.or(of_person)).select(assurers::assessment_id)
}

/// The ids of the assessments of some organisations and, once submitted, of those that others or a person are named to
/// assure.
#[diesel::dsl::auto_type]
pub(crate) fn seen(own: Vec<Uuid>, assuring: Vec<Uuid>, person: Option<Uuid>) -> _ {
    let named: named_in = named_in(assuring, person);
    let shared = assessments::submitted_at.is_not_null().and(assessments::id.eq_any(named));
    assessments::table.filter(assessments::organisation_id.eq_any(own).or(shared)).select(assessments::id)
}

/// Which assessments; several values of one field mean any of them, different fields all of them.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Whose they are.
    pub organisations: Vec<Key>,
    /// Of which checklists.
    pub checklists: Vec<Key>,
    /// Where they stand.
    pub statuses: Vec<AssessmentStatus>,
    /// Whether they are to be submitted by a day that is over, and were not.
    pub overdue: Option<bool>,
}

/// One page of those that match and are seen, the newest first.
pub fn list(
    conn: &mut Conn<'_>,
    sight: &Sight,
    filter: &Filter,
    after: Option<Uuid>,
    limit: usize,
) -> Result<Page<Assessment, Uuid>> {
    let mut query = assessments::table.filter(sight.condition()).into_boxed();
    if !filter.organisations.is_empty() {
        query = query.filter(assessments::organisation_id.eq_any(known(conn, &filter.organisations)?));
    }
    if !filter.checklists.is_empty() {
        let ids = known_by(conn, &filter.checklists, checklists::id_of)?;
        query = query.filter(assessments::checklist_id.eq_any(ids));
    }
    if !filter.statuses.is_empty() {
        query = query.filter(assessments::status.eq_any(filter.statuses.clone()));
    }
    if let Some(overdue) = filter.overdue {
        let late = assessments::due_on
            .assume_not_null()
            .lt(today())
            .and(assessments::status.eq_any([AssessmentStatus::Planned, AssessmentStatus::InProgress]));
        let late = assessments::due_on.is_not_null().and(late);
        query = if overdue { query.filter(late) } else { query.filter(diesel::dsl::not(late)) };
    }
    if let Some(after) = after {
        query = query.filter(assessments::id.lt(after));
    }
    let query = query.order(assessments::id.desc()).limit(to_limit(limit));
    Ok(Page::cut(query.select(columns()).load(conn.pg)?, limit, |last: &Assessment| last.id))
}

/// What an assessment came to when it was submitted.
#[derive(Debug, Clone, Queryable)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct Scored {
    pub id: Uuid,
    pub status: AssessmentStatus,
    pub submitted_at: Option<DateTime<Utc>>,
    pub score: Option<i32>,
}

/// What the same organisation came to with editions of the same checklist, the earliest first; the latest of so many.
pub fn scored(conn: &mut Conn<'_>, current: &Assessment, most: i64) -> Result<Vec<Scored>> {
    let editions = "checklist_id in (with recursive edition as (
          select c.id, c.supersedes_id from checklists c where c.id = ";
    let related = " union select c.id, c.supersedes_id from checklists c
            join edition e on c.id = e.supersedes_id or c.supersedes_id = e.id)
        select id from edition)";
    let of_editions = sql::<Bool>(editions).bind::<SqlUuid, _>(current.checklist_id).sql(related);
    let query = assessments::table
        .filter(assessments::organisation_id.eq(current.organisation_id))
        .filter(of_editions)
        .filter(assessments::score.is_not_null())
        .order(assessments::id.desc())
        .limit(most)
        .select((assessments::id, assessments::status, assessments::submitted_at, assessments::score));
    let mut found: Vec<Scored> = query.load(conn.pg)?;
    found.reverse();
    Ok(found)
}

/// One assessment, if it is seen.
pub fn find(conn: &mut Conn<'_>, sight: &Sight, id: Uuid) -> Result<Assessment> {
    let query = assessments::table.filter(assessments::id.eq(id)).filter(sight.condition());
    Ok(query.select(columns()).first(conn.pg)?)
}

/// How an assessment is locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lock {
    /// Against everybody.
    Alone,
    /// Against being brought further: those who answer do not wait for each other.
    Shared,
}

/// One assessment that the writer sees, locked for the rest of the transaction.
pub fn lock(tx: &mut Tx<'_>, id: Uuid, lock: Lock) -> Result<Assessment> {
    let sight = Sight::new(tx.roles(), tx.actor().principal.user_id());
    let query = assessments::table.find(id).select(assessments::id);
    match lock {
        Lock::Alone => query.for_update().first::<Uuid>(tx.pg)?,
        Lock::Shared => query.for_share().first::<Uuid>(tx.pg)?,
    };
    find(&mut tx.conn(), &sight, id)
}

fn own(tx: &mut Tx<'_>, id: Uuid) -> Result<Assessment> {
    Ok(assessments::table.find(id).select(columns()).first(tx.pg)?)
}

/// Whose an assessment is, and from which another its answers come.
#[derive(Debug, Clone, Copy)]
pub struct Origin {
    /// Whose it is.
    pub organisation_id: Uuid,
    /// Which checklist it goes through.
    pub checklist_id: Uuid,
    /// The assessment from which its answers are carried forward.
    pub supersedes_id: Option<Uuid>,
}

/// Plans an assessment, with a response for each control of its checklist.
pub fn create(
    tx: &mut Tx<'_>,
    id: Uuid,
    origin: Origin,
    state: &AssessmentState,
    named: &[NewAssurer],
) -> Result<Assessment> {
    diesel::insert_into(assessments::table)
        .values((
            assessments::id.eq(id),
            assessments::organisation_id.eq(origin.organisation_id),
            assessments::checklist_id.eq(origin.checklist_id),
            assessments::supersedes_id.eq(origin.supersedes_id),
            state,
        ))
        .execute(tx.pg)?;
    insert_assurers(tx, id, named)?;
    match origin.supersedes_id {
        Some(earlier) => responses::carry_forward(tx, id, origin.checklist_id, earlier)?,
        None => responses::begin(tx, id, origin.checklist_id)?,
    }
    let created = own(tx, id)?;
    audit(tx, None, Some(&created))?;
    Ok(created)
}

/// Brings a locked assessment into another state. When it is in that state already nothing is written.
pub fn update(
    tx: &mut Tx<'_>,
    current: &Assessment,
    state: &AssessmentState,
    named: &[NewAssurer],
) -> Result<Assessment> {
    let same = current.assurers.0.iter().filter_map(Assurer::named).eq(named.iter().copied());
    if current.state == *state && same {
        return Ok(current.clone());
    }
    // Whether results are shared is decided at any time.
    let lasting = |state: &AssessmentState| (state.title.clone(), state.due_on);
    if lasting(&current.state) != lasting(state) || !same {
        check_open(current)?;
    }
    if !same {
        diesel::delete(assurers::table.filter(assurers::assessment_id.eq(current.id))).execute(tx.pg)?;
        insert_assurers(tx, current.id, named)?;
    }
    diesel::update(assessments::table.find(current.id)).set(state).execute(tx.pg)?;
    advanced(tx, current)
}

fn insert_assurers(tx: &mut Tx<'_>, id: Uuid, named: &[NewAssurer]) -> Result<()> {
    let mut rows = Vec::with_capacity(named.len());
    for (position, assurer) in (1..).zip(named) {
        let (organisation, person) = match *assurer {
            NewAssurer::Organisation(id) => (Some(id), None),
            NewAssurer::Person(id) => (None, Some(id)),
        };
        rows.push((
            assurers::assessment_id.eq(id),
            assurers::position.eq(position),
            assurers::organisation_id.eq(organisation),
            assurers::user_id.eq(person),
        ));
    }
    diesel::insert_into(assurers::table).values(rows).execute(tx.pg)?;
    Ok(())
}

/// Removes a locked assessment that was never submitted.
pub fn delete(tx: &mut Tx<'_>, current: &Assessment) -> Result<()> {
    if current.submitted_at.is_some() {
        return Err(out_of_turn(current, "What was submitted stays."));
    }
    diesel::delete(assessments::table.find(current.id)).execute(tx.pg)?;
    audit(tx, Some(current), None)
}

/// Begins a locked assessment that was planned.
pub fn begin(tx: &mut Tx<'_>, current: &Assessment) -> Result<Assessment> {
    if current.status != AssessmentStatus::Planned {
        return Ok(current.clone());
    }
    go_to(tx, current, AssessmentStatus::InProgress)
}

fn go_to(tx: &mut Tx<'_>, current: &Assessment, status: AssessmentStatus) -> Result<Assessment> {
    diesel::update(assessments::table.find(current.id)).set(assessments::status.eq(status)).execute(tx.pg)?;
    advanced(tx, current)
}

fn advanced(tx: &mut Tx<'_>, before: &Assessment) -> Result<Assessment> {
    let after = own(tx, before.id)?;
    audit(tx, Some(before), Some(&after))?;
    Ok(after)
}

fn audit(tx: &mut Tx<'_>, before: Option<&Assessment>, after: Option<&Assessment>) -> Result<()> {
    let Some(assessment) = after.or(before) else { return Ok(()) };
    let (id, organisation_id) = (assessment.id, assessment.organisation_id);
    let (before, after) = (before.map(AssessmentAudit::from), after.map(AssessmentAudit::from));
    tx.audit_in(organisation_id, "assessments", id, before.as_ref(), after.as_ref())
}

/// Refuses unless the answers of an assessment change.
pub fn check_open(current: &Assessment) -> Result<()> {
    if current.status.is_open() { Ok(()) } else { Err(out_of_turn(current, "What was submitted stays as it is.")) }
}

fn out_of_turn(current: &Assessment, detail: &str) -> Error {
    let detail = format!("{detail} This one is {}.", current.status);
    Error::Conflict(vec![Fault::new("/status", "out_of_turn", detail)])
}

type PersonRef<C> = person_ref<C>;

type Columns = (
    assessments::id,
    assessments::version,
    assessments::created_at,
    assessments::updated_at,
    assessments::organisation_id,
    diesel::dsl::AssumeNotNull<organisation_ref<diesel::dsl::Nullable<assessments::organisation_id>>>,
    assessments::checklist_id,
    diesel::dsl::AssumeNotNull<checklist_ref<diesel::dsl::Nullable<assessments::checklist_id>>>,
    assessments::supersedes_id,
    assessment_successor<assessments::id>,
    diesel::dsl::AsSelect<AssessmentState, Pg>,
    assessments::status,
    assessments::status_reason,
    assessments::submitted_at,
    PersonRef<assessments::submitted_by>,
    assessments::assured_at,
    PersonRef<assessments::assured_by>,
    organisation_ref<assessments::assured_for_id>,
    assessments::assurance,
    assessments::score,
    assurer_list<assessments::id>,
    assessment_progress<assessments::id>,
);

fn columns() -> Columns {
    (
        assessments::id,
        assessments::version,
        assessments::created_at,
        assessments::updated_at,
        assessments::organisation_id,
        organisation_ref(assessments::organisation_id.nullable()).assume_not_null(),
        assessments::checklist_id,
        checklist_ref(assessments::checklist_id.nullable()).assume_not_null(),
        assessments::supersedes_id,
        assessment_successor(assessments::id),
        AssessmentState::as_select(),
        assessments::status,
        assessments::status_reason,
        assessments::submitted_at,
        person_ref(assessments::submitted_by),
        assessments::assured_at,
        person_ref(assessments::assured_by),
        organisation_ref(assessments::assured_for_id),
        assessments::assurance,
        assessments::score,
        assurer_list(assessments::id),
        assessment_progress(assessments::id),
    )
}
