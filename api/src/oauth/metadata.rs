//! `/.well-known`: where the endpoints are, and the keys that verify tokens.

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, HeaderValue};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use crate::app::App;
use crate::auth::SCOPES;
use crate::auth::keys::PUBLISHED_SECONDS;
use crate::http::etag::{digest, tagged};
use crate::problem::Problem;

/// RFC 8414
pub(super) async fn metadata(app: Data<App>, request: HttpRequest) -> HttpResponse {
    let issuer = &app.config.public_url;
    let methods = json!(["client_secret_basic", "client_secret_post"]);
    let document = json!({
        "issuer": issuer,
        "token_endpoint": format!("{issuer}/oauth/token"),
        "token_endpoint_auth_methods_supported": methods,
        "revocation_endpoint": format!("{issuer}/oauth/revoke"),
        "revocation_endpoint_auth_methods_supported": methods,
        "jwks_uri": format!("{issuer}/.well-known/jwks.json"),
        "grant_types_supported": ["client_credentials"],
        // There is no authorization endpoint, hence no type of answer from it; the member is required.
        "response_types_supported": [],
        "scopes_supported": SCOPES.iter().map(|(scope, _)| *scope).collect::<Vec<_>>(),
        "service_documentation": format!("{issuer}/docs"),
        "protected_resources": [format!("{issuer}/v1")],
    });
    cached(&request, &document, "public, max-age=3600")
}

/// RFC 7517. Cached for no longer than a key is published before it signs.
pub(super) async fn jwks(app: Data<App>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let keys = app.tokens.keys().ok_or_else(|| Problem::unavailable("no encryption key is set"))?;
    let ring = keys.current().await.map_err(|error| Problem::unavailable(error.to_string()))?;
    Ok(cached(&request, &ring.jwks(), &format!("public, max-age={PUBLISHED_SECONDS}")))
}

fn cached(request: &HttpRequest, document: &Value, control: &str) -> HttpResponse {
    let body = document.to_string().into_bytes();
    let tag = format!("\"{}\"", digest(&body));
    let mut response = tagged(request, StatusCode::OK, "application/json", body, &tag);
    if let Ok(control) = HeaderValue::from_str(control) {
        response.headers_mut().insert(CACHE_CONTROL, control);
    }
    response
}
