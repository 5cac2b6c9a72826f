//! `/v1/claims`: how a supplier's people come to speak for it.

use std::thread;

use db::{PlatformRole, Role};
use serde_json::{Value, json};

use crate::support::client::Call;
use crate::support::{Answer, Person, Server, council, product, supplier};

const NUMBER: &str = "SC123456";
const MANY: usize = 8;

/// A supplier with a Companies House number, recorded in small letters.
fn registered(server: &Server) -> Answer {
    let identifiers = json!([{ "scheme": "GB-COH", "id": NUMBER.to_lowercase() }]);
    server.add_organisation(supplier("Civica").with("identifiers", identifiers))
}

fn claim(number: &str) -> Value {
    json!({ "companyNumber": number, "statement": "I look after our listings." })
}

fn claim_to(number: &str, organisation: &Answer) -> Value {
    json!({ "companyNumber": number, "organisation": organisation.text("slug"), "statement": "It is ours." })
}

fn somebody(server: &Server) -> Person {
    server.person(&[], &[])
}

fn moderator(server: &Server) -> Person {
    server.person(&[PlatformRole::Moderator], &[])
}

/// Makes a claim, and tells its path.
fn claimed(server: &Server, person: &Person, body: Value) -> String {
    server.as_(person).post("/v1/claims", body).expect(201).header("location").unwrap().to_owned()
}

fn at_once(calls: Vec<Call<'_>>) -> Vec<Answer> {
    thread::scope(|scope| {
        let calls: Vec<_> = calls.into_iter().map(|call| scope.spawn(move || call.send())).collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    })
}

fn how_many(answers: &[Answer], status: u16) -> usize {
    answers.iter().filter(|answer| answer.status == status).count()
}

fn refused(server: &Server, person: &Person, body: Value) -> Vec<String> {
    server.as_(person).post("/v1/claims", body).expect(409).faults()
}

fn role(server: &Server, person: &Person) -> Value {
    server.as_(person).get("/v1/me").expect(200)["memberships"][0]["role"].clone()
}

#[test]
fn who_claimed_their_supplier_edits_its_listings_and_no_others() {
    let server = Server::start();
    let (own, other) = (registered(&server), server.add_organisation(supplier("Capita")));
    let listing = |of: &Answer| {
        let added = server.add_product(product("Bins").with("supplier", of.text("id")));
        format!("/v1/products/{}", added.id())
    };
    let (own_listing, other_listing) = (listing(&own), listing(&other));
    let person = somebody(&server);
    let client = server.as_(&person);
    let edit =
        |path: &str| client.patch(path, json!({ "summary": "Says when." })).header("If-Match", "*").send().status;
    assert_eq!(edit(&own_listing), 403);

    let made = client.post("/v1/claims", claim(&NUMBER.to_lowercase())).expect(201);
    assert_eq!((made.text("status"), made.text("companyNumber")), ("pending", NUMBER));
    assert_eq!(made["organisation"]["id"], own["id"]);
    assert_eq!(made["claimant"], json!({ "id": person.id, "name": "A person", "email": person.email }));
    assert_eq!(edit(&own_listing), 403, "a claim alone is nothing");

    let (judge, path) = (moderator(&server), made.header("location").unwrap());
    let deciding = server.as_(&judge);
    assert_eq!(deciding.get("/v1/claims?status=pending").expect(200).each("id"), [made.text("id")]);
    let decision = json!({ "note": "Welcome." });
    deciding.post(&format!("{path}/approve"), decision.clone()).header("If-Match", "\"7\"").expect(412);
    let approved = deciding.post(&format!("{path}/approve"), decision).if_match(&made).expect(200);
    assert_eq!((approved.text("status"), approved.text("note")), ("approved", "Welcome."));
    assert_eq!(approved["decidedBy"], json!(judge.id));
    let told = client.get(path).expect(200);
    assert!(told["decidedAt"].is_string());
    assert_eq!((told.text("note"), &told["decidedBy"]), ("Welcome.", &Value::Null), "who decided is not told");

    assert_eq!(role(&server, &person), "admin", "the first looks after the rest");
    assert_eq!((edit(&own_listing), edit(&other_listing)), (200, 403));
    client.post("/v1/products", product("Potholes").with("supplier", own.text("id"))).expect(201);
    client.post("/v1/products", product("Potholes").with("supplier", other.text("id"))).expect(403);
    let organisation = server.anonymous().get(&format!("/v1/organisations/{}", own.id())).expect(200);
    assert_eq!(organisation["identifiers"], own["identifiers"], "it had the number already");
}

