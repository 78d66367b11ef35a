//! The usage thread: collects recorded uses from the threads, appends them to the journal, adds them to the counts,
//! finishes journals when due, folds them into the database, and prunes expired counts.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_executor::block_on;

use super::fold::{CHUNK, FEW, Fold, SMALL_CHUNK};
use super::{Usage, lock};
use crate::ambient::background::{Orders, give_way};
use crate::ambient::{Background, Clock, Entropy};
use crate::error::{Error, Result};
use crate::model::usage::{Hour, Uses};
use crate::store::{Journal, Store, Urgency, UsageSums};

/// Interval between collections, and so the typical loss of usage counts at `kill -9`. It is not a bound: a collection
/// that is delayed loses more.
const COLLECT: Duration = Duration::from_millis(125);
/// Target number of uses per collection: under load the pause shrinks, so that the uses are still in the cache. A
/// smaller target would collect too often: a collection blocks one worker's core for half a millisecond, and fewer
/// than one in a hundred requests should meet one.
const HANDFUL: usize = 10_000;
const COLLECT_SOONEST: Duration = Duration::from_millis(20);
/// A few rows are folded soon, many rarely, so that each row stands for many uses.
const FOLD_SOON: Duration = Duration::from_secs(2);
const FOLD_LATE: Duration = Duration::from_secs(120);
const PRUNE: Duration = Duration::from_secs(600);
/// Rows removed per transaction; few, so that a revocation never waits long behind it.
const PRUNED_AT_ONCE: usize = 256;
/// A full disk fails at every turn; the log reports it less often.
const COMPLAIN: Duration = Duration::from_secs(10);
/// Uses added under one lock, which limits how long look-ups of a last use wait.
const ADDED_AT_ONCE: usize = 2048;
/// How many uses ahead a slot is prefetched.
const AHEAD: usize = 16;
/// A journal is rewritten as totals when it is larger than this, than four times the totals without their clients, and
/// than twice what remained the last time.
const LARGE: u64 = 64 << 20;

/// Stopping it writes every count to the database.
pub struct Collector(Background);

impl Collector {
    /// `retention` is how long hourly counts are kept.
    pub fn start(
        usage: Usage,
        store: Arc<Store>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        retention: Duration,
    ) -> Result<Self> {
        let mut work = CollectorLoop {
            usage,
            journal: store.usage_journal(),
            resets: store.index().resets(),
            recycled: store.index().recycled(),
            fold: Fold::new(Arc::clone(&store)),
            store,
            clock,
            entropy,
            retention,
            pause: COLLECT,
            finished_at: Duration::ZERO,
            pruned_at: Duration::ZERO,
            complained_at: None,
        };
        let run = move |orders: Orders| {
            give_way();
            work.attempt("usage counts left by a crash", |work| work.journal.recover());
            while !orders.to_stop_within(work.pause) {
                work.turn();
            }
            work.finish_up();
        };
        Background::start("usage", run).map(Collector)
    }

    /// Returns when every count is in the database.
    pub fn stop(&self) {
        self.0.stop();
    }
}

struct CollectorLoop {
    usage: Usage,
    journal: Journal,
    fold: Fold,
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    retention: Duration,
    /// The index's reset count when these counts started.
    resets: u64,
    /// The number of entries that the index had released when the last turn began.
    recycled: u64,
    /// The pause until the next turn.
    pause: Duration,
    finished_at: Duration,
    pruned_at: Duration,
    /// When a failure was last logged.
    complained_at: Option<Duration>,
}

impl CollectorLoop {
    fn turn(&mut self) {
        let since = self.pause;
        self.collect();
        if self.is_due() {
            self.attempt("usage counts", CollectorLoop::finish);
        }
        self.prune_if_due();
        if self.attempt("finished usage counts", |work| work.fold.open(&work.journal)) == Some(true) {
            match self.fold.due(since) {
                Some(steps) => self.fold_some(steps, SMALL_CHUNK),
                None => self.fold_some(u32::MAX, CHUNK),
            };
        }
        self.usage.0.folding.store(self.fold.left(), Ordering::Relaxed);
    }

    fn finish_up(&mut self) {
        self.collect();
        self.attempt("usage counts", CollectorLoop::finish);
        while self.attempt("finished usage counts", |work| work.fold.open(&work.journal)) == Some(true) {
            if !self.fold_some(u32::MAX, CHUNK) {
                return;
            }
        }
    }

    /// Returns false if it failed.
    fn fold_some(&mut self, steps: u32, rows: usize) -> bool {
        for _ in 0..steps {
            match self.attempt("usage counts in the database", |work| work.fold.step(rows)) {
                None => return false,
                Some(false) => break,
                Some(true) => {}
            }
        }
        true
    }

