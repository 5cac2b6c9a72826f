//! What moderators do, and the public account of it.

use actix_web::Responder;
use actix_web::web::Data;
use chrono::{DateTime, Datelike, NaiveDate, Utc};
use db::comments::flags::flagged_by;
use db::comments::moderation::{self, Position, Tally, Verdict, Waiting};
use db::comments::{self, DecisionAction, FlagReason};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use validator::Validate;

use super::wire::{Comment, Onlooker};
use super::{CommentPath, answer, onlooker};
use crate::app::App;
use crate::auth::{Caller, rules};
use crate::http::etag::IfNoneMatchHeader;
use crate::http::idempotency::IdempotencyKeyHeader;
use crate::http::{Collection, Cursor, Json, Once, Paging, Path, Query};
use crate::problem::Problem;
use crate::routes::Routes;

/// The operations of moderators.
#[must_use]
pub fn routes() -> Routes {
    routes![hide_comment, restore_comment, remove_comment, list_moderation_queue, list_moderation_statement]
}

/// Decision against a comment.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct JudgeComment {
    /// Why.
    pub reason: FlagReason,
    /// What the author is told.
    #[schema(
        min_length = 1,
        max_length = 2000,
        pattern = r"^[^\u0000]*[^\s\u0000][^\u0000]*$",
        example = "Please leave out the name of the officer."
    )]
    pub note: Option<String>,
}

/// Decision for a comment.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct RestoreComment {
    /// What the author is told.
    #[schema(
        min_length = 1,
        max_length = 2000,
        pattern = r"^[^\u0000]*[^\s\u0000][^\u0000]*$",
        example = "It is within the rules."
    )]
    pub note: Option<String>,
}

/// Comment that waits for a moderator.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct QueuedComment {
    /// The comment, as moderators see it.
    pub comment: Comment,
    /// Since when it waits (UTC): flagged or hidden, and not judged since.
    #[schema(example = "2026-11-23T09:30:00Z")]
    pub queued_at: DateTime<Utc>,
    /// The reasons of its flags that count, the most frequent first.
    #[schema(max_items = 5)]
    pub flags: Vec<FlagCount>,
}

/// How many people flag for a reason.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FlagCount {
    /// The reason.
    pub reason: FlagReason,
    /// How many give it.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 2)]
    pub count: i64,
}

/// One page of the queue.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModerationQueuePage {
    /// What waits on this page, the longest first.
    #[schema(max_items = 100)]
    pub items: Vec<QueuedComment>,
    /// Cursor of the next page; null on the last.
    #[schema(max_length = 2048, pattern = "^[A-Za-z0-9_-]+$", example = "WyJhIl0")]
    pub next_cursor: Option<String>,
}

/// What became of comments in a month. Only how many: neither which, nor whose.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModerationMonth {
    /// The month (UTC).
    #[schema(min_length = 7, max_length = 7, pattern = "^[0-9]{4}-[0-9]{2}$", example = "2026-11")]
    pub month: String,
    /// How often what, and why.
    #[schema(max_items = 30)]
    pub decisions: Vec<DecisionCount>,
}

/// How often something was decided for a reason.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DecisionCount {
    /// What was decided.
    pub action: DecisionAction,
    /// Why; of what was restored, why it had been hidden or flagged. Null for what authors withdrew.
    pub reason: Option<FlagReason>,
    /// Whether flags decided, without a moderator.
    #[schema(example = false)]
    pub by_flags: bool,
    /// How often.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 4)]
    pub count: i64,
}

/// One page of the statement.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModerationStatementPage {
    /// The months on this page in which something was decided, the latest first.
    #[schema(max_items = 100)]
    pub items: Vec<ModerationMonth>,
    /// Cursor of the next page; null on the last.
    #[schema(max_length = 2048, pattern = "^[A-Za-z0-9_-]+$", example = "WyJhIl0")]
    pub next_cursor: Option<String>,
}

/// Hide a comment
///
/// For moderators, but not of their own, or of one that they flagged. It waits on to be restored or removed.
#[utoipa::path(
    post, path = "/comments/{id}/hide", tag = "moderation",
    params(CommentPath, IdempotencyKeyHeader),
    request_body(content = JudgeComment, description = "Why, and what its author is told."),
    security(("oauth2" = ["moderation"]), ("bearer" = [])),
    responses(
        (status = 200, body = Comment, description = "The comment, hidden."),
        (status = 409, description = "It is not visible."),
    ),
)]
async fn hide_comment(once: Once, id: Path<Uuid>, body: Json<JudgeComment>) -> Result<impl Responder, Problem> {
    let (Path(id), Json(JudgeComment { reason, note })) = (id, body);
    judge(once, id, Verdict { action: DecisionAction::Hidden, reason: Some(reason), by_flags: false, note }).await
}

/// Restore a comment
///
/// For moderators, but not of their own, or of one that they flagged. It is shown to everybody, and the flags that it
/// has do not count any more. One that was flagged and not hidden can be restored too, so that it does not wait.
#[utoipa::path(
    post, path = "/comments/{id}/restore", tag = "moderation",
    params(CommentPath, IdempotencyKeyHeader),
    request_body(content = RestoreComment, description = "What its author is told."),
    security(("oauth2" = ["moderation"]), ("bearer" = [])),
    responses(
        (status = 200, body = Comment, description = "The comment, visible."),
        (status = 409, description = "It is neither hidden nor flagged."),
    ),
)]
async fn restore_comment(once: Once, id: Path<Uuid>, body: Json<RestoreComment>) -> Result<impl Responder, Problem> {
    let (Path(id), Json(RestoreComment { note })) = (id, body);
    judge(once, id, Verdict { action: DecisionAction::Restored, reason: None, by_flags: false, note }).await
}

