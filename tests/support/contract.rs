//! Holds an answer to the OpenAPI document: status, headers, media type and body are those documented for the operation.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use api::contract::stand_alone;
use jsonschema::Validator;
use serde_json::{Value, json};

use super::client::Answer;

/// Headers that are there only when there is something to say.
const SOMETIMES: &[&str] = &["Link", "Idempotency-Replayed"];

/// The document that the code makes; `document.rs` compares it with the committed one.
pub fn document() -> &'static Value {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    DOCUMENT.get_or_init(openapi::document)
}

/// One operation of the document.
pub struct Operation {
    /// operationId
    pub id: String,
    /// In upper case.
    pub method: String,
    /// With the base, such as `/v1/products/{id}`.
    pub path: String,
    /// The operation object, its references followed at the first level.
    pub value: Value,
}

impl Operation {
    /// The statuses it documents.
    pub fn statuses(&self) -> Vec<u16> {
        self.value["responses"].as_object().unwrap().keys().map(|status| status.parse().unwrap()).collect()
    }

    /// Media type and schema of its body.
    pub fn body(&self) -> Option<(&str, &Value)> {
        let (media_type, content) = self.value["requestBody"]["content"].as_object()?.iter().next()?;
        Some((media_type, &content["schema"]))
    }

    /// Whether anybody may call it.
    pub fn is_public(&self) -> bool {
        self.value["security"].as_array().unwrap().contains(&json!({}))
    }
}

/// Every operation.
pub fn operations() -> &'static [Operation] {
    static OPERATIONS: OnceLock<Vec<Operation>> = OnceLock::new();
    OPERATIONS.get_or_init(|| {
        let mut operations = Vec::new();
        for (path, item) in document()["paths"].as_object().unwrap() {
            for (method, value) in item.as_object().unwrap() {
                let id = value["operationId"].as_str().unwrap().to_owned();
                let path = format!("/v1{path}");
                operations.push(Operation { id, method: method.to_uppercase(), path, value: value.clone() });
            }
        }
        operations
    })
}

/// The operation of an id.
pub fn operation(id: &str) -> &'static Operation {
    operations().iter().find(|operation| operation.id == id).unwrap_or_else(|| panic!("no operation {id}"))
}

/// What a `$ref` leads to; anything else is itself.
pub fn resolve(value: &Value) -> &Value {
    match value["$ref"].as_str() {
        Some(reference) => document().pointer(reference.trim_start_matches('#')).unwrap(),
        None => value,
    }
}

/// Fails the test when an answer is not as documented.
pub fn check(method: &str, path: &str, answer: &Answer) {
    let what = format!("{method} {path} → {} {}", answer.status, String::from_utf8_lossy(&answer.bytes));
    check_common_headers(&what, answer);
    let path = path.split('?').next().unwrap();
    // Readiness names its components whatever they are in, and OAuth has errors of its own.
    let of_oauth = path.starts_with("/oauth/") && answer["error"].is_string();
    if answer.status >= 400 && method != "HEAD" && path != "/readyz" && !of_oauth {
        check_problem(&what, answer);
    }
    match find(method, path) {
        Some(operation) => check_operation(&what, operation, method, answer),
        None if is_documented(path) => {
            assert!(answer.status == 405 || method == "OPTIONS", "{what}: the document has no such method");
        }
        None => {}
    }
}

fn find(method: &str, path: &str) -> Option<&'static Operation> {
    let method = if method == "HEAD" { "GET" } else { method };
    let fitting = operations().iter().filter(|operation| operation.method == method && fits(&operation.path, path));
    fitting.min_by_key(|operation| operation.path.matches('{').count())
}

fn is_documented(path: &str) -> bool {
    operations().iter().any(|operation| fits(&operation.path, path))
}

