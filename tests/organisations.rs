//! `/v1/organisations`

use db::{PlatformRole, Role};
use serde_json::{Value, json};

use crate::support::{Answer, Server, council, supplier};

const ALL: &str = "/v1/organisations";

fn one(organisation: &Answer) -> String {
    format!("{ALL}/{}", organisation.text("id"))
}

fn slugs(server: &Server, query: &str) -> Vec<String> {
    let page = server.anonymous().get(&format!("{ALL}?{query}")).expect(200);
    page.each("slug").into_iter().map(Into::into).collect()
}

#[test]
fn is_added_read_changed_and_removed() {
    let server = Server::start();
    let admin = server.as_(&server.admin());
    let body = council("London Borough of Hackney")
        .with("aliases", json!(["Hackney Council"]))
        .with("identifiers", json!([{ "scheme": "GB-LAC", "id": "E09000012" }]))
        .with("website", "https://www.hackney.gov.uk")
        .with("region", "London")
        .with("startsOn", "1965-04-01");
    let added = admin.post(ALL, body).expect(201);
    assert_eq!(added.header("location"), Some(one(&added).as_str()));
    assert_eq!(added["slug"], "london-borough-of-hackney");
    assert_eq!(added["version"], 1);

    let read = server.anonymous().get(&one(&added)).expect(200);
    assert_eq!(read["identifiers"], json!([{ "scheme": "GB-LAC", "id": "E09000012" }]));
    assert_eq!(read.header("link"), Some(format!("<{}>; rel=\"self\"", one(&added)).as_str()));
    assert_eq!(server.anonymous().get(&format!("{ALL}/london-borough-of-hackney")).expect(200)["id"], added["id"]);

    let changed = admin.patch(&one(&added), json!({ "region": null, "name": "Hackney" })).if_match(&read).expect(200);
    assert_eq!(changed["region"], Value::Null);
    assert_eq!(changed["website"], "https://www.hackney.gov.uk", "what the patch does not name stays");
    assert_eq!(changed["version"], 2);
    assert_eq!(changed["slug"], "london-borough-of-hackney", "a slug does not follow the name");

    admin.delete(&one(&added)).if_match(&changed).expect(204);
    server.anonymous().get(&one(&added)).expect(404);
    server.anonymous().get(&format!("{ALL}/london-borough-of-hackney")).expect(404);
}

#[test]
fn is_found_by_each_spelling_and_each_code() {
    let server = Server::start();
    let aliases = json!(["Newham Council", "LB Newham"]);
    let identifiers = json!([{ "scheme": "GB-LAC", "id": "E09000025" }]);
    let newham = council("London Borough of Newham").with("aliases", aliases).with("identifiers", identifiers);
    server.add_organisation(newham);
    server.add_organisation(council("Hammersmith & Fulham Council"));
    server.add_organisation(supplier("Société Générale"));

    for spelling in ["Newham%20Council", "newham-council", "NEWHAM%20%20COUNCIL.", "london%20borough%20of%20newham"] {
        assert_eq!(slugs(&server, &format!("alias={spelling}")), ["london-borough-of-newham"], "{spelling}");
    }
    assert_eq!(slugs(&server, "alias=hammersmith%20and%20fulham%20council"), ["hammersmith-fulham-council"]);
    assert_eq!(slugs(&server, "alias=societe%20generale"), ["societe-generale"]);
    assert!(slugs(&server, "alias=Newham").is_empty(), "part of a spelling is none");
    assert_eq!(slugs(&server, "alias=LB%20Newham&alias=societe%20generale").len(), 2);
    assert_eq!(slugs(&server, "identifier=GB-LAC:E09000025"), ["london-borough-of-newham"]);
    assert!(slugs(&server, "identifier=GB-LAC:E09000026").is_empty());
    assert_eq!(slugs(&server, "q=newh"), ["london-borough-of-newham"]);
    assert_eq!(slugs(&server, "q=newhm"), ["london-borough-of-newham"], "a misspelt name is still like it");
    assert!(slugs(&server, "q=%25").is_empty(), "% is a character, not a wildcard");
}

