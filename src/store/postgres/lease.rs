//! How long this node may answer from memory. The lease is extended only by a heartbeat that the database has committed
//! and whose changes the node has applied.

use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::nodes::Incarnation;
use crate::ambient::Moment;
use crate::model::{NodeFigures, PendingChange};

pub(super) struct Lease {
    length: Duration,
    /// When it ends, on the steady clock; 0 if there is none.
    end: AtomicI64,
    /// The wall clock minus the steady clock, when it was last extended.
    offset: AtomicI64,
    /// The revision that the index has.
    applied: AtomicI64,
    /// This run of the node, as the database knows it.
    incarnation: Mutex<Option<Incarnation>>,
    pub counts: NodeCounts,
    /// How many nodes there are, this one included.
    pub nodes: Arc<AtomicU32>,
    /// Whether a commit waits for a standby; `None` until that is known.
    has_standby: Mutex<Option<bool>>,
    pending: Mutex<Option<PendingChange>>,
}

/// What this node has counted, for the metrics.
#[derive(Default)]
pub(super) struct NodeCounts {
    pub heartbeats: AtomicU64,
    pub joins: AtomicU64,
    pub reloads: AtomicU64,
    pub evictions: AtomicU64,
}

impl Lease {
    pub fn new(length: Duration) -> Self {
        let (end, offset, applied) = (AtomicI64::new(0), AtomicI64::new(0), AtomicI64::new(-1));
        Lease {
            length,
            end,
            offset,
            applied,
            incarnation: Mutex::default(),
            counts: NodeCounts::default(),
            nodes: Arc::new(AtomicU32::new(1)),
            has_standby: Mutex::default(),
            pending: Mutex::default(),
        }
    }

    pub fn length(&self) -> Duration {
        self.length
    }

    /// Extends it to 0.99 of its length after the moment at which the heartbeat was sent.
    pub fn extend(&self, sent: Moment) {
        self.offset.store(sent.wall - sent.steady, Ordering::Release);
        self.end.fetch_max(sent.steady + nanos(self.length) / 100 * 99, Ordering::AcqRel);
    }

    pub fn drop_now(&self) {
        self.end.store(0, Ordering::Release);
    }

    pub fn is_held(&self) -> bool {
        self.is_held_at(Moment::now())
    }

    /// A wall clock that has run ahead by more than the lease shows that the machine stood still in a way that the
    /// steady clock did not count.
    fn is_held_at(&self, now: Moment) -> bool {
        let ahead = now.wall - now.steady - self.offset.load(Ordering::Acquire);
        now.steady < self.end.load(Ordering::Acquire) && ahead <= nanos(self.length)
    }

    /// What is left of it.
    fn left(&self) -> Duration {
        let now = Moment::now();
        let left = self.end.load(Ordering::Acquire) - now.steady;
        if self.is_held_at(now) { Duration::from_nanos(left.max(0).unsigned_abs()) } else { Duration::ZERO }
    }

    pub fn figures(&self) -> NodeFigures {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        NodeFigures {
            lease_left: self.left(),
            heartbeats: of(&self.counts.heartbeats),
            joins: of(&self.counts.joins),
            reloads: of(&self.counts.reloads),
            evictions: of(&self.counts.evictions),
            has_synchronous_standby: self.has_standby.lock().ok().and_then(|known| *known).unwrap_or(false),
            pending: self.pending.lock().ok().and_then(|pending| *pending),
        }
    }

    /// Says in the log what a commit is worth, at the start and whenever that changes.
    pub fn note_standby(&self, has_standby: bool) {
        let before = self.has_standby.lock().ok().and_then(|mut known| known.replace(has_standby));
        if before == Some(has_standby) {
            return;
        }
        if has_standby {
            tracing::info!(
                "PostgreSQL has a synchronous standby: an acknowledged change survives the loss of the primary"
            );
        } else {
            tracing::warn!(
                "PostgreSQL has no synchronous standby (synchronous_standby_names is empty): if its machine is lost, \
                 the last changes can be lost with it, and a key revoked by them is valid again"
            );
        }
    }

    pub fn set_pending(&self, change: Option<PendingChange>) {
        if let Ok(mut pending) = self.pending.lock() {
            *pending = change;
        }
    }

    pub fn incarnation(&self) -> Option<Incarnation> {
        self.incarnation.lock().ok().and_then(|held| *held)
    }

    pub fn set_incarnation(&self, run: Option<Incarnation>) {
        if let Ok(mut held) = self.incarnation.lock() {
            *held = run;
        }
    }

    pub fn set_applied(&self, revision: i64) {
        self.applied.store(revision, Ordering::Release);
    }

    pub fn applied(&self) -> i64 {
        self.applied.load(Ordering::Acquire)
    }
}

pub(super) fn nanos(span: Duration) -> i64 {
    i64::try_from(span.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn moment(seconds: f64, wall_ahead: i64) -> Moment {
        let steady = (seconds * SECOND as f64) as i64;
        Moment { steady, wall: steady + wall_ahead }
    }

    #[test]
    fn a_lease_ends_with_its_time_and_with_a_jump_of_the_wall_clock() {
        let lease = Lease::new(Duration::from_secs(5));
        assert!(!lease.is_held_at(moment(1.0, 0)), "there is none yet");
        lease.extend(moment(10.0, 7 * SECOND));
        lease.extend(moment(9.0, 7 * SECOND));
        assert!(lease.is_held_at(moment(14.94, 7 * SECOND)), "an older heartbeat does not shorten it");
        assert!(!lease.is_held_at(moment(14.96, 7 * SECOND)), "it ends after 0.99 of its length");
        assert!(lease.is_held_at(moment(12.0, 11 * SECOND)), "a small step of the wall clock");
        assert!(lease.is_held_at(moment(12.0, -100 * SECOND)), "a wall clock that was put back proves nothing");
        assert!(!lease.is_held_at(moment(12.0, 13 * SECOND)), "the machine stood still");
        lease.drop_now();
        assert!(!lease.is_held_at(moment(12.0, 7 * SECOND)));
    }
}
