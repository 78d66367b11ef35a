//! What was answered and when, and the judgement of each check. Times are microseconds of this process's steady clock.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::load::Keys;
use super::network::node;

/// A key whose creation was answered.
pub struct Key {
    pub id: String,
    pub text: String,
    track: Mutex<Track>,
}

#[derive(Default)]
struct Track {
    /// From the answer to a disabling until an enabling was sent.
    disabled: Vec<(u64, Option<u64>)>,
    revoked: Option<u64>,
    /// Which node gave that answer, and its status.
    revoked_by: (usize, u16),
    /// A change may yet come into force that was sent long ago.
    is_unclear: bool,
}

impl Key {
    pub fn new(id: String, text: String) -> Self {
        Key { id, text, track: Mutex::default() }
    }

    pub fn enabling(&self, history: &History) {
        if let Some((_, until)) = self.track.lock().unwrap().disabled.last_mut() {
            *until = Some(history.now());
        }
    }

    /// An enabling without an answer can be carried out at any later time, so nothing bars this key but a revocation;
    /// a disabling without an answer can too, so nothing can be said of the key at the end.
    pub fn note_unclear(&self) {
        let mut track = self.track.lock().unwrap();
        track.is_unclear = true;
        track.disabled.clear();
    }

    pub fn is_unclear(&self) -> bool {
        self.track.lock().unwrap().is_unclear
    }

    pub fn is_revoked(&self) -> bool {
        self.track.lock().unwrap().revoked.is_some()
    }

    pub fn is_disabled(&self) -> bool {
        self.track.lock().unwrap().disabled.last().is_some_and(|(_, until)| until.is_none())
    }

    /// The answer after which this check was sent, if it forbids "valid".
    fn forbidden(&self, check: &Check) -> Option<u64> {
        let track = self.track.lock().unwrap();
        let disabled = |&&(from, until): &&(u64, Option<u64>)| {
            from < check.sent && until.is_none_or(|until| check.received < until)
        };
        let revoked = track.revoked.filter(|&at| at < check.sent);
        revoked.or_else(|| track.disabled.iter().find(disabled).map(|&(from, _)| from))
    }
}

#[derive(Clone, Copy)]
pub struct Check {
    pub node: u8,
    /// 0: no answer.
    pub status: u16,
    pub sent: u64,
    pub received: u64,
}

#[derive(Default)]
pub struct History {
    began: Option<Instant>,
    pub checks: Mutex<Vec<(u16, u8)>>,
    pub revocations: AtomicUsize,
    pub disablings: AtomicUsize,
    /// Changes without an answer in time, or with 5xx.
    pub unknown: AtomicUsize,
    /// Revocations whose last answer was 404, after an earlier try whose outcome was unknown.
    pub found_gone: AtomicUsize,
    /// Of the answered revocations, in microseconds, and whether no fault was active meanwhile.
    pub latencies: Mutex<Vec<(u64, bool)>>,
    /// What breaks the promise.
    pub violations: Mutex<Vec<String>>,
    faults: Mutex<Vec<Fault>>,
    pub keys: Keys,
}

struct Fault {
    name: String,
    began: u64,
    ended: Option<u64>,
}

impl History {
    pub fn new() -> Self {
        History { began: Some(Instant::now()), ..History::default() }
    }

    pub fn now(&self) -> u64 {
        self.began.map_or(0, |began| began.elapsed().as_micros() as u64)
    }

    pub fn note(&self, key: &Arc<Key>, check: Check) {
        self.checks.lock().unwrap().push((check.status, check.node));
        if check.status == 200
            && let Some(at) = key.forbidden(&check)
        {
            let (answering, answer) = key.track.lock().unwrap().revoked_by;
            let what = match key.is_revoked() {
                true => format!("revoked by {} with {answer}", node(answering)),
                false => "disabled".to_owned(),
            };
            self.violate(format!(
                "{} said 200 to key {}, {what} at {}: sent {}, received {} ({} after the answer); faults: {}",
                node(check.node.into()),
                key.id,
                seconds(at),
                seconds(check.sent),
                seconds(check.received),
                seconds(check.sent - at),
                self.faults_between(at.saturating_sub(3_000_000), check.received),
            ));
        }
    }

    pub fn violate(&self, what: String) {
        let mut all = self.violations.lock().unwrap();
        if all.len() < 20 {
            println!("VIOLATION: {what}");
        }
        all.push(what);
    }

    /// The time is taken under the lock: a check that is sent later is judged by it.
    pub fn note_revoked(&self, key: &Key, node: usize, status: u16, sent: u64) {
        let mut track = key.track.lock().unwrap();
        let now = self.now();
        track.revoked = Some(now);
        track.revoked_by = (node, status);
        drop(track);
        self.revocations.fetch_add(1, Ordering::Relaxed);
        let is_quiet = self.faults_between(sent.saturating_sub(3_000_000), now).is_empty();
        self.latencies.lock().unwrap().push((now - sent, is_quiet));
    }

    pub fn note_disabled(&self, key: &Key) {
        let mut track = key.track.lock().unwrap();
        track.disabled.push((self.now(), None));
        drop(track);
        self.disablings.fetch_add(1, Ordering::Relaxed);
    }

    pub fn begin_fault(&self, name: &str) -> usize {
        let mut faults = self.faults.lock().unwrap();
        println!("{:>8} {name}", seconds(self.now()));
        faults.push(Fault { name: name.to_owned(), began: self.now(), ended: None });
        faults.len() - 1
    }

    pub fn end_fault(&self, number: usize) {
        self.faults.lock().unwrap()[number].ended = Some(self.now());
    }

    pub fn fault_names(&self) -> Vec<String> {
        self.faults.lock().unwrap().iter().map(|fault| fault.name.clone()).collect()
    }

    fn faults_between(&self, from: u64, to: u64) -> String {
        let faults = self.faults.lock().unwrap();
        let active = faults.iter().filter(|fault| fault.began <= to && fault.ended.is_none_or(|ended| ended >= from));
        let text = |fault: &Fault| {
            format!("{} {}-{}", fault.name, seconds(fault.began), fault.ended.map(seconds).unwrap_or_default())
        };
        active.map(text).collect::<Vec<_>>().join(", ")
    }
}

pub fn seconds(micros: u64) -> String {
    format!("{}.{:03}s", micros / 1_000_000, micros / 1000 % 1000)
}
