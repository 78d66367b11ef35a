//! OAuth for programs (RFC 6749 §4.4, 7009, 7662, 8414): the standard doors to the same verdicts.
//! Errors have the RFCs' names beside ours, as `application/json` (RFC 6749 §5.2).

mod client;
mod form;
pub mod introspect;
pub mod metadata;
pub mod revoke;
pub mod token;

use actix_web::http::StatusCode;

use super::problem::Problem;

/// RFC 6749 §5.2: the request is at fault.
fn bad_request(error: &'static str, detail: impl Into<std::borrow::Cow<'static, str>>) -> Problem {
    Problem { oauth: Some(error), ..Problem::new(StatusCode::BAD_REQUEST, error, detail) }
}
