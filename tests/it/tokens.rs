//! `/api/v1/tokens`: a password is exchanged for a short token, a refresh token for the next one, and all of
//! them end when they should.

use std::time::Duration;

use keybearer::testing::Role;
use serde_json::{Value, json};

use crate::harness::{ADMIN, Answer, Client, Home, MEMBER, PASSWORD, Process, Server};

const TOKENS: &str = "/api/v1/tokens";
const WRONG: &str = "not the right password";

async fn basic(server: &Server, email: &str, password: &str) -> Answer {
    let client = server.anon();
    client.send(client.request("POST", TOKENS).basic_auth(email, Some(password))).await
}

async fn post(server: &Server, body: Value) -> Answer {
    server.anon().json(TOKENS, body.to_string()).await
}

async fn issued(server: &Server) -> (String, String) {
    server.user(MEMBER, Role::Member).await;
    texts(&basic(server, MEMBER, PASSWORD).await)
}

fn texts(answer: &Answer) -> (String, String) {
    assert_eq!(answer.status, 200, "{answer:?}");
    let body = answer.json();
    (body["token"].as_str().unwrap().to_owned(), body["refresh_token"].as_str().unwrap().to_owned())
}

async fn refresh(server: &Server, refresh_token: &str) -> Answer {
    post(server, json!({ "refresh_token": refresh_token })).await
}

#[tokio::test]
async fn a_password_gets_a_token_that_works_like_a_key_for_an_hour() {
    let server = Server::start();
    server.user(MEMBER, Role::Member).await;
    let answer = basic(&server, MEMBER, PASSWORD).await;
    let mut body = answer.json();
    let (token, refresh) = texts(&answer);
    body["token"] = "T".into();
    body["refresh_token"] = "R".into();
    assert_eq!(
        body,
        json!({ "token": "T", "token_type": "Bearer", "expires_in": 3600, "refresh_token": "R", "refresh_expires_in": 2_592_000 })
    );
    assert_eq!(answer.header("cache-control"), "no-store");
    let bearer = server.bearer(&token);
    let record = bearer.get("/api/v1/keys/current").await.json();
    assert_eq!((record["name"].as_str(), record["owner"]["email"].as_str()), (Some("token"), Some(MEMBER)));
    assert_eq!(bearer.get("/auth?scope=orders:read").await.status, 200);
    assert_eq!(bearer.get("/auth?scope=keybearer:verify").await.status, 403);
    for path in ["/api/v1/keys", "/api/v1/users", "/api/v1/events", "/metrics"] {
        assert_eq!(bearer.get(path).await.problem(), (403, "insufficient_scope".into()), "{path}");
    }
    assert_eq!(server.tries(&refresh).await, 401, "a refresh token is no key");
    server.clock.advance(Duration::from_secs(3599));
    assert_eq!(server.tries(&token).await, 200);
    server.clock.advance(Duration::from_secs(1));
    assert_eq!(server.tries(&token).await, 401);
}

#[tokio::test]
async fn json_is_accepted_too_and_can_request_fewer_scopes() {
    let server = Server::start();
    server.user(ADMIN, Role::Admin).await;
    let narrow = post(&server, json!({ "email": ADMIN, "password": PASSWORD, "scopes": ["orders:read"] })).await;
    let token = server.bearer(&texts(&narrow).0);
    assert_eq!(token.get("/auth?scope=orders:read").await.status, 200);
    assert_eq!(token.get("/auth?scope=orders:write").await.status, 403);
    for scope in ["keybearer:verify", "keybearer:keys", "keybearer:users", "keybearer:events"] {
        let refused = post(&server, json!({ "email": ADMIN, "password": PASSWORD, "scopes": [scope] })).await;
        assert_eq!(refused.problem(), (403, "forbidden".into()), "not even for an admin: {scope}");
    }
    let client = server.anon();
    let with_body = client.request("POST", TOKENS).basic_auth(ADMIN, Some(PASSWORD)).json(&json!({ "scopes": [] }));
    let token = server.bearer(&texts(&client.send(with_body).await).0);
    assert_eq!(token.get("/auth?scope=orders:read").await.status, 403);
}

