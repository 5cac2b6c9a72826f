//! Products as they go over the wire.

use chrono::{DateTime, NaiveDate, Utc};
use db::organisations::Key;
use db::products::list::FRESH_DAYS;
use db::products::{
    self, BudgetBand, CollaborationLevel, DependencyKind, DevelopmentStatus, Phase, ProductKind, ProductRow,
    ProductState,
};
use db::types::{Json as JsonColumn, Texts};
use db::{Tx, organisations, reference};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use validator::Validate;

use crate::http::text::{Category, CpvCode, Feature, Platform, ServiceCode, Standard};
use crate::merge_patch;
use crate::problem::Problem;
use crate::v1::organisations::wire::OrganisationReference;

/// Anything that an organisation uses, builds or plans to build, from idea to retirement.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Product {
    /// Identifier, UUIDv7.
    #[schema(read_only, example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    pub id: Uuid,
    /// Rises by one with each change; the entity tag begins with it.
    #[schema(read_only, minimum = 1, maximum = 2_147_483_647, example = 3)]
    pub version: i32,
    /// When it was added (UTC).
    #[schema(read_only, example = "2026-11-23T09:30:00Z")]
    pub created_at: DateTime<Utc>,
    /// When it last changed (UTC).
    #[schema(read_only, example = "2026-11-23T09:30:00Z")]
    pub updated_at: DateTime<Utc>,
    /// When somebody last stood by what is recorded (UTC).
    #[schema(read_only, example = "2026-11-23T09:30:00Z")]
    pub confirmed_at: DateTime<Utc>,
    /// Readable identifier, which works in place of `id`. An earlier one redirects here for good.
    #[schema(min_length = 1, max_length = 80, pattern = "^[a-z0-9]+(-[a-z0-9]+)*$", example = "bin-collection-skill")]
    pub slug: String,
    #[serde(flatten)]
    pub(crate) facts: ProductFacts,
    /// Who supplies it.
    pub supplier: Option<OrganisationReference>,
    /// The public body that owns or runs it.
    pub owner: Option<OrganisationReference>,
    /// Citations of it that stand, those that ended included.
    #[schema(read_only, minimum = 0, maximum = 9_007_199_254_740_991_i64, example = 12)]
    pub citation_count: i64,
    /// Organisations that say today that they use it.
    #[schema(read_only, minimum = 0, maximum = 9_007_199_254_740_991_i64, example = 9)]
    pub organisation_count: i64,
    /// Comments on it that everybody sees.
    #[schema(read_only, minimum = 0, maximum = 9_007_199_254_740_991_i64, example = 4)]
    pub comment_count: i64,
    /// Whether what is recorded can be relied on.
    pub freshness: Freshness,
    /// Only in the answer to its addition: products much like it. When one of them is the same thing, remove this one
    /// and use that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(read_only, nullable = false, max_items = 5)]
    pub similar: Option<Vec<SimilarProduct>>,
}

/// Whether what is recorded can be relied on: `fresh` when somebody stood by it within the last 365 days, else `stale`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(example = "fresh")]
pub enum Freshness {
    /// Stood by within the last 365 days.
    Fresh,
    /// Longer ago.
    Stale,
}

