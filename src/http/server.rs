//! The running server: binds, serves, stops without cutting an answer. A test starts it on port 0.

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::Ordering;

use actix_web::dev::{Server, ServerHandle};
use actix_web::{App, web};

use super::edge::Edge;
use super::gateway::grpc::Grpc;
use super::listen::{self, Limits};
use super::settings::PublicUrl;
use super::{HttpSettings, Shared, Site, routes, tls};
use crate::auth::Auth;
use crate::error::{Error, Kind, Result};

/// How long requests in flight may take to finish after the order to stop.
const STOP_SECONDS: u64 = 8;

pub struct Running {
    pub server: Server,
    /// The metrics listener, if there is one; it ends with the process.
    pub metrics: Option<Server>,
    /// The gRPC listener, if there is one; it ends when this is dropped.
    pub grpc: Option<Grpc>,
    pub address: SocketAddr,
    pub site: Shared,
}

/// Binds and starts; the listening sockets are open when this returns.
pub fn start(auth: Auth, mut settings: HttpSettings) -> Result<Running> {
    auth.start_collecting(settings.usage_retention)?;
    let tls = settings.tls.as_ref().map(tls::config).transpose()?;
    let listener = bind("--listen", settings.listen)?;
    let metrics_listener = settings.metrics_listen.map(|at| bind("--metrics-listen", at)).transpose()?;
    let grpc_listener = settings.grpc_listen.map(|at| bind("--grpc-listen", at)).transpose()?;
    let address = listener.local_addr().map_err(Error::unavailable)?;
    if settings.public_url == PublicUrl::local(settings.listen, tls.is_some()) {
        // Port 0 is known only now.
        settings.public_url = PublicUrl::local(address, tls.is_some());
    }
    auth.start_signing(settings.signing.clone(), settings.public_url.as_str())?;
    let (workers, connections, deadlines) = (settings.workers, settings.connections, settings.deadlines);
    let site = web::Data::new(Site::new(auth, settings));
    let shared = site.clone();
    let limits = Limits { workers, connections: (connections / workers).max(1), deadlines, stop_seconds: STOP_SECONDS };
    let server = listen::serve(listener, tls, limits, move || {
        Edge::around(App::new().app_data(shared.clone()).configure(routes::configure), shared.clone())
    })?;
    let metrics = metrics_listener.map(|listener| serve_metrics(listener, site.clone())).transpose()?;
    let grpc = grpc_listener.map(|listener| Grpc::start(listener, site.clone())).transpose()?;
    Ok(Running { server, metrics, grpc, address, site })
}

fn bind(flag: &str, address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).map_err(|error| {
        Error::new(Kind::Unavailable, format!("Cannot listen on {address}: {error}. Choose another {flag} address."))
    })
}

/// `/metrics` on a listener of its own, for whoever reaches it.
fn serve_metrics(listener: TcpListener, site: Shared) -> Result<Server> {
    let limits = Limits { workers: 1, connections: 64, deadlines: site.settings.deadlines, stop_seconds: STOP_SECONDS };
    listen::serve(listener, None, limits, move || {
        Edge::around_metrics(App::new().app_data(site.clone()).configure(routes::configure_metrics), site.clone())
    })
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
