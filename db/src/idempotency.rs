//! Answers that are kept under an `Idempotency-Key`, in the transaction of what they answer.

use diesel::prelude::*;

use crate::Result;
use crate::functions::{seconds_ago, try_lock};
use crate::schema::idempotency_keys as kept;
use crate::tx::Tx;

/// What a key stands for.
#[derive(Debug)]
pub enum Claim {
    /// Nothing yet: this transaction goes on, and keeps its answer.
    New,
    /// An answer.
    Answered(Answered),
    /// Another transaction, somewhere, which is not over.
    Running,
}

/// What was answered.
#[derive(Debug, Queryable, Selectable)]
#[diesel(table_name = kept)]
pub struct Answered {
    /// SHA-256 of the request.
    pub request_hash: Vec<u8>,
    /// The answer, sealed.
    pub sealed_answer: Vec<u8>,
}

/// Claims a key for this transaction. Does not wait for another that has it.
pub fn claim(tx: &mut Tx<'_>, key: &str) -> Result<Claim> {
    let principal = tx.actor().principal.to_string();
    // Space cannot be in a principal, so no two of them make one name.
    let free: bool = diesel::select(try_lock(&format!("{principal} {key}"))).get_result(tx.pg)?;
    if !free {
        return Ok(Claim::Running);
    }
    let row = kept::table.find((&principal, key));
    diesel::delete(row.filter(kept::expires_at.le(seconds_ago(0)))).execute(tx.pg)?;
    let answered = row.select(Answered::as_select()).first(tx.pg).optional()?;
    Ok(answered.map_or(Claim::New, Claim::Answered))
}

/// Keeps an answer under a key that this transaction has claimed.
pub fn keep(tx: &mut Tx<'_>, key: &str, answered: &Answered) -> Result<()> {
    diesel::insert_into(kept::table)
        .values((
            kept::principal.eq(tx.actor().principal.to_string()),
            kept::key.eq(key),
            kept::request_hash.eq(&answered.request_hash),
            kept::sealed_answer.eq(&answered.sealed_answer),
        ))
        .execute(tx.pg)?;
    Ok(())
}
