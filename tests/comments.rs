//! `/v1/products/{id}/comments` and `/v1/comments`: threads, labels, wordings, and Markdown that stays inert.

use db::{PlatformRole, Role, people};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::client::Client;
use crate::support::{Answer, Person, Server, council, product, supplier};

/// A product to speak of, and a public body whose people do.
fn discussed(server: &Server) -> (String, Answer) {
    let product = server.add_product(product("Bins"));
    (format!("/v1/products/{}/comments", product.id()), server.add_organisation(council("Ealing Council")))
}

fn say(client: &Client<'_>, list: &str, words: &str) -> Answer {
    client.post(list, json!({ "bodyMarkdown": words })).expect(201)
}

fn reply(client: &Client<'_>, list: &str, to: &Answer, words: &str) -> Answer {
    client.post(list, json!({ "bodyMarkdown": words, "parent": to.text("id") })).expect(201)
}

fn path(comment: &Answer) -> String {
    format!("/v1/comments/{}", comment.id())
}

/// The ids of all pages of a list, with something done after each page.
fn all(client: &Client<'_>, list: &str, between: impl Fn()) -> Vec<String> {
    let (mut next, mut found) = (Some(list.to_owned()), Vec::new());
    while let Some(at) = next {
        let page = client.get(&at).expect(200);
        found.extend(page.each("id").into_iter().map(ToOwned::to_owned));
        next = page.next();
        between();
    }
    found
}

#[test]
fn a_suppliers_reply_is_labelled_and_everybody_reads_it() {
    let server = Server::start();
    let ealing = server.add_organisation(council("Ealing Council"));
    let civica = server.add_organisation(supplier("Civica"));
    let product = server.add_product(product("Bins").with("supplier", civica.text("id")));
    let list = format!("/v1/products/{}/comments", product.text("slug"));
    let officer = server.as_(&server.member(&ealing, Role::Viewer));
    let vendor = server.as_(&server.member(&civica, Role::Viewer));

    let asked = say(&officer, &list, "Does it *scale*?");
    assert_eq!(asked.header("location"), Some(path(&asked).as_str()));
    assert_eq!(asked["bodyHtml"], "<p>Does it <em>scale</em>?</p>\n");
    assert_eq!((&asked["authorKind"], &asked["organisation"]["name"]), (&json!("member"), &json!("Ealing Council")));
    assert_eq!(
        (&asked["depth"], &asked["threadId"], &asked["author"]["name"]),
        (&json!(1), &asked["id"], &json!("A person"))
    );
    let answered = reply(&vendor, &list, &asked, "It does.");
    assert_eq!((&answered["authorKind"], &answered["depth"]), (&json!("supplier"), &json!(2)));
    let ruled = reply(&server.as_(&server.person(&[PlatformRole::Moderator], &[])), &list, &answered, "Thank you.");
    assert_eq!((&ruled["authorKind"], &ruled["organisation"]), (&json!("moderator"), &Value::Null));

    let read = server.anonymous().get(&list).expect(200);
    assert_eq!(read.each("authorKind"), ["member", "supplier", "moderator"]);
    assert_eq!(read["items"][2]["threadId"], asked["id"]);
    assert_eq!(
        server.anonymous().get(&format!("{list}?authorKind=supplier")).expect(200).each("id"),
        [answered.text("id")]
    );
    let counted = server.anonymous().get(&format!("/v1/products/{}", product.id())).expect(200);
    assert_eq!(counted["commentCount"], 3);
    server.as_(&server.admin()).delete(&format!("/v1/products/{}", product.id())).header("If-Match", "*").expect(409);
}

