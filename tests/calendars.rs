//! Events as calendars and feeds read them. That software of others reads them too is shown in tests/peers.

use db::Role;
use serde_json::json;

use crate::support::client::Client;
use crate::support::{Answer, Server, council, event, network};

/// The lines of a calendar, unfolded (RFC 5545, 3.1).
fn lines(file: &Answer) -> Vec<String> {
    let text = String::from_utf8(file.bytes.clone()).unwrap();
    assert!(text.ends_with("END:VCALENDAR\r\n"), "{text}");
    for line in text.split("\r\n") {
        assert!(line.len() <= 75 && !line.contains(['\r', '\n']), "{} octets: {line}", line.len());
    }
    text.replace("\r\n ", "").split("\r\n").map(ToOwned::to_owned).collect()
}

fn values<'a>(lines: &'a [String], name: &str) -> Vec<&'a str> {
    let named = |line: &'a String| {
        let (head, value) = line.split_once(':')?;
        (head.split(';').next() == Some(name)).then_some(value)
    };
    lines.iter().filter_map(named).collect()
}

struct Scene {
    server: Server,
    organiser: crate::support::Person,
}

impl Scene {
    fn new() -> Self {
        let server = Server::start();
        let organiser = server.member(&server.add_organisation(council("Hackney")), Role::Contributor);
        server.as_(&organiser).post("/v1/networks", network("hackney")).expect(201);
        Self { server, organiser }
    }

    fn organiser(&self) -> Client<'_> {
        self.server.as_(&self.organiser)
    }

    fn published(&self, body: crate::support::builders::Body) -> String {
        let made = self.organiser().post("/v1/events", body.with("network", "london-peer-group")).expect(201);
        let path = made.header("location").unwrap().to_owned();
        self.organiser().call("POST", &format!("{path}/publish")).expect(200);
        path
    }

    fn calendar(&self, path: &str) -> Vec<String> {
        lines(&self.server.anonymous().get(path).expect(200))
    }
}

#[test]
fn an_event_is_the_same_to_a_calendar_for_good_and_each_edition_has_a_number() {
    let scene = Scene::new();
    let title = "Tea, cake; and \\ the rest: what a title that goes on and on does to a line \u{1f375} of a calendar";
    let description = "First line,\nsecond; line\r\nBEGIN:VALARM\rthird\u{1b}";
    let path = scene.published(event("hackney").with("title", title).with("description", description));
    let first = scene.calendar(&format!("{path}.ics"));
    let id = path.rsplit('/').next().unwrap();
    assert_eq!((values(&first, "UID"), values(&first, "SEQUENCE")), (vec![id], vec!["0"]));
    assert_eq!(values(&first, "SUMMARY"), [title.replace('\\', "\\\\").replace(';', "\\;").replace(',', "\\,")]);
    assert_eq!(values(&first, "DESCRIPTION"), ["First line\\,\\nsecond\\; line\\nBEGIN:VALARM\\nthird"]);
    assert!(!first.iter().any(|line| line == "BEGIN:VALARM"), "what somebody wrote became a part of its own");
    let dates =
        |lines: &[String]| lines.iter().filter(|line| line.starts_with("DTSTART;TZID")).cloned().collect::<Vec<_>>();
    assert_eq!(dates(&first), ["DTSTART;TZID=Europe/London:20990115T180000"]);
    assert_eq!(values(&first, "LOCATION"), ["City Hall"]);
    assert_eq!(values(&first, "STATUS"), ["CONFIRMED"]);
    assert!(first.contains(&"TZID:Europe/London".to_owned()));
    // In summer, an hour nearer to noon.
    let moved = json!({ "startsAt": "2099-07-16T17:00:00Z", "endsAt": "2099-07-16T19:00:00Z" });
    scene.organiser().patch(&path, moved).header("If-Match", "*").expect(200);
    let second = scene.calendar(&format!("{path}.ics"));
    assert_eq!(dates(&second), ["DTSTART;TZID=Europe/London:20990716T180000"]);
    assert_eq!((values(&second, "UID"), values(&second, "SEQUENCE")), (vec![id], vec!["1"]));
    scene.organiser().post(&format!("{path}/cancel"), json!({})).expect(200);
    for calendar in
        [format!("{path}.ics"), "/v1/networks/london-peer-group.ics".into(), "/v1/organisations/hackney.ics".into()]
    {
        let third = scene.calendar(&calendar);
        assert_eq!(
            (values(&third, "STATUS"), values(&third, "SEQUENCE")),
            (vec!["CANCELLED"], vec!["2"]),
            "{calendar}"
        );
    }
    let read = scene.server.anonymous().get(&format!("{path}.ics")).expect(200);
    let held = scene.server.anonymous().get(&format!("{path}.ics")).header("If-None-Match", read.etag());
    assert!(held.expect(304).bytes.is_empty(), "what did not change is the same file");
    scene.server.anonymous().get("/v1/events/nowhere.ics").expect(404);
    scene.server.anonymous().get("/v1/networks/nowhere.ics").expect(404);
}

