//! What a row says of a citation, and how it is applied.
//!
//! A row names its organisation and its product by id, slug or, as people write, by a spelling; besides, the fields of
//! `CreateCitation`, those of its contract also flat, and those of the sales that the Crown Commercial Service
//! publishes (`first_month`, `last_month`, `spend_gbp`).

use chrono::{Datelike, Days, Months, NaiveDate};
use db::citations::{self, Citation, CitationState, Standing};
use db::organisations::{self, Key};
use db::sources::SourceRecord;
use db::{Tx, products};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::organisations::{add_supplier, meant};
use super::products::add_product;
use super::{Applied, Content, Options, Row, Rules, fault};
use crate::contract::body::Origins;
use crate::problem::{Fault, Problem};
use crate::v1::citations::wire::CreateCitation;
use crate::words::hex;
use crate::words::{kebab_case, one_line};

/// Fields of a citation, and the names that their makers give them.
pub(super) const FIELDS: &[(&str, &[&str])] = &[
    ("organisation", &["organisation", "organisation-name", "organization", "buyer", "customer", "council", "body"]),
    ("product", &["product", "product-name", "application", "system", "service", "software"]),
    ("supplier", &["supplier", "supplier-name", "vendor"]),
    ("externalId", &["external-id", "source-id", "id", "key", "reference-number"]),
    ("source", &["source"]),
    ("status", &["status"]),
    ("since", &["since", "started-on", "starts-on", "start-date", "in-use-since", "first-month"]),
    ("until", &["until", "ended-on", "end-date", "last-month"]),
    ("scaleUnit", &["scale-unit"]),
    ("scaleBand", &["scale-band", "scale"]),
    ("satisfaction", &["satisfaction", "rating"]),
    ("whatWorked", &["what-worked"]),
    ("wouldChange", &["would-change"]),
    ("integrations", &["integrations", "integration"]),
    ("visibility", &["visibility"]),
    ("contract/reference", &["contract-reference", "contract-id"]),
    ("contract/startsOn", &["contract-starts-on", "contract-start", "contract-start-date"]),
    ("contract/endsOn", &["contract-ends-on", "contract-end", "contract-end-date", "ends-on"]),
    ("contract/extendableUntil", &["contract-extendable-until", "extendable-until"]),
    ("contract/amountPence", &["contract-amount-pence", "amount-pence"]),
    ("contract/amountPounds", &["contract-amount", "contract-value", "amount", "value", "spend-gbp", "spend"]),
    ("contract/currency", &["contract-currency", "currency"]),
    ("contract/cpvCodes", &["contract-cpv-codes", "cpv-codes", "cpv"]),
    ("contract/routeToMarket", &["contract-route-to-market", "route-to-market", "framework"]),
];

/// How people write days; a year of two digits is tried where one of four is none.
const DAYS: &[&str] =
    &["%Y-%m-%d", "%Y/%m/%d", "%d/%m/%Y", "%d/%m/%y", "%d-%m-%Y", "%d.%m.%Y", "%d %B %Y", "%d-%b-%Y", "%d-%b-%y"];
/// How people write months, behind a day.
const MONTHS: &[&str] = &["%d %Y-%m", "%d %m/%Y", "%d %B %Y", "%d %b-%Y", "%d %b-%y"];

/// What a row says.
#[derive(Debug, Clone, Default)]
pub struct CitationRow {
    organisation: String,
    product: String,
    supplier: Option<String>,
    /// Fields of `CreateCitation`, but for the two that it names.
    fields: Map<String, Value>,
    create_products: bool,
    create_suppliers: bool,
}

/// A JSON object as a row; the cells of a record of CSV come as one, too.
pub(super) fn row(line: u64, object: &Map<String, Value>, options: &Options, default_source: &str) -> Row {
    let mut reader = Reader::new(object);
    let source = options.source.clone().or_else(|| reader.text("source"));
    let source = source.unwrap_or_else(|| default_source.to_owned());
    let organisation = match options.on_behalf {
        Some(own) => reader.text("organisation").unwrap_or_else(|| own.to_string()),
        None => reader.named("organisation"),
    };
    let product = reader.named("product");
    let supplier = reader.text("supplier").map(|name| one_line(&name));
    let key = reader.text("externalId");
    let fields = reader.fields();
    let Reader { origins, faults, unused, .. } = reader;
    let citation = CitationRow {
        organisation,
        product,
        supplier,
        fields,
        create_products: options.create_products,
        create_suppliers: options.create_suppliers,
    };
    let key = key.unwrap_or_else(|| citation.own_key());
    let hashed = json!([citation.organisation, citation.product, citation.supplier, citation.fields]);
    let mut row = Row::new(line, &source, &key, Content::Citation(Box::new(citation)), &hashed);
    row.faults.extend(faults);
    Row { origins, unused, on_behalf: options.on_behalf, ..row }
}

