//! Which imported row became which object, so that a second import changes nothing.

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