/// Remove a comment
///
/// For moderators, but not of their own, or of one that they flagged. It does not come back; its place in the thread
/// stays.
#[utoipa::path(
    post, path = "/comments/{id}/remove", tag = "moderation",
    params(CommentPath, IdempotencyKeyHeader),
    request_body(content = JudgeComment, description = "Why, and what its author is told."),
    security(("oauth2" = ["moderation"]), ("bearer" = [])),
    responses(
        (status = 200, body = Comment, description = "The comment, removed."),
        (status = 409, description = "It was removed already."),
    ),
)]
async fn remove_comment(once: Once, id: Path<Uuid>, body: Json<JudgeComment>) -> Result<impl Responder, Problem> {
    let (Path(id), Json(JudgeComment { reason, note })) = (id, body);
    judge(once, id, Verdict { action: DecisionAction::Removed, reason: Some(reason), by_flags: false, note }).await
}

async fn judge(once: Once, id: Uuid, verdict: Verdict) -> Result<impl Responder, Problem> {
    let principal = once.caller().actor()?.principal;
    let judged = once.run(move |tx| {
        let current = comments::lock(tx, id)?;
        let moderator = rules::person(principal)?;
        let flagged = flagged_by(&mut tx.conn(), id, moderator)?;
        rules::may_judge_comment(tx.roles(), moderator, &current, flagged)?;
        let judged = moderation::decide(tx, &current, &verdict)?;
        Ok(answer(Comment::seen_by(onlooker(moderator, tx.roles()), judged)))
    });
    judged.await
}

/// List what waits for moderators
///
/// For moderators: comments that are hidden or flagged, those that wait longest first.
#[utoipa::path(
    get, path = "/moderation/queue", tag = "moderation",
    params(Paging, IfNoneMatchHeader),
    security(("oauth2" = ["moderation"]), ("bearer" = [])),
    responses((status = 200, body = ModerationQueuePage, description = "A page of the queue.")),
)]
async fn list_moderation_queue(
    app: Data<App>,
    caller: Caller,
    query: Query<Paging>,
) -> Result<impl Responder, Problem> {
    let Query(paging) = query;
    let (limit, after): (_, Option<Position>) = (paging.limit(), paging.after()?);
    let person = caller.viewer().user_id();
    let read = app.db.read_as(caller.actor()?, move |conn, roles| {
        rules::may_moderate(roles)?;
        Ok::<_, Problem>(moderation::queue(conn, after, limit)?)
    });
    let page = read.await?;
    let next = page.next.as_ref().map(Cursor::write);
    let onlooker = Onlooker { person, moderates: true };
    let items = page.items.into_iter().map(|waiting| QueuedComment::seen_by(onlooker, waiting)).collect();
    Ok(Collection { page: ModerationQueuePage { items, next_cursor: next.clone() }, next })
}

/// Read what moderation amounts to
///
/// For everybody: how many comments were hidden, restored, removed and withdrawn each month, and why.
#[utoipa::path(
    get, path = "/moderation/statement", tag = "moderation",
    params(Paging, IfNoneMatchHeader),
    security((), ("oauth2" = ["comments:read"]), ("bearer" = [])),
    responses((status = 200, body = ModerationStatementPage, description = "A page of months.")),
)]
async fn list_moderation_statement(app: Data<App>, query: Query<Paging>) -> Result<impl Responder, Problem> {
    let Query(paging) = query;
    let (limit, before): (_, Option<NaiveDate>) = (paging.limit(), paging.after()?);
    let read = app.db.read(move |conn| moderation::statement(conn, before, limit));
    let page = read.await.map_err(Problem::from)?;
    let next = page.next.as_ref().map(Cursor::write);
    let items = page.items.into_iter().filter_map(ModerationMonth::of).collect();
    Ok(Collection { page: ModerationStatementPage { items, next_cursor: next.clone() }, next })
}

impl QueuedComment {
    fn seen_by(onlooker: Onlooker, Waiting { comment, flags }: Waiting) -> Self {
        let flags = flags.into_iter().map(|(reason, count)| FlagCount { reason, count }).collect();
        let queued_at = comment.queued_at.unwrap_or(comment.created_at);
        Self { comment: Comment::seen_by(onlooker, comment), queued_at, flags }
    }
}

impl ModerationMonth {
    fn of(tallies: Vec<Tally>) -> Option<Self> {
        let month = tallies.first()?.month;
        let mut decisions: Vec<DecisionCount> = tallies.into_iter().map(Into::into).collect();
        decisions.sort_by_key(|one| (one.action, one.reason, one.by_flags));
        Some(Self { month: format!("{:04}-{:02}", month.year(), month.month()), decisions })
    }
}

impl From<Tally> for DecisionCount {
    fn from(Tally { month: _, action, reason, by_flags, count }: Tally) -> Self {
        Self { action, reason, by_flags, count }
    }
}
