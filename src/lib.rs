//! Keybearer: a self-hosted API-key server. Imports run one way:
//! `main → cli → commands → http → auth → usage, signing → store → index → ambient → model → error`.

pub mod ambient;
pub mod auth;
pub mod cli;
pub mod commands;
pub mod error;
pub mod http;
pub mod index;
pub mod model;
pub mod signing;
pub mod store;
#[doc(hidden)]
pub mod testing;
pub mod usage;
