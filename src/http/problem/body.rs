//! A problem as a response: its body, with the request's id, and its headers.

use std::borrow::Cow;
use std::cell::RefCell;

use actix_http::Response;
use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderValue};

use super::{Problem, rate_limit_headers};
use crate::http::request_id::RequestId;
use crate::model::foreign_text::message_without_keys;

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

impl Problem {
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
