//! Reads the write-ahead log's file without SQLite (sqlite.org/fileformat2 §4): which writes are in it, and where the
//! last one begins. Can also revert that write. Except for [`fits`], it must be used only while nobody has the database
//! open.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, ErrorKind, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::mark::Mark;

const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;
/// Position of the mark in the first page of the database.
const MARK: usize = 60;
/// Version of the index's format; nothing is concluded from other versions.
const INDEX_VERSION: u32 = 3_007_000;

/// The complete transactions of a log.
#[derive(Debug, Default)]
pub(super) struct Log {
    pub transactions: usize,
    /// The first and the latest mark; `None` if there is none.
    pub marks: Option<(Mark, Mark)>,
    pub last: Option<Transaction>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Transaction {
    /// The offset of its first frame in bytes.
    pub begins_at: u64,
    pub mark: Option<Mark>,
}

impl Log {
    /// A log that is missing or has no valid beginning counts as empty, as in SQLite.
    pub fn read(path: &Path) -> io::Result<Self> {
        match File::open(path) {
            Ok(file) => Self::parse(BufReader::with_capacity(1 << 18, file)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Log::default()),
            Err(error) => Err(error),
        }
    }

    fn parse(mut from: impl Read) -> io::Result<Self> {
        let mut log = Log::default();
        let mut header = [0; HEADER];
        if !fill(&mut from, &mut header)? {
            return Ok(log);
        }
        let Some(order) = Order::of(&header) else { return Ok(log) };
        let mut sum = order.sum((0, 0), &header[..24]);
        let page_size = word(&header, 8) as usize;
        if sum != (word(&header, 24), word(&header, 28)) || !page_size.is_power_of_two() || page_size > 65_536 {
            return Ok(log);
        }
        let mut frame = vec![0; FRAME_HEADER + page_size];
        let mut at = HEADER as u64;
        let mut open = Transaction { begins_at: at, mark: None };
        while fill(&mut from, &mut frame)? {
            sum = order.sum(order.sum(sum, &frame[..8]), &frame[FRAME_HEADER..]);
            if frame[8..16] != header[16..24] || sum != (word(&frame, 16), word(&frame, 20)) {
                break;
            }
            at += frame.len() as u64;
            if word(&frame, 0) == 1 {
                open.mark = Some(Mark::from_bits(word(&frame, FRAME_HEADER + MARK)));
            }
            let is_commit = word(&frame, 4) != 0;
            if is_commit {
                log.add(open);
                open = Transaction { begins_at: at, mark: None };
            }
        }
        Ok(log)
    }

    fn add(&mut self, transaction: Transaction) {
        self.transactions += 1;
        self.last = Some(transaction);
        if let Some(mark) = transaction.mark {
            self.marks = Some(match self.marks {
                None => (mark, mark),
                Some((first, latest)) if mark.since(latest) > 0 => (first, mark),
                Some(marks) => marks,
            });
        }
    }

    /// Whether this log can belong to a database file whose header has this mark: the file from when the log was
    /// started, or the same file with a part of the log copied into it.
    pub fn may_continue(&self, file: Mark) -> bool {
        self.marks.is_none_or(|(first, latest)| file.since(first) >= -1 && file.since(latest) <= 0)
    }
}

/// Whether the log file is the one that SQLite uses: its salts and length must match the index in `-shm`
/// (sqlite.org/walformat §2.2). Must be called under the write lock, so that nobody starts another log.
pub(super) fn fits(log: &File, index: &File) -> io::Result<bool> {
    let mut bytes = [0; 40];
    index.read_exact_at(&mut bytes, 0)?;
    let four = |at: usize| u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    let (version, frames) = (four(0), u64::from(four(16)));
    if version != INDEX_VERSION || frames == 0 {
        return Ok(true);
    }
    let page_size = match u16::from_ne_bytes([bytes[14], bytes[15]]) {
        1 => 65_536,
        size => u64::from(size),
    };
    let last_frame = HEADER as u64 + (frames - 1) * (FRAME_HEADER as u64 + page_size);
    // The salts are in the header of the log and of each frame.
    for at in [16, last_frame + 8] {
        let mut salts = [0; 8];
        match log.read_exact_at(&mut salts, at) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(false),
            other => other?,
        }
        if salts != bytes[32..40] {
            return Ok(false);
        }
    }
    Ok(true)
}

impl Transaction {
    /// Removes it from the log, durably.
    pub fn take_back(self, path: &Path) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(path)?;
        file.set_len(self.begins_at)?;
        file.sync_all()
    }
}

