//! For orchestrators: alive, and ready to take traffic.

use std::sync::atomic::Ordering;

use actix_web::HttpResponse;
use actix_web::http::header;

use serde::Serialize;
use utoipa::ToSchema;

use super::Shared;

#[derive(Serialize, ToSchema)]
pub struct Liveness {
    /// `alive`.
    status: &'static str,
}

/// Strangers ask, so it has no figures; those are in `/metrics`.
#[derive(Serialize, ToSchema)]
pub struct Readiness {
    /// `ready`, or why it is not: `stopping`, `database_gone`, `writes_failing`.
    status: &'static str,
}

/// The process runs and its workers answer.
pub async fn livez() -> HttpResponse {
    HttpResponse::Ok().json(Liveness { status: "alive" })
}

/// Ready while verdicts can be given and writes succeed. A filling index is ready: SQLite answers.
pub async fn readyz(site: Shared) -> HttpResponse {
    let store = site.auth.store();
    let (index, writer) = (store.index(), store.writer_state());
    let problem = if site.stopping.load(Ordering::Acquire) {
        Some("stopping")
    } else if index.is_broken() {
        Some("database_gone")
    } else if writer.failing {
        Some("writes_failing")
    } else {
        None
    };
    let mut response = match problem {
        None => HttpResponse::Ok(),
        Some(_) => HttpResponse::ServiceUnavailable(),
    };
    if problem.is_some() {
        response.insert_header((header::RETRY_AFTER, 1));
    }
    response.json(Readiness { status: problem.unwrap_or("ready") })
}
