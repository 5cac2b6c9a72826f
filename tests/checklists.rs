//! `/v1/checklists`: what a selection of controls means, OSCAL profiles both ways, and that what was published stays.

use db::Role;
use serde_json::{Value, json};

use crate::concurrency::{at_once, how_many};
use crate::support::client::Client;
use crate::support::{Answer, Server, catalog, checklist, council, framework, profile};

/// A council that keeps a published framework.
pub struct Keeper<'s> {
    pub author: Client<'s>,
    pub steward: Client<'s>,
}

impl<'s> Keeper<'s> {
    pub fn new(server: &'s Server) -> Self {
        let hackney = server.add_organisation(council("Hackney"));
        Self {
            author: server.as_(&server.member(&hackney, Role::Contributor)),
            steward: server.as_(&server.member(&hackney, Role::Steward)),
        }
    }

    /// A framework of a catalog, published.
    pub fn framework(&self, edition: &str, catalog: &Value) -> Answer {
        let added = self.author.post("/v1/frameworks", framework("hackney").with("edition", edition)).expect(201);
        let path = added.header("location").unwrap();
        let put = self.author.call("PUT", &format!("{path}/oscal")).body("application/json", catalog.to_string());
        put.header("If-Match", "*").expect(200);
        self.steward.call("POST", &format!("{path}/publish")).expect(200)
    }

    /// A checklist, published.
    pub fn checklist(&self, body: impl Into<Value>) -> Answer {
        let added = self.author.post("/v1/checklists", body).expect(201);
        self.steward.call("POST", &format!("{}/publish", added.header("location").unwrap())).expect(200)
    }

    fn controls(&self, checklist: &Answer) -> Vec<String> {
        let page = self.author.get(&format!("/v1/checklists/{}/controls?limit=100", checklist.text("id"))).expect(200);
        let items = page["items"].as_array().unwrap().iter();
        items.map(|item| item["control"]["id"].as_str().unwrap().to_owned()).collect()
    }
}

/// Two groups, one in the other, and a control with two in it.
pub fn larger() -> Value {
    let control = |id: &str| json!({ "id": id, "title": format!("Control {id}"), "parts": [{ "id": format!("{id}_smt"), "name": "statement", "prose": format!("It is {id}.") }] });
    let mut nested = control("ac-2");
    nested["controls"] = json!([control("ac-2.1"), control("ac-2.2")]);
    let mut larger = catalog();
    larger["catalog"]["params"] = json!([{ "id": "days", "label": "days" }]);
    larger["catalog"]["groups"] = json!([
        { "id": "ac", "title": "Access", "controls": [control("ac-1"), nested], "groups": [
            { "id": "ac-remote", "title": "Remote access", "controls": [control("ac-17")] },
        ] },
        { "id": "ir", "title": "Incidents", "controls": [control("ir-1"), control("ir-2")] },
    ]);
    larger
}

