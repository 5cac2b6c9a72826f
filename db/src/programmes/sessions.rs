//! What people want to talk about at an event: pitched, and then merged into another or withdrawn, or it stands.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::dsl::sql;
use diesel::expression::SqlLiteral;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{Nullable, Text};
use serde::Serialize;
use uuid::Uuid;

use super::{MOST_SESSIONS, check_most, check_stands};
use crate::events::Event;
use crate::functions::{self, has_voted, vote_count};
use crate::organisations::to_limit;
use crate::page::ById;
use crate::schema::sessions;
use crate::tx::{Conn, Tx};
use crate::types::Texts;
use crate::vocabulary::vocabulary;
use crate::{Error, Fault, Page, Result};

vocabulary! {
    /// Where a session stands. `pitched`: it stands by itself. `merged`: it is part of another. `withdrawn`: it does not
    /// take place.
    SessionStatus, "pitched" {
        /// It stands by itself.
        Pitched = "pitched",
        /// It is part of another.
        Merged = "merged",
        /// It does not take place.
        Withdrawn = "withdrawn",
    }
}

/// A session.
#[derive(Debug, Clone, Queryable)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct Session {
    pub id: Uuid,
    pub version: i32,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub event_id: Uuid,
    pub status: SessionStatus,
    pub merged_into: Option<Uuid>,
    pub pitched_by: Option<Uuid>,
    pub pitcher_name: Option<String>,
    pub state: SessionState,
    /// How many would go to it.
    pub vote_count: i64,
    /// Whether who looks would.
    pub voted: bool,
}

/// What a writer may set.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable, AsChangeset, Serialize)]
#[diesel(table_name = sessions, treat_none_as_null = true)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct SessionState {
    pub title: String,
    pub description: Option<String>,
    pub pitcher_speaks: bool,
    pub speakers: Texts,
    pub track: Option<String>,
    pub equipment: Texts,
}

/// What is told of a session in the trail: not who speaks.
#[derive(Serialize)]
struct SessionAudit<'a> {
    event_id: Uuid,
    status: SessionStatus,
    merged_into: Option<Uuid>,
    title: &'a str,
    track: Option<&'a str>,
}

impl<'a> From<&'a Session> for SessionAudit<'a> {
    fn from(session: &'a Session) -> Self {
        let Session { event_id, status, merged_into, ref state, .. } = *session;
        Self { event_id, status, merged_into, title: &state.title, track: state.track.as_deref() }
    }
}

/// Which sessions of an event; several values of one field mean any of them.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Where they stand.
    pub statuses: Vec<SessionStatus>,
    /// Under which theme.
    pub tracks: Vec<String>,
    /// Of the vote of who looks.
    pub voted: Option<bool>,
}

/// One page of the sessions of an event, in the order of their pitches; `person` is who looks.
pub fn list(
    conn: &mut Conn<'_>,
    event_id: Uuid,
    person: Option<Uuid>,
    filter: &Filter,
    after: Option<ById>,
    limit: usize,
) -> Result<Page<Session, ById>> {
    let mut query = sessions::table.filter(sessions::event_id.eq(event_id)).into_boxed();
    if !filter.statuses.is_empty() {
        query = query.filter(sessions::status.eq_any(filter.statuses.clone()));
    }
    if !filter.tracks.is_empty() {
        query = query.filter(sessions::track.assume_not_null().eq_any(filter.tracks.clone()));
    }
    if let Some(voted) = filter.voted {
        query = query.filter(has_voted(sessions::id, person).eq(voted));
    }
    if let Some(ById { id }) = after {
        query = query.filter(sessions::id.gt(id));
    }
    let query = query.order(sessions::id).limit(to_limit(limit));
    Ok(Page::cut(query.select(columns(person)).load(conn.pg)?, limit, |last: &Session| ById { id: last.id }))
}

/// All sessions of an event that stand, in the order of their pitches.
pub(super) fn standing(conn: &mut Conn<'_>, event_id: Uuid, person: Option<Uuid>) -> Result<Vec<Session>> {
    let query = sessions::table
        .filter(sessions::event_id.eq(event_id))
        .filter(sessions::status.eq(SessionStatus::Pitched))
        .order(sessions::id);
    Ok(query.select(columns(person)).load(conn.pg)?)
}

/// Who speaks at the sessions of an event that stand, as names are compared.
pub(super) fn speakers(conn: &mut Conn<'_>, event_id: Uuid) -> Result<HashMap<Uuid, Vec<String>>> {
    let found: Vec<(Uuid, Texts)> = sessions::table
        .filter(sessions::event_id.eq(event_id))
        .filter(sessions::status.eq(SessionStatus::Pitched))
        .select((sessions::id, functions::session_speakers(sessions::id)))
        .load(conn.pg)?;
    Ok(found.into_iter().map(|(id, names)| (id, names.0)).collect())
}

