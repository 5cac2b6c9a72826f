//! `/v1/leases`: what is filled in, how they come into force, what their parties read, and that nothing of it changes.

use std::io::Read as _;

use api::lease::document::{Cover, Document};
use api::lease::terms::{self, Source, Terms};
use api::lease::{render, text};
use db::Role;
use db::lease_templates::content::{Clause, ClauseKind, Content, Variable, VariableKind};
use db::leases::Filled;
use db::leases::documents::DocumentFormat;
use db::types::Json;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::concurrency::{at_once, how_many};
use crate::support::client::Client;
use crate::support::{Answer, Server, council, lease_template, supplier};

/// A council and an operator, and what the council's template says.
pub(crate) struct Estate<'s> {
    server: &'s Server,
    /// Draws leases up.
    pub(crate) officer: Client<'s>,
    /// Agrees for the council.
    pub(crate) steward: Client<'s>,
    /// Agrees for the operator.
    pub(crate) operator: Client<'s>,
    /// Of another council.
    stranger: Client<'s>,
    template: String,
}

impl<'s> Estate<'s> {
    /// On a service on which nobody has to approve.
    pub(crate) fn new(server: &'s Server) -> Self {
        let hackney = server.add_organisation(council("Hackney"));
        let operator = server.add_organisation(supplier("Northgate *Networks*"));
        let camden = server.add_organisation(council("Camden"));
        let estate = Self {
            server,
            officer: server.as_(&server.member(&hackney, Role::Contributor)),
            steward: server.as_(&server.member(&hackney, Role::Steward)),
            operator: server.as_(&server.member(&operator, Role::Steward)),
            stranger: server.as_(&server.member(&camden, Role::Admin)),
            template: "/v1/lease-templates/rooftop-wayleave".to_owned(),
        };
        let template = lease_template("hackney").with("slug", "rooftop-wayleave").with("notice", "Illustrative.");
        estate.officer.post("/v1/lease-templates", template).expect(201);
        estate.publish("1.0.0", &variables(), &clauses());
        estate
    }

    pub(crate) fn publish(&self, number: &str, variables: &Value, clauses: &Value) {
        let versions = format!("{}/versions", self.template);
        self.officer.post(&versions, json!({ "number": number })).expect(201);
        for (part, content) in [("variables", variables), ("clauses", clauses)] {
            let body = json!({ part: content }).to_string();
            let put = self.officer.call("PUT", &format!("{versions}/{number}/{part}"));
            put.body("application/json", body).header("If-Match", "*").expect(200);
        }
        self.officer.call("POST", &format!("{versions}/{number}/submit")).expect(200);
        self.steward.call("POST", &format!("{versions}/{number}/publish")).expect(200);
    }

    /// A draft that could be issued.
    pub(crate) fn draft(&self) -> Answer {
        self.officer.post("/v1/leases", lease()).expect(201)
    }

    pub(crate) fn put(&self, lease: &Answer, part: &str, media_type: &str, body: impl Into<Vec<u8>>) -> Answer {
        let path = format!("/v1/leases/{}/{part}", lease.id());
        self.officer.call("PUT", &path).body(media_type, body).header("If-Match", "*").send()
    }

    fn deviate(&self, lease: &Answer, deviations: &Value) -> Answer {
        self.put(lease, "deviations", "application/json", json!({ "deviations": deviations }).to_string())
    }

    pub(crate) fn issued(&self, lease: &Answer) -> Answer {
        let issued = act(&self.officer, lease, "issue");
        assert_eq!(issued.status, 200, "{}", issued.json);
        issued
    }

    /// Agreed by both, and so, as its first day is over, in force.
    fn in_force(&self, lease: &Answer) -> Answer {
        let issued = self.issued(lease);
        let digest = digest_of(&issued, "html");
        assert_eq!(agree(&self.steward, "hackney", lease, &digest).status, 201);
        assert_eq!(agree(&self.operator, "northgate-networks", lease, &digest).status, 201);
        let begun = self.read(lease);
        assert_eq!(begun["status"], "in_force");
        begun
    }

    pub(crate) fn read(&self, lease: &Answer) -> Answer {
        self.officer.get(&format!("/v1/leases/{}", lease.id())).expect(200)
    }

    fn page(&self, lease: &Answer) -> String {
        String::from_utf8(document(&self.officer, lease, "html").bytes).unwrap()
    }

    fn advance(&self) -> usize {
        let db = crate::support::database::open(&self.server.database().url);
        actix_web::rt::Runtime::new().unwrap().block_on(api::jobs::leases::once(&db)).unwrap()
    }
}

pub(crate) fn act(who: &Client<'_>, lease: &Answer, action: &str) -> Answer {
    who.call("POST", &format!("/v1/leases/{}/{action}", lease.id())).send()
}

pub(crate) fn agree(who: &Client<'_>, organisation: &str, lease: &Answer, digest: &str) -> Answer {
    let path = format!("/v1/leases/{}/agreements", lease.id());
    who.post(&path, agreement(organisation, digest)).send()
}

pub(crate) fn document(who: &Client<'_>, lease: &Answer, format: &str) -> Answer {
    who.get(&format!("/v1/leases/{}/document?format={format}", lease.id())).expect(200)
}

fn agreement(organisation: &str, digest: &str) -> Value {
    json!({ "organisation": organisation, "signatory": "Sam Steward", "capacity": "Director", "documentSha256": digest })
}

/// The digest of a document, as the lease has it.
pub(crate) fn digest_of(lease: &Answer, format: &str) -> String {
    let documents = lease["documents"].as_array().unwrap();
    let found = documents.iter().find(|document| document["format"] == format).unwrap();
    found["sha256"].as_str().unwrap().to_owned()
}

fn service() -> Server {
    Server::with(&[("LOTI_LEASE_APPROVALS", "0")])
}

fn variables() -> Value {
    json!([
        { "name": "grantor", "label": "Who grants", "kind": "organisation", "required": true },
        { "name": "operator", "label": "Who is granted", "kind": "organisation", "required": true },
        { "name": "starts_on", "label": "First day", "kind": "date", "required": true },
        { "name": "term", "label": "How long", "kind": "duration", "required": true, "minimum": "P1Y", "maximum": "P20Y" },
        { "name": "rent", "label": "Rent a year", "kind": "money", "required": true, "minimum": "100" },
        { "name": "review_years", "label": "Years between reviews", "kind": "integer", "maximum": "10",
          "requiredIf": [{ "variable": "term", "operator": "greater_than", "value": "P5Y" }] },
        { "name": "network", "label": "Network", "kind": "enum", "options": [
            { "value": "mobile", "label": "a mobile network" }, { "value": "fibre", "label": "a fibre network" }] },
        { "name": "drawing", "label": "Drawing", "kind": "text", "pattern": "[A-Z]{2}[0-9]{3}", "maximum": "20" },
        { "name": "shared", "label": "Whether it is shared", "kind": "boolean" },
        { "name": "roofs", "label": "Roofs", "kind": "uprn_list", "maximum": "2" },
        { "name": "promise", "label": "What the operator does", "kind": "text" },
    ])
}

