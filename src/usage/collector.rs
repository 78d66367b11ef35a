//! The usage thread: collects recorded uses from the threads, adds them to the counts, sweeps the counts into the
//! database, and prunes expired ones.

use std::sync::Arc;
use std::time::Duration;

use futures_executor::block_on;

use super::buffer::NotedRefusal;
use super::clients::UseOrigins;
use super::sweep::Sweep;
use super::sweep_refusals::RefusalSweep;
use super::{Usage, lock};
use crate::ambient::background::{Orders, give_way};
use crate::ambient::{Background, Clock};
use crate::error::Result;
use crate::model::key_clients::CLIENT_DAYS;
use crate::model::usage::{Day, Hour, Use};
use crate::store::{Store, Tx, Urgency};

/// Interval between collections.
const COLLECT: Duration = Duration::from_millis(125);
/// Target number of uses per collection: under load the pause shrinks, so that the uses are still in the cache. A
/// smaller target would collect too often: a collection blocks one worker's core for half a millisecond, and fewer
/// than one in a hundred requests should meet one.
const COLLECT_BATCH: usize = 10_000;
const COLLECT_SOONEST: Duration = Duration::from_millis(20);
/// How often counts are tidied. A last use that is in the database stays readable in memory for at least this long.
const TIDY: Duration = Duration::from_secs(10);
const PRUNE: Duration = Duration::from_secs(600);
/// Rows removed per transaction; few, so that a revocation never waits long behind it.
const PRUNE_BATCH: usize = 256;
/// Minimum time between two log lines about failed writes: while the disk is full, every turn fails.
const COMPLAIN: Duration = Duration::from_secs(10);
/// Uses added under one lock, which limits how long look-ups of a last use wait.
const ADD_BATCH: usize = 2048;
/// How many uses ahead a slot is prefetched.
const PREFETCH_DISTANCE: usize = 16;
/// How many times the last write is tried when the server stops: often only one sync fails.
const STOP_ATTEMPTS: usize = 3;

/// Stopping it writes every count to the database.
pub struct Collector(Background);

