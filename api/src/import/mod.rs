//! Imports: files of rows that others keep, applied so that a second run changes nothing.
//!
//! [`lines`] reads files within bounds, [`csv`] turns their cells into fields, [`organisations`], [`products`] and
//! [`citations`] say what a row means and how it is applied, [`publiccode`] reads one product a file; [`rows`] are those
//! of a file, [`register`] applies one that an organisation sent over HTTP. Here: batches, outcomes, counts.
//!
//! Each row is applied whole or not at all, behind a savepoint, some hundred to a transaction. What a row became is
//! kept by its source and external id with a hash of its content (see [`db::sources`]): an equal row is passed over,
//! and what people changed since stays.

pub mod citations;
pub mod csv;
pub mod lines;
pub mod organisations;
pub mod products;
pub mod publiccode;
pub mod register;
pub mod rows;

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use db::pool::Failure as _;
use db::{Actor, Db, Tx, sources};
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::contract::Contract;
use crate::contract::body::{Body, Origins};
use crate::problem::{FORBIDDEN, Fault, Problem, ProblemError};
use citations::CitationRow;
use organisations::OrganisationRow;
use products::ProductRow;
use rows::Rows;

/// Rows that are applied in one transaction: few enough that a debug build ends long before its deadline.
const BATCH: usize = 200;

/// What is imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// Organisations.
    Organisations,
    /// Products.
    Products,
    /// Citations.
    Citations,
}

impl Resource {
    /// The table.
    fn kind(self) -> &'static str {
        match self {
            Self::Organisations => "organisations",
            Self::Products => "products",
            Self::Citations => "citations",
        }
    }
}

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated, with a header.
    Csv,
    /// One JSON object a line.
    Jsonl,
    /// publiccode.yml: one product a file.
    Publiccode,
}

/// How an import is run.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Name of the data set; from the rows, the columns or the name of the file when absent.
    pub source: Option<String>,
    /// Whether suppliers that nobody knows are added.
    pub create_suppliers: bool,
    /// Whether products that nobody knows are added.
    pub create_products: bool,
    /// Whether every row is reported, not only those that are refused or noted.
    pub verbose: bool,
    /// The organisation that sends the rows and speaks for itself only; none for the operator, who may say anything.
    pub on_behalf: Option<Uuid>,
}

/// One row, read and understood.
#[derive(Debug, Clone)]
pub struct Row {
    line: u64,
    source: String,
    external_id: String,
    /// The organisation that sends it, unless the operator does.
    on_behalf: Option<Uuid>,
    /// What makes two rows equal.
    hash: Vec<u8>,
    content: Content,
    /// Where the fields of its body stand in the file.
    origins: Origins,
    notes: Vec<String>,
    faults: Vec<Fault>,
    /// Whether it refers to rows that may come later.
    refers: bool,
    /// Fields of it that nothing is taken from.
    unused: Vec<String>,
}

/// What a row is about.
#[derive(Debug, Clone)]
pub enum Content {
    /// Nothing, because it cannot be read.
    Unreadable,
    /// An organisation.
    Organisation(OrganisationRow),
    /// Another spelling of an organisation of the same source: its key there, and the spelling.
    Alias(String, String),
    /// A product.
    Product(Box<ProductRow>),
    /// A citation.
    Citation(Box<CitationRow>),
}

impl Row {
    fn new(line: u64, source: &str, external_id: &str, content: Content, hashed: &Value) -> Self {
        let mut row = Self {
            line,
            source: source.to_owned(),
            external_id: external_id.to_owned(),
            on_behalf: None,
            hash: Sha256::digest(hashed.to_string().as_bytes()).to_vec(),
            content,
            origins: Origins::default(),
            notes: Vec::new(),
            faults: Vec::new(),
            refers: false,
            unused: Vec::new(),
        };
        row.check_key();
        row
    }

