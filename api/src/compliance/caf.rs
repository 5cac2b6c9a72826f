//! The Cyber Assessment Framework of the National Cyber Security Centre, as `GovAssure` keeps it in YAML (co-cddo/domains-webcaf):
//! objectives, principles, outcomes, and the indicators of good practice by which outcomes are graded. It becomes an OSCAL
//! catalog. An id that stands under two grades is qualified by the grade; its label stays.

use std::io::Read;

use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::oscal::insert;

/// Mapping of YAML, in its order.
type Ordered<T> = Vec<(String, T)>;

#[derive(Deserialize)]
struct File {
    #[serde(deserialize_with = "in_order")]
    objectives: Ordered<Objective>,
}

#[derive(Deserialize)]
struct Objective {
    code: String,
    title: String,
    #[serde(default)]
    description: Option<String>,
    #[serde(deserialize_with = "in_order")]
    principles: Ordered<Principle>,
}

#[derive(Deserialize)]
struct Principle {
    code: String,
    title: String,
    #[serde(default)]
    description: Option<String>,
    #[serde(deserialize_with = "in_order")]
    outcomes: Ordered<Outcome>,
}

#[derive(Deserialize)]
struct Outcome {
    code: String,
    title: String,
    #[serde(default)]
    description: Option<String>,
    #[serde(deserialize_with = "in_order")]
    indicators: Ordered<Statements>,
    #[serde(default)]
    min_profile_requirement: Option<Profiles>,
}

#[derive(Deserialize)]
struct Profiles {
    baseline: Option<String>,
    enhanced: Option<String>,
}

/// Indicators of one grade.
struct Statements(Ordered<Indicator>);

impl<'de> Deserialize<'de> for Statements {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        in_order(deserializer).map(Self)
    }
}

#[derive(Deserialize)]
struct Indicator {
    description: String,
    #[serde(rename = "ncsc-index", default)]
    index: Option<String>,
}

/// A mapping as a list: its order is that of the framework, and a key may come twice.
fn in_order<'de, D: serde::Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Ordered<T>, D::Error> {
    struct InOrder<T>(std::marker::PhantomData<T>);
    impl<'de, T: Deserialize<'de>> serde::de::Visitor<'de> for InOrder<T> {
        type Value = Ordered<T>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a mapping")
        }

        fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut entries = Vec::new();
            while let Some(entry) = map.next_entry()? {
                entries.push(entry);
            }
            Ok(entries)
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(Vec::new())
        }
    }
    deserializer.deserialize_map(InOrder(std::marker::PhantomData))
}

/// What the catalog says of itself.
#[derive(Debug, Clone)]
pub struct About {
    /// What it is called.
    pub title: String,
    /// Which edition it is.
    pub edition: String,
    /// When the file was written, RFC 3339.
    pub last_modified: String,
}

/// Reads the framework, as an OSCAL catalog; else why it cannot be read.
pub fn read(file: impl Read, about: &About) -> Result<Value, String> {
    // It says the same rules of each outcome by aliases, many of few anchors.
    let options = serde_saphyr::options! {
        with_snippet: false,
        budget: serde_saphyr::budget! { enforce_alias_anchor_ratio: false },
    };
    let file: File = serde_saphyr::from_reader_with_options(file, options).map_err(|error| error.to_string())?;
    let groups: Vec<Value> = file.objectives.iter().map(|(_, objective)| objective.oscal()).collect();
    let name = format!("{} {}", about.title, about.edition);
    Ok(json!({ "catalog": {
        "uuid": Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes()),
        "metadata": {
            "title": about.title, "version": about.edition, "oscal-version": "1.1.2", "last-modified": about.last_modified,
            "remarks": "Contains public sector information licensed under the Open Government Licence v3.0.",
        },
        "groups": groups,
    } }))
}

impl Objective {
    fn oscal(&self) -> Value {
        let groups: Vec<Value> = self.principles.iter().map(|(_, principle)| principle.oscal()).collect();
        let mut group = item(&self.code, &self.title, overview(&self.code, self.description.as_deref()));
        insert(&mut group, "groups", groups);
        group
    }
}

impl Principle {
    fn oscal(&self) -> Value {
        let controls: Vec<Value> = self.outcomes.iter().map(|(_, outcome)| outcome.oscal()).collect();
        let mut group = item(&self.code, &self.title, overview(&self.code, self.description.as_deref()));
        insert(&mut group, "controls", controls);
        group
    }
}

impl Outcome {
    fn oscal(&self) -> Value {
        let mut parts = Vec::new();
        if let Some(description) = &self.description {
            parts.push(json!({ "id": format!("{}_smt", self.code), "name": "statement", "prose": description }));
        }
        let keys = || self.indicators.iter().flat_map(|(_, statements)| statements.0.iter().map(|(key, _)| key));
        for (class, statements) in &self.indicators {
            for (key, indicator) in &statements.0 {
                let used_twice = keys().filter(|other| *other == key).count() > 1;
                let id = if used_twice { format!("{class}.{key}") } else { key.clone() };
                let mut props = vec![json!({ "name": "label", "value": key })];
                props.extend(indicator.index.iter().map(|index| json!({ "name": "alt-identifier", "value": index })));
                parts.push(json!({
                    "id": id, "name": "assessment-objective", "class": class, "props": props, "prose": indicator.description,
                }));
            }
        }
        let mut control = item(&self.code, &self.title, parts);
        if let (Some(profiles), Some(props)) =
            (&self.min_profile_requirement, control.get_mut("props").and_then(Value::as_array_mut))
        {
            for (name, grade) in [("baseline", &profiles.baseline), ("enhanced", &profiles.enhanced)] {
                let prop = |grade: &String| json!({ "name": format!("minimum-{name}"), "ns": crate::oscal::NS, "value": grade });
                props.extend(grade.iter().map(prop));
            }
        }
        control
    }
}

fn overview(code: &str, description: Option<&str>) -> Vec<Value> {
    description
        .map(|prose| json!({ "id": format!("{code}_ovw"), "name": "overview", "prose": prose }))
        .into_iter()
        .collect()
}

fn item(code: &str, title: &str, parts: Vec<Value>) -> Value {
    let mut item = json!({ "id": code, "title": title, "props": [{ "name": "label", "value": code }] });
    if !parts.is_empty() {
        insert(&mut item, "parts", parts);
    }
    item
}