#[test]
fn the_service_says_who_speaks_as_what() {
    let server = Server::start();
    let (list, ealing) = discussed(&server);
    let other = server.add_organisation(council("Barnet Council"));
    let civica = server.add_organisation(supplier("Civica"));
    let community = server.add_organisation(crate::support::organisation("community", "Friends of bins"));
    let words = || json!({ "bodyMarkdown": "Good." });
    let with = |field: &str, value: Value| {
        let mut body = words();
        body[field] = value;
        body
    };
    let member = server.as_(&server.member(&ealing, Role::Viewer));
    member.post(&list, with("authorKind", json!("moderator"))).expect(400);
    member.post(&list, with("asModerator", json!(true))).expect(403);
    member.post(&list, with("organisation", other["slug"].clone())).expect(403);
    let unknown = member.post(&list, with("organisation", json!("elsewhere"))).expect(409);
    assert_eq!(unknown.faults(), ["#/organisation unknown_organisation"]);
    server.as_(&server.member(&community, Role::Admin)).post(&list, words()).expect(403);
    server.as_(&server.person(&[], &[])).post(&list, words()).expect(403);

    // Of two public bodies: the one that is named, or none.
    let both = server.as_(&server.person(&[], &[(ealing.id(), Role::Viewer), (other.id(), Role::Viewer)]));
    assert_eq!(both.post(&list, words()).expect(201)["organisation"], Value::Null);
    let named = both.post(&list, with("organisation", other["slug"].clone())).expect(201);
    assert_eq!(named["organisation"]["id"], other["id"]);

    // Who also belongs to a supplier is labelled, with whatever token.
    let memberships = [(ealing.id(), Role::Admin), (civica.id(), Role::Viewer)];
    let torn = server.person(&[PlatformRole::Moderator], &memberships);
    for client in [server.as_(&torn), server.as_(&torn.clone().acting_for(ealing.id()))] {
        assert_eq!(client.post(&list, words()).expect(201)["authorKind"], "supplier");
        client.post(&list, with("asModerator", json!(true))).expect(403);
    }
    let moderator = server.person(&[PlatformRole::Moderator], &[(ealing.id(), Role::Viewer)]);
    let moderator = server.as_(&moderator);
    assert_eq!(moderator.post(&list, words()).expect(201)["authorKind"], "member");
    assert_eq!(moderator.post(&list, with("asModerator", json!(true))).expect(201)["authorKind"], "moderator");
}

#[test]
fn a_program_does_not_speak() {
    let server = Server::start();
    let (list, ealing) = discussed(&server);
    let admin = server.as_(&server.member(&ealing, Role::Admin));
    let scopes = json!(["comments:read", "comments:write", "moderation"]);
    let program = json!({
        "organisation": ealing.text("id"), "name": "Talker", "kind": "service", "role": "steward", "scopes": scopes,
    });
    let program = admin.post("/v1/clients", program).expect(201);
    let mut claims = server.claims(&Person::unknown());
    claims.sub = program.id();
    claims.client_id = program.text("id").to_owned();
    claims.org = Some(ealing.id());
    let program = server.with_authorization(&format!("Bearer {}", server.sign(&claims)));
    let made = say(&admin, &list, "Said by a person.");
    program.get(&path(&made)).expect(200);
    program.post(&list, json!({ "bodyMarkdown": "Said by nobody." })).expect(403);
    program.post(&format!("{}/flags", path(&made)), json!({ "reason": "spam" })).expect(403);
    program.post(&format!("{}/remove", path(&made)), json!({ "reason": "spam" })).expect(403);
    program.delete(&path(&made)).if_match(&made).expect(403);
}

#[test]
fn no_list_reads_all_that_was_ever_said() {
    let server = Server::start();
    let (list, ealing) = discussed(&server);
    let made = say(&server.as_(&server.member(&ealing, Role::Viewer)), &list, "One of many.");
    server.database().execute(
        "with spoken as (
           insert into products (id, slug, name, kind, phase)
             select gen_random_uuid(), 'spoken-of-' || i, 'Spoken of', 'service', 'beta' from generate_series(1, 100) as i
           returning id)
         insert into comments (id, product_id, status, author_kind, body_markdown, body_html, renderer)
           select gen_random_uuid(), id, 'visible', 'member', 'x', 'x', 1 from spoken, generate_series(1, 200);
         analyze comments",
    );
    let admin = server.admin();
    let scans = "coalesce((select seq_scan from pg_stat_user_tables where relname = 'comments'), 0)";
    let id = made.id();
    let lists = [
        list.clone(),
        format!("{list}?sort=createdAt"),
        format!("{list}?sort=-createdAt"),
        format!("{list}?topLevel=true&sort=createdAt"),
        format!("{list}?parent={id}&sort=createdAt"),
        format!("{list}?thread={id}"),
        path(&made),
        "/v1/moderation/queue".to_owned(),
    ];
    for read in lists {
        let before = server.database().number(scans);
        let reader = Server::on_with_key(&server.database().url, &server.key_file());
        reader.as_(&admin).get(&read).expect(200);
        drop(reader);
        assert_eq!(server.database().number(scans) - before, 0, "{read} reads them all");
    }
}

