//! The service put together.

use std::net::SocketAddr;
use std::sync::Arc;

use actix_cors::Cors;
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderName};
use actix_web::middleware::from_fn;
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{App as ActixApp, HttpServer};
use db::Db;
use tokio::sync::Notify;

use crate::auth::federation::Federation;
use crate::auth::keys::Keys;
use crate::auth::seal::Seal;
use crate::auth::token::Tokens;
use crate::clock::Clock;
use crate::config::{Config, EncryptionKey};
use crate::fetch::Fetch;
use crate::http::idempotency::Queues;
use crate::import::Rules;
use crate::jobs::{benchmarks, counters, imports, leases, retention, series};
use crate::middleware::{
    headers::headers,
    limits::{Limits, limits},
    log::log,
};
use crate::problem::Problem;
use crate::routes::{Mounted, read_only};
use crate::{docs, enrol, health, oauth, v1};

/// What every request may use.
pub struct App {
    /// Settings.
    pub config: Config,
    /// The database.
    pub db: Db,
    /// Issues and checks access tokens.
    pub tokens: Arc<Tokens>,
    /// Fetches what others name.
    pub fetch: Arc<Fetch>,
    /// Seals what is secret in the database; none without an encryption key.
    pub seal: Option<Arc<Seal>>,
    /// What time it is.
    pub clock: Clock,
    /// Quotas of callers.
    pub limits: Limits,
    /// Requests that wait for another with their `Idempotency-Key`.
    pub queues: Queues,
    /// The rules of what does not come as the JSON of a request.
    pub rules: Arc<Rules>,
    /// Wakes the worker of imports.
    pub import_sent: Arc<Notify>,
    mounted: Mounted,
}

impl App {
    /// Everything but the socket. Fails with a sentence when the settings cannot work or an operation is not guarded.
    pub fn new(config: Config, clock: Clock) -> Result<Self, String> {
        let seal = seal(&config)?.map(Arc::new);
        let db = Db::new(&config.database);
        let keys = seal.as_ref().map(|seal| Keys::new(Arc::clone(seal), db.clone()));
        let fetch = Arc::new(Fetch::new(&config.fetch_private_networks)?);
        let mut tokens = Tokens::new(keys, db.clone(), &config.public_url, clock);
        if let Some(seal) = &seal {
            let federation = Federation::new(db.clone(), Arc::clone(&fetch), Arc::clone(seal), clock);
            tokens = tokens.with_federation(federation);
        }
        let routes = v1::routes();
        let contract = routes.contract();
        Ok(Self {
            limits: Limits::new(&config),
            clock,
            tokens: Arc::new(tokens),
            fetch,
            seal,
            db,
            queues: Queues::default(),
            rules: Arc::new(Rules::new(&contract)?),
            import_sent: Arc::default(),
            mounted: routes.mount(&contract)?,
            config,
        })
    }
}

/// What seals and opens, if an encryption key is set; a file that is not there is made.
pub fn seal(config: &Config) -> Result<Option<Seal>, String> {
    let seal = match &config.encryption_key {
        None => return Ok(None),
        Some(EncryptionKey::Value(value)) => Seal::from_base64(value, "LOTI_ENCRYPTION_KEY"),
        Some(EncryptionKey::File(path)) if path.exists() => Seal::load(path),
        Some(EncryptionKey::File(path)) => Seal::generate(path).and_then(|()| Seal::load(path)),
    };
    seal.map(Some).map_err(|error| error.to_string())
}

/// Serves until SIGTERM or SIGINT; requests under way are finished first.
///
/// `ready` is told the address once the socket is open.
pub async fn serve(app: App, ready: impl FnOnce(SocketAddr)) -> std::io::Result<()> {
    let (db, every) = (app.db.clone(), app.config.retention_interval);
    let retention = retention::run(db, every, app.config.erasure_ledger_file.clone());
    let counters = counters::run(app.db.clone());
    let imports = imports::run(app.db.clone(), Arc::clone(&app.rules), Arc::clone(&app.import_sent));
    let series = series::run(app.db.clone(), app.clock);
    let leases = leases::run(app.db.clone());
    let benchmarks = benchmarks::run(app.db.clone());
    let server = bind(app)?;
    ready(server.address);
    // It ends with the service: what is dropped is not polled any more.
    tokio::select! {
        outcome = server.running => outcome,
        () = retention => Ok(()),
        () = counters => Ok(()),
        () = imports => Ok(()),
        () = series => Ok(()),
        () = leases => Ok(()),
        () = benchmarks => Ok(()),
    }
}

/// A service whose socket is open.
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    /// Serves while it is polled, until SIGTERM, SIGINT or a stop by its handle.
    pub running: actix_web::dev::Server,
}

/// Opens the socket.
pub fn bind(app: App) -> std::io::Result<Server> {
    let app = Data::from(Arc::new(app));
    let config = app.config.clone();
    let connections = config.database.read_connections + config.database.write_connections;
    let make = move || {
        ActixApp::new()
            .app_data(app.clone())
            .wrap(from_fn(limits))
            .wrap(cors(&app.config))
            .wrap(from_fn(headers))
            .wrap(from_fn(log))
            .configure(|service| configure(service, &app))
    };
    let mut server = HttpServer::new(make)
        .shutdown_timeout(config.shutdown_seconds)
        .worker_max_blocking_threads(connections as usize + 2)
        .client_request_timeout(std::time::Duration::from_secs(10));
    if config.workers > 0 {
        server = server.workers(config.workers);
    }
    let server = server.bind(config.listen)?;
    let address = server.addrs().first().copied().unwrap_or(config.listen);
    Ok(Server { address, running: server.run() })
}

fn configure(service: &mut ServiceConfig, app: &App) {
    app.mounted.configure(service);
    docs::configure(service);
    enrol::configure(service);
    oauth::configure(service);
    service
        .service(read_only("/livez", health::livez))
        .service(read_only("/readyz", health::readyz))
        .default_service(web::to(|| async { Err::<actix_web::HttpResponse, _>(Problem::not_found()) }));
}

/// Every origin may read; those configured may write.
fn cors(config: &Config) -> Cors {
    let trusted = config.cors_origins.clone();
    Cors::default()
        .allowed_origin_fn(move |origin, head| {
            let asked = head.headers().get(header::ACCESS_CONTROL_REQUEST_METHOD).and_then(|m| m.to_str().ok());
            let method = asked.unwrap_or(head.method.as_str());
            matches!(method, "GET" | "HEAD") || trusted.iter().any(|trusted| origin == trusted.as_str())
        })
        .allowed_methods([Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allowed_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::IF_MATCH,
            header::IF_NONE_MATCH,
            HeaderName::from_static("idempotency-key"),
            HeaderName::from_static("x-request-id"),
            HeaderName::from_static("traceparent"),
        ])
        .expose_headers([
            header::ETAG,
            header::LINK,
            header::LOCATION,
            header::RETRY_AFTER,
            HeaderName::from_static("api-version"),
            HeaderName::from_static("idempotency-replayed"),
            HeaderName::from_static("deprecation"),
            HeaderName::from_static("sunset"),
            HeaderName::from_static("ratelimit"),
            HeaderName::from_static("ratelimit-policy"),
            HeaderName::from_static("x-request-id"),
        ])
        .max_age(3600)
}
