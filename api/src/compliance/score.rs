//! What answers come to: how indicators grade a control, and how controls make up the score of a group and of the whole.

use std::collections::HashMap;

use db::assessments::responses::{Counted, IndicatorAnswer, ResponseStatus};
use db::checklists::ScoringRule;
use db::frameworks::items::{Grade, Indicator, ItemKind, Outline};

/// What some controls come to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many there are.
    pub controls: i32,
    /// How many of them are answered.
    pub answered: i32,
    /// Met.
    pub met: i32,
    /// Partly met.
    pub partly_met: i32,
    /// Not met.
    pub not_met: i32,
    /// Not applicable.
    pub not_applicable: i32,
    /// Weight of those that apply, twice.
    weight: i64,
    /// Weight of what is met of it, twice.
    reached: i64,
}

impl Tally {
    fn add(&mut self, rule: ScoringRule, counted: Counted) {
        let weight = if rule == ScoringRule::AllMet { 1 } else { i64::from(counted.weight) };
        self.controls += 1;
        self.answered += i32::from(counted.status.is_some());
        self.weight += 2 * weight;
        match counted.status {
            None => {}
            Some(ResponseStatus::Met) => {
                self.met += 1;
                self.reached += 2 * weight;
            }
            Some(ResponseStatus::PartlyMet) => {
                self.partly_met += 1;
                self.reached += if rule == ScoringRule::AllMet { 0 } else { weight };
            }
            Some(ResponseStatus::NotMet) => self.not_met += 1,
            Some(ResponseStatus::NotApplicable) => {
                self.not_applicable += 1;
                self.weight -= 2 * weight;
            }
        }
    }

    /// Of 100, rounded; none when nothing applies. What is not answered counts as not met.
    #[must_use]
    pub fn score(&self) -> Option<i32> {
        let (weight, reached) = (self.weight, self.reached);
        (weight > 0).then(|| i32::try_from((200 * reached + weight) / (2 * weight)).unwrap_or(0))
    }

    /// Achieved when all that applies is met, not achieved when some of it is not or is not answered; none when nothing
    /// applies.
    #[must_use]
    pub fn grade(&self) -> Option<Grade> {
        let apply = self.controls - self.not_applicable;
        match apply {
            0 => None,
            _ if self.met == apply => Some(Grade::Achieved),
            _ if self.met + self.partly_met == apply => Some(Grade::PartiallyAchieved),
            _ => Some(Grade::NotAchieved),
        }
    }
}

/// What all of the controls come to.
#[must_use]
pub fn whole(rule: ScoringRule, counted: &[Counted]) -> Tally {
    let mut tally = Tally::default();
    for one in counted {
        tally.add(rule, *one);
    }
    tally
}

/// What the controls in each group come to, in the order of the framework; of groups without such controls nothing.
#[must_use]
pub fn by_group<'o>(rule: ScoringRule, outline: &'o [Outline], counted: &[Counted]) -> Vec<(&'o Outline, Tally)> {
    let parents: HashMap<i32, Option<i32>> = outline.iter().map(|item| (item.position, item.parent_position)).collect();
    let mut tallies: HashMap<i32, Tally> = HashMap::new();
    for one in counted {
        let mut above = parents.get(&one.position).copied().flatten();
        while let Some(position) = above {
            tallies.entry(position).or_default().add(rule, *one);
            above = parents.get(&position).copied().flatten();
        }
    }
    let groups = outline.iter().filter(|item| item.kind == ItemKind::Group);
    groups.filter_map(|group| Some((group, *tallies.get(&group.position)?))).collect()
}

/// The grade that indicators of good practice give a control, as the Cyber Assessment Framework has it: achieved when all of
/// those for that hold, else partially achieved when all of those for that do, and not achieved when any of those for that
/// holds, or none of this is so. None for a control without indicators.
#[must_use]
pub fn grade(indicators: &[Indicator], answers: &[IndicatorAnswer]) -> Option<Grade> {
    if indicators.is_empty() {
        return None;
    }
    let holds = |indicator: &&Indicator| answers.iter().any(|answer| answer.id == indicator.id && answer.met);
    let of = |grade: Grade| indicators.iter().filter(move |indicator| indicator.grade == grade);
    let all = |grade: Grade| of(grade).next().is_some() && of(grade).all(|indicator| holds(&indicator));
    Some(if of(Grade::NotAchieved).any(|indicator| holds(&indicator)) {
        Grade::NotAchieved
    } else if all(Grade::Achieved) {
        Grade::Achieved
    } else if all(Grade::PartiallyAchieved) {
        Grade::PartiallyAchieved
    } else {
        Grade::NotAchieved
    })
}

/// What a grade says to a control.
#[must_use]
pub fn status(grade: Grade) -> ResponseStatus {
    match grade {
        Grade::Achieved => ResponseStatus::Met,
        Grade::PartiallyAchieved => ResponseStatus::PartlyMet,
        Grade::NotAchieved => ResponseStatus::NotMet,
    }
}

