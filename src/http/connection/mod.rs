//! A connection with a deadline for each thing that a peer can let us wait for: the next request, the
//! rest of a head, the reading of an answer. actix-http has none for a head but the first, none for an
//! unread answer, and a timer a request for the idle. Here a request only sets a cell, and one task of
//! each worker looks at all its connections once in a while.

mod life;
mod watch;

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

pub(super) use life::Life;
pub(super) use watch::Watch;

/// How long a peer may keep a connection waiting. Each is exceeded by one look, a second or less.
#[derive(Debug, Clone, Copy)]
pub struct Deadlines {
    /// From an answer to the first byte of the next request.
    pub idle: Duration,
    /// From a request's first byte to its head's last.
    pub head: Duration,
    /// From one piece of an answer that the peer takes to the next.
    pub unread: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Deadlines { idle: Duration::from_secs(75), head: Duration::from_secs(10), unread: Duration::from_secs(30) }
    }
}

/// A stream that ends when its peer has kept it waiting for too long.
pub(super) struct Connection<T> {
    stream: T,
    life: Rc<Life>,
}

impl<T> Connection<T> {
    fn new(stream: T, life: Rc<Life>) -> Self {
        Connection { stream, life }
    }

    pub fn life(&self) -> Rc<Life> {
        Rc::clone(&self.life)
    }

    fn wrote(&self, context: &Context<'_>, outcome: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &outcome {
            Poll::Ready(Ok(_)) => self.life.has_written(),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => {
                self.life.cannot_write();
                self.life.waits(context);
            }
        }
        outcome
    }
}

fn over() -> Poll<io::Result<usize>> {
    Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer does not read its answer")))
}

impl<T: AsyncRead + Unpin> AsyncRead for Connection<T> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.life.has_ended() {
            // As if the peer had closed it.
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut this.stream).poll_read(context, buffer);
        if outcome.is_pending() {
            this.life.waits(context);
        } else if buffer.filled().len() > before {
            this.life.has_read();
        }
        outcome
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Connection<T> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.life.has_ended() {
            return over();
        }
        let outcome = Pin::new(&mut this.stream).poll_write(context, bytes);
        this.wrote(context, outcome)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.life.has_ended() {
            return over();
        }
        let outcome = Pin::new(&mut this.stream).poll_write_vectored(context, slices);
        this.wrote(context, outcome)
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
