//! Our own rules for the document, beyond those of the public linters: nothing undescribed, unbounded or without an
//! example; examples that match; and just the problems that an operation can answer with.

use std::collections::BTreeSet;

use api::contract::stand_alone;
use serde_json::{Value, json};

use crate::common::implied_problems;
use crate::operations;

/// Everything that breaks a rule, as sentences that say where.
#[must_use]
pub fn findings(document: &Value) -> Vec<String> {
    let mut lint = Lint { document, findings: Vec::new() };
    for (path, method, operation) in operations(&document["paths"]) {
        lint.operation(path, method, operation);
    }
    for (name, schema) in document["components"]["schemas"].as_object().into_iter().flatten() {
        lint.named_schema(name, schema);
    }
    lint.examples();
    lint.findings
}

struct Lint<'d> {
    document: &'d Value,
    findings: Vec<String>,
}

impl Lint<'_> {
    fn must(&mut self, holds: bool, finding: impl FnOnce() -> String) {
        if !holds {
            self.findings.push(finding());
        }
    }

    fn operation(&mut self, path: &str, method: &str, operation: &Value) {
        let name = operation["operationId"].as_str().unwrap_or_default().to_owned();
        let at = format!("{method} {path} ({name})");
        for field in ["operationId", "summary", "description"] {
            self.must(said(&operation[field]), || format!("{at} has no {field}"));
        }
        self.must(operation["tags"].as_array().is_some_and(|tags| tags.len() == 1), || format!("{at} has not one tag"));
        self.must(operation["security"].as_array().is_some_and(|s| !s.is_empty()), || {
            format!("{at} does not say who may call it")
        });
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let parameter = self.resolved(parameter).clone();
            let at = format!("{at}, parameter {}", parameter["name"]);
            self.must(said(&parameter["description"]), || format!("{at} is not described"));
            self.must(parameter.get("example").is_some(), || format!("{at} has no example"));
            self.bounded(&at, &parameter["schema"]);
        }
        if let Some(body) = operation.get("requestBody") {
            self.must(said(&body["description"]), || format!("{at}: the body is not described"));
            self.content(&format!("{at}, body"), body);
        }
        for (status, response) in operation["responses"].as_object().into_iter().flatten() {
            let response = self.resolved(response).clone();
            let at = format!("{at}, {status}");
            self.must(said(&response["description"]), || format!("{at} is not described"));
            self.must(response["headers"].get("API-Version").is_some(), || format!("{at} has no API-Version"));
            self.content(&at, &response);
        }
        self.problems(&at, path, operation);
        self.links(&at, path, method, operation);
    }

    fn content(&mut self, at: &str, part: &Value) {
        for (media_type, content) in part["content"].as_object().into_iter().flatten() {
            let has_example = content.get("example").is_some() || content.get("examples").is_some();
            self.must(has_example, || format!("{at}: {media_type} has no example"));
            let named = content["schema"].get("$ref").is_some() || content["schema"]["type"] == json!("string");
            self.must(named, || format!("{at}: the schema of {media_type} has no name"));
        }
    }

    /// Those that follow from the operation's shape, and 404 and 409 where it says so: no more and no fewer.
    fn problems(&mut self, at: &str, path: &str, operation: &Value) {
        let resolved = |parameter: &Value| self.resolved(parameter).clone();
        let mut whole = operation.clone();
        whole["parameters"] = operation["parameters"].as_array().into_iter().flatten().map(resolved).collect();
        let mut implied: BTreeSet<String> =
            implied_problems(path, &whole).iter().map(|kind| kind.status.to_string()).collect();
        let responses = operation["responses"].as_object().into_iter().flatten().map(|(status, _)| status.clone());
        let documented: BTreeSet<String> = responses.filter(|status| status.as_str() >= "400").collect();
        // What a body names that is not there, or that contradicts the catalogue, only the operation can say.
        implied.extend(["404", "409"].into_iter().filter_map(|status| documented.get(status).cloned()));
        self.must(implied == documented, || format!("{at} documents {documented:?} and can answer {implied:?}"));
    }

    /// What creates something leads on to what can be done with it.
    fn links(&mut self, at: &str, path: &str, method: &str, operation: &Value) {
        let below = format!("{path}/{{");
        let leads_on = operations(&self.document["paths"]).any(|(other, ..)| other.starts_with(&below));
        let created = ["201", "202"].iter().filter_map(|status| operation["responses"].get(status));
        let wanting = method == "post" && leads_on && created.into_iter().any(|made| made.get("links").is_none());
        self.must(!wanting, || format!("{at} creates something and links to nothing"));
        let ids: BTreeSet<&str> =
            operations(&self.document["paths"]).filter_map(|(_, _, o)| o["operationId"].as_str()).collect();
        let targets: Vec<String> = operation["responses"]
            .as_object()
            .into_iter()
            .flatten()
            .flat_map(|(_, response)| response["links"].as_object().into_iter().flatten())
            .filter_map(|(_, link)| link["operationId"].as_str().map(Into::into))
            .collect();
        for target in targets {
            self.must(ids.contains(target.as_str()), || format!("{at} links to {target}, which is not there"));
        }
    }

    fn named_schema(&mut self, name: &str, schema: &Value) {
        self.must(said(&schema["description"]), || format!("{name} is not described"));
        self.must(schema.get("example").is_some() || schema.get("examples").is_some(), || {
            format!("{name} has no example")
        });
        let closed = schema["type"] != json!("object") || schema["additionalProperties"] == json!(false);
        self.must(closed, || format!("{name} is open"));
        let Some(properties) = schema["properties"].as_object() else { return self.bounded(name, schema) };
        for (field, property) in properties {
            let at = format!("{name}.{field}");
            self.must(said(&property["description"]), || format!("{at} is not described"));
            let has_example = property.get("example").is_some() || property.get("examples").is_some();
            self.must(has_example, || format!("{at} has no example"));
            self.must(property.get("properties").is_none(), || format!("{at} is an object without a name"));
            self.bounded(&at, property);
        }
    }

    /// Every value has bounds: lengths, ranges, words.
    fn bounded(&mut self, at: &str, schema: &Value) {
        if schema.get("enum").is_some() || schema.get("$ref").is_some() {
            return;
        }
        let has = |keyword: &str| schema.get(keyword).is_some();
        let types: Vec<&str> = match &schema["type"] {
            Value::String(one) => vec![one],
            Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
            _ => vec![],
        };
        for kind in types {
            let sound = match kind {
                "string" => has("maxLength") && (has("pattern") || has("format")),
                "integer" | "number" => has("minimum") && has("maximum"),
                "array" => has("maxItems") && has("items"),
                _ => true,
            };
            self.must(sound, || format!("{at} is a {kind} without bounds"));
        }
        if let Some(items) = schema.get("items") {
            self.bounded(&format!("{at}, items"), items);
        }
    }

    /// Every example matches its schema.
    fn examples(&mut self) {
        let mut found = Vec::new();
        collect_examples(self.document, "#", &mut found);
        for (at, schema, example) in found {
            let mut whole = schema.clone();
            let known = self.document["components"]["schemas"].as_object();
            stand_alone(&mut whole, |name| Some((known?.get_key_value(name)?.0.as_str(), known?.get(name)?)));
            let outcome = jsonschema::draft202012::options().should_validate_formats(true).build(&whole);
            match outcome {
                Ok(validator) => {
                    let errors: Vec<String> = validator.iter_errors(&example).map(|error| error.to_string()).collect();
                    self.must(errors.is_empty(), || format!("{at}: the example does not match: {}", errors.join("; ")));
                }
                Err(error) => self.findings.push(format!("{at}: the schema does not compile: {error}")),
            }
        }
    }

    fn resolved<'v>(&'v self, value: &'v Value) -> &'v Value {
        let pointer = value["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
        pointer.and_then(|pointer| self.document.pointer(pointer)).unwrap_or(value)
    }
}

