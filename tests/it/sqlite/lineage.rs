//! Detecting an older copy of the database: it is not served, and the newest one is never refused.
//! SQLite only: a file can be copied, and an older copy put in its place.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

use crate::harness::{ADMIN, Client, Home, MEMBER, Process, eventually};

const SERVE: [&str; 3] = ["serve", "--listen", "127.0.0.1:0"];

fn beside(home: &Home, suffix: &str) -> PathBuf {
    home.path(&format!("keybearer.db{suffix}"))
}

fn run(home: &Home, words: &[&str]) -> Output {
    // One that serves would go on for ever.
    home.keybearer(words).timeout(Duration::from_secs(60)).output().unwrap()
}

fn said(output: &Output) -> String {
    [&output.stdout[..], &output.stderr[..]].map(String::from_utf8_lossy).concat()
}

/// The files in the folder, with their content.
fn content(home: &Home) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(home.path("")).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries.map(|path| (path.display().to_string(), fs::read(&path).unwrap())).collect();
    files.sort();
    files
}

/// Asserts that every command refuses it with the same message and changes neither the file nor its log.
fn assert_refused(home: &Home, id: &str, words: &[&str]) {
    let files = || ["", "-wal"].map(|suffix| fs::read(beside(home, suffix)).ok());
    let before = files();
    for command in
        [&SERVE[..], &["keys", "revoke", id], &["keys", "list"], &["users", "list"], &["events", "verify"], &["check"]]
    {
        let output = run(home, command);
        assert_eq!(output.status.code(), Some(1), "{command:?}: {}", said(&output));
        for word in words {
            assert!(said(&output).contains(word), "{command:?} says {word:?}: {}", said(&output));
        }
        assert!(!said(&output).contains("is sound"), "{command:?}: {}", said(&output));
    }
    assert!(files() == before, "the files are as they were put there");
}

/// A home whose database has an older copy, `old.db`, in which the key is live; it has been revoked since.
async fn with_older_copy() -> (Home, String, String) {
    let home = Home::new();
    home.add_admin();
    let (id, key) = home.create_key(ADMIN, "n");
    fs::copy(home.database(), home.path("old.db")).unwrap();
    home.run(&["keys", "revoke", &id]);
    (home, id, key)
}

#[tokio::test]
async fn an_older_copy_of_the_database_is_refused_until_the_operator_accepts_it() {
    let (home, id, key) = with_older_copy().await;
    fs::copy(home.path("old.db"), home.database()).unwrap();
    assert_refused(&home, &id, &["older", "keybearer.db"]);
    let refused = run(&home, &SERVE);
    assert!(said(&refused).contains("--accept-older-database"), "{}", said(&refused));

    let server = Process::of(home.command(&[&SERVE[..], &["--accept-older-database"]].concat()));
    assert_eq!(server.tries(&key).await, 200, "as the operator wished");
    let events = home.run(&["events", "list", "--json"]);
    assert!(events.contains("database.replaced") && events.contains("an older copy"), "{events}");
    server.kill();
    let server = Process::serve(&home);
    assert_eq!(server.tries(&key).await, 200, "the question is asked once");
    drop(server);
    home.run(&["check"]);
    // It is asked again of another older copy.
    home.run(&["keys", "revoke", &id]);
    fs::copy(home.path("old.db"), home.database()).unwrap();
    assert_refused(&home, &id, &["older"]);
}

#[tokio::test]
async fn an_older_copy_is_refused_however_the_server_stopped() {
    for signal in ["TERM", "KILL"] {
        let home = Home::new();
        home.add_admin();
        let (id, key) = home.create_key(ADMIN, "n");
        fs::copy(home.database(), home.path("old.db")).unwrap();
        home.create_key(ADMIN, "later"); // else the log may hold all that the copy lacks, and make it whole
        let server = Process::serve(&home);
        assert_eq!(server.bearer(&key).call("DELETE", "/api/v1/keys/current").await.status, 204);
        if signal == "KILL" {
            // Under the running server, by another file.
            fs::rename(home.path("old.db"), home.database()).unwrap();
            let cannot_tell = async || server.tries(&key).await == 503;
            eventually(Duration::from_secs(5), "it is noticed", cannot_tell).await;
        }
        server.signal(signal);
        server.end();
        if signal == "TERM" {
            fs::rename(home.path("old.db"), home.database()).unwrap();
        }
        assert_refused(&home, &id, &["keybearer.db"]);
        for suffix in ["-wal", "-shm"] {
            let _ = fs::remove_file(beside(&home, suffix)); // as the message about them says
        }
        assert_refused(&home, &id, &["older"]);
    }
}

