//! What nobody should send: it is the caller's fault (4xx), and the service goes on.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::support::contract::{Operation, compile, operation, operations, resolve};
use crate::support::operations::{Target, World, body_of, call, path_of};
use crate::support::{Answer, Server, council, product};

fn alive(server: &Server) {
    server.anonymous().get("/v1/products?q=bins").expect(200);
    server.anonymous().get("/readyz").expect(200);
}

fn blames_the_caller(what: &str, answer: Option<&Answer>) {
    if let Some(answer) = answer {
        assert!(
            (400..500).contains(&answer.status),
            "{what}: {} {}",
            answer.status,
            String::from_utf8_lossy(&answer.bytes)
        );
    }
}

#[test]
fn bodies() {
    let server = Server::start();
    let admin = server.as_(&server.admin());
    let named = |name: &str| format!("{{\"kind\":\"service\",\"phase\":\"beta\",\"name\":{name}}}").into_bytes();
    let deep = |open: &str, close: &str| named(&format!("{}{}", open.repeat(10_000), close.repeat(10_000)));
    let bad: Vec<(&str, Vec<u8>)> = vec![
        ("empty", b" ".to_vec()),
        ("nothing but a brace", b"{".to_vec()),
        ("NUL", named("\"a\0b\"")),
        ("escaped NUL", named("\"a\\u0000b\"")),
        ("high surrogate alone", named("\"\\ud800\"")),
        ("low surrogate alone", named("\"\\udfff\"")),
        ("surrogates in the wrong order", named("\"\\udc00\\ud800\"")),
        ("not UTF-8", named("\"\u{0}\"").into_iter().map(|byte| if byte == 0 { 0xff } else { byte }).collect()),
        ("overlong UTF-8", [named("\"").as_slice(), &[0xc0, 0x80]].concat()),
        ("UTF-16", "{\"name\":1}".encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("byte order mark", [b"\xef\xbb\xbf".as_slice(), &named("\"Bins\"")].concat()),
        ("deep arrays", deep("[", "]")),
        ("deep objects", deep("{\"a\":", "}")),
        ("unclosed depth", "[".repeat(100_000).into_bytes()),
        ("array", b"[]".to_vec()),
        ("text", b"\"product\"".to_vec()),
        ("null", b"null".to_vec()),
        ("number", b"1e400".to_vec()),
        ("number in a text's place", named("1e400")),
        ("name without end", named("\"abc")),
        ("something behind", [named("\"Bins\"").as_slice(), b"{}"].concat()),
        ("comment", b"{/* kind */}".to_vec()),
    ];
    for (what, body) in &bad {
        let answer = admin.post("/v1/products", json!({})).body("application/json", body.clone()).send();
        assert_eq!(answer.status, 400, "{what}: {}", answer.json);
    }
    alive(&server);
    assert_eq!(server.database().number("select count(*) from products"), 0);
}

#[test]
fn values() {
    let server = Server::start();
    let admin = server.as_(&server.admin());
    let added = server.add_product(product("Bins"));
    let path = added.header("location").unwrap();
    for (field, value) in [
        ("releaseDate", json!("10000-01-01")),
        ("releaseDate", json!("-0001-01-01")),
        ("releaseDate", json!("0000-00-00")),
        ("releaseDate", json!("2023-02-29")),
        ("releaseDate", json!("2020-01-01T00:00:00Z")),
        ("releaseDate", json!(20_200_101)),
        ("name", json!("\u{0}")),
        ("name", json!("\u{7f}")),
        ("name", json!("two\r\nlines")),
        ("name", json!("   ")),
        ("description", json!("a\u{0}b")),
        ("features", json!(["\u{0}"])),
        ("features", json!({ "0": "a" })),
        ("dependsOn", json!([{ "name": "a\u{0}", "kind": "open" }])),
        ("website", json!("javascript:alert(1)")),
        ("website", json!("https://")),
        ("website", json!("https://a b")),
        ("licence", json!("((((((((((MIT")),
        ("phase", json!(["beta"])),
        ("owner", json!("00000000-0000-0000-0000-00000000000")),
        ("owner", json!("../../etc/passwd")),
    ] {
        let answer = admin.patch(path, json!({ field: value })).header("If-Match", "*").send();
        blames_the_caller(&format!("{field} {value}"), Some(&answer));
        let pointer = format!("#/{field}");
        assert!(answer.faults().iter().any(|fault| fault.starts_with(&pointer)), "{field} {value}: {}", answer.json);
    }
    for number in ["9223372036854775808", "-9223372036854775809", "1e400", "1.5", "2147483648", "0", "\"1\""] {
        let body = format!("{{\"version\":{number},\"reason\":\"Because.\"}}");
        let answer = admin.post(&format!("{path}/revert"), json!({})).body("application/json", body).send();
        blames_the_caller(number, Some(&answer));
    }
    let twice = r#"{"name":"First","kind":"service","phase":"beta","name":"Second"}"#;
    let answer = admin.post("/v1/products", json!({})).body("application/json", twice).send();
    assert!(answer.status == 400 || answer["name"] == "Second", "one of the two, and no mixture: {}", answer.json);
    alive(&server);
}

#[test]
fn every_text_that_people_write_comes_back_as_it_was() {
    let server = Server::start();
    let admin = server.as_(&server.admin());
    for name in [
        "Bins 🗑️👩‍👩‍👧‍👦",
        "שירותי פינוי אשפה",
        "\u{202e}desrever",
        "Zalgo ẑ̵̛͇͕̮",
        "e\u{301} and é",
        "<script>alert('x')</script>",
        "'; drop table products; --",
        "\"quoted\" \\ back % _ slash",
        "\u{10ffff}\u{fffd}\u{200b}",
        "İstanbul ß ﬁ",
    ] {
        let body = product(name).with("description", format!("{name}\n\tand more")).with("features", json!([name]));
        let added = admin.post("/v1/products", body).expect(201);
        let read = server.anonymous().get(added.header("location").unwrap()).expect(200);
        assert_eq!((&read["name"], &read["features"][0]), (&json!(name), &json!(name)));
        let by_slug = server.anonymous().get(&format!("/v1/products/{}", read.text("slug"))).expect(200);
        assert_eq!(by_slug["id"], read["id"]);
        admin.post("/v1/organisations", council(name)).expect(201);
        let alias = percent(name);
        let found = server.anonymous().get(&format!("/v1/organisations?alias={alias}")).expect(200);
        let names = found.each("name");
        assert!(names.contains(&name), "{name}: {names:?}");
        server.anonymous().get(&format!("/v1/products?q={alias}")).expect(200);
        server.anonymous().get(&format!("/v1/organisations?q={alias}")).expect(200);
    }
}

fn percent(text: &str) -> String {
    text.bytes().flat_map(|byte| format!("%{byte:02x}").into_bytes()).map(char::from).collect()
}

#[test]
fn paths_and_queries() {
    let server = Server::start();
    server.add_product(product("Bins"));
    for path in [
        "/v1/products/%00",
        "/v1/products/%ff",
        "/v1/products/..%2f..%2fetc%2fpasswd",
        "/v1/products/bins%00",
        "/v1/products/%2e%2e",
        "/v1/products/bins/versions/99999999999999999999",
        "/v1/products/bins/versions/-1",
        "/v1/products/bins/versions/%31%00",
        "/v1/products/bins/updates/not-an-id",
        "/v1/organisations/00000000-0000-0000-0000-000000000000",
        "/docs/console/%00",
        "/docs/console/%2e%2e%2f%2e%2e%2fCargo.toml",
        "/problems/%ff",
    ] {
        assert_eq!(server.anonymous().get(path).send().status, 404, "{path}");
    }
    let long = "x".repeat(10_000);
    for query in [
        "q=%00",
        "q=%ff",
        "q=%c0%80",
        "q=%",
        "q=%zz",
        "limit=9223372036854775808",
        "limit=-1",
        "limit=1.5",
        "limit=",
        "limit=0x10",
        "cursor=%00",
        "cursor=AAAA",
        "cursor=W10",
        "kind=%00",
        "updatedSince=9999999-01-01T00:00:00Z",
        "updatedSince=yesterday",
        "facets=phase,,kind",
        "facets=nothing",
        "sort=name;drop",
        "%00=1",
        "%ff=1",
        "=",
        "&=&=1",
        "count=yes",
        "licence=%00",
        "supplier=..",
        "service_code=1",
    ] {
        let answer = server.anonymous().get(&format!("/v1/products?{query}")).send();
        let is_text = matches!(query, "q=%" | "q=%zz");
        assert!(answer.status == 400 || (is_text && answer.status == 200), "{query}: {}", answer.json);
    }
    for query in [format!("q={long}"), format!("{long}=1"), format!("cursor={long}"), "kind=service&".repeat(3000)] {
        let answer = server.anonymous().get(&format!("/v1/products?{query}")).send();
        blames_the_caller(&query[..20], Some(&answer));
    }
    for q in [
        "%27",
        "%22",
        "%22unclosed",
        "-",
        "--",
        "or",
        "or+or",
        "%28%29",
        "%3a%2a",
        "%5c",
        "a%26%7c%21b",
        "%3c-%3e",
        "!",
        "*",
    ] {
        server.anonymous().get(&format!("/v1/products?q={q}")).expect(200);
        server.anonymous().get(&format!("/v1/organisations?q={q}")).expect(200);
    }
    alive(&server);
}

#[test]
fn cursors_that_nobody_was_given() {
    let server = Server::start();
    let cursor = |position: Value| URL_SAFE_NO_PAD.encode(position.to_string());
    let id = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11";
    for day in ["+262142-01-01T00:00:00Z", "-262142-01-01T00:00:00Z", "+294277-01-01T00:00:00Z", "9999-12-31T23:59:60Z"]
    {
        for (path, position) in [
            ("/v1/organisations?sort=-updatedAt", json!({ "updated": [day, id] })),
            ("/v1/citations?sort=-updatedAt", json!({ "updated": [day, id] })),
            ("/v1/events?sort=startsAt", json!({ "starts_at": day, "id": id })),
            ("/v1/contracts?limit=1", json!({ "ends": day.trim_end_matches("T00:00:00Z"), "id": id })),
        ] {
            let answer = server.anonymous().get(&format!("{path}&cursor={}", cursor(position))).send();
            assert!(matches!(answer.status, 200 | 400), "{path} {day}: {} {}", answer.status, answer.json);
        }
    }
    alive(&server);
}

#[test]
fn requests_that_no_library_sends() {
    let server = Server::start();
    let token = server.sign(&server.claims(&server.admin()));
    let head =
        format!("POST /v1/products HTTP/1.1\r\nHost: loti\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n");
    let json = format!("{head}Content-Type: application/json\r\n");
    let random: Vec<u8> = (0u32..5000).map(|n| (n.wrapping_mul(2_654_435_761) >> 13).to_le_bytes()[0]).collect();
    let many = |header: &str, times: usize| {
        format!("GET /v1/products HTTP/1.1\r\nHost: loti\r\nConnection: close\r\n{}\r\n", header.repeat(times))
            .into_bytes()
    };
    let requests: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", Vec::new()),
        ("random bytes", random.clone()),
        (
            "random bytes in a body",
            [format!("{json}Content-Length: {}\r\n\r\n", random.len()).as_bytes(), &random].concat(),
        ),
        ("TLS", vec![0x16, 3, 1, 0, 0xa5, 1, 0, 0, 0xa1, 3, 3]),
        ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec()),
        ("only line ends", b"\r\n".repeat(1000)),
        ("NUL in the path", b"GET /v1/products/\0 HTTP/1.1\r\nHost: loti\r\nConnection: close\r\n\r\n".to_vec()),
        (
            "not UTF-8 in the path",
            b"GET /v1/products/\xff HTTP/1.1\r\nHost: loti\r\nConnection: close\r\n\r\n".to_vec(),
        ),
        (
            "NUL in a header",
            b"GET /v1/products HTTP/1.1\r\nHost: loti\r\nIf-None-Match: \0\r\nConnection: close\r\n\r\n".to_vec(),
        ),
        (
            "not UTF-8 in a header",
            b"GET /v1/products HTTP/1.1\r\nHost: loti\r\nIf-None-Match: \xff\r\nConnection: close\r\n\r\n".to_vec(),
        ),
        (
            "not UTF-8 as a token",
            b"GET /v1/products HTTP/1.1\r\nHost: loti\r\nAuthorization: Bearer \xff\r\nConnection: close\r\n\r\n"
                .to_vec(),
        ),
        ("a header of 1 MB", many(&format!("X-Long: {}\r\n", "x".repeat(1_000_000)), 1)),
        ("truncated chunks", format!("{json}Transfer-Encoding: chunked\r\n\r\n5\r\n{{\"na").into_bytes()),
        ("chunks of no size", format!("{json}Transfer-Encoding: chunked\r\n\r\nzz\r\n{{}}\r\n0\r\n\r\n").into_bytes()),
        (
            "a chunk of absurd size",
            format!("{json}Transfer-Encoding: chunked\r\n\r\nffffffffffffffff1\r\n{{}}").into_bytes(),
        ),
        ("less than announced", format!("{json}Content-Length: 100\r\n\r\n{{}}").into_bytes()),
        ("negative length", format!("{json}Content-Length: -1\r\n\r\n{{}}").into_bytes()),
        (
            "length and chunks",
            format!("{json}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n").into_bytes(),
        ),
        ("two lengths", format!("{json}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{{}}").into_bytes()),
        ("no body at all", format!("{json}\r\n").into_bytes()),
        ("body without a type", format!("{head}Content-Length: 2\r\n\r\n{{}}").into_bytes()),
        ("two types", format!("{json}Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{{}}").into_bytes()),
        ("compressed", format!("{json}Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{{}}").into_bytes()),
    ];
    for (what, request) in requests {
        let answer = server.raw(&request);
        blames_the_caller(what, answer.as_ref());
        alive(&server);
    }
    for (what, request) in [
        ("200 headers", (0..200).map(|n| format!("X-Header-{n}: x\r\n")).collect::<Vec<_>>().concat()),
        ("a header of 100 kB", format!("X-Long: {}\r\n", "x".repeat(100_000))),
    ] {
        let answer = server.raw(&many(&request, 1));
        assert!(answer.is_none_or(|answer| answer.status == 200 || (400..500).contains(&answer.status)), "{what}");
    }
    alive(&server);
}

