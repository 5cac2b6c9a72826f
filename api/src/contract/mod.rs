//! The document as the rule: what an operation's annotation says of callers, parameters and bodies is what requests
//! are held to, so that the two cannot differ.
//!
//! [`schemas`] completes what the derive macros leave open; [`faults`] says in our words what a value does wrong;
//! a [`Gate`] stands before each handler.

#![expect(clippy::indexing_slicing, reason = "a JSON value answers null for what is not there")]

pub mod body;
pub mod faults;
pub mod schemas;

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::HttpMessage;
use actix_web::dev::ServiceRequest;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use jsonschema::Validator;
use serde_json::{Map, Value, json};

pub use schemas::stand_alone;

use crate::auth::{Caller, Identity, Rule};
use crate::problem::{Fault, Problem};

/// The operations and schemas of a table of routes, complete.
pub struct Contract {
    paths: Value,
    schemas: BTreeMap<String, Value>,
}

impl Contract {
    /// Completes the schemas of a table.
    #[must_use]
    pub fn new(paths: Value, schemas: BTreeMap<String, Value>) -> Self {
        let mut contract = Self { schemas: schemas::complete(schemas, &paths), paths };
        schemas::complete_parameters(&mut contract.paths);
        contract
    }

    /// `paths` of the document.
    #[must_use]
    pub fn paths(&self) -> &Value {
        &self.paths
    }

    /// `components.schemas` of the document.
    #[must_use]
    pub fn schemas(&self) -> &BTreeMap<String, Value> {
        &self.schemas
    }

    /// What checks values against a named schema.
    pub fn validator(&self, schema: &str) -> Result<Validator, String> {
        self.compile(json!({ "$ref": format!("#/components/schemas/{schema}") }))
    }

    /// The gate before one operation. Fails when what is documented cannot be enforced.
    pub fn gate(&self, path: &str, method: &str) -> Result<Gate, String> {
        let name = format!("{method} {path}");
        let operation = self
            .paths
            .get(path)
            .and_then(|item| item.get(method.to_lowercase()))
            .ok_or_else(|| format!("{name} is not in the document"))?;
        let unfinished = self.schemas.iter().find(|(_, schema)| schema.get(schemas::MERGE_PATCH_OF).is_some());
        if let Some((patch, _)) = unfinished {
            return Err(format!("{patch} is a patch of a schema that is not known, and would let everything pass"));
        }
        let operation_id = operation["operationId"].as_str().ok_or_else(|| format!("{name} has no operationId"))?;
        let rule =
            Rule::of(&operation["security"]).ok_or_else(|| format!("{operation_id} does not say who may call it"))?;
        let bodies = operation["requestBody"]["content"].as_object().cloned().unwrap_or_default();
        Ok(Gate(Arc::new(Operation {
            id: operation_id.to_owned(),
            rule,
            query: self.query(operation)?,
            headers: self.headers(operation)?,
            bodies: bodies
                .into_iter()
                .map(|(media_type, content)| Ok((media_type, self.compile(content["schema"].clone())?)))
                .collect::<Result<_, String>>()?,
            retirement: retirement(operation),
        })))
    }

