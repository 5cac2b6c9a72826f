//! Applies what organisations sent, one after the other: see [`crate::import::register`].

use std::sync::Arc;
use std::time::Duration;

use db::{Actor, Db, imports};
use tokio::sync::Notify;

use crate::import::Rules;
use crate::import::register::{self, Stopped};

/// How often is looked for what another replica was sent, or left.
const EVERY: Duration = Duration::from_secs(5);
/// In whose name rows are applied: that of the operation which sent them.
const OPERATION: &str = "create_import";

/// Applies for as long as it is polled, at once when woken. What fails is tried again once its lease is over.
pub async fn run(db: Db, rules: Arc<Rules>, wake: Arc<Notify>) {
    loop {
        match once(&db, &rules).await {
            Ok(true) => {}
            Ok(false) => {
                // Woken or not, there may be something.
                let _ = tokio::time::timeout(EVERY, wake.notified()).await;
            }
            Err(cause) => {
                tracing::warn!(cause, "an import could not be applied");
                tokio::time::sleep(EVERY).await;
            }
        }
    }
}

/// Applies the import that waits longest; false when none waits.
pub async fn once(db: &Db, rules: &Arc<Rules>) -> Result<bool, String> {
    let taken = db.write(Actor::operator("imports"), |tx| imports::take(tx, OPERATION)).await;
    let Some(taken) = taken.map_err(|error: db::Error| error.to_string())? else { return Ok(false) };
    let id = taken.import.id;
    match register::run(db, rules, taken).await {
        Ok(()) => Ok(true),
        Err(Stopped::Lost) => {
            tracing::info!(import = %id, "another worker goes on with an import");
            Ok(true)
        }
        Err(Stopped::GivenUp(reason)) => Err(format!("{id}: {reason}")),
        Err(Stopped::Failed(problem)) => Err(format!("{id}: {}", problem.cause.as_deref().unwrap_or(&problem.detail))),
    }
}
