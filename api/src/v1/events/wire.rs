//! Events as they go over the wire.

use chrono::{DateTime, NaiveDate, Utc};
use db::Tx;
use db::events::{self, EventFacts as Columns, EventKind, EventRow, EventState, EventStatus};
use db::organisations::{self, Key};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use validator::{Validate, ValidationError};

use crate::calendar::zones;
use crate::http::text::OrganisationKey;
use crate::merge_patch;
use crate::problem::Problem;
use crate::v1::networks::wire::NetworkReference;
use crate::v1::organisations::wire::{OrganisationReference, fault};

/// When people meet: a teacamp, an unconference, a webinar or any other meeting.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Identifier, UUIDv7.
    #[schema(read_only, example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    pub id: Uuid,
    /// Rises by one with each change, but not with who comes; the entity tag begins with it.
    #[schema(read_only, minimum = 1, maximum = 2_147_483_647, example = 2)]
    pub version: i32,
    /// When it was made (UTC).
    #[schema(read_only, example = "2026-11-23T09:30:00Z")]
    pub created_at: DateTime<Utc>,
    /// When it last changed (UTC).
    #[schema(read_only, example = "2026-11-23T09:30:00Z")]
    pub updated_at: DateTime<Utc>,
    /// Readable identifier, which works in place of `id`. An earlier one redirects here for good.
    #[schema(
        min_length = 1,
        max_length = 80,
        pattern = "^[a-z0-9]+(-[a-z0-9]+)*$",
        example = "london-teacamp-january"
    )]
    pub slug: String,
    /// Where it stands.
    pub status: EventStatus,
    /// Why it was cancelled, when somebody said; else null.
    #[schema(
        min_length = 1,
        max_length = 1000,
        pattern = r"^[^\u0000]+$",
        example = "The building is closed that day."
    )]
    pub status_reason: Option<String>,
    #[serde(flatten)]
    pub(crate) facts: EventFacts,
    /// Who invites.
    #[schema(min_items = 1, max_items = 10)]
    pub organisers: Vec<OrganisationReference>,
    /// Whose event it is; null when of no network.
    pub network: Option<NetworkReference>,
    /// Id of the series of that network of which it is one; null when of none.
    #[schema(read_only, example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    pub series_id: Option<Uuid>,
    /// The day on which the rule of the series has it, wherever it was moved: `RECURRENCE-ID` of iCalendar (RFC 5545).
    #[schema(read_only, example = "2027-01-21")]
    pub recurrence_on: Option<NaiveDate>,
    /// Whether somebody changed it by itself, so that changes of the series leave it alone.
    #[schema(read_only, example = false)]
    pub changed_apart: bool,
    /// How many people have a place.
    #[schema(read_only, minimum = 0, maximum = 2_147_483_647, example = 112)]
    pub accepted_count: i32,
    /// Rises when what calendars show changes: `SEQUENCE` of iCalendar (RFC 5545).
    #[schema(read_only, minimum = 0, maximum = 2_147_483_647, example = 0)]
    pub sequence: i32,
}

/// What a writer says of an event, the same to make and to change it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
#[validate(schema(function = "ends_after_start"))]
pub(crate) struct EventFacts {
    /// What it is called.
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\u0000-\u001f\u007f]*[^\s\u0000-\u001f\u007f][^\u0000-\u001f\u007f]*$",
        example = "London teacamp: digital marketplace"
    )]
    pub title: String,
    /// What it is about, in Markdown.
    #[schema(
        min_length = 1,
        max_length = 20_000,
        pattern = r"^[^\u0000]*[^\s\u0000][^\u0000]*$",
        example = "How boroughs buy on the **Digital Marketplace**."
    )]
    pub description: Option<String>,
    /// What sort of event it is.
    pub kind: EventKind,
    /// When it begins (RFC 3339; answered in UTC).
    #[schema(example = "2027-01-21T18:00:00Z")]
    pub starts_at: DateTime<Utc>,
    /// When it ends: later than it begins, and at most 31 days.
    #[schema(example = "2027-01-21T20:00:00Z")]
    pub ends_at: DateTime<Utc>,
    /// Time zone in which it takes place, by its IANA name.
    #[serde(default = "london")]
    #[schema(
        min_length = 1,
        max_length = 60,
        pattern = "^[A-Z][A-Za-z_]*(/[A-Z][A-Za-z_-]*){0,2}$",
        example = "Europe/London"
    )]
    pub time_zone: String,
    /// Where it takes place; null when only online.
    pub venue: Option<Venue>,
    /// Where it takes place online. Only those who were accepted and organisers see it; null for everybody else.
    #[schema(
        format = "uri",
        max_length = 2000,
        pattern = r"^https?://[^\s\u0000-\u001f\u007f]+$",
        example = "https://meet.example.org/teacamp"
    )]
    pub online_url: Option<String>,
    /// How many people can come; null without a limit.
    #[schema(minimum = 1, maximum = 100_000, example = 140)]
    pub capacity: Option<i32>,
}

