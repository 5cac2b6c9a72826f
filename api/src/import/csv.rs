//! Columns of CSV files, under the names that different makers give them.
//!
//! Names are compared as kebab-case: `ods_code`, `odsCode` and `ODS code` are one. A list in a cell has semicolons
//! between its items. What a row then means is in [`super::organisations`] and [`super::products`].

use serde_json::{Map, Value, json};

use super::organisations::{OrganisationRow, alias_row, of_fields};
use super::{Options, Resource, Row, citations, fault, products};
use crate::contract::body::Origins;
use crate::words::kebab_case;

/// Fields of an organisation and the columns they are taken from: the first with something in it, or all for a list.
const ORGANISATION: &[(&str, &[&str])] = &[
    ("slug", &["slug"]),
    ("kind", &["kind", "type", "organisation-type"]),
    ("name", &["name", "official-name", "organisation", "organisation-name", "title"]),
    ("aliases", &["aliases", "alias", "nice-name"]),
    ("identifiers", &["identifiers", "identifier"]),
    ("website", &["website", "url", "homepage"]),
    ("region", &["region"]),
    ("parent", &["parent"]),
    ("startsOn", &["starts-on", "start-date", "open-date"]),
    ("endsOn", &["ends-on", "end-date", "close-date"]),
    ("memberSince", &["member-since"]),
    ("emailDomains", &["email-domains"]),
    ("replacedBy", &["replaced-by"]),
];

/// Columns whose cells are codes of one list.
const IDENTIFIERS: &[(&str, &[&str])] = &[
    ("GB-LAC", &["gss-code", "gss", "statistical-geography"]),
    ("GB-NHS", &["ods-code"]),
    ("SWA", &["swa-id", "swa-code"]),
    ("GB-COH", &["company-number", "companies-house-number"]),
];

/// The column that is the key of a row: the first of these that there is.
const KEYS: &[&str] =
    &["external-id", "source-id", "id", "code", "ods-code", "local-authority-code", "swa-id", "gss-code", "slug"];

/// The column of a file that only gives other spellings of organisations known by their key.
const SPELLING: &str = "la-name";

/// A column that tells what a file is: its data set, and the kind of organisation in it.
const TELLING: &[(&str, &str, &str)] = &[
    ("local-authority-code", "uk-local-authorities", "local_authority"),
    ("ods-code", "nhs-trusts", "nhs"),
    ("swa-id", "street-works-organisations", "utility"),
];

/// Fields of a product and their columns: those of ours, then those of other makers (see [`products`]).
const PRODUCT: &[(&str, &[&str])] = &[
    ("externalId", &["external-id", "id"]),
    ("slug", &["slug"]),
    ("name", &["name", "title"]),
    ("summary", &["summary", "short-description"]),
    ("description", &["description", "long-description"]),
    ("kind", &["kind", "type"]),
    ("phase", &["phase"]),
    ("phaseStartedOn", &["phase-started-on"]),
    ("phaseReason", &["phase-reason"]),
    ("nextAssessmentOn", &["next-assessment-on"]),
    ("supplier", &["supplier"]),
    ("owner", &["owner"]),
    ("website", &["website", "landing-url"]),
    ("repository", &["repository"]),
    ("licence", &["licence", "license"]),
    ("developmentStatus", &["development-status"]),
    ("softwareVersion", &["software-version"]),
    ("releaseDate", &["release-date"]),
    ("collaborationLevel", &["collaboration-level"]),
    ("budgetBand", &["budget-band"]),
    ("source", &["source"]),
    ("source_id", &["source-id"]),
    ("url", &["url"]),
    ("source_code_url", &["source-code-url"]),
    ("archived", &["archived"]),
];

/// The same, of lists.
const PRODUCT_LISTS: &[(&str, &[&str])] = &[
    ("categories", &["categories", "category"]),
    ("platforms", &["platforms", "platform"]),
    ("features", &["features"]),
    ("standards", &["standards"]),
    ("serviceCodes", &["service-codes"]),
    ("cpvCodes", &["cpv-codes"]),
    ("licences", &["licences", "licenses"]),
    ("suppliers", &["suppliers"]),
];

/// A header, understood.
pub(super) struct Table {
    resource: Resource,
    /// Names of the columns as they stand in the file, and in the form in which they are compared.
    names: Vec<(String, String)>,
    source: String,
    kind: Option<&'static str>,
}