/// What a writer says of a product, the same to add and to change it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProductFacts {
    /// Name, as its makers write it.
    #[schema(
        min_length = 1,
        max_length = 120,
        pattern = r"^[^\u0000-\u001f\u007f]*[^\s\u0000-\u001f\u007f][^\u0000-\u001f\u007f]*$",
        example = "Bin collection skill"
    )]
    pub name: String,
    /// What it does, in one line (publiccode.yml `shortDescription`).
    #[schema(
        min_length = 1,
        max_length = 150,
        pattern = r"^[^\u0000-\u001f\u007f]*[^\s\u0000-\u001f\u007f][^\u0000-\u001f\u007f]*$",
        example = "Tells residents through a voice assistant which bin goes out when."
    )]
    pub summary: Option<String>,
    /// What it does, at length, in Markdown (publiccode.yml `longDescription`).
    #[schema(
        min_length = 1,
        max_length = 20000,
        pattern = r"^[^\u0000]*$",
        example = "Residents ask their voice assistant; the skill looks their address up by UPRN."
    )]
    pub description: Option<String>,
    /// What sort of thing it is.
    pub kind: ProductKind,
    /// Delivery phase.
    pub phase: Phase,
    /// First day of the present phase. When the phase changes and this is not given, today.
    #[schema(example = "2026-03-02")]
    pub phase_started_on: Option<NaiveDate>,
    /// Why it came to the present phase; required when the phase moves backwards.
    #[schema(
        min_length = 1,
        max_length = 1000,
        pattern = r"^[^\u0000]*[^\s\u0000][^\u0000]*$",
        example = "Research showed that half of the addresses were wrong."
    )]
    pub phase_reason: Option<String>,
    /// Day of the next service assessment.
    #[schema(example = "2027-02-01")]
    pub next_assessment_on: Option<NaiveDate>,
    /// Its website: http or https.
    #[schema(
        format = "uri",
        max_length = 2000,
        pattern = r"^https?://[^\s\u0000-\u001f\u007f]+$",
        example = "https://bins.example.org/skill"
    )]
    pub website: Option<String>,
    /// Where its source code is: http or https (publiccode.yml `url`).
    #[schema(
        format = "uri",
        max_length = 2000,
        pattern = r"^https?://[^\s\u0000-\u001f\u007f]+$",
        example = "https://git.example.org/bins/skill"
    )]
    pub repository: Option<String>,
    /// SPDX licence expression; null when it is proprietary.
    #[schema(format = "spdx", min_length = 1, max_length = 200, pattern = r"^[A-Za-z0-9.+() -]+$", example = "MIT")]
    pub licence: Option<String>,
    /// How mature the software is.
    pub development_status: Option<DevelopmentStatus>,
    /// Latest released version, as its makers write it.
    #[schema(min_length = 1, max_length = 80, pattern = r"^[^\u0000-\u001f\u007f]*$", example = "1.10.0")]
    pub software_version: Option<String>,
    /// Day of that release.
    #[schema(example = "2026-10-01")]
    pub release_date: Option<NaiveDate>,
    /// What it is for; categories of publiccode.yml where one fits.
    #[serde(default)]
    #[schema(max_items = 30, value_type = Vec<Category>)]
    pub categories: Vec<String>,
    /// Where it runs (publiccode.yml `platforms`).
    #[serde(default)]
    #[schema(max_items = 30, value_type = Vec<Platform>)]
    pub platforms: Vec<String>,
    /// What it does, a phrase each.
    #[serde(default)]
    #[schema(max_items = 100, value_type = Vec<Feature>)]
    pub features: Vec<String>,
    /// Standards that it follows.
    #[serde(default)]
    #[schema(max_items = 50, value_type = Vec<Standard>)]
    pub standards: Vec<String>,
    /// What it needs to run (publiccode.yml `dependsOn`).
    #[serde(default)]
    #[schema(max_items = 100)]
    pub depends_on: Vec<Dependency>,
    /// Services of local government that it serves: codes of the Local Government Services List.
    #[serde(default)]
    #[schema(max_items = 50, value_type = Vec<ServiceCode>)]
    pub service_codes: Vec<String>,
    /// What it is bought as: codes of the Common Procurement Vocabulary.
    #[serde(default)]
    #[schema(max_items = 50, value_type = Vec<CpvCode>)]
    pub cpv_codes: Vec<String>,
    /// How far its owner wants others to join in.
    pub collaboration_level: Option<CollaborationLevel>,
    /// Rough cost a year.
    pub budget_band: Option<BudgetBand>,
}

/// Something that a product needs to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Dependency {
    /// Its name.
    #[schema(min_length = 1, max_length = 200, pattern = r"^[^\u0000-\u001f\u007f]*$", example = "PostgreSQL")]
    pub name: String,
    /// What sort of thing.
    pub kind: DependencyKind,
    /// The one version that works.
    #[schema(min_length = 1, max_length = 80, pattern = r"^[^\u0000-\u001f\u007f]*$", example = "16")]
    pub version: Option<String>,
    /// The earliest version that works.
    #[schema(min_length = 1, max_length = 80, pattern = r"^[^\u0000-\u001f\u007f]*$", example = "15")]
    pub version_min: Option<String>,
    /// The latest version that works.
    #[schema(min_length = 1, max_length = 80, pattern = r"^[^\u0000-\u001f\u007f]*$", example = "18")]
    pub version_max: Option<String>,
    /// Whether it also runs without.
    #[serde(default)]
    #[schema(example = false)]
    pub optional: bool,
}

/// Product to add.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct CreateProduct {
    /// Readable identifier; made from the name when absent.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 80, pattern = "^[a-z0-9]+(-[a-z0-9]+)*$", example = "bin-collection-skill")]
    pub slug: Option<String>,
    #[serde(flatten)]
    #[validate(nested)]
    pub(crate) facts: ProductFacts,
    /// Id or slug of the organisation that supplies it.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 80, pattern = "^[a-z0-9]+(-[a-z0-9]+)*$", example = "granicus")]
    pub supplier: Option<String>,
    /// Id or slug of the public body that owns or runs it.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 80, pattern = "^[a-z0-9]+(-[a-z0-9]+)*$", example = "hackney")]
    pub owner: Option<String>,
}

