//! From errors and refusals to answers: problem+json (RFC 9457) with challenges (RFC 6750 §3).
//! The only place that knows which status code an error has.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, ResponseError};

use super::request_id::RequestId;
use crate::auth::{Allowance, Bad};
use crate::error::{Error, Kind};
use crate::model::Refusal;

const BASIC: &str = "Basic realm=\"keybearer\", charset=\"UTF-8\"";

/// An answer that is an error; the body gets its `request_id` at the edge.
#[derive(Debug, Clone)]
pub struct Problem {
    pub status: StatusCode,
    pub code: &'static str,
    /// The RFC's name for it, under `/oauth` (RFC 6749 §5.2).
    pub oauth: Option<&'static str>,
    pub detail: Cow<'static, str>,
    /// The input field at fault; nested ones as `rate_limit.window`.
    pub field: Option<Cow<'static, str>>,
    pub challenge: Option<Cow<'static, str>>,
    pub retry_after: Option<u64>,
    pub allowance: Option<Allowance>,
    pub allow: Option<&'static str>,
    /// For the log alone.
    pub cause: Option<String>,
}

impl Problem {
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Problem {
            status,
            code,
            oauth: None,
            detail: detail.into(),
            field: None,
            challenge: None,
            retry_after: None,
            allowance: None,
            allow: None,
            cause: None,
        }
    }

    pub fn not_found() -> Self {
        Problem::new(
            StatusCode::NOT_FOUND,
            "not_found",
            "There is nothing at this address. The routes are listed in the documentation.",
        )
    }

    /// What the HTTP library refuses by itself: a doubled parameter, say.
    pub fn unreadable() -> Self {
        Problem::new(StatusCode::BAD_REQUEST, "invalid_request", "This request cannot be read.")
    }

    pub fn method_not_allowed(allow: &'static str) -> Self {
        let detail = format!("This address takes {allow}.");
        Problem { allow: Some(allow), ..Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail) }
    }

    pub fn invalid_request(detail: impl Into<Cow<'static, str>>) -> Self {
        Problem {
            challenge: Some(Cow::Borrowed("Bearer realm=\"keybearer\", error=\"invalid_request\"")),
            ..Problem::new(StatusCode::BAD_REQUEST, "invalid_request", detail)
        }
    }

    /// A header, other than the credential, that cannot be taken as it is.
    pub fn bad_header(detail: &'static str) -> Self {
        Problem::new(StatusCode::BAD_REQUEST, "invalid_request", detail)
    }

    pub fn missing_key() -> Self {
        Problem {
            challenge: Some(Cow::Borrowed("Bearer realm=\"keybearer\"")),
            ..Problem::new(StatusCode::UNAUTHORIZED, "missing_key", "Send a key: Authorization: Bearer <key>.")
        }
    }

    /// No e-mail and password, where they are asked for (RFC 7617 §2).
    pub fn missing_password() -> Self {
        Problem {
            challenge: Some(Cow::Borrowed(BASIC)),
            ..Problem::new(
                StatusCode::UNAUTHORIZED,
                "missing_credentials",
                "Send e-mail and password by HTTP Basic or as JSON, or a refresh_token as JSON.",
            )
        }
    }

    /// Wrong e-mail, password or refresh token, or of somebody who may not log in: which is not told.
    pub fn bad_password(detail: impl Into<Cow<'static, str>>) -> Self {
        Problem {
            challenge: Some(Cow::Borrowed(BASIC)),
            ..Problem::new(StatusCode::UNAUTHORIZED, "invalid_credentials", detail)
        }
    }

    pub fn unreadable_basic() -> Self {
        Problem::bad_password("HTTP Basic is the base64 of e-mail, a colon and the password, in UTF-8.")
    }

    /// A verdict, for the bearer.
    pub fn of(bad: &Bad, scopes: &[&str]) -> Self {
        match (bad.held_back, bad.allowance) {
            (Some(wait), _) => Problem::held_back(wait),
            (None, Some(allowance)) => Problem {
                retry_after: Some(allowance.reset),
                allowance: Some(allowance),
                ..Problem::refused(bad.refusal, scopes)
            },
            (None, None) => Problem::refused(bad.refusal, scopes),
        }
    }

    fn held_back(wait: Duration) -> Self {
        Problem {
            retry_after: Some(wait.as_secs().max(1)),
            ..Problem::new(
                StatusCode::TOO_MANY_REQUESTS,
                "throttled",
                "Too many different bad keys came from this address. Wait; a good key is accepted all the while.",
            )
        }
    }

    /// To the bearer, a refused key is one of few things: bad (whatever the reason), out of place, or
    /// over its limit (promise 7).
    pub fn refused(refusal: Refusal, scopes: &[&str]) -> Self {
        match refusal {
            Refusal::InsufficientScope => Problem {
                challenge: Some(Cow::Owned(format!(
                    "Bearer realm=\"keybearer\", error=\"insufficient_scope\", scope=\"{}\"",
                    scopes.join(" ")
                ))),
                ..Problem::new(
                    StatusCode::FORBIDDEN,
                    "insufficient_scope",
                    format!("This key lacks a scope that is needed here: {}.", scopes.join(" ")),
                )
            },
            Refusal::IpNotAllowed => {
                Problem::new(StatusCode::FORBIDDEN, "ip_not_allowed", "This key may not be used from this address.")
            }
            Refusal::RateLimited => Problem {
                retry_after: Some(1),
                ..Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", "This key is over its limit. Slow down.")
            },
            Refusal::Malformed
            | Refusal::NotFound
            | Refusal::Expired
            | Refusal::Disabled
            | Refusal::OwnerDeactivated => Problem {
                challenge: Some(Cow::Borrowed("Bearer realm=\"keybearer\", error=\"invalid_token\"")),
                ..Problem::new(
                    StatusCode::UNAUTHORIZED,
                    "invalid_key",
                    "This key is not valid. Make a new one in the dashboard.",
                )
            },
        }
    }

    pub fn body(&self, id: &RequestId) -> String {
        let title = self.status.canonical_reason().unwrap_or("Error");
        let body = Body {
            kind: "about:blank",
            title,
            status: self.status.as_u16(),
            detail: &self.detail,
            code: self.code,
            error: self.oauth,
            error_description: self.oauth.map(|_| &*self.detail),
            field: self.field.as_deref(),
            request_id: id.as_str(),
        };
        serde_json::to_string(&body).expect("strings and a number always serialise")
    }

    pub fn respond(&self, id: &RequestId) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        let kind = if self.oauth.is_some() { "application/json" } else { "application/problem+json" };
        response.insert_header((header::CONTENT_TYPE, kind));
        self.add_headers(&mut response);
        response.body(self.body(id))
    }

    pub fn add_headers(&self, response: &mut HttpResponseBuilder) {
        if let Some(challenge) = self.challenge.as_ref().and_then(|text| HeaderValue::from_str(text).ok()) {
            response.insert_header((header::WWW_AUTHENTICATE, challenge));
        }
        if let Some(seconds) = self.retry_after {
            response.insert_header((header::RETRY_AFTER, seconds));
        }
        if let Some(allowance) = &self.allowance {
            for header in rate_limit_headers(allowance) {
                response.insert_header(header);
            }
        }
        if let Some(allow) = self.allow {
            response.insert_header((header::ALLOW, allow));
        }
    }
}

