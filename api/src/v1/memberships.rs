//! `/memberships`: who belongs to which organisation, and as what.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpResponse, Responder};
use chrono::{DateTime, Utc};
use db::memberships::{self, Filter};
use db::organisations::{self, Key};
use db::page::ById;
use db::{Principal, Role, Roles};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use validator::Validate;

use crate::app::App;
use crate::auth::{Caller, rules};
use crate::http::etag::{IfMatchHeader, IfNoneMatchHeader};
use crate::http::text::OrganisationKey;
use crate::http::{Collection, Cursor, IfMatch, Paging, Patch, Path, Query, Single};
use crate::merge_patch;
use crate::problem::Problem;
use crate::routes::Routes;
use crate::v1::organisations::wire::OrganisationReference;

/// The operations on memberships.
#[must_use]
pub fn routes() -> Routes {
    routes![list_memberships, get_membership, update_membership, delete_membership]
}

/// Person's role in an organisation.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Membership {
    /// Identifier, UUIDv7.
    #[schema(read_only, example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    pub id: Uuid,
    /// Rises by one with each change; the entity tag begins with it.
    #[schema(read_only, minimum = 1, maximum = 2_147_483_647, example = 1)]
    pub version: i32,
    /// Since when (UTC).
    #[schema(read_only, example = "2026-11-23T09:30:00Z")]
    pub created_at: DateTime<Utc>,
    /// When it last changed (UTC).
    #[schema(read_only, example = "2026-11-23T09:30:00Z")]
    pub updated_at: DateTime<Utc>,
    /// The organisation.
    pub organisation: OrganisationReference,
    /// The person.
    pub person: Member,
    /// Their role there.
    pub role: Role,
}

/// Person who belongs to an organisation.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// Their id.
    #[schema(example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    pub id: Uuid,
    /// Their name, as they chose to show it.
    #[schema(min_length = 1, max_length = 120, pattern = r"^[^\u0000-\u001f\u007f]+$", example = "Sam Steward")]
    pub name: String,
    /// Their e-mail address, if one is known; only administrators of the organisation and they themselves see it, null
    /// for others.
    #[schema(
        min_length = 3,
        max_length = 254,
        pattern = r"^[^@\s\u0000-\u001f]+@[^@\s\u0000-\u001f]+$",
        example = "sam@hackney.example"
    )]
    pub email: Option<String>,
}

/// What may change of a membership, whole.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct ChangeableMembership {
    /// The role.
    pub role: Role,
}

merge_patch! {
    /// Change to a membership, as a JSON merge patch (RFC 7396): only what is to change.
    UpdateMembership of ChangeableMembership
}

/// One page of memberships.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MembershipPage {
    /// The memberships on this page, the oldest first.
    #[schema(max_items = 100)]
    pub items: Vec<Membership>,
    /// Cursor of the next page; null on the last.
    #[schema(max_length = 2048, pattern = "^[A-Za-z0-9_-]+$", example = "WyJhIl0")]
    pub next_cursor: Option<String>,
}

/// Filters of the list of memberships.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct ListMemberships {
    /// Organisation, by id or slug.
    #[serde(default)]
    #[param(max_items = 50, required = false, inline, value_type = Vec<OrganisationKey>)]
    organisation: Vec<String>,
    /// Person.
    #[serde(default)]
    #[param(max_items = 50, required = false, example = json!(["0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11"]))]
    person: Vec<Uuid>,
    /// Role.
    #[serde(default)]
    #[param(max_items = 4, required = false, inline)]
    role: Vec<Role>,
    #[serde(flatten)]
    #[param(ignore)]
    paging: Paging,
}

/// Which membership.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes the parameter that `Path` reads")]
pub struct MembershipPath {
    /// Id of the membership.
    #[param(example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    id: Uuid,
}

/// List memberships
///
/// Those of the organisations to which the caller belongs; administrators of the platform see all.
#[utoipa::path(
    get, path = "/memberships", tag = "memberships",
    params(ListMemberships, Paging, IfNoneMatchHeader),
    security(("oauth2" = ["memberships:read"]), ("bearer" = [])),
    responses((status = 200, body = MembershipPage, description = "A page of memberships.")),
)]
async fn list_memberships(
    app: Data<App>,
    caller: Caller,
    query: Query<ListMemberships>,
) -> Result<impl Responder, Problem> {
    let Query(ListMemberships { organisation, person, role, paging }) = query;
    let (limit, after): (_, Option<ById>) = (paging.limit(), paging.after()?);
    let keys: Vec<Key> = organisation.iter().map(|key| Key::from(key.as_str())).collect();
    let own = caller.principal().and_then(Principal::user_id);
    let read = app.db.read_as(caller.actor()?, move |conn, roles| {
        let filter = Filter {
            visible: (!roles.administers())
                .then(|| roles.with(Role::Viewer).map(|membership| membership.organisation_id).collect()),
            own,
            organisations: if keys.is_empty() { None } else { Some(organisations::known(conn, &keys)?) },
            users: person.clone(),
            roles: role.clone(),
        };
        let page = memberships::list(conn, &filter, after, limit)?;
        Ok::<_, db::Error>(page.map(|membership| Membership::seen_by(roles, own, membership)))
    });
    let page = read.await.map_err(Problem::from)?;
    let next = page.next.as_ref().map(Cursor::write);
    Ok(Collection { page: MembershipPage { items: page.items, next_cursor: next.clone() }, next })
}

