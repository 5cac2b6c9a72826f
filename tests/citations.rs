//! `/v1/citations` and what is seen across them: who says what, who sees it, and that the figures are right.

use std::thread;

use db::{PlatformRole, Role};
use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::server::Person;
use crate::support::{Answer, Server, council, product, supplier};

/// A council with a contributor, and a product.
struct World {
    server: Server,
    ealing: Answer,
    person: Person,
    bins: Answer,
}

fn world() -> World {
    let server = Server::start();
    let ealing = server.add_organisation(council("Ealing").with("region", "London"));
    let person = server.member(&ealing, Role::Contributor);
    let bins = server.add_product(product("Bins"));
    World { server, ealing, person, bins }
}

impl World {
    fn body(&self) -> Value {
        json!({ "organisation": self.ealing.text("slug"), "product": self.bins.text("slug") })
    }

    fn with(&self, fields: &Value) -> Value {
        let mut body = self.body();
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        body
    }

    fn client(&self) -> Client<'_> {
        self.server.as_(&self.person)
    }

    fn cite(&self, fields: &Value) -> Answer {
        self.client().post("/v1/citations", self.with(fields)).expect(201)
    }

    fn counts(&self) -> (i64, i64) {
        let product = self.server.anonymous().get(&format!("/v1/products/{}", self.bins.id())).expect(200);
        (product["citationCount"].as_i64().unwrap(), product["organisationCount"].as_i64().unwrap())
    }
}

fn act(client: &Client<'_>, citation: &Answer, step: &str) -> Answer {
    client.call("POST", &format!("/v1/citations/{}/{step}", citation.id())).send()
}

#[test]
fn a_borough_cites_once_and_the_list_finds_it() {
    let world = world();
    let keyed = || world.client().post("/v1/citations", world.body()).header("Idempotency-Key", "k").expect(201);
    let (first, again) = (keyed(), keyed());
    assert_eq!((first.bytes, again.header("idempotency-replayed")), (again.bytes.clone(), Some("true")));
    let second = world.client().post("/v1/citations", world.body()).expect(409);
    assert_eq!(second.faults(), ["#/product cited_already"]);
    let found = world.server.anonymous().get("/v1/products?organisation=ealing").expect(200);
    assert_eq!(found.each("slug"), ["bins"]);
    assert_eq!(world.counts(), (1, 1));
    let unknown = json!({ "organisation": "nowhere", "product": "nothing" });
    let refused = world.client().post("/v1/citations", unknown).expect(409);
    assert_eq!(refused.faults(), ["#/organisation unknown_organisation", "#/product unknown_product"]);
}

#[test]
fn only_members_of_a_public_body_say_what_it_uses() {
    let world = world();
    let server = &world.server;
    let vendor = server.add_organisation(supplier("Civica"));
    let barnet = server.add_organisation(council("Barnet"));
    for (who, person) in [
        ("a viewer", server.member(&world.ealing, Role::Viewer)),
        ("another council", server.member(&barnet, Role::Admin)),
        ("a supplier", server.member(&vendor, Role::Admin)),
        ("a moderator", server.person(&[PlatformRole::Moderator], &[])),
        ("an administrator of the platform", server.admin()),
        ("a stranger", server.person(&[], &[])),
    ] {
        let answer = server.as_(&person).post("/v1/citations", world.body()).send();
        assert_eq!(answer.status, 403, "{who}: {}", answer.json);
    }
    let own = json!({ "organisation": "civica", "product": "bins" });
    server.as_(&server.member(&vendor, Role::Admin)).post("/v1/citations", own).expect(403);
    let forced = format!(
        "insert into citations (id, organisation_id, product_id, status) values (gen_random_uuid(), '{}', '{}', 'active')",
        vendor.id(),
        world.bins.id()
    );
    assert!(server.database().refusal(&forced).unwrap().contains("only a public body cites"));
    let admin = server.as_(&server.admin());
    admin.patch("/v1/organisations/ealing", json!({ "endsOn": "2020-03-31" })).header("If-Match", "*").expect(200);
    let refused = world.client().post("/v1/citations", world.body()).expect(409);
    assert_eq!(refused.faults(), ["#/organisation has_ended"]);
    world.cite(&json!({ "status": "ended", "until": "2019-12-31" }));
}

