//! Several servers on one database, which only PostgreSQL can be: `.config/nextest.toml` leaves this module out of the
//! default profile, which runs on SQLite. `nodes_model` has the rules of the lease; here the real program keeps them.

mod away;
mod encryption;
mod frozen;
mod leaving;
mod listing;
mod missed;
mod moving;
mod passwords;
mod restored;
mod revocations;
mod schema;
mod sharing;
mod stopped;
mod writers;

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::Value;

use crate::harness::{ADMIN, Answer, Client, Home, Process, eventually};

/// For what takes a lease of two seconds or less, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
const KEYS: &str = "/api/v1/keys";

/// Nodes that share a database, and a key that may do everything.
struct Cluster {
    // They end before their database is dropped, which would wait for one that stands still.
    nodes: Vec<Process>,
    home: Home,
    manager: String,
}

impl Cluster {
    async fn of(count: usize, lease: &str) -> Self {
        let home = Home::new();
        home.add_admin();
        home.add_member();
        let scopes = ["keybearer:keys", "keybearer:users", "keybearer:verify", "*"].map(|scope| ["--scope", scope]);
        let manager = home.run(&[&["keys", "create", "--owner", ADMIN, "--name", "m"], &scopes.concat()[..]].concat());
        let nodes = (0..count).map(|_| node(&home, lease)).collect();
        let cluster = Cluster { nodes, home, manager };
        join_all(cluster.nodes.iter().map(Process::becomes_ready)).await;
        cluster
    }

    fn manager(&self, node: usize) -> Client {
        self.nodes[node].bearer(&self.manager)
    }

    /// The status of this key on every node, asked at once.
    async fn everywhere(&self, key: &str) -> Vec<u16> {
        join_all(self.nodes.iter().map(|node| check(node, key))).await
    }

    /// A new key, once all nodes accept it; its id and its text.
    async fn key(&self, node: usize, owner: &str) -> (String, String) {
        let made = create(&self.manager(node), owner).await;
        self.accept(&made.1).await;
        made
    }

    async fn accept(&self, key: &str) {
        let accept = async || self.everywhere(key).await.iter().all(|status| *status == 200);
        eventually(PATIENCE, "every node accepts the key", accept).await;
    }

    /// From the next request on, no node accepts the key. A node that has lost its lease, on a busy machine, may say so.
    async fn refuse(&self, key: &str) {
        let refuse = async || {
            let answers = self.everywhere(key).await;
            assert!(!answers.contains(&200), "{answers:?}");
            answers.iter().all(|status| *status == 401)
        };
        eventually(PATIENCE, "every node refuses the key", refuse).await;
    }

    async fn metric(&self, node: usize, name: &str) -> u64 {
        let text = self.manager(node).get("/metrics").await.body;
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{text}"));
        line.trim().parse().unwrap()
    }

    fn rows(&self) -> i64 {
        self.home.number("SELECT count(*) FROM nodes")
    }

    async fn has_rows(&self, count: i64) {
        eventually(PATIENCE, "the table has as many nodes", async || self.rows() == count).await;
    }
}

fn node(home: &Home, lease: &str) -> Process {
    let mut serve = home.command(&["serve", "--listen", "127.0.0.1:0"]);
    serve.env("KEYBEARER_LEASE", lease);
    Process::of(serve)
}

/// The status that a gateway gets for this key.
async fn check(node: &Process, key: &str) -> u16 {
    node.bearer(key).get("/auth").await.status
}

fn id_and_key(answer: &Answer) -> (String, String) {
    assert_eq!(answer.status, 201, "{answer:?}");
    let made = answer.json();
    (made["id"].as_str().unwrap().to_owned(), made["key"].as_str().unwrap().to_owned())
}

async fn create(manager: &Client, owner: &str) -> (String, String) {
    let body = serde_json::json!({ "owner": owner, "name": "n", "scopes": ["orders:read"] });
    id_and_key(&manager.json(KEYS, body.to_string()).await)
}

async fn patch(manager: &Client, path: &str, change: Value) {
    let request = manager.request("PATCH", path).header("content-type", "application/json").body(change.to_string());
    let answer = manager.send(request).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// Revokes a key by its id; returns when the server has answered. A node that has lost its lease is asked again.
async fn revoke(manager: &Client, id: &str) {
    let is_revoked = async || {
        let answer = manager.call("DELETE", &format!("{KEYS}/{id}")).await;
        assert!([204, 404, 503].contains(&answer.status), "{answer:?}");
        answer.status != 503
    };
    eventually(PATIENCE, "the key is revoked", is_revoked).await;
}
