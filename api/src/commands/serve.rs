//! `loti serve`

use super::{Failure, block_on, start_log};
use crate::app::{self, App};
use crate::clock::Clock;
use crate::config::Config;

pub(super) fn run() -> Result<(), Failure> {
    let config = Config::from_environment()?;
    start_log(&config);
    let listen = config.listen;
    let app = App::new(config, Clock::System).map_err(Failure::usage)?;
    block_on(async move {
        let ready = |address| tracing::info!(%address, "serving");
        app::serve(app, ready).await.map_err(|error| Failure::failed(format!("Cannot serve on {listen}: {error}.")))
    })
}
