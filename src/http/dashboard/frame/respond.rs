//! Renders pages as HTTP responses.

use actix_web::HttpResponse;
use actix_web::http::{StatusCode, header};
use askama::Template;

use crate::error::Error;
use crate::http::problem::Problem;

pub fn html(status: StatusCode, page: &impl Template) -> Result<HttpResponse, Problem> {
    let body = page.render().map_err(Error::internal)?;
    Ok(HttpResponse::build(status).insert_header((header::CONTENT_TYPE, "text/html; charset=utf-8")).body(body))
}

pub fn ok(page: &impl Template) -> Result<HttpResponse, Problem> {
    html(StatusCode::OK, page)
}

/// The form again, with the input kept and the errors beside the fields.
pub fn unprocessable(page: &impl Template) -> Result<HttpResponse, Problem> {
    html(StatusCode::UNPROCESSABLE_ENTITY, page)
}

pub fn see_other(to: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((header::LOCATION, to)).finish()
}
