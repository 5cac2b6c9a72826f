//! What a person may do to a row, by the roles that the transaction of the write read.
//!
//! Pure functions of roles and rows, so that the whole of who-may-what can be read here and tested without a server.

use std::collections::BTreeSet;

use db::assessments::Assessment;
use db::claims::Claim;
use db::clients::{ClientKind, ClientState};
use db::comments::flags::Flag;
use db::comments::{AuthorKind, Comment};
use db::events::Event;
use db::identity_providers::IdentityProviderState;
use db::imports::ImportedResource;
use db::memberships::Membership;
use db::networks::Network;
use db::organisations::{OrganisationKind, OrganisationState};
use db::products::ProductState;
use db::programmes::sessions::Session;
use db::{Principal, Role, Roles};
use uuid::Uuid;

use crate::problem::Problem;

type Verdict = Result<(), Problem>;

fn only_if(allowed: bool, otherwise: &'static str) -> Verdict {
    if allowed { Ok(()) } else { Err(Problem::forbidden(otherwise)) }
}

/// Organisations are added by administrators of the platform.
pub fn may_create_organisation(roles: &Roles) -> Verdict {
    only_if(roles.administers(), "Only an administrator of the platform adds organisations.")
}

/// Stewards and administrators of an organisation keep its record right; what says who it is stays with the platform.
pub fn may_update_organisation(
    roles: &Roles,
    id: Uuid,
    before: &OrganisationState,
    after: &OrganisationState,
) -> Verdict {
    if roles.administers() {
        return Ok(());
    }
    only_if(
        roles.has(id, Role::Steward),
        "Only a steward or an administrator of the organisation, or an administrator of the platform, changes it.",
    )?;
    let identity = |state: &OrganisationState| {
        (
            state.kind,
            state.slug.clone(),
            state.identifiers.clone(),
            state.parent_id,
            state.replaced_by.clone(),
            state.email_domains.clone(),
            state.member_since,
        )
    };
    only_if(
        identity(before) == identity(after),
        "Only an administrator of the platform changes kind, slug, identifiers, parent, replacedBy, emailDomains or \
         memberSince.",
    )
}

/// Organisations are removed by administrators of the platform.
pub fn may_delete_organisation(roles: &Roles) -> Verdict {
    only_if(roles.administers(), "Only an administrator of the platform removes organisations.")
}

/// Whether the actor contributes on behalf of some public body.
fn contributes_for_public_body(roles: &Roles) -> bool {
    roles.with(Role::Contributor).any(|membership| membership.kind.is_public_body())
}

fn contributes_for(roles: &Roles, organisation_id: Option<Uuid>) -> bool {
    organisation_id.is_some_and(|id| roles.has(id, Role::Contributor))
}

/// Contributors of public bodies add products, owned by their own organisation or by nobody; a supplier's people add
/// what they supply.
pub fn may_create_product(roles: &Roles, state: &ProductState) -> Verdict {
    if roles.moderates() {
        return Ok(());
    }
    only_if(
        contributes_for_public_body(roles) || contributes_for(roles, state.supplier_id),
        "Only a contributor of a public body, or of the organisation that supplies the product, adds it.",
    )?;
    may_name_owner(roles, None, state.owner_id)
}

/// A product belongs to its owner and its supplier; one without an owner is curated by every public body.
pub fn may_update_product(roles: &Roles, before: &ProductState, after: &ProductState) -> Verdict {
    may_curate_product(roles, before)?;
    if roles.moderates() {
        return Ok(());
    }
    may_name_owner(roles, before.owner_id, after.owner_id)?;
    let handed_away = before.supplier_id != after.supplier_id
        && contributes_for(roles, before.supplier_id)
        && !contributes_for_public_body(roles);
    only_if(!handed_away, "A supplier's people cannot hand its listing to another supplier.")
}

