//! Actions: `/actions`, and those out of an assessment, `/assessments/{id}/actions`. A plan of action and milestones.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpResponse, Responder};
use chrono::{DateTime, NaiveDate, Utc};
use db::actions::{self, Action as Row, ActionState as StoredState, ActionStatus, Filter, Position};
use db::assessments::{self, Assessment, Lock, responses};
use db::organisations::Key;
use db::types::Texts;
use db::{Fault, Tx};
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

/// The operations on actions.
#[must_use]
pub fn routes() -> Routes {
    routes![list_actions, get_action, update_action, delete_action, list_assessment_actions, create_assessment_action]
}

/// What is to be done about controls that are not met.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Action {
    /// Identifier, UUIDv7.
    #[schema(read_only, example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    pub id: Uuid,
    /// Rises by one with each change; the entity tag begins with it.
    #[schema(read_only, minimum = 1, maximum = 2_147_483_647, example = 1)]
    pub version: i32,
    /// When it was planned (UTC).
    #[schema(read_only, example = "2026-11-23T09:30:00Z")]
    pub created_at: DateTime<Utc>,
    /// When it last changed (UTC).
    #[schema(read_only, example = "2026-11-23T09:30:00Z")]
    pub updated_at: DateTime<Utc>,
    /// Out of which assessment.
    #[schema(read_only, example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    pub assessment: Uuid,
    /// Whose it is.
    pub organisation: OrganisationReference,
    #[serde(flatten)]
    pub(crate) facts: ActionFacts,
    /// Who sees to it; null for nobody yet, and once they were erased.
    pub owner: Option<PersonReference>,
    /// Whether it is to be done by a day that is over, and was not.
    #[schema(read_only, example = false)]
    pub overdue: bool,
}

/// What is said of an action, the same to add and to change it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ActionFacts {
    /// What is to be done.
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\u0000-\u001f\u007f]*[^\s\u0000-\u001f\u007f][^\u0000-\u001f\u007f]*$",
        example = "Have HR tell IT of leavers"
    )]
    pub title: String,
    /// How.
    #[serde(default)]
    #[schema(
        min_length = 1,
        max_length = 5000,
        pattern = r"^[^\u0000]*[^\s\u0000][^\u0000]*$",
        example = "A report each morning."
    )]
    pub description: Option<String>,
    /// By when.
    #[schema(example = "2027-03-31")]
    pub due_on: NaiveDate,
    /// Where it stands.
    #[serde(default = "open")]
    pub status: ActionStatus,
    /// When it was completed; one that is completed has a day, others have none.
    #[serde(default)]
    #[schema(example = "2027-02-14")]
    pub completed_on: Option<NaiveDate>,
    /// Ids of the controls of the assessment that it is about.
    #[serde(default)]
    #[schema(max_items = 100, value_type = Vec<ControlKey>, example = json!(["access-1"]))]
    pub controls: Vec<String>,
}

fn open() -> ActionStatus {
    ActionStatus::Open
}

/// Action to plan; and what can be changed of one.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct ActionState {
    #[serde(flatten)]
    #[validate(nested)]
    pub(crate) facts: ActionFacts,
    /// Id of who sees to it: a contributor of the organisation.
    #[serde(default)]
    #[schema(example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    pub owner: Option<Uuid>,
}

merge_patch! {
    /// Change to an action, as a JSON merge patch (RFC 7396): only what is to change; null clears.
    UpdateAction of ActionState
}

/// One page of actions.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ActionPage {
    /// The actions on this page, those first that are due first.
    #[schema(max_items = 100)]
    pub items: Vec<Action>,
    /// Cursor of the next page; null on the last.
    #[schema(max_length = 2048, pattern = "^[A-Za-z0-9_-]+$", example = "WyJhIl0")]
    pub next_cursor: Option<String>,
}

/// Filters of the list of actions.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct ListActions {
    /// Organisation whose they are, by id or slug.
    #[serde(default)]
    #[param(max_items = 50, required = false, inline, value_type = Vec<OrganisationKey>)]
    organisation: Vec<String>,
    /// Id of who sees to them.
    #[param(required = false, value_type = Uuid, example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    owner: Option<Uuid>,
    /// Where they stand.
    #[serde(default)]
    #[param(max_items = 4, required = false, inline, value_type = Vec<ActionStatus>)]
    status: Vec<ActionStatus>,
    /// Whether they are to be done by a day that is over, and were not.
    #[param(required = false, value_type = bool, example = true)]
    overdue: Option<bool>,
    #[serde(flatten)]
    #[param(ignore)]
    paging: Paging,
}

