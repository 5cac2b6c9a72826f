//! Bodies that do not come as JSON requests, held to the same rules: rows of imports, publiccode.yml.

use jsonschema::Validator;
use serde::de::DeserializeOwned;
use serde_json::Value;
use validator::Validate;

use super::{Contract, faults};
use crate::http::json::into_typed;
use crate::problem::{Location, Problem};

/// What checks values against one named schema of the document.
pub struct Body(Validator);

impl Body {
    /// The rules of a schema. Fails when it cannot be enforced.
    pub fn new(contract: &Contract, schema: &str) -> Result<Self, String> {
        contract.validator(schema).map(Self)
    }

    /// The value as its Rust type; every fault at once.
    pub fn read<T: DeserializeOwned + Validate>(&self, value: Value) -> Result<T, Problem> {
        let faults = faults::of_body(&self.0, &value);
        into_typed(value, faults)
    }
}

/// Where the fields of a body came from, when it was made from something else: pairs of JSON pointers.
///
/// A fault is then reported where its maker can find it.
#[derive(Debug, Clone, Default)]
pub struct Origins(Vec<(String, String)>);

impl Origins {
    /// What is at `field` of the body, and within, came from `origin`.
    pub fn note(&mut self, field: impl Into<String>, origin: impl Into<String>) {
        self.0.push((field.into(), origin.into()));
    }

    /// The problem, with each fault at its origin.
    #[must_use]
    pub fn relocate(&self, mut problem: Problem) -> Problem {
        for fault in &mut problem.faults {
            if let Location::Body(pointer) = &mut fault.location
                && let Some(origin) = self.origin_of(pointer)
            {
                *pointer = origin.into();
            }
        }
        problem
    }

    fn origin_of(&self, pointer: &str) -> Option<String> {
        let within = |field: &str| pointer.strip_prefix(field).filter(|rest| rest.is_empty() || rest.starts_with('/'));
        let places = self.0.iter().filter_map(|(field, origin)| Some((field.len(), origin, within(field)?)));
        places.max_by_key(|(depth, ..)| *depth).map(|(_, origin, rest)| format!("{origin}{rest}"))
    }
}
