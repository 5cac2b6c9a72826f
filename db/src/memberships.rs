//! Who belongs to which organisation, as a resource. What a role allows is read by [`crate::people`].

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use uuid::Uuid;

use crate::functions::organisation_ref;
use crate::organisations::{Reference, to_limit};
use crate::page::ById;
use crate::people::{self, Role};
use crate::schema::{memberships, users};
use crate::tx::{Conn, Tx};
use crate::types::Json;
use crate::{Error, Fault, Page, Result};

/// A person's role in an organisation, with both.
#[derive(Debug, Clone, Queryable)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct Membership {
    pub id: Uuid,
    pub version: i32,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub role: Role,
    pub organisation_id: Uuid,
    pub organisation: Json<Reference>,
    pub user_id: Uuid,
    pub name: String,
    pub email: Option<String>,
}

/// Which memberships a list has.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of these organisations, or of `own`; of all there are when absent.
    pub visible: Option<Vec<Uuid>>,
    /// The person who looks, who sees their own.
    pub own: Option<Uuid>,
    /// Of these organisations only.
    pub organisations: Option<Vec<Uuid>>,
    /// Of these people only.
    pub users: Vec<Uuid>,
    /// With these roles only.
    pub roles: Vec<Role>,
}

/// One page, in the order in which people joined.
pub fn list(conn: &mut Conn<'_>, filter: &Filter, after: Option<ById>, limit: usize) -> Result<Page<Membership, ById>> {
    let mut query = joined().order(memberships::id).limit(to_limit(limit));
    if let Some(visible) = &filter.visible {
        let seen = memberships::organisation_id.eq_any(visible.clone());
        query = match filter.own {
            Some(own) => query.filter(seen.or(memberships::user_id.eq(own))),
            None => query.filter(seen),
        };
    }
    if let Some(organisations) = &filter.organisations {
        query = query.filter(memberships::organisation_id.eq_any(organisations.clone()));
    }
    if !filter.users.is_empty() {
        query = query.filter(memberships::user_id.eq_any(filter.users.clone()));
    }
    if !filter.roles.is_empty() {
        query = query.filter(memberships::role.eq_any(filter.roles.clone()));
    }
    if let Some(ById { id }) = after {
        query = query.filter(memberships::id.gt(id));
    }
    let found: Vec<Membership> = query.load(conn.pg)?;
    Ok(Page::cut(found, limit, |last| ById { id: last.id }))
}

/// One membership.
pub fn find(conn: &mut Conn<'_>, id: Uuid) -> Result<Membership> {
    Ok(joined().filter(memberships::id.eq(id)).first(conn.pg)?)
}

/// The membership of a person in an organisation.
pub fn of(conn: &mut Conn<'_>, user_id: Uuid, organisation_id: Uuid) -> Result<Membership> {
    let both = memberships::user_id.eq(user_id).and(memberships::organisation_id.eq(organisation_id));
    Ok(joined().filter(both).first(conn.pg)?)
}

/// One membership, locked for the rest of the transaction.
pub fn lock(tx: &mut Tx<'_>, id: Uuid) -> Result<Membership> {
    memberships::table.filter(memberships::id.eq(id)).select(memberships::id).for_update().first::<Uuid>(tx.pg)?;
    find(&mut tx.conn(), id)
}

/// Gives a locked membership another role.
pub fn update(tx: &mut Tx<'_>, current: &Membership, role: Role) -> Result<Membership> {
    if role != Role::Admin {
        keep_an_administrator(tx, current)?;
    }
    people::set_membership(tx, current.user_id, current.organisation_id, role)?;
    find(&mut tx.conn(), current.id)
}

/// Ends a locked membership.
pub fn delete(tx: &mut Tx<'_>, current: &Membership) -> Result<()> {
    keep_an_administrator(tx, current)?;
    people::remove_membership(tx, current.user_id, current.organisation_id)
}

/// An organisation that has an administrator keeps one, unless the platform's take the last one away.
///
/// The rows of all its administrators are locked, in one order: of two who remove each other at once, the second waits,
/// and then is the last.
fn keep_an_administrator(tx: &mut Tx<'_>, current: &Membership) -> Result<()> {
    if current.role != Role::Admin || tx.roles().administers() {
        return Ok(());
    }
    let administrators: Vec<Uuid> = memberships::table
        .filter(memberships::organisation_id.eq(current.organisation_id))
        .filter(memberships::role.eq(Role::Admin))
        .order(memberships::user_id)
        .select(memberships::id)
        .for_update()
        .load(tx.pg)?;
    if administrators.iter().any(|id| *id != current.id) {
        return Ok(());
    }
    let detail = "The organisation has no other administrator; make somebody one first.";
    Err(Error::Conflict(vec![Fault::new("", "last_admin", detail)]))
}

type Joined = diesel::dsl::IntoBoxed<
    'static,
    diesel::dsl::Select<diesel::dsl::InnerJoin<memberships::table, users::table>, Columns>,
    Pg,
>;

type Columns = (
    memberships::id,
    memberships::version,
    memberships::created_at,
    memberships::updated_at,
    memberships::role,
    memberships::organisation_id,
    diesel::dsl::AssumeNotNull<organisation_ref<diesel::dsl::Nullable<memberships::organisation_id>>>,
    memberships::user_id,
    users::display_name,
    users::email,
);

fn joined() -> Joined {
    let columns: Columns = (
        memberships::id,
        memberships::version,
        memberships::created_at,
        memberships::updated_at,
        memberships::role,
        memberships::organisation_id,
        organisation_ref(memberships::organisation_id.nullable()).assume_not_null(),
        memberships::user_id,
        users::display_name,
        users::email,
    );
    memberships::table.inner_join(users::table).select(columns).into_boxed()
}
