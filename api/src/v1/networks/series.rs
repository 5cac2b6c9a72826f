//! When a network meets again and again: `/networks/{id}/series`.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpResponse, Responder};
use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use db::Tx;
use db::events::EventKind;
use db::networks::series::{self, BankHolidays, Series, SeriesState};
use db::networks::{self, Network};
use db::organisations::Key;
use db::page::ById;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use validator::{Validate, ValidationError};

use super::NetworkPath;
use crate::app::App;
use crate::auth::{Caller, rules};
use crate::calendar::recurrence::{self, Refused};
use crate::clock::Clock;
use crate::http::etag::{IfMatchHeader, IfNoneMatchHeader};
use crate::http::idempotency::IdempotencyKeyHeader;
use crate::http::{Collection, Cursor, IfMatch, Json, Once, Paging, Patch, Path, Query, Single};
use crate::merge_patch;
use crate::problem::Problem;
use crate::routes::Routes;
use crate::v1::events::wire::{Venue, london};
use crate::v1::organisations::wire::fault;

/// The operations here.
#[must_use]
pub fn routes() -> Routes {
    routes![list_event_series, create_event_series, get_event_series, update_event_series, delete_event_series]
}

/// When a network meets again and again (schema.org: `EventSeries`). Each time is an event of its own, made and published
/// some 400 days ahead, at most 60 at once; the others follow as time goes on.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventSeries {
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
    /// Which network meets.
    #[schema(example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    pub network_id: Uuid,
    #[serde(flatten)]
    pub(crate) facts: CreateEventSeries,
}

/// Series to make.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
#[validate(schema(function = "comes"))]
pub struct CreateEventSeries {
    /// What each event is called.
    #[schema(
        min_length = 1,
        max_length = 180,
        pattern = r"^[^\u0000-\u001f\u007f]*[^\s\u0000-\u001f\u007f][^\u0000-\u001f\u007f]*$",
        example = "London teacamp"
    )]
    pub title: String,
    /// What each is about, in Markdown.
    #[schema(
        min_length = 1,
        max_length = 20_000,
        pattern = r"^[^\u0000]*[^\s\u0000][^\u0000]*$",
        example = "Tea, cake, and one thing that **somebody learned**."
    )]
    pub description: Option<String>,
    /// What sort of event each is.
    pub kind: EventKind,
    /// First day from which the rule counts (`DTSTART` of RFC 5545).
    #[schema(example = "2027-01-21")]
    pub starts_on: NaiveDate,
    /// When each begins, by the clocks there, summer and winter.
    #[schema(min_length = 5, max_length = 5, pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]$", example = "18:00")]
    pub start_time: String,
    /// How long each takes, in minutes.
    #[schema(minimum = 1, maximum = 44_640, example = 120)]
    pub duration_minutes: i32,
    /// Time zone of those clocks, by its IANA name.
    #[serde(default = "london")]
    #[schema(
        min_length = 1,
        max_length = 60,
        pattern = "^[A-Z][A-Za-z_]*(/[A-Z][A-Za-z_-]*){0,2}$",
        example = "Europe/London"
    )]
    pub time_zone: String,
    /// When it comes again: a recurrence rule (RFC 5545, 3.3.10) by days, weeks, months or years. The third Thursday of
    /// each month is `FREQ=MONTHLY;BYDAY=3TH`.
    #[schema(
        min_length = 10,
        max_length = 200,
        pattern = "^FREQ=(DAILY|WEEKLY|MONTHLY|YEARLY)(;(INTERVAL|COUNT|UNTIL|WKST|BYDAY|BYMONTHDAY|BYYEARDAY|BYWEEKNO|BYMONTH|BYSETPOS)=[A-Z0-9,+-]+)*$",
        example = "FREQ=MONTHLY;BYDAY=3TH"
    )]
    pub rrule: String,
    /// What is done on a bank holiday of England and Wales; `keep` when absent.
    #[serde(default = "kept")]
    pub bank_holidays: BankHolidays,
    /// Days, by the rule, on which it does not take place.
    #[serde(default)]
    #[schema(max_items = 100, example = json!(["2027-08-19"]))]
    pub except_dates: Vec<NaiveDate>,
    /// Where each takes place; null when only online.
    pub venue: Option<Venue>,
    /// Where each takes place online. Only who looks after the network sees it here; null for everybody else.
    #[schema(
        format = "uri",
        max_length = 2000,
        pattern = r"^https?://[^\s\u0000-\u001f\u007f]+$",
        example = "https://meet.example.org/teacamp"
    )]
    pub online_url: Option<String>,
    /// How many people can come each time; null without a limit.
    #[schema(minimum = 1, maximum = 100_000, example = 40)]
    pub capacity: Option<i32>,
}

