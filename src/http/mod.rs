//! The only place that knows actix and askama. A handler parses, calls one function of `auth`, renders.

mod api;
mod bearer;
mod body;
mod client;
mod credential;
mod dashboard;
mod edge;
mod gateway;
mod health;
mod json_value;
mod problem;
mod request_id;
mod routes;
mod security_headers;
pub mod server;
pub mod settings;
mod tls;

use crate::auth::Auth;
pub use api::KeyJson;
pub use settings::HttpSettings;

/// What every worker shares.
pub struct Site {
    pub auth: Auth,
    pub settings: HttpSettings,
    pub assets: dashboard::assets::Assets,
    /// Set when the server is about to stop: `/readyz` says so first.
    pub stopping: std::sync::atomic::AtomicBool,
}

/// The site as handlers take it.
pub(crate) type Shared = actix_web::web::Data<Site>;
