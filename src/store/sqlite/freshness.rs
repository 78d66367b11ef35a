//! Whether the index has all changes that other processes announced.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::announce::Announcement;

pub(super) struct Freshness {
    pub announcement: Arc<Announcement>,
    /// The announcement up to which the index has all changes.
    pub seen: AtomicU64,
}

impl Freshness {
    /// Nothing is in the index yet.
    pub fn new(announcement: Arc<Announcement>) -> Self {
        Freshness { announcement, seen: AtomicU64::new(u64::MAX) }
    }

    /// Costs one load from shared memory and one from our own, and no system call.
    pub fn is_current(&self) -> bool {
        self.announcement.read() == self.seen.load(Ordering::Acquire)
    }
}