pub(crate) fn london() -> String {
    "Europe/London".to_owned()
}

/// Where an event takes place, and what those who come need to know of it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Venue {
    /// Its name.
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\u0000-\u001f\u007f]*[^\s\u0000-\u001f\u007f][^\u0000-\u001f\u007f]*$",
        example = "City Hall"
    )]
    pub name: String,
    /// Its address.
    #[schema(
        min_length = 1,
        max_length = 500,
        pattern = r"^[^\u0000]*[^\s\u0000][^\u0000]*$",
        example = "Kamal Chunchie Way, London E16 1ZE"
    )]
    pub address: Option<String>,
    /// Whether one gets there without steps; null when nobody said.
    #[schema(example = true)]
    pub step_free: Option<bool>,
    /// Whether there is a hearing loop; null when nobody said.
    #[schema(example = true)]
    pub hearing_loop: Option<bool>,
    /// Whether there is a quiet room; null when nobody said.
    #[schema(example = false)]
    pub quiet_room: Option<bool>,
    /// What else people need to know to get there and take part.
    #[schema(
        min_length = 1,
        max_length = 2000,
        pattern = r"^[^\u0000]*[^\s\u0000][^\u0000]*$",
        example = "Lifts are behind the reception."
    )]
    pub access_information: Option<String>,
}

/// A venue as columns: all of them empty where there is none.
#[derive(Default)]
pub(crate) struct VenueColumns {
    pub(crate) name: Option<String>,
    pub(crate) address: Option<String>,
    pub(crate) step_free: Option<bool>,
    pub(crate) hearing_loop: Option<bool>,
    pub(crate) quiet_room: Option<bool>,
    pub(crate) access_information: Option<String>,
}

impl Venue {
    pub(crate) fn columns(venue: Option<Self>) -> VenueColumns {
        let Some(Self { name, address, step_free, hearing_loop, quiet_room, access_information }) = venue else {
            return VenueColumns::default();
        };
        VenueColumns { name: Some(name), address, step_free, hearing_loop, quiet_room, access_information }
    }
}

/// Event to make. It is a draft until it is published.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct CreateEvent {
    /// Readable identifier; made from the title when absent.
    #[serde(default)]
    #[schema(
        min_length = 1,
        max_length = 80,
        pattern = "^[a-z0-9]+(-[a-z0-9]+)*$",
        example = "london-teacamp-january"
    )]
    pub slug: Option<String>,
    #[serde(flatten)]
    #[validate(nested)]
    pub(crate) facts: EventFacts,
    /// Ids or slugs of those who invite.
    #[schema(min_items = 1, max_items = 10, value_type = Vec<OrganisationKey>)]
    pub organisers: Vec<String>,
    /// Id or slug of the network whose event it is; null when of none.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 80, pattern = "^[a-z0-9]+(-[a-z0-9]+)*$", example = "london-peer-group")]
    pub network: Option<String>,
}

merge_patch! {
    /// Change to an event, as a JSON merge patch (RFC 7396): only what is to change; null clears.
    UpdateEvent of CreateEvent
}

/// Cancellation of an event.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct CancelEvent {
    /// Why, for those who wanted to come.
    #[schema(
        min_length = 1,
        max_length = 1000,
        pattern = r"^[^\u0000]*[^\s\u0000][^\u0000]*$",
        example = "The building is closed that day."
    )]
    pub reason: Option<String>,
}

/// One page of events.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventPage {
    /// The events on this page.
    #[schema(max_items = 100)]
    pub items: Vec<Event>,
    /// Cursor of the next page; null on the last.
    #[schema(max_length = 2048, pattern = "^[A-Za-z0-9_-]+$", example = "WyJhIl0")]
    pub next_cursor: Option<String>,
    /// How many there are on all pages; null unless asked for by `count`.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64, example = 33)]
    pub total: Option<i64>,
    /// Counts by value of the facets asked for, over all pages.
    #[schema(max_items = 7)]
    pub facets: Vec<EventFacet>,
}

