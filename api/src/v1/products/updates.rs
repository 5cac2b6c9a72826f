//! Status updates of a product: dated lines, reported once and read everywhere.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpResponse, Responder};
use chrono::{DateTime, NaiveDate, Utc};
use db::organisations::Key;
use db::products::{self, updates};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use validator::Validate;

use super::ProductPath;
use crate::app::App;
use crate::auth::{Caller, rules};
use crate::http::etag::{IfMatchHeader, IfNoneMatchHeader};
use crate::http::idempotency::IdempotencyKeyHeader;
use crate::http::{Collection, Cursor, IfMatch, Json, Once, Paging, Path, Query, Single};
use crate::problem::Problem;
use crate::routes::Routes;
use crate::v1::organisations::wire::OrganisationReference;

/// The operations here.
#[must_use]
pub fn routes() -> Routes {
    routes![list_product_updates, create_product_update, get_product_update, delete_product_update]
}

/// Dated line on how a product is getting on.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProductUpdate {
    /// Identifier, UUIDv7.
    #[schema(read_only, example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    pub id: Uuid,
    /// Rises by one with each change; the entity tag begins with it.
    #[schema(read_only, minimum = 1, maximum = 2_147_483_647, example = 1)]
    pub version: i32,
    /// When it was posted (UTC).
    #[schema(read_only, example = "2026-11-23T09:30:00Z")]
    pub created_at: DateTime<Utc>,
    /// When it last changed (UTC).
    #[schema(read_only, example = "2026-11-23T09:30:00Z")]
    pub updated_at: DateTime<Utc>,
    /// Id of the product.
    #[schema(read_only, example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    pub product_id: Uuid,
    /// The day that it speaks of.
    #[schema(example = "2026-11-20")]
    pub posted_on: NaiveDate,
    /// Plain text.
    #[schema(
        min_length = 1,
        max_length = 1000,
        pattern = r"^[^\u0000]*[^\s\u0000][^\u0000]*$",
        example = "Passed its alpha assessment."
    )]
    pub body: String,
    /// The organisation that posted it; null for operators.
    pub organisation: Option<OrganisationReference>,
}

/// Status update to post.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct CreateProductUpdate {
    /// The day that it speaks of; today when absent.
    #[schema(example = "2026-11-20")]
    pub posted_on: Option<NaiveDate>,
    /// Plain text.
    #[schema(
        min_length = 1,
        max_length = 1000,
        pattern = r"^[^\u0000]*[^\s\u0000][^\u0000]*$",
        example = "Passed its alpha assessment."
    )]
    pub body: String,
}

/// One page of status updates.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProductUpdatePage {
    /// The updates on this page, latest day first.
    #[schema(max_items = 100)]
    pub items: Vec<ProductUpdate>,
    /// Cursor of the next page; null on the last.
    #[schema(max_length = 2048, pattern = "^[A-Za-z0-9_-]+$", example = "Mg")]
    pub next_cursor: Option<String>,
}

/// List status updates of a product
///
/// Latest day first.
#[utoipa::path(
    get, path = "/products/{id}/updates", tag = "products",
    params(ProductPath, Paging, IfNoneMatchHeader),
    security((), ("oauth2" = ["products:read"]), ("bearer" = [])),
    responses((status = 200, body = ProductUpdatePage, description = "A page of updates.")),
)]
async fn list_product_updates(app: Data<App>, key: Path<Key>, query: Query<Paging>) -> Result<impl Responder, Problem> {
    let (Path(key), Query(paging)) = (key, query);
    let (after, limit) = (paging.after()?, paging.limit());
    let page = app
        .db
        .read(move |conn| {
            let id = products::id_of(conn, &key)?;
            updates::list(conn, id, after, limit)
        })
        .await
        .map_err(Problem::from)?;
    let next = page.next.as_ref().map(Cursor::write);
    let items = page.items.into_iter().map(Into::into).collect();
    Ok(Collection { page: ProductUpdatePage { items, next_cursor: next.clone() }, next })
}

