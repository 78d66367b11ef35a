//! A directory for one test, with the database in it, and the program's commands on it.

use std::path::PathBuf;
use std::sync::Arc;

use tempfile::TempDir;

use super::{ADMIN, MEMBER, PASSWORD};

#[derive(Clone)]
pub struct Home(Arc<TempDir>);

impl Home {
    pub fn new() -> Self {
        Home(Arc::new(tempfile::tempdir().unwrap()))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn database(&self) -> PathBuf {
        self.path("keybearer.db")
    }

    /// A direct connection to the database file, as from the sqlite3 shell.
    pub fn sqlite(&self) -> rusqlite::Connection {
        let db = rusqlite::Connection::open(self.database()).unwrap();
        db.busy_timeout(std::time::Duration::from_secs(5)).unwrap();
        db
    }

    /// `keybearer …` on this database, in this directory, without the test's own environment.
    pub fn keybearer(&self, words: &[&str]) -> assert_cmd::Command {
        assert_cmd::Command::from_std(self.command(words))
    }

    pub fn command(&self, words: &[&str]) -> std::process::Command {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_keybearer"));
        command.current_dir(self.0.path()).args(words);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("KEYBEARER_") || name == "RUST_LOG") {
            command.env_remove(name);
        }
        command
    }

    /// Runs a command that must succeed; returns its output.
    pub fn run(&self, words: &[&str]) -> String {
        let output = self.keybearer(words).assert().success().get_output().stdout.clone();
        String::from_utf8(output).unwrap().trim_end().to_owned()
    }

    pub fn add_admin(&self) {
        self.keybearer(&["users", "add", ADMIN, "--admin", "--password-stdin"])
            .write_stdin(PASSWORD)
            .assert()
            .success();
    }

    pub fn add_member(&self) {
        self.keybearer(&["users", "add", MEMBER, "--password-stdin"]).write_stdin(PASSWORD).assert().success();
    }

    /// Creates a key on the command line; returns its id and its text.
    pub fn create_key(&self, owner: &str, name: &str) -> (String, String) {
        let made = self.run(&["keys", "create", "--owner", owner, "--name", name, "--json"]);
        let made: serde_json::Value = serde_json::from_str(&made).unwrap();
        (made["id"].as_str().unwrap().to_owned(), made["key"].as_str().unwrap().to_owned())
    }
}
