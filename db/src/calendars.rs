//! Addresses at which a person's calendar is read by who knows them. What it shows is in [`crate::events::calendar`].

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde::Serialize;
use uuid::Uuid;

use crate::organisations::to_limit;
use crate::page::ById;
use crate::schema::{calendars, users};
use crate::tx::{Conn, Tx};
use crate::{Error, Fault, Page, Result};

/// How many addresses a person may have.
pub const MOST: i64 = 10;

/// An address, without the secret in it.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = calendars)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct Calendar {
    pub id: Uuid,
    pub version: i32,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub user_id: Uuid,
    pub name: String,
}

/// What is told of an address in the trail.
#[derive(Serialize)]
struct CalendarAudit {
    exists: bool,
}

/// One page of a person's addresses, the oldest first.
pub fn list(conn: &mut Conn<'_>, person: Uuid, after: Option<ById>, limit: usize) -> Result<Page<Calendar, ById>> {
    let mut query = calendars::table.filter(calendars::user_id.eq(person)).into_boxed();
    if let Some(ById { id }) = after {
        query = query.filter(calendars::id.gt(id));
    }
    let query = query.order(calendars::id).limit(to_limit(limit));
    let found: Vec<Calendar> = query.select(Calendar::as_select()).load(conn.pg)?;
    Ok(Page::cut(found, limit, |last| ById { id: last.id }))
}

/// One of a person's addresses.
pub fn find(conn: &mut Conn<'_>, person: Uuid, id: Uuid) -> Result<Calendar> {
    let query = calendars::table.find(id).filter(calendars::user_id.eq(person));
    Ok(query.select(Calendar::as_select()).first(conn.pg)?)
}

/// Keeps an address of a person.
pub fn create(tx: &mut Tx<'_>, id: Uuid, person: Uuid, name: &str, token_hash: &[u8]) -> Result<Calendar> {
    // One after the other, so that nobody has more of them by asking at once.
    users::table.find(person).select(users::id).for_update().first::<Uuid>(tx.pg)?;
    let held: i64 = calendars::table.filter(calendars::user_id.eq(person)).count().get_result(tx.pg)?;
    if held >= MOST {
        let detail = format!("You have {MOST} already; remove one that is not used any more.");
        return Err(Error::Conflict(vec![Fault::new("", "too_many", detail)]));
    }
    diesel::insert_into(calendars::table)
        .values((
            calendars::id.eq(id),
            calendars::user_id.eq(person),
            calendars::name.eq(name),
            calendars::token_hash.eq(token_hash),
        ))
        .execute(tx.pg)?;
    tx.audit("calendars", id, None, Some(&CalendarAudit { exists: true }))?;
    find(&mut tx.conn(), person, id)
}

/// Revokes an address of a person: nothing is read at it any more.
pub fn delete(tx: &mut Tx<'_>, current: &Calendar) -> Result<()> {
    diesel::delete(calendars::table.find(current.id)).execute(tx.pg)?;
    tx.audit("calendars", current.id, Some(&CalendarAudit { exists: true }), None)
}
