//! What `tests/nodes-proof` passes.

use std::path::PathBuf;

pub struct Options {
    /// The least number of answered revocations, and the shortest time in seconds.
    pub revocations: usize,
    pub seconds: u64,
    pub seed: u64,
    /// Who create, disable and revoke keys at the same time. Many, because while a node is cut off each change waits for
    /// its lease.
    pub users: u64,
    /// Of the namespaces' names.
    pub prefix: String,
    /// For data and logs; the databases' user can write to it.
    pub place: PathBuf,
    /// PostgreSQL's programs.
    pub postgres: PathBuf,
    pub server: PathBuf,
    pub user: String,
    /// The library that moves a node's wall clock.
    pub faketime: PathBuf,
    /// Patroni runs the databases.
    pub with_patroni: bool,
    /// Stale accepts are what is wanted.
    pub without_waiting: bool,
}

impl Options {
    pub fn from_arguments() -> Self {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let find = |name: &str| {
            let at = arguments.iter().position(|word| word == name)?;
            arguments.get(at + 1).cloned()
        };
        let text = |name: &str| find(name).unwrap_or_else(|| panic!("{name} is missing: use tests/nodes-proof"));
        let number = |name: &str| text(name).parse().unwrap_or_else(|_| panic!("{name} takes a number"));
        let is_set = |name: &str| arguments.iter().any(|word| word == name);
        Options {
            revocations: number("--revocations") as usize,
            seconds: number("--seconds"),
            seed: number("--seed"),
            users: number("--users"),
            prefix: text("--prefix"),
            place: text("--place").into(),
            postgres: text("--postgres").into(),
            server: text("--server").into(),
            user: text("--user"),
            faketime: text("--faketime").into(),
            with_patroni: is_set("--patroni"),
            without_waiting: is_set("--without-waiting"),
        }
    }
}
