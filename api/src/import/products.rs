//! What a row says of a product, and how it is applied.
//!
//! A row is either in our own format, the fields of `CreateProduct` with references by slug, or in that of the
//! catalogues we know: `source`, `source_id`, `licences`, `url`, `source_code_url`, `suppliers` by name and so on.

use db::organisations::{Key, OrganisationKind};
use db::products::{self, Note, Phase};
use db::sources::SourceRecord;
use db::{Role, Tx};
use serde_json::{Map, Value, json};
use url::Url;
use uuid::Uuid;

use super::organisations::{add_supplier, meant};
use super::{Applied, Content, Options, Row, Rules, fault, of_same_source, overlay};
use crate::auth;
use crate::contract::body::Origins;
use crate::contract::is_spdx;
use crate::problem::{Fault, Problem};
use crate::v1::products::wire::CreateProduct;
use crate::words::{cut, kebab_case, one_line};

/// Characters that a name may have.
const NAME: usize = 120;
/// Characters that a summary may have.
const SUMMARY: usize = 150;
/// Characters from which the summary of another maker is no summary any more.
const NO_SUMMARY: usize = 1000;

/// Fields that only rows of other makers have.
const FOREIGN: &[&str] =
    &["source_id", "url", "source_code_url", "licences", "suppliers", "archived", "product_type", "stage"];

/// What is taken from such a row.
const TAKEN: &[&str] = &[
    "source",
    "source_id",
    "name",
    "summary",
    "description",
    "categories",
    "platforms",
    "licences",
    "url",
    "source_code_url",
    "archived",
    "suppliers",
    "features",
];

/// Hosts of source code; besides them, any that calls itself so in its first label.
const CODE_HOSTS: &[&str] = &["github.com", "gitlab.com", "bitbucket.org", "codeberg.org", "git.sr.ht", "framagit.org"];
const CODE_LABELS: &[&str] = &["git", "gitlab", "gitea", "forgejo"];

