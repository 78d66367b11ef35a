//! For orchestrators: alive, and ready to take traffic.

use std::sync::atomic::Ordering;

use actix_web::HttpResponse;
use actix_web::http::header;

use serde::Serialize;
use utoipa::ToSchema;

use super::{Shared, Site};

#[derive(Serialize, ToSchema)]
pub struct Liveness {
    /// `alive`.
    status: &'static str,
}

/// Strangers ask, so it has no figures; those are in `/metrics`.
#[derive(Serialize, ToSchema)]
pub struct Readiness {
    /// `ready`, or why it is not: `stopping`, `database_gone`, `signing_keys_missing`, `writes_failing`.
    status: &'static str,
}

/// The process runs and its workers answer.
pub async fn livez() -> HttpResponse {
    HttpResponse::Ok().json(Liveness { status: "alive" })
}

impl Site {
    /// Why there are no verdicts, tokens or signed identities just now.
    pub(super) fn cannot_judge(&self) -> Option<&'static str> {
        if self.stopping.load(Ordering::Acquire) {
            Some("stopping")
        } else if self.auth.is_database_gone() {
            Some("database_gone")
        } else if self.auth.signing().ring().is_err() {
            // At the first start they are made while the server answers already.
            Some("signing_keys_missing")
        } else {
            None
        }
    }
}

/// Ready while everything can be answered and writes succeed. A filling index is ready: SQLite answers.
pub async fn readyz(site: Shared) -> HttpResponse {
    let is_failing = site.auth.writes_are_failing();
    let problem = site.cannot_judge().or(is_failing.then_some("writes_failing"));
    let mut response = match problem {
        None => HttpResponse::Ok(),
        Some(_) => HttpResponse::ServiceUnavailable(),
    };
    if problem.is_some() {
        response.insert_header((header::RETRY_AFTER, 1));
    }
    response.json(Readiness { status: problem.unwrap_or("ready") })
}
