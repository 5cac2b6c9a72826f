//! Bodies that are complete as they are; a test adds what it is about.

use serde_json::{Map, Value, json};

/// A JSON object in the making.
#[derive(Debug, Clone)]
pub struct Body(Map<String, Value>);

impl Body {
    /// With a field, in place of the one it had.
    #[must_use]
    pub fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.0.insert(field.to_owned(), value.into());
        self
    }
}

impl From<Body> for Value {
    fn from(body: Body) -> Self {
        Self::Object(body.0)
    }
}

fn body(value: Value) -> Body {
    let Value::Object(fields) = value else { panic!("{value} is no object") };
    Body(fields)
}

/// An organisation of a kind.
pub fn organisation(kind: &str, name: &str) -> Body {
    body(json!({ "kind": kind, "name": name }))
}

/// A local authority.
pub fn council(name: &str) -> Body {
    organisation("local_authority", name)
}

/// A supplier.
pub fn supplier(name: &str) -> Body {
    organisation("supplier", name)
}

/// A service in beta.
pub fn product(name: &str) -> Body {
    body(json!({ "name": name, "kind": "service", "phase": "beta" }))
}

/// A teacamp next year, of an organisation.
pub fn event(organiser: &str) -> Body {
    body(json!({
        "title": "London teacamp", "kind": "teacamp", "organisers": [organiser], "venue": { "name": "City Hall" },
        "startsAt": "2099-01-15T18:00:00Z", "endsAt": "2099-01-15T20:00:00Z",
    }))
}

/// A network that an organisation looks after.
pub fn network(organisation: &str) -> Body {
    body(json!({ "name": "London peer group", "organisation": organisation }))
}

/// A framework that an organisation keeps.
pub fn framework(organisation: &str) -> Body {
    body(json!({ "title": "Cyber baseline", "edition": "1.0", "authority": "LOTI", "organisation": organisation }))
}

/// A catalog of one group of one control.
pub fn catalog() -> Value {
    json!({ "catalog": {
        "uuid": "3f2504e0-4f89-41d3-9a0c-0305e82c3301",
        "metadata": {
            "title": "Cyber baseline", "version": "1.0", "oscal-version": "1.1.2", "last-modified": "2026-11-23T09:30:00Z",
        },
        "groups": [{ "id": "access", "title": "Access", "controls": [{
            "id": "access-1", "title": "Leavers", "props": [{ "name": "label", "value": "A1" }],
            "parts": [{ "id": "access-1_smt", "name": "statement", "prose": "Accounts of leavers are closed." }],
        }] }],
    } })
}

/// A checklist of all controls of a framework, that an organisation keeps.
pub fn checklist(organisation: &str, framework: &str) -> Body {
    body(json!({
        "title": "Baseline for councils", "edition": "1.0", "organisation": organisation, "framework": framework,
        "scoring": "all_met",
    }))
}

/// A profile that includes all of a catalog.
pub fn profile() -> Value {
    json!({ "profile": {
        "uuid": "3f2504e0-4f89-41d3-9a0c-0305e82c3302",
        "metadata": {
            "title": "Baseline", "version": "1.0", "oscal-version": "1.1.2", "last-modified": "2026-11-23T09:30:00Z",
        },
        "imports": [{ "href": "#catalog", "include-all": {} }],
    } })
}

/// A template of a lease that an organisation keeps.
pub fn lease_template(organisation: &str) -> Body {
    body(json!({ "title": "Rooftop wayleave", "kind": "wayleave", "organisation": organisation }))
}

/// A teacamp on each third Thursday at six, far from now.
pub fn series() -> Body {
    body(json!({
        "title": "London teacamp", "kind": "teacamp", "startsOn": "2098-01-16", "startTime": "18:00",
        "durationMinutes": 120, "rrule": "FREQ=MONTHLY;BYDAY=3TH", "venue": { "name": "City Hall" },
    }))
}
