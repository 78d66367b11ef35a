//! The running server: binds, serves, and stops without cutting off a response. A test starts it on port 0.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use actix_web::dev::{Server, ServerHandle};
use actix_web::{App, web};

use super::dashboard::CookieNames;
use super::edge::Edge;
use super::gateway::grpc::GrpcListener;
use super::github_keys::GitHubKeys;
use super::listen::{self, ServerLimits};
use super::listen_address::ListenAddress;
use super::listener::{BoundAddress, Listener, PassedSockets};
use super::public_url::PublicUrl;
use super::pulse::Pulses;
use super::seats::Seats;
use super::socket_file::SocketFile;
use super::tcp_address::TcpAddress;
use super::tls::{self, Certificates};
use super::{HttpSettings, Site, SiteRef, routes};
use crate::ambient::Background;
use crate::auth::Auth;
use crate::error::{Error, Result};
use crate::model::Time;

/// How long requests in flight can take to finish after the signal to stop.
const STOP_SECONDS: u64 = 8;

pub struct RunningServer {
    pub server: Server,
    /// The metrics listener, if there is one; it ends with the process.
    pub metrics: Option<Server>,
    /// The gRPC listener, if there is one; it ends when this is dropped.
    pub grpc: Option<GrpcListener>,
    /// The first of `addresses` that is not a Unix socket.
    pub address: Option<SocketAddr>,
    /// The main listeners' addresses.
    pub addresses: Vec<BoundAddress>,
    pub url_basis: UrlBasis,
    pub site: SiteRef,
    /// The files of Unix sockets, which are removed when this is dropped.
    pub files: Vec<SocketFile>,
    /// Watches the certificate's files, if there are any, until this is dropped.
    pub watch: Option<Background>,
    /// Whether its workers run.
    pub pulses: Arc<Pulses>,
}

/// Where the public URL comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UrlBasis {
    Settings,
    OneAddress,
    /// The server listens on every address of the machine, and people may know it by another one.
    EveryAddress,
    /// The server listens on Unix sockets only, so the URL is a placeholder.
    Nothing,
}

/// A server that is bound and does not accept connections yet.
pub struct Bound {
    settings: HttpSettings,
    certificates: Option<Arc<Certificates>>,
    main: Vec<Listener>,
    /// May be empty, like the next one.
    metrics: Vec<Listener>,
    grpc: Vec<Listener>,
    files: Vec<SocketFile>,
    addresses: Vec<BoundAddress>,
    /// The public URL as it was set, before a free port was chosen.
    configured_url: PublicUrl,
    url_basis: UrlBasis,
}

impl Bound {
    /// Reads the certificate and opens the listening sockets, except those that were passed.
    pub fn bind(mut settings: HttpSettings, passed: PassedSockets, now: Time) -> Result<Self> {
        let certificates = settings.tls.as_ref().map(|files| Certificates::read(files, now)).transpose()?;
        let has_tls = certificates.is_some();
        let mut configured_url = settings.public_url.clone();
        let mut files = Vec::new();
        let mut open = |passed: Vec<Listener>, addresses: &[ListenAddress], flag: &str| {
            if !passed.is_empty() {
                tracing::info!(sockets = passed.len(), "systemd has passed sockets, which are used instead of {flag}");
                return Ok(passed);
            }
            let (listeners, created) = ListenAddress::bind_all(addresses, flag)?;
            files.extend(created);
            Ok::<_, Error>(listeners)
        };
        let is_passed = !passed.main.is_empty();
        let main = open(passed.main, &settings.listen, "--listen")?;
        let metrics = open(passed.metrics, settings.metrics_listen.as_slice(), "--metrics-listen")?;
        let grpc = open(passed.grpc, settings.grpc_listen.as_slice(), "--grpc-listen")?;
        let addresses = BoundAddress::of_all(&main)?;
        let bound = addresses.iter().find_map(BoundAddress::tcp);
        let tcp = match settings.listen.iter().find_map(ListenAddress::tcp) {
            Some(listen) if !is_passed => bound.map(|bound| listen.with_port(bound.port())),
            _ => bound.map(TcpAddress::from),
        };
        if settings.is_url_derived {
            // Port 0, and the address of a socket that was passed, are known only now.
            let tcp = tcp.clone().map(ListenAddress::Tcp);
            settings.public_url = HttpSettings::default_url(tcp.as_slice(), has_tls);
            if is_passed {
                configured_url = settings.public_url.clone();
            }
        }
        let url_basis = match tcp {
            _ if !settings.is_url_derived => UrlBasis::Settings,
            None => UrlBasis::Nothing,
            Some(tcp) if tcp.is_every() => UrlBasis::EveryAddress,
            Some(_) => UrlBasis::OneAddress,
        };
        Ok(Bound { settings, certificates, main, metrics, grpc, files, addresses, configured_url, url_basis })
    }

