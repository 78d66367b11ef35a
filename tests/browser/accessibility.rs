//! Every page, wide and narrow, light and dark: no finding of axe-core, no message in the
//! console, no sideways scrolling. To look at all pages yourself:
//!
//! ```text
//! SCREENSHOTS=target/pages cargo test --test browser every_page -- --ignored
//! ```

use std::path::PathBuf;

use serde_json::{Value, json};

use super::browser::{Browser, browse};
use super::server::{ADMIN, PASSWORD, Server};

/// Where `tests/run` puts the npm package; `AXE_CORE` sets another place.
fn axe_core() -> String {
    let path = std::env::var("AXE_CORE")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/target/npm/node_modules/axe-core/axe.min.js").into());
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}; tests/run installs it"))
}

const LONG: &str = "A very long name that somebody chose without mercy for the width of anybody’s screen or of a table";

#[test]
#[ignore = "needs Chromium: tests/run runs it"]
fn every_page_is_accessible_and_fits() {
    browse(&[], |browser| async move {
        let axe = axe_core();
        let server = Server::empty();
        let check = |place: &'static str| examine(&browser, &axe, place);

        browser.goto(&format!("{}/login", server.url)).await;
        check("sign-in before the setup").await;
        browser.goto(&server.setup_link).await;
        check("setup").await;
        browser.fill("email", "not an address@").await;
        browser.script("document.querySelector('form').noValidate = true", vec![]).await;
        browser.fill("password", "short").await;
        browser.follow("Create account").await;
        browser.find("[role=alert]").await;
        check("setup, refused").await;
        browser.fill("email", ADMIN).await;
        browser.fill("password", PASSWORD).await;
        browser.follow("Create account").await;
        browser.sees_heading("My keys").await;
        check("no key yet, with a notice").await;
        browser.chooses_in_own_menu("Sign out").await;
        browser.sees_heading("Sign in").await;
        browser.console().await; // may say that signing out has cleared the cache
        check("sign-in, with a notice").await;
        browser.fill("email", ADMIN).await;
        browser.fill("password", "wrong").await;
        browser.follow("Sign in").await;
        browser.find("[role=alert]").await;
        check("sign-in, refused").await;

        browser.logs_in(&server).await;
        check("no key yet").await;
        browser.goto(&format!("{}/admin/keys", server.url)).await;
        check("nobody has a key yet").await;
        browser.goto(&format!("{}/keys/new", server.url)).await;
        check("new key").await;
        browser.find("#expires-custom").await.click().await.unwrap();
        check("new key, on a day").await;
        browser.find("#expires-never").await.click().await.unwrap();
        browser.fill("name", LONG).await;
        browser.fill("scopes", "ü").await;
        browser.unfold().await;
        check("new key, limits").await;
        browser.fill("allowed_ips", "nowhere").await;
        browser.follow("Create key").await;
        browser.find("[role=alert]").await;
        check("new key, refused").await;
        browser.makes_a_key(&server, LONG).await;
        check("the new key").await;
        browser.reload().await;
        check("the new key, reloaded").await;
        browser.follow("Go to the key").await;
        browser.sees_heading(LONG).await;
        check("one key").await;
        browser.click("Revoke…").await;
        browser.find("dialog:modal").await;
        check("one key, revoke?").await;
        browser.click("Cancel").await;
        browser.click("Rotate…").await;
        browser.find("dialog:modal").await;
        check("one key, rotate?").await;
        browser.click("Cancel").await;
        browser.follow("Edit").await;
        browser.sees_heading(&format!("Edit “{LONG}”")).await;
        check("edit a key").await;
        browser.fill("limit_requests", "many").await;
        browser.follow("Review changes").await;
        browser.find("[role=alert]").await;
        check("edit a key, refused").await;
        browser.fill("limit_requests", "100").await;
        browser.follow("Review changes").await;
        browser.find("#changes").await;
        check("edit a key, to be confirmed").await;
        browser.follow("Save changes").await;
        browser.sees_heading(LONG).await;
        browser.click("Rotate…").await;
        browser.follow("Rotate this key").await;
        browser.sees_heading("Key created").await;
        check("a rotated key").await;
        browser.follow("I have stored it").await;
        browser.sees_heading(LONG).await;
        browser.find(".facts dd > a[href*='/keys/']").await.click().await.unwrap();
        browser.find(".banner .confirm, .banner dialog").await;
        check("a key that is being replaced").await;
        browser.click("Disable…").await;
        browser.follow("Disable this key").await;
        browser.find(".toast").await;
        check("one key, disabled").await;

        let owner = "a-long-local-part-of-an-address.with-dots-and-dashes@subdomain.example-of-a-long-domain.com";
        server.add_user(owner);
        let scopes = [
            "--scope",
            "orders:read",
            "--scope",
            "orders:write",
            "--scope",
            "a/quite:long-scope.of/sixty-or-so:characters/in-all*",
        ];
        let words = ["keys", "create", "--owner", owner, "--name", "مفتاح <i>evil</i> <b>bold</b>"];
        server.command(&[&words[..], &scopes].concat());
        for number in 0..60 {
            server.command(&[
                "keys",
                "create",
                "--owner",
                ADMIN,
                "--name",
                &format!("Job {number}"),
                "--expires",
                "3d",
            ]);
        }
        for (path, place) in [
            ("/keys", "my keys"),
            ("/admin/keys", "all keys"),
            ("/admin/keys?q=nothing-like-it", "all keys, nothing found"),
            ("/admin/keys?show=expiring&sort=name", "all keys, a filter"),
            ("/keys?show=disabled", "my keys, nothing matches"),
            ("/users", "users"),
            ("/users?q=nobody", "users, nobody found"),
            ("/users/new", "new user"),
            ("/events", "audit log"),
            ("/events?q=nothing-like-it", "audit log, nothing found"),
            ("/overview", "overview"),
            ("/admin/leaks", "leaks"),
            ("/find", "find"),
            ("/events?action=no.such", "audit log, a wrong filter"),
            ("/reference", "reference"),
            ("/account", "account"),
            ("/no-such-page", "404"),
        ] {
            browser.goto(&format!("{}{path}", server.url)).await;
            browser.find("h1").await;
            check(place).await;
        }
        for (text, heading, place) in [
            ("job", "Results for “job”", "find, keys"),
            (owner, "Results for “", "find, a person"),
            ("kb_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA4gH3Qs", "Find", "find, a key that is not here"),
        ] {
            browser.find("#find").await.send_keys(text).await.unwrap();
            browser.follow("Find").await;
            browser.find("main h1").await;
            assert!(browser.text().await.contains(heading), "{place}");
            check(place).await;
        }
        let leaked = server.command(&["keys", "create", "--owner", ADMIN, "--name", LONG]);
        browser.goto(&format!("{}/admin/leaks", server.url)).await;
        browser.fill("text", &format!("{leaked} kb_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA4gH3Qs")).await;
        browser.follow("Search").await;
        browser.find("table").await;
        check("leaks, a key").await;
        browser.follow("Revoke selected").await;
        browser.find(".toast").await;
        browser.goto(&format!("{}/keys", server.url)).await;
        check("my keys, a leaked one").await;
        browser.goto(&format!("{}/admin/keys", server.url)).await;
        browser.fill("q", &leaked).await;
        browser.follow("Search").await;
        assert!(browser.text().await.contains("was revoked on"), "pasted into a list");
        for (path, opener, place) in [
            ("/admin/keys", "Actions for Job 59", "all keys, a row’s menu"),
            ("/admin/keys?q=bold", "+2 more scopes of مفتاح <i>evil</i> <b>bold</b>", "all keys, a row’s scopes"),
        ] {
            browser.goto(&format!("{}{path}", server.url)).await;
            browser.click(opener).await;
            browser.find(":popover-open").await;
            check(place).await;
        }
        browser.goto(&format!("{}/admin/keys", server.url)).await;
        browser.find("[aria-label='Select all keys on this page']").await.click().await.unwrap();
        browser.follow("Disable selected…").await;
        browser.sees_heading("Disable 50 keys?").await;
        check("selected keys, disable?").await;
        browser.goto(&format!("{}/events?action=key.created", server.url)).await;
        browser.find(".event summary").await.click().await.unwrap();
        check("audit log, one event").await;
        browser.find(".who summary").await.click().await.unwrap();
        check("own menu").await;
        browser.goto(&format!("{}/users", server.url)).await;
        browser.follow(owner).await;
        check("one user").await;
        browser.click("Deactivate…").await;
        check("one user, deactivate?").await;
        browser.goto(&format!("{}/users/new", server.url)).await;
        browser.fill("email", "somebody.new@example.com").await;
        browser.follow("Add person").await;
        browser.find("#link").await;
        check("an invitation").await;
        let link = browser.find("#link").await.text().await.unwrap();
        browser.goto(&link).await;
        check("choosing a password").await;
    });
}

