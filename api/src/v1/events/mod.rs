//! Events: `/events`. [`wire`] has the types; lists are in `list`, who wants to come in `rsvps`, who came in
//! `attendance`, what changed since in `changes`.

mod attendance;
pub mod changes;
mod list;
mod rsvps;
pub mod wire;

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, Responder};
use db::events::{self, EventStatus, Sight};
use db::networks;
use db::organisations::Key;
use db::{Roles, Tx};
use utoipa::IntoParams;
use uuid::Uuid;

use crate::app::App;
use crate::auth::{Caller, rules};
use crate::http::etag::{IfMatchHeader, IfNoneMatchHeader};
use crate::http::idempotency::IdempotencyKeyHeader;
use crate::http::path::moved;
use crate::http::{IfMatch, Json, Once, Patch, Path, Single};
use crate::problem::Problem;
use crate::routes::Routes;
use wire::{CancelEvent, CreateEvent, Event, UpdateEvent};

/// The operations on events.
#[must_use]
pub fn routes() -> Routes {
    routes![create_event, get_event, update_event, delete_event, publish_event, cancel_event, complete_event]
        .merge(list::routes())
        .merge(changes::routes())
        .merge(rsvps::routes())
        .merge(attendance::routes())
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
        (status = 409, description = "The slug belongs to another, or an organiser or the network is not in the catalogue."),
    ),
)]
async fn create_event(once: Once, body: Json<CreateEvent>) -> Result<impl Responder, Problem> {
    let Json(wanted) = body;
    let created = once.run(move |tx| {
        let slug = match &wanted.slug {
            Some(slug) => slug.clone(),
            None => events::free_slug(tx, &wanted.facts.title)?,
        };
        let network = network_of(tx, &wanted, None)?;
        let state = wanted.state(tx, slug, network)?;
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
        (status = 409, description = "It is over or cancelled, more people were accepted than it would hold, it would be nowhere, it would leave the network of its series, or the slug belongs to another."),
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
        rules::may_organise(tx.roles(), &current)?;
        if_match.check(current.row.version)?;
        let wanted: CreateEvent = patch.apply(&CreateEvent::from(before.clone()))?;
        let slug = wanted.slug.clone().unwrap_or_else(|| before.facts.slug.clone());
        let network = network_of(tx, &wanted, before.facts.network_id)?;
        let state = wanted.state(tx, slug, network)?;
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
            rules::may_organise(tx.roles(), &current)?;
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
        rules::may_organise(tx.roles(), &current)?;
        let changed = events::advance(tx, &current, to, reason.as_deref())?;
        Ok(answer(tx.roles(), changed))
    });
    advanced.await
}

/// The network that a writer names, who has to look after it unless the event is of it already.
fn network_of(tx: &mut Tx<'_>, wanted: &CreateEvent, before: Option<Uuid>) -> Result<Option<Uuid>, Problem> {
    let Some(named) = &wanted.network else { return Ok(None) };
    let network = networks::resolve(tx, "/network", &Key::from(named.as_str()))?;
    if before != Some(network.id) {
        rules::may_convene(tx.roles(), &network)?;
    }
    Ok(Some(network.id))
}

fn shown(roles: &Roles, event: events::Event) -> Event {
    let organises = rules::may_organise(roles, &event).is_ok();
    Event::seen_by(organises, event)
}

fn answer(roles: &Roles, event: events::Event) -> Single<Event> {
    let (version, path) = (event.row.version, path_of(&event));
    Single::ok(shown(roles, event), version).with_link(&path, "self")
}

fn path_of(event: &events::Event) -> String {
    format!("/v1/events/{}", event.row.id)
}
