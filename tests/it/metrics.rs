//! `/metrics`: with a key that may verify, or on a separate listener.

use crate::harness::{ADMIN, Client, Home, Process, Server};

const CURRENT: &str = "/api/v1/keys/current";

#[tokio::test]
async fn metrics_require_the_verify_scope() {
    let server = Server::start();
    let (_, plain) = server.key(&[]).await;
    let (_, verifier) = server.key(&["keybearer:verify"]).await;
    assert_eq!(server.anon().get("/metrics").await.problem(), (401, "missing_key".to_owned()));
    assert_eq!(server.bearer(&plain).get("/metrics").await.problem(), (403, "insufficient_scope".to_owned()));
    let answer = server.bearer(&verifier).get("/metrics").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "text/plain; version=0.0.4; charset=utf-8"));
    assert_eq!(answer.header("vary"), "Accept");
}

#[tokio::test]
async fn verdicts_are_counted_by_code_and_by_no_label_a_stranger_can_choose() {
    let server = Server::start();
    let (_, verifier) = server.key(&["keybearer:verify"]).await;
    for number in 0..50 {
        let path = format!("/stranger-{number}");
        server.anon().get(&path).await;
        server.tries(&format!("stranger-{number}")).await;
    }
    server.bearer(&verifier).get("/auth?scope=orders:read").await;
    let text = server.bearer(&verifier).get("/metrics").await.body;
    assert!(text.contains("keybearer_verdicts_total{code=\"malformed\"} 50\n"), "{text}");
    assert!(text.contains("keybearer_verdicts_total{code=\"insufficient_scope\"} 1\n"), "{text}");
    assert!(text.contains("keybearer_index_keys 1\n") && text.contains("keybearer_index_full 1\n"), "{text}");
    assert!(!text.contains("stranger"), "{text}");
    assert!(text.lines().count() < 150);
}

#[tokio::test]
async fn the_metrics_listener_serves_metrics_and_nothing_else() {
    let home = Home::new();
    home.add_admin();
    let (_, key) = home.create_key(ADMIN, "one");
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let at = free.to_string();
    let words = ["serve", "--listen", "127.0.0.1:0", "--metrics-listen", &at, "--cors-origin", "https://app.test"];
    let server = Process::of(home.command(&words));
    assert_eq!(server.tries(&key).await, 200);
    let metrics = Client::bearer(free, &key);
    assert!(metrics.get("/metrics").await.body.contains("keybearer_verdicts_total{code=\"valid\"} 1\n"));
    for path in ["/login", CURRENT, "/keys", "/readyz", "/auth", "/auth/nginx", "/auth/envoy/any", "/auth?scope=x", "/"]
    {
        let answer = metrics.get(path).await;
        assert_eq!(answer.problem(), (404, "not_found".to_owned()), "{path}");
        assert!(answer.headers.keys().all(|name| !name.as_str().starts_with("x-auth")), "{path}: {answer:?}");
    }
    let question = metrics.request("OPTIONS", CURRENT).header("origin", "https://app.test");
    let answer = metrics.send(question.header("access-control-request-method", "GET")).await;
    assert_eq!(answer.problem(), (404, "not_found".to_owned()));
    assert_eq!(metrics.call("POST", "/metrics").await.status, 405);
    assert!(metrics.get("/metrics").await.body.contains("keybearer_verdicts_total{code=\"valid\"} 1\n"));
}

#[tokio::test]
async fn metrics_are_returned_in_the_requested_format() {
    let server = Server::start();
    let verifier = server.bearer(&server.key(&["keybearer:verify"]).await.1);
    let ask = async |accept: &str| verifier.send(verifier.request("GET", "/metrics").header("accept", accept)).await;
    for (accept, kind) in [
        ("text/plain;version=0.0.4", "text/plain; version=0.0.4; charset=utf-8"),
        ("text/plain", "text/plain; version=0.0.4; charset=utf-8"),
        (
            "application/openmetrics-text;q=0.2,text/plain;version=0.0.4;q=0.3",
            "text/plain; version=0.0.4; charset=utf-8",
        ),
        (
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
             text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
        ),
        ("application/openmetrics-text;version=0.0.1", "application/openmetrics-text; version=0.0.1; charset=utf-8"),
        ("application/openmetrics-text", "application/openmetrics-text; version=1.0.0; charset=utf-8"),
        ("application/openmetrics-text, */*;q=0.9", "application/openmetrics-text; version=1.0.0; charset=utf-8"),
        ("*/*", "text/plain; version=0.0.4; charset=utf-8"),
        ("application/json", "text/plain; version=0.0.4; charset=utf-8"),
    ] {
        let answer = ask(accept).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, kind), "{accept}");
        assert_eq!(answer.header("vary"), "Accept", "{accept}");
        let is_text = kind.starts_with("text/");
        assert_ne!(is_text, answer.body.ends_with("# EOF\n"), "{accept}");
        let typed =
            if is_text { "# TYPE keybearer_verdicts_total counter" } else { "# TYPE keybearer_verdicts counter" };
        assert!(answer.body.contains(typed), "{accept}: {}", answer.body);
        assert_eq!(is_text, !answer.body.contains("# UNIT "), "{accept}");
    }
    // As promtool reads it: each sample belongs to the metric that was named last.
    let mut named = String::new();
    for line in ask("text/plain;version=0.0.4").await.body.lines() {
        match line.strip_prefix("# TYPE ") {
            Some(typed) => named = typed.split(' ').next().unwrap().to_owned(),
            None if line.starts_with("# ") => assert!(line.starts_with("# HELP "), "{line}"),
            None => assert!(line.starts_with(&named), "{line} after {named}"),
        }
    }
}

#[tokio::test]
async fn readiness_reveals_no_details_to_strangers() {
    let server = Server::start();
    server.keys(3).await;
    let answer = server.anon().get("/readyz").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "{\"status\":\"ready\"}"));
    server.site.stopping.store(true, std::sync::atomic::Ordering::Release);
    let answer = server.anon().get("/readyz").await;
    assert_eq!((answer.status, answer.body.as_str()), (503, "{\"status\":\"stopping\"}"));
}
