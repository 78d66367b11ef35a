//! CORS preflights that the policy allows, through each gateway to the API.

use super::apache::{OAUTH2, OPENIDC};
use super::client::{self, Answer};
use super::gateway::{Gateway, Stage};
use super::home::{Home, documented};
use super::real::{CADDY, ENVOY, ENVOY_GRPC, HAPROXY, NGINX};

const IDENTITY: [&str; 5] = ["X-Auth-Key-Id", "X-Auth-Owner", "X-Auth-Owner-Id", "X-Auth-Scopes", "X-Auth-Identity"];
const ASKS: [&str; 2] = ["Origin: https://app.example.com", "Access-Control-Request-Method: DELETE"];

/// The documented policies, one with the documented `preflight` line.
fn with_preflight(home: &Home) {
    let text = documented("keybearer.toml");
    let line = "# preflight = true";
    assert_eq!(text.matches(line).count(), 1, "{text}");
    home.write("preflight.toml", &text.replace(line, "preflight = true"));
}

fn ask(stage: &Stage, method: &str, path: &str, lines: &[&str]) -> Answer {
    client::request(stage.address, method, path, lines, "")
}

fn lets_preflights_pass(gateway: Gateway, serve: &'static [&'static str]) {
    let stage = Stage::prepared(&Gateway { serve, ..gateway }, with_preflight);
    keeps_to_preflights(&stage);
    // A key that comes along is judged like any other.
    let narrow = stage.home.key(&["--scope", "users:read"]);
    for (line, status) in [(narrow.bearer(), 403), ("Authorization: Bearer kb_wrong".to_owned(), 401)] {
        assert_eq!(ask(&stage, "OPTIONS", "/orders/1", &[&ASKS[..], &[&line]].concat()).status, status);
    }
    // The other policies do not say so.
    assert_eq!(ask(&stage, "OPTIONS", "/else", &ASKS).status, 401);
    assert_eq!(stage.upstream.received(), Vec::<String>::new());
}

fn keeps_to_preflights(stage: &Stage) {
    let forged: Vec<String> = IDENTITY.iter().map(|name| format!("{name}: forged")).collect();
    let forged: Vec<&str> = ASKS.into_iter().chain(forged.iter().map(String::as_str)).collect();
    for lines in [&ASKS[..], &forged] {
        let answer = ask(stage, "OPTIONS", "/orders/1?a=b", lines);
        assert_eq!(answer.status, 200, "{}", answer.head);
        let received = stage.upstream.received().pop().unwrap();
        assert!(received.starts_with("OPTIONS /orders/1?a=b ") && !received.contains("forged"), "{received}");
        for name in IDENTITY {
            let values = client::fields(&received, name);
            assert!(values.len() <= 1 && values.iter().all(|value| value.is_empty()), "{name}: {received}");
        }
        assert!(received.contains("https://app.example.com"), "{received}");
    }
    // Nothing that a client can write makes one of another method.
    let fakes = [
        "X-Forwarded-Method: OPTIONS",
        "X-Forwarded-Method: OPTIONS\r\nX-Forwarded-Method: OPTIONS",
        "X_Forwarded_Method: OPTIONS",
        "X-Original-Method: OPTIONS",
        "X_Original_Method: OPTIONS",
        "X-HTTP-Method-Override: OPTIONS",
        "X-HTTP-Method: OPTIONS",
        "X-Method-Override: OPTIONS",
        "X-Envoy-Original-Method: OPTIONS",
        "Connection: X-Forwarded-Method, X-Original-Method",
        "X-Original-URI: /catalogue/1",
    ];
    for fake in fakes {
        for method in ["GET", "POST", "DELETE", "HEAD"] {
            let answer = ask(stage, method, "/orders/1", &[&ASKS[..], &[fake]].concat());
            assert_eq!(answer.status, 401, "{method} {fake}: {}", answer.head);
            assert_eq!(stage.upstream.received(), Vec::<String>::new(), "{method} {fake}");
        }
    }
    for lines in [&[][..], &ASKS[..1], &ASKS[1..], &["Origin:", ASKS[1]]] {
        let answer = ask(stage, "OPTIONS", "/orders/1", lines);
        assert!([401, 405].contains(&answer.status), "{lines:?}: {}", answer.head);
        assert_eq!(stage.upstream.received(), Vec::<String>::new(), "{lines:?}");
    }
}

#[test]
#[ignore = "needs the real gateways: tests/run runs it"]
fn nginx_lets_preflights_pass() {
    lets_preflights_pass(NGINX, &["--config", "preflight.toml"]);
}

#[test]
#[ignore = "needs the real gateways: tests/run runs it"]
fn caddy_lets_preflights_pass() {
    lets_preflights_pass(CADDY, &["--config", "preflight.toml"]);
}

#[test]
#[ignore = "needs the real gateways: tests/run runs it"]
fn haproxy_lets_preflights_pass() {
    lets_preflights_pass(HAPROXY, &["--config", "preflight.toml"]);
}

#[test]
#[ignore = "needs the real gateways: tests/run runs it"]
fn envoy_lets_preflights_pass() {
    lets_preflights_pass(ENVOY, &["--config", "preflight.toml", "--trusted-proxy", "127.0.0.1,{machine}"]);
}

#[test]
#[ignore = "needs the real gateways: tests/run runs it"]
fn envoy_over_grpc_lets_preflights_pass() {
    lets_preflights_pass(ENVOY_GRPC, &["--config", "preflight.toml", "--grpc-listen", "{grpc}"]);
}

/// Apache is not configured by a policy: its files have the other value in a comment.
const UNCOMMENTED: [(&str, &str); 2] = [("Define preflight false", ""), ("#   Define preflight ", "Define preflight ")];

#[test]
#[ignore = "needs the real gateways: tests/run runs it"]
fn apache_with_mod_oauth2_lets_preflights_pass() {
    keeps_to_preflights(&Stage::prepared(&Gateway { instead: &UNCOMMENTED, ..OAUTH2 }, super::apache::around));
}

#[test]
#[ignore = "needs the real gateways: tests/run runs it"]
fn apache_with_mod_auth_openidc_lets_preflights_pass() {
    keeps_to_preflights(&Stage::prepared(&Gateway { instead: &UNCOMMENTED, ..OPENIDC }, super::apache::over_tls));
}
