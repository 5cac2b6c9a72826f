//! The programme of an unconference: pitches, votes, merges, rooms, slots, the schedule, notes.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;

use api::layout::{Layout, Session, Task, propose};
use db::Role;
use serde_json::{Value, json};

use crate::concurrency::{at_once, how_many};
use crate::support::client::Client;
use crate::support::{Answer, Person, Server, council, event};

/// A service, an unconference of a council, and its people.
pub struct Scene {
    pub server: Server,
    council: Answer,
    organiser: Person,
    /// Path of the event.
    pub path: String,
}

impl Scene {
    pub fn new() -> Self {
        let server = Server::start();
        let council = server.add_organisation(council("Hackney"));
        let organiser = server.member(&council, Role::Contributor);
        let made = server.as_(&organiser).post("/v1/events", event("hackney").with("kind", "unconference")).expect(201);
        let path = made.header("location").unwrap().to_owned();
        server.as_(&organiser).call("POST", &format!("{path}/publish")).expect(200);
        Self { server, council, organiser, path }
    }

    pub fn organiser(&self) -> Client<'_> {
        self.server.as_(&self.organiser)
    }

    /// So many who come.
    pub fn guests(&self, count: usize) -> Vec<Client<'_>> {
        let guests: Vec<_> = (0..count).map(|_| self.server.as_(&self.server.person(&[], &[]))).collect();
        let calls = guests.iter().map(|guest| guest.post(&format!("{}/rsvps", self.path), json!({}))).collect();
        assert_eq!(how_many(&at_once(calls), 201), count);
        guests
    }

    fn add(&self, what: &str, body: Value) -> String {
        self.organiser().post(&format!("{}/{what}", self.path), body).expect(201).text("id").to_owned()
    }

    pub fn room(&self, name: &str, capacity: impl Into<Value>) -> String {
        self.add("rooms", json!({ "name": name, "capacity": capacity.into() }))
    }

    /// The nth slot, of ten minutes.
    pub fn slot(&self, n: u32) -> String {
        let at = |minutes: u32| format!("2099-01-15T{:02}:{:02}:00Z", 18 + minutes / 60, minutes % 60);
        self.add("slots", json!({ "startsAt": at(10 * n), "endsAt": at(10 * n + 10) }))
    }

    pub fn schedule(&self) -> String {
        format!("{}/schedule", self.path)
    }

    pub fn place(&self, placements: &Value) -> crate::support::client::Call<'_> {
        let body = json!({ "placements": placements });
        self.organiser().patch(&self.schedule(), body).header("If-Match", "*")
    }
}

pub fn pitch(client: &Client<'_>, event: &str, title: &str) -> Answer {
    client.post(&format!("{event}/sessions"), json!({ "title": title })).expect(201)
}

fn vote<'s>(client: &Client<'s>, session: &Answer) -> crate::support::client::Call<'s> {
    client.call("POST", &format!("/v1/sessions/{}/votes", session.text("id")))
}

fn merge<'s>(client: &Client<'s>, session: &Answer, into: &Answer) -> crate::support::client::Call<'s> {
    client.post(&format!("/v1/sessions/{}/merge", session.text("id")), json!({ "into": into["id"] }))
}

