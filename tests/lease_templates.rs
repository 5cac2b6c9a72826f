//! `/v1/lease-templates`: what their texts may say, and how versions become what everybody uses.

use api::lease::compare::{Budget, Edit, words};
use api::lease::numbering::numbers;
use api::lease::text::{self, Part};
use api::lease::values::{self, Value as Filled};
use db::Role;
use db::lease_templates::content::{Condition, Operator, Variable, VariableKind};
use db::types::Json;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::concurrency::{at_once, how_many};
use crate::support::client::Client;
use crate::support::{Answer, Server, council, lease_template, supplier};

/// Three councils, and a template that the first keeps.
struct Peers<'s> {
    author: Client<'s>,
    stewards: Vec<Client<'s>>,
    template: String,
}

impl<'s> Peers<'s> {
    fn new(server: &'s Server) -> Self {
        let names = ["Hackney", "Camden", "Barnet"];
        let councils: Vec<Answer> = names.iter().map(|name| server.add_organisation(council(name))).collect();
        let author = server.as_(&server.member(&councils[0], Role::Contributor));
        let stewards = councils.iter().map(|council| server.as_(&server.member(council, Role::Steward))).collect();
        let added = author.post("/v1/lease-templates", lease_template("hackney")).expect(201);
        Self { author, stewards, template: added.header("location").unwrap().to_owned() }
    }

    fn path(&self, rest: &str) -> String {
        format!("{}/versions{rest}", self.template)
    }

    fn put(&self, number: &str, part: &str, content: impl Into<Value>) -> Answer {
        let path = self.path(&format!("/{number}/{part}"));
        let body = json!({ part: content.into() }).to_string();
        self.author.call("PUT", &path).body("application/json", body).header("If-Match", "*").send()
    }

    /// A draft with a clause on the term and one on the end.
    fn draft(&self, number: &str) -> Answer {
        let begun = self.author.post(&self.path(""), json!({ "number": number })).expect(201);
        if begun["basedOn"].is_null() {
            assert_eq!(self.put(number, "variables", variables()).status, 200);
            assert_eq!(self.put(number, "clauses", clauses()).status, 200);
        }
        begun
    }

    fn act(&self, who: &Client<'s>, number: &str, action: &str) -> Answer {
        who.call("POST", &self.path(&format!("/{number}/{action}"))).send()
    }

    fn approve(&self, who: usize, number: &str) -> Answer {
        let read = self.stewards[who].get(&self.path(&format!("/{number}"))).expect(200);
        let organisation = ["hackney", "camden", "barnet"][who];
        let body = json!({ "organisation": organisation, "contentSha256": read["contentSha256"] });
        self.stewards[who].post(&self.path(&format!("/{number}/approve")), body).send()
    }

    fn publish(&self, number: &str) -> Answer {
        self.draft(number);
        assert_eq!(self.act(&self.author, number, "submit").status, 200);
        assert_eq!(self.approve(1, number).status, 200);
        assert_eq!(self.approve(2, number).status, 200);
        let published = self.act(&self.stewards[0], number, "publish");
        assert_eq!(published.status, 200, "{}", published.json);
        published
    }
}

fn variables() -> Value {
    json!([
        { "name": "term", "label": "How long it lasts", "kind": "duration", "required": true, "minimum": "P1Y", "maximum": "P20Y" },
        { "name": "rent", "label": "Rent a year", "kind": "money" },
    ])
}

fn clauses() -> Value {
    json!([
        { "id": "rights", "heading": "Rights", "body": "", "kind": "fixed" },
        { "id": "term", "parent": "rights", "heading": "Term", "body": "It lasts {{ term }}, subject to clause {{ clause(\"end\") }}.", "kind": "fixed" },
        { "id": "end", "heading": "End", "body": "Either party ends it.", "kind": "negotiable", "note": "How it ends." },
        { "id": "rent", "heading": "Rent", "body": "The rent is {{ rent }}.", "kind": "optional",
          "conditions": [{ "variable": "term", "operator": "greater_than", "value": "P10Y" }] },
    ])
}

