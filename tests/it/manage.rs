//! `/api/v1/keys`: keys managed by keys, which can never grant more than they have.

use std::time::Duration;

use keybearer::testing::Role;
use serde_json::{Value, json};

use crate::harness::{ADMIN, Answer, Client, MEMBER, Server};

const KEYS: &str = "/api/v1/keys";
const MANAGE: &str = "keybearer:keys";

async fn manager(server: &Server) -> Client {
    server.user(ADMIN, Role::Admin).await;
    server.bearer(&server.key_of(ADMIN, &[MANAGE, "*"], |_| {}).await.1)
}

async fn ask(client: &Client, method: &str, path: &str, body: Value, headers: &[(&str, &str)]) -> Answer {
    let mut request = client.request(method, path).header("content-type", "application/json").body(body.to_string());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    client.send(request).await
}

async fn create(client: &Client, body: Value) -> Answer {
    ask(client, "POST", KEYS, body, &[]).await
}

#[tokio::test]
async fn a_created_key_works_at_once_and_its_text_is_in_one_response() {
    let server = Server::start();
    let manager = manager(&server).await;
    let body = json!({
        "name": "ci", "scopes": ["orders:read"], "expires_in": "90d", "prefix": "acme_live",
        "allowed_ips": ["127.0.0.0/8"], "rate_limit": { "requests": 100, "window": 60 }, "metadata": { "team": "x" },
    });
    let made = create(&manager, body).await;
    assert_eq!(made.status, 201, "{made:?}");
    let record = made.json();
    let (id, key) = (record["id"].as_str().unwrap(), record["key"].as_str().unwrap());
    assert!(key.starts_with("acme_live_"));
    assert_eq!(made.location(), format!("{KEYS}/{id}"));
    assert_eq!(record["expires_at"], "2027-02-21T08:00:00Z");
    assert_eq!(server.tries(key).await, 200);
    let shown = manager.get(&format!("{KEYS}/{id}")).await;
    assert_eq!(shown.header("etag"), made.header("etag"));
    let mut without_key = record.clone();
    without_key.as_object_mut().unwrap().remove("key");
    let mut shown = shown.json();
    shown["last_used_at"] = Value::Null;
    assert_eq!(shown.as_object_mut().unwrap().remove("last_used").unwrap()[0]["count"], 1);
    assert_eq!(shown, without_key);
    assert!(!manager.get(KEYS).await.body.contains(key));
}

#[tokio::test]
async fn a_repeated_request_creates_no_second_key_and_shows_none() {
    let server = Server::start();
    let manager = manager(&server).await;
    let once = [("idempotency-key", "order-1")];
    let made = ask(&manager, "POST", KEYS, json!({ "name": "ci" }), &once).await;
    let again = ask(&manager, "POST", KEYS, json!({ "name": "ci" }), &once).await;
    assert_eq!((made.status, again.status), (201, 200));
    assert_eq!(again.json()["id"], made.json()["id"]);
    assert!(again.json().get("key").is_none(), "{again:?}");
    let other = ask(&manager, "POST", KEYS, json!({ "name": "other" }), &once).await;
    assert_eq!(other.problem(), (409, "conflict".into()));
    let id = made.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(manager.call("DELETE", &format!("{KEYS}/{id}")).await.status, 204);
    assert_eq!(ask(&manager, "POST", KEYS, json!({ "name": "ci" }), &once).await.status, 409);
}

#[tokio::test]
async fn a_key_can_grant_only_what_it_has() {
    let server = Server::start();
    server.user(ADMIN, Role::Admin).await;
    let (narrow_id, narrow) = server.key_of(ADMIN, &[MANAGE, "orders:*"], |_| {}).await;
    let narrow = server.bearer(&narrow);
    for (scopes, status) in [
        (json!(["orders:read"]), 201),
        (json!(["orders:*"]), 201),
        (json!([MANAGE]), 201),
        (json!(["*"]), 403),
        (json!(["order*"]), 403),
        (json!(["stock:read"]), 403),
        (json!(["keybearer:users"]), 403),
    ] {
        let made = create(&narrow, json!({ "name": "n", "scopes": scopes })).await;
        assert_eq!(made.status, status, "{scopes}: {made:?}");
    }
    let (id, wide) = server.key(&["stock:read"]).await;
    let path = format!("{KEYS}/{id}");
    let widen = ask(&narrow, "PATCH", &path, json!({ "scopes": ["stock:read", "stock:write"] }), &[]).await;
    assert_eq!(widen.status, 403, "{widen:?}");
    let keep = ask(&narrow, "PATCH", &path, json!({ "scopes": ["stock:read", "orders:read"] }), &[]).await;
    assert_eq!(keep.status, 200, "what it had before stays: {keep:?}");
    let rotated = ask(&narrow, "POST", &format!("{path}/rotate"), json!({}), &[]).await;
    assert_eq!(rotated.status, 403, "rotating would hand over stock:read: {rotated:?}");
    assert_eq!(server.tries(&wide).await, 200);
    let own = ask(&narrow, "PATCH", &format!("{KEYS}/{narrow_id}"), json!({ "expires_at": null }), &[]).await;
    assert_eq!(own.status, 403, "{own:?}");
}

