//! What a browser gets: links, forms, redirects and cookies are below the base path.

use std::collections::BTreeSet;

use keybearer::testing::{ROUTES, Role, Route};

use super::{BASE, UNKNOWN, URL, at, person, server};
use crate::harness::{ADMIN, Answer, MEMBER, PASSWORD, Server};

/// What every `href`, `src` and `action` of a page leads to, after checking that no attribute leads outside the base
/// path. The value of an input (`next`) is one of our own paths.
fn targets(page: &Answer) -> Vec<String> {
    assert!(page.body.starts_with("<!doctype html>"), "{page:?}");
    let paths = page.body.match_indices("=\"/").filter(|(at, _)| !page.body[..*at].ends_with(" value"));
    for (at, _) in paths {
        let path = page.body[at + 2..].split('"').next().unwrap();
        assert!(path.starts_with("/tools/api-keys/"), "{path}");
    }
    let attributes = ["href", "src", "action"].map(|name| format!(" {name}=\""));
    let values = attributes.iter().flat_map(|start| page.body.split(start).skip(1));
    let values: Vec<String> = values.map(|rest| rest.split('"').next().unwrap().replace("&#38;", "&")).collect();
    for value in &values {
        assert!(value.starts_with('#') || value.starts_with("/tools/") || value.starts_with(URL), "{value}");
    }
    values.into_iter().filter(|value| value.starts_with('/')).collect()
}

fn pages() -> impl Iterator<Item = &'static Route> {
    ROUTES.iter().filter(|route| route.method == "GET" && route.operation().is_none())
}

/// Whether one of our routes for browsers has this path.
fn is_route(path: &str) -> bool {
    let segments = |path: &str| path.split('/').map(str::to_owned).collect::<Vec<_>>();
    let own = segments(path.split(['?', '#']).next().unwrap());
    let matches = |route: &Route| {
        let pattern = segments(route.path);
        pattern.len() == own.len() && pattern.iter().zip(&own).all(|(a, b)| a == b || a.starts_with('{'))
    };
    ROUTES.iter().filter(|route| route.operation().is_none()).any(matches)
}

/// Every page that a signed-in admin, a member or a visitor can get, also after an error.
async fn every_page(server: &Server) -> Vec<Answer> {
    let admin = person(server, ADMIN, Role::Admin).await;
    let member = person(server, MEMBER, Role::Member).await;
    let visitor = server.anon().below(BASE);
    let mut shown = Vec::new();
    // Nobody has a key yet.
    for client in [&admin, &member, &visitor] {
        for path in ["/", "/keys", "/admin/keys", "/events?q=nothing+like+that", "/unknown", "/keys/new"] {
            shown.push(client.get(path).await);
        }
    }
    let user = server.user(MEMBER, Role::Member).await.id.to_string();
    let (key, _) = server.key_of(ADMIN, &["keybearer:keys"], |_| {}).await;
    for _ in 0..60 {
        server.key_of(ADMIN, &[], |_| {}).await;
    }
    for route in pages() {
        let id = if route.path.starts_with("/users") { &user } else { &key };
        let path = route.path.replace("{id}", id);
        for client in [&admin, &member, &visitor] {
            shown.push(client.get(&path).await);
        }
    }
    // The next page of each list, and back to the first.
    for path in ["/keys", "/admin/keys", "/admin/keys?q=nightly", "/events"] {
        let first = admin.get(path).await;
        let next = targets(&first)
            .into_iter()
            .find(|url| url.contains("after=") || url.contains("before="))
            .expect("there are several pages");
        shown.push(admin.get(next.strip_prefix(BASE).unwrap()).await);
        assert!(shown.last().unwrap().body.contains("rel=\"prev\""));
    }
    let token = admin.csrf_token().await;
    let new = [("csrf_token", token.as_str()), ("name", "n"), ("expires", "30d")];
    for _ in 0..2 {
        shown.push(admin.post("/keys", &new).await);
    }
    let (rotate, edit) = (format!("/keys/{key}/rotate"), format!("/keys/{key}/edit"));
    for (path, fields) in [
        ("/keys", &[("name", ""), ("scopes", "no such!")][..]),
        ("/keys", &[("name", "n"), ("scopes", "keybearer:users"), ("expires", "30d")]),
        (&edit, &[("name", "")]),
        (&rotate, &[("overlap", "24h")]),
        ("/users", &[("email", "nonsense"), ("password", "short"), ("role", "admin")]),
        ("/account/password", &[("current_password", "wrong"), ("new_password", "short")]),
        ("/login", &[("email", MEMBER), ("password", "wrong"), ("next", "/keys/new")]),
        ("/keys", &[("csrf_token", "forged")]),
        ("/events", &[]),
    ] {
        shown.push(admin.form(path, fields).await);
    }
    shown.push(visitor.post("/login", &[("email", MEMBER)]).await);
    shown.push(visitor.post("/users", &[]).await);
    shown
}

