//! Gateways that are not installed: replays the requests that they are documented to send.

use super::client::{Answer, request};
use super::home::{Home, Key, OWNER, documented};
use super::process::Process;

/// What Traefik's ForwardAuth sends: the client's fields without hop-by-hop ones, and its own
/// `X-Forwarded-…`; GET, or with `preserveRequestMethod` the client's method; never a body.
fn traefik<'a>(key: &'a str, client: &'a [&'a str]) -> Vec<&'a str> {
    let own = [
        "X-Forwarded-Method: POST",
        "X-Forwarded-Proto: http",
        "X-Forwarded-Host: api.test",
        "X-Forwarded-For: 198.51.100.9",
    ];
    [&["Accept-Encoding: gzip", "X-Forwarded-Uri: /orders/1?scope=&policy=catalogue", key], &own[..], client].concat()
}

/// What APISIX's forward-auth sends: its `X-Forwarded-…` and the listed `request_headers`.
fn apisix(key: &str) -> Vec<&str> {
    vec![
        "X-Forwarded-Proto: http",
        "X-Forwarded-Method: GET",
        "X-Forwarded-Host: api.test",
        "X-Forwarded-Uri: /orders/1",
        "X-Forwarded-For: 198.51.100.9",
        key,
    ]
}

/// The URL in the file that requests this policy, without the server.
fn question(file: &str) -> String {
    let text = documented(file);
    let url = text.split('"').find(|word| word.starts_with("http://") && word.ends_with("policy=orders-read")).unwrap();
    url.trim_start_matches("http://127.0.0.1:8080").to_owned()
}

#[test]
fn the_replayed_files_send_the_credential_and_copy_every_identity_header() {
    for (file, asks, copies) in [
        ("traefik.yaml", "authRequestHeaders:", "authResponseHeaders:"),
        ("apisix.yaml", "request_headers:", "upstream_headers:"),
    ] {
        let text = documented(file);
        let list = |key: &str| text.lines().find(|line| line.trim_start().starts_with(key)).unwrap().to_owned();
        for name in ["Authorization", "X-API-Key", "User-Agent"] {
            assert!(list(asks).contains(name), "{file} {name}");
        }
        for name in ["X-Auth-Key-Id", "X-Auth-Owner", "X-Auth-Owner-Id", "X-Auth-Scopes", "X-Auth-Identity"] {
            assert!(
                list(copies).contains(&format!("{name},")) || list(copies).contains(&format!("{name} ]")),
                "{file} {name}"
            );
        }
        assert_eq!(question(file), "/auth?policy=orders-read");
    }
}

#[test]
fn traefik_and_apisix_get_responses_that_they_understand() {
    let home = Home::new();
    let (_keybearer, address) = Process::keybearer(&home, &[]);
    let asks = |method: &str, lines: &[&str]| request(address, method, &question("traefik.yaml"), lines, "");
    let good = home.key(&["--scope", "orders:read"]);
    let narrow = home.key(&["--scope", "users:read"]);
    let limited = home.key(&["--scope", "orders:read", "--rate-limit", "1/60"]);
    let there = home.key(&["--scope", "orders:read", "--allow-ip", "198.51.100.9"]);
    let elsewhere = home.key(&["--scope", "orders:read", "--allow-ip", "203.0.113.7"]);
    let passes = |answer: Answer, key: &Key| {
        assert_eq!((answer.status, &*answer.body), (200, ""), "{}", answer.head);
        assert_eq!(answer.all("x-auth-key-id"), [&*key.id]);
        assert_eq!(answer.all("x-auth-owner"), [OWNER]);
        assert_eq!(answer.all("x-auth-identity"), [""]);
    };
    let forged = ["X-Auth-Owner: root@example.com", "X-Original-URI: /catalogue", "X-Real-IP: 203.0.113.7"];
    for method in ["GET", "POST", "DELETE", "OPTIONS", "PROPFIND"] {
        passes(asks(method, &traefik(&good.bearer(), &forged)), &good);
        assert_eq!(asks(method, &traefik("Accept: */*", &forged)).status, 401, "{method}");
    }
    passes(asks("GET", &apisix(&good.bearer())), &good);
    passes(asks("GET", &apisix(&there.bearer())), &there);
    passes(asks("GET", &apisix(&limited.bearer())), &limited);
    for ask in [traefik, |key, _| apisix(key)] as [for<'a> fn(&'a str, &'a [&'a str]) -> Vec<&'a str>; 2] {
        assert_eq!(asks("GET", &ask(&narrow.bearer(), &forged)).status, 403);
        assert_eq!(asks("GET", &ask(&elsewhere.bearer(), &forged)).status, 403);
        let answer = asks("GET", &ask(&limited.bearer(), &forged));
        assert_eq!((answer.status, answer.header("retry-after").is_empty()), (429, false));
    }
    home.revoke(&good);
    assert_eq!(asks("GET", &traefik(&good.bearer(), &[])).status, 401);
}
