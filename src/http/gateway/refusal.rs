//! The response that refuses a request, in a form that the gateway can pass on.

use actix_http::Response;
use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};

use super::GatewayKind;
use crate::http::problem::Problem;
use crate::http::request_id::RequestId;

/// The actual status, for a gateway that understands only 401 and 403.
const X_AUTH_STATUS: HeaderName = HeaderName::from_static("x-auth-status");
/// The problem's code, such as `rate_limited`.
const X_AUTH_REASON: HeaderName = HeaderName::from_static("x-auth-reason");

pub fn refuse(answer: Response<()>, kind: GatewayKind<'_>, problem: &Problem, id: &RequestId) -> Response<BoxBody> {
    let mut response = problem.complete(answer, id);
    if kind == GatewayKind::Nginx {
        // nginx turns anything else into a 500, and the reason would be lost.
        if problem.status != StatusCode::UNAUTHORIZED {
            response.head_mut().status = StatusCode::FORBIDDEN;
        }
        let headers = response.headers_mut();
        headers.append(X_AUTH_STATUS, HeaderValue::from(problem.status.as_u16()));
        headers.append(X_AUTH_REASON, HeaderValue::from_static(problem.code));
    }
    response
}
