//! Connections of the gRPC listener: a bounded number, each of which must send the HTTP/2 preface soon. A failure to
//! accept one does not stop the listener.

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::{Stream, stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Sleep;
use tonic::transport::server::Connected;

use crate::http::HttpSettings;
use crate::http::listener::Listener;
use crate::http::peer_stream::PeerStream;
use crate::http::seats::{Seat, Seats};

/// Maximum open connections; a gateway needs a few. More wait to be accepted.
const MAX_CONNECTIONS: usize = 1024;
/// Length of the preface that every HTTP/2 client sends first (RFC 9113 §3.4). Until it has arrived, HTTP/2 does not
/// check that the client is alive.
const PREFACE: usize = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".len();
/// Wait after a failure to accept, for example because there are no file descriptors left.
const PAUSE: Duration = Duration::from_millis(200);

/// A listener of the runtime.
pub enum AsyncListener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl AsyncListener {
    /// Must be called inside the runtime.
    pub fn new(listener: Listener) -> io::Result<Self> {
        match listener {
            Listener::Tcp(listener) => {
                listener.set_nonblocking(true)?;
                TcpListener::from_std(listener).map(AsyncListener::Tcp)
            }
            Listener::Unix(listener) => {
                listener.set_nonblocking(true)?;
                UnixListener::from_std(listener).map(AsyncListener::Unix)
            }
        }
    }

    async fn accept(&self) -> io::Result<PeerStream> {
        match self {
            AsyncListener::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                // Without it a verdict may wait for an acknowledgement; if it fails, verdicts are only slower.
                let _ = stream.set_nodelay(true);
                Ok(stream.into())
            }
            AsyncListener::Unix(listener) => listener.accept().await.map(|(stream, _)| stream.into()),
        }
    }
}

/// The connections to all listeners.
pub fn connections(
    listeners: Vec<AsyncListener>,
    settings: &HttpSettings,
) -> impl Stream<Item = io::Result<GrpcConnection>> + use<> {
    let all = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let seats = Seats::new("--grpc-listen", settings, MAX_CONNECTIONS);
    let greeting = settings.deadlines.head;
    let to = move |listener| Box::pin(connections_to(listener, greeting, Arc::clone(&all), Arc::clone(&seats)));
    stream::select_all(listeners.into_iter().map(to))
}

fn connections_to(
    listener: AsyncListener,
    greeting: Duration,
    all: Arc<Semaphore>,
    seats: Arc<Seats>,
) -> impl Stream<Item = io::Result<GrpcConnection>> {
    stream::unfold((listener, all, seats), move |(listener, all, seats)| async move {
        let one_of_all = Arc::clone(&all).acquire_owned().await.ok()?;
        let (stream, seat) = accept(&listener, &seats).await;
        let greeting = Some(Greeting { left: PREFACE, deadline: Box::pin(tokio::time::sleep(greeting)) });
        Some((Ok(GrpcConnection { stream, greeting, _one_of_all: one_of_all, _seat: seat }), (listener, all, seats)))
    })
}

/// The next connection from an address that has not reached its maximum; others are closed.
async fn accept(listener: &AsyncListener, seats: &Arc<Seats>) -> (PeerStream, Seat) {
    let mut is_logged = false;
    loop {
        match listener.accept().await {
            Ok(stream) => {
                let Some(seat) = seats.take(stream.peer()) else { continue };
                return (stream, seat);
            }
            Err(error) => {
                if !is_logged {
                    tracing::error!(%error, "the gRPC listener cannot accept a connection");
                }
                is_logged = true;
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

pub struct GrpcConnection {
    stream: PeerStream,
    /// `None` once the whole preface has arrived.
    greeting: Option<Greeting>,
    _one_of_all: OwnedSemaphorePermit,
    _seat: Seat,
}

struct Greeting {
    /// Bytes of [`PREFACE`] that have not arrived yet; HTTP/2 checks whether they are right.
    left: usize,
    deadline: Pin<Box<Sleep>>,
}

impl Greeting {
    /// `None` once the whole preface has arrived.
    fn after(self, came: usize) -> Option<Self> {
        let left = self.left.saturating_sub(came);
        (left > 0).then_some(Greeting { left, ..self })
    }
}

impl Connected for GrpcConnection {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

impl AsyncRead for GrpcConnection {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        match pin!(&mut self.stream).poll_read(context, into) {
            Poll::Ready(read) => {
                let came = into.filled().len() - before;
                self.greeting = self.greeting.take().and_then(|greeting| greeting.after(came));
                Poll::Ready(read)
            }
            Poll::Pending => {
                let Some(greeting) = &mut self.greeting else { return Poll::Pending };
                ready!(greeting.deadline.as_mut().poll(context));
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }
}

impl AsyncWrite for GrpcConnection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        pin!(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        pin!(&mut self.stream).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        pin!(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        pin!(&mut self.stream).poll_shutdown(context)
    }
}
