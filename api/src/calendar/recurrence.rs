//! When a series takes place: its rule (RFC 5545, 3.3.10), unfolded by the clocks of its time zone, so that 18:00 stays
//! 18:00 when they change, and then held against bank holidays.

use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use db::networks::series::{BankHolidays, Occurrence, SeriesState};
use rrule::{RRule, RRuleSet, Unvalidated};

use super::{bank_holidays, zones};

/// How many times of a series are made events at once.
pub const MOST: usize = 60;
/// How many days ahead.
pub const DAYS_AHEAD: u64 = 400;
/// How many times before are passed over; a rule that needs more does not say what is to come.
const MOST_BEFORE: u16 = 10_000;

/// Why a rule says nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is no such time zone.
    #[error("names no time zone of the IANA database")]
    Zone,
    /// It is no rule.
    #[error("is not a recurrence rule as RFC 5545 has them: {0}")]
    Rule(String),
    /// It never comes.
    #[error("never comes")]
    Never,
}

/// When a series takes place from a moment on, as far ahead as events are made of it.
pub fn occurrences(series: &SeriesState, now: DateTime<Utc>) -> Result<Vec<Occurrence>, Refused> {
    let zone = zones::named(&series.time_zone).ok_or(Refused::Zone)?;
    let today = now.with_timezone(&zone).date_naive();
    // Moved by a bank holiday, what was to be on an earlier day may be to come.
    let from = today.checked_sub_days(Days::new(7)).ok_or(Refused::Never)?;
    let until = today.checked_add_days(Days::new(DAYS_AHEAD)).ok_or(Refused::Never)?;
    let days = days(series, zone, from, until)?;
    let mut taken = Vec::new();
    let mut found: Vec<Occurrence> = Vec::new();
    for on in days.iter().copied().filter(|day| !series.except_dates.0.contains(day)) {
        let Some(day) = moved(on, series.bank_holidays) else { continue };
        // What moved onto the day of another is that other.
        if (day != on && days.contains(&day)) || taken.contains(&day) {
            continue;
        }
        taken.push(day);
        let Some(starts_at) = zones::moment(zone, day.and_time(series.starts_at.time())) else { continue };
        if starts_at > now {
            let ends_at = starts_at + TimeDelta::minutes(series.duration_minutes.into());
            found.push(Occurrence { on, starts_at, ends_at });
        }
    }
    found.truncate(MOST);
    Ok(found)
}

/// Refuses a rule that does not say when a series takes place.
pub fn check(rule: &str, starts_at: NaiveDateTime, zone: &str) -> Result<(), Refused> {
    let zone = zones::named(zone).ok_or(Refused::Zone)?;
    let first = set(rule, starts_at, zone)?.limit().into_iter().next();
    first.map(|_| ()).ok_or(Refused::Never)
}

/// The days between two that a rule has.
fn days(series: &SeriesState, zone: Tz, from: NaiveDate, until: NaiveDate) -> Result<Vec<NaiveDate>, Refused> {
    let at = |day: NaiveDate| day.and_time(series.starts_at.time()).and_utc().with_timezone(&rrule::Tz::UTC);
    let found = set(&series.rrule, series.starts_at, zone)?.after(at(from)).before(at(until)).all(MOST_BEFORE);
    Ok(found.dates.into_iter().map(|day| day.date_naive()).collect())
}

/// The rule as if clocks never changed: what they show is taken for UTC, so that hours stay what they are.
fn set(rule: &str, starts_at: NaiveDateTime, zone: Tz) -> Result<RRuleSet, Refused> {
    let rule: RRule<Unvalidated> = rule.parse().map_err(|error| Refused::Rule(format!("{error}")))?;
    let rule = match rule.get_until().copied() {
        Some(until) => rule.until(shown(zone, until.to_utc()).and_utc().with_timezone(&rrule::Tz::UTC)),
        None => rule,
    };
    let start = starts_at.and_utc().with_timezone(&rrule::Tz::UTC);
    rule.build(start).map_err(|error| Refused::Rule(format!("{error}")))
}

fn shown(zone: Tz, at: DateTime<Utc>) -> NaiveDateTime {
    at.with_timezone(&zone).naive_local()
}

/// The day to which a day of the rule moves; none when it is left out.
fn moved(on: NaiveDate, rule: BankHolidays) -> Option<NaiveDate> {
    if !bank_holidays::is_one(on) {
        return Some(on);
    }
    let mut around = 1..15;
    match rule {
        BankHolidays::Keep => Some(on),
        BankHolidays::Skip => None,
        BankHolidays::NextWorkingDay => around
            .find_map(|days| on.checked_add_days(Days::new(days)).filter(|day| bank_holidays::is_working_day(*day))),
        BankHolidays::PreviousWorkingDay => around
            .find_map(|days| on.checked_sub_days(Days::new(days)).filter(|day| bank_holidays::is_working_day(*day))),
    }
}
