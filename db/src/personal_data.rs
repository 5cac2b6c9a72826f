//! What the database holds of people: one table of decisions, by which data are exported and erased.
//!
//! [`TABLES`] has every table of the schema, and every column of it: a new one is decided about here, or a test fails.
//! Nothing is exported or erased but by this table, so neither can miss what the other finds.

use diesel::prelude::*;
use diesel::sql_types::{Jsonb, Nullable, Uuid as SqlUuid};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::functions::set_config;
use crate::removal::{Audit, Removed};
use crate::tx::{Conn, Tx};
use crate::{Result, removal};

/// What stands in place of the name of somebody who was erased.
pub const ERASED_NAME: &str = "Erased person";
/// How many records of one kind an export holds at most.
pub const MOST_RECORDS: usize = 10_000;

/// A table, and what it holds of people.
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Columns that are of nobody, or are shown to nobody, separated by spaces.
    pub others: &'static str,
    /// Why that is so.
    pub because: &'static str,
    /// What is somebody's.
    pub records: &'static [Records],
}

/// Rows that are somebody's for one reason.
pub struct Records {
    /// What they are called in an export.
    pub kind: &'static str,
    /// Which they are: a condition in which `$1` is the id of the person.
    pub of: &'static str,
    /// In which order; those that come first are in an export that cannot hold all.
    pub order: &'static str,
    /// What is shown of them, and what erasure makes of it.
    pub columns: &'static [Column],
    /// Whether erasure removes or changes them, and what the trail then says.
    pub erasure: RowErasure,
}

/// A column of such rows.
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// What erasure makes of it.
    pub erasure: Erasure,
}

/// What erasure makes of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Erasure {
    /// It goes with its row.
    Goes,
    /// An SQL expression takes its place.
    Becomes(&'static str),
    /// It stays.
    Stays,
}

/// What erasure makes of rows.
pub enum RowErasure {
    /// They go.
    Removes(Option<Audit>),
    /// Some columns change.
    Changes(Option<Audit>),
    /// They stay as they are, for this reason.
    Keeps(&'static str),
}

/// What goes with its row.
const fn goes(name: &'static str) -> Column {
    Column { name, erasure: Erasure::Goes }
}

/// What is emptied.
const fn emptied(name: &'static str) -> Column {
    Column { name, erasure: Erasure::Becomes("null") }
}

/// What says nothing of anybody once the rest is gone.
const fn stays(name: &'static str) -> Column {
    Column { name, erasure: Erasure::Stays }
}

/// A table that holds nothing of people.
const fn of_nobody(name: &'static str, others: &'static str, because: &'static str) -> Table {
    Table { name, others, because, records: &[] }
}

const TO_THEIR_ADDRESS: &str = "lower(email) in (select lower(email) from users where id = $1
    union all select lower(email) from identities where user_id = $1) or accepted_by = $1";
const CATALOGUE: &str = "What an organisation says of itself and its products is public and stays, whoever wrote it; \
    the trail says who that was, by id.";
const AGREED: &str = "What organisations agree among themselves; the trail says who wrote it, by id.";
const ASSESSED: &str = "What an organisation says and shows of itself, to itself and those whom it names.";
const SERVICE: &str = "Of the service itself.";

