//! Comments as they go over the wire.

use chrono::{DateTime, Utc};
use db::comments::{self, AuthorKind, CommentStatus, Decision, DecisionAction, FlagReason};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use validator::Validate;

use crate::markdown;
use crate::merge_patch;
use crate::v1::organisations::wire::OrganisationReference;

/// Comment on a product.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Comment {
    /// Identifier, UUIDv7.
    #[schema(read_only, example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    pub id: Uuid,
    /// Rises by one with each change; the entity tag begins with it.
    #[schema(read_only, minimum = 1, maximum = 2_147_483_647, example = 1)]
    pub version: i32,
    /// When it was made (UTC).
    #[schema(read_only, example = "2026-11-23T09:30:00Z")]
    pub created_at: DateTime<Utc>,
    /// When it last changed (UTC).
    #[schema(read_only, example = "2026-11-23T09:30:00Z")]
    pub updated_at: DateTime<Utc>,
    /// Id of the product.
    #[schema(read_only, example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    pub product_id: Uuid,
    /// Id of the comment that it replies to; null for one that begins a thread.
    #[schema(example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c12")]
    pub parent_id: Option<Uuid>,
    /// Id of the comment that begins its thread; its own for that one.
    #[schema(read_only, example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    pub thread_id: Uuid,
    /// How deep it is in its thread: 1 for the comment that begins it.
    #[schema(read_only, minimum = 1, maximum = 8, format = Int32, value_type = i32, example = 1)]
    pub depth: usize,
    /// As what its author speaks, as the service found when it was made.
    pub author_kind: AuthorKind,
    /// Who wrote it; null when they were erased, or it is not shown.
    pub author: Option<CommentAuthor>,
    /// On whose behalf; null for moderators, for people of several organisations who named none, and when it is not
    /// shown.
    pub organisation: Option<OrganisationReference>,
    /// Whether it is shown. What is not keeps its place in the thread; who wrote it and moderators still see what it
    /// says.
    pub status: CommentStatus,
    /// What it says, in Markdown (`CommonMark`, with tables and strikethrough); null when it is not shown.
    #[schema(
        min_length = 1,
        max_length = 10_000,
        pattern = r"^[^\u0000]*[^\s\u0000][^\u0000]*$",
        example = "We have used it since **2023**."
    )]
    pub body_markdown: Option<String>,
    /// The same as HTML that any page can show: without scripts, styles and images, links to http, https and mailto
    /// only. Null when it is not shown.
    #[schema(
        read_only,
        max_length = 200_000,
        pattern = r"^[^\u0000]*$",
        example = "<p>We have used it since <strong>2023</strong>.</p>\n"
    )]
    pub body_html: Option<String>,
    /// When its text last changed (UTC); null when it never did.
    #[schema(read_only, example = "2026-11-23T09:30:00Z")]
    pub edited_at: Option<DateTime<Utc>>,
    /// What was last decided about it; only its author and moderators see that, null for others.
    pub decision: Option<CommentDecision>,
}

/// Person who wrote or flagged something.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CommentAuthor {
    /// Their id.
    #[schema(example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    pub id: Uuid,
    /// Their name, as they chose to show it.
    #[schema(min_length = 1, max_length = 120, pattern = r"^[^\u0000-\u001f\u007f]+$", example = "Sam Steward")]
    pub name: String,
}

impl CommentAuthor {
    pub(super) fn of(id: Option<Uuid>, name: Option<String>) -> Option<Self> {
        id.zip(name).map(|(id, name)| Self { id, name })
    }
}

/// What was decided about a comment.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CommentDecision {
    /// What became of it.
    pub action: DecisionAction,
    /// Why; of what was restored, why it had been hidden or flagged. Null for what its author withdrew.
    pub reason: Option<FlagReason>,
    /// Whether flags decided, without a moderator.
    #[schema(example = false)]
    pub by_flags: bool,
    /// What the moderator tells the author.
    #[schema(
        min_length = 1,
        max_length = 2000,
        pattern = r"^[^\u0000]*[^\s\u0000][^\u0000]*$",
        example = "Please leave out the name of the officer."
    )]
    pub note: Option<String>,
    /// When it was decided (UTC).
    #[schema(example = "2026-11-23T09:30:00Z")]
    pub decided_at: DateTime<Utc>,
}

impl From<Decision> for CommentDecision {
    fn from(Decision { action, reason, by_flags, note, created_at }: Decision) -> Self {
        Self { action, reason, by_flags, note, decided_at: created_at }
    }
}