#[tokio::test]
async fn every_link_form_and_asset_of_every_page_is_below_the_base_path() {
    let server = server();
    let shown = every_page(&server).await;
    let is_page = |answer: &&Answer| answer.header("content-type").starts_with("text/html");
    let statuses: BTreeSet<u16> = shown.iter().filter(is_page).map(|answer| answer.status).collect();
    assert!([200, 403, 404, 405, 422].iter().all(|status| statuses.contains(status)), "{statuses:?}");
    let mut found: Vec<String> = shown.iter().filter(is_page).flat_map(targets).collect();
    found.sort();
    found.dedup();
    assert!(found.len() > 100, "{found:?}");
    let admin = server.anon();
    admin.sign_in(ADMIN, PASSWORD).await;
    for target in &found {
        let own = target.strip_prefix(BASE).unwrap();
        assert!(is_route(own), "{target}");
    }
    // Each link and each asset as a browser asks for it; what is only posted to refuses a GET.
    for target in found.iter().filter(|target| !target.contains("after=")) {
        let status = admin.get(target).await.status;
        assert!([200, 405].contains(&status), "{target}: {status}");
    }
}

#[tokio::test]
async fn every_redirect_is_below_the_base_path() {
    let server = server();
    let mut redirects: Vec<(String, String)> = Vec::new();
    let visitor = server.anon().below(BASE);
    for route in pages().filter(|route| route.path != "/setup") {
        let path = route.path.replace("{id}", UNKNOWN);
        for client in [&visitor, &server.anon()] {
            let answer = client.get(&path).await;
            redirects.push((path.clone(), answer.location().to_owned()));
        }
    }
    let admin = person(&server, ADMIN, Role::Admin).await;
    let user = server.user(MEMBER, Role::Member).await.id;
    let (key, _) = server.key_of(ADMIN, &[], |_| {}).await;
    for path in [
        format!("/keys/{key}/disable"),
        format!("/keys/{key}/enable"),
        format!("/keys/{key}/edit"),
        format!("/keys/{key}/revoke"),
        format!("/users/{user}/deactivate"),
        format!("/users/{user}/activate"),
        format!("/users/{user}/sessions/end"),
        "/users".to_owned(),
        "/account/sessions/end-others".to_owned(),
        "/logout".to_owned(),
    ] {
        let fields = [("name", "n"), ("email", "new@example.com"), ("password", PASSWORD), ("role", "member")];
        let answer = admin.form(&path, &fields).await;
        assert_eq!(answer.status, 303, "{path}: {answer:?}");
        redirects.push((path, answer.location().to_owned()));
    }
    let moved: Vec<_> = redirects.iter().filter(|(_, to)| !to.is_empty()).collect();
    assert!(moved.len() > 30, "{moved:?}");
    for (path, to) in moved {
        assert!(to.starts_with("/tools/api-keys/"), "{path} leads to {to}");
        assert!(!to.contains("api-keys/tools"), "{path} leads to {to}");
    }
    // After signing in, the page that was asked for, whichever way it was asked for.
    for client in [server.anon(), server.anon().below(BASE)] {
        let asked = client.get("/keys/new?x=1").await;
        assert_eq!(asked.location(), "/tools/api-keys/login?next=%2Fkeys%2Fnew%3Fx%3D1");
        let sign_in = client.form("/login", &[("email", ADMIN), ("password", PASSWORD), ("next", "/keys/new?x=1")]);
        assert_eq!(sign_in.await.location(), "/tools/api-keys/keys/new?x=1");
    }
    let visitor = server.anon();
    for next in ["//evil.test", "https://evil.test", "/\\evil.test"] {
        let sign_in = visitor.form("/login", &[("email", ADMIN), ("password", PASSWORD), ("next", next)]).await;
        assert_eq!(sign_in.location(), "/tools/api-keys/keys", "{next}");
    }
}

