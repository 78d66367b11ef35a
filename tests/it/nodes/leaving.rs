//! A node that ends: killed, it is waited for as long as it could have answered; stopped, it takes its leave.

use std::time::{Duration, Instant};

use super::{Cluster, KEYS, check, node, revoke};
use crate::harness::MEMBER;

#[tokio::test]
async fn a_killed_node_is_waited_for_once_and_then_forgotten() {
    let mut cluster = Cluster::of(3, "2s").await;
    let mut keys = Vec::new();
    for _ in 0..21 {
        keys.push(cluster.key(0, MEMBER).await);
    }
    let killed = Instant::now();
    cluster.nodes.pop().unwrap().kill();
    let (id, key) = keys.pop().unwrap();
    revoke(&cluster.manager(0), &id).await;
    // The others cannot know that it is dead.
    assert!(killed.elapsed() > Duration::from_secs(1), "{:?}", killed.elapsed());
    cluster.refuse(&key).await;
    cluster.has_rows(2).await;
    let began = Instant::now();
    for (number, (id, _)) in keys.iter().enumerate() {
        revoke(&cluster.manager(number % 2), id).await;
    }
    // Forty seconds, if each of them had waited.
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    for (_, key) in &keys {
        cluster.refuse(key).await;
    }
}

#[tokio::test]
async fn nobody_waits_for_a_node_that_was_stopped_in_the_usual_way() {
    let mut cluster = Cluster::of(3, "60s").await;
    for left in [2, 1] {
        let (id, key) = cluster.key(0, MEMBER).await;
        let leaving = cluster.nodes.pop().unwrap();
        leaving.signal("TERM");
        assert!(leaving.end().success());
        assert_eq!(cluster.rows(), left);
        let began = Instant::now();
        revoke(&cluster.manager(0), &id).await;
        assert!(began.elapsed() < Duration::from_secs(30), "half a lease: {:?}", began.elapsed());
        cluster.refuse(&key).await;
    }
}

#[tokio::test]
async fn a_node_that_starts_while_others_change_keys_refuses_what_they_have_revoked() {
    let cluster = Cluster::of(2, "5s").await;
    for round in 0..6 {
        let (id, key) = cluster.key(0, MEMBER).await;
        let (home, manager) = (cluster.home.clone(), cluster.manager(round % 2));
        let starting = tokio::task::spawn_blocking(move || node(&home, "5s"));
        let mut answered = 0;
        while !starting.is_finished() {
            let made = super::create(&manager, MEMBER).await;
            revoke(&manager, &made.0).await;
            answered += 1;
        }
        revoke(&manager, &id).await;
        let new = starting.await.unwrap();
        assert_eq!(check(&new, &key).await, 401, "after {answered} others");
        new.signal("TERM");
        assert!(new.end().success());
    }
    assert_eq!(cluster.manager(0).get(KEYS).await.status, 200);
}