    fn query(&self, operation: &Value) -> Result<Query, String> {
        let mut properties = Map::new();
        let mut required = Vec::new();
        let mut kinds = BTreeMap::new();
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let (Some("query"), Some(name)) = (parameter["in"].as_str(), parameter["name"].as_str()) else { continue };
            let schema = self.resolved(&parameter["schema"]);
            let element = self.resolved(&schema["items"]);
            let kind = match schema["type"].as_str() {
                Some("array") if parameter["explode"] == json!(false) => ParameterKind::Separated(scalar(&element)),
                Some("array") => ParameterKind::Repeated(scalar(&element)),
                _ => ParameterKind::Single(scalar(&schema)),
            };
            kinds.insert(name.to_owned(), kind);
            properties.insert(name.to_owned(), parameter["schema"].clone());
            if parameter["required"] == json!(true) {
                required.push(name.to_owned());
            }
        }
        let schema = json!({ "type": "object", "properties": properties, "required": required });
        Ok(Query { kinds, validator: self.compile(schema)? })
    }

    fn headers(&self, operation: &Value) -> Result<Vec<(String, Validator)>, String> {
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let headers = parameters.filter(|parameter| parameter["in"] == "header");
        headers
            .filter_map(|header| header["name"].as_str().map(|name| (name, header["schema"].clone())))
            .map(|(name, schema)| Ok((name.to_owned(), self.compile(schema)?)))
            .collect()
    }

    fn resolved(&self, schema: &Value) -> Value {
        let name = schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next());
        name.and_then(|name| self.schemas.get(name)).unwrap_or(schema).clone()
    }

    fn compile(&self, mut schema: Value) -> Result<Validator, String> {
        schemas::stand_alone(&mut schema, |name| {
            self.schemas.get_key_value(name).map(|(name, known)| (name.as_str(), known))
        });
        jsonschema::draft202012::options()
            .should_validate_formats(true)
            .with_format("spdx", is_spdx)
            .build(&schema)
            .map_err(|error| format!("a schema cannot be enforced: {error}"))
    }
}

/// Identifiers that SPDX has deprecated, such as GPL-3.0, are still what most files say.
pub(crate) fn is_spdx(expression: &str) -> bool {
    let mode = spdx::ParseMode { allow_deprecated: true, allow_postfix_plus_on_gpl: true, ..spdx::ParseMode::STRICT };
    spdx::Expression::parse_mode(expression, mode).is_ok()
}

fn scalar(schema: &Value) -> Scalar {
    match schema["type"].as_str() {
        Some("integer") => Scalar::Integer,
        Some("boolean") => Scalar::Boolean,
        _ => Scalar::Text,
    }
}

#[derive(Clone, Copy)]
enum Scalar {
    Text,
    Integer,
    Boolean,
}

impl Scalar {
    /// The value as its type; left as text, which the schema then refuses, when it is none.
    fn read(self, text: &str) -> Value {
        let text_value = || Value::from(text);
        match self {
            Self::Text => text_value(),
            Self::Integer => text.parse::<i64>().map_or_else(|_| text_value(), Value::from),
            Self::Boolean => text.parse::<bool>().map_or_else(|_| text_value(), Value::from),
        }
    }
}

enum ParameterKind {
    Single(Scalar),
    Repeated(Scalar),
    Separated(Scalar),
}

/// What the query string of an operation may hold.
struct Query {
    kinds: BTreeMap<String, ParameterKind>,
    validator: Validator,
}

impl Query {
    /// The parameters as one JSON object; every fault at once.
    fn read(&self, query: &str) -> (Value, Vec<Fault>) {
        let mut values = Map::new();
        let mut found = Vec::new();
        for (name, value) in pairs(query) {
            let Ok(value) = value else {
                found.push(Fault::parameter(name, "not_utf8", "must be percent-encoded UTF-8"));
                continue;
            };
            match self.kinds.get(&name) {
                None => found.push(self.unknown(&name)),
                Some(ParameterKind::Single(_)) if values.contains_key(&name) => {
                    found.push(Fault::parameter(name, "repeated", "takes one value; it was given more than once"));
                }
                Some(ParameterKind::Single(kind)) => {
                    values.insert(name, kind.read(&value));
                }
                Some(ParameterKind::Repeated(kind)) => append(&mut values, name, [kind.read(&value)]),
                Some(ParameterKind::Separated(kind)) => {
                    append(&mut values, name, value.split(',').map(|part| kind.read(part)));
                }
            }
        }
        let values = Value::Object(values);
        found.extend(faults::of_parameters(&self.validator, &values));
        (values, found)
    }

    fn unknown(&self, name: &str) -> Fault {
        let known: Vec<&str> = self.kinds.keys().map(String::as_str).collect();
        let detail = if known.is_empty() {
            "is no parameter of this operation, which takes none".to_owned()
        } else {
            format!("is no parameter of this operation, which takes {}", known.join(", "))
        };
        Fault::parameter(name, "unknown_parameter", detail)
    }
}

