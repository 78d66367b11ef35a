//! CORS preflights (Fetch standard, "CORS-preflight request"): a browser asks, without a key, what a page may send.
//! They pass anonymously if a policy allows it. The method that the API receives decides, so it is read only from where
//! the gateway sets it and a client cannot.

use actix_http::{HttpMessage, Request};
use actix_web::http::header::{self, HeaderMap, HeaderName};

use super::question::GatewayKind;

/// Set by Caddy, Traefik and APISIX, which replace the client's value.
const X_FORWARDED_METHOD: HeaderName = HeaderName::from_static("x-forwarded-method");
/// Set by the documented nginx files.
const X_ORIGINAL_METHOD: HeaderName = HeaderName::from_static("x-original-method");
/// An API may treat the method in these headers as the real one; no browser sends them with a preflight.
pub const OVERRIDES: [HeaderName; 3] = [
    HeaderName::from_static("x-http-method-override"),
    HeaderName::from_static("x-http-method"),
    HeaderName::from_static("x-method-override"),
];

/// The method of the request that the gateway asks about; `None` unless it is set exactly once.
pub fn method<'a>(kind: GatewayKind<'_>, request: &'a Request) -> Option<&'a [u8]> {
    match kind {
        GatewayKind::Envoy { .. } => Some(request.method().as_str().as_bytes()),
        GatewayKind::Nginx => only(request.headers(), &X_ORIGINAL_METHOD),
        GatewayKind::Plain => only(request.headers(), &X_FORWARDED_METHOD),
        GatewayKind::Misspelt => None,
    }
}

pub fn is_preflight(method: Option<&[u8]>, headers: &HeaderMap) -> bool {
    method == Some(b"OPTIONS")
        && only(headers, &header::ORIGIN).is_some()
        && only(headers, &header::ACCESS_CONTROL_REQUEST_METHOD).is_some()
        && OVERRIDES.iter().all(|name| !headers.contains_key(name))
}

/// The value of a header that is present once, with one value that is not blank.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    let mut lines = headers.get_all(name).map(|value| value.as_bytes());
    let value = lines.next().filter(|value| !value.trim_ascii().is_empty() && !value.contains(&b','))?;
    lines.next().is_none().then_some(value)
}
