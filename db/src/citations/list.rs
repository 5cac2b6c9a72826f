//! Lists of citations: filters, order, pages.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::dsl::not;
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Citation, CitationStatus, JoinedCondition as Condition, Sight, Standing, Visibility, columns};
use crate::functions::{contract_end_order, is_stale};
use crate::organisations::{self, Key, OrganisationKind, to_limit};
use crate::products;
use crate::schema::{citations, organisations as bodies, products as cited};
use crate::tx::Conn;
use crate::types::Texts;
use crate::{Page, Result};

/// Which citations; several values of one field mean any of them, different fields all of them.
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "named after the columns")]
pub struct Filter {
    pub organisations: Vec<Key>,
    pub products: Vec<Key>,
    /// Those who supply what is cited.
    pub suppliers: Vec<Key>,
    pub statuses: Vec<CitationStatus>,
    pub visibilities: Vec<Visibility>,
    /// Regions of the organisations.
    pub regions: Vec<String>,
    /// Sorts of organisation.
    pub kinds: Vec<OrganisationKind>,
    /// Service codes of what is cited.
    pub service_codes: Vec<String>,
    /// Codes of the Common Procurement Vocabulary, of the contract or of what is cited.
    pub cpv_codes: Vec<String>,
    /// Changed at or after this.
    pub updated_since: Option<DateTime<Utc>>,
    /// Only statements with a contract, and with one that ends within these days.
    pub contract: Option<Ends>,
}

/// When a contract ends; both days count.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ends {
    /// Not before this day.
    pub after: Option<NaiveDate>,
    /// Not after this day.
    pub before: Option<NaiveDate>,
}

/// How a list is ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// Latest made first.
    Newest,
    /// Latest change first.
    Updated,
}

/// Where a page ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Position {
    /// By the id, which rises with time.
    Newest(Uuid),
    /// By change.
    Updated(DateTime<Utc>, Uuid),
}

/// One page of those that are seen and match.
pub fn list(
    conn: &mut Conn<'_>,
    sight: &Sight,
    filter: &Filter,
    sort: Sort,
    after: Option<Position>,
    limit: usize,
) -> Result<Page<Citation, Position>> {
    let mut query = citations::table
        .inner_join(bodies::table)
        .filter(sight.joined())
        .filter(matching(conn, filter)?)
        .select(columns())
        .into_boxed();
    query = match sort {
        Sort::Newest => query.order(citations::id.desc()),
        Sort::Updated => query.order((citations::updated_at.desc(), citations::id.desc())),
    };
    query = match after {
        None => query,
        Some(Position::Newest(id)) => query.filter(citations::id.lt(id)),
        Some(Position::Updated(at, id)) => {
            query.filter(citations::updated_at.le(at)).filter(citations::updated_at.lt(at).or(citations::id.lt(id)))
        }
    };
    let found: Vec<Citation> = query.limit(to_limit(limit)).load(conn.pg)?;
    Ok(Page::cut(found, limit, |last| match sort {
        Sort::Newest => Position::Newest(last.row.id),
        Sort::Updated => Position::Updated(last.row.updated_at, last.row.id),
    }))
}

/// How many are seen and match.
pub fn count(conn: &mut Conn<'_>, sight: &Sight, filter: &Filter) -> Result<i64> {
    let query = citations::table.inner_join(bodies::table).filter(sight.joined());
    Ok(query.filter(matching(conn, filter)?).count().get_result(conn.pg)?)
}

/// The condition of a filter.
pub(super) fn matching(conn: &mut Conn<'_>, filter: &Filter) -> Result<Condition> {
    let mut all: Condition = Box::new(citations::id.is_not_null());
    macro_rules! and {
        ($condition:expr) => {
            all = Box::new(all.and($condition))
        };
    }
    // Of one alone there is an index in the order of the list, which is not thought of for one of several.
    if !filter.organisations.is_empty() {
        match organisations::known(conn, &filter.organisations)?.as_slice() {
            [only] => and!(citations::organisation_id.eq(*only)),
            ids => and!(citations::organisation_id.eq_any(ids.to_vec())),
        }
    }
    if !filter.products.is_empty() {
        match products::known(conn, &filter.products)?.as_slice() {
            [only] => and!(citations::product_id.eq(*only)),
            ids => and!(citations::product_id.eq_any(ids.to_vec())),
        }
    }
    if !filter.suppliers.is_empty() {
        let ids = organisations::known(conn, &filter.suppliers)?;
        // Read first: as a subquery it is thought to hold much, and then all contracts are gone through in their order.
        let supplied = cited::table.filter(cited::supplier_id.assume_not_null().eq_any(ids)).select(cited::id);
        and!(citations::product_id.eq_any(supplied.load::<Uuid>(conn.pg)?));
    }
    if !filter.service_codes.is_empty() {
        let codes = Texts(filter.service_codes.clone());
        let of_service = cited::table.filter(cited::service_codes.overlaps_with(codes)).select(cited::id);
        and!(citations::product_id.eq_any(of_service));
    }
    if !filter.statuses.is_empty() {
        and!(of_statuses(&filter.statuses));
    }
    if !filter.visibilities.is_empty() {
        and!(citations::visibility.eq_any(filter.visibilities.clone()));
    }
    if !filter.regions.is_empty() {
        and!(bodies::region.assume_not_null().eq_any(filter.regions.clone()));
    }
    if !filter.kinds.is_empty() {
        and!(bodies::kind.eq_any(filter.kinds.clone()));
    }
    if !filter.cpv_codes.is_empty() {
        let codes = Texts(filter.cpv_codes.clone());
        let of_code = cited::table.filter(cited::cpv_codes.overlaps_with(codes.clone())).select(cited::id);
        and!(citations::contract_cpv_codes.overlaps_with(codes).or(citations::product_id.eq_any(of_code)));
    }
    if let Some(since) = filter.updated_since {
        and!(citations::updated_at.ge(since));
    }
    if let Some(Ends { after, before }) = filter.contract {
        and!(citations::has_contract.and(citations::status.eq_any([Standing::Active, Standing::Ended])));
        let end = contract_end_order(citations::contract_ends_on);
        if let Some(after) = after {
            and!(end.ge(after));
        }
        if let Some(before) = before {
            and!(end.le(before));
        }
    }
    Ok(all)
}

/// Active and stale are stored as one, and told apart by the time.
fn of_statuses(statuses: &[CitationStatus]) -> Condition {
    let mut any: Condition = Box::new(not(citations::id.is_not_null()));
    for status in statuses {
        let overdue = is_stale(citations::confirmed_at, bodies::stale_after_days);
        let one: Condition = match status {
            CitationStatus::Draft => Box::new(citations::status.eq(Standing::Draft)),
            CitationStatus::Active => Box::new(citations::status.eq(Standing::Active).and(not(overdue))),
            CitationStatus::Stale => Box::new(citations::status.eq(Standing::Active).and(overdue)),
            CitationStatus::Ended => Box::new(citations::status.eq(Standing::Ended)),
            CitationStatus::Withdrawn => Box::new(citations::status.eq(Standing::Withdrawn)),
        };
        any = Box::new(any.or(one));
    }
    any
}
