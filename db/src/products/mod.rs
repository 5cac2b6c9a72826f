//! Products: what organisations use, build or plan to build.
//!
//! Here: the rows, and one product at a time. Lists and facets are in [`list`], what was before in [`versions`],
//! dated lines in [`updates`], what is much alike in [`similar`]; ranked search is in [`crate::search`].

pub mod list;
pub mod similar;
pub mod updates;
pub mod versions;

use chrono::{DateTime, NaiveDate, Utc};
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::pg::{Pg, PgValue};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::functions::{organisation_ref, product_counts};
use crate::organisations::{Key, Reference, slug_holder};
use crate::schema::products;
use crate::tx::{Conn, Tx};
use crate::types::{Json, Texts};
use crate::vocabulary::vocabulary;
use crate::{Error, Result, functions};

vocabulary! {
    /// What sort of thing a product is. `product`: software or hardware that can be bought or installed. `project`:
    /// work under way that may become one. `prototype`: made to learn from. `service`: run for others to use.
    ProductKind, "service" {
        /// Can be bought or installed.
        Product = "product",
        /// Work under way.
        Project = "project",
        /// Made to learn from.
        Prototype = "prototype",
        /// Run for others to use.
        Service = "service",
    }
}

vocabulary! {
    /// Delivery phase: those of the GOV.UK Service Manual, with `concept` before them and `retired` after.
    Phase, "beta" {
        /// An idea.
        Concept = "concept",
        /// Finding out what is needed.
        Discovery = "discovery",
        /// Trying out solutions.
        Alpha = "alpha",
        /// Real users, still improving.
        Beta = "beta",
        /// In full use.
        Live = "live",
        /// No longer in use.
        Retired = "retired",
    }
}

vocabulary! {
    /// How mature the software is: `developmentStatus` of publiccode.yml.
    DevelopmentStatus, "stable" {
        /// An idea or a mock-up.
        Concept = "concept",
        /// Under development.
        Development = "development",
        /// Being tried.
        Beta = "beta",
        /// Fit for production.
        Stable = "stable",
        /// Given up.
        Obsolete = "obsolete",
    }
}

vocabulary! {
    /// How far the owner wants others to join in: `share_ideas` (glad to talk), `open_to_conversation` (may work
    /// together), `share_funding` (looks for others to pay and build with).
    CollaborationLevel, "open_to_conversation" {
        /// Glad to talk.
        ShareIdeas = "share_ideas",
        /// May work together.
        OpenToConversation = "open_to_conversation",
        /// Looks for others to pay and build with.
        ShareFunding = "share_funding",
    }
}

vocabulary! {
    /// Rough cost a year, in pounds sterling; each band includes its lower bound.
    BudgetBand, "from_10k_to_50k" {
        /// Under £10,000.
        Under10k = "under_10k",
        /// £10,000 to £50,000.
        From10kTo50k = "from_10k_to_50k",
        /// £50,000 to £100,000.
        From50kTo100k = "from_50k_to_100k",
        /// £100,000 to £500,000.
        From100kTo500k = "from_100k_to_500k",
        /// £500,000 to £1,000,000.
        From500kTo1m = "from_500k_to_1m",
        /// £1,000,000 and more.
        Over1m = "over_1m",
    }
}

vocabulary! {
    /// Which part of `dependsOn` of publiccode.yml a dependency stands in.
    DependencyKind, "open" {
        /// Open source software.
        Open = "open",
        /// Proprietary software.
        Proprietary = "proprietary",
        /// Hardware.
        Hardware = "hardware",
    }
}

/// Something a product needs to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are described on the wire type")]
pub struct Dependency {
    pub name: String,
    pub kind: DependencyKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_min: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_max: Option<String>,
    #[serde(default)]
    pub optional: bool,
}

/// A row of `products`, without what only searches use.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = products)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct ProductRow {
    pub id: Uuid,
    pub version: i32,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub confirmed_at: DateTime<Utc>,
    #[diesel(embed)]
    pub state: ProductState,
}

/// What a writer may set.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable, AsChangeset, Serialize, Deserialize)]
#[diesel(table_name = products, treat_none_as_null = true)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct ProductState {
    pub slug: String,
    pub name: String,
    pub summary: Option<String>,
    pub description: Option<String>,
    pub kind: ProductKind,
    pub phase: Phase,
    pub phase_started_on: Option<NaiveDate>,
    pub phase_reason: Option<String>,
    pub next_assessment_on: Option<NaiveDate>,
    pub supplier_id: Option<Uuid>,
    pub owner_id: Option<Uuid>,
    pub website: Option<String>,
    pub repository: Option<String>,
    pub licence: Option<String>,
    pub development_status: Option<DevelopmentStatus>,
    pub software_version: Option<String>,
    pub release_date: Option<NaiveDate>,
    pub categories: Texts,
    pub platforms: Texts,
    pub features: Texts,
    pub standards: Texts,
    pub depends_on: Json<Vec<Dependency>>,
    pub service_codes: Texts,
    pub cpv_codes: Texts,
    pub collaboration_level: Option<CollaborationLevel>,
    pub budget_band: Option<BudgetBand>,
}

/// A product as everybody sees it.
#[derive(Debug, Clone, Queryable)]
pub struct Product {
    /// Its own columns.
    pub row: ProductRow,
    /// Who supplies it.
    pub supplier: Option<Json<Reference>>,
    /// Who owns or runs it.
    pub owner: Option<Json<Reference>>,
    /// How much is said of it.
    pub counts: Counts,
}

