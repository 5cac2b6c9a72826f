//! The keys of identity providers: found by OpenID Connect Discovery, and held so that neither a provider that is away
//! nor a token that names a key of nobody costs more than it must.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;

use crate::fetch::{Fetch, FetchError};

/// How old keys may be before they are fetched again, while they serve on.
const FRESH: Duration = Duration::from_secs(600);
/// How old they may become while the provider is away.
const STALE: Duration = Duration::from_secs(24 * 3600);
/// How often at most they are fetched, for a key that is not among them as well.
const AT_MOST: Duration = Duration::from_secs(60);
/// How often it is tried while there are none at all.
const FIRST: Duration = Duration::from_secs(5);
/// How many of a set are looked at.
const MOST_KEYS: usize = 100;
/// Bytes of an RSA modulus, at least: 2048 bits.
const LEAST_MODULUS: usize = 256;

/// A key that verifies.
#[derive(Clone)]
pub struct ProviderKey {
    /// To verify with.
    pub decoding: DecodingKey,
    family: Family,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Family {
    /// The one algorithm that the key is for.
    Fixed(Algorithm),
    /// RSA, of which the set does not say for which algorithm.
    Rsa,
}

impl ProviderKey {
    fn read(jwk: &Jwk) -> Option<Self> {
        let common = &jwk.common;
        let signs = common.public_key_use.as_ref().is_none_or(|used| *used == PublicKeyUse::Signature)
            && common.key_operations.as_ref().is_none_or(|all| all.contains(&KeyOperations::Verify));
        let stated = common.key_algorithm.map(Algorithm::try_from).transpose().ok()?;
        let family = match &jwk.algorithm {
            AlgorithmParameters::EllipticCurve(key) => Family::Fixed(match key.curve {
                EllipticCurve::P256 => Algorithm::ES256,
                EllipticCurve::P384 => Algorithm::ES384,
                _ => return None,
            }),
            AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
                Family::Fixed(Algorithm::EdDSA)
            }
            AlgorithmParameters::RSA(key) => {
                let modulus = URL_SAFE_NO_PAD.decode(&key.n).ok()?;
                (modulus.len() >= LEAST_MODULUS).then_some(())?;
                stated.map_or(Family::Rsa, Family::Fixed)
            }
            _ => return None,
        };
        let contradicts = stated.is_some_and(|stated| family != Family::Rsa && family != Family::Fixed(stated));
        (signs && !contradicts).then_some(())?;
        Some(Self { decoding: DecodingKey::from_jwk(jwk).ok()?, family })
    }

    /// The one algorithm in which the key verifies, out of those that an organisation allows.
    #[must_use]
    pub fn algorithm(&self, allowed: &[Algorithm]) -> Option<Algorithm> {
        use Algorithm::{PS256, PS384, PS512, RS256, RS384, RS512};
        match self.family {
            Family::Fixed(algorithm) => allowed.contains(&algorithm).then_some(algorithm),
            Family::Rsa => {
                allowed.iter().copied().find(|one| matches!(one, RS256 | RS384 | RS512 | PS256 | PS384 | PS512))
            }
        }
    }
}

/// What a discovery document says (OpenID Connect Discovery 1.0, 3).
#[derive(Deserialize)]
struct Discovered {
    issuer: String,
    jwks_uri: String,
}

/// RFC 7517, 5; keys that are none of ours to understand are passed over.
#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Value>,
}

/// The keys of every issuer that somebody came in by. Only issuers that an organisation has registered are asked for,
/// so their number is bounded.
pub struct ProviderKeys {
    fetch: Arc<Fetch>,
    issuers: Mutex<HashMap<String, Arc<Issuer>>>,
}

impl ProviderKeys {
    /// None yet.
    #[must_use]
    pub fn new(fetch: Arc<Fetch>) -> Self {
        Self { fetch, issuers: Mutex::default() }
    }

    /// The key that an issuer knows by a name, if it has one.
    pub async fn find(&self, issuer: &str, kid: &str) -> Result<Option<ProviderKey>, FetchError> {
        let issuer = self.issuer(issuer);
        let held = issuer.held();
        if let Some(key) = held.keys.get(kid)
            && held.age() < STALE
        {
            if held.age() >= FRESH {
                let (issuer, fetch) = (Arc::clone(&issuer), Arc::clone(&self.fetch));
                actix_web::rt::spawn(async move { drop(issuer.refresh(&fetch, Reason::Old).await) });
            }
            return Ok(Some(key.clone()));
        }
        issuer.refresh(&self.fetch, if held.keys.is_empty() { Reason::First } else { Reason::Unknown }).await?;
        Ok(issuer.held().keys.get(kid).cloned())
    }