fn clauses() -> Value {
    json!([
        { "id": "parties", "heading": "Parties", "body": "Between {{ grantor }} and {{ operator }}, from {{ starts_on }}.", "kind": "fixed" },
        { "id": "term", "heading": "Term", "body": "It lasts {{ term }}, subject to clause {{ clause(\"end\") }}.", "kind": "fixed" },
        { "id": "review", "heading": "Review", "body": "The rent is reviewed each {{ review_years }} years.", "kind": "fixed",
          "conditions": [{ "variable": "term", "operator": "greater_than", "value": "P5Y" }] },
        { "id": "review-how", "parent": "review", "heading": "How", "body": "By an expert.", "kind": "negotiable" },
        { "id": "rent", "heading": "Rent", "body": "The rent is **{{ rent }}** a year:\n\n1. in advance;\n2. by transfer.", "kind": "negotiable" },
        { "id": "extras", "heading": "Extras", "body": "", "kind": "optional" },
        { "id": "promise", "parent": "extras", "heading": "Promise", "body": "{{ promise }}", "kind": "negotiable",
          "conditions": [{ "variable": "network", "operator": "equals", "value": "fibre" }] },
        { "id": "use", "parent": "extras", "heading": "Use", "body": "For {{ network }} ({{ drawing }}, {{ shared }}, {{ roofs }}).", "kind": "fixed",
          "conditions": [{ "variable": "network", "operator": "equals", "value": "mobile" }] },
        { "id": "end", "heading": "End", "body": "Either party ends it, but for clause {{ clause(\"extras\") }}.", "kind": "fixed" },
    ])
}

/// A lease that could be issued, and that began long ago.
pub(crate) fn lease() -> Value {
    json!({
        "organisation": "hackney", "title": "Roofs of Kingsmead", "reference": "PROP/1",
        "template": { "template": "rooftop-wayleave", "number": "1.0.0" },
        "startsOn": "2020-01-01", "endsOn": "2020-12-31",
        "values": [{ "variable": "term", "value": "P1Y" }, { "variable": "rent", "value": "125000" }],
        "parties": [
            { "organisation": "hackney", "role": "grantor" }, { "organisation": "northgate-networks", "role": "operator" },
        ],
    })
}

fn with(mut body: Value, field: &str, value: impl Into<Value>) -> Value {
    body[field] = value.into();
    body
}

fn values(given: &[(&str, &str)]) -> Value {
    given.iter().map(|(variable, value)| json!({ "variable": variable, "value": value })).collect()
}

#[test]
fn everything_that_is_wrong_with_values_is_told_at_once() {
    let server = service();
    let estate = Estate::new(&server);
    let wrong = [
        ("term", "P30Y"),
        ("rent", "12.50"),
        ("review_years", "11"),
        ("network", "copper"),
        ("drawing", "ab123"),
        ("shared", "yes"),
        ("roofs", "1 2 3"),
        ("starts_on", "2027-02-30"),
        ("grantor", "camden"),
        ("operator", "nobody"),
        ("colour", "red"),
        ("promise", "Once."),
        ("promise", "Twice."),
    ];
    let body = with(with(lease(), "values", values(&wrong)), "endsOn", "2019-12-31");
    let refused = estate.officer.post("/v1/leases", body).expect(400);
    assert_eq!(
        refused.faults(),
        [
            "#/endsOn before_start",
            "#/values/0/value too_much",
            "#/values/1/value wrong_value",
            "#/values/10/variable unknown_variable",
            "#/values/12/variable repeated",
            "#/values/2/value too_much",
            "#/values/3/value wrong_value",
            "#/values/4/value wrong_form",
            "#/values/5/value wrong_value",
            "#/values/6/value too_much",
            "#/values/7/value wrong_value",
            "#/values/8/value not_the_party",
            "#/values/9/value unknown_organisation",
        ]
    );
    let twice = json!([{ "organisation": "hackney", "role": "a" }, { "organisation": "hackney", "role": "b" }]);
    let refused = estate.officer.post("/v1/leases", with(lease(), "parties", twice)).expect(400);
    assert_eq!(refused.faults(), ["#/parties/1/organisation repeated"]);
    let unknown = json!([{ "organisation": "nowhere", "role": "grantor" }]);
    let refused = estate.officer.post("/v1/leases", with(lease(), "parties", unknown)).expect(409);
    assert_eq!(refused.faults(), ["#/parties/0/organisation unknown_organisation"]);
    let nothing = with(lease(), "template", Value::Null);
    assert_eq!(estate.officer.post("/v1/leases", nothing).expect(400).faults(), ["#/template required"]);
    // The same holds of a change.
    let draft = estate.draft();
    let path = format!("/v1/leases/{}", draft.id());
    let change = json!({ "values": values(&[("rent", "99")]) });
    let refused = estate.officer.patch(&path, change).if_match(&draft).expect(400);
    assert_eq!(refused.faults(), ["#/values/0/value too_little"]);
    assert_eq!(estate.read(&draft)["version"], draft["version"], "nothing half-done");
}

#[test]
fn everything_that_is_missing_is_told_when_it_is_to_be_issued() {
    let server = service();
    let estate = Estate::new(&server);
    let bare = json!({
        "organisation": "hackney", "title": "Roofs",
        "template": { "template": "rooftop-wayleave", "number": "1.0.0" },
        "values": values(&[("term", "P6Y"), ("network", "fibre")]),
    });
    let draft = estate.officer.post("/v1/leases", bare).expect(201);
    let refused = act(&estate.officer, &draft, "issue");
    assert_eq!(refused.status, 409);
    let mut faults = vec!["#/values missing_value"; 6];
    faults.extend(["#/parties too_few", "#/startsOn required"]);
    faults.sort_unstable();
    assert_eq!(refused.faults(), faults);
    let details: Vec<&str> =
        refused["errors"].as_array().unwrap().iter().map(|error| error["detail"].as_str().unwrap()).collect();
    for (variable, why) in [
        ("grantor", "clause `parties`"),
        ("rent", "clause `rent`"),
        ("review_years", "clause `review`"),
        ("promise", "clause `promise`"),
    ] {
        let told = details.iter().any(|detail| detail.starts_with(&format!("`{variable}` (")) && detail.contains(why));
        assert!(told, "{variable}: {details:#?}");
    }
    let page = estate.page(&draft);
    assert!(page.contains("Draft. It has not been issued."), "{page}");
    assert!(page.contains("[Who grants]") && page.contains("lasts 6 years"), "{page}");
    // What no clause of it needs is not missing: with a short term there is no review.
    let draft = estate.draft();
    assert_eq!(estate.issued(&draft)["status"], "issued");
}

