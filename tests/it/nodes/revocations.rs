//! Once a change has been answered, the next request meets it, on every node.

use serde_json::json;

use super::{Cluster, KEYS, PATIENCE, check, patch, revoke};
use crate::harness::{ADMIN, MEMBER, eventually, id};

const ROUNDS: usize = 36;

#[tokio::test]
async fn a_key_revoked_on_one_node_is_refused_at_the_next_request_on_all() {
    let cluster = Cluster::of(3, "20s").await;
    for round in 0..ROUNDS {
        let (id, key) = cluster.key((round + 1) % 3, MEMBER).await;
        revoke(&cluster.manager(round % 3), &id).await;
        cluster.refuse(&key).await;
    }
}

#[tokio::test]
async fn a_key_that_ends_itself_on_one_node_is_refused_on_all() {
    let cluster = Cluster::of(3, "20s").await;
    for round in 0..ROUNDS {
        let (_, key) = cluster.key(round % 3, MEMBER).await;
        let own = cluster.nodes[(round + 2) % 3].bearer(&key);
        assert_eq!(own.call("DELETE", "/api/v1/keys/current").await.status, 204);
        cluster.refuse(&key).await;
    }
}

#[tokio::test]
async fn a_key_disabled_or_enabled_on_one_node_is_so_on_all() {
    let cluster = Cluster::of(3, "20s").await;
    let (id, key) = cluster.key(0, MEMBER).await;
    for round in 0..ROUNDS {
        patch(&cluster.manager(round % 3), &format!("{KEYS}/{id}"), json!({ "enabled": false })).await;
        cluster.refuse(&key).await;
        patch(&cluster.manager((round + 1) % 3), &format!("{KEYS}/{id}"), json!({ "enabled": true })).await;
        cluster.accept(&key).await;
    }
}

#[tokio::test]
async fn a_scope_taken_away_on_one_node_is_refused_on_all() {
    let cluster = Cluster::of(3, "20s").await;
    let (id, key) = cluster.key(0, MEMBER).await;
    for round in 0..ROUNDS {
        let scopes = [["orders:read"], ["orders:write"]];
        let (path, manager) = (format!("{KEYS}/{id}"), cluster.manager(round % 3));
        patch(&manager, &path, json!({ "scopes": scopes[(round + 1) % 2] })).await;
        for node in &cluster.nodes {
            let tries = async |scope: &str| node.bearer(&key).get(&format!("/auth?scope={scope}")).await.status;
            assert_eq!(tries(scopes[round % 2][0]).await, 403, "round {round}");
            assert_eq!(tries(scopes[(round + 1) % 2][0]).await, 200, "round {round}");
        }
    }
}

#[tokio::test]
async fn the_keys_of_a_deactivated_owner_are_refused_on_all_nodes() {
    let cluster = Cluster::of(3, "20s").await;
    let (_, key) = cluster.key(0, MEMBER).await;
    let users = cluster.manager(0).get("/api/v1/users").await.json();
    let member = users["users"].as_array().unwrap().iter().find(|user| user["email"] == MEMBER).unwrap()["id"].clone();
    let path = format!("/api/v1/users/{}", member.as_str().unwrap());
    for round in 0..ROUNDS {
        let is_active = round % 2 == 1;
        patch(&cluster.manager(round % 3), &path, json!({ "active": is_active })).await;
        if is_active {
            cluster.accept(&key).await;
        } else {
            cluster.refuse(&key).await;
        }
    }
}

#[tokio::test]
async fn a_command_that_takes_something_away_returns_once_every_node_refuses_the_key() {
    let cluster = Cluster::of(3, "20s").await;
    for round in 0..ROUNDS / 3 {
        let (id, key) = cluster.key(round % 3, MEMBER).await;
        cluster.home.run(&["keys", "revoke", &id]);
        cluster.refuse(&key).await;
    }
    let (id, key) = cluster.key(0, MEMBER).await;
    for _ in 0..ROUNDS / 6 {
        cluster.home.run(&["keys", "disable", &id]);
        cluster.refuse(&key).await;
        cluster.home.run(&["keys", "enable", &id]);
        cluster.accept(&key).await;
        cluster.home.run(&["users", "deactivate", MEMBER]);
        cluster.refuse(&key).await;
        cluster.home.run(&["users", "activate", MEMBER]);
        cluster.accept(&key).await;
    }
}

#[tokio::test]
async fn a_key_created_by_any_way_is_accepted_everywhere_within_a_moment() {
    let cluster = Cluster::of(3, "60s").await;
    for round in 0..ROUNDS / 3 {
        cluster.key(round % 3, MEMBER).await;
        let (_, key) = cluster.home.create_key(ADMIN, "made by a command");
        cluster.accept(&key).await;
    }
}

#[tokio::test]
async fn a_row_deleted_or_changed_with_psql_is_in_force_on_all_nodes_within_a_moment() {
    let cluster = Cluster::of(3, "60s").await;
    for round in 0..ROUNDS / 3 {
        let (printed, key) = cluster.key(round % 3, MEMBER).await;
        let row = id(&printed);
        cluster.home.execute(match round % 3 {
            0 => format!("UPDATE keys SET enabled = 0 WHERE id = {row}"),
            1 => format!("UPDATE keys SET expires_at = 1000 WHERE id = {row}"),
            _ => format!("DELETE FROM keys WHERE id = {row}"),
        });
        for node in &cluster.nodes {
            eventually(PATIENCE, "the key is refused", async || check(node, &key).await == 401).await;
        }
    }
}

#[tokio::test]
async fn a_record_in_one_nodes_memory_follows_a_change_made_on_another() {
    let cluster = Cluster::of(2, "10s").await;
    let (id, key) = cluster.key(0, MEMBER).await;
    let path = format!("{KEYS}/{id}");
    let current = async |node: usize| cluster.nodes[node].bearer(&key).get("/api/v1/keys/current").await.json();
    for round in 0..20 {
        let name = format!("name {round}");
        current(1).await;
        patch(&cluster.manager(0), &path, json!({ "name": name })).await;
        assert_eq!(current(1).await["name"], name.as_str());
    }
}