/// Fills `bytes`; returns false at the end of the file.
fn fill(from: &mut impl Read, bytes: &mut [u8]) -> io::Result<bool> {
    match from.read_exact(bytes) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// The byte order of the checksums.
#[derive(Clone, Copy)]
enum Order {
    Little,
    Big,
}

impl Order {
    fn of(header: &[u8; HEADER]) -> Option<Self> {
        match word(header, 0) {
            0x377f_0682 => Some(Order::Little),
            0x377f_0683 => Some(Order::Big),
            _ => None,
        }
    }

    fn sum(self, from: (u32, u32), bytes: &[u8]) -> (u32, u32) {
        let (mut one, mut two) = from;
        for eight in bytes.as_chunks::<8>().0 {
            let [a, b, c, d, e, f, g, h] = *eight;
            let (x, y) = match self {
                Order::Little => (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h])),
                Order::Big => (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h])),
            };
            one = one.wrapping_add(x).wrapping_add(two);
            two = two.wrapping_add(y).wrapping_add(one);
        }
        (one, two)
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;
    use crate::store::sqlite::files::beside;

    /// A database in which each write leaves its mark, and its log.
    fn database(folder: &Path) -> (Connection, std::path::PathBuf) {
        let path = folder.join("k.db");
        let db = Connection::open(&path).unwrap();
        db.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t (x); PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
        (db, beside(&path, "-wal"))
    }

    fn write(db: &Connection, value: i64) {
        db.execute_batch("BEGIN IMMEDIATE").unwrap();
        db.execute("INSERT INTO t VALUES (?1)", [value]).unwrap();
        Mark::put_next(db).unwrap();
        db.execute_batch("COMMIT").unwrap();
    }

    fn values(path: &Path) -> Vec<i64> {
        let db = Connection::open(path).unwrap();
        let mut query = db.prepare("SELECT x FROM t ORDER BY x").unwrap();
        query.query_map([], |row| row.get(0)).unwrap().collect::<rusqlite::Result<_>>().unwrap()
    }

    #[test]
    fn the_log_shows_the_writes_that_sqlite_sees_and_can_undo_the_last_one() {
        let directory = tempfile::tempdir().unwrap();
        let (db, wal) = database(directory.path());
        assert_eq!(Log::read(&wal).unwrap().transactions, 0);
        for value in 1..=3 {
            write(&db, value);
        }
        let log = Log::read(&wal).unwrap();
        let (first, latest) = log.marks.unwrap();
        assert_eq!((log.transactions, first.number(), latest.number()), (3, 1, 3));
        for (number, may) in [(0, true), (1, true), (3, true), (4, false)] {
            assert_eq!(log.may_continue(Mark::from_bits(number << 8)), may, "{number}");
        }
        // Nobody has the copy open, so the log's file is complete.
        let copy = directory.path().join("copy.db");
        std::fs::copy(directory.path().join("k.db"), &copy).unwrap();
        std::fs::copy(&wal, beside(&copy, "-wal")).unwrap();
        log.last.unwrap().take_back(&beside(&copy, "-wal")).unwrap();
        assert_eq!(values(&copy), [1, 2]);
        db.execute_batch("PRAGMA wal_checkpoint(RESTART)").unwrap();
        write(&db, 4);
        let log = Log::read(&wal).unwrap();
        assert_eq!(
            (log.transactions, log.marks.unwrap().0.number()),
            (1, 4),
            "the earlier writes are no longer in the log"
        );
        assert!(!log.may_continue(Mark::from_bits(2 << 8)), "an older file");
    }

    #[test]
    fn a_torn_end_does_not_count_as_a_write() {
        let directory = tempfile::tempdir().unwrap();
        let (db, wal) = database(directory.path());
        write(&db, 1);
        let whole = std::fs::read(&wal).unwrap();
        write(&db, 2);
        let mut longer = std::fs::read(&wal).unwrap();
        for cut in [whole.len() + 1, whole.len() + FRAME_HEADER, longer.len() - 1] {
            assert_eq!(Log::parse(&longer[..cut]).unwrap().transactions, 1, "{cut}");
        }
        *longer.last_mut().unwrap() ^= 1;
        assert_eq!(Log::parse(&longer[..]).unwrap().transactions, 1);
        assert_eq!(Log::parse(&[7; 5000][..]).unwrap().transactions, 0);
    }
}
