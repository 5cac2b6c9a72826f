//! Who would go to which session: one vote of each person for each session. Who looks sees their own only.

use chrono::{DateTime, Utc};
use diesel::dsl::sql;
use diesel::prelude::*;
use serde::Serialize;
use uuid::Uuid;

use super::check_stands;
use super::sessions::Session;
use crate::events::Event;
use crate::organisations::to_limit;
use crate::page::ById;
use crate::schema::{schedules, session_votes};
use crate::tx::{Conn, Tx};
use crate::{Error, Fault, Page, Result};

/// A vote.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = session_votes)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct Vote {
    pub id: Uuid,
    pub created_at: DateTime<Utc>,
    pub session_id: Uuid,
    pub user_id: Uuid,
}

/// What is told of a vote in the trail: not for which session, as that would tell who would go where.
#[derive(Serialize)]
struct VoteAudit {
    event_id: Uuid,
}

/// One page of a person's votes for a session: there is at most one.
pub fn list(
    conn: &mut Conn<'_>,
    session_id: Uuid,
    person: Uuid,
    after: Option<ById>,
    limit: usize,
) -> Result<Page<Vote, ById>> {
    let mut query = session_votes::table
        .filter(session_votes::session_id.eq(session_id))
        .filter(session_votes::user_id.eq(person))
        .into_boxed();
    if let Some(ById { id }) = after {
        query = query.filter(session_votes::id.gt(id));
    }
    let query = query.order(session_votes::id).limit(to_limit(limit));
    Ok(Page::cut(query.select(Vote::as_select()).load(conn.pg)?, limit, |last: &Vote| ById { id: last.id }))
}

/// A person's vote for a session.
pub fn find(conn: &mut Conn<'_>, session_id: Uuid, person: Uuid, id: Uuid) -> Result<Vote> {
    let query = session_votes::table
        .find(id)
        .filter(session_votes::session_id.eq(session_id))
        .filter(session_votes::user_id.eq(person));
    Ok(query.select(Vote::as_select()).first(conn.pg)?)
}

/// Votes, while votes are taken.
pub fn create(tx: &mut Tx<'_>, id: Uuid, event: &Event, session: &Session, person: Uuid) -> Result<Vote> {
    check_stands(session, "Votes are for what stands.")?;
    check_voting(tx, event)?;
    diesel::insert_into(session_votes::table)
        .values((session_votes::id.eq(id), session_votes::session_id.eq(session.id), session_votes::user_id.eq(person)))
        .execute(tx.pg)?;
    let told = VoteAudit { event_id: event.row.id };
    tx.audit_for(event.organiser_ids().next(), "session_votes", id, None, Some(&told))?;
    find(&mut tx.conn(), session.id, person, id)
}

/// Takes a vote back, while votes are taken.
pub fn delete(tx: &mut Tx<'_>, event: &Event, current: &Vote) -> Result<()> {
    check_voting(tx, event)?;
    diesel::delete(session_votes::table.find(current.id)).execute(tx.pg)?;
    let told = VoteAudit { event_id: event.row.id };
    tx.audit_for(event.organiser_ids().next(), "session_votes", current.id, Some(&told), None)
}

/// Refuses outside of the time in which votes are taken: from the first pitch on, until the event ends, or as the schedule
/// says.
fn check_voting(tx: &mut Tx<'_>, event: &Event) -> Result<()> {
    let (open, close): (bool, bool) = schedules::table
        .find(event.row.id)
        .select((
            sql::<diesel::sql_types::Bool>("coalesce(votes_open_at <= now(), true)"),
            sql::<diesel::sql_types::Bool>("coalesce(votes_close_at, ")
                .bind::<diesel::sql_types::Timestamptz, _>(event.row.facts.ends_at)
                .sql(") <= now()"),
        ))
        .first(tx.pg)?;
    if open && !close {
        return Ok(());
    }
    let detail = if close { "Votes are not taken any more." } else { "Votes are not taken yet." };
    Err(Error::Conflict(vec![Fault::new("", if close { "votes_closed" } else { "votes_not_open" }, detail)]))
}
