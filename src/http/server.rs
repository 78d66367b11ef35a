//! The running server: binds, serves, stops without cutting an answer. A test starts it on port 0.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use actix_web::dev::{Server, ServerHandle};
use actix_web::{App, web};

use super::dashboard::CookieNames;
use super::edge::Edge;
use super::gateway::grpc::Grpc;
use super::listen::{self, Limits};
use super::seats::Seats;
use super::settings::PublicUrl;
use super::tls::{self, Certificates};
use super::{HttpSettings, Shared, Site, routes};
use crate::ambient::Background;
use crate::auth::Auth;
use crate::error::{Error, Result};

/// How long requests in flight may take to finish after the order to stop.
const STOP_SECONDS: u64 = 8;

pub struct Running {
    pub server: Server,
    /// The metrics listener, if there is one; it ends with the process.
    pub metrics: Option<Server>,
    /// The gRPC listener, if there is one; it ends when this is dropped.
    pub grpc: Option<Grpc>,
    /// The first one of `addresses`.
    pub address: SocketAddr,
    /// Where the main listener is; more than one where a name stands for more.
    pub addresses: Vec<SocketAddr>,
    /// Whether nobody said what people open, and the addresses do not tell.
    pub is_url_a_guess: bool,
    pub site: Shared,
    /// Looks at the certificate's files, if there are any, until this is dropped.
    pub watch: Option<Background>,
}

/// Binds and starts; the listening sockets are open when this returns.
pub fn start(auth: Auth, mut settings: HttpSettings) -> Result<Running> {
    auth.start_collecting(settings.usage_retention)?;
    let certificates = settings.tls.as_ref().map(|files| Certificates::read(files, auth.now())).transpose()?;
    let listeners = settings.listen.bind("--listen")?;
    let metrics_listeners = settings.metrics_listen.as_ref().map(|at| at.bind("--metrics-listen")).transpose()?;
    let grpc_listeners = settings.grpc_listen.as_ref().map(|at| at.bind("--grpc-listen")).transpose()?;
    let addresses = listeners.iter().map(TcpListener::local_addr).collect::<io::Result<Vec<_>>>();
    let addresses = addresses.map_err(Error::unavailable)?;
    let address = addresses[0];
    let has_tls = certificates.is_some();
    let is_given = settings.public_url != PublicUrl::local(&settings.listen, settings.listen.port(), has_tls);
    // Named after the settings, so that a log-in outlives a restart on another free port.
    let cookies = CookieNames::new(&settings.public_url, auth.installation());
    if !is_given {
        // Port 0 is known only now.
        settings.public_url = PublicUrl::local(&settings.listen, address.port(), has_tls);
    }
    let is_url_a_guess = !is_given && settings.listen.is_every();
    auth.start_signing(settings.signing.clone(), settings.public_url.as_str())?;
    let (workers, connections, deadlines) = (settings.workers, settings.connections, settings.deadlines);
    let site = web::Data::new(Site { certificates: certificates.clone(), cookies, ..Site::new(auth, settings) });
    let shared = site.clone();
    let seats = Seats::new("--listen", &site.settings, connections);
    let connections = (connections / workers).max(1);
    let limits = Limits { workers, connections, seats, deadlines, stop_seconds: STOP_SECONDS, ids: ids(&site) };
    let watched = site.clone();
    let watch = certificates.as_ref().map(|certificates| certificates.watch(move || watched.auth.now())).transpose()?;
    let tls = certificates.map(tls::config).transpose()?;
    let server = listen::serve(listeners, tls, limits, move || {
        Edge::around(App::new().app_data(shared.clone()).configure(routes::configure), shared.clone())
    })?;
    let metrics = metrics_listeners.map(|listeners| serve_metrics(listeners, site.clone())).transpose()?;
    let grpc = grpc_listeners.map(|listeners| Grpc::start(listeners, site.clone())).transpose()?;
    Ok(Running { server, metrics, grpc, address, addresses, is_url_a_guess, site, watch })
}

/// `/metrics` on listeners of its own, for whoever reaches them.
fn serve_metrics(listeners: Vec<TcpListener>, site: Shared) -> Result<Server> {
    let (connections, deadlines) = (64, site.settings.deadlines);
    let seats = Seats::new("--metrics-listen", &site.settings, connections);
    let limits = Limits { workers: 1, connections, seats, deadlines, stop_seconds: STOP_SECONDS, ids: ids(&site) };
    listen::serve(listeners, None, limits, move || {
        Edge::around_metrics(App::new().app_data(site.clone()).configure(routes::configure_metrics), site.clone())
    })
}

/// Without randomness the ids of answers are only less unlike those of other workers.
fn ids(site: &Shared) -> Arc<dyn Fn() -> [u8; 8] + Send + Sync> {
    let site = site.clone();
    Arc::new(move || site.auth.entropy().bytes().unwrap_or_default())
}

/// Not ready any more, then no new connections, then the end of what is in flight, then the store.
pub async fn stop(site: &Site, handle: &ServerHandle, grpc: Option<Grpc>) {
    site.stopping.store(true, Ordering::Release);
    // First: when the main server has ended, so has the process.
    if let Some(grpc) = grpc {
        grpc.stop().await;
    }
    handle.stop(true).await;
    site.auth.close();
}
