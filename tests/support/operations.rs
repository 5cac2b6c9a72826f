//! A call of each operation that would succeed, for tests that go through all of them.
//!
//! A new operation with a body needs a line in [`body_of`]; the tests that find it missing say so.

use std::sync::LazyLock;

use api::clock::Clock;
use chrono::{DateTime, TimeDelta, Utc};
use db::{PlatformRole, Role};
use serde_json::{Value, json};
use uuid::Uuid;

use super::client::{Answer, Call, Client};
use super::contract::Operation;
use super::server::{Person, Server};
use super::{
    catalog, checklist, council, event, framework, lease_template, network, product, profile, series, supplier,
};

/// Organisations that the calls are about.
pub struct World {
    /// A public body; it owns the products.
    pub council: Answer,
    /// Another public body.
    pub other_council: Answer,
    /// It supplies the products.
    pub supplier: Answer,
    /// Another supplier.
    pub other_supplier: Answer,
    /// Who wrote the comments and raised the flags of [`OF_THE_AUTHOR`].
    pub author: Person,
}

/// What one call is about, fresh so that it may be changed and removed.
pub struct Target {
    /// An organisation that nothing refers to, or for a change the council.
    pub organisation: Uuid,
    /// A product in version 2, owned by the council and supplied by the supplier.
    pub product: Uuid,
    /// A status update of it.
    pub update: Uuid,
    /// A client of the council.
    pub client: Uuid,
    /// An entry of the audit trail that concerns the council.
    pub audit_event: i64,
    /// A viewer's membership of the council.
    pub membership: Uuid,
    /// An identity provider of the council.
    pub provider: Uuid,
    /// An open invitation to the council, with [`INVITATION`] as its secret.
    pub invitation: Uuid,
    /// A comment on a product: for [`OF_THE_AUTHOR`] the author's, else of somebody who is gone. One that is restored is
    /// hidden.
    pub comment: Uuid,
    /// The author's flag on it.
    pub flag: Uuid,
    /// A citation by the council: a draft where that is what the operation takes, else an active one.
    pub citation: Uuid,
    /// Somebody's open claim to the supplier with [`COMPANY_NUMBER`].
    pub claim: Uuid,
    /// An import of the council that waits.
    pub import: Uuid,
    /// An event of the council: a draft for what is done with drafts, else a published one.
    pub event: Uuid,
    /// The author's answer to it.
    pub rsvp: Uuid,
    /// A room of it.
    pub room: Uuid,
    /// A slot of it.
    pub slot: Uuid,
    /// A session of it that the author pitched.
    pub session: Uuid,
    /// The author's vote for it.
    pub vote: Uuid,
    /// The author's note of it.
    pub note: Uuid,
    /// A network of the council: an empty one for what removes it.
    pub network: Uuid,
    /// The author's membership of it.
    pub member: Uuid,
    /// A series of it.
    pub series: Uuid,
    /// An address of the author's calendar.
    pub calendar: Uuid,
    /// The secret in that address.
    pub token: String,
    /// A template of a lease with one version, [`VERSION`], in the state that the operation takes.
    pub lease_template: Uuid,
    /// A lease made from one, between the council and the supplier, in the state that the operation takes.
    pub lease: Uuid,
    /// A framework of one control, in the state that the operation takes.
    pub framework: Uuid,
    /// A checklist of that control, in the state that the operation takes.
    pub checklist: Uuid,
    /// An assessment of the council with it, which the other council may assure, in the state that the operation takes.
    pub assessment: Uuid,
    /// Evidence of the council, that goes with the assessment but for what removes it.
    pub evidence: Uuid,
    /// An action out of the assessment.
    pub action: Uuid,
}

impl Target {
    /// Things that are not there.
    pub fn missing() -> Self {
        Self {
            organisation: Uuid::now_v7(),
            product: Uuid::now_v7(),
            update: Uuid::now_v7(),
            client: Uuid::now_v7(),
            audit_event: i64::from(i32::MAX),
            membership: Uuid::now_v7(),
            provider: Uuid::now_v7(),
            invitation: Uuid::now_v7(),
            comment: Uuid::now_v7(),
            flag: Uuid::now_v7(),
            claim: Uuid::now_v7(),
            import: Uuid::now_v7(),
            event: Uuid::now_v7(),
            rsvp: Uuid::now_v7(),
            room: Uuid::now_v7(),
            slot: Uuid::now_v7(),
            session: Uuid::now_v7(),
            vote: Uuid::now_v7(),
            note: Uuid::now_v7(),
            network: Uuid::now_v7(),
            member: Uuid::now_v7(),
            series: Uuid::now_v7(),
            calendar: Uuid::now_v7(),
            token: secret(),
            lease_template: Uuid::now_v7(),
            lease: Uuid::now_v7(),
            framework: Uuid::now_v7(),
            checklist: Uuid::now_v7(),
            assessment: Uuid::now_v7(),
            evidence: Uuid::now_v7(),
            action: Uuid::now_v7(),
            citation: Uuid::now_v7(),
        }
    }
}

