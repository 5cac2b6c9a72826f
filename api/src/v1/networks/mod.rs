//! Networks: `/networks`. [`wire`] has the types; who belongs to them is in `members`, when they meet in `series`.

mod members;
mod series;
pub mod wire;

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, Responder};
use db::networks::{self, Filter, Position};
use db::organisations::{self, Key};
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use crate::app::App;
use crate::auth::{Caller, rules};
use crate::http::etag::{IfMatchHeader, IfNoneMatchHeader};
use crate::http::idempotency::IdempotencyKeyHeader;
use crate::http::path::moved;
use crate::http::text::OrganisationKey;
use crate::http::{Collection, Cursor, IfMatch, Json, Once, Paging, Patch, Path, Query, Single};
use crate::problem::Problem;
use crate::routes::Routes;
pub use series::lay_out;
use wire::{CreateNetwork, Network, NetworkPage, UpdateNetwork};

/// The operations on networks.
#[must_use]
pub fn routes() -> Routes {
    routes![list_networks, create_network, get_network, update_network, delete_network]
        .merge(members::routes())
        .merge(series::routes())
}

/// Filters of the list of networks.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct ListNetworks {
    /// Part of the name.
    #[param(
        required = false, value_type = String, min_length = 1, max_length = 200,
        pattern = r"^[^\u0000-\u001f\u007f]+$", example = "peer"
    )]
    name: Option<String>,
    /// Organisation that looks after it, by id or slug.
    #[serde(default)]
    #[param(max_items = 50, required = false, inline, value_type = Vec<OrganisationKey>)]
    organisation: Vec<String>,
    /// true: only those that the caller belongs to.
    #[param(required = false, value_type = bool, example = true)]
    joined: Option<bool>,
    #[serde(flatten)]
    #[param(ignore)]
    paging: Paging,
}

/// Which network.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes the parameter that `Path<Key>` reads")]
pub struct NetworkPath {
    /// Id or slug of the network.
    #[param(min_length = 1, max_length = 80, pattern = "^[a-z0-9]+(-[a-z0-9]+)*$", example = "london-peer-group")]
    id: String,
}

/// List networks
///
/// By name. `joined=true` shows those that the caller belongs to, and none to who is nobody.
#[utoipa::path(
    get, path = "/networks", tag = "networks",
    params(ListNetworks, Paging, IfNoneMatchHeader),
    security((), ("oauth2" = ["networks:read"]), ("bearer" = [])),
    responses((status = 200, body = NetworkPage, description = "A page of networks.")),
)]
async fn list_networks(app: Data<App>, caller: Caller, query: Query<ListNetworks>) -> Result<impl Responder, Problem> {
    let Query(query) = query;
    let (person, limit) = (caller.viewer().user_id(), query.paging.limit());
    let after: Option<Position> = query.paging.after()?;
    let filter = Filter {
        organisations: query.organisation.iter().map(|key| Key::from(key.as_str())).collect(),
        named: query.name,
        // Nobody belongs to a network under the id that nobody has.
        member: query.joined.unwrap_or(false).then(|| person.unwrap_or_else(Uuid::nil)),
    };
    let page = caller.read(&app.db, move |conn, _| Ok(networks::list(conn, person, &filter, after.as_ref(), limit)?));
    let page = page.await?.map(Network::from);
    let next = page.next.as_ref().map(Cursor::write);
    Ok(Collection { page: NetworkPage { items: page.items, next_cursor: next.clone() }, next })
}

/// Make a network
///
/// For contributors of the organisation that looks after it, which is no supplier. Who makes it convenes it.
#[utoipa::path(
    post, path = "/networks", tag = "networks",
    params(IdempotencyKeyHeader),
    request_body(content = CreateNetwork, description = "The network to make."),
    security(("oauth2" = ["networks:write"]), ("bearer" = [])),
    responses(
        (status = 201, body = Network, description = "The network, as made."),
        (status = 409, description = "The slug belongs to another, or the organisation is not in the catalogue."),
    ),
)]
async fn create_network(once: Once, body: Json<CreateNetwork>) -> Result<impl Responder, Problem> {
    let Json(wanted) = body;
    let created = once.run(move |tx| {
        let organisation_id = organisations::resolve_one(tx, "/organisation", &wanted.organisation)?;
        rules::may_invite(tx.roles(), &[], &[organisation_id])?;
        let slug = match &wanted.slug {
            Some(slug) => slug.clone(),
            None => networks::free_slug(tx, &wanted.facts.name)?,
        };
        let created = networks::create(tx, Uuid::now_v7(), &wanted.state(slug, organisation_id))?;
        let (version, path) = (created.version, path_of(&created));
        Ok(Single::created(Network::from(created), version, path))
    });
    created.await
}

