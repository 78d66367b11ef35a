//! The body of one request. A response that is sent before the body has been read to its end is the connection's last,
//! because the next bytes on the wire would be the rest of a body that nobody reads.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_http::error::PayloadError;
use actix_http::{ConnectionType, Payload, Request, Response};
use actix_web::web::Bytes;
use futures_util::Stream;

use super::state::ConnState;

/// A request's body that may not have been read to its end yet.
pub struct Incoming(Rc<ConnState>);

impl Incoming {
    /// `None` for a request without a body. Nearly all requests have none, and they cost one comparison.
    pub fn of(request: &mut Request) -> Option<Self> {
        if matches!(request.payload(), Payload::None) {
            return None;
        }
        let state = Rc::clone(request.conn_data::<Rc<ConnState>>()?);
        state.expects_body();
        let body = Followed { body: request.take_payload(), state: Rc::clone(&state), end: 0 };
        *request.payload() = Payload::Stream { payload: Box::pin(body) };
        Some(Incoming(state))
    }

    /// Makes this response the connection's last if the body has not been read to its end. Must be called with the
    /// response to this request.
    pub fn end<B>(self, response: &mut Response<B>) {
        if self.0.has_unread_body() {
            response.head_mut().set_connection_type(ConnectionType::Close);
            self.0.leave();
        }
    }
}

struct Followed {
    body: Payload,
    state: Rc<ConnState>,
    /// The memory address at which the last piece ended.
    end: usize,
}

impl Stream for Followed {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = Pin::new(&mut self.body).poll_next(context);
        match &next {
            Poll::Ready(Some(Ok(piece))) => self.end = piece.as_ptr_range().end as usize,
            Poll::Ready(None) => self.state.has_body(self.end),
            Poll::Ready(Some(Err(_))) | Poll::Pending => {}
        }
        next
    }
}
