//! Lists of events: filters, order, search, facets.

use actix_web::Responder;
use actix_web::web::Data;
use chrono::{DateTime, Utc};
use db::Roles;
use db::events::list::{self, Filter, Position, Sort};
use db::events::{EventKind, EventStatus, Sight};
use db::organisations::{Key, OrganisationKind};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::shown;
use super::wire::{EventFacet, EventFacetField, EventFacetValue, EventPage};
use crate::app::App;
use crate::auth::Caller;
use crate::http::etag::IfNoneMatchHeader;
use crate::http::text::{NetworkKey, OrganisationKey, Region, SeriesId};
use crate::http::{Collection, Cursor, Paging, Query};
use crate::problem::Problem;
use crate::routes::Routes;

/// The operations here.
#[must_use]
pub fn routes() -> Routes {
    routes![list_events]
}

/// Order of a list of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = "startsAt")]
pub enum EventSort {
    /// Those that the words of `q` fit best before the others.
    #[serde(rename = "relevance")]
    Relevance,
    /// Those that begin first before the others.
    #[serde(rename = "startsAt")]
    Earliest,
    /// Those that begin last before the others.
    #[serde(rename = "-startsAt")]
    Latest,
}

/// Filters of the list of events.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct ListEvents {
    /// Words of title, venue or description. `"in quotes"` must stand together, `-word` must not occur, `or` means either;
    /// the last word may be half-typed.
    #[param(
        required = false, value_type = String, min_length = 1, max_length = 200,
        pattern = r"^[^\u0000]*[^\s\u0000][^\u0000]*$", example = "marketplace"
    )]
    q: Option<String>,
    /// Ends at this moment or later.
    #[param(required = false, value_type = DateTime<Utc>, example = "2027-01-01T00:00:00Z")]
    ends_from: Option<DateTime<Utc>>,
    /// Begins before this moment.
    #[param(required = false, value_type = DateTime<Utc>, example = "2027-02-01T00:00:00Z")]
    starts_before: Option<DateTime<Utc>>,
    /// What sort of event.
    #[serde(default)]
    #[param(max_items = 4, required = false, inline, value_type = Vec<EventKind>)]
    kind: Vec<EventKind>,
    /// Where they stand.
    #[serde(default)]
    #[param(max_items = 4, required = false, inline, value_type = Vec<EventStatus>)]
    status: Vec<EventStatus>,
    /// Network whose event it is, by id or slug.
    #[serde(default)]
    #[param(max_items = 50, required = false, inline, value_type = Vec<NetworkKey>)]
    network: Vec<String>,
    /// Series of which it is one, by id.
    #[serde(default)]
    #[param(max_items = 50, required = false, inline, value_type = Vec<SeriesId>)]
    series: Vec<Uuid>,
    /// Organisation that invites, by id or slug.
    #[serde(default)]
    #[param(max_items = 50, required = false, inline, value_type = Vec<OrganisationKey>)]
    organiser: Vec<String>,
    /// Sort of organisation that invites.
    #[serde(default)]
    #[param(max_items = 7, required = false, inline, value_type = Vec<OrganisationKind>)]
    organiser_kind: Vec<OrganisationKind>,
    /// Region of an organisation that invites.
    #[serde(default)]
    #[param(max_items = 20, required = false, inline, value_type = Vec<Region>)]
    region: Vec<String>,
    /// Words of the name or address of the venue, as in `q`.
    #[param(
        required = false, value_type = String, min_length = 1, max_length = 200,
        pattern = r"^[^\u0000]*[^\s\u0000][^\u0000]*$", example = "City Hall"
    )]
    venue: Option<String>,
    /// true: those whose venue can be reached without steps; false: the others.
    #[param(required = false, value_type = bool, example = true)]
    step_free: Option<bool>,
    /// true: those with a place left; false: those without.
    #[param(required = false, value_type = bool, example = true)]
    has_places: Option<bool>,
    /// true: those where one can take part online; false: the others.
    #[param(required = false, value_type = bool, example = true)]
    online: Option<bool>,
    /// Order; `relevance` with `q` and `startsAt` without when absent. By `relevance` without `q` is by `startsAt`.
    #[param(inline, required = false, value_type = EventSort)]
    sort: Option<EventSort>,
    /// Whether to count the items of all pages as `total`, which takes longer.
    #[param(default = false, required = false, value_type = bool, example = true)]
    count: Option<bool>,
    /// Fields to count by, separated by commas; the answer's `facets` has the counts.
    #[serde(default)]
    #[param(max_items = 7, required = false, style = Form, explode = false, inline, value_type = Vec<EventFacetField>)]
    facets: Vec<EventFacetField>,
    #[serde(flatten)]
    #[param(ignore)]
    paging: Paging,
}

