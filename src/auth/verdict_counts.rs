//! The number of verdicts of each kind. Each thread counts for itself, and a scrape adds the counts up.

use std::sync::atomic::{AtomicU64, Ordering};

use super::verify::{Refused, Verdict};
use crate::ambient::PerThread;
use crate::error::Result;
use crate::model::Refusal;

/// The codes by which verdicts are counted: few and fixed, so that clients cannot invent any.
pub const CODES: [&str; 11] = [
    "valid",
    "malformed",
    "not_found",
    "expired",
    "disabled",
    "owner_deactivated",
    "insufficient_scope",
    "ip_not_allowed",
    "rate_limited",
    "throttled",
    "unavailable",
];

pub struct VerdictCounts(PerThread<[AtomicU64; CODES.len()]>);

impl Default for VerdictCounts {
    fn default() -> Self {
        VerdictCounts(PerThread::new(|| std::array::from_fn(|_| AtomicU64::new(0))))
    }
}

impl VerdictCounts {
    pub fn count<T>(&self, verdict: &Result<Verdict<T>>) {
        let code = match verdict {
            Ok(Ok(_)) => 0,
            Ok(Err(Refused { held_back: Some(_), .. })) => 9,
            Ok(Err(bad)) => place(bad.refusal),
            Err(_) => 10,
        };
        self.0.own()[code].fetch_add(1, Ordering::Relaxed);
    }

    /// Each code with its count.
    pub fn totals(&self) -> Vec<(&'static str, u64)> {
        let sum = |code: usize| self.0.all().map(|own| own[code].load(Ordering::Relaxed)).sum();
        CODES.iter().enumerate().map(|(code, name)| (*name, sum(code))).collect()
    }
}

fn place(refusal: Refusal) -> usize {
    match refusal {
        Refusal::Malformed => 1,
        Refusal::NotFound => 2,
        Refusal::Expired => 3,
        Refusal::Disabled => 4,
        Refusal::OwnerDeactivated => 5,
        Refusal::InsufficientScope => 6,
        Refusal::IpNotAllowed => 7,
        Refusal::RateLimited => 8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_is_counted_under_its_own_code() {
        let tally = VerdictCounts::default();
        for refusal in Refusal::ALL {
            tally.count::<()>(&Ok(Err(Refused { refusal, allowance: None, held_back: None })));
            assert_eq!(CODES[place(refusal)], refusal.code());
        }
        assert!(tally.totals()[1..9].iter().all(|(_, count)| *count == 1));
    }
}
