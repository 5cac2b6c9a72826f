//! Comments on products: rows, threads, wordings, and the way of one of them from visible to removed.
//!
//! What readers see of a comment that is not visible is for the caller to decide, by [`Comment::shows`]. Flags are in
//! [`flags`], decisions of moderators and what they wait for in [`moderation`].

pub mod flags;
pub mod list;
pub mod moderation;

use chrono::{DateTime, Utc};
use diesel::dsl::{exists, sql};
use diesel::expression::SqlLiteral;
use diesel::prelude::*;
use diesel::sql_types::{Nullable, Text};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::functions::{comment_decision, organisation_ref, seconds_ago};
use crate::organisations::{OrganisationKind, Reference, to_limit};
use crate::schema::{comment_versions, comments, memberships, organisations, products};
use crate::tx::{Conn, Tx};
use crate::types::Json;
use crate::vocabulary::vocabulary;
use crate::{Error, Fault, Page, Result};

vocabulary! {
    /// Whether a comment is shown. `visible`: to everybody. `hidden`: it waits to be judged; its author and moderators
    /// see it, others that there is one. `removed`: for good, by a moderator or by its author; only its place is left.
    CommentStatus, "visible" {
        /// To everybody.
        Visible = "visible",
        /// It waits to be judged.
        Hidden = "hidden",
        /// For good.
        Removed = "removed",
    }
}

vocabulary! {
    /// As what somebody speaks: `member`, for a public body; `supplier`, as one of a supplier's people, of this product
    /// or of any; `moderator`, for the platform. The service says so, and not who writes.
    AuthorKind, "member" {
        /// For a public body.
        Member = "member",
        /// As one of a supplier's people.
        Supplier = "supplier",
        /// For the platform.
        Moderator = "moderator",
    }
}

vocabulary! {
    /// Why a comment is flagged, hidden or removed. `spam`: it advertises or repeats. `abuse`: it insults or threatens.
    /// `personal_data`: it tells of people who did not ask for it. `wrong`: what it says is not so. `other`: see what is
    /// said beside it.
    FlagReason, "spam" {
        /// It advertises or repeats.
        Spam = "spam",
        /// It insults or threatens.
        Abuse = "abuse",
        /// It tells of people who did not ask for it.
        PersonalData = "personal_data",
        /// What it says is not so.
        Wrong = "wrong",
        /// See what is said beside it.
        Other = "other",
    }
}

vocabulary! {
    /// What became of a comment: `hidden`, by flags or a moderator; `restored` or `removed`, by a moderator;
    /// `withdrawn`, by its author.
    DecisionAction, "removed" {
        /// By flags or a moderator.
        Hidden = "hidden",
        /// By a moderator, who found it within the rules.
        Restored = "restored",
        /// By a moderator, for good.
        Removed = "removed",
        /// By its author, for good.
        Withdrawn = "withdrawn",
    }
}

/// A text, and what it becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    /// As it was typed.
    pub markdown: String,
    /// As it is shown.
    pub html: String,
    /// Edition of what made the one from the other.
    pub renderer: i16,
}

/// A comment to make.
#[derive(Debug, Clone)]
pub struct NewComment {
    /// On what.
    pub product_id: Uuid,
    /// In reply to what.
    pub parent_id: Option<Uuid>,
    /// By whom.
    pub author_id: Uuid,
    /// On whose behalf.
    pub organisation_id: Option<Uuid>,
    /// As what.
    pub author_kind: AuthorKind,
    /// What.
    pub body: Body,
}

/// What was last decided of a comment.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct Decision {
    pub action: DecisionAction,
    pub reason: Option<FlagReason>,
    pub by_flags: bool,
    pub note: Option<String>,
    pub created_at: DateTime<Utc>,
}

/// A comment.
#[derive(Debug, Clone, Queryable)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct Comment {
    pub id: Uuid,
    pub version: i32,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub product_id: Uuid,
    pub parent_id: Option<Uuid>,
    pub path: Vec<Option<Uuid>>,
    pub author_id: Option<Uuid>,
    /// Name of the author, unless they were erased.
    pub author_name: Option<String>,
    pub organisation_id: Option<Uuid>,
    pub organisation: Option<Json<Reference>>,
    pub author_kind: AuthorKind,
    pub status: CommentStatus,
    pub body_markdown: String,
    pub body_html: String,
    pub renderer: i16,
    pub edited_at: Option<DateTime<Utc>>,
    pub queued_at: Option<DateTime<Utc>>,
    pub decision: Option<Json<Decision>>,
}

impl Comment {
    /// Whether somebody sees what it says and who said it.
    #[must_use]
    pub fn shows(&self, viewer: Option<Uuid>, moderates: bool) -> bool {
        self.status == CommentStatus::Visible || moderates || self.is_by(viewer)
    }

    /// Whether it is somebody's own.
    #[must_use]
    pub fn is_by(&self, person: Option<Uuid>) -> bool {
        person.is_some() && self.author_id == person
    }
}

/// A wording that a comment had.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = comment_versions)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct CommentVersion {
    pub number: i32,
    pub created_at: DateTime<Utc>,
    pub body_markdown: String,
}

/// A comment, for audit: all but its words, which might have to be erased some day.
#[derive(Serialize)]
struct CommentState {
    product_id: Uuid,
    parent_id: Option<Uuid>,
    organisation_id: Option<Uuid>,
    author_kind: AuthorKind,
    status: CommentStatus,
    edited_at: Option<DateTime<Utc>>,
    reason: Option<FlagReason>,
}

