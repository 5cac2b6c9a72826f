//! Assessments: `/assessments`. [`wire`] has the types; what is said to controls is in `responses`, how many
//! of them are answered at once in `answers`, what those who assess and
//! those who assure say to each other in `comments`, what it all comes to in `results`.

mod answers;
mod comments;
pub mod responses;
mod results;
pub mod wire;

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpResponse, Responder};
use chrono::Months;
use db::assessments::{self, AssessmentStatus, Filter, Lock, NewAssurer, Origin, Sight, assurance};
use db::checklists::{self, ChecklistStatus};
use db::organisations::{self, Key};
use db::{Actor, Fault, Roles, Tx};
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use crate::app::App;
use crate::auth::{Caller, rules};
use crate::compliance::score;
use crate::http::etag::{IfMatchHeader, IfNoneMatchHeader};
use crate::http::idempotency::IdempotencyKeyHeader;
use crate::http::text::{ChecklistKey, OrganisationKey};
use crate::http::{Collection, Cursor, IfMatch, Json, Once, Paging, Patch, Path, Query, Single};
use crate::problem::Problem;
use crate::routes::Routes;
use wire::{
    Assessment, AssessmentPage, AssessmentState, AssureAssessment, CreateAssessment, NewAssessmentAssurer,
    RequestAssessmentChanges, UpdateAssessment,
};

/// The operations on assessments.
#[must_use]
pub fn routes() -> Routes {
    routes![
        list_assessments,
        create_assessment,
        get_assessment,
        update_assessment,
        delete_assessment,
        submit_assessment,
        request_assessment_changes,
        assure_assessment
    ]
    .merge(responses::routes())
    .merge(answers::routes())
    .merge(comments::routes())
    .merge(results::routes())
}

/// Filters of the list of assessments.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct ListAssessments {
    /// Organisation whose it is, by id or slug.
    #[serde(default)]
    #[param(max_items = 50, required = false, inline, value_type = Vec<OrganisationKey>)]
    organisation: Vec<String>,
    /// Checklist that it goes through, by id or slug.
    #[serde(default)]
    #[param(max_items = 50, required = false, inline, value_type = Vec<ChecklistKey>)]
    checklist: Vec<String>,
    /// Where it stands.
    #[serde(default)]
    #[param(max_items = 6, required = false, inline, value_type = Vec<AssessmentStatus>)]
    status: Vec<AssessmentStatus>,
    /// Whether it was to be submitted by a day that is over, and was not.
    #[param(required = false, value_type = bool, example = true)]
    overdue: Option<bool>,
    #[serde(flatten)]
    #[param(ignore)]
    paging: Paging,
}

/// Which assessment.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes the parameter that `Path` reads")]
pub struct AssessmentPath {
    /// Id of the assessment.
    #[param(example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    id: Uuid,
}

/// What the caller sees.
pub(super) fn sight(actor: &Actor) -> impl Fn(&Roles) -> Sight + Send + Sync + 'static {
    let person = actor.principal.user_id();
    move |roles| Sight::new(roles, person)
}

/// List assessments
///
/// The newest first: those of the caller's organisations and, once submitted, those that they are named to assure.
#[utoipa::path(
    get, path = "/assessments", tag = "assessments",
    params(ListAssessments, Paging, IfNoneMatchHeader),
    security(("oauth2" = ["assessments:read"]), ("bearer" = [])),
    responses((status = 200, body = AssessmentPage, description = "A page of assessments.")),
)]
async fn list_assessments(
    app: Data<App>,
    caller: Caller,
    query: Query<ListAssessments>,
) -> Result<impl Responder, Problem> {
    let Query(ListAssessments { organisation, checklist, status, overdue, paging }) = query;
    let (limit, after): (_, Option<Uuid>) = (paging.limit(), paging.after()?);
    let keys = |named: &[String]| named.iter().map(|key| Key::from(key.as_str())).collect();
    let filter = Filter { organisations: keys(&organisation), checklists: keys(&checklist), statuses: status, overdue };
    let actor = caller.actor()?;
    let of = sight(&actor);
    let read = app.db.read_as(actor, move |conn, roles| {
        Ok::<_, Problem>(assessments::list(conn, &of(roles), &filter, after, limit)?)
    });
    let page = read.await?.map(Assessment::from);
    let next = page.next.as_ref().map(Cursor::write);
    Ok(Collection { page: AssessmentPage { items: page.items, next_cursor: next.clone() }, next })
}

