//! Whether the database at its path is the newest one. Once a write is durable, it records in `keybearer.db-rev` the
//! newest change and the newest event. A database that has not reached them, or has a different event there, is an
//! older copy or another database. A crash can only leave a line that is older than the database.
//!
//! It also contains a write whose outcome is unknown (because a sync failed), which the next start reverts.

use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::{Connection, OptionalExtension};

use super::mark::Mark;
use super::statement::sql;
use crate::error::Result;

/// Index of the count of begun writes. They are counted under the write lock, so that each has its own number.
const BEGUN: usize = 0;
const SUCCEEDED: usize = 1;
const FAILED: usize = 2;
const FAILED_MARK: usize = 3;
/// Index of the first of 16 lines of six numbers. Each write has its own, because several processes can write at once.
const LINES: usize = 8;
const LINE: usize = 6;
const COUNT: u64 = 16;

/// The newest change and event of a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct State {
    pub revision: i64,
    pub event: i64,
    /// The start of that event's chain value, which depends on all earlier events.
    chain: [u64; 2],
}

impl State {
    pub fn of(db: &Connection) -> Result<Self> {
        let mut query = db.prepare_cached("SELECT seq FROM sqlite_sequence WHERE name = ?1").map_err(sql)?;
        let mut newest = |table| query.query_row([table], |row| row.get(0)).optional().map_err(sql);
        let (revision, event) = (newest("changes")?.unwrap_or(0), newest("events")?.unwrap_or(0));
        Ok(State { revision, event, chain: chain_of(db, event)?.unwrap_or_default() })
    }

    /// What is wrong with this database, if a newer or another one wrote this line.
    fn accuse(&self, db: &Connection) -> Result<Option<Accusation>> {
        let found = State::of(db)?;
        if found.revision < self.revision || found.event < self.event {
            return Ok(Some(Accusation::Older { found, expected: *self }));
        }
        // A missing event proves nothing.
        let is_other = chain_of(db, self.event)?.is_some_and(|chain| chain != self.chain);
        Ok(is_other.then_some(Accusation::Other { event: self.event }))
    }
}

fn chain_of(db: &Connection, event: i64) -> Result<Option<[u64; 2]>> {
    let mut query = db.prepare_cached("SELECT chain FROM events WHERE seq = ?1").map_err(sql)?;
    let chain = query.query_row([event], |row| {
        Ok(row.get_ref(0)?.as_blob().ok().and_then(|blob| blob.first_chunk::<16>().copied()))
    });
    let half = |bytes: &[u8]| bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
    Ok(chain.optional().map_err(sql)?.flatten().map(|bytes| [half(&bytes[..8]), half(&bytes[8..])]))
}

/// Why a database does not seem to be the newest one.
#[derive(Debug, Clone, Copy)]
pub(super) enum Accusation {
    Older { found: State, expected: State },
    Other { event: i64 },
    WithoutLog,
}

impl Accusation {
    /// The message, which begins with the database's path.
    pub fn text(&self, database: &str) -> String {
        match self {
            Accusation::Older { found, expected } => format!(
                "{database} is older than the database that was here: its newest change is {} and its newest event {}; \
                 change {} and event {} were saved. It was replaced by an older copy, or its log ({database}-wal) was \
                 removed",
                found.revision, found.event, expected.revision, expected.event
            ),
            Accusation::Other { event } => format!(
                "{database} is not the database that was here, or continues an older copy of it: event {event} differs"
            ),
            Accusation::WithoutLog => format!(
                "{database} was copied while it was in use, and its log ({database}-wal) is missing: the newest \
                 changes are not in it"
            ),
        }
    }

    /// The short form for the audit log.
    pub fn label(&self) -> String {
        match self {
            Accusation::Older { found, expected } => format!(
                "an older copy: change {} instead of {}, event {} instead of {}",
                found.revision, expected.revision, found.event, expected.event
            ),
            Accusation::Other { event } => format!("another database: event {event} differs"),
            Accusation::WithoutLog => "a copy without its log".to_owned(),
        }
    }
}

/// A write that is about to be committed.
pub(super) struct Write {
    number: u64,
    mark: Mark,
    state: State,
}

/// Writes the mark of this write. Must be the last action in its transaction.
pub(super) fn begin(history: &[AtomicU64], db: &Connection) -> Result<Write> {
    let mark = Mark::put_next(db)?;
    let state = State::of(db)?;
    let number = history[BEGUN].fetch_add(1, Ordering::Relaxed) + 1;
    Ok(Write { number, mark, state })
}

