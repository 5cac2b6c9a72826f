//! `/imports`: what organisations send from a register of their own, each row applied once, whole or not at all.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use db::{Role, people};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::client::{Call, Client};
use crate::support::program::serving;
use crate::support::{Answer, Person, Server, council, product, supplier};

const CSV: &str = "text/csv";
const NDJSON: &str = "application/x-ndjson";
/// Rows of a borough's register of applications.
const REGISTER: usize = 800;

/// A service, a council with its people, and a register of what it uses.
struct Borough {
    server: Server,
    council: Answer,
    steward: Person,
}

impl Borough {
    fn new() -> Self {
        let server = Server::start();
        let council = server.add_organisation(council("Hackney Council"));
        let steward = server.member(&council, Role::Steward);
        Self { server, council, steward }
    }

    fn client(&self) -> Client<'_> {
        self.server.as_(&self.steward)
    }

    /// The call that sends a file; `query` is what stands behind resource and organisation.
    fn send(&self, resource: &str, query: &str, media_type: &str, file: impl Into<Vec<u8>>) -> Call<'_> {
        let path = format!("/v1/imports?resource={resource}&organisation={}{query}", self.council.text("slug"));
        self.client().call("POST", &path).body(media_type, file)
    }

    /// Sends a file, has it applied, and tells how that ended.
    fn import(&self, resource: &str, query: &str, media_type: &str, file: impl Into<Vec<u8>>) -> Answer {
        let sent = self.send(resource, query, media_type, file).expect(202);
        self.server.apply_imports();
        self.read(&sent)
    }

    fn citations(&self, rows: &[Value]) -> Answer {
        self.import("citations", "", NDJSON, ndjson(rows))
    }

    fn read(&self, sent: &Answer) -> Answer {
        self.client().get(sent.header("location").unwrap()).expect(200)
    }

    /// What became of the rows, all of them, as pages have it.
    fn results(&self, import: &Answer, query: &str) -> Vec<Value> {
        let mut next = Some(format!("/v1/imports/{}/results?limit=100{query}", import.id()));
        let mut results = Vec::new();
        while let Some(path) = next {
            let page = self.client().get(&path).expect(200);
            results.extend(page["items"].as_array().unwrap().iter().cloned());
            next = page.next();
        }
        results
    }

    /// The refused rows: line, pointer and code of each fault.
    fn refused(&self, import: &Answer) -> Vec<String> {
        let refused = self.results(import, "&outcome=refused");
        let of_row = |row: &Value| {
            let line = row["line"].clone();
            let errors = row["errors"].as_array().unwrap().clone();
            errors.into_iter().map(move |error| {
                format!("{line} {} {}", error["pointer"].as_str().unwrap(), error["code"].as_str().unwrap())
            })
        };
        refused.iter().flat_map(of_row).collect()
    }

    /// Adds products by a register of them; they are `product-0` and so on.
    fn products(&self, count: usize) {
        let row = |n| json!({ "externalId": format!("P{n}"), "name": format!("Product {n}"), "phase": "live" });
        let added = self.import("products", "", NDJSON, ndjson(&(0..count).map(row).collect::<Vec<_>>()));
        assert_eq!(counts(&added), [count, 0, 0, 0, 0], "{:?}", self.refused(&added));
    }

    /// Everything that a write leaves behind but the import's own record.
    fn written(&self) -> Vec<String> {
        self.server.database().texts(
            "select 'audit ' || count(*) as value from audit_events
             union all select id::text || ' ' || version || updated_at from products
             union all select id::text || ' ' || version || status || updated_at from citations
             union all select source || external_id || object_id || encode(content_hash, 'hex') from source_records
             order by value",
        )
    }
}

fn ndjson(rows: &[Value]) -> String {
    rows.iter().map(Value::to_string).collect::<Vec<_>>().join("\n")
}

/// Created, changed, unchanged, refused, ended.
fn counts(import: &Answer) -> [usize; 5] {
    ["created", "changed", "unchanged", "refused", "ended"]
        .map(|outcome| usize::try_from(import["counts"][outcome].as_u64().unwrap()).unwrap())
}

fn use_of(n: usize) -> Value {
    json!({ "externalId": format!("APP-{n}"), "product": format!("product-{n}"), "since": "2023-04-01" })
}

