//! Where sessions of an event take place: `/events/{id}/rooms`.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpResponse, Responder};
use chrono::{DateTime, Utc};
use db::organisations::Key;
use db::page::ById;
use db::programmes::rooms::{self, RoomState};
use db::types::Texts;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use validator::Validate;

use super::{EventPath, changing, reading};
use crate::app::App;
use crate::auth::Caller;
use crate::http::etag::{IfMatchHeader, IfNoneMatchHeader};
use crate::http::idempotency::IdempotencyKeyHeader;
use crate::http::text::Equipment;
use crate::http::{Collection, Cursor, IfMatch, Json, Once, Paging, Patch, Path, Query, Single};
use crate::merge_patch;
use crate::problem::Problem;
use crate::routes::Routes;

/// The operations here.
#[must_use]
pub fn routes() -> Routes {
    routes![list_rooms, create_room, get_room, update_room, delete_room]
}

/// Room in which sessions of an event take place.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Room {
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
    pub(crate) facts: CreateRoom,
}

/// Room to add.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct CreateRoom {
    /// What it is called.
    #[schema(
        min_length = 1,
        max_length = 120,
        pattern = r"^[^\u0000-\u001f\u007f]*[^\s\u0000-\u001f\u007f][^\u0000-\u001f\u007f]*$",
        example = "Committee Room 4"
    )]
    pub name: String,
    /// How many people it holds; null when nobody said.
    #[schema(minimum = 1, maximum = 100_000, example = 30)]
    pub capacity: Option<i32>,
    /// What is in it, in kebab-case.
    #[serde(default)]
    #[schema(max_items = 20, value_type = Vec<Equipment>)]
    pub equipment: Vec<String>,
}

merge_patch! {
    /// Change to a room, as a JSON merge patch (RFC 7396): only what is to change; null clears.
    UpdateRoom of CreateRoom
}

/// One page of rooms.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RoomPage {
    /// The rooms on this page, the oldest first.
    #[schema(max_items = 100)]
    pub items: Vec<Room>,
    /// Cursor of the next page; null on the last.
    #[schema(max_length = 2048, pattern = "^[A-Za-z0-9_-]+$", example = "WyJhIl0")]
    pub next_cursor: Option<String>,
}

/// Which room.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes the parameter that `Path` reads")]
pub struct RoomPath {
    /// Id of the room.
    #[param(rename = "roomId", example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    room_id: Uuid,
}

/// List the rooms of an event
///
/// At most 50.
#[utoipa::path(
    get, path = "/events/{id}/rooms", tag = "programmes",
    params(EventPath, Paging, IfNoneMatchHeader),
    security((), ("oauth2" = ["events:read"]), ("bearer" = [])),
    responses((status = 200, body = RoomPage, description = "A page of rooms.")),
)]
async fn list_rooms(
    app: Data<App>,
    caller: Caller,
    key: Path<Key>,
    query: Query<Paging>,
) -> Result<impl Responder, Problem> {
    let (Path(key), Query(paging)) = (key, query);
    let (limit, after): (_, Option<ById>) = (paging.limit(), paging.after()?);
    let read = reading(&app, caller, key, move |conn, event| Ok(rooms::list(conn, event.row.id, after, limit)?));
    let page = read.await?.map(Room::from);
    let next = page.next.as_ref().map(Cursor::write);
    Ok(Collection { page: RoomPage { items: page.items, next_cursor: next.clone() }, next })
}

/// Add a room to an event
///
/// For who looks after it.
#[utoipa::path(
    post, path = "/events/{id}/rooms", tag = "programmes",
    params(EventPath, IdempotencyKeyHeader),
    request_body(content = CreateRoom, description = "The room to add."),
    security(("oauth2" = ["events:write"]), ("bearer" = [])),
    responses(
        (status = 201, body = Room, description = "The room, as added."),
        (status = 409, description = "The event is no unconference or is over, has a room of that name, or as many rooms as it may."),
    ),
)]
async fn create_room(once: Once, key: Path<Key>, body: Json<CreateRoom>) -> Result<impl Responder, Problem> {
    let (Path(key), Json(wanted)) = (key, body);
    let created = once.run(move |tx| {
        let (event, _) = changing(tx, &key)?;
        let created = rooms::create(tx, Uuid::now_v7(), &event, &wanted.state())?;
        let (version, path) = (created.version, path_of(&created));
        Ok(Single::created(Room::from(created), version, path))
    });
    created.await
}

