//! Flags: that somebody holds a comment to be against the rules.
//!
//! Every write here needs the comment locked, so that flags that come at once are counted one after the other.

use chrono::{DateTime, Utc};
use diesel::dsl::{exists, sql};
use diesel::expression::SqlLiteral;
use diesel::prelude::*;
use diesel::sql_types::{Nullable, Text};
use serde::Serialize;
use uuid::Uuid;

use super::moderation::{self, Verdict};
use super::{Comment, DecisionAction, FlagReason, out_of_turn, refuse_removed};
use crate::functions::{leading_flag_reason, live_flag_count, seconds_ago};
use crate::organisations::to_limit;
use crate::page::ById;
use crate::schema::{comment_flags, comments};
use crate::tx::{Conn, Tx};
use crate::vocabulary::vocabulary;
use crate::{Error, Fault, Page, Result};

vocabulary! {
    /// Whether a flag counts. `live`: it does. `withdrawn`: it was taken back. `settled`: a moderator judged the comment
    /// since, or its author removed it.
    FlagStatus, "live" {
        /// It does.
        Live = "live",
        /// It was taken back.
        Withdrawn = "withdrawn",
        /// The comment was judged since.
        Settled = "settled",
    }
}

/// A flag.
#[derive(Debug, Clone, Queryable)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct Flag {
    pub id: Uuid,
    pub version: i32,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub comment_id: Uuid,
    pub user_id: Uuid,
    /// Name of who raised it, unless they were erased.
    pub user_name: Option<String>,
    pub reason: FlagReason,
    pub detail: Option<String>,
    pub withdrawn_at: Option<DateTime<Utc>>,
    pub settled_at: Option<DateTime<Utc>>,
}

impl Flag {
    /// Whether it counts.
    #[must_use]
    pub fn status(&self) -> FlagStatus {
        match (self.withdrawn_at, self.settled_at) {
            (None, None) => FlagStatus::Live,
            (Some(_), _) => FlagStatus::Withdrawn,
            (None, Some(_)) => FlagStatus::Settled,
        }
    }
}

/// A flag to raise.
#[derive(Debug, Clone)]
pub struct NewFlag {
    /// By whom.
    pub user_id: Uuid,
    /// Why.
    pub reason: FlagReason,
    /// What they say of it.
    pub detail: Option<String>,
}

/// A flag, for audit: without what was said.
#[derive(Serialize)]
struct FlagState {
    comment_id: Uuid,
    reason: FlagReason,
    status: FlagStatus,
}

impl From<&Flag> for FlagState {
    fn from(flag: &Flag) -> Self {
        Self { comment_id: flag.comment_id, reason: flag.reason, status: flag.status() }
    }
}

/// One page of the flags of a comment that who looks may see, the oldest first.
pub fn list(conn: &mut Conn<'_>, comment_id: Uuid, after: Option<ById>, limit: usize) -> Result<Page<Flag, ById>> {
    let mut query = comment_flags::table.into_boxed().filter(comment_flags::comment_id.eq(comment_id));
    if let Some(ById { id }) = after {
        query = query.filter(comment_flags::id.gt(id));
    }
    let found: Vec<Flag> = query.order(comment_flags::id).limit(to_limit(limit)).select(columns()).load(conn.pg)?;
    Ok(Page::cut(found, limit, |last| ById { id: last.id }))
}

/// One flag of a comment.
pub fn find(conn: &mut Conn<'_>, comment_id: Uuid, id: Uuid) -> Result<Flag> {
    let query = comment_flags::table.find(id).filter(comment_flags::comment_id.eq(comment_id));
    Ok(query.select(columns()).first(conn.pg)?)
}

/// Whether somebody ever flagged a comment.
pub fn flagged_by(conn: &mut Conn<'_>, comment_id: Uuid, user_id: Uuid) -> Result<bool> {
    let own = comment_flags::table
        .filter(comment_flags::comment_id.eq(comment_id))
        .filter(comment_flags::user_id.eq(user_id));
    Ok(diesel::select(exists(own)).get_result(conn.pg)?)
}

