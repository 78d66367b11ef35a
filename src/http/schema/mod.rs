//! The vocabulary of the OpenAPI document: what an operation and a field look like. The entrances describe themselves
//! with it, next to their handlers; `openapi` collects the descriptions.

pub mod field;
mod operation;

pub use operation::{Operation, to_json};
