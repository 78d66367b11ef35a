//! Creating and revoking a key without a mouse.

use fantoccini::key::Key;
use reqwest::StatusCode;
use serde_json::Value;

use super::browser::{Browser, browse};
use super::server::{ADMIN, PASSWORD, Server};

#[test]
#[ignore = "needs Chromium: tests/run runs it"]
fn a_key_is_created_and_revoked_using_only_the_keyboard() {
    browse(&[], |browser| async move {
        let server = Server::with_admin();
        browser.goto(&format!("{}/login", server.url)).await;

        assert_eq!(focused(&browser).await, "Email", "the first field has the focus");
        browser.press(ADMIN).await;
        tab_to(&browser, "Password").await;
        browser.press(&(PASSWORD.to_owned() + &Key::Enter.to_string())).await;
        browser.sees_heading("My keys").await;

        browser.press(&Key::Tab.to_string()).await;
        assert_eq!(focused(&browser).await, "Skip to content");
        tab_to(&browser, "New key").await;
        browser.press(&Key::Enter.to_string()).await;
        browser.sees_heading("New key").await;
        assert_eq!(focused(&browser).await, "Name");
        browser.press("by keyboard").await;
        tab_to(&browser, "Create key").await;
        browser.press(" ").await;
        browser.sees_heading("Key created").await;
        let key = browser.find("#new-key").await.text().await.unwrap();
        tab_to(&browser, "Copy key").await;
        browser.press(" ").await;
        browser.find(".secret [role=status]:not(:empty)").await;
        tab_to(&browser, "I have stored it").await;
        browser.press(&Key::Enter.to_string()).await;
        browser.sees_heading("by keyboard").await;

        tab_to(&browser, "Revoke…").await;
        browser.press(" ").await;
        assert!(browser.has("dialog:modal").await);
        assert_eq!(focused(&browser).await, "Cancel", "the harmless button has the focus");
        browser.press(&Key::Escape.to_string()).await;
        assert!(!browser.has("dialog:modal").await);
        assert_eq!(focused(&browser).await, "Revoke…", "the focus is back where it was");
        browser.press(" ").await;
        tab_to(&browser, "Revoke this key").await;
        browser.press(" ").await;
        browser.sees_heading("My keys").await;
        assert_eq!(server.call(&key).await.0, StatusCode::UNAUTHORIZED);
        browser.finds_the_console_empty().await;
    });
}

#[test]
#[ignore = "needs Chromium: tests/run runs it"]
fn a_slash_and_control_k_lead_to_the_search_field() {
    browse(&[], |browser| async move {
        let server = Server::with_admin();
        browser.logs_in(&server).await;
        for keys in ["/".to_owned(), format!("{}k", char::from(Key::Control))] {
            browser.press(&keys).await;
            assert_eq!(focused(&browser).await, "Find or paste a key");
            browser.find("main").await.click().await.unwrap();
        }
        browser.press("/").await;
        browser.press("a/b").await;
        let typed = browser.find("#find").await.prop("value").await.unwrap();
        assert_eq!(typed.as_deref(), Some("a/b"), "in a field a slash is a slash");
        browser.press(&("audit".to_owned() + &Key::Enter.to_string())).await;
        browser.sees_heading("Results for “a/baudit”").await;
        browser.finds_the_console_empty().await;
    });
}

/// The name a screen reader gives the focused element; the focus must also be visible.
async fn focused(browser: &Browser) -> String {
    let script = "const it = document.activeElement;
        const style = getComputedStyle(it);
        const shown = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0;
        const label = it.labels?.[0] ?? it;
        const name = it.getAttribute('aria-label') ?? label.innerText.trim();
        return [name.split('\\n')[0], shown || it === document.body];";
    let Value::Array(answer) = browser.script(script, vec![]).await else { panic!("two values come back") };
    assert_eq!(answer[1], true, "the focus on “{}” cannot be seen", answer[0]);
    answer[0].as_str().unwrap().to_owned()
}

async fn tab_to(browser: &Browser, name: &str) {
    let mut met = Vec::new();
    while met.len() < 60 {
        let at = focused(browser).await;
        if at == name {
            return;
        }
        met.push(at);
        browser.press(&Key::Tab.to_string()).await;
    }
    panic!("Tab never comes to “{name}”, only to {met:?}");
}
