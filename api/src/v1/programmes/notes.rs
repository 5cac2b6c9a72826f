//! What people took down at a session: `/sessions/{id}/notes`.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpResponse, Responder};
use chrono::{DateTime, Utc};
use db::events::EventStatus;
use db::page::ById;
use db::programmes::notes;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use validator::Validate;

use super::sessions::SessionPath;
use super::{session_seen, session_shown};
use crate::app::App;
use crate::auth::{Caller, rules};
use crate::http::etag::{IfMatchHeader, IfNoneMatchHeader};
use crate::http::idempotency::IdempotencyKeyHeader;
use crate::http::{Collection, Cursor, IfMatch, Json, Once, Paging, Patch, Path, Query, Single};
use crate::markdown;
use crate::merge_patch;
use crate::problem::Problem;
use crate::routes::Routes;
use crate::v1::people::PersonReference;

/// The operations here.
#[must_use]
pub fn routes() -> Routes {
    routes![list_session_notes, create_session_note, get_session_note, update_session_note, delete_session_note]
}

/// What somebody took down at a session.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionNote {
    /// Identifier, UUIDv7.
    #[schema(read_only, example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    pub id: Uuid,
    /// Rises by one with each change; the entity tag begins with it.
    #[schema(read_only, minimum = 1, maximum = 2_147_483_647, example = 1)]
    pub version: i32,
    /// When it was left (UTC).
    #[schema(read_only, example = "2026-11-23T09:30:00Z")]
    pub created_at: DateTime<Utc>,
    /// When it last changed (UTC).
    #[schema(read_only, example = "2026-11-23T09:30:00Z")]
    pub updated_at: DateTime<Utc>,
    /// At which session.
    #[schema(example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    pub session_id: Uuid,
    /// Who took it down; null once they were erased.
    pub author: Option<PersonReference>,
    #[serde(flatten)]
    pub(crate) facts: CreateSessionNote,
    /// The same as HTML that any page can show: without scripts, styles and images, links to http, https and mailto
    /// only.
    #[schema(
        read_only,
        max_length = 400_000,
        pattern = r"^[^\u0000]*$",
        example = "<p>Three boroughs share code.</p>\n"
    )]
    pub body_html: String,
}

/// Note to leave.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct CreateSessionNote {
    /// What was said, in Markdown.
    #[schema(
        min_length = 1,
        max_length = 20_000,
        pattern = r"^[^\u0000]*[^\s\u0000][^\u0000]*$",
        example = "Three boroughs **share** code."
    )]
    pub body_markdown: String,
}

merge_patch! {
    /// Change to a note, as a JSON merge patch (RFC 7396).
    UpdateSessionNote of CreateSessionNote
}

/// One page of notes.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionNotePage {
    /// The notes on this page, the first before the others.
    #[schema(max_items = 100)]
    pub items: Vec<SessionNote>,
    /// Cursor of the next page; null on the last.
    #[schema(max_length = 2048, pattern = "^[A-Za-z0-9_-]+$", example = "WyJhIl0")]
    pub next_cursor: Option<String>,
}

/// Which note.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes the parameter that `Path` reads")]
pub struct SessionNotePath {
    /// Id of the note.
    #[param(rename = "noteId", example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    note_id: Uuid,
}

/// List the notes of a session
///
/// The first before the others.
#[utoipa::path(
    get, path = "/sessions/{id}/notes", tag = "programmes",
    params(SessionPath, Paging, IfNoneMatchHeader),
    security((), ("oauth2" = ["events:read"]), ("bearer" = [])),
    responses((status = 200, body = SessionNotePage, description = "A page of notes.")),
)]
async fn list_session_notes(
    app: Data<App>,
    caller: Caller,
    id: Path<Uuid>,
    query: Query<Paging>,
) -> Result<impl Responder, Problem> {
    let (Path(id), Query(paging)) = (id, query);
    let (limit, after): (_, Option<ById>) = (paging.limit(), paging.after()?);
    let person = caller.viewer().user_id();
    let read = caller.read(&app.db, move |conn, roles| {
        session_shown(conn, roles, person, id)?;
        Ok(notes::list(conn, id, after, limit)?)
    });
    let page = read.await?.map(SessionNote::from);
    let next = page.next.as_ref().map(Cursor::write);
    Ok(Collection { page: SessionNotePage { items: page.items, next_cursor: next.clone() }, next })
}

