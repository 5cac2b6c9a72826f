//! Events as iCalendar (RFC 5545, with names and conferences of RFC 7986). Each event is one `VEVENT` whose `UID` is its
//! id; `DTSTAMP` is its last change, so that what did not change is the same file.

use std::collections::BTreeMap;

use calcard::common::PartialDateTime;
use calcard::icalendar::{
    ICalendar, ICalendarComponent, ICalendarComponentType as Kind, ICalendarEntry, ICalendarParameter,
    ICalendarProperty as Name, ICalendarValue as Value, Uri,
};
use chrono::{DateTime, Datelike, NaiveDateTime, Offset, TimeDelta, Timelike, Utc};
use chrono_tz::{OffsetComponents, OffsetName, Tz};
use db::events::rsvps::RsvpStatus;
use db::events::{Event, EventStatus};

use super::zones;

/// The media type.
pub const MEDIA_TYPE: &str = "text/calendar";

/// An event, and how somebody stands to it.
pub struct Entry {
    /// The event.
    pub event: Event,
    /// Whether where it is online is shown.
    pub with_link: bool,
    /// The answer of whose calendar it is; none in a calendar of everybody's.
    pub answer: Option<RsvpStatus>,
}

impl Entry {
    /// As everybody sees it.
    #[must_use]
    pub fn public(event: Event) -> Self {
        Self { event, with_link: false, answer: None }
    }
}

/// A calendar of a name. `address` is where the service is, without a slash behind.
pub fn write(name: &str, address: &str, entries: &[Entry]) -> Result<Vec<u8>, std::fmt::Error> {
    let mut calendar = Calendar::default();
    let top = calendar.begin(Kind::VCalendar, None);
    calendar.text(top, Name::Version, "2.0");
    calendar.text(top, Name::Prodid, "-//London Office of Technology and Innovation//LOTI API//EN");
    calendar.text(top, Name::Calscale, "GREGORIAN");
    calendar.text(top, Name::Method, "PUBLISH");
    calendar.text(top, Name::Name, name);
    calendar.text(top, Name::Other("X-WR-CALNAME".to_owned()), name);
    for (zone, (first, last)) in spans(entries) {
        calendar.zone(top, zone, first, last);
    }
    for entry in entries {
        calendar.event(top, address, entry);
    }
    let mut text = String::new();
    calendar.0.write_to(&mut text)?;
    Ok(text.into_bytes())
}

/// The time zones of some events, and the first and last moment in each.
fn spans(entries: &[Entry]) -> BTreeMap<&'static str, (DateTime<Utc>, DateTime<Utc>)> {
    let mut spans: BTreeMap<&'static str, (DateTime<Utc>, DateTime<Utc>)> = BTreeMap::new();
    for entry in entries {
        let facts = &entry.event.row.facts;
        let Some(zone) = zones::named(&facts.time_zone).filter(|zone| *zone != Tz::UTC) else { continue };
        let span = spans.entry(zone.name()).or_insert((facts.starts_at, facts.ends_at));
        *span = (span.0.min(facts.starts_at), span.1.max(facts.ends_at));
    }
    spans
}

/// What is written, as the flat list that the writer wants: each part has the places of those within it.
struct Calendar(ICalendar);

impl Default for Calendar {
    fn default() -> Self {
        Self(ICalendar { components: Vec::new() })
    }
}

impl Calendar {
    fn begin(&mut self, kind: Kind, within: Option<usize>) -> usize {
        let place = self.0.components.len();
        self.0.components.push(ICalendarComponent::new(kind));
        if let Some(outer) = within.and_then(|outer| self.0.components.get_mut(outer)) {
            outer.component_ids.extend(u32::try_from(place));
        }
        place
    }

    fn add(&mut self, part: usize, entry: ICalendarEntry) {
        if let Some(part) = self.0.components.get_mut(part) {
            part.entries.push(entry);
        }
    }

    fn value(&mut self, part: usize, name: Name, value: Value) {
        self.add(part, ICalendarEntry::new(name).with_value(value));
    }

    /// A text. What ends a line becomes a line feed, the one that calendars know; other control characters go.
    fn text(&mut self, part: usize, name: Name, text: &str) {
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        self.value(part, name, Value::Text(text.replace(|c: char| c.is_control() && !matches!(c, '\n' | '\t'), "")));
    }

    fn utc(&mut self, part: usize, name: Name, at: DateTime<Utc>) {
        self.value(part, name, date_time(at.naive_utc(), true));
    }

