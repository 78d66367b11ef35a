//! Keybearer from outside: through HTTP, the command line and the database. Each file covers one noun of the
//! program; `harness` starts the real program and provides its users. The tests run on both engines, SQLite and
//! PostgreSQL (`tests/postgres`), except those in `sqlite` and in `nodes`.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and waits on the real clock only for bounds"
)]

mod harness;

mod addresses;
mod architecture;
mod authority;
mod bad_input;
mod base_path;
mod bearer;
mod bounds;
mod cli;
mod cors;
mod crash;
mod csrf;
mod damage;
mod deadlines;
mod descriptions;
mod edit;
mod engines;
mod events;
mod export;
mod find;
mod flash;
mod framing;
mod gateway;
#[cfg(feature = "grpc")]
mod grpc;
mod guessing;
mod handing_over;
mod headers;
mod healthcheck;
mod identity;
mod import;
mod index;
mod key_page;
mod keys;
mod leak_reports;
mod leaks;
mod lifetimes;
mod limits;
mod lists;
mod logging;
mod login;
mod manage;
#[cfg(target_os = "linux")]
mod memory;
mod metrics;
mod moving;
mod nodes;
mod nodes_model;
mod not_given;
mod oauth;
mod openapi;
mod outages;
mod overview;
mod passed_sockets;
mod people;
mod person_links;
mod refresh;
mod replacing;
mod rotation;
mod routes;
mod seats;
mod secrets;
mod sessions;
mod settings;
mod setup;
mod signals;
mod signing;
mod sqlite;
mod stale_forms;
mod streams;
mod tls;
mod tokens;
mod transfer;
mod unix_sockets;
mod usage;
mod users;
mod verify;
