//! JSON bodies: read within bounds of size and time, checked against the document with every fault at once.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use actix_web::web::{Bytes, BytesMut, Data};
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest, Sha256};
use validator::Validate;

use super::etag::camel_case;
use super::idempotency::BodyDigest;
use crate::app::App;
use crate::contract::Gate;
use crate::problem::{CONTENT_TOO_LARGE, Fault, Location, Problem, REQUEST_TIMEOUT, UNSUPPORTED_MEDIA_TYPE};

/// Bytes that a body may have.
pub const MAX_BODY: usize = 1024 * 1024;
/// Bytes of an oversized body that are read and thrown away, so that the client gets to read the answer.
const MAX_DRAINED: usize = 8 * 1024 * 1024;

/// A body of `application/json`.
pub struct Json<T>(pub T);

impl<T: DeserializeOwned + Validate + 'static> FromRequest for Json<T> {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let (body, faults) = read_json(&request, payload).await?;
            into_typed(body, faults).map(Self)
        })
    }
}

/// The body as JSON, and what it does wrong by the document.
pub(super) async fn read_json(request: &HttpRequest, payload: Payload) -> Result<(Value, Vec<Fault>), Problem> {
    let (media_type, bytes) = checked_bytes(request, payload).await?;
    let body = parse(&bytes)?;
    let faults = gate(request)?.body_faults(&media_type, &body);
    Ok((body, faults))
}

/// The body as JSON that matches the document. What comes as a table is made JSON first, so that it is held to the same.
pub async fn read_rows(
    request: &HttpRequest,
    payload: Payload,
    table: fn(&[u8]) -> Result<Value, Vec<db::Fault>>,
) -> Result<Value, Problem> {
    let (media_type, bytes) = checked_bytes(request, payload).await?;
    let body = match media_type.as_str() {
        "text/csv" => table(&bytes).map_err(Problem::invalid)?,
        _ => parse(&bytes)?,
    };
    let faults = gate(request)?.body_faults("application/json", &body);
    if faults.is_empty() { Ok(body) } else { Err(Problem::invalid(faults)) }
}

/// The body as it came, and its media type, which is one that the operation takes.
pub async fn checked_bytes(request: &HttpRequest, payload: Payload) -> Result<(String, Bytes), Problem> {
    let media_type = media_type(request)?;
    let bytes = read_bytes(request, payload, MAX_BODY).await?;
    request.extensions_mut().insert(BodyDigest(Sha256::digest(&bytes).into()));
    Ok((media_type, bytes))
}

/// A value as its Rust type, held also to the rules that a schema cannot say; every fault at once.
pub fn into_typed<T: DeserializeOwned + Validate>(body: Value, mut faults: Vec<Fault>) -> Result<T, Problem> {
    match serde_json::from_value::<T>(body) {
        Ok(typed) => {
            if let Err(errors) = typed.validate() {
                let already: Vec<Location> = faults.iter().map(|fault| fault.location.clone()).collect();
                faults
                    .extend(validation_faults(&errors).into_iter().filter(|fault| !already.contains(&fault.location)));
            }
            if faults.is_empty() { Ok(typed) } else { Err(Problem::invalid(faults)) }
        }
        Err(error) if faults.is_empty() => {
            Err(Problem::invalid([db::Fault::new("", "invalid", format!("does not fit: {error}"))]))
        }
        Err(_) => Err(Problem::invalid(faults)),
    }
}

fn gate(request: &HttpRequest) -> Result<Gate, Problem> {
    request
        .extensions()
        .get::<Gate>()
        .cloned()
        .ok_or_else(|| Problem::internal("an operation without a gate has a body"))
}

pub(super) fn media_type(request: &HttpRequest) -> Result<String, Problem> {
    let sent = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = sent.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let charset_fits = sent.split(';').skip(1).all(|parameter| {
        let parameter = parameter.trim().to_ascii_lowercase();
        !parameter.starts_with("charset=") || parameter.trim_start_matches("charset=").trim_matches('"') == "utf-8"
    });
    let gate = gate(request)?;
    if charset_fits && gate.media_types().any(|documented| documented == essence) {
        return Ok(essence);
    }
    let wanted: Vec<&str> = gate.media_types().collect();
    Err(Problem::new(&UNSUPPORTED_MEDIA_TYPE, format!("`Content-Type` must be {}, in UTF-8.", wanted.join(" or "))))
}

