//! `/enrol`: how the first administrator comes in.

use std::thread;

use crate::support::program::serve_until;
use crate::support::{Answer, Database, Server, product};

/// The link that a first start prints.
fn printed(database: &Database, key: &std::path::Path) -> Option<String> {
    let said = serve_until(database, key, "serving");
    let link = said.lines().find_map(|line| line.trim().split_once("/enrol?token="));
    link.map(|(_, token)| token.to_owned())
}

fn enrol(server: &Server, token: &str, email: &str) -> Answer {
    let body = format!("token={token}&name=First+Person&email={email}");
    server.anonymous().call("POST", "/enrol").body("application/x-www-form-urlencoded", body).send()
}

#[test]
fn the_first_start_prints_a_link_that_works_once() {
    let server = Server::start();
    let database = server.database();
    let token = printed(database, &server.key_file()).expect("no link");
    assert_eq!(token.len(), 64);
    let page = server.anonymous().get(&format!("/enrol?token={token}")).expect(200);
    let page = String::from_utf8(page.bytes).unwrap();
    assert!(page.contains(&format!("value=\"{token}\"")) && !page.contains("<script"), "{page}");
    let inert = server.anonymous().get("/enrol?token=%22%3E%3Cscript%3E").expect(200);
    assert!(!String::from_utf8(inert.bytes).unwrap().contains("<script"));

    assert_eq!(enrol(&server, &token, "no-address").status, 400, "the link is not used up by a mistake");
    assert_eq!(enrol(&server, &"0".repeat(64), "first@example.org").status, 404);
    let statuses: Vec<u16> = thread::scope(|scope| {
        let (server, token) = (&server, &token);
        let calls: Vec<_> = (0..8)
            .map(|n| scope.spawn(move || enrol(server, token, &format!("person{n}@example.org")).status))
            .collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 404).count(), 7, "{statuses:?}");
    assert_eq!(database.number("select count(*) from platform_roles"), 1);
    assert_eq!(database.number("select count(*) from users"), 1, "no account but that one");

    assert_eq!(printed(database, &server.key_file()), None, "there is an administrator now");
}

#[test]
fn who_enrols_gets_a_token_that_works() {
    let server = Server::start();
    let first = printed(server.database(), &server.key_file()).expect("no link");
    let token = printed(server.database(), &server.key_file()).expect("no link");
    assert_eq!(enrol(&server, &first, "first@example.org").status, 404, "a later link ends those before");
    let page = String::from_utf8(enrol(&server, &token, "first@example.org").bytes).unwrap();
    let access = page.split("<code>").nth(2).unwrap().split("</code>").next().unwrap();
    server.with_authorization(&format!("Bearer {access}")).post("/v1/products", product("Bins")).expect(201);
}

#[test]
fn an_old_link_is_none() {
    let server = Server::start();
    let token = printed(server.database(), &server.key_file()).expect("no link");
    server.database().execute("update enrolments set expires_at = now()");
    assert_eq!(enrol(&server, &token, "first@example.org").status, 404);
}
