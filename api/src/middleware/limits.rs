//! How much one caller may ask: a token bucket for each address without a token, each person and each client, and a
//! large one for each address whoever calls from it.
//!
//! Kept in memory, per process, and so cheap. What is expensive or sensitive is bounded over all processes besides:
//! see [`shared`].

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, HttpMessage, ResponseError};
use db::quotas::{self, Action};
use db::{Actor, Principal};
use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};

use crate::app::App;
use crate::auth::Identity;
use crate::config::Config;
use crate::http::address;
use crate::middleware::log::RequestId;
use crate::problem::{Problem, TOO_MANY_REQUESTS};

/// Buckets of addresses that are remembered one by one; beyond, neighbours share one.
const MOST_ADDRESSES: usize = 100_000;

/// Buckets of one size, by who they are of.
struct Buckets<K: std::hash::Hash + Eq + Clone> {
    policy: &'static str,
    quota: NonZeroU32,
    limiter: RateLimiter<K, DashMapStateStore<K>, DefaultClock, StateInformationMiddleware>,
}

impl<K: std::hash::Hash + Eq + Clone> Buckets<K> {
    fn new(policy: &'static str, per_minute: u32) -> Self {
        let quota = NonZeroU32::new(per_minute).unwrap_or(NonZeroU32::MIN);
        Self { policy, quota, limiter: RateLimiter::dashmap(Quota::per_minute(quota)).with_middleware() }
    }

    fn take(&self, key: &K) -> Standing {
        let (left, wait) = match self.limiter.check_key(key) {
            Ok(state) => (state.remaining_burst_capacity(), None),
            Err(not_until) => (0, Some(not_until.wait_time_from(DefaultClock::default().now()).as_secs() + 1)),
        };
        Standing { policy: self.policy, quota: self.quota, left, wait }
    }
}

/// The quotas of everybody who called lately.
pub struct Limits {
    anonymous: Buckets<IpAddr>,
    people: Buckets<Principal>,
    clients: Buckets<Principal>,
    addresses: Buckets<IpAddr>,
    seen: AtomicU32,
    crowded: AtomicBool,
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
        Self {
            anonymous: Buckets::new("anonymous", config.rate_limit_anonymous),
            people: Buckets::new("token", config.rate_limit_token),
            clients: Buckets::new("client", config.rate_limit_client),
            addresses: Buckets::new("address", config.rate_limit_address),
            seen: AtomicU32::new(0),
            crowded: AtomicBool::new(false),
        }
    }

    fn take(&self, identity: &Identity, address: IpAddr) -> Standing {
        self.forget_the_idle();
        let address = self.neighbourhood(address);
        let principal = match identity {
            Identity::Verified(verified) => verified.principal,
            Identity::Anonymous | Identity::Rejected(_) | Identity::Failed(_) => return self.anonymous.take(&address),
        };
        // Many tokens from one address are bounded together.
        let crowd = self.addresses.take(&address);
        if crowd.wait.is_some() {
            return crowd;
        }
        match principal {
            Principal::Client(_) => self.clients.take(&principal),
            Principal::Person(_) | Principal::Operator => self.people.take(&principal),
        }
    }

    /// Full buckets need not be remembered. When too many are not full, somebody has more addresses than are good.
    fn forget_the_idle(&self) {
        if self.seen.fetch_add(1, Ordering::Relaxed) % 10_000 == 9_999 {
            self.anonymous.limiter.retain_recent();
            self.addresses.limiter.retain_recent();
            self.people.limiter.retain_recent();
            self.clients.limiter.retain_recent();
            let remembered = self.anonymous.limiter.len() + self.addresses.limiter.len();
            self.crowded.store(remembered > MOST_ADDRESSES, Ordering::Relaxed);
        }
    }

    fn neighbourhood(&self, address: IpAddr) -> IpAddr {
        let network = address::network(address);
        if !self.crowded.load(Ordering::Relaxed) {
            return network;
        }
        match network {
            IpAddr::V4(v4) => IpAddr::V4((v4.to_bits() & (u32::MAX << 16)).into()),
            IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() & (u128::MAX << 96)).into()),
        }
    }
}

/// Counts an action that is bounded over all processes together; 429 when it is one too many.
pub async fn shared(app: &App, action: Action, subject: String) -> Result<(), Problem> {
    let action = Action { limit: action.limit.saturating_mul(app.config.quota_factor), ..action };
    let take = app.db.write(Actor::operator("quotas"), move |tx| quotas::take(tx, action, &subject));
    match take.await.map_err(Problem::from)? {
        None => Ok(()),
        Some(seconds) => Err(spent(u64::try_from(seconds).unwrap_or(1))),
    }
}

/// The name under which an address is counted: it tells nobody the address.
#[must_use]
pub fn pseudonym(app: &App, address: IpAddr) -> String {
    let network = address::network(address).to_string();
    app.seal.as_ref().map_or_else(|| "everybody".to_owned(), |seal| seal.pseudonym(&network))
}

fn spent(seconds: u64) -> Problem {
    Problem::new(&TOO_MANY_REQUESTS, format!("The quota is spent; wait {seconds} seconds."))
        .with_header(header::RETRY_AFTER, HeaderValue::from(seconds))
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
    let identity = match request.headers().get(header::AUTHORIZATION) {
        // There a client shows who it is in a way of OAuth's own.
        Some(_) if request.path().starts_with("/oauth/") => Identity::Anonymous,
        sent => {
            let id = request.extensions().get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default();
            app.tokens.identify(sent.map(|value| value.to_str().unwrap_or_default()), &id).await
        }
    };
    let standing = app.limits.take(&identity, address::of(request.request(), &app));
    request.extensions_mut().insert(identity);
    let mut response = match standing.wait {
        None => next.call(request).await?.map_into_right_body(),
        Some(seconds) => request.into_response(spent(seconds).error_response()).map_into_left_body(),
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

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    fn limits(settings: &[(&str, &str)]) -> Limits {
        let config = Config::from_lookup(|name| match name {
            "DATABASE_URL" => Some("postgres://localhost/none".to_owned()),
            name => settings.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()),
        });
        Limits::new(&config.unwrap())
    }

    #[test]
    fn a_flood_of_addresses_fills_no_memory() {
        // Buckets that take a minute to fill again are remembered for that long.
        let limits = limits(&[("LOTI_RATE_LIMIT_ANONYMOUS", "1")]);
        for n in 0..400_000_u32 {
            limits.take(&Identity::Anonymous, IpAddr::V4(Ipv4Addr::from_bits(n.wrapping_mul(10_007))));
            let network = u128::from(n.wrapping_mul(7919)) << 64;
            limits.take(&Identity::Anonymous, IpAddr::V6(Ipv6Addr::from_bits(0x2001_0db8 << 96 | network)));
        }
        let remembered = limits.anonymous.limiter.len();
        assert!(remembered < MOST_ADDRESSES + 10_000 + 65_536 + 1, "{remembered}");
    }

    #[test]
    fn one_address_of_a_household_is_as_good_as_another() {
        let limits = limits(&[("LOTI_RATE_LIMIT_ANONYMOUS", "1")]);
        let take = |address: &str| limits.take(&Identity::Anonymous, address.parse().unwrap()).wait.is_none();
        assert!(take("2001:db8::1"));
        assert!(!take("2001:db8::2"));
        assert!(take("2001:db8:0:1::1"));
        assert!(take("198.51.100.1"));
        assert!(!take("::ffff:198.51.100.1"), "the same, written otherwise");
    }
}
