//! Products: `/products`.
//!
//! Here: one product at a time. Lists and search are in [`list`], what was before in [`versions`], dated lines in
//! [`updates`], publiccode.yml in [`publiccode`]; [`wire`] has the types.

pub mod list;
pub mod publiccode;
pub mod updates;
pub mod versions;
pub mod wire;

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, Responder};
use db::organisations::Key;
use db::products::{self, Note, ProductState};
use utoipa::IntoParams;
use uuid::Uuid;

use crate::app::App;
use crate::auth::{Caller, rules};
use crate::clock::Clock;
use crate::http::etag::{IfMatchHeader, IfNoneMatchHeader};
use crate::http::idempotency::IdempotencyKeyHeader;
use crate::http::path::moved;
use crate::http::{Collection, IfMatch, Json, Once, Patch, Path, Single};
use crate::problem::Problem;
use crate::routes::Routes;
use wire::{CreateProduct, Product, SimilarProductList, UpdateProduct};

/// How alike a product must be to be offered when one is added.
const ALIKE: f64 = 0.3;

/// The operations on products.
#[must_use]
pub fn routes() -> Routes {
    routes![create_product, get_product, update_product, delete_product, list_similar_products]
        .merge(list::routes())
        .merge(versions::routes())
        .merge(updates::routes())
        .merge(publiccode::routes())
}

/// Add a product
///
/// For contributors of public bodies, and for a supplier's people what they supply. The answer offers products much
/// like it in `similar`, so that a duplicate is noticed at once. A slug is made from the name when none is given.
#[utoipa::path(
    post, path = "/products", tag = "products",
    params(IdempotencyKeyHeader),
    request_body(content = CreateProduct, description = "The product to add."),
    security(("oauth2" = ["products:write"]), ("bearer" = [])),
    responses(
        (status = 201, body = Product, description = "The product, as added."),
        (status = 409, description = "The slug belongs, or once belonged, to another product; or the supplier, the owner or a service code is not in the catalogue."),
    ),
)]
async fn create_product(app: Data<App>, once: Once, body: Json<CreateProduct>) -> Result<impl Responder, Problem> {
    let (Json(wanted), clock) = (body, app.clock);
    let created = once.run(move |tx| {
        let slug = match &wanted.slug {
            Some(slug) => slug.clone(),
            None => products::free_slug(tx, &wanted.facts.name)?,
        };
        let state = wanted.state(tx, slug)?;
        rules::may_create_product(tx.roles(), &state)?;
        let similar = products::similar::list(&mut tx.conn(), &state, None, ALIKE, 5)?;
        let created = products::create(tx, Uuid::now_v7(), &state)?;
        let (version, path) = (created.row.version, path_of(created.row.id));
        let similar = Some(similar.into_iter().map(Into::into).collect());
        Ok(Single::created(Product { similar, ..Product::new(created, clock.now()) }, version, path))
    });
    created.await
}

/// Read a product
///
/// By id or slug. A slug that it had earlier redirects to the present one.
#[utoipa::path(
    get, path = "/products/{id}", tag = "products",
    params(ProductPath, IfNoneMatchHeader),
    security((), ("oauth2" = ["products:read"]), ("bearer" = [])),
    responses(
        (status = 200, body = Product, description = "The product."),
        (status = 301, description = "It has another slug today; `Location` has it."),
    ),
)]
async fn get_product(app: Data<App>, key: Path<Key>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let Path(key) = key;
    let asked = key.clone();
    let product = app.db.read(move |conn| products::get(conn, &key)).await.map_err(Problem::from)?;
    Ok(moved(&asked, "products", &product.row.state.slug)
        .unwrap_or_else(|| answer(app.clock, product).respond_to(&request)))
}

