//! The password of the database's user: from the URL or a file, and in no message.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use crate::harness::{ADMIN, Home, Process};

/// The URL of the database without the password, and the password.
fn split(home: &Home) -> (String, String) {
    let url = home.database_url();
    let (user, host) = url.split_once('@').unwrap();
    let (user, password) = user.rsplit_once(':').unwrap();
    (format!("{user}@{host}"), password.to_owned())
}

fn password_file(home: &Home, password: &str, mode: u32) -> PathBuf {
    let file = home.path("passwords");
    fs::write(&file, format!("# the test's\nother.test:*:*:*:no\n*:*:*:keybearer:{password}\n")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
    file
}

fn command(home: &Home, words: &[&str], url: &str, file: &PathBuf) -> Command {
    let mut command = home.command(words);
    command.env("KEYBEARER_DATABASE", url).env("PGPASSFILE", file);
    command
}

/// Runs a command that must be refused; returns the message.
fn refused(mut command: Command) -> String {
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    said
}

#[tokio::test]
async fn the_file_that_pgpassfile_names_has_the_password_and_nothing_shows_it() {
    let home = Home::new();
    home.add_admin();
    let (_, key) = home.create_key(ADMIN, "one");
    let (url, password) = split(&home);
    let file = password_file(&home, &password, 0o600);
    let listed = command(&home, &["keys", "list"], &url, &file).output().unwrap();
    assert!(listed.status.success(), "{listed:?}");
    let server = Process::of(command(&home, &["serve", "--listen", "127.0.0.1:0"], &url, &file));
    server.becomes_ready().await;
    assert_eq!(server.tries(&key).await, 200);
    // Its failures, too, are logged without the password.
    home.take_database_away();
    assert_eq!(server.bearer(&key).call("DELETE", "/api/v1/keys/current").await.status, 503);
    home.bring_database_back();
    server.signal("TERM");
    let log = server.stopped_log();
    assert!(log.contains("keybearer is up") && !log.contains(&password), "{log}");
}

#[test]
fn a_file_of_passwords_that_others_can_read_is_not_used() {
    let home = Home::new();
    home.add_admin();
    let (url, password) = split(&home);
    for mode in [0o644, 0o640, 0o604] {
        let file = password_file(&home, &password, mode);
        let said = refused(command(&home, &["keys", "list"], &url, &file));
        assert!(said.contains("can be read by others") && said.contains("0600"), "{said}");
        assert!(!said.contains(&password), "{said}");
    }
}

#[test]
fn no_message_shows_the_password() {
    let home = Home::new();
    home.add_admin();
    let (url, password) = split(&home);
    let (user, host) = url.split_once('@').unwrap();
    let (host, _) = host.split_once('?').unwrap();
    let (server, _) = host.split_once('/').unwrap();
    let wrong = format!("{password}wrong");
    let none = home.path("none");
    for (url, says) in [
        (format!("{user}:{wrong}@{host}?sslmode=disable"), "password"),
        (format!("{user}:{password}@{server}/kb_nowhere?sslmode=disable"), "kb_nowhere"),
        (format!("{user}:{password}@127.0.0.1:1/x?sslmode=disable"), "127.0.0.1:1"),
        (format!("{user}:{password}@{host}?sslmode=require"), "verify-full"),
        (format!("{user}:{password}@{host}?sslmode=disable&nonsense=1"), "nonsense"),
    ] {
        for words in [&["keys", "list"][..], &["serve", "--listen", "127.0.0.1:0"]] {
            let said = refused(command(&home, words, &url, &none));
            assert!(said.contains(says), "{words:?} {says}: {said}");
            assert!(!said.contains(&password), "{said}");
        }
    }
}
