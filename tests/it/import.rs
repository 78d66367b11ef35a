//! Large imports: all or nothing, without blocking others.

use std::fs;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use keybearer::testing::Digest;

use crate::harness::{ADMIN, Client, Home, MEMBER, Process, eventually, rounds};

/// More rows than are written in one step.
const MANY: usize = 30_000;

fn key(number: usize) -> String {
    format!("old-key-{number}")
}

fn line(number: usize, owner: &str) -> String {
    let digest = hex::encode(Digest::of(key(number).as_bytes()).as_bytes());
    format!("{{\"sha256\":\"{digest}\",\"owner\":\"{owner}\",\"name\":\"old {number}\"}}\n")
}

fn home_with_users() -> Home {
    let home = Home::new();
    home.add_admin();
    home.add_member();
    home
}

fn write(home: &Home, lines: impl Iterator<Item = String>) -> String {
    let file = home.path("keys.jsonl");
    fs::write(&file, String::from_iter(lines)).unwrap();
    file.to_str().unwrap().to_owned()
}

fn start(home: &Home, file: &str) -> Child {
    home.command(&["keys", "import", file]).stderr(Stdio::piped()).spawn().unwrap()
}

/// The numbers of rows in the table of keys and of incomplete imports.
fn rows(home: &Home) -> (i64, i64) {
    let count = "SELECT (SELECT count(*) FROM keys), (SELECT count(*) FROM pending_imports)";
    home.numbers(count).try_into().map(|[keys, pending]: [i64; 2]| (keys, pending)).unwrap()
}

/// Waits until the import has written something.
async fn has_begun(home: &Home, before: i64) {
    eventually(Duration::from_secs(60), "rows are written", async || rows(home).0 > before).await;
}

#[tokio::test]
async fn keys_can_be_revoked_during_an_import_and_no_imported_key_is_valid_before_its_end() {
    let home = home_with_users();
    let server = Process::serve(&home);
    let admin = Client::signed_in(server.address, ADMIN).await;
    let file = write(&home, (0..MANY).map(|number| line(number, ADMIN)));
    let mut import = start(&home, &file);
    has_begun(&home, 0).await;
    let mut revoked = 0;
    while import.try_wait().unwrap().is_none() {
        let first = server.tries(&key(0)).await;
        let (id, secret) = admin.make_key("one of many").await;
        assert_eq!(admin.form(&format!("/keys/{id}/revoke"), &[]).await.status, 303);
        assert_eq!(server.tries(&secret).await, 401);
        assert_eq!(server.anon().get("/readyz").await.status, 200);
        if first == 200 {
            assert_eq!(server.tries(&key(MANY - 1)).await, 200, "the first key counts, so the last does");
        }
        revoked += 1;
    }
    assert!(revoked > 0 && import.wait_with_output().unwrap().status.success());
    for number in [0, MANY / 2, MANY - 1] {
        assert_eq!(server.tries(&key(number)).await, 200);
    }
    assert_eq!(server.tries(&key(MANY)).await, 401);
}

#[tokio::test]
async fn a_killed_import_leaves_no_valid_key_and_is_cleaned_up() {
    let home = home_with_users();
    let (_, live) = home.create_key(ADMIN, "live");
    let exported = home.run(&["keys", "export"]);
    let file = write(&home, (0..MANY).map(|number| line(number, ADMIN)));
    for by_server in [true, false] {
        let mut import = start(&home, &file);
        has_begun(&home, 1).await;
        import.kill().unwrap();
        import.wait().unwrap();
        assert!(rows(&home).0 > 1, "it was killed too late to prove anything");
        assert_eq!(home.run(&["keys", "export"]), exported);
        assert_eq!(home.run(&["keys", "list", "--json"]).matches("\"hint\"").count(), 1);
        if by_server {
            let server = Process::serve(&home);
            assert_eq!((server.tries(&live).await, server.tries(&key(0)).await), (200, 401));
            eventually(Duration::from_secs(60), "the rows are removed", async || rows(&home) == (1, 0)).await;
        }
    }
    home.run(&["keys", "import", &file]);
    assert_eq!(rows(&home), (1 + MANY as i64, 0));
    home.run(&["check"]);
    let tombstones = home.number("SELECT count(*) FROM tombstones");
    assert_eq!(tombstones, 0, "what was never a key was never revoked");
}

/// At moments spread over the time that an import takes, `KILLS` of them.
#[test]
fn an_import_that_is_killed_at_any_moment_is_complete_or_leaves_no_key() {
    const KEYS: usize = 6000;
    let home = home_with_users();
    let keys = |round: usize| (round * KEYS..(round + 1) * KEYS).map(|number| line(number, ADMIN));
    let file = write(&home, keys(0));
    let began = Instant::now();
    home.run(&["keys", "import", &file]);
    let whole = began.elapsed();
    let mut complete = 1;
    let kills = rounds("KILLS", 6);
    for round in 1..=kills {
        let file = write(&home, keys(round));
        let mut import = start(&home, &file);
        std::thread::sleep(whole * round as u32 / kills as u32);
        let _ = import.kill(); // it may have ended
        import.wait().unwrap();
        let exported = home.run(&["keys", "export"]).lines().count();
        assert!(exported == complete * KEYS || exported == (complete + 1) * KEYS, "round {round}: {exported}");
        complete = exported / KEYS;
        home.run(&["check"]);
    }
}

