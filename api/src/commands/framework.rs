//! `loti import framework`: an OSCAL catalog, or the Cyber Assessment Framework as `GovAssure` keeps it.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use chrono::{DateTime, SecondsFormat, Utc};
use clap::Args;
use db::frameworks::{self, Framework, FrameworkState, FrameworkStatus, Sight, items};
use db::organisations::{self, Key};
use db::{Actor, Db, Fault, Roles, Tx};
use serde_json::Value;
use uuid::Uuid;

use super::{Failure, block_on};
use crate::compliance::caf;
use crate::config::Config;
use crate::oscal::catalog::{self, Catalog};
use crate::oscal::text;
use crate::problem::Problem;
use crate::words::kebab_case;

const COMMAND: &str = "loti import";

/// What the file does not say of a framework, or says otherwise.
#[derive(Args, Clone)]
pub struct About {
    /// Who keeps a framework here, by id or slug.
    #[arg(long, default_value = "london-office-of-technology-and-innovation")]
    organisation: String,
    /// Title of a framework. From the file when absent.
    #[arg(long)]
    title: Option<String>,
    /// Edition of a framework. From the file when absent, and for caf from its name.
    #[arg(long)]
    edition: Option<String>,
    /// Who issues a framework. For caf the National Cyber Security Centre when absent.
    #[arg(long)]
    authority: Option<String>,
    /// Licence of the words of a framework. For caf the Open Government Licence v3.0 when absent.
    #[arg(long)]
    licence: Option<String>,
    /// Leave a framework as a draft.
    #[arg(long)]
    draft: bool,
}

/// How a framework is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A catalog.
    Oscal,
    /// The Cyber Assessment Framework.
    Caf,
}

/// A framework as it was read.
struct Read {
    catalog: Catalog,
    title: String,
    edition: String,
    authority: String,
    licence: Option<String>,
}

pub(super) fn run(format: Format, about: &About, paths: &[PathBuf]) -> Result<(), Failure> {
    let db = Db::new(&Config::from_environment()?.database);
    let read: Vec<Read> = paths.iter().map(|path| read(format, about, path)).collect::<Result<_, _>>()?;
    let (organisation, draft) = (about.organisation.clone(), about.draft);
    block_on(async move {
        let kept = db.write(Actor::operator(COMMAND), move |tx| {
            read.iter().map(|read| keep(tx, read, &organisation, draft)).collect::<Result<Vec<String>, Problem>>()
        });
        let kept = kept.await.map_err(|problem: Problem| Failure::failed(told(&problem)))?;
        for sentence in kept {
            eprintln!("{sentence}");
        }
        Ok(())
    })
}

fn told(problem: &Problem) -> String {
    let faults: Vec<&str> = problem.faults.iter().map(|fault| fault.detail.as_ref()).collect();
    let cause = problem.cause.as_deref().unwrap_or(&problem.detail);
    std::iter::once(cause).chain(faults).collect::<Vec<_>>().join(" ")
}

fn read(format: Format, about: &About, path: &Path) -> Result<Read, Failure> {
    let unreadable = |error: &dyn std::fmt::Display| Failure {
        code: 2,
        sentences: vec![format!("{} cannot be read: {error}", path.display())],
    };
    let file = File::open(path).map_err(|error| unreadable(&error))?;
    let document = match format {
        Format::Oscal => serde_json::from_reader(BufReader::new(file)).map_err(|error| unreadable(&error))?,
        Format::Caf => {
            let written: DateTime<Utc> =
                file.metadata().and_then(|metadata| metadata.modified()).map_err(|error| unreadable(&error))?.into();
            let name = path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let named =
                name.rsplit_once("_v").or_else(|| name.rsplit_once("-v")).map(|(_, edition)| edition.replace('_', "."));
            let about = caf::About {
                title: about.title.clone().unwrap_or_else(|| "Cyber Assessment Framework".to_owned()),
                edition: about.edition.clone().or(named).ok_or_else(|| {
                    Failure::usage("The name of the file does not tell the edition; give it with --edition.")
                })?,
                last_modified: written.to_rfc3339_opts(SecondsFormat::Secs, true),
            };
            caf::read(BufReader::new(file), &about).map_err(|error| unreadable(&error))?
        }
    };
    let metadata = document.pointer("/catalog/metadata").cloned().unwrap_or_default();
    let said = |field: &str| text(&metadata, field).unwrap_or_default().to_owned();
    let (title, edition) = (
        about.title.clone().unwrap_or_else(|| said("title")),
        about.edition.clone().unwrap_or_else(|| said("version")),
    );
    let catalog = catalog::read(document.to_string().as_bytes()).map_err(|faults| Failure {
        code: 2,
        sentences: faults
            .iter()
            .map(|Fault { pointer, detail, .. }| format!("{}: {pointer} {detail}", path.display()))
            .collect(),
    })?;
    let of_caf = |text: &str| (format == Format::Caf).then(|| text.to_owned());
    let authority =
        about.authority.clone().or_else(|| of_caf("National Cyber Security Centre")).or_else(|| publisher(&document));
    let authority =
        authority.ok_or_else(|| Failure::usage("The file does not tell who issues it; give it with --authority."))?;
    let licence = about.licence.clone().or_else(|| of_caf("Open Government Licence v3.0"));
    Ok(Read { catalog, title, edition, authority, licence })
}

/// The first party that a catalog names.
fn publisher(document: &Value) -> Option<String> {
    document.pointer("/catalog/metadata/parties/0/name")?.as_str().map(ToOwned::to_owned)
}

/// Keeps a framework; what became of it, as a sentence.
fn keep(tx: &mut Tx<'_>, read: &Read, organisation: &str, draft: bool) -> Result<String, Problem> {
    let organisation_id = organisations::resolve_one(tx, "/organisation", organisation)?;
    let Read { catalog, title, edition, authority, licence } = read;
    let slug = kebab_case(&format!("{title} {edition}"));
    let held = match frameworks::lock(tx, &Key::from(slug.as_str())) {
        Ok(held) => held,
        Err(db::Error::NotFound) => {
            let state = FrameworkState {
                slug: slug.clone(),
                title: title.clone(),
                edition: edition.clone(),
                summary: None,
                authority: authority.clone(),
                licence: licence.clone(),
                organisation_id,
                supersedes_id: None,
            };
            frameworks::create(tx, Uuid::now_v7(), &state)?
        }
        Err(other) => return Err(other.into()),
    };
    if held.status != FrameworkStatus::Draft {
        let same = same(tx, &held, catalog)?;
        let what = if same { "unchanged" } else { "published, so it stays as it is; import another edition instead" };
        return Ok(format!("{slug}: {what}."));
    }
    let mut kept = items::put(tx, &held, &catalog.envelope, &catalog.items)?;
    if !draft {
        kept = frameworks::publish(tx, &kept)?;
    }
    Ok(format!("{slug}: {} controls, {}.", kept.control_count, kept.status))
}

fn same(tx: &mut Tx<'_>, held: &Framework, catalog: &Catalog) -> Result<bool, Problem> {
    let seen = frameworks::find(&mut tx.conn(), &Sight::new(&Roles::default()), &Key::Id(held.id))?;
    let mut found = Vec::new();
    items::each(&mut tx.conn(), seen.id, |piece| {
        found.extend(piece);
        Ok::<_, db::Error>(())
    })?;
    Ok(found == catalog.items)
}