#[test]
fn a_version_goes_from_draft_through_review_to_be_superseded_and_withdrawn() {
    let server = Server::start();
    let peers = Peers::new(&server);
    peers.draft("1.0.0");
    let one = peers.path("/1.0.0");
    assert_eq!(peers.act(&peers.author, "1.0.0", "publish").status, 403, "a contributor does not publish");
    let early = peers.act(&peers.stewards[0], "1.0.0", "publish");
    assert_eq!((early.status, early.faults()), (409, vec!["#/status out_of_turn".to_owned()]));

    let submitted = peers.act(&peers.author, "1.0.0", "submit");
    assert_eq!((submitted.status, submitted["status"].as_str()), (200, Some("in_review")));
    let digest = submitted.text("contentSha256").to_owned();
    let body = json!({ "organisation": "hackney", "contentSha256": digest });
    peers.author.post(&format!("{one}/approve"), body).expect(403);
    let wrong = json!({ "organisation": "camden", "contentSha256": "0".repeat(64) });
    let other = peers.stewards[1].post(&format!("{one}/approve"), wrong).expect(409);
    assert_eq!(other.faults(), ["#/contentSha256 changed"]);
    let foreign = json!({ "organisation": "barnet", "contentSha256": digest });
    peers.stewards[1].post(&format!("{one}/approve"), foreign).expect(403);

    assert_eq!(peers.approve(1, "1.0.0").status, 200);
    let twice = peers.approve(1, "1.0.0");
    assert_eq!((twice.status, twice.faults()), (409, vec!["# approved_already".to_owned()]));
    let alone = peers.act(&peers.stewards[0], "1.0.0", "publish");
    assert_eq!((alone.status, alone.faults()), (409, vec!["#/approvals not_approved".to_owned()]));

    // What is given back is approved no more, and what is submitted anew has another digest.
    let back = json!({ "reason": "Say how the rent rises." });
    let back = peers.stewards[2].post(&format!("{one}/return"), back).expect(200);
    assert_eq!((back["status"].as_str(), back["approvals"].as_array().unwrap().len()), (Some("draft"), 0));
    assert_eq!(back["statusReason"], "Say how the rent rises.");
    let mut changed = clauses();
    changed[3]["body"] = "The rent is {{ rent }} and rises each year.".into();
    assert_eq!(peers.put("1.0.0", "clauses", changed).status, 200);
    let submitted = peers.act(&peers.author, "1.0.0", "submit");
    assert_ne!(submitted.text("contentSha256"), digest);
    assert_eq!((peers.approve(1, "1.0.0").status, peers.approve(2, "1.0.0").status), (200, 200));
    let published = peers.act(&peers.stewards[0], "1.0.0", "publish");
    assert_eq!((published.status, published["status"].as_str()), (200, Some("published")));
    let seen = server.anonymous().get(&peers.template).expect(200);
    assert_eq!(seen["currentVersion"], "1.0.0");

    peers.publish("1.1.0");
    let first = server.anonymous().get(&one).expect(200);
    assert_eq!(first["status"], "superseded");
    let second = server.anonymous().get(&peers.path("/1.1.0")).expect(200);
    assert_eq!(second["basedOn"]["number"], "1.0.0");
    assert_eq!(second["contentSha256"], first["contentSha256"], "a copy says the same");

    // A lower number is not the one to use any more.
    peers.draft("1.0.1");
    assert_eq!(peers.act(&peers.author, "1.0.1", "submit").status, 200);
    assert_eq!((peers.approve(1, "1.0.1").status, peers.approve(2, "1.0.1").status), (200, 200));
    let lower = peers.act(&peers.stewards[0], "1.0.1", "publish");
    assert_eq!((lower.status, lower.faults()), (409, vec!["#/number not_higher".to_owned()]));

    let reason = json!({ "reason": "The code has changed." });
    let withdrawn = peers.stewards[0].post(&peers.path("/1.1.0/withdraw"), reason).expect(200);
    assert_eq!((withdrawn.text("status"), withdrawn.text("statusReason")), ("withdrawn", "The code has changed."));
    assert!(server.anonymous().get(&peers.template).expect(200)["currentVersion"].is_null());
    peers.publish("1.2.0");
    let numbers = server.anonymous().get(&peers.path("")).expect(200);
    let numbers: Vec<&str> =
        numbers["items"].as_array().unwrap().iter().map(|it| it["number"].as_str().unwrap()).collect();
    assert_eq!(numbers, ["1.2.0", "1.1.0", "1.0.0"], "what is under review is for public bodies");
}

