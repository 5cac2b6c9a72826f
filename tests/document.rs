//! The document, the pages around it, and what every answer has in common.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use api::config::VARIABLES;
use api::contract::Contract;
use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::contract::operations;
use crate::support::operations::{Target, path_of};
use crate::support::program::binary;
use crate::support::raw::receive;
use crate::support::server::{TRUSTED_ORIGIN, new_folder};
use crate::support::{Server, product, repository};

#[test]
fn is_committed_as_the_code_makes_it() {
    assert!(openapi::render() == repository("openapi/v1.json"), "openapi/v1.json is out of date: run `make openapi`");
}

#[test]
fn is_served_as_it_is_committed() {
    let server = Server::start();
    for path in ["/openapi.json", "/v1/openapi.json"] {
        let copy = server.anonymous().get(path).expect(200);
        assert!(copy.bytes == repository("openapi/v1.json").as_bytes(), "{path} differs from openapi/v1.json");
        assert_eq!(copy.header("content-type"), Some("application/json"));
        assert_eq!(copy.header("cache-control"), Some("public, max-age=300"));
        let again = server.anonymous().get(path).header("If-None-Match", copy.etag()).expect(304);
        assert_eq!((again.etag(), again.bytes.len()), (copy.etag(), 0));
        let elsewhere = server.anonymous().get(path).header("Origin", "https://anywhere.example").expect(200);
        assert!(elsewhere.header("access-control-allow-origin").is_some(), "generators in browsers read it, too");
    }
}

#[test]
fn readme_tells_of_every_variable() {
    let readme = repository("README.md");
    let missing: Vec<&str> =
        VARIABLES.iter().map(|variable| variable.name).filter(|name| !readme.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "README.md does not tell of {missing:?}");
}

#[test]
fn console_loads_under_its_strict_policy() {
    let server = Server::start();
    let get = |path: &str| server.anonymous().get(path);
    assert_eq!(get("/docs").expect(302).header("location"), Some("/docs/console/"));
    assert_eq!(get("/docs/console").expect(301).header("location"), Some("/docs/console/"));
    let index = get("/docs/console/").expect(200);
    assert!(index.header("content-type").unwrap().starts_with("text/html"));
    let html = String::from_utf8(index.bytes.clone()).unwrap();
    let named: Vec<&str> = html
        .split(['"', '\''])
        .filter(|text| [".js", ".css", ".png"].iter().any(|ending| text.ends_with(ending)))
        .collect();
    assert!(named.len() >= 3, "{html}");
    for file in named {
        assert!(!file.contains("//"), "{file} is somebody else's");
        let loaded = get(&format!("/docs/console/{}", file.trim_start_matches("./"))).expect(200);
        assert!(!loaded.bytes.is_empty(), "{file}");
    }
    let policy = index.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    for inline in ["<script>", "onload=", "<style"] {
        assert!(!html.contains(inline), "{inline} does not run under the policy: {html}");
    }
    get("/docs/console/nothing.js").expect(404);
    get("/docs/console/..%2f..%2fCargo.toml").expect(404);
}

#[test]
fn every_problem_has_its_page() {
    let server = Server::start();
    for kind in api::problem::KINDS {
        let page = server.anonymous().get(&format!("/problems/{}", kind.slug)).expect(200);
        let html = String::from_utf8(page.bytes.clone()).unwrap();
        assert!(html.contains(kind.title) && html.contains(&kind.status.to_string()), "{html}");
    }
    server.anonymous().get("/problems/none").expect(404);
}

