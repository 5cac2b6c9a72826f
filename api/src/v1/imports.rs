//! `/imports`: files that organisations send from a register of their own, and what became of each row.
//!
//! What a row means and how it is applied is in [`crate::import`].

use std::fs::File;
use std::io::BufReader;
use std::sync::Arc;

use actix_web::Responder;
use actix_web::web::Data;
use chrono::{DateTime, Utc};
use db::imports::{self, ImportFormat, ImportOutcome, ImportStatus, ImportedResource, NewImport};
use db::organisations::{self, Key};
use db::{Role, Roles, Tx};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::app::App;
use crate::auth::{Caller, rules};
use crate::http::etag::IfNoneMatchHeader;
use crate::http::idempotency::IdempotencyKeyHeader;
use crate::http::text::{OrganisationKey, text};
use crate::http::upload::rewound;
use crate::http::{Collection, Cursor, Once, Paging, Path, Query, Single, Upload};
use crate::import::register::{DEFAULT_SOURCE, rows_of};
use crate::problem::{CONFLICT, Fault, Problem, ProblemError};
use crate::routes::Routes;
use crate::v1::organisations::wire::OrganisationReference;

/// The operations on imports.
#[must_use]
pub fn routes() -> Routes {
    routes![list_imports, create_import, get_import, list_import_results]
}

text! {
    /// Rows as CSV (RFC 4180) in UTF-8, with a header. Its columns are those that `loti import` knows, in any order and however they are spelled.
    CsvFile, 1 to 33_554_432, r"^[\s\S]", "key,product,status,since,contract ends\nAPP-1,bin-day,active,2023-04-01,2027-03-31\n"
}

text! {
    /// Rows as JSON, an object each on a line of its own (NDJSON). Its fields are those of the resource, with the `externalId` by which the sender knows the row.
    NdjsonFile, 1 to 33_554_432, r"^[\s\S]", "{\"externalId\":\"APP-1\",\"product\":\"bin-day\",\"since\":\"2023-04-01\",\"contract\":{\"endsOn\":\"2027-03-31\"}}\n"
}

/// A file that an organisation sent, and how far it has been applied.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Import {
    /// Identifier, UUIDv7.
    #[schema(read_only, example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    pub id: Uuid,
    /// Rises with each step forward; the entity tag begins with it.
    #[schema(read_only, minimum = 1, maximum = 2_147_483_647, example = 7)]
    pub version: i32,
    /// When it was sent (UTC).
    #[schema(read_only, example = "2026-11-23T02:00:00Z")]
    pub created_at: DateTime<Utc>,
    /// When it last came forward (UTC).
    #[schema(read_only, example = "2026-11-23T02:00:03Z")]
    pub updated_at: DateTime<Utc>,
    /// On whose behalf.
    pub organisation: OrganisationReference,
    /// What its rows are.
    pub resource: ImportedResource,
    /// How it is written.
    pub format: ImportFormat,
    /// Name of the data set, as the organisation calls it: keys are told apart within it.
    #[schema(min_length = 1, max_length = 80, pattern = r"^[^\u0000-\u001f\u007f]+$", example = "register")]
    pub source: String,
    /// Whether nothing of it is kept but what would have become of the rows.
    #[schema(example = false)]
    pub dry_run: bool,
    /// Whether citations that an earlier file of this data set had and this one has not are ended.
    #[schema(example = true)]
    pub end_absent: bool,
    /// Where it stands.
    pub status: ImportStatus,
    /// The line of the file up to which it has been applied.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64, example = 801)]
    pub line: i64,
    /// How many rows became what so far.
    pub counts: ImportCounts,
    /// What is worth knowing of the whole, a sentence each.
    #[schema(max_items = 10, value_type = Vec<ImportNote>)]
    pub notes: Vec<String>,
    /// Why it was given up; null unless it `failed`.
    #[schema(
        min_length = 1,
        max_length = 1000,
        pattern = r"^[^\u0000]+$",
        example = "Only contributors of the organisation cite for it."
    )]
    pub failure: Option<String>,
    /// When its first row was taken up (UTC).
    #[schema(example = "2026-11-23T02:00:01Z")]
    pub started_at: Option<DateTime<Utc>>,
    /// When it was completed or given up (UTC).
    #[schema(example = "2026-11-23T02:00:03Z")]
    pub finished_at: Option<DateTime<Utc>>,
}