merge_patch! {
    /// Change to a series, as a JSON merge patch (RFC 7396): only what is to change; null clears.
    UpdateEventSeries of CreateEventSeries
}

/// One page of series.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventSeriesPage {
    /// The series on this page, the oldest first.
    #[schema(max_items = 100)]
    pub items: Vec<EventSeries>,
    /// Cursor of the next page; null on the last.
    #[schema(max_length = 2048, pattern = "^[A-Za-z0-9_-]+$", example = "WyJhIl0")]
    pub next_cursor: Option<String>,
}

/// Which series.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes the parameter that `Path` reads")]
pub struct EventSeriesPath {
    /// Id of the series.
    #[param(rename = "seriesId", example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    series_id: Uuid,
}

fn kept() -> BankHolidays {
    BankHolidays::Keep
}

fn comes(series: &CreateEventSeries) -> Result<(), ValidationError> {
    let years = 2000..=2100;
    if !years.contains(&chrono::Datelike::year(&series.starts_on)) {
        return Err(fault("/startsOn", "out_of_range", "must be between 2000 and 2100"));
    }
    if series.venue.is_none() && series.online_url.is_none() {
        return Err(fault("/venue", "nowhere", "must be given when there is no `onlineUrl`"));
    }
    match recurrence::check(&series.rrule, series.starts_on.and_time(series.time()), &series.time_zone) {
        Ok(()) => Ok(()),
        Err(Refused::Zone) => Err(fault("/timeZone", "unknown_time_zone", "names no time zone of the IANA database")),
        Err(Refused::Never) => Err(fault("/rrule", "never", "never comes: it has no day after `startsOn`")),
        Err(Refused::Rule(why)) => {
            let mut refused = fault("/rrule", "wrong_rule", "is no recurrence rule (RFC 5545)");
            refused.message = Some(format!("is no recurrence rule as RFC 5545 has them: {why}").into());
            Err(refused)
        }
    }
}

impl CreateEventSeries {
    fn time(&self) -> NaiveTime {
        NaiveTime::parse_from_str(&self.start_time, "%H:%M").unwrap_or_default()
    }

    fn state(&self) -> SeriesState {
        let mut except_dates = self.except_dates.clone();
        except_dates.sort_unstable();
        except_dates.dedup();
        let venue = Venue::columns(self.venue.clone());
        SeriesState {
            title: self.title.clone(),
            description: self.description.clone(),
            kind: self.kind,
            starts_at: self.starts_on.and_time(self.time()),
            duration_minutes: self.duration_minutes,
            time_zone: self.time_zone.clone(),
            rrule: self.rrule.clone(),
            bank_holidays: self.bank_holidays,
            except_dates: db::types::Dates(except_dates),
            venue_name: venue.name,
            venue_address: venue.address,
            step_free: venue.step_free,
            hearing_loop: venue.hearing_loop,
            quiet_room: venue.quiet_room,
            access_information: venue.access_information,
            online_url: self.online_url.clone(),
            capacity: self.capacity,
        }
    }
}

