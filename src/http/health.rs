//! Liveness and readiness for orchestrators.

use std::sync::atomic::Ordering;

use actix_web::HttpResponse;
use actix_web::http::header;
use serde::Serialize;
use utoipa::ToSchema;

use super::schema::Operation;
use super::{Site, SiteRef};

/// The group of these operations in the OpenAPI document.
pub const GROUP: &str = "Server";

#[derive(Serialize, ToSchema)]
pub struct Liveness {
    /// Always `alive`.
    status: &'static str,
}

/// Whether the server is ready. It is public, so it has no figures; those are in `/metrics`.
#[derive(Serialize, ToSchema)]
pub struct Readiness {
    /// `ready`, or the reason why not: `stopping`, `database_gone`, `lease_expired`, `signing_keys_missing`,
    /// `writes_failing`.
    status: &'static str,
}

pub fn livez_operation() -> Operation {
    Operation::new(GROUP, "getLiveness", "The process is running").answers::<Liveness>(200, "It is running.", &[])
}

/// The process is running and its workers respond.
pub async fn livez() -> HttpResponse {
    HttpResponse::Ok().json(Liveness { status: "alive" })
}

impl Site {
    /// The reason why verdicts, tokens or signed identities are unavailable, if they are.
    pub(super) fn cannot_judge(&self) -> Option<&'static str> {
        if self.stopping.load(Ordering::Acquire) {
            Some("stopping")
        } else if let Some(why) = self.auth.cannot_check() {
            Some(why)
        } else if self.auth.signing().ring().is_err() {
            // On the first start the keys are generated while the server already responds.
            Some("signing_keys_missing")
        } else {
            None
        }
    }
}

pub fn readyz_operation() -> Operation {
    Operation::new(GROUP, "getReadiness", "Keys can be checked, and writes to its own database succeed")
        .answers::<Readiness>(200, "Ready.", &[])
        .answers::<Readiness>(503, "Not ready; `status` says why.", &["Retry-After"])
}

/// The server is ready if it can check keys and, beside its own database, writes succeed. It is ready while the index is
/// filling, because the database answers. On PostgreSQL, failing writes concern all nodes at once, and taking one out
/// of service helps nobody: it is ready as long as it has a lease.
pub async fn readyz(site: SiteRef) -> HttpResponse {
    let is_failing = site.auth.writes_are_failing() && !site.auth.is_one_of_several_nodes();
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
