//! Events as calendars and feeds read them: `/calendars`, `/feeds`, and `.ics` of an event, a network, an organisation.

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, Responder};
use chrono::{DateTime, Utc};
use db::calendars;
use db::events::calendar::{self, Of};
use db::events::rsvps::RsvpStatus;
use db::events::{self, Event, Sight};
use db::organisations::{self, Key};
use db::page::ById;
use db::{Viewer, networks};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use validator::Validate;

use crate::app::App;
use crate::auth::{Caller, rules, secret};
use crate::calendar::feeds::{self, EventFeed};
use crate::calendar::ics::{self, Entry};
use crate::http::etag::{IfMatchHeader, IfNoneMatchHeader, digest, tagged};
use crate::http::idempotency::IdempotencyKeyHeader;
use crate::http::text::{NetworkKey, OrganisationKey, text};
use crate::http::{Collection, Cursor, IfMatch, Json, Once, Paging, Path, Query, Single};
use crate::problem::Problem;
use crate::routes::Routes;
use crate::v1::events::EventPath;
use crate::v1::networks::NetworkPath;
use crate::v1::organisations::OrganisationPath;

/// The operations here.
#[must_use]
pub fn routes() -> Routes {
    routes![
        list_calendars,
        create_calendar,
        get_calendar,
        delete_calendar,
        read_calendar,
        read_event_calendar,
        read_network_calendar,
        read_organisation_calendar,
        read_event_feed,
        read_event_atom_feed
    ]
}

text! {
    /// Calendar in iCalendar (RFC 5545), UTF-8: one `VEVENT` for each event, whose `UID` is the id of the event for good and whose `SEQUENCE` rises when the event changes; what was cancelled says so.
    CalendarFile, 1 to 10_000_000, r"^BEGIN:VCALENDAR[\s\S]*END:VCALENDAR\s*$", "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//London Office of Technology and Innovation//LOTI API//EN\r\nEND:VCALENDAR\r\n"
}

text! {
    /// Atom feed (RFC 4287) of events to come, what begins first before the others.
    AtomFeed, 1 to 10_000_000, r"^<\?xml[\s\S]*$", "<?xml version=\"1.0\"?>\n<feed xmlns=\"http://www.w3.org/2005/Atom\"></feed>"
}

/// Address at which a person's calendar is read by who knows it, without the secret in it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Calendar {
    /// Identifier, UUIDv7.
    #[schema(read_only, example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    pub id: Uuid,
    /// Rises by one with each change; the entity tag begins with it.
    #[schema(read_only, minimum = 1, maximum = 2_147_483_647, example = 1)]
    pub version: i32,
    /// When it was made (UTC).
    #[schema(read_only, example = "2026-11-23T09:30:00Z")]
    pub created_at: DateTime<Utc>,
    /// When it last changed (UTC).
    #[schema(read_only, example = "2026-11-23T09:30:00Z")]
    pub updated_at: DateTime<Utc>,
    /// What it is for.
    #[schema(min_length = 1, max_length = 120, pattern = r"^[^\u0000-\u001f\u007f]+$", example = "My phone")]
    pub name: String,
}

/// Address that was made just now, with its secret.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CalendarWithToken {
    #[serde(flatten)]
    pub(crate) calendar: Calendar,
    /// The secret in the address, told this once: whoever has it reads your calendar.
    #[schema(
        min_length = 64,
        max_length = 64,
        pattern = "^[0-9a-f]{64}$",
        example = "5f0c8d7be1a94f3d8a21c6b0e47f9d325f0c8d7be1a94f3d8a21c6b0e47f9d32"
    )]
    pub token: String,
    /// The address, to give to a calendar.
    #[schema(
        format = "uri",
        max_length = 2000,
        pattern = r"^https?://[^\s]+$",
        example = "https://api.loti.example/v1/calendars/5f0c8d7be1a94f3d8a21c6b0e47f9d325f0c8d7be1a94f3d8a21c6b0e47f9d32.ics"
    )]
    pub url: String,
}

/// Address to make.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct CreateCalendar {
    /// What it is for.
    #[schema(
        min_length = 1,
        max_length = 120,
        pattern = r"^[^\u0000-\u001f\u007f]*[^\s\u0000-\u001f\u007f][^\u0000-\u001f\u007f]*$",
        example = "My phone"
    )]
    pub name: String,
}

