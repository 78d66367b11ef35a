//! Rotating a key: how long the new one is valid, and that both share one rate limit.

use std::time::Duration;

use keybearer::testing::{Clock, Expiry, KeyRequest, RateLimit, Role};
use serde_json::{Value, json};

use crate::harness::{ADMIN, Answer, Client, MEMBER, Server};

const KEYS: &str = "/api/v1/keys";
const DAY: Duration = Duration::from_secs(86_400);

async fn manager(server: &Server) -> Client {
    server.user(ADMIN, Role::Admin).await;
    server.bearer(&server.key_of(ADMIN, &["keybearer:keys", "*"], |_| {}).await.1)
}

async fn rotate(client: &Client, id: &str, body: Value) -> Answer {
    client.json(&format!("{KEYS}/{id}/rotate"), body.to_string()).await
}

fn id_and_key(answer: &Answer) -> (String, String) {
    assert_eq!(answer.status, 201, "{answer:?}");
    let made = answer.json();
    (made["id"].as_str().unwrap().to_owned(), made["key"].as_str().unwrap().to_owned())
}

/// A key of the member that is valid for two days from now.
pub async fn two_days(server: &Server) -> (String, String) {
    let end = Expiry::after(2 * DAY, server.site.auth.now()).unwrap();
    server.key_of(MEMBER, &[], |new| new.settings.expires_at = end.time()).await
}

