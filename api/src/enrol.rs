//! How the first administrator comes in: `loti serve` prints a link, the page behind it asks who they are, and gives
//! them an access token. There is no account before that, and the link works once.

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY};
use actix_web::web::{Data, Payload, Query, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, guard, web};
use db::quotas::ENROLMENTS_OF_ADDRESS;
use db::{Actor, enrolments};
use serde::Deserialize;
use url::form_urlencoded;

use crate::app::App;
use crate::auth::token::{Grant, LIFETIME_SECONDS};
use crate::auth::{SCOPES, secret};
use crate::http::address;
use crate::http::json::read_bytes;
use crate::middleware::limits::{pseudonym, shared};
use crate::problem::{Fault, Problem};

/// Hours for which a link works.
pub const LINK_HOURS: i64 = 24;
const MAX_FORM: usize = 16 * 1024;
const POLICY: &str = "default-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Registers the page.
pub fn configure(app: &mut ServiceConfig) {
    let read = web::route().guard(guard::Any(guard::Get()).or(guard::Head())).to(page);
    let resource = web::resource("/enrol").route(read).route(web::post().to(enrol));
    app.service(crate::routes::answering(resource, &["GET", "POST"]));
}

/// Makes a link when nobody administers the platform yet; the one before it ends.
pub async fn link(app: &App) -> Result<Option<String>, Problem> {
    if app.tokens.keys().is_none() || !app.db.read(enrolments::is_due).await.map_err(Problem::from)? {
        return Ok(None);
    }
    let token = secret::unguessable()?;
    let (hash, ends) = (secret::hash(&token), app.clock.now() + chrono::Duration::hours(LINK_HOURS));
    let write = app.db.write(Actor::operator("loti serve"), move |tx| enrolments::open(tx, &hash, ends));
    write.await.map_err(Problem::from)?;
    Ok(Some(format!("{}/enrol?token={token}", app.config.public_url)))
}

#[derive(Deserialize)]
struct Link {
    #[serde(default)]
    token: String,
}

async fn page(link: Query<Link>) -> HttpResponse {
    let token: String = link.token.chars().filter(char::is_ascii_hexdigit).take(64).collect();
    html(
        StatusCode::OK,
        &format!(
            "<h1>Administrator of the LOTI API</h1>\n<p>You become the first administrator of this service. \
             The link works once.</p>\n<form method=\"post\" action=\"enrol\">\n\
             <input type=\"hidden\" name=\"token\" value=\"{token}\">\n\
             <p><label>Your name<br><input name=\"name\" required maxlength=\"120\" autocomplete=\"name\"></label></p>\n\
             <p><label>Your e-mail address<br><input name=\"email\" type=\"email\" required maxlength=\"254\" \
             autocomplete=\"email\"></label></p>\n<p><button>Enrol</button></p>\n</form>"
        ),
    )
}

async fn enrol(app: Data<App>, request: HttpRequest, payload: Payload) -> Result<HttpResponse, Problem> {
    let body = read_bytes(&request, payload.into_inner(), MAX_FORM).await?;
    let form: BTreeMap<String, String> = form_urlencoded::parse(&body).into_owned().collect();
    let field = |name: &str| form.get(name).map(|value| value.trim().to_owned()).unwrap_or_default();
    let (token, name, email) = (field("token"), field("name"), field("email"));
    let from = pseudonym(&app, address::of(&request, &app));
    shared(&app, ENROLMENTS_OF_ADDRESS, from).await?;
    check(&name, &email)?;
    let hash = secret::hash(&token);
    let enrolled = app.db.write(Actor::operator("enrol"), move |tx| enrolments::accept(tx, &hash, &email, &name));
    let subject = enrolled.await.map_err(Problem::from)?;
    let scopes = SCOPES.iter().map(|(scope, _)| (*scope).to_owned()).collect();
    let grant = Grant { subject, client_id: "loti-enrolment".to_owned(), organisation_id: None, scopes };
    let signed = app.tokens.sign(&app.tokens.claims(&grant));
    let signed = signed.ok_or_else(|| Problem::unavailable("no signing key is loaded"))?;
    Ok(html(
        StatusCode::CREATED,
        &format!(
            "<h1>You are an administrator</h1>\n<p>Your access token, for {} minutes: add your organisation with it, \
             and its identity provider, by which you sign in from then on. An operator prints another with \
             <code>loti token --admin</code>.</p>\n<p><code>{signed}</code></p>\n\
             <p><a href=\"docs\">Documentation</a></p>",
            LIFETIME_SECONDS / 60,
        ),
    ))
}

/// What the columns hold, said before the link is used up.
fn check(name: &str, email: &str) -> Result<(), Problem> {
    let fits =
        |text: &str, most: usize| (1..=most).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    let mut faults = Vec::new();
    if !fits(name, 120) {
        faults.push(Fault::parameter("name", "wrong_form", "must have 1 to 120 characters"));
    }
    let parts: Vec<&str> = email.split('@').collect();
    let address = matches!(parts.as_slice(), [local, domain] if !local.is_empty() && !domain.is_empty());
    if !fits(email, 254) || !address || email.chars().any(char::is_whitespace) {
        faults.push(Fault::parameter("email", "wrong_form", "must be an e-mail address"));
    }
    if faults.is_empty() { Ok(()) } else { Err(Problem::invalid(faults)) }
}

fn html(status: StatusCode, main: &str) -> HttpResponse {
    HttpResponse::build(status)
        .content_type("text/html; charset=utf-8")
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(format!(
            "<!doctype html>\n<html lang=\"en-GB\">\n<head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width\"><title>Enrolment – LOTI API</title></head>\n\
             <body><main>\n{main}\n</main></body>\n</html>\n"
        ))
}
