//! How the first administrator of the platform comes in: by a link that works once.

use chrono::{DateTime, Utc};
use diesel::dsl::exists;
use diesel::prelude::*;
use uuid::Uuid;

use crate::functions::seconds_ago;
use crate::people::{self, PlatformRole};
use crate::schema::{enrolments, platform_roles};
use crate::tx::{Conn, Tx};
use crate::{Error, Result};

/// Whether nobody administers the platform yet.
pub fn is_due(conn: &mut Conn<'_>) -> Result<bool> {
    let administrators = platform_roles::table.filter(platform_roles::role.eq(PlatformRole::PlatformAdmin));
    let any: bool = diesel::select(exists(administrators)).get_result(conn.pg)?;
    Ok(!any)
}

/// Keeps a link, by the SHA-256 of its secret; those before it end.
pub fn open(tx: &mut Tx<'_>, hash: &[u8], expires_at: DateTime<Utc>) -> Result<()> {
    diesel::delete(enrolments::table.filter(enrolments::used_at.is_null())).execute(tx.pg)?;
    diesel::insert_into(enrolments::table)
        .values((enrolments::hash.eq(hash), enrolments::expires_at.eq(expires_at)))
        .execute(tx.pg)?;
    Ok(())
}

/// Uses a link up: its user becomes an administrator of the platform. [`Error::NotFound`] when the link does not work
/// (any more).
pub fn accept(tx: &mut Tx<'_>, hash: &[u8], email: &str, display_name: &str) -> Result<Uuid> {
    let usable = enrolments::table
        .filter(enrolments::hash.eq(hash))
        .filter(enrolments::used_at.is_null())
        .filter(enrolments::expires_at.gt(seconds_ago(0)));
    // The row is locked by the update, so that of two who click at once one comes in.
    let used = diesel::update(usable).set(enrolments::used_at.eq(seconds_ago(0).nullable())).execute(tx.pg)?;
    if used == 0 {
        return Err(Error::NotFound);
    }
    people::ensure(tx, Uuid::now_v7(), email, display_name, &[PlatformRole::PlatformAdmin])
}
