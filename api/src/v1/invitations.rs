//! `/invitations`: how people come into an organisation whose provider does not know them.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpResponse, Responder};
use chrono::{DateTime, Utc};
use db::invitations::{self, NewInvitation};
use db::organisations::{self, Key};
use db::page::ById;
use db::quotas::{ACCEPTANCES_OF_PRINCIPAL, INVITATIONS_OF_PRINCIPAL};
use db::{Principal, Role, Roles, memberships};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use validator::Validate;

use crate::app::App;
use crate::auth::{Caller, rules, secret};
use crate::http::etag::{IfMatchHeader, IfNoneMatchHeader};
use crate::http::idempotency::IdempotencyKeyHeader;
use crate::http::text::OrganisationKey;
use crate::http::{Collection, Cursor, IfMatch, Json, Once, Paging, Path, Query, Single};
use crate::middleware::limits::shared;
use crate::problem::Problem;
use crate::routes::Routes;
use crate::v1::memberships::Membership;
use crate::v1::organisations::wire::OrganisationReference;

/// The operations on invitations.
#[must_use]
pub fn routes() -> Routes {
    routes![list_invitations, create_invitation, get_invitation, delete_invitation, accept_invitation]
}

/// Invitation into an organisation.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Invitation {
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
    /// Into which organisation.
    pub organisation: OrganisationReference,
    /// Address that was invited.
    #[schema(
        min_length = 3,
        max_length = 254,
        pattern = r"^[^@\s\u0000-\u001f]+@[^@\s\u0000-\u001f]+$",
        example = "sam@hackney.example"
    )]
    pub email: String,
    /// Role that it gives.
    pub role: Role,
    /// Id of who invited; null for operators and for people who were erased.
    #[schema(example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    pub invited_by: Option<Uuid>,
    /// Until when it works (UTC).
    #[schema(example = "2026-11-30T09:30:00Z")]
    pub expires_at: DateTime<Utc>,
    /// When it was accepted (UTC); null when it was not.
    #[schema(example = "2026-11-24T09:30:00Z")]
    pub accepted_at: Option<DateTime<Utc>>,
}

/// Invitation that was made just now, with its secret.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InvitationWithToken {
    #[serde(flatten)]
    pub(crate) invitation: Invitation,
    /// The secret, told this once: whoever sends it to `accept_invitation` gets in, so give it to nobody else.
    #[schema(
        min_length = 64,
        max_length = 64,
        pattern = "^[0-9a-f]{64}$",
        example = "5f0c8d7be1a94f3d8a21c6b0e47f9d325f0c8d7be1a94f3d8a21c6b0e47f9d32"
    )]
    pub token: String,
}

/// Invitation to make.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct CreateInvitation {
    /// Id or slug of the organisation.
    #[schema(
        min_length = 1,
        max_length = 80,
        pattern = "^[a-z0-9]+(-[a-z0-9]+)*$",
        example = "london-borough-of-hackney"
    )]
    pub organisation: String,
    /// Whom to invite. We send no mail: give them the token.
    #[schema(
        min_length = 3,
        max_length = 254,
        pattern = r"^[^@\s\u0000-\u001f\u007f]+@[^@\s\u0000-\u001f\u007f]+$",
        example = "sam@hackney.example"
    )]
    pub email: String,
    /// Role that it gives.
    pub role: Role,
    /// Days for which it works.
    #[serde(default = "week")]
    #[schema(minimum = 1, maximum = 30, default = 7, example = 7)]
    pub days: i32,
}

fn week() -> i32 {
    7
}

/// Acceptance of an invitation.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct AcceptInvitation {
    /// The secret of the invitation.
    #[schema(
        min_length = 64,
        max_length = 64,
        pattern = "^[0-9a-f]{64}$",
        example = "5f0c8d7be1a94f3d8a21c6b0e47f9d325f0c8d7be1a94f3d8a21c6b0e47f9d32"
    )]
    pub token: String,
}