#[test]
fn a_register_is_reported_every_night() {
    let borough = Borough::new();
    borough.products(REGISTER);
    let mut rows: Vec<Value> = (0..REGISTER).map(use_of).collect();
    let first = borough.citations(&rows);
    assert_eq!((first.text("status"), counts(&first)), ("completed", [REGISTER, 0, 0, 0, 0]), "{}", first.json);
    let results = borough.results(&first, "");
    let positions: Vec<Value> = (1..=REGISTER).map(Value::from).collect();
    assert_eq!(results.iter().map(|row| row["position"].clone()).collect::<Vec<_>>(), positions);
    let last = results.last().unwrap();
    assert_eq!(
        (&last["line"], &last["externalId"], &last["outcome"]),
        (&json!(800), &json!("APP-799"), &json!("created"))
    );
    let made = borough.server.anonymous().get(&format!("/v1/citations/{}", last["objectId"].as_str().unwrap()));
    let made = made.expect(200);
    assert_eq!((&made["since"], &made["product"]["slug"]), (&json!("2023-04-01"), &json!("product-799")));
    let count = borough.server.anonymous().get("/v1/citations?organisation=hackney-council&count=true").expect(200);
    assert_eq!(count["total"], REGISTER);

    let before = borough.written();
    let second = borough.citations(&rows);
    assert_eq!(counts(&second), [0, 0, REGISTER, 0, 0]);
    assert_eq!(borough.written(), before, "an identical second run changes nothing and audits nothing");

    rows[10]["satisfaction"] = json!(4);
    rows[20]["contract"] = json!({ "endsOn": "2027-03-31" });
    rows[30]["satisfaction"] = json!(9);
    rows[40]["product"] = json!("nowhere");
    rows.push(json!({ "externalId": "APP-800", "product": "Product 1" }));
    let third = borough.citations(&rows);
    assert_eq!(counts(&third), [0, 2, 797, 2, 0], "{:?}", borough.refused(&third));
    assert_eq!(borough.refused(&third), ["31 #/satisfaction too_large", "41 #/product unknown_product"]);
    let noted = &borough.results(&third, "")[REGISTER];
    assert_eq!(noted["notes"].as_array().unwrap().len(), 1, "it is told that APP-1 says so already: {noted}");
}

#[test]
fn a_rehearsal_keeps_nothing_and_tells_all() {
    let borough = Borough::new();
    borough.products(250);
    let kept = borough.citations(&[use_of(0), use_of(1)]);
    assert_eq!(counts(&kept), [2, 0, 0, 0, 0]);
    let mut rows: Vec<Value> = (0..250).map(use_of).collect();
    rows[1]["satisfaction"] = json!(5);
    rows[2]["since"] = json!("soon");
    rows.remove(0);
    let before = borough.written();
    let file = ndjson(&rows);
    let rehearsed = borough.import("citations", "&dryRun=true&endAbsent=true", NDJSON, file.clone());
    assert_eq!((&rehearsed["dryRun"], counts(&rehearsed)), (&json!(true), [247, 1, 0, 1, 1]), "{}", rehearsed.json);
    assert_eq!(borough.written(), before);
    let created = borough.results(&rehearsed, "&outcome=created");
    assert!(created.iter().all(|row| row["objectId"].is_null()), "what was not made has no id");
    let done = borough.import("citations", "&endAbsent=true", NDJSON, file);
    assert_eq!(counts(&done), counts(&rehearsed), "it does what was told");
}

