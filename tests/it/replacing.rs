//! The time between a rotation and the end of the old key: both pages name the other key, and the rotation can be
//! extended, ended, cancelled, or left to the server.

use std::time::Duration;

use keybearer::testing::Role;
use serde_json::{Value, json};

use crate::harness::{ADMIN, Client, MEMBER, PASSWORD, Server, eventually};

const HOUR: Duration = Duration::from_secs(3600);

struct Rotated {
    server: Server,
    member: Client,
    old_id: String,
    old: String,
    new: String,
    new_id: String,
}

/// A member's key of 30 days, rotated with these fields of the form.
async fn rotated(fields: &[(&str, &str)]) -> Rotated {
    let server = Server::start();
    let member = server.member().await;
    let (old_id, old) = member.make_key_with(&[("name", "billing"), ("expires", "30d")]).await;
    let shown = member.form(&format!("/keys/{old_id}/rotate"), fields).await;
    let new = shown.new_key().unwrap_or_else(|| panic!("{shown:?}"));
    let new_id = server.bearer(&new).get("/api/v1/keys/current").await.json()["id"].as_str().unwrap().to_owned();
    Rotated { server, member, old_id, old, new, new_id }
}

impl Rotated {
    async fn record(&self, id: &str) -> Value {
        let (_, key) = self.server.key_of(ADMIN, &["keybearer:keys"], |_| {}).await;
        self.server.bearer(&key).get(&format!("/api/v1/keys/{id}")).await.json()
    }

    async fn both(&self) -> (u16, u16) {
        (self.server.tries(&self.old).await, self.server.tries(&self.new).await)
    }
}

#[tokio::test]
async fn both_keys_of_a_rotation_name_each_other() {
    let rotation = rotated(&[("overlap", "24h")]).await;
    rotation.server.user(ADMIN, Role::Admin).await;
    let (old, new) = (rotation.record(&rotation.old_id).await, rotation.record(&rotation.new_id).await);
    assert_eq!((&old["rotated_from"], &old["rotated_to"]), (&Value::Null, &json!(rotation.new_id)));
    assert_eq!((&new["rotated_from"], &new["rotated_to"]), (&json!(rotation.old_id), &Value::Null));
    let page = async |id: &str| rotation.member.get(&format!("/keys/{id}")).await.body;
    let of_old = page(&rotation.old_id).await;
    assert!(of_old.contains("This key is being replaced") && of_old.contains(&rotation.new_id), "{of_old}");
    let of_new = page(&rotation.new_id).await;
    assert!(!of_new.contains("still in use") && of_new.contains(&rotation.old_id), "{of_new}");
    rotation.server.clock.advance(HOUR);
    rotation.server.tries(&rotation.old).await;
    assert!(page(&rotation.new_id).await.contains("The key that it replaced is still in use"));
    // The new key remembers the old one after that is gone.
    assert_eq!(rotation.member.form(&format!("/keys/{}/revoke", rotation.old_id), &[]).await.status, 303);
    assert_eq!(rotation.record(&rotation.new_id).await["rotated_from"], json!(rotation.old_id));
    assert!(!page(&rotation.new_id).await.contains("still in use"));
}

#[tokio::test]
async fn the_end_of_the_old_key_can_be_moved_but_never_beyond_its_own_expiry() {
    let rotation = rotated(&[("overlap", "1h")]).await;
    rotation.server.user(ADMIN, Role::Admin).await;
    let extend = async |overlap: &str| {
        let path = format!("/keys/{}/extend", rotation.old_id);
        let status = rotation.member.form(&path, &[("overlap", overlap), ("silence", "")]).await.status;
        (status, rotation.record(&rotation.old_id).await["expires_at"].as_str().unwrap().to_owned())
    };
    assert_eq!(extend("7d").await, (303, "2026-11-30T08:00:00Z".to_owned()));
    assert_eq!(extend("24h").await, (303, "2026-11-24T08:00:00Z".to_owned()), "shorter works too");
    assert_eq!(extend("90d").await, (303, "2026-12-23T08:00:00Z".to_owned()), "its own expiry");
    for bad in ["0", "91d", "soon", ""] {
        assert_eq!(extend(bad).await.0, 422, "{bad}");
    }
    // A key that nothing replaces has no such end.
    let path = format!("/keys/{}/extend", rotation.new_id);
    assert_eq!(rotation.member.form(&path, &[("overlap", "24h")]).await.status, 409);
    let stranger = rotation.server.person("eve@example.com", Role::Member).await;
    for act in ["extend", "cancel-rotation"] {
        let answer = stranger.form(&format!("/keys/{}/{act}", rotation.old_id), &[("overlap", "24h")]).await;
        assert_eq!(answer.status, 404, "{act}");
    }
}

