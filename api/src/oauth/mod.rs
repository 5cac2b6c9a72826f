//! What OAuth 2.0 itself defines, outside of the versioned contract: tokens for machines (RFC 6749), their revocation
//! (RFC 7009), the metadata by which a client finds them (RFC 8414), and the keys (RFC 7517).
//!
//! Names, media types and errors are OAuth's own, so that a stock client library finds what it expects.

mod authentication;
mod metadata;
mod token;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::web::ServiceConfig;
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;

use crate::problem::Problem;
use crate::routes::{post_only, read_only};

/// Registers them.
pub fn configure(app: &mut ServiceConfig) {
    app.service(post_only("/oauth/token", token::issue))
        .service(post_only("/oauth/revoke", token::revoke))
        .service(read_only("/.well-known/oauth-authorization-server", metadata::metadata))
        .service(read_only("/.well-known/jwks.json", metadata::jwks));
}

/// Why a request is refused, as RFC 6749 (5.2) says it.
#[derive(Debug)]
pub(super) enum Refusal {
    /// An error of OAuth.
    OAuth(&'static str, &'static str),
    /// Who calls is not who they say, and whether they said so in `Authorization`.
    InvalidClient,
    /// What any operation can answer with: too large a body, a quota that is spent, a fault of ours.
    Problem(Problem),
}

#[derive(Serialize)]
struct ErrorDocument {
    error: &'static str,
    error_description: &'static str,
}

impl From<db::Error> for Refusal {
    fn from(error: db::Error) -> Self {
        Self::Problem(error.into())
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::OAuth(error, _) => f.write_str(error),
            Self::InvalidClient => f.write_str("invalid_client"),
            Self::Problem(problem) => problem.fmt(f),
        }
    }
}

impl ResponseError for Refusal {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::OAuth(..) => StatusCode::BAD_REQUEST,
            Self::InvalidClient => StatusCode::UNAUTHORIZED,
            Self::Problem(problem) => problem.status_code(),
        }
    }

    fn error_response(&self) -> HttpResponse {
        let document = |error, error_description| {
            let mut response = HttpResponse::build(self.status_code()).json(ErrorDocument { error, error_description });
            keep_nothing(&mut response);
            response
        };
        match self {
            Self::OAuth(error, description) => document(error, description),
            Self::InvalidClient => {
                let mut response = document("invalid_client", "The client is not known, or the secret is wrong.");
                let challenge = HeaderValue::from_static("Basic realm=\"loti\", charset=\"UTF-8\"");
                response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
                response
            }
            Self::Problem(problem) => problem.error_response(),
        }
    }
}

/// RFC 6749, 5.1: no cache keeps what has a token in it.
fn keep_nothing(response: &mut HttpResponse) {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.headers_mut().insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
}
