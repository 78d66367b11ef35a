//! The real binary, serving from a temporary directory on a free port.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::Value;
use tempfile::TempDir;

pub const ADMIN: &str = "ada@example.com";
pub const PASSWORD: &str = "violet otter paints nine bridges";
const PATIENCE: Duration = Duration::from_secs(30);

pub struct Server {
    pub url: String,
    /// The link for the first admin; empty if a user exists already.
    pub setup_link: String,
    child: Child,
    directory: TempDir,
}

impl Server {
    /// A server without any user.
    pub fn empty() -> Self {
        Self::start(TempDir::new().unwrap(), &[], |line| line.contains("/setup?token="))
    }

    /// A server with [`ADMIN`], whose password is [`PASSWORD`].
    pub fn with_admin() -> Self {
        Self::with_admin_and(&[])
    }

    /// Like `start`, with these additional flags.
    pub fn with_admin_and(flags: &[&str]) -> Self {
        let directory = TempDir::new().unwrap();
        command(&directory, &["users", "add", ADMIN, "--admin", "--password-stdin"], PASSWORD);
        Self::start(directory, flags, |line| line.contains("keybearer is up"))
    }

    fn start(directory: TempDir, flags: &[&str], is_last_line: impl Fn(&str) -> bool) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut child = program(&directory)
            .args(["serve", "--workers", "1", "--listen", &format!("127.0.0.1:{port}")])
            .args(flags)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = lines_of(child.stderr.take().unwrap());
        let mut setup_link = String::new();
        loop {
            let line = lines.recv_timeout(PATIENCE).expect("the server says that it is up");
            if line.contains("/setup?token=") {
                setup_link = line.trim().to_owned();
            }
            if is_last_line(&line) {
                break;
            }
        }
        Server { url: format!("http://127.0.0.1:{port}"), setup_link, child, directory }
    }

    /// Runs a command while the server runs and returns its stdout, trimmed.
    pub fn command(&self, words: &[&str]) -> String {
        command(&self.directory, words, "")
    }

    pub fn add_user(&self, email: &str) {
        command(&self.directory, &["users", "add", email, "--password-stdin"], PASSWORD);
    }

    /// The API's response to this key.
    pub async fn call(&self, key: &str) -> (StatusCode, Value) {
        let url = format!("{}/api/v1/keys/current", self.url);
        let response = reqwest::Client::new().get(url).bearer_auth(key).send().await.unwrap();
        (response.status(), response.json().await.unwrap())
    }

    /// The number of keys in the database.
    pub fn keys(&self) -> usize {
        let list: Value = serde_json::from_str(&self.command(&["keys", "list", "--json"])).unwrap();
        list.as_array().unwrap().len()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it has ended already
        let _ = self.child.wait();
    }
}

/// The program as a user runs it: no setting from the tester's environment reaches it.
fn program(directory: &TempDir) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_keybearer"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("KEYBEARER_")) {
        program.env_remove(name);
    }
    program.current_dir(directory.path());
    program
}

fn command(directory: &TempDir, words: &[&str], stdin: &str) -> String {
    let mut child = program(directory)
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Keeps reading after the last expected line, so that the writer never meets a full pipe.
pub fn lines_of(stream: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let _ = sender.send(line); // nobody listens any more
        }
    });
    lines
}