/// Every table. People are erased from the first to the last: what is found by their addresses goes before those do.
pub const TABLES: &[Table] = &[
    Table {
        name: "invitations",
        others: "token_hash updated_at",
        because: "A digest of a secret, and when an administrator changed the row.",
        records: &[
            Records {
                kind: "invitation_received",
                of: TO_THEIR_ADDRESS,
                order: "id desc",
                columns: &[
                    goes("id"),
                    goes("version"),
                    goes("created_at"),
                    goes("organisation_id"),
                    goes("email"),
                    goes("role"),
                    goes("expires_at"),
                    goes("accepted_at"),
                    goes("accepted_by"),
                ],
                erasure: RowErasure::Removes(Some(Audit {
                    object: "id",
                    organisation: "organisation_id",
                    before: "jsonb_build_object('organisation_id', organisation_id, 'role', role,
                        'accepted', accepted_at is not null)",
                    after: "null::jsonb",
                })),
            },
            // The address in it is somebody else's.
            Records {
                kind: "invitation_sent",
                of: "invited_by = $1",
                order: "id desc",
                columns: &[
                    stays("id"),
                    stays("created_at"),
                    stays("organisation_id"),
                    stays("role"),
                    emptied("invited_by"),
                    stays("expires_at"),
                    stays("accepted_at"),
                ],
                erasure: RowErasure::Changes(Some(Audit {
                    object: "id",
                    organisation: "organisation_id",
                    before: "jsonb_build_object('invited_by', $1)",
                    after: "jsonb_build_object('invited_by', null)",
                })),
            },
        ],
    },
    Table {
        name: "comment_flags",
        others: "version updated_at withdrawn_at settled_at",
        because: "Whether they still count.",
        records: &[Records {
            kind: "comment_flag",
            of: "user_id = $1",
            order: "id desc",
            columns: &[
                goes("id"),
                goes("created_at"),
                goes("comment_id"),
                goes("user_id"),
                goes("reason"),
                goes("detail"),
            ],
            erasure: RowErasure::Removes(Some(Audit {
                object: "id",
                organisation: "null::uuid",
                before: "jsonb_build_object('comment_id', comment_id, 'reason', reason)",
                after: "null::jsonb",
            })),
        }],
    },
    Table {
        name: "comment_versions",
        others: "",
        because: "",
        records: &[Records {
            kind: "comment_wording",
            of: "comment_id in (select id from comments where author_id = $1)",
            order: "created_at desc",
            columns: &[stays("comment_id"), stays("number"), stays("created_at"), stays("body_markdown")],
            erasure: RowErasure::Keeps("What people wrote stays, as that of an erased person."),
        }],
    },
    Table {
        name: "comment_decisions",
        others: "month by_flags",
        because: "What the public statement counts.",
        records: &[
            Records {
                kind: "comment_decision_received",
                of: "comment_id in (select id from comments where author_id = $1)",
                order: "id desc",
                columns: &[
                    stays("id"),
                    stays("created_at"),
                    stays("comment_id"),
                    stays("action"),
                    stays("reason"),
                    stays("note"),
                ],
                erasure: RowErasure::Keeps("What became of a comment stays with it."),
            },
            Records {
                kind: "comment_decision",
                of: "decided_by = $1",
                order: "id desc",
                columns: &[
                    stays("id"),
                    stays("created_at"),
                    stays("comment_id"),
                    stays("action"),
                    stays("reason"),
                    emptied("decided_by"),
                ],
                erasure: RowErasure::Changes(Some(Audit {
                    object: "id",
                    organisation: "null::uuid",
                    before: "jsonb_build_object('decided_by', $1)",
                    after: "jsonb_build_object('decided_by', null)",
                })),
            },
        ],
    },
    Table {
        name: "comments",
        others: "version updated_at parent_id path author_kind body_html renderer queued_at",
        because: "Their place in a thread, and what follows from the rest.",
        records: &[Records {
            kind: "comment",
            of: "author_id = $1",
            order: "id desc",
            columns: &[
                stays("id"),
                stays("created_at"),
                stays("product_id"),
                stays("status"),
                emptied("author_id"),
                stays("organisation_id"),
                stays("body_markdown"),
                stays("edited_at"),
            ],
            erasure: RowErasure::Changes(Some(Audit {
                object: "id",
                organisation: "organisation_id",
                before: "jsonb_build_object('author_id', $1)",
                after: "jsonb_build_object('author_id', null)",
            })),
        }],
    },
    Table {
        name: "claims",
        others: "version updated_at",
        because: "They say nothing without the rest.",
        records: &[
            // An organisation keeps that somebody came to speak for it, without who and why. An open claim is withdrawn
            // by the trigger of the table.
            Records {
                kind: "claim",
                of: "claimant_id = $1",
                order: "id desc",
                columns: &[
                    stays("id"),
                    stays("created_at"),
                    stays("organisation_id"),
                    stays("company_number"),
                    emptied("claimant_id"),
                    emptied("statement"),
                    stays("status"),
                    stays("decided_at"),
                    emptied("note"),
                ],
                erasure: RowErasure::Changes(Some(Audit {
                    object: "id",
                    organisation: "organisation_id",
                    before: "jsonb_build_object('claimant_id', $1)",
                    after: "jsonb_build_object('claimant_id', null)",
                })),
            },
            Records {
                kind: "claim_decided",
                of: "decided_by = $1",
                order: "id desc",
                columns: &[
                    stays("id"),
                    stays("organisation_id"),
                    stays("status"),
                    stays("decided_at"),
                    emptied("decided_by"),
                ],
                erasure: RowErasure::Changes(Some(Audit {
                    object: "id",
                    organisation: "organisation_id",
                    before: "jsonb_build_object('decided_by', $1)",
                    after: "jsonb_build_object('decided_by', null)",
                })),
            },
        ],
    },
    Table {
        name: "identities",
        others: "",
        because: "",
        records: &[Records {
            kind: "identity",
            of: "user_id = $1",
            order: "id desc",
            columns: &[
                goes("id"),
                goes("user_id"),
                goes("organisation_id"),
                goes("issuer"),
                goes("tenant"),
                goes("subject"),
                goes("email"),
                goes("created_at"),
            ],
            erasure: RowErasure::Removes(Some(Audit {
                object: "id",
                organisation: "organisation_id",
                before: "jsonb_build_object('user_id', user_id)",
                after: "null::jsonb",
            })),
        }],
    },
    Table {
        name: "memberships",
        others: "",
        because: "",
        records: &[Records {
            kind: "membership",
            of: "user_id = $1",
            order: "id desc",
            columns: &[
                goes("id"),
                goes("version"),
                goes("created_at"),
                goes("updated_at"),
                goes("user_id"),
                goes("organisation_id"),
                goes("role"),
                goes("mapped"),
            ],
            erasure: RowErasure::Removes(Some(Audit {
                object: "user_id",
                organisation: "organisation_id",
                before: "jsonb_build_object('organisation_id', organisation_id, 'role', role, 'mapped', mapped)",
                after: "null::jsonb",
            })),
        }],
    },
    Table {
        name: "platform_roles",
        others: "",
        because: "",
        records: &[Records {
            kind: "platform_role",
            of: "user_id = $1",
            order: "role",
            columns: &[goes("user_id"), goes("role"), goes("created_at")],
            erasure: RowErasure::Removes(Some(Audit {
                object: "user_id",
                organisation: "null::uuid",
                before: "jsonb_build_object('role', role)",
                after: "null::jsonb",
            })),
        }],
    },
    Table {
        name: "clients",
        others: "updated_at expires_at scopes kind role",
        because: "A client is its organisation's, and goes on when who registered it has gone.",
        records: &[Records {
            kind: "client_registered",
            of: "created_by = $1",
            order: "id desc",
            columns: &[
                stays("id"),
                stays("version"),
                stays("created_at"),
                stays("organisation_id"),
                stays("name"),
                emptied("created_by"),
            ],
            erasure: RowErasure::Changes(Some(Audit {
                object: "id",
                organisation: "organisation_id",
                before: "jsonb_build_object('created_by', $1)",
                after: "jsonb_build_object('created_by', null)",
            })),
        }],
    },
    Table {
        name: "rsvps",
        others: "version updated_at queue_number",
        because: "Who asked before whom.",
        records: &[Records {
            kind: "rsvp",
            of: "user_id = $1",
            order: "id desc",
            columns: &[
                stays("id"),
                stays("created_at"),
                stays("event_id"),
                emptied("user_id"),
                stays("organisation_id"),
                stays("status"),
                stays("checked_in_at"),
                emptied("access_needs"),
            ],
            erasure: RowErasure::Changes(None),
        }],
    },
    Table {
        name: "network_members",
        others: "version updated_at",
        because: "When a convener changed the row.",
        records: &[Records {
            kind: "network_membership",
            of: "user_id = $1",
            order: "id desc",
            columns: &[goes("id"), goes("created_at"), goes("network_id"), goes("user_id"), goes("role")],
            erasure: RowErasure::Removes(Some(Audit {
                object: "id",
                organisation: "null::uuid",
                before: "jsonb_build_object('network_id', network_id, 'role', role)",
                after: "null::jsonb",
            })),
        }],
    },
    Table {
        name: "event_changes",
        others: "session_id before after",
        because: "What changed, for all.",
        records: &[Records {
            kind: "event_notification",
            of: "user_id = $1",
            order: "id desc",
            columns: &[goes("id"), goes("created_at"), goes("event_id"), goes("user_id"), goes("kind")],
            erasure: RowErasure::Removes(None),
        }],
    },
    Table {
        name: "calendars",
        others: "version updated_at token_hash",
        because: "A digest of a secret.",
        records: &[Records {
            kind: "calendar",
            of: "user_id = $1",
            order: "id desc",
            columns: &[goes("id"), goes("created_at"), goes("user_id"), goes("name")],
            erasure: RowErasure::Removes(None),
        }],
    },
    Table {
        name: "session_votes",
        others: "",
        because: "",
        records: &[Records {
            kind: "session_vote",
            of: "user_id = $1",
            order: "id desc",
            columns: &[goes("id"), goes("created_at"), goes("session_id"), goes("user_id")],
            erasure: RowErasure::Removes(None),
        }],
    },
    Table {
        name: "lease_template_versions",
        others: "version updated_at template_id major minor patch status_reason notes based_on_id published_at",
        because: CATALOGUE,
        records: &[Records {
            kind: "lease_template_version_submitted",
            of: "submitted_by = $1",
            order: "id desc",
            columns: &[
                stays("id"),
                stays("created_at"),
                stays("status"),
                stays("content_sha256"),
                stays("submitted_at"),
                emptied("submitted_by"),
            ],
            erasure: RowErasure::Changes(None),
        }],
    },
    Table {
        name: "lease_approvals",
        others: "",
        because: CATALOGUE,
        records: &[Records {
            kind: "lease_approval",
            of: "user_id = $1",
            order: "id desc",
            columns: &[
                stays("id"),
                stays("created_at"),
                stays("version_id"),
                stays("organisation_id"),
                emptied("user_id"),
                stays("content_sha256"),
            ],
            erasure: RowErasure::Changes(None),
        }],
    },
    Table {
        name: "lease_agreements",
        others: "",
        because: "",
        records: &[Records {
            kind: "lease_agreement",
            of: "user_id = $1",
            order: "id desc",
            columns: &[
                stays("id"),
                stays("created_at"),
                stays("lease_id"),
                stays("organisation_id"),
                emptied("signatory"),
                stays("capacity"),
                stays("document_sha256"),
                emptied("user_id"),
            ],
            erasure: RowErasure::Changes(None),
        }],
    },
    Table {
        name: "assessments",
        others: "version created_at updated_at checklist_id supersedes_id title due_on shares_results status status_reason assured_for_id score",
        because: "What an organisation says of itself.",
        records: &[
            Records {
                kind: "assessment_submitted",
                of: "submitted_by = $1",
                order: "id desc",
                columns: &[stays("id"), stays("organisation_id"), stays("submitted_at"), emptied("submitted_by")],
                erasure: RowErasure::Changes(None),
            },
            Records {
                kind: "assessment_assured",
                of: "assured_by = $1",
                order: "id desc",
                columns: &[stays("id"), stays("assured_at"), stays("assurance"), emptied("assured_by")],
                erasure: RowErasure::Changes(None),
            },
        ],
    },
    Table {
        name: "assessment_assurers",
        others: "organisation_id",
        because: "Organisations that are named.",
        records: &[Records {
            kind: "assessment_assurer",
            of: "user_id = $1",
            order: "assessment_id desc",
            columns: &[goes("assessment_id"), goes("position"), goes("user_id")],
            erasure: RowErasure::Removes(None),
        }],
    },
    Table {
        name: "assessment_responses",
        others: "position version justification indicators evidence change_requested look_again",
        because: "What an organisation says of itself.",
        records: &[
            Records {
                kind: "assessment_response",
                of: "updated_by = $1",
                order: "assessment_id desc, position",
                columns: &[
                    stays("assessment_id"),
                    stays("control_id"),
                    stays("updated_at"),
                    stays("status"),
                    stays("statement"),
                    emptied("updated_by"),
                ],
                erasure: RowErasure::Changes(None),
            },
            Records {
                kind: "assessment_response_assigned",
                of: "assignee_id = $1",
                order: "assessment_id desc, position",
                columns: &[stays("assessment_id"), stays("control_id"), emptied("assignee_id")],
                erasure: RowErasure::Changes(None),
            },
        ],
    },
    Table {
        name: "assessment_response_versions",
        others: "position justification indicators evidence",
        because: "What an organisation says of itself.",
        records: &[Records {
            kind: "assessment_response_version",
            of: "written_by = $1",
            order: "assessment_id desc, position, version",
            columns: &[
                stays("assessment_id"),
                stays("version"),
                stays("written_at"),
                stays("status"),
                stays("statement"),
                emptied("written_by"),
            ],
            erasure: RowErasure::Changes(None),
        }],
    },
    Table {
        name: "evidence_revisions",
        others: "url file_name media_type size sha256 expires_on",
        because: "What an organisation shows of itself.",
        records: &[Records {
            kind: "evidence_revision",
            of: "created_by = $1",
            order: "evidence_id desc, revision",
            columns: &[stays("evidence_id"), stays("revision"), stays("created_at"), emptied("created_by")],
            erasure: RowErasure::Changes(None),
        }],
    },
    Table {
        name: "actions",
        others: "version updated_at assessment_id organisation_id description completed_on controls",
        because: "What an organisation plans.",
        records: &[Records {
            kind: "action_owned",
            of: "owner_id = $1",
            order: "id desc",
            columns: &[
                stays("id"),
                stays("created_at"),
                stays("title"),
                stays("due_on"),
                stays("status"),
                emptied("owner_id"),
            ],
            erasure: RowErasure::Changes(None),
        }],
    },
    Table {
        name: "assessment_comments",
        others: "position assures body_html renderer",
        because: "Made of what they wrote.",
        records: &[Records {
            kind: "assessment_comment",
            of: "author_id = $1",
            order: "id desc",
            columns: &[
                stays("id"),
                stays("created_at"),
                stays("assessment_id"),
                stays("body_markdown"),
                emptied("author_id"),
            ],
            erasure: RowErasure::Changes(None),
        }],
    },
    Table {
        name: "session_notes",
        others: "version updated_at body_html renderer",
        because: "Made of what they wrote.",
        records: &[Records {
            kind: "session_note",
            of: "author_id = $1",
            order: "id desc",
            columns: &[
                stays("id"),
                stays("created_at"),
                stays("session_id"),
                emptied("author_id"),
                stays("body_markdown"),
            ],
            erasure: RowErasure::Changes(None),
        }],
    },
    Table {
        name: "sessions",
        others: "version updated_at merged_into track equipment",
        because: "Where the programme has it.",
        records: &[Records {
            kind: "session",
            of: "pitched_by = $1",
            order: "id desc",
            columns: &[
                stays("id"),
                stays("created_at"),
                stays("event_id"),
                stays("status"),
                emptied("pitched_by"),
                stays("title"),
                stays("description"),
                stays("pitcher_speaks"),
                Column {
                    name: "speakers",
                    erasure: Erasure::Becomes("array_remove(speakers, (select display_name from users where id = $1))"),
                },
            ],
            erasure: RowErasure::Changes(None),
        }],
    },
    Table {
        name: "imports",
        others: "version updated_at client_id provider_id format dry_run end_absent line created changed unchanged \
                 refused ended notes failure lease leased_until attempts started_at finished_at",
        because: "How far it is.",
        records: &[Records {
            kind: "import_sent",
            of: "created_by = $1",
            order: "id desc",
            columns: &[
                stays("id"),
                stays("created_at"),
                stays("organisation_id"),
                stays("resource"),
                stays("source"),
                stays("status"),
                emptied("created_by"),
                stays("oauth_client"),
                stays("request_id"),
            ],
            erasure: RowErasure::Changes(None),
        }],
    },
    Table {
        name: "idempotency_keys",
        others: "request_hash sealed_answer",
        because: "A digest, and an answer that they were given: it may hold a secret that is told once.",
        records: &[Records {
            kind: "idempotency_key",
            of: "principal = 'person:' || $1::text",
            order: "created_at desc, key",
            columns: &[goes("principal"), goes("key"), goes("created_at"), goes("expires_at")],
            erasure: RowErasure::Removes(None),
        }],
    },
    Table {
        name: "quotas",
        others: "",
        because: "",
        records: &[Records {
            kind: "quota",
            of: "subject = 'person:' || $1::text",
            order: "window_start desc, action",
            columns: &[goes("action"), goes("subject"), goes("window_start"), goes("taken")],
            erasure: RowErasure::Removes(None),
        }],
    },
    Table {
        name: "audit_events",
        others: "",
        because: "",
        records: &[Records {
            kind: "audit_event",
            of: "actor_id = $1 or object_id = $1",
            order: "id desc",
            columns: &[
                stays("id"),
                stays("occurred_at"),
                stays("actor_id"),
                stays("client_id"),
                stays("organisation_id"),
                stays("request_id"),
                stays("operation"),
                stays("object_type"),
                stays("object_id"),
                stays("before"),
                stays("after"),
                stays("position"),
            ],
            erasure: RowErasure::Keeps("Says who did what by ids only, and is never rewritten."),
        }],
    },
    Table {
        name: "erasures",
        others: "",
        because: "",
        records: &[Records {
            kind: "erasure",
            of: "user_id = $1",
            order: "erased_at",
            columns: &[stays("user_id"), stays("erased_at"), stays("identity_digests")],
            erasure: RowErasure::Keeps("Without it a restored backup would bring the person back."),
        }],
    },
    Table {
        name: "users",
        others: "erased_at",
        because: "Set when the rest has gone.",
        records: &[Records {
            kind: "account",
            of: "id = $1",
            order: "id",
            columns: &[
                stays("id"),
                stays("version"),
                stays("created_at"),
                stays("updated_at"),
                emptied("email"),
                Column { name: "display_name", erasure: Erasure::Becomes("'Erased person'") },
            ],
            // Told by the erasure as a whole.
            erasure: RowErasure::Changes(None),
        }],
    },
    of_nobody(
        "citations",
        "id version created_at updated_at product_id organisation_id status confirmed_at since until scale_unit \
         scale_band satisfaction what_worked would_change integrations visibility source cited_phase has_contract \
         contract_reference contract_starts_on contract_ends_on contract_extendable_until contract_amount_pence \
         contract_currency contract_cpv_codes contract_route_to_market",
        CATALOGUE,
    ),
    of_nobody(
        "client_secrets",
        "client_id slot hash created_at expires_at last_used_at",
        "A client is a program of an organisation.",
    ),
    of_nobody("commit_order", "only_row shift", SERVICE),
    of_nobody("enrolments", "hash created_at expires_at used_at", "It does not say who used the link."),
    of_nobody(
        "identity_providers",
        "id version created_at updated_at organisation_id name kind issuer audience algorithms role_map platform_roles",
        "It belongs to an organisation.",
    ),
    of_nobody(
        "events",
        "id version created_at updated_at slug title description kind status status_reason starts_at ends_at time_zone \
         venue_name venue_address step_free hearing_loop quiet_room access_information online_url capacity \
         accepted_count sequence network_id series_id recurrence_on changed_apart search",
        CATALOGUE,
    ),
    of_nobody(
        "lease_templates",
        "id version created_at updated_at slug title summary notice kind organisation_id forked_from_id approvals_required",
        CATALOGUE,
    ),
    of_nobody("lease_clauses", "version_id clause_id position parent_id heading body kind note conditions", CATALOGUE),
    of_nobody(
        "lease_variables",
        "version_id name position label kind help required required_if minimum maximum pattern options",
        CATALOGUE,
    ),
    of_nobody(
        "frameworks",
        "id version created_at updated_at slug title edition summary authority licence organisation_id supersedes_id status \
         status_reason published_at envelope control_count",
        CATALOGUE,
    ),
    of_nobody(
        "framework_items",
        "framework_id position parent_position kind item_id label title prose content indicators",
        CATALOGUE,
    ),
    of_nobody(
        "framework_mappings",
        "framework_id item_id target_framework_id target_item_id relationship remarks",
        CATALOGUE,
    ),
    of_nobody(
        "checklists",
        "id version created_at updated_at slug title edition summary organisation_id framework_id supersedes_id included excluded \
         parameters applies_to due_months scoring profile control_count status status_reason published_at",
        CATALOGUE,
    ),
    of_nobody("checklist_controls", "checklist_id position framework_id control_id guidance weight", CATALOGUE),
    of_nobody("evidence", "id version created_at updated_at organisation_id title revision", ASSESSED),
    of_nobody("evidence_chunks", "evidence_id revision number content", ASSESSED),
    of_nobody("assessment_evidence", "assessment_id position evidence_id revision", ASSESSED),
    of_nobody("benchmark_members", "checklist_id organisation_id cohort joined_at", ASSESSED),
    of_nobody("benchmark_runs", "checklist_id computed_on", SERVICE),
    of_nobody(
        "benchmarks",
        "checklist_id cohort position computed_on organisation_count lower_quartile median upper_quartile",
        CATALOGUE,
    ),
    of_nobody(
        "leases",
        "id version created_at updated_at organisation_id version_id supersedes_id title reference starts_on ends_on filled \
         status status_reason issued_at agreed_at premises_count",
        AGREED,
    ),
    of_nobody("lease_parties", "lease_id organisation_id position role name", AGREED),
    of_nobody("lease_premises", "lease_id position uprn usrn description", AGREED),
    of_nobody("lease_deviations", "lease_id version_id clause_id body reason", AGREED),
    of_nobody("lease_documents", "lease_id format sha256 size", AGREED),
    of_nobody("lease_document_chunks", "lease_id format number content", AGREED),
    of_nobody("networks", "id version created_at updated_at slug name description organisation_id", CATALOGUE),
    of_nobody(
        "event_series",
        "id version created_at updated_at network_id title description kind starts_at duration_minutes time_zone rrule \
         bank_holidays except_dates venue_name venue_address step_free hearing_loop quiet_room access_information \
         online_url capacity laid_out_on",
        CATALOGUE,
    ),
    of_nobody(
        "schedules",
        "event_id version created_at updated_at votes_open_at votes_close_at published_at",
        CATALOGUE,
    ),
    of_nobody("rooms", "id version created_at updated_at event_id name capacity equipment", CATALOGUE),
    of_nobody("slots", "id version created_at updated_at event_id starts_at ends_at", CATALOGUE),
    of_nobody("placements", "session_id event_id room_id slot_id", CATALOGUE),
    of_nobody("event_organisers", "event_id organisation_id", CATALOGUE),
    of_nobody("import_chunks", "import_id number content", "What an organisation says of itself, for a moment."),
    of_nobody("import_results", "import_id position line external_id outcome object_id notes errors", CATALOGUE),
    of_nobody("lgsl_services", "code label status", "A public list."),
    of_nobody("organisation_identifiers", "scheme identifier organisation_id", CATALOGUE),
    of_nobody("organisation_replacements", "organisation_id replaced_by_id", CATALOGUE),
    of_nobody(
        "organisations",
        "id version created_at updated_at slug kind name aliases alias_keys website region parent_id starts_on ends_on \
         member_since email_domains stale_after_days",
        CATALOGUE,
    ),
    of_nobody(
        "product_updates",
        "id version created_at updated_at product_id posted_on body organisation_id",
        CATALOGUE,
    ),
    of_nobody("product_versions", "product_id version recorded_at organisation_id reverts_to reason state", CATALOGUE),
    of_nobody(
        "products",
        "id version created_at updated_at slug name summary description kind phase phase_started_on phase_reason \
         next_assessment_on supplier_id owner_id website repository licence development_status software_version \
         release_date categories platforms features standards depends_on service_codes cpv_codes collaboration_level \
         budget_band confirmed_at search",
        CATALOGUE,
    ),
    of_nobody("product_counter_deltas", "id product_id citations organisations comments", "Numbers."),
    of_nobody("product_counters", "product_id citations organisations comments", "Numbers."),
    of_nobody("publiccode_categories", "code", "A public list."),
    of_nobody("revoked_tokens", "id revoked_at expires_at", "It does not say whose the token was."),
    of_nobody("signing_keys", "id kid state public_x public_y sealed_key created_at activated_at retired_at", SERVICE),
    of_nobody("slugs", "kind slug object_id created_at", CATALOGUE),
    of_nobody(
        "source_records",
        "kind source external_id object_id founder content_hash updated_at",
        "Rows of data sets on organisations, products and citations.",
    ),
];

