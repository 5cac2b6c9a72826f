//! From where a request comes.
//!
//! A header can say anything, so by default none is believed: the address is that of the connection. Behind a proxy
//! that is the proxy's, and the setting `LOTI_TRUSTED_PROXIES` names those whose `X-Forwarded-For` counts.

use std::net::IpAddr;

use actix_web::HttpRequest;
use actix_web::http::header::HeaderMap;
use actix_web::web::Data;
use ipnet::IpNet;

use crate::app::App;

/// The address of the client: the last one before the proxies that are trusted.
///
/// Each proxy adds the address that it saw at the end, so the list is read from there, for as long as who says so is
/// trusted. What stands before an address that is not trusted, or is none, anybody may have written.
#[must_use]
pub fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(&address));
    let lines = headers.get_all("x-forwarded-for").filter_map(|line| line.to_str().ok());
    let entries: Vec<&str> = lines.flat_map(|line| line.split(',')).map(str::trim).collect();
    let mut address = peer.to_canonical();
    for entry in entries.into_iter().rev() {
        if !is_trusted(address) {
            break;
        }
        let Ok(earlier) = entry.parse::<IpAddr>() else { break };
        address = earlier.to_canonical();
    }
    address
}

/// [`client_address`] of a request.
#[must_use]
pub fn of(request: &HttpRequest, app: &Data<App>) -> IpAddr {
    let peer = request.peer_addr().map_or(IpAddr::from([0, 0, 0, 0]), |peer| peer.ip());
    client_address(peer, request.headers(), &app.config.trusted_proxies)
}

/// Households and offices get a /64 of IPv6: one address of it is as good as another.
#[must_use]
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() & (u128::MAX << 64)).into()),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    fn address(peer: &str, lines: &[&str], trusted: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(HeaderName::from_static("x-forwarded-for"), HeaderValue::from_str(line).unwrap());
        }
        let trusted: Vec<IpNet> = trusted.iter().map(|network| network.parse().unwrap()).collect();
        client_address(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn is_that_of_the_connection_unless_a_trusted_proxy_says_otherwise() {
        let proxies = ["10.0.0.0/8", "fd00::/8"];
        for (peer, lines, trusted, expected) in [
            ("203.0.113.7", &["198.51.100.1"][..], &[][..], "203.0.113.7"),
            ("10.0.0.1", &["198.51.100.1"], &[], "10.0.0.1"),
            ("203.0.113.7", &["198.51.100.1"], &proxies, "203.0.113.7"),
            ("10.0.0.1", &[], &proxies, "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1"], &proxies, "198.51.100.1"),
            ("10.0.0.1", &["1.1.1.1, 198.51.100.1"], &proxies, "198.51.100.1"),
            ("10.0.0.1", &["1.1.1.1, 198.51.100.1, 10.2.3.4"], &proxies, "198.51.100.1"),
            ("10.0.0.1", &["1.1.1.1", "198.51.100.1", "10.2.3.4"], &proxies, "198.51.100.1"),
            ("10.0.0.1", &["198.51.100.1, nonsense"], &proxies, "10.0.0.1"),
            ("10.0.0.1", &["nonsense, 10.2.3.4"], &proxies, "10.2.3.4"),
            ("10.0.0.1", &["10.9.9.9, 10.2.3.4"], &proxies, "10.9.9.9"),
            ("10.0.0.1", &["198.51.100.1:4711"], &proxies, "10.0.0.1"),
            ("::ffff:10.0.0.1", &["2001:db8::1"], &proxies, "2001:db8::1"),
            ("fd00::1", &["::ffff:198.51.100.1"], &proxies, "198.51.100.1"),
            ("10.0.0.1", &[", ,"], &proxies, "10.0.0.1"),
        ] {
            assert_eq!(address(peer, lines, trusted), expected, "{peer} {lines:?} {trusted:?}");
        }
    }
}
