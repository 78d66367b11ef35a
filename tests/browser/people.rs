//! What an admin does: people, and everyone's keys.

use reqwest::StatusCode;

use super::browser::browse;
use super::server::{ADMIN, Server};

#[test]
#[ignore = "needs Chromium: tests/run runs it"]
fn an_admin_adds_deactivates_and_activates_a_user() {
    browse(&[], |browser| async move {
        let server = Server::with_admin();
        browser.logs_in(&server).await;
        browser.follow("People").await;
        browser.sees_heading("People").await;
        browser.follow("Add person").await;
        browser.fill("email", "grace@example.com").await;
        browser.unfold().await;
        browser.fill("password", "seven quiet lanterns drift").await;
        browser.follow("Add person").await;
        browser.sees_heading("People").await;
        let key = server.command(&["keys", "create", "--owner", "grace@example.com", "--name", "Graces key"]);
        assert_eq!(server.call(&key).await.0, StatusCode::OK);

        browser.follow("grace@example.com").await;
        browser.sees_heading("grace@example.com").await;
        browser.click("Deactivate…").await;
        browser.follow("Deactivate this person").await;
        browser.find(".toast").await;
        assert!(browser.text().await.contains("Deactivated grace@example.com."), "{}", browser.text().await);
        assert_eq!(server.call(&key).await.0, StatusCode::UNAUTHORIZED);
        browser.click("Activate…").await;
        browser.follow("Activate this person").await;
        browser.find(".dot:not(.off)").await;
        assert_eq!(server.call(&key).await.0, StatusCode::OK);

        browser.goto(&format!("{}/users", server.url)).await;
        browser.follow(ADMIN).await;
        browser.sees_heading(ADMIN).await;
        assert!(!browser.has("form[action$=deactivate]").await, "nobody deactivates oneself");
        browser.finds_the_console_empty().await;
    });
}

#[test]
#[ignore = "needs Chromium: tests/run runs it"]
fn an_admin_finds_and_revokes_anyones_key() {
    browse(&[], |browser| async move {
        let server = Server::with_admin();
        server.add_user("grace@example.com");
        let keys = ["reports", "backup", "website"]
            .map(|name| server.command(&["keys", "create", "--owner", "grace@example.com", "--name", name]));
        browser.logs_in(&server).await;
        browser.follow("All keys").await;
        browser.sees_heading("All keys").await;
        browser.fill("q", "back").await;
        browser.follow("Search").await;
        assert_eq!(browser.find("tbody").await.text().await.unwrap().matches("grace").count(), 1);
        browser.click("Actions for backup").await;
        browser.follow("Revoke…").await;
        browser.find("dialog:modal").await;
        let focused = "return document.activeElement.textContent";
        assert_eq!(browser.script(focused, vec![]).await, "Cancel", "the harmless button has the focus");
        assert!(!browser.path().await.contains('#'), "a reload does not ask again");
        browser.follow("Revoke this key").await;
        browser.sees_heading("All keys").await;
        assert!(browser.text().await.contains("Revoked “backup”."), "{}", browser.text().await);
        let answers = [server.call(&keys[0]).await.0, server.call(&keys[1]).await.0, server.call(&keys[2]).await.0];
        assert_eq!(answers, [StatusCode::OK, StatusCode::UNAUTHORIZED, StatusCode::OK]);

        browser.fill("q", "no such key").await;
        browser.follow("Search").await;
        assert!(browser.text().await.contains("No keys found for “no such key”"));
        browser.follow("Audit log").await;
        browser.sees_heading("Audit log").await;
        assert!(browser.text().await.contains("key.revoked"));
        browser.finds_the_console_empty().await;
    });
}
