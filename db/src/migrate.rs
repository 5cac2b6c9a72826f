//! Bringing the schema of a database up to date.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use crate::tx::Conn;
use crate::{Error, Result};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!();

/// Any number, as long as nobody else uses it: "LOTI" in ASCII.
const LOCK: i64 = 0x4c4f_5449;

/// Applies every migration that is due, one process at a time, and tells which those were.
///
/// The lock is a session's, on a connection of its own: `diesel_migrations` takes none, and two replicas that start
/// together would both see the same migration due.
pub fn up(url: &str) -> Result<Vec<String>> {
    let mut pg = connect(url)?;
    pg.batch_execute(&format!("select pg_advisory_lock({LOCK})"))?;
    let applied = pg.run_pending_migrations(MIGRATIONS).map_err(|error| Error::Internal(error.to_string()))?;
    Ok(applied.iter().map(ToString::to_string).collect())
}

/// Takes every migration back: the database is empty of ours after it.
pub fn down(url: &str) -> Result<Vec<String>> {
    let mut pg = connect(url)?;
    pg.batch_execute(&format!("select pg_advisory_lock({LOCK})"))?;
    let reverted = pg.revert_all_migrations(MIGRATIONS).map_err(|error| Error::Internal(error.to_string()))?;
    Ok(reverted.iter().map(ToString::to_string).collect())
}

/// Whether no migration is due.
pub(crate) fn is_current(conn: &mut Conn<'_>) -> Result<bool> {
    use diesel::migration::{Migration, MigrationSource};
    let known: Vec<Box<dyn Migration<diesel::pg::Pg>>> =
        MIGRATIONS.migrations().map_err(|error| Error::Internal(error.to_string()))?;
    let applied: i64 = diesel::select(applied_migrations()).get_result(conn.pg)?;
    Ok(usize::try_from(applied).is_ok_and(|applied| applied >= known.len()))
}

fn connect(url: &str) -> Result<PgConnection> {
    PgConnection::establish(url).map_err(|error| Error::Unavailable(error.to_string()))
}

fn applied_migrations() -> diesel::expression::SqlLiteral<diesel::sql_types::BigInt> {
    diesel::dsl::sql("(select count(*) from __diesel_schema_migrations)")
}
