//! `/events`: who invites, who sees it, and that places are given to whom they belong.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use db::Role;
use serde_json::{Value, json};

use crate::concurrency::{at_once, how_many};
use crate::support::client::Client;
use crate::support::{Answer, Person, Server, council, event, supplier};

/// A service, a council that invites, and its people.
struct Scene {
    server: Server,
    council: Answer,
    organiser: Person,
}

impl Scene {
    fn new() -> Self {
        let server = Server::start();
        let council = server.add_organisation(council("Hackney"));
        let organiser = server.member(&council, Role::Contributor);
        Self { server, council, organiser }
    }

    fn organiser(&self) -> Client<'_> {
        self.server.as_(&self.organiser)
    }

    fn people(&self, count: usize) -> Vec<Client<'_>> {
        (0..count).map(|_| self.server.as_(&self.server.member(&self.council, Role::Viewer))).collect()
    }

    /// A published event with so many places; tells its path.
    fn published(&self, capacity: impl Into<Value>) -> String {
        let made = self.organiser().post("/v1/events", event("hackney").with("capacity", capacity)).expect(201);
        let path = made.header("location").unwrap().to_owned();
        self.organiser().call("POST", &format!("{path}/publish")).expect(200);
        path
    }

    /// Those with a place, and those who wait, who is next before the others, by id.
    fn places(&self, path: &str) -> (Vec<String>, Vec<String>) {
        let (mut accepted, mut waiting) = (Vec::new(), Vec::new());
        let mut next = Some(format!("{path}/rsvps?status=accepted&status=waitlisted&limit=100"));
        while let Some(page) = next {
            let page = self.organiser().get(&page).expect(200);
            for rsvp in page["items"].as_array().unwrap() {
                let id = rsvp["id"].as_str().unwrap().to_owned();
                match rsvp["waitlistPosition"].as_i64() {
                    None => accepted.push(id),
                    Some(position) => waiting.push((position, id)),
                }
            }
            next = page.next();
        }
        waiting.sort();
        let positions: Vec<i64> = waiting.iter().map(|(position, _)| *position).collect();
        assert_eq!(positions, (1..).take(waiting.len()).collect::<Vec<i64>>(), "they stand in one line");
        (accepted, waiting.into_iter().map(|(_, id)| id).collect())
    }
}

fn answer(client: &Client<'_>, path: &str) -> Answer {
    client.post(&format!("{path}/rsvps"), json!({})).expect(201)
}

fn leave(client: &Client<'_>, rsvp: &Answer) {
    client.delete(rsvp.header("location").unwrap()).header("If-Match", "*").expect(204);
}

#[test]
fn of_two_hundred_at_once_as_many_come_as_there_are_places() {
    let scene = Scene::new();
    let path = scene.published(140);
    let people = scene.people(200);
    let calls = people.iter().map(|person| person.post(&format!("{path}/rsvps"), json!({}))).collect();
    let answers = at_once(calls);
    assert_eq!(how_many(&answers, 201), 200);
    let (accepted, waiting) = scene.places(&path);
    assert_eq!((accepted.len(), waiting.len()), (140, 60));
    assert_eq!(scene.server.anonymous().get(&path).expect(200)["acceptedCount"], 140);

    // Each who leaves makes room for exactly the one who is next.
    let mut line = waiting;
    let mut leaving = people.iter().zip(&answers).filter(|(_, rsvp)| rsvp["status"] == "accepted");
    for _ in 0..5 {
        let (person, rsvp) = leaving.next().unwrap();
        leave(person, rsvp);
        let (accepted, waiting) = scene.places(&path);
        assert_eq!((accepted.len(), waiting.len()), (140, line.len() - 1));
        let next = line.remove(0);
        assert!(accepted.contains(&next) && waiting == line, "{next} was next");
    }
    // Who waits and leaves makes room for nobody.
    let (person, rsvp) = people.iter().zip(&answers).find(|(_, rsvp)| rsvp.text("id") == line[3]).unwrap();
    leave(person, rsvp);
    line.remove(3);
    assert_eq!(scene.places(&path).1, line);
    // Who asks again stands behind the others.
    let again = answer(person, &path);
    assert_eq!((again.id(), again["waitlistPosition"].as_u64()), (rsvp.id(), Some(line.len() as u64 + 1)));
    let promoted = scene.server.database().number(
        "select count(*) from audit_events where object_type = 'rsvps' and before->>'status' = 'waitlisted'
           and after->>'status' = 'accepted'",
    );
    assert_eq!(promoted, 5, "each promotion is in the trail");
}