/// Whether somebody may change what is recorded of a product: its fields, its updates.
pub fn may_curate_product(roles: &Roles, product: &ProductState) -> Verdict {
    let allowed = roles.moderates()
        || contributes_for(roles, product.owner_id)
        || contributes_for(roles, product.supplier_id)
        || (product.owner_id.is_none() && contributes_for_public_body(roles));
    only_if(
        allowed,
        "Only contributors of its owner or supplier (of any public body, when it has no owner) change a product.",
    )
}

/// Products are removed by moderators; others retire them.
pub fn may_delete_product(roles: &Roles) -> Verdict {
    only_if(roles.moderates(), "Only a moderator removes a product; set its phase to retired instead.")
}

/// Nobody gives a product to an organisation that is not theirs, or takes it from one.
fn may_name_owner(roles: &Roles, before: Option<Uuid>, after: Option<Uuid>) -> Verdict {
    let concerned = [before, after].into_iter().flatten();
    let allowed = before == after || concerned.into_iter().all(|id| roles.has(id, Role::Contributor));
    only_if(allowed, "Only a contributor of the organisation makes it, or stops it being, the owner of a product.")
}

/// Only who contributes for a public body says what it uses. A supplier does not, and neither does the platform.
pub fn may_cite(roles: &Roles, organisation_id: Uuid) -> Verdict {
    only_if(
        holds_in_public_body(roles, organisation_id, Role::Contributor),
        "Only a contributor of the organisation, which is a public body, says what it uses.",
    )
}

/// A network is looked after by its conveners, and by contributors of the organisation that it belongs to.
pub fn may_convene(roles: &Roles, network: &Network) -> Verdict {
    let contributes = roles.has(network.state.organisation_id, Role::Contributor);
    only_if(
        roles.administers() || contributes || network.convened,
        "Only conveners of a network, and contributors of its organisation, look after it.",
    )
}

/// For others than themselves, and who looks after the network, nobody belongs to it.
pub fn may_see_network_member(roles: &Roles, person: Option<Uuid>, network: &Network, member: Uuid) -> Verdict {
    if person == Some(member) || may_convene(roles, network).is_ok() { Ok(()) } else { Err(Problem::not_found()) }
}

/// An event is looked after by contributors of those who invite, and by conveners of its network.
pub fn may_organise(roles: &Roles, event: &Event) -> Verdict {
    let contributes = event.organiser_ids().any(|id| roles.has(id, Role::Contributor));
    only_if(
        roles.administers() || contributes || event.convened,
        "Only contributors of an organisation that invites, and conveners of its network, look after an event.",
    )
}

/// Nobody is made to invite by others; suppliers do not invite.
pub fn may_invite(roles: &Roles, before: &[Uuid], after: &[Uuid]) -> Verdict {
    if roles.administers() {
        return Ok(());
    }
    let invites = |id: &Uuid| {
        let of_it = |membership: &db::people::Membership| membership.organisation_id == *id;
        roles
            .with(Role::Contributor)
            .any(|membership| of_it(membership) && membership.kind != OrganisationKind::Supplier)
    };
    only_if(
        after.iter().all(|id| before.contains(id) || invites(id)),
        "Only its contributors name an organisation as one that invites, and suppliers do not invite.",
    )
}

/// Templates of leases are kept by public bodies, and by their contributors.
pub fn may_keep_lease_template(roles: &Roles, organisation_id: Uuid) -> Verdict {
    only_if(
        roles.administers() || holds_in_public_body(roles, organisation_id, Role::Contributor),
        "Only contributors of the public body that keeps a template of a lease write it.",
    )
}

/// What is to be used is decided by stewards of who keeps it.
pub fn may_publish_lease_template_version(roles: &Roles, organisation_id: Uuid) -> Verdict {
    only_if(
        roles.administers() || holds_in_public_body(roles, organisation_id, Role::Steward),
        "Only stewards of the public body that keeps a template of a lease publish and withdraw its versions.",
    )
}