/// Read a membership
///
/// For members of the organisation.
#[utoipa::path(
    get, path = "/memberships/{id}", tag = "memberships",
    params(MembershipPath, IfNoneMatchHeader),
    security(("oauth2" = ["memberships:read"]), ("bearer" = [])),
    responses((status = 200, body = Membership, description = "The membership.")),
)]
async fn get_membership(app: Data<App>, caller: Caller, id: Path<Uuid>) -> Result<impl Responder, Problem> {
    let (Path(id), own) = (id, caller.principal().and_then(Principal::user_id));
    let read = app.db.read_as(caller.actor()?, move |conn, roles| {
        let found = memberships::find(conn, id)?;
        rules::may_see_membership(roles, own, &found)?;
        Ok::<_, Problem>(Membership::seen_by(roles, own, found))
    });
    Ok(answer(read.await?))
}

/// Change a membership
///
/// Administrators of the organisation give roles. The last of them keeps that role, unless an administrator of the
/// platform takes it away.
#[utoipa::path(
    patch, path = "/memberships/{id}", tag = "memberships",
    params(MembershipPath, IfMatchHeader),
    request_body(
        content = UpdateMembership, content_type = "application/merge-patch+json",
        description = "The fields to change.",
    ),
    security(("oauth2" = ["memberships:write"]), ("bearer" = [])),
    responses(
        (status = 200, body = Membership, description = "The membership, as changed."),
        (status = 409, description = "The organisation would have no administrator left."),
    ),
)]
async fn update_membership(
    app: Data<App>,
    caller: Caller,
    id: Path<Uuid>,
    if_match: IfMatch,
    patch: Patch,
) -> Result<impl Responder, Problem> {
    let (Path(id), own) = (id, caller.principal().and_then(Principal::user_id));
    let changed = app.db.write(caller.actor()?, move |tx| {
        let current = memberships::lock(tx, id)?;
        rules::may_see_membership(tx.roles(), own, &current)?;
        rules::may_give_roles(tx.roles(), current.organisation_id)?;
        if_match.check(current.version)?;
        let wanted: ChangeableMembership = patch.apply(&ChangeableMembership { role: current.role })?;
        let changed = memberships::update(tx, &current, wanted.role)?;
        Ok::<_, Problem>(Membership::seen_by(tx.roles(), own, changed))
    });
    Ok(answer(changed.await?))
}

/// End a membership
///
/// For administrators of the organisation, and for the person, who may always leave. It takes effect with the next
/// write that the person tries.
#[utoipa::path(
    delete, path = "/memberships/{id}", tag = "memberships",
    params(MembershipPath, IfMatchHeader),
    security(("oauth2" = ["memberships:write"]), ("bearer" = [])),
    responses(
        (status = 204, description = "Ended."),
        (status = 409, description = "The organisation would have no administrator left."),
    ),
)]
async fn delete_membership(
    app: Data<App>,
    caller: Caller,
    id: Path<Uuid>,
    if_match: IfMatch,
) -> Result<impl Responder, Problem> {
    let (Path(id), own) = (id, caller.principal().and_then(Principal::user_id));
    let ended = app.db.write(caller.actor()?, move |tx| {
        let current = memberships::lock(tx, id)?;
        rules::may_see_membership(tx.roles(), own, &current)?;
        if own != Some(current.user_id) {
            rules::may_give_roles(tx.roles(), current.organisation_id)?;
        }
        if_match.check(current.version)?;
        Ok::<_, Problem>(memberships::delete(tx, &current)?)
    });
    ended.await?;
    Ok(HttpResponse::new(StatusCode::NO_CONTENT))
}

pub(super) fn answer(membership: Membership) -> Single<Membership> {
    let (version, path) = (membership.version, membership.path());
    Single::ok(membership, version).with_link(&path, "self")
}

impl Membership {
    pub(super) fn path(&self) -> String {
        format!("/v1/memberships/{}", self.id)
    }

    /// As somebody sees it, who may see it.
    pub(super) fn seen_by(roles: &Roles, own: Option<Uuid>, membership: memberships::Membership) -> Self {
        let memberships::Membership {
            id,
            version,
            created_at,
            updated_at,
            role,
            organisation_id,
            organisation,
            user_id,
            name,
            email,
        } = membership;
        let sees_address = own == Some(user_id) || roles.administers() || roles.has(organisation_id, Role::Admin);
        Self {
            id,
            version,
            created_at,
            updated_at,
            organisation: organisation.0.into(),
            person: Member { id: user_id, name, email: email.filter(|_| sees_address) },
            role,
        }
    }
}