#[test]
fn a_selection_is_what_it_includes_less_what_it_excludes() {
    let server = Server::start();
    let keeper = Keeper::new(&server);
    let framework = keeper.framework("1.0", &larger());
    let all = ["ac-17", "ac-1", "ac-2", "ac-2.1", "ac-2.2", "ir-1", "ir-2"];
    for (include, exclude, expected) in [
        (json!([]), json!([]), &all[..]),
        (json!([{ "groups": ["ac"] }]), json!([]), &all[..5]),
        (json!([{ "groups": ["ac-remote"] }, { "ids": ["ir-1"] }]), json!([]), &["ac-17", "ir-1"]),
        (json!([{ "ids": ["ac-2"] }]), json!([]), &["ac-2"]),
        (json!([{ "ids": ["ac-2"], "withChildControls": true }]), json!([]), &["ac-2", "ac-2.1", "ac-2.2"]),
        (json!([{ "matching": ["ac-2.?", "*-1"] }]), json!([]), &["ac-1", "ac-2.1", "ac-2.2", "ir-1"]),
        (json!([]), json!([{ "groups": ["ac"] }]), &["ir-1", "ir-2"]),
        (json!([{ "groups": ["ac"] }]), json!([{ "ids": ["ac-2"], "withChildControls": true }]), &["ac-17", "ac-1"]),
    ] {
        let body =
            checklist("hackney", framework.text("slug")).with("include", include.clone()).with("exclude", exclude);
        let added = keeper.author.post("/v1/checklists", body).expect(201);
        assert_eq!(keeper.controls(&added), expected, "{include}");
        assert_eq!(added["controlCount"], expected.len());
    }
    let wrong = checklist("hackney", framework.text("slug"))
        .with("include", json!([{ "ids": ["ac-1", "ac"], "groups": ["ac-1", "none"] }]))
        .with("controls", json!([{ "control": "none" }, { "control": "ac-1" }, { "control": "ac-1" }]));
    let refused = keeper.author.post("/v1/checklists", wrong).expect(409);
    assert_eq!(
        refused.faults(),
        [
            "#/controls/0/control unknown_control",
            "#/controls/2/control repeated",
            "#/include/0/groups/0 unknown_control",
            "#/include/0/groups/1 unknown_control",
            "#/include/0/ids/1 unknown_control",
        ]
    );
    let outside = checklist("hackney", framework.text("slug"))
        .with("include", json!([{ "groups": ["ir"] }]))
        .with("controls", json!([{ "control": "ac-1", "weight": 3 }]));
    let refused = keeper.author.post("/v1/checklists", outside).expect(409);
    assert_eq!(refused.faults(), ["#/controls/0/control not_selected"]);
    let draft = keeper.author.post("/v1/frameworks", self::framework("hackney").with("edition", "2.0")).expect(201);
    let refused = keeper.author.post("/v1/checklists", checklist("hackney", draft.text("slug"))).expect(409);
    assert_eq!(refused.faults(), ["#/framework not_published"]);
}

#[test]
fn patterns_do_not_keep_the_service_busy() {
    let server = Server::start();
    let keeper = Keeper::new(&server);
    let mut many = catalog();
    let long = "a".repeat(300);
    let controls = (0..3000).map(|n| json!({ "id": format!("{long}{n}"), "title": "Long" }));
    many["catalog"]["controls"] = controls.collect();
    let framework = keeper.framework("1.0", &many);
    let pattern = "a*".repeat(150) + "b";
    let include = |patterns: usize| json!([{ "matching": vec![pattern.as_str(); patterns] }]);
    let body = |patterns| checklist("hackney", framework.text("slug")).with("include", include(patterns));
    let refused = keeper.author.post("/v1/checklists", body(90)).expect(409);
    assert_eq!(refused.faults(), ["#/include/0/matching/0 too_complex"]);
}

