//! Files of evidence: `/evidence/{id}/content`. They are kept and sent as they came, and never looked into.

use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};

use actix_web::http::header;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, Responder};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use db::Fault;
use db::evidence::{self, Content, InDatabase, Place, Store};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use utoipa::openapi::schema::SchemaType;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};
use utoipa::{IntoParams, PartialSchema, ToSchema};
use uuid::Uuid;

use super::{Evidence, EvidencePath, MOST_REVISIONS, kept, shown};
use crate::app::App;
use crate::auth::Caller;
use crate::http::etag::{IfMatchHeader, IfNoneMatchHeader};
use crate::http::file::file;
use crate::http::upload::MAX_UPLOAD;
use crate::http::{IfMatch, Path, Query, Upload};
use crate::problem::Problem;
use crate::routes::Routes;
use crate::v1::assessments::sight;
use crate::words::unhex;

/// The operations here.
#[must_use]
pub fn routes() -> Routes {
    routes![get_evidence_content, put_evidence_content]
}

/// A file of evidence.
pub struct EvidenceFile;

impl PartialSchema for EvidenceFile {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::new(Type::String))
            .description(Some(
                "File of evidence, at most 32 MiB. It is kept and sent as it came, and never looked into.",
            ))
            .min_length(Some(1))
            .max_length(Some(MAX_UPLOAD))
            .pattern(Some(r"^[\s\S]"))
            .examples(["%PDF-1.7\n"])
            .into()
    }
}

impl ToSchema for EvidenceFile {
    fn name() -> std::borrow::Cow<'static, str> {
        std::borrow::Cow::Borrowed("EvidenceFile")
    }
}

/// Which revision.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct GetEvidenceContent {
    /// Number of the revision; the latest when absent.
    #[param(
        minimum = 1, maximum = 2_147_483_647, required = false, value_type = i32, example = 1
    )]
    revision: Option<i32>,
}

/// Read a file of evidence
///
/// As it came, to be saved: it is never shown by a browser. `ETag` and `Repr-Digest` (RFC 9530) are its SHA-256.
#[utoipa::path(
    get, path = "/evidence/{id}/content", tag = "assessments",
    params(EvidencePath, GetEvidenceContent, IfNoneMatchHeader),
    security(("oauth2" = ["assessments:read"]), ("bearer" = [])),
    responses(
        (
            status = 200, description = "The file.",
            content(
                (EvidenceFile = "application/pdf"), (EvidenceFile = "image/png"), (EvidenceFile = "image/jpeg"),
                (EvidenceFile = "text/plain"), (EvidenceFile = "text/csv"),
                (EvidenceFile = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
                (EvidenceFile = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
                (EvidenceFile = "application/vnd.oasis.opendocument.text"),
                (EvidenceFile = "application/vnd.oasis.opendocument.spreadsheet"),
            ),
        ),
        (status = 409, description = "It is a link, or no file was sent yet."),
    ),
)]
async fn get_evidence_content(
    app: Data<App>,
    caller: Caller,
    id: Path<Uuid>,
    query: Query<GetEvidenceContent>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let (Path(id), Query(GetEvidenceContent { revision }), actor) = (id, query, caller.actor()?);
    let of = sight(&actor);
    let read = app.db.read_as(actor, move |conn, roles| {
        let found = match revision {
            None => evidence::find(conn, &of(roles), id)?,
            Some(number) => evidence::find_revision(conn, &of(roles), id, number)?,
        };
        let Some(content) = found.content() else {
            let detail = if found.revision.url.is_some() { "It is a link." } else { "No file was sent yet." };
            return Err(Problem::conflict(&[Fault::new("", "no_file", detail)]));
        };
        let bytes = bytes_of(conn, Place { evidence_id: id, revision: found.revision.revision }, &content)?;
        Ok((bytes, content, found.revision.file_name))
    });
    let (bytes, Content { media_type, size, sha256 }, name) = read.await?;
    let size = u64::try_from(size).unwrap_or_default();
    let mut answer = file(&request, bytes, size, &media_type, &format!("\"{sha256}\""));
    let name = name.unwrap_or_else(|| format!("evidence-{id}"));
    let plain: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() || ".-_ ".contains(c) { c } else { '_' }).collect();
    let encoded = utf8_percent_encode(&name, NON_ALPHANUMERIC);
    let headers = [
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}")),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox".to_owned()),
        (header::HeaderName::from_static("repr-digest"), format!("sha-256=:{}:", STANDARD.encode(unhex(&sha256)))),
    ];
    for (name, value) in headers {
        if let Ok(value) = header::HeaderValue::from_str(&value) {
            answer.headers_mut().insert(name, value);
        }
    }
    Ok(answer)
}

