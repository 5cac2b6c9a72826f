//! What is held of people: all of it is known, is shown to them, and goes when they say so.

use std::collections::BTreeSet;

use db::personal_data::{ERASED_NAME, Erasure, RowErasure, TABLES};
use db::{Role, erasures};
use serde_json::{Value, json};

use crate::support::provider::Provider;
use crate::support::{Answer, Database, Server, council, product};

/// Every table and column of the schema, `table.column`.
const COLUMNS: &str = "select table_name || '.' || column_name as value from information_schema.columns
    where table_schema = 'public' and table_name not like '\\_\\_diesel%' order by 1";

/// Every column that refers to people, or whose name or comment says that it holds something of them.
const SUSPECTS: &str = "
    select conrelid::regclass || '.' || attname as value from pg_constraint
      join pg_attribute on attrelid = conrelid and attnum = any (conkey)
      where contype = 'f' and confrelid = 'users'::regclass
    union
    select table_name || '.' || column_name from information_schema.columns
      where table_schema = 'public' and (
        column_name ~ '(^|_)(user|actor|person|claimant)_id$' or column_name ~ '(^|_)(email|principal|display_name)$'
        or column_name ~ '_by$' or col_description(table_name::regclass, ordinal_position) like '%Personal data%')
    order by value";

/// Columns of [`SUSPECTS`] that are of nobody.
const CLEARED: &[&str] = &[];

fn decided() -> Vec<String> {
    let mut decided = Vec::new();
    for table in TABLES {
        let shown = table.records.iter().flat_map(|records| records.columns).map(|column| column.name);
        let shown: BTreeSet<&str> = shown.collect();
        let others: Vec<&str> = table.others.split_whitespace().collect();
        assert!(others.is_empty() || !table.because.is_empty(), "{}: why?", table.name);
        decided.extend(shown.into_iter().chain(others).map(|column| format!("{}.{column}", table.name)));
    }
    decided.sort();
    decided
}

#[test]
fn every_column_of_the_schema_is_decided_about_once() {
    let mut schema = Database::new().texts(COLUMNS);
    schema.sort();
    assert_eq!(decided(), schema, "decide in db/src/personal_data.rs what becomes of a new column");
}

#[test]
fn whatever_looks_like_somebodys_is_somebodys() {
    let of_people: BTreeSet<String> = TABLES
        .iter()
        .flat_map(|table| {
            let columns = table.records.iter().flat_map(|records| records.columns);
            columns.map(move |column| format!("{}.{}", table.name, column.name))
        })
        .collect();
    let suspects = Database::new().texts(SUSPECTS);
    assert!(suspects.len() > 10, "the query sees too little: {suspects:?}");
    let missing: Vec<&String> =
        suspects.iter().filter(|name| !of_people.contains(*name) && !CLEARED.contains(&name.as_str())).collect();
    assert!(missing.is_empty(), "of whom are they? {missing:?}");
}

#[test]
fn decisions_fit_together() {
    for records in TABLES.iter().flat_map(|table| table.records) {
        let (kind, any) = (records.kind, |made: fn(&Erasure) -> bool| records.columns.iter().any(|c| made(&c.erasure)));
        let (goes, becomes, stays) = (
            any(|made| *made == Erasure::Goes),
            any(|made| matches!(made, Erasure::Becomes(_))),
            any(|made| *made == Erasure::Stays),
        );
        match records.erasure {
            RowErasure::Removes(_) => assert!(goes && !becomes && !stays, "{kind}"),
            RowErasure::Changes(_) => assert!(becomes && !goes, "{kind}"),
            RowErasure::Keeps(why) => assert!(stays && !becomes && !goes && !why.is_empty(), "{kind}"),
        }
    }
}

/// A service with an organisation, its provider, and somebody who signed in by it.
struct World {
    server: Server,
    provider: Provider,
    ealing: Answer,
    id: String,
}

/// What nobody else has.
const SUBJECT: &str = "subject-7q3x";
const EMAIL: &str = "Marker-7q3x@ealing.example";
const NAME: &str = "Name of subject-7q3x";
/// An invitation's, which they took.
const OTHER_EMAIL: &str = "other-7q3x@elsewhere.example";

