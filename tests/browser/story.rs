//! Creating, using and revoking a key, as a new user does it.

use fantoccini::key::Key;
use reqwest::StatusCode;

use super::browser::{Browser, browse};
use super::server::{ADMIN, PASSWORD, Server};

#[test]
#[ignore = "needs Chromium: tests/run runs it"]
fn a_new_user_creates_a_key_uses_it_and_revokes_it() {
    browse(&[], |browser| async move {
        let server = Server::empty();

        browser.goto(&server.setup_link).await;
        browser.sees_heading("Create the first admin").await;
        browser.fill("email", ADMIN).await;
        browser.fill("password", PASSWORD).await;
        browser.follow("Create account").await;
        browser.sees_heading("My keys").await;
        assert!(browser.text().await.contains("Your admin account is ready."));
        assert!(browser.text().await.contains("Create your first key"));
        browser.follow("New key").await;
        browser.sees_heading("New key").await;
        browser.fill("name", "Invoices, nightly job").await;
        browser.find("#expires-30d").await.click().await.unwrap();
        browser.fill("scopes", "orders:read").await;
        browser.follow("Create key").await;
        browser.sees_heading("Key created").await;
        let shown = browser.find("#new-key").await.text().await.unwrap();
        assert!(browser.text().await.contains(&format!("curl -H \"Authorization: Bearer {shown}\" {}", server.url)));
        browser.click("Copy key").await;
        let copied = paste_elsewhere(&browser, &server).await;
        assert_eq!(copied, shown);

        let (status, record) = server.call(&copied).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(record["name"], "Invoices, nightly job");
        assert_eq!(record["owner"]["email"], ADMIN);
        assert_eq!(record["scopes"], serde_json::json!(["orders:read"]));

        browser.goto(&format!("{}/keys", server.url)).await;
        browser.follow("Invoices, nightly job").await;
        browser.click("Revoke…").await;
        assert!(browser.has("dialog:modal").await);
        browser.click("Cancel").await;
        assert!(!browser.has("dialog:modal").await);
        assert_eq!(server.call(&copied).await.0, StatusCode::OK);
        browser.click("Revoke…").await;
        browser.follow("Revoke this key").await;
        browser.sees_heading("My keys").await;
        let (status, problem) = server.call(&copied).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
        assert_eq!(problem["code"], "invalid_key");
        assert!(browser.text().await.contains("Create your first key"));
        browser.finds_the_console_empty().await;
    });
}

/// Pastes with Ctrl+V into a field of another page and returns its text.
async fn paste_elsewhere(browser: &Browser, server: &Server) -> String {
    browser.find(".secret [role=status]:not(:empty)").await;
    browser.goto(&format!("{}/keys/new", server.url)).await;
    let field = browser.find("#name").await;
    field.send_keys(&(Key::Control + "v")).await.unwrap();
    field.prop("value").await.unwrap().unwrap()
}

#[test]
#[ignore = "needs Chromium: tests/run runs it"]
fn a_key_is_shown_once_whatever_the_browser_does() {
    browse(&[], |browser| async move {
        let server = Server::with_admin();
        browser.logs_in(&server).await;

        let key = browser.makes_a_key(&server, "shown once").await;
        browser.reload().await;
        browser.sees_heading("This key has already been shown").await;
        assert!(!browser.source().await.contains(&key));
        assert_eq!(server.keys(), 1);
        browser.follow("Go to the key").await;
        browser.sees_heading("shown once").await;
        for _ in 0..2 {
            browser.back().await;
            assert!(!browser.source().await.contains(&key), "back, at {}", browser.path().await);
        }
        for _ in 0..2 {
            browser.forward().await;
            assert!(!browser.source().await.contains(&key), "forward, at {}", browser.path().await);
        }
        assert_eq!(server.keys(), 1);

        let second = browser.makes_a_key(&server, "left by a link").await;
        browser.follow("I have stored it").await;
        browser.sees_heading("left by a link").await;
        browser.back().await;
        assert!(!browser.source().await.contains(&second), "back from the key's page");
        browser.forward().await;
        assert!(!browser.source().await.contains(&second), "forward again");
        assert_eq!(server.keys(), 2);
        assert_eq!(server.call(&second).await.0, StatusCode::OK);
    });
}

#[test]
#[ignore = "needs Chromium: tests/run runs it"]
fn typed_input_survives_an_error() {
    browse(&[], |browser| async move {
        let server = Server::with_admin();
        browser.logs_in(&server).await;
        browser.goto(&format!("{}/keys/new", server.url)).await;
        browser.fill("name", "kept").await;
        browser.fill("scopes", "no spaces or ü").await;
        browser.unfold().await;
        browser.fill("allowed_ips", "300.1.2.3").await;
        browser.follow("Create key").await;
        browser.find(".field-error").await;
        let value = |css: &'static str| {
            let browser = browser.clone();
            async move { browser.find(css).await.prop("value").await.unwrap().unwrap() }
        };
        assert_eq!(value("#name").await, "kept");
        assert_eq!(value("#allowed_ips").await, "300.1.2.3");
        let focused = browser.script("return document.activeElement.getAttribute('role')", vec![]).await;
        assert_eq!(focused, "alert", "the summary of the errors has the focus");
        assert_eq!(server.keys(), 0);

        browser.fill("allowed_ips", "127.0.0.1").await;
        for field in ["#scope-0", "#scope-1", "#scope-2", "#scope-3"] {
            if browser.has(field).await {
                browser.find(field).await.clear().await.unwrap();
            }
        }
        browser.follow("Create key").await;
        browser.sees_heading("Key created").await;
        let key = browser.find("#new-key").await.text().await.unwrap();
        assert_eq!(server.call(&key).await.0, StatusCode::OK);
    });
}
