//! What an organisation says to each control: `/assessments/{id}/responses`, with its history, and as a table.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, Responder};
use chrono::{DateTime, Utc};
use db::assessments::responses::{
    self, Answered, Filter, IndicatorAnswer as StoredIndicator, LookAgain, ResponseFacts, ResponseState as StoredState,
    ResponseStatus, ResponseVersion as RowVersion,
};
use db::assessments::{self, Assessment};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{AssessmentPath, sight};
use crate::app::App;
use crate::auth::Caller;
use crate::http::etag::{IfNoneMatchHeader, digest, tagged};
use crate::http::spreadsheet;
use crate::http::text::{ControlKey, text};
use crate::http::{Collection, Cursor, Paging, Path, Query};
use crate::problem::Problem;
use crate::routes::Routes;
use crate::v1::frameworks::controls::FrameworkControl;
use crate::v1::people::PersonReference;

/// The operations here.
#[must_use]
pub fn routes() -> Routes {
    routes![list_assessment_responses, export_assessment_responses, list_response_versions]
}

/// What an organisation says to a control.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AssessmentResponse {
    /// What the framework asks.
    pub control: FrameworkControl,
    /// What who keeps the checklist adds to it.
    #[schema(
        min_length = 1,
        max_length = 5000,
        pattern = r"^[^\u0000]+$",
        example = "Ask HR for the list of leavers."
    )]
    pub guidance: Option<String>,
    /// How much it counts for.
    #[schema(minimum = 1, maximum = 100, example = 2)]
    pub weight: i32,
    /// Rises with each change of this response; who changes it says which they read.
    #[schema(minimum = 1, maximum = 2_147_483_647, example = 2)]
    pub version: i32,
    /// When it last changed (UTC).
    #[schema(example = "2026-11-23T09:30:00Z")]
    pub updated_at: DateTime<Utc>,
    /// Who changed it last; null for a program, and once they were erased.
    pub updated_by: Option<PersonReference>,
    /// Who is to answer it.
    pub assignee: Option<PersonReference>,
    #[serde(flatten)]
    pub(crate) said: Said,
    /// What those who assure it want changed; null once it was.
    #[schema(
        min_length = 1,
        max_length = 2000,
        pattern = r"^[^\u0000]+$",
        example = "Show the list of leavers of this quarter."
    )]
    pub change_requested: Option<String>,
    /// Why an answer that was carried forward needs another look; null once somebody took it.
    pub look_again: Option<LookAgain>,
}

/// What is said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Said {
    /// How far it is met; null before it is answered.
    pub status: Option<ResponseStatus>,
    /// How it is met, or what is missing.
    #[schema(
        min_length = 1,
        max_length = 20_000,
        pattern = r"^[^\u0000]*[^\s\u0000][^\u0000]*$",
        example = "HR tells IT each morning who has left."
    )]
    pub statement: Option<String>,
    /// Why it does not apply, or why the answer is another than its indicators give.
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

/// Whether an indicator of good practice holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct IndicatorAnswer {
    /// Its id.
    #[schema(min_length = 1, max_length = 400, pattern = r"^[^\u0000]+$", example = "A1.a.5")]
    pub id: String,
    /// Whether it holds.
    #[schema(example = true)]
    pub met: bool,
    /// What else there is to say.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 5000, pattern = r"^[^\u0000]+$", example = "Since April.")]
    pub remarks: Option<String>,
}

/// One page of responses.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AssessmentResponsePage {
    /// The responses on this page, in the order of the framework.
    #[schema(max_items = 100)]
    pub items: Vec<AssessmentResponse>,
    /// Cursor of the next page; null on the last.
    #[schema(max_length = 2048, pattern = "^[A-Za-z0-9_-]+$", example = "WyJhIl0")]
    pub next_cursor: Option<String>,
}

text! {
    /// Responses as CSV (RFC 4180) in UTF-8 with a header. A cell that a spreadsheet would take for a formula begins with an apostrophe.
    ResponsesCsv, 1 to 100_000_000, r"^[\s\S]", "control,label,group,title,asks,guidance,version,status,statement,justification,evidence,indicatorsMet,assignee,changeRequested,lookAgain\r\naccess-1,A1,Access,Leavers,Accounts of leavers are closed.,,1,,,,,,,,\r\n"
}

/// What somebody said to a control at some time.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResponseVersion {
    /// Id of the control.
    #[schema(min_length = 1, max_length = 400, pattern = r"^[^\u0000-\u0020\u007f]+$", example = "access-1")]
    pub control: String,
    /// Version of the response.
    #[schema(minimum = 1, maximum = 2_147_483_647, example = 2)]
    pub version: i32,
    /// When it was said (UTC).
    #[schema(example = "2026-11-23T09:30:00Z")]
    pub written_at: DateTime<Utc>,
    /// Who said it; null for a program, and once they were erased.
    pub written_by: Option<PersonReference>,
    #[serde(flatten)]
    pub(crate) said: Said,
}

