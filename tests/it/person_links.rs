//! One-time links with which people choose a password: invitations and resets, from the dashboard and from the API.

use std::time::Duration;

use keybearer::testing::Role;
use serde_json::{Value, json};

use crate::harness::{ADMIN, Answer, Client, MEMBER, PASSWORD, Server};

const DAY: Duration = Duration::from_secs(86_400);
const NEW: &str = "eve@example.com";
const CHOSEN: &str = "purple wagon heron lantern";

/// The path and the token of the link that the page shows once.
fn shown_link(page: &Answer) -> (String, String) {
    assert_eq!((page.status, page.header("cache-control")), (200, "no-store"), "{page:?}");
    let url = page.body.split("<output id=\"link\"").nth(1).unwrap_or_else(|| panic!("{page:?}"));
    let url = url.split_once('>').unwrap().1.split('<').next().unwrap();
    let path = url.splitn(4, '/').nth(3).unwrap();
    let (path, token) = path.split_once("?token=").unwrap();
    (format!("/{path}"), token.to_owned())
}

async fn choose(client: &Client, path: &str, token: &str, password: &str) -> Answer {
    let page = client.get(&format!("{path}?token={token}")).await;
    if page.status != 200 {
        return page;
    }
    let csrf = page.input("csrf_token");
    client.post(path, &[("csrf_token", &csrf), ("token", token), ("password", password)]).await
}

async fn invited(server: &Server) -> (Client, String, String) {
    let admin = server.admin().await;
    let (path, token) =
        shown_link(&admin.form("/users", &[("email", NEW), ("role", "member"), ("password", "")]).await);
    (admin, path, token)
}

#[tokio::test]
async fn an_invited_person_chooses_a_password_and_is_signed_in() {
    let server = Server::start();
    let (admin, path, token) = invited(&server).await;
    assert_eq!(path, "/invitation");
    let visitor = server.anon();
    let page = visitor.get(&format!("{path}?token={token}")).await;
    assert!(page.status == 200 && page.body.contains(NEW), "{page:?}");
    assert_eq!(page.header("cache-control"), "no-store");
    let weak = choose(&visitor, &path, &token, "password").await;
    assert_eq!(weak.status, 422, "{weak:?}");
    assert_eq!(weak.input("token"), token, "the link still works");
    let done = choose(&visitor, &path, &token, CHOSEN).await;
    assert_eq!((done.status, done.location()), (303, "/keys"), "{done:?}");
    assert_eq!(visitor.get("/keys").await.status, 200);
    assert!(server.anon().sign_in(NEW, CHOSEN).await.status == 303);
    let again = choose(&server.anon(), &path, &token, "another long pass phrase").await;
    assert_eq!(again.status, 403, "once: {again:?}");
    let trail = admin.get("/events").await.body;
    assert!(trail.contains("Password link") || trail.contains("link"), "{trail}");
    assert!(!server.home.run(&["events", "list", "--json"]).contains(&token), "the log never has the link");
}

#[tokio::test]
async fn of_fifty_requests_with_one_link_one_succeeds() {
    let server = Server::start();
    let (_, path, token) = invited(&server).await;
    let mut visitors = Vec::new();
    for number in 0..50 {
        let visitor = server.anon();
        let csrf = visitor.get(&format!("{path}?token={token}")).await.input("csrf_token");
        visitors.push((visitor, csrf, format!("purple wagon heron lantern {number}")));
    }
    let tries = visitors.iter().map(|(visitor, csrf, password)| {
        let fields = [("csrf_token", csrf.as_str()), ("token", token.as_str()), ("password", password.as_str())];
        let path = &path;
        async move { visitor.post(path, &fields).await.status }
    });
    let statuses = futures_util::future::join_all(tries).await;
    assert_eq!(statuses.iter().filter(|status| **status == 303).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| [303, 403, 503, 429].contains(status)), "{statuses:?}");
}

#[tokio::test]
async fn only_the_newest_link_works_and_not_for_ever() {
    let server = Server::start();
    let (admin, path, first) = invited(&server).await;
    let user = server.user(NEW, Role::Member).await.id;
    let (_, second) = shown_link(&admin.form(&format!("/users/{user}/link"), &[]).await);
    assert_eq!(choose(&server.anon(), &path, &first, CHOSEN).await.status, 403);
    server.clock.advance(3 * DAY);
    assert_eq!(choose(&server.anon(), &path, &second, CHOSEN).await.status, 403, "expired");
    for token in ["", "x", &"A".repeat(43), &"A".repeat(5000)] {
        assert_eq!(server.anon().get(&format!("/reset?token={token}")).await.status, 403, "{token}");
    }
    admin.sign_in(ADMIN, PASSWORD).await;
    let (_, third) = shown_link(&admin.form(&format!("/users/{user}/link"), &[]).await);
    assert_eq!(admin.form(&format!("/users/{user}/deactivate"), &[]).await.status, 303);
    assert_eq!(choose(&server.anon(), &path, &third, CHOSEN).await.status, 403, "deactivated");
    assert_eq!(admin.form(&format!("/users/{user}/link"), &[]).await.status, 409);
    assert_eq!(admin.form(&format!("/users/{user}/activate"), &[]).await.status, 303);
    assert_eq!(choose(&server.anon(), &path, &third, CHOSEN).await.status, 403, "nor afterwards");
}

