//! `/networks`: who belongs to them, and when they meet again and again.

use api::calendar::recurrence::{self, Refused, occurrences};
use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, Utc, Weekday};
use chrono_tz::Europe::London;
use db::Role;
use db::events::EventKind;
use db::networks::series::{BankHolidays, SeriesState};
use db::types::Dates;
use serde_json::{Value, json};

use crate::concurrency::{at_once, how_many};
use crate::support::client::Client;
use crate::support::database::open;
use crate::support::{Answer, Server, council, network, series};

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn rule(rrule: &str, starts_at: &str) -> SeriesState {
    SeriesState {
        title: "London teacamp".to_owned(),
        description: None,
        kind: EventKind::Teacamp,
        starts_at: NaiveDateTime::parse_from_str(starts_at, "%Y-%m-%d %H:%M").unwrap(),
        duration_minutes: 120,
        time_zone: "Europe/London".to_owned(),
        rrule: rrule.to_owned(),
        bank_holidays: BankHolidays::Keep,
        except_dates: Dates::default(),
        venue_name: Some("City Hall".to_owned()),
        venue_address: None,
        step_free: None,
        hearing_loop: None,
        quiet_room: None,
        access_information: None,
        online_url: None,
        capacity: None,
    }
}

fn begin(state: &SeriesState, now: &str) -> Vec<String> {
    let found = occurrences(state, at(now)).unwrap();
    found.iter().map(|found| found.starts_at.format("%F %R").to_string()).collect()
}

#[test]
fn the_third_thursday_at_six_is_at_six_summer_and_winter() {
    let state = rule("FREQ=MONTHLY;BYDAY=3TH", "2026-01-15 18:00");
    let found = begin(&state, "2026-02-20T00:00:00Z");
    // 18:00 in London is 17:00 UTC between the last Sundays of March and October.
    assert_eq!(found[..3], ["2026-03-19 18:00", "2026-04-16 17:00", "2026-05-21 17:00"]);
    assert_eq!(found[6..9], ["2026-09-17 17:00", "2026-10-15 17:00", "2026-11-19 18:00"]);
    assert_eq!(found.len(), 13, "as far ahead as events are made");
    for start in occurrences(&state, at("2026-02-20T00:00:00Z")).unwrap() {
        let local = start.starts_at.with_timezone(&London);
        assert_eq!((local.weekday(), local.format("%R").to_string()), (Weekday::Thu, "18:00".to_owned()));
        assert!((15..=21).contains(&local.day()) && start.on == local.date_naive());
        assert_eq!((start.ends_at - start.starts_at).num_minutes(), 120);
    }
    // Once and not again on the night when it is half past one twice; after the gap where it is never.
    let nightly = rule("FREQ=DAILY", "2026-01-01 01:30");
    assert_eq!(begin(&nightly, "2026-10-24T12:00:00Z")[..2], ["2026-10-25 00:30", "2026-10-26 01:30"]);
    assert_eq!(begin(&nightly, "2026-03-28T12:00:00Z")[..2], ["2026-03-29 01:30", "2026-03-30 00:30"]);
}

#[test]
fn bank_holidays_are_kept_skipped_or_moved_by_rule() {
    // Mondays of spring 2026: Easter Monday on 6 April, early May on the 4th, spring on 25 May.
    let mut state = rule("FREQ=WEEKLY;BYDAY=MO;COUNT=9", "2026-03-30 09:00");
    let days = |state: &SeriesState| -> Vec<String> {
        occurrences(state, at("2026-03-01T00:00:00Z"))
            .unwrap()
            .iter()
            .map(|found| format!("{} {}", found.on.format("%m-%d"), found.starts_at.format("%m-%d")))
            .collect()
    };
    assert_eq!(days(&state)[..3], ["03-30 03-30", "04-06 04-06", "04-13 04-13"]);
    state.bank_holidays = BankHolidays::Skip;
    assert_eq!(days(&state)[..3], ["03-30 03-30", "04-13 04-13", "04-20 04-20"]);
    assert_eq!(days(&state).len(), 6);
    state.bank_holidays = BankHolidays::NextWorkingDay;
    assert_eq!(days(&state)[1], "04-06 04-07");
    state.bank_holidays = BankHolidays::PreviousWorkingDay;
    // Over the weekend and Good Friday.
    assert_eq!(days(&state)[1], "04-06 04-02");
    state.except_dates = Dates(vec![day("2026-04-06")]);
    assert_eq!(days(&state)[1], "04-13 04-13", "it is left out by the day that the rule has");

    // What would move onto a day that the rule has anyway is that day.
    let mut daily = rule("FREQ=DAILY", "2026-12-20 09:00");
    daily.bank_holidays = BankHolidays::NextWorkingDay;
    let found = begin(&daily, "2026-12-23T12:00:00Z");
    assert_eq!(found[..3], ["2026-12-24 09:00", "2026-12-26 09:00", "2026-12-27 09:00"]);
}

