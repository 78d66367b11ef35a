//! Requests that must not reach a handler: they are too large, or do not have exactly one host.

use std::net::Ipv6Addr;

use actix_http::{HttpMessage, Request};
use actix_web::http::{StatusCode, Uri, header};

use super::problem::Problem;

/// Maximum size of all header fields together; more is 431.
const MAX_HEADER_BYTES: usize = 16 * 1024;
/// Maximum size of path and query; more is 414.
const MAX_URI_BYTES: usize = 8 * 1024;

/// The reason to refuse this request, if there is one.
pub fn refuse(request: &Request) -> Option<Problem> {
    let headers = request.headers();
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if bytes > MAX_HEADER_BYTES {
        return Some(too_many_headers());
    }
    if uri_length(request.uri()) > MAX_URI_BYTES {
        return Some(Problem::new(StatusCode::URI_TOO_LONG, "uri_too_long", "A URL must not exceed 8,192 bytes."));
    }
    // RFC 9112 §3.2: exactly one valid Host; a `/` or `?` in it would change a URL built from it. A target in absolute
    // form has its own host (§3.2.2).
    let mut hosts = headers.get_all(header::HOST);
    let has_host = match (hosts.next(), hosts.next()) {
        (Some(host), None) => is_host(host.as_bytes()),
        (None, _) => request.version() < actix_web::http::Version::HTTP_11,
        (Some(_), Some(_)) => false,
    };
    let is_sound = has_host && request.uri().authority().is_none_or(|own| is_host(own.as_str().as_bytes()));
    (!is_sound).then(|| {
        Problem::new(
            StatusCode::BAD_REQUEST,
            "invalid_request",
            "Send one Host header with a host and, if needed, a port.",
        )
    })
}

/// Too many header bytes, or too many fields, which the HTTP library counts.
pub fn too_many_headers() -> Problem {
    let detail = "A request must not have more than 96 header fields or 16,384 bytes of them.";
    Problem::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "headers_too_large", detail)
}

fn uri_length(uri: &Uri) -> usize {
    uri.path_and_query().map_or(0, |both| both.as_str().len())
}

/// `host[:port]` (RFC 9110 §7.2) with a name, an IPv4 address or an IPv6 address in brackets. Escapes (RFC 3986
/// §3.2.2) and zones are refused: DNS names contain no escapes, and a zone has a meaning on one machine only.
fn is_host(text: &[u8]) -> bool {
    if let [b'[', rest @ ..] = text {
        let Some(end) = rest.iter().position(|byte| *byte == b']') else { return false };
        let (address, port) = (&rest[..end], &rest[end + 1..]);
        let is_address = std::str::from_utf8(address).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok());
        return is_address && (port.is_empty() || port.strip_prefix(b":").is_some_and(is_port));
    }
    let length = text.iter().position(|byte| *byte == b':').unwrap_or(text.len());
    let (name, port) = text.split_at(length);
    !name.is_empty() && name.iter().all(|byte| IN_NAME[usize::from(*byte)]) && (port.is_empty() || is_port(&port[1..]))
}

const IN_NAME: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        let b = byte as u8;
        table[byte] = b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
        byte += 1;
    }
    table
};

/// Whether this is a port. An empty port is the scheme's default (RFC 3986 §3.2.3).
fn is_port(text: &[u8]) -> bool {
    let number = |sum: u32, digit: &u8| sum * 10 + u32::from(digit - b'0');
    text.len() <= 5 && text.iter().all(u8::is_ascii_digit) && text.iter().fold(0, number) <= u32::from(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_host_is_a_name_or_an_address_with_an_optional_port() {
        for good in [
            "x",
            "keys.example.com",
            "keys.example.com:443",
            "x:",
            "x:65535",
            "127.0.0.1:8080",
            "[::1]",
            "[::1]:8080",
            "[2001:db8::7]:",
            "xn--bcher-kva.example",
            "my_host-1.",
        ] {
            assert!(is_host(good.as_bytes()), "{good}");
        }
        for bad in [
            "",
            ":",
            ":80",
            "x:80:80",
            "x:a",
            "x:80a",
            "x:-1",
            "x:65536",
            "x:000080",
            "x%00",
            "x%41",
            "a b",
            " x",
            "u@x",
            "u:p@x",
            "x/",
            "x?",
            "x#",
            "x\\y",
            "x,y",
            "x;y",
            "é",
            "::1",
            "[::1",
            "::1]",
            "[::1]x",
            "[::1]80",
            "[]",
            "[x]",
            "[127.0.0.1]",
            "[fe80::1%25eth0]",
            "[v1.x]",
            "[[::1]]",
            "[::1]:80:80",
            "http://x",
        ] {
            assert!(!is_host(bad.as_bytes()), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn addresses_with_ports_are_hosts_and_no_host_changes_the_path(address: std::net::SocketAddr, text: Vec<u8>) {
            let written = match address {
                std::net::SocketAddr::V6(v6) => format!("[{}]:{}", v6.ip(), v6.port()),
                v4 => v4.to_string(),
            };
            prop_assert!(is_host(written.as_bytes()));
            if is_host(&text) {
                let text = String::from_utf8(text).unwrap();
                let uri: Uri = format!("http://{text}/path?query").parse().unwrap();
                prop_assert_eq!((uri.authority().unwrap().as_str(), uri.path()), (text.as_str(), "/path"));
            }
        }
    }
}
