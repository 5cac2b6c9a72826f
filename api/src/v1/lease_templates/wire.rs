//! Templates of leases and their versions as they go over the wire; what versions say is in [`super::content`].

use chrono::{DateTime, Utc};
use db::lease_templates::versions::{Approval, Number, Version, VersionState, VersionStatus};
use db::lease_templates::{LeaseTemplateKind, Template, TemplateState, VersionReference};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use validator::Validate;

use crate::merge_patch;
use crate::v1::organisations::wire::OrganisationReference;

/// Standard agreement that is filled in, such as a rooftop wayleave.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LeaseTemplate {
    /// Identifier, UUIDv7.
    #[schema(read_only, example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    pub id: Uuid,
    /// Rises by one with each change, but not with those of its versions; the entity tag begins with it.
    #[schema(read_only, minimum = 1, maximum = 2_147_483_647, example = 2)]
    pub version: i32,
    /// When it was added (UTC).
    #[schema(read_only, example = "2026-11-23T09:30:00Z")]
    pub created_at: DateTime<Utc>,
    /// When it last changed (UTC).
    #[schema(read_only, example = "2026-11-23T09:30:00Z")]
    pub updated_at: DateTime<Utc>,
    /// Readable identifier, which works in place of `id`. An earlier one redirects here for good.
    #[schema(min_length = 1, max_length = 80, pattern = "^[a-z0-9]+(-[a-z0-9]+)*$", example = "rooftop-wayleave")]
    pub slug: String,
    #[serde(flatten)]
    pub(crate) facts: LeaseTemplateFacts,
    /// Who keeps it.
    pub organisation: OrganisationReference,
    /// How many organisations have to approve a version before it is published.
    #[schema(read_only, minimum = 0, maximum = 5, example = 2)]
    pub approvals_required: i32,
    /// Of which version of another template it is a variant; null when of none.
    pub forked_from: Option<LeaseTemplateVersionReference>,
    /// The number of the version to use today; null when there is none.
    #[schema(read_only, min_length = 5, max_length = 20, pattern = r"^[0-9]+\.[0-9]+\.[0-9]+$", example = "1.2.0")]
    pub current_version: Option<String>,
}

/// What a writer says of a template, the same to add and to change it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LeaseTemplateFacts {
    /// What it is called.
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\u0000-\u001f\u007f]*[^\s\u0000-\u001f\u007f][^\u0000-\u001f\u007f]*$",
        example = "Rooftop wayleave"
    )]
    pub title: String,
    /// What it is for, in a line.
    #[schema(
        min_length = 1,
        max_length = 300,
        pattern = r"^[^\u0000-\u001f\u007f]+$",
        example = "Antennas and cabinets on the roofs of council buildings."
    )]
    pub summary: Option<String>,
    /// What readers have to know before they use it.
    #[schema(
        min_length = 1,
        max_length = 300,
        pattern = r"^[^\u0000-\u001f\u007f]+$",
        example = "Illustrative, not legal advice."
    )]
    pub notice: Option<String>,
    /// What sort of agreement it is.
    pub kind: LeaseTemplateKind,
}

/// Template to add. With `forkedFrom`, its first version begins as a copy of that one.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct CreateLeaseTemplate {
    #[serde(flatten)]
    #[validate(nested)]
    pub(crate) state: LeaseTemplateState,
    /// Of which version of another template it is a variant. It stays so.
    #[serde(default)]
    pub forked_from: Option<LeaseTemplateVersionKey>,
}

/// What can be changed of a template.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct LeaseTemplateState {
    /// Readable identifier; made from the title when absent.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 80, pattern = "^[a-z0-9]+(-[a-z0-9]+)*$", example = "rooftop-wayleave")]
    pub slug: Option<String>,
    #[serde(flatten)]
    #[validate(nested)]
    pub(crate) facts: LeaseTemplateFacts,
    /// Id or slug of who keeps it.
    #[schema(
        min_length = 1,
        max_length = 80,
        pattern = "^[a-z0-9]+(-[a-z0-9]+)*$",
        example = "london-borough-of-hackney"
    )]
    pub organisation: String,
}

merge_patch! {
    /// Change to a template, as a JSON merge patch (RFC 7396): only what is to change; null clears.
    UpdateLeaseTemplate of LeaseTemplateState
}

/// One page of templates.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LeaseTemplatePage {
    /// The templates on this page, by title.
    #[schema(max_items = 100)]
    pub items: Vec<LeaseTemplate>,
    /// Cursor of the next page; null on the last.
    #[schema(max_length = 2048, pattern = "^[A-Za-z0-9_-]+$", example = "WyJhIl0")]
    pub next_cursor: Option<String>,
}

/// Which version of which template.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct LeaseTemplateVersionKey {
    /// Id or slug of the template.
    #[schema(min_length = 1, max_length = 80, pattern = "^[a-z0-9]+(-[a-z0-9]+)*$", example = "rooftop-wayleave")]
    pub template: String,
    /// Number of its version.
    #[schema(
        min_length = 5,
        max_length = 20,
        pattern = r"^(0|[1-9][0-9]{0,5})\.(0|[1-9][0-9]{0,5})\.(0|[1-9][0-9]{0,5})$",
        example = "1.2.0"
    )]
    pub number: String,
}

