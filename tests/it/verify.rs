//! `POST /api/v1/keys/verify`: only an authorised verifier learns the reason.

use std::time::Duration;

use keybearer::testing::{Expiry, Networks, Role};
use serde_json::{Value, json};

use crate::harness::{ADMIN, Client, Home, MEMBER, Server, bytes, eventually};

const VERIFY: &str = "/api/v1/keys/verify";

async fn verdict(verifier: &Client, body: Value) -> String {
    let answer = verifier.json(VERIFY, body.to_string()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let verdict = answer.json();
    assert_eq!(verdict["valid"], verdict["code"] == "valid");
    assert_eq!(verdict.as_object().unwrap().contains_key("key"), verdict["code"] == "valid");
    verdict["code"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_verifier_gets_each_reason() {
    let server = Server::start();
    let admin = server.admin().await;
    let verifier = server.bearer(&server.key(&["keybearer:verify"]).await.1);
    let (id, key) = server.key(&["orders:*"]).await;
    let inside = Networks::parse(["10.0.0.0/8"]).unwrap();
    let (_, ranged) = server.key_of(MEMBER, &[], |new| new.settings.allowed_ips = inside).await;
    let soon = Expiry::At(server.site.auth.now().plus(Duration::from_secs(1)));
    let (_, expired) = server.key_of(MEMBER, &[], |new| new.settings.expires_at = soon.time()).await;
    let (_, of_gone) = server.key_of("gone@example.com", &[], |_| {}).await;
    let gone = server.user("gone@example.com", Role::Member).await;
    server.clock.advance(Duration::from_secs(1));
    admin.form(&format!("/users/{}/deactivate", gone.id), &[]).await;

    let unknown = "kb_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA4gH3Qs";
    for (body, code) in [
        (json!({ "key": key }), "valid"),
        (json!({ "key": key, "scopes": ["orders:read"] }), "valid"),
        (json!({ "key": key, "scopes": ["orders:read", "stock:read"] }), "insufficient_scope"),
        (json!({ "key": ranged }), "ip_not_allowed"),
        (json!({ "key": ranged, "ip": "192.0.2.1" }), "ip_not_allowed"),
        (json!({ "key": ranged, "ip": "10.1.2.3" }), "valid"),
        (json!({ "key": expired }), "expired"),
        (json!({ "key": of_gone }), "owner_deactivated"),
        (json!({ "key": unknown }), "not_found"),
        (json!({ "key": "junk" }), "malformed"),
        (json!({ "key": "" }), "malformed"),
    ] {
        assert_eq!(verdict(&verifier, body.clone()).await, code, "{body}");
    }
    admin.form(&format!("/keys/{id}/disable"), &[]).await;
    assert_eq!(verdict(&verifier, json!({ "key": key })).await, "disabled");
    admin.form(&format!("/keys/{id}/enable"), &[]).await;
    assert_eq!(verdict(&verifier, json!({ "key": key })).await, "valid");
    admin.form(&format!("/keys/{id}/revoke"), &[]).await;
    assert_eq!(verdict(&verifier, json!({ "key": key })).await, "not_found");
    admin.form(&format!("/users/{}/activate", gone.id), &[]).await;
    assert_eq!(verdict(&verifier, json!({ "key": of_gone })).await, "valid");
}

#[tokio::test]
async fn a_valid_key_is_returned_with_its_record_but_not_its_digest() {
    let server = Server::start();
    let verifier = server.bearer(&server.key(&["keybearer:verify"]).await.1);
    let (id, key) = server.key(&["orders:read"]).await;
    let owner = server.user(MEMBER, Role::Member).await.id.to_string();
    let body = verifier.json(VERIFY, json!({ "key": key }).to_string()).await.json();
    let record = server.bearer(&key).get("/api/v1/keys/current").await.json();
    assert_eq!(body, json!({ "valid": true, "code": "valid", "key": record }));
    let hint = format!("kb_…{}", &key[key.len() - 4..]);
    let expected = json!({
        "id": id, "name": "nightly job", "description": null, "prefix": "kb", "hint": hint,
        "owner": { "id": owner, "email": MEMBER },
        "scopes": ["orders:read"], "enabled": true, "state": "active",
        "created_at": "2026-11-23T08:00:00Z", "expires_at": null, "last_used_at": record["last_used_at"],
        "allowed_ips": [], "rate_limit": null, "metadata": {},
    });
    assert_eq!(record, expected);
}

#[tokio::test]
async fn only_a_key_with_the_scope_may_verify() {
    let server = Server::start();
    let (_, key) = server.key(&[]).await;
    let body = json!({ "key": key }).to_string();
    assert_eq!(server.anon().json(VERIFY, body.clone()).await.problem(), (401, "missing_key".into()));
    assert_eq!(server.admin().await.json(VERIFY, body.clone()).await.problem(), (401, "missing_key".into()));
    for grant in ["*", "k*", "keybearer:keys", "orders:read"] {
        let caller = server.bearer(&server.key(&[grant]).await.1);
        let answer = caller.json(VERIFY, body.clone()).await;
        assert_eq!(answer.problem(), (403, "insufficient_scope".into()), "{grant}");
        assert!(answer.header("www-authenticate").contains("scope=\"keybearer:verify\""), "{answer:?}");
    }
}

#[tokio::test]
async fn concurrent_responses_are_never_mixed_up() {
    let server = Server::start();
    let keys = server.keys(16).await;
    let clients = keys.iter().map(|(id, key)| {
        let bearer = server.bearer(key);
        async move {
            for _ in 0..50 {
                assert_eq!(bearer.get("/api/v1/keys/current").await.json()["id"], *id);
                assert_eq!(bearer.get("/auth").await.header("x-auth-key-id"), id);
            }
        }
    });
    futures_util::future::join_all(clients).await;
}

#[tokio::test]
async fn an_imported_key_with_any_text_is_verified_by_its_digest() {
    let server = Server::start();
    let (id, _) = server.key(&[]).await;
    assert_eq!(server.tries("legacy-key-0042").await, 401);
    let digest = bytes(<sha2::Sha256 as sha2::Digest>::digest(b"legacy-key-0042"));
    let change = "prefix = NULL, hint = 'legacy' WHERE hint LIKE 'kb%'";
    assert_eq!(server.home.execute(format!("UPDATE keys SET digest = {digest}, {change}")), 1);
    eventually(Duration::from_secs(2), "the imported key opens", async || server.tries("legacy-key-0042").await == 200)
        .await;
    assert_eq!(server.bearer("legacy-key-0042").get("/auth").await.header("x-auth-key-id"), id);
    assert_eq!(server.tries("legacy-key-0043").await, 401);
}

/// How many records were read from the database because they were not in memory.
async fn reads(verifier: &Client) -> u64 {
    let text = verifier.get("/metrics").await.body;
    let line = text.lines().find_map(|line| line.strip_prefix("keybearer_record_cache_reads_total "));
    line.unwrap_or_else(|| panic!("{text}")).parse().unwrap()
}

#[tokio::test]
async fn a_record_is_read_once_and_then_answered_from_memory() {
    let server = Server::start();
    let verifier = server.bearer(&server.key(&["keybearer:verify"]).await.1);
    let (_, key) = server.key(&["orders:read"]).await;
    let first = verifier.json(VERIFY, json!({ "key": key }).to_string()).await.json();
    assert_eq!(reads(&verifier).await, 1);
    for _ in 0..20 {
        let again = verifier.json(VERIFY, json!({ "key": key }).to_string()).await.json();
        assert_eq!(again, first);
        assert_eq!(server.bearer(&key).get("/api/v1/keys/current").await.json(), first["key"]);
    }
    assert_eq!(reads(&verifier).await, 1);
    server.clock.advance(Duration::from_secs(3600));
    let later = server.bearer(&key).get("/api/v1/keys/current").await.json();
    assert_eq!(later["last_used_at"], "2026-11-23T09:00:00Z", "{later}");
    assert_eq!(reads(&verifier).await, 1);
}

#[tokio::test]
async fn a_record_in_memory_follows_every_change() {
    let server = Server::start();
    server.admin().await;
    let manager = server.bearer(&server.key_of(ADMIN, &["keybearer:keys", "keybearer:verify", "*"], |_| {}).await.1);
    let (id, key) = server.key(&["orders:read"]).await;
    let path = format!("/api/v1/keys/{id}");
    let current = async || server.bearer(&key).get("/api/v1/keys/current").await.json();
    current().await;
    for (field, value) in [
        ("name", json!("renamed")),
        ("description", json!("described")),
        ("metadata", json!({ "team": "orders" })),
        ("scopes", json!(["orders:write"])),
        ("expires_at", json!("2027-01-01T00:00:00Z")),
        ("allowed_ips", json!(["127.0.0.0/8"])),
        ("rate_limit", json!({ "requests": 1000, "window": 60 })),
        ("description", json!(null)),
    ] {
        let change = json!({ field: value }).to_string();
        let request = manager.request("PATCH", &path).header("content-type", "application/json").body(change);
        assert_eq!(manager.send(request).await.status, 200, "{field}");
        let seen = current().await;
        let mut stored = manager.get(&path).await.json();
        assert_eq!(seen[field], stored[field], "{field}");
        stored["last_used_at"] = seen["last_used_at"].clone();
        // Links to other keys are not in the records in memory.
        for link in ["rotated_from", "rotated_to", "last_used"] {
            assert!(stored.as_object_mut().unwrap().remove(link).is_some());
        }
        assert_eq!(seen, stored, "{field}");
        let asked = json!({ "key": key, "ip": "127.0.0.1" }).to_string();
        assert_eq!(manager.json(VERIFY, asked).await.json()["key"], seen, "{field}");
    }
}

#[tokio::test]
async fn without_a_record_cache_each_record_is_read() {
    let server = Server::set(&Home::new(), |settings| settings.auth.record_cache = 0);
    let verifier = server.bearer(&server.key(&["keybearer:verify"]).await.1);
    let (_, key) = server.key(&[]).await;
    for _ in 0..3 {
        assert_eq!(verdict(&verifier, json!({ "key": key })).await, "valid");
    }
    assert_eq!(reads(&verifier).await, 3);
}