#[test]
fn drafts_are_for_who_keeps_them_and_reviews_for_public_bodies() {
    let server = Server::start();
    let peers = Peers::new(&server);
    let vendor = server.add_organisation(supplier("Civica"));
    let vendor = server.as_(&server.member(&vendor, Role::Admin));
    let others = [server.anonymous(), vendor.clone(), peers.stewards[1].clone()];
    peers.draft("1.0.0");
    let paths: Vec<String> =
        ["", "/1.0.0", "/1.0.0/clauses", "/1.0.0/variables"].iter().map(|rest| peers.path(rest)).collect();
    let seen = |client: &Client<'_>, status: u16| {
        for path in paths.iter().chain([&peers.template]) {
            assert_eq!(client.get(path).send().status, status, "{path}");
        }
        let compared = format!("{}/compare?from=1.0.0&to=1.0.0", peers.template);
        assert_eq!(client.get(&compared).send().status, status);
        let listed = client.get("/v1/lease-templates?count=true").send();
        if listed.status == 200 {
            assert_eq!(listed["items"].as_array().unwrap().len(), usize::from(status == 200));
        }
    };
    for client in &others {
        seen(client, 404);
    }
    seen(&peers.author, 200);
    assert_eq!(peers.act(&peers.author, "1.0.0", "submit").status, 200);
    for client in &others[..2] {
        seen(client, 404);
    }
    seen(&others[2], 200);
    assert_eq!((peers.approve(1, "1.0.0").status, peers.approve(2, "1.0.0").status), (200, 200));
    assert_eq!(peers.act(&peers.stewards[0], "1.0.0", "publish").status, 200);
    for client in &others {
        seen(client, 200);
    }
    // The next draft of what everybody sees is nobody else's.
    peers.draft("2.0.0");
    for client in &others {
        client.get(&peers.path("/2.0.0")).expect(404);
        let listed = client.get(&peers.path("")).expect(200);
        assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    }
    peers.stewards[1].post(&peers.path(""), json!({ "number": "3.0.0" })).expect(403);
}

#[test]
fn what_was_submitted_is_not_changed_by_sql_either() {
    let server = Server::start();
    let peers = Peers::new(&server);
    peers.publish("1.0.0");
    for change in [
        "update lease_clauses set body = 'Another.'",
        "update lease_clauses set position = position + 100",
        "delete from lease_clauses",
        "insert into lease_clauses select version_id, 'more', 9, null, heading, body, kind, note, conditions from lease_clauses limit 1",
        "update lease_variables set maximum = 'P99Y'",
        "delete from lease_variables",
        "update lease_template_versions set notes = 'Another.'",
        "update lease_template_versions set major = 9",
        "update lease_template_versions set content_sha256 = repeat('0', 64)",
        "update lease_template_versions set published_at = now() - interval '1 year'",
        "update lease_template_versions set status = 'draft', content_sha256 = null, submitted_at = null, published_at = null",
        "update lease_template_versions set status = 'in_review', published_at = null",
        "update lease_template_versions set submitted_by = gen_random_uuid()",
        "delete from lease_template_versions",
        "delete from lease_templates",
        "delete from lease_approvals",
        "update lease_approvals set content_sha256 = repeat('0', 64)",
        "truncate lease_clauses, lease_variables, lease_approvals, lease_templates, lease_template_versions",
    ] {
        let refused = server.database().refusal(&format!("set role loti_service; {change}"));
        assert!(refused.is_some(), "{change}");
    }
    let kept = server.anonymous().get(&peers.path("/1.0.0/clauses")).expect(200);
    assert_eq!(kept["clauses"][1]["body"], clauses()[1]["body"]);
    // Nothing is published that too few approved, whoever writes.
    peers.draft("2.0.0");
    assert_eq!(peers.act(&peers.author, "2.0.0", "submit").status, 200);
    let forced = "update lease_template_versions set status = 'superseded' where status = 'published';
                  update lease_template_versions set status = 'published', published_at = now() where status = 'in_review'";
    assert_eq!(server.database().refusal(forced).as_deref(), Some("0 of 2 approvals"));
}

#[test]
fn of_many_approvals_and_publications_at_once_one_each_counts() {
    let server = Server::start();
    let peers = Peers::new(&server);
    peers.draft("1.0.0");
    let submitted = peers.act(&peers.author, "1.0.0", "submit");
    let camden = server.anonymous().get("/v1/organisations/camden").expect(200);
    let more = server.as_(&server.member(&camden, Role::Steward));
    let (camden, barnet) = (&peers.stewards[1], &peers.stewards[2]);
    let both = [(camden, "camden"), (&more, "camden"), (camden, "camden"), (barnet, "barnet"), (barnet, "barnet")];
    let approve = both.map(|(client, organisation)| {
        let body = json!({ "organisation": organisation, "contentSha256": submitted["contentSha256"] });
        client.post(&peers.path("/1.0.0/approve"), body)
    });
    let answers = at_once(approve.into());
    assert_eq!((how_many(&answers, 200), how_many(&answers, 409)), (2, 3));
    let publish = |_| peers.stewards[0].call("POST", &peers.path("/1.0.0/publish"));
    let answers = at_once((0..6).map(publish).collect());
    assert_eq!((how_many(&answers, 200), how_many(&answers, 409)), (1, 5));
    let version = server.anonymous().get(&peers.path("/1.0.0")).expect(200);
    assert_eq!(version["approvals"].as_array().unwrap().len(), 2);
}