#[test]
fn pages_of_others_may_read_and_ours_may_write() {
    let server = Server::start();
    let preflight = |origin: &str, method: &str| {
        let call = server.anonymous().call("OPTIONS", "/v1/products").header("Origin", origin);
        let call = call.header("Access-Control-Request-Method", method);
        call.header("Access-Control-Request-Headers", "authorization, content-type, if-match").send()
    };
    let stranger = "https://anywhere.example";
    let read = server.anonymous().get("/v1/products").header("Origin", stranger).expect(200);
    assert!(matches!(read.header("access-control-allow-origin"), Some(o) if o == "*" || o == stranger));
    let exposed = read.header("access-control-expose-headers").unwrap_or_default().to_lowercase();
    for name in ["etag", "link", "location", "retry-after", "ratelimit", "x-request-id", "api-version"] {
        assert!(exposed.contains(name), "pages cannot read {name}: {exposed}");
    }
    assert_eq!(preflight(stranger, "GET").status / 100, 2);
    for method in ["POST", "PATCH", "DELETE"] {
        let allowed = preflight(TRUSTED_ORIGIN, method);
        assert_eq!(allowed.status / 100, 2, "{method}");
        assert_eq!(allowed.header("access-control-allow-origin"), Some(TRUSTED_ORIGIN));
        assert!(allowed.header("access-control-allow-methods").unwrap().contains(method));
        let refused = preflight(stranger, method);
        assert!(refused.status >= 400 || refused.header("access-control-allow-origin").is_none(), "{method}");
    }
    assert!(read.header("access-control-allow-credentials").is_none(), "tokens are sent by hand, never by the browser");
}

#[test]
fn every_path_answers_to_every_method() {
    let server = Server::start();
    let nobody = server.anonymous();
    for operation in operations() {
        let path = path_of(operation, &Target::missing());
        let path = path.split('?').next().unwrap();
        let options = nobody.call("OPTIONS", path).expect(204);
        let allowed: Vec<&str> = options.header("allow").unwrap().split(", ").collect();
        assert!(allowed.contains(&operation.method.as_str()), "{path}: {allowed:?}");
        let has_get = operations().iter().any(|other| other.path == operation.path && other.method == "GET");
        assert_eq!(allowed.contains(&"HEAD"), has_get, "{path}: {allowed:?}");
        let wrong = nobody.call("PROPFIND", path).expect(405);
        assert_eq!(wrong.header("allow"), options.header("allow"), "{path}");
        nobody.call("GET", &format!("{path}/")).expect(404);
    }
    server.add_product(product("Bins"));
    for path in ["/v1/products", "/v1/products/bins", "/openapi.json", "/livez", "/readyz", "/docs/console/"] {
        let (got, head) = (nobody.get(path).expect(200), nobody.call("HEAD", path).expect(200));
        assert_eq!(head.header("etag"), got.header("etag"), "{path}");
        assert_eq!(head.header("content-type"), got.header("content-type"), "{path}");
        assert!(head.bytes.is_empty());
        nobody.call("OPTIONS", path).expect(204);
    }
    nobody.call("HEAD", "/v1/products/nothing").expect(404);
    for path in ["/", "/v1", "/v2/products", "/v1/products/bins/", "//v1/products", "/openapi.json/"] {
        nobody.get(path).expect(404);
    }
    nobody.call("DELETE", "/livez").expect(405);
}

#[test]
fn every_answer_carries_the_id_of_its_request() {
    let server = Server::start();
    let with = |id: &str| {
        let answer = server.anonymous().get("/v1/products").header("X-Request-Id", id).expect(200);
        answer.header("x-request-id").unwrap().to_owned()
    };
    assert_eq!(with("borough-sync_7.1~a"), "borough-sync_7.1~a");
    for unfit in ["with space", "semi;colon", &"x".repeat(129)] {
        assert_ne!(with(unfit), unfit);
    }
    assert_ne!(with("a b"), with("a b"), "our own are never the same");
}

#[test]
fn what_a_token_saw_is_kept_by_its_holder_only() {
    let server = Server::start();
    let nobody = server.anonymous().get("/v1/organisations").expect(200);
    assert_eq!(nobody.header("cache-control"), Some("no-cache"));
    let admin = server.as_(&server.admin()).get("/v1/organisations").expect(200);
    assert_eq!(admin.header("cache-control"), Some("private, no-cache"));
    let vary: Vec<&str> = admin.headers.iter().filter(|(name, _)| name == "vary").map(|(_, v)| v.as_str()).collect();
    assert!(vary.join(", ").contains("Authorization"), "{vary:?}");
    assert_eq!(server.anonymous().get("/v1/products/none").expect(404).header("cache-control"), Some("no-store"));
}

