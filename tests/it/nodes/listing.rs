//! `keybearer nodes`.

use std::time::Duration;

use super::{Cluster, PATIENCE};
use crate::harness::{MEMBER, eventually};

fn listed(cluster: &Cluster) -> Vec<serde_json::Value> {
    let printed: serde_json::Value = serde_json::from_str(&cluster.home.run(&["nodes", "--json"])).unwrap();
    assert_eq!(printed["synchronous_standby"], false);
    printed["nodes"].as_array().unwrap().clone()
}

#[tokio::test]
async fn the_command_lists_every_node_with_its_state_version_and_keys() {
    let cluster = Cluster::of(3, "60s").await;
    cluster.key(0, MEMBER).await;
    let beats = async || listed(&cluster).iter().filter(|node| node["keys"] == 2).count() == 3;
    eventually(PATIENCE, "all nodes say that they have both keys", beats).await;
    for node in listed(&cluster) {
        assert_eq!(node["state"], "serving", "{node}");
        assert_eq!(node["version"], env!("CARGO_PKG_VERSION"), "{node}");
        assert_eq!(node["address"], "127.0.0.1", "{node}");
        assert_eq!(node["behind"], 0, "{node}");
        assert_eq!(node["lease_seconds"], 60.0, "{node}");
        assert!(node["lease_left_seconds"].as_f64().is_some_and(|left| left > 0.0 && left <= 60.0), "{node}");
    }
    let output = cluster.home.keybearer(&["nodes"]).assert().success().get_output().clone();
    let (table, said) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(table.trim_start().starts_with("NAME"), "{table}");
    assert_eq!(table.lines().skip(1).filter(|line| line.contains("serving")).count(), 3, "{table}");
    assert!(said.contains("no synchronous standby"), "{said}");
}

#[tokio::test]
async fn a_node_that_is_silent_is_shown_so_until_its_row_is_gone() {
    let mut cluster = Cluster::of(2, "5s").await;
    cluster.nodes.pop().unwrap().kill();
    let states = || listed(&cluster).iter().map(|node| node["state"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    let is_noticed = async || states().iter().any(|state| state == "silent" || state == "evicted");
    eventually(Duration::from_secs(60), "the killed node is shown as such", is_noticed).await;
    eventually(Duration::from_secs(60), "only one is left", async || states() == ["serving"]).await;
}
