//! Contracts across citations: what ends when, and who else has one, so that bodies with the same renewal find each
//! other.

use std::cmp::Reverse;
use std::collections::HashMap;

use chrono::NaiveDate;
use diesel::dsl::{count_star, sql};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Date, Nullable, Uuid as SqlUuid};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::list::{Filter, matching};
use super::{Citation, Sight, columns};
use crate::functions::contract_end_order;
use crate::organisations::{Reference, to_limit};
use crate::schema::{citations, organisations as bodies, products as cited};
use crate::tx::Conn;
use crate::{Page, Result};

/// Fewer organisations than this are not added up: what one of them pays could be told from the sum.
pub const LEAST_ORGANISATIONS: i64 = 3;

/// Where a page ended: the end of the last contract, or the last day there is, and the id of its citation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// In the order of ends.
    pub ends: NaiveDate,
    /// Of the citation.
    pub id: Uuid,
}

/// A citation with a contract, and who supplies what is cited.
#[derive(Debug, Clone)]
pub struct Contract {
    /// The citation.
    pub citation: Citation,
    /// Who supplies it.
    pub supplier: Option<Reference>,
}

/// One page of the contracts that are seen and match, in the order in which they end.
pub fn list(
    conn: &mut Conn<'_>,
    sight: &Sight,
    filter: &Filter,
    after: Option<Position>,
    limit: usize,
) -> Result<Page<Contract, Position>> {
    let end = contract_end_order(citations::contract_ends_on);
    let mut query = citations::table
        .inner_join(bodies::table)
        .filter(citations::has_contract)
        .filter(sight.joined())
        .filter(matching(conn, filter)?)
        .select(columns())
        .into_boxed();
    if let Some(Position { ends, id }) = after {
        query = query.filter(end.ge(ends)).filter(end.gt(ends).or(citations::id.gt(id)));
    }
    query = if names_whose(filter) {
        query.order((sql::<Date>("contract_end_order(contract_ends_on) + 0"), citations::id))
    } else {
        query.order((end, citations::id))
    };
    let found: Vec<Citation> = query.limit(to_limit(limit)).load(conn.pg)?;
    let page = Page::cut(found, limit, |last| Position { ends: place_of(last), id: last.row.id });
    let products: Vec<Uuid> = page.items.iter().map(|citation| citation.row.product_id).collect();
    let suppliers = suppliers(conn, &products)?;
    let supplier =
        |product: Uuid| suppliers.iter().find(|(id, _)| *id == product).map(|(_, supplier)| supplier.clone());
    Ok(page.map(|citation| Contract { supplier: supplier(citation.row.product_id), citation }))
}

/// Whether a filter names organisations, suppliers or products, and so leaves few contracts, which are sorted. In an
/// order that no index has: else all contracts are gone through in that of their ends until a page of them is found.
fn names_whose(filter: &Filter) -> bool {
    !(filter.organisations.is_empty() && filter.suppliers.is_empty() && filter.products.is_empty())
}

/// As `contract_end_order` says it.
fn place_of(citation: &Citation) -> NaiveDate {
    let last_day = NaiveDate::from_ymd_opt(9999, 12, 31).unwrap_or(NaiveDate::MAX);
    citation.row.state.contract_ends_on.unwrap_or(last_day)
}

fn suppliers(conn: &mut Conn<'_>, products: &[Uuid]) -> Result<Vec<(Uuid, Reference)>> {
    let found: Vec<(Uuid, Uuid, String, String)> = cited::table
        .inner_join(bodies::table.on(bodies::id.nullable().eq(cited::supplier_id)))
        .filter(cited::id.eq_any(products))
        .select((cited::id, bodies::id, bodies::slug, bodies::name))
        .load(conn.pg)?;
    Ok(found.into_iter().map(|(product, id, slug, name)| (product, Reference { id, slug, name })).collect())
}

/// By what contracts are grouped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupBy {
    /// Who supplies.
    Supplier,
    /// What is supplied.
    Product,
}

/// Contracts of one supplier, or for one product.
#[derive(Debug, Clone)]
pub struct Group {
    /// The supplier or the product.
    pub key: Reference,
    /// How many contracts.
    pub contracts: i64,
    /// Of how many organisations.
    pub organisation_count: i64,
    /// Those organisations, the first fifty by id.
    pub organisations: Vec<Reference>,
    /// The first end there is.
    pub first_ends_on: Option<NaiveDate>,
    /// The last end there is.
    pub last_ends_on: Option<NaiveDate>,
    /// What they pay together in pounds sterling, in pence; none below [`LEAST_ORGANISATIONS`] that say what they pay.
    pub amount_pence: Option<i64>,
}

/// Where a page of groups ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupPosition {
    /// Contracts of the last group.
    pub contracts: i64,
    /// Id of its key.
    pub id: Uuid,
}

#[derive(Queryable)]
struct Grouped {
    key: Option<Uuid>,
    contracts: i64,
    organisation_count: i64,
    organisations: Vec<Uuid>,
    first_ends_on: Option<NaiveDate>,
    last_ends_on: Option<NaiveDate>,
    paying: i64,
    amount_pence: Option<i64>,
}

