//! `/organisations/{id}/identity-providers`: by which OpenID Connect providers an organisation's people sign in.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpResponse, Responder};
use chrono::{DateTime, Utc};
use db::identity_providers::{
    self, IdentityProviderKind, IdentityProviderRow, IdentityProviderState, RoleMapping as Mapping, SignatureAlgorithm,
};
use db::organisations::{self, Key};
use db::page::ById;
use db::types::{Json as Stored, Texts};
use db::{Role, Tx};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use validator::{Validate, ValidationError};

use crate::app::App;
use crate::auth::{Caller, rules};
use crate::http::etag::{IfMatchHeader, IfNoneMatchHeader};
use crate::http::idempotency::IdempotencyKeyHeader;
use crate::http::{Collection, Cursor, IfMatch, Json, Once, Paging, Patch, Path, Query, Single};
use crate::merge_patch;
use crate::problem::Problem;
use crate::routes::Routes;
use crate::v1::organisations::OrganisationPath;
use crate::v1::organisations::wire::fault;

/// The operations on identity providers.
#[must_use]
pub fn routes() -> Routes {
    routes![
        list_identity_providers,
        create_identity_provider,
        get_identity_provider,
        update_identity_provider,
        delete_identity_provider
    ]
}

/// OpenID Connect provider by which people of an organisation sign in.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct IdentityProvider {
    /// Identifier, UUIDv7.
    #[schema(read_only, example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    pub id: Uuid,
    /// Rises by one with each change; the entity tag begins with it.
    #[schema(read_only, minimum = 1, maximum = 2_147_483_647, example = 1)]
    pub version: i32,
    /// When it was registered (UTC).
    #[schema(read_only, example = "2026-11-23T09:30:00Z")]
    pub created_at: DateTime<Utc>,
    /// When it last changed (UTC).
    #[schema(read_only, example = "2026-11-23T09:30:00Z")]
    pub updated_at: DateTime<Utc>,
    /// Id of the organisation whose people sign in by it.
    #[schema(read_only, example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    pub organisation_id: Uuid,
    #[serde(flatten)]
    pub(crate) facts: IdentityProviderFacts,
}

/// What a writer says of a provider, the same to register and to change it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
#[validate(schema(function = "is_of_one_tenant"))]
pub(crate) struct IdentityProviderFacts {
    /// What the organisation calls it.
    #[schema(
        min_length = 1,
        max_length = 120,
        pattern = r"^[^\u0000-\u001f\u007f]*[^\s\u0000-\u001f\u007f][^\u0000-\u001f\u007f]*$",
        example = "Hackney Entra ID"
    )]
    pub name: String,
    /// How it says who somebody is.
    pub kind: IdentityProviderKind,
    /// `iss` of its tokens, character by character; its keys are found by OpenID Connect Discovery from there. For Entra
    /// ID that of one tenant: `common`, `organizations` and `consumers` are refused, as anybody could come in by them.
    #[schema(
        format = "uri",
        max_length = 500,
        pattern = r"^https?://[^\s?#\u0000-\u001f\u007f]+$",
        example = "https://login.microsoftonline.com/5f0c8d7b-e1a9-4f3d-8a21-c6b0e47f9d32/v2.0"
    )]
    pub issuer: String,
    /// `aud` of those of its tokens that are for this service: as a rule the id of the application that is registered
    /// there.
    #[schema(
        min_length = 1,
        max_length = 255,
        pattern = r"^[^\s\u0000-\u001f\u007f]+$",
        example = "api://8a21c6b0-e47f-4d32-9f0c-8d7be1a94f3d"
    )]
    pub audience: String,
    /// Algorithms (RFC 7518) in which it signs; others are refused, whatever a token says.
    #[serde(default = "rs256")]
    #[schema(min_items = 1, max_items = 8, default = json!(["RS256"]))]
    pub algorithms: Vec<SignatureAlgorithm>,
    /// Roles that claims give, the highest of those that match; without a match viewer. A role that was given by hand
    /// stays. Without a map new people are viewers, and administrators raise them.
    #[serde(default)]
    #[schema(max_items = 50)]
    #[validate(nested)]
    pub role_map: Vec<RoleMapping>,
    /// Whether roles over the platform count for people who sign in by it. Only administrators of the platform set it.
    #[serde(default)]
    #[schema(default = false, example = false)]
    pub platform_roles: bool,
}

