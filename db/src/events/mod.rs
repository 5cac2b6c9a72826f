//! Events: their state machine, who sees them. Lists are in [`list`], who comes in [`rsvps`], what people are told of
//! changes in [`changes`], and what calendars read in [`calendar`].

pub mod calendar;
pub mod changes;
pub mod list;
pub mod rsvps;

use chrono::{DateTime, NaiveDate, Utc};
use diesel::dsl::exists;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::Bool;
use serde::Serialize;
use uuid::Uuid;

use crate::functions::{self, event_organiser_list, network_ref};
use crate::organisations::{Key, Reference, slug_holder};
use crate::people::{Role, Roles};
use crate::schema::{event_organisers, events};
use crate::tx::{Conn, Tx};
use crate::types::Json;
use crate::vocabulary::vocabulary;
use crate::{Error, Fault, Result};

vocabulary! {
    /// What sort of event it is.
    EventKind, "teacamp" {
        /// An informal meeting, each month at the same place and hour.
        Teacamp = "teacamp",
        /// A day whose programme those who come make themselves.
        Unconference = "unconference",
        /// A talk or demonstration online.
        Webinar = "webinar",
        /// Any other meeting.
        Meeting = "meeting",
    }
}

vocabulary! {
    /// Where an event stands. `draft`: only its organisers see it. `published`: it takes place. `cancelled`: it does not.
    /// `completed`: it did.
    EventStatus, "published" {
        /// Only its organisers see it.
        Draft = "draft",
        /// It takes place.
        Published = "published",
        /// It does not take place.
        Cancelled = "cancelled",
        /// It took place.
        Completed = "completed",
    }
}

/// A row of `events`.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = events)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct EventRow {
    pub id: Uuid,
    pub version: i32,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub status: EventStatus,
    pub status_reason: Option<String>,
    pub accepted_count: i32,
    pub sequence: i32,
    pub series_id: Option<Uuid>,
    pub recurrence_on: Option<NaiveDate>,
    pub changed_apart: bool,
    #[diesel(embed)]
    pub facts: EventFacts,
}

/// What a writer may set, but for who invites.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable, AsChangeset, Serialize)]
#[diesel(table_name = events, treat_none_as_null = true)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct EventFacts {
    pub slug: String,
    pub title: String,
    pub description: Option<String>,
    pub kind: EventKind,
    pub starts_at: DateTime<Utc>,
    pub ends_at: DateTime<Utc>,
    pub time_zone: String,
    pub venue_name: Option<String>,
    pub venue_address: Option<String>,
    pub step_free: Option<bool>,
    pub hearing_loop: Option<bool>,
    pub quiet_room: Option<bool>,
    pub access_information: Option<String>,
    pub online_url: Option<String>,
    pub capacity: Option<i32>,
    pub network_id: Option<Uuid>,
}

/// What a writer may set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EventState {
    /// The columns.
    #[serde(flatten)]
    pub facts: EventFacts,
    /// Who invites, in the order of their ids.
    pub organisers: Vec<Uuid>,
}

/// An event.
#[derive(Debug, Clone, Queryable)]
pub struct Event {
    /// Its own columns.
    pub row: EventRow,
    /// Who invites.
    pub organisers: Json<Vec<Reference>>,
    /// Whose event it is.
    pub network: Option<Json<Reference>>,
    /// Whether who looks was accepted.
    pub attended: bool,
    /// Whether who looks convenes its network.
    pub convened: bool,
}

impl Event {
    /// Who invites, by id.
    pub fn organiser_ids(&self) -> impl Iterator<Item = Uuid> + '_ {
        self.organisers.0.iter().map(|organiser| organiser.id)
    }

    /// What a writer may set, as it is.
    #[must_use]
    pub fn state(&self) -> EventState {
        let mut organisers: Vec<Uuid> = self.organiser_ids().collect();
        organisers.sort_unstable();
        EventState { facts: self.row.facts.clone(), organisers }
    }
}

/// Whose events somebody sees: those that were published, and drafts of their own organisations and of networks that
/// they convene.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sight {
    everything: bool,
    person: Option<Uuid>,
    organisations: Vec<Uuid>,
}

impl Sight {
    /// Of somebody with these roles; `person` is who looks, if it is a person.
    #[must_use]
    pub fn new(roles: &Roles, person: Option<Uuid>) -> Self {
        Self {
            everything: roles.administers(),
            person,
            organisations: roles.with(Role::Contributor).map(|membership| membership.organisation_id).collect(),
        }
    }

