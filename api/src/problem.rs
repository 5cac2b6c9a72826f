//! What goes wrong, as RFC 9457 problem documents.
//!
//! [`KINDS`] is the one table: each problem with its status, its title and what its page says. A [`Problem`] is one
//! occurrence. It does not know the request; the `log` middleware, which does, writes the body.

use std::borrow::Cow;
use std::ops::{Deref, DerefMut};

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{HttpResponse, ResponseError};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A sort of problem.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// Last part of the `type` URL, and of its page.
    pub slug: &'static str,
    /// HTTP status.
    pub status: u16,
    /// `title`.
    pub title: &'static str,
    /// What it means and what to do, for its page and for `description` in the document.
    pub explanation: &'static str,
}

macro_rules! kinds {
    ($($(#[$meta:meta])* $name:ident = $status:literal $slug:literal, $title:literal, $explanation:literal;)+) => {
        $($(#[$meta])* pub static $name: Kind =
            Kind { slug: $slug, status: $status, title: $title, explanation: $explanation };)+

        /// Every sort of problem there is.
        pub static KINDS: &[&Kind] = &[$(&$name),+];
    };
}

kinds! {
    /// 400
    INVALID_REQUEST = 400 "invalid-request", "Invalid request",
        "The request does not match the contract. Every fault is listed in `errors`, each with a JSON pointer into the \
         body or the name of the parameter; correct them all and send the request again.";
    /// 401
    UNAUTHENTICATED = 401 "unauthenticated", "Authentication required",
        "The operation needs a valid bearer access token: none was sent, or the one that was sent is malformed, \
         expired or not from an issuer that this service trusts. Fetch a new token and send the request again.";
    /// 403
    FORBIDDEN = 403 "forbidden", "Not allowed",
        "You may see this but not do that: the token lacks a scope that the operation needs, or the person behind it \
         has no role that allows it. Ask an administrator of the organisation for the role.";
    /// 404
    NOT_FOUND = 404 "not-found", "Not found",
        "There is no such resource, or you may not see it; the two are not told apart.";
    /// 405
    METHOD_NOT_ALLOWED = 405 "method-not-allowed", "Method not allowed",
        "The resource does not answer to this method; `Allow` names those that it does answer to.";
    /// 408
    REQUEST_TIMEOUT = 408 "request-timeout", "Request took too long to arrive",
        "The body of the request did not arrive in time. Send it again, over a better connection or in smaller parts.";
    /// 409
    CONFLICT = 409 "conflict", "Conflict",
        "The request contradicts what is stored, for example by claiming a slug or an identifier that another has. \
         `errors` says what; look at the present state, then decide.";
    /// 412
    PRECONDITION_FAILED = 412 "precondition-failed", "Changed meanwhile",
        "The resource is not in the version that `If-Match` names: somebody changed it since you read it. Read it \
         again, apply your change to that, and send it with the new entity tag.";
    /// 413
    CONTENT_TOO_LARGE = 413 "content-too-large", "Content too large",
        "The body is larger than this operation takes. Send less.";
    /// 415
    UNSUPPORTED_MEDIA_TYPE = 415 "unsupported-media-type", "Unsupported media type",
        "`Content-Type` is none that this operation takes; its documentation names those.";
    /// 422
    IDEMPOTENCY_KEY_REUSED = 422 "idempotency-key-reused", "Idempotency key reused",
        "`Idempotency-Key` came with another request within the last 24 hours. The same key stands for the same \
         request, byte for byte; give a new request a new key.";
    /// 428
    PRECONDITION_REQUIRED = 428 "precondition-required", "Precondition required",
        "A change needs `If-Match` with the entity tag of the version that you read, so that nobody's change is lost \
         unseen. Read the resource, take its `ETag`, and send it along.";
    /// 429
    TOO_MANY_REQUESTS = 429 "too-many-requests", "Too many requests",
        "The quota is spent. Wait as many seconds as `Retry-After` says; requests with an access token have a larger \
         quota.";
    /// 500
    INTERNAL_ERROR = 500 "internal-error", "Internal error",
        "Something failed on our side. Report it with the request id in `instance`.";
    /// 503
    UNAVAILABLE = 503 "unavailable", "Temporarily unavailable",
        "The service cannot answer just now. Try again after as many seconds as `Retry-After` says. A change that was \
         under way may have been made: look before you send it again.";
}

/// A fault, and whether it is in the body or in a parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// JSON pointer into the body.
    Body(Cow<'static, str>),
    /// Query or header parameter, by name.
    Parameter(String),
}

/// One thing that is wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where.
    pub location: Location,
    /// Stable word for programs.
    pub code: Cow<'static, str>,
    /// Sentence for people.
    pub detail: Cow<'static, str>,
}

impl Fault {
    /// A fault of a query or header parameter.
    pub fn parameter(
        name: impl Into<String>,
        code: impl Into<Cow<'static, str>>,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { location: Location::Parameter(name.into()), code: code.into(), detail: detail.into() }
    }
}

impl From<db::Fault> for Fault {
    fn from(fault: db::Fault) -> Self {
        Self { location: Location::Body(fault.pointer), code: fault.code, detail: fault.detail }
    }
}

/// One occurrence of a problem. On the heap, because it travels in every `Result`.
#[derive(Debug, Clone)]
pub struct Problem(Box<Occurrence>);

/// What is known of one occurrence.
#[derive(Debug, Clone)]
pub struct Occurrence {
    /// Its sort.
    pub kind: &'static Kind,
    /// What happened this time and what to do.
    pub detail: Cow<'static, str>,
    /// Every fault of the request.
    pub faults: Vec<Fault>,
    /// What happened inside: for the log, never for the caller.
    pub cause: Option<String>,
    headers: Vec<(HeaderName, HeaderValue)>,
    database: Option<db::Error>,
}

impl Deref for Problem {
    type Target = Occurrence;

    fn deref(&self) -> &Occurrence {
        &self.0
    }
}

impl DerefMut for Problem {
    fn deref_mut(&mut self) -> &mut Occurrence {
        &mut self.0
    }
}

impl Problem {
    /// An occurrence of `kind`.
    pub fn new(kind: &'static Kind, detail: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Occurrence {
            kind,
            detail: detail.into(),
            faults: Vec::new(),
            cause: None,
            headers: Vec::new(),
            database: None,
        }))
    }

    /// With a header on the answer.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    /// With faults of the request.
    #[must_use]
    pub fn with_faults(mut self, faults: impl IntoIterator<Item = impl Into<Fault>>) -> Self {
        self.0.faults.extend(faults.into_iter().map(Into::into));
        self
    }

    fn with_cause(mut self, cause: impl Into<String>) -> Self {
        self.0.cause = Some(cause.into());
        self
    }

    /// 400 with every fault there is.
    pub fn invalid(faults: impl IntoIterator<Item = impl Into<Fault>>) -> Self {
        let faults: Vec<Fault> = faults.into_iter().map(Into::into).collect();
        let detail: Cow<'static, str> = match faults.len() {
            1 => "One thing is wrong with the request; see `errors`.".into(),
            n => format!("{n} things are wrong with the request; see `errors`.").into(),
        };
        Self::new(&INVALID_REQUEST, detail).with_faults(faults)
    }

    /// 404
    #[must_use]
    pub fn not_found() -> Self {
        Self::new(&NOT_FOUND, "There is no such resource, or you may not see it.")
    }

    /// 401 for who sent no token.
    #[must_use]
    pub fn unauthenticated() -> Self {
        Self::new(&UNAUTHENTICATED, "Send a bearer access token in `Authorization`.")
            .with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"loti\""))
    }

    /// 401 for who sent a token that is none, or is none any more (RFC 6750).
    #[must_use]
    pub fn invalid_token(detail: &'static str) -> Self {
        let challenge = HeaderValue::from_static("Bearer realm=\"loti\", error=\"invalid_token\"");
        Self::new(&UNAUTHENTICATED, detail).with_header(header::WWW_AUTHENTICATE, challenge)
    }

    /// 403
    pub fn forbidden(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(&FORBIDDEN, detail)
    }

    /// 409 with what contradicts.
    #[must_use]
    pub fn conflict(faults: &[db::Fault]) -> Self {
        let detail = faults.first().map_or("The request contradicts what is stored.".into(), |f| f.detail.clone());
        Self::new(&CONFLICT, detail).with_faults(faults.iter().cloned())
    }

    /// 500; `cause` goes to the log only.
    pub fn internal(cause: impl Into<String>) -> Self {
        Self::new(&INTERNAL_ERROR, "Something failed on our side; quote `instance` when you report it.")
            .with_cause(cause)
    }

    /// 503; `cause` goes to the log only.
    pub fn unavailable(cause: impl Into<String>) -> Self {
        Self::new(&UNAVAILABLE, "The service cannot answer just now; try again in a few seconds.")
            .with_cause(cause)
            .with_header(header::RETRY_AFTER, HeaderValue::from_static("5"))
    }

    /// The document for the wire.
    #[must_use]
    pub fn document(&self, public_url: &str, request_id: &str) -> ProblemDocument {
        ProblemDocument {
            r#type: format!("{public_url}/problems/{}", self.kind.slug),
            title: self.kind.title.to_owned(),
            status: self.kind.status,
            detail: self.detail.to_string(),
            instance: request_id.to_owned(),
            errors: self.faults.iter().take(100).map(ProblemError::from).collect(),
        }
    }
}