    fn unreadable(line: u64, fault: Fault) -> Self {
        Self { faults: vec![fault], ..Self::new(line, "-", "-", Content::Unreadable, &Value::Null) }.without_key()
    }

    fn without_key(mut self) -> Self {
        self.external_id.clear();
        self
    }

    /// What the table of sources could not hold.
    fn check_key(&mut self) {
        if self.external_id.is_empty() {
            self.faults.push(fault("", "required", "has no key: nothing tells it from other rows"));
        } else if !holds(&self.external_id, 200) {
            let detail = "its key must have at most 200 characters, and no control characters";
            self.faults.push(fault("", "wrong_form", detail));
        }
        if self.source.is_empty() || !holds(&self.source, 80) {
            let detail = "must have 1 to 80 characters, and no control characters";
            self.faults.push(fault("/source", "wrong_form", detail));
        }
    }

    /// Its key, if the table of sources could hold it.
    fn kept_key(&self) -> Option<&str> {
        let key = self.external_id.as_str();
        (!key.is_empty() && holds(key, 200)).then_some(key)
    }

    /// Under what its data set is kept.
    fn source_key(&self) -> String {
        self.on_behalf.map_or_else(|| self.source.clone(), |organisation| source_key(organisation, &self.source))
    }
}

/// Whether text is one line of so many characters.
fn holds(text: &str, most: usize) -> bool {
    text.chars().count() <= most && !text.chars().any(char::is_control)
}

/// Under what a data set is kept that an organisation sends: two organisations may call theirs the same.
fn source_key(organisation: Uuid, source: &str) -> String {
    format!("{organisation}/{source}")
}

/// A fault of a row.
fn fault(pointer: impl Into<String>, code: &'static str, detail: impl Into<String>) -> Fault {
    db::Fault::new(pointer.into(), code, detail.into()).into()
}

/// What became of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    Created,
    Changed,
    Unchanged,
    Refused,
}

/// A row that was applied.
#[derive(Debug, Clone)]
pub struct Applied {
    outcome: Outcome,
    id: Uuid,
    /// Whether the object was made from this row.
    founder: bool,
    notes: Vec<String>,
}

impl Applied {
    fn created(id: Uuid) -> Self {
        Self { outcome: Outcome::Created, id, founder: true, notes: Vec::new() }
    }

    fn unchanged(id: Uuid) -> Self {
        Self { outcome: Outcome::Unchanged, id, founder: true, notes: Vec::new() }
    }

    fn updated(id: Uuid, founder: bool, before: i32, after: i32) -> Self {
        let outcome = if before == after { Outcome::Unchanged } else { Outcome::Changed };
        Self { outcome, id, founder, notes: Vec::new() }
    }
}

/// How many rows became what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "named after the outcomes")]
pub struct Tally {
    pub created: usize,
    pub changed: usize,
    pub unchanged: usize,
    pub refused: usize,
}

impl Tally {
    fn count(&mut self, outcome: Outcome) {
        *match outcome {
            Outcome::Created => &mut self.created,
            Outcome::Changed => &mut self.changed,
            Outcome::Unchanged => &mut self.unchanged,
            Outcome::Refused => &mut self.refused,
        } += 1;
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { created, changed, unchanged, refused } = self;
        let rows = created + changed + unchanged + refused;
        write!(f, "{rows} rows: {created} created, {changed} changed, {unchanged} unchanged, {refused} refused")
    }
}

/// Why an import stopped before its end. The rows before that stay.
#[derive(Debug, thiserror::Error)]
pub enum Stopped {
    /// A file cannot be read, or not as what it was said to be.
    #[error("{}: {cause}.", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: String,
    },
    /// The report cannot be written.
    #[error("The report cannot be written: {0}.")]
    Report(#[from] io::Error),
    /// The database does not do its part.
    #[error("The database cannot be used: {0}.")]
    Database(String),
}