/// Plan an assessment
///
/// For contributors of the organisation. It has a response for each control of the checklist; with `supersedes` answers are
/// carried forward.
#[utoipa::path(
    post, path = "/assessments", tag = "assessments",
    params(IdempotencyKeyHeader),
    request_body(content = CreateAssessment, description = "The assessment to plan."),
    security(("oauth2" = ["assessments:write"]), ("bearer" = [])),
    responses(
        (status = 201, body = Assessment, description = "The assessment, as planned."),
        (
            status = 409,
            description = "An organisation, a person, the checklist or the earlier assessment is not there, the checklist is not for such organisations or is not to be used any more, or the answers were carried forward already."
        ),
    ),
)]
async fn create_assessment(once: Once, body: Json<CreateAssessment>) -> Result<impl Responder, Problem> {
    let Json(wanted) = body;
    let created = once.run(move |tx| {
        let organisation_id = organisations::resolve_one(tx, "/organisation", &wanted.organisation)?;
        rules::may_assess(tx.roles(), organisation_id)?;
        let checklist = published_checklist(tx, &wanted.checklist, organisation_id)?;
        let mut state = wanted.state.stored();
        if let Some(earlier) = wanted.supersedes {
            let earlier = carried(tx, earlier, organisation_id)?;
            let again = checklist.state.due_months.and_then(|months| u32::try_from(months).ok()).map(Months::new);
            let since = earlier.assured_at.or(earlier.submitted_at).map(|at| at.date_naive());
            let due = again.zip(since).and_then(|(months, since)| since.checked_add_months(months));
            state.due_on = state.due_on.or(due);
        }
        let named = assurers(tx, organisation_id, &wanted.state.assurers)?;
        let origin = Origin { organisation_id, checklist_id: checklist.id, supersedes_id: wanted.supersedes };
        let created = assessments::create(tx, Uuid::now_v7(), origin, &state, &named)?;
        let (version, path) = (created.version, path_of(created.id));
        Ok(Single::created(Assessment::from(created), version, path))
    });
    created.await
}

/// The checklist that a writer names, which is to be used by such an organisation.
fn published_checklist(tx: &mut Tx<'_>, named: &str, organisation_id: Uuid) -> Result<checklists::Checklist, Problem> {
    let sight = checklists::Sight::new(tx.roles());
    let refused = |code: &'static str, detail: String| Problem::conflict(&[Fault::new("/checklist", code, detail)]);
    let found = match checklists::find(&mut tx.conn(), &sight, &Key::from(named)) {
        Err(db::Error::NotFound) => {
            let detail = "names no checklist: give the id or slug of one that was published";
            return Err(refused("unknown_checklist", detail.to_owned()));
        }
        found => found?,
    };
    if !matches!(found.status, ChecklistStatus::Published | ChecklistStatus::Superseded) {
        return Err(refused("not_published", format!("names a checklist that is {}", found.status)));
    }
    let kind = organisations::kind_of(&mut tx.conn(), organisation_id)?;
    let applies = found.state.applies_to.0.is_empty() || found.state.applies_to.0.contains(&kind.to_string());
    if !applies {
        let kinds = found.state.applies_to.0.join(", ");
        return Err(refused("not_applicable", format!("is for {kinds}; the organisation is {kind}")));
    }
    Ok(found)
}

/// The assessment whose answers are carried forward.
fn carried(tx: &mut Tx<'_>, id: Uuid, organisation_id: Uuid) -> Result<assessments::Assessment, Problem> {
    let refused =
        |code: &'static str, detail: &'static str| Problem::conflict(&[Fault::new("/supersedes", code, detail)]);
    let unknown = || refused("unknown_assessment", "names no assessment of the organisation");
    let earlier = match assessments::lock(tx, id, Lock::Shared) {
        Err(db::Error::NotFound) => return Err(unknown()),
        found => found?,
    };
    if earlier.organisation_id != organisation_id {
        return Err(unknown());
    }
    if earlier.submitted_at.is_none() {
        return Err(refused("not_submitted", "names an assessment that was not submitted yet: go on with that"));
    }
    Ok(earlier)
}

/// Who is named to assure an assessment; else all that name nobody, or whom they should not.
fn assurers(
    tx: &mut Tx<'_>,
    organisation_id: Uuid,
    wanted: &[NewAssessmentAssurer],
) -> Result<Vec<NewAssurer>, Problem> {
    let (mut named, mut faults) = (Vec::with_capacity(wanted.len()), Vec::new());
    for (index, NewAssessmentAssurer { organisation, person }) in wanted.iter().enumerate() {
        let mut fault = |field: &str, code: &'static str, detail: &'static str| {
            faults.push(Fault::new(format!("/assurers/{index}{field}"), code, detail));
        };
        let assurer = match (organisation, person) {
            (Some(key), None) => match organisations::existing(&mut tx.conn(), &Key::from(key.as_str())) {
                Ok(id) if id == organisation_id => {
                    fault("/organisation", "itself", "must be another organisation; name a person of this one instead");
                    continue;
                }
                Ok(id) => NewAssurer::Organisation(id),
                Err(db::Error::NotFound) => {
                    fault("/organisation", "unknown_organisation", "names no organisation");
                    continue;
                }
                Err(other) => return Err(other.into()),
            },
            (None, Some(id)) if db::people::is_known(&mut tx.conn(), *id)? => NewAssurer::Person(*id),
            (None, Some(_)) => {
                fault("/person", "unknown_person", "names nobody: ask them for the id that /v1/me tells them");
                continue;
            }
            (Some(_), Some(_)) | (None, None) => {
                fault("", "wrong_form", "must have an organisation or a person");
                continue;
            }
        };
        if named.contains(&assurer) {
            fault("", "repeated", "stands before");
        }
        named.push(assurer);
    }
    if faults.is_empty() { Ok(named) } else { Err(Problem::conflict(&faults)) }
}