#[test]
fn it_goes_from_draft_to_its_end_and_never_back() {
    let world = world();
    let client = world.client();
    let draft = world.cite(&json!({ "status": "draft" }));
    assert_eq!((draft.text("status"), world.counts()), ("draft", (0, 0)));
    world.server.anonymous().get(draft.header("location").unwrap()).expect(404);
    let second = world.cite(&json!({ "status": "draft" }));
    assert_eq!(act(&client, &draft, "confirm").status, 409, "a draft says nothing yet");
    assert_eq!(act(&client, &draft, "activate").text("status"), "active");
    assert_eq!(act(&client, &second, "activate").faults(), ["#/product cited_already"]);
    assert_eq!(world.counts(), (1, 1));
    assert_eq!(act(&client, &draft, "activate").faults(), ["#/status out_of_turn"]);
    let end = format!("/v1/citations/{}/end", draft.id());
    client.post(&end, json!({ "until": "1999-01-01" })).header("If-Match", "\"1\"").expect(412);
    let ended = client.post(&end, json!({ "until": "2026-10-31" })).expect(200);
    assert_eq!((ended.text("status"), ended.text("until"), world.counts()), ("ended", "2026-10-31", (1, 0)));
    for step in ["confirm", "activate"] {
        assert_eq!(act(&client, &draft, step).status, 409, "{step}");
    }
    client.post(&end, json!({})).expect(409);
    assert_eq!(act(&client, &second, "activate").text("status"), "active", "what has ended is in nobody's way");
    assert_eq!(act(&client, &draft, "withdraw").text("status"), "withdrawn");
    client.patch(draft.header("location").unwrap(), json!({ "satisfaction": 5 })).header("If-Match", "*").expect(409);
    let forced = format!("update citations set status = 'active' where id = '{}'", draft.id());
    assert!(world.server.database().refusal(&forced).unwrap().contains("does not become"));
    let moved = format!("update citations set organisation_id = gen_random_uuid() where id = '{}'", second.id());
    assert!(world.server.database().refusal(&moved).unwrap().contains("keeps its organisation"));
    assert_eq!(world.counts(), (1, 1));
}

#[test]
fn what_is_said_comes_back_and_changes_by_patch() {
    let world = world();
    let said = json!({
        "since": "2023-04-01", "until": "2027-03-31", "scale": { "unit": "properties", "band": "over_100k" },
        "satisfaction": 4, "whatWorked": "It works.", "wouldChange": "Nothing.", "integrations": ["Gazetteer"],
        "visibility": "members", "contract": {
            "reference": "E-17", "startsOn": "2023-04-01", "endsOn": "2027-03-31", "extendableUntil": "2029-03-31",
            "amountPence": 1_200_000, "cpvCodes": ["48000000-8"], "routeToMarket": "G-Cloud 13",
        },
    });
    let made = world.cite(&said);
    for (field, value) in said.as_object().unwrap() {
        if field == "contract" {
            assert_eq!(made["contract"]["currency"], "GBP");
            value.as_object().unwrap().iter().for_each(|(name, value)| assert_eq!(made["contract"][name], *value));
        } else {
            assert_eq!(made[field.as_str()], *value, "{field}");
        }
    }
    let client = world.client();
    let path = made.header("location").unwrap();
    let change = json!({ "contract": { "amountPence": null, "currency": null }, "satisfaction": null });
    let changed = client.patch(path, change).if_match(&made).expect(200);
    assert_eq!((&changed["satisfaction"], &changed["contract"]["amountPence"]), (&Value::Null, &Value::Null));
    assert_eq!(changed["contract"]["reference"], "E-17");
    let without = client.patch(path, json!({ "contract": null })).if_match(&changed).expect(200);
    assert_eq!(without["contract"], Value::Null);
    client.patch(path, json!({ "satisfaction": 5 })).if_match(&made).expect(412);
    for (fields, fault) in [
        (json!({ "satisfaction": 6 }), "#/satisfaction"),
        (json!({ "since": "2030-01-01", "until": "2029-01-01" }), "#/until before_start"),
        (json!({ "contract": { "startsOn": "2030-01-01", "endsOn": "2029-01-01" } }), "#/contract/endsOn before_start"),
        (json!({ "contract": { "currency": "GBP" } }), "#/contract/currency without_amount"),
        (json!({ "contract": { "amountPence": -1 } }), "#/contract/amountPence"),
        (json!({ "status": "ended" }), "#/status"),
    ] {
        let refused = client.patch(path, fields.clone()).header("If-Match", "*").expect(400);
        assert!(refused.faults().iter().any(|found| found.starts_with(fault)), "{fields}: {}", refused.json);
    }
}

