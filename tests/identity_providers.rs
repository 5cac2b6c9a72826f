//! `/v1/organisations/{id}/identity-providers`: people come in by the provider of their organisation, and nobody by
//! saying so.

use std::thread;

use db::{PlatformRole, Role};
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::contract::operations;
use crate::support::operations::{Target, call, path_of};
use crate::support::provider::{Key, Provider, ok};
use crate::support::{Answer, Server, council, product};

/// An organisation with a domain.
fn organisation(server: &Server, name: &str, domain: &str) -> Answer {
    server.add_organisation(council(name).with("emailDomains", json!([domain])))
}

fn body(provider: &Provider) -> Value {
    json!({
        "name": "Ours", "kind": "openid_connect", "issuer": provider.issuer, "audience": "loti", "algorithms": ["ES256"],
    })
}

fn register(server: &Server, organisation: &Answer, body: Value) -> Answer {
    let admin = server.as_(&server.member(organisation, Role::Admin));
    admin.post(&format!("/v1/organisations/{}/identity-providers", organisation.id()), body).expect(201)
}

fn bearer<'s>(server: &'s Server, token: &str) -> Client<'s> {
    server.with_authorization(&format!("Bearer {token}"))
}

fn roles(me: &Answer) -> Vec<String> {
    let memberships = me["memberships"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    memberships.map(|held| format!("{} {}", text(&held["organisation"]["slug"]), text(&held["role"]))).collect()
}

/// Ealing, with its provider.
fn world() -> (Server, Provider, Answer) {
    let (server, provider) = (Server::start(), Provider::start());
    let ealing = organisation(&server, "Ealing", "ealing.example");
    register(&server, &ealing, body(&provider));
    (server, provider, ealing)
}

#[test]
fn the_first_token_makes_the_person_and_a_viewer_once() {
    let (server, provider, _) = world();
    let before = server.database().number("select count(*) from users");
    let token = provider.token("sam", "Sam@Ealing.example");
    let ids: Vec<String> = thread::scope(|scope| {
        let calls: Vec<_> = (0..40)
            .map(|_| {
                let (server, token) = (&server, &token);
                scope.spawn(move || bearer(server, token).get("/v1/me").expect(200).text("id").to_owned())
            })
            .collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    });
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(server.database().number("select count(*) from users"), before + 1);
    let me = bearer(&server, &token).get("/v1/me").expect(200);
    assert_eq!((me.text("kind"), me.text("email")), ("person", "Sam@Ealing.example"));
    assert_eq!((me.text("displayName"), roles(&me)), ("Name of sam", vec!["ealing viewer".to_owned()]));
    bearer(&server, &token).post("/v1/products", product("Bins")).expect(403);
    let audited = server.database().texts(
        "select concat_ws(' ', operation, object_type) as value from audit_events where operation = 'sign_in' order by id",
    );
    assert_eq!(audited, ["sign_in users", "sign_in identities", "sign_in memberships"]);
    let trail = server.database().texts("select concat(before, after) as value from audit_events");
    assert!(trail.iter().all(|state| !state.contains("Sam@")), "the trail names no address");
    // Another token of the same person, later, is the same person.
    let again = bearer(&server, &provider.token("sam", "sam@ealing.example")).get("/v1/me").expect(200);
    assert_eq!(again.text("id"), ids[0]);
}

#[test]
fn a_strangers_address_brings_no_membership_and_an_invitation_does() {
    let (server, provider, ealing) = world();
    let mut unverified = provider.claims("eve", "eve@ealing.example");
    unverified["email_verified"] = false.into();
    let mut silent = provider.claims("adam", "adam@ealing.example");
    silent.as_object_mut().unwrap().remove("email_verified");
    let mut without = provider.claims("nobody", "");
    without.as_object_mut().unwrap().remove("email");
    for claims in [
        provider.claims("guest", "guest@elsewhere.example"),
        provider.claims("sub", "sub@sub.ealing.example"),
        provider.claims("two", "two@elsewhere.example@ealing.example"),
        unverified,
        silent,
        without,
    ] {
        let client = bearer(&server, &provider.key().sign(&claims));
        let me = client.get("/v1/me").expect(200);
        assert_eq!((&me["email"], &me["memberships"]), (&Value::Null, &json!([])), "{claims}");
        client.post("/v1/products", product("Bins")).expect(403);
    }
    let guest = bearer(&server, &provider.token("guest", "guest@elsewhere.example"));
    let admin = server.as_(&server.member(&ealing, Role::Admin));
    let invitation = json!({ "organisation": "ealing", "email": "guest@elsewhere.example", "role": "contributor" });
    let invitation = admin.post("/v1/invitations", invitation).expect(201);
    guest.post("/v1/invitations/accept", json!({ "token": invitation.text("token") })).expect(201);
    guest.post("/v1/products", product("Bins")).expect(201);
}

#[test]
fn a_role_map_gives_and_takes_and_leaves_what_was_given_by_hand() {
    let (server, provider) = (Server::start(), Provider::start());
    let ealing = organisation(&server, "Ealing", "ealing.example");
    let mut wanted = body(&provider);
    wanted["roleMap"] = json!([
        { "claim": "roles", "value": "LOTI.Contributor", "role": "contributor" },
        { "claim": "groups", "value": "stewards", "role": "steward" },
    ]);
    register(&server, &ealing, wanted);
    let with = |claim: &str, value: Value| {
        let mut claims = provider.claims("sam", "sam@ealing.example");
        claims[claim] = value;
        // A token of its own, which nobody remembers.
        claims["jti"] = uuid::Uuid::now_v7().to_string().into();
        bearer(&server, &provider.key().sign(&claims))
    };
    let role = |client: &Client<'_>| roles(&client.get("/v1/me").expect(200)).concat();
    assert_eq!(role(&with("roles", json!(["LOTI.Contributor", "Other"]))), "ealing contributor");
    with("roles", json!(["LOTI.Contributor"])).post("/v1/products", product("Bins")).expect(201);
    assert_eq!(role(&with("groups", json!("staff stewards"))), "ealing steward");
    assert_eq!(role(&with("roles", json!([]))), "ealing viewer", "what the map gave, it takes back");
    let id = with("roles", json!([])).get("/v1/me").expect(200)["memberships"][0]["id"].as_str().unwrap().to_owned();
    let (admin, path) = (server.as_(&server.member(&ealing, Role::Admin)), format!("/v1/memberships/{id}"));
    admin.patch(&path, json!({ "role": "contributor" })).header("If-Match", "*").expect(200);
    assert_eq!(role(&with("roles", json!([]))), "ealing contributor", "a role that was given by hand stays");
    admin.delete(&path).header("If-Match", "*").expect(204);
    assert_eq!(role(&with("roles", json!(["LOTI.Contributor"]))), "", "who was removed stays out");
    with("roles", json!(["LOTI.Contributor"])).post("/v1/products", product("Bins")).expect(403);
}

#[test]
fn a_token_of_a_provider_is_what_it_should_be_or_nothing() {
    let (server, provider, _) = world();
    let key = provider.key();
    let claims = || provider.claims("sam", "sam@ealing.example");
    let now = claims()["iat"].as_i64().unwrap();
    let claim = |name: &str, value: Value| {
        let mut claims = claims();
        claims[name] = value;
        key.sign(&claims)
    };
    let without = |name: &str| {
        let mut claims = claims();
        claims.as_object_mut().unwrap().remove(name);
        key.sign(&claims)
    };
    let header = |name: &str, value: Value| {
        let mut header = key.header();
        header[name] = value;
        key.sign_as(&header, &claims(), Algorithm::ES256)
    };
    for good in [
        key.sign(&claims()),
        header("typ", json!("at+jwt")),
        header("typ", json!("application/at+jwt")),
        claim("aud", json!(["other", "loti"])),
        claim("iat", json!(claims()["iat"].as_f64().unwrap() + 0.5)),
    ] {
        bearer(&server, &good).get("/v1/me").expect(200);
    }
    let by_secret = {
        let mut header = key.header();
        header["alg"] = "HS256".into();
        let parts = format!("{}.{}", part(&header), part(&claims()));
        let secret = EncodingKey::from_secret(&key.public());
        let signature = jsonwebtoken::crypto::sign(parts.as_bytes(), &secret, Algorithm::HS256).unwrap();
        format!("{parts}.{signature}")
    };
    let unsigned = format!("{}.{}.", part(&json!({ "alg": "none", "kid": "first" })), part(&claims()));
    let impostor = Key::elliptic("first");
    let ours = server.tokens.issuer().to_owned();
    let bad = [
        ("expired", claim("exp", json!(now - 31))),
        ("not yet", claim("nbf", json!(now + 60))),
        ("issued tomorrow", claim("iat", json!(now + 60))),
        ("too long-lived", claim("exp", json!(now + 90_000))),
        ("times that are none", claim("exp", json!("tomorrow"))),
        ("another type", header("typ", json!("logout+jwt"))),
        ("critical extension", header("crit", json!(["b64"]))),
        ("unknown key", header("kid", json!("second"))),
        ("no key id", header("kid", Value::Null)),
        ("other audience", claim("aud", json!("another"))),
        ("no audience", without("aud")),
        ("other issuer", claim("iss", json!(format!("{}/", provider.issuer)))),
        ("our issuer", claim("iss", json!(ours))),
        ("no issuer", without("iss")),
        ("no expiry", without("exp")),
        ("no time of issue", without("iat")),
        ("no subject", without("sub")),
        ("a subject that is no text", claim("sub", json!(7))),
        ("another's key", impostor.sign(&claims())),
        ("no signature", unsigned),
        ("public key as secret", by_secret),
        ("too long", claim("groups", json!("x".repeat(16 * 1024)))),
    ];
    for (what, token) in bad {
        for operation in operations() {
            let answer = call(&bearer(&server, &token), operation, &path_of(operation, &Target::missing())).send();
            assert_eq!(answer.status, 401, "{}, {what}: {}", operation.id, answer.json);
        }
    }
}

fn part(part: &Value) -> String {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(part.to_string())
}

#[test]
fn each_key_verifies_in_one_algorithm() {
    let server = Server::start();
    let provider = Provider::with(Key::rsa("rsa"), "");
    let ealing = organisation(&server, "Ealing", "ealing.example");
    let mut wanted = body(&provider);
    wanted["algorithms"] = json!(["RS256", "PS256", "ES256"]);
    register(&server, &ealing, wanted);
    let key = provider.key();
    let claims = provider.claims("sam", "sam@ealing.example");
    bearer(&server, &key.sign(&claims)).get("/v1/me").expect(200);
    for (name, algorithm) in [("PS256", Algorithm::PS256), ("RS512", Algorithm::RS512)] {
        let header = json!({ "typ": "JWT", "alg": name, "kid": "rsa" });
        bearer(&server, &key.sign_as(&header, &claims, algorithm)).get("/v1/me").expect(401);
    }
}

#[test]
fn entra_id_knows_people_by_tenant_and_object() {
    let server = Server::start();
    let tenant = uuid::Uuid::now_v7().to_string();
    let provider = Provider::with(Key::rsa("rsa"), &format!("/{tenant}/v2.0"));
    let ealing = organisation(&server, "Ealing", "ealing.example");
    let mut wanted = body(&provider);
    (wanted["kind"], wanted["algorithms"]) = ("entra_id".into(), json!(["RS256"]));
    register(&server, &ealing, wanted);
    let token = |subject: &str, object: &str, change: &dyn Fn(&mut Value)| {
        let mut claims = provider.claims(subject, "");
        let claims_of = claims.as_object_mut().unwrap();
        claims_of.remove("email");
        claims_of.remove("email_verified");
        (claims["tid"], claims["oid"]) = (tenant.clone().into(), object.into());
        claims["preferred_username"] = format!("{object}@ealing.example").into();
        change(&mut claims);
        provider.key().sign(&claims)
    };
    let same = |_: &mut Value| ();
    let one = bearer(&server, &token("pairwise-1", "sam", &same)).get("/v1/me").expect(200);
    assert_eq!((one.text("email"), roles(&one).concat()), ("sam@ealing.example", "ealing viewer".to_owned()));
    let two = bearer(&server, &token("pairwise-2", "sam", &same)).get("/v1/me").expect(200);
    assert_eq!(one["id"], two["id"], "sub differs from one application to the next");
    let other: &dyn Fn(&mut Value) = &|claims| claims["tid"] = uuid::Uuid::now_v7().to_string().into();
    bearer(&server, &token("pairwise-1", "sam", other)).get("/v1/me").expect(401);
    for missing in ["oid", "tid"] {
        let without: &dyn Fn(&mut Value) = &|claims| drop(claims.as_object_mut().unwrap().remove(missing));
        bearer(&server, &token("pairwise-1", "sam", without)).get("/v1/me").expect(401);
    }
    let disowned: &dyn Fn(&mut Value) = &|claims| claims["xms_edov"] = false.into();
    let stranger = bearer(&server, &token("x", "eve", disowned)).get("/v1/me").expect(200);
    assert!(roles(&stranger).is_empty());
}

#[test]
fn nobody_becomes_somebody_else_by_registering_a_provider() {
    let (server, provider, ealing) = world();
    let victim = bearer(&server, &provider.token("sam", "sam@ealing.example")).get("/v1/me").expect(200);
    let barnet = organisation(&server, "Barnet", "barnet.example");
    let rogue = Provider::start();
    register(&server, &barnet, body(&rogue));
    let token = rogue.token("sam", "sam@ealing.example");
    let impostor = bearer(&server, &token).get("/v1/me").expect(200);
    assert_ne!(impostor["id"], victim["id"]);
    assert_eq!((&impostor["email"], roles(&impostor).len()), (&Value::Null, 0), "Barnet does not speak for Ealing");

    // Also not by a second provider of the same organisation: an address that was given to somebody new.
    register(&server, &ealing, body(&rogue));
    let mut claims = rogue.claims("new", "sam@ealing.example");
    claims["jti"] = "1".into();
    let refused = bearer(&server, &rogue.key().sign(&claims)).get("/v1/me").expect(401);
    assert!(refused.text("detail").contains("another identity"), "{}", refused.json);
}

#[test]
fn an_organisation_that_left_its_provider_knows_its_people_by_their_addresses() {
    let (server, provider, ealing) = world();
    let before = bearer(&server, &provider.token("sam", "sam@ealing.example")).get("/v1/me").expect(200);
    let admin = server.as_(&server.member(&ealing, Role::Admin));
    let providers = format!("/v1/organisations/{}/identity-providers", ealing.id());
    let held = admin.get(&providers).expect(200);
    let path = format!("{providers}/{}", held["items"][0]["id"].as_str().unwrap());
    let new = Provider::start();
    admin.patch(&path, json!({ "issuer": new.issuer })).header("If-Match", "*").expect(200);
    let after = bearer(&server, &new.token("another-subject", "sam@ealing.example")).get("/v1/me").expect(200);
    assert_eq!(before["id"], after["id"]);
    bearer(&server, &provider.token("sam", "sam@ealing.example")).get("/v1/me").expect(401);
}

#[test]
fn roles_over_the_platform_count_only_where_the_platform_lends_them() {
    let (server, provider, ealing) = world();
    let token = provider.token("sam", "sam@ealing.example");
    let sam = bearer(&server, &token);
    let id: uuid::Uuid = sam.get("/v1/me").expect(200).id();
    let ensure = move |tx: &mut db::Tx<'_>| {
        db::people::ensure(tx, id, "sam@ealing.example", "Sam", &[PlatformRole::PlatformAdmin])
    };
    server.database().write(ensure).unwrap();
    sam.post("/v1/organisations", council("Newham")).expect(403);
    let providers = format!("/v1/organisations/{}/identity-providers", ealing.id());
    let own = server.as_(&server.member(&ealing, Role::Admin));
    let held = own.get(&providers).expect(200);
    let path = format!("{providers}/{}", held["items"][0]["id"].as_str().unwrap());
    own.patch(&path, json!({ "platformRoles": true })).header("If-Match", "*").expect(403);
    let mut lending = body(&provider);
    (lending["platformRoles"], lending["audience"]) = (true.into(), "another".into());
    own.post(&providers, lending).expect(403);
    let platform = server.as_(&server.admin());
    platform.patch(&path, json!({ "platformRoles": true })).header("If-Match", "*").expect(200);
    sam.post("/v1/organisations", council("Newham")).expect(201);
    own.patch(&path, json!({ "name": "Renamed" })).header("If-Match", "*").expect(200);
    for change in [
        json!({ "issuer": "https://elsewhere.example" }),
        json!({ "audience": "mine" }),
        json!({ "platformRoles": false }),
    ] {
        own.patch(&path, change).header("If-Match", "*").expect(403);
    }
}

