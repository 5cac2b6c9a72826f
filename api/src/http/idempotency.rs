//! `Idempotency-Key`: a POST that is sent again, because the answer to the first was lost, has one effect and gets one
//! answer (draft-ietf-httpapi-idempotency-key-header).
//!
//! [`Once`] is how every POST writes. The answer is made and kept in the transaction of the effect: both are there or
//! neither. What fails is not kept, so the key can be tried again.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use actix_web::web::Data;
use actix_web::{FromRequest, HttpMessage, HttpRequest, HttpResponse};
use db::Tx;
use db::idempotency::{self, Answered, Claim};
use serde::Serialize;
use sha2::{Digest, Sha256};
use tokio::sync::OwnedMutexGuard;
use utoipa::IntoParams;

use super::etag::{Answer, Single};
use crate::app::App;
use crate::auth::Caller;
use crate::problem::{CONFLICT, Fault, IDEMPOTENCY_KEY_REUSED, Problem};

/// The header of a key.
const KEY: &str = "idempotency-key";
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// SHA-256 of the body of a request, left by what read it.
pub(super) struct BodyDigest(pub [u8; 32]);

/// How a POST writes: once for each key.
pub struct Once {
    app: Data<App>,
    caller: Caller,
    request: HttpRequest,
}

impl FromRequest for Once {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let caller = Caller::from_request(request, payload);
        let request = request.clone();
        Box::pin(async move {
            let app = request.app_data::<Data<App>>().cloned();
            let app = app.ok_or_else(|| Problem::internal("a request without a service"))?;
            Ok(Self { app, caller: caller.await?, request })
        })
    }
}

impl Once {
    /// Who calls.
    #[must_use]
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Runs `work` in one transaction, or answers as it was answered to the same request before.
    pub async fn run<T, F>(self, work: F) -> Result<HttpResponse, Problem>
    where
        F: Fn(&mut Tx<'_>) -> Result<Single<T>, Problem> + Send + 'static,
        T: Serialize + 'static,
    {
        let (app, actor) = (&self.app, self.caller.actor()?);
        let Some(key) = self.key() else {
            let answer = app.db.write(actor, move |tx| work(tx)?.into_answer()).await?;
            return Ok(answer.into_response());
        };
        let seal = app.seal.clone().ok_or_else(|| Problem::internal("somebody is known without an encryption key"))?;
        let name = format!("{} {key}", actor.principal);
        // Who is told to come back has to be told: a place in the queue costs no connection, but is no place to stay.
        let turn = app.queues.enter(name.clone(), app.config.database.wait).await.ok_or_else(still_running)?;
        let hash = self.hash();
        let (answer, replayed) = app
            .db
            .write(actor, move |tx| match idempotency::claim(tx, &key)? {
                Claim::Running => Err(still_running()),
                Claim::Answered(answered) if answered.request_hash != hash => Err(reused()),
                Claim::Answered(answered) => {
                    let answer = seal.open(&answered.sealed_answer, &name).and_then(|json| Answer::read(&json));
                    // Sealed under a key of earlier: that it had its effect is all that can be told.
                    answer.map(|answer| (answer, true)).ok_or_else(reused)
                }
                Claim::New => {
                    let answer = work(tx)?.into_answer()?;
                    let sealed_answer = seal.seal(&answer.write(), &name);
                    idempotency::keep(tx, &key, &Answered { request_hash: hash.clone(), sealed_answer })?;
                    Ok((answer, false))
                }
            })
            .await?;
        drop(turn);
        let mut response = answer.into_response();
        if replayed {
            response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
        }
        Ok(response)
    }

    /// The gate has checked its form.
    fn key(&self) -> Option<String> {
        self.request.headers().get(KEY).and_then(|value| value.to_str().ok()).map(ToOwned::to_owned)
    }

    /// What makes two requests the same.
    fn hash(&self) -> Vec<u8> {
        let header = |name| self.request.headers().get(name).map(HeaderValue::as_bytes).unwrap_or_default();
        let body = self.request.extensions().get::<BodyDigest>().map(|digest| digest.0).unwrap_or_default();
        let mut hash = Sha256::new();
        for part in [
            self.request.method().as_str().as_bytes(),
            self.request.uri().to_string().as_bytes(),
            header(&CONTENT_TYPE),
            &body,
        ] {
            hash.update(part.len().to_be_bytes());
            hash.update(part);
        }
        hash.finalize().to_vec()
    }
}

fn still_running() -> Problem {
    let fault =
        Fault::parameter("Idempotency-Key", "still_running", "the request that came first with this key is not over");
    Problem::new(&CONFLICT, "The first request with this Idempotency-Key is still running; send it again in a moment.")
        .with_faults([fault])
        .with_header(RETRY_AFTER, HeaderValue::from_static("1"))
}

fn reused() -> Problem {
    let fault = Fault::parameter("Idempotency-Key", "reused", "came with another request in the last 24 hours");
    let detail = "This Idempotency-Key came with another request before; a new request needs a new key.";
    Problem::new(&IDEMPOTENCY_KEY_REUSED, detail).with_faults([fault])
}

/// Requests of one key, one after the other within this process: who waits here has no connection to the database.
#[derive(Default)]
pub struct Queues(Arc<Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>>);

impl Queues {
    async fn enter(&self, name: String, wait: Duration) -> Option<Turn> {
        let place = Place { queues: Arc::clone(&self.0), name };
        let queue = Arc::clone(place.lock().entry(place.name.clone()).or_default());
        let guard = tokio::time::timeout(wait, queue.lock_owned()).await.ok()?;
        Some(Turn { _guard: guard, _place: place })
    }
}

/// The turn of one request; the next has it when this is dropped.
struct Turn {
    // Dropped in this order: the last to leave removes the queue.
    _guard: OwnedMutexGuard<()>,
    _place: Place,
}

struct Place {
    queues: Arc<Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>>,
    name: String,
}

impl Place {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<tokio::sync::Mutex<()>>>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut queues = self.lock();
        if queues.get(&self.name).is_some_and(|queue| Arc::strong_count(queue) == 1) {
            queues.remove(&self.name);
        }
    }
}

/// The header of [`Once`], for the document.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "describes a header that `Once` reads")]
pub struct IdempotencyKeyHeader {
    /// A name of yours for this request, such as a UUID: sent again with the same name within 24 hours it has no second
    /// effect, and gets the answer of the first with `Idempotency-Replayed: true`.
    #[param(
        rename = "Idempotency-Key",
        required = false,
        min_length = 1,
        max_length = 255,
        pattern = "^[!-~]+$",
        example = "5f0c8d7b-e1a9-4f3d-8a21-c6b0e47f9d32"
    )]
    idempotency_key: Option<String>,
}