/// How many rows of an import became what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImportCounts {
    /// Rows that made something.
    #[schema(minimum = 0, maximum = 2_147_483_647, example = 12)]
    pub created: i32,
    /// Rows that changed something.
    #[schema(minimum = 0, maximum = 2_147_483_647, example = 3)]
    pub changed: i32,
    /// Rows that said what was known.
    #[schema(minimum = 0, maximum = 2_147_483_647, example = 784)]
    pub unchanged: i32,
    /// Rows that were refused.
    #[schema(minimum = 0, maximum = 2_147_483_647, example = 1)]
    pub refused: i32,
    /// Citations that were ended because the file does not have them.
    #[schema(minimum = 0, maximum = 2_147_483_647, example = 2)]
    pub ended: i32,
}

text! {
    /// What is worth knowing of an import or of a row of it: a sentence.
    ImportNote, 1 to 500, r"^[^\u0000-\u001f\u007f]+$", "Not used: room."
}

/// What became of a row.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImportResult {
    /// Counts from 1, in the order of the file.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 1)]
    pub position: i64,
    /// The line of the file on which the row begins; null for what the file does not have.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 2)]
    pub line: Option<i64>,
    /// Key of the row in its data set; null when it could not be read.
    #[schema(min_length = 1, max_length = 200, pattern = r"^[^\u0000-\u001f\u007f]+$", example = "APP-1")]
    pub external_id: Option<String>,
    /// What became of it.
    pub outcome: ImportOutcome,
    /// Id of the citation or product; null when there is none, as of a row that was refused or would have made one.
    #[schema(example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    pub object_id: Option<Uuid>,
    /// What is worth knowing of it, a sentence each.
    #[schema(max_items = 100, value_type = Vec<ImportNote>)]
    pub notes: Vec<String>,
    /// What is wrong with it: with the field of its object, or the column of its table.
    #[schema(max_items = 100)]
    pub errors: Vec<ProblemError>,
}

/// One page of imports.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImportPage {
    /// The imports on this page, the newest first.
    #[schema(max_items = 100)]
    pub items: Vec<Import>,
    /// Cursor of the next page; null on the last.
    #[schema(max_length = 2048, pattern = "^[A-Za-z0-9_-]+$", example = "WyJhIl0")]
    pub next_cursor: Option<String>,
}

/// One page of what became of rows.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImportResultPage {
    /// The rows on this page, in the order of the file; behind them what was ended.
    #[schema(max_items = 100)]
    pub items: Vec<ImportResult>,
    /// Cursor of the next page; null on the last.
    #[schema(max_length = 2048, pattern = "^[A-Za-z0-9_-]+$", example = "WyJhIl0")]
    pub next_cursor: Option<String>,
}

/// What a file is, and what is to be done with it.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct CreateImport {
    /// What its rows are.
    #[param(inline)]
    resource: ImportedResource,
    /// Organisation on whose behalf it is sent, by id or slug.
    #[param(inline, value_type = OrganisationKey)]
    organisation: String,
    /// Name of the data set, as the organisation calls it: keys are told apart within it. `register` when absent.
    #[param(
        min_length = 1,
        max_length = 80,
        pattern = r"^[^\u0000-\u001f\u007f]+$",
        required = false,
        value_type = String,
        example = "register"
    )]
    source: Option<String>,
    /// Whether to keep nothing of it but what would have become of the rows.
    #[param(default = false, required = false, value_type = bool, example = true)]
    dry_run: Option<bool>,
    /// Whether to end the citations that an earlier file of this data set had and this one has not; of products, none is.
    #[param(default = false, required = false, value_type = bool, example = false)]
    end_absent: Option<bool>,
}

/// Filters of the list of imports.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct ListImports {
    /// Organisation on whose behalf they were sent, by id or slug.
    #[serde(default)]
    #[param(max_items = 50, required = false, inline, value_type = Vec<OrganisationKey>)]
    organisation: Vec<String>,
    /// Where they stand.
    #[serde(default)]
    #[param(max_items = 4, required = false, inline, value_type = Vec<ImportStatus>)]
    status: Vec<ImportStatus>,
    #[serde(flatten)]
    #[param(ignore)]
    paging: Paging,
}

/// Filters of what became of rows.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct ListImportResults {
    /// What became of them.
    #[serde(default)]
    #[param(max_items = 5, required = false, inline, value_type = Vec<ImportOutcome>)]
    outcome: Vec<ImportOutcome>,
    #[serde(flatten)]
    #[param(ignore)]
    paging: Paging,
}