#[test]
fn what_the_file_does_not_have_can_be_ended() {
    let borough = Borough::new();
    borough.products(6);
    borough.citations(&(0..5).map(use_of).collect::<Vec<_>>());
    // Said by hand, and by another register: neither is this register's to end.
    let by_hand = json!({ "organisation": "hackney-council", "product": "product-5" });
    borough.client().post("/v1/citations", by_hand).expect(201);
    let other = json!({ "externalId": "X", "product": "product-4" });
    borough.import("citations", "&source=housing", NDJSON, ndjson(&[other]));

    let some = borough.import("citations", "&endAbsent=true", NDJSON, ndjson(&[use_of(0), use_of(1), use_of(2)]));
    assert_eq!(counts(&some), [0, 0, 3, 0, 2]);
    let ended = borough.results(&some, "&outcome=ended");
    let keys: Vec<&Value> = ended.iter().map(|row| &row["externalId"]).collect();
    assert_eq!(keys, [&json!("APP-3"), &json!("APP-4")]);
    let citation = ended[0]["objectId"].as_str().unwrap();
    let read = borough.server.anonymous().get(&format!("/v1/citations/{citation}")).expect(200);
    assert_eq!((read.text("status"), read["until"].is_string()), ("ended", true));

    // Under another key, what is used is still used.
    let renamed = json!({ "externalId": "NEW-1", "product": "product-1", "since": "2023-04-01" });
    let moved =
        borough.import("citations", "&endAbsent=true", NDJSON, ndjson(&[use_of(0), renamed.clone(), use_of(2)]));
    assert_eq!(counts(&moved), [0, 0, 3, 0, 0], "{:?}", borough.results(&moved, ""));
    // A row that comes again, just as it was, says that it is in use anew: what ended stays as it was told.
    let again =
        borough.import("citations", "&endAbsent=true", NDJSON, ndjson(&[use_of(0), renamed, use_of(2), use_of(3)]));
    assert_eq!(counts(&again), [1, 0, 3, 0, 0]);
    assert_ne!(borough.results(&again, "&outcome=created")[0]["objectId"], citation);

    // Whoever cannot read a file to its end does not take the rest for absent.
    let torn = format!("{}\n{{\"externalId\":", ndjson(&[use_of(0)]));
    let torn = borough.import("citations", "&endAbsent=true", NDJSON, torn);
    assert_eq!(counts(&torn), [0, 0, 1, 1, 0]);
    assert!(torn["notes"][0].as_str().unwrap().contains("Nothing was ended"), "{}", torn.json);
    let empty = borough.import("citations", "&endAbsent=true", NDJSON, "\n");
    assert_eq!(counts(&empty), [0; 5]);
    assert!(empty["notes"][0].as_str().unwrap().contains("Nothing was ended"), "{}", empty.json);

    let wrong = borough.send("products", "&endAbsent=true", NDJSON, "{}").expect(400);
    assert_eq!(wrong.faults(), ["endAbsent only_citations"]);
}

