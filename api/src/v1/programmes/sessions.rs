//! What people want to talk about: `/events/{id}/sessions` and `/sessions/{id}`.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpResponse, Responder};
use chrono::{DateTime, Utc};
use db::organisations::Key;
use db::page::ById;
use db::programmes;
use db::programmes::sessions::{self, Filter, SessionState, SessionStatus};
use db::types::Texts;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use validator::Validate;

use super::{EventPath, once_each, reading, seen, session_locked, session_shown};
use crate::app::App;
use crate::auth::{Caller, rules};
use crate::http::etag::{IfMatchHeader, IfNoneMatchHeader};
use crate::http::idempotency::IdempotencyKeyHeader;
use crate::http::text::{Equipment, SpeakerName, Track};
use crate::http::{Collection, Cursor, IfMatch, Json, Once, Paging, Patch, Path, Query, Single};
use crate::merge_patch;
use crate::problem::Problem;
use crate::routes::Routes;
use crate::v1::people::PersonReference;

/// The operations here.
#[must_use]
pub fn routes() -> Routes {
    routes![list_sessions, create_session, get_session, update_session, delete_session, merge_session]
}

/// Session of an unconference: what somebody wants to talk about.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// Identifier, UUIDv7.
    #[schema(read_only, example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    pub id: Uuid,
    /// Rises by one with each change, but not with votes; the entity tag begins with it.
    #[schema(read_only, minimum = 1, maximum = 2_147_483_647, example = 1)]
    pub version: i32,
    /// When it was pitched (UTC).
    #[schema(read_only, example = "2026-11-23T09:30:00Z")]
    pub created_at: DateTime<Utc>,
    /// When it last changed (UTC).
    #[schema(read_only, example = "2026-11-23T09:30:00Z")]
    pub updated_at: DateTime<Utc>,
    /// At which event.
    #[schema(example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    pub event_id: Uuid,
    /// Where it stands.
    pub status: SessionStatus,
    /// Id of the session that it is part of now; null when it was not merged.
    #[schema(example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    pub merged_into: Option<Uuid>,
    /// Who pitched it; null for a program, and once they were erased.
    pub pitched_by: Option<PersonReference>,
    #[serde(flatten)]
    pub(crate) facts: SessionFacts,
    /// Whether who pitched it speaks, and so is not at another session at the time.
    #[schema(example = true)]
    pub pitcher_speaks: bool,
    /// How many people would go to it.
    #[schema(read_only, minimum = 0, maximum = 9_007_199_254_740_991_i64, example = 31)]
    pub vote_count: i64,
    /// Whether the caller would.
    #[schema(read_only, example = false)]
    pub voted: bool,
}

/// What a writer says of a session, the same to pitch and to change it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SessionFacts {
    /// What it is called.
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\u0000-\u001f\u007f]*[^\s\u0000-\u001f\u007f][^\u0000-\u001f\u007f]*$",
        example = "Sharing code between boroughs"
    )]
    pub title: String,
    /// What it is about, in Markdown.
    #[schema(
        min_length = 1,
        max_length = 20_000,
        pattern = r"^[^\u0000]*[^\s\u0000][^\u0000]*$",
        example = "What stops us, and what **one** borough tried."
    )]
    pub description: Option<String>,
    /// Names of others who speak. Names that are spelled alike count as one person, who is in one room at a time.
    #[serde(default)]
    #[schema(max_items = 20, value_type = Vec<SpeakerName>)]
    pub speakers: Vec<String>,
    /// Theme under which the programme has it; null when under none.
    #[schema(
        min_length = 1,
        max_length = 60,
        pattern = r"^[^\u0000-\u001f\u007f]*[^\s\u0000-\u001f\u007f][^\u0000-\u001f\u007f]*$",
        example = "Data"
    )]
    pub track: Option<String>,
    /// What has to be in its room, in kebab-case, as rooms have it.
    #[serde(default)]
    #[schema(max_items = 20, value_type = Vec<Equipment>)]
    pub equipment: Vec<String>,
}

/// Session to pitch.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct CreateSession {
    #[serde(flatten)]
    #[validate(nested)]
    pub(crate) facts: SessionFacts,
    /// Whether you speak, and so are not at another session at the time. When absent, you do, unless you look after the
    /// event and write down what others pitch.
    #[schema(example = true)]
    pub pitcher_speaks: Option<bool>,
}

merge_patch! {
    /// Change to a session, as a JSON merge patch (RFC 7396): only what is to change; null clears.
    UpdateSession of CreateSession
}

/// Into which session another is merged.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct MergeSession {
    /// Id of the session that stays, of the same event.
    #[schema(example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    pub into: Uuid,
}

/// One page of sessions.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionPage {
    /// The sessions on this page, in the order of their pitches.
    #[schema(max_items = 100)]
    pub items: Vec<Session>,
    /// Cursor of the next page; null on the last.
    #[schema(max_length = 2048, pattern = "^[A-Za-z0-9_-]+$", example = "WyJhIl0")]
    pub next_cursor: Option<String>,
}

