//! A profile (OSCAL 1.1, profile model): which controls of a catalog a checklist selects, values of parameters, and what its
//! keeper adds. What a checklist has no field for is kept as it came.

use db::Fault;
use db::checklists::{ScoringRule, Selector, Setting};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{NS, VERSION, insert, text, told, uuid};
use crate::compliance::selection::Adjustment;

/// How many selectors, parameters and values of one a checklist has at most.
const MOST_SELECTORS: usize = 100;
const MOST_PARAMETERS: usize = 5000;
const MOST_VALUES: usize = 100;

/// What a profile says, as far as a checklist has fields for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// What it includes; all when empty.
    pub included: Vec<Selector>,
    /// What it excludes.
    pub excluded: Vec<Selector>,
    /// Values of parameters.
    pub parameters: Vec<Setting>,
    /// What is added to controls.
    pub adjustments: Vec<Adjustment>,
    /// Kinds of organisation, if it says so.
    pub applies_to: Option<Vec<String>>,
    /// Months until it is due again, if it says so.
    pub due_months: Option<i32>,
    /// How it is scored, if it says so.
    pub scoring: Option<ScoringRule>,
    /// All else.
    pub rest: Map<String, Value>,
}

/// Reads a profile; else everything that is wrong with it.
pub fn read(file: impl std::io::Read) -> Result<Profile, Vec<Fault>> {
    let document: Value = serde_json::from_reader(file)
        .map_err(|error| vec![Fault::new("", "malformed_json", format!("is no OSCAL profile: {}", told(&error)))])?;
    let mut reading = Reading { faults: Vec::new() };
    let Some(profile) = document.get("profile").and_then(Value::as_object) else {
        return Err(vec![Fault::new("/profile", "required", "must be given, and be an object")]);
    };
    for name in document
        .as_object()
        .into_iter()
        .flat_map(Map::keys)
        .filter(|name| !["profile", "$schema"].contains(&name.as_str()))
    {
        let name: String = name.chars().take(80).collect();
        reading.fault(crate::contract::faults::child("", &name), "unknown_field", "must not be given");
    }
    let mut rest = profile.clone();
    reading.head(&rest);
    let mut read = Profile {
        included: Vec::new(),
        excluded: Vec::new(),
        parameters: Vec::new(),
        adjustments: Vec::new(),
        applies_to: None,
        due_months: None,
        scoring: None,
        rest: Map::new(),
    };
    reading.properties(&mut rest, &mut read);
    reading.imports(&mut rest, &mut read);
    reading.modify(&mut rest, &mut read);
    read.rest = rest;
    if reading.faults.is_empty() { Ok(read) } else { Err(reading.faults) }
}

struct Reading {
    faults: Vec<Fault>,
}

impl Reading {
    fn fault(&mut self, pointer: impl Into<String>, code: &'static str, detail: impl Into<String>) {
        if self.faults.len() < 100 {
            self.faults.push(Fault::new(pointer.into(), code, detail.into()));
        }
    }

    /// What every profile has.
    fn head(&mut self, profile: &Map<String, Value>) {
        let text = |value: Option<&Value>| value.and_then(Value::as_str).is_some_and(|text| !text.trim().is_empty());
        if !text(profile.get("uuid")) {
            self.fault("/profile/uuid", "required", "must be given");
        }
        let metadata = profile.get("metadata").and_then(Value::as_object);
        for field in ["title", "version", "oscal-version", "last-modified"] {
            if !text(metadata.and_then(|metadata| metadata.get(field))) {
                self.fault(format!("/profile/metadata/{field}"), "required", "must be given");
            }
        }
    }

    /// Our properties of the whole.
    fn properties(&mut self, rest: &mut Map<String, Value>, read: &mut Profile) {
        let Some(metadata) = rest.get_mut("metadata").and_then(Value::as_object_mut) else { return };
        for (index, value) in taken(metadata, "props", is_ours) {
            let at = format!("/profile/metadata/props/{index}/value");
            let said = text(&value, "value").unwrap_or_default().to_owned();
            match text(&value, "name") {
                Some("applies-to") => read.applies_to.get_or_insert_default().push(said),
                Some("due-months") => match said.parse() {
                    Ok(months) if (1..=120).contains(&months) => read.due_months = Some(months),
                    _ => self.fault(at, "out_of_range", "must be a number of months from 1 to 120"),
                },
                Some("scoring") => match said.parse() {
                    Ok(rule) => read.scoring = Some(rule),
                    Err(()) => self.fault(at, "not_listed", "must be all_met, weighted or graded"),
                },
                _ => self.fault(at, "not_listed", "is no property that we know"),
            }
        }
        let kinds: Vec<String> = db::organisations::OrganisationKind::ALL.iter().map(ToString::to_string).collect();
        if read.applies_to.iter().flatten().any(|kind| !kinds.contains(kind)) {
            self.fault(
                "/profile/metadata/props",
                "not_listed",
                format!("applies-to must be any of {}", kinds.join(", ")),
            );
        }
    }

