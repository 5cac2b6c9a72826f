//! Lists of products: filters, order, search, facets.

use actix_web::Responder;
use actix_web::web::Data;
use chrono::{DateTime, Utc};
use db::citations::Sight;
use db::organisations::Key;
use db::products::list::{self, Filter, Position, Sort};
use db::products::{BudgetBand, CollaborationLevel, DevelopmentStatus, Phase, ProductKind};
use db::{Conn, Page, products, search};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::wire::{Facet, FacetField, FacetValue, Freshness, Product, ProductPage};
use crate::app::App;
use crate::auth::Caller;
use crate::http::etag::IfNoneMatchHeader;
use crate::http::text::{Category, CpvCode, Licence, OrganisationKey, Platform, ServiceCode};
use crate::http::{Collection, Cursor, Paging, Query};
use crate::problem::Problem;
use crate::routes::Routes;

/// The operations here.
#[must_use]
pub fn routes() -> Routes {
    routes![list_products]
}

/// Order of a list of products: by name, latest added first, latest change first, or best match first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = "name")]
pub enum ProductSort {
    /// By name.
    #[serde(rename = "name")]
    Name,
    /// Latest added first.
    #[serde(rename = "-createdAt")]
    Created,
    /// Latest change first.
    #[serde(rename = "-updatedAt")]
    Updated,
    /// Best match first; by name without `q`.
    #[serde(rename = "relevance")]
    Relevance,
}

/// Filters of the list of products.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct ListProducts {
    /// Words to search for in name, summary, description and features, by their English stems and without regard to
    /// accents; the last word also as the beginning of one. `"a phrase"`, `or` and `-without` work as in web searches.
    /// Names that look alike are found when nothing matches. Fresh and cited products rank higher. At most the 1000
    /// most recently confirmed matches, and 300 more that match by name, are ranked, paged and counted: `complete`
    /// tells whether those are all.
    #[param(min_length = 1, max_length = 200, pattern = r"^[^\u0000-\u001f\u007f]*$", required = false, value_type = String, example = "bin collection")]
    q: Option<String>,
    /// What sort of thing.
    #[serde(default)]
    #[param(max_items = 4, required = false, inline, value_type = Vec<ProductKind>)]
    kind: Vec<ProductKind>,
    /// Delivery phase.
    #[serde(default)]
    #[param(max_items = 6, required = false, inline, value_type = Vec<Phase>)]
    phase: Vec<Phase>,
    /// Category.
    #[serde(default)]
    #[param(max_items = 50, required = false, inline, value_type = Vec<Category>)]
    category: Vec<String>,
    /// Where it runs.
    #[serde(default)]
    #[param(max_items = 20, required = false, inline, value_type = Vec<Platform>)]
    platform: Vec<String>,
    /// SPDX licence expression, just as recorded.
    #[serde(default)]
    #[param(max_items = 20, required = false, inline, value_type = Vec<Licence>)]
    licence: Vec<String>,
    /// Code of the Local Government Services List.
    #[serde(default)]
    #[param(max_items = 50, required = false, inline, value_type = Vec<ServiceCode>)]
    service_code: Vec<String>,
    /// Code of the Common Procurement Vocabulary, just as recorded.
    #[serde(default)]
    #[param(max_items = 50, required = false, inline, value_type = Vec<CpvCode>)]
    cpv_code: Vec<String>,
    /// Id or slug of the supplier.
    #[serde(default)]
    #[param(max_items = 20, required = false, inline, value_type = Vec<OrganisationKey>)]
    supplier: Vec<String>,
    /// Id or slug of the owner.
    #[serde(default)]
    #[param(max_items = 20, required = false, inline, value_type = Vec<OrganisationKey>)]
    owner: Vec<String>,
    /// Id or slug of an organisation that says today that it uses the product.
    #[serde(default)]
    #[param(max_items = 50, required = false, inline, value_type = Vec<OrganisationKey>)]
    organisation: Vec<String>,
    /// Maturity of the software.
    #[serde(default)]
    #[param(max_items = 5, required = false, inline, value_type = Vec<DevelopmentStatus>)]
    development_status: Vec<DevelopmentStatus>,
    /// How far its owner wants others to join in.
    #[serde(default)]
    #[param(max_items = 3, required = false, inline, value_type = Vec<CollaborationLevel>)]
    collaboration_level: Vec<CollaborationLevel>,
    /// Rough cost a year.
    #[serde(default)]
    #[param(max_items = 6, required = false, inline, value_type = Vec<BudgetBand>)]
    budget_band: Vec<BudgetBand>,
    /// Whether what is recorded can be relied on.
    #[param(required = false, inline, value_type = Freshness)]
    freshness: Option<Freshness>,
    /// Changed at this time (UTC) or later.
    #[param(required = false, format = "date-time", value_type = String, example = "2026-11-01T00:00:00Z")]
    updated_since: Option<DateTime<Utc>>,
    /// Fields to count values of, separated by commas, over all pages of the same list.
    #[serde(default)]
    #[param(max_items = 8, required = false, style = Form, explode = false, inline, value_type = Vec<FacetField>)]
    facets: Vec<FacetField>,
    /// Order: best match first with `q`, otherwise by name.
    #[param(required = false, inline, value_type = ProductSort)]
    sort: Option<ProductSort>,
    /// Whether to count the items of all pages as `total`, which takes longer.
    #[param(default = false, required = false, value_type = bool, example = true)]
    count: Option<bool>,
    #[serde(flatten)]
    #[param(ignore)]
    paging: Paging,
}

