//! Events: `/events`. [`wire`] has the types; who wants to come is in `rsvps`, who came in `attendance`.

mod attendance;
mod rsvps;
pub mod wire;

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, Responder};
use chrono::{DateTime, Utc};
use db::Roles;
use db::events::{self, EventKind, EventStatus, Filter, Position, Sight};
use db::organisations::{Key, OrganisationKind};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::app::App;
use crate::auth::{Caller, rules};
use crate::http::etag::{IfMatchHeader, IfNoneMatchHeader};
use crate::http::idempotency::IdempotencyKeyHeader;
use crate::http::path::moved;
use crate::http::text::OrganisationKey;
use crate::http::{Collection, Cursor, IfMatch, Json, Once, Paging, Patch, Path, Query, Single};
use crate::problem::Problem;
use crate::routes::Routes;
use wire::{CancelEvent, CreateEvent, Event, EventPage, UpdateEvent};

/// The operations on events.
#[must_use]
pub fn routes() -> Routes {
    routes![
        list_events,
        create_event,
        get_event,
        update_event,
        delete_event,
        publish_event,
        cancel_event,
        complete_event
    ]
    .merge(rsvps::routes())
    .merge(attendance::routes())
}

/// Order of a list of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = "startsAt")]
pub enum EventSort {
    /// Those that begin first before the others.
    #[serde(rename = "startsAt")]
    Earliest,
    /// Those that begin last before the others.
    #[serde(rename = "-startsAt")]
    Latest,
}

/// Filters of the list of events.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct ListEvents {
    /// Ends at this moment or later.
    #[param(required = false, value_type = DateTime<Utc>, example = "2027-01-01T00:00:00Z")]
    ends_from: Option<DateTime<Utc>>,
    /// Begins before this moment.
    #[param(required = false, value_type = DateTime<Utc>, example = "2027-02-01T00:00:00Z")]
    starts_before: Option<DateTime<Utc>>,
    /// What sort of event.
    #[serde(default)]
    #[param(max_items = 4, required = false, inline, value_type = Vec<EventKind>)]
    kind: Vec<EventKind>,
    /// Where they stand.
    #[serde(default)]
    #[param(max_items = 4, required = false, inline, value_type = Vec<EventStatus>)]
    status: Vec<EventStatus>,
    /// Organisation that invites, by id or slug.
    #[serde(default)]
    #[param(max_items = 50, required = false, inline, value_type = Vec<OrganisationKey>)]
    organiser: Vec<String>,
    /// Sort of organisation that invites.
    #[serde(default)]
    #[param(max_items = 7, required = false, inline, value_type = Vec<OrganisationKind>)]
    organiser_kind: Vec<OrganisationKind>,
    /// true: those with a place left; false: those without.
    #[param(required = false, value_type = bool, example = true)]
    has_places: Option<bool>,
    /// true: those where one can take part online; false: the others.
    #[param(required = false, value_type = bool, example = true)]
    online: Option<bool>,
    /// Order; `startsAt` when absent.
    #[param(inline, required = false, value_type = EventSort)]
    sort: Option<EventSort>,
    /// Whether to count the items of all pages as `total`, which takes longer.
    #[param(default = false, required = false, value_type = bool, example = true)]
    count: Option<bool>,
    #[serde(flatten)]
    #[param(ignore)]
    paging: Paging,
}

impl ListEvents {
    fn filter(&self) -> Filter {
        Filter {
            after: self.ends_from,
            before: self.starts_before,
            kinds: self.kind.clone(),
            statuses: self.status.clone(),
            organisers: self.organiser.iter().map(|key| Key::from(key.as_str())).collect(),
            organiser_kinds: self.organiser_kind.clone(),
            has_places: self.has_places,
            online: self.online,
        }
    }
}

/// Which event.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes the parameter that `Path<Key>` reads")]
pub struct EventPath {
    /// Id or slug of the event.
    #[param(min_length = 1, max_length = 80, pattern = "^[a-z0-9]+(-[a-z0-9]+)*$", example = "london-teacamp-january")]
    id: String,
}