/// Nobody approves what they submitted, and nobody for an organisation that is not theirs.
pub fn may_approve_lease_template_version(
    roles: &Roles,
    principal: Principal,
    organisation_id: Uuid,
    submitted_by: Option<Uuid>,
) -> Verdict {
    only_if(
        holds_in_public_body(roles, organisation_id, Role::Steward),
        "Only stewards of a public body approve a version for it.",
    )?;
    let own = submitted_by.is_some() && submitted_by == principal.user_id();
    only_if(!own, "Nobody approves what they submitted; a colleague does.")
}

/// Reviewers and authors give back what is under review.
pub fn may_return_lease_template_version(roles: &Roles, organisation_id: Uuid) -> Verdict {
    let reviews = roles.with(Role::Steward).any(|membership| membership.kind.is_public_body());
    only_if(
        roles.administers() || reviews || holds_in_public_body(roles, organisation_id, Role::Contributor),
        "Only stewards of public bodies, and contributors of who keeps the template, give a version back.",
    )
}

/// Frameworks are kept by public bodies, and by their contributors.
pub fn may_keep_framework(roles: &Roles, organisation_id: Uuid) -> Verdict {
    only_if(
        roles.administers() || holds_in_public_body(roles, organisation_id, Role::Contributor),
        "Only contributors of the public body that keeps a framework write it.",
    )
}

/// What others assess themselves against is decided by stewards of who keeps it.
pub fn may_publish_framework(roles: &Roles, organisation_id: Uuid) -> Verdict {
    only_if(
        roles.administers() || holds_in_public_body(roles, organisation_id, Role::Steward),
        "Only stewards of the public body that keeps a framework publish and withdraw it.",
    )
}

/// Checklists are kept by public bodies, and by their contributors.
pub fn may_keep_checklist(roles: &Roles, organisation_id: Uuid) -> Verdict {
    only_if(
        roles.administers() || holds_in_public_body(roles, organisation_id, Role::Contributor),
        "Only contributors of the public body that keeps a checklist write it.",
    )
}

/// What others go through is decided by stewards of who keeps it.
pub fn may_publish_checklist(roles: &Roles, organisation_id: Uuid) -> Verdict {
    only_if(
        roles.administers() || holds_in_public_body(roles, organisation_id, Role::Steward),
        "Only stewards of the public body that keeps a checklist publish and withdraw it.",
    )
}

/// An organisation assesses itself, by its contributors. Who administers the platform has no part in it.
pub fn may_assess(roles: &Roles, organisation_id: Uuid) -> Verdict {
    only_if(
        roles.has(organisation_id, Role::Contributor),
        "Only contributors of the organisation assess it, bring evidence and plan actions.",
    )
}

/// What is said to others is said by stewards.
pub fn may_submit_assessment(roles: &Roles, organisation_id: Uuid) -> Verdict {
    only_if(roles.has(organisation_id, Role::Steward), "Only stewards of the organisation submit its assessments.")
}

/// For which organisation somebody assures an assessment: none where they were named themselves. Only who was named does, and
/// not who submitted it.
pub fn may_assure(roles: &Roles, principal: Principal, assessment: &Assessment) -> Result<Option<Uuid>, Problem> {
    let person = person(principal)?;
    let own = assessment.submitted_by.as_ref().is_some_and(|submitter| submitter.0.id == person);
    only_if(!own, "Who submitted an assessment does not assure it; another does.")?;
    let mut named = assessment.assurers.0.iter();
    if named.clone().any(|assurer| assurer.person.as_ref().is_some_and(|named| named.id == person)) {
        return Ok(None);
    }
    let organisation = named.find_map(|assurer| {
        let id = assurer.organisation.as_ref()?.id;
        (id != assessment.organisation_id && roles.has(id, Role::Contributor)).then_some(id)
    });
    match organisation {
        Some(id) => Ok(Some(id)),
        None => Err(Problem::forbidden(
            "Only those whom the organisation named to assure an assessment do, and contributors of organisations that it named.",
        )),
    }
}