/// A body of at most `most` bytes, which has to arrive in time.
pub async fn read_bytes(request: &HttpRequest, mut payload: Payload, most: usize) -> Result<Bytes, Problem> {
    let deadline = request.app_data::<Data<App>>().map_or(Duration::from_secs(20), |app| app.config.body_timeout);
    let announced = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    let announced = announced.unwrap_or(0);
    let body = tokio::time::timeout(deadline, collect(&mut payload, announced, most)).await;
    body.map_err(|_| Problem::new(&REQUEST_TIMEOUT, "The body did not arrive in time."))?
}

async fn collect(payload: &mut Payload, announced: usize, most: usize) -> Result<Bytes, Problem> {
    let too_large = || Problem::new(&CONTENT_TOO_LARGE, format!("The body may have at most {most} bytes."));
    if announced > MAX_DRAINED {
        return Err(too_large());
    }
    let mut body = BytesMut::with_capacity(announced.min(most));
    let mut size = 0;
    while let Some(chunk) =
        std::future::poll_fn(|context| futures_core::Stream::poll_next(Pin::new(&mut *payload), context)).await
    {
        let chunk = chunk.map_err(|error| {
            Problem::invalid([db::Fault::new("", "unreadable", format!("could not be read: {error}"))])
        })?;
        size += chunk.len();
        if size > MAX_DRAINED {
            return Err(too_large());
        }
        if size <= most {
            body.extend_from_slice(&chunk);
        }
    }
    if size > most { Err(too_large()) } else { Ok(body.freeze()) }
}

fn parse(bytes: &[u8]) -> Result<Value, Problem> {
    serde_json::from_slice(bytes).map(with_whole_numbers).map_err(|error| {
        let detail = if bytes.is_empty() {
            "must be a JSON document, and is empty".to_owned()
        } else {
            format!("is not JSON: {error}")
        };
        Problem::invalid([db::Fault::new("", "malformed_json", detail)])
    })
}

/// 3.0 is a whole number to JSON Schema, and so to us.
fn with_whole_numbers(value: Value) -> Value {
    /// Up to here every whole number has a double of its own.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match value {
        Value::Number(number) => match number.as_f64() {
            #[expect(clippy::cast_possible_truncation, reason = "whole, and within bounds")]
            Some(whole) if !number.is_i64() && whole.fract() == 0.0 && whole.abs() < EXACT => Value::from(whole as i64),
            _ => Value::Number(number),
        },
        Value::Array(items) => Value::Array(items.into_iter().map(with_whole_numbers).collect()),
        Value::Object(fields) => {
            Value::Object(fields.into_iter().map(|(name, value)| (name, with_whole_numbers(value))).collect())
        }
        other => other,
    }
}

/// The faults that `validator` found, by the names on the wire.
fn validation_faults(errors: &validator::ValidationErrors) -> Vec<Fault> {
    fn walk(errors: &validator::ValidationErrors, at: &str, found: &mut Vec<Fault>) {
        use validator::ValidationErrorsKind;
        for (field, kind) in errors.errors() {
            // A flattened part has no name on the wire.
            let here = if *field == "facts" || *field == "__all__" {
                at.to_owned()
            } else {
                format!("{at}/{}", camel_case(field))
            };
            match kind {
                ValidationErrorsKind::Struct(inner) => walk(inner, &here, found),
                ValidationErrorsKind::List(items) => {
                    for (index, inner) in items {
                        walk(inner, &format!("{here}/{index}"), found);
                    }
                }
                ValidationErrorsKind::Field(faults) => found.extend(faults.iter().map(|fault| fault_at(&here, fault))),
            }
        }
    }
    let mut found = Vec::new();
    walk(errors, "", &mut found);
    found
}

/// A rule over several fields says in `at` which one is to blame.
fn fault_at(here: &str, fault: &validator::ValidationError) -> Fault {
    let at = fault.params.get("at").and_then(|at| at.as_str()).map_or(here.to_owned(), |at| format!("{here}{at}"));
    let detail = fault.message.clone().unwrap_or_else(|| "is not valid".into());
    Fault { location: Location::Body(at.into()), code: fault.code.clone(), detail }
}
