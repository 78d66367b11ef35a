//! The writer's state for `/readyz` and the metrics.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::ambient::Histogram;
use crate::ambient::histogram::Snapshot;

#[derive(Debug, Clone)]
pub struct WriterState {
    /// Time from BEGIN until a commit is durable, in microseconds.
    pub commit_micros: Snapshot,
    /// The number of verbs per commit.
    pub batch_sizes: Snapshot,
    /// Whether the last commit failed.
    pub failing: bool,
}

pub(in crate::store) struct Counters {
    pub commit_micros: Histogram<12>,
    pub batch_sizes: Histogram<9>,
    pub failing: AtomicBool,
}

impl Counters {
    pub fn new() -> Self {
        let micros = [100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 500_000, 2_000_000];
        Counters {
            commit_micros: Histogram::new(micros),
            batch_sizes: Histogram::new([1, 2, 4, 8, 16, 32, 64, 128, 256]),
            failing: AtomicBool::new(false),
        }
    }

    pub fn state(&self) -> WriterState {
        WriterState {
            commit_micros: self.commit_micros.snapshot(),
            batch_sizes: self.batch_sizes.snapshot(),
            failing: self.failing.load(Ordering::Relaxed),
        }
    }
}