/// Problem document (RFC 9457), as `application/problem+json`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemDocument {
    /// URL of the sort of problem; a page there explains it.
    #[schema(format = "uri", max_length = 300, example = "https://api.loti.example/problems/invalid-request")]
    pub r#type: String,
    /// The sort of problem in a few words; the same each time.
    #[schema(max_length = 100, pattern = r"^[^\u0000-\u001f]+$", example = "Invalid request")]
    pub title: String,
    /// HTTP status of the answer.
    #[schema(minimum = 400, maximum = 599, format = Int32, value_type = i32, example = 400)]
    pub status: u16,
    /// What happened this time, and what to do.
    #[schema(
        max_length = 2000,
        pattern = r"^[^\u0000]+$",
        example = "One thing is wrong with the request; see `errors`."
    )]
    pub detail: String,
    /// Id of the request, as in `X-Request-Id`; quote it in a report.
    #[schema(
        format = "uri-reference",
        max_length = 128,
        pattern = r"^[A-Za-z0-9._~-]+$",
        example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11"
    )]
    pub instance: String,
    /// Every fault of the request, at most 100 of them; empty when the request itself is well formed.
    #[schema(max_items = 100)]
    pub errors: Vec<ProblemError>,
}

/// One fault of a request. It has either `pointer` or `parameter`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({ "pointer": "#/summary", "code": "too_long", "detail": "must have at most 150 characters" }))]
pub struct ProblemError {
    /// JSON pointer (RFC 6901, as a URI fragment) to the value in the body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_length = 1000, pattern = r"^#(/[!#-~]*)?$", example = "#/summary")]
    pub pointer: Option<String>,
    /// Name of the query or header parameter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_length = 200, pattern = r"^[^\u0000-\u001f]*$", example = "limit")]
    pub parameter: Option<String>,
    /// What is wrong, as a stable word for programs.
    #[schema(max_length = 60, pattern = "^[a-z][a-z0-9_]*$", example = "too_long")]
    pub code: String,
    /// What is wrong and what would be right, for people.
    #[schema(max_length = 500, pattern = r"^[^\u0000]+$", example = "must have at most 150 characters")]
    pub detail: String,
}

