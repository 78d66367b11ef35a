//! What the tests need of the inside and no user of the program does.

pub use crate::http::{Access, ROUTES, Route};
