//! The one blocking hop: a permit with a deadline, a connection, one closure; for writes, one transaction.
//!
//! Reads and writes have a pool each, because a burst of one must not starve the other: reads want about two
//! connections a core, writes more, since they wait for the disk. Nothing else in the workspace blocks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};
use r2d2::{ManageConnection, Pool};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::tx::{self, Actor, Conn, Tx};
use crate::{Error, Result, Roles};

/// What the service acts as: a role that owns nothing, so that a fault here can neither change the schema nor step
/// around a policy. Migrations make it; until they ran there is nothing to act on.
const SERVICE_ROLE: &str = "loti_service";

/// How the pools are made.
#[derive(Debug, Clone)]
pub struct Settings {
    /// libpq connection URL.
    pub url: String,
    /// Connections for reads.
    pub read_connections: u32,
    /// Connections for writes.
    pub write_connections: u32,
    /// How long a request waits for a connection before it is told to come back.
    pub wait: Duration,
    /// How long one statement may run.
    pub statement: Duration,
}

/// Access to the database; cheap to clone.
#[derive(Clone)]
pub struct Db {
    reads: Lane,
    writes: Lane,
}

impl Db {
    /// Pools that connect when first used, so that the service starts, and says what is wrong, without its database.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        // A bound LIMIT makes the planner plan anew each time; one generic plan a statement serves reads better.
        // Full-text search needs the words to plan well and sets it back for itself.
        // Two misspelt words still look alike; at the default of 0.6 only one may be.
        let reads = "set default_transaction_read_only = on; set plan_cache_mode = force_generic_plan;
            set pg_trgm.word_similarity_threshold = 0.4;";
        let generation = Arc::default();
        Self {
            reads: Lane::new(settings, settings.read_connections, reads, &generation),
            writes: Lane::new(settings, settings.write_connections, "", &generation),
        }
    }

    /// Runs `work` on one connection that cannot write. Tried again when the connection turns out broken.
    pub async fn read<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: Fn(&mut Conn<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Failure + Send + 'static,
    {
        self.reads.run(move |conn, _| work(&mut Conn::new(conn)), |error| matches!(error, Error::Disconnected(_))).await
    }

    /// [`Self::read`] of what is not for everybody: in one transaction, with the roles of who looks, and known to the
    /// policies of private tables.
    pub async fn read_as<T, E, F>(&self, actor: Actor, work: F) -> Result<T, E>
    where
        F: Fn(&mut Conn<'_>, &Roles) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Failure + Send + 'static,
    {
        let transaction = move |conn: &mut PgConnection, _: &AtomicBool| tx::read(conn, &actor, &work);
        self.reads.run(transaction, |error| matches!(error, Error::Disconnected(_))).await
    }

    /// Runs `work` in one transaction on behalf of `actor`: all of it is kept, or nothing.
    ///
    /// Tried again when another transaction was in its way, so `work` must have no effect outside of the transaction.
    pub async fn write<T, E, F>(&self, actor: Actor, work: F) -> Result<T, E>
    where
        F: Fn(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Failure + Send + 'static,
    {
        let transaction =
            move |conn: &mut PgConnection, abandoned: &AtomicBool| Tx::run(conn, &actor, abandoned, &work);
        self.writes.run(transaction, |error| matches!(error, Error::Contention(_))).await
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<()> {
        self.read(|conn| conn.batch("select 1")).await
    }

    /// Whether the schema of the database is the one this build was made for.
    pub async fn is_current(&self) -> Result<bool> {
        self.read(crate::migrate::is_current).await
    }
}

/// An error that may hold one of the database's.
pub trait Failure {
    /// The database's error, if that is what went wrong.
    fn database(&self) -> Option<&Error>;
}

impl Failure for Error {
    fn database(&self) -> Option<&Error> {
        Some(self)
    }
}

#[derive(Clone)]
struct Lane {
    pool: Pool<Manager>,
    permits: Arc<Semaphore>,
    wait: Duration,
    deadline: Duration,
}

impl Lane {
    fn new(settings: &Settings, connections: u32, setup: &str, generation: &Arc<AtomicU64>) -> Self {
        let manager = Manager {
            url: settings.url.clone(),
            setup: format!(
                "set statement_timeout = {0}; set lock_timeout = {0}; set idle_in_transaction_session_timeout = {1};
                 set time zone 'UTC'; set client_min_messages = error; {setup}
                 select set_config('role', rolname, false) from pg_roles where rolname = '{SERVICE_ROLE}'",
                settings.statement.as_millis(),
                settings.statement.as_millis() * 2,
            ),
            generation: Arc::clone(generation),
        };
        let pool = Pool::builder()
            .max_size(connections)
            .min_idle(Some(0))
            // Our check asks no question of the server: see `Manager::is_valid`.
            .test_on_check_out(true)
            .connection_timeout(settings.wait)
            .build_unchecked(manager);
        Self {
            pool,
            permits: Arc::new(Semaphore::new(connections as usize)),
            wait: settings.wait,
            deadline: settings.wait + settings.statement * 2,
        }
    }

    async fn run<T, E, F>(&self, work: F, again: fn(&Error) -> bool) -> Result<T, E>
    where
        F: Fn(&mut PgConnection, &AtomicBool) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Failure + Send + 'static,
    {
        let permit = timeout(self.wait, Arc::clone(&self.permits).acquire_owned())
            .await
            .map_err(|_| Error::Unavailable("no connection came free in time".into()))?
            .map_err(|_| Error::Unavailable("the pool is closed".into()))?;
        let pool = self.pool.clone();
        let span = tracing::Span::current();
        let abandoned = Arc::new(AtomicBool::new(false));
        let seen_by_task = Arc::clone(&abandoned);
        #[expect(clippy::disallowed_methods, reason = "the one blocking hop")]
        let task = tokio::task::spawn_blocking(move || {
            // The permit goes back when the connection does, also when nobody waits for the answer any more.
            let _permit = permit;
            let _entered = span.enter();
            attempt(&pool, &work, again, &seen_by_task)
        });
        match timeout(self.deadline, task).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(panicked)) => Err(Error::Internal(panicked.to_string()).into()),
            Err(_) => {
                // Who was told 503 will try again: what is not committed by then had better not be, should the
                // database wake up.
                abandoned.store(true, Ordering::Release);
                Err(Error::Unavailable("the database did not answer in time".into()).into())
            }
        }
    }
}

fn attempt<T, E, F>(pool: &Pool<Manager>, work: &F, again: fn(&Error) -> bool, abandoned: &AtomicBool) -> Result<T, E>
where
    F: Fn(&mut PgConnection, &AtomicBool) -> Result<T, E>,
    E: From<Error> + Failure,
{
    const TRIES: u32 = 3;
    let mut tried = 0;
    loop {
        tried += 1;
        let mut session = pool.get().map_err(|e| Error::Unavailable(e.to_string()))?;
        let outcome = work(&mut session.conn, abandoned);
        let Err(error) = &outcome else { return outcome };
        let lost = matches!(error.database(), Some(Error::Disconnected(_)));
        if lost {
            session.abandon();
        }
        if tried == TRIES || !error.database().is_some_and(again) {
            return outcome.map_err(|error| if lost { away(&error) } else { error });
        }
    }
}

fn away<E: From<Error> + Failure>(error: &E) -> E {
    Error::Unavailable(error.database().map(ToString::to_string).unwrap_or_default()).into()
}

/// A connection and the state of the world when it was made.
struct Session {
    conn: PgConnection,
    made_in: u64,
    generation: Arc<AtomicU64>,
    broken: bool,
}

impl Session {
    /// One connection broke: those made before it, in both lanes, are as good as broken too (the server stopped, as a
    /// rule).
    fn abandon(&mut self) {
        self.broken = true;
        let _ = self.generation.compare_exchange(self.made_in, self.made_in + 1, Ordering::AcqRel, Ordering::Acquire);
    }
}

struct Manager {
    url: String,
    setup: String,
    generation: Arc<AtomicU64>,
}

impl ManageConnection for Manager {
    type Connection = Session;
    type Error = ConnectError;

    fn connect(&self) -> Result<Session, ConnectError> {
        let made_in = self.generation.load(Ordering::Acquire);
        let mut conn = PgConnection::establish(&self.url).map_err(|e| ConnectError(e.to_string()))?;
        conn.batch_execute(&self.setup).map_err(|e| ConnectError(e.to_string()))?;
        Ok(Session { conn, made_in, generation: Arc::clone(&self.generation), broken: false })
    }

    /// Asks nothing of the server: a question at each checkout would double the round trips.
    fn is_valid(&self, session: &mut Session) -> Result<(), ConnectError> {
        if session.made_in == self.generation.load(Ordering::Acquire) {
            Ok(())
        } else {
            Err(ConnectError("made before the last break".into()))
        }
    }

    fn has_broken(&self, session: &mut Session) -> bool {
        session.broken || diesel::r2d2::R2D2Connection::is_broken(&mut session.conn) || std::thread::panicking()
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct ConnectError(String);
