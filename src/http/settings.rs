//! What the operator chose, as far as HTTP needs it; already parsed.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZero;
use std::path::PathBuf;
use std::time::Duration;

use actix_web::http::header::HeaderValue;
use actix_web::http::uri::Authority;

use super::connection::Deadlines;
use super::cors::CorsOrigin;
use super::hsts::Hsts;
pub use super::listen_address::ListenAddress;
use crate::auth::{BAD_KEY_LIMIT, USAGE_RETENTION};
use crate::error::{Error, Result};
use crate::model::token::{REFRESH_REUSE, TOKEN_LIFETIME};
use crate::model::{Networks, Policies};
use crate::signing::SigningSettings;

#[derive(Debug, Clone)]
pub struct HttpSettings {
    pub listen: ListenAddress,
    /// What people and links see; the only source of links, issuers and cookie attributes. Without
    /// one given it is the address that was bound.
    pub public_url: PublicUrl,
    /// Peers whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Networks,
    pub workers: usize,
    pub tls: Option<TlsFiles>,
    /// Open connections in all; more wait to be accepted.
    pub connections: usize,
    /// Of them by one address (IPv6: one /64) that is no trusted proxy; 0: any number.
    pub connections_per_address: usize,
    /// Where `/metrics` is served without a key.
    pub metrics_listen: Option<ListenAddress>,
    /// Where Envoy's authorization is served over gRPC.
    pub grpc_listen: Option<ListenAddress>,
    /// How long hourly counts of use are kept.
    pub usage_retention: Duration,
    /// Distinct bad keys a minute that one address may try; 0: any number.
    pub bad_key_limit: u32,
    /// How long a token of a log-in by a program lives.
    pub token_lifetime: Duration,
    /// For so long, a refresh token that comes again gets the same answer; zero: it never does.
    pub refresh_reuse: Duration,
    /// Sent where the public URL is https.
    pub hsts: Hsts,
    /// Pages that may read what `/api` answers.
    pub cors_origins: Vec<CorsOrigin>,
    /// What a gateway can ask for by name.
    pub policies: Policies,
    pub signing: SigningSettings,
    /// How long a peer may keep a connection waiting.
    pub deadlines: Deadlines,
}

#[derive(Debug, Clone)]
pub struct TlsFiles {
    pub cert: PathBuf,
    pub key: PathBuf,
}

impl HttpSettings {
    /// The defaults around an address.
    pub fn new(listen: impl Into<ListenAddress>, public_url: PublicUrl) -> Self {
        HttpSettings {
            listen: listen.into(),
            public_url,
            trusted_proxies: Networks::default(),
            workers: std::thread::available_parallelism().map_or(1, NonZero::get),
            tls: None,
            connections: 10_000,
            connections_per_address: 1000,
            metrics_listen: None,
            grpc_listen: None,
            usage_retention: USAGE_RETENTION,
            bad_key_limit: BAD_KEY_LIMIT,
            token_lifetime: TOKEN_LIFETIME,
            refresh_reuse: REFRESH_REUSE,
            hsts: Hsts::default(),
            cors_origins: Vec::new(),
            policies: Policies::default(),
            signing: SigningSettings::default(),
            deadlines: Deadlines::default(),
        }
    }

    /// The value of `Strict-Transport-Security`, where it is sent.
    pub fn hsts(&self) -> Option<&HeaderValue> {
        self.hsts.header().filter(|_| self.public_url.is_https())
    }

    pub fn is_trusted_proxy(&self, peer: IpAddr) -> bool {
        !self.trusted_proxies.is_empty() && self.trusted_proxies.contains(peer)
    }
}

/// `https://keys.example.com`: scheme and authority as a browser writes an origin (RFC 6454 §6.2), so
/// without the scheme's own port; no path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl(String);

impl PublicUrl {
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = || {
            Error::invalid(
                "public_url",
                "The public URL is http:// or https:// with a host and, if need be, a port, and nothing after it (https://keys.example.com).",
            )
        };
        let uri: actix_web::http::Uri = text.trim_end_matches('/').parse().map_err(|_| wrong())?;
        let is_plain = uri.path() == "/" && uri.query().is_none() && !text.contains(['#', '@']);
        match (uri.scheme_str(), uri.authority()) {
            (Some(scheme @ ("http" | "https")), Some(authority)) if is_plain && is_authority(authority) => {
                Ok(PublicUrl::of(scheme, authority.host(), authority.port_u16()))
            }
            _ => Err(wrong()),
        }
    }

    /// Where the server listens, seen from the same machine.
    pub fn local(listen: &ListenAddress, port: u16, has_tls: bool) -> Self {
        PublicUrl::of(if has_tls { "https" } else { "http" }, &listen.url_host(), Some(port))
    }

    fn of(scheme: &str, host: &str, port: Option<u16>) -> Self {
        let host = host.to_ascii_lowercase();
        PublicUrl(match (scheme, port) {
            (_, None) | ("http", Some(80)) | ("https", Some(443)) => format!("{scheme}://{host}"),
            (_, Some(port)) => format!("{scheme}://{host}:{port}"),
        })
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn is_https(&self) -> bool {
        self.0.starts_with("https://")
    }
}

/// A host, and a port from 1 on where one is written.
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
    fn a_public_url_is_an_origin_as_browsers_write_it() {
        for (text, url) in [
            ("https://keys.example.com", "https://keys.example.com"),
            ("HTTPS://Keys.Example.com/", "https://keys.example.com"),
            ("https://keys.example.com:443", "https://keys.example.com"),
            ("http://keys.example.com:80", "http://keys.example.com"),
            ("http://keys.example.com:443", "http://keys.example.com:443"),
            ("https://[2001:DB8::7]:8443/", "https://[2001:db8::7]:8443"),
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
            "https://keys.example.com/path",
            "https://keys.example.com?q",
            "https://keys.example.com#part",
            "https://ada@keys.example.com",
            "https://[::1",
            "https://[nonsense]",
            "https://a%00",
        ] {
            assert!(PublicUrl::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_usual_public_url_can_be_opened() {
        for (listen, has_tls, url) in [
            ("127.0.0.1:8080", false, "http://127.0.0.1:8080"),
            ("0.0.0.0:8080", false, "http://127.0.0.1:8080"),
            ("[::]:443", true, "https://127.0.0.1"),
            (":80", false, "http://127.0.0.1"),
            (":443", false, "http://127.0.0.1:443"),
            ("localhost:8080", false, "http://localhost:8080"),
            ("[2001:db8::7]:8080", true, "https://[2001:db8::7]:8080"),
        ] {
            let listen = ListenAddress::parse(listen).unwrap();
            assert_eq!(PublicUrl::local(&listen, listen.port(), has_tls).as_str(), url);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_public_url_that_reads_back_or_an_error(text in "(https?://)?.{0,40}") {
            if let Ok(url) = PublicUrl::parse(&text) {
                prop_assert_eq!(PublicUrl::parse(url.as_str()).unwrap(), url);
            }
        }
    }
}
