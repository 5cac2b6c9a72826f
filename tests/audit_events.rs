//! `/v1/audit-events`: what was done is on record, for good, and for those who answer for it.

use std::thread;

use db::{PlatformRole, Role};
use diesel::connection::SimpleConnection;
use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::contract::operations;
use crate::support::operations::{OPEN_TO_EVERYBODY, World, call, path_of};
use crate::support::{Answer, Server, council, product};

fn ids(page: &Answer) -> Vec<i64> {
    page["items"].as_array().unwrap().iter().map(|item| item["id"].as_i64().unwrap()).collect()
}

/// Everything that a list has, page after page.
fn all(client: &Client<'_>, path: &str) -> Vec<Value> {
    let mut found = Vec::new();
    let mut next = Some(path.to_owned());
    while let Some(path) = next {
        let page = client.get(&path).expect(200);
        found.extend(page["items"].as_array().unwrap().iter().cloned());
        next = page.next();
    }
    found
}

#[test]
fn every_write_leaves_its_entry_and_a_refused_one_none() {
    let server = Server::start();
    let world = World::new(&server);
    let admin = server.as_(&world.everything(&server));
    for operation in operations().iter().filter(|operation| operation.method != "GET") {
        let path = path_of(operation, &world.target(&server, operation));
        let before = server.database().number("select coalesce(max(id), 0) from audit_events");
        let nobody = server.as_(&server.person(&[], &[]));
        let known = server.database().number("select coalesce(max(id), 0) from audit_events");
        if !OPEN_TO_EVERYBODY.contains(&operation.id.as_str()) {
            assert!(call(&nobody, operation, &path).send().status >= 400, "{}", operation.id);
            let since = server.database().number("select max(id) from audit_events");
            assert_eq!(since, known, "{}: refused", operation.id);
        }
        let request_id = format!("r-{}", operation.id);
        // Somebody else each time: one of the operations erases them.
        let done = call(&world.doer(&server, operation), operation, &path).header("X-Request-Id", &request_id).send();
        assert!(done.status < 300, "{}: {}", operation.id, done.json);
        // What a file brings is told of row by row, as done by who sent it.
        server.apply_imports();
        let entries = admin.get(&format!("/v1/audit-events?requestId={request_id}")).expect(200);
        let entries = entries["items"].as_array().unwrap();
        assert!(!entries.is_empty() && before < known, "{}: left no entry", operation.id);
        for entry in entries {
            assert_eq!(entry["operation"], operation.id);
            assert!(entry["actor"]["id"].is_string() && entry["clientId"] == "tests", "{entry}");
            assert!(!entry["changes"].as_array().unwrap().is_empty(), "{entry}");
        }
    }
}

#[test]
fn it_says_what_a_field_was_and_became() {
    let server = Server::start();
    let admin = server.as_(&server.admin());
    let added = server.add_product(product("Bins"));
    let path = format!("/v1/products/{}", added.id());
    let changed = admin.patch(&path, json!({ "summary": "Says when." })).if_match(&added).expect(200);
    admin.patch(&path, json!({ "summary": "Says when." })).if_match(&changed).expect(200);
    let entries = all(&admin, &format!("/v1/audit-events?objectId={}", added.id()));
    let actions: Vec<&str> = entries.iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["changed", "created"], "what changes nothing is no event");
    let fields: Vec<&Value> = entries[0]["changes"].as_array().unwrap().iter().collect();
    let summary = fields.iter().find(|change| change["field"] == "summary").unwrap();
    assert_eq!((&summary["before"], &summary["after"]), (&added["summary"], &json!("Says when.")));
    let one = format!("/v1/audit-events/{}", entries[0]["id"]);
    assert_eq!(admin.get(&one).expect(200).json, entries[0]);
}

#[test]
fn nobody_changes_it() {
    let server = Server::start();
    server.add_product(product("Bins"));
    for role in ["loti_service", "postgres"] {
        for change in ["update audit_events set operation = 'x'", "delete from audit_events", "truncate audit_events"] {
            let refused = server.database().refusal(&format!("set role {role}; {change}"));
            let refused = refused.unwrap_or_else(|| panic!("{role}: {change}"));
            assert!(refused.contains("append-only") || refused.contains("permission denied"), "{role}: {refused}");
        }
    }
}

#[test]
fn others_see_nothing_of_it() {
    let server = Server::start();
    let (ealing, barnet) = (server.add_organisation(council("Ealing")), server.add_organisation(council("Barnet")));
    let (insider, outsider) = (server.member(&ealing, Role::Admin), server.member(&barnet, Role::Admin));
    let acting = server.member(&ealing, Role::Contributor);
    server.as_(&acting).post("/v1/products", product("Bins")).expect(201);
    let (inside, outside) = (server.as_(&insider), server.as_(&outsider));
    let own = all(&inside, "/v1/audit-events");
    assert!(own.iter().any(|entry| entry["operation"] == "create_product"), "{own:?}");
    assert!(own.iter().any(|entry| entry["objectType"] == "memberships"), "whoever gave the role: {own:?}");
    assert!(own.iter().all(|entry| entry["organisation"]["id"] == ealing["id"]), "{own:?}");
    let others = all(&outside, "/v1/audit-events");
    assert!(others.iter().all(|entry| entry["organisation"]["id"] == barnet["id"]), "{others:?}");
    let asked = format!("/v1/audit-events?organisation={}", ealing.text("slug"));
    assert!(all(&outside, &asked).is_empty());
    outside.get(&format!("/v1/audit-events/{}", own[0]["id"])).expect(404);
    inside.get(&format!("/v1/audit-events/{}", own[0]["id"])).expect(200);
    for role in [Role::Viewer, Role::Contributor, Role::Steward] {
        server.as_(&server.member(&ealing, role)).get("/v1/audit-events").expect(403);
    }
    server.as_(&server.person(&[PlatformRole::Moderator], &[])).get("/v1/audit-events").expect(403);
    let platform = all(&server.as_(&server.admin()), "/v1/audit-events");
    assert!(platform.len() > own.len() + others.len());
    let stored = server.database().texts("select concat(before, after) as value from audit_events");
    assert!(stored.iter().all(|state| !state.contains('@')), "the trail is never rewritten, so it names no address");
}

