//! How much one caller may ask, here and over all replicas together.

use db::Role;
use serde_json::json;

use crate::support::{Answer, Server, council};

fn from(server: &Server, forwarded: &str) -> Answer {
    server.anonymous().get("/v1/products").header("X-Forwarded-For", forwarded).send()
}

#[test]
fn no_header_is_believed_unless_a_proxy_is_trusted() {
    let trusting = [("LOTI_RATE_LIMIT_ANONYMOUS", "2"), ("LOTI_TRUSTED_PROXIES", "127.0.0.0/8, ::1/128")];
    let server = Server::with(&trusting[..1]);
    let statuses = ["198.51.100.1", "198.51.100.2", "198.51.100.3"].map(|address| from(&server, address).status);
    assert_eq!(statuses, [200, 200, 429], "anybody could be anybody");
    let server = Server::with(&trusting);
    assert_eq!(["198.51.100.1"; 3].map(|address| from(&server, address).status), [200, 200, 429]);
    assert_eq!(from(&server, "198.51.100.2").status, 200, "another client of the proxy");
    assert_eq!(from(&server, "198.51.100.3, 198.51.100.1").status, 429, "what a client wrote itself is not believed");
}

#[test]
fn people_clients_and_addresses_have_quotas_of_their_own() {
    let limits = [
        ("LOTI_RATE_LIMIT_TOKEN", "4"),
        ("LOTI_RATE_LIMIT_CLIENT", "3"),
        ("LOTI_RATE_LIMIT_ADDRESS", "1000"),
        ("LOTI_RATE_LIMIT_ANONYMOUS", "1000"),
    ];
    let server = Server::with(&limits);
    let person = server.person(&[], &[]);
    let policy = |answer: &Answer| answer.header("ratelimit-policy").unwrap().to_owned();
    let first = server.as_(&person).get("/v1/products").expect(200);
    assert_eq!(policy(&first), "\"token\";q=4;w=60");
    assert_eq!(first.header("ratelimit"), Some("\"token\";r=3;t=15"));
    // A second token of the same person is no second quota.
    (0..3).for_each(|_| drop(server.as_(&person).get("/v1/products").expect(200)));
    server.as_(&person).get("/v1/products").expect(429);

    let ealing = server.add_organisation(council("Ealing"));
    let body =
        json!({ "organisation": ealing.text("id"), "name": "Sync", "kind": "service", "scopes": ["products:read"] });
    let made = server.as_(&server.member(&ealing, Role::Admin)).post("/v1/clients", body).expect(201);
    let form =
        format!("grant_type=client_credentials&client_id={}&client_secret={}", made.text("id"), made.text("secret"));
    let token = server.anonymous().call("POST", "/oauth/token").body("application/x-www-form-urlencoded", form).send();
    let machine = server.with_authorization(&format!("Bearer {}", token.text("access_token")));
    assert_eq!(policy(&machine.get("/v1/products").expect(200)), "\"client\";q=3;w=60");

    let server = Server::with(&[("LOTI_RATE_LIMIT_ADDRESS", "5")]);
    for _ in 0..5 {
        server.as_(&server.person(&[], &[])).get("/v1/products").expect(200);
    }
    let crowded = server.as_(&server.person(&[], &[])).get("/v1/products").expect(429);
    assert_eq!(policy(&crowded), "\"address\";q=5;w=60", "many tokens from one address are bounded together");
    server.anonymous().get("/v1/products").expect(200);
}

#[test]
fn guesses_are_counted_over_all_replicas() {
    let server = Server::start();
    let replica = Server::on_with_key(&server.database().url, &server.key_file());
    let guess = |server: &Server| {
        let form = format!("grant_type=client_credentials&client_id={}&client_secret=x", uuid::Uuid::now_v7());
        server.anonymous().call("POST", "/oauth/token").body("application/x-www-form-urlencoded", form).send()
    };
    let statuses: Vec<u16> = (0..61).map(|n| guess(if n % 2 == 0 { &server } else { &replica }).status).collect();
    // A window may end in between, which only a clock could tell.
    let refused = statuses.iter().filter(|status| **status == 429).count();
    let windows = server.database().number("select count(*) from quotas where action = 'refusals_of_address'");
    assert!(refused == 1 || windows == 2, "{statuses:?}");
    assert_eq!(server.database().number("select sum(taken) from quotas where action = 'refusals_of_address'"), 61);
    let told = guess(&server);
    if windows == 1 {
        let wait: i64 = told.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=300).contains(&wait), "{wait}");
    }
    let subjects = server.database().texts("select distinct subject as value from quotas");
    assert!(subjects.iter().all(|subject| !subject.contains("127.0.0.1")), "an address is not kept: {subjects:?}");
}
