//! Turns errors and refusals into responses: problem+json (RFC 9457) with challenges (RFC 6750 §3). The only place
//! that maps errors to status codes.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;
use std::time::Duration;

use actix_http::Response;
use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, ResponseError};

use super::credential::{Credential, has_more_than_a_key};
use super::request_id::RequestId;
use crate::auth::{Allowance, Refused};
use crate::error::{Error, Kind};
use crate::model::foreign_text::message_without_keys;
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
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");
const AFTER_ID: &str = "\"}";

thread_local! {
    /// Rendered bodies, so that a flood of bad keys costs little. There are few, because only fixed texts are kept.
    static RENDERED: RefCell<Vec<Rendered>> = const { RefCell::new(Vec::new()) };
}

/// A body that is complete except for the request's id.
struct Rendered {
    status: StatusCode,
    code: &'static str,
    detail: &'static str,
    before_id: String,
}

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

    pub fn body(&self, id: &RequestId) -> String {
        let finish = |before_id: &str| [before_id, id.as_str(), AFTER_ID].concat();
        let (Cow::Borrowed(detail), None, None) = (&self.detail, &self.field, self.oauth) else {
            return finish(&self.body_before_id());
        };
        RENDERED.with_borrow_mut(|rendered| {
            let is_this = |held: &Rendered| (held.status, held.code, held.detail) == (self.status, self.code, *detail);
            let at = rendered.iter().position(is_this).unwrap_or_else(|| {
                let before_id = self.body_before_id();
                rendered.push(Rendered { status: self.status, code: self.code, detail, before_id });
                rendered.len() - 1
            });
            finish(&rendered[at].before_id)
        })
    }

    /// The body up to the value of its last member, the id.
    fn body_before_id(&self) -> String {
        let title = self.status.canonical_reason().unwrap_or("Error");
        // Both can repeat input, which may contain a key.
        let detail = message_without_keys(&self.detail);
        let field = self.field.as_deref().map(message_without_keys);
        let body = ProblemBody {
            kind: "about:blank",
            title,
            status: self.status.as_u16(),
            detail: &detail,
            code: self.code,
            error: self.oauth,
            error_description: self.oauth.map(|_| &*detail),
            field: field.as_deref(),
            request_id: "",
        };
        let mut text = serde_json::to_string(&body).expect("strings and a number always serialise");
        text.truncate(text.len() - AFTER_ID.len());
        text
    }

    pub fn respond(&self, id: &RequestId) -> Response<BoxBody> {
        self.complete(Response::with_body(self.status, ()), id)
    }

    /// Completes a response with this problem.
    pub fn complete(&self, mut response: Response<()>, id: &RequestId) -> Response<BoxBody> {
        response.head_mut().status = self.status;
        let headers = response.headers_mut();
        headers.append(header::CONTENT_TYPE, if self.oauth.is_some() { JSON } else { PROBLEM_JSON });
        self.add_headers(headers);
        response.set_body(BoxBody::new(self.body(id)))
    }

    /// Adds headers that the response does not have yet, because `append` is cheaper than `insert` in actix's map.
    pub fn add_headers(&self, headers: &mut HeaderMap) {
        if let Some(challenge) = &self.challenge {
            headers.append(header::WWW_AUTHENTICATE, challenge.clone());
        }
        if let Some(seconds) = self.retry_after {
            headers.append(header::RETRY_AFTER, seconds.into());
        }
        for (name, value) in self.allowance.iter().flat_map(rate_limit_headers) {
            headers.append(name, value);
        }
        if let Some(allow) = self.allow.as_deref().and_then(|list| HeaderValue::from_str(list).ok()) {
            headers.append(header::ALLOW, allow);
        }
    }
}

/// The members of RFC 9457 §3.1 and ours.
#[derive(serde::Serialize)]
struct ProblemBody<'a> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::request_id::RequestIds;

    #[test]
    fn a_cached_body_has_its_own_request_id_and_problem() {
        let ids = RequestIds::new([7; 8]);
        let unreadable = Problem::unreadable();
        // The same text with another status.
        let other = Problem { status: StatusCode::METHOD_NOT_ALLOWED, ..unreadable.clone() };
        let field = Problem { field: Some(Cow::Borrowed("name")), ..unreadable.clone() };
        for problem in [&unreadable, &other, &field, &unreadable, &Problem::missing_key(), &other] {
            let id = ids.next();
            let body: serde_json::Value = serde_json::from_str(&problem.body(&id)).unwrap();
            assert_eq!(body["request_id"], id.as_str());
            assert_eq!(body["status"], problem.status.as_u16());
            assert_eq!((&body["code"], &body["detail"]), (&problem.code.into(), &(*problem.detail).into()));
            assert_eq!(body.get("field").and_then(|field| field.as_str()), problem.field.as_deref());
        }
    }
}
