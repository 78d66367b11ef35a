//! How long a peer may keep a connection waiting, as durations and as ticks of the reaper.

use std::time::Duration;

/// How long a peer has to read the end of a response to a request that we did not read to its end.
pub const LINGER: Duration = Duration::from_secs(2);

/// Minimum bytes per second, as in ASP.NET Core's Kestrel (`MinResponseDataRate`). A program that reads more slowly on
/// purpose is after our memory, not our response.
pub const MIN_READ_RATE: u64 = 240;

/// How long a peer may keep a connection waiting. Each can be exceeded by one tick: a second or less.
#[derive(Debug, Clone, Copy)]
pub struct Deadlines {
    /// Time from a response to the first byte of the next request.
    pub idle: Duration,
    /// Time from a request's first byte to the last byte of its head.
    pub head: Duration,
    /// Time in which the peer must read some of a response, and the window over which it must read at least `SLOWEST`
    /// bytes per second.
    pub unread: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Deadlines { idle: Duration::from_secs(75), head: Duration::from_secs(10), unread: Duration::from_secs(30) }
    }
}

/// The deadlines, counted in ticks.
#[derive(Clone, Copy)]
pub struct DeadlineTicks {
    pub idle: u32,
    pub head: u32,
    pub unread: u32,
    pub leaving: u32,
    /// Bytes that a peer must read within `unread` ticks, unless it has read everything.
    pub least_read: u64,
}

impl DeadlineTicks {
    /// Also returns the time from one tick to the next.
    pub fn of(deadlines: Deadlines) -> (Self, Duration) {
        let Deadlines { idle, head, unread } = deadlines;
        let every = idle.min(head).min(unread).div_f32(4.0).clamp(Duration::from_millis(10), Duration::from_secs(1));
        let ticks = |deadline: Duration| deadline.as_millis().div_ceil(every.as_millis()) as u32;
        let ticks = DeadlineTicks {
            idle: ticks(idle),
            head: ticks(head),
            unread: ticks(unread),
            leaving: ticks(LINGER),
            least_read: (MIN_READ_RATE * unread.as_millis() as u64 / 1000).max(1),
        };
        (ticks, every)
    }
}
