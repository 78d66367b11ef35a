//! A database that is away: nodes answer from memory until their leases end, and then not at all.

use std::time::{Duration, Instant};

use super::{Cluster, PATIENCE, check, revoke};
use crate::harness::{MEMBER, eventually};

#[tokio::test]
async fn keys_are_answered_from_memory_while_the_lease_lasts() {
    let cluster = Cluster::of(2, "60s").await;
    let (_, key) = cluster.key(0, MEMBER).await;
    cluster.home.take_database_away();
    for _ in 0..20 {
        assert_eq!(cluster.everywhere(&key).await, [200; 2]);
    }
    assert_eq!(cluster.nodes[0].bearer(&key).call("DELETE", "/api/v1/keys/current").await.status, 503);
    assert_eq!(cluster.everywhere(&key).await, [200; 2], "the change was not acknowledged");
}

#[tokio::test]
async fn a_change_made_as_soon_as_the_database_is_back_is_acknowledged_at_once() {
    let cluster = Cluster::of(2, "60s").await;
    for round in 0..5 {
        let (id, key) = cluster.key(0, MEMBER).await;
        let manager = cluster.manager(round % 2);
        cluster.home.take_database_away();
        cluster.home.bring_database_back();
        let began = Instant::now();
        revoke(&manager, &id).await;
        // A node that was away for the notification would only send its next heartbeat, a quarter of the lease later.
        assert!(began.elapsed() < Duration::from_secs(12), "round {round}: {:?}", began.elapsed());
        cluster.refuse(&key).await;
    }
}

#[tokio::test]
async fn a_node_without_a_lease_answers_503_and_goes_on_with_what_it_has_in_memory() {
    let cluster = Cluster::of(3, "2s").await;
    let (id, key) = cluster.key(0, MEMBER).await;
    for _ in 0..2 {
        cluster.home.take_database_away();
        for node in &cluster.nodes {
            eventually(PATIENCE, "the lease ends", async || check(node, &key).await == 503).await;
            let ready = node.anon().get("/readyz").await;
            assert_eq!((ready.status, ready.json()["status"].as_str()), (503, Some("lease_expired")));
            assert_eq!(check(node, "kb_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA4gH3Qs").await, 503);
        }
        cluster.home.bring_database_back();
        for node in &cluster.nodes {
            node.becomes_ready().await;
        }
        cluster.accept(&key).await;
    }
    for (number, node) in cluster.nodes.iter().enumerate() {
        assert_eq!(cluster.metric(number, "keybearer_node_reloads_total").await, 0);
        assert_eq!(node.log().matches("the key index is full").count(), 1, "{}", node.log());
    }
    revoke(&cluster.manager(2), &id).await;
    cluster.refuse(&key).await;
}