/// One session, whoever may see it: see [`crate::events::find`].
pub fn find(conn: &mut Conn<'_>, person: Option<Uuid>, id: Uuid) -> Result<Session> {
    Ok(sessions::table.find(id).select(columns(person)).first(conn.pg)?)
}

/// Adds a pitch to a locked programme.
pub fn create(
    tx: &mut Tx<'_>,
    id: Uuid,
    event: &Event,
    pitched_by: Option<Uuid>,
    state: &SessionState,
) -> Result<Session> {
    let held = sessions::table.filter(sessions::event_id.eq(event.row.id)).count().get_result(tx.pg)?;
    check_most(held, MOST_SESSIONS, "sessions")?;
    diesel::insert_into(sessions::table)
        .values((sessions::id.eq(id), sessions::event_id.eq(event.row.id), sessions::pitched_by.eq(pitched_by), state))
        .execute(tx.pg)?;
    let created = own(tx, id)?;
    audit(tx, event, None, &created)?;
    Ok(created)
}

/// Brings a session of a locked programme into another state. When it is in that state already nothing is written.
pub fn update(tx: &mut Tx<'_>, event: &Event, current: &Session, state: &SessionState) -> Result<Session> {
    if current.state == *state {
        return Ok(current.clone());
    }
    check_stands(current, "What was merged or withdrawn does not change any more.")?;
    diesel::update(sessions::table.find(current.id)).set(state).execute(tx.pg)?;
    super::touch(tx, event.row.id)?;
    let changed = own(tx, current.id)?;
    audit(tx, event, Some(current), &changed)?;
    Ok(changed)
}

/// Makes a session of a locked programme part of another of the same: its votes count for that one, each person once,
/// and its speakers speak there.
pub fn merge(tx: &mut Tx<'_>, event: &Event, current: &Session, into: Uuid) -> Result<Session> {
    check_stands(current, "Only what stands is merged into another.")?;
    let target = sessions::table
        .find(into)
        .filter(sessions::event_id.eq(event.row.id))
        .select(sessions::status)
        .for_update()
        .first::<SessionStatus>(tx.pg)
        .optional()?;
    let fault =
        |code: &'static str, detail: &'static str| Err(Error::Conflict(vec![Fault::new("/into", code, detail)]));
    match target {
        None => return fault("unknown_session", "names no session of the same event"),
        Some(_) if into == current.id => return fault("itself", "is the session itself"),
        Some(SessionStatus::Pitched) => {}
        Some(_) => return fault("out_of_turn", "was merged or withdrawn: name one that stands"),
    }
    super::take_off(tx, event, current.id)?;
    diesel::update(sessions::table.find(current.id))
        .set((sessions::status.eq(SessionStatus::Merged), sessions::merged_into.eq(into)))
        .execute(tx.pg)?;
    diesel::select(functions::move_votes(current.id, into)).execute(tx.pg)?;
    super::touch(tx, event.row.id)?;
    let merged = own(tx, current.id)?;
    audit(tx, event, Some(current), &merged)?;
    own(tx, into)
}

/// Withdraws a session of a locked programme.
pub fn withdraw(tx: &mut Tx<'_>, event: &Event, current: &Session) -> Result<()> {
    check_stands(current, "Only what stands is withdrawn.")?;
    super::take_off(tx, event, current.id)?;
    diesel::update(sessions::table.find(current.id))
        .set(sessions::status.eq(SessionStatus::Withdrawn))
        .execute(tx.pg)?;
    super::touch(tx, event.row.id)?;
    let withdrawn = own(tx, current.id)?;
    audit(tx, event, Some(current), &withdrawn)
}

/// As its writer sees it.
fn own(tx: &mut Tx<'_>, id: Uuid) -> Result<Session> {
    let person = tx.actor().principal.user_id();
    find(&mut tx.conn(), person, id)
}

fn audit(tx: &mut Tx<'_>, event: &Event, before: Option<&Session>, after: &Session) -> Result<()> {
    let (told, after_told) = (before.map(SessionAudit::from), SessionAudit::from(after));
    tx.audit_for(event.organiser_ids().next(), "sessions", after.id, told.as_ref(), Some(&after_told))
}

type Columns = (
    sessions::id,
    sessions::version,
    sessions::created_at,
    sessions::updated_at,
    sessions::event_id,
    sessions::status,
    sessions::merged_into,
    sessions::pitched_by,
    SqlLiteral<Nullable<Text>>,
    diesel::dsl::AsSelect<SessionState, Pg>,
    vote_count<sessions::id>,
    has_voted<sessions::id, Option<Uuid>>,
);

fn columns(person: Option<Uuid>) -> Columns {
    (
        sessions::id,
        sessions::version,
        sessions::created_at,
        sessions::updated_at,
        sessions::event_id,
        sessions::status,
        sessions::merged_into,
        sessions::pitched_by,
        sql("(select display_name from users where users.id = sessions.pitched_by and erased_at is null)"),
        SessionState::as_select(),
        vote_count(sessions::id),
        has_voted(sessions::id, person),
    )
}
