//! Flags, the queue, and what moderators decide.

use std::thread;

use db::{PlatformRole, Role};
use serde_json::{Value, json};

use crate::concurrency::{at_once, how_many};
use crate::support::client::Client;
use crate::support::{Answer, Person, Server, council, product};

/// A public body, and a comment of one of its people.
struct Scene {
    council: Answer,
    list: String,
    author: Person,
    comment: Answer,
}

impl Scene {
    fn new(server: &Server) -> Self {
        let product = server.add_product(product("Bins"));
        let council = server.add_organisation(council("Ealing Council"));
        let list = format!("/v1/products/{}/comments", product.id());
        let author = server.member(&council, Role::Viewer);
        let words = json!({ "bodyMarkdown": "Ask Jo Bloggs. <img src=x onerror=alert(1)>[x](javascript:alert(1))" });
        let comment = server.as_(&author).post(&list, words).expect(201);
        Self { council, list, author, comment }
    }

    fn path(&self) -> String {
        format!("/v1/comments/{}", self.comment.id())
    }

    fn flags(&self) -> String {
        format!("{}/flags", self.path())
    }

    fn somebody<'s>(&self, server: &'s Server) -> Client<'s> {
        server.as_(&server.member(&self.council, Role::Viewer))
    }

    fn flag(&self, client: &Client<'_>, reason: &str) -> Answer {
        client.post(&self.flags(), json!({ "reason": reason })).expect(201)
    }

    fn status(&self, client: &Client<'_>) -> String {
        client.get(&self.path()).expect(200).text("status").to_owned()
    }

    fn counts(&self, server: &Server) -> (Value, i64) {
        let read = server.anonymous().get(self.list.trim_end_matches("/comments")).expect(200);
        (
            read["commentCount"].clone(),
            server.database().number("select count(*) from comments where status = 'visible'"),
        )
    }
}

fn moderator(server: &Server) -> Client<'_> {
    server.as_(&server.person(&[PlatformRole::Moderator], &[]))
}