#[test]
fn one_goes_stale_its_steward_is_told_and_one_confirm_revives_it() {
    let world = world();
    let made = world.cite(&json!({}));
    let steward = world.server.as_(&world.server.member(&world.ealing, Role::Steward));
    let queue = |query: &str| {
        let page = steward.get(&format!("/v1/organisations/ealing/review-queue{query}")).expect(200);
        let reasons = page["items"].as_array().unwrap().iter().map(|entry| entry["reasons"].to_string());
        reasons.collect::<Vec<_>>().concat()
    };
    assert_eq!(queue(""), "");
    world.client().get("/v1/organisations/ealing/review-queue").expect(403);
    world.server.database().execute("update citations set confirmed_at = now() - interval '366 days'");
    assert_eq!(steward.get(made.header("location").unwrap()).expect(200)["status"], "stale");
    assert_eq!((queue(""), queue("?reason=ends_soon")), ("[\"stale\"]".to_owned(), String::new()));
    let listed = |status: &str| {
        let page = world.server.anonymous().get(&format!("/v1/citations?status={status}&count=true")).expect(200);
        page["total"].as_i64().unwrap()
    };
    assert_eq!((listed("stale"), listed("active")), (1, 0));
    steward.patch("/v1/organisations/ealing", json!({ "staleAfterDays": 400 })).header("If-Match", "*").expect(200);
    assert_eq!((listed("stale"), listed("active"), queue("")), (0, 1, String::new()));
    steward.patch("/v1/organisations/ealing", json!({ "staleAfterDays": 30 })).header("If-Match", "*").expect(200);
    assert_eq!(listed("stale"), 1);
    let ids = json!({ "ids": [made.text("id")] });
    let revived = world.client().post("/v1/citations/confirm", ids).expect(200);
    assert_eq!(revived["items"][0]["status"], "active");
    assert_eq!((listed("stale"), queue("")), (0, String::new()));

    let admin = world.server.as_(&world.server.admin());
    let retired = json!({ "phase": "live" });
    admin.patch("/v1/products/bins", retired).header("If-Match", "*").expect(200);
    assert_eq!(queue(""), "[\"phase_changed\"]");
    let ends = json!({ "contract": { "endsOn": "2020-03-31" } });
    world.client().patch(made.header("location").unwrap(), ends).header("If-Match", "*").expect(200);
    assert_eq!(queue("?endsWithinDays=0"), "[\"ends_soon\"]", "what was said anew was confirmed in the new phase");
}

#[test]
fn several_are_confirmed_together_or_none() {
    let world = world();
    let made = world.cite(&json!({}));
    let other = world.server.add_product(product("Potholes"));
    let second = world.cite(&json!({ "product": other.text("id"), "status": "draft" }));
    world.server.database().execute("update citations set confirmed_at = now() - interval '366 days'");
    let confirm = |ids: Value| world.client().post("/v1/citations/confirm", json!({ "ids": ids })).send();
    let nobody = uuid::Uuid::now_v7().to_string();
    let refused = confirm(json!([made.text("id"), second.text("id"), nobody]));
    assert_eq!(refused.faults(), ["#/ids/1 out_of_turn", "#/ids/2 not_found"]);
    let path = made.header("location").unwrap();
    assert_eq!(world.client().get(path).expect(200)["status"], "stale", "none of them was confirmed");
    assert_eq!(confirm(json!([made.text("id"), made.text("id")])).status, 200);
    assert_eq!(world.client().get(path).expect(200)["status"], "active");
}

