//! SQL functions of the migrations, as Diesel sees them; each is described where it is made.

use diesel::define_sql_function;
use diesel::sql_types::{Array, Binary, Bool, Date, Integer, Nullable, Text, Timestamptz, Uuid};

define_sql_function! { fn set_config(name: Text, value: Text, is_local: Bool) -> Text; }
define_sql_function! { fn seconds_ago(seconds: Integer) -> Timestamptz; }
define_sql_function! { fn settled_position() -> BigInt; }
define_sql_function! { fn try_lock(name: Text) -> Bool; }
define_sql_function! { fn wait_for_lock(name: Text) -> Bool; }
define_sql_function! { fn lends_platform_roles(provider: Uuid) -> Nullable<Bool>; }
define_sql_function! { fn speaks_for(organisation: Uuid, address: Nullable<Text>) -> Bool; }
define_sql_function! { fn lower(text: Text) -> Text; }
define_sql_function! { fn fold(text: Text) -> Text; }
define_sql_function! { fn strpos(text: Text, part: Text) -> Integer; }
define_sql_function! { fn free_slug(kind: Text, wanted: Text) -> Text; }
define_sql_function! { fn alias_keys(name: Text, aliases: Array<Nullable<Text>>) -> Array<Nullable<Text>>; }
define_sql_function! { fn spelling_core(name: Text) -> Text; }
define_sql_function! { fn spelling_cores(name: Text, aliases: Array<Nullable<Text>>) -> Array<Nullable<Text>>; }
define_sql_function! { fn organisation_ref(organisation: Nullable<Uuid>) -> Nullable<Jsonb>; }
define_sql_function! { fn organisation_identifier_list(organisation: Uuid) -> Jsonb; }
define_sql_function! { fn organisation_replaced_by(organisation: Uuid) -> Jsonb; }
define_sql_function! { fn organisation_successors(organisation: Uuid) -> Jsonb; }
define_sql_function! { fn organisation_of_company(number: Text) -> Nullable<Uuid>; }
define_sql_function! { fn sees_as_member(viewer: Nullable<Uuid>, organisation: Uuid) -> Bool; }
define_sql_function! { fn fold_product_counters(most: Integer) -> BigInt; }
define_sql_function! { fn product_counts(product: Uuid) -> Array<BigInt>; }
define_sql_function! { fn product_ref(product: Uuid) -> Jsonb; }
define_sql_function! { fn contract_end_order(ends_on: Nullable<Date>) -> Date; }
define_sql_function! { fn is_stale(confirmed_at: Timestamptz, stale_after_days: Integer) -> Bool; }
define_sql_function! { fn event_organiser_list(event: Uuid) -> Jsonb; }
define_sql_function! { fn network_ref(network: Nullable<Uuid>) -> Nullable<Jsonb>; }
define_sql_function! { fn member_count(network: Uuid) -> BigInt; }
define_sql_function! { fn convenes(network: Nullable<Uuid>, person: Nullable<Uuid>) -> Bool; }
define_sql_function! { fn calendar_owner(hash: Binary) -> Nullable<Uuid>; }
define_sql_function! { fn planned_around(event: Uuid) -> Bool; }
define_sql_function! { fn vote_count(session: Uuid) -> BigInt; }
define_sql_function! { fn has_voted(session: Uuid, person: Nullable<Uuid>) -> Bool; }
define_sql_function! { fn move_votes(source: Uuid, target: Uuid) -> BigInt; }
define_sql_function! { fn session_speakers(session: Uuid) -> Array<Nullable<Text>>; }
define_sql_function! { fn placement_whereabouts(session: Uuid) -> Nullable<Jsonb>; }
define_sql_function! { fn is_accepted(event: Uuid, person: Nullable<Uuid>) -> Bool; }
define_sql_function! { fn waitlist_position(rsvp: Uuid) -> Nullable<BigInt>; }
define_sql_function! { fn comment_decision(comment: Uuid) -> Nullable<Jsonb>; }
define_sql_function! { fn live_flag_count(comment: Uuid) -> BigInt; }
define_sql_function! { fn leading_flag_reason(comment: Uuid) -> Nullable<Text>; }
define_sql_function! { fn lease_version_ref(version: Nullable<Uuid>) -> Nullable<Jsonb>; }
define_sql_function! { fn current_lease_version(template: Uuid) -> Nullable<Text>; }
define_sql_function! { fn lease_approval_list(version: Nullable<Uuid>) -> Nullable<Jsonb>; }
define_sql_function! { fn lease_party_list(lease: Nullable<Uuid>) -> Nullable<Jsonb>; }
define_sql_function! { fn lease_document_list(lease: Nullable<Uuid>) -> Nullable<Jsonb>; }
define_sql_function! { fn later_lease_version(version: Uuid) -> Nullable<Text>; }
define_sql_function! { fn lease_successor(lease: Uuid) -> Nullable<Uuid>; }
define_sql_function! { fn framework_ref(framework: Nullable<Uuid>) -> Nullable<Jsonb>; }
define_sql_function! { fn framework_successor(framework: Uuid) -> Nullable<Jsonb>; }
define_sql_function! { fn framework_group(framework: Uuid, position: Integer) -> Nullable<Jsonb>; }
define_sql_function! { fn checklist_ref(checklist: Nullable<Uuid>) -> Nullable<Jsonb>; }
define_sql_function! { fn checklist_successor(checklist: Uuid) -> Nullable<Jsonb>; }
define_sql_function! { fn assurer_list(assessment: Uuid) -> Jsonb; }
define_sql_function! { fn person_ref(person: Nullable<Uuid>) -> Nullable<Jsonb>; }
define_sql_function! { fn assessment_successor(assessment: Uuid) -> Nullable<Uuid>; }
define_sql_function! { fn assessment_progress(assessment: Uuid) -> Jsonb; }
define_sql_function! { fn supersede_assessment(later: Uuid) -> Nullable<Uuid>; }
