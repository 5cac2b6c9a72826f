//! `loti seed`: the built-in lists and the demo catalogue.

use serde_json::json;

use crate::support::Server;
use crate::support::program::{Files, Run, run};

fn seed(server: &Server) -> Run {
    let files = Files::new();
    let seeded = run(server.database(), files.path(), &["seed"]);
    assert_eq!((seeded.code, seeded.refused()), (0, vec![]), "{}", seeded.stderr);
    seeded
}

fn written(server: &Server) -> i64 {
    server.database().number("(select count(*) from audit_events) + (select sum(version) from products)")
}

#[test]
fn fills_a_catalogue_once() {
    let server = Server::start();
    seed(&server);
    let before = written(&server);
    let again = seed(&server);
    assert_eq!(written(&server), before, "a second time writes nothing");
    assert!(again.stderr.starts_with("Reference lists: 0 entries written."), "{}", again.stderr);
    let tallies: Vec<&str> = again.stderr.lines().filter(|line| line.contains("rows:")).collect();
    assert_eq!(tallies.len(), 3, "{}", again.stderr);
    for tally in tallies {
        assert!(tally.contains(" 0 created, 0 changed, ") && tally.ends_with(" 0 refused"), "{tally}");
    }

    let get = |query: &str| server.anonymous().get(query).expect(200);
    let boroughs = get("/v1/organisations?region=London&kind=local_authority&active=true&count=true&limit=100");
    assert_eq!(boroughs["total"], 33, "32 boroughs and the City: {:?}", boroughs.each("name"));
    let hackney = get("/v1/organisations?identifier=GB-LAC:E09000012");
    assert_eq!(hackney.each("slug"), ["hackney"]);

    let camp = get("/v1/events/smart-london-camp-2018");
    assert_eq!((camp.text("status"), camp.text("startsAt")), ("completed", "2018-04-20T23:00:00Z"));
    assert_eq!(get("/v1/events?network=london-peer-group&kind=teacamp&count=true")["total"], 6);
    assert_eq!(get("/v1/events?q=teacamp+marketplace").each("slug"), ["london-teacamp-2017-3"]);
    assert!(again.stderr.contains("events.json: 0 networks and events made"), "{}", again.stderr);

    let templates = get("/v1/lease-templates?organisation=london-office-of-technology-and-innovation");
    let slugs = ["data-processing-schedule", "rooftop-wayleave", "small-cell-street-furniture"];
    assert_eq!(templates.each("slug"), slugs);
    assert!(again.stderr.contains("lease_templates.json: 0 templates published"), "{}", again.stderr);
    let admin = server.as_(&server.admin());
    for slug in slugs {
        let template = get(&format!("/v1/lease-templates/{slug}"));
        assert!(template.text("notice").starts_with("Illustrative, not legal advice."), "{slug}");
        let clauses = get(&format!("/v1/lease-templates/{slug}/versions/1.0.0/clauses"));
        assert!((15..=40).contains(&clauses["clauses"].as_array().unwrap().len()), "{slug}");
        // What was published can be sent as a new version, so it keeps every rule.
        let copy = format!("/v1/lease-templates/{slug}/versions/1.0.1");
        admin.post(&format!("/v1/lease-templates/{slug}/versions"), json!({ "number": "1.0.1" })).expect(201);
        for part in ["clauses", "variables"] {
            let read = get(&format!("/v1/lease-templates/{slug}/versions/1.0.0/{part}"));
            let put = admin.call("PUT", &format!("{copy}/{part}")).body("application/json", read.json.to_string());
            put.header("If-Match", "*").expect(200);
        }
        admin.call("POST", &format!("{copy}/submit")).expect(200);
    }

    let bought = get("/v1/citations?organisation=greater-london-authority");
    assert_eq!(
        (&bought["items"][0]["product"]["slug"], &bought["items"][0]["status"]),
        (&json!("huddle"), &json!("ended"))
    );
    assert!(bought["items"][0]["source"].as_str().unwrap().contains("G-Cloud"), "what is public names its source");
    assert_eq!(get("/v1/products/huddle")["citationCount"], 4);

    let products = get("/v1/products?count=true&limit=1");
    assert!(products["total"].as_i64().unwrap() >= 60, "{}", products["total"]);
    let database = server.database();
    assert!(database.number("select count(*) from products where supplier_id is not null") >= 60);
    assert!(database.number("select count(*) from products where cardinality(service_codes) > 0") > 0);
    let unknown = database.texts(
        "select code as value from products, unnest(service_codes) as code
         where code not in (select code from lgsl_services)",
    );
    assert!(unknown.is_empty(), "no services: {unknown:?}");
}

#[test]
fn leaves_what_people_changed() {
    let server = Server::start();
    seed(&server);
    let admin = server.as_(&server.admin());
    let read = server.anonymous().get("/v1/products?limit=1").expect(200);
    let path = format!("/v1/products/{}", read.each("id")[0]);
    let product = server.anonymous().get(&path).expect(200);
    let edited = admin.patch(&path, json!({ "summary": "In our words." })).if_match(&product).expect(200);
    let organisation = server.anonymous().get("/v1/organisations/hackney").expect(200);
    let website = json!({ "website": "https://hackney.example.org" });
    admin.patch("/v1/organisations/hackney", website.clone()).if_match(&organisation).expect(200);

    seed(&server);
    let product = server.anonymous().get(&path).expect(200);
    assert_eq!((&product["summary"], &product["version"]), (&json!("In our words."), &edited["version"]));
    assert_eq!(server.anonymous().get("/v1/organisations/hackney").expect(200)["website"], website["website"]);
}