/// Filters of the list of sessions.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct ListSessions {
    /// Where they stand.
    #[serde(default)]
    #[param(max_items = 3, required = false, inline, value_type = Vec<SessionStatus>)]
    status: Vec<SessionStatus>,
    /// Theme under which the programme has them.
    #[serde(default)]
    #[param(max_items = 20, required = false, inline, value_type = Vec<Track>)]
    track: Vec<String>,
    /// true: those to which the caller would go; false: the others.
    #[param(required = false, value_type = bool, example = true)]
    voted: Option<bool>,
    #[serde(flatten)]
    #[param(ignore)]
    paging: Paging,
}

/// Which session.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes the parameter that `Path<Uuid>` reads")]
pub struct SessionPath {
    /// Id of the session.
    #[param(example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    id: Uuid,
}

/// List the sessions of an event
///
/// All that were pitched, in that order, with those that were merged or withdrawn; `status=pitched` are those that stand.
#[utoipa::path(
    get, path = "/events/{id}/sessions", tag = "programmes",
    params(EventPath, ListSessions, Paging, IfNoneMatchHeader),
    security((), ("oauth2" = ["events:read"]), ("bearer" = [])),
    responses((status = 200, body = SessionPage, description = "A page of sessions.")),
)]
async fn list_sessions(
    app: Data<App>,
    caller: Caller,
    key: Path<Key>,
    query: Query<ListSessions>,
) -> Result<impl Responder, Problem> {
    let (Path(key), Query(ListSessions { status, track, voted, paging })) = (key, query);
    let (limit, after, person): (_, Option<ById>, _) = (paging.limit(), paging.after()?, caller.viewer().user_id());
    let filter = Filter { statuses: status, tracks: track, voted };
    let read = reading(&app, caller, key, move |conn, event| {
        Ok(sessions::list(conn, event.row.id, person, &filter, after, limit)?)
    });
    let page = read.await?.map(Session::from);
    let next = page.next.as_ref().map(Cursor::write);
    Ok(Collection { page: SessionPage { items: page.items, next_cursor: next.clone() }, next })
}

/// Pitch a session
///
/// For who comes to the event or would, and for who looks after it.
#[utoipa::path(
    post, path = "/events/{id}/sessions", tag = "programmes",
    params(EventPath, IdempotencyKeyHeader),
    request_body(content = CreateSession, description = "The session to pitch."),
    security(("oauth2" = ["events:write"]), ("bearer" = [])),
    responses(
        (status = 201, body = Session, description = "The session, as pitched."),
        (status = 409, description = "The event is no unconference or is over, or has as many sessions as it may."),
    ),
)]
async fn create_session(once: Once, key: Path<Key>, body: Json<CreateSession>) -> Result<impl Responder, Problem> {
    let (Path(key), Json(wanted)) = (key, body);
    let created = once.run(move |tx| {
        let event = seen(tx, &key)?;
        let organises = rules::may_organise(tx.roles(), &event).is_ok();
        let planned = db::events::changes::planned_around(&mut tx.conn(), event.row.id)?;
        rules::may_take_part(tx.roles(), &event, planned)?;
        programmes::check_open(&event)?;
        programmes::lock(tx, &event)?;
        let pitcher = tx.actor().principal.user_id();
        let speaks = pitcher.is_some() && wanted.pitcher_speaks.unwrap_or(!organises);
        let created = sessions::create(tx, Uuid::now_v7(), &event, pitcher, &wanted.state(speaks))?;
        let (version, path) = (created.version, path_of(&created));
        Ok(Single::created(Session::from(created), version, path))
    });
    created.await
}

/// Read a session
///
/// Not found for those who do not see its event.
#[utoipa::path(
    get, path = "/sessions/{id}", tag = "programmes",
    params(SessionPath, IfNoneMatchHeader),
    security((), ("oauth2" = ["events:read"]), ("bearer" = [])),
    responses((status = 200, body = Session, description = "The session.")),
)]
async fn get_session(app: Data<App>, caller: Caller, id: Path<Uuid>) -> Result<impl Responder, Problem> {
    let (Path(id), person) = (id, caller.viewer().user_id());
    let read = caller.read(&app.db, move |conn, roles| session_shown(conn, roles, person, id));
    Ok(shown(read.await?))
}

