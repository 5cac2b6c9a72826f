//! How two versions differ, clause by clause and word by word.

use std::collections::{HashMap, HashSet};

use db::lease_templates::content::{Clause, Content, Variable};
use serde::{Deserialize, Serialize};
use similar::{ChangeTag, TextDiff};

use super::numbering::numbers;

/// What became of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fate {
    /// It is in the second only.
    Added,
    /// It is in the first only.
    Removed,
    /// It is in both, and says something else.
    Changed,
    /// It is in both, and says the same.
    Unchanged,
}

/// What became of some words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edit {
    /// They are in both.
    Equal,
    /// They are in the second only.
    Insert,
    /// They are in the first only.
    Delete,
}

/// Some words, and what became of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// What became of them.
    pub edit: Edit,
    /// The words.
    pub text: String,
}

/// How a clause differs.
#[derive(Debug)]
pub struct ClauseDifference<'a> {
    /// What became of it.
    pub fate: Fate,
    /// It and its number in the first.
    pub before: Option<(&'a Clause, String)>,
    /// It and its number in the second.
    pub after: Option<(&'a Clause, String)>,
    /// Its heading.
    pub heading: Vec<Run>,
    /// What it says.
    pub body: Vec<Run>,
    /// Its note in plain language.
    pub note: Vec<Run>,
}

/// How a variable differs.
#[derive(Debug)]
pub struct VariableDifference<'a> {
    /// What became of it.
    pub fate: Fate,
    /// Its name.
    pub name: &'a str,
    /// Which of its fields differ, as on the wire.
    pub fields: Vec<&'static str>,
}

/// How clauses differ: in the order of the second, each that is gone behind what stood before it and is still there.
#[must_use]
pub fn clauses<'a>(before: &'a [Clause], after: &'a [Clause]) -> Vec<ClauseDifference<'a>> {
    let number = |clauses: &'a [Clause]| {
        numbers(clauses.iter().map(|clause| (clause.clause_id.as_str(), clause.parent_id.as_deref())))
    };
    let (old_numbers, new_numbers) = (number(before), number(after));
    let side = |clause: &'a Clause, numbers: &HashMap<&str, String>| {
        (clause, numbers.get(clause.clause_id.as_str()).cloned().unwrap_or_default())
    };
    let mut budget = Budget::default();
    let difference = |(old, new): (Option<&'a Clause>, Option<&'a Clause>)| {
        let before = old.map(|clause| side(clause, &old_numbers));
        let after = new.map(|clause| side(clause, &new_numbers));
        let fate = match (&before, &after) {
            (None, _) => Fate::Added,
            (_, None) => Fate::Removed,
            (before, after) if before == after => Fate::Unchanged,
            _ => Fate::Changed,
        };
        let mut runs = |field: fn(&Clause) -> &str| {
            words(old.map(field).unwrap_or_default(), new.map(field).unwrap_or_default(), &mut budget)
        };
        let heading = runs(|clause| &clause.heading);
        let body = runs(|clause| &clause.body);
        let note = runs(|clause| clause.note.as_deref().unwrap_or_default());
        ClauseDifference { fate, before, after, heading, body, note }
    };
    pairs(before, after).into_iter().map(difference).collect()
}

type Pair<'a> = (Option<&'a Clause>, Option<&'a Clause>);

/// What a clause of one is in the other, known by its id.
fn pairs<'a>(before: &'a [Clause], after: &'a [Clause]) -> Vec<Pair<'a>> {
    let known: HashMap<&str, &Clause> = before.iter().map(|clause| (clause.clause_id.as_str(), clause)).collect();
    let kept: HashSet<&str> = after.iter().map(|clause| clause.clause_id.as_str()).collect();
    let mut gone: HashMap<Option<&str>, Vec<&Clause>> = HashMap::new();
    let mut anchor = None;
    for old in before {
        if kept.contains(old.clause_id.as_str()) {
            anchor = Some(old.clause_id.as_str());
        } else {
            gone.entry(anchor).or_default().push(old);
        }
    }
    let mut gone = |behind| gone.remove(&behind).unwrap_or_default().into_iter().map(|old| (Some(old), None));
    let mut told: Vec<Pair<'a>> = gone(None).collect();
    for new in after {
        told.push((known.get(new.clause_id.as_str()).copied(), Some(new)));
        told.extend(gone(Some(new.clause_id.as_str())));
    }
    told
}

