//! The API reference for people, read out of the OpenAPI document.

mod schema;
pub mod show;
