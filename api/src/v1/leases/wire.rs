//! Leases as they go over the wire, beside their parts.

use chrono::{DateTime, NaiveDate, Utc};
use db::leases::documents::{Document, DocumentFormat};
use db::leases::{Filled, Lease as Row, LeaseState as StoredState, LeaseStatus, Party};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use validator::Validate;

use crate::merge_patch;
use crate::v1::lease_templates::wire::{LeaseTemplateVersionKey, LeaseTemplateVersionReference};
use crate::v1::organisations::wire::OrganisationReference;

/// Agreement made from a published version of a template. Once it was issued, what it says stays.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Lease {
    /// Identifier, UUIDv7.
    #[schema(read_only, example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    pub id: Uuid,
    /// Rises with each change, of its premises, deviations and agreements as well; the entity tag begins with it.
    #[schema(read_only, minimum = 1, maximum = 2_147_483_647, example = 3)]
    pub version: i32,
    /// When it was begun (UTC).
    #[schema(read_only, example = "2026-11-23T09:30:00Z")]
    pub created_at: DateTime<Utc>,
    /// When it last changed (UTC).
    #[schema(read_only, example = "2026-11-23T09:30:00Z")]
    pub updated_at: DateTime<Utc>,
    /// Who draws it up.
    pub organisation: OrganisationReference,
    /// The version of a template that it is made from, for good.
    pub template: LeaseTemplateVersionReference,
    /// The number of the version to use today in its place, to which it is behind; null when there is no later one.
    #[schema(read_only, min_length = 5, max_length = 20, pattern = r"^[0-9]+\.[0-9]+\.[0-9]+$", example = "1.3.0")]
    pub later_version: Option<String>,
    /// What it is called.
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\u0000-\u001f\u007f]*[^\s\u0000-\u001f\u007f][^\u0000-\u001f\u007f]*$",
        example = "Rooftops of the Kingsmead estate"
    )]
    pub title: String,
    /// What its parties know it by.
    #[schema(min_length = 1, max_length = 60, pattern = r"^[^\u0000-\u001f\u007f]+$", example = "PROP/2026/114")]
    pub reference: Option<String>,
    /// The day on which it comes into force.
    #[schema(example = "2027-01-01")]
    pub starts_on: Option<NaiveDate>,
    /// Its last day; null where it has none.
    #[schema(example = "2036-12-31")]
    pub ends_on: Option<NaiveDate>,
    /// What is filled into the variables of its template.
    #[schema(max_items = 200)]
    pub values: Vec<LeaseValue>,
    /// Between whom it is.
    #[schema(max_items = 20)]
    pub parties: Vec<LeaseParty>,
    /// How many premises are in its schedule.
    #[schema(read_only, minimum = 0, maximum = 10_000, example = 40)]
    pub premises_count: i32,
    /// Where it stands.
    pub status: LeaseStatus,
    /// Why it was terminated or is void.
    #[schema(
        read_only,
        min_length = 1,
        max_length = 1000,
        pattern = r"^[^\u0000]+$",
        example = "The operator gave notice."
    )]
    pub status_reason: Option<String>,
    /// The lease that it amends: when this one comes into force, that one ends.
    #[schema(read_only, example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c10")]
    pub supersedes: Option<Uuid>,
    /// The lease that amends it, once it was issued to those who look; its organisation sees the draft as well.
    #[schema(read_only, example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c12")]
    pub superseded_by: Option<Uuid>,
    /// When it was issued (UTC); null before.
    #[schema(read_only, example = "2026-11-24T09:30:00Z")]
    pub issued_at: Option<DateTime<Utc>>,
    /// When the last of its parties agreed (UTC); null before.
    #[schema(read_only, example = "2026-12-02T15:00:00Z")]
    pub agreed_at: Option<DateTime<Utc>>,
    /// What its parties read, kept as it was issued; none before.
    #[schema(max_items = 3)]
    pub documents: Vec<LeaseDocument>,
}

