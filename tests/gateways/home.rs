//! A directory with its own database, and the program's commands on it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

pub const OWNER: &str = "ada@example.com";

pub struct Home(TempDir);

pub struct Key {
    pub id: String,
    pub text: String,
}

impl Key {
    pub fn bearer(&self) -> String {
        format!("Authorization: Bearer {}", self.text)
    }
}

impl Home {
    pub fn new() -> Self {
        let home = Home(tempfile::tempdir().unwrap());
        let mut add = home.command(&["users", "add", OWNER, "--password-stdin"]);
        let mut add = add.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        add.stdin.take().unwrap().write_all(b"a long walk to the lighthouse").unwrap();
        assert!(add.wait().unwrap().success());
        home
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Where this test has the documented socket.
    pub fn socket(&self) -> PathBuf {
        self.path().join("http.sock")
    }

    /// `keybearer …` in this directory, without the test's own environment.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keybearer"));
        command.current_dir(self.path()).args(words);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("KEYBEARER_") || name == "RUST_LOG") {
            command.env_remove(name);
        }
        command
    }

    /// Runs a command that must succeed; returns its output.
    pub fn run(&self, words: &[&str]) -> String {
        let output = self.command(words).output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// A new key, with additional arguments for `keys create`.
    pub fn key(&self, words: &[&str]) -> Key {
        let create = ["keys", "create", "--owner", OWNER, "--name", "test", "--json"];
        let made: serde_json::Value = serde_json::from_str(&self.run(&[&create, words].concat())).unwrap();
        Key { id: made["id"].as_str().unwrap().to_owned(), text: made["key"].as_str().unwrap().to_owned() }
    }

    pub fn revoke(&self, key: &Key) {
        self.run(&["keys", "revoke", &key.id]);
    }

    /// A file in this directory.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

/// A file of `docs/gateways`.
pub fn documented(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/gateways").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
