//! Computes benchmarks, once a day: see [`db::benchmarks`].

use std::collections::BTreeMap;
use std::time::Duration;

use db::assessments::responses::Counted;
use db::benchmarks::{self, Benchmark, FEWEST, Shared};
use db::frameworks::items;
use db::organisations::Key;
use db::{Actor, Db, Tx, checklists};
use uuid::Uuid;

use crate::compliance::score;

/// How often it is looked whether they are of today.
const EVERY: Duration = Duration::from_secs(60);

/// Computes them for as long as it is polled. What fails is tried again next time.
pub async fn run(db: Db) {
    loop {
        if let Err(error) = once(&db).await {
            tracing::warn!(cause = %error, "benchmarks could not be computed");
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// Computes those that are not of today, a checklist at a time; of how many checklists.
pub async fn once(db: &Db) -> db::Result<usize> {
    let due = db.write(Actor::operator("benchmarks"), benchmarks::due).await?;
    let total = due.len();
    for checklist in due {
        db.write(Actor::operator("benchmarks"), move |tx| {
            // Else another replica is at it.
            if benchmarks::alone(tx)? { compute(tx, checklist) } else { Ok(()) }
        })
        .await?;
    }
    Ok(total)
}

fn compute(tx: &mut Tx<'_>, checklist_id: Uuid) -> db::Result<()> {
    let shared = benchmarks::shared(tx, checklist_id)?;
    let checklist = checklists::find(&mut tx.conn(), &checklists::Sight::default(), &Key::Id(checklist_id))?;
    let outline = items::outline(&mut tx.conn(), checklist.state.framework_id)?;
    let rule = checklist.state.scoring;
    let mut members: BTreeMap<(String, Uuid), Vec<Counted>> = BTreeMap::new();
    for Shared { cohort, assessment_id, position, status, weight } in shared {
        members.entry((cohort, assessment_id)).or_default().push(Counted { position, status, weight });
    }
    // Scores by cohort and group; 0 is all of it. A group in which nothing applies has no score.
    let mut scores: BTreeMap<(String, i32), Vec<i32>> = BTreeMap::new();
    for ((cohort, _), counted) in &members {
        let whole = std::iter::once((0, score::whole(rule, counted)));
        let groups = score::by_group(rule, &outline, counted).into_iter().map(|(group, tally)| (group.position, tally));
        for (position, tally) in whole.chain(groups) {
            if let Some(score) = tally.score() {
                scores.entry((cohort.clone(), position)).or_default().push(score);
            }
        }
    }
    let computed_on = benchmarks::day(tx)?;
    let mut figures = Vec::new();
    for ((cohort, position), mut scores) in scores {
        let count = i32::try_from(scores.len()).unwrap_or(i32::MAX);
        let Some([lower_quartile, median, upper_quartile]) =
            score::quartiles(&mut scores).filter(|_| scores.len() >= FEWEST)
        else {
            continue;
        };
        figures.push(Benchmark {
            checklist_id,
            cohort,
            position,
            computed_on,
            organisation_count: count / 5 * 5,
            lower_quartile,
            median,
            upper_quartile,
        });
    }
    benchmarks::put(tx, checklist_id, computed_on, &figures)
}
