//! The client's address: that of the peer or, if the peer is a trusted proxy, the one in `X-Forwarded-For`, read from
//! the right past trusted proxies. No other header and no other spelling counts.

use std::net::SocketAddr;
use std::rc::Rc;

use actix_http::Request;
use actix_web::HttpRequest;
use actix_web::http::header::{self, HeaderMap, HeaderName};

use super::HttpSettings;
use super::connection::ConnState;
use crate::model::ClientAddress;

pub const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// A request, at the edge or behind it.
pub trait FromPeer {
    fn headers(&self) -> &HeaderMap;
    fn peer(&self) -> ClientAddress;
}

impl FromPeer for Request {
    fn headers(&self) -> &HeaderMap {
        &self.head().headers
    }

    fn peer(&self) -> ClientAddress {
        peer(self.peer_addr(), || self.conn_data())
    }
}

impl FromPeer for HttpRequest {
    fn headers(&self) -> &HeaderMap {
        self.headers()
    }

    fn peer(&self) -> ClientAddress {
        peer(self.peer_addr(), || self.conn_data())
    }
}

/// A peer without an address is at a Unix socket only if the connection says so: the address of a TCP connection that
/// has already been reset is missing too.
fn peer<'a>(address: Option<SocketAddr>, connection: impl FnOnce() -> Option<&'a Rc<ConnState>>) -> ClientAddress {
    match address {
        None if connection().is_some_and(|state| state.is_unix()) => ClientAddress::Unix,
        address => address.into(),
    }
}

pub fn address(settings: &HttpSettings, request: &impl FromPeer) -> ClientAddress {
    of_peer(settings, request.headers(), request.peer())
}

/// The first address from the right that is not a trusted proxy's; unknown if that entry cannot be read. Without the
/// header, a trusted proxy is itself the client: it sends a health check, or is used by the operator. A proxy that
/// forwards requests of clients must set the header on each.
pub fn of_peer(settings: &HttpSettings, headers: &HeaderMap, peer: ClientAddress) -> ClientAddress {
    if !is_trusted(settings, peer) {
        return peer;
    }
    // All lines count as one (RFC 9110 §5.3): later lines were added by proxies nearer to us, and an earlier line
    // counts if all hops of the later ones are trusted.
    let lines = headers.get_all(X_FORWARDED_FOR);
    lines.fold(None, |earlier, line| Some(nearest(settings, line.as_bytes(), earlier))).unwrap_or(peer)
}

/// The address from one line, read from the right; `earlier` is the result of the lines before it.
fn nearest(settings: &HttpSettings, line: &[u8], earlier: Option<ClientAddress>) -> ClientAddress {
    let mut leftmost = ClientAddress::Unknown;
    for hop in line.rsplit(|byte| *byte == b',') {
        leftmost = ClientAddress::read(hop);
        if !is_trusted(settings, leftmost) {
            return leftmost;
        }
    }
    earlier.unwrap_or(leftmost)
}

/// No text in a header is read as a Unix socket, so only the peer itself can be one.
fn is_trusted(settings: &HttpSettings, address: ClientAddress) -> bool {
    match address {
        ClientAddress::Known(address) => settings.is_trusted_proxy(address),
        ClientAddress::Unix => settings.trusts_unix_sockets,
        ClientAddress::Unknown => false,
    }
}

