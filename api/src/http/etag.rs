//! Entity tags and preconditions.
//!
//! The tag of one resource is its version and, behind a hyphen, a digest of what was sent: `"3-9f2c11aa"`. Derived
//! values such as counts change what is sent but not the version, so a cache must see another tag while an editor must
//! not lose their turn. `If-None-Match` compares the whole tag, `If-Match` the version.

use std::future::{Ready, ready};

use actix_web::body::BoxBody;
use actix_web::dev::Payload;
use actix_web::http::header::{self, HeaderMap};
use actix_web::http::{Method, StatusCode};
use actix_web::{FromRequest, HttpRequest, HttpResponse, Responder};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::IntoParams;

use crate::problem::{Fault, PRECONDITION_FAILED, PRECONDITION_REQUIRED, Problem};

/// `If-Match` of a change.
pub struct IfMatch(Condition);

enum Condition {
    Any,
    Versions(Vec<Option<i32>>),
}

impl IfMatch {
    /// Refuses unless the resource is in a version that the caller knows.
    pub fn check(&self, version: i32) -> Result<(), Problem> {
        match &self.0 {
            Condition::Any => Ok(()),
            Condition::Versions(versions) if versions.contains(&Some(version)) => Ok(()),
            Condition::Versions(_) => Err(Problem::new(
                &PRECONDITION_FAILED,
                format!("It is in version {version} now; read it again and apply your change to that."),
            )),
        }
    }

    fn read(headers: &HeaderMap) -> Option<Self> {
        let values: Vec<&str> = headers.get_all(header::IF_MATCH).filter_map(|value| value.to_str().ok()).collect();
        if values.is_empty() {
            return None;
        }
        let tags = values.iter().flat_map(|value| value.split(',')).map(str::trim).collect::<Vec<_>>();
        if tags == ["*"] {
            return Some(Self(Condition::Any));
        }
        Some(Self(Condition::Versions(tags.into_iter().map(version_of).collect())))
    }
}

/// The version in a strong tag; a weak one never matches (RFC 9110, 13.1.1).
fn version_of(tag: &str) -> Option<i32> {
    let inner = tag.strip_prefix('"')?.strip_suffix('"')?;
    inner.split('-').next()?.parse().ok()
}

impl FromRequest for IfMatch {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::read(request.headers()).ok_or_else(|| {
            Problem::new(&PRECONDITION_REQUIRED, "Send `If-Match` with the `ETag` of what you read.")
                .with_faults([Fault::parameter("If-Match", "required", "must be given")])
        }))
    }
}

/// `If-Match`, where a change is possible without it.
pub struct OptionalIfMatch(Option<IfMatch>);

impl OptionalIfMatch {
    /// Refuses when the caller named versions and the resource is in none of them.
    pub fn check(&self, version: i32) -> Result<(), Problem> {
        self.0.as_ref().map_or(Ok(()), |condition| condition.check(version))
    }
}

impl FromRequest for OptionalIfMatch {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self(IfMatch::read(request.headers()))))
    }
}

/// The header of [`IfMatch`], for the document.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "describes a header that `IfMatch` reads")]
pub struct IfMatchHeader {
    /// `ETag` of the version that you read and are changing; `*` for whatever version there is.
    #[param(
        rename = "If-Match",
        required = true,
        max_length = 400,
        pattern = r#"^(\*|(W/)?"[!#-~]*"(, *(W/)?"[!#-~]*")*)$"#,
        example = "*"
    )]
    if_match: String,
}

/// The header of [`OptionalIfMatch`], for the document.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "describes a header that `OptionalIfMatch` reads")]
pub struct OptionalIfMatchHeader {
    /// `ETag` of the version that you read; refused with 412 when the resource is in another by now.
    #[param(
        rename = "If-Match",
        required = false,
        max_length = 400,
        pattern = r#"^(\*|(W/)?"[!#-~]*"(, *(W/)?"[!#-~]*")*)$"#,
        example = "*"
    )]
    if_match: Option<String>,
}

/// The header that makes a read conditional, for the document.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "describes a header that `Tagged` reads")]
pub struct IfNoneMatchHeader {
    /// `ETag` of the copy that you hold; 304 without a body when that is still what would be sent.
    #[param(
        rename = "If-None-Match",
        required = false,
        max_length = 400,
        pattern = r#"^(\*|(W/)?"[!#-~]*"(, *(W/)?"[!#-~]*")*)$"#,
        example = "\"3-9f2c11aa\""
    )]
    if_none_match: Option<String>,
}

/// One resource as an answer: 200, or 201 or 202 with `Location`; with its tag, or 304 when the caller holds it.
pub struct Single<T> {
    /// The resource.
    pub body: T,
    /// Its version.
    pub version: i32,
    status: StatusCode,
    location: Option<String>,
    links: Vec<String>,
}