/// The members of RFC 9457 §3.1, and ours.
#[derive(serde::Serialize)]
struct Body<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    title: &'a str,
    status: u16,
    detail: &'a str,
    code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
    request_id: &'a str,
}

/// `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10).
pub fn rate_limit_headers(allowance: &Allowance) -> [(HeaderName, HeaderValue); 2] {
    let value = |text: String| HeaderValue::from_str(&text).expect("digits and quotes are a valid header value");
    let limit = &allowance.limit;
    [
        (
            HeaderName::from_static("ratelimit-policy"),
            value(format!("\"key\";q={};w={}", limit.requests, limit.window)),
        ),
        (
            HeaderName::from_static("ratelimit"),
            value(format!("\"key\";r={};t={}", allowance.remaining, allowance.reset)),
        ),
    ]
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let (status, code) = match error.kind {
            Kind::Invalid => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_field"),
            Kind::NotFound => (StatusCode::NOT_FOUND, "not_found"),
            Kind::Conflict => (StatusCode::CONFLICT, "conflict"),
            Kind::Outdated => (StatusCode::PRECONDITION_FAILED, "precondition_failed"),
            Kind::Forbidden => (StatusCode::FORBIDDEN, "forbidden"),
            Kind::Throttled => (StatusCode::TOO_MANY_REQUESTS, "throttled"),
            Kind::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
            Kind::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        };
        let retry_after = match (error.kind, error.retry_after) {
            (_, Some(wait)) => Some(wait.as_secs().max(1)),
            (Kind::Unavailable, None) => Some(1),
            _ => None,
        };
        // Start-up errors name paths; none of them reaches a client.
        let detail = match error.kind {
            Kind::Unavailable => {
                "The server cannot do this right now. Nothing was changed; try again shortly.".to_owned()
            }
            _ => error.message.to_string(),
        };
        let cause = error.cause.or_else(|| (error.kind == Kind::Unavailable).then(|| error.message.to_string()));
        Problem { field: error.field.map(Cow::Borrowed), retry_after, cause, ..Problem::new(status, code, detail) }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status.as_u16(), self.code)
    }
}

/// Handlers return problems as errors; the edge turns the marker into a body with the request's id,
/// as JSON or, for the dashboard, as a page.
impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        self.add_headers(&mut response);
        let mut response = response.finish();
        response.extensions_mut().insert(self.clone());
        response
    }
}

/// Whether problems under this path are JSON; elsewhere they are pages for people.
pub fn is_for_programs(path: &str) -> bool {
    let first = path.split('/').nth(1).unwrap_or_default();
    matches!(first, "api" | "auth" | "oauth" | ".well-known" | "livez" | "readyz" | "metrics")
}

/// Any unknown address.
pub async fn unknown_route(_: HttpRequest) -> Result<HttpResponse, Problem> {
    Err(Problem::not_found())
}
