//! Citations as they go over the wire.

use chrono::{DateTime, NaiveDate, Utc};
use db::citations::{self, CitationRow, CitationState, CitationStatus, ScaleBand, ScaleUnit, Standing, Visibility};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use validator::{Validate, ValidationError};

use crate::http::text::{CpvCode, Integration};
use crate::merge_patch;
use crate::v1::organisations::wire::{OrganisationReference, fault};
use crate::v1::products::wire::ProductReference;

/// Statement of an organisation that it uses a product: dated, confirmed from time to time, and taken back when it does
/// not hold.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Citation {
    /// Identifier, UUIDv7.
    #[schema(read_only, example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    pub id: Uuid,
    /// Rises by one with each change; the entity tag begins with it.
    #[schema(read_only, minimum = 1, maximum = 2_147_483_647, example = 1)]
    pub version: i32,
    /// When it was made (UTC).
    #[schema(read_only, example = "2026-11-23T09:30:00Z")]
    pub created_at: DateTime<Utc>,
    /// When it last changed (UTC).
    #[schema(read_only, example = "2026-11-23T09:30:00Z")]
    pub updated_at: DateTime<Utc>,
    /// Who uses the product.
    pub organisation: OrganisationReference,
    /// What is used.
    pub product: ProductReference,
    /// Where it stands.
    pub status: CitationStatus,
    /// When the organisation last stood by it (UTC): made, changed or confirmed it.
    #[schema(read_only, example = "2026-11-23T09:30:00Z")]
    pub confirmed_at: DateTime<Utc>,
    #[serde(flatten)]
    pub(crate) facts: CitationFacts,
}

/// What a writer says, the same to make and to change a citation.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
#[validate(schema(function = "ends_after_start"))]
pub(crate) struct CitationFacts {
    /// First day of use.
    #[schema(example = "2023-04-01")]
    pub since: Option<NaiveDate>,
    /// Last day of use: planned, or past.
    #[schema(example = "2027-03-31")]
    pub until: Option<NaiveDate>,
    /// How much it is used.
    pub scale: Option<Scale>,
    /// How content the organisation is: 1, not at all, to 5, very.
    #[schema(minimum = 1, maximum = 5, format = Int32, value_type = Option<i32>, example = 4)]
    pub satisfaction: Option<i16>,
    /// What worked well, as plain text.
    #[schema(
        min_length = 1,
        max_length = 4000,
        pattern = r"^[^\u0000]*[^\s\u0000][^\u0000]*$",
        example = "Residents took to it at once."
    )]
    pub what_worked: Option<String>,
    /// What the organisation would do otherwise, as plain text.
    #[schema(
        min_length = 1,
        max_length = 4000,
        pattern = r"^[^\u0000]*[^\s\u0000][^\u0000]*$",
        example = "Plan more time for moving the data."
    )]
    pub would_change: Option<String>,
    /// What it is connected with there, a phrase each.
    #[serde(default)]
    #[schema(max_items = 50, value_type = Vec<Integration>)]
    pub integrations: Vec<String>,
    /// Who sees it. Counts and ranks that everybody sees know of public citations only.
    #[serde(default = "public")]
    pub visibility: Visibility,
    /// Where it is from, when not from the organisation itself.
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\u0000-\u001f\u007f]*[^\s\u0000-\u001f\u007f][^\u0000-\u001f\u007f]*$",
        example = "G-Cloud sales, 2012 to 2014"
    )]
    pub source: Option<String>,
    /// The contract under which it is used.
    #[validate(nested)]
    pub contract: Option<Contract>,
}

fn public() -> Visibility {
    Visibility::Public
}

/// How much a product is used.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Scale {
    /// What is counted.
    pub unit: ScaleUnit,
    /// How many.
    pub band: ScaleBand,
}

