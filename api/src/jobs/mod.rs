//! What the service does by itself, beside answering.

pub mod benchmarks;
pub mod counters;
pub mod imports;
pub mod leases;
pub mod retention;
pub mod series;
