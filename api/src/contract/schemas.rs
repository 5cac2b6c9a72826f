//! What the derive macros leave open in a schema.
//!
//! A struct with `#[serde(flatten)]` comes as `allOf` and becomes one object; objects are closed; a merge patch
//! (`x-merge-patch-of`) gets the fields of what it changes, all optional, null where they may be absent; and what only
//! we send always has all its fields.

#![expect(clippy::indexing_slicing, reason = "a JSON value answers null for what is not there")]

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

/// Marks a merge patch, with the name of what it changes.
pub const MERGE_PATCH_OF: &str = "x-merge-patch-of";

/// Completes every schema that `paths` lead to; parts that were flattened into others are dropped.
#[must_use]
pub fn complete(mut schemas: BTreeMap<String, Value>, paths: &Value) -> BTreeMap<String, Value> {
    let raw = schemas.clone();
    for schema in schemas.values_mut() {
        flatten(schema, &raw);
        close(schema);
        bound(schema);
    }
    let completed = schemas.clone();
    for schema in schemas.values_mut() {
        if let Some(target) = schema[MERGE_PATCH_OF].as_str().and_then(|name| completed.get(name)) {
            *schema = merge_patch(schema, target);
        }
    }
    let used = reachable(paths, &schemas, |_| true);
    let sent_by_clients = reachable(paths, &schemas, |part| part != "responses");
    schemas.retain(|name, _| used.contains(name));
    for (name, schema) in &mut schemas {
        if !sent_by_clients.contains(name) {
            require_all(schema);
        }
    }
    schemas
}

/// What only we send always has all its fields, those without a value as null.
///
/// A read-only field that is neither required nor nullable is one that we leave out.
fn require_all(schema: &mut Value) {
    let Some(properties) = schema["properties"].as_object() else { return };
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    let always = |name: &String, property: &Value| {
        let left_out = property["readOnly"] == json!(true);
        required.contains(&json!(name)) || is_nullable(property) || (property["type"] == json!("array") && !left_out)
    };
    let names: Vec<Value> =
        properties.iter().filter(|(name, p)| always(name, p)).map(|(name, _)| json!(name)).collect();
    schema["required"] = Value::Array(names);
}

fn is_nullable(schema: &Value) -> bool {
    let null = json!("null");
    schema["type"].as_array().is_some_and(|types| types.contains(&null))
        || schema["oneOf"].as_array().is_some_and(|alternatives| alternatives.iter().any(|a| a["type"] == null))
}

/// A query parameter is absent or has a value; it is never null.
pub fn complete_parameters(paths: &mut Value) {
    let operations = paths.as_object_mut().into_iter().flatten().filter_map(|(_, item)| item.as_object_mut()).flatten();
    for (_, operation) in operations {
        for parameter in operation.get_mut("parameters").and_then(Value::as_array_mut).into_iter().flatten() {
            let Some(schema) = parameter.get_mut("schema") else { continue };
            bound(schema);
            if let Some(types) = schema["type"].as_array() {
                let kept: Vec<&Value> = types.iter().filter(|t| **t != json!("null")).collect();
                if let [only] = kept.as_slice() {
                    schema["type"] = (*only).clone();
                }
            }
            if let Some(only) = not_null(schema) {
                *schema = only;
            }
        }
    }
}

/// The other side of `oneOf: [{type: null}, …]`.
fn not_null(schema: &Value) -> Option<Value> {
    let alternatives = schema["oneOf"].as_array()?;
    match alternatives.iter().filter(|a| a["type"] != json!("null")).collect::<Vec<_>>().as_slice() {
        [only] if alternatives.len() == 2 => Some((*only).clone()),
        _ => None,
    }
}

fn flatten(schema: &mut Value, all: &BTreeMap<String, Value>) {
    let Some(parts) = schema.get("allOf").and_then(Value::as_array).cloned() else { return };
    let mut merged = Map::new();
    let mut properties = Map::new();
    let mut required = Vec::new();
    for part in &parts {
        let mut part = part["$ref"]
            .as_str()
            .and_then(|reference| all.get(reference.rsplit('/').next().unwrap_or_default()))
            .unwrap_or(part)
            .clone();
        flatten(&mut part, all);
        properties.extend(part["properties"].as_object().cloned().unwrap_or_default());
        required.extend(part["required"].as_array().cloned().unwrap_or_default());
    }
    merged.insert("type".to_owned(), json!("object"));
    if let Some(description) = schema.get("description") {
        merged.insert("description".to_owned(), description.clone());
    }
    merged.insert("properties".to_owned(), Value::Object(properties));
    if !required.is_empty() {
        merged.insert("required".to_owned(), Value::Array(required));
    }
    *schema = Value::Object(merged);
}