#[test]
fn flags_hide_and_moderators_judge() {
    let server = Server::start();
    let scene = Scene::new(&server);
    let (nobody, moderator) = (server.anonymous(), moderator(&server));
    let author = server.as_(&scene.author);
    for (n, reason) in ["wrong", "personal_data"].into_iter().enumerate() {
        scene.flag(&scene.somebody(&server), reason);
        assert_eq!(scene.status(&nobody), "visible", "after {n}");
    }
    let told = json!({ "reason": "personal_data", "detail": "It names a resident." });
    scene.somebody(&server).post(&scene.flags(), told).expect(201);
    let hidden = nobody.get(&scene.path()).expect(200);
    assert_eq!(
        (&hidden["status"], &hidden["bodyHtml"], &hidden["author"]),
        (&json!("hidden"), &Value::Null, &Value::Null)
    );
    assert_eq!(scene.counts(&server), (json!(0), 0));
    let own = author.get(&scene.path()).expect(200);
    assert_eq!(own["bodyHtml"], "<p>Ask Jo Bloggs. x</p>\n", "and the payload is inert");
    assert_eq!(own["decision"]["reason"], "personal_data");
    assert_eq!(own["decision"]["byFlags"], true);

    author.get("/v1/moderation/queue").expect(403);
    nobody.get("/v1/moderation/queue").expect(401);
    let queue = moderator.get("/v1/moderation/queue").expect(200);
    assert_eq!(queue["items"][0]["comment"]["bodyMarkdown"], scene.comment["bodyMarkdown"]);
    let counts = json!([{ "reason": "personal_data", "count": 2 }, { "reason": "wrong", "count": 1 }]);
    assert_eq!(queue["items"][0]["flags"], counts);
    let flags = moderator.get(&scene.flags()).expect(200);
    assert_eq!(flags.each("status"), ["live", "live", "live"]);
    assert_eq!(flags["items"][2]["detail"], "It names a resident.");

    let restored =
        moderator.post(&format!("{}/restore", scene.path()), json!({ "note": "Jo is fine with it." })).expect(200);
    assert_eq!(restored["status"], "visible");
    assert_eq!(author.get(&scene.path()).expect(200)["decision"]["note"], "Jo is fine with it.");
    assert!(nobody.get(&scene.path()).expect(200)["decision"].is_null());
    assert_eq!(scene.counts(&server), (json!(1), 1));
    assert_eq!(moderator.get(&scene.flags()).expect(200).each("status"), ["settled"; 3]);
    assert!(moderator.get("/v1/moderation/queue").expect(200).each("queuedAt").is_empty());
    // What was judged does not count again.
    scene.flag(&scene.somebody(&server), "spam");
    scene.flag(&scene.somebody(&server), "spam");
    assert_eq!(scene.status(&nobody), "visible");

    let removed = json!({ "reason": "abuse", "note": "On reflection." });
    moderator.post(&format!("{}/remove", scene.path()), removed.clone()).expect(200);
    assert_eq!(scene.status(&nobody), "removed");
    assert_eq!(moderator.get(&scene.path()).expect(200)["bodyMarkdown"], scene.comment["bodyMarkdown"]);
    for action in ["hide", "remove"] {
        moderator.post(&format!("{}/{action}", scene.path()), removed.clone()).expect(409);
    }
    moderator.post(&format!("{}/restore", scene.path()), json!({})).expect(409);
    scene.somebody(&server).post(&scene.flags(), json!({ "reason": "spam" })).expect(409);

    let statement = nobody.get("/v1/moderation/statement").expect(200);
    let decided: Vec<(&str, &str, i64)> = statement["items"][0]["decisions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["action"].as_str().unwrap(), one["reason"].as_str().unwrap(), one["count"].as_i64().unwrap()))
        .collect();
    assert_eq!(decided, [("hidden", "personal_data", 1), ("restored", "personal_data", 1), ("removed", "abuse", 1)]);
    let trail = server.database().texts("select coalesce(before::text, '') || coalesce(after::text, '') as value from audit_events where object_type like 'comment%'");
    for words in ["Jo", "resident", "reflection"] {
        assert!(trail.iter().all(|entry| !entry.contains(words)), "the trail tells {words}");
    }
}

#[test]
fn what_was_flagged_and_not_hidden_is_settled_too() {
    let server = Server::start();
    let scene = Scene::new(&server);
    let moderator = moderator(&server);
    let critic = scene.somebody(&server);
    scene.flag(&critic, "wrong");
    let restored = moderator.post(&format!("{}/restore", scene.path()), json!({})).expect(200);
    assert_eq!((&restored["status"], &restored["version"]), (&json!("visible"), &json!(1)));
    let again = critic.post(&scene.flags(), json!({ "reason": "wrong" })).expect(409);
    assert_eq!(again.faults(), ["# judged_already"]);
    let author = server.as_(&scene.author);
    author.patch(&scene.path(), json!({ "bodyMarkdown": "Otherwise." })).header("If-Match", "*").expect(200);
    scene.flag(&critic, "wrong");
    moderator.post(&format!("{}/hide", scene.path()), json!({ "reason": "wrong" })).expect(200);
    let hidden = author.get(&scene.path()).expect(200);
    assert_eq!((&hidden["status"], &hidden["decision"]["byFlags"]), (&json!("hidden"), &json!(false)));
    author.delete(&scene.path()).if_match(&hidden).expect(204);
    assert_eq!(moderator.get(&scene.flags()).expect(200).each("status"), ["settled", "settled"]);
}

#[test]
fn forty_flags_at_once_hide_once() {
    let server = Server::start();
    let scene = Scene::new(&server);
    let people: Vec<Client<'_>> = (0..40).map(|_| scene.somebody(&server)).collect();
    let answers = at_once(people.iter().map(|one| one.post(&scene.flags(), json!({ "reason": "spam" }))).collect());
    assert_eq!(how_many(&answers, 201), 40);
    assert_eq!(server.database().number("select count(*) from comment_decisions where action = 'hidden'"), 1);
    assert_eq!(server.database().number("select count(*) from audit_events where object_type = 'comments' and after ? 'status' and before is not null"), 1);
    assert_eq!(scene.status(&server.anonymous()), "hidden");
    assert_eq!(scene.counts(&server), (json!(0), 0));
    let one = &people[0];
    let twice = at_once((0..10).map(|_| one.post(&scene.flags(), json!({ "reason": "spam" }))).collect());
    assert_eq!(how_many(&twice, 409), 10, "each once");
}

#[test]
fn a_flag_that_was_withdrawn_never_counts() {
    let server = Server::start();
    let scene = Scene::new(&server);
    let (first, second) = (scene.somebody(&server), scene.somebody(&server));
    let flag = scene.flag(&first, "spam");
    scene.flag(&second, "spam");
    let own = flag.header("location").unwrap();
    assert_eq!(first.get(own).expect(200).etag(), flag.etag());
    second.get(own).expect(404);
    second.delete(own).if_match(&flag).expect(404);
    moderator(&server).delete(own).if_match(&flag).expect(403);
    first.delete(own).if_match(&flag).expect(204);
    assert_eq!(first.get(own).expect(200)["status"], "withdrawn");
    assert_eq!(first.delete(own).header("If-Match", "*").expect(409).faults(), ["# out_of_turn"]);
    scene.flag(&scene.somebody(&server), "spam");
    assert_eq!(scene.status(&server.anonymous()), "visible", "two count");
    // The third that counts is raised anew by the one who withdrew.
    let anew = scene.flag(&first, "abuse");
    assert_eq!(scene.status(&server.anonymous()), "hidden");
    first.delete(anew.header("location").unwrap()).if_match(&anew).expect(204);
    assert_eq!(scene.status(&server.anonymous()), "hidden", "waits to be judged");
    for change in ["withdrawn_at = null", "reason = 'other'"] {
        let refused =
            server.database().refusal(&format!("update comment_flags set {change} where id = '{}'", flag.id()));
        assert!(refused.is_some(), "{change}");
    }
}

#[test]
fn who_flags_and_withdraws_all_the_time_is_counted_right() {
    let server = Server::with(&[("LOTI_FLAG_THRESHOLD", "6")]);
    let scene = Scene::new(&server);
    let people: Vec<Client<'_>> = (0..8).map(|_| scene.somebody(&server)).collect();
    thread::scope(|scope| {
        for (n, one) in people.iter().enumerate() {
            let scene = &scene;
            scope.spawn(move || {
                for round in 0..4 + n % 2 {
                    let flag = scene.flag(one, "spam");
                    // Of each two, one ends with a flag that counts.
                    if round < 4 {
                        one.delete(flag.header("location").unwrap()).if_match(&flag).expect(204);
                    }
                }
            });
        }
    });
    let database = server.database();
    let live = "select count(*) from comment_flags where withdrawn_at is null and settled_at is null";
    assert_eq!(database.number(live), 4);
    assert_eq!(database.number(&format!("select live_flag_count('{}')", scene.comment.id())), 4);
    let hides = database.number("select count(*) from comment_decisions");
    let hidden = scene.status(&server.anonymous()) == "hidden";
    assert_eq!(i64::from(hidden), hides, "once, if ever six counted at the same time");
    assert_eq!(database.number("select count(*) from comments where queued_at is not null"), 1);
}

#[test]
fn the_last_flag_withdrawn_leaves_nothing_to_judge() {
    let server = Server::start();
    let scene = Scene::new(&server);
    let critic = scene.somebody(&server);
    let flag = scene.flag(&critic, "spam");
    let moderator = moderator(&server);
    assert_eq!(moderator.get("/v1/moderation/queue").expect(200).each("queuedAt").len(), 1);
    critic.delete(flag.header("location").unwrap()).if_match(&flag).expect(204);
    assert!(moderator.get("/v1/moderation/queue").expect(200).each("queuedAt").is_empty());
    assert_eq!(server.anonymous().get(&scene.path()).expect(200)["version"], 1, "no change of the comment");
}

#[test]
fn nobody_judges_in_their_own_case() {
    let server = Server::start();
    let scene = Scene::new(&server);
    let judge = |client: &Client<'_>, path: &str| {
        ["hide", "remove"]
            .map(|action| client.post(&format!("{path}/{action}"), json!({ "reason": "spam" })).send().status)
    };
    server.as_(&scene.author).post(&scene.flags(), json!({ "reason": "spam" })).expect(403);
    let partial = moderator(&server);
    let flag = scene.flag(&partial, "spam");
    assert_eq!(judge(&partial, &scene.path()), [403, 403]);
    partial.delete(flag.header("location").unwrap()).if_match(&flag).expect(204);
    assert_eq!(judge(&partial, &scene.path()), [403, 403], "also after it was withdrawn");
    let own = partial.post(&scene.list, json!({ "bodyMarkdown": "Mine." })).expect(201);
    assert_eq!(judge(&partial, &format!("/v1/comments/{}", own.id())), [403, 403]);
    assert_eq!(judge(&server.as_(&scene.author), &scene.path()), [403, 403]);
    assert_eq!(judge(&moderator(&server), &scene.path()), [200, 200]);
}

