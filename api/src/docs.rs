//! The document, the console made from it, and a page for each sort of problem.

use std::sync::{Arc, LazyLock};

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::web::{Bytes, Path};
use actix_web::{HttpRequest, HttpResponse, Responder, web};
use utoipa_swagger_ui::Config;

use crate::http::etag::{digest, tagged};
use crate::problem::{KINDS, Problem};
use crate::routes::read_only;
use crate::{API_VERSION, DOCUMENT};

/// What the console may load: itself, and the API it tries.
const CONSOLE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const PAGE_POLICY: &str =
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

static DOCUMENT_TAG: LazyLock<String> = LazyLock::new(|| format!("\"{API_VERSION}-{}\"", digest(DOCUMENT.as_bytes())));
static CONSOLE: LazyLock<Arc<Config<'static>>> = LazyLock::new(|| {
    Arc::new(
        Config::new(["/openapi.json"]).validator_url("none").try_it_out_enabled(true).display_request_duration(true),
    )
});

/// Registers them.
pub fn configure(app: &mut web::ServiceConfig) {
    app.service(read_only("/openapi.json", document))
        .service(read_only("/v1/openapi.json", document))
        .service(read_only("/docs", docs))
        .service(read_only("/docs/console", console_index))
        .service(read_only("/docs/console/{file:.*}", console))
        .service(read_only("/problems/{slug}", problem_page));
}

async fn document(request: HttpRequest) -> impl Responder {
    let mut response =
        tagged(&request, StatusCode::OK, "application/json", DOCUMENT.as_bytes().to_vec(), &DOCUMENT_TAG);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    response
}

async fn docs() -> impl Responder {
    HttpResponse::Found().insert_header((header::LOCATION, "/docs/console/")).finish()
}

/// With its slash, so that the files it names are found beside it.
async fn console_index() -> impl Responder {
    HttpResponse::MovedPermanently().insert_header((header::LOCATION, "/docs/console/")).finish()
}

async fn console(file: Path<String>) -> Result<HttpResponse, Problem> {
    let served =
        utoipa_swagger_ui::serve(&file, Arc::clone(&CONSOLE)).map_err(|error| Problem::internal(error.to_string()))?;
    let file = served.ok_or_else(Problem::not_found)?;
    // They are all UTF-8, and say so nowhere else.
    let charset = if file.content_type.starts_with("text/") { "; charset=utf-8" } else { "" };
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, format!("{}{charset}", file.content_type)))
        .insert_header((header::CONTENT_SECURITY_POLICY, CONSOLE_POLICY))
        .insert_header((header::CACHE_CONTROL, "public, max-age=300"))
        .body(Bytes::from(file.bytes.into_owned())))
}

async fn problem_page(slug: Path<String>) -> Result<HttpResponse, Problem> {
    let kind = KINDS.iter().find(|kind| kind.slug == *slug).ok_or_else(Problem::not_found)?;
    let explanation = kind.explanation.split('`').enumerate().fold(String::new(), |text, (index, part)| {
        if index % 2 == 1 { text + "<code>" + part + "</code>" } else { text + part }
    });
    let page = format!(
        "<!doctype html>\n<html lang=\"en-GB\">\n<head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{title} – LOTI API</title></head>\n\
         <body><main><h1>{title}</h1>\n<p>HTTP status {status}</p>\n<p>{explanation}</p>\n\
         <p><a href=\"/docs\">Documentation</a></p></main></body>\n</html>\n",
        title = kind.title,
        status = kind.status,
    );
    Ok(HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((header::CONTENT_SECURITY_POLICY, PAGE_POLICY))
        .insert_header((header::CACHE_CONTROL, "public, max-age=3600"))
        .body(page))
}
