//! Bank holidays of England and Wales, as GOV.UK publishes them. Days after the last of the list are none.

use std::collections::HashSet;
use std::sync::LazyLock;

use chrono::{Datelike, NaiveDate, Weekday};

const LIST: &str = include_str!("../../../db/seed/bank_holidays.csv");

static DAYS: LazyLock<HashSet<NaiveDate>> =
    LazyLock::new(|| LIST.lines().filter_map(|line| line.split(',').next()?.parse().ok()).collect());

/// Whether a day is a bank holiday.
#[must_use]
pub fn is_one(day: NaiveDate) -> bool {
    DAYS.contains(&day)
}

/// Whether a day is neither a bank holiday nor of a weekend.
#[must_use]
pub fn is_working_day(day: NaiveDate) -> bool {
    !matches!(day.weekday(), Weekday::Sat | Weekday::Sun) && !is_one(day)
}
