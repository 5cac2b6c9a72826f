//! What can go wrong with the database, in the words of the resources.
//!
//! A constraint that a caller can break has a name, and [`broken`] says what breaking it means. One that is not
//! there is a fault of ours and becomes [`Error::Internal`].

use std::borrow::Cow;

use diesel::result::{DatabaseErrorInformation, DatabaseErrorKind, Error as DieselError};

/// One thing that is wrong with what a caller sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// JSON Pointer (RFC 6901) to the value at fault; empty for the whole body.
    pub pointer: Cow<'static, str>,
    /// Stable word for programs.
    pub code: Cow<'static, str>,
    /// Sentence for people: what is wrong and what would be right.
    pub detail: Cow<'static, str>,
}

impl Fault {
    /// A fault at `pointer`.
    pub fn new(
        pointer: impl Into<Cow<'static, str>>,
        code: impl Into<Cow<'static, str>>,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { pointer: pointer.into(), code: code.into(), detail: detail.into() }
    }
}

/// Why an operation on the database did not happen. Nothing of it was kept.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// There is no such row, or the viewer may not see it.
    #[error("not found")]
    NotFound,
    /// What was sent cannot be stored, whatever the state of the database.
    #[error("invalid: {0:?}")]
    Invalid(Vec<Fault>),
    /// What was sent contradicts what is stored.
    #[error("conflict: {0:?}")]
    Conflict(Vec<Fault>),
    /// Who acts is nobody any more: the token, the client or the person was taken back. Why, for the caller.
    #[error("unauthenticated: {0}")]
    Unauthenticated(&'static str),
    /// The database is away, full or too slow; trying again later may work.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// Two transactions were in each other's way; trying again at once may work.
    #[error("contention: {0}")]
    Contention(String),
    /// The connection broke; nothing was committed by a read.
    #[error("connection lost: {0}")]
    Disconnected(String),
    /// A fault of ours.
    #[error("internal: {0}")]
    Internal(String),
}

impl Error {
    /// A single fault of the input.
    pub fn invalid(
        pointer: impl Into<Cow<'static, str>>,
        code: impl Into<Cow<'static, str>>,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::Invalid(vec![Fault::new(pointer, code, detail)])
    }
}

impl From<DieselError> for Error {
    fn from(error: DieselError) -> Self {
        match error {
            DieselError::NotFound => Self::NotFound,
            DieselError::DatabaseError(kind, info) => from_database(kind, info.as_ref()),
            DieselError::BrokenTransactionManager => Self::Disconnected(error.to_string()),
            other => Self::Internal(other.to_string()),
        }
    }
}

fn from_database(kind: DatabaseErrorKind, info: &(dyn DatabaseErrorInformation + Send + Sync)) -> Error {
    let message = info.message().to_owned();
    match kind {
        DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::UnableToSendCommand => Error::Disconnected(message),
        DatabaseErrorKind::SerializationFailure => Error::Contention(message),
        DatabaseErrorKind::ReadOnlyTransaction => Error::Unavailable(message),
        _ => info.constraint_name().and_then(|name| broken(name, kind)).unwrap_or_else(|| from_message(message)),
    }
}

/// Diesel keeps no SQLSTATE for these, so the message has to tell them apart (`lc_messages` is set to C).
fn from_message(message: String) -> Error {
    const AWAY: [&str; 9] = [
        "canceling statement due to",
        "terminating connection",
        "the database system is",
        "could not extend file",
        "could not write",
        "No space left",
        "out of memory",
        "out of shared memory",
        "remaining connection slots",
    ];
    if message.starts_with("deadlock detected") {
        Error::Contention(message)
    } else if AWAY.iter().any(|words| message.contains(words)) {
        Error::Unavailable(message)
    } else if message.starts_with("invalid byte sequence") || message.starts_with("unsupported Unicode escape") {
        Error::invalid("", "unstorable_text", "holds a character that cannot be stored, such as NUL")
    } else if message.starts_with("timestamp out of range") || message.starts_with("date out of range") {
        // No day of the document's is; one in a made-up cursor may be.
        Error::invalid("", "out_of_range", "holds a time that cannot be stored")
    } else {
        Error::Internal(message)
    }
}

