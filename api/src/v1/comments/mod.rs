//! `/products/{id}/comments` and `/comments`: what people say of products.
//!
//! Flags are in [`flags`]; what moderators do is in [`moderation`].

pub mod flags;
pub mod moderation;
pub mod wire;

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpResponse, Responder};
use db::comments::list::{Filter, Position, Sort};
use db::comments::moderation::Verdict;
use db::comments::{self, AuthorKind, DecisionAction, NewComment};
use db::organisations::{self, Key};
use db::quotas::COMMENTS_OF_PRINCIPAL;
use db::{Role, Roles, Tx, products};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use self::wire::{ChangeableComment, Comment, CommentPage, CommentVersionPage, CreateComment, Onlooker, UpdateComment};
use crate::app::App;
use crate::auth::{Caller, rules};
use crate::http::etag::{IfMatchHeader, IfNoneMatchHeader};
use crate::http::idempotency::IdempotencyKeyHeader;
use crate::http::{Collection, Cursor, IfMatch, Json, Once, Paging, Patch, Path, Query, Single};
use crate::markdown;
use crate::middleware::limits::shared;
use crate::problem::Problem;
use crate::routes::Routes;

/// The operations on comments.
#[must_use]
pub fn routes() -> Routes {
    routes![list_comments, create_comment, get_comment, update_comment, delete_comment, list_comment_versions]
        .merge(flags::routes())
        .merge(moderation::routes())
}

/// Order of a list of comments: as threads, each comment before its replies; oldest first; or newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = "thread")]
pub enum CommentSort {
    /// As threads, each comment before its replies.
    #[serde(rename = "thread")]
    Thread,
    /// Oldest first.
    #[serde(rename = "createdAt")]
    Oldest,
    /// Newest first.
    #[serde(rename = "-createdAt")]
    Newest,
}

impl From<CommentSort> for Sort {
    fn from(sort: CommentSort) -> Self {
        match sort {
            CommentSort::Thread => Self::Thread,
            CommentSort::Oldest => Self::Oldest,
            CommentSort::Newest => Self::Newest,
        }
    }
}

/// Filters of the list of comments.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct ListComments {
    /// Whether only those that begin a thread.
    #[param(default = false, required = false, value_type = bool, example = true)]
    top_level: Option<bool>,
    /// Id of the comment that they reply to.
    #[param(required = false, format = "uuid", value_type = String, example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    parent: Option<Uuid>,
    /// Id of a comment: that one and all below it.
    #[param(required = false, format = "uuid", value_type = String, example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    thread: Option<Uuid>,
    /// As what their authors speak.
    #[serde(default)]
    #[param(max_items = 3, required = false, inline, value_type = Vec<AuthorKind>)]
    author_kind: Vec<AuthorKind>,
    /// Order: as threads when absent.
    #[param(required = false, inline, value_type = CommentSort)]
    sort: Option<CommentSort>,
    #[serde(flatten)]
    #[param(ignore)]
    paging: Paging,
}

/// Which product.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes the parameter that `Path` reads")]
pub struct CommentedProductPath {
    /// Id or slug of the product.
    #[param(min_length = 1, max_length = 80, pattern = "^[a-z0-9]+(-[a-z0-9]+)*$", example = "bin-day")]
    id: String,
}

/// Which comment.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes the parameter that `Path` reads")]
pub struct CommentPath {
    /// Id of the comment.
    #[param(example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    id: Uuid,
}

/// List comments on a product
///
/// One page at a time, as threads or by time. Comments that are hidden or removed are among them, without what they say
/// and who said it, so that a thread keeps its shape.
#[utoipa::path(
    get, path = "/products/{id}/comments", tag = "comments",
    params(CommentedProductPath, ListComments, Paging, IfNoneMatchHeader),
    security((), ("oauth2" = ["comments:read"]), ("bearer" = [])),
    responses((status = 200, body = CommentPage, description = "A page of comments.")),
)]
async fn list_comments(
    app: Data<App>,
    caller: Caller,
    key: Path<Key>,
    query: Query<ListComments>,
) -> Result<impl Responder, Problem> {
    let (Path(key), Query(query)) = (key, query);
    let (limit, after): (_, Option<Position>) = (query.paging.limit(), query.paging.after()?);
    let sort = query.sort.unwrap_or(CommentSort::Thread).into();
    let person = caller.viewer().user_id();
    let read = caller.read(&app.db, move |conn, roles| {
        let filter = Filter {
            product_id: products::id_of(conn, &key)?,
            top_level: query.top_level.unwrap_or_default(),
            parent: query.parent,
            thread: query.thread,
            author_kinds: query.author_kind.clone(),
        };
        let page = comments::list::list(conn, &filter, sort, after.as_ref(), limit)?;
        Ok((page.ok_or_else(Cursor::refused)?, roles.moderates()))
    });
    let (page, moderates) = read.await?;
    let next = page.next.as_ref().map(Cursor::write);
    let onlooker = Onlooker { person, moderates };
    let items = page.items.into_iter().map(|comment| Comment::seen_by(onlooker, comment)).collect();
    Ok(Collection { page: CommentPage { items, next_cursor: next.clone() }, next })
}

