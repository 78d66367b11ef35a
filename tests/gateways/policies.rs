//! Policies and the routes of `/auth`, without a gateway.

use std::net::SocketAddr;

use super::client::{self, Answer};
use super::home::{Home, Key, OWNER};
use super::process::Process;

const IDENTITY: [&str; 5] = ["x-auth-key-id", "x-auth-owner", "x-auth-owner-id", "x-auth-scopes", "x-auth-identity"];

struct Doors {
    home: Home,
    address: SocketAddr,
    _keybearer: Process,
}

impl Doors {
    fn open() -> Self {
        let home = Home::new();
        let (keybearer, address) = Process::keybearer(&home, &[]);
        Doors { home, address, _keybearer: keybearer }
    }

    fn ask(&self, url: &str, lines: &[&str]) -> Answer {
        client::get(self.address, url, lines)
    }

    fn status(&self, url: &str, key: &Key) -> u16 {
        self.ask(url, &[&key.bearer()]).status
    }
}

#[test]
fn the_operators_url_chooses_the_policy() {
    let doors = Doors::open();
    let reader = doors.home.key(&["--scope", "orders:read"]);
    let other = doors.home.key(&["--scope", "users:read"]);
    let table = [
        ("/auth", 200, 200),
        ("/auth/any/suffix", 200, 200),
        ("/auth?policy=any-key", 200, 200),
        ("/auth?policy=orders-read", 200, 403),
        ("/auth/suffix?policy=orders-read", 200, 403),
        ("/auth/nginx?policy=orders-read", 200, 403),
        ("/auth?policy=orders-read&scope=users:read", 403, 403),
        ("/auth?policy=catalogue", 200, 200),
        ("/auth/envoy/orders-read", 200, 403),
        ("/auth/envoy/orders-read/a/../b?policy=catalogue&scope=&x=1&x=2", 200, 403),
        ("/auth/envoy/any-key/a?scope=orders:read", 200, 200),
        ("/auth?policy=catalogue&policy=orders-read", 400, 400),
        ("/auth?policy=none-such", 500, 500),
        ("/auth/envoy/none-such/a", 500, 500),
        ("/auth/envoy", 500, 500),
        ("/auth/nginx?policy=none-such", 403, 403),
    ];
    for (url, of_reader, of_other) in table {
        assert_eq!((doors.status(url, &reader), doors.status(url, &other)), (of_reader, of_other), "{url}");
    }
}

#[test]
fn an_unknown_policy_refuses_everyone_without_reporting_an_invalid_key() {
    let doors = Doors::open();
    let key = doors.home.key(&[]);
    for lines in [vec![], vec![key.bearer()]] {
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let answer = doors.ask("/auth?policy=none-such", &lines);
        assert_eq!(answer.status, 500);
        assert!(answer.body.contains("\"code\":\"unknown_policy\""), "{}", answer.body);
        assert_eq!(answer.header("www-authenticate"), "");
        assert!(!answer.head.contains("x-auth-"), "{}", answer.head);
    }
}

#[test]
fn an_anonymous_policy_passes_callers_without_an_identity() {
    let doors = Doors::open();
    let key = doors.home.key(&[]);
    for url in ["/auth?policy=catalogue", "/auth/nginx?policy=catalogue", "/auth/envoy/catalogue/a"] {
        let answer = doors.ask(url, &["X-Auth-Owner: forged"]);
        assert_eq!((answer.status, &*answer.body), (200, ""), "{url}");
        for name in IDENTITY {
            assert_eq!(answer.all(name), [""], "{url} {name}");
        }
        let answer = doors.ask(url, &[&key.bearer()]);
        assert_eq!(answer.all("x-auth-owner"), [OWNER], "{url}");
        for bad in ["Authorization: Bearer kb_wrong", "Authorization: Bearer", "X-API-Key: kb_wrong", "X-API-Key:"] {
            assert_eq!(doors.ask(url, &[bad]).status, 401, "{url} {bad}");
        }
    }
    let answer = doors.ask("/auth?policy=catalogue&scope=orders:read", &[]);
    assert_eq!(answer.status, 401, "a scope asks for somebody");
}

#[test]
fn nginx_gets_every_refusal_as_401_or_403_with_its_reason() {
    let doors = Doors::open();
    let limited = doors.home.key(&["--rate-limit", "1/60"]);
    assert_eq!(doors.status("/auth/nginx", &limited), 200);
    let refusal = |answer: Answer| {
        let header = |name| answer.header(name).to_owned();
        (answer.status, header("x-auth-status"), header("x-auth-reason"), header("retry-after").is_empty())
    };
    let is = |status, refusal: &str, reason: &str| (status, refusal.to_owned(), reason.to_owned(), refusal != "429");
    let bearer = limited.bearer();
    assert_eq!(refusal(doors.ask("/auth/nginx", &[])), is(401, "401", "missing_key"));
    assert_eq!(refusal(doors.ask("/auth/nginx", &["X-API-Key: x"])), is(401, "401", "invalid_key"));
    assert_eq!(refusal(doors.ask("/auth/nginx", &[&bearer])), is(403, "429", "rate_limited"));
    assert_eq!(refusal(doors.ask("/auth/nginx?scope=a", &[&bearer])), is(403, "403", "insufficient_scope"));
    assert_eq!(refusal(doors.ask("/auth/nginx?token=x", &[])), is(403, "400", "invalid_request"));
    assert_eq!(refusal(doors.ask("/auth/nginx", &[&bearer, &bearer])), is(403, "400", "invalid_request"));
    assert_eq!(refusal(doors.ask("/auth/nginx?policy=no", &[])), is(403, "500", "unknown_policy"));
    let long = format!("X-Long: {}", "x".repeat(20_000));
    assert_eq!(refusal(doors.ask("/auth/nginx", &[&long])), is(403, "431", "headers_too_large"));
    let challenge = doors.ask("/auth/nginx", &[]);
    assert_eq!(challenge.header("www-authenticate"), "Bearer realm=\"keybearer\"");
}

#[test]
fn an_invalid_policy_in_the_settings_file_stops_the_start_and_is_named() {
    let home = Home::new();
    let table = [
        ("[policy.a]\nscope = [\"x\"]", "scope"),
        ("[policy.a]\nscopes = [\"x*\"]", "policy.a"),
        ("[policy.a]\nscopes = \"x\"", "scopes"),
        ("[policy.a]\nanonymous = \"yes\"", "anonymous"),
        ("[policy.\"A b\"]", "A b"),
        ("[policies.a]", "policies"),
    ];
    for (text, named) in table {
        home.write("keybearer.toml", text);
        let output = home.command(&["serve", "--listen", "127.0.0.1:0"]).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.contains(named), "{text}: {said}");
    }
}
