//! An actix server over connections with deadlines ([`super::connection`]). `HttpServer` cannot be given
//! streams of another type; this is what it does, with ours.

use std::future::{Future, ready};
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_http::{HttpService, KeepAlive, Protocol, Request, Response};
use actix_service::{Service, ServiceFactory, ServiceFactoryExt, fn_service, map_config};
use actix_tls::accept::TlsError;
use actix_tls::accept::rustls_0_23::{Acceptor, TlsStream};
use actix_web::Error as ActixError;
use actix_web::body::BoxBody;
use actix_web::dev::{AppConfig, Server};
use actix_web::rt::net::TcpStream;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};

use super::connection::{Connection, Deadlines, Watch};
use crate::error::{Error, Result};

/// How long a peer has to take the end of an answer whose request we did not read to its end.
const LINGER: Duration = Duration::from_secs(2);

/// A stream, what it speaks, and from where it comes.
type Arrived<T> = (Connection<T>, Protocol, Option<SocketAddr>);

/// How many of what, and for how long.
#[derive(Clone, Copy)]
pub struct Limits {
    pub workers: usize,
    /// Of each worker.
    pub connections: usize,
    pub deadlines: Deadlines,
    /// How long requests in flight may take to finish after the order to stop.
    pub stop_seconds: u64,
}

/// Serves what `service` makes, once for each worker and listener, from now on.
pub fn serve<F, S>(listeners: Vec<TcpListener>, tls: Option<ServerConfig>, limits: Limits, service: F) -> Result<Server>
where
    F: Fn() -> S + Send + Clone + 'static,
    S: ServiceFactory<Request, Config = AppConfig, Response = Response<BoxBody>, Error = ActixError, InitError = ()>
        + 'static,
    S::Service: 'static,
    S::Future: 'static,
    <S::Service as Service<Request>>::Future: 'static,
{
    let mut builder = Server::build()
        .workers(limits.workers)
        .max_concurrent_connections(limits.connections)
        .shutdown_timeout(limits.stop_seconds)
        .disable_signals();
    let signal = builder.graceful_shutdown_signal();
    let stopping = move || {
        let signal = signal.clone();
        async move { signal.notified().await }
    };
    let deadlines = limits.deadlines;
    for listener in listeners {
        let (service, stopping) = (service.clone(), stopping.clone());
        let bound = match tls.clone() {
            None => builder.listen("http", listener, move || {
                let watch = Watch::start(deadlines);
                let watched = move |stream: TcpStream| {
                    let peer = stream.peer_addr().ok();
                    ready(Ok::<_, DispatchError>((watch.over(stream), Protocol::Http1, peer)))
                };
                fn_service(watched).and_then(http(service(), deadlines, stopping.clone()))
            }),
            Some(config) => builder.listen("https", listener, move || {
                let watch = Watch::start(deadlines);
                let watched = move |stream: TlsStream<TcpStream>| {
                    let peer = stream.get_ref().0.peer_addr().ok();
                    (watch.over(stream), Protocol::Http1, peer)
                };
                let http = http(service(), deadlines, stopping.clone());
                let tls = Acceptor::new(config.clone()).map_err(TlsError::into_service_error);
                tls.map(watched).and_then(http.map_err(TlsError::Service))
            }),
        };
        builder = bound.map_err(Error::unavailable)?;
    }
    Ok(builder.run())
}

/// HTTP/1.1 over watched streams.
fn http<T, S, F, Fut>(
    service: S,
    deadlines: Deadlines,
    stopping: F,
) -> impl ServiceFactory<Arrived<T>, Config = (), Response = (), Error = DispatchError, InitError = ()>
where
    T: AsyncRead + AsyncWrite + Unpin + 'static,
    S: ServiceFactory<Request, Config = AppConfig, Response = Response<BoxBody>, Error = ActixError, InitError = ()>
        + 'static,
    S::Service: 'static,
    S::Future: 'static,
    <S::Service as Service<Request>>::Future: 'static,
    F: Fn() -> Fut + 'static,
    Fut: Future<Output = ()> + 'static,
{
    let service = service.map_err(|error| error.error_response());
    HttpService::build()
        .graceful_shutdown_signal(stopping)
        // The idle are watched; without a timer for each request.
        .keep_alive(KeepAlive::Os)
        // Of a connection's first head, which this answers with 408.
        .client_request_timeout(deadlines.head)
        .client_disconnect_timeout(LINGER)
        .on_connect_ext(|connection: &Connection<T>, data| {
            data.insert(connection.life());
        })
        .finish(map_config(service, |()| AppConfig::default()))
}
