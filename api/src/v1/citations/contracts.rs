//! `/contracts`: what ends when, and who else has one.

use actix_web::Responder;
use actix_web::web::Data;
use chrono::NaiveDate;
use db::citations::contracts::{self, GroupBy, GroupPosition, Position};
use db::citations::list::{Ends, Filter};
use db::citations::{CitationStatus, Sight};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::keys;
use super::wire::{CitationFacts, Contract};
use crate::app::App;
use crate::auth::Caller;
use crate::http::etag::IfNoneMatchHeader;
use crate::http::text::{CpvCode, OrganisationKey, ProductKey, Region, ServiceCode};
use crate::http::{Collection, Cursor, Paging, Query};
use crate::problem::Problem;
use crate::routes::Routes;
use crate::v1::organisations::wire::OrganisationReference;
use crate::v1::products::wire::ProductReference;

/// The operations on contracts.
#[must_use]
pub fn routes() -> Routes {
    routes![list_contracts, list_contract_groups]
}

/// Contract of an organisation for a product that it cites.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CitedContract {
    /// Id of the citation that says so.
    #[schema(example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    pub citation_id: Uuid,
    /// Where the citation stands.
    pub status: CitationStatus,
    /// Who has the contract.
    pub organisation: OrganisationReference,
    /// What it is for.
    pub product: ProductReference,
    /// Who supplies that; null when it has no supplier.
    pub supplier: Option<OrganisationReference>,
    /// The contract.
    pub contract: Contract,
}

/// One page of contracts.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContractPage {
    /// The contracts on this page, those that end first before the others.
    #[schema(max_items = 100)]
    pub items: Vec<CitedContract>,
    /// Cursor of the next page; null on the last.
    #[schema(max_length = 2048, pattern = "^[A-Za-z0-9_-]+$", example = "WyJhIl0")]
    pub next_cursor: Option<String>,
}

/// Contracts with one supplier, or for one product.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContractGroup {
    /// The supplier, when grouped by supplier; else null.
    pub supplier: Option<OrganisationReference>,
    /// The product, when grouped by product; else null.
    pub product: Option<ProductReference>,
    /// How many contracts.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 12)]
    pub contract_count: i64,
    /// Of how many organisations.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 9)]
    pub organisation_count: i64,
    /// Those organisations, at most fifty.
    #[schema(max_items = 50)]
    pub organisations: Vec<OrganisationReference>,
    /// The first end there is; null when none is recorded.
    #[schema(example = "2027-03-31")]
    pub first_ends_on: Option<NaiveDate>,
    /// The last end there is.
    #[schema(example = "2029-03-31")]
    pub last_ends_on: Option<NaiveDate>,
    /// What they are worth together, in pence; null when fewer than three organisations say what they pay, as one could
    /// be told from the sum.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64, example = 150_000_000)]
    pub amount_pence: Option<i64>,
}

/// One page of groups of contracts.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContractGroupPage {
    /// The groups on this page, the largest first.
    #[schema(max_items = 100)]
    pub items: Vec<ContractGroup>,
    /// Cursor of the next page; null on the last.
    #[schema(max_length = 2048, pattern = "^[A-Za-z0-9_-]+$", example = "WyJhIl0")]
    pub next_cursor: Option<String>,
}

/// By what contracts are grouped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(example = "supplier")]
pub enum ContractGrouping {
    /// Who supplies.
    Supplier,
    /// What is supplied.
    Product,
}

/// Filters of contracts.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct ContractFilters {
    /// Ends on this day or before.
    #[param(required = false, value_type = NaiveDate, example = "2027-04-01")]
    ends_before: Option<NaiveDate>,
    /// Ends on this day or later.
    #[param(required = false, value_type = NaiveDate, example = "2026-12-01")]
    ends_after: Option<NaiveDate>,
    /// Service code of the product.
    #[serde(default)]
    #[param(max_items = 50, required = false, inline, value_type = Vec<ServiceCode>)]
    service_code: Vec<String>,
    /// Code of the Common Procurement Vocabulary, of the contract or of the product.
    #[serde(default)]
    #[param(max_items = 50, required = false, inline, value_type = Vec<CpvCode>)]
    cpv: Vec<String>,
    /// Supplier of the product, by id or slug.
    #[serde(default)]
    #[param(max_items = 20, required = false, inline, value_type = Vec<OrganisationKey>)]
    supplier: Vec<String>,
    /// Product, by id or slug.
    #[serde(default)]
    #[param(max_items = 50, required = false, inline, value_type = Vec<ProductKey>)]
    product: Vec<String>,
    /// Organisation that has the contract, by id or slug.
    #[serde(default)]
    #[param(max_items = 50, required = false, inline, value_type = Vec<OrganisationKey>)]
    organisation: Vec<String>,
    /// Region of the organisation.
    #[serde(default)]
    #[param(max_items = 20, required = false, inline, value_type = Vec<Region>)]
    region: Vec<String>,
}