#[test]
fn large_bodies() {
    let server = Server::start();
    let admin = server.as_(&server.admin());
    let just_fits = "x".repeat(1024 * 1024 - 100);
    let small = admin.post("/v1/products", product("Bins").with("description", just_fits)).expect(400);
    assert_eq!(small.faults(), ["#/description too_long"], "read in full, and refused for what it says");
    let two = "x".repeat(2 * 1024 * 1024);
    admin.post("/v1/products", product("Bins").with("description", two)).expect(413);
    let token = server.sign(&server.claims(&server.admin()));
    let length = 20 * 1024 * 1024;
    let head = format!(
        "POST /v1/products HTTP/1.1\r\nHost: loti\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\
         Content-Type: application/json\r\n"
    );
    let announced = [format!("{head}Content-Length: {length}\r\n\r\n").into_bytes(), vec![b' '; length]].concat();
    let chunk = [b"100000\r\n".as_slice(), &vec![b' '; 0x10_0000], b"\r\n"].concat();
    let chunked = [format!("{head}Transfer-Encoding: chunked\r\n\r\n").into_bytes(), chunk.repeat(20)].concat();
    for request in [announced, chunked] {
        // It may hang up on the rest, and then the answer is lost on the way.
        let answer = server.raw(&request);
        assert!(answer.as_ref().is_none_or(|answer| answer.status == 413), "{answer:?}");
    }
    alive(&server);
}