/// Read a room of an event
///
/// What it holds, and what is in it.
#[utoipa::path(
    get, path = "/events/{id}/rooms/{roomId}", tag = "programmes",
    params(EventPath, RoomPath, IfNoneMatchHeader),
    security((), ("oauth2" = ["events:read"]), ("bearer" = [])),
    responses((status = 200, body = Room, description = "The room.")),
)]
async fn get_room(app: Data<App>, caller: Caller, path: Path<(Key, Uuid)>) -> Result<impl Responder, Problem> {
    let Path((key, id)) = path;
    let read = reading(&app, caller, key, move |conn, event| Ok(rooms::find(conn, event.row.id, id)?));
    Ok(shown(read.await?))
}

/// Change a room of an event
///
/// For who looks after the event.
#[utoipa::path(
    patch, path = "/events/{id}/rooms/{roomId}", tag = "programmes",
    params(EventPath, RoomPath, IfMatchHeader),
    request_body(
        content = UpdateRoom, content_type = "application/merge-patch+json",
        description = "The fields to change.",
    ),
    security(("oauth2" = ["events:write"]), ("bearer" = [])),
    responses(
        (status = 200, body = Room, description = "The room, as changed."),
        (status = 409, description = "The event is no unconference or is over, has a room of that name, or a session there needs what it would lack."),
    ),
)]
async fn update_room(
    app: Data<App>,
    caller: Caller,
    ids: Path<(Key, Uuid)>,
    if_match: IfMatch,
    patch: Patch,
) -> Result<impl Responder, Problem> {
    let Path((key, id)) = ids;
    let changed = app.db.write(caller.actor()?, move |tx| {
        let (event, _) = changing(tx, &key)?;
        let current = rooms::find(&mut tx.conn(), event.row.id, id)?;
        if_match.check(current.version)?;
        let wanted: CreateRoom = patch.apply(&CreateRoom::from(current.state.clone()))?;
        Ok::<_, Problem>(shown(rooms::update(tx, &event, &current, &wanted.state())?))
    });
    changed.await
}

/// Remove a room from an event
///
/// For who looks after the event, when nothing takes place there.
#[utoipa::path(
    delete, path = "/events/{id}/rooms/{roomId}", tag = "programmes",
    params(EventPath, RoomPath, IfMatchHeader),
    security(("oauth2" = ["events:write"]), ("bearer" = [])),
    responses(
        (status = 204, description = "Removed."),
        (status = 409, description = "The event is no unconference or is over, or a session takes place there."),
    ),
)]
async fn delete_room(
    app: Data<App>,
    caller: Caller,
    path: Path<(Key, Uuid)>,
    if_match: IfMatch,
) -> Result<impl Responder, Problem> {
    let Path((key, id)) = path;
    app.db
        .write(caller.actor()?, move |tx| {
            let (event, _) = changing(tx, &key)?;
            let current = rooms::find(&mut tx.conn(), event.row.id, id)?;
            if_match.check(current.version)?;
            Ok::<_, Problem>(rooms::delete(tx, &event, &current)?)
        })
        .await?;
    Ok(HttpResponse::new(StatusCode::NO_CONTENT))
}

fn shown(room: rooms::Room) -> Single<Room> {
    let (version, path) = (room.version, path_of(&room));
    Single::ok(Room::from(room), version).with_link(&path, "self")
}

fn path_of(room: &rooms::Room) -> String {
    format!("/v1/events/{}/rooms/{}", room.event_id, room.id)
}

impl CreateRoom {
    fn state(&self) -> RoomState {
        let Self { name, capacity, equipment } = self.clone();
        RoomState { name, capacity, equipment: Texts(super::once_each(equipment)) }
    }
}

impl From<RoomState> for CreateRoom {
    fn from(RoomState { name, capacity, equipment }: RoomState) -> Self {
        Self { name, capacity, equipment: equipment.0 }
    }
}

impl From<rooms::Room> for Room {
    fn from(room: rooms::Room) -> Self {
        let rooms::Room { id, version, created_at, updated_at, event_id, state } = room;
        Self { id, version, created_at, updated_at, event_id, facts: state.into() }
    }
}