/// What a row says.
#[derive(Debug, Clone, Default)]
pub struct ProductRow {
    /// Fields of `CreateProduct`, but for the references.
    pub(super) fields: Map<String, Value>,
    /// Fields for a new product when the row does not speak of them.
    defaults: Map<String, Value>,
    /// `supplier` and `owner`: keys of the same data set, or ids or slugs.
    references: Vec<(&'static str, String)>,
    /// Names of suppliers, as they are spelled.
    suppliers: Vec<String>,
    /// Whether a supplier that nobody knows is added.
    create_suppliers: bool,
}

/// A JSON object as a row.
pub(super) fn row(line: u64, object: Map<String, Value>, options: &Options, default_source: &str) -> Row {
    let source = options.source.clone().or_else(|| text_of(&object, "source"));
    let source = source.unwrap_or_else(|| default_source.to_owned());
    if FOREIGN.iter().any(|field| object.contains_key(*field)) {
        Row { on_behalf: options.on_behalf, ..foreign(line, &object, options, &source) }
    } else {
        Row { on_behalf: options.on_behalf, ..own(line, object, &source) }
    }
}

fn text_of(object: &Map<String, Value>, field: &str) -> Option<String> {
    object.get(field).and_then(Value::as_str).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

fn own(line: u64, mut object: Map<String, Value>, source: &str) -> Row {
    object.remove("source");
    let key = object.remove("externalId").and_then(|key| key.as_str().map(str::to_owned));
    let key = key.or_else(|| text_of(&object, "slug")).or_else(|| text_of(&object, "name")).unwrap_or_default();
    let mut references = Vec::new();
    for field in ["supplier", "owner"] {
        if let Some(Value::String(key)) = object.get(field) {
            references.push((field, key.clone()));
            object.remove(field);
        }
    }
    let product = ProductRow { fields: object, defaults: defaults(source), references, ..ProductRow::default() };
    product.into_row(line, source, &key)
}

/// What a product is when nobody says otherwise.
fn defaults(source: &str) -> Map<String, Value> {
    let kind = if source == "govuk" { "service" } else { "product" };
    [("kind".to_owned(), json!(kind)), ("phase".to_owned(), json!("live"))].into_iter().collect()
}

fn foreign(line: u64, object: &Map<String, Value>, options: &Options, source: &str) -> Row {
    let mut reader = Reader { object, fields: Map::new(), origins: Origins::default(), notes: vec![], faults: vec![] };
    let name = reader.text("name").map(|name| one_line(&name));
    reader.fields.insert("name".to_owned(), json!(name.clone().unwrap_or_default()));
    reader.summary();
    reader.addresses();
    reader.licence();
    let slugs = reader.texts("categories").iter().map(|category| kebab_case(category)).collect();
    reader.list("categories", slugs);
    for field in ["platforms", "features"] {
        let texts = reader.texts(field);
        reader.list(field, texts);
    }
    if object.get("archived") == Some(&json!(true)) {
        reader.fields.insert("phase".to_owned(), json!("retired"));
        reader.fields.insert("developmentStatus".to_owned(), json!("obsolete"));
    }
    let suppliers: Vec<String> = reader.texts("suppliers").iter().map(|name| one_line(name)).collect();
    let key = reader.text("source_id").or_else(|| text_of(object, "externalId")).or(name).unwrap_or_default();
    let Reader { fields, origins, notes, faults, .. } = reader;
    let create_suppliers = options.create_suppliers && !suppliers.is_empty();
    let product = ProductRow { fields, defaults: defaults(source), references: vec![], suppliers, create_suppliers };
    let mut row = product.into_row(line, source, &key);
    row.faults.extend(faults);
    let unused = object.keys().filter(|field| !TAKEN.contains(&field.as_str())).cloned().collect();
    Row { origins, notes, unused, ..row }
}

/// Takes the fields of a product from the row of another maker.
struct Reader<'a> {
    object: &'a Map<String, Value>,
    fields: Map<String, Value>,
    origins: Origins,
    notes: Vec<String>,
    faults: Vec<Fault>,
}

impl Reader<'_> {
    fn text(&mut self, field: &str) -> Option<String> {
        match self.object.get(field) {
            None | Some(Value::Null | Value::String(_)) => text_of(self.object, field),
            Some(_) => {
                self.faults.push(fault(format!("/{field}"), "wrong_type", "must be a string"));
                None
            }
        }
    }

    /// The texts of a list, or the one text in its place.
    fn texts(&mut self, field: &str) -> Vec<String> {
        let items = match self.object.get(field) {
            None | Some(Value::Null) => return Vec::new(),
            Some(Value::String(one)) => vec![one.clone()],
            Some(list) => serde_json::from_value(list.clone()).unwrap_or_else(|_| {
                self.faults.push(fault(format!("/{field}"), "wrong_type", "must be an array of strings"));
                Vec::new()
            }),
        };
        items.iter().map(|item| item.trim().to_owned()).filter(|item| !item.is_empty()).collect()
    }

    fn list(&mut self, field: &str, items: Vec<String>) {
        let items: Vec<String> = items.into_iter().filter(|item| !item.is_empty()).collect();
        if !items.is_empty() {
            self.fields.insert(field.to_owned(), json!(items));
        }
    }

    /// A summary that is too long is cut; where there is no description, all of it becomes that.
    fn summary(&mut self) {
        let description = self.text("description");
        let whole = self.text("summary");
        if let Some(whole) = &whole {
            let line = one_line(whole);
            let length = line.chars().count();
            if length > NO_SUMMARY {
                let detail = format!("must have at most {NO_SUMMARY} characters to be cut, and has {length}");
                self.faults.push(fault("/summary", "too_long", detail));
                return;
            }
            let summary = if description.is_none() { cut(&line, SUMMARY) } else { line.clone() };
            if summary != line {
                self.notes.push(format!("summary: has {length} characters; cut, and kept whole as description"));
                self.origins.note("/description", "/summary");
                self.fields.insert("description".to_owned(), json!(whole));
            }
            self.fields.insert("summary".to_owned(), json!(summary));
        }
        if let Some(description) = description {
            self.fields.insert("description".to_owned(), json!(description));
        }
    }

