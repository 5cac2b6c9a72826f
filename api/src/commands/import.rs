//! `loti import`

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use db::Db;

use super::{Failure, block_on, framework};
use crate::config::Config;
use crate::import::{self, Import, Options, Rules, Stopped};
use crate::v1;

/// `loti import`
#[derive(Args)]
pub struct Arguments {
    /// What the rows are.
    resource: Resource,
    /// How the files are written; publiccode takes .yml files or directories of them, oscal a catalog in JSON, caf the Cyber
    /// Assessment Framework in YAML as `GovAssure` keeps it.
    #[arg(long)]
    format: Format,
    /// Name of the data set, under which the rows are known again. From the file when absent.
    #[arg(long, value_parser = source)]
    source: Option<String>,
    /// Add suppliers that no organisation is known as (products by their makers' names only).
    #[arg(long)]
    create_suppliers: bool,
    /// Add products that nobody knows (citations only); with --create-suppliers also who supplies them.
    #[arg(long)]
    create_products: bool,
    #[command(flatten)]
    framework: framework::About,
    /// Report every row, not only those that are refused or noted.
    #[arg(long)]
    verbose: bool,
    /// The files.
    #[arg(required = true)]
    paths: Vec<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Resource {
    Organisations,
    Products,
    Citations,
    Framework,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Csv,
    Jsonl,
    Publiccode,
    Oscal,
    Caf,
}

fn source(name: &str) -> Result<String, String> {
    let fits = (1..=80).contains(&name.chars().count()) && !name.chars().any(char::is_control);
    if fits { Ok(name.to_owned()) } else { Err("must have 1 to 80 characters".to_owned()) }
}

pub(super) fn run(arguments: Arguments) -> Result<(), Failure> {
    let resource = match arguments.resource {
        Resource::Organisations => import::Resource::Organisations,
        Resource::Products => import::Resource::Products,
        Resource::Citations => import::Resource::Citations,
        Resource::Framework => return run_framework(&arguments),
    };
    let format = match arguments.format {
        Format::Csv => import::Format::Csv,
        Format::Jsonl => import::Format::Jsonl,
        Format::Publiccode => import::Format::Publiccode,
        Format::Oscal | Format::Caf => {
            return Err(Failure::usage("oscal and caf describe frameworks, and nothing else."));
        }
    };
    if format == import::Format::Publiccode && resource != import::Resource::Products {
        return Err(Failure::usage("publiccode.yml describes products, and nothing else."));
    }
    let Arguments { source, create_suppliers, create_products, verbose, paths, .. } = arguments;
    let options = Options { source, create_suppliers, create_products, verbose, on_behalf: None };
    let db = Db::new(&Config::from_environment()?.database);
    let rules = Arc::new(Rules::new(&v1::routes().contract()).map_err(Failure::failed)?);
    let report = io::BufWriter::new(io::stdout());
    let mut import = Import::new(db, "loti import", rules, resource, options, report);
    block_on(async move {
        let mut stopped = Vec::new();
        for path in &paths {
            // A file that cannot be read is no reason to leave the next one unread.
            match import.path(path, format).await {
                Ok(()) => {}
                Err(error @ Stopped::File { .. }) => stopped.push(error.to_string()),
                Err(error) => return Err(failure(&error)),
            }
        }
        let tally = import.tally();
        import.finish().map_err(|error| failure(&error))?;
        eprintln!("{tally}");
        match (stopped.is_empty(), tally.refused) {
            (false, _) => Err(Failure { code: 2, sentences: stopped }),
            (true, 0) => Ok(()),
            (true, _) => Err(Failure { code: 1, sentences: Vec::new() }),
        }
    })
}

fn run_framework(arguments: &Arguments) -> Result<(), Failure> {
    let format = match arguments.format {
        Format::Oscal => framework::Format::Oscal,
        Format::Caf => framework::Format::Caf,
        Format::Csv | Format::Jsonl | Format::Publiccode => {
            return Err(Failure::usage("A framework is written as oscal or caf."));
        }
    };
    framework::run(format, &arguments.framework, &arguments.paths)
}

pub(super) fn failure(error: &Stopped) -> Failure {
    let mut stdout = io::stdout();
    // What was reported until then stands, so it is worth trying to get it out.
    let _ = stdout.flush();
    Failure::failed(error.to_string())
}
