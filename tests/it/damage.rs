//! Values that break the rules of their types, written to the database directly: nothing stored can
//! keep a key, or its neighbours, from being shown, refused and revoked.

use std::time::Duration;

use keybearer::testing::{Role, UserId};
use serde_json::{Value, json};

use crate::harness::{ADMIN, Client, Home, PASSWORD, Server, eventually};

/// A change made in the database is noticed within a second, on a busy machine slightly later.
const SOON: Duration = Duration::from_secs(3);

/// A change to a user's row or to the user's keys; whether a verdict depends on it; the field that a key's
/// record names.
const DAMAGES: [(&str, bool, Option<&str>); 11] = [
    ("keys SET metadata = 'no json'", false, Some("metadata")),
    ("keys SET metadata = '[1]'", false, Some("metadata")),
    ("keys SET scopes = 'orders:read,orders:write'", true, Some("scopes")),
    ("keys SET scopes = 'a' || char(10) || 'b'", true, Some("scopes")),
    ("keys SET allowed_ips = '127.0.0.0/8 everywhere'", true, Some("allowed_ips")),
    ("keys SET rate_limit = '0/0'", true, Some("rate_limit")),
    ("keys SET name = 'a' || char(0) || 'b'", false, None),
    ("keys SET name = CAST(x'6eff' AS TEXT), hint = CAST(x'6bff' AS TEXT)", false, Some("name")),
    ("users SET email = 'Grace <grace'", false, Some("owner")),
    ("users SET email = CAST(x'67ff' AS TEXT)", false, Some("owner")),
    ("users SET role = 'owner'", false, None),
];

fn damage(home: &Home, statement: &str, owner: UserId) {
    let whose = if statement.starts_with("keys") { "owner_id" } else { "id" };
    let db = home.sqlite();
    db.execute_batch("PRAGMA ignore_check_constraints = ON").unwrap();
    db.execute(&format!("UPDATE {statement} WHERE {whose} = ?1"), [owner.as_bytes()]).unwrap();
}

/// A key with `keybearer:keys`.
async fn managing_key(server: &Server) -> String {
    server.user(ADMIN, Role::Admin).await;
    server.key_of(ADMIN, &["keybearer:keys", "keybearer:users"], |_| {}).await.1
}

async fn manager(server: &Server) -> Client {
    server.bearer(&managing_key(server).await)
}