impl Table {
    /// Fails with a sentence when nothing could be made of any row.
    pub(super) fn new(
        resource: Resource,
        header: &[String],
        file_stem: &str,
        options: &Options,
    ) -> Result<Self, String> {
        let names: Vec<_> = header.iter().map(|name| (name.trim().to_owned(), column_key(name))).collect();
        let mut table = Self { resource, names, source: file_stem.to_owned(), kind: None };
        let (fields, needed): (_, &[&str]) = match resource {
            Resource::Organisations => (ORGANISATION, &["name"]),
            Resource::Products => (PRODUCT, &["name"]),
            // Who sends rows of its own need not say so on each.
            Resource::Citations if options.on_behalf.is_some() => (citations::FIELDS, &["product"]),
            Resource::Citations => (citations::FIELDS, &["organisation", "product"]),
        };
        for needed in needed {
            let names: &[&str] = fields.iter().find(|(field, _)| field == needed).map_or(&[], |(_, names)| names);
            if !names.iter().any(|name| table.has(name)) && !table.spells() {
                return Err(format!("no column has the {needed}: call one {}", names.join(", ")));
            }
        }
        if resource == Resource::Organisations {
            if !KEYS.iter().any(|key| table.has(key)) {
                return Err(format!("no column has a key: call one {}", KEYS.join(", ")));
            }
            table.recognise(file_stem);
        }
        Ok(table)
    }

    fn recognise(&mut self, file_stem: &str) {
        if let Some((_, source, kind)) = TELLING.iter().find(|(column, ..)| self.has(column)) {
            (self.source, self.kind) = ((*source).to_owned(), Some(*kind));
        } else if self.has("statistical-geography") || file_stem.contains("regional") {
            self.kind = Some("regional_body");
        }
    }

    fn has(&self, key: &str) -> bool {
        self.names.iter().any(|(_, name)| name == key)
    }

    fn spells(&self) -> bool {
        self.resource == Resource::Organisations && self.has(SPELLING)
    }

    /// Columns that nothing is taken from.
    pub(super) fn unused(&self) -> Vec<String> {
        let tables: &[&[(&str, &[&str])]] = match self.resource {
            Resource::Organisations => &[ORGANISATION, IDENTIFIERS],
            Resource::Products => &[PRODUCT, PRODUCT_LISTS],
            Resource::Citations => &[citations::FIELDS],
        };
        let organisations = self.resource == Resource::Organisations;
        let used = |name: &String| {
            tables.iter().any(|table| table.iter().any(|(_, names)| names.contains(&name.as_str())))
                || (organisations && (KEYS.contains(&name.as_str()) || name == SPELLING))
        };
        self.names.iter().filter(|(_, key)| !used(key)).map(|(name, _)| name.clone()).collect()
    }

    /// A record as a row.
    pub(super) fn row(&self, line: u64, cells: &[String], options: &Options) -> Row {
        if cells.len() != self.names.len() {
            let detail = format!("has {} cells where the header has {}", cells.len(), self.names.len());
            return Row::unreadable(line, fault("", "wrong_length", detail));
        }
        let cells = Cells { names: &self.names, cells };
        match self.resource {
            Resource::Organisations => self.organisation(line, &cells, options),
            Resource::Products => products::row(line, cells.product(), options, &self.source),
            Resource::Citations => citations::row(line, &cells.object(), options, &self.source),
        }
    }

    fn organisation(&self, line: u64, cells: &Cells<'_>, options: &Options) -> Row {
        let source = options.source.as_deref().unwrap_or(&self.source);
        let key = KEYS.iter().find(|key| self.has(key)).and_then(|key| cells.first(&[key]));
        let key = key.map(|(_, text)| text).unwrap_or_default();
        if self.spells() {
            let spelling = cells.first(&[SPELLING]).map(|(_, text)| text).unwrap_or_default();
            return alias_row(line, source, key, spelling);
        }
        let mut reader = Reader { fields: Map::new(), origins: Origins::default(), cells };
        for (field, names) in ORGANISATION {
            match *field {
                "aliases" | "emailDomains" => reader.list(field, names),
                "kind" => reader.text(field, names, |kind| kebab_case(kind).replace('-', "_")),
                "startsOn" | "endsOn" | "memberSince" => reader.text(field, names, date),
                "identifiers" | "parent" | "replacedBy" => {}
                _ => reader.text(field, names, str::to_owned),
            }
        }
        reader.identifiers();
        let parent = reader.reference("parent").map(str::to_owned);
        let replaced_by = reader.reference("replacedBy").map(|codes| split(codes, &[',', ';'])).unwrap_or_default();
        let defaults = self.kind.map(|kind| ("kind".to_owned(), json!(kind))).into_iter().collect();
        let row = OrganisationRow { fields: reader.fields, defaults, parent, replaced_by };
        Row { origins: reader.origins, ..of_fields(line, source, key, row) }
    }
}

