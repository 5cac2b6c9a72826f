//! Who was at an event: `/events/{id}/check-ins`, `/attendees`, `/attendance`. For those who look after it.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, Responder};
use db::events::{self, Sight, rsvps};
use db::organisations::Key;
use db::{Actor, Roles};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use validator::Validate;

use super::EventPath;
use super::rsvps::{Rsvp, RsvpPath};
use crate::app::App;
use crate::auth::{Caller, rules};
use crate::http::etag::{IfMatchHeader, IfNoneMatchHeader, digest, tagged};
use crate::http::idempotency::IdempotencyKeyHeader;
use crate::http::spreadsheet;
use crate::http::text::text;
use crate::http::{IfMatch, Json, Once, Path, Single};
use crate::problem::Problem;
use crate::routes::Routes;
use crate::v1::organisations::wire::OrganisationReference;

/// The operations here.
#[must_use]
pub fn routes() -> Routes {
    routes![create_check_in, delete_check_in, export_attendees, get_attendance]
}

/// Somebody who is there.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct CreateCheckIn {
    /// Id of their answer to the event.
    #[schema(example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    pub rsvp: Uuid,
}

text! {
    /// List of those who come, as CSV (RFC 4180) in UTF-8 with a header: those with a place, then those who wait, in the order of asking. A cell that a spreadsheet would take for a formula begins with an apostrophe.
    AttendeeFile, 1 to 100_000_000, r"^[\s\S]", "name,organisation,status,accessNeeds,checkedInAt\r\nSam Steward,London Borough of Hackney,accepted,,\r\n"
}

/// How many came to an event, for whom. Counts, not names.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventAttendance {
    /// One line for each organisation, the most places first.
    #[schema(max_items = 10_000)]
    pub organisations: Vec<OrganisationAttendance>,
}

/// How many came for one organisation.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrganisationAttendance {
    /// The organisation; null for those who came for nobody.
    pub organisation: Option<OrganisationReference>,
    /// How many had a place.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 6)]
    pub accepted_count: i64,
    /// How many of them were there.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64, example = 5)]
    pub checked_in_count: i64,
    /// How many of them were not, or not yet.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64, example = 1)]
    pub absent_count: i64,
}

/// Check somebody in
///
/// Says that who has a place is there. For contributors of an organisation that invites.
#[utoipa::path(
    post, path = "/events/{id}/check-ins", tag = "events",
    params(EventPath, IdempotencyKeyHeader),
    request_body(content = CreateCheckIn, description = "Who is there."),
    security(("oauth2" = ["events:write"]), ("bearer" = [])),
    responses(
        (status = 201, body = Rsvp, description = "Their answer, with the time."),
        (status = 409, description = "They have no place or are checked in already, or the event was cancelled."),
    ),
)]
async fn create_check_in(once: Once, key: Path<Key>, body: Json<CreateCheckIn>) -> Result<impl Responder, Problem> {
    let (Path(key), Json(CreateCheckIn { rsvp })) = (key, body);
    let checked_in = once.run(move |tx| {
        let event = events::lock(tx, &key)?;
        rules::may_organise(tx.roles(), &event)?;
        let current = match rsvps::find(&mut tx.conn(), event.row.id, rsvp) {
            Err(db::Error::NotFound) => {
                let detail = "names no answer to this event: give the id of one";
                return Err(Problem::conflict(&[db::Fault::new("/rsvp", "unknown_rsvp", detail)]));
            }
            found => found?,
        };
        let there = Rsvp::from(rsvps::check_in(tx, &event, &current, true)?);
        let (version, path) = (there.version, there.path());
        Ok(Single::created(there, version, path))
    });
    checked_in.await
}