#[test]
fn who_comes_pitches_and_votes_once_while_votes_are_taken() {
    let scene = Scene::new();
    let (guests, stranger) = (scene.guests(3), scene.server.as_(&scene.server.person(&[], &[])));
    stranger.post(&format!("{}/sessions", scene.path), json!({ "title": "Mine" })).expect(403);
    let pitched = pitch(&guests[0], &scene.path, "Sharing code");
    assert_eq!((&pitched["pitcherSpeaks"], pitched.text("status")), (&json!(true), "pitched"));
    let written_down = pitch(&scene.organiser(), &scene.path, "Paper card");
    assert_eq!(written_down["pitcherSpeaks"], false, "they write down what others pitch");
    vote(&stranger, &pitched).expect(403);

    let votes = at_once((0..8).map(|_| vote(&guests[1], &pitched)).collect());
    assert_eq!((how_many(&votes, 201), how_many(&votes, 409)), (1, 7), "one of each person");
    let cast = votes.iter().find(|vote| vote.status == 201).unwrap();
    vote(&guests[2], &pitched).expect(201);
    let path = format!("/v1/sessions/{}", pitched.text("id"));
    let seen = |client: &Client<'_>| {
        let session = client.get(&path).expect(200);
        (session["voteCount"].as_u64().unwrap(), session["voted"].as_bool().unwrap())
    };
    assert_eq!(seen(&guests[1]), (2, true));
    assert_eq!(seen(&scene.server.anonymous()), (2, false));
    let mine = format!("{}/sessions?voted=true", scene.path);
    assert_eq!(guests[1].get(&mine).expect(200).each("title"), ["Sharing code"]);
    assert!(scene.organiser().get(&format!("{path}/votes")).expect(200).each("id").is_empty(), "nobody sees who");
    guests[2].get(cast.header("location").unwrap()).expect(404);
    guests[2].delete(cast.header("location").unwrap()).header("If-Match", "*").expect(404);
    guests[1].delete(cast.header("location").unwrap()).if_match(cast).expect(204);
    assert_eq!(seen(&guests[1]), (1, false));
    let trail = scene.server.database().number(&format!(
        "select count(*) from audit_events where object_type = 'session_votes' and (before, after)::text like '%{}%'",
        pitched.text("id")
    ));
    assert_eq!(trail, 0, "the trail tells who would go where");

    let times = |open: &str, close: &str| {
        let body = json!({ "votesOpenAt": open, "votesCloseAt": close });
        scene.organiser().patch(&scene.schedule(), body).header("If-Match", "*")
    };
    assert_eq!(
        times("2030-01-02T00:00:00Z", "2030-01-01T00:00:00Z").expect(400).faults(),
        ["#/votesCloseAt before_start"]
    );
    times("2098-01-01T00:00:00Z", "2098-02-01T00:00:00Z").expect(200);
    assert_eq!(vote(&guests[1], &pitched).expect(409).faults(), ["# votes_not_open"]);
    times("2020-01-01T00:00:00Z", "2020-02-01T00:00:00Z").expect(200);
    assert_eq!(vote(&guests[1], &pitched).expect(409).faults(), ["# votes_closed"]);

    // Who pitched it changes it, and takes it back; others do not.
    guests[1].patch(&path, json!({ "title": "Other" })).header("If-Match", "*").expect(403);
    guests[0].patch(&path, json!({ "track": "Data" })).if_match(&pitched).expect(200);
    assert_eq!(guests[1].get(&format!("{}/sessions?track=Data", scene.path)).expect(200).each("id").len(), 1);
    guests[0].delete(&path).header("If-Match", "*").expect(204);
    assert_eq!(scene.server.anonymous().get(&path).expect(200)["status"], "withdrawn");
    guests[0].patch(&path, json!({ "title": "Other" })).header("If-Match", "*").expect(409);
    let standing = format!("{}/sessions?status=pitched", scene.path);
    assert_eq!(guests[1].get(&standing).expect(200).each("title"), ["Paper card"]);
}

#[test]
fn votes_follow_a_merge_and_nobody_is_counted_twice() {
    let scene = Scene::new();
    let guests = scene.guests(6);
    let sessions: Vec<Answer> = ["A", "B", "C"].map(|title| pitch(&scene.organiser(), &scene.path, title)).to_vec();
    let [a, b, c] = &sessions[..] else { unreachable!() };
    for (voter, session) in [(0, a), (1, a), (2, a), (1, b), (2, b), (3, b), (2, c), (4, c)] {
        vote(&guests[voter], session).expect(201);
    }
    guests[0].post(&format!("/v1/sessions/{}/merge", a.text("id")), json!({ "into": b["id"] })).expect(403);
    assert_eq!(merge(&scene.organiser(), a, a).expect(409).faults(), ["#/into itself"]);
    assert_eq!(merge(&scene.organiser(), a, b).expect(200)["voteCount"], 4, "0, 1, 2 and 3");
    assert_eq!(merge(&scene.organiser(), b, c).expect(200)["voteCount"], 5, "0 to 4");
    assert_eq!(merge(&scene.organiser(), c, a).expect(409).faults(), ["#/into out_of_turn"], "no way back");
    merge(&scene.organiser(), a, c).expect(409);
    let refused = vote(&guests[5], a).expect(409);
    assert!(refused.json.to_string().contains(b.text("id")), "it says where it went");
    let read = scene.server.anonymous().get(&format!("/v1/sessions/{}", a.text("id"))).expect(200);
    assert_eq!((read.text("status"), read.text("mergedInto")), ("merged", b.text("id")));
    assert_eq!(read["voteCount"], 0);
    // The database holds to it whoever writes.
    let database = scene.server.database();
    for forced in [
        format!(
            "update sessions set status = 'merged', merged_into = '{}' where id = '{}'",
            a.text("id"),
            c.text("id")
        ),
        format!("update sessions set status = 'pitched', merged_into = null where id = '{}'", a.text("id")),
        format!("update sessions set merged_into = '{}' where id = '{}'", c.text("id"), a.text("id")),
        format!("update session_votes set session_id = '{}'", a.text("id")),
    ] {
        assert!(database.refusal(&forced).is_some(), "{forced}");
    }
}

