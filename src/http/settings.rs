//! What the operator chose, as far as HTTP needs it; already parsed.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::model::{Networks, Policies};

#[derive(Debug, Clone)]
pub struct HttpSettings {
    pub listen: SocketAddr,
    /// What people and links see; the only source of links, issuers and cookie attributes.
    pub public_url: PublicUrl,
    /// Peers whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Networks,
    pub workers: usize,
    pub tls: Option<TlsFiles>,
    /// Open connections in all; more wait to be accepted.
    pub connections: usize,
    /// How long hourly counts of use are kept.
    pub usage_retention: Duration,
    /// Distinct bad keys a minute that one address may try; 0: any number.
    pub bad_key_limit: u32,
    /// What a gateway can ask for by name.
    pub policies: Policies,
}

#[derive(Debug, Clone)]
pub struct TlsFiles {
    pub cert: PathBuf,
    pub key: PathBuf,
}

impl HttpSettings {
    pub fn is_trusted_proxy(&self, peer: IpAddr) -> bool {
        !self.trusted_proxies.is_empty() && self.trusted_proxies.contains(peer)
    }
}

/// `https://keys.example.com`: scheme and authority, no path.
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
        let is_plain = uri.path() == "/" && uri.query().is_none();
        match (uri.scheme_str(), uri.authority()) {
            (Some(scheme @ ("http" | "https")), Some(authority)) if is_plain && !authority.as_str().contains('@') => {
                Ok(PublicUrl(format!("{scheme}://{}", authority.as_str().to_ascii_lowercase())))
            }
            _ => Err(wrong()),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn is_https(&self) -> bool {
        self.0.starts_with("https://")
    }
}