#[test]
fn a_reply_stays_in_the_thread_of_its_parent() {
    let server = Server::start();
    let (list, ealing) = discussed(&server);
    let member = server.as_(&server.member(&ealing, Role::Viewer));
    let first = say(&member, &list, "First.");
    let second = say(&member, &list, "Second.");
    let late = reply(&member, &list, &first, "Late reply.");
    let below = reply(&member, &list, &late, "Below.");
    let order = |query: &str| all(&server.anonymous(), &format!("{list}?{query}"), || {});
    let ids = |comments: &[&Answer]| comments.iter().map(|c| c.text("id").to_owned()).collect::<Vec<_>>();
    assert_eq!(order("limit=1"), ids(&[&first, &late, &below, &second]));
    assert_eq!(order("limit=1&sort=createdAt"), ids(&[&first, &second, &late, &below]));
    assert_eq!(order("limit=1&sort=-createdAt"), ids(&[&below, &late, &second, &first]));
    assert_eq!(order("topLevel=true"), ids(&[&first, &second]));
    assert_eq!(order(&format!("parent={}", first.id())), ids(&[&late]));
    assert_eq!(order(&format!("limit=1&thread={}", late.id())), ids(&[&late, &below]));
    assert!(order(&format!("thread={}", Uuid::now_v7())).is_empty());
    let page = server.anonymous().get(&format!("{list}?limit=1")).expect(200);
    let cursor = page.text("nextCursor");
    let refused = server.anonymous().get(&format!("{list}?sort=createdAt&cursor={cursor}")).expect(400);
    assert_eq!(refused.faults(), ["cursor wrong_cursor"]);

    let mut deepest = below;
    while deepest["depth"] != 8 {
        deepest = reply(&member, &list, &deepest, "Deeper.");
    }
    let to = |parent: &Value| json!({ "bodyMarkdown": "Deeper.", "parent": parent });
    assert_eq!(member.post(&list, to(&deepest["id"])).expect(409).faults(), ["#/parent too_deep"]);
    let elsewhere = format!("/v1/products/{}/comments", server.add_product(product("Potholes")).id());
    assert_eq!(member.post(&elsewhere, to(&first["id"])).expect(409).faults(), ["#/parent unknown_comment"]);
    member.delete(&path(&second)).if_match(&second).expect(204);
    assert_eq!(member.post(&list, to(&second["id"])).expect(409).faults(), ["#/parent not_shown"]);
}

#[test]
fn who_pages_sees_each_once_while_others_write() {
    let server = Server::start();
    let (list, ealing) = discussed(&server);
    let member = || server.as_(&server.member(&ealing, Role::Viewer));
    let mut written = Vec::new();
    for thread in 0..6 {
        let author = member();
        let top = say(&author, &list, &format!("Thread {thread}."));
        for n in 0..3 {
            written.push(reply(&author, &list, &top, &format!("Reply {n}.")).text("id").to_owned());
        }
        written.push(top.text("id").to_owned());
    }
    let anchor = server.anonymous().get(&list).expect(200);
    let top = Answer { json: anchor["items"][4].clone(), ..anchor };
    for sort in ["thread", "createdAt", "-createdAt"] {
        let seen = all(&server.anonymous(), &format!("{list}?limit=7&sort={sort}"), || {
            let crowd = member();
            say(&crowd, &list, "In between.");
            reply(&crowd, &list, &top, "In between.");
        });
        for id in &written {
            assert_eq!(seen.iter().filter(|other| *other == id).count(), 1, "{sort}: {id}");
        }
        let mut once = seen.clone();
        once.sort();
        once.dedup();
        assert_eq!(once.len(), seen.len(), "{sort}: something came twice");
    }
}

