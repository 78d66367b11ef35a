//! Folds finished journals into the database, a few rows at a time: slowly enough not to disturb verifications, and
//! fast enough to finish before the next journal.

use std::sync::Arc;
use std::time::Duration;

use futures_executor::block_on;

use crate::error::Result;
use crate::store::{Finished, Journal, Store, Tx, Urgency, UsageRow};

/// A large journal is spread over this time: half of the hour after which the next one is due. Last uses do not wait
/// for it: they are read from memory.
const SPREAD: Duration = Duration::from_secs(1800);
/// Up to this many rows, everything is folded in one go.
pub const FEW: u64 = 2_000;
/// Rows per transaction, so that a revocation never waits long behind it.
pub const CHUNK: usize = 256;
/// Rows per transaction while verifications continue: a server with one core answers nobody during a transaction.
pub const SMALL_CHUNK: usize = 64;

pub struct Fold {
    store: Arc<Store>,
    file: Option<Open>,
}

struct Open {
    finished: Finished,
    rows: Vec<UsageRow>,
    /// Position in `rows`.
    taken: usize,
    /// Rows of the whole file that are folded.
    folded: usize,
    /// Rows of the whole file that are in the database from an earlier attempt.
    known: usize,
    /// Approximate number of rows when the file was opened.
    rows_in_all: u64,
    /// Time since rows were last folded.
    idle: Duration,
}

impl Fold {
    pub fn new(store: Arc<Store>) -> Self {
        Fold { store, file: None }
    }

    /// Approximate number of rows of the open file that are still to be folded.
    pub fn left(&self) -> u64 {
        self.file.as_ref().map_or(0, |file| (file.rows.len() - file.taken) as u64 + file.finished.left())
    }

    /// Opens a finished journal, if none is open and one exists.
    pub fn open(&mut self, journal: &Journal) -> Result<bool> {
        if self.file.is_none()
            && let Some(finished) = journal.next_finished()?
        {
            let number = finished.number;
            let known =
                block_on(self.store.read(move |tx| tx.folded_rows(number)))?.unwrap_or(0).unsigned_abs() as usize;
            self.file = Some(Open {
                finished,
                rows: Vec::new(),
                taken: 0,
                folded: 0,
                known,
                rows_in_all: 0,
                idle: Duration::ZERO,
            });
        }
        Ok(self.file.is_some())
    }

    /// How many small transactions are due after another `span` to finish the file in time; `None` means all the rest
    /// at once.
    pub fn due(&mut self, span: Duration) -> Option<u32> {
        let rows = self.left();
        let file = self.file.as_mut().filter(|_| rows > FEW)?;
        file.rows_in_all = file.rows_in_all.max(rows);
        let pause = SPREAD.mul_f64(SMALL_CHUNK as f64 / file.rows_in_all as f64);
        file.idle += span;
        let steps = (file.idle.as_nanos() / pause.as_nanos().max(1)) as u32;
        file.idle -= pause * steps;
        Some(steps)
    }

    /// Folds up to `most` rows in one transaction. A failure is retried at the next turn; progress is recorded in the
    /// same transaction, so nothing is counted twice. Returns whether the file has more rows.
    pub fn step(&mut self, most: usize) -> Result<bool> {
        let Some(file) = &mut self.file else { return Ok(false) };
        while file.taken == file.rows.len() {
            match file.finished.next_batch()? {
                Some(rows) => (file.rows, file.taken) = (rows, 0),
                None => return self.close().map(|()| false),
            }
            let skipped = file.known.saturating_sub(file.folded).min(file.rows.len());
            file.taken = skipped;
            file.folded += skipped;
        }
        let end = (file.taken + most).min(file.rows.len());
        let chunk = file.rows[file.taken..end].to_vec();
        let folded = file.folded + chunk.len();
        let number = file.finished.number;
        block_on(self.store.write(Urgency::Ordinary, move |tx| add(tx, number, folded, &chunk)))?;
        (file.taken, file.folded) = (end, folded);
        Ok(true)
    }

    fn close(&mut self) -> Result<()> {
        let Some(file) = self.file.take() else { return Ok(()) };
        let number = file.finished.number;
        file.finished.remove()?;
        block_on(self.store.write(Urgency::Ordinary, move |tx| tx.delete_folds_but(number)))
    }
}

/// Adds these rows and records, in the same transaction, how far the journal is folded. Keys that were revoked since
/// are left out.
fn add(tx: &Tx<'_>, journal: i64, folded: usize, rows: &[UsageRow]) -> Result<()> {
    for ((key, hour), tally) in rows {
        if tx.note_last_use(*key, tally)? {
            tx.add_hourly_use(*key, *hour, tally.count)?;
        }
    }
    tx.set_folded_rows(journal, folded)
}