    fn collect(&mut self) {
        // A separate handle, so that the buffers can be iterated while `self` changes.
        let usage = self.usage.clone();
        let recycled = self.store.index().recycled();
        let mut collected = 0;
        for buffer in usage.0.buffers.all() {
            let noted = lock(buffer).take();
            collected += noted.uses.len();
            if !noted.uses.is_empty() {
                self.attempt("usage counts", |work| {
                    // The journal's permanent number, under which its folded rows are recorded.
                    let number = work.number()?;
                    work.journal.append(noted.clients.list(), &noted.uses, number)
                });
                self.count(&noted.uses, &noted.clients);
            }
            lock(buffer).give_back(noted);
        }
        self.recycled = recycled;
        let handfuls = (collected as f64 / HANDFUL as f64).max(0.25);
        self.pause = self.pause.div_f64(handfuls).clamp(COLLECT_SOONEST, COLLECT);
        let sums = lock(&usage.0.counts).rows() * Uses::BYTES as u64;
        if self.journal.bytes() > LARGE.max(4 * sums).max(2 * self.journal.rewritten()) {
            self.attempt("the usage journal", |work| {
                let number = work.number()?;
                work.with_sums(|journal, sums| journal.rewrite(sums, number))
            });
        }
    }

    fn count(&self, uses: &Uses, clients: &super::clients::UseOrigins) {
        let index = self.store.index();
        let clients = lock(&self.usage.0.counts).translate(clients);
        // If the index has released no entry since the last turn began, entry ownership needs no check.
        let is_steady = index.recycled() == self.recycled;
        let mut ahead = uses.iter().skip(AHEAD);
        let mut uses = uses.iter().peekable();
        while uses.peek().is_some() {
            let mut counts = lock(&self.usage.0.counts);
            for used in uses.by_ref().take(ADDED_AT_ONCE) {
                if let Some(later) = ahead.next() {
                    counts.fetch(later.number);
                }
                let client = clients.get(used.client as usize).copied().unwrap_or_default();
                counts.add(&used, client, |number, key| is_steady || index.key_at(number) == Some(*key));
            }
        }
    }

    /// Whether the journal should be finished: at the end of the hour, or when it is time to fold, but only once the
    /// previous journal is folded.
    fn is_due(&self) -> bool {
        let counts = lock(&self.usage.0.counts);
        let Some(hour) = counts.hour() else { return false };
        let since = self.clock.steady().saturating_sub(self.finished_at);
        let pause = if counts.rows() <= FEW { FOLD_SOON } else { FOLD_LATE };
        hour != Hour::of(self.clock.now()) || (self.fold.left() == 0 && since >= pause)
    }

    fn finish(&mut self) -> Result<()> {
        self.finished_at = self.clock.steady();
        if lock(&self.usage.0.counts).rows() == 0 {
            return Ok(());
        }
        let number = self.number()?;
        if self.has_started_over() {
            // The counts' numbers now mean other keys; the journal contains the ids of all of them.
            self.journal.finish_unchanged()?;
            lock(&self.usage.0.counts).forget();
            self.resets = self.store.index().resets();
            return Ok(());
        }
        self.with_sums(|journal, sums| journal.finish(sums, number))?;
        lock(&self.usage.0.counts).start_over();
        Ok(())
    }

    fn has_started_over(&self) -> bool {
        self.store.index().resets() != self.resets
    }

    /// Passes the totals of all counts to `write`, piece by piece; fails if the index starts over meanwhile.
    fn with_sums<T>(&mut self, write: impl FnOnce(&mut Journal, UsageSums<'_>) -> Result<T>) -> Result<T> {
        let (store, usage, resets) = (Arc::clone(&self.store), self.usage.clone(), self.resets);
        let pieces = lock(&usage.0.counts).pieces();
        let of_pieces =
            (0..pieces).map(|piece| lock(&usage.0.counts).sums(piece, |number| store.index().key_at(number)));
        let strays = std::iter::once_with(|| lock(&usage.0.counts).stray_sums());
        let batches = of_pieces.chain(strays).filter(|(_, uses)| !uses.is_empty()).map(Ok);
        let proof = std::iter::once_with(|| {
            let is_sound = store.index().resets() == resets;
            if is_sound { Ok((Vec::new(), Uses::default())) } else { Err(Error::unavailable("the index started over")) }
        });
        write(&mut self.journal, &mut batches.chain(proof))
    }

    fn number(&self) -> Result<i64> {
        Ok(i64::from_le_bytes(self.entropy.bytes()?))
    }

    /// Logs a failure; its data is kept and tried again.
    fn attempt<T>(&mut self, what: &str, act: impl FnOnce(&mut Self) -> Result<T>) -> Option<T> {
        let outcome = act(self);
        if let Err(error) = &outcome {
            let now = self.clock.steady();
            if self.complained_at.is_none_or(|last| now.saturating_sub(last) >= COMPLAIN) {
                self.complained_at = Some(now);
                tracing::warn!(%error, "cannot write {what}; keeping it in memory and trying again");
            }
        }
        outcome.ok()
    }

    fn prune_if_due(&mut self) {
        if self.clock.steady().saturating_sub(self.pruned_at) < PRUNE && !self.pruned_at.is_zero() {
            return;
        }
        self.pruned_at = self.clock.steady().max(Duration::from_nanos(1));
        let oldest = Hour::of(self.clock.now().minus(self.retention));
        loop {
            match block_on(
                self.store.write(Urgency::Ordinary, move |tx| tx.delete_hourly_use_before(oldest, PRUNED_AT_ONCE)),
            ) {
                Ok(1..) => {}
                Ok(0) => return,
                Err(error) => return tracing::warn!(%error, "old usage counts were not pruned; trying again later"),
            }
        }
    }
}