#[test]
fn a_claim_is_there_for_its_claimant_and_for_moderators() {
    let server = Server::start();
    let supplier = registered(&server);
    let (person, stranger) = (somebody(&server), somebody(&server));
    let insider = server.member(&supplier, Role::Admin);
    let path = claimed(&server, &person, claim(NUMBER));
    for other in [&stranger, &insider] {
        let client = server.as_(other);
        client.get(&path).expect(404);
        for (action, body) in [("approve", json!({})), ("reject", json!({ "note": "No." })), ("withdraw", json!({}))] {
            client.post(&format!("{path}/{action}"), body).expect(404);
        }
        for filter in ["", "?status=pending", "?organisation=civica"] {
            let seen = client.get(&format!("/v1/claims{filter}")).expect(200);
            assert!(seen["items"].as_array().unwrap().is_empty(), "{filter}");
        }
    }
    let judge = moderator(&server);
    for (who, filter, count) in [
        (&person, "", 1),
        (&judge, "", 1),
        (&judge, "?organisation=civica&status=pending&status=approved", 1),
        (&judge, "?status=rejected", 0),
        (&judge, "?organisation=capita", 0),
    ] {
        let seen = server.as_(who).get(&format!("/v1/claims{filter}")).expect(200);
        assert_eq!(seen["items"].as_array().unwrap().len(), count, "{filter}");
    }
    let trail = server.database().texts("select concat(before, after) as value from audit_events");
    assert!(trail.iter().all(|state| !state.contains("look after")), "the trail is never rewritten");

    // The second wall: the role of the service sees nothing without saying on whose behalf.
    let seen = |viewer: &str| {
        server.database().texts_of_last(&format!(
            "begin; set local role loti_service; set local loti.viewer = '{viewer}';
             select count(*)::text as value from claims; commit"
        ))
    };
    for (viewer, count) in [
        (String::new(), "0"),
        (format!("person:{}", stranger.id), "0"),
        (format!("person:{}", insider.id), "0"),
        (format!("client:{}", person.id), "0"),
        (format!("person:{}", person.id), "1"),
        (format!("person:{}", judge.id), "1"),
        (format!("person:{}", server.admin().id), "1"),
        ("operator".to_owned(), "1"),
    ] {
        assert_eq!(seen(&viewer), count, "{viewer}");
    }
    let in_anothers_name = server.database().refusal(&format!(
        "begin; set local role loti_service; set local loti.viewer = 'person:{}';
         insert into claims (id, organisation_id, company_number, claimant_id, statement)
         values (gen_random_uuid(), '{}', '{NUMBER}', '{}', 'Mine.')",
        stranger.id,
        supplier.id(),
        person.id
    ));
    assert!(in_anothers_name.unwrap().contains("row-level security"));
}

#[test]
fn the_list_goes_on_page_by_page() {
    let server = Server::start();
    registered(&server);
    let judge = moderator(&server);
    let paths: Vec<String> = (0..5).map(|_| claimed(&server, &somebody(&server), claim(NUMBER))).collect();
    let mut seen = Vec::new();
    let mut next = Some("/v1/claims?limit=2&status=pending".to_owned());
    while let Some(here) = next {
        let page = server.as_(&judge).get(&here).expect(200);
        seen.extend(page.each("id").into_iter().map(|id| format!("/v1/claims/{id}")));
        next = page.next();
    }
    assert_eq!(seen, paths, "the oldest first");
}

#[test]
fn nobody_judges_their_own_claim() {
    let server = Server::start();
    registered(&server);
    for judge in [moderator(&server), server.admin()] {
        let path = claimed(&server, &judge, claim(NUMBER));
        let client = server.as_(&judge);
        client.post(&format!("{path}/approve"), json!({})).expect(403);
        client.post(&format!("{path}/reject"), json!({ "note": "No." })).expect(403);
        server.as_(&moderator(&server)).post(&format!("{path}/withdraw"), json!({})).expect(403);
        let more = client.post(&format!("{path}/withdraw"), json!({ "note": "Sorry." })).expect(400);
        assert_eq!(more.faults(), ["#/note unknown_field"], "an empty object is empty");
        client.post(&format!("{path}/withdraw"), json!({})).expect(200);
    }
    assert_eq!(server.database().number("select count(*) from memberships"), 0);
}