#[test]
fn dirt_costs_its_own_row_only() {
    let borough = Borough::new();
    borough.products(3);
    let rows: Vec<Vec<u8>> = vec![
        use_of(0).to_string().into_bytes(),
        b"{\"externalId\":\"NUL\\u0000\",\"product\":\"product-1\"}".to_vec(),
        b"{\"externalId\":\"A\",\"product\":\"pro\0duct\"}".to_vec(),
        b"{\"externalId\":\"B\",\"product\":\"product-1\",\"whatWorked\":\"a\\u0000b\"}".to_vec(),
        b"{\"externalId\":\"C\",\"product\":\"\xff\"}".to_vec(),
        b"{\"externalId\":\"D\",\"product\":\"\\ud800\"}".to_vec(),
        format!("{{\"a\":{}", "[".repeat(5000)).into_bytes(),
        b"[]".to_vec(),
        b"null".to_vec(),
        b"   ".to_vec(),
        format!("{{\"externalId\":\"{}\",\"product\":\"product-1\"}}", "k".repeat(201)).into_bytes(),
        format!("{{\"externalId\":\"E\",\"product\":\"{}\"}}", "p".repeat(300_000)).into_bytes(),
        b"{\"externalId\":\"F\",\"product\":{\"id\":1}}".to_vec(),
        b"{\"externalId\":\"G\",\"product\":\"product-1\",\"contract\":{\"amountPence\":1e400}}".to_vec(),
        b"{\"externalId\":\"H\",\"product\":\"product-1\",\"contract\":{\"amountPence\":-1}}".to_vec(),
        b"{\"externalId\":\"I\",\"product\":\"product-1\",\"organisation\":\"nobody\"}".to_vec(),
        b"{\"externalId\":\"J\"}".to_vec(),
        use_of(0).to_string().into_bytes(),
        use_of(2).to_string().into_bytes(),
    ];
    let import = borough.import("citations", "", NDJSON, rows.join(&b'\n'));
    assert_eq!(import["status"], "completed", "{}", import.json);
    assert_eq!(counts(&import), [2, 0, 0, rows.len() - 3, 0], "{:?}", borough.refused(&import));
    for row in borough.results(&import, "&outcome=refused") {
        assert!(row["objectId"].is_null() && row["errors"][0]["detail"].is_string(), "{row}");
    }

    // The other way to write it: a byte order mark, line ends of elsewhere, a quote that nobody closes.
    let csv = b"\xef\xbb\xbfExternal ID,Product,Contract Value,Room\r\nC1,product-1,\"\xc2\xa31,234.50\",4.12\r\n,product-1,,\r\nC3,\"product-2";
    let import = borough.import("citations", "", CSV, csv.to_vec());
    assert_eq!(import["notes"][0], "Not used: Room.");
    let outcomes: Vec<String> = borough.results(&import, "").iter().map(|row| row["outcome"].to_string()).collect();
    assert_eq!(outcomes, ["\"created\"", "\"unchanged\"", "\"refused\""], "{:?}", borough.results(&import, ""));

    for (what, media_type, file) in [
        ("no column for what is used", CSV, b"key,colour\n1,red\n".to_vec()),
        ("UTF-16", CSV, "product,key\n".encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("nothing", NDJSON, Vec::new()),
        ("nothing", CSV, b"\n\n".to_vec()),
    ] {
        let refused = borough.send("citations", "", media_type, file).expect(400);
        assert!(refused["errors"][0]["detail"].is_string(), "{what}: {}", refused.json);
    }
    borough.send("citations", "", "application/json", "[]").expect(415);
    borough.send("citations", "", CSV, vec![b'a'; 32 * 1024 * 1024 + 1]).expect(413);
    assert_eq!(borough.server.database().number("select count(*) from imports where finished_at is null"), 0);
}

#[test]
fn what_an_organisation_sends_is_its_own() {
    let borough = Borough::new();
    let server = &borough.server;
    borough.products(2);
    let barnet = server.add_organisation(council("Barnet Council"));
    let stranger = server.as_(&server.member(&barnet, Role::Admin));
    let viewer = server.as_(&server.member(&borough.council, Role::Viewer));
    let secret =
        json!({ "externalId": "S", "product": "product-0", "visibility": "organisation", "whatWorked": "No." });
    let import = borough
        .citations(&[secret, json!({ "externalId": "B", "organisation": "barnet-council", "product": "product-1" })]);
    assert_eq!(borough.refused(&import), ["2 #/organisation other_organisation"]);
    let path = format!("/v1/imports/{}", import.id());
    for other in [&stranger, &viewer] {
        other.get(&path).expect(404);
        other.get(&format!("{path}/results")).expect(404);
        let listed = other.get("/v1/imports?organisation=hackney-council").expect(200);
        assert!(listed["items"].as_array().unwrap().is_empty());
    }
    let listed = borough.client().get("/v1/imports?status=completed&limit=1").expect(200);
    assert_eq!((listed.each("id"), listed.next().is_some()), (vec![import.text("id")], true));
    let id = listed["items"][0]["id"].clone();
    let rest = borough.client().get(&listed.next().unwrap()).expect(200);
    assert!(rest.each("id").iter().all(|other| *other != id), "{}", rest.json);
    stranger.get("/v1/citations?organisation=hackney-council").expect(200);
    let seen = stranger.get("/v1/citations?organisation=hackney-council&count=true").expect(200);
    assert_eq!(seen["total"], 0, "what is for the organisation only is, however it came");

    // The same key in the register of another is another row.
    let of_barnet = "/v1/imports?resource=citations&organisation=barnet-council";
    let row = json!({ "externalId": "S", "product": "product-0" });
    let sent = stranger.call("POST", of_barnet).body(NDJSON, ndjson(&[row])).expect(202);
    server.apply_imports();
    assert_eq!(counts(&stranger.get(sent.header("location").unwrap()).expect(200)), [1, 0, 0, 0, 0]);

    let unknown = "/v1/imports?resource=citations&organisation=nobody";
    let refused = borough.client().call("POST", unknown).body(NDJSON, "{}").expect(409);
    assert_eq!(refused.faults(), ["organisation unknown_organisation"]);
}

#[test]
fn suppliers_send_their_own_listings_and_cite_nothing() {
    let borough = Borough::new();
    let server = &borough.server;
    let civica = server.add_organisation(supplier("Civica"));
    server.add_organisation(supplier("Capita"));
    let theirs = server.add_product(product("Theirs").with("supplier", "capita"));
    let vendor = server.as_(&server.member(&civica, Role::Contributor));
    let path = |resource: &str| format!("/v1/imports?resource={resource}&organisation=civica");
    vendor.call("POST", &path("citations")).body(NDJSON, "{}").expect(403);
    let rows = [
        json!({ "externalId": "1", "name": "Ours", "summary": "Ours." }),
        json!({ "externalId": "2", "slug": "theirs", "name": "Like theirs" }),
        json!({ "externalId": "3", "name": "In another's name", "supplier": "capita" }),
    ];
    let sent = vendor.call("POST", &path("products")).body(NDJSON, ndjson(&rows)).expect(202);
    server.apply_imports();
    let import = vendor.get(sent.header("location").unwrap()).expect(200);
    assert_eq!(counts(&import), [2, 0, 0, 1, 0], "{}", import.json);
    for slug in ["ours", "theirs-2"] {
        let ours = server.anonymous().get(&format!("/v1/products/{slug}")).expect(200);
        assert_eq!(ours["supplier"]["slug"], "civica");
    }
    let stored = server.anonymous().get(&format!("/v1/products/{}", theirs.id())).expect(200);
    assert_eq!((&stored["name"], &stored["version"]), (&json!("Theirs"), &json!(1)));
}

#[test]
fn who_may_no_more_does_no_more() {
    let borough = Borough::new();
    borough.products(2);
    let sent = borough.send("citations", "", NDJSON, ndjson(&[use_of(0)])).expect(202);
    let (user, organisation) = (borough.steward.id, borough.council.id());
    borough.server.database().write(move |tx| people::remove_membership(tx, user, organisation)).unwrap();
    borough.server.apply_imports();
    let path = sent.header("location").unwrap();
    borough.client().get(path).expect(404);
    let admin = borough.server.as_(&borough.server.admin());
    let failed = admin.get(path).expect(200);
    assert_eq!((failed.text("status"), counts(&failed)), ("failed", [0; 5]));
    assert!(failed.text("failure").contains("contributor"), "{}", failed.json);

    let gone = borough.server.member(&borough.council, Role::Contributor);
    let path = "/v1/imports?resource=citations&organisation=hackney-council";
    let sent = borough.server.as_(&gone).call("POST", path).body(NDJSON, ndjson(&[use_of(0)])).expect(202);
    borough.server.as_(&gone).delete("/v1/me").header("If-Match", "*").expect(204);
    borough.server.apply_imports();
    let failed = admin.get(sent.header("location").unwrap()).expect(200);
    assert_eq!(failed["status"], "failed", "{}", failed.json);
    let database = borough.server.database();
    assert_eq!(database.number("select count(*) from citations"), 0);
    assert_eq!(database.number("select count(*) from import_chunks"), 0, "what is over keeps no file");
}

#[test]
fn sent_twice_it_is_one() {
    let borough = Borough::new();
    borough.products(1);
    let send = |file: String| borough.send("citations", "", NDJSON, file).header("Idempotency-Key", "tonight");
    let first = send(ndjson(&[use_of(0)])).expect(202);
    let second = send(ndjson(&[use_of(0)])).expect(202);
    assert_eq!((first.id(), second.header("idempotency-replayed")), (second.id(), Some("true")));
    assert_eq!(send(ndjson(&[use_of(1)])).expect(422).faults(), ["Idempotency-Key reused"]);
    let busy = borough.send("citations", "", NDJSON, ndjson(&[use_of(0)])).expect(409);
    assert_eq!(busy.faults(), ["# import_running"]);
    borough.send("products", "", NDJSON, ndjson(&[json!({ "name": "Other" })])).expect(202);
    borough.server.apply_imports();
    borough.send("citations", "", NDJSON, ndjson(&[use_of(0)])).expect(202);
}

/// That each of so many rows was applied exactly once, with its result.
fn is_exact(borough: &Borough, sent: &Answer, rows: usize) {
    let import = borough.read(sent);
    assert_eq!((import.text("status"), counts(&import)), ("completed", [rows, 0, 0, 0, 0]), "{}", import.json);
    let database = borough.server.database();
    let of_import = format!("from import_results where import_id = '{}'", import.id());
    for count in [
        "select count(*) from citations".to_owned(),
        "select count(distinct product_id) from citations".to_owned(),
        "select count(*) from audit_events where object_type = 'citations'".to_owned(),
        "select count(*) from source_records where kind = 'citations'".to_owned(),
        format!("select count(*) {of_import} and outcome = 'created'"),
        format!("select max(position) {of_import}"),
    ] {
        assert_eq!(database.number(&count), i64::try_from(rows).unwrap(), "{count}");
    }
}

#[test]
fn many_workers_apply_each_row_once() {
    let borough = Borough::new();
    borough.products(600);
    let sent = borough.send("citations", "", NDJSON, ndjson(&(0..600).map(use_of).collect::<Vec<_>>())).expect(202);
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..4 {
            // Some of them find it in the hands of another, or are told that they lost it.
            scope.spawn(|| borough.server.apply_imports());
        }
        // Whoever has it is taken for dead again and again, while they are at it.
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let expire = "update imports set leased_until = now() - interval '1 second', attempts = 1 where status = 'running'";
                borough.server.database().execute(expire);
                let finished =
                    borough.server.database().number("select count(*) from imports where finished_at is null");
                over.store(finished == 0, Ordering::Relaxed);
                borough.server.apply_imports();
            }
        });
    });
    is_exact(&borough, &sent, 600);
}