#[test]
fn is_listed_by_every_filter() {
    let server = Server::start();
    let gla = server.add_organisation(council("GLA").with("kind", "regional_body").with("region", "London"));
    let tfl = council("TfL").with("kind", "regional_body").with("parent", "gla").with("region", "London");
    server.add_organisation(tfl);
    server.add_organisation(council("Old Council").with("startsOn", "1900-01-01").with("endsOn", "1965-03-31"));
    server.add_organisation(council("Doomed Council").with("endsOn", "2999-01-01").with("region", "Kent"));
    server.add_organisation(supplier("Civica"));

    assert_eq!(slugs(&server, "kind=regional_body"), ["gla", "tfl"]);
    assert_eq!(slugs(&server, "kind=regional_body&kind=supplier"), ["civica", "gla", "tfl"]);
    assert_eq!(slugs(&server, "region=London&region=Kent"), ["doomed-council", "gla", "tfl"]);
    assert_eq!(slugs(&server, "active=false"), ["old-council"]);
    assert_eq!(slugs(&server, "active=true&kind=local_authority"), ["doomed-council"]);
    assert_eq!(slugs(&server, "parent=gla"), ["tfl"]);
    assert_eq!(slugs(&server, &format!("parent={}", gla.text("id"))), ["tfl"]);
    assert!(slugs(&server, "parent=nobody").is_empty());
    let counted = server.anonymous().get(&format!("{ALL}?count=true&limit=1")).expect(200);
    assert_eq!((&counted["total"], counted["items"].as_array().unwrap().len()), (&json!(5), 1));
    let latest = server.anonymous().get(&format!("{ALL}?sort=-updatedAt&limit=1")).expect(200);
    assert_eq!(latest.each("slug"), ["civica"]);
}

#[test]
fn gives_way_to_those_that_replaced_it() {
    let server = Server::start();
    for name in ["Successor", "Heir East", "Heir West"] {
        server.add_organisation(council(name));
    }
    server.add_organisation(council("Middle").with("replacedBy", json!(["successor"])).with("endsOn", "2020-03-31"));
    let merged = council("Merged").with("replacedBy", json!(["middle"])).with("endsOn", "2010-03-31");
    let merged = server.add_organisation(merged);
    server.add_organisation(council("Split").with("replacedBy", json!(["heir-east", "heir-west"])));

    assert_eq!(merged["replacedBy"][0]["slug"], "middle");
    assert_eq!(merged["successors"][0]["slug"], "successor", "the end of the chain, not the next link");
    assert_eq!(slugs(&server, "alias=merged"), ["merged"]);
    assert_eq!(slugs(&server, "alias=merged&followReplacements=true"), ["successor"]);
    assert_eq!(slugs(&server, "alias=split&followReplacements=true"), ["heir-east", "heir-west"]);
    assert_eq!(slugs(&server, "alias=successor&followReplacements=true"), ["successor"]);
}

#[test]
fn cannot_replace_or_belong_to_itself() {
    let server = Server::start();
    let admin = server.as_(&server.admin());
    let [first, second, third] = ["First", "Second", "Third"].map(|name| server.add_organisation(council(name)));
    let refused = |organisation: &Answer, patch: Value| {
        admin.patch(&one(organisation), patch).header("If-Match", "*").expect(409).faults()
    };
    let accepted = |organisation: &Answer, patch: Value| {
        admin.patch(&one(organisation), patch).header("If-Match", "*").expect(200);
    };
    assert_eq!(refused(&first, json!({ "parent": "first" })), ["#/parent cycle"]);
    assert_eq!(refused(&first, json!({ "replacedBy": ["first"] })), ["#/replacedBy cycle"]);
    accepted(&first, json!({ "parent": "second", "replacedBy": ["second"] }));
    accepted(&second, json!({ "parent": "third", "replacedBy": ["third"] }));
    assert_eq!(refused(&third, json!({ "parent": "first" })), ["#/parent cycle"]);
    assert_eq!(refused(&third, json!({ "replacedBy": ["first"] })), ["#/replacedBy cycle"]);
}

