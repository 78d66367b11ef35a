//! The body of one request, followed to its end: an answer that comes before it is the connection's last,
//! for what follows on the wire would be the rest of a body that nobody reads.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_http::error::PayloadError;
use actix_http::{ConnectionType, Payload, Request, Response};
use actix_web::web::Bytes;
use futures_util::Stream;

use super::life::Life;

/// A request's body that has not been read to its end yet, as far as is known.
pub struct Incoming(Rc<Life>);

impl Incoming {
    /// `None` for a request without a body, as nearly all are: at the cost of a comparison.
    pub fn of(request: &mut Request) -> Option<Self> {
        if matches!(request.payload(), Payload::None) {
            return None;
        }
        let life = Rc::clone(request.conn_data::<Rc<Life>>()?);
        life.expects_body();
        let body = Followed { body: request.take_payload(), life: Rc::clone(&life), end: 0 };
        *request.payload() = Payload::Stream { payload: Box::pin(body) };
        Some(Incoming(life))
    }

    /// To be called with the answer.
    pub fn end<B>(self, response: &mut Response<B>) {
        if self.0.has_unread_body() {
            response.head_mut().set_connection_type(ConnectionType::Close);
            self.0.leave();
        }
    }
}

struct Followed {
    body: Payload,
    life: Rc<Life>,
    /// Where in memory the last piece ended.
    end: usize,
}

impl Stream for Followed {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = Pin::new(&mut self.body).poll_next(context);
        match &next {
            Poll::Ready(Some(Ok(piece))) => self.end = piece.as_ptr_range().end as usize,
            Poll::Ready(None) => self.life.has_body(self.end),
            Poll::Ready(Some(Err(_))) | Poll::Pending => {}
        }
        next
    }
}
