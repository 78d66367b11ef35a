//! Mistakes in a gateway's configuration. No request passes and no key is reported as bad. The response and, once per
//! kind of mistake, the log tell the operator what to fix.

use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::http::StatusCode;

use crate::http::problem::Problem;
use crate::model::Policies;

/// The kind of mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mistake {
    UnknownPolicy,
    BlankQuery,
    BlankScope,
    MisspeltPath,
}

impl Mistake {
    /// The response does not contain the URL, which can include the client's path or query.
    pub fn problem(self, policies: &Policies) -> Problem {
        let (was_logged, code, detail) = match self {
            Mistake::UnknownPolicy => {
                static LOGGED: AtomicBool = AtomicBool::new(false);
                let detail = "The gateway asks for a policy that this server does not have. Its operator must name \
                              one from the settings file.";
                (&LOGGED, "unknown_policy", detail)
            }
            Mistake::BlankQuery => {
                static LOGGED: AtomicBool = AtomicBool::new(false);
                let detail = "The gateway sends a blank query, perhaps from an unset variable. Its operator must give \
                              policy or scope a value, or leave out the question mark.";
                (&LOGGED, "blank_query", detail)
            }
            Mistake::BlankScope => {
                static LOGGED: AtomicBool = AtomicBool::new(false);
                let detail = "The gateway sends a blank scope, perhaps from an unset variable. Its operator must write \
                              scope=orders:read, several as scope=orders:read+stock:read, or leave scope out.";
                (&LOGGED, "blank_scope", detail)
            }
            Mistake::MisspeltPath => {
                static LOGGED: AtomicBool = AtomicBool::new(false);
                let detail = "The gateway uses a path that is similar to one of ours. Its operator must write exactly \
                              /auth, /auth/nginx or /auth/envoy/POLICY.";
                (&LOGGED, "misspelt_path", detail)
            }
        };
        // It is logged only once, because every request of that route has the mistake.
        if !was_logged.swap(true, Ordering::Relaxed) {
            tracing::error!(code, policies = policies.names(), "{detail}");
        }
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, code, detail)
    }
}
