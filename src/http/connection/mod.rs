//! A connection with a deadline for every phase in which it waits for the peer: the next request, the rest of a head,
//! its reading of a response, its close after the last one. actix-http has a deadline for the first head only, none for
//! an unread response, and a timer per request for idle connections. Here each request records its phase, and one task
//! per worker checks all connections for deadlines that have passed.

pub mod body;
mod deadlines;
mod reader;
mod reaper;
mod refused;
mod socket;
pub mod state;

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

pub use deadlines::Deadlines;
pub(super) use deadlines::LINGER;
pub(super) use reaper::ConnReaper;
use refused::RefusedRequest;
pub(super) use socket::{Seated, Socket};
pub(super) use state::ConnState;

/// A stream that ends when its peer has kept it waiting for too long.
pub(super) struct Connection<T: Socket> {
    stream: T,
    state: Rc<ConnState>,
    reaper: Rc<ConnReaper>,
    refused: RefusedRequest,
}

impl<T: Socket> Connection<T> {
    /// `reaper` must be the one of the worker's thread.
    pub fn over(stream: T, reaper: &Rc<ConnReaper>) -> Self {
        let state = ConnState::of(stream.seated());
        reaper.add(&state);
        Connection { stream, state, reaper: Rc::clone(reaper), refused: RefusedRequest::default() }
    }

    pub fn state(&self) -> Rc<ConnState> {
        Rc::clone(&self.state)
    }

    fn wrote(&self, context: &Context<'_>, outcome: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &outcome {
            Poll::Ready(Ok(bytes)) => self.state.has_written(*bytes),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => {
                self.state.cannot_write();
                self.state.waits(context);
            }
        }
        outcome
    }
}

impl<T: Socket> Drop for Connection<T> {
    fn drop(&mut self) {
        if self.state.close() {
            self.reaper.leave(&self.stream);
        }
    }
}

fn over() -> Poll<io::Result<usize>> {
    Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer does not read its response")))
}

impl<T: Socket> AsyncRead for Connection<T> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.state.has_ended() {
            // To the library, it looks as if the peer had closed it.
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut this.stream).poll_read(context, buffer);
        if outcome.is_pending() {
            this.state.waits(context);
        } else if buffer.filled().len() > before {
            let bytes = &buffer.filled()[before..];
            if this.state.is_idle() {
                this.refused.begin(bytes, this.reaper.base.as_ref());
            }
            this.state.has_read(bytes);
        }
        outcome
    }
}

impl<T: Socket> AsyncWrite for Connection<T> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.state.has_ended() {
            return over();
        }
        let outcome = loop {
            let Some(instead) = this.refused.instead_of(bytes, &this.reaper.ids) else {
                break Pin::new(&mut this.stream).poll_write(context, bytes);
            };
            match Pin::new(&mut this.stream).poll_write(context, instead) {
                // The library must see its own response as written.
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
        if this.state.has_ended() {
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