/// List events
///
/// Those that were published, cancelled and completed ones included, and drafts of the organisations for which the
/// caller contributes.
#[utoipa::path(
    get, path = "/events", tag = "events",
    params(ListEvents, Paging, IfNoneMatchHeader),
    security((), ("oauth2" = ["events:read"]), ("bearer" = [])),
    responses((status = 200, body = EventPage, description = "A page of events.")),
)]
async fn list_events(app: Data<App>, caller: Caller, query: Query<ListEvents>) -> Result<impl Responder, Problem> {
    let Query(query) = query;
    let (latest_first, limit) = (query.sort == Some(EventSort::Latest), query.paging.limit());
    let after: Option<Position> = query.paging.after()?;
    let person = caller.viewer().user_id();
    let read = caller.read(&app.db, move |conn, roles| {
        let (sight, filter) = (Sight::new(roles, person), query.filter());
        let page = events::list(conn, &sight, &filter, latest_first, after, limit)?;
        let counts = query.count.unwrap_or(false);
        let total = if counts { Some(events::count(conn, &sight, &filter)?) } else { None };
        Ok((page.map(|event| shown(roles, event)), total))
    });
    let (page, total) = read.await?;
    let next = page.next.as_ref().map(Cursor::write);
    Ok(Collection { page: EventPage { items: page.items, next_cursor: next.clone(), total }, next })
}

/// Make an event
///
/// A draft, for contributors of every organisation that invites; suppliers do not. A slug is made from the title when
/// none is given.
#[utoipa::path(
    post, path = "/events", tag = "events",
    params(IdempotencyKeyHeader),
    request_body(content = CreateEvent, description = "The event to make."),
    security(("oauth2" = ["events:write"]), ("bearer" = [])),
    responses(
        (status = 201, body = Event, description = "The event, as made."),
        (status = 409, description = "The slug belongs to another, or an organiser is not in the catalogue."),
    ),
)]
async fn create_event(once: Once, body: Json<CreateEvent>) -> Result<impl Responder, Problem> {
    let Json(wanted) = body;
    let created = once.run(move |tx| {
        let slug = match &wanted.slug {
            Some(slug) => slug.clone(),
            None => events::free_slug(tx, &wanted.facts.title)?,
        };
        let state = wanted.state(tx, slug)?;
        rules::may_invite(tx.roles(), &[], &state.organisers)?;
        let created = events::create(tx, Uuid::now_v7(), &state)?;
        let (version, path) = (created.row.version, path_of(&created));
        Ok(Single::created(shown(tx.roles(), created), version, path))
    });
    created.await
}

/// Read an event
///
/// By id or slug. A slug that it had earlier redirects to the present one. Not found for those who do not see it.
#[utoipa::path(
    get, path = "/events/{id}", tag = "events",
    params(EventPath, IfNoneMatchHeader),
    security((), ("oauth2" = ["events:read"]), ("bearer" = [])),
    responses(
        (status = 200, body = Event, description = "The event."),
        (status = 301, description = "It has another slug today; `Location` has it."),
    ),
)]
async fn get_event(
    app: Data<App>,
    caller: Caller,
    key: Path<Key>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let Path(key) = key;
    let (asked, person) = (key.clone(), caller.viewer().user_id());
    let read = caller.read(&app.db, move |conn, roles| {
        let found = events::find(conn, &Sight::new(roles, person), &key)?;
        Ok((found.row.version, path_of(&found), shown(roles, found)))
    });
    let (version, path, event) = read.await?;
    let answer = moved(&asked, "events", &event.slug);
    Ok(answer.unwrap_or_else(|| Single::ok(event, version).with_link(&path, "self").respond_to(&request)))
}

/// Change an event
///
/// For contributors of an organisation that invites. Who waits has a place at once when there are more of them.
#[utoipa::path(
    patch, path = "/events/{id}", tag = "events",
    params(EventPath, IfMatchHeader),
    request_body(
        content = UpdateEvent, content_type = "application/merge-patch+json",
        description = "The fields to change.",
    ),
    security(("oauth2" = ["events:write"]), ("bearer" = [])),
    responses(
        (status = 200, body = Event, description = "The event, as changed."),
        (status = 409, description = "It is over or cancelled, more people were accepted than it would hold, it would be nowhere, or the slug belongs to another."),
    ),
)]
async fn update_event(
    app: Data<App>,
    caller: Caller,
    key: Path<Key>,
    if_match: IfMatch,
    patch: Patch,
) -> Result<impl Responder, Problem> {
    let Path(key) = key;
    let changed = app.db.write(caller.actor()?, move |tx| {
        let current = events::lock(tx, &key)?;
        let before = current.state();
        rules::may_organise(tx.roles(), &before.organisers)?;
        if_match.check(current.row.version)?;
        let wanted: CreateEvent = patch.apply(&CreateEvent::from(before.clone()))?;
        let slug = wanted.slug.clone().unwrap_or_else(|| before.facts.slug.clone());
        let state = wanted.state(tx, slug)?;
        rules::may_invite(tx.roles(), &before.organisers, &state.organisers)?;
        let changed = events::update(tx, &current, &state)?;
        Ok::<_, Problem>(answer(tx.roles(), changed))
    });
    changed.await
}