#[test]
fn more_places_let_more_people_in_and_fewer_throw_nobody_out() {
    let scene = Scene::new();
    let path = scene.published(1);
    let people = scene.people(4);
    let answers: Vec<Answer> = people.iter().map(|person| answer(person, &path)).collect();
    let statuses: Vec<&str> = answers.iter().map(|rsvp| rsvp.text("status")).collect();
    assert_eq!(statuses, ["accepted", "waitlisted", "waitlisted", "waitlisted"]);
    let resize =
        |capacity: Value| scene.organiser().patch(&path, json!({ "capacity": capacity })).header("If-Match", "*");
    assert_eq!(resize(json!(2)).expect(200)["acceptedCount"], 2);
    assert_eq!(scene.places(&path).1, [answers[2].text("id"), answers[3].text("id")]);
    assert_eq!(resize(json!(1)).expect(409).faults(), ["#/capacity too_many_accepted"]);
    assert_eq!(resize(Value::Null).expect(200)["acceptedCount"], 4, "without a limit nobody waits");
    people[0].post(&format!("{path}/rsvps"), json!({})).expect(409);
    let read = people[1].get(answers[1].header("location").unwrap()).expect(200);
    assert_eq!((read.text("status"), &read["waitlistPosition"]), ("accepted", &Value::Null));
    let stale = people[1].delete(answers[1].header("location").unwrap()).if_match(&answers[1]);
    stale.expect(412);
    scene.organiser().delete(answers[1].header("location").unwrap()).if_match(&read).expect(204);
    assert_eq!(people[1].get(answers[1].header("location").unwrap()).expect(200)["status"], "declined");
    people[1].post(&format!("{path}/rsvps"), json!({})).expect(409);
}

#[test]
fn in_a_storm_every_place_is_given_once() {
    let scene = Scene::new();
    let path = scene.published(7);
    let people = scene.people(16);
    let (database, over) = (scene.server.database(), AtomicBool::new(false));
    thread::scope(|scope| {
        let writers: Vec<_> = people
            .iter()
            .enumerate()
            .map(|(n, person)| {
                let path = &path;
                scope.spawn(move || {
                    for turn in 0..12 {
                        let rsvp = person.post(&format!("{path}/rsvps"), json!({})).send();
                        // Its connection may be killed at any time: then it was done or it was not.
                        assert!(matches!(rsvp.status, 201 | 409 | 503), "{} {}", rsvp.status, rsvp.json);
                        let own = person.get(&format!("{path}/rsvps?status=accepted&status=waitlisted")).send();
                        if (turn + n) % 3 == 0 || own.status != 200 {
                            continue;
                        }
                        for rsvp in own["items"].as_array().unwrap() {
                            let path = format!("{path}/rsvps/{}", rsvp["id"].as_str().unwrap());
                            let left = person.delete(&path).header("If-Match", "*").send();
                            assert!(matches!(left.status, 204 | 409 | 503), "{} {}", left.status, left.json);
                        }
                    }
                })
            })
            .collect();
        let (organiser, path, over) = (scene.organiser(), &path, &over);
        scope.spawn(move || {
            for capacity in [9, 8, 12, 3, 20, 7].into_iter().cycle().take_while(|_| !over.load(Ordering::Relaxed)) {
                let resized = organiser.patch(path, json!({ "capacity": capacity })).header("If-Match", "*").send();
                assert!(matches!(resized.status, 200 | 409 | 503), "{} {}", resized.status, resized.json);
            }
        });
        scope.spawn(move || {
            while !over.load(Ordering::Relaxed) {
                database.texts(
                    "select pg_terminate_backend(pid)::text as value from pg_stat_activity
                     where datname = current_database() and pid <> pg_backend_pid() and backend_xid is not null
                       and random() < 0.01",
                );
            }
        });
        for writer in writers {
            writer.join().unwrap();
        }
        over.store(true, Ordering::Relaxed);
    });
    let told = database.texts(
        "select format('%s places, %s counted, %s accepted, %s waiting', capacity, accepted_count,
           (select count(*) from rsvps where status = 'accepted'), (select count(*) from rsvps where status = 'waitlisted'))
           as value from events",
    );
    let sound = "select count(*) from events where capacity >= accepted_count
        and accepted_count = (select count(*) from rsvps where status = 'accepted')
        and (accepted_count = capacity or not exists (select from rsvps where status = 'waitlisted'))";
    assert_eq!(database.number(sound), 1, "{told:?}");
    assert_eq!(database.number("select count(distinct user_id) - count(*) from rsvps"), 0);
}

