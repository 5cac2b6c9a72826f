//! When sessions of an event take place: `/events/{id}/slots`.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpResponse, Responder};
use chrono::{DateTime, Utc};
use db::organisations::Key;
use db::page::ById;
use db::programmes::slots::{self, SlotState};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use validator::{Validate, ValidationError};

use super::{EventPath, changing, reading};
use crate::app::App;
use crate::auth::Caller;
use crate::http::etag::{IfMatchHeader, IfNoneMatchHeader};
use crate::http::idempotency::IdempotencyKeyHeader;
use crate::http::{Collection, Cursor, IfMatch, Json, Once, Paging, Patch, Path, Query, Single};
use crate::merge_patch;
use crate::problem::Problem;
use crate::routes::Routes;
use crate::v1::organisations::wire::fault;

/// The operations here.
#[must_use]
pub fn routes() -> Routes {
    routes![list_slots, create_slot, get_slot, update_slot, delete_slot]
}

/// Slot in which sessions of an event take place.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Slot {
    /// Identifier, UUIDv7.
    #[schema(read_only, example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    pub id: Uuid,
    /// Rises by one with each change; the entity tag begins with it.
    #[schema(read_only, minimum = 1, maximum = 2_147_483_647, example = 1)]
    pub version: i32,
    /// When it was made (UTC).
    #[schema(read_only, example = "2026-11-23T09:30:00Z")]
    pub created_at: DateTime<Utc>,
    /// When it last changed (UTC).
    #[schema(read_only, example = "2026-11-23T09:30:00Z")]
    pub updated_at: DateTime<Utc>,
    /// Of which event.
    #[schema(example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    pub event_id: Uuid,
    #[serde(flatten)]
    pub(crate) facts: CreateSlot,
}

/// Slot to add.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
#[validate(schema(function = "ends_after_start"))]
pub struct CreateSlot {
    /// When it begins (RFC 3339; answered in UTC).
    #[schema(example = "2027-01-21T18:00:00Z")]
    pub starts_at: DateTime<Utc>,
    /// When it ends: later than it begins, and both within the event.
    #[schema(example = "2027-01-21T18:30:00Z")]
    pub ends_at: DateTime<Utc>,
}

merge_patch! {
    /// Change to a slot, as a JSON merge patch (RFC 7396): only what is to change; null clears.
    UpdateSlot of CreateSlot
}

/// One page of slots.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SlotPage {
    /// The slots on this page, the oldest first.
    #[schema(max_items = 100)]
    pub items: Vec<Slot>,
    /// Cursor of the next page; null on the last.
    #[schema(max_length = 2048, pattern = "^[A-Za-z0-9_-]+$", example = "WyJhIl0")]
    pub next_cursor: Option<String>,
}

/// Which slot.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes the parameter that `Path` reads")]
pub struct SlotPath {
    /// Id of the slot.
    #[param(rename = "slotId", example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    slot_id: Uuid,
}

/// List the slots of an event
///
/// At most 100.
#[utoipa::path(
    get, path = "/events/{id}/slots", tag = "programmes",
    params(EventPath, Paging, IfNoneMatchHeader),
    security((), ("oauth2" = ["events:read"]), ("bearer" = [])),
    responses((status = 200, body = SlotPage, description = "A page of slots.")),
)]
async fn list_slots(
    app: Data<App>,
    caller: Caller,
    key: Path<Key>,
    query: Query<Paging>,
) -> Result<impl Responder, Problem> {
    let (Path(key), Query(paging)) = (key, query);
    let (limit, after): (_, Option<ById>) = (paging.limit(), paging.after()?);
    let read = reading(&app, caller, key, move |conn, event| Ok(slots::list(conn, event.row.id, after, limit)?));
    let page = read.await?.map(Slot::from);
    let next = page.next.as_ref().map(Cursor::write);
    Ok(Collection { page: SlotPage { items: page.items, next_cursor: next.clone() }, next })
}

/// Add a slot to an event
///
/// For who looks after it.
#[utoipa::path(
    post, path = "/events/{id}/slots", tag = "programmes",
    params(EventPath, IdempotencyKeyHeader),
    request_body(content = CreateSlot, description = "The slot to add."),
    security(("oauth2" = ["events:write"]), ("bearer" = [])),
    responses(
        (status = 201, body = Slot, description = "The slot, as added."),
        (status = 409, description = "The event is no unconference or is over, the slot is not within it or overlaps another, or it has as many as it may."),
    ),
)]
async fn create_slot(once: Once, key: Path<Key>, body: Json<CreateSlot>) -> Result<impl Responder, Problem> {
    let (Path(key), Json(wanted)) = (key, body);
    let created = once.run(move |tx| {
        let (event, _) = changing(tx, &key)?;
        let created = slots::create(tx, Uuid::now_v7(), &event, &wanted.state())?;
        let (version, path) = (created.version, path_of(&created));
        Ok(Single::created(Slot::from(created), version, path))
    });
    created.await
}

