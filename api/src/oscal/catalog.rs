//! A catalog (OSCAL 1.1, catalog model) as groups and controls in the order in which they are read.

use std::collections::HashMap;

use db::Fault;
use db::frameworks::items::{Grade, Indicator, Item, ItemKind, MOST};
use db::types::Json;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::told;
use crate::contract::faults::child;

/// How deep groups and controls go.
const MOST_LEVELS: usize = 20;
/// Bytes that an id has at most, qualified or not: what goes out has to come in again, and cursors hold two.
const LONGEST_ID: usize = 400;
/// Characters that what is asked for, and an indicator, have at most.
const LONGEST_PROSE: usize = 100_000;
/// How many indicators a control has at most.
const MOST_INDICATORS: usize = 1000;
/// How many faults are looked for.
const MOST_FAULTS: usize = 100;

/// A catalog, read.
#[derive(Debug)]
pub struct Catalog {
    /// All but its groups and controls.
    pub envelope: Map<String, Value>,
    /// Its groups and controls.
    pub items: Vec<Item>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object with `catalog`")]
struct Document {
    catalog: Option<Root>,
    #[serde(rename = "$schema")]
    _schema: Option<Value>,
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(expecting = "a catalog")]
struct Root {
    #[serde(default)]
    groups: Vec<Node>,
    #[serde(default)]
    controls: Vec<Node>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

/// A group or a control.
#[derive(Deserialize)]
#[serde(expecting = "a group or a control")]
struct Node {
    id: Option<String>,
    title: Option<String>,
    #[serde(default)]
    groups: Vec<Node>,
    #[serde(default)]
    controls: Vec<Node>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

/// Reads a catalog; else everything that is wrong with it.
pub fn read(file: impl std::io::Read) -> Result<Catalog, Vec<Fault>> {
    let document: Document = serde_json::from_reader(file).map_err(|error| {
        let place = if error.is_data() && !error.to_string().contains("an object with") { "/catalog" } else { "" };
        let code = if error.is_data() { "wrong_type" } else { "malformed_json" };
        vec![Fault::new(place, code, format!("is no OSCAL catalog: {}", told(&error)))]
    })?;
    let mut reading = Reading::default();
    for name in document.unknown.keys() {
        let name: String = name.chars().take(80).collect();
        reading.fault(child("", &name), "unknown_field", "must not be given");
    }
    let Some(Root { groups, controls, rest }) = document.catalog else {
        reading.fault("/catalog".to_owned(), "required", "must be given");
        return Err(reading.faults);
    };
    reading.envelope(&rest);
    reading.nodes("/catalog", groups, controls, None, 1);
    if reading.faults.is_empty() { Ok(Catalog { envelope: rest, items: reading.items }) } else { Err(reading.faults) }
}

#[derive(Default)]
struct Reading {
    items: Vec<Item>,
    faults: Vec<Fault>,
    /// How often each id was given.
    ids: HashMap<String, usize>,
}

impl Reading {
    fn fault(&mut self, pointer: String, code: &'static str, detail: impl Into<String>) {
        if self.faults.len() < MOST_FAULTS {
            self.faults.push(Fault::new(pointer, code, detail.into()));
        }
    }

    /// What every catalog has.
    fn envelope(&mut self, envelope: &Map<String, Value>) {
        let text = |value: Option<&Value>| value.and_then(Value::as_str).is_some_and(|text| !text.trim().is_empty());
        if !text(envelope.get("uuid")) {
            self.fault("/catalog/uuid".to_owned(), "required", "must be given");
        }
        let metadata = envelope.get("metadata").and_then(Value::as_object);
        let Some(metadata) = metadata else {
            self.fault("/catalog/metadata".to_owned(), "required", "must be given");
            return;
        };
        for field in ["title", "version", "oscal-version", "last-modified"] {
            if !text(metadata.get(field)) {
                self.fault(format!("/catalog/metadata/{field}"), "required", "must be given");
            }
        }
    }

    fn nodes(&mut self, at: &str, groups: Vec<Node>, controls: Vec<Node>, parent: Option<(i32, &str)>, level: usize) {
        for (kind, name, nodes) in [(ItemKind::Group, "groups", groups), (ItemKind::Control, "controls", controls)] {
            for (index, node) in nodes.into_iter().enumerate() {
                if self.items.len() >= MOST {
                    self.fault("/catalog".to_owned(), "too_many", format!("has more than {MOST} groups and controls"));
                    return;
                }
                self.node(&format!("{at}/{name}/{index}"), kind, node, parent, level);
            }
        }
    }