#[test]
fn a_lease_goes_from_draft_to_its_end() {
    let server = service();
    let estate = Estate::new(&server);
    let draft = estate.draft();
    let path = format!("/v1/leases/{}", draft.id());
    assert_eq!((draft["status"].as_str(), draft["documents"].as_array().unwrap().len()), (Some("draft"), 0));
    estate.operator.get(&path).expect(404);
    let early = agree(&estate.steward, "hackney", &draft, &"0".repeat(64));
    assert_eq!((early.status, early.faults()), (409, vec!["#/status out_of_turn".to_owned()]));

    let issued = estate.issued(&draft);
    assert_eq!(issued["parties"][0]["name"], "Hackney");
    let seen = estate.operator.get(&path).expect(200);
    assert_eq!(seen["status"], "issued");
    let digest = digest_of(&issued, "docx");
    let other = agree(&estate.steward, "hackney", &draft, &"0".repeat(64));
    assert_eq!((other.status, other.faults()), (409, vec!["#/documentSha256 another_document".to_owned()]));
    let foreign = agree(&estate.steward, "northgate-networks", &draft, &digest);
    assert_eq!(foreign.status, 403);
    let junior = agree(&estate.officer, "hackney", &draft, &digest);
    assert_eq!(junior.status, 403);
    let admin = server.as_(&server.admin());
    let outside = admin.post(&format!("{path}/agreements"), agreement("camden", &digest)).expect(403);
    assert_eq!(outside.status, 403, "who administers the platform agrees for nobody");
    let first = agree(&estate.steward, "hackney", &draft, &digest);
    assert_eq!((first.status, first["documentSha256"].as_str()), (201, Some(&*digest)));
    let again = agree(&estate.steward, "hackney", &draft, &digest);
    assert_eq!((again.status, again.faults()), (409, vec!["#/organisation agreed_already".to_owned()]));
    assert_eq!(estate.read(&draft)["status"], "issued", "one of two");
    // Each may have read it in another format.
    assert_eq!(agree(&estate.operator, "northgate-networks", &draft, &digest_of(&issued, "markdown")).status, 201);
    let begun = estate.read(&draft);
    assert_eq!(begun["status"], "in_force", "its first day is long over");
    assert!(begun["agreedAt"].is_string() && begun["parties"][1]["agreedAt"].is_string());
    let listed = estate.operator.get(&format!("{path}/agreements")).expect(200);
    assert_eq!(listed["agreements"].as_array().unwrap().len(), 2);
    assert_eq!(listed["agreements"][0]["signatory"], "Sam Steward");

    assert_eq!(estate.advance(), 1);
    assert_eq!(estate.advance(), 0);
    let over = estate.read(&draft);
    assert_eq!(over["status"], "expired");
    let late = json!({ "reason": "Late." });
    let late = estate.steward.post(&format!("{path}/terminate"), late).expect(409);
    assert_eq!(late.faults(), ["#/status out_of_turn"]);
    let trail = format!(
        "select concat_ws(' ', operation, before ->> 'status', after ->> 'status') as value from audit_events
         where object_type = 'leases' and object_id = '{}' order by id",
        draft.id()
    );
    assert_eq!(
        server.database().texts(&trail),
        [
            "create_lease draft",
            "issue_lease draft issued",
            "create_lease_agreement issued agreed",
            "create_lease_agreement agreed in_force",
            "leases in_force expired"
        ]
    );
}

#[test]
fn one_that_is_to_come_waits_for_its_day_and_any_party_gives_notice() {
    let server = service();
    let estate = Estate::new(&server);
    let body = with(with(lease(), "startsOn", "2999-01-01"), "endsOn", Value::Null);
    let draft = estate.officer.post("/v1/leases", body).expect(201);
    let issued = estate.issued(&draft);
    let digest = digest_of(&issued, "html");
    assert_eq!(agree(&estate.steward, "hackney", &draft, &digest).status, 201);
    assert_eq!(agree(&estate.operator, "northgate-networks", &draft, &digest).status, 201);
    assert_eq!(estate.read(&draft)["status"], "agreed");
    assert_eq!(estate.advance(), 0, "it is not the day");
    let forced = server.database().refusal("update leases set status = 'in_force'");
    assert_eq!(forced.as_deref(), Some("it is not the day yet"));
    let path = format!("/v1/leases/{}", draft.id());
    let reason = json!({ "reason": "We are moving out." });
    estate.officer.post(&format!("{path}/terminate"), reason.clone()).expect(403);
    estate.operator.post(&format!("{path}/void"), reason.clone()).expect(403);
    let ended = estate.operator.post(&format!("{path}/terminate"), reason).expect(200);
    assert_eq!(
        (ended["status"].as_str(), ended["statusReason"].as_str()),
        (Some("terminated"), Some("We are moving out."))
    );

    let other = estate.draft();
    estate.issued(&other);
    let path = format!("/v1/leases/{}/void", other.id());
    let voided = estate.steward.post(&path, json!({ "reason": "The wrong roofs." })).expect(200);
    assert_eq!(voided["status"], "void");
    let late = agree(&estate.operator, "northgate-networks", &other, &digest);
    assert_eq!(late.status, 409);
    assert_eq!(estate.operator.get(&format!("/v1/leases/{}", other.id())).expect(200)["status"], "void");
}

