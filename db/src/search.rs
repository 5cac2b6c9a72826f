//! Ranked search over products.
//!
//! Ranking every product that holds a common word would take time in proportion to the catalogue. So a bounded set of
//! candidates is ranked: the [`CANDIDATES`] most recently confirmed products that match, and besides them up to
//! [`NAMED`] that match by name, which a bound on freshness must not lose. Page, total and facets all speak of that
//! set. When nothing matches, names that look like what was typed are the candidates instead.
//!
//! Where one page ended is a score and an id, with the moment of the first page: products added since are left out
//! and freshness is measured from then, so that the order stands still while pages are read.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Text, Timestamptz, Uuid as SqlUuid};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::products::Product;
use crate::products::list::{self, Condition, Facet, FacetCount, Filter};
use crate::schema::products;
use crate::tx::Conn;
use crate::{Page, Result};

/// How many of the most recently confirmed matches are ranked.
pub const CANDIDATES: i64 = 1000;
/// How many matches by name are ranked besides them.
pub const NAMED: i64 = 300;
/// How many names that merely look alike are offered when nothing matches.
const ALIKE: i64 = 100;

/// Where a page ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Score of the last product.
    pub score: i64,
    /// Its id.
    pub id: Uuid,
    /// When the first page was read.
    pub as_of: DateTime<Utc>,
}

/// What a search found.
#[derive(Debug, Clone)]
pub struct Found {
    /// One page, best first.
    pub page: Page<Product, Position>,
    /// How many candidates there are.
    pub total: i64,
    /// Whether every match is a candidate; otherwise there are more matches than were ranked.
    pub complete: bool,
    /// The facets asked for, counted over the candidates.
    pub facets: Vec<(Facet, Vec<FacetCount>)>,
}

/// One page of the products that match what was typed and the filter.
pub fn search(
    conn: &mut Conn<'_>,
    q: &str,
    filter: &Filter,
    after: Option<Position>,
    limit: usize,
    facets: &[Facet],
) -> Result<Found> {
    planned_for_words(conn, |conn| ranked(conn, q, filter, after, limit, facets))
}

/// The candidates as a filter, for a list of them in another order, and whether those are all that match.
pub fn candidates_of(conn: &mut Conn<'_>, q: &str, filter: &Filter) -> Result<(Filter, bool)> {
    let candidates = planned_for_words(conn, |conn| {
        let as_of = now(conn)?;
        candidates(conn, q, filter, as_of)
    })?;
    Ok((Filter { among: Some(candidates.ids), ..Filter::default() }, candidates.complete))
}

/// The words decide the plan: a rare one wants the inverted index, a common one the index on freshness.
fn planned_for_words<T>(conn: &mut Conn<'_>, work: impl FnOnce(&mut Conn<'_>) -> Result<T>) -> Result<T> {
    conn.batch("set plan_cache_mode = force_custom_plan")?;
    let outcome = work(conn);
    conn.batch("set plan_cache_mode = force_generic_plan")?;
    outcome
}

fn now(conn: &mut Conn<'_>) -> Result<DateTime<Utc>> {
    Ok(diesel::select(diesel::dsl::now.into_sql::<Timestamptz>()).get_result(conn.pg)?)
}

fn ranked(
    conn: &mut Conn<'_>,
    q: &str,
    filter: &Filter,
    after: Option<Position>,
    limit: usize,
    facets: &[Facet],
) -> Result<Found> {
    let as_of = match after {
        Some(position) => position.as_of,
        None => now(conn)?,
    };
    let candidates = candidates(conn, q, filter, as_of)?;
    let mut scored = scores(conn, q, &candidates, as_of)?;
    scored.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    if let Some(Position { score, id, .. }) = after {
        scored.retain(|(other, points)| (*points, id) < (score, *other));
    }
    scored.truncate(limit.saturating_add(1));
    let page = Page::cut(scored, limit, |(id, score)| Position { score: *score, id: *id, as_of });
    let ids: Vec<Uuid> = page.items.iter().map(|(id, _)| *id).collect();
    let facets = facets
        .iter()
        .map(|facet| {
            let among: Condition = Box::new(products::id.eq_any(candidates.ids.clone()));
            Ok((*facet, list::tally(conn, among, *facet)?))
        })
        .collect::<Result<_>>()?;
    Ok(Found {
        page: Page { items: list::load(conn, &ids)?, next: page.next },
        total: i64::try_from(candidates.ids.len()).unwrap_or(i64::MAX),
        complete: candidates.complete,
        facets,
    })
}

struct Candidates {
    ids: Vec<Uuid>,
    complete: bool,
    by_words: bool,
}

