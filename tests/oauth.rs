//! `/oauth` and `/.well-known`: how machines get their tokens, and what becomes of those.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use db::Role;
use db::signing_keys;
use serde_json::{Value, json};

use crate::support::server::PUBLIC_URL;
use crate::support::{Answer, Server, council, product, supplier};

/// A client of a council, which may add products.
struct Machine {
    id: String,
    secret: String,
    etag: String,
}

impl Machine {
    fn register(server: &Server, organisation: &Answer) -> Self {
        let body = json!({
            "organisation": organisation.text("id"), "name": "Nightly sync", "kind": "service",
            "role": "contributor", "scopes": ["products:read", "products:write"],
        });
        let made = server.as_(&server.member(organisation, Role::Admin)).post("/v1/clients", body).expect(201);
        Self { id: made.text("id").to_owned(), secret: made.text("secret").to_owned(), etag: made.etag().to_owned() }
    }

    fn path(&self) -> String {
        format!("/v1/clients/{}", self.id)
    }

    fn basic(&self) -> String {
        format!("Basic {}", STANDARD.encode(format!("{}:{}", self.id, self.secret)))
    }

    fn token(&self, server: &Server) -> String {
        let answer = form(server, "/oauth/token", "grant_type=client_credentials", Some(&self.basic()));
        assert_eq!(answer.status, 200, "{}", answer.json);
        answer.text("access_token").to_owned()
    }
}