#[tokio::test]
async fn a_members_key_manages_only_that_members_keys() {
    let server = Server::start();
    let admin_manager = manager(&server).await;
    let (admins_id, _) = server.key_of(ADMIN, &[], |_| {}).await;
    let members = server.bearer(&server.key(&[MANAGE]).await.1);
    let unknown = "01890a5d-ac96-774b-bcce-b302099a8057";
    for (method, tail) in [("GET", ""), ("DELETE", ""), ("PATCH", ""), ("POST", "/rotate")] {
        let reach = async |id: &str| match method {
            // A body that nobody reads ends the connection, or does not: it depends on when it arrives.
            "GET" | "DELETE" => members.call(method, &format!("{KEYS}/{id}")).await,
            _ => ask(&members, method, &format!("{KEYS}/{id}{tail}"), json!({}), &[]).await,
        };
        let (foreign, none) = (reach(&admins_id).await, reach(unknown).await);
        assert_eq!((foreign.status, foreign.whole()), (404, none.whole()), "{method} {tail}");
    }
    assert_eq!(create(&members, json!({ "name": "n", "owner": ADMIN })).await.status, 403);
    assert_eq!(create(&members, json!({ "name": "n", "scopes": [MANAGE] })).await.status, 403);
    assert_eq!(create(&members, json!({ "name": "n" })).await.status, 201);
    assert!(!members.get(KEYS).await.body.contains(&admins_id));
    assert!(admin_manager.get(KEYS).await.body.contains(&admins_id));
    assert_eq!(create(&admin_manager, json!({ "name": "n", "owner": MEMBER })).await.status, 201);
}

#[tokio::test]
async fn unknown_and_read_only_fields_are_named() {
    let server = Server::start();
    let manager = manager(&server).await;
    let (id, _) = server.key(&[]).await;
    for field in ["id", "key", "digest", "hint", "created_at", "last_used_at", "enabled", "admin", "Name", "prefix_"] {
        let answer = create(&manager, json!({ "name": "n", field: "x" })).await;
        assert_eq!((answer.status, answer.json()["field"].as_str()), (422, Some(field)), "{answer:?}");
    }
    for field in ["id", "owner", "prefix", "hint", "created_at", "last_used_at", "key"] {
        let answer = ask(&manager, "PATCH", &format!("{KEYS}/{id}"), json!({ field: "x" }), &[]).await;
        assert_eq!((answer.status, answer.json()["field"].as_str()), (422, Some(field)), "{answer:?}");
    }
    let answer =
        ask(&manager, "POST", &format!("{KEYS}/{id}/rotate"), json!({ "overlap": "1h", "name": "x" }), &[]).await;
    assert_eq!((answer.status, answer.json()["field"].as_str()), (422, Some("name")), "{answer:?}");
    for (query, field) in [
        ("owner=x", "owner"),
        ("enabled=1", "enabled"),
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=", "limit"),
        ("enabled=", "enabled"),
        ("cursor=x", "cursor"),
        ("order=asc", "order"),
        ("limit=1&limit=2", "limit"),
    ] {
        let answer = manager.get(&format!("{KEYS}?{query}")).await;
        assert_eq!((answer.status, answer.json()["field"].as_str()), (422, Some(field)), "{query}: {answer:?}");
    }
}

#[tokio::test]
async fn a_change_based_on_an_outdated_version_is_refused() {
    let server = Server::start();
    let manager = manager(&server).await;
    let (id, key) = server.key(&["orders:read"]).await;
    let path = format!("{KEYS}/{id}");
    let seen = manager.get(&path).await.header("etag").to_owned();
    let changed = ask(&manager, "PATCH", &path, json!({ "name": "renamed" }), &[("if-match", &seen)]).await;
    assert_eq!((changed.status, changed.json()["name"].as_str()), (200, Some("renamed")));
    for (method, tail) in [("PATCH", ""), ("DELETE", ""), ("POST", "/rotate")] {
        let late = ask(&manager, method, &format!("{path}{tail}"), json!({}), &[("if-match", &seen)]).await;
        assert_eq!(late.problem(), (412, "precondition_failed".into()), "{method}");
    }
    assert_eq!(server.tries(&key).await, 200);
    let now = changed.header("etag").to_owned();
    assert_eq!(ask(&manager, "DELETE", &path, json!({}), &[("if-match", &now)]).await.status, 204);
    assert_eq!(server.tries(&key).await, 401);
}