/// One page of addresses.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CalendarPage {
    /// The addresses on this page, the oldest first.
    #[schema(max_items = 100)]
    pub items: Vec<Calendar>,
    /// Cursor of the next page; null on the last.
    #[schema(max_length = 2048, pattern = "^[A-Za-z0-9_-]+$", example = "WyJhIl0")]
    pub next_cursor: Option<String>,
}

/// Which address.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes the parameter that `Path<Uuid>` reads")]
pub struct CalendarPath {
    /// Id of the address.
    #[param(example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    id: Uuid,
}

/// The secret in an address.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes the parameter that `Path<Token>` reads")]
pub struct TokenPath {
    /// The secret in the address.
    #[param(
        min_length = 64,
        max_length = 64,
        pattern = "^[0-9a-f]{64}$",
        example = "5f0c8d7be1a94f3d8a21c6b0e47f9d325f0c8d7be1a94f3d8a21c6b0e47f9d32"
    )]
    token: String,
}

/// Which events are in a feed.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct FeedFilter {
    /// Network whose event it is, by id or slug.
    #[serde(default)]
    #[param(max_items = 50, required = false, inline, value_type = Vec<NetworkKey>)]
    network: Vec<String>,
    /// Organisation that invites, by id or slug.
    #[serde(default)]
    #[param(max_items = 50, required = false, inline, value_type = Vec<OrganisationKey>)]
    organiser: Vec<String>,
}

/// List the addresses of one's calendar
///
/// Without the secrets in them.
#[utoipa::path(
    get, path = "/calendars", tag = "calendars",
    params(Paging, IfNoneMatchHeader),
    security(("oauth2" = ["events:read"]), ("bearer" = [])),
    responses((status = 200, body = CalendarPage, description = "A page of addresses.")),
)]
async fn list_calendars(app: Data<App>, caller: Caller, query: Query<Paging>) -> Result<impl Responder, Problem> {
    let (Query(paging), actor) = (query, caller.actor()?);
    let (limit, after): (_, Option<ById>) = (paging.limit(), paging.after()?);
    // A program has no calendar.
    let person = actor.principal.user_id().unwrap_or_default();
    let read = app.db.read_as(actor, move |conn, _| Ok::<_, Problem>(calendars::list(conn, person, after, limit)?));
    let page = read.await?.map(Calendar::from);
    let next = page.next.as_ref().map(Cursor::write);
    Ok(Collection { page: CalendarPage { items: page.items, next_cursor: next.clone() }, next })
}

/// Make an address of one's calendar
///
/// At which calendars read the events that the caller comes to, or would, without signing in. Make one for each
/// calendar, so that it can be revoked by itself; at most ten.
#[utoipa::path(
    post, path = "/calendars", tag = "calendars",
    params(IdempotencyKeyHeader),
    request_body(content = CreateCalendar, description = "The address to make."),
    security(("oauth2" = ["events:write"]), ("bearer" = [])),
    responses(
        (status = 201, body = CalendarWithToken, description = "The address, with its secret, told this once."),
        (status = 409, description = "There are ten already."),
    ),
)]
async fn create_calendar(app: Data<App>, once: Once, body: Json<CreateCalendar>) -> Result<impl Responder, Problem> {
    let (Json(CreateCalendar { name }), token) = (body, secret::unguessable()?);
    let url = format!("{}/v1/calendars/{token}.ics", app.config.public_url);
    let created = once.run(move |tx| {
        let person = rules::person(tx.actor().principal)?;
        let calendar = calendars::create(tx, Uuid::now_v7(), person, &name, &secret::hash(&token))?;
        let calendar = Calendar::from(calendar);
        let (version, path) = (calendar.version, format!("/v1/calendars/{}", calendar.id));
        Ok(Single::created(CalendarWithToken { calendar, token: token.clone(), url: url.clone() }, version, path))
    });
    created.await
}