/// Flags a locked comment. With as many as `threshold` people behind it, it hides.
pub fn create(tx: &mut Tx<'_>, id: Uuid, comment: &Comment, new: &NewFlag, threshold: i64) -> Result<Flag> {
    refuse_removed(comment)?;
    refuse_judged(tx, comment, new.user_id)?;
    diesel::insert_into(comment_flags::table)
        .values((
            comment_flags::id.eq(id),
            comment_flags::comment_id.eq(comment.id),
            comment_flags::user_id.eq(new.user_id),
            comment_flags::reason.eq(new.reason),
            comment_flags::detail.eq(&new.detail),
        ))
        .execute(tx.pg)?;
    let flag = find(&mut tx.conn(), comment.id, id)?;
    // Of no organisation: who flags whom is for moderators, not for the colleagues of either.
    tx.audit_for(None, "comment_flags", id, None, Some(&FlagState::from(&flag)))?;
    diesel::update(comments::table.find(comment.id).filter(comments::queued_at.is_null()))
        .set(comments::queued_at.eq(seconds_ago(0).nullable()))
        .execute(tx.pg)?;
    let live: i64 = diesel::select(live_flag_count(comment.id)).get_result(tx.pg)?;
    if live >= threshold {
        hide(tx, comment.id)?;
    }
    Ok(flag)
}

/// Hides a locked comment for its flags, unless it is hidden already.
fn hide(tx: &mut Tx<'_>, id: Uuid) -> Result<()> {
    let comment = super::find(&mut tx.conn(), id)?;
    if comment.status != super::CommentStatus::Visible {
        return Ok(());
    }
    let reason: Option<FlagReason> =
        diesel::select(leading_flag_reason(id)).get_result::<Option<String>>(tx.pg)?.and_then(|word| word.parse().ok());
    let verdict = Verdict { action: DecisionAction::Hidden, reason, by_flags: true, note: None };
    moderation::decide(tx, &comment, &verdict)?;
    Ok(())
}

/// Who was told that a comment is within the rules does not flag it again, as long as it says the same.
fn refuse_judged(tx: &mut Tx<'_>, comment: &Comment, user_id: Uuid) -> Result<()> {
    let since = comment.edited_at.unwrap_or(comment.created_at);
    let judged = comment_flags::table
        .filter(comment_flags::comment_id.eq(comment.id))
        .filter(comment_flags::user_id.eq(user_id))
        .filter(comment_flags::settled_at.ge(since));
    if diesel::select(exists(judged)).get_result(tx.pg)? {
        let detail = "A moderator judged the comment since you flagged it, and it has not changed.";
        return Err(Error::Conflict(vec![Fault::new("", "judged_already", detail)]));
    }
    Ok(())
}

/// Takes a flag of a locked comment back. A comment that is shown and has no other does not wait any more; one that is
/// hidden waits on until it is judged: what many saw in it, one cannot undo.
pub fn withdraw(tx: &mut Tx<'_>, comment: &Comment, current: &Flag) -> Result<()> {
    if current.status() != FlagStatus::Live {
        return Err(out_of_turn("The flag was withdrawn or settled already."));
    }
    diesel::update(comment_flags::table.find(current.id))
        .set(comment_flags::withdrawn_at.eq(seconds_ago(0).nullable()))
        .execute(tx.pg)?;
    let after = find(&mut tx.conn(), comment.id, current.id)?;
    let (before, after) = (FlagState::from(current), FlagState::from(&after));
    tx.audit_for(None, "comment_flags", current.id, Some(&before), Some(&after))?;
    let left: i64 = diesel::select(live_flag_count(comment.id)).get_result(tx.pg)?;
    if left == 0 && comment.status == super::CommentStatus::Visible {
        diesel::update(comments::table.find(comment.id))
            .set(comments::queued_at.eq(None::<DateTime<Utc>>))
            .execute(tx.pg)?;
    }
    Ok(())
}

type Columns = (
    comment_flags::id,
    comment_flags::version,
    comment_flags::created_at,
    comment_flags::updated_at,
    comment_flags::comment_id,
    comment_flags::user_id,
    SqlLiteral<Nullable<Text>>,
    comment_flags::reason,
    comment_flags::detail,
    comment_flags::withdrawn_at,
    comment_flags::settled_at,
);

fn columns() -> Columns {
    (
        comment_flags::id,
        comment_flags::version,
        comment_flags::created_at,
        comment_flags::updated_at,
        comment_flags::comment_id,
        comment_flags::user_id,
        sql("(select display_name from users where users.id = comment_flags.user_id and erased_at is null)"),
        comment_flags::reason,
        comment_flags::detail,
        comment_flags::withdrawn_at,
        comment_flags::settled_at,
    )
}
