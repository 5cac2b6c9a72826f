//! People, their memberships and roles, and who is looking.

use chrono::{DateTime, Utc};
use diesel::dsl::exists;
use diesel::prelude::*;
use uuid::Uuid;

use crate::functions::lower;
use crate::organisations::OrganisationKind;
use crate::schema::{memberships, organisations, platform_roles, revoked_tokens, users};
use crate::tx::{Actor, Conn, Principal, Tx};
use crate::vocabulary::vocabulary;
use crate::{Error, Result, identity_providers};

vocabulary! {
    /// A person's role in an organisation; each may do what those before it may.
    Role, "contributor" {
        /// Sees what members see.
        Viewer = "viewer",
        /// Adds and changes records on the organisation's behalf.
        Contributor = "contributor",
        /// Curates the organisation's own records.
        Steward = "steward",
        /// Also decides who belongs to it.
        Admin = "admin",
    }
}

vocabulary! {
    /// A role over the whole platform.
    PlatformRole, "moderator" {
        /// Curates the catalogue and judges what was flagged.
        Moderator = "moderator",
        /// May do everything.
        PlatformAdmin = "platform_admin",
    }
}

/// Who is looking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Viewer {
    /// Nobody we know.
    Anonymous,
    /// A person.
    User(Uuid),
    /// A program of an organisation, which sees what the organisation's members see.
    ClientOf(Uuid),
    /// The operator's command line, which sees everything.
    Operator,
}

impl Viewer {
    /// The person, if it is one.
    #[must_use]
    pub fn user_id(self) -> Option<Uuid> {
        match self {
            Self::User(id) => Some(id),
            Self::Anonymous | Self::ClientOf(_) | Self::Operator => None,
        }
    }

    /// Whether it is known without asking the database that they see what members of an organisation see.
    #[must_use]
    pub fn belongs_to(self, organisation_id: Uuid) -> bool {
        match self {
            Self::Operator => true,
            Self::ClientOf(own) => own == organisation_id,
            Self::Anonymous | Self::User(_) => false,
        }
    }
}

/// One membership, with what the rules ask of the organisation.
#[derive(Debug, Clone, Queryable)]
pub struct Membership {
    /// Which organisation.
    pub organisation_id: Uuid,
    /// The role there.
    pub role: Role,
    /// What sort of organisation it is.
    pub kind: OrganisationKind,
}

/// A person, as others refer to them.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct PersonReference {
    /// Their id.
    pub id: Uuid,
    /// The name that they chose to show.
    pub name: String,
}

/// What an actor may do, as of one transaction.
#[derive(Debug, Clone, Default)]
pub struct Roles {
    operator: bool,
    platform: Vec<PlatformRole>,
    memberships: Vec<Membership>,
}

impl Roles {
    /// The operator's command line or a platform administrator.
    #[must_use]
    pub fn administers(&self) -> bool {
        self.operator || self.platform.contains(&PlatformRole::PlatformAdmin)
    }

    /// A moderator, or more.
    #[must_use]
    pub fn moderates(&self) -> bool {
        self.administers() || self.platform.contains(&PlatformRole::Moderator)
    }

    /// Whether the actor has at least `role` in an organisation.
    #[must_use]
    pub fn has(&self, organisation_id: Uuid, role: Role) -> bool {
        self.memberships.iter().any(|m| m.organisation_id == organisation_id && m.role >= role)
    }

    /// The memberships with at least `role`.
    pub fn with(&self, role: Role) -> impl Iterator<Item = &Membership> {
        self.memberships.iter().filter(move |m| m.role >= role)
    }

    /// The organisation of somebody who belongs to just one.
    #[must_use]
    pub fn only_organisation(&self) -> Option<Uuid> {
        match self.memberships.as_slice() {
            [only] => Some(only.organisation_id),
            _ => None,
        }
    }
}

/// What an actor may do now; [`Error::Unauthenticated`] when they are nobody any more.
pub(crate) fn roles(pg: &mut PgConnection, actor: &Actor) -> Result<Roles> {
    if let Some(token_id) = actor.token_id {
        refuse_revoked(pg, token_id)?;
    }
    match actor.principal {
        Principal::Operator => Ok(Roles { operator: true, ..Roles::default() }),
        Principal::Person(id) => roles_of_person(pg, id, actor),
        Principal::Client(id) => {
            let membership = crate::clients::membership(pg, id)?;
            Ok(Roles { memberships: vec![membership], ..Roles::default() })
        }
    }
}

fn refuse_revoked(pg: &mut PgConnection, token_id: Uuid) -> Result<()> {
    let revoked = diesel::select(exists(revoked_tokens::table.find(token_id))).get_result(pg)?;
    if revoked { Err(Error::Unauthenticated("The access token was revoked; fetch a new one.")) } else { Ok(()) }
}