#[test]
fn merges_and_votes_at_once_leave_no_cycle_and_lose_no_vote() {
    let scene = Scene::new();
    let guests = scene.guests(10);
    let sessions: Vec<Answer> = (0..8).map(|n| pitch(&scene.organiser(), &scene.path, &format!("S{n}"))).collect();
    thread::scope(|scope| {
        let voters: Vec<_> = guests
            .iter()
            .map(|guest| {
                let sessions = &sessions;
                // Each votes for all: for those that were merged meanwhile that is refused.
                scope.spawn(move || {
                    sessions
                        .iter()
                        .filter(|session| {
                            let voted = vote(guest, session).send();
                            assert!(matches!(voted.status, 201 | 409), "{} {}", voted.status, voted.json);
                            voted.status == 201
                        })
                        .count()
                })
            })
            .collect();
        for n in 0..8 {
            let (organiser, sessions) = (scene.organiser(), &sessions);
            scope.spawn(move || {
                // Round a circle, both ways: some must lose.
                for step in [1, 7] {
                    let merged = merge(&organiser, &sessions[n], &sessions[(n + step) % 8]).send();
                    assert!(matches!(merged.status, 200 | 409), "{} {}", merged.status, merged.json);
                }
            });
        }
        assert!(voters.into_iter().map(|voter| voter.join().unwrap()).sum::<usize>() > 0);
    });
    let database = scene.server.database();
    let ends = "with recursive way as (select id, merged_into, 1 as steps from sessions
         union all select way.id, sessions.merged_into, steps + 1 from way join sessions on sessions.id = way.merged_into
           where steps < 20)
       select count(*) from (select id from way group by id having max(steps) >= 20) circles";
    assert_eq!(database.number(ends), 0, "no chain comes back");
    assert!(database.number("select count(*) from sessions where status = 'pitched'") >= 1);
    let misplaced =
        "select count(*) from session_votes join sessions on sessions.id = session_id where status <> 'pitched'";
    assert_eq!(database.number(misplaced), 0, "a vote stayed behind");
    let doubled = "select count(*) - count(distinct (session_id, user_id)) from session_votes";
    assert_eq!(database.number(doubled), 0);
    assert_eq!(database.number("select count(distinct user_id) from session_votes"), 10, "nobody's vote is lost");
}

