//! What operations have in common: headers of answers, and the problems that follow from an operation's shape.

use std::collections::BTreeMap;

use api::problem::{self, Kind};
use serde_json::{Map, Value, json};

use crate::{operations, operations_mut, reference};

/// Headers of every answer.
const EVERYWHERE: &[&str] =
    &["API-Version", "Access-Control-Allow-Origin", "Cache-Control", "RateLimit", "RateLimit-Policy", "X-Request-Id"];

/// Adds headers and problems to every operation, and their components.
pub(crate) fn complete(paths: &mut Value, components: &mut Value) {
    components["headers"] = headers();
    components["responses"] = problems();
    for (path, method, operation) in operations_mut(paths) {
        let specific = operation["responses"].as_object().cloned().unwrap_or_default();
        let mut responses = Map::new();
        for (status, mut response) in specific {
            let problem = problem_of(&status);
            let mut names = vec![];
            if let Some(kind) = problem {
                response["content"] = problem_content(kind);
                names.extend(problem_headers(kind));
            }
            if matches!(status.as_str(), "200" | "201" | "202") {
                names.extend(["ETag", "Link"]);
                if method == "post" {
                    names.push("Idempotency-Replayed");
                }
            }
            if matches!(status.as_str(), "201" | "202" | "301") {
                names.push("Location");
            }
            response["headers"] = header_references(&names);
            responses.insert(status, response);
        }
        if method == "get" {
            responses.insert("304".to_owned(), not_modified());
        }
        for kind in implied_problems(path, operation) {
            let status = kind.status.to_string();
            responses.entry(status).or_insert_with(|| reference("responses", &component_name(kind)));
        }
        operation["responses"] = Value::Object(responses);
    }
}

/// The problems that an operation can answer with, by what it takes and who may call it.
///
/// Of 409 only what comes with `Idempotency-Key` is among them: what else contradicts what is stored depends on what an
/// operation does, so it says so itself.
#[must_use]
pub fn implied_problems(path: &str, operation: &Value) -> Vec<&'static Kind> {
    let mut kinds = vec![
        &problem::INVALID_REQUEST,
        &problem::UNAUTHENTICATED,
        &problem::TOO_MANY_REQUESTS,
        &problem::INTERNAL_ERROR,
        &problem::UNAVAILABLE,
    ];
    let anonymous = operation["security"].as_array().is_some_and(|alternatives| alternatives.contains(&json!({})));
    if !anonymous {
        kinds.push(&problem::FORBIDDEN);
    }
    if path.contains('{') {
        kinds.push(&problem::NOT_FOUND);
    }
    if operation.get("requestBody").is_some() {
        kinds.extend([&problem::REQUEST_TIMEOUT, &problem::CONTENT_TOO_LARGE, &problem::UNSUPPORTED_MEDIA_TYPE]);
    }
    if takes(operation, "Idempotency-Key").is_some() {
        kinds.extend([&problem::CONFLICT, &problem::IDEMPOTENCY_KEY_REUSED]);
    }
    if let Some(if_match) = takes(operation, "If-Match") {
        kinds.push(&problem::PRECONDITION_FAILED);
        if if_match["required"] == json!(true) {
            kinds.push(&problem::PRECONDITION_REQUIRED);
        }
    }
    kinds
}

/// The parameter of a name, if an operation takes it.
fn takes<'o>(operation: &'o Value, name: &str) -> Option<&'o Value> {
    operation["parameters"].as_array().into_iter().flatten().find(|parameter| parameter["name"] == name)
}

fn problem_of(status: &str) -> Option<&'static Kind> {
    problem::KINDS.iter().copied().find(|kind| kind.status.to_string() == status)
}

fn problem_headers(kind: &Kind) -> Vec<&'static str> {
    match kind.status {
        401 => vec!["WWW-Authenticate"],
        409 | 429 | 503 => vec!["Retry-After"],
        _ => vec![],
    }
}

fn header_references(more: &[&str]) -> Value {
    let names = EVERYWHERE.iter().chain(more);
    Value::Object(names.map(|name| ((*name).to_owned(), reference("headers", name))).collect())
}

fn not_modified() -> Value {
    json!({ "description": "Not modified: the copy that you hold is current.", "headers": header_references(&["ETag"]) })
}

/// `not-found` → `NotFound`
fn component_name(kind: &Kind) -> String {
    kind.slug
        .split('-')
        .map(|word| word.chars().take(1).flat_map(char::to_uppercase).chain(word.chars().skip(1)).collect::<String>())
        .collect()
}

fn problems() -> Value {
    let used = problem::KINDS.iter().filter(|kind| **kind != &problem::METHOD_NOT_ALLOWED);
    let responses = used.map(|kind| {
        let response = json!({
            "description": kind.explanation,
            "headers": header_references(&problem_headers(kind)),
            "content": problem_content(kind),
        });
        (component_name(kind), response)
    });
    Value::Object(responses.collect())
}

