//! Secrets of clients and of links: made here, told once, and known again by their SHA-256.

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::seal::random;
use crate::problem::Problem;
use crate::words::hex;

/// `loti_`, the client's id, `_`, 256 bits: a form that scanners for leaked secrets can know.
pub struct ClientSecret(String);

impl ClientSecret {
    /// A new one.
    pub fn generate(client_id: Uuid) -> Result<Self, Problem> {
        Ok(Self(format!("loti_{}_{}", client_id.simple(), unguessable()?)))
    }

    /// What is kept of it.
    #[must_use]
    pub fn hash(&self) -> Vec<u8> {
        hash(&self.0)
    }

    /// The secret itself, to be told.
    #[must_use]
    pub fn text(&self) -> String {
        self.0.clone()
    }
}

/// 256 bits, in 64 hexadecimal digits.
pub fn unguessable() -> Result<String, Problem> {
    let bytes = random::<32>().ok_or_else(|| Problem::internal("the machine has no randomness"))?;
    Ok(hex(&bytes))
}

/// SHA-256 of a secret. It has 256 bits of its own, so it needs no slower function.
#[must_use]
pub fn hash(secret: &str) -> Vec<u8> {
    Sha256::digest(secret.as_bytes()).to_vec()
}

/// Whether a secret is the one that was kept, in a time that tells nothing.
#[must_use]
pub fn is(secret: &str, kept: &[u8]) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(&hash(secret), kept).is_ok()
}