/// One thing that is held of somebody.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// What it is.
    pub kind: &'static str,
    /// Columns and their values, in the order of the table.
    pub fields: Vec<(&'static str, Value)>,
}

/// Everything that is held of a person, and whether it is all: of one kind there are [`MOST_RECORDS`] at most.
pub fn export(conn: &mut Conn<'_>, person_id: Uuid) -> Result<(Vec<Record>, bool)> {
    see_everything(conn)?;
    let (mut found, mut complete) = (Vec::new(), true);
    for (table, records) in all_records() {
        let mut rows = records.load(conn, table, person_id)?;
        complete &= rows.len() <= MOST_RECORDS;
        rows.truncate(MOST_RECORDS);
        found.extend(rows.into_iter().map(|row| records.record(row)));
    }
    Ok((found, complete))
}

/// Removes and changes what the table says, for a person whose row is locked.
pub(crate) fn erase(tx: &mut Tx<'_>, person_id: Uuid) -> Result<()> {
    see_everything(&mut tx.conn())?;
    for (table, records) in all_records() {
        records.erase(tx, table, person_id)?;
    }
    Ok(())
}

fn all_records() -> impl Iterator<Item = (&'static str, &'static Records)> {
    TABLES.iter().flat_map(|table| table.records.iter().map(|records| (table.name, records)))
}

