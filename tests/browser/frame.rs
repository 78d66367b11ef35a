//! The frame around the pages: the menu of a narrow screen, the outcome of an action, paper, and the widths between a
//! phone and a desktop.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::json;

use super::browser::browse;
use super::server::{ADMIN, PASSWORD, Server};

#[test]
#[ignore = "needs Chromium: tests/run runs it"]
fn a_narrow_screen_has_a_menu_that_needs_no_script() {
    browse(&["--blink-settings=scriptEnabled=false"], |browser| async move {
        let server = Server::with_admin();
        browser.resize(390, 844).await;
        browser.logs_in(&server).await;
        assert!(!browser.find(".places").await.is_displayed().await.unwrap());
        browser.click("Menu").await;
        browser.follow("Audit log").await;
        browser.sees_heading("Audit log").await;
        browser.click("Menu").await;
        browser.chooses_in_own_menu("Sign out").await;
        browser.sees_heading("Sign in").await;
        assert!(browser.text().await.contains("You’re signed out."), "without script the outcome stays");
    });
}

#[test]
#[ignore = "needs Chromium: tests/run runs it"]
fn an_outcome_leaves_by_itself() {
    browse(&[], |browser| async move {
        let server = Server::with_admin();
        browser.logs_in(&server).await;
        let key = browser.makes_a_key(&server, "soon gone").await;
        browser.follow("I have stored it").await;
        browser.click("Revoke…").await;
        browser.follow("Revoke this key").await;
        browser.find(".toast").await;
        assert!(browser.text().await.contains("Revoked “soon gone”."), "{}", browser.text().await);
        assert_eq!(server.call(&key).await.0, StatusCode::UNAUTHORIZED);
        let is_gone = async || !browser.has(".toast").await;
        let patience = tokio::time::timeout(Duration::from_secs(30), async {
            while !is_gone().await {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
        patience.await.expect("the outcome leaves");
        browser.finds_the_console_empty().await;
    });
}

#[test]
#[ignore = "needs Chromium: tests/run runs it"]
fn a_printed_key_has_a_warning_above_it() {
    browse(&[], |browser| async move {
        let server = Server::with_admin();
        browser.logs_in(&server).await;
        browser.makes_a_key(&server, "on paper").await;
        let is_shown = async |css: &'static str| browser.find(css).await.is_displayed().await.unwrap();
        assert!(!is_shown(".on-paper").await && is_shown(".side").await);
        browser.devtools("Emulation.setEmulatedMedia", json!({ "media": "print" })).await;
        assert!(is_shown(".on-paper").await && is_shown("#new-key").await && !is_shown(".side").await);
        browser.finds_the_console_empty().await;
    });
}

#[test]
#[ignore = "needs Chromium: tests/run runs it"]
fn no_page_scrolls_sideways_at_any_width() {
    browse(&[], |browser| async move {
        let server = Server::with_admin();
        let long = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft";
        let scopes = ["--scope", "a/quite:long-scope.of/sixty-or-so:characters/in-all*", "--scope", "b"];
        server.command(&[&["keys", "create", "--owner", ADMIN, "--name", long][..], &scopes].concat());
        browser.logs_in_as(&server, ADMIN, PASSWORD).await;
        for path in ["/keys", "/admin/keys", "/users", "/events", "/reference", "/account", "/keys/new", "/nodes"] {
            browser.goto(&format!("{}{path}", server.url)).await;
            // 640 is a screen of 1280 px at 200 %; the others are on both sides of where the layout changes.
            for width in [320, 390, 639, 640, 895, 896, 1087, 1152, 1920] {
                browser.resize(width, 900).await;
                assert!(!browser.overflows().await, "{path} at {width} px");
            }
        }
    });
}
