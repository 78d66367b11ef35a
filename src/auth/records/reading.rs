//! Reads from the database what is not in memory. Requests that arrive while a reader is on its way share one read, as
//! changes share a commit: waking a thread and checking the files costs more than a query.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::error::{Error, Result};
use crate::model::KeyId;
use crate::store::{Store, StoredRest};

#[derive(Default)]
pub struct RecordReading {
    waiting: Mutex<Vec<WaitingForRecord>>,
    count: AtomicU64,
}

/// A request for one record; a key that does not exist has none.
struct WaitingForRecord {
    id: KeyId,
    reply: oneshot::Sender<Result<Option<StoredRest>>>,
}

impl RecordReading {
    /// Records that were read so far.
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    pub async fn read(self: &Arc<Self>, store: &Store, id: KeyId) -> Result<Option<StoredRest>> {
        self.count.fetch_add(1, Ordering::Relaxed);
        let (reply, answer) = oneshot::channel();
        let is_first = {
            let mut waiting = self.waiting();
            waiting.push(WaitingForRecord { id, reply });
            waiting.len() == 1
        };
        if is_first && let Err(error) = self.send_reader(store) {
            self.fail_all(&error);
        }
        answer.await.map_err(|_| Error::internal("reading a record panicked"))?
    }

    /// The reader takes all requests that wait when it begins.
    fn send_reader(self: &Arc<Self>, store: &Store) -> Result<()> {
        let own = Arc::clone(self);
        store.read_together(
            move || std::mem::take(&mut *own.waiting()),
            |tx, batch| tx.rests_of_records(&batch.iter().map(|asked| asked.id).collect::<Vec<_>>()),
            |batch, found| match found {
                // A requester may have gone away.
                Ok(found) => batch.into_iter().zip(found).for_each(|(asked, rest)| drop(asked.reply.send(Ok(rest)))),
                Err(error) => fail(batch, &error),
            },
        )
    }

    fn fail_all(&self, error: &Error) {
        let batch = std::mem::take(&mut *self.waiting());
        fail(batch, error);
    }

    /// It holds requests only, which no panic can leave half changed.
    fn waiting(&self) -> MutexGuard<'_, Vec<WaitingForRecord>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn fail(batch: Vec<WaitingForRecord>, error: &Error) {
    batch.into_iter().for_each(|asked| drop(asked.reply.send(Err(error.clone()))));
}
