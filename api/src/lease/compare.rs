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

/// How clauses differ: in the order of the second, each that is gone where it was.
#[must_use]
pub fn clauses<'a>(before: &'a [Clause], after: &'a [Clause]) -> Vec<ClauseDifference<'a>> {
    let number = |clauses: &'a [Clause]| {
        numbers(clauses.iter().map(|clause| (clause.clause_id.as_str(), clause.parent_id.as_deref())))
    };
    let (old_numbers, new_numbers) = (number(before), number(after));
    let known: HashMap<&str, &Clause> = before.iter().map(|clause| (clause.clause_id.as_str(), clause)).collect();
    let kept: HashSet<&str> = after.iter().map(|clause| clause.clause_id.as_str()).collect();
    let side = |clause: &'a Clause, numbers: &HashMap<&str, String>| {
        (clause, numbers.get(clause.clause_id.as_str()).cloned().unwrap_or_default())
    };
    let difference = |old: Option<&'a Clause>, new: Option<&'a Clause>| {
        let before = old.map(|clause| side(clause, &old_numbers));
        let after = new.map(|clause| side(clause, &new_numbers));
        let fate = match (old, new) {
            (None, _) => Fate::Added,
            (_, None) => Fate::Removed,
            (Some(old), Some(new)) if old == new && before == after => Fate::Unchanged,
            _ => Fate::Changed,
        };
        let runs =
            |field: fn(&Clause) -> &str| words(old.map(field).unwrap_or_default(), new.map(field).unwrap_or_default());
        ClauseDifference {
            fate,
            before,
            after,
            heading: runs(|clause| &clause.heading),
            body: runs(|clause| &clause.body),
            note: runs(|clause| clause.note.as_deref().unwrap_or_default()),
        }
    };
    // What is gone is told behind what stood before it and is still there.
    let mut gone: HashMap<Option<&str>, Vec<&Clause>> = HashMap::new();
    let mut anchor = None;
    for old in before {
        if kept.contains(old.clause_id.as_str()) {
            anchor = Some(old.clause_id.as_str());
        } else {
            gone.entry(anchor).or_default().push(old);
        }
    }
    let removed = |behind: Option<&'a str>| {
        let found = gone.get(&behind).cloned().unwrap_or_default();
        found.into_iter().map(|old| difference(Some(old), None))
    };
    let mut told: Vec<_> = removed(None).collect();
    for new in after {
        told.push(difference(known.get(new.clause_id.as_str()).copied(), Some(new)));
        told.extend(removed(Some(&new.clause_id)));
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

/// Comparing takes steps in the product of what is compared; beyond this, lines are compared rather than words.
const MOST_STEPS: usize = 4_000_000;

/// How two texts differ, word by word; read without what was deleted, the second.
#[must_use]
pub fn words(before: &str, after: &str) -> Vec<Run> {
    let count = |text: &str| text.split_whitespace().count();
    let diff = if count(before).saturating_mul(count(after)) <= MOST_STEPS {
        TextDiff::from_words(before, after)
    } else {
        TextDiff::from_lines(before, after)
    };
    let mut runs: Vec<Run> = Vec::new();
    for change in diff.iter_all_changes() {
        let edit = match change.tag() {
            ChangeTag::Equal => Edit::Equal,
            ChangeTag::Insert => Edit::Insert,
            ChangeTag::Delete => Edit::Delete,
        };
        match runs.last_mut() {
            Some(run) if run.edit == edit => run.text.push_str(change.value()),
            _ => runs.push(Run { edit, text: change.value().to_owned() }),
        }
    }
    runs
}
