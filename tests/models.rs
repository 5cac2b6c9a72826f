//! Random sequences of calls, beside a model that says in a few lines what each has to do.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use db::{PlatformRole, Role};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::client::Client;
use crate::support::{Answer, Server, council, product};

/// Runs sequences of steps until one goes otherwise than its model.
fn check<S: std::fmt::Debug + Clone>(step: impl Strategy<Value = S>, run: impl Fn(&[S])) {
    let config = Config { cases: 12, failure_persistence: None, max_shrink_iters: 200, ..Config::default() };
    let sequences = proptest::collection::vec(step, 1..24);
    let outcome = TestRunner::new(config).run(&sequences, |steps| {
        run(&steps);
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

#[derive(Debug, Clone)]
enum OnCitation {
    /// Of one of three products, as a draft or at once.
    Create {
        product: usize,
        draft: bool,
    },
    Activate(usize),
    Confirm(usize),
    End(usize),
    Withdraw(usize),
    Rate(usize, u8),
    /// More time passes than the organisation lets pass.
    Age(usize),
}

fn on_citation() -> impl Strategy<Value = OnCitation> {
    let which = 0..6_usize;
    prop_oneof![
        3 => (0..3_usize, any::<bool>()).prop_map(|(product, draft)| OnCitation::Create { product, draft }),
        2 => which.clone().prop_map(OnCitation::Activate),
        1 => which.clone().prop_map(OnCitation::Confirm),
        1 => which.clone().prop_map(OnCitation::End),
        1 => which.clone().prop_map(OnCitation::Withdraw),
        1 => (which.clone(), 1..=5_u8).prop_map(|(which, stars)| OnCitation::Rate(which, stars)),
        1 => which.prop_map(OnCitation::Age),
    ]
}

#[derive(Debug, Clone)]
struct Cited {
    id: Uuid,
    product: usize,
    status: &'static str,
    satisfaction: Option<u8>,
}

impl Cited {
    fn is_live(&self) -> bool {
        matches!(self.status, "active" | "stale")
    }
}

/// What an organisation said, as it should stand.
struct Citations<'s> {
    server: &'s Server,
    steward: Client<'s>,
    council: String,
    products: Vec<String>,
    said: Vec<Cited>,
}

impl<'s> Citations<'s> {
    fn new(server: &'s Server) -> Self {
        let council = server.add_organisation(council("Ealing Council"));
        let steward = server.as_(&server.member(&council, Role::Steward));
        let products = (0..3).map(|_| server.add_product(product("Bins")).text("id").to_owned()).collect();
        Self { server, steward, council: council.text("id").to_owned(), products, said: Vec::new() }
    }

    fn has_live(&self, product: usize) -> bool {
        self.said.iter().any(|cited| cited.product == product && cited.is_live())
    }

    fn step(&mut self, step: &OnCitation) {
        let which = match *step {
            OnCitation::Create { product, draft } => return self.create(product, draft),
            OnCitation::Activate(n)
            | OnCitation::Confirm(n)
            | OnCitation::End(n)
            | OnCitation::Withdraw(n)
            | OnCitation::Rate(n, _)
            | OnCitation::Age(n) => n,
        };
        let Some(mut cited) = self.said.get(which).cloned() else { return };
        let path = format!("/v1/citations/{}", cited.id);
        let post = |action: &str| self.steward.call("POST", &format!("{path}/{action}"));
        let (call, becomes) = match *step {
            OnCitation::Create { .. } => return,
            OnCitation::Age(_) => {
                let old = format!(
                    "update citations set confirmed_at = now() - interval '400 days' where id = '{}'",
                    cited.id
                );
                self.server.database().execute(&old);
                cited.status = if cited.is_live() { "stale" } else { cited.status };
                self.said[which] = cited;
                return;
            }
            OnCitation::Activate(_) => {
                let free = cited.status == "draft" && !self.has_live(cited.product);
                (post("activate"), free.then_some("active"))
            }
            OnCitation::Confirm(_) => (post("confirm"), cited.is_live().then_some("active")),
            OnCitation::End(_) => {
                let open = cited.status == "draft" || cited.is_live();
                (self.steward.post(&format!("{path}/end"), json!({})), open.then_some("ended"))
            }
            OnCitation::Withdraw(_) => (post("withdraw"), (cited.status != "withdrawn").then_some("withdrawn")),
            OnCitation::Rate(_, stars) => {
                let call = self.steward.patch(&path, json!({ "satisfaction": stars })).header("If-Match", "*");
                let same = cited.satisfaction == Some(stars);
                // What is said anew counts as confirmed; what was taken back does not change.
                let renewed = if cited.is_live() && !same { "active" } else { cited.status };
                let taken = same || cited.status != "withdrawn";
                cited.satisfaction = if taken { Some(stars) } else { cited.satisfaction };
                (call, taken.then_some(renewed))
            }
        };
        call.expect(if becomes.is_some() { 200 } else { 409 });
        cited.status = becomes.unwrap_or(cited.status);
        self.said[which] = cited;
    }

    fn create(&mut self, product: usize, draft: bool) {
        let status = if draft { "draft" } else { "active" };
        let body = json!({ "organisation": self.council, "product": self.products[product], "status": status });
        let made = self.steward.post("/v1/citations", body);
        if !draft && self.has_live(product) {
            made.expect(409);
        } else {
            self.said.push(Cited { id: made.expect(201).id(), product, status, satisfaction: None });
        }
    }

    /// Everything by which it is seen tells the same.
    fn agrees(&self) {
        for cited in &self.said {
            let read = self.steward.get(&format!("/v1/citations/{}", cited.id)).expect(200);
            assert_eq!((read.text("status"), &read["satisfaction"]), (cited.status, &json!(cited.satisfaction)));
        }
        let anonymous = self.server.anonymous();
        for (n, id) in self.products.iter().enumerate() {
            let of_product = self.said.iter().filter(|cited| cited.product == n);
            let live = of_product.clone().filter(|cited| cited.is_live()).count();
            let told = of_product.filter(|cited| cited.is_live() || cited.status == "ended").count();
            assert!(live <= 1, "two at once");
            let read = anonymous.get(&format!("/v1/products/{id}")).expect(200);
            assert_eq!((&read["citationCount"], &read["organisationCount"]), (&json!(told), &json!(live)));
            let listed = anonymous.get(&format!("/v1/citations?product={id}&count=true")).expect(200);
            assert_eq!(listed["total"], told);
        }
    }
}

#[test]
fn citations_do_what_their_model_does() {
    let server = Server::start();
    check(on_citation(), |steps| {
        let mut citations = Citations::new(&server);
        for step in steps {
            citations.step(step);
        }
        citations.agrees();
    });
}

#[derive(Debug, Clone)]
enum OnComment {
    Flag(usize),
    WithdrawFlag(usize),
    Edit,
    Hide,
    Restore,
    Remove,
}

fn on_comment() -> impl Strategy<Value = OnComment> {
    prop_oneof![
        8 => (0..4_usize).prop_map(OnComment::Flag),
        4 => (0..4_usize).prop_map(OnComment::WithdrawFlag),
        1 => Just(OnComment::Edit),
        1 => Just(OnComment::Hide),
        2 => Just(OnComment::Restore),
        1 => Just(OnComment::Remove),
    ]
}

/// A comment and the flags on it, as they should stand.
struct Flagged<'s> {
    author: Client<'s>,
    moderator: Client<'s>,
    critics: Vec<Client<'s>>,
    nobody: Client<'s>,
    product: String,
    path: String,
    status: &'static str,
    waits: bool,
    live: BTreeSet<usize>,
    /// Whose flag was judged since the author last changed the comment.
    judged: BTreeSet<usize>,
    /// The last flag of each.
    raised: BTreeMap<usize, Uuid>,
    edits: Cell<u32>,
}

impl<'s> Flagged<'s> {
    fn new(server: &'s Server, council: &Answer) -> Self {
        let product = format!("/v1/products/{}", server.add_product(product("Bins")).id());
        let person = || server.as_(&server.member(council, Role::Viewer));
        let author = person();
        let words = json!({ "bodyMarkdown": "It works." });
        let comment = author.post(&format!("{product}/comments"), words).expect(201);
        Self {
            author,
            moderator: server.as_(&server.person(&[PlatformRole::Moderator], &[])),
            critics: (0..4).map(|_| person()).collect(),
            nobody: server.anonymous(),
            product,
            path: format!("/v1/comments/{}", comment.id()),
            status: "visible",
            waits: false,
            live: BTreeSet::new(),
            judged: BTreeSet::new(),
            raised: BTreeMap::new(),
            edits: Cell::new(0),
        }
    }

    fn step(&mut self, step: &OnComment) {
        let judge = |action: &str, body: Value| self.moderator.post(&format!("{}/{action}", self.path), body);
        let reason = json!({ "reason": "spam" });
        match *step {
            OnComment::Flag(who) => self.flag(who),
            OnComment::WithdrawFlag(who) => self.withdraw(who),
            OnComment::Edit => {
                self.edits.set(self.edits.get() + 1);
                let words = json!({ "bodyMarkdown": format!("It works, {} times.", self.edits.get()) });
                let edited = self.author.patch(&self.path, words).header("If-Match", "*");
                edited.expect(if self.status == "removed" { 409 } else { 200 });
                if self.status != "removed" {
                    self.judged.clear();
                }
            }
            OnComment::Hide => {
                let shown = self.status == "visible";
                judge("hide", reason).expect(if shown { 200 } else { 409 });
                if shown {
                    (self.status, self.waits) = ("hidden", true);
                }
            }
            OnComment::Restore => {
                let waits = self.status == "hidden" || (self.status == "visible" && self.waits);
                judge("restore", json!({})).expect(if waits { 200 } else { 409 });
                if waits {
                    self.settle("visible");
                }
            }
            OnComment::Remove => {
                let there = self.status != "removed";
                judge("remove", reason).expect(if there { 200 } else { 409 });
                if there {
                    self.settle("removed");
                }
            }
        }
    }

    /// It was judged, so its flags do not count any more.
    fn settle(&mut self, status: &'static str) {
        (self.status, self.waits) = (status, false);
        self.judged.append(&mut self.live);
    }

    fn flag(&mut self, who: usize) {
        let raised = self.critics[who].post(&format!("{}/flags", self.path), json!({ "reason": "wrong" }));
        if self.status == "removed" || self.judged.contains(&who) || self.live.contains(&who) {
            raised.expect(409);
            return;
        }
        self.raised.insert(who, raised.expect(201).id());
        self.live.insert(who);
        self.waits = true;
        if self.live.len() >= 3 {
            self.status = "hidden";
        }
    }

    fn withdraw(&mut self, who: usize) {
        let Some(flag) = self.raised.get(&who) else { return };
        let path = format!("{}/flags/{flag}", self.path);
        let counted = self.live.remove(&who);
        self.critics[who].delete(&path).header("If-Match", "*").expect(if counted { 204 } else { 409 });
        // What is hidden waits on: one does not undo what many saw in it.
        if counted && self.live.is_empty() && self.status == "visible" {
            self.waits = false;
        }
    }

    fn agrees(&self) {
        let read = self.nobody.get(&self.path).expect(200);
        assert_eq!((read.text("status"), read["bodyHtml"].is_null()), (self.status, self.status != "visible"));
        let counted = self.nobody.get(&self.product).expect(200);
        assert_eq!(counted["commentCount"], u8::from(self.status == "visible"));
        let flags = self.moderator.get(&format!("{}/flags?limit=100", self.path)).expect(200);
        let live = flags.each("status").into_iter().filter(|status| *status == "live").count();
        assert_eq!(live, self.live.len(), "a flag that was withdrawn or judged never counts");
        let queue = self.moderator.get("/v1/moderation/queue?limit=100").expect(200);
        let id = read["id"].clone();
        let waits = queue["items"].as_array().unwrap().iter().any(|item| item["comment"]["id"] == id);
        assert_eq!(waits, self.waits);
    }
}

#[test]
fn flags_do_what_their_model_does() {
    let server = Server::with(&[("LOTI_QUOTA_FACTOR", "1000")]);
    let council = server.add_organisation(council("Ealing Council"));
    check(on_comment(), |steps| {
        server
            .database()
            .execute("update comments set status = 'removed', queued_at = null where queued_at is not null");
        let mut flagged = Flagged::new(&server, &council);
        for step in steps {
            flagged.step(step);
        }
        flagged.agrees();
    });
}