fn close(schema: &mut Value) {
    if schema["type"] != json!("object") || schema.get("additionalProperties").is_some() {
        return;
    }
    schema["additionalProperties"] = json!(false);
    // Without this the validator does not tell an unknown field by its name.
    if schema.get("properties").is_none() {
        schema["properties"] = json!({});
    }
}

/// A format bounds the length of its texts, and what is read-only is the list rather than its items.
fn bound(schema: &mut Value) {
    let Some(object) = schema.as_object_mut() else {
        schema.as_array_mut().into_iter().flatten().for_each(bound);
        return;
    };
    match object.get("format").and_then(Value::as_str) {
        Some("uuid") => {
            object.insert("minLength".to_owned(), json!(36));
            object.insert("maxLength".to_owned(), json!(36));
        }
        Some("date") => {
            object.insert("maxLength".to_owned(), json!(10));
            object.insert("pattern".to_owned(), json!("^[1-9][0-9]{3}-[0-9]{2}-[0-9]{2}$"));
        }
        Some("date-time") => {
            object.insert("maxLength".to_owned(), json!(35));
        }
        _ => {}
    }
    // The derive macro puts what is said of a list on its items.
    let moved = object.get_mut("items").and_then(Value::as_object_mut).and_then(|items| items.remove("readOnly"));
    object.extend(moved.map(|read_only| ("readOnly".to_owned(), read_only)));
    object.values_mut().for_each(bound);
}

fn merge_patch(patch: &Value, target: &Value) -> Value {
    let required: Vec<&str> = target["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let mut properties = target["properties"].as_object().cloned().unwrap_or_default();
    for (name, property) in &mut properties {
        if !required.contains(&name.as_str()) {
            nullable(property);
        }
        if let Some(property) = property.as_object_mut() {
            property.remove("default");
        }
    }
    json!({
        "type": "object",
        "description": patch["description"],
        "properties": properties,
        "additionalProperties": false,
        "minProperties": 1,
    })
}

fn nullable(schema: &mut Value) {
    match schema.get("type") {
        Some(Value::String(one)) => {
            schema["type"] = json!([one, "null"]);
            if let Some(words) = schema.get_mut("enum").and_then(Value::as_array_mut) {
                words.push(Value::Null);
            }
        }
        None if schema.get("$ref").is_some() => {
            let mut outer = json!({ "oneOf": [{ "type": "null" }, { "$ref": schema["$ref"] }] });
            for kept in ["description", "example"] {
                if let Some(value) = schema.get(kept) {
                    outer[kept] = value.clone();
                }
            }
            *schema = outer;
        }
        _ => {}
    }
}

/// Names of the schemas that the chosen parts of operations lead to, directly or through others.
fn reachable(paths: &Value, schemas: &BTreeMap<String, Value>, part: impl Fn(&str) -> bool) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let operations = paths.as_object().into_iter().flatten().filter_map(|(_, item)| item.as_object()).flatten();
    let parts = operations.filter_map(|(_, operation)| operation.as_object()).flatten();
    for (_, value) in parts.filter(|(name, _)| part(name)) {
        follow(value, schemas, &mut found);
    }
    found
}

fn follow(value: &Value, schemas: &BTreeMap<String, Value>, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            if let Some(name) = object.get("$ref").and_then(Value::as_str).and_then(|r| r.rsplit('/').next())
                && found.insert(name.to_owned())
                && let Some(schema) = schemas.get(name)
            {
                follow(schema, schemas, found);
            }
            object.values().for_each(|value| follow(value, schemas, found));
        }
        Value::Array(array) => array.iter().for_each(|value| follow(value, schemas, found)),
        _ => {}
    }
}

/// Gives a schema, as `components`, the known ones that it refers to, directly and through others. Only those: with
/// everything in each of some hundred validators, these would take most of the memory.
pub fn stand_alone<'a>(schema: &mut Value, known: impl Fn(&str) -> Option<(&'a str, &'a Value)>) {
    let mut needed = BTreeMap::new();
    collect(schema, &known, &mut needed);
    if let Some(object) = schema.as_object_mut().filter(|_| !needed.is_empty()) {
        object.insert("components".to_owned(), json!({ "schemas": needed }));
    }
}

fn collect<'a>(
    schema: &Value,
    known: &impl Fn(&str) -> Option<(&'a str, &'a Value)>,
    needed: &mut BTreeMap<&'a str, &'a Value>,
) {
    match schema {
        Value::Object(members) => {
            let reference = members.get("$ref").and_then(Value::as_str).and_then(|target| target.rsplit('/').next());
            if let Some((name, referred)) = reference.and_then(known)
                && needed.insert(name, referred).is_none()
            {
                collect(referred, known, needed);
            }
            members.values().for_each(|member| collect(member, known, needed));
        }
        Value::Array(elements) => elements.iter().for_each(|element| collect(element, known, needed)),
        _ => {}
    }
}