/// Everybody who might look.
fn viewers(world: &World) -> Vec<(&'static str, Client<'_>)> {
    let server = &world.server;
    let barnet = server.add_organisation(council("Barnet"));
    let vendor = server.add_organisation(supplier("Civica"));
    vec![
        ("nobody", server.anonymous()),
        ("a stranger", server.as_(&server.person(&[], &[]))),
        ("a supplier", server.as_(&server.member(&vendor, Role::Admin))),
        ("a moderator", server.as_(&server.person(&[PlatformRole::Moderator], &[]))),
        ("another council", server.as_(&server.member(&barnet, Role::Viewer))),
        ("their own", server.as_(&server.member(&world.ealing, Role::Viewer))),
        ("the platform", server.as_(&server.admin())),
    ]
}

/// Viewers, in the order of [`viewers`], who see a citation of a visibility and status.
fn who_sees(visibility: &str, status: &str) -> [bool; 7] {
    match (status, visibility) {
        ("draft" | "withdrawn", _) | (_, "organisation") => [false, false, false, false, false, true, true],
        (_, "members") => [false, false, false, false, true, true, true],
        _ => [true; 7],
    }
}

#[test]
fn each_way_to_see_a_citation_knows_who_looks() {
    let world = world();
    let viewers = viewers(&world);
    let contract = json!({ "reference": "E-17", "endsOn": "2027-03-31", "amountPence": 5 });
    for visibility in ["public", "members", "organisation"] {
        for status in ["draft", "active", "ended", "withdrawn"] {
            let product = world.server.add_product(product(&format!("{visibility} {status}")));
            let slug = product.text("slug");
            let first = if status == "withdrawn" { "active" } else { status };
            let made = world.cite(&json!({
                "product": slug, "status": first, "visibility": visibility, "contract": contract, "satisfaction": 3,
            }));
            if status == "withdrawn" {
                act(&world.client(), &made, "withdraw");
            }
            for ((who, client), seen) in viewers.iter().zip(who_sees(visibility, status)) {
                let what = format!("{visibility} {status}: {who}");
                let page = |path: String| client.get(&path).expect(200);
                let items = |path: String| page(path)["items"].as_array().unwrap().len();
                let read = client.get(made.header("location").unwrap()).send();
                assert_eq!(read.status, if seen { 200 } else { 404 }, "{what}");
                assert_eq!(items(format!("/v1/citations?product={slug}")), usize::from(seen), "{what}: list");
                let counted = page(format!("/v1/citations?product={slug}&count=true"));
                assert_eq!(counted["total"], i64::from(seen), "{what}: total");
                let said = matches!(status, "active" | "ended");
                let contracts = items(format!("/v1/contracts?product={slug}"));
                assert_eq!(contracts, usize::from(seen && said), "{what}: contracts");
                let groups = items(format!("/v1/contracts/groups?by=product&product={slug}"));
                assert_eq!(groups, usize::from(seen && said), "{what}: groups");
                let figures = page(format!("/v1/products/{slug}/statistics"));
                assert_eq!(figures["byStatus"].as_array().unwrap().len(), usize::from(seen), "{what}: figures");
                let products = page("/v1/products?organisation=ealing&limit=100".to_owned());
                let cited = products.each("slug").contains(&slug);
                assert_eq!(cited, seen && status == "active", "{what}: products by organisation");
                let faceted =
                    page(format!("/v1/products?organisation=ealing&facets=phase&q=%22{visibility}%20{status}%22"));
                let matches = faceted["items"].as_array().unwrap().iter().any(|item| item["slug"] == slug);
                assert_eq!(matches, seen && status == "active", "{what}: search by organisation");
                let everybody = page(format!("/v1/products/{slug}"));
                let public = i64::from(said && visibility == "public");
                assert_eq!(everybody["citationCount"], public, "{what}: a count that everybody sees");
                let organisation = page("/v1/organisations/ealing/statistics".to_owned());
                assert!(organisation["byStatus"].is_array(), "{what}");
            }
        }
    }
}

