//! Settings of the listeners: addresses, workers, connections, trusted proxies, CORS and HSTS.

use std::time::Duration;

use clap::{ArgAction, Args};
use serde::Deserialize;

use super::given::{Given, set};
use crate::error::{Error, Result};
use crate::http::HttpSettings;
use crate::http::cors::CorsOrigin;
use crate::http::hsts::Hsts;
use crate::http::settings::{ListenAddress, PublicUrl, TlsFiles};
use crate::model::Networks;
use crate::model::database::{LEASE, LEASES};

/// The trusted proxy that stands for all peers at Unix sockets.
const UNIX: &str = "unix";

#[derive(Debug, Default, Args, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct ServerSection {
    /// Address to listen on: ADDR:PORT, localhost:PORT, :PORT for every address, or unix:/PATH[?mode=660] (repeatable)
    /// [default: 127.0.0.1:8080]
    #[arg(long, env = "KEYBEARER_LISTEN", value_name = "ADDRESS", action = ArgAction::Append)]
    listen: Option<Given>,
    /// With PostgreSQL: how long this node answers from memory without a heartbeat, 1s to 60s [default: 5s]
    #[arg(long, env = "KEYBEARER_LEASE", value_name = "SPAN")]
    lease: Option<Given>,
    /// Public base URL, used in links: scheme, host, port and path [default: http:// or https:// and the listen
    /// address]
    #[arg(long, env = "KEYBEARER_PUBLIC_URL", value_name = "URL")]
    public_url: Option<Given>,
    /// Trust X-Forwarded-For from these proxies: an address range, or unix for all peers at Unix sockets (repeatable)
    #[arg(long, env = "KEYBEARER_TRUSTED_PROXY", value_name = "CIDR|unix", action = ArgAction::Append)]
    trusted_proxy: Option<Given>,
    /// Worker threads [default: one per core]
    #[arg(long, env = "KEYBEARER_WORKERS", value_name = "N")]
    workers: Option<Given>,
    /// Maximum open connections [default: 10000]
    #[arg(long, env = "KEYBEARER_CONNECTIONS", value_name = "N")]
    connections: Option<Given>,
    /// Maximum open connections per address (IPv6: per /64); 0 means no limit. Trusted proxies are exempt [default:
    /// 1000]
    #[arg(long, env = "KEYBEARER_CONNECTIONS_PER_ADDRESS", value_name = "N")]
    connections_per_address: Option<Given>,
    /// Serve /metrics, without a key, on this separate address
    #[arg(long, env = "KEYBEARER_METRICS_LISTEN", value_name = "ADDRESS")]
    metrics_listen: Option<Given>,
    /// Serve Envoy's ext_authz over gRPC on this separate address; only Envoy should be able to reach it
    #[arg(long, env = "KEYBEARER_GRPC_LISTEN", value_name = "ADDRESS")]
    grpc_listen: Option<Given>,
    /// Origin allowed to read API responses (CORS): scheme, host and port; exact match, repeatable
    #[arg(long, env = "KEYBEARER_CORS_ORIGIN", value_name = "ORIGIN", action = ArgAction::Append)]
    cors_origin: Option<Given>,
    /// Log one in N successful checks over the API (verify, current, introspect); 1 logs each, 0 none [default: 100]
    #[arg(long, env = "KEYBEARER_LOG_CHECKS", value_name = "N")]
    log_checks: Option<Given>,
    /// Accept leaked keys from GitHub's secret scanning; the file has its public keys, as
    /// api.github.com/meta/public_keys/secret_scanning returns them
    #[arg(long, env = "KEYBEARER_GITHUB_KEYS", value_name = "FILE")]
    github_keys: Option<Given>,
    /// Value of Strict-Transport-Security, sent if the public URL is https; use off to send none [default:
    /// max-age=63072000]
    #[arg(long, env = "KEYBEARER_HSTS", value_name = "VALUE")]
    hsts: Option<Given>,
}

impl ServerSection {
    pub fn lease(&self) -> Result<Duration> {
        let mut lease = LEASE;
        let is_allowed = |span| LEASES.contains(&span);
        set(&mut lease, &self.lease, |given| given.span(is_allowed, "write a time span from 1s to 60s."))?;
        Ok(lease)
    }

    pub fn http(&self, tls: Option<TlsFiles>) -> Result<HttpSettings> {
        let mut listen = vec![ListenAddress::usual()];
        set(&mut listen, &self.listen, listeners)?;
        let mut public_url = HttpSettings::default_url(&listen, tls.is_some());
        set(&mut public_url, &self.public_url, |given| given.parse(PublicUrl::parse))?;
        let is_url_derived = self.public_url.is_none();
        let http = HttpSettings::new(ListenAddress::usual(), public_url);
        let mut http = HttpSettings { listen, is_url_derived, tls, ..http };
        set(&mut http.trusted_proxies, &self.trusted_proxy, networks)?;
        set(&mut http.trusts_unix_sockets, &self.trusted_proxy, |given| {
            Ok(given.entries()?.iter().map(Given::text).collect::<Result<Vec<_>>>()?.contains(&UNIX))
        })?;
        set(&mut http.workers, &self.workers, |given| given.number(1..=1024))?;
        set(&mut http.connections, &self.connections, |given| given.number(1..=1_000_000))?;
        set(&mut http.connections_per_address, &self.connections_per_address, |given| given.number(0..=1_000_000))?;
        let listener = |given: &Given| given.parse(ListenAddress::parse).map(Some);
        set(&mut http.metrics_listen, &self.metrics_listen, listener)?;
        set(&mut http.grpc_listen, &self.grpc_listen, listener)?;
        set(&mut http.cors_origins, &self.cors_origin, |given| given.parse_entries(CorsOrigin::parse))?;
        set(&mut http.log_checks, &self.log_checks, |given| given.number(0..=1_000_000))?;
        http.github_keys = self.github_keys.as_ref().map(Given::path).transpose()?;
        set(&mut http.hsts, &self.hsts, |given| given.parse(Hsts::parse))?;
        Ok(http)
    }
}

fn listeners(given: &Given) -> Result<Vec<ListenAddress>> {
    let addresses = given.parse_entries(ListenAddress::parse)?;
    if addresses.is_empty() {
        return Err(given.wrong("it is blank. Name an address, or leave the setting out."));
    }
    ListenAddress::fit_together(&addresses).map_err(|error| given.wrong(error.message))?;
    Ok(addresses)
}

/// The ranges among the trusted proxies. Parses each by itself first, so that a message names the one that is wrong.
fn networks(given: &Given) -> Result<Networks> {
    given.parse_entries(|text| match text {
        UNIX => Ok(Networks::default()),
        _ if text.starts_with(UNIX) => {
            Err(Error::invalid("usage", "unix stands for every Unix socket; write it without a path."))
        }
        _ => Networks::parse([text]),
    })?;
    let texts = given.entries()?;
    let texts = texts.iter().map(Given::text).filter(|text| !matches!(text, Ok(text) if *text == UNIX));
    let texts = texts.collect::<Result<Vec<_>>>()?;
    Networks::parse(texts).map_err(|error: Error| given.wrong(error.message))
}