impl CommentState {
    fn of(comment: &Comment, reason: Option<FlagReason>) -> Self {
        let Comment { product_id, parent_id, organisation_id, author_kind, status, edited_at, .. } = *comment;
        Self { product_id, parent_id, organisation_id, author_kind, status, edited_at, reason }
    }
}

/// One comment.
pub fn find(conn: &mut Conn<'_>, id: Uuid) -> Result<Comment> {
    Ok(comments::table.find(id).select(columns()).first(conn.pg)?)
}

/// One comment, locked for the rest of the transaction: flags and decisions wait for each other.
pub fn lock(tx: &mut Tx<'_>, id: Uuid) -> Result<Comment> {
    comments::table.find(id).select(comments::id).for_no_key_update().first::<Uuid>(tx.pg)?;
    find(&mut tx.conn(), id)
}

/// Whether somebody belongs to a supplier, whichever it is, or to the one of a product.
///
/// By all that they belong to, also what the token does not speak for: a label is not put off with a narrower token.
pub fn supplies(tx: &mut Tx<'_>, user_id: Uuid, product_id: Uuid) -> Result<bool> {
    let supplier = products::table.find(product_id).select(products::supplier_id).first::<Option<Uuid>>(tx.pg)?;
    let held = memberships::table.inner_join(organisations::table).filter(memberships::user_id.eq(user_id)).filter(
        organisations::kind
            .eq(OrganisationKind::Supplier)
            .or(organisations::id.nullable().eq(supplier).assume_not_null()),
    );
    Ok(diesel::select(exists(held)).get_result(tx.pg)?)
}

/// Makes a comment.
pub fn create(tx: &mut Tx<'_>, id: Uuid, new: &NewComment) -> Result<Comment> {
    diesel::insert_into(comments::table)
        .values((
            comments::id.eq(id),
            comments::product_id.eq(new.product_id),
            comments::status.eq(CommentStatus::Visible),
            comments::parent_id.eq(new.parent_id),
            comments::author_id.eq(new.author_id),
            comments::organisation_id.eq(new.organisation_id),
            comments::author_kind.eq(new.author_kind),
            comments::body_markdown.eq(&new.body.markdown),
            comments::body_html.eq(&new.body.html),
            comments::renderer.eq(new.body.renderer),
        ))
        .execute(tx.pg)?;
    let created = find(&mut tx.conn(), id)?;
    tx.audit_for(created.organisation_id, "comments", id, None, Some(&CommentState::of(&created, None)))?;
    Ok(created)
}

/// Puts a locked comment in other words; the same words change nothing.
pub fn rewrite(tx: &mut Tx<'_>, current: &Comment, body: &Body) -> Result<Comment> {
    if current.body_markdown == body.markdown {
        return Ok(current.clone());
    }
    refuse_removed(current)?;
    diesel::update(comments::table.find(current.id))
        .set((
            comments::body_markdown.eq(&body.markdown),
            comments::body_html.eq(&body.html),
            comments::renderer.eq(body.renderer),
            comments::edited_at.eq(seconds_ago(0).nullable()),
        ))
        .execute(tx.pg)?;
    audited(tx, current, None)
}

/// The wordings that a comment had, the latest first; a page ends at a number.
pub fn versions(
    conn: &mut Conn<'_>,
    comment_id: Uuid,
    after: Option<i32>,
    limit: usize,
) -> Result<Page<CommentVersion, i32>> {
    let found: Vec<CommentVersion> = comment_versions::table
        .filter(comment_versions::comment_id.eq(comment_id))
        .filter(comment_versions::number.lt(after.unwrap_or(i32::MAX)))
        .order(comment_versions::number.desc())
        .limit(to_limit(limit))
        .select(CommentVersion::as_select())
        .load(conn.pg)?;
    Ok(Page::cut(found, limit, |last| last.number))
}

fn audited(tx: &mut Tx<'_>, before: &Comment, reason: Option<FlagReason>) -> Result<Comment> {
    let after = find(&mut tx.conn(), before.id)?;
    let (old, new) = (CommentState::of(before, None), CommentState::of(&after, reason));
    tx.audit_for(after.organisation_id, "comments", after.id, Some(&old), Some(&new))?;
    Ok(after)
}

fn refuse_removed(current: &Comment) -> Result<()> {
    match current.status {
        CommentStatus::Visible | CommentStatus::Hidden => Ok(()),
        CommentStatus::Removed => Err(out_of_turn("It was removed, and does not change any more.")),
    }
}

fn out_of_turn(detail: &'static str) -> Error {
    Error::Conflict(vec![Fault::new("", "out_of_turn", detail)])
}

type Columns = (
    comments::id,
    comments::version,
    comments::created_at,
    comments::updated_at,
    comments::product_id,
    comments::parent_id,
    comments::path,
    comments::author_id,
    SqlLiteral<Nullable<Text>>,
    comments::organisation_id,
    organisation_ref<comments::organisation_id>,
    comments::author_kind,
    comments::status,
    comments::body_markdown,
    comments::body_html,
    comments::renderer,
    comments::edited_at,
    comments::queued_at,
    comment_decision<comments::id>,
);

fn columns() -> Columns {
    (
        comments::id,
        comments::version,
        comments::created_at,
        comments::updated_at,
        comments::product_id,
        comments::parent_id,
        comments::path,
        comments::author_id,
        sql("(select display_name from users where users.id = comments.author_id and erased_at is null)"),
        comments::organisation_id,
        organisation_ref(comments::organisation_id),
        comments::author_kind,
        comments::status,
        comments::body_markdown,
        comments::body_html,
        comments::renderer,
        comments::edited_at,
        comments::queued_at,
        comment_decision(comments::id),
    )
}
