//! Checks how fast a peer reads: it must read at least [`super::deadlines::MIN_READ_RATE`] bytes per second, or everything
//! that waits for it.

use super::deadlines::DeadlineTicks;

/// What a peer has read since a window began. A window is as long as the deadline of an unread response.
#[derive(Debug, Clone, Copy)]
pub struct Reader {
    ticks: u32,
    taken: u64,
}

impl Reader {
    /// Begins the first window. `taken` is how many bytes the peer has read so far.
    pub fn begin(taken: u64) -> Self {
        Reader { ticks: 0, taken }
    }

    /// Counts a tick, and returns whether the peer was too slow in a window that ends with it.
    pub fn is_too_slow(&mut self, taken: u64, deadlines: &DeadlineTicks) -> bool {
        self.ticks += 1;
        if self.ticks < deadlines.unread {
            return false;
        }
        let since = taken.saturating_sub(self.taken);
        *self = Reader::begin(taken);
        since < deadlines.least_read
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::connection::deadlines::MIN_READ_RATE;

    #[test]
    fn each_window_is_measured_separately() {
        let deadlines = DeadlineTicks { idle: 75, head: 10, unread: 30, leaving: 2, least_read: 30 * MIN_READ_RATE };
        let slow_after = |rates: &[u64]| {
            let (mut reader, mut taken) = (Reader::begin(5), 5);
            rates.iter().position(|rate| {
                taken += rate;
                reader.is_too_slow(taken, &deadlines)
            })
        };
        assert_eq!(slow_after(&[40; 100]), Some(29));
        assert_eq!(slow_after(&[240; 1000]), None);
        let stops = [&[1_000_000; 60][..], &[0; 60]].concat();
        assert_eq!(slow_after(&stops), Some(89));
        let bursts = [&[0; 29][..], &[7200]].concat().repeat(5);
        assert_eq!(slow_after(&bursts), None);
    }
}
