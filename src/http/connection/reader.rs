//! How fast a peer takes what waits for it: at least [`SLOWEST`] bytes a second, or all.

use super::watch::Limits;

/// Bytes a second, as in ASP.NET Core's Kestrel (`MinResponseDataRate`). A program that takes less on purpose
/// wants our memory, not our answer.
pub const SLOWEST: u64 = 240;

/// What a peer has taken since a window began; a window is as long as the deadline of an unread answer.
#[derive(Debug, Clone, Copy)]
pub struct Reader {
    looks: u32,
    taken: u64,
}

impl Reader {
    /// The first window begins. `taken` is how many bytes the peer has taken so far.
    pub fn begin(taken: u64) -> Self {
        Reader { looks: 0, taken }
    }

    /// At a later look: whether the peer was too slow in the window that ends now.
    pub fn is_too_slow(&mut self, taken: u64, limits: &Limits) -> bool {
        self.looks += 1;
        if self.looks < limits.unread {
            return false;
        }
        let since = taken.saturating_sub(self.taken);
        *self = Reader::begin(taken);
        since < limits.least_read
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_window_is_judged_by_itself() {
        let limits = Limits { idle: 75, head: 10, unread: 30, leaving: 2, least_read: 30 * SLOWEST };
        let slow_after = |rates: &[u64]| {
            let (mut reader, mut taken) = (Reader::begin(5), 5);
            rates.iter().position(|rate| {
                taken += rate;
                reader.is_too_slow(taken, &limits)
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