#[test]
fn nothing_of_what_was_issued_changes() {
    let server = service();
    let estate = Estate::new(&server);
    let draft = estate.draft();
    assert_eq!(estate.put(&draft, "premises", "text/csv", "uprn\n1\n2\n").status, 200);
    estate.in_force(&draft);
    let path = format!("/v1/leases/{}", draft.id());
    for refused in [
        estate.officer.patch(&path, json!({ "title": "Other roofs" })).header("If-Match", "*").send(),
        estate.officer.delete(&path).header("If-Match", "*").send(),
        estate.put(&draft, "premises", "text/csv", "uprn\n1\n"),
        estate.deviate(&draft, &json!([])),
        act(&estate.officer, &draft, "issue"),
    ] {
        assert_eq!((refused.status, refused.faults()), (409, vec!["#/status out_of_turn".to_owned()]));
    }
    let (database, id) = (server.database(), draft.id());
    for statement in [
        "update leases set title = 'Another'",
        "update leases set filled = '[]'",
        "update leases set starts_on = '2021-01-01'",
        "update leases set ends_on = null",
        "update leases set version_id = gen_random_uuid()",
        "update leases set supersedes_id = id",
        "update leases set issued_at = now()",
        "update leases set premises_count = 1",
        "update leases set status = 'draft'",
        "update leases set status = 'issued'",
        "delete from leases",
        "update lease_parties set role = 'another'",
        "update lease_parties set name = 'Another'",
        "delete from lease_parties where role = 'operator'",
        "update lease_premises set uprn = 3 where position = 1",
        "delete from lease_premises",
        "insert into lease_premises (lease_id, position, uprn) select id, 3, 3 from leases",
        "insert into lease_deviations select id, version_id, 'rent', 'Another rent.', 'Why' from leases",
        "update lease_documents set sha256 = repeat('0', 64)",
        "delete from lease_documents",
        "update lease_document_chunks set content = 'x'",
        "delete from lease_document_chunks",
        "insert into lease_document_chunks select id, 'html', 99, 'x' from leases",
        "delete from lease_agreements",
        "update lease_agreements set signatory = 'Another'",
        "update lease_agreements set document_sha256 = repeat('0', 64)",
        "update lease_agreements set created_at = now()",
        "truncate lease_premises",
        "truncate leases cascade",
    ] {
        assert!(database.refusal(statement).is_some(), "{statement}");
    }
    // Nor by who has both a draft and what was issued.
    let other = estate.draft();
    let smuggled =
        format!("update lease_premises set lease_id = '{}', position = 9 where lease_id = '{id}'", other.id());
    assert!(database.refusal(&smuggled).is_some());
    let smuggled = format!("update lease_parties set lease_id = '{id}' where lease_id = '{}'", other.id());
    assert!(database.refusal(&smuggled).is_some());
}

