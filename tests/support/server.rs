//! A running service, and the people who call it.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use actix_web::dev::ServerHandle;
use api::app::App;
use api::auth::SCOPES;
use api::auth::keys::SigningKey;
use api::auth::seal::Seal;
use api::auth::token::{Claims, Grant, Tokens};
use api::clock::Clock;
use api::config::Config;
use api::import::Rules;
use api::jobs;
use db::{PlatformRole, Role, people};
use serde_json::Value;
use uuid::Uuid;

use super::client::{Answer, Client};
use super::database::{self, Database};

/// Where clients reach it, as far as tokens and problems are concerned.
pub const PUBLIC_URL: &str = "https://api.loti.test";
/// The origin whose pages may write.
pub const TRUSTED_ORIGIN: &str = "https://apps.loti.test";

/// A service on a port of its own; it stops when dropped.
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its database, unless a test brought another.
    pub database: Option<Database>,
    pub(super) agent: ureq::Agent,
    database_url: String,
    folder: PathBuf,
    /// What issues and checks its tokens.
    pub tokens: Arc<Tokens>,
    rules: Arc<Rules>,
    handle: ServerHandle,
    thread: Option<JoinHandle<()>>,
}

/// Somebody who calls, with what their token says.
#[derive(Debug, Clone)]
pub struct Person {
    /// Their id.
    pub id: Uuid,
    /// Their address.
    pub email: String,
    scopes: BTreeSet<String>,
    organisation: Option<Uuid>,
}

impl Person {
    /// Somebody whom the database does not know, with every scope.
    #[must_use]
    pub fn unknown() -> Self {
        let scopes = SCOPES.iter().map(|(scope, _)| (*scope).to_owned()).collect();
        Self { id: Uuid::now_v7(), email: String::new(), scopes, organisation: None }
    }

    /// With a token that has just these scopes.
    #[must_use]
    pub fn with_scopes(mut self, scopes: &[&str]) -> Self {
        self.scopes = scopes.iter().map(ToString::to_string).collect();
        self
    }

    /// With a token for one organisation only.
    #[must_use]
    pub fn acting_for(mut self, organisation: Uuid) -> Self {
        self.organisation = Some(organisation);
        self
    }
}

impl Server {
    /// With the usual settings.
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// With some settings of its own.
    pub fn with(settings: &[(&str, &str)]) -> Self {
        let database = Database::new();
        let url = database.url.clone();
        let mut server = Self::on(&url, settings);
        server.database = Some(database);
        server
    }

