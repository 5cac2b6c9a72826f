//! Who belongs to a network. Anybody who is signed in may join; conveners look after the network.

use chrono::{DateTime, Utc};
use diesel::dsl::sql;
use diesel::expression::SqlLiteral;
use diesel::prelude::*;
use diesel::sql_types::Text;
use serde::Serialize;
use uuid::Uuid;

use super::Network;
use crate::organisations::to_limit;
use crate::page::ById;
use crate::schema::network_members;
use crate::tx::{Conn, Tx};
use crate::vocabulary::vocabulary;
use crate::{Page, Result};

vocabulary! {
    /// What somebody is in a network. `member`: belongs to it. `convener`: looks after it and its events.
    NetworkRole, "member" {
        /// Belongs to it.
        Member = "member",
        /// Looks after it and its events.
        Convener = "convener",
    }
}

/// Somebody who belongs to a network.
#[derive(Debug, Clone, Queryable)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct NetworkMember {
    pub id: Uuid,
    pub version: i32,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub network_id: Uuid,
    pub user_id: Uuid,
    pub user_name: String,
    pub role: NetworkRole,
}

/// What is told of it in the trail.
#[derive(Serialize)]
struct MemberAudit {
    network_id: Uuid,
    role: NetworkRole,
}

/// One page of those who belong to a network and whom who looks may see, of one person or of all; who joined first
/// before the others.
pub fn list(
    conn: &mut Conn<'_>,
    network_id: Uuid,
    of: Option<Uuid>,
    after: Option<ById>,
    limit: usize,
) -> Result<Page<NetworkMember, ById>> {
    let mut query = network_members::table.filter(network_members::network_id.eq(network_id)).into_boxed();
    if let Some(person) = of {
        query = query.filter(network_members::user_id.eq(person));
    }
    if let Some(ById { id }) = after {
        query = query.filter(network_members::id.gt(id));
    }
    let query = query.order(network_members::id).limit(to_limit(limit));
    let found: Vec<NetworkMember> = query.select(columns()).load(conn.pg)?;
    Ok(Page::cut(found, limit, |last| ById { id: last.id }))
}

/// One of those who belong to a network.
pub fn find(conn: &mut Conn<'_>, network_id: Uuid, id: Uuid) -> Result<NetworkMember> {
    let query = network_members::table.find(id).filter(network_members::network_id.eq(network_id));
    Ok(query.select(columns()).first(conn.pg)?)
}

/// One of those who belong to a network, locked for the rest of the transaction.
pub fn lock(tx: &mut Tx<'_>, network_id: Uuid, id: Uuid) -> Result<NetworkMember> {
    network_members::table.find(id).select(network_members::id).for_update().first::<Uuid>(tx.pg)?;
    find(&mut tx.conn(), network_id, id)
}

/// Lets a person belong to a network.
pub fn create(tx: &mut Tx<'_>, id: Uuid, network: &Network, person: Uuid, role: NetworkRole) -> Result<NetworkMember> {
    diesel::insert_into(network_members::table)
        .values((
            network_members::id.eq(id),
            network_members::network_id.eq(network.id),
            network_members::user_id.eq(person),
            network_members::role.eq(role),
        ))
        .execute(tx.pg)?;
    audit(tx, network, id, None, Some(role))?;
    find(&mut tx.conn(), network.id, id)
}

/// Gives a locked member another role.
pub fn update(tx: &mut Tx<'_>, network: &Network, current: &NetworkMember, role: NetworkRole) -> Result<NetworkMember> {
    if current.role == role {
        return Ok(current.clone());
    }
    diesel::update(network_members::table.find(current.id)).set(network_members::role.eq(role)).execute(tx.pg)?;
    audit(tx, network, current.id, Some(current.role), Some(role))?;
    find(&mut tx.conn(), network.id, current.id)
}

/// Lets a locked member go.
pub fn delete(tx: &mut Tx<'_>, network: &Network, current: &NetworkMember) -> Result<()> {
    diesel::delete(network_members::table.find(current.id)).execute(tx.pg)?;
    audit(tx, network, current.id, Some(current.role), None)
}

fn audit(
    tx: &mut Tx<'_>,
    network: &Network,
    id: Uuid,
    before: Option<NetworkRole>,
    after: Option<NetworkRole>,
) -> Result<()> {
    let told = |role| MemberAudit { network_id: network.id, role };
    let (before, after) = (before.map(told), after.map(told));
    tx.audit_in(network.state.organisation_id, "network_members", id, before.as_ref(), after.as_ref())
}

type Columns = (
    network_members::id,
    network_members::version,
    network_members::created_at,
    network_members::updated_at,
    network_members::network_id,
    network_members::user_id,
    SqlLiteral<Text>,
    network_members::role,
);

fn columns() -> Columns {
    (
        network_members::id,
        network_members::version,
        network_members::created_at,
        network_members::updated_at,
        network_members::network_id,
        network_members::user_id,
        sql("(select display_name from users where users.id = network_members.user_id)"),
        network_members::role,
    )
}
