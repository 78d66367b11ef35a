//! Finished journals into the database, a few rows at a time: so slowly that verifications do not
//! feel it, and so fast that a journal is done before the next one needs to be.

use std::sync::Arc;
use std::time::Duration;

use futures_executor::block_on;

use crate::error::Result;
use crate::store::{Finished, Journal, Store, USAGE_CHUNK, UsageRow};

/// A large journal is spread over this long.
const SPREAD: Duration = Duration::from_secs(900);
/// So few rows are folded at once.
pub const FEW: u64 = 2_000;

pub struct Fold {
    store: Arc<Store>,
    file: Option<Open>,
}

struct Open {
    finished: Finished,
    rows: Vec<UsageRow>,
    /// Of `rows`.
    taken: usize,
    /// Of the whole file.
    folded: usize,
    /// Of the whole file, in the database from an earlier try.
    known: usize,
}

impl Fold {
    pub fn new(store: Arc<Store>) -> Self {
        Fold { store, file: None }
    }

    /// Rows that are still to be folded of the file at hand, about.
    pub fn left(&self) -> u64 {
        self.file.as_ref().map_or(0, |file| (file.rows.len() - file.taken) as u64 + file.finished.left())
    }

    /// Opens a finished journal, if there is none at hand and there is one.
    pub fn open(&mut self, journal: &Journal) -> Result<bool> {
        if self.file.is_none()
            && let Some(finished) = journal.next_finished()?
        {
            let known = block_on(self.store.folded_rows(finished.number))?;
            self.file = Some(Open { finished, rows: Vec::new(), taken: 0, folded: 0, known });
        }
        Ok(self.file.is_some())
    }

    /// How many transactions should follow each other in `span`, for the file to be done in time.
    pub fn pace(&self, span: Duration) -> u32 {
        let rows = self.left();
        if rows <= FEW {
            return u32::MAX;
        }
        let spans = (SPREAD.as_millis() / span.as_millis().max(1)).max(1) as u64;
        u32::try_from(rows.div_ceil(spans).div_ceil(USAGE_CHUNK as u64)).unwrap_or(u32::MAX)
    }

    /// One transaction. What fails is tried again at the next turn; the note of how far it came goes
    /// with each, so nothing is counted twice. Returns whether there is more in this file.
    pub fn step(&mut self) -> Result<bool> {
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
        let end = (file.taken + USAGE_CHUNK).min(file.rows.len());
        let chunk = file.rows[file.taken..end].to_vec();
        let folded = file.folded + chunk.len();
        block_on(self.store.fold_usage(file.finished.number, folded, chunk))?;
        (file.taken, file.folded) = (end, folded);
        Ok(true)
    }

    fn close(&mut self) -> Result<()> {
        let Some(file) = self.file.take() else { return Ok(()) };
        let number = file.finished.number;
        file.finished.remove()?;
        block_on(self.store.forget_folds_but(number))
    }
}