#[test]
fn a_machine_claims_nothing() {
    let server = Server::start();
    let company = registered(&server);
    let body = json!({
        "organisation": company.text("id"), "name": "Sync", "kind": "service", "role": "contributor",
        "scopes": ["claims:read", "claims:write"],
    });
    let made = server.as_(&server.member(&company, Role::Admin)).post("/v1/clients", body).expect(201);
    let form =
        format!("grant_type=client_credentials&client_id={}&client_secret={}", made.text("id"), made.text("secret"));
    let token = server.anonymous().call("POST", "/oauth/token").body("application/x-www-form-urlencoded", form).send();
    let machine = server.with_authorization(&format!("Bearer {}", token.text("access_token")));
    let path = claimed(&server, &somebody(&server), claim(NUMBER));
    machine.post("/v1/claims", claim(NUMBER)).expect(403);
    machine.get(&path).expect(404);
    machine.post(&format!("{path}/approve"), json!({})).expect(404);
    assert!(machine.get("/v1/claims").expect(200)["items"].as_array().unwrap().is_empty());
}

#[test]
fn of_many_decisions_at_once_one_counts() {
    let server = Server::start();
    registered(&server);
    for round in 0..3 {
        let person = somebody(&server);
        let path = claimed(&server, &person, claim(NUMBER));
        let judges: Vec<_> = (0..MANY).map(|_| server.as_(&moderator(&server))).collect();
        let decide = |n: usize| match n % 2 {
            0 => judges[n].post(&format!("{path}/approve"), json!({ "role": "contributor" })),
            _ => judges[n].post(&format!("{path}/reject"), json!({ "note": "No." })),
        };
        let answers = at_once((0..MANY).map(decide).collect());
        assert_eq!((how_many(&answers, 200), how_many(&answers, 409)), (1, MANY - 1), "{round}: {answers:?}");
        let lost = answers.iter().find(|answer| answer.status == 409).unwrap();
        assert_eq!(lost.faults(), ["# already_decided"]);
        let won = answers.iter().find(|answer| answer.status == 200).unwrap();
        let kept = server.as_(&person).get(&path).expect(200);
        assert_eq!((&kept["status"], &kept["version"]), (&won["status"], &json!(2)));
        let is_member = role(&server, &person) == "contributor";
        assert_eq!(is_member, won["status"] == "approved", "who was rejected is no member");
        server.as_(&person).post(&format!("{path}/withdraw"), json!({})).expect(409);
    }
}

#[test]
fn of_a_persons_claims_at_once_one_stands() {
    let server = Server::start();
    registered(&server);
    let person = somebody(&server);
    let client = server.as_(&person);
    let answers = at_once((0..MANY).map(|_| client.post("/v1/claims", claim(NUMBER))).collect());
    assert_eq!((how_many(&answers, 201), how_many(&answers, 409)), (1, MANY - 1), "{answers:?}");
    let lost = answers.iter().find(|answer| answer.status == 409).unwrap();
    assert_eq!(lost.faults(), ["#/companyNumber claimed_already"]);
    let won = answers.iter().find(|answer| answer.status == 201).unwrap();
    client.post(&format!("{}/withdraw", won.header("location").unwrap()), json!({})).expect(200);
    client.post("/v1/claims", claim(NUMBER)).expect(201);
}

#[test]
fn of_two_granted_at_once_one_administers() {
    let server = Server::start();
    let company = registered(&server);
    let (first, second) = (somebody(&server), somebody(&server));
    let judge = server.as_(&moderator(&server));
    let approve = |person| judge.post(&format!("{}/approve", claimed(&server, person, claim(NUMBER))), json!({}));
    let answers = at_once(vec![approve(&first), approve(&second)]);
    assert_eq!(how_many(&answers, 200), 2, "{answers:?}");
    let mut roles = [&first, &second].map(|person| role(&server, person).as_str().unwrap().to_owned());
    roles.sort();
    assert_eq!(roles, ["admin", "contributor"]);

    let viewer = server.member(&company, Role::Viewer);
    approve(&viewer).expect(200);
    assert_eq!(role(&server, &viewer), "contributor", "a viewer is raised");
    let steward = server.member(&company, Role::Viewer);
    let path = claimed(&server, &steward, claim(NUMBER));
    let membership = server.as_(&steward).get("/v1/me").expect(200)["memberships"][0]["id"].clone();
    let membership = format!("/v1/memberships/{}", membership.as_str().unwrap());
    let raise = server.as_(&server.admin()).patch(&membership, json!({ "role": "steward" }));
    raise.header("If-Match", "*").expect(200);
    judge.post(&format!("{path}/approve"), json!({ "role": "contributor" })).expect(200);
    assert_eq!(role(&server, &steward), "steward", "nobody is lowered");
}