    fn node(&mut self, at: &str, kind: ItemKind, node: Node, parent: Option<(i32, &str)>, level: usize) {
        let Node { id, title, groups, controls, rest } = node;
        if level > MOST_LEVELS {
            self.fault(at.to_owned(), "too_deep", format!("is deeper than {MOST_LEVELS} levels"));
            return;
        }
        let known = |id: &&String| {
            (1..=LONGEST_ID).contains(&id.len()) && !id.chars().any(|c| c.is_control() || c.is_whitespace())
        };
        match &id {
            None if kind == ItemKind::Control => self.fault(format!("{at}/id"), "required", "must be given"),
            Some(id) if !known(&id) => {
                self.fault(format!("{at}/id"), "wrong_form", "must be a token of 1 to 400 bytes");
            }
            None | Some(_) => {}
        }
        if title.as_ref().is_some_and(|title| title.chars().count() > 1000) {
            self.fault(format!("{at}/title"), "too_long", "must have at most 1000 characters");
        }
        if kind == ItemKind::Control && !groups.is_empty() {
            self.fault(format!("{at}/groups"), "unknown_field", "is for groups: a control holds controls");
        }
        let (asked, indicators) =
            (prose(&rest), if kind == ItemKind::Control { indicators(&rest) } else { Vec::new() });
        let texts = asked.iter().chain(indicators.iter().map(|indicator| &indicator.statement));
        if texts.map(|text| text.chars().count()).any(|length| length > LONGEST_PROSE) {
            self.fault(
                format!("{at}/parts"),
                "too_long",
                format!("must have at most {LONGEST_PROSE} characters of prose"),
            );
        }
        if indicators.len() > MOST_INDICATORS {
            self.fault(format!("{at}/parts"), "too_many", format!("must have at most {MOST_INDICATORS} indicators"));
        }
        let position = i32::try_from(self.items.len() + 1).unwrap_or(i32::MAX);
        let qualified = id.as_ref().map(|id| self.qualified(id, parent.map(|(_, above)| above)));
        let label = label(&rest).or_else(|| id.filter(|id| Some(id) != qualified.as_ref()));
        self.items.push(Item {
            position,
            parent_position: parent.map(|(position, _)| position),
            kind,
            item_id: qualified.clone(),
            label: label.map(|label| label.chars().take(LONGEST_ID).collect()),
            title: title.unwrap_or_default(),
            prose: asked,
            indicators: Json(indicators),
            content: Json(rest),
        });
        let above = qualified.unwrap_or_default();
        self.nodes(at, groups, controls, Some((position, &above)), level + 1);
    }

    /// An id that no other has: one that is used twice is qualified by what it is part of or, where that is used too or
    /// grows too long, numbered; so nothing is lost.
    fn qualified(&mut self, id: &str, above: Option<&str>) -> String {
        let within = above.filter(|above| !above.is_empty()).map(|above| format!("{above}.{id}"));
        let within = within.filter(|within| within.len() <= LONGEST_ID);
        let named = std::iter::once(id.to_owned()).chain(within).find(|candidate| !self.ids.contains_key(candidate));
        // With room for the number.
        let start: String =
            id.char_indices().take_while(|(at, c)| at + c.len_utf8() <= LONGEST_ID - 10).map(|(_, c)| c).collect();
        let mut free = named.unwrap_or_default();
        while free.is_empty() || self.ids.contains_key(&free) {
            let times = self.ids.entry(start.clone()).or_insert(1);
            *times += 1;
            free = format!("{start}-{times}");
        }
        self.ids.insert(free.clone(), 1);
        free
    }
}

/// What people call an item: its first property `label`.
fn label(content: &Map<String, Value>) -> Option<String> {
    let properties = content.get("props")?.as_array()?;
    let label = properties.iter().find(|property| property["name"] == "label")?;
    label["value"].as_str().filter(|label| !label.is_empty()).map(ToOwned::to_owned)
}

/// What a control asks for: the prose of its statements, with what is part of them.
fn prose(content: &Map<String, Value>) -> Option<String> {
    let mut lines = Vec::new();
    for part in content.get("parts").and_then(Value::as_array).into_iter().flatten() {
        if part["name"] == "statement" || part["name"] == "overview" {
            collect(part, &mut lines);
        }
    }
    Some(lines.join("\n\n")).filter(|prose| !prose.is_empty())
}

fn collect(part: &Value, lines: &mut Vec<String>) {
    if let Some(prose) = part["prose"].as_str() {
        let label = part.as_object().and_then(label).map(|label| format!("{label} ")).unwrap_or_default();
        lines.push(format!("{label}{prose}"));
    }
    for inner in part["parts"].as_array().into_iter().flatten() {
        collect(inner, lines);
    }
}

/// The statements by which a control is graded: its objectives, at any depth, whose class is a grade. An id that is used
/// twice is numbered.
fn indicators(content: &Map<String, Value>) -> Vec<Indicator> {
    let mut found = Vec::new();
    let mut left: Vec<&Value> = content.get("parts").and_then(Value::as_array).into_iter().flatten().rev().collect();
    while let Some(part) = left.pop() {
        left.extend(part["parts"].as_array().into_iter().flatten().rev());
        let grade = part["class"].as_str().and_then(|class| class.replace('-', "_").parse::<Grade>().ok());
        let (Some(grade), true) = (grade, part["name"] == "assessment-objective") else { continue };
        let number = found.len() + 1;
        let named = part["id"].as_str().filter(|id| (1..=LONGEST_ID).contains(&id.chars().count()));
        let taken = |id: &str| found.iter().any(|indicator: &Indicator| indicator.id == id);
        let id = named.filter(|id| !taken(id)).map_or_else(|| format!("indicator-{number}"), ToOwned::to_owned);
        found.push(Indicator {
            id,
            label: part.as_object().and_then(label).map(|label| label.chars().take(LONGEST_ID).collect()),
            grade,
            statement: part["prose"].as_str().unwrap_or_default().to_owned(),
        });
    }
    found
}
