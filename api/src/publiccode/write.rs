//! Writing publiccode.yml, version 0.5.
//!
//! The standard asks for some things that the catalogue does not record. What must be true of the software itself
//! (its repository, licence, platforms, a summary) is never made up: without it there is no file. For the rest the
//! most careful value that the standard permits is written, and the file says so on top:
//!
//! - `maintenance.type` is `none`: every other value needs a person by name, or a contract with its last day.
//! - `localisation` is not ready for other languages, with the one of this catalogue, English: one language at least
//!   has to be named. Descriptions are given under the same language, whatever they are written in.
//! - `softwareType` follows from the platforms, and is `standalone/other` when they do not tell.
//! - A description shorter than the 150 characters asked for is joined by the summary, the features and what else is
//!   recorded; one longer than 10 000 is cut behind a word.

use db::Fault;
use db::products::{Dependency, DependencyKind, Product, ProductState};
use serde::Serialize;

use super::status_of;
use crate::words::{cut, one_line};

const SHORTEST: usize = 150;
const LONGEST: usize = 10_000;

const PREAMBLE: &str = "\
# Written from what the LOTI API records of this product.
# Not recorded there: who maintains it, and its languages. `maintenance` and `localisation` have the most careful
# values that the standard permits; correct them before you publish this file.
";

/// The file of a product, of whose categories the standard knows `categories`. A fault, at the field of the product,
/// for each thing that is missing.
pub fn write(product: &Product, categories: &[String]) -> Result<String, Vec<Fault>> {
    let state = &product.row.state;
    let long = long_description(product);
    let missing = missing(state, &long);
    let (Some(url), Some(licence), Some(summary), true) =
        (&state.repository, &state.licence, &state.summary, missing.is_empty())
    else {
        return Err(missing);
    };
    let file = File {
        publiccode_yml_version: "0.5",
        name: &state.name,
        url,
        landing_url: state.website.as_deref(),
        software_version: state.software_version.as_deref(),
        release_date: state.release_date.map(|date| date.to_string()),
        platforms: &state.platforms.0,
        categories,
        development_status: status_of(state).as_str(),
        software_type: software_type(&state.platforms.0),
        description: Descriptions {
            en: Description { short_description: summary, long_description: &long, features: &state.features.0 },
        },
        legal: Legal { license: licence },
        maintenance: Maintenance { r#type: "none" },
        localisation: Localisation { localisation_ready: false, available_languages: ["en"] },
        depends_on: DependsOn::of(&state.depends_on.0),
    };
    let yaml = serde_saphyr::to_string(&file).map_err(|error| vec![Fault::new("", "unwritable", error.to_string())])?;
    Ok(format!("{PREAMBLE}{yaml}"))
}

fn missing(state: &ProductState, long: &str) -> Vec<Fault> {
    let needs = |field: &'static str, there: bool, what: &'static str| {
        (!there).then(|| Fault::new(field, "missing", format!("publiccode.yml needs {what}; add it to the product")))
    };
    [
        needs("/repository", state.repository.is_some(), "the URL of the source code"),
        needs("/licence", state.licence.is_some(), "a licence; proprietary software has no publiccode.yml"),
        needs("/summary", state.summary.is_some(), "a short description"),
        needs("/platforms", !state.platforms.0.is_empty(), "a platform"),
        needs("/description", long.chars().count() >= SHORTEST, "a description of at least 150 characters"),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// `longDescription`: the description, and what else is recorded when that is too short.
#[must_use]
pub fn long_description(product: &Product) -> String {
    let state = &product.row.state;
    let mut text = state.description.clone().unwrap_or_default().trim().to_owned();
    let more = [
        state.summary.clone(),
        (!state.features.0.is_empty()).then(|| format!("What it does: {}.", state.features.0.join("; "))),
        Some(recorded(product)),
    ];
    for part in more.into_iter().flatten() {
        if text.chars().count() < SHORTEST && !text.contains(&part) {
            let gap = if text.is_empty() { "" } else { "\n\n" };
            text = format!("{text}{gap}{part}");
        }
    }
    cut(&text, LONGEST)
}

fn recorded(product: &Product) -> String {
    let state = &product.row.state;
    let list = |label: &str, items: &[String]| (!items.is_empty()).then(|| format!("{label}: {}.", items.join(", ")));
    let name = |label: &str, reference: Option<&db::organisations::Reference>| {
        reference.map(|reference| format!("{label}: {}.", reference.name))
    };
    let parts = [
        name("Supplied by", product.supplier.as_ref().map(|supplier| &supplier.0)),
        name("Owned by", product.owner.as_ref().map(|owner| &owner.0)),
        list("Categories", &state.categories.0),
        list("Runs on", &state.platforms.0),
        list("Follows", &state.standards.0),
    ];
    one_line(&parts.into_iter().flatten().collect::<Vec<_>>().join(" "))
}

fn software_type(platforms: &[String]) -> &'static str {
    let all = |known: &[&str]| platforms.iter().all(|platform| known.contains(&platform.as_str()));
    if platforms.iter().any(|platform| platform == "web") {
        "standalone/web"
    } else if all(&["ios", "android"]) {
        "standalone/mobile"
    } else {
        "standalone/other"
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct File<'a> {
    publiccode_yml_version: &'a str,
    name: &'a str,
    url: &'a str,
    #[serde(rename = "landingURL", skip_serializing_if = "Option::is_none")]
    landing_url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    software_version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    release_date: Option<String>,
    platforms: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    categories: &'a [String],
    development_status: &'a str,
    software_type: &'a str,
    description: Descriptions<'a>,
    legal: Legal<'a>,
    maintenance: Maintenance<'a>,
    localisation: Localisation<'a>,
    #[serde(skip_serializing_if = "DependsOn::is_empty")]
    depends_on: DependsOn<'a>,
}

#[derive(Serialize)]
struct Descriptions<'a> {
    en: Description<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "named after the keys of the standard")]
struct Description<'a> {
    short_description: &'a str,
    long_description: &'a str,
    features: &'a [String],
}