#[tokio::test]
async fn an_import_fails_as_a_whole_if_an_owner_is_removed_meanwhile() {
    let home = home_with_users();
    let server = Process::serve(&home);
    // Some of the member's keys are written before the member is removed.
    let owner = |number| if number % 2 == 0 { MEMBER } else { ADMIN };
    let file = write(&home, (0..MANY).map(|number| line(number, owner(number))));
    let import = start(&home, &file);
    has_begun(&home, 0).await;
    home.run(&["users", "remove", MEMBER]);
    let output = import.wait_with_output().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("removed during the import. Nothing was imported."), "{message}");
    assert_eq!(rows(&home), (0, 0));
    for number in [0, MANY - 1] {
        assert_eq!(server.tries(&key(number)).await, 401);
    }
}

/// A large import is written in the order of the digests, and its errors are still in the order of the lines.
#[test]
fn an_import_that_fails_at_its_end_imports_nothing_and_names_the_lines() {
    for count in [10_000, MANY] {
        let home = home_with_users();
        home.run(&["keys", "import", &write(&home, [line(count + 1, ADMIN)].into_iter())]);
        let mut lines: Vec<String> = (0..count).map(|number| line(number, ADMIN)).collect();
        lines[9000] = line(17, ADMIN);
        lines[9300] = line(count + 1, ADMIN);
        lines[9500] = line(9500, "nobody@example.com");
        let file = write(&home, lines.into_iter());
        let output = home.keybearer(&["keys", "import", &file]).output().unwrap();
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{message}");
        let mut said: Vec<&str> = message.lines().map(|line| line.trim_start_matches("keybearer: ")).collect();
        said.retain(|line| line.starts_with("line ") || line.starts_with("Nothing"));
        let here = "this key already exists, or is in the file twice.";
        // A second line with the same key is seen only when it is written, so in a large import not always.
        assert!(count == MANY || said[0] == format!("line 9001: {here}"), "{message}");
        let expected = [
            format!("line 9301: {here}"),
            "line 9501: user nobody@example.com does not exist. Add the user first (keybearer users add).".to_owned(),
            "Nothing was imported.".to_owned(),
        ];
        said.retain(|line| !line.starts_with("line 9001: "));
        assert_eq!(said, expected, "{message}");
        assert_eq!(rows(&home), (1, 0));
        assert_eq!(found_by_text(&home), (1, 1));
    }
}

/// The numbers of names and hints by which searches find keys. On PostgreSQL they are indexes.
fn found_by_text(home: &Home) -> (i64, i64) {
    if home.postgres().is_some() {
        return (1, 1);
    }
    let count = "SELECT (SELECT count(*) FROM key_names), (SELECT count(*) FROM key_hints)";
    home.numbers(count).try_into().map(|[names, hints]: [i64; 2]| (names, hints)).unwrap()
}

#[tokio::test]
async fn keys_of_a_large_import_are_found_by_name_and_by_hint_however_many_are_newer() {
    let home = home_with_users();
    let server = Process::serve(&home);
    let admin = Client::signed_in(server.address, ADMIN).await;
    let hinted = |number: usize| line(number, ADMIN).replace("\"}", &format!("\",\"hint\":\"hint {number}\"}}"));
    let file = write(&home, (0..MANY).map(hinted));
    home.run(&["keys", "import", &file]);
    home.run(&["check"]);
    for number in (10_000..MANY).step_by(1999) {
        for text in [format!("OLD+{number}"), format!("hint+{number}")] {
            let page = admin.get(&format!("/admin/keys?q={text}")).await.body;
            assert!(page.contains(&format!("hint {number}<")), "{text}");
        }
    }
}

#[tokio::test]
async fn two_concurrent_imports_run_one_after_the_other() {
    let home = home_with_users();
    let file = write(&home, (0..MANY).map(|number| line(number, ADMIN)));
    let first = start(&home, &file);
    has_begun(&home, 0).await;
    fs::write(home.path("other.jsonl"), line(MANY, ADMIN) + &line(MANY + 1, MEMBER)).unwrap();
    home.run(&["keys", "import", "other.jsonl"]);
    assert!(first.wait_with_output().unwrap().status.success());
    assert_eq!(rows(&home), (MANY as i64 + 2, 0));
    let events = home.run(&["events", "list", "--limit", "2"]);
    assert!(events.find("2 keys") < events.find("30000 keys"), "the newest is first: {events}");
}

#[tokio::test]
async fn a_user_with_many_keys_is_removed_with_all_of_them() {
    let home = home_with_users();
    let file = write(&home, (0..1200).map(|number| line(number, MEMBER)));
    home.run(&["keys", "import", &file]);
    let server = Process::serve(&home);
    assert_eq!(server.tries(&key(1199)).await, 200);
    home.run(&["users", "remove", MEMBER]);
    for number in [0, 1199] {
        assert_eq!(server.tries(&key(number)).await, 401);
    }
    assert_eq!(rows(&home), (0, 0));
    let count = "SELECT (SELECT count(*) FROM events WHERE action = 'key.revoked'), (SELECT count(*) FROM tombstones),
                 (SELECT count(*) FROM users)";
    assert_eq!(home.numbers(count), [1200, 1200, 1]);
    home.run(&["events", "verify"]);
}
