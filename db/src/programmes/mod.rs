//! The programme of an unconference: [`rooms`] and [`slots`], what people pitch ([`sessions`]) and vote for ([`votes`]),
//! what they note ([`notes`]), and here where it is laid out. What changes of one programme queues at the row of its
//! schedule; votes do not.

pub mod notes;
pub mod rooms;
pub mod sessions;
pub mod slots;
pub mod votes;

use std::collections::{BTreeSet, HashMap, HashSet};

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Jsonb, Nullable, Text, Uuid as SqlUuid};
use serde::Serialize;
use uuid::Uuid;

use crate::events::changes::ChangeKind;
use crate::events::{Event, EventKind, EventStatus};
use crate::functions::{placement_whereabouts, seconds_ago};
use crate::schema::{placements, schedules};
use crate::tx::{Conn, Tx};
use crate::types::Json;
use crate::{Error, Fault, Result};
use rooms::Room;
use sessions::{Session, SessionStatus};
use slots::Slot;

/// How many rooms an event has at most.
pub const MOST_ROOMS: i64 = 50;
/// How many slots.
pub const MOST_SLOTS: i64 = 100;
/// How many sessions, with those that were merged or withdrawn.
pub const MOST_SESSIONS: i64 = 500;

/// The row of a schedule.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = schedules)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct Schedule {
    pub event_id: Uuid,
    pub version: i32,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub votes_open_at: Option<DateTime<Utc>>,
    pub votes_close_at: Option<DateTime<Utc>>,
    pub published_at: Option<DateTime<Utc>>,
}

/// Where a session takes place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Queryable, Selectable, Insertable, Serialize)]
#[diesel(table_name = placements)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct Placement {
    pub session_id: Uuid,
    pub room_id: Uuid,
    pub slot_id: Uuid,
}

/// A whole programme.
#[derive(Debug, Clone)]
pub struct Programme {
    /// Its row.
    pub schedule: Schedule,
    /// Its rooms, by name.
    pub rooms: Vec<Room>,
    /// Its slots, the first before the others.
    pub slots: Vec<Slot>,
    /// The sessions that stand, in the order of their pitches.
    pub sessions: Vec<Session>,
    /// Which of them takes place where.
    pub placements: Vec<Placement>,
}

/// What is told of a programme in the trail.
#[derive(Serialize)]
struct ScheduleAudit {
    votes_open_at: Option<DateTime<Utc>>,
    votes_close_at: Option<DateTime<Utc>>,
    published_at: Option<DateTime<Utc>>,
    placements: Vec<Placement>,
}

impl ScheduleAudit {
    fn new(schedule: &Schedule, placements: &[Placement]) -> Self {
        let Schedule { votes_open_at, votes_close_at, published_at, .. } = *schedule;
        Self { votes_open_at, votes_close_at, published_at, placements: placements.to_vec() }
    }
}

/// The row of the schedule of an event.
pub fn schedule(conn: &mut Conn<'_>, event_id: Uuid) -> Result<Schedule> {
    Ok(schedules::table.find(event_id).select(Schedule::as_select()).first(conn.pg)?)
}

/// A whole programme; `person` is who looks.
pub fn programme(conn: &mut Conn<'_>, event_id: Uuid, person: Option<Uuid>) -> Result<Programme> {
    Ok(Programme {
        schedule: schedule(conn, event_id)?,
        rooms: rooms::all(conn, event_id)?,
        slots: slots::all(conn, event_id)?,
        sessions: sessions::standing(conn, event_id, person)?,
        placements: placed(conn, event_id)?,
    })
}

fn placed(conn: &mut Conn<'_>, event_id: Uuid) -> Result<Vec<Placement>> {
    let query = placements::table.filter(placements::event_id.eq(event_id)).order(placements::session_id);
    Ok(query.select(Placement::as_select()).load(conn.pg)?)
}

/// Locks the programme of an event for the rest of the transaction.
pub fn lock(tx: &mut Tx<'_>, event: &Event) -> Result<Schedule> {
    let query = schedules::table.find(event.row.id).select(Schedule::as_select()).for_update();
    Ok(query.first(tx.pg)?)
}

/// Refuses for an event that has no programme to make: only an unconference that is to come has.
pub fn check_open(event: &Event) -> Result<()> {
    check_unconference(event)?;
    match event.row.status {
        EventStatus::Draft | EventStatus::Published => Ok(()),
        EventStatus::Cancelled | EventStatus::Completed => {
            Err(crate::events::out_of_turn(event, "The programme of an event that is over does not change."))
        }
    }
}

pub(crate) fn check_unconference(event: &Event) -> Result<()> {
    if event.row.facts.kind == EventKind::Unconference {
        return Ok(());
    }
    let detail = format!("Only an unconference has a programme that people pitch. This is a {}.", event.row.facts.kind);
    Err(Error::Conflict(vec![Fault::new("", "no_unconference", detail)]))
}

/// What a writer sets of a schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleState {
    /// From when on votes count.
    pub votes_open_at: Option<DateTime<Utc>>,
    /// Until when.
    pub votes_close_at: Option<DateTime<Utc>>,
    /// What takes place where, in the order in which faults are told.
    pub placements: Vec<Placement>,
}

