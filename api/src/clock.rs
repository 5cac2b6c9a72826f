//! What time it is, where the database cannot be asked: token lifetimes and the age of signing keys.

use chrono::{DateTime, Utc};

/// Tells the time; tests stop it.
#[derive(Debug, Clone, Copy)]
pub enum Clock {
    /// The machine's.
    System,
    /// Always this moment.
    Stopped(DateTime<Utc>),
}

impl Clock {
    /// Now.
    #[must_use]
    pub fn now(self) -> DateTime<Utc> {
        match self {
            #[expect(clippy::disallowed_methods, reason = "the one place that asks the machine")]
            Self::System => Utc::now(),
            Self::Stopped(moment) => moment,
        }
    }
}
