//! What the operator sees at the start: the setup link, the log, and why a path is refused.

use crate::harness::{Home, Process};

#[tokio::test]
async fn the_setup_link_and_the_log_follow_the_base_path() {
    let home = Home::new();
    let serve = ["serve", "--listen", "127.0.0.1:0", "--public-url", "http://example.test/Users/keys/"];
    let process = Process::of(home.command(&serve));
    process.becomes_ready().await;
    let log = process.log();
    let link =
        log.split_whitespace().find(|word| word.contains("/setup?token=")).expect("it prints the link").to_owned();
    let path = link.strip_prefix("http://example.test").unwrap();
    assert!(path.starts_with("/Users/keys/setup?token="), "{link}");
    let anon = process.anon();
    let page = anon.get(path).await;
    assert_eq!((page.status, page.input("token").as_str()), (200, path.split_once("token=").unwrap().1));
    assert!(page.body.contains("action=\"/Users/keys/setup\""));
    process.signal("TERM");
    let log = process.stopped_log();
    assert!(log.contains("\"route\":\"/setup\"") && !log.contains("own paths"), "{log}");
}

#[tokio::test]
async fn the_log_says_when_the_proxy_must_pass_the_path_on() {
    for (url, is_own) in [("http://example.test/keys", true), ("http://example.test/keysmith", false)] {
        let home = Home::new();
        let process = Process::of(home.command(&["serve", "--listen", "127.0.0.1:0", "--public-url", url]));
        process.becomes_ready().await;
        assert_eq!(process.log().contains("let the proxy pass it on, not remove it"), is_own, "{url}");
    }
}

#[test]
fn a_path_that_programs_use_is_refused_with_the_reason() {
    for (url, reason) in [
        ("https://example.test/auth", "must not begin with /auth"),
        ("https://example.test/api/keys", "must not begin with /api"),
        ("https://example.test/a//b", "single slashes"),
        ("https://example.test/a b", "single slashes"),
        ("https://example.test/a/../b", "single slashes"),
        ("https://example.test/keys?x", "nothing after"),
    ] {
        let refused = Home::new().without_settings(&["serve", "--public-url", url]).assert().failure();
        let said = String::from_utf8(refused.get_output().stderr.clone()).unwrap();
        assert!(said.contains("--public-url") && said.contains(reason), "{said}");
    }
}