/// Which page of the actions out of an assessment.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct ListAssessmentActions {
    #[serde(flatten)]
    #[param(ignore)]
    paging: Paging,
}

/// Which action.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes the parameter that `Path` reads")]
pub struct ActionPath {
    /// Id of the action.
    #[param(example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    id: Uuid,
}

/// List actions
///
/// Those first that are due first, out of every assessment that the caller sees. `overdue=true` gives what is late.
#[utoipa::path(
    get, path = "/actions", tag = "assessments",
    params(ListActions, Paging, IfNoneMatchHeader),
    security(("oauth2" = ["assessments:read"]), ("bearer" = [])),
    responses((status = 200, body = ActionPage, description = "A page of actions.")),
)]
async fn list_actions(app: Data<App>, caller: Caller, query: Query<ListActions>) -> Result<impl Responder, Problem> {
    let Query(ListActions { organisation, owner, status, overdue, paging }) = query;
    let organisations = organisation.iter().map(|key| Key::from(key.as_str())).collect();
    let filter = Filter { assessment: None, organisations, owner, statuses: status, overdue };
    listed(&app, &caller, filter, &paging).await
}

/// List the actions out of an assessment
///
/// Those first that are due first.
#[utoipa::path(
    get, path = "/assessments/{id}/actions", tag = "assessments",
    params(AssessmentPath, ListAssessmentActions, Paging, IfNoneMatchHeader),
    security(("oauth2" = ["assessments:read"]), ("bearer" = [])),
    responses((status = 200, body = ActionPage, description = "A page of actions.")),
)]
async fn list_assessment_actions(
    app: Data<App>,
    caller: Caller,
    id: Path<Uuid>,
    query: Query<ListAssessmentActions>,
) -> Result<impl Responder, Problem> {
    let (Path(id), Query(ListAssessmentActions { paging })) = (id, query);
    listed(&app, &caller, Filter { assessment: Some(id), ..Filter::default() }, &paging).await
}

async fn listed(
    app: &App,
    caller: &Caller,
    filter: Filter,
    paging: &Paging,
) -> Result<Collection<ActionPage>, Problem> {
    let (limit, after): (_, Option<Position>) = (paging.limit(), paging.after()?);
    let actor = caller.actor()?;
    let of = sight(&actor);
    let read = app.db.read_as(actor, move |conn, roles| {
        let sight = of(roles);
        if let Some(id) = filter.assessment {
            assessments::find(conn, &sight, id)?;
        }
        Ok::<_, Problem>(actions::list(conn, &sight, &filter, after, limit)?)
    });
    let page = read.await?.map(Action::from);
    let next = page.next.as_ref().map(Cursor::write);
    Ok(Collection { page: ActionPage { items: page.items, next_cursor: next.clone() }, next })
}

/// Plan an action
///
/// Out of an assessment, wherever that stands, for contributors of the organisation.
#[utoipa::path(
    post, path = "/assessments/{id}/actions", tag = "assessments",
    params(AssessmentPath, IdempotencyKeyHeader),
    request_body(content = ActionState, description = "The action to plan."),
    security(("oauth2" = ["assessments:write"]), ("bearer" = [])),
    responses(
        (status = 201, body = Action, description = "The action, as planned."),
        (status = 409, description = "Its owner is no contributor, or the checklist has no such control."),
    ),
)]
async fn create_assessment_action(
    once: Once,
    id: Path<Uuid>,
    body: Json<ActionState>,
) -> Result<impl Responder, Problem> {
    let (Path(id), Json(wanted)) = (id, body);
    let planned = once.run(move |tx| {
        let assessment = own(tx, id, Lock::Shared)?;
        let state = checked(tx, &assessment, &wanted, None)?;
        let planned = actions::create(tx, Uuid::now_v7(), &assessment, &state)?;
        let (version, path) = (planned.version, path_of(planned.id));
        Ok(Single::created(Action::from(planned), version, path))
    });
    planned.await
}

