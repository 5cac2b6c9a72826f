//! A file that an organisation sent over HTTP, applied on its behalf by a worker that may be cut off at any time.
//!
//! Some rows at a time are applied in one transaction, with what became of them and how far that is (see
//! [`db::imports`]): a worker that goes on behind another begins with the row behind the last that was committed.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek as _, Write as _};
use std::sync::Arc;

use db::imports::{self, Import, ImportFormat, ImportOutcome, ImportResult, ImportedResource, Taken};
use db::pool::Failure;
use db::types::{Json, Texts};
use db::{Actor, Db, Tx, citations, sources};
use serde_json::{Value, json};
use uuid::Uuid;

use super::rows::Rows;
use super::{Applied, BATCH, Format, Options, Outcome, Resource, Row, Rules, apply, source_key, stops_everything};
use crate::auth;
use crate::problem::{Fault, Problem, ProblemError};

/// Name of a data set when the sender gives none.
pub const DEFAULT_SOURCE: &str = "register";
/// How many names of columns a note holds.
const MOST_COLUMNS: usize = 20;

/// Why an import is not brought to its end.
#[derive(Debug)]
pub enum Stopped {
    /// It makes no sense to go on, for this reason.
    GivenUp(String),
    /// Another worker has it by now.
    Lost,
    /// Something is wrong with the service or its database; another attempt may go better.
    Failed(Problem),
}

impl Failure for Stopped {
    fn database(&self) -> Option<&db::Error> {
        if let Self::Failed(problem) = self { problem.database() } else { None }
    }
}

impl From<Problem> for Stopped {
    fn from(problem: Problem) -> Self {
        // Who sent it may not do that any more.
        if matches!(problem.kind.status, 401 | 403) {
            return Self::GivenUp(problem.detail.to_string());
        }
        Self::Failed(problem)
    }
}

impl From<db::Error> for Stopped {
    fn from(error: db::Error) -> Self {
        Problem::from(error).into()
    }
}

/// The rows of such a file. Fails with a sentence when nothing could be made of any.
pub fn rows_of<R: BufRead>(
    organisation: Uuid,
    resource: ImportedResource,
    format: ImportFormat,
    source: &str,
    file: R,
) -> Result<Rows<R>, String> {
    let resource = match resource {
        ImportedResource::Citations => Resource::Citations,
        ImportedResource::Products => Resource::Products,
    };
    let format = match format {
        ImportFormat::Csv => Format::Csv,
        ImportFormat::Ndjson => Format::Jsonl,
    };
    let options = Options { source: Some(source.to_owned()), on_behalf: Some(organisation), ..Options::default() };
    Rows::new(resource, format, &options, source, file)
}

/// Applies what is left of an import, and ends it.
pub async fn run(db: &Db, rules: &Arc<Rules>, taken: Taken) -> Result<(), Stopped> {
    let (id, lease) = (taken.import.id, taken.lease);
    let ended = match Register::new(db, rules, taken) {
        Ok(register) => register.run().await,
        Err(stopped) => Err(stopped),
    };
    let (notes, failure) = match ended {
        Ok(notes) => (notes, None),
        Err(Stopped::GivenUp(reason)) => (Vec::new(), Some(reason.chars().take(1000).collect::<String>())),
        Err(stopped) => return Err(stopped),
    };
    let finish = move |tx: &mut Tx<'_>| {
        if !imports::hold(tx, id, lease)? {
            return Err(Stopped::Lost);
        }
        Ok(imports::finish(tx, id, &notes, failure.as_deref())?)
    };
    db.write(Actor::operator("imports"), finish).await
}

struct Register<'a> {
    db: &'a Db,
    rules: &'a Arc<Rules>,
    import: Import,
    lease: Uuid,
    actor: Actor,
}

impl<'a> Register<'a> {
    fn new(db: &'a Db, rules: &'a Arc<Rules>, taken: Taken) -> Result<Self, Stopped> {
        let Taken { import, lease, actor, hopeless } = taken;
        if hopeless {
            return Err(Stopped::GivenUp("It was begun several times and never came forward.".to_owned()));
        }
        let actor = actor.ok_or_else(|| Stopped::GivenUp("Who sent it is gone.".to_owned()))?;
        Ok(Self { db, rules, import, lease, actor })
    }