#[test]
fn an_author_changes_their_words_and_moderators_see_what_they_were() {
    let server = Server::start();
    let (list, ealing) = discussed(&server);
    let person = server.member(&ealing, Role::Viewer);
    let (author, admin) = (server.as_(&person), server.as_(&server.admin()));
    let made = say(&author, &list, "It is *bad*.");
    let other = json!({ "bodyMarkdown": "It is *good*." });
    server.as_(&server.member(&ealing, Role::Admin)).patch(&path(&made), other.clone()).if_match(&made).expect(403);
    admin.patch(&path(&made), other.clone()).if_match(&made).expect(403);
    let changed = author.patch(&path(&made), other.clone()).if_match(&made).expect(200);
    assert_eq!((&changed["bodyHtml"], &changed["version"]), (&json!("<p>It is <em>good</em>.</p>\n"), &json!(2)));
    assert!(changed["editedAt"].is_string() && made["editedAt"].is_null());
    author.patch(&path(&made), json!({ "bodyMarkdown": "Late." })).if_match(&made).expect(412);
    assert_eq!(author.patch(&path(&made), other).if_match(&changed).expect(200)["version"], 2, "the same words");
    author.patch(&path(&made), json!({ "asModerator": true })).if_match(&changed).expect(400);

    let versions = format!("{}/versions", path(&made));
    author.get(&versions).expect(403);
    server.anonymous().get(&versions).expect(401);
    let kept = admin.get(&versions).expect(200);
    assert_eq!(kept.each("bodyMarkdown"), ["It is *good*.", "It is *bad*."]);
    let first = admin.get(&format!("{versions}?limit=1")).expect(200);
    assert_eq!(admin.get(&first.next().unwrap()).expect(200).each("bodyMarkdown"), ["It is *bad*."]);

    let (user, council) = (person.id, ealing.id());
    server.database().write(move |tx| people::remove_membership(tx, user, council)).unwrap();
    author.patch(&path(&made), json!({ "bodyMarkdown": "Gone." })).if_match(&changed).expect(403);
    author.delete(&path(&made)).if_match(&changed).expect(204);
    let trail = server.database().texts("select coalesce(before::text, '') || coalesce(after::text, '') as value from audit_events where object_type like 'comment%'");
    assert!(trail.len() == 3 && trail.iter().all(|entry| !entry.contains("It is")), "{trail:?}");
}

#[test]
fn what_is_removed_keeps_its_place_and_shows_nothing() {
    let server = Server::start();
    let (list, ealing) = discussed(&server);
    let (author, other) =
        (server.as_(&server.member(&ealing, Role::Viewer)), server.as_(&server.member(&ealing, Role::Viewer)));
    let top = say(&author, &list, "Too much said.");
    let below = reply(&other, &list, &top, "Indeed.");
    author.delete(&path(&top)).expect(428);
    other.delete(&path(&top)).if_match(&top).expect(403);
    author.delete(&path(&top)).if_match(&top).expect(204);
    assert_eq!(author.delete(&path(&top)).header("If-Match", "*").expect(409).faults(), ["# out_of_turn"]);
    author.patch(&path(&top), json!({ "bodyMarkdown": "Back." })).header("If-Match", "*").expect(409);
    for looker in [server.anonymous(), other] {
        let seen = looker.get(&list).expect(200);
        assert_eq!(seen.each("id"), [top.text("id"), below.text("id")]);
        assert_eq!(seen.each("status"), ["removed", "visible"]);
        for field in ["bodyMarkdown", "bodyHtml", "author", "organisation", "decision"] {
            assert!(seen["items"][0][field].is_null(), "{field}");
        }
        assert!(!String::from_utf8_lossy(&looker.get(&path(&top)).expect(200).bytes).contains("Too much"));
    }
    let own = author.get(&path(&top)).expect(200);
    assert_eq!((&own["bodyMarkdown"], &own["decision"]["action"]), (&json!("Too much said."), &json!("withdrawn")));
    let product = list.trim_end_matches("/comments");
    assert_eq!(server.anonymous().get(product).expect(200)["commentCount"], 1);
}

