//! What is filled into an agreement: how values are written, compared and bounded.

use std::cmp::Ordering;

use chrono::NaiveDate;
use db::lease_templates::content::{Condition, Operator, Variable, VariableKind};
use regex::{Regex, RegexBuilder};

/// A value of a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Of `text`, `enum` and `organisation`.
    Text(String),
    /// Of `integer` and, in pence, `money`.
    Integer(i64),
    /// Of `date`.
    Date(NaiveDate),
    /// Of `duration`.
    Duration(Duration),
    /// Of `boolean`.
    Boolean(bool),
    /// Of `uprn_list`.
    Uprns(Vec<u64>),
}

/// A time span. A month counts as the twelfth of 365.25 days where spans are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Duration {
    /// Years and months, in months.
    pub months: u32,
    /// Weeks and days, in days.
    pub days: u32,
}

impl Duration {
    /// In sixteenths of a day, of which a month has a whole number.
    fn sixteenths(self) -> u64 {
        u64::from(self.months) * 487 + u64::from(self.days) * 16
    }
}

/// Up to here each whole number is exact in JSON, too.
const MOST: i64 = 9_007_199_254_740_991;
/// How many premises one variable names; a schedule of premises holds more.
const MOST_UPRNS: usize = 100;

/// A value as it is written; else what would be right, to go behind "must be".
pub fn read(variable: &Variable, text: &str) -> Result<Value, String> {
    match variable.kind {
        VariableKind::Text => Ok(Value::Text(text.to_owned())),
        VariableKind::Integer => integer(text, -MOST).ok_or_else(|| "a whole number".to_owned()),
        VariableKind::Money => integer(text, 0).ok_or_else(|| "a whole number of pence, such as 125000".to_owned()),
        VariableKind::Date => date(text).ok_or_else(|| "a day, written YYYY-MM-DD".to_owned()),
        VariableKind::Duration => {
            let wanted = "a time span in years, months, weeks or days, such as P10Y or P6M";
            duration(text).map(Value::Duration).ok_or_else(|| wanted.to_owned())
        }
        VariableKind::Boolean => match text {
            "true" => Ok(Value::Boolean(true)),
            "false" => Ok(Value::Boolean(false)),
            _ => Err("true or false".to_owned()),
        },
        VariableKind::Enum => {
            let options = &variable.options.0;
            if options.iter().any(|option| option.value == text) {
                return Ok(Value::Text(text.to_owned()));
            }
            let words: Vec<&str> = options.iter().map(|option| option.value.as_str()).collect();
            Err(format!("one of {}", words.join(", ")))
        }
        VariableKind::Organisation => {
            let fits = crate::http::path::read_key(text).is_some();
            if fits { Ok(Value::Text(text.to_owned())) } else { Err("the id or slug of an organisation".to_owned()) }
        }
        VariableKind::UprnList => {
            let read: Option<Vec<u64>> = text.split(' ').map(uprn).collect();
            let wanted = "Unique Property Reference Numbers of 1 to 12 digits, separated by spaces, at most 100";
            read.filter(|read| read.len() <= MOST_UPRNS).map(Value::Uprns).ok_or_else(|| wanted.to_owned())
        }
    }
}

fn integer(text: &str, least: i64) -> Option<Value> {
    let plain = text == "0" || !text.trim_start_matches('-').starts_with('0') && !text.starts_with('+');
    let number = text.parse::<i64>().ok().filter(|number| plain && (least..=MOST).contains(number))?;
    Some(Value::Integer(number))
}

fn date(text: &str) -> Option<Value> {
    let read = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    (text.len() == 10).then_some(Value::Date(read))
}

/// ISO 8601, with designators from years to days in their order, each at most once.
fn duration(text: &str) -> Option<Duration> {
    let mut rest = text.strip_prefix('P')?;
    if rest.is_empty() {
        return None;
    }
    let mut span = Duration { months: 0, days: 0 };
    for (designator, months, days) in [('Y', 12, 0), ('M', 1, 0), ('W', 0, 7), ('D', 0, 1)] {
        let Some((digits, behind)) = rest.split_once(designator) else { continue };
        if digits.is_empty() || digits.len() > 5 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let count: u32 = digits.parse().ok()?;
        span.months += count * months;
        span.days += count * days;
        rest = behind;
    }
    rest.is_empty().then_some(span)
}

/// A Unique Property Reference Number: 1 to 12 digits, not all of them 0.
#[must_use]
pub fn uprn(text: &str) -> Option<u64> {
    let digits = (1..=12).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| digits && *number > 0)
}

/// How two values of one variable follow each other; of some sorts none comes before another.
fn order(one: &Value, other: &Value) -> Option<Ordering> {
    match (one, other) {
        (Value::Integer(one), Value::Integer(other)) => Some(one.cmp(other)),
        (Value::Date(one), Value::Date(other)) => Some(one.cmp(other)),
        (Value::Duration(one), Value::Duration(other)) => Some(one.sixteenths().cmp(&other.sixteenths())),
        _ => None,
    }
}

/// Whether a condition holds of the value of its variable; of no value none holds but that it is something else.
#[must_use]
pub fn holds(condition: &Condition, wanted: &Value, given: Option<&Value>) -> bool {
    let Some(given) = given else { return condition.operator == Operator::NotEquals };
    let order = order(given, wanted);
    match condition.operator {
        Operator::Equals => given == wanted || order == Some(Ordering::Equal),
        Operator::NotEquals => given != wanted && order != Some(Ordering::Equal),
        Operator::LessThan => order == Some(Ordering::Less),
        Operator::AtMost => matches!(order, Some(Ordering::Less | Ordering::Equal)),
        Operator::GreaterThan => order == Some(Ordering::Greater),
        Operator::AtLeast => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
    }
}

/// Whether values of a sort follow each other, so that they can be compared as less or more.
#[must_use]
pub fn is_ordered(kind: VariableKind) -> bool {
    matches!(kind, VariableKind::Integer | VariableKind::Money | VariableKind::Date | VariableKind::Duration)
}

/// A bound of a variable: of its value, or of how many characters or premises it has.
#[must_use]
pub fn bound(variable: &Variable, text: &str) -> Option<Value> {
    match variable.kind {
        VariableKind::Text | VariableKind::UprnList => integer(text, 0),
        kind if is_ordered(kind) => read(variable, text).ok(),
        _ => None,
    }
}

/// What a bound is compared with.
fn measured(value: &Value) -> Value {
    let count = |count: usize| Value::Integer(i64::try_from(count).unwrap_or(MOST));
    match value {
        Value::Text(text) => count(text.chars().count()),
        Value::Uprns(uprns) => count(uprns.len()),
        other => other.clone(),
    }
}

/// Whether one bound is above another.
#[must_use]
pub fn exceeds(one: &Value, other: &Value) -> bool {
    order(&measured(one), &measured(other)) == Some(Ordering::Greater)
}

/// The pattern of a text, which it has to match as a whole; else why it cannot be used.
pub fn pattern(pattern: &str) -> Result<Regex, String> {
    let whole = format!("^(?:{pattern})$");
    let built = RegexBuilder::new(&whole).size_limit(1 << 16).dfa_size_limit(1 << 20).nest_limit(30).build();
    built.map_err(|error| error.to_string().lines().last().unwrap_or_default().to_owned())
}