#[test]
fn ones_own_calendar_is_read_by_who_knows_its_address_until_that_is_revoked() {
    let scene = Scene::new();
    let link = "https://meet.example.org/teacamp;a=1,2";
    let path = scene.published(event("hackney").with("capacity", 1).with("onlineUrl", link));
    let people: Vec<_> = (0..2).map(|_| scene.server.person(&[], &[])).collect();
    let clients: Vec<_> = people.iter().map(|person| scene.server.as_(person)).collect();
    let made: Vec<Answer> =
        clients.iter().map(|client| client.post("/v1/calendars", json!({ "name": "Phone" })).expect(201)).collect();
    let address = |n: usize| format!("/v1/calendars/{}.ics", made[n].text("token"));
    assert!(made[0].text("url").ends_with(&address(0)));
    assert!(values(&scene.calendar(&address(0)), "UID").is_empty());
    let kept = scene.server.anonymous().get(&address(0)).expect(200);
    assert_eq!(kept.header("cache-control"), Some("private, no-cache"), "a cache does not show it to others");
    let answers: Vec<Answer> =
        clients.iter().map(|client| client.post(&format!("{path}/rsvps"), json!({})).expect(201)).collect();
    let own = scene.calendar(&address(0));
    assert_eq!(
        (values(&own, "STATUS"), values(&own, "CONFERENCE")),
        (vec!["CONFIRMED"], vec!["https://meet.example.org/teacamp%3Ba=1%2C2"])
    );
    let waiting = scene.calendar(&address(1));
    assert_eq!(values(&waiting, "STATUS"), ["TENTATIVE"]);
    assert!(values(&waiting, "CONFERENCE").is_empty(), "who only waits does not see where it is");
    assert!(values(&scene.calendar(&format!("{path}.ics")), "CONFERENCE").is_empty());
    clients[0].delete(answers[0].header("location").unwrap()).header("If-Match", "*").expect(204);
    assert!(values(&scene.calendar(&address(0)), "UID").is_empty());
    assert_eq!(values(&scene.calendar(&address(1)), "STATUS"), ["CONFIRMED"], "they have a place now");

    let address_path = made[1].header("location").unwrap();
    clients[0].get(address_path).expect(404);
    clients[0].delete(address_path).header("If-Match", "*").expect(404);
    let listed = clients[1].get("/v1/calendars").expect(200);
    assert_eq!(listed.each("id"), [made[1].text("id")]);
    assert!(!listed.json.to_string().contains(made[1].text("token")));
    clients[1].delete(address_path).if_match(&clients[1].get(address_path).expect(200)).expect(204);
    scene.server.anonymous().get(&address(1)).expect(404);
    scene.calendar(&address(0));
    clients[0].delete("/v1/me").header("If-Match", "*").expect(204);
    scene.server.anonymous().get(&address(0)).expect(404);
    for guess in ["0".repeat(64), "x".repeat(64), made[0].text("id").to_owned()] {
        scene.server.anonymous().get(&format!("/v1/calendars/{guess}.ics")).expect(404);
    }
    let database = scene.server.database();
    let token = made[1].text("token");
    assert_eq!(database.number(&format!("select count(*) from audit_events where after::text like '%{token}%'")), 0);

    // Ten at most, however many are asked for at once.
    let eager = scene.server.as_(&scene.server.person(&[], &[]));
    let calls = (0..15).map(|_| eager.post("/v1/calendars", json!({ "name": "Another" }))).collect();
    assert_eq!(crate::concurrency::how_many(&crate::concurrency::at_once(calls), 201), 10);
}