#[test]
fn organisations_that_share_a_tenant_are_told_apart_by_address() {
    let (server, provider, _) = world();
    let barnet = organisation(&server, "Barnet", "barnet.example");
    register(&server, &barnet, body(&provider));
    let role = |subject: &str, email: &str| {
        roles(&bearer(&server, &provider.token(subject, email)).get("/v1/me").expect(200)).concat()
    };
    assert_eq!(role("bo", "bo@barnet.example"), "barnet viewer");
    assert_eq!(role("sam", "sam@ealing.example"), "ealing viewer");
    assert_eq!(role("guest", "guest@elsewhere.example"), "");
}

#[test]
fn who_comes_by_a_provider_that_was_removed_is_nobody_at_once() {
    let (server, provider, ealing) = world();
    let replica = Server::on_with_key(&server.database().url, &server.key_file());
    let token = provider.token("sam", "sam@ealing.example");
    let id: uuid::Uuid = bearer(&replica, &token).get("/v1/me").expect(200).id();
    let organisation_id = ealing.id();
    let raise = move |tx: &mut db::Tx<'_>| db::people::set_membership(tx, id, organisation_id, Role::Contributor);
    server.database().write(raise).unwrap();
    bearer(&replica, &token).post("/v1/products", product("Bins")).expect(201);
    let admin = server.as_(&server.member(&ealing, Role::Admin));
    let providers = format!("/v1/organisations/{organisation_id}/identity-providers");
    let held = admin.get(&providers).expect(200);
    let path = format!("{providers}/{}", held["items"][0]["id"].as_str().unwrap());
    admin.delete(&path).header("If-Match", "*").expect(204);
    // The other replica remembers the token, and its writes look for themselves.
    bearer(&replica, &token).post("/v1/products", product("Bins")).expect(401);
    bearer(&server, &token).get("/v1/products").expect(401);
}

