//! What a gateway's operator wrote into a URL, with all possible mistakes: none of them
//! lets a request pass that would have needed more.

use keybearer::testing::{Policies, Policy};

use crate::harness::{Answer, Home, Process, Server, raw};

fn start() -> Server {
    let read = || Policy::parse(["orders:read"], false).unwrap();
    let policies = [
        ("orders-read", read()),
        ("open", Policy::parse([], true).unwrap()),
        ("pages", read().with_preflight()),
        ("open-pages", Policy::parse([], true).unwrap().with_preflight().with_identity()),
    ];
    let policies = policies.map(|(name, policy)| (name.to_owned(), policy));
    Server::with(|settings| settings.policies = Policies::parse(policies).unwrap())
}

const IDENTITY: [&str; 5] = ["x-auth-key-id", "x-auth-owner", "x-auth-owner-id", "x-auth-scopes", "x-auth-identity"];

/// `GET url`, exactly as written, with this key or without one: the response, and whether it is a problem with this
/// status and code.
fn ask(server: &Server, url: &str, key: Option<&str>) -> raw::Raw {
    let key = key.map(|key| format!("X-API-Key: {key}"));
    let lines: Vec<&str> = key.iter().map(String::as_str).chain(["Connection: close"]).collect();
    raw::exchange(server.address, raw::request(&format!("GET {url}"), &lines, ""))
}

fn assert_mistake(answer: &raw::Raw, code: &str, url: &str) {
    assert_eq!(answer.status(), 500, "{url}: {}", answer.text);
    let (head, body) = answer.text.split_once("\r\n\r\n").unwrap();
    let problem: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!((&problem["status"], &problem["code"]), (&500.into(), &code.into()), "{url}");
    assert!(problem["detail"].as_str().unwrap().contains("operator must"), "{problem}");
    assert!(head.contains("content-type: application/problem+json") && !head.contains("x-auth-"), "{head}");
}

#[tokio::test]
async fn an_empty_parameter_is_the_operators_mistake_and_refuses_everyone() {
    let server = start();
    let (_, key) = server.key(&["orders:read"]).await;
    for (query, code) in [
        ("?scope=", "blank_scope"),
        ("?scope", "blank_scope"),
        ("?scope=+", "blank_scope"),
        ("?scope=%20%09", "blank_scope"),
        ("?scope=,", "blank_scope"),
        ("?scope=orders:read+", "blank_scope"),
        ("?scope=+orders:read", "blank_scope"),
        ("?policy=orders-read&scope=", "blank_scope"),
        ("?scope=&identity=1", "blank_scope"),
        ("?policy=", "unknown_policy"),
        ("?policy", "unknown_policy"),
        ("?policy=%20", "unknown_policy"),
        ("?policy=&scope=orders:read", "unknown_policy"),
        ("?policy=none-such", "unknown_policy"),
        ("?", "blank_query"),
        ("?&", "blank_query"),
    ] {
        for key in [Some(&*key), None] {
            let url = format!("/auth{query}");
            assert_mistake(&ask(&server, &url, key), code, &url);
            let nginx = ask(&server, &format!("/auth/nginx{query}"), key);
            assert_eq!(nginx.status(), 403, "{query}: {}", nginx.text);
            let fields = ["x-auth-status: 500".to_owned(), format!("x-auth-reason: {code}")];
            assert!(fields.iter().all(|line| nginx.text.contains(line)), "{query}: {}", nginx.text);
        }
    }
    assert_eq!(ask(&server, "/auth?scope=&scope=", Some(&key)).status(), 400);
    for query in ["?scope=orders:read", "?scope=orders:read,+orders:read", "?identity=1"] {
        assert_eq!(ask(&server, &format!("/auth{query}"), Some(&key)).status(), 200, "{query}");
    }
}