fn problem_content(kind: &Kind) -> Value {
    let errors = match kind.status {
        400 => {
            json!([{ "pointer": "#/name", "code": "too_long", "detail": "must have at most 120 characters, and has 131" }])
        }
        409 => {
            json!([{ "pointer": "#/slug", "code": "slug_taken", "detail": "This slug belongs, or once belonged, to another; choose a different one." }])
        }
        422 => {
            json!([{ "parameter": "Idempotency-Key", "code": "reused", "detail": "came with another request in the last 24 hours" }])
        }
        428 => json!([{ "parameter": "If-Match", "code": "required", "detail": "must be given" }]),
        _ => json!([]),
    };
    json!({
        "application/problem+json": {
            "schema": reference("schemas", "Problem"),
            "example": {
                "type": format!("https://api.loti.example/problems/{}", kind.slug),
                "title": kind.title,
                "status": kind.status,
                "detail": kind.explanation,
                "instance": "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11",
                "errors": errors,
            },
        },
    })
}

fn headers() -> Value {
    let text = |description: &str, most: usize, pattern: &str, example: &str| {
        json!({
            "description": description,
            "schema": { "type": "string", "maxLength": most, "pattern": pattern },
            "example": example,
        })
    };
    json!({
        "API-Version": text("Full semantic version of the API that answered.", 32, r"^\d+\.\d+\.\d+$", api::API_VERSION),
        "Access-Control-Allow-Origin": text("Origin whose pages may read the answer.", 255, r"^(\*|https?://.+)$", "https://apps.example.org"),
        "Cache-Control": text("How long, and by whom, a copy may be kept.", 100, "^[a-z0-9=, -]+$", "no-cache"),
        "RateLimit": text("What is left of the quota, and in how many seconds it is whole again.", 200, r#"^"[a-z]+";r=\d+;t=\d+$"#, "\"anonymous\";r=599;t=1"),
        "RateLimit-Policy": text("The quota, and the seconds that it is for.", 200, r#"^"[a-z]+";q=\d+;w=\d+$"#, "\"anonymous\";q=600;w=60"),
        "X-Request-Id": text("Id of the request: the caller's own when it sent one, else ours.", 128, "^[A-Za-z0-9._~-]+$", "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11"),
        "ETag": text("Entity tag of what was sent: of one resource its version and a digest. Send it back in `If-Match` or `If-None-Match`.", 80, "^\"[0-9a-f-]+\"$", "\"3-9f2c11aa04d1\""),
        "Link": text("Links (RFC 8288): `next` page of a collection, `self` of a resource.", 4000, "^<.+>; rel=", "</v1/products?limit=20&cursor=WyJhIl0>; rel=\"next\""),
        "Location": text("Where the resource is.", 300, "^/v1/", "/v1/products/0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11"),
        "WWW-Authenticate": text("Challenge (RFC 6750).", 200, "^Bearer", "Bearer realm=\"loti\", error=\"invalid_token\""),
        "Idempotency-Replayed": text("Says that the answer is that of an earlier request with the same `Idempotency-Key`.", 4, "^true$", "true"),
        "Retry-After": {
            "description": "Seconds to wait before the next try.",
            "schema": { "type": "integer", "format": "int32", "minimum": 0, "maximum": 86400 },
            "example": 5,
        },
    })
}

/// A parameter that several operations have becomes a component of its own.
pub(crate) fn share_parameters(document: &mut Value) {
    let mut seen: BTreeMap<String, (Value, usize)> = BTreeMap::new();
    for (_, _, operation) in operations(&document["paths"]) {
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            seen.entry(parameter.to_string()).or_insert_with(|| (parameter.clone(), 0)).1 += 1;
        }
    }
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    let mut components = Map::new();
    for (key, (parameter, uses)) in seen {
        if uses < 2 {
            continue;
        }
        let name = free_name(&parameter, &components);
        components.insert(name.clone(), parameter);
        names.insert(key, name);
    }
    for (_, _, operation) in operations_mut(&mut document["paths"]) {
        for parameter in operation.get_mut("parameters").and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(name) = names.get(&parameter.to_string()) {
                *parameter = reference("parameters", name);
            }
        }
    }
    document["components"]["parameters"] = Value::Object(components);
}

/// `If-Match` → `IfMatch`; what differs but has the same name is told apart by where it is used.
fn free_name(parameter: &Value, taken: &Map<String, Value>) -> String {
    let name = parameter["name"].as_str().unwrap_or_default();
    let words = name
        .split('-')
        .map(|word| word.chars().take(1).flat_map(char::to_uppercase).chain(word.chars().skip(1)).collect::<String>());
    let base: String = words.collect();
    let of_what = parameter["description"]
        .as_str()
        .and_then(|text| text.trim_end_matches('.').rsplit(' ').next())
        .unwrap_or_default();
    let qualified = |word: &str| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_uppercase().chain(letters).collect::<String>()).unwrap_or_default() + &base
    };
    if parameter["in"] == "path" {
        return qualified(of_what);
    }
    match (taken.contains_key(&base), parameter["required"] == json!(true)) {
        (false, _) => base,
        (true, true) => qualified("required"),
        (true, false) => qualified("optional"),
    }
}
