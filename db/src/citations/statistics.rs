//! Figures across citations: of a product, who uses it; of an organisation, what it uses.
//!
//! Over what is seen, like every list. What could tell of one organisation alone is told from five up.

use diesel::dsl::{count_star, sql};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, SmallInt, Text};
use uuid::Uuid;

use super::{JoinedCondition as Condition, Sight, Standing};
use crate::Result;
use crate::organisations::Reference;
use crate::schema::{citations, organisations as bodies, products as cited};
use crate::tx::Conn;

/// Fewer ratings than this are not told: who gave one could be.
pub const LEAST_RATINGS: i64 = 5;
/// How many co-used products and regions are told at most.
const MOST: i64 = 50;

/// [`CitationStatus`](super::CitationStatus) in SQL.
const STATUS: &str =
    "case when status = 'active' and is_stale(confirmed_at, stale_after_days) then 'stale' else status end";

/// Citations of what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// A product.
    Product(Uuid),
    /// An organisation.
    Organisation(Uuid),
}

/// How many have a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    /// The value.
    pub value: String,
    /// How many.
    pub count: i64,
}

/// The figures.
#[derive(Debug, Clone)]
pub struct Statistics {
    /// By where they stand.
    pub by_status: Vec<Tally>,
    /// By region of the organisation, of those that are active or stale.
    pub by_region: Vec<Tally>,
    /// By sort of organisation, of those that are active or stale.
    pub by_kind: Vec<Tally>,
    /// By the year since when, of those that say so.
    pub by_year: Vec<Tally>,
    /// By satisfaction; none below [`LEAST_RATINGS`].
    pub by_satisfaction: Option<Vec<Tally>>,
    /// Of a product: those that organisations that use it use as well.
    pub together: Vec<(Reference, i64)>,
}

fn about(of: Of) -> Condition {
    match of {
        Of::Product(id) => Box::new(citations::product_id.eq(id)),
        Of::Organisation(id) => Box::new(citations::organisation_id.eq(id)),
    }
}

fn anything() -> Condition {
    Box::new(citations::id.is_not_null())
}

/// The figures over what is seen.
pub fn of(conn: &mut Conn<'_>, sight: &Sight, of: Of) -> Result<Statistics> {
    let in_use = || citations::status.eq(Standing::Active);
    let said = || citations::status.eq_any([Standing::Active, Standing::Ended]);
    let mut rated: Vec<(Option<i16>, i64)> = citations::table
        .inner_join(bodies::table)
        .filter(sight.joined())
        .filter(about(of))
        .filter(said().and(citations::satisfaction.is_not_null()))
        .group_by(sql::<Nullable<SmallInt>>("1"))
        .select((sql::<Nullable<SmallInt>>("satisfaction"), count_star()))
        .load(conn.pg)?;
    rated.sort_unstable();
    let ratings: i64 = rated.iter().map(|(_, count)| count).sum();
    let by_satisfaction =
        rated.into_iter().filter_map(|(value, count)| Some(Tally { value: value?.to_string(), count }));
    Ok(Statistics {
        by_status: tally(conn, sight, about(of), anything(), STATUS)?,
        by_region: tally(conn, sight, about(of), Box::new(in_use()), "coalesce(organisations.region, 'unknown')")?,
        by_kind: tally(conn, sight, about(of), Box::new(in_use()), "organisations.kind")?,
        by_year: tally(conn, sight, about(of), Box::new(said()), "extract(year from since)::int::text")?,
        by_satisfaction: (ratings >= LEAST_RATINGS).then(|| by_satisfaction.collect()),
        together: match of {
            Of::Product(id) => used_together(conn, sight, id)?,
            Of::Organisation(_) => Vec::new(),
        },
    })
}

fn tally(conn: &mut Conn<'_>, sight: &Sight, about: Condition, which: Condition, value: &str) -> Result<Vec<Tally>> {
    let counted: Vec<(Option<String>, i64)> = citations::table
        .inner_join(bodies::table)
        .filter(sight.joined())
        .filter(about)
        .filter(which)
        .group_by(sql::<Nullable<Text>>("1"))
        .select((sql::<Nullable<Text>>(value), count_star()))
        .order((sql::<BigInt>("2 desc"), sql::<Text>("1")))
        .limit(MOST)
        .load(conn.pg)?;
    Ok(counted.into_iter().filter_map(|(value, count)| Some(Tally { value: value?, count })).collect())
}

/// What is in use today where a product is.
fn used_together(conn: &mut Conn<'_>, sight: &Sight, product_id: Uuid) -> Result<Vec<(Reference, i64)>> {
    let users = citations::table
        .into_boxed()
        .filter(sight.condition())
        .filter(citations::product_id.eq(product_id).and(citations::status.eq(Standing::Active)))
        .select(citations::organisation_id);
    let counted: Vec<(Uuid, i64)> = citations::table
        .filter(sight.condition())
        .filter(citations::organisation_id.eq_any(users))
        .filter(citations::status.eq(Standing::Active).and(citations::product_id.ne(product_id)))
        .group_by(citations::product_id)
        .select((citations::product_id, count_star()))
        .order((count_star().desc(), citations::product_id))
        .limit(MOST)
        .load(conn.pg)?;
    let ids: Vec<Uuid> = counted.iter().map(|(id, _)| *id).collect();
    let named: Vec<(Uuid, String, String)> =
        cited::table.filter(cited::id.eq_any(ids)).select((cited::id, cited::slug, cited::name)).load(conn.pg)?;
    let reference = |id: Uuid| {
        let found = named.iter().find(|(known, ..)| *known == id);
        found.map(|(id, slug, name)| Reference { id: *id, slug: slug.clone(), name: name.clone() })
    };
    Ok(counted.into_iter().filter_map(|(id, count)| Some((reference(id)?, count))).collect())
}
