//! Versions of a product: every one kept, compared, reverted to.

use actix_web::Responder;
use actix_web::web::Data;
use chrono::{DateTime, Utc};
use db::organisations::Key;
use db::products::{self, Note, ProductState, versions};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use validator::Validate;

use super::wire::{CreateProduct, Product};
use super::{ProductPath, answer};
use crate::app::App;
use crate::auth::rules;
use crate::http::etag::{IfNoneMatchHeader, OptionalIfMatch, OptionalIfMatchHeader};
use crate::http::idempotency::IdempotencyKeyHeader;
use crate::http::{Collection, Cursor, Json, Once, Paging, Path, Query, Single};
use crate::problem::Problem;
use crate::routes::Routes;
use crate::v1::organisations::wire::OrganisationReference;

/// The operations here.
#[must_use]
pub fn routes() -> Routes {
    routes![list_product_versions, get_product_version, compare_product_versions, revert_product]
}

/// A state that a product was in, and how it came to be.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProductVersion {
    /// Number, from 1.
    #[schema(minimum = 1, maximum = 2_147_483_647, example = 3)]
    pub version: i32,
    /// When it came to be (UTC).
    #[schema(example = "2026-11-23T09:30:00Z")]
    pub recorded_at: DateTime<Utc>,
    /// On whose behalf; null for operators and imports.
    pub organisation: Option<OrganisationReference>,
    /// Why, where the writer said so.
    #[schema(max_length = 1000, pattern = r"^[^\u0000]*$", example = "The supplier renamed it.")]
    pub reason: Option<String>,
    /// The earlier version that it restored.
    #[schema(minimum = 1, maximum = 2_147_483_647, example = 1)]
    pub reverts_to: Option<i32>,
    /// Names of the fields that differ from the version before; empty for the first.
    #[schema(max_items = 40, value_type = Vec<FieldName>)]
    pub changed_fields: Vec<String>,
    /// The product, as a writer could have sent it.
    pub product: CreateProduct,
}

crate::http::text::text! {
    /// Name of a field.
    FieldName, 1 to 40, "^[a-z][A-Za-z0-9]*$", "summary"
}

/// One page of versions.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProductVersionPage {
    /// The versions on this page, latest first.
    #[schema(max_items = 100)]
    pub items: Vec<ProductVersion>,
    /// Cursor of the next page; null on the last.
    #[schema(max_length = 2048, pattern = "^[A-Za-z0-9_-]+$", example = "Mg")]
    pub next_cursor: Option<String>,
}

/// Differences between two versions, field by field.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProductComparison {
    /// The one version.
    #[schema(minimum = 1, maximum = 2_147_483_647, example = 1)]
    pub from: i32,
    /// The other.
    #[schema(minimum = 1, maximum = 2_147_483_647, example = 3)]
    pub to: i32,
    /// The fields that differ, by name.
    #[schema(max_items = 40)]
    pub differences: Vec<FieldDifference>,
}

/// A field as it was in one version and in another.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FieldDifference {
    /// Name of the field.
    #[schema(min_length = 1, max_length = 40, pattern = "^[a-z][A-Za-z0-9]*$", example = "summary")]
    pub field: String,
    /// Its value in the one version, of the field's own type; null when it had none.
    #[schema(example = "Bin days.")]
    pub from: Value,
    /// Its value in the other version.
    #[schema(example = "Tells residents their bin day.")]
    pub to: Value,
}

/// Which version to return to, and why.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct RevertProduct {
    /// Number of the version to return to.
    #[schema(minimum = 1, maximum = 2_147_483_647, example = 1)]
    pub version: i32,
    /// Why.
    #[schema(
        min_length = 1,
        max_length = 1000,
        pattern = r"^[^\u0000]*[^\s\u0000][^\u0000]*$",
        example = "The new description was of another product."
    )]
    pub reason: String,
}

/// Which versions to compare.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct CompareVersions {
    /// Number of the one version.
    #[param(minimum = 1, maximum = 2_147_483_647, example = 1)]
    from: i32,
    /// Number of the other version.
    #[param(minimum = 1, maximum = 2_147_483_647, example = 2)]
    to: i32,
}

/// List versions of a product
///
/// Every state that it was in, latest first, each with what changed since the one before.
#[utoipa::path(
    get, path = "/products/{id}/versions", tag = "products",
    params(ProductPath, Paging, IfNoneMatchHeader),
    security((), ("oauth2" = ["products:read"]), ("bearer" = [])),
    responses((status = 200, body = ProductVersionPage, description = "A page of versions.")),
)]
async fn list_product_versions(
    app: Data<App>,
    key: Path<Key>,
    query: Query<Paging>,
) -> Result<impl Responder, Problem> {
    let (Path(key), Query(paging)) = (key, query);
    let (before, limit): (Option<i32>, usize) = (paging.after()?, paging.limit());
    let page = app
        .db
        .read(move |conn| {
            let id = products::id_of(conn, &key)?;
            versions::list(conn, id, before, limit)
        })
        .await
        .map_err(Problem::from)?;
    let next = page.next.as_ref().map(Cursor::write);
    let items = page.items.into_iter().map(|(version, before)| ProductVersion::new(version, before.as_ref())).collect();
    Ok(Collection { page: ProductVersionPage { items, next_cursor: next.clone() }, next })
}

