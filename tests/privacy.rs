//! What is held of people: all of it is known, is shown to them, and goes when they say so.

use std::collections::BTreeSet;

use db::personal_data::{ERASED_NAME, Erasure, RowErasure, TABLES};
use db::retention::{Keeps, RULES};
use db::{Role, erasures};
use serde_json::{Value, json};

use crate::support::program::{Files, run, run_with, serve_with};
use crate::support::provider::Provider;
use crate::support::{Answer, Database, Server, council, product, repository};

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
        or column_name ~ '_by$' or col_description(to_regclass('public.' || quote_ident(table_name)), ordinal_position) like '%Personal data%')
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
const PRODUCT: &str = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11";
/// What they come to.
const EVENT: &str = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c14";
/// Their comment.
const OWN: &str = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c12";
/// Somebody's comment.
const OTHERS: &str = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c13";
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
        let other = self.server.person(&[], &[]).id;
        self.server.database().execute(&format!(
            "insert into identities values (gen_random_uuid(), '{id}', '{barnet}', 'https://other.example', 'tenant-7q3x', 's', 'A@b.example');
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
             insert into claims (id, organisation_id, company_number, claimant_id, statement)
               values (gen_random_uuid(), '{barnet}', '01234567', '{id}', 'said-7q3x');
             update claims set status = 'rejected', decided_at = now(), note = 'told-7q3x' where claimant_id = '{id}';
             insert into claims (id, organisation_id, company_number, claimant_id, statement)
               values (gen_random_uuid(), '{barnet}', '01234567', '{id}', 'open-7q3x'),
                      (gen_random_uuid(), '{barnet}', '01234567', '{other}', 'What another said');
             update claims set status = 'rejected', decided_at = now(), decided_by = '{id}' where claimant_id = '{other}';
             insert into products (id, slug, name, kind, phase) values ('{PRODUCT}', 'discussed', 'Discussed', 'service', 'beta');
             insert into comments (id, product_id, status, author_id, organisation_id, author_kind, body_markdown, body_html, renderer, edited_at)
               values ('{OWN}', '{PRODUCT}', 'visible', '{id}', '{ealing}', 'member', 'We use it.', '', 1, now());
             insert into comments (id, product_id, status, author_kind, body_markdown, body_html, renderer)
               values ('{OTHERS}', '{PRODUCT}', 'visible', 'member', 'So do we.', '', 1);
             insert into comment_flags (id, comment_id, user_id, reason, detail, withdrawn_at)
               values (gen_random_uuid(), '{OTHERS}', '{id}', 'other', 'detail-7q3x', now());
             insert into comment_flags (id, comment_id, user_id, reason, detail, settled_at)
               values (gen_random_uuid(), '{OTHERS}', '{id}', 'other', 'detail-7q3x', now());
             insert into comment_decisions (id, comment_id, action, reason, by_flags, decided_by, note)
               values (gen_random_uuid(), '{OTHERS}', 'hidden', 'other', false, '{id}', 'Please be kind.'),
                      (gen_random_uuid(), '{OWN}', 'hidden', 'other', false, null, 'Please be kind.');
             insert into imports (id, organisation_id, resource, format, source, dry_run, end_absent, created_by, oauth_client, request_id)
               values (gen_random_uuid(), '{ealing}', 'citations', 'csv', 'register', false, false, '{id}', 'loti', 'request');
             insert into events (id, slug, title, kind, status, starts_at, ends_at, time_zone, venue_name)
               values ('{EVENT}', 'teacamp', 'Teacamp', 'teacamp', 'published', now(), now() + interval '1 hour', 'Europe/London', 'City Hall');
             insert into rsvps (id, event_id, user_id, organisation_id, status, access_needs, checked_in_at)
               values (gen_random_uuid(), '{EVENT}', '{id}', '{ealing}', 'accepted', 'needs-7q3x', now());
             insert into event_changes (event_id, user_id, kind) values ('{EVENT}', '{id}', 'place_given');
             insert into networks (id, slug, name, organisation_id) values ('{EVENT}', 'peers', 'Peers', '{ealing}');
             insert into network_members (id, network_id, user_id) values (gen_random_uuid(), '{EVENT}', '{id}');
             insert into lease_templates (id, slug, title, kind, organisation_id)
               values ('{EVENT}', 'wayleave', 'Wayleave', 'wayleave', '{ealing}');
             insert into lease_template_versions (id, template_id, major, minor, patch, status, content_sha256, submitted_at, submitted_by)
               values ('{EVENT}', '{EVENT}', 1, 0, 0, 'in_review', repeat('0', 64), now(), '{id}');
             insert into lease_approvals (id, version_id, organisation_id, user_id, content_sha256)
               values (gen_random_uuid(), '{EVENT}', '{ealing}', '{id}', repeat('0', 64));
             update lease_templates set approvals_required = 1;
             update lease_template_versions set status = 'published', published_at = now();
             insert into leases (id, organisation_id, version_id, title, starts_on) values ('{EVENT}', '{ealing}', '{EVENT}', 'Roofs', '2027-01-01');
             insert into lease_parties (lease_id, organisation_id, position, role, name)
               values ('{EVENT}', '{ealing}', 1, 'grantor', 'Ealing'), ('{EVENT}', '{barnet}', 2, 'operator', 'Barnet');
             insert into lease_documents (lease_id, format, sha256, size)
               select '{EVENT}', format, repeat('0', 64), 1 from unnest(array['markdown', 'html', 'docx']) as format;
             update leases set status = 'issued', issued_at = now();
             insert into lease_agreements (id, lease_id, organisation_id, signatory, capacity, document_sha256, user_id)
               values (gen_random_uuid(), '{EVENT}', '{ealing}', 'signatory-7q3x', 'Director', repeat('0', 64), '{id}');
             insert into frameworks (id, slug, title, edition, authority, organisation_id) values ('{EVENT}', 'f', 'F', '1', 'A', '{ealing}');
             insert into framework_items (framework_id, position, kind, item_id, title) values ('{EVENT}', 1, 'control', 'a', 'A');
             update frameworks set status = 'published', published_at = now();
             insert into checklists (id, slug, title, edition, organisation_id, framework_id, scoring)
               values ('{EVENT}', 'c', 'C', '1', '{ealing}', '{EVENT}', 'all_met');
             insert into checklist_controls (checklist_id, framework_id, position, control_id) values ('{EVENT}', '{EVENT}', 1, 'a');
             update checklists set status = 'published', published_at = now();
             insert into assessments (id, organisation_id, checklist_id, title)
               values ('{EVENT}', '{ealing}', '{EVENT}', 'Mine'), ('{OWN}', '{barnet}', '{EVENT}', 'Theirs');
             insert into assessment_assurers (assessment_id, position, user_id) values ('{OWN}', 1, '{id}');
             insert into assessment_responses (assessment_id, position, control_id, assignee_id)
               values ('{EVENT}', 1, 'a', '{id}'), ('{OWN}', 1, 'a', null);
             update assessment_responses set status = 'met', statement = 'So it is.', version = 2, updated_by = '{id}';
             insert into evidence (id, organisation_id, title) values ('{EVENT}', '{ealing}', 'Shown');
             insert into evidence_revisions (evidence_id, revision, created_by, url) values ('{EVENT}', 1, '{id}', 'https://a.example');
             insert into actions (id, assessment_id, organisation_id, title, owner_id, due_on)
               values ('{EVENT}', '{EVENT}', '{ealing}', 'Do it', '{id}', '2999-01-01');
             insert into assessment_comments (id, assessment_id, author_id, assures, body_markdown, body_html, renderer)
               values ('{EVENT}', '{EVENT}', '{id}', false, 'Noted.', '', 1);
             update assessments set status = 'in_progress';
             update assessments set status = 'submitted', submitted_at = now(), submitted_by = case when id = '{EVENT}' then '{id}'::uuid end;
             update assessments set status = 'assured', assured_at = now(), assured_by = '{id}', assurance = 'It is so.' where id = '{OWN}';
             insert into calendars (id, user_id, name, token_hash)
               values (gen_random_uuid(), '{id}', 'phone-7q3x', sha256('5'));
             insert into sessions (id, event_id, pitched_by, title, description, pitcher_speaks, speakers)
               values ('{EVENT}', '{EVENT}', '{id}', 'Sharing code', 'Ours.', true, array['Ada', '{NAME}']);
             insert into session_votes (id, session_id, user_id) values (gen_random_uuid(), '{EVENT}', '{id}');
             insert into session_notes (id, session_id, author_id, body_markdown, body_html, renderer)
               values (gen_random_uuid(), '{EVENT}', '{id}', 'Noted.', '', 1);
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
    for held in [
        SUBJECT,
        EMAIL,
        NAME,
        OTHER_EMAIL,
        &EMAIL.to_uppercase(),
        "tenant-7q3x",
        "key-7q3x",
        "said-7q3x",
        "told-7q3x",
        "open-7q3x",
        "needs-7q3x",
        "signatory-7q3x",
    ] {
        assert!(text.contains(held), "{held} is not in {export:#?}");
    }
    assert_eq!(records(&export, "account")[0]["displayName"], NAME);
    for others in ["guest@barnet.example", "What another said"] {
        assert!(!text.contains(others), "{others} is somebody else's");
    }
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
    let left: Vec<String> = world.holding("7q3x").into_iter().filter(|row| !row.contains("request-7q3x")).collect();
    assert!(left.is_empty(), "{left:#?}");
    for gone in [SUBJECT, EMAIL, NAME, OTHER_EMAIL, &format!("person:{}", world.id)] {
        let left = world.holding(gone);
        assert!(left.is_empty(), "{gone} is in {left:#?}");
    }
    let referring: BTreeSet<String> =
        world.holding(&world.id).iter().map(|row| row.split(' ').next().unwrap().to_owned()).collect();
    assert_eq!(Vec::from_iter(referring), ["audit_events", "erasures", "users"], "only ids, only there");

    world.server.anonymous().get(&format!("/v1/products/{}", product.id())).expect(200);
    assert_eq!(world.server.database().number("select count(*) from clients"), 1, "its organisation's");
    let guests = "select count(*) from invitations where email = 'guest@barnet.example'";
    assert_eq!(world.server.database().number(guests), 1, "somebody else's");
    let claims = "select status || ' ' || coalesce(statement, '-') as value from claims order by 1";
    assert_eq!(world.server.database().texts(claims), ["rejected -", "rejected What another said", "withdrawn -"]);
    let name = format!("select display_name as value from users where id = '{}'", world.id);
    assert_eq!(world.server.database().texts(&name), [ERASED_NAME]);
    let trail = "select count(*) from audit_events where operation = 'delete_me' and object_type =";
    for (table, rows) in
        [("users", 1), ("identities", 2), ("memberships", 1), ("invitations", 3), ("clients", 1), ("claims", 3)]
    {
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
    let body =
        json!({ "organisation": "ealing", "name": "Sync", "kind": "service", "role": "viewer", "scopes": ["profile"] });
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
        format!(
            "insert into memberships (id, user_id, organisation_id, role) values ('{id}', '{id}', '{ealing}', 'admin')"
        ),
        format!("insert into identities values ('{id}', '{id}', '{ealing}', 'https://login.example', '', 'sub')"),
    ] {
        let refusal = database.refusal(&back).expect(&back);
        assert!(refusal.contains("the person was erased"), "{refusal}");
    }
    assert!(database.refusal(&format!("update users set email = 'a@b' where id = '{id}'")).is_some());
    let ledger = database.write(|tx| erasures::list(&mut tx.conn())).unwrap();
    assert_eq!((ledger.len(), ledger[0].user_id), (1, id));
}

#[test]
fn a_restored_backup_brings_nobody_back() {
    let (database, files, provider) = (Database::new(), Files::new(), Provider::start());
    let key = files.path().join("key").display().to_string();
    let ledger = files.path().join("ledger").display().to_string();
    let settings = [("LOTI_ENCRYPTION_KEY_FILE", key.as_str()), ("LOTI_ERASURE_LEDGER_FILE", ledger.as_str())];
    let token = format!("Bearer {}", provider.token(SUBJECT, EMAIL));
    let (id, by_operator) = {
        let server = Server::on(&database.url, &settings);
        let ealing = server.add_organisation(council("Ealing").with("emailDomains", json!(["ealing.example"])));
        let body = json!({
            "name": "Ours", "kind": "openid_connect", "issuer": provider.issuer, "audience": "loti",
            "algorithms": ["ES256"],
        });
        let admin = server.as_(&server.member(&ealing, Role::Admin));
        admin.post(&format!("/v1/organisations/{}/identity-providers", ealing.id()), body).expect(201);
        let me = server.with_authorization(&token).get("/v1/me").expect(200);
        (me.text("id").to_owned(), server.member(&ealing, Role::Viewer))
    };
    let backup = database.copy();
    Server::on(&database.url, &settings)
        .with_authorization(&token)
        .delete("/v1/me")
        .header("If-Match", "*")
        .expect(204);
    let erased = run_with(&database, files.path(), &["erase", "--email", &by_operator.email.to_uppercase()], &settings);
    assert_eq!((erased.code, erased.tally()), (0, format!("Erased {}.", by_operator.id).as_str()), "{erased:?}");
    assert_eq!(run_with(&database, files.path(), &["erase", "--email", "no@body.example"], &settings).code, 1);
    assert_eq!(run_with(&database, files.path(), &["erase", "--email", "a@b", "--ledger"], &settings).code, 2);

    let lines = std::fs::read_to_string(&ledger).unwrap();
    assert_eq!(lines.lines().count(), 2, "{lines}");
    assert!(!lines.contains('@') && !lines.contains(SUBJECT), "{lines}");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&ledger).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let printed = run(&database, files.path(), &["erase", "--ledger"]).lines;
    assert_eq!(printed, lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>());

    let name = format!("select display_name as value from users where id = '{id}'");
    assert_eq!(backup.texts(&name), [NAME], "they are back");
    let replay = |arguments: &[&str]| {
        let run = run_with(&backup, files.path(), arguments, &settings);
        assert_eq!(run.code, 0, "{run:?}");
        run.tally().to_owned()
    };
    assert_eq!(replay(&["erase", "--replay"]), "Erased 2, recorded 0, unchanged 0.");
    assert_eq!(backup.texts(&name), [ERASED_NAME]);
    assert_eq!(replay(&["erase", "--replay", &ledger]), "Erased 0, recorded 0, unchanged 4.");
    let since = "select erased_at::text || identity_digests::text as value from erasures order by 1";
    assert_eq!(backup.texts(since), database.texts(since), "when it was first");
    Server::on(&backup.url, &settings).with_authorization(&token).get("/v1/me").expect(401);
    assert_eq!(std::fs::read_to_string(&ledger).unwrap(), lines, "nothing twice");

    std::fs::write(&ledger, &lines[..lines.len() - 10]).unwrap();
    replay(&["erase", "--replay"]);
    let repaired = std::fs::read_to_string(&ledger).unwrap();
    assert_eq!(repaired.lines().count(), 3, "what was cut off is there again");
    assert_eq!(repaired.lines().last(), lines.lines().last());
}

