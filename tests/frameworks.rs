//! `/v1/frameworks`: OSCAL catalogs in and out without loss, and that what was published stays.

use db::Role;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::concurrency::{at_once, how_many};
use crate::support::client::Client;
use crate::support::{Answer, Server, catalog, council, framework};

/// A council that keeps frameworks.
struct Keeper<'s> {
    author: Client<'s>,
    steward: Client<'s>,
    server: &'s Server,
}

impl<'s> Keeper<'s> {
    fn new(server: &'s Server) -> Self {
        let hackney = server.add_organisation(council("Hackney"));
        Self {
            author: server.as_(&server.member(&hackney, Role::Contributor)),
            steward: server.as_(&server.member(&hackney, Role::Steward)),
            server,
        }
    }

    fn add(&self, edition: &str) -> Answer {
        self.author.post("/v1/frameworks", framework("hackney").with("edition", edition)).expect(201)
    }

    fn put(&self, framework: &Answer, catalog: &Value) -> Answer {
        let path = format!("{}/oscal", framework.header("location").unwrap());
        let put = self.author.call("PUT", &path).body("application/json", catalog.to_string());
        put.header("If-Match", "*").send()
    }

    fn oscal(&self, framework: &Answer) -> Value {
        self.author.get(&format!("{}/oscal", framework.header("location").unwrap())).expect(200).json
    }

    fn publish(&self, framework: &Answer) -> Answer {
        self.steward.call("POST", &format!("{}/publish", framework.header("location").unwrap())).send()
    }
}

/// With groups in groups, controls in controls, parameters, links, mappings and back matter.
fn nested() -> Value {
    let mut catalog = catalog();
    let root = &mut catalog["catalog"];
    root["params"] = json!([{ "id": "days", "label": "days", "values": ["7"] }]);
    root["back-matter"] = json!({ "resources": [{ "uuid": "1", "rlinks": [{ "href": "https://x.example/a" }] }] });
    root["groups"][0]["groups"] = json!([{ "title": "Without an id", "controls": [
        { "id": "access-2", "title": "Joiners", "params": [{ "id": "access-2_prm_1", "select": { "how-many": "one" } }],
          "links": [{ "href": "#access-1", "rel": "related" }],
          "parts": [
            { "id": "access-2_smt", "name": "statement", "prose": "Within {{ insert: param, days }}:", "parts": [
                { "id": "access-2_smt.a", "name": "item", "props": [{ "name": "label", "value": "a." }], "prose": "check who they are;" },
                { "id": "access-2_smt.b", "name": "item", "props": [{ "name": "label", "value": "b." }], "prose": "give what they need." },
            ] },
            { "id": "access-2_gdn", "name": "guidance", "prose": "Ask HR." },
          ],
          "controls": [{ "id": "access-2.1", "title": "Agency staff", "class": "enhancement" }] },
    ] }]);
    root["controls"] = json!([{ "id": "loose", "title": "Outside of groups" }]);
    catalog
}

