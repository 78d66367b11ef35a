//! A lock-free histogram for the latencies and batch sizes in the metrics.

use std::sync::atomic::{AtomicU64, Ordering};

/// `bounds` are ascending, inclusive upper bounds; larger values are counted in an extra bucket.
pub struct Histogram<const N: usize> {
    bounds: [u64; N],
    counts: [AtomicU64; N],
    larger: AtomicU64,
    sum: AtomicU64,
}

/// The state of a histogram at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Each bucket's upper bound (`None` means infinity) and its own count.
    pub buckets: Vec<(Option<u64>, u64)>,
    pub sum: u64,
}

impl<const N: usize> Histogram<N> {
    pub fn new(bounds: [u64; N]) -> Self {
        Histogram {
            bounds,
            counts: std::array::from_fn(|_| AtomicU64::new(0)),
            larger: AtomicU64::new(0),
            sum: AtomicU64::new(0),
        }
    }

    pub fn observe(&self, value: u64) {
        let bucket = self.bounds.iter().position(|bound| value <= *bound);
        bucket.map_or(&self.larger, |at| &self.counts[at]).fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    pub fn snapshot(&self) -> Snapshot {
        let bounded =
            self.bounds.iter().zip(&self.counts).map(|(bound, count)| (Some(*bound), count.load(Ordering::Relaxed)));
        let larger = (None, self.larger.load(Ordering::Relaxed));
        Snapshot { buckets: bounded.chain([larger]).collect(), sum: self.sum.load(Ordering::Relaxed) }
    }
}

impl Snapshot {
    /// The sum of two histograms with the same bounds.
    pub fn plus(mut self, other: &Snapshot) -> Snapshot {
        for (own, more) in self.buckets.iter_mut().zip(&other.buckets) {
            own.1 += more.1;
        }
        self.sum += other.sum;
        self
    }

    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|(_, count)| count).sum()
    }
}