#[test]
fn what_is_under_review_is_what_was_submitted_whoever_writes_meanwhile() {
    let server = Server::start();
    let peers = Peers::new(&server);
    for round in 0..5 {
        let number = format!("{round}.0.0");
        peers.draft(&number);
        let mut other = clauses();
        other[2]["body"] = format!("Another end, {round}.").into();
        let put = |_| {
            let path = peers.path(&format!("/{number}/clauses"));
            let body = json!({ "clauses": other }).to_string();
            peers.author.call("PUT", &path).body("application/json", body).header("If-Match", "*")
        };
        let mut calls: Vec<_> = (0..3).map(put).collect();
        calls.push(peers.author.call("POST", &peers.path(&format!("/{number}/submit"))));
        let answers = at_once(calls);
        assert!(answers.iter().all(|answer| matches!(answer.status, 200 | 409)), "{answers:?}");
        let version = peers.author.get(&peers.path(&format!("/{number}"))).expect(200);
        assert_eq!(version["status"], "in_review");
        let audited = server.database().number(&format!(
            "select count(*) from lease_clauses c join lease_template_versions v on v.id = version_id
             where v.id = '{}' and clause_id = 'end' and body = 'Another end, {round}.'",
            version.id()
        ));
        // All who were told 200 before it was submitted changed it; who came behind was refused.
        assert_eq!(audited == 1, answers[..3].iter().any(|answer| answer.status == 200), "{round}");
        peers.author.post(&peers.path(&format!("/{number}/return")), json!({ "reason": "Next." })).expect(200);
        let read = peers.author.get(&peers.path(&format!("/{number}"))).expect(200);
        peers.author.delete(&peers.path(&format!("/{number}"))).if_match(&read).expect(204);
    }
}

#[test]
fn a_text_that_does_more_than_name_is_refused_with_its_place() {
    let server = Server::start();
    let peers = Peers::new(&server);
    peers.draft("1.0.0");
    let deep = format!("{{{{ {}1{} }}}}", "(".repeat(5000), ")".repeat(5000));
    let hostile = [
        "{% for i in range(1000000000) %}{% for j in range(1000000000) %}x{% endfor %}{% endfor %}",
        "{{ \"a\" * 1000000000 }}",
        "{{ term * 1000000000 }}",
        "{{ \"%01000000000d\" | format(1) }}",
        "{{ range(1000000000) | join }}",
        "{% include \"/etc/passwd\" %}",
        "{% import \"x\" as y %}",
        "{% extends \"x\" %}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% set x = 1 %}{{ x }}",
        "{% if true %}x{% endif %}",
        "{{ term.__class__.__mro__ }}",
        "{{ term[\"a\"] }}",
        "{{ term | upper }}",
        "{{ self }}{{ loop.index }}",
        "{{ debug() }}",
        "{{ clause() }}",
        "{{ clause(term) }}",
        "{{ clause(\"a\", \"b\") }}",
        "{{ clause(id=\"a\") }}",
        "{{ clause(1) }}",
        "{{ 1 }}",
        "{{ term }",
        "{{",
        "{{ }}",
        "{% raw %}",
        &deep,
    ];
    for body in hostile {
        let refused = peers.put(
            "1.0.0",
            "clauses",
            json!([
                { "id": "good", "heading": "Good", "body": "It lasts {{ term }}.", "kind": "fixed" },
                { "id": "bad", "heading": "Bad", "body": body, "kind": "fixed" },
            ]),
        );
        assert_eq!(
            (refused.status, refused.faults()),
            (400, vec!["#/clauses/1/body unreadable_text".to_owned()]),
            "{body:.80}"
        );
        let detail = refused["errors"][0]["detail"].as_str().unwrap();
        assert!(detail.contains("line 1"), "{body:.80}: {detail}");
    }
    let kept = peers.author.get(&peers.path("/1.0.0/clauses")).expect(200);
    assert_eq!(kept["clauses"].as_array().unwrap().len(), 4, "nothing half-done");
    let place = text::read("One\nline, and {{ a.b }}").unwrap_err();
    assert!(place.starts_with("line 2, character 11"), "{place}");
    // What looks like a text of Jinja, but is only words.
    for words in ["50% {of} it", "{ term }", "{{ term }}{{ clause('end') }}", "{{- term -}}", "é {{ term }} ≠"] {
        assert!(text::read(words).is_ok(), "{words}");
    }
    let parts = text::read("é {{ term }}\n").unwrap();
    let Part::Variable { name, at } = &parts[1] else { panic!("{parts:?}") };
    assert_eq!((name.as_str(), at.line, at.column), ("term", 1, 6));
}

