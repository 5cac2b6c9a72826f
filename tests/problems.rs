//! Every problem that the document lists for an operation can be provoked, and no other appears: that the answer is
//! documented is checked by the client.

use std::io::Write;

use db::Role;
use serde_json::json;

use crate::support::client::Client;
use crate::support::contract::{Operation, operations};
use crate::support::operations::{PUBLICCODE, Target, World, bare_call, body_of, call, path_of, text_of};
use crate::support::raw::receive;
use crate::support::server::Person;
use crate::support::{Server, council, event, framework, lease_template, network, product};

/// Operations that document a status.
fn with(status: u16) -> impl Iterator<Item = &'static Operation> {
    operations().iter().filter(move |operation| operation.statuses().contains(&status))
}

#[test]
fn every_documented_problem_has_its_test_here() {
    let provoked = [400, 401, 403, 404, 408, 409, 412, 413, 415, 422, 428, 429, 500, 503];
    for operation in operations() {
        let unknown: Vec<u16> =
            operation.statuses().into_iter().filter(|status| *status >= 400 && !provoked.contains(status)).collect();
        assert!(
            unknown.is_empty(),
            "{}: {unknown:?} are documented, and nobody knows how to provoke them",
            operation.id
        );
    }
}

#[test]
fn those_of_the_request() {
    let server = Server::start();
    let world = World::new(&server);
    let admin = server.as_(&world.everything(&server));
    for operation in operations() {
        let path = path_of(operation, &world.target(&server, operation));
        let separator = if path.contains('?') { '&' } else { '?' };
        let unknown = call(&admin, operation, &format!("{path}{separator}colour=red")).expect(400);
        assert_eq!(unknown.faults(), ["colour unknown_parameter"], "{}", operation.id);
        let rejected = server.with_authorization("Bearer nonsense");
        call(&rejected, operation, &path).expect(401);
    }
    for operation in with(403) {
        let path = path_of(operation, &world.target(&server, operation));
        call(&server.as_(&server.person(&[], &[]).with_scopes(&[])), operation, &path).expect(403);
    }
    for operation in with(404) {
        if operation.id == "accept_invitation" {
            server.database().execute("delete from invitations");
        }
        call(&admin, operation, &path_of(operation, &Target::missing())).expect(404);
        call(&admin, operation, &path_of(operation, &Target::missing()).replacen('0', "%00", 1)).expect(404);
    }
    for operation in with(412) {
        let path = path_of(operation, &world.target(&server, operation));
        bare_call(&world.doer(&server, operation), operation, &path).header("If-Match", "\"999\"").expect(412);
    }
    for operation in with(428) {
        let path = path_of(operation, &world.target(&server, operation));
        bare_call(&admin, operation, &path).expect(428);
    }
}

#[test]
fn those_of_the_body() {
    let server = Server::start();
    let world = World::new(&server);
    let admin = server.as_(&world.everything(&server));
    for operation in operations().iter().filter(|operation| operation.body().is_some()) {
        let (media_type, _) = operation.body().unwrap();
        let path = path_of(operation, &world.target(&server, operation));
        let most = if OF_FILES.contains(&operation.id.as_str()) { 32 } else { 1 };
        let large = format!("{{\"name\": \"{}\"}}", "x".repeat(most * 1024 * 1024));
        call(&admin, operation, &path).body(media_type, large).expect(413);
        let taken = &operation.value["requestBody"]["content"];
        for other in ["text/plain", "application/xml", "application/json; charset=latin1"] {
            if taken.get(other).is_some() {
                continue;
            }
            call(&admin, operation, &path).body(other, "{}").expect(415);
        }
    }
}

#[test]
fn a_body_that_takes_too_long() {
    let server = Server::with(&[("LOTI_BODY_TIMEOUT_MS", "50")]);
    let world = World::new(&server);
    let token = server.sign(&server.claims(&server.admin()));
    for operation in with(408) {
        let path = path_of(operation, &world.target(&server, operation));
        let (media_type, _) = operation.body().unwrap();
        let mut stream = server.open();
        write!(
            stream,
            "{} {path} HTTP/1.1\r\nHost: loti\r\nAuthorization: Bearer {token}\r\nIf-Match: *\r\n\
             Content-Type: {media_type}\r\nContent-Length: 100\r\nConnection: close\r\n\r\n{{",
            operation.method
        )
        .unwrap();
        let answer = receive(&mut stream).expect("no answer");
        assert_eq!(answer.status, 408, "{}", operation.id);
        assert!(answer.text("type").ends_with("/problems/request-timeout"));
    }
}