#[test]
fn every_table_has_its_time_and_the_readme_says_which() {
    let schema = "select distinct table_name::text as value from information_schema.columns
        where table_schema = 'public' and table_name not like '\\_\\_diesel%'";
    let (mut tables, mut ruled) = (Database::new().texts(schema), RULES.iter().map(|r| r.table).collect::<Vec<_>>());
    tables.sort();
    ruled.sort_unstable();
    assert_eq!(ruled, tables, "decide in db/src/retention.rs for how long the rows of a new table are kept");
    let readme = repository("README.md");
    for rule in RULES {
        if let Keeps::Until(period) = &rule.keeps {
            let row = format!("| `{}` | {} |", rule.table, period.words);
            assert!(readme.contains(&row), "README.md lacks {row}");
        }
    }
}

/// Rows whose time is over and rows whose time is not, of each table that has one.
fn old_and_young(database: &Database) {
    database.execute(
        "insert into organisations (id, slug, kind, name) values
           ('00000000-0000-7000-8000-000000000001', 'ealing', 'local_authority', 'Ealing');
         insert into idempotency_keys (principal, key, request_hash, sealed_answer, expires_at)
           select 'person:' || gen_random_uuid(), 'k', sha256('4'), '', now() + at from unnest(array['-1 s', '1 h']::interval[]) at;
         insert into quotas select 'tokens_of_client', 's', now() - at, 1 from unnest(array['25 h', '23 h']::interval[]) at;
         insert into revoked_tokens (id, expires_at)
           select gen_random_uuid(), now() + at from unnest(array['-1 s', '1 h']::interval[]) at;
         insert into enrolments (hash, expires_at)
           select sha256(at::text::bytea), now() - at from unnest(array['31 days', '29 days']::interval[]) at;
         insert into invitations (id, organisation_id, email, role, token_hash, expires_at)
           select gen_random_uuid(), '00000000-0000-7000-8000-000000000001', n || '@example.org', 'viewer',
             sha256(n::text::bytea), now() - case when n > 1 then interval '91 days' else '89 days' end
           from generate_series(1, 2001) n;
         insert into imports (id, organisation_id, resource, format, source, dry_run, end_absent, request_id, status, finished_at)
           select gen_random_uuid(), id, 'citations', 'csv', 'register', false, false, 'sent', 'completed', now() - at
           from organisations, unnest(array['91 days', '89 days']::interval[]) at;
         insert into import_results (import_id, position, outcome) select id, 1, 'created' from imports;
         insert into events (id, slug, title, kind, starts_at, ends_at, time_zone)
           values (gen_random_uuid(), 'teacamp', 'Teacamp', 'teacamp', now(), now() + interval '1 hour', 'Europe/London');
         insert into event_changes (event_id, kind, created_at)
           select id, 'event_changed', now() - at from events, unnest(array['366 days', '364 days']::interval[]) at;
         insert into signing_keys (id, kid, state, public_x, public_y, sealed_key, activated_at, retired_at)
           select gen_random_uuid(), at::text, 'retiring', 'x', 'y', '', now(), now() - at
           from unnest(array['61 min', '59 min']::interval[]) at",
    );
}

