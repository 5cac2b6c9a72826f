//! The service as its clients meet it: each test starts a real one on a database of its own and speaks HTTP to it.
//!
//! Files are named after `api/src/v1` and what stands around it; [`support`] starts services and holds every answer
//! to the OpenAPI document, so a test only says what is special about its case. They need a PostgreSQL cluster to
//! make databases in: `make cargo-test`, or `deploy/local/with-postgres.sh cargo test -p tests NAME` for some of them.

#[cfg(test)]
mod assessments;
#[cfg(test)]
mod audit_events;
#[cfg(test)]
mod authorisation;
#[cfg(test)]
mod benchmarks;
#[cfg(test)]
mod calendars;
#[cfg(test)]
mod checklists;
#[cfg(test)]
mod citations;
#[cfg(test)]
mod claims;
#[cfg(test)]
mod comments;
#[cfg(test)]
mod concurrency;
#[cfg(test)]
mod document;
#[cfg(test)]
mod enrolment;
#[cfg(test)]
mod events;
#[cfg(test)]
mod frameworks;
#[cfg(test)]
mod idempotency;
#[cfg(test)]
mod identity_providers;
#[cfg(test)]
mod import;
#[cfg(test)]
mod imports;
#[cfg(test)]
mod journeys;
#[cfg(test)]
mod lease_templates;
#[cfg(test)]
mod leases;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod logs;
#[cfg(test)]
mod memberships;
#[cfg(test)]
mod migrations;
#[cfg(test)]
mod models;
#[cfg(test)]
mod moderation;
#[cfg(test)]
mod networks;
#[cfg(test)]
mod oauth;
#[cfg(test)]
mod organisations;
#[cfg(test)]
mod outage;
#[cfg(test)]
mod poison;
#[cfg(test)]
mod privacy;
#[cfg(test)]
mod problems;
#[cfg(test)]
mod products;
#[cfg(test)]
mod programmes;
#[cfg(test)]
mod publiccode;
#[cfg(test)]
mod search;
#[cfg(test)]
mod security;
#[cfg(test)]
mod seed;
#[cfg(test)]
mod support;
