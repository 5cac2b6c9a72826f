//! Evidence: `/evidence`, and that of an assessment, `/assessments/{id}/evidence`; its files are in `content`. Private, like the
//! assessments with which it goes.

mod content;

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpResponse, Responder};
use chrono::{DateTime, NaiveDate, Utc};
use db::assessments::{self, Lock};
use db::evidence::{self, Evidence as Row, EvidenceState as StoredState, Filter, InDatabase, Revision, Used};
use db::organisations::Key;
use db::page::ById;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use validator::Validate;

use crate::app::App;
use crate::auth::{Caller, rules};
use crate::http::etag::{IfMatchHeader, IfNoneMatchHeader};
use crate::http::idempotency::IdempotencyKeyHeader;
use crate::http::text::{ControlKey, OrganisationKey};
use crate::http::{Collection, Cursor, IfMatch, Json, Once, Paging, Patch, Path, Query, Single};
use crate::merge_patch;
use crate::problem::Problem;
use crate::routes::Routes;
use crate::v1::assessments::{AssessmentPath, own, sight, unknown_controls};
use crate::v1::organisations::wire::OrganisationReference;
use crate::v1::people::PersonReference;

/// How many revisions are told, the latest first.
const MOST_REVISIONS: i64 = 100;

/// The operations on evidence.
#[must_use]
pub fn routes() -> Routes {
    routes![
        list_evidence,
        get_evidence,
        update_evidence,
        delete_evidence,
        list_assessment_evidence,
        create_assessment_evidence
    ]
    .merge(content::routes())
}

/// What shows that something is so: a link or a file. An organisation has it once and uses it in many responses.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    /// Identifier, UUIDv7.
    #[schema(read_only, example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    pub id: Uuid,
    /// Rises with each change; the entity tag begins with it.
    #[schema(read_only, minimum = 1, maximum = 2_147_483_647, example = 1)]
    pub version: i32,
    /// When it was added (UTC).
    #[schema(read_only, example = "2026-11-23T09:30:00Z")]
    pub created_at: DateTime<Utc>,
    /// When it last changed (UTC).
    #[schema(read_only, example = "2026-11-23T09:30:00Z")]
    pub updated_at: DateTime<Utc>,
    /// Whose it is.
    pub organisation: OrganisationReference,
    /// What it is.
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\u0000-\u001f\u007f]*[^\s\u0000-\u001f\u007f][^\u0000-\u001f\u007f]*$",
        example = "Leavers of the third quarter"
    )]
    pub title: String,
    #[serde(flatten)]
    pub(crate) revision: EvidenceRevision,
    /// What it was and is, the latest first; of one in a list null.
    #[schema(read_only, max_items = 100)]
    pub revisions: Option<Vec<EvidenceRevision>>,
    /// Ids of the controls whose responses it goes with, in the assessment whose evidence is listed; elsewhere null.
    #[schema(read_only, max_items = 20_000, value_type = Option<Vec<ControlKey>>, example = json!(["access-1"]))]
    pub controls: Option<Vec<String>>,
}

/// What evidence was from some time on. It never changes; another revision takes its place.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EvidenceRevision {
    /// Its number, from 1.
    #[schema(read_only, minimum = 1, maximum = 2_147_483_647, example = 1)]
    pub revision: i32,
    /// Since when (UTC).
    #[schema(read_only, example = "2026-11-23T09:30:00Z")]
    pub revised_at: DateTime<Utc>,
    /// Who added it; null for a program, and once they were erased.
    pub revised_by: Option<PersonReference>,
    /// Where it is: http or https; null for a file.
    #[schema(
        format = "uri",
        min_length = 8,
        max_length = 2000,
        pattern = "^https?://[^\\u0000-\\u0020\\u007f]+$",
        example = "https://intranet.example/leavers"
    )]
    pub url: Option<String>,
    /// What the file is called.
    #[schema(min_length = 1, max_length = 200, pattern = r"^[^\u0000-\u001f\u007f/\\]+$", example = "leavers.pdf")]
    pub file_name: Option<String>,
    /// Media type of the file; null as long as there is none.
    #[schema(read_only, max_length = 100, pattern = "^[a-z0-9.+-]+/[a-z0-9.+-]+$", example = "application/pdf")]
    pub media_type: Option<String>,
    /// How many bytes the file has; null as long as there is none.
    #[schema(read_only, minimum = 1, maximum = 33_554_432, example = 18_230)]
    pub size: Option<i64>,
    /// SHA-256 of the file, in hexadecimal; null as long as there is none.
    #[schema(
        read_only,
        min_length = 64,
        max_length = 64,
        pattern = "^[0-9a-f]{64}$",
        example = "9f2c11aa04d15f0c8d7be1a94f3d8a21c6b0e47f9d325f0c8d7be1a94f3d8a21"
    )]
    pub sha256: Option<String>,
    /// Last day on which it shows anything; null where it does not expire.
    #[schema(example = "2027-09-30")]
    pub expires_on: Option<NaiveDate>,
    /// Whether that day is over: an assessment is not submitted with it.
    #[schema(read_only, example = false)]
    pub expired: bool,
}