#[test]
fn what_is_on_its_way_out_says_so() {
    let operation = json!({
        "operationId": "get_thing", "security": [{}, { "oauth2": ["products:read"] }],
        "responses": {}, "x-deprecated-at": 1_795_392_000, "x-sunset": "Sun, 30 Jun 2030 23:59:59 GMT",
    });
    let contract = Contract::new(json!({ "/things": { "get": operation } }), std::collections::BTreeMap::new());
    let mut headers = actix_web::http::header::HeaderMap::new();
    contract.gate("/things", "GET").unwrap().announce_retirement(&mut headers);
    assert_eq!(headers.get("deprecation").unwrap(), "@1795392000");
    assert_eq!(headers.get("sunset").unwrap(), "Sun, 30 Jun 2030 23:59:59 GMT");
}

#[test]
fn an_operation_that_does_not_say_who_may_call_it_cannot_start() {
    let refusal = |security: Value| {
        let operation = json!({ "operationId": "get_thing", "security": security, "responses": {} });
        let contract = Contract::new(json!({ "/things": { "get": operation } }), std::collections::BTreeMap::new());
        contract.gate("/things", "GET").err()
    };
    for unsound in
        [json!(null), json!([]), json!([{}]), json!([{ "oauth2": [] }]), json!([{ "oauth2": ["thing:eat"] }])]
    {
        assert_eq!(refusal(unsound.clone()).as_deref(), Some("get_thing does not say who may call it"), "{unsound}");
    }
    assert_eq!(refusal(json!([{ "oauth2": ["products:read"] }])), None);
}

/// The real program, as an operator runs it.
struct Program {
    child: Child,
    address: String,
    lines: mpsc::Receiver<String>,
}

impl Program {
    fn start(server: &Server) -> Self {
        let mut child = Command::new(binary())
            .arg("serve")
            .env_clear()
            .env("DATABASE_URL", &server.database().url)
            .env("LOTI_LISTEN", "127.0.0.1:0")
            .env("LOTI_PUBLIC_URL", crate::support::server::PUBLIC_URL)
            .env("LOTI_ENCRYPTION_KEY_FILE", server.key_file())
            .env("LOTI_WORKERS", "1")
            .env("LOTI_LOG", "debug")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (send, lines) = mpsc::channel();
        std::thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
        let mut program = Self { child, address: String::new(), lines };
        program.address = program.line_with("serving")["address"].as_str().unwrap().to_owned();
        program
    }

