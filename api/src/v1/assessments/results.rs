//! What an assessment comes to: its score, `/assessments/{id}/score`, and as OSCAL, `/assessments/{id}/oscal`.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, Responder};
use chrono::{DateTime, Utc};
use db::assessments::{self, Assessment, AssessmentStatus, Scored, responses};
use db::checklists::{self, Checklist, ScoringRule};
use db::frameworks::items::{self, Grade, Outline};
use db::organisations::Key;
use db::{Conn, Fault, actions, evidence};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{IntoParams, PartialSchema, ToSchema};
use uuid::Uuid;

use super::responses::all;
use super::{AssessmentPath, sight};
use crate::app::App;
use crate::auth::Caller;
use crate::compliance::score::{self, Tally};
use crate::http::etag::{IfNoneMatchHeader, whole};
use crate::http::{Path, Query};
use crate::oscal::document;
use crate::oscal::results::{Addresses, plan, results};
use crate::problem::Problem;
use crate::routes::Routes;
use crate::v1::frameworks::controls::FrameworkGroup;

/// How many actions, and pieces of evidence, a document has at most.
const MOST: i64 = 10_000;
/// How many earlier results are told.
const MOST_EARLIER: i64 = 50;

/// The operations here.
#[must_use]
pub fn routes() -> Routes {
    routes![get_assessment_score, get_assessment_oscal]
}

/// What an assessment comes to.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AssessmentScore {
    /// How it is scored.
    pub scoring: ScoringRule,
    /// All of its controls.
    pub overall: ScoreTally,
    /// The controls in each group, in the order of the framework; groups in groups count for both.
    #[schema(max_items = 20_000)]
    pub groups: Vec<GroupScore>,
    /// What it came to over time: the assessments of the organisation with editions of the same checklist that were submitted,
    /// the earliest first.
    #[schema(max_items = 50)]
    pub history: Vec<ScoreAtTime>,
}

/// What some controls come to.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScoreTally {
    /// Of 100, rounded: the weight of what is met of what applies; what is not answered counts as not met. Null when nothing
    /// applies.
    #[schema(minimum = 0, maximum = 100, example = 82)]
    pub score: Option<i32>,
    /// Achieved when all that applies is met, partially when some of it is in part, else not. Null when nothing applies.
    pub grade: Option<Grade>,
    /// How many controls.
    #[schema(minimum = 0, maximum = 20_000, example = 40)]
    pub control_count: i32,
    /// How many are answered.
    #[schema(minimum = 0, maximum = 20_000, example = 38)]
    pub answered_count: i32,
    /// How many are met.
    #[schema(minimum = 0, maximum = 20_000, example = 30)]
    pub met_count: i32,
    /// How many are partly met.
    #[schema(minimum = 0, maximum = 20_000, example = 4)]
    pub partly_met_count: i32,
    /// How many are not met.
    #[schema(minimum = 0, maximum = 20_000, example = 2)]
    pub not_met_count: i32,
    /// How many do not apply.
    #[schema(minimum = 0, maximum = 20_000, example = 2)]
    pub not_applicable_count: i32,
}

/// What the controls in a group come to.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct GroupScore {
    /// The group.
    pub group: FrameworkGroup,
    #[serde(flatten)]
    pub(crate) tally: ScoreTally,
}

/// What an assessment came to.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScoreAtTime {
    /// Which assessment.
    #[schema(example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    pub assessment: Uuid,
    /// Where it stands.
    pub status: AssessmentStatus,
    /// When it was submitted (UTC).
    #[schema(example = "2026-03-20T15:00:00Z")]
    pub submitted_at: DateTime<Utc>,
    /// Of 100.
    #[schema(minimum = 0, maximum = 100, example = 75)]
    pub score: i32,
}

/// Which document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = "assessment_results")]
#[serde(rename_all = "snake_case")]
pub enum OscalModel {
    /// What was found: a finding for each control, an observation for each piece of evidence.
    AssessmentResults,
    /// What is done about it: an item and a risk for each action.
    PlanOfActionAndMilestones,
}

/// Which document an assessment is read as.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct GetAssessmentOscal {
    /// Model of OSCAL; `assessment_results` when absent.
    #[param(required = false, inline, value_type = OscalModel)]
    model: Option<OscalModel>,
}

/// OSCAL assessment results, or a plan of action and milestones. Of them the document says no more than that: what they
/// consist of, NIST says.
pub struct OscalAssessment;

impl PartialSchema for OscalAssessment {
    fn schema() -> RefOr<Schema> {
        let example = || json!({ "uuid": "3f2504e0-4f89-41d3-9a0c-0305e82c3301" });
        document(
            "OSCAL assessment results, or a plan of action and milestones, as NIST describes them: \
             <https://pages.nist.gov/OSCAL/reference/latest/assessment-results/json-reference/>.",
            [
                ("assessment-results", "Assessment results.", example()),
                ("plan-of-action-and-milestones", "A plan of action and milestones.", example()),
            ],
        )
    }
}

