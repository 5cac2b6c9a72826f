//! Where a lease departs from its template.

use diesel::prelude::*;
use diesel::sql_types::Uuid as SqlUuid;
use serde::Serialize;
use uuid::Uuid;

use super::{Lease, check_draft, touch};
use crate::Result;
use crate::schema::lease_deviations;
use crate::tx::{Conn, Tx};

/// A deviation.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = lease_deviations)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct Deviation {
    pub clause_id: String,
    pub body: Option<String>,
    pub reason: String,
}

/// From which clauses, for the trail.
#[derive(Serialize)]
struct DeviationsAudit {
    replaced: Vec<String>,
    left_out: Vec<String>,
    differ: Vec<String>,
}

/// The deviations of a lease that is seen, by clause.
pub fn list(conn: &mut Conn<'_>, lease_id: Uuid) -> Result<Vec<Deviation>> {
    let query = lease_deviations::table.filter(lease_deviations::lease_id.eq(lease_id));
    Ok(query.order(lease_deviations::clause_id).select(Deviation::as_select()).load(conn.pg)?)
}

/// Puts other deviations in place of those of a locked draft. When they are the same nothing is written.
pub fn put(tx: &mut Tx<'_>, current: &Lease, wanted: &[Deviation]) -> Result<Lease> {
    check_draft(current)?;
    let before = list(&mut tx.conn(), current.id)?;
    let mut sorted = wanted.to_vec();
    sorted.sort_by(|one, other| one.clause_id.cmp(&other.clause_id));
    if before == sorted {
        return Ok(current.clone());
    }
    diesel::delete(lease_deviations::table.filter(lease_deviations::lease_id.eq(current.id))).execute(tx.pg)?;
    let mut rows = Vec::with_capacity(wanted.len());
    for deviation in wanted {
        rows.push((
            lease_deviations::lease_id.eq(current.id),
            lease_deviations::version_id.eq(current.version_id),
            deviation.clone(),
        ));
    }
    diesel::insert_into(lease_deviations::table).values(rows).execute(tx.pg)?;
    let changed = touch(tx, current)?;
    let (old, new) = (told(&before, &sorted), told(&sorted, &before));
    tx.audit_in(current.organisation_id, "lease_deviations", current.id, Some(&old), Some(&new))?;
    Ok(changed)
}

fn told(deviations: &[Deviation], others: &[Deviation]) -> DeviationsAudit {
    let clauses = |which: &dyn Fn(&&Deviation) -> bool| {
        deviations.iter().filter(which).map(|deviation| deviation.clause_id.clone()).collect()
    };
    DeviationsAudit {
        replaced: clauses(&|deviation| deviation.body.is_some()),
        left_out: clauses(&|deviation| deviation.body.is_none()),
        differ: clauses(&|deviation| !others.contains(deviation)),
    }
}

/// Gives a new draft of a version the deviations of another lease, where that is of the same version: those from clauses
/// of another may not be allowed any more.
pub(super) fn copy(tx: &mut Tx<'_>, id: Uuid, version_id: Uuid, from: Uuid) -> Result<()> {
    let copied = "insert into lease_deviations (lease_id, version_id, clause_id, body, reason)
        select $1, version_id, clause_id, body, reason from lease_deviations where lease_id = $2 and version_id = $3";
    diesel::sql_query(copied)
        .bind::<SqlUuid, _>(id)
        .bind::<SqlUuid, _>(from)
        .bind::<SqlUuid, _>(version_id)
        .execute(tx.pg)?;
    Ok(())
}
