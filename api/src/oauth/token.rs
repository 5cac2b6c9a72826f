//! `POST /oauth/token` and `POST /oauth/revoke`.

use std::collections::BTreeSet;

use actix_web::web::{Data, Payload};
use actix_web::{HttpMessage, HttpRequest, HttpResponse};
use db::clients::{self, Client};
use db::{Actor, Principal};
use serde_json::json;

use super::authentication::{Form, authenticate, invalid};
use super::{Refusal, keep_nothing};
use crate::app::App;
use crate::auth::token::{Claims, Grant, LEEWAY_SECONDS, LIFETIME_SECONDS};
use crate::middleware::log::RequestId;
use crate::problem::Problem;

/// Issues an access token for the client credentials grant (RFC 6749, 4.4 and 5.1).
pub(super) async fn issue(app: Data<App>, request: HttpRequest, payload: Payload) -> Result<HttpResponse, Refusal> {
    let form = Form::read(&request, payload.into_inner()).await?;
    let (client, slot) = authenticate(&app, &request, &form).await?;
    if form.need("grant_type", "grant_type is missing.")? != "client_credentials" {
        return Err(Refusal::OAuth("unsupported_grant_type", "The only grant here is client_credentials."));
    }
    let scopes = scopes(&client, form.get("scope"))?;
    note_use(&app, &client, slot, &request).await?;
    let keys = app.tokens.keys().ok_or_else(|| Problem::unavailable("no encryption key is set"))?;
    keys.current().await.map_err(|error| Problem::unavailable(error.to_string()))?;
    let id = client.row.id;
    let organisation_id = Some(client.row.organisation_id);
    let claims = app.tokens.claims(&Grant { subject: id, client_id: id.to_string(), organisation_id, scopes });
    let access_token = app.tokens.sign(&claims).ok_or_else(|| Problem::internal("no key signs"))?;
    let mut response = HttpResponse::Ok().json(json!({
        "access_token": access_token,
        "token_type": "Bearer",
        "expires_in": LIFETIME_SECONDS,
        "scope": claims.scope,
    }));
    keep_nothing(&mut response);
    Ok(response)
}

/// All that the client may have, or those asked for, none of which it may not have.
fn scopes(client: &Client, asked: Option<&str>) -> Result<BTreeSet<String>, Refusal> {
    let widest: BTreeSet<String> = client.row.state.scopes.0.iter().cloned().collect();
    let Some(asked) = asked else { return Ok(widest) };
    let asked: BTreeSet<String> = asked.split_ascii_whitespace().map(Into::into).collect();
    if asked.is_empty() || !asked.is_subset(&widest) {
        return Err(Refusal::OAuth("invalid_scope", "The client may not have all of these scopes."));
    }
    Ok(asked)
}

/// To within a minute: a write for each token would cost more than it tells.
async fn note_use(app: &App, client: &Client, slot: i16, request: &HttpRequest) -> Result<(), Refusal> {
    let used = client.secrets.iter().find(|secret| secret.slot == slot).and_then(|secret| secret.last_used_at);
    if used.is_some_and(|used| app.clock.now().signed_duration_since(used).num_seconds() < 60) {
        return Ok(());
    }
    let id = client.row.id;
    let actor = actor(client, "issue_token", request);
    Ok(app.db.write(actor, move |tx| clients::note_use(tx, id, slot)).await?)
}

fn actor(client: &Client, operation: &str, request: &HttpRequest) -> Actor {
    let id = client.row.id;
    Actor {
        principal: Principal::Client(id),
        client_id: Some(id.to_string()),
        organisation_id: Some(client.row.organisation_id),
        token_id: None,
        provider_id: None,
        request_id: request.extensions().get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default(),
        operation: operation.to_owned(),
    }
}

/// Takes a token of the client back. A token that is none, or none any more, is as good as taken back.
pub(super) async fn revoke(app: Data<App>, request: HttpRequest, payload: Payload) -> Result<HttpResponse, Refusal> {
    let form = Form::read(&request, payload.into_inner()).await?;
    let (client, _) = authenticate(&app, &request, &form).await?;
    let token = form.need("token", "token is missing.")?;
    if let Some(claims) = claims_of(&app, token).await? {
        if claims.client_id != client.row.id.to_string() {
            return Err(invalid("The token belongs to another client."));
        }
        let ends = claims.exp.saturating_add(LEEWAY_SECONDS);
        let ends = chrono::DateTime::from_timestamp(ends, 0).ok_or_else(|| invalid("The token never ends."))?;
        let actor = actor(&client, "revoke_token", &request);
        app.db.write(actor, move |tx| clients::revoke_token(tx, claims.jti, ends)).await?;
        app.tokens.forget();
    }
    let mut response = HttpResponse::Ok().finish();
    keep_nothing(&mut response);
    Ok(response)
}

async fn claims_of(app: &App, token: &str) -> Result<Option<Claims>, Refusal> {
    use crate::auth::Identity;
    match app.tokens.read(token).await {
        Ok(claims) => Ok(Some(claims)),
        Err(Identity::Failed(problem)) => Err(problem.into()),
        Err(_) => Ok(None),
    }
}
