//! Which controls of a framework a checklist selects: what it includes, by id, by group and by pattern, less what it
//! excludes (OSCAL 1.1, profile resolution, section 4).

use std::collections::{HashMap, HashSet};

use db::Fault;
use db::checklists::Selector;
use db::checklists::controls::Selected;
use db::frameworks::items::{ItemKind, Outline};

/// How many comparisons of a character of a pattern with one of an id are made for a selection at most.
const MOST_WORK: usize = 100_000_000;

/// What a checklist's keeper adds to a control.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adjustment {
    /// Id of the control.
    pub control: String,
    /// What to bear in mind.
    pub guidance: Option<String>,
    /// How much it counts for.
    pub weight: i32,
}

/// The controls that are included and not excluded, in the order of the framework; else everything that names none.
pub fn resolve(
    outline: &[Outline],
    included: &[Selector],
    excluded: &[Selector],
    adjustments: &[Adjustment],
) -> Result<Vec<Selected>, Vec<Fault>> {
    let framework = Framework::new(outline);
    let mut faults = Vec::new();
    let all = framework.controls().map(|(position, _)| position);
    let mut chosen: HashSet<i32> =
        if included.is_empty() { all.collect() } else { framework.meant("/include", included, &mut faults) };
    for position in framework.meant("/exclude", excluded, &mut faults) {
        chosen.remove(&position);
    }
    let mut adjusted = HashMap::new();
    for (index, adjustment) in adjustments.iter().enumerate() {
        let at = format!("/controls/{index}/control");
        match framework.by_id.get(adjustment.control.as_str()).filter(|item| item.kind == ItemKind::Control) {
            Some(item) if !chosen.contains(&item.position) && faults.is_empty() => {
                faults.push(Fault::new(at, "not_selected", "names a control that is not selected"));
            }
            Some(item) => {
                if adjusted.insert(item.position, adjustment).is_some() {
                    faults.push(Fault::new(at, "repeated", "names a control that stands before"));
                }
            }
            None => faults.push(Fault::new(at, "unknown_control", "names no control of the framework")),
        }
    }
    if !faults.is_empty() {
        faults.truncate(100);
        return Err(faults);
    }
    let selected = framework.controls().filter(|(position, _)| chosen.contains(position)).map(|(position, id)| {
        let adjustment = adjusted.get(&position);
        Selected {
            position,
            control_id: id.to_owned(),
            guidance: adjustment.and_then(|adjustment| adjustment.guidance.clone()),
            weight: adjustment.map_or(1, |adjustment| adjustment.weight),
        }
    });
    Ok(selected.collect())
}

/// The ids of the controls in a group, which OSCAL has no selector for.
#[must_use]
pub fn in_groups(outline: &[Outline], groups: &[String]) -> Vec<String> {
    let framework = Framework::new(outline);
    let places: HashSet<i32> =
        groups.iter().filter_map(|group| framework.by_id.get(group.as_str())).map(|item| item.position).collect();
    let within = framework.controls().filter(|(position, _)| framework.is_within(*position, &places));
    within.map(|(_, id)| id.to_owned()).collect()
}

struct Framework<'o> {
    outline: &'o [Outline],
    by_id: HashMap<&'o str, &'o Outline>,
    by_position: HashMap<i32, &'o Outline>,
}

impl<'o> Framework<'o> {
    fn new(outline: &'o [Outline]) -> Self {
        let by_id = outline.iter().filter_map(|item| Some((item.item_id.as_deref()?, item))).collect();
        Self { outline, by_id, by_position: outline.iter().map(|item| (item.position, item)).collect() }
    }

    fn controls(&self) -> impl Iterator<Item = (i32, &'o str)> {
        let controls = self.outline.iter().filter(|item| item.kind == ItemKind::Control);
        controls.filter_map(|item| Some((item.position, item.item_id.as_deref()?)))
    }

    /// Whether something is part of one of these.
    fn is_within(&self, position: i32, of: &HashSet<i32>) -> bool {
        let above = |position: i32| self.by_position.get(&position).and_then(|item| item.parent_position);
        std::iter::successors(above(position), |position| above(*position)).any(|position| of.contains(&position))
    }

    /// The places of the controls that selectors mean.
    fn meant(&self, at: &str, selectors: &[Selector], faults: &mut Vec<Fault>) -> HashSet<i32> {
        let (mut named, mut through) = (HashSet::new(), HashSet::new());
        let letters: usize = self.controls().map(|(_, id)| id.len()).sum();
        let mut work = 0;
        for (index, selector) in selectors.iter().enumerate() {
            let kinds = [(ItemKind::Control, "ids", &selector.ids), (ItemKind::Group, "groups", &selector.groups)];
            let mut here = HashSet::new();
            for (kind, what, ids) in kinds {
                for (place, id) in ids.iter().enumerate() {
                    if let Some(item) = self.by_id.get(id.as_str()).filter(|item| item.kind == kind) {
                        here.insert(item.position);
                        // All that is in a group is meant; what is in a control when it says so.
                        through.extend((kind == ItemKind::Group).then_some(item.position));
                    } else {
                        let detail = format!("names no {kind} of the framework");
                        faults.push(Fault::new(format!("{at}/{index}/{what}/{place}"), "unknown_control", detail));
                    }
                }
            }
            for (place, pattern) in selector.matching.iter().enumerate() {
                work += pattern.len() * letters;
                if work > MOST_WORK {
                    let detail = "is one pattern too many, or too long, for so large a framework";
                    faults.push(Fault::new(format!("{at}/{index}/matching/{place}"), "too_complex", detail));
                    break;
                }
                here.extend(self.controls().filter(|(_, id)| matches(pattern, id)).map(|(position, _)| position));
            }
            if selector.with_child_controls == Some(true) {
                through.extend(&here);
            }
            named.extend(here);
        }
        let places = self.controls().map(|(position, _)| position);
        places
            .filter(|place| named.contains(place) || !through.is_empty() && self.is_within(*place, &through))
            .collect()
    }
}

/// Whether a text matches a pattern, in which `*` is any text and `?` any character. In time of the product of their lengths.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    // Which beginnings of the text the pattern so far matches.
    let mut reached: Vec<bool> = (0..=text.len()).map(|length| length == 0).collect();
    for wanted in pattern {
        let before = reached.clone();
        let mut any = false;
        for (length, now) in reached.iter_mut().enumerate() {
            let here = before.get(length).copied().unwrap_or_default();
            let one_less = length.checked_sub(1).and_then(|less| before.get(less)).copied().unwrap_or_default();
            any |= here;
            *now = match wanted {
                '*' => any,
                '?' => one_less,
                literal => one_less && length.checked_sub(1).and_then(|less| text.get(less)) == Some(&literal),
            };
        }
    }
    reached.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_of_the_whole_text() {
        for (pattern, text, expected) in [
            ("ac-*", "ac-2", true),
            ("ac-?", "ac-2", true),
            ("ac-?", "ac-22", false),
            ("*", "", true),
            ("", "a", false),
            ("*-2*", "ac-2.1", true),
            ("ac-2", "ac-2", true),
            ("a*b*c", "aXbYb", false),
            ("**********b", "aaaaaaaaaaaaaaaaaaaaaaaa", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }
}
