//! The outcome of an action: shown once, to the browser that acted, with the name of what was changed.

use keybearer::testing::Role;

use crate::harness::{Client, MEMBER, PASSWORD, Server};

const DISABLED: &str = "Disabled “<bdi>nightly &#38; job</bdi>”.";

/// The flash cookie that the last action has set, with its name.
async fn flash_of_disabling(member: &Client) -> (String, String) {
    let (id, _) = member.make_key("nightly & job").await;
    assert_eq!(member.form(&format!("/keys/{id}/disable"), &[]).await.status, 303);
    member.whole_cookie("flash").expect("the action sets it")
}

fn with_cookie(client: &Client, (name, value): (&str, &str)) {
    client.cookies.lock().unwrap().insert(name.to_owned(), value.to_owned());
}

#[tokio::test]
async fn an_outcome_is_shown_once_and_names_its_object() {
    let server = Server::start();
    let member = server.member().await;
    flash_of_disabling(&member).await;
    let shown = member.get("/keys").await;
    assert!(shown.body.contains(DISABLED) && shown.body.contains("role=\"status\""), "{shown:?}");
    assert_eq!(member.cookie("flash"), None, "the page that shows it removes it");
    let again = member.get("/keys").await;
    assert!(!again.body.contains("Disabled “"), "{again:?}");
}

#[tokio::test]
async fn no_link_and_no_other_browser_shows_an_outcome() {
    let server = Server::start();
    let (member, other) = (server.member().await, server.person("eve@example.com", Role::Member).await);
    for path in ["/keys?notice=revoked", "/keys?flash=x", "/account?notice=sessions-ended"] {
        let page = member.get(path).await;
        assert!(page.status == 200 && !page.body.contains("role=\"status\""), "{path}: {page:?}");
    }
    let (name, value) = flash_of_disabling(&member).await;
    let changed = format!("{}A", &value[..value.len() - 1]);
    for forged in ["", "x", &value[1..], &changed, &value.to_uppercase()] {
        with_cookie(&member, (&name, forged));
        let page = member.get("/keys").await;
        assert!(page.status == 200 && !page.body.contains("Disabled “"), "{forged}: {page:?}");
    }
    with_cookie(&other, (&name, &value));
    assert!(!other.get("/keys").await.body.contains("Disabled “"), "another session’s");
    with_cookie(&member, (&name, &value));
    assert!(member.get("/keys").await.body.contains(DISABLED));
}

#[tokio::test]
async fn the_login_page_says_once_why_a_session_ended() {
    let server = Server::start();
    let member = server.member().await;
    member.form("/logout", &[]).await;
    assert!(member.get("/login").await.body.contains("You’re signed out."));
    assert!(!member.get("/login").await.body.contains("You’re signed out."));
    assert_eq!(member.sign_in(MEMBER, PASSWORD).await.status, 303);
    let new = "seven purple lamps sing softly";
    let fields = [("current_password", PASSWORD), ("new_password", new)];
    assert_eq!(member.form("/account/password", &fields).await.status, 303);
    let page = member.get("/login").await;
    assert!(page.body.contains("Password changed."), "{page:?}");
    assert_eq!(member.sign_in(MEMBER, new).await.status, 303, "its form works");
}

#[tokio::test]
async fn an_outcome_cookie_is_short_lived_and_out_of_reach_of_scripts() {
    let server = Server::start();
    let member = server.member().await;
    let (id, _) = member.make_key("mine").await;
    let revoked = member.form(&format!("/keys/{id}/revoke"), &[]).await;
    let cookies: Vec<_> = revoked.headers.get_all("set-cookie").iter().map(|one| one.to_str().unwrap()).collect();
    assert_eq!(cookies.len(), 1, "{cookies:?}");
    for attribute in ["_kb_flash=", "Max-Age=30", "HttpOnly", "SameSite=Strict"] {
        assert!(cookies[0].contains(attribute), "{attribute}: {cookies:?}");
    }
}