/// What is filled into a variable.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LeaseValue {
    /// Name of the variable.
    #[schema(min_length = 1, max_length = 60, pattern = "^[a-z][a-z0-9_]*$", example = "term")]
    pub variable: String,
    /// Its value, as values of its kind are written: `P10Y`, `125000`, `2027-01-01`, `true`.
    #[schema(min_length = 1, max_length = 5000, pattern = r"^[^\u0000]*[^\s\u0000][^\u0000]*$", example = "P10Y")]
    pub value: String,
}

/// One between whom a lease is.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LeaseParty {
    /// Which organisation.
    pub organisation: OrganisationReference,
    /// As what.
    #[schema(min_length = 1, max_length = 60, pattern = "^[a-z][a-z0-9_]*$", example = "grantor")]
    pub role: String,
    /// Its name on the day of issue, which the documents have; null before.
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\u0000-\u001f\u007f]+$",
        example = "London Borough of Hackney"
    )]
    pub name: Option<String>,
    /// When it agreed (UTC); null before.
    #[schema(example = "2026-12-02T15:00:00Z")]
    pub agreed_at: Option<DateTime<Utc>>,
}

/// Document of a lease.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LeaseDocument {
    /// In which format.
    pub format: DocumentFormat,
    /// SHA-256 of its bytes, in hexadecimal.
    #[schema(
        min_length = 64,
        max_length = 64,
        pattern = "^[0-9a-f]{64}$",
        example = "9f2c11aa04d15f0c8d7be1a94f3d8a21c6b0e47f9d325f0c8d7be1a94f3d8a21"
    )]
    pub sha256: String,
    /// How many bytes it has.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 18_230)]
    pub size: i64,
}

/// One to name as a party.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NewLeaseParty {
    /// Id or slug of the organisation.
    #[schema(
        min_length = 1,
        max_length = 80,
        pattern = "^[a-z0-9]+(-[a-z0-9]+)*$",
        example = "london-borough-of-hackney"
    )]
    pub organisation: String,
    /// As what. It fills the variable of the kind `organisation` that has this name, if it is the only party in this role.
    #[schema(min_length = 1, max_length = 60, pattern = "^[a-z][a-z0-9_]*$", example = "grantor")]
    pub role: String,
}

/// Lease to draw up, as a draft.
///
/// With `supersedes` it is an amendment: it begins with the premises of that lease, with its values and parties where none
/// are given and, when it is of the same version, with its deviations.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct CreateLease {
    /// Id or slug of who draws it up.
    #[schema(
        min_length = 1,
        max_length = 80,
        pattern = "^[a-z0-9]+(-[a-z0-9]+)*$",
        example = "london-borough-of-hackney"
    )]
    pub organisation: String,
    /// The published version of a template that it is made from. An amendment may leave it out, to stay with that of the
    /// lease that it amends.
    #[serde(default)]
    pub template: Option<LeaseTemplateVersionKey>,
    /// The lease that it amends, which was issued and which the same organisation drew up.
    #[serde(default)]
    #[schema(example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c10")]
    pub supersedes: Option<Uuid>,
    #[serde(flatten)]
    #[validate(nested)]
    pub(crate) state: LeaseState,
}

/// What can be changed of a draft, beside its premises and deviations.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct LeaseState {
    /// What it is called.
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\u0000-\u001f\u007f]*[^\s\u0000-\u001f\u007f][^\u0000-\u001f\u007f]*$",
        example = "Rooftops of the Kingsmead estate"
    )]
    pub title: String,
    /// What its parties know it by.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 60, pattern = r"^[^\u0000-\u001f\u007f]+$", example = "PROP/2026/114")]
    pub reference: Option<String>,
    /// The day on which it comes into force; a lease is not issued without one. It fills the date `starts_on` of a template.
    #[serde(default)]
    #[schema(example = "2027-01-01")]
    pub starts_on: Option<NaiveDate>,
    /// Its last day; null where it has none. It fills the date `ends_on` of a template.
    #[serde(default)]
    #[schema(example = "2036-12-31")]
    pub ends_on: Option<NaiveDate>,
    /// What is filled into the variables of its template. A draft may lack some; a lease is not issued without those that
    /// it needs.
    #[serde(default)]
    #[schema(max_items = 200, example = json!([]))]
    pub values: Vec<LeaseValue>,
    /// Between whom it is, each once; a lease is not issued without two.
    #[serde(default)]
    #[schema(max_items = 20, example = json!([]))]
    pub parties: Vec<NewLeaseParty>,
}