#[test]
fn clauses_are_numbered_by_their_order_and_come_back_as_they_were_sent() {
    let server = Server::start();
    let peers = Peers::new(&server);
    peers.draft("1.0.0");
    let path = peers.path("/1.0.0/clauses");
    let read = peers.author.get(&path).expect(200);
    let numbers_of = |answer: &Answer| -> Vec<String> {
        let clauses = answer["clauses"].as_array().unwrap().iter();
        clauses
            .map(|clause| format!("{} {}", clause["number"].as_str().unwrap(), clause["id"].as_str().unwrap()))
            .collect()
    };
    assert_eq!(numbers_of(&read), ["1 rights", "1.1 term", "2 end", "3 rent"]);
    // What was read can be sent, and the same again changes nothing.
    let same = peers.put("1.0.0", "clauses", read["clauses"].clone());
    assert_eq!((same.status, same.etag()), (200, read.etag()));
    let mut moved = read["clauses"].as_array().unwrap().clone();
    moved.rotate_right(2);
    let moved = peers.put("1.0.0", "clauses", moved);
    assert_eq!(numbers_of(&moved), ["1 end", "2 rent", "3 rights", "3.1 term"]);
    let stale = peers.author.call("PUT", &path).body("application/json", json!({ "clauses": [] }).to_string());
    assert_eq!(stale.if_match(&read).send().status, 412);

    let faulty = peers.put(
        "1.0.0",
        "clauses",
        json!([
            { "id": "a", "parent": "b", "heading": "A", "body": "", "kind": "fixed" },
            { "id": "b", "heading": "B", "body": "{{ x.y }}", "kind": "fixed" },
            { "id": "b", "parent": "c", "heading": "C", "body": "", "kind": "fixed" },
        ]),
    );
    let wanted = [
        "#/clauses/0/parent unknown_clause",
        "#/clauses/1/body unreadable_text",
        "#/clauses/2/id repeated",
        "#/clauses/2/parent unknown_clause",
    ];
    assert_eq!((faulty.status, faulty.faults()), (400, wanted.map(ToOwned::to_owned).to_vec()));
    let deep: Vec<Value> = (0..8)
        .map(|level| {
            let parent = if level == 0 { Value::Null } else { format!("c{}", level - 1).into() };
            json!({ "id": format!("c{level}"), "parent": parent, "heading": "C", "body": "", "kind": "fixed" })
        })
        .collect();
    let deep = peers.put("1.0.0", "clauses", deep);
    assert_eq!(deep.faults(), ["#/clauses/6/parent too_deep", "#/clauses/7/parent too_deep"]);
    let numbered = numbers([("a", None), ("b", Some("a")), ("c", Some("a")), ("d", Some("c")), ("e", None)]);
    let mut numbered: Vec<(&str, &str)> = numbered.iter().map(|(id, number)| (*id, number.as_str())).collect();
    numbered.sort_unstable();
    assert_eq!(numbered, [("a", "1"), ("b", "1.1"), ("c", "1.2"), ("d", "1.2.1"), ("e", "2")]);
}

#[test]
fn variables_are_held_to_their_kind_all_faults_at_once() {
    let server = Server::start();
    let peers = Peers::new(&server);
    peers.draft("1.0.0");
    let faulty = peers.put("1.0.0", "variables", json!([
        { "name": "clause", "label": "A", "kind": "text" },
        { "name": "a", "label": "A", "kind": "date", "minimum": "2027-02-30" },
        { "name": "b", "label": "B", "kind": "duration", "minimum": "P2Y", "maximum": "P23M" },
        { "name": "c", "label": "C", "kind": "boolean", "maximum": "1" },
        { "name": "d", "label": "D", "kind": "enum" },
        { "name": "e", "label": "E", "kind": "text", "options": [{ "value": "x", "label": "X" }] },
        { "name": "f", "label": "F", "kind": "enum", "options": [{ "value": "x", "label": "X" }, { "value": "x", "label": "Y" }] },
        { "name": "g", "label": "G", "kind": "text", "pattern": "(" },
        { "name": "h", "label": "H", "kind": "integer", "pattern": "[0-9]" },
        { "name": "i", "label": "I", "kind": "text", "requiredIf": [
            { "variable": "i", "operator": "equals", "value": "x" },
            { "variable": "e", "operator": "at_least", "value": "x" },
            { "variable": "b", "operator": "at_least", "value": "ten years" },
        ] },
        { "name": "i", "label": "I", "kind": "text", "pattern": "(a{1000}){1000}" },
    ]));
    assert_eq!(faulty.status, 400);
    assert_eq!(
        faulty.faults(),
        [
            "#/variables/0/name reserved",
            "#/variables/1/minimum not_for_kind",
            "#/variables/10/name repeated",
            "#/variables/10/pattern unusable_pattern",
            "#/variables/2/maximum below_minimum",
            "#/variables/3/maximum not_for_kind",
            "#/variables/4/options not_for_kind",
            "#/variables/5/options not_for_kind",
            "#/variables/6/options repeated",
            "#/variables/7/pattern unusable_pattern",
            "#/variables/8/pattern not_for_kind",
            "#/variables/9/requiredIf/0/variable unknown_variable",
            "#/variables/9/requiredIf/1/operator not_for_kind",
            "#/variables/9/requiredIf/2/value wrong_value",
        ]
    );
}