impl ToSchema for OscalAssessment {
    fn name() -> std::borrow::Cow<'static, str> {
        std::borrow::Cow::Borrowed("OscalAssessment")
    }
}

/// The checklist that an assessment goes through.
pub(super) fn checklist(conn: &mut Conn<'_>, of: &Assessment) -> Result<Checklist, Problem> {
    // Whatever became of it since: it was published.
    Ok(checklists::find(conn, &checklists::Sight::default(), &Key::Id(of.checklist_id))?)
}

/// Score an assessment
///
/// As far as it is answered: overall, by group, and over time.
#[utoipa::path(
    get, path = "/assessments/{id}/score", tag = "assessments",
    params(AssessmentPath, IfNoneMatchHeader),
    security(("oauth2" = ["assessments:read"]), ("bearer" = [])),
    responses((status = 200, body = AssessmentScore, description = "The score.")),
)]
async fn get_assessment_score(
    app: Data<App>,
    caller: Caller,
    id: Path<Uuid>,
    request: HttpRequest,
) -> Result<impl Responder, Problem> {
    let (Path(id), actor) = (id, caller.actor()?);
    let of = sight(&actor);
    let read = app.db.read_as(actor, move |conn, roles| {
        let assessment = assessments::find(conn, &of(roles), id)?;
        let checklist = checklist(conn, &assessment)?;
        let counted = responses::counted(conn, &assessment)?;
        let outline = items::outline(conn, checklist.state.framework_id)?;
        let rule = checklist.state.scoring;
        let groups = score::by_group(rule, &outline, &counted);
        let groups = groups.into_iter().map(|(group, tally)| GroupScore { group: named(group), tally: tally.into() });
        let history = assessments::scored(conn, &assessment, MOST_EARLIER)?.into_iter().filter_map(|scored| {
            let Scored { id, status, submitted_at, score } = scored;
            Some(ScoreAtTime { assessment: id, status, submitted_at: submitted_at?, score: score? })
        });
        Ok::<_, Problem>(AssessmentScore {
            scoring: rule,
            overall: score::whole(rule, &counted).into(),
            groups: groups.collect(),
            history: history.collect(),
        })
    });
    whole(&request, &read.await?)
}

fn named(group: &Outline) -> FrameworkGroup {
    FrameworkGroup { id: group.item_id.clone(), label: group.label.clone(), title: group.title.clone() }
}

/// Read an assessment as OSCAL
///
/// As assessment results, or as a plan of action and milestones.
#[utoipa::path(
    get, path = "/assessments/{id}/oscal", tag = "assessments",
    params(AssessmentPath, GetAssessmentOscal, IfNoneMatchHeader),
    security(("oauth2" = ["assessments:read"]), ("bearer" = [])),
    responses(
        (status = 200, body = OscalAssessment, description = "The document."),
        (status = 409, description = "It has no actions, of which a plan would consist."),
    ),
)]
async fn get_assessment_oscal(
    app: Data<App>,
    caller: Caller,
    id: Path<Uuid>,
    query: Query<GetAssessmentOscal>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let (Path(id), Query(GetAssessmentOscal { model }), actor) = (id, query, caller.actor()?);
    let at = Addresses { base: app.config.public_url.clone() };
    let of = sight(&actor);
    let read = app.db.read_as(actor, move |conn, roles| {
        let assessment = assessments::find(conn, &of(roles), id)?;
        match model.unwrap_or(OscalModel::AssessmentResults) {
            OscalModel::AssessmentResults => {
                let most = usize::try_from(MOST).unwrap_or(usize::MAX);
                let evidence = evidence::of_assessment(conn, &assessment, None, most)?.items;
                Ok(results(&assessment, &all(conn, &assessment)?, &evidence, &at))
            }
            OscalModel::PlanOfActionAndMilestones => {
                let actions = actions::of_assessment(conn, assessment.id, MOST)?;
                if actions.is_empty() {
                    let fault = Fault::new("", "empty", "It has no actions, of which a plan would consist.");
                    return Err(Problem::conflict(&[fault]));
                }
                Ok(plan(&assessment, &actions, &at))
            }
        }
    });
    whole(&request, &read.await?)
}

impl From<Tally> for ScoreTally {
    fn from(tally: Tally) -> Self {
        Self {
            score: tally.score(),
            grade: tally.grade(),
            control_count: tally.controls,
            answered_count: tally.answered,
            met_count: tally.met,
            partly_met_count: tally.partly_met,
            not_met_count: tally.not_met,
            not_applicable_count: tally.not_applicable,
        }
    }
}