    /// The next line with a message.
    fn line_with(&self, message: &str) -> Value {
        loop {
            let line = self.lines.recv_timeout(Duration::from_secs(30)).expect("the line never came");
            let line: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("not JSON: {line}"));
            if line["message"] == message {
                return line;
            }
        }
    }

    fn open(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream
    }

    fn terminate(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn log_lines_tell_of_the_request_and_not_of_the_person() {
    let server = Server::start();
    let admin = server.admin();
    let token = server.sign(&server.claims(&admin));
    let program = Program::start(&server);
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let mut stream = program.open();
    let body = product("Bins").with("summary", "Ask jo.bloggs@example.org.");
    let body = Value::from(body).to_string();
    write!(
        stream,
        "POST /v1/products?contact=jo.bloggs@example.org HTTP/1.1\r\nHost: loti\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nX-Request-Id: our-id\r\ntraceparent: 00-{trace}-00f067aa0ba902b7-01\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    assert_eq!(receive(&mut stream).unwrap().status, 400);
    let mut stream = program.open();
    write!(stream, "GET /v1/products/bins HTTP/1.1\r\nHost: loti\r\nConnection: close\r\n\r\n").unwrap();
    receive(&mut stream).unwrap();

    let line = program.line_with("answered");
    assert_eq!(line["span"]["request_id"], "our-id", "{line}");
    assert_eq!(line["span"]["trace_id"], trace, "{line}");
    assert_eq!(
        (&line["method"], &line["route"], &line["status"]),
        (&json!("POST"), &json!("/v1/products"), &json!(400))
    );
    let second = program.line_with("answered");
    assert_eq!(second["route"], "/v1/products/{id}");
    assert_ne!(second["span"]["request_id"], "");

    program.terminate();
    let rest: Vec<String> = std::iter::from_fn(|| program.lines.recv_timeout(Duration::from_secs(30)).ok()).collect();
    let everything = [line.to_string(), second.to_string()].into_iter().chain(rest);
    for line in everything {
        for secret in [token.as_str(), "jo.bloggs", &admin.email, "Bearer"] {
            assert!(!line.contains(secret), "tells {secret}: {line}");
        }
    }
}

#[test]
fn finishes_what_is_under_way_before_it_stops() {
    let server = Server::start();
    let token = server.sign(&server.claims(&server.admin()));
    let mut program = Program::start(&server);
    let body = Value::from(product("Slow")).to_string();
    let mut slow = program.open();
    write!(
        slow,
        "POST /v1/products HTTP/1.1\r\nHost: loti\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n",
        body.len()
    )
    .unwrap();
    // It asks for the body: now the request is under way.
    let mut asked = [0; 25];
    slow.read_exact(&mut asked).unwrap();
    assert!(asked.starts_with(b"HTTP/1.1 100 "), "{}", String::from_utf8_lossy(&asked));
    program.terminate();
    // Nobody new is let in from some moment on; until then the body is held back.
    while TcpStream::connect(&program.address).is_ok() {
        std::thread::yield_now();
    }
    slow.write_all(body.as_bytes()).unwrap();
    assert_eq!(receive(&mut slow).expect("the request was dropped").status, 201);
    assert_eq!(program.child.wait().unwrap().code(), Some(0));
    assert_eq!(server.database().texts("select name as value from products"), ["Slow"]);
}

#[test]
fn settings_that_make_no_sense_stop_the_start_with_a_sentence_each() {
    let faults = api::config::Config::from_lookup(|name| match name {
        "LOTI_LISTEN" => Some("somewhere".to_owned()),
        "LOTI_WRITE_CONNECTIONS" => Some("0".to_owned()),
        "LOTI_PUBLIC_URL" => Some("https://api.loti.test/".to_owned()),
        "LOTI_LOG_FORMAT" => Some("xml".to_owned()),
        _ => None,
    })
    .unwrap_err();
    insta::assert_snapshot!(faults.join("\n"), @r#"
    LOTI_LISTEN must be an address and a port, such as 127.0.0.1:8080, and is "somewhere".
    DATABASE_URL must be set to a URL that begins with postgres://.
    LOTI_WRITE_CONNECTIONS must be a whole number from 1 to 200, and is 0.
    LOTI_PUBLIC_URL must be an http or https URL without a trailing slash, and is "https://api.loti.test/".
    LOTI_LOG_FORMAT must be json or text, and is "xml".
    "#);
    let folder = new_folder();
    let key = folder.join("encryption-key");
    std::fs::write(&key, "no key").unwrap();
    let exposed = api::auth::seal::Seal::load(&key).err().map(|error| error.to_string()).unwrap();
    assert!(exposed.contains("chmod 600"), "{exposed}");
    std::fs::remove_dir_all(folder).unwrap();
}

/// What a page in a browser would do that the contract check does not.
#[test]
fn head_has_no_body_even_where_it_fails() {
    let server = Server::start();
    let client: Client<'_> = server.anonymous();
    let failed = client.call("HEAD", "/v1/products?colour=red").expect(400);
    assert!(failed.bytes.is_empty());
}
