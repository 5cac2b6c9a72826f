//! `/v1/benchmarks`: quartiles from five organisations up, that tell nothing of a single one.

use db::Role;
use serde_json::{Value, json};

use crate::checklists::{Keeper, larger};
use crate::support::{Answer, Server, checklist, council, organisation};

/// Organisations that assessed themselves with one checklist.
struct Peers<'s> {
    server: &'s Server,
    checklist: Answer,
}

impl<'s> Peers<'s> {
    fn new(server: &'s Server) -> Self {
        let keeper = Keeper::new(server);
        let framework = keeper.framework("1.0", &larger());
        Self { server, checklist: keeper.checklist(checklist("hackney", framework.text("slug"))) }
    }

    /// One that shares its result: so many of the seven controls are met.
    fn add(&self, body: Value, met: usize) -> Answer {
        let added = self.server.add_organisation(body);
        let officer = self.server.as_(&self.server.member(&added, Role::Steward));
        let assurer = self.server.add_organisation(council(&format!("Assurer of {}", added.text("name"))));
        let planned = json!({
            "organisation": added["slug"], "checklist": self.checklist["slug"], "title": "T", "sharesResults": true,
            "assurers": [{ "organisation": assurer["slug"] }],
        });
        let planned = officer.post("/v1/assessments", planned).expect(201);
        let path = planned.header("location").unwrap();
        let answers: Vec<Value> = ["ac-17", "ac-1", "ac-2", "ac-2.1", "ac-2.2", "ir-1", "ir-2"]
            .iter()
            .enumerate()
            .map(|(n, control)| json!({ "control": control, "version": 1, "status": if n < met { "met" } else { "not_met" } }))
            .collect();
        let answers = json!({ "answers": answers }).to_string();
        officer.call("PATCH", &format!("{path}/responses")).body("application/json", answers).expect(200);
        officer.call("POST", &format!("{path}/submit")).expect(200);
        let other = self.server.as_(&self.server.member(&assurer, Role::Contributor));
        other.post(&format!("{path}/assure"), json!({ "statement": "So it is." })).expect(200)
    }

    /// As of the next day.
    fn figures(&self) -> Answer {
        self.server.database().execute("update benchmark_runs set computed_on = computed_on - 1");
        let db = crate::support::database::open(&self.server.database().url);
        actix_web::rt::Runtime::new().unwrap().block_on(api::jobs::benchmarks::once(&db)).unwrap();
        self.read()
    }

    fn read(&self) -> Answer {
        let somebody = self.server.as_(&self.server.person(&[], &[]));
        somebody.get(&format!("/v1/benchmarks/{}", self.checklist.text("slug"))).expect(200)
    }
}

#[test]
fn there_is_nothing_below_five_and_who_joins_alone_changes_nothing() {
    let server = Server::start();
    let peers = Peers::new(&server);
    assert_eq!(peers.figures()["cohorts"], json!([]));
    for (n, met) in [7, 0, 3, 5].into_iter().enumerate() {
        peers.add(council(&format!("Council {n}")).into(), met);
    }
    // Of another kind, which is a cohort of its own.
    peers.add(organisation("nhs", "A trust").into(), 7);
    assert_eq!(peers.figures()["cohorts"], json!([]));
    let fifth = peers.add(council("Council 5").into(), 6);
    assert_eq!(peers.read()["cohorts"], json!([]), "once a day");
    let figures = peers.figures();
    let cohorts = figures["cohorts"].as_array().unwrap();
    assert_eq!(
        (cohorts.len(), &cohorts[0]["kind"], &cohorts[0]["organisationCount"]),
        (1, &json!("local_authority"), &json!(5))
    );
    assert_eq!(cohorts[0]["overall"], json!({ "lowerQuartile": 45, "median": 70, "upperQuartile": 85 }));
    let groups: Vec<&Value> =
        cohorts[0]["groups"].as_array().unwrap().iter().map(|group| &group["group"]["id"]).collect();
    assert_eq!(groups, ["ac", "ac-remote", "ir"]);

    // A sixth, seventh, eighth and ninth wait until they are five.
    for n in 6..10 {
        peers.add(council(&format!("Council {n}")).into(), 0);
        assert_eq!(peers.figures()["cohorts"], figures["cohorts"], "{n}");
    }
    peers.add(council("Council 10").into(), 0);
    let more = peers.figures();
    assert_eq!(
        (&more["cohorts"][0]["organisationCount"], &more["cohorts"][0]["overall"]["median"]),
        (&json!(10), &json!(0))
    );

    // Who does not share any more does not count any more.
    server
        .database()
        .execute(&format!("update assessments set shares_results = false where id <> '{}'", fifth.text("id")));
    assert_eq!(peers.figures()["cohorts"], json!([]));
    assert_eq!(server.database().number("select count(*) from benchmark_members"), 1);
}

#[test]
fn only_what_was_assured_and_is_shared_counts_and_the_latest_of_each() {
    let server = Server::start();
    let peers = Peers::new(&server);
    for n in 0..5 {
        peers.add(council(&format!("Council {n}")).into(), 7);
    }
    let secret = peers.add(council("Council 6").into(), 0);
    server
        .database()
        .execute(&format!("update assessments set shares_results = false where id = '{}'", secret.text("id")));
    let figures = peers.figures();
    assert_eq!(figures["cohorts"][0]["overall"], json!({ "lowerQuartile": 100, "median": 100, "upperQuartile": 100 }));
    let kept = "select count(*) from benchmark_members where organisation_id in
        (select organisation_id from assessments where not shares_results)";
    assert_eq!(server.database().number(kept), 0);
    server.anonymous().get(&format!("/v1/benchmarks/{}", peers.checklist.text("slug"))).expect(401);
    for statement in [
        "insert into benchmarks select checklist_id, 'nhs', 1, computed_on, 4, 0, 0, 0 from benchmarks limit 1",
        "update benchmarks set median = 51",
    ] {
        assert!(server.database().refusal(statement).is_some(), "{statement}");
    }
}