#[tokio::test]
async fn unknown_wrong_deactivated_and_passwordless_get_the_same_response() {
    let server = Server::start();
    let admin = server.admin().await;
    let gone = server.user("gone@example.com", Role::Member).await;
    admin.form(&format!("/users/{}/deactivate", gone.id), &[]).await;
    let mute = keybearer::testing::Asking::operator();
    server.site.auth.add_user(&mute, "mute@example.com", Role::Member, None).await.unwrap();
    let wrong = basic(&server, ADMIN, WRONG).await;
    assert_eq!(wrong.problem(), (401, "invalid_credentials".into()));
    assert_eq!(wrong.header("www-authenticate"), "Basic realm=\"keybearer\", charset=\"UTF-8\"");
    for (email, password) in [
        ("nobody@example.com", PASSWORD),
        ("gone@example.com", PASSWORD),
        ("mute@example.com", ""),
        ("", ""),
        ("mute@example.com", PASSWORD),
        ("not-an-email", PASSWORD),
    ] {
        assert_eq!(basic(&server, email, password).await.whole(), wrong.whole(), "{email} {password}");
        if !email.is_empty() {
            let by_json = post(&server, json!({ "email": email, "password": password })).await;
            assert_eq!(by_json.whole(), wrong.whole(), "{email} {password}");
        }
    }
    let (_, key) = server.key_of(ADMIN, &["*"], |_| {}).await;
    for (email, password) in [(key.as_str(), ""), (ADMIN, &key), (&key, &key)] {
        assert_eq!(basic(&server, email, password).await.status, 401);
    }
}

#[tokio::test]
async fn guessers_wait_as_long_as_on_the_sign_in_page() {
    let server = Server::start();
    server.user(MEMBER, Role::Member).await;
    for number in 0..5 {
        let answer = match number % 3 {
            0 => basic(&server, MEMBER, WRONG).await.status,
            1 => post(&server, json!({ "email": " GRACE@example.com", "password": WRONG })).await.status,
            _ => {
                if server.anon().sign_in(MEMBER, WRONG).await.status == 422 {
                    401
                } else {
                    0
                }
            }
        };
        assert_eq!(answer, 401, "failure {number} is free");
    }
    let wait = basic(&server, MEMBER, PASSWORD).await;
    assert_eq!((wait.problem(), wait.header("retry-after")), ((429, "throttled".into()), "1"));
    assert_eq!(server.anon().sign_in(MEMBER, PASSWORD).await.status, 429);
    server.clock.advance(Duration::from_secs(1));
    assert_eq!(basic(&server, MEMBER, PASSWORD).await.status, 200);
    assert_eq!(basic(&server, MEMBER, WRONG).await.status, 401, "a success starts anew");
}

#[tokio::test]
async fn a_refresh_returns_a_new_token_and_revokes_the_old_one() {
    let server = Server::start();
    let (first, one) = issued(&server).await;
    server.clock.advance(Duration::from_secs(7200));
    let answer = refresh(&server, &one).await;
    let (second, two) = texts(&answer);
    assert_eq!(answer.json()["refresh_expires_in"], 2_592_000 - 7200);
    assert_eq!((server.tries(&first).await, server.tries(&second).await), (401, 200));
    let (third, _) = texts(&refresh(&server, &two).await);
    assert_eq!((server.tries(&second).await, server.tries(&third).await), (401, 200));
}

#[tokio::test]
async fn after_thirty_days_the_password_is_needed_again() {
    let server = Server::start();
    let (_, mut next) = issued(&server).await;
    for _ in 0..29 {
        server.clock.advance(Duration::from_secs(86_400));
        next = texts(&refresh(&server, &next).await).1;
    }
    server.clock.advance(Duration::from_secs(86_400 - 600));
    let last = refresh(&server, &next).await;
    assert_eq!((&last.json()["expires_in"], &last.json()["refresh_expires_in"]), (&json!(600), &json!(600)));
    let (token, next) = texts(&last);
    server.clock.advance(Duration::from_secs(600));
    assert_eq!((server.tries(&token).await, refresh(&server, &next).await.status), (401, 401));
    issued(&server).await;
    let rows = "SELECT (SELECT count(*) FROM keys), (SELECT count(*) FROM token_families), (SELECT count(*) FROM refresh_tokens)";
    assert_eq!(server.home.numbers(rows), [1, 1, 1], "what is over is pruned");
}

