//! The answer that lets a request pass: 200, no body, every identity header.

use actix_http::Response;
use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::HeaderValue;

use super::{IDENTITY, security_headers};
use crate::auth::Allowance;
use crate::http::problem::rate_limit_headers;
use crate::http::request_id::RequestId;
use crate::index::KeyView;

/// The identity header values of one allowed key, in the order of [`IDENTITY`].
pub struct Allowed([HeaderValue; 5]);

impl Allowed {
    pub fn of(key: &KeyView<'_>) -> Self {
        // Ids, e-mails and scopes are ASCII without control characters by their types.
        let value = |text: &str| HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""));
        Allowed([
            value(&key.id.to_string()),
            value(key.owner.email.as_str()),
            value(&key.owner.id.to_string()),
            value(&key.grant.scopes.joined()),
            HeaderValue::from_static(""),
        ])
    }

    /// A request that a policy lets pass without a key: every header is there, and empty.
    pub fn nobody() -> Self {
        Allowed([const { HeaderValue::from_static("") }; 5])
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
