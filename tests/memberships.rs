//! `/v1/memberships`, `/v1/invitations` and `/v1/me`: who belongs where, and how they come in and leave.

use std::thread;

use db::Role;
use serde_json::{Value, json};

use crate::support::server::Person;
use crate::support::{Answer, Server, council, product};

fn membership_of(server: &Server, person: &Person) -> String {
    let own = server.as_(person).get("/v1/me").expect(200);
    format!("/v1/memberships/{}", own["memberships"][0]["id"].as_str().unwrap())
}

fn invite(server: &Server, admin: &Person, organisation: &Answer, role: &str) -> Answer {
    let body = json!({ "organisation": organisation.text("slug"), "email": "new@example.org", "role": role });
    server.as_(admin).post("/v1/invitations", body).expect(201)
}

fn accept(server: &Server, person: &Person, invitation: &Answer) -> Answer {
    server.as_(person).post("/v1/invitations/accept", json!({ "token": invitation.text("token") })).send()
}

#[test]
fn an_administrator_raises_and_removes_and_it_holds_from_the_next_write() {
    let server = Server::start();
    let ealing = server.add_organisation(council("Ealing"));
    let (admin, member) = (server.member(&ealing, Role::Admin), server.member(&ealing, Role::Viewer));
    let path = membership_of(&server, &member);
    let (deciding, writing) = (server.as_(&admin), server.as_(&member));
    writing.post("/v1/products", product("Bins")).expect(403);
    let read = deciding.get(&path).expect(200);
    let raised = deciding.patch(&path, json!({ "role": "contributor" })).if_match(&read).expect(200);
    assert_eq!(raised["role"], "contributor");
    writing.post("/v1/products", product("Bins")).expect(201);
    writing.patch(&path, json!({ "role": "admin" })).if_match(&raised).expect(403);
    deciding.patch(&path, json!({ "role": "viewer" })).if_match(&read).expect(412);
    deciding.delete(&path).if_match(&raised).expect(204);
    writing.post("/v1/products", product("Potholes")).expect(403);
    deciding.get(&path).expect(404);
}

#[test]
fn members_see_each_other_and_addresses_only_where_they_must() {
    let server = Server::start();
    let (ealing, barnet) = (server.add_organisation(council("Ealing")), server.add_organisation(council("Barnet")));
    let (admin, viewer) = (server.member(&ealing, Role::Admin), server.member(&ealing, Role::Viewer));
    let stranger = server.member(&barnet, Role::Admin);
    let list = |person: &Person, query: &str| -> Vec<Value> {
        server.as_(person).get(&format!("/v1/memberships{query}")).expect(200)["items"].as_array().unwrap().clone()
    };
    let addresses = |items: &[Value]| items.iter().filter(|item| item["person"]["email"].is_string()).count();
    assert_eq!((list(&admin, "").len(), addresses(&list(&admin, ""))), (2, 2));
    assert_eq!((list(&viewer, "").len(), addresses(&list(&viewer, ""))), (2, 1), "their own");
    assert_eq!(list(&viewer, "?role=admin").len(), 1);
    assert_eq!(list(&viewer, &format!("?person={}", admin.id)).len(), 1);
    assert!(list(&stranger, "?organisation=ealing").is_empty());
    assert_eq!(list(&stranger, "").len(), 1);
    assert_eq!(list(&server.admin(), "").len(), 3);
    let path = membership_of(&server, &viewer);
    for absent in [path.clone(), format!("/v1/memberships/{}", uuid::Uuid::now_v7())] {
        server.as_(&stranger).get(&absent).expect(404);
        server.as_(&stranger).delete(&absent).header("If-Match", "*").expect(404);
    }
    server.as_(&viewer).delete(&path).header("If-Match", "*").expect(204);
    assert!(list(&viewer, "").is_empty(), "anybody may leave");
}

#[test]
fn an_organisation_keeps_an_administrator_also_when_they_remove_each_other() {
    let server = Server::start();
    for round in 0..5 {
        let council = server.add_organisation(council(&format!("Council {round}")));
        let admins: Vec<Person> = (0..6).map(|_| server.member(&council, Role::Admin)).collect();
        let paths: Vec<String> = admins.iter().map(|admin| membership_of(&server, admin)).collect();
        let statuses: Vec<u16> = thread::scope(|scope| {
            let removals: Vec<_> = (0..6)
                .map(|n| {
                    let (server, admin, path) = (&server, &admins[n], &paths[(n + 1) % 6]);
                    scope.spawn(move || server.as_(admin).delete(path).header("If-Match", "*").send().status)
                })
                .collect();
            removals.into_iter().map(|removal| removal.join().unwrap()).collect()
        });
        let left = "select count(*) from memberships where role = 'admin' and organisation_id";
        let left = server.database().number(&format!("{left} = '{}'", council.id()));
        assert!(left >= 1, "round {round}: {statuses:?}");
        let removed = statuses.iter().filter(|status| **status == 204).count();
        assert_eq!(removed, 6 - usize::try_from(left).unwrap(), "{statuses:?}");
    }
}