#[test]
fn who_was_erased_is_not_named() {
    let server = Server::start();
    let (list, ealing) = discussed(&server);
    let person = server.member(&ealing, Role::Viewer);
    let made = say(&server.as_(&person), &list, "Still true.");
    assert_eq!(server.anonymous().get(&path(&made)).expect(200)["author"], made["author"]);
    server.as_(&person).delete("/v1/me").header("If-Match", "*").expect(204);
    let read = server.anonymous().get(&path(&made)).expect(200);
    assert_eq!((&read["author"], &read["bodyMarkdown"]), (&Value::Null, &json!("Still true.")));
}

#[test]
fn nobody_talks_without_end() {
    let server = Server::start();
    let (list, ealing) = discussed(&server);
    let person = server.member(&ealing, Role::Viewer);
    let member = server.as_(&person);
    server.database().execute(&format!(
        "insert into quotas values ('comments_of_principal', 'person:{}', date_trunc('hour', now()), 29)",
        person.id
    ));
    say(&member, &list, "The thirtieth.");
    let refused = member.post(&list, json!({ "bodyMarkdown": "One too many." })).expect(429);
    assert!(refused.header("retry-after").is_some());
    say(&server.as_(&server.member(&ealing, Role::Viewer)), &list, "Somebody else.");
}

#[test]
fn the_database_keeps_threads_and_wordings_whole() {
    let server = Server::start();
    let (list, ealing) = discussed(&server);
    let member = server.as_(&server.member(&ealing, Role::Viewer));
    let (first, second) = (say(&member, &list, "First."), say(&member, &list, "Second."));
    let refused = |change: &str| server.database().refusal(&format!("{change} where id = '{}'", second.id()));
    for change in [
        format!("update comments set parent_id = '{}'", first.id()),
        "update comments set path = array[gen_random_uuid()]".to_owned(),
        "update comments set author_kind = 'moderator'".to_owned(),
        format!("update comments set author_id = '{}'", server.admin().id),
        "update comments set status = 'hidden'".to_owned(),
        "update comments set body_markdown = ''".to_owned(),
        "delete from comments".to_owned(),
    ] {
        assert!(refused(&change).is_some(), "{change}");
    }
    member.delete(&path(&second)).if_match(&second).expect(204);
    for change in ["update comments set status = 'visible'", "update comments set body_markdown = 'Back.'"] {
        assert!(refused(change).is_some(), "{change}");
    }
    for change in [
        "update comment_versions set body_markdown = 'x'",
        "delete from comment_versions",
        "delete from comment_decisions",
        "update comment_decisions set action = 'restored'",
    ] {
        assert!(server.database().refusal(change).is_some(), "{change}");
    }
}

/// Fails unless HTML has only elements, attributes and schemes that are on the list. Stricter than a browser: whatever
/// begins with `<` has to be one of ours, written out in full.
fn assert_inert(html: &str, what: &str) {
    let mut rest = html;
    while let Some((_, from)) = rest.split_once('<') {
        let (tag, behind) = from.split_once('>').unwrap_or_else(|| panic!("{what}: a tag without end in {html}"));
        let tag = tag.strip_prefix('/').unwrap_or(tag);
        let (name, attributes) = tag.split_once(' ').unwrap_or((tag, ""));
        assert!(api::markdown::ELEMENTS.contains(&name), "{what}: <{name}> in {html}");
        let mut attributes = attributes;
        while !attributes.is_empty() {
            let (attribute, from) = attributes.split_once("=\"").unwrap_or_else(|| panic!("{what}: {attributes}"));
            let (value, behind) = from.split_once('"').unwrap();
            match (name, attribute.trim()) {
                ("a", "href") => assert!(
                    ["http://", "https://", "mailto:"].iter().any(|scheme| value.starts_with(scheme)),
                    "{what}: goes to {value}"
                ),
                ("a", "rel") => assert_eq!(value, api::markdown::RELATION, "{what}"),
                ("ol", "start") => assert!(value.parse::<u32>().is_ok(), "{what}: {value}"),
                other => panic!("{what}: {other:?} in {html}"),
            }
            attributes = behind;
        }
        rest = behind;
    }
    for link in html.split("<a ").skip(1) {
        assert!(link.split('>').next().unwrap().contains("rel=\""), "{what}: a link without rel in {html}");
    }
}