#[test]
fn it_goes_from_draft_to_its_end_and_calendars_learn_of_each_edition() {
    let scene = Scene::new();
    let server = &scene.server;
    let organiser = scene.organiser();
    let nowhere = event("hackney").with("venue", Value::Null);
    let made = organiser.post("/v1/events", nowhere).expect(201);
    assert_eq!((made.text("status"), made.text("slug"), &made["sequence"]), ("draft", "london-teacamp", &json!(0)));
    assert_eq!((made.text("timeZone"), &made["capacity"]), ("Europe/London", &Value::Null));
    let path = made.header("location").unwrap();
    let act = |action: &str| organiser.call("POST", &format!("{path}/{action}"));
    assert_eq!(act("publish").expect(409).faults(), ["#/venue nowhere"]);
    act("complete").expect(409);
    let drafted = organiser.patch(path, json!({ "venue": { "name": "City Hall", "stepFree": true } })).if_match(&made);
    assert_eq!(drafted.expect(200)["sequence"], 0, "nobody saw the edition before");

    let viewer = server.as_(&server.member(&scene.council, Role::Viewer));
    for other in [&server.anonymous(), &viewer] {
        other.get(path).expect(404);
        assert_eq!(other.get("/v1/events?count=true").expect(200)["total"], 0);
    }
    viewer.post(&format!("{path}/rsvps"), json!({})).expect(404);
    assert_eq!(organiser.get("/v1/events?status=draft").expect(200).each("id").len(), 1);
    act("publish").expect(200);
    act("publish").expect(409);
    organiser.delete(path).header("If-Match", "*").expect(409);
    assert_eq!(server.anonymous().get("/v1/events/london-teacamp").expect(200)["venue"]["stepFree"], true);

    let needs = json!({ "accessNeeds": "A seat near the speaker.", "organisation": "hackney" });
    let rsvp = viewer.post(&format!("{path}/rsvps"), needs).expect(201);
    let edit = |body: Value| organiser.patch(path, body).header("If-Match", "*").expect(200);
    assert_eq!(edit(json!({ "capacity": 30 }))["sequence"], 0, "of which calendars know nothing");
    let moved = edit(json!({ "startsAt": "2099-01-15T19:00:00+01:00", "endsAt": "2099-01-15T21:00:00Z" }));
    assert_eq!((&moved["sequence"], &moved["startsAt"]), (&json!(1), &json!("2099-01-15T18:00:00Z")));
    let cancelled =
        organiser.post(&format!("{path}/cancel"), json!({ "reason": "The building is closed." })).expect(200);
    assert_eq!((&cancelled["sequence"], cancelled.text("statusReason")), (&json!(2), "The building is closed."));
    organiser.patch(path, json!({ "title": "Other" })).header("If-Match", "*").expect(409);
    let kept = organiser.get(rsvp.header("location").unwrap()).expect(200);
    assert_eq!(
        (kept.text("status"), &kept["accessNeeds"]),
        ("accepted", &Value::Null),
        "what they needed is forgotten"
    );
    server.person(&[], &[]);
    server.as_(&server.person(&[], &[])).post(&format!("{path}/rsvps"), json!({})).expect(409);

    for (body, fault) in [
        (event("hackney").with("endsAt", "2099-01-15T18:00:00Z"), "#/endsAt before_start"),
        (event("hackney").with("endsAt", "2099-03-15T18:00:00Z"), "#/endsAt too_late"),
        (event("hackney").with("timeZone", "europe/london"), "#/timeZone wrong_form"),
        (event("hackney").with("organisers", json!([])), "#/organisers too_few"),
    ] {
        assert_eq!(organiser.post("/v1/events", body).expect(400).faults(), [fault]);
    }
    assert_eq!(
        organiser.post("/v1/events", event("nobody")).expect(409).faults(),
        ["#/organisers/0 unknown_organisation"]
    );
    for transition in ["draft", "published", "completed"] {
        let forced = format!("update events set status = '{transition}', status_reason = null");
        assert!(server.database().refusal(&forced).is_some(), "{transition}");
    }
    assert!(server.database().refusal("update events set capacity = 1, accepted_count = 2").is_some());
}

