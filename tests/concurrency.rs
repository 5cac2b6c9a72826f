//! What has to hold when many do the same at once, and what the database holds by itself.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use db::organisations::Key;
use serde_json::{Value, json};

use crate::support::client::Call;
use crate::support::{Answer, Server, council, product};

const MANY: usize = 20;

/// Makes calls at the same moment, and tells their answers.
pub(crate) fn at_once(calls: Vec<Call<'_>>) -> Vec<Answer> {
    let barrier = Barrier::new(calls.len());
    let barrier = &barrier;
    thread::scope(|scope| {
        let threads: Vec<_> = calls
            .into_iter()
            .map(|call| {
                scope.spawn(move || {
                    barrier.wait();
                    call.send()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// Those with a status.
pub(crate) fn how_many(answers: &[Answer], status: u16) -> usize {
    answers.iter().filter(|answer| answer.status == status).count()
}

#[test]
fn one_of_many_editors_wins() {
    let server = Server::start();
    let admin = server.as_(&server.admin());
    for added in [server.add_product(product("Bins")), server.add_organisation(council("Ealing"))] {
        let path = added.header("location").unwrap();
        let edit = |n| admin.patch(path, json!({ "name": format!("Editor {n}") })).if_match(&added);
        let answers = at_once((0..MANY).map(edit).collect());
        assert_eq!((how_many(&answers, 200), how_many(&answers, 412)), (1, MANY - 1));
        let winner = answers.iter().find(|answer| answer.status == 200).unwrap();
        let stored = server.anonymous().get(path).expect(200);
        assert_eq!((&stored["name"], &stored["version"]), (&winner["name"], &json!(2)));
    }
}

#[test]
fn each_of_many_with_one_name_gets_a_slug() {
    let server = Server::start();
    let admin = server.as_(&server.admin());
    for (path, body) in [("/v1/products", Value::from(product("Bins"))), ("/v1/organisations", council("Bins").into())]
    {
        let answers = at_once((0..MANY).map(|_| admin.post(path, body.clone())).collect());
        assert_eq!(how_many(&answers, 201), MANY);
        let mut slugs: Vec<&str> = answers.iter().map(|answer| answer.text("slug")).collect();
        slugs.sort_unstable();
        slugs.dedup();
        assert_eq!(slugs.len(), MANY);
    }
}

#[test]
fn one_of_many_gets_an_identifier() {
    let server = Server::start();
    let admin = server.as_(&server.admin());
    let body = council("Hackney").with("identifiers", json!([{ "scheme": "GB-LAC", "id": "E09000012" }]));
    let answers = at_once((0..MANY).map(|_| admin.post("/v1/organisations", body.clone())).collect());
    assert_eq!((how_many(&answers, 201), how_many(&answers, 409)), (1, MANY - 1));
    let kept = server.database().number("select count(*) from organisations");
    assert_eq!(kept, 1, "nothing is left of those that were refused");
}

#[test]
fn one_of_many_gets_a_slug() {
    let server = Server::start();
    let admin = server.as_(&server.admin());
    let body = product("Bins").with("slug", "bins");
    let answers = at_once((0..MANY).map(|_| admin.post("/v1/products", body.clone())).collect());
    assert_eq!((how_many(&answers, 201), how_many(&answers, 409)), (1, MANY - 1));
}

#[test]
fn two_halves_never_close_a_circle() {
    let server = Server::start();
    let admin = server.as_(&server.admin());
    for field in ["replacedBy", "parent"] {
        let link = |from: &Answer, to: &Answer| {
            let target = to.text("id");
            let value = if field == "parent" { json!(target) } else { json!([target]) };
            admin.patch(from.header("location").unwrap(), json!({ field: value })).if_match(from)
        };
        for round in 0..5 {
            let [a, b, c, d] = ["a", "b", "c", "d"].map(|n| server.add_organisation(council(&format!("{round} {n}"))));
            // Two that point at each other are in each other's way already by their rows; these two halves share none.
            link(&a, &b).expect(200);
            link(&c, &d).expect(200);
            let answers = at_once(vec![link(&b, &c), link(&d, &a)]);
            assert_eq!((how_many(&answers, 200), how_many(&answers, 409)), (1, 1), "{field}: {answers:?}");
        }
        let [first, second] = [1, 2].map(|n| server.add_organisation(council(&format!("{field} {n}"))));
        let answers = at_once(vec![link(&first, &second), link(&second, &first)]);
        assert_eq!((how_many(&answers, 200), how_many(&answers, 409)), (1, 1), "{field}: {answers:?}");
    }
}

/// Pages through a list while others insert: each initial item comes once, and every filter is in every link.
fn pages(server: &Server, path: &str, field: &str, initial: &[String]) {
    let inserting = AtomicBool::new(true);
    let admin = server.as_(&server.admin());
    let collection = path.split('?').next().unwrap();
    let seen = thread::scope(|scope| {
        scope.spawn(|| {
            // Bounded: whoever inserts faster than others read would never let them come to the end.
            for n in 0..60 {
                if !inserting.load(Ordering::Relaxed) {
                    break;
                }
                // Before, among and after those that are there.
                let name = format!("{} bins {n}", ["A", "M", "Z"][n % 3]);
                let body: Value =
                    if collection.ends_with("products") { product(&name).into() } else { council(&name).into() };
                admin.post(collection, body).expect(201);
            }
        });
        let seen = read_all(server, path, field);
        inserting.store(false, Ordering::Relaxed);
        seen
    });
    for item in initial {
        let times = seen.iter().filter(|other| *other == item).count();
        assert_eq!(times, 1, "{path}: {item} came {times} times");
    }
    let mut distinct = seen.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), seen.len(), "{path}: something came twice");
}

fn read_all(server: &Server, path: &str, field: &str) -> Vec<String> {
    let mut seen = Vec::new();
    let mut next = Some(path.to_owned());
    while let Some(here) = next {
        let page = server.anonymous().get(&here).expect(200);
        seen.extend(page.each(field).into_iter().map(ToOwned::to_owned));
        next = page.next();
        assert_eq!(next.is_some(), page["nextCursor"].is_string(), "header and body agree");
        if let Some(next) = &next {
            let parts: Vec<&str> = next.split(['?', '&']).collect();
            for kept in path.split(['?', '&']) {
                assert!(parts.contains(&kept), "{next} lost {kept}");
            }
            assert_eq!(parts.iter().filter(|part| part.starts_with("cursor=")).count(), 1, "{next}");
        }
    }
    seen
}

fn initial(server: &Server, table: &str) -> Vec<String> {
    let ids = server.database().texts(&format!("select id::text as value from {table}"));
    assert!(ids.len() >= 40);
    ids
}

#[test]
fn products_come_once_while_others_insert() {
    let server = Server::start();
    let admin = server.as_(&server.admin());
    for n in 0..40 {
        // Half of them under one name: order among equals matters most.
        let name = if n % 2 == 0 { "Émile's bins".to_owned() } else { format!("Bins {n:02}") };
        admin.post("/v1/products", product(&name)).expect(201);
    }
    for order in ["sort=name", "sort=-createdAt", "sort=-updatedAt", "q=bins", "q=bins&sort=relevance"] {
        let initial = initial(&server, "products");
        pages(&server, &format!("/v1/products?{order}&limit=7&phase=beta&phase=live&kind=service"), "id", &initial);
    }
}

#[test]
fn organisations_come_once_while_others_insert() {
    let server = Server::start();
    let admin = server.as_(&server.admin());
    for n in 0..40 {
        let name = if n % 2 == 0 { "Same bins".to_owned() } else { format!("Bins {n:02}") };
        admin.post("/v1/organisations", council(&name)).expect(201);
    }
    for order in ["sort=name", "sort=-updatedAt", "q=bins"] {
        let initial = initial(&server, "organisations");
        let path = format!("/v1/organisations?{order}&limit=7&kind=local_authority&active=true");
        pages(&server, &path, "id", &initial);
    }
}

#[test]
fn a_cursor_belongs_to_its_list() {
    let server = Server::start();
    for name in ["A", "B"] {
        server.add_product(product(name));
    }
    let page = server.anonymous().get("/v1/products?limit=1").expect(200);
    let cursor = page.text("nextCursor");
    for path in ["/v1/products?sort=-createdAt", "/v1/products?q=a", "/v1/organisations?sort=-updatedAt"] {
        let refused = server.anonymous().get(&format!("{path}&cursor={cursor}")).expect(400);
        assert_eq!(refused.faults(), ["cursor wrong_cursor"], "{path}");
    }
    server.anonymous().get("/v1/products?cursor=bm9uc2Vuc2U").expect(400);
}

#[test]
fn what_happened_cannot_be_unmade() {
    let server = Server::start();
    let added = server.add_product(product("Bins"));
    let id = added.text("id");
    for statement in [
        "update audit_events set operation = 'nothing'",
        "delete from audit_events",
        "truncate audit_events",
        "update product_versions set reason = 'none'",
        "delete from product_versions",
        "truncate product_versions",
        "update slugs set slug = 'other'",
        "delete from slugs",
        "truncate slugs",
    ] {
        let refusal = server.database().refusal(statement);
        assert!(refusal.as_ref().is_some_and(|message| message.contains("append-only")), "{statement}: {refusal:?}");
    }
    server.as_(&server.admin()).delete(added.header("location").unwrap()).header("If-Match", "*").expect(204);
    let left = server.database().number(&format!("select count(*) from slugs where object_id = '{id}'"));
    assert_eq!(left, 1, "a slug outlives its product");
    assert_eq!(server.database().number("select count(*) from product_versions"), 0, "versions go with it");
}

#[test]
fn the_database_itself_holds_the_rules() {
    let server = Server::start();
    let [first, second] = ["First", "Second"].map(|name| server.add_organisation(council(name)).id());
    let product = server.add_product(product("Bins").with("phase", "live")).id();
    let links = "insert into organisation_replacements values";
    for (statement, constraint) in [
        (format!("update organisations set parent_id = '{first}' where id = '{first}'"), "parent_not_self"),
        (format!("{links} ('{first}', '{second}'), ('{second}', '{first}')"), "would replace itself"),
        (format!("update products set phase = 'alpha' where id = '{product}'"), "needs a reason"),
        (format!("update products set slug = 'First' where id = '{product}'"), "slugs_slug_form"),
        ("update organisations set ends_on = '2000-01-01', starts_on = '2001-01-01'".to_owned(), "ends_after_start"),
    ] {
        let refusal = server.database().refusal(&statement);
        assert!(refusal.as_ref().is_some_and(|message| message.contains(constraint)), "{statement}: {refusal:?}");
    }
}

#[test]
fn a_change_and_its_audit_row_stand_or_fall_together() {
    let server = Server::start();
    let admin = server.as_(&server.admin());
    let added = admin.post("/v1/products", product("Kept")).expect(201);
    let events = server.database().number("select count(*) from audit_events");
    let attempts = || {
        vec![
            admin.post("/v1/products", product("Lost")),
            admin.patch(added.header("location").unwrap(), json!({ "name": "Lost" })).if_match(&added),
            admin.delete(added.header("location").unwrap()).if_match(&added),
        ]
    };
    // First the last thing that a write does fails, then its commit.
    for (table, form) in [("audit_events", "trigger"), ("audit_events", "constraint trigger")] {
        let deferred = if form == "trigger" { "" } else { "deferrable initially deferred" };
        server.database().execute(&format!(
            "create function fail() returns trigger language plpgsql as 'begin raise exception ''no''; end';
             create {form} fail after insert on {table} {deferred} for each row execute function fail()"
        ));
        for attempt in attempts() {
            attempt.expect(500);
        }
        server.database().execute(&format!("drop trigger fail on {table}; drop function fail()"));
    }
    assert_eq!(server.database().number("select count(*) from audit_events"), events);
    assert_eq!(server.database().texts("select name || version as value from products"), ["Kept1"]);
    assert_eq!(server.database().texts("select slug as value from slugs"), ["kept"]);
    assert_eq!(server.database().number("select count(*) from product_versions"), 1);
}

#[test]
fn every_change_has_its_audit_row() {
    let server = Server::start();
    let admin = server.as_(&server.admin());
    let mut last = admin.post("/v1/products", product("Bins")).expect(201);
    for n in 0..5 {
        last = admin
            .patch(
                last.header("location").unwrap_or(&format!("/v1/products/{}", last.text("id"))),
                json!({
                    "summary": format!("Number {n}.")
                }),
            )
            .if_match(&last)
            .expect(200);
    }
    let id = last.text("id").to_owned();
    let (versions, events) = (
        server.database().number(&format!("select count(*) from product_versions where product_id = '{id}'")),
        server.database().number(&format!("select count(*) from audit_events where object_id = '{id}'")),
    );
    assert_eq!((versions, events), (6, 6));
    let key = Key::from(id.as_str());
    let product = server.database().write(move |tx| db::products::lock(tx, &key)).unwrap();
    assert_eq!(product.row.version, 6);
}
