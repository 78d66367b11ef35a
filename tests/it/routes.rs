//! Every route, asked by everybody, in every way: who gets in, and what the others are told.

use crate::harness::{ADMIN, Client, MEMBER, Server};
use keybearer::model::Role;

/// Who gets in.
#[derive(Clone, Copy, PartialEq)]
enum For {
    Everybody,
    SignedIn,
    Admins,
    Bearers,
    /// E-mail and password, or, to give a token back, the token.
    Passwords,
    /// Keys with this scope, of an admin.
    Keys(&'static str),
    /// Who sends a key's id and the key, as HTTP Basic or in the form.
    Clients,
}
use For::{Admins, Bearers, Clients, Everybody, Keys, Passwords, SignedIn};

const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

/// Methods, path, who; what `src/http/routes.rs` says, once more and in other words.
#[rustfmt::skip]
const ROUTES: &[(&str, &str, For)] = &[
    ("GET, DELETE", "/api/v1/keys/current",                  Bearers),
    ("POST",        "/api/v1/keys/verify",                   Keys("keybearer:verify")),
    ("GET, POST",   "/api/v1/keys",                          Keys("keybearer:keys")),
    ("GET, PATCH, DELETE", "/api/v1/keys/{id}",              Keys("keybearer:keys")),
    ("POST",        "/oauth/introspect",                     Keys("keybearer:verify")),
    ("POST",        "/oauth/revoke",                         Bearers),
    ("POST",        "/oauth/token",                          Clients),
    ("GET",         "/.well-known/oauth-authorization-server", Everybody),
    ("GET",         "/.well-known/jwks.json",                Everybody),
    ("POST",        "/api/v1/keys/{id}/rotate",              Keys("keybearer:keys")),
    ("GET, POST",   "/api/v1/users",                         Keys("keybearer:users")),
    ("GET, PATCH, DELETE", "/api/v1/users/{id}",             Keys("keybearer:users")),
    ("GET",         "/api/v1/events",                        Keys("keybearer:events")),
    ("POST, DELETE", "/api/v1/tokens",                       Passwords),
    ("GET",         "/api/v1/openapi.json",                  Bearers),
    ("GET",         "/metrics",                              Keys("keybearer:verify")),
    ("GET",         "/livez",                                Everybody),
    ("GET",         "/readyz",                               Everybody),
    ("GET",         "/assets/{name}",                        Everybody),
    ("GET",         "/",                                     SignedIn),
    ("GET, POST",   "/login",                                Everybody),
    ("POST",        "/logout",                               SignedIn),
    ("GET, POST",   "/setup",                                Everybody),
    ("GET, POST",   "/keys",                                 SignedIn),
    ("GET",         "/keys/new",                             SignedIn),
    ("GET",         "/keys/{id}",                            SignedIn),
    ("POST",        "/keys/{id}/revoke",                     SignedIn),
    ("POST",        "/keys/{id}/rotate",                     SignedIn),
    ("POST",        "/keys/{id}/disable",                    SignedIn),
    ("POST",        "/keys/{id}/enable",                     SignedIn),
    ("POST",        "/keys/{id}/edit",                       SignedIn),
    ("GET",         "/reference",                            SignedIn),
    ("GET",         "/account",                              SignedIn),
    ("POST",        "/account/password",                     SignedIn),
    ("POST",        "/account/sessions/end-others",          SignedIn),
    ("POST",        "/account/sessions/{id}/end",            SignedIn),
    ("GET",         "/admin/keys",                           Admins),
    ("GET, POST",   "/users",                                Admins),
    ("GET",         "/users/new",                            Admins),
    ("GET",         "/users/{id}",                           Admins),
    ("POST",        "/users/{id}/deactivate",                Admins),
    ("POST",        "/users/{id}/activate",                  Admins),
    ("POST",        "/users/{id}/sessions/end",              Admins),
    ("GET",         "/events",                               Admins),
];

/// What is open to somebody who proves nothing; a route that joins this list is a decision.
const PUBLIC: [&str; 7] = [
    "/.well-known/oauth-authorization-server",
    "/.well-known/jwks.json",
    "/livez",
    "/readyz",
    "/assets/{name}",
    "/login",
    "/setup",
];

fn methods(list: &str) -> impl Iterator<Item = &str> {
    list.split(", ")
}

fn concrete(path: &str) -> String {
    path.replace("{id}", ID).replace("{name}", "app.css")
}

#[test]
fn the_table_is_whole() {
    let source = include_str!("../../src/http/routes.rs");
    let lines = source.lines().filter_map(|line| line.trim().strip_prefix(".service(at(\""));
    let in_source: Vec<(&str, &str)> =
        lines.map(|rest| (rest.split('"').next().unwrap(), rest.split('"').nth(2).unwrap())).collect();
    let missing: Vec<_> = in_source
        .iter()
        .filter(|(path, list)| !ROUTES.iter().any(|(methods, own, _)| own == path && methods == list))
        .collect();
    assert!(missing.is_empty(), "add to ROUTES: {missing:?}");
    assert_eq!(in_source.len(), ROUTES.len());
    let public: Vec<_> = ROUTES.iter().filter(|(_, _, who)| *who == Everybody).map(|(_, path, _)| *path).collect();
    assert_eq!(public, PUBLIC);
}

/// A form or a body that is well made, so that only the question who asks is open.
async fn ask(client: &Client, method: &str, path: &str) -> u16 {
    if path.starts_with("/oauth/") {
        return client.post(path, &[("token", "x"), ("grant_type", "client_credentials")]).await.status;
    }
    match (method, path.starts_with("/api/")) {
        ("POST", false) => client.form(path, &[]).await.status,
        ("POST", true) => {
            client.json(path, if path.ends_with("tokens") { "{}" } else { "{\"key\":\"x\"}" }).await.status
        }
        _ => client.call(method, path).await.status,
    }
}

#[tokio::test]
async fn each_role_gets_where_it_may_and_no_further() {
    let server = Server::start();
    for (list, path, who) in ROUTES {
        for method in methods(list) {
            let path = concrete(path);
            let what = format!("{method} {path}");
            let (member, admin) = (server.member().await, server.admin().await);
            let plain = server.bearer(&server.key(&["*"]).await.1);
            let scope = if let Keys(scope) = who { scope } else { "keybearer:verify" };
            let (_, holder) = server.key_of(ADMIN, &[scope], |_| {}).await;
            let verifier = server.bearer(&holder);
            let [anon, member, admin, plain, verifier] = [
                ask(&server.anon(), method, &path).await,
                ask(&member, method, &path).await,
                ask(&admin, method, &path).await,
                ask(&plain, method, &path).await,
                ask(&verifier, method, &path).await,
            ];
            // 303 to the log-in for people, 401 for programs, 403 for those who are known and may not.
            let is_in = |status: u16| ![401, 403].contains(&status);
            match who {
                Everybody if path == "/setup" => assert_eq!([anon, member, admin, plain, verifier], [403; 5], "{what}"),
                Everybody => assert!([anon, member, admin, plain, verifier].into_iter().all(is_in), "{what}"),
                SignedIn => {
                    assert_eq!([anon, plain, verifier], [303; 3], "{what}");
                    assert!(is_in(member) && is_in(admin), "{what}: {member} {admin}");
                }
                Admins => {
                    assert_eq!([anon, plain, verifier, member], [303, 303, 303, 403], "{what}");
                    assert!(is_in(admin) && admin != 303 || method == "POST", "{what}: {admin}");
                }
                Clients => assert_eq!([anon, member, admin, plain, verifier], [401; 5], "{what}"),
                Bearers => assert!([anon, member, admin] == [401; 3] && plain < 300 && verifier < 300, "{what}"),
                // A key is no password, and no token.
                Passwords if method == "POST" => assert_eq!([anon, member, admin, plain, verifier], [401; 5], "{what}"),
                Passwords => assert_eq!([anon, member, admin, plain, verifier], [401, 401, 401, 409, 409], "{what}"),
                Keys(_) => {
                    assert_eq!([anon, member, admin, plain], [401, 401, 401, 403], "{what}");
                    assert!(is_in(verifier), "{what}: {verifier}");
                }
            }
        }
    }
}

#[tokio::test]
async fn other_methods_are_told_which_ones_there_are() {
    let server = Server::start();
    let admin = server.admin().await;
    for (list, path, _) in ROUTES {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PURGE"] {
            if methods(list).any(|own| own == method) {
                continue;
            }
            for client in [&admin, &server.anon()] {
                let answer = client.call(method, &concrete(path)).await;
                assert_eq!((answer.status, answer.header("allow")), (405, *list), "{method} {path}");
                if path.starts_with("/api") || path.ends_with("z") {
                    assert_eq!(answer.problem().1, "method_not_allowed");
                }
            }
        }
    }
}

