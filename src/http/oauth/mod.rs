//! OAuth for programs (RFC 6749 §4.4, 7009, 7662, 8414): standard endpoints for the same verdicts. Errors contain the
//! RFCs' error codes as well as ours, as `application/json` (RFC 6749 §5.2).

mod client;
mod form;
pub mod introspect;
pub mod metadata;
pub mod revoke;
pub mod token;

use actix_web::http::StatusCode;

use super::problem::Problem;

/// The group of these operations in the OpenAPI document.
const GROUP: &str = "OAuth";

/// An error in the request (RFC 6749 §5.2).
fn bad_request(error: &'static str, detail: impl Into<std::borrow::Cow<'static, str>>) -> Problem {
    Problem { oauth: Some(error), ..Problem::new(StatusCode::BAD_REQUEST, error, detail) }
}