#[test]
fn every_filter_selects() {
    let server = Server::start();
    let ealing = server.add_organisation(council("Ealing"));
    let person = server.member(&ealing, Role::Contributor);
    let made = server.as_(&person).post("/v1/products", product("Bins")).header("X-Request-Id", "once").expect(201);
    server.add_product(product("Other"));
    let admin = server.as_(&server.admin());
    let entry = admin.get("/v1/audit-events?requestId=once").expect(200)["items"][0].clone();
    for filter in [
        "requestId=once".to_owned(),
        format!("objectId={}", made.id()),
        format!("actorId={}&objectType=products", person.id),
        "operation=create_product&organisation=ealing&clientId=tests".to_owned(),
    ] {
        assert_eq!(ids(&admin.get(&format!("/v1/audit-events?{filter}")).expect(200)), [entry["id"].as_i64().unwrap()]);
    }
    let at = entry["occurredAt"].as_str().unwrap();
    assert!(all(&admin, &format!("/v1/audit-events?occurredFrom={at}")).contains(&entry));
    assert!(!all(&admin, &format!("/v1/audit-events?occurredBefore={at}")).contains(&entry));
    admin.get("/v1/audit-events?after=nonsense").expect(400);
}

#[test]
fn who_follows_it_misses_nothing_and_sees_nothing_twice() {
    let server = Server::start();
    let admin = server.as_(&server.admin());
    let mut slow = server.database().connect();
    // Draws its number first and commits last.
    let slowly = "begin; insert into audit_events (request_id, operation, object_type, object_id)
                  values ('slow', 'slow', 'products', gen_random_uuid())";
    slow.batch_execute(slowly).unwrap();
    let mut seen: Vec<Value> = Vec::new();
    let follow = |seen: &mut Vec<Value>| {
        let after = seen.last().map(|last| format!("&after={}", last["position"].as_str().unwrap()));
        let more = all(&admin, &format!("/v1/audit-events?sort=position&limit=7{}", after.unwrap_or_default()));
        seen.extend(more);
    };
    thread::scope(|scope| {
        let writers: Vec<_> = (0..4)
            .map(|_| {
                let server = &server;
                scope.spawn(move || (0..15).for_each(|n| drop(server.add_product(product(&format!("P {n}"))))))
            })
            .collect();
        while writers.iter().any(|writer| !writer.is_finished()) {
            follow(&mut seen);
        }
    });
    follow(&mut seen);
    let early = seen.len();
    assert!(seen.iter().all(|entry| entry["operation"] != "slow"));
    slow.batch_execute("commit").unwrap();
    server.add_product(product("Last"));
    // The last transaction is settled once no older one runs.
    while seen.iter().all(|entry| entry["operation"] != "slow") {
        follow(&mut seen);
    }
    follow(&mut seen);
    let mut followed: Vec<i64> = seen.iter().map(|entry| entry["id"].as_i64().unwrap()).collect();
    assert!(seen.len() > early);
    followed.sort_unstable();
    let mut unique = followed.clone();
    unique.dedup();
    assert_eq!(followed, unique, "something came twice");
    let recorded = server.database().number("select count(*) from audit_events");
    assert_eq!(followed.len(), usize::try_from(recorded).unwrap());
}

#[test]
fn no_filter_reads_the_whole_trail() {
    let server = Server::start();
    let ealing = server.add_organisation(council("Ealing"));
    let admin = server.admin();
    server.database().execute(
        "insert into audit_events (occurred_at, request_id, operation, object_type, object_id, actor_id, client_id)
         select now() - i * interval '1 minute', 'r' || i, 'operation_' || i % 500, 'type_' || i % 500,
                gen_random_uuid(), gen_random_uuid(), 'client ' || i from generate_series(1, 20000) as i;
         analyze audit_events",
    );
    let scans = "coalesce((select seq_scan from pg_stat_user_tables where relname = 'audit_events'), 0)";
    for filter in [
        "",
        "requestId=r77",
        "operation=operation_7",
        "objectType=type_7",
        "clientId=client%2077",
        &format!("objectId={}", uuid::Uuid::now_v7()),
        &format!("actorId={}", uuid::Uuid::now_v7()),
        &format!("organisation={}", ealing.id()),
        "occurredBefore=2001-01-01T00:00:00Z",
        "sort=position",
    ] {
        let before = server.database().number(scans);
        let reader = Server::on_with_key(&server.database().url, &server.key_file());
        reader.as_(&admin).get(&format!("/v1/audit-events?{filter}")).expect(200);
        drop(reader);
        assert_eq!(server.database().number(scans) - before, 0, "{filter} reads it all");
    }
}
