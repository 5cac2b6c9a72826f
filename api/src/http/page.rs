//! Pages of collections: `items`, `nextCursor`, and a `Link` to the next page that keeps every filter.

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, Responder};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::etag::{digest, tagged};
use crate::problem::{Fault, Problem};

/// Items on a page when the caller does not say.
pub const DEFAULT_LIMIT: usize = 20;

/// Where a page ended, opaque to clients.
pub struct Cursor;

impl Cursor {
    /// As clients carry it.
    #[must_use]
    pub fn write(position: &impl Serialize) -> String {
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(position).unwrap_or_default())
    }

    /// Back from what a client sent.
    pub fn read<T: DeserializeOwned>(cursor: Option<&str>) -> Result<Option<T>, Problem> {
        let Some(cursor) = cursor else { return Ok(None) };
        let position = URL_SAFE_NO_PAD.decode(cursor).ok().and_then(|json| serde_json::from_slice(&json).ok());
        position.map(Some).ok_or_else(Self::refused)
    }

    /// A cursor that is none, or is one of another list or order.
    #[must_use]
    pub fn refused() -> Problem {
        Problem::invalid([Fault::parameter(
            "cursor",
            "wrong_cursor",
            "must be the `nextCursor` of a page of this list in this order",
        )])
    }
}

/// A page as an answer.
pub struct Collection<P> {
    /// The page, as it goes on the wire.
    pub page: P,
    /// Its `nextCursor`.
    pub next: Option<String>,
}

impl<P: Serialize> Responder for Collection<P> {
    type Body = BoxBody;

    fn respond_to(self, request: &HttpRequest) -> HttpResponse {
        let Ok(body) = serde_json::to_vec(&self.page) else {
            return HttpResponse::from_error(Problem::internal("a page cannot be written as JSON"));
        };
        let tag = format!("\"{}\"", digest(&body));
        let mut response = tagged(request, StatusCode::OK, "application/json", body, &tag);
        let link = self.next.and_then(|cursor| HeaderValue::from_str(&next_link(request, &cursor)).ok());
        if let Some(link) = link {
            response.headers_mut().insert(header::LINK, link);
        }
        response
    }
}

fn next_link(request: &HttpRequest, cursor: &str) -> String {
    let kept = request.query_string().split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("cursor="));
    let query: Vec<&str> = kept.collect();
    let separator = if query.is_empty() { "" } else { "&" };
    format!("<{}?{}{separator}cursor={cursor}>; rel=\"next\"", request.path(), query.join("&"))
}

/// Parameters of every collection.
#[derive(Debug, Clone, Default, serde::Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Paging {
    /// How many items a page has at most.
    #[param(minimum = 1, maximum = 100, default = 20, format = Int32, value_type = i32, required = false, example = 20)]
    limit: Option<usize>,
    /// `nextCursor` of the page before.
    #[param(min_length = 1, max_length = 2048, pattern = "^[A-Za-z0-9_-]+$", required = false, value_type = String, example = "WyJhIl0")]
    cursor: Option<String>,
}

impl Paging {
    /// Items on a page.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit.unwrap_or(DEFAULT_LIMIT)
    }

    /// Where the page before ended.
    pub fn after<T: DeserializeOwned>(&self) -> Result<Option<T>, Problem> {
        Cursor::read(self.cursor.as_deref())
    }
}