/// Change a session
///
/// For who pitched it, and for who looks after the event.
#[utoipa::path(
    patch, path = "/sessions/{id}", tag = "programmes",
    params(SessionPath, IfMatchHeader),
    request_body(
        content = UpdateSession, content_type = "application/merge-patch+json",
        description = "The fields to change.",
    ),
    security(("oauth2" = ["events:write"]), ("bearer" = [])),
    responses(
        (status = 200, body = Session, description = "The session, as changed."),
        (status = 409, description = "It was merged or withdrawn, the event is over, or where it takes place it could not any more."),
    ),
)]
async fn update_session(
    app: Data<App>,
    caller: Caller,
    id: Path<Uuid>,
    if_match: IfMatch,
    patch: Patch,
) -> Result<impl Responder, Problem> {
    let Path(id) = id;
    let changed = app.db.write(caller.actor()?, move |tx| {
        let (event, current) = session_locked(tx, id)?;
        rules::may_change_session(tx.roles(), tx.actor().principal, &event, &current)?;
        if_match.check(current.version)?;
        programmes::check_open(&event)?;
        let wanted: CreateSession = patch.apply(&CreateSession::from(current.state.clone()))?;
        let speaks = current.pitched_by.is_some() && wanted.pitcher_speaks.unwrap_or(current.state.pitcher_speaks);
        Ok::<_, Problem>(shown(sessions::update(tx, &event, &current, &wanted.state(speaks))?))
    });
    changed.await
}

/// Withdraw a session
///
/// By who pitched it, or who looks after the event. It stays to be seen, as withdrawn, and leaves the schedule.
#[utoipa::path(
    delete, path = "/sessions/{id}", tag = "programmes",
    params(SessionPath, IfMatchHeader),
    security(("oauth2" = ["events:write"]), ("bearer" = [])),
    responses(
        (status = 204, description = "Withdrawn."),
        (status = 409, description = "It was merged or withdrawn already, or the event is over."),
    ),
)]
async fn delete_session(
    app: Data<App>,
    caller: Caller,
    id: Path<Uuid>,
    if_match: IfMatch,
) -> Result<impl Responder, Problem> {
    let Path(id) = id;
    app.db
        .write(caller.actor()?, move |tx| {
            let (event, current) = session_locked(tx, id)?;
            rules::may_change_session(tx.roles(), tx.actor().principal, &event, &current)?;
            if_match.check(current.version)?;
            programmes::check_open(&event)?;
            Ok::<_, Problem>(sessions::withdraw(tx, &event, &current)?)
        })
        .await?;
    Ok(HttpResponse::new(StatusCode::NO_CONTENT))
}

/// Merge a session into another
///
/// For who looks after the event. Its votes count for the other, each person once, its speakers speak there, and it
/// leaves the schedule. Answers with the session that stays.
#[utoipa::path(
    post, path = "/sessions/{id}/merge", tag = "programmes",
    params(SessionPath, IdempotencyKeyHeader),
    request_body(content = MergeSession, description = "Into which."),
    security(("oauth2" = ["events:write"]), ("bearer" = [])),
    responses(
        (status = 200, body = Session, description = "The session that stays."),
        (status = 409, description = "One of them was merged or withdrawn already, they are not two of one event, the event is over, or somebody would speak in two rooms at a time."),
    ),
)]
async fn merge_session(once: Once, id: Path<Uuid>, body: Json<MergeSession>) -> Result<impl Responder, Problem> {
    let (Path(id), Json(MergeSession { into })) = (id, body);
    let merged = once.run(move |tx| {
        let (event, current) = session_locked(tx, id)?;
        rules::may_organise(tx.roles(), &event)?;
        programmes::check_open(&event)?;
        Ok(shown(sessions::merge(tx, &event, &current, into)?))
    });
    merged.await
}

fn shown(session: sessions::Session) -> Single<Session> {
    let (version, path) = (session.version, path_of(&session));
    Single::ok(Session::from(session), version).with_link(&path, "self")
}

fn path_of(session: &sessions::Session) -> String {
    format!("/v1/sessions/{}", session.id)
}

impl CreateSession {
    fn state(&self, pitcher_speaks: bool) -> SessionState {
        let SessionFacts { title, description, speakers, track, equipment } = self.facts.clone();
        SessionState {
            title,
            description,
            pitcher_speaks,
            speakers: Texts(once_each(speakers)),
            track,
            equipment: Texts(once_each(equipment)),
        }
    }
}

impl From<SessionState> for SessionFacts {
    fn from(state: SessionState) -> Self {
        let SessionState { title, description, pitcher_speaks: _, speakers, track, equipment } = state;
        Self { title, description, speakers: speakers.0, track, equipment: equipment.0 }
    }
}

impl From<SessionState> for CreateSession {
    fn from(state: SessionState) -> Self {
        Self { pitcher_speaks: Some(state.pitcher_speaks), facts: state.into() }
    }
}

impl From<sessions::Session> for Session {
    fn from(session: sessions::Session) -> Self {
        let sessions::Session {
            id,
            version,
            created_at,
            updated_at,
            event_id,
            status,
            merged_into,
            pitched_by,
            pitcher_name,
            state,
            vote_count,
            voted,
        } = session;
        Self {
            id,
            version,
            created_at,
            updated_at,
            event_id,
            status,
            merged_into,
            pitched_by: pitched_by.zip(pitcher_name).map(|(id, name)| PersonReference { id, name }),
            pitcher_speaks: state.pitcher_speaks,
            facts: state.into(),
            vote_count,
            voted,
        }
    }
}
