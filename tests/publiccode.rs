//! `/v1/products/{id}/publiccode`: what a product says in the standard for public software, and back.

use db::Role;
use serde_json::{Value, json};

use crate::support::builders::Body;
use crate::support::client::{Call, Client};
use crate::support::operations::PUBLICCODE;
use crate::support::{Answer, Server, council, product, supplier};

const PATH: &str = "/v1/products/bins";
const FILE: &str = "/v1/products/bins/publiccode";
const YAML: &str = "application/yaml";

fn open_product() -> Body {
    product("Bins")
        .with("summary", "Says which bin goes out when.")
        .with("description", "Residents ask their voice assistant which bin goes out next. ".repeat(3).trim())
        .with("repository", "https://git.example.org/bins")
        .with("website", "https://bins.example.org")
        .with("licence", "MIT OR Apache-2.0")
        .with("softwareVersion", "1.10")
        .with("releaseDate", "2026-10-01")
        .with("categories", json!(["waste-management", "our-own"]))
        .with("platforms", json!(["web"]))
        .with("features", json!(["Reminders: weekly", "yes"]))
        .with("dependsOn", json!([{ "name": "PostgreSQL", "kind": "open", "versionMin": "15.0", "optional": true }]))
}

fn put<'s>(client: &Client<'s>, file: &str) -> Call<'s> {
    client.call("PUT", FILE).body(YAML, file).header("If-Match", "*")
}

fn text(answer: &Answer) -> &str {
    std::str::from_utf8(&answer.bytes).unwrap()
}