impl World {
    /// Adds the organisations.
    pub fn new(server: &Server) -> Self {
        let council_added = server.add_organisation(council("Ealing Council"));
        let numbered = json!([{ "scheme": "GB-COH", "id": COMPANY_NUMBER }]);
        server.add_organisation(supplier("Northgate").with("identifiers", numbered));
        server.add_product(product("Cited"));
        Self {
            author: server.member(&council_added, Role::Contributor),
            council: council_added,
            other_council: server.add_organisation(council("Barnet Council")),
            supplier: server.add_organisation(supplier("Civica")),
            other_supplier: server.add_organisation(supplier("Capita")),
        }
    }

    /// Something to call an operation on.
    pub fn target(&self, server: &Server, operation: &Operation) -> Target {
        let admin = server.as_(&server.admin());
        if operation.path.starts_with("/v1/organisations") {
            let organisation = match operation.id.as_str() {
                "delete_organisation" => server.add_organisation(council("Short-lived Council")).id(),
                _ => self.council.id(),
            };
            let provider = Uuid::now_v7();
            server.database().execute(&format!(
                "delete from identity_providers;
                 insert into identity_providers (id, organisation_id, name, kind, issuer, audience, algorithms)
                 values ('{provider}', '{}', 'Entra', 'openid_connect', 'https://login.example', 'app', '{{RS256}}')",
                self.council.id()
            ));
            return Target { organisation, provider, ..Target::missing() };
        }
        if operation.path.starts_with("/v1/audit-events") {
            server.member(&self.council, Role::Viewer);
            let audit_event = server.database().number("select max(id) from audit_events");
            return Target { audit_event, ..Target::missing() };
        }
        if operation.path.starts_with("/v1/memberships") {
            let member = server.member(&self.council, Role::Viewer);
            let id = format!("select id::text as value from memberships where user_id = '{}'", member.id);
            return Target { membership: server.database().texts(&id)[0].parse().unwrap(), ..Target::missing() };
        }
        if operation.path.starts_with("/v1/invitations") {
            let invitation = Uuid::now_v7();
            server.database().execute(&format!(
                "delete from invitations;
                 insert into invitations (id, organisation_id, email, role, token_hash, expires_at)
                 values ('{invitation}', '{}', 'invited@example.org', 'viewer', sha256('{INVITATION}'), now() + interval '1 day')",
                self.council.id()
            ));
            return Target { invitation, ..Target::missing() };
        }
        if operation.path.starts_with("/v1/comments") {
            return self.comment(server, operation);
        }
        if operation.path.starts_with("/v1/citations") {
            return Target { citation: self.citation(server, operation), ..Target::missing() };
        }
        if operation.path.starts_with("/v1/events") || operation.path.starts_with("/v1/sessions") {
            return self.event(server, operation);
        }
        if operation.path.starts_with("/v1/networks") {
            return self.network(server, operation);
        }
        if operation.path.starts_with("/v1/calendars") {
            let (calendar, token) = (Uuid::now_v7(), secret());
            server.database().execute(&format!(
                "delete from calendars;
                 insert into calendars (id, user_id, name, token_hash) values ('{calendar}', '{}', 'Phone', sha256('{token}'))",
                self.author.id
            ));
            return Target { calendar, token, ..Target::missing() };
        }
        if operation.path.starts_with("/v1/lease-templates") {
            return self.lease_template(server, operation);
        }
        if operation.path.starts_with("/v1/frameworks") {
            return self.framework(server, operation);
        }
        if operation.path.starts_with("/v1/checklists") || operation.path.starts_with("/v1/benchmarks") {
            return self.checklist(server, operation);
        }
        if ["/v1/assessments", "/v1/evidence", "/v1/actions"].iter().any(|path| operation.path.starts_with(path)) {
            return self.assessment(server, operation);
        }
        if operation.path.starts_with("/v1/leases") {
            return self.lease(server, operation);
        }
        if operation.path.starts_with("/v1/reports") {
            return Target::missing();
        }
        if operation.path.starts_with("/v1/imports") {
            return Target { import: self.import(server, operation), ..Target::missing() };
        }
        if operation.path.starts_with("/v1/contracts") {
            return Target::missing();
        }
        if operation.path.starts_with("/v1/claims") {
            let claimant = server.as_(&server.person(&[], &[]));
            return Target { claim: claimant.post("/v1/claims", claim()).expect(201).id(), ..Target::missing() };
        }
        if operation.path.starts_with("/v1/clients") {
            let client = admin.post("/v1/clients", service_client("Register")).expect(201);
            return Target { client: client.id(), ..Target::missing() };
        }
        let body = product("Bins").with("owner", self.council.text("id")).with("supplier", self.supplier.text("id"));
        // What a file of publiccode.yml cannot do without.
        let body = body.with("repository", "https://git.example.org/bins").with("licence", "MIT");
        let body =
            body.with("platforms", json!(["web"])).with("description", "Says which bin goes out when. ".repeat(6));
        let added = server.add_product(body);
        let path = format!("/v1/products/{}", added.id());
        admin.patch(&path, json!({ "summary": "Says when." })).if_match(&added).expect(200);
        let update = admin.post(&format!("{path}/updates"), json!({ "body": "Going well." })).expect(201);
        Target { product: added.id(), update: update.id(), ..Target::missing() }
    }

