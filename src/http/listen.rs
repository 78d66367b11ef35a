//! An actix server over connections with deadlines ([`super::connection`]). It replaces `HttpServer`, which accepts no
//! other type of stream.

use std::future::{Future, ready};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use actix_http::error::DispatchError;
use actix_http::{HttpService, KeepAlive, Protocol, Request, Response};
use actix_service::{Service, ServiceFactory, ServiceFactoryExt, fn_service, map_config};
use actix_tls::accept::TlsError;
use actix_tls::accept::rustls_0_23::{Acceptor, TlsStream};
use actix_web::Error as ActixError;
use actix_web::body::BoxBody;
use actix_web::dev::{AppConfig, Server};
use actix_web::rt::net::{TcpStream, UnixStream};
use futures_util::FutureExt;
use rustls::ServerConfig;

use super::base_path::BasePath;
use super::connection::{ConnReaper, Connection, Deadlines, LINGER, Seated, Socket};
use super::listener::Listener;
use super::peer_stream::PeerStream;
use super::pulse::Pulses;
use super::request_id::RequestIds;
use super::seats::Seats;
use crate::error::{Error, Result};

/// A stream, its protocol and its peer.
type Arrived<T> = (Connection<T>, Protocol, Option<SocketAddr>);

/// The bounds of one server.
#[derive(Clone)]
pub struct ServerLimits {
    pub workers: usize,
    /// Maximum connections per worker.
    pub connections: usize,
    /// Counts the connections of each address.
    pub seats: Arc<Seats>,
    pub deadlines: Deadlines,
    /// How long requests in flight can take to finish after the signal to stop.
    pub stop_seconds: u64,
    /// Returns the start of a worker's request ids.
    pub ids: Arc<dyn Fn() -> [u8; 8] + Send + Sync>,
    /// The path of the public URL, if it has one.
    pub base: Option<BasePath>,
    pub pulses: Arc<Pulses>,
}

/// Starts serving; `service` is called once per worker and listener. TLS is for TCP: only root
/// can read along at a Unix socket.
pub fn serve<F, S>(
    listeners: Vec<Listener>,
    tls: Option<ServerConfig>,
    limits: ServerLimits,
    service: F,
) -> Result<Server>
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
        let (seats, ids, pulses) = (Arc::clone(&limits.seats), Arc::clone(&limits.ids), Arc::clone(&limits.pulses));
        let base = limits.base.clone();
        let reaper = move || ConnReaper::start(deadlines, RequestIds::new(ids()), base.clone(), pulses.join());
        let bound = match (listener, tls.clone()) {
            (Listener::Unix(listener), _) => builder.listen_uds("unix", listener, move || {
                let (reaper, seats) = (reaper(), Arc::clone(&seats));
                let connected = move |stream: UnixStream| ready(plain(&reaper, &seats, stream));
                fn_service(connected).and_then(http(service(), deadlines, stopping.clone()))
            }),
            (Listener::Tcp(listener), None) => builder.listen("http", listener, move || {
                let (reaper, seats) = (reaper(), Arc::clone(&seats));
                let connected = move |stream: TcpStream| ready(plain(&reaper, &seats, stream));
                fn_service(connected).and_then(http(service(), deadlines, stopping.clone()))
            }),
            (Listener::Tcp(listener), Some(config)) => builder.listen("https", listener, move || {
                let (reaper, seats) = (reaper(), Arc::clone(&seats));
                let seated = move |stream: TcpStream| ready(seat(&seats, stream).map_err(TlsError::Tls));
                let connected = move |stream: TlsStream<Seated>| arrived(&reaper, stream);
                let http = http(service(), deadlines, stopping.clone());
                let tls = Acceptor::new(config.clone()).map_err(TlsError::into_service_error);
                fn_service(seated).and_then(tls.map(connected)).and_then(http.map_err(TlsError::Service))
            }),
        };
        builder = bound.map_err(Error::unavailable)?;
    }
    started(builder.run())
}

/// Polls the server once, so that the workers, their threads and their file descriptors exist when the server is
/// reported to be up.
fn started(mut server: Server) -> Result<Server> {
    match (&mut server).now_or_never() {
        None => Ok(server),
        Some(Ok(())) => Err(Error::unavailable("the server stopped while it was starting")),
        Some(Err(error)) => Err(Error::unavailable(format!("the workers cannot be started: {error}"))),
    }
}

/// Closes the connection at once if its address has reached its maximum; a response would cost more than it is worth.
fn seat(seats: &Arc<Seats>, stream: impl Into<PeerStream>) -> io::Result<Seated> {
    let stream = stream.into();
    let seat = seats.take(stream.peer());
    let seat = seat.ok_or_else(|| io::Error::new(io::ErrorKind::QuotaExceeded, "too many connections"))?;
    Ok(Seated::new(stream, seat))
}

fn plain(
    reaper: &Rc<ConnReaper>,
    seats: &Arc<Seats>,
    stream: impl Into<PeerStream>,
) -> Result<Arrived<Seated>, DispatchError> {
    seat(seats, stream).map(|seated| arrived(reaper, seated)).map_err(DispatchError::Io)
}

fn arrived<T: Socket>(reaper: &Rc<ConnReaper>, stream: T) -> Arrived<T> {
    let peer = stream.seated().stream().peer_addr();
    (Connection::over(stream, reaper), Protocol::Http1, peer)
}

/// HTTP/1.1 over streams with deadlines.
fn http<T, S, F, Fut>(
    service: S,
    deadlines: Deadlines,
    stopping: F,
) -> impl ServiceFactory<Arrived<T>, Config = (), Response = (), Error = DispatchError, InitError = ()>
where
    T: Socket + 'static,
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
        // The reaper ends idle connections, without a timer per request.
        .keep_alive(KeepAlive::Os)
        // This applies to a connection's first head only; the response is 408.
        .client_request_timeout(deadlines.head)
        .client_disconnect_timeout(LINGER)
        .on_connect_ext(|connection: &Connection<T>, data| {
            data.insert(connection.state());
        })
        .finish(map_config(service, |()| AppConfig::default()))
}