impl From<SeriesState> for CreateEventSeries {
    fn from(state: SeriesState) -> Self {
        let SeriesState {
            title,
            description,
            kind,
            starts_at,
            duration_minutes,
            time_zone,
            rrule,
            bank_holidays,
            except_dates,
            venue_name,
            venue_address,
            step_free,
            hearing_loop,
            quiet_room,
            access_information,
            online_url,
            capacity,
        } = state;
        let venue = venue_name.map(|name| Venue {
            name,
            address: venue_address,
            step_free,
            hearing_loop,
            quiet_room,
            access_information,
        });
        Self {
            title,
            description,
            kind,
            starts_on: starts_at.date(),
            start_time: starts_at.format("%H:%M").to_string(),
            duration_minutes,
            time_zone,
            rrule,
            bank_holidays,
            except_dates: except_dates.0,
            venue,
            online_url,
            capacity,
        }
    }
}

impl EventSeries {
    /// As somebody sees it: where it is online is for who looks after the network.
    fn seen_by(convenes: bool, series: Series) -> Self {
        let Series { id, version, created_at, updated_at, network_id, state } = series;
        let mut facts = CreateEventSeries::from(state);
        facts.online_url = facts.online_url.filter(|_| convenes);
        Self { id, version, created_at, updated_at, network_id, facts }
    }
}

/// List the series of a network
///
/// The oldest first.
#[utoipa::path(
    get, path = "/networks/{id}/series", tag = "networks",
    params(NetworkPath, Paging, IfNoneMatchHeader),
    security((), ("oauth2" = ["networks:read"]), ("bearer" = [])),
    responses((status = 200, body = EventSeriesPage, description = "A page of series.")),
)]
async fn list_event_series(
    app: Data<App>,
    caller: Caller,
    key: Path<Key>,
    query: Query<Paging>,
) -> Result<impl Responder, Problem> {
    let (Path(key), Query(paging)) = (key, query);
    let (limit, after, person): (_, Option<ById>, _) = (paging.limit(), paging.after()?, caller.viewer().user_id());
    let read = caller.read(&app.db, move |conn, roles| {
        let network = networks::find(conn, person, &key)?;
        let convenes = rules::may_convene(roles, &network).is_ok();
        Ok(series::list(conn, network.id, after, limit)?.map(|series| EventSeries::seen_by(convenes, series)))
    });
    let page = read.await?;
    let next = page.next.as_ref().map(Cursor::write);
    Ok(Collection { page: EventSeriesPage { items: page.items, next_cursor: next.clone() }, next })
}

/// Make a series
///
/// For who looks after the network. Its events are made and published at once, as far ahead as there are any.
#[utoipa::path(
    post, path = "/networks/{id}/series", tag = "networks",
    params(NetworkPath, IdempotencyKeyHeader),
    request_body(content = CreateEventSeries, description = "The series to make."),
    security(("oauth2" = ["networks:write"]), ("bearer" = [])),
    responses((status = 201, body = EventSeries, description = "The series, as made.")),
)]
async fn create_event_series(
    app: Data<App>,
    once: Once,
    key: Path<Key>,
    body: Json<CreateEventSeries>,
) -> Result<impl Responder, Problem> {
    let (Path(key), Json(wanted), clock) = (key, body, app.clock);
    let created = once.run(move |tx| {
        let network = networks::lock(tx, &key)?;
        rules::may_convene(tx.roles(), &network)?;
        let created = series::create(tx, Uuid::now_v7(), &network, &wanted.state())?;
        lay_out(tx, clock, &network, &created)?;
        let (version, path) = (created.version, path_of(&created));
        Ok(Single::created(EventSeries::seen_by(true, created), version, path))
    });
    created.await
}

/// Read a series
///
/// When it takes place; its events are those of `list_events` with `series`.
#[utoipa::path(
    get, path = "/networks/{id}/series/{seriesId}", tag = "networks",
    params(NetworkPath, EventSeriesPath, IfNoneMatchHeader),
    security((), ("oauth2" = ["networks:read"]), ("bearer" = [])),
    responses((status = 200, body = EventSeries, description = "The series.")),
)]
async fn get_event_series(app: Data<App>, caller: Caller, path: Path<(Key, Uuid)>) -> Result<impl Responder, Problem> {
    let (Path((key, id)), person) = (path, caller.viewer().user_id());
    let read = caller.read(&app.db, move |conn, roles| {
        let network = networks::find(conn, person, &key)?;
        let convenes = rules::may_convene(roles, &network).is_ok();
        Ok(shown(convenes, series::find(conn, network.id, id)?))
    });
    read.await
}

