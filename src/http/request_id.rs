//! The id of each request, used in its response, log line and audit event. It never comes from the client. It consists
//! of the worker's random start and a counter, so that it costs no system call.

use std::cell::Cell;

use actix_web::http::header::HeaderValue;

pub struct RequestIds {
    /// The worker's random start, in hex digits.
    worker: [u8; 16],
    next: Cell<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestId([u8; 32]);

impl RequestIds {
    pub fn new(worker: [u8; 8]) -> Self {
        let mut text = [0; 16];
        hex::encode_to_slice(worker, &mut text).expect("eight bytes are sixteen hex digits");
        RequestIds { worker: text, next: Cell::new(0) }
    }

    /// True for one request in sixteen, for work that is too expensive for each.
    pub fn is_sample(&self) -> bool {
        self.next.get().is_multiple_of(16)
    }

    pub fn next(&self) -> RequestId {
        let number = self.next.get();
        self.next.set(number.wrapping_add(1));
        let mut text = [0; 32];
        text[..16].copy_from_slice(&self.worker);
        hex::encode_to_slice(number.to_be_bytes(), &mut text[16..]).expect("eight bytes are sixteen hex digits");
        RequestId(text)
    }
}

impl RequestId {
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("hex digits are ASCII")
    }

    pub fn header(&self) -> HeaderValue {
        HeaderValue::from_bytes(&self.0).expect("hex digits are a valid header value")
    }
}
