//! Imports: files that organisations send, kept until they have been applied, and what became of their rows.
//!
//! A worker takes one on a lease and brings it forward in transactions of some rows each: with them it says how far it
//! came and what became of them, and holds the lease. What it did not commit another worker does anew once the lease
//! is over, so no row is applied by halves or twice.

use std::io::{self, Read};

use chrono::{DateTime, Utc};
use diesel::dsl::{exists, not, now, sql};
use diesel::expression::SqlLiteral;
use diesel::prelude::*;
use diesel::sql_types::{Nullable, Timestamptz};
use uuid::Uuid;

use crate::citations::Standing;
use crate::functions::organisation_ref;
use crate::organisations::{Reference, to_limit};
use crate::schema::{citations, import_chunks, import_results, imports, source_records};
use crate::tx::{Conn, Tx};
use crate::types::{Json, Texts};
use crate::vocabulary::vocabulary;
use crate::{Actor, Error, Page, Principal, Result};

/// Bytes of a piece of a file.
const CHUNK: usize = 256 * 1024;
/// Seconds for which a worker has an import without a sign of life: longer than any of its transactions may take.
const LEASE_SECONDS: i32 = 30;
/// How often an import is taken without coming forward before it is given up.
const MOST_ATTEMPTS: i16 = 5;

vocabulary! {
    /// What the rows of an import are.
    ImportedResource, "citations" {
        /// What the organisation uses.
        Citations = "citations",
        /// What it runs, makes or supplies.
        Products = "products",
    }
}

vocabulary! {
    /// How the file of an import is written.
    ImportFormat, "csv" {
        /// RFC 4180, with a header.
        Csv = "csv",
        /// One JSON object a line.
        Ndjson = "ndjson",
    }
}

vocabulary! {
    /// Where an import stands. `queued`: it waits for its turn. `running`: its rows are being applied. `completed`: each
    /// of its rows has an outcome. `failed`: it was given up; what was applied until then stays.
    ImportStatus, "completed" {
        /// It waits for its turn.
        Queued = "queued",
        /// Its rows are being applied.
        Running = "running",
        /// Each of its rows has an outcome.
        Completed = "completed",
        /// It was given up.
        Failed = "failed",
    }
}

vocabulary! {
    /// What became of a row. `created`, `changed`, `unchanged`: of what it names. `refused`: nothing, as `errors` say.
    /// `ended`: no row at all, but a citation that an earlier file had and this one has not.
    ImportOutcome, "created" {
        /// It made something.
        Created = "created",
        /// It changed something.
        Changed = "changed",
        /// What it says was known.
        Unchanged = "unchanged",
        /// Something is wrong with it.
        Refused = "refused",
        /// The file does not have it any more.
        Ended = "ended",
    }
}

/// An import, as it is seen.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = imports)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct Import {
    pub id: Uuid,
    pub version: i32,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub organisation_id: Uuid,
    #[diesel(select_expression = organisation_ref(imports::organisation_id.nullable()).assume_not_null())]
    pub organisation: Json<Reference>,
    pub resource: ImportedResource,
    pub format: ImportFormat,
    pub source: String,
    pub dry_run: bool,
    pub end_absent: bool,
    pub status: ImportStatus,
    pub line: i64,
    pub created: i32,
    pub changed: i32,
    pub unchanged: i32,
    pub refused: i32,
    pub ended: i32,
    pub notes: Texts,
    pub failure: Option<String>,
    pub started_at: Option<DateTime<Utc>>,
    pub finished_at: Option<DateTime<Utc>>,
}

/// An import to make.
#[derive(Debug, Clone)]
pub struct NewImport {
    /// UUIDv7.
    pub id: Uuid,
    /// On whose behalf.
    pub organisation_id: Uuid,
    /// What its rows are.
    pub resource: ImportedResource,
    /// How it is written.
    pub format: ImportFormat,
    /// Name of the data set.
    pub source: String,
    /// Whether nothing of it is kept but what would have become of the rows.
    pub dry_run: bool,
    /// Whether citations that it does not have are ended.
    pub end_absent: bool,
}