/// Contract under which a product is used, in the terms of OCDS.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
#[validate(schema(function = "contract_is_sound"))]
pub struct Contract {
    /// Number or name of the contract.
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\u0000-\u001f\u007f]*[^\s\u0000-\u001f\u007f][^\u0000-\u001f\u007f]*$",
        example = "HK-2023-117"
    )]
    pub reference: Option<String>,
    /// First day.
    #[schema(example = "2023-04-01")]
    pub starts_on: Option<NaiveDate>,
    /// Last day, without extensions.
    #[schema(example = "2027-03-31")]
    pub ends_on: Option<NaiveDate>,
    /// Last day that it can be extended to.
    #[schema(example = "2029-03-31")]
    pub extendable_until: Option<NaiveDate>,
    /// Value over the whole term, in the hundredth part of `currency`.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64, example = 12_000_000)]
    pub amount_pence: Option<i64>,
    /// Currency of the amount (ISO 4217); GBP when absent.
    #[schema(min_length = 3, max_length = 3, pattern = "^[A-Z]{3}$", example = "GBP")]
    pub currency: Option<String>,
    /// Codes of the Common Procurement Vocabulary.
    #[serde(default)]
    #[schema(max_items = 50, value_type = Vec<CpvCode>)]
    pub cpv_codes: Vec<String>,
    /// How it was procured, such as the framework.
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\u0000-\u001f\u007f]*[^\s\u0000-\u001f\u007f][^\u0000-\u001f\u007f]*$",
        example = "G-Cloud 13"
    )]
    pub route_to_market: Option<String>,
}

/// Status that a citation may begin with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(example = "active")]
pub enum FirstStatus {
    /// Not said yet.
    Draft,
    /// In use.
    #[default]
    Active,
    /// No longer in use: for history.
    Ended,
}

impl From<FirstStatus> for Standing {
    fn from(status: FirstStatus) -> Self {
        match status {
            FirstStatus::Draft => Self::Draft,
            FirstStatus::Active => Self::Active,
            FirstStatus::Ended => Self::Ended,
        }
    }
}

/// Citation to make.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct CreateCitation {
    /// Id or slug of the organisation that uses the product.
    #[schema(
        min_length = 1,
        max_length = 80,
        pattern = "^[a-z0-9]+(-[a-z0-9]+)*$",
        example = "london-borough-of-hackney"
    )]
    pub organisation: String,
    /// Id or slug of the product.
    #[schema(min_length = 1, max_length = 80, pattern = "^[a-z0-9]+(-[a-z0-9]+)*$", example = "bin-day")]
    pub product: String,
    /// What it begins as.
    #[serde(default)]
    pub status: FirstStatus,
    #[serde(flatten)]
    #[validate(nested)]
    pub(crate) facts: CitationFacts,
}

/// What may change of a citation, whole.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct ChangeableCitation {
    #[serde(flatten)]
    #[validate(nested)]
    pub(crate) facts: CitationFacts,
}

merge_patch! {
    /// Change to a citation, as a JSON merge patch (RFC 7396): only what is to change; null clears.
    UpdateCitation of ChangeableCitation
}

/// End of a citation.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct EndCitation {
    /// Last day of use; the day that was planned, else today, when absent.
    #[schema(example = "2026-10-31")]
    pub until: Option<NaiveDate>,
}

/// Citations to confirm.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct ConfirmCitations {
    /// Their ids.
    #[schema(min_items = 1, max_items = 100, example = json!(["0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11"]))]
    pub ids: Vec<Uuid>,
}

/// Citations that were confirmed.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CitationList {
    /// The citations, in the order asked for.
    #[schema(max_items = 100)]
    pub items: Vec<Citation>,
}

/// One page of citations.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CitationPage {
    /// The citations on this page.
    #[schema(max_items = 100)]
    pub items: Vec<Citation>,
    /// Cursor of the next page; null on the last.
    #[schema(max_length = 2048, pattern = "^[A-Za-z0-9_-]+$", example = "WyJhIl0")]
    pub next_cursor: Option<String>,
    /// How many there are on all pages; null unless asked for by `count`.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64, example = 33)]
    pub total: Option<i64>,
}