#[tokio::test]
async fn a_cancelled_rotation_revokes_the_new_key_and_gives_the_old_one_its_expiry_back() {
    let rotation = rotated(&[("overlap", "1h")]).await;
    rotation.server.user(ADMIN, Role::Admin).await;
    let cancel = async || rotation.member.form(&format!("/keys/{}/cancel-rotation", rotation.old_id), &[]).await;
    // Even after the old key has ended.
    rotation.server.clock.advance(2 * HOUR);
    assert_eq!(rotation.both().await, (401, 200));
    let done = cancel().await;
    assert_eq!(done.status, 303, "{done:?}");
    assert_eq!(rotation.both().await, (200, 401));
    let old = rotation.record(&rotation.old_id).await;
    assert_eq!((&old["expires_at"], &old["rotated_to"]), (&json!("2026-12-23T08:00:00Z"), &Value::Null));
    assert_eq!(cancel().await.status, 409, "once");
}

#[tokio::test]
async fn a_rotation_whose_old_key_has_expired_by_itself_cannot_be_cancelled() {
    let rotation = rotated(&[("overlap", "7d")]).await;
    rotation.server.clock.advance(30 * 24 * HOUR);
    rotation.member.sign_in(MEMBER, PASSWORD).await;
    let path = format!("/keys/{}/cancel-rotation", rotation.old_id);
    assert_eq!(rotation.member.form(&path, &[]).await.status, 409);
}

#[tokio::test]
async fn an_old_key_that_nobody_uses_any_more_is_revoked_before_its_time() {
    let rotation = rotated(&[("overlap", "7d"), ("silence", "24h")]).await;
    let pass = async |span: Duration| {
        rotation.server.clock.advance(span);
        // Another key is used meanwhile, so that the schedule has something to write.
        assert_eq!(rotation.server.tries(&rotation.new).await, 200);
    };
    pass(20 * HOUR).await;
    assert_eq!(rotation.server.tries(&rotation.old).await, 200, "used within a day");
    pass(20 * HOUR).await;
    assert_eq!(rotation.server.tries(&rotation.old).await, 200, "again");
    pass(26 * HOUR).await;
    let is_gone = async || {
        rotation.server.clock.advance(Duration::from_secs(1));
        rotation.member.sign_in(MEMBER, PASSWORD).await;
        rotation.member.get(&format!("/keys/{}", rotation.old_id)).await.status == 404
    };
    eventually(Duration::from_secs(20), "the old key is revoked", is_gone).await;
    assert_eq!(rotation.both().await, (401, 200));
}

#[tokio::test]
async fn a_verifier_learns_that_an_ended_key_was_replaced() {
    let rotation = rotated(&[("overlap", "1h")]).await;
    let verifier = rotation.server.bearer(&rotation.server.key_of(ADMIN, &["keybearer:verify"], |_| {}).await.1);
    let code = async |key: &str| {
        let answer = verifier.json("/api/v1/keys/verify", json!({ "key": key }).to_string()).await;
        answer.json()["code"].as_str().unwrap().to_owned()
    };
    let (_, short) = rotation.member.make_key_with(&[("name", "short"), ("expires", "7d")]).await;
    assert_eq!(code(&rotation.old).await, "valid");
    rotation.server.clock.advance(HOUR);
    assert_eq!(code(&rotation.old).await, "replaced");
    rotation.server.clock.advance(8 * 24 * HOUR);
    assert_eq!(code(&short).await, "expired");
    // To the bearer both are the same.
    let answers = [rotation.server.tries(&rotation.old).await, rotation.server.tries(&short).await];
    assert_eq!(answers, [401, 401]);
}

#[tokio::test]
async fn the_api_and_the_command_line_take_the_silence_too() {
    let server = Server::start();
    server.user(ADMIN, Role::Admin).await;
    let manager = server.bearer(&server.key_of(ADMIN, &["keybearer:keys", "*"], |_| {}).await.1);
    let (id, _) = server.key_of(MEMBER, &[], |_| {}).await;
    let path = format!("/api/v1/keys/{id}/rotate");
    for (body, status) in [
        (json!({ "overlap": "24h", "end_if_unused_for": "1h" }), 201),
        (json!({ "overlap": "24h", "end_if_unused_for": "59m" }), 422),
        (json!({ "end_if_unused_for": "1h" }), 422),
    ] {
        let answer = manager.json(&path, body.to_string()).await;
        assert_eq!(answer.status, status, "{body}: {answer:?}");
        if status == 422 {
            assert_eq!(answer.json()["field"], "end_if_unused_for", "{answer:?}");
        }
    }
    server.home.run(&["keys", "rotate", &id, "--overlap", "24h", "--end-if-unused-for", "24h"]);
    server.home.keybearer(&["keys", "rotate", &id, "--end-if-unused-for", "1m"]).assert().failure();
}

#[tokio::test]
async fn only_its_owner_rotates_a_key_at_the_dashboard() {
    let server = Server::start();
    let (admin, member) = (server.admin().await, server.member().await);
    let (id, key) = member.make_key("mine").await;
    let page = admin.get(&format!("/keys/{id}")).await.body;
    assert!(!page.contains(&format!("action=\"/keys/{id}/rotate\"")) && page.contains("Only its owner can rotate"));
    let refused = admin.form(&format!("/keys/{id}/rotate"), &[("overlap", "1h")]).await;
    assert_eq!((refused.status, refused.new_key()), (403, None), "an admin does not see somebody else's key");
    assert_eq!(server.tries(&key).await, 200);
}