impl From<&Fault> for ProblemError {
    fn from(fault: &Fault) -> Self {
        let shortened = |text: &str, most: usize| text.chars().take(most).collect::<String>();
        let (pointer, parameter) = match &fault.location {
            Location::Body(pointer) => (Some(as_fragment(pointer)), None),
            Location::Parameter(name) => {
                let name: String = name.chars().filter(|c| !c.is_control()).collect();
                (None, Some(shortened(&name, 200)))
            }
        };
        Self { pointer, parameter, code: fault.code.to_string(), detail: shortened(&fault.detail, 500) }
    }
}

/// What stands in a URI fragment as it is (RFC 3986, section 3.5). A field that is not known may be called anything.
const FRAGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=')
    .remove(b':')
    .remove(b'@')
    .remove(b'/')
    .remove(b'?');

/// A pointer as a URI fragment (RFC 6901, section 6), cut between escapes when it is longer than anybody reads.
fn as_fragment(pointer: &str) -> String {
    const MOST: usize = 1000;
    let mut fragment = format!("#{}", utf8_percent_encode(pointer, FRAGMENT));
    let cut_escape = fragment.get(..MOST).and_then(|kept| kept.rfind('%')).filter(|at| at + 3 > MOST);
    fragment.truncate(cut_escape.unwrap_or(MOST));
    fragment
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for Problem {}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.kind.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// Without a body: `middleware::log` writes it, because it knows the request.
    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::new(self.status_code());
        for (name, value) in &self.headers {
            response.headers_mut().insert(name.clone(), value.clone());
        }
        response.extensions_mut().insert(self.clone());
        response
    }
}

impl db::pool::Failure for Problem {
    fn database(&self) -> Option<&db::Error> {
        self.database.as_ref()
    }
}

impl From<db::Error> for Problem {
    fn from(error: db::Error) -> Self {
        let mut problem = match &error {
            db::Error::NotFound => Self::not_found(),
            db::Error::Invalid(faults) => Self::invalid(faults.iter().cloned()),
            db::Error::Conflict(faults) => Self::conflict(faults),
            db::Error::Unauthenticated(reason) => Self::invalid_token(reason),
            db::Error::Unavailable(cause) | db::Error::Disconnected(cause) | db::Error::Contention(cause) => {
                Self::unavailable(cause.clone())
            }
            db::Error::Internal(cause) => Self::internal(cause.clone()),
        };
        problem.0.database = Some(error);
        problem
    }
}
