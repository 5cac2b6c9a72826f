//! Frameworks as they go over the wire; their controls are in [`super::controls`].

use chrono::{DateTime, Utc};
use db::frameworks::{
    Framework as Row, FrameworkReference as RowReference, FrameworkState as StoredState, FrameworkStatus,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use validator::Validate;

use crate::merge_patch;
use crate::v1::organisations::wire::OrganisationReference;

/// One edition of what organisations assess themselves against: groups of controls, as an OSCAL catalog. Once it was
/// published, what it says stays.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Framework {
    /// Identifier, UUIDv7.
    #[schema(read_only, example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    pub id: Uuid,
    /// Rises with each change, of its controls as well; the entity tag begins with it.
    #[schema(read_only, minimum = 1, maximum = 2_147_483_647, example = 3)]
    pub version: i32,
    /// When it was added (UTC).
    #[schema(read_only, example = "2026-11-23T09:30:00Z")]
    pub created_at: DateTime<Utc>,
    /// When it last changed (UTC).
    #[schema(read_only, example = "2026-11-23T09:30:00Z")]
    pub updated_at: DateTime<Utc>,
    /// Readable identifier, which works in place of `id`. An earlier one redirects here for good.
    #[schema(min_length = 1, max_length = 80, pattern = "^[a-z0-9]+(-[a-z0-9]+)*$", example = "cyber-baseline")]
    pub slug: String,
    #[serde(flatten)]
    pub(crate) facts: FrameworkFacts,
    /// Who keeps it here.
    pub organisation: OrganisationReference,
    /// The edition that it takes the place of; null when it is the first.
    pub supersedes: Option<FrameworkReference>,
    /// The edition that took its place; null as long as there is none.
    pub superseded_by: Option<FrameworkReference>,
    /// Where it stands.
    pub status: FrameworkStatus,
    /// Why it was withdrawn.
    #[schema(
        read_only,
        min_length = 1,
        max_length = 1000,
        pattern = r"^[^\u0000]+$",
        example = "Its authority took it back."
    )]
    pub status_reason: Option<String>,
    /// When it was published (UTC); null before.
    #[schema(read_only, example = "2026-11-24T09:30:00Z")]
    pub published_at: Option<DateTime<Utc>>,
    /// How many controls it has.
    #[schema(read_only, minimum = 0, maximum = 20_000, example = 40)]
    pub control_count: i32,
}

/// What a writer says of a framework, the same to add and to change it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FrameworkFacts {
    /// What it is called.
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\u0000-\u001f\u007f]*[^\s\u0000-\u001f\u007f][^\u0000-\u001f\u007f]*$",
        example = "Cyber baseline"
    )]
    pub title: String,
    /// Which edition of it, as its authority says.
    #[schema(min_length = 1, max_length = 60, pattern = r"^[^\u0000-\u001f\u007f]+$", example = "3.2")]
    pub edition: String,
    /// What it is for, in a line.
    #[schema(
        min_length = 1,
        max_length = 300,
        pattern = r"^[^\u0000-\u001f\u007f]+$",
        example = "What every council has in place against common attacks."
    )]
    pub summary: Option<String>,
    /// Who issues it.
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\u0000-\u001f\u007f]*[^\s\u0000-\u001f\u007f][^\u0000-\u001f\u007f]*$",
        example = "National Cyber Security Centre"
    )]
    pub authority: String,
    /// Under which licence its words may be used.
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\u0000-\u001f\u007f]+$",
        example = "Open Government Licence v3.0"
    )]
    pub licence: Option<String>,
}

/// Framework, as others refer to it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FrameworkReference {
    /// Its id.
    #[schema(example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    pub id: Uuid,
    /// Its slug.
    #[schema(min_length = 1, max_length = 80, pattern = "^[a-z0-9]+(-[a-z0-9]+)*$", example = "cyber-baseline")]
    pub slug: String,
    /// Its title.
    #[schema(min_length = 1, max_length = 200, pattern = r"^[^\u0000-\u001f\u007f]+$", example = "Cyber baseline")]
    pub title: String,
    /// Which edition it is.
    #[schema(min_length = 1, max_length = 60, pattern = r"^[^\u0000-\u001f\u007f]+$", example = "3.1")]
    pub edition: String,
}