/// Read what an address is for
///
/// One of the caller's; without the secret in it.
#[utoipa::path(
    get, path = "/calendars/{id}", tag = "calendars",
    params(CalendarPath, IfNoneMatchHeader),
    security(("oauth2" = ["events:read"]), ("bearer" = [])),
    responses((status = 200, body = Calendar, description = "The address.")),
)]
async fn get_calendar(app: Data<App>, caller: Caller, id: Path<Uuid>) -> Result<impl Responder, Problem> {
    let (Path(id), actor) = (id, caller.actor()?);
    let person = actor.principal.user_id().unwrap_or_default();
    let read = app.db.read_as(actor, move |conn, _| Ok::<_, Problem>(calendars::find(conn, person, id)?));
    let calendar = Calendar::from(read.await?);
    let version = calendar.version;
    Ok(Single::ok(calendar, version))
}

/// Revoke an address
///
/// One of the caller's: nothing is read at it any more.
#[utoipa::path(
    delete, path = "/calendars/{id}", tag = "calendars",
    params(CalendarPath, IfMatchHeader),
    security(("oauth2" = ["events:write"]), ("bearer" = [])),
    responses((status = 204, description = "Revoked.")),
)]
async fn delete_calendar(
    app: Data<App>,
    caller: Caller,
    id: Path<Uuid>,
    if_match: IfMatch,
) -> Result<impl Responder, Problem> {
    let Path(id) = id;
    app.db
        .write(caller.actor()?, move |tx| {
            let person = tx.actor().principal.user_id().unwrap_or_default();
            let current = calendars::find(&mut tx.conn(), person, id)?;
            if_match.check(current.version)?;
            Ok::<_, Problem>(calendars::delete(tx, &current)?)
        })
        .await?;
    Ok(HttpResponse::new(StatusCode::NO_CONTENT))
}

/// Read a person's calendar
///
/// By the secret in its address: the events that they come to, with where those are online, and those at which they wait
/// for a place, as tentative. What was over a year ago is left out.
#[utoipa::path(
    get, path = "/calendars/{token}.ics", tag = "calendars",
    params(TokenPath, IfNoneMatchHeader),
    security((), ("oauth2" = ["events:read"]), ("bearer" = [])),
    responses((status = 200, body = CalendarFile, content_type = "text/calendar", description = "The calendar.")),
)]
async fn read_calendar(app: Data<App>, token: Path<String>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let hash = secret::hash(&token.0);
    let read = app.db.read(move |conn| Ok::<_, Problem>(calendar::of_address(conn, &hash)?));
    let entries = read.await?.into_iter().map(|(event, answer)| Entry {
        event,
        with_link: answer == RsvpStatus::Accepted,
        answer: Some(answer),
    });
    let mut answer = written(&app, &request, "My events", &entries.collect::<Vec<_>>())?;
    // There is no token to tell caches that it is somebody's.
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    Ok(answer)
}

/// Read an event as a calendar
///
/// By id or slug, as everybody sees it.
#[utoipa::path(
    get, path = "/events/{id}.ics", tag = "calendars",
    params(EventPath, IfNoneMatchHeader),
    security((), ("oauth2" = ["events:read"]), ("bearer" = [])),
    responses((status = 200, body = CalendarFile, content_type = "text/calendar", description = "The calendar.")),
)]
async fn read_event_calendar(app: Data<App>, key: Path<Key>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let Path(key) = key;
    let read = app.db.read(move |conn| Ok::<_, Problem>(events::find(conn, &Sight::default(), &key)?));
    let event: Event = read.await?;
    written(&app, &request, &event.row.facts.title.clone(), &[Entry::public(event)])
}

/// Read the events of a network as a calendar
///
/// As everybody sees them: what is to come, and what was within a year; at most 500.
#[utoipa::path(
    get, path = "/networks/{id}.ics", tag = "calendars",
    params(NetworkPath, IfNoneMatchHeader),
    security((), ("oauth2" = ["events:read"]), ("bearer" = [])),
    responses((status = 200, body = CalendarFile, content_type = "text/calendar", description = "The calendar.")),
)]
async fn read_network_calendar(app: Data<App>, key: Path<Key>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let Path(key) = key;
    let read = app.db.read(move |conn| {
        let network = networks::find(conn, None, &key)?;
        Ok::<_, Problem>((network.state.name, calendar::of(conn, &Of::Network(network.id))?))
    });
    let (name, events) = read.await?;
    written(&app, &request, &name, &events.into_iter().map(Entry::public).collect::<Vec<_>>())
}

