//! A lease as it is read: `/leases/{id}/document`.

use std::fs::File;
use std::io::{Seek as _, Write as _};

use actix_web::http::header;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use db::lease_templates::content;
use db::lease_templates::versions::{self, VersionStatus};
use db::leases::documents::{self, Document as Kept, DocumentFormat};
use db::leases::premises;
use db::leases::{self, Lease, LeaseStatus, Sight};
use db::organisations::Key;
use db::{Conn, Fault, Roles, Tx};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use utoipa::IntoParams;
use uuid::Uuid;

use super::{LeasePath, terms};
use crate::app::App;
use crate::auth::Caller;
use crate::http::etag::IfNoneMatchHeader;
use crate::http::file::{digest, file};
use crate::http::text::text;
use crate::http::{Path, Query};
use crate::lease::document::{Cover, Document};
use crate::lease::html::POLICY;
use crate::lease::render::{media_type, render};
use crate::lease::terms::{day, wording};
use crate::problem::Problem;
use crate::routes::Routes;
use crate::words::unhex;

/// The operations here.
#[must_use]
pub fn routes() -> Routes {
    routes![get_lease_document]
}

text! {
    /// Lease as a page in HTML that stands alone, for the screen and for paper.
    LeaseHtml, 1 to 50_000_000, r"^<!DOCTYPE html>[\s\S]*$", "<!DOCTYPE html>\n<html lang=\"en-GB\"><head><title>Rooftops of the Kingsmead estate</title></head></html>"
}

text! {
    /// Lease in Markdown (`CommonMark`, with tables).
    LeaseMarkdown, 1 to 50_000_000, r"^# [\s\S]*$", "# Rooftops of the Kingsmead estate\n"
}

text! {
    /// Lease as Office Open XML (ISO/IEC 29500), which word processors open.
    LeaseDocx, 1 to 50_000_000, r"^[\s\S]*$", "PK"
}

/// In which format.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct GetLeaseDocument {
    /// Format of the document. Without it `Accept` decides, and without that it is `html`.
    #[param(required = false, inline, value_type = DocumentFormat)]
    format: Option<DocumentFormat>,
}

/// Read a lease as a document
///
/// The same lease gives the same bytes. From its issue they are kept, and their digest stands in the lease; of a draft they
/// are made anew, say that it is one, and have the label of a variable in brackets where nothing is filled in. `ETag` and
/// `Repr-Digest` (RFC 9530) are their SHA-256.
#[utoipa::path(
    get, path = "/leases/{id}/document", tag = "leases",
    params(LeasePath, GetLeaseDocument, IfNoneMatchHeader),
    security(("oauth2" = ["leases:read"]), ("bearer" = [])),
    responses((
        status = 200, description = "The document.",
        content(
            (LeaseHtml = "text/html"),
            (LeaseMarkdown = "text/markdown"),
            (LeaseDocx = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        ),
    )),
)]
async fn get_lease_document(
    app: Data<App>,
    caller: Caller,
    id: Path<Uuid>,
    query: Query<GetLeaseDocument>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let (Path(id), Query(GetLeaseDocument { format })) = (id, query);
    let format = format.unwrap_or_else(|| accepted(&request));
    let read = app.db.read_as(caller.actor()?, move |conn, roles| {
        let lease = leases::find(conn, &Sight::new(roles), id)?;
        if lease.status == LeaseStatus::Draft {
            return drafted(conn, &lease, format);
        }
        kept(conn, &lease, format)
    });
    let Made { content, sha256, size } = read.await?;
    let mut answer = file(&request, content, size, media_type(format), &format!("\"{sha256}\""));
    let digest = STANDARD.encode(unhex(&sha256));
    let name = |extension: &str| format!("attachment; filename=\"lease-{id}.{extension}\"");
    let (policy, disposition) = match format {
        DocumentFormat::Html => (Some(POLICY.as_str()), None),
        DocumentFormat::Markdown => (None, Some(name("md"))),
        DocumentFormat::Docx => (None, Some(name("docx"))),
    };
    let headers = [
        (header::CONTENT_SECURITY_POLICY, policy.map(ToOwned::to_owned)),
        (header::CONTENT_DISPOSITION, disposition),
        (header::HeaderName::from_static("repr-digest"), Some(format!("sha-256=:{digest}:"))),
        (header::VARY, Some("Accept".to_owned())),
    ];
    for (name, value) in headers {
        if let Some(value) = value.and_then(|value| header::HeaderValue::from_str(&value).ok()) {
            answer.headers_mut().insert(name, value);
        }
    }
    Ok(answer)
}

/// The format that a reader prefers: the first that is named of those that there are.
fn accepted(request: &HttpRequest) -> DocumentFormat {
    let accept = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let named = accept.split(',').filter_map(|range| {
        let wanted = range.split(';').next().unwrap_or_default().trim();
        let of_type = |format: &DocumentFormat| media_type(*format).split(';').next() == Some(wanted);
        DocumentFormat::ALL.iter().copied().find(of_type)
    });
    named.into_iter().next().unwrap_or(DocumentFormat::Html)
}

/// A document that is ready to be sent.
struct Made {
    content: File,
    sha256: String,
    size: u64,
}