#[test]
fn what_cannot_be_at_a_place_is_refused_with_what_is_in_its_way() {
    let scene = Scene::new();
    let (large, small) = (scene.room("Large", 100), scene.room("Small", Value::Null));
    let (first, second) = (scene.slot(0), scene.slot(1));
    let speaking = |title: &str, speakers: Value| {
        let body = json!({ "title": title, "speakers": speakers });
        scene.organiser().post(&format!("{}/sessions", scene.path), body).expect(201).text("id").to_owned()
    };
    let (a, b) = (speaking("A", json!(["Ada Lovelace"])), speaking("B", json!([" ada  lovelace", "Sam"])));
    let b_alike = speaking("C", json!(["ADA LOVELACE"]));
    let screened = json!({ "title": "D", "equipment": ["projector"] });
    let screened = scene.organiser().post(&format!("{}/sessions", scene.path), screened).expect(201);
    let at = |session: &str, room: &str, slot: &str| json!({ "session": session, "room": room, "slot": slot });
    for (placements, faults) in [
        (json!([at(&a, &large, &first), at(&b_alike, &small, &first)]), vec!["#/placements/1/slot speaker_clash"]),
        (
            json!([at(&a, &large, &first), at(&b, &large, &first)]),
            vec!["#/placements/1/room room_taken", "#/placements/1/slot speaker_clash"],
        ),
        (json!([at(&a, &large, &first), at(&a, &small, &second)]), vec!["#/placements/1/session placed_twice"]),
        (json!([at(screened.text("id"), &large, &first)]), vec!["#/placements/0/room lacks_equipment"]),
        (
            json!([at(&large, &first, &a)]),
            vec![
                "#/placements/0/room unknown_room",
                "#/placements/0/session unknown_session",
                "#/placements/0/slot unknown_slot",
            ],
        ),
    ] {
        assert_eq!(scene.place(&placements).expect(409).faults(), faults);
    }
    let placed = json!([at(&a, &large, &first), at(&b_alike, &small, &second)]);
    let laid = scene.place(&placed).expect(200);
    assert_eq!(laid["placements"].as_array().unwrap().len(), 2);
    assert_eq!(scene.place(&placed).expect(200)["version"], laid["version"], "nothing changed");
    scene.organiser().patch(&scene.schedule(), json!({ "placements": [] })).header("If-Match", "\"1\"").expect(412);

    // What is in a place cannot be pulled from under it.
    let room = |id: &str| format!("{}/rooms/{id}", scene.path);
    assert_eq!(scene.organiser().delete(&room(&large)).header("If-Match", "*").expect(409).faults(), ["# in_use"]);
    scene.organiser().patch(&room(&large), json!({ "equipment": ["projector"] })).header("If-Match", "*").expect(200);
    scene.place(&json!([at(screened.text("id"), &large, &first)])).expect(200);
    let bare = scene.organiser().patch(&room(&large), json!({ "equipment": [] })).header("If-Match", "*").expect(409);
    assert_eq!(bare.faults(), ["#/equipment lacks_equipment"]);
    let both = json!([at(screened.text("id"), &large, &first), at(&a, &small, &first)]);
    scene.place(&both).expect(200);
    let speaks = json!({ "speakers": ["Ada Lovelace"] });
    let clash = scene.organiser().patch(&format!("/v1/sessions/{}", screened.text("id")), speaks);
    assert_eq!(clash.header("If-Match", "*").expect(409).faults(), ["#/speakers speaker_clash"]);
    let merged = scene.organiser().post(&format!("/v1/sessions/{b_alike}/merge"), json!({ "into": screened["id"] }));
    assert_eq!(merged.expect(409).faults(), ["#/speakers speaker_clash"], "its speakers come along");
    for (body, fault) in [
        (json!({ "startsAt": "2099-01-15T18:05:00Z", "endsAt": "2099-01-15T18:15:00Z" }), "#/startsAt overlaps"),
        (json!({ "startsAt": "2099-01-15T17:50:00Z", "endsAt": "2099-01-15T18:00:00Z" }), "#/startsAt outside_event"),
    ] {
        assert_eq!(scene.organiser().post(&format!("{}/slots", scene.path), body).expect(409).faults(), [fault]);
    }
    let forced = format!("update placements set slot_id = '{second}', room_id = '{large}'");
    assert!(scene.server.database().refusal(&forced).is_some());
}

#[test]
fn many_who_lay_out_at_once_make_no_clash() {
    let scene = Scene::new();
    let rooms: Vec<String> = (0..2).map(|n| scene.room(&format!("R{n}"), 10)).collect();
    let slots: Vec<String> = (0..2).map(|n| scene.slot(n)).collect();
    let sessions: Vec<String> =
        (0..6).map(|n| pitch(&scene.organiser(), &scene.path, &format!("S{n}")).text("id").to_owned()).collect();
    let calls = (0..12).map(|n: usize| {
        let cells = rooms.iter().flat_map(|room| slots.iter().map(move |slot| (room, slot)));
        let placed: Vec<Value> = cells
            .enumerate()
            .map(|(k, (room, slot))| json!({ "session": sessions[(n + k) % 6], "room": room, "slot": slot }))
            .collect();
        scene.place(&json!(placed))
    });
    let answers = at_once(calls.collect());
    assert_eq!(how_many(&answers, 200), 12, "{:?}", answers.iter().map(|answer| answer.status).collect::<Vec<_>>());
    assert_eq!(scene.server.database().number("select count(*) from placements"), 4);
    let version = scene.server.database().number("select version from schedules");
    let trail = scene.server.database().number("select count(*) from audit_events where object_type = 'schedules'");
    assert!(trail >= 1 && version > trail, "{version} {trail}");
}

