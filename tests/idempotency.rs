//! `Idempotency-Key`: one effect and one answer for each key.

use std::thread;

use db::Role;
use diesel::connection::SimpleConnection;
use serde_json::json;

use crate::support::contract::{operations, resolve};
use crate::support::operations::{World, call, path_of};
use crate::support::{Answer, Server, council, product};

fn count(server: &Server, table: &str) -> i64 {
    server.database().number(&format!("select count(*) from {table}"))
}

#[test]
fn every_post_can_be_sent_twice() {
    let server = Server::start();
    let world = World::new(&server);
    let person = world.everything(&server);
    let admin = server.as_(&person);
    for operation in operations().iter().filter(|operation| operation.method == "POST") {
        let parameters = operation.value["parameters"].as_array().unwrap();
        let documented = parameters.iter().any(|parameter| resolve(parameter)["name"] == "Idempotency-Key");
        assert!(documented, "{}: the document does not have the header", operation.id);
        let path = path_of(operation, &world.target(&server, operation));
        let send = || call(&admin, operation, &path).header("Idempotency-Key", &operation.id).send();
        let first = send();
        assert!(first.status < 300, "{}: {}", operation.id, first.json);
        assert_eq!(first.header("idempotency-replayed"), None, "{}", operation.id);
        let (audited, again) = (count(&server, "audit_events"), send());
        assert_eq!(again.header("idempotency-replayed"), Some("true"), "{}", operation.id);
        assert_eq!(count(&server, "audit_events"), audited, "{}: had a second effect", operation.id);
        assert_eq!(again.status, first.status, "{}", operation.id);
        assert_eq!(again.bytes, first.bytes, "{}", operation.id);
        for name in ["etag", "location", "content-type", "link"] {
            assert_eq!(again.header(name), first.header(name), "{}: {name}", operation.id);
        }
    }
}

