//! Who may do what: one table for every operation, and what a token has to be.

use db::{PlatformRole, Role, people};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::contract::{operation, operations};
use crate::support::operations::{OPEN_TO_EVERYBODY, Target, World, call, path_of};
use crate::support::{Server, council, product};

/// Columns: nobody; viewer, contributor, steward and admin of the council that owns the product; contributor and admin
/// of another council; contributors of the product's supplier and of another supplier; moderator; platform
/// administrator; the same without any scope.
const MATRIX: &str = "
accept_invitation               401 201 201 201 201 201 201 201 201 201 201 403
activate_citation               401 403 200 200 200 404 404 404 404 404 403 403
approve_claim                   401 404 404 404 404 404 404 404 404 200 200 403
approve_lease_template_version  401 403 403 200 200 403 403 404 404 404 403 403
assure_assessment               401 403 403 403 403 200 200 404 404 404 404 403
cancel_event                    401 403 200 200 200 403 403 403 403 403 200 403
compare_lease                   401 200 200 200 200 404 404 200 404 404 200 403
compare_lease_template_versions 200 200 200 200 200 200 200 200 200 200 200 200
compare_product_versions        200 200 200 200 200 200 200 200 200 200 200 200
complete_event                  401 403 200 200 200 403 403 403 403 403 200 403
confirm_citation                401 403 200 200 200 403 403 403 403 403 403 403
confirm_citations               401 403 200 200 200 403 403 403 403 403 403 403
create_assessment               401 403 201 201 201 403 403 403 403 403 403 403
create_assessment_action        401 403 201 201 201 404 404 404 404 404 404 403
create_assessment_comment       401 403 201 201 201 404 404 404 404 404 404 403
create_assessment_evidence      401 403 201 201 201 404 404 404 404 404 404 403
create_calendar                 401 201 201 201 201 201 201 201 201 201 201 403
create_check_in                 401 403 201 201 201 403 403 403 403 403 201 403
create_checklist                401 403 201 201 201 403 403 403 403 403 201 403
create_citation                 401 403 201 201 201 403 403 403 403 403 403 403
create_claim                    401 201 201 201 201 201 201 201 201 201 201 403
create_client                   401 403 403 403 201 403 403 403 403 403 201 403
create_client_secret            401 404 403 403 201 404 404 404 404 404 201 403
create_comment                  401 201 201 201 201 201 201 201 201 201 201 403
create_comment_flag             401 201 201 201 201 201 201 201 201 201 201 403
create_event                    401 403 201 201 201 403 403 403 403 403 201 403
create_event_series             401 403 201 201 201 403 403 403 403 403 201 403
create_framework                401 403 201 201 201 403 403 403 403 403 201 403
create_identity_provider        401 403 403 403 201 403 403 403 403 403 201 403
create_import                   401 403 202 202 202 403 403 403 403 403 403 403
create_invitation               401 403 403 403 201 403 403 403 403 403 201 403
create_lease                    401 403 201 201 201 403 403 403 403 403 201 403
create_lease_agreement          401 403 403 201 201 404 404 403 404 404 403 403
create_lease_template           401 403 201 201 201 403 403 403 403 403 201 403
create_lease_template_version   401 404 201 201 201 404 404 404 404 404 201 403
create_network                  401 403 201 201 201 403 403 403 403 403 201 403
create_network_member           401 201 201 201 201 201 201 201 201 201 201 403
create_organisation             401 403 403 403 403 403 403 403 403 403 201 403
create_product                  401 403 201 201 201 201 201 403 403 201 201 403
create_product_update           401 403 201 201 201 403 403 201 403 201 201 403
create_room                     401 403 201 201 201 403 403 403 403 403 201 403
create_rsvp                     401 201 201 201 201 201 201 201 201 201 201 403
create_session                  401 403 201 201 201 403 403 403 403 403 201 403
create_session_note             401 403 201 201 201 403 403 403 403 403 201 403
create_session_vote             401 403 201 201 201 403 403 403 403 403 201 403
create_slot                     401 403 201 201 201 403 403 403 403 403 201 403
delete_action                   401 403 204 204 204 404 404 404 404 404 404 403
delete_assessment               401 403 403 204 204 404 404 404 404 404 404 403
delete_calendar                 401 404 404 404 404 404 404 404 404 404 404 403
delete_check_in                 401 403 204 204 204 403 403 403 403 403 204 403
delete_checklist                401 404 204 204 204 404 404 404 404 404 204 403
delete_client                   401 404 403 403 204 404 404 404 404 404 204 403
delete_client_secret            401 404 403 403 204 404 404 404 404 404 204 403
delete_comment                  401 403 403 403 403 403 403 403 403 403 403 403
delete_comment_flag             401 404 404 404 404 404 404 404 404 403 403 403
delete_event                    401 404 204 204 204 404 404 404 404 404 204 403
delete_event_series             401 403 204 204 204 403 403 403 403 403 204 403
delete_evidence                 401 403 204 204 204 404 404 404 404 404 404 403
delete_framework                401 404 204 204 204 404 404 404 404 404 204 403
delete_identity_provider        401 404 404 404 204 404 404 404 404 404 204 403
delete_invitation               401 404 404 404 204 404 404 404 404 404 204 403
delete_lease                    401 403 204 204 204 404 404 404 404 404 204 403
delete_lease_template           401 404 204 204 204 404 404 404 404 404 204 403
delete_lease_template_version   401 404 204 204 204 404 404 404 404 404 204 403
delete_me                       401 204 204 204 204 204 204 204 204 204 204 403
delete_membership               401 403 403 403 204 404 404 404 404 404 204 403
delete_network                  401 403 204 204 204 403 403 403 403 403 204 403
delete_network_member           401 404 204 204 204 404 404 404 404 404 204 403
delete_organisation             401 403 403 403 403 403 403 403 403 403 204 403
delete_product                  401 403 403 403 403 403 403 403 403 204 204 403
delete_product_update           401 403 204 204 204 403 403 204 403 204 204 403
delete_room                     401 403 204 204 204 403 403 403 403 403 204 403
delete_rsvp                     401 404 204 204 204 404 404 404 404 404 204 403
delete_session                  401 403 204 204 204 403 403 403 403 403 204 403
delete_session_note             401 403 204 204 204 403 403 403 403 204 204 403
delete_session_vote             401 404 404 404 404 404 404 404 404 404 404 403
delete_slot                     401 403 204 204 204 403 403 403 403 403 204 403
end_citation                    401 403 200 200 200 403 403 403 403 403 403 403
export_assessment_responses     401 200 200 200 200 404 404 404 404 404 404 403
export_attendees                401 403 200 200 200 403 403 403 403 403 200 403
export_me                       401 200 200 200 200 200 200 200 200 200 200 403
get_action                      401 200 200 200 200 404 404 404 404 404 404 403
get_assessment                  401 200 200 200 200 404 404 404 404 404 404 403
get_assessment_oscal            401 200 200 200 200 404 404 404 404 404 404 403
get_assessment_score            401 200 200 200 200 404 404 404 404 404 404 403
get_attendance                  401 403 200 200 200 403 403 403 403 403 200 403
get_audit_event                 401 404 404 404 200 404 404 404 404 404 200 403
get_benchmark                   401 200 200 200 200 200 200 200 200 200 200 403
get_calendar                    401 404 404 404 404 404 404 404 404 404 404 403
get_checklist                   200 200 200 200 200 200 200 200 200 200 200 200
get_checklist_oscal             200 200 200 200 200 200 200 200 200 200 200 200
get_citation                    200 200 200 200 200 200 200 200 200 200 200 200
get_claim                       401 404 404 404 404 404 404 404 404 200 200 403
get_client                      401 404 200 200 200 404 404 404 404 404 200 403
get_comment                     200 200 200 200 200 200 200 200 200 200 200 200
get_comment_flag                401 404 404 404 404 404 404 404 404 200 200 403
get_event                       200 200 200 200 200 200 200 200 200 200 200 200
get_event_series                200 200 200 200 200 200 200 200 200 200 200 200
get_evidence                    401 200 200 200 200 404 404 404 404 404 404 403
get_evidence_content            401 200 200 200 200 404 404 404 404 404 404 403
get_framework                   200 200 200 200 200 200 200 200 200 200 200 200
get_framework_oscal             200 200 200 200 200 200 200 200 200 200 200 200
get_identity_provider           401 404 404 404 200 404 404 404 404 404 200 403
get_import                      401 404 200 200 200 404 404 404 404 404 200 403
get_invitation                  401 404 404 404 200 404 404 404 404 404 200 403
get_lease                       401 200 200 200 200 404 404 200 404 404 200 403
get_lease_adoption              401 200 200 200 200 200 200 200 200 200 200 403
get_lease_agreements            401 200 200 200 200 404 404 200 404 404 200 403
get_lease_clauses               200 200 200 200 200 200 200 200 200 200 200 200
get_lease_deviations            401 200 200 200 200 404 404 200 404 404 200 403
get_lease_document              401 200 200 200 200 404 404 200 404 404 200 403
get_lease_template              200 200 200 200 200 200 200 200 200 200 200 200
get_lease_template_version      200 200 200 200 200 200 200 200 200 200 200 200
get_lease_variables             200 200 200 200 200 200 200 200 200 200 200 200
get_me                          401 200 200 200 200 200 200 200 200 200 200 403
get_membership                  401 200 200 200 200 404 404 404 404 404 200 403
get_network                     200 200 200 200 200 200 200 200 200 200 200 200
get_network_member              401 404 200 200 200 404 404 404 404 404 200 403
get_organisation                200 200 200 200 200 200 200 200 200 200 200 200
get_organisation_statistics     200 200 200 200 200 200 200 200 200 200 200 200
get_product                     200 200 200 200 200 200 200 200 200 200 200 200
get_product_publiccode          200 200 200 200 200 200 200 200 200 200 200 200
get_product_statistics          200 200 200 200 200 200 200 200 200 200 200 200
get_product_update              200 200 200 200 200 200 200 200 200 200 200 200
get_product_version             200 200 200 200 200 200 200 200 200 200 200 200
get_room                        200 200 200 200 200 200 200 200 200 200 200 200
get_rsvp                        401 404 200 200 200 404 404 404 404 404 200 403
get_schedule                    200 200 200 200 200 200 200 200 200 200 200 200
get_schedule_proposal           401 403 200 200 200 403 403 403 403 403 200 403
get_session                     200 200 200 200 200 200 200 200 200 200 200 200
get_session_note                200 200 200 200 200 200 200 200 200 200 200 200
get_session_vote                401 404 404 404 404 404 404 404 404 404 404 403
get_slot                        200 200 200 200 200 200 200 200 200 200 200 200
hide_comment                    401 403 403 403 403 403 403 403 403 200 200 403
issue_lease                     401 403 200 200 200 404 404 404 404 404 200 403
list_actions                    401 200 200 200 200 200 200 200 200 200 200 403
list_assessment_actions         401 200 200 200 200 404 404 404 404 404 404 403
list_assessment_comments        401 200 200 200 200 404 404 404 404 404 404 403
list_assessment_evidence        401 200 200 200 200 404 404 404 404 404 404 403
list_assessment_responses       401 200 200 200 200 404 404 404 404 404 404 403
list_assessments                401 200 200 200 200 200 200 200 200 200 200 403
list_audit_events               401 403 403 403 200 403 200 403 403 403 200 403
list_calendars                  401 200 200 200 200 200 200 200 200 200 200 403
list_checklist_controls         200 200 200 200 200 200 200 200 200 200 200 200
list_checklists                 200 200 200 200 200 200 200 200 200 200 200 200
list_citations                  200 200 200 200 200 200 200 200 200 200 200 200
list_claims                     401 200 200 200 200 200 200 200 200 200 200 403
list_clients                    401 200 200 200 200 200 200 200 200 200 200 403
list_comment_flags              401 403 403 403 403 403 403 403 403 200 200 403
list_comment_versions           401 403 403 403 403 403 403 403 403 200 200 403
list_comments                   200 200 200 200 200 200 200 200 200 200 200 200
list_contract_groups            200 200 200 200 200 200 200 200 200 200 200 200
list_contracts                  200 200 200 200 200 200 200 200 200 200 200 200
list_event_changes              401 403 200 200 200 403 403 403 403 403 200 403
list_event_series               200 200 200 200 200 200 200 200 200 200 200 200
list_events                     200 200 200 200 200 200 200 200 200 200 200 200
list_evidence                   401 200 200 200 200 200 200 200 200 200 200 403
list_framework_controls         200 200 200 200 200 200 200 200 200 200 200 200
list_framework_mappings         200 200 200 200 200 200 200 200 200 200 200 200
list_frameworks                 200 200 200 200 200 200 200 200 200 200 200 200
list_identity_providers         401 403 403 403 200 403 403 403 403 403 200 403
list_import_results             401 404 200 200 200 404 404 404 404 404 200 403
list_imports                    401 200 200 200 200 200 200 200 200 200 200 403
list_invitations                401 200 200 200 200 200 200 200 200 200 200 403
list_lease_premises             401 200 200 200 200 404 404 200 404 404 200 403
list_lease_template_versions    200 200 200 200 200 200 200 200 200 200 200 200
list_lease_templates            200 200 200 200 200 200 200 200 200 200 200 200
list_leases                     401 200 200 200 200 200 200 200 200 200 200 403
list_memberships                401 200 200 200 200 200 200 200 200 200 200 403
list_moderation_queue           401 403 403 403 403 403 403 403 403 200 200 403
list_moderation_statement       200 200 200 200 200 200 200 200 200 200 200 200
list_network_members            401 200 200 200 200 200 200 200 200 200 200 403
list_networks                   200 200 200 200 200 200 200 200 200 200 200 200
list_notifications              401 200 200 200 200 200 200 200 200 200 200 403
list_organisations              200 200 200 200 200 200 200 200 200 200 200 200
list_product_updates            200 200 200 200 200 200 200 200 200 200 200 200
list_product_versions           200 200 200 200 200 200 200 200 200 200 200 200
list_products                   200 200 200 200 200 200 200 200 200 200 200 200
list_response_versions          401 200 200 200 200 404 404 404 404 404 404 403
list_review_queue               401 403 403 200 200 403 403 403 403 403 200 403
list_rooms                      200 200 200 200 200 200 200 200 200 200 200 200
list_rsvps                      401 200 200 200 200 200 200 200 200 200 200 403
list_session_notes              200 200 200 200 200 200 200 200 200 200 200 200
list_session_votes              401 200 200 200 200 200 200 200 200 200 200 403
list_sessions                   200 200 200 200 200 200 200 200 200 200 200 200
list_similar_products           200 200 200 200 200 200 200 200 200 200 200 200
list_slots                      200 200 200 200 200 200 200 200 200 200 200 200
merge_session                   401 403 200 200 200 403 403 403 403 403 200 403
publish_checklist               401 404 403 200 200 404 404 404 404 404 200 403
publish_event                   401 404 200 200 200 404 404 404 404 404 200 403
publish_framework               401 404 403 200 200 404 404 404 404 404 200 403
publish_lease_template_version  401 403 403 200 200 403 403 404 404 404 200 403
publish_schedule                401 403 200 200 200 403 403 403 403 403 200 403
put_checklist_oscal             401 404 200 200 200 404 404 404 404 404 200 403
put_evidence_content            401 403 200 200 200 404 404 404 404 404 404 403
put_framework_mappings          401 403 200 200 200 403 403 403 403 403 200 403
put_framework_oscal             401 404 200 200 200 404 404 404 404 404 200 403
put_lease_clauses               401 404 200 200 200 404 404 404 404 404 200 403
put_lease_deviations            401 403 200 200 200 404 404 404 404 404 200 403
put_lease_premises              401 403 200 200 200 404 404 404 404 404 200 403
put_lease_variables             401 404 200 200 200 404 404 404 404 404 200 403
put_product_publiccode          401 403 200 200 200 403 403 200 403 200 200 403
read_calendar                   200 200 200 200 200 200 200 200 200 200 200 200
read_event_atom_feed            200 200 200 200 200 200 200 200 200 200 200 200
read_event_calendar             200 200 200 200 200 200 200 200 200 200 200 200
read_event_feed                 200 200 200 200 200 200 200 200 200 200 200 200
read_network_calendar           200 200 200 200 200 200 200 200 200 200 200 200
read_organisation_calendar      200 200 200 200 200 200 200 200 200 200 200 200
reject_claim                    401 404 404 404 404 404 404 404 404 200 200 403
remove_comment                  401 403 403 403 403 403 403 403 403 200 200 403
render_lease_comparison         401 200 200 200 200 404 404 200 404 404 200 403
render_lease_template_comparison 200 200 200 200 200 200 200 200 200 200 200 200
request_assessment_changes      401 403 403 403 403 200 200 404 404 404 404 403
restore_comment                 401 403 403 403 403 403 403 403 403 200 200 403
return_lease_template_version   401 403 200 200 200 403 200 404 404 404 200 403
revert_product                  401 403 200 200 200 403 403 200 403 200 200 403
submit_assessment               401 403 403 200 200 404 404 404 404 404 404 403
submit_lease_template_version   401 404 200 200 200 404 404 404 404 404 200 403
terminate_lease                 401 403 403 200 200 404 404 403 404 404 200 403
update_action                   401 403 200 200 200 404 404 404 404 404 404 403
update_assessment               401 403 200 200 200 404 404 404 404 404 404 403
update_assessment_responses     401 403 200 200 200 404 404 404 404 404 404 403
update_checklist                401 404 200 200 200 404 404 404 404 404 200 403
update_citation                 401 403 200 200 200 403 403 403 403 403 403 403
update_client                   401 404 403 403 200 404 404 404 404 404 200 403
update_comment                  401 403 403 403 403 403 403 403 403 403 403 403
update_event                    401 403 200 200 200 403 403 403 403 403 200 403
update_event_series             401 403 200 200 200 403 403 403 403 403 200 403
update_evidence                 401 403 200 200 200 404 404 404 404 404 404 403
update_framework                401 404 200 200 200 404 404 404 404 404 200 403
update_identity_provider        401 404 404 404 200 404 404 404 404 404 200 403
update_lease                    401 403 200 200 200 404 404 404 404 404 200 403
update_lease_template           401 404 200 200 200 404 404 404 404 404 200 403
update_lease_template_version   401 404 200 200 200 404 404 404 404 404 200 403
update_me                       401 200 200 200 200 200 200 200 200 200 200 403
update_membership               401 403 403 403 200 404 404 404 404 404 200 403
update_network                  401 403 200 200 200 403 403 403 403 403 200 403
update_network_member           401 404 200 200 200 404 404 404 404 404 200 403
update_organisation             401 403 403 200 200 403 403 403 403 403 200 403
update_product                  401 403 200 200 200 403 403 200 403 200 200 403
update_room                     401 403 200 200 200 403 403 403 403 403 200 403
update_schedule                 401 403 200 200 200 403 403 403 403 403 200 403
update_session                  401 403 200 200 200 403 403 403 403 403 200 403
update_session_note             401 403 403 403 403 403 403 403 403 403 403 403
update_slot                     401 403 200 200 200 403 403 403 403 403 200 403
void_lease                      401 403 403 200 200 404 404 403 404 404 200 403
withdraw_checklist              401 403 403 200 200 403 403 403 403 403 200 403
withdraw_citation               401 403 200 200 200 403 403 403 403 200 200 403
withdraw_claim                  401 404 404 404 404 404 404 404 404 403 200 403
withdraw_framework              401 403 403 200 200 403 403 403 403 403 200 403
withdraw_lease_template_version 401 403 403 200 200 403 403 403 403 403 200 403
";

