//! The audit log: its page, its export, and the sentences in which all pages tell what happened.

mod export;
mod filter;
mod list;
mod row;
mod sentence;

pub use export::export;
pub use list::page;
pub use row::{EventRow, history};