#[test]
fn who_planned_around_a_programme_learns_what_became_of_it() {
    let scene = Scene::new();
    let (large, small) = (scene.room("Large", 100), scene.room("Small", 10));
    let slot = scene.slot(0);
    let guest = &scene.guests(1)[0];
    let session = pitch(guest, &scene.path, "Sharing code");
    let at = |room: &str| json!([{ "session": session["id"], "room": room, "slot": slot }]);
    let publish = || scene.organiser().call("POST", &format!("{}/publish", scene.schedule()));
    assert_eq!(publish().expect(409).faults(), ["#/placements empty"]);
    scene.place(&at(&large)).expect(200);
    let seen = |client: &Client<'_>| client.get(&scene.schedule()).expect(200)["placements"].as_array().unwrap().len();
    assert_eq!((seen(&scene.organiser()), seen(guest), seen(&scene.server.anonymous())), (1, 0, 0));
    publish().expect(200);
    publish().expect(409);
    assert_eq!((seen(guest), seen(&scene.server.anonymous())), (1, 1));
    scene.place(&at(&small)).expect(200);
    guest.delete(&format!("/v1/sessions/{}", session.text("id"))).header("If-Match", "*").expect(204);
    assert_eq!(seen(guest), 0);
    let later = json!({ "startsAt": "2099-01-15T18:00:00Z", "endsAt": "2099-01-15T21:00:00Z" });
    scene.organiser().patch(&scene.path, later).header("If-Match", "*").expect(200);

    let changes = format!("{}/changes", scene.path);
    let told = guest.get(&changes).expect(200);
    assert_eq!(told.each("kind"), ["event_changed", "session_taken_off", "session_moved", "programme_published"]);
    let moved = &told["items"][2];
    let place = |side: &str| moved[side]["place"].as_str().unwrap();
    assert_eq!((place("before"), place("after"), &moved["after"]["title"]), ("Large", "Small", &json!("Sharing code")));
    assert_eq!(guest.get("/v1/me/notifications").expect(200).each("kind"), told.each("kind"));
    let stranger = scene.server.as_(&scene.server.person(&[], &[]));
    stranger.get(&changes).expect(403);
    assert!(stranger.get("/v1/me/notifications").expect(200).each("kind").is_empty());
    // Who answers now has planned around it as it is.
    stranger.post(&format!("{}/rsvps", scene.path), json!({})).expect(201);
    assert!(stranger.get("/v1/me/notifications").expect(200).each("kind").is_empty());
    assert_eq!(stranger.get(&changes).expect(200).each("kind").len(), 4);
    // One at a time, to the end.
    let mut kinds = Vec::new();
    let mut next = Some(format!("{changes}?limit=1"));
    while let Some(page) = next {
        let page = guest.get(&page).expect(200);
        kinds.extend(page.each("kind").into_iter().map(ToOwned::to_owned));
        next = page.next();
    }
    assert_eq!(kinds, told.each("kind"));
}

#[test]
fn a_place_that_is_given_or_taken_back_is_told_to_whom_it_concerns_only() {
    let scene = Scene::new();
    scene.organiser().patch(&scene.path, json!({ "capacity": 1 })).header("If-Match", "*").expect(200);
    let people: Vec<_> = (0..3).map(|_| scene.server.as_(&scene.server.person(&[], &[]))).collect();
    let answers: Vec<Answer> =
        people.iter().map(|person| person.post(&format!("{}/rsvps", scene.path), json!({})).expect(201)).collect();
    let told = |n: usize| -> Vec<String> {
        let page = people[n].get("/v1/me/notifications").expect(200);
        page.each("kind").into_iter().map(ToOwned::to_owned).collect()
    };
    people[0].delete(answers[0].header("location").unwrap()).header("If-Match", "*").expect(204);
    assert_eq!((told(0).len(), told(1), told(2).len()), (0, vec!["place_given".to_owned()], 0));
    scene.organiser().delete(answers[1].header("location").unwrap()).header("If-Match", "*").expect(204);
    assert_eq!(told(1), ["place_taken_back", "place_given"]);
    scene.organiser().post(&format!("{}/cancel", scene.path), json!({ "reason": "Closed." })).expect(200);
    assert_eq!(told(2), ["event_cancelled", "place_given"]);
    assert_eq!((told(0).len(), told(1).len()), (0, 2), "they were not to come");
    assert!(scene.organiser().get(&format!("{}/changes", scene.path)).expect(200).each("kind") == ["event_cancelled"]);
}