/// A value that breaks one limit of a schema, and where in the body.
struct Violation {
    pointer: String,
    rule: &'static str,
    value: Value,
}

/// Every limit of a schema broken once, `valid` being a value that breaks none.
fn violations(schema: &Value, pointer: &str, found: &mut Vec<Violation>) {
    let schema = resolve(schema);
    if let Some(alternatives) = schema["oneOf"].as_array() {
        let other = alternatives.iter().find(|alternative| alternative["type"] != "null").unwrap();
        return violations(other, pointer, found);
    }
    let mut add = |rule: &'static str, value: Value| found.push(Violation { pointer: pointer.to_owned(), rule, value });
    let number = |limit: &str| schema[limit].as_u64().map(|limit| usize::try_from(limit).unwrap());
    if let Some(limit) = number("maxLength") {
        add("maxLength", json!("a".repeat(limit + 1)));
    }
    if number("minLength").is_some_and(|limit| limit > 0) {
        add("minLength", json!(""));
    }
    if let Some(limit) = number("maxItems") {
        add("maxItems", json!((0..=limit).map(|n| n.to_string()).collect::<Vec<_>>()));
    }
    if schema["enum"].is_array() {
        add("enum", json!("no_such_word"));
    }
    if schema["pattern"].is_string() {
        let pattern = compile(&json!({ "pattern": schema["pattern"] }));
        let wrong = ["\u{0}", "!", "ÄÖ", "a b"].into_iter().find(|text| !pattern.is_valid(&json!(text)));
        add("pattern", json!(wrong.unwrap_or_else(|| panic!("{pointer}: what does {} refuse?", schema["pattern"]))));
    }
    if schema["format"].is_string() {
        add("format", json!("%%%"));
    }
    if let Some(limit) = schema["maximum"].as_i64() {
        add("maximum", json!(limit + 1));
    }
    if let Some(limit) = schema["minimum"].as_i64() {
        add("minimum", json!(limit - 1));
    }
    let text = schema["type"] == "string" || schema["type"].as_array().is_some_and(|t| t.contains(&json!("string")));
    add("type", if text { json!({}) } else { json!("text") });
    if schema["type"] == "array" || schema["type"].as_array().is_some_and(|t| t.contains(&json!("array"))) {
        violations(&schema["items"], &format!("{pointer}/0"), found);
    }
    if schema["properties"].is_object() {
        found.push(Violation {
            pointer: format!("{pointer}/noSuchField"),
            rule: "additionalProperties",
            value: json!(1),
        });
        for (name, property) in schema["properties"].as_object().unwrap() {
            violations(property, &format!("{pointer}/{name}"), found);
        }
        for name in schema["required"].as_array().into_iter().flatten() {
            let pointer = format!("{pointer}/{}", name.as_str().unwrap());
            found.push(Violation { pointer, rule: "required", value: Value::Null });
        }
    }
}

