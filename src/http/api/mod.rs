//! The API scope: JSON, opened by a key, never by a cookie.

pub mod keys;
mod record;

pub use record::KeyJson;