/// Comment to make. As what its author speaks is not among its fields: the service says so.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct CreateComment {
    /// What it says, in Markdown (`CommonMark`, with tables and strikethrough). Raw HTML and images are left out of what
    /// is shown.
    #[schema(
        min_length = 1,
        max_length = 10_000,
        pattern = r"^[^\u0000]*[^\s\u0000][^\u0000]*$",
        example = "We have used it since **2023**."
    )]
    pub body_markdown: String,
    /// Id of the comment on the same product that it replies to. Threads have at most 8 levels.
    #[schema(example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c12")]
    pub parent: Option<Uuid>,
    /// Id or slug of the organisation on whose behalf; for people who belong to several.
    #[schema(min_length = 1, max_length = 80, pattern = "^[a-z0-9]+(-[a-z0-9]+)*$", example = "hackney")]
    pub organisation: Option<String>,
    /// Whether a moderator speaks for the platform, and not for their organisation.
    #[serde(default)]
    #[schema(default = false, example = false)]
    pub as_moderator: bool,
}

/// What may change of a comment, whole.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct ChangeableComment {
    /// What it says, in Markdown (`CommonMark`, with tables and strikethrough).
    #[schema(
        min_length = 1,
        max_length = 10_000,
        pattern = r"^[^\u0000]*[^\s\u0000][^\u0000]*$",
        example = "We have used it since **2022**."
    )]
    pub body_markdown: String,
}

merge_patch! {
    /// Change to a comment, as a JSON merge patch (RFC 7396): other words.
    UpdateComment of ChangeableComment
}

/// One page of comments.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CommentPage {
    /// The comments on this page.
    #[schema(max_items = 100)]
    pub items: Vec<Comment>,
    /// Cursor of the next page; null on the last.
    #[schema(max_length = 2048, pattern = "^[A-Za-z0-9_-]+$", example = "WyJhIl0")]
    pub next_cursor: Option<String>,
}

/// Wording that a comment has or had.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CommentVersion {
    /// Counts from 1.
    #[schema(minimum = 1, maximum = 2_147_483_647, example = 1)]
    pub number: i32,
    /// Since when it said so (UTC).
    #[schema(example = "2026-11-23T09:30:00Z")]
    pub created_at: DateTime<Utc>,
    /// What it said, in Markdown.
    #[schema(
        min_length = 1,
        max_length = 10_000,
        pattern = r"^[^\u0000]*$",
        example = "We have used it since **2023**."
    )]
    pub body_markdown: String,
}

/// One page of wordings.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CommentVersionPage {
    /// The wordings on this page, the latest first.
    #[schema(max_items = 100)]
    pub items: Vec<CommentVersion>,
    /// Cursor of the next page; null on the last.
    #[schema(max_length = 2048, pattern = "^[A-Za-z0-9_-]+$", example = "Mg")]
    pub next_cursor: Option<String>,
}

impl From<comments::CommentVersion> for CommentVersion {
    fn from(version: comments::CommentVersion) -> Self {
        let comments::CommentVersion { number, created_at, body_markdown } = version;
        Self { number, created_at, body_markdown }
    }
}

/// Who looks at comments.
#[derive(Debug, Clone, Copy)]
pub(super) struct Onlooker {
    /// The person, if it is one.
    pub person: Option<Uuid>,
    /// Whether they see what is hidden.
    pub moderates: bool,
}

impl Comment {
    pub(super) fn path(&self) -> String {
        format!("/v1/comments/{}", self.id)
    }

    /// As somebody sees it: what is not shown to them is only a place.
    pub(super) fn seen_by(onlooker: Onlooker, comment: comments::Comment) -> Self {
        let shown = comment.shows(onlooker.person, onlooker.moderates);
        let private = onlooker.moderates || comment.is_by(onlooker.person);
        let comments::Comment {
            id,
            version,
            created_at,
            updated_at,
            product_id,
            parent_id,
            path,
            author_id,
            author_name,
            organisation_id: _,
            organisation,
            author_kind,
            status,
            body_markdown,
            body_html,
            renderer,
            edited_at,
            queued_at: _,
            decision,
        } = comment;
        // What an earlier edition of the renderer made is made anew.
        let html = |markdown: &str| if renderer == markdown::RENDERER { body_html } else { markdown::render(markdown) };
        Self {
            id,
            version,
            created_at,
            updated_at,
            product_id,
            parent_id,
            thread_id: path.first().copied().flatten().unwrap_or(id),
            depth: path.len(),
            author_kind,
            author: CommentAuthor::of(author_id, author_name).filter(|_| shown),
            organisation: organisation.map(|organisation| organisation.0.into()).filter(|_| shown),
            status,
            body_html: shown.then(|| html(&body_markdown)),
            body_markdown: shown.then_some(body_markdown),
            edited_at,
            decision: decision.map(|decision| decision.0.into()).filter(|_| private),
        }
    }
}