fn timed() -> impl Iterator<Item = &'static str> {
    RULES.iter().filter(|rule| matches!(rule.keeps, Keeps::Until(_))).map(|rule| rule.table)
}

#[test]
fn what_is_old_goes_and_what_is_young_stays() {
    let (database, files) = (Database::new(), Files::new());
    old_and_young(&database);
    let retained = run(&database, files.path(), &["retain"]);
    assert_eq!((retained.code, retained.tally()), (0, "Removed 2008 rows."), "{retained:?}");
    for table in timed() {
        assert_eq!(database.number(&format!("select count(*) from {table}")), 1, "{table}");
    }
    let trail = "select count(*) from audit_events where object_type = 'invitations' and operation = 'loti_retain'";
    assert_eq!(database.number(trail), 2000);
    assert_eq!(run(&database, files.path(), &["retain"]).tally(), "Removed 0 rows.");
}

#[test]
fn the_service_removes_what_is_old_by_itself() {
    let (database, files) = (Database::new(), Files::new());
    old_and_young(&database);
    let key = files.path().join("key");
    let often = [("LOTI_RETENTION_INTERVAL_SECONDS", "1")];
    let said = serve_with(&database, &key, &often, "signing_keys");
    assert!(said.contains("kept no longer"), "{said}");
    assert_eq!(database.number("select count(*) from invitations"), 1);
}
