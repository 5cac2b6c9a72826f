//! JSON merge patches (RFC 7396): absent keeps, null clears, a value sets.
//!
//! The patch is checked against the document, then merged into the resource as a caller would have sent it, and the
//! result is held to the same rules as a new one.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use validator::Validate;

use super::json::{into_typed, read_json};
use crate::problem::Problem;

/// A body of `application/merge-patch+json` that matches the document.
#[derive(Clone)]
pub struct Patch(Value);

impl Patch {
    /// Whether the patch speaks of a field.
    #[must_use]
    pub fn mentions(&self, field: &str) -> bool {
        self.0.get(field).is_some()
    }

    /// What the resource becomes.
    pub fn apply<T: Serialize + DeserializeOwned + Validate>(&self, resource: &T) -> Result<T, Problem> {
        let mut merged = serde_json::to_value(resource).map_err(|error| Problem::internal(error.to_string()))?;
        merge(&mut merged, &self.0);
        into_typed(merged, Vec::new())
    }
}

impl FromRequest for Patch {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let (patch, faults) = read_json(&request, payload).await?;
            if faults.is_empty() { Ok(Self(patch)) } else { Err(Problem::invalid(faults)) }
        })
    }
}

/// RFC 7396, section 2.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Some(fields) = target.as_object_mut() else { return };
    for (name, change) in changes {
        if change.is_null() {
            fields.remove(name);
        } else {
            merge(fields.entry(name).or_insert(Value::Null), change);
        }
    }
}

/// Defines the schema of the merge patch of a resource.
#[macro_export]
macro_rules! merge_patch {
    ($(#[doc = $doc:literal])+ $name:ident of $target:ident) => {
        $(#[doc = $doc])+
        pub struct $name;

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                utoipa::openapi::ObjectBuilder::new()
                    .description(Some(concat!($($doc),+).trim()))
                    .extensions(Some(
                        utoipa::openapi::extensions::ExtensionsBuilder::new()
                            .add("x-merge-patch-of", stringify!($target))
                            .build(),
                    ))
                    .into()
            }
        }

        impl utoipa::ToSchema for $name {
            fn name() -> std::borrow::Cow<'static, str> {
                std::borrow::Cow::Borrowed(stringify!($name))
            }

            // Its fields are those of the target, which no operation may name otherwise.
            fn schemas(schemas: &mut Vec<(String, utoipa::openapi::RefOr<utoipa::openapi::Schema>)>) {
                schemas.push((stringify!($target).to_owned(), <$target as utoipa::PartialSchema>::schema()));
                <$target as utoipa::ToSchema>::schemas(schemas);
            }
        }
    };
}
