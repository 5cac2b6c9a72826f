//! Invitations into organisations.

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use serde::Serialize;
use uuid::Uuid;

use crate::functions::{lower, organisation_ref, seconds_ago, set_config};
use crate::organisations::{Reference, to_limit};
use crate::page::ById;
use crate::people::{self, Role};
use crate::schema::{invitations, memberships};
use crate::tx::{Conn, Tx};
use crate::types::Json;
use crate::{Error, Page, Result};

/// An invitation.
#[derive(Debug, Clone, Queryable)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct Invitation {
    pub id: Uuid,
    pub version: i32,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub organisation_id: Uuid,
    pub organisation: Json<Reference>,
    pub email: String,
    pub role: Role,
    pub invited_by: Option<Uuid>,
    pub expires_at: DateTime<Utc>,
    pub accepted_at: Option<DateTime<Utc>>,
}

/// An invitation to send.
#[derive(Debug, Clone)]
pub struct NewInvitation {
    /// Into which organisation.
    pub organisation_id: Uuid,
    /// Whom.
    pub email: String,
    /// As what.
    pub role: Role,
    /// SHA-256 of the secret in the link.
    pub token_hash: Vec<u8>,
    /// Days for which the link works.
    pub days: i32,
}

/// An invitation, for audit: without the address, which would have to be erased some day.
#[derive(Serialize)]
struct InvitationState {
    organisation_id: Uuid,
    role: Role,
    accepted: bool,
}

/// One page of those of some organisations, or of all; the oldest first.
pub fn list(
    conn: &mut Conn<'_>,
    organisations: Option<&[Uuid]>,
    after: Option<ById>,
    limit: usize,
) -> Result<Page<Invitation, ById>> {
    let mut query = selected().order(invitations::id).limit(to_limit(limit));
    if let Some(organisations) = organisations {
        query = query.filter(invitations::organisation_id.eq_any(organisations.to_vec()));
    }
    if let Some(ById { id }) = after {
        query = query.filter(invitations::id.gt(id));
    }
    let found: Vec<Invitation> = query.load(conn.pg)?;
    Ok(Page::cut(found, limit, |last| ById { id: last.id }))
}

/// One invitation.
pub fn find(conn: &mut Conn<'_>, id: Uuid) -> Result<Invitation> {
    Ok(selected().filter(invitations::id.eq(id)).first(conn.pg)?)
}

/// One invitation, locked for the rest of the transaction.
pub fn lock(tx: &mut Tx<'_>, id: Uuid) -> Result<Invitation> {
    invitations::table.find(id).select(invitations::id).for_update().first::<Uuid>(tx.pg)?;
    find(&mut tx.conn(), id)
}

/// Keeps an invitation. One to the same address that has expired gives way to it.
pub fn create(tx: &mut Tx<'_>, id: Uuid, new: &NewInvitation) -> Result<Invitation> {
    let to_same = invitations::table
        .filter(invitations::organisation_id.eq(new.organisation_id))
        .filter(lower(invitations::email).eq(lower(&new.email)))
        .filter(invitations::accepted_at.is_null());
    diesel::delete(to_same.filter(invitations::expires_at.le(seconds_ago(0)))).execute(tx.pg)?;
    diesel::insert_into(invitations::table)
        .values((
            invitations::id.eq(id),
            invitations::organisation_id.eq(new.organisation_id),
            invitations::email.eq(&new.email),
            invitations::role.eq(new.role),
            invitations::token_hash.eq(&new.token_hash),
            invitations::invited_by.eq(tx.actor().principal.user_id()),
            invitations::expires_at.eq(seconds_ago(-new.days * 86_400)),
        ))
        .execute(tx.pg)?;
    let state = InvitationState { organisation_id: new.organisation_id, role: new.role, accepted: false };
    tx.audit_in(new.organisation_id, "invitations", id, None, Some(&state))?;
    find(&mut tx.conn(), id)
}

/// Takes a locked invitation back.
pub fn delete(tx: &mut Tx<'_>, current: &Invitation) -> Result<()> {
    let Invitation { id, organisation_id, role, accepted_at, .. } = *current;
    diesel::delete(invitations::table.find(id)).execute(tx.pg)?;
    let state = InvitationState { organisation_id, role, accepted: accepted_at.is_some() };
    tx.audit_in(organisation_id, "invitations", id, Some(&state), None)
}

/// Uses an invitation up: the person becomes a member, in a role no lower than they had. [`Error::NotFound`] when the
/// link does not work (any more), for whatever reason.
pub fn accept(tx: &mut Tx<'_>, token_hash: &[u8], user_id: Uuid) -> Result<Uuid> {
    let shown = token_hash.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    diesel::select(set_config("loti.invitation", shown, true)).execute(tx.pg)?;
    let usable = invitations::table
        .filter(invitations::token_hash.eq(token_hash))
        .filter(invitations::accepted_at.is_null())
        .filter(invitations::expires_at.gt(seconds_ago(0)));
    // The update locks the row, so that of two who come at once one gets in.
    let used: Option<(Uuid, Uuid, Role)> = diesel::update(usable)
        .set((invitations::accepted_at.eq(seconds_ago(0).nullable()), invitations::accepted_by.eq(user_id)))
        .returning((invitations::id, invitations::organisation_id, invitations::role))
        .get_result(tx.pg)
        .optional()?;
    let (id, organisation_id, role) = used.ok_or(Error::NotFound)?;
    let state = |accepted| InvitationState { organisation_id, role, accepted };
    tx.audit_in(organisation_id, "invitations", id, Some(&state(false)), Some(&state(true)))?;
    let held: Option<Role> = memberships::table
        .find((user_id, organisation_id))
        .select(memberships::role)
        .for_update()
        .first(tx.pg)
        .optional()?;
    people::set_membership(tx, user_id, organisation_id, held.map_or(role, |held| held.max(role)))?;
    Ok(organisation_id)
}

type Columns = (
    invitations::id,
    invitations::version,
    invitations::created_at,
    invitations::updated_at,
    invitations::organisation_id,
    diesel::dsl::AssumeNotNull<organisation_ref<diesel::dsl::Nullable<invitations::organisation_id>>>,
    invitations::email,
    invitations::role,
    invitations::invited_by,
    invitations::expires_at,
    invitations::accepted_at,
);

fn selected() -> diesel::dsl::IntoBoxed<'static, diesel::dsl::Select<invitations::table, Columns>, Pg> {
    let columns: Columns = (
        invitations::id,
        invitations::version,
        invitations::created_at,
        invitations::updated_at,
        invitations::organisation_id,
        organisation_ref(invitations::organisation_id.nullable()).assume_not_null(),
        invitations::email,
        invitations::role,
        invitations::invited_by,
        invitations::expires_at,
        invitations::accepted_at,
    );
    invitations::table.select(columns).into_boxed()
}
