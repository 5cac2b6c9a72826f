//! Flags on comments.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpResponse, Responder};
use chrono::{DateTime, Utc};
use db::comments::flags::{self, FlagStatus, NewFlag};
use db::comments::{self, FlagReason};
use db::page::ById;
use db::quotas::FLAGS_OF_PRINCIPAL;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use validator::Validate;

use super::CommentPath;
use super::wire::CommentAuthor;
use crate::app::App;
use crate::auth::{Caller, rules};
use crate::http::etag::{IfMatchHeader, IfNoneMatchHeader};
use crate::http::idempotency::IdempotencyKeyHeader;
use crate::http::{Collection, Cursor, IfMatch, Json, Once, Paging, Path, Query, Single};
use crate::middleware::limits::shared;
use crate::problem::Problem;
use crate::routes::Routes;

/// The operations on flags.
#[must_use]
pub fn routes() -> Routes {
    routes![list_comment_flags, create_comment_flag, get_comment_flag, delete_comment_flag]
}

/// Flag on a comment.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CommentFlag {
    /// Identifier, UUIDv7.
    #[schema(read_only, example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    pub id: Uuid,
    /// Rises by one with each change; the entity tag begins with it.
    #[schema(read_only, minimum = 1, maximum = 2_147_483_647, example = 1)]
    pub version: i32,
    /// When it was raised (UTC).
    #[schema(read_only, example = "2026-11-23T09:30:00Z")]
    pub created_at: DateTime<Utc>,
    /// When it last changed (UTC).
    #[schema(read_only, example = "2026-11-23T09:30:00Z")]
    pub updated_at: DateTime<Utc>,
    /// Id of the comment.
    #[schema(read_only, example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    pub comment_id: Uuid,
    /// Who raised it; null when they were erased.
    pub flagged_by: Option<CommentAuthor>,
    /// Why.
    pub reason: FlagReason,
    /// What they say of it, as plain text, for moderators.
    #[schema(
        min_length = 1,
        max_length = 1000,
        pattern = r"^[^\u0000]*[^\s\u0000][^\u0000]*$",
        example = "It names a resident."
    )]
    pub detail: Option<String>,
    /// Whether it counts.
    pub status: FlagStatus,
}

/// Flag to raise.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct CreateCommentFlag {
    /// Why.
    pub reason: FlagReason,
    /// What you say of it, as plain text; only moderators and you see it.
    #[schema(
        min_length = 1,
        max_length = 1000,
        pattern = r"^[^\u0000]*[^\s\u0000][^\u0000]*$",
        example = "It names a resident."
    )]
    pub detail: Option<String>,
}

/// One page of flags.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CommentFlagPage {
    /// The flags on this page, the oldest first.
    #[schema(max_items = 100)]
    pub items: Vec<CommentFlag>,
    /// Cursor of the next page; null on the last.
    #[schema(max_length = 2048, pattern = "^[A-Za-z0-9_-]+$", example = "WyJhIl0")]
    pub next_cursor: Option<String>,
}

/// Which flag.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes the parameter that `Path` reads")]
pub struct FlagPath {
    /// Id of the flag.
    #[param(rename = "flagId", example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    flag_id: Uuid,
}

/// List the flags on a comment
///
/// For moderators: those that count and those that do not any more, the oldest first.
#[utoipa::path(
    get, path = "/comments/{id}/flags", tag = "moderation",
    params(CommentPath, Paging, IfNoneMatchHeader),
    security(("oauth2" = ["moderation"]), ("bearer" = [])),
    responses((status = 200, body = CommentFlagPage, description = "A page of flags.")),
)]
async fn list_comment_flags(
    app: Data<App>,
    caller: Caller,
    id: Path<Uuid>,
    query: Query<Paging>,
) -> Result<impl Responder, Problem> {
    let (Path(id), Query(paging)) = (id, query);
    let (limit, after): (_, Option<ById>) = (paging.limit(), paging.after()?);
    let read = app.db.read_as(caller.actor()?, move |conn, roles| {
        comments::find(conn, id)?;
        rules::may_moderate(roles)?;
        Ok::<_, Problem>(flags::list(conn, id, after, limit)?)
    });
    let page = read.await?;
    let next = page.next.as_ref().map(Cursor::write);
    let items = page.items.into_iter().map(Into::into).collect();
    Ok(Collection { page: CommentFlagPage { items, next_cursor: next.clone() }, next })
}