    fn comment(&self, server: &Server, operation: &Operation) -> Target {
        let (comment, flag) = (Uuid::now_v7(), Uuid::now_v7());
        let product = server.add_product(product("Discussed")).id();
        let own = matches!(operation.id.as_str(), "update_comment" | "delete_comment");
        let author = if own { format!("'{}'", self.author.id) } else { "null".to_owned() };
        let status = if operation.id == "restore_comment" { "hidden" } else { "visible" };
        server.database().execute(&format!(
            "insert into comments (id, product_id, status, author_id, author_kind, body_markdown, body_html, renderer, queued_at)
             values ('{comment}', '{product}', '{status}', {author}, 'member', 'It works.', '<p>It works.</p>', 1, now())"
        ));
        if !own {
            server.database().execute(&format!(
                "insert into comment_flags (id, comment_id, user_id, reason)
                 values ('{flag}', '{comment}', '{}', 'wrong')",
                self.author.id
            ));
        }
        Target { comment, flag, ..Target::missing() }
    }

    /// Who can make a call that succeeds: who may do most, or where that takes it the author.
    pub fn doer<'s>(&self, server: &'s Server, operation: &Operation) -> Client<'s> {
        if OF_THE_AUTHOR.contains(&operation.id.as_str()) {
            server.as_(&self.author)
        } else if matches!(operation.id.as_str(), "request_assessment_changes" | "assure_assessment") {
            server.as_(&server.member(&self.other_council, Role::Contributor))
        } else {
            server.as_(&self.everything(server))
        }
    }

    /// The one citation that there is, with [`CITATION`] as its id where a body has to name it.
    fn citation(&self, server: &Server, operation: &Operation) -> Uuid {
        server.database().execute("delete from citations");
        let cited = server.add_product(product("Allotments"));
        let status = if operation.id == "activate_citation" { "draft" } else { "active" };
        let id = if operation.id == "confirm_citations" { CITATION.parse().unwrap() } else { Uuid::now_v7() };
        server.database().execute(&format!(
            "insert into citations (id, organisation_id, product_id, status) values ('{id}', '{}', '{}', '{status}')",
            self.council.id(),
            cited.id()
        ));
        id
    }

    fn event(&self, server: &Server, operation: &Operation) -> Target {
        let named = operation.id == "create_check_in";
        let (event, rsvp) = (Uuid::now_v7(), if named { RSVP.parse().unwrap() } else { Uuid::now_v7() });
        let checked_in = if operation.id == "delete_check_in" { "now()" } else { "null" };
        let status = if DRAFTED.contains(&operation.id.as_str()) { "draft" } else { "published" };
        let (council, author) = (self.council.id(), self.author.id);
        // Nobody answers a draft.
        let answered = status == "published";
        let programme = ["rooms", "slots", "sessions", "schedule"].iter().any(|part| operation.path.contains(part));
        let kind = if programme { "unconference" } else { "teacamp" };
        server.database().execute(&format!(
            "delete from rsvps where id = '{rsvp}';
             insert into events (id, slug, title, kind, status, starts_at, ends_at, time_zone, venue_name)
               values ('{event}', 'event-{event}', 'Teacamp', '{kind}', '{status}', now() + interval '1 day',
                 now() + interval '26 hours', 'Europe/London', 'City Hall');
             insert into event_organisers values ('{event}', '{council}');
             insert into rsvps (id, event_id, user_id, status, checked_in_at)
               select '{rsvp}', '{event}', '{author}', 'accepted', {checked_in} where {answered}"
        ));
        let mut target = Target { event, rsvp, ..Target::missing() };
        if programme {
            self.programme(server, operation, &mut target);
        }
        target
    }

    fn programme(&self, server: &Server, operation: &Operation, target: &mut Target) {
        target.room = Uuid::now_v7();
        let Target { event, room, slot, session, vote, note, .. } = *target;
        let author = self.author.id;
        // What is published is laid out; rooms and slots are removed when nothing is there.
        let laid_out = operation.id == "publish_schedule";
        server.database().execute(&format!(
            "delete from sessions where '{SESSION}' in (id, merged_into);
             insert into rooms (id, event_id, name) values ('{room}', '{event}', 'Room');
             insert into slots (id, event_id, starts_at, ends_at)
               select '{slot}', id, starts_at, starts_at + interval '10 minutes' from events where id = '{event}';
             insert into sessions (id, event_id, pitched_by, title, pitcher_speaks)
               values ('{session}', '{event}', '{author}', 'Sharing code', true),
                      ('{SESSION}', '{event}', '{author}', 'Sharing more', false);
             insert into session_votes (id, session_id, user_id) values ('{vote}', '{session}', '{author}');
             insert into session_notes (id, session_id, author_id, body_markdown, body_html, renderer)
               values ('{note}', '{session}', '{author}', 'Noted.', '<p>Noted.</p>', 1);
             insert into placements (session_id, event_id, room_id, slot_id)
               select '{session}', '{event}', '{room}', '{slot}' where {laid_out}"
        ));
    }

    fn network(&self, server: &Server, operation: &Operation) -> Target {
        let (network, member, series) = (Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7());
        let (council, author, empty) = (self.council.id(), self.author.id, operation.id == "delete_network");
        server.database().execute(&format!(
            "insert into networks (id, slug, name, organisation_id)
               values ('{network}', 'network-{network}', 'Peers', '{council}');
             insert into network_members (id, network_id, user_id) values ('{member}', '{network}', '{author}');
             insert into event_series (id, network_id, title, kind, starts_at, duration_minutes, time_zone, rrule,
                 bank_holidays, except_dates, venue_name)
               select '{series}', '{network}', 'Teacamp', 'teacamp', '2020-01-16 18:00', 120, 'Europe/London',
                 'FREQ=YEARLY;COUNT=2', 'keep', '{{}}', 'City Hall' where not {empty}"
        ));
        Target { network, member, series, ..Target::missing() }
    }

    fn lease_template(&self, server: &Server, operation: &Operation) -> Target {
        let template = Uuid::now_v7();
        let submitted =
            ["return_", "approve_", "publish_", "withdraw_"].iter().any(|act| operation.id.starts_with(act));
        let published = operation.method == "GET" || operation.id.starts_with("withdraw_");
        self.template_of_lease(server, template, submitted, published);
        Target { lease_template: template, ..Target::missing() }
    }

    /// A lease; for what makes one there is a template by the slug that the body has.
    fn lease(&self, server: &Server, operation: &Operation) -> Target {
        let (template, lease) = (Uuid::now_v7(), Uuid::now_v7());
        let version = self.template_of_lease(server, template, true, true);
        if operation.id == "create_lease" {
            server.database().execute(&format!(
                "update lease_templates set slug = 'agreement' where id = '{template}'
                   and not exists (select from slugs where slug = 'agreement')"
            ));
        }
        let (council, supplier) = (self.council.id(), self.supplier.id());
        let drafted = ["update_", "delete_", "put_", "issue_"].iter().any(|act| operation.id.starts_with(act));
        let agreed = operation.id == "terminate_lease";
        server.database().execute(&format!(
            "insert into leases (id, organisation_id, version_id, title, starts_on, filled)
               values ('{lease}', '{council}', '{version}', 'Roofs', '2999-01-01', '[{{\"variable\": \"term\", \"value\": \"P1Y\"}}]');
             insert into lease_parties (lease_id, organisation_id, position, role, name)
               values ('{lease}', '{council}', 1, 'grantor', 'Ealing'), ('{lease}', '{supplier}', 2, 'operator', 'Civica');
             insert into lease_premises (lease_id, position, uprn) values ('{lease}', 1, 100023336956);
             insert into lease_documents (lease_id, format, sha256, size)
               select '{lease}', format, case when format = 'html' then encode(sha256('{PAGE}'), 'hex') else '{DIGEST}' end, length('{PAGE}')
               from unnest(array['markdown', 'html', 'docx']) as format where not {drafted};
             insert into lease_document_chunks (lease_id, format, number, content)
               select lease_id, format, 0, '{PAGE}' from lease_documents where lease_id = '{lease}';
             update leases set status = 'issued', issued_at = now() where id = '{lease}' and not {drafted};
             insert into lease_agreements (id, lease_id, organisation_id, signatory, capacity, document_sha256)
               select gen_random_uuid(), lease_id, organisation_id, 'Sam', 'Director', '{DIGEST}' from lease_parties
               where lease_id = '{lease}' and {agreed};
             update leases set status = 'agreed', agreed_at = now() where id = '{lease}' and {agreed}"
        ));
        Target { lease, ..Target::missing() }
    }

    /// Adds a template with the version [`VERSION`], whose id it gives.
    fn template_of_lease(&self, server: &Server, template: Uuid, submitted: bool, published: bool) -> Uuid {
        let (version, council) = (Uuid::now_v7(), self.council.id());
        server.database().execute(&format!(
            "insert into lease_templates (id, slug, title, kind, organisation_id, approvals_required)
               values ('{template}', 'template-{template}', 'Rooftop wayleave', 'wayleave', '{council}', 0);
             insert into lease_template_versions (id, template_id, major, minor, patch) values ('{version}', '{template}', 1, 0, 0);
             insert into lease_variables (version_id, name, position, label, kind, required, required_if, options)
               values ('{version}', 'term', 1, 'How long', 'duration', true, '[]', '[]');
             insert into lease_clauses (version_id, clause_id, position, heading, body, kind, conditions)
               values ('{version}', 'term', 1, 'Term', 'It lasts {{{{ term }}}}.', 'fixed', '[]'),
                      ('{version}', 'extras', 2, 'Extras', 'There are some.', 'optional', '[]');
             update lease_template_versions set status = 'in_review', submitted_at = now(), content_sha256 = '{DIGEST}'
               where id = '{version}' and ({submitted} or {published});
             update lease_template_versions set status = 'published', published_at = now() where id = '{version}' and {published}"
        ));
        version
    }

    fn framework(&self, server: &Server, operation: &Operation) -> Target {
        let (framework, council) = (Uuid::now_v7(), self.council.id());
        let published = operation.method == "GET"
            || matches!(operation.id.as_str(), "withdraw_framework" | "put_framework_mappings");
        server.database().execute(&format!(
            "insert into frameworks (id, slug, title, edition, authority, organisation_id, envelope)
               values ('{framework}', 'framework-{framework}', 'Cyber baseline', '1.0', 'LOTI', '{council}', '{{\"uuid\": \"1\"}}');
             insert into framework_items (framework_id, position, kind, item_id, title) values ('{framework}', 1, 'control', 'a-1', 'Leavers');
             update frameworks set status = 'published', published_at = now() where id = '{framework}' and {published}"
        ));
        if operation.id == "put_framework_mappings" {
            Self::named_once(server, "frameworks", self.checklist_of(server, true).framework);
        }
        Target { framework, ..Target::missing() }
    }

    fn checklist(&self, server: &Server, operation: &Operation) -> Target {
        let published = operation.method == "GET" || operation.id == "withdraw_checklist";
        let Target { framework, checklist, .. } = self.checklist_of(server, published);
        if operation.id == "create_checklist" {
            Self::named_once(server, "frameworks", framework);
        }
        Target { framework, checklist, ..Target::missing() }
    }

    /// Gives something the slug `baseline`, by which a body names it, unless something has it.
    fn named_once(server: &Server, table: &str, id: Uuid) {
        server.database().execute(&format!(
            "update {table} set slug = 'baseline' where id = '{id}'
               and not exists (select from slugs where kind = '{table}' and slug = 'baseline')"
        ));
    }

    /// A published framework of one control, and a checklist of that.
    fn checklist_of(&self, server: &Server, published: bool) -> Target {
        let (framework, checklist, council) = (Uuid::now_v7(), Uuid::now_v7(), self.council.id());
        server.database().execute(&format!(
            "insert into frameworks (id, slug, title, edition, authority, organisation_id, envelope)
               values ('{framework}', 'framework-{framework}', 'Cyber baseline', '1.0', 'LOTI', '{council}', '{{\"uuid\": \"1\"}}');
             insert into framework_items (framework_id, position, kind, item_id, title) values ('{framework}', 1, 'control', 'a-1', 'Leavers');
             update frameworks set status = 'published', published_at = now() where id = '{framework}';
             insert into checklists (id, slug, title, edition, organisation_id, framework_id, scoring)
               values ('{checklist}', 'checklist-{checklist}', 'Baseline', '1.0', '{council}', '{framework}', 'all_met');
             insert into checklist_controls (checklist_id, framework_id, position, control_id)
               values ('{checklist}', '{framework}', 1, 'a-1');
             update checklists set status = 'published', published_at = now() where id = '{checklist}' and {published}"
        ));
        Target { framework, checklist, ..Target::missing() }
    }

    fn assessment(&self, server: &Server, operation: &Operation) -> Target {
        let Target { framework, checklist, .. } = self.checklist_of(server, true);
        if operation.id == "create_assessment" {
            Self::named_once(server, "checklists", checklist);
        }
        let (assessment, evidence, action) = (Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7());
        let (council, other) = (self.council.id(), self.other_council.id());
        let id = operation.id.as_str();
        let submitted = matches!(id, "request_assessment_changes" | "assure_assessment");
        let (fresh, used) = (id == "delete_assessment", id != "delete_evidence");
        server.database().execute(&format!(
            "insert into assessments (id, organisation_id, checklist_id, title) values ('{assessment}', '{council}', '{checklist}', 'Baseline 2026');
             insert into assessment_assurers (assessment_id, position, organisation_id) values ('{assessment}', 1, '{other}');
             insert into assessment_assurers (assessment_id, position, user_id)
               select '{assessment}', 1 + row_number() over (), p.user_id from platform_roles p
                 join memberships m on m.user_id = p.user_id and m.organisation_id = '{council}'
               where p.role = 'platform_admin' and {submitted} limit 15;
             insert into evidence (id, organisation_id, title) values ('{evidence}', '{council}', 'Leavers');
             insert into evidence_revisions (evidence_id, revision, file_name, media_type, size, sha256)
               values ('{evidence}', 1, 'leavers.pdf', 'application/pdf', length('{PAGE}'), encode(sha256('{PAGE}'), 'hex'));
             insert into evidence_chunks (evidence_id, revision, number, content) values ('{evidence}', 1, 0, '{PAGE}');
             insert into assessment_responses (assessment_id, position, control_id) values ('{assessment}', 1, 'a-1');
             update assessments set status = 'in_progress' where id = '{assessment}' and not {fresh};
             update assessment_responses set status = 'met', statement = 'So it is.', evidence = array['{evidence}'::uuid], version = 2
               where assessment_id = '{assessment}' and not {fresh};
             insert into assessment_evidence (assessment_id, position, evidence_id, revision)
               select '{assessment}', 1, '{evidence}', 1 where {used};
             insert into actions (id, assessment_id, organisation_id, title, due_on)
               values ('{action}', '{assessment}', '{council}', 'Have HR tell IT', '2999-01-01');
             update assessments set status = 'submitted', submitted_at = now(), score = 100 where id = '{assessment}' and {submitted}"
        ));
        Target { framework, checklist, assessment, evidence, action, ..Target::missing() }
    }

    /// The one import that there is; none where the operation sends one, as another may not be under way.
    fn import(&self, server: &Server, operation: &Operation) -> Uuid {
        server.database().execute("delete from imports");
        let id = Uuid::now_v7();
        if operation.method != "POST" {
            server.database().execute(&format!(
                "insert into imports (id, organisation_id, resource, format, source, dry_run, end_absent, request_id)
                 values ('{id}', '{}', 'citations', 'csv', 'register', false, false, 'sent')",
                self.council.id()
            ));
        }
        id
    }

    /// An administrator of the platform who also administers the council: nobody may do more.
    pub fn everything(&self, server: &Server) -> super::Person {
        server.person(&[PlatformRole::PlatformAdmin], &[(self.council.id(), Role::Admin)])
    }

    /// Somebody with a role in the council.
    pub fn member(&self, server: &Server, role: Role) -> super::Person {
        server.member(&self.council, role)
    }
}