#[test]
fn is_written_from_what_is_recorded() {
    let server = Server::start();
    server.add_product(open_product());
    let file = server.anonymous().get(FILE).expect(200);
    assert_eq!(file.header("content-type"), Some(YAML));
    insta::assert_snapshot!(text(&file), @r#"
    # Written from what the LOTI API records of this product.
    # Not recorded there: who maintains it, and its languages. `maintenance` and `localisation` have the most careful
    # values that the standard permits; correct them before you publish this file.
    publiccodeYmlVersion: "0.5"
    name: Bins
    url: https://git.example.org/bins
    landingURL: https://bins.example.org
    softwareVersion: "1.10"
    releaseDate: "2026-10-01"
    platforms:
    - web
    categories:
    - waste-management
    developmentStatus: beta
    softwareType: standalone/web
    description:
      en:
        shortDescription: Says which bin goes out when.
        longDescription: >-
          Residents ask their voice assistant which bin goes out next. Residents ask
          their voice assistant which bin goes out next. Residents ask their voice assistant
          which bin goes out next.
        features:
        - "Reminders: weekly"
        - "yes"
    legal:
      license: MIT OR Apache-2.0
    maintenance:
      type: none
    localisation:
      localisationReady: false
      availableLanguages:
      - en
    dependsOn:
      open:
      - name: PostgreSQL
        versionMin: "15.0"
        optional: true
    "#);

    let parsed: Value = serde_saphyr::from_str(text(&file)).unwrap();
    assert_eq!(parsed["publiccodeYmlVersion"], "0.5", "text, and no number");
    assert_eq!((&parsed["softwareVersion"], &parsed["releaseDate"]), (&json!("1.10"), &json!("2026-10-01")));
    assert_eq!(parsed["description"]["en"]["features"], json!(["Reminders: weekly", "yes"]));
    assert_eq!(parsed["categories"], json!(["waste-management"]), "the standard knows no others");

    let again = server.anonymous().get(FILE).header("If-None-Match", file.etag()).expect(304);
    assert_eq!((again.etag(), again.bytes.len()), (file.etag(), 0));
    let by_id = format!("/v1/products/{}/publiccode", server.anonymous().get(PATH).expect(200).id());
    assert_eq!(text(&server.anonymous().get(&by_id).expect(200)), text(&file));
}

#[test]
fn is_not_made_up() {
    let server = Server::start();
    server.add_product(product("Bins"));
    let refused = server.anonymous().get(FILE).expect(409);
    assert_eq!(
        refused.faults(),
        [
            "#/description missing",
            "#/licence missing",
            "#/platforms missing",
            "#/repository missing",
            "#/summary missing"
        ]
    );
    let admin = server.as_(&server.admin());
    let rest = Value::from(open_product().with("licence", Value::Null));
    admin.patch(PATH, rest).header("If-Match", "*").expect(200);
    assert_eq!(server.anonymous().get(FILE).expect(409).faults(), ["#/licence missing"]);
}

#[test]
fn sent_back_as_it_was_read_it_changes_nothing() {
    // The second is in a phase and has a description that the standard cannot say.
    let variants = [
        open_product(),
        open_product().with("phase", "discovery").with("description", "Short.").with(
            "features",
            json!([
                "Reminds residents of the day before collection",
                "Tells them what goes into which bin",
                "Speaks Welsh",
                "Takes reports of bins that were missed",
                "Orders new bins"
            ]),
        ),
    ];
    for body in variants {
        let server = Server::start();
        let admin = server.as_(&server.admin());
        let added = server.add_product(body);
        let file = server.anonymous().get(FILE).expect(200);
        let kept = admin.call("PUT", FILE).body(YAML, file.bytes.clone()).if_match(&file).expect(200);
        assert_eq!(kept["version"], 1, "{}", text(&file));
        let read = server.anonymous().get(PATH).expect(200);
        for field in added.json.as_object().unwrap().keys().filter(|field| *field != "similar") {
            assert_eq!(read[field], added[field], "{field}");
        }
    }
}

#[test]
fn changes_what_it_speaks_of_and_keeps_the_rest() {
    let server = Server::start();
    server.add_organisation(council("Ealing"));
    let admin = server.as_(&server.admin());
    server.add_product(open_product().with("owner", "ealing").with("serviceCodes", json!(["524"])));
    let old = "publiccodeYmlVersion: 0.2\nname: Bin days\nurl: https://git.example.org/bins\nlandingURL: ''\n\
               softwareVersion: 2.10\nreleaseDate: 2026-11-01\nplatforms: web\ndevelopmentStatus: stable\n\
               localisation: {localisationReady: no, availableLanguages: [en]}\n\
               description:\n  it: {shortDescription: Bidoni}\n  eng: {shortDescription: Bins}\n  \
               en-GB:\n    shortDescription: |\n      Says which\n      bin.\n    features: [1.0, no]\n\
               legal: {license: AGPL-3.0-or-later, repoOwner: Ealing}\nit: {countryExtensionVersion: 0.2}\n";
    let changed = put(&admin, old).expect(200);
    assert_eq!(changed["version"], 2);
    assert_eq!((&changed["name"], &changed["slug"]), (&json!("Bin days"), &json!("bins")));
    assert_eq!((&changed["softwareVersion"], &changed["releaseDate"]), (&json!("2.10"), &json!("2026-11-01")));
    assert_eq!((&changed["phase"], &changed["developmentStatus"]), (&json!("live"), &json!("stable")));
    assert_eq!((&changed["summary"], &changed["description"]), (&json!("Says which bin."), &Value::Null));
    assert_eq!(changed["features"], json!(["1.0", "no"]), "as they are written");
    assert_eq!((&changed["website"], &changed["licence"]), (&Value::Null, &json!("AGPL-3.0-or-later")));
    assert_eq!((&changed["owner"]["slug"], &changed["serviceCodes"]), (&json!("ealing"), &json!(["524"])));
    assert_eq!(changed["categories"], json!(["our-own"]), "those that the standard has no word for stay");

    let new = "publiccodeYmlVersion: \"0.5\"\nname: Bin days\nurl: https://git.example.org/bins\nsoftwareVersion: \"1.10\"\n\
               platforms: [web, ios]\ncategories: [data-collection]\ndevelopmentStatus: stable\nsoftwareType: standalone/web\n\
               organisation: {uri: urn:x-loti, name: LOTI}\nfundedBy: []\n\
               description: {en: {shortDescription: Says which bin.}}\nlegal: {license: MIT}\n\
               maintenance: {type: none}\ndependsOn: {open: [{name: PostgreSQL, versionMin: 15.0}]}\n";
    let changed = put(&admin, new).expect(200);
    assert_eq!((&changed["softwareVersion"], &changed["platforms"]), (&json!("1.10"), &json!(["web", "ios"])));
    assert_eq!(changed["dependsOn"][0]["versionMin"], "15.0");
    assert_eq!(changed["categories"], json!(["data-collection", "our-own"]));
    assert_eq!(put(&admin, new).expect(200)["version"], changed["version"], "said twice is done once");
    let unquoted = put(&admin, &new.replace("\"1.10\"", "1.10")).expect(200);
    assert_eq!(unquoted["version"], changed["version"], "1.10 is 1.10 with quotes and without");
}

#[test]
fn what_cannot_be_kept_is_refused_where_it_stands() {
    let server = Server::start();
    let admin = server.as_(&server.admin());
    server.add_product(open_product());
    let faults = |file: &str| put(&admin, file).expect(400).faults();
    let with = |key: &str, value: &str| {
        let lines = PUBLICCODE.lines().filter(|line| !line.starts_with(&format!("{key}:")));
        lines.chain([format!("{key}: {value}").as_str()]).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(faults(&with("url", "git@example.org:bins")), ["#/url wrong_format"]);
    assert_eq!(faults(&with("name", "''")), ["#/name too_short"]);
    assert_eq!(faults(&with("legal", "{license: Ours}")), ["#/legal/license not_spdx"]);
    assert_eq!(faults(&with("developmentStatus", "done")), ["#/developmentStatus not_listed"]);
    assert_eq!(faults(&with("releaseDate", "yesterday")), ["#/releaseDate wrong_format"]);
    assert_eq!(faults(&with("platforms", "[web, ' ', \"\\x07\"]")), ["#/platforms/2 wrong_form"]);
    let two = with("legal", "{license: Ours}").replace("beta", "done");
    assert_eq!(faults(&two), ["#/developmentStatus not_listed", "#/legal/license not_spdx"]);

    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let items = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb = format!("{bomb}a{level}: &a{level} [{items}]\n");
    }
    let deep = format!("name: {}{}", "[".repeat(5_000), "]".repeat(5_000));
    for malformed in ["name: [open\nurl: x: y", "- a\n- b", "name: {a: b}", "name: a\nname: b", "\u{1}", &bomb, &deep] {
        let refused = put(&admin, malformed).expect(400);
        assert_eq!(refused.faults(), ["# malformed_yaml"], "{}", &malformed[..malformed.len().min(80)]);
    }
    for nothing in ["", "\n", "# name: Bins", "{}"] {
        assert_eq!(put(&admin, nothing).expect(400).faults(), ["# empty"], "{nothing:?}");
    }
    let refused = put(&admin, "name: Bins\nurl: [open\nlegal: x: y").expect(400);
    assert!(refused["errors"][0]["detail"].as_str().unwrap().contains("line "), "{}", refused.json);
    put(&admin, "name: \"a\\0b\"").expect(400);
    put(&admin, &with("name", "a\0b")).expect(400);
    let bytes = |bytes: &[u8]| admin.call("PUT", FILE).header("If-Match", "*").body(YAML, bytes);
    assert_eq!(bytes(b"name: B\xefns").expect(400).faults(), ["# not_utf8"]);
    bytes(b"\xff\xfen\0a\0m\0e\0").expect(400);
    bytes(b"").expect(400);
    put(&admin, &"x".repeat(2 * 1024 * 1024)).expect(413);
    for other in ["application/json", "text/plain", "application/x-www-form-urlencoded"] {
        put(&admin, PUBLICCODE).body(other, PUBLICCODE).expect(415);
    }
    assert_eq!(server.anonymous().get(PATH).expect(200)["version"], 1, "nothing of it was kept");
}

#[test]
fn is_sent_to_the_version_that_was_read_by_those_who_may() {
    let server = Server::start();
    let civica = server.add_organisation(supplier("Civica"));
    let capita = server.add_organisation(supplier("Capita"));
    server.add_product(open_product().with("supplier", "civica"));
    let own = server.as_(&server.member(&civica, Role::Contributor));
    let others = server.as_(&server.member(&capita, Role::Contributor));
    let file = server.anonymous().get(FILE).expect(200);
    own.call("PUT", FILE).body(YAML, PUBLICCODE).expect(428);
    put(&others, PUBLICCODE).expect(403);
    // A file is read before anything is looked up, so that no fault of it hides behind another.
    put(&others, "- no file").expect(400);
    put(&server.anonymous(), PUBLICCODE).expect(401);
    own.call("PUT", FILE).body(YAML, PUBLICCODE).if_match(&file).expect(200);
    own.call("PUT", FILE).body(YAML, PUBLICCODE).if_match(&file).expect(412);

    // A step back needs a reason, for which the file has no place.
    put(&own, &PUBLICCODE.replace("beta", "stable")).expect(200);
    assert_eq!(put(&own, PUBLICCODE).expect(409).faults(), ["#/developmentStatus required"]);
}