fn matrix() -> Vec<(&'static str, Vec<u16>)> {
    let rows = MATRIX.lines().filter(|line| !line.is_empty());
    rows.map(|line| {
        let mut words = line.split_whitespace();
        (words.next().unwrap(), words.map(|status| status.parse().unwrap()).collect())
    })
    .collect()
}

fn columns<'s>(server: &'s Server, world: &World) -> Vec<(&'static str, Client<'s>)> {
    let council = |role| server.as_(&world.member(server, role));
    let contributor = |organisation| server.as_(&server.member(organisation, Role::Contributor));
    vec![
        ("nobody", server.anonymous()),
        ("viewer", council(Role::Viewer)),
        ("contributor", council(Role::Contributor)),
        ("steward", council(Role::Steward)),
        ("admin", council(Role::Admin)),
        ("another council's contributor", contributor(&world.other_council)),
        ("another council's admin", server.as_(&server.member(&world.other_council, Role::Admin))),
        ("the supplier's contributor", contributor(&world.supplier)),
        ("another supplier's contributor", contributor(&world.other_supplier)),
        ("moderator", server.as_(&server.person(&[PlatformRole::Moderator], &[]))),
        ("platform administrator", server.as_(&server.admin())),
        ("platform administrator without scopes", server.as_(&server.admin().with_scopes(&[]))),
    ]
}