    /// On a database that belongs to the test.
    pub fn on(database_url: &str, settings: &[(&str, &str)]) -> Self {
        super::logs::watch();
        let folder = new_folder();
        let key_file = folder.join("encryption-key");
        let config = Config::from_lookup(|name| match settings.iter().find(|(key, _)| *key == name) {
            Some((_, value)) => Some((*value).to_owned()),
            None => usual(name).map(ToOwned::to_owned).or_else(|| match name {
                "DATABASE_URL" => Some(database_url.to_owned()),
                "LOTI_ENCRYPTION_KEY_FILE" => Some(key_file.display().to_string()),
                _ => None,
            }),
        })
        .unwrap();
        let app = App::new(config, Clock::System).unwrap();
        let (tokens, rules) = (Arc::clone(&app.tokens), Arc::clone(&app.rules));
        let (send, started) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                // Not on a database that is not there yet: then the service makes them when it is.
                let _ = app.tokens.keys().unwrap().found().await;
                let server = api::app::bind(app).unwrap();
                send.send((server.address, server.running.handle())).unwrap();
                server.running.await.unwrap();
            });
        });
        let (address, handle) = started.recv().expect("the service did not start: see its panic above");
        let agent = super::client::agent();
        let database_url = database_url.to_owned();
        Self { address, database: None, agent, database_url, folder, tokens, rules, handle, thread: Some(thread) }
    }

    /// A second service beside one that runs, with the same keys.
    pub fn on_with_key(database_url: &str, key_file: &std::path::Path) -> Self {
        Self::on(database_url, &[("LOTI_ENCRYPTION_KEY_FILE", key_file.to_str().unwrap())])
    }

    /// A key that could sign for it.
    pub fn new_signing_key(&self) -> db::signing_keys::NewSigningKey {
        SigningKey::generate(&Seal::load(&self.key_file()).unwrap()).unwrap()
    }

    /// Its database.
    pub fn database(&self) -> &Database {
        self.database.as_ref().unwrap()
    }

    /// File of the key that seals what is secret in its database.
    pub fn key_file(&self) -> PathBuf {
        self.folder.join("encryption-key")
    }

    /// Calls without a token.
    pub fn anonymous(&self) -> Client<'_> {
        Client::new(self, None)
    }

    /// Calls with a person's token.
    pub fn as_(&self, person: &Person) -> Client<'_> {
        Client::new(self, Some(self.sign(&self.claims(person))))
    }

    /// Calls with whatever is given as the `Authorization` header.
    pub fn with_authorization(&self, value: &str) -> Client<'_> {
        self.anonymous().authorised(value)
    }

    /// What a person's token says.
    pub fn claims(&self, person: &Person) -> Claims {
        self.tokens.claims(&Grant {
            subject: person.id,
            client_id: "tests".to_owned(),
            organisation_id: person.organisation,
            scopes: person.scopes.clone(),
        })
    }

    /// A token, signed with the key of the service.
    pub fn sign(&self, claims: &Claims) -> String {
        self.tokens.sign(claims).unwrap()
    }

    /// A person with these roles.
    pub fn person(&self, platform: &[PlatformRole], memberships: &[(Uuid, Role)]) -> Person {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let email = format!("person{}@example.org", NUMBER.fetch_add(1, Ordering::Relaxed));
        let (platform, memberships, address) = (platform.to_vec(), memberships.to_vec(), email.clone());
        let id = database::write(&self.database_url, move |tx| {
            let id = people::ensure(tx, Uuid::now_v7(), &address, "A person", &platform)?;
            for (organisation, role) in &memberships {
                people::set_membership(tx, id, *organisation, *role)?;
            }
            Ok(id)
        })
        .unwrap();
        Person { id, email, ..Person::unknown() }
    }

    /// An administrator of the platform.
    pub fn admin(&self) -> Person {
        self.person(&[PlatformRole::PlatformAdmin], &[])
    }

    /// Somebody with one role in one organisation.
    pub fn member(&self, organisation: &Answer, role: Role) -> Person {
        self.person(&[], &[(organisation.id(), role)])
    }

    /// An organisation, added by an administrator.
    pub fn add_organisation(&self, body: impl Into<Value>) -> Answer {
        self.as_(&self.admin()).post("/v1/organisations", body).expect(201)
    }

    /// Applies the import that waits longest, as the service does beside answering; false when none waits.
    pub fn apply_import(&self) -> Result<bool, String> {
        let db = database::open(&self.database_url);
        let once = jobs::imports::once(&db, &self.rules);
        actix_web::rt::Runtime::new().unwrap().block_on(once)
    }

    /// Applies the imports that wait.
    pub fn apply_imports(&self) {
        while self.apply_import().unwrap() {}
    }

    /// A product, added by an administrator.
    pub fn add_product(&self, body: impl Into<Value>) -> Answer {
        self.as_(&self.admin()).post("/v1/products", body).expect(201)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Calls are over when a test ends, so there is nothing that a graceful stop would wait for.
        drop(self.handle.stop(false));
        let ended = self.thread.take().unwrap().join();
        let _ = std::fs::remove_dir_all(&self.folder);
        assert!(ended.is_ok() || std::thread::panicking(), "the service panicked");
        // Perhaps of another test that runs beside this one: the line says more than its place.
        let violations = super::logs::take_violations();
        assert!(violations.is_empty() || std::thread::panicking(), "in the log: {violations:#?}");
    }
}

fn usual(name: &str) -> Option<&'static str> {
    match name {
        "LOTI_LISTEN" => Some("127.0.0.1:0"),
        "LOTI_PUBLIC_URL" => Some(PUBLIC_URL),
        "LOTI_CORS_ORIGINS" => Some(TRUSTED_ORIGIN),
        "LOTI_RATE_LIMIT_ANONYMOUS"
        | "LOTI_RATE_LIMIT_TOKEN"
        | "LOTI_RATE_LIMIT_CLIENT"
        | "LOTI_RATE_LIMIT_ADDRESS" => Some("1000000"),
        "LOTI_FETCH_PRIVATE_NETWORKS" => Some("127.0.0.0/8"),
        "LOTI_WORKERS" => Some("2"),
        "LOTI_DATABASE_WAIT_MS" | "LOTI_STATEMENT_TIMEOUT_MS" => Some("20000"),
        _ => None,
    }
}

/// A folder that nobody else uses.
pub fn new_folder() -> PathBuf {
    let folder = std::env::temp_dir().join(format!("loti-tests-{}", Uuid::now_v7()));
    std::fs::create_dir(&folder).unwrap();
    folder
}
