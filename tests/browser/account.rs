//! A user's own account: password and sessions.

use super::browser::browse;
use super::server::{ADMIN, PASSWORD, Server};

const NEW_PASSWORD: &str = "eleven copper kites at dusk";

#[test]
#[ignore = "needs Chromium: tests/run runs it"]
fn a_user_changes_the_password() {
    browse(&[], |browser| async move {
        let server = Server::with_admin();
        browser.logs_in(&server).await;
        browser.chooses_in_own_menu("Account").await;
        browser.fill("current_password", "not the password at all").await;
        browser.fill("new_password", NEW_PASSWORD).await;
        browser.follow("Change password").await;
        browser.find("#current_password-error").await;
        browser.console().await; // a 422 is a line of the console

        browser.fill("current_password", PASSWORD).await;
        browser.fill("new_password", NEW_PASSWORD).await;
        browser.follow("Change password").await;
        browser.sees_heading("Sign in").await;
        assert!(browser.text().await.contains("Password changed."));
        browser.finds_the_console_empty().await;

        browser.fill("email", ADMIN).await;
        browser.fill("password", PASSWORD).await;
        browser.follow("Sign in").await;
        browser.find("[role=alert]").await;
        assert_eq!(browser.find("#email").await.prop("value").await.unwrap().unwrap(), ADMIN, "the email is kept");
        browser.logs_in_as(&server, ADMIN, NEW_PASSWORD).await;
        browser.chooses_in_own_menu("Sign out").await;
        browser.sees_heading("Sign in").await;
        browser.back().await;
        browser.sees_heading("Sign in").await;
    });
}

#[test]
#[ignore = "needs Chromium: tests/run runs it"]
fn a_sign_in_page_over_http_names_the_https_address_before_anything_is_typed() {
    browse(&[], |browser| async move {
        let server = Server::with_admin_and(&["--public-url", "https://keys.test"]);
        browser.goto(&format!("{}/login", server.url)).await;
        assert!(browser.text().await.contains("Open https://keys.test/login instead"), "{}", browser.text().await);
        browser.fill("email", ADMIN).await;
        browser.fill("password", PASSWORD).await;
        browser.follow("Sign in").await;
        browser.sees_heading("Open the server’s own address").await;
        assert!(browser.text().await.contains("Open https://keys.test and"), "{}", browser.text().await);
    });
}

#[test]
#[ignore = "needs Chromium: tests/run runs it"]
fn a_user_ends_the_other_sessions() {
    browse(&[], |here| async move {
        let server = Server::with_admin();
        here.logs_in(&server).await;
        // Another browser, as far as the server can tell.
        let cookie = here.devtools("Network.getCookies", serde_json::json!({})).await;
        here.devtools("Network.clearBrowserCookies", serde_json::json!({})).await;
        here.logs_in(&server).await;

        here.chooses_in_own_menu("Account").await;
        here.follow("Sign out all others").await;
        here.sees_heading("Account").await;
        assert!(here.text().await.contains("This device"));
        assert!(!here.has("form[action='/account/sessions/end-others']").await);

        let old = cookie["cookies"]
            .as_array()
            .unwrap()
            .iter()
            .find(|one| one["name"].as_str().unwrap().ends_with("kb_session"))
            .unwrap()
            .clone();
        here.devtools("Network.setCookie", old).await;
        here.goto(&format!("{}/keys", server.url)).await;
        here.sees_heading("Sign in").await;
        here.finds_the_console_empty().await;
    });
}
