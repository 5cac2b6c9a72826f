//! Folds what was added to the counters of products, from time to time: see [`db::products::fold_counters`].

use std::time::Duration;

use db::{Actor, Db, products};

/// How often. A reader adds up what is not folded yet, so this is for speed only.
const EVERY: Duration = Duration::from_secs(10);

/// Folds for as long as it is polled. What fails is tried again next time.
pub async fn run(db: Db) {
    loop {
        tokio::time::sleep(EVERY).await;
        loop {
            match db.write(Actor::operator("counters"), products::fold_counters).await {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(cause = %error, "the counters of products could not be folded");
                    break;
                }
            }
        }
    }
}