/// What takes a file.
const OF_FILES: &[&str] =
    &["create_import", "put_checklist_oscal", "put_evidence_content", "put_framework_oscal", "put_lease_premises"];

/// What is done once only, and is refused when it was done already.
const DONE_ONCE: &[&str] = &[
    "create_check_in",
    "delete_check_in",
    "activate_citation",
    "approve_claim",
    "assure_assessment",
    "cancel_event",
    "complete_event",
    "create_citation",
    "create_client_secret",
    "create_identity_provider",
    "approve_lease_template_version",
    "create_import",
    "create_invitation",
    "create_lease_agreement",
    "create_network_member",
    "create_room",
    "create_session_vote",
    "create_slot",
    "delete_rsvp",
    "delete_session",
    "end_citation",
    "issue_lease",
    "merge_session",
    "publish_checklist",
    "publish_event",
    "publish_framework",
    "publish_lease_template_version",
    "publish_schedule",
    "reject_claim",
    "request_assessment_changes",
    "return_lease_template_version",
    "submit_assessment",
    "submit_lease_template_version",
    "terminate_lease",
    "void_lease",
    "withdraw_checklist",
    "withdraw_citation",
    "withdraw_claim",
    "withdraw_framework",
    "withdraw_lease_template_version",
];

/// What is done with what can still be changed, and refused once that was issued, submitted or published.
const OF_DRAFTS: &[&str] = &[
    "create_assessment_evidence",
    "delete_assessment",
    "delete_checklist",
    "delete_framework",
    "delete_lease",
    "delete_lease_template",
    "delete_lease_template_version",
    "put_checklist_oscal",
    "put_framework_oscal",
    "put_lease_clauses",
    "put_lease_deviations",
    "put_lease_premises",
    "put_lease_variables",
    "update_assessment",
    "update_assessment_responses",
    "update_lease",
    "update_lease_template_version",
];

/// What is refused at an event that has no programme.
const NO_UNCONFERENCE: &[&str] = &[
    "create_session",
    "delete_room",
    "delete_slot",
    "update_room",
    "update_schedule",
    "update_session",
    "update_slot",
];

