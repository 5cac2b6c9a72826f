//! Networks of peers. Who belongs to them is in [`members`], when they meet again and again in [`series`].

pub mod members;
pub mod series;

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::functions::{self, fold, organisation_ref};
use crate::organisations::{Key, Reference, folded, known, slug_holder, to_limit};
use crate::schema::{network_members, networks};
use crate::tx::{Conn, Tx};
use crate::types::Json;
use crate::{Error, Fault, Page, Result};

/// A network.
#[derive(Debug, Clone, Queryable)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct Network {
    pub id: Uuid,
    pub version: i32,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub state: NetworkState,
    pub organisation: Json<Reference>,
    /// How many belong to it.
    pub member_count: i64,
    /// Whether who looks convenes it.
    pub convened: bool,
}

/// What a writer may set.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable, AsChangeset, Serialize)]
#[diesel(table_name = networks, treat_none_as_null = true)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct NetworkState {
    pub slug: String,
    pub name: String,
    pub description: Option<String>,
    pub organisation_id: Uuid,
}

/// Which networks; several values of one field mean any of them, different fields all of them.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Who looks after them.
    pub organisations: Vec<Key>,
    /// Words that are in the name.
    pub named: Option<String>,
    /// Those that a person belongs to.
    pub member: Option<Uuid>,
}

/// Where a page ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Folded name of the last one.
    pub name: String,
    /// Its id.
    pub id: Uuid,
}

/// One page of those that match, by name.
pub fn list(
    conn: &mut Conn<'_>,
    person: Option<Uuid>,
    filter: &Filter,
    after: Option<&Position>,
    limit: usize,
) -> Result<Page<Network, Position>> {
    let mut query = networks::table.into_boxed();
    if !filter.organisations.is_empty() {
        query = query.filter(networks::organisation_id.eq_any(known(conn, &filter.organisations)?));
    }
    if let Some(words) = &filter.named {
        query = query.filter(functions::strpos(fold(networks::name), fold(words)).gt(0));
    }
    if let Some(member) = filter.member {
        let joined = network_members::table.filter(network_members::user_id.eq(member));
        query = query.filter(networks::id.eq_any(joined.select(network_members::network_id)));
    }
    if let Some(Position { name, id }) = after.cloned() {
        query = query
            .filter(fold(networks::name).ge(name.clone()))
            .filter(fold(networks::name).gt(name).or(networks::id.gt(id)));
    }
    let query = query.order((fold(networks::name), networks::id)).limit(to_limit(limit));
    let found: Vec<Network> = query.select(columns(person)).load(conn.pg)?;
    let last = match found.get(limit.saturating_sub(1)) {
        Some(last) => folded(conn, &last.state.name)?,
        None => String::new(),
    };
    Ok(Page::cut(found, limit, |network| Position { name: last, id: network.id }))
}

/// One network, by id or by any slug it ever had; `person` is who looks.
pub fn find(conn: &mut Conn<'_>, person: Option<Uuid>, key: &Key) -> Result<Network> {
    let id = id_of(conn, key)?;
    Ok(networks::table.find(id).select(columns(person)).first(conn.pg)?)
}

/// The id of what a key names; a slug may be an earlier one.
pub fn id_of(conn: &mut Conn<'_>, key: &Key) -> Result<Uuid> {
    match key {
        Key::Id(id) => Ok(*id),
        Key::Slug(slug) => slug_holder(conn, "networks", slug),
    }
}

/// The network that a writer names; a conflict when there is none.
pub fn resolve(tx: &mut Tx<'_>, pointer: &'static str, key: &Key) -> Result<Network> {
    let person = tx.actor().principal.user_id();
    match find(&mut tx.conn(), person, key) {
        Err(Error::NotFound) => {
            let detail = "names no network: give the id or the slug of one";
            Err(Error::Conflict(vec![Fault::new(pointer, "unknown_network", detail)]))
        }
        found => found,
    }
}

/// One network, locked for the rest of the transaction.
pub fn lock(tx: &mut Tx<'_>, key: &Key) -> Result<Network> {
    let id = id_of(&mut tx.conn(), key)?;
    networks::table.find(id).select(networks::id).for_update().first::<Uuid>(tx.pg)?;
    own(tx, id)
}

/// As its writer sees it.
fn own(tx: &mut Tx<'_>, id: Uuid) -> Result<Network> {
    let person = tx.actor().principal.user_id();
    find(&mut tx.conn(), person, &Key::Id(id))
}

/// A slug for a name, free now and, within this transaction, later.
pub fn free_slug(tx: &mut Tx<'_>, name: &str) -> Result<String> {
    Ok(diesel::select(functions::free_slug("networks", name)).get_result(tx.pg)?)
}

/// Makes a network. A person who does convenes it.
pub fn create(tx: &mut Tx<'_>, id: Uuid, state: &NetworkState) -> Result<Network> {
    diesel::insert_into(networks::table).values((networks::id.eq(id), state)).execute(tx.pg)?;
    tx.audit_in(state.organisation_id, "networks", id, None, Some(state))?;
    if let Some(person) = tx.actor().principal.user_id() {
        let network = own(tx, id)?;
        members::create(tx, Uuid::now_v7(), &network, person, members::NetworkRole::Convener)?;
    }
    own(tx, id)
}

/// Brings a locked network into another state. When it is in that state already nothing is written.
pub fn update(tx: &mut Tx<'_>, current: &Network, state: &NetworkState) -> Result<Network> {
    if current.state == *state {
        return Ok(current.clone());
    }
    diesel::update(networks::table.find(current.id)).set(state).execute(tx.pg)?;
    tx.audit_in(state.organisation_id, "networks", current.id, Some(&current.state), Some(state))?;
    own(tx, current.id)
}

/// Removes a locked network that held nothing yet.
pub fn delete(tx: &mut Tx<'_>, current: &Network) -> Result<()> {
    diesel::delete(networks::table.find(current.id)).execute(tx.pg)?;
    tx.audit_in(current.state.organisation_id, "networks", current.id, Some(&current.state), None)
}

type Columns = (
    networks::id,
    networks::version,
    networks::created_at,
    networks::updated_at,
    diesel::dsl::AsSelect<NetworkState, Pg>,
    diesel::dsl::AssumeNotNull<organisation_ref<diesel::dsl::Nullable<networks::organisation_id>>>,
    functions::member_count<networks::id>,
    functions::convenes<diesel::dsl::Nullable<networks::id>, Option<Uuid>>,
);

fn columns(person: Option<Uuid>) -> Columns {
    (
        networks::id,
        networks::version,
        networks::created_at,
        networks::updated_at,
        NetworkState::as_select(),
        organisation_ref(networks::organisation_id.nullable()).assume_not_null(),
        functions::member_count(networks::id),
        functions::convenes(networks::id.nullable(), person),
    )
}