/// Value of a claim, and the role that it gives.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct RoleMapping {
    /// Name of the claim.
    #[schema(min_length = 1, max_length = 255, pattern = r"^[^\u0000-\u001f\u007f]+$", example = "roles")]
    pub claim: String,
    /// The value; of a claim that holds several, any of them.
    #[schema(min_length = 1, max_length = 255, pattern = r"^[^\u0000-\u001f\u007f]+$", example = "LOTI.Contributor")]
    pub value: String,
    /// The role in the organisation.
    pub role: Role,
}

/// Identity provider to register.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct CreateIdentityProvider {
    #[serde(flatten)]
    #[validate(nested)]
    pub(crate) facts: IdentityProviderFacts,
}

merge_patch! {
    /// Change to an identity provider, as a JSON merge patch (RFC 7396): only what is to change.
    UpdateIdentityProvider of CreateIdentityProvider
}

/// One page of identity providers.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct IdentityProviderPage {
    /// The providers on this page, the oldest first.
    #[schema(max_items = 100)]
    pub items: Vec<IdentityProvider>,
    /// Cursor of the next page; null on the last.
    #[schema(max_length = 2048, pattern = "^[A-Za-z0-9_-]+$", example = "WyJhIl0")]
    pub next_cursor: Option<String>,
}

/// Filters of the list of identity providers.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct ListIdentityProviders {
    #[serde(flatten)]
    #[param(ignore)]
    paging: Paging,
}

/// Which identity provider.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes the parameter that `Path` reads")]
pub struct IdentityProviderPath {
    /// Id of the identity provider.
    #[param(rename = "providerId", example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    provider_id: Uuid,
}

/// List identity providers
///
/// Those of an organisation, for its administrators.
#[utoipa::path(
    get, path = "/organisations/{id}/identity-providers", tag = "memberships",
    params(OrganisationPath, ListIdentityProviders, Paging, IfNoneMatchHeader),
    security(("oauth2" = ["identity-providers:read"]), ("bearer" = [])),
    responses((status = 200, body = IdentityProviderPage, description = "A page of identity providers.")),
)]
async fn list_identity_providers(
    app: Data<App>,
    caller: Caller,
    key: Path<Key>,
    query: Query<ListIdentityProviders>,
) -> Result<impl Responder, Problem> {
    let (Path(key), Query(ListIdentityProviders { paging })) = (key, query);
    let (limit, after): (_, Option<ById>) = (paging.limit(), paging.after()?);
    let read = app.db.read_as(caller.actor()?, move |conn, roles| {
        let organisation_id = organisations::existing(conn, &key)?;
        rules::may_keep_identity_providers(roles, organisation_id)?;
        Ok::<_, Problem>(identity_providers::list(conn, organisation_id, after, limit)?)
    });
    let page = read.await?;
    let next = page.next.as_ref().map(Cursor::write);
    let items = page.items.into_iter().map(Into::into).collect();
    Ok(Collection { page: IdentityProviderPage { items, next_cursor: next.clone() }, next })
}

/// Register an identity provider
///
/// For administrators of the organisation. From then on its people sign in by it: the first valid token of somebody
/// whose address is in one of the organisation's `emailDomains`, and verified by the provider, makes them a member.
#[utoipa::path(
    post, path = "/organisations/{id}/identity-providers", tag = "memberships",
    params(OrganisationPath, IdempotencyKeyHeader),
    request_body(content = CreateIdentityProvider, description = "The provider to register."),
    security(("oauth2" = ["identity-providers:write"]), ("bearer" = [])),
    responses(
        (status = 201, body = IdentityProvider, description = "The provider, as registered."),
        (status = 409, description = "The organisation has registered issuer and audience already, or has ten providers."),
    ),
)]
async fn create_identity_provider(
    app: Data<App>,
    once: Once,
    key: Path<Key>,
    body: Json<CreateIdentityProvider>,
) -> Result<impl Responder, Problem> {
    let (Path(key), Json(CreateIdentityProvider { facts })) = (key, body);
    refuse_plain(&app, &facts)?;
    let created = once.run(move |tx| {
        let organisation_id = organisations::lock(tx, &key)?.row.id;
        rules::may_keep_identity_providers(tx.roles(), organisation_id)?;
        let state = IdentityProviderState::from(facts.clone());
        rules::may_lend_platform_roles(tx.roles(), None, &state)?;
        let created = identity_providers::create(tx, Uuid::now_v7(), organisation_id, &state)?;
        let (version, path) = (created.version, path_of(&created));
        Ok(Single::created(IdentityProvider::from(created), version, path))
    });
    created.await
}

