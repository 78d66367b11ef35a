//! A disk whose sync fails: the write may or may not survive a crash. Nobody gets a wrong response about it.
//! SQLite only: here it is the program itself that syncs the file.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{ADMIN, Client, Home, MEMBER, Process, eventually};

/// While this value exists, syncs of the log fail in this process.
struct Failing(Child);

impl Failing {
    /// `when` as in strace(1): `1` for only the next one, `1+` for all.
    fn syncs(home: &Home, pid: u32, when: &str) -> Self {
        let mut command = Command::new("strace");
        command.args(["-f", "-p", &pid.to_string(), "-P"]).arg(home.path("keybearer.db-wal"));
        let inject = format!("inject=fsync,fdatasync:error=EIO:when={when}");
        command.args(["-e", "trace=fsync,fdatasync", "-e", &inject, "-o", "/dev/null"]).stderr(Stdio::piped());
        let mut strace = command.spawn().unwrap();
        let mut lines = BufReader::new(strace.stderr.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().contains("attached")), "strace may follow a process");
        std::thread::spawn(move || lines.for_each(drop)); // so that it never waits for a reader
        Failing(strace)
    }
}

impl Drop for Failing {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.0.id().to_string()).status(); // it may have ended with its process
        let _ = self.0.wait();
    }
}

/// A server with keys and people on which each of `CHANGES` can be tested.
struct Stage {
    home: Home,
    server: Process,
    manager: String,
    ids: [String; 3],
    keys: [String; 3],
}

