//! People: a token of the OpenID Connect provider of their organisation says who they are.
//!
//! What is believed of it is what the organisation has registered: the issuer, character by character, the audience,
//! the algorithms. The first token of somebody new makes the person, and a member where the provider may speak for the
//! address; see [`db::identities`].

use std::sync::Arc;

use chrono::{DateTime, Utc};
use db::identities::{self, Asserted};
use db::identity_providers::{self, IdentityProviderKind, IdentityProviderRow, RoleMapping};
use db::{Actor, Db, Principal, Role};
use jsonwebtoken::{Algorithm, Header, Validation};
use serde::Deserialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::provider_keys::{ProviderKey, ProviderKeys};
use super::seal::Seal;
use super::token::LEEWAY_SECONDS;
use super::{Identity, SCOPES, Verified};
use crate::clock::Clock;
use crate::fetch::{Fetch, FetchError};
use crate::problem::Problem;

/// Seconds that a provider's token may live at most.
const LONGEST_SECONDS: i64 = 86_400;
/// What `typ` may be: an access token (RFC 9068), any JWT, or nothing. Other sorts of JWT are for something else.
const TYPES: &[&str] = &["jwt", "at+jwt"];
const UNKNOWN: &str = "No organisation has registered the issuer of this token with its audience.";
const INVALID: &str = "The token of the identity provider is not valid here.";

/// Who says what a token is, before anything of it is believed.
#[derive(Debug, Deserialize)]
pub struct Unverified {
    /// `iss`
    pub iss: String,
    #[serde(default)]
    aud: Audiences,
}

#[derive(Debug, Default, Deserialize)]
#[serde(untagged)]
enum Audiences {
    One(String),
    Several(Vec<String>),
    #[default]
    None,
}

impl Audiences {
    fn all(&self) -> Vec<String> {
        match self {
            Self::One(one) => vec![one.clone()],
            Self::Several(several) => several.clone(),
            Self::None => Vec::new(),
        }
    }
}

/// Checks tokens of identity providers.
pub struct Federation {
    db: Db,
    keys: ProviderKeys,
    seal: Arc<Seal>,
    clock: Clock,
}

impl Federation {
    /// Knows no keys yet. `seal` makes the digests by which erased identities are known.
    #[must_use]
    pub fn new(db: Db, fetch: Arc<Fetch>, seal: Arc<Seal>, clock: Clock) -> Self {
        Self { db, keys: ProviderKeys::new(fetch), seal, clock }
    }

    /// Who sent a token, and when it ends.
    pub async fn verify(
        &self,
        token: &str,
        unverified: &Unverified,
        request_id: &str,
    ) -> Result<(Verified, i64), Identity> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| Identity::Rejected(INVALID))?;
        let kid = kid_of(&header).ok_or(Identity::Rejected(INVALID))?;
        let providers = self.providers(unverified).await?;
        if providers.is_empty() {
            return Err(Identity::Rejected(UNKNOWN));
        }
        let found = self.keys.find(&unverified.iss, kid).await.map_err(cannot_check)?;
        let key = found.ok_or(Identity::Rejected(INVALID))?;
        let told = |provider: &IdentityProviderRow| {
            let claims = signed_claims(token, &header, &key, provider)?;
            let times = Times::of(&claims).filter(|times| times.hold_at(self.clock.now().timestamp()))?;
            Some(Told {
                asserted: assert(&claims, times, provider, &self.seal)?,
                client_id: client_of(&claims, provider.id),
                times,
            })
        };
        self.sign_in(providers.iter().filter_map(told).collect(), request_id).await
    }

    async fn providers(&self, unverified: &Unverified) -> Result<Vec<IdentityProviderRow>, Identity> {
        let (issuer, audiences) = (unverified.iss.clone(), unverified.aud.all());
        let read = self.db.read_as(Actor::operator("sign in"), move |conn, _| {
            identity_providers::of_token(conn, &issuer, &audiences)
        });
        read.await.map_err(|error: db::Error| Identity::Failed(error.into()))
    }

    async fn sign_in(&self, told: Vec<Told>, request_id: &str) -> Result<(Verified, i64), Identity> {
        let candidates: Vec<Asserted> = told.iter().map(|told| told.asserted.clone()).collect();
        let read = self.db.read_as(Actor::operator("sign in"), move |conn, _| identities::find(conn, &candidates));
        let (index, known) = read.await.map_err(refused)?.ok_or(Identity::Rejected(INVALID))?;
        let chosen = told.into_iter().nth(index).ok_or(Identity::Rejected(INVALID))?;
        let Told { asserted, client_id, times } = chosen;
        let provider_id = asserted.provider_id;
        let user_id = match known {
            Some(user_id) => user_id,
            None => self.write(asserted, client_id.clone(), request_id).await?,
        };
        let verified = Verified {
            principal: Principal::Person(user_id),
            client_id,
            organisation_id: None,
            token_id: None,
            provider_id: Some(provider_id),
            // A person may do what their roles allow: scopes are for what machines are lent.
            scopes: SCOPES.iter().map(|(scope, _)| (*scope).to_owned()).collect(),
        };
        Ok((verified, times.exp))
    }

    /// What the token says that is not known yet is written down.
    async fn write(&self, asserted: Asserted, client_id: String, request_id: &str) -> Result<Uuid, Identity> {
        let actor =
            Actor { client_id: Some(client_id), request_id: request_id.to_owned(), ..Actor::operator("sign in") };
        self.db.write(actor, move |tx| identities::sign_in(tx, &asserted)).await.map_err(refused)
    }
}