/// What breaking a constraint means to the caller.
fn broken(constraint: &str, kind: DatabaseErrorKind) -> Option<Error> {
    let conflict = |pointer: &'static str, code: &'static str, detail: &'static str| {
        Some(Error::Conflict(vec![Fault::new(pointer, code, detail)]))
    };
    let invalid =
        |pointer: &'static str, code: &'static str, detail: &'static str| Some(Error::invalid(pointer, code, detail));
    match constraint {
        "slugs_pkey"
        | "organisations_slug_key"
        | "events_slug_key"
        | "networks_slug_key"
        | "products_slug_key"
        | "frameworks_slug_key"
        | "checklists_slug_key"
        | "lease_templates_slug_key" => {
            conflict("/slug", "slug_taken", "This slug belongs, or once belonged, to another; choose a different one.")
        }
        "slugs_slug_not_uuid" => invalid("/slug", "looks_like_id", "must not look like an id (a UUID)"),
        "slugs_slug_form" => invalid("/slug", "wrong_form", "must be kebab-case of at most 80 characters"),
        "organisation_identifiers_pkey" | "organisation_identifiers_company_number_key" => conflict(
            "/identifiers",
            "identifier_taken",
            "Another organisation holds one of these identifiers; look it up with ?identifier= and change that one.",
        ),
        "organisation_replacements_acyclic" | "organisation_replacements_not_self" => {
            conflict("/replacedBy", "cycle", "An organisation cannot, directly or through others, replace itself.")
        }
        "organisations_parent_acyclic" | "organisations_parent_not_self" => {
            conflict("/parent", "cycle", "An organisation cannot, directly or through others, be its own parent.")
        }
        "organisations_ends_after_start" | "leases_ends_after_start" => {
            invalid("/endsOn", "before_start", "must not be before startsOn")
        }
        "citations_one_live" => conflict(
            "/product",
            "cited_already",
            "The organisation cites this product already; change, confirm or end that citation.",
        ),
        "citations_by_public_body" => {
            conflict("/organisation", "no_public_body", "Only a public body cites; this organisation is none.")
        }
        "citations_by_living_body" => {
            conflict("/organisation", "has_ended", "The organisation has ended; its successor cites.")
        }
        "citations_until_after_since" => conflict("/until", "before_start", "must not be before since"),
        "citations_transition" => conflict("/status", "out_of_turn", "A citation does not go that way."),
        "products_step_back_has_reason" => conflict("/phaseReason", "required", "Say why: the phase moves backwards."),
        "invitations_one_open" => conflict(
            "/email",
            "invited_already",
            "This address has an open invitation to the organisation; take that back to send another.",
        ),
        "identity_providers_once" => conflict(
            "/issuer",
            "registered_already",
            "The organisation has registered this issuer with this audience already; change that one.",
        ),
        "identity_providers_issuer_single_tenant" => {
            invalid("/issuer", "not_one_tenant", "must be the issuer of one tenant: by this one anybody could come in")
        }
        "imports_one_at_a_time" => conflict(
            "",
            "import_running",
            "The organisation has another import of these under way; send this one when that is over.",
        ),
        "comments_parent_in_product" => {
            conflict("/parent", "unknown_comment", "names no comment on this product: give the id of one")
        }
        "comments_parent_visible" => {
            conflict("/parent", "not_shown", "What was hidden or removed gets no replies; reply to another comment.")
        }
        "comments_depth" => {
            conflict("/parent", "too_deep", "A thread has at most 8 levels; reply to a comment further up.")
        }
        "comment_flags_one_live" => {
            conflict("", "flagged_already", "You have flagged this comment; withdraw that flag to raise another.")
        }
        // Erased since this transaction began: tried again, it finds them gone.
        "users_erased" => Some(Error::Contention("somebody was erased".to_owned())),
        "claims_one_pending" => conflict(
            "/companyNumber",
            "claimed_already",
            "You have an open claim to this organisation; wait for the decision, or withdraw it to make another.",
        ),
        "users_email_key" => conflict("/email", "email_taken", "Another person has this address."),
        _ if kind == DatabaseErrorKind::ForeignKeyViolation => {
            conflict("", "in_use", "Other records refer to it, or something it refers to has gone; change those first.")
        }
        _ => broken_meeting(constraint, kind)
            .or_else(|| broken_lease(constraint))
            .or_else(|| broken_assessment(constraint)),
    }
}

