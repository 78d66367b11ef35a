//! Envoy's external authorization over gRPC (`--grpc-listen`), with its own listener and thread: the only place that
//! speaks HTTP/2.

mod answer;
mod check_input;
mod checker;
mod connection;
pub mod message;
mod readiness;
mod service;

use std::io;
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::{oneshot, watch};
use tonic::transport::Server;

use crate::error::{Error, Result};
use crate::http::SiteRef;
use crate::http::listener::{BoundAddress, Listener};
use connection::{AsyncListener, connections};
use service::Services;

/// The deadline of a whole call, including the arrival of its message.
const CALL: Duration = Duration::from_secs(5);
/// How long calls in flight can take to finish after the signal to stop.
const DRAIN: Duration = Duration::from_secs(2);
/// Maximum streams per connection; Envoy opens another connection if it needs more.
const MAX_STREAMS: u32 = 256;
const MAX_HEADER_BYTES: u32 = 16 * 1024;

/// The running listener, which stops when this is dropped.
pub struct GrpcListener {
    addresses: Vec<BoundAddress>,
    stop: watch::Sender<()>,
    ended: oneshot::Receiver<()>,
}

impl GrpcListener {
    /// Starts serving on listeners that are already bound.
    pub fn start(listeners: Vec<Listener>, site: SiteRef) -> Result<Self> {
        let addresses = BoundAddress::of_all(&listeners)?;
        let runtime = Builder::new_current_thread().enable_all().build().map_err(Error::unavailable)?;
        let (stop, stopping) = watch::channel(());
        let (sender, ended) = oneshot::channel();
        let run = move || {
            run(&runtime, listeners, site, stopping);
            // Ends the calls that did not finish in time.
            runtime.shutdown_background();
            let _ = sender.send(()); // the receiver may be gone
        };
        thread::Builder::new().name("grpc".into()).spawn(run).map_err(Error::unavailable)?;
        Ok(GrpcListener { addresses, stop, ended })
    }

    pub fn addresses(&self) -> &[BoundAddress] {
        &self.addresses
    }

    /// Accepts no more connections and calls, and returns when those in flight are answered.
    pub async fn stop(self) {
        drop(self.stop);
        let _ = self.ended.await; // an error also means that it has ended
    }
}

fn run(runtime: &Runtime, listeners: Vec<Listener>, site: SiteRef, stopping: watch::Receiver<()>) {
    let (order, drained) = (stopping.clone(), stopping.clone());
    let ended = runtime.block_on(async move {
        let listeners = listeners.into_iter().map(AsyncListener::new).collect::<io::Result<_>>();
        let incoming = connections(listeners.map_err(|error| error.to_string())?, &site.settings);
        let serving = server().serve_with_incoming_shutdown(Services::new(site), incoming, stop(stopping));
        tokio::select! {
            served = serving => served.map_err(|error| error.to_string()),
            () = async { stop(drained).await; tokio::time::sleep(DRAIN).await } => Ok(()),
        }
    });
    match ended {
        Ok(()) if order.has_changed().is_err() => {}
        Ok(()) => tracing::error!("the gRPC listener stopped unexpectedly"),
        Err(cause) => tracing::error!(cause, "the gRPC listener failed"),
    }
}

/// Returns when the sender is dropped, which is the order to stop.
async fn stop(mut order: watch::Receiver<()>) {
    while order.changed().await.is_ok() {}
}

/// HTTP/2 with limits on the memory and work that a peer can cause: resets, header lists, idle connections.
fn server() -> Server {
    Server::builder()
        .timeout(CALL)
        .concurrency_limit_per_connection(MAX_STREAMS as usize)
        .max_concurrent_streams(MAX_STREAMS)
        .initial_stream_window_size(256 * 1024)
        .initial_connection_window_size(1024 * 1024)
        .http2_max_header_list_size(MAX_HEADER_BYTES)
        .http2_max_pending_accept_reset_streams(Some(20))
        .http2_max_local_error_reset_streams(Some(256))
        .http2_keepalive_interval(Some(Duration::from_secs(30)))
        .http2_keepalive_timeout(Some(Duration::from_secs(10)))
}
