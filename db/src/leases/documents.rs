//! A lease as its parties read it, kept as it was rendered when it was issued: what they agreed to has to be the same
//! bytes for good, whatever becomes of the renderer.

use std::io::{self, Read};

use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Lease, check_draft};
use crate::schema::{lease_document_chunks, lease_documents};
use crate::tx::{Conn, Tx};
use crate::vocabulary::vocabulary;
use crate::{Error, Result};

/// How many bytes a piece has at most.
const CHUNK: usize = 256 * 1024;

vocabulary! {
    /// Format of a document. `markdown`: as of `CommonMark`. `html`: a page that stands alone. `docx`: Office Open XML
    /// (ISO/IEC 29500).
    DocumentFormat, "docx" {
        /// As of `CommonMark`.
        Markdown = "markdown",
        /// A page that stands alone.
        Html = "html",
        /// Office Open XML.
        Docx = "docx",
    }
}

/// A document of a lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// Its format.
    pub format: DocumentFormat,
    /// Digest of its bytes, in hexadecimal.
    pub sha256: String,
    /// How many bytes it has.
    pub size: i64,
}

/// Keeps a document of a locked draft.
pub fn keep(tx: &mut Tx<'_>, current: &Lease, document: &Document, mut content: impl Read) -> Result<()> {
    check_draft(current)?;
    diesel::insert_into(lease_documents::table)
        .values((
            lease_documents::lease_id.eq(current.id),
            lease_documents::format.eq(document.format),
            lease_documents::sha256.eq(&document.sha256),
            lease_documents::size.eq(document.size),
        ))
        .execute(tx.pg)?;
    for number in 0.. {
        let mut chunk = Vec::with_capacity(CHUNK);
        let unreadable = |error: io::Error| Error::Unavailable(format!("a document cannot be read again: {error}"));
        content.by_ref().take(CHUNK as u64).read_to_end(&mut chunk).map_err(unreadable)?;
        if chunk.is_empty() {
            break;
        }
        diesel::insert_into(lease_document_chunks::table)
            .values((
                lease_document_chunks::lease_id.eq(current.id),
                lease_document_chunks::format.eq(document.format),
                lease_document_chunks::number.eq(number),
                lease_document_chunks::content.eq(chunk),
            ))
            .execute(tx.pg)?;
    }
    Ok(())
}

/// Goes through the bytes of a document of a lease that is seen, piece by piece.
pub fn each<E: From<Error>>(
    conn: &mut Conn<'_>,
    lease_id: Uuid,
    format: DocumentFormat,
    mut piece: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), E> {
    for number in 0_i32.. {
        let chunk = lease_document_chunks::table
            .find((lease_id, format, number))
            .select(lease_document_chunks::content)
            .first::<Vec<u8>>(conn.pg)
            .optional()
            .map_err(Error::from)?;
        let Some(chunk) = chunk else { break };
        piece(&chunk)?;
    }
    Ok(())
}
