//! `keybearer healthcheck`, for containers: exits with 0 only if a server is ready.

use std::time::Duration;

use crate::harness::{Home, Process, eventually};

#[tokio::test]
async fn a_server_is_healthy_if_it_is_ready() {
    let home = Home::new();
    let server = Process::ready(&home).await;
    for path in ["", "/", "/readyz", "/livez"] {
        let url = format!("http://{}{path}", server.address);
        home.keybearer(&["healthcheck", "--url", &url]).assert().code(if path == "/" { 1 } else { 0 });
    }
    let missing = format!("http://{}/missing", server.address);
    let refused = home.keybearer(&["healthcheck", "--url", &missing]).assert().code(1);
    let said = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
    assert!(said.contains("404"), "{said}");
}

#[tokio::test]
async fn a_server_that_answers_503_or_not_at_all_is_not_healthy() {
    let home = Home::new();
    let server = Process::ready(&home).await;
    let url = format!("http://{}/readyz", server.address);
    if home.postgres().is_none() {
        std::fs::rename(home.database(), home.path("moved")).unwrap();
        let is_refused = async || {
            let asked = home.command(&["healthcheck", "--url", &url]).output().unwrap();
            asked.status.code() == Some(1) && String::from_utf8_lossy(&asked.stderr).contains("503")
        };
        eventually(Duration::from_secs(30), "it is refused with 503", is_refused).await;
    }
    drop(server);
    let refused = home.keybearer(&["healthcheck", "--url", &url]).assert().code(1);
    let said = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
    assert!(said.contains("Is the server running"), "{said}");
}

#[test]
fn what_cannot_be_asked_is_a_usage_error() {
    for url in ["https://127.0.0.1:8443/readyz", "127.0.0.1:8080", "ftp://x"] {
        let refused = Home::new().keybearer(&["healthcheck", "--url", url]).assert().code(2);
        let said = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
        assert!(said.contains("http://"), "{said}");
    }
}