/// Takes the fields of a citation from an object, by whichever of their names it has.
struct Reader<'a> {
    /// By the form in which names are compared: the name as it stands, and the value.
    given: Vec<(String, &'a str, &'a Value)>,
    origins: Origins,
    faults: Vec<Fault>,
    unused: Vec<String>,
}

impl<'a> Reader<'a> {
    fn new(object: &'a Map<String, Value>) -> Self {
        let mut given = Vec::new();
        for (name, value) in object {
            match value {
                Value::Object(part) if name == "contract" || name == "scale" => {
                    given.extend(part.iter().map(|(inner, value)| {
                        (super::csv::column_key(&format!("{name} {inner}")), name.as_str(), value)
                    }));
                }
                value => given.push((super::csv::column_key(name), name.as_str(), value)),
            }
        }
        let known = |key: &str| FIELDS.iter().any(|(_, names)| names.contains(&key));
        let unused = given.iter().filter(|(key, ..)| !known(key)).map(|(_, name, _)| (*name).to_owned()).collect();
        Self { given, origins: Origins::default(), faults: Vec::new(), unused }
    }

    /// The first value there is under one of the names of a field.
    fn value(&self, field: &str) -> Option<(&'a str, &'a Value)> {
        let names = FIELDS.iter().find(|(known, _)| *known == field).map_or(&[][..], |(_, names)| names);
        names.iter().find_map(|name| {
            let (_, given, value) = self.given.iter().find(|(key, ..)| key == name)?;
            let empty = value.is_null() || value.as_str().is_some_and(|text| text.trim().is_empty());
            (!empty).then_some((*given, *value))
        })
    }

    fn text(&mut self, field: &str) -> Option<String> {
        let (name, value) = self.value(field)?;
        self.origins.note(format!("/{field}"), format!("/{name}"));
        match value {
            Value::String(text) => Some(text.trim().to_owned()),
            Value::Number(number) => Some(number.to_string()),
            _ => {
                self.faults.push(fault(format!("/{name}"), "wrong_type", "must be a string"));
                None
            }
        }
    }

    /// A field that a row cannot do without.
    fn named(&mut self, field: &'static str) -> String {
        let named = self.text(field);
        if named.is_none() {
            self.faults.push(fault(format!("/{field}"), "required", "must be given"));
        }
        named.unwrap_or_default()
    }

    fn fields(&mut self) -> Map<String, Value> {
        let (mut fields, mut contract) = (Map::new(), Map::new());
        for (field, _) in FIELDS {
            let Some((name, value)) = self.value(field) else { continue };
            let stored = if *field == "contract/amountPounds" { "contract/amountPence" } else { field };
            self.origins.note(format!("/{stored}"), format!("/{name}"));
            let read = match *field {
                "organisation" | "product" | "supplier" | "externalId" | "scaleUnit" | "scaleBand" => {
                    continue;
                }
                "since" | "contract/startsOn" => day(value, false),
                "until" | "contract/endsOn" | "contract/extendableUntil" => day(value, true),
                "integrations" | "contract/cpvCodes" => list(value),
                "satisfaction" | "contract/amountPence" => number(value),
                "contract/amountPounds" => pence(value),
                "status" | "visibility" => json!(value.as_str().map(|word| kebab_case(word).replace('-', "_"))),
                _ => value.clone(),
            };
            match field.strip_prefix("contract/") {
                Some("amountPounds") => {
                    contract.entry("amountPence").or_insert(read);
                }
                Some(field) => {
                    contract.insert(field.to_owned(), read);
                }
                None => {
                    fields.insert((*field).to_owned(), read);
                }
            }
        }
        if let (Some(unit), Some(band)) = (self.text("scaleUnit"), self.text("scaleBand")) {
            fields.insert("scale".to_owned(), json!({ "unit": unit, "band": band }));
        }
        if !contract.is_empty() {
            fields.insert("contract".to_owned(), Value::Object(contract));
        }
        fields
    }
}

/// A day as people write it; of a month or a year the first or the last. Anything else as it is, and refused as such.
fn day(value: &Value, last: bool) -> Value {
    let Some(text) = value.as_str().map(without_time) else { return value.clone() };
    let read = |text: &str, forms: &[&str]| {
        forms.iter().find_map(|form| NaiveDate::parse_from_str(text, form).ok().filter(|day| day.year() >= 1000))
    };
    let last_of = |first: NaiveDate, months| {
        first.checked_add_months(Months::new(months)).and_then(|next| next.checked_sub_days(Days::new(1)))
    };
    if let Some(day) = read(text, DAYS) {
        return json!(day);
    }
    let year = text.len() == 4;
    let first = if year { read(&format!("1 1 {text}"), &["%d %m %Y"]) } else { read(&format!("1 {text}"), MONTHS) };
    match first {
        Some(first) if last => json!(last_of(first, if year { 12 } else { 1 }).unwrap_or(first)),
        Some(first) => json!(first),
        None => value.clone(),
    }
}

