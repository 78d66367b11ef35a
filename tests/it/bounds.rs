//! A key's own bounds also limit the keys that it creates, changes and rotates: expiry, address ranges, rate
//! limit, prefix.

use std::time::Duration;

use keybearer::testing::{Expiry, KeyPrefix, KeyRequest, Networks, RateLimit, Role};
use serde_json::{Value, json};

use crate::harness::{ADMIN, Answer, Client, MEMBER, Server};

const KEYS: &str = "/api/v1/keys";
const MANAGE: &str = "keybearer:keys";

async fn ask(client: &Client, method: &str, path: &str, body: Value) -> Answer {
    client.send(client.request(method, path).header("content-type", "application/json").body(body.to_string())).await
}

/// Asserts 403; returns the field at fault.
fn refused(answer: &Answer) -> Option<String> {
    assert_eq!(answer.problem(), (403, "forbidden".to_owned()), "{answer:?}");
    answer.json()["field"].as_str().map(str::to_owned)
}

/// A managing key that expires in a minute, is bound to this machine and limited to 100 requests per minute.
async fn bounded(server: &Server) -> (String, Client) {
    server.user(ADMIN, Role::Admin).await;
    let end = Expiry::At(server.site.auth.now().plus(Duration::from_secs(60)));
    let bound = |new: &mut KeyRequest| {
        new.settings.expires_at = end.time();
        new.settings.allowed_ips = Networks::parse(["127.0.0.0/8"]).unwrap();
        new.settings.rate_limit = Some(RateLimit::parse("100/60").unwrap());
    };
    let (id, key) = server.key_of(ADMIN, &[MANAGE, "keybearer:users", "*"], bound).await;
    (id, server.bearer(&key))
}

#[tokio::test]
async fn a_new_key_has_the_bounds_of_the_key_that_created_it() {
    let server = Server::start();
    let (_, manager) = bounded(&server).await;
    for body in
        [json!({ "name": "n" }), json!({ "name": "n", "expires_at": null, "allowed_ips": null, "rate_limit": null })]
    {
        let made = ask(&manager, "POST", KEYS, body).await;
        assert_eq!(made.status, 201, "{made:?}");
        let record = made.json();
        assert_eq!(record["expires_at"], "2026-11-23T08:01:00Z");
        assert_eq!(record["allowed_ips"], json!(["127.0.0.0/8"]));
        assert_eq!(record["rate_limit"], json!({ "requests": 100, "window": 60, "burst": 100 }));
    }
    let narrower = json!({
        "name": "n", "expires_in": "30s", "allowed_ips": ["127.0.0.1"], "rate_limit": { "requests": 1, "window": 60 },
    });
    let made = ask(&manager, "POST", KEYS, narrower).await;
    assert_eq!((made.status, &made.json()["allowed_ips"]), (201, &json!(["127.0.0.1/32"])), "{made:?}");
}

#[tokio::test]
async fn a_wider_bound_is_refused_and_the_field_is_named() {
    let server = Server::start();
    let (_, manager) = bounded(&server).await;
    for (field, value) in [
        ("expires", json!("never")),
        ("expires", json!("61s")),
        ("expires_in", json!("90d")),
        ("expires_at", json!("2026-11-23T08:01:01Z")),
        ("allowed_ips", json!([])),
        ("allowed_ips", json!(["0.0.0.0/0"])),
        ("allowed_ips", json!(["127.0.0.1", "10.0.0.1"])),
        ("allowed_ips", json!(["::1"])),
        ("rate_limit", json!({ "requests": 101, "window": 60 })),
        ("rate_limit", json!({ "requests": 100, "window": 59 })),
        ("rate_limit", json!({ "requests": 100, "window": 60, "burst": 101 })),
    ] {
        let answer = ask(&manager, "POST", KEYS, json!({ "name": "n", field: value })).await;
        assert_eq!(refused(&answer).as_deref(), Some(field), "{value}");
    }
}

