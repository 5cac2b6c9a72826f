//! Headers of every answer: version, caching, and what keeps browsers from mistaking it for something else.

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;

use crate::API_VERSION;

const SECURITY: &[(HeaderName, &str)] = &[
    (header::STRICT_TRANSPORT_SECURITY, "max-age=31536000; includeSubDomains"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::REFERRER_POLICY, "no-referrer"),
];

/// Adds them, unless the handler has set its own.
pub async fn headers<B: MessageBody>(request: ServiceRequest, next: Next<B>) -> Result<ServiceResponse<B>, Error> {
    let with_token = request.headers().contains_key(header::AUTHORIZATION);
    let mut response = next.call(request).await?;
    let headers = response.headers_mut();
    for (name, value) in SECURITY {
        set_default(headers, name.clone(), value);
    }
    set_default(headers, HeaderName::from_static("api-version"), API_VERSION);
    // A copy may be kept, but is asked after before it is used; what a token saw is kept by its holder only.
    set_default(headers, header::CACHE_CONTROL, if with_token { "private, no-cache" } else { "no-cache" });
    headers.append(header::VARY, HeaderValue::from_static("Authorization"));
    Ok(response)
}

fn set_default(headers: &mut HeaderMap, name: HeaderName, value: &'static str) {
    if !headers.contains_key(&name) {
        headers.insert(name, HeaderValue::from_static(value));
    }
}
