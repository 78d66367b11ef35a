//! Requests that no handler shall see: too large, or without the one host that a request has.

use actix_http::{HttpMessage, Request};
use actix_web::http::{StatusCode, Uri, header};

use super::problem::Problem;

/// All header fields of a request together; more is 431.
const MOST_HEADER_BYTES: usize = 16 * 1024;
/// Path and query; more is 414.
const MOST_URI_BYTES: usize = 8 * 1024;

/// Why this request is not served, if it is not.
pub fn refuse(request: &Request) -> Option<Problem> {
    let headers = request.headers();
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if bytes > MOST_HEADER_BYTES {
        let detail = "The header fields of a request have at most 16,384 bytes together.";
        return Some(Problem::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "headers_too_large", detail));
    }
    if uri_length(request.uri()) > MOST_URI_BYTES {
        return Some(Problem::new(StatusCode::URI_TOO_LONG, "uri_too_long", "An address has at most 8,192 bytes."));
    }
    // RFC 9112 §3.2: exactly one Host that is a host; a `/` or `?` in it would move a rebuilt URL.
    let mut hosts = headers.get_all(header::HOST);
    let is_sound = match (hosts.next(), hosts.next()) {
        (Some(host), None) => is_host(host.as_bytes()),
        (None, _) => request.version() < actix_web::http::Version::HTTP_11,
        (Some(_), Some(_)) => false,
    };
    (!is_sound).then(|| {
        Problem::new(
            StatusCode::BAD_REQUEST,
            "invalid_request",
            "Send one Host header with a host and, if need be, a port.",
        )
    })
}

fn uri_length(uri: &Uri) -> usize {
    uri.path_and_query().map_or(0, |both| both.as_str().len())
}

fn is_host(host: &[u8]) -> bool {
    !host.is_empty()
        && host.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':' | b'[' | b']' | b'%'))
}
