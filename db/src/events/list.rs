//! Lists of events: filters, order, pages, facets.

use chrono::{DateTime, Utc};
use diesel::dsl::{count_star, exists, not, sql};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Nullable, Text};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Condition, Event, EventKind, EventStatus, Sight, columns, invites};
use crate::networks;
use crate::organisations::{Key, OrganisationKind, known, known_by, to_limit};
use crate::schema::{event_organisers, events, organisations as bodies};
use crate::tx::Conn;
use crate::{Page, Result};

/// Which events; several values of one field mean any of them, different fields all of them.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Words of title, venue or description, as typed.
    pub q: Option<String>,
    /// Those that end at or after this.
    pub after: Option<DateTime<Utc>>,
    /// Those that begin before this.
    pub before: Option<DateTime<Utc>>,
    /// What sort.
    pub kinds: Vec<EventKind>,
    /// Where they stand.
    pub statuses: Vec<EventStatus>,
    /// Whose they are.
    pub networks: Vec<Key>,
    /// Of which series of a network they are one.
    pub series: Vec<Uuid>,
    /// Who invites.
    pub organisers: Vec<Key>,
    /// Sorts of organisation that invite.
    pub organiser_kinds: Vec<OrganisationKind>,
    /// Regions of those who invite.
    pub regions: Vec<String>,
    /// Words that name or address of the venue hold.
    pub venue: Option<String>,
    /// Whether the venue can be reached without steps.
    pub step_free: Option<bool>,
    /// Whether there is a place left.
    pub has_places: Option<bool>,
    /// Whether one can take part online.
    pub online: Option<bool>,
}

/// How a list is ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// Those that begin first before the others.
    Earliest,
    /// Those that begin last before the others.
    Latest,
    /// Those that the words fit best before the others.
    Relevance,
}

/// Where a page ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Position {
    /// By beginning.
    Earliest(DateTime<Utc>, Uuid),
    /// By beginning, backwards.
    Latest(DateTime<Utc>, Uuid),
    /// By relevance, in billionths.
    Relevance(i64, Uuid),
}

/// What can be counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "named after what is counted")]
pub enum Facet {
    Kind,
    Status,
    Network,
    Organiser,
    Region,
    Month,
    HasPlaces,
}

/// One page of those that are seen and match.
pub fn list(
    conn: &mut Conn<'_>,
    sight: &Sight,
    filter: &Filter,
    sort: Sort,
    after: Option<Position>,
    limit: usize,
) -> Result<Page<Event, Position>> {
    let mut query = events::table.filter(matching(conn, sight, filter)?).into_boxed();
    query = match after {
        None => query,
        Some(Position::Earliest(at, id)) => {
            query.filter(events::starts_at.ge(at)).filter(events::starts_at.gt(at).or(events::id.gt(id)))
        }
        Some(Position::Latest(at, id)) => {
            query.filter(events::starts_at.le(at)).filter(events::starts_at.lt(at).or(events::id.lt(id)))
        }
        Some(Position::Relevance(score, id)) => {
            query.filter(relevance(filter).le(score)).filter(relevance(filter).lt(score).or(events::id.lt(id)))
        }
    };
    query = match sort {
        Sort::Earliest => query.order((events::starts_at, events::id)),
        Sort::Latest => query.order((events::starts_at.desc(), events::id.desc())),
        Sort::Relevance => query.order((relevance(filter).desc(), events::id.desc())),
    };
    let found: Vec<Event> = query.limit(to_limit(limit)).select(columns(sight.person)).load(conn.pg)?;
    let score = match (sort, found.get(limit.saturating_sub(1))) {
        (Sort::Relevance, Some(last)) => {
            events::table.find(last.row.id).select(relevance(filter)).first(conn.pg).optional()?
        }
        _ => None,
    };
    Ok(Page::cut(found, limit, |last| match sort {
        Sort::Earliest => Position::Earliest(last.row.facts.starts_at, last.row.id),
        Sort::Latest => Position::Latest(last.row.facts.starts_at, last.row.id),
        Sort::Relevance => Position::Relevance(score.unwrap_or_default(), last.row.id),
    }))
}

/// How well the words fit, in billionths, so that a cursor holds it exactly; the same for all without words.
fn relevance(filter: &Filter) -> Score {
    let words = filter.q.clone().unwrap_or_default();
    sql::<BigInt>("(1e9 * ts_rank(search, catalogue_query(").bind::<Text, _>(words).sql(")))::bigint")
}

type Score = diesel::expression::SqlLiteral<
    BigInt,
    diesel::expression::UncheckedBind<diesel::expression::SqlLiteral<BigInt>, diesel::dsl::AsExprOf<String, Text>>,
>;

