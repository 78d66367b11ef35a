//! A stream over an accepted connection, TCP or Unix.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::rt::net::{ActixStream, Ready, TcpStream, UnixStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::model::ClientAddress;

#[derive(Debug)]
pub enum PeerStream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl PeerStream {
    /// `None` for a Unix socket, and if the connection is already gone.
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        match self {
            PeerStream::Tcp(stream) => stream.peer_addr().ok(),
            PeerStream::Unix(_) => None,
        }
    }

    pub fn is_unix(&self) -> bool {
        matches!(self, PeerStream::Unix(_))
    }

    pub fn peer(&self) -> ClientAddress {
        match self {
            PeerStream::Tcp(_) => self.peer_addr().into(),
            PeerStream::Unix(_) => ClientAddress::Unix,
        }
    }
}

impl From<TcpStream> for PeerStream {
    fn from(stream: TcpStream) -> Self {
        PeerStream::Tcp(stream)
    }
}

impl From<UnixStream> for PeerStream {
    fn from(stream: UnixStream) -> Self {
        PeerStream::Unix(stream)
    }
}

impl AsFd for PeerStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            PeerStream::Tcp(stream) => stream.as_fd(),
            PeerStream::Unix(stream) => stream.as_fd(),
        }
    }
}

impl AsyncRead for PeerStream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            PeerStream::Tcp(stream) => Pin::new(stream).poll_read(context, into),
            PeerStream::Unix(stream) => Pin::new(stream).poll_read(context, into),
        }
    }
}

impl AsyncWrite for PeerStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            PeerStream::Tcp(stream) => Pin::new(stream).poll_write(context, bytes),
            PeerStream::Unix(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            PeerStream::Tcp(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            PeerStream::Unix(stream) => Pin::new(stream).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            PeerStream::Tcp(stream) => stream.is_write_vectored(),
            PeerStream::Unix(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            PeerStream::Tcp(stream) => Pin::new(stream).poll_flush(context),
            PeerStream::Unix(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            PeerStream::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
            PeerStream::Unix(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

/// Required by actix's TLS.
impl ActixStream for PeerStream {
    fn poll_read_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        match self {
            PeerStream::Tcp(stream) => ActixStream::poll_read_ready(stream, context),
            PeerStream::Unix(stream) => ActixStream::poll_read_ready(stream, context),
        }
    }

    fn poll_write_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        match self {
            PeerStream::Tcp(stream) => ActixStream::poll_write_ready(stream, context),
            PeerStream::Unix(stream) => ActixStream::poll_write_ready(stream, context),
        }
    }
}