#[tokio::test]
async fn a_copy_that_was_changed_separately_is_refused() {
    let (home, id, _) = with_older_copy().await;
    let name = home.path("old.db").display().to_string();
    for number in 0..20 {
        run(&home, &["--database", &name, "keys", "create", "--owner", ADMIN, "--name", &format!("n{number}")]);
    }
    fs::copy(home.path("old.db"), home.database()).unwrap();
    assert_refused(&home, &id, &["event", "differs"]);
}

#[tokio::test]
async fn a_database_that_lost_its_log_is_refused() {
    let home = Home::new();
    home.add_admin();
    let (id, key) = home.create_key(ADMIN, "n");
    let server = Process::serve(&home);
    assert_eq!(server.bearer(&key).call("DELETE", "/api/v1/keys/current").await.status, 204);
    server.kill();
    let wal = fs::read(beside(&home, "-wal")).unwrap();
    fs::remove_file(beside(&home, "-wal")).unwrap();
    fs::remove_file(beside(&home, "-shm")).unwrap();
    assert_refused(&home, &id, &["older"]);
    fs::write(beside(&home, "-wal"), wal).unwrap();
    let server = Process::serve(&home);
    assert_eq!(server.tries(&key).await, 401, "with its log it is whole");
}

#[tokio::test]
async fn an_older_file_with_a_newer_log_is_refused_before_they_are_mixed() {
    let home = Home::new();
    home.add_admin();
    let (id, key) = home.create_key(ADMIN, "n");
    fs::copy(home.database(), home.path("old.db")).unwrap();
    for round in 0..3 {
        home.create_key(ADMIN, &format!("later {round}"));
    }
    let server = Process::serve(&home);
    assert_eq!(server.bearer(&key).call("DELETE", "/api/v1/keys/current").await.status, 204);
    server.kill();
    let right = fs::read(home.database()).unwrap();
    fs::copy(home.path("old.db"), home.database()).unwrap();
    assert_refused(&home, &id, &["do not belong together", "-wal"]);
    // Without `-rev`, too: the two files say it themselves.
    fs::remove_file(beside(&home, "-rev")).unwrap();
    assert_refused(&home, &id, &["do not belong together", "-wal"]);
    fs::write(home.database(), right).unwrap();
    let server = Process::serve(&home);
    assert_eq!(server.tries(&key).await, 401);
    drop(server);
    home.run(&["check"]);
    home.run(&["events", "verify"]);
}

#[tokio::test]
async fn a_newer_file_with_an_older_log_is_refused() {
    let home = Home::new();
    home.add_admin();
    let server = Process::serve(&home);
    let (id, _) = home.create_key(ADMIN, "n");
    let admin = Client::signed_in(server.address, ADMIN).await;
    admin.make_key("in the log").await;
    server.kill();
    let wal = fs::read(beside(&home, "-wal")).unwrap();
    assert!(!wal.is_empty());
    home.run(&["keys", "list"]);
    home.create_key(ADMIN, "later");
    fs::write(beside(&home, "-wal"), wal).unwrap();
    assert_refused(&home, &id, &["do not belong together"]);
    fs::remove_file(beside(&home, "-wal")).unwrap();
    home.run(&["check"]);
}

/// `.restore` of the sqlite3 shell, and every program that uses SQLite's backup interface.
#[tokio::test]
async fn an_older_copy_written_into_the_running_database_is_not_served() {
    let (home, id, key) = with_older_copy().await;
    let server = Process::serve(&home);
    assert_eq!(server.tries(&key).await, 401);
    let old = rusqlite::Connection::open(home.path("old.db")).unwrap();
    let mut database = home.sqlite();
    let restoring = rusqlite::backup::Backup::new(&old, &mut database).unwrap();
    restoring.run_to_completion(1_000, Duration::ZERO, None).unwrap();
    drop(restoring);
    drop((old, database));
    let is_refused = async || server.tries(&key).await == 503;
    eventually(Duration::from_secs(10), "the server notices", is_refused).await;
    assert_eq!(server.anon().get("/readyz").await.status, 503);
    let revoked = run(&home, &["keys", "revoke", &id]);
    assert!(revoked.status.code() == Some(1) && said(&revoked).contains("older"), "{}", said(&revoked));
    server.signal("TERM");
    let log = server.stopped_log();
    assert!(log.contains("is older than the database that was here"), "{log}");
    assert_refused(&home, &id, &["older"]);
}

