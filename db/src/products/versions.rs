//! Every state a product was ever in.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use uuid::Uuid;

use super::{Note, ProductState};
use crate::functions::organisation_ref;
use crate::organisations::{Reference, to_limit};
use crate::schema::product_versions;
use crate::tx::{Conn, Tx};
use crate::types::Json;
use crate::{Page, Result};

/// One state, and how it came to be.
#[derive(Debug, Clone, Queryable)]
pub struct ProductVersion {
    /// Number, from 1.
    pub version: i32,
    /// When it came to be.
    pub recorded_at: DateTime<Utc>,
    /// On whose behalf; `None` for operators and imports.
    pub organisation: Option<Json<Reference>>,
    /// Why, where the writer said so.
    pub reason: Option<String>,
    /// The earlier version that it restored.
    pub reverts_to: Option<i32>,
    /// The state.
    pub state: Json<ProductState>,
}

pub(super) fn record(tx: &mut Tx<'_>, id: Uuid, version: i32, state: &ProductState, note: &Note) -> Result<()> {
    diesel::insert_into(product_versions::table)
        .values((
            product_versions::product_id.eq(id),
            product_versions::version.eq(version),
            product_versions::organisation_id.eq(tx.organisation_id()),
            product_versions::reason.eq(note.reason.as_deref().or(state.phase_reason.as_deref())),
            product_versions::reverts_to.eq(note.reverts_to),
            product_versions::state.eq(Json(state.clone())),
        ))
        .execute(tx.pg)?;
    Ok(())
}

/// One page, latest first, each with the one before it (which may be on the next page) to tell what changed.
pub fn list(
    conn: &mut Conn<'_>,
    product_id: Uuid,
    before: Option<i32>,
    limit: usize,
) -> Result<Page<(ProductVersion, Option<ProductState>), i32>> {
    let mut query = product_versions::table
        .filter(product_versions::product_id.eq(product_id))
        .order(product_versions::version.desc())
        .limit(to_limit(limit))
        .select(columns())
        .into_boxed();
    if let Some(before) = before {
        query = query.filter(product_versions::version.lt(before));
    }
    let found: Vec<ProductVersion> = query.load(conn.pg)?;
    let mut earlier: Vec<Option<ProductState>> = found.iter().skip(1).map(|v| Some(v.state.0.clone())).collect();
    earlier.push(None);
    Ok(Page::cut(found.into_iter().zip(earlier).collect(), limit, |(last, _)| last.version))
}

/// One version.
pub fn find(conn: &mut Conn<'_>, product_id: Uuid, version: i32) -> Result<ProductVersion> {
    Ok(product_versions::table.find((product_id, version)).select(columns()).first(conn.pg)?)
}

type Columns = (
    product_versions::version,
    product_versions::recorded_at,
    organisation_ref<product_versions::organisation_id>,
    product_versions::reason,
    product_versions::reverts_to,
    product_versions::state,
);

fn columns() -> Columns {
    (
        product_versions::version,
        product_versions::recorded_at,
        organisation_ref(product_versions::organisation_id),
        product_versions::reason,
        product_versions::reverts_to,
        product_versions::state,
    )
}
