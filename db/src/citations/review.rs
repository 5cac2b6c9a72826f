//! What a steward has to look at: citations that are stale, contracts that end soon, products that went on since.

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Integer};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Citation, JoinedCondition as Condition, columns};
use crate::functions::is_stale;
use crate::organisations::to_limit;
use crate::schema::{citations, organisations as bodies, products as cited};
use crate::tx::Conn;
use crate::vocabulary::vocabulary;
use crate::{Page, Result};

vocabulary! {
    /// Why a citation should be looked at. `stale`: nobody confirmed it for longer than `staleAfterDays`. `ends_soon`:
    /// its contract ends within the days asked for, or has ended. `phase_changed`: the product is in another phase than
    /// when it was last confirmed.
    ReviewReason, "stale" {
        /// Not confirmed for long.
        Stale = "stale",
        /// The contract ends.
        EndsSoon = "ends_soon",
        /// The product went on.
        PhaseChanged = "phase_changed",
    }
}

/// Which part of the queue.
#[derive(Debug, Clone)]
pub struct Filter {
    /// For any of these reasons; for any at all when empty.
    pub reasons: Vec<ReviewReason>,
    /// Days from today within which a contract that ends, ends soon.
    pub within_days: i32,
}

/// Where a page ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// When the last one was confirmed.
    pub confirmed_at: chrono::DateTime<chrono::Utc>,
    /// Its id.
    pub id: Uuid,
}

/// A citation to look at, and why.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The citation.
    pub citation: Citation,
    /// Every reason there is.
    pub reasons: Vec<ReviewReason>,
}

/// One page of an organisation's own citations to look at, those longest without confirmation first.
pub fn queue(
    conn: &mut Conn<'_>,
    organisation_id: Uuid,
    filter: &Filter,
    after: Option<Position>,
    limit: usize,
) -> Result<Page<Entry, Position>> {
    let mut query = citations::table
        .inner_join(bodies::table)
        .filter(citations::organisation_id.eq(organisation_id))
        // As it stands in the partial index, which a parameter would rule out.
        .filter(sql::<Bool>("citations.status = 'active'"))
        .filter(for_any(filter))
        .select(columns())
        .into_boxed();
    if let Some(Position { confirmed_at, id }) = after {
        query = query
            .filter(citations::confirmed_at.ge(confirmed_at))
            .filter(citations::confirmed_at.gt(confirmed_at).or(citations::id.gt(id)));
    }
    let found: Vec<Citation> =
        query.order((citations::confirmed_at, citations::id)).limit(to_limit(limit)).load(conn.pg)?;
    let page = Page::cut(found, limit, |last| Position { confirmed_at: last.row.confirmed_at, id: last.row.id });
    with_reasons(conn, page, filter.within_days)
}

fn for_any(filter: &Filter) -> Condition {
    let reasons: &[ReviewReason] = if filter.reasons.is_empty() { ReviewReason::ALL } else { &filter.reasons };
    let mut any: Condition = Box::new(diesel::dsl::not(citations::id.is_not_null()));
    for reason in reasons {
        any = match reason {
            ReviewReason::Stale => Box::new(any.or(is_stale(citations::confirmed_at, bodies::stale_after_days))),
            ReviewReason::EndsSoon => Box::new(any.or(ends_within(filter.within_days))),
            ReviewReason::PhaseChanged => Box::new(any.or(phase_changed())),
        };
    }
    any
}

fn ends_within(days: i32) -> Condition {
    let ends = sql::<Bool>("coalesce(has_contract and contract_ends_on <= current_date + ");
    Box::new(ends.bind::<Integer, _>(days).sql(", false)"))
}

fn phase_changed() -> Condition {
    let product = "select from products where products.id = citations.product_id and products.phase <> cited_phase";
    Box::new(sql::<Bool>(&format!("exists ({product})")))
}

fn with_reasons(
    conn: &mut Conn<'_>,
    page: Page<Citation, Position>,
    within_days: i32,
) -> Result<Page<Entry, Position>> {
    let products: Vec<Uuid> = page.items.iter().map(|citation| citation.row.product_id).collect();
    let phases: Vec<(Uuid, crate::products::Phase)> =
        cited::table.filter(cited::id.eq_any(products)).select((cited::id, cited::phase)).load(conn.pg)?;
    let today: chrono::NaiveDate = diesel::select(crate::organisations::today()).get_result(conn.pg)?;
    let last_day = today + chrono::Days::new(u64::try_from(within_days).unwrap_or_default());
    Ok(page.map(|citation| {
        let now = phases.iter().find(|(id, _)| *id == citation.row.product_id).map(|(_, phase)| *phase);
        let holds = |reason: &ReviewReason| match reason {
            ReviewReason::Stale => citation.overdue,
            ReviewReason::EndsSoon => citation.row.state.contract_ends_on.is_some_and(|ends| ends <= last_day),
            ReviewReason::PhaseChanged => {
                citation.row.cited_phase.is_some_and(|then| now.is_some_and(|now| now != then))
            }
        };
        let reasons = ReviewReason::ALL.iter().copied().filter(|reason| holds(reason)).collect();
        Entry { citation, reasons }
    }))
}
