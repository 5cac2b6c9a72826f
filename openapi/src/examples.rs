//! Examples: each field has one, and from those come examples of whole bodies, which so cannot contradict them.

use serde_json::{Map, Value, json};

use crate::operations_mut;

/// Adds examples to schemas, parameters and bodies that have none.
pub(crate) fn complete(document: &mut Value) {
    let names: Vec<String> =
        document["components"]["schemas"].as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect();
    for name in names {
        let schema = &document["components"]["schemas"][&name];
        if given(schema).is_none() {
            let example = of_schema(schema, document);
            document["components"]["schemas"][&name]["example"] = example;
        }
        fill_properties(document, &name);
    }
    let snapshot = document.clone();
    for (_, _, operation) in operations_mut(&mut document["paths"]) {
        for parameter in operation.get_mut("parameters").and_then(Value::as_array_mut).into_iter().flatten() {
            if parameter.get("example").is_none() {
                parameter["example"] = of_schema(&parameter["schema"], &snapshot);
            }
        }
        if let Some(body) = operation.get_mut("requestBody") {
            fill_content(body, &snapshot);
        }
        for (_, response) in operation["responses"].as_object_mut().into_iter().flatten() {
            fill_content(response, &snapshot);
        }
    }
}

fn fill_properties(document: &mut Value, name: &str) {
    let schema = &document["components"]["schemas"][name];
    let Some(properties) = schema["properties"].as_object() else { return };
    let missing: Vec<(String, Value)> = properties
        .iter()
        .filter(|(_, property)| given(property).is_none())
        .map(|(field, property)| (field.clone(), of_schema(property, document)))
        .collect();
    for (field, example) in missing {
        document["components"]["schemas"][name]["properties"][&field]["example"] = example;
    }
}

fn fill_content(part: &mut Value, document: &Value) {
    for (_, content) in part.get_mut("content").and_then(Value::as_object_mut).into_iter().flatten() {
        if content.get("example").is_none() {
            content["example"] = of_schema(&content["schema"], document);
        }
    }
}

fn given(schema: &Value) -> Option<&Value> {
    schema.get("example").or_else(|| schema["examples"].as_array().and_then(|examples| examples.first()))
}

/// The example of a schema; of an object, those of its fields; of a merge patch, one field.
fn of_schema(schema: &Value, document: &Value) -> Value {
    if let Some(example) = given(schema) {
        return example.clone();
    }
    if let Some(name) = schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next()) {
        return of_schema(&document["components"]["schemas"][name], document);
    }
    if let Some(alternatives) = schema["oneOf"].as_array() {
        let other = alternatives.iter().find(|alternative| alternative["type"] != json!("null"));
        return other.map_or(Value::Null, |other| of_schema(other, document));
    }
    if let Some(first) = schema["enum"].as_array().and_then(|words| words.first()) {
        return first.clone();
    }
    if let Some(properties) = schema["properties"].as_object() {
        let all = properties.iter().map(|(field, property)| (field.clone(), of_schema(property, document)));
        let is_patch = schema["minProperties"] == json!(1);
        return if is_patch { Value::Object(all.take(1).collect()) } else { Value::Object(all.collect::<Map<_, _>>()) };
    }
    match schema["type"].as_str().or_else(|| schema["type"][0].as_str()) {
        Some("array") => json!([of_schema(&schema["items"], document)]),
        Some("boolean") => json!(false),
        Some("integer" | "number") => schema["minimum"].clone(),
        _ => Value::Null,
    }
}
