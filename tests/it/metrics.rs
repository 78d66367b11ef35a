//! `/metrics`: for a key that may verify, or on a listener of its own.

use crate::harness::{ADMIN, Client, Home, Process, Server};

#[tokio::test]
async fn figures_are_for_those_who_may_verify() {
    let server = Server::start();
    let (_, plain) = server.key(&[]).await;
    let (_, verifier) = server.key(&["keybearer:verify"]).await;
    assert_eq!(server.anon().get("/metrics").await.problem(), (401, "missing_key".to_owned()));
    assert_eq!(server.bearer(&plain).get("/metrics").await.problem(), (403, "insufficient_scope".to_owned()));
    let answer = server.bearer(&verifier).get("/metrics").await;
    assert_eq!(answer.status, 200);
    assert!(answer.header("content-type").starts_with("application/openmetrics-text"));
    assert!(answer.body.ends_with("# EOF\n"));
}

#[tokio::test]
async fn verdicts_are_counted_by_code_and_by_nothing_a_stranger_chooses() {
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
    let server = Process::of(home.command(&["serve", "--listen", "127.0.0.1:0", "--metrics-listen", &at]));
    assert_eq!(server.tries(&key).await, 200);
    let metrics = Client::anon(free);
    assert!(metrics.get("/metrics").await.body.contains("keybearer_verdicts_total{code=\"valid\"} 1\n"));
    for path in ["/login", "/api/v1/keys/current", "/keys", "/readyz"] {
        assert_eq!(metrics.get(path).await.status, 404, "{path}");
    }
}