fn said(text: &Value) -> bool {
    text.as_str().is_some_and(|text| !text.trim().is_empty())
}

/// Schemas with the examples beside them: of media types, parameters, headers, and of schemas themselves.
fn collect_examples(value: &Value, at: &str, found: &mut Vec<(String, Value, Value)>) {
    match value {
        Value::Object(object) => {
            if let (Some(schema), Some(example)) = (object.get("schema"), object.get("example")) {
                found.push((at.to_owned(), schema.clone(), example.clone()));
            }
            let is_schema = ["type", "$ref", "oneOf"].iter().any(|keyword| object.contains_key(*keyword));
            let beside = object.get("example").or_else(|| object.get("examples").and_then(|examples| examples.get(0)));
            if let (true, Some(example)) = (is_schema && !object.contains_key("schema"), beside) {
                found.push((at.to_owned(), value.clone(), example.clone()));
            }
            for (name, inner) in object.iter().filter(|(name, _)| !matches!(name.as_str(), "example" | "examples")) {
                collect_examples(inner, &format!("{at}/{name}"), found);
            }
        }
        Value::Array(array) => {
            for (index, inner) in array.iter().enumerate() {
                collect_examples(inner, &format!("{at}/{index}"), found);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_breaks_no_rule() {
        let found = findings(&crate::document());
        assert!(found.is_empty(), "{}", found.join("\n"));
    }

    #[test]
    fn each_rule_finds_what_breaks_it() {
        type Break = (&'static str, fn(&mut Value));
        let breaks: [Break; 8] = [
            ("has no summary", |d| d["paths"]["/products"]["post"]["summary"] = json!("")),
            ("does not say who may call it", |d| d["paths"]["/products"]["post"]["security"] = json!([])),
            ("documents", |d| {
                if let Some(responses) = d["paths"]["/products"]["post"]["responses"].as_object_mut() {
                    responses.remove("413");
                }
            }),
            ("links to nothing", |d| {
                if let Some(created) = d["paths"]["/products"]["post"]["responses"]["201"].as_object_mut() {
                    created.remove("links");
                }
            }),
            ("is not described", |d| {
                d["components"]["schemas"]["Product"]["properties"]["name"]["description"] = json!("");
            }),
            ("without bounds", |d| {
                if let Some(name) = d["components"]["schemas"]["Product"]["properties"]["name"].as_object_mut() {
                    name.remove("maxLength");
                }
            }),
            ("does not match", |d| d["components"]["schemas"]["Product"]["properties"]["name"]["example"] = json!(5)),
            ("is open", |d| d["components"]["schemas"]["Product"]["additionalProperties"] = json!(true)),
        ];
        for (finding, change) in breaks {
            let mut document = crate::document();
            change(&mut document);
            let found = findings(&document);
            assert!(found.iter().any(|sentence| sentence.contains(finding)), "nothing {finding:?} in {found:?}");
        }
    }
}
