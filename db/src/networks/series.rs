//! When a network meets again and again. Each time is an event of its own, which people answer and which can be changed
//! by itself; when they are is for the caller to say ([`Occurrence`]). [`lay_out`] makes them and brings them in line.

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Date};
use serde::Serialize;
use uuid::Uuid;

use super::Network;
use crate::events::{self, Event, EventFacts, EventKind, EventState, EventStatus};
use crate::functions::seconds_ago;
use crate::organisations::to_limit;
use crate::page::ById;
use crate::schema::{event_series, events as table, rsvps};
use crate::tx::{Conn, Tx};
use crate::types::Dates;
use crate::vocabulary::vocabulary;
use crate::{Page, Result};

vocabulary! {
    /// What is done when a day of a series is a bank holiday of England and Wales. `keep`: it takes place. `skip`: it
    /// does not. `next_working_day`, `previous_working_day`: it moves to the nearest day after or before that is neither
    /// a bank holiday nor of a weekend.
    BankHolidays, "skip" {
        /// It takes place all the same.
        Keep = "keep",
        /// It does not take place.
        Skip = "skip",
        /// It moves to the working day after.
        NextWorkingDay = "next_working_day",
        /// It moves to the working day before.
        PreviousWorkingDay = "previous_working_day",
    }
}

/// A series.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = event_series)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct Series {
    pub id: Uuid,
    pub version: i32,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub network_id: Uuid,
    #[diesel(embed)]
    pub state: SeriesState,
}

/// What a writer may set.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable, AsChangeset, Serialize)]
#[diesel(table_name = event_series, treat_none_as_null = true)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct SeriesState {
    pub title: String,
    pub description: Option<String>,
    pub kind: EventKind,
    pub starts_at: NaiveDateTime,
    pub duration_minutes: i32,
    pub time_zone: String,
    pub rrule: String,
    pub bank_holidays: BankHolidays,
    pub except_dates: Dates,
    pub venue_name: Option<String>,
    pub venue_address: Option<String>,
    pub step_free: Option<bool>,
    pub hearing_loop: Option<bool>,
    pub quiet_room: Option<bool>,
    pub access_information: Option<String>,
    pub online_url: Option<String>,
    pub capacity: Option<i32>,
}

/// One time of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Occurrence {
    /// The day on which the rule has it, by which it is known wherever it moves.
    pub on: NaiveDate,
    /// When it begins.
    pub starts_at: DateTime<Utc>,
    /// When it ends.
    pub ends_at: DateTime<Utc>,
}

/// One page of the series of a network, the first before the others.
pub fn list(conn: &mut Conn<'_>, network_id: Uuid, after: Option<ById>, limit: usize) -> Result<Page<Series, ById>> {
    let mut query = event_series::table.filter(event_series::network_id.eq(network_id)).into_boxed();
    if let Some(ById { id }) = after {
        query = query.filter(event_series::id.gt(id));
    }
    let query = query.order(event_series::id).limit(to_limit(limit));
    let found: Vec<Series> = query.select(Series::as_select()).load(conn.pg)?;
    Ok(Page::cut(found, limit, |last| ById { id: last.id }))
}

/// One series of a network.
pub fn find(conn: &mut Conn<'_>, network_id: Uuid, id: Uuid) -> Result<Series> {
    let query = event_series::table.find(id).filter(event_series::network_id.eq(network_id));
    Ok(query.select(Series::as_select()).first(conn.pg)?)
}

/// Makes a series of a locked network, without its events yet.
pub fn create(tx: &mut Tx<'_>, id: Uuid, network: &Network, state: &SeriesState) -> Result<Series> {
    diesel::insert_into(event_series::table)
        .values((event_series::id.eq(id), event_series::network_id.eq(network.id), state))
        .execute(tx.pg)?;
    tx.audit_in(network.state.organisation_id, "event_series", id, None, Some(state))?;
    find(&mut tx.conn(), network.id, id)
}

/// Brings a series of a locked network into another state, without its events yet. When it is in that state already
/// nothing is written.
pub fn update(tx: &mut Tx<'_>, network: &Network, current: &Series, state: &SeriesState) -> Result<Series> {
    if current.state == *state {
        return Ok(current.clone());
    }
    diesel::update(event_series::table.find(current.id)).set(state).execute(tx.pg)?;
    tx.audit_in(network.state.organisation_id, "event_series", current.id, Some(&current.state), Some(state))?;
    find(&mut tx.conn(), network.id, current.id)
}

