//! What changed of events since people planned around them: `/events/{id}/changes` and `/me/notifications`.

use actix_web::Responder;
use actix_web::web::Data;
use chrono::{DateTime, Utc};
use db::events::changes::{self, Change, ChangeKind, Position};
use db::events::{self, Sight};
use db::organisations::Key;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::EventPath;
use crate::app::App;
use crate::auth::{Caller, rules};
use crate::http::etag::IfNoneMatchHeader;
use crate::http::{Collection, Cursor, Paging, Path, Query};
use crate::problem::Problem;
use crate::routes::Routes;

/// The operations here.
#[must_use]
pub fn routes() -> Routes {
    routes![list_event_changes, list_notifications]
}

/// What changed of an event.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventChange {
    /// Number of the change, which rises.
    #[schema(read_only, minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 17)]
    pub id: i64,
    /// When it changed (UTC).
    #[schema(read_only, example = "2026-11-23T09:30:00Z")]
    pub created_at: DateTime<Utc>,
    /// Of which event.
    #[schema(example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    pub event_id: Uuid,
    /// What that is called today.
    #[schema(min_length = 1, max_length = 200, pattern = r"^[^\u0000-\u001f\u007f]+$", example = "London teacamp")]
    pub event_title: String,
    /// Of which session of its programme; null for the event itself.
    #[schema(example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    pub session_id: Option<Uuid>,
    /// What changed.
    pub kind: ChangeKind,
    /// How it was; null for what was not there.
    pub before: Option<Whereabouts>,
    /// How it is; null for what is not there any more.
    pub after: Option<Whereabouts>,
}

/// What, when and where an event or a session is.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Whereabouts {
    /// What it is called.
    #[schema(min_length = 1, max_length = 200, pattern = r"^[^\u0000-\u001f\u007f]+$", example = "London teacamp")]
    pub title: String,
    /// When it begins (UTC).
    #[schema(example = "2027-01-21T18:00:00Z")]
    pub starts_at: DateTime<Utc>,
    /// When it ends (UTC).
    #[schema(example = "2027-01-21T20:00:00Z")]
    pub ends_at: DateTime<Utc>,
    /// Venue of the event, room of the session; null when there is none.
    #[schema(min_length = 1, max_length = 200, pattern = r"^[^\u0000-\u001f\u007f]+$", example = "City Hall")]
    pub place: Option<String>,
}

/// One page of changes.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventChangePage {
    /// The changes on this page, the latest before the others.
    #[schema(max_items = 100)]
    pub items: Vec<EventChange>,
    /// Cursor of the next page; null on the last.
    #[schema(max_length = 2048, pattern = "^[A-Za-z0-9_-]+$", example = "WyJhIl0")]
    pub next_cursor: Option<String>,
}

/// List what changed of an event
///
/// Since it was published: when, where and what it is, and its programme. For those who planned around it, who have a
/// place or wait for one, and for who looks after it.
#[utoipa::path(
    get, path = "/events/{id}/changes", tag = "events",
    params(EventPath, Paging, IfNoneMatchHeader),
    security(("oauth2" = ["events:read"]), ("bearer" = [])),
    responses((status = 200, body = EventChangePage, description = "A page of changes.")),
)]
async fn list_event_changes(
    app: Data<App>,
    caller: Caller,
    key: Path<Key>,
    query: Query<Paging>,
) -> Result<impl Responder, Problem> {
    let (Path(key), Query(paging), actor) = (key, query, caller.actor()?);
    let (limit, after, person): (_, Option<Position>, _) = (paging.limit(), paging.after()?, actor.principal.user_id());
    let read = app.db.read_as(actor, move |conn, roles| {
        let event = events::find(conn, &Sight::new(roles, person), &key)?;
        let planned = changes::planned_around(conn, event.row.id)?;
        rules::may_follow(roles, &event, planned)?;
        Ok::<_, Problem>(changes::of_event(conn, event.row.id, after, limit)?)
    });
    let page = read.await?.map(EventChange::from);
    let next = page.next.as_ref().map(Cursor::write);
    Ok(Collection { page: EventChangePage { items: page.items, next_cursor: next.clone() }, next })
}

/// List what the caller has to know
///
/// Of the events that they come to, or would: what changed since they answered, that one was cancelled, that they have a
/// place now, or that an organiser declined. None for a program.
#[utoipa::path(
    get, path = "/me/notifications", tag = "me",
    params(Paging, IfNoneMatchHeader),
    security(("oauth2" = ["events:read"]), ("bearer" = [])),
    responses((status = 200, body = EventChangePage, description = "A page of changes.")),
)]
async fn list_notifications(app: Data<App>, caller: Caller, query: Query<Paging>) -> Result<impl Responder, Problem> {
    let (Query(paging), actor) = (query, caller.actor()?);
    let (limit, after): (_, Option<Position>) = (paging.limit(), paging.after()?);
    let person = actor.principal.user_id().unwrap_or_default();
    let read = app.db.read_as(actor, move |conn, _| Ok::<_, Problem>(changes::for_person(conn, person, after, limit)?));
    let page = read.await?.map(EventChange::from);
    let next = page.next.as_ref().map(Cursor::write);
    Ok(Collection { page: EventChangePage { items: page.items, next_cursor: next.clone() }, next })
}

impl From<Change> for EventChange {
    fn from(change: Change) -> Self {
        let Change { id, created_at, event_id, event_title, session_id, kind, before, after } = change;
        let (before, after) = (before.map(|was| was.0.into()), after.map(|is| is.0.into()));
        Self { id, created_at, event_id, event_title, session_id, kind, before, after }
    }
}

impl From<changes::Whereabouts> for Whereabouts {
    fn from(changes::Whereabouts { title, starts_at, ends_at, place }: changes::Whereabouts) -> Self {
        Self { title, starts_at, ends_at, place }
    }
}