/// Lower quartile, median and upper quartile of some scores, each rounded to a multiple of five; none for no scores.
#[must_use]
pub fn quartiles(scores: &mut [i32]) -> Option<[i32; 3]> {
    scores.sort_unstable();
    let last = i32::try_from(scores.len().checked_sub(1)?).ok()?;
    // Between the two nearest, in quarters, as spreadsheets do it.
    let at = |quarters: i32| {
        let place = quarters * last;
        let value = |index: i32| usize::try_from(index).ok().and_then(|index| scores.get(index)).copied().unwrap_or(0);
        let (low, high) = (value(place / 4), value((place / 4 + 1).min(last)));
        // Of twenty: a quarter of the way in fives.
        let quarter = 4 * low + (high - low) * (place % 4);
        (quarter + 10) / 20 * 5
    };
    Some([at(1), at(2), at(3)])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(said: &[(Option<ResponseStatus>, i32)]) -> Vec<Counted> {
        let one = |(position, (status, weight)): (i32, &(Option<ResponseStatus>, i32))| Counted {
            position,
            status: *status,
            weight: *weight,
        };
        (1..).zip(said).map(one).collect()
    }

    #[test]
    fn what_applies_counts_by_weight_and_in_part_half() {
        use ResponseStatus::{Met, NotApplicable, NotMet, PartlyMet};
        let said =
            counted(&[(Some(Met), 3), (Some(PartlyMet), 2), (Some(NotMet), 1), (Some(NotApplicable), 9), (None, 2)]);
        let weighted = whole(ScoringRule::Weighted, &said);
        assert_eq!((weighted.score(), weighted.grade()), (Some(50), Some(Grade::NotAchieved)));
        assert_eq!((weighted.controls, weighted.answered, weighted.not_applicable), (5, 4, 1));
        assert_eq!(whole(ScoringRule::AllMet, &said).score(), Some(25));
        let nothing = whole(ScoringRule::AllMet, &counted(&[(Some(NotApplicable), 1)]));
        assert_eq!((nothing.score(), nothing.grade()), (None, None));
        let partly =
            whole(ScoringRule::Graded, &counted(&[(Some(Met), 1), (Some(PartlyMet), 1), (Some(NotApplicable), 1)]));
        assert_eq!((partly.score(), partly.grade()), (Some(75), Some(Grade::PartiallyAchieved)));
        assert_eq!(whole(ScoringRule::Graded, &counted(&[(Some(Met), 1)])).grade(), Some(Grade::Achieved));
        assert_eq!(whole(ScoringRule::Weighted, &counted(&[(Some(Met), 1), (Some(NotMet), 2)])).score(), Some(33));
        assert_eq!(whole(ScoringRule::Weighted, &counted(&[(Some(Met), 2), (Some(NotMet), 1)])).score(), Some(67));
    }

    #[test]
    fn indicators_grade_as_the_framework_has_it() {
        let indicator =
            |id: &str, grade: Grade| Indicator { id: id.to_owned(), label: None, grade, statement: String::new() };
        let indicators = [
            indicator("n1", Grade::NotAchieved),
            indicator("p1", Grade::PartiallyAchieved),
            indicator("p2", Grade::PartiallyAchieved),
            indicator("a1", Grade::Achieved),
            indicator("a2", Grade::Achieved),
        ];
        for (held, expected) in [
            ("", Grade::NotAchieved),
            ("a1 a2", Grade::Achieved),
            ("p1 a1 a2", Grade::Achieved),
            ("n1 p1 p2 a1 a2", Grade::NotAchieved),
            ("p1 p2", Grade::PartiallyAchieved),
            ("p1 p2 a1", Grade::PartiallyAchieved),
            ("p1", Grade::NotAchieved),
            ("a1", Grade::NotAchieved),
        ] {
            let answers: Vec<IndicatorAnswer> = held
                .split_whitespace()
                .map(|id| IndicatorAnswer { id: id.to_owned(), met: true, remarks: None })
                .collect();
            assert_eq!(grade(&indicators, &answers), Some(expected), "{held}");
        }
        assert_eq!(grade(&[], &[]), None);
        let without_partial = [indicator("a1", Grade::Achieved), indicator("n1", Grade::NotAchieved)];
        assert_eq!(grade(&without_partial, &[]), Some(Grade::NotAchieved), "nothing for it is not all for it");
    }

    #[test]
    fn quartiles_are_rounded_to_fives() {
        assert_eq!(quartiles(&mut [10, 20, 30, 40, 50]), Some([20, 30, 40]));
        assert_eq!(quartiles(&mut [50, 0, 100, 25, 77]), Some([25, 50, 75]));
        assert_eq!(quartiles(&mut [100; 7]), Some([100, 100, 100]));
        assert_eq!(quartiles(&mut [0, 0, 3, 97, 100, 100]), Some([0, 50, 100]));
        assert_eq!(quartiles(&mut []), None);
    }
}