#[test]
fn rules_are_those_of_the_standard_and_bounded() {
    let check = |rule: &str| recurrence::check(rule, at("2026-01-15T18:00:00Z").naive_utc(), "Europe/London");
    for good in [
        "FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,TH",
        "FREQ=MONTHLY;BYDAY=-1FR",
        "FREQ=MONTHLY;BYMONTHDAY=15;COUNT=3",
        "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
        "FREQ=YEARLY;BYMONTH=6;UNTIL=20300101T000000Z",
    ] {
        assert_eq!(check(good), Ok(()), "{good}");
    }
    for bad in ["FREQ=MONTHLY;BYDAY=9XX", "FREQ=DAILY;COUNT=many", "FREQ=WEEKLY;BYMONTHDAY=3", "FREQ=DAILY;UNTIL=soon"]
    {
        assert!(matches!(check(bad), Err(Refused::Rule(_))), "{bad}: {:?}", check(bad));
    }
    assert_eq!(check("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"), Err(Refused::Never));
    let elsewhere = recurrence::check("FREQ=DAILY", at("2026-01-15T18:00:00Z").naive_utc(), "Europe/Atlantis");
    assert_eq!(elsewhere, Err(Refused::Zone));
    // The last day is one of clocks there: 22:30 in London on 30 June, which is 21:30 UTC.
    let until = rule("FREQ=DAILY;UNTIL=20260630T213000Z", "2026-06-28 22:30");
    assert_eq!(begin(&until, "2026-06-01T00:00:00Z"), ["2026-06-28 21:30", "2026-06-29 21:30", "2026-06-30 21:30"]);
    assert_eq!(begin(&rule("FREQ=DAILY", "2001-01-01 09:00"), "2026-06-01T00:00:00Z").len(), recurrence::MOST);
}

/// A service, a network of a council, and who convenes it.
struct Scene {
    server: Server,
    council: Answer,
    path: String,
    convener: crate::support::Person,
}

impl Scene {
    fn new() -> Self {
        let server = Server::start();
        let council = server.add_organisation(council("Hackney"));
        let convener = server.member(&council, Role::Contributor);
        let made = server.as_(&convener).post("/v1/networks", network("hackney")).expect(201);
        let path = made.header("location").unwrap().to_owned();
        Self { server, council, path, convener }
    }

    fn convener(&self) -> Client<'_> {
        self.server.as_(&self.convener)
    }

    /// A weekly series from today on, so that there is much to come whenever the test runs.
    fn series(&self) -> Answer {
        let weekly = series().with("startsOn", "2026-01-01").with("rrule", "FREQ=WEEKLY;BYDAY=TH");
        self.convener().post(&format!("{}/series", self.path), weekly).expect(201)
    }

    fn events(&self) -> Vec<Value> {
        let page = self.server.anonymous().get("/v1/events?network=london-peer-group&limit=100").expect(200);
        page["items"].as_array().unwrap().clone()
    }
}

