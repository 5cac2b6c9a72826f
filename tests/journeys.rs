//! What people come for, from one end to the other. The nightly report of a register is in `imports.rs`.

use db::{PlatformRole, Role};
use serde_json::{Value, json};

use crate::assessments::{Scene as Review, path_to};
use crate::concurrency::{at_once, how_many};
use crate::leases::{Estate, agree, digest_of, document};
use crate::programmes::{Scene, pitch};
use crate::support::program::{Files, run};
use crate::support::{Answer, Server, checklist, council, product, supplier};

#[test]
fn a_borough_says_what_it_uses() {
    let server = Server::start();
    let hackney =
        server.add_organisation(council("London Borough of Hackney").with("aliases", json!(["Hackney Council"])));
    let bins = server.add_product(product("Bin day"));
    server.add_product(product("Potholes"));
    let officer = server.as_(&server.member(&hackney, Role::Contributor));
    let body = json!({ "organisation": hackney.text("slug"), "product": "bin-day", "since": "2023-04-01" });
    let cite = || officer.post("/v1/citations", body.clone()).header("Idempotency-Key", "5f0c8d7b");
    let (first, replayed) = (cite().expect(201), cite().expect(201));
    assert_eq!((first.id(), first.etag()), (replayed.id(), replayed.etag()));
    assert_eq!((first.header("idempotency-replayed"), replayed.header("idempotency-replayed")), (None, Some("true")));
    let second = officer.post("/v1/citations", body.clone()).expect(409);
    assert_eq!(second.faults(), ["#/product cited_already"]);
    let products = server.anonymous().get("/v1/products?organisation=london-borough-of-hackney").expect(200);
    assert_eq!(products.each("id"), [bins.text("id")]);
    assert_eq!(
        (&products["items"][0]["citationCount"], &products["items"][0]["organisationCount"]),
        (&json!(1), &json!(1))
    );
    let elsewhere = server.add_organisation(council("Barnet"));
    let stranger = server.as_(&server.member(&elsewhere, Role::Admin));
    stranger.post("/v1/citations", body).expect(403);
}

#[test]
fn what_nobody_confirmed_goes_stale_and_one_call_revives_it() {
    let server = Server::start();
    let ealing = server.add_organisation(council("Ealing"));
    server.add_product(product("Bins"));
    let steward = server.as_(&server.member(&ealing, Role::Steward));
    let cited = steward.post("/v1/citations", json!({ "organisation": "ealing", "product": "bins" })).expect(201);
    let queue =
        || steward.get("/v1/organisations/ealing/review-queue").expect(200)["items"].as_array().unwrap().clone();
    assert!(queue().is_empty());
    server.database().execute("update citations set confirmed_at = now() - interval '366 days'");
    let told = queue();
    assert_eq!((&told[0]["citation"]["id"], &told[0]["reasons"]), (&cited["id"], &json!(["stale"])));
    let path = cited.header("location").unwrap();
    assert_eq!(server.anonymous().get(path).expect(200)["status"], "stale", "everybody is told");
    let confirmed = steward.call("POST", &format!("{path}/confirm")).expect(200);
    assert_eq!((confirmed.text("status"), queue().len()), ("active", 0));
}

#[test]
fn boroughs_with_the_same_renewal_find_each_other() {
    let server = Server::start();
    server.add_organisation(supplier("Civica"));
    let homes = product("Homes").with("supplier", "civica").with("serviceCodes", json!(["524"]));
    server.add_product(homes);
    server.add_product(product("Maps"));
    let cite = |name: &str, product: &str, ends: &str| {
        let body = server.add_organisation(council(name));
        let person = server.as_(&server.member(&body, Role::Contributor));
        let statement =
            json!({ "organisation": body.text("slug"), "product": product, "contract": { "endsOn": ends } });
        person.post("/v1/citations", statement).expect(201)
    };
    cite("Ealing", "homes", "2027-03-31");
    cite("Barnet", "homes", "2028-03-31");
    cite("Camden", "maps", "2027-01-31");
    let nobody = server.anonymous();
    let who = |page: &Answer| -> Vec<String> {
        let items = page["items"].as_array().unwrap().iter();
        items.map(|item| item["organisation"]["slug"].as_str().unwrap().to_owned()).collect()
    };
    let due = nobody.get("/v1/contracts?serviceCode=524&endsBefore=2027-04-01").expect(200);
    assert_eq!(who(&due), ["ealing"]);
    let product = due["items"][0]["product"]["slug"].as_str().unwrap();
    let others = nobody.get(&format!("/v1/contracts?product={product}")).expect(200);
    assert_eq!(who(&others), ["ealing", "barnet"]);
    let together = nobody.get("/v1/contracts/groups?by=supplier&serviceCode=524").expect(200);
    let group = &together["items"][0];
    assert_eq!((&group["supplier"]["slug"], &group["organisationCount"]), (&json!("civica"), &json!(2)));
}