#[tokio::test]
async fn a_key_cannot_give_another_key_more_than_it_has() {
    let server = Server::start();
    let (own_id, manager) = bounded(&server).await;
    let within = json!({ "name": "n", "expires_in": "30s", "allowed_ips": ["127.0.0.1"], "rate_limit": { "requests": 9, "window": 60 } });
    let small = ask(&manager, "POST", KEYS, within).await.json()["id"].as_str().unwrap().to_owned();
    let (wide, _) = server.key(&["orders:read"]).await;
    for (id, change, field) in [
        (&small, json!({ "expires_at": null }), "expires_at"),
        (&small, json!({ "expires_at": "2026-11-23T08:01:01Z" }), "expires_at"),
        (&small, json!({ "allowed_ips": [] }), "allowed_ips"),
        (&small, json!({ "allowed_ips": null }), "allowed_ips"),
        (&small, json!({ "rate_limit": null }), "rate_limit"),
        (&small, json!({ "rate_limit": { "requests": 101, "window": 60 } }), "rate_limit"),
        // What it gives would outlive it.
        (&wide, json!({ "scopes": ["orders:read", "orders:write"] }), "expires_at"),
    ] {
        let answer = ask(&manager, "PATCH", &format!("{KEYS}/{id}"), change.clone()).await;
        assert_eq!(refused(&answer).as_deref(), Some(field), "{change}");
    }
    for (id, change) in [
        (&small, json!({ "expires_at": "2026-11-23T08:01:00Z", "allowed_ips": ["127.0.0.0/8"], "scopes": ["x"] })),
        // It takes away: free, whatever is left.
        (&wide, json!({ "expires_at": "2026-12-23T08:00:00Z" })),
        (&wide, json!({ "allowed_ips": ["10.0.0.0/8"] })),
        (&wide, json!({ "rate_limit": { "requests": 1_000_000, "window": 1 } })),
        (&wide, json!({ "scopes": [], "name": "renamed" })),
        (&wide, json!({ "enabled": false })),
    ] {
        let answer = ask(&manager, "PATCH", &format!("{KEYS}/{id}"), change.clone()).await;
        assert_eq!(answer.status, 200, "{change}: {answer:?}");
    }
    let enabled = ask(&manager, "PATCH", &format!("{KEYS}/{wide}"), json!({ "enabled": true })).await;
    assert_eq!(refused(&enabled).as_deref(), Some("expires_at"));
    // Nor does a key that it made lift its bounds.
    let made = ask(&manager, "POST", KEYS, json!({ "name": "n", "scopes": [MANAGE] })).await.json();
    let made = server.bearer(made["key"].as_str().unwrap());
    for change in [json!({ "expires_at": null }), json!({ "allowed_ips": [] }), json!({ "rate_limit": null })] {
        let answer = ask(&made, "PATCH", &format!("{KEYS}/{own_id}"), change.clone()).await;
        assert!(refused(&answer).is_some(), "{change}");
    }
}

#[tokio::test]
async fn a_rotated_key_gets_no_more_than_the_calling_key_has() {
    let server = Server::start();
    let (own_id, manager) = bounded(&server).await;
    let inside = |new: &mut KeyRequest| {
        new.settings.allowed_ips = Networks::parse(["127.0.0.1"]).unwrap();
        new.settings.rate_limit = Some(RateLimit::parse("1/60").unwrap());
    };
    let (id, _) = server.key_of(MEMBER, &[], inside).await;
    for (field, value) in [("expires", "never"), ("expires_in", "2m"), ("expires_at", "2027-01-01T00:00:00Z")] {
        let answer = ask(&manager, "POST", &format!("{KEYS}/{id}/rotate"), json!({ field: value })).await;
        assert_eq!(refused(&answer).as_deref(), Some(field), "{value}");
    }
    let rotated = ask(&manager, "POST", &format!("{KEYS}/{id}/rotate"), json!({})).await;
    assert_eq!((rotated.status, &rotated.json()["expires_at"]), (201, &json!("2026-11-23T08:01:00Z")), "{rotated:?}");
    // Who is free gets the lifetime that the first one had.
    let (id, free) =
        (rotated.json()["id"].as_str().unwrap().to_owned(), server.key_of(ADMIN, &[MANAGE], |_| {}).await.1);
    let again = ask(&server.bearer(&free), "POST", &format!("{KEYS}/{id}/rotate"), json!({})).await;
    assert_eq!((again.status, &again.json()["expires_at"]), (201, &Value::Null), "{again:?}");
    let (elsewhere, _) = server.key(&[]).await;
    let answer = ask(&manager, "POST", &format!("{KEYS}/{elsewhere}/rotate"), json!({})).await;
    assert_eq!(refused(&answer).as_deref(), Some("allowed_ips"));
    server.clock.advance(Duration::from_secs(10));
    let own = ask(&manager, "POST", &format!("{KEYS}/{own_id}/rotate"), json!({})).await;
    assert_eq!((own.status, &own.json()["expires_at"]), (201, &json!("2026-11-23T08:01:00Z")), "{own:?}");
}