/// For the rest of the transaction the policies of private tables show what they show the operator.
///
/// What is somebody's may be in an organisation that they do not belong to, or do not any more: an invitation that was
/// never accepted, a client of a former employer. The conditions of the table take nothing but what is theirs.
fn see_everything(conn: &mut Conn<'_>) -> Result<()> {
    diesel::select(set_config("loti.viewer", "operator", true)).execute(conn.pg)?;
    Ok(())
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Nullable<Jsonb>)]
    row: Option<Value>,
}

impl Records {
    fn load(&self, conn: &mut Conn<'_>, table: &str, person_id: Uuid) -> Result<Vec<Map<String, Value>>> {
        let names: Vec<&str> = self.columns.iter().map(|column| column.name).collect();
        let (names, of, order, most) = (names.join(", "), self.of, self.order, MOST_RECORDS + 1);
        let query = format!(
            "select to_jsonb(found) as row from
               (select {names} from {table} where {of} order by {order} limit {most}) found"
        );
        let rows: Vec<Row> = diesel::sql_query(query).bind::<SqlUuid, _>(person_id).load(conn.pg)?;
        let fields = rows.into_iter().filter_map(|row| match row.row {
            Some(Value::Object(fields)) => Some(fields),
            _ => None,
        });
        Ok(fields.collect())
    }