#[test]
fn contracts_that_end_bring_those_together_who_have_one() {
    let world = world();
    let server = &world.server;
    let vendor = server.add_organisation(supplier("Civica"));
    let housing = server.add_product(product("Homes").with("supplier", "civica").with("serviceCodes", json!(["524"])));
    let cite = |organisation: &Answer, ends: &str, amount: i64, visibility: &str| {
        let body = json!({
            "organisation": organisation.text("slug"), "product": housing.text("slug"), "visibility": visibility,
            "contract": { "endsOn": ends, "amountPence": amount },
        });
        let person = server.member(organisation, Role::Contributor);
        server.as_(&person).post("/v1/citations", body).expect(201)
    };
    let councils: Vec<Answer> =
        ["Barnet", "Brent", "Camden"].iter().map(|name| server.add_organisation(council(name))).collect();
    cite(&world.ealing, "2027-01-31", 100, "public");
    cite(&councils[0], "2027-03-31", 200, "public");
    cite(&councils[1], "2027-05-31", 400, "public");
    cite(&councils[2], "2027-02-28", 800, "organisation");
    let nobody = server.anonymous();
    let due = nobody.get("/v1/contracts?serviceCode=524&endsBefore=2027-04-01&limit=1").expect(200);
    assert_eq!(due["items"][0]["organisation"]["slug"], "ealing");
    assert_eq!(due["items"][0]["supplier"]["slug"], vendor["slug"]);
    let next = nobody.get(&due.next().unwrap()).expect(200);
    assert_eq!(next["items"][0]["organisation"]["slug"], "barnet");
    assert_eq!(next.next(), None, "what only Camden sees is not there");
    let group =
        |client: &Client<'_>, query: &str| client.get(&format!("/v1/contracts/groups?by=supplier{query}")).expect(200);
    let all = group(&nobody, "");
    assert_eq!((&all["items"][0]["contractCount"], &all["items"][0]["amountPence"]), (&json!(3), &json!(700)));
    let two = group(&nobody, "&endsBefore=2027-04-01");
    assert_eq!((&two["items"][0]["organisationCount"], &two["items"][0]["amountPence"]), (&json!(2), &Value::Null));
    let inside = server.as_(&server.member(&councils[2], Role::Viewer));
    assert_eq!(group(&inside, "")["items"][0]["amountPence"], 1500);
    nobody.get("/v1/contracts/groups").expect(400);
}

#[test]
fn figures_tell_of_nobody_alone() {
    let world = world();
    let server = &world.server;
    let other = server.add_product(product("Maps"));
    world.cite(&json!({ "satisfaction": 5, "since": "2021-05-01" }));
    world.cite(&json!({ "product": "maps" }));
    for n in 0..4 {
        let figures = server.anonymous().get("/v1/products/bins/statistics").expect(200);
        assert_eq!(figures["bySatisfaction"], Value::Null, "{n}");
        let body = server.add_organisation(council(&format!("Council {n}")).with("region", "London"));
        let person = server.member(&body, Role::Contributor);
        let said =
            json!({ "organisation": body.text("id"), "product": "bins", "satisfaction": 4, "since": "2022-01-01" });
        server.as_(&person).post("/v1/citations", said).expect(201);
    }
    let figures = server.anonymous().get("/v1/products/bins/statistics").expect(200);
    assert_eq!(figures["byStatus"], json!([{ "value": "active", "count": 5 }]));
    assert_eq!(figures["byRegion"], json!([{ "value": "London", "count": 5 }]));
    assert_eq!(figures["byKind"], json!([{ "value": "local_authority", "count": 5 }]));
    assert_eq!(figures["byYear"], json!([{ "value": "2022", "count": 4 }, { "value": "2021", "count": 1 }]));
    assert_eq!(figures["bySatisfaction"], json!([{ "value": "4", "count": 4 }, { "value": "5", "count": 1 }]));
    assert_eq!(figures["coUsedProducts"][0]["product"]["id"], other["id"]);
    let own = server.anonymous().get("/v1/organisations/ealing/statistics").expect(200);
    assert_eq!(own["byStatus"], json!([{ "value": "active", "count": 2 }]));
}

#[test]
fn of_many_at_once_one_is_made() {
    let world = world();
    for round in 0..5 {
        let product = world.server.add_product(product(&format!("Product {round}")));
        let statuses: Vec<u16> = thread::scope(|scope| {
            let calls: Vec<_> = (0..12)
                .map(|_| {
                    let (world, slug) = (&world, product.text("slug"));
                    let body = world.with(&json!({ "product": slug }));
                    scope.spawn(move || world.client().post("/v1/citations", body).send().status)
                })
                .collect();
            calls.into_iter().map(|call| call.join().unwrap()).collect()
        });
        assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
        assert_eq!(statuses.iter().filter(|status| **status == 409).count(), 11, "{statuses:?}");
    }
}

