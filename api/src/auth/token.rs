//! Access tokens: RFC 9068 JWTs, signed with ES256.
//!
//! One algorithm, and one key a `kid`: what a token says of itself never chooses how it is checked. A token that was
//! checked in full is remembered for a short while; what was taken back since is noticed by the transaction of each
//! write, which looks for itself, and clears what is remembered here.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use db::{Actor, Db, Principal};
use jsonwebtoken::dangerous::insecure_decode_claims;
use jsonwebtoken::{Algorithm, Header, Validation};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::time::Instant;
use uuid::Uuid;

use super::federation::{Federation, Unverified};
use super::keys::{Keys, SigningKey};
use super::{Identity, Verified};
use crate::clock::Clock;
use crate::problem::Problem;

/// Seconds that the clocks of issuer and service may differ.
pub const LEEWAY_SECONDS: i64 = 30;
/// Seconds that an access token lives.
pub const LIFETIME_SECONDS: i64 = 600;
const TYPE: &str = "at+jwt";
/// Characters of a token at most: a provider may list many groups.
const LONGEST: usize = 16 * 1024;
const INVALID: &str = "The access token is not valid here.";

/// How long a token that was checked is remembered.
const REMEMBERED: Duration = Duration::from_secs(30);
/// How many are remembered at most.
const MOST_REMEMBERED: usize = 10_000;

/// Claims of an access token (RFC 9068), with the organisation it was issued for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Claims {
    /// Issuer: the public URL of this service.
    pub iss: String,
    /// The person; for a machine its client.
    pub sub: Uuid,
    /// Audience: the API.
    pub aud: String,
    /// Expiry, seconds since 1970.
    pub exp: i64,
    /// Not before.
    pub nbf: i64,
    /// Issued at.
    pub iat: i64,
    /// Id of the token.
    pub jti: Uuid,
    /// The OAuth client.
    pub client_id: String,
    /// The organisation it was issued for; absent when for all of the person's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub org: Option<Uuid>,
    /// Scopes, separated by spaces.
    pub scope: String,
}

/// For whom and what a token is issued.
#[derive(Debug, Clone)]
pub struct Grant {
    /// The person or client.
    pub subject: Uuid,
    /// The OAuth client.
    pub client_id: String,
    /// The organisation, if for one.
    pub organisation_id: Option<Uuid>,
    /// The scopes.
    pub scopes: BTreeSet<String>,
}

/// Issues and checks tokens of one issuer.
pub struct Tokens {
    keys: Option<Keys>,
    federation: Option<Federation>,
    db: Db,
    issuer: String,
    audience: String,
    clock: Clock,
    remembered: Mutex<HashMap<[u8; 32], Remembered>>,
}

struct Remembered {
    verified: Verified,
    until: Instant,
    expires_at: i64,
}

impl Tokens {
    /// Tokens of the service at `public_url`. Without keys none is issued and none accepted.
    #[must_use]
    pub fn new(keys: Option<Keys>, db: Db, public_url: &str, clock: Clock) -> Self {
        let (issuer, audience) = (public_url.to_owned(), format!("{public_url}/v1"));
        Self { keys, federation: None, db, issuer, audience, clock, remembered: Mutex::default() }
    }

    /// Those of organisations' identity providers are accepted as well.
    #[must_use]
    pub fn with_federation(self, federation: Federation) -> Self {
        Self { federation: Some(federation), ..self }
    }

    /// Issuer of our own tokens.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The keys, if it has any.
    #[must_use]
    pub fn keys(&self) -> Option<&Keys> {
        self.keys.as_ref()
    }

    /// The claims of a token for `grant` that lives for [`LIFETIME_SECONDS`] from now.
    #[must_use]
    pub fn claims(&self, grant: &Grant) -> Claims {
        let now = self.clock.now().timestamp();
        Claims {
            iss: self.issuer.clone(),
            sub: grant.subject,
            aud: self.audience.clone(),
            exp: now + LIFETIME_SECONDS,
            nbf: now,
            iat: now,
            jti: Uuid::now_v7(),
            client_id: grant.client_id.clone(),
            org: grant.organisation_id,
            scope: grant.scopes.iter().cloned().collect::<Vec<_>>().join(" "),
        }
    }

    /// Signs claims with the active key; `None` without one.
    #[must_use]
    pub fn sign(&self, claims: &Claims) -> Option<String> {
        let ring = self.keys.as_ref()?.held();
        let key = ring.active()?;
        let mut header = Header::new(Algorithm::ES256);
        header.typ = Some(TYPE.to_owned());
        header.kid = Some(key.kid.clone());
        jsonwebtoken::encode(&header, claims, &key.encoding).ok()
    }