#[test]
fn those_of_what_is_stored() {
    let server = Server::start();
    let world = World::new(&server);
    let admin = server.as_(&world.everything(&server));
    server.add_organisation(council("Taken").with("parent", world.council.text("id")));
    server.add_product(product("Taken"));
    admin.post("/v1/events", event("ealing-council").with("title", "Taken")).expect(201);
    admin.post("/v1/networks", network("ealing-council").with("name", "Taken")).expect(201);
    admin.post("/v1/lease-templates", lease_template("ealing-council").with("title", "Taken")).expect(201);
    admin.post("/v1/frameworks", framework("ealing-council").with("slug", "taken")).expect(201);
    server.database().execute(
        "insert into checklists (id, slug, title, edition, organisation_id, framework_id, scoring)
           select gen_random_uuid(), 'taken', 'Taken', '1.0', organisation_id, id, 'all_met' from frameworks where slug = 'taken'",
    );
    // What contradicts only a request that is not over is in idempotency.rs.
    let contradicted = with(409).filter(|operation| operation.value["responses"]["409"].get("$ref").is_none());
    for operation in contradicted {
        let mut target = world.target(&server, operation);
        if operation.id == "delete_organisation" {
            target.organisation = world.council.id();
        }
        if operation.id == "delete_product" {
            server.database().execute(&format!(
                "insert into citations (id, product_id, organisation_id, status)
                 values (gen_random_uuid(), '{}', '{}', 'active')",
                target.product,
                world.council.id()
            ));
        }
        if operation.path.starts_with("/v1/comments") {
            let over = "update comments set status = 'removed', queued_at = null";
            let shown = "update comments set status = 'visible', queued_at = null where status = 'hidden'";
            server.database().execute(if operation.id == "restore_comment" { shown } else { over });
        }
        let path = path_of(operation, &target);
        if refuses_in_its_own_way(&server, &world, operation, &path) {
            continue;
        }
        let doer = world.doer(&server, operation);
        let done = DONE_ONCE.contains(&operation.id.as_str());
        if done {
            assert!(call(&doer, operation, &path).send().status < 300, "{}", operation.id);
        }
        if operation.id == "update_identity_provider" {
            let (providers, _) = path.rsplit_once('/').unwrap();
            let create = crate::support::contract::operation("create_identity_provider");
            call(&admin, create, providers).expect(201);
        }
        if matches!(operation.id.as_str(), "confirm_citation" | "confirm_citations" | "update_citation") {
            server.database().execute("update citations set status = 'withdrawn'");
        }
        spoil_drafts(&server, operation);
        spoil_event(&server, &admin, operation, &path);
        if operation.id == "update_client" {
            let reader = "update clients set kind = 'catalogue_key', role = 'viewer', scopes = '{products:read}'";
            server.database().execute(reader);
        }
        if operation.id == "get_product_publiccode" {
            let product = format!("/v1/products/{}", target.product);
            admin.patch(&product, json!({ "licence": null })).header("If-Match", "*").expect(200);
        }
        let mut wanted = call(&doer, operation, &path);
        let body = operation.body().filter(|_| !operation.path.starts_with("/v1/comments"));
        if let Some((media_type, _)) = body {
            let mut body = body_of(operation);
            match operation.id.as_str() {
                "revert_product" => body["version"] = 99.into(),
                "create_client" => body["organisation"] = "elsewhere".into(),
                "create_comment" => body["parent"] = json!(Target::missing().comment),
                _ if done => {}
                "confirm_citations"
                | "create_rsvp"
                | "create_session_note"
                | "update_citation"
                | "update_event"
                | "update_event_series" => {}
                id if NO_UNCONFERENCE.contains(&id) || OF_DRAFTS.contains(&id) => {}
                "put_framework_mappings" => {
                    let mapping =
                        json!({ "control": "a-1", "relationship": "equal", "target": "none", "targetControl": "a" });
                    body["mappings"] = json!([mapping]);
                }
                "create_assessment" => body["checklist"] = "none".into(),
                "create_assessment_comment" => body["control"] = "none".into(),
                "create_assessment_action" | "update_action" => body["owner"] = json!(Target::missing().action),
                "create_lease" => body["template"]["number"] = "9.9.9".into(),
                "create_lease_template_version" => body["number"] = "1.0.0".into(),
                "create_claim" => body["companyNumber"] = "SC000000".into(),
                "update_identity_provider" => body = json!({ "issuer": "https://id.example", "audience": "loti" }),
                "update_client" => body["role"] = "contributor".into(),
                // A step back needs a reason, for which the file has no place.
                "put_product_publiccode" => body = PUBLICCODE.replace("beta", "concept").into(),
                _ => body["slug"] = "taken".into(),
            }
            wanted = wanted.body(media_type, text_of(&body));
        }
        let refused = wanted.expect(409);
        assert!(!refused.faults().is_empty(), "{}: a conflict says with what", operation.id);
    }
}

/// What is refused for something else than that it was done, or is there, already; whether the operation is such a one.
fn refuses_in_its_own_way(server: &Server, world: &World, operation: &Operation, path: &str) -> bool {
    let admin = server.as_(&world.everything(server));
    if matches!(operation.id.as_str(), "update_membership" | "delete_membership") {
        // Of the last administrator, who is not one of the platform's.
        let last = server.member(&world.council, Role::Admin);
        server.database().execute(&format!("update memberships set role = 'viewer' where user_id <> '{}'", last.id));
        let own = server.as_(&last).get("/v1/me").expect(200);
        let path = operation.path.replace("{id}", own["memberships"][0]["id"].as_str().unwrap());
        let refused = call(&server.as_(&last), operation, &path).expect(409);
        assert_eq!(refused.faults(), ["# last_admin"], "{}", operation.id);
        return true;
    }
    if operation.id == "create_calendar" {
        for _ in 1..=10 {
            call(&admin, operation, path).expect(201);
        }
        assert_eq!(call(&admin, operation, path).expect(409).faults(), ["# too_many"]);
        return true;
    }
    if refuses_for_what_goes_with_it(server, &admin, operation, path) {
        return true;
    }
    if operation.id == "get_framework_oscal" {
        let added = admin.post("/v1/frameworks", framework("ealing-council")).expect(201);
        admin.get(&format!("/v1/frameworks/{}/oscal", added.id())).expect(409);
        return true;
    }
    false
}