/// Which import.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes the parameter that `Path` reads")]
pub struct ImportPath {
    /// Id of the import.
    #[param(example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    id: Uuid,
}

/// List imports
///
/// Those of the organisations for which the caller contributes; all of them for administrators of the platform.
#[utoipa::path(
    get, path = "/imports", tag = "imports",
    params(ListImports, Paging, IfNoneMatchHeader),
    security(("oauth2" = ["imports:read"]), ("bearer" = [])),
    responses((status = 200, body = ImportPage, description = "A page of imports.")),
)]
async fn list_imports(app: Data<App>, caller: Caller, query: Query<ListImports>) -> Result<impl Responder, Problem> {
    let Query(ListImports { organisation, status, paging }) = query;
    let (limit, after): (_, Option<Uuid>) = (paging.limit(), paging.after()?);
    let keys: Vec<Key> = organisation.iter().map(|key| Key::from(key.as_str())).collect();
    let read = app.db.read_as(caller.actor()?, move |conn, roles| {
        let asked = if keys.is_empty() { None } else { Some(organisations::known(conn, &keys)?) };
        Ok::<_, Problem>(imports::list(conn, among(roles, asked).as_deref(), &status, after, limit)?)
    });
    let page = read.await?;
    let next = page.next.as_ref().map(Cursor::write);
    let items = page.items.into_iter().map(Into::into).collect();
    Ok(Collection { page: ImportPage { items, next_cursor: next.clone() }, next })
}

/// The organisations whose imports are shown, out of those asked for; `None` for all there are.
fn among(roles: &Roles, asked: Option<Vec<Uuid>>) -> Option<Vec<Uuid>> {
    if roles.administers() {
        return asked;
    }
    let own = roles.with(Role::Contributor).map(|membership| membership.organisation_id);
    Some(own.filter(|id| asked.as_ref().is_none_or(|asked| asked.contains(id))).collect())
}

/// Send a file to import
///
/// Of citations or products that the organisation keeps in a register of its own, at most 32 MiB. A row that is new
/// makes something, one that differs from the last time changes it, one that says the same changes nothing, and one
/// that breaks a rule is refused alone, for contributors of the organisation and with what they may do. The file is
/// taken in whole and applied from then on, in the order in which files come: read the import to see how far it is. An
/// organisation has one import of a resource under way at a time.
#[utoipa::path(
    post, path = "/imports", tag = "imports",
    params(CreateImport, IdempotencyKeyHeader),
    request_body(
        content((CsvFile = "text/csv"), (NdjsonFile = "application/x-ndjson")),
        description = "The file, in UTF-8.",
    ),
    security(("oauth2" = ["imports:write"]), ("bearer" = [])),
    responses(
        (status = 202, body = Import, description = "The import, which waits for its turn."),
        (status = 409, description = "The organisation is not in the catalogue, or has another import of this resource under way."),
    ),
)]
async fn create_import(
    app: Data<App>,
    once: Once,
    query: Query<CreateImport>,
    upload: Upload,
) -> Result<impl Responder, Problem> {
    let Query(wanted) = query;
    if wanted.end_absent == Some(true) && wanted.resource == ImportedResource::Products {
        let detail = "is for citations: a product does not end because one organisation leaves it out";
        return Err(Problem::invalid([Fault::parameter("endAbsent", "only_citations", detail)]));
    }
    let format = if upload.media_type == "text/csv" { ImportFormat::Csv } else { ImportFormat::Ndjson };
    let file = upload.file;
    let sent = once.run(move |tx| send(tx, &wanted, format, &file));
    let answer = sent.await?;
    app.import_sent.notify_one();
    Ok(answer)
}

fn send(
    tx: &mut Tx<'_>,
    wanted: &CreateImport,
    format: ImportFormat,
    file: &Arc<File>,
) -> Result<Single<Import>, Problem> {
    let organisation_id = match organisations::existing(&mut tx.conn(), &Key::from(wanted.organisation.as_str())) {
        Err(db::Error::NotFound) => return Err(unknown_organisation()),
        found => found?,
    };
    rules::may_import(tx.roles(), organisation_id, wanted.resource)?;
    let new = NewImport {
        id: Uuid::now_v7(),
        organisation_id,
        resource: wanted.resource,
        format,
        source: wanted.source.clone().unwrap_or_else(|| DEFAULT_SOURCE.to_owned()),
        dry_run: wanted.dry_run.unwrap_or(false),
        end_absent: wanted.end_absent.unwrap_or(false),
    };
    // What nothing can be made of is told at once.
    let whole = rows_of(organisation_id, new.resource, format, &new.source, BufReader::new(rewound(file)?));
    whole.map_err(|sentence| {
        Problem::invalid([db::Fault::new("", "unusable_file", format!("cannot be imported: {sentence}"))])
    })?;
    let created = Import::from(imports::create(tx, &new, rewound(file)?)?);
    let (version, path) = (created.version, format!("/v1/imports/{}", created.id));
    Ok(Single::accepted(created, version, path))
}

