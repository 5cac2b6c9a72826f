//! The OpenAPI document.
//!
//! Each operation says of itself what only it knows, in `api::v1`. What all have in common is added here: headers,
//! problems, examples, links. [`lint`] holds the result to our own rules; public linters hold it to theirs
//! (`openapi/rules`).

#![expect(clippy::indexing_slicing, reason = "a JSON value answers null for what is not there")]

pub mod base;
pub mod common;
pub mod examples;
pub mod links;
pub mod lint;

use serde_json::{Map, Value, json};

/// The document of major version 1.
#[must_use]
pub fn document() -> Value {
    let contract = api::v1::routes().contract();
    let mut document = base::document();
    let mut schemas: Map<String, Value> = contract.schemas().clone().into_iter().collect();
    schemas.extend(base::problem_schemas());
    schemas.values_mut().for_each(tidy);
    document["components"]["schemas"] = Value::Object(schemas);
    let mut paths = contract.paths().clone();
    tidy(&mut paths);
    common::complete(&mut paths, &mut document["components"]);
    links::add(&mut paths);
    document["paths"] = paths;
    examples::complete(&mut document);
    common::share_parameters(&mut document);
    document
}

/// The document as it is committed.
#[must_use]
pub fn render() -> String {
    format!("{:#}\n", document())
}

/// A description of an optional object belongs to the field, not to one of its alternatives.
fn tidy(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.values_mut().for_each(tidy);
            if object.contains_key("description") {
                return;
            }
            let moved = object.get_mut("oneOf").and_then(Value::as_array_mut).into_iter().flatten().find_map(|a| {
                a.get("$ref").is_some().then(|| a.as_object_mut().and_then(|a| a.remove("description"))).flatten()
            });
            if let Some(description) = moved {
                object.insert("description".to_owned(), description);
            }
        }
        Value::Array(array) => array.iter_mut().for_each(tidy),
        _ => {}
    }
}

/// Every operation of a document: path, method, operation.
pub(crate) fn operations(paths: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    paths.as_object().into_iter().flatten().flat_map(|(path, item)| {
        item.as_object()
            .into_iter()
            .flatten()
            .map(move |(method, operation)| (path.as_str(), method.as_str(), operation))
    })
}

/// Every operation of a document, to be changed.
pub(crate) fn operations_mut(paths: &mut Value) -> impl Iterator<Item = (&str, &str, &mut Value)> {
    paths.as_object_mut().into_iter().flatten().flat_map(|(path, item)| {
        item.as_object_mut()
            .into_iter()
            .flatten()
            .map(move |(method, operation)| (path.as_str(), method.as_str(), operation))
    })
}

pub(crate) fn reference(kind: &str, name: &str) -> Value {
    json!({ "$ref": format!("#/components/{kind}/{name}") })
}