#[test]
fn premises_come_as_a_table_or_a_list_and_each_bad_row_is_pointed_at() {
    let server = service();
    let estate = Estate::new(&server);
    let draft = estate.draft();
    let table = "\u{feff}Description,USRN,UPRN,Postcode\r\n\"Roof, north\",20401234,100023336956,E9\r\n,20401235,,\r\nTower,,000012,\r\n";
    let put = estate.put(&draft, "premises", "text/csv", table);
    assert_eq!((put.status, put["premisesCount"].as_i64()), (200, Some(3)), "{}", put.json);
    let path = format!("/v1/leases/{}/premises", draft.id());
    let listed = estate.officer.get(&format!("{path}?limit=2")).expect(200);
    assert_eq!(
        listed["items"],
        json!([
            { "position": 1, "uprn": "100023336956", "usrn": "20401234", "description": "Roof, north" },
            { "position": 2, "uprn": null, "usrn": "20401235", "description": null },
        ])
    );
    let rest = estate.officer.get(&listed.next().unwrap()).expect(200);
    assert_eq!(rest["items"][0]["uprn"], "12");
    // The same again changes nothing.
    let again = estate.put(&draft, "premises", "text/csv", table);
    assert_eq!(again["version"], put["version"]);
    let list = json!({ "premises": listed["items"] });
    let listed = estate.put(&draft, "premises", "application/json", list.to_string());
    assert_eq!((listed.status, listed["premisesCount"].as_i64()), (200, Some(2)), "{}", listed.json);
    let bare = estate.put(&draft, "premises", "application/json", r#"[{"uprn":7},{"usrn":"8"}]"#);
    assert_eq!((bare.status, bare["premisesCount"].as_i64()), (200, Some(2)), "{}", bare.json);

    let bad = "uprn,usrn\n1234567890123,\n12a,\n5,\n,123456789\n5,1\n,\n0,\n6,7,8\n,1\n,1\n";
    let refused = estate.put(&draft, "premises", "text/csv", bad);
    assert_eq!(refused.status, 400);
    assert_eq!(
        refused.faults(),
        [
            "#/premises/0/uprn wrong_form",
            "#/premises/1/uprn wrong_form",
            "#/premises/3/usrn wrong_form",
            "#/premises/4/uprn repeated",
            "#/premises/5 nowhere",
            "#/premises/6/uprn wrong_form",
            "#/premises/7 wrong_length",
            "#/premises/9/usrn repeated",
        ]
    );
    let details = refused["errors"].as_array().unwrap();
    assert_eq!(details[0]["detail"], "row 1, line 2: `1234567890123` is no UPRN, which has 1 to 12 digits");
    assert!(details.iter().any(|error| error["detail"] == "row 5, line 6: stands already on row 3"), "{details:#?}");
    let bad = r#"{"premises":[{"uprn":"1","colour":"red"},{"uprn":true},3,null,{"uprn":1.5},{"usrn":"1","description":"a\u0007"}],"more":1}"#;
    let refused = estate.put(&draft, "premises", "application/json", bad);
    assert_eq!(
        refused.faults(),
        [
            "#/more unknown_field",
            "#/premises/0/colour unknown_field",
            "#/premises/1/uprn wrong_type",
            "#/premises/2 wrong_type",
            "#/premises/3 wrong_type",
            "#/premises/4/uprn wrong_form",
            "#/premises/5/description wrong_form",
        ]
    );
    for (media_type, body, fault) in [
        ("text/csv", "name,place\na,b\n", "# unusable_file"),
        ("text/csv", "\n", "# unusable_file"),
        ("application/json", "{\"premises\":[{\"uprn\":\"1\"}", "# malformed_json"),
        ("application/json", "{}", "#/premises required"),
        ("application/json", "3", "# wrong_type"),
    ] {
        let refused = estate.put(&draft, "premises", media_type, body);
        assert_eq!((refused.status, refused.faults()), (400, vec![fault.to_owned()]), "{body}");
    }
    assert_eq!(estate.read(&draft)["premisesCount"], 2, "none was taken");
    let found = estate.officer.get("/v1/leases?uprn=0000007").expect(200);
    assert_eq!(found.each("id"), [draft.text("id")]);
    assert!(estate.officer.get("/v1/leases?uprn=9").expect(200).each("id").is_empty());
    let many = (1..=10_001).map(|number| number.to_string()).collect::<Vec<_>>().join("\n");
    let refused = estate.put(&draft, "premises", "text/csv", format!("uprn\n{many}"));
    assert_eq!(refused.faults(), ["#/premises too_many"]);
    let none = estate.put(&draft, "premises", "application/json", "{\"premises\":[]}");
    assert_eq!((none.status, none["premisesCount"].as_i64()), (200, Some(0)));
}

#[test]
fn a_lease_departs_from_what_may_be_departed_from() {
    let server = service();
    let estate = Estate::new(&server);
    let draft = estate.draft();
    let wrong = json!([
        { "clause": "term", "body": "For good.", "reason": "Why not." },
        { "clause": "rent", "reason": "No rent." },
        { "clause": "extras", "body": "None.", "reason": "None." },
        { "clause": "colour", "reason": "Red." },
        { "clause": "review-how", "body": "See {{ colour }} and {{ clause(\"colour\") }}.", "reason": "Why not." },
        { "clause": "review-how", "body": "{% for x in y %}", "reason": "Why not." },
    ]);
    let refused = estate.deviate(&draft, &wrong);
    assert_eq!(refused.status, 400);
    assert_eq!(
        refused.faults(),
        [
            "#/deviations/0/clause fixed",
            "#/deviations/1/body required",
            "#/deviations/2/body not_for_kind",
            "#/deviations/3/clause unknown_clause",
            "#/deviations/4/body undefined_variable",
            "#/deviations/4/body unknown_clause",
            "#/deviations/5/body unreadable_text",
            "#/deviations/5/clause repeated",
        ]
    );
    let fixed = format!(
        "insert into lease_deviations select id, version_id, 'term', 'For good.', 'Why' from leases where id = '{}'",
        draft.id()
    );
    assert_eq!(server.database().refusal(&fixed).as_deref(), Some("the clause does not allow it"));

    let deviations = json!([
        { "clause": "extras", "reason": "There are none." },
        { "clause": "rent", "body": "The rent is {{ rent }}, in quarters.", "reason": "The operator pays in quarters." },
    ]);
    let put = estate.deviate(&draft, &deviations);
    assert_eq!(put.status, 200);
    assert_eq!(put["deviations"][1]["reason"], "The operator pays in quarters.");
    assert_eq!(estate.deviate(&draft, &deviations).etag(), put.etag(), "the same again changes nothing");
    let page = estate.page(&draft);
    assert!(page.contains("The rent is £1,250.00, in quarters."), "{page}");
    assert!(!page.contains("Extras") && page.contains("but for clause [not used]"), "{page}");
    assert!(page.contains("<h2><span class=\"number\">4</span> End</h2>"), "numbers follow: {page}");

    let path = format!("/v1/leases/{}/compare", draft.id());
    let compared = estate.officer.get(&path).expect(200);
    let told: Vec<String> = compared["clauses"]
        .as_array()
        .unwrap()
        .iter()
        .map(|clause| {
            let part = |field: &str| clause[field].as_str().unwrap_or("-").to_owned();
            format!("{} {} {}", part("id"), part("change"), part("leftOut"))
        })
        .collect();
    assert_eq!(
        told,
        [
            "parties unchanged -",
            "term unchanged -",
            "review removed condition",
            "review-how removed parent",
            "rent changed -",
            "extras removed deviation",
            "promise removed parent",
            "use removed parent",
            "end changed -",
        ]
    );
    let rent = &compared["clauses"][4];
    assert_eq!(rent["reason"], "The operator pays in quarters.");
    let second: String = rent["body"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|run| run["edit"] != "delete")
        .map(|run| run["text"].as_str().unwrap())
        .collect();
    assert_eq!(second, "The rent is {{ rent }}, in quarters.");
    let page = estate.officer.get(&format!("{path}.html")).expect(200);
    let page = String::from_utf8(page.bytes).unwrap();
    assert!(page.contains("<ins>") && page.contains("<del>"), "{page}");
    // With a later version, to see what an amendment would bring.
    let mut later = clauses();
    later[8]["body"] = "Either party ends it by notice.".into();
    estate.publish("1.1.0", &variables(), &later);
    let compared = estate.officer.get(&format!("{path}?number=1.1.0")).expect(200);
    assert_eq!(
        (compared["template"]["number"].as_str(), compared["clauses"][8]["change"].as_str()),
        (Some("1.1.0"), Some("changed"))
    );
    estate.officer.get(&format!("{path}?number=9.9.9")).expect(404);
    let odd = estate.officer.get(&format!("{path}?number=01.1.0")).expect(400);
    assert_eq!(odd.faults(), ["number wrong_form"]);
}

#[test]
fn the_same_lease_is_the_same_bytes_wherever_it_is_made() {
    let made = || {
        let server = service();
        let estate = Estate::new(&server);
        let draft = estate.draft();
        let table = (1..=1500).map(|n| format!("{n},{},Roof | *{n}* <b>\n", n + 7)).collect::<Vec<_>>().concat();
        assert_eq!(estate.put(&draft, "premises", "text/csv", format!("uprn,usrn,description\n{table}")).status, 200);
        let issued = estate.issued(&draft);
        ["markdown", "html", "docx"].map(|format| {
            let one = document(&estate.officer, &draft, format);
            let other = document(&estate.operator, &draft, format);
            let digest = digest_of(&issued, format);
            assert_eq!((one.etag(), &one.bytes), (format!("\"{digest}\"").as_str(), &other.bytes));
            assert_eq!(sha256(&one.bytes), digest);
            let held = estate.officer.get(&format!("/v1/leases/{}/document?format={format}", draft.id()));
            held.header("If-None-Match", one.etag()).expect(304);
            digest
        })
    };
    assert_eq!(made(), made());
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    api::words::hex(&Sha256::digest(bytes))
}

#[test]
fn a_reader_has_the_format_that_it_asks_for() {
    let server = service();
    let estate = Estate::new(&server);
    let draft = estate.draft();
    let path = format!("/v1/leases/{}/document", draft.id());
    let of = |answer: &Answer| answer.header("content-type").unwrap().to_owned();
    assert_eq!(of(&estate.officer.get(&path).expect(200)), "text/html; charset=utf-8");
    let word = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
    let asked = estate.officer.get(&path).header("Accept", &format!("application/pdf, {word};q=0.9")).expect(200);
    assert_eq!(of(&asked), word);
    assert!(asked.header("content-disposition").unwrap().starts_with("attachment; filename=\"lease-"));
    let asked = estate.officer.get(&format!("{path}?format=markdown")).header("Accept", "text/html").expect(200);
    assert_eq!(of(&asked), "text/markdown; charset=utf-8");
    let page = estate.officer.get(&path).expect(200);
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    assert!(page.header("repr-digest").unwrap().starts_with("sha-256=:"));
    let odd = estate.officer.get(&format!("{path}?format=pdf")).expect(400);
    assert_eq!(odd.faults(), ["format not_listed"]);
    let head = estate.officer.call("HEAD", &path).expect(200);
    assert!(head.bytes.is_empty());
}

#[test]
fn what_is_filled_in_is_words_whatever_it_looks_like() {
    let server = service();
    let estate = Estate::new(&server);
    let hostile = "</p><script>alert(1)</script> **bold** [go](https://x.example) `code` {{ rent }} {% include 'x' %} | # & \u{7} \u{f0000} 1. one";
    let body = with(
        lease(),
        "values",
        values(&[("term", "P1Y"), ("rent", "125000"), ("network", "fibre"), ("promise", hostile)]),
    );
    let draft = estate.officer.post("/v1/leases", with(body, "title", "</title><script>*x*")).expect(201);
    let fence = json!([{ "clause": "rent", "body": "```\nnever closed {{ rent }} <!--", "reason": "Hostile." }]);
    assert_eq!(estate.deviate(&draft, &fence).status, 200);
    let page = estate.page(&draft);
    for live in ["<script", "<strong>bold", "<a ", "</title><", "<code>code", "<em>x", "<em>Networks"] {
        assert!(!page.contains(live), "{live}: {page}");
    }
    assert!(page.contains("**bold** [go](https://x.example) `code` {{ rent }}"), "{page}");
    let markdown = String::from_utf8(document(&estate.officer, &draft, "markdown").bytes).unwrap();
    let shown = rendered(&markdown);
    for live in ["<script", "<strong>bold", "<a ", "<code>code", "<em>x", "<em>Networks"] {
        assert!(!shown.contains(live), "{live}: {shown}");
    }
    for heading in ["Promise", "End"] {
        assert!(shown.contains(&format!("{heading}</h")), "an open block takes nothing in: {markdown}");
    }
    let document = part_of(&document(&estate.officer, &draft, "docx").bytes, "word/document.xml");
    assert!(document.contains("&lt;script&gt;alert(1)&lt;/script&gt; **bold**"), "{document}");
    assert!(!document.contains('\u{7}'));
}

fn rendered(markdown: &str) -> String {
    use pulldown_cmark::{Options, Parser, html};
    let mut page = String::new();
    html::push_html(&mut page, Parser::new_ext(markdown, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH));
    page
}

/// A part of an archive, as text.
fn part_of(archive: &[u8], name: &str) -> String {
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(archive)).unwrap();
    let mut text = String::new();
    archive.by_name(name).unwrap().read_to_string(&mut text).unwrap();
    text
}