#[test]
fn flags_are_shown_to_moderators_and_to_who_raised_them() {
    let server = Server::start();
    let scene = Scene::new(&server);
    let critic = server.member(&scene.council, Role::Viewer);
    scene.flag(&server.as_(&critic), "spam");
    server.as_(&critic).get(&scene.flags()).expect(403);
    server.as_(&scene.author).get(&scene.flags()).expect(403);
    let admin = server.as_(&server.member(&scene.council, Role::Admin));
    let trail = admin.get("/v1/audit-events?objectType=comment_flags").expect(200);
    assert!(trail.each("objectType").is_empty(), "colleagues do not learn who flags whom");
    let seen = |viewer: String| {
        server.database().texts_of_last(&format!(
            "begin; set local role loti_service; set local loti.viewer = '{viewer}';
             select count(*)::text as value from comment_flags; commit"
        ))
    };
    assert_eq!(seen(format!("person:{}", critic.id)), "1");
    assert_eq!(seen(format!("person:{}", scene.author.id)), "0");
    assert_eq!(seen(format!("person:{}", server.person(&[PlatformRole::Moderator], &[]).id)), "1");
    assert_eq!(seen(String::new()), "0");
}

#[test]
fn nobody_flags_without_end() {
    let server = Server::start();
    let scene = Scene::new(&server);
    let person = server.member(&scene.council, Role::Viewer);
    server.database().execute(&format!(
        "insert into quotas values ('flags_of_principal', 'person:{}', date_trunc('hour', now()), 20)",
        person.id
    ));
    server.as_(&person).post(&scene.flags(), json!({ "reason": "spam" })).expect(429);
}