#[test]
fn keys_are_fetched_no_more_than_they_must_be() {
    let (server, provider, _) = world();
    let client = |key: &Key, n: u32| {
        let mut claims = provider.claims("sam", "sam@ealing.example");
        claims["jti"] = n.into();
        bearer(&server, &key.sign(&claims))
    };
    (0..20).for_each(|n| drop(client(&provider.key(), n).get("/v1/me").expect(200)));
    assert_eq!(provider.fetched(), 1);
    let second = Key::elliptic("second");
    provider.publish(&[second.clone(), provider.key()]);
    thread::scope(|scope| {
        for n in 100..120 {
            let (client, second) = (&client, &second);
            scope.spawn(move || client(second, n).get("/v1/me").expect(200));
        }
    });
    assert_eq!(provider.fetched(), 2, "a key that is new is looked for, once for all who wait");
    let began = std::time::Instant::now();
    let of_nobody = Key::elliptic("of nobody");
    (200..260).for_each(|n| drop(client(&of_nobody, n).get("/v1/me").expect(401)));
    assert!(u64::from(provider.fetched() - 2) <= began.elapsed().as_secs() / 60, "{}", provider.fetched());
    provider.set_away(true);
    client(&second, 300).get("/v1/me").expect(200);
}

#[test]
fn a_provider_that_is_away_or_wrong_lets_nobody_in_and_nobody_wait_for_long() {
    let (server, provider, _) = world();
    provider.set_away(true);
    let token = |n: u32| {
        let mut claims = provider.claims("sam", "sam@ealing.example");
        claims["jti"] = n.into();
        provider.key().sign(&claims)
    };
    let told = bearer(&server, &token(1)).get("/v1/me").expect(503);
    assert!(told.header("retry-after").is_some());
    server.anonymous().get("/v1/products").expect(200);
    provider.set_away(false);
    // It is asked again after some seconds, and then all is well.
    while bearer(&server, &token(1)).get("/v1/me").send().status == 503 {
        thread::yield_now();
    }
    bearer(&server, &token(1)).get("/v1/me").expect(200);

    let wrong = |prepare: &dyn Fn(&Provider)| {
        let (server, provider, _) = world();
        prepare(&provider);
        bearer(&server, &provider.token("sam", "sam@ealing.example")).get("/v1/me").expect(503);
    };
    let configuration = "/.well-known/openid-configuration";
    let elsewhere = Provider::start();
    let other = ok(&json!({ "issuer": "https://other.example", "jwks_uri": elsewhere.issuer }).to_string());
    wrong(&|provider| provider.serve(configuration, &other));
    let redirect = format!("302 Found\r\nLocation: {}/jwks\r\nContent-Length: 0\r\n\r\n", elsewhere.issuer);
    wrong(&|provider| provider.serve("/jwks", &redirect));
    wrong(&|provider| provider.serve("/jwks", &ok(&format!("{{\"keys\": [\"{}\"]}}", "x".repeat(300_000)))));
    wrong(&|provider| provider.serve("/jwks", &ok("nonsense")));
    wrong(&|provider| provider.serve("/jwks", &ok("{\"keys\": []}")));
    assert_eq!(elsewhere.fetched(), 0, "no redirect is followed");
}

