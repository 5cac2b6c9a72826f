//! OSCAL (NIST, <https://pages.nist.gov/OSCAL>), as it comes in and goes out. What is not read for ourselves is kept as it
//! came, so that what goes out says all that came in.

pub mod catalog;
pub mod profile;
pub mod results;
pub mod write;

use serde_json::Value;
use uuid::Uuid;

/// Namespace of the properties that OSCAL has no name for.
pub const NS: &str = "https://api.loti.example/ns/oscal";
/// The version of OSCAL in which we write.
pub const VERSION: &str = "1.1.2";

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
