//! Users: each creates a key, checks it, disables and enables it, and revokes it, on any node.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::time::{Instant, sleep};

use super::faults::Faults;
use super::history::Key;
use super::http::Api;
use super::network::NODES;
use super::options::Options;

/// Users who check keys that were revoked at some time.
const DOUBTERS: u64 = 4;

/// The keys of this run.
#[derive(Default)]
pub struct Keys {
    pub revoked: Mutex<Vec<Arc<Key>>>,
    pub kept: Mutex<Vec<Arc<Key>>>,
}

/// Returns whether all was done in time: the revocations, the seconds and each kind of fault once.
pub async fn run(options: &Options, api: &Arc<Api>, faults: &Faults) -> bool {
    let over = Arc::new(AtomicBool::new(false));
    let mut tasks = Vec::new();
    for number in 0..options.users + DOUBTERS {
        let rng = StdRng::seed_from_u64(options.seed.wrapping_mul(1_000_003).wrapping_add(number));
        let user = User { api: Arc::clone(api), over: Arc::clone(&over), rng };
        tasks.push(if number < options.users { tokio::spawn(user.work()) } else { tokio::spawn(user.doubt()) });
    }
    let began = Instant::now();
    let most = Duration::from_secs(options.seconds + 180 + options.revocations as u64 / 4);
    let is_done = || {
        let answered = api.history.revocations.load(Ordering::Relaxed);
        let is_long_enough = began.elapsed() >= Duration::from_secs(options.seconds);
        is_long_enough && answered >= options.revocations && faults.have_all_been()
    };
    let mut told = 0;
    while !is_done() && began.elapsed() < most {
        sleep(Duration::from_millis(100)).await;
        if began.elapsed().as_secs() / 30 > told {
            told += 1;
            println!("after {} s: {} revocations", told * 30, api.history.revocations.load(Ordering::Relaxed));
        }
    }
    over.store(true, Ordering::Relaxed);
    for task in tasks {
        task.await.unwrap();
    }
    is_done()
}

struct User {
    api: Arc<Api>,
    over: Arc<AtomicBool>,
    rng: StdRng,
}

impl User {
    fn node(&mut self) -> usize {
        self.rng.random_range(0..NODES)
    }

    fn chance(&mut self, of: f64) -> bool {
        self.rng.random_bool(of)
    }

    /// How long a change may take for this user. A short wait leaves an outcome unknown.
    fn patience(&mut self) -> Duration {
        Duration::from_millis(if self.chance(0.3) { self.rng.random_range(200..2_500) } else { 14_000 })
    }

    async fn pause(&mut self, most: u64) {
        sleep(Duration::from_millis(self.rng.random_range(0..=most))).await;
    }

    fn check_everywhere(&self, key: &Arc<Key>) {
        for node in 0..NODES {
            self.api.check_aside(node, key);
        }
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    async fn work(mut self) {
        while !self.is_over() {
            let (node, patience) = (self.node(), self.patience());
            let Some(key) = self.api.create(node, "k", patience).await else {
                self.api.history.unknown.fetch_add(1, Ordering::Relaxed);
                self.pause(200).await;
                continue;
            };
            let key = Arc::new(key);
            self.check_everywhere(&key);
            self.pause(100).await;
            if self.chance(0.5) {
                self.check_everywhere(&key);
            }
            if self.chance(0.4) {
                self.disable_and_enable(&key).await;
            }
            if self.chance(0.15) {
                self.api.history.keys.kept.lock().unwrap().push(key);
            } else {
                self.revoke(&key).await;
            }
        }
    }

    async fn disable_and_enable(&mut self, key: &Arc<Key>) {
        loop {
            let (node, patience) = (self.node(), self.patience());
            if self.api.set_enabled(node, key, false, patience).await == 200 {
                break;
            }
            key.note_unclear();
            self.api.history.unknown.fetch_add(1, Ordering::Relaxed);
            self.pause(100).await;
        }
        self.api.history.note_disabled(key);
        self.check_everywhere(key);
        self.pause(60).await;
        self.check_everywhere(key);
        self.pause(200).await;
        if self.chance(0.7) {
            key.enabling(&self.api.history);
            let (node, patience) = (self.node(), self.patience());
            if self.api.set_enabled(node, key, true, patience).await != 200 {
                key.note_unclear();
                self.api.history.unknown.fetch_add(1, Ordering::Relaxed);
            }
            self.check_everywhere(key);
        }
    }

    /// Until it is answered. A key that is found gone after an unknown outcome counts as revoked.
    async fn revoke(&mut self, key: &Arc<Key>) {
        let mut tries = 0;
        loop {
            let (node, patience) = (self.node(), self.patience());
            let sent = self.api.history.now();
            let status = self.api.revoke(node, key, patience).await;
            if status == 204 || (status == 404 && tries > 0) {
                if status == 404 {
                    self.api.history.found_gone.fetch_add(1, Ordering::Relaxed);
                }
                self.api.history.note_revoked(key, node, status, sent);
                break;
            }
            if status == 404 {
                self.api.history.violate(format!("key {} is lost: it was created and not revoked", key.id));
                return;
            }
            tries += 1;
            self.api.history.unknown.fetch_add(1, Ordering::Relaxed);
            self.pause(100).await;
        }
        self.check_everywhere(key);
        self.pause(30).await;
        self.check_everywhere(key);
        self.pause(400).await;
        self.check_everywhere(key);
        self.api.history.keys.revoked.lock().unwrap().push(Arc::clone(key));
    }

    /// Checks keys that were revoked, mostly of late.
    async fn doubt(mut self) {
        while !self.is_over() {
            self.pause(40).await;
            let key = {
                let all = self.api.history.keys.revoked.lock().unwrap();
                let from = if self.rng.random_bool(0.7) { all.len().saturating_sub(60) } else { 0 };
                if all.is_empty() { continue } else { Arc::clone(&all[self.rng.random_range(from..all.len())]) }
            };
            let node = self.node();
            self.api.check_aside(node, &key);
        }
    }
}