/// That of a draft.
fn drafted(conn: &mut Conn<'_>, lease: &Lease, format: DocumentFormat) -> Result<Made, Problem> {
    let document = said(conn, lease, true)?.0;
    let mut content = render(format, &document, &mut |piece| premises::each(conn, lease.id, piece))?;
    let (sha256, size) = digest(&mut content).map_err(|error| unreadable(&error))?;
    Ok(Made { content, sha256, size })
}

/// That of a lease that was issued.
fn kept(conn: &mut Conn<'_>, lease: &Lease, format: DocumentFormat) -> Result<Made, Problem> {
    let listed = lease.documents.0.iter().find(|document| document.format == format);
    let Kept { sha256, size, .. } = listed.ok_or_else(Problem::not_found)?;
    let mut content = tempfile::tempfile().map_err(|error| unreadable(&error))?;
    let mut hash = Sha256::new();
    documents::each(conn, lease.id, format, |piece| {
        hash.update(piece);
        content.write_all(piece).map_err(|error| unreadable(&error))
    })?;
    if crate::words::hex(&hash.finalize()) != *sha256 {
        return Err(Problem::internal(format!("the {format} of lease {} is not what was issued", lease.id)));
    }
    content.rewind().map_err(|error| unreadable(&error))?;
    Ok(Made { content, sha256: sha256.clone(), size: u64::try_from(*size).unwrap_or_default() })
}

fn unreadable(error: &std::io::Error) -> Problem {
    Problem::unavailable(format!("a document cannot be kept: {error}"))
}

/// What a lease says, and what it lacks to be issued.
fn said(conn: &mut Conn<'_>, lease: &Lease, draft: bool) -> Result<(Document, Vec<Fault>), Problem> {
    let content = content::content(conn, lease.version_id)?;
    let deviations = leases::deviations::list(conn, lease.id)?;
    let terms = terms(conn, &content, lease)?;
    let wording = wording(&content, &deviations, &terms);
    let missing = terms.missing(&content.variables, &wording.clauses);
    let template = &lease.template.0;
    let parties = lease.parties.0.iter().map(|party| {
        let name = party.name.as_ref().unwrap_or(&party.organisation.name);
        (role(&party.role), name.clone())
    });
    let days = [("Starts on", lease.state.starts_on), ("Ends on", lease.state.ends_on)];
    let days = days.into_iter().filter_map(|(label, date)| Some((label.to_owned(), day(date?))));
    let reference = lease.state.reference.clone().map(|reference| ("Reference".to_owned(), reference));
    let cover = Cover {
        title: lease.state.title.clone(),
        origin: format!("{}, version {}", template.title, template.number),
        draft,
        notice: db::lease_templates::notice(conn, template.template_id)?,
        facts: reference.into_iter().chain(parties).chain(days).collect(),
        premises_count: usize::try_from(lease.premises_count).unwrap_or_default(),
    };
    let document = Document::new(cover, &content, &wording, &terms);
    let too_long = document.clauses.iter().filter(|section| section.too_long).map(|section| {
        let detail = format!("Clause `{}` would be too long with what is filled in.", section.id);
        Fault::new("/values", "too_long", detail)
    });
    let lacks = missing.into_iter().chain(too_long).collect();
    Ok((document, lacks))
}

/// A role in words: `head_lessor` is a head lessor.
fn role(role: &str) -> String {
    let words = role.replace('_', " ");
    let mut letters = words.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// Issues a locked draft, with its documents; else tells everything that it lacks.
pub(super) fn issue(tx: &mut Tx<'_>, current: &Lease) -> Result<Lease, Problem> {
    let named = leases::name_parties(tx, current)?;
    let (document, mut faults) = said(&mut tx.conn(), &named, false)?;
    if named.parties.0.len() < 2 {
        faults.push(Fault::new("/parties", "too_few", "A lease is between two parties at least."));
    }
    if named.state.starts_on.is_none() {
        faults.push(Fault::new("/startsOn", "required", "A lease has a first day."));
    }
    if is_withdrawn(&mut tx.conn(), &named)? {
        let detail = "Its version of the template was withdrawn; draw it up anew from the one that is to be used.";
        faults.push(Fault::new("/template", "withdrawn", detail));
    }
    if !faults.is_empty() {
        return Err(Problem::conflict(&faults));
    }
    for format in DocumentFormat::ALL.iter().copied() {
        let mut conn = tx.conn();
        let mut content = render(format, &document, &mut |piece| premises::each(&mut conn, named.id, piece))?;
        let (sha256, size) = digest(&mut content).map_err(|error| unreadable(&error))?;
        let document = Kept { format, sha256, size: i64::try_from(size).unwrap_or(i64::MAX) };
        documents::keep(tx, &named, &document, &content)?;
    }
    Ok(leases::issue(tx, &named)?)
}

fn is_withdrawn(conn: &mut Conn<'_>, lease: &Lease) -> Result<bool, Problem> {
    let template = &lease.template.0;
    let number = template.number.parse().map_err(|()| Problem::internal("a version has no number"))?;
    let version = versions::read(conn, &Roles::default(), &Key::Id(template.template_id), number)?;
    Ok(version.status == VersionStatus::Withdrawn)
}
