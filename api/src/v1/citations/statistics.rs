//! Figures across citations: `/products/{id}/statistics` and `/organisations/{id}/statistics`.

use actix_web::Responder;
use actix_web::web::Data;
use db::citations::Sight;
use db::citations::statistics::{self, Of};
use db::organisations::{self, Key};
use db::products;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::Caller;
use crate::http::etag::IfNoneMatchHeader;
use crate::http::{Path, Single};
use crate::problem::Problem;
use crate::routes::Routes;
use crate::v1::organisations::OrganisationPath;
use crate::v1::products::ProductPath;
use crate::v1::products::wire::ProductReference;

/// The operations here.
#[must_use]
pub fn routes() -> Routes {
    routes![get_product_statistics, get_organisation_statistics]
}

/// How many citations have a value.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CitationTally {
    /// The value.
    #[schema(min_length = 1, max_length = 80, pattern = r"^[^\u0000-\u001f\u007f]+$", example = "London")]
    pub value: String,
    /// How many.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64, example = 21)]
    pub count: i64,
}

/// Product that is used beside another.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CoUsedProduct {
    /// The product.
    pub product: ProductReference,
    /// By how many organisations that use both.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 7)]
    pub count: i64,
}

/// Figures across citations, over those that the caller sees.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CitationStatistics {
    /// By where they stand.
    #[schema(max_items = 5)]
    pub by_status: Vec<CitationTally>,
    /// By region of the organisation, of those that are active or stale.
    #[schema(max_items = 50)]
    pub by_region: Vec<CitationTally>,
    /// By sort of organisation, of those that are active or stale.
    #[schema(max_items = 7)]
    pub by_kind: Vec<CitationTally>,
    /// By the year of `since`, of those that say so, the most frequent first.
    #[schema(max_items = 50)]
    pub by_year: Vec<CitationTally>,
    /// By satisfaction, 1 to 5; null when fewer than five say how content they are, as who said what could be told.
    #[schema(max_items = 5)]
    pub by_satisfaction: Option<Vec<CitationTally>>,
    /// Of a product: others that organisations that use it use as well, the most frequent first. Empty for an
    /// organisation.
    #[schema(max_items = 50)]
    pub co_used_products: Vec<CoUsedProduct>,
}

/// Read figures of a product
///
/// Who uses it, over the citations that the caller sees.
#[utoipa::path(
    get, path = "/products/{id}/statistics", tag = "citations",
    params(ProductPath, IfNoneMatchHeader),
    security((), ("oauth2" = ["citations:read"]), ("bearer" = [])),
    responses((status = 200, body = CitationStatistics, description = "The figures.")),
)]
async fn get_product_statistics(app: Data<App>, caller: Caller, key: Path<Key>) -> Result<impl Responder, Problem> {
    let Path(key) = key;
    let read = caller.read(&app.db, move |conn, roles| {
        let id = products::id_of(conn, &key)?;
        Ok(statistics::of(conn, &Sight::from(roles), Of::Product(id))?)
    });
    Ok(Single::ok(CitationStatistics::from(read.await?), 1))
}

/// Read figures of an organisation
///
/// What it uses, over the citations that the caller sees.
#[utoipa::path(
    get, path = "/organisations/{id}/statistics", tag = "citations",
    params(OrganisationPath, IfNoneMatchHeader),
    security((), ("oauth2" = ["citations:read"]), ("bearer" = [])),
    responses((status = 200, body = CitationStatistics, description = "The figures.")),
)]
async fn get_organisation_statistics(
    app: Data<App>,
    caller: Caller,
    key: Path<Key>,
) -> Result<impl Responder, Problem> {
    let Path(key) = key;
    let read = caller.read(&app.db, move |conn, roles| {
        let id = organisations::existing(conn, &key)?;
        Ok(statistics::of(conn, &Sight::from(roles), Of::Organisation(id))?)
    });
    Ok(Single::ok(CitationStatistics::from(read.await?), 1))
}

impl From<statistics::Tally> for CitationTally {
    fn from(statistics::Tally { value, count }: statistics::Tally) -> Self {
        Self { value, count }
    }
}

impl From<statistics::Statistics> for CitationStatistics {
    fn from(figures: statistics::Statistics) -> Self {
        let statistics::Statistics { by_status, by_region, by_kind, by_year, by_satisfaction, together } = figures;
        let tallies = |tallies: Vec<statistics::Tally>| tallies.into_iter().map(Into::into).collect();
        let beside =
            |(product, count): (organisations::Reference, i64)| CoUsedProduct { product: product.into(), count };
        Self {
            by_status: tallies(by_status),
            by_region: tallies(by_region),
            by_kind: tallies(by_kind),
            by_year: tallies(by_year),
            by_satisfaction: by_satisfaction.map(tallies),
            co_used_products: together.into_iter().map(beside).collect(),
        }
    }
}
