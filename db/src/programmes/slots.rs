//! When sessions of an event take place.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde::Serialize;
use uuid::Uuid;

use super::{MOST_SLOTS, check_most};
use crate::events::Event;
use crate::organisations::to_limit;
use crate::page::ById;
use crate::schema::slots;
use crate::tx::{Conn, Tx};
use crate::{Error, Fault, Page, Result};

/// A slot.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = slots)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct Slot {
    pub id: Uuid,
    pub version: i32,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub event_id: Uuid,
    #[diesel(embed)]
    pub state: SlotState,
}

/// What a writer may set.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable, AsChangeset, Serialize)]
#[diesel(table_name = slots, treat_none_as_null = true)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct SlotState {
    pub starts_at: DateTime<Utc>,
    pub ends_at: DateTime<Utc>,
}

/// One page of the slots of an event, the oldest first.
pub fn list(conn: &mut Conn<'_>, event_id: Uuid, after: Option<ById>, limit: usize) -> Result<Page<Slot, ById>> {
    let mut query = slots::table.filter(slots::event_id.eq(event_id)).into_boxed();
    if let Some(ById { id }) = after {
        query = query.filter(slots::id.gt(id));
    }
    let query = query.order(slots::id).limit(to_limit(limit));
    Ok(Page::cut(query.select(Slot::as_select()).load(conn.pg)?, limit, |last: &Slot| ById { id: last.id }))
}

/// All slots of an event, the first before the others.
pub(super) fn all(conn: &mut Conn<'_>, event_id: Uuid) -> Result<Vec<Slot>> {
    let query = slots::table.filter(slots::event_id.eq(event_id)).order((slots::starts_at, slots::id));
    Ok(query.select(Slot::as_select()).load(conn.pg)?)
}

/// One slot of an event.
pub fn find(conn: &mut Conn<'_>, event_id: Uuid, id: Uuid) -> Result<Slot> {
    Ok(slots::table.find(id).filter(slots::event_id.eq(event_id)).select(Slot::as_select()).first(conn.pg)?)
}

/// Adds a slot to a locked programme.
pub fn create(tx: &mut Tx<'_>, id: Uuid, event: &Event, state: &SlotState) -> Result<Slot> {
    let held = slots::table.filter(slots::event_id.eq(event.row.id)).count().get_result(tx.pg)?;
    check_most(held, MOST_SLOTS, "slots")?;
    check_within(event, state)?;
    diesel::insert_into(slots::table)
        .values((slots::id.eq(id), slots::event_id.eq(event.row.id), state))
        .execute(tx.pg)?;
    super::touch(tx, event.row.id)?;
    tx.audit_for(event.organiser_ids().next(), "slots", id, None, Some(state))?;
    find(&mut tx.conn(), event.row.id, id)
}

/// Brings a slot of a locked programme into another state. When it is in that state already nothing is written.
pub fn update(tx: &mut Tx<'_>, event: &Event, current: &Slot, state: &SlotState) -> Result<Slot> {
    if current.state == *state {
        return Ok(current.clone());
    }
    check_within(event, state)?;
    diesel::update(slots::table.find(current.id)).set(state).execute(tx.pg)?;
    super::touch(tx, event.row.id)?;
    tx.audit_for(event.organiser_ids().next(), "slots", current.id, Some(&current.state), Some(state))?;
    find(&mut tx.conn(), event.row.id, current.id)
}

/// Removes a slot of a locked programme in which nothing takes place.
pub fn delete(tx: &mut Tx<'_>, event: &Event, current: &Slot) -> Result<()> {
    diesel::delete(slots::table.find(current.id)).execute(tx.pg)?;
    super::touch(tx, event.row.id)?;
    tx.audit_for(event.organiser_ids().next(), "slots", current.id, Some(&current.state), None)
}

fn check_within(event: &Event, state: &SlotState) -> Result<()> {
    let facts = &event.row.facts;
    if state.starts_at >= facts.starts_at && state.ends_at <= facts.ends_at {
        return Ok(());
    }
    let detail = format!("A slot lies within the event, from {} to {}.", facts.starts_at, facts.ends_at);
    Err(Error::Conflict(vec![Fault::new("/startsAt", "outside_event", detail)]))
}
