//! Answers to many controls at a time, as JSON or as a table: `PATCH /assessments/{id}/responses`.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest, HttpResponse};
use db::assessments::responses::{
    self, AnswerOutcome, IndicatorAnswer as StoredIndicator, Response, ResponseState as StoredState, ResponseStatus,
    Trail,
};
use db::assessments::{self, Assessment, Lock};
use db::checklists::ScoringRule;
use db::frameworks::items::Indicator;
use db::types::{Json as Column, Uuids};
use db::{Fault, Tx};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use super::responses::{IndicatorAnswer, Said};
use super::{AssessmentPath, own, results};
use crate::app::App;
use crate::auth::Caller;
use crate::compliance::{score, table};
use crate::http::Path;
use crate::http::etag::whole;
use crate::http::json::read_rows;
use crate::http::text::text;
use crate::problem::{Problem, ProblemError};
use crate::routes::Routes;

/// The operations here.
#[must_use]
pub fn routes() -> Routes {
    routes![update_assessment_responses]
}

/// Answers to many controls.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UpdateAssessmentResponses {
    /// The answers, each control once.
    #[schema(min_items = 1, max_items = 2000, example = json!([
        { "control": "access-1", "version": 1, "status": "met", "statement": "HR tells IT each morning who has left." },
    ]))]
    pub answers: Vec<AssessmentAnswer>,
}

/// Answer to a control: what is not said stays, null clears, a value sets.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AssessmentAnswer {
    /// Id of the control.
    #[schema(min_length = 1, max_length = 400, pattern = r"^[^\u0000-\u0020\u007f]+$", example = "access-1")]
    pub control: String,
    /// Version of the response that it takes the place of: when somebody answered since, it is not kept.
    #[schema(minimum = 1, maximum = 2_147_483_647, example = 1)]
    pub version: i32,
    /// Id of who is to answer it: a contributor of the organisation.
    #[serde(default)]
    #[schema(example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    pub assignee: Option<Uuid>,
    /// How far it is met. Where the checklist grades by indicators and some are given, these say so when it is absent or null.
    #[serde(default)]
    pub status: Option<ResponseStatus>,
    /// How it is met, or what is missing.
    #[serde(default)]
    #[schema(
        min_length = 1,
        max_length = 20_000,
        pattern = r"^[^\u0000]*[^\s\u0000][^\u0000]*$",
        example = "HR tells IT each morning who has left."
    )]
    pub statement: Option<String>,
    /// Why it does not apply, or why the answer is another than its indicators give.
    #[serde(default)]
    #[schema(
        min_length = 1,
        max_length = 5000,
        pattern = r"^[^\u0000]*[^\s\u0000][^\u0000]*$",
        example = "There are no contractors."
    )]
    pub justification: Option<String>,
    /// Which indicators of good practice hold; those that are not named do not.
    #[serde(default)]
    #[schema(max_items = 1000, example = json!([]))]
    pub indicators: Vec<IndicatorAnswer>,
    /// Ids of evidence of the organisation that shows it.
    #[serde(default)]
    #[schema(max_items = 50, example = json!([]))]
    pub evidence: Vec<Uuid>,
}

/// What became of answers.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AssessmentAnswerResults {
    /// What became of each, in the order in which they were sent.
    #[schema(max_items = 2000)]
    pub results: Vec<AssessmentAnswerResult>,
}

/// What became of an answer.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AssessmentAnswerResult {
    /// Id of the control.
    #[schema(min_length = 1, max_length = 400, pattern = r"^[^\u0000-\u0020\u007f]+$", example = "access-1")]
    pub control: String,
    /// What became of it.
    pub outcome: AnswerOutcome,
    /// The version of the response from now on; null where there is none.
    #[schema(minimum = 1, maximum = 2_147_483_647, example = 2)]
    pub version: Option<i32>,
    /// What is wrong with it.
    #[schema(max_items = 100)]
    pub errors: Vec<ProblemError>,
}

text! {
    /// Answers as CSV (RFC 4180) in UTF-8 with a header: the columns `control` and `version`, and any of `status`, `statement`, `justification`, `evidence` and `indicatorsMet` (ids with a space between) and `assignee`. Other columns are passed over; a cell that is blank clears what was said.
    AnswersCsv, 1 to 1_048_576, r"^[\s\S]", "control,version,status,statement\naccess-1,1,met,HR tells IT each morning who has left.\n"
}

/// Answers as they were sent: objects that match the document.
pub struct Answers(Vec<Map<String, Value>>);

impl FromRequest for Answers {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let mut body = read_rows(&request, payload, |bytes| table::read(bytes)).await?;
            let rows = body.get_mut("answers").map(Value::take).unwrap_or_default();
            let rows = serde_json::from_value(rows).map_err(|error| Problem::internal(error.to_string()))?;
            Ok(Self(rows))
        })
    }
}