#[test]
fn shows_its_email_domains_to_members_only() {
    let server = Server::start();
    let domains = json!(["ealing.gov.uk"]);
    let ealing = server.add_organisation(council("Ealing").with("emailDomains", domains.clone()));
    let barnet = server.add_organisation(council("Barnet"));
    let seen = |client: crate::support::client::Client<'_>| {
        let listed = client.get(&format!("{ALL}?alias=ealing")).expect(200)["items"][0]["emailDomains"].clone();
        assert_eq!(client.get(&one(&ealing)).expect(200)["emailDomains"], listed, "list and resource agree");
        listed
    };
    assert_eq!(seen(server.anonymous()), Value::Null);
    assert_eq!(seen(server.as_(&server.member(&barnet, Role::Admin))), Value::Null);
    assert_eq!(seen(server.as_(&server.person(&[PlatformRole::Moderator], &[]))), Value::Null);
    assert_eq!(seen(server.as_(&server.member(&ealing, Role::Viewer))), domains);
    assert_eq!(seen(server.as_(&server.admin())), domains);
    let without_scope = server.member(&ealing, Role::Viewer).with_scopes(&["products:read"]);
    assert_eq!(seen(server.as_(&without_scope)), Value::Null);
}

#[test]
fn keeps_its_slugs_for_good() {
    let server = Server::start();
    let admin = server.as_(&server.admin());
    let first = server.add_organisation(council("Same Name"));
    let second = server.add_organisation(council("Same name!"));
    assert_eq!((first.text("slug"), second.text("slug")), ("same-name", "same-name-2"));
    let taken = admin.post(ALL, council("Other").with("slug", "same-name")).expect(409);
    assert_eq!(taken.faults(), ["#/slug slug_taken"]);

    admin.patch(&one(&first), json!({ "slug": "renamed" })).if_match(&first).expect(200);
    let moved = server.anonymous().get(&format!("{ALL}/same-name")).expect(301);
    assert_eq!(moved.header("location"), Some("/v1/organisations/renamed"));
    admin.post(ALL, council("Other").with("slug", "same-name")).expect(409);

    admin.delete(&one(&second)).if_match(&second).expect(204);
    admin.post(ALL, council("Other").with("slug", "same-name-2")).expect(409);
    assert_eq!(server.add_organisation(council("Same Name"))["slug"], "same-name-3");
}

#[test]
fn keeps_names_that_have_no_slug() {
    let server = Server::start();
    assert_eq!(server.add_organisation(council("市議会"))["slug"], "unnamed");
    assert_eq!(server.add_organisation(council("!!!"))["slug"], "unnamed-2");
    let like_an_id = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11";
    assert_eq!(server.add_organisation(council(like_an_id))["slug"], format!("n-{like_an_id}"));
    let shaped = server.as_(&server.admin()).post(ALL, council("Any").with("slug", like_an_id)).expect(400);
    assert_eq!(shaped.faults(), ["#/slug looks_like_id"]);
    let long = server.add_organisation(council(&"x".repeat(200)));
    assert_eq!(long.text("slug").len(), 72);
}

#[test]
fn refuses_an_identifier_that_another_has() {
    let server = Server::start();
    let admin = server.as_(&server.admin());
    let gss = json!([{ "scheme": "GB-LAC", "id": "E09000012" }]);
    let hackney = server.add_organisation(council("Hackney").with("identifiers", gss.clone()));
    let refused = admin.post(ALL, council("Impostor").with("identifiers", gss.clone())).expect(409);
    assert_eq!(refused.faults(), ["#/identifiers identifier_taken"]);
    admin.patch(&one(&hackney), json!({ "identifiers": [] })).if_match(&hackney).expect(200);
    admin.post(ALL, council("Heir").with("identifiers", gss)).expect(201);
}

