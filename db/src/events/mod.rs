//! Events: their state machine, who sees them, lists. Who comes is in [`rsvps`].

pub mod rsvps;

use chrono::{DateTime, Utc};
use diesel::dsl::{exists, not};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::Bool;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::functions::{self, event_organiser_list};
use crate::organisations::{Key, OrganisationKind, Reference, known, slug_holder, to_limit};
use crate::people::{Role, Roles};
use crate::schema::{event_organisers, events, organisations as bodies};
use crate::tx::{Conn, Tx};
use crate::types::Json;
use crate::vocabulary::vocabulary;
use crate::{Error, Fault, Page, Result};

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
    /// Whether who looks was accepted.
    pub attended: bool,
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

/// Whose events somebody sees: those that were published, and drafts of their own organisations.
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
        if self.organisations.is_empty() { Box::new(said) } else { Box::new(said.or(invites(&self.organisations))) }
    }
}

type Condition = Box<dyn BoxableExpression<events::table, Pg, SqlType = Bool>>;

fn invites(organisations: &[Uuid]) -> Condition {
    Box::new(exists(
        event_organisers::table
            .filter(event_organisers::event_id.eq(events::id))
            .filter(event_organisers::organisation_id.eq_any(organisations.to_vec())),
    ))
}

/// Which events; several values of one field mean any of them, different fields all of them.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Those that end at or after this.
    pub after: Option<DateTime<Utc>>,
    /// Those that begin before this.
    pub before: Option<DateTime<Utc>>,
    /// What sort.
    pub kinds: Vec<EventKind>,
    /// Where they stand.
    pub statuses: Vec<EventStatus>,
    /// Who invites.
    pub organisers: Vec<Key>,
    /// Sorts of organisation that invite.
    pub organiser_kinds: Vec<OrganisationKind>,
    /// Whether there is a place left.
    pub has_places: Option<bool>,
    /// Whether one can take part online.
    pub online: Option<bool>,
}

/// Where a page ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// When the last one begins.
    pub starts_at: DateTime<Utc>,
    /// Its id.
    pub id: Uuid,
}

/// One page of those that are seen and match: those that begin first before the others, or where `latest_first` behind.
pub fn list(
    conn: &mut Conn<'_>,
    sight: &Sight,
    filter: &Filter,
    latest_first: bool,
    after: Option<Position>,
    limit: usize,
) -> Result<Page<Event, Position>> {
    let mut query = matching(conn, sight, filter)?;
    query = match (latest_first, after) {
        (_, None) => query,
        (false, Some(Position { starts_at, id })) => {
            query.filter(events::starts_at.ge(starts_at)).filter(events::starts_at.gt(starts_at).or(events::id.gt(id)))
        }
        (true, Some(Position { starts_at, id })) => {
            query.filter(events::starts_at.le(starts_at)).filter(events::starts_at.lt(starts_at).or(events::id.lt(id)))
        }
    };
    query = if latest_first {
        query.order((events::starts_at.desc(), events::id.desc()))
    } else {
        query.order((events::starts_at, events::id))
    };
    let found: Vec<Event> = query.limit(to_limit(limit)).select(columns(sight.person)).load(conn.pg)?;
    Ok(Page::cut(found, limit, |last| Position { starts_at: last.row.facts.starts_at, id: last.row.id }))
}

/// How many are seen and match.
pub fn count(conn: &mut Conn<'_>, sight: &Sight, filter: &Filter) -> Result<i64> {
    Ok(matching(conn, sight, filter)?.count().get_result(conn.pg)?)
}

fn matching<'a>(
    conn: &mut Conn<'_>,
    sight: &Sight,
    filter: &Filter,
) -> Result<events::BoxedQuery<'a, Pg, events::SqlType>> {
    let mut query = events::table.filter(sight.condition()).into_boxed();
    if let Some(after) = filter.after {
        query = query.filter(events::ends_at.ge(after));
    }
    if let Some(before) = filter.before {
        query = query.filter(events::starts_at.lt(before));
    }
    if !filter.kinds.is_empty() {
        query = query.filter(events::kind.eq_any(filter.kinds.clone()));
    }
    if !filter.statuses.is_empty() {
        query = query.filter(events::status.eq_any(filter.statuses.clone()));
    }
    if !filter.organisers.is_empty() {
        query = query.filter(invites(&known(conn, &filter.organisers)?));
    }
    if !filter.organiser_kinds.is_empty() {
        let of_kinds = event_organisers::table
            .inner_join(bodies::table)
            .filter(bodies::kind.eq_any(filter.organiser_kinds.clone()))
            .select(event_organisers::event_id);
        query = query.filter(events::id.eq_any(of_kinds));
    }
    if let Some(has_places) = filter.has_places {
        let free = events::capacity.is_null().or(events::capacity.assume_not_null().gt(events::accepted_count));
        query = if has_places { query.filter(free) } else { query.filter(not(free)) };
    }
    if let Some(online) = filter.online {
        query = if online {
            query.filter(events::online_url.is_not_null())
        } else {
            query.filter(events::online_url.is_null())
        };
    }
    Ok(query)
}

/// One event, if it is seen, by id or by any slug it ever had.
pub fn find(conn: &mut Conn<'_>, sight: &Sight, key: &Key) -> Result<Event> {
    let id = id_of(conn, key)?;
    let query = events::table.filter(events::id.eq(id)).filter(sight.condition());
    Ok(query.select(columns(sight.person)).first(conn.pg)?)
}

fn id_of(conn: &mut Conn<'_>, key: &Key) -> Result<Uuid> {
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
fn own(tx: &mut Tx<'_>, id: Uuid) -> Result<Event> {
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

/// Brings a locked event into another state. When it is in that state already nothing is written. Who waits comes in as
/// far as there are more places now.
pub fn update(tx: &mut Tx<'_>, current: &Event, state: &EventState) -> Result<Event> {
    let before = current.state();
    if before == *state {
        return Ok(current.clone());
    }
    if matches!(current.row.status, EventStatus::Cancelled | EventStatus::Completed) {
        return Err(out_of_turn(current, "An event that is over or cancelled does not change any more."));
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

fn out_of_turn(current: &Event, detail: &str) -> Error {
    let detail = format!("{detail} This one is {}.", current.row.status);
    Error::Conflict(vec![Fault::new("/status", "out_of_turn", detail)])
}

type Columns = (
    diesel::dsl::AsSelect<EventRow, Pg>,
    event_organiser_list<events::id>,
    functions::is_accepted<events::id, Option<Uuid>>,
);

fn columns(person: Option<Uuid>) -> Columns {
    (EventRow::as_select(), event_organiser_list(events::id), functions::is_accepted(events::id, person))
}
