//! Values that break the rules of their types, written to the database directly: nothing stored can
//! keep a key, or its neighbours, from being shown, refused and revoked.

use std::time::Duration;

use keybearer::testing::{Role, UserId};
use serde_json::{Value, json};

use crate::harness::{ADMIN, Client, Home, PASSWORD, Server, bytes, eventually};

/// A change made in the database is noticed within a second, on a busy machine slightly later.
pub const SOON: Duration = Duration::from_secs(3);

/// A change to a user's row or to the user's keys; whether a verdict depends on it; the field that a key's
/// record names.
pub type Damage = (&'static str, bool, Option<&'static str>);

const DAMAGES: [Damage; 7] = [
    ("keys SET metadata = 'no json'", false, Some("metadata")),
    ("keys SET metadata = '[1]'", false, Some("metadata")),
    ("keys SET scopes = 'orders:read,orders:write'", true, Some("scopes")),
    ("keys SET scopes = 'a\nb'", true, Some("scopes")),
    ("keys SET allowed_ips = '127.0.0.0/8 everywhere'", true, Some("allowed_ips")),
    ("keys SET rate_limit = '0/0'", true, Some("rate_limit")),
    ("users SET email = 'Grace <grace'", false, Some("owner")),
];

/// The whole statement, for the rows of this user.
pub fn update(statement: &str, owner: UserId) -> String {
    let whose = if statement.starts_with("keys") { "owner_id" } else { "id" };
    format!("UPDATE {statement} WHERE {whose} = {}", bytes(owner.as_bytes()))
}

fn damage(home: &Home, statement: &str, owner: UserId) {
    home.execute(update(statement, owner));
}

/// A key with `keybearer:keys`.
pub async fn managing_key(server: &Server) -> String {
    server.user(ADMIN, Role::Admin).await;
    server.key_of(ADMIN, &["keybearer:keys", "keybearer:users"], |_| {}).await.1
}

pub async fn manager(server: &Server) -> Client {
    server.bearer(&managing_key(server).await)
}

pub async fn judged(server: &Server, key: &str) -> u16 {
    server.bearer(key).get("/auth").await.status
}