#[tokio::test]
async fn a_reset_replaces_the_password_and_ends_what_was_opened_with_the_old_one() {
    let server = Server::start();
    let (admin, member) = (server.admin().await, server.member().await);
    let user = server.user(MEMBER, Role::Member).await.id;
    let (path, token) = shown_link(&admin.form(&format!("/users/{user}/link"), &[]).await);
    assert_eq!(path, "/reset");
    assert_eq!(member.get("/keys").await.status, 200, "making the link changes nothing");
    assert_eq!(choose(&server.anon(), &path, &token, CHOSEN).await.status, 303);
    assert_eq!(member.get("/keys").await.status, 303);
    assert_ne!(server.anon().sign_in(MEMBER, PASSWORD).await.status, 303);
    assert_eq!(server.anon().sign_in(MEMBER, CHOSEN).await.status, 303);
}

#[tokio::test]
async fn the_api_invites_and_resets_too() {
    let server = Server::start();
    server.user(ADMIN, Role::Admin).await;
    let manager = server.bearer(&server.key_of(ADMIN, &["keybearer:users"], |_| {}).await.1);
    let add = async |body: Value| manager.json("/api/v1/users", body.to_string()).await;
    let made = add(json!({ "email": NEW, "invite": true })).await;
    assert_eq!(made.status, 201, "{made:?}");
    let url = made.json()["invitation_url"].as_str().unwrap().to_owned();
    let (_, token) = url.split_once("/invitation?token=").unwrap_or_else(|| panic!("{url}"));
    assert_eq!(choose(&server.anon(), "/invitation", token, CHOSEN).await.status, 303);
    let both = add(json!({ "email": "x@example.com", "invite": true, "password": CHOSEN })).await;
    assert_eq!((both.status, both.json()["field"].as_str()), (422, Some("invite")));
    let plain = add(json!({ "email": "y@example.com" })).await.json();
    assert!(plain.get("invitation_url").is_none(), "{plain}");
    let id = made.json()["id"].as_str().unwrap().to_owned();
    let reset = manager.json(&format!("/api/v1/users/{id}/reset"), "").await;
    assert_eq!(reset.status, 200, "{reset:?}");
    assert!(reset.json()["reset_url"].as_str().unwrap().contains("/reset?token="), "{reset:?}");
    assert_eq!(reset.json()["expires_at"], "2026-11-24T08:00:00Z");
    // A key with address ranges must not open an account to people anywhere.
    let bound = server.key_of(ADMIN, &["keybearer:users"], |new| {
        new.settings.allowed_ips = keybearer::testing::Networks::parse(["127.0.0.0/8"]).unwrap();
    });
    let refused = server.bearer(&bound.await.1).json(&format!("/api/v1/users/{id}/reset"), "").await;
    assert_eq!(refused.status, 403, "{refused:?}");
}

#[tokio::test]
async fn roles_and_removals_need_a_recent_sign_in_or_the_password() {
    let server = Server::start();
    let (admin, member) = (server.admin().await, server.member().await);
    let (_, key) = member.make_key("mine").await;
    let user = server.user(MEMBER, Role::Member).await.id;
    server.clock.advance(Duration::from_secs(3600));
    let at = |act: &str| format!("/users/{user}/{act}");
    for (act, fields) in [("role", vec![("role", "admin")]), ("remove", vec![]), ("link", vec![])] {
        let asked = admin.form(&at(act), &fields).await;
        assert_eq!(asked.status, 422, "{act}");
        assert!(asked.body.contains("name=\"current_password\""), "{act}: {}", asked.body);
        assert!(fields.iter().all(|(name, value)| asked.input(name) == *value), "{act}: nothing is lost");
        let wrong = [&fields[..], &[("current_password", "wrong horse battery staple")]].concat();
        assert_eq!(admin.form(&at(act), &wrong).await.status, 422, "{act}");
    }
    assert_eq!(member.get("/users").await.status, 403);
    let proved = [("role", "admin"), ("current_password", PASSWORD)];
    assert_eq!(admin.form(&at("role"), &proved).await.status, 303);
    assert_eq!(member.get("/users").await.status, 200);
    assert_eq!(server.tries(&key).await, 200);
    let own = server.user(ADMIN, Role::Admin).await.id;
    for act in ["role", "remove"] {
        let fields = [("role", "member"), ("current_password", PASSWORD)];
        assert_eq!(admin.form(&format!("/users/{own}/{act}"), &fields).await.status, 409, "{act}: not oneself");
    }
    let gone = admin.form(&at("remove"), &[("current_password", PASSWORD)]).await;
    assert_eq!((gone.status, gone.location()), (303, "/users"), "{gone:?}");
    assert_eq!((server.tries(&key).await, member.get("/keys").await.status), (401, 303));
}
