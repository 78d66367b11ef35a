//! The nodes' API, as a program with a managing key uses it.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::history::{Check, History, Key};
use super::network::{METRICS_PORT, NODES, node_address};

/// Longer than any fault of a node, so that what a stopped node answers afterwards is seen too.
const CHECK_PATIENCE: Duration = Duration::from_secs(12);
/// Checks of one node that may wait at once.
const CHECKS: usize = 200;

/// A response, or 0 if there was none in time.
pub struct Answer {
    pub status: u16,
    pub body: Value,
}

pub struct Api {
    http: reqwest::Client,
    managing_key: String,
    seats: [Arc<Semaphore>; NODES],
    pub history: Arc<History>,
}

impl Api {
    pub fn new(managing_key: String, history: Arc<History>) -> Self {
        let http = reqwest::Client::builder().no_proxy().connect_timeout(Duration::from_secs(1));
        // A kept connection may have died in a cut.
        let http = http.pool_idle_timeout(Duration::from_secs(2)).build().unwrap();
        Api { http, managing_key, seats: std::array::from_fn(|_| Arc::new(Semaphore::new(CHECKS))), history }
    }

    async fn send(
        &self,
        node: usize,
        method: Method,
        path: &str,
        key: &str,
        body: Option<Value>,
        wait: Duration,
    ) -> Answer {
        let url = format!("http://{}:8080{path}", node_address(node));
        let mut request = self.http.request(method, url).bearer_auth(key).timeout(wait);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let none = Answer { status: 0, body: Value::Null };
        let Ok(response) = request.send().await else { return none };
        let status = response.status().as_u16();
        match response.bytes().await {
            Ok(bytes) => Answer { status, body: serde_json::from_slice(&bytes).unwrap_or(Value::Null) },
            Err(_) => none,
        }
    }

    pub async fn create(&self, node: usize, name: &str, wait: Duration) -> Option<Key> {
        let body = json!({"name": name, "expires": "never"});
        let made = self.send(node, Method::POST, "/api/v1/keys", &self.managing_key, Some(body), wait).await;
        if made.status != 201 {
            return None;
        }
        Some(Key::new(made.body["id"].as_str()?.to_owned(), made.body["key"].as_str()?.to_owned()))
    }

    pub async fn set_enabled(&self, node: usize, key: &Key, enabled: bool, wait: Duration) -> u16 {
        let (path, body) = (format!("/api/v1/keys/{}", key.id), json!({ "enabled": enabled }));
        self.send(node, Method::PATCH, &path, &self.managing_key, Some(body), wait).await.status
    }

    pub async fn revoke(&self, node: usize, key: &Key, wait: Duration) -> u16 {
        let path = format!("/api/v1/keys/{}", key.id);
        self.send(node, Method::DELETE, &path, &self.managing_key, None, wait).await.status
    }

    /// The record's status, from the database.
    pub async fn record(&self, node: usize, key: &Key, wait: Duration) -> u16 {
        let path = format!("/api/v1/keys/{}", key.id);
        self.send(node, Method::GET, &path, &self.managing_key, None, wait).await.status
    }

    pub async fn is_ready(&self, node: usize) -> bool {
        self.send(node, Method::GET, "/readyz", "", None, Duration::from_secs(2)).await.status == 200
    }

    /// How many seconds a node's wall clock is ahead of ours, from the `Date` of a response.
    pub async fn ahead(&self, node: usize) -> Option<i64> {
        let url = format!("http://{}:8080/livez", node_address(node));
        let response = self.http.get(url).timeout(Duration::from_secs(2)).send().await.ok()?;
        let date = response.headers().get("date")?.to_str().ok()?;
        let seen = jiff::fmt::rfc2822::parse(date).ok()?.timestamp().as_second();
        let own = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
        Some(seen - own as i64)
    }

    /// What is left of a node's lease, in seconds, from its metrics.
    pub async fn lease_left(&self, node: usize) -> Option<f64> {
        let url = format!("http://{}:{METRICS_PORT}/metrics", node_address(node));
        let text = self.http.get(url).timeout(Duration::from_secs(2)).send().await.ok()?.text().await.ok()?;
        text.lines().find_map(|line| line.strip_prefix("keybearer_node_lease_left_seconds "))?.parse().ok()
    }

    pub async fn check(&self, node: usize, key: &Arc<Key>) -> u16 {
        let sent = self.history.now();
        let status = self.send(node, Method::GET, "/auth", &key.text, None, CHECK_PATIENCE).await.status;
        self.history.note(key, Check { node: node as u8, status, sent, received: self.history.now() });
        status
    }

    /// Sends a check whose answer nobody waits for, unless too many wait already.
    pub fn check_aside(self: &Arc<Self>, node: usize, key: &Arc<Key>) {
        let Ok(seat) = Arc::clone(&self.seats[node]).try_acquire_owned() else { return };
        let (api, key) = (Arc::clone(self), Arc::clone(key));
        tokio::spawn(async move {
            api.check(node, &key).await;
            drop(seat);
        });
    }
}