#[tokio::test]
async fn a_rotated_key_is_refused_at_once_and_its_successor_has_the_same_settings() {
    let server = Server::start();
    let manager = manager(&server).await;
    let body = json!({
        "name": "ci", "scopes": ["orders:read"], "expires_in": "90d", "prefix": "acme_live", "owner": MEMBER,
        "allowed_ips": ["127.0.0.0/8"], "rate_limit": { "requests": 100, "window": 60 }, "metadata": { "team": "x" },
    });
    server.user(MEMBER, Role::Member).await;
    let old = create(&manager, body).await.json();
    let (old_id, old_key) = (old["id"].as_str().unwrap(), old["key"].as_str().unwrap());
    server.clock.advance(Duration::from_secs(60));
    let rotated = manager.call("POST", &format!("{KEYS}/{old_id}/rotate")).await;
    assert_eq!(rotated.status, 201, "{rotated:?}");
    let mut new = rotated.json();
    let (new_id, new_key) = (new["id"].as_str().unwrap().to_owned(), new["key"].as_str().unwrap().to_owned());
    assert_eq!((server.tries(old_key).await, server.tries(&new_key).await), (401, 200));
    assert_eq!(rotated.location(), format!("{KEYS}/{new_id}"));
    assert_eq!(manager.get(&format!("{KEYS}/{old_id}")).await.status, 404);
    assert!(new_key.starts_with("acme_live_") && new_key != old_key);
    assert_eq!(new["expires_at"], "2027-02-21T08:01:00Z", "ninety days, like the old one");
    assert_eq!(new["rotated_from"], old_id);
    for field in ["id", "key", "hint", "created_at", "expires_at", "rotated_from"] {
        assert_ne!(new[field], old[field], "{field}");
        new[field] = old[field].clone();
    }
    assert_eq!(new, old);
}

#[tokio::test]
async fn both_keys_are_valid_during_an_overlap() {
    let server = Server::start();
    let manager = manager(&server).await;
    let (id, old) = server.key(&["orders:read"]).await;
    let new = ask(&manager, "POST", &format!("{KEYS}/{id}/rotate"), json!({ "overlap": "24h" }), &[]).await;
    let new = new.json()["key"].as_str().unwrap().to_owned();
    assert_eq!((server.tries(&old).await, server.tries(&new).await), (200, 200));
    let record = manager.get(&format!("{KEYS}/{id}")).await.json();
    assert_eq!(record["expires_at"], "2026-11-24T08:00:00Z");
    server.clock.advance(Duration::from_secs(86_400));
    assert_eq!((server.tries(&old).await, server.tries(&new).await), (401, 200));

    let short = create(&manager, json!({ "name": "n", "expires_in": "1h" })).await.json();
    let path = format!("{KEYS}/{}/rotate", short["id"].as_str().unwrap());
    let successor = ask(&manager, "POST", &path, json!({ "overlap": "24h" }), &[]).await.json();
    let kept = manager.get(&format!("{KEYS}/{}", short["id"].as_str().unwrap())).await.json();
    assert_eq!(kept["expires_at"], short["expires_at"], "an overlap lengthens nobody's life");
    server.clock.advance(Duration::from_secs(3600));
    for key in [&short["key"], &successor["key"]] {
        assert_eq!(server.tries(key.as_str().unwrap()).await, 401);
    }
    for (overlap, status) in
        [(json!("0"), 201), (json!("91d"), 422), (json!("-1h"), 422), (json!(24), 422), (json!(""), 422)]
    {
        let (id, _) = server.key(&[]).await;
        let answer = ask(&manager, "POST", &format!("{KEYS}/{id}/rotate"), json!({ "overlap": overlap }), &[]).await;
        assert_eq!(answer.status, status, "{overlap}: {answer:?}");
    }
}

#[tokio::test]
async fn a_repeated_rotation_rotates_once() {
    let server = Server::start();
    let manager = manager(&server).await;
    for overlap in ["0", "1h"] {
        let (id, _) = server.key(&[]).await;
        let (path, name) = (format!("{KEYS}/{id}/rotate"), format!("once-{overlap}"));
        let once = [("idempotency-key", name.as_str())];
        let first = ask(&manager, "POST", &path, json!({ "overlap": overlap }), &once).await;
        let again = ask(&manager, "POST", &path, json!({ "overlap": overlap }), &once).await;
        assert_eq!((first.status, again.status), (201, 200), "{again:?}");
        assert_eq!(first.json()["id"], again.json()["id"]);
        assert!(again.json().get("key").is_none());
        assert_eq!(server.tries(first.json()["key"].as_str().unwrap()).await, 200);
    }
}