/// Evidence to add: a link, or what is to be a file, which is sent to `/content` below it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct CreateAssessmentEvidence {
    #[serde(flatten)]
    #[validate(nested)]
    pub(crate) state: EvidenceState,
    /// Ids of controls of the assessment whose responses it goes with.
    #[serde(default)]
    #[schema(max_items = 1000, value_type = Vec<ControlKey>, example = json!([]))]
    pub controls: Vec<String>,
}

/// What can be changed of evidence, beside the bytes of a file. A change of anything but the title makes another revision.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct EvidenceState {
    /// What it is.
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\u0000-\u001f\u007f]*[^\s\u0000-\u001f\u007f][^\u0000-\u001f\u007f]*$",
        example = "Leavers of the third quarter"
    )]
    pub title: String,
    /// Where it is: http or https. With one it is a link, and no file.
    #[serde(default)]
    #[schema(
        format = "uri",
        min_length = 8,
        max_length = 2000,
        pattern = "^https?://[^\\u0000-\\u0020\\u007f]+$",
        example = "https://intranet.example/leavers"
    )]
    pub url: Option<String>,
    /// What the file is called.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 200, pattern = r"^[^\u0000-\u001f\u007f/\\]+$", example = "leavers.pdf")]
    pub file_name: Option<String>,
    /// Last day on which it shows anything.
    #[serde(default)]
    #[schema(example = "2027-09-30")]
    pub expires_on: Option<NaiveDate>,
}

merge_patch! {
    /// Change to evidence, as a JSON merge patch (RFC 7396): only what is to change; null clears.
    UpdateEvidence of EvidenceState
}

/// One page of evidence.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EvidencePage {
    /// The evidence on this page, the newest first.
    #[schema(max_items = 100)]
    pub items: Vec<Evidence>,
    /// Cursor of the next page; null on the last.
    #[schema(max_length = 2048, pattern = "^[A-Za-z0-9_-]+$", example = "WyJhIl0")]
    pub next_cursor: Option<String>,
}

/// Filters of the list of evidence.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct ListEvidence {
    /// Organisation whose it is, by id or slug.
    #[serde(default)]
    #[param(max_items = 50, required = false, inline, value_type = Vec<OrganisationKey>)]
    organisation: Vec<String>,
    /// That expires before this day.
    #[param(required = false, value_type = NaiveDate, example = "2027-01-01")]
    expires_before: Option<NaiveDate>,
    #[serde(flatten)]
    #[param(ignore)]
    paging: Paging,
}

/// Which page of the evidence of an assessment.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct ListAssessmentEvidence {
    #[serde(flatten)]
    #[param(ignore)]
    paging: Paging,
}

/// Which evidence.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes the parameter that `Path` reads")]
pub struct EvidencePath {
    /// Id of the evidence.
    #[param(example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    id: Uuid,
}

/// List evidence
///
/// The newest first: that of the caller's organisations, and what goes with assessments that they are to assure.
#[utoipa::path(
    get, path = "/evidence", tag = "assessments",
    params(ListEvidence, Paging, IfNoneMatchHeader),
    security(("oauth2" = ["assessments:read"]), ("bearer" = [])),
    responses((status = 200, body = EvidencePage, description = "A page of evidence.")),
)]
async fn list_evidence(app: Data<App>, caller: Caller, query: Query<ListEvidence>) -> Result<impl Responder, Problem> {
    let Query(ListEvidence { organisation, expires_before, paging }) = query;
    let (limit, after): (_, Option<ById>) = (paging.limit(), paging.after()?);
    let organisations = organisation.iter().map(|key| Key::from(key.as_str())).collect();
    let filter = Filter { organisations, expires_before };
    let actor = caller.actor()?;
    let of = sight(&actor);
    let read = app
        .db
        .read_as(actor, move |conn, roles| Ok::<_, Problem>(evidence::list(conn, &of(roles), &filter, after, limit)?));
    let page = read.await?.map(|row| Evidence::new(row, None, None));
    let next = page.next.as_ref().map(Cursor::write);
    Ok(Collection { page: EvidencePage { items: page.items, next_cursor: next.clone() }, next })
}

