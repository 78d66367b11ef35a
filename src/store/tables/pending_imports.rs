//! The rows of an import that is not complete, which are not keys yet. They are written in many small transactions and
//! hidden by the range of their ids. Removing one row from `pending_imports` makes all of them keys at once. All reads
//! of keys must exclude them, with [`is_key`] or [`Tx::spans`].

use crate::error::Result;
use crate::model::{KeyId, Time};
use crate::store::Tx;

/// The SQL condition that a row `k` of `keys` is a key. A macro, so that it can be part of a constant.
macro_rules! is_key {
    () => {
        "NOT EXISTS (SELECT 1 FROM pending_imports WHERE k.id BETWEEN first_id AND last_id)"
    };
}
pub(in crate::store) use is_key;

pub(in crate::store) type Id = [u8; 16];

/// The ids reserved for the keys of one import.
#[derive(Debug, Clone, Copy)]
pub struct PendingImport {
    at: Time,
    first: KeyId,
    last: KeyId,
}

impl PendingImport {
    /// Maximum number of keys in one import.
    const MAX: u64 = 1 << 41;

    fn at(at: Time) -> Self {
        let last = KeyId::in_sequence(at, Self::MAX - 1, [0xff; 10]);
        PendingImport { at, first: KeyId::in_sequence(at, 0, [0; 10]), last }
    }

    pub fn id(&self, number: u64, random: [u8; 10]) -> KeyId {
        KeyId::in_sequence(self.at, number, random)
    }

    fn bounds(&self) -> (&Id, &Id) {
        (self.first.as_bytes(), self.last.as_bytes())
    }
}

impl Tx<'_> {
    /// Reserves ids that no key has, as close to `now` as possible.
    pub fn begin_import(&self, now: Time) -> Result<PendingImport> {
        let mut pending = PendingImport::at(now);
        let taken = "SELECT EXISTS (SELECT 1 FROM keys WHERE id BETWEEN ?1 AND ?2)";
        while self.one(taken, pending.bounds(), |row| row.get(0))? {
            pending = PendingImport::at(Time::from_millis(pending.at.millis() + 1));
        }
        let text = "INSERT INTO pending_imports (first_id, last_id, lost) VALUES (?1, ?2, 0)";
        self.execute(text, pending.bounds())?;
        Ok(pending)
    }

    /// How many rows of this import were deleted by others; `None` if it is no longer pending.
    pub fn lost_rows(&self, import: &PendingImport) -> Result<Option<i64>> {
        let text = "SELECT lost FROM pending_imports WHERE first_id = ?1";
        self.row(text, [import.first.as_bytes()], |row| row.get(0))
    }

    /// Turns the rows of this import into keys. A line of the feed without a digest makes followers read the keys from
    /// this id on.
    pub fn complete_import(&self, import: &PendingImport) -> Result<()> {
        self.execute("DELETE FROM pending_imports WHERE first_id = ?1", [import.first.as_bytes()])?;
        self.execute("INSERT INTO changes (kind, id) VALUES ('key', ?1)", [import.first.as_bytes()]).map(drop)
    }

    pub fn has_pending_import(&self) -> Result<bool> {
        Ok(self.first_pending()?.is_some())
    }

    /// Removes up to `limit` rows of an abandoned import. Returns whether there may be more.
    pub fn remove_pending_rows(&self, limit: i64) -> Result<bool> {
        let Some((first, last)) = self.first_pending()? else { return Ok(false) };
        let text = "DELETE FROM keys WHERE id IN (SELECT id FROM keys WHERE id BETWEEN ?1 AND ?2 ORDER BY id LIMIT ?3)";
        if self.execute(text, (first, last, limit))? == 0 {
            self.execute("DELETE FROM pending_imports WHERE first_id = ?1", [first])?;
        }
        Ok(true)
    }

    /// The ids below `below`, newest first, as exclusive bounds (lower, upper) between which there is no pending row,
    /// so that a list does not read a million hidden rows.
    pub(in crate::store) fn spans(&self, below: Id) -> Result<Vec<(Id, Id)>> {
        let text = "SELECT first_id, last_id FROM pending_imports ORDER BY first_id DESC";
        let (mut spans, mut below) = (Vec::new(), below);
        for (first, last) in self.rows(text, (), |row| Ok((row.get::<Id>(0)?, row.get::<Id>(1)?)))? {
            if last < below {
                spans.push((last, below));
            }
            below = below.min(first);
        }
        spans.push(([0; 16], below));
        Ok(spans)
    }

    fn first_pending(&self) -> Result<Option<(Id, Id)>> {
        let text = "SELECT first_id, last_id FROM pending_imports LIMIT 1";
        self.row(text, (), |row| Ok((row.get(0)?, row.get(1)?)))
    }
}
