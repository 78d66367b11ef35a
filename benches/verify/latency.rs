//! The latencies of a measurement, and their quantiles.

use std::time::Duration;

/// Every latency in nanoseconds.
pub struct Latencies(Vec<u32>);

impl Latencies {
    /// Room for `count` latencies, so that the generator does not copy them while it measures.
    pub fn with_room(count: usize) -> Self {
        Self(Vec::with_capacity(count))
    }

    pub fn record(&mut self, latency: Duration) {
        self.0.push(u32::try_from(latency.as_nanos()).unwrap_or(u32::MAX));
    }

    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// For each share (0 to 1), the latency in microseconds that this share of the requests did not exceed.
    pub fn quantiles<const N: usize>(mut self, shares: [f64; N]) -> [f64; N] {
        self.0.sort_unstable();
        let count = self.0.len();
        shares.map(|share| {
            let rank = (count as f64 * share).ceil() as usize;
            self.0.get(rank.max(1) - 1).map_or(0.0, |latency| f64::from(*latency) / 1000.0)
        })
    }
}
