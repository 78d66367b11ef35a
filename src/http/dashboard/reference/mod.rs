//! The API reference for people, generated from the OpenAPI document.

mod schema;
pub mod show;