#[tokio::test]
async fn a_chosen_prefix_is_a_bound_and_the_default_one_is_not() {
    let server = Server::start();
    server.user(ADMIN, Role::Admin).await;
    let live = KeyPrefix::parse("acme_live").unwrap();
    let chosen = server.key_of(ADMIN, &[MANAGE, "*"], |new| new.prefix = Some(live)).await.1;
    let chosen = server.bearer(&chosen);
    let made = ask(&chosen, "POST", KEYS, json!({ "name": "n" })).await;
    assert_eq!((made.status, &made.json()["prefix"]), (201, &json!("acme_live")), "{made:?}");
    let other = ask(&chosen, "POST", KEYS, json!({ "name": "n", "prefix": "kb" })).await;
    assert_eq!(refused(&other).as_deref(), Some("prefix"));
    let (id, _) = server.key(&["orders:read"]).await;
    let rotated = ask(&chosen, "POST", &format!("{KEYS}/{id}/rotate"), json!({})).await;
    assert_eq!(refused(&rotated).as_deref(), Some("prefix"));
    let widened = ask(&chosen, "PATCH", &format!("{KEYS}/{id}"), json!({ "scopes": ["orders:*"] })).await;
    assert_eq!(refused(&widened).as_deref(), Some("prefix"));
    assert_eq!(ask(&chosen, "PATCH", &format!("{KEYS}/{id}"), json!({ "name": "m" })).await.status, 200);
    let usual = server.bearer(&server.key_of(ADMIN, &[MANAGE], |_| {}).await.1);
    let made = ask(&usual, "POST", KEYS, json!({ "name": "n", "prefix": "acme_live" })).await;
    assert_eq!(made.status, 201, "{made:?}");
}

#[tokio::test]
async fn a_key_bound_to_addresses_cannot_give_anyone_access_from_elsewhere() {
    let server = Server::start();
    let (_, manager) = bounded(&server).await;
    let users = "/api/v1/users";
    let password = "quite another long passphrase";
    let member = server.user(MEMBER, Role::Member).await.id;
    server.home.run(&["users", "deactivate", MEMBER]);
    for (method, path, body, field) in [
        ("POST", users.to_owned(), json!({ "email": "new@example.com", "password": password }), "password"),
        ("POST", users.to_owned(), json!({ "email": "new@example.com", "role": "admin" }), "role"),
        ("PATCH", format!("{users}/{member}"), json!({ "password": password }), "password"),
        ("PATCH", format!("{users}/{member}"), json!({ "role": "admin" }), "role"),
        ("PATCH", format!("{users}/{member}"), json!({ "active": true }), "active"),
    ] {
        let answer = ask(&manager, method, &path, body.clone()).await;
        assert_eq!(refused(&answer).as_deref(), Some(field), "{body}");
    }
    assert_eq!(ask(&manager, "POST", users, json!({ "email": "new@example.com" })).await.status, 201);
    assert_eq!(ask(&manager, "PATCH", &format!("{users}/{member}"), json!({ "role": "member" })).await.status, 200);
}

#[tokio::test]
async fn bounds_are_checked_at_the_moment_of_the_change() {
    let server = Server::start();
    server.user(ADMIN, Role::Admin).await;
    let (id, key) = server.key_of(ADMIN, &[MANAGE], |_| {}).await;
    let lock = server.home.hold_write_lock();
    lock.execute(format!("UPDATE keys SET rate_limit = '1000/60/1000' WHERE id = {}", crate::harness::id(&id)));
    let (client, body) = (server.bearer(&key), json!({ "name": "unbounded" }));
    let waiting = tokio::spawn(async move { ask(&client, "POST", KEYS, body).await });
    // Nothing outside tells that a request waits for the lock. Too short a pause proves less; none fails.
    tokio::time::sleep(Duration::from_millis(200)).await;
    lock.commit();
    let answer = waiting.await.unwrap();
    if answer.status == 201 {
        assert_eq!(answer.json()["rate_limit"]["requests"], 1000, "it came late, and was bound");
    } else {
        assert_eq!(answer.problem(), (403, "forbidden".to_owned()), "{answer:?}");
    }
}
