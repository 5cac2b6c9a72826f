//! Erasing people: what they wrote stays, who they were goes.
//!
//! [`personal_data`] says what that means, table by table. The ledger says who was erased, so that a
//! backup of before, once restored, or a token of before brings nobody back.

use chrono::{DateTime, Utc};
use diesel::dsl::exists;
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::functions::seconds_ago;
use crate::people::{self, Person};
use crate::schema::{erasures, users};
use crate::tx::{Conn, Tx};
use crate::types::Texts;
use crate::{Error, Result, events, identities, personal_data};

/// A row of the ledger; as JSON a line of its copy in a file.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable, Serialize, Deserialize)]
#[diesel(table_name = erasures)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct Erasure {
    pub user_id: Uuid,
    pub erased_at: DateTime<Utc>,
    pub identity_digests: Texts,
}

/// What a row of the ledger brought about when it was applied again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replayed {
    /// Somebody was there again, and is erased.
    Erased,
    /// Nobody was there; the ledger did not know.
    Recorded,
    /// It was all done already.
    Nothing,
}

/// Erases a person whose row is locked.
///
/// `digest` makes of the name of an identity something that tells nobody the name, always the same. The rest of the
/// transaction sees what the operator sees.
pub fn erase(tx: &mut Tx<'_>, person: &Person, digest: &dyn Fn(&str) -> String) -> Result<()> {
    let now = diesel::select(seconds_ago(0)).get_result(tx.pg)?;
    let digests = digests(tx, person.id, digest)?;
    erase_as(tx, person, &Erasure { user_id: person.id, erased_at: now, identity_digests: Texts(digests) })
}

/// Applies a row of the ledger to what a backup of before has brought back.
pub fn replay(tx: &mut Tx<'_>, kept: &Erasure, digest: &dyn Fn(&str) -> String) -> Result<Replayed> {
    let Some(person) = people::lock(tx, kept.user_id).map(Some).or_else(none_if_absent)? else {
        return Ok(if record(tx, kept)? { Replayed::Recorded } else { Replayed::Nothing });
    };
    let mut all = digests(tx, person.id, digest)?;
    all.extend(kept.identity_digests.0.iter().filter(|digest| !all.contains(digest)).cloned().collect::<Vec<_>>());
    erase_as(tx, &person, &Erasure { identity_digests: Texts(all), ..kept.clone() })?;
    Ok(Replayed::Erased)
}

/// The ledger, the first erasure first.
pub fn list(conn: &mut Conn<'_>) -> Result<Vec<Erasure>> {
    Ok(erasures::table.order((erasures::erased_at, erasures::user_id)).select(Erasure::as_select()).load(conn.pg)?)
}

/// Refuses what an identity said of itself before it was erased.
pub(crate) fn refuse_erased(pg: &mut PgConnection, digest: &str, issued_at: DateTime<Utc>) -> Result<()> {
    let since = erasures::table
        .filter(erasures::identity_digests.contains(vec![Some(digest)]))
        .filter(erasures::erased_at.ge(issued_at));
    if diesel::select(exists(since)).get_result(pg)? {
        return Err(Error::Unauthenticated("The person was erased; sign in again to be known anew."));
    }
    Ok(())
}

fn none_if_absent(error: Error) -> Result<Option<Person>> {
    if matches!(error, Error::NotFound) { Ok(None) } else { Err(error) }
}

fn digests(tx: &mut Tx<'_>, user_id: Uuid, digest: &dyn Fn(&str) -> String) -> Result<Vec<String>> {
    Ok(identities::names(tx, user_id)?.iter().map(|name| digest(name)).collect())
}

fn erase_as(tx: &mut Tx<'_>, person: &Person, erasure: &Erasure) -> Result<()> {
    events::rsvps::leave_all(tx, person.id)?;
    personal_data::erase(tx, person.id)?;
    let erased = diesel::update(users::table.find(person.id)).set(users::erased_at.eq(erasure.erased_at));
    let version: i32 = erased.returning(users::version).get_result(tx.pg)?;
    let before = serde_json::json!({ "version": person.version, "erased_at": null });
    let after = serde_json::json!({ "version": version, "erased_at": erasure.erased_at });
    tx.audit("users", person.id, Some(&before), Some(&after))?;
    record(tx, erasure)?;
    Ok(())
}

/// Adds a row to the ledger, and tells whether it was new.
fn record(tx: &mut Tx<'_>, erasure: &Erasure) -> Result<bool> {
    let added = diesel::insert_into(erasures::table).values(erasure).on_conflict_do_nothing().execute(tx.pg)?;
    Ok(added > 0)
}