/// The path of an operation on something, with the parameters that it cannot do without.
pub fn path_of(operation: &Operation, target: &Target) -> String {
    let id = match operation.path.split('/').nth(2).unwrap_or_default() {
        "organisations" => target.organisation.to_string(),
        "clients" => target.client.to_string(),
        "memberships" => target.membership.to_string(),
        "invitations" => target.invitation.to_string(),
        "comments" => target.comment.to_string(),
        "claims" => target.claim.to_string(),
        "citations" => target.citation.to_string(),
        "events" => target.event.to_string(),
        "sessions" => target.session.to_string(),
        "networks" => target.network.to_string(),
        "calendars" => target.calendar.to_string(),
        "imports" => target.import.to_string(),
        "frameworks" => target.framework.to_string(),
        "checklists" => target.checklist.to_string(),
        "assessments" => target.assessment.to_string(),
        "evidence" => target.evidence.to_string(),
        "actions" => target.action.to_string(),
        "leases" => target.lease.to_string(),
        "lease-templates" => target.lease_template.to_string(),
        "audit-events" => target.audit_event.to_string(),
        _ => target.product.to_string(),
    };
    let path = operation.path.replace("{id}", &id).replace("{checklist}", &target.checklist.to_string());
    let path = path.replace("versions/{number}", &format!("versions/{VERSION}"));
    let path =
        path.replace("{updateId}", &target.update.to_string()).replace("{version}", "1").replace("{number}", "1");
    let path = path.replace("{providerId}", &target.provider.to_string());
    let path = path.replace("{flagId}", &target.flag.to_string());
    let path = path.replace("{rsvpId}", &target.rsvp.to_string());
    let path = path.replace("{roomId}", &target.room.to_string()).replace("{slotId}", &target.slot.to_string());
    let path = path.replace("{voteId}", &target.vote.to_string()).replace("{noteId}", &target.note.to_string());
    let path = path.replace("{memberId}", &target.member.to_string()).replace("{seriesId}", &target.series.to_string());
    let path = path.replace("{token}", &target.token);
    assert!(!path.contains('{'), "{}: say in support/operations.rs what stands for the parameters", operation.id);
    match operation.id.as_str() {
        "compare_product_versions" => path + "?from=1&to=2",
        "create_import" => path + "?resource=citations&organisation=ealing-council",
        "compare_lease_template_versions" | "render_lease_template_comparison" => {
            path + &format!("?from={VERSION}&to={VERSION}")
        }
        "list_contract_groups" => path + "?by=supplier",
        _ => path,
    }
}