#[test]
fn nothing_is_fetched_from_private_addresses() {
    let server = Server::with(&[("LOTI_FETCH_PRIVATE_NETWORKS", "")]);
    let ealing = organisation(&server, "Ealing", "ealing.example");
    let provider = Provider::start();
    let admin = server.as_(&server.member(&ealing, Role::Admin));
    let providers = format!("/v1/organisations/{}/identity-providers", ealing.id());
    let refused = admin.post(&providers, body(&provider)).expect(400);
    assert_eq!(refused.faults(), ["#/issuer insecure"]);
    for issuer in
        ["https://localhost", "https://127.0.0.1", "https://[::1]", "https://[::ffff:127.0.0.1]", "https://2130706433"]
    {
        let mut wanted = body(&provider);
        let port = provider.issuer.rsplit_once(':').unwrap().1;
        wanted["issuer"] = format!("{issuer}:{port}").into();
        let made = admin.post(&providers, wanted.clone()).expect(201);
        let mut claims = provider.claims("sam", "sam@ealing.example");
        claims["iss"] = wanted["issuer"].clone();
        let refused = bearer(&server, &provider.key().sign(&claims)).get("/v1/me").expect(401);
        assert!(refused.text("detail").contains("may not be fetched"), "{}", refused.json);
        admin.delete(made.header("location").unwrap()).if_match(&made).expect(204);
    }
    assert_eq!(provider.fetched(), 0);
}

