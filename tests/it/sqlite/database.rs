//! The database file: who may open it, and what happens if it is missing or is not ours.
//! SQLite only: its subject is the file, with its mode, its locks and its place in the directory.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use crate::harness::{ADMIN, Home, Process, Server, eventually};
use crate::outages::{assert_cannot_tell, heals};

/// Asserts that there is no verdict, and that readiness says why.
async fn assert_is_gone(server: &Process, live: &str) {
    assert_cannot_tell(server, live).await;
    let ready = server.anon().get("/readyz").await;
    assert_eq!((ready.status, &ready.json()["status"]), (503, &"database_gone".into()));
}

#[tokio::test]
async fn a_second_server_on_the_same_database_is_refused_with_the_pid_of_the_first() {
    let home = Home::new();
    let first = Process::serve(&home);
    let refused = home.keybearer(&["serve", "--listen", "127.0.0.1:0"]).assert().failure().code(1);
    let said = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
    assert!(said.contains(&format!("pid {}", first.pid())), "{said}");
    assert_eq!(first.anon().get("/livez").await.status, 200);
    first.kill();
    let third = Process::serve(&home);
    assert_eq!(third.anon().get("/livez").await.status, 200);
}

#[tokio::test]
async fn a_database_that_is_deleted_is_noticed() {
    let home = Home::new();
    home.add_admin();
    let (_, key) = home.create_key(ADMIN, "n");
    let server = Process::ready(&home).await;
    assert_eq!(server.tries(&key).await, 200);
    for suffix in ["", "-wal", "-shm"] {
        fs::remove_file(format!("{}{suffix}", home.database().display())).unwrap();
    }
    assert_is_gone(&server, &key).await;
    assert!(!home.database().exists(), "no new file is made in its place");
}

#[tokio::test]
async fn a_database_that_is_replaced_is_noticed() {
    let home = Home::new();
    home.add_admin();
    let (_, key) = home.create_key(ADMIN, "n");
    let server = Process::ready(&home).await;
    assert_eq!(server.tries(&key).await, 200);
    fs::copy(home.database(), home.path("copy")).unwrap();
    fs::rename(home.database(), home.path("original")).unwrap();
    fs::rename(home.path("copy"), home.database()).unwrap();
    assert_is_gone(&server, &key).await;
    fs::rename(home.path("original"), home.database()).unwrap();
    heals(&server, &key).await;
}

#[tokio::test]
async fn the_log_tells_a_database_that_is_back_from_writes_that_succeed_again() {
    let home = Home::new();
    let server = Process::ready(&home).await;
    fs::rename(home.database(), home.path("elsewhere")).unwrap();
    let is_away = async || server.log().contains("was moved, deleted or replaced: put it back");
    eventually(Duration::from_secs(10), "it is noticed", is_away).await;
    fs::rename(home.path("elsewhere"), home.database()).unwrap();
    let is_back = async || server.log().contains("the database is in its place again");
    eventually(Duration::from_secs(10), "the log says that it is back", is_back).await;
    assert!(!server.log().contains("writes succeed again"), "{}", server.log());
}

#[tokio::test]
async fn a_missing_database_whose_log_exists_is_not_created_again() {
    let home = Home::new();
    home.add_admin();
    let server = Process::serve(&home);
    home.create_key(ADMIN, "n");
    server.kill();
    fs::rename(home.database(), home.path("elsewhere")).unwrap();
    home.keybearer(&["serve", "--listen", "127.0.0.1:0"]).assert().failure().code(1);
    assert!(!home.database().exists());
}

#[test]
fn a_newer_schema_is_refused_and_left_unchanged() {
    let home = Home::new();
    home.add_admin();
    let db = home.sqlite();
    let add = "INSERT INTO refinery_schema_history (version, name, applied_on, checksum) VALUES (999, 'future', '2030-01-01T00:00:00Z', '1')";
    db.execute(add, []).unwrap();
    db.pragma_update(None, "wal_checkpoint", "TRUNCATE").unwrap();
    drop(db);
    let before = fs::read(home.database()).unwrap();
    for words in [&["serve", "--listen", "127.0.0.1:0"][..], &["users", "list"], &["keys", "list"], &["check"]] {
        let refused = home.keybearer(words).assert().failure().code(1);
        let said = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
        assert!(said.contains("newer keybearer") && said.contains("999"), "{said}");
    }
    assert_eq!(fs::read(home.database()).unwrap(), before);
}