/// What a genuine token says, to the organisation of one provider.
struct Told {
    asserted: Asserted,
    client_id: String,
    times: Times,
}

/// Seconds since 1970. OpenID Connect does not know `nbf`, so it may be missing.
#[derive(Clone, Copy)]
struct Times {
    exp: i64,
    nbf: i64,
    iat: i64,
}

impl Times {
    fn of(claims: &Map<String, Value>) -> Option<Self> {
        let time = |name: &str| claims.get(name).and_then(seconds);
        let (exp, iat) = (time("exp")?, time("iat")?);
        let nbf = if claims.contains_key("nbf") { time("nbf")? } else { iat };
        Some(Self { exp, nbf, iat })
    }

    fn hold_at(self, now: i64) -> bool {
        let Self { exp, nbf, iat } = self;
        exp.saturating_add(LEEWAY_SECONDS) > now
            && nbf.saturating_sub(LEEWAY_SECONDS) <= now
            && iat.saturating_sub(LEEWAY_SECONDS) <= now
            && exp.saturating_sub(iat) <= LONGEST_SECONDS
    }
}

/// A NumericDate (RFC 7519, 2), which may have a fraction.
fn seconds(value: &Value) -> Option<i64> {
    let fraction = || value.as_f64().filter(|seconds| seconds.abs() < 1e12);
    #[expect(clippy::cast_possible_truncation, reason = "bounded above")]
    value.as_i64().or_else(|| fraction().map(|seconds| seconds.floor() as i64))
}

fn cannot_check(error: FetchError) -> Identity {
    match error {
        FetchError::Refused(_) => {
            Identity::Rejected("The keys of the identity provider may not be fetched from where they are.")
        }
        FetchError::Failed(cause) => {
            Identity::Failed(Problem::unavailable(format!("keys of an identity provider: {cause}")))
        }
    }
}

fn refused(error: db::Error) -> Identity {
    match error {
        db::Error::Unauthenticated(reason) => Identity::Rejected(reason),
        other => Identity::Failed(other.into()),
    }
}

/// The name of the key, when the rest of the header is that of a token for us.
fn kid_of(header: &Header) -> Option<&str> {
    let typ = header.typ.as_deref().map(str::to_ascii_lowercase);
    let fits = typ.is_none_or(|typ| TYPES.contains(&typ.trim_start_matches("application/")));
    (fits && header.crit.is_none()).then_some(())?;
    header.kid.as_deref()
}

/// The claims, when the signature is that of the key in an algorithm that the organisation allows, and issuer and
/// audience are those that it has registered.
fn signed_claims(
    token: &str,
    header: &Header,
    key: &ProviderKey,
    provider: &IdentityProviderRow,
) -> Option<Map<String, Value>> {
    let state = &provider.state;
    let allowed: Vec<Algorithm> = state.algorithms.0.iter().filter_map(|name| name.parse().ok()).collect();
    let algorithm = key.algorithm(&allowed)?;
    (header.alg == algorithm).then_some(())?;
    let mut validation = Validation::new(algorithm);
    validation.set_audience(&[&state.audience]);
    validation.set_issuer(&[&state.issuer]);
    validation.set_required_spec_claims(&["exp", "iss", "aud"]);
    // Times are checked against our clock, in `check_times`.
    validation.validate_exp = false;
    validation.validate_nbf = false;
    Some(jsonwebtoken::decode(token, &key.decoding, &validation).ok()?.claims)
}