#[test]
fn who_does_not_come_sees_neither_the_link_nor_who_does() {
    let scene = Scene::new();
    let server = &scene.server;
    let online = event("hackney").with("onlineUrl", "https://meet.example.org/teacamp").with("capacity", 1);
    let path = scene.organiser().post("/v1/events", online).expect(201).header("location").unwrap().to_owned();
    scene.organiser().call("POST", &format!("{path}/publish")).expect(200);
    let people = scene.people(3);
    let needs = json!({ "accessNeeds": "A seat near the speaker." });
    let coming = people[0].post(&format!("{path}/rsvps"), needs).expect(201);
    let waiting = answer(&people[1], &path);
    let sees = |client: &Client<'_>| {
        let (one, listed) = (client.get(&path).expect(200), client.get("/v1/events").expect(200));
        assert_eq!(one["onlineUrl"], listed["items"][0]["onlineUrl"]);
        one["onlineUrl"].is_string()
    };
    assert!(sees(&scene.organiser()) && sees(&people[0]));
    assert!(!sees(&people[1]) && !sees(&people[2]) && !sees(&server.anonymous()), "who only waits does not see it");
    let own = |client: &Client<'_>| client.get(&format!("{path}/rsvps")).expect(200).each("id").join(" ");
    assert_eq!((own(&people[1]), own(&people[2])), (waiting.text("id").to_owned(), String::new()));
    people[1].get(coming.header("location").unwrap()).expect(404);
    people[1].delete(coming.header("location").unwrap()).header("If-Match", "*").expect(404);
    let trail = server
        .database()
        .texts("select coalesce(before::text, '') || coalesce(after::text, '') as value from audit_events");
    assert!(trail.iter().all(|entry| !entry.contains("speaker")), "the trail tells what somebody needs");

    // Who is erased keeps no place.
    people[0].delete("/v1/me").header("If-Match", "*").expect(204);
    assert_eq!(people[1].get(waiting.header("location").unwrap()).expect(200)["status"], "accepted");
    assert!(sees(&people[1]));
    let left = scene.organiser().get(coming.header("location").unwrap()).expect(200);
    assert_eq!(
        (left.text("status"), &left["attendee"], &left["accessNeeds"]),
        ("cancelled", &Value::Null, &Value::Null)
    );
}

#[test]
fn nobody_is_made_to_invite() {
    let scene = Scene::new();
    let server = &scene.server;
    server.add_organisation(council("Barnet"));
    let vendor = server.add_organisation(supplier("Civica"));
    let both = event("hackney").with("organisers", json!(["hackney", "barnet"]));
    scene.organiser().post("/v1/events", both.clone()).expect(403);
    let sales = server.as_(&server.member(&vendor, Role::Admin));
    sales.post("/v1/events", event("civica")).expect(403);
    let made = server.as_(&server.admin()).post("/v1/events", both).expect(201);
    let path = made.header("location").unwrap();
    // Either looks after it, and takes nobody else in.
    let title = json!({ "title": "Our teacamp" });
    let changed = scene.organiser().patch(path, title).if_match(&made).expect(200);
    let more = json!({ "organisers": ["hackney", "barnet", "civica"] });
    scene.organiser().patch(path, more).if_match(&changed).expect(403);
    let alone = scene.organiser().patch(path, json!({ "organisers": ["hackney"] })).if_match(&changed).expect(200);
    assert_eq!((alone["organisers"].as_array().unwrap().len(), &alone["version"]), (1, &json!(3)));
    let come = json!({ "organisation": "barnet" });
    scene.organiser().call("POST", &format!("{path}/publish")).expect(200);
    scene.organiser().post(&format!("{path}/rsvps"), come).expect(403);
}

#[test]
fn lists_find_what_is_on() {
    let scene = Scene::new();
    let on = |title: &str, day: u32, capacity: Value| {
        let body = event("hackney").with("title", title).with("capacity", capacity);
        let body = body
            .with("startsAt", format!("2099-02-{day:02}T18:00:00Z"))
            .with("endsAt", format!("2099-02-{day:02}T19:00:00Z"));
        let made = scene.organiser().post("/v1/events", body).expect(201);
        let path = made.header("location").unwrap().to_owned();
        scene.organiser().call("POST", &format!("{path}/publish")).expect(200);
        path
    };
    for day in 1..=25 {
        on(&format!("Day {day}"), 26 - day, json!(null));
    }
    let full = on("Full", 27, json!(1));
    answer(&scene.people(1)[0], &full);
    let nobody = scene.server.anonymous();
    let titles = |query: &str| {
        let mut next = Some(format!("/v1/events?limit=7&{query}"));
        let mut titles: Vec<String> = Vec::new();
        while let Some(path) = next {
            let page = nobody.get(&path).expect(200);
            titles.extend(page.each("title").into_iter().map(ToOwned::to_owned));
            next = page.next();
        }
        titles
    };
    let by_day: Vec<String> = (1..=25).rev().map(|day| format!("Day {day}")).chain(["Full".to_owned()]).collect();
    assert_eq!(titles("sort=startsAt"), by_day);
    assert_eq!(titles("sort=-startsAt"), by_day.iter().rev().cloned().collect::<Vec<_>>());
    assert_eq!(titles("hasPlaces=false"), ["Full"]);
    assert_eq!(titles("endsFrom=2099-02-24T18:30:00Z&hasPlaces=true"), ["Day 2", "Day 1"]);
    assert_eq!(titles("startsBefore=2099-02-02T00:00:00Z"), ["Day 25"]);
    assert_eq!(titles("kind=webinar").len() + titles("organiser=nobody").len() + titles("online=true").len(), 0);
    assert_eq!(titles("organiser=hackney&organiserKind=local_authority&status=published").len(), 26);
}