    pub fn public_url(&self) -> &str {
        self.settings.public_url.as_str()
    }

    /// Accepts connections from now on.
    pub fn serve(self, auth: Auth) -> Result<RunningServer> {
        let Bound { settings, certificates, addresses, url_basis, files, .. } = self;
        let (workers, connections, deadlines) = (settings.workers, settings.connections, settings.deadlines);
        // The names depend on the URL in the settings, so that a session outlives a restart on another free port.
        let cookies = CookieNames::new(&self.configured_url, auth.installation());
        let github_keys = settings.github_keys.as_deref().map(GitHubKeys::read).transpose()?;
        let site = Site { certificates: certificates.clone(), cookies, github_keys, ..Site::new(auth, settings) };
        let site = web::Data::new(site);
        let shared = site.clone();
        let seats = Seats::new("--listen", &site.settings, connections);
        let (connections, pulses) = ((connections / workers).max(1), Pulses::new());
        let limits = ServerLimits {
            workers,
            connections,
            seats,
            deadlines,
            stop_seconds: STOP_SECONDS,
            ids: ids(&site),
            base: site.settings.public_url.base().cloned(),
            pulses: Arc::clone(&pulses),
        };
        let watched = site.clone();
        let watch =
            certificates.as_ref().map(|certificates| certificates.watch(move || watched.auth.now())).transpose()?;
        let tls = certificates.map(tls::config).transpose()?;
        let server = listen::serve(self.main, tls, limits, move || {
            Edge::around(App::new().app_data(shared.clone()).configure(routes::configure), shared.clone())
        })?;
        let metrics = Some(self.metrics).filter(|listeners| !listeners.is_empty());
        let metrics =
            metrics.map(|listeners| serve_metrics(listeners, site.clone(), Arc::clone(&pulses))).transpose()?;
        let grpc = Some(self.grpc).filter(|listeners| !listeners.is_empty());
        let grpc = grpc.map(|listeners| GrpcListener::start(listeners, site.clone())).transpose()?;
        let address = addresses.iter().find_map(BoundAddress::tcp);
        Ok(RunningServer { server, metrics, grpc, address, addresses, url_basis, site, files, watch, pulses })
    }
}

/// Serves `/metrics` on separate listeners, without a key.
fn serve_metrics(listeners: Vec<Listener>, site: SiteRef, pulses: Arc<Pulses>) -> Result<Server> {
    let (connections, deadlines) = (64, site.settings.deadlines);
    let seats = Seats::new("--metrics-listen", &site.settings, connections);
    let limits = ServerLimits {
        workers: 1,
        connections,
        seats,
        deadlines,
        stop_seconds: STOP_SECONDS,
        ids: ids(&site),
        base: None,
        pulses,
    };
    listen::serve(listeners, None, limits, move || {
        Edge::around_metrics(App::new().app_data(site.clone()).configure(routes::configure_metrics), site.clone())
    })
}

/// The start of a worker's request ids. Without randomness, ids of different workers can collide.
fn ids(site: &SiteRef) -> Arc<dyn Fn() -> [u8; 8] + Send + Sync> {
    let site = site.clone();
    Arc::new(move || site.auth.entropy().bytes().unwrap_or_default())
}

/// Stops in this order: `/readyz` reports not ready, no new connections, requests in flight finish, the store closes.
pub async fn stop(site: &Site, handle: &ServerHandle, grpc: Option<GrpcListener>) {
    site.stopping.store(true, Ordering::Release);
    // The gRPC listener stops first, because the process ends with the main server.
    if let Some(grpc) = grpc {
        grpc.stop().await;
    }
    handle.stop(true).await;
    site.auth.close();
}