#[tokio::test]
async fn revoking_a_token_revokes_its_family() {
    let server = Server::start();
    let (token, next) = issued(&server).await;
    let gone = server.bearer(&token).call("DELETE", TOKENS).await;
    assert_eq!((gone.status, gone.body.as_str()), (204, ""));
    assert_eq!((server.tries(&token).await, refresh(&server, &next).await.status), (401, 401));
    assert_eq!(server.bearer(&token).call("DELETE", TOKENS).await.problem(), (401, "invalid_key".into()));
    let (_, key) = server.key(&[]).await;
    assert_eq!(server.bearer(&key).call("DELETE", TOKENS).await.problem(), (409, "conflict".into()));
    assert_eq!(server.tries(&key).await, 200);
    for door in ["itself", "a leak of the token", "a leak of the refresh token"] {
        let (token, next) = issued(&server).await;
        match door {
            "itself" => assert_eq!(server.bearer(&token).call("DELETE", "/api/v1/keys/current").await.status, 204),
            _ => {
                let leaked = if door.ends_with("refresh token") { &next } else { &token };
                let mut revoke = server.home.keybearer(&["keys", "revoke", "--stdin"]);
                revoke.write_stdin(format!("x {leaked} y")).assert().success();
            }
        }
        assert_eq!((server.tries(&token).await, refresh(&server, &next).await.status), (401, 401), "{door}");
    }
}

#[tokio::test]
async fn a_new_password_a_deactivation_or_ending_all_sessions_revokes_tokens() {
    let server = Server::start();
    let users = server.admin().await;
    let (_, manager) = server.key_of(ADMIN, &["keybearer:users"], |_| {}).await;
    let manager = server.bearer(&manager);
    let id = server.user(MEMBER, Role::Member).await.id;
    let member = server.member().await;
    let patch = async |body: Value| {
        manager.send(manager.request("PATCH", &format!("/api/v1/users/{id}")).json(&body)).await.status
    };
    let mut password = PASSWORD.to_owned();
    for act in ["page", "command", "api", "admin's button", "own button", "deactivated", "deactivated by api"] {
        let (token, next) = texts(&basic(&server, MEMBER, &password).await);
        let (_, key) = server.key(&[]).await;
        let new = format!("seven purple lamps {act} softly");
        match act {
            "page" => {
                let form = [("current_password", password.as_str()), ("new_password", new.as_str())];
                assert_eq!(member.form("/account/password", &form).await.status, 303);
                password = new;
            }
            "command" => {
                let mut set = server.home.keybearer(&["users", "set-password", MEMBER, "--password-stdin"]);
                set.write_stdin(new.clone()).assert().success();
                password = new;
            }
            "api" => {
                assert_eq!(patch(json!({ "password": new })).await, 200);
                password = new;
            }
            "admin's button" => assert_eq!(users.form(&format!("/users/{id}/sessions/end"), &[]).await.status, 303),
            "own button" => {
                let own = Client::anon(server.address);
                own.sign_in(MEMBER, &password).await;
                assert_eq!(own.form("/account/sessions/end-others", &[]).await.status, 303);
            }
            "deactivated" => {
                assert_eq!(users.form(&format!("/users/{id}/deactivate"), &[]).await.status, 303);
                assert_eq!(users.form(&format!("/users/{id}/activate"), &[]).await.status, 303);
            }
            _ => assert_eq!(
                (patch(json!({ "active": false })).await, patch(json!({ "active": true })).await),
                (200, 200)
            ),
        }
        assert_eq!((server.tries(&token).await, refresh(&server, &next).await.status), (401, 401), "{act}");
        assert_eq!(server.tries(&key).await, 200, "keys live on: {act}");
    }
}

