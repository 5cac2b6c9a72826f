//! `loti seed`: the reference lists and a demo catalogue of real facts, built in.
//!
//! Through the same code as `loti import`, so that a second run writes nothing and what people changed since stays.

use std::io;
use std::path::Path;
use std::sync::Arc;

use db::checklists;
use db::events::EventStatus;
use db::frameworks::{self as standards, items};
use db::lease_templates::content::{self, Clause, Variable};
use db::lease_templates::{self as templates, versions};
use db::organisations::{self, Key};
use db::reference::{self, LgslService};
use db::{Actor, Db, Tx, networks};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::import::failure;
use super::{Failure, block_on};
use crate::config::Config;
use crate::import::{Format, Import, Options, Resource, Rules, Tally};
use crate::oscal::catalog;
use crate::problem::Problem;
use crate::v1;
use crate::v1::checklists::wire::{ChecklistState, Ids};
use crate::v1::events::wire::CreateEvent;
use crate::v1::frameworks::wire::FrameworkState;
use crate::v1::lease_templates::content::{LeaseClause, LeaseVariable};
use crate::v1::lease_templates::submit;
use crate::v1::lease_templates::wire::{LeaseTemplateState, LeaseTemplateVersionState};
use crate::v1::networks::wire::CreateNetwork;

const COMMAND: &str = "loti seed";

const SERVICES: &str = include_str!("../../../db/seed/lgsl_services.csv");
const CATEGORIES: &str = include_str!("../../../db/seed/publiccode_categories.csv");
const ORGANISATIONS: &str = include_str!("../../../db/seed/organisations.csv");
const PRODUCTS: &str = include_str!("../../../db/seed/products.jsonl");
const CITATIONS: &str = include_str!("../../../db/seed/citations.csv");
const EVENTS: &str = include_str!("../../../db/seed/events.json");
const LEASE_TEMPLATES: &str = include_str!("../../../db/seed/lease_templates.json");
const FRAMEWORKS: &str = include_str!("../../../db/seed/frameworks.json");

pub(super) fn run() -> Result<(), Failure> {
    let db = Db::new(&Config::from_environment()?.database);
    let rules = Arc::new(Rules::new(&v1::routes().contract()).map_err(Failure::failed)?);
    block_on(async move {
        let (services, categories) = (services()?, categories()?);
        let written = db
            .write(Actor::operator(COMMAND), move |tx| {
                let services = reference::put_lgsl_services(tx, &services)?;
                let categories = reference::put_publiccode_categories(tx, &categories)?;
                Ok::<_, db::Error>(services + categories)
            })
            .await?;
        eprintln!("Reference lists: {written} entries written.");
        let mut refused = 0;
        for (resource, name, text, format) in [
            (Resource::Organisations, "organisations.csv", ORGANISATIONS, Format::Csv),
            (Resource::Products, "products.jsonl", PRODUCTS, Format::Jsonl),
            (Resource::Citations, "citations.csv", CITATIONS, Format::Csv),
        ] {
            let tally = load(&db, &rules, resource, name, text, format).await?;
            eprintln!("{name}: {tally}");
            refused += tally.refused;
        }
        let made = db.write(Actor::operator(COMMAND), |tx| events(tx, &read(EVENTS)?)).await.map_err(failed)?;
        eprintln!("events.json: {made} networks and events made");
        let made = db.write(Actor::operator(COMMAND), |tx| {
            let agreements: Vec<Agreement> = read(LEASE_TEMPLATES)?;
            lease_templates(tx, &agreements)
        });
        let made = made.await;
        eprintln!("lease_templates.json: {} templates published", made.map_err(failed)?);
        let made = db.write(Actor::operator(COMMAND), |tx| frameworks(tx, &read::<Vec<Standard>>(FRAMEWORKS)?)).await;
        eprintln!("frameworks.json: {} checklists published", made.map_err(failed)?);
        if refused == 0 { Ok(()) } else { Err(Failure { code: 1, sentences: Vec::new() }) }
    })
}

/// Networks, and events that took place.
#[derive(Deserialize)]
struct Meetings {
    networks: Vec<CreateNetwork>,
    events: Vec<CreateEvent>,
}