fn fits(template: &str, path: &str) -> bool {
    let (template, path): (Vec<&str>, Vec<&str>) = (template.split('/').collect(), path.split('/').collect());
    template.len() == path.len()
        && template.iter().zip(path).all(|(wanted, is)| {
            match wanted.strip_prefix('{').and_then(|p| p.split_once('}')) {
                None => *wanted == is,
                // No id has a dot, but `{id}.ics` has.
                Some((_, "")) => !is.is_empty() && !is.contains('.'),
                Some((_, ending)) => is.ends_with(ending),
            }
        })
}

fn check_common_headers(what: &str, answer: &Answer) {
    for name in [
        "strict-transport-security",
        "x-content-type-options",
        "content-security-policy",
        "referrer-policy",
        "api-version",
        "cache-control",
        "x-request-id",
        "vary",
    ] {
        assert!(answer.header(name).is_some(), "{what}: without {name}");
    }
}

fn check_problem(what: &str, answer: &Answer) {
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{what}");
    let problem = document().pointer("/components/schemas/Problem").unwrap();
    valid(what, "Problem", problem, &answer.json);
    assert_eq!(answer["instance"].as_str(), answer.header("x-request-id"), "{what}: instance is not the request id");
    assert_eq!(answer["status"], answer.status, "{what}: status of the body");
    let slug = answer.text("type").rsplit('/').next().unwrap();
    let kind = api::problem::KINDS.iter().find(|kind| kind.slug == slug);
    assert!(kind.is_some_and(|kind| kind.status == answer.status), "{what}: {slug} is no problem of this status");
}

fn check_operation(what: &str, operation: &Operation, method: &str, answer: &Answer) {
    let response = resolve(&operation.value["responses"][answer.status.to_string()]);
    assert!(response.is_object(), "{what}: {} does not document this status", operation.id);
    check_headers(what, response, answer);
    let Some(content) = response["content"].as_object() else {
        assert!(answer.bytes.is_empty(), "{what}: a body where none is documented");
        return;
    };
    // What a page is written in stands behind its media type.
    let media_type = answer.header("content-type").unwrap_or_default().trim_end_matches("; charset=utf-8");
    let content = content.get(media_type).unwrap_or_else(|| panic!("{what}: {media_type:?} is not documented"));
    if method == "HEAD" {
        assert!(answer.bytes.is_empty(), "{what}: a body to HEAD");
    } else if media_type.ends_with("json") {
        valid(what, &format!("{} {} {media_type}", operation.id, answer.status), &content["schema"], &answer.json);
    }
}

fn check_headers(what: &str, response: &Value, answer: &Answer) {
    for (name, header) in response["headers"].as_object().into_iter().flatten() {
        let Some(value) = answer.header(&name.to_lowercase()) else {
            // A conflict that waiting cannot solve has nothing to wait for.
            let optional = SOMETIMES.contains(&name.as_str()) || (name == "Retry-After" && answer.status == 409);
            assert!(optional, "{what}: {name} is documented and missing");
            continue;
        };
        let schema = &resolve(header)["schema"];
        let value = if schema["type"] == "integer" { json!(value.parse::<i64>().ok()) } else { json!(value) };
        valid(&format!("{what}, {name}"), &format!("header {name}"), schema, &value);
    }
}

/// Compiled schemas are kept by `key`: making one takes longer than most calls.
fn valid(what: &str, key: &str, schema: &Value, value: &Value) {
    static COMPILED: OnceLock<Mutex<HashMap<String, Arc<Validator>>>> = OnceLock::new();
    let validator = {
        let mut compiled = COMPILED.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(compiled.entry(key.to_owned()).or_insert_with(|| Arc::new(compile(schema))))
    };
    let faults: Vec<String> =
        validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(faults.is_empty(), "{what}\ndoes not match the document: {faults:#?}");
}

/// A schema of the document, ready to use.
pub fn compile(schema: &Value) -> Validator {
    let mut schema = schema.clone();
    let known = document()["components"]["schemas"].as_object().unwrap();
    stand_alone(&mut schema, |name| known.get_key_value(name).map(|(name, schema)| (name.as_str(), schema)));
    jsonschema::draft202012::options().should_validate_formats(true).build(&schema).unwrap()
}