    fn all() -> Self {
        Self { everything: true, ..Self::default() }
    }

    fn condition(&self) -> Condition {
        if self.everything {
            return Box::new(events::id.is_not_null());
        }
        let said = events::status.ne(EventStatus::Draft);
        let convened = functions::convenes(events::network_id, self.person);
        match (self.person, self.organisations.is_empty()) {
            (None, true) => Box::new(said),
            (None, false) => Box::new(said.or(invites(&self.organisations))),
            (Some(_), true) => Box::new(said.or(convened)),
            (Some(_), false) => Box::new(said.or(convened).or(invites(&self.organisations))),
        }
    }
}

pub(crate) type Condition = Box<dyn BoxableExpression<events::table, Pg, SqlType = Bool>>;

fn invites(organisations: &[Uuid]) -> Condition {
    Box::new(exists(
        event_organisers::table
            .filter(event_organisers::event_id.eq(events::id))
            .filter(event_organisers::organisation_id.eq_any(organisations.to_vec())),
    ))
}

/// One event, if it is seen, by id or by any slug it ever had.
pub fn find(conn: &mut Conn<'_>, sight: &Sight, key: &Key) -> Result<Event> {
    let id = id_of(conn, key)?;
    let query = events::table.filter(events::id.eq(id)).filter(sight.condition());
    Ok(query.select(columns(sight.person)).first(conn.pg)?)
}

/// The id of what a key names; a slug may be an earlier one.
pub fn id_of(conn: &mut Conn<'_>, key: &Key) -> Result<Uuid> {
    match key {
        Key::Id(id) => Ok(*id),
        Key::Slug(slug) => slug_holder(conn, "events", slug),
    }
}

/// One event that the writer sees, locked for the rest of the transaction: places in it are given one after the other.
pub fn lock(tx: &mut Tx<'_>, key: &Key) -> Result<Event> {
    let sight = Sight::new(tx.roles(), tx.actor().principal.user_id());
    let id = id_of(&mut tx.conn(), key)?;
    events::table.find(id).select(events::id).for_update().first::<Uuid>(tx.pg)?;
    find(&mut tx.conn(), &sight, &Key::Id(id))
}

/// As its writer sees it.
pub(crate) fn own(tx: &mut Tx<'_>, id: Uuid) -> Result<Event> {
    let sight = Sight { person: tx.actor().principal.user_id(), ..Sight::all() };
    find(&mut tx.conn(), &sight, &Key::Id(id))
}

/// A slug for a title, free now and, within this transaction, later.
pub fn free_slug(tx: &mut Tx<'_>, title: &str) -> Result<String> {
    Ok(diesel::select(functions::free_slug("events", title)).get_result(tx.pg)?)
}

/// What is told of an event in the trail.
#[derive(Serialize)]
struct EventAudit {
    status: EventStatus,
    status_reason: Option<String>,
    #[serde(flatten)]
    state: EventState,
}

impl From<&Event> for EventAudit {
    fn from(event: &Event) -> Self {
        Self { status: event.row.status, status_reason: event.row.status_reason.clone(), state: event.state() }
    }
}

/// Makes a draft.
pub fn create(tx: &mut Tx<'_>, id: Uuid, state: &EventState) -> Result<Event> {
    diesel::insert_into(events::table).values((events::id.eq(id), &state.facts)).execute(tx.pg)?;
    put_organisers(tx, id, &state.organisers)?;
    let created = own(tx, id)?;
    audit(tx, None, Some(&created))?;
    Ok(created)
}

/// Brings a locked event into another state, by itself where it is one of a series.
pub fn update(tx: &mut Tx<'_>, current: &Event, state: &EventState) -> Result<Event> {
    let changed = change(tx, current, state)?;
    if current.row.series_id.is_some() && changed.row.version != current.row.version {
        diesel::update(events::table.find(current.row.id)).set(events::changed_apart.eq(true)).execute(tx.pg)?;
        return own(tx, current.row.id);
    }
    Ok(changed)
}

