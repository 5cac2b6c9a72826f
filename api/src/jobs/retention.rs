//! Removes what is kept no longer, from time to time: see [`db::retention`].

use std::time::Duration;

use db::retention::{self, RULES, Rule};
use db::{Actor, Db};

use crate::erasure_ledger;

/// How long after the start it is done first: those who wait for the service go before.
const SOON: Duration = Duration::from_secs(10);

/// How many rows of which table went.
pub type Tally = Vec<(&'static str, usize)>;

/// Removes what is kept no longer, every so often, for as long as it is polled. What fails is tried again next time.
pub async fn run(db: Db, every: Duration, ledger: Option<std::path::PathBuf>) {
    tokio::time::sleep(SOON.min(every)).await;
    loop {
        match once(&db, "retention").await {
            Ok(tally) => {
                for (table, rows) in tally.into_iter().filter(|(_, rows)| *rows > 0) {
                    tracing::info!(table, rows, "kept no longer");
                }
            }
            Err(error) => tracing::error!(cause = %error, "what is kept no longer could not be removed"),
        }
        erasure_ledger::catch_up(&db, ledger.as_deref()).await;
        tokio::time::sleep(every).await;
    }
}

/// Removes what is kept no longer, in small transactions; what another replica is at is left to it.
pub async fn once(db: &Db, command: &str) -> db::Result<Tally> {
    let mut tally = Tally::new();
    for rule in RULES {
        tally.push((rule.table, forget(db, rule, command).await?));
    }
    Ok(tally)
}

async fn forget(db: &Db, rule: &'static Rule, command: &str) -> db::Result<usize> {
    let mut total = 0;
    loop {
        let removed = db.write(Actor::operator(command), move |tx| retention::forget(tx, rule)).await?;
        total += removed.unwrap_or_default();
        if removed.is_none_or(retention::is_done) {
            return Ok(total);
        }
    }
}