/// How many are seen and match.
pub fn count(conn: &mut Conn<'_>, sight: &Sight, filter: &Filter) -> Result<i64> {
    Ok(events::table.filter(matching(conn, sight, filter)?).count().get_result(conn.pg)?)
}

/// The commonest values of one facet among those that are seen and match, at most 50; networks and organisations by
/// slug, months as `YYYY-MM` by the clocks there.
pub fn facet(conn: &mut Conn<'_>, sight: &Sight, filter: &Filter, facet: Facet) -> Result<Vec<(String, i64)>> {
    let value = match facet {
        Facet::Kind => "events.kind",
        Facet::Status => "events.status",
        Facet::Network => "(select slug from networks where networks.id = events.network_id)",
        Facet::Organiser => {
            "unnest(array(select slug from event_organisers join organisations on organisations.id = organisation_id
               where event_id = events.id))"
        }
        Facet::Region => {
            "unnest(array(select distinct region from event_organisers join organisations
               on organisations.id = organisation_id where event_id = events.id))"
        }
        Facet::Month => "to_char(starts_at at time zone time_zone, 'YYYY-MM')",
        Facet::HasPlaces => "(capacity is null or capacity > accepted_count)::text",
    };
    let counted: Vec<(Option<String>, i64)> = events::table
        .filter(matching(conn, sight, filter)?)
        .group_by(sql::<Text>("1"))
        .select((sql::<Nullable<Text>>(value), count_star()))
        .order((sql::<BigInt>("2 desc"), sql::<Text>("1")))
        .limit(51)
        .load(conn.pg)?;
    Ok(counted.into_iter().filter_map(|(value, count)| value.map(|value| (value, count))).take(50).collect())
}

/// The filter, and who looks, as one condition.
fn matching(conn: &mut Conn<'_>, sight: &Sight, filter: &Filter) -> Result<Condition> {
    let mut all = sight.condition();
    let mut and = |condition: Condition| {
        let so_far: Condition = std::mem::replace(&mut all, Box::new(true.into_sql::<Bool>()));
        all = Box::new(so_far.and(condition));
    };
    if let Some(words) = &filter.q {
        and(Box::new(sql::<Bool>("search @@ catalogue_query(").bind::<Text, _>(words.clone()).sql(")")));
    }
    if let Some(after) = filter.after {
        and(Box::new(events::ends_at.ge(after)));
    }
    if let Some(before) = filter.before {
        and(Box::new(events::starts_at.lt(before)));
    }
    if !filter.kinds.is_empty() {
        and(Box::new(events::kind.eq_any(filter.kinds.clone())));
    }
    if !filter.statuses.is_empty() {
        and(Box::new(events::status.eq_any(filter.statuses.clone())));
    }
    if !filter.networks.is_empty() {
        let ids = known_by(conn, &filter.networks, networks::id_of)?;
        and(Box::new(events::network_id.assume_not_null().eq_any(ids)));
    }
    if !filter.series.is_empty() {
        and(Box::new(events::series_id.assume_not_null().eq_any(filter.series.clone())));
    }
    if !filter.organisers.is_empty() {
        and(invites(&known(conn, &filter.organisers)?));
    }
    if !filter.organiser_kinds.is_empty() || !filter.regions.is_empty() {
        let mut inviting = bodies::table.select(bodies::id).into_boxed();
        if !filter.organiser_kinds.is_empty() {
            inviting = inviting.filter(bodies::kind.eq_any(filter.organiser_kinds.clone()));
        }
        if !filter.regions.is_empty() {
            inviting = inviting.filter(bodies::region.assume_not_null().eq_any(filter.regions.clone()));
        }
        and(Box::new(exists(
            event_organisers::table
                .filter(event_organisers::event_id.eq(events::id))
                .filter(event_organisers::organisation_id.eq_any(inviting)),
        )));
    }
    if let Some(words) = &filter.venue {
        let named = sql::<Bool>("ts_filter(search, '{b}') @@ catalogue_query(").bind::<Text, _>(words.clone()).sql(")");
        and(Box::new(named));
    }
    if let Some(step_free) = filter.step_free {
        let known = sql::<Bool>("coalesce(step_free, false)");
        if step_free { and(Box::new(known)) } else { and(Box::new(not(known))) }
    }
    if let Some(has_places) = filter.has_places {
        let free = sql::<Bool>("(capacity is null or capacity > accepted_count)");
        if has_places { and(Box::new(free)) } else { and(Box::new(not(free))) }
    }
    if let Some(online) = filter.online {
        if online {
            and(Box::new(events::online_url.is_not_null()));
        } else {
            and(Box::new(events::online_url.is_null()));
        }
    }
    Ok(all)
}
