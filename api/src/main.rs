//! `loti`: the service and what its operators need.

use std::process::ExitCode;

use api::commands::{self, Command};
use clap::Parser;

/// The shared record of what London's public services use, build, sign and comply with.
#[derive(Parser)]
#[command(name = "loti", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    match commands::run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            for sentence in &failure.sentences {
                eprintln!("{sentence}");
            }
            ExitCode::from(failure.code)
        }
    }
}