/// Read a network
///
/// By id or slug. A slug that it had earlier redirects to the present one.
#[utoipa::path(
    get, path = "/networks/{id}", tag = "networks",
    params(NetworkPath, IfNoneMatchHeader),
    security((), ("oauth2" = ["networks:read"]), ("bearer" = [])),
    responses(
        (status = 200, body = Network, description = "The network."),
        (status = 301, description = "It has another slug today; `Location` has it."),
    ),
)]
async fn get_network(
    app: Data<App>,
    caller: Caller,
    key: Path<Key>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let Path(key) = key;
    let asked = key.clone();
    let read = caller.read(&app.db, move |conn, _| Ok(networks::find(conn, None, &key)?));
    let network = read.await?;
    let answer = moved(&asked, "networks", &network.state.slug);
    Ok(answer.unwrap_or_else(|| shown(network).respond_to(&request)))
}

/// Change a network
///
/// For its conveners, and for contributors of the organisation that looks after it. Another organisation looks after it
/// only when the caller contributes for that one as well.
#[utoipa::path(
    patch, path = "/networks/{id}", tag = "networks",
    params(NetworkPath, IfMatchHeader),
    request_body(
        content = UpdateNetwork, content_type = "application/merge-patch+json",
        description = "The fields to change.",
    ),
    security(("oauth2" = ["networks:write"]), ("bearer" = [])),
    responses(
        (status = 200, body = Network, description = "The network, as changed."),
        (status = 409, description = "The slug belongs to another, or the organisation is not in the catalogue."),
    ),
)]
async fn update_network(
    app: Data<App>,
    caller: Caller,
    key: Path<Key>,
    if_match: IfMatch,
    patch: Patch,
) -> Result<impl Responder, Problem> {
    let Path(key) = key;
    let changed = app.db.write(caller.actor()?, move |tx| {
        let current = networks::lock(tx, &key)?;
        rules::may_convene(tx.roles(), &current)?;
        if_match.check(current.version)?;
        let wanted: CreateNetwork = patch.apply(&CreateNetwork::from(current.state.clone()))?;
        let slug = wanted.slug.clone().unwrap_or_else(|| current.state.slug.clone());
        let organisation_id = organisations::resolve_one(tx, "/organisation", &wanted.organisation)?;
        rules::may_invite(tx.roles(), &[current.state.organisation_id], &[organisation_id])?;
        let changed = networks::update(tx, &current, &wanted.state(slug, organisation_id))?;
        Ok::<_, Problem>(shown(changed))
    });
    changed.await
}

/// Remove a network
///
/// One that held nothing yet, for contributors of the organisation that looks after it.
#[utoipa::path(
    delete, path = "/networks/{id}", tag = "networks",
    params(NetworkPath, IfMatchHeader),
    security(("oauth2" = ["networks:write"]), ("bearer" = [])),
    responses(
        (status = 204, description = "Removed."),
        (status = 409, description = "It has events or series."),
    ),
)]
async fn delete_network(
    app: Data<App>,
    caller: Caller,
    key: Path<Key>,
    if_match: IfMatch,
) -> Result<impl Responder, Problem> {
    let Path(key) = key;
    app.db
        .write(caller.actor()?, move |tx| {
            let current = networks::lock(tx, &key)?;
            rules::may_convene(tx.roles(), &current)?;
            if_match.check(current.version)?;
            Ok::<_, Problem>(networks::delete(tx, &current)?)
        })
        .await?;
    Ok(HttpResponse::new(StatusCode::NO_CONTENT))
}

fn shown(network: networks::Network) -> Single<Network> {
    let (version, path) = (network.version, path_of(&network));
    Single::ok(Network::from(network), version).with_link(&path, "self")
}

fn path_of(network: &networks::Network) -> String {
    format!("/v1/networks/{}", network.id)
}
