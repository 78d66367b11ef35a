//! A change is on the disk before it is acknowledged.
//! SQLite only: here it is the program itself that syncs the file.

use std::process::Command;
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::harness::{ADMIN, Home, Process, bytes, eventually};

/// A change made in the database is noticed within a second, on a busy machine slightly later.
const SOON: Duration = Duration::from_millis(1500);

#[tokio::test]
async fn a_change_is_synced_before_it_is_acknowledged() {
    let home = Home::new();
    home.add_admin();
    let (_, key) = home.create_key(ADMIN, "n");
    let trace = home.path("trace");
    let serve = home.command(&["serve", "--listen", "127.0.0.1:0", "--workers", "1"]);
    let mut command = Command::new("strace");
    command
        .args(["-f", "-y", "-e", "trace=fsync,fdatasync,pwrite64,sendto,write,writev,sendmsg", "-s", "64", "-o"])
        .arg(&trace);
    command.arg(serve.get_program()).args(serve.get_args()).current_dir(serve.get_current_dir().unwrap());
    let server = Process::of(command);
    assert_eq!(server.bearer(&key).call("DELETE", "/api/v1/keys/current").await.status, 204);
    // A killed strace would leave the server behind; the lock file names it.
    let pid = std::fs::read_to_string(home.path("keybearer.db-lock")).unwrap();
    assert!(Command::new("kill").args(["-9", pid.trim()]).status().unwrap().success());
    drop(server);
    let trace = std::fs::read_to_string(&trace).unwrap();
    let lines: Vec<&str> = trace.lines().collect();
    let answered = lines.iter().position(|line| line.contains("HTTP/1.1 204")).expect("the answer was sent");
    let before = &lines[..answered];
    let written = before.iter().rposition(|line| line.contains("pwrite64(") && line.contains("-wal>")).unwrap();
    let synced = before[written..].iter().any(|line| line.contains(" fdatasync(") && line.contains("-wal>"));
    assert!(synced, "{}", before[written..].join("\n"));
    // A file's times are not worth a second write: `fsync` is for directories.
    let waited: Vec<_> =
        lines.iter().filter(|line| line.contains(" fsync(") && line.contains("keybearer.db")).collect();
    assert!(waited.is_empty(), "{waited:?}");
}

#[tokio::test]
async fn a_command_killed_after_its_commit_has_revoked_the_key() {
    let home = Home::new();
    home.add_admin();
    let server = Process::serve(&home);
    // Killed at its first, second, … sync: before, at and after the commit.
    for number in 1..8 {
        let (id, key) = home.create_key(ADMIN, "n");
        assert_eq!(server.tries(&key).await, 200);
        let revoke = home.command(&["keys", "revoke", &id]);
        let mut command = Command::new("strace");
        command.args(["-f", "-o", "/dev/null", "-e", "trace=fsync,fdatasync"]);
        command.args(["-e", &format!("inject=fsync,fdatasync:signal=KILL:when={number}")]);
        command.arg(revoke.get_program()).args(revoke.get_args()).current_dir(revoke.get_current_dir().unwrap());
        command.output().unwrap();
        let digest = bytes(Sha256::digest(key.as_bytes()));
        let lives = home.number(format!("SELECT count(*) FROM keys WHERE digest = {digest}"));
        let expected = if lives == 1 { 200 } else { 401 };
        eventually(SOON, "the server follows the database", async || server.tries(&key).await == expected).await;
    }
}
