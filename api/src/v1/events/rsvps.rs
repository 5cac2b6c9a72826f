//! Who wants to come to an event: `/events/{id}/rsvps`.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpResponse, Responder};
use chrono::{DateTime, Utc};
use db::events::rsvps::{self, NewRsvp, RsvpStatus};
use db::events::{self, Sight};
use db::organisations::{self, Key};
use db::page::ById;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use validator::Validate;

use super::EventPath;
use crate::app::App;
use crate::auth::{Caller, rules};
use crate::http::etag::{IfMatchHeader, IfNoneMatchHeader};
use crate::http::idempotency::IdempotencyKeyHeader;
use crate::http::{Collection, Cursor, IfMatch, Json, Once, Paging, Path, Query, Single};
use crate::problem::Problem;
use crate::routes::Routes;
use crate::v1::organisations::wire::OrganisationReference;
use crate::v1::people::PersonReference;

/// The operations here.
#[must_use]
pub fn routes() -> Routes {
    routes![list_rsvps, create_rsvp, get_rsvp, delete_rsvp]
}

/// Answer to an event: that somebody comes, or would if there were a place.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rsvp {
    /// Identifier, UUIDv7.
    #[schema(read_only, example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    pub id: Uuid,
    /// Rises by one with each change; the entity tag begins with it.
    #[schema(read_only, minimum = 1, maximum = 2_147_483_647, example = 1)]
    pub version: i32,
    /// When they first answered (UTC).
    #[schema(read_only, example = "2026-11-23T09:30:00Z")]
    pub created_at: DateTime<Utc>,
    /// When it last changed (UTC).
    #[schema(read_only, example = "2026-11-23T09:30:00Z")]
    pub updated_at: DateTime<Utc>,
    /// To which event.
    #[schema(example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    pub event_id: Uuid,
    /// Who comes; null once they were erased.
    pub attendee: Option<PersonReference>,
    /// For whom they come; null when for nobody.
    pub organisation: Option<OrganisationReference>,
    /// Where it stands.
    pub status: RsvpStatus,
    /// Place among those who wait: 1 is next. Null for who does not wait.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 3)]
    pub waitlist_position: Option<i64>,
    /// What they need to take part; only they and organisers see it.
    #[schema(
        min_length = 1,
        max_length = 1000,
        pattern = r"^[^\u0000]*[^\s\u0000][^\u0000]*$",
        example = "A seat near the speaker."
    )]
    pub access_needs: Option<String>,
    /// When they were there (UTC); null for who was not, or not yet.
    #[schema(example = "2027-01-21T17:55:00Z")]
    pub checked_in_at: Option<DateTime<Utc>>,
}

/// Answer to give.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct CreateRsvp {
    /// Id or slug of an organisation of yours for which you come; the only one that you have, when absent.
    #[serde(default)]
    #[schema(
        min_length = 1,
        max_length = 80,
        pattern = "^[a-z0-9]+(-[a-z0-9]+)*$",
        example = "london-borough-of-hackney"
    )]
    pub organisation: Option<String>,
    /// What you need to take part; only you and organisers see it.
    #[serde(default)]
    #[schema(
        min_length = 1,
        max_length = 1000,
        pattern = r"^[^\u0000]*[^\s\u0000][^\u0000]*$",
        example = "A seat near the speaker."
    )]
    pub access_needs: Option<String>,
}

/// One page of answers.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RsvpPage {
    /// The answers on this page, the first before the others.
    #[schema(max_items = 100)]
    pub items: Vec<Rsvp>,
    /// Cursor of the next page; null on the last.
    #[schema(max_length = 2048, pattern = "^[A-Za-z0-9_-]+$", example = "WyJhIl0")]
    pub next_cursor: Option<String>,
}

/// Filters of the list of answers.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct ListRsvps {
    /// Where they stand.
    #[serde(default)]
    #[param(max_items = 4, required = false, inline, value_type = Vec<RsvpStatus>)]
    status: Vec<RsvpStatus>,
    #[serde(flatten)]
    #[param(ignore)]
    paging: Paging,
}

/// Which answer.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes the parameter that `Path` reads")]
pub struct RsvpPath {
    /// Id of the answer.
    #[param(rename = "rsvpId", example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    rsvp_id: Uuid,
}

/// List the answers to an event
///
/// All of them for contributors of an organisation that invites; for others their own.
#[utoipa::path(
    get, path = "/events/{id}/rsvps", tag = "events",
    params(EventPath, ListRsvps, Paging, IfNoneMatchHeader),
    security(("oauth2" = ["events:read"]), ("bearer" = [])),
    responses((status = 200, body = RsvpPage, description = "A page of answers.")),
)]
async fn list_rsvps(
    app: Data<App>,
    caller: Caller,
    key: Path<Key>,
    query: Query<ListRsvps>,
) -> Result<impl Responder, Problem> {
    let (Path(key), Query(ListRsvps { status, paging })) = (key, query);
    let (limit, after): (_, Option<ById>) = (paging.limit(), paging.after()?);
    let actor = caller.actor()?;
    let person = actor.principal.user_id();
    let read = app.db.read_as(actor, move |conn, roles| {
        let event = events::find(conn, &Sight::new(roles, person), &key)?;
        let organises = rules::may_organise(roles, &event).is_ok();
        // A program that does not organise has no answers of its own.
        let of = if organises { None } else { Some(person.unwrap_or_default()) };
        Ok::<_, Problem>(rsvps::list(conn, event.row.id, of, &status, after, limit)?)
    });
    let page = read.await?;
    let next = page.next.as_ref().map(Cursor::write);
    let items = page.items.into_iter().map(Into::into).collect();
    Ok(Collection { page: RsvpPage { items, next_cursor: next.clone() }, next })
}

