//! The running server: binds, serves, and stops without cutting off a response. A test starts it on port 0.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use actix_web::dev::{Server, ServerHandle};
use actix_web::{App, web};

use super::dashboard::CookieNames;
use super::edge::Edge;
use super::gateway::grpc::GrpcListener;
use super::listen::{self, ServerLimits};
use super::public_url::PublicUrl;
use super::pulse::Pulses;
use super::seats::Seats;
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
    /// The first of `addresses`.
    pub address: SocketAddr,
    /// The main listener's addresses: several if its name resolves to several.
    pub addresses: Vec<SocketAddr>,
    /// Whether the public URL is a guess: none was given, and the server listens on every address.
    pub is_url_a_guess: bool,
    pub site: SiteRef,
    /// Watches the certificate's files, if there are any, until this is dropped.
    pub watch: Option<Background>,
    /// Whether its workers run.
    pub pulses: Arc<Pulses>,
}

/// A server that is bound and does not accept connections yet.
pub struct Bound {
    settings: HttpSettings,
    certificates: Option<Arc<Certificates>>,
    main: Vec<TcpListener>,
    metrics: Option<Vec<TcpListener>>,
    grpc: Option<Vec<TcpListener>>,
    addresses: Vec<SocketAddr>,
    /// The public URL as it was set, before a free port was chosen.
    configured_url: PublicUrl,
    is_url_a_guess: bool,
}

impl Bound {
    /// Reads the certificate and opens the listening sockets.
    pub fn bind(mut settings: HttpSettings, now: Time) -> Result<Self> {
        let certificates = settings.tls.as_ref().map(|files| Certificates::read(files, now)).transpose()?;
        let main = settings.listen.bind("--listen")?;
        let metrics = settings.metrics_listen.as_ref().map(|at| at.bind("--metrics-listen")).transpose()?;
        let grpc = settings.grpc_listen.as_ref().map(|at| at.bind("--grpc-listen")).transpose()?;
        let addresses = main.iter().map(TcpListener::local_addr).collect::<io::Result<Vec<_>>>();
        let addresses = addresses.map_err(Error::unavailable)?;
        let has_tls = certificates.is_some();
        let configured_url = settings.public_url.clone();
        let is_given = configured_url != PublicUrl::local(&settings.listen, settings.listen.port(), has_tls);
        if !is_given {
            // Port 0 is known only now.
            settings.public_url = PublicUrl::local(&settings.listen, addresses[0].port(), has_tls);
        }
        let is_url_a_guess = !is_given && settings.listen.is_every();
        Ok(Bound { settings, certificates, main, metrics, grpc, addresses, configured_url, is_url_a_guess })
    }

    pub fn public_url(&self) -> &str {
        self.settings.public_url.as_str()
    }

    /// Accepts connections from now on.
    pub fn serve(self, auth: Auth) -> Result<RunningServer> {
        let Bound { settings, certificates, addresses, is_url_a_guess, .. } = self;
        let (workers, connections, deadlines) = (settings.workers, settings.connections, settings.deadlines);
        // The names depend on the URL in the settings, so that a session outlives a restart on another free port.
        let cookies = CookieNames::new(&self.configured_url, auth.installation());
        let site = web::Data::new(Site { certificates: certificates.clone(), cookies, ..Site::new(auth, settings) });
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
        let metrics =
            self.metrics.map(|listeners| serve_metrics(listeners, site.clone(), Arc::clone(&pulses))).transpose()?;
        let grpc = self.grpc.map(|listeners| GrpcListener::start(listeners, site.clone())).transpose()?;
        let address = addresses[0];
        Ok(RunningServer { server, metrics, grpc, address, addresses, is_url_a_guess, site, watch, pulses })
    }
}

/// Serves `/metrics` on separate listeners, without a key.
fn serve_metrics(listeners: Vec<TcpListener>, site: SiteRef, pulses: Arc<Pulses>) -> Result<Server> {
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