#[test]
fn what_does_not_fit_together_is_not_submitted_and_says_where() {
    let server = Server::start();
    let peers = Peers::new(&server);
    peers.author.post(&peers.path(""), json!({ "number": "1.0.0" })).expect(201);
    let empty = peers.act(&peers.author, "1.0.0", "submit");
    assert_eq!((empty.status, empty.faults()), (409, vec!["#/clauses empty".to_owned()]));
    let mut wanted = variables();
    wanted.as_array_mut().unwrap().push(json!({ "name": "spare", "label": "Spare", "kind": "text" }));
    assert_eq!(peers.put("1.0.0", "variables", wanted).status, 200);
    let mut said = clauses();
    said[2]["body"] = "First line.\nThen {{ trem }} and {{ clause(\"nowhere\") }}.".into();
    said[3]["conditions"][0]["value"] = "long".into();
    assert_eq!(peers.put("1.0.0", "clauses", said).status, 200, "a draft may be unfinished");
    let refused = peers.act(&peers.author, "1.0.0", "submit");
    assert_eq!(
        refused.faults(),
        [
            "#/clauses/2/body undefined_variable",
            "#/clauses/2/body unknown_clause",
            "#/clauses/3/conditions/0/value wrong_value",
            "#/variables/2/name unused_variable",
        ]
    );
    let detail = refused["errors"][0]["detail"].as_str().unwrap();
    assert!(detail.contains("end, line 2, character 9: `trem`"), "{detail}");
    assert_eq!(peers.author.get(&peers.path("/1.0.0")).expect(200)["status"], "draft");
}

#[test]
fn versions_are_compared_clause_by_clause_and_word_by_word() {
    let server = Server::start();
    let peers = Peers::new(&server);
    peers.publish("1.0.0");
    peers.draft("1.1.0");
    let mut said = clauses();
    said[2]["body"] = "Either party may end it.".into();
    let said = said.as_array_mut().unwrap();
    said.pop().unwrap();
    said.insert(0, json!({ "id": "parties", "heading": "Parties", "body": "Who they are.", "kind": "fixed" }));
    assert_eq!(peers.put("1.1.0", "clauses", Value::from(said.clone())).status, 200);
    let mut asked = variables();
    asked[0]["maximum"] = "P25Y".into();
    asked[1] = json!({ "name": "fee", "label": "Fee", "kind": "money" });
    assert_eq!(peers.put("1.1.0", "variables", asked).status, 200);

    let compared = peers.author.get(&format!("{}/compare?from=1.0.0&to=1.1.0", peers.template)).expect(200);
    let told: Vec<String> = compared["clauses"]
        .as_array()
        .unwrap()
        .iter()
        .map(|clause| {
            format!("{} {} {} {}", clause["id"], clause["change"], clause["fromNumber"], clause["toNumber"])
                .replace('"', "")
        })
        .collect();
    assert_eq!(
        told,
        [
            "parties added null 1",
            "rights changed 1 2",
            "term changed 1.1 2.1",
            "end changed 2 3",
            "rent removed 3 null"
        ]
    );
    let runs: Vec<String> = compared["clauses"][3]["body"]
        .as_array()
        .unwrap()
        .iter()
        .map(|run| format!("{}:{}", run["edit"].as_str().unwrap(), run["text"].as_str().unwrap()))
        .collect();
    assert_eq!(runs, ["equal:Either party ", "delete:ends", "insert:may end", "equal: it."]);
    let variables: Vec<String> = compared["variables"]
        .as_array()
        .unwrap()
        .iter()
        .map(|variable| {
            format!("{} {} {}", variable["name"], variable["change"], variable["changedFields"]).replace('"', "")
        })
        .collect();
    assert_eq!(variables, ["term changed [maximum]", "fee added []", "rent removed []"]);
    let page = peers.author.get(&format!("{}/compare.html?from=1.0.0&to=1.1.0", peers.template)).expect(200);
    let page = String::from_utf8(page.bytes).unwrap();
    assert!(page.contains("<p>Either party <del>ends</del><ins>may end</ins> it.</p>"), "{page}");
    assert!(page.contains("<h3><del>2</del> <ins>3</ins> End</h3>"), "{page}");
    let same = peers.author.get(&format!("{}/compare?from=1.0.0&to=1.0.0", peers.template)).expect(200);
    assert!(same["clauses"].as_array().unwrap().iter().all(|clause| clause["change"] == "unchanged"));
    peers.author.get(&format!("{}/compare?from=1.0.0&to=9.0.0", peers.template)).expect(404);
}