impl ListEvents {
    fn filter(&self) -> Filter {
        let keys = |named: &[String]| named.iter().map(|key| Key::from(key.as_str())).collect();
        Filter {
            q: self.q.clone(),
            after: self.ends_from,
            before: self.starts_before,
            kinds: self.kind.clone(),
            statuses: self.status.clone(),
            networks: keys(&self.network),
            series: self.series.clone(),
            organisers: keys(&self.organiser),
            organiser_kinds: self.organiser_kind.clone(),
            regions: self.region.clone(),
            venue: self.venue.clone(),
            step_free: self.step_free,
            has_places: self.has_places,
            online: self.online,
        }
    }

    fn sort(&self) -> Sort {
        match self.sort {
            Some(EventSort::Latest) => Sort::Latest,
            Some(EventSort::Relevance) | None if self.q.is_some() => Sort::Relevance,
            Some(EventSort::Earliest | EventSort::Relevance) | None => Sort::Earliest,
        }
    }

    /// Where the page before ended; refused when that was in another order.
    fn after(&self) -> Result<Option<Position>, Problem> {
        let after: Option<Position> = self.paging.after()?;
        let fits = match after {
            None => true,
            Some(Position::Earliest(..)) => self.sort() == Sort::Earliest,
            Some(Position::Latest(..)) => self.sort() == Sort::Latest,
            Some(Position::Relevance(..)) => self.sort() == Sort::Relevance,
        };
        if fits { Ok(after) } else { Err(Cursor::refused()) }
    }
}

/// List events
///
/// Those that were published, cancelled and completed ones included, and drafts of the organisations for which the
/// caller contributes and of the networks that they convene. With `q`, a ranked search.
#[utoipa::path(
    get, path = "/events", tag = "events",
    params(ListEvents, Paging, IfNoneMatchHeader),
    security((), ("oauth2" = ["events:read"]), ("bearer" = [])),
    responses((status = 200, body = EventPage, description = "A page of events.")),
)]
async fn list_events(app: Data<App>, caller: Caller, query: Query<ListEvents>) -> Result<impl Responder, Problem> {
    let Query(query) = query;
    let (sort, limit, after) = (query.sort(), query.paging.limit(), query.after()?);
    let person = caller.viewer().user_id();
    let read = caller.read(&app.db, move |conn, roles: &Roles| {
        let (sight, filter) = (Sight::new(roles, person), query.filter());
        let page = list::list(conn, &sight, &filter, sort, after, limit)?;
        let counts = query.count.unwrap_or(false);
        let total = if counts { Some(list::count(conn, &sight, &filter)?) } else { None };
        let facets = query.facets.iter().map(|field| {
            let values = list::facet(conn, &sight, &filter, (*field).into())?.into_iter();
            let values = values.map(|(value, count)| EventFacetValue { value, count }).collect();
            Ok::<_, Problem>(EventFacet { field: *field, values })
        });
        let facets = facets.collect::<Result<Vec<_>, _>>()?;
        Ok((page.map(|event| shown(roles, event)), total, facets))
    });
    let (page, total, facets) = read.await?;
    let next = page.next.as_ref().map(Cursor::write);
    Ok(Collection { page: EventPage { items: page.items, next_cursor: next.clone(), total, facets }, next })
}

impl From<EventFacetField> for list::Facet {
    fn from(field: EventFacetField) -> Self {
        match field {
            EventFacetField::Kind => Self::Kind,
            EventFacetField::Status => Self::Status,
            EventFacetField::Network => Self::Network,
            EventFacetField::Organiser => Self::Organiser,
            EventFacetField::Region => Self::Region,
            EventFacetField::Month => Self::Month,
            EventFacetField::HasPlaces => Self::HasPlaces,
        }
    }
}
