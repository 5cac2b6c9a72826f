//! The outermost layer: a request id, one log line a request, and the body of every problem.
//!
//! A line names the route, not the path or the query: those may hold what a person typed.

use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::web::{Bytes, Data};
use actix_web::{Error, HttpMessage, ResponseError};
use tracing::Instrument;
use uuid::Uuid;

use crate::app::App;
use crate::problem::{self, Kind, Problem};

/// Id of a request, in the log, in `X-Request-Id` and in `instance` of problems.
#[derive(Debug, Clone)]
pub struct RequestId(pub String);

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Gives the request its id, runs it, and sees to its problem, its headers and its log line.
pub async fn log<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<BoxBody, B>>, Error> {
    let started = tokio::time::Instant::now();
    let id = request_id(&request);
    request.extensions_mut().insert(RequestId(id.clone()));
    let (trace_id, parent_id) =
        traceparent(&request).unwrap_or_else(|| (Uuid::new_v4().simple().to_string(), String::new()));
    let span = tracing::info_span!("request", request_id = %id, trace_id = %trace_id, parent_id = %parent_id);
    let method = request.method().clone();

    let response = next.call(request).instrument(span.clone()).await?;
    let mut response = with_problem(response.map_into_right_body(), &id);
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    let problem = response.response().extensions().get::<Problem>().cloned();
    span.in_scope(|| {
        let route = response.request().match_pattern().unwrap_or_else(|| "(none)".to_owned());
        let status = response.status().as_u16();
        let milliseconds = started.elapsed().as_secs_f64() * 1000.0;
        let problem_slug = problem.as_ref().map_or("", |problem| problem.kind.slug);
        let cause = problem.as_ref().and_then(|problem| problem.cause.as_deref());
        if let Some(cause) = cause {
            tracing::error!(%method, route, status, milliseconds, problem = problem_slug, cause, "answered");
        } else {
            tracing::info!(%method, route, status, milliseconds, problem = problem_slug, "answered");
        }
    });
    Ok(response)
}

/// The caller's id when it is fit to be repeated, else a new one.
fn request_id(request: &ServiceRequest) -> String {
    let fits = |id: &&str| {
        (1..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"._~-".contains(&b))
    };
    let sent = request.headers().get(REQUEST_ID).and_then(|value| value.to_str().ok()).filter(fits);
    sent.map_or_else(|| Uuid::now_v7().to_string(), ToOwned::to_owned)
}

/// Trace and parent of a W3C Trace Context header.
fn traceparent(request: &ServiceRequest) -> Option<(String, String)> {
    let value = request.headers().get("traceparent")?.to_str().ok()?;
    let mut parts = value.split('-');
    let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let hexadecimal = |part: &str, length| {
        part.len() == length && part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    let zero = |part: &str| part.bytes().all(|b| b == b'0');
    let valid = hexadecimal(version, 2)
        && version != "ff"
        && hexadecimal(trace, 32)
        && hexadecimal(parent, 16)
        && hexadecimal(flags, 2)
        && !zero(trace)
        && !zero(parent);
    valid.then(|| (trace.to_owned(), parent.to_owned()))
}

type Response<B> = ServiceResponse<EitherBody<BoxBody, B>>;

/// Writes the document of a problem; an error without one becomes a problem first.
fn with_problem<B: MessageBody + 'static>(mut response: Response<B>, request_id: &str) -> Response<B> {
    let occurred = response.response().extensions().get::<Problem>().cloned();
    let status = response.status();
    let problem = match occurred {
        Some(problem) => problem,
        None if (status.is_client_error() || status.is_server_error()) && !speaks_for_itself(&response) => {
            let problem = from_status(status.as_u16(), response.response().error());
            *response.response_mut().status_mut() = problem.status_code();
            problem
        }
        None => return response,
    };
    let public_url = response.request().app_data::<Data<App>>().map_or("", |app| &app.config.public_url).to_owned();
    let body = serde_json::to_vec(&problem.document(&public_url, request_id)).unwrap_or_default();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.response_mut().extensions_mut().insert(problem);
    response.map_body(|_, _| EitherBody::left(BoxBody::new(Bytes::from(body))))
}

/// Whether a handler wrote the body, as that of `/readyz`, which names what is not ready; the framework writes no JSON.
fn speaks_for_itself<B>(response: &Response<B>) -> bool {
    response.headers().get(header::CONTENT_TYPE).is_some_and(|media_type| media_type == "application/json")
}

/// What the framework refuses by itself.
fn from_status(status: u16, error: Option<&Error>) -> Problem {
    let kind: Option<&'static Kind> = problem::KINDS.iter().copied().find(|kind| kind.status == status);
    match kind {
        Some(kind) if status < 500 && kind != &problem::INVALID_REQUEST => Problem::new(kind, kind.explanation),
        _ if status < 500 => Problem::new(
            &problem::INVALID_REQUEST,
            "The request cannot be understood, or asks leave for a page that may not write here.",
        ),
        _ => Problem::internal(error.map_or_else(|| format!("status {status}"), ToString::to_string)),
    }
}