fn roles_of_person(pg: &mut PgConnection, user_id: Uuid, actor: &Actor) -> Result<Roles> {
    let erased = users::table.find(user_id).filter(users::erased_at.is_not_null());
    if diesel::select(exists(erased)).get_result(pg)? {
        return Err(Error::Unauthenticated("The person was erased."));
    }
    let mut platform: Vec<PlatformRole> =
        platform_roles::table.filter(platform_roles::user_id.eq(user_id)).select(platform_roles::role).load(pg)?;
    if let Some(provider_id) = actor.provider_id
        && !identity_providers::lends_platform_roles(pg, provider_id)?
    {
        platform.clear();
    }
    let mut memberships: Vec<Membership> = memberships::table
        .inner_join(organisations::table)
        .filter(memberships::user_id.eq(user_id))
        .select((memberships::organisation_id, memberships::role, organisations::kind))
        .order(memberships::organisation_id)
        .load(pg)?;
    if let Some(only) = actor.organisation_id {
        memberships.retain(|m| m.organisation_id == only);
    }
    Ok(Roles { operator: false, platform, memberships })
}

/// A person, for audit: that there is one. The trail is never rewritten, so it holds nothing that would have to be
/// erased with them.
#[derive(serde::Serialize)]
struct PersonState {}

/// The person with an address, added when there is none.
pub fn find_or_add(tx: &mut Tx<'_>, new_id: Uuid, email: &str, display_name: &str) -> Result<Uuid> {
    holder_of(tx, email)?.map_or_else(|| add(tx, new_id, Some(email), display_name), Ok)
}

/// Who has an address.
pub(crate) fn holder_of(tx: &mut Tx<'_>, email: &str) -> Result<Option<Uuid>> {
    let holder = users::table.filter(lower(users::email.assume_not_null()).eq(lower(email)));
    Ok(holder.select(users::id).first(tx.pg).optional()?)
}

/// [`find_or_add`], with the platform roles given, no fewer and no more.
pub fn ensure(
    tx: &mut Tx<'_>,
    new_id: Uuid,
    email: &str,
    display_name: &str,
    platform: &[PlatformRole],
) -> Result<Uuid> {
    let id = find_or_add(tx, new_id, email, display_name)?;
    let held: Vec<PlatformRole> = platform_roles::table
        .filter(platform_roles::user_id.eq(id))
        .select(platform_roles::role)
        .order(platform_roles::role)
        .load(tx.pg)?;
    let mut wanted = platform.to_vec();
    wanted.sort_unstable();
    if held != wanted {
        diesel::delete(platform_roles::table.filter(platform_roles::user_id.eq(id))).execute(tx.pg)?;
        let rows: Vec<_> =
            wanted.iter().map(|role| (platform_roles::user_id.eq(id), platform_roles::role.eq(role))).collect();
        diesel::insert_into(platform_roles::table).values(rows).execute(tx.pg)?;
        tx.audit("platform_roles", id, Some(&PlatformRoles { held }), Some(&PlatformRoles { held: wanted }))?;
    }
    Ok(id)
}

/// Platform roles of a person, for audit.
#[derive(serde::Serialize)]
struct PlatformRoles {
    held: Vec<PlatformRole>,
}

/// A membership, for audit.
#[derive(serde::Serialize)]
struct MembershipState {
    organisation_id: Uuid,
    role: Option<Role>,
    mapped: bool,
}

/// Adds a person, with an address if one is known.
pub(crate) fn add(tx: &mut Tx<'_>, id: Uuid, email: Option<&str>, display_name: &str) -> Result<Uuid> {
    diesel::insert_into(users::table)
        .values((users::id.eq(id), users::email.eq(email), users::display_name.eq(display_name)))
        .execute(tx.pg)?;
    tx.audit("users", id, None, Some(&PersonState {}))?;
    Ok(id)
}

/// What a person says of themselves.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = users)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct Person {
    pub id: Uuid,
    pub version: i32,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub email: Option<String>,
    pub display_name: String,
}

/// Whether there is such a person, who was not erased.
pub fn is_known(conn: &mut Conn<'_>, id: Uuid) -> Result<bool> {
    let known = users::table.find(id).filter(users::erased_at.is_null());
    Ok(diesel::select(diesel::dsl::exists(known)).get_result(conn.pg)?)
}

/// A person, with their roles over the platform.
pub fn find(conn: &mut Conn<'_>, id: Uuid) -> Result<(Person, Vec<PlatformRole>)> {
    let person = users::table.find(id).select(Person::as_select()).first(conn.pg)?;
    let platform = platform_roles::table
        .filter(platform_roles::user_id.eq(id))
        .order(platform_roles::role)
        .select(platform_roles::role)
        .load(conn.pg)?;
    Ok((person, platform))
}

