//! Our own rules.