impl World {
    fn new() -> Self {
        let (server, provider) = (Server::start(), Provider::start());
        let ealing = server.add_organisation(council("Ealing").with("emailDomains", json!(["ealing.example"])));
        let body = json!({
            "name": "Ours", "kind": "openid_connect", "issuer": provider.issuer, "audience": "loti",
            "algorithms": ["ES256"],
        });
        let admin = server.as_(&server.member(&ealing, Role::Admin));
        admin.post(&format!("/v1/organisations/{}/identity-providers", ealing.id()), body).expect(201);
        let bearer = format!("Bearer {}", provider.token(SUBJECT, EMAIL));
        let id = server.with_authorization(&bearer).get("/v1/me").expect(200).text("id").to_owned();
        Self { server, provider, ealing, id }
    }

    fn token(&self) -> String {
        format!("Bearer {}", self.provider.token(SUBJECT, EMAIL))
    }

    /// With something of theirs in every table that can hold it.
    fn fill(&self) {
        let (id, ealing) = (&self.id, self.ealing.id());
        let barnet = self.server.add_organisation(council("Barnet")).id();
        self.server.database().execute(&format!(
            "update identities set tenant = 'tenant-7q3x' where user_id = '{id}';
             update memberships set role = 'admin' where user_id = '{id}';
             insert into platform_roles (user_id, role) values ('{id}', 'moderator');
             insert into invitations (id, organisation_id, email, role, token_hash, expires_at)
               values (gen_random_uuid(), '{barnet}', upper('{EMAIL}'), 'viewer', sha256('1'), now() + interval '1 day');
             insert into invitations (id, organisation_id, email, role, token_hash, expires_at, accepted_at, accepted_by)
               values (gen_random_uuid(), '{barnet}', '{OTHER_EMAIL}', 'viewer', sha256('2'), now(), now(), '{id}');
             insert into invitations (id, organisation_id, email, role, token_hash, expires_at, accepted_at, invited_by)
               values (gen_random_uuid(), '{ealing}', 'guest@barnet.example', 'viewer', sha256('3'), now(), now(), '{id}');
             insert into clients (id, organisation_id, name, kind, role, scopes, created_by)
               values (gen_random_uuid(), '{barnet}', 'Sync', 'service', 'viewer', '{{profile}}', '{id}');
             insert into quotas values ('acceptances_of_principal', 'person:{id}', now(), 3);
             insert into idempotency_keys (principal, key, request_hash, sealed_answer)
               values ('person:{id}', 'key-7q3x', sha256('4'), 'sealed');
             insert into audit_events (actor_id, client_id, organisation_id, request_id, operation, object_type, object_id, before, after)
               values ('{id}', 'loti', '{ealing}', 'request-7q3x', 'update_product', 'products', gen_random_uuid(), '{{}}', '{{}}')"
        ));
    }

    /// Everything in the database that holds a text, whatever its case.
    fn holding(&self, text: &str) -> Vec<String> {
        let database = self.server.database();
        let tables = database.texts(
            "select relname as value from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'",
        );
        assert!(tables.len() > 20, "{tables:?}");
        let rows = tables.iter().flat_map(|table| {
            let query = format!(
                "select '{table} ' || row::text as value from {table} row
                 where lower(row::text) like lower('%{text}%') order by 1"
            );
            database.texts(&query)
        });
        rows.collect()
    }
}

/// The records of a kind, each an object of its fields.
fn records(export: &Answer, kind: &str) -> Vec<Value> {
    let all = export["records"].as_array().unwrap().iter().filter(|record| record["kind"] == kind);
    let object = |record: &Value| {
        let fields = record["fields"].as_array().unwrap().iter();
        fields.map(|field| (field["name"].as_str().unwrap().to_owned(), field["value"].clone())).collect()
    };
    all.map(object).collect()
}

