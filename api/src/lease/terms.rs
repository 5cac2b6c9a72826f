//! What is filled into a lease, and what follows from it: which clauses it has, and what is missing.

use std::collections::HashMap;

use chrono::NaiveDate;
use db::Fault;
use db::lease_templates::content::{Clause, Condition, Content, Variable, VariableKind};
use db::leases::Filled;
use db::leases::deviations::Deviation;
use uuid::Uuid;

use super::text::{self, Part};
use super::values::{self, Duration, Value};

/// What a lease says of itself, as far as it fills variables.
#[derive(Debug, Clone, Default)]
pub struct Source {
    /// What is filled in.
    pub filled: Vec<Filled>,
    /// Its parties. One fills the variable of the kind organisation that has the name of its role.
    pub parties: Vec<Signer>,
    /// Its first day, which fills the date `starts_on`.
    pub starts_on: Option<NaiveDate>,
    /// Its last day, which fills the date `ends_on`.
    pub ends_on: Option<NaiveDate>,
    /// Organisations that values name, by how those name them.
    pub organisations: HashMap<String, (Uuid, String)>,
}

/// A party.
#[derive(Debug, Clone)]
pub struct Signer {
    /// As what.
    pub role: String,
    /// Which organisation.
    pub id: Uuid,
    /// Its name.
    pub name: String,
}

/// The values of the variables of a lease.
#[derive(Debug, Clone, Default)]
pub struct Terms(HashMap<String, Term>);

#[derive(Debug, Clone)]
struct Term {
    value: Value,
    shown: String,
    /// Whether it is a party or a day of the lease itself, which is told anyway.
    of_itself: bool,
}

impl Terms {
    /// Reads what a lease fills in, and tells everything that is wrong with it; what is wrong is not filled in.
    #[must_use]
    pub fn read(variables: &[Variable], source: &Source) -> (Self, Vec<Fault>) {
        let (mut terms, mut faults) = (HashMap::new(), Vec::new());
        for (index, Filled { variable: name, value: text }) in source.filled.iter().enumerate() {
            let mut fault = |field: &str, code: &'static str, detail: String| {
                faults.push(Fault::new(format!("/values/{index}/{field}"), code, detail));
            };
            let Some(variable) = variables.iter().find(|variable| variable.name == *name) else {
                fault("variable", "unknown_variable", format!("`{name}` is no variable of the template"));
                continue;
            };
            match value_of(variable, text, source) {
                Ok(_) if terms.contains_key(name) => {
                    fault("variable", "repeated", format!("`{name}` has a value already"));
                }
                Ok(term) => drop(terms.insert(name.clone(), term)),
                Err((code, detail)) => fault("value", code, detail),
            }
        }
        for variable in variables.iter().filter(|variable| !source.filled.iter().any(|f| f.variable == variable.name)) {
            if let Some(term) = of_itself(variable, source) {
                terms.insert(variable.name.clone(), term);
            }
        }
        (Self(terms), faults)
    }

    /// The value of a variable as a document shows it.
    #[must_use]
    pub fn shown(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|term| term.shown.as_str())
    }

    /// The same, of what the lease does not tell as a party or a day of its own.
    #[must_use]
    pub fn particular(&self, name: &str) -> Option<&str> {
        self.0.get(name).filter(|term| !term.of_itself).map(|term| term.shown.as_str())
    }

    /// Whether all of some conditions hold.
    fn hold(&self, conditions: &[Condition], variables: &[Variable]) -> bool {
        conditions.iter().all(|condition| {
            let variable = variables.iter().find(|variable| variable.name == condition.variable);
            let wanted = variable.and_then(|variable| values::read(variable, &condition.value).ok());
            let given = self.0.get(&condition.variable).map(|term| &term.value);
            wanted.is_some_and(|wanted| values::holds(condition, &wanted, given))
        })
    }

    /// What has to be filled in and is not: what the template asks for, and what a clause of the lease names.
    #[must_use]
    pub fn missing(&self, variables: &[Variable], clauses: &[Clause]) -> Vec<Fault> {
        let mut named: HashMap<String, &str> = HashMap::new();
        for clause in clauses {
            for part in text::read(&clause.body).unwrap_or_default() {
                if let Part::Variable { name, .. } = part {
                    named.entry(name).or_insert(&clause.clause_id);
                }
            }
        }
        let open = variables.iter().filter(|variable| !self.0.contains_key(&variable.name));
        let missing = open.filter_map(|variable| {
            let Variable { name, label, required, required_if, .. } = variable;
            let asked = *required || !required_if.0.is_empty() && self.hold(&required_if.0, variables);
            let why = match named.get(name.as_str()) {
                Some(clause) => format!("clause `{clause}` names it"),
                None if asked => "the template asks for it".to_owned(),
                None => return None,
            };
            let detail = format!("`{name}` ({label}) needs a value: {why}");
            Some(Fault::new("/values", "missing_value", detail))
        });
        missing.collect()
    }
}

