//! The headers of every response.

use actix_http::Response;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::request_id::RequestId;

pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
const SAME_ORIGIN: HeaderValue = HeaderValue::from_static("same-origin");
const CSP: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; \
     base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
);
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// The start of every gateway response. It has fewer headers, because no browser renders it and there can be 100,000
/// per second.
pub fn lean(id: &RequestId) -> Response<()> {
    let mut response = Response::with_body(StatusCode::OK, ());
    let headers = response.headers_mut();
    headers.append(REQUEST_ID, id.header());
    headers.append(header::CACHE_CONTROL, NO_STORE);
    headers.append(header::X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    response
}

/// Adds headers to every other response. A `Cache-Control` that is already set stays (assets); otherwise the response
/// must not be stored.
pub fn stamp(headers: &mut HeaderMap, id: &RequestId, hsts: Option<&HeaderValue>) {
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, NO_STORE);
    }
    headers.insert(REQUEST_ID, id.header());
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, NOSNIFF),
        (header::REFERRER_POLICY, SAME_ORIGIN),
        (header::CONTENT_SECURITY_POLICY, CSP),
        (OPENER_POLICY, SAME_ORIGIN),
        (RESOURCE_POLICY, SAME_ORIGIN),
    ] {
        headers.insert(name, value);
    }
    if let Some(hsts) = hsts {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, hsts.clone());
    }
}
