//! What an assessment came to, as OSCAL assessment results, and what is done about it, as an OSCAL plan of action and
//! milestones (1.1). They go out only.

use chrono::{DateTime, SecondsFormat, Utc};
use db::actions::{Action, ActionStatus};
use db::assessments::Assessment;
use db::assessments::responses::{Answered, ResponseStatus};
use db::evidence::Used;
use db::people::PersonReference;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{NS, VERSION, insert, uuid};
use crate::words::one_line;

/// Where things are.
#[derive(Debug, Clone)]
pub struct Addresses {
    /// The service, without a trailing slash.
    pub base: String,
}

impl Addresses {
    fn of(&self, kind: &str, id: Uuid) -> String {
        format!("{}/v1/{kind}/{id}", self.base)
    }
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// A text as OSCAL has markup: of something, and never empty.
fn said(text: Option<&str>, otherwise: &str) -> String {
    text.map(str::trim).filter(|text| !text.is_empty()).unwrap_or(otherwise).to_owned()
}

fn prop(name: &str, value: &str) -> Value {
    json!({ "name": name, "ns": NS, "value": one_line(value) })
}

/// What both documents say of themselves.
fn metadata(of: &Assessment, people: &[&PersonReference]) -> Value {
    let mut parties = vec![
        json!({ "uuid": uuid(of.organisation_id, "party"), "type": "organization", "name": of.organisation.0.name }),
    ];
    let mut met: Vec<Uuid> = Vec::new();
    for person in people {
        if !met.contains(&person.id) {
            met.push(person.id);
            parties.push(json!({ "uuid": uuid(person.id, "party"), "type": "person", "name": person.name }));
        }
    }
    json!({
        "title": of.state.title, "last-modified": time(of.updated_at), "version": of.version.to_string(),
        "oscal-version": VERSION, "parties": parties,
    })
}

/// Assessment results: a finding for each control, an observation for each piece of evidence.
#[must_use]
pub fn results(of: &Assessment, answered: &[Answered], evidence: &[Used], at: &Addresses) -> Value {
    let plan = uuid(of.checklist_id, "checklist");
    let observation = |used: &Used| uuid(used.evidence.id, &format!("observation of {}", of.id));
    let observations: Vec<Value> = evidence.iter().map(|used| observed(used, observation(used), of, at)).collect();
    let findings: Vec<Value> = answered
        .iter()
        .map(|answer| {
            let with = evidence.iter().filter(|used| used.controls.contains(&answer.facts.control_id)).map(observation);
            finding(of, answer, &with.collect::<Vec<Uuid>>())
        })
        .collect();
    let controls: Vec<Value> = answered.iter().map(|answer| json!({ "control-id": answer.facts.control_id })).collect();
    let mut result = Map::new();
    result.insert("uuid".to_owned(), json!(uuid(of.id, "result")));
    result.insert("title".to_owned(), json!(of.state.title));
    result.insert("description".to_owned(), json!(said(of.assurance.as_deref(), &format!("Status: {}.", of.status))));
    result.insert("start".to_owned(), json!(time(of.created_at)));
    if let Some(end) = of.submitted_at {
        result.insert("end".to_owned(), json!(time(end)));
    }
    let mut props = vec![prop("status", of.status.as_str())];
    props.extend(of.score.map(|score| prop("score", &score.to_string())));
    result.insert("props".to_owned(), props.into());
    result.insert("reviewed-controls".to_owned(), json!({ "control-selections": [{ "include-controls": controls }] }));
    if !observations.is_empty() {
        result.insert("observations".to_owned(), observations.into());
    }
    if !findings.is_empty() {
        result.insert("findings".to_owned(), findings.into());
    }
    json!({ "assessment-results": {
        "uuid": uuid(of.id, "assessment-results"),
        "metadata": metadata(of, &[]),
        "import-ap": { "href": format!("#{plan}") },
        "results": [result],
        "back-matter": { "resources": [{
            "uuid": plan, "title": of.checklist.0.title,
            "rlinks": [{ "href": format!("{}/oscal", at.of("checklists", of.checklist_id)), "media-type": "application/json" }],
        }] },
    } })
}

fn observed(used: &Used, observation: Uuid, of: &Assessment, at: &Addresses) -> Value {
    let evidence = &used.evidence;
    let revision = &evidence.revision;
    let own = at.of("evidence", evidence.id);
    let mut observed = json!({
        "uuid": observation,
        "title": evidence.title,
        "description": format!("Evidence of {}.", of.organisation.0.name),
        "methods": ["EXAMINE"],
        "relevant-evidence": [{ "href": revision.url.as_deref().unwrap_or(&own), "description": evidence.title }],
        "collected": time(revision.created_at),
    });
    if let Some(day) = revision.expires_on {
        insert(&mut observed, "expires", format!("{day}T23:59:59Z"));
    }
    if let Some(sha256) = &revision.sha256 {
        let props = vec![prop("sha256", sha256), prop("revision", &revision.revision.to_string())];
        insert(&mut observed, "props", props);
    }
    observed
}

fn finding(of: &Assessment, answer: &Answered, observations: &[Uuid]) -> Value {
    let (facts, state) = (&answer.facts, &answer.state);
    let control = &answer.control.item;
    let title = if control.title.is_empty() { facts.control_id.clone() } else { control.title.clone() };
    let (satisfied, reason) = match state.status {
        Some(ResponseStatus::Met) => ("satisfied", "pass"),
        Some(ResponseStatus::NotApplicable) => ("satisfied", "other"),
        Some(ResponseStatus::PartlyMet | ResponseStatus::NotMet) => ("not-satisfied", "fail"),
        None => ("not-satisfied", "other"),
    };
    let mut status = json!({ "state": satisfied, "reason": reason });
    if let Some(justification) = &state.justification {
        insert(&mut status, "remarks", justification.clone());
    }
    let mut props = vec![prop("response", state.status.map_or("unanswered", ResponseStatus::as_str))];
    for indicator in state.indicators.0.iter().filter(|indicator| indicator.met) {
        props.push(prop("indicator-met", &indicator.id));
    }
    let mut finding = json!({
        "uuid": uuid(of.id, &format!("finding {}", facts.control_id)),
        "title": title,
        "description": said(state.statement.as_deref(), "Nothing was said to it."),
        "props": props,
        "target": { "type": "objective-id", "target-id": facts.control_id, "status": status },
    });
    if !observations.is_empty() {
        let related: Vec<Value> = observations.iter().map(|id| json!({ "observation-uuid": id })).collect();
        insert(&mut finding, "related-observations", related);
    }
    finding
}

/// A plan of action and milestones: an item and a risk for each action.
#[must_use]
pub fn plan(of: &Assessment, actions: &[Action], at: &Addresses) -> Value {
    let owners: Vec<&PersonReference> = actions.iter().filter_map(|action| Some(&action.owner.as_ref()?.0)).collect();
    let risks: Vec<Value> = actions.iter().map(risk).collect();
    let items: Vec<Value> = actions.iter().map(|action| item(action, of)).collect();
    json!({ "plan-of-action-and-milestones": {
        "uuid": uuid(of.id, "plan-of-action-and-milestones"),
        "metadata": metadata(of, &owners),
        "system-id": { "identifier-type": "http://ietf.org/rfc/rfc4122", "id": of.organisation_id },
        "risks": risks,
        "poam-items": items,
        "back-matter": { "resources": [{
            "uuid": uuid(of.id, "assessment"), "title": of.state.title,
            "rlinks": [{ "href": format!("{}/oscal", at.of("assessments", of.id)), "media-type": "application/json" }],
        }] },
    } })
}

fn risk(action: &Action) -> Value {
    let status = match action.state.status {
        ActionStatus::Open => "open",
        ActionStatus::InProgress => "remediating",
        ActionStatus::Completed | ActionStatus::Cancelled => "closed",
    };
    let controls = action.state.controls.0.join(", ");
    let statement = if controls.is_empty() {
        "It concerns no single control.".to_owned()
    } else {
        format!("It concerns {controls}.")
    };
    json!({
        "uuid": uuid(action.id, "risk"),
        "title": action.state.title,
        "description": said(action.state.description.as_deref(), &action.state.title),
        "statement": statement,
        "status": status,
        "deadline": format!("{}T23:59:59Z", action.state.due_on),
    })
}

fn item(action: &Action, of: &Assessment) -> Value {
    let actor = action.owner.as_ref().map_or(of.organisation_id, |owner| owner.0.id);
    let mut props = vec![prop("status", action.state.status.as_str())];
    props.extend(action.state.completed_on.map(|day| prop("completed-on", &day.to_string())));
    props.extend(action.state.controls.0.iter().map(|control| prop("control", control)));
    json!({
        "uuid": uuid(action.id, "poam-item"),
        "title": action.state.title,
        "description": said(action.state.description.as_deref(), &action.state.title),
        "props": props,
        "origins": [{ "actors": [{ "type": "party", "actor-uuid": uuid(actor, "party") }] }],
        "related-risks": [{ "risk-uuid": uuid(action.id, "risk") }],
    })
}
