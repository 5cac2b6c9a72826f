//! OAuth 2.0 clients and their secrets.
//!
//! Private to their organisations: read with [`crate::Db::read_as`], as the policies of the tables show nothing
//! otherwise.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde::Serialize;
use uuid::Uuid;

use crate::functions::{organisation_ref, seconds_ago};
use crate::organisations::{Reference, to_limit};
use crate::page::ById;
use crate::people::{Membership, Role};
use crate::schema::{client_secrets, clients, organisations, revoked_tokens};
use crate::tx::{Conn, Tx};
use crate::types::{Json, Texts};
use crate::vocabulary::vocabulary;
use crate::{Error, Fault, Page, Result};

vocabulary! {
    /// What a client is for.
    ClientKind, "service" {
        /// A program that acts for its organisation.
        Service = "service",
        /// A key to read what everybody reads, with a quota of its own; it never writes.
        CatalogueKey = "catalogue_key",
    }
}

/// A client with its secrets.
#[derive(Debug, Clone)]
pub struct Client {
    /// The row.
    pub row: ClientRow,
    /// Whose it is.
    pub organisation: Reference,
    /// Its secrets, one or two as a rule.
    pub secrets: Vec<SecretRow>,
}

/// A row of `clients`.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = clients)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct ClientRow {
    pub id: Uuid,
    pub version: i32,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub organisation_id: Uuid,
    pub created_by: Option<Uuid>,
    #[diesel(embed)]
    pub state: ClientState,
}

/// What a writer may set.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable, AsChangeset, Serialize)]
#[diesel(table_name = clients, treat_none_as_null = true)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct ClientState {
    pub name: String,
    pub kind: ClientKind,
    pub role: Role,
    pub scopes: Texts,
    pub expires_at: Option<DateTime<Utc>>,
}

/// A row of `client_secrets`.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = client_secrets)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct SecretRow {
    pub client_id: Uuid,
    pub slot: i16,
    pub hash: Vec<u8>,
    pub created_at: DateTime<Utc>,
    pub expires_at: Option<DateTime<Utc>>,
    pub last_used_at: Option<DateTime<Utc>>,
}

/// A secret to keep.
#[derive(Debug, Clone)]
pub struct NewSecret {
    /// SHA-256 of it.
    pub hash: Vec<u8>,
    /// Until when it works.
    pub expires_at: Option<DateTime<Utc>>,
}

/// Which clients a list is of.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of these organisations; of all that the viewer may see when absent.
    pub organisations: Option<Vec<Uuid>>,
}

/// One page, in the order in which they were registered.
pub fn list(conn: &mut Conn<'_>, filter: &Filter, after: Option<ById>, limit: usize) -> Result<Page<Client, ById>> {
    let mut query = clients::table.order(clients::id).limit(to_limit(limit)).into_boxed();
    if let Some(organisations) = &filter.organisations {
        query = query.filter(clients::organisation_id.eq_any(organisations));
    }
    if let Some(ById { id }) = after {
        query = query.filter(clients::id.gt(id));
    }
    let found =
        query.select((ClientRow::as_select(), organisation_ref(clients::organisation_id.nullable()))).load(conn.pg)?;
    let clients = with_secrets(conn, found)?;
    Ok(Page::cut(clients, limit, |last| ById { id: last.row.id }))
}

/// One client.
pub fn find(conn: &mut Conn<'_>, id: Uuid) -> Result<Client> {
    let found = clients::table
        .find(id)
        .select((ClientRow::as_select(), organisation_ref(clients::organisation_id.nullable())))
        .load(conn.pg)?;
    with_secrets(conn, found)?.pop().ok_or(Error::NotFound)
}

type Found = (ClientRow, Option<Json<Reference>>);

fn with_secrets(conn: &mut Conn<'_>, found: Vec<Found>) -> Result<Vec<Client>> {
    let ids: Vec<Uuid> = found.iter().map(|(row, _)| row.id).collect();
    let secrets: Vec<SecretRow> = client_secrets::table
        .filter(client_secrets::client_id.eq_any(ids))
        .order((client_secrets::client_id, client_secrets::slot))
        .select(SecretRow::as_select())
        .load(conn.pg)?;
    let client = |(row, organisation): Found| {
        let secrets = secrets.iter().filter(|secret| secret.client_id == row.id).cloned().collect();
        let organisation = organisation.ok_or_else(|| Error::Internal("a client without organisation".into()))?.0;
        Ok(Client { row, organisation, secrets })
    };
    found.into_iter().map(client).collect()
}

/// One client, locked for the rest of the transaction.
pub fn lock(tx: &mut Tx<'_>, id: Uuid) -> Result<Client> {
    clients::table.find(id).select(clients::id).for_update().first::<Uuid>(tx.pg)?;
    find(&mut tx.conn(), id)
}

/// Registers a client with its first secret.
pub fn create(
    tx: &mut Tx<'_>,
    id: Uuid,
    organisation_id: Uuid,
    state: &ClientState,
    secret: &NewSecret,
) -> Result<Client> {
    diesel::insert_into(clients::table)
        .values((
            clients::id.eq(id),
            clients::organisation_id.eq(organisation_id),
            clients::created_by.eq(tx.actor().principal.user_id()),
            state,
        ))
        .execute(tx.pg)?;
    put_secret(tx, id, 1, secret)?;
    tx.audit_in(organisation_id, "clients", id, None, Some(state))?;
    find(&mut tx.conn(), id)
}

/// Brings a locked client into another state. When it is in that state already nothing is written.
pub fn update(tx: &mut Tx<'_>, current: &Client, state: &ClientState) -> Result<Client> {
    let ClientRow { id, organisation_id, state: before, .. } = &current.row;
    if before == state {
        return Ok(current.clone());
    }
    diesel::update(clients::table.find(id)).set(state).execute(tx.pg)?;
    tx.audit_in(*organisation_id, "clients", *id, Some(before), Some(state))?;
    find(&mut tx.conn(), *id)
}

