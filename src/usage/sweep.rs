//! Moves the counts into the database, a few rows per transaction: slowly enough not to disturb verifications, and
//! fast enough that a crash loses little.

use std::sync::Arc;
use std::time::Duration;

use futures_executor::block_on;

use super::counts::UsageRow;
use super::{Usage, lock};
use crate::error::Result;
use crate::store::{HourlyUse, Store, Tx, Urgency};

/// Minimum time from the beginning of one pass over the counts to the next, and so the typical loss of usage counts at
/// `kill -9` if few keys are in use. A key's row is written once per pass.
const PERIOD: Duration = Duration::from_secs(1);
/// Rows written per second. On a server with one core, writing a row takes about 10 µs away from requests.
const ROWS_PER_SECOND: f64 = 3_000.0;
/// The same on a busy server: fewer than one in a hundred requests should meet a transaction of a sweep.
const BUSY_ROWS_PER_SECOND: f64 = 300.0;
/// A server with more uses per second than this is busy.
const BUSY: f64 = 20_000.0;
/// A pass takes at most this long; it writes more rows per second if it has to. Keys that come into use during a pass
/// extend it, to half an hour at most.
const PASS_SECONDS: f64 = 1_500.0;
/// Rows per transaction: a server with one core answers nobody during a transaction.
const BATCH: u64 = 64;
/// Rows per transaction when the server stops.
const STOP_BATCH: u64 = 256;
/// The pause after a failed write, because look-ups go to SQLite after each until a write succeeds.
const RETRY: Duration = Duration::from_secs(5);

pub struct Sweep {
    usage: Usage,
    store: Arc<Store>,
    /// The slot from which the pass continues.
    next: u32,
    /// Rows written in this pass.
    written: u64,
    /// Rows that are due but too few for a transaction.
    owed: f64,
    turned_at: Duration,
    /// When this pass began.
    began_at: Duration,
    /// When something may be written next.
    due_at: Duration,
}

impl Sweep {
    pub fn new(usage: Usage, store: Arc<Store>) -> Self {
        Sweep {
            usage,
            store,
            next: 0,
            written: 0,
            owed: 0.0,
            turned_at: Duration::ZERO,
            began_at: Duration::ZERO,
            due_at: PERIOD,
        }
    }

    /// Writes what is due at `now`. What a failed transaction held stays in memory and is tried again.
    pub fn turn(&mut self, now: Duration, uses_per_second: f64) -> Result<()> {
        let since = now.saturating_sub(self.turned_at).min(Duration::from_secs(1));
        self.turned_at = now;
        let rows = lock(&self.usage.0.counts).rows();
        if rows == 0 || now < self.due_at {
            return Ok(());
        }
        let pace = if uses_per_second > BUSY { BUSY_ROWS_PER_SECOND } else { ROWS_PER_SECOND };
        let pace = pace.max((self.written + rows) as f64 / PASS_SECONDS);
        self.owed += since.as_secs_f64() * pace;
        if self.written == 0 {
            self.began_at = now;
        }
        let due = if self.owed >= rows as f64 { u64::MAX } else { self.owed as u64 / BATCH * BATCH };
        match self.write(due, BATCH) {
            Ok(true) => (self.owed, self.due_at) = (0.0, self.began_at + PERIOD),
            Ok(false) => self.owed -= due as f64,
            Err(error) => {
                (self.owed, self.due_at) = (0.0, now + RETRY);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Writes everything: the rest of this pass, and what a whole pass finds after that.
    pub fn finish(&mut self) -> Result<()> {
        self.write(u64::MAX, STOP_BATCH)?;
        self.write(u64::MAX, STOP_BATCH).map(drop)
    }

    /// Writes `rows` rows, up to `most` per transaction. Returns true if the pass ended before that.
    fn write(&mut self, mut rows: u64, most: u64) -> Result<bool> {
        while rows > 0 {
            match self.write_batch(rows.min(most) as usize)? {
                0 => return Ok(true),
                written => rows -= written,
            }
        }
        Ok(false)
    }

    /// Returns how many rows were written; 0 at the end of a pass.
    fn write_batch(&mut self, most: usize) -> Result<u64> {
        let index = self.store.index();
        let rows = lock(&self.usage.0.counts).next_rows(&mut self.next, most, |number| index.key_at(number));
        if rows.is_empty() {
            (self.next, self.written) = (0, 0);
            return Ok(0);
        }
        let batch = rows.clone();
        if let Err(error) = block_on(self.store.write(Urgency::Ordinary, move |tx| add(tx, &batch))) {
            if rows.iter().all(UsageRow::is_stray) {
                // The slots do not wait for strays that cannot be written.
                self.next = 0;
            }
            return Err(error);
        }
        // Subtracted only now, even if the slots have changed since, so that no use is counted twice or lost.
        lock(&self.usage.0.counts).subtract(&rows);
        self.written += rows.len() as u64;
        Ok(rows.len() as u64)
    }
}

/// Adds these rows. Keys that were revoked since are left out.
fn add(tx: &Tx<'_>, rows: &[UsageRow]) -> Result<()> {
    let uses = rows.iter().map(|row| HourlyUse { key: row.key, hour: row.hour, tally: &row.tally });
    tx.add_uses(&uses.collect::<Vec<_>>())
}