/// Those who assess and those who assure speak to each other; whether somebody assures.
pub fn may_comment_on_assessment(
    roles: &Roles,
    principal: Principal,
    assessment: &Assessment,
) -> Result<bool, Problem> {
    person(principal)?;
    if roles.has(assessment.organisation_id, Role::Contributor) {
        return Ok(false);
    }
    may_assure(roles, principal, assessment).map(|_| true)
}

/// Leases are drawn up by public bodies, and by their contributors.
pub fn may_draw_up_lease(roles: &Roles, organisation_id: Uuid) -> Verdict {
    only_if(
        roles.administers() || holds_in_public_body(roles, organisation_id, Role::Contributor),
        "Only contributors of the public body that draws up a lease write and issue it.",
    )
}

/// Who agrees for an organisation is decided there.
pub fn may_agree_to_lease(roles: &Roles, organisation_id: Uuid) -> Verdict {
    only_if(roles.has(organisation_id, Role::Steward), "Only stewards of a party record that it agrees to a lease.")
}

/// Any party gives notice.
pub fn may_terminate_lease(roles: &Roles, mut concerned: impl Iterator<Item = Uuid>) -> Verdict {
    only_if(
        roles.administers() || concerned.any(|id| roles.has(id, Role::Steward)),
        "Only stewards of a party, and of who draws up a lease, terminate it.",
    )
}

/// Who issued a lease says that it is void.
pub fn may_void_lease(roles: &Roles, organisation_id: Uuid) -> Verdict {
    only_if(
        roles.administers() || holds_in_public_body(roles, organisation_id, Role::Steward),
        "Only stewards of the public body that draws up a lease say that it is void.",
    )
}

fn holds_in_public_body(roles: &Roles, organisation_id: Uuid, role: Role) -> bool {
    let mut held = roles.with(role);
    held.any(|membership| membership.organisation_id == organisation_id && membership.kind.is_public_body())
}

/// What changes of an event is told to those who planned around it, and to who looks after it.
pub fn may_follow(roles: &Roles, event: &Event, planned_around: bool) -> Verdict {
    let allowed = planned_around || may_organise(roles, event).is_ok();
    only_if(allowed, "Only those who come to an event, or would, are told of its changes: answer it first.")
}

/// A programme is made by those who planned around the event, and by who looks after it.
pub fn may_take_part(roles: &Roles, event: &Event, planned_around: bool) -> Verdict {
    let allowed = planned_around || may_organise(roles, event).is_ok();
    only_if(allowed, "Only those who come to an event, or would, take part in its programme: answer it first.")
}

/// A session is changed and withdrawn by who pitched it, and by who looks after the event.
pub fn may_change_session(roles: &Roles, principal: Principal, event: &Event, session: &Session) -> Verdict {
    let own = session.pitched_by.is_some() && session.pitched_by == principal.user_id();
    let allowed = own || may_organise(roles, event).is_ok();
    only_if(allowed, "Only who pitched a session, and who looks after the event, change it.")
}

/// Notes are left by those who have a place, and by who looks after the event.
pub fn may_note(roles: &Roles, event: &Event) -> Verdict {
    let allowed = event.attended || may_organise(roles, event).is_ok();
    only_if(allowed, "Only those who have a place at an event leave notes.")
}

/// Nobody changes what somebody else took down.
pub fn may_change_note(principal: Principal, author: Option<Uuid>) -> Verdict {
    let own = author.is_some() && author == principal.user_id();
    only_if(own, "Only who left a note changes it.")
}

