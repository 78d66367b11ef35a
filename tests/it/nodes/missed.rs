//! What a node that stands still has missed, and what others were told meanwhile. `tests/nodes-proof` tries far more.

use std::time::{Duration, Instant};

use super::{PATIENCE, node};
use crate::harness::{ADMIN, Client, Home, eventually};

#[tokio::test]
async fn a_node_that_missed_lines_of_the_feed_reads_all_keys_again() {
    let home = Home::new();
    home.add_admin();
    let (id, key) = home.create_key(ADMIN, "n");
    let server = node(&home, "1s");
    server.becomes_ready().await;
    server.signal("STOP");
    home.run(&["keys", "revoke", &id]);
    home.execute("DELETE FROM changes");
    server.signal("CONT");
    let refuses = async || {
        let status = server.bearer(&key).get("/auth").await.status;
        assert_ne!(status, 200, "the key was revoked while the node stood still");
        status == 401
    };
    eventually(PATIENCE, "it serves again", refuses).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_told_of_a_change_waits_for_the_nodes_as_its_maker_does() {
    let home = Home::new();
    home.add_admin();
    let (gone, _) = home.create_key(ADMIN, "gone");
    let (disabled, _) = home.create_key(ADMIN, "disabled");
    let words = ["keys", "create", "--owner", ADMIN, "--name", "manager", "--scope", "keybearer:keys"];
    let manager = home.run(&words);
    let (first, second) = (node(&home, "3s"), node(&home, "3s"));
    for server in [&first, &second] {
        server.becomes_ready().await;
    }
    second.signal("STOP");
    let stopped = Instant::now();
    let (address, revoked) = (first.address, format!("/api/v1/keys/{gone}"));
    let ask = async |path: String, body: Option<&'static str>| {
        let client = Client::bearer(address, &manager);
        let request = client.request(if body.is_some() { "PATCH" } else { "DELETE" }, &path);
        let request = request.header("content-type", "application/json").body(body.unwrap_or_default());
        (client.send(request).await.status, stopped.elapsed())
    };
    let off = Some(r#"{"enabled":false}"#);
    let later = async |path: String, body| {
        let committed = "SELECT count(*) FROM keys WHERE name = 'gone' OR name = 'disabled' AND enabled = 1";
        let is_committed = async || home.number(committed) == 0;
        eventually(PATIENCE, "both are committed", is_committed).await;
        ask(path, body).await
    };
    let record = format!("/api/v1/keys/{disabled}");
    let answers =
        tokio::join!(ask(revoked.clone(), None), ask(record.clone(), off), later(revoked, None), later(record, off));
    second.signal("CONT");
    let (revoked, disabled, again, still) = answers;
    assert_eq!([revoked.0, disabled.0, again.0, still.0], [204, 200, 404, 200]);
    // The last heartbeat before the stop is at most a quarter of the lease old.
    let earliest = Duration::from_millis(2_000);
    for (status, after) in [revoked, disabled, again, still] {
        assert!(after > earliest, "{status} after {after:?}, while the other node could still accept the key");
    }
}
