//! Who somebody is at the identity provider of an organisation, and so here: people come in by it.
//!
//! A provider speaks for the people of its organisation only. An address counts where its domain is one of the
//! organisation's, which the platform decides: so nobody becomes somebody else by registering a provider.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde::Serialize;
use uuid::Uuid;

use crate::functions::{speaks_for, wait_for_lock};
use crate::people::{self, Role};
use crate::schema::{identities, identity_providers, memberships, users};
use crate::tx::{Conn, Tx};
use crate::{Error, Result, erasures};

/// What a token says of who sent it, as one provider's organisation may take it.
#[derive(Debug, Clone)]
pub struct Asserted {
    /// The provider by which it came.
    pub provider_id: Uuid,
    /// Whose provider that is.
    pub organisation_id: Uuid,
    /// `iss`
    pub issuer: String,
    /// `tid`, for Entra ID; else empty.
    pub tenant: String,
    /// `oid` for Entra ID, else `sub`.
    pub subject: String,
    /// The address, if the provider has verified it.
    pub email: Option<String>,
    /// A name to begin with.
    pub name: String,
    /// What the role map gives; none when the provider has none.
    pub mapped: Option<Role>,
    /// `iat`
    pub issued_at: DateTime<Utc>,
    /// What the ledger of erasures knows the identity by.
    pub digest: String,
}

/// The name of an identity, of which the ledger of erasures keeps a digest.
#[must_use]
pub fn name(organisation_id: Uuid, issuer: &str, tenant: &str, subject: &str) -> String {
    // Of a URL, an id or nothing, and whatever is left, no two identities make one name.
    format!("{organisation_id} {issuer} {tenant} {subject}")
}

/// The names of a person's identities.
pub(crate) fn names(tx: &mut Tx<'_>, user_id: Uuid) -> Result<Vec<String>> {
    let known: Vec<(Uuid, String, String, String)> = identities::table
        .filter(identities::user_id.eq(user_id))
        .order(identities::id)
        .select((identities::organisation_id, identities::issuer, identities::tenant, identities::subject))
        .load(tx.pg)?;
    let name = |(organisation_id, issuer, tenant, subject): &(Uuid, String, String, String)| {
        name(*organisation_id, issuer, tenant, subject)
    };
    Ok(known.iter().map(name).collect())
}

/// What is known of somebody.
#[derive(Debug, Queryable)]
struct Known {
    id: Uuid,
    user_id: Uuid,
    asserted_email: Option<String>,
    email: Option<String>,
    membership: Option<(Role, bool)>,
}

impl Known {
    /// Whether a token says nothing that has to be written down.
    fn says_the_same(&self, asserted: &Asserted, speaks: bool) -> bool {
        let same_address = self.asserted_email == asserted.email && (!speaks || self.email == asserted.email);
        same_address && self.mapped_role(asserted).is_none()
    }

    /// The role that the role map gives in place of another that it gave.
    fn mapped_role(&self, asserted: &Asserted) -> Option<Role> {
        match (self.membership, asserted.mapped) {
            (Some((held, true)), Some(given)) if held != given => Some(given),
            _ => None,
        }
    }
}

/// The one of several providers by which somebody comes in, and who that is if nothing has to be written down.
///
/// Several organisations may share a provider: then it is the one that speaks for the address, else the one that knows
/// the person, else the first.
pub fn find(conn: &mut Conn<'_>, candidates: &[Asserted]) -> Result<Option<(usize, Option<Uuid>)>> {
    let mut best: Option<(usize, bool, Option<Uuid>, bool)> = None;
    for (index, asserted) in candidates.iter().enumerate() {
        let known = known(conn.pg, asserted)?;
        let speaks = speaks(conn.pg, asserted)?;
        let better = match &best {
            None => true,
            Some((_, spoke, _, knew)) => (speaks, known.is_some()) > (*spoke, *knew),
        };
        if better {
            let user_id = known.as_ref().filter(|known| known.says_the_same(asserted, speaks)).map(|k| k.user_id);
            best = Some((index, speaks, user_id, known.is_some()));
        }
    }
    Ok(best.map(|(index, _, user_id, _)| (index, user_id)))
}

/// The person of an identity: added when they are new, brought up to date with what the provider says.
///
/// [`Error::Unauthenticated`] when the address belongs to somebody with another identity, and for a token from before
/// the person was erased.
pub fn sign_in(tx: &mut Tx<'_>, asserted: &Asserted) -> Result<Uuid> {
    let Asserted { organisation_id, issuer, tenant, subject, .. } = asserted;
    let name = name(*organisation_id, issuer, tenant, subject);
    diesel::select(wait_for_lock(&format!("identity {name}"))).get_result::<bool>(tx.pg)?;
    erasures::refuse_erased(tx.pg, &asserted.digest, asserted.issued_at)?;
    let speaks = speaks(tx.pg, asserted)?;
    let Some(known) = known(tx.pg, asserted)? else { return add(tx, asserted, speaks) };
    if let Some(role) = known.mapped_role(asserted) {
        people::map_membership(tx, known.user_id, asserted.organisation_id, role)?;
    }
    if known.asserted_email != asserted.email {
        let identity = identities::table.find(known.id);
        diesel::update(identity).set(identities::email.eq(&asserted.email)).execute(tx.pg)?;
        audit(tx, asserted, known.id, known.user_id, false)?;
    }
    if let (true, Some(email)) = (speaks && known.email != asserted.email, &asserted.email) {
        people::readdress(tx, known.user_id, email)?;
    }
    Ok(known.user_id)
}