/// How variables differ: those of the second in their order, then those that are gone.
#[must_use]
pub fn variables<'a>(before: &'a Content, after: &'a Content) -> Vec<VariableDifference<'a>> {
    let find = |content: &'a Content, name: &str| content.variables.iter().find(|variable| variable.name == name);
    let kept = after.variables.iter().map(|new| match find(before, &new.name) {
        None => VariableDifference { fate: Fate::Added, name: &new.name, fields: Vec::new() },
        Some(old) => {
            let fields = differing(old, new);
            let fate = if fields.is_empty() { Fate::Unchanged } else { Fate::Changed };
            VariableDifference { fate, name: &new.name, fields }
        }
    });
    let gone = before.variables.iter().filter(|old| find(after, &old.name).is_none());
    kept.chain(gone.map(|old| VariableDifference { fate: Fate::Removed, name: &old.name, fields: Vec::new() }))
        .collect()
}

fn differing(old: &Variable, new: &Variable) -> Vec<&'static str> {
    let Variable { name: _, label, kind, help, required, required_if, minimum, maximum, pattern, options } = old;
    let fields = [
        ("label", *label != new.label),
        ("kind", *kind != new.kind),
        ("help", *help != new.help),
        ("required", *required != new.required),
        ("requiredIf", *required_if != new.required_if),
        ("minimum", *minimum != new.minimum),
        ("maximum", *maximum != new.maximum),
        ("pattern", *pattern != new.pattern),
        ("options", *options != new.options),
    ];
    fields.into_iter().filter(|(_, differs)| *differs).map(|(field, _)| field).collect()
}

/// What comparing may cost: it takes steps in the product of how many parts there are to compare.
#[derive(Debug, Clone, Copy)]
pub struct Budget(usize);

impl Default for Budget {
    /// Enough for forty clauses of three hundred words each, all of them rewritten.
    fn default() -> Self {
        Self(4_000_000)
    }
}

impl Budget {
    /// Whether so many parts can be compared with so many others; they are then paid for.
    fn affords(&mut self, before: usize, after: usize) -> bool {
        let left = self.0.checked_sub(before.saturating_mul(after));
        self.0 = left.unwrap_or(self.0);
        left.is_some()
    }
}

/// How two texts differ, word by word; where that costs too much, line by line or as a whole. Read without what was
/// deleted, it is the second.
#[must_use]
pub fn words(before: &str, after: &str, budget: &mut Budget) -> Vec<Run> {
    if before == after {
        return runs([(Edit::Equal, after)]);
    }
    let count = |text: &str| text.split_whitespace().count();
    let diff = if budget.affords(count(before), count(after)) {
        TextDiff::from_words(before, after)
    } else if budget.affords(before.lines().count(), after.lines().count()) {
        TextDiff::from_lines(before, after)
    } else {
        return runs([(Edit::Delete, before), (Edit::Insert, after)]);
    };
    runs(diff.iter_all_changes().map(|change| {
        let edit = match change.tag() {
            ChangeTag::Equal => Edit::Equal,
            ChangeTag::Insert => Edit::Insert,
            ChangeTag::Delete => Edit::Delete,
        };
        (edit, change.value())
    }))
}

/// Neighbours of one fate become one.
fn runs<'a>(parts: impl IntoIterator<Item = (Edit, &'a str)>) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for (edit, text) in parts.into_iter().filter(|(_, text)| !text.is_empty()) {
        match runs.last_mut() {
            Some(run) if run.edit == edit => run.text.push_str(text),
            _ => runs.push(Run { edit, text: text.to_owned() }),
        }
    }
    runs
}