async fn examine(browser: &Browser, axe: &str, place: &str) {
    // An answer of 4xx is a line of the console by itself.
    let console = browser.console().await;
    let messages: Vec<&Value> = console.iter().filter(|entry| !is_about_a_status(entry)).collect();
    assert!(messages.is_empty(), "{place}: the console says {messages:?}");
    for (width, height, scheme) in [(1280, 900, "light"), (1280, 900, "dark"), (320, 640, "light"), (320, 640, "dark")]
    {
        browser.resize(width, height).await;
        browser.prefer(scheme).await;
        assert!(!browser.overflows().await, "{place}: scrolls sideways at {width} px: {}", widest(browser).await);
        if let Some(directory) = std::env::var_os("SCREENSHOTS") {
            let name = format!("{place}, {width}, {scheme}.png").replace(['?', '/'], "");
            browser.keep_whole_page(&PathBuf::from(directory).join(name)).await;
        }
        let violations = run_axe(browser, axe).await;
        assert!(violations.is_empty(), "{place}, {width} px, {scheme}: {violations:#?}");
    }
    browser.resize(1280, 900).await;
}

fn is_about_a_status(entry: &Value) -> bool {
    entry["source"] == "network"
        && entry["message"].as_str().unwrap().contains("the server responded with a status of 4")
}

async fn run_axe(browser: &Browser, axe: &str) -> Vec<Value> {
    browser.script(&format!("if (!window.axe) {{ {axe} }}"), vec![]).await;
    let script = "const done = arguments[arguments.length - 1];
        axe.run(document, { resultTypes: ['violations'] }).then(
            (found) => done(found.violations.map((one) => [one.id, one.help, one.nodes.map((node) => node.html + ' — ' + node.failureSummary)])),
            (error) => done([String(error)]));";
    let found = browser.async_script(script, vec![]).await;
    found.as_array().unwrap().clone()
}

async fn widest(browser: &Browser) -> Value {
    let script = "const most = document.documentElement.clientWidth;
        return [...document.querySelectorAll('body *')].filter((one) => one.getBoundingClientRect().right > most + 1)
            .slice(0, 5).map((one) => one.outerHTML.slice(0, 160));";
    browser.script(script, vec![json!(null)]).await
}
