//! `SECURITY.md`: every test that it names is there, and it passes nothing of its lists over. And what it says of
//! browsers and of what is not served.

use std::collections::BTreeSet;
use std::path::Path;

use crate::support::{Server, repository};

/// What a row without a test begins with, before a colon and the reason.
const REASONS: &[&str] = &["Not applicable", "Not met", "Partly met", "Operator", "By construction", "Documented"];
/// Programs of others, which have no functions to name.
const PEERS: &str = "tests/peers/";

/// A row of the tables: what it is about, and what shows that.
struct Row {
    ids: Vec<String>,
    shown_by: String,
}

fn rows(document: &str) -> Vec<Row> {
    let lines = document.lines().filter(|line| line.starts_with("| API") || line.starts_with("| V"));
    let row = |line: &str| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        assert_eq!(cells.len(), 3, "{line}");
        Row { ids: cells[0].split(", ").map(ToOwned::to_owned).collect(), shown_by: cells[2].to_owned() }
    };
    lines.map(row).collect()
}

/// What stands between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// `tests/oauth.rs::what_is_taken_back_is_gone_at_once`
fn is_test(reference: &str) -> bool {
    let Some((file, name)) = reference.split_once("::") else { return false };
    if !exists(file) {
        return false;
    }
    let (source, head) = (repository(file), format!("fn {name}("));
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    lines.windows(2).any(|pair| pair[0] == "#[test]" && pair[1].starts_with(&head))
}

fn exists(file: &str) -> bool {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file).is_file()
}

/// Whether it is a file of ours: not the path of a request, and no prose.
fn is_file(reference: &str) -> bool {
    reference.contains('/') && !reference.starts_with('/') && !reference.contains(' ') && !reference.contains("::")
}

#[test]
fn every_test_and_file_that_is_named_is_there() {
    let document = repository("SECURITY.md");
    let gone = quoted(&document).filter(|text| {
        (text.contains("::") && !is_test(text)) || (is_file(text) && !exists(text.trim_end_matches('/')))
    });
    let gone: BTreeSet<&str> = gone.collect();
    assert!(gone.is_empty(), "SECURITY.md names what is not there: {gone:#?}");
}

#[test]
fn every_row_names_a_test_or_a_reason() {
    let mut faults = Vec::new();
    for Row { ids, shown_by } in rows(&repository("SECURITY.md")) {
        let reason = REASONS.iter().any(|reason| {
            let rest = shown_by.strip_prefix(reason).and_then(|rest| rest.strip_prefix(": "));
            rest.is_some_and(|rest| !rest.is_empty())
        });
        let tested = quoted(&shown_by).any(|text| is_test(text) || (text.starts_with(PEERS) && exists(text)));
        if !tested && !reason {
            faults.push(format!("{ids:?}: no test, and no reason of {REASONS:?}"));
        }
        let whole = |text: &&str| text.strip_suffix(".rs").is_some_and(|file| file.starts_with("tests/"));
        faults.extend(quoted(&shown_by).filter(whole).map(|file| format!("{ids:?}: which test of {file}?")));
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn no_requirement_is_passed_over() {
    let document = repository("SECURITY.md");
    let asvs = repository("tests/support/asvs.txt");
    let asvs = asvs.lines().filter_map(|line| line.strip_prefix("L1 ").or_else(|| line.strip_prefix("L2 ")));
    let wanted: Vec<String> = (1..=10).map(|n| format!("API{n}")).chain(asvs.map(ToOwned::to_owned)).collect();
    assert_eq!(wanted.len(), 10 + 253);
    let rows = rows(&document);
    let ids: Vec<&String> = rows.iter().flat_map(|row| &row.ids).collect();
    // A row may be for a section or a chapter as a whole.
    let covers = |id: &str, wanted: &str| wanted == id || wanted.starts_with(&format!("{id}."));
    let times = |wanted: &&String| ids.iter().filter(|id| covers(id, wanted)).count();
    let uneven: Vec<&String> = wanted.iter().filter(|wanted| times(wanted) != 1).collect();
    assert!(uneven.is_empty(), "in no row, or in several: {uneven:?}");
    let unknown: Vec<&&String> = ids.iter().filter(|id| !wanted.iter().any(|wanted| covers(id, wanted))).collect();
    assert!(unknown.is_empty(), "on no list: {unknown:?}");
}

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