/// A file that says of a product what it must.
pub const PUBLICCODE: &str = "publiccodeYmlVersion: \"0.5\"
name: Bins
url: https://git.example.org/bins
platforms: [web]
developmentStatus: beta
description: {en: {shortDescription: Says when.}}
legal: {license: MIT}
";

/// A body that the operation takes.
pub fn body_of(operation: &Operation) -> Value {
    match operation.id.as_str() {
        "create_organisation" => council("Newham Council").into(),
        "update_organisation" => json!({ "website": "https://www.example.org" }),
        "create_product" => product("Potholes").into(),
        "update_product" => json!({ "summary": "Another line." }),
        "revert_product" => json!({ "version": 1, "reason": "It was better." }),
        "create_product_update" => json!({ "body": "Passed its alpha assessment." }),
        "create_event" => event("ealing-council").into(),
        "update_event" => json!({ "title": "Another title" }),
        "cancel_event" => json!({ "reason": "The building is closed." }),
        "create_check_in" => json!({ "rsvp": RSVP }),
        "create_network" => network("ealing-council").into(),
        "update_network_member" => json!({ "role": "convener" }),
        "create_event_series" => series().with("startsOn", "2020-01-16").with("rrule", "FREQ=YEARLY;COUNT=2").into(),
        "update_event_series" => json!({ "capacity": 12 }),
        "create_calendar" => json!({ "name": "Phone" }),
        "create_room" => json!({ "name": "Committee Room 4", "capacity": 30, "equipment": ["projector"] }),
        "update_room" => json!({ "capacity": 31 }),
        "create_slot" => slot(1),
        "update_slot" => slot(2),
        "create_session" => json!({ "title": "Sharing code" }),
        "update_session" => json!({ "track": "Data" }),
        "merge_session" => json!({ "into": SESSION }),
        "create_session_note" | "update_session_note" => json!({ "bodyMarkdown": "We **share** it." }),
        "update_schedule" => json!({ "votesOpenAt": "2026-11-01T09:00:00Z" }),
        "create_lease_template" => lease_template("ealing-council").into(),
        "update_lease_template" => json!({ "summary": "For roofs." }),
        "create_lease_template_version" => json!({ "number": "1.1.0" }),
        "update_lease_template_version" => json!({ "notes": "Another word." }),
        "put_lease_clauses" => {
            json!({ "clauses": [{ "id": "rent", "heading": "Rent", "body": "It is {{ rent }}.", "kind": "negotiable" }] })
        }
        "put_lease_variables" => json!({ "variables": [{ "name": "rent", "label": "Rent", "kind": "money" }] }),
        "return_lease_template_version" | "withdraw_lease_template_version" => {
            json!({ "reason": "Clause 1 is wrong." })
        }
        "approve_lease_template_version" => json!({ "organisation": "ealing-council", "contentSha256": DIGEST }),
        "create_framework" => framework("ealing-council").into(),
        "update_framework" => json!({ "summary": "Against common attacks." }),
        "withdraw_framework" => json!({ "reason": "Its authority took it back." }),
        "put_framework_oscal" => catalog(),
        "put_framework_mappings" => json!({
            "mappings": [{ "control": "a-1", "relationship": "equal", "target": "baseline", "targetControl": "a-1" }],
        }),
        "create_lease" => json!({
            "organisation": "ealing-council", "title": "Roofs", "startsOn": "2027-01-01",
            "template": { "template": "agreement", "number": VERSION },
            "values": [{ "variable": "term", "value": "P1Y" }],
            "parties": [{ "organisation": "ealing-council", "role": "grantor" }, { "organisation": "civica", "role": "operator" }],
        }),
        "update_lease" => json!({ "title": "Other roofs" }),
        "terminate_lease" | "void_lease" => json!({ "reason": "The building was sold." }),
        "put_lease_premises" => json!({ "premises": [{ "uprn": "100023336957", "usrn": "20401234" }] }),
        "put_lease_deviations" => json!({ "deviations": [{ "clause": "extras", "reason": "There are none." }] }),
        "create_lease_agreement" => json!({
            "organisation": "ealing-council", "signatory": "Sam Steward", "capacity": "Director", "documentSha256": DIGEST,
        }),
        "create_rsvp" => json!({ "accessNeeds": "A seat near the speaker." }),
        "create_import" => "{\"externalId\":\"APP-1\",\"product\":\"cited\"}\n".into(),
        "put_product_publiccode" => PUBLICCODE.into(),
        "create_identity_provider" => {
            json!({ "name": "Entra", "kind": "openid_connect", "issuer": "https://id.example", "audience": "loti" })
        }
        "create_invitation" => {
            json!({ "organisation": "ealing-council", "email": "new@example.org", "role": "viewer" })
        }
        "accept_invitation" => json!({ "token": INVITATION }),
        "create_citation" => json!({ "organisation": "ealing-council", "product": "cited" }),
        "update_citation" => json!({ "satisfaction": 4 }),
        "confirm_citations" => json!({ "ids": [CITATION] }),
        "create_claim" => claim(),
        "reject_claim" => json!({ "note": "Write from an address of the company, please." }),
        "update_membership" => json!({ "role": "contributor" }),
        "update_me" => json!({ "displayName": "Another name" }),
        "create_comment" | "update_comment" => json!({ "bodyMarkdown": "We use it **daily**." }),
        "create_comment_flag" | "hide_comment" | "remove_comment" => json!({ "reason": "spam" }),
        "restore_comment" => json!({ "note": "It is within the rules." }),
        "create_client" => service_client("Nightly sync"),
        "update_client" | "update_identity_provider" | "update_network" => json!({ "name": "Another name" }),
        "approve_claim" | "end_citation" | "create_client_secret" | "withdraw_claim" => json!({}),
        other => body_of_assessments(other),
    }
}

