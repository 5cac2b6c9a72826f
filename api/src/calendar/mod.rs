//! When things are: time zones and bank holidays, what recurs, and how calendars and feeds are told of it.

pub mod bank_holidays;
pub mod feeds;
pub mod ics;
pub mod recurrence;
pub mod zones;
