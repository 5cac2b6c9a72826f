//! The schema: it goes up, down and up again, says what everything is, and agrees with the code.

use std::thread;

use db::PlatformRole;
use db::actions::ActionStatus;
use db::assessments::AssessmentStatus;
use db::assessments::responses::{LookAgain, ResponseStatus};
use db::checklists::{ChecklistStatus, ScoringRule};
use db::citations::{ScaleBand, ScaleUnit, Standing, Visibility};
use db::claims::ClaimStatus;
use db::clients::ClientKind;
use db::comments::{AuthorKind, CommentStatus, DecisionAction, FlagReason};
use db::events::changes::ChangeKind;
use db::events::rsvps::RsvpStatus;
use db::events::{EventKind, EventStatus};
use db::frameworks::FrameworkStatus;
use db::frameworks::items::ItemKind;
use db::frameworks::mappings::Relationship;
use db::identity_providers::IdentityProviderKind;
use db::imports::{ImportFormat, ImportOutcome, ImportStatus, ImportedResource};
use db::lease_templates::LeaseTemplateKind;
use db::lease_templates::content::{ClauseKind, VariableKind};
use db::lease_templates::versions::VersionStatus;
use db::leases::LeaseStatus;
use db::leases::documents::DocumentFormat;
use db::networks::members::NetworkRole;
use db::networks::series::BankHolidays;
use db::organisations::OrganisationKind;
use db::people::Role;
use db::products::{BudgetBand, CollaborationLevel, DevelopmentStatus, Phase, ProductKind};
use db::programmes::sessions::SessionStatus;
use db::signing_keys::KeyState;

use crate::support::Database;

/// Everything that a migration can make, a line each: `pg_dump` without needing its program.
const EVERYTHING: &str = "
select value from (
  select format('column %s.%s %s %s default %s generated %s: %s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod),
      a.attnotnull, pg_get_expr(d.adbin, d.adrelid), a.attgenerated::text || a.attidentity::text, col_description(c.oid, a.attnum)) as value
    from pg_attribute a join pg_class c on c.oid = a.attrelid left join pg_attrdef d on (d.adrelid, d.adnum) = (c.oid, a.attnum)
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'v', 'm', 'S') and a.attnum > 0 and not a.attisdropped
  union all
  select format('relation %s %s: %s', relkind, relname, obj_description(oid, 'pg_class')) from pg_class
    where relnamespace = 'public'::regnamespace
  union all
  select format('constraint %s on %s: %s', conname, conrelid::regclass, pg_get_constraintdef(oid)) from pg_constraint
    where connamespace = 'public'::regnamespace
  union all
  select pg_get_indexdef(indexrelid) from pg_index join pg_class on oid = indexrelid
    where relnamespace = 'public'::regnamespace
  union all
  select pg_get_triggerdef(oid) from pg_trigger where not tgisinternal
  union all
  select format('function %s: %s %s', oid::regprocedure, obj_description(oid, 'pg_proc'), case when prokind <> 'a' then pg_get_functiondef(oid) end)
    from pg_proc where pronamespace = 'public'::regnamespace
  union all
  select format('text search %s: %s', cfgname, obj_description(oid, 'pg_ts_config')) from pg_ts_config
    where cfgnamespace = 'public'::regnamespace
  union all
  select format('type %s', typname) from pg_type where typnamespace = 'public'::regnamespace
  union all
  select format('extension %s', extname) from pg_extension
) all_of_it where value not like '%__diesel_schema_migrations%' order by value";

/// What a database has before anything of ours, and Diesel's own table.
const NOT_OURS: &[&str] = &["extension plpgsql"];

#[test]
fn go_up_and_down_and_up_to_the_same() {
    let database = Database::empty();
    let applied = db::migrate::up(&database.url).unwrap();
    assert!(applied.len() >= 3, "{applied:?}");
    let first = database.texts(EVERYTHING);
    assert!(first.len() > 200, "the query that looks at the schema sees too little: {}", first.len());
    assert!(db::migrate::up(&database.url).unwrap().is_empty(), "nothing is due twice");

    let reverted = db::migrate::down(&database.url).unwrap();
    assert_eq!(reverted.len(), applied.len());
    assert_eq!(database.texts(EVERYTHING), NOT_OURS, "down leaves nothing of ours");

    db::migrate::up(&database.url).unwrap();
    assert_eq!(database.texts(EVERYTHING), first);
}

#[test]
fn two_at_once_apply_each_one_once() {
    let database = Database::empty();
    let applied: Vec<Vec<String>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..2).map(|_| scope.spawn(|| db::migrate::up(&database.url).unwrap())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let recorded = database.number("select count(*) from __diesel_schema_migrations");
    assert_eq!(applied.concat().len(), usize::try_from(recorded).unwrap());
    assert!(applied.iter().any(Vec::is_empty), "one did it all, the other waited and found nothing due: {applied:?}");
}

