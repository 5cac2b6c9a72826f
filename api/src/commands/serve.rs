//! `loti serve`

use super::{Failure, block_on, start_log};
use crate::app::{self, App};
use crate::clock::Clock;
use crate::config::Config;
use crate::enrol;

pub(super) fn run() -> Result<(), Failure> {
    let config = Config::from_environment()?;
    start_log(&config);
    let listen = config.listen;
    let app = App::new(config, Clock::System).map_err(Failure::usage)?;
    block_on(async move {
        prepare(&app).await;
        let ready = |address| tracing::info!(%address, "serving");
        app::serve(app, ready).await.map_err(|error| Failure::failed(format!("Cannot serve on {listen}: {error}.")))
    })
}

/// Makes what the first start makes. When the database is away the service starts all the same: it makes its keys when
/// they are first needed, and the link when it is started again.
async fn prepare(app: &App) {
    if let Some(keys) = app.tokens.keys()
        && let Err(error) = keys.found().await
    {
        tracing::warn!(cause = %error, "no signing keys yet");
    }
    match enrol::link(app).await {
        // Not to the log, which is kept and read by others.
        Ok(Some(link)) => eprintln!(
            "Nobody administers this service yet. This link makes who opens it its administrator; it works once, for \
             {} hours:\n\n    {link}\n",
            enrol::LINK_HOURS
        ),
        Ok(None) => {}
        Err(problem) => tracing::warn!(cause = problem.cause.as_deref(), "no link for the first administrator"),
    }
}
