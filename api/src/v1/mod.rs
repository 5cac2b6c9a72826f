//! The contract, major version 1: one file (or folder) a resource, with its wire types and handlers.

pub mod actions;
pub mod assessments;
pub mod audit_events;
pub mod benchmarks;
pub mod calendars;
pub mod checklists;
pub mod citations;
pub mod claims;
pub mod clients;
pub mod comments;
pub mod events;
pub mod evidence;
pub mod frameworks;
pub mod identity_providers;
pub mod imports;
pub mod invitations;
pub mod lease_templates;
pub mod leases;
pub mod me;
pub mod memberships;
pub mod networks;
pub mod organisations;
pub mod people;
pub mod products;
pub mod programmes;
pub mod reports;

use crate::routes::Routes;

/// Every operation.
#[must_use]
pub fn routes() -> Routes {
    organisations::routes()
        .merge(products::routes())
        .merge(programmes::routes())
        .merge(calendars::routes())
        .merge(citations::routes())
        .merge(clients::routes())
        .merge(comments::routes())
        .merge(events::routes())
        .merge(identity_providers::routes())
        .merge(imports::routes())
        .merge(audit_events::routes())
        .merge(memberships::routes())
        .merge(networks::routes())
        .merge(invitations::routes())
        .merge(claims::routes())
        .merge(lease_templates::routes())
        .merge(leases::routes())
        .merge(frameworks::routes())
        .merge(checklists::routes())
        .merge(assessments::routes())
        .merge(evidence::routes())
        .merge(actions::routes())
        .merge(benchmarks::routes())
        .merge(reports::routes())
        .merge(me::routes())
}