/// What claims say of a person, to the organisation of a provider.
fn assert(claims: &Map<String, Value>, times: Times, provider: &IdentityProviderRow, seal: &Seal) -> Option<Asserted> {
    let IdentityProviderRow { id, organisation_id, state, .. } = provider;
    let text = |name: &str| claims.get(name).and_then(Value::as_str).filter(|text| fits(text, 255));
    let (tenant, subject) = match state.kind {
        IdentityProviderKind::OpenidConnect => ("", text("sub")?),
        IdentityProviderKind::EntraId => {
            let tenant = text("tid").filter(|tenant| is_of_tenant(&state.issuer, tenant))?;
            (tenant, text("oid")?)
        }
    };
    let email = address(claims, state.kind);
    let name = text("name").or_else(|| email.as_deref().and_then(|email| email.split('@').next()));
    Some(Asserted {
        digest: seal.pseudonym(&identities::name(*organisation_id, &state.issuer, tenant, subject)),
        provider_id: *id,
        organisation_id: *organisation_id,
        issuer: state.issuer.clone(),
        tenant: tenant.to_owned(),
        subject: subject.to_owned(),
        name: name.filter(|name| !name.trim().is_empty()).unwrap_or("Somebody").chars().take(120).collect(),
        mapped: mapped(claims, &state.role_map.0),
        issued_at: DateTime::<Utc>::from_timestamp(times.iat, 0)?,
        email,
    })
}

fn fits(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

/// Whether a tenant is the one in the path of the issuer.
pub(crate) fn is_of_tenant(issuer: &str, tenant: &str) -> bool {
    let is_id = tenant.len() == 36 && tenant.parse::<Uuid>().is_ok();
    is_id && issuer.split('/').skip(3).any(|segment| segment == tenant)
}

/// The address that the provider has verified. Entra ID has no `email_verified`: there the tenant answers for its
/// addresses, unless it says that it does not (`xms_edov`).
fn address(claims: &Map<String, Value>, kind: IdentityProviderKind) -> Option<String> {
    let holds = |name: &str| {
        claims.get(name).map(|value| *value == Value::Bool(true) || *value == 1 || *value == "1" || *value == "true")
    };
    let names: &[&str] = match kind {
        IdentityProviderKind::OpenidConnect => (holds("email_verified") == Some(true)).then_some(&["email"])?,
        IdentityProviderKind::EntraId => {
            (holds("xms_edov") != Some(false) && holds("email_verified") != Some(false)).then_some(())?;
            &["email", "preferred_username", "upn"]
        }
    };
    let texts = names.iter().filter_map(|name| claims.get(*name).and_then(Value::as_str));
    texts.map(ToOwned::to_owned).find(|text| is_address(text))
}

fn is_address(text: &str) -> bool {
    let parts: Vec<&str> = text.split('@').collect();
    let sound = |part: &&str| !part.is_empty() && !part.chars().any(|c| c.is_whitespace() || c.is_control());
    text.len() <= 254 && parts.len() == 2 && parts.iter().all(sound)
}

/// The highest role that a role map gives; a viewer's when it gives none, and none at all without a map.
fn mapped(claims: &Map<String, Value>, map: &[RoleMapping]) -> Option<Role> {
    let holds = |mapping: &&RoleMapping| match claims.get(&mapping.claim) {
        Some(Value::String(text)) => {
            text.split_ascii_whitespace().any(|one| one == mapping.value) || *text == mapping.value
        }
        Some(Value::Array(several)) => several.iter().any(|one| *one == mapping.value.as_str()),
        _ => false,
    };
    let given = map.iter().filter(holds).map(|mapping| mapping.role).max();
    if map.is_empty() { None } else { Some(given.unwrap_or(Role::Viewer)) }
}

/// What carried the request, for audit: the application that the token was issued to.
fn client_of(claims: &Map<String, Value>, provider_id: Uuid) -> String {
    let named = ["azp", "appid", "client_id"].iter().filter_map(|name| claims.get(*name).and_then(Value::as_str));
    named.map(ToOwned::to_owned).find(|name| fits(name, 255)).unwrap_or_else(|| provider_id.to_string())
}