/// The same for checklists, assessments and what goes with them.
fn body_of_assessments(operation: &str) -> Value {
    match operation {
        "create_checklist" => checklist("ealing-council", "baseline").into(),
        "update_checklist" => json!({ "summary": "Once a year." }),
        "withdraw_checklist" => json!({ "reason": "Another takes its place." }),
        "put_checklist_oscal" => profile(),
        "create_assessment" => {
            json!({ "organisation": "ealing-council", "checklist": "baseline", "title": "Baseline 2026" })
        }
        "update_assessment" => json!({ "dueOn": "2999-01-01" }),
        "request_assessment_changes" => json!({ "reason": "It is too short." }),
        "assure_assessment" => json!({ "statement": "It is so." }),
        "update_assessment_responses" => {
            json!({ "answers": [{ "control": "a-1", "version": 2, "status": "partly_met" }] })
        }
        "create_assessment_comment" => json!({ "control": "a-1", "bodyMarkdown": "Is it?" }),
        "create_assessment_evidence" => json!({ "title": "Leavers", "url": "https://intranet.example/leavers" }),
        "update_evidence" => json!({ "expiresOn": "2999-01-01" }),
        "put_evidence_content" => "%PDF-1.7\n".into(),
        "create_assessment_action" => json!({ "title": "Have HR tell IT", "dueOn": "2999-01-01" }),
        "update_action" => json!({ "status": "in_progress" }),
        other => panic!("say in support/operations.rs which body {other} takes"),
    }
}

