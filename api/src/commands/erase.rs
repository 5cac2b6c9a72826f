//! `loti erase` and `loti retain`

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use db::erasures::{self, Erasure, Replayed};
use db::{Actor, Db, people};
use uuid::Uuid;

use super::{Failure, block_on, need_seal};
use crate::auth::seal::Seal;
use crate::config::Config;
use crate::erasure_ledger;
use crate::jobs::retention;

/// Whom to erase, or what to do with the ledger of who was erased.
#[derive(Args)]
#[group(required = true)]
pub struct EraseArguments {
    /// Erase the person with this address.
    #[arg(long, group = "what")]
    email: Option<String>,
    /// Erase the person with this id.
    #[arg(long, group = "what")]
    id: Option<Uuid>,
    /// Print the ledger, one JSON object a line.
    #[arg(long, group = "what")]
    ledger: bool,
    /// After a backup was restored: erase again who was erased, by this file (`LOTI_ERASURE_LEDGER_FILE` when absent) and
    /// by the database's own ledger. A second run does nothing.
    #[arg(long, group = "what", num_args = 0..=1, value_name = "FILE")]
    #[expect(clippy::option_option, reason = "how clap tells a flag from a flag with a value")]
    replay: Option<Option<PathBuf>>,
}

pub(super) fn erase(arguments: EraseArguments) -> Result<(), Failure> {
    let config = Config::from_environment()?;
    let db = Db::new(&config.database);
    if arguments.ledger {
        return print_ledger(&db);
    }
    let seal = Arc::new(need_seal(&config)?);
    let file = config.erasure_ledger_file;
    block_on(async move {
        match arguments.replay {
            Some(given) => replay(&db, &seal, given.or_else(|| file.clone())).await?,
            None => erase_one(&db, seal, arguments.email, arguments.id).await?,
        }
        match file {
            Some(file) => erasure_ledger::write_missing(&db, &file).await.map_err(Failure::failed),
            None => Ok(()),
        }
    })
}

async fn erase_one(db: &Db, seal: Arc<Seal>, email: Option<String>, id: Option<Uuid>) -> Result<(), Failure> {
    let erased = db.write(Actor::operator("loti erase"), move |tx| {
        let id = match (id, &email) {
            (Some(id), _) => id,
            (None, Some(email)) => people::by_email(tx, email)?,
            (None, None) => return Err(db::Error::NotFound),
        };
        let person = people::lock(tx, id)?;
        erasures::erase(tx, &person, &|name| seal.pseudonym(name))?;
        Ok(id)
    });
    let id = erased.await.map_err(|error| match error {
        db::Error::NotFound => Failure::failed("Nobody is known by that, or they were erased already."),
        other => other.into(),
    })?;
    eprintln!("Erased {id}.");
    Ok(())
}

fn print_ledger(db: &Db) -> Result<(), Failure> {
    let ledger = block_on(async move { Ok(db.read(erasures::list).await?) })?;
    for line in ledger.iter().filter_map(erasure_ledger::line) {
        println!("{line}");
    }
    Ok(())
}

/// One transaction for each: what was done stays done when the rest fails.
async fn replay(db: &Db, seal: &Arc<Seal>, file: Option<PathBuf>) -> Result<(), Failure> {
    let mut ledger: Vec<Erasure> = db.read(erasures::list).await?;
    if let Some(file) = file {
        if !file.exists() {
            return Err(Failure::usage(format!("{} is not there.", file.display())));
        }
        let kept = erasure_ledger::read_file(&file).map_err(Failure::failed)?;
        for number in kept.broken {
            eprintln!("{}, line {number}, is no erasure and is passed over.", file.display());
        }
        ledger.extend(kept.erasures);
    }
    let (mut erased, mut recorded, mut known) = (0, 0, 0);
    for kept in ledger {
        let seal = Arc::clone(seal);
        let replayed = db
            .write(Actor::operator("loti erase"), move |tx| erasures::replay(tx, &kept, &|name| seal.pseudonym(name)));
        match replayed.await? {
            Replayed::Erased => erased += 1,
            Replayed::Recorded => recorded += 1,
            Replayed::Nothing => known += 1,
        }
    }
    eprintln!("Erased {erased}, recorded {recorded}, unchanged {known}.");
    Ok(())
}

/// Removes what is kept no longer, once.
pub(super) fn retain() -> Result<(), Failure> {
    let config = Config::from_environment()?;
    let db = Db::new(&config.database);
    let tally = block_on(async move { Ok(retention::once(&db, "loti retain").await?) })?;
    for (table, rows) in tally.iter().filter(|(_, rows)| *rows > 0) {
        eprintln!("{table}: {rows}");
    }
    eprintln!("Removed {} rows.", tally.iter().map(|(_, rows)| rows).sum::<usize>());
    Ok(())
}