/// Records that the write is durable.
pub(super) fn note_success(history: &[AtomicU64], write: &Write) {
    let State { revision, event, chain } = write.state;
    let line = [write.number, revision.cast_unsigned(), event.cast_unsigned(), chain[0], chain[1]];
    put(history, &line);
    history[SUCCEEDED].fetch_max(write.number, Ordering::Release);
}

/// Records that the write failed but may be in the log, and may reappear with it.
pub(super) fn note_failure(history: &[AtomicU64], write: &Write) {
    history[FAILED_MARK].store(u64::from(write.mark.number()), Ordering::Relaxed);
    history[FAILED].store(write.number, Ordering::Release);
}

/// The mark number of a failed write, unless a later write succeeded and replaced it.
pub(super) fn to_take_back(history: &[AtomicU64]) -> Option<u32> {
    let [failed, succeeded] = [FAILED, SUCCEEDED].map(|at| history[at].load(Ordering::Acquire));
    let mark = history[FAILED_MARK].load(Ordering::Relaxed);
    (failed > succeeded).then(|| u32::try_from(mark).ok()).flatten()
}

/// The newest complete line; a power cut can tear one.
pub(super) fn newest(history: &[AtomicU64]) -> Option<State> {
    let lines = (0..COUNT).filter_map(|at| {
        let line = line_at(history, at);
        let numbers: Vec<u64> = line.iter().map(|number| number.load(Ordering::Relaxed)).collect();
        (numbers[0] > 0 && numbers[5] == check(&numbers[..5])).then_some(numbers)
    });
    let newest = lines.max_by_key(|numbers| numbers[0])?;
    let [revision, event] = [1, 2].map(|at| newest[at].cast_signed());
    Some(State { revision, event, chain: [newest[3], newest[4]] })
}

/// What is wrong with this database, if anything can be proven. `is_without_log` means that the file says that it
/// continues in its log, but the log is empty.
pub(super) fn accuse(history: &[AtomicU64], db: &Connection, is_without_log: bool) -> Result<Option<Accusation>> {
    if let Some(expected) = newest(history)
        && let Some(accusation) = expected.accuse(db)?
    {
        return Ok(Some(accusation));
    }
    Ok(is_without_log.then_some(Accusation::WithoutLog))
}

/// Forgets the previous database.
pub(super) fn forget(history: &[AtomicU64]) {
    for at in 0..COUNT {
        line_at(history, at)[0].store(0, Ordering::Relaxed);
    }
    history[FAILED].store(0, Ordering::Relaxed);
}

fn put(history: &[AtomicU64], numbers: &[u64; 5]) {
    let line = line_at(history, numbers[0] % COUNT);
    line[5].store(0, Ordering::Release);
    for (place, number) in line.iter().zip(numbers) {
        place.store(*number, Ordering::Release);
    }
    line[5].store(check(numbers), Ordering::Release);
}

fn line_at(history: &[AtomicU64], at: u64) -> &[AtomicU64] {
    &history[LINES + at as usize * LINE..][..LINE]
}

fn check(numbers: &[u64]) -> u64 {
    let mut sum = crc32fast::Hasher::new();
    numbers.iter().for_each(|number| sum.update(&number.to_be_bytes()));
    1 << 32 | u64::from(sum.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history() -> Vec<AtomicU64> {
        (0..200).map(|_| AtomicU64::new(0)).collect()
    }

    fn write(number: u64) -> Write {
        let state = State { revision: number as i64 * 10, event: number as i64, chain: [number, 7] };
        Write { number, mark: Mark::from_bits((number as u32) << 8), state }
    }

    #[test]
    fn the_newest_complete_line_counts() {
        let history = history();
        assert_eq!(newest(&history), None);
        for number in 1..=40 {
            note_success(&history, &write(number));
            assert_eq!(newest(&history), Some(write(number).state));
        }
        // A slow process records its write late, which must not replace the newest one.
        note_success(&history, &write(39));
        assert_eq!(newest(&history), Some(write(40).state));
        line_at(&history, 40 % COUNT)[2].store(99, Ordering::Relaxed);
        assert_eq!(newest(&history), Some(write(39).state), "a torn line");
        forget(&history);
        assert_eq!(newest(&history), None);
    }

    #[test]
    fn a_failed_write_is_undone_unless_a_later_one_succeeded() {
        let history = history();
        note_success(&history, &write(1));
        assert_eq!(to_take_back(&history), None);
        note_failure(&history, &write(2));
        assert_eq!(to_take_back(&history), Some(2));
        note_success(&history, &write(3));
        assert_eq!(to_take_back(&history), None);
        note_failure(&history, &write(2));
        assert_eq!(to_take_back(&history), None, "a failure that is recorded late");
    }
}