#[test]
fn a_vendor_claims_their_organisation_and_keeps_its_listing_right() {
    let server = Server::start();
    let numbered = json!([{ "scheme": "GB-COH", "id": "01628868" }]);
    server.add_organisation(supplier("Civica").with("identifiers", numbered));
    server.add_organisation(supplier("Capita"));
    server.add_product(product("Ours").with("supplier", "civica"));
    server.add_product(product("Theirs").with("supplier", "capita"));
    let ealing = server.add_organisation(council("Ealing"));
    let vendor = server.as_(&server.person(&[], &[]));
    let moderator = server.as_(&server.person(&[PlatformRole::Moderator], &[]));
    let claim = json!({ "companyNumber": "01628868", "statement": "I look after our listings." });
    let claim = vendor.post("/v1/claims", claim).expect(201);
    let edit = |slug: &str| {
        let summary = json!({ "summary": "Says what it does." });
        vendor.patch(&format!("/v1/products/{slug}"), summary).header("If-Match", "*").send().status
    };
    assert_eq!((edit("ours"), edit("theirs")), (403, 403), "a claim alone is nothing");
    moderator.post(&format!("{}/approve", claim.header("location").unwrap()), json!({})).expect(200);
    assert_eq!((edit("ours"), edit("theirs")), (200, 403));

    let officer = server.as_(&server.member(&ealing, Role::Contributor));
    let question = json!({ "bodyMarkdown": "Does it export iCalendar?" });
    let question = officer.post("/v1/products/ours/comments", question).expect(201);
    let reply = json!({ "bodyMarkdown": "It does.", "parent": question.text("id") });
    let reply = vendor.post("/v1/products/ours/comments", reply).expect(201);
    assert_eq!((reply.text("authorKind"), question.text("authorKind")), ("supplier", "member"));
    assert_eq!(reply["organisation"]["slug"], "civica");

    for organisation in ["civica", "ealing"] {
        let rating = json!({ "organisation": organisation, "product": "ours", "satisfaction": 5 });
        vendor.post("/v1/citations", rating).expect(403);
    }
    let figures = server.anonymous().get("/v1/products/ours").expect(200);
    assert_eq!(figures["citationCount"], 0);
}

#[test]
fn a_moderation_screen_shows_what_waits_and_nothing_that_runs() {
    let server = Server::start();
    let ealing = server.add_organisation(council("Ealing"));
    server.add_product(product("Bins"));
    let author = server.as_(&server.member(&ealing, Role::Viewer));
    let payload = "Fine. <script>alert(1)</script><img src=x onerror=alert(1)>[go](javascript:alert(1))";
    let comment = author.post("/v1/products/bins/comments", json!({ "bodyMarkdown": payload })).expect(201);
    let path = comment.header("location").unwrap();
    let flags: Vec<Answer> = (0..3)
        .map(|_| {
            let person = server.as_(&server.member(&ealing, Role::Viewer));
            person.post(&format!("{path}/flags"), json!({ "reason": "spam" })).expect(201)
        })
        .collect();
    let nobody = server.anonymous();
    let shown = || nobody.get(path).expect(200);
    assert_eq!((shown().text("status"), &shown()["bodyHtml"]), ("hidden", &Value::Null));

    let moderator = server.as_(&server.person(&[PlatformRole::Moderator], &[]));
    let queue = moderator.get("/v1/moderation/queue").expect(200);
    let waiting = &queue["items"][0];
    assert_eq!(waiting["comment"]["id"], comment["id"]);
    assert_eq!(waiting["flags"], json!([{ "reason": "spam", "count": 3 }]));
    let seen = moderator.get(&format!("{path}/flags")).expect(200);
    assert_eq!(seen.each("id"), flags.iter().map(|flag| flag.text("id")).collect::<Vec<_>>());
    let restored = moderator.post(&format!("{path}/restore"), json!({ "note": "It is within the rules." })).expect(200);
    for answer in [&restored, &shown(), &moderator.get("/v1/products/bins/comments").expect(200)] {
        let html = answer["bodyHtml"].as_str().or(answer["items"][0]["bodyHtml"].as_str()).unwrap();
        assert!(html.contains("Fine."), "{html}");
        for live in ["<script", "onerror", "javascript:", "<img"] {
            assert!(!html.contains(live), "{live} in {html}");
        }
    }
    assert!(moderator.get("/v1/moderation/queue").expect(200)["items"].as_array().unwrap().is_empty());
    assert_eq!(nobody.get("/v1/products/bins").expect(200)["commentCount"], 1);
}

