//! publiccode.yml, the standard by which public software describes itself (<https://yml.publiccode.tools>).
//!
//! [`read`] takes files as they are found, of versions 0.2 to 0.5; [`write`] makes one of version 0.5.

pub mod read;
pub mod write;

use db::products::{DevelopmentStatus, Phase, ProductState};

/// The status of software in a phase, for a product that says none itself.
#[must_use]
pub fn status_of(state: &ProductState) -> DevelopmentStatus {
    state.development_status.unwrap_or(match state.phase {
        Phase::Concept | Phase::Discovery => DevelopmentStatus::Concept,
        Phase::Alpha => DevelopmentStatus::Development,
        Phase::Beta => DevelopmentStatus::Beta,
        Phase::Live => DevelopmentStatus::Stable,
        Phase::Retired => DevelopmentStatus::Obsolete,
    })
}

/// The phase that a status speaks of.
#[must_use]
pub fn phase_of(status: DevelopmentStatus) -> Phase {
    match status {
        DevelopmentStatus::Concept => Phase::Concept,
        DevelopmentStatus::Development => Phase::Alpha,
        DevelopmentStatus::Beta => Phase::Beta,
        DevelopmentStatus::Stable => Phase::Live,
        DevelopmentStatus::Obsolete => Phase::Retired,
    }
}
