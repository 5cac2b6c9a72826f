//! Settings, all from the environment; the only place that reads it.
//!
//! [`VARIABLES`] is the one table: name, default, meaning. `loti config` prints it, the README repeats it, and a test
//! compares the two. A value that makes no sense stops the start with a sentence for each.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;

/// One environment variable.
pub struct Variable {
    /// Name.
    pub name: &'static str,
    /// Value when it is not set; empty when there is none.
    pub default: &'static str,
    /// What it does, with unit and bounds.
    pub meaning: &'static str,
}

macro_rules! variables {
    ($($name:literal = $default:literal, $meaning:literal;)+) => {
        /// Every variable there is.
        pub const VARIABLES: &[Variable] =
            &[$(Variable { name: $name, default: $default, meaning: $meaning }),+];
    };
}

variables! {
    "DATABASE_URL" = "",
        "Required. libpq connection URL of the PostgreSQL database (15 or newer): postgres://user:password@host:port/name.";
    "LOTI_LISTEN" = "127.0.0.1:8080",
        "Address and port to serve on; port 0 takes a free one.";
    "LOTI_PUBLIC_URL" = "",
        "URL under which clients reach the service, without a trailing slash: issuer of tokens and base of problem types. Default: http:// and LOTI_LISTEN.";
    "LOTI_MIGRATION_DATABASE_URL" = "",
        "The same database for `loti migrate`, as the role that owns the schema. Default: DATABASE_URL, whose role then has to own it.";
    "LOTI_ENCRYPTION_KEY_FILE" = "",
        "File of the key that seals what is secret in the database, such as the keys that sign access tokens: 32 bytes in base64, readable by its owner only. `loti serve` makes it when it is not there. Without it, and without LOTI_ENCRYPTION_KEY, no token is issued or accepted.";
    "LOTI_ENCRYPTION_KEY" = "",
        "The key itself, in place of the file.";
    "LOTI_ERASURE_LEDGER_FILE" = "",
        "File to which each erasure of a person is added as well, by id, so that it outlives the database: `loti erase --replay` applies it after a backup was restored.";
    "LOTI_RETENTION_INTERVAL_SECONDS" = "3600",
        "Seconds from one removal of what is kept no longer to the next; 1 to 86400.";
    "LOTI_CORS_ORIGINS" = "",
        "Origins, separated by commas, whose pages may write. Every origin may read.";
    "LOTI_RATE_LIMIT_ANONYMOUS" = "600",
        "Requests a minute from one address without a token; 1 to 1000000.";
    "LOTI_RATE_LIMIT_TOKEN" = "6000",
        "Requests a minute from one person with a token; 1 to 1000000.";
    "LOTI_RATE_LIMIT_CLIENT" = "6000",
        "Requests a minute from one OAuth client; 1 to 1000000.";
    "LOTI_RATE_LIMIT_ADDRESS" = "60000",
        "Requests a minute from one address, whoever sends them with tokens; 1 to 1000000.";
    "LOTI_QUOTA_FACTOR" = "1",
        "How many times as much as usual the quotas allow that hold over all replicas (of tokens, invitations, claims, comments, flags); 1 to 1000.";
    "LOTI_FLAG_THRESHOLD" = "3",
        "People whose flags hide a comment until a moderator judges it; 1 to 1000.";
    "LOTI_LEASE_APPROVALS" = "2",
        "Organisations that have to approve a version of a template of a lease before it is published, for templates added from now on; 0 to 5.";
    "LOTI_TRUSTED_PROXIES" = "",
        "Networks in CIDR form, separated by commas, of the proxies whose X-Forwarded-For is believed. By default none: the address of a caller is that of the connection.";
    "LOTI_FETCH_PRIVATE_NETWORKS" = "",
        "Networks in CIDR form, separated by commas, from which the keys of identity providers are fetched although they are private; only from these also over plain http. By default none.";
    "LOTI_READ_CONNECTIONS" = "4",
        "Database connections for reads; 1 to 200.";
    "LOTI_WRITE_CONNECTIONS" = "8",
        "Database connections for writes; 1 to 200.";
    "LOTI_DATABASE_WAIT_MS" = "2000",
        "Milliseconds that a request waits for a connection before it answers 503; 10 to 60000.";
    "LOTI_STATEMENT_TIMEOUT_MS" = "5000",
        "Milliseconds that one statement may run; 10 to 600000.";
    "LOTI_BODY_TIMEOUT_MS" = "20000",
        "Milliseconds in which the body of a request has to arrive; 10 to 600000.";
    "LOTI_SHUTDOWN_SECONDS" = "20",
        "Seconds that requests under way may take after SIGTERM or SIGINT; 0 to 600.";
    "LOTI_WORKERS" = "0",
        "Threads that serve; 0 takes one a core, at most 256.";
    "LOTI_LOG_FORMAT" = "json",
        "json, one object a line, or text, for people.";
    "LOTI_LOG" = "info",
        "What is logged: error, warn, info, debug, trace, or directives such as info,db=debug.";
}

