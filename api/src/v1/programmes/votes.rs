//! Who would go to which session: `/sessions/{id}/votes`. People see their own votes; all see how many there are.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpResponse, Responder};
use chrono::{DateTime, Utc};
use db::page::ById;
use db::programmes::votes;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::sessions::SessionPath;
use super::{session_seen, session_shown};
use crate::app::App;
use crate::auth::{Caller, rules};
use crate::http::etag::{IfMatchHeader, IfNoneMatchHeader};
use crate::http::idempotency::IdempotencyKeyHeader;
use crate::http::{Collection, Cursor, IfMatch, Once, Paging, Path, Query, Single};
use crate::problem::Problem;
use crate::routes::Routes;

/// The operations here.
#[must_use]
pub fn routes() -> Routes {
    routes![list_session_votes, create_session_vote, get_session_vote, delete_session_vote]
}

/// A vote never changes.
const VERSION: i32 = 1;

/// That the caller would go to a session.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionVote {
    /// Identifier, UUIDv7.
    #[schema(read_only, example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    pub id: Uuid,
    /// When (UTC).
    #[schema(read_only, example = "2026-11-23T09:30:00Z")]
    pub created_at: DateTime<Utc>,
    /// To which session; another one once it was merged.
    #[schema(example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    pub session_id: Uuid,
}

/// One page of votes.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionVotePage {
    /// The votes on this page: the caller's, if there is one.
    #[schema(max_items = 100)]
    pub items: Vec<SessionVote>,
    /// Cursor of the next page; null on the last.
    #[schema(max_length = 2048, pattern = "^[A-Za-z0-9_-]+$", example = "WyJhIl0")]
    pub next_cursor: Option<String>,
}

/// Which vote.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes the parameter that `Path` reads")]
pub struct SessionVotePath {
    /// Id of the vote.
    #[param(rename = "voteId", example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    vote_id: Uuid,
}

/// List one's votes for a session
///
/// There is at most one. `list_sessions` with `voted=true` has all sessions to which one would go.
#[utoipa::path(
    get, path = "/sessions/{id}/votes", tag = "programmes",
    params(SessionPath, Paging, IfNoneMatchHeader),
    security(("oauth2" = ["events:read"]), ("bearer" = [])),
    responses((status = 200, body = SessionVotePage, description = "A page of votes.")),
)]
async fn list_session_votes(
    app: Data<App>,
    caller: Caller,
    id: Path<Uuid>,
    query: Query<Paging>,
) -> Result<impl Responder, Problem> {
    let (Path(id), Query(paging), actor) = (id, query, caller.actor()?);
    let (limit, after): (_, Option<ById>) = (paging.limit(), paging.after()?);
    let principal = actor.principal;
    let read = app.db.read_as(actor, move |conn, roles| {
        session_shown(conn, roles, principal.user_id(), id)?;
        Ok::<_, Problem>(votes::list(conn, id, principal.user_id().unwrap_or_default(), after, limit)?)
    });
    let page = read.await?.map(SessionVote::from);
    let next = page.next.as_ref().map(Cursor::write);
    Ok(Collection { page: SessionVotePage { items: page.items, next_cursor: next.clone() }, next })
}

/// Vote for a session
///
/// That one would go to it. For who comes to the event or would, and for who looks after it; once for each session, while
/// votes are taken.
#[utoipa::path(
    post, path = "/sessions/{id}/votes", tag = "programmes",
    params(SessionPath, IdempotencyKeyHeader),
    security(("oauth2" = ["events:write"]), ("bearer" = [])),
    responses(
        (status = 201, body = SessionVote, description = "The vote."),
        (status = 409, description = "You have voted for it, votes are not taken now, or it was merged or withdrawn: vote for the one into which it was."),
    ),
)]
async fn create_session_vote(once: Once, id: Path<Uuid>) -> Result<impl Responder, Problem> {
    let Path(id) = id;
    let voted = once.run(move |tx| {
        let person = rules::person(tx.actor().principal)?;
        let (event, session) = session_seen(tx, id)?;
        let planned = db::events::changes::planned_around(&mut tx.conn(), event.row.id)?;
        rules::may_take_part(tx.roles(), &event, planned)?;
        db::programmes::check_open(&event)?;
        let vote = SessionVote::from(votes::create(tx, Uuid::now_v7(), &event, &session, person)?);
        let path = format!("/v1/sessions/{}/votes/{}", vote.session_id, vote.id);
        Ok(Single::created(vote, VERSION, path))
    });
    voted.await
}

/// Read one's vote for a session
///
/// Not found for others than who voted.
#[utoipa::path(
    get, path = "/sessions/{id}/votes/{voteId}", tag = "programmes",
    params(SessionPath, SessionVotePath, IfNoneMatchHeader),
    security(("oauth2" = ["events:read"]), ("bearer" = [])),
    responses((status = 200, body = SessionVote, description = "The vote.")),
)]
async fn get_session_vote(app: Data<App>, caller: Caller, path: Path<(Uuid, Uuid)>) -> Result<impl Responder, Problem> {
    let (Path((id, vote)), actor) = (path, caller.actor()?);
    let person = actor.principal.user_id().unwrap_or_default();
    let read = app.db.read_as(actor, move |conn, _| Ok::<_, Problem>(votes::find(conn, id, person, vote)?));
    Ok(Single::ok(SessionVote::from(read.await?), VERSION))
}

/// Take one's vote for a session back
///
/// While votes are taken.
#[utoipa::path(
    delete, path = "/sessions/{id}/votes/{voteId}", tag = "programmes",
    params(SessionPath, SessionVotePath, IfMatchHeader),
    security(("oauth2" = ["events:write"]), ("bearer" = [])),
    responses(
        (status = 204, description = "Taken back."),
        (status = 409, description = "Votes are not taken now."),
    ),
)]
async fn delete_session_vote(
    app: Data<App>,
    caller: Caller,
    path: Path<(Uuid, Uuid)>,
    if_match: IfMatch,
) -> Result<impl Responder, Problem> {
    let Path((id, vote)) = path;
    app.db
        .write(caller.actor()?, move |tx| {
            let person = tx.actor().principal.user_id().unwrap_or_default();
            let current = votes::find(&mut tx.conn(), id, person, vote)?;
            let (event, _) = session_seen(tx, id)?;
            if_match.check(VERSION)?;
            Ok::<_, Problem>(votes::delete(tx, &event, &current)?)
        })
        .await?;
    Ok(HttpResponse::new(StatusCode::NO_CONTENT))
}

impl From<votes::Vote> for SessionVote {
    fn from(vote: votes::Vote) -> Self {
        let votes::Vote { id, created_at, session_id, user_id: _ } = vote;
        Self { id, created_at, session_id }
    }
}
