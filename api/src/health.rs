//! Whether the process lives, and whether it can serve.

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::web::Data;
use actix_web::{HttpResponse, Responder};
use serde::Serialize;

use crate::app::App;

#[derive(Serialize)]
struct Component {
    name: &'static str,
    ready: bool,
    detail: &'static str,
}

#[derive(Serialize)]
struct Readiness {
    ready: bool,
    components: Vec<Component>,
}

/// 200 as long as the process answers, whatever the database does.
pub async fn livez() -> impl Responder {
    HttpResponse::Ok().json(serde_json::json!({ "live": true }))
}

/// 200 when every component works, else 503; each is named either way.
pub async fn readyz(app: Data<App>) -> impl Responder {
    let reached = app.db.ping().await.is_ok();
    let current = reached && app.db.is_current().await.unwrap_or(false);
    let signs = match app.tokens.keys() {
        Some(keys) => keys.current().await.is_ok_and(|ring| ring.active().is_some()),
        None => false,
    };
    let components = vec![
        Component { name: "database", ready: reached, detail: if reached { "answers" } else { "does not answer" } },
        Component {
            name: "migrations",
            ready: current,
            detail: if current { "all applied" } else { "not applied, or not known: run `loti migrate`" },
        },
        Component {
            name: "signing keys",
            ready: signs,
            detail: if signs { "loaded" } else { "none: no token is issued or accepted" },
        },
    ];
    // Without keys the catalogue can still be read, so that alone does not make the service unready.
    let ready = reached && current;
    let mut response = HttpResponse::build(if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE });
    if !ready {
        response.insert_header((header::RETRY_AFTER, HeaderValue::from_static("5")));
    }
    response.insert_header((header::CACHE_CONTROL, "no-store")).json(Readiness { ready, components })
}
