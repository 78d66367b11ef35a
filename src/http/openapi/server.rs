//! Health, metrics and this document.

use utoipa::openapi::ObjectBuilder;

use super::field;
use super::operation::Operation;
use crate::http::health::{Liveness, Readiness};
use crate::model::Scope;

const SERVER: &str = "Server";

pub fn operations() -> Vec<Operation> {
    vec![
        Operation::new(SERVER, "get", "/livez", "getLiveness", "The process is running").answers::<Liveness>(
            200,
            "It is running.",
            &[],
        ),
        Operation::new(SERVER, "get", "/readyz", "getReadiness", "Keys can be checked and writes succeed")
            .answers::<Readiness>(200, "Ready.", &[])
            .answers::<Readiness>(503, "Not ready; `status` says why.", &["Retry-After"]),
        Operation::new(
            SERVER,
            "get",
            "/metrics",
            "getMetrics",
            "Metrics in the OpenMetrics or the Prometheus text format",
        )
        .for_scope(Scope::VERIFY)
        .answers_as(
            200,
            "All metrics.",
            &["application/openmetrics-text; version=1.0.0; charset=utf-8", "text/plain; version=0.0.4; charset=utf-8"],
            field::any_text(),
        ),
        Operation::new(SERVER, "get", "/api/v1/openapi.json", "getDocument", "This document").for_any_key().answers_as(
            200,
            "OpenAPI 3.1.",
            &["application/json"],
            ObjectBuilder::new().build(),
        ),
    ]
}