#[test]
fn the_queue_is_paged_the_longest_waiting_first() {
    let server = Server::start();
    let scene = Scene::new(&server);
    let critic = scene.somebody(&server);
    let mut flagged = vec![scene.comment.text("id").to_owned()];
    scene.flag(&critic, "spam");
    for n in 0..4 {
        let words = json!({ "bodyMarkdown": format!("Number {n}.") });
        let made = server.as_(&scene.author).post(&scene.list, words).expect(201);
        critic.post(&format!("/v1/comments/{}/flags", made.id()), json!({ "reason": "wrong" })).expect(201);
        flagged.push(made.text("id").to_owned());
    }
    let (moderator, mut seen) = (moderator(&server), Vec::new());
    let mut next = Some("/v1/moderation/queue?limit=2".to_owned());
    while let Some(at) = next {
        let page = moderator.get(&at).expect(200);
        let items = page["items"].as_array().unwrap();
        seen.extend(items.iter().map(|item| item["comment"]["id"].as_str().unwrap().to_owned()));
        next = page.next();
    }
    assert_eq!(seen, flagged);
}

#[test]
fn counters_are_right_whatever_happens_at_once() {
    let server = Server::start();
    let scene = Scene::new(&server);
    let authors: Vec<Client<'_>> = (0..6).map(|_| scene.somebody(&server)).collect();
    let moderators: Vec<Client<'_>> = (0..6).map(|_| moderator(&server)).collect();
    thread::scope(|scope| {
        for (n, (author, moderator)) in authors.iter().zip(&moderators).enumerate() {
            let scene = &scene;
            scope.spawn(move || {
                for round in 0..5 {
                    let made = author.post(&scene.list, json!({ "bodyMarkdown": "Again." })).expect(201);
                    let path = format!("/v1/comments/{}", made.id());
                    let reason = json!({ "reason": "spam" });
                    match (n + round) % 4 {
                        0 => drop(moderator.post(&format!("{path}/remove"), reason).expect(200)),
                        1 => drop(author.delete(&path).if_match(&made).expect(204)),
                        2 => {
                            moderator.post(&format!("{path}/hide"), reason).expect(200);
                            moderator.post(&format!("{path}/restore"), json!({})).expect(200);
                        }
                        _ => drop(moderator.post(&format!("{path}/hide"), reason).expect(200)),
                    }
                }
            });
        }
    });
    let (counted, recounted) = scene.counts(&server);
    assert_eq!(counted, json!(recounted));
    server.database().execute("select fold_product_counters(1000)");
    assert_eq!(scene.counts(&server), (json!(recounted), recounted));
}