/// The person with their row locked for the rest of the transaction; [`Error::NotFound`] once they were erased.
pub fn lock(tx: &mut Tx<'_>, id: Uuid) -> Result<Person> {
    let living = users::table.find(id).filter(users::erased_at.is_null());
    Ok(living.select(Person::as_select()).for_update().first(tx.pg)?)
}

/// Who has an address, by which operators call people; [`Error::NotFound`] when nobody has it.
pub fn by_email(tx: &mut Tx<'_>, email: &str) -> Result<Uuid> {
    holder_of(tx, email)?.ok_or(Error::NotFound)
}

/// Gives a locked person another name.
pub fn rename(tx: &mut Tx<'_>, current: &Person, display_name: &str) -> Result<()> {
    if current.display_name == display_name {
        return Ok(());
    }
    diesel::update(users::table.find(current.id)).set(users::display_name.eq(display_name)).execute(tx.pg)?;
    audit_person(tx, current)
}

/// That there was a change, not which: the trail holds no names.
fn audit_person(tx: &mut Tx<'_>, current: &Person) -> Result<()> {
    let state = |version: i32| serde_json::json!({ "version": version });
    tx.audit("users", current.id, Some(&state(current.version)), Some(&state(current.version + 1)))
}

/// Gives a person another address, unless somebody else has it.
pub(crate) fn readdress(tx: &mut Tx<'_>, id: Uuid, email: &str) -> Result<()> {
    if holder_of(tx, email)?.is_some_and(|holder| holder != id) {
        return Ok(());
    }
    let current = match lock(tx, id) {
        // Erased meanwhile: whoever goes on as them is refused.
        Err(Error::NotFound) => return Ok(()),
        found => found?,
    };
    diesel::update(users::table.find(id)).set(users::email.eq(email)).execute(tx.pg)?;
    audit_person(tx, &current)
}

/// Gives a person a role in an organisation by hand, in place of the one they had there.
pub fn set_membership(tx: &mut Tx<'_>, user_id: Uuid, organisation_id: Uuid, role: Role) -> Result<()> {
    put_membership(tx, user_id, organisation_id, role, false)
}

/// Gives a person the role that the role map of an identity provider says, for as long as nobody gives another by hand.
pub(crate) fn map_membership(tx: &mut Tx<'_>, user_id: Uuid, organisation_id: Uuid, role: Role) -> Result<()> {
    put_membership(tx, user_id, organisation_id, role, true)
}

fn put_membership(tx: &mut Tx<'_>, user_id: Uuid, organisation_id: Uuid, role: Role, mapped: bool) -> Result<()> {
    let held = membership(tx, user_id, organisation_id)?;
    if held == Some((role, mapped)) {
        return Ok(());
    }
    diesel::insert_into(memberships::table)
        .values((
            memberships::id.eq(Uuid::now_v7()),
            memberships::user_id.eq(user_id),
            memberships::organisation_id.eq(organisation_id),
            memberships::role.eq(role),
            memberships::mapped.eq(mapped),
        ))
        .on_conflict((memberships::user_id, memberships::organisation_id))
        .do_update()
        .set((memberships::role.eq(role), memberships::mapped.eq(mapped)))
        .execute(tx.pg)?;
    audit_membership(tx, user_id, organisation_id, held, Some((role, mapped)))
}

/// Takes a person's role in an organisation away.
pub fn remove_membership(tx: &mut Tx<'_>, user_id: Uuid, organisation_id: Uuid) -> Result<()> {
    let held = membership(tx, user_id, organisation_id)?.ok_or(Error::NotFound)?;
    diesel::delete(memberships::table.find((user_id, organisation_id))).execute(tx.pg)?;
    audit_membership(tx, user_id, organisation_id, Some(held), None)
}

fn membership(tx: &mut Tx<'_>, user_id: Uuid, organisation_id: Uuid) -> Result<Option<(Role, bool)>> {
    let held = memberships::table.find((user_id, organisation_id));
    let held = held.select((memberships::role, memberships::mapped)).for_update();
    Ok(held.first(tx.pg).optional()?)
}

fn audit_membership(
    tx: &mut Tx<'_>,
    user_id: Uuid,
    organisation_id: Uuid,
    before: Option<(Role, bool)>,
    after: Option<(Role, bool)>,
) -> Result<()> {
    let state = |held: Option<(Role, bool)>| MembershipState {
        organisation_id,
        role: held.map(|(role, _)| role),
        mapped: held.is_some_and(|(_, mapped)| mapped),
    };
    tx.audit_in(organisation_id, "memberships", user_id, Some(&state(before)), Some(&state(after)))
}