#[test]
fn those_who_are_there_leave_notes_that_stay_inert() {
    let scene = Scene::new();
    let guests = scene.guests(2);
    let session = pitch(&guests[0], &scene.path, "Sharing code");
    let path = format!("/v1/sessions/{}/notes", session.text("id"));
    let stranger = scene.server.as_(&scene.server.person(&[], &[]));
    stranger.post(&path, json!({ "bodyMarkdown": "Mine" })).expect(403);
    let markdown = "Three boroughs **share** <script>alert(1)</script> [x](javascript:alert(1))";
    let left = guests[1].post(&path, json!({ "bodyMarkdown": markdown })).expect(201);
    let html = left.text("bodyHtml");
    assert!(html.contains("<strong>share</strong>") && !html.contains("script"), "{html}");
    let note = left.header("location").unwrap();
    guests[0].patch(note, json!({ "bodyMarkdown": "Not so" })).header("If-Match", "*").expect(403);
    scene.organiser().patch(note, json!({ "bodyMarkdown": "Not so" })).header("If-Match", "*").expect(403);
    guests[0].delete(note).header("If-Match", "*").expect(403);
    guests[1].patch(note, json!({ "bodyMarkdown": "Four do." })).if_match(&left).expect(200);
    let read = scene.server.anonymous().get(&path).expect(200);
    assert_eq!(read.each("bodyHtml"), ["<p>Four do.</p>\n"]);
    scene.organiser().call("POST", &format!("{}/complete", scene.path)).expect(200);
    guests[0].post(&path, json!({ "bodyMarkdown": "Afterwards." })).expect(201);
    guests[0].post(&format!("{}/sessions", scene.path), json!({ "title": "Late" })).expect(409);
    scene.organiser().delete(note).header("If-Match", "*").expect(204);
    let trail = scene.server.database().texts("select coalesce(after::text, '') as value from audit_events");
    assert!(trail.iter().all(|entry| !entry.contains("Four do")), "the trail repeats what people said");
}

#[test]
fn only_an_unconference_has_a_programme_and_drafts_are_not_seen() {
    let scene = Scene::new();
    let teacamp = scene.organiser().post("/v1/events", event("hackney").with("title", "Tea")).expect(201);
    let path = teacamp.header("location").unwrap();
    assert_eq!(
        scene.organiser().post(&format!("{path}/rooms"), json!({ "name": "R" })).expect(409).faults(),
        ["# no_unconference"]
    );
    let draft = event("hackney").with("kind", "unconference").with("title", "Camp");
    let draft = scene.organiser().post("/v1/events", draft).expect(201);
    let path = draft.header("location").unwrap();
    let session = scene.organiser().post(&format!("{path}/sessions"), json!({ "title": "First" })).expect(201);
    scene.organiser().post(&format!("{path}/rooms"), json!({ "name": "R" })).expect(201);
    let stranger = scene.server.as_(&scene.server.member(&scene.council, Role::Viewer));
    let session = format!("/v1/sessions/{}", session.text("id"));
    for client in [&stranger, &scene.server.anonymous()] {
        for hidden in [format!("{path}/rooms"), format!("{path}/sessions"), format!("{path}/schedule")] {
            client.get(&hidden).expect(404);
        }
        client.get(&session).expect(404);
        client.get(&format!("{session}/notes")).expect(404);
        client.get(&format!("{path}.ics")).expect(404);
    }
    stranger.call("POST", &format!("{session}/votes")).expect(404);
    stranger.patch(&session, json!({ "title": "Mine" })).header("If-Match", "*").expect(404);
    scene.organiser().delete(path).header("If-Match", "*").expect(204);
    scene.organiser().get(&session).expect(404);
}

/// A task out of a seed: so many sessions with votes of so many people.
fn task(seed: u64, sessions: usize, rooms: &[usize], slots: usize, voters: usize) -> Task {
    let mut state = seed;
    let mut random = move |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % below
    };
    let mut all: Vec<Session> = (0..sessions)
        .map(|n| Session {
            voters: Vec::new(),
            rooms: (0..rooms.len()).filter(|room| room % 3 != n % 7).collect(),
            speakers: vec![n % (sessions * 2 / 3 + 1)],
            fixed: None,
        })
        .collect();
    for voter in 0..voters {
        // A few are loved by many, most by some.
        let wishes: BTreeSet<usize> = (0..=random(8)).map(|_| random(sessions).min(random(sessions))).collect();
        for session in wishes {
            all[session].voters.push(voter);
        }
    }
    Task { sessions: all, rooms: rooms.iter().map(|capacity| Some(*capacity)).collect(), slots, voters }
}