#[test]
fn people_see_all_that_is_held_of_them() {
    let world = World::new();
    world.fill();
    let export = world.server.with_authorization(&world.token()).get("/v1/me/export").expect(200);
    assert_eq!(export["complete"], true);
    for expected in TABLES.iter().flat_map(|table| table.records).filter(|records| records.kind != "erasure") {
        let found = records(&export, expected.kind);
        let whole = |record: &&Value| record.as_object().unwrap().values().all(|value| !value.is_null());
        let whole = found.iter().find(whole).unwrap_or_else(|| panic!("{}: {found:#?}", expected.kind));
        assert_eq!(whole.as_object().unwrap().len(), expected.columns.len(), "{}", expected.kind);
    }
    let text = export.json.to_string();
    for held in [SUBJECT, EMAIL, NAME, OTHER_EMAIL, &EMAIL.to_uppercase(), "tenant-7q3x", "key-7q3x", "request-7q3x"] {
        assert!(text.contains(held), "{held} is not in {export:#?}");
    }
    assert_eq!(records(&export, "account")[0]["displayName"], NAME);
    assert!(!text.contains("guest@barnet.example"), "that is somebody else's");
    assert!(!text.contains("sealed"), "an answer may hold a secret");
    let other = world.server.member(&world.ealing, Role::Viewer);
    let other = world.server.as_(&other).get("/v1/me/export").expect(200).json.to_string();
    assert!(!other.contains("7q3x"), "nothing of others");
}

#[test]
fn a_cut_export_says_so() {
    let world = World::new();
    world.server.database().execute(&format!(
        "insert into audit_events (actor_id, request_id, operation, object_type, object_id)
         select '{}', 'request-' || n, 'update_product', 'products', gen_random_uuid() from generate_series(1, 10001) n",
        world.id
    ));
    let export = world.server.with_authorization(&world.token()).get("/v1/me/export").expect(200);
    assert_eq!(export["complete"], false);
    let events = records(&export, "audit_event");
    assert_eq!((events.len(), &events[0]["requestId"]), (10_000, &json!("request-10001")), "the newest");
}

#[test]
fn nothing_is_left_of_who_was_erased_but_what_they_wrote() {
    let world = World::new();
    world.fill();
    let client = world.server.with_authorization(&world.token());
    let product = client.post("/v1/products", product("Bins").with("owner", "ealing")).expect(201);
    let me = client.get("/v1/me").expect(200);
    for held in ["7q3x", EMAIL, NAME] {
        assert!(!world.holding(held).is_empty(), "{held}");
    }
    client.delete("/v1/me").expect(428);
    client.delete("/v1/me").header("If-Match", "\"99\"").expect(412);
    client.delete("/v1/me").if_match(&me).expect(204);

    // What they called their requests is no name, and the trail keeps it.
    let left: Vec<String> =
        world.holding("7q3x").into_iter().filter(|row| !row.contains("request-7q3x")).collect();
    assert!(left.is_empty(), "{left:#?}");
    for gone in [SUBJECT, EMAIL, NAME, OTHER_EMAIL, &format!("person:{}", world.id)] {
        let left = world.holding(gone);
        assert!(left.is_empty(), "{gone} is in {left:#?}");
    }
    let referring: BTreeSet<String> = world
        .holding(&world.id)
        .iter()
        .map(|row| row.split(' ').next().unwrap().to_owned())
        .collect();
    assert_eq!(Vec::from_iter(referring), ["audit_events", "erasures", "users"], "only ids, only there");

    world.server.anonymous().get(&format!("/v1/products/{}", product.id())).expect(200);
    assert_eq!(world.server.database().number("select count(*) from clients"), 1, "its organisation's");
    let guests = "select count(*) from invitations where email = 'guest@barnet.example'";
    assert_eq!(world.server.database().number(guests), 1, "somebody else's");
    let name = format!("select display_name as value from users where id = '{}'", world.id);
    assert_eq!(world.server.database().texts(&name), [ERASED_NAME]);
    let trail = "select count(*) from audit_events where operation = 'delete_me' and object_type =";
    for (table, rows) in [("users", 1), ("identities", 1), ("memberships", 1), ("invitations", 3), ("clients", 1)] {
        assert_eq!(world.server.database().number(&format!("{trail} '{table}'")), rows, "{table}");
    }
}

