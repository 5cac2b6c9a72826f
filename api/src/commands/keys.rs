//! `loti keys`

use std::path::Path;

use db::signing_keys::{self, KeyState};
use db::{Actor, Db};

use super::{Failure, KeysCommand, block_on, need_seal};
use crate::auth::keys::{KEPT_SECONDS, PUBLISHED_SECONDS, SigningKey};
use crate::auth::seal::Seal;
use crate::config::Config;

pub(super) fn run(command: &KeysCommand) -> Result<(), Failure> {
    match command {
        KeysCommand::Generate { path } => generate(path),
        KeysCommand::Rotate { now } => rotate(*now),
        KeysCommand::List => list(),
    }
}

fn generate(path: &Path) -> Result<(), Failure> {
    Seal::generate(path).map_err(|error| Failure::failed(error.to_string()))?;
    eprintln!("Wrote a new encryption key to {}. Keep a copy: what it sealed is lost without it.", path.display());
    Ok(())
}

fn rotate(at_once: bool) -> Result<(), Failure> {
    let config = Config::from_environment()?;
    let seal = need_seal(&config)?;
    let new = SigningKey::generate(&seal).ok_or_else(|| Failure::failed("No key could be made."))?;
    let published = if at_once { 0 } else { PUBLISHED_SECONDS };
    let db = Db::new(&config.database);
    block_on(async move {
        let rotated = db.write(Actor::operator("loti keys rotate"), move |tx| {
            signing_keys::rotate(tx, &new, published, KEPT_SECONDS)
        });
        Ok(rotated.await?)
    })?;
    eprintln!("The next key signs from now on.");
    Ok(())
}

fn list() -> Result<(), Failure> {
    let config = Config::from_environment()?;
    let db = Db::new(&config.database);
    let keys = block_on(async move { Ok(db.read(signing_keys::list).await?) })?;
    for key in keys {
        let since = match key.state {
            KeyState::Next => Some(key.created_at),
            KeyState::Active => key.activated_at,
            KeyState::Retiring => key.retired_at,
        };
        println!("{} {} {}", key.kid, key.state, since.map(|since| since.to_rfc3339()).unwrap_or_default());
    }
    Ok(())
}