/// Read a version of a product
///
/// One state that it was in, and how it came to be. A version never changes.
#[utoipa::path(
    get, path = "/products/{id}/versions/{version}", tag = "products",
    params(ProductPath, VersionPath, IfNoneMatchHeader),
    security((), ("oauth2" = ["products:read"]), ("bearer" = [])),
    responses((status = 200, body = ProductVersion, description = "The version.")),
)]
async fn get_product_version(app: Data<App>, path: Path<(Key, i32)>) -> Result<impl Responder, Problem> {
    let Path((key, number)) = path;
    let (found, before) = app
        .db
        .read(move |conn| {
            let id = products::id_of(conn, &key)?;
            let found = versions::find(conn, id, number)?;
            let before = if number > 1 { Some(versions::find(conn, id, number - 1)?) } else { None };
            Ok::<_, db::Error>((found, before))
        })
        .await
        .map_err(Problem::from)?;
    Ok(Single::ok(ProductVersion::new(found, before.as_ref().map(|before| &before.state.0)), number))
}

/// Compare two versions of a product
///
/// Field by field, what differs between two versions.
#[utoipa::path(
    get, path = "/products/{id}/compare", tag = "products",
    params(ProductPath, CompareVersions, IfNoneMatchHeader),
    security((), ("oauth2" = ["products:read"]), ("bearer" = [])),
    responses((status = 200, body = ProductComparison, description = "What differs.")),
)]
async fn compare_product_versions(
    app: Data<App>,
    key: Path<Key>,
    query: Query<CompareVersions>,
) -> Result<impl Responder, Problem> {
    let (Path(key), Query(CompareVersions { from, to })) = (key, query);
    let (one, other) = app
        .db
        .read(move |conn| {
            let id = products::id_of(conn, &key)?;
            Ok::<_, db::Error>((versions::find(conn, id, from)?, versions::find(conn, id, to)?))
        })
        .await
        .map_err(Problem::from)?;
    let differences = differences(&one.state.0, &other.state.0);
    Ok(Single::ok(ProductComparison { from, to, differences }, to))
}

/// Revert a product
///
/// Makes a new version with the content of an earlier one; nothing is lost. The present slug stays.
#[utoipa::path(
    post, path = "/products/{id}/revert", tag = "products",
    params(ProductPath, OptionalIfMatchHeader, IdempotencyKeyHeader),
    request_body(content = RevertProduct, description = "Which version to return to, and why."),
    security(("oauth2" = ["products:write"]), ("bearer" = [])),
    responses(
        (status = 200, body = Product, description = "The product, as reverted."),
        (status = 409, description = "There is no such version, or something that it refers to has gone."),
    ),
)]
async fn revert_product(
    app: Data<App>,
    once: Once,
    key: Path<Key>,
    if_match: OptionalIfMatch,
    body: Json<RevertProduct>,
) -> Result<impl Responder, Problem> {
    let (Path(key), Json(RevertProduct { version, reason }), clock) = (key, body, app.clock);
    let reverted = once.run(move |tx| {
        let current = products::lock(tx, &key)?;
        rules::may_curate_product(tx.roles(), &current.row.state)?;
        if_match.check(current.row.version)?;
        let earlier = versions::find(&mut tx.conn(), current.row.id, version).map_err(|error| match error {
            db::Error::NotFound => {
                let fault = db::Fault::new("/version", "unknown_version", "This product has no such version.");
                db::Error::Conflict(vec![fault])
            }
            other => other,
        })?;
        let mut state = ProductState { slug: current.row.state.slug.clone(), ..earlier.state.0 };
        if state.phase < current.row.state.phase {
            state.phase_reason = Some(reason.clone());
        }
        rules::may_update_product(tx.roles(), &current.row.state, &state)?;
        let note = Note { reason: Some(reason.clone()), reverts_to: Some(version) };
        Ok(answer(clock, products::update(tx, &current, &state, &note)?))
    });
    reverted.await
}

/// Which version.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes the parameter that `Path` reads")]
pub struct VersionPath {
    /// Number of the version.
    #[param(minimum = 1, maximum = 2_147_483_647, example = 1)]
    version: i32,
}

impl ProductVersion {
    fn new(version: versions::ProductVersion, before: Option<&ProductState>) -> Self {
        let versions::ProductVersion { version, recorded_at, organisation, reason, reverts_to, state } = version;
        let changed = before.map(|before| differences(before, &state.0)).unwrap_or_default();
        Self {
            version,
            recorded_at,
            organisation: organisation.map(|organisation| organisation.0.into()),
            reason,
            reverts_to,
            changed_fields: changed.into_iter().map(|difference| difference.field).collect(),
            product: state.0.into(),
        }
    }
}

/// By the names on the wire, in their order.
fn differences(one: &ProductState, other: &ProductState) -> Vec<FieldDifference> {
    let fields = |state: &ProductState| match serde_json::to_value(CreateProduct::from(state.clone())) {
        Ok(Value::Object(fields)) => fields,
        _ => serde_json::Map::new(),
    };
    let (one, other) = (fields(one), fields(other));
    other
        .into_iter()
        .filter_map(|(field, to)| {
            let from = one.get(&field).cloned().unwrap_or(Value::Null);
            (from != to).then_some(FieldDifference { field, from, to })
        })
        .collect()
}