/// Take a check-in back
///
/// For contributors of an organisation that invites, when it was a mistake.
#[utoipa::path(
    delete, path = "/events/{id}/check-ins/{rsvpId}", tag = "events",
    params(EventPath, RsvpPath, IfMatchHeader),
    security(("oauth2" = ["events:write"]), ("bearer" = [])),
    responses(
        (status = 204, description = "Taken back."),
        (status = 409, description = "They are not checked in."),
    ),
)]
async fn delete_check_in(
    app: Data<App>,
    caller: Caller,
    path: Path<(Key, Uuid)>,
    if_match: IfMatch,
) -> Result<impl Responder, Problem> {
    let Path((key, id)) = path;
    app.db
        .write(caller.actor()?, move |tx| {
            let event = events::lock(tx, &key)?;
            rules::may_organise(tx.roles(), &event)?;
            let current = rsvps::find(&mut tx.conn(), event.row.id, id)?;
            if_match.check(current.version)?;
            rsvps::check_in(tx, &event, &current, false)?;
            Ok::<_, Problem>(())
        })
        .await?;
    Ok(HttpResponse::new(StatusCode::NO_CONTENT))
}

/// Take away a list of those who come
///
/// For contributors of an organisation that invites; it says what people need, so keep it no longer than that takes.
#[utoipa::path(
    get, path = "/events/{id}/attendees", tag = "events",
    params(EventPath, IfNoneMatchHeader),
    security(("oauth2" = ["events:read"]), ("bearer" = [])),
    responses((status = 200, body = AttendeeFile, content_type = "text/csv", description = "The list.")),
)]
async fn export_attendees(
    app: Data<App>,
    caller: Caller,
    key: Path<Key>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let (Path(key), actor) = (key, caller.actor()?);
    let of = sight(&actor);
    let read = app.db.read_as(actor, move |conn, roles| {
        let event = events::find(conn, &of(roles), &key)?;
        rules::may_organise(roles, &event)?;
        Ok::<_, Problem>(rsvps::attendees(conn, event.row.id)?)
    });
    let file = written(read.await?)?;
    let tag = format!("\"{}\"", digest(&file));
    Ok(tagged(&request, StatusCode::OK, "text/csv", file, &tag))
}

/// Count who came
///
/// By organisation, for contributors of one that invites: how many had a place, and how many were not there.
#[utoipa::path(
    get, path = "/events/{id}/attendance", tag = "events",
    params(EventPath, IfNoneMatchHeader),
    security(("oauth2" = ["events:read"]), ("bearer" = [])),
    responses((status = 200, body = EventAttendance, description = "The counts.")),
)]
async fn get_attendance(app: Data<App>, caller: Caller, key: Path<Key>) -> Result<impl Responder, Problem> {
    let (Path(key), actor) = (key, caller.actor()?);
    let of = sight(&actor);
    let read = app.db.read_as(actor, move |conn, roles| {
        let event = events::find(conn, &of(roles), &key)?;
        rules::may_organise(roles, &event)?;
        Ok::<_, Problem>((event.row.version, rsvps::attendance(conn, event.row.id)?))
    });
    let (version, counted) = read.await?;
    let organisations = counted.into_iter().map(Into::into).collect();
    Ok(Single::ok(EventAttendance { organisations }, version))
}

fn sight(actor: &Actor) -> impl Fn(&Roles) -> Sight + Send + 'static {
    let person = actor.principal.user_id();
    move |roles| Sight::new(roles, person)
}

fn written(attendees: Vec<rsvps::Rsvp>) -> Result<Vec<u8>, Problem> {
    let header = ["name", "organisation", "status", "accessNeeds", "checkedInAt"];
    let cells = |rsvp: rsvps::Rsvp| {
        let organisation = rsvp.organisation.map(|organisation| organisation.0.name);
        let cells = [
            rsvp.user_name,
            organisation,
            Some(rsvp.status.to_string()),
            rsvp.access_needs,
            rsvp.checked_in_at.map(|at| at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)),
        ];
        cells.map(Option::unwrap_or_default)
    };
    spreadsheet::write(header, attendees.into_iter().map(cells))
}

impl From<rsvps::Attendance> for OrganisationAttendance {
    fn from(rsvps::Attendance { organisation, accepted, checked_in }: rsvps::Attendance) -> Self {
        Self {
            organisation: organisation.map(|organisation| organisation.0.into()),
            accepted_count: accepted,
            checked_in_count: checked_in,
            absent_count: accepted - checked_in,
        }
    }
}
