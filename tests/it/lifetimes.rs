//! Lifetimes are bounded on both sides: what was created under a clock far ahead is not valid before that time.

use std::time::Duration;

use data_encoding::BASE64;
use keybearer::testing::{Clock, Role, Time};
use serde_json::json;

use crate::harness::{ADMIN, MEMBER, PASSWORD, Server};

const TEN_YEARS: Duration = Duration::from_secs(3652 * 86_400);
const TOKENS: &str = "/api/v1/tokens";

/// A server whose clock is ten years ahead, and the correct time.
fn ahead() -> (Server, Time) {
    let server = Server::start();
    let right = server.clock.now();
    server.clock.set(right.plus(TEN_YEARS));
    (server, right)
}

#[tokio::test]
async fn sessions_and_tokens_from_a_clock_far_ahead_end_once_the_clock_is_right() {
    let (server, right) = ahead();
    let session = server.member().await;
    let client = server.anon();
    let sign_in = async || {
        let answer = client.send(client.request("POST", TOKENS).basic_auth(MEMBER, Some(PASSWORD))).await.json();
        (answer["token"].as_str().unwrap().to_owned(), answer["refresh_token"].as_str().unwrap().to_owned())
    };
    let refresh = async |token: &str| client.json(TOKENS, json!({ "refresh_token": token }).to_string()).await.status;
    let ((token, _), (_, unused)) = (sign_in().await, sign_in().await);
    assert_eq!((session.get("/keys").await.status, server.tries(&token).await), (200, 200));
    server.clock.set(right);
    assert_eq!((session.get("/keys").await.status, server.tries(&token).await), (303, 401));
    assert_eq!(refresh(&unused).await, 401);
    // Nor does it open again when that time comes.
    let (fresh, _) = sign_in().await;
    let again = server.member().await;
    assert_eq!((again.get("/keys").await.status, server.tries(&fresh).await), (200, 200));
    server.clock.set(right.plus(TEN_YEARS));
    assert_eq!((session.get("/keys").await.status, server.tries(&token).await), (303, 401));
}

#[tokio::test]
async fn setting_the_clock_back_by_seconds_ends_nothing() {
    let server = Server::start();
    let session = server.member().await;
    let client = server.anon();
    let issued = client.send(client.request("POST", TOKENS).basic_auth(MEMBER, Some(PASSWORD))).await.json();
    server.clock.set(server.clock.now().minus(Duration::from_secs(60)));
    assert_eq!(session.get("/keys").await.status, 200);
    assert_eq!(server.tries(issued["token"].as_str().unwrap()).await, 200);
    let refresh = json!({ "refresh_token": issued["refresh_token"] });
    assert_eq!(client.json(TOKENS, refresh.to_string()).await.status, 200);
}

#[tokio::test]
async fn a_jwt_from_the_future_is_inactive() {
    let (server, right) = ahead();
    server.user(ADMIN, Role::Admin).await;
    let (id, key) = server.key_of(ADMIN, &["keybearer:verify"], |_| {}).await;
    let credential = format!("Basic {}", BASE64.encode(format!("{id}:{key}").as_bytes()));
    let anon = server.anon();
    let request = anon.request("POST", "/oauth/token").header("authorization", credential);
    let jwt = anon.send(request.form(&[("grant_type", "client_credentials")])).await.json()["access_token"].clone();
    let verifier = server.bearer(&key);
    let is_active = async || {
        let answer = verifier.post("/oauth/introspect", &[("token", jwt.as_str().unwrap())]).await;
        answer.json()["active"].as_bool().unwrap()
    };
    assert!(is_active().await);
    server.clock.set(right);
    assert!(!is_active().await);
}

#[tokio::test]
async fn a_browser_that_signed_in_in_the_future_is_not_known() {
    let (server, right) = ahead();
    let browser = server.member().await;
    browser.form("/logout", &[]).await;
    server.clock.set(right);
    assert!(browser.cookie("device").is_some());
    for _ in 0..5 {
        assert_eq!(browser.sign_in(MEMBER, "not the right password").await.status, 422);
    }
    // A known browser has its own counter; the failures of this one count for its neighbours.
    assert_eq!(server.anon().sign_in(MEMBER, PASSWORD).await.status, 429);
}

#[tokio::test]
async fn a_request_from_the_future_is_remembered_for_only_a_day() {
    let (server, right) = ahead();
    server.user(ADMIN, Role::Admin).await;
    let manager = server.bearer(&server.key_of(ADMIN, &["keybearer:keys"], |_| {}).await.1);
    let create = async || {
        let request = manager.request("POST", "/api/v1/keys").header("idempotency-key", "once");
        manager.send(request.header("content-type", "application/json").body(r#"{"name":"n"}"#)).await.status
    };
    assert_eq!((create().await, create().await), (201, 200));
    server.clock.set(right);
    assert_eq!(create().await, 200);
    server.clock.advance(Duration::from_secs(24 * 3600 + 1));
    assert_eq!(create().await, 201);
}