#[test]
fn counters_are_exact_while_many_write_and_one_folds() {
    let world = world();
    let server = &world.server;
    let bodies: Vec<(Answer, Person)> = (0..8)
        .map(|n| {
            let body = server.add_organisation(council(&format!("Council {n}")));
            let person = server.member(&body, Role::Contributor);
            (body, person)
        })
        .collect();
    thread::scope(|scope| {
        for (body, person) in &bodies {
            scope.spawn(move || {
                let client = server.as_(person);
                for turn in 0..12 {
                    let visibility = ["public", "members", "organisation"][turn % 3];
                    let said = json!({ "organisation": body.text("id"), "product": "bins", "visibility": visibility });
                    let made = client.post("/v1/citations", said).expect(201);
                    let path = made.header("location").unwrap();
                    client.patch(path, json!({ "visibility": "public" })).header("If-Match", "*").expect(200);
                    let step = ["withdraw", "end", "withdraw"][turn % 3];
                    let body = if step == "end" { "{}" } else { "" };
                    let call = client.call("POST", &format!("{path}/{step}"));
                    if body.is_empty() {
                        call.expect(200)
                    } else {
                        call.body("application/json", body).expect(200)
                    };
                }
            });
        }
        scope.spawn(|| {
            for _ in 0..40 {
                server.database().number("fold_product_counters(7)");
            }
        });
    });
    let recount = server
        .database()
        .number("select count(*) from citations where visibility = 'public' and status in ('active', 'ended')");
    assert_eq!(world.counts(), (recount, 0));
    assert_eq!(recount, 8 * 4);
    while server.database().number("fold_product_counters(1000)") > 0 {}
    assert_eq!(world.counts(), (recount, 0));
    assert_eq!(server.database().number("select count(*) from product_counter_deltas"), 0);
    server.database().execute("delete from citations");
    assert_eq!(world.counts(), (0, 0));
}

