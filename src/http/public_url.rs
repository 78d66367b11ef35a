//! The public base URL: what people open, and what links, issuers and cookies are made from.

use std::net::Ipv6Addr;

use actix_web::http::uri::Authority;

use super::base_path::BasePath;
use super::problem::is_for_programs;
use super::tcp_address::TcpAddress;
use crate::error::{Error, Result};

/// `https://keys.example.com` or `https://example.com/keys`: an origin as browsers write it (RFC 6454 §6.2), so without
/// the scheme's default port, and a path without a slash at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl {
    url: String,
    /// `None` if the server has all paths of its host.
    base: Option<BasePath>,
}

impl PublicUrl {
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = || {
            Error::invalid(
                "public_url",
                "The public URL must be http:// or https://, a host, an optional port and an optional path, with nothing after them (https://keys.example.com or https://example.com/keys). The path can have letters, digits, - . _ ~ and single slashes.",
            )
        };
        let uri: actix_web::http::Uri = text.trim_end_matches('/').parse().map_err(|_| wrong())?;
        let base = match uri.path() {
            "/" => None,
            path => Some(BasePath::parse(path).ok_or_else(wrong)?),
        };
        if let Some(base) = base.as_ref().filter(|base| is_for_programs(base.as_str())) {
            let first = base.as_str().split('/').nth(1).unwrap_or_default();
            let detail = format!(
                "The path of the public URL must not begin with /{first}, because programs and gateways ask this server at that path. Choose another one."
            );
            return Err(Error::invalid("public_url", detail));
        }
        let is_plain = uri.query().is_none() && !text.contains(['#', '@']);
        match (uri.scheme_str(), uri.authority()) {
            (Some(scheme @ ("http" | "https")), Some(authority)) if is_plain && is_authority(authority) => {
                Ok(PublicUrl::of(scheme, authority.host(), authority.port_u16(), base))
            }
            _ => Err(wrong()),
        }
    }

    /// The URL of a listen address, for a browser on the same machine.
    pub fn local(listen: &TcpAddress, has_tls: bool) -> Self {
        PublicUrl::of(if has_tls { "https" } else { "http" }, &listen.url_host(), Some(listen.port()), None)
    }

    /// For a server that can be reached through Unix sockets only.
    pub fn placeholder() -> Self {
        PublicUrl::of("http", "localhost", None, None)
    }

    fn of(scheme: &str, host: &str, port: Option<u16>, base: Option<BasePath>) -> Self {
        let host = host.to_ascii_lowercase();
        let origin = match (scheme, port) {
            (_, None) | ("http", Some(80)) | ("https", Some(443)) => format!("{scheme}://{host}"),
            (_, Some(port)) => format!("{scheme}://{host}:{port}"),
        };
        let path = base.as_ref().map_or("", BasePath::as_str);
        PublicUrl { url: format!("{origin}{path}"), base }
    }

    /// Without a slash at its end, so that a path can follow.
    pub fn as_str(&self) -> &str {
        &self.url
    }

    /// The scheme, host and port: what a browser sends as `Origin`.
    pub fn origin(&self) -> &str {
        &self.url[..self.url.len() - self.path().len()]
    }

    pub fn base(&self) -> Option<&BasePath> {
        self.base.as_ref()
    }

    /// The base path; empty if there is none.
    pub fn path(&self) -> &str {
        self.base().map_or("", BasePath::as_str)
    }

    pub fn is_https(&self) -> bool {
        self.url.starts_with("https://")
    }
}

/// Whether it is a host with an optional port, which must not be 0.
fn is_authority(authority: &Authority) -> bool {
    let host = authority.host();
    let is_host = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => !host.is_empty() && !host.contains(['[', ']', ':', '%']),
    };
    let port = &authority.as_str()[host.len()..];
    is_host && (port.is_empty() || authority.port_u16().is_some_and(|port| port > 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_public_url_is_an_origin_as_browsers_write_it_with_an_optional_path() {
        for (text, url) in [
            ("https://keys.example.com", "https://keys.example.com"),
            ("HTTPS://Keys.Example.com/", "https://keys.example.com"),
            ("https://keys.example.com:443", "https://keys.example.com"),
            ("http://keys.example.com:80", "http://keys.example.com"),
            ("http://keys.example.com:443", "http://keys.example.com:443"),
            ("https://[2001:DB8::7]:8443/", "https://[2001:db8::7]:8443"),
            ("HTTPS://Example.com:443/Tools/keys/", "https://example.com/Tools/keys"),
            ("http://example.com:8080/keysmith", "http://example.com:8080/keysmith"),
            ("http://example.com/authority", "http://example.com/authority"),
        ] {
            assert_eq!(PublicUrl::parse(text).unwrap().as_str(), url, "{text}");
        }
        for text in [
            "",
            "keys.example.com",
            "ftp://keys.example.com",
            "https://",
            "https://:8080",
            "https://keys.example.com:",
            "https://keys.example.com:0",
            "https://keys.example.com:65536",
            "https://keys.example.com:80:80",
            "https://keys.example.com?q",
            "https://keys.example.com#part",
            "https://keys.example.com/path?q",
            "https://keys.example.com/path#part",
            "https://keys.example.com//path",
            "https://keys.example.com/a//b",
            "https://keys.example.com/a/../b",
            "https://keys.example.com/a%2fb",
            "https://keys.example.com/auth",
            "https://keys.example.com/auth/keys",
            "https://keys.example.com/api",
            "https://keys.example.com/.well-known/keys",
            "https://ada@keys.example.com",
            "https://[::1",
            "https://[nonsense]",
            "https://a%00",
        ] {
            assert!(PublicUrl::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_public_url_is_its_origin_and_its_path() {
        for (text, origin, path) in [
            ("https://example.com/tools/keys", "https://example.com", "/tools/keys"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080", ""),
        ] {
            let url = PublicUrl::parse(text).unwrap();
            assert_eq!((url.as_str(), url.origin(), url.path()), (text, origin, path));
            assert_eq!(url.base().is_some(), !path.is_empty());
        }
    }

    #[test]
    fn the_default_public_url_can_be_opened() {
        for (listen, has_tls, url) in [
            ("127.0.0.1:8080", false, "http://127.0.0.1:8080"),
            ("0.0.0.0:8080", false, "http://127.0.0.1:8080"),
            ("[::]:443", true, "https://127.0.0.1"),
            (":80", false, "http://127.0.0.1"),
            (":443", false, "http://127.0.0.1:443"),
            ("localhost:8080", false, "http://localhost:8080"),
            ("[2001:db8::7]:8080", true, "https://[2001:db8::7]:8080"),
        ] {
            let listen = TcpAddress::parse(listen).unwrap();
            assert_eq!(PublicUrl::local(&listen, has_tls).as_str(), url);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_public_url_that_survives_a_round_trip_or_an_error(text in "(https?://)?.{0,40}") {
            if let Ok(url) = PublicUrl::parse(&text) {
                prop_assert_eq!(PublicUrl::parse(url.as_str()).unwrap(), url);
            }
        }
    }
}
