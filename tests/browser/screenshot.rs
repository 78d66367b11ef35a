//! The picture in the README, from the real program. To make it anew:
//!
//! ```text
//! SCREENSHOTS=docs cargo test --test browser screenshot -- --ignored
//! ```

use std::path::PathBuf;

use super::browser::{browse, target_directory};
use super::server::{ADMIN, Server};

/// Name, scopes, expiry from now, made days ago, used seconds ago.
type Sample = (&'static str, &'static [&'static str], &'static str, i64, Option<i64>);

const KEYS: [Sample; 7] = [
    ("Status page", &["incidents:read"], "never", 410, Some(44)),
    ("Warehouse sync", &["orders:read", "stock:*"], "190d", 175, Some(130)),
    ("Nightly export to the data lake", &["reports:read"], "66d", 24, Some(31_000)),
    ("Invoices, nightly job", &["invoices:read", "invoices:write"], "79d", 11, Some(29_500)),
    ("Mobile app, staging", &["orders:*", "profile:read"], "21d", 9, Some(260_000)),
    ("CI deploys", &["deploy:production"], "4d", 3, Some(1_300)),
    ("Contractor, one-off migration", &["orders:read"], "7d", 0, None),
];

#[test]
#[ignore = "needs Chromium: tests/run runs it"]
fn screenshot() {
    browse(&[], |browser| async move {
        let server = Server::with_admin();
        for (name, scopes, expires, ..) in KEYS {
            let mut words = vec!["keys", "create", "--owner", ADMIN, "--name", name, "--expires", expires];
            words.extend(scopes.iter().flat_map(|scope| ["--scope", scope]));
            server.command(&words);
        }
        give_them_a_past(&server);
        browser.resize(1280, 640).await;
        browser.prefer("light").await;
        browser.logs_in(&server).await;
        assert!(browser.text().await.contains("3 days ago"));
        let path = std::env::var_os("SCREENSHOTS").map_or_else(target_directory, PathBuf::from).join("dashboard.png");
        browser.keep_screenshot(&path).await;
        let size = std::fs::metadata(path).unwrap().len();
        assert!((10_000..200_000).contains(&size), "{size} bytes");
    });
}

/// What only time could do otherwise.
fn give_them_a_past(server: &Server) {
    let db = rusqlite::Connection::open(server.database()).unwrap();
    for (name, _, _, days, used) in KEYS {
        let made = "UPDATE keys SET created_at = created_at - ?2 * 86400000 WHERE name = ?1";
        db.execute(made, (name, days)).unwrap();
        let used_at = "INSERT INTO key_last_use (key_id, at, address)
            SELECT id, unixepoch() * 1000 - ?2 * 1000, '203.0.113.7' FROM keys WHERE name = ?1 AND ?2 IS NOT NULL";
        db.execute(used_at, (name, used)).unwrap();
    }
}
