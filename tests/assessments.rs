//! `/v1/assessments`, `/v1/evidence` and `/v1/actions`: that none loses an answer, that what was submitted stays, and that
//! nobody else learns anything of it.

use std::collections::{HashMap, HashSet};

use db::{PlatformRole, Role};
use serde_json::{Value, json};

use crate::checklists::{Keeper, larger};
use crate::concurrency::{at_once, how_many};
use crate::support::client::Client;
use crate::support::contract::operations;
use crate::support::operations::{Target, call, path_of};
use crate::support::{Answer, Person, Server, checklist, council};

/// A council that assesses itself, and another that assures it.
pub struct Scene<'s> {
    pub keeper: Keeper<'s>,
    pub ealing: Answer,
    pub officer: Client<'s>,
    pub steward: Client<'s>,
    pub assurer: Client<'s>,
    /// Who is of neither.
    pub stranger: Client<'s>,
    pub officer_id: uuid::Uuid,
}

impl<'s> Scene<'s> {
    pub fn new(server: &'s Server) -> Self {
        let keeper = Keeper::new(server);
        let ealing = server.add_organisation(council("Ealing"));
        let barnet = server.add_organisation(council("Barnet"));
        let camden = server.add_organisation(council("Camden"));
        let officer = server.member(&ealing, Role::Contributor);
        Self {
            keeper,
            officer: server.as_(&officer),
            steward: server.as_(&server.member(&ealing, Role::Steward)),
            assurer: server.as_(&server.member(&barnet, Role::Contributor)),
            stranger: server.as_(&server.member(&camden, Role::Admin)),
            officer_id: officer.id,
            ealing,
        }
    }

    /// The checklist of all controls of [`larger`].
    pub fn checklist(&self) -> Answer {
        let framework = self.keeper.framework("1.0", &larger());
        self.keeper.checklist(checklist("hackney", framework.text("slug")))
    }

    /// An assessment that the other council may assure.
    pub fn plan(&self, checklist: &Answer) -> Answer {
        let body = json!({
            "organisation": "ealing", "checklist": checklist["slug"], "title": "Baseline 7q3x",
            "assurers": [{ "organisation": "barnet" }],
        });
        self.officer.post("/v1/assessments", body).expect(201)
    }

    /// Another with the same checklist.
    fn plan_again(&self, assessment: &Answer) -> Answer {
        let body = json!({ "organisation": "ealing", "checklist": assessment["checklist"]["slug"], "title": "Again" });
        self.officer.post("/v1/assessments", body).expect(201)
    }

    pub fn answer(&self, assessment: &Answer, answers: &Value) -> Answer {
        answer_as(&self.officer, assessment, answers).expect_ok()
    }

    /// Says the same to every control, whatever was said.
    pub fn answer_all(&self, assessment: &Answer, status: &str) {
        let answers: Vec<Value> = self
            .responses(assessment)
            .into_iter()
            .map(|response| json!({ "control": response["control"]["id"], "version": response["version"], "status": status }))
            .collect();
        self.answer(assessment, &answers.into());
    }

    pub fn responses(&self, assessment: &Answer) -> Vec<Value> {
        let path = format!("{}/responses?limit=100", path_to(assessment));
        self.officer.get(&path).expect(200)["items"].as_array().unwrap().clone()
    }

    pub fn read(&self, assessment: &Answer) -> Answer {
        self.officer.get(&path_to(assessment)).expect(200)
    }

    pub fn submit(&self, assessment: &Answer) -> Answer {
        self.steward.call("POST", &format!("{}/submit", path_to(assessment))).send()
    }

    pub fn assure(&self, assessment: &Answer) -> Answer {
        self.assurer.post(&format!("{}/assure", path_to(assessment)), json!({ "statement": "It is so." })).send()
    }

    fn evidence(&self, assessment: &Answer, body: Value) -> Answer {
        self.officer.post(&format!("{}/evidence", path_to(assessment)), body).expect(201)
    }
}

trait ExpectOk {
    fn expect_ok(self) -> Answer;
}

impl ExpectOk for Answer {
    fn expect_ok(self) -> Answer {
        assert_eq!(self.status, 200, "{}", self.json);
        self
    }
}

pub fn path_to(assessment: &Answer) -> String {
    format!("/v1/assessments/{}", assessment.text("id"))
}

fn answer_as(client: &Client<'_>, assessment: &Answer, answers: &Value) -> Answer {
    let path = format!("{}/responses", path_to(assessment));
    client.call("PATCH", &path).body("application/json", json!({ "answers": answers }).to_string()).send()
}

fn outcomes(answer: &Answer) -> Vec<&str> {
    answer["results"].as_array().unwrap().iter().map(|result| result["outcome"].as_str().unwrap()).collect()
}