/// One page of what was said.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResponseVersionPage {
    /// What was said, in the order of the framework, the earliest first.
    #[schema(max_items = 100)]
    pub items: Vec<ResponseVersion>,
    /// Cursor of the next page; null on the last.
    #[schema(max_length = 2048, pattern = "^[A-Za-z0-9_-]+$", example = "WyJhIl0")]
    pub next_cursor: Option<String>,
}

/// Filters of responses.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct ListAssessmentResponses {
    /// Id of the control.
    #[serde(default)]
    #[param(max_items = 50, required = false, inline, value_type = Vec<ControlKey>)]
    control: Vec<String>,
    /// How far it is met.
    #[serde(default)]
    #[param(max_items = 4, required = false, inline, value_type = Vec<ResponseStatus>)]
    status: Vec<ResponseStatus>,
    /// Whether it is answered.
    #[param(required = false, value_type = bool, example = false)]
    answered: Option<bool>,
    /// Id of who is to answer it.
    #[param(required = false, value_type = Uuid, example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    assignee: Option<Uuid>,
    /// Whether those who assure it want it changed.
    #[param(required = false, value_type = bool, example = true)]
    change_requested: Option<bool>,
    /// Whether it was carried forward and needs another look.
    #[param(required = false, value_type = bool, example = true)]
    look_again: Option<bool>,
    #[serde(flatten)]
    #[param(ignore)]
    paging: Paging,
}

/// Filters of what was said.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct ListResponseVersions {
    /// Id of the control.
    #[serde(default)]
    #[param(max_items = 50, required = false, inline, value_type = Vec<ControlKey>)]
    control: Vec<String>,
    #[serde(flatten)]
    #[param(ignore)]
    paging: Paging,
}

/// List the responses of an assessment
///
/// One to each control of the checklist, in the order of the framework, with what it asks.
#[utoipa::path(
    get, path = "/assessments/{id}/responses", tag = "assessments",
    params(AssessmentPath, ListAssessmentResponses, Paging, IfNoneMatchHeader),
    security(("oauth2" = ["assessments:read"]), ("bearer" = [])),
    responses((status = 200, body = AssessmentResponsePage, description = "A page of responses.")),
)]
async fn list_assessment_responses(
    app: Data<App>,
    caller: Caller,
    id: Path<Uuid>,
    query: Query<ListAssessmentResponses>,
) -> Result<impl Responder, Problem> {
    let (Path(id), Query(wanted), actor) = (id, query, caller.actor()?);
    let ListAssessmentResponses { control, status, answered, assignee, change_requested, look_again, paging } = wanted;
    let (limit, after): (_, Option<i32>) = (paging.limit(), paging.after()?);
    let filter = Filter { controls: control, statuses: status, answered, assignee, change_requested, look_again };
    let of = sight(&actor);
    let read = app.db.read_as(actor, move |conn, roles| {
        let assessment = assessments::find(conn, &of(roles), id)?;
        Ok::<_, Problem>(responses::list(conn, &assessment, &filter, after, limit)?)
    });
    let page = read.await?.map(AssessmentResponse::from);
    let next = page.next.as_ref().map(Cursor::write);
    Ok(Collection { page: AssessmentResponsePage { items: page.items, next_cursor: next.clone() }, next })
}

/// Columns of the table of responses.
const COLUMNS: [&str; 15] = [
    "control",
    "label",
    "group",
    "title",
    "asks",
    "guidance",
    "version",
    "status",
    "statement",
    "justification",
    "evidence",
    "indicatorsMet",
    "assignee",
    "changeRequested",
    "lookAgain",
];

/// How many responses are read at once.
const PIECE: usize = 500;

/// Export the responses of an assessment
///
/// As a table for spreadsheets, which can be sent back with answers filled in.
#[utoipa::path(
    get, path = "/assessments/{id}/table", tag = "assessments",
    params(AssessmentPath, IfNoneMatchHeader),
    security(("oauth2" = ["assessments:read"]), ("bearer" = [])),
    responses((status = 200, body = ResponsesCsv, content_type = "text/csv", description = "The table.")),
)]
async fn export_assessment_responses(
    app: Data<App>,
    caller: Caller,
    id: Path<Uuid>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let (Path(id), actor) = (id, caller.actor()?);
    let of = sight(&actor);
    let read = app.db.read_as(actor, move |conn, roles| {
        let assessment = assessments::find(conn, &of(roles), id)?;
        all(conn, &assessment)
    });
    let rows = read.await?.into_iter().map(cells);
    let file = spreadsheet::write(COLUMNS, rows)?;
    let tag = format!("\"{}\"", digest(&file));
    Ok(tagged(&request, StatusCode::OK, "text/csv", file, &tag))
}