/// The user agent as sent, max 200 bytes.
pub fn user_agent(headers: &HeaderMap) -> &[u8] {
    let value = headers.get(header::USER_AGENT).map_or(&b""[..], |value| value.as_bytes());
    &value[..value.len().min(200)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::settings::PublicUrl;
    use crate::model::Networks;
    use actix_web::http::header::HeaderValue;
    use proptest::prelude::*;

    fn seen(trusted: &[&str], peer: &str, lines: &[(&'static str, &[u8])]) -> String {
        let public_url = PublicUrl::parse("http://127.0.0.1").unwrap();
        let settings = HttpSettings {
            trusted_proxies: Networks::parse(trusted.iter().copied()).unwrap(),
            ..HttpSettings::new(([127, 0, 0, 1], 0), public_url)
        };
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::from_static(name), HeaderValue::from_bytes(value).unwrap());
        }
        of_peer(&settings, &headers, ClientAddress::read(peer.as_bytes())).to_string()
    }

    fn forwarded(lines: &[&[u8]]) -> String {
        let lines: Vec<(&'static str, &[u8])> = lines.iter().map(|line| ("x-forwarded-for", *line)).collect();
        seen(&["10.0.0.0/8"], "10.0.0.1", &lines)
    }

    #[test]
    fn only_trusted_proxies_are_believed_reading_from_the_right() {
        let forged = ("x-forwarded-for", &b"1.1.1.1, 203.0.113.7, 10.0.0.2"[..]);
        assert_eq!(seen(&[], "10.0.0.1", &[forged]), "10.0.0.1");
        assert_eq!(seen(&["10.0.0.0/8"], "10.0.0.1", &[forged]), "203.0.113.7");
        assert_eq!(seen(&["10.0.0.0/8"], "9.9.9.9", &[forged]), "9.9.9.9");
        assert_eq!(seen(&["10.0.0.0/8"], "unknown", &[forged]), "unknown");
        assert_eq!(forwarded(&[b"1.1.1.1", b"2.2.2.2"]), "2.2.2.2");
        assert_eq!(forwarded(&[b"1.1.1.1", b"10.0.0.3, 10.0.0.2"]), "1.1.1.1");
        for other in ["x-real-ip", "x_forwarded_for", "forwarded", "true-client-ip", "cf-connecting-ip", "x-client-ip"]
        {
            assert_eq!(seen(&["10.0.0.0/8"], "10.0.0.1", &[(other, b"1.1.1.1")]), "10.0.0.1");
        }
    }

    #[test]
    fn a_client_inside_a_proxy_range_keeps_its_own_address() {
        assert_eq!(forwarded(&[]), "10.0.0.1");
        assert_eq!(forwarded(&[b"10.0.0.7"]), "10.0.0.7");
        assert_eq!(forwarded(&[b"10.0.0.7, 10.0.0.3", b"10.0.0.2"]), "10.0.0.7");
    }

    #[test]
    fn an_unreadable_entry_makes_the_client_unknown_where_it_would_be_used() {
        for line in [&b"unknown"[..], b"", b",", b"203.0.113.9,", b"203.0.113.9, junk", b"203.0.113.9, \xff", b"_x"] {
            assert_eq!(forwarded(&[line]), "unknown", "{line:?}");
            assert_eq!(forwarded(&[b"1.1.1.1", line]), "unknown", "{line:?}");
            assert_eq!(forwarded(&[line, b"10.0.0.2"]), "unknown", "{line:?}");
            assert_eq!(forwarded(&[line, b"1.1.1.1"]), "1.1.1.1", "{line:?}");
        }
        assert_eq!(forwarded(&[b"junk, \xff, 203.0.113.9, 10.0.0.2"]), "203.0.113.9");
    }

    #[test]
    fn only_the_connection_makes_a_peer_one_at_a_unix_socket() {
        assert_eq!(peer(None, || None), ClientAddress::Unknown);
        let tcp = Rc::new(ConnState::default());
        assert_eq!(peer(None, || Some(&tcp)), ClientAddress::Unknown);
        let public_url = PublicUrl::parse("http://127.0.0.1").unwrap();
        let settings = HttpSettings { trusts_unix_sockets: true, ..HttpSettings::new(([127, 0, 0, 1], 0), public_url) };
        let mut headers = HeaderMap::new();
        assert_eq!(of_peer(&settings, &headers, ClientAddress::Unix), ClientAddress::Unix);
        headers.append(X_FORWARDED_FOR, HeaderValue::from_static("203.0.113.7, unix"));
        assert_eq!(of_peer(&settings, &headers, ClientAddress::Unix), ClientAddress::Unknown);
        headers.append(X_FORWARDED_FOR, HeaderValue::from_static("203.0.113.8"));
        assert_eq!(of_peer(&settings, &headers, ClientAddress::Unix).to_string(), "203.0.113.8");
        assert_eq!(of_peer(&settings, &headers, ClientAddress::Unknown), ClientAddress::Unknown);
        let untrusting = HttpSettings { trusts_unix_sockets: false, ..settings };
        assert_eq!(of_peer(&untrusting, &headers, ClientAddress::Unix), ClientAddress::Unix);
    }

    proptest! {
        #[test]
        fn no_header_makes_the_proxy_the_client(lines in prop::collection::vec("[0-9a-f.:,\\[\\]\" %\u{80}-\u{ff}]{0,40}", 1..4)) {
            let lines: Vec<&[u8]> = lines.iter().map(|line| line.as_bytes()).collect();
            prop_assume!(!lines.iter().any(|line| line.windows(8).any(|part| part == b"10.0.0.1")));
            prop_assert_ne!(forwarded(&lines), "10.0.0.1");
        }

        #[test]
        fn a_client_cannot_change_its_address_with_headers(
            sent in prop::collection::vec(prop::collection::vec(32_u8.., 0..40), 0..4),
            address: std::net::IpAddr,
        ) {
            prop_assume!(!seen(&[], &address.to_string(), &[]).starts_with("10."));
            let sent: Vec<Vec<u8>> =
                sent.into_iter().map(|line| line.into_iter().filter(|byte| *byte != 127).collect()).collect();
            let added = address.to_string();
            let mut lines: Vec<&[u8]> = sent.iter().map(Vec::as_slice).collect();
            lines.push(added.as_bytes());
            prop_assert_eq!(forwarded(&lines), ClientAddress::from(address).to_string());
            let Some(last) = sent.last() else { return Ok(()) };
            // nginx sends one line, with the peer's address at its end.
            let joined = [last, b", ".as_slice(), added.as_bytes()].concat();
            prop_assert_eq!(forwarded(&[&joined]), ClientAddress::from(address).to_string());
        }
    }
}