merge_patch! {
    /// Change to a product, as a JSON merge patch (RFC 7396): only what is to change; null clears.
    UpdateProduct of CreateProduct
}

/// How another resource names a product.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProductReference {
    /// Its id.
    #[schema(example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    pub id: Uuid,
    /// Its slug.
    #[schema(min_length = 1, max_length = 80, pattern = "^[a-z0-9]+(-[a-z0-9]+)*$", example = "bin-day")]
    pub slug: String,
    /// Its name.
    #[schema(min_length = 1, max_length = 120, pattern = r"^[^\u0000-\u001f\u007f]*$", example = "Bin day")]
    pub name: String,
}

impl From<db::organisations::Reference> for ProductReference {
    fn from(db::organisations::Reference { id, slug, name }: db::organisations::Reference) -> Self {
        Self { id, slug, name }
    }
}

/// One page of products.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProductPage {
    /// The products on this page.
    #[schema(max_items = 100)]
    pub items: Vec<Product>,
    /// Cursor of the next page; null on the last.
    #[schema(max_length = 2048, pattern = "^[A-Za-z0-9_-]+$", example = "WyJhIl0")]
    pub next_cursor: Option<String>,
    /// How many there are on all pages; null unless asked for by `count`.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64, example = 205)]
    pub total: Option<i64>,
    /// Counts by value of the facets asked for, over all pages.
    #[schema(max_items = 8)]
    pub facets: Vec<Facet>,
    /// false when a search matched more products than are ranked (see `q`), so that pages, `total` and `facets` speak
    /// of the best candidates only.
    #[schema(example = true)]
    pub complete: bool,
}

/// How many products have each value of a field.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Facet {
    /// The field.
    pub field: FacetField,
    /// The commonest values first, at most 50.
    #[schema(max_items = 50)]
    pub values: Vec<FacetValue>,
}

/// How many products have a value.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FacetValue {
    /// The value; organisations by slug.
    #[schema(max_length = 200, pattern = r"^[^\u0000-\u001f\u007f]*$", example = "live")]
    pub value: String,
    /// How many products have it.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64, example = 42)]
    pub count: i64,
}

/// Field that can be counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = "phase")]
#[expect(missing_docs, reason = "named after the fields")]
pub enum FacetField {
    Kind,
    Phase,
    Category,
    Platform,
    Licence,
    ServiceCode,
    Supplier,
    DevelopmentStatus,
}

/// Product much like another.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SimilarProduct {
    /// Its id.
    #[schema(example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c12")]
    pub id: Uuid,
    /// Its slug.
    #[schema(min_length = 1, max_length = 80, pattern = "^[a-z0-9]+(-[a-z0-9]+)*$", example = "bin-day")]
    pub slug: String,
    /// Its name.
    #[schema(min_length = 1, max_length = 120, pattern = r"^[^\u0000-\u001f\u007f]*$", example = "Bin day")]
    pub name: String,
    /// Its summary.
    #[schema(max_length = 150, pattern = r"^[^\u0000-\u001f\u007f]*$", example = "Tells residents their bin day.")]
    pub summary: Option<String>,
    /// How alike, from 0 to 1: seven tenths the names, three tenths the codes.
    #[schema(minimum = 0, maximum = 1, example = 0.62)]
    pub score: f64,
    /// Service, CPV and category codes that both have.
    #[schema(max_items = 130, value_type = Vec<Category>)]
    pub shared_codes: Vec<String>,
}

/// Products much like one.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SimilarProductList {
    /// The most alike first.
    #[schema(max_items = 20)]
    pub items: Vec<SimilarProduct>,
    /// Always null: there are no more pages.
    #[schema(max_length = 2048, pattern = "^[A-Za-z0-9_-]+$", example = json!(null))]
    pub next_cursor: Option<String>,
}

impl CreateProduct {
    /// The state to store; faults for references that lead nowhere and for unknown codes, all at once.
    pub(crate) fn state(&self, tx: &mut Tx<'_>, slug: String) -> Result<ProductState, Problem> {
        let mut faults = reference::check_service_codes(&mut tx.conn(), &self.facts.service_codes)?;
        let key = |field: &str, key: &Option<String>| key.as_deref().map(|key| (format!("/{field}"), Key::from(key)));
        let keys: Vec<_> = [key("supplier", &self.supplier), key("owner", &self.owner)].into_iter().flatten().collect();
        let ids = match organisations::resolve(tx, &keys) {
            Ok(ids) => ids,
            Err(db::Error::Conflict(unknown)) => {
                faults.extend(unknown);
                Vec::new()
            }
            Err(other) => return Err(other.into()),
        };
        if !faults.is_empty() {
            return Err(Problem::conflict(&faults));
        }
        let mut ids = ids.into_iter();
        let supplier_id = self.supplier.as_ref().and_then(|_| ids.next());
        let owner_id = self.owner.as_ref().and_then(|_| ids.next());
        Ok(self.facts.clone().into_state(slug, supplier_id, owner_id))
    }
}