    /// `url` is the website, unless it leads to source code and nothing else does.
    fn addresses(&mut self) {
        let (url, code) = (self.text("url"), self.text("source_code_url"));
        let proprietary = self.texts("licences").iter().any(|licence| is_proprietary(licence));
        let code = code.filter(|code| !(proprietary && Some(code) == url.as_ref()));
        match (url, code) {
            (Some(url), None) if holds_code(&url) && !proprietary => self.address("repository", "url", &url),
            (url, code) => {
                if let Some(url) = url {
                    self.address("website", "url", &url);
                }
                if let Some(code) = code {
                    self.address("repository", "source_code_url", &code);
                }
            }
        }
    }

    fn address(&mut self, field: &str, origin: &str, url: &str) {
        self.origins.note(format!("/{field}"), format!("/{origin}"));
        self.fields.insert(field.to_owned(), json!(url));
    }

    /// Several licences are offered for choice: catalogues list those that one may use the software under. Where it is
    /// otherwise (parts under different licences) the list does not tell, and a choice is what most mean.
    fn licence(&mut self) {
        let mut licences = self.texts("licences");
        licences.sort();
        licences.dedup();
        if licences.is_empty() || licences.iter().any(|licence| is_proprietary(licence)) {
            return;
        }
        let unknown: Vec<&str> = licences.iter().filter(|licence| !is_spdx(licence)).map(String::as_str).collect();
        if unknown.is_empty() {
            self.origins.note("/licence", "/licences");
            self.fields.insert("licence".to_owned(), json!(licences.join(" OR ")));
        } else {
            self.notes.push(format!("licences: {} is no SPDX licence; left empty", unknown.join(", ")));
        }
    }
}

fn is_proprietary(licence: &str) -> bool {
    licence.to_lowercase().contains("proprietary")
}

fn holds_code(url: &str) -> bool {
    let Ok(url) = Url::parse(url) else { return false };
    let host = url.host_str().unwrap_or_default();
    let label = host.split('.').next().unwrap_or_default();
    CODE_HOSTS.contains(&host.trim_start_matches("www.")) || CODE_LABELS.contains(&label)
}

impl ProductRow {
    /// A row that names no other records.
    pub(super) fn of_fields(fields: Map<String, Value>) -> Self {
        Self { fields, ..Self::default() }
    }

    fn into_row(self, line: u64, source: &str, key: &str) -> Row {
        let hashed = json!([self.fields, self.defaults, self.references, self.suppliers, self.create_suppliers]);
        Row::new(line, source, key, Content::Product(Box::new(self)), &hashed)
    }

    pub(super) fn apply(
        &self,
        tx: &mut Tx<'_>,
        rules: &Rules,
        row: &Row,
        known: Option<&SourceRecord>,
    ) -> Result<Applied, Problem> {
        let mut notes = Vec::new();
        // What is wrong with the row itself comes before suppliers are looked up, or added.
        let mut body = Value::Object(self.complete(&row.source));
        rules.product.read::<CreateProduct>(body.clone())?;
        let references = self.resolved(tx, rules, &row.source, &mut notes)?;
        let applied = if let Some(record) = known {
            self.change(tx, rules, row, record.object_id, &references)?
        } else {
            overlay(&mut body, &references);
            if let Some(own) = row.on_behalf.filter(|own| supplies(tx, *own)) {
                overlay_missing(&mut body, "supplier", own);
            }
            let wanted: CreateProduct = rules.product.read(body)?;
            // A name or slug that another has is no reason to refuse a row: it gets a number.
            let slug = products::free_slug(tx, wanted.slug.as_deref().unwrap_or(&wanted.facts.name))?;
            let state = wanted.state(tx, slug)?;
            if row.on_behalf.is_some() {
                auth::rules::may_create_product(tx.roles(), &state)?;
            }
            Applied::created(products::create(tx, Uuid::now_v7(), &state)?.row.id)
        };
        Ok(Applied { notes, ..applied })
    }

