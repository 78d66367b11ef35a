//! The usage thread: collects what threads counted, appends it to the journal, folds journals into
//! the database, and prunes what is older than it is kept.

use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::{Usage, lock};
use crate::ambient::{Clock, Entropy};
use crate::error::{Error, Result};
use crate::model::usage::{Hour, Pending, merge, sorted};
use crate::store::{Journal, Store, USAGE_CHUNK};

/// What a killed process may lose.
const COLLECT: Duration = Duration::from_millis(500);
/// Few rows are folded soon, many seldom, so that a row stands for many uses.
const FOLD_SOON: Duration = Duration::from_secs(2);
const FOLD_LATE: Duration = Duration::from_secs(120);
const FEW: usize = 2_000;
const PRUNE: Duration = Duration::from_secs(600);

/// Stops the thread, after everything is folded, when told so.
pub struct Collector {
    order: SyncSender<()>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Collector {
    /// `retention`: how long hourly counts are kept.
    pub fn start(
        usage: Usage,
        store: Arc<Store>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        retention: Duration,
    ) -> Result<Self> {
        let (order, orders) = sync_channel::<()>(1);
        let mut work = Work {
            usage,
            journal: store.usage_journal(),
            store,
            clock,
            entropy,
            retention,
            missed: Pending::default(),
            folded_at: Duration::ZERO,
            pruned_at: Duration::ZERO,
        };
        let run = move || {
            // Verifications come first: on Linux this is the thread's own priority. Refused, it only
            // competes as an equal.
            let _ = rustix::process::nice(10);
            work.recover();
            loop {
                let is_last = !matches!(orders.recv_timeout(COLLECT), Err(RecvTimeoutError::Timeout));
                work.collect();
                work.fold_if_due(is_last);
                if is_last {
                    return;
                }
                work.prune_if_due();
            }
        };
        let thread = thread::Builder::new().name("usage".into()).spawn(run).map_err(Error::unavailable)?;
        Ok(Collector { order, thread: Mutex::new(Some(thread)) })
    }

    /// Returns when every count is in the database.
    pub fn stop(&self) {
        let _ = self.order.try_send(()); // told already
        if let Some(thread) = self.thread.lock().ok().and_then(|mut thread| thread.take()) {
            let _ = thread.join(); // its panic is in the log
        }
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.stop();
    }
}

struct Work {
    usage: Usage,
    journal: Journal,
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    retention: Duration,
    /// Collected, but the journal could not be written.
    missed: Pending,
    folded_at: Duration,
    pruned_at: Duration,
}

impl Work {
    /// What a crashed process left in its journals.
    fn recover(&mut self) {
        // Twice: one that was being folded, one that was being written.
        for _ in 0..2 {
            self.fold();
        }
    }

    fn collect(&mut self) {
        let mut batch = std::mem::take(&mut self.missed);
        for buffer in self.usage.0.buffers.all() {
            let taken = std::mem::take(&mut lock(buffer).uses);
            if batch.is_empty() {
                batch = taken;
            } else {
                merge(&mut batch, taken);
            }
        }
        if batch.is_empty() {
            return;
        }
        if let Err(error) = self.append(&batch) {
            tracing::warn!(%error, "usage counts were not written; a crash would lose them");
            self.missed = batch;
            return;
        }
        merge(&mut lock(&self.usage.0.pending), batch);
    }

    fn append(&mut self, batch: &Pending) -> Result<()> {
        // Names a journal for good: what is folded of it is noted under this number.
        let number = i64::from_le_bytes(self.entropy.bytes()?);
        self.journal.append(batch, number)
    }

    fn fold_if_due(&mut self, is_last: bool) {
        let waiting = lock(&self.usage.0.pending).len();
        let since = self.clock.steady().saturating_sub(self.folded_at);
        if is_last || (since >= FOLD_SOON && waiting <= FEW) || since >= FOLD_LATE {
            self.folded_at = self.clock.steady();
            self.fold();
        }
    }

    /// Moves one journal into the database. What fails is tried again at the next turn; the note of
    /// how far it came goes with each chunk, so nothing is counted twice.
    fn fold(&mut self) {
        if let Err(error) = self.try_fold() {
            tracing::warn!(%error, "usage counts were not folded in; they are kept and tried again");
        }
    }

    fn try_fold(&mut self) -> Result<()> {
        let Some(finished) = self.journal.finish()? else { return Ok(()) };
        // What the journal holds is what was pending, or what an earlier process or turn left.
        let taken = std::mem::take(&mut *lock(&self.usage.0.pending));
        *lock(&self.usage.0.folding) = Arc::new(taken);
        let rows = sorted(finished.pending);
        let mut folded = block_on(self.store.folded_rows(finished.number))?.min(rows.len());
        while folded < rows.len() {
            let chunk = &rows[folded..(folded + USAGE_CHUNK).min(rows.len())];
            folded += chunk.len();
            block_on(self.store.fold_usage(finished.number, folded, chunk.to_vec()))?;
        }
        self.journal.remove_finished()?;
        *lock(&self.usage.0.folding) = Arc::default();
        block_on(self.store.forget_folds_but(finished.number))
    }

    fn prune_if_due(&mut self) {
        if self.clock.steady().saturating_sub(self.pruned_at) < PRUNE && !self.pruned_at.is_zero() {
            return;
        }
        self.pruned_at = self.clock.steady().max(Duration::from_nanos(1));
        let oldest = Hour::of(self.clock.now().minus(self.retention));
        loop {
            match block_on(self.store.prune(oldest)) {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => return tracing::warn!(%error, "old usage counts were not pruned; tried again later"),
            }
        }
    }
}

fn block_on<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    futures_executor::block_on(future)
}