#[test]
fn what_is_said_of_a_draft_changes_and_what_was_published_stays() {
    let server = Server::start();
    let keeper = Keeper::new(&server);
    let framework = keeper.framework("1.0", &larger());
    let body = checklist("hackney", framework.text("slug"))
        .with("appliesTo", json!(["local_authority", "nhs"]))
        .with("dueEveryMonths", 12)
        .with("parameters", json!([{ "parameter": "days", "values": ["7"] }]))
        .with("controls", json!([{ "control": "ac-1", "guidance": "Ask HR.", "weight": 3 }]));
    let added = keeper.author.post("/v1/checklists", body).expect(201);
    let path = added.header("location").unwrap();
    server.anonymous().get(path).expect(404);
    let changed = keeper
        .author
        .patch(path, json!({ "dueEveryMonths": null, "exclude": [{ "ids": ["ir-2"] }], "scoring": "weighted" }))
        .if_match(&added)
        .expect(200);
    assert_eq!((changed["controlCount"].as_i64(), &changed["dueEveryMonths"]), (Some(6), &Value::Null));
    let same = keeper.author.patch(path, json!({ "scoring": "weighted" })).if_match(&changed).expect(200);
    assert_eq!(same["version"], changed["version"], "the same again changes nothing");
    let controls = keeper.author.get(&format!("{path}/controls")).expect(200);
    let first = controls["items"].as_array().unwrap().iter().find(|item| item["control"]["id"] == "ac-1").unwrap();
    assert_eq!((&first["guidance"], &first["weight"]), (&json!("Ask HR."), &json!(3)));
    assert_eq!(
        (&first["control"]["statement"], &first["control"]["group"]["id"]),
        (&json!("It is ac-1."), &json!("ac"))
    );
    keeper.author.call("POST", &format!("{path}/publish")).expect(403);
    keeper.steward.call("POST", &format!("{path}/publish")).expect(200);
    for refused in [
        keeper.author.patch(path, json!({ "scoring": "all_met" })).header("If-Match", "*").send(),
        keeper.author.patch(path, json!({ "controls": [] })).header("If-Match", "*").send(),
        keeper.author.delete(path).header("If-Match", "*").send(),
    ] {
        assert_eq!((refused.status, refused.faults()), (409, vec!["#/status out_of_turn".to_owned()]));
    }
    keeper.author.patch(path, json!({ "summary": "Yearly." })).header("If-Match", "*").expect(200);
    for statement in [
        "update checklists set scoring = 'graded'",
        "update checklists set included = '[{}]'",
        "update checklists set control_count = 1",
        "update checklists set status = 'draft', published_at = null",
        "delete from checklists",
        "update checklist_controls set weight = 9",
        "delete from checklist_controls",
        "insert into checklist_controls (checklist_id, framework_id, position, control_id)
           select checklist_id, framework_id, 7, 'x' from checklist_controls limit 1",
        "truncate checklist_controls",
        "truncate checklists cascade",
    ] {
        assert!(server.database().refusal(&format!("set role loti_service; {statement}")).is_some(), "{statement}");
    }
    let found = server.anonymous().get("/v1/checklists?appliesTo=nhs&title=BASELINE").expect(200);
    assert_eq!(found.each("id"), [added.text("id")]);
    assert!(server.anonymous().get("/v1/checklists?appliesTo=utility").expect(200).each("id").is_empty());

    // Of several that would follow it, one does.
    let next: Vec<Answer> = (0..5)
        .map(|n| {
            let body = checklist("hackney", framework.text("slug")).with("edition", format!("2.{n}"));
            keeper.author.post("/v1/checklists", body.with("supersedes", added.text("slug"))).expect(201)
        })
        .collect();
    let calls =
        next.iter().map(|next| keeper.steward.call("POST", &format!("{}/publish", next.header("location").unwrap())));
    let answers = at_once(calls.collect());
    assert_eq!((how_many(&answers, 200), how_many(&answers, 409)), (1, 4));
    assert_eq!(server.anonymous().get(path).expect(200)["status"], "superseded");
}

