//! Numbers of clauses, which follow from their order: 1, 1.1, 1.1.1.

use std::collections::HashMap;

/// How deep clauses go.
pub const MOST_LEVELS: usize = 6;

/// The number of each clause, given as id and id of what it is part of, in their order. What a clause is part of comes
/// before it; where it does not, the clause counts as one of the top.
pub fn numbers<'a>(clauses: impl IntoIterator<Item = (&'a str, Option<&'a str>)>) -> HashMap<&'a str, String> {
    let mut numbers: HashMap<&str, String> = HashMap::new();
    let mut counted: HashMap<Option<&str>, usize> = HashMap::new();
    for (id, parent) in clauses {
        let above = parent.and_then(|parent| numbers.get(parent).map(|number| (parent, number.clone())));
        let count = counted.entry(above.as_ref().map(|(parent, _)| *parent)).or_default();
        *count += 1;
        let number = above.map_or_else(|| count.to_string(), |(_, above)| format!("{above}.{count}"));
        numbers.insert(id, number);
    }
    numbers
}