#[test]
fn a_catalog_comes_out_as_it_went_in() {
    let server = Server::start();
    let keeper = Keeper::new(&server);
    let added = keeper.add("1.0");
    let path = added.header("location").unwrap();
    keeper.author.get(&format!("{path}/oscal")).expect(409);
    server.anonymous().get(path).expect(404);
    let put = keeper.put(&added, &nested());
    assert_eq!((put.status, put["controlCount"].as_i64()), (200, Some(4)), "{}", put.json);
    let out = keeper.oscal(&added);
    assert_eq!(out, nested());
    assert_eq!(keeper.put(&added, &out)["version"], put["version"], "the same again changes nothing");

    let controls = keeper.author.get(&format!("{path}/controls?limit=3")).expect(200);
    assert_eq!(controls.each("id"), ["access-2", "access-2.1", "access-1"]);
    let joiners = &controls["items"][0];
    assert_eq!(
        joiners["statement"],
        "Within {{ insert: param, days }}:\n\na. check who they are;\n\nb. give what they need."
    );
    assert_eq!(joiners["group"], json!({ "id": null, "label": null, "title": "Without an id" }));
    assert_eq!((&controls["items"][1]["parent"], &joiners["parent"]), (&json!("access-2"), &Value::Null));
    assert_eq!(
        (&controls["items"][2]["label"], &controls["items"][2]["group"]["id"]),
        (&json!("A1"), &json!("access"))
    );
    let rest = keeper.author.get(&controls.next().unwrap()).expect(200);
    assert_eq!((rest.each("id"), &rest["items"][0]["group"]), (vec!["loose"], &Value::Null));
    for (q, found) in
        [("LEAVERS", vec!["access-1"]), ("a1", vec!["access-1"]), ("check who", vec!["access-2"]), ("guidance", vec![])]
    {
        let answer = keeper.author.get(&format!("{path}/controls?q={}", q.replace(' ', "%20"))).expect(200);
        assert_eq!(answer.each("id"), found, "{q}");
    }
}

#[test]
fn an_id_that_is_used_twice_is_qualified_and_nothing_is_lost() {
    let server = Server::start();
    let keeper = Keeper::new(&server);
    let mut twice = catalog();
    let control = |title: &str| json!({ "id": "1", "title": title });
    twice["catalog"]["groups"] = json!([
        { "id": "a", "title": "A", "controls": [control("One"), control("Another")] },
        { "id": "b", "title": "B", "controls": [control("A third"), control("A fourth")] },
    ]);
    let added = keeper.add("1.0");
    assert_eq!(keeper.put(&added, &twice)["controlCount"], 4);
    let path = format!("{}/controls", added.header("location").unwrap());
    let controls = keeper.author.get(&path).expect(200);
    assert_eq!(controls.each("id"), ["1", "a.1", "b.1", "1-2"]);
    assert_eq!(controls.each("title"), ["One", "Another", "A third", "A fourth"]);
    assert_eq!((&controls["items"][0]["label"], &controls["items"][1]["label"]), (&Value::Null, &json!("1")));
    let out = keeper.oscal(&added);
    let again = keeper.add("1.1");
    assert_eq!(keeper.put(&again, &out).status, 200);
    assert_eq!(keeper.oscal(&again), out, "from then on it is the same");
}

#[test]
fn ids_that_are_used_often_or_are_long_cost_neither_time_nor_a_fault_of_ours() {
    let server = Server::start();
    let keeper = Keeper::new(&server);
    let long = "x".repeat(400);
    let nested = (0..6).fold(
        json!({ "id": long, "title": "Deep" }),
        |inner, _| json!({ "id": long, "title": "Deep", "controls": [inner] }),
    );
    let mut often = catalog();
    let same = json!({ "id": "1", "title": "Same", "props": [{ "name": "label", "value": "" }] });
    often["catalog"]["controls"] = std::iter::once(nested).chain(std::iter::repeat_n(same, 15_000)).collect();
    let added = keeper.add("1.0");
    let put = keeper.put(&added, &often);
    assert_eq!((put.status, put["controlCount"].as_i64()), (200, Some(15_008)), "{}", put.json);
    let out = keeper.oscal(&added);
    let again = keeper.add("1.1");
    assert_eq!(keeper.put(&again, &out).status, 200);
    assert_eq!(keeper.oscal(&again), out);
}