async fn judged(server: &Server, key: &str) -> u16 {
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
    let change = "UPDATE keys SET scopes = ?2, allowed_ips = ?3, metadata = ?4, name = ?5 WHERE id = ?1";
    let id_bytes = *keybearer::testing::KeyId::parse(&id).unwrap().as_bytes();
    server.home.sqlite().execute(change, (id_bytes, &scopes, &ranges, &metadata, "n".repeat(500))).unwrap();
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
    let server = Server::start();
    let managing = managing_key(&server).await;
    let mut damaged = Vec::new();
    for (number, (statement, is_judged_by, field)) in DAMAGES.into_iter().enumerate() {
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
    for words in
        [&["keys", "list"][..], &["keys", "list", "--json"], &["keys", "show", &damaged[2].1], &["users", "list"]]
    {
        assert!(server.home.run(words).contains("scopes") || words[0] == "users", "{words:?}");
    }
    let rotated = server.home.keybearer(&["keys", "rotate", &damaged[2].1]).output().unwrap();
    assert!(!rotated.status.success() && String::from_utf8_lossy(&rotated.stderr).contains("damaged"));
}

#[tokio::test]
async fn a_damaged_key_can_be_disabled_and_revoked_by_every_interface() {
    let server = Server::start();
    let (manager, admin) = (manager(&server).await, Client::signed_in(server.address, ADMIN).await);
    for (number, (statement, is_judged_by, _)) in DAMAGES.into_iter().enumerate() {
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
    let left: i64 = server.home.sqlite().query_row("SELECT count(*) FROM keys", [], |row| row.get(0)).unwrap();
    assert_eq!(left, 1, "the manager's own");
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
    server.home.sqlite().execute("UPDATE keys SET scopes = '?'", []).unwrap();
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
    server.home.sqlite().execute("UPDATE keys SET allowed_ips = 'vpn only', metadata = '?' WHERE prefix IS NOT NULL AND scopes = 'orders:read'", []).unwrap();
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
    let kept: String = server
        .home
        .sqlite()
        .query_row("SELECT allowed_ips FROM keys WHERE scopes = 'orders:read'", [], |row| row.get(0))
        .unwrap();
    assert_eq!(kept, "vpn only");
    let mended = patch(r#"{"allowed_ips":["127.0.0.1"],"metadata":{}}"#).await;
    assert_eq!((mended.status, &mended.json()["unreadable"]), (200, &Value::Null), "{mended:?}");
    assert_eq!(judged(&server, &key).await, 200);
    server.home.run(&["check"]);
}

#[tokio::test]
async fn rows_without_an_owner_or_with_a_wrong_shape_block_nothing() {
    let server = Server::start();
    let manager = manager(&server).await;
    let (orphan, orphan_key) = server.key(&[]).await;
    let (_, odd_key) = server.key_of("alan@example.com", &[], |_| {}).await;
    let (_, sound) = server.key_of("tim@example.com", &[], |_| {}).await;
    let (lost, lost_key) = server.key_of("barbara@example.com", &[], |_| {}).await;
    server
        .home
        .sqlite()
        .execute_batch(
            "PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON;
             DELETE FROM users WHERE email = 'grace@example.com';
             UPDATE keys SET id = x'0102' WHERE owner_id = (SELECT id FROM users WHERE email = 'alan@example.com');
             UPDATE keys SET digest = x'06' WHERE owner_id = (SELECT id FROM users WHERE email = 'barbara@example.com');
             INSERT INTO changes (kind, id, digest) VALUES ('key', x'01', x'02'), ('user', x'03', NULL), ('key', x'04', NULL);
             UPDATE events SET actor_id = x'05', actor = CAST(x'ff' AS TEXT) WHERE seq = 1;",
        )
        .unwrap();
    let (_, fresh) = server.key_of("tim@example.com", &[], |_| {}).await;
    assert_eq!((judged(&server, &fresh).await, judged(&server, &sound).await), (200, 200));
    let listed = manager.get("/api/v1/keys").await.json();
    let marked = listed["keys"].as_array().unwrap().iter().find(|key| key["id"] == *orphan).unwrap().clone();
    assert_eq!(marked["unreadable"], json!(["owner"]));
    let found = server.home.keybearer(&["check"]).output().unwrap();
    let found = String::from_utf8(found.stdout).unwrap();
    assert!(found.contains(&orphan) && found.contains("an invalid id") && found.contains("audit log"), "{found}");
    assert_eq!(manager.call("DELETE", &format!("/api/v1/keys/{orphan}")).await.status, 204);
    let text = format!("{orphan_key} {odd_key}");
    server.home.keybearer(&["keys", "revoke", "--stdin"]).write_stdin(text).assert().success();
    assert_eq!(judged(&server, &lost_key).await, 401, "nobody can present it");
    server.home.run(&["keys", "revoke", &lost]);
    for key in [&orphan_key, &odd_key] {
        assert_eq!(judged(&server, key).await, 401);
    }
    let left: i64 = server.home.sqlite().query_row("SELECT count(*) FROM keys", [], |row| row.get(0)).unwrap();
    assert_eq!(left, 3);
}

/// Values that SQLite accepts in a column of this type and that we would never store.
fn nonsense(declared: &str) -> &'static [&'static str] {
    match declared {
        "INTEGER" => &[
            "4611686018427387904",
            "253402300800000",
            "9223372036854775807",
            "-9223372036854775807 - 1",
            "-62135596800001",
        ],
        "BLOB" => &["x''", "randomblob(5)", "randomblob(17)"],
        _ => &["CAST(x'66ff' AS TEXT)"],
    }
}

/// Every column of the table, with each value of [`nonsense`] for it.
fn damages_of(home: &Home, table: &str) -> Vec<(String, &'static str)> {
    let db = home.sqlite();
    let mut columns = db.prepare(&format!("SELECT name, type FROM pragma_table_info('{table}')")).unwrap();
    let columns = columns.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let columns: Vec<(String, String)> = columns.collect::<Result<_, _>>().unwrap();
    let each = |(name, declared): (String, String)| nonsense(&declared).iter().map(move |value| (name.clone(), *value));
    columns.into_iter().flat_map(each).collect()
}

fn spoil(home: &Home, table: &str, column: &str, value: &str, id: [u8; 16]) {
    let db = home.sqlite();
    db.execute_batch("PRAGMA ignore_check_constraints = ON; PRAGMA foreign_keys = OFF").unwrap();
    let changed = db.execute(&format!("UPDATE {table} SET {column} = {value} WHERE id = ?1"), [id]);
    assert_eq!(changed.unwrap(), 1, "{column} = {value}");
}

/// Every page of a list.
async fn listed(client: &Client, path: &str, what: &str) -> Vec<Value> {
    let (mut all, mut after) = (Vec::new(), String::new());
    loop {
        let page = client.get(&format!("{path}?limit=100{after}")).await;
        assert_eq!(page.status, 200, "{page:?}");
        let page = page.json();
        all.extend(page[what].as_array().unwrap().iter().cloned());
        match page["next_cursor"].as_str() {
            Some(cursor) => after = format!("&cursor={cursor}"),
            None => return all,
        }
    }
}

#[tokio::test]
async fn a_key_can_be_shown_refused_and_revoked_whatever_its_columns_contain() {
    let server = Server::start();
    let managing = managing_key(&server).await;
    let mut damaged = Vec::new();
    for (column, value) in damages_of(&server.home, "keys") {
        let keys = server.keys(3).await;
        for (id, _) in &keys {
            // Two equal ones would be no nonsense of this column, but a breach of another rule.
            if value != "x''" || !["id", "digest"].contains(&&*column) || *id == keys[0].0 {
                spoil(&server.home, "keys", &column, value, *keybearer::testing::KeyId::parse(id).unwrap().as_bytes());
            }
        }
        let field = match &*column {
            "owner_id" => "owner",
            "limit_bucket" => "rate_limit",
            other => other,
        };
        damaged.push((column.clone(), field.to_owned(), format!("{column} = {value}"), keys));
    }
    for (column, _, damage, keys) in &damaged {
        // Nobody knows whose it is, or which text it has.
        let expected = if ["owner_id", "digest"].contains(&&**column) { 401 } else { 204 };
        let own = async || server.bearer(&keys[0].1).call("DELETE", "/api/v1/keys/current").await.status == expected;
        eventually(SOON, damage, own).await;
    }

    let server = server.restart();
    let manager = server.bearer(&managing);
    eventually(SOON * 5, "the index fills", async || server.index_is_full().await).await;
    let (list, found) =
        (listed(&manager, "/api/v1/keys", "keys").await, server.home.keybearer(&["check"]).output().unwrap());
    assert_eq!(found.status.code(), Some(1));
    let found = String::from_utf8(found.stdout).unwrap();
    for (column, field, damage, keys) in &damaged {
        let (id, key) = (&keys[1].0, &keys[1].1);
        let status = judged(&server, key).await;
        if column == "id" {
            let is_spoiled = !damage.ends_with("x''");
            assert_eq!(status, if is_spoiled { 503 } else { 200 }, "{damage}");
            server.home.keybearer(&["keys", "revoke", "--stdin"]).write_stdin(key.as_str()).assert().success();
            assert_eq!(judged(&server, key).await, 401, "{damage}");
            continue;
        }
        if column == "digest" && damage.ends_with("x''") {
            continue;
        }
        let expected = match &**field {
            "owner" | "digest" => 401,
            "scopes" | "enabled" | "expires_at" | "allowed_ips" | "rate_limit" | "is_token" => 503,
            _ => 200,
        };
        assert_eq!((status, server.tries(key).await), (expected, expected), "{damage}");
        let record = list.iter().find(|record| record["id"] == **id).unwrap_or_else(|| panic!("{damage}"));
        assert!(
            record["unreadable"].as_array().is_some_and(|fields| fields.contains(&json!(field))),
            "{damage}: {record}"
        );
        assert!(found.contains(&format!("key {id}")), "{damage}: {found}");
        let by_id = format!("/api/v1/keys/{id}");
        let off = manager.request("PATCH", &by_id).header("content-type", "application/json");
        let off = manager.send(off.body(r#"{"enabled":false}"#)).await;
        assert_eq!((off.status, &off.json()["enabled"]), (200, &json!(false)), "{damage}: {off:?}");
        assert_eq!(judged(&server, key).await, 401, "{damage}: disabled is certain");
        assert_eq!(manager.call("DELETE", &by_id).await.status, 204, "{damage}");
        let own = server.bearer(&keys[2].1).call("DELETE", "/api/v1/keys/current").await;
        assert_eq!(own.status, if expected == 401 { 401 } else { 204 }, "{damage}: {own:?}");
        if expected == 401 {
            server.home.run(&["keys", "revoke", &keys[2].0]);
            server.home.run(&["keys", "revoke", &keys[0].0]);
        }
    }
    for words in [&["keys", "list"][..], &["keys", "list", "--json"], &["users", "list"]] {
        server.home.run(words);
    }
    server.home.run(&["events", "verify"]);
}

#[tokio::test]
async fn a_user_can_be_removed_and_others_shown_whatever_its_columns_contain() {
    let server = Server::start();
    let manager = manager(&server).await;
    let admin = Client::signed_in(server.address, ADMIN).await;
    let mut damaged = Vec::new();
    for (number, (column, value)) in damages_of(&server.home, "users").into_iter().enumerate() {
        let email = format!("m{number}@example.com");
        let (_, key) = server.key_of(&email, &[], |_| {}).await;
        let owner = server.user(&email, Role::Member).await.id;
        spoil(&server.home, "users", &column, value, *owner.as_bytes());
        let expected = if column == "active" { 401 } else { 200 };
        eventually(SOON, &column, async || judged(&server, &key).await == expected).await;
        damaged.push((column, value, owner));
    }
    let list = listed(&manager, "/api/v1/users", "users").await;
    server.home.run(&["users", "list"]);
    assert_eq!(admin.get("/users").await.status, 200);
    let found = server.home.keybearer(&["check"]).output().unwrap();
    let found = String::from_utf8(found.stdout).unwrap();
    assert!(found.contains("a user has an invalid id"), "{found}");
    for (column, value, owner) in damaged {
        if column == "id" {
            continue;
        }
        if column != "password_hash" {
            let record = list.iter().find(|record| record["id"] == owner.to_string()).unwrap();
            let field = if column == "email" { "email" } else { &column };
            assert!(record["unreadable"].to_string().contains(field), "{column} = {value}: {record}");
            assert!(found.contains(&format!("user {owner}")), "{column} = {value}: {found}");
        }
        assert_eq!(admin.get(&format!("/users/{owner}")).await.status, 200, "{column} = {value}");
        assert_eq!(admin.form(&format!("/users/{owner}/deactivate"), &[]).await.status, 303, "{column} = {value}");
        let state: i64 = server
            .home
            .sqlite()
            .query_row("SELECT active FROM users WHERE id = ?1", [owner.as_bytes()], |row| row.get(0))
            .unwrap();
        assert_eq!(state, 0, "{column} = {value}");
        server.home.run(&["users", "remove", &owner.to_string()]);
    }
}

#[tokio::test]
async fn a_damaged_token_family_is_reported_and_ended_and_its_tokens_can_be_revoked() {
    let server = Server::start();
    let manager = manager(&server).await;
    for (column, value) in damages_of(&server.home, "token_families") {
        let issue = || server.anon().request("POST", "/api/v1/tokens").basic_auth(ADMIN, Some(PASSWORD));
        let issued = server.anon().send(issue()).await.json();
        let (token, refresh) = (issued["token"].as_str().unwrap(), issued["refresh_token"].as_str().unwrap());
        let family: [u8; 16] = server
            .home
            .sqlite()
            .query_row("SELECT id FROM token_families ORDER BY created_at DESC, id DESC", [], |row| row.get(0))
            .unwrap();
        spoil(&server.home, "token_families", &column, value, family);
        let found = server.home.keybearer(&["check"]).output().unwrap();
        let findings = String::from_utf8(found.stdout).unwrap();
        assert!(found.status.code() == Some(1) && findings.contains("of a program"), "{column} = {value}: {findings}");
        let body = format!("{{\"refresh_token\":\"{refresh}\"}}");
        let refreshed = server.anon().json("/api/v1/tokens", body).await;
        assert_eq!(refreshed.status, 401, "{column} = {value}: {refreshed:?}");
        let given_back = server.bearer(token).call("DELETE", "/api/v1/tokens").await;
        assert!([204, 401].contains(&given_back.status), "{column} = {value}: {given_back:?}");
        assert_eq!(judged(&server, token).await, 401, "{column} = {value}");
        server.home.sqlite().execute("DELETE FROM token_families", []).unwrap();
    }
    assert_eq!(manager.get("/api/v1/users").await.status, 200);
}

/// A failing disk can change a value's type too; SQLite checks only what it writes itself.
fn spoil_type(home: &Home, column: &str, value: &str, id: [u8; 16]) {
    let db = home.sqlite();
    db.execute_batch("PRAGMA ignore_check_constraints = ON; PRAGMA foreign_keys = OFF; PRAGMA writable_schema = ON")
        .unwrap();
    let schema: String =
        db.query_row("SELECT sql FROM sqlite_schema WHERE name = 'keys'", [], |row| row.get(0)).unwrap();
    let set = |sql: &str| db.execute("UPDATE sqlite_schema SET sql = ?1 WHERE name = 'keys'", [sql]).unwrap();
    set(&schema.replace("STRICT, ", ""));
    db.execute_batch("PRAGMA writable_schema = RESET; PRAGMA writable_schema = ON").unwrap();
    let changed = db.execute(&format!("UPDATE keys SET {column} = {value} WHERE id = ?1"), [id]);
    set(&schema);
    assert_eq!(changed.unwrap(), 1, "{column} = {value}");
}

#[tokio::test]
async fn a_value_of_the_wrong_type_is_shown_as_damaged_and_its_key_is_refused_and_can_be_revoked() {
    let server = Server::start();
    let managing = managing_key(&server).await;
    let columns: Vec<String> = damages_of(&server.home, "keys").into_iter().map(|(column, _)| column).collect();
    let mut damaged: Vec<(String, Vec<(String, String)>)> = Vec::new();
    for column in columns {
        if ["id", "digest", "owner_id"].contains(&&*column) || damaged.iter().any(|(other, ..)| *other == column) {
            continue;
        }
        let keys = server.keys(2).await;
        for (id, _) in &keys {
            let id = *keybearer::testing::KeyId::parse(id).unwrap().as_bytes();
            spoil_type(&server.home, &column, if column == "limit_bucket" { "'x'" } else { "x'07'" }, id);
        }
        damaged.push((column, keys));
    }
    let server = server.restart();
    let manager = server.bearer(&managing);
    eventually(SOON * 5, "the index fills", async || server.index_is_full().await).await;
    let list = listed(&manager, "/api/v1/keys", "keys").await;
    for (column, keys) in &damaged {
        let (id, key) = (&keys[0].0, &keys[0].1);
        let field = if column == "limit_bucket" { "rate_limit" } else { column };
        let record = list.iter().find(|record| record["id"] == **id).unwrap_or_else(|| panic!("{column}"));
        assert!(record["unreadable"].as_array().is_some_and(|fields| fields.contains(&json!(field))), "{record}");
        let is_judged = ["scopes", "enabled", "expires_at", "allowed_ips", "rate_limit", "is_token"].contains(&field);
        assert_eq!(judged(&server, key).await, if is_judged { 503 } else { 200 }, "{column}");
        let by_id = format!("/api/v1/keys/{id}");
        let off = manager.request("PATCH", &by_id).header("content-type", "application/json");
        let off = manager.send(off.body(r#"{"enabled":false}"#)).await;
        assert_eq!(off.status, 200, "{column}: {off:?}");
        assert_eq!(judged(&server, key).await, 401, "{column}: disabled is certain");
        // What stands there now says no more than before.
        server.home.run(&["keys", "enable", id]);
        let is_still_judged = is_judged && !["enabled", "is_token"].contains(&field);
        eventually(SOON, column, async || judged(&server, key).await == if is_still_judged { 503 } else { 200 }).await;
        assert_eq!(manager.call("DELETE", &by_id).await.status, 204, "{column}");
        let own = server.bearer(&keys[1].1).call("DELETE", "/api/v1/keys/current").await;
        assert_eq!(own.status, 204, "{column}: {own:?}");
    }
    server.home.run(&["check"]);
}
