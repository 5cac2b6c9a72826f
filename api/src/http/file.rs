//! Files as answers, sent piece by piece.

use std::fs::File;

use actix_web::body::SizedStream;
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse};
use tokio_util::io::ReaderStream;

use super::etag::{is_held, not_modified};

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
