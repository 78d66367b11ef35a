//! Turns errors and refusals into responses: problem+json (RFC 9457) with challenges (RFC 6750 §3). The only place
//! that maps errors to status codes.

mod body;

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, ResponseError};

use super::credential::{Credential, has_more_than_a_key};
use crate::auth::{Allowance, Refused};
use crate::error::{Error, Kind};
use crate::model::{PlainKey, Refusal};

const BASIC: HeaderValue = HeaderValue::from_static("Basic realm=\"keybearer\", charset=\"UTF-8\"");
const BEARER: HeaderValue = HeaderValue::from_static("Bearer realm=\"keybearer\"");
const INVALID_REQUEST: HeaderValue = HeaderValue::from_static("Bearer realm=\"keybearer\", error=\"invalid_request\"");
const INVALID_TOKEN: HeaderValue = HeaderValue::from_static("Bearer realm=\"keybearer\", error=\"invalid_token\"");
/// `error_description` must not contain quotes or backslashes (RFC 6750 §3).
const UNREADABLE_KEY: HeaderValue = HeaderValue::from_static(
    "Bearer realm=\"keybearer\", error=\"invalid_token\", \
     error_description=\"No key can be read. Send it as Authorization: Bearer <key>\"",
);

/// An error response; the edge adds the `request_id` to its body.
#[derive(Debug, Clone)]
pub struct Problem {
    pub status: StatusCode,
    pub code: &'static str,
    /// The error code of RFC 6749 §5.2, for responses under `/oauth`.
    pub oauth: Option<&'static str>,
    pub detail: Cow<'static, str>,
    /// The input field at fault; a nested field is written as `rate_limit.window`.
    pub field: Option<Cow<'static, str>>,
    pub challenge: Option<HeaderValue>,
    pub retry_after: Option<u64>,
    pub allowance: Option<Allowance>,
    pub allow: Option<Box<str>>,
    /// The cause, for the log only.
    pub cause: Option<String>,
}

