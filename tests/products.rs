//! `/v1/products`, one at a time: resources, versions, status updates, likeness. Lists and search are in `search`.

use db::Role;
use serde_json::{Value, json};

use crate::support::client::Call;
use crate::support::{Answer, Server, council, product, supplier};

const ALL: &str = "/v1/products";

fn one(product: &Answer) -> String {
    format!("{ALL}/{}", product.text("id"))
}

fn any_version(call: Call<'_>) -> Call<'_> {
    call.header("If-Match", "*")
}

#[test]
fn is_added_read_changed_and_removed() {
    let server = Server::start();
    server.add_organisation(council("Hackney"));
    server.add_organisation(supplier("Granicus"));
    let admin = server.as_(&server.admin());
    let body = product("Bin collection skill")
        .with("summary", "Tells residents their bin day.")
        .with("description", "**Bins.**\n\nWith *Markdown*.")
        .with("owner", "hackney")
        .with("supplier", "granicus")
        .with("licence", "MIT OR Apache-2.0")
        .with("categories", json!(["waste-management", "waste-management"]))
        .with("serviceCodes", json!(["524", "1152"]))
        .with("cpvCodes", json!(["48000000-8"]))
        .with("dependsOn", json!([{ "name": "PostgreSQL", "kind": "open", "versionMin": "15" }]));
    let added = admin.post(ALL, body).expect(201);
    assert_eq!(added.header("location"), Some(one(&added).as_str()));
    assert_eq!(added["similar"], json!([]));
    let read = server.anonymous().get(&format!("{ALL}/bin-collection-skill")).expect(200);
    assert_eq!((&read["owner"]["slug"], &read["supplier"]["name"]), (&json!("hackney"), &json!("Granicus")));
    assert_eq!(read["categories"], json!(["waste-management"]), "said twice is said once");
    assert_eq!(read["freshness"], "fresh");
    assert_eq!(read["dependsOn"][0]["optional"], false);
    assert!(read.json.get("similar").is_none(), "only its addition offers these");

    let patch = json!({ "summary": null, "supplier": null, "platforms": ["web"] });
    let changed = admin.patch(&one(&added), patch).if_match(&read).expect(200);
    assert_eq!((&changed["summary"], &changed["supplier"]), (&Value::Null, &Value::Null));
    assert_eq!(changed["owner"]["slug"], "hackney");
    assert_eq!(changed["version"], 2);

    admin.delete(&one(&added)).if_match(&changed).expect(204);
    server.anonymous().get(&one(&added)).expect(404);
    admin.post(ALL, product("Another").with("slug", "bin-collection-skill")).expect(409);
}

#[test]
fn redirects_from_the_slug_it_had() {
    let server = Server::start();
    let admin = server.as_(&server.admin());
    let added = server.add_product(product("First name"));
    any_version(admin.patch(&one(&added), json!({ "slug": "second" }))).expect(200);
    any_version(admin.patch(&one(&added), json!({ "slug": "third" }))).expect(200);
    for earlier in ["first-name", "second"] {
        let moved = server.anonymous().get(&format!("{ALL}/{earlier}")).expect(301);
        assert_eq!(moved.header("location"), Some("/v1/products/third"));
        let taken = admin.post(ALL, product("Other").with("slug", earlier)).expect(409);
        assert_eq!(taken.faults(), ["#/slug slug_taken"]);
    }
    assert_eq!(server.add_product(product("First name"))["slug"], "first-name-2");
    any_version(admin.patch(&one(&added), json!({ "slug": "second" }))).expect(200);
    assert_eq!(server.anonymous().get(&format!("{ALL}/second")).expect(200)["id"], added["id"]);
}

#[test]
fn keeps_every_version() {
    let server = Server::start();
    let ealing = server.add_organisation(council("Ealing"));
    let added = server.add_product(product("Bins").with("owner", "ealing").with("summary", "Old."));
    let author = server.as_(&server.member(&ealing, Role::Contributor));
    any_version(author.patch(&one(&added), json!({ "summary": "New.", "features": ["Reminders"] }))).expect(200);
    any_version(author.patch(&one(&added), json!({ "slug": "bin-days" }))).expect(200);
    any_version(author.patch(&one(&added), json!({ "slug": "bin-days" }))).expect(200);

    let history = server.anonymous().get(&format!("{}/versions", one(&added))).expect(200);
    let told: Vec<String> = history["items"].as_array().unwrap().iter().map(summary_of).collect();
    insta::assert_snapshot!(told.join("\n"), @r#"
    3 ealing ["slug"] null
    2 ealing ["features","summary"] null
    1 - [] null
    "#);
    let first = server.anonymous().get(&format!("{}/versions/1", one(&added))).expect(200);
    assert_eq!(first["product"]["summary"], "Old.");
    assert_eq!(first["product"]["owner"], ealing["id"]);
    server.anonymous().get(&format!("{}/versions/4", one(&added))).expect(404);

    let comparison = server.anonymous().get(&format!("{}/compare?from=1&to=3", one(&added))).expect(200);
    insta::assert_snapshot!(comparison["differences"].to_string(), @r#"[{"field":"features","from":[],"to":["Reminders"]},{"field":"slug","from":"bins","to":"bin-days"},{"field":"summary","from":"Old.","to":"New."}]"#);
    let mirrored = server.anonymous().get(&format!("{}/compare?from=3&to=1", one(&added))).expect(200);
    assert_eq!(mirrored["differences"][0]["from"], comparison["differences"][0]["to"]);
    server.anonymous().get(&format!("{}/compare?from=1&to=9", one(&added))).expect(404);
    server.anonymous().get(&format!("{}/compare?from=1", one(&added))).expect(400);
}

fn summary_of(version: &Value) -> String {
    let organisation = version["organisation"]["slug"].as_str().unwrap_or("-");
    format!("{} {organisation} {} {}", version["version"], version["changedFields"], version["reason"])
}

#[test]
fn returns_to_an_earlier_version_by_a_new_one() {
    let server = Server::start();
    let admin = server.as_(&server.admin());
    let added = server.add_product(product("Bins").with("summary", "Good."));
    let changed = admin.patch(&one(&added), json!({ "summary": "Bad.", "slug": "worse" })).if_match(&added).expect(200);
    let path = format!("{}/revert", one(&added));
    assert_eq!(admin.post(&path, json!({ "version": 1 })).expect(400).faults(), ["#/reason required"]);
    let body = json!({ "version": 1, "reason": "Vandalism." });
    admin.post(&path, body.clone()).if_match(&added).expect(412);
    let reverted = admin.post(&path, body).if_match(&changed).expect(200);
    assert_eq!((&reverted["summary"], &reverted["version"]), (&json!("Good."), &json!(3)));
    assert_eq!(reverted["slug"], "worse", "links to the present slug go on working");
    let version = server.anonymous().get(&format!("{}/versions/3", one(&added))).expect(200);
    assert_eq!((&version["revertsTo"], &version["reason"]), (&json!(1), &json!("Vandalism.")));
    let unknown = admin.post(&path, json!({ "version": 9, "reason": "Why not." })).expect(409);
    assert_eq!(unknown.faults(), ["#/version unknown_version"]);
}

#[test]
fn explains_a_step_back() {
    let server = Server::start();
    let admin = server.as_(&server.admin());
    let added = server.add_product(product("Bins").with("phase", "alpha").with("phaseStartedOn", "2020-01-01"));
    let patch = |body: Value| any_version(admin.patch(&one(&added), body));
    let forward = patch(json!({ "phase": "live" })).expect(200);
    assert_ne!(forward["phaseStartedOn"], "2020-01-01", "another phase has another first day");
    assert!(forward["phaseStartedOn"].is_string(), "today, unless said otherwise");
    assert_eq!(patch(json!({ "phase": "beta" })).expect(409).faults(), ["#/phaseReason required"]);
    let back = patch(json!({ "phase": "beta", "phaseReason": "It fell over." })).expect(200);
    assert_eq!(back["phaseReason"], "It fell over.");
    let again = patch(json!({ "phase": "alpha" })).expect(409);
    assert_eq!(again.faults(), ["#/phaseReason required"], "the reason of the last step is not one for this");
    let revert = json!({ "version": 1, "reason": "Back to the start." });
    let reverted = admin.post(&format!("{}/revert", one(&added)), revert).expect(200);
    assert_eq!((&reverted["phase"], &reverted["phaseReason"]), (&json!("alpha"), &json!("Back to the start.")));
}

#[test]
fn changes_only_from_the_version_that_was_read() {
    let server = Server::start();
    let admin = server.as_(&server.admin());
    let added = server.add_product(product("Bins"));
    let patch = |name: &str| admin.patch(&one(&added), json!({ "name": name }));
    patch("A").expect(428);
    patch("A").if_match(&added).expect(200);
    patch("B").if_match(&added).expect(412);
    patch("B").header("If-Match", "W/\"2\"").expect(412);
    patch("B").header("If-Match", "\"2\"").expect(200);
    patch("C").header("If-Match", "*").expect(200);
    assert_eq!(patch("C").header("If-Match", "*").expect(200)["version"], 4);
    assert_eq!(server.database().number("select count(*) from product_versions"), 4);
}

#[test]
fn is_sent_anew_when_only_its_counts_change() {
    let server = Server::start();
    let ealing = server.add_organisation(council("Ealing"));
    let added = server.add_product(product("Bins"));
    let read = server.anonymous().get(&one(&added)).expect(200);
    server.anonymous().get(&one(&added)).header("If-None-Match", read.etag()).expect(304);
    cite(&server, &added, &ealing);
    let again = server.anonymous().get(&one(&added)).header("If-None-Match", read.etag()).expect(200);
    assert_eq!((&again["organisationCount"], &again["version"]), (&json!(1), &json!(1)));
    // What changed is not what an editor changes, so their turn is not lost.
    server.as_(&server.admin()).patch(&one(&added), json!({ "name": "Bin days" })).if_match(&read).expect(200);
}

/// Until citations have operations of their own.
fn cite(server: &Server, product: &Answer, organisation: &Answer) {
    server.database().execute(&format!(
        "insert into citations (id, product_id, organisation_id, status) values (gen_random_uuid(), '{}', '{}', 'active')",
        product.id(),
        organisation.id()
    ));
}

#[test]
fn is_not_removed_while_it_is_cited() {
    let server = Server::start();
    let ealing = server.add_organisation(council("Ealing"));
    let added = server.add_product(product("Bins"));
    cite(&server, &added, &ealing);
    let refused = any_version(server.as_(&server.admin()).delete(&one(&added))).expect(409);
    assert_eq!(refused.faults(), ["# in_use"]);
}

#[test]
fn offers_products_much_like_it() {
    let server = Server::start();
    let first = server.add_product(product("Bin collection reminders").with("serviceCodes", json!(["524"])));
    server.add_product(product("Parking permits"));
    let second = server.add_product(product("Bin collection reminder").with("serviceCodes", json!(["524"])));
    assert_eq!(second["similar"][0]["id"], first["id"]);
    assert_eq!(second["similar"][0]["sharedCodes"], json!(["524"]));
    assert_eq!(second["similar"].as_array().unwrap().len(), 1);
    let listed = server.anonymous().get(&format!("{}/similar", one(&first))).expect(200);
    assert_eq!(listed.each("slug"), ["bin-collection-reminder"], "not itself");
    let by_code = server.add_product(product("Wholly different").with("serviceCodes", json!(["524"])));
    assert!(by_code["similar"].as_array().unwrap().iter().all(|other| other["score"].as_f64().unwrap() >= 0.3));
}

#[test]
fn has_dated_updates() {
    let server = Server::start();
    let ealing = server.add_organisation(council("Ealing"));
    let added = server.add_product(product("Bins").with("owner", "ealing"));
    let author = server.as_(&server.member(&ealing, Role::Contributor));
    let path = format!("{}/updates", one(&added));
    let older = author.post(&path, json!({ "body": "Started.", "postedOn": "2020-01-01" })).expect(201);
    let today = author.post(&path, json!({ "body": "Going on." })).expect(201);
    let between = author.post(&path, json!({ "body": "Half-way.", "postedOn": "2021-01-01" })).expect(201);
    assert_eq!(today["organisation"]["slug"], "ealing");
    let listed = server.anonymous().get(&path).expect(200);
    assert_eq!(listed.each("id"), [today.text("id"), between.text("id"), older.text("id")], "latest day first");
    let page = server.anonymous().get(&format!("{path}?limit=2")).expect(200);
    let rest = server.anonymous().get(&page.next().unwrap()).expect(200);
    assert_eq!(rest.each("id"), [older.text("id")]);

    let one_update = format!("{path}/{}", older.text("id"));
    server.anonymous().get(&one_update).expect(200);
    let other = server.add_product(product("Other"));
    server.anonymous().get(&format!("{}/updates/{}", one(&other), older.text("id"))).expect(404);
    author.delete(&one_update).expect(428);
    author.delete(&one_update).if_match(&older).expect(204);
    server.anonymous().get(&one_update).expect(404);
    any_version(server.as_(&server.admin()).delete(&one(&added))).expect(204);
    server.anonymous().get(&path).expect(404);
}

#[test]
fn tells_every_fault_at_once() {
    let server = Server::start();
    let admin = server.as_(&server.admin());
    let body = json!({
        "name": "two\nlines", "summary": "x".repeat(151), "kind": "gadget", "licence": "Not A Licence!",
        "website": "example.org", "phaseStartedOn": "yesterday", "features": ["fine", ""], "colour": "red",
        "dependsOn": [{ "kind": "open", "optional": 1 }], "serviceCodes": ["x"], "budgetBand": null,
    });
    let refused = admin.post(ALL, body).expect(400);
    insta::assert_snapshot!(refused.faults().join("\n"), @"
    #/colour unknown_field
    #/dependsOn/0/name required
    #/dependsOn/0/optional wrong_type
    #/features/1 too_short
    #/kind not_listed
    #/licence wrong_format
    #/name wrong_form
    #/phase required
    #/phaseStartedOn wrong_format
    #/serviceCodes/0 wrong_form
    #/summary too_long
    #/website wrong_format
    ");
    insta::assert_snapshot!(serde_json::to_string_pretty(&refused["errors"][0]).unwrap(), @r##"
    {
      "code": "required",
      "detail": "must be given",
      "pointer": "#/phase"
    }
    "##);
    let body =
        product("Lost").with("owner", "nobody").with("supplier", "nobody").with("serviceCodes", json!(["99999"]));
    insta::assert_snapshot!(admin.post(ALL, body).expect(409).faults().join("\n"), @"
    #/owner unknown_organisation
    #/serviceCodes/0 unknown_service_code
    #/supplier unknown_organisation
    ");
    let patch = json!({ "name": null, "phase": "later", "colour": "red" });
    let added = server.add_product(product("Bins"));
    insta::assert_snapshot!(any_version(admin.patch(&one(&added), patch)).expect(400).faults().join("\n"), @"
    #/colour unknown_field
    #/name wrong_type
    #/phase not_listed
    ");
    any_version(admin.patch(&one(&added), json!({}))).expect(400);
}

#[test]
fn is_named_an_owner_only_by_the_owner() {
    let server = Server::start();
    let ealing = server.add_organisation(council("Ealing"));
    server.add_organisation(council("Barnet"));
    let civica = server.add_organisation(supplier("Civica"));
    server.add_organisation(supplier("Capita"));
    let author = server.as_(&server.member(&ealing, Role::Contributor));
    let seller = server.as_(&server.member(&civica, Role::Contributor));
    author.post(ALL, product("Ours").with("owner", "ealing")).expect(201);
    author.post(ALL, product("Theirs").with("owner", "barnet")).expect(403);
    let nobodys = author.post(ALL, product("Nobody's")).expect(201);
    any_version(author.patch(&one(&nobodys), json!({ "owner": "barnet" }))).expect(403);
    any_version(author.patch(&one(&nobodys), json!({ "owner": "ealing" }))).expect(200);
    seller.post(ALL, product("Not what they sell")).expect(403);
    let sold = seller.post(ALL, product("What they sell").with("supplier", "civica")).expect(201);
    any_version(seller.patch(&one(&sold), json!({ "supplier": "capita" }))).expect(403);
    any_version(seller.patch(&one(&sold), json!({ "supplier": null }))).expect(403);
    any_version(seller.patch(&one(&sold), json!({ "summary": "Very good." }))).expect(200);
}

#[test]
fn leaves_a_token_for_one_organisation_only_that_role() {
    let server = Server::start();
    let ealing = server.add_organisation(council("Ealing"));
    let barnet = server.add_organisation(council("Barnet"));
    let both = server.person(&[], &[(ealing.id(), Role::Admin), (barnet.id(), Role::Viewer)]);
    let as_ealing = server.as_(&both.clone().acting_for(ealing.id()));
    let added = as_ealing.post(ALL, product("Bins").with("owner", "ealing")).expect(201);
    let as_barnet = server.as_(&both.acting_for(barnet.id()));
    any_version(as_barnet.patch(&one(&added), json!({ "summary": "No." }))).expect(403);
    let version = server.anonymous().get(&format!("{}/versions/1", one(&added))).expect(200);
    assert_eq!(version["organisation"]["slug"], "ealing");
}
