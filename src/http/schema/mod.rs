//! Builders for operations and fields in the OpenAPI document. Each route is described next to its handler; `openapi`
//! collects the descriptions.

pub mod field;
mod operation;

pub use operation::{Operation, to_json};
