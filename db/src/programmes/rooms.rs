//! Where sessions of an event take place.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde::Serialize;
use uuid::Uuid;

use super::{MOST_ROOMS, check_most};
use crate::events::Event;
use crate::organisations::to_limit;
use crate::page::ById;
use crate::schema::rooms;
use crate::tx::{Conn, Tx};
use crate::types::Texts;
use crate::{Page, Result};

/// A room.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = rooms)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct Room {
    pub id: Uuid,
    pub version: i32,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub event_id: Uuid,
    #[diesel(embed)]
    pub state: RoomState,
}

/// What a writer may set.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable, AsChangeset, Serialize)]
#[diesel(table_name = rooms, treat_none_as_null = true)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct RoomState {
    pub name: String,
    pub capacity: Option<i32>,
    pub equipment: Texts,
}

/// One page of the rooms of an event, the oldest first.
pub fn list(conn: &mut Conn<'_>, event_id: Uuid, after: Option<ById>, limit: usize) -> Result<Page<Room, ById>> {
    let mut query = rooms::table.filter(rooms::event_id.eq(event_id)).into_boxed();
    if let Some(ById { id }) = after {
        query = query.filter(rooms::id.gt(id));
    }
    let query = query.order(rooms::id).limit(to_limit(limit));
    Ok(Page::cut(query.select(Room::as_select()).load(conn.pg)?, limit, |last: &Room| ById { id: last.id }))
}

/// All rooms of an event, by name.
pub(super) fn all(conn: &mut Conn<'_>, event_id: Uuid) -> Result<Vec<Room>> {
    let query = rooms::table.filter(rooms::event_id.eq(event_id)).order((rooms::name, rooms::id));
    Ok(query.select(Room::as_select()).load(conn.pg)?)
}

/// One room of an event.
pub fn find(conn: &mut Conn<'_>, event_id: Uuid, id: Uuid) -> Result<Room> {
    Ok(rooms::table.find(id).filter(rooms::event_id.eq(event_id)).select(Room::as_select()).first(conn.pg)?)
}

/// Adds a room to a locked programme.
pub fn create(tx: &mut Tx<'_>, id: Uuid, event: &Event, state: &RoomState) -> Result<Room> {
    let held = rooms::table.filter(rooms::event_id.eq(event.row.id)).count().get_result(tx.pg)?;
    check_most(held, MOST_ROOMS, "rooms")?;
    diesel::insert_into(rooms::table)
        .values((rooms::id.eq(id), rooms::event_id.eq(event.row.id), state))
        .execute(tx.pg)?;
    super::touch(tx, event.row.id)?;
    tx.audit_for(event.organiser_ids().next(), "rooms", id, None, Some(state))?;
    find(&mut tx.conn(), event.row.id, id)
}

/// Brings a room of a locked programme into another state. When it is in that state already nothing is written.
pub fn update(tx: &mut Tx<'_>, event: &Event, current: &Room, state: &RoomState) -> Result<Room> {
    if current.state == *state {
        return Ok(current.clone());
    }
    diesel::update(rooms::table.find(current.id)).set(state).execute(tx.pg)?;
    super::touch(tx, event.row.id)?;
    tx.audit_for(event.organiser_ids().next(), "rooms", current.id, Some(&current.state), Some(state))?;
    find(&mut tx.conn(), event.row.id, current.id)
}

/// Removes a room of a locked programme in which nothing takes place.
pub fn delete(tx: &mut Tx<'_>, event: &Event, current: &Room) -> Result<()> {
    diesel::delete(rooms::table.find(current.id)).execute(tx.pg)?;
    super::touch(tx, event.row.id)?;
    tx.audit_for(event.organiser_ids().next(), "rooms", current.id, Some(&current.state), None)
}