/// What people have tried elsewhere.
const ATTACKS: &[&str] = &[
    "<script>alert(1)</script>",
    "<ScRiPt src=https://evil.example/x.js></ScRiPt>",
    "<script\n>alert(1)</script\n>",
    "<<script>script>alert(1)</script>",
    "text <script>alert(1)</script> text",
    "<img src=x onerror=alert(1)>",
    "<img/src='x'/onerror='alert(1)'>",
    "text <img src=x onerror=alert(1)> text",
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<svg><a xlink:href=\"javascript:alert(1)\"><text y=20>x</text></a></svg>",
    "<svg><animate onbegin=alert(1) attributeName=x dur=1s>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "<math><a xlink:href=javascript:alert(1)>x</a></math>",
    "<iframe src=javascript:alert(1)></iframe>",
    "<iframe srcdoc=\"<script>alert(1)</script>\"></iframe>",
    "<object data=javascript:alert(1)></object>",
    "<embed src=javascript:alert(1)>",
    "<form action=javascript:alert(1)><button>x</button></form>",
    "<input autofocus onfocus=alert(1)>",
    "<details open ontoggle=alert(1)>",
    "<body onload=alert(1)>",
    "<video><source onerror=alert(1)></video>",
    "<audio src=x onerror=alert(1)>",
    "<marquee onstart=alert(1)>",
    "<style>@import 'javascript:alert(1)';</style>",
    "<style><img src=\"</style><img src=x onerror=alert(1)>\">",
    "<link rel=stylesheet href=https://evil.example/x.css>",
    "<meta http-equiv=refresh content=\"0;url=javascript:alert(1)\">",
    "<base href=https://evil.example/>",
    "<template><script>alert(1)</script></template>",
    "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">",
    "<textarea><img title=\"</textarea><img src=x onerror=alert(1)>\"></textarea>",
    "<xmp><img title=\"</xmp><img src=x onerror=alert(1)>\"></xmp>",
    "<!--<img src=\"--><img src=x onerror=alert(1)>\">",
    "<!-- --!><img src=x onerror=alert(1)> -->",
    "<![CDATA[><img src=x onerror=alert(1)>]]>",
    "<?xml version=\"1.0\"?><script>alert(1)</script>",
    "<!DOCTYPE html><script>alert(1)</script>",
    "<a href=\"javascript:alert(1)\">x</a>",
    "<a href=\"https://ok.example\" onclick=\"alert(1)\">x</a>",
    "<p style=\"background:url(javascript:alert(1))\">x</p>",
    "<div id=content name=cookie>x</div>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](  javascript:alert(1))",
    "[x](<java\tscript:alert(1)>)",
    "[x](&#x6A;avascript:alert(1))",
    "[x](&#106&#97&#118&#97&#115&#99&#114&#105&#112&#116&#58;alert(1))",
    "[x](javascript&colon;alert(1))",
    "[x](java&Tab;script:alert(1))",
    "[x](java&NewLine;script:alert(1))",
    "[x](\u{1}javascript:alert(1))",
    "[x](\u{a0}javascript:alert(1))",
    "[x](javascript:alert(1)//https://ok.example)",
    "[x](vbscript:msgbox(1))",
    "[x](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)",
    "[x](data:image/svg+xml,<svg onload=alert(1)>)",
    "[x](file:///etc/passwd)",
    "[x](blob:https://ok.example/1)",
    "[x](//evil.example/x)",
    "[x](/v1/me)",
    "[x](\\\\evil.example\\x)",
    "[x](?cursor=1)",
    "[x](#fragment)",
    "[x](view-source:https://ok.example)",
    "[x](intent://ok.example#Intent;scheme=javascript;end)",
    "<javascript:alert(1)>",
    "<data:text/html,x>",
    "<https://ok.example/\"onmouseover=\"alert(1)>",
    "<x@y.example?subject=\"><script>alert(1)</script>>",
    "[x]: javascript:alert(1)\n\n[x]",
    "[x][y]\n\n[y]: <javascript:alert(1)> \"title\"",
    "[x](https://ok.example \"\\\" onmouseover=\\\"alert(1)\")",
    "[x](https://ok.example/\" onmouseover=\"alert(1))",
    "[x](https://ok.example/'onmouseover='alert(1))",
    "[<img src=x onerror=alert(1)>](https://ok.example)",
    "[![x](javascript:alert(1))](javascript:alert(2))",
    "![x](javascript:alert(1))",
    "![x](https://ok.example/track.png)",
    "![\" onerror=\"alert(1)](x)",
    "![x](data:image/svg+xml;base64,PHN2Zz4=)",
    "```\"><script>alert(1)</script>\n</code></pre><script>alert(1)</script>\n```",
    "``` \" onmouseover=\"alert(1)\ncode\n```",
    "`</code><script>alert(1)</script>`",
    "    </pre><script>alert(1)</script>",
    "| <script>alert(1)</script> | x |\n|---|---|\n| <img src=x onerror=alert(1)> | [x](javascript:alert(1)) |",
    "# <svg/onload=alert(1)>",
    "# x {#id onclick=alert(1)}",
    "> <script>\n> alert(1)\n> </script>",
    "- <script>\n- alert(1)</script>",
    "*<b onmouseover=alert(1)>x*</b>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;script&#62;alert(1)&#60;/script&#62;",
    "\\<script>alert(1)</script>",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "<a\nhref\n=\njavascript:alert(1)\n>x</a>",
    "<a href=x`onclick=alert(1)>x</a>",
    "<img src=`x` onerror=alert(1)",
    "<img src=x onerror=alert(1)//",
    "\"><img src=x onerror=alert(1)>",
    "'\"--></style></script><script>alert(1)</script>",
    "\u{feff}<script>alert(1)</script>",
    "<\u{200b}script>alert(1)</script>",
    "＜script＞alert(1)＜/script＞",
    "[a](https://ok.example)[b](javascript:alert(1))<svg>",
    "1. <li onclick=alert(1)>x",
    "<table><tr><td background=javascript:alert(1)>x</td></tr></table>",
    "<p><svg><style><!--</style><img src=x onerror=alert(1)>--></style></svg></p>",
    "<form><math><mtext></form><form><mglyph><style></math><img src=x onerror=alert(1)>",
];