/// Brings a locked programme into another state. When it is in that state already nothing is written.
pub fn update(tx: &mut Tx<'_>, event: &Event, current: &Schedule, state: &ScheduleState) -> Result<()> {
    let before = programme(&mut tx.conn(), event.row.id, None)?;
    check_placements(tx, &before, &state.placements)?;
    let had: HashSet<Placement> = before.placements.iter().copied().collect();
    let wanted: HashSet<Placement> = state.placements.iter().copied().collect();
    let times = (current.votes_open_at, current.votes_close_at);
    if had == wanted && times == (state.votes_open_at, state.votes_close_at) {
        return Ok(());
    }
    let moved: Vec<Uuid> = had.symmetric_difference(&wanted).map(|placement| placement.session_id).collect();
    let was = whereabouts(tx, &moved)?;
    diesel::delete(placements::table.filter(placements::session_id.eq_any(&moved))).execute(tx.pg)?;
    let new: Vec<_> = wanted.difference(&had).map(|new| (placements::event_id.eq(event.row.id), *new)).collect();
    diesel::insert_into(placements::table).values(new).execute(tx.pg)?;
    let is = whereabouts(tx, &moved)?;
    for session in was.keys().chain(is.keys()).copied().collect::<BTreeSet<_>>() {
        tell(tx, event.row.id, session, was.get(&session), is.get(&session))?;
    }
    // In any case, as the placements are part of it.
    diesel::update(schedules::table.find(event.row.id))
        .set((schedules::votes_open_at.eq(state.votes_open_at), schedules::votes_close_at.eq(state.votes_close_at)))
        .execute(tx.pg)?;
    let after = schedule(&mut tx.conn(), event.row.id)?;
    let mut after_placements = state.placements.clone();
    after_placements.sort_unstable();
    audit(tx, event, &ScheduleAudit::new(current, &before.placements), &ScheduleAudit::new(&after, &after_placements))
}

/// Takes a session of a locked programme off it, if it is in it.
fn take_off(tx: &mut Tx<'_>, event: &Event, session: Uuid) -> Result<()> {
    let was = whereabouts(tx, &[session])?;
    if was.is_empty() {
        return Ok(());
    }
    diesel::delete(placements::table.filter(placements::session_id.eq(session))).execute(tx.pg)?;
    touch(tx, event.row.id)?;
    tell(tx, event.row.id, session, was.get(&session), None)
}

/// Raises the version of a schedule of which a part changed.
fn touch(tx: &mut Tx<'_>, event_id: Uuid) -> Result<()> {
    diesel::update(schedules::table.find(event_id)).set(schedules::event_id.eq(event_id)).execute(tx.pg)?;
    Ok(())
}

fn whereabouts(tx: &mut Tx<'_>, sessions: &[Uuid]) -> Result<HashMap<Uuid, serde_json::Value>> {
    let query = placements::table.filter(placements::session_id.eq_any(sessions));
    let found: Vec<(Uuid, Option<Json<serde_json::Value>>)> =
        query.select((placements::session_id, placement_whereabouts(placements::session_id))).load(tx.pg)?;
    Ok(found.into_iter().filter_map(|(session, place)| Some((session, place?.0))).collect())
}

fn tell(
    tx: &mut Tx<'_>,
    event: Uuid,
    session: Uuid,
    before: Option<&serde_json::Value>,
    after: Option<&serde_json::Value>,
) -> Result<()> {
    let kind = match (before, after) {
        (None, _) => ChangeKind::SessionPlaced,
        (Some(_), Some(_)) => ChangeKind::SessionMoved,
        (Some(_), None) => ChangeKind::SessionTakenOff,
    };
    tell_change(tx, event, Some(session), kind, before, after)
}

fn tell_change(
    tx: &mut Tx<'_>,
    event: Uuid,
    session: Option<Uuid>,
    kind: ChangeKind,
    before: Option<&serde_json::Value>,
    after: Option<&serde_json::Value>,
) -> Result<()> {
    diesel::sql_query("select 1 from tell_session_change($1, $2, $3, $4, $5)")
        .bind::<SqlUuid, _>(event)
        .bind::<Nullable<SqlUuid>, _>(session)
        .bind::<Text, _>(kind)
        .bind::<Nullable<Jsonb>, _>(before)
        .bind::<Nullable<Jsonb>, _>(after)
        .execute(tx.pg)?;
    Ok(())
}

