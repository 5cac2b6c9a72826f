//! Access tokens: RFC 9068 JWTs, signed with ES256.
//!
//! One algorithm, and one key a `kid`: what a token says of itself never chooses how it is checked.

use std::collections::BTreeSet;
use std::path::Path;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{Identity, Verified};
use crate::clock::Clock;

/// Seconds that the clocks of issuer and service may differ.
pub const LEEWAY_SECONDS: i64 = 30;
/// Seconds that an access token lives.
pub const LIFETIME_SECONDS: i64 = 600;
const TYPE: &str = "at+jwt";

/// Claims of an access token (RFC 9068), with the organisation it was issued for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Claims {
    /// Issuer: the public URL of this service.
    pub iss: String,
    /// The person.
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

/// A key that signs and verifies.
pub struct SigningKey {
    kid: String,
    encoding: EncodingKey,
    decoding: DecodingKey,
}

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read or written.
    #[error("The signing key {path} cannot be used: {source}.")]
    File {
        /// Which.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// Others than its owner may read it.
    #[error("The signing key {0} can be read by others than its owner; run: chmod 600 {0}")]
    Exposed(String),
    /// It is no P-256 key.
    #[error("The signing key {0} is no PKCS #8 key on the curve P-256 in PEM form; `loti keys generate` makes one.")]
    Malformed(String),
}

impl SigningKey {
    /// Makes a key and writes it to a file that only its owner may read. An existing file is left alone.
    pub fn generate(path: &Path) -> Result<(), KeyError> {
        use std::io::Write;
        use std::os::unix::fs::OpenOptionsExt;
        let name = path.display().to_string();
        let failed = |source| KeyError::File { path: name.clone(), source };
        let pair =
            EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(|_| KeyError::Malformed(name.clone()))?;
        let document = pair.to_pkcs8v1().map_err(|_| KeyError::Malformed(name.clone()))?;
        let encoded = STANDARD.encode(document.as_ref());
        let lines: Vec<&str> =
            (0..encoded.len()).step_by(64).filter_map(|i| encoded.get(i..encoded.len().min(i + 64))).collect();
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"));
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
        file.write_all(pem.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)
    }

    /// Reads a key from a file that only its owner may read.
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        use std::os::unix::fs::PermissionsExt;
        let name = path.display().to_string();
        let failed = |source| KeyError::File { path: name.clone(), source };
        if std::fs::metadata(path).map_err(failed)?.permissions().mode() & 0o077 != 0 {
            return Err(KeyError::Exposed(name));
        }
        let pem = std::fs::read_to_string(path).map_err(failed)?;
        Self::from_pem(&pem).ok_or(KeyError::Malformed(name))
    }

    fn from_pem(pem: &str) -> Option<Self> {
        let encoded: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
        let der = STANDARD.decode(encoded).ok()?;
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der).ok()?;
        // An uncompressed point: a 4, then x and y of 32 bytes each.
        let coordinates = pair.public_key().as_ref().get(1..).filter(|bytes| bytes.len() == 64)?;
        let (x, y) = coordinates.split_at(32);
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        Some(Self {
            kid: thumbprint(&x, &y),
            encoding: EncodingKey::from_ec_der(&der),
            decoding: DecodingKey::from_ec_components(&x, &y).ok()?,
        })
    }
}

/// RFC 7638: a name for the key that follows from the key.
fn thumbprint(x: &str, y: &str) -> String {
    let canonical = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
    URL_SAFE_NO_PAD.encode(Sha256::digest(canonical.as_bytes()))
}

/// Issues and checks tokens of one issuer.
pub struct Tokens {
    key: Option<SigningKey>,
    issuer: String,
    audience: String,
    clock: Clock,
}

/// For whom and what a token is issued.
#[derive(Debug, Clone)]
pub struct Grant {
    /// The person.
    pub user_id: Uuid,
    /// The OAuth client.
    pub client_id: String,
    /// The organisation, if for one.
    pub organisation_id: Option<Uuid>,
    /// The scopes.
    pub scopes: BTreeSet<String>,
}

impl Tokens {
    /// Tokens of the service at `public_url`. Without a key none is issued and none accepted.
    #[must_use]
    pub fn new(key: Option<SigningKey>, public_url: &str, clock: Clock) -> Self {
        Self { key, issuer: public_url.to_owned(), audience: format!("{public_url}/v1"), clock }
    }

    /// The claims of a token for `grant` that lives for [`LIFETIME_SECONDS`] from now.
    #[must_use]
    pub fn claims(&self, grant: &Grant) -> Claims {
        let now = self.clock.now().timestamp();
        Claims {
            iss: self.issuer.clone(),
            sub: grant.user_id,
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

    /// Signs claims; `None` without a key.
    #[must_use]
    pub fn sign(&self, claims: &Claims) -> Option<String> {
        let key = self.key.as_ref()?;
        let mut header = Header::new(Algorithm::ES256);
        header.typ = Some(TYPE.to_owned());
        header.kid = Some(key.kid.clone());
        jsonwebtoken::encode(&header, claims, &key.encoding).ok()
    }

    /// What an `Authorization` header amounts to.
    #[must_use]
    pub fn identify(&self, authorization: Option<&str>) -> Identity {
        let Some(value) = authorization else { return Identity::Anonymous };
        let token = match value.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
            _ => return Identity::Rejected("`Authorization` must be `Bearer` and an access token."),
        };
        self.verify(token).map_or_else(Identity::Rejected, Identity::Verified)
    }

    fn verify(&self, token: &str) -> Result<Verified, &'static str> {
        const INVALID: &str = "The access token is not valid here.";
        let key = self.key.as_ref().ok_or(INVALID)?;
        if token.len() > 8192 {
            return Err(INVALID);
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| INVALID)?;
        let typ = header.typ.as_deref().unwrap_or_default().to_ascii_lowercase();
        if typ.trim_start_matches("application/") != TYPE
            || header.crit.is_some()
            || header.kid.as_ref() != Some(&key.kid)
        {
            return Err(INVALID);
        }
        let claims =
            jsonwebtoken::decode::<Claims>(token, &key.decoding, &self.validation()).map_err(|_| INVALID)?.claims;
        self.check_times(&claims)?;
        Ok(Verified {
            user_id: claims.sub,
            client_id: claims.client_id,
            organisation_id: claims.org,
            scopes: claims.scope.split_ascii_whitespace().map(Into::into).collect(),
        })
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
}
