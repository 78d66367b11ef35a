//! The socket under a connection, with or without TLS: how much the peer has not read yet, and how it is closed.

use std::cell::Cell;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_tls::accept::rustls_0_23::TlsStream;
use actix_web::rt::net::{ActixStream, Ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::http::peer_stream::PeerStream;
use crate::http::seats::Seat;

/// A stream over a connection.
pub trait Socket: AsyncRead + AsyncWrite + Unpin {
    fn seated(&self) -> &Seated;
}

/// A connection with its seat. The seat may outlive the connection, while the peer reads the rest.
pub struct Seated {
    stream: PeerStream,
    seat: Arc<Seat>,
}

impl Seated {
    pub fn new(stream: PeerStream, seat: Seat) -> Self {
        Seated { stream, seat: Arc::new(seat) }
    }

    pub fn stream(&self) -> &PeerStream {
        &self.stream
    }

    pub fn seat(&self) -> Arc<Seat> {
        Arc::clone(&self.seat)
    }
}

impl Socket for Seated {
    fn seated(&self) -> &Seated {
        self
    }
}

impl Socket for TlsStream<Seated> {
    fn seated(&self) -> &Seated {
        self.get_ref().0
    }
}

impl AsFd for Seated {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// A connection's socket, for use outside the connection. Its owner closes this handle before the socket.
#[derive(Debug, Default)]
pub struct Handle(Cell<Option<RawFd>>);

impl Handle {
    pub fn of(socket: BorrowedFd<'_>) -> Self {
        Handle(Cell::new(Some(socket.as_raw_fd())))
    }

    pub fn close(&self) {
        self.0.set(None);
    }

    /// `None` once it is closed.
    pub fn ask<T>(&self, ask: impl FnOnce(BorrowedFd<'_>) -> T) -> Option<T> {
        // SAFETY: it is open until its owner has called `close`, on this very thread.
        self.0.get().map(|socket| ask(unsafe { BorrowedFd::borrow_raw(socket) }))
    }
}

/// Bytes in the socket that the peer has not acknowledged (TCP) or read (Unix, where this is the memory that they use, so
/// slightly more); 0 on systems that do not report it.
pub fn queued(socket: BorrowedFd<'_>) -> u64 {
    #[cfg(target_os = "linux")]
    {
        use rustix::ioctl::{Getter, Opcode, ioctl};
        // SIOCOUTQ of tcp(7) and unix(7).
        const TIOCOUTQ: Opcode = 0x5411;
        // SAFETY: for this opcode the kernel writes a C int, and nothing else.
        let queued = unsafe { ioctl(socket, Getter::<TIOCOUTQ, i32>::new()) };
        queued.ok().and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0)
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = socket;
        0
    }
}

/// Whether the peer has reset it; then nobody will read what waits in it.
pub fn is_reset(socket: BorrowedFd<'_>) -> bool {
    matches!(rustix::net::sockopt::socket_error(socket), Ok(Err(_)) | Err(_))
}

/// Makes closing the socket discard what waits in it and reset the connection. A peer at a Unix socket can still read it:
/// there, the kernel has handed it over already.
pub fn reset_when_closed(socket: BorrowedFd<'_>) {
    // If that fails, the system closes it in its own time.
    let _ = rustix::net::sockopt::set_socket_linger(socket, Some(Duration::ZERO));
}

impl AsyncRead for Seated {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(context, into)
    }
}

impl AsyncWrite for Seated {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

/// Required by actix's TLS.
impl ActixStream for Seated {
    fn poll_read_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        ActixStream::poll_read_ready(&self.stream, context)
    }

    fn poll_write_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        ActixStream::poll_write_ready(&self.stream, context)
    }
}