#[derive(Serialize)]
struct Legal<'a> {
    license: &'a str,
}

#[derive(Serialize)]
struct Maintenance<'a> {
    r#type: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Localisation<'a> {
    localisation_ready: bool,
    available_languages: [&'a str; 1],
}

#[derive(Serialize)]
struct DependsOn<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    open: Vec<Needed<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    proprietary: Vec<Needed<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hardware: Vec<Needed<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Needed<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version_min: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version_max: Option<&'a str>,
    optional: bool,
}

impl<'a> DependsOn<'a> {
    fn of(all: &'a [Dependency]) -> Self {
        let of_kind = |kind| all.iter().filter(|one| one.kind == kind).map(Needed::from).collect();
        Self {
            open: of_kind(DependencyKind::Open),
            proprietary: of_kind(DependencyKind::Proprietary),
            hardware: of_kind(DependencyKind::Hardware),
        }
    }

    fn is_empty(&self) -> bool {
        self.open.is_empty() && self.proprietary.is_empty() && self.hardware.is_empty()
    }
}

impl<'a> From<&'a Dependency> for Needed<'a> {
    fn from(dependency: &'a Dependency) -> Self {
        Self {
            name: &dependency.name,
            version: dependency.version.as_deref(),
            version_min: dependency.version_min.as_deref(),
            version_max: dependency.version_max.as_deref(),
            optional: dependency.optional,
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use db::products::{Phase, ProductKind, ProductRow};
    use db::types::{Json, Texts};
    use uuid::Uuid;

    use super::*;
    use crate::publiccode::read::read;

    fn product() -> Product {
        let texts = |texts: &[&str]| Texts(texts.iter().map(|text| (*text).to_owned()).collect());
        let state = ProductState {
            slug: "bins".into(),
            name: "Bins: \"no\" # 1".into(),
            summary: Some("Tells residents their bin day.".into()),
            description: Some("Line one: yes\n\n- item\n  'quoted'\ttab\n".repeat(5)),
            kind: ProductKind::Product,
            phase: Phase::Discovery,
            phase_started_on: None,
            phase_reason: None,
            next_assessment_on: None,
            supplier_id: None,
            owner_id: None,
            website: None,
            repository: Some("https://git.example.org/bins".into()),
            licence: Some("MIT OR Apache-2.0".into()),
            development_status: None,
            software_version: Some("1.10".into()),
            release_date: None,
            categories: texts(&["waste-management"]),
            platforms: texts(&["web", "no", "null", "1.0", "*x", "@y", "- z", "~"]),
            features: texts(&["true", "a: b", "# c", "{d}", "'e'", "f\u{85}g", "é 🗑", " ", "2026-10-01"]),
            standards: Texts::default(),
            depends_on: Json(vec![Dependency {
                name: "PostgreSQL".into(),
                kind: DependencyKind::Open,
                version: None,
                version_min: Some("15".into()),
                version_max: None,
                optional: true,
            }]),
            service_codes: Texts::default(),
            cpv_codes: Texts::default(),
            collaboration_level: None,
            budget_band: None,
        };
        let now = DateTime::UNIX_EPOCH;
        let row =
            ProductRow { id: Uuid::nil(), version: 1, created_at: now, updated_at: now, confirmed_at: now, state };
        Product { row, supplier: None, owner: None, counts: db::products::Counts::default() }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let product = product();
        let file = write(&product, &["waste-management".to_owned()]).unwrap();
        let reading = read(&file).unwrap();
        let state = &product.row.state;
        assert_eq!(reading.fields["name"], state.name);
        assert_eq!(reading.fields["description"], state.description.clone().unwrap().trim());
        assert_eq!(reading.fields["softwareVersion"], "1.10");
        assert_eq!(reading.fields["developmentStatus"], "concept");
        let platforms: Vec<String> = serde_json::from_value(reading.fields["platforms"].clone()).unwrap();
        assert_eq!(platforms, state.platforms.0);
        let features: Vec<String> = serde_json::from_value(reading.fields["features"].clone()).unwrap();
        let lines: Vec<String> = state.features.0.iter().map(|feature| one_line(feature)).collect();
        assert_eq!(features, lines.into_iter().filter(|feature| !feature.is_empty()).collect::<Vec<_>>());
        assert_eq!(reading.fields["dependsOn"][0]["versionMin"], "15");
        assert!(reading.notes.is_empty() && reading.unusable.is_empty());
        assert_eq!(file, write(&product, &["waste-management".to_owned()]).unwrap());
    }

    #[test]
    fn what_would_have_to_be_made_up_is_missing() {
        let mut product = product();
        product.row.state.repository = None;
        product.row.state.licence = None;
        product.row.state.description = None;
        product.row.state.features = Texts::default();
        product.row.state.summary = Some("Short.".into());
        let pointers: Vec<_> = write(&product, &[]).unwrap_err().into_iter().map(|fault| fault.pointer).collect();
        assert_eq!(pointers, ["/repository", "/licence", "/description"]);
    }

    #[test]
    fn a_short_description_is_joined_by_what_else_is_recorded() {
        let mut product = product();
        product.row.state.description = Some("Short.".into());
        product.row.state.features = Texts(vec!["Reminds residents of their bin day by telephone".into()]);
        let long = long_description(&product);
        assert!(long.starts_with("Short.\n\nTells residents their bin day.\n\nWhat it does: Reminds"), "{long}");
        product.row.state.description = Some("word ".repeat(3000));
        assert!(long_description(&product).chars().count() <= LONGEST);
    }
}