/// Answer many controls of an assessment
///
/// For contributors of the organisation, several at once. Each answer says which version of the response it takes the place
/// of; what became of each is told, and one that is not kept keeps none of the others from being so. As JSON, or as a table
/// that was exported before.
#[utoipa::path(
    patch, path = "/assessments/{id}/responses", tag = "assessments",
    params(AssessmentPath),
    request_body(
        description = "The answers.",
        content((UpdateAssessmentResponses = "application/json"), (AnswersCsv = "text/csv")),
    ),
    security(("oauth2" = ["assessments:write"]), ("bearer" = [])),
    responses(
        (status = 200, body = AssessmentAnswerResults, description = "What became of each."),
        (status = 409, description = "The assessment was submitted."),
    ),
)]
async fn update_assessment_responses(
    app: Data<App>,
    caller: Caller,
    id: Path<Uuid>,
    request: HttpRequest,
    body: Answers,
) -> Result<HttpResponse, Problem> {
    let (Path(id), Answers(rows)) = (id, body);
    let answered = app.db.write(caller.actor()?, move |tx| {
        let current = opened(tx, id)?;
        let results = answer(tx, &current, &rows)?;
        if results.iter().any(|result| result.outcome == AnswerOutcome::Updated) {
            assessments::begin(tx, &current)?;
        }
        Ok::<_, Problem>(results)
    });
    let results = AssessmentAnswerResults { results: answered.await? };
    whole(&request, &results)
}

/// An assessment that is open for answers, locked alone as long as the first is to come, which brings it on; then those who
/// answer do not wait for each other.
fn opened(tx: &mut Tx<'_>, id: Uuid) -> Result<Assessment, Problem> {
    let of = assessments::Sight::new(tx.roles(), tx.actor().principal.user_id());
    let seen = assessments::find(&mut tx.conn(), &of, id)?;
    let alone = seen.status == assessments::AssessmentStatus::Planned;
    let current = own(tx, id, if alone { Lock::Alone } else { Lock::Shared })?;
    assessments::check_open(&current)?;
    Ok(current)
}

/// What is known of all that answers refer to, read at once.
struct Known {
    responses: HashMap<String, Response>,
    indicators: HashMap<i32, Vec<Indicator>>,
    evidence: HashSet<Uuid>,
    people: HashSet<Uuid>,
    rule: ScoringRule,
}

fn ids<'r>(rows: &'r [Map<String, Value>], field: &str) -> Vec<&'r str> {
    rows.iter()
        .filter_map(|row| row.get(field))
        .flat_map(|value| match value {
            Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
            one => one.as_str().into_iter().collect::<Vec<_>>(),
        })
        .collect()
}

impl Known {
    fn read(tx: &mut Tx<'_>, of: &Assessment, rows: &[Map<String, Value>]) -> Result<Self, Problem> {
        let uuids = |field| -> Vec<Uuid> { ids(rows, field).into_iter().filter_map(|id| id.parse().ok()).collect() };
        let controls: Vec<String> = ids(rows, "control").into_iter().map(ToOwned::to_owned).collect();
        let held = responses::lock(tx, of, &controls)?;
        let positions: Vec<i32> = held.iter().map(|response| response.facts.position).collect();
        let conn = &mut tx.conn();
        let indicators = responses::indicators(conn, of, &positions)?;
        Ok(Self {
            responses: held.into_iter().map(|response| (response.facts.control_id.clone(), response)).collect(),
            indicators: indicators.into_iter().map(|(position, indicators)| (position, indicators.0)).collect(),
            evidence: responses::known_evidence(conn, of, &uuids("evidence"))?.into_iter().collect(),
            people: responses::known_people(conn, of.organisation_id, &uuids("assignee"))?.into_iter().collect(),
            rule: results::checklist(conn, of)?.state.scoring,
        })
    }
}

/// Keeps each answer that can be, and tells what became of all.
fn answer(
    tx: &mut Tx<'_>,
    of: &Assessment,
    rows: &[Map<String, Value>],
) -> Result<Vec<AssessmentAnswerResult>, Problem> {
    let known = Known::read(tx, of, rows)?;
    let (mut trail, mut met) = (Trail::default(), HashSet::new());
    let mut results = Vec::with_capacity(rows.len());
    for row in rows {
        let control = row.get("control").and_then(Value::as_str).unwrap_or_default().to_owned();
        let refused = |control: String, version, faults: Vec<Fault>| AssessmentAnswerResult {
            control,
            outcome: AnswerOutcome::Refused,
            version,
            errors: told(faults),
        };
        let Some(current) = known.responses.get(&control) else {
            let detail = "is no control of the checklist";
            results.push(refused(control, None, vec![Fault::new("/control", "unknown_control", detail)]));
            continue;
        };
        let version = current.facts.version;
        if !met.insert(control.clone()) {
            let detail = "was answered before in the same request";
            results.push(refused(control, None, vec![Fault::new("/control", "repeated", detail)]));
            continue;
        }
        if row.get("version").and_then(Value::as_i64) != Some(i64::from(version)) {
            let detail = format!("is {version} by now; read what was said, and answer again");
            let errors = told(vec![Fault::new("/version", "stale", detail)]);
            results.push(AssessmentAnswerResult {
                control,
                outcome: AnswerOutcome::Conflict,
                version: Some(version),
                errors,
            });
            continue;
        }
        match wanted(&known, current, row)? {
            Err(faults) => results.push(refused(control, Some(version), faults)),
            Ok(state) => {
                let kept = responses::answer(tx, of, current, &state, &mut trail)?;
                let outcome = if kept == version { AnswerOutcome::Unchanged } else { AnswerOutcome::Updated };
                results.push(AssessmentAnswerResult { control, outcome, version: Some(kept), errors: Vec::new() });
            }
        }
    }
    responses::audit(tx, of, &trail)?;
    Ok(results)
}

