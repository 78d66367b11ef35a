//! Parts that all operations share: the error body, a response for each error status, and headers.

use serde_json::{Map, Value, json};
use utoipa::{PartialSchema, ToSchema};

use crate::http::schema::{field, to_json};

/// An error (RFC 9457).
#[derive(ToSchema)]
#[schema(as = Problem)]
#[expect(dead_code, reason = "the shape of `http::problem`'s body, which borrows")]
struct ProblemSchema {
    #[schema(rename = "type")]
    r#type: String,
    /// The name of the status.
    title: String,
    status: u16,
    /// What is wrong and what to do next, for people.
    detail: String,
    /// What is wrong, for programs.
    code: String,
    /// The input field at fault.
    #[schema(required = false)]
    field: String,
    request_id: String,
}

/// An error with the members of RFC 6749 §5.2 and ours.
#[derive(ToSchema)]
#[schema(as = OAuthError)]
#[expect(dead_code, reason = "the shape of `http::problem`'s body, which borrows")]
struct OAuthError {
    /// `invalid_request`, `invalid_client`, `invalid_token`, `invalid_scope`, `unsupported_grant_type` and so on.
    error: String,
    error_description: String,
    status: u16,
    code: String,
    request_id: String,
}

pub fn schemas() -> Vec<(String, Value)> {
    vec![
        (ProblemSchema::name().into_owned(), to_json(&ProblemSchema::schema())),
        (OAuthError::name().into_owned(), to_json(&OAuthError::schema())),
    ]
}

/// Each status, its meaning and its header.
const PROBLEMS: [(u16, &str, Option<&str>); 16] = [
    (400, "The request is malformed: `invalid_request`, `invalid_json`, `invalid_body`.", None),
    (
        401,
        "The credential is missing or invalid: `missing_key`, `invalid_key`, `missing_credentials`, `invalid_credentials`.",
        Some("WWW-Authenticate"),
    ),
    (
        403,
        "The credential is valid but not allowed to do this: `insufficient_scope`, `ip_not_allowed`, `forbidden`, `invalid_signature`.",
        Some("WWW-Authenticate"),
    ),
    (404, "Not found, or not visible to this caller: `not_found`.", None),
    (405, "The method is not supported here: `method_not_allowed`.", Some("Allow")),
    (408, "The body did not arrive in time: `timeout`.", None),
    (409, "It conflicts with what is stored: `conflict`.", None),
    (412, "The record has changed since it was read: `precondition_failed`.", None),
    (413, "A body must not exceed 65,536 bytes, or what the description allows: `too_large`.", None),
    (414, "A URL must not exceed 8,192 bytes: `uri_too_long`.", None),
    (415, "The `Content-Type` is not JSON: `unsupported_media_type`.", None),
    (422, "A field is unknown, missing or breaks a rule; `field` names it: `invalid_field`.", None),
    (429, "Over a limit, or too many failures: `rate_limited`, `throttled`.", Some("Retry-After")),
    (431, "A request must not have more than 96 header fields or 16,384 bytes of them: `headers_too_large`.", None),
    (
        500,
        "An error in the server, `internal`, or in the gateway’s configuration: `unknown_policy`, `blank_query`, `blank_scope`, `misspelt_path`.",
        None,
    ),
    (503, "The server cannot check keys or write right now: `unavailable`.", Some("Retry-After")),
];

pub fn responses() -> Value {
    let answer = |(status, description, header): &(u16, &str, Option<&str>)| {
        let named = header.iter().chain(&["X-Request-Id", "Cache-Control"]);
        let headers: Map<String, Value> =
            named.map(|name| ((*name).to_owned(), json!({ "$ref": format!("#/components/headers/{name}") }))).collect();
        let content = json!({ "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } });
        (status.to_string(), json!({ "description": description, "headers": headers, "content": content }))
    };
    Value::Object(PROBLEMS.iter().map(answer).collect())
}

/// The name and meaning of each header. None is required, because not every response has all of them.
const HEADERS: [(&str, &str); 15] = [
    ("X-Request-Id", "Identifies the request in the log and the audit log."),
    ("Cache-Control", "`no-store`: must not be cached."),
    ("ETag", "The state of the record, for `If-Match`."),
    ("Location", "The URL of the new record."),
    ("Retry-After", "Seconds to wait."),
    ("WWW-Authenticate", "The challenge (RFC 9110 §11.6.1)."),
    ("Allow", "The supported methods."),
    ("RateLimit", "For a key with a rate limit: what remains, and until when."),
    ("RateLimit-Policy", "For a key with a rate limit: the limit."),
    ("X-Auth-Key-Id", "The key’s ID; empty if there is no key."),
    ("X-Auth-Owner", "The owner’s email."),
    ("X-Auth-Owner-Id", "The owner’s ID."),
    ("X-Auth-Scopes", "The key’s scopes, separated by spaces."),
    ("X-Auth-Identity", "A signed JWT with the same data, if the server signs identities."),
    ("X-Auth-Status", "For nginx: the status that another gateway would get."),
];

pub fn headers() -> Value {
    let header = |(name, description): &(&str, &str)| {
        ((*name).to_owned(), json!({ "description": description, "schema": to_json(&field::any_text()) }))
    };
    Value::Object(HEADERS.iter().map(header).collect())
}
