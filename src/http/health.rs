//! For orchestrators: alive, and ready to take traffic.

use std::sync::atomic::Ordering;

use actix_web::HttpResponse;
use actix_web::http::header;

use super::Shared;

/// The process runs and its workers answer.
pub async fn livez() -> HttpResponse {
    HttpResponse::Ok().json(serde_json::json!({ "status": "alive" }))
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
    response.json(serde_json::json!({
        "status": problem.unwrap_or("ready"),
        "index": { "full": index.is_full(), "keys": index.keys(), "revision": index.revision() },
    }))
}
