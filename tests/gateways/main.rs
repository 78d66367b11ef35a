//! The real gateways in front of the real server, with the files of `docs/gateways`. Tests without a
//! gateway always run; the others run under `tests/run`, after `tests/install-gateways`.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and waits on the real clock only for bounds"
)]

mod apache;
mod base_path;
mod client;
mod clients;
mod frameworks;
mod gateway;
mod home;
mod identity;
mod links;
mod policies;
mod preflight;
mod process;
mod promises;
mod real;
mod recipes;
mod replay;
mod tls;
mod upstream;