/// What a writer wants of an action, checked against its assessment.
fn checked(
    tx: &mut Tx<'_>,
    of: &Assessment,
    wanted: &ActionState,
    current: Option<&Row>,
) -> Result<StoredState, Problem> {
    let ActionState { facts: ActionFacts { title, description, due_on, status, completed_on, controls }, owner } =
        wanted.clone();
    let completed = status == ActionStatus::Completed;
    if completed != completed_on.is_some() {
        let detail =
            if completed { "must be given: it is completed" } else { "must not be given: it is not completed" };
        return Err(Problem::invalid([Fault::new("/completedOn", "contradictory", detail)]));
    }
    let mut faults = Vec::new();
    let held = current.and_then(|current| current.state.owner_id);
    if let Some(id) = owner.filter(|id| Some(*id) != held)
        && responses::known_people(&mut tx.conn(), of.organisation_id, &[id])?.is_empty()
    {
        faults.push(Fault::new("/owner", "unknown_person", "is no contributor of the organisation"));
    }
    faults.extend(unknown_controls(tx, of, &controls, |index| format!("/controls/{index}"))?);
    for (index, control) in controls.iter().enumerate() {
        if controls.iter().take(index).any(|earlier| earlier == control) {
            faults.push(Fault::new(format!("/controls/{index}"), "repeated", "stands before"));
        }
    }
    if !faults.is_empty() {
        return Err(Problem::conflict(&faults));
    }
    let controls = Texts(controls);
    Ok(StoredState { title, description, owner_id: owner, due_on, status, completed_on, controls })
}

/// Read an action
///
/// For those who see the assessment.
#[utoipa::path(
    get, path = "/actions/{id}", tag = "assessments",
    params(ActionPath, IfNoneMatchHeader),
    security(("oauth2" = ["assessments:read"]), ("bearer" = [])),
    responses((status = 200, body = Action, description = "The action.")),
)]
async fn get_action(app: Data<App>, caller: Caller, id: Path<Uuid>) -> Result<impl Responder, Problem> {
    let (Path(id), actor) = (id, caller.actor()?);
    let of = sight(&actor);
    let read = app.db.read_as(actor, move |conn, roles| Ok::<_, Problem>(shown(actions::find(conn, &of(roles), id)?)));
    read.await
}

/// Change an action
///
/// For contributors of the organisation.
#[utoipa::path(
    patch, path = "/actions/{id}", tag = "assessments",
    params(ActionPath, IfMatchHeader),
    request_body(
        content = UpdateAction, content_type = "application/merge-patch+json",
        description = "The fields to change.",
    ),
    security(("oauth2" = ["assessments:write"]), ("bearer" = [])),
    responses(
        (status = 200, body = Action, description = "The action, as changed."),
        (status = 409, description = "Its owner is no contributor, or the checklist has no such control."),
    ),
)]
async fn update_action(
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
        let wanted: ActionState = patch.apply(&ActionState::from(&current.state))?;
        let assessment = own(tx, current.assessment_id, Lock::Shared)?;
        let state = checked(tx, &assessment, &wanted, Some(&current))?;
        Ok::<_, Problem>(shown(actions::update(tx, &current, &state)?))
    });
    changed.await
}

/// Remove an action
///
/// That should not have been planned, for contributors of the organisation. What is not done after all is cancelled instead.
#[utoipa::path(
    delete, path = "/actions/{id}", tag = "assessments",
    params(ActionPath, IfMatchHeader),
    security(("oauth2" = ["assessments:write"]), ("bearer" = [])),
    responses((status = 204, description = "Removed.")),
)]
async fn delete_action(
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
            Ok::<_, Problem>(actions::delete(tx, &current)?)
        })
        .await?;
    Ok(HttpResponse::new(StatusCode::NO_CONTENT))
}

/// One action, locked, for who may write it.
fn kept(tx: &mut Tx<'_>, id: Uuid) -> Result<Row, Problem> {
    let current = actions::lock(tx, id)?;
    rules::may_assess(tx.roles(), current.organisation_id)?;
    Ok(current)
}

fn shown(action: Row) -> Single<Action> {
    let (version, path) = (action.version, path_of(action.id));
    Single::ok(Action::from(action), version).with_link(&path, "self")
}

fn path_of(id: Uuid) -> String {
    format!("/v1/actions/{id}")
}

impl From<&StoredState> for ActionState {
    fn from(state: &StoredState) -> Self {
        let StoredState { title, description, owner_id, due_on, status, completed_on, controls } = state.clone();
        let facts = ActionFacts { title, description, due_on, status, completed_on, controls: controls.0 };
        Self { facts, owner: owner_id }
    }
}

impl From<Row> for Action {
    fn from(row: Row) -> Self {
        let ActionState { facts, owner: _ } = ActionState::from(&row.state);
        let Row {
            id,
            version,
            created_at,
            updated_at,
            assessment_id,
            organisation_id: _,
            organisation,
            owner,
            state: _,
            overdue,
        } = row;
        Self {
            id,
            version,
            created_at,
            updated_at,
            assessment: assessment_id,
            organisation: organisation.0.into(),
            facts,
            owner: owner.map(|person| person.0.into()),
            overdue,
        }
    }
}