#[tokio::test]
async fn a_misspelt_auth_path_refuses_everyone() {
    let server = start();
    let (_, key) = server.key(&[]).await;
    for path in [
        "/auth/Envoy/orders-read/orders",
        "/auth//envoy/orders-read/orders",
        "/auth/./envoy/orders-read",
        "/auth/x/../envoy/orders-read",
        "/auth/../auth/envoy/orders-read",
        "/auth/%65nvoy/orders-read",
        "/auth/%2565nvoy/orders-read",
        "/auth/envoy%2Forders-read",
        "/auth/envoy%20/orders-read",
        "/auth/envoy;a/orders-read",
        "/auth/envoys/orders-read",
        "/auth/envoi/orders-read",
        "/auth/NGINX",
        "/auth/nginx%3Fpolicy=orders-read",
        "/auth/nginx/../envoy/orders-read",
        "/auth//nginx/",
        "/AUTH/nginx",
        "//auth/nginx",
        "/Auth/envoy/orders-read/orders",
        "/%61uth/nginx",
    ] {
        for query in ["", "?policy=open", "?scope=orders:read"] {
            for key in [Some(&*key), None] {
                let url = format!("{path}{query}");
                assert_mistake(&ask(&server, &url, key), "misspelt_path", &url);
            }
        }
    }
    for path in ["/auth/any/suffix", "/auth/", "/auth/nginx/", "/auth/nginx/any/suffix", "/auth/orders/envoy"] {
        assert_eq!(ask(&server, path, Some(&key)).status(), 200, "{path}");
    }
    assert_eq!(ask(&server, "/AUTH", Some(&key)).status(), 404);
}

#[tokio::test]
async fn the_log_reports_each_operator_mistake_once() {
    let home = Home::new();
    let server = Process::serve(&home);
    for url in ["/auth?scope=", "/auth?policy=SECRET", "/auth/Nginx?SECRET", "/auth?"] {
        for _ in 0..3 {
            assert_eq!(
                raw::exchange(server.address, raw::request(&format!("GET {url}"), &["Connection: close"], "")).status(),
                500
            );
        }
    }
    server.signal("TERM");
    let log = server.stopped_log();
    for code in ["blank_scope", "unknown_policy", "misspelt_path", "blank_query"] {
        assert_eq!(log.matches(&format!("\"code\":\"{code}\"")).count(), 1, "{code}: {log}");
    }
    assert!(!log.contains("SECRET"), "{log}");
}

/// A preflight as this gateway sends it.
async fn preflight(server: &Server, method: &str, url: &str, lines: &[(&str, &str)]) -> Answer {
    let anon = server.anon();
    let mut request = anon.request(method, url);
    for (name, value) in lines {
        request = request.header(*name, *value);
    }
    anon.send(request).await
}

const ORIGIN: (&str, &str) = ("origin", "https://app.example.com");
const WANTED: (&str, &str) = ("access-control-request-method", "DELETE");

#[tokio::test]
async fn a_preflight_passes_without_an_identity_if_the_policy_and_the_gateway_allow_it() {
    let server = start();
    let forwarded = [ORIGIN, WANTED, ("x-forwarded-method", "OPTIONS")];
    let original = [ORIGIN, WANTED, ("x-original-method", "OPTIONS")];
    for (method, url, lines) in [
        ("GET", "/auth?policy=pages", &forwarded[..]),
        ("OPTIONS", "/auth/suffix?policy=pages&scope=stock:read", &forwarded),
        ("GET", "/auth?policy=pages&identity=1", &forwarded),
        ("GET", "/auth/nginx?policy=pages", &original),
        ("OPTIONS", "/auth/envoy/pages/orders/1?a=b", &[ORIGIN, WANTED]),
        ("OPTIONS", "/auth/envoy/open-pages/orders/1", &[ORIGIN, WANTED]),
    ] {
        let answer = preflight(&server, method, url, lines).await;
        assert_eq!((answer.status, &*answer.body), (200, ""), "{method} {url}");
        for name in IDENTITY {
            let values: Vec<_> = answer.headers.get_all(name).iter().collect();
            assert_eq!(values, [""], "{method} {url} {name}");
        }
    }
}

