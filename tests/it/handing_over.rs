//! Keys that get another owner: one by the API, all of a person's at the dashboard.

use keybearer::testing::Role;
use serde_json::json;

use crate::harness::{ADMIN, MEMBER, Server};

const OTHER: &str = "eve@example.com";

#[tokio::test]
async fn an_admin_transfers_a_key_and_it_keeps_working_for_its_new_owner() {
    let server = Server::start();
    server.user(ADMIN, Role::Admin).await;
    let manager = server.bearer(&server.key_of(ADMIN, &["keybearer:keys"], |_| {}).await.1);
    let other = server.person(OTHER, Role::Member).await;
    let (id, key) = server.key_of(MEMBER, &["orders:read"], |_| {}).await;
    let path = format!("/api/v1/keys/{id}");
    let patch = async |body: serde_json::Value| {
        let request = manager.request("PATCH", &path).header("content-type", "application/json");
        manager.send(request.body(body.to_string())).await
    };
    let moved = patch(json!({ "owner": OTHER })).await;
    assert_eq!((moved.status, &moved.json()["owner"]["email"]), (200, &json!(OTHER)), "{moved:?}");
    assert_eq!(server.bearer(&key).get("/api/v1/keys/current").await.json()["owner"]["email"], OTHER);
    assert_eq!(other.get(&format!("/keys/{id}")).await.status, 200);
    assert_eq!(server.person(MEMBER, Role::Member).await.get(&format!("/keys/{id}")).await.status, 404);
    for (owner, status) in [("nobody@example.com", 422), ("x", 422)] {
        assert_eq!(patch(json!({ "owner": owner })).await.status, status, "{owner}");
    }
    // Deactivating the new owner stops the key; a deactivated user gets none.
    let user = server.user(OTHER, Role::Member).await.id;
    assert_eq!(server.admin().await.form(&format!("/users/{user}/deactivate"), &[]).await.status, 303);
    assert_eq!(server.tries(&key).await, 401);
    let (second, _) = server.key_of(MEMBER, &[], |_| {}).await;
    let request =
        manager.request("PATCH", &format!("/api/v1/keys/{second}")).header("content-type", "application/json");
    let refused = manager.send(request.body(json!({ "owner": OTHER }).to_string())).await;
    assert_eq!((refused.status, &refused.json()["field"]), (409, &json!("owner")), "{refused:?}");
    let trail = server.home.run(&["events", "list"]);
    assert!(trail.contains("key.changed") && trail.contains(&format!("of {OTHER}")), "{trail}");
}

#[tokio::test]
async fn a_member_transfers_nothing() {
    let server = Server::start();
    server.user(OTHER, Role::Member).await;
    let (id, own) = server.key_of(MEMBER, &["keybearer:keys"], |_| {}).await;
    let manager = server.bearer(&own);
    let request = manager.request("PATCH", &format!("/api/v1/keys/{id}")).header("content-type", "application/json");
    let refused = manager.send(request.body(json!({ "owner": OTHER }).to_string())).await;
    assert_eq!(refused.status, 403, "{refused:?}");
}

#[tokio::test]
async fn all_keys_of_a_person_are_handed_over_before_the_person_leaves() {
    let server = Server::start();
    let admin = server.admin().await;
    server.user(OTHER, Role::Member).await;
    let mut keys = Vec::new();
    for _ in 0..120 {
        keys.push(server.key_of(MEMBER, &[], |_| {}).await.1);
    }
    let member = server.user(MEMBER, Role::Member).await.id;
    let page = admin.get(&format!("/users/{member}")).await.body;
    assert!(page.contains(&format!("action=\"/users/{member}/hand-over\"")), "{page}");
    let path = format!("/users/{member}/hand-over");
    for (to, message) in [("", "Enter"), ("nobody@example.com", "No user has"), (MEMBER, "another person")] {
        let refused = admin.form(&path, &[("to", to)]).await;
        assert_eq!(refused.status, 422, "{to}");
        assert!(refused.body.contains(message), "{to}: {}", refused.body);
    }
    let done = admin.form(&path, &[("to", OTHER)]).await;
    assert_eq!((done.status, done.location()), (303, format!("/users/{member}").as_str()), "{done:?}");
    assert_eq!(server.home.run(&["keys", "list", "--owner", MEMBER, "--json"]).matches("\"id\"").count(), 0);
    for key in [&keys[0], &keys[119]] {
        assert_eq!(server.bearer(key).get("/api/v1/keys/current").await.json()["owner"]["email"], OTHER);
    }
    assert_eq!(admin.form(&format!("/users/{member}/deactivate"), &[]).await.status, 303);
    assert_eq!(server.tries(&keys[7]).await, 200);
}
