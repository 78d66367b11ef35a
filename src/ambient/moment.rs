//! Time by which a lease runs out: a clock that also counts while the machine is suspended, beside the wall clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, Timespec, clock_gettime};

/// CLOCK_MONOTONIC stands still while Linux is suspended; CLOCK_BOOTTIME does not (clock_gettime(2)).
#[cfg(target_os = "linux")]
const STEADY: ClockId = ClockId::Boottime;
#[cfg(not(target_os = "linux"))]
const STEADY: ClockId = ClockId::Monotonic;

/// One moment on both clocks, in nanoseconds.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    pub steady: i64,
    pub wall: i64,
}

impl Moment {
    /// Costs no system call on Linux. The wall clock is read as everywhere else, through libc: rustix reads it past
    /// libc, where a preloaded library could not move it, and `tests/nodes-proof` moves it.
    #[expect(clippy::disallowed_methods, reason = "the only place that reads both clocks at once")]
    pub fn now() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Moment { steady: nanos(clock_gettime(STEADY)), wall: i64::try_from(wall.as_nanos()).unwrap_or(i64::MAX) }
    }

    /// How long ago this was, on the steady clock.
    pub fn elapsed(self) -> Duration {
        Duration::from_nanos((Moment::now().steady - self.steady).max(0).unsigned_abs())
    }
}

fn nanos(time: Timespec) -> i64 {
    time.tv_sec.saturating_mul(1_000_000_000).saturating_add(time.tv_nsec)
}
