//! Brings leases into force, and to their end, on the day: see [`db::leases::advance_due`].

use std::time::Duration;

use db::{Actor, Db, leases};

/// How often it is looked for some.
const EVERY: Duration = Duration::from_secs(60);
/// How many at once.
const MOST: usize = 100;

/// Brings them for as long as it is polled. What fails is tried again next time.
pub async fn run(db: Db) {
    loop {
        if let Err(error) = once(&db).await {
            tracing::warn!(cause = %error, "leases could not be brought into force, or to their end");
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// Brings all for which the day has come, in small transactions; how many that were.
pub async fn once(db: &Db) -> db::Result<usize> {
    let mut total = 0;
    loop {
        let advanced = db.write(Actor::operator("leases"), |tx| leases::advance_due(tx, MOST)).await?;
        total += advanced;
        if advanced < MOST {
            return Ok(total);
        }
    }
}
