//! Responses with a JSON body, for checks, which a busy API makes thousands of times per second.

use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpResponse, HttpResponseBuilder};
use serde::Serialize;

use super::problem::Problem;
use crate::error::Error;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// Enough for most bodies, so that a body is not moved while it is written.
const USUAL_BYTES: usize = 1024;

/// Completes a response.
pub fn with_json(mut response: HttpResponseBuilder, body: &impl Serialize) -> HttpResponse {
    let mut text = Vec::with_capacity(USUAL_BYTES);
    match serde_json::to_writer(&mut text, body) {
        Ok(()) => response.insert_header((header::CONTENT_TYPE, JSON)).body(text),
        Err(error) => HttpResponse::from_error(Problem::from(Error::internal(error))),
    }
}