#[test]
fn people_join_and_leave_and_only_conveners_see_who() {
    let scene = Scene::new();
    let (server, members) = (&scene.server, format!("{}/members", scene.path));
    let read = server.anonymous().get(&scene.path).expect(200);
    assert_eq!((read.text("slug"), &read["memberCount"]), ("london-peer-group", &json!(1)), "who makes it is in it");
    let people: Vec<_> = (0..6).map(|_| server.as_(&server.person(&[], &[]))).collect();
    let joined = at_once(people.iter().map(|person| person.call("POST", &members)).collect());
    assert_eq!(how_many(&joined, 201), 6);
    let again = at_once((0..4).map(|_| people[0].call("POST", &members)).collect());
    assert_eq!(how_many(&again, 409), 4);
    assert_eq!(server.anonymous().get(&scene.path).expect(200)["memberCount"], 7);
    assert_eq!(scene.convener().get(&members).expect(200).each("id").len(), 7);
    assert_eq!(people[1].get(&members).expect(200).each("id"), [joined[1].text("id")], "oneself");
    let others = joined[2].header("location").unwrap();
    people[1].get(others).expect(404);
    people[1].delete(others).header("If-Match", "*").expect(404);
    assert_eq!(people[1].get("/v1/networks?joined=true").expect(200).each("slug"), ["london-peer-group"]);
    assert!(server.anonymous().get("/v1/networks?joined=true").expect(200).each("slug").is_empty());
    for (named, found) in [("PEER%20gr", 1), ("%25", 0), ("%EF%BC%85", 0), ("p_er", 0), ("Pe%C3%A9r", 1)] {
        let page = server.anonymous().get(&format!("/v1/networks?name={named}")).expect(200);
        assert_eq!(page.each("slug").len(), found, "{named}");
    }

    // A convener may do what a contributor of its organisation may.
    people[3].patch(&scene.path, json!({ "name": "Peers" })).header("If-Match", "*").expect(403);
    let own = joined[3].header("location").unwrap();
    let raise = json!({ "role": "convener" });
    people[3].patch(own, raise.clone()).header("If-Match", "*").expect(403);
    scene.convener().patch(own, raise).header("If-Match", "*").expect(200);
    people[3].patch(&scene.path, json!({ "name": "Peers" })).header("If-Match", "*").expect(200);
    let event = crate::support::event("hackney").with("network", "london-peer-group");
    people[3].post("/v1/events", event.clone()).expect(403);
    let made = scene.convener().post("/v1/events", event.clone()).expect(201);
    assert_eq!(made["network"]["name"], "Peers");
    people[3].call("POST", &format!("/v1/events/{}/publish", made.text("id"))).expect(200);
    let stranger = server.member(&server.add_organisation(council("Barnet")), Role::Contributor);
    let foreign = crate::support::event("barnet").with("network", "london-peer-group");
    server.as_(&stranger).post("/v1/events", foreign).expect(403);
    let nowhere = crate::support::event("hackney").with("network", "nowhere");
    assert_eq!(scene.convener().post("/v1/events", nowhere).expect(409).faults(), ["#/network unknown_network"]);

    people[3].delete(own).header("If-Match", "*").expect(204);
    people[3].patch(&scene.path, json!({ "name": "Again" })).header("If-Match", "*").expect(403);
    assert_eq!(scene.convener().delete(&scene.path).header("If-Match", "*").expect(409).faults(), ["# in_use"]);
}

#[test]
fn a_series_makes_events_that_follow_it_and_can_be_changed_by_themselves() {
    let scene = Scene::new();
    let convener = scene.convener();
    let made = scene.series();
    let events = scene.events();
    assert!((55..=60).contains(&events.len()), "{}", events.len());
    for event in &events {
        let starts_at = at(event["startsAt"].as_str().unwrap()).with_timezone(&London);
        assert_eq!((starts_at.weekday(), starts_at.format("%R").to_string()), (Weekday::Thu, "18:00".to_owned()));
        assert_eq!((&event["status"], &event["seriesId"]), (&json!("published"), &made["id"]));
        assert_eq!(event["recurrenceOn"], starts_at.format("%F").to_string());
        assert_eq!(event["organisers"][0]["slug"], "hackney");
    }
    let path = made.header("location").unwrap();
    let change = |body: Value| convener.patch(path, body).header("If-Match", "*").expect(200);

    // One is moved by itself; somebody answers another; a third is called off.
    let of = |index: usize| format!("/v1/events/{}", events[index]["id"].as_str().unwrap());
    let venue = json!({ "venue": { "name": "Town Hall" } });
    let apart = convener.patch(&of(3), venue).header("If-Match", "*").expect(200);
    assert_eq!((&apart["changedApart"], &apart["sequence"]), (&json!(true), &json!(1)));
    let alone = convener.patch(&of(2), json!({ "network": null })).header("If-Match", "*").expect(409);
    assert_eq!(alone.faults(), ["#/network of_series"]);
    let of_it = format!("/v1/events?count=true&limit=1&series={}", made.text("id"));
    assert_eq!(scene.server.anonymous().get(&of_it).expect(200)["total"], events.len());
    let guest = scene.server.as_(&scene.server.person(&[], &[]));
    guest.post(&format!("{}/rsvps", of(5)), json!({})).expect(201);
    convener.post(&format!("{}/cancel", of(6)), json!({})).expect(200);

    let skipped: Vec<&str> = [4, 5].map(|index: usize| events[index]["recurrenceOn"].as_str().unwrap()).to_vec();
    change(json!({ "startTime": "18:30", "exceptDates": skipped }));
    let now = scene.events();
    let find = |index: usize| now.iter().find(|event| event["id"] == events[index]["id"]);
    let shown = |index: usize| {
        let event = find(index).unwrap();
        let starts_at = at(event["startsAt"].as_str().unwrap()).with_timezone(&London).format("%R").to_string();
        format!("{} {starts_at} {}", event["status"].as_str().unwrap(), event["venue"]["name"].as_str().unwrap())
    };
    assert_eq!(shown(2), "published 18:30 City Hall", "it follows");
    assert_eq!(shown(3), "published 18:00 Town Hall", "it was changed by itself");
    assert!(find(4).is_none(), "nobody answered, so it is gone");
    assert_eq!(shown(5), "cancelled 18:00 City Hall", "somebody came, so it says so");
    assert_eq!(shown(6), "cancelled 18:00 City Hall", "it was called off before");
    let told = guest.get("/v1/me/notifications").expect(200);
    assert_eq!(told.each("kind"), ["event_cancelled"]);

    // The day is taken in again, and nothing is made twice.
    change(json!({ "exceptDates": [] }));
    let days: Vec<String> = scene.events().iter().map(|event| event["recurrenceOn"].to_string()).collect();
    let distinct: std::collections::BTreeSet<&String> = days.iter().collect();
    assert_eq!((days.len(), distinct.len()), (events.len(), events.len()));
    let same = change(json!({ "startTime": "18:30" }));
    assert_eq!(same["version"], 3, "nothing changed");

    convener.delete(path).header("If-Match", "*").expect(204);
    let left: Vec<Value> = scene.events();
    assert!(left.iter().all(|event| event["status"] == "cancelled" && event["seriesId"].is_null()), "{left:?}");
    assert_eq!(left.len(), 2);
}