fn set_cookies(answer: &Answer) -> Vec<&str> {
    answer.headers.get_all("set-cookie").iter().map(|cookie| cookie.to_str().unwrap()).collect()
}

#[tokio::test]
async fn cookies_are_bound_to_the_base_path() {
    for (url, prefix, path) in [
        ("https://example.test/tools/api-keys", "__Secure-", "; Path=/tools/api-keys;"),
        ("http://example.test/tools/api-keys", "", "; Path=/tools/api-keys"),
        ("https://example.test", "__Host-", "; Path=/;"),
    ] {
        let server = Server::with(at(url));
        server.user(MEMBER, Role::Member).await;
        let browser = server.anon();
        let answers = [browser.get("/login").await, browser.sign_in(MEMBER, PASSWORD).await];
        let cookies: Vec<&str> = answers.iter().flat_map(set_cookies).collect();
        assert_eq!(cookies.len(), 4, "{cookies:?}");
        let signed_out = browser.form("/logout", &[]).await;
        for cookie in cookies.iter().copied().chain(set_cookies(&signed_out)) {
            assert!(cookie.starts_with(prefix) && cookie.starts_with("__") != prefix.is_empty(), "{cookie}");
            assert!(format!("{cookie};").contains(path), "{cookie}");
            assert_eq!(cookie.contains("; Secure"), url.starts_with("https"), "{cookie}");
        }
        // What other services of the same host have stored is not ours to clear.
        let clears = signed_out.header("clear-site-data").to_owned();
        assert_eq!(clears.contains("storage"), url == "https://example.test", "{clears}");
        assert!(clears.contains("cache"), "{clears}");
    }
}

#[tokio::test]
async fn a_form_is_accepted_from_the_origin_of_the_public_url() {
    let server = server();
    server.user(MEMBER, Role::Member).await;
    let browser = server.anon().below(BASE);
    let token = browser.csrf_token().await;
    let fields = [("csrf_token", token.as_str()), ("email", MEMBER), ("password", PASSWORD)];
    let send = async |origin: &str, host: &str| {
        let request = browser.request("POST", "/login").header("origin", origin).header("host", host).form(&fields);
        browser.send(request).await
    };
    // The proxy may put another host into the request; the origin is the browser's.
    for host in ["example.test", "10.0.0.7:8080"] {
        for foreign in ["https://evil.test", "https://example.test.evil.test", "https://example.test:8443", URL] {
            assert_eq!(send(foreign, host).await.status, 403, "{foreign}");
        }
        let over_http = send("http://example.test", "example.test").await;
        assert!(over_http.status == 403 && over_http.body.contains(URL), "{over_http:?}");
    }
    assert_eq!(send("https://example.test", "10.0.0.7:8080").await.status, 303);
    let page = server.anon().get("/login").await;
    assert!(page.body.contains(&format!("<a href=\"{URL}/login\">")), "{page:?}");
    assert_eq!(page.header("strict-transport-security"), "max-age=63072000");
}