/// One page of the groups of those that are seen and match, the largest first. Products without a supplier are in no
/// group by supplier.
pub fn groups(
    conn: &mut Conn<'_>,
    sight: &Sight,
    filter: &Filter,
    by: GroupBy,
    after: Option<GroupPosition>,
    limit: usize,
) -> Result<Page<Group, GroupPosition>> {
    let largest = sizes(conn, sight, filter, by, after, limit)?;
    let page = Page::cut(largest, limit, |last| GroupPosition { contracts: last.contracts, id: last.key });
    let keys: Vec<Uuid> = page.items.iter().map(|size| size.key).collect();
    let products: Vec<Uuid> = page.items.iter().flat_map(|size| size.products.iter().copied()).collect();
    let mut grouped = details(conn, sight, filter, by, &products)?;
    // Of another moment than the sizes: a contract that came between is not worth a transaction.
    grouped.sort_by_key(|group| keys.iter().position(|key| group.key == Some(*key)));
    named(conn, Page { items: grouped, next: page.next }, by)
}

#[derive(Default)]
struct Size {
    key: Uuid,
    contracts: i64,
    /// For which products.
    products: Vec<Uuid>,
}

fn key_of(by: GroupBy) -> &'static str {
    match by {
        GroupBy::Supplier => "(select supplier_id from products where products.id = citations.product_id)",
        GroupBy::Product => "citations.product_id",
    }
}

/// The largest groups behind a position. Only counted: what else is told of groups costs ten times as much, and is told
/// of a page of them. Counted by product, of which there are fewer than contracts: its supplier is looked up once.
fn sizes(
    conn: &mut Conn<'_>,
    sight: &Sight,
    filter: &Filter,
    by: GroupBy,
    after: Option<GroupPosition>,
    limit: usize,
) -> Result<Vec<Size>> {
    let counts = citations::table
        .inner_join(bodies::table)
        .filter(citations::has_contract)
        .filter(sight.joined())
        .filter(matching(conn, filter)?)
        .group_by(citations::product_id)
        .select((citations::product_id, sql::<Nullable<SqlUuid>>(key_of(by)), count_star()))
        .load::<(Uuid, Option<Uuid>, i64)>(conn.pg)?;
    let mut sizes: HashMap<Uuid, Size> = HashMap::new();
    for (product, key, contracts) in counts {
        let Some(key) = key else { continue };
        let size = sizes.entry(key).or_insert_with(|| Size { key, ..Size::default() });
        size.contracts += contracts;
        size.products.push(product);
    }
    let mut sizes: Vec<Size> = sizes.into_values().filter(|size| behind(size, after)).collect();
    sizes.sort_by_key(|size| (Reverse(size.contracts), size.key));
    sizes.truncate(limit.saturating_add(1));
    Ok(sizes)
}

/// What is told of the groups of some products.
fn details(
    conn: &mut Conn<'_>,
    sight: &Sight,
    filter: &Filter,
    by: GroupBy,
    products: &[Uuid],
) -> Result<Vec<Grouped>> {
    Ok(citations::table
        .inner_join(bodies::table)
        .filter(citations::has_contract)
        .filter(citations::product_id.eq_any(products))
        .filter(sight.joined())
        .filter(matching(conn, filter)?)
        .group_by(sql::<Nullable<SqlUuid>>("1"))
        .select((
            sql::<Nullable<SqlUuid>>(key_of(by)),
            count_star(),
            sql::<BigInt>("count(distinct citations.organisation_id)"),
            sql::<Array<SqlUuid>>("(array_agg(distinct citations.organisation_id))[1:50]"),
            sql::<Nullable<Date>>("min(contract_ends_on)"),
            sql::<Nullable<Date>>("max(contract_ends_on)"),
            sql::<BigInt>("count(distinct citations.organisation_id) filter (where contract_currency = 'GBP')"),
            sql::<Nullable<BigInt>>(
                "least(sum(contract_amount_pence) filter (where contract_currency = 'GBP'), 9007199254740991)::bigint",
            ),
        ))
        .load(conn.pg)?)
}

fn behind(size: &Size, after: Option<GroupPosition>) -> bool {
    after.is_none_or(|GroupPosition { contracts, id }| {
        size.contracts < contracts || (size.contracts == contracts && size.key > id)
    })
}

fn named(conn: &mut Conn<'_>, page: Page<Grouped, GroupPosition>, by: GroupBy) -> Result<Page<Group, GroupPosition>> {
    let keys: Vec<Uuid> = page.items.iter().filter_map(|group| group.key).collect();
    let mut ids: Vec<Uuid> = page.items.iter().flat_map(|group| group.organisations.iter().copied()).collect();
    let products = match by {
        GroupBy::Supplier => {
            ids.extend(&keys);
            Vec::new()
        }
        GroupBy::Product => {
            let named = cited::table.filter(cited::id.eq_any(&keys)).select((cited::id, cited::slug, cited::name));
            named.load::<(Uuid, String, String)>(conn.pg)?
        }
    };
    let bodies = bodies::table.filter(bodies::id.eq_any(&ids)).select((bodies::id, bodies::slug, bodies::name));
    let names: Vec<(Uuid, String, String)> =
        bodies.load::<(Uuid, String, String)>(conn.pg)?.into_iter().chain(products).collect();
    let reference = |id: Uuid| {
        let found = names.iter().find(|(known, ..)| *known == id);
        found.map(|(id, slug, name)| Reference { id: *id, slug: slug.clone(), name: name.clone() })
    };
    let items = page.items.into_iter().filter_map(|group| {
        Some(Group {
            key: reference(group.key?)?,
            contracts: group.contracts,
            organisation_count: group.organisation_count,
            organisations: group.organisations.iter().filter_map(|id| reference(*id)).collect(),
            first_ends_on: group.first_ends_on,
            last_ends_on: group.last_ends_on,
            amount_pence: group.amount_pence.filter(|_| group.paying >= LEAST_ORGANISATIONS),
        })
    });
    Ok(Page { items: items.collect(), next: page.next })
}