#[test]
fn who_was_there_is_counted_and_a_list_runs_nothing() {
    let scene = Scene::new();
    let server = &scene.server;
    let path = scene.published(2);
    let barnet = server.add_organisation(council("=Barnet"));
    let guest = server.as_(&server.member(&barnet, Role::Viewer));
    guest
        .patch("/v1/me", json!({ "displayName": "=HYPERLINK(\"https://evil.example\")" }))
        .header("If-Match", "*")
        .expect(200);
    let needs = json!({ "accessNeeds": "+44 is how to call me, \"please\"" });
    let coming = guest.post(&format!("{path}/rsvps"), needs).expect(201);
    let people = scene.people(2);
    let (second, waiting) = (answer(&people[0], &path), answer(&people[1], &path));
    let organiser = scene.organiser();
    let check_in = |rsvp: &Answer| organiser.post(&format!("{path}/check-ins"), json!({ "rsvp": rsvp.id() }));
    let there = check_in(&coming).expect(201);
    assert!(there["checkedInAt"].is_string());
    assert_eq!(check_in(&coming).expect(409).faults(), ["#/rsvp out_of_turn"]);
    assert_eq!(check_in(&waiting).expect(409).faults(), ["#/rsvp no_place"]);
    let nobody = json!({ "rsvp": uuid::Uuid::now_v7() });
    assert_eq!(organiser.post(&format!("{path}/check-ins"), nobody).expect(409).faults(), ["#/rsvp unknown_rsvp"]);
    guest.post(&format!("{path}/check-ins"), json!({ "rsvp": second.id() })).expect(403);

    let list = organiser.get(&format!("{path}/attendees")).expect(200);
    let list = String::from_utf8(list.bytes).unwrap();
    let lines: Vec<&str> = list.split("\r\n").collect();
    assert_eq!(lines[0], "name,organisation,status,accessNeeds,checkedInAt");
    let first =
        "\"'=HYPERLINK(\"\"https://evil.example\"\")\",'=Barnet,accepted,\"'+44 is how to call me, \"\"please\"\"\",";
    assert!(lines[1].starts_with(first), "{list}");
    let statuses: Vec<&str> = lines[2..4].iter().map(|line| line.split(',').nth(2).unwrap()).collect();
    assert_eq!((statuses, lines.len()), (vec!["accepted", "waitlisted"], 5));

    let counted = |expected: [(Value, u64, u64); 2]| {
        let counts = organiser.get(&format!("{path}/attendance")).expect(200);
        let mut counts: Vec<(Value, u64, u64)> = counts["organisations"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| {
                let count = |field: &str| one[field].as_u64().unwrap();
                (one["organisation"]["slug"].clone(), count("checkedInCount"), count("absentCount"))
            })
            .collect();
        counts.sort_by_key(|(slug, ..)| slug.to_string());
        assert_eq!(counts, expected);
    };
    counted([(json!("barnet"), 1, 0), (json!("hackney"), 0, 1)]);
    let undo = format!("{path}/check-ins/{}", coming.id());
    organiser.delete(&undo).if_match(&coming).expect(412);
    organiser.delete(&undo).if_match(&there).expect(204);
    organiser.delete(&undo).header("If-Match", "*").expect(409);
    counted([(json!("barnet"), 0, 1), (json!("hackney"), 0, 1)]);
    // Who was there and leaves leaves their place to the next.
    check_in(&coming).expect(201);
    leave(&guest, &coming);
    let counts = organiser.get(&format!("{path}/attendance")).expect(200);
    assert_eq!(counts["organisations"].as_array().unwrap().len(), 1, "{}", counts.json);
    assert_eq!(counts["organisations"][0]["acceptedCount"], 2);
    assert!(server.database().refusal("update rsvps set checked_in_at = now() where status <> 'accepted'").is_some());
}
