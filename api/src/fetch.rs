//! Fetching from places that others name, such as the keys of an identity provider, without being used to reach what
//! only we can reach.
//!
//! An address is judged where a name becomes one, just before it is connected to: a name that means something else the
//! second time gains nothing. No redirect is followed, no proxy of the environment is used, and size and time are
//! bounded.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};
use serde::de::DeserializeOwned;
use url::{Host, Url};

/// Bytes that an answer may have.
const MOST_BYTES: usize = 256 * 1024;
/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(3);
/// How long the whole may take.
const WHOLE: Duration = Duration::from_secs(5);

/// Networks that are nobody's, or somebody's own: IANA's registries of special-purpose addresses.
const SPECIAL: &[&str] = &[
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.31.196.0/24",
    "192.52.193.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "192.175.48.0/24",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/3",
    // Of IPv6 only 2000::/3 is given out at all; these in it are special, or hold an IPv4 address.
    "2001::/23",
    "2001:db8::/32",
    "2002::/16",
    "2620:4f:8000::/48",
    "3fff::/20",
];
const GIVEN_OUT: &str = "2000::/3";

/// Why there is nothing.
#[derive(Debug, Clone, thiserror::Error)]
pub enum FetchError {
    /// It is not fetched from there, now or later.
    #[error("it is not fetched from there: {0}")]
    Refused(&'static str),
    /// It could not be had; later it may.
    #[error("it could not be fetched: {0}")]
    Failed(String),
}

/// Fetches JSON from public addresses, and from the private networks that the operator allows.
pub struct Fetch {
    allowed: Arc<Allowed>,
    secure: Client,
    /// Over plain HTTP only from networks that the operator named.
    plain: Client,
}

impl Fetch {
    /// With networks that are reached although they are private.
    pub fn new(private_networks: &[IpNet]) -> Result<Self, String> {
        let allowed = Arc::new(Allowed::new(private_networks));
        let client = |plain| {
            Client::builder()
                .dns_resolver(Arc::new(Resolver { allowed: Arc::clone(&allowed), plain }))
                .redirect(Policy::none())
                .no_proxy()
                .connect_timeout(CONNECT)
                .timeout(WHOLE)
                .pool_max_idle_per_host(0)
                .user_agent(concat!("loti/", env!("CARGO_PKG_VERSION")))
                .build()
                .map_err(|error| format!("Nothing can be fetched: {error}."))
        };
        Ok(Self { secure: client(false)?, plain: client(true)?, allowed })
    }

    /// Whether plain HTTP is possible at all.
    #[must_use]
    pub fn allows_plain(&self) -> bool {
        !self.allowed.private.is_empty()
    }

    /// The JSON at a URL.
    pub async fn json<T: DeserializeOwned>(&self, url: &str) -> Result<T, FetchError> {
        let body = self.bytes(url).await?;
        serde_json::from_slice(&body).map_err(|_| FetchError::Failed("it is not the JSON that it should be".into()))
    }

    async fn bytes(&self, url: &str) -> Result<Vec<u8>, FetchError> {
        let url = Url::parse(url).map_err(|_| FetchError::Refused("that is no URL"))?;
        let plain = match url.scheme() {
            "https" => false,
            "http" => true,
            _ => return Err(FetchError::Refused("only https is")),
        };
        self.judge_literal(&url, plain)?;
        let client = if plain { &self.plain } else { &self.secure };
        let mut response = client.get(url).header("Accept", "application/json").send().await.map_err(failed)?;
        if response.status() != StatusCode::OK {
            return Err(FetchError::Failed(format!("the answer was {}", response.status().as_u16())));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > MOST_BYTES {
                return Err(FetchError::Failed("the answer is too large".into()));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    /// An address that stands in the URL itself goes past the resolver.
    fn judge_literal(&self, url: &Url, plain: bool) -> Result<(), FetchError> {
        let address = match url.host() {
            Some(Host::Ipv4(v4)) => IpAddr::V4(v4),
            Some(Host::Ipv6(v6)) => IpAddr::V6(v6),
            Some(Host::Domain(_)) => return Ok(()),
            None => return Err(FetchError::Refused("that names no host")),
        };
        if self.allowed.may_reach(address, plain) { Ok(()) } else { Err(FetchError::Refused("the address is private")) }
    }
}

/// The kinds of failure, without the URL and what else an error may quote.
#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn failed(error: reqwest::Error) -> FetchError {
    use std::error::Error;
    let mut source = error.source();
    while let Some(inner) = source {
        if inner.is::<Private>() {
            return FetchError::Refused("the address is private");
        }
        source = inner.source();
    }
    FetchError::Failed(match () {
        () if error.is_timeout() => "it took too long".to_owned(),
        () if error.is_connect() => "no connection came about".to_owned(),
        () => "the answer broke off".to_owned(),
    })
}

struct Allowed {
    private: Vec<IpNet>,
    special: Vec<IpNet>,
    given_out: Option<IpNet>,
}

impl Allowed {
    fn new(private: &[IpNet]) -> Self {
        let special = SPECIAL.iter().filter_map(|network| network.parse().ok()).collect();
        Self { private: private.to_vec(), special, given_out: GIVEN_OUT.parse().ok() }
    }

    fn may_reach(&self, address: IpAddr, plain: bool) -> bool {
        let address = address.to_canonical();
        let within = |networks: &[IpNet]| networks.iter().any(|network| network.contains(&address));
        within(&self.private) || (!plain && self.is_public(address) && !within(&self.special))
    }

    fn is_public(&self, address: IpAddr) -> bool {
        address.is_ipv4() || self.given_out.is_some_and(|network| network.contains(&address))
    }
}

/// Names become addresses here, and those that may not be reached are none.
struct Resolver {
    allowed: Arc<Allowed>,
    plain: bool,
}

#[derive(Debug, thiserror::Error)]
#[error("the name has no address that may be reached")]
struct Private;

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (allowed, plain) = (Arc::clone(&self.allowed), self.plain);
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let reached: Vec<SocketAddr> = found.filter(|address| allowed.may_reach(address.ip(), plain)).collect();
            if reached.is_empty() { Err(Private.into()) } else { Ok(Box::new(reached.into_iter()) as Addrs) }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_addresses_are_not_reached_however_they_are_written() {
        let allowed = Allowed::new(&[]);
        for private in [
            "127.0.0.1",
            "10.1.2.3",
            "172.31.255.255",
            "192.168.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "192.0.2.1",
            "::1",
            "::",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "fe80::1",
            "fd00::1",
            "ff02::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        ] {
            assert!(!allowed.may_reach(private.parse().unwrap(), false), "{private}");
        }
        for public in ["8.8.8.8", "20.190.128.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2a00:1450::1"] {
            assert!(allowed.may_reach(public.parse().unwrap(), false), "{public}");
            assert!(!allowed.may_reach(public.parse().unwrap(), true), "{public}, in clear");
        }
        assert_eq!(allowed.special.len(), SPECIAL.len(), "one of the networks is none");
    }

    #[test]
    fn what_the_operator_allows_is_reached_and_nothing_beside_it() {
        let allowed = Allowed::new(&["10.1.0.0/16".parse().unwrap()]);
        assert!(allowed.may_reach("10.1.2.3".parse().unwrap(), true));
        assert!(allowed.may_reach("::ffff:10.1.2.3".parse().unwrap(), false));
        assert!(!allowed.may_reach("10.2.2.3".parse().unwrap(), false));
        assert!(!allowed.may_reach("127.0.0.1".parse().unwrap(), true));
    }
}