#[tokio::test]
async fn exactly_one_of_many_concurrent_rotations_succeeds() {
    let server = Server::start();
    let manager = manager(&server).await;
    let (id, old) = server.key(&[]).await;
    let path = format!("{KEYS}/{id}/rotate");
    let answers = futures_util::future::join_all((0..20).map(|_| manager.call("POST", &path))).await;
    let mut made = 0;
    for answer in answers {
        match answer.status {
            201 => made += 1,
            status => assert_eq!(status, 404, "{answer:?}"),
        }
    }
    assert_eq!((made, server.tries(&old).await), (1, 401));
    let keys = server.home.number("SELECT count(*) FROM keys");
    assert_eq!(keys, 2, "the manager and the one successor");
}

#[tokio::test]
async fn a_rotation_logs_its_events() {
    let server = Server::start();
    let manager = manager(&server).await;
    let (id, _) = server.key(&[]).await;
    let new = manager.call("POST", &format!("{KEYS}/{id}/rotate")).await.json();
    let lines: Value = serde_json::from_str(&server.home.run(&["events", "list", "--limit", "3", "--json"])).unwrap();
    let acts: Vec<_> =
        (0..3).map(|at| (lines[at]["action"].as_str().unwrap(), lines[at]["object_id"].as_str().unwrap())).collect();
    let new = new["id"].as_str().unwrap();
    assert_eq!(acts, [("key.created", new), ("key.revoked", id.as_str()), ("key.rotated", id.as_str())]);
}

#[tokio::test]
async fn the_dashboard_rotates_and_shows_the_new_key_once() {
    let server = Server::start();
    let member = server.member().await;
    let (id, old) = member.make_key("mine").await;
    assert!(member.get(&format!("/keys/{id}")).await.body.contains(&format!("action=\"/keys/{id}/rotate\"")));
    let token = member.csrf_token().await;
    let form = [("csrf_token", token.as_str()), ("overlap", "0")];
    let shown = member.post(&format!("/keys/{id}/rotate"), &form).await;
    let new = shown.new_key().unwrap_or_else(|| panic!("{shown:?}"));
    assert_eq!((shown.status, shown.header("cache-control")), (200, "no-store"));
    assert_eq!((server.tries(&old).await, server.tries(&new).await), (401, 200));
    let again = member.post(&format!("/keys/{id}/rotate"), &form).await;
    assert_eq!((again.status, again.new_key()), (200, None), "a reload rotates nothing");
    let stranger = server.person("eve@example.com", Role::Member).await;
    let new_id = server.bearer(&new).get("/api/v1/keys/current").await.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(stranger.form(&format!("/keys/{new_id}/rotate"), &[("overlap", "0")]).await.status, 404);
    assert_eq!(server.tries(&new).await, 200);
    let kept = member.form(&format!("/keys/{new_id}/rotate"), &[("overlap", "7d")]).await.new_key().unwrap();
    assert_eq!((server.tries(&new).await, server.tries(&kept).await), (200, 200));
}

#[tokio::test]
async fn rotating_a_managing_key_requires_a_recent_sign_in_or_the_password() {
    let server = Server::start();
    let admin = server.admin().await;
    let form = [("name", "gateway"), ("expires", "90d"), ("scopes", "keybearer:verify")];
    let (id, _) = admin.make_key_with(&form).await;
    server.clock.advance(Duration::from_secs(3600));
    let asked = admin.form(&format!("/keys/{id}/rotate"), &[("overlap", "1h")]).await;
    assert_eq!((asked.status, asked.new_key()), (422, None));
    assert!(asked.body.contains("name=\"current_password\"") && asked.body.contains("value=\"1h\" selected"));
    let fields = [("overlap", "1h"), ("current_password", crate::harness::PASSWORD)];
    assert!(admin.form(&format!("/keys/{id}/rotate"), &fields).await.new_key().is_some());
}

#[tokio::test]
async fn the_command_line_rotates_while_the_server_runs() {
    let server = Server::start();
    let (id, old) = server.key(&["orders:read"]).await;
    let new = server.home.run(&["keys", "rotate", &id, "--overlap", "1h"]);
    assert_eq!((server.tries(&old).await, server.tries(&new).await), (200, 200));
    let made: Value = serde_json::from_str(&server.home.run(&["keys", "rotate", &id, "--json"])).unwrap();
    assert_eq!((server.tries(&old).await, server.tries(made["key"].as_str().unwrap()).await), (401, 200));
    server.home.keybearer(&["keys", "rotate", &id]).assert().failure().code(1);
    server.home.keybearer(&["keys", "rotate", &id, "--overlap", "soon"]).assert().failure().code(1);
}