/// Keeps a file, to be applied on behalf of who sends it.
pub fn create(tx: &mut Tx<'_>, new: &NewImport, mut file: impl Read) -> Result<Import> {
    let actor = tx.actor().clone();
    let client_id = match actor.principal {
        Principal::Client(id) => Some(id),
        Principal::Person(_) | Principal::Operator => None,
    };
    diesel::insert_into(imports::table)
        .values((
            imports::id.eq(new.id),
            imports::organisation_id.eq(new.organisation_id),
            imports::resource.eq(new.resource),
            imports::format.eq(new.format),
            imports::source.eq(&new.source),
            imports::dry_run.eq(new.dry_run),
            imports::end_absent.eq(new.end_absent),
            imports::created_by.eq(actor.principal.user_id()),
            imports::client_id.eq(client_id),
            imports::provider_id.eq(actor.provider_id),
            imports::oauth_client.eq(actor.client_id),
            imports::request_id.eq(actor.request_id),
        ))
        .execute(tx.pg)?;
    let mut number = 0;
    loop {
        let mut content = Vec::with_capacity(CHUNK);
        let unreadable = |error: io::Error| Error::Unavailable(format!("the file cannot be read again: {error}"));
        file.by_ref().take(CHUNK as u64).read_to_end(&mut content).map_err(unreadable)?;
        if content.is_empty() {
            break;
        }
        diesel::insert_into(import_chunks::table)
            .values((
                import_chunks::import_id.eq(new.id),
                import_chunks::number.eq(number),
                import_chunks::content.eq(content),
            ))
            .execute(tx.pg)?;
        number += 1;
    }
    find(&mut tx.conn(), new.id)
}

/// One import.
pub fn find(conn: &mut Conn<'_>, id: Uuid) -> Result<Import> {
    let import = imports::table.filter(imports::id.eq(id)).select(Import::as_select());
    Ok(import.first(conn.pg)?)
}

/// Imports of some organisations, or of all, the newest first: those that stand somewhere, or all.
pub fn list(
    conn: &mut Conn<'_>,
    organisations: Option<&[Uuid]>,
    statuses: &[ImportStatus],
    after: Option<Uuid>,
    limit: usize,
) -> Result<Page<Import, Uuid>> {
    let mut query =
        imports::table.select(Import::as_select()).order(imports::id.desc()).limit(to_limit(limit)).into_boxed();
    if let Some(organisations) = organisations {
        query = query.filter(imports::organisation_id.eq_any(organisations.to_vec()));
    }
    if !statuses.is_empty() {
        query = query.filter(imports::status.eq_any(statuses.to_vec()));
    }
    if let Some(after) = after {
        query = query.filter(imports::id.lt(after));
    }
    Ok(Page::cut(query.load(conn.pg)?, limit, |last| last.id))
}

/// What became of a row.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = import_results)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct ImportResult {
    pub position: i64,
    pub line: Option<i64>,
    pub external_id: Option<String>,
    pub outcome: ImportOutcome,
    pub object_id: Option<Uuid>,
    pub notes: Texts,
    pub errors: Json<Vec<serde_json::Value>>,
}

/// What became of the rows, in the order of the file: those with one of some outcomes, or all.
pub fn results(
    conn: &mut Conn<'_>,
    id: Uuid,
    outcomes: &[ImportOutcome],
    after: Option<i64>,
    limit: usize,
) -> Result<Page<ImportResult, i64>> {
    let mut query = import_results::table
        .filter(import_results::import_id.eq(id))
        .order(import_results::position)
        .limit(to_limit(limit))
        .select(ImportResult::as_select())
        .into_boxed();
    if !outcomes.is_empty() {
        query = query.filter(import_results::outcome.eq_any(outcomes.to_vec()));
    }
    if let Some(after) = after {
        query = query.filter(import_results::position.gt(after));
    }
    Ok(Page::cut(query.load(conn.pg)?, limit, |last| last.position))
}