impl Stopped {
    fn file(path: &Path, cause: &str) -> Self {
        Self::File { path: path.to_owned(), cause: cause.to_owned() }
    }
}

/// The rules that rows are held to, the same as those of requests.
pub struct Rules {
    organisation: Body,
    pub(crate) product: Body,
    citation: Body,
}

impl Rules {
    /// Those of the document. Fails when they cannot be enforced.
    pub fn new(contract: &Contract) -> Result<Self, String> {
        Ok(Self {
            organisation: Body::new(contract, "CreateOrganisation")?,
            product: Body::new(contract, "CreateProduct")?,
            citation: Body::new(contract, "CreateCitation")?,
        })
    }
}

/// An import under way.
pub struct Import<W> {
    db: Db,
    actor: Actor,
    rules: Arc<Rules>,
    options: Options,
    resource: Resource,
    report: W,
    tally: Tally,
    file: String,
    waiting: Vec<Row>,
    deferred: Vec<Row>,
}

/// One line of the report.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Reported<'a> {
    file: &'a str,
    line: u64,
    external_id: &'a str,
    outcome: Outcome,
    id: Option<Uuid>,
    notes: &'a [String],
    errors: Vec<ProblemError>,
}

impl<W: Write> Import<W> {
    /// An import on behalf of a command of the operator.
    pub fn new(db: Db, command: &str, rules: Arc<Rules>, resource: Resource, options: Options, report: W) -> Self {
        Self {
            db,
            actor: Actor::operator(command),
            rules,
            options,
            resource,
            report,
            tally: Tally::default(),
            file: String::new(),
            waiting: Vec::new(),
            deferred: Vec::new(),
        }
    }

    /// How many rows became what so far.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// Writes out what is left of the report.
    pub fn finish(mut self) -> Result<(), Stopped> {
        Ok(self.report.flush()?)
    }

    /// Imports a file, or for publiccode.yml a directory of them.
    pub async fn path(&mut self, path: &Path, format: Format) -> Result<(), Stopped> {
        let stopped = |error: &io::Error| Stopped::file(path, &error.to_string());
        match format {
            Format::Publiccode => self.publiccode(path).await,
            Format::Csv | Format::Jsonl => {
                let file = File::open(path).map_err(|error| stopped(&error))?;
                self.read(path, BufReader::with_capacity(64 * 1024, file), format).await
            }
        }
    }

    /// Imports rows from any reader; `path` is what it is called in the report.
    pub async fn read(&mut self, path: &Path, file: impl io::BufRead, format: Format) -> Result<(), Stopped> {
        self.file = path.display().to_string();
        let rows = Rows::new(self.resource, format, &self.options, &file_stem(path), file);
        let mut rows = rows.map_err(|sentence| Stopped::file(path, &sentence))?;
        for row in rows.by_ref() {
            self.row(row.map_err(|error| Stopped::file(path, &error.to_string()))?).await?;
        }
        let unused = rows.unused().collect::<Vec<_>>().join(", ");
        if !unused.is_empty() {
            eprintln!("{}: not used: {unused}.", self.file);
        }
        self.end().await
    }

    async fn publiccode(&mut self, path: &Path) -> Result<(), Stopped> {
        let stopped = |error: &io::Error| Stopped::file(path, &error.to_string());
        for file in publiccode::files(path).map_err(|error| stopped(&error))? {
            self.file = file.display().to_string();
            let source = self.options.source.as_deref().unwrap_or("publiccode");
            let row = publiccode::row(&file, source).map_err(|error| Stopped::file(&file, &error.to_string()))?;
            self.row(row).await?;
            self.end().await?;
        }
        Ok(())
    }