fn unknown_organisation() -> Problem {
    let detail = "names no organisation: give the id or the slug of one that is in the catalogue";
    let fault = Fault::parameter("organisation", "unknown_organisation", detail);
    Problem::new(&CONFLICT, "`organisation` names no organisation.").with_faults([fault])
}

/// Read an import
///
/// How far it is, for those who could have sent it. Not found for others.
#[utoipa::path(
    get, path = "/imports/{id}", tag = "imports",
    params(ImportPath, IfNoneMatchHeader),
    security(("oauth2" = ["imports:read"]), ("bearer" = [])),
    responses((status = 200, body = Import, description = "The import.")),
)]
async fn get_import(app: Data<App>, caller: Caller, id: Path<Uuid>) -> Result<impl Responder, Problem> {
    let Path(id) = id;
    let read = app.db.read_as(caller.actor()?, move |conn, roles| {
        let found = imports::find(conn, id)?;
        rules::may_see_import(roles, found.organisation_id)?;
        Ok::<_, Problem>(found)
    });
    let found = Import::from(read.await?);
    let (version, path) = (found.version, format!("/v1/imports/{id}"));
    Ok(Single::ok(found, version).with_link(&path, "self").with_link(&format!("{path}/results"), "item"))
}

/// List what became of the rows of an import
///
/// Of those that have been applied so far, for those who could have sent it. Not found for others.
#[utoipa::path(
    get, path = "/imports/{id}/results", tag = "imports",
    params(ImportPath, ListImportResults, Paging, IfNoneMatchHeader),
    security(("oauth2" = ["imports:read"]), ("bearer" = [])),
    responses((status = 200, body = ImportResultPage, description = "A page of rows.")),
)]
async fn list_import_results(
    app: Data<App>,
    caller: Caller,
    id: Path<Uuid>,
    query: Query<ListImportResults>,
) -> Result<impl Responder, Problem> {
    let (Path(id), Query(ListImportResults { outcome, paging })) = (id, query);
    let (limit, after): (_, Option<i64>) = (paging.limit(), paging.after()?);
    let read = app.db.read_as(caller.actor()?, move |conn, roles| {
        rules::may_see_import(roles, imports::find(conn, id)?.organisation_id)?;
        Ok::<_, Problem>(imports::results(conn, id, &outcome, after, limit)?)
    });
    let page = read.await?;
    let next = page.next.as_ref().map(Cursor::write);
    let items = page.items.into_iter().map(ImportResult::try_from).collect::<Result<_, _>>()?;
    Ok(Collection { page: ImportResultPage { items, next_cursor: next.clone() }, next })
}

impl From<imports::Import> for Import {
    fn from(import: imports::Import) -> Self {
        let imports::Import {
            id,
            version,
            created_at,
            updated_at,
            organisation_id: _,
            organisation,
            resource,
            format,
            source,
            dry_run,
            end_absent,
            status,
            line,
            created,
            changed,
            unchanged,
            refused,
            ended,
            notes,
            failure,
            started_at,
            finished_at,
        } = import;
        Self {
            id,
            version,
            created_at,
            updated_at,
            organisation: organisation.0.into(),
            resource,
            format,
            source,
            dry_run,
            end_absent,
            status,
            line,
            counts: ImportCounts { created, changed, unchanged, refused, ended },
            notes: notes.0,
            failure,
            started_at,
            finished_at,
        }
    }
}

impl TryFrom<imports::ImportResult> for ImportResult {
    type Error = Problem;

    fn try_from(result: imports::ImportResult) -> Result<Self, Problem> {
        let imports::ImportResult { position, line, external_id, outcome, object_id, notes, errors } = result;
        let errors = errors.0.into_iter().map(serde_json::from_value).collect::<Result<_, _>>();
        let errors = errors.map_err(|error| Problem::internal(format!("errors of a row cannot be read: {error}")))?;
        Ok(Self { position, line, external_id, outcome, object_id, notes: notes.0, errors })
    }
}
