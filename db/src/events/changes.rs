//! What changed of an event since people planned around it. Triggers write it, in the transaction of the change.

use chrono::{DateTime, Utc};
use diesel::dsl::sql;
use diesel::expression::SqlLiteral;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Text, Uuid as SqlUuid};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::functions;
use crate::organisations::to_limit;
use crate::schema::event_changes;
use crate::tx::Conn;
use crate::types::Json;
use crate::vocabulary::vocabulary;
use crate::{Page, Result};

vocabulary! {
    /// What changed. `event_changed`: what, when or where an event is. `event_cancelled`: it does not take place.
    /// `place_given`: who waited has a place. `place_taken_back`: an organiser declined. `programme_published`: there
    /// is a programme. `session_placed`, `session_moved`, `session_taken_off`: a session came into the programme, is
    /// elsewhere in it, or is not in it any more.
    ChangeKind, "event_changed" {
        /// What, when or where an event is.
        EventChanged = "event_changed",
        /// It does not take place.
        EventCancelled = "event_cancelled",
        /// Who waited has a place.
        PlaceGiven = "place_given",
        /// An organiser declined.
        PlaceTakenBack = "place_taken_back",
        /// There is a programme.
        ProgrammePublished = "programme_published",
        /// A session came into the programme.
        SessionPlaced = "session_placed",
        /// A session is elsewhere in the programme.
        SessionMoved = "session_moved",
        /// A session is not in the programme any more.
        SessionTakenOff = "session_taken_off",
    }
}

/// What, when and where something is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Whereabouts {
    /// What it is called.
    pub title: String,
    /// When it begins.
    pub starts_at: DateTime<Utc>,
    /// When it ends.
    pub ends_at: DateTime<Utc>,
    /// The venue of an event, the room of a session.
    pub place: Option<String>,
}

/// One change.
#[derive(Debug, Clone, Queryable)]
pub struct Change {
    /// Rises.
    pub id: i64,
    /// When.
    pub created_at: DateTime<Utc>,
    /// Of which event.
    pub event_id: Uuid,
    /// What that is called today.
    pub event_title: String,
    /// Of which session.
    pub session_id: Option<Uuid>,
    /// What sort of change.
    pub kind: ChangeKind,
    /// How it was.
    pub before: Option<Json<Whereabouts>>,
    /// How it is.
    pub after: Option<Json<Whereabouts>>,
}

/// Where a page ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Id of the last one.
    pub id: i64,
}

/// Whether who looks comes to an event, or would.
pub fn planned_around(conn: &mut Conn<'_>, event_id: Uuid) -> Result<bool> {
    Ok(diesel::select(functions::planned_around(event_id)).get_result(conn.pg)?)
}

/// One page of what changed of an event for all who planned around it, the latest before the others.
pub fn of_event(
    conn: &mut Conn<'_>,
    event_id: Uuid,
    after: Option<Position>,
    limit: usize,
) -> Result<Page<Change, Position>> {
    let of_it = event_changes::event_id.eq(event_id).and(event_changes::user_id.is_null());
    page(conn, Box::new(of_it), after, limit)
}

/// One page of what a person has to know of the events that they come to, or would: what changed since they answered,
/// and what was decided of their place; the latest before the others.
pub fn for_person(
    conn: &mut Conn<'_>,
    person: Uuid,
    after: Option<Position>,
    limit: usize,
) -> Result<Page<Change, Position>> {
    let theirs = sql::<Bool>("(event_changes.user_id = ").bind::<SqlUuid, _>(person).sql(
        " or event_changes.user_id is null and exists (select from rsvps where rsvps.event_id = event_changes.event_id
            and rsvps.status in ('accepted', 'waitlisted') and rsvps.created_at <= event_changes.created_at
            and rsvps.user_id = ",
    );
    page(conn, Box::new(theirs.bind::<SqlUuid, _>(person).sql("))")), after, limit)
}

type Condition = Box<dyn BoxableExpression<event_changes::table, diesel::pg::Pg, SqlType = Bool>>;

fn page(
    conn: &mut Conn<'_>,
    which: Condition,
    after: Option<Position>,
    limit: usize,
) -> Result<Page<Change, Position>> {
    let mut query = event_changes::table.filter(which).into_boxed();
    if let Some(Position { id }) = after {
        query = query.filter(event_changes::id.lt(id));
    }
    let query = query.order(event_changes::id.desc()).limit(to_limit(limit));
    let found: Vec<Change> = query.select(columns()).load(conn.pg)?;
    Ok(Page::cut(found, limit, |last| Position { id: last.id }))
}

type Columns = (
    event_changes::id,
    event_changes::created_at,
    event_changes::event_id,
    SqlLiteral<Text>,
    event_changes::session_id,
    event_changes::kind,
    event_changes::before,
    event_changes::after,
);

fn columns() -> Columns {
    (
        event_changes::id,
        event_changes::created_at,
        event_changes::event_id,
        sql("(select title from events where events.id = event_changes.event_id)"),
        event_changes::session_id,
        event_changes::kind,
        event_changes::before,
        event_changes::after,
    )
}
