//! Importing keys by their digests from another system, all or nothing.
//!
//! An import consists of many transactions, so that a revocation never waits long behind it, and is still all or
//! nothing: its rows are `pending` until the last transaction. A failed import removes its own rows; those of a killed
//! import are removed by the next import or by the server, whichever comes first.

mod batch;
mod input;
mod insert;
mod refusals;

use std::time::Duration;

use super::{find, log};
use crate::auth::by::By;
use crate::auth::caller::Asking;
use crate::auth::{Auth, Urgency, audit};
use crate::error::{Error, Result};
use crate::model::{Action, EventDetail, KeyId, Reach, counted};
use crate::store::{ImportLock, PendingImport, Store, Tx};
pub use batch::BATCH_ROWS;
use batch::{BatchWriter, RefusedBatch};
pub use input::{ImportInput, ImportRows, RevokedLines};
use insert::must_be_whole;

/// An import of at least this many rows is large: the rows of a batch are sorted, and more pages of the database stay in
/// memory.
const MANY: u64 = 20_000;
/// Maximum number of keys restored by one import: their events are written in one transaction.
const MAX_REVIVED: usize = 10_000;
/// Pending rows removed per transaction.
const REMOVED_AT_ONCE: i64 = 1000;
const WAIT: Duration = Duration::from_millis(200);

impl Auth {
    /// Imports all rows or none. Writes one event, and one for each restored key. The ids are in the order of `input`,
    /// except within the batches of a large import.
    pub async fn import_keys(&self, asking: &Asking, input: ImportInput) -> Result<u64> {
        asking.caller.must_be_admin()?;
        let _lock = self.import_lock(&input.waiting).await?;
        self.remove_pending().await?;
        match self.import_locked(asking, input).await {
            Err(error) if self.remove_pending().await.is_err() => {
                let rest = "Its rows are still in the database but have no effect: the next import or the server \
                            removes them.";
                Err(Error { message: format!("{} {rest}", error.message).into(), ..error })
            }
            imported => imported,
        }
    }

    async fn import_lock(&self, waiting: &dyn Fn()) -> Result<ImportLock> {
        let mut has_said_so = false;
        loop {
            if let Some(lock) = self.store.try_lock_import()? {
                return Ok(lock);
            }
            if !std::mem::replace(&mut has_said_so, true) {
                waiting();
            }
            tokio::time::sleep(WAIT).await;
        }
    }

    async fn import_locked(&self, asking: &Asking, input: ImportInput) -> Result<u64> {
        let ImportInput { count, mut rows, revoked, tick, .. } = input;
        let by = self.by(&asking.origin);
        let now = by.at;
        let begin = move |tx: &Tx<'_>| {
            tx.keep_many_pages(count >= MANY)?;
            Ok((tx.begin_import(now)?, tx.texts_apart()))
        };
        let (pending, apart) = self.store.write(Urgency::Ordinary, begin).await?;
        let writer = BatchWriter { auth: self, pending, revoked, now, apart };
        let (mut number, mut revived) = (0, Vec::new());
        loop {
            let mut lines = rows.by_ref().take(BATCH_ROWS).collect::<Result<Vec<_>>>()?;
            if lines.is_empty() {
                break;
            }
            // PostgreSQL gains nothing: its indexes of names and hints are filled row by row in any order.
            if count >= MANY && !apart.is_empty() {
                lines.sort_by_key(|(_, key)| *key.digest.as_bytes());
            }
            let with_id = |(number, line)| Ok((pending.id(number, self.entropy.bytes()?), line));
            let batch = (number..).zip(lines).map(with_id).collect::<Result<Vec<_>>>()?;
            let written = batch.len() as u64;
            match writer.write(batch, |done| tick(number + done)).await? {
                Ok(some) => revived.extend(some),
                Err(RefusedBatch { first, mut unwritten }) => {
                    unwritten.sort_by_key(|(line, _)| *line);
                    return Err(self.refuse_lines(first, unwritten.into_iter().map(Ok).chain(rows), revoked).await?);
                }
            }
            number += written;
            if revived.len() > MAX_REVIVED {
                return Err(Error::conflict(format!(
                    "More than {MAX_REVIVED} of these keys were revoked here, the maximum that one import can restore. \
                     Nothing was imported. Split the file."
                )));
            }
        }
        if number != count {
            return Err(Error::conflict("The file changed while it was being read. Nothing was imported; try again."));
        }
        let by = self.by(&asking.origin);
        self.act(Urgency::Ordinary, by, move |tx, by| complete(tx, by, &pending, number, &revived)).await
    }

    pub(in crate::auth) async fn remove_pending(&self) -> Result<()> {
        if self.store.read(|tx| tx.has_pending_import()).await? {
            while self.store.write(Urgency::Ordinary, |tx| tx.remove_pending_rows(REMOVED_AT_ONCE)).await? {}
        }
        Ok(())
    }
}

/// Removes some of the rows of a killed import, unless an import is running. Returns whether there may be more.
pub(in crate::auth) async fn remove_abandoned(store: &Store) -> Result<bool> {
    if !store.read(|tx| tx.has_pending_import()).await? {
        return Ok(false);
    }
    match store.try_lock_import()? {
        Some(_lock) => store.write(Urgency::Ordinary, |tx| tx.remove_pending_rows(REMOVED_AT_ONCE)).await,
        None => Ok(false),
    }
}

/// The last transaction: once it is committed, all rows are keys.
fn complete(tx: &Tx<'_>, by: &By, pending: &PendingImport, number: u64, revived: &[KeyId]) -> Result<u64> {
    must_be_whole(tx, pending)?;
    tx.complete_import(pending)?;
    for id in revived {
        let record = find(tx, *id, Reach::Anyone)?;
        tx.delete_tombstone(&record.digest)?;
        log(tx, by, Action::KeyRevived, &record, EventDetail::granted(&record.settings))?;
    }
    let mut detail = EventDetail::default().fact("keys", number);
    if !revived.is_empty() {
        detail = detail.fact("restored", revived.len());
    }
    audit::append_detailed(tx, by, Action::KeysImported, None, counted(number, "key"), detail)?;
    Ok(number)
}
