//! Files that are made to be sent: their digest, and as answers, piece by piece.

use std::fs::File;
use std::io::{self, Read, Seek};

use actix_web::body::SizedStream;
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse};
use sha2::{Digest, Sha256};
use tokio_util::io::ReaderStream;

use super::etag::{is_held, not_modified};
use crate::words::hex;

/// How many bytes are held at a time.
const PIECE: usize = 64 * 1024;

/// A file of so many bytes, from where it stands, with a tag; 304 without a body when a reader holds just that.
#[must_use]
pub fn file(request: &HttpRequest, content: File, size: u64, media_type: &str, tag: &str) -> HttpResponse {
    if is_held(request, tag) {
        return not_modified(tag);
    }
    let pieces = ReaderStream::with_capacity(tokio::fs::File::from_std(content), PIECE);
    HttpResponse::Ok()
        .insert_header((header::ETAG, tag))
        .insert_header((header::CONTENT_TYPE, media_type))
        .body(SizedStream::new(size, pieces))
}

/// Digest, in hexadecimal, and length of a file; it is read from its beginning, before and after.
pub fn digest(file: &mut File) -> io::Result<(String, u64)> {
    let (mut hash, mut size, mut piece) = (Sha256::new(), 0, vec![0; PIECE]);
    file.rewind()?;
    loop {
        let read = file.read(&mut piece)?;
        let Some(bytes) = piece.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
        hash.update(bytes);
        size += bytes.len() as u64;
    }
    file.rewind()?;
    Ok((hex(&hash.finalize()), size))
}