/// One page of invitations.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InvitationPage {
    /// The invitations on this page, the oldest first.
    #[schema(max_items = 100)]
    pub items: Vec<Invitation>,
    /// Cursor of the next page; null on the last.
    #[schema(max_length = 2048, pattern = "^[A-Za-z0-9_-]+$", example = "WyJhIl0")]
    pub next_cursor: Option<String>,
}

/// Filters of the list of invitations.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct ListInvitations {
    /// Organisation, by id or slug.
    #[serde(default)]
    #[param(max_items = 50, required = false, inline, value_type = Vec<OrganisationKey>)]
    organisation: Vec<String>,
    #[serde(flatten)]
    #[param(ignore)]
    paging: Paging,
}

/// Which invitation.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes the parameter that `Path` reads")]
pub struct InvitationPath {
    /// Id of the invitation.
    #[param(example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    id: Uuid,
}

/// List invitations
///
/// Those into the organisations that the caller administers; administrators of the platform see all.
#[utoipa::path(
    get, path = "/invitations", tag = "memberships",
    params(ListInvitations, Paging, IfNoneMatchHeader),
    security(("oauth2" = ["invitations:read"]), ("bearer" = [])),
    responses((status = 200, body = InvitationPage, description = "A page of invitations.")),
)]
async fn list_invitations(
    app: Data<App>,
    caller: Caller,
    query: Query<ListInvitations>,
) -> Result<impl Responder, Problem> {
    let Query(ListInvitations { organisation, paging }) = query;
    let (limit, after): (_, Option<ById>) = (paging.limit(), paging.after()?);
    let keys: Vec<Key> = organisation.iter().map(|key| Key::from(key.as_str())).collect();
    let read = app.db.read_as(caller.actor()?, move |conn, roles| {
        let asked = if keys.is_empty() { None } else { Some(organisations::known(conn, &keys)?) };
        invitations::list(conn, among(roles, asked).as_deref(), after, limit)
    });
    let page = read.await.map_err(Problem::from)?;
    let next = page.next.as_ref().map(Cursor::write);
    let items = page.items.into_iter().map(Into::into).collect();
    Ok(Collection { page: InvitationPage { items, next_cursor: next.clone() }, next })
}

/// The organisations whose invitations are shown, out of those asked for; `None` for all there are.
fn among(roles: &Roles, asked: Option<Vec<Uuid>>) -> Option<Vec<Uuid>> {
    if roles.administers() {
        return asked;
    }
    let own = roles.with(Role::Admin).map(|membership| membership.organisation_id);
    Some(own.filter(|id| asked.as_ref().is_none_or(|asked| asked.contains(id))).collect())
}

/// Invite somebody
///
/// For administrators of the organisation. The answer has a secret, which is told this once: whoever has it and is
/// signed in may accept.
#[utoipa::path(
    post, path = "/invitations", tag = "memberships",
    params(IdempotencyKeyHeader),
    request_body(content = CreateInvitation, description = "Whom to invite, and as what."),
    security(("oauth2" = ["invitations:write"]), ("bearer" = [])),
    responses(
        (status = 201, body = InvitationWithToken, description = "The invitation, with its secret."),
        (status = 409, description = "The organisation is not in the catalogue, or the address has an open invitation to it."),
    ),
)]
async fn create_invitation(
    app: Data<App>,
    once: Once,
    body: Json<CreateInvitation>,
) -> Result<impl Responder, Problem> {
    let Json(CreateInvitation { organisation, email, role, days }) = body;
    shared(&app, INVITATIONS_OF_PRINCIPAL, once.caller().actor()?.principal.to_string()).await?;
    let token = secret::unguessable()?;
    let created = once.run(move |tx| {
        let organisation_id = organisations::resolve_one(tx, "/organisation", &organisation)?;
        rules::may_give_roles(tx.roles(), organisation_id)?;
        let (email, token_hash) = (email.clone(), secret::hash(&token));
        let new = NewInvitation { organisation_id, email, role, token_hash, days };
        let invitation = Invitation::from(invitations::create(tx, Uuid::now_v7(), &new)?);
        let (version, path) = (invitation.version, invitation.path());
        Ok(Single::created(InvitationWithToken { invitation, token: token.clone() }, version, path))
    });
    created.await
}