/// Read evidence
///
/// With its revisions.
#[utoipa::path(
    get, path = "/evidence/{id}", tag = "assessments",
    params(EvidencePath, IfNoneMatchHeader),
    security(("oauth2" = ["assessments:read"]), ("bearer" = [])),
    responses((status = 200, body = Evidence, description = "The evidence.")),
)]
async fn get_evidence(app: Data<App>, caller: Caller, id: Path<Uuid>) -> Result<impl Responder, Problem> {
    let (Path(id), actor) = (id, caller.actor()?);
    let of = sight(&actor);
    let read = app.db.read_as(actor, move |conn, roles| {
        let found = evidence::find(conn, &of(roles), id)?;
        let revisions = evidence::revisions(conn, id, MOST_REVISIONS)?;
        Ok::<_, Problem>(shown(found, revisions))
    });
    read.await
}

/// Change evidence
///
/// For contributors of the organisation. What was submitted with an assessment stays as it was there.
#[utoipa::path(
    patch, path = "/evidence/{id}", tag = "assessments",
    params(EvidencePath, IfMatchHeader),
    request_body(
        content = UpdateEvidence, content_type = "application/merge-patch+json",
        description = "The fields to change.",
    ),
    security(("oauth2" = ["assessments:write"]), ("bearer" = [])),
    responses((status = 200, body = Evidence, description = "The evidence, as changed.")),
)]
async fn update_evidence(
    app: Data<App>,
    caller: Caller,
    ids: Path<Uuid>,
    if_match: IfMatch,
    patch: Patch,
) -> Result<impl Responder, Problem> {
    let Path(id) = ids;
    let changed = app.db.write(caller.actor()?, move |tx| {
        let current = kept(tx, id)?;
        if_match.check(current.version)?;
        let wanted: EvidenceState = patch.apply(&EvidenceState::from(current.state()))?;
        let changed = evidence::update(tx, &InDatabase, &current, &wanted.into())?;
        Ok::<_, Problem>(shown(changed, evidence::revisions(&mut tx.conn(), id, MOST_REVISIONS)?))
    });
    changed.await
}

/// Remove evidence
///
/// For contributors of the organisation, as long as no response uses it.
#[utoipa::path(
    delete, path = "/evidence/{id}", tag = "assessments",
    params(EvidencePath, IfMatchHeader),
    security(("oauth2" = ["assessments:write"]), ("bearer" = [])),
    responses((status = 204, description = "Removed."), (status = 409, description = "A response uses it.")),
)]
async fn delete_evidence(
    app: Data<App>,
    caller: Caller,
    id: Path<Uuid>,
    if_match: IfMatch,
) -> Result<impl Responder, Problem> {
    let Path(id) = id;
    app.db
        .write(caller.actor()?, move |tx| {
            let current = kept(tx, id)?;
            if_match.check(current.version)?;
            Ok::<_, Problem>(evidence::delete(tx, &current)?)
        })
        .await?;
    Ok(HttpResponse::new(StatusCode::NO_CONTENT))
}

/// List the evidence of an assessment
///
/// The newest first, in the revision that was submitted or, before, as it is today, with the controls whose responses it goes
/// with.
#[utoipa::path(
    get, path = "/assessments/{id}/evidence", tag = "assessments",
    params(AssessmentPath, ListAssessmentEvidence, Paging, IfNoneMatchHeader),
    security(("oauth2" = ["assessments:read"]), ("bearer" = [])),
    responses((status = 200, body = EvidencePage, description = "A page of evidence.")),
)]
async fn list_assessment_evidence(
    app: Data<App>,
    caller: Caller,
    id: Path<Uuid>,
    query: Query<ListAssessmentEvidence>,
) -> Result<impl Responder, Problem> {
    let (Path(id), Query(ListAssessmentEvidence { paging }), actor) = (id, query, caller.actor()?);
    let (limit, after): (_, Option<ById>) = (paging.limit(), paging.after()?);
    let of = sight(&actor);
    let read = app.db.read_as(actor, move |conn, roles| {
        let assessment = assessments::find(conn, &of(roles), id)?;
        Ok::<_, Problem>(evidence::of_assessment(conn, &assessment, after, limit)?)
    });
    let page = read.await?.map(|Used { evidence, controls }| Evidence::new(evidence, None, Some(controls)));
    let next = page.next.as_ref().map(Cursor::write);
    Ok(Collection { page: EvidencePage { items: page.items, next_cursor: next.clone() }, next })
}

