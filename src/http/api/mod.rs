//! The JSON API, authenticated by a key, never by a cookie.

mod based_on;
pub mod document;
pub mod events;
mod idempotency;
pub mod keys;
pub mod leaks;
mod manager;
mod parameters;
pub mod tokens;
pub mod usage;
pub mod users;

pub use keys::{KeyJson, KeyUsageJson, MadeKeyJson};
pub use usage::UsageJson;
pub use users::UserJson;