/// Post a status update
///
/// For those who may change the product.
#[utoipa::path(
    post, path = "/products/{id}/updates", tag = "products",
    params(ProductPath, IdempotencyKeyHeader),
    request_body(content = CreateProductUpdate, description = "The update to post."),
    security(("oauth2" = ["products:write"]), ("bearer" = [])),
    responses((status = 201, body = ProductUpdate, description = "The update, as posted.")),
)]
async fn create_product_update(
    once: Once,
    key: Path<Key>,
    body: Json<CreateProductUpdate>,
) -> Result<impl Responder, Problem> {
    let (Path(key), Json(CreateProductUpdate { posted_on, body })) = (key, body);
    let created = once.run(move |tx| {
        let product = products::get(&mut tx.conn(), &key)?;
        rules::may_curate_product(tx.roles(), &product.row.state)?;
        let new = updates::NewProductUpdate {
            product_id: product.row.id,
            posted_on,
            body: body.clone(),
            organisation_id: tx.organisation_id(),
        };
        let created = updates::create(tx, Uuid::now_v7(), &new)?;
        let (version, path) = (created.version, path_of(&created));
        Ok(Single::created(ProductUpdate::from(created), version, path))
    });
    created.await
}

/// Read a status update
///
/// One dated line of a product.
#[utoipa::path(
    get, path = "/products/{id}/updates/{updateId}", tag = "products",
    params(ProductPath, UpdatePath, IfNoneMatchHeader),
    security((), ("oauth2" = ["products:read"]), ("bearer" = [])),
    responses((status = 200, body = ProductUpdate, description = "The update.")),
)]
async fn get_product_update(app: Data<App>, path: Path<(Key, Uuid)>) -> Result<impl Responder, Problem> {
    let Path((key, id)) = path;
    let found = app
        .db
        .read(move |conn| {
            let product_id = products::id_of(conn, &key)?;
            updates::find(conn, product_id, id)
        })
        .await
        .map_err(Problem::from)?;
    let (version, path) = (found.version, path_of(&found));
    Ok(Single::ok(ProductUpdate::from(found), version).with_link(&path, "self"))
}

/// Remove a status update
///
/// For those who may change the product, to take back what was posted by mistake.
#[utoipa::path(
    delete, path = "/products/{id}/updates/{updateId}", tag = "products",
    params(ProductPath, UpdatePath, IfMatchHeader),
    security(("oauth2" = ["products:write"]), ("bearer" = [])),
    responses((status = 204, description = "Removed.")),
)]
async fn delete_product_update(
    app: Data<App>,
    caller: Caller,
    path: Path<(Key, Uuid)>,
    if_match: IfMatch,
) -> Result<impl Responder, Problem> {
    let Path((key, id)) = path;
    app.db
        .write(caller.actor()?, move |tx| {
            let product = products::get(&mut tx.conn(), &key)?;
            let current = updates::lock(tx, product.row.id, id)?;
            rules::may_curate_product(tx.roles(), &product.row.state)?;
            if_match.check(current.version)?;
            Ok::<_, Problem>(updates::delete(tx, &current)?)
        })
        .await?;
    Ok(HttpResponse::new(StatusCode::NO_CONTENT))
}

/// Which status update.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes the parameter that `Path` reads")]
pub struct UpdatePath {
    /// Id of the status update.
    #[param(rename = "updateId", example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    update_id: Uuid,
}

fn path_of(update: &updates::ProductUpdate) -> String {
    format!("/v1/products/{}/updates/{}", update.product_id, update.id)
}

impl From<updates::ProductUpdate> for ProductUpdate {
    fn from(update: updates::ProductUpdate) -> Self {
        let updates::ProductUpdate { id, version, created_at, updated_at, product_id, posted_on, body, organisation } =
            update;
        Self {
            id,
            version,
            created_at,
            updated_at,
            product_id,
            posted_on,
            body,
            organisation: organisation.map(|organisation| organisation.0.into()),
        }
    }
}