fn read<T: DeserializeOwned>(json: &str) -> Result<T, Problem> {
    serde_json::from_str(json).map_err(|error| Problem::internal(error.to_string()))
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn failed(problem: Problem) -> Failure {
    Failure::failed(problem.cause.as_deref().unwrap_or(&problem.detail).to_owned())
}

/// Makes those that are not there; tells how many.
fn events(tx: &mut Tx<'_>, meetings: &Meetings) -> Result<usize, Problem> {
    let mut made = 0;
    for wanted in &meetings.networks {
        let slug = wanted.slug.clone().unwrap_or_default();
        if !is_there(networks::id_of(&mut tx.conn(), &Key::from(slug.as_str())))? {
            let organisation = organisations::resolve_one(tx, "/organisation", &wanted.organisation)?;
            networks::create(tx, Uuid::now_v7(), &wanted.state(slug, organisation))?;
            made += 1;
        }
    }
    for wanted in &meetings.events {
        let slug = wanted.slug.clone().unwrap_or_default();
        if !is_there(db::events::id_of(&mut tx.conn(), &Key::from(slug.as_str())))? {
            let network = match &wanted.network {
                Some(named) => Some(networks::id_of(&mut tx.conn(), &Key::from(named.as_str()))?),
                None => None,
            };
            let state = wanted.state(tx, slug, network)?;
            let draft = db::events::create(tx, Uuid::now_v7(), &state)?;
            let published = db::events::advance(tx, &draft, EventStatus::Published, None)?;
            db::events::advance(tx, &published, EventStatus::Completed, None)?;
            made += 1;
        }
    }
    Ok(made)
}

/// A template, and the version of it that is published.
#[derive(Deserialize)]
struct Agreement {
    template: LeaseTemplateState,
    version: LeaseTemplateVersionState,
    variables: Vec<LeaseVariable>,
    clauses: Vec<LeaseClause>,
}

/// Publishes those that are not there; tells how many. They are ours to show what there is, so nobody has to approve.
fn lease_templates(tx: &mut Tx<'_>, agreements: &[Agreement]) -> Result<usize, Problem> {
    let mut made = 0;
    for Agreement { template, version, variables, clauses } in agreements {
        let slug = template.slug.clone().unwrap_or_default();
        if is_there(templates::id_of(&mut tx.conn(), &Key::from(slug.as_str())))? {
            continue;
        }
        let organisation = organisations::resolve_one(tx, "/organisation", &template.organisation)?;
        let template = templates::create(tx, Uuid::now_v7(), &template.state(slug, organisation), 0, None)?;
        let state = version.state().ok_or_else(|| Problem::internal("a version has no number"))?;
        let draft = versions::create(tx, &template, Uuid::now_v7(), &state, None)?;
        let variables: Vec<Variable> = variables.iter().cloned().map(Into::into).collect();
        let clauses: Vec<Clause> = clauses.iter().cloned().map(Into::into).collect();
        content::put_variables(tx, &template, &draft, &variables)?;
        let draft = content::put_clauses(tx, &template, &draft, &clauses)?;
        let submitted = submit(tx, &template, &draft)?;
        versions::publish(tx, &template, &submitted)?;
        made += 1;
    }
    Ok(made)
}

/// A framework, and a checklist of it.
#[derive(Deserialize)]
struct Standard {
    framework: FrameworkState,
    catalog: Value,
    checklist: ChecklistState,
}

/// Publishes those that are not there; tells how many.
fn frameworks(tx: &mut Tx<'_>, standards: &[Standard]) -> Result<usize, Problem> {
    let mut made = 0;
    for Standard { framework, catalog, checklist } in standards {
        let slug = framework.slug.clone().unwrap_or_default();
        if is_there(standards::id_of(&mut tx.conn(), &Key::from(slug.as_str())))? {
            continue;
        }
        let organisation_id = organisations::resolve_one(tx, "/organisation", &framework.organisation)?;
        let draft = standards::create(tx, Uuid::now_v7(), &framework.stored(slug, organisation_id, None))?;
        let document = serde_json::json!({ "catalog": catalog }).to_string();
        let read = catalog::read(document.as_bytes()).map_err(Problem::invalid)?;
        let draft = items::put(tx, &draft, &read.envelope, &read.items)?;
        let framework_id = standards::publish(tx, &draft)?.id;
        let organisation_id = organisations::resolve_one(tx, "/organisation", &checklist.organisation)?;
        let ids = Ids { organisation: organisation_id, framework: framework_id, supersedes: None };
        let state = checklist.stored(checklist.slug.clone().unwrap_or_default(), ids, Map::new());
        let selected = v1::checklists::selected(tx, &state, &checklist.adjustments())?;
        let draft = checklists::create(tx, Uuid::now_v7(), &state, &selected)?;
        checklists::publish(tx, &draft)?;
        made += 1;
    }
    Ok(made)
}

fn is_there(found: db::Result<Uuid>) -> db::Result<bool> {
    match found {
        Ok(_) => Ok(true),
        Err(db::Error::NotFound) => Ok(false),
        Err(other) => Err(other),
    }
}

async fn load(
    db: &Db,
    rules: &Arc<Rules>,
    resource: Resource,
    name: &str,
    text: &str,
    format: Format,
) -> Result<Tally, Failure> {
    let options = Options { source: Some("seed".to_owned()), ..Options::default() };
    let mut import = Import::new(db.clone(), COMMAND, Arc::clone(rules), resource, options, io::stdout());
    import.read(Path::new(name), text.as_bytes(), format).await.map_err(|error| failure(&error))?;
    Ok(import.tally())
}

fn records(text: &'static str) -> impl Iterator<Item = Result<csv::StringRecord, Failure>> {
    let reader = csv::Reader::from_reader(text.as_bytes());
    reader.into_records().map(|record| record.map_err(|error| Failure::failed(error.to_string())))
}

fn services() -> Result<Vec<LgslService>, Failure> {
    let service = |record: csv::StringRecord| {
        let cell = |index| record.get(index).unwrap_or_default().to_owned();
        LgslService { code: cell(0), label: cell(1), status: cell(2) }
    };
    records(SERVICES).map(|record| record.map(service)).collect()
}

fn categories() -> Result<Vec<String>, Failure> {
    records(CATEGORIES).map(|record| record.map(|record| record.get(0).unwrap_or_default().to_owned())).collect()
}
