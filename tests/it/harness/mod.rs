//! The program as a value that a test starts, and the people and programs that use it.

mod answer;
mod client;
mod database;
pub mod engine;
mod home;
mod postgres;
mod process;
pub mod raw;
mod server;
pub mod signing;

use std::future::Future;
use std::time::{Duration, Instant};

pub use answer::Answer;
pub use client::Client;
pub use database::{Cell, WriteLock};
pub use engine::{Engine, bytes, id, quoted};
pub use home::Home;
pub use process::Process;
pub use server::Server;

pub const ADMIN: &str = "ada@example.com";
pub const MEMBER: &str = "grace@example.com";
pub const PASSWORD: &str = "correct horse battery staple";

/// The number of repetitions: variable `name`, or a small default for the inner loop.
pub fn rounds(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Waits until `holds` returns true, for max `within`; for what the program must notice itself.
pub async fn eventually<F: Future<Output = bool>>(within: Duration, what: &str, mut holds: impl FnMut() -> F) {
    let end = Instant::now() + within;
    while !holds().await {
        assert!(Instant::now() < end, "not within {within:?}: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