    /// What an `Authorization` header amounts to.
    ///
    /// `request_id` is for the audit trail: the first token of somebody makes them known.
    pub async fn identify(&self, authorization: Option<&str>, request_id: &str) -> Identity {
        let Some(value) = authorization else { return Identity::Anonymous };
        let token = match value.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
            _ => return Identity::Rejected("`Authorization` must be `Bearer` and an access token."),
        };
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        if let Some(verified) = self.recall(&digest) {
            return Identity::Verified(verified);
        }
        match self.verify(token, request_id).await {
            Ok((verified, expires_at)) => {
                self.remember(digest, verified.clone(), expires_at);
                Identity::Verified(verified)
            }
            Err(refusal) => refusal,
        }
    }

    /// What a token of ours says, when it is one that counts by its signature and its times.
    pub async fn read(&self, token: &str) -> Result<Claims, Identity> {
        let keys = self.keys.as_ref().ok_or(Identity::Rejected(INVALID))?;
        let kid = kid_of(token).map_err(Identity::Rejected)?;
        let ring = keys.with(&kid).await.map_err(|error| Identity::Failed(Problem::unavailable(error.to_string())))?;
        let key = ring.find(&kid).ok_or(Identity::Rejected(INVALID))?;
        let claims = self.check(token, key).map_err(Identity::Rejected)?;
        Ok(claims)
    }

    async fn verify(&self, token: &str, request_id: &str) -> Result<(Verified, i64), Identity> {
        let (verified, expires_at) = self.check_by_issuer(token, request_id).await?;
        // Who was taken back is nobody for reads too, within the time that a token is remembered.
        match self.db.read_as(verified.actor("", ""), |_, _| Ok(())).await {
            Ok(()) => Ok((verified, expires_at)),
            Err(db::Error::Unauthenticated(reason)) => Err(Identity::Rejected(reason)),
            Err(error) => Err(Identity::Failed(error.into())),
        }
    }

    /// By our keys when it says that it is ours, else by those of the provider that it names: and by no others.
    async fn check_by_issuer(&self, token: &str, request_id: &str) -> Result<(Verified, i64), Identity> {
        if token.len() > LONGEST {
            return Err(Identity::Rejected(INVALID));
        }
        let unverified: Unverified = insecure_decode_claims(token).map_err(|_| Identity::Rejected(INVALID))?;
        match &self.federation {
            Some(federation) if unverified.iss != self.issuer => {
                federation.verify(token, &unverified, request_id).await
            }
            _ => self.read(token).await.map(|claims| (Verified::from(&claims), claims.exp)),
        }
    }

    fn check(&self, token: &str, key: &SigningKey) -> Result<Claims, &'static str> {
        let claims =
            jsonwebtoken::decode::<Claims>(token, &key.decoding, &self.validation()).map_err(|_| INVALID)?.claims;
        self.check_times(&claims)?;
        Ok(claims)
    }

    fn validation(&self) -> Validation {
        let mut validation = Validation::new(Algorithm::ES256);
        validation.set_audience(&[&self.audience]);
        validation.set_issuer(&[&self.issuer]);
        validation.set_required_spec_claims(&["exp", "nbf", "iss", "aud", "sub"]);
        // Times are checked against our clock, in `check_times`.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation
    }

    fn check_times(&self, claims: &Claims) -> Result<(), &'static str> {
        let now = self.clock.now().timestamp();
        if claims.exp.saturating_add(LEEWAY_SECONDS) <= now {
            Err("The access token has expired; fetch a new one.")
        } else if claims.nbf.saturating_sub(LEEWAY_SECONDS) > now || claims.iat.saturating_sub(LEEWAY_SECONDS) > now {
            Err("The access token is not valid yet.")
        } else if claims.exp.saturating_sub(claims.iat) > LIFETIME_SECONDS {
            Err("The access token lives longer than this service allows.")
        } else {
            Ok(())
        }
    }

    /// Forgets every token that was checked: one of them was taken back.
    pub fn forget(&self) {
        self.lock().clear();
    }

    fn recall(&self, digest: &[u8; 32]) -> Option<Verified> {
        let remembered = self.lock();
        let found = remembered.get(digest).filter(|found| found.until > Instant::now())?;
        (found.expires_at + LEEWAY_SECONDS > self.clock.now().timestamp()).then(|| found.verified.clone())
    }

    fn remember(&self, digest: [u8; 32], verified: Verified, expires_at: i64) {
        let now = Instant::now();
        let mut remembered = self.lock();
        if remembered.len() >= MOST_REMEMBERED {
            remembered.retain(|_, found| found.until > now);
        }
        if remembered.len() < MOST_REMEMBERED {
            remembered.insert(digest, Remembered { verified, until: now + REMEMBERED, expires_at });
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<[u8; 32], Remembered>> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The key that a token of ours names in its header; what else the header says is what we would have written.
fn kid_of(token: &str) -> Result<String, &'static str> {
    let header = jsonwebtoken::decode_header(token).map_err(|_| INVALID)?;
    let typ = header.typ.as_deref().unwrap_or_default().to_ascii_lowercase();
    if typ.trim_start_matches("application/") != TYPE || header.crit.is_some() || header.alg != Algorithm::ES256 {
        return Err(INVALID);
    }
    header.kid.ok_or(INVALID)
}

impl From<&Claims> for Verified {
    fn from(claims: &Claims) -> Self {
        // RFC 9068, 2.2: of a client that acts for itself both are the same.
        let is_client = claims.client_id == claims.sub.to_string();
        Self {
            principal: if is_client { Principal::Client(claims.sub) } else { Principal::Person(claims.sub) },
            client_id: claims.client_id.clone(),
            organisation_id: claims.org,
            token_id: Some(claims.jti),
            provider_id: None,
            scopes: claims.scope.split_ascii_whitespace().map(Into::into).collect(),
        }
    }
}

impl Verified {
    /// Who acts, for the database.
    #[must_use]
    pub fn actor(&self, operation: &str, request_id: &str) -> Actor {
        Actor {
            principal: self.principal,
            client_id: Some(self.client_id.clone()),
            organisation_id: self.organisation_id,
            token_id: self.token_id,
            provider_id: self.provider_id,
            request_id: request_id.to_owned(),
            operation: operation.to_owned(),
        }
    }
}