impl<'a> Credential<'a> {
    /// The key, or the response to a request without a readable key.
    pub fn key(self) -> Result<&'a [u8], Problem> {
        match self {
            Credential::Key(key) => Ok(key),
            Credential::None => Err(Problem::missing_key()),
            Credential::Garbled(text) if text.is_empty() || PlainKey::find_in(text).is_some() => {
                Err(Problem::unreadable_key())
            }
            Credential::Garbled(_) => Err(Problem::refused(Refusal::Malformed, &[])),
            Credential::Ambiguous => Err(Problem::invalid_request("Send one key, in one header.")),
        }
    }
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
            "There is nothing at this URL. The documentation lists the routes.",
        )
    }

    /// A request that the HTTP library refuses, for example because a path parameter is malformed.
    pub fn unreadable() -> Self {
        Problem::new(StatusCode::BAD_REQUEST, "invalid_request", "This request is malformed. Check how it is encoded.")
    }

    pub fn method_not_allowed(allow: &str) -> Self {
        let detail = format!("This method is not supported here. Use {allow}.");
        Problem {
            allow: Some(allow.into()),
            ..Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
        }
    }

    pub fn invalid_request(detail: impl Into<Cow<'static, str>>) -> Self {
        Problem { challenge: Some(INVALID_REQUEST), ..Problem::new(StatusCode::BAD_REQUEST, "invalid_request", detail) }
    }

    /// A header other than the credential that is not acceptable.
    pub fn bad_header(detail: &'static str) -> Self {
        Problem::new(StatusCode::BAD_REQUEST, "invalid_request", detail)
    }

    pub fn missing_key() -> Self {
        Problem {
            challenge: Some(BEARER),
            ..Problem::new(StatusCode::UNAUTHORIZED, "missing_key", "Send a key: Authorization: Bearer <key>.")
        }
    }

    /// The request seems to contain a key in an unsupported form. Only the form is examined, so this does not reveal
    /// whether the key is valid.
    pub fn unreadable_key() -> Self {
        let detail = "No key can be read in this request. Send it as `Authorization: Bearer <key>` or as \
                      `X-API-Key: <key>`, with nothing else in the header.";
        Problem { challenge: Some(UNREADABLE_KEY), ..Problem::new(StatusCode::UNAUTHORIZED, "invalid_key", detail) }
    }

    /// Email and password are required and missing (RFC 7617 §2).
    pub fn missing_password() -> Self {
        Problem {
            challenge: Some(BASIC),
            ..Problem::new(
                StatusCode::UNAUTHORIZED,
                "missing_credentials",
                "Send email and password by HTTP Basic or as JSON, or a refresh_token as JSON.",
            )
        }
    }

    /// The email, password or refresh token is wrong, or the user cannot sign in. The response does not say which.
    pub fn bad_password(detail: impl Into<Cow<'static, str>>) -> Self {
        Problem { challenge: Some(BASIC), ..Problem::new(StatusCode::UNAUTHORIZED, "invalid_credentials", detail) }
    }

    pub fn unreadable_basic() -> Self {
        Problem::bad_password("Send HTTP Basic as the base64 of email, a colon and the password, in UTF-8.")
    }

    /// The verdict on a presented key, as the bearer sees it.
    pub fn of(bad: &Refused, scopes: &[&str], presented: &[u8]) -> Self {
        match (bad.held_back, bad.allowance) {
            (Some(wait), _) => Problem::held_back(wait),
            (None, None) if bad.refusal == Refusal::Malformed && has_more_than_a_key(presented) => {
                Problem::unreadable_key()
            }
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
                "Too many different bad keys came from this address. Try again later; valid keys are still accepted.",
            )
        }
    }

    /// The bearer of a refused key learns only whether it is invalid (whatever the reason), not allowed here, or over
    /// its limit.
    pub fn refused(refusal: Refusal, scopes: &[&str]) -> Self {
        match refusal {
            Refusal::InsufficientScope => Problem {
                challenge: HeaderValue::try_from(format!(
                    "Bearer realm=\"keybearer\", error=\"insufficient_scope\", scope=\"{}\"",
                    scopes.join(" ")
                ))
                .ok(),
                ..Problem::new(
                    StatusCode::FORBIDDEN,
                    "insufficient_scope",
                    format!("This key lacks a scope that is required here: {}.", scopes.join(" ")),
                )
            },
            Refusal::IpNotAllowed => {
                Problem::new(StatusCode::FORBIDDEN, "ip_not_allowed", "This key may not be used from this address.")
            }
            Refusal::RateLimited => Problem {
                retry_after: Some(1),
                ..Problem::new(
                    StatusCode::TOO_MANY_REQUESTS,
                    "rate_limited",
                    "This key is over its limit. Try again later.",
                )
            },
            Refusal::Malformed
            | Refusal::NotFound
            | Refusal::Expired
            | Refusal::Disabled
            | Refusal::OwnerDeactivated => Problem {
                challenge: Some(INVALID_TOKEN),
                ..Problem::new(
                    StatusCode::UNAUTHORIZED,
                    "invalid_key",
                    "This key is not valid. Create a new one in the dashboard.",
                )
            },
        }
    }
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
            Kind::NoLongerKnown => return Problem::refused(Refusal::NotFound, &[]),
            Kind::ScopeLost(scope) => return Problem::refused(Refusal::InsufficientScope, &[scope]),
            Kind::AddressLost => return Problem::refused(Refusal::IpNotAllowed, &[]),
            Kind::Invalid => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_field"),
            Kind::NotFound => (StatusCode::NOT_FOUND, "not_found"),
            Kind::Conflict => (StatusCode::CONFLICT, "conflict"),
            Kind::Outdated => (StatusCode::PRECONDITION_FAILED, "precondition_failed"),
            Kind::Forbidden => (StatusCode::FORBIDDEN, "forbidden"),
            Kind::Throttled => (StatusCode::TOO_MANY_REQUESTS, "throttled"),
            Kind::Unavailable | Kind::OutcomeUnknown => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
            Kind::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        };
        let retry_after = match (error.kind, error.retry_after) {
            (_, Some(wait)) => Some(wait.as_secs().max(1)),
            (Kind::Unavailable, None) => Some(1),
            _ => None,
        };
        // Startup errors contain paths, which must not reach a client.
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

/// Handlers return problems as errors. The edge turns the problem in the response's extensions into a body with the
/// request's id: JSON or, for the dashboard, a page.
impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::new(self.status);
        self.add_headers(response.headers_mut());
        response.extensions_mut().insert(self.clone());
        response
    }
}

/// Whether problems under this path are JSON. Elsewhere they are pages.
pub fn is_for_programs(path: &str) -> bool {
    let first = path.split('/').nth(1).unwrap_or_default();
    matches!(first, "api" | "auth" | "oauth" | ".well-known" | "livez" | "readyz" | "metrics")
}

/// The handler for unknown paths.
pub async fn unknown_route(_: HttpRequest) -> Result<HttpResponse, Problem> {
    Err(Problem::not_found())
}