/// Puts a value where a pointer leads, making what is missing on the way from the examples of the document.
fn put(body: &mut Value, pointer: &str, value: Value) {
    let Some((first, rest)) = pointer.trim_start_matches('/').split_once('/') else {
        let name = pointer.trim_start_matches('/');
        match body {
            Value::Array(_) => *body = json!([value]),
            _ => body[name] = value,
        }
        return;
    };
    let rest = format!("/{rest}");
    if let Value::Array(items) = body {
        if items.is_empty() {
            items.push(json!({}));
        }
        return put(&mut items[0], &rest, value);
    }
    if body[first].is_null() {
        body[first] = if rest.starts_with("/0") { json!([]) } else { json!({}) };
    }
    put(&mut body[first], &rest, value);
}

fn breaks(operation: &Operation) -> Vec<Violation> {
    let (_, schema) = operation.body().unwrap();
    let mut found = Vec::new();
    violations(schema, "", &mut found);
    // The body itself has no name; what it must be is tested above.
    found.retain(|violation| !violation.pointer.is_empty());
    found
}

#[test]
fn every_limit_of_every_body_is_enforced() {
    let server = Server::start();
    let world = World::new(&server);
    let admin = server.as_(&server.admin());
    let mut broken = 0;
    for operation in operations().iter().filter(|operation| {
        operation.body().is_some_and(|body| body.0 == "application/json" || body.0.ends_with("+json"))
    }) {
        let target: Target = world.target(&server, operation);
        let path = path_of(operation, &target);
        let (media_type, _) = operation.body().unwrap();
        for Violation { pointer, rule, value } in breaks(operation) {
            let mut body = body_of(operation);
            put(&mut body, &pointer, value);
            if rule == "required" {
                let (parent, name) = pointer.rsplit_once('/').unwrap();
                body.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(name);
            }
            let answer = call(&admin, operation, &path).body(media_type, body.to_string()).send();
            let what = format!("{} {pointer} {rule}: {} {}", operation.id, answer.status, answer.json);
            assert_eq!(answer.status, 400, "{what}");
            let wanted = format!("#{pointer}");
            let named = answer["errors"].as_array().unwrap().iter().any(|error| error["pointer"] == json!(wanted));
            assert!(named, "{what}");
            broken += 1;
        }
    }
    assert!(broken > 300, "the generator finds too little: {broken}");
}