/// Add evidence to an assessment
///
/// To what the organisation has, for its contributors, and to responses of the assessment. What it has already is named in
/// `evidence` of a response.
#[utoipa::path(
    post, path = "/assessments/{id}/evidence", tag = "assessments",
    params(AssessmentPath, IdempotencyKeyHeader),
    request_body(content = CreateAssessmentEvidence, description = "The evidence to add."),
    security(("oauth2" = ["assessments:write"]), ("bearer" = [])),
    responses(
        (status = 201, body = Evidence, description = "The evidence, as added."),
        (status = 409, description = "The assessment was submitted, or its checklist has no such control."),
    ),
)]
async fn create_assessment_evidence(
    once: Once,
    id: Path<Uuid>,
    body: Json<CreateAssessmentEvidence>,
) -> Result<impl Responder, Problem> {
    let (Path(id), Json(CreateAssessmentEvidence { state, controls })) = (id, body);
    let added = once.run(move |tx| {
        let current = own(tx, id, Lock::Alone)?;
        assessments::check_open(&current)?;
        let faults = unknown_controls(tx, &current, &controls, |index| format!("/controls/{index}"))?;
        if !faults.is_empty() {
            return Err(Problem::conflict(&faults));
        }
        let current = if controls.is_empty() { current } else { assessments::begin(tx, &current)? };
        let added = evidence::create(tx, Uuid::now_v7(), current.organisation_id, &state.clone().into())?;
        evidence::attach(tx, &current, &added, &controls)?;
        let (version, path) = (added.version, path_of(added.id));
        let revisions = evidence::revisions(&mut tx.conn(), added.id, MOST_REVISIONS)?;
        Ok(Single::created(Evidence::new(added, Some(revisions), Some(controls.clone())), version, path))
    });
    added.await
}

/// One piece of evidence, locked, for who may write it.
fn kept(tx: &mut db::Tx<'_>, id: Uuid) -> Result<Row, Problem> {
    let current = evidence::lock(tx, id)?;
    rules::may_assess(tx.roles(), current.organisation_id)?;
    Ok(current)
}

fn shown(evidence: Row, revisions: Vec<Revision>) -> Single<Evidence> {
    let (version, path) = (evidence.version, path_of(evidence.id));
    Single::ok(Evidence::new(evidence, Some(revisions), None), version).with_link(&path, "self")
}

fn path_of(id: Uuid) -> String {
    format!("/v1/evidence/{id}")
}

impl Evidence {
    fn new(row: Row, revisions: Option<Vec<Revision>>, controls: Option<Vec<String>>) -> Self {
        let Row { id, version, created_at, updated_at, organisation_id: _, organisation, title, latest: _, revision } =
            row;
        Self {
            id,
            version,
            created_at,
            updated_at,
            organisation: organisation.0.into(),
            title,
            revision: revision.into(),
            revisions: revisions.map(|revisions| revisions.into_iter().map(Into::into).collect()),
            controls,
        }
    }
}

impl From<Revision> for EvidenceRevision {
    fn from(row: Revision) -> Self {
        let Revision {
            revision,
            created_at,
            created_by,
            url,
            file_name,
            media_type,
            size,
            sha256,
            expires_on,
            expired,
        } = row;
        Self {
            revision,
            revised_at: created_at,
            revised_by: created_by.map(|person| person.0.into()),
            url,
            file_name,
            media_type,
            size,
            sha256,
            expires_on,
            expired,
        }
    }
}

impl From<EvidenceState> for StoredState {
    fn from(EvidenceState { title, url, file_name, expires_on }: EvidenceState) -> Self {
        Self { title, url, file_name, expires_on }
    }
}

impl From<StoredState> for EvidenceState {
    fn from(StoredState { title, url, file_name, expires_on }: StoredState) -> Self {
        Self { title, url, file_name, expires_on }
    }
}