fn hold(task: &Task, layout: &Layout) {
    let placed: Vec<_> = layout.cells.iter().zip(&task.sessions).filter_map(|(cell, s)| Some(((*cell)?, s))).collect();
    let cells: BTreeSet<_> = placed.iter().map(|(cell, _)| cell).collect();
    assert_eq!(cells.len(), placed.len(), "two in one room");
    let mut busy = BTreeSet::new();
    for ((slot, room), session) in &placed {
        assert!(session.rooms.contains(room), "a room without what it needs");
        for speaker in &session.speakers {
            assert!(busy.insert((slot, speaker)), "{speaker} speaks twice at a time");
        }
    }
    // Who is where, counted apart: never more than are seated, and never more than once a slot.
    let mut most: BTreeMap<usize, usize> = BTreeMap::new();
    let mut wishing: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    for ((slot, room), session) in &placed {
        *most.entry(*slot).or_default() += session.voters.len().min(task.rooms[*room].unwrap());
        wishing.entry(*slot).or_default().extend(&session.voters);
    }
    let bound: usize = most.iter().map(|(slot, seats)| (*seats).min(wishing[slot].len())).sum();
    assert!(layout.satisfied <= bound, "{} of {bound}", layout.satisfied);
}

#[test]
fn a_proposal_has_no_clash_and_satisfies_no_fewer_votes_than_a_greedy_one() {
    let mut better = 0;
    for seed in 0..12 {
        let (sessions, slots) = (8 + usize::try_from(seed).unwrap() * 3, 2 + usize::try_from(seed).unwrap() % 4);
        let task = task(seed, sessions, &[20, 10, 10, 5, 40], slots, 60);
        let layout = propose(&task, seed);
        hold(&task, &layout);
        assert!(layout.satisfied >= layout.greedy, "{seed}: {} after {}", layout.satisfied, layout.greedy);
        better += usize::from(layout.satisfied > layout.greedy);
        assert_eq!(propose(&task, seed), layout, "the same for the same");
    }
    assert!(better >= 6, "improving improves: {better} of 12");
}

#[test]
fn a_small_proposal_is_the_best_there_is() {
    // Two rooms and two slots for four sessions: every layout can be tried.
    for seed in 0..20 {
        let task = task(seed, 4, &[3, 6], 2, 9);
        let task =
            Task { sessions: task.sessions.into_iter().map(|s| Session { rooms: vec![0, 1], ..s }).collect(), ..task };
        let best = permutations(4)
            .into_iter()
            .filter_map(|order| {
                let cells = [(0, 0), (0, 1), (1, 0), (1, 1)];
                let fixed = task.sessions.iter().zip(&order);
                let fixed = fixed.map(|(s, place)| Session { fixed: Some(cells[*place]), ..s.clone() }).collect();
                let fixed = Task { sessions: fixed, ..task.clone() };
                let clash = |a: usize, b: usize| {
                    order[a] / 2 == order[b] / 2 && task.sessions[a].speakers == task.sessions[b].speakers
                };
                let clashes = (0..4).any(|a| (0..a).any(|b| clash(a, b)));
                (!clashes).then(|| propose(&fixed, 0).satisfied)
            })
            .max()
            .unwrap();
        assert_eq!(propose(&task, seed).satisfied, best, "{seed}");
    }
}

fn permutations(n: usize) -> Vec<Vec<usize>> {
    if n == 0 {
        return vec![Vec::new()];
    }
    let shorter = permutations(n - 1);
    shorter
        .iter()
        .flat_map(|order| {
            (0..n).map(move |at| {
                let mut with = order.clone();
                with.insert(at, n - 1);
                with
            })
        })
        .collect()
}

