//! A directory and a database for one test, and the program's commands on them.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use keybearer::testing::DatabaseAddress;
use tempfile::TempDir;

use super::postgres::Postgres;
use super::{ADMIN, Engine, MEMBER, PASSWORD, engine, signing};

const KEYBEARER: &str = env!("CARGO_BIN_EXE_keybearer");

#[derive(Clone)]
pub struct Home(Arc<Place>);

struct Place {
    directory: TempDir,
    /// Without one, the database is a file in the directory.
    postgres: Option<Postgres>,
}

impl Home {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        if Engine::of_tests() == Engine::Postgres {
            // In the home, so that whoever owns that can read it.
            std::fs::copy(signing::keys(), directory.path().join("signing.pem")).unwrap();
        }
        Home(Arc::new(Place { directory, postgres: engine::server().map(|url| Postgres::create(&url)) }))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.directory.path().join(name)
    }

    /// The database's file, for the tests that run on SQLite only.
    pub fn database(&self) -> PathBuf {
        assert_eq!(Engine::of_tests(), Engine::Sqlite, "a test that looks at the file belongs in tests/it/sqlite");
        self.path("keybearer.db")
    }

    /// What `--database` takes.
    pub fn database_url(&self) -> String {
        match self.postgres() {
            Some(postgres) => postgres.url().to_owned(),
            None => self.database().display().to_string(),
        }
    }

    /// What `Auth::open` takes.
    pub fn address(&self) -> DatabaseAddress {
        DatabaseAddress::parse(&self.database_url()).unwrap()
    }

    pub fn postgres(&self) -> Option<&Postgres> {
        self.0.postgres.as_ref()
    }

    /// `keybearer …` on this database, in this directory, without the test's own environment.
    pub fn keybearer(&self, words: &[&str]) -> assert_cmd::Command {
        assert_cmd::Command::from_std(self.command(words))
    }

    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = self.program(KEYBEARER);
        command.args(words);
        command
    }

    /// A line for the shell, in the same surroundings; in it, `"$0"` is `keybearer`.
    pub fn shell(&self, line: &str) -> Command {
        let mut shell = self.program("sh");
        shell.args(["-c", line, KEYBEARER]);
        shell
    }

    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(name);
        command.current_dir(self.0.directory.path());
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("KEYBEARER_") || name == "RUST_LOG") {
            command.env_remove(name);
        }
        if let Some(postgres) = self.postgres() {
            // Without a database's file, no place for signing keys is beside it.
            command.env("KEYBEARER_DATABASE", postgres.url()).env("KEYBEARER_SIGNING_KEYS", self.path("signing.pem"));
        }
        command
    }

    /// `keybearer …` without any setting, for what it says about settings before it opens a database.
    pub fn without_settings(&self, words: &[&str]) -> assert_cmd::Command {
        let mut command = self.command(words);
        command.env_remove("KEYBEARER_DATABASE").env_remove("KEYBEARER_SIGNING_KEYS");
        assert_cmd::Command::from_std(command)
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
