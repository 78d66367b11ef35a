//! Many writers on several nodes: each change happens once, and everything adds up.

use std::collections::BTreeSet;
use std::fs;

use futures_util::future::join_all;
use keybearer::testing::Digest;

use super::{Cluster, KEYS, create, id_and_key, revoke};
use crate::harness::{ADMIN, Client, MEMBER, id};

const IMPORTED: usize = 300;
const PER_WRITER: usize = 12;

/// Creates keys, rotates every third, revokes every third; returns the live and the dead ones.
async fn write(manager: Client) -> (Vec<String>, Vec<String>) {
    let (mut live, mut dead) = (Vec::new(), Vec::new());
    for number in 0..PER_WRITER {
        let (id, key) = create(&manager, MEMBER).await;
        match number % 3 {
            0 => live.push(key),
            1 => {
                let rotated = manager.json(&format!("{KEYS}/{id}/rotate"), "{}").await;
                live.push(id_and_key(&rotated).1);
                dead.push(key);
            }
            _ => {
                revoke(&manager, &id).await;
                dead.push(key);
            }
        }
    }
    (live, dead)
}

fn import(cluster: &Cluster, name: &str) -> tokio::process::Child {
    let line = |number| {
        let digest = hex::encode(Digest::of(format!("{name}-{number}").as_bytes()).as_bytes());
        format!("{{\"sha256\":\"{digest}\",\"owner\":\"{MEMBER}\",\"name\":\"{name}\"}}\n")
    };
    fs::write(cluster.home.path(name), (0..IMPORTED).map(line).collect::<String>()).unwrap();
    tokio::process::Command::from(cluster.home.command(&["keys", "import", name])).spawn().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_on_three_nodes_and_the_command_line_leave_a_whole_audit_log_and_the_right_keys() {
    let cluster = Cluster::of(3, "5s").await;
    let imports = ["old-a", "old-b"].map(|name| import(&cluster, name));
    let writers: Vec<_> = (0..6).map(|number| tokio::spawn(write(cluster.manager(number % 3)))).collect();
    for number in 0..4 {
        cluster.home.create_key(ADMIN, &format!("command {number}"));
    }
    let (mut live, mut dead) = (Vec::new(), Vec::new());
    for writer in writers {
        let (some, others) = writer.await.unwrap();
        live.extend(some);
        dead.extend(others);
    }
    for mut import in imports {
        assert!(import.wait().await.unwrap().success());
    }
    assert_eq!((live.len(), dead.len()), (6 * PER_WRITER * 2 / 3, 6 * PER_WRITER * 2 / 3));
    live.extend(["old-a-0", "old-a-299", "old-b-0", "old-b-299"].map(str::to_owned));
    for key in &live {
        cluster.accept(key).await;
    }
    for key in &dead {
        cluster.refuse(key).await;
    }
    let stored = 6 * PER_WRITER * 2 / 3 + 2 * IMPORTED + 4 + 1;
    assert_eq!(cluster.home.number("SELECT count(*) FROM keys"), stored as i64);
    for node in 0..3 {
        assert_eq!(cluster.metric(node, "keybearer_index_keys").await, stored as u64);
    }
    let said = cluster.home.keybearer(&["events", "verify"]).assert().success().get_output().clone();
    assert!(String::from_utf8(said.stderr).unwrap().contains("complete and unchanged"));
    cluster.home.run(&["check"]);
}

#[tokio::test]
async fn the_uses_that_several_nodes_have_counted_add_up() {
    let mut cluster = Cluster::of(3, "5s").await;
    let (printed, key) = cluster.key(0, MEMBER).await;
    let row = id(&printed);
    let stored = format!("SELECT CAST(coalesce(sum(count), 0) AS BIGINT) FROM key_hourly_use WHERE key_id = {row}");
    let used = |cluster: &Cluster| cluster.nodes.iter().map(|node| node.bearer(&key)).collect::<Vec<_>>();
    let clients = used(&cluster);
    for _ in 0..50 {
        let answers = join_all(clients.iter().map(|client| client.get("/auth"))).await;
        assert_eq!(answers.iter().map(|answer| answer.status).collect::<BTreeSet<_>>(), BTreeSet::from([200]));
    }
    let nodes = std::mem::take(&mut cluster.nodes);
    nodes.iter().for_each(|node| node.signal("TERM"));
    for node in nodes {
        assert!(node.end().success());
    }
    // Each node was asked at least once until all had accepted the new key.
    let (counted, asked) = (cluster.home.number(&stored), 3 * 50);
    assert_eq!(cluster.rows(), 0);
    assert!((asked + 3..asked + 300).contains(&counted), "{counted}");
}
