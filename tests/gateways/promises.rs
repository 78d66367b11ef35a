//! The promises that every gateway must keep.

use std::time::{Duration, Instant};

use super::client;
use super::gateway::Stage;
use super::home::{Key, OWNER};

const IDENTITY: [&str; 5] = ["X-Auth-Key-Id", "X-Auth-Owner", "X-Auth-Owner-Id", "X-Auth-Scopes", "X-Auth-Identity"];

pub fn keep(stage: &mut Stage) {
    let reader = stage.home.key(&["--scope", "orders:read"]);
    let narrow = stage.home.key(&["--scope", "users:read"]);
    a_good_key_passes_with_its_identity(stage, &reader);
    none_and_bad_are_challenged(stage);
    a_missing_scope_is_forbidden(stage, &reader, &narrow);
    nobody_passes_only_where_the_policy_says_so(stage);
    a_limited_key_gets_retry_after(stage);
    no_client_makes_its_own_identity(stage, &reader);
    no_query_or_header_changes_the_policy(stage, &narrow);
    no_header_moves_a_client(stage);
    doubled_and_odd_credentials_gain_nothing(stage, &reader, &narrow);
    an_applications_own_credential_changes_nothing(stage, &reader);
    cookies_count_for_nothing(stage, &reader);
    no_method_and_no_body_gains_anything(stage, &reader);
    no_spelling_of_a_path_reaches_what_it_may_not(stage, &narrow);
    a_revoked_key_is_refused_at_the_next_request(stage);
    while_keybearer_cannot_tell_nothing_passes_and_no_key_is_bad(stage, &reader);
    while_keybearer_is_silent_nothing_passes(stage, &reader);
    without_keybearer_nothing_passes(stage, &reader);
}

fn a_good_key_passes_with_its_identity(stage: &Stage, reader: &Key) {
    let presented =
        [reader.bearer(), format!("X-API-Key: {}", reader.text), format!("authorization: bEARER   {}", reader.text)];
    for line in &presented {
        let received = stage.passed("/orders/1?a=1&b=2", &[line]);
        assert!(received.starts_with("GET /orders/1?a=1&b=2 "), "{received}");
        assert_eq!(client::fields(&received, "X-Auth-Key-Id"), [&*reader.id], "{received}");
        assert_eq!(client::fields(&received, "X-Auth-Owner"), [OWNER], "{received}");
        assert_eq!(client::fields(&received, "X-Auth-Scopes"), ["orders:read"], "{received}");
        assert_eq!(client::fields(&received, "X-Auth-Owner-Id").len(), 1, "{received}");
        assert!(!received.contains(&reader.text), "the API needs no key:\n{received}");
    }
}

fn none_and_bad_are_challenged(stage: &Stage) {
    for path in ["/", "/orders/1"] {
        let answer = stage.refused(path, &[], 401);
        assert_eq!(answer.header("WWW-Authenticate"), "Bearer realm=\"keybearer\"");
        let bad = "Authorization: Bearer kb_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA4gH3Qs";
        let answer = stage.refused(path, &[bad], 401);
        assert_eq!(answer.header("WWW-Authenticate"), "Bearer realm=\"keybearer\", error=\"invalid_token\"");
        stage.refused(path, &["Authorization: Basic YTpi"], 401);
    }
}

fn a_missing_scope_is_forbidden(stage: &Stage, reader: &Key, narrow: &Key) {
    let answer = stage.refused("/orders/1", &[&narrow.bearer()], 403);
    let challenge = answer.header("WWW-Authenticate");
    assert!(challenge.contains("error=\"insufficient_scope\", scope=\"orders:read\""), "{}", answer.head);
    stage.passed("/else", &[&narrow.bearer()]);
    stage.passed("/orders/1", &[&reader.bearer()]);
}

fn nobody_passes_only_where_the_policy_says_so(stage: &Stage) {
    let received = stage.passed("/catalogue/1", &[]);
    for name in IDENTITY {
        assert!(client::fields(&received, name).iter().all(|value| value.is_empty()), "{received}");
    }
    stage.refused("/catalogue/1", &["Authorization: Bearer kb_wrong"], 401);
    stage.refused("/catalogue/1", &["X-API-Key: kb_wrong"], 401);
}

fn a_limited_key_gets_retry_after(stage: &Stage) {
    let limited = stage.home.key(&["--rate-limit", "2/60"]);
    for _ in 0..2 {
        stage.passed("/else", &[&limited.bearer()]);
    }
    let answer = stage.refused("/else", &[&limited.bearer()], 429);
    let wait: u32 = answer.header("Retry-After").parse().unwrap();
    assert!((1..=60).contains(&wait), "{}", answer.head);
    assert!(answer.body.contains("rate_limited"), "{}", answer.body);
}