    fn record(&self, mut row: Map<String, Value>) -> Record {
        let field = |column: &Column| (column.name, row.remove(column.name).unwrap_or_default());
        Record { kind: self.kind, fields: self.columns.iter().map(field).collect() }
    }

    fn erase(&self, tx: &mut Tx<'_>, table: &str, person_id: Uuid) -> Result<()> {
        let of = self.of;
        let (statement, audit) = match &self.erasure {
            RowErasure::Keeps(_) => return Ok(()),
            RowErasure::Removes(audit) => (format!("delete from {table} where {of}"), audit),
            RowErasure::Changes(audit) => (format!("update {table} set {} where {of}", self.changes()), audit),
        };
        let Some(audit) = audit else {
            diesel::sql_query(statement).bind::<SqlUuid, _>(person_id).execute(tx.pg)?;
            return Ok(());
        };
        let statement = format!("{statement} returning {}", audit.columns());
        let rows: Vec<Removed> = diesel::sql_query(statement).bind::<SqlUuid, _>(person_id).load(tx.pg)?;
        removal::audit(tx, table, &rows)
    }

    fn changes(&self) -> String {
        let changed = self.columns.iter().filter_map(|column| match column.erasure {
            Erasure::Becomes(value) => Some(format!("{} = {value}", column.name)),
            Erasure::Goes | Erasure::Stays => None,
        });
        changed.collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_the_erased_is_the_one_that_others_are_told() {
        let users = TABLES.iter().find(|table| table.name == "users").unwrap();
        let name = users.records[0].columns.iter().find(|column| column.name == "display_name").unwrap();
        assert_eq!(name.erasure, Erasure::Becomes("'Erased person'"));
        assert_eq!(ERASED_NAME, "Erased person");
    }
}
