//! Values that no program stores, in every column: nothing stored can keep a key, or its neighbours, from being
//! shown, refused and revoked.
//! SQLite only: a file can hold values of any type, length and encoding, whatever the table declares.

use keybearer::testing::{Role, UserId};
use serde_json::{Value, json};

use crate::damage::{Damage, SOON, are_marked, can_be_revoked, judged, manager, managing_key, update};
use crate::descriptions;
use crate::harness::{ADMIN, Client, Home, PASSWORD, Server, eventually};

const DAMAGES: [Damage; 5] = [
    ("keys SET name = CAST(x'6eff' AS TEXT), hint = CAST(x'6bff' AS TEXT)", false, Some("name")),
    ("keys SET name = 'a' || char(0) || 'b'", false, None),
    ("keys SET scopes = CAST(x'61ff' AS TEXT)", true, Some("scopes")),
    ("users SET email = CAST(x'67ff' AS TEXT)", false, Some("owner")),
    ("users SET role = 'owner'", false, None),
];

fn damage(home: &Home, statement: &str, owner: UserId) {
    let db = home.sqlite();
    db.execute_batch("PRAGMA ignore_check_constraints = ON").unwrap();
    db.execute_batch(&update(statement, owner)).unwrap();
}

#[tokio::test]
async fn a_damaged_row_is_marked_and_fails_closed_without_affecting_others() {
    are_marked(&DAMAGES, damage).await;
}

#[tokio::test]
async fn a_damaged_key_can_be_disabled_and_revoked_by_every_interface() {
    can_be_revoked(&DAMAGES, damage).await;
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
    assert_eq!(server.home.number("SELECT count(*) FROM keys"), 3);
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

#[tokio::test]
async fn a_damaged_description_affects_no_verdict_and_a_new_one_repairs_it() {
    let home = Home::new();
    let server = Server::on(&home, |_| {});
    let manager = manager(&server).await;
    let (id, key) = server.key(&[]).await;
    home.execute("UPDATE keys SET description = CAST(x'ff61' AS TEXT)");
    assert_eq!(server.tries(&key).await, 200);
    let record = manager.get(&format!("/api/v1/keys/{id}")).await.json();
    assert_eq!(record["unreadable"], json!(["description"]));
    let (status, mended) = descriptions::patch(&manager, &id, &json!({ "description": "sound" })).await;
    assert_eq!((status, &mended["description"], mended.get("unreadable")), (200, &json!("sound"), None));
}
