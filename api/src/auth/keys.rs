//! Signing keys as the service uses them: a ring that is read from the database, and read again when a token names a
//! key that is not on it.
//!
//! A key is published as `next` before it signs, and goes on verifying after it ceased to: so a rotation is noticed by
//! nobody, whichever replica of the service is a little behind.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use db::signing_keys::{self, KeyState, NewSigningKey, SigningKeyRow};
use db::{Actor, Db};
use jsonwebtoken::{DecodingKey, EncodingKey};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::seal::Seal;

/// Seconds for which the next key has to be published before it signs: what `/.well-known/jwks.json` may be cached for.
pub const PUBLISHED_SECONDS: i32 = 300;
/// Seconds for which a key is kept after it ceased to sign: longer than any token of its lives.
pub const KEPT_SECONDS: i32 = db::retention::SIGNING_KEY_SECONDS;
/// How long the ring is used before it is read again.
const FRESH: Duration = Duration::from_secs(30);
/// How often at most it is read for the sake of a key that it does not have.
const RETRY: Duration = Duration::from_millis(100);

/// A key that verifies, and signs when it is the active one.
pub struct SigningKey {
    /// RFC 7638 thumbprint.
    pub kid: String,
    /// What it does.
    pub state: KeyState,
    /// Its public half, as in a JWK.
    pub public: (String, String),
    /// To sign with.
    pub encoding: EncodingKey,
    /// To verify with.
    pub decoding: DecodingKey,
}

impl SigningKey {
    /// A new key, sealed for the database.
    #[must_use]
    pub fn generate(seal: &Seal) -> Option<NewSigningKey> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).ok()?;
        let document = pair.to_pkcs8v1().ok()?;
        let (public_x, public_y) = coordinates(&pair)?;
        let kid = thumbprint(&public_x, &public_y);
        let sealed_key = seal.seal(document.as_ref(), &context(&kid));
        Some(NewSigningKey { kid, public_x, public_y, sealed_key })
    }

    fn open(row: SigningKeyRow, seal: &Seal) -> Option<Self> {
        let SigningKeyRow { kid, state, sealed_key, .. } = row;
        let der = seal.open(&sealed_key, &context(&kid))?;
        let public = coordinates(&EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der).ok()?)?;
        // What is in clear beside it could have been changed; the thumbprint binds the two.
        (thumbprint(&public.0, &public.1) == kid).then_some(())?;
        Some(Self {
            decoding: DecodingKey::from_ec_components(&public.0, &public.1).ok()?,
            encoding: EncodingKey::from_ec_der(&der),
            kid,
            state,
            public,
        })
    }

    /// RFC 7517
    fn jwk(&self) -> Value {
        let (x, y) = &self.public;
        json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y, "kid": self.kid, "alg": "ES256", "use": "sig" })
    }
}

fn context(kid: &str) -> String {
    format!("signing_keys:{kid}")
}

fn coordinates(pair: &EcdsaKeyPair) -> Option<(String, String)> {
    // An uncompressed point: a 4, then x and y of 32 bytes each.
    let coordinates = pair.public_key().as_ref().get(1..).filter(|bytes| bytes.len() == 64)?;
    let (x, y) = coordinates.split_at(32);
    Some((URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y)))
}

/// RFC 7638: a name for the key that follows from the key.
fn thumbprint(x: &str, y: &str) -> String {
    let canonical = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
    URL_SAFE_NO_PAD.encode(Sha256::digest(canonical.as_bytes()))
}

/// Why there is no key.
#[derive(Debug, Clone, thiserror::Error)]
pub enum KeyError {
    /// The database cannot say.
    #[error("the signing keys cannot be read: {0}")]
    Database(String),
    /// None of those in the database can be opened, or there is none.
    #[error("the database holds no signing key that the encryption key opens")]
    None,
}

/// The keys of a moment.
pub struct Ring {
    keys: Vec<SigningKey>,
    read_at: Option<Instant>,
}