/// A value that is filled in; else the code of what is wrong with it, and a sentence.
fn value_of(variable: &Variable, text: &str, source: &Source) -> Result<Term, (&'static str, String)> {
    let value = values::read(variable, text).map_err(|wanted| ("wrong_value", format!("must be {wanted}")))?;
    let bound = |bound: &Option<String>| bound.as_deref().and_then(|text| values::bound(variable, text));
    if let (Some(least), Some(text)) = (bound(&variable.minimum), &variable.minimum)
        && values::exceeds(&least, &value)
    {
        return Err(("too_little", format!("must be at least {text}{}", counted(variable.kind))));
    }
    if let (Some(most), Some(text)) = (bound(&variable.maximum), &variable.maximum)
        && values::exceeds(&value, &most)
    {
        return Err(("too_much", format!("must be at most {text}{}", counted(variable.kind))));
    }
    if let Some(pattern) = &variable.pattern
        && !values::pattern(pattern).is_ok_and(|pattern| pattern.is_match(text))
    {
        return Err(("wrong_form", format!("must match the pattern {pattern}")));
    }
    if variable.kind == VariableKind::Organisation {
        let Some((id, name)) = source.organisations.get(text) else {
            return Err(("unknown_organisation", "must be the id or slug of one in the catalogue".to_owned()));
        };
        let party = sole(source, &variable.name);
        if party.is_some_and(|party| party.id != *id) {
            return Err(("not_the_party", format!("must be the party whose role is `{}`", variable.name)));
        }
        return Ok(Term { value, shown: line(name), of_itself: party.is_some() });
    }
    Ok(Term { shown: shown(variable, &value), value, of_itself: false })
}

fn counted(kind: VariableKind) -> &'static str {
    match kind {
        VariableKind::Text => " characters",
        VariableKind::UprnList => " premises",
        _ => "",
    }
}

/// What a lease fills in by what it is.
fn of_itself(variable: &Variable, source: &Source) -> Option<Term> {
    match (variable.kind, variable.name.as_str()) {
        (VariableKind::Organisation, role) => {
            let party = sole(source, role)?;
            Some(Term { value: Value::Text(party.id.to_string()), shown: line(&party.name), of_itself: true })
        }
        (VariableKind::Date, "starts_on") => source.starts_on.map(of_day),
        (VariableKind::Date, "ends_on") => source.ends_on.map(of_day),
        _ => None,
    }
}

/// The party in a role, if it is the only one.
fn sole<'s>(source: &'s Source, role: &str) -> Option<&'s Signer> {
    let mut in_role = source.parties.iter().filter(|party| party.role == role);
    in_role.next().filter(|_| in_role.next().is_none())
}

fn of_day(day: NaiveDate) -> Term {
    Term { value: Value::Date(day), shown: self::day(day), of_itself: true }
}

/// A day as people write it.
#[must_use]
pub fn day(day: NaiveDate) -> String {
    day.format("%-d %B %Y").to_string()
}

/// A text in one line, without what is no character to read.
#[must_use]
pub fn line(text: &str) -> String {
    let readable: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    readable.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn shown(variable: &Variable, value: &Value) -> String {
    match value {
        Value::Text(text) if variable.kind == VariableKind::Enum => {
            let option = variable.options.0.iter().find(|option| option.value == *text);
            option.map_or_else(|| line(text), |option| line(&option.label))
        }
        Value::Text(text) => line(text),
        Value::Integer(pence) if variable.kind == VariableKind::Money => money(*pence),
        Value::Integer(number) => number.to_string(),
        Value::Date(date) => day(*date),
        Value::Duration(span) => duration(*span),
        Value::Boolean(yes) => if *yes { "yes" } else { "no" }.to_owned(),
        Value::Uprns(uprns) => uprns.iter().map(u64::to_string).collect::<Vec<_>>().join(", "),
    }
}

/// Pence as pounds, with a comma between thousands.
fn money(pence: i64) -> String {
    let pounds = (pence / 100).to_string();
    let mut grouped = String::new();
    for (index, digit) in pounds.chars().enumerate() {
        if index > 0 && (pounds.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("£{grouped}.{:02}", pence % 100)
}

fn duration(Duration { months, days }: Duration) -> String {
    let counted = [(months / 12, "year"), (months % 12, "month"), (days, "day")];
    let parts: Vec<String> = counted
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, unit)| format!("{count} {unit}{}", if count == 1 { "" } else { "s" }))
        .collect();
    match parts.as_slice() {
        [] => "0 days".to_owned(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// Why a lease does not have a clause of its template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeftOut {
    /// The lease leaves it out.
    ByDeviation,
    /// Its conditions do not hold.
    ByCondition,
    /// It is part of one that the lease does not have.
    WithParent,
}

/// What a lease has of its template: the clauses, with other words where it deviates, and why others are left out.
#[derive(Debug, Default)]
pub struct Wording {
    /// The clauses of the lease, in their order.
    pub clauses: Vec<Clause>,
    /// The others.
    pub left_out: HashMap<String, LeftOut>,
}

/// What a lease with some values and deviations has of a version.
#[must_use]
pub fn wording(content: &Content, deviations: &[Deviation], terms: &Terms) -> Wording {
    let deviation = |id: &str| deviations.iter().find(|deviation| deviation.clause_id == id);
    let mut wording = Wording::default();
    for clause in &content.clauses {
        let within = clause.parent_id.as_ref().is_some_and(|parent| wording.left_out.contains_key(parent));
        let departs = deviation(&clause.clause_id);
        let left_out = if within {
            Some(LeftOut::WithParent)
        } else if !terms.hold(&clause.conditions.0, &content.variables) {
            Some(LeftOut::ByCondition)
        } else if departs.is_some_and(|deviation| deviation.body.is_none()) {
            Some(LeftOut::ByDeviation)
        } else {
            None
        };
        if let Some(why) = left_out {
            wording.left_out.insert(clause.clause_id.clone(), why);
            continue;
        }
        let body = departs.and_then(|deviation| deviation.body.clone());
        wording.clauses.push(Clause { body: body.unwrap_or_else(|| clause.body.clone()), ..clause.clone() });
    }
    wording
}
