//! Every route, called by everyone, in every way: who gets in, and what the others get. The table is the
//! server's own, so that a new route is tested without another line here.

use crate::harness::{ADMIN, Client, MEMBER, Server};
use keybearer::testing::{Access, ROUTES, Role, Route};

const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

/// The routes that need no credential; adding one here is a deliberate decision.
const PUBLIC: [&str; 15] = [
    "POST /api/v1/leaks",
    "POST /api/v1/leaks/github",
    "GET /.well-known/oauth-authorization-server",
    "GET /.well-known/jwks.json",
    "GET /livez",
    "GET /readyz",
    "GET /assets/{name}",
    "GET /login",
    "POST /login",
    "GET /setup",
    "POST /setup",
    "GET /invitation",
    "POST /invitation",
    "GET /reset",
    "POST /reset",
];

/// The methods of a path, as `Allow` lists them.
fn methods(path: &str) -> Vec<&'static str> {
    ROUTES.iter().filter(|route| route.path == path).map(|route| route.method).collect()
}

fn concrete(path: &str) -> String {
    path.replace("{id}", ID).replace("{name}", "app.css")
}

fn named(route: &Route) -> String {
    format!("{} {}", route.method, route.path)
}

#[test]
fn each_route_is_listed_once_and_the_public_ones_are_known() {
    let mut names: Vec<_> = ROUTES.iter().map(named).collect();
    let public: Vec<_> = ROUTES.iter().filter(|route| route.access == Access::Public).map(named).collect();
    assert_eq!(public, PUBLIC);
    names.sort();
    names.dedup();
    assert_eq!(names.len(), ROUTES.len());
}

/// Pages need a session; every other route needs a key or a password.
#[test]
fn api_routes_need_no_session_and_pages_need_no_key() {
    for route in ROUTES {
        let is_page = matches!(route.access, Access::SignedIn | Access::Admin);
        let is_described = route.operation().is_some();
        assert!(!(is_page && is_described), "{}", named(route));
        assert!(is_page || is_described || route.access == Access::Public, "{}", named(route));
    }
}

/// A well-formed form or body, so that only the caller's identity can be refused.
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
async fn each_role_reaches_only_its_own_routes() {
    let server = Server::start();
    for route in ROUTES {
        let (method, path, what) = (route.method, concrete(route.path), named(route));
        let (member, admin) = (server.member().await, server.admin().await);
        let plain = server.bearer(&server.key(&["*"]).await.1);
        let scope = if let Access::Scope(scope) = route.access { scope } else { "keybearer:verify" };
        let (_, holder) = server.key_of(ADMIN, &[scope], |_| {}).await;
        let verifier = server.bearer(&holder);
        let [anon, member, admin, plain, verifier] = [
            ask(&server.anon(), method, &path).await,
            ask(&member, method, &path).await,
            ask(&admin, method, &path).await,
            ask(&plain, method, &path).await,
            ask(&verifier, method, &path).await,
        ];
        let all = [anon, member, admin, plain, verifier];
        // 303 to the sign-in for people, 401 for programs, 403 for those who are known and may not.
        let is_in = |status: u16| ![401, 403].contains(&status);
        match route.access {
            Access::Public if ["/setup", "/invitation", "/reset"].contains(&path.as_str()) => {
                assert_eq!(all, [403; 5], "{what}")
            }
            Access::Public => assert!(all.into_iter().all(is_in), "{what}"),
            Access::SignedIn => {
                assert_eq!([anon, plain, verifier], [303; 3], "{what}");
                assert!(is_in(member) && is_in(admin), "{what}: {member} {admin}");
            }
            Access::Admin => {
                assert_eq!([anon, plain, verifier, member], [303, 303, 303, 403], "{what}");
                assert!(is_in(admin) && admin != 303 || method == "POST", "{what}: {admin}");
            }
            // A key is no password, and no token.
            Access::Client | Access::Password => assert_eq!(all, [401; 5], "{what}"),
            Access::Key if path == "/api/v1/tokens" => assert_eq!(all, [401, 401, 401, 409, 409], "{what}"),
            // Any key can ask about itself, but the text asked about here is no key.
            Access::ClientOrKey if path == "/oauth/introspect" => {
                assert_eq!([anon, member, admin, plain], [401, 401, 401, 403], "{what}");
                assert!(is_in(verifier), "{what}: {verifier}");
            }
            Access::Key | Access::ClientOrKey => {
                assert!([anon, member, admin] == [401; 3] && plain < 300 && verifier < 300, "{what}");
            }
            Access::Scope(_) => {
                assert_eq!([anon, member, admin, plain], [401, 401, 401, 403], "{what}");
                assert!(is_in(verifier), "{what}: {verifier}");
            }
        }
    }
}