    /// The fields of a new product.
    fn complete(&self, source: &str) -> Map<String, Value> {
        let mut fields = if self.defaults.is_empty() { defaults(source) } else { self.defaults.clone() };
        fields.extend(self.fields.iter().map(|(name, value)| (name.clone(), value.clone())));
        fields
    }

    /// The same row says something else now: its fields take the place of what was there.
    fn change(
        &self,
        tx: &mut Tx<'_>,
        rules: &Rules,
        row: &Row,
        id: Uuid,
        references: &Map<String, Value>,
    ) -> Result<Applied, Problem> {
        let current = products::lock(tx, &Key::Id(id))?;
        let before = &current.row.state;
        let mut fields = self.fields.clone();
        fields.remove("slug");
        let phase = fields.get("phase").and_then(Value::as_str).and_then(|phase| phase.parse::<Phase>().ok());
        if let Some(phase) = phase.filter(|phase| *phase != before.phase) {
            fields.entry("phaseStartedOn").or_insert(Value::Null);
            let back = (phase < before.phase).then(|| format!("As imported from {}.", row.source));
            fields.entry("phaseReason").or_insert(json!(back));
        }
        let base = serde_json::to_value(CreateProduct::from(before.clone()));
        let mut body = base.map_err(|error| Problem::internal(error.to_string()))?;
        overlay(&mut body, &fields);
        overlay(&mut body, references);
        let state = rules.product.read::<CreateProduct>(body)?.state(tx, before.slug.clone())?;
        if row.on_behalf.is_some() {
            auth::rules::may_update_product(tx.roles(), before, &state)?;
        }
        let changed = products::update(tx, &current, &state, &Note::default())?;
        Ok(Applied::updated(id, true, current.row.version, changed.row.version))
    }

    fn resolved(
        &self,
        tx: &mut Tx<'_>,
        rules: &Rules,
        source: &str,
        notes: &mut Vec<String>,
    ) -> Result<Map<String, Value>, Problem> {
        let mut fields = Map::new();
        for (field, key) in &self.references {
            let id = of_same_source(tx, source, key)?;
            fields.insert((*field).to_owned(), json!(id.map_or_else(|| key.clone(), |id| id.to_string())));
        }
        if let Some(id) = self.supplier(tx, rules, notes)? {
            fields.insert("supplier".to_owned(), json!(id.to_string()));
        }
        Ok(fields)
    }

    /// The one organisation that the spellings lead to.
    fn supplier(&self, tx: &mut Tx<'_>, rules: &Rules, notes: &mut Vec<String>) -> Result<Option<Uuid>, Problem> {
        let mut found = Vec::new();
        for spelling in &self.suppliers {
            let references = meant(tx, "suppliers", spelling, notes)?;
            match references.len() {
                0 => notes.push(format!("suppliers: nobody is known as {spelling:?}")),
                1 => {}
                n => notes.push(format!("suppliers: {n} organisations are known as {spelling:?}")),
            }
            found.extend(references.into_iter().map(|reference| reference.id));
        }
        found.sort_unstable();
        found.dedup();
        match (found.as_slice(), self.suppliers.as_slice()) {
            ([only], _) => Ok(Some(*only)),
            ([], [spelling]) if self.create_suppliers => {
                notes.clear();
                notes.push(format!("suppliers: added {spelling:?}"));
                add_supplier(tx, rules, spelling).map(Some)
            }
            ([], [_, _, ..]) if self.create_suppliers => {
                notes.push("suppliers: several are named and one can be kept, so none was added".to_owned());
                Ok(None)
            }
            _ => Ok(None),
        }
    }
}