#[test]
fn feeds_say_what_is_to_come() {
    let scene = Scene::new();
    let path = scene.published(
        event("hackney").with("title", "Tea <b>&</b> cake").with("description", "**Cake**\u{1}\u{ffff} <script>"),
    );
    scene.published(
        event("hackney")
            .with("title", "Earlier")
            .with("startsAt", "2098-01-15T18:00:00Z")
            .with("endsAt", "2098-01-15T19:00:00Z"),
    );
    scene.organiser().post("/v1/events", event("hackney").with("title", "Draft")).expect(201);
    let cancelled = scene.published(event("hackney").with("title", "Cancelled"));
    scene.organiser().post(&format!("{cancelled}/cancel"), json!({})).expect(200);
    let nobody = scene.server.anonymous();
    let feed = nobody.get("/v1/feeds/events.json?network=london-peer-group").expect(200);
    assert_eq!(feed.header("content-type"), Some("application/feed+json"));
    assert_eq!(feed.each("title"), ["Earlier", "Tea <b>&</b> cake"]);
    let id = path.rsplit('/').next().unwrap();
    assert_eq!(feed["items"][1]["id"], format!("urn:uuid:{id}"));
    assert_eq!(feed["items"][1]["content_html"], "<p><strong>Cake</strong>\u{1}\u{ffff} </p>\n");
    assert!(feed["feed_url"].as_str().unwrap().ends_with("/v1/feeds/events.json?network=london-peer-group"));
    assert!(nobody.get("/v1/feeds/events.json?organiser=nobody").expect(200).each("id").is_empty());
    let atom = nobody.get("/v1/feeds/events.atom").expect(200);
    let text = String::from_utf8(atom.bytes.clone()).unwrap();
    assert_eq!(text.matches("<entry>").count(), 2);
    assert!(text.contains("Tea &lt;b&gt;&amp;&lt;/b&gt; cake") && !text.contains("<script"), "{text}");
    assert!(!text.contains(['\u{1}', '\u{ffff}']), "what XML cannot hold");
    let held = nobody.get("/v1/feeds/events.atom").header("If-None-Match", atom.etag());
    held.expect(304);
    nobody.get("/v1/feeds/events.atom?colour=red").expect(400);
}

#[test]
fn events_are_found_by_words_place_network_and_free_places_and_counted() {
    let scene = Scene::new();
    let tea = scene.published(event("hackney").with("title", "Teacamp: digital marketplace").with("capacity", 1));
    let hall = json!({ "name": "Town Hall", "address": "Mare Street, London E8", "stepFree": true });
    scene.published(event("hackney").with("title", "Marketplace clinic").with("kind", "meeting").with("venue", hall));
    scene.organiser().post("/v1/events", event("hackney").with("title", "Draft of the marketplace")).expect(201);
    scene.server.as_(&scene.server.person(&[], &[])).post(&format!("{tea}/rsvps"), json!({})).expect(201);
    let nobody = scene.server.anonymous();
    let found = |query: &str| {
        let page = nobody.get(&format!("/v1/events?{query}")).expect(200);
        let mut titles: Vec<String> = page.each("title").into_iter().map(ToOwned::to_owned).collect();
        titles.sort();
        titles
    };
    let (clinic, teacamp) = ("Marketplace clinic", "Teacamp: digital marketplace");
    assert_eq!(found("q=marketplace"), [clinic, teacamp], "no draft of others");
    assert_eq!(found("q=digital"), [teacamp]);
    assert_eq!(found("venue=mare+street"), [clinic]);
    assert_eq!(found("stepFree=true"), [clinic]);
    assert_eq!(found("hasPlaces=false"), [teacamp]);
    assert_eq!(found("network=london-peer-group&kind=meeting"), [clinic]);
    assert!(found("network=nowhere").is_empty() && found("region=London").is_empty());
    scene.server.database().execute("update organisations set region = 'London'");
    assert_eq!(found("region=London").len(), 2);
    let counted =
        nobody.get("/v1/events?q=marketplace&count=true&facets=kind,status,network,organiser,region,month,hasPlaces");
    let counted = counted.expect(200);
    let told: Vec<String> = counted["facets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|facet| format!("{} {}", facet["field"].as_str().unwrap(), facet["values"]))
        .collect();
    insta::assert_snapshot!(told.join("\n"), @r#"
    kind [{"count":1,"value":"meeting"},{"count":1,"value":"teacamp"}]
    status [{"count":2,"value":"published"}]
    network [{"count":2,"value":"london-peer-group"}]
    organiser [{"count":2,"value":"hackney"}]
    region [{"count":2,"value":"London"}]
    month [{"count":2,"value":"2099-01"}]
    hasPlaces [{"count":1,"value":"false"},{"count":1,"value":"true"}]
    "#);
    assert_eq!(counted["total"], 2);
    // Ranked pages hold each once.
    let mut titles = Vec::new();
    let mut next = Some("/v1/events?q=marketplace&limit=1".to_owned());
    while let Some(page) = next {
        let page = nobody.get(&page).expect(200);
        titles.extend(page.each("title").into_iter().map(ToOwned::to_owned));
        next = page.next();
    }
    assert_eq!(titles.len(), 2);
    let cursor = nobody.get("/v1/events?limit=1").expect(200);
    let cursor = cursor.text("nextCursor");
    assert_eq!(
        nobody.get(&format!("/v1/events?sort=-startsAt&cursor={cursor}")).expect(400).faults(),
        ["cursor wrong_cursor"]
    );
}
