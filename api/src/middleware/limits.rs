//! How much one caller may ask: a token bucket for each address, and a larger one for each holder of a token.
//!
//! The address is that of the connection: a header could say anything. Kept in memory, per process.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};

use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, HttpMessage, ResponseError};
use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};

use db::Principal;

use crate::app::App;
use crate::auth::Identity;
use crate::config::Config;
use crate::problem::{Problem, TOO_MANY_REQUESTS};

type Limiter<K> = RateLimiter<K, DashMapStateStore<K>, DefaultClock, StateInformationMiddleware>;

/// The quotas of everybody who called lately.
pub struct Limits {
    by_address: Limiter<IpAddr>,
    by_user: Limiter<Principal>,
    anonymous: NonZeroU32,
    token: NonZeroU32,
    seen: AtomicU32,
}

struct Standing {
    policy: &'static str,
    quota: NonZeroU32,
    left: u32,
    /// Seconds until one more is allowed; none when this one is.
    wait: Option<u64>,
}

impl Limits {
    /// Empty buckets of the configured sizes.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let quota = |per_minute: u32| NonZeroU32::new(per_minute).unwrap_or(NonZeroU32::MIN);
        let (anonymous, token) = (quota(config.rate_limit_anonymous), quota(config.rate_limit_token));
        Self {
            by_address: RateLimiter::dashmap(Quota::per_minute(anonymous)).with_middleware(),
            by_user: RateLimiter::dashmap(Quota::per_minute(token)).with_middleware(),
            anonymous,
            token,
            seen: AtomicU32::new(0),
        }
    }

    fn take(&self, identity: &Identity, address: Option<IpAddr>) -> Standing {
        self.forget_the_idle();
        match identity {
            Identity::Verified(verified) => standing(
                "token",
                self.token,
                self.by_user.check_key(&verified.principal).map(|s| s.remaining_burst_capacity()),
            ),
            Identity::Anonymous | Identity::Rejected(_) | Identity::Failed(_) => {
                let address = network(address.unwrap_or(IpAddr::from([0, 0, 0, 0])));
                standing(
                    "anonymous",
                    self.anonymous,
                    self.by_address.check_key(&address).map(|s| s.remaining_burst_capacity()),
                )
            }
        }
    }

    /// Full buckets need not be remembered.
    fn forget_the_idle(&self) {
        if self.seen.fetch_add(1, Ordering::Relaxed) % 10_000 == 9_999 {
            self.by_address.retain_recent();
            self.by_user.retain_recent();
        }
    }
}

fn standing(
    policy: &'static str,
    quota: NonZeroU32,
    taken: Result<u32, governor::NotUntil<<DefaultClock as Clock>::Instant>>,
) -> Standing {
    match taken {
        Ok(left) => Standing { policy, quota, left, wait: None },
        Err(not_until) => {
            let wait = not_until.wait_time_from(DefaultClock::default().now());
            Standing { policy, quota, left: 0, wait: Some(wait.as_secs() + 1) }
        }
    }
}

/// Households and offices get a /64 of IPv6: one address of it is as good as another.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() & (u128::MAX << 64)).into()),
    }
}

/// Identifies the caller, and lets them pass while their quota lasts.
pub async fn limits<B: MessageBody + 'static>(
    app: Data<App>,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<BoxBody, B>>, Error> {
    // Whoever watches the service must not be told to wait.
    if matches!(request.path(), "/livez" | "/readyz") {
        return next.call(request).await.map(ServiceResponse::map_into_right_body);
    }
    let authorization = request.headers().get(header::AUTHORIZATION).map(|value| value.to_str().unwrap_or_default());
    let identity = app.tokens.identify(authorization).await;
    let standing = app.limits.take(&identity, request.peer_addr().map(|peer| peer.ip()));
    request.extensions_mut().insert(identity);
    let mut response = match standing.wait {
        None => next.call(request).await?.map_into_right_body(),
        Some(seconds) => {
            let problem = Problem::new(&TOO_MANY_REQUESTS, format!("The quota is spent; wait {seconds} seconds."))
                .with_header(header::RETRY_AFTER, HeaderValue::from(seconds));
            request.into_response(problem.error_response()).map_into_left_body()
        }
    };
    announce(&mut response, &standing);
    Ok(response)
}

/// draft-ietf-httpapi-ratelimit-headers
fn announce<B>(response: &mut ServiceResponse<B>, standing: &Standing) {
    let Standing { policy, quota, left, .. } = standing;
    let reset = u64::from(quota.get() - left) * 60 / u64::from(quota.get());
    let values = [
        (HeaderName::from_static("ratelimit"), format!("\"{policy}\";r={left};t={reset}")),
        (HeaderName::from_static("ratelimit-policy"), format!("\"{policy}\";q={quota};w=60")),
    ];
    for (name, value) in values {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
}
