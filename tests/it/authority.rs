//! The caller's permissions are checked again inside the transaction: a body may be delayed, a password
//! takes time to hash, and permissions lost meanwhile must be refused.

use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use keybearer::testing::{Asking, Basis, Clock, KeyChange, KeyId, KeyName, Role, SessionId, UserChange, UserId};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::harness::{ADMIN, Answer, Client, MEMBER, PASSWORD, Server, WriteLock, bytes, eventually, raw};

const OTHER: &str = "quite another long passphrase";
const EVE: &str = "eve@example.com";
const FORM: &str = "Content-Type: application/x-www-form-urlencoded";

/// A path and the fields of its form.
type Form = (String, Vec<(&'static str, String)>);

/// A request of which the server has received everything except the last byte.
struct HeldBack {
    socket: TcpStream,
    last: u8,
}

impl HeldBack {
    fn send(server: &Server, line: &str, headers: &[&str], body: &str) -> Self {
        let length = format!("Content-Length: {}", body.len());
        let text = raw::request(line, &[headers, &[&length, "Connection: close"]].concat(), body);
        let (last, first) = text.as_bytes().split_last().unwrap();
        let mut socket = TcpStream::connect(server.address).unwrap();
        socket.write_all(first).unwrap();
        HeldBack { socket, last: *last }
    }

    fn complete(mut self) -> raw::Raw {
        self.socket.write_all(&[self.last]).unwrap();
        self.socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        raw::read(&mut self.socket)
    }
}

fn location(answer: &raw::Raw) -> &str {
    let line = answer.text.lines().find_map(|line| line.strip_prefix("location: "));
    line.unwrap_or_default()
}

/// The number of events with this actor in the audit log.
fn acts_of(server: &Server, actor: UserId) -> i64 {
    acts_with_id(server, actor.as_bytes())
}

fn acts_with_id(server: &Server, actor: &[u8; 16]) -> i64 {
    server.home.number(format!("SELECT count(*) FROM events WHERE actor_id = {}", bytes(actor)))
}

/// What an admin can do on the dashboard to a member and the member's key.
fn dashboard_acts(member: UserId, key: &str, session: &str) -> Vec<Form> {
    let field = |name, value: &str| (name, value.to_owned());
    let mine = || field("current_password", PASSWORD);
    let admin = vec![field("email", "mallory@example.com"), field("role", "admin"), field("password", OTHER), mine()];
    let new_key = |scope: &str| vec![field("name", "n"), field("expires", "90d"), field("scopes", scope), mine()];
    let password = vec![mine(), field("new_password", OTHER)];
    vec![
        ("/users".into(), admin),
        ("/keys".into(), new_key("orders:read")),
        ("/keys".into(), new_key("keybearer:users")),
        (format!("/keys/{key}/revoke"), vec![]),
        (format!("/keys/{key}/disable"), vec![]),
        (format!("/keys/{key}/enable"), vec![]),
        (format!("/keys/{key}/edit"), vec![field("name", "renamed")]),
        (format!("/users/{member}/deactivate"), vec![]),
        (format!("/users/{member}/activate"), vec![]),
        (format!("/users/{member}/sessions/end"), vec![]),
        (format!("/users/{member}/role"), vec![field("role", "admin"), mine()]),
        (format!("/users/{member}/link"), vec![mine()]),
        (format!("/users/{member}/remove"), vec![mine()]),
        ("/account/password".into(), password),
        (format!("/account/sessions/{session}/end"), vec![]),
        ("/account/sessions/end-others".into(), vec![]),
        ("/logout".into(), vec![]),
    ]
}

/// Ways to take away a person's access, each as a person would do it.
const ENDS: [&str; 6] = ["sign-out", "password change", "ended by an admin", "deactivation", "demotion", "removal"];

async fn end(how: &str, server: &Server, person: &Client, id: UserId) {
    let (auth, operator) = (&server.site.auth, Asking::operator());
    match how {
        "sign-out" => assert_eq!(person.form("/logout", &[]).await.status, 303),
        "password change" => {
            let fields = [("current_password", PASSWORD), ("new_password", OTHER)];
            assert_eq!(person.form("/account/password", &fields).await.status, 303);
        }
        "ended by an admin" => drop(auth.end_sessions(&operator, id, None).await.unwrap()),
        "deactivation" => {
            let change = UserChange { active: Some(false), role: None };
            auth.change_user(&operator, id, change, None, Basis::Anything).await.unwrap();
        }
        "demotion" => {
            let change = UserChange { role: Some(Role::Member), ..UserChange::default() };
            drop(auth.change_user(&operator, id, change, None, Basis::Anything).await.unwrap());
        }
        "removal" => drop(auth.remove_user(&operator, id, Basis::Anything).await.unwrap()),
        _ => unreachable!("{how}"),
    }
}

fn session_of(server: &Server, user: UserId) -> String {
    let id = server.home.bytes(format!("SELECT id FROM sessions WHERE user_id = {}", bytes(user.as_bytes())));
    SessionId::from_bytes(id.try_into().unwrap()).to_string()
}

/// Whether the server has checked this user's session since the clock was advanced, which is when it records it.
fn was_judged(server: &Server, user: UserId) -> bool {
    let (user, now) = (bytes(user.as_bytes()), server.clock.now().millis());
    let sql = format!("SELECT count(*) FROM sessions WHERE user_id = {user} AND last_seen_at = {now}");
    server.home.number(sql) == 1
}

/// A signed-in admin, the admin's possible actions, and the token of their forms.
async fn eve(server: &Server, victim: UserId, key: &str) -> (Client, UserId, Vec<Form>) {
    let person = server.person(EVE, Role::Admin).await;
    let id = server.user(EVE, Role::Admin).await.id;
    let token = person.get("/account").await.input("csrf_token");
    let mut acts = dashboard_acts(victim, key, &session_of(server, id));
    // A key is rotated by its owner only.
    let (own, _) = server.key_of(EVE, &[], |_| {}).await;
    acts.push((format!("/keys/{own}/rotate"), vec![("overlap", "0".to_owned())]));
    acts.iter_mut().for_each(|(_, fields)| fields.push(("csrf_token", token.clone())));
    (person, id, acts)
}

fn is_on_oneself(path: &str) -> bool {
    path.ends_with("/rotate") || ["/logout", "/account/"].iter().any(|start| path.starts_with(start))
}

#[tokio::test]
async fn a_form_with_a_delayed_body_has_no_effect_once_the_users_access_has_ended() {
    for how in ENDS {
        let server = Server::start();
        server.user(ADMIN, Role::Admin).await;
        let member = server.user(MEMBER, Role::Member).await.id;
        let (key, text) = server.key(&[]).await;
        let (person, id, acts) = eve(&server, member, &key).await;
        let mut held = Vec::new();
        for (path, fields) in acts {
            server.clock.advance(Duration::from_secs(61));
            let cookie = person.whole_cookie("session").map(|(name, value)| format!("Cookie: {name}={value}")).unwrap();
            let headers = [FORM, cookie.as_str()];
            held.push((path.clone(), HeldBack::send(&server, &format!("POST {path}"), &headers, &encoded(&fields))));
            eventually(Duration::from_secs(20), "the session is judged", async || was_judged(&server, id)).await;
        }
        end(how, &server, &person, id).await;
        let acts = acts_of(&server, id);
        for (path, request) in held {
            let answer = request.complete();
            let expected = match how {
                // As for any member: own sessions and own keys without our scopes, and nobody else's.
                "demotion" if is_on_oneself(&path) => vec![303],
                "demotion" if path.starts_with("/keys") => vec![200, 403, 404, 422],
                "demotion" => vec![403],
                _ => vec![303],
            };
            assert!(expected.contains(&answer.status()), "{how} {path}: {}", answer.text);
            if how != "demotion" {
                assert_eq!(location(&answer), "/login", "{how} {path}: {}", answer.text);
            }
        }
        assert!(how == "demotion" || acts_of(&server, id) == acts, "{how}");
        let admins = server.home.number("SELECT count(*) FROM users WHERE role = 'admin'");
        let others = i64::from(!["demotion", "removal"].contains(&how));
        assert_eq!((server.tries(&text).await, admins), (200, 1 + others), "{how}");
    }
}

/// Holds the database's write lock, removes a permission under it, lets the requests proceed as far as they
/// can without that lock, and commits. So the requests are checked before the change, and write after it.
async fn taken_away_under_them(
    server: &Server,
    sql: &str,
    requests: Vec<(String, reqwest::RequestBuilder)>,
) -> Vec<(String, Answer)> {
    let lock = server.home.hold_write_lock();
    lock.execute(sql);
    let mut waiting = JoinSet::new();
    for (what, request) in requests {
        waiting.spawn(async move { (what, Answer::of(request.send().await.unwrap()).await) });
    }
    // Nothing outside tells that a request waits for the lock. Too short a pause proves less; none fails.
    tokio::time::sleep(Duration::from_millis(300)).await;
    lock.commit();
    waiting.join_all().await
}

#[tokio::test]
async fn a_session_that_ends_while_its_change_waits_for_the_writer_has_no_effect() {
    for (how, sql) in [
        ("sign-out", "DELETE FROM sessions"),
        ("deactivation", "UPDATE users SET active = 0 WHERE email = 'eve@example.com'"),
        ("demotion", "UPDATE users SET role = 'member' WHERE email = 'eve@example.com'"),
    ] {
        let server = Server::start();
        server.user(ADMIN, Role::Admin).await;
        let member = server.user(MEMBER, Role::Member).await.id;
        let (key, text) = server.key(&[]).await;
        let (person, id, acts) = eve(&server, member, &key).await;
        let wanted = acts.into_iter().filter(|(path, _)| how != "demotion" || !is_on_oneself(path));
        let requests = wanted.map(|(path, fields)| (path.clone(), person.request("POST", &path).form(&fields)));
        let before = acts_of(&server, id);
        for (path, answer) in taken_away_under_them(&server, sql, requests.collect()).await {
            let expected = if how == "demotion" { (403, "") } else { (303, "/login") };
            assert_eq!((answer.status, answer.location()), expected, "{how} {path}: {answer:?}");
        }
        assert_eq!((acts_of(&server, id), server.tries(&text).await), (before, 200), "{how}");
    }
}

/// What a key that manages keys and people can do to a member and the member's key.
fn key_acts(member: UserId, key: &str) -> Vec<(&'static str, String, Value)> {
    let admin = json!({ "email": "mallory@example.com", "role": "admin", "password": OTHER });
    vec![
        ("POST", "/api/v1/keys".into(), json!({ "name": "n", "scopes": ["orders:read"] })),
        ("PATCH", format!("/api/v1/keys/{key}"), json!({ "name": "renamed" })),
        ("PATCH", format!("/api/v1/keys/{key}"), json!({ "enabled": false })),
        ("POST", format!("/api/v1/keys/{key}/rotate"), json!({})),
        ("POST", "/api/v1/users".into(), admin),
        ("PATCH", format!("/api/v1/users/{member}"), json!({ "role": "admin" })),
        ("PATCH", format!("/api/v1/users/{member}"), json!({ "active": false })),
        ("POST", "/api/v1/keys/verify".into(), json!({ "key": "kb_x" })),
    ]
}

const MANAGING: [&str; 4] = ["keybearer:keys", "keybearer:users", "keybearer:verify", "*"];

/// Ways to reduce a key's permissions, with the expected response; `ID` is the key's.
const LOSSES: [(&str, &str, (u16, &str)); 7] = [
    ("revocation", "DELETE FROM keys WHERE id = ID", (401, "invalid_key")),
    ("disabling", "UPDATE keys SET enabled = 0 WHERE id = ID", (401, "invalid_key")),
    ("expiry", "UPDATE keys SET expires_at = 1000 WHERE id = ID", (401, "invalid_key")),
    ("no scope", "UPDATE keys SET scopes = '*' WHERE id = ID", (403, "insufficient_scope")),
    ("other ranges", "UPDATE keys SET allowed_ips = '10.0.0.0/8' WHERE id = ID", (403, "ip_not_allowed")),
    ("deactivation", "UPDATE users SET active = 0 WHERE id = OWNER", (401, "invalid_key")),
    ("demotion", "UPDATE users SET role = 'member' WHERE id = OWNER", (403, "forbidden")),
];

#[tokio::test]
async fn a_key_that_loses_its_scopes_while_its_change_waits_for_the_writer_has_no_effect() {
    for (how, sql, expected) in LOSSES {
        let server = Server::start();
        server.user(ADMIN, Role::Admin).await;
        let member = server.user(MEMBER, Role::Member).await.id;
        let (key, text) = server.key(&[]).await;
        let (mut keys, mut requests, mut taking) = (Vec::new(), Vec::new(), String::new());
        // Verifying changes nothing: it is judged in memory, which is tested below.
        let acts: Vec<_> =
            key_acts(member, &key).into_iter().filter(|(_, path, _)| !path.ends_with("verify")).collect();
        for (number, (method, path, body)) in acts.into_iter().enumerate() {
            let owner = server.user(&format!("eve-{number}@example.com"), Role::Admin).await;
            let (id, text) = server.key_of(owner.email.as_str(), &MANAGING, |_| {}).await;
            let request = server.bearer(&text).request(method, &path);
            requests.push((
                format!("{method} {path}"),
                request.header("content-type", "application/json").body(body.to_string()),
            ));
            taking.push_str(&sql.replace("ID", &crate::harness::id(&id)).replace("OWNER", &bytes(owner.id.as_bytes())));
            taking.push(';');
            keys.push(id);
        }
        for (what, answer) in taken_away_under_them(&server, &taking, requests).await {
            assert_eq!(answer.problem(), (expected.0, expected.1.to_owned()), "{how} {what}: {answer:?}");
        }
        for id in keys {
            assert_eq!(acts_with_id(&server, KeyId::parse(&id).unwrap().as_bytes()), 0, "{how}");
        }
        assert_eq!(server.tries(&text).await, 200, "{how}");
    }
}

#[tokio::test]
async fn a_request_with_a_delayed_body_has_no_effect_once_its_key_has_lost_its_scopes() {
    let server = Arc::new(Server::start());
    let admin = server.user(ADMIN, Role::Admin).await.id;
    let member = server.user(MEMBER, Role::Member).await.id;
    let (key, text) = server.key(&[]).await;
    let watcher = server.bearer(&server.key_of(ADMIN, &["keybearer:keys"], |_| {}).await.1);
    // The owner's role and state are the admin's own here, who must stay: those ends have their test above.
    let losses = LOSSES.iter().filter(|(_, sql, _)| !sql.contains("OWNER"));
    for (how, sql, expected) in losses {
        for (method, path, body) in key_acts(member, &key) {
            let (id, secret) = server.key_of(ADMIN, &MANAGING, |_| {}).await;
            let authorization = format!("Authorization: Bearer {secret}");
            let headers = ["Content-Type: application/json", &authorization];
            let held = HeldBack::send(&server, &format!("{method} {path}"), &headers, &body.to_string());
            let record = format!("/api/v1/keys/{id}");
            eventually(Duration::from_secs(20), "the key is judged", async || {
                !watcher.get(&record).await.json()["last_used_at"].is_null()
            })
            .await;
            server.home.execute(sql.replace("ID", &crate::harness::id(&id)));
            // A hand with the database's own shell announces nothing; the writer sees it when it next writes.
            let (other, name) = (KeyId::parse(&key).unwrap(), KeyName::parse(&id).unwrap());
            server
                .site
                .auth
                .change_key(
                    &Asking::operator(),
                    other,
                    KeyChange { name: Some(name), ..KeyChange::default() },
                    Basis::Anything,
                )
                .await
                .unwrap();
            let answer = held.complete();
            let code =
                answer.text.split("\"code\":\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default();
            assert_eq!((answer.status(), code), *expected, "{how} {method} {path}: {}", answer.text);
            assert_eq!(acts_with_id(&server, KeyId::parse(&id).unwrap().as_bytes()), 0, "{how} {path}");
        }
    }
    assert_eq!(server.tries(&text).await, 200);
    assert!(server.site.auth.user(&Asking::operator(), admin).await.unwrap().is_admin());
}

#[tokio::test]
async fn a_sign_in_fails_if_the_password_changes_while_it_is_hashed() {
    for (what, change) in [("password", "password_hash = 'another'"), ("state", "active = 0")] {
        let (server, waiting, lock) = two_sign_ins_at_their_hashing().await;
        lock.execute(format!("UPDATE users SET {change} WHERE email = '{MEMBER}'"));
        tokio::time::sleep(Duration::from_millis(300)).await;
        lock.commit();
        for (path, answer) in waiting.join_all().await {
            let expected = if path == "/login" { 422 } else { 401 };
            assert_eq!(answer.status, expected, "{what} {path}: {answer:?}");
        }
        let sql = "SELECT (SELECT count(*) FROM sessions) + (SELECT count(*) FROM token_families) + (SELECT count(*) FROM keys)";
        let opened = server.home.number(sql);
        assert_eq!(opened, 0, "{what}");
    }
}

/// A server with two sign-ins of a member that are counted, and that need the write lock, which is held, to succeed.
async fn two_sign_ins_at_their_hashing() -> (Server, JoinSet<(&'static str, Answer)>, WriteLock) {
    // An address's bucket counts milliseconds; the others count attempts, and a success takes its own away.
    const COUNTED: &str = "SELECT coalesce(max(failures), 0) FROM login_throttle WHERE failures < 100";
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let server = Server::start();
        server.user(MEMBER, Role::Member).await;
        let visitor = server.anon();
        let token = visitor.csrf_token().await;
        let fields = [("csrf_token", token.as_str()), ("email", MEMBER), ("password", PASSWORD)];
        let form = visitor.request("POST", "/login").form(&fields);
        let basic = server.anon().request("POST", "/api/v1/tokens").basic_auth(MEMBER, Some(PASSWORD));
        let mut waiting = JoinSet::new();
        for (what, request) in [("/login", form), ("/api/v1/tokens", basic)] {
            waiting.spawn(async move { (what, Answer::of(request.send().await.unwrap()).await) });
        }
        // If one of them is answered before the other is counted, they are made again.
        while waiting.try_join_next().is_none() {
            let lock = server.home.hold_write_lock();
            if lock.number(COUNTED) >= 2 {
                return (server, waiting, lock);
            }
            lock.commit();
            assert!(Instant::now() < end, "both are counted");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

fn encoded(fields: &[(&str, String)]) -> String {
    let pairs = fields.iter().map(|(name, value)| {
        let value: String = value.bytes().map(|byte| format!("%{byte:02X}")).collect();
        format!("{name}={value}")
    });
    pairs.collect::<Vec<_>>().join("&")
}