/// The bytes of a revision, which are what they were.
fn bytes_of(conn: &mut db::Conn<'_>, place: Place, content: &Content) -> Result<File, Problem> {
    let mut bytes = tempfile::tempfile().map_err(|error| unreadable(&error))?;
    let mut hash = Sha256::new();
    InDatabase.each(conn, place, &mut |piece| {
        hash.update(piece);
        bytes.write_all(piece).map_err(|error| db::Error::Unavailable(format!("a file cannot be written: {error}")))
    })?;
    if crate::words::hex(&hash.finalize()) != content.sha256 {
        return Err(Problem::internal(format!("evidence {} is not what was sent", place.evidence_id)));
    }
    bytes.rewind().map_err(|error| unreadable(&error))?;
    Ok(bytes)
}

fn unreadable(error: &std::io::Error) -> Problem {
    Problem::unavailable(format!("a file cannot be kept: {error}"))
}

/// Send a file of evidence
///
/// At most 32 MiB, of one of the media types that are named, for contributors of the organisation. It makes another revision;
/// what was a link becomes a file.
#[utoipa::path(
    put, path = "/evidence/{id}/content", tag = "assessments",
    params(EvidencePath, IfMatchHeader),
    request_body(
        description = "The file.",
        content(
            (EvidenceFile = "application/pdf"), (EvidenceFile = "image/png"), (EvidenceFile = "image/jpeg"),
            (EvidenceFile = "text/plain"), (EvidenceFile = "text/csv"),
            (EvidenceFile = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
            (EvidenceFile = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
            (EvidenceFile = "application/vnd.oasis.opendocument.text"),
            (EvidenceFile = "application/vnd.oasis.opendocument.spreadsheet"),
        ),
    ),
    security(("oauth2" = ["assessments:write"]), ("bearer" = [])),
    responses((status = 200, body = Evidence, description = "The evidence, with the digest of the file.")),
)]
async fn put_evidence_content(
    app: Data<App>,
    caller: Caller,
    ids: Path<Uuid>,
    if_match: IfMatch,
    upload: Upload,
) -> Result<impl Responder, Problem> {
    let (Path(id), Upload { media_type, file }) = (ids, upload);
    let changed = app.db.write(caller.actor()?, move |tx| {
        let current = kept(tx, id)?;
        if_match.check(current.version)?;
        let mut bytes = file.try_clone().map_err(|error| unreadable(&error))?;
        let (sha256, size) = crate::http::file::digest(&mut bytes).map_err(|error| unreadable(&error))?;
        check_kind(&mut bytes, &media_type)?;
        let content = Content { media_type: media_type.clone(), size: i64::try_from(size).unwrap_or(i64::MAX), sha256 };
        let changed = evidence::put_content(tx, &InDatabase, &current, &content, &mut bytes)?;
        Ok::<_, Problem>(shown(changed, evidence::revisions(&mut tx.conn(), id, MOST_REVISIONS)?))
    });
    changed.await
}

/// Refuses a file that does not begin as files of its media type do: what it is called decides what people open it with.
fn check_kind(bytes: &mut File, media_type: &str) -> Result<(), Problem> {
    let mut start = Vec::new();
    bytes.rewind().and_then(|()| bytes.take(8).read_to_end(&mut start)).map_err(|error| unreadable(&error))?;
    bytes.rewind().map_err(|error| unreadable(&error))?;
    let expected: &[u8] = match media_type {
        "application/pdf" => b"%PDF-",
        "image/png" => b"\x89PNG\r\n\x1a\n",
        "image/jpeg" => b"\xff\xd8\xff",
        "text/plain" | "text/csv" => b"",
        _ => b"PK\x03\x04",
    };
    if start.starts_with(expected) {
        return Ok(());
    }
    Err(Problem::invalid([Fault::new(
        "",
        "wrong_type",
        format!("does not begin as a file of the type {media_type} does"),
    )]))
}