/// Read a slot of an event
///
/// When it begins and ends.
#[utoipa::path(
    get, path = "/events/{id}/slots/{slotId}", tag = "programmes",
    params(EventPath, SlotPath, IfNoneMatchHeader),
    security((), ("oauth2" = ["events:read"]), ("bearer" = [])),
    responses((status = 200, body = Slot, description = "The slot.")),
)]
async fn get_slot(app: Data<App>, caller: Caller, path: Path<(Key, Uuid)>) -> Result<impl Responder, Problem> {
    let Path((key, id)) = path;
    let read = reading(&app, caller, key, move |conn, event| Ok(slots::find(conn, event.row.id, id)?));
    Ok(shown(read.await?))
}

/// Change a slot of an event
///
/// For who looks after the event.
#[utoipa::path(
    patch, path = "/events/{id}/slots/{slotId}", tag = "programmes",
    params(EventPath, SlotPath, IfMatchHeader),
    request_body(
        content = UpdateSlot, content_type = "application/merge-patch+json",
        description = "The fields to change.",
    ),
    security(("oauth2" = ["events:write"]), ("bearer" = [])),
    responses(
        (status = 200, body = Slot, description = "The slot, as changed."),
        (status = 409, description = "The event is no unconference or is over, or the slot would not be within it or overlap another."),
    ),
)]
async fn update_slot(
    app: Data<App>,
    caller: Caller,
    ids: Path<(Key, Uuid)>,
    if_match: IfMatch,
    patch: Patch,
) -> Result<impl Responder, Problem> {
    let Path((key, id)) = ids;
    let changed = app.db.write(caller.actor()?, move |tx| {
        let (event, _) = changing(tx, &key)?;
        let current = slots::find(&mut tx.conn(), event.row.id, id)?;
        if_match.check(current.version)?;
        let wanted: CreateSlot = patch.apply(&CreateSlot::from(current.state.clone()))?;
        Ok::<_, Problem>(shown(slots::update(tx, &event, &current, &wanted.state())?))
    });
    changed.await
}

/// Remove a slot from an event
///
/// For who looks after the event, when nothing takes place then.
#[utoipa::path(
    delete, path = "/events/{id}/slots/{slotId}", tag = "programmes",
    params(EventPath, SlotPath, IfMatchHeader),
    security(("oauth2" = ["events:write"]), ("bearer" = [])),
    responses(
        (status = 204, description = "Removed."),
        (status = 409, description = "The event is no unconference or is over, or a session takes place then."),
    ),
)]
async fn delete_slot(
    app: Data<App>,
    caller: Caller,
    path: Path<(Key, Uuid)>,
    if_match: IfMatch,
) -> Result<impl Responder, Problem> {
    let Path((key, id)) = path;
    app.db
        .write(caller.actor()?, move |tx| {
            let (event, _) = changing(tx, &key)?;
            let current = slots::find(&mut tx.conn(), event.row.id, id)?;
            if_match.check(current.version)?;
            Ok::<_, Problem>(slots::delete(tx, &event, &current)?)
        })
        .await?;
    Ok(HttpResponse::new(StatusCode::NO_CONTENT))
}

fn shown(slot: slots::Slot) -> Single<Slot> {
    let (version, path) = (slot.version, path_of(&slot));
    Single::ok(Slot::from(slot), version).with_link(&path, "self")
}

fn path_of(slot: &slots::Slot) -> String {
    format!("/v1/events/{}/slots/{}", slot.event_id, slot.id)
}

fn ends_after_start(slot: &CreateSlot) -> Result<(), ValidationError> {
    if slot.ends_at > slot.starts_at {
        return Ok(());
    }
    Err(fault("/endsAt", "before_start", "must be later than `startsAt`"))
}

impl CreateSlot {
    fn state(&self) -> SlotState {
        let Self { starts_at, ends_at } = *self;
        SlotState { starts_at, ends_at }
    }
}

impl From<SlotState> for CreateSlot {
    fn from(SlotState { starts_at, ends_at }: SlotState) -> Self {
        Self { starts_at, ends_at }
    }
}

impl From<slots::Slot> for Slot {
    fn from(slot: slots::Slot) -> Self {
        let slots::Slot { id, version, created_at, updated_at, event_id, state } = slot;
        Self { id, version, created_at, updated_at, event_id, facts: state.into() }
    }
}
