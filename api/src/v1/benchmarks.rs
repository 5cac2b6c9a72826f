//! Benchmarks: `/benchmarks/{checklist}`, what organisations of a kind come to in it.

use actix_web::web::Data;
use actix_web::{HttpRequest, Responder};
use chrono::NaiveDate;
use db::benchmarks::{self, Benchmark as Row};
use db::checklists::{self, ChecklistState, Sight};
use db::organisations::{Key, OrganisationKind};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::auth::Caller;
use crate::http::Path;
use crate::http::etag::{IfNoneMatchHeader, whole};
use crate::problem::Problem;
use crate::routes::Routes;
use crate::v1::checklists::wire::ChecklistReference;
use crate::v1::frameworks::controls::FrameworkGroup;

/// The operations on benchmarks.
#[must_use]
pub fn routes() -> Routes {
    routes![get_benchmark]
}

/// What organisations come to in a checklist, of those that share their results. There is nothing of a kind of organisation
/// until five of it do; figures are computed once a day and rounded, and organisations count from when five or more of them
/// joined, so that they do not tell what a single one came to.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Benchmark {
    /// In which checklist.
    pub checklist: ChecklistReference,
    /// One for each kind of organisation; none as long as there are too few.
    #[schema(max_items = 10)]
    pub cohorts: Vec<BenchmarkCohort>,
}

/// What organisations of a kind come to.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BenchmarkCohort {
    /// Of which kind.
    pub kind: OrganisationKind,
    /// When it was computed.
    #[schema(example = "2026-11-27")]
    pub computed_on: NaiveDate,
    /// How many there are at least: rounded down to a multiple of five.
    #[schema(minimum = 5, maximum = 1_000_000, example = 15)]
    pub organisation_count: i32,
    /// All controls.
    pub overall: Quartiles,
    /// The controls in each group, in the order of the framework.
    #[schema(max_items = 20_000)]
    pub groups: Vec<GroupBenchmark>,
}

/// Scores of 100, rounded to multiples of five.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Quartiles {
    /// A quarter of them score at most this.
    #[schema(minimum = 0, maximum = 100, example = 55)]
    pub lower_quartile: i32,
    /// Half of them score at most this.
    #[schema(minimum = 0, maximum = 100, example = 70)]
    pub median: i32,
    /// Three quarters of them score at most this.
    #[schema(minimum = 0, maximum = 100, example = 85)]
    pub upper_quartile: i32,
}

/// What organisations come to in a group of controls.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct GroupBenchmark {
    /// The group.
    pub group: FrameworkGroup,
    #[serde(flatten)]
    pub(crate) quartiles: Quartiles,
}

/// Which checklist.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes the parameter that `Path<Key>` reads")]
pub struct BenchmarkPath {
    /// Id or slug of the checklist.
    #[param(min_length = 1, max_length = 80, pattern = "^[a-z0-9]+(-[a-z0-9]+)*$", example = "cyber-baseline")]
    checklist: String,
}

/// Read the benchmarks of a checklist
///
/// By kind of organisation. Whose results they are made of, nobody is told.
#[utoipa::path(
    get, path = "/benchmarks/{checklist}", tag = "assessments",
    params(BenchmarkPath, IfNoneMatchHeader),
    security(("oauth2" = ["assessments:read"]), ("bearer" = [])),
    responses((status = 200, body = Benchmark, description = "The benchmarks.")),
)]
async fn get_benchmark(
    app: Data<App>,
    caller: Caller,
    key: Path<Key>,
    request: HttpRequest,
) -> Result<impl Responder, Problem> {
    let Path(key) = key;
    let read = app.db.read_as(caller.actor()?, move |conn, roles| {
        let checklist = checklists::find(conn, &Sight::new(roles), &key)?;
        let figures = benchmarks::list(conn, checklist.id)?;
        let mut positions: Vec<i32> = figures.iter().map(|figure| figure.position).filter(|place| *place > 0).collect();
        positions.sort_unstable();
        positions.dedup();
        let names = benchmarks::groups(conn, checklist.id, &positions)?;
        let ChecklistState { slug, title, edition, .. } = checklist.state;
        let checklist = ChecklistReference { id: checklist.id, slug, title, edition };
        Ok::<_, Problem>(Benchmark { checklist, cohorts: cohorts(&figures, &names) })
    });
    whole(&request, &read.await?)
}

fn cohorts(figures: &[Row], names: &[benchmarks::GroupName]) -> Vec<BenchmarkCohort> {
    let overall = figures.iter().filter(|figure| figure.position == 0);
    let cohort = |whole: &Row| {
        let of_groups = figures.iter().filter(|figure| figure.cohort == whole.cohort && figure.position > 0);
        let group = |figure: &Row| {
            let (_, id, label, title) = names.iter().find(|(position, ..)| *position == figure.position)?.clone();
            Some(GroupBenchmark { group: FrameworkGroup { id, label, title }, quartiles: figure.into() })
        };
        Some(BenchmarkCohort {
            kind: whole.cohort.parse().ok()?,
            computed_on: whole.computed_on,
            organisation_count: whole.organisation_count,
            overall: whole.into(),
            groups: of_groups.filter_map(group).collect(),
        })
    };
    overall.filter_map(cohort).collect()
}

impl From<&Row> for Quartiles {
    fn from(row: &Row) -> Self {
        let Row { lower_quartile, median, upper_quartile, .. } = *row;
        Self { lower_quartile, median, upper_quartile }
    }
}
