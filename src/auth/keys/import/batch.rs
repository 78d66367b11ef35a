//! Rows that are written together. Neighbours in an index are written one after the other, so that each page of the
//! index is written once per batch and not once per row: first the rows in the order of their digests, then their names
//! in the order of the names, then their hints.

use std::sync::Arc;
use std::time::Duration;

use super::input::{ImportRow, ImportedLine, RevokedLines};
use super::insert::{ImportStep, insert, must_be_whole};
use super::refusals::RefusedLine;
use crate::ambient::Clock;
use crate::auth::{Auth, Urgency};
use crate::error::{Error, Result};
use crate::model::{KeyId, Time};
use crate::store::{FoundBy, PendingImport, Store, Tx};

/// A batch takes about 300 bytes per row.
pub const BATCH_ROWS: usize = 1 << 19;
/// A transaction stops after this time, or as soon as another process waits for the write lock, but not before the
/// minimum of rows.
const MAX_TRANSACTION_TIME: Duration = Duration::from_millis(150);
const MIN_ROWS: usize = 256;
/// The time is looked at after so many rows.
const ROWS_PER_LOOK: usize = 64;

/// What all batches of one import have in common.
pub(super) struct BatchWriter<'a> {
    pub auth: &'a Auth,
    pub pending: PendingImport,
    pub revoked: RevokedLines,
    pub now: Time,
    /// What searches find keys by, as far as it is written apart from the rows.
    pub apart: &'static [FoundBy],
}

/// The first line that cannot be imported, and the lines of the batch that were not written because of it.
pub(super) struct RefusedBatch {
    pub first: RefusedLine,
    pub unwritten: Vec<ImportedLine>,
}

impl BatchWriter<'_> {
    /// Returns the restored keys. `tick` is called with the share of the work that is done, in rows.
    pub async fn write(&self, rows: Vec<ImportRow>, tick: impl Fn(u64)) -> Result<Result<Vec<KeyId>, RefusedBatch>> {
        let (rows, apart) = (Arc::new(rows), self.apart);
        let to_sort = Arc::clone(&rows);
        let orders =
            tokio::task::spawn_blocking(move || apart.iter().map(|by| order(&to_sort, *by)).collect::<Vec<_>>());
        let parts = 1 + apart.len();
        let (mut done, mut revived) = (0, Vec::new());
        while done < rows.len() {
            match self.write_rows(Arc::clone(&rows), done).await? {
                Ok(step) => {
                    done += step.written;
                    revived.extend(step.revived);
                    tick((done / parts) as u64);
                }
                Err(first) => {
                    let behind = rows.iter().skip_while(|(_, (line, _))| *line != first.line).skip(1);
                    let unwritten = behind.map(|(_, row)| row.clone()).collect();
                    return Ok(Err(RefusedBatch { first, unwritten }));
                }
            }
        }
        let orders = orders.await.map_err(Error::internal)?;
        for (part, (by, order)) in (1..).zip(apart.iter().zip(orders)) {
            let (order, mut done) = (Arc::new(order), 0);
            while done < rows.len() {
                done = self.write_texts(*by, Arc::clone(&rows), Arc::clone(&order), done).await?;
                tick(((part * rows.len() + done) / parts) as u64);
            }
        }
        Ok(Ok(revived))
    }

    /// Writes as many of `rows`, starting at `done`, as fit into one transaction.
    async fn write_rows(&self, rows: Arc<Vec<ImportRow>>, done: usize) -> Result<Result<ImportStep, RefusedLine>> {
        let (pending, revoked, now, limit) = (self.pending, self.revoked, self.now, self.limit());
        let step = move |tx: &Tx<'_>| {
            let is_over = limit.begin();
            insert(tx, &pending, &rows[done..], revoked, now, is_over)
        };
        self.auth.store.write(Urgency::Ordinary, step).await
    }

    /// The same for the texts by which searches find the rows; returns how many are done then.
    async fn write_texts(
        &self,
        by: FoundBy,
        rows: Arc<Vec<ImportRow>>,
        order: Arc<Vec<u32>>,
        done: usize,
    ) -> Result<usize> {
        let (pending, limit) = (self.pending, self.limit());
        let step = move |tx: &Tx<'_>| {
            let is_over = limit.begin();
            // A row that is gone must not leave its text behind.
            must_be_whole(tx, &pending)?;
            for (written, at) in order[done..].iter().enumerate() {
                if is_over(written) {
                    return Ok(done + written);
                }
                let row = &rows[*at as usize];
                tx.put_pending_text(by, text(row, by), row.0)?;
            }
            Ok(order.len())
        };
        self.auth.store.write(Urgency::Ordinary, step).await
    }

    fn limit(&self) -> TransactionLimit {
        TransactionLimit { clock: Arc::clone(&self.auth.clock), store: Arc::clone(&self.auth.store) }
    }
}

/// When a transaction has to end.
struct TransactionLimit {
    clock: Arc<dyn Clock>,
    store: Arc<Store>,
}

impl TransactionLimit {
    /// Begins to measure; the result says whether the transaction has to end after this number of rows.
    fn begin(&self) -> impl Fn(usize) -> bool {
        let began = self.clock.steady();
        move |written| {
            written >= MIN_ROWS
                && written.is_multiple_of(ROWS_PER_LOOK)
                && (self.store.is_write_lock_wanted() || self.clock.steady() - began >= MAX_TRANSACTION_TIME)
        }
    }
}

fn text(row: &ImportRow, by: FoundBy) -> &str {
    let (_, (_, key)) = row;
    match by {
        FoundBy::Name => key.settings.name.as_str(),
        FoundBy::Hint => &key.hint,
    }
}

/// The places of the rows, in the order of their texts. The index of names ignores the case of ASCII letters.
fn order(rows: &[ImportRow], by: FoundBy) -> Vec<u32> {
    let mut order: Vec<u32> = (0..rows.len() as u32).collect();
    let lower = |at: &u32| text(&rows[*at as usize], by).bytes().map(|byte| byte.to_ascii_lowercase());
    order.sort_by(|a, b| match by {
        FoundBy::Name => lower(a).cmp(lower(b)),
        FoundBy::Hint => text(&rows[*a as usize], by).cmp(text(&rows[*b as usize], by)),
    });
    order
}
