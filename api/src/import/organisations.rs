//! What a row says of an organisation, and how it is applied.
//!
//! An organisation belongs to the row it was first made from: that row's data set may change it. A row of another set
//! that shares an identifier is joined to it and only fills gaps: what somebody else says first stands.

use db::Tx;
use db::organisations::{self, Key, OrganisationState, Reference};
use db::sources::{self, SourceRecord};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{Applied, Content, Options, Row, Rules, fault, of_same_source, overlay};
use crate::problem::{CONFLICT, Problem};
use crate::v1::organisations::wire::CreateOrganisation;

/// Aliases that an organisation may have.
const MOST_ALIASES: usize = 50;

/// What a row says.
#[derive(Debug, Clone, Default)]
pub struct OrganisationRow {
    /// Fields of `CreateOrganisation`, but for those that refer to others.
    pub(super) fields: Map<String, Value>,
    /// Fields for a new organisation when the row does not speak of them.
    pub(super) defaults: Map<String, Value>,
    /// The body it is part of: a key of the same data set, or an id or slug.
    pub(super) parent: Option<String>,
    /// The bodies that took over, in the same way.
    pub(super) replaced_by: Vec<String>,
}

impl OrganisationRow {
    /// What makes two rows equal.
    pub(super) fn hashed(&self) -> Value {
        json!([self.fields, self.defaults, self.parent, self.replaced_by])
    }

    pub(super) fn apply(
        &self,
        tx: &mut Tx<'_>,
        rules: &Rules,
        row: &Row,
        known: Option<&SourceRecord>,
    ) -> Result<Applied, Problem> {
        let wanted = self.wanted(tx, rules, &row.source)?;
        let state = wanted.state(tx, String::new())?;
        match known {
            Some(record) if record.founder => self.change(tx, rules, &row.source, record.object_id),
            Some(record) => join(tx, rules, record.object_id, &state),
            None => match holder(tx, &state)? {
                None => create(tx, &wanted, state),
                Some(id) => {
                    not_of_same_source(tx, &row.source, id)?;
                    join(tx, rules, id, &state)
                }
            },
        }
    }

    /// The organisation as it would be added.
    fn wanted(&self, tx: &mut Tx<'_>, rules: &Rules, source: &str) -> Result<CreateOrganisation, Problem> {
        let mut body = Value::Object(self.defaults.clone());
        overlay(&mut body, &self.fields);
        overlay(&mut body, &self.references(tx, source)?);
        rules.organisation.read(body)
    }

    /// A key of the same data set as the id that it has here; anything else as it is, to be looked up as usual.
    fn references(&self, tx: &mut Tx<'_>, source: &str) -> Result<Map<String, Value>, Problem> {
        let mut looked_up = |key: &String| {
            // A code that could not be a slug would be refused for its form, where all that is wrong is the order.
            let form = || if crate::http::text::is_slug(key) { key.clone() } else { Uuid::nil().to_string() };
            Ok::<_, Problem>(of_same_source(tx, source, key)?.map_or_else(form, |id| id.to_string()))
        };
        let mut fields = Map::new();
        if let Some(parent) = &self.parent {
            fields.insert("parent".to_owned(), json!(looked_up(parent)?));
        }
        if !self.replaced_by.is_empty() {
            let keys: Vec<String> = self.replaced_by.iter().map(&mut looked_up).collect::<Result<_, _>>()?;
            fields.insert("replacedBy".to_owned(), json!(keys));
        }
        Ok(fields)
    }

    /// The founder's row came again and says something else: its fields take the place of what was there, spellings
    /// and codes of other lists stay.
    fn change(&self, tx: &mut Tx<'_>, rules: &Rules, source: &str, id: Uuid) -> Result<Applied, Problem> {
        let current = organisations::lock(tx, &Key::Id(id))?;
        let before = OrganisationState::from(&current);
        let mut body = to_json(&CreateOrganisation::from(&before))?;
        let mut fields = self.fields.clone();
        fields.remove("slug");
        fields.remove("aliases");
        fields.remove("identifiers");
        overlay(&mut body, &fields);
        overlay(&mut body, &self.references(tx, source)?);
        let wanted = self.wanted(tx, rules, source)?.state(tx, before.slug.clone())?;
        let mut state = rules.organisation.read::<CreateOrganisation>(body)?.state(tx, before.slug.clone())?;
        let replaced = |scheme: &str| wanted.identifiers.iter().any(|identifier| identifier.scheme == scheme);
        state.identifiers.retain(|identifier| !replaced(&identifier.scheme));
        state.identifiers.extend(wanted.identifiers);
        add_spellings(&mut state, wanted.aliases);
        state.tidy();
        let state = checked(rules, tx, &state)?;
        let changed = organisations::update(tx, &current, &state)?;
        Ok(Applied::updated(id, true, current.row.version, changed.row.version))
    }
}