/// The same for networks, events and their programmes.
fn broken_meeting(constraint: &str, kind: DatabaseErrorKind) -> Option<Error> {
    let conflict = |pointer: &'static str, code: &'static str, detail: &'static str| {
        Some(Error::Conflict(vec![Fault::new(pointer, code, detail)]))
    };
    let invalid =
        |pointer: &'static str, code: &'static str, detail: &'static str| Some(Error::invalid(pointer, code, detail));
    match constraint {
        "events_ends_after_start" | "slots_ends_after_start" => {
            invalid("/endsAt", "before_start", "must be later than `startsAt`")
        }
        "events_no_longer_than_a_month" => invalid("/endsAt", "too_late", "must be at most 31 days after `startsAt`"),
        "events_takes_place_somewhere" => {
            conflict("/venue", "nowhere", "An event that is published has a venue, an onlineUrl or both.")
        }
        "events_capacity_holds" => {
            conflict("/capacity", "too_many_accepted", "More people than that were accepted already.")
        }
        "network_members_once" => conflict("", "joined_already", "You belong to this network already."),
        "events_network_id_fkey" | "event_series_network_id_fkey" if kind == DatabaseErrorKind::ForeignKeyViolation => {
            conflict("", "in_use", "The network has events or series; it stays with them.")
        }
        "rooms_name_key" => conflict("/name", "name_taken", "Another room of this event has this name."),
        "slots_one_at_a_time" => conflict("/startsAt", "overlaps", "Another slot of this event is at that time."),
        "placements_room_fkey" | "placements_slot_fkey" => {
            conflict("", "in_use", "Sessions take place there; move them in the schedule first.")
        }
        "placements_equipped" => conflict(
            "/equipment",
            "lacks_equipment",
            "A session that takes place there needs what the room would lack.",
        ),
        "placements_speak_once" => conflict(
            "/speakers",
            "speaker_clash",
            "Somebody would speak in two rooms at a time; move one of these sessions in the schedule first.",
        ),
        "placements_one_in_a_room" | "placements_of_standing" | "placements_pkey" | "placements_session_fkey" => {
            Some(Error::Contention("the programme changed meanwhile".to_owned()))
        }
        "schedules_votes_close_after_opening" => {
            invalid("/votesCloseAt", "before_start", "must be later than `votesOpenAt`")
        }
        "session_votes_once" => conflict("", "voted_already", "You have voted for this session."),
        "session_votes_stands" | "sessions_merge_target" | "sessions_transition" => {
            conflict("", "out_of_turn", "The session was merged or withdrawn meanwhile.")
        }
        _ => None,
    }
}

/// The same for templates of leases, and leases.
fn broken_lease(constraint: &str) -> Option<Error> {
    let conflict = |pointer: &'static str, code: &'static str, detail: &'static str| {
        Some(Error::Conflict(vec![Fault::new(pointer, code, detail)]))
    };
    match constraint {
        "lease_template_versions_number_key" => {
            conflict("/number", "number_taken", "The template has a version of this number already; choose another.")
        }
        "lease_approvals_once" => {
            conflict("", "approved_already", "The organisation has approved this version already.")
        }
        "lease_template_versions_immutable"
        | "lease_template_versions_transition"
        | "lease_template_versions_approved"
        | "lease_template_versions_one_published"
        | "lease_approvals_in_review" => {
            conflict("/status", "out_of_turn", "The version went further meanwhile; read it again.")
        }
        "leases_one_successor" => {
            conflict("/supersedes", "amended_already", "names a lease that has an amendment already")
        }
        "leases_of_published_version" => {
            conflict("/template", "not_current", "The version went further meanwhile; read it again.")
        }
        "lease_agreements_once" => conflict("/organisation", "agreed_already", "agreed to it already"),
        "leases_immutable" | "leases_transition" | "leases_due" | "lease_agreements_of_issued" => {
            conflict("/status", "out_of_turn", "The lease went further meanwhile; read it again.")
        }
        _ => None,
    }
}

/// The same for frameworks, checklists and assessments.
fn broken_assessment(constraint: &str) -> Option<Error> {
    let conflict = |pointer: &'static str, code: &'static str, detail: &'static str| {
        Some(Error::Conflict(vec![Fault::new(pointer, code, detail)]))
    };
    let invalid =
        |pointer: &'static str, code: &'static str, detail: &'static str| Some(Error::invalid(pointer, code, detail));
    match constraint {
        "frameworks_one_successor" | "checklists_one_successor" => {
            conflict("/supersedes", "superseded_already", "Another edition took the place of that one already.")
        }
        "frameworks_supersedes_another" | "checklists_supersedes_another" => {
            invalid("/supersedes", "itself", "must be another")
        }
        "frameworks_immutable"
        | "frameworks_transition"
        | "frameworks_has_controls"
        | "framework_mappings_of_published" => {
            conflict("/status", "out_of_turn", "The framework went further meanwhile; read it again.")
        }
        "checklists_immutable" | "checklists_transition" | "checklist_controls_of_framework" => {
            conflict("/status", "out_of_turn", "The checklist went further meanwhile; read it again.")
        }
        "checklists_of_published" => {
            conflict("/framework", "not_published", "The framework is a draft or was withdrawn; it cannot be used.")
        }
        "assessments_of_published" => {
            conflict("/checklist", "not_published", "The checklist went further meanwhile; read it again.")
        }
        "assessment_responses_evidence_count" => {
            conflict("/controls", "too_many", "A response has at most 50 pieces of evidence.")
        }
        "assessments_one_successor" => conflict(
            "/supersedes",
            "carried_already",
            "Its answers were carried forward to another assessment already.",
        ),
        "assessments_immutable"
        | "assessments_transition"
        | "assessments_locked"
        | "assessments_whole"
        | "assessments_assured_by_named" => {
            conflict("/status", "out_of_turn", "The assessment went further meanwhile; read it again.")
        }
        _ => None,
    }
}