/// What should not have been noted, who looks after the event and moderators remove as well.
pub fn may_remove_note(roles: &Roles, principal: Principal, event: &Event, author: Option<Uuid>) -> Verdict {
    let own = author.is_some() && author == principal.user_id();
    let allowed = own || roles.moderates() || may_organise(roles, event).is_ok();
    only_if(allowed, "Only who left a note, who looks after the event, and moderators remove it.")
}

/// Who comes for an organisation belongs to it.
pub fn may_come_for(roles: &Roles, organisation_id: Uuid) -> Verdict {
    only_if(roles.has(organisation_id, Role::Viewer), "Only people of an organisation come for it.")
}

/// For others than who gave it, and organisers, there is no answer.
pub fn may_see_rsvp(roles: &Roles, principal: Principal, event: &Event, attendee: Option<Uuid>) -> Verdict {
    let own = attendee.is_some() && attendee == principal.user_id();
    if own || may_organise(roles, event).is_ok() { Ok(()) } else { Err(Problem::not_found()) }
}

/// Rows are applied on behalf of the organisation, by what its contributors may do one by one.
pub fn may_import(roles: &Roles, organisation_id: Uuid, resource: ImportedResource) -> Verdict {
    match resource {
        ImportedResource::Citations => may_cite(roles, organisation_id),
        ImportedResource::Products => only_if(
            roles.has(organisation_id, Role::Contributor),
            "Only a contributor of the organisation sends its products.",
        ),
    }
}

/// What an organisation sends is seen by those who could have sent it.
pub fn may_see_import(roles: &Roles, organisation_id: Uuid) -> Verdict {
    let allowed = roles.administers() || roles.has(organisation_id, Role::Contributor);
    if allowed { Ok(()) } else { Err(Problem::not_found()) }
}

/// What should not have been said, moderators take back as well.
pub fn may_withdraw_citation(roles: &Roles, organisation_id: Uuid) -> Verdict {
    if roles.moderates() { Ok(()) } else { may_cite(roles, organisation_id) }
}

/// Stewards see to it that what their organisation says holds.
pub fn may_review(roles: &Roles, organisation_id: Uuid) -> Verdict {
    only_if(
        roles.administers() || roles.has(organisation_id, Role::Steward),
        "Only a steward of the organisation reviews its citations.",
    )
}

/// Clients are private to those who contribute for their organisation: for others there is none.
pub fn may_see_client(roles: &Roles, organisation_id: Uuid) -> Verdict {
    let allowed = roles.administers() || roles.has(organisation_id, Role::Contributor);
    if allowed { Ok(()) } else { Err(Problem::not_found()) }
}

/// Administrators of an organisation look after its clients; contributors after keys that only read the catalogue.
/// Nobody gives a machine a role above their own, or an administrator's.
pub fn may_write_client(roles: &Roles, organisation_id: Uuid, state: &ClientState) -> Verdict {
    only_if(state.role != Role::Admin, "A client cannot be an administrator.")?;
    if roles.administers() {
        return Ok(());
    }
    let needed = match state.kind {
        ClientKind::Service => Role::Admin,
        ClientKind::CatalogueKey => Role::Contributor,
    };
    only_if(
        roles.has(organisation_id, needed) && roles.has(organisation_id, state.role),
        "Only an administrator of the organisation looks after its clients; contributors after its catalogue keys.",
    )
}

/// Scopes are no wider than those of who gives them.
pub fn may_grant_scopes(held: &BTreeSet<String>, given: &[String]) -> Verdict {
    only_if(
        given.iter().all(|scope| held.contains(scope)),
        "A client's scopes are no wider than those of the token with which they are given.",
    )
}

/// The trail is read by those who answer for an organisation, or for the platform.
pub fn may_read_audit(roles: &Roles) -> Verdict {
    only_if(
        roles.administers() || roles.with(Role::Admin).next().is_some(),
        "Only an administrator, of an organisation or of the platform, reads the audit trail.",
    )
}