fn append(values: &mut Map<String, Value>, name: String, more: impl IntoIterator<Item = Value>) {
    let entry = values.entry(name).or_insert_with(|| Value::Array(Vec::new()));
    if let Some(array) = entry.as_array_mut() {
        array.extend(more);
    }
}

/// Names and values of a query string; a value that is not UTF-8 is an error rather than guessed at.
fn pairs(query: &str) -> impl Iterator<Item = (String, Result<String, ()>)> + '_ {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(name).unwrap_or_else(|()| name.to_owned()), decode(value))
    })
}

fn decode(text: &str) -> Result<String, ()> {
    let text = text.replace('+', " ");
    percent_encoding::percent_decode_str(&text).decode_utf8().map(std::borrow::Cow::into_owned).map_err(|_| ())
}

/// Stands before a handler and lets pass what its documentation allows.
#[derive(Clone)]
pub struct Gate(Arc<Operation>);

struct Operation {
    id: String,
    rule: Rule,
    query: Query,
    headers: Vec<(String, Validator)>,
    bodies: Vec<(String, Validator)>,
    retirement: Vec<(HeaderName, HeaderValue)>,
}

/// The parameters of a request that passed.
pub struct Parameters(pub Value);

impl Gate {
    /// Checks the caller and the query string, and leaves for the handler who calls and what was asked.
    pub fn admit(&self, request: &ServiceRequest) -> Result<(), Problem> {
        let identity = request.extensions().get::<Identity>().cloned().unwrap_or_default();
        let verified = self.0.rule.admit(identity)?;
        let (parameters, mut faults) = self.0.query.read(request.query_string());
        faults.extend(self.header_faults(request.headers()));
        if !faults.is_empty() {
            return Err(Problem::invalid(faults));
        }
        let mut extensions = request.extensions_mut();
        extensions.insert(Caller::new(verified, self.0.id.clone()));
        extensions.insert(Parameters(parameters));
        extensions.insert(self.clone());
        Ok(())
    }

    /// A header that is documented has the documented form. Whether it must be there is for its extractor to say.
    fn header_faults(&self, headers: &HeaderMap) -> Vec<Fault> {
        let wrong = |(name, validator): &&(String, Validator)| {
            let mut values = headers.get_all(name.as_str());
            values.any(|value| !value.to_str().is_ok_and(|text| validator.is_valid(&Value::from(text))))
        };
        let faulty = self.0.headers.iter().filter(wrong);
        faulty.map(|(name, _)| Fault::parameter(name, "wrong_form", "must have the documented form")).collect()
    }

    /// Media types that the body may have.
    pub fn media_types(&self) -> impl Iterator<Item = &str> {
        self.0.bodies.iter().map(|(media_type, _)| media_type.as_str())
    }

    /// Every fault of a body of the given media type.
    #[must_use]
    pub fn body_faults(&self, media_type: &str, body: &Value) -> Vec<Fault> {
        let validator = self.0.bodies.iter().find(|(documented, _)| documented == media_type);
        validator.map(|(_, validator)| faults::of_body(validator, body)).unwrap_or_default()
    }

    /// `Deprecation` (RFC 9745) and `Sunset` (RFC 8594) of an operation that is on its way out.
    pub fn announce_retirement(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.0.retirement {
            headers.insert(name.clone(), value.clone());
        }
    }
}

/// From `x-deprecated-at` (seconds since 1970) and `x-sunset` (an HTTP date) of an operation.
fn retirement(operation: &Value) -> Vec<(HeaderName, HeaderValue)> {
    let header = |name: &'static str, value: String| {
        HeaderValue::from_str(&value).ok().map(|value| (HeaderName::from_static(name), value))
    };
    let deprecated = operation["x-deprecated-at"].as_i64().and_then(|at| header("deprecation", format!("@{at}")));
    let sunset = operation["x-sunset"].as_str().and_then(|date| header("sunset", date.to_owned()));
    deprecated.into_iter().chain(sunset).collect()
}