    async fn row(&mut self, row: Row) -> Result<(), Stopped> {
        if row.refers && row.faults.is_empty() {
            self.deferred.push(row);
        } else {
            self.waiting.push(row);
        }
        if self.waiting.len() >= BATCH { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> Result<(), Stopped> {
        let rows = std::mem::take(&mut self.waiting);
        for (row, applied) in self.apply(rows).await? {
            self.tell(&row, applied)?;
        }
        Ok(())
    }

    /// The rest of a file, then the rows that refer to others: as many rounds as bring something forward, so that
    /// each finds what it refers to, wherever in the file that stands.
    async fn end(&mut self) -> Result<(), Stopped> {
        self.flush().await?;
        let mut deferred = std::mem::take(&mut self.deferred);
        loop {
            let before = deferred.len();
            let mut failed = Vec::new();
            let mut rows = deferred.into_iter().peekable();
            while rows.peek().is_some() {
                let batch = rows.by_ref().take(BATCH).collect();
                for (row, applied) in self.apply(batch).await? {
                    match applied {
                        Err(faults) if faults.iter().any(|fault| fault.code == "unknown_organisation") => {
                            failed.push((row, faults));
                        }
                        applied => self.tell(&row, applied)?,
                    }
                }
            }
            if failed.len() == before || failed.is_empty() {
                for (row, faults) in failed {
                    self.tell(&row, Err(faults))?;
                }
                return Ok(());
            }
            deferred = failed.into_iter().map(|(row, _)| row).collect();
        }
    }

    /// Applies rows, and says of each what it became or what is wrong with it.
    async fn apply(&self, rows: Vec<Row>) -> Result<Vec<(Row, Result<Applied, Vec<Fault>>)>, Stopped> {
        let (rows, rules, resource) = (Arc::new(rows), Arc::clone(&self.rules), self.resource);
        let given = Arc::clone(&rows);
        let applied = self.db.write(self.actor.clone(), move |tx| apply(tx, &rules, resource, &given)).await;
        let applied = applied
            .map_err(|problem| Stopped::Database(problem.cause.clone().unwrap_or_else(|| problem.to_string())))?;
        Ok(Arc::unwrap_or_clone(rows).into_iter().zip(applied).collect())
    }

    fn tell(&mut self, row: &Row, applied: Result<Applied, Vec<Fault>>) -> Result<(), Stopped> {
        let mut notes = row.notes.clone();
        let (outcome, id, faults) = match applied {
            Ok(applied) => {
                notes.extend(applied.notes);
                (applied.outcome, Some(applied.id), Vec::new())
            }
            Err(faults) => (Outcome::Refused, None, faults),
        };
        self.tally.count(outcome);
        // What was noted when a row was applied need not be told again each time that it is passed over.
        let worth_telling = outcome == Outcome::Refused || (!notes.is_empty() && outcome != Outcome::Unchanged);
        if !self.options.verbose && !worth_telling {
            return Ok(());
        }
        let errors = faults.iter().map(ProblemError::from).collect();
        let (file, external_id) = (self.file.as_str(), row.external_id.as_str());
        let line = Reported { file, line: row.line, external_id, outcome, id, notes: &notes, errors };
        serde_json::to_writer(&mut self.report, &line).map_err(io::Error::from)?;
        Ok(self.report.write_all(b"\n")?)
    }
}

/// Applies rows of one resource, and says of each what it became or what is wrong with it.
fn apply(
    tx: &mut Tx<'_>,
    rules: &Rules,
    resource: Resource,
    rows: &[Row],
) -> Result<Vec<Result<Applied, Vec<Fault>>>, Problem> {
    let known = known(&mut tx.conn(), resource.kind(), rows)?;
    let outcome = |row: &Row| {
        if !row.faults.is_empty() {
            return Ok(Err(row.faults.clone()));
        }
        let record = known.get(&(row.source_key(), row.external_id.clone()));
        match record.filter(|record| record.content_hash == row.hash) {
            Some(record) => Ok(Ok(Applied::unchanged(record.object_id))),
            None => row.apply_alone(tx, rules),
        }
    };
    rows.iter().map(outcome).collect()
}

type Known = HashMap<(String, String), sources::SourceRecord>;

/// What the rows became earlier, one question a source.
fn known(conn: &mut db::Conn<'_>, kind: &str, rows: &[Row]) -> db::Result<Known> {
    let mut by_source: HashMap<String, Vec<&str>> = HashMap::new();
    for row in rows.iter().filter(|row| row.faults.is_empty()) {
        by_source.entry(row.source_key()).or_default().push(&row.external_id);
    }
    let mut known = Known::new();
    for (source, external_ids) in by_source {
        let found = sources::find_many(conn, kind, &source, &external_ids)?;
        known.extend(found.into_iter().map(|(external_id, record)| ((source.clone(), external_id), record)));
    }
    Ok(known)
}

impl Row {
    /// Applies the row behind a savepoint. Outside are only the faults of the database, which concern every row.
    fn apply_alone(&self, tx: &mut Tx<'_>, rules: &Rules) -> Result<Result<Applied, Vec<Fault>>, Problem> {
        match tx.savepoint(|tx| self.apply(tx, rules)) {
            Ok(applied) => Ok(Ok(applied)),
            Err(problem) if stops_everything(&problem) => Err(problem),
            Err(problem) => {
                let problem = self.origins.relocate(problem);
                let faults = if problem.faults.is_empty() {
                    let reason = problem.cause.clone().unwrap_or_else(|| problem.detail.to_string());
                    let code = if problem.kind.status == FORBIDDEN.status { "forbidden" } else { "refused" };
                    vec![fault("", code, reason)]
                } else {
                    problem.faults.clone()
                };
                Ok(Err(faults))
            }
        }
    }

    fn apply(&self, tx: &mut Tx<'_>, rules: &Rules) -> Result<Applied, Problem> {
        let kind = match self.content {
            Content::Product(_) => Resource::Products.kind(),
            Content::Citation(_) => Resource::Citations.kind(),
            Content::Unreadable | Content::Organisation(_) | Content::Alias(..) => Resource::Organisations.kind(),
        };
        let source = self.source_key();
        let known = sources::find(&mut tx.conn(), kind, &source, &self.external_id)?;
        let applied = match &self.content {
            Content::Unreadable => Err(Problem::invalid(self.faults.iter().cloned())),
            Content::Organisation(row) => row.apply(tx, rules, self, known.as_ref()),
            Content::Alias(key, spelling) => organisations::add_alias(tx, rules, &self.source, key, spelling),
            Content::Product(row) => row.apply(tx, rules, self, known.as_ref()),
            Content::Citation(row) => row.apply(tx, rules, self, known.as_ref()),
        }?;
        sources::put(tx, kind, &source, &self.external_id, applied.id, applied.founder, &self.hash)?;
        Ok(applied)
    }
}

/// Not this row's fault: the next would fail as well, or all of it is worth another try.
fn stops_everything(problem: &Problem) -> bool {
    use db::Error::{Contention, Disconnected, Unavailable};
    matches!(problem.database(), Some(Contention(_) | Disconnected(_) | Unavailable(_)))
}

/// The object behind a key of the same data set, which need not be its slug.
fn of_same_source(tx: &mut Tx<'_>, source: &str, key: &str) -> Result<Option<Uuid>, Problem> {
    Ok(sources::find(&mut tx.conn(), "organisations", source, key)?.map(|record| record.object_id))
}

/// Name of a data set after its file.
fn file_stem(path: &Path) -> String {
    let stem = path.file_stem().map(|stem| crate::words::kebab_case(&stem.to_string_lossy())).unwrap_or_default();
    if stem.is_empty() { "import".to_owned() } else { stem }
}

/// Puts what a row says over what is stored: `null` clears, a list takes the place of the list.
fn overlay(target: &mut Value, fields: &serde_json::Map<String, Value>) {
    if let Some(target) = target.as_object_mut() {
        target.extend(fields.iter().map(|(name, value)| (name.clone(), value.clone())));
    }
}
