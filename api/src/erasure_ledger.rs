//! The copy of the ledger of erasures in a file: a database that is restored does not know who was erased since.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use db::erasures::{self, Erasure};
use db::{Actor, Db};
use uuid::Uuid;

/// Bytes of a file at most: some hundred thousand erasures.
const LARGEST: u64 = 64 * 1024 * 1024;

/// Adds to the file what the database has and it has not. What fails is logged, and done with the next erasure, the
/// next start or the next run of the retention.
pub async fn catch_up(db: &Db, file: Option<&Path>) {
    let Some(file) = file else { return };
    if let Err(cause) = write_missing(db, file).await {
        tracing::error!(cause, "the file of the ledger of erasures lacks some");
    }
}

/// [`catch_up`], for those who tell of the failure themselves.
pub async fn write_missing(db: &Db, file: &Path) -> Result<(), String> {
    let read = db.read_as(Actor::operator("erasure ledger"), |conn, _| erasures::list(conn));
    let all = read.await.map_err(|error: db::Error| error.to_string())?;
    let kept = read_file(file)?;
    let known: BTreeSet<Uuid> = kept.erasures.iter().map(|erasure| erasure.user_id).collect();
    let missing: Vec<&Erasure> = all.iter().filter(|erasure| !known.contains(&erasure.user_id)).collect();
    if missing.is_empty() && file.exists() { Ok(()) } else { append(file, &missing, kept.ends_within_line) }
}

/// What is in a file.
#[derive(Debug, Default)]
pub struct Kept {
    /// The erasures.
    pub erasures: Vec<Erasure>,
    /// Numbers of lines that are none, such as one that was cut off when the machine stopped: it was written again.
    pub broken: Vec<usize>,
    ends_within_line: bool,
}

/// Reads a file; nothing is in one that is not there.
pub fn read_file(file: &Path) -> Result<Kept, String> {
    let mut text = String::new();
    match File::open(file) {
        Ok(open) => open.take(LARGEST).read_to_string(&mut text).map_err(|error| cannot(file, &error))?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Kept::default()),
        Err(error) => return Err(cannot(file, &error)),
    };
    let mut kept = Kept { ends_within_line: !text.is_empty() && !text.ends_with('\n'), ..Kept::default() };
    for (index, line) in text.lines().enumerate() {
        match serde_json::from_str(line) {
            Ok(erasure) => kept.erasures.push(erasure),
            Err(_) => kept.broken.push(index + 1),
        }
    }
    Ok(kept)
}

/// In one write, so that two processes do not break into each other's lines. A few hundred bytes: not worth a
/// thread.
fn append(file: &Path, erasures: &[&Erasure], within_line: bool) -> Result<(), String> {
    let start = if within_line { "\n" } else { "" };
    let lines = erasures.iter().filter_map(|erasure| line(erasure)).map(|line| line + "\n").collect::<String>();
    let mut open =
        OpenOptions::new().append(true).create(true).mode(0o600).open(file).map_err(|error| cannot(file, &error))?;
    open.write_all(format!("{start}{lines}").as_bytes())
        .and_then(|()| open.sync_all())
        .map_err(|error| cannot(file, &error))
}

/// An erasure as a line.
#[must_use]
pub fn line(erasure: &Erasure) -> Option<String> {
    serde_json::to_string(erasure).ok()
}

fn cannot(file: &Path, error: &std::io::Error) -> String {
    format!("{} cannot be used: {error}.", file.display())
}
