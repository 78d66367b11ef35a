//! CORS (Fetch standard, "CORS protocol") for `/api`: which pages on other sites may read our responses. It is off
//! unless the operator names origins. A key in `Authorization` is the only credential: cookies are never allowed, and
//! no dashboard route takes part.

use actix_http::{HttpMessage, Request};
use actix_web::HttpResponse;
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap, HeaderValue};

use super::public_url::PublicUrl;
use crate::error::{Error, Result};

const METHODS: &str = "GET, HEAD, POST, PATCH, DELETE";
const HEADERS: &str = "authorization, x-api-key, content-type, idempotency-key, if-match";
const EXPOSED: &str = "etag, location, ratelimit, ratelimit-policy, retry-after, www-authenticate, x-request-id";
/// How long a browser may cache the response to a preflight, in seconds.
const MAX_AGE: &str = "600";

/// `https://app.example.com`: exactly what a browser sends as `Origin`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CorsOrigin(HeaderValue);

impl CorsOrigin {
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = || {
            Error::invalid(
                "cors_origin",
                "An origin must be a scheme, a host and, if it is not the default, a port, as the browser sends it: \
                 https://app.example.com. There is no wildcard.",
            )
        };
        let parsed = PublicUrl::parse(text).map_err(|_| wrong())?;
        if parsed.as_str() != text || parsed.base().is_some() || text.contains('*') {
            return Err(wrong());
        }
        HeaderValue::from_str(text).map(CorsOrigin).map_err(|_| wrong())
    }
}

/// What CORS means for one request; determined before the request is routed.
pub enum Cors {
    /// The operator named no origins, or the path is not below `/api`.
    Off,
    /// The response depends on `Origin`; `reader` is the origin that may read it.
    On { reader: Option<CorsOrigin>, is_preflight: bool },
}

impl Cors {
    pub fn of(request: &Request, origins: &[CorsOrigin]) -> Self {
        if origins.is_empty() || !request.path().starts_with("/api/") {
            return Cors::Off;
        }
        let headers = request.headers();
        let mut sent = headers.get_all(header::ORIGIN);
        let reader = match (sent.next(), sent.next()) {
            (Some(origin), None) => origins.iter().find(|known| known.0 == *origin).cloned(),
            _ => None,
        };
        let is_preflight =
            *request.method() == Method::OPTIONS && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        Cors::On { reader, is_preflight }
    }

    /// The response to a preflight from an origin that may read; any other preflight learns nothing.
    pub fn answer(&self) -> Option<HttpResponse> {
        match self {
            Cors::On { reader: Some(_), is_preflight: true } => Some(
                HttpResponse::NoContent()
                    .insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, METHODS))
                    .insert_header((header::ACCESS_CONTROL_ALLOW_HEADERS, HEADERS))
                    .insert_header((header::ACCESS_CONTROL_MAX_AGE, MAX_AGE))
                    .finish(),
            ),
            _ => None,
        }
    }

    pub fn stamp(&self, headers: &mut HeaderMap) {
        let Cors::On { reader, .. } = self else { return };
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
        if let Some(CorsOrigin(origin)) = reader {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_must_be_written_as_browsers_send_it() {
        for good in ["https://app.example.com", "http://localhost:3000", "https://app.example.com:8443"] {
            assert!(CorsOrigin::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "*",
            "null",
            "https://*.example.com",
            "https://app.example.com/",
            "https://App.example.com",
            "app.example.com",
            "https://app.example.com:443",
            "http://a:80",
            "https://a@b",
            "https://a/b",
            "ftp://a",
            "https://a b",
        ] {
            assert!(CorsOrigin::parse(bad).is_err(), "{bad}");
        }
    }
}