#[test]
fn a_token_that_lives_on_makes_nobody() {
    let world = World::new();
    let (server, token) = (&world.server, world.token());
    let client = server.with_authorization(&token);
    client.post("/v1/products", product("Bins")).expect(403);
    client.delete("/v1/me").header("If-Match", "*").expect(204);
    let people = server.database().number("select count(*) from users");
    for _ in 0..2 {
        let refused = client.get("/v1/me").expect(401);
        assert_eq!(refused["detail"], "The person was erased; sign in again to be known anew.");
        client.get("/v1/me/export").expect(401);
        client.post("/v1/products", product("Bins")).expect(401);
    }
    let replica = Server::on_with_key(&server.database().url, &server.key_file());
    replica.with_authorization(&token).get("/v1/me").expect(401);
    assert_eq!(server.database().number("select count(*) from users"), people);
    assert_eq!(server.database().number("select count(*) from identities"), 0);

    let mut later = world.provider.claims(SUBJECT, EMAIL);
    later["iat"] = json!(later["iat"].as_i64().unwrap() + 2);
    let later = world.provider.key().sign(&later);
    let anew = server.with_authorization(&format!("Bearer {later}")).get("/v1/me").expect(200);
    assert_ne!(anew.text("id"), world.id, "somebody new");
    assert_eq!((anew["memberships"].as_array().unwrap().len(), anew.text("email")), (1, EMAIL));
    client.get("/v1/me").send();
    assert_eq!(server.database().number("select count(*) from users"), people + 1);
}

#[test]
fn a_token_of_ours_ends_with_its_person_and_so_do_their_roles() {
    let server = Server::start();
    let ealing = server.add_organisation(council("Ealing"));
    let last_admin = server.member(&ealing, Role::Admin);
    let (client, other) = (server.as_(&last_admin), server.as_(&last_admin).get("/v1/me").expect(200));
    let replica = Server::on_with_key(&server.database().url, &server.key_file());
    let elsewhere = replica.as_(&last_admin);
    elsewhere.get("/v1/me").expect(200);
    client.delete("/v1/me").if_match(&other).expect(204);
    for client in [&client, &elsewhere] {
        client.get("/v1/me").expect(401);
        client.post("/v1/products", product("Bins")).expect(401);
        client.delete("/v1/me").header("If-Match", "*").expect(401);
    }
    assert_eq!(server.database().number("select count(*) from memberships"), 0);
}

#[test]
fn a_client_is_no_person() {
    let server = Server::start();
    server.add_organisation(council("Ealing"));
    let body = json!({ "organisation": "ealing", "name": "Sync", "kind": "service", "role": "viewer", "scopes": ["profile"] });
    let made = server.as_(&server.admin()).post("/v1/clients", body).expect(201);
    let mut claims = server.claims(&server.admin());
    (claims.sub, claims.client_id) = (made.id(), made.text("id").to_owned());
    let client = server.with_authorization(&format!("Bearer {}", server.sign(&claims)));
    client.get("/v1/me").expect(200);
    client.get("/v1/me/export").expect(403);
    client.delete("/v1/me").header("If-Match", "*").expect(403);
}

#[test]
fn the_ledger_is_never_rewritten_and_the_erased_get_nothing_back() {
    let server = Server::start();
    let ealing = server.add_organisation(council("Ealing")).id();
    let person = server.person(&[], &[]);
    server.as_(&person).delete("/v1/me").header("If-Match", "*").expect(204);
    let (database, id) = (server.database(), person.id);
    for change in ["update erasures set erased_at = now()", "delete from erasures", "truncate erasures"] {
        let refusal = database.refusal(change).expect(change);
        assert!(refusal.contains("erasures is append-only"), "{refusal}");
    }
    for back in [
        format!("insert into platform_roles (user_id, role) values ('{id}', 'moderator')"),
        format!("insert into memberships (id, user_id, organisation_id, role) values ('{id}', '{id}', '{ealing}', 'admin')"),
        format!("insert into identities values ('{id}', '{id}', '{ealing}', 'https://login.example', '', 'sub')"),
    ] {
        let refusal = database.refusal(&back).expect(&back);
        assert!(refusal.contains("the person was erased"), "{refusal}");
    }
    assert!(database.refusal(&format!("update users set email = 'a@b' where id = '{id}'")).is_some());
    let ledger = database.write(|tx| erasures::list(&mut tx.conn())).unwrap();
    assert_eq!((ledger.len(), ledger[0].user_id), (1, id));
}