merge_patch! {
    /// Change to a draft, as a JSON merge patch (RFC 7396): only what is to change; null clears.
    UpdateLease of LeaseState
}

/// One page of leases.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LeasePage {
    /// The leases on this page, the newest first.
    #[schema(max_items = 100)]
    pub items: Vec<Lease>,
    /// Cursor of the next page; null on the last.
    #[schema(max_length = 2048, pattern = "^[A-Za-z0-9_-]+$", example = "WyJhIl0")]
    pub next_cursor: Option<String>,
}

/// Why a lease ends, or is void.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct LeaseEnd {
    /// Why, for its parties.
    #[schema(
        min_length = 1,
        max_length = 1000,
        pattern = r"^[^\u0000]*[^\s\u0000][^\u0000]*$",
        example = "The operator gave notice."
    )]
    pub reason: String,
}

impl LeaseState {
    /// The state to store.
    pub(super) fn stored(&self) -> StoredState {
        let filled = self.values.iter().cloned().map(Filled::from).collect();
        StoredState {
            title: self.title.clone(),
            reference: self.reference.clone(),
            starts_on: self.starts_on,
            ends_on: self.ends_on,
            filled: db::types::Json(filled),
        }
    }
}

impl From<&Row> for LeaseState {
    fn from(lease: &Row) -> Self {
        let StoredState { title, reference, starts_on, ends_on, filled } = lease.state.clone();
        let named =
            |party: &Party| NewLeaseParty { organisation: party.organisation.id.to_string(), role: party.role.clone() };
        Self {
            title,
            reference,
            starts_on,
            ends_on,
            values: filled.0.into_iter().map(LeaseValue::from).collect(),
            parties: lease.parties.0.iter().map(named).collect(),
        }
    }
}

impl From<LeaseValue> for Filled {
    fn from(LeaseValue { variable, value }: LeaseValue) -> Self {
        Self { variable, value }
    }
}

impl From<Filled> for LeaseValue {
    fn from(Filled { variable, value }: Filled) -> Self {
        Self { variable, value }
    }
}

impl From<Party> for LeaseParty {
    fn from(Party { organisation, role, name, agreed_at }: Party) -> Self {
        Self { organisation: organisation.into(), role, name, agreed_at }
    }
}

impl From<Document> for LeaseDocument {
    fn from(Document { format, sha256, size }: Document) -> Self {
        Self { format, sha256, size }
    }
}

impl From<Row> for Lease {
    fn from(lease: Row) -> Self {
        let Row {
            id,
            version,
            created_at,
            updated_at,
            organisation_id: _,
            organisation,
            version_id: _,
            template,
            later_version,
            supersedes_id,
            superseded_by_id,
            status,
            status_reason,
            issued_at,
            agreed_at,
            premises_count,
            state: StoredState { title, reference, starts_on, ends_on, filled },
            parties,
            documents,
        } = lease;
        Self {
            id,
            version,
            created_at,
            updated_at,
            organisation: organisation.0.into(),
            template: template.0.into(),
            later_version,
            title,
            reference,
            starts_on,
            ends_on,
            values: filled.0.into_iter().map(Into::into).collect(),
            parties: parties.0.into_iter().map(Into::into).collect(),
            premises_count,
            status,
            status_reason,
            supersedes: supersedes_id,
            superseded_by: superseded_by_id,
            issued_at,
            agreed_at,
            documents: documents.0.into_iter().map(Into::into).collect(),
        }
    }
}