/// Remove a draft
///
/// For contributors of an organisation that invites. What was published is cancelled instead.
#[utoipa::path(
    delete, path = "/events/{id}", tag = "events",
    params(EventPath, IfMatchHeader),
    security(("oauth2" = ["events:write"]), ("bearer" = [])),
    responses(
        (status = 204, description = "Removed."),
        (status = 409, description = "It was published."),
    ),
)]
async fn delete_event(
    app: Data<App>,
    caller: Caller,
    key: Path<Key>,
    if_match: IfMatch,
) -> Result<impl Responder, Problem> {
    let Path(key) = key;
    app.db
        .write(caller.actor()?, move |tx| {
            let current = events::lock(tx, &key)?;
            rules::may_organise(tx.roles(), &current.state().organisers)?;
            if_match.check(current.row.version)?;
            Ok::<_, Problem>(events::delete(tx, &current)?)
        })
        .await?;
    Ok(HttpResponse::new(StatusCode::NO_CONTENT))
}

/// Publish an event
///
/// Everybody sees it, and can answer. For contributors of an organisation that invites.
#[utoipa::path(
    post, path = "/events/{id}/publish", tag = "events",
    params(EventPath, IdempotencyKeyHeader),
    security(("oauth2" = ["events:write"]), ("bearer" = [])),
    responses(
        (status = 200, body = Event, description = "The event, published."),
        (status = 409, description = "It is no draft, or it is nowhere: it has neither a venue nor an `onlineUrl`."),
    ),
)]
async fn publish_event(once: Once, key: Path<Key>) -> Result<impl Responder, Problem> {
    let Path(key) = key;
    advance(once, key, EventStatus::Published, None).await
}

/// Cancel an event
///
/// It does not take place, and stays to be seen. For contributors of an organisation that invites.
#[utoipa::path(
    post, path = "/events/{id}/cancel", tag = "events",
    params(EventPath, IdempotencyKeyHeader),
    request_body(content = CancelEvent, description = "Why."),
    security(("oauth2" = ["events:write"]), ("bearer" = [])),
    responses(
        (status = 200, body = Event, description = "The event, cancelled."),
        (status = 409, description = "It is not published."),
    ),
)]
async fn cancel_event(once: Once, key: Path<Key>, body: Json<CancelEvent>) -> Result<impl Responder, Problem> {
    let (Path(key), Json(CancelEvent { reason })) = (key, body);
    advance(once, key, EventStatus::Cancelled, reason).await
}

/// Complete an event
///
/// It took place. For contributors of an organisation that invites.
#[utoipa::path(
    post, path = "/events/{id}/complete", tag = "events",
    params(EventPath, IdempotencyKeyHeader),
    security(("oauth2" = ["events:write"]), ("bearer" = [])),
    responses(
        (status = 200, body = Event, description = "The event, completed."),
        (status = 409, description = "It is not published."),
    ),
)]
async fn complete_event(once: Once, key: Path<Key>) -> Result<impl Responder, Problem> {
    let Path(key) = key;
    advance(once, key, EventStatus::Completed, None).await
}

async fn advance(once: Once, key: Key, to: EventStatus, reason: Option<String>) -> Result<HttpResponse, Problem> {
    let advanced = once.run(move |tx| {
        let current = events::lock(tx, &key)?;
        rules::may_organise(tx.roles(), &current.state().organisers)?;
        let changed = events::advance(tx, &current, to, reason.as_deref())?;
        Ok(answer(tx.roles(), changed))
    });
    advanced.await
}

fn shown(roles: &Roles, event: events::Event) -> Event {
    let organises = rules::may_organise(roles, &event.state().organisers).is_ok();
    Event::seen_by(organises, event)
}

fn answer(roles: &Roles, event: events::Event) -> Single<Event> {
    let (version, path) = (event.row.version, path_of(&event));
    Single::ok(shown(roles, event), version).with_link(&path, "self")
}

fn path_of(event: &events::Event) -> String {
    format!("/v1/events/{}", event.row.id)
}