/// How much everybody sees said of a product.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, FromSqlRow)]
pub struct Counts {
    /// Public citations that are active or ended.
    pub citations: i64,
    /// Organisations with a public citation that is active.
    pub organisations: i64,
    /// Comments that are visible.
    pub comments: i64,
}

impl FromSql<Array<BigInt>, Pg> for Counts {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        let counts = <Vec<i64> as FromSql<Array<BigInt>, Pg>>::from_sql(value)?;
        let [citations, organisations, comments] = counts.as_slice() else { return Err("not three counts".into()) };
        Ok(Self { citations: *citations, organisations: *organisations, comments: *comments })
    }
}

/// The id of a product that exists, by id or by any slug it ever had.
pub fn id_of(conn: &mut Conn<'_>, key: &Key) -> Result<Uuid> {
    let id = match key {
        Key::Id(id) => *id,
        Key::Slug(slug) => slug_holder(conn, "products", slug)?,
    };
    Ok(products::table.find(id).select(products::id).first(conn.pg)?)
}

/// The ids of those products that exist, for filters: the others match nothing.
pub fn known(conn: &mut Conn<'_>, keys: &[Key]) -> Result<Vec<Uuid>> {
    let mut ids = Vec::with_capacity(keys.len());
    for key in keys {
        match id_of(conn, key) {
            Ok(id) => ids.push(id),
            Err(Error::NotFound) => {}
            Err(other) => return Err(other),
        }
    }
    Ok(ids)
}

/// Those of a name, whatever its case and accents, with their suppliers: at most a few.
pub fn by_name(conn: &mut Conn<'_>, name: &str) -> Result<Vec<(Uuid, Option<Uuid>)>> {
    let folded = crate::organisations::folded(conn, name)?;
    Ok(products::table
        .filter(functions::fold(products::name).eq(folded))
        .order(products::id)
        .select((products::id, products::supplier_id))
        .limit(20)
        .load(conn.pg)?)
}

/// Folds some thousand of the oldest additions to the counters into them, and tells how many there were; none while
/// another process is at it.
pub fn fold_counters(tx: &mut Tx<'_>) -> Result<i64> {
    Ok(diesel::select(functions::fold_product_counters(5000)).get_result(tx.pg)?)
}

/// The product, by id or by any slug it ever had.
pub fn get(conn: &mut Conn<'_>, key: &Key) -> Result<Product> {
    let id = id_of(conn, key)?;
    by_id(conn, id)
}

pub(crate) fn by_id(conn: &mut Conn<'_>, id: Uuid) -> Result<Product> {
    list::load(conn, &[id])?.pop().ok_or(Error::NotFound)
}

/// The product with its row locked for the rest of the transaction.
pub fn lock(tx: &mut Tx<'_>, key: &Key) -> Result<Product> {
    let id = id_of(&mut tx.conn(), key)?;
    products::table.find(id).select(products::id).for_update().first::<Uuid>(tx.pg)?;
    by_id(&mut tx.conn(), id)
}

/// A slug for a name, free now and, within this transaction, later.
pub fn free_slug(tx: &mut Tx<'_>, name: &str) -> Result<String> {
    Ok(diesel::select(functions::free_slug("products", name)).get_result(tx.pg)?)
}

/// Why and from where a version comes.
#[derive(Debug, Clone, Default)]
pub struct Note {
    /// Why, in the writer's words.
    pub reason: Option<String>,
    /// The earlier version that is restored.
    pub reverts_to: Option<i32>,
}

/// Adds a product.
pub fn create(tx: &mut Tx<'_>, id: Uuid, state: &ProductState) -> Result<Product> {
    diesel::insert_into(products::table).values((products::id.eq(id), state)).execute(tx.pg)?;
    versions::record(tx, id, 1, state, &Note::default())?;
    tx.audit("products", id, None, Some(state))?;
    by_id(&mut tx.conn(), id)
}

/// Brings a locked product into another state, as a new version. When it is in that state already nothing is written.
///
/// A new phase without a first day begins today.
pub fn update(tx: &mut Tx<'_>, current: &Product, state: &ProductState, note: &Note) -> Result<Product> {
    let before = &current.row.state;
    if before == state {
        return Ok(current.clone());
    }
    let id = current.row.id;
    let mut state = state.clone();
    if state.phase != before.phase && state.phase_started_on.is_none() {
        state.phase_started_on = Some(diesel::select(crate::organisations::today()).get_result(tx.pg)?);
    }
    let version: i32 = diesel::update(products::table.find(id))
        .set((&state, products::confirmed_at.eq(diesel::dsl::now)))
        .returning(products::version)
        .get_result(tx.pg)?;
    versions::record(tx, id, version, &state, note)?;
    tx.audit("products", id, Some(before), Some(&state))?;
    by_id(&mut tx.conn(), id)
}

/// Removes a locked product that nobody cites.
pub fn delete(tx: &mut Tx<'_>, current: &Product) -> Result<()> {
    diesel::delete(products::table.find(current.row.id)).execute(tx.pg)?;
    tx.audit("products", current.row.id, Some(&current.row.state), None)
}

type Columns = (
    diesel::dsl::AsSelect<ProductRow, diesel::pg::Pg>,
    organisation_ref<products::supplier_id>,
    organisation_ref<products::owner_id>,
    product_counts<products::id>,
);

pub(crate) fn columns() -> Columns {
    (
        ProductRow::as_select(),
        organisation_ref(products::supplier_id),
        organisation_ref(products::owner_id),
        product_counts(products::id),
    )
}
