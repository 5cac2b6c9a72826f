//! Who wants to come to an event. Places are given under the lock of the event, in the order of asking, and a place that
//! is freed is given on in the transaction that frees it.

use chrono::{DateTime, Utc};
use diesel::dsl::{count_star, sql};
use diesel::expression::SqlLiteral;
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Nullable, Text, Uuid as SqlUuid};
use serde::Serialize;
use uuid::Uuid;

use super::{Event, EventStatus};
use crate::functions::{organisation_ref, seconds_ago, waitlist_position};
use crate::organisations::{Key, Reference, to_limit};
use crate::page::ById;
use crate::schema::{events, rsvps};
use crate::tx::{Conn, Tx};
use crate::types::Json;
use crate::vocabulary::vocabulary;
use crate::{Error, Fault, Page, Result};

vocabulary! {
    /// Where an answer stands. `waitlisted`: there is no place yet. `accepted`: there is one. `declined`: an organiser
    /// took it back. `cancelled`: the person does not come.
    RsvpStatus, "accepted" {
        /// There is no place yet.
        Waitlisted = "waitlisted",
        /// There is a place.
        Accepted = "accepted",
        /// An organiser took it back.
        Declined = "declined",
        /// The person does not come.
        Cancelled = "cancelled",
    }
}

impl RsvpStatus {
    /// Whether the person comes, or would if there were a place.
    #[must_use]
    pub fn is_live(self) -> bool {
        matches!(self, Self::Waitlisted | Self::Accepted)
    }
}

/// Somebody's answer.
#[derive(Debug, Clone, Queryable)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct Rsvp {
    pub id: Uuid,
    pub version: i32,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub event_id: Uuid,
    pub user_id: Option<Uuid>,
    pub user_name: Option<String>,
    pub organisation: Option<Json<Reference>>,
    pub status: RsvpStatus,
    /// How many ask who asked before, and this one: 1 is next. Of who waits only.
    pub waitlist_position: Option<i64>,
    pub access_needs: Option<String>,
    pub checked_in_at: Option<DateTime<Utc>>,
}

/// An answer to give.
#[derive(Debug, Clone)]
pub struct NewRsvp {
    /// Who comes.
    pub user_id: Uuid,
    /// For whom.
    pub organisation_id: Option<Uuid>,
    /// What they need to take part.
    pub access_needs: Option<String>,
}

/// What is told of an answer in the trail: not what somebody needs.
#[derive(Serialize)]
struct RsvpAudit {
    event_id: Uuid,
    organisation_id: Option<Uuid>,
    status: RsvpStatus,
    checked_in: bool,
}

impl From<&Rsvp> for RsvpAudit {
    fn from(rsvp: &Rsvp) -> Self {
        let organisation_id = rsvp.organisation.as_ref().map(|organisation| organisation.0.id);
        let checked_in = rsvp.checked_in_at.is_some();
        Self { event_id: rsvp.event_id, organisation_id, status: rsvp.status, checked_in }
    }
}

/// One page of the answers to an event that who looks may see, of one person or of all, the first before the others.
pub fn list(
    conn: &mut Conn<'_>,
    event_id: Uuid,
    of: Option<Uuid>,
    statuses: &[RsvpStatus],
    after: Option<ById>,
    limit: usize,
) -> Result<Page<Rsvp, ById>> {
    let mut query = rsvps::table.filter(rsvps::event_id.eq(event_id)).into_boxed();
    if let Some(person) = of {
        query = query.filter(rsvps::user_id.eq(person));
    }
    if !statuses.is_empty() {
        query = query.filter(rsvps::status.eq_any(statuses.to_vec()));
    }
    if let Some(ById { id }) = after {
        query = query.filter(rsvps::id.gt(id));
    }
    let found: Vec<Rsvp> = query.order(rsvps::id).limit(to_limit(limit)).select(columns()).load(conn.pg)?;
    Ok(Page::cut(found, limit, |last| ById { id: last.id }))
}

/// One answer to an event.
pub fn find(conn: &mut Conn<'_>, event_id: Uuid, id: Uuid) -> Result<Rsvp> {
    Ok(rsvps::table.find(id).filter(rsvps::event_id.eq(event_id)).select(columns()).first(conn.pg)?)
}