/// Writes for which a person needs no role.
pub const OPEN_TO_EVERYBODY: &[&str] = &[
    "accept_invitation",
    "create_calendar",
    "create_claim",
    "create_network_member",
    "create_rsvp",
    "delete_me",
    "update_me",
];

/// What is done with a draft of an event.
const DRAFTED: &[&str] = &["delete_event", "publish_event"];

/// Writes that nobody but the author does, whatever their role.
pub const OF_THE_AUTHOR: &[&str] = &[
    "delete_calendar",
    "delete_comment",
    "delete_comment_flag",
    "delete_session_vote",
    "update_comment",
    "update_session_note",
];

/// A slot tomorrow at this time, of ten minutes; the tenths after the first are free.
fn slot(tenth: i64) -> Value {
    let starts_at = *TOMORROW + TimeDelta::minutes(10 * tenth);
    json!({ "startsAt": starts_at, "endsAt": starts_at + TimeDelta::minutes(10) })
}

/// Some minutes after this time tomorrow, once and for all: what is sent twice is sent alike.
static TOMORROW: LazyLock<DateTime<Utc>> =
    LazyLock::new(|| Clock::System.now() + TimeDelta::days(1) + TimeDelta::minutes(30));

/// A secret that nobody has.
fn secret() -> String {
    Uuid::new_v4().simple().to_string() + &Uuid::new_v4().simple().to_string()
}

