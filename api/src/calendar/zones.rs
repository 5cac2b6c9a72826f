//! Time zones of the IANA database, and the moments that clocks there show.

use chrono::{DateTime, MappedLocalTime, NaiveDateTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

/// The time zone of a name; none when the database has no such name.
#[must_use]
pub fn named(name: &str) -> Option<Tz> {
    name.parse().ok()
}

/// The moment at which clocks show a time. Where they show it twice, the first; where they never do, because they are
/// put forward over it, as if they had not been (RFC 5545, 3.3.5).
#[must_use]
pub fn moment(zone: Tz, shown: NaiveDateTime) -> Option<DateTime<Utc>> {
    match zone.from_local_datetime(&shown) {
        MappedLocalTime::Single(at) | MappedLocalTime::Ambiguous(at, _) => Some(at.to_utc()),
        MappedLocalTime::None => {
            let before = zone.from_local_datetime(&shown.checked_sub_signed(TimeDelta::days(1))?).earliest()?;
            Some(before.to_utc() + TimeDelta::days(1))
        }
    }
}