#[test]
fn what_is_no_catalog_is_refused_with_everything_that_is_wrong() {
    let server = Server::start();
    let keeper = Keeper::new(&server);
    let added = keeper.add("1.0");
    let wrong = json!({ "catalog": {
        "metadata": { "title": " ", "version": "1" },
        "groups": [{ "id": "a b", "title": "x".repeat(1001), "controls": [{ "title": "No id", "groups": [{ "title": "G" }] }] }],
    } });
    let refused = keeper.put(&added, &wrong);
    assert_eq!(refused.status, 400);
    assert_eq!(
        refused.faults(),
        [
            "#/catalog/groups/0/controls/0/groups unknown_field",
            "#/catalog/groups/0/controls/0/id required",
            "#/catalog/groups/0/id wrong_form",
            "#/catalog/groups/0/title too_long",
            "#/catalog/metadata/last-modified required",
            "#/catalog/metadata/oscal-version required",
            "#/catalog/metadata/title required",
            "#/catalog/uuid required",
        ]
    );
    for (body, fault) in [
        (json!({}), "#/catalog required"),
        (json!([]), "# wrong_type"),
        (json!({ "catalog": { "uuid": "1", "metadata": 3, "groups": {} } }), "#/catalog wrong_type"),
    ] {
        let refused = keeper.put(&added, &body);
        assert_eq!((refused.status, refused.faults()), (400, vec![fault.to_owned()]), "{body}");
    }
    let refused = keeper.put(&added, &json!({ "profile": {} }));
    assert_eq!(refused.faults(), ["#/catalog required", "#/profile unknown_field"]);
    let mut deep = json!({ "id": "deepest", "title": "Deep" });
    for level in 0..25 {
        deep = json!({ "id": format!("c{level}"), "title": "Deep", "controls": [deep] });
    }
    let mut catalog = catalog();
    catalog["catalog"]["controls"] = json!([deep]);
    let refused = keeper.put(&added, &catalog);
    assert!(refused.faults()[0].ends_with(" too_deep"), "{:?}", refused.faults());
    let text = format!("{{\"catalog\":{}1{}}}", "[".repeat(500), "]".repeat(500));
    let path = format!("{}/oscal", added.header("location").unwrap());
    let bent = keeper.author.call("PUT", &path).body("application/json", text).header("If-Match", "*").expect(400);
    assert_eq!(bent.faults().len(), 1);
    assert_eq!(keeper.author.get(added.header("location").unwrap()).expect(200)["controlCount"], 0);
}

#[test]
fn what_was_published_stays_and_is_followed_by_one_edition() {
    let server = Server::start();
    let keeper = Keeper::new(&server);
    let first = keeper.add("1.0");
    let path = first.header("location").unwrap().to_owned();
    let empty = keeper.publish(&first);
    assert_eq!((empty.status, empty.faults()), (409, vec!["#/controlCount empty".to_owned()]));
    assert_eq!(keeper.put(&first, &catalog()).status, 200);
    keeper.author.call("POST", &format!("{path}/publish")).expect(403);
    assert_eq!(keeper.publish(&first)["status"], "published");
    assert_eq!(server.anonymous().get(&path).expect(200)["edition"], "1.0");
    for refused in [
        keeper.put(&first, &nested()),
        keeper.author.patch(&path, json!({ "title": "Another" })).header("If-Match", "*").send(),
        keeper.author.delete(&path).header("If-Match", "*").send(),
        keeper.publish(&first),
    ] {
        assert_eq!((refused.status, refused.faults()), (409, vec!["#/status out_of_turn".to_owned()]));
    }
    let summary = json!({ "summary": "For councils." });
    keeper.author.patch(&path, summary).header("If-Match", "*").expect(200);
    for statement in [
        "update frameworks set title = 'Another'",
        "update frameworks set envelope = '{}'",
        "update frameworks set control_count = 9",
        "update frameworks set status = 'draft', published_at = null",
        "delete from frameworks",
        "update framework_items set title = 'Another'",
        "delete from framework_items",
        "insert into framework_items (framework_id, position, kind, item_id, title) select id, 99, 'control', 'x', 'X' from frameworks",
        "truncate framework_items",
    ] {
        let as_service = format!("set role loti_service; {statement}");
        assert!(server.database().refusal(&as_service).is_some(), "{statement}");
    }

    // Of several that would follow it, one does.
    let next: Vec<Answer> = (0..5)
        .map(|n| {
            let body = framework("hackney").with("edition", format!("2.{n}")).with("supersedes", first.text("slug"));
            let added = keeper.author.post("/v1/frameworks", body).expect(201);
            assert_eq!(keeper.put(&added, &catalog()).status, 200);
            added
        })
        .collect();
    let calls =
        next.iter().map(|added| keeper.steward.call("POST", &format!("{}/publish", added.header("location").unwrap())));
    let answers = at_once(calls.collect());
    assert_eq!((how_many(&answers, 200), how_many(&answers, 409)), (1, 4));
    let refused = answers.iter().find(|answer| answer.status == 409).unwrap();
    assert_eq!(refused.faults(), ["#/supersedes superseded_already"]);
    let earlier = server.anonymous().get(&path).expect(200);
    let winner = answers.iter().find(|answer| answer.status == 200).unwrap();
    assert_eq!((&earlier["status"], &earlier["supersededBy"]["edition"]), (&json!("superseded"), &winner["edition"]));
    let reason = json!({ "reason": "Taken back." });
    let withdrawn = keeper.steward.post(&format!("{path}/withdraw"), reason.clone()).expect(200);
    assert_eq!(withdrawn["status"], "withdrawn");
    keeper.steward.post(&format!("{path}/withdraw"), reason).expect(409);
    let listed = server.anonymous().get("/v1/frameworks?status=withdrawn&title=CYBER&organisation=hackney").expect(200);
    assert_eq!(listed.each("id"), [first.text("id")]);
    let unknown = framework("hackney").with("supersedes", "nothing");
    let refused = keeper.author.post("/v1/frameworks", unknown).expect(409);
    assert_eq!(refused.faults(), ["#/supersedes unknown_framework"]);
    assert_eq!(
        keeper.server.anonymous().get("/v1/frameworks").expect(200).each("id").len(),
        2,
        "drafts are for their keeper"
    );
}