    fn issuer(&self, name: &str) -> Arc<Issuer> {
        let mut issuers = self.issuers.lock().unwrap_or_else(PoisonError::into_inner);
        let issuer = issuers.entry(name.to_owned()).or_insert_with(|| Arc::new(Issuer::new(name)));
        Arc::clone(issuer)
    }
}

struct Held {
    keys: HashMap<String, ProviderKey>,
    fetched_at: Option<Instant>,
}

impl Held {
    fn age(&self) -> Duration {
        self.fetched_at.map_or(Duration::MAX, |at| at.elapsed())
    }
}

/// Why keys are fetched.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reason {
    /// There are none.
    First,
    /// Those there are, are old.
    Old,
    /// A token names one that is not among them.
    Unknown,
}

impl Reason {
    fn interval(self) -> Duration {
        if self == Self::First { FIRST } else { AT_MOST }
    }
}

struct Issuer {
    name: String,
    held: RwLock<Arc<Held>>,
    tried: tokio::sync::Mutex<Tried>,
}

/// When keys were last fetched, for whatever reason and for one that was not there, and what came of it.
#[derive(Default)]
struct Tried {
    at: Option<Instant>,
    for_unknown_at: Option<Instant>,
    outcome: Option<Result<(), FetchError>>,
}

impl Tried {
    /// What came of it, if it is too early to try again for a reason.
    fn lately(&self, reason: Reason) -> Option<Result<(), FetchError>> {
        let at = if reason == Reason::Unknown { self.for_unknown_at } else { self.at };
        self.outcome.clone().filter(|_| at.is_some_and(|at| at.elapsed() < reason.interval()))
    }
}

impl Issuer {
    fn new(name: &str) -> Self {
        let held = RwLock::new(Arc::new(Held { keys: HashMap::new(), fetched_at: None }));
        Self { name: name.to_owned(), held, tried: tokio::sync::Mutex::default() }
    }

    fn held(&self) -> Arc<Held> {
        Arc::clone(&self.held.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Fetches the keys, unless that was tried not long ago; one fetches, the others wait for that.
    async fn refresh(&self, fetch: &Fetch, reason: Reason) -> Result<(), FetchError> {
        let mut tried = self.tried.lock().await;
        if let Some(outcome) = tried.lately(reason) {
            return outcome;
        }
        let outcome = self.fetch(fetch).await;
        if let Err(error) = &outcome {
            tracing::warn!(issuer = self.name, cause = %error, "the keys of an identity provider cannot be fetched");
        }
        let now = Some(Instant::now());
        let for_unknown_at = if reason == Reason::Unknown { now } else { tried.for_unknown_at };
        *tried = Tried { at: now, for_unknown_at, outcome: Some(outcome.clone()) };
        outcome
    }

    async fn fetch(&self, fetch: &Fetch) -> Result<(), FetchError> {
        let at = format!("{}/.well-known/openid-configuration", self.name.trim_end_matches('/'));
        let discovered: Discovered = fetch.json(&at).await?;
        if discovered.issuer != self.name {
            return Err(FetchError::Failed("its configuration names another issuer".into()));
        }
        let set: KeySet = fetch.json(&discovered.jwks_uri).await?;
        let keys: HashMap<String, ProviderKey> = set.keys.into_iter().take(MOST_KEYS).filter_map(named).collect();
        if keys.is_empty() {
            return Err(FetchError::Failed("there is no key among them that verifies".into()));
        }
        let held = Arc::new(Held { keys, fetched_at: Some(Instant::now()) });
        *self.held.write().unwrap_or_else(PoisonError::into_inner) = held;
        Ok(())
    }
}

fn named(jwk: Value) -> Option<(String, ProviderKey)> {
    let jwk: Jwk = serde_json::from_value(jwk).ok()?;
    let key = ProviderKey::read(&jwk)?;
    Some((jwk.common.key_id?, key))
}
