//! Keys that sign access tokens. What is private in them comes here sealed and is never opened here.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde::Serialize;
use uuid::Uuid;

use crate::functions::seconds_ago;
use crate::schema::signing_keys;
use crate::tx::{Conn, Tx};
use crate::vocabulary::vocabulary;
use crate::{Error, Fault, Result};

vocabulary! {
    /// What a signing key does.
    KeyState, "active" {
        /// Published, so that everybody knows it before it is used.
        Next = "next",
        /// Signs.
        Active = "active",
        /// Only verifies what it has signed.
        Retiring = "retiring",
    }
}

/// A row of `signing_keys`.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = signing_keys)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct SigningKeyRow {
    pub id: Uuid,
    pub kid: String,
    pub state: KeyState,
    pub public_x: String,
    pub public_y: String,
    pub sealed_key: Vec<u8>,
    pub created_at: DateTime<Utc>,
    pub activated_at: Option<DateTime<Utc>>,
    pub retired_at: Option<DateTime<Utc>>,
}

/// A key to keep.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = signing_keys)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct NewSigningKey {
    pub kid: String,
    pub public_x: String,
    pub public_y: String,
    pub sealed_key: Vec<u8>,
}

/// A key, for audit.
#[derive(Serialize)]
struct KeyAudit<'k> {
    kid: &'k str,
    state: KeyState,
}

/// Every key, the newest first.
pub fn list(conn: &mut Conn<'_>) -> Result<Vec<SigningKeyRow>> {
    Ok(signing_keys::table
        .order((signing_keys::created_at.desc(), signing_keys::kid))
        .select(SigningKeyRow::as_select())
        .load(conn.pg)?)
}

/// Keeps the first two keys, one that signs and the next, when there is none yet. Of several services that start at
/// once one does it.
pub fn found(tx: &mut Tx<'_>, active: &NewSigningKey, next: &NewSigningKey) -> Result<bool> {
    lock(tx)?;
    if signing_keys::table.count().get_result::<i64>(tx.pg)? > 0 {
        return Ok(false);
    }
    add(tx, active, KeyState::Active)?;
    add(tx, next, KeyState::Next)?;
    Ok(true)
}

/// The next key becomes the one that signs, the one that signed retires, and `new` is the next.
///
/// Refused while the next key has been published for less than `published` seconds: somebody may not know it yet.
/// Keys that ceased to sign longer than `kept` seconds ago are removed: no token of theirs can be valid.
pub fn rotate(tx: &mut Tx<'_>, new: &NewSigningKey, published: i32, kept: i32) -> Result<()> {
    lock(tx)?;
    let keys = list(&mut tx.conn())?;
    let in_state = |state| keys.iter().find(|key| key.state == state);
    let (Some(active), Some(next)) = (in_state(KeyState::Active), in_state(KeyState::Next)) else {
        return Err(Error::Conflict(vec![Fault::new(
            "",
            "no_keys",
            "There are no keys yet; `loti serve` makes them.",
        )]));
    };
    let known = signing_keys::table.find(next.id).filter(signing_keys::created_at.le(seconds_ago(published)));
    if !diesel::select(diesel::dsl::exists(known)).get_result::<bool>(tx.pg)? {
        let detail = format!("The next key has been published for less than {published} seconds; wait, or use --now.");
        return Err(Error::Conflict(vec![Fault::new("", "too_early", detail)]));
    }
    advance(tx, active.id, &active.kid, KeyState::Active, KeyState::Retiring)?;
    advance(tx, next.id, &next.kid, KeyState::Next, KeyState::Active)?;
    add(tx, new, KeyState::Next)?;
    forget_retired(tx, kept)?;
    Ok(())
}

/// Removes the keys that ceased to sign longer than `kept` seconds ago, and tells how many.
pub fn forget_retired(tx: &mut Tx<'_>, kept: i32) -> Result<usize> {
    let long_ago = signing_keys::retired_at.lt(seconds_ago(kept).nullable());
    Ok(diesel::delete(signing_keys::table.filter(long_ago)).execute(tx.pg)?)
}

fn add(tx: &mut Tx<'_>, new: &NewSigningKey, state: KeyState) -> Result<()> {
    let id = Uuid::now_v7();
    diesel::insert_into(signing_keys::table)
        .values((signing_keys::id.eq(id), signing_keys::state.eq(KeyState::Next), new))
        .execute(tx.pg)?;
    tx.audit("signing_keys", id, None, Some(&KeyAudit { kid: &new.kid, state: KeyState::Next }))?;
    if state == KeyState::Active { advance(tx, id, &new.kid, KeyState::Next, state) } else { Ok(()) }
}

fn advance(tx: &mut Tx<'_>, id: Uuid, kid: &str, before: KeyState, after: KeyState) -> Result<()> {
    let key = signing_keys::table.find(id);
    if after == KeyState::Active {
        diesel::update(key)
            .set((signing_keys::state.eq(after), signing_keys::activated_at.eq(seconds_ago(0).nullable())))
            .execute(tx.pg)?;
    } else {
        diesel::update(key)
            .set((signing_keys::state.eq(after), signing_keys::retired_at.eq(seconds_ago(0).nullable())))
            .execute(tx.pg)?;
    }
    tx.audit("signing_keys", id, Some(&KeyAudit { kid, state: before }), Some(&KeyAudit { kid, state: after }))
}

/// One rotation at a time; readers go on.
fn lock(tx: &mut Tx<'_>) -> Result<()> {
    tx.conn().batch("lock table signing_keys in share row exclusive mode")
}
