//! The settings that HTTP needs, as plain values with their defaults.

use std::net::IpAddr;
use std::num::NonZero;
use std::path::PathBuf;

use actix_web::http::header::HeaderValue;

use super::connection::Deadlines;
use super::cors::CorsOrigin;
use super::hsts::Hsts;
pub use super::listen_address::ListenAddress;
pub use super::public_url::PublicUrl;
use super::tcp_address::TcpAddress;
use super::unix_address::UnixAddress;
use crate::model::{Networks, Policies};

/// Default of [`HttpSettings::log_checks`].
const LOG_CHECKS: u32 = 100;

#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// At least one.
    pub listen: Vec<ListenAddress>,
    /// The only source of links, issuers and cookie attributes. If the operator gives none, it is derived from the
    /// first listen address that has a host.
    pub public_url: PublicUrl,
    /// Whether `public_url` is derived. The server derives it again when it knows the port.
    pub is_url_derived: bool,
    /// Peers whose `X-Forwarded-For` is trusted.
    pub trusted_proxies: Networks,
    /// Whether the peers at Unix sockets are trusted proxies too.
    pub trusts_unix_sockets: bool,
    pub workers: usize,
    pub tls: Option<TlsFiles>,
    /// Maximum open connections; more wait to be accepted.
    pub connections: usize,
    /// Maximum per address (IPv6: per /64); 0 means no limit. Trusted proxies are exempt.
    pub connections_per_address: usize,
    /// The address at which `/metrics` is served without a key.
    pub metrics_listen: Option<ListenAddress>,
    /// The address at which Envoy's authorization is served over gRPC.
    pub grpc_listen: Option<ListenAddress>,
    /// One in so many successful checks over the API is logged; 0 means none.
    pub log_checks: u32,
    /// Value of `Strict-Transport-Security`, which is sent if the public URL is https.
    pub hsts: Hsts,
    /// Origins whose pages may read the responses of `/api`.
    pub cors_origins: Vec<CorsOrigin>,
    /// Requirements that a gateway can ask for by name.
    pub policies: Policies,
    /// The file with GitHub's public keys, if GitHub reports leaked keys.
    pub github_keys: Option<PathBuf>,
    /// How long a peer may keep a connection waiting.
    pub deadlines: Deadlines,
}

#[derive(Debug, Clone)]
pub struct TlsFiles {
    pub cert: PathBuf,
    pub key: PathBuf,
}

impl HttpSettings {
    /// The defaults for an address.
    pub fn new(listen: impl Into<ListenAddress>, public_url: PublicUrl) -> Self {
        HttpSettings {
            listen: vec![listen.into()],
            public_url,
            is_url_derived: false,
            trusted_proxies: Networks::default(),
            trusts_unix_sockets: false,
            workers: std::thread::available_parallelism().map_or(1, NonZero::get),
            tls: None,
            connections: 10_000,
            connections_per_address: 1000,
            metrics_listen: None,
            grpc_listen: None,
            log_checks: LOG_CHECKS,
            hsts: Hsts::default(),
            cors_origins: Vec::new(),
            policies: Policies::default(),
            github_keys: None,
            deadlines: Deadlines::default(),
        }
    }

    /// The public URL if none is given: that of the first address with a host. The socket's file does not say how people
    /// reach the server, so without such an address it is a placeholder.
    pub fn default_url(listen: &[ListenAddress], has_tls: bool) -> PublicUrl {
        let tcp = listen.iter().find_map(ListenAddress::tcp);
        tcp.map_or_else(PublicUrl::placeholder, |tcp: &TcpAddress| PublicUrl::local(tcp, has_tls))
    }

    /// The Unix sockets to which every user of the machine can connect.
    pub fn open_sockets(&self) -> impl Iterator<Item = &UnixAddress> {
        self.listen.iter().chain(&self.metrics_listen).chain(&self.grpc_listen).filter_map(|address| match address {
            ListenAddress::Unix(address) if address.is_open_to_all() => Some(address),
            _ => None,
        })
    }

    /// The value of `Strict-Transport-Security`, if the header is sent.
    pub fn hsts(&self) -> Option<&HeaderValue> {
        self.hsts.header().filter(|_| self.public_url.is_https())
    }

    pub fn is_trusted_proxy(&self, peer: IpAddr) -> bool {
        !self.trusted_proxies.is_empty() && self.trusted_proxies.contains(peer)
    }
}