/// A contract of which nothing is said is none.
impl Contract {
    fn of(state: &CitationState) -> Option<Self> {
        state.has_contract.then(|| Self {
            reference: state.contract_reference.clone(),
            starts_on: state.contract_starts_on,
            ends_on: state.contract_ends_on,
            extendable_until: state.contract_extendable_until,
            amount_pence: state.contract_amount_pence,
            currency: state.contract_currency.clone(),
            cpv_codes: state.contract_cpv_codes.0.clone(),
            route_to_market: state.contract_route_to_market.clone(),
        })
    }
}

impl From<CitationFacts> for CitationState {
    fn from(facts: CitationFacts) -> Self {
        let CitationFacts {
            since,
            until,
            scale,
            satisfaction,
            what_worked,
            would_change,
            integrations,
            visibility,
            source,
            contract,
        } = facts;
        let has_contract = contract.is_some();
        let Contract {
            reference,
            starts_on,
            ends_on,
            extendable_until,
            amount_pence,
            currency,
            cpv_codes,
            route_to_market,
        } = contract.unwrap_or_default();
        Self {
            since,
            until,
            scale_unit: scale.map(|scale| scale.unit),
            scale_band: scale.map(|scale| scale.band),
            satisfaction,
            what_worked,
            would_change,
            integrations: integrations.into(),
            visibility,
            source,
            has_contract,
            contract_reference: reference,
            contract_starts_on: starts_on,
            contract_ends_on: ends_on,
            contract_extendable_until: extendable_until,
            contract_currency: amount_pence.map(|_| currency.unwrap_or_else(|| "GBP".to_owned())),
            contract_amount_pence: amount_pence,
            contract_cpv_codes: cpv_codes.into(),
            contract_route_to_market: route_to_market,
        }
    }
}

impl From<CitationState> for CitationFacts {
    fn from(state: CitationState) -> Self {
        let contract = Contract::of(&state);
        let scale = state.scale_unit.zip(state.scale_band).map(|(unit, band)| Scale { unit, band });
        Self {
            since: state.since,
            until: state.until,
            scale,
            satisfaction: state.satisfaction,
            what_worked: state.what_worked,
            would_change: state.would_change,
            integrations: state.integrations.0,
            visibility: state.visibility,
            source: state.source,
            contract,
        }
    }
}

impl From<citations::Citation> for Citation {
    fn from(citation: citations::Citation) -> Self {
        let status = citation.status();
        let citations::Citation { row, organisation, product, overdue: _ } = citation;
        let CitationRow {
            id,
            version,
            created_at,
            updated_at,
            organisation_id: _,
            product_id: _,
            status: _,
            confirmed_at,
            cited_phase: _,
            state,
        } = row;
        Self {
            id,
            version,
            created_at,
            updated_at,
            organisation: organisation.0.into(),
            product: product.0.into(),
            status,
            confirmed_at,
            facts: state.into(),
        }
    }
}

fn ends_after_start(facts: &CitationFacts) -> Result<(), ValidationError> {
    if facts.since.zip(facts.until).is_some_and(|(since, until)| until < since) {
        return Err(fault("/until", "before_start", "must not be before since"));
    }
    Ok(())
}

fn contract_is_sound(contract: &Contract) -> Result<(), ValidationError> {
    let before =
        |one: Option<NaiveDate>, other: Option<NaiveDate>| one.zip(other).is_some_and(|(one, other)| one < other);
    if before(contract.ends_on, contract.starts_on) {
        return Err(fault("/endsOn", "before_start", "must not be before startsOn"));
    }
    if before(contract.extendable_until, contract.ends_on) {
        return Err(fault("/extendableUntil", "before_end", "must not be before endsOn"));
    }
    if contract.currency.is_some() && contract.amount_pence.is_none() {
        return Err(fault("/currency", "without_amount", "says in what the amount is, and there is none"));
    }
    Ok(())
}
