//! Mistakes in a gateway's configuration. Nobody passes and no key is called bad: the answer and, once for
//! each kind, the log tell the operator what to mend.

use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::http::StatusCode;

use crate::http::problem::Problem;
use crate::model::Policies;

/// What an operator wrote, or left blank.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mistake {
    UnknownPolicy,
    BlankQuery,
    BlankScope,
    MisspeltPath,
}

impl Mistake {
    /// Nothing of the URL is told: a client's path or query may be in it.
    pub fn problem(self, policies: &Policies) -> Problem {
        let (told, code, detail) = match self {
            Mistake::UnknownPolicy => {
                static TOLD: AtomicBool = AtomicBool::new(false);
                let detail = "The gateway asks for a policy that this server does not have. Its operator must name \
                              one of the settings file.";
                (&TOLD, "unknown_policy", detail)
            }
            Mistake::BlankQuery => {
                static TOLD: AtomicBool = AtomicBool::new(false);
                let detail = "The gateway asks with a blank query, perhaps an unset variable. Its operator must give \
                              policy or scope a value, or leave out the question mark.";
                (&TOLD, "blank_query", detail)
            }
            Mistake::BlankScope => {
                static TOLD: AtomicBool = AtomicBool::new(false);
                let detail = "The gateway asks for a blank scope, perhaps an unset variable. Its operator must write \
                              scope=orders:read, several as scope=orders:read+stock:read, or leave scope out.";
                (&TOLD, "blank_scope", detail)
            }
            Mistake::MisspeltPath => {
                static TOLD: AtomicBool = AtomicBool::new(false);
                let detail = "The gateway asks at a path that is not quite one of ours. Its operator must write \
                              /auth, /auth/nginx or /auth/envoy/POLICY, exactly so.";
                (&TOLD, "misspelt_path", detail)
            }
        };
        // Once: every request of that route meets it.
        if !told.swap(true, Ordering::Relaxed) {
            tracing::error!(code, policies = policies.names(), "{detail}");
        }
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, code, detail)
    }
}
