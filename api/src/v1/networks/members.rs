//! Who belongs to a network: `/networks/{id}/members`.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpResponse, Responder};
use chrono::{DateTime, Utc};
use db::networks::members::{self, NetworkRole};
use db::networks::{self, Network};
use db::organisations::Key;
use db::page::ById;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use validator::Validate;

use super::NetworkPath;
use crate::app::App;
use crate::auth::{Caller, rules};
use crate::http::etag::{IfMatchHeader, IfNoneMatchHeader};
use crate::http::idempotency::IdempotencyKeyHeader;
use crate::http::{Collection, Cursor, IfMatch, Once, Paging, Patch, Path, Query, Single};
use crate::merge_patch;
use crate::problem::Problem;
use crate::routes::Routes;

/// The operations here.
#[must_use]
pub fn routes() -> Routes {
    routes![
        list_network_members,
        create_network_member,
        get_network_member,
        update_network_member,
        delete_network_member
    ]
}

/// Somebody who belongs to a network.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NetworkMember {
    /// Identifier, UUIDv7.
    #[schema(read_only, example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    pub id: Uuid,
    /// Rises by one with each change; the entity tag begins with it.
    #[schema(read_only, minimum = 1, maximum = 2_147_483_647, example = 1)]
    pub version: i32,
    /// When they joined (UTC).
    #[schema(read_only, example = "2026-11-23T09:30:00Z")]
    pub created_at: DateTime<Utc>,
    /// When it last changed (UTC).
    #[schema(read_only, example = "2026-11-23T09:30:00Z")]
    pub updated_at: DateTime<Utc>,
    /// To which network.
    #[schema(example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    pub network_id: Uuid,
    /// Id of the person.
    #[schema(example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    pub user_id: Uuid,
    /// Their name.
    #[schema(min_length = 1, max_length = 120, pattern = r"^[^\u0000-\u001f\u007f]+$", example = "Sam Steward")]
    pub name: String,
    /// What they are in it.
    pub role: NetworkRole,
}

/// What can be changed of somebody who belongs to a network.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct NetworkMemberState {
    /// What they are in it.
    pub role: NetworkRole,
}

merge_patch! {
    /// Change to somebody who belongs to a network, as a JSON merge patch (RFC 7396).
    UpdateNetworkMember of NetworkMemberState
}

/// One page of those who belong to a network.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NetworkMemberPage {
    /// Those on this page; who joined first before the others.
    #[schema(max_items = 100)]
    pub items: Vec<NetworkMember>,
    /// Cursor of the next page; null on the last.
    #[schema(max_length = 2048, pattern = "^[A-Za-z0-9_-]+$", example = "WyJhIl0")]
    pub next_cursor: Option<String>,
}

/// Which of those who belong to a network.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes the parameter that `Path` reads")]
pub struct NetworkMemberPath {
    /// Id of the membership in the network.
    #[param(rename = "memberId", example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    member_id: Uuid,
}

/// List who belongs to a network
///
/// All of them for its conveners and for contributors of the organisation that looks after it; oneself for others.
#[utoipa::path(
    get, path = "/networks/{id}/members", tag = "networks",
    params(NetworkPath, Paging, IfNoneMatchHeader),
    security(("oauth2" = ["networks:read"]), ("bearer" = [])),
    responses((status = 200, body = NetworkMemberPage, description = "A page of people.")),
)]
async fn list_network_members(
    app: Data<App>,
    caller: Caller,
    key: Path<Key>,
    query: Query<Paging>,
) -> Result<impl Responder, Problem> {
    let (Path(key), Query(paging), actor) = (key, query, caller.actor()?);
    let (limit, person) = (paging.limit(), actor.principal.user_id());
    let after: Option<ById> = paging.after()?;
    let read = app.db.read_as(actor, move |conn, roles| {
        let network = networks::find(conn, person, &key)?;
        let of = if rules::may_convene(roles, &network).is_ok() { None } else { Some(person.unwrap_or_default()) };
        Ok::<_, Problem>(members::list(conn, network.id, of, after, limit)?)
    });
    let page = read.await?.map(NetworkMember::from);
    let next = page.next.as_ref().map(Cursor::write);
    Ok(Collection { page: NetworkMemberPage { items: page.items, next_cursor: next.clone() }, next })
}

/// Join a network
///
/// Anybody who is signed in may. A program does not belong to networks.
#[utoipa::path(
    post, path = "/networks/{id}/members", tag = "networks",
    params(NetworkPath, IdempotencyKeyHeader),
    security(("oauth2" = ["networks:write"]), ("bearer" = [])),
    responses(
        (status = 201, body = NetworkMember, description = "You belong to it."),
        (status = 409, description = "You belong to it already."),
    ),
)]
async fn create_network_member(once: Once, key: Path<Key>) -> Result<impl Responder, Problem> {
    let Path(key) = key;
    let joined = once.run(move |tx| {
        let person = rules::person(tx.actor().principal)?;
        let network = networks::lock(tx, &key)?;
        let joined = members::create(tx, Uuid::now_v7(), &network, person, NetworkRole::Member)?;
        let (version, path) = (joined.version, path_of(&joined));
        Ok(Single::created(NetworkMember::from(joined), version, path))
    });
    joined.await
}