/// The identity headers that a client may forge, in all spellings.
pub fn forged_lines() -> Vec<String> {
    let mut forged = Vec::new();
    for name in IDENTITY {
        forged.extend([name.to_owned(), name.to_lowercase(), name.to_uppercase(), name.replace('-', "_")]);
        forged.extend([name.replacen('-', "_", 1), name.to_lowercase().replace('-', "_")]);
        forged.push(name.to_uppercase().replace("AUTH-", "AUTH_"));
    }
    forged.iter().map(|name| format!("{name}: forged")).collect()
}

fn no_client_makes_its_own_identity(stage: &Stage, reader: &Key) {
    let bearer = reader.bearer();
    for line in forged_lines() {
        let name = line.split(':').next().unwrap();
        let (list, blank) = (format!("{name}: a, forged"), format!("{name}:"));
        for lines in [vec![&*line], vec![&line, &line], vec![&list], vec![&blank], vec![&blank, &line]] {
            let received = stage.passed("/orders/1", &[&lines[..], &[&bearer]].concat());
            assert!(!received.contains("forged"), "{lines:?}:\n{received}");
            assert_eq!(client::fields(&received, "X-Auth-Owner"), [OWNER], "{lines:?}:\n{received}");
            assert_eq!(client::fields(&received, "X-Auth-Scopes"), ["orders:read"], "{lines:?}:\n{received}");
            // Without a key they are empty, whatever the client says.
            let received = stage.passed("/catalogue/1", &lines);
            assert!(!received.contains("forged"), "{lines:?}:\n{received}");
            for name in IDENTITY {
                assert!(client::fields(&received, name).iter().all(|value| value.is_empty()), "{lines:?}:\n{received}");
            }
        }
        // A hop-by-hop field named by the client takes nothing away (RFC 9110 §7.6.1).
        let received = stage.passed("/orders/1", &[&format!("Connection: {name}"), &line, &bearer]);
        assert!(!received.contains("forged"), "{line}:\n{received}");
        assert_eq!(client::fields(&received, "X-Auth-Owner"), [OWNER], "{received}");
    }
    // Nor the credential, into an anonymous pass with another's name.
    let answer = stage.get("/orders/1", &["Connection: Authorization", &bearer]);
    assert!(matches!(answer.status, 200 | 401), "{}", answer.head);
    stage.upstream.received();
}

fn no_query_or_header_changes_the_policy(stage: &Stage, narrow: &Key) {
    let queries = [
        "?scope=",
        "?scope=users:read",
        "?policy=catalogue",
        "?policy=any-key",
        "?policy=orders-read&policy=catalogue",
        "?%70olicy=catalogue",
        "?",
        "?&&",
    ];
    for query in queries {
        stage.refused(&format!("/orders/1{query}"), &[], 401);
        stage.refused(&format!("/orders/1{query}"), &[&narrow.bearer()], 403);
    }
    // A query that asks for more is the client's own business.
    stage.passed("/else?scope=orders:read&policy=orders-read", &[&narrow.bearer()]);
    let headers = [
        "X-Original-URI: /catalogue/1",
        "X-Original-URL: /catalogue/1",
        "X-Rewrite-URL: /catalogue/1",
        "X-Forwarded-Uri: /catalogue/1",
        "X-Forwarded-Uri: /auth?policy=catalogue",
        "X-Forwarded-Method: OPTIONS",
        "X-Forwarded-Host: 127.0.0.1",
        "X-Forwarded-Prefix: /catalogue",
        "X-HTTP-Method-Override: OPTIONS",
        "X-Auth-Status: 200",
        "X-Auth-Policy: catalogue",
        "X-Policy: catalogue",
        "X-Envoy-Original-Path: /catalogue",
        "X-Envoy-Internal: true",
        "User-Agent: kube-probe/1.30",
        "User-Agent: GoogleHC/1.0",
        "Upgrade: websocket",
    ];
    for line in headers {
        stage.refused("/orders/1", &[line], 401);
        stage.refused("/orders/1", &[line, &narrow.bearer()], 403);
    }
}

fn no_header_moves_a_client(stage: &Stage) {
    let elsewhere = stage.home.key(&["--allow-ip", "203.0.113.7"]);
    let here = stage.home.key(&["--allow-ip", "127.0.0.1"]);
    for name in [
        "X-Forwarded-For",
        "X-Real-IP",
        "X_Forwarded_For",
        "Forwarded",
        "X-Client-IP",
        "True-Client-IP",
        "CF-Connecting-IP",
        "X-Envoy-External-Address",
    ] {
        let value = if name == "Forwarded" { "for=203.0.113.7" } else { "203.0.113.7" };
        let line = format!("{name}: {value}");
        stage.refused("/else", &[&line, &elsewhere.bearer()], 403);
        stage.refused("/else", &[&line, &line, &elsewhere.bearer()], 403);
        stage.passed("/else", &[&line, &here.bearer()]);
    }
}

