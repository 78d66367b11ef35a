//! The answer that lets no request pass, in a form that the asking gateway can hand on.

use actix_http::Response;
use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};

use super::Door;
use crate::http::problem::Problem;
use crate::http::request_id::RequestId;

/// What the status would be, for a gateway that knows two.
const X_AUTH_STATUS: HeaderName = HeaderName::from_static("x-auth-status");
/// The problem's code: `rate_limited`.
const X_AUTH_REASON: HeaderName = HeaderName::from_static("x-auth-reason");

pub fn refuse(answer: Response<()>, door: Door<'_>, problem: &Problem, id: &RequestId) -> Response<BoxBody> {
    let mut response = problem.complete(answer, id);
    if door == Door::Nginx {
        // nginx makes a 500 of anything else, and the reason would be lost.
        if problem.status != StatusCode::UNAUTHORIZED {
            response.head_mut().status = StatusCode::FORBIDDEN;
        }
        let headers = response.headers_mut();
        headers.append(X_AUTH_STATUS, HeaderValue::from(problem.status.as_u16()));
        headers.append(X_AUTH_REASON, HeaderValue::from_static(problem.code));
    }
    response
}