impl Ring {
    /// The key of a name.
    #[must_use]
    pub fn find(&self, kid: &str) -> Option<&SigningKey> {
        self.keys.iter().find(|key| key.kid == kid)
    }

    /// The key that signs.
    #[must_use]
    pub fn active(&self) -> Option<&SigningKey> {
        self.keys.iter().find(|key| key.state == KeyState::Active)
    }

    /// A JWK set (RFC 7517) of their public halves.
    #[must_use]
    pub fn jwks(&self) -> Value {
        json!({ "keys": self.keys.iter().map(SigningKey::jwk).collect::<Vec<_>>() })
    }
}

/// The ring, as fresh as it needs to be.
pub struct Keys {
    seal: Arc<Seal>,
    db: Db,
    ring: RwLock<Arc<Ring>>,
    tried: Mutex<Option<(Instant, Result<(), KeyError>)>>,
}

impl Keys {
    /// An empty ring; the first use reads it.
    #[must_use]
    pub fn new(seal: Arc<Seal>, db: Db) -> Self {
        let ring = RwLock::new(Arc::new(Ring { keys: Vec::new(), read_at: None }));
        Self { seal, db, ring, tried: Mutex::new(None) }
    }

    /// Makes the first two keys when the database has none.
    pub async fn found(&self) -> Result<(), KeyError> {
        let (Some(active), Some(next)) = (SigningKey::generate(&self.seal), SigningKey::generate(&self.seal)) else {
            return Err(KeyError::None);
        };
        let write = self.db.write(Actor::operator("loti serve"), move |tx| signing_keys::found(tx, &active, &next));
        write.await.map_err(|error: db::Error| KeyError::Database(error.to_string()))?;
        self.read_again(Duration::ZERO).await?;
        if self.held().active().is_some() { Ok(()) } else { Err(KeyError::None) }
    }

    /// The ring as last read, without waiting for anything.
    #[must_use]
    pub fn held(&self) -> Arc<Ring> {
        Arc::clone(&self.ring.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The ring, read not long ago. When the database is away, the one that is held serves on.
    pub async fn current(&self) -> Result<Arc<Ring>, KeyError> {
        let held = self.held();
        if held.keys.is_empty() {
            self.read_again(RETRY).await?;
            if self.held().keys.is_empty() {
                self.found().await?;
            }
            return Ok(self.held());
        }
        // Who finds another at it goes on with what is held.
        if self.tried.try_lock().is_ok() {
            let _ = self.read_again(FRESH).await;
        }
        Ok(self.held())
    }

    /// The ring, with the key of a name if there is one by now.
    pub async fn with(&self, kid: &str) -> Result<Arc<Ring>, KeyError> {
        let ring = self.current().await?;
        if ring.find(kid).is_some() {
            return Ok(ring);
        }
        self.read_again(RETRY).await?;
        Ok(self.held())
    }

    /// Reads the ring when it is older than `age` and was not tried just now; one reads, the others wait for that.
    async fn read_again(&self, age: Duration) -> Result<(), KeyError> {
        let is_fresh = || self.held().read_at.is_some_and(|at| at.elapsed() < age);
        if is_fresh() {
            return Ok(());
        }
        let mut tried = self.tried.lock().await;
        let outcome =
            tried.as_ref().filter(|(at, _)| at.elapsed() < age.min(RETRY)).map(|(_, outcome)| outcome.clone());
        if let Some(outcome) = outcome {
            return outcome;
        }
        let outcome = self.read().await;
        *tried = Some((Instant::now(), outcome.clone()));
        outcome
    }

    async fn read(&self) -> Result<(), KeyError> {
        let rows: Vec<SigningKeyRow> =
            self.db.read(signing_keys::list).await.map_err(|error: db::Error| KeyError::Database(error.to_string()))?;
        let keys = rows.into_iter().filter_map(|row| SigningKey::open(row, &self.seal)).collect();
        let ring = Arc::new(Ring { keys, read_at: Some(Instant::now()) });
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = ring;
        Ok(())
    }
}
