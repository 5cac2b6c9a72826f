//! `loti import` and `loti seed`: the real program beside a service that shows what landed.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::support::server::new_folder;
use crate::support::{Server, product};

const AUTHORITIES: &str = "local-authority-code,official-name,nice-name,gss-code,start-date,end-date,replaced-by,region
OLD,Oldshire County Council,Oldshire,E10000099,1974-04-01,2023-03-31,\"EST,WST\",North
EST,East Oldshire Council,East Oldshire,E06000091,2023-04-01,,,North
WST,West Oldshire Council,\"West, Oldshire\",E06000092,2023-04-01,,,North
HAM,Hamlet District Council,Hamlet,E07000093,1974-04-01,2023-03-31,EST,North
";
const ALIASES: &str = "la-name,local-authority-code\nThe East of Oldshire,EST\n";

/// A service, and a folder for files to import into its database.
struct Desk {
    server: Server,
    folder: PathBuf,
}

impl Desk {
    fn new() -> Self {
        Self { server: Server::start(), folder: new_folder() }
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder.join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    fn run(&self, arguments: &[&str]) -> Run {
        let program = std::env::current_exe().unwrap().ancestors().nth(2).unwrap().join("loti");
        let output = Command::new(program)
            .args(arguments)
            .env("DATABASE_URL", &self.server.database().url)
            .output()
            .expect("`make build` makes the program");
        Run(output)
    }

    fn import(&self, resource: &str, format: &str, file: &Path) -> Run {
        self.run(&["import", resource, "--format", format, file.to_str().unwrap()])
    }

    fn audits(&self) -> i64 {
        self.server.database().number("(select count(*) from audit_events)")
    }
}

/// What the program did.
struct Run(Output);

impl Run {
    fn code(&self) -> i32 {
        self.0.status.code().unwrap()
    }

    /// The summary: what stands on standard error behind "rows: ".
    fn summary(&self) -> String {
        let said = String::from_utf8(self.0.stderr.clone()).unwrap();
        let last = said.lines().rev().find_map(|line| line.split_once("rows: ").map(|(_, rest)| rest.to_owned()));
        last.unwrap_or_else(|| panic!("no summary in {said:?}"))
    }