/// Comment on a product
///
/// For people of public bodies and of suppliers, and for moderators. The service labels what a supplier's people say.
#[utoipa::path(
    post, path = "/products/{id}/comments", tag = "comments",
    params(CommentedProductPath, IdempotencyKeyHeader),
    request_body(content = CreateComment, description = "What to say, and in reply to what."),
    security(("oauth2" = ["comments:write"]), ("bearer" = [])),
    responses(
        (status = 201, body = Comment, description = "The comment, as made."),
        (status = 409, description = "The parent is no comment on the product, is not shown or is 8 levels deep, or the organisation is not in the catalogue."),
    ),
)]
async fn create_comment(
    app: Data<App>,
    once: Once,
    key: Path<Key>,
    body: Json<CreateComment>,
) -> Result<impl Responder, Problem> {
    let (Path(key), Json(CreateComment { body_markdown, parent, organisation, as_moderator })) = (key, body);
    let principal = once.caller().actor()?.principal;
    shared(&app, COMMENTS_OF_PRINCIPAL, principal.to_string()).await?;
    let body = markdown::body(body_markdown);
    let created = once.run(move |tx| {
        let author_id = rules::person(principal)?;
        let product_id = products::id_of(&mut tx.conn(), &key)?;
        let supplies = comments::supplies(tx, author_id, product_id)?;
        let author_kind = rules::comments_as(tx.roles(), supplies, as_moderator)?;
        let organisation_id = on_behalf_of(tx, author_kind, organisation.as_deref())?;
        let body = body.clone();
        let new = NewComment { product_id, parent_id: parent, author_id, organisation_id, author_kind, body };
        let created = comments::create(tx, Uuid::now_v7(), &new)?;
        let created = Comment::seen_by(onlooker(author_id, tx.roles()), created);
        let (version, path) = (created.version, created.path());
        Ok(Single::created(created, version, path))
    });
    created.await
}

/// The organisation for which somebody speaks: the one that they name out of theirs, or their only one.
fn on_behalf_of(tx: &mut Tx<'_>, kind: AuthorKind, named: Option<&str>) -> Result<Option<Uuid>, Problem> {
    if kind == AuthorKind::Moderator {
        return Ok(None);
    }
    let Some(named) = named else { return Ok(tx.organisation_id()) };
    let id = organisations::resolve_one(tx, "/organisation", named)?;
    if tx.roles().has(id, Role::Viewer) {
        Ok(Some(id))
    } else {
        Err(Problem::forbidden("Nobody speaks for an organisation that they do not belong to."))
    }
}

/// Read a comment
///
/// One that is hidden or removed is read as its place in the thread, except by its author and by moderators.
#[utoipa::path(
    get, path = "/comments/{id}", tag = "comments",
    params(CommentPath, IfNoneMatchHeader),
    security((), ("oauth2" = ["comments:read"]), ("bearer" = [])),
    responses((status = 200, body = Comment, description = "The comment.")),
)]
async fn get_comment(app: Data<App>, caller: Caller, id: Path<Uuid>) -> Result<impl Responder, Problem> {
    let Path(id) = id;
    let person = caller.viewer().user_id();
    let read = caller.read(&app.db, move |conn, roles| Ok((comments::find(conn, id)?, roles.moderates())));
    let (found, moderates) = read.await?;
    Ok(answer(Comment::seen_by(Onlooker { person, moderates }, found)))
}