#[test]
fn connections_that_break_leave_no_row_by_halves() {
    let borough = Borough::new();
    borough.products(800);
    let sent = borough.send("citations", "", NDJSON, ndjson(&(0..800).map(use_of).collect::<Vec<_>>())).expect(202);
    let (server, database, over) = (&borough.server, borough.server.database(), AtomicBool::new(false));
    let busy = "select count(*) from imports where finished_at is null";
    let broken = thread::scope(|scope| {
        let worker = scope.spawn(|| {
            let mut failures = 0;
            while database.number(busy) > 0 {
                if server.apply_import().is_err() {
                    failures += 1;
                    // Its lease would be over in half a minute, and it does come forward.
                    let expire = "update imports set leased_until = now() - interval '1 second', attempts = 1
                                  where status = 'running'";
                    database.execute(expire);
                }
            }
            over.store(true, Ordering::Relaxed);
            failures
        });
        let mut killed = 0;
        while killed < 5 && !over.load(Ordering::Relaxed) {
            // Those that have written something, in the midst of a transaction.
            let kill = "select pg_terminate_backend(pid)::text as value from pg_stat_activity
                 where datname = current_database() and pid <> pg_backend_pid()
                   and query not like 'update imports set leased_until = now()%'
                   and backend_xid is not null and random() < 0.05";
            killed += database.texts(kill).len();
        }
        worker.join().unwrap()
    });
    assert!(broken > 0, "nothing was broken: the test shows nothing");
    is_exact(&borough, &sent, 800);
}

