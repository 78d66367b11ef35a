//! Forms from another site, another session or another time change nothing.

use keybearer::testing::{PublicUrl, Role};

use crate::harness::{Client, MEMBER, PASSWORD, Server};

fn form(token: &str) -> Vec<(&'static str, &str)> {
    let form = [("name", "forged"), ("expires", "90d")];
    if token.is_empty() { form.into() } else { [&form[..], &[("csrf_token", token)]].concat() }
}

async fn is_unchanged(client: &Client) -> bool {
    !client.get("/keys").await.body.contains("forged")
}

#[tokio::test]
async fn a_form_needs_its_own_sessions_token() {
    let server = Server::start();
    let (member, other) = (server.member().await, server.member().await);
    let own = member.csrf_token().await;
    let before_sign_in = server.anon().csrf_token().await;
    let foreign = other.csrf_token().await;
    let cookie = member.cookie("session").unwrap();
    for token in ["", "x", &foreign, &before_sign_in, &cookie, &own[1..], &own.to_lowercase(), &format!("{own}A")] {
        let refused = member.post("/keys", &form(token)).await;
        assert_eq!((refused.status, refused.new_key()), (403, None), "{token}");
        assert!(refused.body.contains("has expired"), "it says what to do: {refused:?}");
    }
    assert!(is_unchanged(&member).await);
    assert!(member.post("/keys", &form(&own)).await.new_key().is_some());
}

#[tokio::test]
async fn every_form_that_changes_something_checks_the_token() {
    let server = Server::start();
    let admin = server.admin().await;
    let (id, key) = admin.make_key("mine").await;
    let user = server.user(MEMBER, keybearer::testing::Role::Member).await.id;
    let session = "01890a5d-ac96-774b-bcce-b302099a8057";
    for path in [
        "/keys".to_owned(),
        format!("/keys/{id}/revoke"),
        format!("/keys/{id}/rotate"),
        format!("/keys/{id}/disable"),
        format!("/keys/{id}/enable"),
        format!("/keys/{id}/edit"),
        "/account/password".into(),
        "/account/sessions/end-others".into(),
        format!("/account/sessions/{session}/end"),
        "/users".into(),
        format!("/users/{user}/deactivate"),
        format!("/users/{user}/activate"),
        format!("/users/{user}/sessions/end"),
        "/logout".into(),
        "/login".into(),
        "/setup".into(),
    ] {
        let fields = [("email", "new@example.com"), ("password", PASSWORD), ("role", "admin"), ("name", "forged")];
        assert_eq!(admin.post(&path, &fields).await.status, 403, "{path}");
    }
    assert_eq!(server.tries(&key).await, 200);
    assert_eq!(admin.get("/users").await.status, 200, "still signed in");
    assert!(!admin.get("/users").await.body.contains("new@example.com"));
}

#[tokio::test]
async fn a_cross_site_request_is_refused_even_with_a_valid_token() {
    let server = Server::start();
    let member = server.member().await;
    let own = member.csrf_token().await;
    let here = format!("http://{}", server.address);
    for (name, value, status) in [
        ("origin", "https://evil.test", 403),
        ("origin", "null", 403),
        ("origin", "http://keys.test.evil.test", 403),
        ("origin", "http://keys.test:81", 403),
        ("origin", "http://keys.test", 200),
        ("origin", here.as_str(), 200),
        ("sec-fetch-site", "cross-site", 403),
        ("sec-fetch-site", "same-site", 403),
        ("sec-fetch-site", "same-origin", 200),
        ("sec-fetch-site", "none", 200),
    ] {
        let answer = member.send(member.request("POST", "/keys").header(name, value).form(&form(&own))).await;
        assert_eq!(answer.status, status, "{name}: {value}");
    }
    let stranger = server.anon();
    let token = stranger.csrf_token().await;
    let sign_in = [("csrf_token", token.as_str()), ("email", MEMBER), ("password", PASSWORD)];
    let request = stranger.request("POST", "/login").header("origin", "https://evil.test").form(&sign_in);
    assert_eq!(stranger.send(request).await.status, 403, "nobody logs a visitor in from elsewhere");
}

#[tokio::test]
async fn forms_work_from_a_page_that_sends_no_referrer() {
    let server = Server::start();
    let member = server.member().await;
    let own = member.csrf_token().await;
    for (site, token, status) in [
        (Some("same-origin"), own.as_str(), 200),
        (Some("same-origin"), "x", 403),
        (Some("none"), &own, 403),
        (Some("same-site"), &own, 403),
        (Some("cross-site"), &own, 403),
        (None, &own, 403),
    ] {
        let request = member.request("POST", "/keys").header("origin", "null").form(&form(token));
        let request = site.into_iter().fold(request, |request, site| request.header("sec-fetch-site", site));
        assert_eq!(member.send(request).await.status, status, "{site:?} {token}");
    }
    let twice = member.request("POST", "/keys").header("origin", "null").form(&form(&own));
    let twice = twice.header("sec-fetch-site", "same-origin").header("sec-fetch-site", "cross-site");
    assert_eq!(member.send(twice).await.status, 403);
    let visitor = server.anon();
    let token = visitor.csrf_token().await;
    let sign_in = [("csrf_token", token.as_str()), ("email", MEMBER), ("password", PASSWORD)];
    let request = visitor.request("POST", "/login").header("origin", "null").header("sec-fetch-site", "same-origin");
    assert_eq!(visitor.send(request.form(&sign_in)).await.status, 303);
}