/// Answers a locked event: with a place when there is one, else at the end of those who wait. Who cancelled may ask
/// again, and is then the last.
pub fn create(tx: &mut Tx<'_>, id: Uuid, event: &Event, new: &NewRsvp) -> Result<Rsvp> {
    if event.row.status != EventStatus::Published {
        return Err(super::out_of_turn(event, "Only an event that is published can be answered."));
    }
    if is_over(tx, event)? {
        return Err(Error::Conflict(vec![Fault::new("", "over", "The event is over.")]));
    }
    let status = if has_place(event) { RsvpStatus::Accepted } else { RsvpStatus::Waitlisted };
    let earlier = rsvps::table
        .filter(rsvps::event_id.eq(event.row.id).and(rsvps::user_id.eq(new.user_id)))
        .select(columns())
        .first::<Rsvp>(tx.pg)
        .optional()?;
    let (id, before) = match earlier {
        Some(earlier) if earlier.status.is_live() => {
            let detail = format!("You have answered already, and are {}.", earlier.status);
            return Err(Error::Conflict(vec![Fault::new("", "answered_already", detail)]));
        }
        Some(earlier) if earlier.status == RsvpStatus::Declined => {
            let detail = "An organiser declined; ask them if that was a mistake.";
            return Err(Error::Conflict(vec![Fault::new("", "declined", detail)]));
        }
        Some(earlier) => {
            diesel::update(rsvps::table.find(earlier.id))
                .set((
                    rsvps::organisation_id.eq(new.organisation_id),
                    rsvps::status.eq(status),
                    rsvps::access_needs.eq(&new.access_needs),
                    rsvps::queue_number.eq(sql::<BigInt>("nextval('rsvp_queue')")),
                ))
                .execute(tx.pg)?;
            (earlier.id, Some(earlier))
        }
        None => {
            diesel::insert_into(rsvps::table)
                .values((
                    rsvps::id.eq(id),
                    rsvps::event_id.eq(event.row.id),
                    rsvps::user_id.eq(new.user_id),
                    rsvps::organisation_id.eq(new.organisation_id),
                    rsvps::status.eq(status),
                    rsvps::access_needs.eq(&new.access_needs),
                ))
                .execute(tx.pg)?;
            (id, None)
        }
    };
    let after = find(&mut tx.conn(), event.row.id, id)?;
    audit(tx, event, before.as_ref(), &after)?;
    Ok(after)
}

fn is_over(tx: &mut Tx<'_>, event: &Event) -> Result<bool> {
    let over = diesel::select(seconds_ago(0).gt(event.row.facts.ends_at));
    Ok(over.get_result(tx.pg)?)
}

fn has_place(event: &Event) -> bool {
    event.row.facts.capacity.is_none_or(|capacity| event.row.accepted_count < capacity)
}

/// Takes an answer to a locked event back, by the person or by an organiser; who waits longest has the place.
pub fn leave(tx: &mut Tx<'_>, event: &Event, current: &Rsvp, status: RsvpStatus) -> Result<Rsvp> {
    if !current.status.is_live() {
        let detail = format!("It is {} already.", current.status);
        return Err(Error::Conflict(vec![Fault::new("/status", "out_of_turn", detail)]));
    }
    diesel::update(rsvps::table.find(current.id))
        .set((rsvps::status.eq(status), rsvps::checked_in_at.eq(None::<DateTime<Utc>>)))
        .execute(tx.pg)?;
    let after = find(&mut tx.conn(), event.row.id, current.id)?;
    audit(tx, event, Some(current), &after)?;
    promote(tx, event)?;
    Ok(after)
}

#[derive(QueryableByName)]
struct Placed {
    #[diesel(sql_type = SqlUuid)]
    rsvp: Uuid,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    organisation: Option<Uuid>,
}

/// Says of somebody with a place at a locked event that they are there, or that this was a mistake.
pub fn check_in(tx: &mut Tx<'_>, event: &Event, current: &Rsvp, there: bool) -> Result<Rsvp> {
    if event.row.status == EventStatus::Cancelled {
        return Err(super::out_of_turn(event, "Nobody is at an event that was cancelled."));
    }
    if current.status != RsvpStatus::Accepted {
        let detail = format!("Only who has a place is checked in. This answer is {}.", current.status);
        return Err(Error::Conflict(vec![Fault::new("/rsvp", "no_place", detail)]));
    }
    if current.checked_in_at.is_some() == there {
        let detail = if there { "They are checked in already." } else { "They are not checked in." };
        return Err(Error::Conflict(vec![Fault::new("/rsvp", "out_of_turn", detail)]));
    }
    let at: Option<DateTime<Utc>> = if there { Some(diesel::select(seconds_ago(0)).get_result(tx.pg)?) } else { None };
    diesel::update(rsvps::table.find(current.id)).set(rsvps::checked_in_at.eq(at)).execute(tx.pg)?;
    let after = find(&mut tx.conn(), event.row.id, current.id)?;
    audit(tx, event, Some(current), &after)?;
    Ok(after)
}

/// All who have a place at an event, then those who wait, in the order of asking; for a list to take away.
pub fn attendees(conn: &mut Conn<'_>, event_id: Uuid) -> Result<Vec<Rsvp>> {
    let live = rsvps::table
        .filter(rsvps::event_id.eq(event_id))
        .filter(rsvps::status.eq_any([RsvpStatus::Accepted, RsvpStatus::Waitlisted]))
        .order((rsvps::status, rsvps::queue_number));
    Ok(live.select(columns()).load(conn.pg)?)
}