#[test]
fn answers_are_kept_one_by_one_and_what_became_of_each_is_told() {
    let server = Server::start();
    let scene = Scene::new(&server);
    let planned = scene.plan(&scene.checklist());
    assert_eq!((&planned["status"], &planned["progress"]["controlCount"]), (&json!("planned"), &json!(7)));
    let first = scene.answer(
        &planned,
        &json!([
            { "control": "ac-1", "version": 1, "status": "met", "statement": "HR tells IT." },
            { "control": "ac-2", "version": 9, "status": "met" },
            { "control": "none", "version": 1, "status": "met" },
            { "control": "ac-17", "version": 1, "status": "not_applicable" },
            { "control": "ir-1", "version": 1, "evidence": [scene.officer_id], "assignee": scene.ealing["id"] },
            { "control": "ir-2", "version": 1 },
            { "control": "ac-1", "version": 2, "status": "not_met" },
        ]),
    );
    assert_eq!(outcomes(&first), ["updated", "conflict", "refused", "refused", "refused", "unchanged", "refused"]);
    let results = first["results"].as_array().unwrap();
    let faults = |index: usize| -> Vec<String> {
        let errors = results[index]["errors"].as_array().unwrap().iter();
        errors
            .map(|error| format!("{} {}", error["pointer"].as_str().unwrap(), error["code"].as_str().unwrap()))
            .collect()
    };
    assert_eq!((results[0]["version"].as_i64(), results[1]["version"].as_i64()), (Some(2), Some(1)));
    assert_eq!(faults(1), ["#/version stale"]);
    assert_eq!(faults(2), ["#/control unknown_control"]);
    assert_eq!(faults(3), ["#/justification required"]);
    assert_eq!(faults(4), ["#/assignee unknown_person", "#/evidence/0 unknown_evidence"]);
    assert_eq!(faults(6), ["#/control repeated"]);
    assert_eq!(scene.read(&planned)["status"], "in_progress");
    let refused = scene.plan_again(&planned);
    assert_eq!(outcomes(&scene.answer(&refused, &json!([{ "control": "none", "version": 1 }]))), ["refused"]);
    assert_eq!(scene.read(&refused)["status"], "planned", "nothing was answered");

    // What is not said stays, null clears, and giving it to somebody says nothing.
    let second = json!([{ "control": "ac-1", "version": 2, "status": null, "assignee": scene.officer_id }]);
    assert_eq!(outcomes(&scene.answer(&planned, &second)), ["updated"]);
    let of_officer = format!("{}/responses?assignee={}", path_to(&planned), scene.officer_id);
    let mine = scene.officer.get(&of_officer).expect(200);
    let kept = &mine["items"][0];
    assert_eq!(
        (&kept["status"], &kept["statement"], &kept["version"]),
        (&Value::Null, &json!("HR tells IT."), &json!(3))
    );
    let unanswered = format!("{}/responses?answered=false&control=ac-1", path_to(&planned));
    assert_eq!(scene.officer.get(&unanswered).expect(200)["items"].as_array().unwrap().len(), 1);
    let history = scene.officer.get(&format!("{}/history?control=ac-1", path_to(&planned))).expect(200);
    let said: Vec<&Value> = history["items"].as_array().unwrap().iter().map(|item| &item["status"]).collect();
    assert_eq!(said, [&json!("met"), &Value::Null]);

    // What does not match the document is refused as a whole.
    let refused = answer_as(&scene.officer, &planned, &json!([{ "control": "ac-1", "status": "nearly" }]));
    assert_eq!(
        (refused.status, refused.faults()),
        (400, vec!["#/answers/0/status not_listed".to_owned(), "#/answers/0/version required".to_owned()])
    );
    let trail = "select count(*) from audit_events where object_type = 'assessment_responses'";
    assert_eq!(server.database().number(trail), 2, "one row a call that changed something");
    let held = "select count(*) from audit_events where before::text || after::text like '%HR tells%'";
    assert_eq!(server.database().number(held), 0, "the trail has no words");
}

