//! `/api/v1/users` and `/api/v1/events`: people and the audit log, for an admin's keys.

use keybearer::testing::Role;
use serde_json::{Value, json};

use crate::harness::{ADMIN, Answer, Client, MEMBER, PASSWORD, Server};

const USERS: &str = "/api/v1/users";
const EVENTS: &str = "/api/v1/events";

async fn holder(server: &Server, scope: &str) -> Client {
    server.user(ADMIN, Role::Admin).await;
    server.bearer(&server.key_of(ADMIN, &[scope], |_| {}).await.1)
}

async fn ask(client: &Client, method: &str, path: &str, body: Value, headers: &[(&str, &str)]) -> Answer {
    let mut request = client.request(method, path).header("content-type", "application/json").body(body.to_string());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    client.send(request).await
}

async fn id_of(server: &Server, email: &str) -> String {
    server.user(email, Role::Member).await.id.to_string()
}

#[tokio::test]
async fn an_added_user_can_sign_in_and_is_listed() {
    let server = Server::start();
    let users = holder(&server, "keybearer:users").await;
    let added = ask(&users, "POST", USERS, json!({ "email": " Grace@Example.com", "password": PASSWORD }), &[]).await;
    assert_eq!(added.status, 201, "{added:?}");
    let record = added.json();
    let id = record["id"].as_str().unwrap();
    assert_eq!(added.location(), format!("{USERS}/{id}"));
    assert_eq!(
        record,
        json!({ "id": id, "email": MEMBER, "role": "member", "active": true, "keys": 0,
            "created_at": "2026-11-23T08:00:00Z", "last_login_at": null })
    );
    let member = Client::signed_in(server.address, MEMBER).await;
    assert_eq!(member.get("/users").await.status, 403);
    let shown = users.get(&format!("{USERS}/{id}")).await;
    assert_eq!((shown.status, shown.header("etag")), (200, added.header("etag")));
    let twice = ask(&users, "POST", USERS, json!({ "email": MEMBER, "password": PASSWORD }), &[]).await;
    assert_eq!((twice.status, twice.json()["field"].as_str()), (409, Some("email")));
    let mute = ask(&users, "POST", USERS, json!({ "email": "mute@example.com" }), &[]).await;
    assert_eq!(mute.status, 201);
    assert_eq!(server.anon().sign_in("mute@example.com", PASSWORD).await.status, 422, "no password, no way in");
    for (query, found) in
        [("search=GRACE", 1), ("role=admin", 1), ("active=false", 0), ("role=member&limit=1", 1), ("", 3)]
    {
        let page = users.get(&format!("{USERS}?{query}")).await.json();
        assert_eq!(page["users"].as_array().unwrap().len(), found, "{query}: {page}");
    }
    let first = users.get(&format!("{USERS}?limit=2")).await.json();
    let cursor = first["next_cursor"].as_str().unwrap();
    let rest = users.get(&format!("{USERS}?limit=2&cursor={cursor}")).await.json();
    assert_eq!((rest["users"].as_array().unwrap().len(), &rest["next_cursor"]), (1, &Value::Null));
}

