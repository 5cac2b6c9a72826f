//! Whether what a version says fits together. Faults of the parts by themselves are told when they are written
//! ([`clauses`], [`variables`]); whether clauses and variables go together, when it is submitted ([`together`]). And what is
//! wrong with how a lease departs from it ([`deviations`]).

use std::collections::{BTreeSet, HashMap, HashSet};

use db::Fault;
use db::lease_templates::content::{Clause, ClauseKind, Condition, Content, Operator, Variable, VariableKind};
use db::leases::deviations::Deviation;

use super::numbering::MOST_LEVELS;
use super::text::{self, Part};
use super::values;

/// What is wrong with clauses by themselves.
#[must_use]
pub fn clauses(clauses: &[Clause]) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut levels: HashMap<&str, usize> = HashMap::new();
    for (index, clause) in clauses.iter().enumerate() {
        let mut fault = |field: &str, code: &'static str, detail: String| {
            faults.push(Fault::new(format!("/clauses/{index}/{field}"), code, detail));
        };
        let above = match &clause.parent_id {
            None => Some(0),
            Some(parent) => levels.get(parent.as_str()).copied(),
        };
        match above {
            None => fault("parent", "unknown_clause", "must be the id of a clause that comes before it".to_owned()),
            Some(above) if above >= MOST_LEVELS => {
                fault("parent", "too_deep", format!("must leave at most {MOST_LEVELS} levels of clauses"));
            }
            Some(_) => {}
        }
        if levels.insert(&clause.clause_id, above.unwrap_or_default() + 1).is_some() {
            fault("id", "repeated", "must be another than those of the clauses before it".to_owned());
        }
        if let Err(why) = text::read(&clause.body) {
            fault("body", "unreadable_text", why);
        }
    }
    faults
}

/// What is wrong with variables by themselves.
#[must_use]
pub fn variables(variables: &[Variable]) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut names = HashSet::new();
    for (index, variable) in variables.iter().enumerate() {
        let mut fault = |field: &str, code: &'static str, detail: String| {
            faults.push(Fault::new(format!("/variables/{index}/{field}"), code, detail));
        };
        if !names.insert(variable.name.as_str()) {
            fault("name", "repeated", "must be another than those of the variables before it".to_owned());
        }
        if text::RESERVED.contains(&variable.name.as_str()) {
            fault("name", "reserved", "must not be a word that texts keep for themselves".to_owned());
        }
        bounds(variable, &mut fault);
        choices(variable, &mut fault);
        if let Some(pattern) = &variable.pattern {
            if variable.kind != VariableKind::Text {
                fault("pattern", "not_for_kind", "is for variables of the kind text".to_owned());
            } else if let Err(why) = values::pattern(pattern) {
                fault("pattern", "unusable_pattern", format!("must be a regular expression: {why}"));
            }
        }
        let at = format!("/variables/{index}/requiredIf");
        let others: Vec<&Variable> = variables.iter().filter(|other| other.name != variable.name).collect();
        faults.extend(conditions(&at, &variable.required_if.0, &others));
    }
    faults
}

fn bounds(variable: &Variable, fault: &mut impl FnMut(&str, &'static str, String)) {
    let mut read = |field: &str, text: &Option<String>| {
        let text = text.as_deref()?;
        let bound = values::bound(variable, text);
        if bound.is_none() {
            let detail = match variable.kind {
                VariableKind::Text | VariableKind::UprnList => "must be a count".to_owned(),
                kind if values::is_ordered(kind) => format!("must be a value of the kind {kind}"),
                kind => format!("is not for variables of the kind {kind}"),
            };
            fault(field, "not_for_kind", detail);
        }
        bound
    };
    let (least, most) = (read("minimum", &variable.minimum), read("maximum", &variable.maximum));
    if let (Some(least), Some(most)) = (least, most)
        && values::exceeds(&least, &most)
    {
        fault("maximum", "below_minimum", "must not be below minimum".to_owned());
    }
}

fn choices(variable: &Variable, fault: &mut impl FnMut(&str, &'static str, String)) {
    let options = &variable.options.0;
    if (variable.kind == VariableKind::Enum) == options.is_empty() {
        fault("options", "not_for_kind", "must be given for variables of the kind enum, and for no others".to_owned());
    }
    let mut known = HashSet::new();
    if options.iter().any(|option| !known.insert(&option.value)) {
        fault("options", "repeated", "must have each value once".to_owned());
    }
}

/// What is wrong with conditions, among the variables that they may be about.
fn conditions(at: &str, conditions: &[Condition], variables: &[&Variable]) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (index, condition) in conditions.iter().enumerate() {
        let mut fault = |field: &str, code: &'static str, detail: String| {
            faults.push(Fault::new(format!("{at}/{index}/{field}"), code, detail));
        };
        let Some(variable) = variables.iter().find(|variable| variable.name == condition.variable) else {
            fault("variable", "unknown_variable", format!("`{}` is no variable", condition.variable));
            continue;
        };
        if !matches!(condition.operator, Operator::Equals | Operator::NotEquals) && !values::is_ordered(variable.kind) {
            fault("operator", "not_for_kind", format!("values of the kind {} have no order", variable.kind));
        }
        if let Err(wanted) = values::read(variable, &condition.value) {
            fault("value", "wrong_value", format!("must be {wanted}"));
        }
    }
    faults
}