#[test]
fn a_variant_keeps_where_it_comes_from() {
    let server = Server::start();
    let peers = Peers::new(&server);
    peers.publish("1.0.0");
    peers.publish("1.1.0");
    let slug = server.anonymous().get(&peers.template).expect(200).text("slug").to_owned();
    let barnet = server.anonymous().get("/v1/organisations/barnet").expect(200);
    let barnet = server.as_(&server.member(&barnet, Role::Contributor));
    let variant = lease_template("barnet").with("title", "Barnet wayleave");
    let variant = variant.with("forkedFrom", json!({ "template": slug, "number": "1.0.0" }));
    let added = barnet.post("/v1/lease-templates", variant).expect(201);
    assert_eq!(
        (added["forkedFrom"]["slug"].as_str(), added["forkedFrom"]["number"].as_str()),
        (Some(&*slug), Some("1.0.0"))
    );
    let path = added.header("location").unwrap().to_owned() + "/versions";
    let begun = barnet.post(&path, json!({ "number": "1.0.0" })).expect(201);
    assert_eq!(begun["basedOn"]["number"], "1.0.0");
    let copied = barnet.get(&format!("{path}/1.0.0/clauses")).expect(200);
    assert_eq!(copied["clauses"], peers.author.get(&peers.path("/1.0.0/clauses")).expect(200)["clauses"]);
    let listed = barnet.get(&format!("/v1/lease-templates?forkedFrom={slug}")).expect(200);
    assert_eq!(listed.each("title"), ["Barnet wayleave"]);
    let other = barnet
        .post(&path, json!({ "number": "1.1.0", "basedOn": { "template": slug, "number": "1.1.0" } }))
        .expect(201);
    assert_eq!(other["basedOn"]["number"], "1.1.0");
    // A draft of others is none to build on.
    peers.draft("3.0.0");
    let unseen = json!({ "number": "1.2.0", "basedOn": { "template": slug, "number": "3.0.0" } });
    let refused = barnet.post(&path, unseen).expect(409);
    assert_eq!(refused.faults(), ["#/basedOn unknown_version"]);
    let stays =
        server.database().refusal("update lease_templates set forked_from_id = null where forked_from_id is not null");
    assert_eq!(stays.as_deref(), Some("where a template comes from stays"));
}

#[test]
fn as_many_have_to_approve_as_the_service_is_told() {
    let server = Server::with(&[("LOTI_LEASE_APPROVALS", "0")]);
    let peers = Peers::new(&server);
    assert_eq!(server.as_(&server.admin()).get(&peers.template).expect(200)["approvalsRequired"], 0);
    peers.draft("1.0.0");
    assert_eq!(peers.act(&peers.author, "1.0.0", "submit").status, 200);
    assert_eq!(peers.act(&peers.stewards[0], "1.0.0", "publish").status, 200);
}

fn variable(kind: VariableKind) -> Variable {
    Variable {
        name: "it".to_owned(),
        label: "It".to_owned(),
        kind,
        help: None,
        required: false,
        required_if: Json(Vec::new()),
        minimum: None,
        maximum: None,
        pattern: None,
        options: Json(Vec::new()),
    }
}