#[test]
fn forty_times_twenty_five_at_once_are_twenty_five() {
    let server = Server::start();
    let token = server.admin();
    let admin = server.as_(&token);
    let answers: Vec<Vec<Answer>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..40)
            .map(|_| {
                let admin = &admin;
                scope.spawn(move || {
                    let send = |n: usize| {
                        let call = admin.post("/v1/products", product(&format!("Product {n}")));
                        call.header("Idempotency-Key", &format!("key-{n}")).expect(201)
                    };
                    (0..25).map(send).collect()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(count(&server, "products"), 25);
    for n in 0..25 {
        assert!(answers.iter().all(|of_thread| of_thread[n].bytes == answers[0][n].bytes), "key-{n}");
        let replayed = answers.iter().filter(|of_thread| of_thread[n].header("idempotency-replayed").is_some());
        assert_eq!(replayed.count(), 39, "key-{n}");
    }
}

#[test]
fn a_key_belongs_to_one_request_of_one_sender() {
    let server = Server::start();
    let ealing = server.add_organisation(council("Ealing"));
    let (one, other) = (server.member(&ealing, Role::Contributor), server.member(&ealing, Role::Contributor));
    let post = |person, name: &str| {
        server.as_(person).post("/v1/products", product(name)).header("Idempotency-Key", "k").send()
    };
    assert_eq!(post(&one, "Bins").status, 201);
    let reused = post(&one, "Potholes");
    assert_eq!(reused.status, 422);
    assert_eq!(reused.faults(), ["Idempotency-Key reused"]);
    let elsewhere = server.as_(&one).post("/v1/products?x=1", product("Bins")).header("Idempotency-Key", "k");
    elsewhere.expect(400);
    assert_eq!(post(&other, "Potholes").status, 201, "another's key is another key");
    assert_eq!(count(&server, "products"), 2);
    for wrong in ["", "with space", &"x".repeat(256), "käy"] {
        server.as_(&one).post("/v1/products", product("Bins")).header("Idempotency-Key", wrong).expect(400);
    }
}

#[test]
fn what_fails_keeps_nothing() {
    let server = Server::start();
    let ealing = server.add_organisation(council("Ealing"));
    let person = server.member(&ealing, Role::Viewer);
    let send = |body: serde_json::Value| {
        server.as_(&person).post("/v1/products", body).header("Idempotency-Key", "k").send().status
    };
    assert_eq!(send(json!({})), 400);
    assert_eq!(send(product("Bins").into()), 403);
    assert_eq!(count(&server, "idempotency_keys"), 0);
    let (user, organisation) = (person.id, ealing.id());
    let promote = move |tx: &mut db::Tx<'_>| db::people::set_membership(tx, user, organisation, Role::Contributor);
    server.database().write(promote).unwrap();
    assert_eq!(send(product("Bins").into()), 201);

    server.database().execute(
        "create function fail() returns trigger language plpgsql as $$ begin raise 'no'; end $$;
        create trigger fail before insert on idempotency_keys for each row execute function fail()",
    );
    let failed = server.as_(&person).post("/v1/products", product("Lost")).header("Idempotency-Key", "other");
    failed.expect(500);
    assert_eq!(count(&server, "products"), 1, "an effect without its answer is no effect");
}

#[test]
fn a_day_later_the_key_is_free() {
    let server = Server::start();
    let person = server.admin();
    let send =
        |name: &str| server.as_(&person).post("/v1/products", product(name)).header("Idempotency-Key", "k").expect(201);
    send("Bins");
    let lifetime = "select extract(epoch from expires_at - created_at)::bigint from idempotency_keys";
    assert_eq!(server.database().number(&format!("({lifetime})")), 24 * 3600);
    server.database().execute("update idempotency_keys set expires_at = now()");
    assert_eq!(send("Potholes").header("idempotency-replayed"), None);
    assert_eq!(count(&server, "products"), 2);
}

#[test]
fn while_the_first_runs_elsewhere_the_second_is_told_to_wait() {
    let server = Server::start();
    let person = server.admin();
    let mut elsewhere = server.database().connect();
    let lock = format!("begin; select try_lock('person:{} k')", person.id);
    elsewhere.batch_execute(&lock).unwrap();
    let send = || server.as_(&person).post("/v1/products", product("Bins")).header("Idempotency-Key", "k").send();
    let told = send();
    assert_eq!(told.status, 409);
    assert_eq!(told.header("retry-after"), Some("1"));
    assert_eq!(told.faults(), ["Idempotency-Key still_running"]);
    elsewhere.batch_execute("rollback").unwrap();
    assert_eq!(send().status, 201);
}

#[test]
fn a_queue_that_does_not_move_is_left() {
    let server = Server::with(&[("LOTI_DATABASE_WAIT_MS", "400")]);
    let person = server.admin();
    let mut blocker = server.database().connect();
    blocker.batch_execute("begin; lock table products in exclusive mode").unwrap();
    let send = || server.as_(&person).post("/v1/products", product("Bins")).header("Idempotency-Key", "k").send();
    thread::scope(|scope| {
        let first = scope.spawn(send);
        // Of this database: what other tests wait for is no sign that the first came so far.
        let waiting =
            "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()";
        while server.database().number(waiting) == 0 {
            thread::yield_now();
        }
        let second = send();
        assert_eq!((second.status, second.header("retry-after")), (409, Some("1")));
        blocker.batch_execute("rollback").unwrap();
        assert_eq!(first.join().unwrap().status, 201);
    });
    assert_eq!(send().header("idempotency-replayed"), Some("true"));
}

#[test]
fn an_answer_is_kept_sealed() {
    let server = Server::start();
    let ealing = server.add_organisation(council("Ealing"));
    let admin = server.as_(&server.member(&ealing, Role::Admin));
    let body = json!({
        "organisation": ealing.text("id"), "name": "Sync", "kind": "service", "scopes": ["products:read"],
    });
    let made = admin.post("/v1/clients", body).header("Idempotency-Key", "k").expect(201);
    let kept = server.database().texts("select encode(sealed_answer, 'escape') as value from idempotency_keys");
    assert!(!kept[0].contains("loti_") && !kept[0].contains(made.text("id")), "{}", kept[0]);
}
