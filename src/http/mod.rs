//! The only place that uses askama and, apart from `commands/serve`, actix. A handler parses the request, calls one
//! function of `auth` and renders the response.

mod access;
mod api;
mod base_path;
mod basic;
mod bearer;
mod body;
mod bounds;
mod client;
pub mod connection;
pub mod cors;
mod credential;
mod dashboard;
mod edge;
pub mod gateway;
mod github_keys;
mod health;
pub mod hsts;
mod json_response;
mod json_value;
mod listen;
mod listen_address;
mod listener;
mod metrics;
mod oauth;
mod openapi;
mod peer_stream;
mod problem;
mod public_url;
mod pulse;
mod request_id;
mod request_log;
mod route;
mod routes;
mod schema;
mod seats;
mod security_headers;
pub mod server;
pub mod settings;
mod socket_file;
mod tcp_address;
mod tls;
mod unix_address;

use std::sync::Arc;

use crate::ambient::{Histogram, PerThread};
use crate::auth::Auth;
pub use access::Access;
pub use api::{KeyJson, KeyUsageJson, MadeKeyJson, UsageJson, UserJson};
pub use listener::{BoundAddress, Listener, PassedSockets};
pub use oauth::token::is_resource;
pub use pulse::Pulses;
pub use route::Route;
pub use routes::ROUTES;
pub use settings::HttpSettings;
use tls::Certificates;

/// The state that all workers share.
pub struct Site {
    pub auth: Auth,
    pub settings: HttpSettings,
    pub assets: dashboard::Assets,
    cookies: dashboard::CookieNames,
    /// The OpenAPI document.
    pub openapi: serde_json::Value,
    /// Set when the server is about to stop; `/readyz` reports it first.
    pub stopping: std::sync::atomic::AtomicBool,
    /// Latency of sampled forward-auth requests in nanoseconds, per thread.
    latency: PerThread<Histogram<12>>,
    identities: gateway::Identities,
    /// GitHub's keys, if it reports leaks.
    github_keys: Option<github_keys::GitHubKeys>,
    /// The certificates, if the server speaks TLS.
    pub certificates: Option<Arc<Certificates>>,
}

impl Site {
    fn new(auth: Auth, settings: HttpSettings) -> Self {
        let nanos = [
            1_000,
            2_000,
            5_000,
            10_000,
            20_000,
            50_000,
            100_000,
            200_000,
            500_000,
            1_000_000,
            10_000_000,
            100_000_000,
        ];
        Site {
            openapi: openapi::document(settings.public_url.as_str(), routes::ROUTES),
            cookies: dashboard::CookieNames::new(&settings.public_url, auth.installation()),
            auth,
            settings,
            assets: dashboard::Assets::new(),
            stopping: std::sync::atomic::AtomicBool::new(false),
            latency: PerThread::new(|| Histogram::new(nanos)),
            identities: gateway::Identities::default(),
            github_keys: None,
            certificates: None,
        }
    }
}

/// The site as an argument of handlers.
pub(crate) type SiteRef = actix_web::web::Data<Site>;
