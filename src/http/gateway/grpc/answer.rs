//! Verdicts as Envoy's messages: pass with an identity, or a response for the client.

use actix_web::http::StatusCode;
use tonic::Code;

use super::message::{
    AppendAction, CheckResponse, DeniedHttpResponse, HeaderValue, HeaderValueOption, HttpResponse, HttpStatus,
    ListValue, OkHttpResponse, RpcStatus, Struct, Value, ValueKind,
};
use crate::auth::Allowance;
use crate::http::gateway::IDENTITY;
use crate::http::gateway::allow::Allowed;
use crate::http::gateway::question::GatewayKind;
use crate::http::gateway::refusal::refuse;
use crate::http::problem::{Problem, rate_limit_headers};
use crate::http::request_id::RequestId;
use crate::http::security_headers::lean;

/// The request passes. The headers in `spent` are removed from it, because an API does not need keys.
pub fn allow(allowed: &Allowed, allowance: Option<&Allowance>, spent: &[&str]) -> CheckResponse {
    let headers = IDENTITY.into_iter().zip(allowed.values());
    let limits = allowance.map(rate_limit_headers).into_iter().flatten();
    let ok = OkHttpResponse {
        // All of them are set, even empty ones, because each replaces the client's own header.
        headers: headers.map(|(name, value)| set(name.as_str(), value.as_bytes())).collect(),
        headers_to_remove: spent.iter().map(|name| (*name).to_owned()).collect(),
        response_headers_to_add: limits.map(|(name, value)| set(name.as_str(), value.as_bytes())).collect(),
    };
    CheckResponse {
        status: Some(RpcStatus { code: Code::Ok as i32, message: String::new() }),
        http_response: Some(HttpResponse::Ok(ok)),
        dynamic_metadata: metadata(allowed),
    }
}

pub fn deny(problem: &Problem, id: &RequestId) -> CheckResponse {
    let response = refuse(lean(id), GatewayKind::Plain, problem, id);
    let denied = DeniedHttpResponse {
        status: Some(HttpStatus { code: i32::from(problem.status.as_u16()) }),
        headers: response.headers().iter().map(|(name, value)| set(name.as_str(), value.as_bytes())).collect(),
        body: problem.body(id),
    };
    CheckResponse {
        status: Some(RpcStatus { code: code(problem.status) as i32, message: problem.code.to_owned() }),
        http_response: Some(HttpResponse::Denied(denied)),
        dynamic_metadata: None,
    }
}

/// A code that is never [`Code::Ok`]. Envoy uses the status of the HTTP response; this code is for its statistics.
fn code(status: StatusCode) -> Code {
    match status {
        StatusCode::BAD_REQUEST => Code::InvalidArgument,
        StatusCode::UNAUTHORIZED => Code::Unauthenticated,
        StatusCode::FORBIDDEN => Code::PermissionDenied,
        StatusCode::TOO_MANY_REQUESTS => Code::ResourceExhausted,
        StatusCode::SERVICE_UNAVAILABLE => Code::Unavailable,
        _ => Code::Internal,
    }
}

fn set(name: &str, value: &[u8]) -> HeaderValueOption {
    let value = String::from_utf8_lossy(value).into_owned();
    HeaderValueOption {
        header: Some(HeaderValue { key: name.to_owned(), value, raw_value: Vec::new() }),
        append_action: AppendAction::OverwriteIfExistsOrAdd as i32,
    }
}

/// Metadata for later filters (`envoy.filters.http.ext_authz`); none for an anonymous request.
fn metadata(allowed: &Allowed) -> Option<Struct> {
    let [id, owner, owner_id, scopes] = allowed.facts();
    let text = |text: &str| Value { kind: Some(ValueKind::Text(text.to_owned())) };
    let scopes = scopes.split(' ').filter(|scope| !scope.is_empty()).map(text).collect();
    let scopes = Value { kind: Some(ValueKind::List(ListValue { values: scopes })) };
    let fields = [("key_id", text(id)), ("owner", text(owner)), ("owner_id", text(owner_id)), ("scopes", scopes)];
    (!id.is_empty()).then(|| Struct { fields: fields.map(|(name, value)| (name.to_owned(), value)).into() })
}