/// Of a time only its day, as spreadsheets write days.
fn without_time(text: &str) -> &str {
    let text = text.trim();
    match text.split_once(['T', ' ']) {
        Some((day, time)) if time.contains(':') => day,
        _ => text,
    }
}

fn list(value: &Value) -> Value {
    let items = |text: &str| text.split(';').map(str::trim).filter(|item| !item.is_empty()).map(Value::from).collect();
    value.as_str().map_or_else(|| value.clone(), |text| Value::Array(items(text)))
}

fn number(value: &Value) -> Value {
    let number = value.as_str().and_then(|text| text.trim().parse::<i64>().ok());
    number.map_or_else(|| value.clone(), Value::from)
}

/// Pounds, with or without their sign and commas, as pence.
fn pence(value: &Value) -> Value {
    let pounds = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.replace(['£', ',', ' '], "").parse::<f64>().ok(),
        _ => None,
    };
    let pence = pounds.map(|pounds| (pounds * 100.0).round()).filter(|pence| pence.abs() < 9e15);
    #[expect(clippy::cast_possible_truncation, reason = "bounded above, and rounded")]
    pence.map_or_else(|| value.clone(), |pence| json!(pence as i64))
}

impl CitationRow {
    /// What tells a row without a key from others: who uses what, from whom.
    fn own_key(&self) -> String {
        let key = [Some(&self.organisation), Some(&self.product), self.supplier.as_ref()];
        let key = key.into_iter().flatten().map(|part| kebab_case(part)).collect::<Vec<_>>().join("/");
        if key.chars().count() <= 200 {
            return key;
        }
        hex(&Sha256::digest(key.as_bytes()))
    }

    pub(super) fn apply(
        &self,
        tx: &mut Tx<'_>,
        rules: &Rules,
        row: &Row,
        known: Option<&SourceRecord>,
    ) -> Result<Applied, Problem> {
        let mut notes = Vec::new();
        let organisation_id = self.organisation_id(tx, &mut notes)?;
        if row.on_behalf.is_some_and(|own| own != organisation_id) {
            return Err(refused("/organisation", "other_organisation", "is not the organisation that sends this"));
        }
        let product_id = self.product_id(tx, rules, &row.source, &mut notes)?;
        let mut body = Value::Object(self.fields.clone());
        if let Some(fields) = body.as_object_mut() {
            fields.insert("organisation".to_owned(), json!(organisation_id));
            fields.insert("product".to_owned(), json!(product_id));
            // What an organisation says itself is from nowhere else.
            if row.on_behalf.is_none() {
                fields.entry("source").or_insert_with(|| json!(row.source));
            }
            // Nobody says how it stands: what is over by its dates has ended.
            let over = self.is_over(tx)?;
            fields.entry("status").or_insert_with(|| json!(if over { "ended" } else { "active" }));
        }
        let wanted: CreateCitation = rules.citation.read(body)?;
        let (status, state) = (Standing::from(wanted.status), CitationState::from(wanted.facts));
        let current = known.map(|record| citations::lock(tx, record.object_id)).transpose()?;
        if let Some(current) = &current
            && is_same(current, organisation_id, product_id, status)
        {
            let applied = change(tx, current, status, &state)?;
            return Ok(Applied { notes, ..applied });
        }
        if let Some(current) = current.filter(|current| current.row.status == Standing::Active) {
            notes.push("product: another than before; what was said of that one has ended".to_owned());
            let today = citations::day(tx)?;
            citations::end(tx, &current, Some(today))?;
        }
        let applied = match citations::live(tx, organisation_id, product_id)? {
            Some(held) if status == Standing::Active => {
                notes.push("product: the organisation cites it already; what it says there stays".to_owned());
                Applied::updated(held, false, 0, 0)
            }
            _ => {
                let made = citations::create(tx, Uuid::now_v7(), organisation_id, product_id, status, &state)?;
                Applied::created(made.row.id)
            }
        };
        Ok(Applied { notes, ..applied })
    }

    fn is_over(&self, tx: &mut Tx<'_>) -> Result<bool, Problem> {
        let until = self.fields.get("until").and_then(Value::as_str).and_then(|day| day.parse::<NaiveDate>().ok());
        let Some(until) = until else { return Ok(false) };
        Ok(until < citations::day(tx)?)
    }

    /// By id or slug, else by a spelling that only one organisation has.
    fn organisation_id(&self, tx: &mut Tx<'_>, notes: &mut Vec<String>) -> Result<Uuid, Problem> {
        if let Ok(id) = organisations::existing(&mut tx.conn(), &Key::from(self.organisation.as_str())) {
            return Ok(id);
        }
        let found = meant(tx, "organisation", &self.organisation, notes)?;
        match found.as_slice() {
            [only] => Ok(only.id),
            [] => Err(refused("/organisation", "unknown_organisation", "nobody is known by this name")),
            _ => Err(refused("/organisation", "ambiguous", "several organisations are known by this name")),
        }
    }