/// A folder that was copied completely once, and then only its database again.
#[tokio::test]
async fn an_older_companion_file_does_not_hide_a_missing_log() {
    for was_killed in [false, true] {
        let home = Home::new();
        home.add_admin();
        let (id, key) = home.create_key(ADMIN, "n");
        let first = Process::serve(&home);
        if was_killed {
            first.kill();
        } else {
            first.signal("TERM");
            first.end();
        }
        let standby = Home::new();
        for (path, bytes) in content(&home) {
            fs::write(standby.path(path.rsplit('/').next().unwrap()), bytes).unwrap();
        }
        standby.run(&["check"]);
        let server = Process::serve(&home);
        assert_eq!(server.bearer(&key).call("DELETE", "/api/v1/keys/current").await.status, 204);
        fs::copy(home.database(), standby.database()).unwrap();
        assert_refused(&standby, &id, &["log"]);
        drop(server);
        // Where it belongs, with its log, it is whole.
        home.run(&["check"]);
        assert_eq!(Process::serve(&home).tries(&key).await, 401);
    }
}

#[tokio::test]
async fn a_copy_without_its_log_is_distinguished_from_one_with_it() {
    let home = Home::new();
    home.add_admin();
    let (id, key) = home.create_key(ADMIN, "n");
    let server = Process::serve(&home);
    assert_eq!(fs::read(home.database()).unwrap()[63] & 1, 1, "whoever is answered can tell such a copy");
    assert_eq!(server.bearer(&key).call("DELETE", "/api/v1/keys/current").await.status, 204);
    let copies = Home::new();
    let copy = copies.database();

    fs::copy(home.database(), &copy).unwrap();
    let alone = content(&copies);
    let checked = run(&copies, &["check"]);
    assert_eq!(checked.status.code(), Some(1));
    assert!(said(&checked).contains("log") && said(&checked).contains("missing"), "{}", said(&checked));
    assert!(content(&copies) == alone, "a look at a copy leaves nothing beside it");
    let refused = run(&copies, &["keys", "revoke", &id]);
    assert!(said(&refused).contains("missing") && refused.status.code() == Some(1), "{}", said(&refused));
    copies.run(&["events", "list", "--accept-older-database"]);
    assert!(copies.run(&["events", "list"]).contains("database.replaced"));

    let whole = Home::new();
    fs::copy(home.database(), whole.database()).unwrap();
    fs::copy(beside(&home, "-wal"), beside(&whole, "-wal")).unwrap();
    let with_log = content(&whole);
    whole.run(&["check"]);
    assert!(content(&whole) == with_log, "nor merges its log");
    assert_eq!(Process::serve(&whole).tries(&key).await, 401);

    let by_sqlite = Home::new();
    home.sqlite().execute("VACUUM INTO ?1", [by_sqlite.database().display().to_string()]).unwrap();
    by_sqlite.run(&["check"]);
    assert_eq!(Process::serve(&by_sqlite).tries(&key).await, 401);

    server.signal("TERM");
    server.end();
    let later = Home::new();
    fs::copy(home.database(), later.database()).unwrap();
    later.run(&["check"]);
    assert_eq!(Process::serve(&later).tries(&key).await, 401);
}

#[tokio::test]
async fn the_file_is_marked_as_in_use_after_a_checkpoint_by_any_process() {
    let home = Home::new();
    home.add_admin();
    let server = Process::serve(&home);
    let is_marked = async || fs::read(home.database()).unwrap()[63] & 1 == 1;
    for _ in 0..3 {
        eventually(Duration::from_secs(10), "the file is marked as in use", is_marked).await;
        let (_, key) = home.create_key(ADMIN, "n");
        home.sqlite().query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
        assert_eq!(server.tries(&key).await, 200);
    }
    eventually(Duration::from_secs(10), "the file is marked as in use", is_marked).await;
    server.kill();
    home.run(&["check"]);
}

#[test]
fn a_missing_database_is_not_created_again_by_mistake() {
    let home = Home::new();
    home.add_admin();
    fs::rename(home.database(), home.path("elsewhere")).unwrap();
    for words in [&SERVE[..], &["users", "add", MEMBER]] {
        let refused = run(&home, words);
        assert_eq!(refused.status.code(), Some(1));
        assert!(said(&refused).contains("keybearer.db-rev"), "{}", said(&refused));
    }
    assert!(!home.database().exists());
    fs::remove_file(beside(&home, "-rev")).unwrap();
    home.add_admin();
}