/// Read an identity provider
///
/// For administrators of the organisation.
#[utoipa::path(
    get, path = "/organisations/{id}/identity-providers/{providerId}", tag = "memberships",
    params(OrganisationPath, IdentityProviderPath, IfNoneMatchHeader),
    security(("oauth2" = ["identity-providers:read"]), ("bearer" = [])),
    responses((status = 200, body = IdentityProvider, description = "The identity provider.")),
)]
async fn get_identity_provider(
    app: Data<App>,
    caller: Caller,
    path: Path<(Key, Uuid)>,
) -> Result<impl Responder, Problem> {
    let Path((key, id)) = path;
    let read = app.db.read_as(caller.actor()?, move |conn, roles| {
        let organisation_id = organisations::existing(conn, &key)?;
        rules::may_see_identity_provider(roles, organisation_id)?;
        Ok::<_, Problem>(identity_providers::find(conn, organisation_id, id)?)
    });
    Ok(answer(read.await?))
}

/// Change an identity provider
///
/// For administrators of the organisation. Its people are known by issuer and subject: under another issuer they are
/// known again by their address.
#[utoipa::path(
    patch, path = "/organisations/{id}/identity-providers/{providerId}", tag = "memberships",
    params(OrganisationPath, IdentityProviderPath, IfMatchHeader),
    request_body(
        content = UpdateIdentityProvider, content_type = "application/merge-patch+json",
        description = "The fields to change.",
    ),
    security(("oauth2" = ["identity-providers:write"]), ("bearer" = [])),
    responses(
        (status = 200, body = IdentityProvider, description = "The identity provider, as changed."),
        (status = 409, description = "The organisation has registered issuer and audience already."),
    ),
)]
async fn update_identity_provider(
    app: Data<App>,
    caller: Caller,
    which: Path<(Key, Uuid)>,
    if_match: IfMatch,
    patch: Patch,
) -> Result<impl Responder, Problem> {
    let Path((key, id)) = which;
    let service = app.clone();
    let changed = app.db.write(caller.actor()?, move |tx| {
        let current = lock(tx, &key, id)?;
        if_match.check(current.version)?;
        let facts = IdentityProviderFacts::from(current.state.clone());
        let CreateIdentityProvider { facts } = patch.apply(&CreateIdentityProvider { facts })?;
        refuse_plain(&service, &facts)?;
        let state = IdentityProviderState::from(facts);
        rules::may_lend_platform_roles(tx.roles(), Some(&current.state), &state)?;
        Ok::<_, Problem>(identity_providers::update(tx, &current, &state)?)
    });
    let changed = changed.await?;
    app.tokens.forget();
    Ok(answer(changed))
}

/// Remove an identity provider
///
/// For administrators of the organisation. Tokens of the provider end: at once for what they would change, within 30
/// seconds for what they read. Its people stay members.
#[utoipa::path(
    delete, path = "/organisations/{id}/identity-providers/{providerId}", tag = "memberships",
    params(OrganisationPath, IdentityProviderPath, IfMatchHeader),
    security(("oauth2" = ["identity-providers:write"]), ("bearer" = [])),
    responses((status = 204, description = "Removed.")),
)]
async fn delete_identity_provider(
    app: Data<App>,
    caller: Caller,
    path: Path<(Key, Uuid)>,
    if_match: IfMatch,
) -> Result<impl Responder, Problem> {
    let Path((key, id)) = path;
    let removed = app.db.write(caller.actor()?, move |tx| {
        let current = lock(tx, &key, id)?;
        if_match.check(current.version)?;
        Ok::<_, Problem>(identity_providers::delete(tx, &current)?)
    });
    removed.await?;
    app.tokens.forget();
    Ok(HttpResponse::new(StatusCode::NO_CONTENT))
}

