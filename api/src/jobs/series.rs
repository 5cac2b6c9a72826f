//! Makes the events of series that time has brought nearer: see [`db::networks::series`].

use std::time::Duration;

use db::networks::{self, series};
use db::organisations::Key;
use db::{Actor, Db};
use uuid::Uuid;

use crate::clock::Clock;
use crate::problem::Problem;
use crate::v1::networks::lay_out;

/// How often it is looked for some.
const EVERY: Duration = Duration::from_secs(3600);
/// After how many days a series is looked at again.
const DAYS: i32 = 7;
/// How many at once, the longest left alone first.
const MOST: i64 = 500;

/// Makes them for as long as it is polled. What fails is tried again next time.
pub async fn run(db: Db, clock: Clock) {
    loop {
        catch_up(&db, clock).await;
        tokio::time::sleep(EVERY).await;
    }
}

/// Looks at the series that are due.
pub async fn catch_up(db: &Db, clock: Clock) {
    let due = match db.read(|conn| series::due(conn, DAYS, MOST)).await {
        Ok(due) => due,
        Err(error) => {
            tracing::warn!(cause = %error, "it could not be seen which series are due");
            return;
        }
    };
    for (network, id) in due {
        if let Err(problem) = bring_forward(db, clock, network, id).await {
            tracing::warn!(series = %id, cause = problem.cause, "the events of a series could not be made");
        }
    }
}

async fn bring_forward(db: &Db, clock: Clock, network: Uuid, id: Uuid) -> Result<(), Problem> {
    let made = db.write(Actor::operator("series"), move |tx| {
        let network = networks::lock(tx, &Key::Id(network))?;
        let series = series::find(&mut tx.conn(), network.id, id)?;
        lay_out(tx, clock, &network, &series)
    });
    made.await
}
