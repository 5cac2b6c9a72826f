//! What the document says before any operation: title, servers, tags, security, shared schemas.

use std::collections::BTreeMap;

use api::API_VERSION;
use api::auth::SCOPES;
use serde_json::{Map, Value, json};
use utoipa::{PartialSchema, ToSchema};

const DESCRIPTION: &str = "The shared record of what London's public services use, build, sign and comply with.

Anyone may read the catalogue. Those who write send a bearer access token; each operation names the scope that it needs, and the roles of the person decide about the rest.

- Collections come in pages: follow `Link: rel=\"next\"`, or send `nextCursor` back as `cursor`, until it is null.
- Changes need `If-Match` with the `ETag` of what you read, so that nobody's change is lost unseen.
- Errors are problem documents (RFC 9457) with every fault of the request at once.
- Clients ignore fields that they do not know: new ones may come within a major version.";

pub(crate) fn document() -> Value {
    let scopes: BTreeMap<&str, &str> = SCOPES.iter().copied().collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "LOTI API",
            "version": API_VERSION,
            "summary": "What London's public services use, build, sign and comply with.",
            "x-summary": "What London's public services use, build, sign and comply with.",
            "x-api-id": "7d1f6c1e-3f7e-4f0b-9a53-2b7c6f4e9d10",
            "x-audience": "external-public",
            "description": DESCRIPTION,
            "termsOfService": "https://api.loti.example/terms",
            "contact": {
                "name": "LOTI API developers",
                "url": "https://api.loti.example/support",
                "email": "api@loti.example",
            },
            "license": { "name": "MIT", "url": "https://opensource.org/licenses/MIT" },
        },
        "servers": [
            { "url": "/v1", "description": "The service that this document was read from: production, staging or local.", "x-internal": false },
        ],
        "security": [{ "oauth2": [] }, { "bearer": [] }],
        "tags": [
            { "name": "assessments", "description": "How organisations go through checklists, with evidence and actions, who assures it, and how they compare. Private." },
            { "name": "audit", "description": "Who did what to which object." },
            { "name": "calendars", "description": "Events as calendars (iCalendar) and feeds (Atom, JSON Feed) read them." },
            { "name": "checklists", "description": "Which controls of a framework organisations go through, and how that is scored: editions, as OSCAL profiles." },
            { "name": "citations", "description": "What organisations say that they use, the contracts for it, and figures across both." },
            { "name": "claims", "description": "How a supplier's people come to speak for it: by its Companies House number, once a moderator agrees." },
            { "name": "clients", "description": "Programs that act for organisations: OAuth 2.0 clients and their secrets." },
            { "name": "comments", "description": "What people say of products, in threads, and what they flag." },
            { "name": "events", "description": "When people meet, who invites, and who comes." },
            { "name": "frameworks", "description": "What organisations assess themselves against: editions, their groups and controls, in OSCAL both ways." },
            { "name": "imports", "description": "Files that organisations send from registers of their own, and what became of each row." },
            { "name": "lease templates", "description": "Standard agreements that are filled in: their versions, clauses and variables, and who approved them." },
            { "name": "leases", "description": "Agreements made from those: between whom, about which premises, how they depart from the standard, who agreed, and who uses what." },
            { "name": "me", "description": "Who the caller is, as the service knows them." },
            { "name": "memberships", "description": "Who belongs to which organisation, and how people come in: by identity providers, and by invitation." },
            { "name": "moderation", "description": "What moderators decide about comments, and how often." },
            { "name": "networks", "description": "Peers who meet: who belongs to a network, and when it meets again and again." },
            { "name": "organisations", "description": "Public bodies, utilities, suppliers and communities." },
            { "name": "products", "description": "What organisations use, build or plan to build." },
            { "name": "programmes", "description": "What takes place at an unconference: what people pitch and vote for, the rooms and slots, and what they note." },
        ],
        "paths": {},
        "components": {
            "securitySchemes": {
                "oauth2": {
                    "type": "oauth2",
                    "description": "Machines: OAuth 2.0 client credentials give an access token (RFC 9068) of ten \
                        minutes, made and checked as RFC8725 says.",
                    "flows": { "clientCredentials": { "tokenUrl": "/oauth/token", "scopes": scopes } },
                },
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "People: a short-lived access token, made and checked as RFC8725 says. The scopes \
                        are those of `oauth2`.",
                },
            },
        },
    })
}

/// Schemas of problems, which no operation names by itself.
pub(crate) fn problem_schemas() -> Map<String, Value> {
    let mut found = vec![(api::problem::ProblemDocument::name(), api::problem::ProblemDocument::schema())];
    let mut more = Vec::new();
    api::problem::ProblemDocument::schemas(&mut more);
    found.extend(more.into_iter().map(|(name, schema)| (name.into(), schema)));
    let mut schemas = Map::new();
    for (name, schema) in found {
        let mut schema = serde_json::to_value(schema).unwrap_or_default();
        schema["additionalProperties"] = json!(false);
        // `as = Problem` names references to it, not itself.
        let name = if name == "ProblemDocument" { "Problem".to_owned() } else { name.into_owned() };
        schemas.insert(name, schema);
    }
    schemas
}