fn create(tx: &mut Tx<'_>, wanted: &CreateOrganisation, mut state: OrganisationState) -> Result<Applied, Problem> {
    // A slug that another holds is no reason to refuse a row: it gets a number.
    state.slug = organisations::free_slug(tx, wanted.slug.as_deref().unwrap_or(&state.name))?;
    let aliases = std::mem::take(&mut state.aliases);
    add_spellings(&mut state, aliases);
    Ok(Applied::created(organisations::create(tx, Uuid::now_v7(), &state)?.row.id))
}

/// Who holds the first of the codes that anybody holds. The others may belong to someone else, when different data
/// sets founded two organisations for what this row knows to be one: that is noted when it is joined, for a person to
/// judge.
fn holder(tx: &mut Tx<'_>, state: &OrganisationState) -> Result<Option<Uuid>, Problem> {
    for identifier in &state.identifiers {
        if let Some(id) = organisations::by_identifier(&mut tx.conn(), identifier)? {
            return Ok(Some(id));
        }
    }
    Ok(None)
}

/// Two rows of one data set are two organisations. Several may still be one that another set founded, and knows under
/// more than one code.
fn not_of_same_source(tx: &mut Tx<'_>, source: &str, id: Uuid) -> Result<(), Problem> {
    match sources::founder(&mut tx.conn(), "organisations", source, id)? {
        None => Ok(()),
        Some(other) => Err(taken(&format!("row {other} of the same data set has one of these identifiers"))),
    }
}

fn taken(detail: &str) -> Problem {
    Problem::new(&CONFLICT, detail.to_owned()).with_faults([fault("/identifiers", "identifier_taken", detail)])
}

/// Fills the gaps of an organisation that another row founded.
fn join(tx: &mut Tx<'_>, rules: &Rules, id: Uuid, row: &OrganisationState) -> Result<Applied, Problem> {
    let current = organisations::lock(tx, &Key::Id(id))?;
    let mut state = OrganisationState::from(&current);
    let mut notes = Vec::new();
    let spellings = std::iter::once(row.name.clone()).chain(row.aliases.iter().cloned()).collect();
    add_spellings(&mut state, spellings);
    for identifier in &row.identifiers {
        match organisations::by_identifier(&mut tx.conn(), identifier)? {
            None => state.identifiers.push(identifier.clone()),
            Some(holder) if holder == id => {}
            Some(_) => notes.push(format!("{}:{} belongs to another organisation", identifier.scheme, identifier.id)),
        }
    }
    fill(&mut state, row);
    state.tidy();
    let state = checked(rules, tx, &state)?;
    let changed = organisations::update(tx, &current, &state)?;
    Ok(Applied { notes, ..Applied::updated(id, false, current.row.version, changed.row.version) })
}

fn fill(state: &mut OrganisationState, row: &OrganisationState) {
    let (starts_on, ends_on) = (state.starts_on.or(row.starts_on), state.ends_on.or(row.ends_on));
    let in_order = starts_on.zip(ends_on).is_none_or(|(starts, ends)| starts <= ends);
    if in_order {
        (state.starts_on, state.ends_on) = (starts_on, ends_on);
    }
    state.website = state.website.take().or_else(|| row.website.clone());
    state.region = state.region.take().or_else(|| row.region.clone());
    state.parent_id = state.parent_id.or(row.parent_id.filter(|parent| !row.replaced_by.contains(parent)));
    if state.replaced_by.is_empty() {
        state.replaced_by.clone_from(&row.replaced_by);
    }
}

/// Key of the rows that only add a spelling.
const ALIAS: &str = "alias:";

/// A row that only adds a spelling to an organisation of the same data set.
pub(super) fn alias_row(line: u64, source: &str, key: &str, spelling: &str) -> Row {
    let own_key: String = format!("{ALIAS}{key}:{spelling}").chars().take(200).collect();
    let content = Content::Alias(key.to_owned(), spelling.to_owned());
    let mut row = Row::new(line, source, &own_key, content, &json!([key, spelling]));
    if spelling.is_empty() {
        row.faults.push(fault("/aliases", "too_short", "must not be empty"));
    }
    row
}