#[test]
fn a_document_in_markdown() {
    let server = service();
    let estate = Estate::new(&server);
    let body = with(lease(), "values", values(&[("term", "P5Y6M"), ("rent", "123456789"), ("review_years", "3")]));
    let draft = estate.officer.post("/v1/leases", body).expect(201);
    let table = "uprn,usrn,description\n100023336956,20401234,Roof | north\n,20401235,\n";
    assert_eq!(estate.put(&draft, "premises", "text/csv", table).status, 200);
    estate.issued(&draft);
    let markdown = String::from_utf8(document(&estate.operator, &draft, "markdown").bytes).unwrap();
    insta::assert_snapshot!(markdown, @r"
    # Roofs of Kingsmead

    Rooftop wayleave, version 1.0.0

    > Illustrative.

    ## Particulars

    | | |
    |---|---|
    | Reference | PROP/1 |
    | Grantor | Hackney |
    | Operator | Northgate \*Networks\* |
    | Starts on | 1 January 2020 |
    | Ends on | 31 December 2020 |
    | How long | 5 years and 6 months |
    | Rent a year | £1,234,567.89 |
    | Years between reviews | 3 |

    ## 1 Parties

    Between Hackney and Northgate \*Networks\*, from 1 January 2020.

    ## 2 Term

    It lasts 5 years and 6 months, subject to clause 6.

    ## 3 Review

    The rent is reviewed each 3 years.

    ### 3\.1 How

    By an expert.

    ## 4 Rent

    The rent is **£1,234,567.89** a year:

    1. in advance;
    2. by transfer.

    ## 5 Extras

    ## 6 End

    Either party ends it, but for clause 5.

    ## Schedule of premises

    | No. | UPRN | USRN | Description |
    |--:|--:|--:|---|
    | 1 | 100023336956 | 20401234 | Roof \| north |
    | 2 |  | 20401235 |  |
    ");
}

#[test]
fn word_numbers_headings_and_lists_itself() {
    let server = service();
    let estate = Estate::new(&server);
    let draft = estate.draft();
    assert_eq!(estate.put(&draft, "premises", "text/csv", "uprn\n1\n2\n").status, 200);
    let bytes = document(&estate.officer, &draft, "docx").bytes;
    let document = part_of(&bytes, "word/document.xml");
    assert_eq!(document.matches("<w:pStyle w:val=\"Heading1\"/></w:pPr>").count(), 5, "{document}");
    assert!(document.contains("<w:tblHeader/>"));
    assert!(document.contains(
        "<w:numId w:val=\"3\"/></w:numPr></w:pPr><w:r><w:rPr></w:rPr><w:t xml:space=\"preserve\">in advance;"
    ));
    let numbering = part_of(&bytes, "word/numbering.xml");
    assert!(numbering.contains("<w:pStyle w:val=\"Heading2\"/><w:lvlText w:val=\"%1.%2\"/>"), "{numbering}");
    assert!(numbering.contains("<w:num w:numId=\"3\"><w:abstractNumId w:val=\"2\"/>"), "{numbering}");
}

#[test]
fn an_amendment_takes_the_place_of_a_lease_when_it_comes_into_force() {
    let server = service();
    let estate = Estate::new(&server);
    let first = estate.draft();
    let amendment = json!({ "organisation": "hackney", "title": "Roofs, amended", "startsOn": "2020-06-01", "supersedes": first.id() });
    let early = estate.officer.post("/v1/leases", amendment.clone()).expect(409);
    assert_eq!(early.faults(), ["#/supersedes not_issued"]);
    assert_eq!(estate.put(&first, "premises", "text/csv", "uprn\n1\n2\n").status, 200);
    let rent = json!([{ "clause": "rent", "body": "Nothing.", "reason": "A gift." }]);
    assert_eq!(estate.deviate(&first, &rent).status, 200);
    estate.in_force(&first);

    estate.stranger.post("/v1/leases", with(amendment.clone(), "organisation", "camden")).expect(409);
    let answers = at_once((0..10).map(|_| estate.officer.post("/v1/leases", amendment.clone())).collect());
    assert_eq!((how_many(&answers, 201), how_many(&answers, 409)), (1, 9), "one amendment at a time");
    let second = answers.into_iter().find(|answer| answer.status == 201).unwrap();
    assert_eq!((&second["values"], &second["premisesCount"]), (&estate.read(&first)["values"], &json!(2)));
    let copied = estate.officer.get(&format!("/v1/leases/{}/deviations", second.id())).expect(200);
    assert_eq!(copied["deviations"][0]["reason"], "A gift.");
    let seen = estate.operator.get(&format!("/v1/leases/{}", first.id())).expect(200);
    assert!(seen["supersededBy"].is_null(), "a draft is for who draws it up");
    assert_eq!(estate.read(&first)["supersededBy"], second["id"]);

    // A later version is one to amend to; the earlier lease stays with its own.
    estate.publish("2.0.0", &variables(), &clauses());
    assert_eq!(estate.read(&first)["laterVersion"], "2.0.0");
    let behind = estate.officer.get("/v1/leases?behind=true").expect(200);
    assert_eq!(behind.each("title"), ["Roofs, amended", "Roofs of Kingsmead"]);
    let gone = estate.officer.delete(&format!("/v1/leases/{}", second.id())).if_match(&second).expect(204);
    assert!(gone.bytes.is_empty());
    let current = json!({ "template": "rooftop-wayleave", "number": "2.0.0" });
    let second = estate.officer.post("/v1/leases", with(amendment.clone(), "template", current)).expect(201);
    let copied = estate.officer.get(&format!("/v1/leases/{}/deviations", second.id())).expect(200);
    assert!(copied["deviations"].as_array().unwrap().is_empty(), "those of another version are looked at anew");
    estate.in_force(&second);
    let over = estate.read(&first);
    assert_eq!(over["status"], "terminated");
    assert_eq!(over["statusReason"], format!("Amended by lease {}.", second.id()));
    let earlier = json!({ "template": "rooftop-wayleave", "number": "1.0.0" });
    let refused = estate.officer.post("/v1/leases", with(lease(), "template", earlier)).expect(409);
    assert_eq!(refused.faults(), ["#/template not_current"]);
    // But an amendment may stay with it.
    let third = estate.officer.post("/v1/leases", with(amendment, "supersedes", second.text("id"))).expect(201);
    assert_eq!(third["template"]["number"], "2.0.0");
}

#[test]
fn many_who_agree_at_once_agree_once_each() {
    let server = service();
    let estate = Estate::new(&server);
    let draft = estate.draft();
    let issued = estate.issued(&draft);
    let digest = digest_of(&issued, "html");
    let path = format!("/v1/leases/{}/agreements", draft.id());
    let mut calls = Vec::new();
    for _ in 0..8 {
        calls.push(estate.steward.post(&path, agreement("hackney", &digest)));
        calls.push(estate.operator.post(&path, agreement("northgate-networks", &digest)));
    }
    let answers = at_once(calls);
    assert_eq!((how_many(&answers, 201), how_many(&answers, 409)), (2, 14));
    assert_eq!(estate.read(&draft)["status"], "in_force");
    let agreed = "select count(*) from audit_events where object_type = 'leases' and after ->> 'status' = 'agreed'";
    assert_eq!(server.database().number(agreed), 1);
}

#[test]
fn what_is_issued_is_what_was_there_whoever_changes_it_meanwhile() {
    let server = service();
    let estate = Estate::new(&server);
    for _ in 0..4 {
        let draft = estate.draft();
        let (path, id) = (format!("/v1/leases/{}", draft.id()), draft.id());
        let deviation = json!({ "deviations": [{ "clause": "rent", "body": "Nothing.", "reason": "A gift." }] });
        let calls = vec![
            estate.officer.call("POST", &format!("{path}/issue")),
            estate.officer.patch(&path, json!({ "title": "Changed" })).header("If-Match", "*"),
            estate
                .officer
                .call("PUT", &format!("{path}/premises"))
                .body("text/csv", "uprn\n5\n")
                .header("If-Match", "*"),
            estate
                .officer
                .call("PUT", &format!("{path}/deviations"))
                .body("application/json", deviation.to_string())
                .header("If-Match", "*"),
        ];
        let answers = at_once(calls);
        assert_eq!(answers[0].status, 200);
        assert!(answers.iter().all(|answer| matches!(answer.status, 200 | 409)));
        let page = estate.page(&draft);
        let stored = estate.read(&draft);
        assert!(page.contains(stored.text("title")));
        assert_eq!(page.contains("Schedule of premises"), stored["premisesCount"] == 1);
        let deviates =
            server.database().number(&format!("select count(*) from lease_deviations where lease_id = '{id}'"));
        assert_eq!(page.contains("Nothing."), deviates == 1);
    }
}

#[test]
fn a_lease_is_for_its_parties() {
    let server = service();
    let estate = Estate::new(&server);
    let draft = estate.draft();
    assert_eq!(estate.put(&draft, "premises", "text/csv", "uprn\n5\n").status, 200);
    let parts = ["", "/premises", "/deviations", "/agreements", "/document", "/compare", "/compare.html"];
    let path = format!("/v1/leases/{}", draft.id());
    let nowhere = estate.stranger.get("/v1/leases/0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11").expect(404);
    let nothing = |who: &Client<'_>| {
        for part in parts {
            let hidden = who.get(&format!("{path}{part}")).expect(404);
            assert_eq!((&hidden["detail"], &hidden["title"]), (&nowhere["detail"], &nowhere["title"]), "{part}");
        }
        for query in
            ["", "?organisation=hackney", "?template=rooftop-wayleave", "?uprn=5", "?status=draft", "?behind=false"]
        {
            assert!(who.get(&format!("/v1/leases{query}")).expect(200).each("id").is_empty(), "{query}");
        }
        let report = who.get("/v1/reports/lease-adoption").expect(200);
        for part in ["adoption", "behind", "deviations", "timeToAgreement"] {
            assert!(report[part].as_array().unwrap().is_empty(), "{part}: {report:?}");
        }
    };
    nothing(&estate.stranger);
    nothing(&estate.operator);
    server.anonymous().get(&path).expect(401);
    estate.issued(&draft);
    nothing(&estate.stranger);
    for part in parts {
        estate.operator.get(&format!("{path}{part}")).expect(200);
    }
    assert_eq!(estate.operator.get("/v1/leases?uprn=5").expect(200).each("id"), [draft.text("id")]);
    // The second wall, by itself.
    let camden = server.as_(&server.admin()).get("/v1/organisations/camden").expect(200);
    let stranger = server.member(&camden, Role::Admin).id;
    let viewer = format!("set local role loti_service; select set_config('loti.viewer', 'person:{stranger}', true)");
    for table in [
        "leases",
        "lease_parties",
        "lease_premises",
        "lease_deviations",
        "lease_documents",
        "lease_document_chunks",
        "lease_agreements",
        "lease_facts()",
        "lease_departures()",
    ] {
        let asked = format!("begin; {viewer}; select count(*)::text as value from {table}; rollback");
        assert_eq!(server.database().texts_of_last(&asked), "0", "{table}");
    }
}