/// Change a comment
///
/// For its author, as long as they may comment. Earlier wordings are kept for moderators. One that is hidden stays
/// hidden until it is judged.
#[utoipa::path(
    patch, path = "/comments/{id}", tag = "comments",
    params(CommentPath, IfMatchHeader),
    request_body(
        content = UpdateComment, content_type = "application/merge-patch+json",
        description = "The words to change it to.",
    ),
    security(("oauth2" = ["comments:write"]), ("bearer" = [])),
    responses(
        (status = 200, body = Comment, description = "The comment, as changed."),
        (status = 409, description = "It was removed."),
    ),
)]
async fn update_comment(
    app: Data<App>,
    caller: Caller,
    id: Path<Uuid>,
    if_match: IfMatch,
    patch: Patch,
) -> Result<impl Responder, Problem> {
    let (Path(id), actor) = (id, caller.actor()?);
    let principal = actor.principal;
    let changed = app
        .db
        .write(actor, move |tx| {
            let current = comments::lock(tx, id)?;
            let author_id = rules::person(principal)?;
            rules::may_rewrite_comment(tx.roles(), author_id, &current)?;
            if_match.check(current.version)?;
            let was = ChangeableComment { body_markdown: current.body_markdown.clone() };
            let ChangeableComment { body_markdown } = patch.apply(&was)?;
            let changed = comments::rewrite(tx, &current, &markdown::body(body_markdown))?;
            Ok::<_, Problem>(Comment::seen_by(onlooker(author_id, tx.roles()), changed))
        })
        .await?;
    Ok(answer(changed))
}

/// Withdraw a comment
///
/// For its author, also when they do not belong to an organisation any more. Its place in the thread stays.
#[utoipa::path(
    delete, path = "/comments/{id}", tag = "comments",
    params(CommentPath, IfMatchHeader),
    security(("oauth2" = ["comments:write"]), ("bearer" = [])),
    responses(
        (status = 204, description = "Withdrawn."),
        (status = 409, description = "It was removed already."),
    ),
)]
async fn delete_comment(
    app: Data<App>,
    caller: Caller,
    id: Path<Uuid>,
    if_match: IfMatch,
) -> Result<impl Responder, Problem> {
    let (Path(id), actor) = (id, caller.actor()?);
    let principal = actor.principal;
    app.db
        .write(actor, move |tx| {
            let current = comments::lock(tx, id)?;
            rules::may_withdraw_comment(principal, &current)?;
            if_match.check(current.version)?;
            let verdict = Verdict { action: DecisionAction::Withdrawn, reason: None, by_flags: false, note: None };
            comments::moderation::decide(tx, &current, &verdict)?;
            Ok::<_, Problem>(())
        })
        .await?;
    Ok(HttpResponse::new(StatusCode::NO_CONTENT))
}

/// List the wordings of a comment
///
/// For moderators: what it says and what it said before, the latest first, also when it was removed.
#[utoipa::path(
    get, path = "/comments/{id}/versions", tag = "comments",
    params(CommentPath, Paging, IfNoneMatchHeader),
    security(("oauth2" = ["moderation"]), ("bearer" = [])),
    responses((status = 200, body = CommentVersionPage, description = "A page of wordings.")),
)]
async fn list_comment_versions(
    app: Data<App>,
    caller: Caller,
    id: Path<Uuid>,
    query: Query<Paging>,
) -> Result<impl Responder, Problem> {
    let (Path(id), Query(paging)) = (id, query);
    let (limit, after): (_, Option<i32>) = (paging.limit(), paging.after()?);
    let read = app.db.read_as(caller.actor()?, move |conn, roles| {
        comments::find(conn, id)?;
        rules::may_moderate(roles)?;
        Ok::<_, Problem>(comments::versions(conn, id, after, limit)?)
    });
    let page = read.await?;
    let next = page.next.as_ref().map(Cursor::write);
    let items = page.items.into_iter().map(Into::into).collect();
    Ok(Collection { page: CommentVersionPage { items, next_cursor: next.clone() }, next })
}

/// The writer of something, as they look at it.
fn onlooker(person: Uuid, roles: &Roles) -> Onlooker {
    Onlooker { person: Some(person), moderates: roles.moderates() }
}

fn answer(comment: Comment) -> Single<Comment> {
    let (version, path) = (comment.version, comment.path());
    Single::ok(comment, version).with_link(&path, "self")
}