#[test]
fn ten_people_at_once_lose_no_answer() {
    let server = Server::start();
    let scene = Scene::new(&server);
    let planned = scene.plan(&scene.checklist());
    let people: Vec<Person> = (0..10).map(|_| server.member(&scene.ealing, Role::Contributor)).collect();
    let clients: Vec<Client<'_>> = people.iter().map(|person| server.as_(person)).collect();
    let controls = ["ac-17", "ac-1", "ac-2", "ac-2.1", "ac-2.2", "ir-1", "ir-2"];
    let path = format!("{}/responses", path_to(&planned));
    // Everybody answers everything, in an order of their own, until all of it was kept.
    let kept: Vec<(String, i64, String)> = std::thread::scope(|scope| {
        let path = &path;
        let threads: Vec<_> = clients
            .iter()
            .enumerate()
            .map(|(who, client)| {
                scope.spawn(move || {
                    let (mut versions, mut kept) = (HashMap::new(), Vec::new());
                    let mut left: HashSet<&str> = controls.into_iter().collect();
                    while !left.is_empty() {
                        let mut order: Vec<&str> = left.iter().copied().collect();
                        order.rotate_left(who % left.len());
                        let answers: Vec<Value> = order
                            .iter()
                            .map(|control| {
                                let version = versions.get(*control).copied().unwrap_or(1_i64);
                                json!({ "control": control, "version": version, "status": "met", "statement": format!("{control} by {who}") })
                            })
                            .collect();
                        let body = json!({ "answers": answers }).to_string();
                        let answer = client.call("PATCH", path).body("application/json", body).expect(200);
                        for result in answer["results"].as_array().unwrap() {
                            let (control, version) = (result["control"].as_str().unwrap(), result["version"].as_i64().unwrap());
                            if result["outcome"] == "updated" {
                                kept.push((control.to_owned(), version, format!("{control} by {who}")));
                                left.remove(control);
                            } else {
                                assert_eq!(result["outcome"], "conflict");
                            }
                            versions.insert(control.to_owned(), version);
                        }
                    }
                    kept
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(kept.len(), 70);
    let mut history = HashSet::new();
    let mut next = Some(format!("{}/history?limit=100", path_to(&planned)));
    while let Some(path) = next {
        let page = scene.officer.get(&path).expect(200);
        for item in page["items"].as_array().unwrap() {
            let text = |field: &str| item[field].as_str().unwrap().to_owned();
            history.insert((text("control"), item["version"].as_i64().unwrap(), text("statement")));
        }
        next = page.next();
    }
    assert_eq!(history, kept.into_iter().collect::<HashSet<_>>(), "each answer that was kept is in the history, once");
    for response in scene.responses(&planned) {
        assert_eq!(response["version"], 11);
    }
}

#[test]
fn an_assessment_goes_its_way_and_stays_as_it_was_assured() {
    let server = Server::start();
    let scene = Scene::new(&server);
    let body = json!({ "organisation": "ealing", "checklist": scene.checklist()["slug"], "title": "Baseline 2026" });
    let planned = scene.officer.post("/v1/assessments", body).expect(201);
    let path = path_to(&planned);
    assert_eq!(scene.submit(&planned).faults(), ["#/status out_of_turn"]);
    let old = scene.evidence(&planned, json!({ "title": "Policy", "url": "https://i.example/p", "expiresOn": "2020-01-01", "controls": ["ac-1", "ir-1"] }));
    let refused = scene.submit(&planned);
    assert_eq!(refused.status, 409);
    let mut expected: Vec<String> = ["ac-17", "ac-1", "ac-2", "ac-2.1", "ac-2.2", "ir-1", "ir-2"]
        .iter()
        .map(|id| format!("#/responses/{id}/status unanswered"))
        .collect();
    expected.extend([format!("#/evidence/{}/expiresOn expired", old.text("id")), "#/assurers required".to_owned()]);
    expected.sort();
    assert_eq!(refused.faults(), expected);
    scene.answer_all(&planned, "met");
    scene
        .officer
        .patch(&path, json!({ "assurers": [{ "organisation": "barnet" }, { "person": scene.officer_id }] }))
        .header("If-Match", "*")
        .expect(200);
    let itself = scene
        .officer
        .patch(&path, json!({ "assurers": [{ "organisation": "ealing" }, { "person": old["id"] }, {}] }))
        .header("If-Match", "*");
    assert_eq!(
        itself.expect(409).faults(),
        ["#/assurers/0/organisation itself", "#/assurers/1/person unknown_person", "#/assurers/2 wrong_form"]
    );
    let evidence = format!("/v1/evidence/{}", old.text("id"));
    scene.officer.patch(&evidence, json!({ "expiresOn": "2999-01-01" })).header("If-Match", "*").expect(200);
    scene.assurer.get(&path).expect(404);
    let submitted = scene.submit(&planned).expect_ok();
    assert_eq!((&submitted["status"], &submitted["score"]), (&json!("submitted"), &json!(100)));

    // From now on nothing of it changes; those who are named see it.
    let locked =
        answer_as(&scene.officer, &planned, &json!([{ "control": "ac-1", "version": 3, "status": "not_met" }]));
    assert_eq!((locked.status, locked.faults()), (409, vec!["#/status out_of_turn".to_owned()]));
    scene.officer.patch(&path, json!({ "title": "Another" })).header("If-Match", "*").expect(409);
    scene.steward.delete(&path).header("If-Match", "*").expect(409);
    assert_eq!(scene.assurer.get(&path).expect(200)["submittedBy"]["id"], submitted["submittedBy"]["id"]);
    for part in ["responses", "history", "score", "oscal", "evidence", "actions", "comments", "table"] {
        scene.assurer.get(&format!("{path}/{part}")).expect(200);
        scene.stranger.get(&format!("{path}/{part}")).expect(404);
    }
    let by_assurer =
        answer_as(&scene.assurer, &planned, &json!([{ "control": "ac-1", "version": 3, "status": "not_met" }]));
    assert_eq!(by_assurer.status, 403, "who assures it does not answer it");
    scene.assurer.get(&evidence).expect(200);
    let said = scene
        .assurer
        .post(&format!("{path}/comments"), json!({ "control": "ac-1", "bodyMarkdown": "Is it **so**? <script>" }))
        .expect(201);
    assert_eq!((&said["assures"], &said["bodyHtml"]), (&json!(true), &json!("<p>Is it <strong>so</strong>? </p>\n")));

    // What it said then stays when the evidence goes on.
    let pinned =
        |client: &Client<'_>| client.get(&format!("{path}/evidence")).expect(200)["items"][0]["revision"].clone();
    assert_eq!(pinned(&scene.assurer), 2);
    scene.officer.patch(&evidence, json!({ "url": "https://i.example/q" })).header("If-Match", "*").expect(200);
    assert_eq!((pinned(&scene.assurer), &scene.officer.get(&evidence).expect(200)["revision"]), (json!(2), &json!(3)));

    let wanted = json!({ "reason": "Some is too old.", "controls": [{ "control": "ir-1", "reason": "Show it." }] });
    let unknown = json!({ "reason": "Some.", "controls": [{ "control": "none", "reason": "Show it." }] });
    let changes = format!("{path}/request-changes");
    assert_eq!(scene.assurer.post(&changes, unknown).expect(409).faults(), ["#/controls/0/control unknown_control"]);
    scene.steward.post(&changes, wanted.clone()).expect(403);
    let returned = scene.assurer.post(&changes, wanted).expect(200);
    assert_eq!(
        (&returned["status"], &returned["progress"]["changeRequestedCount"]),
        (&json!("changes_requested"), &json!(1))
    );
    scene.answer(&planned, &json!([{ "control": "ir-1", "version": 3, "statement": "Here it is." }]));
    assert_eq!(scene.read(&planned)["progress"]["changeRequestedCount"], 0);
    scene.submit(&planned).expect_ok();
    let own = scene.steward.post(&format!("{path}/assure"), json!({ "statement": "Fine." })).expect(403);
    assert!(own.text("detail").contains("submitted"), "{}", own.json);
    let assured = scene.assure(&planned).expect_ok();
    assert_eq!((&assured["status"], &assured["assuredFor"]["slug"]), (&json!("assured"), &json!("barnet")));
    assert_eq!(scene.assure(&planned).faults(), ["#/status out_of_turn"]);
    stays_as_it_is(&server, &scene, &planned);
}

/// No statement of the service's role changes what was assured; whether results are shared is decided at any time.
fn stays_as_it_is(server: &Server, scene: &Scene<'_>, assured: &Answer) {
    for statement in [
        "update assessments set title = 'Another'",
        "update assessments set assurance = 'Another'",
        "update assessments set score = 1",
        "update assessments set status = 'in_progress'",
        "delete from assessments",
        "update assessment_responses set status = 'not_met'",
        "update assessment_responses set statement = 'Another', version = 99",
        "delete from assessment_responses",
        "update assessment_response_versions set statement = 'Another'",
        "delete from assessment_response_versions",
        "update assessment_evidence set revision = 1",
        "delete from assessment_evidence",
        "update evidence_revisions set url = 'https://elsewhere.example'",
        "delete from evidence",
        "update assessment_comments set body_markdown = 'Another'",
        "delete from assessment_comments",
        "insert into assessment_assurers (assessment_id, position, organisation_id) select id, 9, organisation_id from assessments",
        "truncate assessment_comments",
    ] {
        let as_service = format!("set loti.viewer = 'operator'; set role loti_service; {statement}");
        assert!(server.database().refusal(&as_service).is_some(), "{statement}");
    }
    let shared =
        scene.officer.patch(&path_to(assured), json!({ "sharesResults": true })).header("If-Match", "*").expect(200);
    assert_eq!(shared["sharesResults"], true);
}

#[test]
fn one_of_many_assures_and_no_answer_passes_a_submission() {
    let server = Server::start();
    let scene = Scene::new(&server);
    let planned = scene.plan(&scene.checklist());
    scene.answer_all(&planned, "met");
    let path = path_to(&planned);
    let answer = |n: usize| {
        let answers = json!({ "answers": [{ "control": "ac-1", "version": 2, "status": "not_met", "statement": format!("{n}") }] });
        scene.officer.call("PATCH", &format!("{path}/responses")).body("application/json", answers.to_string())
    };
    let mut calls: Vec<_> = (0..8).map(answer).collect();
    calls.extend((0..2).map(|_| scene.steward.call("POST", &format!("{path}/submit"))));
    let answers = at_once(calls);
    assert_eq!(how_many(&answers[8..], 200), 1);
    let response = scene.responses(&planned).into_iter().find(|response| response["control"]["id"] == "ac-1").unwrap();
    let updated = answers[..8].iter().filter(|answer| answer.status == 200 && outcomes(answer) == ["updated"]).count();
    assert_eq!(response["version"], 2 + i64::try_from(updated).unwrap(), "what was told to be kept is");
    let score = if response["status"] == "met" { 100 } else { 86 };
    assert_eq!(scene.read(&planned)["score"], score, "the score is of what was submitted");
    let assure = |_| scene.assurer.post(&format!("{path}/assure"), json!({ "statement": "It is so." }));
    let answers = at_once((0..6).map(assure).collect());
    assert_eq!((how_many(&answers, 200), how_many(&answers, 409)), (1, 5));
}

#[test]
fn a_table_goes_out_and_comes_in_with_answers() {
    let server = Server::start();
    let scene = Scene::new(&server);
    let planned = scene.plan(&scene.checklist());
    let officer = &scene.officer;
    scene.answer(&planned, &json!([{ "control": "ac-1", "version": 1, "status": "met", "statement": "=1+1, \"so\"" }]));
    let path = path_to(&planned);
    let table = String::from_utf8(officer.get(&format!("{path}/table")).expect(200).bytes).unwrap();
    assert!(table.contains("ac-1,,Access,Control ac-1,It is ac-1.,,2,met,\"'=1+1, \"\"so\"\"\",,,,,,"), "{table}");
    let send = |csv: String| officer.call("PATCH", &format!("{path}/responses")).body("text/csv", csv).send();
    let again = send(table.clone());
    assert_eq!(again.status, 200, "{}", again.json);
    assert_eq!(outcomes(&again), ["unchanged"; 7], "what went out and comes in again changes nothing");
    let filled = table
        .replace("It is ir-1.,,1,,,", "It is ir-1.,,1,Partly met,\"Half, so far\",")
        .replace("It is ac-1.,,2,met,", "It is ac-1.,,2,,");
    assert_eq!(
        outcomes(&send(filled)),
        ["unchanged", "updated", "unchanged", "unchanged", "unchanged", "updated", "unchanged"]
    );
    let kept: HashMap<String, Value> =
        scene.responses(&planned).into_iter().map(|r| (r["control"]["id"].as_str().unwrap().to_owned(), r)).collect();
    assert_eq!((&kept["ir-1"]["status"], &kept["ir-1"]["statement"]), (&json!("partly_met"), &json!("Half, so far")));
    assert_eq!((&kept["ac-1"]["status"], &kept["ac-1"]["statement"]), (&Value::Null, &json!("=1+1, \"so\"")));
    for (csv, fault) in [
        ("status\nmet\n", "# unusable_file"),
        ("control,version\nac-1\n", "#/answers/0 wrong_length"),
        ("control,version,status\nac-1,1,nearly\n", "#/answers/0/status not_listed"),
        ("control,version\nac-1,one\n", "#/answers/0/version wrong_type"),
        ("control,version\n\"ac-1,1\n", "#/answers/0 open_quote"),
    ] {
        let refused = send(csv.to_owned());
        assert_eq!((refused.status, refused.faults()), (400, vec![fault.to_owned()]), "{csv}");
    }
}

#[test]
fn indicators_of_good_practice_grade_a_control() {
    let server = Server::start();
    let scene = Scene::new(&server);
    let part = |id: &str, class: &str| json!({ "id": id, "name": "assessment-objective", "class": class, "prose": format!("{id} holds.") });
    let mut catalog = larger();
    catalog["catalog"]["groups"][1]["controls"][0]["parts"] = json!([
        part("n1", "not-achieved"), part("p1", "partially-achieved"), part("a1", "achieved"), part("a2", "achieved"), part("a2", "achieved"),
        { "name": "assessment-objective", "prose": "No class, no grade." },
    ]);
    let framework = scene.keeper.framework("1.0", &catalog);
    let body = checklist("hackney", framework.text("slug"))
        .with("scoring", "graded")
        .with("include", json!([{ "groups": ["ir"] }]));
    let planned = scene.plan(&scene.keeper.checklist(body));
    let indicators = &scene.responses(&planned)[0]["control"]["indicators"];
    let ids: Vec<&str> =
        indicators.as_array().unwrap().iter().map(|indicator| indicator["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["n1", "p1", "a1", "a2", "indicator-5"], "an id that is used twice is told apart");
    let met = |ids: &[&str]| -> Value { ids.iter().map(|id| json!({ "id": id, "met": true })).collect() };
    let mut version = 1;
    let mut say = |answer: Value| -> (String, Value) {
        let mut answer = answer;
        (answer["control"], answer["version"]) = (json!("ir-1"), json!(version));
        let told = scene.answer(&planned, &json!([answer]));
        version = told["results"][0]["version"].as_i64().unwrap();
        (outcomes(&told)[0].to_owned(), scene.responses(&planned)[0]["status"].clone())
    };
    assert_eq!(say(json!({ "indicators": met(&["p1"]) })), ("updated".to_owned(), json!("partly_met")));
    assert_eq!(say(json!({ "indicators": met(&["a1", "a2", "indicator-5"]) })), ("updated".to_owned(), json!("met")));
    assert_eq!(
        say(json!({ "indicators": met(&["n1", "a1", "a2", "indicator-5"]) })),
        ("updated".to_owned(), json!("not_met"))
    );
    let refused = say(json!({ "indicators": met(&["n1"]), "status": "met" }));
    assert_eq!(refused, ("refused".to_owned(), json!("not_met")), "another grade needs a reason");
    let reasoned = say(json!({ "indicators": met(&["n1"]), "status": "met", "justification": "It is being closed." }));
    assert_eq!(reasoned, ("updated".to_owned(), json!("met")));
    let elsewhere = say(json!({ "statement": "In words." }));
    assert_eq!(elsewhere, ("updated".to_owned(), json!("met")), "what is said otherwise leaves it");
    assert_eq!(say(json!({ "indicators": met(&["none"]) })).0, "refused");
    let blank = say(json!({ "indicators": met(&["p1"]), "status": null, "justification": null }));
    assert_eq!(blank, ("updated".to_owned(), json!("partly_met")), "a cell that is blank gives no grade");
    assert_eq!(say(json!({ "indicators": met(&["n1"]) })), ("updated".to_owned(), json!("not_met")));
    assert_eq!(say(json!({ "indicators": met(&["a1", "a2", "indicator-5"]) })), ("updated".to_owned(), json!("met")));
    let score = scene.officer.get(&format!("{}/score", path_to(&planned))).expect(200);
    assert_eq!((&score["overall"]["score"], &score["overall"]["grade"]), (&json!(50), &json!("not_achieved")));
}

#[test]
fn answers_are_carried_to_another_edition_and_what_changed_is_told() {
    let server = Server::start();
    let scene = Scene::new(&server);
    let planned = scene.plan(&scene.checklist());
    let shown =
        scene.evidence(&planned, json!({ "title": "Policy", "url": "https://i.example/p", "controls": ["ac-1"] }));
    scene.answer_all(&planned, "met");
    let early = json!({ "organisation": "ealing", "checklist": planned["checklist"]["slug"], "title": "Next", "supersedes": planned["id"] });
    assert_eq!(
        scene.officer.post("/v1/assessments", early.clone()).expect(409).faults(),
        ["#/supersedes not_submitted"]
    );
    scene.submit(&planned).expect_ok();
    scene.assure(&planned).expect_ok();
    scene.stranger.post("/v1/assessments", json!({ "organisation": "camden", "checklist": planned["checklist"]["slug"], "title": "Theirs", "supersedes": planned["id"] })).expect(409);

    // ac-2 says something else, ac-17 became ac-18, ir-2 is gone and au-1 is new.
    let mut next = larger();
    next["catalog"]["groups"][0]["controls"][1]["title"] = json!("Says something else");
    next["catalog"]["groups"][0]["groups"][0]["controls"][0]["id"] = json!("ac-18");
    next["catalog"]["groups"][1]["controls"][1] = json!({ "id": "au-1", "title": "New" });
    let later = scene.keeper.framework("2.0", &next);
    let earlier = scene.keeper.author.get("/v1/frameworks?title=cyber").expect(200);
    let earlier =
        earlier["items"].as_array().unwrap().iter().find(|item| item["edition"] == "1.0").unwrap()["id"].clone();
    let mappings = json!({ "mappings": [{ "control": "ac-18", "relationship": "equal", "target": earlier, "targetControl": "ac-17" }] });
    let put = scene.keeper.author.call("PUT", &format!("/v1/frameworks/{}/mappings", later.text("id")));
    put.body("application/json", mappings.to_string()).header("If-Match", "*").expect(200);
    let body = checklist("hackney", later.text("slug"))
        .with("edition", "2.0")
        .with("supersedes", planned["checklist"]["id"].clone())
        .with("dueEveryMonths", 12);
    let newer = scene.keeper.checklist(body);
    let body = json!({ "organisation": "ealing", "checklist": newer["slug"], "title": "Next", "supersedes": planned["id"], "assurers": [{ "organisation": "barnet" }] });
    let carried = scene.officer.post("/v1/assessments", body.clone()).expect(201);
    assert!(carried["dueOn"].is_string(), "{}", carried.json);
    assert_eq!(scene.officer.post("/v1/assessments", body).expect(409).faults(), ["#/supersedes carried_already"]);
    let responses = scene.responses(&carried);
    let told: Vec<(&str, &Value, &Value)> =
        responses.iter().map(|r| (r["control"]["id"].as_str().unwrap(), &r["status"], &r["lookAgain"])).collect();
    let (met, null) = (&json!("met"), &Value::Null);
    assert_eq!(
        told,
        [
            ("ac-18", met, &json!("control_related")),
            ("ac-1", met, null),
            ("ac-2", met, &json!("control_changed")),
            ("ac-2.1", met, null),
            ("ac-2.2", met, null),
            ("ir-1", met, null),
            ("au-1", null, &json!("control_new")),
        ]
    );
    assert_eq!(responses[1]["evidence"], json!([shown["id"]]));
    let look = scene.officer.get(&format!("{}/responses?lookAgain=true", path_to(&carried))).expect(200);
    assert_eq!(look["items"].as_array().unwrap().len(), 3);
    // Who says the same again has looked at it.
    scene.answer(&carried, &json!([{ "control": "ac-2", "version": 1, "status": "met" }, { "control": "ac-18", "version": 1, "status": "met" }, { "control": "au-1", "version": 1, "status": "met" }]));
    assert_eq!(scene.read(&carried)["progress"]["lookAgainCount"], 0);
    scene.submit(&carried).expect_ok();
    scene.assure(&carried).expect_ok();
    let before = scene.read(&planned);
    assert_eq!((&before["status"], &before["supersededBy"]), (&json!("superseded"), &carried["id"]));
    let score = scene.officer.get(&format!("{}/score", path_to(&carried))).expect(200);
    let history: Vec<&Value> = score["history"].as_array().unwrap().iter().map(|at| &at["assessment"]).collect();
    assert_eq!(history, [&planned["id"], &carried["id"]]);
}

#[test]
fn scores_are_by_weight_group_and_what_applies() {
    let server = Server::start();
    let scene = Scene::new(&server);
    let framework = scene.keeper.framework("1.0", &larger());
    let body = checklist("hackney", framework.text("slug"))
        .with("scoring", "weighted")
        .with("controls", json!([{ "control": "ac-17", "weight": 3 }]));
    let planned = scene.plan(&scene.keeper.checklist(body));
    scene.answer(&planned, &json!([
        { "control": "ac-17", "version": 1, "status": "met" }, { "control": "ac-1", "version": 1, "status": "partly_met" },
        { "control": "ac-2", "version": 1, "status": "not_met" },
        { "control": "ir-1", "version": 1, "status": "not_applicable", "justification": "There are none." },
        { "control": "ir-2", "version": 1, "status": "not_applicable", "justification": "There are none." },
    ]));
    let score = scene.officer.get(&format!("{}/score", path_to(&planned))).expect(200);
    assert_eq!(
        (&score["overall"]["score"], &score["overall"]["answeredCount"], &score["overall"]["notApplicableCount"]),
        (&json!(50), &json!(5), &json!(2))
    );
    let groups: Vec<(&str, &Value, &Value)> = score["groups"]
        .as_array()
        .unwrap()
        .iter()
        .map(|group| (group["group"]["id"].as_str().unwrap(), &group["score"], &group["grade"]))
        .collect();
    assert_eq!(
        groups,
        [
            ("ac", &json!(50), &json!("not_achieved")),
            ("ac-remote", &json!(100), &json!("achieved")),
            ("ir", &Value::Null, &Value::Null)
        ]
    );
}

#[test]
fn a_file_is_kept_as_it_came_and_only_ever_saved() {
    let server = Server::start();
    let scene = Scene::new(&server);
    let planned = scene.plan(&scene.checklist());
    let made = scene.evidence(&planned, json!({ "title": "Leavers", "fileName": "leavers – Q3 \"final\".pdf" }));
    let path = format!("/v1/evidence/{}", made.text("id"));
    let content = format!("{path}/content");
    assert_eq!(scene.officer.get(&content).expect(409).faults(), ["# no_file"]);
    let put = |media_type: &str, bytes: &[u8]| {
        scene.officer.call("PUT", &content).body(media_type, bytes).header("If-Match", "*").send()
    };
    let pdf = [b"%PDF-1.7\n<script>alert(1)</script>\0\xff".as_slice(), &vec![7; 700_000]].concat();
    let kept = put("application/pdf", &pdf);
    assert_eq!((kept.status, &kept["revision"], &kept["size"]), (200, &json!(2), &json!(pdf.len())), "{}", kept.json);
    assert_eq!(put("application/pdf", &pdf)["revision"], 2, "the same again changes nothing");
    let got = scene.officer.get(&content).expect(200);
    assert!(got.bytes == pdf);
    assert_eq!(got.etag(), format!("\"{}\"", kept.text("sha256")));
    assert_eq!(
        (got.header("content-type"), got.header("x-content-type-options")),
        (Some("application/pdf"), Some("nosniff"))
    );
    assert_eq!(
        got.header("content-disposition"),
        Some(
            "attachment; filename=\"leavers _ Q3 _final_.pdf\"; filename*=UTF-8''leavers%20%E2%80%93%20Q3%20%22final%22%2Epdf"
        )
    );
    assert_eq!(got.header("content-security-policy"), Some("default-src 'none'; sandbox"));
    for (media_type, bytes, expected) in [
        ("application/pdf", b"<html>".as_slice(), 400),
        ("image/png", b"%PDF-1.7", 400),
        ("text/html", b"<html>", 415),
        ("image/svg+xml", b"<svg/>", 415),
        ("text/plain", b"", 400),
    ] {
        assert_eq!(put(media_type, bytes).status, expected, "{media_type}");
    }
    assert_eq!(put("text/plain", b"Another").json["revision"], 3);
    assert!(scene.officer.get(&format!("{content}?revision=2")).expect(200).bytes == pdf);
    scene.officer.get(&format!("{content}?revision=9")).expect(404);
    // With another day it is the same file; as a link it is none.
    let dated = scene.officer.patch(&path, json!({ "expiresOn": "2020-01-01" })).header("If-Match", "*").expect(200);
    assert_eq!(
        (&dated["revision"], &dated["expired"], &dated["mediaType"]),
        (&json!(4), &json!(true), &json!("text/plain"))
    );
    assert_eq!(scene.officer.get(&content).expect(200).bytes, b"Another");
    let linked =
        scene.officer.patch(&path, json!({ "url": "https://i.example/x" })).header("If-Match", "*").expect(200);
    assert_eq!((&linked["sha256"], linked["revisions"].as_array().unwrap().len()), (&Value::Null, 5));
    let script =
        scene.officer.patch(&path, json!({ "url": "javascript:alert(1)" })).header("If-Match", "*").expect(400);
    assert_eq!(script.faults(), ["#/url wrong_form"]);
    let listed = scene.officer.get("/v1/evidence?expiresBefore=2021-01-01").expect(200);
    assert_eq!(listed.each("id"), [made.text("id")]);

    // It is used again elsewhere, and cannot be removed as long as it is.
    scene.answer(&planned, &json!([{ "control": "ir-1", "version": 1, "evidence": [made["id"]] }, { "control": "ir-2", "version": 1, "evidence": [made["id"]] }]));
    let used = scene.officer.get(&format!("{}/evidence", path_to(&planned))).expect(200);
    assert_eq!(used["items"][0]["controls"], json!(["ir-1", "ir-2"]));
    assert_eq!(scene.officer.delete(&path).header("If-Match", "*").expect(409).faults(), ["# in_use"]);
    scene.answer(&planned, &json!([{ "control": "ir-1", "version": 2, "evidence": [] }, { "control": "ir-2", "version": 2, "evidence": [] }]));
    scene.officer.delete(&path).header("If-Match", "*").expect(204);
    assert_eq!(server.database().number("select count(*) from evidence_chunks"), 0);
    // A response has so many of them.
    let one = |n: usize| json!({ "title": format!("No. {n}"), "url": "https://i.example/n", "controls": ["ac-1"] });
    (0..50).for_each(|n| drop(scene.evidence(&planned, one(n))));
    let more = scene.officer.post(&format!("{}/evidence", path_to(&planned)), one(50)).expect(409);
    assert_eq!(more.faults(), ["#/controls too_many"]);
}

#[test]
fn actions_are_planned_and_those_that_are_late_are_told() {
    let server = Server::start();
    let scene = Scene::new(&server);
    let planned = scene.plan(&scene.checklist());
    let path = format!("{}/actions", path_to(&planned));
    let body = json!({ "title": "Have HR tell IT", "dueOn": "2020-01-01", "owner": scene.officer_id, "controls": ["ac-1", "ac-2"] });
    let late = scene.officer.post(&path, body).expect(201);
    assert_eq!(
        (&late["overdue"], &late["status"], &late["owner"]["id"]),
        (&json!(true), &json!("open"), &json!(scene.officer_id))
    );
    let later = scene.officer.post(&path, json!({ "title": "Another", "dueOn": "2999-01-01" })).expect(201);
    let refused = scene.officer.post(&path, json!({ "title": "X", "dueOn": "2999-01-01", "owner": scene.ealing["id"], "controls": ["none", "ac-1", "ac-1"] })).expect(409);
    assert_eq!(refused.faults(), ["#/controls/0 unknown_control", "#/controls/2 repeated", "#/owner unknown_person"]);
    let queue = |query: &str| -> Vec<String> {
        scene
            .officer
            .get(&format!("/v1/actions?{query}"))
            .expect(200)
            .each("id")
            .iter()
            .map(ToString::to_string)
            .collect()
    };
    assert_eq!(queue("overdue=true"), [late.text("id")]);
    assert_eq!(queue("overdue=false"), [later.text("id")]);
    assert_eq!(queue(&format!("owner={}&status=open", scene.officer_id)), [late.text("id")]);
    assert_eq!(queue("organisation=ealing"), [late.text("id"), later.text("id")]);
    assert!(queue("organisation=barnet").is_empty());
    // Stewards find it in their queue; who may not read assessments, or has no part in them, does not.
    let in_queue = |client: &Client<'_>, query: &str| -> Vec<String> {
        let page = client.get(&format!("/v1/organisations/ealing/review-queue{query}")).expect(200);
        page["overdueActions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|action| action["id"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(in_queue(&scene.steward, ""), [late.text("id")]);
    assert!(in_queue(&scene.steward, "?reason=stale").is_empty());
    assert!(in_queue(&server.as_(&server.admin()), "").is_empty());
    let narrow = server.member(&scene.ealing, Role::Steward).with_scopes(&["citations:read"]);
    assert!(in_queue(&server.as_(&narrow), "").is_empty());
    let one = late.header("location").unwrap();
    let undated = scene.officer.patch(one, json!({ "status": "completed" })).header("If-Match", "*").expect(400);
    assert_eq!(undated.faults(), ["#/completedOn contradictory"]);
    let done = json!({ "status": "completed", "completedOn": "2026-11-27" });
    assert_eq!(scene.officer.patch(one, done).header("If-Match", "*").expect(200)["overdue"], false);
    assert!(queue("overdue=true").is_empty());
    // A plan goes on when the assessment was assured.
    scene.answer_all(&planned, "met");
    scene.submit(&planned).expect_ok();
    scene.assure(&planned).expect_ok();
    scene.officer.post(&path, json!({ "title": "Afterwards", "dueOn": "2999-01-01" })).expect(201);
    assert_eq!(scene.assurer.get(&path).expect(200).each("title").len(), 3);
    assert!(scene.stranger.get("/v1/actions").expect(200).each("id").is_empty());
    scene.assurer.delete(one).header("If-Match", "*").expect(403);
    scene.officer.delete(one).header("If-Match", "*").expect(204);
}

/// Every operation, with every id of a private assessment, as everybody who has no part in it: the same as for ids that do
/// not exist.
#[test]
fn nobody_else_learns_of_it() {
    let server = Server::start();
    let scene = Scene::new(&server);
    let planned = scene.plan(&scene.checklist());
    let shown = scene
        .evidence(&planned, json!({ "title": "Secret-7q3x", "url": "https://i.example/7q3x", "controls": ["ac-1"] }));
    scene.answer(&planned, &json!([{ "control": "ac-2", "version": 1, "status": "met", "statement": "Secret-7q3x" }]));
    let action = scene
        .officer
        .post(&format!("{}/actions", path_to(&planned)), json!({ "title": "Secret-7q3x", "dueOn": "2020-01-01" }))
        .expect(201);
    scene
        .officer
        .post(&format!("{}/comments", path_to(&planned)), json!({ "bodyMarkdown": "Secret-7q3x" }))
        .expect(201);
    let target = Target { assessment: planned.id(), evidence: shown.id(), action: action.id(), ..Target::missing() };
    let administrator = server.as_(&server.admin());
    let moderator = server.as_(&server.person(&[PlatformRole::Moderator], &[]));
    let keeper = &scene.keeper.steward;
    for (who, client) in [
        ("stranger", &scene.stranger),
        ("administrator", &administrator),
        ("moderator", &moderator),
        ("keeper", keeper),
        ("assurer, before it is submitted", &scene.assurer),
    ] {
        let private = ["/v1/assessments/{id}", "/v1/evidence/{id}", "/v1/actions/{id}"];
        let mut crawled = 0;
        for operation in
            operations().iter().filter(|operation| private.iter().any(|path| operation.path.starts_with(path)))
        {
            let real = call(client, operation, &path_of(operation, &target)).expect(404);
            let none = call(client, operation, &path_of(operation, &Target::missing())).expect(404);
            let told = |answer: &Answer| {
                let mut told = answer.json.clone();
                told["instance"] = Value::Null;
                told
            };
            assert_eq!(told(&real), told(&none), "{who}: {}", operation.id);
            crawled += 1;
        }
        assert!(crawled > 25, "{crawled}");
        for path in [
            "/v1/assessments",
            "/v1/evidence",
            "/v1/actions",
            "/v1/assessments?organisation=ealing",
            "/v1/actions?overdue=true",
            "/v1/evidence?organisation=ealing",
        ] {
            assert!(client.get(path).expect(200).each("id").is_empty(), "{who}: {path}");
        }
        let named = json!({ "organisation": "ealing", "checklist": planned["checklist"]["slug"], "title": "T", "supersedes": planned["id"] });
        assert_ne!(client.post("/v1/assessments", named).send().status, 201, "{who}");
    }
    // What is theirs cannot be attached to it, nor can it be to what is theirs.
    let body = json!({ "organisation": "camden", "checklist": planned["checklist"]["slug"], "title": "Ours" });
    let theirs = scene.stranger.post("/v1/assessments", body).expect(201);
    let stolen =
        answer_as(&scene.stranger, &theirs, &json!([{ "control": "ac-1", "version": 1, "evidence": [shown["id"]] }]));
    assert_eq!(outcomes(&stolen), ["refused"]);
    // Row-level security holds without our queries.
    let viewer =
        format!("set loti.viewer = 'person:{}'; set role loti_service;", server.member(&scene.ealing, Role::Viewer).id);
    let nobody = "set loti.viewer = 'person:00000000-0000-7000-8000-000000000000'; set role loti_service;";
    for table in [
        "assessments",
        "assessment_assurers",
        "assessment_responses",
        "assessment_response_versions",
        "assessment_evidence",
        "assessment_comments",
        "evidence",
        "evidence_revisions",
        "actions",
    ] {
        let count = |as_whom: &str| {
            server.database().texts_of_last(&format!("{as_whom} select count(*)::text as value from {table}; select 1"))
        };
        assert_eq!(count(nobody), "0", "{table}");
        assert_ne!(count(&viewer), "0", "{table}");
    }
    let answers = scene.officer.get("/v1/audit-events").send();
    assert_eq!(answers.status, 403, "the trail is for administrators of the organisation");
    let trail = administrator.get("/v1/audit-events?limit=100").expect(200);
    assert!(!trail.json.to_string().contains("7q3x"), "what the platform sees has no words of it");
}