impl Collector {
    /// `retention` is how long hourly counts are kept.
    pub fn start(usage: Usage, store: Arc<Store>, clock: Arc<dyn Clock>, retention: Duration) -> Result<Self> {
        let held = usage.clone();
        store.index().set_around_reset(Box::new(move |index, reset| {
            // The lock is held throughout the reset, so that no use is added under an old number.
            let mut counts = lock(&held.0.counts);
            counts.forget_numbers(|number| index.key_at(number));
            reset();
        }));
        let mut work = CollectorLoop {
            sweep: Sweep::new(usage.clone(), Arc::clone(&store)),
            refusal_sweep: RefusalSweep::new(usage.clone(), Arc::clone(&store)),
            usage,
            recycled: store.index().recycled(),
            store,
            clock,
            retention,
            pause: COLLECT,
            uses_per_second: 0.0,
            collected_at: Duration::ZERO,
            tidied_at: Duration::ZERO,
            pruned_at: None,
            complained_at: None,
        };
        let run = move |orders: Orders| {
            give_way();
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
    sweep: Sweep,
    refusal_sweep: RefusalSweep,
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    retention: Duration,
    /// The number of entries that the index had released when the last collection began.
    recycled: u64,
    /// The pause until the next turn.
    pause: Duration,
    /// The rate of uses between the last two collections.
    uses_per_second: f64,
    collected_at: Duration,
    tidied_at: Duration,
    pruned_at: Option<Duration>,
    /// When a failure was last logged.
    complained_at: Option<Duration>,
}

impl CollectorLoop {
    fn turn(&mut self) {
        self.collect();
        let now = self.clock.steady();
        let swept = self.sweep.turn(now, self.uses_per_second);
        if let Err(error) = swept.and_then(|()| self.refusal_sweep.turn(now))
            && self.complained_at.is_none_or(|last| now.saturating_sub(last) >= COMPLAIN)
        {
            self.complained_at = Some(now);
            tracing::warn!(%error, "cannot write usage counts; keeping them in memory and trying again");
        }
        if now.saturating_sub(self.tidied_at) >= TIDY {
            self.tidied_at = now;
            lock(&self.usage.0.counts).tidy();
        }
        self.prune_if_due(now);
    }

    fn finish_up(&mut self) {
        self.collect();
        let attempts = (0..STOP_ATTEMPTS).map(|_| self.sweep.finish());
        if let Some(error) = attempts.map_while(Result::err).nth(STOP_ATTEMPTS - 1) {
            let rows = self.usage.state().pending_rows;
            tracing::error!(%error, rows, "the latest usage counts could not be written and are lost");
        }
        if let Err(error) = self.refusal_sweep.finish() {
            tracing::error!(%error, "the latest refusals could not be written and are lost");
        }
    }

    fn collect(&mut self) {
        let recycled = self.store.index().recycled();
        let mut collected = 0;
        for buffer in self.usage.0.buffers.all() {
            let noted = lock(buffer).take();
            collected += noted.uses.len() + noted.refusals.len();
            if !noted.refusals.is_empty() {
                self.count_refusals(&noted.refusals, &noted.refused_clients);
            }
            if !noted.uses.is_empty() {
                self.count(&noted.uses, &noted.clients);
            }
            lock(buffer).give_back(noted);
        }
        self.recycled = recycled;
        let now = self.clock.steady();
        let since = now.saturating_sub(self.collected_at).max(COLLECT_SOONEST);
        (self.uses_per_second, self.collected_at) = (collected as f64 / since.as_secs_f64(), now);
        let batches = (collected as f64 / COLLECT_BATCH as f64).max(0.25);
        self.pause = self.pause.div_f64(batches).clamp(COLLECT_SOONEST, COLLECT);
    }

    fn count(&self, uses: &[Use], clients: &UseOrigins) {
        let index = self.store.index();
        let clients = lock(&self.usage.0.counts).translate(clients);
        let mut ahead = uses.iter().skip(PREFETCH_DISTANCE);
        for uses in uses.chunks(ADD_BATCH) {
            let mut counts = lock(&self.usage.0.counts);
            // If the index has released no entry since the last collection began, entry ownership needs no check.
            let is_steady = index.recycled() == self.recycled;
            for used in uses {
                if let Some(later) = ahead.next() {
                    counts.fetch(later.number);
                }
                let client = clients.get(used.client as usize).copied().unwrap_or_default();
                counts.add(used, client, |number, key| is_steady || index.key_at(number) == Some(*key));
            }
        }
    }

    fn count_refusals(&self, noted: &[NotedRefusal], clients: &UseOrigins) {
        for some in noted.chunks(ADD_BATCH) {
            lock(&self.usage.0.refusals).add(some, clients);
        }
    }

    fn prune_if_due(&mut self, now: Duration) {
        if self.pruned_at.is_some_and(|last| now.saturating_sub(last) < PRUNE) {
            return;
        }
        self.pruned_at = Some(now);
        let now = self.clock.now();
        let oldest = Hour::of(now.minus(self.retention));
        let clients_since = Day(Day::of(now).0.saturating_sub(CLIENT_DAYS));
        let pruned = self
            .prune(move |tx| tx.delete_hourly_use_before(oldest, PRUNE_BATCH))
            .and_then(|()| self.prune(move |tx| tx.delete_hourly_refusals_before(oldest, PRUNE_BATCH)))
            .and_then(|()| self.prune(move |tx| tx.delete_totals_before(oldest, PRUNE_BATCH)))
            .and_then(|()| self.prune(move |tx| tx.delete_latest_refusals_before(oldest.start(), PRUNE_BATCH)))
            .and_then(|()| self.prune(move |tx| tx.delete_clients_before(clients_since, PRUNE_BATCH)));
        if let Err(error) = pruned {
            tracing::warn!(%error, "old usage counts were not pruned; trying again later");
        }
    }

    /// Deletes batch by batch until there is nothing to delete.
    fn prune(&self, delete: impl Fn(&Tx<'_>) -> Result<usize> + Copy + Send + 'static) -> Result<()> {
        while block_on(self.store.write(Urgency::Ordinary, delete))? > 0 {}
        Ok(())
    }
}