    /// Answers what is worth knowing of the whole.
    async fn run(self) -> Result<Vec<String>, Stopped> {
        let Import { id, organisation_id, resource, format, ref source, line, .. } = self.import;
        let file = BufReader::with_capacity(64 * 1024, self.file().await?);
        let mut rows = rows_of(organisation_id, resource, format, source, file).map_err(Stopped::GivenUp)?;
        let last = self.db.read_as(Actor::operator("imports"), move |conn, _| imports::last_position(conn, id));
        let mut position = last.await?;
        let mut reached = line;
        loop {
            let batch: Result<Vec<Row>, _> = behind(&mut rows, line).take(BATCH).collect();
            let batch = batch.map_err(|error| Stopped::GivenUp(format!("The file cannot be read: {error}.")))?;
            if batch.is_empty() {
                break;
            }
            reached = batch.last().map_or(reached, line_of);
            position = self.advance(batch, reached, position).await?;
        }
        let mut notes = Vec::new();
        let unused: Vec<&str> = rows.unused().take(MOST_COLUMNS).collect();
        if !unused.is_empty() {
            notes.push(storable(&format!("Not used: {}.", unused.join(", "))));
        }
        if self.import.end_absent {
            notes.extend(self.end_absent(reached, position).await?);
        }
        Ok(notes)
    }

    /// The file, out of its pieces.
    async fn file(&self) -> Result<File, Stopped> {
        let unkept = |error: io::Error| Problem::unavailable(format!("a file cannot be kept: {error}"));
        let mut file = tempfile::tempfile().map_err(unkept)?;
        let id = self.import.id;
        for number in 0.. {
            let piece = move |conn: &mut db::Conn<'_>, _: &db::Roles| imports::chunk(conn, id, number);
            let Some(piece) = self.db.read_as(Actor::operator("imports"), piece).await? else { break };
            file.write_all(&piece).map_err(unkept)?;
        }
        file.rewind().map_err(unkept)?;
        Ok(file)
    }

    /// Applies some rows and keeps what became of them; answers the position of the last.
    async fn advance(&self, rows: Vec<Row>, line: i64, position: i64) -> Result<i64, Stopped> {
        let rules = Arc::clone(self.rules);
        let resource = match self.import.resource {
            ImportedResource::Citations => Resource::Citations,
            ImportedResource::Products => Resource::Products,
        };
        let last = position + i64::try_from(rows.len()).unwrap_or_default();
        self.step(line, move |tx| {
            let applied = apply(tx, &rules, resource, &rows)?;
            let results = (position + 1..).zip(rows.iter().zip(applied));
            Ok(results.map(|(position, (row, applied))| result_of(position, row, applied)).collect())
        })
        .await?;
        Ok(last)
    }

    /// Ends the citations of the data set that the file does not have.
    async fn end_absent(&self, line: i64, mut position: i64) -> Result<Option<String>, Stopped> {
        if position == 0 {
            return Ok(Some("Nothing was ended: the file has no rows.".to_owned()));
        }
        let id = self.import.id;
        let all = self.db.read_as(Actor::operator("imports"), move |conn, _| imports::all_have_keys(conn, id));
        if !all.await? {
            return Ok(Some("Nothing was ended: rows without a readable key may be any of those absent.".to_owned()));
        }
        loop {
            let import = self.import.clone();
            let ended = self.step(line, move |tx| {
                let source = source_key(import.organisation_id, &import.source);
                let absent = imports::absent(&mut tx.conn(), &import, &source, BATCH)?;
                let each = (position + 1..).zip(absent);
                each.map(|(position, (key, citation))| end(tx, position, &source, key, citation)).collect()
            });
            let ended = i64::try_from(ended.await?).unwrap_or_default();
            if ended == 0 {
                return Ok(None);
            }
            position += ended;
        }
    }

