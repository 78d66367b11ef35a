//! The form that edits a key: every setting, a change that is shown before it is saved, and what needs a password.

use std::time::Duration;

use keybearer::testing::Role;
use serde_json::{Value, json};

use crate::harness::{ADMIN, Client, MEMBER, PASSWORD, Server};

const HOUR: Duration = Duration::from_secs(3600);

async fn record(server: &Server, key: &str) -> Value {
    server.bearer(key).get("/api/v1/keys/current").await.json()
}

/// The fields of the form that the page shows, as a browser sends them unchanged.
async fn unchanged(member: &Client, id: &str) -> Vec<(&'static str, String)> {
    let page = member.get(&format!("/keys/{id}/edit")).await;
    assert_eq!(page.status, 200, "{page:?}");
    ["version", "name", "expires"].into_iter().map(|name| (name, page.input(name))).collect()
}

#[tokio::test]
async fn every_setting_can_be_changed_and_the_change_is_shown_first() {
    let server = Server::start();
    let member = server.member().await;
    let (id, key) = member.make_key_with(&[("name", "mine"), ("expires", "90d"), ("scopes", "orders:read")]).await;
    let path = format!("/keys/{id}/edit");
    let version = member.get(&path).await.input("version");
    let form = [
        ("version", version.as_str()),
        ("name", "renamed"),
        ("description", "nightly"),
        ("expires", "30d"),
        ("scopes", "orders:read orders:write"),
        ("scopes", ""),
        ("allowed_ips", "127.0.0.0/8\r\n10.0.0.0/8"),
        ("limit_requests", "100"),
        ("limit_window", "60"),
        ("limit_burst", ""),
    ];
    let before = record(&server, &key).await;
    let review = member.form(&path, &form).await;
    assert_eq!((review.status, review.header("cache-control")), (200, "no-store"), "{review:?}");
    for text in ["orders:read orders:write", "127.0.0.0/8", "100 requests per minute", "Save changes"] {
        assert!(review.body.contains(text), "{text}: {}", review.body);
    }
    assert_eq!(record(&server, &key).await, before, "nothing is saved yet");
    let saved = member.form(&path, &[&form[..], &[("confirmed", "yes")]].concat()).await;
    assert_eq!((saved.status, saved.location()), (303, format!("/keys/{id}").as_str()), "{saved:?}");
    let after = record(&server, &key).await;
    assert_eq!(after["name"], "renamed");
    assert_eq!(after["description"], "nightly");
    assert_eq!(after["expires_at"], "2026-12-23T08:00:00Z");
    assert_eq!(after["scopes"], json!(["orders:read", "orders:write"]));
    assert_eq!(after["allowed_ips"], json!(["10.0.0.0/8", "127.0.0.0/8"]));
    assert_eq!(after["rate_limit"], json!({ "requests": 100, "window": 60, "burst": 100 }));

    // An unchanged form changes nothing, and an emptied one removes what may be absent.
    let fields = unchanged(&member, &id).await;
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(member.form(&path, &fields).await.status, 303);
    assert_eq!(record(&server, &key).await, after);
    let empty = [("name", "renamed"), ("scopes", ""), ("limit_requests", ""), ("confirmed", "yes")];
    assert_eq!(member.form(&path, &empty).await.status, 303);
    let emptied = record(&server, &key).await;
    assert_eq!((&emptied["scopes"], &emptied["rate_limit"]), (&json!([]), &Value::Null));
    assert_eq!(emptied["allowed_ips"], after["allowed_ips"], "this form has no such field");
}

#[tokio::test]
async fn a_wrong_setting_is_named_beside_its_field_and_nothing_typed_is_lost() {
    let server = Server::start();
    let member = server.member().await;
    let (id, key) = member.make_key("mine").await;
    let before = record(&server, &key).await;
    for (field, value, message) in [
        ("name", " ", "name"),
        ("scopes", "not a scope!", "scope"),
        ("allowed_ips", "300.1.2.3", "300.1.2.3"),
        ("limit_requests", "many", "whole number"),
        ("limit_requests", "0", "1 to 10,000,000"),
        ("limit_burst", "5", "number of requests"),
        ("expires", "soon", "Choose when"),
    ] {
        let mut form = vec![("name", "kept words"), ("description", "kept too"), ("confirmed", "yes")];
        form.retain(|(name, _)| *name != field);
        form.extend([(field, value), ("limit_window", "60")]);
        if field == "limit_burst" {
            form.push(("limit_requests", ""));
        }
        let refused = member.form(&format!("/keys/{id}/edit"), &form).await;
        assert_eq!(refused.status, 422, "{field}");
        assert!(refused.body.contains(message) && refused.body.contains("kept too"), "{field}: {}", refused.body);
        assert!(refused.body.contains("aria-invalid=\"true\"") || field == "expires", "{field}: {}", refused.body);
    }
    assert_eq!(record(&server, &key).await, before);
}