/// What concerns others is not there.
pub fn may_see_audit_event(roles: &Roles, organisation_id: Option<Uuid>) -> Verdict {
    let concerned = organisation_id.is_some_and(|id| roles.has(id, Role::Admin));
    if roles.administers() || concerned { Ok(()) } else { Err(Problem::not_found()) }
}

/// Members of an organisation see each other; everybody sees where they belong themselves.
pub fn may_see_membership(roles: &Roles, own: Option<Uuid>, membership: &Membership) -> Verdict {
    let allowed =
        roles.administers() || roles.has(membership.organisation_id, Role::Viewer) || own == Some(membership.user_id);
    if allowed { Ok(()) } else { Err(Problem::not_found()) }
}

/// Administrators of an organisation decide who belongs to it, and as what.
pub fn may_give_roles(roles: &Roles, organisation_id: Uuid) -> Verdict {
    only_if(
        roles.administers() || roles.has(organisation_id, Role::Admin),
        "Only an administrator of the organisation, or of the platform, decides who belongs to it.",
    )
}

/// Whoever says by which providers people sign in, decides who they are: administrators of the organisation.
pub fn may_keep_identity_providers(roles: &Roles, organisation_id: Uuid) -> Verdict {
    only_if(
        roles.administers() || roles.has(organisation_id, Role::Admin),
        "Only an administrator of the organisation, or of the platform, keeps its identity providers.",
    )
}

/// For others there is none.
pub fn may_see_identity_provider(roles: &Roles, organisation_id: Uuid) -> Verdict {
    if roles.administers() || roles.has(organisation_id, Role::Admin) { Ok(()) } else { Err(Problem::not_found()) }
}

/// An organisation's provider could name anybody as one of its people; roles over the platform count for them only
/// where the platform trusts it that far, and just that provider.
pub fn may_lend_platform_roles(
    roles: &Roles,
    before: Option<&IdentityProviderState>,
    after: &IdentityProviderState,
) -> Verdict {
    let lends = |state: &IdentityProviderState| state.platform_roles;
    let same_provider = |before: &IdentityProviderState| {
        let IdentityProviderState { name: _, kind, issuer, audience, algorithms, role_map: _, platform_roles } = before;
        (kind, issuer, audience, algorithms, platform_roles)
            == (&after.kind, &after.issuer, &after.audience, &after.algorithms, &after.platform_roles)
    };
    let concerned = lends(after) || before.is_some_and(lends);
    only_if(
        !concerned || roles.administers() || before.is_some_and(same_provider),
        "Only an administrator of the platform sets platformRoles, or changes issuer, audience, kind or algorithms of a \
         provider that has it.",
    )
}

/// Claims hold what people say of themselves: they are there for the claimant and for those who decide.
pub fn may_see_claim(roles: &Roles, own: Option<Uuid>, claim: &Claim) -> Verdict {
    if roles.moderates() || is_claimant(own, claim) { Ok(()) } else { Err(Problem::not_found()) }
}

/// Moderators decide about claims, and nobody about their own.
pub fn may_decide_claim(roles: &Roles, own: Option<Uuid>, claim: &Claim) -> Verdict {
    only_if(roles.moderates(), "Only a moderator decides about a claim.")?;
    only_if(!is_claimant(own, claim), "Another moderator decides about a claim of yours.")
}

/// The claimant takes a claim back, or an administrator of the platform whom they asked to.
pub fn may_withdraw_claim(roles: &Roles, own: Option<Uuid>, claim: &Claim) -> Verdict {
    only_if(
        roles.administers() || is_claimant(own, claim),
        "Only the claimant, or an administrator of the platform for them, withdraws a claim.",
    )
}

fn is_claimant(own: Option<Uuid>, claim: &Claim) -> bool {
    claim.claimant.as_ref().is_some_and(|claimant| own == Some(claimant.id))
}

