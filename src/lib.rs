//! Keybearer: a self-hosted API-key server. Imports run one way:
//! `main → cli → commands → http → auth → usage, signing → store → index → ambient → model → error`.
//!
//! The modules are private, so that the compiler finds what nobody uses. Tests use `testing`.

mod ambient;
mod auth;
mod cli;
mod commands;
mod error;
mod http;
mod index;
mod model;
mod signing;
mod store;
#[doc(hidden)]
pub mod testing;
mod usage;

pub use cli::main;