/// Read who belongs to a network
///
/// For themselves, and for who looks after the network. Not found for others.
#[utoipa::path(
    get, path = "/networks/{id}/members/{memberId}", tag = "networks",
    params(NetworkPath, NetworkMemberPath, IfNoneMatchHeader),
    security(("oauth2" = ["networks:read"]), ("bearer" = [])),
    responses((status = 200, body = NetworkMember, description = "Who it is.")),
)]
async fn get_network_member(
    app: Data<App>,
    caller: Caller,
    path: Path<(Key, Uuid)>,
) -> Result<impl Responder, Problem> {
    let (Path((key, id)), actor) = (path, caller.actor()?);
    let person = actor.principal.user_id();
    let read = app.db.read_as(actor, move |conn, roles| {
        let network = networks::find(conn, person, &key)?;
        let found = members::find(conn, network.id, id)?;
        rules::may_see_network_member(roles, person, &network, found.user_id)?;
        Ok::<_, Problem>(found)
    });
    Ok(shown(read.await?))
}

/// Change what somebody is in a network
///
/// Makes them a convener, or a member as others are. For its conveners, and for contributors of the organisation that
/// looks after it.
#[utoipa::path(
    patch, path = "/networks/{id}/members/{memberId}", tag = "networks",
    params(NetworkPath, NetworkMemberPath, IfMatchHeader),
    request_body(
        content = UpdateNetworkMember, content_type = "application/merge-patch+json",
        description = "The fields to change.",
    ),
    security(("oauth2" = ["networks:write"]), ("bearer" = [])),
    responses((status = 200, body = NetworkMember, description = "Who it is, as changed.")),
)]
async fn update_network_member(
    app: Data<App>,
    caller: Caller,
    ids: Path<(Key, Uuid)>,
    if_match: IfMatch,
    patch: Patch,
) -> Result<impl Responder, Problem> {
    let Path((key, id)) = ids;
    let changed = app.db.write(caller.actor()?, move |tx| {
        let (network, current) = locked(tx, &key, id)?;
        rules::may_convene(tx.roles(), &network)?;
        if_match.check(current.version)?;
        let wanted: NetworkMemberState = patch.apply(&NetworkMemberState { role: current.role })?;
        Ok::<_, Problem>(shown(members::update(tx, &network, &current, wanted.role)?))
    });
    changed.await
}

/// Leave a network
///
/// Oneself; who looks after the network may also remove others.
#[utoipa::path(
    delete, path = "/networks/{id}/members/{memberId}", tag = "networks",
    params(NetworkPath, NetworkMemberPath, IfMatchHeader),
    security(("oauth2" = ["networks:write"]), ("bearer" = [])),
    responses((status = 204, description = "They do not belong to it any more.")),
)]
async fn delete_network_member(
    app: Data<App>,
    caller: Caller,
    path: Path<(Key, Uuid)>,
    if_match: IfMatch,
) -> Result<impl Responder, Problem> {
    let Path((key, id)) = path;
    app.db
        .write(caller.actor()?, move |tx| {
            let (network, current) = locked(tx, &key, id)?;
            if_match.check(current.version)?;
            Ok::<_, Problem>(members::delete(tx, &network, &current)?)
        })
        .await?;
    Ok(HttpResponse::new(StatusCode::NO_CONTENT))
}

/// A network and one who belongs to it, whom the writer may see.
fn locked(tx: &mut db::Tx<'_>, key: &Key, id: Uuid) -> Result<(Network, members::NetworkMember), Problem> {
    let network = networks::lock(tx, key)?;
    let current = members::lock(tx, network.id, id)?;
    let person = tx.actor().principal.user_id();
    rules::may_see_network_member(tx.roles(), person, &network, current.user_id)?;
    Ok((network, current))
}

fn shown(member: members::NetworkMember) -> Single<NetworkMember> {
    let (version, path) = (member.version, path_of(&member));
    Single::ok(NetworkMember::from(member), version).with_link(&path, "self")
}

fn path_of(member: &members::NetworkMember) -> String {
    format!("/v1/networks/{}/members/{}", member.network_id, member.id)
}

impl From<members::NetworkMember> for NetworkMember {
    fn from(member: members::NetworkMember) -> Self {
        let members::NetworkMember { id, version, created_at, updated_at, network_id, user_id, user_name, role } =
            member;
        Self { id, version, created_at, updated_at, network_id, user_id, name: user_name, role }
    }
}
