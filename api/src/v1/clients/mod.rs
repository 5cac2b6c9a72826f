//! `/clients`: the programs that act for organisations, and their secrets.

mod wire;

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpResponse, Responder};
use db::clients::{self, ClientKind, ClientState, Filter, NewSecret};
use db::organisations::{self, Key};
use db::page::ById;
use db::{Role, Roles};
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

pub use self::wire::{
    ChangeableClient, Client, ClientPage, CreateClient, CreateClientSecret, NewClient, NewClientSecret, UpdateClient,
};
use crate::app::App;
use crate::auth::secret::ClientSecret;
use crate::auth::{Caller, rules};
use crate::http::etag::{IfMatchHeader, IfNoneMatchHeader};
use crate::http::idempotency::IdempotencyKeyHeader;
use crate::http::text::OrganisationKey;
use crate::http::{Collection, Cursor, IfMatch, Json, Once, Paging, Patch, Path, Query, Single};
use crate::problem::Problem;
use crate::routes::Routes;

/// The operations on clients.
#[must_use]
pub fn routes() -> Routes {
    routes![
        list_clients,
        create_client,
        get_client,
        update_client,
        delete_client,
        create_client_secret,
        delete_client_secret
    ]
}

/// Filters of the list of clients.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct ListClients {
    /// Organisation whose they are, by id or slug.
    #[serde(default)]
    #[param(max_items = 50, required = false, inline, value_type = Vec<OrganisationKey>)]
    organisation: Vec<String>,
    #[serde(flatten)]
    #[param(ignore)]
    paging: Paging,
}

/// Which client.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes the parameter that `Path` reads")]
pub struct ClientPath {
    /// Id of the client.
    #[param(example = "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11")]
    id: Uuid,
}

/// Which secret.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes the parameter that `Path` reads")]
pub struct SecretPath {
    /// Number of the secret.
    #[param(minimum = 1, maximum = 2, format = Int32, value_type = i32, example = 1)]
    number: i16,
}

/// List clients
///
/// Those of the organisations for which the caller contributes, the oldest first; administrators of the platform see
/// all.
#[utoipa::path(
    get, path = "/clients", tag = "clients",
    params(ListClients, Paging, IfNoneMatchHeader),
    security(("oauth2" = ["clients:read"]), ("bearer" = [])),
    responses((status = 200, body = ClientPage, description = "A page of clients.")),
)]
async fn list_clients(app: Data<App>, caller: Caller, query: Query<ListClients>) -> Result<impl Responder, Problem> {
    let Query(ListClients { organisation, paging }) = query;
    let (limit, after): (_, Option<ById>) = (paging.limit(), paging.after()?);
    let keys: Vec<Key> = organisation.iter().map(|key| Key::from(key.as_str())).collect();
    let read = app.db.read_as(caller.actor()?, move |conn, roles| {
        let asked = if keys.is_empty() { None } else { Some(organisations::known(conn, &keys)?) };
        clients::list(conn, &Filter { organisations: among(roles, asked) }, after, limit)
    });
    let page = read.await.map_err(Problem::from)?;
    let next = page.next.as_ref().map(Cursor::write);
    let items = page.items.into_iter().map(Into::into).collect();
    Ok(Collection { page: ClientPage { items, next_cursor: next.clone() }, next })
}

/// The organisations whose clients are shown, out of those asked for; `None` for all there are.
fn among(roles: &Roles, asked: Option<Vec<Uuid>>) -> Option<Vec<Uuid>> {
    if roles.administers() {
        return asked;
    }
    let own = roles.with(Role::Contributor).map(|membership| membership.organisation_id);
    Some(own.filter(|id| asked.as_ref().is_none_or(|asked| asked.contains(id))).collect())
}