#[test]
fn what_cannot_be_claimed() {
    let server = Server::start();
    let company = registered(&server);
    let unnumbered = server.add_organisation(supplier("Capita"));
    let identifiers = json!([{ "scheme": "GB-COH", "id": "01234567" }]);
    let public = server.add_organisation(council("Ealing").with("identifiers", identifiers));
    let ended = server.add_organisation(supplier("Gone").with("endsOn", "2020-03-31"));
    let replaced = server.add_organisation(supplier("Merged").with("replacedBy", json!([company.id()])));
    let last_day = server.add_organisation(supplier("Last day"));
    server
        .database()
        .execute(&format!("update organisations set ends_on = current_date where id = '{}'", last_day.id()));
    let person = somebody(&server);
    for (body, faults) in [
        (claim("99999999"), vec!["#/companyNumber unknown_organisation"]),
        (claim("01234567"), vec!["#/companyNumber not_a_supplier"]),
        (claim_to("01234567", &public), vec!["#/organisation not_a_supplier"]),
        (claim_to(NUMBER, &unnumbered), vec!["#/companyNumber identifier_taken"]),
        (claim_to("99999999", &company), vec!["#/companyNumber another_number"]),
        (claim_to("99999999", &ended), vec!["#/organisation organisation_ended"]),
        (claim_to("99999999", &replaced), vec!["#/organisation organisation_ended"]),
        (
            json!({ "companyNumber": NUMBER, "organisation": "nowhere", "statement": "Mine." }),
            vec!["#/organisation unknown_organisation"],
        ),
    ] {
        assert_eq!(refused(&server, &person, body.clone()), faults, "{body}");
    }
    for role in [Role::Contributor, Role::Admin] {
        let member = server.member(&company, role);
        assert_eq!(refused(&server, &member, claim(NUMBER)), ["#/companyNumber already_member"]);
    }
    claimed(&server, &person, claim_to(NUMBER, &company));
    claimed(&server, &person, claim_to("99999998", &last_day));
}

#[test]
fn approval_adds_the_number_and_looks_again() {
    let server = Server::start();
    let named = server.add_organisation(supplier("Capita"));
    let judge = server.as_(&moderator(&server));
    let of = |organisation: &Answer| format!("/v1/organisations/{}", organisation.id());
    let first = claimed(&server, &somebody(&server), claim_to("ni000001", &named));
    let second = claimed(&server, &somebody(&server), claim_to("NI000002", &named));
    judge.post(&format!("{first}/approve"), json!({})).expect(200);
    let numbered = server.anonymous().get(&of(&named)).expect(200);
    assert_eq!(numbered["identifiers"], json!([{ "scheme": "GB-COH", "id": "NI000001" }]));
    assert_eq!(numbered["version"], 2);
    let late = judge.post(&format!("{second}/approve"), json!({})).expect(409);
    assert_eq!(late.faults(), ["# another_number"]);
    judge.post(&format!("{second}/reject"), json!({ "note": "It has another number." })).expect(200);

    let other = server.add_organisation(supplier("Serco"));
    let third = claimed(&server, &somebody(&server), claim_to("NI000003", &other));
    let admin = server.as_(&server.admin());
    let kind = admin.patch(&of(&other), json!({ "kind": "community", "endsOn": "2020-03-31" }));
    kind.header("If-Match", "*").expect(200);
    let taken = json!([{ "scheme": "GB-COH", "id": "ni000003" }]);
    let body = supplier("Quicker").with("identifiers", taken.clone());
    server.add_organisation(body);
    let late = judge.post(&format!("{third}/approve"), json!({})).expect(409);
    assert_eq!(late.faults(), ["# identifier_taken", "# not_a_supplier", "# organisation_ended"]);
    let shouted = supplier("Louder").with("identifiers", json!([{ "scheme": "GB-COH", "id": "NI000003" }]));
    let twice = admin.post("/v1/organisations", shouted).expect(409);
    assert_eq!(twice.faults(), ["#/identifiers identifier_taken"], "one number, however it is written");
}

