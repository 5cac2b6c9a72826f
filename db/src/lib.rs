//! Everything that speaks to PostgreSQL, and nothing that speaks HTTP.
//!
//! One file (or folder) a resource: its rows, its queries, its rules. Reads take a [`Conn`] and the [`Viewer`]
//! first; writes take a [`Tx`], which exists only inside a transaction and knows who acts. [`Db`] is the one way to
//! either.

#[path = "../../schema.rs"]
#[expect(clippy::doc_markdown, reason = "generated")]
#[cfg_attr(not(test), expect(clippy::wildcard_imports, reason = "generated"))]
mod schema;

pub mod actions;
pub mod assessments;
pub mod audit;
pub mod benchmarks;
pub mod calendars;
pub mod checklists;
pub mod citations;
pub mod claims;
pub mod clients;
pub mod comments;
pub mod enrolments;
pub mod erasures;
pub mod error;
pub mod events;
pub mod evidence;
pub mod frameworks;
mod functions;
pub mod idempotency;
pub mod identities;
pub mod identity_providers;
pub mod imports;
pub mod invitations;
pub mod lease_templates;
pub mod leases;
pub mod memberships;
pub mod migrate;
pub mod networks;
pub mod organisations;
pub mod page;
pub mod people;
pub mod personal_data;
pub mod pool;
pub mod products;
pub mod programmes;
pub mod quotas;
pub mod reference;
pub mod removal;
pub mod retention;
pub mod search;
pub mod signing_keys;
pub mod sources;
pub mod tx;
pub mod types;
mod vocabulary;

pub use error::{Error, Fault};
pub use page::Page;
pub use people::{PlatformRole, Role, Roles, Viewer};
pub use pool::{Db, Settings};
pub use tx::{Actor, Conn, Principal, Tx};

/// What a database operation answers.
pub type Result<T, E = Error> = std::result::Result<T, E>;