/// The settings of a running service.
#[derive(Debug, Clone)]
pub struct Config {
    /// `DATABASE_URL` and the size of the pools.
    pub database: db::Settings,
    /// `LOTI_LISTEN`
    pub listen: SocketAddr,
    /// `LOTI_PUBLIC_URL`, without a trailing slash.
    pub public_url: String,
    /// `LOTI_MIGRATION_DATABASE_URL`, or `DATABASE_URL`.
    pub migration_url: String,
    /// `LOTI_ENCRYPTION_KEY` or `LOTI_ENCRYPTION_KEY_FILE`.
    pub encryption_key: Option<EncryptionKey>,
    /// `LOTI_ERASURE_LEDGER_FILE`
    pub erasure_ledger_file: Option<PathBuf>,
    /// `LOTI_RETENTION_INTERVAL_SECONDS`
    pub retention_interval: Duration,
    /// `LOTI_CORS_ORIGINS`
    pub cors_origins: Vec<String>,
    /// `LOTI_RATE_LIMIT_ANONYMOUS`, requests a minute.
    pub rate_limit_anonymous: u32,
    /// `LOTI_RATE_LIMIT_TOKEN`, requests a minute.
    pub rate_limit_token: u32,
    /// `LOTI_RATE_LIMIT_CLIENT`, requests a minute.
    pub rate_limit_client: u32,
    /// `LOTI_RATE_LIMIT_ADDRESS`, requests a minute.
    pub rate_limit_address: u32,
    /// `LOTI_QUOTA_FACTOR`
    pub quota_factor: i32,
    /// `LOTI_FLAG_THRESHOLD`, people.
    pub flag_threshold: i64,
    /// Organisations that have to approve a version of a template of a lease.
    pub lease_approvals: i16,
    /// `LOTI_TRUSTED_PROXIES`
    pub trusted_proxies: Vec<IpNet>,
    /// `LOTI_FETCH_PRIVATE_NETWORKS`
    pub fetch_private_networks: Vec<IpNet>,
    /// `LOTI_BODY_TIMEOUT_MS`
    pub body_timeout: Duration,
    /// `LOTI_SHUTDOWN_SECONDS`
    pub shutdown_seconds: u64,
    /// `LOTI_WORKERS`; 0 for one a core.
    pub workers: usize,
    /// `LOTI_LOG_FORMAT`
    pub log_format: LogFormat,
    /// `LOTI_LOG`
    pub log_filter: String,
}

/// Where the encryption key is.
#[derive(Clone)]
pub enum EncryptionKey {
    /// In a file.
    File(PathBuf),
    /// Here, in base64.
    Value(String),
}

/// Without the key: settings are printed.
impl std::fmt::Debug for EncryptionKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => write!(f, "File({})", path.display()),
            Self::Value(_) => f.write_str("Value"),
        }
    }
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