#[test]
fn holds_codes_to_the_form_of_their_list() {
    let server = Server::start();
    let admin = server.as_(&server.admin());
    let post = |scheme: &str, id: &str| {
        admin.post(ALL, council("Any").with("identifiers", json!([{ "scheme": scheme, "id": id }]))).send().status
    };
    for (scheme, id) in
        [("GB-LAC", "E09000012"), ("GB-COH", "SC123456"), ("GB-NHS", "RYJ"), ("SWA", "20"), ("XX-YZ", "any:thing/9")]
    {
        assert_eq!(post(scheme, id), 201, "{scheme} {id}");
    }
    for (scheme, id) in [("GB-LAC", "09000012"), ("GB-COH", "1234567"), ("GB-NHS", "r"), ("SWA", "x"), ("gb", "1")] {
        assert_eq!(post(scheme, id), 400, "{scheme} {id}");
    }
}

#[test]
fn tells_every_fault_at_once() {
    let server = Server::start();
    let body = json!({
        "kind": "borough", "aliases": ["ok", "", 3], "identifiers": [{ "scheme": "GB-LAC", "id": "1", "colour": 1 }],
        "website": "ftp://example.org", "startsOn": "2020-13-01", "colour": "red", "a/b~c": 1,
    });
    let refused = server.as_(&server.admin()).post(ALL, body).expect(400);
    insta::assert_snapshot!(refused.faults().join("\n"), @"
    #/aliases/1 too_short
    #/aliases/2 wrong_type
    #/a~1b~0c unknown_field
    #/colour unknown_field
    #/identifiers/0/colour unknown_field
    #/kind not_listed
    #/name required
    #/startsOn wrong_format
    #/website wrong_form
    ");
}

#[test]
fn refuses_what_contradicts_itself_or_leads_nowhere() {
    let server = Server::start();
    let admin = server.as_(&server.admin());
    let backwards = council("Back").with("startsOn", "2020-01-01").with("endsOn", "2019-01-01");
    assert_eq!(admin.post(ALL, backwards).expect(400).faults(), ["#/endsOn before_start"]);
    let lost = council("Lost").with("parent", "nobody").with("replacedBy", json!(["nobody-else"]));
    let faults = admin.post(ALL, lost).expect(409).faults();
    assert_eq!(faults, ["#/parent unknown_organisation", "#/replacedBy/0 unknown_organisation"]);
    let unknown = server.anonymous().get(&format!("{ALL}?colour=red&limit=0")).expect(400);
    assert_eq!(unknown.faults(), ["colour unknown_parameter", "limit too_small"]);
    let twice = server.anonymous().get(&format!("{ALL}?sort=name&sort=name")).expect(400);
    assert_eq!(twice.faults(), ["sort repeated"]);
}

#[test]
fn stewards_describe_and_the_platform_identifies() {
    let server = Server::start();
    let ealing = server.add_organisation(council("Ealing"));
    let steward = server.as_(&server.member(&ealing, Role::Steward));
    let patch = |body: Value| steward.patch(&one(&ealing), body).header("If-Match", "*");
    patch(json!({ "aliases": ["Ealing Council"], "website": "https://www.ealing.gov.uk" })).expect(200);
    for field in [
        json!({ "kind": "nhs" }),
        json!({ "slug": "queen-of-the-suburbs" }),
        json!({ "identifiers": [{ "scheme": "SWA", "id": "1" }] }),
        json!({ "emailDomains": ["example.org"] }),
        json!({ "memberSince": "2020-01-01" }),
    ] {
        patch(field).expect(403);
    }
}

#[test]
fn changes_only_from_the_version_that_was_read() {
    let server = Server::start();
    let admin = server.as_(&server.admin());
    let added = server.add_organisation(council("Ealing"));
    let patch = |name: &str| admin.patch(&one(&added), json!({ "name": name }));
    assert_eq!(patch("A").expect(428).faults(), ["If-Match required"]);
    let changed = patch("B").if_match(&added).expect(200);
    patch("C").if_match(&added).expect(412);
    patch("C").header("If-Match", &format!("W/{}", changed.etag())).expect(412);
    patch("C").header("If-Match", "\"2\"").expect(200);
    patch("D").header("If-Match", "\"1\", \"3\"").expect(200);
    patch("E").header("If-Match", "*").expect(200);
    let same = patch("E").header("If-Match", "*").expect(200);
    assert_eq!(same["version"], 5, "nothing changed, so there is no new version");
    admin.delete(&one(&added)).expect(428);
    admin.delete(&one(&added)).if_match(&added).expect(412);
}

#[test]
fn is_sent_only_to_those_who_do_not_hold_it() {
    let server = Server::start();
    let added = server.add_organisation(council("Ealing"));
    for path in [one(&added), format!("{ALL}?kind=local_authority")] {
        let read = server.anonymous().get(&path).expect(200);
        let again = |tag: &str| server.anonymous().get(&path).header("If-None-Match", tag);
        assert_eq!(again(read.etag()).expect(304).etag(), read.etag());
        again(&format!("\"other\", W/{}", read.etag())).expect(304);
        again("*").expect(304);
        again("\"other\"").expect(200);
    }
}

#[test]
fn is_removed_only_when_nothing_refers_to_it() {
    let server = Server::start();
    let admin = server.as_(&server.admin());
    let delete = |organisation: &Answer| admin.delete(&one(organisation)).header("If-Match", "*");
    let parent = server.add_organisation(council("Parent"));
    let child = server.add_organisation(council("Child").with("parent", "parent"));
    assert_eq!(delete(&parent).expect(409).faults(), ["# in_use"]);
    delete(&child).expect(204);
    let heir = server.add_organisation(council("Heir"));
    server.add_organisation(council("Gone").with("replacedBy", json!(["heir"])));
    delete(&heir).expect(409);
    server.member(&parent, Role::Viewer);
    delete(&parent).expect(409);
}

#[test]
fn leaves_nothing_of_a_person_in_the_trail() {
    let server = Server::start();
    let admin = server.admin();
    server.as_(&admin).post(ALL, council("Ealing")).expect(201);
    let trail = server.database().texts("select to_jsonb(audit_events)::text as value from audit_events").join("\n");
    assert!(trail.contains("Ealing") && !trail.contains(&admin.email), "it is never rewritten: {trail}");
}

#[test]
fn leaves_an_audit_row_of_what_changed() {
    let server = Server::start();
    let admin = server.admin();
    let added = server.as_(&admin).post(ALL, council("Ealing")).header("X-Request-Id", "first").expect(201);
    server.as_(&admin).patch(&one(&added), json!({ "name": "Acton" })).header("If-Match", "*").expect(200);
    server.as_(&admin).patch(&one(&added), json!({ "name": "Acton" })).header("If-Match", "*").expect(200);
    server.as_(&admin).delete(&one(&added)).header("If-Match", "*").expect(204);
    let events = server.database().texts(&format!(
        "select concat_ws(' ', operation, before->>'name', '→', after->>'name', after - 'name' = '{{}}', client_id) as value
         from audit_events where object_id = '{}' and actor_id = '{}' order by id",
        added.id(), admin.id
    ));
    insta::assert_snapshot!(events.join("\n"), @"
    create_organisation → Ealing f tests
    update_organisation Ealing → Acton t tests
    delete_organisation Acton → tests
    ");
    assert_eq!(
        server.database().texts("select object_id::text as value from audit_events where request_id = 'first'"),
        [added.text("id")]
    );
}