#[tokio::test]
async fn an_older_copy_is_accepted_if_nothing_can_prove_its_age() {
    let (home, _, key) = with_older_copy().await;
    fs::copy(home.path("old.db"), home.database()).unwrap();
    fs::remove_file(beside(&home, "-rev")).unwrap();
    home.run(&["check"]);
    assert_eq!(Process::serve(&home).tries(&key).await, 200);
    // As an earlier version left it: a counter, and nothing to compare with.
    let earlier = Home::new();
    fs::copy(home.path("old.db"), earlier.database()).unwrap();
    fs::write(beside(&earlier, "-rev"), 7_u64.to_ne_bytes()).unwrap();
    assert_eq!(Process::serve(&earlier).tries(&key).await, 200);
}

/// A server that is killed at any instant of its startup leaves a file that is complete once an SQLite shell has
/// checkpointed its log.
#[tokio::test]
async fn a_server_killed_at_any_write_leaves_a_database_that_is_accepted_after_a_shell() {
    let home = Home::new();
    home.add_admin();
    let (_, key) = home.create_key(ADMIN, "n");
    for when in 1..14 {
        let listen = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let command = home.command(&["serve", "--listen", &listen]);
        let mut strace = Command::new("strace");
        strace.args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync,fdatasync,msync,pwrite64"]);
        strace.args(["-e", &format!("inject=fsync,fdatasync,msync,pwrite64:signal=KILL:when={when}")]);
        strace.arg(command.get_program()).args(command.get_args()).current_dir(home.path(""));
        let mut strace = strace.stderr(std::process::Stdio::null()).spawn().unwrap();
        let client = Client::anon(listen.parse().unwrap());
        let over = std::cell::RefCell::new(&mut strace);
        let is_over = async || {
            let has_ended = over.borrow_mut().try_wait().unwrap().is_some();
            has_ended || client.tries("GET", "/livez").await.is_some()
        };
        eventually(Duration::from_secs(60), "it is killed, or up", is_over).await;
        // A killed strace would leave the server behind; the lock file names it.
        if let Ok(pid) = fs::read_to_string(beside(&home, "-lock")) {
            let _ = Command::new("kill").args(["-9", pid.trim()]).stderr(std::process::Stdio::null()).status();
        }
        strace.wait().unwrap();
        let shell = home.sqlite();
        shell.query_row("SELECT count(*) FROM keys", [], |_| Ok(())).unwrap();
        drop(shell);
        assert!(!beside(&home, "-wal").exists(), "the shell has brought it into the file");
        home.run(&["check"]);
        home.run(&["keys", "list"]);
    }
    assert_eq!(Process::serve(&home).tries(&key).await, 200);
}

/// The same while the server marks its file repeatedly.
#[tokio::test]
async fn copies_that_sqlite_makes_of_a_running_database_are_complete() {
    let home = Home::new();
    home.add_admin();
    let (_, key) = home.create_key(ADMIN, "n");
    let server = Process::serve(&home);
    let shell = home.sqlite();
    for number in 0..40 {
        shell.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
        std::thread::sleep(Duration::from_millis(number * 7 % 230));
        let copy = Home::new();
        if number % 2 == 0 {
            shell.execute("VACUUM INTO ?1", [copy.database().display().to_string()]).unwrap();
        } else {
            shell.backup("main", copy.database(), None::<fn(rusqlite::backup::Progress)>).unwrap();
        }
        copy.run(&["check"]);
        if number > 35 {
            assert_eq!(Process::serve(&copy).tries(&key).await, 200);
        }
    }
    server.kill();
}

/// A command that is killed at any instant leaves a database that the next command opens.
#[test]
fn a_command_killed_at_any_sync_leaves_a_database_that_is_accepted() {
    let home = Home::new();
    home.add_admin();
    for when in 1..12 {
        let words = ["keys", "create", "--owner", ADMIN, "--name", "n"];
        let command = home.command(&words);
        let mut strace = Command::new("strace");
        strace.args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync,fdatasync,pwrite64"]);
        strace.args(["-e", &format!("inject=fsync,fdatasync,pwrite64:signal=KILL:when={when}")]);
        strace.arg(command.get_program()).args(command.get_args()).current_dir(home.path(""));
        let _ = strace.output().unwrap();
        home.run(&["check"]);
        home.run(&["keys", "list"]);
    }
}