/// Read the events of an organisation as a calendar
///
/// Those to which it invites, as everybody sees them: what is to come, and what was within a year; at most 500.
#[utoipa::path(
    get, path = "/organisations/{id}.ics", tag = "calendars",
    params(OrganisationPath, IfNoneMatchHeader),
    security((), ("oauth2" = ["events:read"]), ("bearer" = [])),
    responses((status = 200, body = CalendarFile, content_type = "text/calendar", description = "The calendar.")),
)]
async fn read_organisation_calendar(
    app: Data<App>,
    key: Path<Key>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let Path(key) = key;
    let read = app.db.read(move |conn| {
        let organisation = organisations::find(conn, Viewer::Anonymous, &key)?;
        Ok::<_, Problem>((organisation.row.name, calendar::of(conn, &Of::Organiser(organisation.row.id))?))
    });
    let (name, events) = read.await?;
    written(&app, &request, &name, &events.into_iter().map(Entry::public).collect::<Vec<_>>())
}

/// Follow what is to come, as JSON Feed
///
/// JSON Feed 1.1 of published events, what begins first before the others; at most 100.
#[utoipa::path(
    get, path = "/feeds/events.json", tag = "calendars",
    params(FeedFilter, IfNoneMatchHeader),
    security((), ("oauth2" = ["events:read"]), ("bearer" = [])),
    responses((status = 200, body = EventFeed, content_type = "application/feed+json", description = "The feed.")),
)]
async fn read_event_feed(
    app: Data<App>,
    query: Query<FeedFilter>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let events = to_come(&app, query).await?;
    let feed = feeds::json(&app.config.public_url, &asked(&request), &events);
    let body = serde_json::to_vec(&feed).map_err(|error| Problem::internal(error.to_string()))?;
    Ok(sent(&request, "application/feed+json", body))
}

/// Follow what is to come, as Atom
///
/// Atom feed (RFC 4287) of published events, what begins first before the others; at most 100.
#[utoipa::path(
    get, path = "/feeds/events.atom", tag = "calendars",
    params(FeedFilter, IfNoneMatchHeader),
    security((), ("oauth2" = ["events:read"]), ("bearer" = [])),
    responses((status = 200, body = AtomFeed, content_type = "application/atom+xml", description = "The feed.")),
)]
async fn read_event_atom_feed(
    app: Data<App>,
    query: Query<FeedFilter>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let events = to_come(&app, query).await?;
    let feed = feeds::atom(&app.config.public_url, &asked(&request), &events);
    Ok(sent(&request, "application/atom+xml", feed.into_bytes()))
}

async fn to_come(app: &App, query: Query<FeedFilter>) -> Result<Vec<Event>, Problem> {
    let Query(FeedFilter { network, organiser }) = query;
    let keys = |named: Vec<String>| named.iter().map(|key| Key::from(key.as_str())).collect::<Vec<_>>();
    let (networks, organisers) = (keys(network), keys(organiser));
    app.db.read(move |conn| Ok::<_, Problem>(calendar::to_come(conn, &networks, &organisers)?)).await
}

/// Path and query, as a feed names itself.
fn asked(request: &HttpRequest) -> String {
    request.uri().path_and_query().map_or_else(String::new, ToString::to_string)
}

fn written(app: &App, request: &HttpRequest, name: &str, entries: &[Entry]) -> Result<HttpResponse, Problem> {
    let file = ics::write(name, &app.config.public_url, entries)
        .map_err(|error| Problem::internal(format!("a calendar cannot be written: {error}")))?;
    Ok(sent(request, ics::MEDIA_TYPE, file))
}

fn sent(request: &HttpRequest, media_type: &str, body: Vec<u8>) -> HttpResponse {
    let tag = format!("\"{}\"", digest(&body));
    tagged(request, StatusCode::OK, media_type, body, &tag)
}

impl From<calendars::Calendar> for Calendar {
    fn from(calendar: calendars::Calendar) -> Self {
        let calendars::Calendar { id, version, created_at, updated_at, user_id: _, name } = calendar;
        Self { id, version, created_at, updated_at, name }
    }
}