/// A provider that the caller may change, locked.
fn lock(tx: &mut Tx<'_>, key: &Key, id: Uuid) -> Result<IdentityProviderRow, Problem> {
    let organisation_id = organisations::existing(&mut tx.conn(), key)?;
    rules::may_see_identity_provider(tx.roles(), organisation_id)?;
    Ok(identity_providers::lock(tx, organisation_id, id)?)
}

/// In clear anybody on the way could put keys of their own in place of the provider's.
fn refuse_plain(app: &App, facts: &IdentityProviderFacts) -> Result<(), Problem> {
    if app.fetch.allows_plain() || facts.issuer.starts_with("https://") {
        return Ok(());
    }
    Err(Problem::invalid([db::Fault::new("/issuer", "insecure", "must begin with https://")]))
}

fn rs256() -> Vec<SignatureAlgorithm> {
    vec![SignatureAlgorithm::Rs256]
}

/// An issuer that stands for everybody with any account is none; the one of Entra ID holds the tenant's id.
fn is_of_one_tenant(facts: &IdentityProviderFacts) -> Result<(), ValidationError> {
    const EVERYBODY: &[&str] =
        &["common", "organizations", "consumers", "9188040d-6c67-4c5b-b112-36a304b66dad", "{tenantid}"];
    let segments: Vec<String> = facts.issuer.split('/').skip(3).map(str::to_ascii_lowercase).collect();
    if segments.first().is_some_and(|first| EVERYBODY.contains(&first.as_str())) {
        return Err(fault(
            "/issuer",
            "not_one_tenant",
            "must be that of one tenant: by this one anybody could come in",
        ));
    }
    let is_id = |segment: &String| segment.len() == 36 && segment.parse::<Uuid>().is_ok();
    if facts.kind == IdentityProviderKind::EntraId && !segments.iter().any(is_id) {
        return Err(fault("/issuer", "no_tenant", "must hold the id of the tenant, as issuers of Entra ID do"));
    }
    Ok(())
}

fn answer(provider: IdentityProviderRow) -> Single<IdentityProvider> {
    let (version, path) = (provider.version, path_of(&provider));
    Single::ok(IdentityProvider::from(provider), version).with_link(&path, "self")
}

fn path_of(provider: &IdentityProviderRow) -> String {
    format!("/v1/organisations/{}/identity-providers/{}", provider.organisation_id, provider.id)
}

impl From<IdentityProviderRow> for IdentityProvider {
    fn from(provider: IdentityProviderRow) -> Self {
        let IdentityProviderRow { id, version, created_at, updated_at, organisation_id, state } = provider;
        Self { id, version, created_at, updated_at, organisation_id, facts: state.into() }
    }
}

impl From<IdentityProviderState> for IdentityProviderFacts {
    fn from(state: IdentityProviderState) -> Self {
        let IdentityProviderState { name, kind, issuer, audience, algorithms, role_map, platform_roles } = state;
        Self {
            name,
            kind,
            issuer,
            audience,
            algorithms: algorithms.0.iter().filter_map(|word| word.parse().ok()).collect(),
            role_map: role_map.0.into_iter().map(Into::into).collect(),
            platform_roles,
        }
    }
}

impl From<IdentityProviderFacts> for IdentityProviderState {
    fn from(facts: IdentityProviderFacts) -> Self {
        let IdentityProviderFacts { name, kind, issuer, audience, algorithms, role_map, platform_roles } = facts;
        let mut words: Vec<String> = Vec::with_capacity(algorithms.len());
        for algorithm in algorithms {
            if !words.iter().any(|held| held == algorithm.as_str()) {
                words.push(algorithm.to_string());
            }
        }
        Self {
            name,
            kind,
            issuer,
            audience,
            algorithms: Texts(words),
            role_map: Stored(role_map.into_iter().map(Into::into).collect()),
            platform_roles,
        }
    }
}

impl From<Mapping> for RoleMapping {
    fn from(Mapping { claim, value, role }: Mapping) -> Self {
        Self { claim, value, role }
    }
}

impl From<RoleMapping> for Mapping {
    fn from(RoleMapping { claim, value, role }: RoleMapping) -> Self {
        Self { claim, value, role }
    }
}