impl ListProducts {
    fn filter(&self, sight: Sight) -> Filter {
        let keys = |texts: &[String]| texts.iter().map(|text| Key::from(text.as_str())).collect();
        Filter {
            kinds: self.kind.clone(),
            phases: self.phase.clone(),
            categories: self.category.clone(),
            platforms: self.platform.clone(),
            licences: self.licence.clone(),
            service_codes: self.service_code.clone(),
            cpv_codes: self.cpv_code.clone(),
            suppliers: keys(&self.supplier),
            owners: keys(&self.owner),
            organisations: keys(&self.organisation),
            development_statuses: self.development_status.clone(),
            collaboration_levels: self.collaboration_level.clone(),
            budget_bands: self.budget_band.clone(),
            fresh: self.freshness.map(|freshness| freshness == Freshness::Fresh),
            updated_since: self.updated_since,
            sight,
            among: None,
        }
    }

    /// The order asked for; none for that of a search.
    fn sort(&self) -> Option<Sort> {
        match self.sort {
            None | Some(ProductSort::Relevance) => self.q.is_none().then_some(Sort::Name),
            Some(ProductSort::Name) => Some(Sort::Name),
            Some(ProductSort::Created) => Some(Sort::Created),
            Some(ProductSort::Updated) => Some(Sort::Updated),
        }
    }
}

/// List products
///
/// Products that match every filter, one page at a time; with `q`, a ranked search. Several values of one filter mean
/// any of them.
#[utoipa::path(
    get, path = "/products", tag = "products",
    params(ListProducts, Paging, IfNoneMatchHeader),
    security((), ("oauth2" = ["products:read"]), ("bearer" = [])),
    responses((status = 200, body = ProductPage, description = "A page of products.")),
)]
async fn list_products(app: Data<App>, caller: Caller, query: Query<ListProducts>) -> Result<impl Responder, Problem> {
    let Query(query) = query;
    // Only who cites depends on who looks.
    let caller = if query.organisation.is_empty() { caller.as_nobody() } else { caller };
    let found = caller.read(&app.db, move |conn, roles| {
        let filter = query.filter(Sight::from(roles));
        match (&query.q, query.sort()) {
            (Some(q), None) => searched(conn, q, &query, &filter),
            (Some(q), Some(sort)) => {
                let (candidates, complete) = search::candidates_of(conn, q, &filter)?;
                Ok(Listed { complete, ..listed(conn, &query, &candidates, sort)? })
            }
            (None, sort) => listed(conn, &query, &filter, sort.unwrap_or(Sort::Name)),
        }
    });
    let found = found.await?;
    let now = app.clock.now();
    let next = found.next;
    Ok(Collection {
        page: ProductPage {
            items: found.items.into_iter().map(|product| Product::new(product, now)).collect(),
            next_cursor: next.clone(),
            total: found.total,
            facets: found.facets,
            complete: found.complete,
        },
        next,
    })
}

struct Listed {
    items: Vec<products::Product>,
    next: Option<String>,
    total: Option<i64>,
    facets: Vec<Facet>,
    complete: bool,
}

fn listed(conn: &mut Conn<'_>, query: &ListProducts, filter: &Filter, sort: Sort) -> Result<Listed, Problem> {
    let after: Option<Position> = query.paging.after()?;
    let fits = match &after {
        None => true,
        Some(Position::Name(..)) => sort == Sort::Name,
        Some(Position::Created(..)) => sort == Sort::Created,
        Some(Position::Updated(..)) => sort == Sort::Updated,
    };
    if !fits {
        return Err(Cursor::refused());
    }
    let Page { items, next } = list::list(conn, filter, sort, after.as_ref(), query.paging.limit())?;
    let total = if query.count.unwrap_or(false) { Some(list::count(conn, filter)?) } else { None };
    let facets = query.facets.iter().map(|field| Ok(facet(*field, list::facet(conn, filter, (*field).into())?)));
    let facets = facets.collect::<Result<_, Problem>>()?;
    Ok(Listed { items, next: next.as_ref().map(Cursor::write), total, facets, complete: true })
}

fn searched(conn: &mut Conn<'_>, q: &str, query: &ListProducts, filter: &Filter) -> Result<Listed, Problem> {
    let after: Option<search::Position> = query.paging.after()?;
    let facets: Vec<list::Facet> = query.facets.iter().map(|field| (*field).into()).collect();
    let found = search::search(conn, q, filter, after, query.paging.limit(), &facets)?;
    let counted = query.facets.iter().zip(found.facets).map(|(field, (_, counts))| facet(*field, counts)).collect();
    Ok(Listed {
        items: found.page.items,
        next: found.page.next.as_ref().map(Cursor::write),
        total: query.count.unwrap_or(false).then_some(found.total),
        facets: counted,
        complete: found.complete,
    })
}

fn facet(field: FacetField, counts: Vec<list::FacetCount>) -> Facet {
    let values = counts.into_iter().map(|list::FacetCount { value, count }| FacetValue { value, count }).collect();
    Facet { field, values }
}

impl From<FacetField> for list::Facet {
    fn from(field: FacetField) -> Self {
        match field {
            FacetField::Kind => Self::Kind,
            FacetField::Phase => Self::Phase,
            FacetField::Category => Self::Category,
            FacetField::Platform => Self::Platform,
            FacetField::Licence => Self::Licence,
            FacetField::ServiceCode => Self::ServiceCode,
            FacetField::Supplier => Self::Supplier,
            FacetField::DevelopmentStatus => Self::DevelopmentStatus,
        }
    }
}