#[tokio::test]
async fn unknown_invalid_and_read_only_fields_are_named() {
    let server = Server::start();
    let users = holder(&server, "keybearer:users").await;
    let path = format!("{USERS}/{}", id_of(&server, MEMBER).await);
    for (body, field) in [
        (json!({ "email": "new@example.com", "is_admin": true }), "is_admin"),
        (json!({ "email": "new@example.com", "has_admin_role": true }), "has_admin_role"),
        (json!({ "email": "new@example.com", "password_hash": "x" }), "password_hash"),
        (json!({ "email": "new@example.com", "active": false }), "active"),
        (json!({ "email": "new@example.com", "role": "root" }), "role"),
        (json!({ "email": "new@example.com", "role": "Admin" }), "role"),
        (json!({ "email": "new@example.com", "password": "short" }), "password"),
        (json!({ "email": "nonsense" }), "email"),
        (json!({ "role": "member" }), "email"),
    ] {
        let answer = ask(&users, "POST", USERS, body.clone(), &[]).await;
        assert_eq!((answer.status, answer.json()["field"].as_str()), (422, Some(field)), "{body}: {answer:?}");
    }
    for (body, field) in [
        (json!({ "email": "new@example.com" }), "email"),
        (json!({ "id": "x" }), "id"),
        (json!({ "keys": 0 }), "keys"),
        (json!({ "created_at": "x" }), "created_at"),
        (json!({ "role": null }), "role"),
        (json!({ "active": "no" }), "active"),
        (json!({ "password": "short" }), "password"),
    ] {
        let answer = ask(&users, "PATCH", &path, body.clone(), &[]).await;
        assert_eq!((answer.status, answer.json()["field"].as_str()), (422, Some(field)), "{body}: {answer:?}");
    }
    assert_eq!(users.get(USERS).await.json()["users"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_changed_role_or_state_takes_effect_at_once() {
    let server = Server::start();
    let users = holder(&server, "keybearer:users").await;
    let member = server.member().await;
    let (_, key) = server.key(&[]).await;
    let path = format!("{USERS}/{}", id_of(&server, MEMBER).await);
    assert_eq!(member.get("/users").await.status, 403);
    assert_eq!(ask(&users, "PATCH", &path, json!({ "role": "admin" }), &[]).await.json()["role"], "admin");
    assert_eq!(member.get("/users").await.status, 200);
    assert_eq!(ask(&users, "PATCH", &path, json!({ "role": "member" }), &[]).await.status, 200);
    assert_eq!(member.get("/users").await.status, 403);
    let off = ask(&users, "PATCH", &path, json!({ "active": false }), &[]).await;
    assert_eq!((off.status, &off.json()["active"]), (200, &json!(false)));
    assert_eq!((server.tries(&key).await, member.get("/keys").await.status), (401, 303));
    assert_eq!(ask(&users, "PATCH", &path, json!({ "active": true }), &[]).await.status, 200);
    assert_eq!((server.tries(&key).await, member.get("/keys").await.status), (200, 303), "sessions do not come back");
    let etag = users.get(&path).await.header("etag").to_owned();
    ask(&users, "PATCH", &path, json!({ "active": false }), &[]).await;
    for method in ["PATCH", "DELETE"] {
        let late = ask(&users, method, &path, json!({ "role": "admin" }), &[("if-match", &etag)]).await;
        assert_eq!(late.problem(), (412, "precondition_failed".into()), "{method}");
    }
    assert_eq!(users.call("DELETE", &path).await.status, 204);
    assert_eq!((users.get(&path).await.status, server.tries(&key).await), (404, 401));
}

#[tokio::test]
async fn a_new_password_ends_the_sessions_and_tokens_of_the_old_one() {
    let server = Server::start();
    let users = holder(&server, "keybearer:users").await;
    let member = server.member().await;
    let path = format!("{USERS}/{}", id_of(&server, MEMBER).await);
    let new = "seven purple lamps sing softly";
    let set = ask(&users, "PATCH", &path, json!({ "password": new }), &[]).await;
    assert!(set.status == 200 && !set.body.contains(new), "{set:?}");
    assert_eq!(member.get("/keys").await.status, 303);
    assert_eq!(server.anon().sign_in(MEMBER, PASSWORD).await.status, 422);
    assert_eq!(server.anon().sign_in(MEMBER, new).await.status, 303);
}

#[tokio::test]
async fn the_last_admin_cannot_be_removed_and_nobody_removes_themselves() {
    let server = Server::start();
    let users = holder(&server, "keybearer:users").await;
    let own = format!("{USERS}/{}", id_of(&server, ADMIN).await);
    for (method, body) in
        [("PATCH", json!({ "role": "member" })), ("PATCH", json!({ "active": false })), ("DELETE", json!({}))]
    {
        assert_eq!(ask(&users, method, &own, body, &[]).await.problem(), (409, "conflict".into()), "{method}");
    }
    let second = server.user("second@example.com", Role::Admin).await.id;
    let (_, theirs) = server.key_of("second@example.com", &["keybearer:users"], |_| {}).await;
    let theirs = server.bearer(&theirs);
    let (demote, path) = (json!({ "role": "member" }), format!("{USERS}/{second}"));
    let (one, two) = futures_util::future::join(
        ask(&users, "PATCH", &path, demote.clone(), &[]),
        ask(&theirs, "PATCH", &own, demote.clone(), &[]),
    )
    .await;
    let mut statuses = [one.status, two.status];
    statuses.sort_unstable();
    assert!(statuses[0] == 200 && [403, 409].contains(&statuses[1]), "{statuses:?}");
    let left = "SELECT count(*) FROM users WHERE role = 'admin' AND active = 1";
    let left = server.home.number(left);
    assert_eq!(left, 1);
}

#[tokio::test]
async fn a_members_key_manages_no_users_and_reads_no_log_whatever_its_scopes() {
    let server = Server::start();
    server.user(ADMIN, Role::Admin).await;
    let members = server.bearer(&server.key(&["keybearer:users", "keybearer:events"]).await.1);
    let own = format!("{USERS}/{}", id_of(&server, MEMBER).await);
    let admins = format!("{USERS}/{}", id_of(&server, ADMIN).await);
    for (method, path, body) in [
        ("GET", USERS, Value::Null),
        ("POST", USERS, json!({ "email": "eve@example.com", "role": "admin" })),
        ("GET", &admins, Value::Null),
        ("PATCH", &own, json!({ "role": "admin" })),
        ("PATCH", &admins, json!({ "password": PASSWORD })),
        ("DELETE", &admins, Value::Null),
        ("GET", EVENTS, Value::Null),
    ] {
        assert_eq!(
            ask(&members, method, path, body, &[]).await.problem(),
            (403, "forbidden".into()),
            "{method} {path}"
        );
    }
    // Demoted, an admin's key has no more power than its owner.
    let second = server.user("second@example.com", Role::Admin).await.id;
    let (_, key) = server.key_of("second@example.com", &["keybearer:users"], |_| {}).await;
    assert_eq!(server.bearer(&key).get(USERS).await.status, 200);
    let users = holder(&server, "keybearer:users").await;
    ask(&users, "PATCH", &format!("{USERS}/{second}"), json!({ "role": "member" }), &[]).await;
    assert_eq!(server.bearer(&key).get(USERS).await.problem(), (403, "forbidden".into()));
}

#[tokio::test]
async fn the_audit_log_is_filtered_and_paged() {
    let server = Server::start();
    let events = holder(&server, "keybearer:events").await;
    let member = server.member().await;
    let (id, key) = member.make_key("mine").await;
    member.form(&format!("/keys/{id}/disable"), &[]).await;
    server.clock.advance(std::time::Duration::from_secs(60));
    member.form(&format!("/keys/{id}/revoke"), &[]).await;
    let user = id_of(&server, MEMBER).await;
    let actions = async |query: &str| {
        let answer = events.get(&format!("{EVENTS}?{query}")).await;
        assert_eq!(answer.status, 200, "{query}: {answer:?}");
        let lines = answer.json()["events"].as_array().unwrap().clone();
        lines.iter().map(|line| line["action"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(actions(&format!("object_id={id}")).await, ["key.revoked", "key.disabled", "key.created"]);
    assert_eq!(actions("action=key.disabled").await, ["key.disabled"]);
    assert_eq!(actions(&format!("actor_id={user}&limit=2")).await, ["key.revoked", "key.disabled"]);
    assert_eq!(actions("since=2026-11-23T08:01:00Z").await, ["key.revoked"]);
    assert_eq!(actions(&format!("until=2026-11-23T08:01:00Z&object_id={id}")).await, ["key.disabled", "key.created"]);
    assert_eq!(actions("search=MINE&action=key.created").await, ["key.created"]);
    let (mut walked, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = events.get(&format!("{EVENTS}?limit=2&cursor={cursor}")).await.json();
        walked.extend(page["events"].as_array().unwrap().iter().map(|line| line["seq"].as_i64().unwrap()));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    assert!(walked.windows(2).all(|two| two[0] == two[1] + 1) && walked.last() == Some(&1), "{walked:?}");
    assert!(!events.get(EVENTS).await.body.contains(&key));
    for (query, field) in [
        ("action=x", "action"),
        ("actor_id=1", "actor_id"),
        ("since=now", "since"),
        ("cursor=x", "cursor"),
        ("order=x", "order"),
    ] {
        let answer = events.get(&format!("{EVENTS}?{query}")).await;
        assert_eq!((answer.status, answer.json()["field"].as_str()), (422, Some(field)), "{query}");
    }
}
