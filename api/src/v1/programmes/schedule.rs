//! What takes place where: `/events/{id}/schedule`.

use std::collections::HashMap;

use actix_web::Responder;
use actix_web::web::Data;
use chrono::{DateTime, Utc};
use db::organisations::Key;
use db::programmes::{self, Placement, Programme, ScheduleState, Wishes};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use validator::{Validate, ValidationError};

use super::rooms::Room;
use super::sessions::Session;
use super::slots::Slot;
use super::{EventPath, changing};
use crate::app::App;
use crate::auth::{Caller, rules};
use crate::http::etag::{IfMatchHeader, IfNoneMatchHeader};
use crate::http::idempotency::IdempotencyKeyHeader;
use crate::http::text::SessionId;
use crate::http::{IfMatch, Once, Patch, Path, Query, Single};
use crate::layout::{self, Task};
use crate::merge_patch;
use crate::problem::Problem;
use crate::routes::Routes;
use crate::v1::organisations::wire::fault;

/// The operations here.
#[must_use]
pub fn routes() -> Routes {
    routes![get_schedule, update_schedule, get_schedule_proposal, publish_schedule]
}

/// What takes place where, with everything that it is made of.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Schedule {
    /// Of which event.
    #[schema(read_only, example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    pub event_id: Uuid,
    /// Rises by one with each change of placements, rooms or slots; the entity tag begins with it.
    #[schema(read_only, minimum = 1, maximum = 2_147_483_647, example = 3)]
    pub version: i32,
    /// When it was made (UTC).
    #[schema(read_only, example = "2026-11-23T09:30:00Z")]
    pub created_at: DateTime<Utc>,
    /// When it last changed (UTC).
    #[schema(read_only, example = "2026-11-23T09:30:00Z")]
    pub updated_at: DateTime<Utc>,
    /// Since when everybody sees the placements (UTC); null while only who looks after the event does.
    #[schema(read_only, example = "2027-06-18T09:00:00Z")]
    pub published_at: Option<DateTime<Utc>>,
    #[serde(flatten)]
    pub(crate) facts: ScheduleFacts,
    /// Its rooms, by name.
    #[schema(max_items = 50)]
    pub rooms: Vec<Room>,
    /// Its slots, the first before the others.
    #[schema(max_items = 100)]
    pub slots: Vec<Slot>,
    /// The sessions that stand, in the order of their pitches.
    #[schema(max_items = 500)]
    pub sessions: Vec<Session>,
}

/// What a writer says of a schedule.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
#[validate(schema(function = "closes_after_opening"))]
pub struct ScheduleFacts {
    /// From when on votes are taken (RFC 3339; answered in UTC); null from the first pitch on.
    #[schema(example = "2027-06-01T08:00:00Z")]
    pub votes_open_at: Option<DateTime<Utc>>,
    /// Until when votes are taken; null until the event ends.
    #[schema(example = "2027-06-17T17:00:00Z")]
    pub votes_close_at: Option<DateTime<Utc>>,
    /// Which session takes place where. Empty for others than who looks after the event until it is published.
    #[serde(default)]
    #[schema(max_items = 500)]
    pub placements: Vec<SessionPlacement>,
}

/// Where a session takes place.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionPlacement {
    /// Id of the session.
    #[schema(example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    pub session: Uuid,
    /// Id of the room.
    #[schema(example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c12")]
    pub room: Uuid,
    /// Id of the slot.
    #[schema(example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c13")]
    pub slot: Uuid,
}

merge_patch! {
    /// Change to a schedule, as a JSON merge patch (RFC 7396): only what is to change; null clears. `placements` are given
    /// whole.
    UpdateSchedule of ScheduleFacts
}

/// What might take place where. A vote is satisfied when its voter can be at the session: it takes place, they are at no
/// other one in that slot, and the room holds all who are there.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScheduleProposal {
    /// The seed that it was made from: the same votes and the same seed make the same proposal.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64, example = 1)]
    pub seed: i64,
    /// Which session would take place where: as it is, for `placements` of the schedule.
    #[schema(max_items = 500)]
    pub placements: Vec<SessionPlacement>,
    /// Ids of the sessions for which there is no place.
    #[schema(max_items = 500, value_type = Vec<SessionId>)]
    pub unplaced: Vec<Uuid>,
    /// How many votes there are.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64, example = 612)]
    pub vote_count: i64,
    /// How many of them would be satisfied.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64, example = 548)]
    pub satisfied_vote_count: i64,
    /// How many a greedy layout satisfies, which gives the session with most votes the best place that is left.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64, example = 503)]
    pub greedy_satisfied_vote_count: i64,
}

/// How to propose.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct GetScheduleProposal {
    /// Number to begin from, for another proposal of the same quality.
    #[serde(default)]
    #[param(required = false, value_type = i64, minimum = 0, maximum = 9_007_199_254_740_991_i64, default = 0, example = 1)]
    seed: i64,
    /// true: what has a place already keeps it.
    #[serde(default)]
    #[param(required = false, value_type = bool, default = false, example = true)]
    keep: bool,
}