/// Faults as problems have them.
fn told(faults: Vec<Fault>) -> Vec<ProblemError> {
    faults.into_iter().map(|fault| ProblemError::from(&crate::problem::Fault::from(fault))).collect()
}

/// What an answer makes of a response; else what is wrong with it.
fn wanted(
    known: &Known,
    current: &Response,
    row: &Map<String, Value>,
) -> Result<Result<StoredState, Vec<Fault>>, Problem> {
    let held = Answer { assignee: current.state.assignee_id, said: Said::from(current.state.clone()) };
    let mut merged = serde_json::to_value(&held).map_err(|error| Problem::internal(error.to_string()))?;
    if let Some(fields) = merged.as_object_mut() {
        for (name, value) in row.iter().filter(|(name, _)| !["control", "version"].contains(&name.as_str())) {
            fields.insert(name.clone(), value.clone());
        }
        // Null clears a list.
        for list in ["indicators", "evidence"] {
            fields.entry(list).and_modify(|value| {
                if value.is_null() {
                    *value = Value::Array(Vec::new());
                }
            });
        }
    }
    let Answer { assignee, mut said } =
        serde_json::from_value(merged).map_err(|error| Problem::internal(error.to_string()))?;
    let mut faults = Vec::new();
    if assignee.is_some_and(|id| Some(id) != current.state.assignee_id && !known.people.contains(&id)) {
        faults.push(Fault::new("/assignee", "unknown_person", "is no contributor of the organisation"));
    }
    for (index, id) in said.evidence.iter().enumerate() {
        if !known.evidence.contains(id) && !current.state.evidence.0.contains(id) {
            let detail = "is no evidence of the organisation";
            faults.push(Fault::new(format!("/evidence/{index}"), "unknown_evidence", detail));
        } else if said.evidence.iter().take(index).any(|earlier| earlier == id) {
            faults.push(Fault::new(format!("/evidence/{index}"), "repeated", "stands before"));
        }
    }
    let indicators = known.indicators.get(&current.facts.position).map(Vec::as_slice).unwrap_or_default();
    let mut met = HashSet::new();
    for (index, answer) in said.indicators.iter().enumerate() {
        if !indicators.iter().any(|indicator| indicator.id == answer.id) {
            let detail = "is no indicator of the control";
            faults.push(Fault::new(format!("/indicators/{index}/id"), "unknown_indicator", detail));
        } else if !met.insert(&answer.id) {
            faults.push(Fault::new(format!("/indicators/{index}/id"), "repeated", "stands before"));
        }
    }
    if known.rule == ScoringRule::Graded && faults.is_empty() && !said.indicators.is_empty() {
        let silent = row.get("status").is_none_or(Value::is_null) && row.contains_key("indicators");
        faults.extend(graded(indicators, &mut said, silent));
    }
    if said.status == Some(ResponseStatus::NotApplicable) && said.justification.is_none() {
        faults.push(Fault::new("/justification", "required", "must say why it does not apply"));
    }
    faults.truncate(100);
    Ok(if faults.is_empty() { Ok(StoredState::from(Answer { assignee, said })) } else { Err(faults) })
}

/// Holds an answer to the grade that its indicators give: that is the answer where they come without one; another needs a
/// reason.
fn graded(indicators: &[Indicator], said: &mut Said, silent: bool) -> Option<Fault> {
    let answers: Vec<StoredIndicator> = said.indicators.iter().cloned().map(Into::into).collect();
    let derived = score::status(score::grade(indicators, &answers)?);
    if silent {
        said.status = Some(derived);
    }
    let differs = said.status.is_some_and(|status| status != derived && status != ResponseStatus::NotApplicable);
    let detail = format!("must say why it is not {derived}, as its indicators give");
    (differs && said.justification.is_none()).then(|| Fault::new("/justification", "required", detail))
}

/// What an answer sets.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    assignee: Option<Uuid>,
    #[serde(flatten)]
    said: Said,
}

impl From<Answer> for StoredState {
    fn from(Answer { assignee, said }: Answer) -> Self {
        let Said { status, statement, justification, indicators, evidence } = said;
        Self {
            assignee_id: assignee,
            status,
            statement,
            justification,
            indicators: Column(indicators.into_iter().map(Into::into).collect()),
            evidence: Uuids(evidence),
        }
    }
}

impl From<IndicatorAnswer> for StoredIndicator {
    fn from(IndicatorAnswer { id, met, remarks }: IndicatorAnswer) -> Self {
        Self { id, met, remarks }
    }
}
