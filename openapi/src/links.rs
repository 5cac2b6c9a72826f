//! Links from the answer that creates or lists something to what can be done with it.

use serde_json::{Map, Value, json};

use crate::{operations, operations_mut};

struct Target {
    path: String,
    operation_id: String,
    needs_tag: bool,
}

/// Adds links to every operation that answers with new resources, or with one that has a tag.
pub(crate) fn add(paths: &mut Value) {
    let targets: Vec<Target> = operations(paths)
        .map(|(path, _, operation)| Target {
            path: path.to_owned(),
            operation_id: operation["operationId"].as_str().unwrap_or_default().to_owned(),
            needs_tag: operation["parameters"].as_array().into_iter().flatten().any(|p| p["name"] == "If-Match"),
        })
        .collect();
    for (path, method, operation) in operations_mut(paths) {
        let from = operation["operationId"].as_str().unwrap_or_default().to_owned();
        let links = match method {
            "post" => below(path, &targets),
            "get" if path.ends_with('}') => beside(path, &from, &targets),
            _ => Map::new(),
        };
        let statuses: &[&str] = if method == "post" { &["201", "202"] } else { &["200"] };
        for status in statuses.iter().filter(|_| !links.is_empty()) {
            if let Some(response) = operation["responses"].get_mut(*status) {
                response["links"] = Value::Object(links.clone());
            }
        }
    }
}

/// From a collection to the operations on one of its resources.
fn below(path: &str, targets: &[Target]) -> Map<String, Value> {
    let mut links = Map::new();
    // What is listed below something else may have a life, and so a path, of its own.
    let own = path.rfind('/').and_then(|slash| path.get(slash..)).unwrap_or(path);
    for target in targets {
        let beneath = |base: &str| target.path.strip_prefix(base).and_then(|rest| rest.strip_prefix("/{"));
        let Some(rest) = beneath(path).or_else(|| beneath(own)) else { continue };
        let (parameter, rest) = rest.split_once('}').unwrap_or((rest, ""));
        if rest.contains('{') {
            continue;
        }
        let mut parameters = kept(path);
        // What is no id is a field of its own name.
        let field = if parameter == "id" || parameter.ends_with("Id") { "id" } else { parameter };
        parameters.insert(parameter.to_owned(), json!(format!("$response.body#/{field}")));
        links.insert(target.operation_id.clone(), link(target, parameters));
    }
    links
}

/// From a resource to the other operations on it that need its tag.
fn beside(path: &str, from: &str, targets: &[Target]) -> Map<String, Value> {
    let on_it = targets.iter().filter(|t| t.path == path && t.needs_tag && t.operation_id != from);
    on_it.map(|target| (target.operation_id.clone(), link(target, kept(path)))).collect()
}

fn kept(path: &str) -> Map<String, Value> {
    let names = path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'));
    names.map(|name| (name.to_owned(), json!(format!("$request.path.{name}")))).collect()
}

fn link(target: &Target, mut parameters: Map<String, Value>) -> Value {
    if target.needs_tag {
        parameters.insert("header.If-Match".to_owned(), json!("$response.header.ETag"));
    }
    json!({
        "operationId": target.operation_id,
        "parameters": parameters,
        "description": format!("Goes on with `{}`.", target.operation_id),
    })
}