    fn event(&mut self, top: usize, address: &str, Entry { event, with_link, answer }: &Entry) {
        let (row, facts) = (&event.row, &event.row.facts);
        let part = self.begin(Kind::VEvent, Some(top));
        self.text(part, Name::Uid, &row.id.to_string());
        self.utc(part, Name::Dtstamp, row.updated_at);
        self.utc(part, Name::Created, row.created_at);
        self.utc(part, Name::LastModified, row.updated_at);
        self.value(part, Name::Sequence, Value::Integer(row.sequence.into()));
        self.local(part, Name::Dtstart, facts.starts_at, &facts.time_zone);
        self.local(part, Name::Dtend, facts.ends_at, &facts.time_zone);
        self.text(part, Name::Summary, &facts.title);
        if let Some(description) = &facts.description {
            self.text(part, Name::Description, description);
        }
        let place = [&facts.venue_name, &facts.venue_address].into_iter().flatten().map(String::as_str);
        let place = place.collect::<Vec<_>>().join(", ");
        if !place.is_empty() {
            self.text(part, Name::Location, &place);
        }
        self.text(part, Name::Categories, &row.facts.kind.to_string());
        let status = match (row.status, answer) {
            (EventStatus::Cancelled, _) => "CANCELLED",
            (EventStatus::Draft, _) | (_, Some(RsvpStatus::Waitlisted)) => "TENTATIVE",
            (EventStatus::Published | EventStatus::Completed, _) => "CONFIRMED",
        };
        self.text(part, Name::Status, status);
        self.value(part, Name::Url, uri(&format!("{address}/v1/events/{}", row.id)));
        if let Some(link) = facts.online_url.as_ref().filter(|_| *with_link) {
            let entry = ICalendarEntry::new(Name::Conference)
                .with_param(ICalendarParameter::value("URI".to_owned()))
                .with_value(uri(link));
            self.add(part, entry);
        }
    }

    /// A moment as clocks there show it.
    fn local(&mut self, part: usize, name: Name, at: DateTime<Utc>, zone: &str) {
        match zones::named(zone).filter(|zone| *zone != Tz::UTC) {
            None => self.utc(part, name, at),
            Some(zone) => {
                let entry = ICalendarEntry::new(name)
                    .with_param(ICalendarParameter::tzid(zone.name().to_owned()))
                    .with_value(date_time(at.with_timezone(&zone).naive_local(), false));
                self.add(part, entry);
            }
        }
    }

    /// A time zone between two moments: how clocks go at the first, and each change until the last.
    fn zone(&mut self, top: usize, name: &'static str, first: DateTime<Utc>, last: DateTime<Utc>) {
        let Some(zone) = zones::named(name) else { return };
        let part = self.begin(Kind::VTimezone, Some(top));
        self.text(part, Name::Tzid, name);
        let margin = TimeDelta::days(366);
        let mut at = first - margin;
        self.observance(part, zone, at, at);
        while at < last + margin {
            let next = at + TimeDelta::days(1);
            if offset(zone, at) != offset(zone, next) {
                self.observance(part, zone, at, change(zone, at, next));
            }
            at = next;
        }
    }

    /// How clocks go from a moment on; `before` is any moment at which they went as they did just before.
    fn observance(&mut self, zone_part: usize, zone: Tz, before: DateTime<Utc>, from: DateTime<Utc>) {
        let (old, new) = (offset(zone, before), offset(zone, from));
        let local = from.with_timezone(&zone);
        let summer = !local.offset().dst_offset().is_zero();
        let part = self.begin(if summer { Kind::Daylight } else { Kind::Standard }, Some(zone_part));
        // By the clocks before the change.
        self.value(part, Name::Dtstart, date_time(from.naive_utc() + TimeDelta::seconds(old.into()), false));
        self.text(part, Name::Tzoffsetfrom, &written(old));
        self.text(part, Name::Tzoffsetto, &written(new));
        if let Some(name) = local.offset().abbreviation() {
            self.text(part, Name::Tzname, name);
        }
    }
}

/// A URI. The writer escapes it as if it were a text, which it is not (RFC 5545, 3.3.13); so what it would escape is
/// percent-encoded.
fn uri(uri: &str) -> Value {
    Value::Uri(Uri::Location(uri.replace('\\', "%5C").replace(';', "%3B").replace(',', "%2C")))
}

fn offset(zone: Tz, at: DateTime<Utc>) -> i32 {
    at.with_timezone(&zone).offset().fix().local_minus_utc()
}

/// The moment of the change between two moments before and after it.
fn change(zone: Tz, mut before: DateTime<Utc>, mut after: DateTime<Utc>) -> DateTime<Utc> {
    let old = offset(zone, before);
    while after - before > TimeDelta::seconds(1) {
        let middle = before + (after - before) / 2;
        if offset(zone, middle) == old { before = middle } else { after = middle }
    }
    after.with_nanosecond(0).unwrap_or(after)
}

fn written(offset: i32) -> String {
    let sign = if offset < 0 { '-' } else { '+' };
    let (hours, minutes, seconds) = (offset.abs() / 3600, offset.abs() / 60 % 60, offset.abs() % 60);
    let seconds = if seconds == 0 { String::new() } else { format!("{seconds:02}") };
    format!("{sign}{hours:02}{minutes:02}{seconds}")
}

fn date_time(shown: NaiveDateTime, utc: bool) -> Value {
    let part = |value: u32| u8::try_from(value).ok();
    Value::PartialDateTime(Box::new(PartialDateTime {
        year: u16::try_from(shown.year()).ok(),
        month: part(shown.month()),
        day: part(shown.day()),
        hour: part(shown.hour()),
        minute: part(shown.minute()),
        second: part(shown.second()),
        tz_hour: utc.then_some(0),
        tz_minute: utc.then_some(0),
        tz_minus: false,
    }))
}
