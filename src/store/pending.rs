//! Keys of an import that is not complete: rows among the keys that are not keys yet. They are written in
//! many small transactions, hidden by the range of their ids, and one row removed from `pending_imports`
//! makes all of them keys at once. Whoever reads keys leaves them out, with [`is_key`] or [`spans`].

use rusqlite::{Connection, OptionalExtension};

use super::rows::{changed, sql};
use crate::error::{Error, Result};
use crate::model::{KeyId, Time};

/// SQL for a row `k` of `keys`: whether it is a key. A macro, so that it can be part of a constant.
macro_rules! is_key {
    () => {
        "NOT EXISTS (SELECT 1 FROM pending_imports WHERE k.id BETWEEN first_id AND last_id)"
    };
}
pub(super) use is_key;

/// Rows removed in one transaction.
const REMOVED_AT_ONCE: i64 = 1000;

type Id = [u8; 16];

/// The ids that one import gives to its keys, and nobody else.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pending {
    at: Time,
    first: KeyId,
    last: KeyId,
}

impl Pending {
    const MOST: u64 = 1 << 41;

    fn at(at: Time) -> Self {
        let last = KeyId::in_sequence(at, Self::MOST - 1, [0xff; 10]);
        Pending { at, first: KeyId::in_sequence(at, 0, [0; 10]), last }
    }

    pub fn id(&self, number: u64, random: [u8; 10]) -> KeyId {
        KeyId::in_sequence(self.at, number, random)
    }

    /// Takes ids that no key has, as near to `now` as there are some.
    pub fn begin(db: &Connection, now: Time) -> Result<Self> {
        let mut pending = Pending::at(now);
        let mut taken =
            db.prepare_cached("SELECT EXISTS (SELECT 1 FROM keys WHERE id BETWEEN ?1 AND ?2)").map_err(sql)?;
        while taken.query_row(pending.bounds(), |row| row.get(0)).map_err(sql)? {
            pending = Pending::at(Time::from_millis(pending.at.millis() + 1));
        }
        let text = "INSERT INTO pending_imports (first_id, last_id, lost) VALUES (?1, ?2, 0)";
        changed(db, text, pending.bounds())?;
        Ok(pending)
    }

    /// How many of its rows were deleted by others; an error if it is not pending any more.
    pub fn lost(&self, db: &Connection) -> Result<i64> {
        let mut query = db.prepare_cached("SELECT lost FROM pending_imports WHERE first_id = ?1").map_err(sql)?;
        let lost = query.query_row([self.first.as_bytes()], |row| row.get(0)).optional().map_err(sql)?;
        lost.ok_or_else(|| Error::conflict("Another process has ended this import. Nothing was imported."))
    }

    /// Makes keys of its rows. A line of the feed without a digest tells followers to read the keys from
    /// this id on.
    pub fn complete(&self, db: &Connection) -> Result<()> {
        changed(db, "DELETE FROM pending_imports WHERE first_id = ?1", [self.first.as_bytes()])?;
        changed(db, "INSERT INTO changes (kind, id) VALUES ('key', ?1)", [self.first.as_bytes()]).map(drop)
    }

    fn bounds(&self) -> (&Id, &Id) {
        (self.first.as_bytes(), self.last.as_bytes())
    }
}

/// Removes some rows of imports that nobody completes. Returns whether there may be more.
pub(super) fn remove_some(db: &Connection) -> Result<bool> {
    let Some((first, last)) = first(db)? else { return Ok(false) };
    let removed = changed(
        db,
        "DELETE FROM keys WHERE id IN (SELECT id FROM keys WHERE id BETWEEN ?1 AND ?2 ORDER BY id LIMIT ?3)",
        (first, last, REMOVED_AT_ONCE),
    )?;
    if removed == 0 {
        changed(db, "DELETE FROM pending_imports WHERE first_id = ?1", [first])?;
    }
    Ok(true)
}

pub(super) fn any(db: &Connection) -> Result<bool> {
    Ok(first(db)?.is_some())
}

/// The ids below `below`, newest first, as bounds between which there is no pending row: above the first of
/// a pair and below the second. So a list does not walk through a million hidden rows.
pub(super) fn spans(db: &Connection, below: Id) -> Result<Vec<(Id, Id)>> {
    let mut query =
        db.prepare_cached("SELECT first_id, last_id FROM pending_imports ORDER BY first_id DESC").map_err(sql)?;
    let pending = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).map_err(sql)?;
    let (mut spans, mut below) = (Vec::new(), below);
    for range in pending {
        let (first, last): (Id, Id) = range.map_err(sql)?;
        if last < below {
            spans.push((last, below));
        }
        below = below.min(first);
    }
    spans.push(([0; 16], below));
    Ok(spans)
}

fn first(db: &Connection) -> Result<Option<(Id, Id)>> {
    let mut query = db.prepare_cached("SELECT first_id, last_id FROM pending_imports LIMIT 1").map_err(sql)?;
    query.query_row([], |row| Ok((row.get(0)?, row.get(1)?))).optional().map_err(sql)
}