/// The cells of one record.
struct Cells<'a> {
    names: &'a [(String, String)],
    cells: &'a [String],
}

impl<'a> Cells<'a> {
    /// The cells under any of the names that have something in them, each with its column, in the order of the names.
    fn all(&self, names: &[&str]) -> Vec<(&'a str, &'a str)> {
        let under = |name: &&str| {
            let columns = self.names.iter().zip(self.cells);
            columns
                .filter(|((_, key), _)| key == name)
                .map(|((column, _), cell)| (column.as_str(), cell.trim()))
                .filter(|(_, cell)| !cell.is_empty())
                .collect::<Vec<_>>()
        };
        names.iter().flat_map(under).collect()
    }

    fn first(&self, names: &[&str]) -> Option<(&'a str, &'a str)> {
        self.all(names).into_iter().next()
    }

    /// The record by its columns.
    fn object(&self) -> Map<String, Value> {
        self.names.iter().zip(self.cells).map(|((name, _), cell)| (name.clone(), json!(cell))).collect()
    }

    /// The record as the JSON object that a line of JSON could have been.
    fn product(&self) -> Map<String, Value> {
        let text = |(field, names): &(&str, &[&str])| {
            let (_, cell) = self.first(names)?;
            let value = match *field {
                "archived" => cell.to_lowercase().parse::<bool>().map_or(json!(cell), Value::from),
                _ => json!(cell),
            };
            Some(((*field).to_owned(), value))
        };
        let list = |(field, names): &(&str, &[&str])| {
            let items: Vec<String> = self.all(names).into_iter().flat_map(|(_, cell)| split(cell, &[';'])).collect();
            (!items.is_empty()).then(|| ((*field).to_owned(), json!(items)))
        };
        PRODUCT.iter().filter_map(text).chain(PRODUCT_LISTS.iter().filter_map(list)).collect()
    }
}

/// Takes the fields of an organisation from cells.
struct Reader<'a> {
    fields: Map<String, Value>,
    origins: Origins,
    cells: &'a Cells<'a>,
}

impl Reader<'_> {
    fn text(&mut self, field: &str, names: &[&str], form: impl Fn(&str) -> String) {
        if let Some((column, cell)) = self.cells.first(names) {
            self.origins.note(format!("/{field}"), format!("/{column}"));
            self.fields.insert(field.to_owned(), json!(form(cell)));
        }
    }

    fn list(&mut self, field: &str, names: &[&str]) {
        let mut items = Vec::new();
        for (column, cell) in self.cells.all(names) {
            for item in split(cell, &[';']) {
                self.origins.note(format!("/{field}/{}", items.len()), format!("/{column}"));
                items.push(item);
            }
        }
        if !items.is_empty() {
            self.fields.insert(field.to_owned(), json!(items));
        }
    }

    fn identifiers(&mut self) {
        let mut found: Vec<Value> = Vec::new();
        for (column, cell) in self.cells.all(&["identifiers", "identifier"]) {
            for item in split(cell, &[';']) {
                // Without a colon the scheme is empty, and refused as such.
                let (scheme, id) = item.split_once(':').unwrap_or(("", &item));
                self.identifier(found.len(), column);
                found.push(json!({ "scheme": scheme.trim(), "id": id.trim() }));
            }
        }
        for (scheme, names) in IDENTIFIERS {
            if let Some((column, cell)) = self.cells.first(names) {
                self.identifier(found.len(), column);
                found.push(json!({ "scheme": scheme, "id": cell }));
            }
        }
        if !found.is_empty() {
            self.fields.insert("identifiers".to_owned(), Value::Array(found));
        }
    }

    /// The parts of an identifier are one cell.
    fn identifier(&mut self, index: usize, column: &str) {
        for part in ["", "/scheme", "/id"] {
            self.origins.note(format!("/identifiers/{index}{part}"), format!("/{column}"));
        }
    }

    fn reference(&mut self, field: &str) -> Option<&str> {
        let names = ORGANISATION.iter().find(|(name, _)| *name == field).map_or(&[][..], |(_, names)| names);
        let (column, cell) = self.cells.first(names)?;
        self.origins.note(format!("/{field}"), format!("/{column}"));
        for index in 0..split(cell, &[',', ';']).len() {
            self.origins.note(format!("/{field}/{index}"), format!("/{column}"));
        }
        Some(cell)
    }
}