fn doubled_and_odd_credentials_gain_nothing(stage: &Stage, reader: &Key, narrow: &Key) {
    let (good, other) = (reader.bearer(), narrow.bearer());
    let bad = "Authorization: Bearer kb_wrong".to_owned();
    for pair in [[&good, &bad], [&bad, &good], [&other, &good], [&good, &other], [&good, &good]] {
        let answer = stage.get("/orders/1", &[pair[0], pair[1]]);
        assert!(matches!(answer.status, 400 | 401 | 403), "{pair:?}: {}", answer.head);
        assert_eq!(stage.upstream.received(), Vec::<String>::new(), "{pair:?}");
    }
    let answer = stage.get("/orders/1", &[&other, &format!("X-API-Key: {}", reader.text)]);
    assert_eq!(answer.status, 400, "{}", answer.head);
    for scheme in ["", "Token ", "Bearer", "Basic ", "Bearer,", "Bearer\t"] {
        let answer = stage.get("/orders/1", &[&format!("Authorization: {scheme}{}", reader.text)]);
        // With a comma it may be two headers that a gateway has joined.
        assert!(answer.status == 401 || scheme == "Bearer," && answer.status == 400, "{scheme}: {}", answer.head);
        assert_eq!(stage.upstream.received(), Vec::<String>::new(), "{scheme}");
    }
    stage.refused(&format!("/orders/1?access_token={}", reader.text), &[], 401);
    stage.refused("/orders/1", &[&format!("Cookie: key={}", reader.text)], 401);
}

fn an_applications_own_credential_changes_nothing(stage: &Stage, reader: &Key) {
    let key = format!("X-API-Key: {}", reader.text);
    for own in ["Authorization: Basic YTpi", "Authorization: Digest username=\"a\", realm=\"b\"", "Authorization:"] {
        let received = stage.passed("/orders/1", &[own, &key]);
        assert_eq!(client::fields(&received, "X-Auth-Key-Id"), [&*reader.id], "{own}: {received}");
        assert!(!received.contains(&reader.text), "{received}");
        let passed_on = client::fields(&received, "Authorization").concat();
        assert_eq!(passed_on, if stage.leaves_own { own.split_once(':').unwrap().1.trim() } else { "" }, "{received}");
    }
    // A key sent otherwise is refused, and the response says how to send it.
    let answer = stage.refused("/orders/1", &[&format!("Authorization: token {}", reader.text)], 401);
    assert!(answer.header("WWW-Authenticate").contains("Send it as Authorization: Bearer <key>"), "{}", answer.head);
}

/// As many cookies as a browser may have; Keybearer does not get them.
fn cookies_count_for_nothing(stage: &Stage, reader: &Key) {
    let cookies = format!("Cookie: a={}", "x".repeat(stage.cookies / 3));
    let received = stage.passed("/orders/1", &[&reader.bearer(), &cookies, &cookies, &cookies]);
    assert!(received.len() > stage.cookies, "they are for the API: {received}");
}

fn no_method_and_no_body_gains_anything(stage: &Stage, reader: &Key) {
    let body = format!("access_token={}&policy=catalogue&{}", reader.text, "x".repeat(50_000));
    let form = "Content-Type: application/x-www-form-urlencoded";
    for method in
        ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "TRACE", "CONNECT", "PROPFIND", "get", "FOO"]
    {
        for body in ["", &body] {
            let answer = client::request(stage.address, method, "/orders/1", &[form], body);
            assert!(answer.status >= 400 || answer.status == 0, "{method}: {}", answer.head);
            assert_eq!(stage.upstream.received(), Vec::<String>::new(), "{method}");
        }
    }
    for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "PROPFIND"] {
        let answer = client::request(stage.address, method, "/orders/1", &[&reader.bearer(), form], "a=1");
        assert_eq!(answer.status, 200, "{method}: {}", answer.head);
        assert!(stage.upstream.received().pop().unwrap().starts_with(&format!("{method} /orders/1 ")), "{method}");
    }
}