fn candidates(conn: &mut Conn<'_>, q: &str, filter: &Filter, as_of: DateTime<Utc>) -> Result<Candidates> {
    let mut ids = by_words(conn, q, filter, as_of)?;
    let complete = ids.len() < usize::try_from(CANDIDATES).unwrap_or(usize::MAX);
    if !complete {
        let mut seen: HashSet<Uuid> = ids.iter().copied().collect();
        ids.extend(by_name(conn, q, filter, as_of)?.into_iter().filter(|id| seen.insert(*id)));
    }
    // What somebody excluded must not come back for looking alike.
    let excludes = q.split_whitespace().any(|word| word.len() > 1 && word.starts_with('-'));
    if ids.is_empty() && !excludes {
        let ids = by_likeness(conn, q, filter, as_of)?;
        return Ok(Candidates { ids, complete: true, by_words: false });
    }
    Ok(Candidates { ids, complete, by_words: true })
}

fn by_words(conn: &mut Conn<'_>, q: &str, filter: &Filter, as_of: DateTime<Utc>) -> Result<Vec<Uuid>> {
    let holds = sql::<Bool>("search @@ catalogue_query(").bind::<Text, _>(q.to_owned()).sql(")");
    latest(conn, Box::new(holds), filter, as_of, CANDIDATES)
}

fn by_name(conn: &mut Conn<'_>, q: &str, filter: &Filter, as_of: DateTime<Utc>) -> Result<Vec<Uuid>> {
    let named = sql::<Bool>("to_tsvector('catalogue'::regconfig, name) @@ catalogue_query(");
    latest(conn, Box::new(named.bind::<Text, _>(q.to_owned()).sql(")")), filter, as_of, NAMED)
}

/// The most recently confirmed of those that hold what was typed and match the filter.
fn latest(
    conn: &mut Conn<'_>,
    holds: Condition,
    filter: &Filter,
    as_of: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<Uuid>> {
    Ok(products::table
        .filter(list::matching(conn, filter)?)
        .filter(holds)
        .filter(products::created_at.le(as_of))
        .order((products::confirmed_at.desc(), products::id.desc()))
        .limit(limit)
        .select(products::id)
        .load(conn.pg)?)
}

fn by_likeness(conn: &mut Conn<'_>, q: &str, filter: &Filter, as_of: DateTime<Utc>) -> Result<Vec<Uuid>> {
    let alike = sql::<Bool>("fold(name) %> fold(").bind::<Text, _>(q).sql(")");
    Ok(products::table
        .filter(list::matching(conn, filter)?)
        .filter(alike)
        .filter(products::created_at.le(as_of))
        .order((
            sql::<diesel::sql_types::Float>("word_similarity(fold(").bind::<Text, _>(q).sql("), fold(name)) desc"),
            products::id.desc(),
        ))
        .limit(ALIKE)
        .select(products::id)
        .load(conn.pg)?)
}

/// The words weigh most, and in the name more than elsewhere together; freshness can add up to three tenths, citations
/// up to seven, a name that is just what was typed doubles it. In billionths, so that a cursor holds it exactly.
const SCORE: &str = "
select p.id, (1e9
    * (ts_rank('{0.05, 0.1, 0.3, 1.0}', p.search, q)
      + (case when ts_filter(p.search, '{a}') @@ q then 0.5 else 0 end))
    * (case when char_length(p.name) = char_length($1) and fold(p.name) = fold($1) then 2 else 1 end)
    * (1 + 0.3 / (1 + greatest(0, extract(epoch from $3 - p.confirmed_at)::float8) / 31536000)
         + 0.7 * least(1, ln(1 + coalesce(cited.organisations, 0)::float8) / ln(34::float8)))
  )::bigint as score
from catalogue_query($1) q, products p
-- Those that everybody sees: a rank must not tell of the others.
left join (select product_id, sum(organisations) as organisations from (
             select product_id, organisations from product_counters where product_id = any($2)
             union all
             select product_id, organisations from product_counter_deltas where product_id = any($2)) counted
           group by product_id) cited on cited.product_id = p.id
where p.id = any($2)";

const LIKENESS: &str = "
select p.id, (1e9 * word_similarity(fold($1), fold(p.name)))::bigint as score
from products p where p.id = any($2) and $3 is not null";

#[derive(QueryableByName)]
struct Scored {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = BigInt)]
    score: i64,
}

fn scores(conn: &mut Conn<'_>, q: &str, candidates: &Candidates, as_of: DateTime<Utc>) -> Result<Vec<(Uuid, i64)>> {
    let scored: Vec<Scored> = diesel::sql_query(if candidates.by_words { SCORE } else { LIKENESS })
        .bind::<Text, _>(q)
        .bind::<diesel::sql_types::Array<SqlUuid>, _>(&candidates.ids)
        .bind::<Timestamptz, _>(as_of)
        .load(conn.pg)?;
    Ok(scored.into_iter().map(|row| (row.id, row.score)).collect())
}