/// Flag a comment
///
/// For those who may comment, once each, and not for one's own. When as many people as the service is set to have
/// flagged it, three unless it says otherwise, it hides and waits for a moderator; a flag on one that is hidden already
/// is kept for them.
#[utoipa::path(
    post, path = "/comments/{id}/flags", tag = "comments",
    params(CommentPath, IdempotencyKeyHeader),
    request_body(content = CreateCommentFlag, description = "Why it should not be shown."),
    security(("oauth2" = ["comments:write"]), ("bearer" = [])),
    responses(
        (status = 201, body = CommentFlag, description = "The flag, as raised."),
        (status = 409, description = "You have flagged it, a moderator judged it since you did, or it was removed."),
    ),
)]
async fn create_comment_flag(
    app: Data<App>,
    once: Once,
    id: Path<Uuid>,
    body: Json<CreateCommentFlag>,
) -> Result<impl Responder, Problem> {
    let (Path(id), Json(CreateCommentFlag { reason, detail })) = (id, body);
    let principal = once.caller().actor()?.principal;
    shared(&app, FLAGS_OF_PRINCIPAL, principal.to_string()).await?;
    let threshold = app.config.flag_threshold;
    let raised = once.run(move |tx| {
        let comment = comments::lock(tx, id)?;
        let user_id = rules::person(principal)?;
        rules::may_flag(tx.roles(), user_id, &comment)?;
        let new = NewFlag { user_id, reason, detail: detail.clone() };
        let raised = CommentFlag::from(flags::create(tx, Uuid::now_v7(), &comment, &new, threshold)?);
        let (version, path) = (raised.version, raised.path());
        Ok(Single::created(raised, version, path))
    });
    raised.await
}

/// Read a flag
///
/// For who raised it, and for moderators.
#[utoipa::path(
    get, path = "/comments/{id}/flags/{flagId}", tag = "comments",
    params(CommentPath, FlagPath, IfNoneMatchHeader),
    security(("oauth2" = ["comments:read"]), ("bearer" = [])),
    responses((status = 200, body = CommentFlag, description = "The flag.")),
)]
async fn get_comment_flag(app: Data<App>, caller: Caller, path: Path<(Uuid, Uuid)>) -> Result<impl Responder, Problem> {
    let (Path((id, flag_id)), actor) = (path, caller.actor()?);
    let principal = actor.principal;
    let read = app.db.read_as(actor, move |conn, roles| {
        let found = flags::find(conn, id, flag_id)?;
        rules::may_see_flag(roles, principal, &found)?;
        Ok::<_, Problem>(found)
    });
    let found = CommentFlag::from(read.await?);
    let (version, path) = (found.version, found.path());
    Ok(Single::ok(found, version).with_link(&path, "self"))
}

/// Withdraw a flag
///
/// For who raised it; it never counts again. A comment that is hidden already waits on for a moderator.
#[utoipa::path(
    delete, path = "/comments/{id}/flags/{flagId}", tag = "comments",
    params(CommentPath, FlagPath, IfMatchHeader),
    security(("oauth2" = ["comments:write"]), ("bearer" = [])),
    responses(
        (status = 204, description = "Withdrawn."),
        (status = 409, description = "It was withdrawn or settled already."),
    ),
)]
async fn delete_comment_flag(
    app: Data<App>,
    caller: Caller,
    path: Path<(Uuid, Uuid)>,
    if_match: IfMatch,
) -> Result<impl Responder, Problem> {
    let (Path((id, flag_id)), actor) = (path, caller.actor()?);
    let principal = actor.principal;
    app.db
        .write(actor, move |tx| {
            let comment = comments::lock(tx, id)?;
            let current = flags::find(&mut tx.conn(), id, flag_id)?;
            rules::may_withdraw_flag(tx.roles(), principal, &current)?;
            if_match.check(current.version)?;
            Ok::<_, Problem>(flags::withdraw(tx, &comment, &current)?)
        })
        .await?;
    Ok(HttpResponse::new(StatusCode::NO_CONTENT))
}

impl CommentFlag {
    fn path(&self) -> String {
        format!("/v1/comments/{}/flags/{}", self.comment_id, self.id)
    }
}

impl From<flags::Flag> for CommentFlag {
    fn from(flag: flags::Flag) -> Self {
        let status = flag.status();
        let flags::Flag {
            id,
            version,
            created_at,
            updated_at,
            comment_id,
            user_id,
            user_name,
            reason,
            detail,
            withdrawn_at: _,
            settled_at: _,
        } = flag;
        let flagged_by = CommentAuthor::of(Some(user_id), user_name);
        Self { id, version, created_at, updated_at, comment_id, flagged_by, reason, detail, status }
    }
}
