//! The time: a wall clock for expiries, a steady clock for limits and timeouts.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::model::Time;

pub trait Clock: Send + Sync {
    fn now(&self) -> Time;
    /// Time since this clock was created; it never goes backwards.
    fn steady(&self) -> Duration;
}

pub struct SystemClock {
    started: Instant,
}

impl SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the only place that reads the system's time")]
    pub fn new() -> Self {
        SystemClock { started: Instant::now() }
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the only place that reads the system's time")]
    fn now(&self) -> Time {
        let millis = match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
            Err(before) => -i64::try_from(before.duration().as_millis()).unwrap_or(i64::MAX),
        };
        Time::from_millis(millis)
    }

    fn steady(&self) -> Duration {
        self.started.elapsed()
    }
}

/// A clock that a test controls.
pub struct ManualClock {
    millis: AtomicI64,
    steady: AtomicI64,
}

impl ManualClock {
    pub fn at(time: Time) -> Self {
        ManualClock { millis: AtomicI64::new(time.millis()), steady: AtomicI64::new(0) }
    }

    pub fn advance(&self, span: Duration) {
        let span = i64::try_from(span.as_millis()).expect("tests move by less than 292 million years");
        self.millis.fetch_add(span, Ordering::SeqCst);
        self.steady.fetch_add(span, Ordering::SeqCst);
    }

    /// Sets the wall clock, as when a wrong clock is corrected; no time passes.
    pub fn set(&self, time: Time) {
        self.millis.store(time.millis(), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Time {
        Time::from_millis(self.millis.load(Ordering::SeqCst))
    }

    fn steady(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.steady.load(Ordering::SeqCst)).unwrap_or(0))
    }
}