#[tokio::test]
async fn head_is_get_without_a_body() {
    let server = Server::start();
    let (admin, bearer) = (server.admin().await, server.bearer(&server.key(&[]).await.1));
    for (list, path, who) in ROUTES.iter().filter(|(list, _, _)| list.contains("GET")) {
        let client = if *who == Bearers { &bearer } else { &admin };
        let (get, head) = (client.get(&concrete(path)).await, client.call("HEAD", &concrete(path)).await);
        assert_eq!((head.status, head.body.as_str()), (get.status, ""), "{list} {path}");
        assert_eq!(head.header("content-type"), get.header("content-type"), "{path}");
    }
}

#[tokio::test]
async fn unknown_addresses_are_404_for_everybody() {
    let server = Server::start();
    let clients = [server.anon(), server.admin().await, server.bearer(&server.key(&["*"]).await.1)];
    for client in &clients {
        for path in [
            "/api",
            "/api/v1/keys/current/",
            "/API/v1/keys/current",
            "//api/v1/keys/current",
            "/api/v1//keys/current",
            "/oauth/x",
            "/.well-known/x",
            "/authx",
        ] {
            let answer = client.get(path).await;
            assert_eq!(answer.status, 404, "{path}");
            if path.starts_with("/api") || path.starts_with("/oauth") {
                assert_eq!(answer.problem().1, "not_found", "{path}");
            }
        }
        // The id of no key; who may not ask for keys at all is told that first.
        for path in ["/api/v1/keys/current%2f", "/api/v1/keys/current;x"] {
            let answer = client.get(path).await;
            assert!([401, 403].contains(&answer.status), "{path}: {answer:?}");
        }
        for path in ["/keys/", "/users//", "/unknown", "/keys/x/y/z", "/KEYS", "/keys;x"] {
            assert_eq!(client.get(path).await.status, 404, "{path}");
        }
    }
}