#[test]
fn values_are_written_and_compared_by_their_kind() {
    use Operator::{AtLeast, AtMost, Equals, GreaterThan, LessThan, NotEquals};
    let read = |kind: VariableKind, text: &str| values::read(&variable(kind), text);
    for (kind, good, bad) in [
        (
            VariableKind::Integer,
            vec!["0", "-3", "9007199254740991"],
            vec!["", "+1", "01", "1.5", "9007199254740992", "１"],
        ),
        (VariableKind::Money, vec!["0", "125000"], vec!["-1", "12.50", "£5"]),
        (VariableKind::Date, vec!["2028-02-29"], vec!["2027-02-29", "2027-1-1", "01/02/2027", "+2027-01-01"]),
        (
            VariableKind::Duration,
            vec!["P10Y", "P6M", "P1Y6M", "P2W", "P0D"],
            vec!["P", "10Y", "P6M1Y", "PT1H", "P-1Y", "P1Y1Y", "P100000Y"],
        ),
        (VariableKind::Boolean, vec!["true", "false"], vec!["yes", "True", ""]),
        (VariableKind::UprnList, vec!["1", "100023336956 10008297226"], vec!["", "0", "1234567890123", "1  2", "12a"]),
        (
            VariableKind::Organisation,
            vec!["camden", "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11"],
            vec!["", "London Borough"],
        ),
    ] {
        for text in good {
            assert!(read(kind, text).is_ok(), "{kind} {text}");
        }
        for text in bad {
            assert!(read(kind, text).is_err(), "{kind} {text}");
        }
    }
    let holds = |kind, operator, wanted: &str, given: Option<&str>| {
        let condition = Condition { variable: "it".to_owned(), operator, value: wanted.to_owned() };
        let given: Option<Filled> = given.map(|given| read(kind, given).unwrap());
        values::holds(&condition, &read(kind, wanted).unwrap(), given.as_ref())
    };
    assert!(holds(VariableKind::Duration, GreaterThan, "P10Y", Some("P121M")));
    assert!(!holds(VariableKind::Duration, GreaterThan, "P10Y", Some("P120M")));
    assert!(holds(VariableKind::Duration, Equals, "P10Y", Some("P120M")));
    assert!(!holds(VariableKind::Duration, NotEquals, "P10Y", Some("P120M")));
    assert!(holds(VariableKind::Date, LessThan, "2027-04-01", Some("2027-03-31")));
    assert!(holds(VariableKind::Money, AtLeast, "900", Some("1000")), "numbers are no texts");
    assert!(holds(VariableKind::Money, AtMost, "900", Some("900")));
    assert!(holds(VariableKind::Boolean, Equals, "true", Some("true")));
    assert!(!holds(VariableKind::Text, GreaterThan, "a", Some("b")), "texts have no order");
    assert!(!holds(VariableKind::Money, AtMost, "900", None));
    assert!(holds(VariableKind::Money, NotEquals, "900", None));
}

proptest! {
    #[test]
    fn both_texts_can_be_made_again_of_how_they_differ(before in "[a-c ,.\n]{0,60}", after in "[a-c ,.\n]{0,60}") {
        let runs = words(&before, &after, &mut Budget::default());
        let without = |left_out: Edit| -> String {
            runs.iter().filter(|run| run.edit != left_out).map(|run| run.text.as_str()).collect()
        };
        prop_assert_eq!(without(Edit::Insert), before.clone());
        prop_assert_eq!(without(Edit::Delete), after.clone());
        prop_assert!(before != after || runs.iter().all(|run| run.edit == Edit::Equal));
    }
}

#[test]
fn texts_that_cost_too_much_to_compare_are_told_by_lines_or_as_a_whole() {
    let text = |word: &str, between: &str| vec![word; 3000].join(between);
    let told = |before: &str, after: &str| {
        let runs = words(before, after, &mut Budget::default());
        runs.into_iter().map(|run| (run.edit, run.text)).collect::<Vec<_>>()
    };
    let (before, after) = (text("a", " ") + "\nthe same", text("b", " ") + "\nthe same");
    let by_lines = told(&before, &after);
    assert_eq!(by_lines.len(), 3);
    assert_eq!(by_lines[2], (Edit::Equal, "the same".to_owned()));
    let (before, after) = (text("a", "\n"), text("b", "\n"));
    assert_eq!(told(&before, &after), [(Edit::Delete, before), (Edit::Insert, after)]);
    // One that is rewritten leaves nothing for the next.
    let mut budget = Budget::default();
    let (before, after) = (text("a", " "), text("b", " "));
    let short = |word: &str| vec![word; 1999].join(" ");
    assert!(words(&short("a"), &short("b"), &mut budget).len() > 1);
    assert_eq!(words(&before, &after, &mut budget).len(), 2);
    assert_eq!(words("a b", "a c", &mut budget).len(), 3, "a small one is still told");
}

#[test]
fn a_comparison_as_a_page_is_inert() {
    let server = Server::start();
    let peers = Peers::new(&server);
    let payload = "<script>alert(1)</script><img src=x onerror=alert(1)>\" onload='alert(1)' & é\nnext";
    peers.author.post(&peers.path(""), json!({ "number": "1.0.0" })).expect(201);
    let hostile = json!([{ "id": "a", "heading": "<b>A</b>", "body": payload, "note": payload, "kind": "fixed" }]);
    assert_eq!(peers.put("1.0.0", "clauses", hostile).status, 200);
    let titled = peers.author.get(&peers.template).expect(200);
    peers.author.patch(&peers.template, json!({ "title": "</title><script>" })).if_match(&titled).expect(200);
    let page = peers.author.get(&format!("{}/compare.html?from=1.0.0&to=1.0.0", peers.template)).expect(200);
    let policy = page.header("content-security-policy").unwrap().to_owned();
    assert!(policy.contains("default-src 'none'"), "{policy}");
    let page = String::from_utf8(page.bytes).unwrap();
    for live in ["<script", "<img", "<b>", "</title><"] {
        assert!(!page.contains(live), "{live}: {page}");
    }
    assert!(page.contains("é<br>\nnext"), "{page}");
}
