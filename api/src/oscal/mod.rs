//! OSCAL (NIST, <https://pages.nist.gov/OSCAL>), as it comes in and goes out. What is not read for ourselves is kept as it
//! came, so that what goes out says all that came in.

pub mod catalog;
pub mod profile;
pub mod results;
pub mod write;

use serde_json::Value;
use utoipa::openapi::schema::SchemaType;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema};
use uuid::Uuid;

/// Namespace of the properties that OSCAL has no name for.
pub const NS: &str = "https://api.loti.example/ns/oscal";
/// The version of OSCAL in which we write.
pub const VERSION: &str = "1.1.2";

/// The schema of a document of OSCAL: it has one of some models, by name, of which no more is said than what it is, with an
/// example. What it consists of, NIST says.
pub(crate) fn document<const N: usize>(
    description: &'static str,
    models: [(&'static str, &'static str, Value); N],
) -> RefOr<Schema> {
    let mut document = ObjectBuilder::new().description(Some(description));
    for (name, what, example) in models {
        let whole = ObjectBuilder::new().schema_type(SchemaType::AnyValue).description(Some(what)).examples([example]);
        document = document.property(name, whole);
        if N == 1 {
            document = document.required(name);
        }
    }
    document.into()
}

/// What a reader of JSON says of a file, on a line of bounded length: it repeats what stands there.
fn told(error: &serde_json::Error) -> String {
    error.to_string().chars().filter(|c| !c.is_control()).take(200).collect()
}

/// Gives an object another member.
pub(crate) fn insert(object: &mut Value, name: &str, value: impl Into<Value>) {
    if let Some(members) = object.as_object_mut() {
        members.insert(name.to_owned(), value.into());
    }
}

/// The text of a member.
pub(crate) fn text<'v>(object: &'v Value, name: &str) -> Option<&'v str> {
    object.get(name)?.as_str()
}

/// A UUID as OSCAL allows it, which are those of version 4 and 5: always the same for the same part of the same object.
#[must_use]
pub fn uuid(of: Uuid, part: &str) -> Uuid {
    Uuid::new_v5(&of, part.as_bytes())
}
