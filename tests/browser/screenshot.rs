//! The picture in the README, from the real program. To make it anew:
//!
//! ```text
//! SCREENSHOTS=docs cargo test --test browser screenshot -- --ignored
//! ```

use std::path::PathBuf;

use super::browser::{browse, target_directory};
use super::server::{ADMIN, Server};

const KEYS: [(&str, &[&str], &str); 6] = [
    ("Status page", &["incidents:read"], "365d"),
    ("Warehouse sync", &["orders:read", "stock:*"], "90d"),
    ("Mobile app, staging", &["orders:*", "profile:read"], "30d"),
    ("Nightly export to the data lake", &["reports:read"], "never"),
    ("Invoices, nightly job", &["invoices:read", "invoices:write"], "90d"),
    ("CI deploys", &["deploy:production"], "5d"),
];

#[test]
#[ignore = "needs Chromium: tests/run runs it"]
fn screenshot() {
    browse(&[], |browser| async move {
        let server = Server::with_admin();
        for (name, scopes, expires) in KEYS {
            let mut words = vec!["keys", "create", "--owner", ADMIN, "--name", name, "--expires", expires];
            words.extend(scopes.iter().flat_map(|scope| ["--scope", scope]));
            let key = server.command(&words);
            server.call(&key).await;
        }
        browser.resize(1280, 660).await;
        browser.prefer("light").await;
        browser.logs_in(&server).await;
        let path = std::env::var_os("SCREENSHOTS").map_or_else(target_directory, PathBuf::from).join("dashboard.png");
        browser.keep_screenshot(&path).await;
        let size = std::fs::metadata(path).unwrap().len();
        assert!((10_000..200_000).contains(&size), "{size} bytes");
    });
}