/// How many came for an organisation.
#[derive(Debug, Clone, Queryable)]
pub struct Attendance {
    /// The organisation; none for those who came for nobody.
    pub organisation: Option<Json<Reference>>,
    /// How many had a place.
    pub accepted: i64,
    /// How many of them were there.
    pub checked_in: i64,
}

/// How many came for whom.
pub fn attendance(conn: &mut Conn<'_>, event_id: Uuid) -> Result<Vec<Attendance>> {
    let accepted = rsvps::table
        .filter(rsvps::event_id.eq(event_id))
        .filter(rsvps::status.eq(RsvpStatus::Accepted))
        .group_by(rsvps::organisation_id)
        .order((count_star().desc(), rsvps::organisation_id))
        .select((organisation_ref(rsvps::organisation_id), count_star(), sql::<BigInt>("count(checked_in_at)")));
    Ok(accepted.load(conn.pg)?)
}

/// Gives the places of a locked event that are free to those who wait, who asked first before the others. By a function
/// of the database, as who leaves does not see who waits.
pub(super) fn promote(tx: &mut Tx<'_>, event: &Event) -> Result<()> {
    let placed: Vec<Placed> =
        sql_query("select rsvp, organisation from give_places($1)").bind::<SqlUuid, _>(event.row.id).load(tx.pg)?;
    for Placed { rsvp, organisation } in placed {
        let told =
            |status| RsvpAudit { event_id: event.row.id, organisation_id: organisation, status, checked_in: false };
        let (before, after) = (told(RsvpStatus::Waitlisted), told(RsvpStatus::Accepted));
        tx.audit_for(event.organiser_ids().next(), "rsvps", rsvp, Some(&before), Some(&after))?;
    }
    Ok(())
}

/// Forgets what people needed at an event that is over.
pub(super) fn forget_needs(tx: &mut Tx<'_>, event_id: Uuid) -> Result<()> {
    let told = rsvps::table.filter(rsvps::event_id.eq(event_id)).filter(rsvps::access_needs.is_not_null());
    diesel::update(told).set(rsvps::access_needs.eq(None::<String>)).execute(tx.pg)?;
    Ok(())
}

/// Before a person is erased: nobody waits for a place that they keep.
pub(crate) fn leave_all(tx: &mut Tx<'_>, person: Uuid) -> Result<()> {
    let live: Vec<(Uuid, Uuid)> = rsvps::table
        .inner_join(events::table)
        .filter(rsvps::user_id.eq(person))
        .filter(rsvps::status.eq_any([RsvpStatus::Waitlisted, RsvpStatus::Accepted]))
        .filter(events::status.eq(EventStatus::Published))
        .order(events::id)
        .select((events::id, rsvps::id))
        .load(tx.pg)?;
    for (event_id, id) in live {
        events::table.find(event_id).select(events::id).for_update().first::<Uuid>(tx.pg)?;
        let event = super::find(&mut tx.conn(), &super::Sight::all(), &Key::Id(event_id))?;
        let current = find(&mut tx.conn(), event_id, id)?;
        if current.status.is_live() {
            leave(tx, &event, &current, RsvpStatus::Cancelled)?;
        }
    }
    Ok(())
}

/// Of the first who invites: their administrators see it in the trail.
fn audit(tx: &mut Tx<'_>, event: &Event, before: Option<&Rsvp>, after: &Rsvp) -> Result<()> {
    let organiser = event.organiser_ids().next();
    let (told, after_told) = (before.map(RsvpAudit::from), RsvpAudit::from(after));
    tx.audit_for(organiser, "rsvps", after.id, told.as_ref(), Some(&after_told))
}

type Columns = (
    rsvps::id,
    rsvps::version,
    rsvps::created_at,
    rsvps::updated_at,
    rsvps::event_id,
    rsvps::user_id,
    SqlLiteral<Nullable<Text>>,
    organisation_ref<rsvps::organisation_id>,
    rsvps::status,
    waitlist_position<rsvps::id>,
    rsvps::access_needs,
    rsvps::checked_in_at,
);

fn columns() -> Columns {
    (
        rsvps::id,
        rsvps::version,
        rsvps::created_at,
        rsvps::updated_at,
        rsvps::event_id,
        rsvps::user_id,
        sql("(select display_name from users where users.id = rsvps.user_id and erased_at is null)"),
        organisation_ref(rsvps::organisation_id),
        rsvps::status,
        waitlist_position(rsvps::id),
        rsvps::access_needs,
        rsvps::checked_in_at,
    )
}
