//! Whether every worker still runs its tasks. A worker that is blocked answers nobody, while the rest of the process
//! looks well.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

/// The pulses of all workers.
pub struct Pulses {
    began: Instant,
    workers: Mutex<Vec<Weak<AtomicU64>>>,
}

/// A worker's pulse. Its worker drops it when it ends.
pub struct Pulse {
    began: Instant,
    /// When it was last felt, in milliseconds since `began`.
    last: Arc<AtomicU64>,
}

impl Pulses {
    #[expect(clippy::disallowed_methods, reason = "liveness is measured on the real clock")]
    pub fn new() -> Arc<Self> {
        Arc::new(Pulses { began: Instant::now(), workers: Mutex::default() })
    }

    /// The pulse of one more worker, which has just been felt.
    pub fn join(&self) -> Pulse {
        let pulse = Pulse { began: self.began, last: Arc::default() };
        pulse.beat();
        if let Ok(mut workers) = self.workers.lock() {
            workers.push(Arc::downgrade(&pulse.last));
        }
        pulse
    }

    /// Whether every worker has had a pulse within this time.
    pub fn are_felt_within(&self, limit: Duration) -> bool {
        let now = millis(self.began.elapsed());
        let limit = millis(limit);
        let Ok(mut workers) = self.workers.lock() else { return false };
        workers.retain(|worker| worker.strong_count() > 0);
        let is_felt = |last: Arc<AtomicU64>| now.saturating_sub(last.load(Ordering::Relaxed)) <= limit;
        workers.iter().filter_map(Weak::upgrade).all(is_felt)
    }
}

impl Pulse {
    pub fn beat(&self) {
        self.last.store(millis(self.began.elapsed()), Ordering::Relaxed);
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_that_stands_still_is_noticed_until_it_goes_on_or_ends() {
        let pulses = Pulses::new();
        let (first, second) = (pulses.join(), pulses.join());
        std::thread::sleep(Duration::from_millis(30));
        first.beat();
        assert!(!pulses.are_felt_within(Duration::from_millis(20)), "the second stands still");
        assert!(pulses.are_felt_within(Duration::from_secs(60)));
        second.beat();
        first.beat();
        assert!(pulses.are_felt_within(Duration::from_secs(10)));
        second.last.store(0, Ordering::Relaxed);
        drop(second);
        first.beat();
        assert!(pulses.are_felt_within(Duration::from_secs(10)), "a worker that has ended is not waited for");
    }
}