fn form(server: &Server, path: &str, body: &str, authorization: Option<&str>) -> Answer {
    let client = match authorization {
        Some(value) => server.with_authorization(value),
        None => server.anonymous(),
    };
    client.call("POST", path).body("application/x-www-form-urlencoded", body).send()
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

fn part(token: &str, index: usize) -> Value {
    let part = token.split('.').nth(index).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

#[test]
fn the_metadata_lead_to_everything() {
    let server = Server::start();
    let metadata = server.anonymous().get("/.well-known/oauth-authorization-server").expect(200);
    assert_eq!(metadata["issuer"], PUBLIC_URL);
    for endpoint in ["token_endpoint", "revocation_endpoint", "jwks_uri"] {
        let path = metadata.text(endpoint).strip_prefix(PUBLIC_URL).unwrap().to_owned();
        assert_ne!(server.anonymous().call("OPTIONS", &path).send().status, 404, "{endpoint}");
    }
    let keys = server.anonymous().get("/.well-known/jwks.json").expect(200);
    let keys = keys["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 2, "the one that signs, and the next");
    assert!(keys.iter().all(|key| key.get("d").is_none()), "nothing private is published");
}

#[test]
fn a_client_gets_a_token_by_either_way_of_showing_its_secret() {
    let server = Server::start();
    let ealing = server.add_organisation(council("Ealing"));
    let machine = Machine::register(&server, &ealing);
    let in_body = format!("grant_type=client_credentials&client_id={}&client_secret={}", machine.id, machine.secret);
    let posted = form(&server, "/oauth/token", &in_body, None);
    assert_eq!(posted.status, 200, "{}", posted.json);
    assert_eq!(posted["token_type"], "Bearer");
    assert_eq!(posted["expires_in"], 600);
    assert_eq!(posted["scope"], "products:read products:write");
    assert_eq!(posted.header("cache-control"), Some("no-store"));

    let token = machine.token(&server);
    assert_eq!(part(&token, 0)["typ"], "at+jwt");
    assert_eq!(part(&token, 0)["alg"], "ES256");
    let claims = part(&token, 1);
    assert_eq!(claims["iss"], PUBLIC_URL);
    assert_eq!(claims["aud"], format!("{PUBLIC_URL}/v1"));
    assert_eq!(claims["sub"], machine.id);
    assert_eq!(claims["client_id"], machine.id);
    assert_eq!(claims["org"], ealing["id"]);
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 600);

    let narrow =
        form(&server, "/oauth/token", "grant_type=client_credentials&scope=products:read", Some(&machine.basic()));
    assert_eq!(narrow["scope"], "products:read");
    let reader = server.with_authorization(&bearer(narrow.text("access_token")));
    reader.post("/v1/products", product("Bins")).expect(403);
    let writer = server.with_authorization(&bearer(&token));
    let added = writer.post("/v1/products", product("Bins")).expect(201);
    let audited = server.database().texts(&format!(
        "select concat_ws(' ', client_id, organisation_id, actor_id) as value from audit_events where object_id = '{}'",
        added.id()
    ));
    assert_eq!(audited, [format!("{} {}", machine.id, ealing.text("id"))], "the machine acted, and no person");
    let organisation = server.with_authorization(&bearer(&token)).get(&format!("/v1/organisations/{}", ealing.id()));
    assert_eq!(organisation.expect(200)["emailDomains"], Value::Null, "its scopes do not reach there");
}

#[test]
fn what_is_wrong_is_said_as_oauth_says_it() {
    let server = Server::start();
    let machine = Machine::register(&server, &server.add_organisation(council("Ealing")));
    let basic = machine.basic();
    let other = format!("Basic {}", STANDARD.encode(format!("{}:loti_0_0", machine.id)));
    let unknown = format!("Basic {}", STANDARD.encode(format!("{}:{}", uuid::Uuid::now_v7(), machine.secret)));
    let both = format!("grant_type=client_credentials&client_secret={}", machine.secret);
    let grant = "grant_type=client_credentials";
    let cases: &[(&str, &str, Option<&str>, u16, &str)] = &[
        ("no grant", "scope=products:read", Some(&basic), 400, "invalid_request"),
        ("another grant", "grant_type=password&username=a&password=b", Some(&basic), 400, "unsupported_grant_type"),
        ("too wide", "grant_type=client_credentials&scope=organisations:write", Some(&basic), 400, "invalid_scope"),
        ("no such scope", "grant_type=client_credentials&scope=everything", Some(&basic), 400, "invalid_scope"),
        ("twice", "grant_type=client_credentials&grant_type=client_credentials", Some(&basic), 400, "invalid_request"),
        ("two ways", &both, Some(&basic), 400, "invalid_request"),
        ("wrong secret", grant, Some(&other), 401, "invalid_client"),
        ("no such client", grant, Some(&unknown), 401, "invalid_client"),
        ("nobody", grant, None, 401, "invalid_client"),
        ("garbage", grant, Some("Basic %%%"), 401, "invalid_client"),
        ("a bearer", grant, Some("Bearer x.y.z"), 401, "invalid_client"),
    ];
    for (what, body, authorization, status, error) in cases {
        let answer = form(&server, "/oauth/token", body, *authorization);
        assert_eq!((answer.status, answer.text("error")), (*status, *error), "{what}: {}", answer.json);
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{what}");
        assert_eq!(answer.header("www-authenticate").is_some(), *status == 401, "{what}");
    }
    let json = server.with_authorization(&basic).post("/oauth/token", json!({ "grant_type": "client_credentials" }));
    assert_eq!(json.send().text("error"), "invalid_request");
    let large = format!("grant_type=client_credentials&x={}", "x".repeat(20_000));
    assert_eq!(form(&server, "/oauth/token", &large, Some(&basic)).status, 413);
    server.anonymous().get("/oauth/token").expect(405);
}

#[test]
fn a_secret_is_replaced_while_the_other_works() {
    let server = Server::start();
    let ealing = server.add_organisation(council("Ealing"));
    let mut machine = Machine::register(&server, &ealing);
    let admin = server.as_(&server.member(&ealing, Role::Admin));
    let secrets = format!("{}/secrets", machine.path());
    let second = admin.post(&secrets, json!({})).expect(201);
    assert_eq!(second["number"], 2);
    admin.post(&secrets, json!({})).expect(409);
    machine.token(&server);
    let first = machine.secret.clone();
    machine.secret = second.text("secret").to_owned();
    machine.token(&server);
    let read = admin.get(&machine.path()).expect(200);
    assert_eq!(read["secrets"].as_array().unwrap().len(), 2);
    assert!(read["lastUsedAt"].is_string());
    assert!(!read.json.to_string().contains("loti_"), "a secret is told once");

    admin.delete(&format!("{secrets}/1")).header("If-Match", &machine.etag).expect(412);
    admin.delete(&format!("{secrets}/1")).if_match(&read).expect(204);
    let second = std::mem::replace(&mut machine.secret, first);
    let refused = form(&server, "/oauth/token", "grant_type=client_credentials", Some(&machine.basic()));
    assert_eq!(refused.status, 401);
    machine.secret = second;
    machine.token(&server);
    let kept = server.database().texts("select encode(hash, 'escape') || client_id as value from client_secrets");
    assert!(kept.iter().all(|row| !row.contains(&machine.secret)), "only digests are kept");
    server.database().execute("update client_secrets set expires_at = now() - interval '1 second'");
    assert_eq!(form(&server, "/oauth/token", "grant_type=client_credentials", Some(&machine.basic())).status, 401);
}

#[test]
fn what_is_taken_back_is_gone_at_once() {
    let server = Server::start();
    let ealing = server.add_organisation(council("Ealing"));
    let machine = Machine::register(&server, &ealing);
    let (first, second) = (machine.token(&server), machine.token(&server));
    let write =
        |token: &str| server.with_authorization(&bearer(token)).post("/v1/products", product("Bins")).send().status;
    assert_eq!((write(&first), write(&second)), (201, 201));

    let other = Machine::register(&server, &ealing);
    let revocation = |token: &str| format!("token={token}&token_type_hint=access_token");
    let refused = form(&server, "/oauth/revoke", &revocation(&first), Some(&other.basic()));
    assert_eq!(refused.text("error"), "invalid_request", "another client cannot");
    assert_eq!(write(&first), 201);
    assert_eq!(form(&server, "/oauth/revoke", &revocation(&first), Some(&machine.basic())).status, 200);
    assert_eq!(write(&first), 401);
    server.with_authorization(&bearer(&first)).get("/v1/products").expect(401);
    assert_eq!(write(&second), 201, "the other token lives");
    for token in [first.as_str(), "garbage"] {
        assert_eq!(form(&server, "/oauth/revoke", &revocation(token), Some(&machine.basic())).status, 200);
    }
    assert_eq!(form(&server, "/oauth/revoke", &revocation(&first), None).status, 401);

    // Behind the back of the service, as another replica would.
    server.database().execute(&format!("update clients set expires_at = now() where id = '{}'", machine.id));
    assert_eq!(write(&second), 401);
    assert_eq!(form(&server, "/oauth/token", "grant_type=client_credentials", Some(&machine.basic())).status, 401);

    let admin = server.as_(&server.member(&ealing, Role::Admin));
    let token = other.token(&server);
    assert_eq!(write(&token), 201);
    admin.delete(&other.path()).header("If-Match", "*").expect(204);
    assert_eq!(write(&token), 401);
}

#[test]
fn no_write_begun_after_a_revocation_is_done() {
    let server = Server::start();
    let replica = Server::on_with_key(&server.database().url, &server.key_file());
    let machine = Machine::register(&server, &server.add_organisation(council("Ealing")));
    for _ in 0..3 {
        let token = machine.token(&server);
        let (revoked, done) = (AtomicBool::new(false), AtomicU32::new(0));
        thread::scope(|scope| {
            for serving in [&server, &server, &replica, &replica] {
                let (token, revoked, done) = (&token, &revoked, &done);
                scope.spawn(move || {
                    loop {
                        let late = revoked.load(Ordering::SeqCst);
                        let client = serving.with_authorization(&bearer(token));
                        let status = client.post("/v1/products", product("Bins")).send().status;
                        assert!(status == 401 || (status == 201 && !late), "{status}, late: {late}");
                        if status == 401 {
                            return;
                        }
                        done.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            while done.load(Ordering::Relaxed) < 20 {
                thread::yield_now();
            }
            let body = format!("token={token}");
            assert_eq!(form(&server, "/oauth/revoke", &body, Some(&machine.basic())).status, 200);
            revoked.store(true, Ordering::SeqCst);
        });
    }
}

#[test]
fn a_catalogue_key_reads_and_never_writes() {
    let server = Server::start();
    let vendor = server.add_organisation(supplier("Civica"));
    let contributor = server.as_(&server.member(&vendor, Role::Contributor));
    let key = |scopes: Value, role: &str| {
        json!({
            "organisation": vendor.text("id"), "name": "Key", "kind": "catalogue_key", "role": role, "scopes": scopes,
        })
    };
    contributor.post("/v1/clients", key(json!(["products:read"]), "viewer")).expect(201);
    contributor.post("/v1/clients", key(json!(["products:write"]), "viewer")).expect(409);
    contributor.post("/v1/clients", key(json!(["products:read"]), "contributor")).expect(409);
    let service = key(json!(["products:read"]), "viewer").as_object().cloned().map(|mut body| {
        body.insert("kind".into(), "service".into());
        Value::Object(body)
    });
    contributor.post("/v1/clients", service.unwrap()).expect(403);
    let narrow = server.member(&vendor, Role::Admin).with_scopes(&["clients:write"]);
    let refused = server.as_(&narrow).post("/v1/clients", key(json!(["products:read"]), "viewer")).expect(403);
    assert!(refused.text("detail").contains("no wider"), "{}", refused.json);
    let forced = "update clients set scopes = '{products:write}'";
    assert!(server.database().refusal(forced).unwrap().contains("clients_catalogue_key_reads"));
}

#[test]
fn clients_of_another_organisation_are_not_there() {
    let server = Server::start();
    let (ealing, barnet) = (server.add_organisation(council("Ealing")), server.add_organisation(council("Barnet")));
    let machine = Machine::register(&server, &ealing);
    let stranger = server.as_(&server.member(&barnet, Role::Admin));
    let absent = format!("/v1/clients/{}", uuid::Uuid::now_v7());
    for path in [&machine.path(), &absent] {
        stranger.get(path).expect(404);
        stranger.patch(path, json!({ "name": "Mine" })).header("If-Match", "*").expect(404);
        stranger.delete(path).header("If-Match", "*").expect(404);
    }
    assert!(stranger.get("/v1/clients").expect(200)["items"].as_array().unwrap().is_empty());
    let asked = format!("/v1/clients?organisation={}", ealing.id());
    assert!(stranger.get(&asked).expect(200)["items"].as_array().unwrap().is_empty());
    assert_eq!(server.as_(&server.admin()).get(&asked).expect(200)["items"].as_array().unwrap().len(), 1);

    // The second wall: the role of the service sees nothing without saying on whose behalf.
    let seen = |viewer: &str| {
        let sql = format!(
            "begin; set local role loti_service; set local loti.viewer = '{viewer}';
             select count(*)::text as value from clients; commit"
        );
        server.database().texts_of_last(&sql)
    };
    let insider = server.member(&ealing, Role::Viewer);
    let outsider = server.member(&barnet, Role::Admin);
    assert_eq!(seen(""), "0");
    assert_eq!(seen(&format!("person:{}", insider.id)), "1");
    assert_eq!(seen(&format!("person:{}", outsider.id)), "0");
    assert_eq!(seen(&format!("client:{}", machine.id)), "1");
    assert_eq!(seen("operator"), "1");
}

#[test]
fn keys_rotate_under_load_and_nobody_notices() {
    let server = Server::start();
    let replica = Server::on_with_key(&server.database().url, &server.key_file());
    let machine = Machine::register(&server, &server.add_organisation(council("Ealing")));
    let (over, calls) = (AtomicBool::new(false), AtomicU32::new(0));
    let old = machine.token(&server);
    thread::scope(|scope| {
        for (issuing, serving) in [(&server, &replica), (&replica, &server), (&server, &server)] {
            let (over, calls, machine) = (&over, &calls, &machine);
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    let token = machine.token(issuing);
                    serving.with_authorization(&bearer(&token)).get("/v1/products?limit=1").expect(200);
                    calls.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for _ in 0..4 {
            let made = calls.load(Ordering::Relaxed);
            let new = server.new_signing_key();
            server.database().write(move |tx| signing_keys::rotate(tx, &new, 0, 3600)).unwrap();
            while calls.load(Ordering::Relaxed) < made + 20 {
                thread::yield_now();
            }
        }
        over.store(true, Ordering::Relaxed);
    });
    replica.with_authorization(&bearer(&old)).get("/v1/products").expect(200);
    assert_eq!(server.database().number("select count(*) from signing_keys"), 6);
    let too_early = server.new_signing_key();
    let refused = server.database().write(move |tx| signing_keys::rotate(tx, &too_early, 300, 3600)).unwrap_err();
    assert!(refused.to_string().contains("too_early"), "{refused}");
    let two = "update signing_keys set state = 'active', activated_at = now() where state = 'next'";
    assert!(server.database().refusal(two).unwrap().contains("signing_keys_one_active"));
    let sealed = server.database().texts("select encode(sealed_key, 'escape') as value from signing_keys");
    assert!(sealed.iter().all(|key| !key.contains("PRIVATE")));
}
