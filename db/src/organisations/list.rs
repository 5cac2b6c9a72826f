//! Lists of organisations: filters, order, pages.

use chrono::{DateTime, Utc};
use diesel::dsl::sql;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{Array, Bool, Text, Uuid as SqlUuid};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Boxed, Identifier, Key, Organisation, OrganisationKind, folded, id_of, select, to_limit, today};
use crate::functions::{alias_keys, fold};
use crate::people::Viewer;
use crate::schema::{organisation_identifiers, organisations};
use crate::tx::Conn;
use crate::types::Texts;
use crate::{Error, Page, Result};

/// How a list is ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// By name, as people would look it up.
    Name,
    /// Latest change first.
    Updated,
}

/// Where a page ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Position {
    /// In a list by name: the folded name and the id.
    Name(String, Uuid),
    /// In a list by change.
    Updated(DateTime<Utc>, Uuid),
}

/// Which organisations; several values of one field mean any of them, different fields all of them.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Any of these codes.
    pub identifiers: Vec<Identifier>,
    /// Any of these spellings, of the name or an alias.
    pub aliases: Vec<String>,
    /// Any of these kinds.
    pub kinds: Vec<OrganisationKind>,
    /// Any of these regions.
    pub regions: Vec<String>,
    /// Existing today, or not any more.
    pub active: Option<bool>,
    /// Part of this one: id or slug.
    pub parent: Option<Key>,
    /// Words or the beginning of a word in the name, or something like it.
    pub q: Option<String>,
    /// Instead of one that was replaced, those that stand for it today.
    pub follow_replacements: bool,
}

/// One page of those that match.
pub fn list(
    conn: &mut Conn<'_>,
    viewer: Viewer,
    filter: &Filter,
    sort: Sort,
    after: Option<&Position>,
    limit: usize,
) -> Result<Page<Organisation, Position>> {
    let mut query = filtered(conn, filter)?;
    query = match sort {
        Sort::Name => query.order((fold(organisations::name).asc(), organisations::id.asc())),
        Sort::Updated => query.order((organisations::updated_at.desc(), organisations::id.desc())),
    };
    query = match after {
        None => query,
        Some(Position::Name(name, id)) => query
            .filter(fold(organisations::name).ge(name.clone()))
            .filter(fold(organisations::name).gt(name.clone()).or(organisations::id.gt(*id))),
        Some(Position::Updated(at, id)) => query
            .filter(organisations::updated_at.le(*at))
            .filter(organisations::updated_at.lt(*at).or(organisations::id.lt(*id))),
    };
    let rows = select(conn, viewer, query.limit(to_limit(limit)))?;
    let folded = match (sort, rows.get(limit.saturating_sub(1))) {
        (Sort::Name, Some(last)) => folded(conn, &last.row.name)?,
        _ => String::new(),
    };
    Ok(Page::cut(rows, limit, |last| match sort {
        Sort::Name => Position::Name(folded, last.row.id),
        Sort::Updated => Position::Updated(last.row.updated_at, last.row.id),
    }))
}

/// How many match.
pub fn count(conn: &mut Conn<'_>, filter: &Filter) -> Result<i64> {
    Ok(filtered(conn, filter)?.count().get_result(conn.pg)?)
}

fn filtered<'a>(conn: &mut Conn<'_>, filter: &Filter) -> Result<Boxed<'a>> {
    let mut query = organisations::table.into_boxed();
    if !filter.identifiers.is_empty() {
        query = query.filter(organisations::id.eq_any(with_identifiers(&filter.identifiers)));
    }
    if !filter.aliases.is_empty() {
        let mut any: Box<dyn BoxableExpression<organisations::table, Pg, SqlType = Bool>> =
            Box::new(false.into_sql::<Bool>());
        for alias in &filter.aliases {
            any = Box::new(any.or(organisations::alias_keys.contains(alias_keys(alias.clone(), Texts::default()))));
        }
        query = query.filter(any);
    }
    if !filter.kinds.is_empty() {
        query = query.filter(organisations::kind.eq_any(filter.kinds.clone()));
    }
    if !filter.regions.is_empty() {
        query = query.filter(organisations::region.eq_any(filter.regions.clone()));
    }
    if let Some(active) = filter.active {
        let ended = organisations::ends_on.is_not_null().and(organisations::ends_on.assume_not_null().lt(today()));
        query = if active { query.filter(diesel::dsl::not(ended)) } else { query.filter(ended) };
    }
    if let Some(parent) = &filter.parent {
        // A parent that is not there has no children: an empty list, as for any other filter.
        let id = id_of(conn, parent).map(Some).or_else(|error| match error {
            Error::NotFound => Ok(None),
            other => Err(other),
        })?;
        query = match id {
            Some(id) => query.filter(organisations::parent_id.eq(id)),
            None => query.filter(false.into_sql::<Bool>()),
        };
    }
    if let Some(q) = &filter.q {
        query = query.filter(looks_like(q.clone()));
    }
    if filter.follow_replacements {
        let ids: Vec<Uuid> = query.select(organisations::id).load(conn.pg)?;
        let standing = sql::<Bool>("id in (select organisation_successor_ids(o) from unnest(")
            .bind::<Array<SqlUuid>, _>(ids)
            .sql(") as o)");
        query = organisations::table.filter(standing).into_boxed();
    }
    Ok(query)
}

fn with_identifiers<'a>(identifiers: &[Identifier]) -> organisation_identifiers::BoxedQuery<'a, Pg, SqlUuid> {
    let none = organisation_identifiers::table
        .select(organisation_identifiers::organisation_id)
        .filter(false.into_sql::<Bool>())
        .into_boxed();
    identifiers.iter().fold(none, |query, identifier| {
        query.or_filter(
            organisation_identifiers::scheme
                .eq(identifier.scheme.clone())
                .and(organisation_identifiers::identifier.eq(identifier.id.clone())),
        )
    })
}

/// The name or an alias contains the words, or the name is much like them.
fn looks_like(q: String) -> Box<dyn BoxableExpression<organisations::table, Pg, SqlType = Bool>> {
    Box::new(
        sql::<Bool>("(fold(name) %> fold(")
            .bind::<Text, _>(q.clone())
            .sql(") or exists (select from unnest(alias_keys) as key where position(alias_key(")
            .bind::<Text, _>(q.clone())
            .sql(") in key) > 0 and alias_key(")
            .bind::<Text, _>(q)
            .sql(") <> ''))"),
    )
}