#[test]
fn who_keeps_a_template_learns_how_it_is_used() {
    let server = service();
    let estate = Estate::new(&server);
    let camden = |body: Value| with(body, "organisation", "camden");
    let own = estate.draft();
    estate.in_force(&own);
    for deviates in [true, false] {
        let body = camden(lease());
        let body = with(
            body,
            "parties",
            json!([
                { "organisation": "camden", "role": "grantor" }, { "organisation": "northgate-networks", "role": "operator" },
            ]),
        );
        let theirs = estate.stranger.post("/v1/leases", body).expect(201);
        if deviates {
            let rent = json!({ "deviations": [{ "clause": "rent", "body": "Secret rent.", "reason": "Secret." }] });
            let put = estate.stranger.call("PUT", &format!("/v1/leases/{}/deviations", theirs.id()));
            put.body("application/json", rent.to_string()).header("If-Match", "*").expect(200);
        }
        estate.stranger.call("POST", &format!("/v1/leases/{}/issue", theirs.id())).expect(200);
    }
    estate.publish("1.1.0", &variables(), &clauses());
    let report = estate.officer.get("/v1/reports/lease-adoption?template=rooftop-wayleave").expect(200);
    let used = |report: &Answer, part: &str| -> Vec<String> {
        report[part]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| {
                format!(
                    "{} {} {} {} {} {}",
                    row["organisation"]["slug"].as_str().unwrap(),
                    row["template"]["number"].as_str().unwrap(),
                    row["laterVersion"].as_str().unwrap_or("-"),
                    row["leases"],
                    row["live"],
                    row["inForce"]
                )
            })
            .collect()
    };
    assert_eq!(used(&report, "adoption"), ["camden 1.0.0 1.1.0 2 2 0", "hackney 1.0.0 1.1.0 1 1 1"]);
    assert_eq!(used(&report, "behind").len(), 2);
    assert_eq!(report["deviations"].as_array().unwrap().len(), 1);
    let departure = &report["deviations"][0];
    assert_eq!(
        (departure["clause"].as_str(), departure["heading"].as_str(), &departure["departing"], &departure["leases"]),
        (Some("rent"), Some("Rent"), &json!(1), &json!(3))
    );
    let time = &report["timeToAgreement"][0];
    assert_eq!((&time["leases"], time["averageSeconds"].as_i64().unwrap() < 60), (&json!(1), true));
    assert!(!report.json.to_string().contains("Secret"), "how often, and not in which words");
    // What is told of others is told to who keeps the template.
    let theirs = estate.stranger.get("/v1/reports/lease-adoption").expect(200);
    assert_eq!(used(&theirs, "adoption"), ["camden 1.0.0 1.1.0 2 2 0"]);
    let shared = estate.operator.get("/v1/reports/lease-adoption").expect(200);
    assert_eq!(used(&shared, "adoption").len(), 2, "it is a party to all of them");
    let some = estate.officer.get("/v1/reports/lease-adoption?organisation=hackney").expect(200);
    assert_eq!(used(&some, "adoption").len(), 1);
    assert!(
        used(&estate.officer.get("/v1/reports/lease-adoption?template=nothing").expect(200), "adoption").is_empty()
    );
    // What ended is behind nothing.
    assert_eq!(estate.advance(), 1);
    let report = estate.officer.get("/v1/reports/lease-adoption?organisation=hackney").expect(200);
    assert_eq!((used(&report, "adoption").len(), used(&report, "behind").len()), (1, 0));
    let behind = estate.officer.get("/v1/leases?behind=true").expect(200);
    assert!(behind.each("id").is_empty());
}