#[test]
fn every_table_and_column_says_what_it_is() {
    let silent = Database::new().texts(
        "select value from (
           select oid::regclass::text as value from pg_class
             where relnamespace = 'public'::regnamespace and relkind = 'r' and obj_description(oid, 'pg_class') is null
           union all
           select attrelid::regclass || '.' || attname from pg_attribute join pg_class on pg_class.oid = attrelid
             where relnamespace = 'public'::regnamespace and relkind = 'r' and attnum > 0 and not attisdropped
               and col_description(attrelid, attnum) is null
         ) silent where value not like '\\_\\_diesel%' order by value",
    );
    assert!(silent.is_empty(), "without COMMENT: {silent:#?}");
}

#[test]
fn every_foreign_key_has_an_index() {
    let slow = Database::new().texts(
        "select conrelid::regclass || ' ' || conname as value from pg_constraint c
         where contype = 'f' and not exists (
           select from pg_index i where i.indrelid = c.conrelid and i.indpred is null
             and (i.indkey::int2[])[0:cardinality(c.conkey) - 1] @> c.conkey)
         order by value",
    );
    assert!(slow.is_empty(), "removing what they point at would read the whole table: {slow:#?}");
}

/// The words of every `check (column in (…))`, by constraint.
fn vocabularies() -> Vec<(&'static str, Vec<&'static str>)> {
    macro_rules! table {
        ($($constraint:literal is $vocabulary:ident,)+) => {
            vec![$(($constraint, $vocabulary::ALL.iter().map(|word| word.as_str()).collect())),+]
        };
    }
    table! {
        "actions_status_check" is ActionStatus,
        "assessment_responses_look_again_check" is LookAgain,
        "assessment_responses_status_check" is ResponseStatus,
        "assessments_status_check" is AssessmentStatus,
        "checklists_scoring_check" is ScoringRule,
        "checklists_status_check" is ChecklistStatus,
        "citations_cited_phase_check" is Phase,
        "citations_scale_band_check" is ScaleBand,
        "citations_scale_unit_check" is ScaleUnit,
        "citations_status_check" is Standing,
        "citations_visibility_check" is Visibility,
        "claims_status_check" is ClaimStatus,
        "clients_kind_check" is ClientKind,
        "clients_role_check" is Role,
        "comment_decisions_action_check" is DecisionAction,
        "comment_decisions_reason_check" is FlagReason,
        "comment_flags_reason_check" is FlagReason,
        "comments_author_kind_check" is AuthorKind,
        "comments_status_check" is CommentStatus,
        "event_changes_kind_check" is ChangeKind,
        "event_series_bank_holidays_check" is BankHolidays,
        "event_series_kind_check" is EventKind,
        "events_kind_check" is EventKind,
        "events_status_check" is EventStatus,
        "framework_items_kind_check" is ItemKind,
        "framework_mappings_relationship_check" is Relationship,
        "frameworks_status_check" is FrameworkStatus,
        "identity_providers_kind_check" is IdentityProviderKind,
        "import_results_outcome_check" is ImportOutcome,
        "imports_format_check" is ImportFormat,
        "imports_resource_check" is ImportedResource,
        "imports_status_check" is ImportStatus,
        "invitations_role_check" is Role,
        "lease_clauses_kind_check" is ClauseKind,
        "lease_documents_format_check" is DocumentFormat,
        "lease_template_versions_status_check" is VersionStatus,
        "lease_templates_kind_check" is LeaseTemplateKind,
        "lease_variables_kind_check" is VariableKind,
        "leases_status_check" is LeaseStatus,
        "memberships_role_check" is Role,
        "network_members_role_check" is NetworkRole,
        "organisations_kind_check" is OrganisationKind,
        "platform_roles_role_check" is PlatformRole,
        "products_budget_band_check" is BudgetBand,
        "products_collaboration_level_check" is CollaborationLevel,
        "products_development_status_check" is DevelopmentStatus,
        "products_kind_check" is ProductKind,
        "products_phase_check" is Phase,
        "rsvps_status_check" is RsvpStatus,
        "sessions_status_check" is SessionStatus,
        "signing_keys_state_check" is KeyState,
    }
}

/// Tables that the code does not write yet.
const WITHOUT_VOCABULARY: &[&str] = &[];

#[test]
fn every_list_of_words_is_the_one_of_the_code() {
    let database = Database::new();
    let mut checked = database.texts(
        "select conname as value from pg_constraint where contype = 'c' and connamespace = 'public'::regnamespace
           and pg_get_constraintdef(oid) like '%= ANY (%'
         order by value",
    );
    checked.retain(|name| !WITHOUT_VOCABULARY.contains(&name.as_str()));
    let known: Vec<&str> = vocabularies().into_iter().map(|(constraint, _)| constraint).collect();
    assert_eq!(checked, known, "name the vocabulary of a new list here");
    for (constraint, words) in vocabularies() {
        let stored = database.texts(&format!(
            "select word[1] as value from pg_constraint,
               regexp_matches(pg_get_constraintdef(oid), '''([^'']*)''::text', 'g') as word where conname = '{constraint}'"
        ));
        assert_eq!(stored, words, "{constraint}");
    }
    for (rank, phase) in (1..).zip(Phase::ALL) {
        assert_eq!(database.number(&format!("phase_rank('{phase}')")), rank, "{phase}");
    }
}
