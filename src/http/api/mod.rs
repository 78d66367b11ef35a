//! The API scope: JSON, opened by a key, never by a cookie.

mod based_on;
mod idempotency;
mod key_body;
pub mod keys;
pub mod manage;
mod manager;
mod parameters;
mod record;

pub use record::KeyJson;