/// The form in which names of columns are compared.
pub(super) fn column_key(name: &str) -> String {
    let mut spaced = String::with_capacity(name.len());
    let mut after_lower = false;
    for letter in name.chars() {
        if after_lower && letter.is_uppercase() {
            spaced.push(' ');
        }
        after_lower = letter.is_lowercase() || letter.is_numeric();
        spaced.push(letter);
    }
    kebab_case(&spaced)
}

fn split(cell: &str, separators: &[char]) -> Vec<String> {
    cell.split(separators).map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
}

/// A date as `YYYYMMDD`, as the NHS writes it, with its hyphens; anything else as it is.
fn date(text: &str) -> String {
    match (text.len(), text.bytes().all(|byte| byte.is_ascii_digit()), text.get(..4), text.get(4..6), text.get(6..)) {
        (8, true, Some(year), Some(month), Some(day)) => format!("{year}-{month}-{day}"),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::Content;

    fn table(header: &str) -> Table {
        let header: Vec<String> = header.split(',').map(str::to_owned).collect();
        Table::new(Resource::Organisations, &header, "some-file", &Options::default()).unwrap()
    }

    fn organisation(header: &str, record: &str) -> (String, OrganisationRow) {
        let cells: Vec<String> = record.split(',').map(str::to_owned).collect();
        let row = table(header).row(1, &cells, &Options::default());
        let Content::Organisation(organisation) = row.content else { panic!("{row:?}") };
        (row.external_id, organisation)
    }

    #[test]
    fn spellings_of_a_column_are_one() {
        for name in ["ods_code", "ods-code", "odsCode", "ODS code", " Ods Code "] {
            assert_eq!(column_key(name), "ods-code", "{name}");
        }
    }

    #[test]
    fn a_trust_is_recognised_by_its_column() {
        let (key, row) = organisation("ods_code,name,open_date,close_date", "RAL,ROYAL FREE,20120401,");
        assert_eq!(key, "RAL");
        assert_eq!(row.defaults.get("kind"), Some(&json!("nhs")));
        assert_eq!(
            Value::Object(row.fields),
            json!({ "name": "ROYAL FREE", "startsOn": "2012-04-01",
                    "identifiers": [{ "scheme": "GB-NHS", "id": "RAL" }] })
        );
        assert_eq!(table("ods_code,name").source, "nhs-trusts");
    }

    #[test]
    fn our_own_lists_have_semicolons() {
        let header = "slug,kind,name,aliases,identifiers,parent";
        let (key, row) = organisation(header, "tfl,regional_body,TfL,a; b,SWA:20;GB-COH:01234567,gla");
        assert_eq!((key.as_str(), row.parent.as_deref()), ("tfl", Some("gla")));
        assert_eq!(row.fields["aliases"], json!(["a", "b"]));
        assert_eq!(row.fields["identifiers"][1], json!({ "scheme": "GB-COH", "id": "01234567" }));
    }

    #[test]
    fn several_successors_are_split() {
        let (_, row) = organisation("code,name,replaced-by", "X,Y,NNT; WNT");
        assert_eq!(row.replaced_by, ["NNT", "WNT"]);
    }

    #[test]
    fn a_file_without_names_or_keys_is_refused() {
        let header = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert!(Table::new(Resource::Organisations, &header(&["code", "colour"]), "x", &Options::default()).is_err());
        assert!(Table::new(Resource::Organisations, &header(&["name", "colour"]), "x", &Options::default()).is_err());
        assert_eq!(table("code,name,colour").unused(), ["colour"]);
    }

    #[test]
    fn a_date_gets_its_hyphens() {
        assert_eq!(date("20241101"), "2024-11-01");
        assert_eq!(date("2024-13-45"), "2024-13-45");
        assert_eq!(date("soon"), "soon");
    }
}
