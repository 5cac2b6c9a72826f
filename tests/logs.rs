//! The log: no personal data, no token, no secret. Every test is held to that when its service stops; here is shown
//! that the one who looks sees.

use crate::support::logs::{self, violation};
use crate::support::{Server, council};

#[test]
fn each_sort_of_violation_is_seen() {
    let secret = "5f0c8d7be1a94f3d8a21c6b0e47f9d32";
    for (line, what) in [
        (r#"{"cause":"eyJhbGciOiJFUzI1NiJ9.e30.sig"}"#.to_owned(), "a token"),
        (r#"{"header":"BEARER abc"}"#.to_owned(), "a header"),
        (format!(r#"{{"secret":"loti_{secret}_{secret}"}}"#), "a secret of a client"),
        (format!(r#"{{"token":"{secret}{secret}"}}"#), "a secret or its digest"),
        ("cannot connect to postgres://loti:hunter2@db/loti".to_owned(), "a password"),
        (r#"{"cause":"Key (lower(email))=(sam@hackney.example) already exists"}"#.to_owned(), "an address"),
        ("<Sam.Steward+loti@hackney.gov.uk>".to_owned(), "an address"),
    ] {
        assert_eq!(violation(&line), Some(what), "{line}");
    }
    for harmless in [
        r#"{"request_id":"0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11","trace_id":"5f0c8d7be1a94f3d8a21c6b0e47f9d32"}"#,
        "postgres://loti@db/loti and https://api.loti.test/v1/products",
        "loti_service serves at 127.0.0.1:8080",
        "@ 12:30, pg@15",
    ] {
        assert_eq!(violation(harmless), None, "{harmless}");
    }
}

#[test]
fn lines_arrive() {
    let server = Server::start();
    let before = logs::lines();
    server.add_organisation(council("Ealing"));
    server.anonymous().get("/v1/organisations/none").expect(404);
    assert!(logs::lines() >= before + 2, "{before} and then {}", logs::lines());
}