/// Read an assessment
///
/// Where it stands and how far it has come; what is said to each control is at `/responses` below it.
#[utoipa::path(
    get, path = "/assessments/{id}", tag = "assessments",
    params(AssessmentPath, IfNoneMatchHeader),
    security(("oauth2" = ["assessments:read"]), ("bearer" = [])),
    responses((status = 200, body = Assessment, description = "The assessment.")),
)]
async fn get_assessment(app: Data<App>, caller: Caller, id: Path<Uuid>) -> Result<impl Responder, Problem> {
    let (Path(id), actor) = (id, caller.actor()?);
    let of = sight(&actor);
    let read =
        app.db.read_as(actor, move |conn, roles| Ok::<_, Problem>(shown(assessments::find(conn, &of(roles), id)?)));
    read.await
}

/// Change an assessment
///
/// For contributors of the organisation. Once it was submitted only `sharesResults` changes.
#[utoipa::path(
    patch, path = "/assessments/{id}", tag = "assessments",
    params(AssessmentPath, IfMatchHeader),
    request_body(
        content = UpdateAssessment, content_type = "application/merge-patch+json",
        description = "The fields to change.",
    ),
    security(("oauth2" = ["assessments:write"]), ("bearer" = [])),
    responses(
        (status = 200, body = Assessment, description = "The assessment, as changed."),
        (status = 409, description = "It was submitted, or an organisation or a person is not there."),
    ),
)]
async fn update_assessment(
    app: Data<App>,
    caller: Caller,
    ids: Path<Uuid>,
    if_match: IfMatch,
    patch: Patch,
) -> Result<impl Responder, Problem> {
    let Path(id) = ids;
    let changed = app.db.write(caller.actor()?, move |tx| {
        let current = own(tx, id, Lock::Alone)?;
        if_match.check(current.version)?;
        let wanted: AssessmentState = patch.apply(&AssessmentState::from(&current))?;
        let named = assurers(tx, current.organisation_id, &wanted.assurers)?;
        Ok::<_, Problem>(shown(assessments::update(tx, &current, &wanted.stored(), &named)?))
    });
    changed.await
}

/// Remove an assessment
///
/// With what was answered, for stewards of the organisation, as long as it was never submitted.
#[utoipa::path(
    delete, path = "/assessments/{id}", tag = "assessments",
    params(AssessmentPath, IfMatchHeader),
    security(("oauth2" = ["assessments:write"]), ("bearer" = [])),
    responses((status = 204, description = "Removed."), (status = 409, description = "It was submitted.")),
)]
async fn delete_assessment(
    app: Data<App>,
    caller: Caller,
    id: Path<Uuid>,
    if_match: IfMatch,
) -> Result<impl Responder, Problem> {
    let Path(id) = id;
    app.db
        .write(caller.actor()?, move |tx| {
            let current = assessments::lock(tx, id, Lock::Alone)?;
            rules::may_submit_assessment(tx.roles(), current.organisation_id)?;
            if_match.check(current.version)?;
            Ok::<_, Problem>(assessments::delete(tx, &current)?)
        })
        .await?;
    Ok(HttpResponse::new(StatusCode::NO_CONTENT))
}

/// Submit an assessment
///
/// To those who are named to assure it, for stewards of the organisation. Everything that is missing is told at once: what
/// is not answered, what has no justification, evidence that has expired. From now on answers stay, unless changes are
/// requested.
#[utoipa::path(
    post, path = "/assessments/{id}/submit", tag = "assessments",
    params(AssessmentPath, IdempotencyKeyHeader),
    security(("oauth2" = ["assessments:write"]), ("bearer" = [])),
    responses(
        (status = 200, body = Assessment, description = "The assessment, submitted, with its score."),
        (status = 409, description = "It is not in progress, or something is missing that it needs."),
    ),
)]
async fn submit_assessment(once: Once, id: Path<Uuid>) -> Result<impl Responder, Problem> {
    let Path(id) = id;
    let submitted = once.run(move |tx| {
        let current = assessments::lock(tx, id, Lock::Alone)?;
        rules::may_submit_assessment(tx.roles(), current.organisation_id)?;
        let checklist = results::checklist(&mut tx.conn(), &current)?;
        let counted = assessments::responses::counted(&mut tx.conn(), &current)?;
        let score = score::whole(checklist.state.scoring, &counted).score();
        Ok(shown(assurance::submit(tx, &current, score)?))
    });
    submitted.await
}