#[tokio::test]
async fn other_methods_get_405_with_allow() {
    let server = Server::start();
    let admin = server.admin().await;
    for path in ROUTES.iter().map(|route| route.path) {
        let own = methods(path);
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PURGE"] {
            if own.contains(&method) {
                continue;
            }
            for client in [&admin, &server.anon()] {
                let answer = client.call(method, &concrete(path)).await;
                assert_eq!((answer.status, answer.header("allow")), (405, &*own.join(", ")), "{method} {path}");
                if path.starts_with("/api") || path.ends_with("z") {
                    assert_eq!(answer.problem().1, "method_not_allowed");
                }
            }
        }
    }
}

#[tokio::test]
async fn head_returns_the_headers_of_get_without_a_body() {
    let server = Server::start();
    let (admin, bearer) = (server.admin().await, server.bearer(&server.key(&[]).await.1));
    for Route { path, access, .. } in ROUTES.iter().filter(|route| route.method == "GET") {
        let client = if *access == Access::Key { &bearer } else { &admin };
        let (get, head) = (client.get(&concrete(path)).await, client.call("HEAD", &concrete(path)).await);
        assert_eq!((head.status, head.body.as_str()), (get.status, ""), "{path}");
        assert_eq!(head.header("content-type"), get.header("content-type"), "{path}");
    }
}

#[tokio::test]
async fn unknown_paths_return_404_for_everyone() {
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
        // The id of no key; a caller without access to keys is refused first.
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
async fn dot_segments_and_escapes_do_not_bypass_the_access_checks() {
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
async fn another_persons_user_or_key_looks_like_an_unknown_one() {
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

#[tokio::test]
async fn an_error_page_keeps_the_navigation_of_whoever_is_signed_in() {
    let server = Server::start();
    let (admin, member, anon) = (server.admin().await, server.member().await, server.anon());
    let unknown = format!("/keys/{ID}");
    for (method, path, status) in [
        ("GET", "/no-such-page", 404),
        ("GET", unknown.as_str(), 404),
        ("DELETE", "/keys", 405),
        ("POST", "/account/password", 415),
        ("GET", "/keys?after=x", 422),
    ] {
        for (client, has_frame, sees_users) in [(&admin, true, true), (&member, true, false), (&anon, false, false)] {
            let page = client.call(method, path).await;
            if page.status == 303 {
                continue; // a page that a visitor has to sign in for
            }
            assert_eq!(page.status, status, "{method} {path}: {page:?}");
            assert_eq!(page.body.contains("href=\"/keys\""), has_frame, "{method} {path}: {page:?}");
            assert_eq!(page.body.contains("href=\"/users\""), sees_users, "{method} {path}: {page:?}");
        }
    }
    let refused = member.get("/users").await;
    assert!(refused.status == 403 && refused.body.contains("href=\"/keys\""), "{refused:?}");
    let token = refused.input("csrf_token");
    assert_eq!(member.post("/logout", &[("csrf_token", &token)]).await.status, 303, "its sign-out works");
    assert!(!server.anon().get("/no-such-page").await.body.contains("Sign out"));
}
