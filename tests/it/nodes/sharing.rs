//! What all nodes share through the database: the keys that sign, and the links with which the first admin is created.
//! Each node grants its share of a key's rate limit.

use std::path::PathBuf;
use std::process::Command;

use super::{Cluster, PATIENCE};
use crate::harness::{Home, MEMBER, Process, eventually};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// `serve` with the nodes' own signing keys, sealed with this secret.
fn serve(home: &Home, secret: &str) -> Command {
    let mut serve = home.command(&["serve", "--listen", "127.0.0.1:0"]);
    serve.env_remove("KEYBEARER_SIGNING_KEYS").env("KEYBEARER_SECRET_FILE", secret_file(home, secret));
    serve
}

fn secret_file(home: &Home, secret: &str) -> PathBuf {
    let file = home.path(&format!("secret-{}", secret.len()));
    std::fs::write(&file, secret).unwrap();
    file
}

async fn published(node: &Process) -> String {
    node.anon().get("/.well-known/jwks.json").await.body
}

#[tokio::test]
async fn nodes_with_one_secret_sign_with_the_same_keys_and_follow_a_rotation() {
    let home = Home::new();
    home.add_admin();
    let first = Process::of(serve(&home, SECRET));
    first.becomes_ready().await;
    let second = Process::of(serve(&home, SECRET));
    second.becomes_ready().await;
    let before = published(&first).await;
    assert!(before.contains("\"kid\"") && before == published(&second).await, "{before}");
    let rotated = home
        .keybearer(&["signing-keys", "rotate"])
        .env_remove("KEYBEARER_SIGNING_KEYS")
        .env("KEYBEARER_SECRET_FILE", secret_file(&home, SECRET))
        .output()
        .unwrap();
    assert!(rotated.status.success(), "{rotated:?}");
    for node in [&first, &second] {
        eventually(PATIENCE, "it follows the rotation", async || published(node).await != before).await;
    }
    assert_eq!(published(&first).await, published(&second).await);
    for (place, bytes) in home.stored() {
        let text = String::from_utf8_lossy(&bytes);
        assert!(place.contains("secret-") || !text.contains("private_key"), "{place} holds a private key");
    }
}

#[tokio::test]
async fn a_node_with_another_secret_or_without_one_does_not_start() {
    let home = Home::new();
    home.add_admin();
    let first = Process::of(serve(&home, SECRET));
    first.becomes_ready().await;
    let mut without = serve(&home, SECRET);
    without.env_remove("KEYBEARER_SECRET_FILE");
    let other = serve(&home, "another secret, which is long enough to be one");
    let short = serve(&home, "short");
    for (mut command, said) in [
        (without, "give each node the same"),
        (other, "The signing keys in the database cannot be opened"),
        (short, "it has fewer than 32 characters"),
    ] {
        let refused = command.output().unwrap();
        let said_instead = String::from_utf8_lossy(&refused.stderr);
        assert!(!refused.status.success() && said_instead.contains(said), "{said}: {said_instead}");
    }
    let nodes = home.number("SELECT count(*) FROM nodes");
    assert_eq!(nodes, 1, "a node that could not start has left");
}

#[tokio::test]
async fn the_setup_link_of_any_node_works_on_every_node_until_there_is_a_user() {
    let home = Home::new();
    let nodes: Vec<_> = (0..2).map(|_| Process::serve(&home)).collect();
    for printed in &nodes {
        let link =
            || printed.log().lines().find_map(|line| Some(line[line.find("/setup?token=")?..].trim().to_owned()));
        eventually(PATIENCE, "the link is printed", async || link().is_some()).await;
        for node in &nodes {
            assert_eq!(node.anon().get(&link().unwrap()).await.status, 200);
        }
    }
    home.add_admin();
    for node in &nodes {
        let link = node.log().lines().find_map(|line| Some(line[line.find("/setup?token=")?..].trim().to_owned()));
        assert_eq!(node.anon().get(&link.unwrap()).await.status, 403);
    }
}

#[tokio::test]
async fn the_nodes_together_grant_no_more_than_a_keys_rate_limit() {
    let cluster = Cluster::of(3, "5s").await;
    let limited = ["keys", "create", "--owner", MEMBER, "--name", "l", "--rate-limit", "30/3600"];
    let key = cluster.home.run(&limited);
    let mut allowed = 0;
    for _ in 0..40 {
        allowed += cluster.everywhere(&key).await.iter().filter(|status| **status == 200).count();
    }
    assert_eq!(allowed, 30);
}