impl ContractFilters {
    fn filter(&self) -> Filter {
        Filter {
            organisations: keys(&self.organisation),
            products: keys(&self.product),
            suppliers: keys(&self.supplier),
            regions: self.region.clone(),
            service_codes: self.service_code.clone(),
            cpv_codes: self.cpv.clone(),
            contract: Some(Ends { after: self.ends_after, before: self.ends_before }),
            ..Filter::default()
        }
    }
}

/// Query of the list of contracts.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct ListContracts {
    #[serde(flatten)]
    #[param(ignore)]
    filters: ContractFilters,
    #[serde(flatten)]
    #[param(ignore)]
    paging: Paging,
}

/// Query of the groups of contracts.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct ListContractGroups {
    /// By what they are grouped.
    #[param(inline)]
    by: ContractGrouping,
    #[serde(flatten)]
    #[param(ignore)]
    filters: ContractFilters,
    #[serde(flatten)]
    #[param(ignore)]
    paging: Paging,
}

/// List contracts
///
/// Across the citations that the caller sees, those that end first before the others: what ends before April, and who
/// else has one?
#[utoipa::path(
    get, path = "/contracts", tag = "citations",
    params(ContractFilters, Paging, IfNoneMatchHeader),
    security((), ("oauth2" = ["citations:read"]), ("bearer" = [])),
    responses((status = 200, body = ContractPage, description = "A page of contracts.")),
)]
async fn list_contracts(
    app: Data<App>,
    caller: Caller,
    query: Query<ListContracts>,
) -> Result<impl Responder, Problem> {
    let Query(ListContracts { filters, paging }) = query;
    let (limit, after): (_, Option<Position>) = (paging.limit(), paging.after()?);
    let read = caller.read(&app.db, move |conn, roles| {
        Ok(contracts::list(conn, &Sight::from(roles), &filters.filter(), after, limit)?)
    });
    let page = read.await?;
    let next = page.next.as_ref().map(Cursor::write);
    let items = page.items.into_iter().map(Into::into).collect();
    Ok(Collection { page: ContractPage { items, next_cursor: next.clone() }, next })
}

/// Group contracts
///
/// By supplier or by product, so that bodies with the same renewal find each other.
#[utoipa::path(
    get, path = "/contracts/groups", tag = "citations",
    params(ListContractGroups, ContractFilters, Paging, IfNoneMatchHeader),
    security((), ("oauth2" = ["citations:read"]), ("bearer" = [])),
    responses((status = 200, body = ContractGroupPage, description = "A page of groups.")),
)]
async fn list_contract_groups(
    app: Data<App>,
    caller: Caller,
    query: Query<ListContractGroups>,
) -> Result<impl Responder, Problem> {
    let Query(ListContractGroups { by, filters, paging }) = query;
    let (limit, after): (_, Option<GroupPosition>) = (paging.limit(), paging.after()?);
    let grouping = match by {
        ContractGrouping::Supplier => GroupBy::Supplier,
        ContractGrouping::Product => GroupBy::Product,
    };
    let read = caller.read(&app.db, move |conn, roles| {
        Ok(contracts::groups(conn, &Sight::from(roles), &filters.filter(), grouping, after, limit)?)
    });
    let page = read.await?;
    let next = page.next.as_ref().map(Cursor::write);
    let items = page.items.into_iter().map(|group| ContractGroup::new(by, group)).collect();
    Ok(Collection { page: ContractGroupPage { items, next_cursor: next.clone() }, next })
}

impl From<contracts::Contract> for CitedContract {
    fn from(contract: contracts::Contract) -> Self {
        let contracts::Contract { citation, supplier } = contract;
        let status = citation.status();
        let facts = CitationFacts::from(citation.row.state);
        Self {
            citation_id: citation.row.id,
            status,
            organisation: citation.organisation.0.into(),
            product: citation.product.0.into(),
            supplier: supplier.map(Into::into),
            contract: facts.contract.unwrap_or_default(),
        }
    }
}

impl ContractGroup {
    fn new(by: ContractGrouping, group: contracts::Group) -> Self {
        let contracts::Group {
            key,
            contracts,
            organisation_count,
            organisations,
            first_ends_on,
            last_ends_on,
            amount_pence,
        } = group;
        let (supplier, product) = match by {
            ContractGrouping::Supplier => (Some(key.into()), None),
            ContractGrouping::Product => (None, Some(key.into())),
        };
        Self {
            supplier,
            product,
            contract_count: contracts,
            organisation_count,
            organisations: organisations.into_iter().map(Into::into).collect(),
            first_ends_on,
            last_ends_on,
            amount_pence,
        }
    }
}