fn add(tx: &mut Tx<'_>, asserted: &Asserted, speaks: bool) -> Result<Uuid> {
    let email = asserted.email.as_deref().filter(|_| speaks);
    let user_id = match email.map(|email| holder(tx, email)).transpose()?.flatten() {
        Some(holder) => holder,
        None => people::add(tx, Uuid::now_v7(), email, &asserted.name)?,
    };
    let id = Uuid::now_v7();
    diesel::insert_into(identities::table)
        .values((
            identities::id.eq(id),
            identities::user_id.eq(user_id),
            identities::organisation_id.eq(asserted.organisation_id),
            identities::issuer.eq(&asserted.issuer),
            identities::tenant.eq(&asserted.tenant),
            identities::subject.eq(&asserted.subject),
            identities::email.eq(&asserted.email),
        ))
        .execute(tx.pg)?;
    audit(tx, asserted, id, user_id, true)?;
    if speaks {
        admit(tx, user_id, asserted)?;
    }
    Ok(user_id)
}

/// Who has an address already, and may be known by this identity from now on.
///
/// Not when they come in otherwise: an address that was given to somebody new must not bring them what the one before
/// had. When the organisation has left the provider of before, the address is all there is.
fn holder(tx: &mut Tx<'_>, email: &str) -> Result<Option<Uuid>> {
    let Some(user_id) = people::holder_of(tx, email)? else { return Ok(None) };
    let registered = identity_providers::table
        .filter(identity_providers::organisation_id.eq(identities::organisation_id))
        .filter(identity_providers::issuer.eq(identities::issuer));
    let in_use = identities::table.filter(identities::user_id.eq(user_id)).filter(diesel::dsl::exists(registered));
    if diesel::select(diesel::dsl::exists(in_use)).get_result(tx.pg)? {
        return Err(Error::Unauthenticated(
            "The address in this token belongs to somebody with another identity; ask the operators of this service.",
        ));
    }
    Ok(Some(user_id))
}

/// Makes a new person a member, unless they are one.
fn admit(tx: &mut Tx<'_>, user_id: Uuid, asserted: &Asserted) -> Result<()> {
    let Asserted { organisation_id, mapped, .. } = asserted;
    let held = memberships::table.find((user_id, organisation_id));
    if diesel::select(diesel::dsl::exists(held)).get_result(tx.pg)? {
        return Ok(());
    }
    match mapped {
        Some(role) => people::map_membership(tx, user_id, *organisation_id, *role),
        None => people::set_membership(tx, user_id, *organisation_id, Role::Viewer),
    }
}

fn known(pg: &mut PgConnection, asserted: &Asserted) -> Result<Option<Known>> {
    Ok(identities::table
        .inner_join(users::table)
        .left_join(
            memberships::table.on(memberships::user_id
                .eq(identities::user_id)
                .and(memberships::organisation_id.eq(identities::organisation_id))),
        )
        .filter(identities::organisation_id.eq(asserted.organisation_id))
        .filter(identities::issuer.eq(&asserted.issuer))
        .filter(identities::tenant.eq(&asserted.tenant))
        .filter(identities::subject.eq(&asserted.subject))
        .select((
            identities::id,
            identities::user_id,
            identities::email,
            users::email,
            (memberships::role, memberships::mapped).nullable(),
        ))
        .first(pg)
        .optional()?)
}

fn speaks(pg: &mut PgConnection, asserted: &Asserted) -> Result<bool> {
    Ok(diesel::select(speaks_for(asserted.organisation_id, asserted.email.as_deref())).get_result(pg)?)
}

/// An identity, for audit: whose it is and since which token, and not what that says.
#[derive(Serialize)]
struct IdentityState {
    user_id: Uuid,
    as_of: Option<DateTime<Utc>>,
}

fn audit(tx: &mut Tx<'_>, asserted: &Asserted, id: Uuid, user_id: Uuid, is_new: bool) -> Result<()> {
    let before = IdentityState { user_id, as_of: None };
    let after = IdentityState { user_id, as_of: Some(asserted.issued_at) };
    tx.audit_in(asserted.organisation_id, "identities", id, (!is_new).then_some(&before), Some(&after))
}
