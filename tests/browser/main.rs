//! The dashboard in a real browser: Debian's Chromium and ChromeDriver, the real binary, an empty
//! directory for each test. `tests/run` installs what is needed and runs these; by hand:
//!
//! ```text
//! cargo test --test browser -- --ignored
//! ```

#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall panic")]

mod accessibility;
mod account;
mod base_path;
mod browser;
mod comparison;
mod driver;
mod fixed_server;
mod frame;
mod keyboard;
mod people;
mod sample;
mod screenshot;
mod server;
mod story;
mod time_zones;
mod visit;
mod without_script;