/// Brings a locked event into another state. When it is in that state already nothing is written. Who waits comes in as
/// far as there are more places now.
pub(crate) fn change(tx: &mut Tx<'_>, current: &Event, state: &EventState) -> Result<Event> {
    let before = current.state();
    if before == *state {
        return Ok(current.clone());
    }
    if matches!(current.row.status, EventStatus::Cancelled | EventStatus::Completed) {
        return Err(out_of_turn(current, "An event that is over or cancelled does not change any more."));
    }
    if current.row.series_id.is_some() && before.facts.network_id != state.facts.network_id {
        let detail = "It is one of a series, which is of its network; it stays with that.";
        return Err(Error::Conflict(vec![Fault::new("/network", "of_series", detail)]));
    }
    let id = current.row.id;
    if before.facts != state.facts {
        diesel::update(events::table.find(id)).set(&state.facts).execute(tx.pg)?;
    }
    if before.organisers != state.organisers {
        put_organisers(tx, id, &state.organisers)?;
        // What invites is part of the event, though no column of its own.
        diesel::update(events::table.find(id)).set(events::title.eq(&state.facts.title)).execute(tx.pg)?;
    }
    let changed = own(tx, id)?;
    audit(tx, Some(current), Some(&changed))?;
    rsvps::promote(tx, &changed)?;
    own(tx, id)
}

/// Brings a locked event further: a draft is published; what is published is cancelled, for a reason, or completed.
pub fn advance(tx: &mut Tx<'_>, current: &Event, status: EventStatus, reason: Option<&str>) -> Result<Event> {
    let follows = match status {
        EventStatus::Draft => false,
        EventStatus::Published => current.row.status == EventStatus::Draft,
        EventStatus::Cancelled | EventStatus::Completed => current.row.status == EventStatus::Published,
    };
    if !follows {
        return Err(out_of_turn(current, &format!("It does not become {status}.")));
    }
    diesel::update(events::table.find(current.row.id))
        .set((events::status.eq(status), events::status_reason.eq(reason)))
        .execute(tx.pg)?;
    if status != EventStatus::Published {
        rsvps::forget_needs(tx, current.row.id)?;
    }
    let changed = own(tx, current.row.id)?;
    audit(tx, Some(current), Some(&changed))?;
    Ok(changed)
}

/// Removes a locked draft.
pub fn delete(tx: &mut Tx<'_>, current: &Event) -> Result<()> {
    if current.row.status != EventStatus::Draft {
        return Err(out_of_turn(current, "Only a draft is removed; cancel what was published."));
    }
    remove(tx, current)
}

/// Removes a locked event that nobody answered, whatever its state.
pub(crate) fn remove(tx: &mut Tx<'_>, current: &Event) -> Result<()> {
    diesel::delete(events::table.find(current.row.id)).execute(tx.pg)?;
    audit(tx, Some(current), None)
}

fn put_organisers(tx: &mut Tx<'_>, id: Uuid, organisers: &[Uuid]) -> Result<()> {
    diesel::delete(event_organisers::table.filter(event_organisers::event_id.eq(id))).execute(tx.pg)?;
    let row =
        |organisation: &Uuid| (event_organisers::event_id.eq(id), event_organisers::organisation_id.eq(*organisation));
    let rows: Vec<_> = organisers.iter().map(row).collect();
    diesel::insert_into(event_organisers::table).values(rows).execute(tx.pg)?;
    Ok(())
}

/// Of the first who invites: their administrators see it in the trail.
fn audit(tx: &mut Tx<'_>, before: Option<&Event>, after: Option<&Event>) -> Result<()> {
    let Some(event) = after.or(before) else { return Ok(()) };
    let (id, organiser) = (event.row.id, event.organiser_ids().next());
    let (before, after) = (before.map(EventAudit::from), after.map(EventAudit::from));
    tx.audit_for(organiser, "events", id, before.as_ref(), after.as_ref())
}

pub(crate) fn out_of_turn(current: &Event, detail: &str) -> Error {
    let detail = format!("{detail} This one is {}.", current.row.status);
    Error::Conflict(vec![Fault::new("/status", "out_of_turn", detail)])
}

type Columns = (
    diesel::dsl::AsSelect<EventRow, Pg>,
    event_organiser_list<events::id>,
    network_ref<events::network_id>,
    functions::is_accepted<events::id, Option<Uuid>>,
    functions::convenes<events::network_id, Option<Uuid>>,
);

fn columns(person: Option<Uuid>) -> Columns {
    (
        EventRow::as_select(),
        event_organiser_list(events::id),
        network_ref(events::network_id),
        functions::is_accepted(events::id, person),
        functions::convenes(events::network_id, person),
    )
}
