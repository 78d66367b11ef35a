//! Moves the refusals into the database, a few rows per transaction. There are few of them: clients that are refused stop
//! or are stopped.

use std::sync::Arc;
use std::time::Duration;

use futures_executor::block_on;

use super::{Usage, lock};
use crate::error::Result;
use crate::store::{Store, Urgency};

/// Rows per transaction, about.
const BATCH: usize = 64;
/// Time from one transaction to the next, unless more than a batch is waiting.
const PERIOD: Duration = Duration::from_secs(1);
/// The pause after a failed write.
const RETRY: Duration = Duration::from_secs(5);

pub struct RefusalSweep {
    usage: Usage,
    store: Arc<Store>,
    due_at: Duration,
}

impl RefusalSweep {
    pub fn new(usage: Usage, store: Arc<Store>) -> Self {
        RefusalSweep { usage, store, due_at: PERIOD }
    }

    /// Writes one batch if it is due at `now`. What a failed transaction held stays in memory and is tried again.
    pub fn turn(&mut self, now: Duration) -> Result<()> {
        if now < self.due_at {
            return Ok(());
        }
        let written = self.write_batch();
        let is_more = lock(&self.usage.0.refusals).rows() > BATCH as u64;
        self.due_at = match written {
            Ok(_) if is_more => now,
            Ok(_) => now + PERIOD,
            Err(_) => now + RETRY,
        };
        written.map(drop)
    }

    /// Writes everything.
    pub fn finish(&mut self) -> Result<()> {
        while self.write_batch()? {}
        Ok(())
    }

    /// Returns whether there was anything to write.
    fn write_batch(&self) -> Result<bool> {
        let batch = lock(&self.usage.0.refusals).begin(BATCH);
        if batch.is_empty() {
            return Ok(false);
        }
        let written = block_on(self.store.write(Urgency::Ordinary, move |tx| tx.add_refusals(&batch)));
        lock(&self.usage.0.refusals).end(written.is_ok());
        written.map(|()| true)
    }
}