/// Read the schedule of an event
///
/// With its rooms, slots and sessions. What takes place where is seen by everybody once it is published.
#[utoipa::path(
    get, path = "/events/{id}/schedule", tag = "programmes",
    params(EventPath, IfNoneMatchHeader),
    security((), ("oauth2" = ["events:read"]), ("bearer" = [])),
    responses((status = 200, body = Schedule, description = "The schedule.")),
)]
async fn get_schedule(app: Data<App>, caller: Caller, key: Path<Key>) -> Result<impl Responder, Problem> {
    let (Path(key), person) = (key, caller.viewer().user_id());
    let read = caller.read(&app.db, move |conn, roles| {
        let event = db::events::find(conn, &db::events::Sight::new(roles, person), &key)?;
        let organises = rules::may_organise(roles, &event).is_ok();
        Ok((organises, programmes::programme(conn, event.row.id, person)?))
    });
    let (organises, programme) = read.await?;
    Ok(shown(organises, programme))
}

/// Change the schedule of an event
///
/// For who looks after it: when votes are taken, and which session takes place where. What cannot be is refused with what
/// is in its way: a room that is taken or lacks something, somebody who would speak in two rooms at a time.
#[utoipa::path(
    patch, path = "/events/{id}/schedule", tag = "programmes",
    params(EventPath, IfMatchHeader),
    request_body(
        content = UpdateSchedule, content_type = "application/merge-patch+json",
        description = "The fields to change.",
    ),
    security(("oauth2" = ["events:write"]), ("bearer" = [])),
    responses(
        (status = 200, body = Schedule, description = "The schedule, as changed."),
        (status = 409, description = "The event is no unconference or is over, or a placement cannot be."),
    ),
)]
async fn update_schedule(
    app: Data<App>,
    caller: Caller,
    key: Path<Key>,
    if_match: IfMatch,
    patch: Patch,
) -> Result<impl Responder, Problem> {
    let Path(key) = key;
    let changed = app.db.write(caller.actor()?, move |tx| {
        let (event, current) = changing(tx, &key)?;
        if_match.check(current.version)?;
        let person = tx.actor().principal.user_id();
        let before = programmes::programme(&mut tx.conn(), event.row.id, person)?;
        let wanted: ScheduleFacts = patch.apply(&ScheduleFacts::new(&before))?;
        programmes::update(tx, &event, &current, &wanted.state())?;
        Ok::<_, Problem>(shown(true, programmes::programme(&mut tx.conn(), event.row.id, person)?))
    });
    changed.await
}

/// Propose a schedule for an event
///
/// For who looks after it: one that satisfies as many votes as can be found in bounded time, and never fewer than a greedy
/// layout. Nothing is changed; to take it, give its `placements` to `update_schedule`.
#[utoipa::path(
    get, path = "/events/{id}/schedule/proposal", tag = "programmes",
    params(EventPath, GetScheduleProposal, IfNoneMatchHeader),
    security(("oauth2" = ["events:read"]), ("bearer" = [])),
    responses((status = 200, body = ScheduleProposal, description = "The proposal.")),
)]
async fn get_schedule_proposal(
    app: Data<App>,
    caller: Caller,
    key: Path<Key>,
    query: Query<GetScheduleProposal>,
) -> Result<impl Responder, Problem> {
    let (Path(key), Query(GetScheduleProposal { seed, keep }), actor) = (key, query, caller.actor()?);
    let person = actor.principal.user_id();
    let read = app.db.read_as(actor, move |conn, roles| {
        let event = db::events::find(conn, &db::events::Sight::new(roles, person), &key)?;
        rules::may_organise(roles, &event)?;
        let wishes = programmes::wishes(conn, event.row.id)?;
        // Here, as this thread may take its time.
        Ok::<_, Problem>((wishes.programme.schedule.version, proposal(&wishes, seed, keep)))
    });
    let (version, proposal) = read.await?;
    Ok(Single::ok(proposal, version))
}

/// Publish the schedule of an event
///
/// Everybody sees what takes place where, and those who planned around it are told of each change from then on. For who
/// looks after the event.
#[utoipa::path(
    post, path = "/events/{id}/schedule/publish", tag = "programmes",
    params(EventPath, IdempotencyKeyHeader),
    security(("oauth2" = ["events:write"]), ("bearer" = [])),
    responses(
        (status = 200, body = Schedule, description = "The schedule, published."),
        (status = 409, description = "The event is no unconference, is not published or is over, nothing is laid out yet, or it is published already."),
    ),
)]
async fn publish_schedule(once: Once, key: Path<Key>) -> Result<impl Responder, Problem> {
    let Path(key) = key;
    let published = once.run(move |tx| {
        let (event, current) = changing(tx, &key)?;
        programmes::publish(tx, &event, &current)?;
        let person = tx.actor().principal.user_id();
        Ok(shown(true, programmes::programme(&mut tx.conn(), event.row.id, person)?))
    });
    published.await
}

