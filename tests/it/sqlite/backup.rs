//! `keybearer backup` and `keybearer restore`. SQLite only: PostgreSQL has its own tools for this.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use crate::harness::{ADMIN, Client, Home, PASSWORD, Process, rounds};

const BACKUP: &str = "backup.db";

fn said(output: &Output) -> String {
    [&output.stdout[..], &output.stderr[..]].map(String::from_utf8_lossy).concat()
}

fn refused(home: &Home, words: &[&str], reason: &str) -> String {
    let output = home.keybearer(words).output().unwrap();
    assert!(output.status.code() == Some(1) && said(&output).contains(reason), "{words:?}: {}", said(&output));
    said(&output)
}

fn names(home: &Home) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(home.path("")).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn digest(key: &str) -> String {
    hex::encode(keybearer::testing::Digest::of(key.as_bytes()).as_bytes())
}

fn import(home: &Home, count: usize) {
    let line = |number: usize| {
        format!("{{\"sha256\":\"{}\",\"owner\":\"{ADMIN}\",\"name\":\"n\"}}\n", digest(&number.to_string()))
    };
    fs::write(home.path("keys.jsonl"), (0..count).map(line).collect::<String>()).unwrap();
    home.run(&["keys", "import", "keys.jsonl"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_has_every_change_that_was_acknowledged_before_it_began() {
    let home = Home::new();
    home.add_admin();
    let words = ["keys", "create", "--owner", ADMIN, "--name", "manager", "--scope", "keybearer:keys"];
    let manager = home.run(&words);
    let server = Process::serve(&home);
    let acknowledged = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let writers: Vec<_> = (0..4)
        .map(|_| {
            let (client, acknowledged) = (Client::bearer(server.address, &manager), acknowledged.clone());
            tokio::spawn(async move {
                loop {
                    let body = format!("{{\"owner\":\"{ADMIN}\",\"name\":\"n\"}}");
                    let made = client.json("/api/v1/keys", body).await;
                    assert_eq!(made.status, 201, "{made:?}");
                    acknowledged.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                }
            })
        })
        .collect();
    for round in 0..rounds("BACKUPS", 5) {
        let file = format!("backup-{round}.db");
        let before = acknowledged.load(std::sync::atomic::Ordering::SeqCst);
        let report = home.run(&["backup", &file, "--json"]);
        let report: serde_json::Value = serde_json::from_str(&report).unwrap();
        let after = acknowledged.load(std::sync::atomic::Ordering::SeqCst) + writers.len();
        let keys = report["keys"].as_u64().unwrap() as usize - 1;
        assert!((before..=after).contains(&keys), "{keys} keys, {before} before, {after} after");
        home.run(&["--database", "restored.db", "restore", &file, "--accept-revived"]);
        home.run(&["--database", "restored.db", "check"]);
        assert_eq!(home.run(&["--database", "restored.db", "keys", "export"]).lines().count(), keys + 1);
        for suffix in ["", "-rev", "-reserve", "-lock"] {
            let _ = fs::remove_file(home.path(&format!("restored.db{suffix}"))); // not all of them are there
        }
        fs::remove_file(home.path(&file)).unwrap();
    }
    writers.iter().for_each(tokio::task::JoinHandle::abort);
}

#[test]
fn a_backup_is_one_private_file_and_never_replaces_another() {
    let home = Home::new();
    home.add_admin();
    let (_, key) = home.create_key(ADMIN, "n");
    let before = names(&home);
    let made = home.shell(&format!("umask 000 && \"$0\" backup {BACKUP}")).output().unwrap();
    assert!(made.status.success(), "{}", said(&made));
    let new: Vec<_> = names(&home).into_iter().filter(|name| !before.contains(name)).collect();
    assert_eq!(new, [BACKUP]);
    assert_eq!(fs::metadata(home.path(BACKUP)).unwrap().permissions().mode() & 0o777, 0o600);
    let bytes = fs::read(home.path(BACKUP)).unwrap();
    let secret = key.rsplit('_').next().unwrap().as_bytes();
    assert!(!bytes.windows(secret.len()).any(|window| window == secret));
    refused(&home, &["backup", BACKUP], "already exists");
    assert_eq!(fs::read(home.path(BACKUP)).unwrap(), bytes);
    refused(&home, &["backup", "nowhere/backup.db"], "does not exist");
    refused(&home, &["--database", "none.db", "backup", "other.db"], "There is no database");
    refused(&home, &["--database", "postgres://kb@localhost/kb", "backup", "other.db"], "pg_dump");
    home.execute("UPDATE events SET object = 'someone else'");
    refused(&home, &["backup", "damaged.db"], "is damaged");
    assert!(!home.path("damaged.db").exists());
}

#[tokio::test]
async fn what_was_revoked_since_the_backup_stays_revoked() {
    let home = Home::new();
    home.add_admin();
    let (kept, revoked) = (home.create_key(ADMIN, "kept"), home.create_key(ADMIN, "revoked"));
    let server = Process::ready(&home).await;
    let admin = Client::signed_in(server.address, ADMIN).await;
    let client = server.anon();
    let token = client.send(client.request("POST", "/api/v1/tokens").basic_auth(ADMIN, Some(PASSWORD))).await.json();
    let token = token["token"].as_str().unwrap().to_owned();
    assert_eq!(server.tries(&token).await, 200);
    home.run(&["backup", BACKUP]);
    home.run(&["keys", "revoke", &revoked.0]);
    let (_, later) = home.create_key(ADMIN, "later");
    refused(&home, &["restore", BACKUP], "Stop it first");
    server.signal("TERM");
    assert!(server.end().success());

    let restored = home.run(&["restore", BACKUP, "--json"]);
    let restored: serde_json::Value = serde_json::from_str(&restored).unwrap();
    assert_eq!((&restored["stay_revoked"], &restored["later_events"]), (&1.into(), &2.into()));
    home.run(&["check"]);
    assert!(home.run(&["events", "list"]).contains("database.restored"));
    let server = Process::serve(&home);
    for (key, status) in [(&kept.1, 200), (&revoked.1, 401), (&later, 401), (&token, 401)] {
        assert_eq!(server.tries(key).await, status);
    }
    let again = server.anon();
    *again.cookies.lock().unwrap() = admin.cookies.lock().unwrap().clone();
    assert_eq!(again.get("/keys").await.status, 303, "everybody must sign in again");
    let line = format!("{{\"sha256\":\"{}\",\"owner\":\"{ADMIN}\",\"name\":\"n\"}}", digest(&revoked.1));
    fs::write(home.path("old.jsonl"), line).unwrap();
    refused(&home, &["keys", "import", "old.jsonl"], "was revoked on");
    // The database that was here is complete.
    let replaced = restored["replaced"].as_str().unwrap();
    assert!(home.run(&["--database", replaced, "keys", "list"]).contains("later"));
}

#[tokio::test]
async fn without_a_database_that_knows_better_the_operator_must_accept_what_comes_back() {
    let home = Home::new();
    home.add_admin();
    let (id, key) = home.create_key(ADMIN, "n");
    home.run(&["backup", BACKUP]);
    home.run(&["keys", "revoke", &id]);
    let restore = |database: &str| -> PathBuf {
        let listed = refused(&home, &["--database", database, "restore", BACKUP], "--accept-revived");
        assert!(listed.contains(&id), "{listed}");
        let last = listed.lines().last().unwrap();
        assert_eq!(last.matches("Nothing was changed.").count(), 1, "{last}");
        assert!(!last.contains("..") && !last.contains("Install") && !last.contains("Stop the server"), "{last}");
        home.run(&["--database", database, "restore", BACKUP, "--accept-revived"]);
        home.path(database)
    };
    assert!(restore("new.db").exists(), "nothing was there");
    let server = Process::of(home.command(&["--database", "new.db", "serve", "--listen", "127.0.0.1:0"]));
    assert_eq!(server.tries(&key).await, 200, "as the operator wished");
    drop(server);
    // Another database does not know.
    home.keybearer(&["--database", "other.db", "users", "add", ADMIN, "--admin", "--password-stdin"])
        .write_stdin(PASSWORD)
        .assert()
        .success();
    restore("other.db");
    // Nor does one that this version cannot read.
    let newer = rusqlite::Connection::open(home.path("other.db")).unwrap();
    newer.execute("UPDATE refinery_schema_history SET version = version + 1000", []).unwrap();
    drop(newer);
    restore("other.db");
    // Nor does an older one, nor one that is damaged.
    fs::copy(home.path(BACKUP), home.path("older.db")).unwrap();
    home.create_key(ADMIN, "later");
    home.run(&["backup", "newer.db"]);
    refused(&home, &["--database", "older.db", "restore", "newer.db"], "does not continue the backup");
    let mut bytes = fs::read(home.database()).unwrap();
    bytes[4096..].fill(0xab);
    fs::write(home.database(), bytes).unwrap();
    restore("keybearer.db");
    home.run(&["check"]);
    // A lost one leaves files behind.
    fs::remove_file(home.database()).unwrap();
    restore("keybearer.db");
    home.run(&["check"]);
}

#[test]
fn a_backup_without_keys_is_restored_without_a_question() {
    let home = Home::new();
    home.add_admin();
    home.run(&["backup", BACKUP]);
    home.keybearer(&["--database", "other.db", "users", "add", ADMIN, "--admin", "--password-stdin"])
        .write_stdin(PASSWORD)
        .assert()
        .success();
    for database in ["new.db", "other.db"] {
        let output = home.keybearer(&["--database", database, "restore", BACKUP]).output().unwrap();
        let text = said(&output);
        assert!(output.status.success() && !text.contains("live again"), "{database}: {text}");
        home.run(&["--database", database, "check"]);
    }
}

#[test]
fn a_restore_refuses_what_is_no_sound_backup() {
    let home = Home::new();
    home.add_admin();
    home.run(&["backup", BACKUP]);
    refused(&home, &["restore", "keybearer.db"], "is the database itself");
    refused(&home, &["restore", "none.db"], "There is no database");
    fs::write(home.path("text.db"), "not a database").unwrap();
    refused(&home, &["restore", "text.db"], "text.db");
    let mut bytes = fs::read(home.path(BACKUP)).unwrap();
    bytes[8192..16384].fill(0xab);
    fs::write(home.path("damaged.db"), bytes).unwrap();
    refused(&home, &["restore", "damaged.db"], "damaged.db");
    fs::write(home.path("mine.db"), "mine").unwrap();
    refused(&home, &["--database", "mine.db", "restore", BACKUP, "--accept-revived"], "mine.db");
    assert_eq!(fs::read(home.path("mine.db")).unwrap(), b"mine");
    let left: Vec<_> = names(&home).into_iter().filter(|name| name.contains("-unfinished-")).collect();
    assert!(left.is_empty(), "{left:?}");
}

/// Kills the command at moments spread over the time that it takes.
fn killed(home: &Home, words: &[&str], whole: Duration, mut after: impl FnMut(usize)) {
    let kills = rounds("KILLS", 8);
    for round in 0..kills {
        let mut command = home.command(words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(whole * round as u32 / kills as u32);
        let _ = command.kill(); // it may have ended
        command.wait().unwrap();
        after(round);
    }
}

#[test]
fn a_backup_or_restore_that_is_killed_leaves_nothing_half_done() {
    let home = Home::new();
    home.add_admin();
    import(&home, 4000);
    let began = Instant::now();
    home.run(&["backup", BACKUP]);
    let whole = began.elapsed();
    killed(&home, &["backup", "killed.db"], whole, |_| {
        // A draft can have companions of its own.
        let pid = |name: &String| Some(name.strip_prefix("killed.db-unfinished-")?.split('-').next()?.to_owned());
        let drafts: BTreeSet<_> = names(&home).iter().filter_map(pid).collect();
        assert!(drafts.len() <= 1, "of killed processes: {drafts:?}");
        if home.path("killed.db").exists() {
            home.run(&["--database", "killed.db", "check"]);
            fs::remove_file(home.path("killed.db")).unwrap();
        }
    });
    let (id, _) = home.create_key(ADMIN, "n");
    let began = Instant::now();
    home.run(&["restore", BACKUP]);
    let whole = began.elapsed();
    killed(&home, &["restore", BACKUP], whole, |round| {
        home.run(&["check"]);
        assert_eq!(home.run(&["keys", "export"]).lines().count(), 4000, "round {round}");
    });
    refused(&home, &["keys", "revoke", &id], "no such key");
}
