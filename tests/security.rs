//! What answers say to browsers, and what is not served.

use crate::support::Server;

#[test]
fn nothing_in_an_answer_runs_in_a_browser() {
    let server = Server::start();
    let admin = server.as_(&server.admin());
    for (path, status) in [
        ("/v1/products", 200),
        ("/v1/products?colour=red", 400),
        ("/v1/products/none", 404),
        ("/v1/me", 200),
        ("/openapi.json", 200),
        ("/docs", 302),
        ("/docs/console/", 200),
        ("/docs/console/swagger-ui.css", 200),
        ("/docs/console/swagger-ui-bundle.js", 200),
        ("/problems/not-found", 200),
        ("/enrol", 200),
        ("/oauth/token", 405),
        ("/.well-known/jwks.json", 200),
        ("/livez", 200),
        ("/nothing", 404),
    ] {
        let answer = admin.get(path).expect(status);
        let header = |name: &str| answer.header(name).unwrap_or_else(|| panic!("{path}: no {name}"));
        assert_eq!(header("strict-transport-security"), "max-age=31536000; includeSubDomains", "{path}");
        assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(header("referrer-policy"), "no-referrer", "{path}");
        let policy = header("content-security-policy");
        // `default-src` stands for all that loads something, `object-src` among them, but not for these.
        for directive in ["default-src 'none'", "base-uri 'none'", "form-action '", "frame-ancestors 'none'"] {
            assert!(policy.contains(directive), "{path}: {directive} is not in {policy}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains("http"), "{path}: {policy}");
        assert!(answer.header("set-cookie").is_none(), "{path}");
        if !answer.bytes.is_empty() {
            let media_type = header("content-type");
            let says = media_type.ends_with("; charset=utf-8");
            assert!(says || media_type.starts_with("application/"), "{path}: {media_type} in which characters?");
        }
    }
}

#[test]
fn what_is_for_nobody_is_not_there() {
    let server = Server::start();
    let nobody = server.anonymous();
    for path in [
        "/.git/config",
        "/.git/",
        "/.env",
        "/docs/console/..%2f..%2f.git/config",
        "/problems/",
        "/.well-known/",
        "/metrics",
        "/debug",
        "/status",
        "/v1/users",
        "/v1/keys",
    ] {
        nobody.get(path).expect(404);
    }
    for path in ["/v1/products", "/oauth/token", "/docs/console/", "/livez"] {
        for method in ["TRACE", "TRACK", "DEBUG"] {
            let refused = nobody.call(method, path).header("X-Secret", "kept").expect(405);
            assert!(!String::from_utf8_lossy(&refused.bytes).contains("kept"), "{method} {path} sends back");
        }
    }
}

#[test]
fn a_parameter_that_is_sent_twice_is_no_second_one() {
    let server = Server::start();
    let twice = server.anonymous().get("/v1/products?limit=1&limit=2").expect(400);
    assert_eq!(twice.faults(), ["limit repeated"]);
}
