//! Dated lines on how a product is getting on.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::functions::organisation_ref;
use crate::organisations::{Reference, to_limit};
use crate::schema::product_updates;
use crate::tx::{Conn, Tx};
use crate::types::Json;
use crate::{Page, Result};

/// One line.
#[derive(Debug, Clone, Queryable)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct ProductUpdate {
    pub id: Uuid,
    pub version: i32,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub product_id: Uuid,
    pub posted_on: NaiveDate,
    pub body: String,
    pub organisation: Option<Json<Reference>>,
}

/// What a writer may set.
#[derive(Debug, Clone, Insertable, Serialize)]
#[diesel(table_name = product_updates)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct NewProductUpdate {
    pub product_id: Uuid,
    pub posted_on: Option<NaiveDate>,
    pub body: String,
    pub organisation_id: Option<Uuid>,
}

/// Where a page ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Day of the last line.
    pub posted_on: NaiveDate,
    /// Its id.
    pub id: Uuid,
}

/// One page, latest day first.
pub fn list(
    conn: &mut Conn<'_>,
    product_id: Uuid,
    after: Option<Position>,
    limit: usize,
) -> Result<Page<ProductUpdate, Position>> {
    use product_updates::dsl;
    let mut query = dsl::product_updates
        .filter(dsl::product_id.eq(product_id))
        .order((dsl::posted_on.desc(), dsl::id.desc()))
        .limit(to_limit(limit))
        .select(columns())
        .into_boxed();
    if let Some(Position { posted_on, id }) = after {
        query = query.filter(dsl::posted_on.le(posted_on)).filter(dsl::posted_on.lt(posted_on).or(dsl::id.lt(id)));
    }
    let found: Vec<ProductUpdate> = query.load(conn.pg)?;
    Ok(Page::cut(found, limit, |last| Position { posted_on: last.posted_on, id: last.id }))
}

/// One line of one product.
pub fn find(conn: &mut Conn<'_>, product_id: Uuid, id: Uuid) -> Result<ProductUpdate> {
    Ok(product_updates::table
        .find(id)
        .filter(product_updates::product_id.eq(product_id))
        .select(columns())
        .first(conn.pg)?)
}

/// Adds a line; without a day it is today's.
pub fn create(tx: &mut Tx<'_>, id: Uuid, new: &NewProductUpdate) -> Result<ProductUpdate> {
    diesel::insert_into(product_updates::table).values((product_updates::id.eq(id), new)).execute(tx.pg)?;
    tx.audit("product_updates", id, None, Some(new))?;
    find(&mut tx.conn(), new.product_id, id)
}

/// One line, locked for the rest of the transaction.
pub fn lock(tx: &mut Tx<'_>, product_id: Uuid, id: Uuid) -> Result<ProductUpdate> {
    product_updates::table.find(id).select(product_updates::id).for_update().first::<Uuid>(tx.pg)?;
    find(&mut tx.conn(), product_id, id)
}

/// Removes a locked line.
pub fn delete(tx: &mut Tx<'_>, current: &ProductUpdate) -> Result<()> {
    diesel::delete(product_updates::table.find(current.id)).execute(tx.pg)?;
    let before = NewProductUpdate {
        product_id: current.product_id,
        posted_on: Some(current.posted_on),
        body: current.body.clone(),
        organisation_id: current.organisation.as_ref().map(|organisation| organisation.0.id),
    };
    tx.audit("product_updates", current.id, Some(&before), None)
}

type Columns = (
    product_updates::id,
    product_updates::version,
    product_updates::created_at,
    product_updates::updated_at,
    product_updates::product_id,
    product_updates::posted_on,
    product_updates::body,
    organisation_ref<product_updates::organisation_id>,
);

fn columns() -> Columns {
    (
        product_updates::id,
        product_updates::version,
        product_updates::created_at,
        product_updates::updated_at,
        product_updates::product_id,
        product_updates::posted_on,
        product_updates::body,
        organisation_ref(product_updates::organisation_id),
    )
}