#[test]
fn an_unconference_is_pitched_voted_merged_laid_out_and_told() {
    let scene = Scene::new();
    scene.organiser().patch(&scene.path, json!({ "capacity": 40 })).header("If-Match", "*").expect(200);
    let people: Vec<_> = (0..60).map(|_| scene.server.as_(&scene.server.person(&[], &[]))).collect();
    let calls = people.iter().map(|person| person.post(&format!("{}/rsvps", scene.path), json!({}))).collect();
    let answers = at_once(calls);
    assert_eq!(how_many(&answers, 201), 60);
    assert_eq!(scene.server.anonymous().get(&scene.path).expect(200)["acceptedCount"], 40);

    // 50 pitches, of which each second says what the one before it says, and votes for both.
    let pitched: Vec<Answer> =
        (0..50).map(|n| pitch(&people[n], &scene.path, &format!("Topic {} by {n}", n / 2))).collect();
    let votes = people.iter().enumerate().flat_map(|(n, person)| {
        let wishes = (0..5).map(move |k| (n * 7 + k * 11) % 50);
        wishes.map(|wish| person.call("POST", &format!("/v1/sessions/{}/votes", pitched[wish].text("id"))))
    });
    assert_eq!(how_many(&at_once(votes.collect()), 201), 300);
    for pair in pitched.chunks(2) {
        let into = json!({ "into": pair[0]["id"] });
        scene.organiser().post(&format!("/v1/sessions/{}/merge", pair[1].text("id")), into).expect(200);
    }
    let standing = format!("{}/sessions?status=pitched&limit=100", scene.path);
    assert_eq!(people[0].get(&standing).expect(200).each("id").len(), 25);

    // Five rooms and five slots hold them all.
    for (name, capacity) in [("Chamber", 40), ("Room 1", 20), ("Room 2", 20), ("Room 3", 12), ("Room 4", 8)] {
        scene.room(name, capacity);
    }
    (0..5).for_each(|n| drop(scene.slot(n)));
    let proposed = scene.organiser().get(&format!("{}/proposal?seed=7", scene.schedule())).expect(200);
    assert_eq!(
        (proposed["unplaced"].as_array().unwrap().len(), proposed["placements"].as_array().unwrap().len()),
        (0, 25)
    );
    let (satisfied, greedy) = (&proposed["satisfiedVoteCount"], &proposed["greedySatisfiedVoteCount"]);
    assert!(satisfied.as_u64() >= greedy.as_u64() && satisfied.as_u64() <= proposed["voteCount"].as_u64());
    scene.place(&proposed["placements"]).expect(200);
    scene.organiser().call("POST", &format!("{}/publish", scene.schedule())).expect(200);
    let schedule = scene.server.anonymous().get(&scene.schedule()).expect(200);
    assert_eq!(schedule["placements"].as_array().unwrap().len(), 25);
    assert_eq!(people[1].get("/v1/me/notifications").expect(200).each("kind"), ["programme_published"]);

    // It takes place: somebody takes notes, those who are there are checked in, and it is over.
    let session = schedule["placements"][0]["session"].as_str().unwrap();
    let there = answers.iter().find(|answer| answer["status"] == "accepted").unwrap();
    let who = people.iter().zip(&answers).find(|(_, answer)| answer.id() == there.id()).unwrap().0;
    who.post(&format!("/v1/sessions/{session}/notes"), json!({ "bodyMarkdown": "It went well." })).expect(201);
    scene.organiser().post(&format!("{}/check-ins", scene.path), json!({ "rsvp": there["id"] })).expect(201);
    scene.organiser().call("POST", &format!("{}/complete", scene.path)).expect(200);
    let attendance = scene.organiser().get(&format!("{}/attendance", scene.path)).expect(200);
    assert_eq!(attendance["organisations"][0]["absentCount"], 39);
    let kept = scene.server.anonymous().get(&format!("/v1/sessions/{session}/notes")).expect(200);
    assert_eq!(kept.each("bodyMarkdown"), ["It went well."]);
}