/// The check and the API must agree on the path: even if an API reads it liberally, the path that reaches
/// it must be one that this client may request.
fn no_spelling_of_a_path_reaches_what_it_may_not(stage: &Stage, narrow: &Key) {
    let spellings = [
        "/orders",
        "/orders/",
        "/orders?",
        "//orders/1",
        "/./orders/1",
        "/x/../orders/1",
        "/x/%2e%2e/orders/1",
        "/catalogue/../orders/1",
        "/catalogue/..%2forders/1",
        "/catalogue/%2e%2e/orders/1",
        "/catalogue/%2E./orders/1",
        "/catalogue/..%2Forders",
        "/catalogue/..%5corders/1",
        "/catalogue/..\\orders/1",
        "/catalogue/.%2e%2forders",
        "/%6frders/1",
        "/%6Frders/1",
        "/orders%2f1",
        "/%2forders/1",
        "/.%2forders/1",
        "/catalogue//../orders/1",
        "/catalogue;/../orders/1",
        "/catalogue/..;/orders/1",
        "/catalogue%00/../../orders/1",
        "/catalogue/x/../../orders/1",
        "http://api.test/orders/1",
        "http://api.test//orders/1",
        "/orders#/catalogue",
        "/catalogue?/../orders/1",
        "/catalogue%23/../orders/1",
        "/catalogue%3f/../orders/1",
        "/catalogue/%252e%252e/orders/1",
        "*",
        "orders/1",
    ];
    for path in spellings {
        for lines in [vec![], vec![narrow.bearer()]] {
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            stage.get(path, &lines);
            for received in stage.upstream.received() {
                let reached = plain_path(received.split(' ').nth(1).unwrap());
                assert!(!reached.starts_with("/orders"), "{path} {lines:?} reached {reached}:\n{received}");
                assert!(
                    !lines.is_empty() || reached.starts_with("/catalogue"),
                    "{path} reached {reached}:\n{received}"
                );
            }
        }
    }
}

/// The path decoded once, `\` as `/`, dot segments resolved, repeated slashes as one.
fn plain_path(target: &str) -> String {
    let path = target.split(['?', '#']).next().unwrap().replace('+', "%2b");
    let decoded = form_urlencoded::parse(path.as_bytes()).next().map(|(name, _)| name.into_owned()).unwrap_or_default();
    let mut segments = Vec::new();
    for segment in decoded.replace('\\', "/").split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            segment => segments.push(segment.to_owned()),
        }
    }
    format!("/{}", segments.join("/"))
}

fn a_revoked_key_is_refused_at_the_next_request(stage: &Stage) {
    for _ in 0..5 {
        let key = stage.home.key(&["--scope", "orders:*"]);
        stage.passed("/orders/1", &[&key.bearer()]);
        stage.home.revoke(&key);
        let answer = stage.refused("/orders/1", &[&key.bearer()], 401);
        assert!(answer.header("WWW-Authenticate").contains("error=\"invalid_token\""), "{}", answer.head);
    }
}

/// The database has been moved away: every caller must retry later.
fn while_keybearer_cannot_tell_nothing_passes_and_no_key_is_bad(stage: &Stage, reader: &Key) {
    let (here, elsewhere) = (stage.home.path().join("keybearer.db"), stage.home.path().join("elsewhere"));
    std::fs::rename(&here, &elsewhere).unwrap();
    until("it cannot tell", || stage.get("/orders/1", &[&reader.bearer()]).status != 200);
    stage.upstream.received();
    for bearer in
        [reader.bearer(), "Authorization: Bearer kb_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA4gH3Qs".to_owned()]
    {
        stage.refused("/orders/1", &[&bearer], 503);
    }
    std::fs::rename(&elsewhere, &here).unwrap();
    until("it can tell again", || stage.get("/orders/1", &[&reader.bearer()]).status == 200);
    stage.upstream.received();
}

/// An unresponsive server must be treated like one that is down.
fn while_keybearer_is_silent_nothing_passes(stage: &Stage, reader: &Key) {
    for (path, lines) in [("/orders/1", vec![reader.bearer()]), ("/catalogue/1", vec![])] {
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let (status, received) = stage.keybearer.paused(|| (stage.get(path, &lines).status, stage.upstream.received()));
        assert_eq!((status, received), (stage.silent, Vec::new()), "{path}");
    }
    until("it answers again", || stage.get("/orders/1", &[&reader.bearer()]).status == 200);
    stage.upstream.received();
}

fn until(what: &str, holds: impl Fn() -> bool) {
    let patience = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < patience, "not within 20 s: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Fail closed: without a response from Keybearer nobody passes.
fn without_keybearer_nothing_passes(stage: &mut Stage, reader: &Key) {
    stage.stop_keybearer();
    for (path, lines) in [("/orders/1", vec![reader.bearer()]), ("/else", vec![]), ("/catalogue/1", vec![])] {
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let answer = stage.get(path, &lines);
        assert_eq!(answer.status, stage.down, "{path}: {}", answer.head);
        assert_eq!(stage.upstream.received(), Vec::<String>::new(), "{path}");
    }
}
