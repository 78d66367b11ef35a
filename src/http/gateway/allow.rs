//! The answer that lets a request pass: 200, no body, every identity header.

use actix_http::Response;
use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::HeaderValue;
use actix_web::web::BytesMut;

use super::{IDENTITY, security_headers};
use crate::auth::Allowance;
use crate::http::problem::rate_limit_headers;
use crate::http::request_id::RequestId;
use crate::index::KeyView;

/// The identity header values of one allowed key, in the order of [`IDENTITY`].
pub struct Allowed([HeaderValue; 5]);

impl Allowed {
    /// Five values in one allocation.
    pub fn of(key: &KeyView<'_>) -> Self {
        let mut text = BytesMut::with_capacity(256);
        let mut ends = [0; 4];
        text.extend_from_slice(&key.id.encoded());
        ends[0] = text.len();
        text.extend_from_slice(key.owner.email.as_str().as_bytes());
        ends[1] = text.len();
        text.extend_from_slice(&key.owner.id.encoded());
        ends[2] = text.len();
        for (number, scope) in key.grant.scopes.iter().enumerate() {
            if number > 0 {
                text.extend_from_slice(b" ");
            }
            text.extend_from_slice(scope.as_str().as_bytes());
        }
        ends[3] = text.len();
        let text = text.freeze();
        // Ids, e-mails and scopes are ASCII without control characters by their types.
        let value = |from: usize, to: usize| {
            HeaderValue::from_maybe_shared(text.slice(from..to)).unwrap_or(HeaderValue::from_static(""))
        };
        Allowed([
            value(0, ends[0]),
            value(ends[0], ends[1]),
            value(ends[1], ends[2]),
            value(ends[2], ends[3]),
            HeaderValue::from_static(""),
        ])
    }

    /// A request that a policy lets pass without a key: every header is there, and empty.
    pub fn nobody() -> Self {
        Allowed([const { HeaderValue::from_static("") }; 5])
    }

    /// Each identity header with its value.
    #[cfg(feature = "grpc")]
    pub fn headers(&self) -> impl Iterator<Item = (actix_web::http::header::HeaderName, &HeaderValue)> {
        IDENTITY.into_iter().zip(&self.0)
    }

    /// The four facts, in the order of [`IDENTITY`].
    pub fn facts(&self) -> [&HeaderValue; 4] {
        [&self.0[0], &self.0[1], &self.0[2], &self.0[3]]
    }

    pub fn with_identity(self, signed: HeaderValue) -> Self {
        let [key_id, owner, owner_id, scopes, _] = self.0;
        Allowed([key_id, owner, owner_id, scopes, signed])
    }

    pub fn respond(self, id: &RequestId, allowance: Option<&Allowance>) -> Response<BoxBody> {
        let mut response = Response::with_body(StatusCode::OK, BoxBody::new(()));
        let headers = response.headers_mut();
        for (name, value) in IDENTITY.into_iter().zip(self.0) {
            headers.insert(name, value);
        }
        for (name, value) in allowance.map(rate_limit_headers).into_iter().flatten() {
            headers.insert(name, value);
        }
        security_headers::stamp_lean(headers, id);
        response
    }
}