/// Framework to add, as a draft; and what can be changed of one. Of what was published, only slug, summary and organisation
/// change.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct FrameworkState {
    /// Readable identifier; made from title and edition when absent.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 80, pattern = "^[a-z0-9]+(-[a-z0-9]+)*$", example = "cyber-baseline")]
    pub slug: Option<String>,
    #[serde(flatten)]
    #[validate(nested)]
    pub(crate) facts: FrameworkFacts,
    /// Id or slug of who keeps it here.
    #[schema(
        min_length = 1,
        max_length = 80,
        pattern = "^[a-z0-9]+(-[a-z0-9]+)*$",
        example = "london-borough-of-hackney"
    )]
    pub organisation: String,
    /// Id or slug of the edition that it takes the place of.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 80, pattern = "^[a-z0-9]+(-[a-z0-9]+)*$", example = "cyber-baseline")]
    pub supersedes: Option<String>,
}

merge_patch! {
    /// Change to a framework, as a JSON merge patch (RFC 7396): only what is to change; null clears.
    UpdateFramework of FrameworkState
}

/// One page of frameworks.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FrameworkPage {
    /// The frameworks on this page, by title.
    #[schema(max_items = 100)]
    pub items: Vec<Framework>,
    /// Cursor of the next page; null on the last.
    #[schema(max_length = 2048, pattern = "^[A-Za-z0-9_-]+$", example = "WyJhIl0")]
    pub next_cursor: Option<String>,
}

/// Why a framework is withdrawn.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct WithdrawFramework {
    /// Why, for those who use it.
    #[schema(
        min_length = 1,
        max_length = 1000,
        pattern = r"^[^\u0000]*[^\s\u0000][^\u0000]*$",
        example = "Its authority took it back."
    )]
    pub reason: String,
}

impl FrameworkState {
    /// The state to store.
    pub(crate) fn stored(&self, slug: String, organisation_id: Uuid, supersedes_id: Option<Uuid>) -> StoredState {
        let FrameworkFacts { title, edition, summary, authority, licence } = self.facts.clone();
        StoredState { slug, title, edition, summary, authority, licence, organisation_id, supersedes_id }
    }
}

impl From<StoredState> for FrameworkState {
    fn from(state: StoredState) -> Self {
        let StoredState { slug, title, edition, summary, authority, licence, organisation_id, supersedes_id } = state;
        Self {
            slug: Some(slug),
            facts: FrameworkFacts { title, edition, summary, authority, licence },
            organisation: organisation_id.to_string(),
            supersedes: supersedes_id.map(|id| id.to_string()),
        }
    }
}

impl From<RowReference> for FrameworkReference {
    fn from(RowReference { id, slug, title, edition }: RowReference) -> Self {
        Self { id, slug, title, edition }
    }
}

impl From<Row> for Framework {
    fn from(framework: Row) -> Self {
        let Row {
            id,
            version,
            created_at,
            updated_at,
            status,
            status_reason,
            published_at,
            control_count,
            state,
            organisation,
            supersedes,
            superseded_by,
        } = framework;
        let StoredState { slug, title, edition, summary, authority, licence, organisation_id: _, supersedes_id: _ } =
            state;
        Self {
            id,
            version,
            created_at,
            updated_at,
            slug,
            facts: FrameworkFacts { title, edition, summary, authority, licence },
            organisation: organisation.0.into(),
            supersedes: supersedes.map(|reference| reference.0.into()),
            superseded_by: superseded_by.map(|reference| reference.0.into()),
            status,
            status_reason,
            published_at,
            control_count,
        }
    }
}