#[tokio::test]
async fn metadata_is_returned_as_the_text_that_was_sent() {
    let server = Server::start();
    let manager = manager(&server).await;
    let numbers = vec!["9.210669260379999e-253"; 50].join(",");
    let mut filled = format!(r#"{{"z":[{numbers}],"a":""#);
    filled.push_str(&"x".repeat(4096 - filled.len() - 2));
    filled.push_str("\"}");
    let odd = r#"{"b":1e400,"a":[12345678901234567890,-0.0,1.0,1E+2,"\u00e9\/"],"c":{"d":null}}"#;
    for sent in [filled.as_str(), odd, "{}"] {
        let made = manager.json("/api/v1/keys", format!("{{\"name\":\"n\",\"metadata\":{sent}}}")).await;
        assert_eq!(made.status, 201, "{made:?}");
        // Not by a parser: some have no place for every number.
        let path = made.location().to_owned();
        let id = path.rsplit('/').next().unwrap().to_owned();
        let kept = format!("\"metadata\":{sent}");
        assert!(made.body.contains(&kept), "{made:?}");
        assert!(manager.get(&path).await.body.contains(&kept));
        assert!(manager.get("/api/v1/keys").await.body.contains(&kept));
        assert!(server.home.run(&["keys", "show", &id, "--json"]).contains(sent));
        let spaced = format!("{{ \"metadata\" : {} }}", sent.replace(":[", " : [ "));
        let change = manager.request("PATCH", &path).header("content-type", "application/json").body(spaced);
        let changed = manager.send(change).await;
        assert!(changed.status == 200 && changed.body.contains(&kept), "{changed:?}");
        for name in ["keys.jsonl", "keys.csv"] {
            let (file, other) = (server.home.path(name), Home::new());
            other.add_admin();
            server.home.run(&["keys", "export", file.to_str().unwrap()]);
            other.run(&["keys", "import", file.to_str().unwrap()]);
            assert!(other.run(&["keys", "list", "--json"]).contains(sent), "{name}");
            std::fs::remove_file(file).unwrap();
        }
        assert_eq!(manager.call("DELETE", &path).await.status, 204);
    }
    for (bad, status) in [
        (r#"{"a":1,"a":2}"#, 422),
        (r#"{"a":{"b":1,"\u0062":2}}"#, 422),
        (r#"{"a":"\ud800"}"#, 422),
        (r#"{"a":01}"#, 400),
        ("[]", 422),
        ("\"{}\"", 422),
    ] {
        let refused = manager.json("/api/v1/keys", format!("{{\"name\":\"n\",\"metadata\":{bad}}}")).await;
        assert_eq!(refused.status, status, "{bad}: {refused:?}");
        assert!(status == 400 || refused.json()["field"] == "metadata", "{refused:?}");
    }
}

#[tokio::test]
async fn values_stored_under_other_limits_are_read_and_applied_unchanged() {
    let server = Server::start();
    let manager = manager(&server).await;
    let (id, key) = server.key(&[]).await;
    let scopes = (0..60).map(|n| format!("scope{n:02}")).collect::<Vec<_>>().join(" ");
    let ranges = (0..60).map(|n| format!("10.0.{n}.0/24")).collect::<Vec<_>>().join(" ") + " 127.0.0.0/8";
    let metadata = format!("{{\"a\":\"{}\"}}", "x".repeat(9000));
    let (name, key_id) = ("n".repeat(500), crate::harness::id(&id));
    server.home.execute(format!(
        "UPDATE keys SET scopes = '{scopes}', allowed_ips = '{ranges}', metadata = '{metadata}', name = '{name}'
         WHERE id = {key_id}"
    ));
    let allowed = async || server.bearer(&key).get("/auth?scope=scope59").await.status == 200;
    eventually(SOON, "the change is followed", allowed).await;
    let record = manager.get(&format!("/api/v1/keys/{id}")).await.json();
    assert_eq!(record["scopes"].as_array().unwrap().len(), 60);
    assert_eq!(record["allowed_ips"].as_array().unwrap().len(), 61);
    assert_eq!(record["unreadable"], Value::Null);
    assert_eq!(server.tries(&key).await, 200);
    assert_eq!(server.bearer(&key).call("DELETE", "/api/v1/keys/current").await.status, 204);
}

#[tokio::test]
async fn a_damaged_row_is_marked_and_fails_closed_without_affecting_others() {
    are_marked(&DAMAGES, damage).await;
}

/// How a damage is done to the rows of a user.
pub type Doing = fn(&Home, &str, UserId);

pub async fn are_marked(damages: &[Damage], damage: Doing) {
    let server = Server::start();
    let managing = managing_key(&server).await;
    let mut damaged = Vec::new();
    for (number, (statement, is_judged_by, field)) in damages.iter().copied().enumerate() {
        let email = format!("m{number}@example.com");
        let (id, key) = server.key_of(&email, &["orders:read"], |_| {}).await;
        let owner = server.user(&email, Role::Member).await.id;
        damage(&server.home, statement, owner);
        let expected = if is_judged_by { 503 } else { 200 };
        eventually(SOON, statement, async || judged(&server, &key).await == expected).await;
        damaged.push((statement, id, key, owner, expected, field));
    }
    let (sound_id, sound) = server.key(&["orders:read"]).await;
    assert_eq!(judged(&server, &sound).await, 200, "the index follows");
    let server = server.restart();
    eventually(SOON * 5, "the index fills", async || server.index_is_full().await).await;
    assert_eq!(judged(&server, &sound).await, 200);

    let listed = server.bearer(&managing).get("/api/v1/keys").await.json();
    let find = |id: &str| listed["keys"].as_array().unwrap().iter().find(|key| key["id"] == id).unwrap();
    assert_eq!(find(&sound_id)["unreadable"], Value::Null);
    let checked = server.home.keybearer(&["check"]).output().unwrap();
    let (findings, code) = (String::from_utf8(checked.stdout).unwrap(), checked.status.code());
    assert!(code == Some(1) && !findings.contains(&sound_id), "{findings}");
    let exported = server.home.keybearer(&["keys", "export"]).output().unwrap();
    let (lines, left_out) = (String::from_utf8(exported.stdout).unwrap(), String::from_utf8(exported.stderr).unwrap());
    assert_eq!(exported.status.code(), Some(1));
    assert_eq!(lines.lines().count(), 2 + damaged.iter().filter(|(.., field)| field.is_none()).count(), "{lines}");
    for (statement, id, key, owner, expected, field) in &damaged {
        assert_eq!(judged(&server, key).await, *expected, "{statement}");
        let record = &find(id)["unreadable"];
        assert_eq!(
            record.as_array().is_some_and(|fields| fields.contains(&json!(field))),
            field.is_some(),
            "{statement}"
        );
        assert_eq!(left_out.contains(id.as_str()), field.is_some(), "{statement}: {left_out}");
        assert_eq!(findings.contains(&format!("key {id}")), field.is_some(), "{statement}: {findings}");
        let is_users = statement.starts_with("users");
        assert_eq!(findings.contains(&format!("user {owner}")), is_users, "{statement}: {findings}");
    }
    let (_, marked, .., field) = damaged.iter().find(|(.., field)| field.is_some()).expect("a record names a field");
    for words in [&["keys", "list"][..], &["keys", "list", "--json"], &["keys", "show", marked], &["users", "list"]] {
        assert!(server.home.run(words).contains(field.unwrap()) || words[0] == "users", "{words:?}");
    }
    let rotated = server.home.keybearer(&["keys", "rotate", marked]).output().unwrap();
    assert!(!rotated.status.success() && String::from_utf8_lossy(&rotated.stderr).contains("damaged"));
}

#[tokio::test]
async fn a_damaged_key_can_be_disabled_and_revoked_by_every_interface() {
    can_be_revoked(&DAMAGES, damage).await;
}

pub async fn can_be_revoked(damages: &[Damage], damage: Doing) {
    let server = Server::start();
    let (manager, admin) = (manager(&server).await, Client::signed_in(server.address, ADMIN).await);
    for (number, (statement, is_judged_by, _)) in damages.iter().copied().enumerate() {
        let email = format!("m{number}@example.com");
        let mut keys = Vec::new();
        for _ in 0..8 {
            keys.push(server.key_of(&email, &[], |_| {}).await);
        }
        let owner = server.user(&email, Role::Member).await.id;
        damage(&server.home, statement, owner);
        let expected = if is_judged_by { 503 } else { 200 };
        eventually(SOON, statement, async || judged(&server, &keys[7].1).await == expected).await;

        let id = |number: usize| keys[number].0.as_str();
        let by_id = format!("/api/v1/keys/{}", id(0));
        let off = manager.request("PATCH", &by_id).header("content-type", "application/json");
        let disabled = manager.send(off.body(r#"{"enabled":false}"#)).await;
        assert_eq!(disabled.status, 200, "{statement}: {disabled:?}");
        server.home.run(&["keys", "disable", id(1)]);
        assert_eq!(admin.form(&format!("/keys/{}/disable", id(2)), &[]).await.status, 303, "{statement}");
        assert_eq!(admin.get(&format!("/keys/{}", id(2))).await.status, 200, "{statement}");
        for (_, key) in &keys[..3] {
            assert_eq!(judged(&server, key).await, 401, "{statement}: disabled is certain");
        }

        assert_eq!(manager.call("DELETE", &by_id).await.status, 204, "{statement}");
        server.home.run(&["keys", "revoke", id(1)]);
        assert_eq!(admin.form(&format!("/keys/{}/revoke", id(2)), &[]).await.status, 303, "{statement}");
        let leaked = format!("found {} and {}", keys[3].1, keys[4].1);
        server.home.keybearer(&["keys", "revoke", "--stdin"]).write_stdin(leaked).assert().success();
        let own = server.bearer(&keys[5].1).call("DELETE", "/api/v1/keys/current").await;
        assert_eq!(own.status, 204, "{statement}: {own:?}");
        let form = [("client_id", id(6)), ("client_secret", &keys[6].1), ("token", &keys[6].1)];
        let revoked = server.anon().post("/oauth/revoke", &form).await;
        assert_eq!(revoked.status, 200, "{statement}: {revoked:?}");
        for (_, key) in &keys[..7] {
            assert_eq!((judged(&server, key).await, server.tries(key).await), (401, 401), "{statement}");
        }
        assert_eq!(judged(&server, &keys[7].1).await, expected, "{statement}: the last one is as it was");

        // The owner goes, with the last one.
        assert_eq!(admin.get("/users").await.status, 200);
        assert_eq!(admin.get(&format!("/users/{owner}")).await.status, 200);
        assert_eq!(admin.form(&format!("/users/{owner}/deactivate"), &[]).await.status, 303, "{statement}");
        assert_eq!(judged(&server, &keys[7].1).await, 401, "{statement}");
        server.home.run(&["users", "remove", &owner.to_string()]);
    }
    assert_eq!(server.home.number("SELECT count(*) FROM keys"), 1, "the manager's own");
    server.home.run(&["events", "verify"]);
    server.home.run(&["check"]);
}

#[tokio::test]
async fn the_text_of_a_damaged_token_or_key_can_revoke_it() {
    let server = Server::start();
    server.user(ADMIN, Role::Admin).await;
    let issue = server.anon().request("POST", "/api/v1/tokens").basic_auth(ADMIN, Some(PASSWORD));
    let token = server.anon().send(issue).await.json()["token"].as_str().unwrap().to_owned();
    let (_, key) = server.key(&[]).await;
    server.home.execute("UPDATE keys SET scopes = '?'");
    for text in [&token, &key] {
        eventually(SOON, "it is unreadable", async || judged(&server, text).await == 503).await;
    }
    let given_back = async |text: &str| server.bearer(text).call("DELETE", "/api/v1/tokens").await.status;
    assert_eq!((given_back(&key).await, given_back(&token).await), (409, 204));
    assert_eq!((judged(&server, &key).await, judged(&server, &token).await), (503, 401));
    // What is no key at all is refused as ever.
    let unknown = "kb_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA4gH3Qs";
    assert_eq!(server.bearer(unknown).call("DELETE", "/api/v1/keys/current").await.status, 401);
}

#[tokio::test]
async fn a_change_to_a_damaged_record_repairs_it_or_is_refused_and_never_widens_it() {
    let server = Server::start();
    let manager = manager(&server).await;
    let (id, key) = server.key(&["orders:read"]).await;
    let damage = "allowed_ips = 'vpn only', metadata = '?' WHERE prefix IS NOT NULL AND scopes = 'orders:read'";
    assert_eq!(server.home.execute(format!("UPDATE keys SET {damage}")), 1);
    eventually(SOON, "it is unreadable", async || judged(&server, &key).await == 503).await;
    let path = format!("/api/v1/keys/{id}");
    let patch = async |body: &str| {
        let request = manager.request("PATCH", &path).header("content-type", "application/json");
        manager.send(request.body(body.to_owned())).await
    };
    for body in
        [r#"{"name":"new"}"#, r#"{"enabled":true,"scopes":["orders:read"]}"#, r#"{"allowed_ips":["127.0.0.1"]}"#]
    {
        assert_eq!(patch(body).await.problem(), (409, "conflict".into()), "{body}");
    }
    let kept = server.home.text("SELECT allowed_ips FROM keys WHERE scopes = 'orders:read'");
    assert_eq!(kept, "vpn only");
    let mended = patch(r#"{"allowed_ips":["127.0.0.1"],"metadata":{}}"#).await;
    assert_eq!((mended.status, &mended.json()["unreadable"]), (200, &Value::Null), "{mended:?}");
    assert_eq!(judged(&server, &key).await, 200);
    server.home.run(&["check"]);
}