/// The change: method, path (`0`, `1`, `2` stand for a key's id, `u` for the member's), body.
const CHANGES: [(&str, &str, &str); 5] = [
    ("POST", "/api/v1/keys", r#"{"name":"never seen","scopes":["orders:read"],"expires_in":"1d"}"#),
    ("DELETE", "/api/v1/keys/0", ""),
    ("PATCH", "/api/v1/keys/1", r#"{"enabled":false}"#),
    ("PATCH", "/api/v1/keys/2", r#"{"enabled":true}"#),
    ("PATCH", "/api/v1/users/u", r#"{"active":false}"#),
];

impl Stage {
    async fn set() -> Self {
        let home = Home::new();
        home.add_admin();
        home.add_member();
        let scopes = ["keybearer:keys", "keybearer:users", "orders:*"];
        let scopes: Vec<&str> = scopes.iter().flat_map(|scope| ["--scope", scope]).collect();
        let words = ["keys", "create", "--owner", ADMIN, "--name", "manager", "--expires", "never"];
        let words = [&words[..], &scopes].concat();
        let manager = home.run(&words);
        let made = [home.create_key(MEMBER, "0"), home.create_key(ADMIN, "1"), home.create_key(ADMIN, "2")];
        home.run(&["keys", "disable", &made[2].0]);
        let (ids, keys) = (made.clone().map(|(id, _)| id), made.map(|(_, key)| key));
        let server = Self::serve(&home, &manager).await;
        Stage { home, server, manager, ids, keys }
    }

    /// Waits until it writes nothing of its own: the file is marked as in use, and a write was acknowledged since.
    async fn serve(home: &Home, own: &str) -> Process {
        let server = Process::serve(home);
        let is_marked = async || std::fs::read(home.database()).unwrap()[63] & 1 == 1;
        eventually(Duration::from_secs(20), "the file is marked as in use", is_marked).await;
        let manager = server.bearer(own);
        let id = manager.get("/api/v1/keys/current").await.json()["id"].as_str().unwrap().to_owned();
        let rename = manager.request("PATCH", &format!("/api/v1/keys/{id}")).header("content-type", "application/json");
        assert_eq!(manager.send(rename.body(r#"{"name":"manager"}"#)).await.status, 200);
        server
    }

    async fn change(&self, (method, path, body): (&str, &str, &str)) -> (u16, String) {
        let manager = self.server.bearer(&self.manager);
        let mut path = path.to_owned();
        for (at, id) in self.ids.iter().enumerate() {
            path = path.replace(&format!("keys/{at}"), &format!("keys/{id}"));
        }
        if path.ends_with("/u") {
            let users = manager.get(&format!("/api/v1/users?search={MEMBER}")).await.json();
            path = path.replace("users/u", &format!("users/{}", users["users"][0]["id"].as_str().unwrap()));
        }
        let request = manager.request(method, &path).header("content-type", "application/json").body(body.to_owned());
        let answer = manager.send(request).await;
        if answer.status != 503 {
            return (answer.status, String::new());
        }
        assert_eq!(answer.problem().1, "unavailable");
        assert!(!answer.header("retry-after").is_empty());
        (503, answer.json()["detail"].as_str().unwrap().to_owned())
    }

    /// Everything that the changes could have changed: which keys are accepted, and what is listed.
    async fn state(&self) -> Value {
        let mut opened = Vec::new();
        for key in &self.keys {
            opened.push(self.server.tries(key).await);
        }
        let manager: Client = self.server.bearer(&self.manager);
        let mut keys = manager.get("/api/v1/keys").await.json();
        for key in keys["keys"].as_array_mut().unwrap() {
            key["last_used_at"] = Value::Null;
            key["last_used"] = Value::Null;
        }
        json!([opened, keys, manager.get("/api/v1/users").await.json()])
    }

    /// `kill -9`, then another server on the remaining files.
    async fn restart(self) -> Self {
        let Stage { home, server, manager, ids, keys } = self;
        server.kill();
        let server = Self::serve(&home, &manager).await;
        Stage { home, server, manager, ids, keys }
    }
}

#[tokio::test]
async fn a_change_whose_sync_fails_once_is_undone_or_repeated_before_the_response() {
    let mut stage = Stage::set().await;
    for change in CHANGES {
        // What takes something away is tried again at once.
        let is_withdrawal = change.0 == "DELETE" || change.2.contains("false");
        let (before, status, detail, after) = loop {
            let before = stage.state().await;
            let failing = Failing::syncs(&stage.home, stage.server.pid(), "1");
            let (status, detail) = stage.change(change).await;
            drop(failing);
            let after = stage.state().await;
            // The sync that failed may have been that of usage counts.
            if status == 503 || is_withdrawal || !stage.server.log().contains("cannot write usage counts") {
                break (before, status, detail, after);
            }
            stage = stage.restart().await;
        };
        if is_withdrawal {
            assert!(status < 300 && after != before, "{change:?}: {status}");
        } else {
            assert_eq!((status, &after), (503, &before), "{change:?}");
            assert!(detail.contains("Nothing was changed"), "{change:?}: {detail}");
        }
        stage = stage.restart().await;
        assert_eq!(stage.state().await, after, "{change:?}, after a restart");
    }
    stage.home.run(&["check"]);
}

#[tokio::test]
async fn a_change_whose_syncs_all_fail_is_reported_as_unknown_and_is_gone_after_a_restart() {
    let mut stage = Stage::set().await;
    let before = stage.state().await;
    for change in CHANGES {
        let failing = Failing::syncs(&stage.home, stage.server.pid(), "1+");
        let (status, detail) = stage.change(change).await;
        assert_eq!(status, 503, "{change:?}");
        assert!(detail.contains("unknown") && !detail.contains("Nothing was changed"), "{change:?}: {detail}");
        assert_eq!(stage.state().await, before, "{change:?}");
        assert_eq!(stage.server.anon().get("/readyz").await.status, 503);
        stage = stage.restart().await;
        drop(failing);
        assert_eq!(stage.state().await, before, "{change:?}, after a restart");
    }
    stage.home.run(&["check"]);
    stage.home.run(&["events", "verify"]);
}

#[tokio::test]
async fn a_server_continues_without_loss_once_its_disk_syncs_again() {
    let mut stage = Stage::set().await;
    let before = stage.state().await;
    let failing = Failing::syncs(&stage.home, stage.server.pid(), "1+");
    for change in CHANGES {
        assert_eq!(stage.change(change).await.0, 503, "{change:?}");
    }
    drop(failing);
    let is_ready = async || stage.server.anon().get("/readyz").await.status == 200;
    eventually(Duration::from_secs(10), "it heals", is_ready).await;
    assert_eq!(stage.state().await, before);
    assert_eq!(stage.change(CHANGES[1]).await.0, 204);
    let after = stage.state().await;
    assert_ne!(after, before);
    stage = stage.restart().await;
    assert_eq!(stage.state().await, after, "what succeeded is not taken back");
    stage.home.run(&["check"]);
}

#[tokio::test]
async fn uses_whose_write_fails_are_counted_once() {
    let home = Home::new();
    home.add_admin();
    let (_, key) = home.create_key(ADMIN, "one");
    let server = Process::serve(&home);
    let failing = Failing::syncs(&home, server.pid(), "1+");
    for _ in 0..20 {
        assert_eq!(server.tries(&key).await, 200);
    }
    let has_failed = async || server.log().contains("cannot write usage counts");
    eventually(Duration::from_secs(20), "the write of the counts fails", has_failed).await;
    drop(failing);
    for _ in 0..20 {
        assert_eq!(server.tries(&key).await, 200);
    }
    server.signal("TERM");
    server.stopped_log();
    let count = "SELECT sum(count) FROM key_hourly_use";
    assert_eq!(home.sqlite().query_row(count, [], |row| row.get::<_, i64>(0)).unwrap(), 40);
}

/// A command alone: the first sync of its log is that of the log's header.
#[tokio::test]
async fn a_command_whose_sync_fails_says_that_the_outcome_is_unknown_and_changes_nothing() {
    let home = Home::new();
    home.add_admin();
    home.add_member();
    let (id, key) = home.create_key(MEMBER, "n");
    for (when, words) in [
        ("2+", &["keys", "revoke", &id][..]),
        ("2+", &["keys", "disable", &id]),
        ("2+", &["keys", "create", "--owner", ADMIN, "--name", "never seen"]),
        ("2+", &["users", "deactivate", MEMBER]),
        ("1+", &["keys", "revoke", &id]),
    ] {
        let command = home.command(words);
        let mut strace = Command::new("strace");
        strace.args(["-f", "-qq", "-P"]).arg(home.path("keybearer.db-wal")).args(["-o", "/dev/null"]);
        strace.args(["-e", "trace=fsync,fdatasync", "-e", &format!("inject=fsync,fdatasync:error=EIO:when={when}")]);
        strace.arg(command.get_program()).args(command.get_args()).current_dir(home.path(""));
        let output = strace.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(1), &b""[..]), "{words:?}: {said}");
        assert!(said.contains("unknown") && !said.contains("Nothing was changed"), "{words:?}: {said}");
        let server = Process::serve(&home);
        assert_eq!(server.tries(&key).await, 200, "{words:?}");
        assert!(!home.run(&["keys", "list"]).contains("never seen"), "{words:?}");
        server.signal("TERM"); // so that the next command begins a log
        server.end();
    }
    home.run(&["check"]);
}
