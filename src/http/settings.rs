//! What the operator chose, as far as HTTP needs it; already parsed.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZero;
use std::path::PathBuf;
use std::time::Duration;

use actix_web::http::header::HeaderValue;

use super::connection::Deadlines;
use super::cors::CorsOrigin;
use super::hsts::Hsts;
use crate::auth::{BAD_KEY_LIMIT, SigningSettings, USAGE_RETENTION};
use crate::error::{Error, Result};
use crate::model::token::TOKEN_LIFETIME;
use crate::model::{Networks, Policies};

#[derive(Debug, Clone)]
pub struct HttpSettings {
    pub listen: SocketAddr,
    /// What people and links see; the only source of links, issuers and cookie attributes. Without
    /// one given it is the address that was bound.
    pub public_url: PublicUrl,
    /// Peers whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Networks,
    pub workers: usize,
    pub tls: Option<TlsFiles>,
    /// Open connections in all; more wait to be accepted.
    pub connections: usize,
    /// Where `/metrics` is served without a key.
    pub metrics_listen: Option<SocketAddr>,
    /// Where Envoy's authorization is served over gRPC.
    pub grpc_listen: Option<SocketAddr>,
    /// How long hourly counts of use are kept.
    pub usage_retention: Duration,
    /// Distinct bad keys a minute that one address may try; 0: any number.
    pub bad_key_limit: u32,
    /// How long a token of a log-in by a program lives.
    pub token_lifetime: Duration,
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
    pub fn new(listen: SocketAddr, public_url: PublicUrl) -> Self {
        HttpSettings {
            listen,
            public_url,
            trusted_proxies: Networks::default(),
            workers: std::thread::available_parallelism().map_or(1, NonZero::get),
            tls: None,
            connections: 10_000,
            metrics_listen: None,
            grpc_listen: None,
            usage_retention: USAGE_RETENTION,
            bad_key_limit: BAD_KEY_LIMIT,
            token_lifetime: TOKEN_LIFETIME,
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

    /// Where the server listens, seen from the same machine.
    pub fn local(address: SocketAddr, has_tls: bool) -> Self {
        PublicUrl(format!("{}://{address}", if has_tls { "https" } else { "http" }))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn is_https(&self) -> bool {
        self.0.starts_with("https://")
    }
}
