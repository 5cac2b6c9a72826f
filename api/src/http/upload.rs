//! Files that are too large to hold: streamed to a file without a name, within bounds of size and time.

use std::fs::File;
use std::future::poll_fn;
use std::io::{self, Seek as _};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::web::{Bytes, Data};
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use futures_core::Stream;
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use super::idempotency::BodyDigest;
use super::json::{MAX_BODY, media_type};
use crate::app::App;
use crate::problem::{CONTENT_TOO_LARGE, Problem, REQUEST_TIMEOUT};

/// Bytes that an uploaded file may have.
pub const MAX_UPLOAD: usize = 32 * 1024 * 1024;

/// A body that is a file, of a media type that the operation takes.
pub struct Upload {
    /// Its media type.
    pub media_type: String,
    /// Its content; it goes with the last of those who hold it.
    pub file: Arc<File>,
}

impl FromRequest for Upload {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let media_type = media_type(&request)?;
            let (file, digest) = receive(&request, payload).await?;
            request.extensions_mut().insert(BodyDigest(digest));
            Ok(Self { media_type, file: Arc::new(file) })
        })
    }
}

async fn receive(request: &HttpRequest, mut payload: Payload) -> Result<(File, [u8; 32]), Problem> {
    let each = request.app_data::<Data<App>>().map_or(Duration::from_secs(20), |app| app.config.body_timeout);
    let mut file = tokio::fs::File::from_std(tempfile::tempfile().map_err(|error| no_room(&error))?);
    let (mut hash, mut size) = (Sha256::new(), 0);
    let mut left = each;
    loop {
        let before = tokio::time::Instant::now();
        let chunk = timeout(left, next(&mut payload)).await;
        let Some(chunk) = chunk.map_err(|_| Problem::new(&REQUEST_TIMEOUT, "The body did not arrive in time."))? else {
            break;
        };
        let chunk = chunk?;
        // A megabyte may take as long as any other body may.
        let earned = (size + chunk.len()) / MAX_BODY - size / MAX_BODY;
        left = left.saturating_sub(before.elapsed()) + each * u32::try_from(earned).unwrap_or_default();
        size += chunk.len();
        if size > MAX_UPLOAD {
            return Err(Problem::new(&CONTENT_TOO_LARGE, format!("The body may have at most {MAX_UPLOAD} bytes.")));
        }
        hash.update(&chunk);
        file.write_all(&chunk).await.map_err(|error| no_room(&error))?;
    }
    if size == 0 {
        return Err(Problem::invalid([db::Fault::new("", "empty", "must be a file, and is empty")]));
    }
    file.flush().await.map_err(|error| no_room(&error))?;
    Ok((file.into_std().await, hash.finalize().into()))
}

async fn next(payload: &mut Payload) -> Option<Result<Bytes, Problem>> {
    let chunk = poll_fn(|context| Stream::poll_next(Pin::new(&mut *payload), context)).await?;
    Some(
        chunk.map_err(|error| {
            Problem::invalid([db::Fault::new("", "unreadable", format!("could not be read: {error}"))])
        }),
    )
}

/// A file that was received, from its beginning.
pub fn rewound(file: &File) -> Result<&File, Problem> {
    let mut start = file;
    start.rewind().map_err(|error| Problem::unavailable(format!("a file cannot be read again: {error}")))?;
    Ok(file)
}

/// The disk is full, as a rule: that passes.
fn no_room(error: &io::Error) -> Problem {
    Problem::from(db::Error::Unavailable(format!("the body cannot be kept: {error}")))
}