impl Config {
    /// Reads the environment of the process.
    pub fn from_environment() -> Result<Self, Vec<String>> {
        #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
        Self::from_lookup(|name| std::env::var(name).ok())
    }

    /// Reads variables from `lookup`; every wrong value yields a sentence.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, Vec<String>> {
        let mut reader = Reader { lookup, faults: Vec::new() };
        let listen = reader.parse("LOTI_LISTEN", "an address and a port, such as 127.0.0.1:8080");
        let listen: SocketAddr = listen.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 8080)));
        let wait = reader.milliseconds("LOTI_DATABASE_WAIT_MS", 10, 60_000);
        let config = Self {
            database: db::Settings {
                url: reader.database_url(),
                read_connections: reader.number("LOTI_READ_CONNECTIONS", 1, 200),
                write_connections: reader.number("LOTI_WRITE_CONNECTIONS", 1, 200),
                wait,
                statement: reader.milliseconds("LOTI_STATEMENT_TIMEOUT_MS", 10, 600_000),
            },
            listen,
            public_url: reader.public_url(listen),
            migration_url: reader.migration_url(),
            encryption_key: reader.encryption_key(),
            erasure_ledger_file: reader.get("LOTI_ERASURE_LEDGER_FILE").map(PathBuf::from),
            retention_interval: Duration::from_secs(reader.number("LOTI_RETENTION_INTERVAL_SECONDS", 1, 86_400)),
            cors_origins: reader.origins("LOTI_CORS_ORIGINS"),
            rate_limit_anonymous: reader.number("LOTI_RATE_LIMIT_ANONYMOUS", 1, 1_000_000),
            rate_limit_token: reader.number("LOTI_RATE_LIMIT_TOKEN", 1, 1_000_000),
            rate_limit_client: reader.number("LOTI_RATE_LIMIT_CLIENT", 1, 1_000_000),
            rate_limit_address: reader.number("LOTI_RATE_LIMIT_ADDRESS", 1, 1_000_000),
            quota_factor: reader.number("LOTI_QUOTA_FACTOR", 1, 1000),
            lease_approvals: reader.number("LOTI_LEASE_APPROVALS", 0, 5),
            flag_threshold: reader.number("LOTI_FLAG_THRESHOLD", 1, 1000),
            trusted_proxies: reader.networks("LOTI_TRUSTED_PROXIES"),
            fetch_private_networks: reader.networks("LOTI_FETCH_PRIVATE_NETWORKS"),
            body_timeout: reader.milliseconds("LOTI_BODY_TIMEOUT_MS", 10, 600_000),
            shutdown_seconds: reader.number("LOTI_SHUTDOWN_SECONDS", 0, 600),
            workers: reader.number("LOTI_WORKERS", 0, 256),
            log_format: reader.log_format(),
            log_filter: reader.log_filter(),
        };
        if reader.faults.is_empty() { Ok(config) } else { Err(reader.faults) }
    }
}

struct Reader<F> {
    lookup: F,
    faults: Vec<String>,
}

impl<F: Fn(&str) -> Option<String>> Reader<F> {
    /// The value, or the default of the table; `None` when that is empty.
    fn get(&self, name: &str) -> Option<String> {
        let default =
            || VARIABLES.iter().find(|variable| variable.name == name).map(|variable| variable.default.into());
        (self.lookup)(name)
            .filter(|value| !value.is_empty())
            .or_else(default)
            .filter(|value: &String| !value.is_empty())
    }

    fn parse<T: FromStr>(&mut self, name: &str, wanted: &str) -> Option<T> {
        let value = self.get(name)?;
        let parsed = value.parse().ok();
        if parsed.is_none() {
            self.faults.push(format!("{name} must be {wanted}, and is {value:?}."));
        }
        parsed
    }