/// Version of a template, as others refer to it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LeaseTemplateVersionReference {
    /// Id of the template.
    #[schema(example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    pub template_id: Uuid,
    /// Slug of the template.
    #[schema(min_length = 1, max_length = 80, pattern = "^[a-z0-9]+(-[a-z0-9]+)*$", example = "rooftop-wayleave")]
    pub slug: String,
    /// Title of the template.
    #[schema(min_length = 1, max_length = 200, pattern = r"^[^\u0000-\u001f\u007f]+$", example = "Rooftop wayleave")]
    pub title: String,
    /// Number of the version.
    #[schema(min_length = 5, max_length = 20, pattern = r"^[0-9]+\.[0-9]+\.[0-9]+$", example = "1.2.0")]
    pub number: String,
}

/// Version of a template. What it says is at `/clauses` and `/variables` below it, and stays once it was submitted.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LeaseTemplateVersion {
    /// Identifier, UUIDv7.
    #[schema(read_only, example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    pub id: Uuid,
    /// Rises by one with each change, of its clauses and variables as well; the entity tag begins with it.
    #[schema(read_only, minimum = 1, maximum = 2_147_483_647, example = 7)]
    pub version: i32,
    /// When it was begun (UTC).
    #[schema(read_only, example = "2026-11-23T09:30:00Z")]
    pub created_at: DateTime<Utc>,
    /// When it last changed (UTC).
    #[schema(read_only, example = "2026-11-23T09:30:00Z")]
    pub updated_at: DateTime<Utc>,
    /// Of which template.
    #[schema(read_only, example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    pub template_id: Uuid,
    /// Its number (Semantic Versioning 2.0.0, without pre-releases).
    #[schema(
        min_length = 5,
        max_length = 20,
        pattern = r"^(0|[1-9][0-9]{0,5})\.(0|[1-9][0-9]{0,5})\.(0|[1-9][0-9]{0,5})$",
        example = "1.2.0"
    )]
    pub number: String,
    /// What is new in it, in Markdown.
    #[schema(
        min_length = 1,
        max_length = 20_000,
        pattern = r"^[^\u0000]*[^\s\u0000][^\u0000]*$",
        example = "Adds a clause on **sharing**."
    )]
    pub notes: Option<String>,
    /// Where it stands.
    pub status: VersionStatus,
    /// Why it was withdrawn, or what reviewers want changed.
    #[schema(min_length = 1, max_length = 1000, pattern = r"^[^\u0000]+$", example = "Clause 4 contradicts clause 9.")]
    pub status_reason: Option<String>,
    /// Of which version it began as a copy; null when of none.
    pub based_on: Option<LeaseTemplateVersionReference>,
    /// SHA-256 of its clauses and variables, in hexadecimal; null while it is a draft.
    #[schema(
        min_length = 64,
        max_length = 64,
        pattern = "^[0-9a-f]{64}$",
        example = "9f2c11aa04d15f0c8d7be1a94f3d8a21c6b0e47f9d325f0c8d7be1a94f3d8a21"
    )]
    pub content_sha256: Option<String>,
    /// When it was submitted for review (UTC); null while it is a draft.
    #[schema(example = "2026-11-23T09:30:00Z")]
    pub submitted_at: Option<DateTime<Utc>>,
    /// When it was published (UTC); null before.
    #[schema(example = "2026-11-24T09:30:00Z")]
    pub published_at: Option<DateTime<Utc>>,
    /// Which organisations approved it, the first before the others.
    #[schema(max_items = 1000)]
    pub approvals: Vec<LeaseApproval>,
}

/// Approval of a version by an organisation.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LeaseApproval {
    /// Which organisation.
    pub organisation: OrganisationReference,
    /// When (UTC).
    #[schema(example = "2026-11-24T09:30:00Z")]
    pub approved_at: DateTime<Utc>,
}

/// Version to begin, as a draft.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct CreateLeaseTemplateVersion {
    #[serde(flatten)]
    #[validate(nested)]
    pub(crate) state: LeaseTemplateVersionState,
    /// A published version of which it is a copy to begin with. When absent the latest of the template, else what the
    /// template is a variant of; where there is neither, it begins empty.
    #[serde(default)]
    pub based_on: Option<LeaseTemplateVersionKey>,
}

/// What can be changed of a draft, beside its clauses and variables.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct LeaseTemplateVersionState {
    /// Its number (Semantic Versioning 2.0.0, without pre-releases). Major: what a lease says is no longer the same; minor:
    /// something is added; patch: words are put right.
    #[schema(
        min_length = 5,
        max_length = 20,
        pattern = r"^(0|[1-9][0-9]{0,5})\.(0|[1-9][0-9]{0,5})\.(0|[1-9][0-9]{0,5})$",
        example = "1.2.0"
    )]
    pub number: String,
    /// What is new in it, in Markdown.
    #[schema(
        min_length = 1,
        max_length = 20_000,
        pattern = r"^[^\u0000]*[^\s\u0000][^\u0000]*$",
        example = "Adds a clause on **sharing**."
    )]
    pub notes: Option<String>,
}