#[test]
fn a_provider_for_everybody_is_none() {
    let (server, provider, ealing) = world();
    let admin = server.as_(&server.member(&ealing, Role::Admin));
    let providers = format!("/v1/organisations/{}/identity-providers", ealing.id());
    let try_out = |kind: &str, issuer: &str| {
        let mut wanted = body(&provider);
        (wanted["kind"], wanted["issuer"]) = (kind.into(), issuer.into());
        admin.post(&providers, wanted).send().faults().concat()
    };
    for tenant in ["common", "organizations", "consumers", "9188040d-6c67-4c5b-b112-36a304b66dad", "Common"] {
        let issuer = format!("https://login.microsoftonline.com/{tenant}/v2.0");
        for kind in ["entra_id", "openid_connect"] {
            assert_eq!(try_out(kind, &issuer), "#/issuer not_one_tenant", "{issuer}");
        }
    }
    assert_eq!(try_out("entra_id", "https://id.example/v2.0"), "#/issuer no_tenant");
    assert_eq!(try_out("openid_connect", &provider.issuer), "#/issuer registered_already");
    let forced = "update identity_providers set issuer = 'https://login.microsoftonline.com/common/v2.0'";
    assert!(server.database().refusal(forced).unwrap().contains("identity_providers_issuer_single_tenant"));
    for n in 0..9 {
        assert_eq!(try_out("openid_connect", &format!("https://id{n}.example")), "");
    }
    assert_eq!(try_out("openid_connect", "https://id9.example"), "# too_many");
}