#[test]
fn a_profile_comes_out_as_it_went_in() {
    let server = Server::start();
    let keeper = Keeper::new(&server);
    let framework = keeper.framework("1.0", &larger());
    let added = keeper.author.post("/v1/checklists", checklist("hackney", framework.text("slug"))).expect(201);
    let path = format!("{}/oscal", added.header("location").unwrap());
    let put = |body: &Value| {
        keeper.author.call("PUT", &path).body("application/json", body.to_string()).header("If-Match", "*").send()
    };
    let ours = "https://api.loti.example/ns/oscal";
    let mut sent = profile();
    sent["profile"]["metadata"]["props"] = json!([
        { "name": "keywords", "value": "baseline" },
        { "name": "scoring", "ns": ours, "value": "weighted" },
        { "name": "due-months", "ns": ours, "value": "6" },
        { "name": "applies-to", "ns": ours, "value": "nhs" },
    ]);
    sent["profile"]["imports"] = json!([{ "href": "#catalog",
        "include-controls": [{ "with-child-controls": "no", "with-ids": ["ac-1", "ac-2"] }, { "matching": [{ "pattern": "ir-*" }] }],
        "exclude-controls": [{ "with-ids": ["ir-2"] }] }]);
    sent["profile"]["merge"] = json!({ "combine": { "method": "keep" }, "as-is": true });
    sent["profile"]["back-matter"] =
        json!({ "resources": [{ "uuid": "1", "rlinks": [{ "href": "https://x.example" }] }] });
    sent["profile"]["modify"] = json!({
        "set-parameters": [{ "param-id": "days", "values": ["7"], "remarks": "A week." }],
        "alters": [
            { "control-id": "ac-1", "removes": [{ "by-name": "guidance" }] },
            { "control-id": "ac-2", "adds": [{ "position": "ending", "props": [{ "name": "weight", "ns": ours, "value": "4" }],
                "parts": [{ "name": "guidance", "ns": ours, "prose": "Ask HR." }] }] },
        ],
    });
    let kept = put(&sent);
    assert_eq!((kept.status, kept["controlCount"].as_i64()), (200, Some(3)), "{}", kept.json);
    assert_eq!(
        (&kept["scoring"], &kept["dueEveryMonths"], &kept["appliesTo"]),
        (&json!("weighted"), &json!(6), &json!(["nhs"]))
    );
    assert_eq!(kept["parameters"], json!([{ "parameter": "days", "values": ["7"] }]));
    let out = keeper.author.get(&path).expect(200).json;
    assert_eq!(out, sent);
    assert_eq!(put(&out)["version"], kept["version"], "the same again changes nothing");

    // One of others, which says nothing of scoring, comes out as it came.
    let plain = checklist("hackney", framework.text("slug")).with("edition", "3.0");
    let plain = keeper.author.post("/v1/checklists", plain).expect(201);
    let plain_path = format!("{}/oscal", plain.header("location").unwrap());
    let foreign = keeper.author.call("PUT", &plain_path).body("application/json", profile().to_string());
    foreign.header("If-Match", "*").expect(200);
    assert_eq!(keeper.author.get(&plain_path).expect(200).json, profile());

    // One that was made here, with groups, becomes a fixed point.
    let body = checklist("hackney", framework.text("slug"))
        .with("edition", "2.0")
        .with("include", json!([{ "groups": ["ac"] }]));
    let made = keeper
        .author
        .post("/v1/checklists", body.with("controls", json!([{ "control": "ac-2", "weight": 2 }])))
        .expect(201);
    let made_path = format!("{}/oscal", made.header("location").unwrap());
    let first = keeper.author.get(&made_path).expect(200).json;
    assert_eq!(first["profile"]["imports"][0]["include-controls"][0]["with-ids"].as_array().unwrap().len(), 5);
    let put = keeper
        .author
        .call("PUT", &made_path)
        .body("application/json", first.to_string())
        .header("If-Match", "*")
        .expect(200);
    assert_eq!(keeper.author.get(&made_path).expect(200).json, first);
    assert_eq!(put["controlCount"], made["controlCount"]);
}

#[test]
fn what_is_no_profile_is_refused_with_everything_that_is_wrong() {
    let server = Server::start();
    let keeper = Keeper::new(&server);
    let framework = keeper.framework("1.0", &larger());
    let added = keeper.author.post("/v1/checklists", checklist("hackney", framework.text("slug"))).expect(201);
    let path = format!("{}/oscal", added.header("location").unwrap());
    let put =
        |body: &str| keeper.author.call("PUT", &path).body("application/json", body).header("If-Match", "*").send();
    let mut wrong = profile();
    let ours = "https://api.loti.example/ns/oscal";
    wrong["profile"]["uuid"] = json!(3);
    wrong["profile"]["metadata"] = json!({ "title": "T", "props": [
        { "name": "scoring", "ns": ours, "value": "by_feeling" }, { "name": "due-months", "ns": ours, "value": "0" },
        { "name": "applies-to", "ns": ours, "value": "everybody" }, { "name": "mood", "ns": ours, "value": "good" } ] });
    wrong["profile"]["imports"] =
        json!([{ "include-all": {}, "include-controls": [{ "with-ids": [] }, { "with-ids": ["ac-1"] }] }]);
    wrong["profile"]["modify"] = json!({ "set-parameters": [{ "values": ["7"] }], "alters": [
        { "control-id": "ac-1", "adds": [{ "props": [{ "name": "weight", "ns": ours, "value": "1000" }] }] } ] });
    let refused = put(&wrong.to_string());
    assert_eq!(
        (refused.status, refused.faults()),
        (
            400,
            [
                "#/profile/imports/0/href required",
                "#/profile/imports/0/include-all contradictory",
                "#/profile/imports/0/include-controls/0 wrong_form",
                "#/profile/metadata/last-modified required",
                "#/profile/metadata/oscal-version required",
                "#/profile/metadata/props not_listed",
                "#/profile/metadata/props/0/value not_listed",
                "#/profile/metadata/props/1/value out_of_range",
                "#/profile/metadata/props/3/value not_listed",
                "#/profile/metadata/version required",
                "#/profile/modify/alters/0 wrong_form",
                "#/profile/modify/set-parameters/0/param-id required",
                "#/profile/uuid required",
            ]
            .map(ToOwned::to_owned)
            .to_vec()
        )
    );
    for (body, fault) in [
        ("{}", "#/profile required"),
        ("[]", "#/profile required"),
        ("{", "# malformed_json"),
        ("{\"profile\": []}", "#/profile required"),
    ] {
        let refused = put(body);
        assert_eq!((refused.status, refused.faults()), (400, vec![fault.to_owned()]), "{body}");
    }
    let mut two = profile();
    two["profile"]["imports"] = json!([{ "href": "#a" }, { "href": "#b" }]);
    assert_eq!(put(&two.to_string()).faults(), ["#/profile/imports too_many"]);
    let mut elsewhere = profile();
    elsewhere["profile"]["imports"] = json!([{ "href": "#a", "include-controls": [{ "with-ids": ["zz-1"] }] }]);
    let refused = put(&elsewhere.to_string());
    assert_eq!((refused.status, refused.faults()), (409, vec!["#/include/0/ids/0 unknown_control".to_owned()]));
}