#[tokio::test]
async fn two_people_who_edit_one_key_do_not_overwrite_each_other() {
    let server = Server::start();
    let (member, admin) = (server.member().await, server.admin().await);
    let (id, key) = member.make_key("mine").await;
    let path = format!("/keys/{id}/edit");
    let version = member.get(&path).await.input("version");
    let form = [("version", version.as_str()), ("name", "first"), ("confirmed", "yes")];
    assert_eq!(admin.form(&path, &form).await.status, 303);
    let late = member.form(&path, &[("version", version.as_str()), ("name", "second"), ("confirmed", "yes")]).await;
    assert_eq!(late.status, 422);
    assert!(late.body.contains("changed this key in the meantime") && late.body.contains("value=\"second\""));
    assert_eq!(record(&server, &key).await["name"], "first");
    let again = [("version", &*late.input("version")), ("name", "second")];
    assert_eq!(member.form(&path, &again).await.status, 303);
}

#[tokio::test]
async fn giving_a_key_more_requires_a_recent_sign_in_or_the_password_and_taking_away_does_not() {
    let server = Server::start();
    let member = server.member().await;
    let form = [("name", "mine"), ("expires", "30d"), ("scopes", "a b")];
    let (id, key) = member.make_key_with(&form).await;
    let path = format!("/keys/{id}/edit");
    server.clock.advance(HOUR);
    let save = async |field: &str, value: &str, password: &str| {
        let fields = [("name", "mine"), (field, value), ("confirmed", "yes"), ("current_password", password)];
        // A form without a password field sends none.
        let fields = if password.is_empty() { &fields[..3] } else { &fields[..] };
        member.form(&path, fields).await
    };
    for (field, value) in [("scopes", "a b c"), ("expires", "90d"), ("expires", "never")] {
        let asked = save(field, value, "").await;
        assert_eq!(asked.status, 422, "{field}");
        assert!(asked.body.contains("name=\"current_password\""), "{field}: {}", asked.body);
    }
    assert_eq!(save("scopes", "a b c", "wrong horse battery staple").await.status, 422);
    assert_eq!(record(&server, &key).await["scopes"], json!(["a", "b"]));
    for (field, value) in [("scopes", "a"), ("expires", "7d"), ("allowed_ips", "127.0.0.1"), ("limit_requests", "9")] {
        assert_eq!(save(field, value, "").await.status, 303, "{field}");
    }
    assert_eq!(save("scopes", "a b c", PASSWORD).await.status, 303);
    assert_eq!(record(&server, &key).await["scopes"], json!(["a", "b", "c"]));
}

#[tokio::test]
async fn a_member_cannot_edit_into_a_key_what_a_member_cannot_create() {
    let server = Server::start();
    let member = server.member().await;
    let (id, key) = member.make_key("mine").await;
    let form = [("name", "mine"), ("scopes", "keybearer:keys"), ("confirmed", "yes")];
    let refused = member.form(&format!("/keys/{id}/edit"), &form).await;
    assert_eq!(refused.status, 422);
    assert!(refused.body.contains("Only an admin can grant scopes"), "{}", refused.body);
    assert_eq!(record(&server, &key).await["scopes"], json!([]));
    let stranger = server.person("eve@example.com", Role::Member).await;
    assert_eq!(stranger.get(&format!("/keys/{id}/edit")).await.status, 404);
    assert_eq!(stranger.form(&format!("/keys/{id}/edit"), &form).await.status, 404);
}

#[tokio::test]
async fn a_new_key_can_have_a_limit_and_a_prefix_and_an_admin_can_create_it_for_somebody() {
    let server = Server::start();
    let (admin, member) = (server.admin().await, server.member().await);
    let form = [
        ("name", "theirs"),
        ("expires", "90d"),
        ("owner", MEMBER),
        ("prefix", "acme_live"),
        ("limit_requests", "5"),
        ("limit_window", "3600"),
        ("limit_burst", "2"),
    ];
    let shown = admin.form("/keys", &form).await;
    let key = shown.new_key().unwrap_or_else(|| panic!("{shown:?}"));
    assert!(key.starts_with("acme_live_"));
    assert!(shown.body.contains(&format!("for <bdi>{MEMBER}</bdi>")), "the page says whose key it is: {}", shown.body);
    let made = record(&server, &key).await;
    assert_eq!(made["owner"]["email"], MEMBER);
    assert_eq!(made["rate_limit"], json!({ "requests": 5, "window": 3600, "burst": 2 }));
    assert!(member.get("/keys").await.body.contains("theirs"));
    for (owner, status) in [("nobody@example.com", 422), ("not an email", 422), ("", 200), (ADMIN, 200)] {
        let answer = admin.form("/keys", &[("name", "other"), ("expires", "7d"), ("owner", owner)]).await;
        assert_eq!((answer.status, answer.body.contains("value=\"other\"")), (status, status == 422), "{owner}");
    }
    // A member's form has no such field, and a forged one means nothing.
    let forged = member.form("/keys", &[("name", "forged"), ("expires", "7d"), ("owner", ADMIN)]).await;
    assert_eq!(record(&server, &forged.new_key().unwrap()).await["owner"]["email"], MEMBER);
    let prefix = member.form("/keys", &[("name", "x"), ("expires", "7d"), ("prefix", "other")]).await;
    assert_eq!((prefix.status, prefix.new_key()), (422, None));
}