/// Leave a note at a session
///
/// For who has a place at the event, and for who looks after it; also when the event is over.
#[utoipa::path(
    post, path = "/sessions/{id}/notes", tag = "programmes",
    params(SessionPath, IdempotencyKeyHeader),
    request_body(content = CreateSessionNote, description = "The note to leave."),
    security(("oauth2" = ["events:write"]), ("bearer" = [])),
    responses(
        (status = 201, body = SessionNote, description = "The note, as left."),
        (status = 409, description = "The event did not take place."),
    ),
)]
async fn create_session_note(
    once: Once,
    id: Path<Uuid>,
    body: Json<CreateSessionNote>,
) -> Result<impl Responder, Problem> {
    let (Path(id), Json(wanted)) = (id, body);
    let left = once.run(move |tx| {
        let person = rules::person(tx.actor().principal)?;
        let (event, session) = session_seen(tx, id)?;
        rules::may_note(tx.roles(), &event)?;
        if matches!(event.row.status, EventStatus::Draft | EventStatus::Cancelled) {
            let detail = format!("Notes are of what takes place. This event is {}.", event.row.status);
            return Err(Problem::conflict(&[db::Fault::new("", "out_of_turn", detail)]));
        }
        let left = notes::create(tx, Uuid::now_v7(), &event, session.id, person, &wanted.body())?;
        let (version, path) = (left.version, path_of(&left));
        Ok(Single::created(SessionNote::from(left), version, path))
    });
    left.await
}

/// Read a note
///
/// Not found for those who do not see the event.
#[utoipa::path(
    get, path = "/sessions/{id}/notes/{noteId}", tag = "programmes",
    params(SessionPath, SessionNotePath, IfNoneMatchHeader),
    security((), ("oauth2" = ["events:read"]), ("bearer" = [])),
    responses((status = 200, body = SessionNote, description = "The note.")),
)]
async fn get_session_note(app: Data<App>, caller: Caller, path: Path<(Uuid, Uuid)>) -> Result<impl Responder, Problem> {
    let (Path((id, note)), person) = (path, caller.viewer().user_id());
    let read = caller.read(&app.db, move |conn, roles| {
        session_shown(conn, roles, person, id)?;
        Ok(notes::find(conn, id, note)?)
    });
    Ok(shown(read.await?))
}

/// Change a note
///
/// For who left it.
#[utoipa::path(
    patch, path = "/sessions/{id}/notes/{noteId}", tag = "programmes",
    params(SessionPath, SessionNotePath, IfMatchHeader),
    request_body(
        content = UpdateSessionNote, content_type = "application/merge-patch+json",
        description = "The fields to change.",
    ),
    security(("oauth2" = ["events:write"]), ("bearer" = [])),
    responses((status = 200, body = SessionNote, description = "The note, as changed.")),
)]
async fn update_session_note(
    app: Data<App>,
    caller: Caller,
    ids: Path<(Uuid, Uuid)>,
    if_match: IfMatch,
    patch: Patch,
) -> Result<impl Responder, Problem> {
    let Path((id, note)) = ids;
    let changed = app.db.write(caller.actor()?, move |tx| {
        let (event, _) = session_seen(tx, id)?;
        let current = notes::lock(tx, id, note)?;
        rules::may_change_note(tx.actor().principal, current.author_id)?;
        if_match.check(current.version)?;
        let wanted: CreateSessionNote =
            patch.apply(&CreateSessionNote { body_markdown: current.body_markdown.clone() })?;
        Ok::<_, Problem>(shown(notes::update(tx, &event, &current, &wanted.body())?))
    });
    changed.await
}

/// Remove a note
///
/// For who left it, who looks after the event, and moderators.
#[utoipa::path(
    delete, path = "/sessions/{id}/notes/{noteId}", tag = "programmes",
    params(SessionPath, SessionNotePath, IfMatchHeader),
    security(("oauth2" = ["events:write"]), ("bearer" = [])),
    responses((status = 204, description = "Removed.")),
)]
async fn delete_session_note(
    app: Data<App>,
    caller: Caller,
    path: Path<(Uuid, Uuid)>,
    if_match: IfMatch,
) -> Result<impl Responder, Problem> {
    let Path((id, note)) = path;
    app.db
        .write(caller.actor()?, move |tx| {
            let (event, _) = session_seen(tx, id)?;
            let current = notes::lock(tx, id, note)?;
            rules::may_remove_note(tx.roles(), tx.actor().principal, &event, current.author_id)?;
            if_match.check(current.version)?;
            Ok::<_, Problem>(notes::delete(tx, &event, &current)?)
        })
        .await?;
    Ok(HttpResponse::new(StatusCode::NO_CONTENT))
}

fn shown(note: notes::Note) -> Single<SessionNote> {
    let (version, path) = (note.version, path_of(&note));
    Single::ok(SessionNote::from(note), version).with_link(&path, "self")
}

fn path_of(note: &notes::Note) -> String {
    format!("/v1/sessions/{}/notes/{}", note.session_id, note.id)
}

impl CreateSessionNote {
    fn body(&self) -> db::comments::Body {
        markdown::body(self.body_markdown.clone())
    }
}

impl From<notes::Note> for SessionNote {
    fn from(note: notes::Note) -> Self {
        let notes::Note {
            id,
            version,
            created_at,
            updated_at,
            session_id,
            author_id,
            author_name,
            body_markdown,
            body_html,
            renderer,
        } = note;
        Self {
            id,
            version,
            created_at,
            updated_at,
            session_id,
            author: author_id.zip(author_name).map(|(id, name)| PersonReference { id, name }),
            // What an earlier edition of the renderer made is made anew.
            body_html: if renderer == markdown::RENDERER { body_html } else { markdown::render(&body_markdown) },
            facts: CreateSessionNote { body_markdown },
        }
    }
}
