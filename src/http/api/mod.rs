//! The JSON API, authenticated by a key, never by a cookie.

mod based_on;
pub mod events;
mod idempotency;
pub mod key_body;
pub mod keys;
pub mod manage;
mod manager;
mod parameters;
mod record;
pub mod rotation;
pub mod tokens;
mod user_record;
pub mod users;

pub use manage::MadeKeyJson;
pub use record::KeyJson;
pub use user_record::UserJson;