impl ProductFacts {
    fn into_state(self, slug: String, supplier_id: Option<Uuid>, owner_id: Option<Uuid>) -> ProductState {
        let Self {
            name,
            summary,
            description,
            kind,
            phase,
            phase_started_on,
            phase_reason,
            next_assessment_on,
            website,
            repository,
            licence,
            development_status,
            software_version,
            release_date,
            categories,
            platforms,
            features,
            standards,
            depends_on,
            service_codes,
            cpv_codes,
            collaboration_level,
            budget_band,
        } = self;
        ProductState {
            slug,
            name,
            summary,
            description,
            kind,
            phase,
            phase_started_on,
            phase_reason,
            next_assessment_on,
            supplier_id,
            owner_id,
            website,
            repository,
            licence,
            development_status,
            software_version,
            release_date,
            categories: once_each(categories),
            platforms: once_each(platforms),
            features: once_each(features),
            standards: once_each(standards),
            depends_on: JsonColumn(depends_on.into_iter().map(Into::into).collect()),
            service_codes: once_each(service_codes),
            cpv_codes: once_each(cpv_codes),
            collaboration_level,
            budget_band,
        }
    }
}

/// A list in its order, each item once: a repetition says nothing, so it is dropped rather than refused.
fn once_each(items: Vec<String>) -> Texts {
    let mut seen = std::collections::HashSet::new();
    Texts(items.into_iter().filter(|item| seen.insert(item.clone())).collect())
}

impl From<ProductState> for CreateProduct {
    fn from(state: ProductState) -> Self {
        let ProductState {
            slug,
            name,
            summary,
            description,
            kind,
            phase,
            phase_started_on,
            phase_reason,
            next_assessment_on,
            supplier_id,
            owner_id,
            website,
            repository,
            licence,
            development_status,
            software_version,
            release_date,
            categories,
            platforms,
            features,
            standards,
            depends_on,
            service_codes,
            cpv_codes,
            collaboration_level,
            budget_band,
        } = state;
        Self {
            slug: Some(slug),
            facts: ProductFacts {
                name,
                summary,
                description,
                kind,
                phase,
                phase_started_on,
                phase_reason,
                next_assessment_on,
                website,
                repository,
                licence,
                development_status,
                software_version,
                release_date,
                categories: categories.0,
                platforms: platforms.0,
                features: features.0,
                standards: standards.0,
                depends_on: depends_on.0.into_iter().map(Into::into).collect(),
                service_codes: service_codes.0,
                cpv_codes: cpv_codes.0,
                collaboration_level,
                budget_band,
            },
            supplier: supplier_id.map(|id| id.to_string()),
            owner: owner_id.map(|id| id.to_string()),
        }
    }
}

impl Product {
    /// The product as of `now`, on which freshness depends.
    pub(crate) fn new(product: products::Product, now: DateTime<Utc>) -> Self {
        let products::Product { row, supplier, owner, counts } = product;
        let ProductRow { id, version, created_at, updated_at, confirmed_at, state } = row;
        let CreateProduct { slug: _, facts, supplier: _, owner: _ } = state.clone().into();
        let fresh = now - confirmed_at < chrono::Duration::days(FRESH_DAYS.into());
        Self {
            id,
            version,
            created_at,
            updated_at,
            confirmed_at,
            slug: state.slug,
            facts,
            supplier: supplier.map(|supplier| supplier.0.into()),
            owner: owner.map(|owner| owner.0.into()),
            citation_count: counts.citations,
            organisation_count: counts.organisations,
            comment_count: counts.comments,
            freshness: if fresh { Freshness::Fresh } else { Freshness::Stale },
            similar: None,
        }
    }
}

impl From<products::Dependency> for Dependency {
    fn from(dependency: products::Dependency) -> Self {
        let products::Dependency { name, kind, version, version_min, version_max, optional } = dependency;
        Self { name, kind, version, version_min, version_max, optional }
    }
}

impl From<Dependency> for products::Dependency {
    fn from(dependency: Dependency) -> Self {
        let Dependency { name, kind, version, version_min, version_max, optional } = dependency;
        Self { name, kind, version, version_min, version_max, optional }
    }
}

impl From<products::similar::SimilarProduct> for SimilarProduct {
    fn from(product: products::similar::SimilarProduct) -> Self {
        let products::similar::SimilarProduct { id, slug, name, summary, score, shared_codes } = product;
        Self { id, slug, name, summary, score, shared_codes: shared_codes.0 }
    }
}