merge_patch! {
    /// Change to a draft, as a JSON merge patch (RFC 7396): only what is to change; null clears.
    UpdateLeaseTemplateVersion of LeaseTemplateVersionState
}

/// One page of versions.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LeaseTemplateVersionPage {
    /// The versions on this page, the highest number first.
    #[schema(max_items = 100)]
    pub items: Vec<LeaseTemplateVersion>,
    /// Cursor of the next page; null on the last.
    #[schema(max_length = 2048, pattern = "^[A-Za-z0-9_-]+$", example = "WyJhIl0")]
    pub next_cursor: Option<String>,
}

/// Approval to give.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct ApproveLeaseTemplateVersion {
    /// Id or slug of the organisation that approves.
    #[schema(
        min_length = 1,
        max_length = 80,
        pattern = "^[a-z0-9]+(-[a-z0-9]+)*$",
        example = "london-borough-of-hackney"
    )]
    pub organisation: String,
    /// `contentSha256` of what was read: nothing else is approved.
    #[schema(
        min_length = 64,
        max_length = 64,
        pattern = "^[0-9a-f]{64}$",
        example = "9f2c11aa04d15f0c8d7be1a94f3d8a21c6b0e47f9d325f0c8d7be1a94f3d8a21"
    )]
    pub content_sha256: String,
}

/// Why a version is given back, or withdrawn.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct LeaseTemplateVersionReason {
    /// Why, for those who read it.
    #[schema(
        min_length = 1,
        max_length = 1000,
        pattern = r"^[^\u0000]*[^\s\u0000][^\u0000]*$",
        example = "Clause 4 contradicts clause 9."
    )]
    pub reason: String,
}

impl LeaseTemplateState {
    /// The state to store.
    pub(crate) fn state(&self, slug: String, organisation_id: Uuid) -> TemplateState {
        let LeaseTemplateFacts { title, summary, notice, kind } = self.facts.clone();
        TemplateState { slug, title, summary, notice, kind, organisation_id }
    }
}

impl From<TemplateState> for LeaseTemplateState {
    fn from(TemplateState { slug, title, summary, notice, kind, organisation_id }: TemplateState) -> Self {
        Self {
            slug: Some(slug),
            facts: LeaseTemplateFacts { title, summary, notice, kind },
            organisation: organisation_id.to_string(),
        }
    }
}

impl LeaseTemplateVersionState {
    /// The state to store; none when the number is none, which its schema rules out.
    pub(crate) fn state(&self) -> Option<VersionState> {
        let Number { major, minor, patch } = self.number.parse().ok()?;
        Some(VersionState { major, minor, patch, notes: self.notes.clone() })
    }
}

impl From<VersionState> for LeaseTemplateVersionState {
    fn from(state: VersionState) -> Self {
        let number = state.number().to_string();
        let VersionState { major: _, minor: _, patch: _, notes } = state;
        Self { number, notes }
    }
}

impl From<Template> for LeaseTemplate {
    fn from(template: Template) -> Self {
        let Template {
            id,
            version,
            created_at,
            updated_at,
            approvals_required,
            state,
            organisation,
            forked_from,
            current_version,
        } = template;
        let TemplateState { slug, title, summary, notice, kind, organisation_id: _ } = state;
        Self {
            id,
            version,
            created_at,
            updated_at,
            slug,
            facts: LeaseTemplateFacts { title, summary, notice, kind },
            organisation: organisation.0.into(),
            approvals_required: approvals_required.into(),
            forked_from: forked_from.map(|reference| reference.0.into()),
            current_version,
        }
    }
}

impl From<VersionReference> for LeaseTemplateVersionReference {
    fn from(VersionReference { template_id, slug, title, number }: VersionReference) -> Self {
        Self { template_id, slug, title, number }
    }
}

impl From<Approval> for LeaseApproval {
    fn from(Approval { organisation, approved_at }: Approval) -> Self {
        Self { organisation: organisation.into(), approved_at }
    }
}

impl From<Version> for LeaseTemplateVersion {
    fn from(version: Version) -> Self {
        let number = version.state.number().to_string();
        let Version {
            id,
            version,
            created_at,
            updated_at,
            template_id,
            status,
            status_reason,
            content_sha256,
            submitted_at,
            submitted_by: _,
            published_at,
            state: VersionState { major: _, minor: _, patch: _, notes },
            based_on,
            approvals,
        } = version;
        Self {
            id,
            version,
            created_at,
            updated_at,
            template_id,
            number,
            notes,
            status,
            status_reason,
            based_on: based_on.map(|reference| reference.0.into()),
            content_sha256,
            submitted_at,
            published_at,
            approvals: approvals.0.into_iter().map(Into::into).collect(),
        }
    }
}