    /// One transaction of the sender: what `work` does, unless it is only rehearsed, and what it says of it. Answers how
    /// many results that are.
    async fn step<F>(&self, line: i64, work: F) -> Result<usize, Stopped>
    where
        F: Fn(&mut Tx<'_>) -> Result<Vec<ImportResult>, Problem> + Send + 'static,
    {
        let Import { id, organisation_id, resource, dry_run, .. } = self.import;
        let lease = self.lease;
        let done = self.db.write(self.actor.clone(), move |tx| {
            // Before anything is read: who is nobody there any more does not see the import either.
            auth::rules::may_import(tx.roles(), organisation_id, resource)?;
            if !imports::hold(tx, id, lease)? {
                return Err(Stopped::Lost);
            }
            let results = if dry_run { rehearsed(tx, &work)? } else { work(tx)? };
            imports::advance(tx, id, line, &results)?;
            Ok(results.len())
        });
        done.await
    }
}

/// The rows behind a line, which are those that are not applied yet.
fn behind<R: BufRead>(rows: &mut Rows<R>, line: i64) -> impl Iterator<Item = io::Result<Row>> {
    rows.filter(move |row| row.as_ref().map_or(true, |row| line_of(row) > line))
}

fn line_of(row: &Row) -> i64 {
    i64::try_from(row.line).unwrap_or(i64::MAX)
}

/// What `work` would have done: nothing of it is kept.
fn rehearsed(
    tx: &mut Tx<'_>,
    work: impl Fn(&mut Tx<'_>) -> Result<Vec<ImportResult>, Problem>,
) -> Result<Vec<ImportResult>, Problem> {
    let undone = tx.savepoint(|tx| match work(tx) {
        Ok(results) => Err::<std::convert::Infallible, _>(Undone::Rehearsed(results)),
        Err(problem) => Err(Undone::Failed(problem)),
    });
    match undone {
        // What it would have made is not there.
        Err(Undone::Rehearsed(mut results)) => {
            for result in results.iter_mut().filter(|result| result.outcome == ImportOutcome::Created) {
                result.object_id = None;
            }
            Ok(results)
        }
        Err(Undone::Failed(problem)) => Err(problem),
        Ok(never) => match never {},
    }
}

enum Undone {
    Rehearsed(Vec<ImportResult>),
    Failed(Problem),
}

impl From<db::Error> for Undone {
    fn from(error: db::Error) -> Self {
        Self::Failed(error.into())
    }
}

/// Ends a citation that the file does not have. Should it come again, even as it was, that is a new time of use.
fn end(tx: &mut Tx<'_>, position: i64, source: &str, key: String, id: Uuid) -> Result<ImportResult, Problem> {
    let ended = tx.savepoint(|tx| {
        let today = citations::day(tx)?;
        let current = citations::lock(tx, id)?;
        citations::end(tx, &current, Some(today))?;
        sources::forget_content(tx, "citations", source, &key)?;
        Ok::<_, Problem>(())
    });
    let (outcome, errors) = match ended {
        Ok(()) => (ImportOutcome::Ended, Vec::new()),
        Err(problem) if stops_everything(&problem) => return Err(problem),
        Err(problem) => (ImportOutcome::Refused, problem.faults.iter().map(told).collect()),
    };
    let (external_id, object_id) = (Some(key), Some(id));
    Ok(ImportResult {
        position,
        line: None,
        external_id,
        outcome,
        object_id,
        notes: Texts::default(),
        errors: Json(errors),
    })
}

fn result_of(position: i64, row: &Row, applied: Result<Applied, Vec<Fault>>) -> ImportResult {
    let mut notes = row.notes.clone();
    let (outcome, object_id, faults) = match applied {
        Ok(applied) => {
            notes.extend(applied.notes);
            (outcome_of(applied.outcome), Some(applied.id), Vec::new())
        }
        Err(faults) => (ImportOutcome::Refused, None, faults),
    };
    ImportResult {
        position,
        line: Some(line_of(row)),
        external_id: row.kept_key().map(str::to_owned),
        outcome,
        object_id,
        notes: Texts(notes.iter().map(|note| storable(note)).collect()),
        errors: Json(faults.iter().map(told).collect()),
    }
}

fn outcome_of(outcome: Outcome) -> ImportOutcome {
    match outcome {
        Outcome::Created => ImportOutcome::Created,
        Outcome::Changed => ImportOutcome::Changed,
        Outcome::Unchanged => ImportOutcome::Unchanged,
        Outcome::Refused => ImportOutcome::Refused,
    }
}

/// A fault as it is shown. What it quotes may be anything.
fn told(fault: &Fault) -> Value {
    let error = ProblemError::from(fault);
    let error =
        ProblemError { pointer: error.pointer.as_deref().map(storable), detail: storable(&error.detail), ..error };
    json!(error)
}

/// Text as one line of at most 500 characters, without what PostgreSQL does not store.
fn storable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(500).collect()
}
