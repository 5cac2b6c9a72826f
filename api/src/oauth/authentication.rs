//! How a client shows who it is: `client_secret_basic` or `client_secret_post` (RFC 6749, 2.3.1), one of the two.

use std::collections::BTreeMap;

use actix_web::HttpRequest;
use actix_web::dev::Payload;
use actix_web::http::header::{AUTHORIZATION, CONTENT_TYPE};
use actix_web::web::{Bytes, Data};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use db::Actor;
use db::clients::{self, Client, SecretRow};
use db::quotas::{REFUSALS_OF_ADDRESS, TOKENS_OF_CLIENT};
use percent_encoding::percent_decode_str;
use uuid::Uuid;

use super::Refusal;
use crate::app::App;
use crate::auth::secret;
use crate::http::address;
use crate::http::json::read_bytes;
use crate::middleware::limits::{pseudonym, shared};

/// Bytes that the body of a request may have.
const MAX_FORM: usize = 16 * 1024;

/// The parameters of a request.
pub(super) struct Form(BTreeMap<String, String>);

impl Form {
    /// From a body of `application/x-www-form-urlencoded`.
    pub(super) async fn read(request: &HttpRequest, payload: Payload) -> Result<Self, Refusal> {
        let sent = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let essence = sent.split(';').next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(invalid("Content-Type must be application/x-www-form-urlencoded."));
        }
        Self::parse(&read_bytes(request, payload, MAX_FORM).await?)
    }

    fn parse(body: &Bytes) -> Result<Self, Refusal> {
        let mut parameters = BTreeMap::new();
        for (name, value) in url::form_urlencoded::parse(body) {
            // RFC 6749, 3.2: without a value it is as if omitted; twice it is refused.
            if !value.is_empty() && parameters.insert(name.into_owned(), value.into_owned()).is_some() {
                return Err(invalid("A parameter is given twice."));
            }
        }
        Ok(Self(parameters))
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// A parameter that has to be there.
    pub(super) fn need(&self, name: &str, otherwise: &'static str) -> Result<&str, Refusal> {
        self.get(name).ok_or_else(|| invalid(otherwise))
    }
}

pub(super) fn invalid(description: &'static str) -> Refusal {
    Refusal::OAuth("invalid_request", description)
}

/// Who they say they are.
struct Credentials {
    client_id: String,
    client_secret: String,
}

/// The client that calls, and which of its secrets it used. Whether it is not known or its secret is wrong is not told.
///
/// Wrong secrets are counted by address and tokens by client, over all replicas together: guessing gets nobody far.
pub(super) async fn authenticate(
    app: &Data<App>,
    request: &HttpRequest,
    form: &Form,
) -> Result<(Client, i16), Refusal> {
    let known = recognise(app, request, form).await;
    match &known {
        Ok((client, _)) => shared(app, TOKENS_OF_CLIENT, client.row.id.to_string()).await?,
        Err(Refusal::InvalidClient) => {
            shared(app, REFUSALS_OF_ADDRESS, pseudonym(app, address::of(request, app))).await?;
        }
        Err(_) => {}
    }
    known
}

async fn recognise(app: &App, request: &HttpRequest, form: &Form) -> Result<(Client, i16), Refusal> {
    let Credentials { client_id, client_secret } = credentials(request, form)?;
    let id: Uuid = client_id.parse().map_err(|_| Refusal::InvalidClient)?;
    let found = app.db.read_as(Actor::operator("oauth"), move |conn, _| clients::live(conn, id)).await;
    let client = found.map_err(|error: db::Error| match error {
        db::Error::NotFound => Refusal::InvalidClient,
        other => other.into(),
    })?;
    let fits = |held: &&SecretRow| secret::is(&client_secret, &held.hash);
    let slot = client.secrets.iter().find(fits).map(|held| held.slot).ok_or(Refusal::InvalidClient)?;
    Ok((client, slot))
}

fn credentials(request: &HttpRequest, form: &Form) -> Result<Credentials, Refusal> {
    let in_body = form.get("client_secret");
    let Some(header) = request.headers().get(AUTHORIZATION) else {
        let (Some(client_id), Some(client_secret)) = (form.get("client_id"), in_body) else {
            return Err(Refusal::InvalidClient);
        };
        return Ok(Credentials { client_id: client_id.to_owned(), client_secret: client_secret.to_owned() });
    };
    let credentials = header.to_str().ok().and_then(basic).ok_or(Refusal::InvalidClient)?;
    let contradicts = form.get("client_id").is_some_and(|client_id| client_id != credentials.client_id);
    if in_body.is_some() || contradicts {
        return Err(invalid("Authenticate in one way only: by Authorization or in the body."));
    }
    Ok(credentials)
}

/// Id and secret are form-encoded before they are joined (RFC 6749, 2.3.1).
fn basic(header: &str) -> Option<Credentials> {
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let joined = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (client_id, client_secret) = joined.split_once(':')?;
    let decoded = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8().map(Into::into).ok();
    Some(Credentials { client_id: decoded(client_id)?, client_secret: decoded(client_secret)? })
}