#[test]
fn a_wayleave_is_filled_in_agreed_and_behind_when_the_standard_moves_on() {
    for premises in [40, 10_000] {
        let server = Server::with(&[("LOTI_LEASE_APPROVALS", "0")]);
        let estate = Estate::new(&server);
        let draft = estate.draft();
        let rows = |bad: &str| -> String {
            let good = (1..premises).map(|n| format!("1000{n:08},20401234,Roof {n}\n")).collect::<Vec<_>>().concat();
            format!("UPRN,USRN,Description\n{good}{bad},,Tower\n")
        };
        // A number too long is pointed at, by row and by line; nothing of the file is taken.
        let refused = estate.put(&draft, "premises", "text/csv", rows("1000233369561"));
        assert_eq!(
            (refused.status, refused.faults()),
            (400, vec![format!("#/premises/{}/uprn wrong_form", premises - 1)])
        );
        let place = format!("row {premises}, line {}: ", premises + 1);
        assert!(refused["errors"][0]["detail"].as_str().unwrap().starts_with(&place), "{}", refused.json);
        assert_eq!(estate.read(&draft)["premisesCount"], 0);
        let taken = estate.put(&draft, "premises", "text/csv", rows("100023336956"));
        assert_eq!((taken.status, taken["premisesCount"].as_u64()), (200, Some(premises as u64)));

        let issued = estate.issued(&draft);
        let digest = digest_of(&issued, "html");
        let first = document(&estate.operator, &draft, "html");
        let second = document(&estate.officer, &draft, "html");
        assert_eq!((first.etag(), first.bytes == second.bytes), (format!("\"{digest}\"").as_str(), true));
        let page = String::from_utf8(first.bytes).unwrap();
        assert_eq!(page.matches("<tr><th scope=\"row\">").count(), premises + 7, "what is filled in aside");
        for (who, organisation) in [(&estate.steward, "hackney"), (&estate.operator, "northgate-networks")] {
            assert_eq!(agree(who, organisation, &draft, &digest).status, 201);
        }
        assert_eq!(estate.read(&draft)["status"], "in_force");

        // The standard moves on; the lease does not, and is listed as behind.
        assert!(estate.officer.get("/v1/leases?behind=true").expect(200).each("id").is_empty());
        estate.publish(
            "1.1.0",
            &json!([]),
            &json!([{ "id": "all", "heading": "All", "body": "New.", "kind": "fixed" }]),
        );
        let after = estate.read(&draft);
        assert_eq!((&after["template"]["number"], &after["laterVersion"]), (&json!("1.0.0"), &json!("1.1.0")));
        assert_eq!(document(&estate.officer, &draft, "html").etag(), format!("\"{digest}\""));
        let behind = estate.officer.get("/v1/leases?behind=true").expect(200);
        assert_eq!(behind.each("id"), [draft.text("id")]);
    }
}

/// The shape of the Cyber Assessment Framework as `GovAssure` keeps it, with an id that is used twice.
const CAF: &str = "
objectives:
  A:
    code: A
    title: Managing security risk
    description: Structures and processes are there.
    principles:
      A1:
        code: A1
        title: Governance
        description: It is governed.
        outcomes:
          A1.a:
            code: A1.a
            title: Board direction
            description: The board directs it.
            indicators:
              not-achieved:
                A1.a.1: { description: Nobody speaks of it., ncsc-index: A1.a.NA.1 }
              partially-achieved: {}
              achieved:
                A1.a.1: { description: Somebody answers for it., ncsc-index: A1.a.A.1 }
                A1.a.2: { description: It is spoken of., ncsc-index: A1.a.A.2 }
            min_profile_requirement: { baseline: Achieved, enhanced: Achieved }
          A1.b:
            code: A1.b
            title: Roles
            indicators:
              achieved:
                A1.b.1: { description: Roles are given. }
