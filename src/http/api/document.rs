//! `GET /api/v1/openapi.json`: the OpenAPI document. Any live key can read it; the document is not public.

use actix_web::HttpResponse;
use utoipa::openapi::ObjectBuilder;

use crate::http::SiteRef;
use crate::http::bearer::Bearer;
use crate::http::health::GROUP;
use crate::http::schema::Operation;

pub fn operation() -> Operation {
    Operation::new(GROUP, "getDocument", "This document").answers_as(
        200,
        "OpenAPI 3.1.",
        &["application/json"],
        ObjectBuilder::new().build(),
    )
}

pub async fn show(site: SiteRef, _: Bearer) -> HttpResponse {
    HttpResponse::Ok().json(&site.openapi)
}