#[test]
fn a_series_says_when_and_where_or_is_refused() {
    let scene = Scene::new();
    let path = format!("{}/series", scene.path);
    for (field, value, fault) in [
        ("rrule", json!("FREQ=MONTHLY;BYDAY=9XX"), "#/rrule wrong_rule"),
        ("rrule", json!("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"), "#/rrule never"),
        ("rrule", json!("FREQ=SECONDLY"), "#/rrule wrong_form"),
        ("timeZone", json!("Europe/Atlantis"), "#/timeZone unknown_time_zone"),
        ("startTime", json!("25:00"), "#/startTime wrong_form"),
        ("startsOn", json!("1900-01-01"), "#/startsOn out_of_range"),
        ("venue", Value::Null, "#/venue nowhere"),
        ("durationMinutes", json!(0), "#/durationMinutes too_small"),
    ] {
        let refused = scene.convener().post(&path, series().with(field, value)).expect(400);
        assert_eq!(refused.faults(), [fault]);
    }
    let online = series().with("onlineUrl", "https://meet.example.org/teacamp");
    let made = scene.convener().post(&path, online).expect(201);
    assert_eq!(made["onlineUrl"], "https://meet.example.org/teacamp");
    let seen = scene.server.anonymous().get(made.header("location").unwrap()).expect(200);
    assert_eq!(seen["onlineUrl"], Value::Null, "for who looks after the network");
    let viewer = scene.server.as_(&scene.server.member(&scene.council, Role::Viewer));
    viewer.post(&path, series()).expect(403);
    assert_eq!(scene.server.anonymous().get(&path).expect(200)["items"][0]["onlineUrl"], Value::Null);
}

#[test]
fn time_brings_more_events_nearer_once_whoever_looks() {
    let scene = Scene::new();
    scene.series();
    let database = scene.server.database();
    let before = database.number("select count(*) from events");
    // As if it had been laid out long ago, when the last five were too far ahead.
    database.execute(
        "delete from events where id in (select id from events order by starts_at desc limit 5);
         update event_series set laid_out_on = current_date - 30",
    );
    let clock = api::clock::Clock::System;
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let db = open(&database.url);
                actix_web::rt::Runtime::new().unwrap().block_on(api::jobs::series::catch_up(&db, clock));
            });
        }
    });
    assert_eq!(database.number("select count(*) from events"), before);
    assert_eq!(database.number("select count(*) from event_series where laid_out_on = current_date"), 1);
    assert!(scene.events().iter().all(|event| at(event["startsAt"].as_str().unwrap()) > clock.now()));
}