/// Shows a locked programme to everybody.
pub fn publish(tx: &mut Tx<'_>, event: &Event, current: &Schedule) -> Result<Schedule> {
    if event.row.status != EventStatus::Published {
        return Err(crate::events::out_of_turn(event, "Publish the event before its programme."));
    }
    if current.published_at.is_some() {
        return Err(Error::Conflict(vec![Fault::new("/publishedAt", "out_of_turn", "It is published already.")]));
    }
    let placements = placed(&mut tx.conn(), event.row.id)?;
    if placements.is_empty() {
        let detail = "Nothing is laid out yet; give sessions a room and a slot first.";
        return Err(Error::Conflict(vec![Fault::new("/placements", "empty", detail)]));
    }
    diesel::update(schedules::table.find(event.row.id))
        .set(schedules::published_at.eq(seconds_ago(0).nullable()))
        .execute(tx.pg)?;
    tell_change(tx, event.row.id, None, ChangeKind::ProgrammePublished, None, None)?;
    let after = schedule(&mut tx.conn(), event.row.id)?;
    audit(tx, event, &ScheduleAudit::new(current, &placements), &ScheduleAudit::new(&after, &placements))?;
    Ok(after)
}

fn audit(tx: &mut Tx<'_>, event: &Event, before: &ScheduleAudit, after: &ScheduleAudit) -> Result<()> {
    tx.audit_for(event.organiser_ids().next(), "schedules", event.row.id, Some(before), Some(after))
}

/// A fault for each placement that cannot be, with what is in its way.
fn check_placements(tx: &mut Tx<'_>, programme: &Programme, wanted: &[Placement]) -> Result<()> {
    let speakers = sessions::speakers(&mut tx.conn(), programme.schedule.event_id)?;
    let mut faults = Vec::new();
    let mut placed: HashMap<Uuid, usize> = HashMap::new();
    let mut cells: HashMap<(Uuid, Uuid), usize> = HashMap::new();
    let mut busy: HashMap<(Uuid, &str), usize> = HashMap::new();
    for (index, placement) in wanted.iter().enumerate() {
        let mut fault = |field: &str, code: &'static str, detail: String| {
            faults.push(Fault::new(format!("/placements/{index}{field}"), code, detail));
        };
        let session = programme.sessions.iter().find(|session| session.id == placement.session_id);
        let room = programme.rooms.iter().find(|room| room.id == placement.room_id);
        if session.is_none() {
            fault("/session", "unknown_session", "names no session of this event that stands".to_owned());
        }
        if room.is_none() {
            fault("/room", "unknown_room", "names no room of this event".to_owned());
        }
        if programme.slots.iter().all(|slot| slot.id != placement.slot_id) {
            fault("/slot", "unknown_slot", "names no slot of this event".to_owned());
        }
        if let Some(other) = placed.insert(placement.session_id, index) {
            fault("/session", "placed_twice", format!("takes place at /placements/{other} already"));
        }
        if let Some(other) = cells.insert((placement.slot_id, placement.room_id), index) {
            fault("/room", "room_taken", format!("is taken in this slot by /placements/{other}"));
        }
        if let (Some(session), Some(room)) = (session, room) {
            for lacking in session.state.equipment.0.iter().filter(|needed| !room.state.equipment.0.contains(needed)) {
                fault("/room", "lacks_equipment", format!("has no {lacking}, which the session needs"));
            }
        }
        for speaker in speakers.get(&placement.session_id).into_iter().flatten() {
            if let Some(other) = busy.insert((placement.slot_id, speaker.as_str()), index) {
                let detail = format!("has a speaker who speaks at /placements/{other} in this slot");
                fault("/slot", "speaker_clash", detail);
            }
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(Error::Conflict(faults)) }
}

/// A fault when there are as many of something already as an event may have.
fn check_most(held: i64, most: i64, what: &str) -> Result<()> {
    if held < most {
        return Ok(());
    }
    Err(Error::Conflict(vec![Fault::new("", "too_many", format!("An event has at most {most} {what}."))]))
}

/// What a layout is made of.
#[derive(Debug, Clone)]
pub struct Wishes {
    /// The programme as it is.
    pub programme: Programme,
    /// Who speaks at which session, as names are compared.
    pub speakers: HashMap<Uuid, Vec<String>>,
    /// Who would go to which session; voters are numbered.
    pub votes: Vec<(Uuid, i64)>,
}

#[derive(QueryableByName)]
struct Vote {
    #[diesel(sql_type = SqlUuid)]
    session: Uuid,
    #[diesel(sql_type = BigInt)]
    voter: i64,
}

/// Everything that a layout is made of.
pub fn wishes(conn: &mut Conn<'_>, event_id: Uuid) -> Result<Wishes> {
    let votes: Vec<Vote> =
        diesel::sql_query("select session, voter from event_votes($1)").bind::<SqlUuid, _>(event_id).load(conn.pg)?;
    Ok(Wishes {
        programme: programme(conn, event_id, None)?,
        speakers: sessions::speakers(conn, event_id)?,
        votes: votes.into_iter().map(|Vote { session, voter }| (session, voter)).collect(),
    })
}

/// Whether a session stands, for a writer who wants to do something with it.
fn check_stands(session: &Session, detail: &str) -> Result<()> {
    if session.status == SessionStatus::Pitched {
        return Ok(());
    }
    let detail = match session.merged_into {
        Some(target) => format!("{detail} This one was merged into {target}."),
        None => format!("{detail} This one is {}.", session.status),
    };
    Err(Error::Conflict(vec![Fault::new("/status", "out_of_turn", detail)]))
}
