//! What is kept in the database but must not be readable there: sealed with AES-256-GCM under a key that the database
//! never sees.

use std::path::Path;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::words::hex;

/// Bytes of the encryption key.
const KEY_LENGTH: usize = 32;

/// Why there is no encryption key.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The file cannot be read or written.
    #[error("The encryption key {path} cannot be used: {source}.")]
    File {
        /// Which.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// Others than its owner may read it.
    #[error("The encryption key {0} can be read by others than its owner; run: chmod 600 {0}")]
    Exposed(String),
    /// It is no key.
    #[error("{0} must hold 32 bytes in base64; `loti keys generate` makes them.")]
    Malformed(String),
}

/// Seals and opens.
pub struct Seal {
    key: RandomizedNonceKey,
    pseudonyms: hmac::Key,
}

impl Seal {
    /// With a key in base64, found under `name`.
    pub fn from_base64(text: &str, name: &str) -> Result<Self, SealError> {
        let malformed = || SealError::Malformed(name.to_owned());
        let key = STANDARD.decode(text.trim()).map_err(|_| malformed())?;
        // Another use, another key: derived, so that one secret is enough.
        let derived = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), b"pseudonyms");
        Ok(Self {
            key: RandomizedNonceKey::new(&AES_256_GCM, &key).map_err(|_| malformed())?,
            pseudonyms: hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref()),
        })
    }

    /// With the key in a file that only its owner may read.
    pub fn load(path: &Path) -> Result<Self, SealError> {
        use std::os::unix::fs::PermissionsExt;
        let name = path.display().to_string();
        let failed = |source| SealError::File { path: name.clone(), source };
        if std::fs::metadata(path).map_err(failed)?.permissions().mode() & 0o077 != 0 {
            return Err(SealError::Exposed(name));
        }
        Self::from_base64(&std::fs::read_to_string(path).map_err(failed)?, &name)
    }

    /// Makes a key and writes it to a file that only its owner may read. An existing file is left alone.
    pub fn generate(path: &Path) -> Result<(), SealError> {
        use std::io::Write;
        use std::os::unix::fs::OpenOptionsExt;
        let name = path.display().to_string();
        let failed = |source| SealError::File { path: name.clone(), source };
        let key = random::<KEY_LENGTH>().ok_or_else(|| failed(std::io::Error::other("no randomness")))?;
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
        writeln!(file, "{}", STANDARD.encode(key)).and_then(|()| file.sync_all()).map_err(failed)
    }

    /// Sealed bytes: nonce, then ciphertext and tag. They open only in the same context, such as a table and an id.
    #[must_use]
    pub fn seal(&self, plain: &[u8], context: &str) -> Vec<u8> {
        let mut sealed = plain.to_vec();
        match self.key.seal_in_place_append_tag(Aad::from(context.as_bytes()), &mut sealed) {
            Ok(nonce) => [nonce.as_ref().as_slice(), &sealed].concat(),
            // Only beyond 64 GiB, or without randomness. What cannot be opened is better than what is not sealed.
            Err(_) => Vec::new(),
        }
    }

    /// The bytes that were sealed in this context; `None` for others, or under another key.
    #[must_use]
    pub fn open(&self, sealed: &[u8], context: &str) -> Option<Vec<u8>> {
        let (nonce, ciphertext) = sealed.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut plain = ciphertext.to_vec();
        let length = self.key.open_in_place(nonce, Aad::from(context.as_bytes()), &mut plain).ok()?.len();
        plain.truncate(length);
        Some(plain)
    }
}

impl Seal {
    /// A name for something that is not to be known by it, always the same: HMAC-SHA-256, half of it.
    #[must_use]
    pub fn pseudonym(&self, text: &str) -> String {
        let tag = hmac::sign(&self.pseudonyms, text.as_bytes());
        hex(tag.as_ref().get(..16).unwrap_or_default())
    }
}

/// Bytes that nobody can guess; `None` when the machine has none.
#[must_use]
pub fn random<const N: usize>() -> Option<[u8; N]> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).ok().map(|()| bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal(byte: u8) -> Seal {
        Seal::from_base64(&STANDARD.encode([byte; KEY_LENGTH]), "test").ok().unwrap()
    }

    #[test]
    fn opens_what_it_sealed_and_nothing_else() {
        let sealed = seal(1).seal(b"secret", "keys:1");
        assert_eq!(seal(1).open(&sealed, "keys:1").as_deref(), Some(b"secret".as_slice()));
        assert_eq!(seal(1).open(&sealed, "keys:2"), None, "another context");
        assert_eq!(seal(2).open(&sealed, "keys:1"), None, "another key");
        assert_eq!(seal(1).open(&sealed[..20], "keys:1"), None, "cut off");
        assert_eq!(seal(1).open(b"short", "keys:1"), None);
        assert_ne!(sealed, seal(1).seal(b"secret", "keys:1"), "never the same twice");
        assert!(!sealed.windows(6).any(|window| window == b"secret"));
    }

    #[test]
    fn a_key_has_32_bytes() {
        assert!(Seal::from_base64(&STANDARD.encode([1; 16]), "short").is_err());
        assert!(Seal::from_base64("no base64", "none").is_err());
    }
}