#[test]
fn every_limit_of_every_parameter_is_enforced() {
    let server = Server::start();
    let world = World::new(&server);
    let mut broken = 0;
    for operation in operations() {
        let path = path_of(operation, &world.target(&server, operation));
        let path = path.split('?').next().unwrap();
        for parameter in operation.value["parameters"].as_array().into_iter().flatten().map(resolve) {
            if parameter["in"] != "query" {
                continue;
            }
            let name = parameter["name"].as_str().unwrap();
            let mut found = Vec::new();
            violations(&parameter["schema"], "", &mut found);
            for Violation { rule, value, .. } in found {
                // In a query everything is text, and a list is what is repeated.
                let text = match (&value, rule) {
                    (_, "type" | "minLength") => continue,
                    (Value::Array(items), _) => items
                        .iter()
                        .map(|item| format!("{name}={}", item.as_str().unwrap()))
                        .collect::<Vec<_>>()
                        .join("&"),
                    (Value::String(text), _) => format!("{name}={}", percent(text)),
                    (other, _) => format!("{name}={other}"),
                };
                let text =
                    if parameter["explode"] == json!(false) { text.replace(&format!("&{name}="), ",") } else { text };
                let answer = server.as_(&server.admin()).get(&format!("{path}?{text}")).send();
                assert_eq!(answer.status, 400, "{} {name} {rule}: {}", operation.id, answer.json);
                let named = answer.faults().iter().any(|fault| fault.starts_with(&format!("{name} ")));
                assert!(named, "{} {name} {rule}: {}", operation.id, answer.json);
                broken += 1;
            }
        }
    }
    assert!(broken > 50, "the generator finds too little: {broken}");
    assert!(operation("list_products").value["parameters"].as_array().unwrap().len() > 10);
}
