//! What tests share: databases, running services, people who call them, and the contract that every answer is held to.

pub mod builders;
pub mod client;
pub mod cluster;
pub mod contract;
pub mod database;
pub mod logs;
pub mod operations;
pub mod program;
pub mod provider;
pub mod raw;
pub mod server;

pub use builders::{
    catalog, checklist, council, event, framework, lease_template, network, organisation, product, profile, series,
    supplier,
};
pub use client::Answer;
pub use database::Database;
pub use server::{Person, Server};

/// A variable of the environment that `with-postgres.sh` sets.
///
/// # Panics
/// When it is missing, with what to do about it.
#[expect(clippy::disallowed_methods, reason = "tests have no config.rs; the harness is told by its environment")]
pub fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set: run `make cargo-test`, or deploy/local/with-postgres.sh cargo test -p tests")
    })
}

/// The text of a file of the repository.
///
/// # Panics
/// When it cannot be read.
pub fn repository(file: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