#[test]
fn every_operation_has_a_row_and_every_row_an_operation() {
    let mut documented: Vec<&str> = operations().iter().map(|operation| operation.id.as_str()).collect();
    documented.sort_unstable();
    let listed: Vec<&str> = matrix().into_iter().map(|(id, _)| id).collect();
    assert_eq!(listed, documented, "say in MATRIX who may call what is new");
}

#[test]
fn everybody_may_do_what_the_table_says_and_no_more() {
    let server = Server::start();
    let world = World::new(&server);
    let mut wrong = Vec::new();
    for (id, expected) in matrix() {
        let operation = operation(id);
        let mut target = world.target(&server, operation);
        let columns = columns(&server, &world);
        assert_eq!(columns.len(), expected.len(), "{id}");
        for ((who, client), expected) in columns.into_iter().zip(expected) {
            let answer = call(&client, operation, &path_of(operation, &target)).send();
            if answer.status != expected {
                wrong.push(format!("{id}: {who} gets {} and not {expected}", answer.status));
            }
            // Something fresh for the next one.
            let acted = operation.method == "POST" && answer.status == 200;
            if acted || matches!(answer.status, 201 | 202 | 204) {
                target = world.target(&server, operation);
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn each_write_needs_its_own_scope() {
    let server = Server::start();
    let world = World::new(&server);
    for operation in operations().iter().filter(|operation| !operation.is_public()) {
        let needed = operation.value["security"][0]["oauth2"][0].as_str().unwrap();
        let others: Vec<&str> =
            api::auth::SCOPES.iter().map(|(scope, _)| *scope).filter(|scope| *scope != needed).collect();
        let path = path_of(operation, &world.target(&server, operation));
        let refused = call(&server.as_(&server.admin().with_scopes(&others)), operation, &path).expect(403);
        assert!(refused.text("detail").contains(needed), "{}", refused.text("detail"));
        call(&server.as_(&server.admin().with_scopes(&[needed])), operation, &path).send();
    }
}

#[test]
fn a_role_that_is_taken_away_is_gone_at_once() {
    let server = Server::start();
    let ealing = server.add_organisation(council("Ealing"));
    let person = server.member(&ealing, Role::Contributor);
    let client = server.as_(&person);
    client.post("/v1/products", product("Before")).expect(201);
    let (user, organisation) = (person.id, ealing.id());
    server.database().write(move |tx| people::remove_membership(tx, user, organisation)).unwrap();
    client.post("/v1/products", product("After")).expect(403);

    let moderator = server.person(&[PlatformRole::Moderator], &[]);
    let client = server.as_(&moderator);
    client.post("/v1/products", product("Before")).expect(201);
    let (user, email) = (moderator.id, moderator.email.clone());
    server.database().write(move |tx| people::ensure(tx, user, &email, "A person", &[])).unwrap();
    client.post("/v1/products", product("After")).expect(403);
}

/// A token that would do, but for what a test changes about it.
struct Forgery {
    header: Value,
    claims: Value,
    key: EncodingKey,
}

fn forgery(server: &Server) -> Forgery {
    let genuine = server.claims(&server.admin());
    let header = jsonwebtoken::decode_header(server.sign(&genuine)).unwrap();
    let key = server.tokens.keys().unwrap().held().active().unwrap().encoding.clone();
    Forgery { header: serde_json::to_value(header).unwrap(), claims: serde_json::to_value(genuine).unwrap(), key }
}

impl Forgery {
    fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header[name] = value.into();
        self
    }

    fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims[name] = value.into();
        self
    }

    fn without(mut self, claim: &str) -> Self {
        self.claims.as_object_mut().unwrap().remove(claim);
        self
    }

    /// By hand, as no library signs what a library refuses.
    fn token(&self) -> String {
        let signed = format!("{}.{}", encode(&self.header), encode(&self.claims));
        let signature = jsonwebtoken::crypto::sign(signed.as_bytes(), &self.key, Algorithm::ES256).unwrap();
        format!("{signed}.{signature}")
    }
}

fn encode(part: &Value) -> String {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(part.to_string())
}

#[test]
fn a_token_is_what_it_should_be_or_nothing() {
    let server = Server::start();
    let forged = || forgery(&server);
    let now = forged().claims["iat"].as_i64().unwrap();
    let genuine = forged().token();
    server.with_authorization(&format!("Bearer {genuine}")).get("/v1/products").expect(200);
    server.with_authorization(&format!("bearer {genuine}")).get("/v1/products").expect(200);

    let with_other_key = {
        let other = Server::start();
        forgery(&other).token()
    };
    let unsigned = format!("{}.{}.", encode(&json!({ "alg": "none", "typ": "at+jwt" })), encode(&forged().claims));
    let by_secret = {
        let mut header = Header::new(Algorithm::HS256);
        header.typ = Some("at+jwt".to_owned());
        header.kid = forged().header["kid"].as_str().map(ToOwned::to_owned);
        let ring = server.tokens.keys().unwrap().held();
        let public = serde_json::to_vec(&ring.jwks()["keys"][0]).unwrap();
        jsonwebtoken::encode(&header, &forged().claims, &EncodingKey::from_secret(&public)).unwrap()
    };
    let mut tampered: Vec<&str> = genuine.split('.').collect();
    let claims = encode(&forged().claim("scope", "everything").claims);
    tampered[1] = &claims;

    let own_key = server.tokens.keys().unwrap().held().jwks()["keys"][0].clone();
    let nobody = uuid::Uuid::now_v7().to_string();
    let client_of_nobody = forged().claim("sub", nobody.clone()).claim("client_id", nobody).token();
    let bad = [
        ("expired", forged().claim("exp", now - 31).claim("iat", now - 600).token()),
        ("not yet", forged().claim("nbf", now + 60).token()),
        ("issued tomorrow", forged().claim("iat", now + 60).token()),
        ("too long-lived", forged().claim("exp", now + 86_400).token()),
        ("other type", forged().header("typ", "JWT").token()),
        ("critical extension", forged().header("crit", json!(["b64"])).header("b64", false).token()),
        ("other key id", forged().header("kid", "other").token()),
        ("other audience", forged().claim("aud", "https://elsewhere.example").token()),
        ("other issuer", forged().claim("iss", "https://elsewhere.example").token()),
        ("no expiry", forged().without("exp").token()),
        ("no audience", forged().without("aud").token()),
        ("no subject", forged().without("sub").token()),
        ("no issuer", forged().without("iss").token()),
        ("no beginning", forged().without("nbf").token()),
        ("no time of issue", forged().without("iat").token()),
        ("no id", forged().without("jti").token()),
        ("no client", forged().without("client_id").token()),
        ("no scope", forged().without("scope").token()),
        ("no key id", forged().header("kid", Value::Null).token()),
        ("a key of its own", forged().header("kid", "own").header("jwk", own_key).token()),
        ("a client that is not there", client_of_nobody),
        ("subject is no person", forged().claim("sub", "root").token()),
        ("other key", with_other_key),
        ("no signature", unsigned),
        ("public key as secret", by_secret),
        ("tampered with", tampered.join(".")),
        ("too long", forged().claim("client_id", "x".repeat(17_000)).token()),
        ("garbage", "garbage".to_owned()),
        ("empty", String::new()),
    ];
    let bad = bad.map(|(what, token)| (what, format!("Bearer {token}")));
    let other_scheme = [("basic", "Basic YTpi".to_owned()), ("no scheme", genuine.clone())];
    for (what, value) in bad.into_iter().chain(other_scheme) {
        // Refused also where nobody needs a token: whoever sends one wants to be somebody.
        let client = server.with_authorization(&value);
        for operation in operations() {
            let answer = call(&client, operation, &path_of(operation, &Target::missing())).send();
            assert_eq!(answer.status, 401, "{}, {what}: {}", operation.id, answer.json);
            let challenge = answer.header("www-authenticate");
            assert_eq!(challenge, Some("Bearer realm=\"loti\", error=\"invalid_token\""), "{what}");
        }
    }
    let without = server.anonymous().post("/v1/products", product("Any")).expect(401);
    assert_eq!(without.header("www-authenticate"), Some("Bearer realm=\"loti\""), "no token is no wrong token");
}

#[test]
fn who_left_or_was_taken_back_can_do_nothing_any_more() {
    let server = Server::start();
    let world = World::new(&server);
    let leaver = world.member(&server, Role::Admin);
    let client = server.as_(&leaver);
    client.get("/v1/clients").expect(200);
    let (user, council) = (leaver.id, world.council.id());
    server.database().write(move |tx| people::remove_membership(tx, user, council)).unwrap();
    let writes = operations().iter().filter(|operation| !operation.is_public() && operation.method != "GET");
    for operation in writes.filter(|operation| !OPEN_TO_EVERYBODY.contains(&operation.id.as_str())) {
        let path = path_of(operation, &world.target(&server, operation));
        let answer = call(&client, operation, &path).send();
        assert!(matches!(answer.status, 403 | 404), "{}: {} {}", operation.id, answer.status, answer.json);
    }
    let erased = server.admin();
    server.database().execute(&format!("update users set erased_at = now(), email = null where id = '{}'", erased.id));
    server.as_(&erased).post("/v1/products", product("Bins")).expect(401);
    server.as_(&erased).get("/v1/products").expect(401);
}

#[test]
fn who_may_not_call_learns_nothing_of_their_body() {
    let server = Server::start();
    let refused =
        server.as_(&server.admin().with_scopes(&[])).post("/v1/products", json!({ "nonsense": 1 })).expect(403);
    assert!(refused.faults().is_empty());
    server.anonymous().post("/v1/products?colour=red", json!([])).expect(401);
}
