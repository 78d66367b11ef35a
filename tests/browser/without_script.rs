//! Creating and using a key without JavaScript.

use reqwest::StatusCode;

use super::browser::browse;
use super::server::{ADMIN, PASSWORD, Server};

#[test]
#[ignore = "needs Chromium: tests/run runs it"]
fn the_dashboard_works_without_javascript() {
    browse(&["--blink-settings=scriptEnabled=false"], |browser| async move {
        let server = Server::empty();
        browser.goto(&server.setup_link).await;
        browser.fill("email", ADMIN).await;
        browser.fill("password", PASSWORD).await;
        browser.follow("Create account").await;
        browser.sees_heading("My keys").await;
        let key = browser.makes_a_key(&server, "plain").await;
        assert!(!browser.has("[data-copy]:not([hidden])").await, "a script ran");
        assert_eq!(server.call(&key).await.0, StatusCode::OK);
        browser.reload().await;
        browser.sees_heading("This key has already been shown").await;
        assert_eq!(server.keys(), 1);
        browser.follow("Go to the key").await;
        browser.sees_heading("plain").await;
        browser.click("Revoke…").await;
        browser.follow("Revoke this key").await;
        browser.sees_heading("My keys").await;
        assert_eq!(server.call(&key).await.0, StatusCode::UNAUTHORIZED);
    });
}
