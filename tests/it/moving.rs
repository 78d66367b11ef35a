//! `keybearer copy` to a file, from a database on either engine. `nodes::moving` copies to PostgreSQL.

use std::process::Output;

use crate::harness::{ADMIN, Client, Home, MEMBER, Process, rounds};

const SERVE: [&str; 3] = ["serve", "--listen", "127.0.0.1:0"];

fn copy(home: &Home) -> Output {
    let from = home.database_url();
    let to = home.path("moved.db").display().to_string();
    home.keybearer(&["copy", "--from", &from, "--to", &to, "--without-signing-keys", "--json"]).output().unwrap()
}

fn said(output: &Output) -> String {
    [&output.stdout[..], &output.stderr[..]].map(String::from_utf8_lossy).concat()
}

fn refused(home: &Home, words: &[&str], reason: &str) {
    let output = home.keybearer(words).output().unwrap();
    assert!(output.status.code() == Some(1) && said(&output).contains(reason), "{words:?}: {}", said(&output));
}

/// The words, on the copy.
fn on_copy<'a>(words: &[&'a str]) -> Vec<&'a str> {
    [&["--database", "moved.db"], words].concat()
}

#[tokio::test]
async fn a_copy_has_everything_and_the_source_is_used_no_more() {
    let home = Home::new();
    home.add_admin();
    home.add_member();
    let (live, gone) = (home.create_key(ADMIN, "live"), home.create_key(MEMBER, "gone"));
    let server = Process::ready(&home).await;
    let admin = Client::signed_in(server.address, ADMIN).await;
    assert_eq!(server.tries(&live.1).await, 200);
    assert_eq!(copy(&home).status.code(), Some(1), "a server is using it");
    assert!(!home.path("moved.db").exists());
    server.signal("TERM");
    assert!(server.end().success());
    home.run(&["keys", "revoke", &gone.0]);
    let lists: [&[&str]; 3] = [&["keys", "list"], &["users", "list"], &["keys", "export"]];
    let before = lists.map(|words| home.run(&[words, &["--json"]].concat()));
    let events = home.number("SELECT count(*) FROM events");

    let copied = copy(&home);
    assert!(copied.status.success(), "{}", said(&copied));
    let rows: serde_json::Value = serde_json::from_slice(&copied.stdout).unwrap();
    let rows = |table: &str| rows["rows"][table].as_i64().unwrap();
    assert_eq!(["users", "keys", "tombstones", "sessions", "key_last_use"].map(rows), [2, 1, 1, 1, 1]);
    assert_eq!(rows("events"), events);

    for words in [&SERVE[..], &["keys", "list"], &["keys", "revoke", &live.0], &["events", "list"]] {
        refused(&home, words, "was moved to");
    }
    assert!(said(&copy(&home)).contains("was moved to"));
    let after = lists.map(|words| home.run(&on_copy(&[words, &["--json"]].concat())));
    assert_eq!(after, before);
    home.run(&on_copy(&["check"]));
    assert!(home.run(&on_copy(&["events", "list"])).contains("database.moved"));
    let line = format!("{{\"sha256\":\"{}\",\"owner\":\"{ADMIN}\",\"name\":\"n\"}}", digest(&gone.1));
    std::fs::write(home.path("old.jsonl"), line).unwrap();
    refused(&home, &on_copy(&["keys", "import", "old.jsonl"]), "was revoked on");
    let server = Process::of(home.command(&on_copy(&SERVE)));
    assert_eq!((server.tries(&live.1).await, server.tries(&gone.1).await), (200, 401));
    let again = server.anon();
    *again.cookies.lock().unwrap() = admin.cookies.lock().unwrap().clone();
    assert_eq!(again.get("/keys").await.status, 200, "who was signed in still is");
}

fn digest(key: &str) -> String {
    hex::encode(keybearer::testing::Digest::of(key.as_bytes()).as_bytes())
}

#[test]
fn a_moved_database_is_used_again_once_the_operator_accepts_it() {
    let home = Home::new();
    home.add_admin();
    assert!(copy(&home).status.success());
    refused(&home, &["keys", "list"], "--accept-older-database");
    home.run(&["keys", "list", "--accept-older-database"]);
    assert!(home.run(&["events", "list"]).contains("database.replaced"), "the question is asked once");
}

#[test]
fn a_damaged_database_and_an_existing_destination_are_refused() {
    let home = Home::new();
    home.add_admin();
    for name in ["moved.db", "moved.db-signing"] {
        std::fs::write(home.path(name), "mine").unwrap();
        assert!(said(&copy(&home)).contains("already exists"));
        assert_eq!(std::fs::read(home.path(name)).unwrap(), b"mine");
        std::fs::remove_file(home.path(name)).unwrap();
    }
    assert!(!home.path("keybearer.db-wal").exists(), "the database was closed");
    home.execute("UPDATE events SET object = 'someone else'");
    assert!(said(&copy(&home)).contains("is damaged"));
    let left: Vec<_> = std::fs::read_dir(home.path("")).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().starts_with("moved")), "{left:?}");
}

/// At any moment there is the source alone, or a complete copy.
#[test]
fn a_copy_that_is_killed_leaves_nothing_half_done() {
    let home = Home::new();
    home.add_admin();
    let lines = (0..3000).map(|number| {
        format!("{{\"sha256\":\"{}\",\"owner\":\"{ADMIN}\",\"name\":\"n\"}}\n", digest(&number.to_string()))
    });
    std::fs::write(home.path("keys.jsonl"), lines.collect::<String>()).unwrap();
    home.run(&["keys", "import", "keys.jsonl"]);
    let from = home.database_url();
    let began = std::time::Instant::now();
    assert!(copy(&home).status.success());
    let whole = began.elapsed();
    home.run(&["keys", "list", "--accept-older-database"]);
    let kills = rounds("KILLS", 6);
    for round in 0..kills {
        for name in ["moved.db", "moved.db-reserve", "moved.db-rev"] {
            let _ = std::fs::remove_file(home.path(name)); // from the round before
        }
        let words = ["copy", "--from", &from, "--to", "moved.db", "--without-signing-keys"];
        let mut command = home.command(&words).stderr(std::process::Stdio::null()).spawn().unwrap();
        std::thread::sleep(whole * round as u32 / kills as u32);
        let _ = command.kill(); // it may have ended
        command.wait().unwrap();
        if home.path("moved.db").exists() {
            home.run(&on_copy(&["check"]));
            assert_eq!(home.run(&on_copy(&["keys", "export"])).lines().count(), 3000);
        }
        let listed = home.keybearer(&["keys", "list"]).output().unwrap();
        assert!(listed.status.success() || home.path("moved.db").exists(), "round {round}: {}", said(&listed));
        home.run(&["keys", "list", "--accept-older-database"]);
    }
}