#[tokio::test]
async fn no_detour_in_an_address_leads_past_the_guards() {
    let server = Server::start();
    let paths = [
        "/livez/../api/v1/keys/current",
        "/livez/%2e%2e/api/v1/keys/current",
        "/assets/..%2fkeys",
        "/%2e/keys",
        "/auth/../keys",
        "\\keys",
        "/keys%00",
    ];
    for path in paths {
        let request = crate::harness::raw::request(&format!("GET {path}"), &["Connection: close"], "");
        let status = crate::harness::raw::exchange(server.address, request).status();
        assert!([303, 400, 401, 404].contains(&status), "{path}: {status}");
    }
    for absolute in ["http://evil.test/api/v1/keys/current", "evil.test:80", "*"] {
        let request = crate::harness::raw::request(&format!("GET {absolute}"), &["Connection: close"], "");
        let status = crate::harness::raw::exchange(server.address, request).status();
        assert!([400, 401, 404].contains(&status), "{absolute}: {status}");
    }
}

#[tokio::test]
async fn a_foreign_user_or_key_answers_like_an_unknown_one() {
    let server = Server::start();
    let (member, admin) = (server.member().await, server.admin().await);
    let id = server.user(MEMBER, Role::Member).await.id;
    let (known, unknown) = (member.get(&format!("/users/{id}")).await, member.get(&format!("/users/{ID}")).await);
    assert_eq!((known.status, known.whole()), (403, unknown.whole()));
    for path in [
        format!("/users/{ID}"),
        "/users/x".into(),
        format!("/keys/{ID}"),
        "/keys/x".into(),
        format!("/keys/{}", "a".repeat(36)),
    ] {
        assert_eq!(admin.get(&path).await.status, 404, "{path}");
    }
    let upper = id.to_string().to_uppercase();
    assert_eq!(admin.get(&format!("/users/{id}")).await.status, 200);
    assert_eq!(admin.get(&format!("/users/{upper}")).await.status, 200, "an id may be written in capitals");
}
