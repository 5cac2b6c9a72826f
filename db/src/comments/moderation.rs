//! What waits for moderators, what they decide, and how many of each there were.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use diesel::dsl::count_star;
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Comment, CommentStatus, DecisionAction, FlagReason, audited, columns, out_of_turn};
use crate::functions::{leading_flag_reason, seconds_ago};
use crate::organisations::to_limit;
use crate::schema::{comment_decisions, comment_flags, comments};
use crate::tx::{Conn, Principal, Tx};
use crate::{Page, Result};

/// What is decided.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// What becomes of the comment.
    pub action: DecisionAction,
    /// Why; of what is restored or withdrawn, none is given.
    pub reason: Option<FlagReason>,
    /// Whether flags decide.
    pub by_flags: bool,
    /// What the author is told.
    pub note: Option<String>,
}

/// Decides about a locked comment. [`crate::Error::Conflict`] when it is in no state to be decided so.
pub fn decide(tx: &mut Tx<'_>, current: &Comment, verdict: &Verdict) -> Result<Comment> {
    let status = becomes(current, verdict.action)?;
    let reason = match verdict.action {
        DecisionAction::Restored => reason_of_wait(tx, current)?,
        DecisionAction::Withdrawn => None,
        DecisionAction::Hidden | DecisionAction::Removed => verdict.reason,
    };
    diesel::insert_into(comment_decisions::table)
        .values((
            comment_decisions::id.eq(Uuid::now_v7()),
            comment_decisions::comment_id.eq(current.id),
            comment_decisions::action.eq(verdict.action),
            comment_decisions::reason.eq(reason),
            comment_decisions::by_flags.eq(verdict.by_flags),
            comment_decisions::decided_by.eq(decider(tx, verdict)),
            comment_decisions::note.eq(&verdict.note),
        ))
        .execute(tx.pg)?;
    let waits = status == CommentStatus::Hidden;
    let now: DateTime<Utc> = diesel::select(seconds_ago(0)).get_result(tx.pg)?;
    let queued_at = waits.then(|| current.queued_at.unwrap_or(now));
    let target = comments::table.find(current.id);
    // What is restored without having been hidden stays in its version.
    if status == current.status {
        diesel::update(target).set(comments::queued_at.eq(queued_at)).execute(tx.pg)?;
    } else {
        diesel::update(target).set((comments::status.eq(status), comments::queued_at.eq(queued_at))).execute(tx.pg)?;
    }
    audited(tx, current, reason)
}

fn decider(tx: &Tx<'_>, verdict: &Verdict) -> Option<Uuid> {
    match (verdict.by_flags, tx.actor().principal) {
        (false, Principal::Person(id)) => Some(id),
        _ => None,
    }
}

/// The state in which a decision leaves a comment.
fn becomes(current: &Comment, action: DecisionAction) -> Result<CommentStatus> {
    match (action, current.status) {
        (DecisionAction::Hidden, CommentStatus::Visible) => Ok(CommentStatus::Hidden),
        (DecisionAction::Hidden, _) => Err(out_of_turn("Only a comment that is visible is hidden.")),
        (DecisionAction::Restored, CommentStatus::Hidden) => Ok(CommentStatus::Visible),
        (DecisionAction::Restored, CommentStatus::Visible) if current.queued_at.is_some() => Ok(CommentStatus::Visible),
        (DecisionAction::Restored, _) => Err(out_of_turn("Only a comment that is hidden or flagged is restored.")),
        (DecisionAction::Removed | DecisionAction::Withdrawn, CommentStatus::Visible | CommentStatus::Hidden) => {
            Ok(CommentStatus::Removed)
        }
        (DecisionAction::Removed | DecisionAction::Withdrawn, CommentStatus::Removed) => {
            Err(out_of_turn("It was removed already."))
        }
    }
}

/// Why a comment waits: what it was hidden for, or what most of its flags say.
fn reason_of_wait(tx: &mut Tx<'_>, current: &Comment) -> Result<Option<FlagReason>> {
    let hidden_for = match (current.status, &current.decision) {
        (CommentStatus::Hidden, Some(decision)) => decision.0.reason,
        _ => None,
    };
    if hidden_for.is_some() {
        return Ok(hidden_for);
    }
    let word: Option<String> = diesel::select(leading_flag_reason(current.id)).get_result(tx.pg)?;
    Ok(word.and_then(|word| word.parse().ok()).or(Some(FlagReason::Other)))
}