    fn imports(&mut self, rest: &mut Map<String, Value>, read: &mut Profile) {
        let Some(imports) = rest.get_mut("imports").and_then(Value::as_array_mut).filter(|imports| !imports.is_empty())
        else {
            return self.fault("/profile/imports", "required", "must be a list of one import");
        };
        if imports.len() > 1 {
            return self.fault(
                "/profile/imports",
                "too_many",
                "must be one: a checklist selects controls of one framework",
            );
        }
        let Some(import) = imports.first_mut().and_then(Value::as_object_mut) else {
            return self.fault("/profile/imports/0", "wrong_type", "must be an object");
        };
        if !import.get("href").is_some_and(Value::is_string) {
            self.fault("/profile/imports/0/href", "required", "must be given");
        }
        for (name, into) in [("include-controls", &mut read.included), ("exclude-controls", &mut read.excluded)] {
            let Some(selectors) = import.remove(name) else { continue };
            let at = format!("/profile/imports/0/{name}");
            let Some(selectors) = selectors.as_array() else {
                self.fault(at, "wrong_type", "must be a list");
                continue;
            };
            for (index, selector) in selectors.iter().enumerate() {
                match selector_of(selector).filter(|_| index < MOST_SELECTORS) {
                    Some(selector) => into.push(selector),
                    None => self.fault(
                        format!("{at}/{index}"),
                        "wrong_form",
                        "must have with-ids or matching, of tokens, and nothing else but with-child-controls; there are 100 at most",
                    ),
                }
            }
        }
        if import.contains_key("include-all") && !read.included.is_empty() {
            self.fault("/profile/imports/0/include-all", "contradictory", "must not be given with include-controls");
        }
    }