/// Register a client
///
/// For administrators of the organisation; contributors register keys to the catalogue. The answer has the client's
/// first secret, which is told this once.
#[utoipa::path(
    post, path = "/clients", tag = "clients",
    params(IdempotencyKeyHeader),
    request_body(content = CreateClient, description = "The client to register."),
    security(("oauth2" = ["clients:write"]), ("bearer" = [])),
    responses(
        (status = 201, body = NewClient, description = "The client, as registered, with its secret."),
        (status = 409, description = "The organisation is not in the catalogue, or a catalogue key was to write."),
    ),
)]
async fn create_client(once: Once, body: Json<CreateClient>) -> Result<impl Responder, Problem> {
    let Json(wanted) = body;
    let (id, scopes) = (Uuid::now_v7(), once.caller().scopes());
    let secret = ClientSecret::generate(id)?;
    let created = once.run(move |tx| {
        let organisation_id = organisations::resolve_one(tx, "/organisation", &wanted.organisation)?;
        let state = wanted.facts.state(wanted.kind);
        rules::may_write_client(tx.roles(), organisation_id, &state)?;
        rules::may_grant_scopes(&scopes, &state.scopes.0)?;
        refuse_writing_key(&state)?;
        let kept = NewSecret { hash: secret.hash(), expires_at: None };
        let created = clients::create(tx, id, organisation_id, &state, &kept)?;
        let (version, path) = (created.row.version, path_of(&created));
        Ok(Single::created(NewClient { client: created.into(), secret: secret.text() }, version, path))
    });
    created.await
}

/// Read a client
///
/// For contributors of its organisation.
#[utoipa::path(
    get, path = "/clients/{id}", tag = "clients",
    params(ClientPath, IfNoneMatchHeader),
    security(("oauth2" = ["clients:read"]), ("bearer" = [])),
    responses((status = 200, body = Client, description = "The client.")),
)]
async fn get_client(app: Data<App>, caller: Caller, id: Path<Uuid>) -> Result<impl Responder, Problem> {
    let Path(id) = id;
    let read = app.db.read_as(caller.actor()?, move |conn, roles| {
        let client = clients::find(conn, id)?;
        rules::may_see_client(roles, client.row.organisation_id)?;
        Ok::<_, Problem>(client)
    });
    Ok(answer(read.await?))
}

/// Change a client
///
/// For administrators of the organisation; contributors change keys to the catalogue. Narrower scopes hold for the
/// tokens to come: those that are out live ten minutes at most.
#[utoipa::path(
    patch, path = "/clients/{id}", tag = "clients",
    params(ClientPath, IfMatchHeader),
    request_body(
        content = UpdateClient, content_type = "application/merge-patch+json",
        description = "The fields to change.",
    ),
    security(("oauth2" = ["clients:write"]), ("bearer" = [])),
    responses(
        (status = 200, body = Client, description = "The client, as changed."),
        (status = 409, description = "A catalogue key was to write."),
    ),
)]
async fn update_client(
    app: Data<App>,
    caller: Caller,
    id: Path<Uuid>,
    if_match: IfMatch,
    patch: Patch,
) -> Result<impl Responder, Problem> {
    let (Path(id), scopes) = (id, caller.scopes());
    let changed = app.db.write(caller.actor()?, move |tx| {
        let current = lock(tx, id)?;
        rules::may_write_client(tx.roles(), current.row.organisation_id, &current.row.state)?;
        if_match.check(current.row.version)?;
        let wanted: ChangeableClient = patch.apply(&ChangeableClient::from(&current.row.state))?;
        let state = wanted.facts.state(current.row.state.kind);
        rules::may_write_client(tx.roles(), current.row.organisation_id, &state)?;
        let added: Vec<String> =
            state.scopes.0.iter().filter(|scope| !current.row.state.scopes.0.contains(scope)).cloned().collect();
        rules::may_grant_scopes(&scopes, &added)?;
        refuse_writing_key(&state)?;
        Ok::<_, Problem>(clients::update(tx, &current, &state)?)
    });
    Ok(answer(changed.await?))
}

/// Remove a client
///
/// Its tokens end with it: at once for what they would change, within 30 seconds for what they read.
#[utoipa::path(
    delete, path = "/clients/{id}", tag = "clients",
    params(ClientPath, IfMatchHeader),
    security(("oauth2" = ["clients:write"]), ("bearer" = [])),
    responses((status = 204, description = "Removed.")),
)]
async fn delete_client(
    app: Data<App>,
    caller: Caller,
    id: Path<Uuid>,
    if_match: IfMatch,
) -> Result<impl Responder, Problem> {
    let Path(id) = id;
    let removed = app.db.write(caller.actor()?, move |tx| {
        let current = lock(tx, id)?;
        rules::may_write_client(tx.roles(), current.row.organisation_id, &current.row.state)?;
        if_match.check(current.row.version)?;
        Ok::<_, Problem>(clients::delete(tx, &current)?)
    });
    removed.await?;
    app.tokens.forget();
    Ok(HttpResponse::new(StatusCode::NO_CONTENT))
}