#[test]
fn a_file_that_is_not_ours_is_refused_and_left_unchanged() {
    let home = Home::new();
    let other = rusqlite::Connection::open(home.path("other.db")).unwrap();
    other.execute_batch("CREATE TABLE things (id INTEGER)").unwrap();
    drop(other);
    fs::write(home.path("text.db"), "this is not a database, but a letter to my aunt\n".repeat(100)).unwrap();
    fs::write(home.path("empty.db"), "").unwrap();
    fs::create_dir(home.path("directory.db")).unwrap();
    for name in ["other.db", "text.db", "empty.db"] {
        let before = fs::read(home.path(name)).unwrap();
        for words in [&["serve", "--listen", "127.0.0.1:0"][..], &["users", "list"], &["check"]] {
            let refused = home.keybearer(&[&["--database", name], words].concat()).assert().failure().code(1);
            let said = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
            assert!(said.contains(name), "{said}");
        }
        assert_eq!(fs::read(home.path(name)).unwrap(), before, "{name}");
    }
    home.keybearer(&["--database", "directory.db", "serve"]).assert().failure().code(1);
    home.keybearer(&["--database", "no/such/directory.db", "serve"]).assert().failure().code(1);
}

#[tokio::test]
async fn nobody_else_can_read_the_files_whatever_the_umask() {
    let home = Home::new();
    let server = Process::of(home.shell("umask 000; exec \"$0\" serve --listen 127.0.0.1:0"));
    home.add_admin();
    home.create_key(ADMIN, "n");
    eventually(Duration::from_secs(10), "the reserve is there", async || home.path("keybearer.db-reserve").exists())
        .await;
    assert_modes(&home);
    server.kill();
    for file in ["keybearer.db", "keybearer.db-wal"] {
        fs::set_permissions(home.path(file), fs::Permissions::from_mode(0o644)).unwrap();
    }
    let server = Process::serve(&home);
    assert_modes(&home);
    let warned = || server.log().contains("was readable by others");
    eventually(Duration::from_secs(2), "a warning is logged", async || warned()).await;
}

fn assert_modes(home: &Home) {
    let files: Vec<_> = fs::read_dir(home.path("")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.len() >= 5, "{files:?}");
    for file in files {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

fn mode(file: &Path) -> u32 {
    fs::metadata(file).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn a_foreign_lock_delays_writes_and_not_verification() {
    let server = Server::start();
    let (_, key) = server.key(&[]).await;
    let (_, other) = server.key(&[]).await;
    assert_eq!(server.tries(&key).await, 200);
    let db = server.home.sqlite();
    db.execute_batch("BEGIN IMMEDIATE").unwrap();
    let deleting = server.bearer(&other);
    let (answer, ()) = futures_util::future::join(deleting.call("DELETE", "/api/v1/keys/current"), async {
        for _ in 0..20 {
            assert_eq!(server.bearer(&key).get("/auth").await.status, 200);
        }
    })
    .await;
    assert_eq!(answer.problem(), (503, "unavailable".into()));
    assert_eq!(server.tries(&other).await, 200, "what was refused did not happen");
    db.execute_batch("ROLLBACK").unwrap();
    drop(db);
    eventually(Duration::from_secs(5), "it heals", async || server.anon().get("/readyz").await.status == 200).await;
    assert_eq!(deleting.call("DELETE", "/api/v1/keys/current").await.status, 204);
}

#[tokio::test]
async fn a_damaged_database_is_refused_at_start_and_by_check() {
    let home = Home::new();
    home.add_admin();
    for number in 0..20 {
        home.create_key(ADMIN, &format!("key {number}"));
    }
    let sound = fs::read(home.database()).unwrap();
    assert!(!home.path("keybearer.db-wal").exists() || fs::metadata(home.path("keybearer.db-wal")).unwrap().len() == 0);
    let mut torn = sound.clone();
    torn.truncate(sound.len() / 2);
    fs::write(home.database(), torn).unwrap();
    home.keybearer(&["check"]).assert().failure().code(1);
    let mut headless = sound.clone();
    headless[..100].fill(0);
    fs::write(home.database(), &headless).unwrap();
    home.keybearer(&["serve", "--listen", "127.0.0.1:0"]).assert().failure().code(1);
    fs::write(home.database(), sound).unwrap();
    home.run(&["check"]);
}
