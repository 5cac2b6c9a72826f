//! The schedule of premises of a lease: up to [`MOST`] of them, read and written in pieces.

use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Integer, Nullable, Text, Uuid as SqlUuid};
use serde::Serialize;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{Lease, check_draft, hex, touch};
use crate::organisations::to_limit;
use crate::schema::lease_premises;
use crate::tx::{Conn, Tx};
use crate::{Page, Result};

/// How many premises a lease has at most.
pub const MOST: usize = 10_000;
/// How many are read at once.
const PIECE: usize = 1000;

/// What a lease is about.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = lease_premises)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct Premises {
    pub uprn: Option<i64>,
    pub usrn: Option<i32>,
    pub description: Option<String>,
}

/// The same with its place in the schedule.
#[derive(Debug, Clone, Queryable)]
pub struct Scheduled {
    /// From 1.
    pub position: i32,
    /// What is there.
    pub premises: Premises,
}

/// How many there are, and whether they differ, for the trail; the premises themselves are in the lease.
#[derive(Serialize)]
struct PremisesAudit {
    premises_count: usize,
    premises_sha256: String,
}

impl PremisesAudit {
    fn new<'p>(premises: impl Iterator<Item = &'p Premises>) -> Self {
        let (mut hash, mut premises_count) = (Sha256::new(), 0);
        for Premises { uprn, usrn, description } in premises {
            hash.update(format!("{uprn:?} {usrn:?} {description:?}\n"));
            premises_count += 1;
        }
        Self { premises_count, premises_sha256: hex(&hash.finalize()) }
    }
}

/// One page of the schedule of a lease that is seen, in its order.
pub fn list(conn: &mut Conn<'_>, lease_id: Uuid, after: Option<i32>, limit: usize) -> Result<Page<Scheduled, i32>> {
    let query = lease_premises::table
        .filter(lease_premises::lease_id.eq(lease_id))
        .filter(lease_premises::position.gt(after.unwrap_or(0)))
        .order(lease_premises::position)
        .limit(to_limit(limit))
        .select((lease_premises::position, Premises::as_select()));
    Ok(Page::cut(query.load(conn.pg)?, limit, |last: &Scheduled| last.position))
}

/// Goes through the whole schedule of a lease that is seen, piece by piece, so that no more than a piece is held.
pub fn each<E: From<crate::Error>>(
    conn: &mut Conn<'_>,
    lease_id: Uuid,
    mut piece: impl FnMut(&[Scheduled]) -> Result<(), E>,
) -> Result<(), E> {
    let mut after = None;
    loop {
        let page = list(conn, lease_id, after, PIECE)?;
        piece(&page.items)?;
        let Some(next) = page.next else { return Ok(()) };
        after = Some(next);
    }
}

/// Puts another schedule in place of that of a locked draft. When it is the same nothing is written.
pub fn put(tx: &mut Tx<'_>, current: &Lease, wanted: &[Premises]) -> Result<Lease> {
    check_draft(current)?;
    let mut held = Vec::with_capacity(wanted.len());
    each(&mut tx.conn(), current.id, |piece| {
        held.extend(piece.iter().map(|scheduled| scheduled.premises.clone()));
        Ok::<_, crate::Error>(())
    })?;
    if held == wanted {
        return Ok(current.clone());
    }
    diesel::delete(lease_premises::table.filter(lease_premises::lease_id.eq(current.id))).execute(tx.pg)?;
    let insert = "insert into lease_premises (lease_id, position, uprn, usrn, description)
        select $1, row.position, row.uprn, row.usrn, row.description
        from unnest($2, $3, $4, $5) as row (position, uprn, usrn, description)";
    let positions: Vec<i32> = (1..).take(wanted.len()).collect();
    diesel::sql_query(insert)
        .bind::<SqlUuid, _>(current.id)
        .bind::<Array<Integer>, _>(positions)
        .bind::<Array<Nullable<BigInt>>, _>(wanted.iter().map(|premises| premises.uprn).collect::<Vec<_>>())
        .bind::<Array<Nullable<Integer>>, _>(wanted.iter().map(|premises| premises.usrn).collect::<Vec<_>>())
        .bind::<Array<Nullable<Text>>, _>(
            wanted.iter().map(|premises| premises.description.as_deref()).collect::<Vec<_>>(),
        )
        .execute(tx.pg)?;
    let changed = touch(tx, current)?;
    let (before, after) = (PremisesAudit::new(held.iter()), PremisesAudit::new(wanted.iter()));
    tx.audit_in(current.organisation_id, "lease_premises", current.id, Some(&before), Some(&after))?;
    Ok(changed)
}

/// Gives a new draft the schedule of another lease.
pub(super) fn copy(tx: &mut Tx<'_>, id: Uuid, from: Uuid) -> Result<()> {
    let copied = "insert into lease_premises (lease_id, position, uprn, usrn, description)
        select $1, position, uprn, usrn, description from lease_premises where lease_id = $2";
    diesel::sql_query(copied).bind::<SqlUuid, _>(id).bind::<SqlUuid, _>(from).execute(tx.pg)?;
    Ok(())
}