    fn number<T: FromStr + PartialOrd + Copy + std::fmt::Display>(&mut self, name: &str, least: T, most: T) -> T {
        let wanted = format!("a whole number from {least} to {most}");
        match self.parse(name, &wanted) {
            Some(number) if number >= least && number <= most => number,
            Some(number) => {
                self.faults.push(format!("{name} must be {wanted}, and is {number}."));
                least
            }
            None => least,
        }
    }

    fn milliseconds(&mut self, name: &str, least: u64, most: u64) -> Duration {
        Duration::from_millis(self.number(name, least, most))
    }

    fn database_url(&mut self) -> String {
        let url = self.get("DATABASE_URL").unwrap_or_default();
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            // The value may hold a password, so it is not repeated.
            self.faults.push("DATABASE_URL must be set to a URL that begins with postgres://.".to_owned());
        }
        url
    }

    fn migration_url(&mut self) -> String {
        let url = self.get("LOTI_MIGRATION_DATABASE_URL");
        if url.as_ref().is_some_and(|url| !url.starts_with("postgres://") && !url.starts_with("postgresql://")) {
            self.faults.push("LOTI_MIGRATION_DATABASE_URL must be a URL that begins with postgres://.".to_owned());
        }
        url.or_else(|| self.get("DATABASE_URL")).unwrap_or_default()
    }

    fn encryption_key(&mut self) -> Option<EncryptionKey> {
        let (value, file) = (self.get("LOTI_ENCRYPTION_KEY"), self.get("LOTI_ENCRYPTION_KEY_FILE"));
        if value.is_some() && file.is_some() {
            self.faults.push("Set LOTI_ENCRYPTION_KEY or LOTI_ENCRYPTION_KEY_FILE, not both.".to_owned());
        }
        value.map(EncryptionKey::Value).or_else(|| file.map(|file| EncryptionKey::File(PathBuf::from(file))))
    }

    fn public_url(&mut self, listen: SocketAddr) -> String {
        let Some(value) = self.get("LOTI_PUBLIC_URL") else { return format!("http://{listen}") };
        let fits = url::Url::parse(&value)
            .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host() && url.query().is_none());
        if !fits || value.ends_with('/') {
            self.faults.push(format!(
                "LOTI_PUBLIC_URL must be an http or https URL without a trailing slash, and is {value:?}."
            ));
        }
        value
    }

    fn origins(&mut self, name: &str) -> Vec<String> {
        let value = self.get(name).unwrap_or_default();
        let origins: Vec<String> = value.split(',').map(str::trim).filter(|o| !o.is_empty()).map(Into::into).collect();
        for origin in &origins {
            if url::Url::parse(origin).map(|url| url.origin().ascii_serialization()).ok().as_ref() != Some(origin) {
                self.faults.push(format!(
                    "{name} must list origins such as https://apps.example.org, and {origin:?} is none."
                ));
            }
        }
        origins
    }

    fn networks(&mut self, name: &str) -> Vec<IpNet> {
        let value = self.get(name).unwrap_or_default();
        let mut networks = Vec::new();
        for text in value.split(',').map(str::trim).filter(|text| !text.is_empty()) {
            match text.parse() {
                Ok(network) => networks.push(network),
                Err(_) => {
                    self.faults.push(format!("{name} must list networks such as 10.0.0.0/8, and {text:?} is none."));
                }
            }
        }
        networks
    }

    fn log_format(&mut self) -> LogFormat {
        match self.get("LOTI_LOG_FORMAT").as_deref() {
            Some("json") => LogFormat::Json,
            Some("text") => LogFormat::Text,
            other => {
                self.faults.push(format!("LOTI_LOG_FORMAT must be json or text, and is {:?}.", other.unwrap_or("")));
                LogFormat::Json
            }
        }
    }

    fn log_filter(&mut self) -> String {
        let value = self.get("LOTI_LOG").unwrap_or_default();
        if tracing_subscriber::EnvFilter::try_new(&value).is_err() {
            self.faults.push(format!("LOTI_LOG must be a level such as info, or directives, and is {value:?}."));
        }
        value
    }
}