/// Whether an organisation is a supplier, as one of its own people sees it.
fn supplies(tx: &Tx<'_>, organisation: Uuid) -> bool {
    let of_it = |membership: &db::people::Membership| {
        membership.organisation_id == organisation && membership.kind == OrganisationKind::Supplier
    };
    tx.roles().with(Role::Contributor).any(of_it)
}

fn overlay_missing(body: &mut Value, field: &str, id: Uuid) {
    if let Some(fields) = body.as_object_mut() {
        fields.entry(field).or_insert_with(|| json!(id.to_string()));
    }
}

/// A product of that name, added.
pub(super) fn add_product(
    tx: &mut Tx<'_>,
    rules: &Rules,
    source: &str,
    name: &str,
    supplier_id: Option<Uuid>,
) -> Result<Uuid, Problem> {
    let mut body = defaults(source);
    body.insert("name".to_owned(), json!(cut(&one_line(name), NAME)));
    body.extend(supplier_id.map(|id| ("supplier".to_owned(), json!(id))));
    let wanted: CreateProduct = rules.product.read(Value::Object(body))?;
    let slug = products::free_slug(tx, &wanted.facts.name)?;
    let state = wanted.state(tx, slug)?;
    Ok(products::create(tx, Uuid::now_v7(), &state)?.row.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(object: Value) -> (Row, ProductRow) {
        let Value::Object(object) = object else { panic!("no object") };
        let row = row(1, object, &Options::default(), "file");
        let Content::Product(product) = row.content.clone() else { panic!("{row:?}") };
        (row, *product)
    }

    #[test]
    fn a_code_host_is_the_repository_when_nothing_else_is() {
        let (_, product) = read(json!({ "source_id": "a", "name": "A", "url": "https://github.com/a/a" }));
        assert_eq!(Value::Object(product.fields), json!({ "name": "A", "repository": "https://github.com/a/a" }));
        let (_, product) = read(json!({ "source_id": "a", "name": "A", "url": "https://a.org" }));
        assert_eq!(Value::Object(product.fields), json!({ "name": "A", "website": "https://a.org" }));
    }

    #[test]
    fn proprietary_products_have_no_licence_and_no_repository() {
        let (row, product) = read(json!({
            "source_id": "a", "name": "A", "url": "https://a.org", "source_code_url": "https://a.org",
            "licences": ["⊘ Proprietary"],
        }));
        assert_eq!(Value::Object(product.fields), json!({ "name": "A", "website": "https://a.org" }));
        assert!(row.notes.is_empty());
    }

    #[test]
    fn licences_are_alternatives_when_all_are_known() {
        let (_, product) = read(json!({ "source_id": "a", "name": "A", "licences": ["MIT", "GPL-3.0", "MIT"] }));
        assert_eq!(product.fields["licence"], "GPL-3.0 OR MIT");
        let (row, product) = read(json!({ "source_id": "a", "name": "A", "licences": ["MIT", "Commons-Clause"] }));
        assert!(!product.fields.contains_key("licence"));
        assert!(row.notes[0].contains("Commons-Clause"));
    }

    #[test]
    fn a_long_summary_is_cut_and_one_too_long_refused() {
        let (row, product) = read(json!({ "source_id": "a", "name": "A", "summary": "word ".repeat(50) }));
        assert!(product.fields["summary"].as_str().unwrap().ends_with('…'));
        assert_eq!(product.fields["description"], "word ".repeat(50).trim());
        assert_eq!(row.notes.len(), 1);
        let (row, _) = read(json!({ "source_id": "a", "name": "A", "summary": "x".repeat(1001) }));
        assert_eq!(row.faults[0].code, "too_long");
    }
}