/// Counts by value of one field.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventFacet {
    /// The field.
    pub field: EventFacetField,
    /// Its values, the commonest first, at most 50.
    #[schema(max_items = 50)]
    pub values: Vec<EventFacetValue>,
}

/// How many events have a value.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventFacetValue {
    /// The value; networks and organisations by slug, months as `YYYY-MM` by the clocks of London.
    #[schema(max_length = 200, pattern = r"^[^\u0000-\u001f\u007f]*$", example = "teacamp")]
    pub value: String,
    /// How many events have it.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64, example = 6)]
    pub count: i64,
}

/// Field that can be counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = "kind")]
#[expect(missing_docs, reason = "named after the filters")]
pub enum EventFacetField {
    Kind,
    Status,
    Network,
    Organiser,
    Region,
    Month,
    HasPlaces,
}

fn ends_after_start(facts: &EventFacts) -> Result<(), ValidationError> {
    let length = facts.ends_at.signed_duration_since(facts.starts_at);
    if length <= chrono::TimeDelta::zero() {
        return Err(fault("/endsAt", "before_start", "must be later than `startsAt`"));
    }
    if length > chrono::TimeDelta::days(31) {
        return Err(fault("/endsAt", "too_late", "must be at most 31 days after `startsAt`"));
    }
    if zones::named(&facts.time_zone).is_none() {
        return Err(fault("/timeZone", "unknown_time_zone", "names no time zone of the IANA database"));
    }
    Ok(())
}

impl CreateEvent {
    /// The state to store, of a network that was resolved; faults for organisers that are not in the catalogue.
    pub(crate) fn state(&self, tx: &mut Tx<'_>, slug: String, network_id: Option<Uuid>) -> Result<EventState, Problem> {
        let named = self.organisers.iter().enumerate();
        let named = named.map(|(index, key)| (format!("/organisers/{index}"), Key::from(key.as_str())));
        let mut organisers = organisations::resolve(tx, &named.collect::<Vec<_>>())?;
        organisers.sort_unstable();
        organisers.dedup();
        let EventFacts { title, description, kind, starts_at, ends_at, time_zone, venue, online_url, capacity } =
            self.facts.clone();
        let venue = Venue::columns(venue);
        let facts = Columns {
            slug,
            title,
            description,
            kind,
            starts_at,
            ends_at,
            time_zone,
            venue_name: venue.name,
            venue_address: venue.address,
            step_free: venue.step_free,
            hearing_loop: venue.hearing_loop,
            quiet_room: venue.quiet_room,
            access_information: venue.access_information,
            online_url,
            capacity,
            network_id,
        };
        Ok(EventState { facts, organisers })
    }
}

impl From<Columns> for EventFacts {
    fn from(columns: Columns) -> Self {
        let Columns {
            slug: _,
            title,
            description,
            kind,
            starts_at,
            ends_at,
            time_zone,
            venue_name,
            venue_address,
            step_free,
            hearing_loop,
            quiet_room,
            access_information,
            online_url,
            capacity,
            network_id: _,
        } = columns;
        let venue = venue_name.map(|name| Venue {
            name,
            address: venue_address,
            step_free,
            hearing_loop,
            quiet_room,
            access_information,
        });
        Self { title, description, kind, starts_at, ends_at, time_zone, venue, online_url, capacity }
    }
}

impl From<EventState> for CreateEvent {
    fn from(EventState { facts, organisers }: EventState) -> Self {
        Self {
            slug: Some(facts.slug.clone()),
            network: facts.network_id.map(|id| id.to_string()),
            facts: facts.into(),
            organisers: organisers.iter().map(ToString::to_string).collect(),
        }
    }
}

impl Event {
    /// As somebody sees it: where it is online is for those who come, and for organisers.
    pub(crate) fn seen_by(organises: bool, event: events::Event) -> Self {
        let events::Event { row, organisers, network, attended, convened: _ } = event;
        let EventRow {
            id,
            version,
            created_at,
            updated_at,
            status,
            status_reason,
            accepted_count,
            sequence,
            series_id,
            recurrence_on,
            changed_apart,
            facts,
        } = row;
        let slug = facts.slug.clone();
        let mut facts = EventFacts::from(facts);
        facts.online_url = facts.online_url.filter(|_| organises || attended);
        Self {
            id,
            version,
            created_at,
            updated_at,
            slug,
            status,
            status_reason,
            facts,
            organisers: organisers.0.into_iter().map(Into::into).collect(),
            network: network.map(|network| network.0.into()),
            series_id,
            recurrence_on,
            changed_apart,
            accepted_count,
            sequence,
        }
    }
}