/// Request changes of an assessment
///
/// Of one that was submitted: in general, and of single responses. For those who are named to assure it, but for who
/// submitted it.
#[utoipa::path(
    post, path = "/assessments/{id}/request-changes", tag = "assessments",
    params(AssessmentPath, IdempotencyKeyHeader),
    request_body(content = RequestAssessmentChanges, description = "What is to be changed."),
    security(("oauth2" = ["assessments:write"]), ("bearer" = [])),
    responses(
        (status = 200, body = Assessment, description = "The assessment, open for changes."),
        (status = 409, description = "It was not submitted, or has no such control."),
    ),
)]
async fn request_assessment_changes(
    once: Once,
    id: Path<Uuid>,
    body: Json<RequestAssessmentChanges>,
) -> Result<impl Responder, Problem> {
    let (Path(id), Json(RequestAssessmentChanges { reason, controls })) = (id, body);
    let returned = once.run(move |tx| {
        let current = assessments::lock(tx, id, Lock::Alone)?;
        rules::may_assure(tx.roles(), tx.actor().principal, &current)?;
        let wanted: Vec<(String, String)> =
            controls.iter().map(|change| (change.control.clone(), change.reason.clone())).collect();
        let named: Vec<String> = wanted.iter().map(|(control, _)| control.clone()).collect();
        let faults = unknown_controls(tx, &current, &named, |index| format!("/controls/{index}/control"))?;
        if !faults.is_empty() {
            return Err(Problem::conflict(&faults));
        }
        Ok(shown(assurance::request_changes(tx, &current, &reason, &wanted)?))
    });
    returned.await
}

/// Assure an assessment
///
/// One that was submitted, for those who are named to assure it, but for who submitted it. From now on nothing of it changes;
/// the one from which its answers were carried forward is superseded.
#[utoipa::path(
    post, path = "/assessments/{id}/assure", tag = "assessments",
    params(AssessmentPath, IdempotencyKeyHeader),
    request_body(content = AssureAssessment, description = "What they say of it."),
    security(("oauth2" = ["assessments:write"]), ("bearer" = [])),
    responses(
        (status = 200, body = Assessment, description = "The assessment, assured."),
        (status = 409, description = "It was not submitted, or is assured already."),
    ),
)]
async fn assure_assessment(
    once: Once,
    id: Path<Uuid>,
    body: Json<AssureAssessment>,
) -> Result<impl Responder, Problem> {
    let (Path(id), Json(AssureAssessment { statement })) = (id, body);
    let assured = once.run(move |tx| {
        let current = assessments::lock(tx, id, Lock::Alone)?;
        let for_organisation = rules::may_assure(tx.roles(), tx.actor().principal, &current)?;
        let person = rules::person(tx.actor().principal)?;
        Ok(shown(assurance::assure(tx, &current, person, for_organisation, &statement)?))
    });
    assured.await
}

/// Controls that a writer names and the checklist of an assessment does not have, each at its pointer.
pub(super) fn unknown_controls(
    tx: &mut Tx<'_>,
    of: &assessments::Assessment,
    named: &[String],
    pointer: impl Fn(usize) -> String,
) -> Result<Vec<Fault>, Problem> {
    let known = assessments::responses::positions(&mut tx.conn(), of, named)?;
    let unknown = named.iter().enumerate().filter(|(_, control)| !known.iter().any(|(id, _)| id == *control));
    let fault = |(index, _)| Fault::new(pointer(index), "unknown_control", "is no control of the checklist");
    Ok(unknown.map(fault).take(100).collect())
}

/// One assessment, locked, for who may answer it.
pub(super) fn own(tx: &mut Tx<'_>, id: Uuid, lock: Lock) -> Result<assessments::Assessment, Problem> {
    let current = assessments::lock(tx, id, lock)?;
    rules::may_assess(tx.roles(), current.organisation_id)?;
    Ok(current)
}

fn shown(assessment: assessments::Assessment) -> Single<Assessment> {
    let (version, path) = (assessment.version, path_of(assessment.id));
    Single::ok(Assessment::from(assessment), version).with_link(&path, "self")
}

fn path_of(id: Uuid) -> String {
    format!("/v1/assessments/{id}")
}
