//! Headers that every response has, whichever code returns it.

use crate::harness::{Answer, Client, Home, Process, Server};
use keybearer::testing::PublicUrl;

async fn many_kinds(server: &Server) -> Vec<(String, Answer)> {
    let (admin, anon) = (server.admin().await, server.anon());
    let bearer = server.bearer(&server.key(&[]).await.1);
    let mut answers = Vec::new();
    let asked: [(&Client, &str, &str); 16] = [
        (&anon, "GET", "/login"),
        (&anon, "GET", "/keys"),
        (&anon, "GET", "/unknown"),
        (&anon, "GET", "/setup"),
        (&anon, "POST", "/login"),
        (&anon, "DELETE", "/login"),
        (&anon, "GET", "/api/v1/keys/current"),
        (&anon, "GET", "/api/unknown"),
        (&anon, "GET", "/livez"),
        (&anon, "GET", "/readyz"),
        (&bearer, "GET", "/api/v1/keys/current"),
        (&bearer, "PATCH", "/api/v1/keys/current"),
        (&admin, "GET", "/keys"),
        (&admin, "GET", "/users"),
        (&admin, "GET", "/keys/unknown"),
        (&admin, "GET", "/login?next=a&next=b"),
    ];
    for (client, method, path) in asked {
        answers.push((format!("{method} {path}"), client.call(method, path).await));
    }
    let form = admin.form("/keys", &[("name", ""), ("expires", "90d")]).await;
    answers.push(("422".into(), form));
    answers.push(("413".into(), anon.sign_in("a@b", &"x".repeat(70_000)).await));
    answers.push(("414".into(), anon.get(&format!("/{}", "x".repeat(9000))).await));
    answers.push(("431".into(), anon.send(anon.request("GET", "/").header("x-long", "x".repeat(17_000))).await));
    answers.push(("400".into(), anon.send(anon.request("GET", "/login").header("host", "a/b")).await));
    answers
}

#[tokio::test]
async fn every_response_has_the_security_headers() {
    let server = Server::start();
    for (what, answer) in many_kinds(&server).await {
        let csp = answer.header("content-security-policy");
        for directive in [
            "default-src 'none'",
            "script-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        ] {
            assert!(csp.contains(directive), "{what}: {csp}");
        }
        assert!(!csp.contains("unsafe"), "{what}: {csp}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{what}");
        assert_eq!(answer.header("referrer-policy"), "same-origin", "{what}");
        assert_eq!(answer.header("cross-origin-opener-policy"), "same-origin", "{what}");
        assert_eq!(answer.header("cache-control"), "no-store", "{what}");
        assert_eq!(answer.header("strict-transport-security"), "", "{what}: not under http");
        assert_eq!((answer.header("server"), answer.header("x-powered-by")), ("", ""), "{what}");
        assert_eq!(answer.header("x-request-id").len(), 32, "{what}");
        let kind = answer.header("content-type");
        let is_page = kind == "text/html; charset=utf-8" && answer.body.starts_with("<!doctype html>");
        let is_json = ["application/json", "application/problem+json"].contains(&kind);
        assert!(is_page || is_json || answer.body.is_empty(), "{what}: {answer:?}");
        assert!(!answer.body.contains(".rs") && !answer.body.contains("SQLite"), "{what}: {answer:?}");
    }
}

#[tokio::test]
async fn https_responses_have_hsts() {
    let server = Server::with(|settings| settings.public_url = PublicUrl::parse("https://keys.test").unwrap());
    for path in ["/login", "/api/v1/keys/current", "/unknown", "/livez"] {
        let hsts = server.anon().get(path).await.header("strict-transport-security").to_owned();
        assert_eq!(hsts, "max-age=63072000", "{path}: its subdomains may be somebody else's");
    }
}

