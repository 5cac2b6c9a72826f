//! Which imported row became which object, so that a second import changes nothing.

use std::collections::HashMap;

use diesel::prelude::*;
use uuid::Uuid;

use crate::Result;
use crate::schema::source_records;
use crate::tx::{Conn, Tx};

/// A row of a data set, as last applied.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = source_records)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct SourceRecord {
    pub object_id: Uuid,
    pub founder: bool,
    pub content_hash: Vec<u8>,
}

/// What a row became, if it was ever applied.
pub fn find(conn: &mut Conn<'_>, kind: &str, source: &str, external_id: &str) -> Result<Option<SourceRecord>> {
    Ok(source_records::table
        .find((kind, source, external_id))
        .select(SourceRecord::as_select())
        .first(conn.pg)
        .optional()?)
}

/// What several rows of one data set became, by their keys; those that were never applied are absent.
pub fn find_many(
    conn: &mut Conn<'_>,
    kind: &str,
    source: &str,
    external_ids: &[&str],
) -> Result<HashMap<String, SourceRecord>> {
    let found: Vec<(String, SourceRecord)> = source_records::table
        .filter(source_records::kind.eq(kind).and(source_records::source.eq(source)))
        .filter(source_records::external_id.eq_any(external_ids))
        .select((source_records::external_id, SourceRecord::as_select()))
        .load(conn.pg)?;
    Ok(found.into_iter().collect())
}

/// Key of the row of one data set that an object was first made from, if it is of that set.
pub fn founder(conn: &mut Conn<'_>, kind: &str, source: &str, object_id: Uuid) -> Result<Option<String>> {
    Ok(source_records::table
        .filter(source_records::object_id.eq(object_id).and(source_records::founder))
        .filter(source_records::kind.eq(kind).and(source_records::source.eq(source)))
        .select(source_records::external_id)
        .first(conn.pg)
        .optional()?)
}

/// Keeps what a row became.
pub fn put(
    tx: &mut Tx<'_>,
    kind: &str,
    source: &str,
    external_id: &str,
    object_id: Uuid,
    founder: bool,
    content_hash: &[u8],
) -> Result<()> {
    use source_records::dsl;
    diesel::insert_into(dsl::source_records)
        .values((
            dsl::kind.eq(kind),
            dsl::source.eq(source),
            dsl::external_id.eq(external_id),
            dsl::object_id.eq(object_id),
            dsl::founder.eq(founder),
            dsl::content_hash.eq(content_hash),
        ))
        .on_conflict((dsl::kind, dsl::source, dsl::external_id))
        .do_update()
        .set((
            dsl::object_id.eq(object_id),
            dsl::founder.eq(founder),
            dsl::content_hash.eq(content_hash),
            dsl::updated_at.eq(diesel::dsl::now),
        ))
        .execute(tx.pg)?;
    Ok(())
}

/// Forgets what a row said, so that it is applied anew when it comes again.
pub fn forget_content(tx: &mut Tx<'_>, kind: &str, source: &str, external_id: &str) -> Result<()> {
    diesel::update(source_records::table.find((kind, source, external_id)))
        .set(source_records::content_hash.eq(Vec::new()))
        .execute(tx.pg)?;
    Ok(())
}