/// All responses of an assessment that is seen.
pub(super) fn all(conn: &mut db::Conn<'_>, of: &Assessment) -> Result<Vec<Answered>, Problem> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = responses::list(conn, of, &Filter::default(), after, PIECE)?;
        found.extend(page.items);
        let Some(next) = page.next else { return Ok(found) };
        after = Some(next);
    }
}

fn cells(answered: Answered) -> [String; COLUMNS.len()] {
    let Answered { facts, state, selected, control } = answered;
    let spaced = |ids: Vec<String>| ids.join(" ");
    let group = control.group.map(|group| group.0.title);
    [
        facts.control_id,
        control.item.label.unwrap_or_default(),
        group.unwrap_or_default(),
        control.item.title,
        control.item.prose.unwrap_or_default(),
        selected.guidance.unwrap_or_default(),
        facts.version.to_string(),
        state.status.map(|status| status.to_string()).unwrap_or_default(),
        state.statement.unwrap_or_default(),
        state.justification.unwrap_or_default(),
        spaced(state.evidence.0.iter().map(Uuid::to_string).collect()),
        spaced(
            state.indicators.0.into_iter().filter(|indicator| indicator.met).map(|indicator| indicator.id).collect(),
        ),
        state.assignee_id.map(|id| id.to_string()).unwrap_or_default(),
        facts.change_requested.unwrap_or_default(),
        facts.look_again.map(|look| look.to_string()).unwrap_or_default(),
    ]
}

/// List what was said to controls
///
/// Every version of every response, who said it and when.
#[utoipa::path(
    get, path = "/assessments/{id}/history", tag = "assessments",
    params(AssessmentPath, ListResponseVersions, Paging, IfNoneMatchHeader),
    security(("oauth2" = ["assessments:read"]), ("bearer" = [])),
    responses((status = 200, body = ResponseVersionPage, description = "A page of what was said.")),
)]
async fn list_response_versions(
    app: Data<App>,
    caller: Caller,
    id: Path<Uuid>,
    query: Query<ListResponseVersions>,
) -> Result<impl Responder, Problem> {
    let (Path(id), Query(ListResponseVersions { control, paging }), actor) = (id, query, caller.actor()?);
    let (limit, after): (_, Option<(i32, i32)>) = (paging.limit(), paging.after()?);
    let of = sight(&actor);
    let read = app.db.read_as(actor, move |conn, roles| {
        let assessment = assessments::find(conn, &of(roles), id)?;
        Ok::<_, Problem>(responses::history(conn, &assessment, &control, after, limit)?)
    });
    let page = read.await?.map(ResponseVersion::from);
    let next = page.next.as_ref().map(Cursor::write);
    Ok(Collection { page: ResponseVersionPage { items: page.items, next_cursor: next.clone() }, next })
}

impl From<StoredState> for Said {
    fn from(state: StoredState) -> Self {
        let StoredState { assignee_id: _, status, statement, justification, indicators, evidence } = state;
        let indicators = indicators.0.into_iter().map(IndicatorAnswer::from).collect();
        Self { status, statement, justification, indicators, evidence: evidence.0 }
    }
}

impl From<StoredIndicator> for IndicatorAnswer {
    fn from(StoredIndicator { id, met, remarks }: StoredIndicator) -> Self {
        Self { id, met, remarks }
    }
}

impl From<Answered> for AssessmentResponse {
    fn from(Answered { facts, state, selected, control }: Answered) -> Self {
        let ResponseFacts {
            position: _,
            control_id: _,
            version,
            updated_at,
            updated_by,
            assignee,
            change_requested,
            look_again,
        } = facts;
        Self {
            control: control.into(),
            guidance: selected.guidance,
            weight: selected.weight,
            version,
            updated_at,
            updated_by: updated_by.map(|person| person.0.into()),
            assignee: assignee.map(|person| person.0.into()),
            said: state.into(),
            change_requested,
            look_again,
        }
    }
}

impl From<RowVersion> for ResponseVersion {
    fn from(row: RowVersion) -> Self {
        let RowVersion {
            position: _,
            control_id,
            version,
            written_at,
            written_by,
            status,
            statement,
            justification,
            indicators,
            evidence,
        } = row;
        let state = StoredState { assignee_id: None, status, statement, justification, indicators, evidence };
        Self {
            control: control_id,
            version,
            written_at,
            written_by: written_by.map(|person| person.0.into()),
            said: state.into(),
        }
    }
}