pub(super) fn add_alias(
    tx: &mut Tx<'_>,
    rules: &Rules,
    source: &str,
    key: &str,
    spelling: &str,
) -> Result<Applied, Problem> {
    let id = of_same_source(tx, source, key)?.ok_or_else(|| {
        let detail = format!("no organisation of {source} has the key {key:?}; import those first");
        Problem::invalid([fault("", "unknown_organisation", detail)])
    })?;
    let current = organisations::lock(tx, &Key::Id(id))?;
    let mut state = OrganisationState::from(&current);
    let before = state.aliases.len();
    add_spellings(&mut state, vec![spelling.to_owned()]);
    let full = before >= MOST_ALIASES && state.aliases.len() == before && !knows(&state, spelling);
    let state = checked(rules, tx, &state)?;
    let changed = organisations::update(tx, &current, &state)?;
    let notes = if full { vec![format!("it has {MOST_ALIASES} aliases already")] } else { Vec::new() };
    Ok(Applied { notes, ..Applied::updated(id, false, current.row.version, changed.row.version) })
}

/// Adds the spellings that differ in more than case and punctuation from those that are there.
fn add_spellings(state: &mut OrganisationState, spellings: Vec<String>) {
    for spelling in spellings {
        if state.aliases.len() < MOST_ALIASES && !knows(state, &spelling) {
            state.aliases.push(spelling);
        }
    }
}

fn knows(state: &OrganisationState, spelling: &str) -> bool {
    let key = spelling_key(spelling);
    key.is_empty() || std::iter::once(&state.name).chain(&state.aliases).any(|known| spelling_key(known) == key)
}

/// Nearly what the database compares by (`alias_key`); accents, which it folds as well, hardly matter here.
fn spelling_key(spelling: &str) -> String {
    let text = spelling.to_lowercase().replace('&', " and ");
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// A state that was put together is held to the rules like any other.
fn checked(rules: &Rules, tx: &mut Tx<'_>, state: &OrganisationState) -> Result<OrganisationState, Problem> {
    let body = to_json(&CreateOrganisation::from(state))?;
    rules.organisation.read::<CreateOrganisation>(body)?.state(tx, state.slug.clone())
}

fn to_json(organisation: &CreateOrganisation) -> Result<Value, Problem> {
    serde_json::to_value(organisation).map_err(|error| Problem::internal(error.to_string()))
}

/// The organisations that are meant by a name: those that go by it, else those that nearly do, of which a note tells.
///
/// `field` is what the row calls it; suppliers are looked for among suppliers, others among others.
pub(super) fn meant(
    tx: &mut Tx<'_>,
    field: &str,
    name: &str,
    notes: &mut Vec<String>,
) -> Result<Vec<Reference>, Problem> {
    let exact = organisations::by_spelling(&mut tx.conn(), name)?;
    if !exact.is_empty() {
        return Ok(exact);
    }
    let near = organisations::by_spelling_core(&mut tx.conn(), name, field.starts_with("supplier"))?;
    if let [only] = near.as_slice() {
        notes.push(format!("{field}: {name:?} is read as {:?}", only.name));
    }
    Ok(near)
}

/// The organisation of that name, added.
pub(super) fn add_supplier(tx: &mut Tx<'_>, rules: &Rules, name: &str) -> Result<Uuid, Problem> {
    let wanted: CreateOrganisation = rules.organisation.read(json!({ "kind": "supplier", "name": name }))?;
    let state = wanted.state(tx, String::new())?;
    Ok(create(tx, &wanted, state)?.id)
}

/// A JSON object as a row: the fields of `CreateOrganisation`, with `externalId` and `source` beside them.
pub(super) fn json_row(line: u64, mut object: Map<String, Value>, options: &Options, default_source: &str) -> Row {
    let mut take = |name: &str| object.remove(name).and_then(|value| value.as_str().map(str::to_owned));
    let own_source = take("source");
    let source = options.source.clone().or(own_source).unwrap_or_else(|| default_source.to_owned());
    let key = take("externalId");
    let parent = take("parent");
    let replaced_by = object.remove("replacedBy");
    let replaced_by = replaced_by.and_then(|keys| serde_json::from_value(keys).ok()).unwrap_or_default();
    let key = key.or_else(|| object.get("slug").and_then(Value::as_str).map(str::to_owned)).unwrap_or_default();
    let row = OrganisationRow { fields: object, defaults: Map::new(), parent, replaced_by };
    of_fields(line, &source, &key, row)
}

/// A row of fields.
pub(super) fn of_fields(line: u64, source: &str, key: &str, content: OrganisationRow) -> Row {
    let hashed = content.hashed();
    let refers = content.parent.is_some() || !content.replaced_by.is_empty();
    Row { refers, ..Row::new(line, source, key, Content::Organisation(content), &hashed) }
}