/// A comment that waits, with how many flags that count give each reason.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// The comment.
    pub comment: Comment,
    /// Reasons, with how many flags give each.
    pub flags: Vec<(FlagReason, i64)>,
}

/// Where a page of the queue ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Since when the last one waits.
    pub queued_at: DateTime<Utc>,
    /// Its id.
    pub id: Uuid,
}

/// One page of what waits, the longest first.
pub fn queue(conn: &mut Conn<'_>, after: Option<Position>, limit: usize) -> Result<Page<Waiting, Position>> {
    let mut query = comments::table
        .into_boxed()
        .filter(comments::queued_at.is_not_null())
        .order((comments::queued_at, comments::id))
        .limit(to_limit(limit));
    if let Some(Position { queued_at, id }) = after {
        query = query
            .filter(comments::queued_at.ge(queued_at))
            .filter(comments::queued_at.gt(queued_at).or(comments::id.gt(id).nullable()));
    }
    let found: Vec<Comment> = query.select(columns()).load(conn.pg)?;
    let page =
        Page::cut(found, limit, |last| Position { queued_at: last.queued_at.unwrap_or(last.created_at), id: last.id });
    let mut flags = live_flags(conn, &page.items)?;
    Ok(page.map(|comment| Waiting { flags: flags.remove(&comment.id).unwrap_or_default(), comment }))
}

fn live_flags(conn: &mut Conn<'_>, waiting: &[Comment]) -> Result<BTreeMap<Uuid, Vec<(FlagReason, i64)>>> {
    let ids: Vec<Uuid> = waiting.iter().map(|comment| comment.id).collect();
    let counted: Vec<(Uuid, FlagReason, i64)> = comment_flags::table
        .filter(comment_flags::comment_id.eq_any(ids))
        .filter(comment_flags::withdrawn_at.is_null())
        .filter(comment_flags::settled_at.is_null())
        .group_by((comment_flags::comment_id, comment_flags::reason))
        .select((comment_flags::comment_id, comment_flags::reason, count_star()))
        .order((comment_flags::comment_id, count_star().desc(), comment_flags::reason))
        .load(conn.pg)?;
    let mut by_comment: BTreeMap<Uuid, Vec<(FlagReason, i64)>> = BTreeMap::new();
    for (id, reason, count) in counted {
        by_comment.entry(id).or_default().push((reason, count));
    }
    Ok(by_comment)
}

/// How many decisions of one sort there were in a month.
#[derive(Debug, Clone, Queryable)]
pub struct Tally {
    /// First day of the month.
    pub month: NaiveDate,
    /// What was decided.
    pub action: DecisionAction,
    /// Why.
    pub reason: Option<FlagReason>,
    /// Whether flags decided.
    pub by_flags: bool,
    /// How often.
    pub count: i64,
}

/// Decisions by month, the latest first, as many months as asked for.
pub fn statement(conn: &mut Conn<'_>, before: Option<NaiveDate>, limit: usize) -> Result<Page<Vec<Tally>, NaiveDate>> {
    let mut months = comment_decisions::table
        .into_boxed()
        .select(comment_decisions::month)
        .distinct()
        .order(comment_decisions::month.desc())
        .limit(to_limit(limit));
    if let Some(before) = before {
        months = months.filter(comment_decisions::month.lt(before));
    }
    let months = Page::cut(months.load::<NaiveDate>(conn.pg)?, limit, |last| *last);
    let tallies: Vec<Tally> = comment_decisions::table
        .filter(comment_decisions::month.eq_any(&months.items))
        .group_by((
            comment_decisions::month,
            comment_decisions::action,
            comment_decisions::reason,
            comment_decisions::by_flags,
        ))
        .select((
            comment_decisions::month,
            comment_decisions::action,
            comment_decisions::reason,
            comment_decisions::by_flags,
            count_star(),
        ))
        .load(conn.pg)?;
    Ok(months.map(|month| tallies.iter().filter(|tally| tally.month == month).cloned().collect()))
}