/// Ends a series of a locked network. What was stays, what is to come goes.
pub fn delete(tx: &mut Tx<'_>, network: &Network, current: &Series) -> Result<()> {
    lay_out(tx, network, current, &[])?;
    diesel::delete(event_series::table.find(current.id)).execute(tx.pg)?;
    tx.audit_in(network.state.organisation_id, "event_series", current.id, Some(&current.state), None)
}

/// Networks with series of which no events were made for some days, with those series.
pub fn due(conn: &mut Conn<'_>, days: i32, most: i64) -> Result<Vec<(Uuid, Uuid)>> {
    let before = sql::<Bool>("laid_out_on < current_date - ").bind::<diesel::sql_types::Integer, _>(days);
    let query = event_series::table.filter(before).order((event_series::laid_out_on, event_series::id)).limit(most);
    Ok(query.select((event_series::network_id, event_series::id)).load(conn.pg)?)
}

/// Brings what is to come of a series of a locked network in line with when it takes place. What is missing is made and
/// published; what was not changed by itself follows the series; what does not take place any more goes when nobody
/// answered, and is cancelled else. What was cancelled, or is past, stays as it is.
pub fn lay_out(tx: &mut Tx<'_>, network: &Network, series: &Series, occurrences: &[Occurrence]) -> Result<()> {
    let known: Vec<(Uuid, Option<NaiveDate>)> = table::table
        .filter(table::series_id.eq(series.id))
        .order(table::id)
        .select((table::id, table::recurrence_on))
        .for_update()
        .load(tx.pg)?;
    for (id, on) in &known {
        let event = events::own(tx, *id)?;
        let to_come: bool = diesel::select(seconds_ago(0).lt(event.row.facts.starts_at)).get_result(tx.pg)?;
        if !to_come || !matches!(event.row.status, EventStatus::Draft | EventStatus::Published) {
            continue;
        }
        match occurrences.iter().find(|occurrence| Some(occurrence.on) == *on) {
            None => take_off(tx, &event)?,
            Some(_) if event.row.changed_apart => {}
            Some(occurrence) => {
                let facts = facts(network, &series.state, *occurrence, event.row.facts.slug.clone());
                let organisers = event.state().organisers;
                events::change(tx, &event, &EventState { facts, organisers })?;
            }
        }
    }
    for occurrence in occurrences.iter().filter(|wanted| known.iter().all(|(_, on)| *on != Some(wanted.on))) {
        let slug = events::free_slug(tx, &format!("{} {}", series.state.title, occurrence.on))?;
        let state = EventState {
            facts: facts(network, &series.state, *occurrence, slug),
            organisers: vec![network.state.organisation_id],
        };
        let draft = events::create(tx, Uuid::now_v7(), &state)?;
        diesel::update(table::table.find(draft.row.id))
            .set((table::series_id.eq(series.id), table::recurrence_on.eq(occurrence.on)))
            .execute(tx.pg)?;
        events::advance(tx, &draft, EventStatus::Published, None)?;
    }
    diesel::update(event_series::table.find(series.id))
        .set(event_series::laid_out_on.eq(sql::<Date>("current_date")))
        .execute(tx.pg)?;
    Ok(())
}

fn take_off(tx: &mut Tx<'_>, event: &Event) -> Result<()> {
    let answered: bool =
        diesel::select(diesel::dsl::exists(rsvps::table.filter(rsvps::event_id.eq(event.row.id)))).get_result(tx.pg)?;
    if answered && event.row.status == EventStatus::Published {
        events::advance(tx, event, EventStatus::Cancelled, Some("It is not one of its series any more."))?;
        return Ok(());
    }
    events::remove(tx, event)
}

fn facts(network: &Network, state: &SeriesState, occurrence: Occurrence, slug: String) -> EventFacts {
    let state = state.clone();
    EventFacts {
        slug,
        title: state.title,
        description: state.description,
        kind: state.kind,
        starts_at: occurrence.starts_at,
        ends_at: occurrence.ends_at,
        time_zone: state.time_zone,
        venue_name: state.venue_name,
        venue_address: state.venue_address,
        step_free: state.step_free,
        hearing_loop: state.hearing_loop,
        quiet_room: state.quiet_room,
        access_information: state.access_information,
        online_url: state.online_url,
        capacity: state.capacity,
        network_id: Some(network.id),
    }
}