#[test]
fn an_invitation_works_once() {
    let server = Server::start();
    let ealing = server.add_organisation(council("Ealing"));
    let admin = server.member(&ealing, Role::Admin);
    let invitation = invite(&server, &admin, &ealing, "contributor");
    let again = json!({ "organisation": "ealing", "email": "NEW@example.org", "role": "viewer" });
    let refused = server.as_(&admin).post("/v1/invitations", again.clone()).expect(409);
    assert_eq!(refused.faults(), ["#/email invited_already"]);
    let people: Vec<Person> = (0..8).map(|_| server.person(&[], &[])).collect();
    let statuses: Vec<u16> = thread::scope(|scope| {
        let (server, invitation) = (&server, &invitation);
        let calls: Vec<_> =
            people.iter().map(|person| scope.spawn(move || accept(server, person, invitation).status)).collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 404).count(), 7, "{statuses:?}");
    let winner = &people[statuses.iter().position(|status| *status == 201).unwrap()];
    server.as_(winner).post("/v1/products", product("Bins")).expect(201);
    server.as_(&admin).post("/v1/invitations", again).expect(201);
    let kept = server.database().texts("select encode(token_hash, 'hex') as value from invitations");
    assert!(!kept.contains(&invitation.text("token").to_owned()), "only digests are kept");
    let read = server.as_(&admin).get("/v1/invitations").expect(200);
    assert!(!read.json.to_string().contains("token"), "the secret is told once");
}

#[test]
fn an_invitation_that_ended_is_none() {
    let server = Server::start();
    let ealing = server.add_organisation(council("Ealing"));
    let (admin, person) = (server.member(&ealing, Role::Admin), server.person(&[], &[]));
    let first = invite(&server, &admin, &ealing, "viewer");
    let path = first.header("location").unwrap().to_owned();
    server.as_(&admin).delete(&path).header("If-Match", "*").expect(204);
    assert_eq!(accept(&server, &person, &first).status, 404, "taken back");
    let second = invite(&server, &admin, &ealing, "viewer");
    server.database().execute("update invitations set expires_at = now()");
    assert_eq!(accept(&server, &person, &second).status, 404, "expired");
    let third = invite(&server, &admin, &ealing, "viewer");
    assert_eq!(accept(&server, &person, &third).status, 201, "one that has expired gives way to the next");

    let contributor = server.member(&ealing, Role::Contributor);
    let fourth = invite(&server, &admin, &ealing, "viewer");
    assert_eq!(accept(&server, &contributor, &fourth)["role"], "contributor", "nobody is lowered by accepting");
    let machine = json!({ "organisation": "ealing", "name": "Sync", "kind": "service", "scopes": ["profile"] });
    server.as_(&admin).post("/v1/clients", machine).expect(201);
}

#[test]
fn invitations_are_private_to_those_who_decide() {
    let server = Server::start();
    let (ealing, barnet) = (server.add_organisation(council("Ealing")), server.add_organisation(council("Barnet")));
    let admin = server.member(&ealing, Role::Admin);
    let made = invite(&server, &admin, &ealing, "viewer");
    let path = made.header("location").unwrap();
    for person in [server.member(&barnet, Role::Admin), server.member(&ealing, Role::Steward)] {
        server.as_(&person).get(path).expect(404);
        assert!(server.as_(&person).get("/v1/invitations").expect(200)["items"].as_array().unwrap().is_empty());
    }
    server.as_(&admin).get(path).expect(200);
    let trail = server.database().texts("select concat(before, after) as value from audit_events");
    assert!(trail.iter().all(|state| !state.contains('@')));
    let seen = |viewer: &str| {
        server.database().texts_of_last(&format!(
            "begin; set local role loti_service; set local loti.viewer = '{viewer}';
             select count(*)::text as value from invitations; commit"
        ))
    };
    assert_eq!((seen(""), seen(&format!("person:{}", admin.id))), ("0".to_owned(), "1".to_owned()));
}

#[test]
fn everybody_learns_who_they_are() {
    let server = Server::start();
    let ealing = server.add_organisation(council("Ealing"));
    let person = server.member(&ealing, Role::Steward);
    let client = server.as_(&person);
    let me = client.get("/v1/me").expect(200);
    assert_eq!((me.text("kind"), me.text("email")), ("person", person.email.as_str()));
    assert_eq!(me["memberships"][0]["organisation"]["slug"], "ealing");
    assert_eq!(me["memberships"][0]["role"], "steward");
    let renamed = client.patch("/v1/me", json!({ "displayName": "Sam" })).if_match(&me).expect(200);
    assert_eq!(renamed["displayName"], "Sam");
    client.patch("/v1/me", json!({ "displayName": "Late" })).if_match(&me).expect(412);
    client.patch("/v1/me", json!({ "email": "other@example.org" })).if_match(&renamed).expect(400);
    let admin = server.as_(&server.admin()).get("/v1/me").expect(200);
    assert_eq!(admin["platformRoles"], json!(["platform_admin"]));
    let stranger = server.as_(&Person::unknown());
    stranger.get("/v1/me").expect(401);
}
