//! A node that stands still, as in a suspended machine: what it was told before is no longer true when it goes on.

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::{Cluster, PATIENCE, check, revoke};
use crate::harness::{ADMIN, Client, MEMBER, Process, eventually, raw};

const LEASE: Duration = Duration::from_secs(2);
const JOINS_AGAIN: &str = "this node's heartbeats were missing for too long; it joins again";

/// Stops the process; returns once it has stopped.
async fn stop(node: &Process) {
    node.signal("STOP");
    let has_stopped = async || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", node.pid())).unwrap();
        stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('T'))
    };
    eventually(PATIENCE, "the process has stopped", has_stopped).await;
}

fn ask(socket: &mut TcpStream, key: &str) {
    let fields = [&format!("Authorization: Bearer {key}"), "Connection: close"];
    socket.write_all(raw::request("GET /auth", &fields, "").as_bytes()).unwrap();
}

fn status(mut socket: TcpStream) -> u16 {
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    raw::read(&mut socket).status()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_dashboard_says_what_a_revocation_waits_for() {
    let cluster = Cluster::of(2, "5s").await;
    let (id, _) = cluster.key(0, ADMIN).await;
    let admin = Client::signed_in(cluster.nodes[0].address, ADMIN).await;
    let progress = async || admin.get("/nodes/waiting").await;
    assert_eq!(progress().await.status, 204);
    let revoke = format!("/keys/{id}/revoke");
    stop(&cluster.nodes[1]).await;
    let ((), revoked) = tokio::join!(
        eventually(PATIENCE, "it says what it waits for", async || {
            let answer = progress().await;
            let within = |seconds| format!("In force on 1 of 2 nodes, on all within {seconds} s.");
            answer.status == 200 && (1..=6).map(within).any(|text| text == answer.body)
        }),
        admin.form(&revoke, &[])
    );
    assert_eq!(revoked.status, 303);
    eventually(PATIENCE, "nobody waits any more", async || progress().await.status == 204).await;
    cluster.nodes[1].signal("CONT");
}

/// Lets the process go on. Requests that have waited for it, and those that follow, must not be answered with yes.
async fn goes_on_and_refuses(node: &Process, key: &str, idle: Vec<TcpStream>) {
    let mut waiting: Vec<_> = (0..8).map(|_| TcpStream::connect(node.address).unwrap()).collect();
    waiting.iter_mut().for_each(|socket| ask(socket, key));
    let idle = idle.into_iter().map(|mut socket| {
        ask(&mut socket, key);
        socket
    });
    let idle: Vec<_> = idle.collect();
    node.signal("CONT");
    let first = check(node, key).await;
    assert!([401, 503].contains(&first), "{first}");
    for socket in waiting {
        let status = status(socket);
        assert!([401, 503].contains(&status), "{status}");
    }
    for socket in idle {
        // The server may have closed a connection that was idle for so long.
        let status = status(socket);
        assert!([0, 401, 408, 503].contains(&status), "{status}");
    }
    let refuses = async || match check(node, key).await {
        200 => panic!("a revoked key is accepted"),
        status => status == 401,
    };
    eventually(PATIENCE, "it knows that the key is revoked", refuses).await;
}

#[tokio::test]
async fn a_stopped_node_is_waited_for_as_long_as_it_may_answer_and_refuses_the_key_when_it_goes_on() {
    let cluster = Cluster::of(3, "2s").await;
    for round in 0..3 {
        let (id, key) = cluster.key(round, MEMBER).await;
        let (frozen, other) = (&cluster.nodes[2], &cluster.nodes[1 - round % 2]);
        let idle: Vec<_> = (0..4).map(|_| TcpStream::connect(frozen.address).unwrap()).collect();
        stop(frozen).await;
        let stopped = Instant::now();
        revoke(&cluster.manager(round % 2), &id).await;
        let waited = stopped.elapsed();
        assert!(waited > LEASE / 2, "the stopped node could have answered: {waited:?}");
        assert!(waited < PATIENCE, "{waited:?}");
        assert_ne!(check(other, &key).await, 200);
        goes_on_and_refuses(frozen, &key, idle).await;
        frozen.becomes_ready().await;
        cluster.has_rows(3).await;
    }
}

#[tokio::test]
async fn nobody_waits_for_a_stopped_node_whose_row_is_gone_and_it_joins_again_when_it_goes_on() {
    let cluster = Cluster::of(3, "2s").await;
    let mut keys = Vec::new();
    for _ in 0..21 {
        keys.push(cluster.key(0, MEMBER).await);
    }
    let frozen = &cluster.nodes[2];
    let idle = vec![TcpStream::connect(frozen.address).unwrap()];
    stop(frozen).await;
    let (first, first_key) = keys.pop().unwrap();
    revoke(&cluster.manager(0), &first).await;
    cluster.has_rows(2).await;
    let began = Instant::now();
    for (number, (id, _)) in keys.iter().enumerate() {
        revoke(&cluster.manager(number % 2), id).await;
    }
    // Twenty leases, if each of them had waited.
    assert!(began.elapsed() < LEASE * 15, "{:?}", began.elapsed());
    assert!(
        cluster.metric(0, "keybearer_node_evictions_total").await
            + cluster.metric(1, "keybearer_node_evictions_total").await
            >= 1
    );
    goes_on_and_refuses(frozen, &first_key, idle).await;
    frozen.becomes_ready().await;
    assert!(frozen.log().contains(JOINS_AGAIN), "{}", frozen.log());
    assert_eq!(cluster.metric(2, "keybearer_node_reloads_total").await, 0);
    assert!(cluster.metric(2, "keybearer_node_joins_total").await >= 2);
    cluster.has_rows(3).await;
    for (_, key) in keys {
        cluster.refuse(&key).await;
    }
    let (id, key) = cluster.key(2, MEMBER).await;
    revoke(&cluster.manager(1), &id).await;
    cluster.refuse(&key).await;
}