/// Removes a locked client; its tokens end with it.
pub fn delete(tx: &mut Tx<'_>, current: &Client) -> Result<()> {
    let ClientRow { id, organisation_id, state, .. } = &current.row;
    diesel::delete(clients::table.find(id)).execute(tx.pg)?;
    tx.audit_in(*organisation_id, "clients", *id, Some(state), None)
}

/// A secret, for audit: that there is one.
#[derive(Serialize)]
struct SecretState {
    slot: i16,
    expires_at: Option<DateTime<Utc>>,
}

/// Gives a locked client a second secret, and tells which that is.
pub fn add_secret(tx: &mut Tx<'_>, current: &Client, secret: &NewSecret) -> Result<(Client, SecretRow)> {
    let ClientRow { id, organisation_id, .. } = current.row;
    let taken = |slot: i16| current.secrets.iter().any(|held| held.slot == slot);
    let slot = [1, 2].into_iter().find(|slot| !taken(*slot)).ok_or_else(|| {
        let detail = "The client has two secrets; remove the one that is not used any more.";
        Error::Conflict(vec![Fault::new("", "two_secrets", detail)])
    })?;
    put_secret(tx, id, slot, secret)?;
    touch(tx, id)?;
    let state = SecretState { slot, expires_at: secret.expires_at };
    tx.audit_in(organisation_id, "client_secrets", id, None, Some(&state))?;
    let client = find(&mut tx.conn(), id)?;
    let made = client.secrets.iter().find(|held| held.slot == slot).cloned().ok_or(Error::NotFound)?;
    Ok((client, made))
}

/// Takes a secret of a locked client away.
pub fn remove_secret(tx: &mut Tx<'_>, current: &Client, slot: i16) -> Result<()> {
    let ClientRow { id, organisation_id, .. } = current.row;
    let held = current.secrets.iter().find(|held| held.slot == slot).ok_or(Error::NotFound)?;
    diesel::delete(client_secrets::table.find((id, slot))).execute(tx.pg)?;
    touch(tx, id)?;
    let state = SecretState { slot, expires_at: held.expires_at };
    tx.audit_in(organisation_id, "client_secrets", id, Some(&state), None)
}

fn put_secret(tx: &mut Tx<'_>, id: Uuid, slot: i16, secret: &NewSecret) -> Result<()> {
    diesel::insert_into(client_secrets::table)
        .values((
            client_secrets::client_id.eq(id),
            client_secrets::slot.eq(slot),
            client_secrets::hash.eq(&secret.hash),
            client_secrets::expires_at.eq(secret.expires_at),
        ))
        .execute(tx.pg)?;
    Ok(())
}

/// A new secret is a change of its client: the entity tag must tell.
fn touch(tx: &mut Tx<'_>, id: Uuid) -> Result<()> {
    diesel::update(clients::table.find(id)).set(clients::updated_at.eq(seconds_ago(0))).execute(tx.pg)?;
    Ok(())
}

/// A client that may have tokens now, with those of its secrets that work now.
pub fn live(conn: &mut Conn<'_>, id: Uuid) -> Result<Client> {
    let alive = clients::expires_at.is_null().or(clients::expires_at.gt(seconds_ago(0).nullable()));
    clients::table.find(id).filter(alive).select(clients::id).first::<Uuid>(conn.pg)?;
    let mut client = find(conn, id)?;
    let works = client_secrets::expires_at.is_null().or(client_secrets::expires_at.gt(seconds_ago(0).nullable()));
    let working: Vec<i16> = client_secrets::table
        .filter(client_secrets::client_id.eq(id))
        .filter(works)
        .select(client_secrets::slot)
        .load(conn.pg)?;
    client.secrets.retain(|secret| working.contains(&secret.slot));
    Ok(client)
}

/// Notes that a secret was used, at most once a minute: each token would else write.
pub fn note_use(tx: &mut Tx<'_>, id: Uuid, slot: i16) -> Result<()> {
    let stale = client_secrets::last_used_at.is_null().or(client_secrets::last_used_at.lt(seconds_ago(60).nullable()));
    diesel::update(client_secrets::table.find((id, slot)).filter(stale))
        .set(client_secrets::last_used_at.eq(seconds_ago(0).nullable()))
        .execute(tx.pg)?;
    Ok(())
}

/// The role of a client in its organisation; [`Error::Unauthenticated`] when it is none any more.
pub(crate) fn membership(pg: &mut PgConnection, id: Uuid) -> Result<Membership> {
    let alive = clients::expires_at.is_null().or(clients::expires_at.gt(seconds_ago(0).nullable()));
    let found: Option<Membership> = clients::table
        .inner_join(organisations::table)
        .filter(clients::id.eq(id))
        .filter(alive)
        .select((clients::organisation_id, clients::role, organisations::kind))
        .first(pg)
        .optional()?;
    found.ok_or(Error::Unauthenticated("The client was removed or has expired."))
}

/// Takes an access token back before its time (RFC 7009). Twice is as good as once.
pub fn revoke_token(tx: &mut Tx<'_>, token_id: Uuid, expires_at: DateTime<Utc>) -> Result<()> {
    let revoked = diesel::insert_into(revoked_tokens::table)
        .values((revoked_tokens::id.eq(token_id), revoked_tokens::expires_at.eq(expires_at)))
        .on_conflict_do_nothing()
        .execute(tx.pg)?;
    if revoked == 0 {
        return Ok(());
    }
    tx.audit("revoked_tokens", token_id, None, Some(&serde_json::json!({ "expires_at": expires_at })))
}
