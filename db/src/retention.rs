//! For how long rows are kept: one table of decisions, by which they are removed.

use diesel::prelude::*;

use crate::Result;
use crate::functions::try_lock;
use crate::quotas;
use crate::removal::{self, Audit, Removed};
use crate::tx::Tx;

/// Rows that one transaction removes at most.
const BATCH: usize = 1000;
/// Seconds for which a signing key verifies what it has signed, and is published, after it ceased to sign.
pub const SIGNING_KEY_SECONDS: i32 = 3600;

/// What becomes of the rows of a table with time.
pub struct Rule {
    /// The table.
    pub table: &'static str,
    /// For how long they are kept.
    pub keeps: Keeps,
}

/// For how long rows are kept.
pub enum Keeps {
    /// For a period.
    Until(Period),
    /// For as long as what they are of, for this reason.
    Always(&'static str),
}

/// When rows go.
pub struct Period {
    /// In words, as the README has it.
    pub words: &'static str,
    /// Which rows are to go, as an SQL condition.
    pub over: fn() -> String,
    /// What the trail says of each; nothing of what was never in it.
    pub audit: Option<Audit>,
}

const fn until(table: &'static str, words: &'static str, over: fn() -> String, audit: Option<Audit>) -> Rule {
    Rule { table, keeps: Keeps::Until(Period { words, over, audit }) }
}

const fn always(table: &'static str, because: &'static str) -> Rule {
    Rule { table, keeps: Keeps::Always(because) }
}

const IMPORT_IS_OVER: &str = "finished_at < now() - interval '90 days'";
const CATALOGUE: &str = "The catalogue and its history; people remove what is wrong.";
const PARTS: &str = "Go with their person, organisation or client.";
const LEASES: &str = "What was agreed, for as long as anybody may refer to it; drafts until they are removed.";
const ASSESSMENTS: &str =
    "What was assessed, shown and planned, for as long as anybody may refer to it; drafts until they are removed.";
const LISTS: &str = "Reference lists.";

/// Every table.
pub const RULES: &[Rule] = &[
    until("idempotency_keys", "24 hours", || "expires_at < now()".to_owned(), None),
    until(
        "quotas",
        "one day, the longest window",
        || {
            let longest = quotas::ACTIONS.iter().map(|action| action.window).max().unwrap_or_default();
            format!("window_start < now() - interval '{longest} seconds'")
        },
        None,
    ),
    until("revoked_tokens", "until the token would have ended", || "expires_at < now()".to_owned(), None),
    until(
        "enrolments",
        "30 days after the link was used or ended",
        || "least(used_at, expires_at) < now() - interval '30 days'".to_owned(),
        None,
    ),
    until(
        "invitations",
        "90 days after they were accepted or ended",
        || "coalesce(accepted_at, expires_at) < now() - interval '90 days'".to_owned(),
        Some(Audit {
            object: "id",
            organisation: "organisation_id",
            before: "jsonb_build_object('organisation_id', organisation_id, 'role', role,
                'accepted', accepted_at is not null)",
            after: "null::jsonb",
        }),
    ),
    until(
        "signing_keys",
        "one hour after they ceased to sign",
        || format!("retired_at < now() - interval '{SIGNING_KEY_SECONDS} seconds'"),
        None,
    ),
    until(
        "import_results",
        "90 days after the import was over",
        || format!("import_id in (select id from imports where {IMPORT_IS_OVER})"),
        None,
    ),
    until(
        "imports",
        "90 days after they were over",
        // Some of the many results at a time, and then the import.
        || format!("{IMPORT_IS_OVER} and not exists (select from import_results where import_id = id)"),
        None,
    ),
    until("event_changes", "one year after the change", || "created_at < now() - interval '1 year'".to_owned(), None),
    always("lease_templates", CATALOGUE),
    always("lease_template_versions", CATALOGUE),
    always("lease_variables", CATALOGUE),
    always("lease_clauses", CATALOGUE),
    always("lease_approvals", CATALOGUE),
    always("frameworks", CATALOGUE),
    always("framework_items", CATALOGUE),
    always("framework_mappings", CATALOGUE),
    always("checklists", CATALOGUE),
    always("checklist_controls", CATALOGUE),
    always("assessments", ASSESSMENTS),
    always("assessment_assurers", ASSESSMENTS),
    always("assessment_responses", ASSESSMENTS),
    always("assessment_response_versions", ASSESSMENTS),
    always("assessment_evidence", ASSESSMENTS),
    always("assessment_comments", ASSESSMENTS),
    always("evidence", ASSESSMENTS),
    always("evidence_revisions", ASSESSMENTS),
    always("evidence_chunks", ASSESSMENTS),
    always("actions", ASSESSMENTS),
    always("benchmark_members", "As long as an organisation shares its results."),
    always("benchmark_runs", "Until the next day."),
    always("benchmarks", "Until the next day."),
    always("leases", LEASES),
    always("lease_parties", LEASES),
    always("lease_premises", LEASES),
    always("lease_deviations", LEASES),
    always("lease_documents", LEASES),
    always("lease_document_chunks", LEASES),
    always("lease_agreements", LEASES),
    always("networks", CATALOGUE),
    always("network_members", PARTS),
    always("event_series", CATALOGUE),
    always("calendars", "Until their person revokes them or is erased."),
    always("schedules", CATALOGUE),
    always("rooms", CATALOGUE),
    always("slots", CATALOGUE),
    always("sessions", CATALOGUE),
    always("session_votes", "How many would go where; whose they are, nobody is told."),
    always("session_notes", CATALOGUE),
    always("placements", CATALOGUE),
    always("events", CATALOGUE),
    always("event_organisers", CATALOGUE),
    always("rsvps", "How many came, for whom; what people need is forgotten with the end of the event."),
    always("import_chunks", "Until the import is over."),
    always("audit_events", "Who did what, by ids only; it is never rewritten."),
    always("erasures", "Who was erased, by ids only; a backup of any age may be restored."),
    always("users", "Until they are erased; then a row without a name, to which what they wrote refers."),
    always("identities", PARTS),
    always("memberships", PARTS),
    always("platform_roles", PARTS),
    always("clients", PARTS),
    always("client_secrets", PARTS),
    always("identity_providers", PARTS),
    always("organisations", CATALOGUE),
    always("organisation_identifiers", CATALOGUE),
    always("organisation_replacements", CATALOGUE),
    always("products", CATALOGUE),
    always("product_updates", CATALOGUE),
    always("product_versions", CATALOGUE),
    always("product_counters", "Numbers, which go with their product."),
    always("product_counter_deltas", "Until they are folded into the counters, some seconds later."),
    always("citations", CATALOGUE),
    always("comments", CATALOGUE),
    always("comment_versions", "What people wrote, for those who judge it."),
    always("comment_flags", "What was said against a comment, until who said it is erased."),
    always("comment_decisions", "What was decided, which the public statement counts."),
    always("claims", "Who came to speak for a supplier, and why; without their words once they are erased."),
    always("slugs", "A slug never comes to mean something else."),
    always("source_records", "An import that is run again has to know its rows."),
    always("lgsl_services", LISTS),
    always("publiccode_categories", LISTS),
    always("commit_order", "One row."),
];

/// Removes some rows of a table whose time is over, and tells how many; `None` while another replica is at it.
///
/// There may be more when as many went as one transaction takes: see [`is_done`].
pub fn forget(tx: &mut Tx<'_>, rule: &Rule) -> Result<Option<usize>> {
    let Keeps::Until(Period { over, audit, .. }) = &rule.keeps else { return Ok(Some(0)) };
    if !diesel::select(try_lock("retention")).get_result::<bool>(tx.pg)? {
        return Ok(None);
    }
    let (table, over) = (rule.table, over());
    let statement =
        format!("delete from {table} where ctid = any (array(select ctid from {table} where {over} limit {BATCH}))");
    let Some(audit) = audit else { return Ok(Some(diesel::sql_query(statement).execute(tx.pg)?)) };
    let statement = format!("{statement} returning {}", audit.columns());
    let rows: Vec<Removed> = diesel::sql_query(statement).load(tx.pg)?;
    removal::audit(tx, table, &rows)?;
    Ok(Some(rows.len()))
}

/// Whether so many removed rows mean that there are no more.
#[must_use]
pub fn is_done(removed: usize) -> bool {
    removed < BATCH
}
