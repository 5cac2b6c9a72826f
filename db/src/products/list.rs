//! Lists of products: filters, order, pages, facets.

use chrono::{DateTime, Utc};
use diesel::dsl::{count_star, not, sql};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Nullable, Text};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{BudgetBand, CollaborationLevel, DevelopmentStatus, Phase, Product, ProductKind, columns};
use crate::citations::{Sight, Standing};
use crate::functions::fold;
use crate::organisations::{self, Key, to_limit};
use crate::schema::{citations, products};
use crate::tx::Conn;
use crate::types::Texts;
use crate::{Page, Result};

/// Days after which what is recorded of a product counts as stale.
pub const FRESH_DAYS: i32 = 365;

/// Which products; several values of one field mean any of them, different fields all of them.
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "named after the columns")]
pub struct Filter {
    pub kinds: Vec<ProductKind>,
    pub phases: Vec<Phase>,
    pub categories: Vec<String>,
    pub platforms: Vec<String>,
    pub licences: Vec<String>,
    pub service_codes: Vec<String>,
    pub cpv_codes: Vec<String>,
    pub suppliers: Vec<Key>,
    pub owners: Vec<Key>,
    /// Cited today by any of these, as far as `sight` goes.
    pub organisations: Vec<Key>,
    /// Which citations are seen.
    pub sight: Sight,
    pub development_statuses: Vec<DevelopmentStatus>,
    pub collaboration_levels: Vec<CollaborationLevel>,
    pub budget_bands: Vec<BudgetBand>,
    /// Confirmed within [`FRESH_DAYS`], or longer ago.
    pub fresh: Option<bool>,
    /// Changed at or after this.
    pub updated_since: Option<DateTime<Utc>>,
    /// Only these, such as the candidates of a search.
    pub among: Option<Vec<Uuid>>,
}

/// How a list is ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// By name, as people would look it up.
    Name,
    /// Latest added first.
    Created,
    /// Latest change first.
    Updated,
}

/// Where a page ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Position {
    /// By name: the folded name and the id.
    Name(String, Uuid),
    /// By addition.
    Created(DateTime<Utc>, Uuid),
    /// By change.
    Updated(DateTime<Utc>, Uuid),
}

/// What can be counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "named after the columns")]
pub enum Facet {
    Kind,
    Phase,
    Category,
    Platform,
    Licence,
    ServiceCode,
    Supplier,
    DevelopmentStatus,
}

/// How many products have a value.
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
pub struct FacetCount {
    /// The value; organisations by slug.
    pub value: String,
    /// How many.
    pub count: i64,
}

/// A condition on products.
pub(crate) type Condition = Box<dyn BoxableExpression<products::table, Pg, SqlType = Bool>>;

/// One page of those that match.
pub fn list(
    conn: &mut Conn<'_>,
    filter: &Filter,
    sort: Sort,
    after: Option<&Position>,
    limit: usize,
) -> Result<Page<Product, Position>> {
    let mut query = products::table.filter(matching(conn, filter)?).select(columns()).into_boxed();
    query = match sort {
        Sort::Name => query.order((fold(products::name).asc(), products::id.asc())),
        Sort::Created => query.order((products::created_at.desc(), products::id.desc())),
        Sort::Updated => query.order((products::updated_at.desc(), products::id.desc())),
    };
    query = match after {
        None => query,
        Some(Position::Name(name, id)) => query
            .filter(fold(products::name).ge(name.clone()))
            .filter(fold(products::name).gt(name.clone()).or(products::id.gt(*id))),
        Some(Position::Created(at, id)) => {
            query.filter(products::created_at.le(*at)).filter(products::created_at.lt(*at).or(products::id.lt(*id)))
        }
        Some(Position::Updated(at, id)) => {
            query.filter(products::updated_at.le(*at)).filter(products::updated_at.lt(*at).or(products::id.lt(*id)))
        }
    };
    let rows: Vec<Product> = query.limit(to_limit(limit)).load(conn.pg)?;
    let folded = match (sort, rows.get(limit.saturating_sub(1))) {
        (Sort::Name, Some(last)) => organisations::folded(conn, &last.row.state.name)?,
        _ => String::new(),
    };
    Ok(Page::cut(rows, limit, |last| match sort {
        Sort::Name => Position::Name(folded, last.row.id),
        Sort::Created => Position::Created(last.row.created_at, last.row.id),
        Sort::Updated => Position::Updated(last.row.updated_at, last.row.id),
    }))
}

/// Those with the given ids, in the order of the ids.
pub(crate) fn load(conn: &mut Conn<'_>, ids: &[Uuid]) -> Result<Vec<Product>> {
    let mut found: Vec<Product> = products::table.filter(products::id.eq_any(ids)).select(columns()).load(conn.pg)?;
    found.sort_by_key(|product| ids.iter().position(|id| *id == product.row.id));
    Ok(found)
}

/// How many match.
pub fn count(conn: &mut Conn<'_>, filter: &Filter) -> Result<i64> {
    Ok(products::table.filter(matching(conn, filter)?).count().get_result(conn.pg)?)
}

/// The commonest values of one facet among those that match, at most 50.
pub fn facet(conn: &mut Conn<'_>, filter: &Filter, facet: Facet) -> Result<Vec<FacetCount>> {
    let condition = matching(conn, filter)?;
    tally(conn, condition, facet)
}