/// The document of two clauses of which the first says something, as a file of a format.
fn written(body: &str, value: &str, format: DocumentFormat) -> Vec<u8> {
    let clause = |id: &str, body: &str| Clause {
        clause_id: id.to_owned(),
        parent_id: None,
        heading: id.to_owned(),
        body: body.to_owned(),
        kind: ClauseKind::Negotiable,
        note: None,
        conditions: Json(Vec::new()),
    };
    let promise = Variable {
        name: "promise".to_owned(),
        label: "Promise".to_owned(),
        kind: VariableKind::Text,
        help: None,
        required: false,
        required_if: Json(Vec::new()),
        minimum: None,
        maximum: None,
        pattern: None,
        options: Json(Vec::new()),
    };
    let content =
        Content { clauses: vec![clause("first", body), clause("last", "It ends.")], variables: vec![promise] };
    let filled = vec![Filled { variable: "promise".to_owned(), value: value.to_owned() }];
    let terms = Terms::read(&content.variables, &Source { filled, ..Source::default() }).0;
    let wording = terms::wording(&content, &[], &terms);
    let cover = Cover {
        title: "Lease".to_owned(),
        origin: "Template, version 1.0.0".to_owned(),
        draft: false,
        notice: None,
        facts: Vec::new(),
        premises_count: 0,
    };
    let document = Document::new(cover, &content, &wording, &terms);
    let mut file = render::render(format, &document, &mut |_| Ok(())).unwrap();
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).unwrap();
    bytes
}

/// What is made of Markdown, and what a text could break out of.
const PIECES: &str = "(\\PC|\n|\n\n|```|~~~|`|\\*\\*|_|# |> |- |1\\. |\\||\\|-|<!--|<div>|</main>|&lt;|\\[|\\]\\(https://x.example\\)|\\{\\{ promise \\}\\}|    |\t|---|===|\\\\){0,12}";

proptest! {
    #[test]
    fn no_clause_reaches_into_the_next(body in PIECES, value in PIECES) {
        if text::read(&body).is_err() {
            return Ok(());
        }
        let markdown = String::from_utf8(written(&body, &value, DocumentFormat::Markdown)).unwrap();
        let shown = rendered(&markdown);
        prop_assert!(shown.contains("<h2>2 last</h2>\n<p>It ends.</p>"), "{}", markdown);
        prop_assert!(!shown.contains("<div") && !shown.contains("<!--"), "{}", markdown);
        let page = String::from_utf8(written(&body, &value, DocumentFormat::Html)).unwrap();
        prop_assert!(page.contains("<section id=\"clause-last\">\n<h2><span class=\"number\">2</span> last</h2>\n<p>It ends.</p>\n</section>\n</main>"), "{}", page);
        prop_assert_eq!(page.matches("</main>").count(), 1);
        let document = part_of(&written(&body, &value, DocumentFormat::Docx), "word/document.xml");
        let mut reader = quick_xml::Reader::from_str(&document);
        reader.config_mut().check_end_names = true;
        loop {
            match reader.read_event() {
                Ok(quick_xml::events::Event::Eof) => break,
                Ok(_) => {}
                Err(error) => prop_assert!(false, "{error}: {document}"),
            }
        }
        prop_assert!(document.contains(">It ends.</w:t>"), "{}", document);
    }
}

#[test]
fn what_is_long_or_deep_makes_no_long_document() {
    let definition = format!("[a]: https://x.example/{}\n\n", "y".repeat(9000));
    let costly = [
        ">".repeat(19_000),
        "- ".repeat(9_000),
        "*a ".repeat(6_000),
        "[".repeat(19_000),
        definition + &"[a]".repeat(3_000),
        "|".repeat(9_000) + "\n" + &"|-".repeat(4_000) + "\n",
        "`".repeat(19_000),
        "{{ promise }}".repeat(1_400),
    ];
    for body in costly {
        for format in DocumentFormat::ALL {
            let bytes = written(&body, &"long ".repeat(900), *format);
            assert!(bytes.len() < 2_000_000, "{}: {}", body.get(..20).unwrap_or_default(), bytes.len());
        }
    }
}