/// An import that a worker has, until its lease is over.
#[derive(Debug, Clone)]
pub struct Taken {
    /// The import, as it was when it was taken.
    pub import: Import,
    /// What shows that it is still this worker's.
    pub lease: Uuid,
    /// Who sent it, and so on whose behalf its rows are applied: without the token, which may have ended since. None
    /// when the person or the program is gone.
    pub actor: Option<Actor>,
    /// Whether it was taken so often without coming forward that it had better be given up.
    pub hopeless: bool,
}

/// Takes the import that waits longest: one that nobody has begun, or whose worker gives no sign of life.
pub fn take(tx: &mut Tx<'_>, operation: &str) -> Result<Option<Taken>> {
    type Sender = (i16, Option<Uuid>, Option<Uuid>, Option<Uuid>, Option<String>, String);
    let waiting = imports::table
        .filter(imports::finished_at.is_null())
        .filter(imports::leased_until.is_null().or(imports::leased_until.nullable().lt(now)))
        .order(imports::id)
        .select(imports::id)
        .for_update()
        .skip_locked();
    let Some(id) = waiting.first::<Uuid>(tx.pg).optional()? else { return Ok(None) };
    let lease = Uuid::new_v4();
    let columns = (
        imports::attempts,
        imports::created_by,
        imports::client_id,
        imports::provider_id,
        imports::oauth_client,
        imports::request_id,
    );
    let (attempts, person, client, provider_id, client_id, request_id): Sender =
        diesel::update(imports::table.find(id))
            .set((
                imports::status.eq(ImportStatus::Running),
                imports::lease.eq(lease),
                imports::leased_until.eq(leased_until()),
                imports::attempts.eq(imports::attempts + 1),
                imports::started_at.eq(sql("coalesce(started_at, clock_timestamp())")),
            ))
            .returning(columns)
            .get_result(tx.pg)?;
    let import = find(&mut tx.conn(), id)?;
    let principal = person.map(Principal::Person).or(client.map(Principal::Client));
    let actor = principal.map(|principal| Actor {
        principal,
        client_id,
        organisation_id: Some(import.organisation_id),
        token_id: None,
        provider_id,
        request_id,
        operation: operation.to_owned(),
    });
    Ok(Some(Taken { import, lease, actor, hopeless: attempts > MOST_ATTEMPTS }))
}

/// A piece of the file; none behind the last.
pub fn chunk(conn: &mut Conn<'_>, id: Uuid, number: i32) -> Result<Option<Vec<u8>>> {
    Ok(import_chunks::table.find((id, number)).select(import_chunks::content).first(conn.pg).optional()?)
}

/// Whether an import is still this worker's; then it stays so for the rest of the transaction, as nobody takes what is
/// locked.
pub fn hold(tx: &mut Tx<'_>, id: Uuid, lease: Uuid) -> Result<bool> {
    let held = imports::table.find(id).filter(imports::lease.eq(lease)).select(imports::id).for_update();
    Ok(held.first::<Uuid>(tx.pg).optional()?.is_some())
}