impl<T: Serialize> Single<T> {
    /// 200
    pub fn ok(body: T, version: i32) -> Self {
        Self { body, version, status: StatusCode::OK, location: None, links: Vec::new() }
    }

    /// 201; `path` is relative to the root of the service.
    pub fn created(body: T, version: i32, path: String) -> Self {
        Self { body, version, status: StatusCode::CREATED, location: Some(path), links: Vec::new() }
    }

    /// 202: what was asked for is done later, and the resource at `path` tells how far it is.
    pub fn accepted(body: T, version: i32, path: String) -> Self {
        Self { status: StatusCode::ACCEPTED, ..Self::created(body, version, path) }
    }

    /// With a `Link` (RFC 8288).
    #[must_use]
    pub fn with_link(mut self, target: &str, relation: &str) -> Self {
        self.links.push(format!("<{target}>; rel=\"{relation}\""));
        self
    }
}

/// An answer that can be kept: status, headers and body.
#[derive(Debug, Serialize, Deserialize)]
pub struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

impl Answer {
    /// As it is kept.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Back from how it was kept.
    #[must_use]
    pub fn read(json: &[u8]) -> Option<Self> {
        serde_json::from_slice(json).ok()
    }

    /// As it is sent.
    #[must_use]
    pub fn into_response(self) -> HttpResponse {
        let mut response = HttpResponse::build(StatusCode::from_u16(self.status).unwrap_or_default());
        for header in &self.headers {
            response.append_header((header.0.as_str(), header.1.as_str()));
        }
        response.body(self.body)
    }
}

impl<T: Serialize> Single<T> {
    /// The answer to who did not hold it already.
    pub fn into_answer(self) -> Result<Answer, Problem> {
        let body = serde_json::to_string(&self.body).map_err(|error| Problem::internal(error.to_string()))?;
        let mut headers = vec![
            (header::CONTENT_TYPE.to_string(), "application/json".to_owned()),
            (header::ETAG.to_string(), format!("\"{}-{}\"", self.version, digest(body.as_bytes()))),
        ];
        headers.extend(self.location.map(|path| (header::LOCATION.to_string(), path)));
        headers.extend(self.links.into_iter().map(|link| (header::LINK.to_string(), link)));
        Ok(Answer { status: self.status.as_u16(), headers, body })
    }
}

impl<T: Serialize> Responder for Single<T> {
    type Body = BoxBody;

    fn respond_to(self, request: &HttpRequest) -> HttpResponse {
        let response = match self.into_answer() {
            Ok(answer) => answer.into_response(),
            Err(problem) => return HttpResponse::from_error(problem),
        };
        let tag = response.headers().get(header::ETAG).and_then(|tag| tag.to_str().ok()).unwrap_or_default().to_owned();
        if is_held(request, &tag) { not_modified(&tag) } else { response }
    }
}

/// An answer with a tag; 304 without a body when a reader holds just that.
#[must_use]
pub fn tagged(request: &HttpRequest, status: StatusCode, media_type: &str, body: Vec<u8>, tag: &str) -> HttpResponse {
    if is_held(request, tag) {
        return not_modified(tag);
    }
    HttpResponse::build(status)
        .insert_header((header::ETAG, tag))
        .insert_header((header::CONTENT_TYPE, media_type))
        .body(body)
}

/// A whole as JSON, with its digest as its tag: of what has no version of its own.
pub fn whole(request: &HttpRequest, body: &impl Serialize) -> Result<HttpResponse, Problem> {
    let body = serde_json::to_vec(body).map_err(|error| Problem::internal(error.to_string()))?;
    let tag = format!("\"{}\"", digest(&body));
    Ok(tagged(request, StatusCode::OK, "application/json", body, &tag))
}

pub(super) fn not_modified(tag: &str) -> HttpResponse {
    HttpResponse::NotModified().insert_header((header::ETAG, tag)).finish()
}

/// Whether a reader holds just what would be sent.
pub(super) fn is_held(request: &HttpRequest, tag: &str) -> bool {
    matches!(*request.method(), Method::GET | Method::HEAD) && holds(request.headers(), tag)
}

/// `If-None-Match` compares weakly (RFC 9110, 13.1.2).
fn holds(headers: &HeaderMap, tag: &str) -> bool {
    let given = headers.get_all(header::IF_NONE_MATCH).filter_map(|value| value.to_str().ok());
    given
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|held| held == "*" || held.trim_start_matches("W/") == tag)
}

/// Twelve hexadecimal digits that change with the content.
#[must_use]
pub fn digest(body: &[u8]) -> String {
    let start = Sha256::digest(body).iter().take(6).fold(0_u64, |start, byte| start << 8 | u64::from(*byte));
    format!("{start:012x}")
}

/// A Rust field name as on the wire.
pub(crate) fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |mut name, word| {
        let mut letters = word.chars();
        name.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        name.push_str(letters.as_str());
        name
    })
}
