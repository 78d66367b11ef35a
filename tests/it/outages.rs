//! While the database is away, there is no verdict on any key, right or wrong.

use std::time::Duration;

use crate::harness::{ADMIN, Home, Process, eventually};

const SECOND: Duration = Duration::from_millis(1500);

/// Asserts that the response is neither yes nor no: no verdict is possible.
pub async fn assert_cannot_tell(server: &Process, live: &str) {
    let settled = async || server.tries(live).await == 503 && server.bearer(live).get("/auth").await.status == 503;
    eventually(SECOND, "verification says 503", settled).await;
    let unknown = "kb_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA4gH3Qs";
    for key in [live, unknown] {
        for path in ["/auth", "/api/v1/keys/current"] {
            let answer = server.bearer(key).get(path).await;
            assert_eq!(answer.problem(), (503, "unavailable".into()), "{path}");
            assert!(!answer.header("retry-after").is_empty());
        }
    }
    let answer = server.bearer(live).call("DELETE", "/api/v1/keys/current").await;
    assert_eq!(answer.status, 503, "a write is not acknowledged");
    assert_eq!(server.anon().get("/readyz").await.status, 503);
    assert_eq!(server.anon().get("/livez").await.status, 200);
}

pub async fn heals(server: &Process, live: &str) {
    eventually(SECOND * 2, "it heals", async || server.anon().get("/readyz").await.status == 200).await;
    assert_eq!(server.tries(live).await, 200);
    assert_eq!(server.bearer(live).call("DELETE", "/api/v1/keys/current").await.status, 204);
    assert_eq!(server.tries(live).await, 401);
}

#[tokio::test]
async fn a_database_that_is_away_is_noticed_and_used_again_once_it_is_back() {
    let home = Home::new();
    home.add_admin();
    let (_, key) = home.create_key(ADMIN, "n");
    // With PostgreSQL, keys are answered from memory until the lease ends.
    let mut serve = home.command(&["serve", "--listen", "127.0.0.1:0"]);
    serve.env("KEYBEARER_LEASE", "1s");
    let server = Process::of(serve);
    server.becomes_ready().await;
    assert_eq!(server.tries(&key).await, 200);
    home.take_database_away();
    assert_cannot_tell(&server, &key).await;
    home.bring_database_back();
    heals(&server, &key).await;
}