/// The number of a version of a template of a lease, on paths that have one.
const VERSION: &str = "1.0.0";

/// The digest of what a version says.
const DIGEST: &str = "9f2c11aa04d15f0c8d7be1a94f3d8a21c6b0e47f9d325f0c8d7be1a94f3d8a21";

/// A document of a lease.
const PAGE: &str = "<!DOCTYPE html>";

/// The id of a session into which another is merged.
const SESSION: &str = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c15";

/// The secret of an invitation.
pub const INVITATION: &str = "5f0c8d7be1a94f3d8a21c6b0e47f9d325f0c8d7be1a94f3d8a21c6b0e47f9d32";

/// The id of a citation.
const CITATION: &str = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11";

/// The id of an answer to an event.
const RSVP: &str = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c12";

/// The Companies House number of a supplier whose people nobody knows yet.
const COMPANY_NUMBER: &str = "01234567";

/// A claim to it.
fn claim() -> Value {
    json!({ "companyNumber": COMPANY_NUMBER, "statement": "I look after our listings." })
}

/// A client of the council.
fn service_client(name: &str) -> Value {
    json!({ "organisation": "ealing-council", "name": name, "kind": "service", "role": "contributor", "scopes": ["products:read"] })
}

/// A body as it is sent: JSON, or a text as it stands.
pub fn text_of(body: &Value) -> String {
    body.as_str().map_or_else(|| body.to_string(), ToOwned::to_owned)
}

/// The call without the preconditions that it needs.
pub fn bare_call<'s>(client: &Client<'s>, operation: &Operation, path: &str) -> Call<'s> {
    let call = client.call(&operation.method, path);
    match operation.body() {
        Some((media_type, _)) => call.body(media_type, text_of(&body_of(operation))),
        None => call,
    }
}

/// The call as it should be made.
pub fn call<'s>(client: &Client<'s>, operation: &Operation, path: &str) -> Call<'s> {
    let call = bare_call(client, operation, path);
    if operation.statuses().contains(&428) { call.header("If-Match", "*") } else { call }
}