    /// By id or slug, else by its name, of the supplier that is named if there is one; else added when that is asked
    /// for.
    fn product_id(
        &self,
        tx: &mut Tx<'_>,
        rules: &Rules,
        source: &str,
        notes: &mut Vec<String>,
    ) -> Result<Uuid, Problem> {
        if let Ok(id) = products::id_of(&mut tx.conn(), &Key::from(self.product.as_str())) {
            return Ok(id);
        }
        let supplier_id = self.supplier_id(tx, rules, notes)?;
        let found = products::by_name(&mut tx.conn(), &self.product)?;
        let of_supplier: Vec<Uuid> = found
            .iter()
            .filter(|(_, supplier)| supplier_id.is_some() && *supplier == supplier_id)
            .map(|(id, _)| *id)
            .collect();
        match (of_supplier.as_slice(), found.as_slice()) {
            ([only], _) | ([], [(only, _)]) => Ok(*only),
            ([], []) if self.create_products => {
                notes.push(format!("product: added {:?}", self.product));
                add_product(tx, rules, source, &self.product, supplier_id)
            }
            ([], []) => Err(refused("/product", "unknown_product", "no product has this name")),
            _ => Err(refused("/product", "ambiguous", "several products have this name; give the slug of one")),
        }
    }

    fn supplier_id(&self, tx: &mut Tx<'_>, rules: &Rules, notes: &mut Vec<String>) -> Result<Option<Uuid>, Problem> {
        let Some(name) = &self.supplier else { return Ok(None) };
        let found = meant(tx, "supplier", name, notes)?;
        match found.as_slice() {
            [only] => Ok(Some(only.id)),
            [] if self.create_suppliers && self.create_products => {
                notes.push(format!("supplier: added {name:?}"));
                add_supplier(tx, rules, name).map(Some)
            }
            _ => Ok(None),
        }
    }
}

/// Whether a row that says this is still about the citation that it became: not when it names another product by now,
/// nor when it says in use of what has ended, which is a new time of use.
fn is_same(current: &Citation, organisation_id: Uuid, product_id: Uuid, status: Standing) -> bool {
    let begun_again = current.row.status == Standing::Ended && status == Standing::Active;
    (current.row.organisation_id, current.row.product_id) == (organisation_id, product_id) && !begun_again
}

/// The same row says something else now.
fn change(tx: &mut Tx<'_>, current: &Citation, status: Standing, state: &CitationState) -> Result<Applied, Problem> {
    let (id, before) = (current.row.id, current.row.version);
    let mut changed: Citation = citations::update(tx, current, state)?;
    if changed.row.status != status {
        changed = match status {
            Standing::Active => citations::activate(tx, &changed)?,
            Standing::Ended => citations::end(tx, &changed, state.until)?,
            Standing::Draft | Standing::Withdrawn => changed,
        };
    }
    Ok(Applied::updated(id, true, before, changed.row.version))
}

fn refused(pointer: &'static str, code: &'static str, detail: &'static str) -> Problem {
    Problem::conflict(&[db::Fault::new(pointer, code, detail)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_read_as_people_write_them() {
        assert_eq!(day(&json!("2013-06-01"), false), json!("2013-06-01"));
        assert_eq!(day(&json!("2013-06"), false), json!("2013-06-01"));
        assert_eq!(day(&json!("2012-02"), true), json!("2012-02-29"));
        for text in ["31/03/2027", "31/3/27", "31 March 2027", "31-Mar-27", "2027-03-31T00:00:00Z", "31/03/2027 00:00"]
        {
            assert_eq!(day(&json!(text), true), json!("2027-03-31"), "{text}");
        }
        for text in ["March 2027", "Mar-27", "03/2027", "2027-03", "Mar 2027"] {
            assert_eq!(day(&json!(text), true), json!("2027-03-31"), "{text}");
        }
        assert_eq!((day(&json!("2027"), false), day(&json!("2027"), true)), (json!("2027-01-01"), json!("2027-12-31")));
        for unclear in ["2019/20", "31/02/2027", "0019-04-01", "Q1 2027"] {
            assert_eq!(day(&json!(unclear), true), json!(unclear));
        }
        assert_eq!(day(&json!("soon"), true), json!("soon"));
    }

    #[test]
    fn pounds_become_pence() {
        assert_eq!(pence(&json!(750.0)), json!(75_000));
        assert_eq!(pence(&json!("£1,234.56")), json!(123_456));
        assert_eq!(pence(&json!("a lot")), json!("a lot"));
    }
}