/// Change a product
///
/// For contributors of its owner or supplier, or of any public body when it has no owner. Each change is a new version.
/// A phase that moves backwards needs `phaseReason`. A change to the state that it is in already changes nothing.
#[utoipa::path(
    patch, path = "/products/{id}", tag = "products",
    params(ProductPath, IfMatchHeader),
    request_body(
        content = UpdateProduct, content_type = "application/merge-patch+json",
        description = "The fields to change.",
    ),
    security(("oauth2" = ["products:write"]), ("bearer" = [])),
    responses(
        (status = 200, body = Product, description = "The product, as changed."),
        (status = 409, description = "The slug belongs, or once belonged, to another product; or the supplier, the owner or a service code is not in the catalogue; or the phase moves backwards without a reason."),
    ),
)]
async fn update_product(
    app: Data<App>,
    caller: Caller,
    key: Path<Key>,
    if_match: IfMatch,
    patch: Patch,
) -> Result<impl Responder, Problem> {
    let Path(key) = key;
    let changed = app
        .db
        .write(caller.actor()?, move |tx| {
            let current = products::lock(tx, &key)?;
            rules::may_curate_product(tx.roles(), &current.row.state)?;
            if_match.check(current.row.version)?;
            let wanted: CreateProduct = patch.apply(&base_for(&patch, &current.row.state)?)?;
            let slug = wanted.slug.clone().unwrap_or_else(|| current.row.state.slug.clone());
            let state = wanted.state(tx, slug)?;
            rules::may_update_product(tx.roles(), &current.row.state, &state)?;
            Ok::<_, Problem>(products::update(tx, &current, &state, &Note::default())?)
        })
        .await?;
    Ok(answer(app.clock, changed))
}

/// What a patch is merged into: first day and reason of a phase do not carry over to another phase.
fn base_for(patch: &Patch, current: &ProductState) -> Result<CreateProduct, Problem> {
    let mut base = CreateProduct::from(current.clone());
    let patched: CreateProduct = patch.apply(&base)?;
    if patched.facts.phase != base.facts.phase {
        base.facts.phase_started_on = None;
        base.facts.phase_reason = None;
    }
    Ok(base)
}

/// Remove a product
///
/// For moderators, to undo what was added by mistake: one that is cited cannot be removed. A product that is no longer
/// used gets the phase `retired` instead. Its slugs are never given to another.
#[utoipa::path(
    delete, path = "/products/{id}", tag = "products",
    params(ProductPath, IfMatchHeader),
    security(("oauth2" = ["products:write"]), ("bearer" = [])),
    responses(
        (status = 204, description = "Removed."),
        (status = 409, description = "Something refers to it."),
    ),
)]
async fn delete_product(
    app: Data<App>,
    caller: Caller,
    key: Path<Key>,
    if_match: IfMatch,
) -> Result<impl Responder, Problem> {
    let Path(key) = key;
    app.db
        .write(caller.actor()?, move |tx| {
            let current = products::lock(tx, &key)?;
            rules::may_delete_product(tx.roles())?;
            if_match.check(current.row.version)?;
            Ok::<_, Problem>(products::delete(tx, &current)?)
        })
        .await?;
    Ok(HttpResponse::new(StatusCode::NO_CONTENT))
}

/// List similar products
///
/// Up to 20 products much like one, by name and by the codes they share, the most alike first.
#[utoipa::path(
    get, path = "/products/{id}/similar", tag = "products",
    params(ProductPath, IfNoneMatchHeader),
    security((), ("oauth2" = ["products:read"]), ("bearer" = [])),
    responses((status = 200, body = SimilarProductList, description = "Products much like it.")),
)]
async fn list_similar_products(app: Data<App>, key: Path<Key>) -> Result<impl Responder, Problem> {
    let Path(key) = key;
    let similar = app
        .db
        .read(move |conn| {
            let product = products::get(conn, &key)?;
            products::similar::list(conn, &product.row.state, Some(product.row.id), 0.1, 20)
        })
        .await
        .map_err(Problem::from)?;
    let items = similar.into_iter().map(Into::into).collect();
    Ok(Collection { page: SimilarProductList { items, next_cursor: None }, next: None })
}

/// Which product.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes the parameter that `Path<Key>` reads")]
pub struct ProductPath {
    /// Id or slug of the product.
    #[param(min_length = 1, max_length = 80, pattern = "^[a-z0-9]+(-[a-z0-9]+)*$", example = "bin-collection-skill")]
    id: String,
}

pub(crate) fn answer(clock: Clock, product: products::Product) -> Single<Product> {
    let (version, path) = (product.row.version, path_of(product.row.id));
    Single::ok(Product::new(product, clock.now()), version).with_link(&path, "self")
}

fn path_of(id: Uuid) -> String {
    format!("/v1/products/{id}")
}
