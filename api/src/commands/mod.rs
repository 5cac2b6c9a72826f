//! The command line of `loti`, one file a command where it is more than a few lines.
//!
//! What a command produces goes to standard output, what it has to say to standard error. It ends with 0, with 2 when
//! it was called or set up wrongly, with 1 when it could not do its work.

mod erase;
mod framework;
mod import;
mod keys;
mod seed;
mod serve;
mod token;

use std::io::IsTerminal;
use std::path::PathBuf;

use clap::Subcommand;

use crate::app;
use crate::auth::seal::Seal;
use crate::config::{Config, LogFormat, VARIABLES};

/// What `loti` does.
#[derive(Subcommand)]
pub enum Command {
    /// Serve the API until SIGTERM or SIGINT.
    Serve,
    /// Bring the schema of the database up to date.
    Migrate {
        /// Take every migration back instead: all data is lost.
        #[arg(long)]
        down: bool,
    },
    /// Load the reference lists and a demo catalogue of real facts; a second run changes nothing.
    Seed,
    /// Import organisations, products, citations or a framework from files that others keep; a second run changes nothing.
    ///
    /// Each row lands whole or not at all. One line of JSON goes to standard output for each row that was refused or
    /// noted. Ends with 0 when every row landed, 1 when some were refused, 2 when a file cannot be read.
    Import(import::Arguments),
    /// Mint an access token, for operators.
    Token(token::Arguments),
    /// Give a person a role in an organisation, or take it away.
    Member(token::MemberArguments),
    /// Erase a person, or look after the ledger of who was erased.
    Erase(erase::EraseArguments),
    /// Remove what is kept no longer, once, as `loti serve` does from time to time.
    Retain,
    /// Look after signing keys.
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Print every environment variable with its default and meaning.
    Config,
}

/// What `loti keys` does.
#[derive(Subcommand)]
pub enum KeysCommand {
    /// Make an encryption key, in a new file that only its owner may read.
    Generate {
        /// The file; it must not exist.
        path: PathBuf,
    },
    /// Let the next key sign, retire the one that signs, and publish a new next one.
    Rotate {
        /// Also when the next key has been published for less than five minutes: those who verify tokens elsewhere may
        /// not know it yet.
        #[arg(long)]
        now: bool,
    },
    /// List the signing keys, a line each: kid, state, since when.
    List,
}

/// Why a command failed.
pub struct Failure {
    /// Exit code.
    pub code: u8,
    /// What to tell the operator.
    pub sentences: Vec<String>,
}

impl Failure {
    /// Called or set up wrongly.
    pub fn usage(sentence: impl Into<String>) -> Self {
        Self { code: 2, sentences: vec![sentence.into()] }
    }

    /// Could not do its work.
    pub fn failed(sentence: impl Into<String>) -> Self {
        Self { code: 1, sentences: vec![sentence.into()] }
    }
}

impl From<Vec<String>> for Failure {
    fn from(sentences: Vec<String>) -> Self {
        Self { code: 2, sentences }
    }
}

impl From<db::Error> for Failure {
    fn from(error: db::Error) -> Self {
        Self::failed(match error {
            db::Error::Unavailable(cause) => format!("The database cannot be used: {}.", cause.trim_end_matches('.')),
            db::Error::Unauthenticated(reason) => reason.to_owned(),
            db::Error::NotFound => "There is no such record.".to_owned(),
            db::Error::Invalid(faults) | db::Error::Conflict(faults) => {
                faults.iter().map(|fault| format!("{} {}", fault.pointer, fault.detail)).collect::<Vec<_>>().join("\n")
            }
            other => format!("The database refused: {other}."),
        })
    }
}

/// Runs a command.
pub fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Serve => serve::run(),
        Command::Migrate { down } => migrate(down),
        Command::Seed => seed::run(),
        Command::Import(arguments) => import::run(arguments),
        Command::Token(arguments) => token::run(arguments),
        Command::Member(arguments) => token::member(arguments),
        Command::Erase(arguments) => erase::erase(arguments),
        Command::Retain => erase::retain(),
        Command::Keys(command) => keys::run(&command),
        Command::Config => {
            print_variables();
            Ok(())
        }
    }
}

fn migrate(down: bool) -> Result<(), Failure> {
    let config = Config::from_environment()?;
    let url = &config.migration_url;
    let names = if down { db::migrate::down(url)? } else { db::migrate::up(url)? };
    let verb = if down { "Took back" } else { "Applied" };
    for name in &names {
        eprintln!("{verb} migration {name}.");
    }
    if names.is_empty() {
        eprintln!("The schema is up to date.");
    }
    Ok(())
}

fn print_variables() {
    for variable in VARIABLES {
        println!("{}={}\n    {}", variable.name, variable.default, variable.meaning);
    }
}

/// Sends log lines to standard error, as configured.
fn start_log(config: &Config) {
    let filter = tracing_subscriber::EnvFilter::new(&config.log_filter);
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second subscriber in one process, as in tests, is refused, and the first one stays.
    let _ = match config.log_format {
        LogFormat::Json => builder.json().flatten_event(true).with_span_list(false).try_init(),
        LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal()).try_init(),
    };
}

/// What seals and opens, for commands that cannot do without.
fn need_seal(config: &Config) -> Result<Seal, Failure> {
    let seal = app::seal(config).map_err(Failure::usage)?;
    seal.ok_or_else(|| Failure::usage("LOTI_ENCRYPTION_KEY_FILE or LOTI_ENCRYPTION_KEY must be set."))
}

/// Runs a command that waits for the database.
fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    actix_web::rt::System::new().block_on(work)
}
