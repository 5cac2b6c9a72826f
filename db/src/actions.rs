//! Actions: what is to be done about controls that are not met, by whom and by when. A plan of action and milestones.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::dsl::sql;
use diesel::expression::SqlLiteral;
use diesel::prelude::*;
use diesel::sql_types::Bool;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::assessments::{Assessment, Sight};
use crate::functions::{organisation_ref, person_ref};
use crate::organisations::{Key, Reference, known, to_limit};
use crate::people::PersonReference;
use crate::schema::actions;
use crate::tx::{Conn, Tx};
use crate::types::{Json, Texts};
use crate::vocabulary::vocabulary;
use crate::{Page, Result};

vocabulary! {
    /// Where an action stands. `open`: it is to be done. `in_progress`: it is being done. `completed`: it was done.
    /// `cancelled`: it is not done after all.
    ActionStatus, "open" {
        /// It is to be done.
        Open = "open",
        /// It is being done.
        InProgress = "in_progress",
        /// It was done.
        Completed = "completed",
        /// It is not done after all.
        Cancelled = "cancelled",
    }
}

/// An action.
#[derive(Debug, Clone, Queryable)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct Action {
    pub id: Uuid,
    pub version: i32,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub assessment_id: Uuid,
    pub organisation_id: Uuid,
    pub organisation: Json<Reference>,
    pub owner: Option<Json<PersonReference>>,
    pub state: ActionState,
    /// Whether it is to be done by a day that is over.
    pub overdue: bool,
}

/// What a writer may set.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable, AsChangeset, Serialize)]
#[diesel(table_name = actions, treat_none_as_null = true)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct ActionState {
    pub title: String,
    pub description: Option<String>,
    pub owner_id: Option<Uuid>,
    pub due_on: NaiveDate,
    pub status: ActionStatus,
    pub completed_on: Option<NaiveDate>,
    pub controls: Texts,
}

/// What the trail has of an action: no words.
#[derive(Serialize)]
struct ActionAudit {
    assessment_id: Uuid,
    version: i32,
    owner_id: Option<Uuid>,
    due_on: NaiveDate,
    status: ActionStatus,
}

impl From<&Action> for ActionAudit {
    fn from(action: &Action) -> Self {
        let ActionState { owner_id, due_on, status, .. } = action.state;
        Self { assessment_id: action.assessment_id, version: action.version, owner_id, due_on, status }
    }
}

/// Which actions; several values of one field mean any of them, different fields all of them.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Out of which assessment.
    pub assessment: Option<Uuid>,
    /// Whose they are.
    pub organisations: Vec<Key>,
    /// Who sees to them.
    pub owner: Option<Uuid>,
    /// Where they stand.
    pub statuses: Vec<ActionStatus>,
    /// Whether they are to be done by a day that is over, and were not.
    pub overdue: Option<bool>,
}

/// Where a page ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// By when the last one is due.
    pub due_on: NaiveDate,
    /// Its id.
    pub id: Uuid,
}

/// Whether an action is late.
fn is_overdue() -> SqlLiteral<Bool> {
    sql("(actions.due_on < current_date and actions.status in ('open', 'in_progress'))")
}

/// One page of those that match and are seen, those first that are due first.
pub fn list(
    conn: &mut Conn<'_>,
    sight: &Sight,
    filter: &Filter,
    after: Option<Position>,
    limit: usize,
) -> Result<Page<Action, Position>> {
    let mut query = actions::table.filter(actions::assessment_id.eq_any(sight.ids())).into_boxed();
    if let Some(assessment) = filter.assessment {
        query = query.filter(actions::assessment_id.eq(assessment));
    }
    if !filter.organisations.is_empty() {
        query = query.filter(actions::organisation_id.eq_any(known(conn, &filter.organisations)?));
    }
    if let Some(owner) = filter.owner {
        query = query.filter(actions::owner_id.eq(owner));
    }
    if !filter.statuses.is_empty() {
        query = query.filter(actions::status.eq_any(filter.statuses.clone()));
    }
    match filter.overdue {
        Some(true) => query = query.filter(is_overdue()),
        Some(false) => query = query.filter(diesel::dsl::not(is_overdue())),
        None => {}
    }
    if let Some(Position { due_on, id }) = after {
        query = query.filter(actions::due_on.gt(due_on).or(actions::due_on.eq(due_on).and(actions::id.gt(id))));
    }
    let query = query.order((actions::due_on, actions::id)).limit(to_limit(limit));
    let found: Vec<Action> = query.select(columns()).load(conn.pg)?;
    Ok(Page::cut(found, limit, |last| Position { due_on: last.state.due_on, id: last.id }))
}