/// A group or a control, with some members of each sort.
fn node(depth: u32) -> BoxedStrategy<Value> {
    let leaf = ("[a-c]{1,2}", "[A-C \"\\\\é]{0,6}", any::<bool>());
    let leaf = leaf.prop_map(|(id, title, parts)| {
        let mut node = json!({ "id": id, "title": format!("T{title}") });
        if parts {
            node["parts"] = json!([{ "name": "statement", "prose": title }]);
        }
        node
    });
    if depth == 0 {
        return leaf.boxed();
    }
    (leaf, prop::collection::vec(node(depth - 1), 0..3))
        .prop_map(|(mut node, controls)| {
            if !controls.is_empty() {
                node["controls"] = controls.into();
            }
            node
        })
        .boxed()
}

proptest! {
    #[test]
    fn what_is_read_and_written_is_a_fixed_point(
        controls in prop::collection::vec(node(2), 0..4),
        groups in prop::collection::vec((node(2), prop::collection::vec(node(1), 0..3)), 0..4),
    ) {
        let groups: Vec<Value> = groups.into_iter().map(|(mut group, groups)| {
            if !groups.is_empty() {
                group["groups"] = groups.into();
            }
            group
        }).collect();
        let mut document = catalog();
        for (name, nodes) in [("groups", groups), ("controls", controls)] {
            document["catalog"].as_object_mut().unwrap().remove(name);
            if !nodes.is_empty() {
                document["catalog"][name] = nodes.into();
            }
        }
        let once = there_and_back(&document);
        prop_assert_eq!(there_and_back(&once), once.clone());
        let count = |document: &Value| document.to_string().matches("\"title\"").count();
        prop_assert_eq!(count(&once), count(&document), "nothing is lost");
    }
}

fn there_and_back(document: &Value) -> Value {
    let read = api::oscal::catalog::read(document.to_string().as_bytes()).unwrap();
    let mut writer = api::oscal::write::Writer::new(Vec::new(), &read.envelope).unwrap();
    for item in &read.items {
        writer.item(item).unwrap();
    }
    serde_json::from_slice(&writer.finish().unwrap()).unwrap()
}