/// Read an invitation
///
/// For administrators of the organisation.
#[utoipa::path(
    get, path = "/invitations/{id}", tag = "memberships",
    params(InvitationPath, IfNoneMatchHeader),
    security(("oauth2" = ["invitations:read"]), ("bearer" = [])),
    responses((status = 200, body = Invitation, description = "The invitation.")),
)]
async fn get_invitation(app: Data<App>, caller: Caller, id: Path<Uuid>) -> Result<impl Responder, Problem> {
    let Path(id) = id;
    let read = app.db.read_as(caller.actor()?, move |conn, roles| {
        let found = invitations::find(conn, id)?;
        rules::may_see_invitation(roles, found.organisation_id)?;
        Ok::<_, Problem>(found)
    });
    let found = Invitation::from(read.await?);
    let (version, path) = (found.version, found.path());
    Ok(Single::ok(found, version).with_link(&path, "self"))
}

/// Take an invitation back
///
/// For administrators of the organisation. Who accepted it already stays a member.
#[utoipa::path(
    delete, path = "/invitations/{id}", tag = "memberships",
    params(InvitationPath, IfMatchHeader),
    security(("oauth2" = ["invitations:write"]), ("bearer" = [])),
    responses((status = 204, description = "Taken back.")),
)]
async fn delete_invitation(
    app: Data<App>,
    caller: Caller,
    id: Path<Uuid>,
    if_match: IfMatch,
) -> Result<impl Responder, Problem> {
    let Path(id) = id;
    let removed = app.db.write(caller.actor()?, move |tx| {
        let current = invitations::lock(tx, id)?;
        rules::may_see_invitation(tx.roles(), current.organisation_id)?;
        if_match.check(current.version)?;
        Ok::<_, Problem>(invitations::delete(tx, &current)?)
    });
    removed.await?;
    Ok(HttpResponse::new(StatusCode::NO_CONTENT))
}

/// Accept an invitation
///
/// For anybody who is signed in and has the secret; it works once. A member who has a higher role keeps it.
#[utoipa::path(
    post, path = "/invitations/accept", tag = "memberships",
    params(IdempotencyKeyHeader),
    request_body(content = AcceptInvitation, description = "The secret."),
    security(("oauth2" = ["profile"]), ("bearer" = [])),
    responses(
        (status = 201, body = Membership, description = "The membership."),
        (status = 404, description = "There is no such invitation, or it was used, has expired or was taken back."),
    ),
)]
async fn accept_invitation(
    app: Data<App>,
    once: Once,
    body: Json<AcceptInvitation>,
) -> Result<impl Responder, Problem> {
    let Json(AcceptInvitation { token }) = body;
    let principal = once.caller().actor()?.principal;
    shared(&app, ACCEPTANCES_OF_PRINCIPAL, principal.to_string()).await?;
    let accepted = once.run(move |tx| {
        let Principal::Person(user_id) = principal else {
            return Err(Problem::forbidden("Only a person accepts an invitation."));
        };
        let organisation_id = invitations::accept(tx, &secret::hash(&token), user_id)?;
        let membership = memberships::of(&mut tx.conn(), user_id, organisation_id)?;
        let membership = Membership::seen_by(tx.roles(), Some(user_id), membership);
        let (version, path) = (membership.version, membership.path());
        Ok(Single::created(membership, version, path))
    });
    accepted.await
}

impl Invitation {
    fn path(&self) -> String {
        format!("/v1/invitations/{}", self.id)
    }
}

impl From<invitations::Invitation> for Invitation {
    fn from(invitation: invitations::Invitation) -> Self {
        let invitations::Invitation {
            id,
            version,
            created_at,
            updated_at,
            organisation_id: _,
            organisation,
            email,
            role,
            invited_by,
            expires_at,
            accepted_at,
        } = invitation;
        let organisation = organisation.0.into();
        Self { id, version, created_at, updated_at, organisation, email, role, invited_by, expires_at, accepted_at }
    }
}
