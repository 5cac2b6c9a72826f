//! What is to come, as feeds: JSON Feed 1.1 and Atom (RFC 4287).

use atom_syndication::{Entry, Feed, FixedDateTime, Link, Person, Text};
use chrono::{DateTime, Utc};
use db::events::Event;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::http::text::text;
use crate::markdown;

/// Title of the feeds.
const TITLE: &str = "Events of London's public services";

/// Events to come, as JSON Feed 1.1 (jsonfeed.org).
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct EventFeed {
    /// Version of JSON Feed.
    #[schema(
        max_length = 60,
        pattern = r"^https://jsonfeed\.org/version/1\.1$",
        example = "https://jsonfeed.org/version/1.1"
    )]
    pub version: String,
    /// What it is.
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\u0000-\u001f\u007f]+$",
        example = "Events of London's public services"
    )]
    pub title: String,
    /// Address of the events as the API has them.
    #[schema(
        format = "uri",
        max_length = 2000,
        pattern = "^https?://",
        example = "https://api.loti.example/v1/events"
    )]
    pub home_page_url: String,
    /// Address of this feed.
    #[schema(
        format = "uri",
        max_length = 2000,
        pattern = "^https?://",
        example = "https://api.loti.example/v1/feeds/events.json"
    )]
    pub feed_url: String,
    /// What is to come, what begins first before the others.
    #[schema(max_items = 100)]
    pub items: Vec<EventFeedItem>,
}

/// Event, as an item of JSON Feed.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct EventFeedItem {
    /// Id of the event, as a URN.
    #[schema(
        max_length = 60,
        pattern = "^urn:uuid:[0-9a-f-]{36}$",
        example = "urn:uuid:0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11"
    )]
    pub id: String,
    /// Address of the event.
    #[schema(
        format = "uri",
        max_length = 2000,
        pattern = "^https?://",
        example = "https://api.loti.example/v1/events/0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11"
    )]
    pub url: String,
    /// What it is called.
    #[schema(min_length = 1, max_length = 200, pattern = r"^[^\u0000-\u001f\u007f]+$", example = "London teacamp")]
    pub title: String,
    /// When and where, in a line.
    #[schema(
        min_length = 1,
        max_length = 500,
        pattern = r"^[^\u0000-\u001f\u007f]+$",
        example = "2027-01-21T18:00:00+00:00, City Hall"
    )]
    pub summary: String,
    /// What it is about, as HTML that is safe to show.
    #[schema(max_length = 200_000, pattern = r"^[^\u0000]*$", example = "<p>How boroughs buy.</p>")]
    pub content_html: String,
    /// When it was made (UTC).
    #[schema(example = "2026-11-23T09:30:00Z")]
    pub date_published: DateTime<Utc>,
    /// When it last changed (UTC).
    #[schema(example = "2026-11-23T09:30:00Z")]
    pub date_modified: DateTime<Utc>,
    /// What sort of event it is, and of which network.
    #[schema(max_items = 2, value_type = Vec<EventFeedTag>)]
    pub tags: Vec<String>,
}

text! {
    /// Word for what an event is: its kind, or the slug of its network.
    EventFeedTag, 1 to 80, "^[a-z0-9_-]+$", "teacamp"
}

/// As JSON Feed; `address` is where the service is, `path` where the feed is there.
#[must_use]
pub fn json(address: &str, path: &str, events: &[Event]) -> EventFeed {
    EventFeed {
        version: "https://jsonfeed.org/version/1.1".to_owned(),
        title: TITLE.to_owned(),
        home_page_url: format!("{address}/v1/events"),
        feed_url: format!("{address}{path}"),
        items: events.iter().map(|event| item(address, event)).collect(),
    }
}

fn item(address: &str, event: &Event) -> EventFeedItem {
    let (row, facts) = (&event.row, &event.row.facts);
    let network = event.network.as_ref().map(|network| network.0.slug.clone());
    EventFeedItem {
        id: urn(event),
        url: format!("{address}/v1/events/{}", row.id),
        title: facts.title.clone(),
        summary: summary(event),
        content_html: content(event),
        date_published: row.created_at,
        date_modified: row.updated_at,
        tags: [Some(facts.kind.to_string()), network].into_iter().flatten().collect(),
    }
}

/// As Atom.
#[must_use]
pub fn atom(address: &str, path: &str, events: &[Event]) -> String {
    let updated = events.iter().map(|event| event.row.updated_at).max().unwrap_or(DateTime::UNIX_EPOCH);
    let link = |href: String, rel: &str, mime_type: &str| Link {
        href,
        rel: rel.to_owned(),
        mime_type: Some(mime_type.to_owned()),
        ..Link::default()
    };
    let entry = |event: &Event| {
        let (row, facts) = (&event.row, &event.row.facts);
        let organisers = event.organisers.0.iter();
        Entry {
            title: Text::plain(for_xml(&facts.title)),
            id: urn(event),
            updated: row.updated_at.fixed_offset(),
            published: Some(row.created_at.fixed_offset()),
            authors: organisers.map(|o| Person { name: for_xml(&o.name), ..Person::default() }).collect(),
            links: vec![link(format!("{address}/v1/events/{}", row.id), "alternate", "application/json")],
            summary: Some(Text::plain(for_xml(&summary(event)))),
            content: Some(atom_syndication::Content {
                value: Some(for_xml(&content(event))),
                content_type: Some("html".to_owned()),
                ..atom_syndication::Content::default()
            }),
            ..Entry::default()
        }
    };
    let updated: FixedDateTime = updated.fixed_offset();
    let feed = Feed {
        title: Text::plain(TITLE),
        id: format!("{address}{path}"),
        updated,
        links: vec![
            link(format!("{address}{path}"), "self", "application/atom+xml"),
            link(format!("{address}/v1/events"), "alternate", "application/json"),
        ],
        entries: events.iter().map(entry).collect(),
        ..Feed::default()
    };
    feed.to_string()
}

/// Without the characters that XML cannot hold (XML 1.0, 2.2).
fn for_xml(text: &str) -> String {
    text.replace(|c: char| (c < ' ' && !matches!(c, '\t' | '\n' | '\r')) || matches!(c, '\u{fffe}' | '\u{ffff}'), "")
}

fn urn(event: &Event) -> String {
    format!("urn:uuid:{}", event.row.id)
}

/// When, by the clocks there, and where.
fn summary(event: &Event) -> String {
    let facts = &event.row.facts;
    let when = match super::zones::named(&facts.time_zone) {
        Some(zone) => facts.starts_at.with_timezone(&zone).to_rfc3339(),
        None => facts.starts_at.to_rfc3339(),
    };
    match &facts.venue_name {
        Some(venue) => format!("{when}, {venue}"),
        None => format!("{when}, online"),
    }
}

fn content(event: &Event) -> String {
    event.row.facts.description.as_deref().map(markdown::render).unwrap_or_default()
}
