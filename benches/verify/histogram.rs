//! Latencies in log-linear buckets: 128 a power of two, so a quantile is off by less than 0.8 %.

use std::time::Duration;

const STEPS_BITS: u32 = 7;
const STEPS: usize = 1 << STEPS_BITS;
const BUCKETS: usize = STEPS * (64 - STEPS_BITS as usize + 1);

pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
    longest: u64,
}

impl Histogram {
    pub fn new() -> Self {
        Self { counts: vec![0; BUCKETS], total: 0, longest: 0 }
    }

    pub fn record(&mut self, latency: Duration) {
        let nanoseconds = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        self.counts[bucket(nanoseconds)] += 1;
        self.total += 1;
        self.longest = self.longest.max(nanoseconds);
    }

    pub fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.total += other.total;
        self.longest = self.longest.max(other.longest);
    }

    pub fn total(&self) -> u64 {
        self.total
    }

    /// The latency that `share` (0 to 1) of the requests did not exceed, in microseconds; 0 when nothing was recorded.
    pub fn quantile(&self, share: f64) -> f64 {
        let wanted = (self.total as f64 * share).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return upper_bound(index).min(self.longest) as f64 / 1000.0;
            }
        }
        self.longest()
    }

    /// In microseconds.
    pub fn longest(&self) -> f64 {
        self.longest as f64 / 1000.0
    }
}

fn bucket(value: u64) -> usize {
    if value < STEPS as u64 {
        return value as usize;
    }
    let shift = value.ilog2() - STEPS_BITS;
    shift as usize * STEPS + (value >> shift) as usize
}

fn upper_bound(bucket: usize) -> u64 {
    if bucket < STEPS {
        return bucket as u64;
    }
    let shift = bucket / STEPS - 1;
    let step = (bucket - shift * STEPS) as u64;
    (step << shift) + ((1 << shift) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_in_a_bucket_whose_upper_bound_is_near() {
        for exponent in 0..63 {
            for value in [1u64 << exponent, (1 << exponent) + 1, (1 << exponent) * 3 / 2, (2u64 << exponent) - 1] {
                let upper = upper_bound(bucket(value));
                assert!(upper >= value, "{value} is above its bucket's {upper}");
                assert!((upper - value) as f64 <= value as f64 / 128.0, "{value} reads as {upper}");
            }
        }
        assert!(bucket(u64::MAX) < BUCKETS);
    }

    #[test]
    fn quantiles_of_a_ramp_are_where_they_should_be() {
        let mut histogram = Histogram::new();
        for microseconds in 1..=10_000 {
            histogram.record(Duration::from_micros(microseconds));
        }
        for (share, expected) in [(0.5, 5_000.0), (0.99, 9_900.0), (1.0, 10_000.0)] {
            let found = histogram.quantile(share);
            assert!((found / expected - 1.0).abs() < 0.008, "{share}: {found}");
        }
    }

    #[test]
    fn merging_adds_up() {
        let (mut left, mut right) = (Histogram::new(), Histogram::new());
        left.record(Duration::from_micros(1));
        right.record(Duration::from_millis(1));
        left.merge(&right);
        assert_eq!((left.total(), left.longest()), (2, 1000.0));
    }
}