    fn modify(&mut self, rest: &mut Map<String, Value>, read: &mut Profile) {
        let Some(modify) = rest.get_mut("modify") else { return };
        let Some(modify) = modify.as_object_mut() else {
            return self.fault("/profile/modify", "wrong_type", "must be an object");
        };
        for (index, entry) in modify.get("set-parameters").and_then(Value::as_array).into_iter().flatten().enumerate() {
            let values = entry["values"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let values: Vec<String> = values.map(ToOwned::to_owned).collect();
            let fits = |value: &String| (1..=2000).contains(&value.chars().count());
            if index >= MOST_PARAMETERS || values.len() > MOST_VALUES || !values.iter().all(fits) {
                let at = format!("/profile/modify/set-parameters/{index}/values");
                self.fault(at, "too_long", format!("must be at most {MOST_VALUES} of 1 to 2000 characters"));
            }
            if let Some(parameter) = entry["param-id"].as_str().filter(|id| is_token(id)) {
                read.parameters.push(Setting { parameter: parameter.to_owned(), values });
            } else {
                let at = format!("/profile/modify/set-parameters/{index}/param-id");
                self.fault(at, "required", "must be given, and be a token of at most 400 bytes");
            }
        }
        for (index, alter) in taken(modify, "alters", is_our_alter) {
            let at = format!("/profile/modify/alters/{index}");
            match adjustment_of(&alter) {
                Some(adjustment) => read.adjustments.push(adjustment),
                None => self.fault(at, "wrong_form", "must add guidance, a weight, or both"),
            }
        }
        if modify.is_empty() {
            rest.remove("modify");
        }
    }
}

fn is_ours(value: &Value) -> bool {
    value["ns"] == NS
}

/// Whether a change of a control is one that a checklist has fields for.
fn is_our_alter(alter: &Value) -> bool {
    let adds = alter["adds"].as_array().map(Vec::as_slice).unwrap_or_default();
    let [add] = adds else { return false };
    let ours = |name: &str| add[name].as_array().is_none_or(|all| all.iter().all(is_ours));
    (add["parts"].is_array() || add["props"].is_array())
        && ours("parts")
        && ours("props")
        && alter.get("removes").is_none()
}

fn adjustment_of(alter: &Value) -> Option<Adjustment> {
    let add = alter["adds"].get(0)?;
    let named = |list: &str, name: &str| add[list].as_array()?.iter().find(|entry| entry["name"] == name).cloned();
    let guidance = named("parts", "guidance").and_then(|part| Some(text(&part, "prose")?.to_owned()));
    let weight = match named("props", "weight") {
        Some(prop) => text(&prop, "value")?.parse().ok().filter(|weight| (1..=100).contains(weight))?,
        None => 1,
    };
    let guidance = guidance.filter(|text| (1..=5000).contains(&text.chars().count()));
    Some(Adjustment { control: alter["control-id"].as_str()?.to_owned(), guidance, weight })
}

/// Whether a text can be an id, or a pattern of one.
fn is_token(text: &str) -> bool {
    (1..=400).contains(&text.len()) && !text.contains(|c: char| c.is_whitespace() || c.is_control())
}

fn selector_of(selector: &Value) -> Option<Selector> {
    let object = selector.as_object()?;
    let mut read = Selector::default();
    for (name, value) in object {
        match name.as_str() {
            "with-ids" => {
                read.ids =
                    value.as_array()?.iter().map(|id| id.as_str().map(ToOwned::to_owned)).collect::<Option<_>>()?;
            }
            "matching" => {
                let pattern = |entry: &Value| match entry.as_object()?.len() {
                    1 => entry["pattern"].as_str().map(ToOwned::to_owned),
                    _ => None,
                };
                read.matching = value.as_array()?.iter().map(pattern).collect::<Option<_>>()?;
            }
            "with-child-controls" => {
                read.with_child_controls = Some(match value.as_str()? {
                    "yes" => true,
                    "no" => false,
                    _ => return None,
                });
            }
            _ => return None,
        }
    }
    let tokens = read.ids.iter().chain(&read.matching).all(|text| is_token(text));
    let all_fit = read.ids.len() <= 20_000 && read.matching.len() <= 100 && tokens;
    (all_fit && !(read.ids.is_empty() && read.matching.is_empty())).then_some(read)
}

/// Takes the entries of a list that are of some sort, with their places; a list that is empty then goes.
fn taken(object: &mut Map<String, Value>, name: &str, is_it: fn(&Value) -> bool) -> Vec<(usize, Value)> {
    let Some(list) = object.get_mut(name).and_then(Value::as_array_mut) else { return Vec::new() };
    let (mut found, mut kept) = (Vec::new(), Vec::new());
    for (index, entry) in list.drain(..).enumerate() {
        if is_it(&entry) { found.push((index, entry)) } else { kept.push(entry) }
    }
    if kept.is_empty() && !found.is_empty() {
        object.remove(name);
    } else {
        *list = kept;
    }
    found
}

/// What a profile that was never sent says of itself.
#[derive(Debug, Clone)]
pub struct About {
    /// The checklist.
    pub id: Uuid,
    /// Its title.
    pub title: String,
    /// Its edition.
    pub edition: String,
    /// When it last changed, RFC 3339.
    pub last_modified: String,
    /// Where its catalog is.
    pub catalog: String,
}

/// A checklist as a profile. Groups become the ids of their controls, which `in_groups` gives.
#[must_use]
pub fn write(profile: &Profile, about: &About, in_groups: impl Fn(&[String]) -> Vec<String>) -> Value {
    let mut whole = profile.rest.clone();
    whole.entry("uuid").or_insert_with(|| json!(uuid(about.id, "profile")));
    whole.entry("metadata").or_insert_with(|| {
        json!({
            "title": about.title, "version": about.edition, "oscal-version": VERSION, "last-modified": about.last_modified,
        })
    });
    if !profile.rest.contains_key("imports") {
        whole.insert("imports".to_owned(), json!([{ "href": about.catalog }]));
        whole.insert("merge".to_owned(), json!({ "as-is": true }));
    }
    if let Some(import) = whole.get_mut("imports").and_then(|imports| imports.get_mut(0)).and_then(Value::as_object_mut)
    {
        let oscal = |selectors: &[Selector]| -> Value {
            selectors.iter().map(|selector| selector_as_oscal(selector, &in_groups)).collect()
        };
        if !profile.included.is_empty() {
            import.remove("include-all");
            import.insert("include-controls".to_owned(), oscal(&profile.included));
        } else if !profile.rest.contains_key("imports") {
            import.insert("include-all".to_owned(), json!({}));
        }
        if !profile.excluded.is_empty() {
            import.insert("exclude-controls".to_owned(), oscal(&profile.excluded));
        }
    }
    properties(&mut whole, profile);
    modifications(&mut whole, profile);
    json!({ "profile": whole })
}

fn selector_as_oscal(selector: &Selector, in_groups: &impl Fn(&[String]) -> Vec<String>) -> Value {
    let mut ids = selector.ids.clone();
    ids.extend(in_groups(&selector.groups).into_iter().filter(|id| !selector.ids.contains(id)));
    let mut oscal = Map::new();
    if let Some(with) = selector.with_child_controls {
        oscal.insert("with-child-controls".to_owned(), json!(if with { "yes" } else { "no" }));
    }
    if !ids.is_empty() {
        oscal.insert("with-ids".to_owned(), json!(ids));
    }
    if !selector.matching.is_empty() {
        let patterns: Value = selector.matching.iter().map(|pattern| json!({ "pattern": pattern })).collect();
        oscal.insert("matching".to_owned(), patterns);
    }
    oscal.into()
}

fn properties(whole: &mut Map<String, Value>, profile: &Profile) {
    let prop = |name: &str, value: String| json!({ "name": name, "ns": NS, "value": value });
    let mut ours: Vec<Value> = Vec::new();
    // The plainest rule goes without saying, so that a profile of others comes out as it came.
    let rule = profile.scoring.filter(|rule| *rule != ScoringRule::AllMet);
    ours.extend(rule.map(|rule| prop("scoring", rule.to_string())));
    ours.extend(profile.due_months.map(|months| prop("due-months", months.to_string())));
    ours.extend(profile.applies_to.iter().flatten().map(|kind| prop("applies-to", kind.clone())));
    appended(whole.get_mut("metadata"), "props", ours);
}

fn modifications(whole: &mut Map<String, Value>, profile: &Profile) {
    let held = whole.get("modify").and_then(|modify| modify.get("set-parameters")).cloned().unwrap_or_default();
    let as_sent = |setting: &Setting| {
        let sent = held.as_array()?.iter().find(|entry| entry["param-id"] == setting.parameter.as_str());
        sent.and_then(Value::as_object).cloned()
    };
    let setting = |setting: &Setting| {
        let mut entry = as_sent(setting).unwrap_or_default();
        entry.insert("param-id".to_owned(), json!(setting.parameter));
        if !setting.values.is_empty() {
            entry.insert("values".to_owned(), json!(setting.values));
        }
        Value::Object(entry)
    };
    let alter = |adjustment: &Adjustment| {
        let mut add = json!({ "position": "ending" });
        if adjustment.weight != 1 {
            insert(&mut add, "props", json!([{ "name": "weight", "ns": NS, "value": adjustment.weight.to_string() }]));
        }
        if let Some(guidance) = &adjustment.guidance {
            insert(&mut add, "parts", json!([{ "name": "guidance", "ns": NS, "prose": guidance }]));
        }
        json!({ "control-id": adjustment.control, "adds": [add] })
    };
    let adjusted =
        profile.adjustments.iter().filter(|adjustment| adjustment.guidance.is_some() || adjustment.weight != 1);
    let alters: Vec<Value> = adjusted.map(alter).collect();
    if !whole.contains_key("modify") && profile.parameters.is_empty() && alters.is_empty() {
        return;
    }
    let modify = whole.entry("modify").or_insert_with(|| json!({}));
    if let Some(modify) = modify.as_object_mut() {
        let settings: Vec<Value> = profile.parameters.iter().map(setting).collect();
        if settings.is_empty() {
            modify.remove("set-parameters");
        } else {
            modify.insert("set-parameters".to_owned(), settings.into());
        }
    }
    appended(Some(modify), "alters", alters);
}

fn appended(object: Option<&mut Value>, name: &str, more: Vec<Value>) {
    let Some(object) = object.and_then(Value::as_object_mut).filter(|_| !more.is_empty()) else { return };
    if let Some(list) = object.entry(name).or_insert_with(|| json!([])).as_array_mut() {
        list.extend(more);
    }
}