#[tokio::test]
async fn only_a_preflight_that_the_gateway_attests_passes_without_a_key() {
    let server = start();
    let (_, narrow) = server.key(&["users:read"]).await;
    let (forwarded, original) = (("x-forwarded-method", "OPTIONS"), ("x-original-method", "OPTIONS"));
    type Lines<'a> = &'a [(&'a str, &'a str)];
    let refused: &[(&str, &str, Lines)] = &[
        // The policy does not say so.
        ("GET", "/auth?policy=orders-read", &[ORIGIN, WANTED, forwarded]),
        ("GET", "/auth?scope=orders:read", &[ORIGIN, WANTED, forwarded]),
        ("GET", "/auth", &[ORIGIN, WANTED, forwarded]),
        ("OPTIONS", "/auth/envoy/orders-read/a", &[ORIGIN, WANTED]),
        // The method is another, or nobody attests it.
        ("GET", "/auth?policy=pages", &[ORIGIN, WANTED]),
        ("OPTIONS", "/auth?policy=pages", &[ORIGIN, WANTED]),
        ("GET", "/auth?policy=pages", &[ORIGIN, WANTED, ("x-forwarded-method", "GET")]),
        ("OPTIONS", "/auth?policy=pages", &[ORIGIN, WANTED, ("x-forwarded-method", "GET")]),
        ("GET", "/auth?policy=pages", &[ORIGIN, WANTED, ("x-forwarded-method", "options")]),
        ("GET", "/auth?policy=pages", &[ORIGIN, WANTED, ("x-forwarded-method", "OPTIONS, GET")]),
        ("GET", "/auth?policy=pages", &[ORIGIN, WANTED, forwarded, ("x-forwarded-method", "GET")]),
        ("GET", "/auth?policy=pages", &[ORIGIN, WANTED, forwarded, forwarded]),
        // The header is another gateway's, which a client of this one could set.
        ("GET", "/auth?policy=pages", &[ORIGIN, WANTED, original]),
        ("OPTIONS", "/auth/nginx?policy=pages", &[ORIGIN, WANTED, forwarded]),
        ("GET", "/auth/envoy/pages/a", &[ORIGIN, WANTED, forwarded, original]),
        ("GET", "/auth/nginx?policy=pages", &[ORIGIN, WANTED, ("x-http-method-override", "OPTIONS")]),
        // It is no preflight.
        ("GET", "/auth?policy=pages", &[forwarded]),
        ("GET", "/auth?policy=pages", &[ORIGIN, forwarded]),
        ("GET", "/auth?policy=pages", &[WANTED, forwarded]),
        ("GET", "/auth?policy=pages", &[("origin", ""), WANTED, forwarded]),
        ("GET", "/auth?policy=pages", &[ORIGIN, ORIGIN, WANTED, forwarded]),
        ("GET", "/auth?policy=pages", &[ORIGIN, ("access-control-request-method", " "), forwarded]),
        // The API may take another method for it.
        ("OPTIONS", "/auth/envoy/pages/a", &[ORIGIN, WANTED, ("x-http-method-override", "GET")]),
        ("GET", "/auth?policy=pages", &[ORIGIN, WANTED, forwarded, ("x-method-override", "DELETE")]),
    ];
    for (method, url, lines) in refused {
        let answer = preflight(&server, method, url, lines).await;
        assert_eq!(answer.status, 401, "{method} {url} {lines:?}");
    }
    // A key that comes along is judged like any other.
    let judged = async |key: &str| {
        let bearer = format!("Bearer {key}");
        let lines = [ORIGIN, WANTED, ("x-forwarded-method", "OPTIONS"), ("authorization", &bearer)];
        preflight(&server, "GET", "/auth?policy=pages", &lines).await.status
    };
    assert_eq!((judged("kb_wrong").await, judged(&narrow).await), (401, 403));
    assert_eq!(preflight(&server, "GET", "/auth?policy=&a", &[ORIGIN, WANTED, forwarded]).await.status, 400);
}