    /// The rows that were refused or noted.
    fn rows(&self) -> Vec<Value> {
        let text = String::from_utf8(self.0.stdout.clone()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Each refused row as "line pointer code".
    fn refusals(&self) -> Vec<String> {
        let refused = self.rows().into_iter().filter(|row| row["outcome"] == "refused");
        let told = |row: Value| {
            let errors = row["errors"].as_array().unwrap().clone();
            errors.into_iter().map(move |error| {
                format!("{} {} {}", row["line"], error["pointer"].as_str().unwrap(), error["code"].as_str().unwrap())
            })
        };
        refused.flat_map(told).collect()
    }
}

#[test]
fn authorities_land_once_with_their_successors() {
    let desk = Desk::new();
    let file = desk.file("authorities.csv", AUTHORITIES);
    let first = desk.import("organisations", "csv", &file);
    assert_eq!((first.code(), first.summary().as_str()), (0, "4 created, 0 changed, 0 unchanged, 0 refused"));
    let read = |query: &str| desk.server.anonymous().get(&format!("/v1/organisations?{query}")).expect(200);
    let old = read("identifier=GB-LAC:E10000099");
    let successors: Vec<&str> =
        old["items"][0]["replacedBy"].as_array().unwrap().iter().map(|r| r["name"].as_str().unwrap()).collect();
    assert_eq!(successors.len(), 2, "{successors:?}");
    assert_eq!(read("alias=hamlet&followReplacements=true")["items"][0]["name"], "East Oldshire Council");

    let audits = desk.audits();
    let second = desk.import("organisations", "csv", &file);
    assert_eq!(second.summary(), "0 created, 0 changed, 4 unchanged, 0 refused");
    assert_eq!(desk.audits(), audits, "a second run leaves no trace");
    assert_eq!(read("identifier=GB-LAC:E10000099")["items"][0]["version"], old["items"][0]["version"]);

    let changed =
        desk.file("authorities.csv", AUTHORITIES.replace("Hamlet District Council", "Hamlet Borough Council"));
    assert_eq!(desk.import("organisations", "csv", &changed).summary(), "0 created, 1 changed, 3 unchanged, 0 refused");

    let aliases = desk.file("aliases.csv", ALIASES);
    assert_eq!(desk.import("organisations", "csv", &aliases).code(), 0);
    assert_eq!(read("alias=the%20EAST%20of%20oldshire")["items"][0]["name"], "East Oldshire Council");
}

#[test]
fn products_find_their_suppliers_by_any_spelling() {
    let desk = Desk::new();
    let supplier = json!({ "kind": "supplier", "name": "Bright Bins Limited", "aliases": ["BrightBins"] });
    desk.server.add_organisation(supplier);
    let rows = [
        json!({ "source": "list", "source_id": "a", "name": "Bins", "suppliers": ["BRIGHT-BINS ltd", "brightbins"],
                "licences": ["MIT", "GPL-3.0"], "url": "https://bins.example.org", "summary": "Bin days." }),
        json!({ "source": "list", "source_id": "b", "name": "Bins", "suppliers": ["Nobody Known"],
                "licences": ["⊘ Proprietary"], "summary": "x".repeat(200) }),
        json!({ "source": "list", "source_id": "c", "name": "Trees", "suppliers": ["BrightBins"], "archived": true }),
    ];
    let lines: Vec<String> = rows.iter().map(ToString::to_string).collect();
    let file = desk.file("products.jsonl", lines.join("\n"));
    let run = desk.import("products", "jsonl", &file);
    assert_eq!((run.code(), run.summary().as_str()), (0, "3 created, 0 changed, 0 unchanged, 0 refused"));
    let read = |slug: &str| desk.server.anonymous().get(&format!("/v1/products/{slug}")).expect(200);
    assert_eq!(read("bins")["licence"], "GPL-3.0 OR MIT");
    let other = read("bins-2");
    assert_eq!((&other["licence"], &other["supplier"]), (&Value::Null, &Value::Null));
    assert!(other.text("summary").ends_with('…') && other.text("description").len() == 200, "cut, and kept whole");
    let trees = read("trees");
    assert_eq!(trees["supplier"]["name"], "Bright Bins Limited");
    assert_eq!((&trees["phase"], &trees["developmentStatus"]), (&json!("retired"), &json!("obsolete")));
    let noted: Vec<Value> = run.rows();
    assert!(noted.iter().any(|row| row["notes"].to_string().contains("Nobody Known")), "{noted:?}");
    assert_eq!(desk.import("products", "jsonl", &file).summary(), "0 created, 0 changed, 3 unchanged, 0 refused");
}

#[test]
fn dirt_is_named_by_line_and_the_rest_lands() {
    let desk = Desk::new();
    let mut lines: Vec<Vec<u8>> = Vec::new();
    let good = |id: &str| json!({ "source": "d", "source_id": id, "name": format!("Good {id}") }).to_string();
    lines.push(good("1").into());
    lines.push(b"{\"source\": \"d\", \"source_id\": \"2\", \"name\": \"Caf\xe9\"}".to_vec());
    lines.push(
        json!({ "source": "d", "source_id": "3", "name": "Long", "summary": "x".repeat(2000) }).to_string().into(),
    );
    lines.push(b"{\"source\": \"d\", ".to_vec());
    lines.push(b"[1, 2]".to_vec());
    lines.push(json!({ "source": "d", "source_id": "6", "name": "" }).to_string().into());
    lines.push(json!({ "source": "d", "source_id": "7", "name": "Nul \u{0}" }).to_string().into());
    lines.push(json!({ "source": "d", "source_id": "8", "name": "Url", "url": "example.org" }).to_string().into());
    lines.push(good("1").into());
    lines.push(good("10").into());
    let file = desk.file("dirty.jsonl", lines.join(&b"\n"[..]));
    let run = desk.import("products", "jsonl", &file);
    assert_eq!((run.code(), run.summary().as_str()), (1, "2 created, 0 changed, 0 unchanged, 8 refused"));
    let refused: Vec<i64> =
        run.rows().iter().filter(|r| r["outcome"] == "refused").map(|r| r["line"].as_i64().unwrap()).collect();
    assert_eq!(refused, [2, 3, 4, 5, 6, 7, 8, 9]);
    let encoding = &run.rows().into_iter().find(|row| row["line"] == 2).unwrap()["errors"][0];
    assert_eq!(encoding["code"], "not_utf8");
    assert!(encoding["detail"].as_str().unwrap().contains("byte"), "{encoding}");
    assert!(run.refusals().iter().any(|refusal| refusal.starts_with("3 #/summary too_long")), "{:?}", run.refusals());
    desk.server.anonymous().get("/v1/products/good-10").expect(200);

    let utf16 = desk.file("utf16.csv", b"\xff\xfen\x00a\x00m\x00e\x00");
    assert_ne!(desk.import("organisations", "csv", &utf16).code(), 0);
    assert_eq!(desk.run(&["import", "products", "--format", "csv", "/nowhere/at-all.csv"]).code(), 2);
}

#[test]
fn what_people_changed_survives_the_same_file() {
    let desk = Desk::new();
    let file = desk.file("authorities.csv", AUTHORITIES);
    desk.import("organisations", "csv", &file);
    let admin = desk.server.as_(&desk.server.admin());
    let path = "/v1/organisations/east-oldshire-council";
    admin.patch(path, json!({ "website": "https://east.example.org" })).header("If-Match", "*").expect(200);
    desk.import("organisations", "csv", &file);
    assert_eq!(desk.server.anonymous().get(path).expect(200)["website"], "https://east.example.org");
}

#[test]
fn another_list_only_fills_gaps() {
    let desk = Desk::new();
    let known = json!({ "kind": "local_authority", "name": "East Oldshire", "region": "South",
        "identifiers": [{ "scheme": "GB-LAC", "id": "E06000091" }] });
    let before = desk.server.add_organisation(known);
    let file = desk.file("authorities.csv", AUTHORITIES);
    let run = desk.import("organisations", "csv", &file);
    assert_eq!(run.code(), 0, "{:?}", run.refusals());
    let after = desk.server.anonymous().get(&format!("/v1/organisations/{}", before.id())).expect(200);
    assert_eq!((after.text("name"), after.text("region")), ("East Oldshire", "South"), "what was there stays");
    assert_eq!(after.text("startsOn"), "2023-04-01", "what was missing comes");
}

#[test]
fn seeding_twice_writes_once() {
    let desk = Desk::new();
    assert_eq!(desk.run(&["seed"]).code(), 0);
    let read = |path: &str| desk.server.anonymous().get(path).expect(200);
    let boroughs = read("/v1/organisations?region=London&kind=local_authority&active=true&count=true&limit=1");
    assert_eq!(boroughs["total"], 33);
    assert_eq!(read("/v1/organisations?identifier=GB-LAC:E09000012")["items"][0]["slug"], "hackney");
    let supplied = desk.server.database().number("(select count(*) from products where supplier_id is not null)");
    assert!(supplied >= 60, "{supplied} products have a supplier");
    let admin = desk.server.as_(&desk.server.admin());
    let changed = json!({ "summary": "Told by people who use it." });
    admin.patch("/v1/products/planx", changed).header("If-Match", "*").expect(200);
    let audits = desk.audits();
    assert_eq!(desk.run(&["seed"]).code(), 0);
    assert_eq!(desk.audits(), audits, "a second seeding leaves no trace");
    assert_eq!(read("/v1/products/planx").text("summary"), "Told by people who use it.");
}

#[test]
fn publiccode_files_come_and_go() {
    let desk = Desk::new();
    let file = "publiccodeYmlVersion: 0.2\nname: Signals\nurl: https://git.example.org/signals\nsoftwareVersion: 1.10\n\
        releaseDate: 2021-05-20\nplatforms: [web]\ncategories: [communications]\ndevelopmentStatus: stable\n\
        softwareType: standalone/web\ndescription:\n  nl: {shortDescription: Meldingen}\n  en:\n    \
        shortDescription: Routes reports about public space.\n    longDescription: >\n      \
        Residents report what is broken in the street and the system sends each report to the team that mends it. \
        It learns from earlier reports which team that is.\n    features: [Routing]\nlegal: {license: MPL-2.0}\n";
    let path = desk.file("signals.yml", file);
    let run = desk.import("products", "publiccode", &path);
    assert_eq!((run.code(), run.summary().as_str()), (0, "1 created, 0 changed, 0 unchanged, 0 refused"));
    assert_eq!(desk.import("products", "publiccode", &path).summary(), "0 created, 0 changed, 1 unchanged, 0 refused");
    let signals = desk.server.anonymous().get("/v1/products/signals").expect(200);
    assert_eq!((signals.text("softwareVersion"), signals.text("phase")), ("1.10", "live"));
    assert_eq!(signals.text("summary"), "Routes reports about public space.");

    let given = desk.server.anonymous().get("/v1/products/signals/publiccode").expect(200);
    assert_eq!(given.header("content-type"), Some("application/yaml"));
    let text = String::from_utf8(given.bytes.clone()).unwrap();
    for key in [
        "publiccodeYmlVersion:",
        "name:",
        "url:",
        "platforms:",
        "developmentStatus:",
        "softwareType:",
        "description:",
        "legal:",
        "maintenance:",
        "localisation:",
    ] {
        assert!(text.lines().any(|line| line.starts_with(key)), "no {key} in {text}");
    }
    let admin = desk.server.as_(&desk.server.admin());
    let put = |body: &str| admin.call("PUT", "/v1/products/signals/publiccode").body("application/yaml", body);
    let kept = put(&text).header("If-Match", given.etag()).expect(200);
    assert_eq!(kept["version"], signals["version"], "what was read and sent back changes nothing");
    let renamed =
        put(&text.replace("name: Signals", "name: Signals of the street")).header("If-Match", "*").expect(200);
    assert_eq!(renamed.text("name"), "Signals of the street");
    put(&text).expect(428);
    put(&text).header("If-Match", given.etag()).expect(412);
    put("name: [").header("If-Match", "*").expect(400);
    put("a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\n").header("If-Match", "*").expect(400);
    let bare = desk.server.add_product(product("Bare"));
    let refused = desk.server.anonymous().get(&format!("/v1/products/{}/publiccode", bare.id())).expect(409);
    assert!(refused.faults().iter().any(|fault| fault.starts_with("#/licence")), "{:?}", refused.faults());
}