fn closes_after_opening(facts: &ScheduleFacts) -> Result<(), ValidationError> {
    match (facts.votes_open_at, facts.votes_close_at) {
        (Some(open), Some(close)) if close <= open => {
            Err(fault("/votesCloseAt", "before_start", "must be later than `votesOpenAt`"))
        }
        _ => Ok(()),
    }
}

/// The proposal for a programme, with sessions, rooms and slots in the order of their ids, so that it is the same for
/// the same.
fn proposal(wishes: &Wishes, seed: i64, keep: bool) -> ScheduleProposal {
    let Programme { rooms, slots, sessions, placements, .. } = &wishes.programme;
    let index_of = |ids: Vec<Uuid>| -> HashMap<Uuid, usize> { ids.into_iter().zip(0..).collect() };
    let room_index = index_of(rooms.iter().map(|room| room.id).collect());
    let slot_index = index_of(slots.iter().map(|slot| slot.id).collect());
    let session_index = index_of(sessions.iter().map(|session| session.id).collect());
    let mut names: HashMap<&str, usize> = HashMap::new();
    let mut task = Task {
        rooms: rooms.iter().map(|room| room.state.capacity.and_then(|held| usize::try_from(held).ok())).collect(),
        slots: slots.len(),
        ..Task::default()
    };
    for session in sessions {
        let needed = &session.state.equipment.0;
        let fits =
            rooms.iter().enumerate().filter(|(_, room)| needed.iter().all(|n| room.state.equipment.0.contains(n)));
        let speakers = wishes.speakers.get(&session.id).into_iter().flatten();
        let kept = placements.iter().find(|placement| keep && placement.session_id == session.id);
        let cell = kept.and_then(|kept| Some((*slot_index.get(&kept.slot_id)?, *room_index.get(&kept.room_id)?)));
        task.sessions.push(layout::Session {
            voters: Vec::new(),
            rooms: fits.map(|(index, _)| index).collect(),
            speakers: speakers
                .map(|name| {
                    let next = names.len();
                    *names.entry(name.as_str()).or_insert(next)
                })
                .collect(),
            fixed: cell,
        });
    }
    let mut vote_count = 0;
    let mut voters: HashMap<i64, usize> = HashMap::new();
    for (session, voter) in &wishes.votes {
        let next = voters.len();
        let voter = *voters.entry(*voter).or_insert(next);
        if let Some(session) = session_index.get(session).and_then(|index| task.sessions.get_mut(*index)) {
            session.voters.push(voter);
            vote_count += 1;
        }
    }
    task.voters = voters.len();
    let layout = layout::propose(&task, seed.unsigned_abs());
    let placed = sessions.iter().zip(&layout.cells).filter_map(|(session, cell)| {
        let (slot, room) = (*cell)?;
        let (slot, room) = (slots.get(slot)?.id, rooms.get(room)?.id);
        Some(SessionPlacement { session: session.id, room, slot })
    });
    let unplaced = sessions.iter().zip(&layout.cells).filter(|(_, cell)| cell.is_none());
    ScheduleProposal {
        seed,
        placements: placed.collect(),
        unplaced: unplaced.map(|(session, _)| session.id).collect(),
        vote_count,
        satisfied_vote_count: i64::try_from(layout.satisfied).unwrap_or(i64::MAX),
        greedy_satisfied_vote_count: i64::try_from(layout.greedy).unwrap_or(i64::MAX),
    }
}

fn shown(organises: bool, programme: Programme) -> Single<Schedule> {
    let mut facts = ScheduleFacts::new(&programme);
    let Programme { schedule, rooms, slots, sessions, placements: _ } = programme;
    if !organises && schedule.published_at.is_none() {
        facts.placements.clear();
    }
    let programmes::Schedule { event_id, version, created_at, updated_at, published_at, .. } = schedule;
    let schedule = Schedule {
        event_id,
        version,
        created_at,
        updated_at,
        published_at,
        facts,
        rooms: rooms.into_iter().map(Into::into).collect(),
        slots: slots.into_iter().map(Into::into).collect(),
        sessions: sessions.into_iter().map(Into::into).collect(),
    };
    Single::ok(schedule, version).with_link(&format!("/v1/events/{event_id}/schedule"), "self")
}

impl ScheduleFacts {
    fn new(programme: &Programme) -> Self {
        let placements = programme.placements.iter();
        Self {
            votes_open_at: programme.schedule.votes_open_at,
            votes_close_at: programme.schedule.votes_close_at,
            placements: placements
                .map(|Placement { session_id, room_id, slot_id }| SessionPlacement {
                    session: *session_id,
                    room: *room_id,
                    slot: *slot_id,
                })
                .collect(),
        }
    }

    fn state(&self) -> ScheduleState {
        let placements = self.placements.iter();
        ScheduleState {
            votes_open_at: self.votes_open_at,
            votes_close_at: self.votes_close_at,
            placements: placements
                .map(|SessionPlacement { session, room, slot }| Placement {
                    session_id: *session,
                    room_id: *room,
                    slot_id: *slot,
                })
                .collect(),
        }
    }
}
