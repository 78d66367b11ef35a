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
pub mod users;

pub use keys::{KeyJson, MadeKeyJson};
pub use users::UserJson;