#[test]
fn what_is_kept_stays_where_it_is() {
    let mut task = task(3, 10, &[20, 10, 5], 3, 30);
    task.sessions[4].fixed = Some((1, task.sessions[4].rooms[0]));
    let layout = propose(&task, 1);
    assert_eq!(layout.cells[4], task.sessions[4].fixed);
    hold(&task, &layout);
    assert_eq!(propose(&Task::default(), 1).cells.len(), 0);
    let nowhere = Task { sessions: vec![Session::default()], ..Task::default() };
    assert_eq!(propose(&nowhere, 1).cells, [None]);
}

/// How many votes are satisfied when people at a wall lay out: the session with most votes first, into the largest room
/// of the next slot that is free, where nobody speaks twice. By a measure of its own: a person has something to go to in
/// a slot, or has not.
fn at_a_wall(sessions: &[(usize, BTreeSet<usize>, String)], rooms: usize, slots: usize) -> usize {
    let mut order: Vec<_> = sessions.iter().collect();
    order.sort_by_key(|(_, voters, _)| std::cmp::Reverse(voters.len()));
    let mut laid: Vec<Vec<&(usize, BTreeSet<usize>, String)>> = vec![Vec::new(); slots];
    for session in order {
        let free = |slot: &&mut Vec<&(usize, BTreeSet<usize>, String)>| {
            slot.len() < rooms && slot.iter().all(|(_, _, speaker)| *speaker != session.2)
        };
        if let Some(slot) = laid.iter_mut().filter(free).min_by_key(|slot| slot.len()) {
            slot.push(session);
        }
    }
    laid.iter().map(|slot| slot.iter().flat_map(|(_, voters, _)| voters).collect::<BTreeSet<_>>().len()).sum()
}

#[test]
fn as_many_sessions_as_a_camp_has_are_laid_out_better_than_at_a_wall() {
    let scene = Scene::new();
    let guests = scene.guests(60);
    let speakers: Vec<String> = (0..58).map(|n| format!("Speaker {}", n % 49)).collect();
    let calls = (0..58).map(|n: usize| {
        let body = json!({ "title": format!("Session {n}"), "speakers": [speakers[n]] });
        scene.organiser().post(&format!("{}/sessions", scene.path), body)
    });
    let pitched: Vec<Answer> = at_once(calls.collect());
    assert_eq!(how_many(&pitched, 201), 58);
    let mut wishes: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); 58];
    for (voter, wished) in
        (0..60).flat_map(|voter| (1..=8).map(move |k| (voter, (voter * k * 13 + k * k * 7) % 58 * k / 8)))
    {
        wishes[wished].insert(voter);
    }
    let votes =
        wishes.iter().zip(&pitched).flat_map(|(voters, session)| voters.iter().map(|n| vote(&guests[*n], session)));
    let votes: Vec<_> = votes.collect();
    let cast = votes.len();
    assert_eq!(how_many(&at_once(votes), 201), cast);
    let rooms: Vec<String> = (0..12).map(|n| scene.room(&format!("Room {n}"), 8 + 6 * n)).collect();
    let slots: Vec<String> = (0..5).map(|n| scene.slot(n)).collect();
    let proposed = scene.organiser().get(&format!("{}/proposal", scene.schedule())).expect(200);
    assert_eq!((&proposed["unplaced"], &proposed["voteCount"]), (&json!([]), &json!(cast)));
    scene.place(&proposed["placements"]).expect(200);
    let again = scene.organiser().get(&format!("{}/proposal?keep=true", scene.schedule())).expect(200);
    assert_eq!(again["satisfiedVoteCount"], proposed["satisfiedVoteCount"], "what is kept is all there is");

    let index = |id: &Value| pitched.iter().position(|session| session["id"] == *id).unwrap();
    let placed = proposed["placements"].as_array().unwrap();
    let mut busy = BTreeSet::new();
    let mut there: BTreeMap<&str, BTreeSet<usize>> = BTreeMap::new();
    for placement in placed {
        let (session, slot) = (index(&placement["session"]), placement["slot"].as_str().unwrap());
        assert!(busy.insert((slot, speakers[session].clone())) && busy.insert((slot, placement["room"].to_string())));
        there.entry(slot).or_default().extend(&wishes[session]);
    }
    let ours: usize = there.values().map(BTreeSet::len).sum();
    let sessions: Vec<_> = (0..58).map(|n| (n, wishes[n].clone(), speakers[n].clone())).collect();
    let theirs = at_a_wall(&sessions, rooms.len(), slots.len());
    assert!(ours >= theirs, "{ours} and {theirs} at a wall");
}
