//! A database for each test, cloned from a template that is migrated once a run.
//!
//! The template and the cluster go when `with-postgres.sh` ends; a test's own database goes when the test ends.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use db::reference::{self, LgslService};
use db::{Actor, Db, Settings, Tx};
use diesel::connection::SimpleConnection;
use diesel::sql_types::{Nullable, Text};
use diesel::{Connection, PgConnection, QueryableByName, RunQueryDsl};

use super::variable;

/// Service codes that the list has here.
pub const SERVICE_CODES: &[&str] = &["524", "1152", "47"];

/// A database that only one test uses.
pub struct Database {
    name: String,
    /// libpq URL of its superuser.
    pub url: String,
}

#[derive(QueryableByName)]
struct Cell {
    #[diesel(sql_type = Nullable<Text>)]
    value: Option<String>,
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text, column_name = "QUERY PLAN")]
    line: String,
}

impl Database {
    /// One with the schema and the reference data.
    pub fn new() -> Self {
        Self::create(&format!("template {}", template()))
    }

    /// One with nothing in it.
    pub fn empty() -> Self {
        Self::create("template template0")
    }

    /// One as this is now; whoever is connected to this is thrown out.
    pub fn copy(&self) -> Self {
        let end = "select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname =";
        execute(&cluster_url(), &format!("{end} '{}'", self.name));
        Self::create(&format!("template {}", self.name))
    }

    fn create(options: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        execute(&cluster_url(), &format!("create database {name} {options}"));
        Self { url: url_of(&name), name }
    }

    /// A connection.
    pub fn connect(&self) -> PgConnection {
        connect(&self.url)
    }

    /// Runs statements that must succeed.
    pub fn execute(&self, sql: &str) {
        execute(&self.url, sql);
    }

    /// Runs statements and tells the server's message when it refuses them.
    pub fn refusal(&self, sql: &str) -> Option<String> {
        self.connect().batch_execute(sql).err().map(|error| error.to_string())
    }

    /// The column `value`, a text, of every row.
    pub fn texts(&self, sql: &str) -> Vec<String> {
        let rows: Vec<Cell> = diesel::sql_query(sql).load(&mut self.connect()).unwrap();
        rows.into_iter().map(|row| row.value.unwrap_or_else(|| "null".to_owned())).collect()
    }

    /// The column `value` of the one row that the last of several statements but one, the end of a transaction, tells.
    pub fn texts_of_last(&self, sql: &str) -> String {
        let statements: Vec<&str> = sql.split(';').map(str::trim).filter(|part| !part.is_empty()).collect();
        let (asked, before) = statements[..statements.len() - 1].split_last().unwrap();
        let mut connection = self.connect();
        connection.batch_execute(&before.join(";")).unwrap();
        let rows: Vec<Cell> = diesel::sql_query(*asked).load(&mut connection).unwrap();
        rows[0].value.clone().unwrap()
    }

    /// How a query is carried out, behind other statements, without what differs from run to run.
    pub fn plan(&self, before: &[&str], query: &str) -> String {
        let mut connection = self.connect();
        for statement in before {
            connection.batch_execute(statement).unwrap();
        }
        let lines: Vec<Line> = diesel::sql_query(format!("explain (costs off) {query}")).load(&mut connection).unwrap();
        lines.into_iter().map(|line| line.line).collect::<Vec<_>>().join("\n")
    }

    /// One number, such as a count.
    pub fn number(&self, expression: &str) -> i64 {
        self.texts(&format!("select ({expression})::text as value"))[0].parse().unwrap()
    }

    /// Writes as the operator's command line does.
    pub fn write<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Tx<'_>) -> db::Result<T> + Send + 'static,
    ) -> db::Result<T> {
        write(&self.url, work)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // A test that fails has more to say than that its database is still in use.
        let dropped = connect(&cluster_url()).batch_execute(&format!("drop database {} with (force)", self.name));
        assert!(dropped.is_ok() || std::thread::panicking(), "{dropped:?}");
    }
}

/// Writes as the operator's command line does.
pub fn write<T: Send + 'static>(
    url: &str,
    work: impl Fn(&mut Tx<'_>) -> db::Result<T> + Send + 'static,
) -> db::Result<T> {
    actix_web::rt::Runtime::new().unwrap().block_on(open(url).write(Actor::operator("test"), work))
}

/// A database beside the service that a test runs.
pub fn open(url: &str) -> Db {
    Db::new(&Settings {
        url: url.to_owned(),
        read_connections: 1,
        write_connections: 1,
        wait: Duration::from_secs(5),
        statement: Duration::from_secs(5),
    })
}

/// Puts the schema and the reference data into an empty database.
pub fn prepare(url: &str) {
    db::migrate::up(url).unwrap();
    let service =
        |code: &&str| LgslService { code: (*code).to_owned(), label: "A service".into(), status: "live".into() };
    let services: Vec<LgslService> = SERVICE_CODES.iter().map(service).collect();
    write(url, move |tx| {
        reference::put_lgsl_services(tx, &services)?;
        reference::put_publiccode_categories(tx, &["waste-management".to_owned(), "data-collection".to_owned()])
    })
    .unwrap();
}

fn template() -> &'static str {
    static TEMPLATE: OnceLock<String> = OnceLock::new();
    TEMPLATE.get_or_init(|| {
        let name = format!("template_{}", std::process::id());
        execute(&cluster_url(), &format!("create database {name} template template0"));
        prepare(&url_of(&name));
        // A database with a session cannot be cloned, and a pool closes its sessions in its own time.
        let end = "select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname =";
        execute(&cluster_url(), &format!("alter database {name} allow_connections false; {end} '{name}'"));
        name
    })
}

fn cluster_url() -> String {
    variable("LOTI_TEST_DATABASE_URL")
}

fn url_of(name: &str) -> String {
    let url = cluster_url();
    let (server, _) = url.rsplit_once('/').unwrap();
    format!("{server}/{name}")
}

fn connect(url: &str) -> PgConnection {
    PgConnection::establish(url).unwrap()
}

fn execute(url: &str, sql: &str) {
    connect(url).batch_execute(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
}