/// Make a second secret
///
/// To replace the first while that still works: make the second, bring it to where it is used, remove the first.
#[utoipa::path(
    post, path = "/clients/{id}/secrets", tag = "clients",
    params(ClientPath, IdempotencyKeyHeader),
    request_body(content = CreateClientSecret, description = "The secret to make."),
    security(("oauth2" = ["clients:write"]), ("bearer" = [])),
    responses(
        (status = 201, body = NewClientSecret, description = "The secret, as made; the entity tag is the client's."),
        (status = 409, description = "The client has two secrets already."),
    ),
)]
async fn create_client_secret(
    once: Once,
    id: Path<Uuid>,
    body: Json<CreateClientSecret>,
) -> Result<impl Responder, Problem> {
    let (Path(id), Json(CreateClientSecret { expires_at })) = (id, body);
    let secret = ClientSecret::generate(id)?;
    let made = once.run(move |tx| {
        let current = lock(tx, id)?;
        rules::may_write_client(tx.roles(), current.row.organisation_id, &current.row.state)?;
        let (client, made) = clients::add_secret(tx, &current, &NewSecret { hash: secret.hash(), expires_at })?;
        let (version, path) = (client.row.version, path_of(&client));
        Ok(Single::created(NewClientSecret { facts: made.into(), secret: secret.text() }, version, path))
    });
    made.await
}

/// Remove a secret
///
/// No token is given for it from then on; `If-Match` is the entity tag of the client.
#[utoipa::path(
    delete, path = "/clients/{id}/secrets/{number}", tag = "clients",
    params(ClientPath, SecretPath, IfMatchHeader),
    security(("oauth2" = ["clients:write"]), ("bearer" = [])),
    responses((status = 204, description = "Removed.")),
)]
async fn delete_client_secret(
    app: Data<App>,
    caller: Caller,
    path: Path<(Uuid, i16)>,
    if_match: IfMatch,
) -> Result<impl Responder, Problem> {
    let Path((id, number)) = path;
    let removed = app.db.write(caller.actor()?, move |tx| {
        let current = lock(tx, id)?;
        rules::may_write_client(tx.roles(), current.row.organisation_id, &current.row.state)?;
        if_match.check(current.row.version)?;
        Ok::<_, Problem>(clients::remove_secret(tx, &current, number)?)
    });
    removed.await?;
    Ok(HttpResponse::new(StatusCode::NO_CONTENT))
}

/// A client that the caller may see, locked.
fn lock(tx: &mut db::Tx<'_>, id: Uuid) -> Result<clients::Client, Problem> {
    let current = clients::lock(tx, id)?;
    rules::may_see_client(tx.roles(), current.row.organisation_id)?;
    Ok(current)
}

/// The database holds this too; here it is said by field.
fn refuse_writing_key(state: &ClientState) -> Result<(), Problem> {
    let reads = |scope: &String| scope.ends_with(":read");
    let fault = |pointer, detail| Err(Problem::conflict(&[db::Fault::new(pointer, "catalogue_key", detail)]));
    match state.kind {
        ClientKind::CatalogueKey if state.role != Role::Viewer => fault("/role", "A catalogue key is a viewer."),
        ClientKind::CatalogueKey if !state.scopes.0.iter().all(reads) => {
            fault("/scopes", "A catalogue key has only scopes that end in :read.")
        }
        _ => Ok(()),
    }
}

fn answer(client: clients::Client) -> Single<Client> {
    let (version, path) = (client.row.version, path_of(&client));
    Single::ok(Client::from(client), version).with_link(&path, "self")
}

fn path_of(client: &clients::Client) -> String {
    format!("/v1/clients/{}", client.row.id)
}