pub(crate) fn tally(conn: &mut Conn<'_>, condition: Condition, facet: Facet) -> Result<Vec<FacetCount>> {
    let value = match facet {
        Facet::Kind => "kind",
        Facet::Phase => "phase",
        Facet::Category => "unnest(categories)",
        Facet::Platform => "unnest(platforms)",
        Facet::Licence => "licence",
        Facet::ServiceCode => "unnest(service_codes)",
        Facet::Supplier => "supplier_id::text",
        Facet::DevelopmentStatus => "development_status",
    };
    let counted: Vec<(Option<String>, i64)> = products::table
        .filter(condition)
        .group_by(sql::<Text>("1"))
        .select((sql::<Nullable<Text>>(value), count_star()))
        .order((sql::<diesel::sql_types::BigInt>("2 desc"), sql::<Text>("1")))
        .limit(51)
        .load(conn.pg)?;
    let mut counts: Vec<FacetCount> = counted
        .into_iter()
        .filter_map(|(value, count)| value.map(|value| FacetCount { value, count }))
        .take(50)
        .collect();
    if facet == Facet::Supplier {
        name_organisations(conn, &mut counts)?;
    }
    Ok(counts)
}

fn name_organisations(conn: &mut Conn<'_>, counts: &mut [FacetCount]) -> Result<()> {
    use crate::schema::organisations::dsl;
    let ids: Vec<Uuid> = counts.iter().filter_map(|count| count.value.parse().ok()).collect();
    let slugs: Vec<(Uuid, String)> =
        dsl::organisations.filter(dsl::id.eq_any(&ids)).select((dsl::id, dsl::slug)).load(conn.pg)?;
    for count in counts {
        if let Some((_, slug)) = slugs.iter().find(|(id, _)| id.to_string() == count.value) {
            count.value.clone_from(slug);
        }
    }
    Ok(())
}

/// The filter as one condition.
pub(crate) fn matching(conn: &mut Conn<'_>, filter: &Filter) -> Result<Condition> {
    let mut all: Condition = Box::new(true.into_sql::<Bool>());
    let mut and = |condition: Condition| {
        let so_far: Condition = std::mem::replace(&mut all, Box::new(true.into_sql::<Bool>()));
        all = Box::new(so_far.and(condition));
    };
    if !filter.kinds.is_empty() {
        and(Box::new(products::kind.eq_any(filter.kinds.clone())));
    }
    if !filter.phases.is_empty() {
        and(Box::new(products::phase.eq_any(filter.phases.clone())));
    }
    if !filter.licences.is_empty() {
        and(Box::new(products::licence.assume_not_null().eq_any(filter.licences.clone())));
    }
    if !filter.development_statuses.is_empty() {
        and(Box::new(products::development_status.assume_not_null().eq_any(filter.development_statuses.clone())));
    }
    if !filter.collaboration_levels.is_empty() {
        and(Box::new(products::collaboration_level.assume_not_null().eq_any(filter.collaboration_levels.clone())));
    }
    if !filter.budget_bands.is_empty() {
        and(Box::new(products::budget_band.assume_not_null().eq_any(filter.budget_bands.clone())));
    }
    if !filter.categories.is_empty() {
        and(Box::new(products::categories.overlaps_with(Texts(filter.categories.clone()))));
    }
    if !filter.platforms.is_empty() {
        and(Box::new(products::platforms.overlaps_with(Texts(filter.platforms.clone()))));
    }
    if !filter.service_codes.is_empty() {
        and(Box::new(products::service_codes.overlaps_with(Texts(filter.service_codes.clone()))));
    }
    if !filter.cpv_codes.is_empty() {
        and(Box::new(products::cpv_codes.overlaps_with(Texts(filter.cpv_codes.clone()))));
    }
    if !filter.suppliers.is_empty() {
        let ids = organisations::known(conn, &filter.suppliers)?;
        and(Box::new(products::supplier_id.assume_not_null().eq_any(ids)));
    }
    if !filter.owners.is_empty() {
        let ids = organisations::known(conn, &filter.owners)?;
        and(Box::new(products::owner_id.assume_not_null().eq_any(ids)));
    }
    if !filter.organisations.is_empty() {
        let ids = organisations::known(conn, &filter.organisations)?;
        let cited = citations::table
            .into_boxed()
            .filter(filter.sight.condition())
            .filter(citations::status.eq(Standing::Active))
            .filter(citations::organisation_id.eq_any(ids))
            .select(citations::product_id);
        and(Box::new(products::id.eq_any(cited)));
    }
    if let Some(fresh) = filter.fresh {
        let since = sql::<Bool>("confirmed_at >= now() - make_interval(days => ")
            .bind::<diesel::sql_types::Integer, _>(FRESH_DAYS)
            .sql(")");
        if fresh { and(Box::new(since)) } else { and(Box::new(not(since))) }
    }
    if let Some(since) = filter.updated_since {
        and(Box::new(products::updated_at.ge(since)));
    }
    if let Some(among) = &filter.among {
        and(Box::new(products::id.eq_any(among.clone())));
    }
    Ok(all)
}