/// What keeps a version from being submitted and published: texts that name what there is not, variables that nothing
/// names, and nothing to say.
#[must_use]
pub fn together(content: &Content) -> Vec<Fault> {
    if content.clauses.is_empty() {
        return vec![Fault::new("/clauses", "empty", "has no clauses yet")];
    }
    let variables: Vec<&Variable> = content.variables.iter().collect();
    let names: BTreeSet<&str> = variables.iter().map(|variable| variable.name.as_str()).collect();
    let ids: HashSet<&str> = content.clauses.iter().map(|clause| clause.clause_id.as_str()).collect();
    let (mut faults, mut used) = (Vec::new(), HashSet::new());
    for (index, clause) in content.clauses.iter().enumerate() {
        let at = format!("/clauses/{index}/body");
        for part in text::read(&clause.body).unwrap_or_default() {
            match part {
                Part::Words(_) => {}
                Part::Variable { name, at: place } => {
                    if !names.contains(name.as_str()) {
                        let detail = format!("{}, {place}: `{name}` is no variable of this version", clause.clause_id);
                        faults.push(Fault::new(at.clone(), "undefined_variable", detail));
                    }
                    used.insert(name);
                }
                Part::Reference { clause: to, at: place } => {
                    if !ids.contains(to.as_str()) {
                        let detail = format!("{}, {place}: `{to}` is no clause of this version", clause.clause_id);
                        faults.push(Fault::new(at.clone(), "unknown_clause", detail));
                    }
                }
            }
        }
        used.extend(clause.conditions.0.iter().map(|condition| condition.variable.clone()));
        faults.extend(conditions(&format!("/clauses/{index}/conditions"), &clause.conditions.0, &variables));
    }
    used.extend(
        variables.iter().flat_map(|variable| &variable.required_if.0).map(|condition| condition.variable.clone()),
    );
    for (index, variable) in variables.iter().enumerate().filter(|(_, variable)| !used.contains(&variable.name)) {
        let detail = format!("`{}` is named by no clause and no condition", variable.name);
        faults.push(Fault::new(format!("/variables/{index}/name"), "unused_variable", detail));
    }
    faults
}

/// What is wrong with the deviations of a lease.
#[must_use]
pub fn deviations(content: &Content, deviations: &[Deviation]) -> Vec<Fault> {
    let names: HashSet<&str> = content.variables.iter().map(|variable| variable.name.as_str()).collect();
    let ids: HashSet<&str> = content.clauses.iter().map(|clause| clause.clause_id.as_str()).collect();
    let (mut faults, mut met) = (Vec::new(), HashSet::new());
    for (index, Deviation { clause_id, body, reason: _ }) in deviations.iter().enumerate() {
        let mut fault = |field: &str, code: &'static str, detail: String| {
            faults.push(Fault::new(format!("/deviations/{index}/{field}"), code, detail));
        };
        let Some(clause) = content.clauses.iter().find(|clause| clause.clause_id == *clause_id) else {
            fault("clause", "unknown_clause", format!("`{clause_id}` is no clause of the template"));
            continue;
        };
        if !met.insert(clause_id) {
            fault("clause", "repeated", "must be another than those before it".to_owned());
        }
        match (clause.kind, body) {
            (ClauseKind::Fixed, _) => fault("clause", "fixed", "is a fixed clause, which stays as it is".to_owned()),
            (ClauseKind::Negotiable, None) => {
                fault("body", "required", "must be given: a negotiable clause is reworded, not left out".to_owned());
            }
            (ClauseKind::Optional, Some(_)) => {
                fault("body", "not_for_kind", "must not be given: an optional clause is left out or stays".to_owned());
            }
            (ClauseKind::Negotiable, Some(_)) | (ClauseKind::Optional, None) => {}
        }
        match body.as_deref().map(text::read) {
            None => {}
            Some(Err(why)) => fault("body", "unreadable_text", why),
            Some(Ok(parts)) => parts.into_iter().for_each(|part| match part {
                Part::Variable { name, at } if !names.contains(name.as_str()) => {
                    fault("body", "undefined_variable", format!("{at}: `{name}` is no variable of the template"));
                }
                Part::Reference { clause, at } if !ids.contains(clause.as_str()) => {
                    fault("body", "unknown_clause", format!("{at}: `{clause}` is no clause of the template"));
                }
                Part::Words(_) | Part::Variable { .. } | Part::Reference { .. } => {}
            }),
        }
    }
    faults
}
