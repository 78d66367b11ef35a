//! The running server: binds, serves, stops without cutting an answer. A test starts it on port 0.

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::dev::{Server, ServerHandle};
use actix_web::{App, HttpServer, web};

use super::dashboard::assets::Assets;
use super::edge::Edge;
use super::{HttpSettings, Shared, Site, routes, tls};
use crate::auth::Auth;
use crate::error::{Error, Kind, Result};

/// A request's head must be here within this time.
const HEAD_DEADLINE: Duration = Duration::from_secs(10);
/// An idle connection is closed after this time.
const IDLE: Duration = Duration::from_secs(75);
/// How long requests in flight may take to finish after the order to stop.
const STOP_SECONDS: u64 = 8;

pub struct Running {
    pub server: Server,
    pub address: SocketAddr,
    pub site: Shared,
}

/// Binds and starts; the listening socket is open when this returns.
pub fn start(auth: Auth, settings: HttpSettings) -> Result<Running> {
    auth.start_collecting(settings.usage_retention)?;
    let tls = settings.tls.as_ref().map(tls::config).transpose()?;
    let listener = TcpListener::bind(settings.listen).map_err(|error| {
        Error::new(
            Kind::Unavailable,
            format!("Cannot listen on {}: {error}. Choose another --listen address.", settings.listen),
        )
    })?;
    let address = listener.local_addr().map_err(Error::unavailable)?;
    let (workers, connections) = (settings.workers, settings.connections);
    let site = web::Data::new(Site { auth, settings, assets: Assets::new(), stopping: AtomicBool::new(false) });
    let shared = site.clone();
    let server = HttpServer::new(move || {
        let app = App::new().app_data(shared.clone()).configure(routes::configure);
        Edge::around(app, shared.clone())
    })
    .workers(workers)
    .max_connections((connections / workers).max(1))
    .client_request_timeout(HEAD_DEADLINE)
    .client_disconnect_timeout(Duration::from_secs(2))
    .keep_alive(IDLE)
    .shutdown_timeout(STOP_SECONDS)
    .disable_signals();
    let bound = match tls {
        Some(config) => server.listen_rustls_0_23(listener, config),
        None => server.listen(listener),
    };
    let server = bound.map_err(Error::unavailable)?.run();
    Ok(Running { server, address, site })
}

/// Not ready any more, then no new connections, then the end of what is in flight, then the store.
pub async fn stop(site: &Site, handle: &ServerHandle) {
    site.stopping.store(true, Ordering::Release);
    handle.stop(true).await;
    site.auth.close();
}