/// Change a series
///
/// For who looks after the network. Events to come follow, but for those that were changed by themselves; those on days
/// that it does not have any more go when nobody answered, and are cancelled else.
#[utoipa::path(
    patch, path = "/networks/{id}/series/{seriesId}", tag = "networks",
    params(NetworkPath, EventSeriesPath, IfMatchHeader),
    request_body(
        content = UpdateEventSeries, content_type = "application/merge-patch+json",
        description = "The fields to change.",
    ),
    security(("oauth2" = ["networks:write"]), ("bearer" = [])),
    responses(
        (status = 200, body = EventSeries, description = "The series, as changed."),
        (status = 409, description = "More people have a place at one of its events than it would hold."),
    ),
)]
async fn update_event_series(
    app: Data<App>,
    caller: Caller,
    ids: Path<(Key, Uuid)>,
    if_match: IfMatch,
    patch: Patch,
) -> Result<impl Responder, Problem> {
    let (Path((key, id)), clock) = (ids, app.clock);
    let changed = app.db.write(caller.actor()?, move |tx| {
        let network = networks::lock(tx, &key)?;
        let current = series::find(&mut tx.conn(), network.id, id)?;
        rules::may_convene(tx.roles(), &network)?;
        if_match.check(current.version)?;
        let wanted: CreateEventSeries = patch.apply(&CreateEventSeries::from(current.state.clone()))?;
        let changed = series::update(tx, &network, &current, &wanted.state())?;
        if changed.version != current.version {
            lay_out(tx, clock, &network, &changed)?;
        }
        Ok::<_, Problem>(shown(true, changed))
    });
    changed.await
}

/// End a series
///
/// For who looks after the network. What was stays; of what is to come, that goes which nobody answered, and the rest is
/// cancelled.
#[utoipa::path(
    delete, path = "/networks/{id}/series/{seriesId}", tag = "networks",
    params(NetworkPath, EventSeriesPath, IfMatchHeader),
    security(("oauth2" = ["networks:write"]), ("bearer" = [])),
    responses((status = 204, description = "Ended.")),
)]
async fn delete_event_series(
    app: Data<App>,
    caller: Caller,
    path: Path<(Key, Uuid)>,
    if_match: IfMatch,
) -> Result<impl Responder, Problem> {
    let Path((key, id)) = path;
    app.db
        .write(caller.actor()?, move |tx| {
            let network = networks::lock(tx, &key)?;
            let current = series::find(&mut tx.conn(), network.id, id)?;
            rules::may_convene(tx.roles(), &network)?;
            if_match.check(current.version)?;
            Ok::<_, Problem>(series::delete(tx, &network, &current)?)
        })
        .await?;
    Ok(HttpResponse::new(StatusCode::NO_CONTENT))
}

/// Makes the events of a series of a locked network, and brings those that there are in line.
pub fn lay_out(tx: &mut Tx<'_>, clock: Clock, network: &Network, series: &Series) -> Result<(), Problem> {
    let occurrences = recurrence::occurrences(&series.state, clock.now())
        .map_err(|error| Problem::internal(format!("the series {} {error}", series.id)))?;
    Ok(series::lay_out(tx, network, series, &occurrences)?)
}

fn shown(convenes: bool, series: Series) -> Single<EventSeries> {
    let (version, path) = (series.version, path_of(&series));
    Single::ok(EventSeries::seen_by(convenes, series), version).with_link(&path, "self")
}

fn path_of(series: &Series) -> String {
    format!("/v1/networks/{}/series/{}", series.network_id, series.id)
}