/// Says what became of the next rows of an import that is held, and up to which line that is; in the transaction that
/// applied them.
pub fn advance(tx: &mut Tx<'_>, id: Uuid, line: i64, rows: &[ImportResult]) -> Result<()> {
    let count = |outcome| {
        let rows = rows.iter().filter(|row| row.outcome == outcome).count();
        i32::try_from(rows).map_err(|error| Error::Internal(error.to_string()))
    };
    diesel::update(imports::table.find(id))
        .set((
            imports::line.eq(line),
            imports::created.eq(imports::created + count(ImportOutcome::Created)?),
            imports::changed.eq(imports::changed + count(ImportOutcome::Changed)?),
            imports::unchanged.eq(imports::unchanged + count(ImportOutcome::Unchanged)?),
            imports::refused.eq(imports::refused + count(ImportOutcome::Refused)?),
            imports::ended.eq(imports::ended + count(ImportOutcome::Ended)?),
            imports::leased_until.eq(leased_until()),
            imports::attempts.eq(1_i16),
        ))
        .execute(tx.pg)?;
    let rows: Vec<_> = rows.iter().cloned().map(|row| (import_results::import_id.eq(id), row)).collect();
    diesel::insert_into(import_results::table).values(rows).execute(tx.pg)?;
    Ok(())
}

/// Ends an import that is held, completed or, for a reason, given up; its file is kept no longer.
pub fn finish(tx: &mut Tx<'_>, id: Uuid, notes: &[String], failure: Option<&str>) -> Result<()> {
    let status = if failure.is_none() { ImportStatus::Completed } else { ImportStatus::Failed };
    diesel::update(imports::table.find(id))
        .set((
            imports::status.eq(status),
            imports::notes.eq(Texts(notes.to_vec())),
            imports::failure.eq(failure),
            imports::lease.eq(None::<Uuid>),
            imports::leased_until.eq(None::<DateTime<Utc>>),
            imports::finished_at.eq(sql("clock_timestamp()")),
        ))
        .execute(tx.pg)?;
    diesel::delete(import_chunks::table.filter(import_chunks::import_id.eq(id))).execute(tx.pg)?;
    Ok(())
}

/// When the lease of a worker is over that gives a sign of life now, at the end of a transaction.
fn leased_until() -> SqlLiteral<Nullable<Timestamptz>> {
    sql(&format!("clock_timestamp() + interval '{LEASE_SECONDS} seconds'"))
}

/// Whether every row of the file could be told from others. One that could not may be any of those that seem absent.
pub fn all_have_keys(conn: &mut Conn<'_>, id: Uuid) -> Result<bool> {
    let without = import_results::table
        .filter(import_results::import_id.eq(id))
        .filter(import_results::external_id.is_null().and(import_results::line.is_not_null()));
    Ok(!diesel::select(exists(without)).get_result::<bool>(conn.pg)?)
}

/// Some active citations of the data set that the file of this import does not have, by their keys there: none of its
/// rows has the key, and none is about the citation under another key.
pub fn absent(conn: &mut Conn<'_>, import: &Import, source: &str, limit: usize) -> Result<Vec<(String, Uuid)>> {
    let met = diesel::alias!(import_results as met);
    let named = import_results::table
        .filter(import_results::import_id.eq(import.id))
        .filter(import_results::external_id.eq(source_records::external_id.nullable()))
        .filter(import_results::line.is_not_null());
    let named_otherwise = met
        .filter(met.field(import_results::import_id).eq(import.id))
        .filter(met.field(import_results::object_id).eq(source_records::object_id.nullable()));
    let found = source_records::table
        .inner_join(citations::table.on(citations::id.eq(source_records::object_id)))
        .filter(source_records::kind.eq("citations").and(source_records::source.eq(source)))
        .filter(citations::organisation_id.eq(import.organisation_id).and(citations::status.eq(Standing::Active)))
        .filter(not(exists(named)))
        .filter(not(exists(named_otherwise)))
        .order(source_records::external_id)
        .limit(to_limit(limit) - 1)
        .select((source_records::external_id, source_records::object_id));
    Ok(found.load(conn.pg)?)
}

/// Position of the last result that there is; 0 without one.
pub fn last_position(conn: &mut Conn<'_>, id: Uuid) -> Result<i64> {
    let last = import_results::table
        .filter(import_results::import_id.eq(id))
        .order(import_results::position.desc())
        .select(import_results::position);
    Ok(last.first(conn.pg).optional()?.unwrap_or(0))
}
