//! `keybearer copy` between PostgreSQL and files, and nodes of the database that was moved.

use std::path::PathBuf;
use std::process::Output;

use super::{PATIENCE, check, node};
use crate::harness::{ADMIN, Home, MEMBER, Process, eventually};

const SERVE: [&str; 3] = ["serve", "--listen", "127.0.0.1:0"];

/// Copies with the secret of the nodes, and without other signing keys.
fn copy(home: &Home, from: &str, to: &str) -> Output {
    let mut copy = home.keybearer(&["copy", "--from", from, "--to", to]);
    copy.env_remove("KEYBEARER_SIGNING_KEYS").args(["--secret-file".as_ref(), secret(home).as_os_str()]);
    copy.output().unwrap()
}

fn secret(home: &Home) -> PathBuf {
    let file = home.path("secret");
    std::fs::write(&file, "0123456789abcdef0123456789abcdef").unwrap();
    file
}

fn assert_copied(output: &Output) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn assert_refused(output: &Output, reason: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && said.contains(reason), "{said}");
}

async fn serves(home: &Home, database: &str, needs_secret: bool) -> Process {
    let mut serve = home.command(&[&SERVE[..], &["--database", database, "--lease", "2s"]].concat());
    serve.env_remove("KEYBEARER_SIGNING_KEYS");
    if needs_secret {
        serve.env("KEYBEARER_SECRET_FILE", secret(home));
    }
    let server = Process::of(serve);
    server.becomes_ready().await;
    server
}

fn ends(server: Process) {
    server.signal("TERM");
    assert!(server.end().success());
}

#[tokio::test]
async fn a_move_to_a_file_and_to_other_servers_keeps_keys_revocations_events_and_signing_keys() {
    let (home, other, third) = (Home::new(), Home::new(), Home::new());
    home.add_admin();
    home.add_member();
    let (live, gone) = (home.create_key(ADMIN, "live"), home.create_key(MEMBER, "gone"));
    let (first, second, last) = (home.database_url(), other.database_url(), third.database_url());
    let published = async |server: &Process| server.anon().get("/.well-known/jwks.json").await.body;
    let server = serves(&home, &first, true).await;
    let signing_keys = published(&server).await;
    assert!(signing_keys.contains("kid"));
    ends(server);
    home.run(&["keys", "revoke", &gone.0]);

    for (from, to) in [(&first[..], "moved.db"), ("moved.db", &second), (&second, &last)] {
        let lists =
            |database: &str| ["keys", "users"].map(|what| home.run(&["--database", database, what, "list", "--json"]));
        let before = lists(from);
        assert_copied(&copy(&home, from, to));
        assert_eq!(lists(to), before);
        assert_refused(&copy(&home, from, "again.db"), "was moved to");
        home.run(&["--database", to, "check"]);
        home.run(&["--database", to, "events", "verify"]);
        let server = serves(&home, to, to != "moved.db").await;
        assert_eq!((check(&server, &live.1).await, check(&server, &gone.1).await), (200, 401));
        assert_eq!(published(&server).await, signing_keys);
        ends(server);
    }
    // The feed and the numbers of events go on.
    home.run(&["--database", &last, "keys", "revoke", &live.0]);
    home.run(&["--database", &last, "check"]);
}

#[tokio::test]
async fn a_database_that_nodes_use_or_that_has_content_is_refused() {
    let (home, other) = (Home::new(), Home::new());
    home.add_admin();
    other.add_admin();
    let (from, used) = (home.database_url(), other.database_url());
    assert_refused(&copy(&home, &from, &used), "already has users, keys or events");
    let server = node(&home, "2s");
    server.becomes_ready().await;
    assert_refused(&copy(&home, &from, "moved.db"), "Nodes are using");
    ends(server);
    let mut without = home.keybearer(&["copy", "--from", &from, "--to", "moved.db"]);
    assert!(without.output().unwrap().status.success(), "there are no signing keys in the database");
}

#[tokio::test]
async fn signing_keys_are_not_lost_for_want_of_their_secret() {
    let home = Home::new();
    home.add_admin();
    let from = home.database_url();
    ends(serves(&home, &from, true).await);
    let words = ["copy", "--from", &from, "--to", "moved.db"];
    assert_refused(&home.keybearer(&words).output().unwrap(), "--without-signing-keys");
    assert!(!home.path("moved.db").exists());
    home.run(&[&words[..], &["--without-signing-keys"]].concat());
}

/// It does not know that its database was moved, and has a lease when it stops.
#[tokio::test]
async fn a_node_that_stood_still_during_the_move_never_serves_again() {
    let home = Home::new();
    home.add_admin();
    let (_, key) = home.create_key(ADMIN, "n");
    let server = node(&home, "1s");
    server.becomes_ready().await;
    assert_eq!(check(&server, &key).await, 200);
    server.signal("STOP");
    assert_copied(&copy(&home, &home.database_url(), "moved.db"));
    server.signal("CONT");
    assert_eq!(check(&server, &key).await, 503);
    eventually(PATIENCE, "it says why", async || server.log().contains("was moved to")).await;
    assert_eq!(check(&server, &key).await, 503);
    assert_eq!(home.number("SELECT count(*) FROM nodes"), 0);
}