#[test]
fn every_page_link_keeps_every_filter_while_others_cite() {
    let world = world();
    let server = &world.server;
    for n in 0..30 {
        let product = server.add_product(product(&format!("Product {n}")));
        world.cite(&json!({ "product": product.text("id") }));
    }
    let mut seen = Vec::new();
    let mut next =
        Some("/v1/citations?organisation=ealing&status=active&status=stale&sort=-updatedAt&limit=7".to_owned());
    while let Some(path) = next {
        assert!(path.contains("organisation=ealing&status=active&status=stale&sort=-updatedAt"), "{path}");
        let page = server.anonymous().get(&path).expect(200);
        seen.extend(page["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()));
        let product = server.add_product(product("Later"));
        world.cite(&json!({ "product": product.text("id") }));
        next = page.next();
    }
    let mut unique = seen.clone();
    unique.sort();
    unique.dedup();
    assert_eq!((seen.len(), unique.len()), (30, 30));
}

/// Adds citations as many as no test would by HTTP: of 60 councils, each of 400 products of 20 suppliers.
fn fill(server: &Server) {
    server.database().execute(
        "insert into organisations (id, slug, kind, name, region)
           select gen_random_uuid(), 'body-' || n, 'local_authority', 'Body ' || n, 'London' from generate_series(1, 60) n;
         insert into organisations (id, slug, kind, name)
           select gen_random_uuid(), 'vendor-' || n, 'supplier', 'Vendor ' || n from generate_series(1, 20) n;
         insert into products (id, slug, name, kind, phase, supplier_id)
           select gen_random_uuid(), 'made-up-' || n, 'Made up ' || n, 'product', 'live', o.id
           from generate_series(1, 400) n join organisations o on o.slug = 'vendor-' || (1 + n % 20);
         insert into citations (id, organisation_id, product_id, status, cited_phase, confirmed_at, has_contract, contract_ends_on)
           select gen_random_uuid(), o.id, p.id, 'active', 'live', now() - make_interval(hours => (row_number() over () * 7919 % 12000)::integer),
             true, date '2026-01-01' + (row_number() over () * 31 % 2000)::integer
           from organisations o, products p where o.kind = 'local_authority'",
    );
    server.database().execute("vacuum analyze organisations, products, citations");
}

#[test]
fn contracts_and_reviews_read_no_more_than_they_have_to() {
    let server = Server::start();
    fill(&server);
    let plan = |query: &str, values: &str| {
        let prepared = format!("prepare asked as {query}");
        let before = ["set plan_cache_mode = force_generic_plan", &prepared];
        server.database().plan(&before, &format!("execute asked ({values})"))
    };
    let seen = "has_contract and citations.status = any ($1::text[]) and visibility = any ($2::text[])";
    let from = "select citations.id from citations join organisations o on o.id = organisation_id where";
    let seen_by_all = "'{active,ended}', '{public}'";
    insta::assert_snapshot!(plan(
        &format!("{from} {seen} and contract_end_order(contract_ends_on) <= $3::date
            order by contract_end_order(contract_ends_on), citations.id limit $4::bigint"),
        &format!("{seen_by_all}, '2027-04-01', 21"),
    ), @"
        Limit
          ->  Nested Loop
                ->  Index Scan using citations_contract_end_idx on citations
                      Index Cond: (COALESCE(contract_ends_on, '9999-12-31'::date) <= $3)
                      Filter: ((status = ANY ($1)) AND (visibility = ANY ($2)))
                ->  Memoize
                      Cache Key: citations.organisation_id
                      Cache Mode: logical
                      ->  Index Only Scan using organisations_pkey on organisations o
                            Index Cond: (id = citations.organisation_id)
        ");
    insta::assert_snapshot!(plan(
        &format!("{from} {seen} and product_id = any ($3::uuid[])
            order by contract_end_order(contract_ends_on) + 0, citations.id limit $4::bigint"),
        &format!("{seen_by_all}, '{{}}', 21"),
    ), @"
        Limit
          ->  Sort
                Sort Key: ((COALESCE(citations.contract_ends_on, '9999-12-31'::date) + 0)), citations.id
                ->  Hash Join
                      Hash Cond: (citations.organisation_id = o.id)
                      ->  Bitmap Heap Scan on citations
                            Recheck Cond: (product_id = ANY ($3))
                            Filter: (has_contract AND (status = ANY ($1)) AND (visibility = ANY ($2)))
                            ->  Bitmap Index Scan on citations_product_id_idx
                                  Index Cond: (product_id = ANY ($3))
                      ->  Hash
                            ->  Seq Scan on organisations o
        ");
    insta::assert_snapshot!(plan(
        &format!("{from} organisation_id = $1::uuid and citations.status = 'active'
            and is_stale(confirmed_at, stale_after_days) order by confirmed_at, citations.id limit $2::bigint"),
        "gen_random_uuid(), 21",
    ), @"
        Limit
          ->  Nested Loop
                Join Filter: (citations.confirmed_at < (now() - make_interval(0, 0, 0, o.stale_after_days, 0, 0, '0'::double precision)))
                ->  Index Only Scan using citations_confirmed_at_idx on citations
                      Index Cond: (organisation_id = $1)
                ->  Materialize
                      ->  Seq Scan on organisations o
                            Filter: (id = $1)
        ");

    // The same of the service itself, whatever its queries are: what it read is counted when its sessions end.
    let read =
        "coalesce((select seq_tup_read + idx_tup_fetch from pg_stat_user_tables where relname = 'citations'), 0)";
    for (path, most) in [
        ("/v1/contracts?endsBefore=2027-04-01", 100),
        ("/v1/contracts?supplier=vendor-3&region=London", 2000),
        ("/v1/contracts?organisation=body-7&endsAfter=2027-01-01", 1000),
        ("/v1/citations?organisation=body-7&status=stale", 1000),
    ] {
        let before = server.database().number(read);
        let reader = Server::on(&server.database().url, &[]);
        assert_eq!(reader.anonymous().get(path).expect(200)["items"].as_array().unwrap().len(), 20, "{path}");
        drop(reader);
        let fetched = server.database().number(read) - before;
        assert!(fetched <= most, "{path} read {fetched} of 24000 rows");
    }
}