#[tokio::test]
async fn a_successor_gets_the_lifetime_that_the_old_key_was_created_with() {
    let server = Server::start();
    let manager = manager(&server).await;
    let (id, _) = two_days(&server).await;
    server.clock.advance(DAY);
    let rotated = rotate(&manager, &id, json!({ "overlap": "1h" })).await;
    assert_eq!(rotated.json()["expires_at"], "2026-11-26T08:00:00Z");
    let (second, key) = id_and_key(&rotated);
    // The overlap has made the first one's end nearer, and its lifetime is what it was.
    let again = rotate(&manager, &id, json!({})).await;
    assert_eq!(again.json()["expires_at"], "2026-11-26T08:00:00Z", "{again:?}");
    // So has a change.
    let patched = manager.request("PATCH", &format!("{KEYS}/{second}")).header("content-type", "application/json");
    assert_eq!(manager.send(patched.body(r#"{"expires_at":"2026-11-24T09:00:00Z"}"#)).await.status, 200);
    server.clock.advance(2 * DAY);
    assert_eq!(server.tries(&key).await, 401);
    let expired = rotate(&manager, &second, json!({})).await;
    assert_eq!(expired.json()["expires_at"], "2026-11-28T08:00:00Z", "an expired key too");
    let (_, key) = id_and_key(&expired);
    assert_eq!(server.tries(&key).await, 200);
    let (forever, _) = server.key(&[]).await;
    assert_eq!(rotate(&manager, &forever, json!({})).await.json()["expires_at"], Value::Null);
}

#[tokio::test]
async fn the_new_keys_expiry_can_be_chosen_and_becomes_its_lifetime() {
    let server = Server::start();
    let manager = manager(&server).await;
    for (body, end) in [
        (json!({ "expires_in": "12h" }), json!("2026-11-23T20:00:00Z")),
        (json!({ "expires_at": "2027-01-01T00:00:00Z", "overlap": null }), json!("2027-01-01T00:00:00Z")),
        (json!({ "expires": "never" }), Value::Null),
        (json!({ "expires": "3d", "expires_at": null, "expires_in": null }), json!("2026-11-26T08:00:00Z")),
        (json!({ "expires_at": null }), json!("2026-11-25T08:00:00Z")),
    ] {
        let (id, _) = two_days(&server).await;
        let rotated = rotate(&manager, &id, body.clone()).await;
        assert_eq!((rotated.status, &rotated.json()["expires_at"]), (201, &end), "{body}");
    }
    let (id, _) = two_days(&server).await;
    for (body, field) in [
        (json!({ "expires_in": "12" }), "expires_in"),
        (json!({ "expires_at": "2020-01-01T00:00:00Z" }), "expires_at"),
        (json!({ "expires": "" }), "expires"),
        (json!({ "expires": "1d", "expires_in": "1d" }), "expires"),
    ] {
        let answer = rotate(&manager, &id, body.clone()).await;
        assert_eq!((answer.status, answer.json()["field"].as_str()), (422, Some(field)), "{body}: {answer:?}");
    }
    let (second, _) = id_and_key(&rotate(&manager, &id, json!({ "expires_in": "12h" })).await);
    server.clock.advance(Duration::from_secs(3600));
    assert_eq!(rotate(&manager, &second, json!({})).await.json()["expires_at"], "2026-11-23T21:00:00Z");
}

#[tokio::test]
async fn the_dashboard_and_the_command_line_let_users_choose_the_new_expiry() {
    let server = Server::start();
    let member = server.member().await;
    let (id, _) = member.make_key_with(&[("name", "mine"), ("expires", "30d")]).await;
    let page = member.get(&format!("/keys/{id}")).await;
    assert!(page.body.contains("In 30 days, like the old key"), "{page:?}");
    let expiry = async |key: String| server.bearer(&key).get("/api/v1/keys/current").await.json()["expires_at"].clone();
    let form = [("overlap", "1h"), ("expires", "")];
    let like = member.form(&format!("/keys/{id}/rotate"), &form).await.new_key().unwrap();
    assert_eq!(expiry(like).await, "2026-12-23T08:00:00Z");
    let form = [("overlap", "1h"), ("expires", "365d")];
    let longer = member.form(&format!("/keys/{id}/rotate"), &form).await.new_key().unwrap();
    assert_eq!(expiry(longer).await, "2027-11-23T08:00:00Z");
    let (short, _) = member.make_key_with(&[("name", "short"), ("expires", "7d")]).await;
    server.clock.advance(7 * DAY);
    member.sign_in(MEMBER, crate::harness::PASSWORD).await;
    let expired = member.form(&format!("/keys/{short}/rotate"), &[("overlap", "1h"), ("expires", "")]).await;
    assert!(expired.new_key().is_some() && !expired.body.contains("works until"), "{expired:?}");
    server.clock.set(server.clock.now().minus(7 * DAY));
    member.sign_in(MEMBER, crate::harness::PASSWORD).await;
    let forged = member.form(&format!("/keys/{id}/rotate"), &[("overlap", "1h"), ("expires", "soon")]).await;
    assert_eq!((forged.status, forged.new_key()), (422, None));
    let printed = server.home.run(&["keys", "rotate", &id, "--overlap", "1h", "--expires", "never"]);
    assert_eq!(expiry(printed).await, Value::Null);
    server.home.keybearer(&["keys", "rotate", &id, "--expires", "soon"]).assert().failure().code(1);
}

/// The number of ten requests that pass.
async fn passes(server: &Server, key: &str) -> usize {
    let mut passed = 0;
    for _ in 0..10 {
        passed += usize::from(server.tries(key).await == 200);
    }
    passed
}

#[tokio::test]
async fn a_rotated_key_and_its_successors_share_one_rate_limit() {
    let server = Server::start();
    let manager = manager(&server).await;
    let limited = |new: &mut KeyRequest| new.settings.rate_limit = Some(RateLimit::parse("5/600").unwrap());
    let (first_id, first) = server.key_of(MEMBER, &[], limited).await;
    assert_eq!(passes(&server, &first).await, 5);
    let (second_id, second) = id_and_key(&rotate(&manager, &first_id, json!({ "overlap": "24h" })).await);
    assert_eq!((passes(&server, &second).await, passes(&server, &first).await), (0, 0));
    let (third_id, third) = id_and_key(&rotate(&manager, &second_id, json!({ "overlap": "24h" })).await);
    let (_, at_once) = id_and_key(&rotate(&manager, &third_id, json!({})).await);
    assert_eq!((server.tries(&third).await, passes(&server, &at_once).await), (401, 0));
    server.clock.advance(Duration::from_secs(600));
    assert_eq!((server.tries(&first).await, server.tries(&second).await), (200, 200));
    assert_eq!(passes(&server, &at_once).await, 3, "the other two came from the first ones");
    let (_, other) = server.key_of(MEMBER, &[], limited).await;
    assert_eq!(passes(&server, &other).await, 5, "a key of its own has its own");
    let server = server.restart();
    assert_eq!((passes(&server, &first).await, passes(&server, &at_once).await), (5, 0));
}