#[test]
fn a_service_that_is_killed_is_taken_over_from() {
    let borough = Borough::new();
    borough.products(1000);
    let sent = borough.send("citations", "", NDJSON, ndjson(&(0..1000).map(use_of).collect::<Vec<_>>())).expect(202);
    let database = borough.server.database();
    let mut service = serving(database, &borough.server.key_file());
    while database.number(
        "select count(*) from import_results where import_id = (select id from imports where resource = 'citations')",
    ) == 0
    {
        thread::yield_now();
    }
    service.kill().unwrap();
    service.wait().unwrap();
    let applied = database.number("select line from imports where resource = 'citations'");
    assert_eq!(
        database.number("select count(*) from citations"),
        applied,
        "what was applied was told, and nothing else was"
    );
    assert!(applied < 1000, "it was not killed in the middle: the test shows nothing");
    database.execute("update imports set leased_until = now() - interval '1 second' where status = 'running'");
    borough.server.apply_imports();
    is_exact(&borough, &sent, 1000);
}

#[test]
fn an_import_that_never_comes_forward_is_given_up() {
    let borough = Borough::new();
    borough.products(1);
    let sent = borough.send("citations", "", NDJSON, ndjson(&[use_of(0)])).expect(202);
    let again = "update imports set status = 'running', lease = gen_random_uuid(), attempts = attempts + 1,
                 leased_until = now() - interval '1 second' where finished_at is null";
    (0..5).for_each(|_| borough.server.database().execute(again));
    borough.server.apply_imports();
    assert_eq!(borough.read(&sent)["status"], "failed");
    borough.send("citations", "", NDJSON, ndjson(&[use_of(0)])).expect(202);
}

#[test]
fn nobody_but_the_worker_says_how_far_an_import_is() {
    let borough = Borough::new();
    let sent = borough.send("products", "", NDJSON, ndjson(&[json!({ "name": "One" })])).expect(202);
    let id: Uuid = sent.id();
    for statement in [
        format!("update imports set status = 'completed' where id = '{id}'"),
        format!("update imports set status = 'failed', finished_at = now() where id = '{id}'"),
        format!("update imports set created = -1 where id = '{id}'"),
        format!("insert into import_results (import_id, position, outcome) values ('{id}', 1, 'refused')"),
        "update imports set end_absent = true".to_owned(),
        "insert into imports (id, organisation_id, resource, format, source, dry_run, end_absent, request_id)
         select gen_random_uuid(), organisation_id, resource, format, source, false, false, 'x' from imports"
            .to_owned(),
    ] {
        assert!(borough.server.database().refusal(&statement).is_some(), "{statement}");
    }
}