#[tokio::test]
async fn the_operator_chooses_the_hsts_header() {
    for (value, expected) in [
        ("max-age=31536000; includeSubDomains", "max-age=31536000; includeSubDomains"),
        ("max-age=300", "max-age=300"),
        ("off", ""),
    ] {
        let home = Home::new();
        let serve = ["serve", "--listen", "127.0.0.1:0", "--public-url", "https://keys.test", "--hsts", value];
        let answer = Process::of(home.command(&serve)).anon().get("/login").await;
        assert_eq!(answer.header("strict-transport-security"), expected, "{value}");
    }
    let home = Home::new();
    let mut plain = home.command(&["serve", "--listen", "127.0.0.1:0"]);
    plain.env("KEYBEARER_HSTS", "max-age=300");
    let answer = Process::of(plain).anon().get("/login").await;
    assert_eq!(answer.header("strict-transport-security"), "", "never under http");
    let refused = Home::new().keybearer(&["serve", "--hsts", "includeSubDomains"]).assert().failure();
    let said = String::from_utf8(refused.get_output().stderr.clone()).unwrap();
    assert!(said.contains("--hsts includeSubDomains") && said.contains("max-age=SECONDS"), "{said}");
}

#[tokio::test]
async fn assets_are_cached_for_ever_under_hashed_names() {
    let server = Server::start();
    let page = server.anon().get("/login").await.body;
    let urls: Vec<&str> = page.split('"').filter(|text| text.starts_with("/assets/")).collect();
    assert!(urls.len() >= 3, "{urls:?}");
    for url in urls {
        let answer = server.anon().get(url).await;
        assert_eq!((answer.status, answer.header("cache-control")), (200, "public, max-age=31536000, immutable"));
        assert!(
            ["text/css; charset=utf-8", "text/javascript; charset=utf-8", "image/svg+xml"]
                .contains(&answer.header("content-type"))
        );
    }
    let gone = server.anon().get("/assets/app.0000000000000000.css").await;
    assert_eq!((gone.status, gone.header("cache-control")), (404, "no-store"));
}

#[tokio::test]
async fn forged_hosts_and_prefixes_appear_in_no_link() {
    let server = Server::start();
    let member = server.member().await;
    let token = member.csrf_token().await;
    let form = [("csrf_token", token.as_str()), ("name", "n"), ("expires", "90d")];
    let mut request = member.request("POST", "/keys").form(&form).header("host", "evil.test");
    for name in ["x-forwarded-host", "x-forwarded-server", "x-forwarded-prefix", "forwarded", "x-original-url"] {
        request = request.header(name, "evil.test");
    }
    let shown = member.send(request.header("x-forwarded-proto", "https")).await;
    assert!(shown.new_key().is_some() && shown.body.contains("http://keys.test/api/v1/keys/current"));
    assert!(!shown.body.contains("evil.test"), "{shown:?}");
    let anon = server.anon();
    let answer = anon
        .send(anon.request("GET", "/keys").header("host", "evil.test").header("x-forwarded-host", "evil.test"))
        .await;
    assert_eq!(answer.location(), "/login?next=%2Fkeys");
}

/// Nothing else is: the length of a compressed page would tell whether a secret in it is like text from the request.
#[tokio::test]
async fn only_assets_and_the_api_reference_are_compressed() {
    let server = Server::start();
    let admin = server.admin().await;
    let page = admin.get("/reference").await.body;
    let assets = page.split('"').filter(|text| text.starts_with("/assets/")).map(|url| (url.to_owned(), true));
    let others = ["/keys", "/keys/new", "/account", "/events?q=x", "/login", "/api/v1/keys/current"];
    let others = others.into_iter().map(|url| (url.to_owned(), false));
    for (url, is_compressed) in assets.chain([("/reference".to_owned(), true)]).chain(others) {
        let plain = admin.request("GET", &url).send().await.unwrap();
        assert!(plain.headers().get("content-encoding").is_none(), "{url}: only for browsers that ask for it");
        let length = plain.bytes().await.unwrap().len();
        let asked = admin.request("GET", &url).header("accept-encoding", "gzip, br").send().await.unwrap();
        let encoding = asked.headers().get("content-encoding").map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(encoding.as_deref(), is_compressed.then_some("gzip"), "{url}");
        let varies =
            asked.headers().get("vary").is_some_and(|value| value.to_str().unwrap().contains("accept-encoding"));
        assert_eq!(varies, is_compressed, "{url}");
        let is_smaller = asked.bytes().await.unwrap().len() < length / 2;
        assert!(!is_compressed || is_smaller || length < 1000, "{url}");
    }
}
