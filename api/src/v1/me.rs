//! `/me`: who the caller is, as the service knows them.

use actix_web::Responder;
use actix_web::web::Data;
use db::organisations::Reference;
use db::people::{self, PlatformRole};
use db::{Conn, Principal, Role, clients, memberships};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use validator::Validate;

use crate::app::App;
use crate::auth::Caller;
use crate::http::etag::{IfMatchHeader, IfNoneMatchHeader};
use crate::http::text::Scope;
use crate::http::{IfMatch, Patch, Single};
use crate::merge_patch;
use crate::problem::Problem;
use crate::routes::Routes;
use crate::v1::organisations::wire::OrganisationReference;

/// The operations on oneself.
#[must_use]
pub fn routes() -> Routes {
    routes![get_me, update_me]
}

/// Who calls.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Me {
    /// Id of the person or client.
    #[schema(read_only, example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    pub id: Uuid,
    /// Rises by one with each change; the entity tag begins with it.
    #[schema(read_only, minimum = 1, maximum = 2_147_483_647, example = 1)]
    pub version: i32,
    /// Whether it is a person or a program.
    pub kind: CallerKind,
    /// Name that others see.
    #[schema(
        min_length = 1,
        max_length = 120,
        pattern = r"^[^\u0000-\u001f\u007f]*[^\s\u0000-\u001f\u007f][^\u0000-\u001f\u007f]*$",
        example = "Sam Steward"
    )]
    pub display_name: String,
    /// E-mail address of a person, once a provider that may speak for its domain asserted it; null for a program.
    #[schema(
        min_length = 3,
        max_length = 254,
        pattern = r"^[^@\s\u0000-\u001f]+@[^@\s\u0000-\u001f]+$",
        example = "sam@hackney.example"
    )]
    pub email: Option<String>,
    /// Roles over the whole platform.
    #[schema(max_items = 10)]
    pub platform_roles: Vec<PlatformRole>,
    /// Roles in organisations: those that the token is for.
    #[schema(max_items = 1000)]
    pub memberships: Vec<OwnMembership>,
    /// Scopes of the token.
    #[schema(max_items = 100, value_type = Vec<Scope>)]
    pub scopes: Vec<String>,
}

/// Sort of caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(example = "person")]
pub enum CallerKind {
    /// A person.
    Person,
    /// A program of an organisation: an OAuth client.
    Client,
}

/// The caller's role in an organisation.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OwnMembership {
    /// Id of the membership; null for a program.
    #[schema(example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    pub id: Option<Uuid>,
    /// The organisation.
    pub organisation: OrganisationReference,
    /// The role there.
    pub role: Role,
}

/// What people may change of themselves, whole.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct ChangeableMe {
    /// Name that others see.
    #[schema(
        min_length = 1,
        max_length = 120,
        pattern = r"^[^\u0000-\u001f\u007f]*[^\s\u0000-\u001f\u007f][^\u0000-\u001f\u007f]*$",
        example = "Sam Steward"
    )]
    pub display_name: String,
}

merge_patch! {
    /// Change to oneself, as a JSON merge patch (RFC 7396): only what is to change.
    UpdateMe of ChangeableMe
}

/// Read who you are
///
/// As the service knows you, with what your token says.
#[utoipa::path(
    get, path = "/me", tag = "me",
    params(IfNoneMatchHeader),
    security(("oauth2" = ["profile"]), ("bearer" = [])),
    responses((status = 200, body = Me, description = "Who calls.")),
)]
async fn get_me(app: Data<App>, caller: Caller) -> Result<impl Responder, Problem> {
    let actor = caller.actor()?;
    let (principal, scopes) = (actor.principal, caller.scopes());
    let only = actor.organisation_id;
    let read = app.db.read_as(actor, move |conn, _| describe(conn, principal, only, scopes.iter().cloned().collect()));
    let me = read.await?;
    let version = me.version;
    Ok(Single::ok(me, version).with_link("/v1/me", "self"))
}

/// Change who you are
///
/// For people: the name that others see.
#[utoipa::path(
    patch, path = "/me", tag = "me",
    params(IfMatchHeader),
    request_body(content = UpdateMe, content_type = "application/merge-patch+json", description = "The fields to change."),
    security(("oauth2" = ["profile"]), ("bearer" = [])),
    responses((status = 200, body = Me, description = "Who calls, as changed.")),
)]
async fn update_me(app: Data<App>, caller: Caller, if_match: IfMatch, patch: Patch) -> Result<impl Responder, Problem> {
    let actor = caller.actor()?;
    let (principal, scopes) = (actor.principal, caller.scopes());
    let only = actor.organisation_id;
    let changed = app.db.write(actor, move |tx| {
        let Principal::Person(id) = principal else {
            return Err(Problem::forbidden("A client is changed by its organisation, under /v1/clients."));
        };
        let current = people::lock(tx, id).map_err(unknown)?;
        if_match.check(current.version)?;
        let wanted: ChangeableMe = patch.apply(&ChangeableMe { display_name: current.display_name.clone() })?;
        people::rename(tx, &current, &wanted.display_name)?;
        describe(&mut tx.conn(), principal, only, scopes.iter().cloned().collect())
    });
    let me = changed.await?;
    let version = me.version;
    Ok(Single::ok(me, version).with_link("/v1/me", "self"))
}

/// A token of somebody who was never added, or is gone.
fn unknown(error: db::Error) -> Problem {
    match error {
        db::Error::NotFound => Problem::invalid_token("Whoever the token speaks of is not known here."),
        other => other.into(),
    }
}

fn describe(conn: &mut Conn<'_>, principal: Principal, only: Option<Uuid>, scopes: Vec<String>) -> Result<Me, Problem> {
    match principal {
        Principal::Person(id) => describe_person(conn, id, only, scopes),
        Principal::Client(id) => {
            let clients::Client { row, organisation, .. } = clients::find(conn, id).map_err(unknown)?;
            Ok(Me {
                id,
                version: row.version,
                kind: CallerKind::Client,
                display_name: row.state.name,
                email: None,
                platform_roles: Vec::new(),
                memberships: vec![own_membership(None, organisation, row.state.role)],
                scopes,
            })
        }
        Principal::Operator => Err(Problem::internal("an operator calls over HTTP")),
    }
}

fn describe_person(conn: &mut Conn<'_>, id: Uuid, only: Option<Uuid>, scopes: Vec<String>) -> Result<Me, Problem> {
    let (person, platform_roles) = people::find(conn, id).map_err(unknown)?;
    let filter = memberships::Filter {
        visible: Some(Vec::new()),
        own: Some(id),
        organisations: only.map(|only| vec![only]),
        ..memberships::Filter::default()
    };
    let held = memberships::list(conn, &filter, None, 1000)?.items.into_iter();
    let own = |held: memberships::Membership| own_membership(Some(held.id), held.organisation.0, held.role);
    Ok(Me {
        id,
        version: person.version,
        kind: CallerKind::Person,
        display_name: person.display_name,
        email: person.email,
        platform_roles,
        memberships: held.map(own).collect(),
        scopes,
    })
}

fn own_membership(id: Option<Uuid>, organisation: Reference, role: Role) -> OwnMembership {
    OwnMembership { id, organisation: organisation.into(), role }
}