#[tokio::test]
async fn a_token_is_not_listed_or_managed_as_a_key() {
    let server = Server::start();
    let (token, _) = issued(&server).await;
    let id = server.bearer(&token).get("/api/v1/keys/current").await.json()["id"].as_str().unwrap().to_owned();
    server.user(ADMIN, Role::Admin).await;
    let (_, manager) = server.key_of(ADMIN, &["keybearer:keys", "keybearer:users", "*"], |_| {}).await;
    let manager = server.bearer(&manager);
    let admin = server.admin().await;
    assert!(!manager.get("/api/v1/keys").await.body.contains(&id));
    assert!(!admin.get("/admin/keys").await.body.contains(&id));
    assert!(
        !server.home.run(&["keys", "list"]).contains(&id)
            && !server.home.run(&["keys", "export"]).contains("\"token\"")
    );
    assert_eq!(manager.get("/api/v1/users?search=grace").await.json()["users"][0]["keys"], 0);
    let path = format!("/api/v1/keys/{id}");
    for body in [json!({ "expires_at": null }), json!({ "scopes": ["orders:read"] }), json!({ "name": "mine" })] {
        let kept = manager.send(manager.request("PATCH", &path).json(&body)).await;
        assert_eq!(kept.problem(), (409, "conflict".into()), "{body}");
    }
    assert_eq!(manager.call("POST", &format!("{path}/rotate")).await.problem(), (409, "conflict".into()));
    let disabled = manager.send(manager.request("PATCH", &path).json(&json!({ "enabled": false }))).await;
    assert_eq!((disabled.status, server.tries(&token).await), (200, 401));
}

#[tokio::test]
async fn the_hundred_and_first_sign_in_ends_the_first() {
    let server = Server::start();
    let (first, next) = issued(&server).await;
    let mut last = String::new();
    for _ in 0..100 {
        server.clock.advance(Duration::from_millis(1));
        last = issued(&server).await.0;
    }
    assert_eq!((server.tries(&first).await, refresh(&server, &next).await.status), (401, 401));
    assert_eq!(server.tries(&last).await, 200);
}

#[tokio::test]
async fn two_credentials_at_once_are_refused() {
    let server = Server::start();
    let (token, next) = issued(&server).await;
    let body = json!({ "email": MEMBER, "password": PASSWORD });
    let client = server.anon();
    let both = client.request("POST", TOKENS).basic_auth(MEMBER, Some(PASSWORD)).json(&body);
    assert_eq!(client.send(both).await.problem(), (400, "invalid_request".into()));
    let bearer = server.bearer(&token);
    assert_eq!(bearer.json(TOKENS, body.to_string()).await.problem(), (400, "invalid_request".into()));
    assert_eq!(bearer.call("POST", TOKENS).await.problem(), (401, "missing_credentials".into()));
    let keyed = client.request("POST", TOKENS).basic_auth(MEMBER, Some(PASSWORD)).header("x-api-key", &token);
    assert_eq!(client.send(keyed).await.problem(), (400, "invalid_request".into()));
    let blank = client.request("POST", TOKENS).basic_auth(MEMBER, Some(PASSWORD)).header("x-api-key", "");
    assert_eq!(client.send(blank).await.status, 200, "an empty X-API-Key is no second credential");
    for (body, status) in [
        (json!({}), 401),
        (json!({ "email": MEMBER }), 422),
        (json!({ "password": PASSWORD }), 422),
        (json!({ "email": MEMBER, "password": PASSWORD, "refresh_token": next }), 400),
        (json!({ "refresh_token": next, "scopes": ["*"] }), 422),
        (json!({ "refresh_token": "x" }), 401),
        (json!({ "refresh_token": token }), 401),
        (json!({ "email": MEMBER, "password": PASSWORD, "scope": "x" }), 422),
    ] {
        let answer = post(&server, body.clone()).await;
        assert_eq!(answer.status, status, "{body}: {answer:?}");
    }
    for value in ["Basic", "Basic x", "Basic YQ==", "Basic /////w=="] {
        let answer = client.send(client.request("POST", TOKENS).header("authorization", value)).await;
        assert_eq!(answer.status, 401, "{value}: {answer:?}");
    }
    assert_eq!(refresh(&server, &next).await.status, 200, "none of it used up the refresh token");
    let in_url = client.call("POST", &format!("{TOKENS}?email={MEMBER}&password=x")).await;
    assert_eq!(in_url.status, 401);
}

#[tokio::test]
async fn the_operator_chooses_the_token_lifetime() {
    let home = Home::new();
    home.add_admin();
    let server = Process::of(home.command(&["serve", "--listen", "127.0.0.1:0", "--token-lifetime", "5m"]));
    let anon = server.anon();
    let issued = anon.send(anon.request("POST", TOKENS).basic_auth(ADMIN, Some(PASSWORD))).await;
    assert_eq!((issued.status, &issued.json()["expires_in"]), (200, &json!(300)));
}