/// All actions out of an assessment that is seen, those first that are due first; at most so many.
pub fn of_assessment(conn: &mut Conn<'_>, assessment_id: Uuid, most: i64) -> Result<Vec<Action>> {
    let query = actions::table.filter(actions::assessment_id.eq(assessment_id)).order((actions::due_on, actions::id));
    Ok(query.limit(most).select(columns()).load(conn.pg)?)
}

/// One action, if it is seen.
pub fn find(conn: &mut Conn<'_>, sight: &Sight, id: Uuid) -> Result<Action> {
    let query = actions::table.filter(actions::id.eq(id)).filter(actions::assessment_id.eq_any(sight.ids()));
    Ok(query.select(columns()).first(conn.pg)?)
}

/// One action that the writer sees, locked for the rest of the transaction.
pub fn lock(tx: &mut Tx<'_>, id: Uuid) -> Result<Action> {
    let sight = Sight::new(tx.roles(), tx.actor().principal.user_id());
    actions::table.find(id).select(actions::id).for_update().first::<Uuid>(tx.pg)?;
    find(&mut tx.conn(), &sight, id)
}

/// Plans an action out of an assessment.
pub fn create(tx: &mut Tx<'_>, id: Uuid, of: &Assessment, state: &ActionState) -> Result<Action> {
    diesel::insert_into(actions::table)
        .values((
            actions::id.eq(id),
            actions::assessment_id.eq(of.id),
            actions::organisation_id.eq(of.organisation_id),
            state,
        ))
        .execute(tx.pg)?;
    let created = own(tx, id)?;
    audit(tx, None, Some(&created))?;
    Ok(created)
}

/// Brings a locked action into another state. When it is in that state already nothing is written.
pub fn update(tx: &mut Tx<'_>, current: &Action, state: &ActionState) -> Result<Action> {
    if current.state == *state {
        return Ok(current.clone());
    }
    diesel::update(actions::table.find(current.id)).set(state).execute(tx.pg)?;
    let changed = own(tx, current.id)?;
    audit(tx, Some(current), Some(&changed))?;
    Ok(changed)
}

/// Removes a locked action.
pub fn delete(tx: &mut Tx<'_>, current: &Action) -> Result<()> {
    diesel::delete(actions::table.find(current.id)).execute(tx.pg)?;
    audit(tx, Some(current), None)
}

fn own(tx: &mut Tx<'_>, id: Uuid) -> Result<Action> {
    Ok(actions::table.find(id).select(columns()).first(tx.pg)?)
}

fn audit(tx: &mut Tx<'_>, before: Option<&Action>, after: Option<&Action>) -> Result<()> {
    let Some(action) = after.or(before) else { return Ok(()) };
    let (id, organisation_id) = (action.id, action.organisation_id);
    let (before, after) = (before.map(ActionAudit::from), after.map(ActionAudit::from));
    tx.audit_in(organisation_id, "actions", id, before.as_ref(), after.as_ref())
}

type Columns = (
    actions::id,
    actions::version,
    actions::created_at,
    actions::updated_at,
    actions::assessment_id,
    actions::organisation_id,
    diesel::dsl::AssumeNotNull<organisation_ref<diesel::dsl::Nullable<actions::organisation_id>>>,
    person_ref<actions::owner_id>,
    diesel::dsl::AsSelect<ActionState, diesel::pg::Pg>,
    SqlLiteral<Bool>,
);

fn columns() -> Columns {
    (
        actions::id,
        actions::version,
        actions::created_at,
        actions::updated_at,
        actions::assessment_id,
        actions::organisation_id,
        organisation_ref(actions::organisation_id.nullable()).assume_not_null(),
        person_ref(actions::owner_id),
        ActionState::as_select(),
        is_overdue(),
    )
}