/// Over plain HTTP a browser does not return `Secure` cookies.
#[tokio::test]
async fn a_form_that_was_opened_over_http_names_the_https_address() {
    let server = Server::with(|settings| settings.public_url = PublicUrl::parse("https://keys.test").unwrap());
    server.user(MEMBER, Role::Member).await;
    let setup = Server::with(|settings| settings.public_url = PublicUrl::parse("https://keys.test").unwrap());
    let link = setup.site.auth.open_setup().await.unwrap().unwrap().expose();
    for (server, page, path) in
        [(&server, "/login".to_owned(), "/login"), (&setup, format!("/setup?token={link}"), "/setup")]
    {
        let browser = server.anon();
        let shown = browser.get(&page).await;
        assert!(shown.body.contains(&format!("https://keys.test{path}\"")), "{shown:?}");
        let token = shown.input("csrf_token");
        let fields = [("csrf_token", token.as_str()), ("token", &link), ("email", MEMBER), ("password", PASSWORD)];
        let (host, other) = (format!("http://{}", server.address), "http://keys.test");
        let kept = browser.cookies.lock().unwrap().clone();
        for (origin, keeps_cookie) in [
            (None, false),
            (Some(host.as_str()), false),
            (Some(&host), true),
            (Some(other), false),
            (Some("null"), false),
        ] {
            *browser.cookies.lock().unwrap() = if keeps_cookie { kept.clone() } else { Default::default() };
            let request = browser.request("POST", path).form(&fields);
            let request = match origin {
                // A proxy passes on both as the browser wrote them.
                Some("http://keys.test") => request.header("origin", other).header("host", "keys.test"),
                Some(origin) => request.header("origin", origin),
                None => request,
            };
            let refused = browser.send(request).await;
            assert_eq!(refused.status, 403, "{path} {origin:?}");
            assert!(refused.body.contains("Open https://keys.test and"), "{path} {origin:?}: {refused:?}");
        }
        browser.cookies.lock().unwrap().clear();
        let expired =
            browser.send(browser.request("POST", path).header("origin", "https://keys.test").form(&fields)).await;
        assert!(expired.status == 403 && expired.body.contains("has expired"), "{path}: {expired:?}");
    }
    let plain = Server::start().anon().get("/login").await;
    assert!(!plain.body.contains("over plain HTTP"), "{plain:?}");
}

#[tokio::test]
async fn get_requests_and_method_overrides_change_nothing() {
    let server = Server::start();
    let member = server.member().await;
    let (id, key) = member.make_key("mine").await;
    let path = format!("/keys/{id}/revoke");
    for method in ["GET", "HEAD", "PUT", "DELETE"] {
        let answer = member.call(method, &path).await;
        assert_eq!((answer.status, answer.header("allow")), (405, "POST"), "{method}");
    }
    let token = member.csrf_token().await;
    for name in ["x-http-method-override", "x-http-method", "x-method-override"] {
        let request = member.request("GET", &format!("{path}?_method=POST&csrf_token={token}")).header(name, "POST");
        assert_eq!(member.send(request).await.status, 405);
        let request = server.bearer(&key).request("GET", "/api/v1/keys/current").header(name, "DELETE");
        assert_eq!(member.send(request).await.status, 200);
    }
    assert_eq!(server.tries(&key).await, 200);
}

#[tokio::test]
async fn a_form_with_another_content_type_is_refused() {
    let server = Server::start();
    let member = server.member().await;
    let own = member.csrf_token().await;
    let body = format!("csrf_token={own}&name=forged&expires=90d");
    for kind in ["text/plain", "application/json", "multipart/form-data; boundary=x", ""] {
        let request = member.request("POST", "/keys").header("content-type", kind).body(body.clone());
        assert_eq!(member.send(request).await.status, 415, "{kind}");
    }
    assert!(is_unchanged(&member).await);
}

#[tokio::test]
async fn cors_allows_no_other_origin() {
    let server = Server::start();
    let (_, key) = server.key(&[]).await;
    let bearer = server.bearer(&key);
    for (method, path) in
        [("OPTIONS", "/api/v1/keys/current"), ("GET", "/api/v1/keys/current"), ("GET", "/auth"), ("GET", "/login")]
    {
        let request = bearer
            .request(method, path)
            .header("origin", "https://evil.test")
            .header("access-control-request-method", "DELETE");
        let answer = bearer.send(request).await;
        assert!(answer.headers.keys().all(|name| !name.as_str().starts_with("access-control-")), "{answer:?}");
    }
}