";

#[test]
fn a_cyber_assessment_goes_through_to_assured_and_out_as_oscal() {
    let server = Server::start();
    let review = Review::new(&server);
    let files = Files::new();
    // As it has them: rules that each outcome says again, by aliases.
    let rules: String = (0..200).map(|n| ["rule-", &n.to_string(), ": *rule\n"].concat()).collect();
    files.write("ncsc_caf_v3.2.yaml", ["rule: &rule Achieved\n", &rules, CAF].concat());
    let file = files.path().join("ncsc_caf_v3.2.yaml").display().to_string();
    let import = || {
        run(
            server.database(),
            files.path(),
            &["import", "framework", "--format", "caf", "--organisation", "hackney", &file],
        )
    };
    assert_eq!(import().tally(), "cyber-assessment-framework-3-2: 2 controls, published.");
    assert_eq!(import().tally(), "cyber-assessment-framework-3-2: unchanged.");
    let slug = "cyber-assessment-framework-3-2";
    let controls = server.anonymous().get(&format!("/v1/frameworks/{slug}/controls")).expect(200);
    let indicators = controls["items"][0]["indicators"].as_array().unwrap();
    let ids: Vec<(&str, &str)> =
        indicators.iter().map(|i| (i["id"].as_str().unwrap(), i["label"].as_str().unwrap())).collect();
    assert_eq!(ids, [("not-achieved.A1.a.1", "A1.a.1"), ("achieved.A1.a.1", "A1.a.1"), ("A1.a.2", "A1.a.2")]);

    let list = review.keeper.checklist(checklist("hackney", slug).with("scoring", "graded"));
    let planned = review.plan(&list);
    let path = path_to(&planned);
    let met = |ids: &[&str]| -> Value { ids.iter().map(|id| json!({ "id": id, "met": true })).collect() };
    let policy = json!({ "title": "Policy", "url": "https://intranet.example/policy", "controls": ["A1.a"] });
    review.officer.post(&format!("{path}/evidence"), policy).expect(201);
    review.answer(&planned, &json!([
        { "control": "A1.a", "version": 2, "indicators": met(&["achieved.A1.a.1", "A1.a.2"]), "statement": "So it is." },
        { "control": "A1.b", "version": 1, "indicators": [{ "id": "A1.b.1", "met": false }] },
    ]));
    let action =
        json!({ "title": "Give roles", "dueOn": "2027-03-31", "owner": review.officer_id, "controls": ["A1.b"] });
    review.officer.post(&format!("{path}/actions"), action).expect(201);
    assert_eq!(review.submit(&planned)["score"], 50);
    let assured = review.assure(&planned);
    assert_eq!((assured.status, &assured["status"]), (200, &json!("assured")));
    let results = review.officer.get(&format!("{path}/oscal")).expect(200);
    let result = &results["assessment-results"]["results"][0];
    let findings: Vec<(&str, &str)> = result["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| {
            (finding["target"]["target-id"].as_str().unwrap(), finding["target"]["status"]["state"].as_str().unwrap())
        })
        .collect();
    assert_eq!(findings, [("A1.a", "satisfied"), ("A1.b", "not-satisfied")]);
    let observation = &result["findings"][0]["related-observations"][0]["observation-uuid"];
    assert_eq!(observation, &result["observations"][0]["uuid"]);
    let plan = review.officer.get(&format!("{path}/oscal?model=plan_of_action_and_milestones")).expect(200);
    let plan = &plan["plan-of-action-and-milestones"];
    assert_eq!((&plan["poam-items"][0]["title"], &plan["risks"][0]["status"]), (&json!("Give roles"), &json!("open")));
    for part in ["", "/responses", "/oscal", "/score", "/evidence"] {
        review.stranger.get(&format!("{path}{part}")).expect(404);
    }
    // The catalog of which it was made goes out, and in again as another edition, with nothing lost.
    let out = server.anonymous().get(&format!("/v1/frameworks/{slug}/oscal")).expect(200);
    let again = review.keeper.framework("9.9", &out.json);
    assert_eq!(
        server.anonymous().get(&format!("/v1/frameworks/{}/oscal", again.text("id"))).expect(200).json,
        out.json
    );
}
