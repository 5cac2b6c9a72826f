//! Rows that go, or change, by a rule and not by a request: each leaves its row in the trail.

use diesel::prelude::*;
use diesel::sql_types::{Jsonb, Nullable, Uuid as SqlUuid};
use serde_json::Value;
use uuid::Uuid;

use crate::Result;
use crate::tx::Tx;

/// What the trail says of a row, as SQL expressions over it. No names, no addresses: the trail is never rewritten.
pub struct Audit {
    /// The object.
    pub object: &'static str,
    /// The organisation that it concerns.
    pub organisation: &'static str,
    /// What it was, as an object.
    pub before: &'static str,
    /// What it became; null when it was removed.
    pub after: &'static str,
}

impl Audit {
    /// The columns of a [`Removed`], for `returning`.
    pub(crate) fn columns(&self) -> String {
        let Self { object, organisation, before, after } = self;
        format!("{object} as object_id, {organisation} as organisation_id, {before} as before, {after} as after")
    }
}

/// A row that went or changed.
#[derive(QueryableByName)]
pub(crate) struct Removed {
    #[diesel(sql_type = SqlUuid)]
    object_id: Uuid,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    organisation_id: Option<Uuid>,
    #[diesel(sql_type = Nullable<Jsonb>)]
    before: Option<Value>,
    #[diesel(sql_type = Nullable<Jsonb>)]
    after: Option<Value>,
}

/// Leaves the audit rows.
pub(crate) fn audit(tx: &mut Tx<'_>, table: &str, rows: &[Removed]) -> Result<()> {
    for Removed { object_id, organisation_id, before, after } in rows {
        match organisation_id {
            Some(organisation) => tx.audit_in(*organisation, table, *object_id, before.as_ref(), after.as_ref())?,
            None => tx.audit(table, *object_id, before.as_ref(), after.as_ref())?,
        }
    }
    Ok(())
}
