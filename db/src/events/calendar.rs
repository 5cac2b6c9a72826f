//! What calendars and feeds read: some events at once, bounded, without pages.

use diesel::dsl::{exists, sql};
use diesel::prelude::*;
use diesel::sql_types::{Bool, Bytea};
use uuid::Uuid;

use super::rsvps::RsvpStatus;
use super::{Event, EventStatus, Sight, columns};
use crate::networks;
use crate::organisations::{Key, known, known_by};
use crate::schema::{event_organisers, events};
use crate::tx::Conn;
use crate::{Error, Result};

/// How many events a calendar or a feed has at most; those that begin last, as people look ahead.
pub const MOST: i64 = 500;

/// Days after which what is over leaves the calendars.
const DAYS: i32 = 366;

/// Of whom.
#[derive(Debug, Clone)]
pub enum Of {
    /// Of a network.
    Network(Uuid),
    /// To which an organisation invites.
    Organiser(Uuid),
}

/// The events of a calendar that everybody sees, cancelled ones included.
pub fn of(conn: &mut Conn<'_>, of: &Of) -> Result<Vec<Event>> {
    let sight = Sight::default();
    let mut query = events::table.filter(sight.condition()).filter(recent()).into_boxed();
    query = match of {
        Of::Network(id) => query.filter(events::network_id.eq(id)),
        Of::Organiser(id) => query.filter(exists(
            event_organisers::table
                .filter(event_organisers::event_id.eq(events::id))
                .filter(event_organisers::organisation_id.eq(id)),
        )),
    };
    let query = query.order((events::starts_at.desc(), events::id.desc())).limit(MOST);
    Ok(query.select(columns(None)).load(conn.pg)?)
}

fn recent() -> diesel::expression::SqlLiteral<
    Bool,
    diesel::expression::UncheckedBind<
        diesel::expression::SqlLiteral<Bool>,
        diesel::dsl::AsExprOf<i32, diesel::sql_types::Integer>,
    >,
> {
    sql::<Bool>("ends_at > now() - make_interval(days => ").bind::<diesel::sql_types::Integer, _>(DAYS).sql(")")
}

/// The events of the calendar at a secret address, and where its owner's answers stand. [`Error::NotFound`] when there
/// is no such address (any more).
pub fn of_address(conn: &mut Conn<'_>, token_hash: &[u8]) -> Result<Vec<(Event, RsvpStatus)>> {
    let owner: Option<Uuid> = diesel::select(crate::functions::calendar_owner(token_hash)).get_result(conn.pg)?;
    let owner = owner.ok_or(Error::NotFound)?;
    let answered: Vec<Answered> = diesel::sql_query("select event, status from calendar_events($1, $2)")
        .bind::<Bytea, _>(token_hash)
        .bind::<diesel::sql_types::Integer, _>(DAYS)
        .load(conn.pg)?;
    let ids: Vec<Uuid> = answered.iter().map(|answered| answered.event).collect();
    let query = events::table.filter(events::id.eq_any(ids)).order((events::starts_at.desc(), events::id.desc()));
    let found: Vec<Event> = query.select(columns(Some(owner))).load(conn.pg)?;
    let status = |event: &Event| answered.iter().find(|answered| answered.event == event.row.id);
    Ok(found
        .into_iter()
        .filter_map(|event| status(&event).map(|answered| answered.status).map(|s| (event, s)))
        .collect())
}

#[derive(QueryableByName)]
struct Answered {
    #[diesel(sql_type = diesel::sql_types::Uuid)]
    event: Uuid,
    #[diesel(sql_type = diesel::sql_types::Text)]
    status: RsvpStatus,
}

/// What is to come, of some networks and organisers or of all; what begins first before the others.
pub fn to_come(conn: &mut Conn<'_>, networks: &[Key], organisers: &[Key]) -> Result<Vec<Event>> {
    let mut query = events::table
        .filter(events::status.eq(EventStatus::Published))
        .filter(sql::<Bool>("ends_at > now()"))
        .into_boxed();
    if !networks.is_empty() {
        query = query.filter(events::network_id.assume_not_null().eq_any(known_by(conn, networks, networks::id_of)?));
    }
    if !organisers.is_empty() {
        query = query.filter(exists(
            event_organisers::table
                .filter(event_organisers::event_id.eq(events::id))
                .filter(event_organisers::organisation_id.eq_any(known(conn, organisers)?)),
        ));
    }
    let query = query.order((events::starts_at, events::id)).limit(100);
    Ok(query.select(columns(None)).load(conn.pg)?)
}