/// What is refused for evidence and actions of an assessment; whether the operation is such a one.
fn refuses_for_what_goes_with_it(server: &Server, admin: &Client<'_>, operation: &Operation, path: &str) -> bool {
    let (id, database) = (path.split('/').nth(3).unwrap_or_default(), server.database());
    match operation.id.as_str() {
        "delete_evidence" => {
            let used = "insert into assessment_evidence (assessment_id, position, evidence_id, revision) select r.assessment_id, 1, e.id, 1
                from evidence e join assessments a using (organisation_id) join assessment_responses r on r.assessment_id = a.id
                where a.submitted_at is null";
            database.execute(&format!("{used} and e.id = '{id}' limit 1"));
            assert_eq!(call(admin, operation, path).expect(409).faults(), ["# in_use"]);
        }
        "get_evidence_content" => {
            database.execute(&format!(
                "insert into evidence_revisions (evidence_id, revision, url) values ('{id}', 2, 'https://a.example');
                 update evidence set revision = 2 where id = '{id}'"
            ));
            assert_eq!(call(admin, operation, path).expect(409).faults(), ["# no_file"]);
        }
        "get_assessment_oscal" => {
            database.execute("delete from actions");
            let plan = format!("{path}?model=plan_of_action_and_milestones");
            assert_eq!(call(admin, operation, &plan).expect(409).faults(), ["# empty"]);
        }
        _ => return false,
    }
    true
}

/// Brings drafts of templates, leases, frameworks, checklists and assessments further, of which nothing is changed then.
fn spoil_drafts(server: &Server, operation: &Operation) {
    if OF_DRAFTS.contains(&operation.id.as_str()) {
        server.database().execute(
            "update lease_template_versions set status = 'in_review', submitted_at = now(), content_sha256 = repeat('0', 64)
               where status = 'draft';
             insert into lease_documents (lease_id, format, sha256, size)
               select id, format, repeat('0', 64), 1 from leases, unnest(array['markdown', 'html', 'docx']) as format
               where status = 'draft';
             update leases set status = 'issued', issued_at = now() where status = 'draft';
             update frameworks set status = 'published', published_at = now() where status = 'draft' and control_count > 0;
             update checklists set status = 'published', published_at = now() where status = 'draft' and control_count > 0;
             update assessment_responses r set status = 'met' from assessments a
               where a.id = r.assessment_id and r.status is null and a.submitted_at is null;
             update assessment_evidence u set revision = e.revision from evidence e, assessments a
               where e.id = u.evidence_id and a.id = u.assessment_id and a.submitted_at is null;
             update assessments set status = 'in_progress' where status = 'planned';
             update assessments set status = 'submitted', submitted_at = now() where status = 'in_progress'",
        );
    }
}

/// Brings an event, or what belongs to it, into a state in which the operation is refused.
fn spoil_event(server: &Server, admin: &Client<'_>, operation: &Operation, path: &str) {
    if NO_UNCONFERENCE.contains(&operation.id.as_str()) {
        server.database().execute("update events set kind = 'meeting'");
    }
    match operation.id.as_str() {
        "delete_network" => {
            let network = server.database().texts("select max(id::text) as value from networks");
            server.database().execute(&format!("update events set network_id = '{}'", network[0]));
        }
        "update_event_series" => {
            server.database().execute("update event_series set rrule = 'FREQ=MONTHLY'");
            admin.patch(path, json!({ "capacity": 20 })).header("If-Match", "*").expect(200);
            server.database().execute("update events set accepted_count = 13 where series_id is not null");
        }
        "create_session_note" => {
            server.database().execute("update events set status = 'cancelled' where status = 'published'");
        }
        "delete_session_vote" => server.database().execute("update schedules set votes_close_at = now()"),
        _ => {}
    }
    if operation.id == "delete_event" {
        server.database().execute("update events set status = 'published'");
    }
    if matches!(operation.id.as_str(), "update_event" | "create_rsvp") {
        server.database().execute("update events set status = 'cancelled' where status = 'published'");
    }
}

#[test]
fn a_key_that_is_used_for_something_else() {
    let server = Server::start();
    let world = World::new(&server);
    let admin = server.as_(&world.everything(&server));
    for operation in with(422) {
        let path = path_of(operation, &world.target(&server, operation));
        let keyed = || call(&admin, operation, &path).header("Idempotency-Key", &operation.id);
        assert!(keyed().send().status < 300, "{}", operation.id);
        let other = match operation.body() {
            Some((media_type, _)) => keyed().body(media_type, text_of(&body_of(operation)) + " "),
            None => call(&admin, operation, &path_of(operation, &Target::missing()))
                .header("Idempotency-Key", &operation.id),
        };
        let other = other.expect(422);
        assert_eq!(other.faults(), ["Idempotency-Key reused"], "{}", operation.id);
    }
}

