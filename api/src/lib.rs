//! The HTTP service: wire types, handlers, and what stands between them and the world.
//!
//! [`app::serve`] puts it together; [`v1`] is the contract; everything that knows a table or a query is in the
//! `db` crate.

#[macro_use]
pub mod routes;

pub mod app;
pub mod auth;
pub mod calendar;
pub mod clock;
pub mod commands;
pub mod compliance;
pub mod config;
pub mod contract;
pub mod docs;
pub mod enrol;
pub mod erasure_ledger;
pub mod fetch;
pub mod health;
pub mod http;
pub mod import;
pub mod jobs;
pub mod layout;
pub mod lease;
pub mod markdown;
pub mod middleware;
pub mod oauth;
pub mod oscal;
pub mod problem;
pub mod publiccode;
pub mod v1;
pub mod words;

/// The committed contract, served as it is.
pub const DOCUMENT: &str = include_str!("../../openapi/v1.json");

/// Version of the API: major.minor.patch, in the document and in every answer.
pub const API_VERSION: &str = "1.0.0";