/// Answer an event
///
/// You come when there is a place, and else wait for one: places that are freed are given at once, who asked first before
/// the others. Who cancelled may ask again, behind those who wait.
#[utoipa::path(
    post, path = "/events/{id}/rsvps", tag = "events",
    params(EventPath, IdempotencyKeyHeader),
    request_body(content = CreateRsvp, description = "The answer to give."),
    security(("oauth2" = ["events:write"]), ("bearer" = [])),
    responses(
        (status = 201, body = Rsvp, description = "The answer: `status` says whether there is a place."),
        (status = 409, description = "It is not published or over, you have answered, an organiser declined, or the organisation is not in the catalogue."),
    ),
)]
async fn create_rsvp(once: Once, key: Path<Key>, body: Json<CreateRsvp>) -> Result<impl Responder, Problem> {
    let (Path(key), Json(CreateRsvp { organisation, access_needs })) = (key, body);
    let principal = once.caller().actor()?.principal;
    let answered = once.run(move |tx| {
        let user_id = rules::person(principal)?;
        let organisation_id = match &organisation {
            Some(key) => {
                let named = [("/organisation".to_owned(), Key::from(key.as_str()))];
                let id = organisations::resolve(tx, &named)?.into_iter().next().unwrap_or_default();
                rules::may_come_for(tx.roles(), id)?;
                Some(id)
            }
            None => tx.organisation_id(),
        };
        let event = events::lock(tx, &key)?;
        let new = NewRsvp { user_id, organisation_id, access_needs: access_needs.clone() };
        let answered = Rsvp::from(rsvps::create(tx, Uuid::now_v7(), &event, &new)?);
        let (version, path) = (answered.version, answered.path());
        Ok(Single::created(answered, version, path))
    });
    answered.await
}

/// Read an answer to an event
///
/// For who gave it, and for contributors of an organisation that invites. Not found for others.
#[utoipa::path(
    get, path = "/events/{id}/rsvps/{rsvpId}", tag = "events",
    params(EventPath, RsvpPath, IfNoneMatchHeader),
    security(("oauth2" = ["events:read"]), ("bearer" = [])),
    responses((status = 200, body = Rsvp, description = "The answer.")),
)]
async fn get_rsvp(app: Data<App>, caller: Caller, path: Path<(Key, Uuid)>) -> Result<impl Responder, Problem> {
    let (Path((key, id)), actor) = (path, caller.actor()?);
    let principal = actor.principal;
    let read = app.db.read_as(actor, move |conn, roles| {
        let event = events::find(conn, &Sight::new(roles, principal.user_id()), &key)?;
        let found = rsvps::find(conn, event.row.id, id)?;
        rules::may_see_rsvp(roles, principal, &event, found.user_id)?;
        Ok::<_, Problem>(found)
    });
    let found = Rsvp::from(read.await?);
    let (version, path) = (found.version, found.path());
    Ok(Single::ok(found, version).with_link(&path, "self"))
}

/// Take an answer back
///
/// By who gave it, who does not come then; by a contributor of an organisation that invites it is declined. Who waits
/// longest has the place at once.
#[utoipa::path(
    delete, path = "/events/{id}/rsvps/{rsvpId}", tag = "events",
    params(EventPath, RsvpPath, IfMatchHeader),
    security(("oauth2" = ["events:write"]), ("bearer" = [])),
    responses(
        (status = 204, description = "Taken back."),
        (status = 409, description = "It was taken back already."),
    ),
)]
async fn delete_rsvp(
    app: Data<App>,
    caller: Caller,
    path: Path<(Key, Uuid)>,
    if_match: IfMatch,
) -> Result<impl Responder, Problem> {
    let (Path((key, id)), actor) = (path, caller.actor()?);
    let principal = actor.principal;
    app.db
        .write(actor, move |tx| {
            let event = events::lock(tx, &key)?;
            let current = rsvps::find(&mut tx.conn(), event.row.id, id)?;
            rules::may_see_rsvp(tx.roles(), principal, &event, current.user_id)?;
            if_match.check(current.version)?;
            let own = current.user_id.is_some() && current.user_id == principal.user_id();
            let status = if own { RsvpStatus::Cancelled } else { RsvpStatus::Declined };
            Ok::<_, Problem>(rsvps::leave(tx, &event, &current, status)?)
        })
        .await?;
    Ok(HttpResponse::new(StatusCode::NO_CONTENT))
}

impl Rsvp {
    pub(super) fn path(&self) -> String {
        format!("/v1/events/{}/rsvps/{}", self.event_id, self.id)
    }
}

impl From<rsvps::Rsvp> for Rsvp {
    fn from(rsvp: rsvps::Rsvp) -> Self {
        let rsvps::Rsvp {
            id,
            version,
            created_at,
            updated_at,
            event_id,
            user_id,
            user_name,
            organisation,
            status,
            waitlist_position,
            access_needs,
            checked_in_at,
        } = rsvp;
        Self {
            id,
            version,
            created_at,
            updated_at,
            event_id,
            attendee: user_id.zip(user_name).map(|(id, name)| PersonReference { id, name }),
            organisation: organisation.map(|organisation| organisation.0.into()),
            status,
            waitlist_position,
            access_needs,
            checked_in_at,
        }
    }
}