#[test]
fn a_spent_quota() {
    let server = Server::with(&[("LOTI_RATE_LIMIT_ANONYMOUS", "1"), ("LOTI_RATE_LIMIT_TOKEN", "2")]);
    let nobody = server.anonymous();
    let first = nobody.get("/v1/products").expect(200);
    assert_eq!(first.header("ratelimit-policy"), Some("\"anonymous\";q=1;w=60"));
    for operation in operations() {
        let refused = call(&nobody, operation, &path_of(operation, &Target::missing())).expect(429);
        let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=60).contains(&wait), "{wait}");
    }
    let somebody = server.as_(&Person::unknown());
    let answer = somebody.get("/v1/products").expect(200);
    assert_eq!(answer.header("ratelimit-policy"), Some("\"token\";q=2;w=60"), "a token has a quota of its own");
    somebody.get("/v1/products").expect(200);
    somebody.get("/v1/products").expect(429);
    server.as_(&Person::unknown()).get("/v1/products").expect(200);
    nobody.get("/livez").expect(200);
}

#[test]
fn a_fault_of_ours() {
    let server = Server::start();
    let world = World::new(&server);
    let admin = server.as_(&world.everything(&server));
    let paths: Vec<(&Operation, String)> = operations()
        .iter()
        .map(|operation| (operation, path_of(operation, &world.target(&server, operation))))
        .collect();
    server.database().execute(
        "alter table organisations rename to away_1; alter table products rename to away_2;
         alter table clients rename to away_3;
         alter table users rename to away_4; alter table audit_events rename to away_5;
         alter table invitations rename to away_6; alter table memberships rename to away_7;
         alter table claims rename to away_8; alter table citations rename to away_9;
         alter table comments rename to away_10; alter table comment_decisions rename to away_11;
         alter table imports rename to away_12; alter table events rename to away_13;
         alter table networks rename to away_14; alter table calendars rename to away_15;
         alter table sessions rename to away_16; alter table session_votes rename to away_17;
         alter table event_changes rename to away_18; alter table lease_templates rename to away_19;
         alter table leases rename to away_20; alter function lease_facts() rename to away_21;
         alter table frameworks rename to away_22; alter table checklists rename to away_23;
         alter table assessments rename to away_24; alter table evidence rename to away_25;
         alter table actions rename to away_26",
    );
    for (operation, path) in paths {
        let failed = call(&admin, operation, &path).expect(500);
        let said = failed.json.to_string();
        for inside in ["relation", "away", "products\"", "organisations\"", "diesel", "postgres"] {
            assert!(!said.contains(inside), "{}: tells of the inside: {said}", operation.id);
        }
    }
}

#[test]
fn a_database_that_is_away() {
    let server = Server::on("postgres://nobody@127.0.0.1:1/none", &[("LOTI_DATABASE_WAIT_MS", "20")]);
    // It has no keys to sign one with; whether it would be valid cannot be told either.
    let elsewhere = Server::start();
    let token = elsewhere.sign(&elsewhere.claims(&Person::unknown()));
    let somebody = server.with_authorization(&format!("Bearer {token}"));
    for operation in operations() {
        let failed = call(&somebody, operation, &path_of(operation, &Target::missing())).expect(503);
        assert!(!failed.json.to_string().contains("127.0.0.1"), "tells of the inside: {}", failed.json);
    }
}

#[test]
fn a_pointer_is_a_fragment_whatever_a_field_is_called() {
    let server = Server::start();
    let admin = server.as_(&server.admin());
    let named = |field: &str| {
        let refused =
            admin.post("/v1/products", json!({ "name": "Bins", "kind": "service", "phase": "beta", field: 1 }));
        let refused = refused.expect(400);
        refused["errors"][0]["pointer"].as_str().unwrap().to_owned()
    };
    assert_eq!(named("a b\n\u{0}é"), "#/a%20b%0A%00%C3%A9");
    assert_eq!(named("a/b~c%"), "#/a~1b~0c%25");
    let long = named(&"é".repeat(900));
    assert!(long.len() <= 1000 && long.len() > 990 && long.ends_with("%A9") | long.ends_with("%C3"), "{long}");
}
