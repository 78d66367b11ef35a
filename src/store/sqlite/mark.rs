//! The mark that each write leaves in the database's header (`PRAGMA user_version`), where it can be read without
//! SQLite, in the file and in its log. The first three bytes are the number of the write. The fourth byte, which is set
//! only in the file, means that the file continues in its log.

use rusqlite::Connection;

use super::statement::sql;
use crate::error::Result;

const NUMBERS: u32 = 1 << 24;
/// The position of the fourth byte in the file (sqlite.org/fileformat2 §1.3), and its value in a file that is in use.
pub(super) const IN_USE_AT: u64 = 63;
pub(super) const IN_USE: u8 = 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark(u32);

impl Mark {
    pub fn from_bits(bits: u32) -> Self {
        Mark(bits)
    }

    pub fn bits(self) -> u32 {
        self.0
    }

    /// The mark as this connection sees it.
    pub fn of(db: &Connection) -> Result<Self> {
        let mut query = db.prepare_cached("PRAGMA user_version").map_err(sql)?;
        let bits: i32 = query.query_row([], |row| row.get(0)).map_err(sql)?;
        Ok(Mark(bits.cast_unsigned()))
    }

    /// The number of this program's last write; other programs do not change it. It wraps at 2^24.
    pub fn number(self) -> u32 {
        self.0 >> 8
    }

    /// Whether the file was in use when this was read from it, so that it is incomplete without its log.
    pub fn continues_in_log(self) -> bool {
        self.0 & 0xff == u32::from(IN_USE)
    }

    /// The number of writes from `other` to `self`; negative if `self` is older.
    pub fn since(self, other: Mark) -> i64 {
        let distance = self.number().wrapping_sub(other.number()) % NUMBERS;
        if distance < NUMBERS / 2 { i64::from(distance) } else { i64::from(distance) - i64::from(NUMBERS) }
    }

    /// Writes the mark of this write. Must be called in a write transaction.
    pub fn put_next(db: &Connection) -> Result<Self> {
        let mark = Mark(((Mark::of(db)?.number() + 1) % NUMBERS) << 8);
        db.execute_batch(&format!("PRAGMA user_version = {}", mark.0.cast_signed())).map_err(sql)?;
        Ok(mark)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn write_numbers_wrap_around() {
        let mark = |number: u32| Mark(number << 8);
        assert_eq!(mark(7).since(mark(5)), 2);
        assert_eq!(mark(5).since(mark(7)), -2);
        assert_eq!(mark(1).since(mark(NUMBERS - 1)), 2);
        assert_eq!(mark(NUMBERS - 1).since(mark(1)), -2);
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch("PRAGMA user_version = -255").unwrap();
        let last = Mark::of(&db).unwrap();
        assert_eq!((last.number(), last.continues_in_log()), (NUMBERS - 1, true));
        assert_eq!(Mark::put_next(&db).unwrap(), Mark(0));
        assert_eq!(Mark::of(&db).unwrap(), Mark(0));
    }
}
