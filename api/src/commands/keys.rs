//! `loti keys`

use std::path::Path;

use super::Failure;
use crate::auth::token::SigningKey;

pub(super) fn generate(path: &Path) -> Result<(), Failure> {
    SigningKey::generate(path).map_err(|error| Failure::failed(error.to_string()))?;
    eprintln!("Wrote a new signing key to {}.", path.display());
    Ok(())
}