/// Invitations hold addresses, so they are there for those who decide about them only.
pub fn may_see_invitation(roles: &Roles, organisation_id: Uuid) -> Verdict {
    if roles.administers() || roles.has(organisation_id, Role::Admin) { Ok(()) } else { Err(Problem::not_found()) }
}

/// Only people speak, flag and judge.
pub fn person(principal: Principal) -> Result<Uuid, Problem> {
    principal.user_id().ok_or_else(|| Problem::forbidden("Only a person does that, not a program."))
}

/// Whether somebody may speak at all: for a public body, for a supplier, or for the platform.
fn speaks(roles: &Roles, supplies: bool) -> bool {
    let belongs = |membership: &db::people::Membership| {
        supplies || membership.kind.is_public_body() || membership.kind == OrganisationKind::Supplier
    };
    roles.moderates() || roles.with(Role::Viewer).any(belongs)
}

/// As what somebody comments. Who belongs to a supplier says so, whatever else they are.
pub fn comments_as(roles: &Roles, supplies: bool, as_moderator: bool) -> Result<AuthorKind, Problem> {
    only_if(speaks(roles, supplies), "Only people of public bodies and of suppliers, and moderators, comment.")?;
    only_if(!as_moderator || roles.moderates(), "Only a moderator speaks as one.")?;
    only_if(!as_moderator || !supplies, "Who belongs to a supplier does not speak as a moderator.")?;
    let for_public_body = roles.with(Role::Viewer).any(|membership| membership.kind.is_public_body());
    Ok(match (supplies, as_moderator || !for_public_body) {
        (true, _) => AuthorKind::Supplier,
        (false, true) => AuthorKind::Moderator,
        (false, false) => AuthorKind::Member,
    })
}

/// Nobody changes the words of another.
pub fn may_rewrite_comment(roles: &Roles, person: Uuid, comment: &Comment) -> Verdict {
    only_if(comment.is_by(Some(person)), "Only its author changes a comment.")?;
    let still = speaks(roles, comment.author_kind == AuthorKind::Supplier);
    only_if(still, "Only people of public bodies and of suppliers, and moderators, comment.")
}

/// What one said one can withdraw, also when one does not belong any more.
pub fn may_withdraw_comment(principal: Principal, comment: &Comment) -> Verdict {
    only_if(comment.is_by(principal.user_id()), "Only its author withdraws a comment; moderators remove it.")
}

/// Those who may comment flag what others say.
pub fn may_flag(roles: &Roles, person: Uuid, comment: &Comment) -> Verdict {
    only_if(speaks(roles, false), "Only people of public bodies and of suppliers, and moderators, flag.")?;
    only_if(!comment.is_by(Some(person)), "Nobody flags their own comment; withdraw it instead.")
}

/// For others there is none.
pub fn may_see_flag(roles: &Roles, principal: Principal, flag: &Flag) -> Verdict {
    if roles.moderates() || principal.user_id() == Some(flag.user_id) { Ok(()) } else { Err(Problem::not_found()) }
}

/// Only who raised a flag takes it back.
pub fn may_withdraw_flag(roles: &Roles, principal: Principal, flag: &Flag) -> Verdict {
    may_see_flag(roles, principal, flag)?;
    only_if(principal.user_id() == Some(flag.user_id), "Only who raised a flag withdraws it.")
}

/// What was flagged or hidden, and what was said before, is for moderators.
pub fn may_moderate(roles: &Roles) -> Verdict {
    only_if(roles.moderates(), "Only a moderator sees that.")
}

/// Nobody judges in their own case.
pub fn may_judge_comment(roles: &Roles, moderator: Uuid, comment: &Comment, flagged: bool) -> Verdict {
    only_if(roles.moderates(), "Only a moderator hides, restores or removes a comment.")?;
    only_if(!comment.is_by(Some(moderator)), "A moderator does not judge their own comment; another does.")?;
    only_if(!flagged, "A moderator does not judge a comment that they flagged; another does.")
}
