//! OpenID Connect providers of organisations, as a resource. Who signs in by them is in [`crate::identities`].
//!
//! Private to their organisations: read with [`crate::Db::read_as`], as the policy of the table shows nothing otherwise.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::organisations::to_limit;
use crate::page::ById;
use crate::people::Role;
use crate::schema::identity_providers;
use crate::tx::{Conn, Tx};
use crate::types::{Json, Texts};
use crate::vocabulary::vocabulary;
use crate::{Error, Fault, Page, Result, functions};

vocabulary! {
    /// How a provider says who somebody is. `openid_connect`: by `sub`. `entra_id`: by tenant (`tid`) and object id
    /// (`oid`), as Microsoft Entra ID does, where `sub` differs from one application to the next.
    IdentityProviderKind, "entra_id" {
        /// By `sub`.
        OpenidConnect = "openid_connect",
        /// By `tid` and `oid`.
        EntraId = "entra_id",
    }
}

vocabulary! {
    /// Algorithm of a signature, as RFC 7518 and RFC 8037 name it.
    SignatureAlgorithm, "RS256" {
        /// RSASSA-PKCS1-v1_5 with SHA-256.
        Rs256 = "RS256",
        /// RSASSA-PKCS1-v1_5 with SHA-384.
        Rs384 = "RS384",
        /// RSASSA-PKCS1-v1_5 with SHA-512.
        Rs512 = "RS512",
        /// RSASSA-PSS with SHA-256.
        Ps256 = "PS256",
        /// RSASSA-PSS with SHA-384.
        Ps384 = "PS384",
        /// RSASSA-PSS with SHA-512.
        Ps512 = "PS512",
        /// ECDSA on P-256 with SHA-256.
        Es256 = "ES256",
        /// ECDSA on P-384 with SHA-384.
        Es384 = "ES384",
        /// EdDSA on Ed25519.
        Eddsa = "EdDSA",
    }
}

/// How many an organisation may have: each token that names their issuer is tried with each of them.
pub const MOST_OF_ORGANISATION: i64 = 10;

/// A row of `identity_providers`.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = identity_providers)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct IdentityProviderRow {
    pub id: Uuid,
    pub version: i32,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub organisation_id: Uuid,
    #[diesel(embed)]
    pub state: IdentityProviderState,
}

/// What a writer may set.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable, AsChangeset, Serialize)]
#[diesel(table_name = identity_providers)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct IdentityProviderState {
    pub name: String,
    pub kind: IdentityProviderKind,
    pub issuer: String,
    pub audience: String,
    pub algorithms: Texts,
    pub role_map: Json<Vec<RoleMapping>>,
    pub platform_roles: bool,
}

/// A value of a claim, and the role that it gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleMapping {
    /// Name of the claim, such as `roles` or `groups`.
    pub claim: String,
    /// The value; of a claim that holds several, any of them.
    pub value: String,
    /// The role in the organisation.
    pub role: Role,
}

/// One page of those of an organisation, the oldest first.
pub fn list(
    conn: &mut Conn<'_>,
    organisation_id: Uuid,
    after: Option<ById>,
    limit: usize,
) -> Result<Page<IdentityProviderRow, ById>> {
    let mut query = identity_providers::table
        .filter(identity_providers::organisation_id.eq(organisation_id))
        .order(identity_providers::id)
        .limit(to_limit(limit))
        .into_boxed();
    if let Some(ById { id }) = after {
        query = query.filter(identity_providers::id.gt(id));
    }
    let found = query.select(IdentityProviderRow::as_select()).load(conn.pg)?;
    Ok(Page::cut(found, limit, |last: &IdentityProviderRow| ById { id: last.id }))
}

/// One provider of an organisation.
pub fn find(conn: &mut Conn<'_>, organisation_id: Uuid, id: Uuid) -> Result<IdentityProviderRow> {
    let one = identity_providers::table.find(id).filter(identity_providers::organisation_id.eq(organisation_id));
    Ok(one.select(IdentityProviderRow::as_select()).first(conn.pg)?)
}

/// One provider of an organisation, locked for the rest of the transaction.
pub fn lock(tx: &mut Tx<'_>, organisation_id: Uuid, id: Uuid) -> Result<IdentityProviderRow> {
    let one = identity_providers::table.find(id).filter(identity_providers::organisation_id.eq(organisation_id));
    Ok(one.select(IdentityProviderRow::as_select()).for_update().first(tx.pg)?)
}

/// Those that a token could be from, by its issuer and its audiences: the oldest first.
pub fn of_token(conn: &mut Conn<'_>, issuer: &str, audiences: &[String]) -> Result<Vec<IdentityProviderRow>> {
    Ok(identity_providers::table
        .filter(identity_providers::issuer.eq(issuer))
        .filter(identity_providers::audience.eq_any(audiences))
        .order(identity_providers::id)
        .select(IdentityProviderRow::as_select())
        .load(conn.pg)?)
}

/// Registers a provider. The organisation's row must be locked, so that of several at once none is one too many.
pub fn create(
    tx: &mut Tx<'_>,
    id: Uuid,
    organisation_id: Uuid,
    state: &IdentityProviderState,
) -> Result<IdentityProviderRow> {
    let held: i64 = identity_providers::table
        .filter(identity_providers::organisation_id.eq(organisation_id))
        .count()
        .get_result(tx.pg)?;
    if held >= MOST_OF_ORGANISATION {
        let detail = format!("The organisation has {held} providers; remove one that is not used any more.");
        return Err(Error::Conflict(vec![Fault::new("", "too_many", detail)]));
    }
    diesel::insert_into(identity_providers::table)
        .values((identity_providers::id.eq(id), identity_providers::organisation_id.eq(organisation_id), state))
        .execute(tx.pg)?;
    tx.audit_in(organisation_id, "identity_providers", id, None, Some(state))?;
    find(&mut tx.conn(), organisation_id, id)
}

/// Brings a locked provider into another state. When it is in that state already nothing is written.
pub fn update(
    tx: &mut Tx<'_>,
    current: &IdentityProviderRow,
    state: &IdentityProviderState,
) -> Result<IdentityProviderRow> {
    let IdentityProviderRow { id, organisation_id, state: before, .. } = current;
    if before == state {
        return Ok(current.clone());
    }
    diesel::update(identity_providers::table.find(id)).set(state).execute(tx.pg)?;
    tx.audit_in(*organisation_id, "identity_providers", *id, Some(before), Some(state))?;
    find(&mut tx.conn(), *organisation_id, *id)
}

/// Removes a locked provider: nobody comes in by it any more. Who came stays who they are.
pub fn delete(tx: &mut Tx<'_>, current: &IdentityProviderRow) -> Result<()> {
    let IdentityProviderRow { id, organisation_id, state, .. } = current;
    diesel::delete(identity_providers::table.find(id)).execute(tx.pg)?;
    tx.audit_in(*organisation_id, "identity_providers", *id, Some(state), None)
}

/// Whether roles over the platform count for people who sign in by a provider; [`Error::Unauthenticated`] when nobody
/// signs in by it any more.
pub(crate) fn lends_platform_roles(pg: &mut PgConnection, id: Uuid) -> Result<bool> {
    let lends: Option<bool> = diesel::select(functions::lends_platform_roles(id)).get_result(pg)?;
    lends.ok_or(Error::Unauthenticated("The identity provider of this token was removed."))
}