#[test]
fn no_attack_survives_in_what_is_shown() {
    let server = Server::start();
    let (list, ealing) = discussed(&server);
    let author = server.as_(&server.member(&ealing, Role::Viewer));
    let mut shown = say(&author, &list, "Harmless.");
    assert!(ATTACKS.len() > 100);
    for attack in ATTACKS {
        shown = author.patch(&path(&shown), json!({ "bodyMarkdown": attack })).if_match(&shown).expect(200);
        assert_eq!(shown["bodyMarkdown"], json!(attack), "kept as it was typed");
        assert_inert(shown.text("bodyHtml"), attack);
    }
    // As it was typed it is shown to nobody's browser: the answer is JSON, and says so.
    assert_eq!(shown.header("content-type"), Some("application/json"));
    assert_eq!(shown.header("x-content-type-options"), Some("nosniff"));
    // Two attacks beside each other, or one in another, are no way around.
    for (n, attack) in ATTACKS.iter().enumerate() {
        let other = ATTACKS[(n * 7 + 3) % ATTACKS.len()];
        for both in [format!("{attack}\n\n{other}"), format!("{attack}{other}"), format!("> - [{attack}](<{other}>)")] {
            assert_inert(&api::markdown::render(&both), &both);
        }
    }
    let html = api::markdown::render("<https://ok.example/a?b=1&c=2> and <sam@ok.example>");
    assert_eq!(html.matches("<a href=").count(), 2, "what is allowed is left: {html}");
}

#[test]
fn what_an_earlier_renderer_made_is_made_anew() {
    let server = Server::start();
    let (list, ealing) = discussed(&server);
    let made = say(&server.as_(&server.member(&ealing, Role::Viewer)), &list, "It *works*.");
    server.database().execute("update comments set body_html = '<script>1</script>', renderer = 0");
    assert_eq!(server.anonymous().get(&path(&made)).expect(200)["bodyHtml"], "<p>It <em>works</em>.</p>\n");
}