#[test]
fn a_claim_is_decided_once_whoever_writes() {
    let server = Server::start();
    let company = registered(&server);
    let (person, judge) = (somebody(&server), moderator(&server));
    let path = claimed(&server, &person, claim(NUMBER));
    let id = path.rsplit('/').next().unwrap();
    let refusal = |change: &str| {
        let refusal = server.database().refusal(&format!("update claims set {change} where id = '{id}'"));
        refusal.unwrap_or_else(|| panic!("{change} was let through"))
    };
    for (change, rule) in [
        ("statement = 'Another.'".to_owned(), "stays as it was"),
        (format!("claimant_id = '{}'", judge.id), "stays as it was"),
        ("company_number = '00000000'".to_owned(), "stays as it was"),
        ("statement = null".to_owned(), "claims_pending_is_whole"),
        ("status = 'approved'".to_owned(), "claims_decided"),
        ("note = 'Hm.'".to_owned(), "claims_note_of_decision"),
        (format!("status = 'approved', decided_at = now(), decided_by = '{}'", person.id), "judged_by_claimant"),
    ] {
        assert!(refusal(&change).contains(rule), "{change}: {}", refusal(&change));
    }
    let made_up = format!(
        "insert into claims (id, organisation_id, company_number, claimant_id, statement, status, decided_at)
         values (gen_random_uuid(), '{}', '{NUMBER}', '{}', 'Mine.', 'approved', now())",
        company.id(),
        person.id
    );
    assert!(server.database().refusal(&made_up).unwrap().contains("begins as pending"));
    assert!(server.database().refusal("set role loti_service; delete from claims").unwrap().contains("denied"));

    server.as_(&judge).post(&format!("{path}/reject"), json!({ "note": "No." })).expect(200);
    for change in [
        "status = 'approved'",
        "status = 'pending', decided_at = null, decided_by = null, note = null",
        "status = 'withdrawn', decided_at = null, decided_by = null, note = null",
        "decided_at = now() + interval '1 day'",
        "note = 'Yes.'",
    ] {
        assert!(refusal(change).contains("is decided"), "{change}");
    }
}

#[test]
fn what_was_said_goes_with_who_said_it() {
    let server = Server::start();
    registered(&server);
    let (person, judge) = (somebody(&server), moderator(&server));
    let rejected = claimed(&server, &person, claim(NUMBER));
    server.as_(&judge).post(&format!("{rejected}/reject"), json!({ "note": "No, Sam." })).expect(200);
    let open = claimed(&server, &person, claim(NUMBER));
    server.database().execute(&format!("delete from users where id = '{}'", person.id));
    let admin = server.as_(&server.admin());
    for (path, status) in [(&rejected, "rejected"), (&open, "withdrawn")] {
        let left = admin.get(path).expect(200);
        assert_eq!(left["status"], status);
        assert!(["claimant", "statement", "note"].iter().all(|field| left[field].is_null()), "{}", left.json);
    }
    admin.post(&format!("{open}/approve"), json!({})).expect(409);
    server.database().execute(&format!("delete from users where id = '{}'", judge.id));
    let left = admin.get(&rejected).expect(200);
    assert_eq!((left["status"].as_str(), &left["decidedBy"]), (Some("rejected"), &Value::Null));
}

#[test]
fn claims_are_counted_over_all_replicas() {
    let server = Server::start();
    let replica = Server::on_with_key(&server.database().url, &server.key_file());
    let person = somebody(&server);
    let statuses: Vec<u16> = (0..11)
        .map(|n| if n % 2 == 0 { &server } else { &replica })
        .map(|server| server.as_(&person).post("/v1/claims", claim("99999999")).send().status)
        .collect();
    // A window may end in between, which only a clock could tell.
    let windows = server.database().number("select count(*) from quotas where action = 'claims_of_person'");
    let spent = statuses.iter().filter(|status| **status == 429).count();
    assert!(spent == 1 || windows == 2, "{statuses:?}");
    let other = server.as_(&somebody(&server)).post("/v1/claims", claim("99999999")).send();
    assert_eq!(other.status, 409, "each has their own");
}
