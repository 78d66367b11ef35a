//! A connection with a deadline for each thing that a peer can let us wait for: the next request, the
//! rest of a head, the reading of an answer, its leaving after the last one. actix-http has none for a
//! head but the first, none for an unread answer, and a timer a request for the idle. Here a request only
//! sets a cell, and one task of each worker looks at all its connections once in a while.

mod body;
mod life;
mod reader;
mod refused;
mod socket;
mod watch;

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

pub(super) use body::Incoming;
pub(super) use life::Life;
use refused::Refused;
pub(super) use socket::{Seated, Socket};
pub(super) use watch::Watch;

/// How long a peer has to take the end of an answer whose request we did not read to its end.
pub(super) const LINGER: Duration = Duration::from_secs(2);

/// How long a peer may keep a connection waiting. Each is exceeded by one look, a second or less.
#[derive(Debug, Clone, Copy)]
pub struct Deadlines {
    /// From an answer to the first byte of the next request.
    pub idle: Duration,
    /// From a request's first byte to its head's last.
    pub head: Duration,
    /// From one piece of an answer that the peer takes to the next; and as long as this lasts, it must take
    /// 240 bytes a second.
    pub unread: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Deadlines { idle: Duration::from_secs(75), head: Duration::from_secs(10), unread: Duration::from_secs(30) }
    }
}

/// A stream that ends when its peer has kept it waiting for too long.
pub(super) struct Connection<T: Socket> {
    stream: T,
    life: Rc<Life>,
    watch: Rc<Watch>,
    refused: Refused,
}

impl<T: Socket> Connection<T> {
    fn new(stream: T, life: Rc<Life>, watch: Rc<Watch>) -> Self {
        Connection { stream, life, watch, refused: Refused::default() }
    }

    pub fn life(&self) -> Rc<Life> {
        Rc::clone(&self.life)
    }

    fn wrote(&self, context: &Context<'_>, outcome: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &outcome {
            Poll::Ready(Ok(bytes)) => self.life.has_written(*bytes),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => {
                self.life.cannot_write();
                self.life.waits(context);
            }
        }
        outcome
    }
}

impl<T: Socket> Drop for Connection<T> {
    fn drop(&mut self) {
        if self.life.close() {
            self.watch.leave(&self.stream);
        }
    }
}

fn over() -> Poll<io::Result<usize>> {
    Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer does not read its answer")))
}

impl<T: Socket> AsyncRead for Connection<T> {
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
            let bytes = &buffer.filled()[before..];
            if this.life.is_idle() {
                this.refused.begin(bytes);
            }
            this.life.has_read(bytes);
        }
        outcome
    }
}

impl<T: Socket> AsyncWrite for Connection<T> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.life.has_ended() {
            return over();
        }
        let outcome = loop {
            let Some(instead) = this.refused.instead_of(bytes, &this.watch.ids) else {
                break Pin::new(&mut this.stream).poll_write(context, bytes);
            };
            match Pin::new(&mut this.stream).poll_write(context, instead) {
                // To the library it is as if its own answer was written.
                Poll::Ready(Ok(written @ 1..)) => {
                    if this.refused.has_written(written) {
                        break Poll::Ready(Ok(bytes.len()));
                    }
                }
                outcome => break outcome,
            }
        };
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