#[test]
fn controls_relate_to_those_of_other_frameworks() {
    let server = Server::start();
    let keeper = Keeper::new(&server);
    let (one, other) = (keeper.framework("1.0", &catalog()), keeper.framework("2.0", &larger()));
    let path = format!("/v1/frameworks/{}/mappings", one.text("id"));
    let put = |mappings: Value| {
        let body = json!({ "mappings": mappings });
        keeper.author.call("PUT", &path).body("application/json", body.to_string()).header("If-Match", "*").send()
    };
    let mapping = |relationship: &str, target: &str| {
        json!({
            "control": "access-1", "relationship": relationship, "target": other.text("slug"), "targetControl": target,
        })
    };
    let first = put(json!([mapping("superset", "ac-2"), mapping("intersects", "ac-1"), mapping("equal", "ac-17")]));
    assert_eq!(first.status, 200, "{}", first.json);
    let again = put(json!([mapping("equal", "ac-17"), mapping("superset", "ac-2"), mapping("intersects", "ac-1")]));
    assert_eq!(again["version"], first["version"], "the same again changes nothing");
    let listed = server.anonymous().get(&format!("{path}?limit=2")).expect(200);
    let rest = server.anonymous().get(&listed.next().unwrap()).expect(200);
    let relations = |answer: &Answer| -> Vec<String> {
        let items = answer["items"].as_array().unwrap().iter();
        items
            .map(|item| {
                format!("{} {}", item["relationship"].as_str().unwrap(), item["targetControl"].as_str().unwrap())
            })
            .collect()
    };
    assert_eq!([relations(&listed), relations(&rest)].concat(), ["intersects ac-1", "equal ac-17", "superset ac-2"]);
    let back = format!("/v1/frameworks/{}/mappings?control=ac-2&with={}", other.text("id"), one.text("slug"));
    assert_eq!(relations(&server.anonymous().get(&back).expect(200)), ["superset ac-2"]);
    let refused = put(json!([
        { "control": "none", "relationship": "equal", "target": other.text("slug"), "targetControl": "none" },
        { "control": "access-1", "relationship": "equal", "target": other.text("id"), "targetControl": "ac-1" },
        { "control": "access-1", "relationship": "subset", "target": other.text("slug"), "targetControl": "ac-1" },
    ]));
    assert_eq!(
        refused.faults(),
        [
            "#/mappings/0/control unknown_control",
            "#/mappings/0/targetControl unknown_control",
            "#/mappings/2/targetControl repeated"
        ]
    );
    let itself = put(
        json!([{ "control": "access-1", "relationship": "equal", "target": one.text("slug"), "targetControl": "access-1" }]),
    );
    assert_eq!((itself.status, itself.faults()), (409, vec!["#/mappings/0/target unknown_framework".to_owned()]));
    let draft = keeper.author.post("/v1/frameworks", framework("hackney").with("edition", "3.0")).expect(201);
    let of_draft = put(
        json!([{ "control": "access-1", "relationship": "equal", "target": draft.text("slug"), "targetControl": "x" }]),
    );
    assert_eq!(of_draft.faults(), ["#/mappings/0/target unknown_framework"]);
}
