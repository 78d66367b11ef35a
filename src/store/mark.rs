//! The mark that each write leaves in the database's header (`PRAGMA user_version`), where it can be read without
//! SQLite, in the file and in its log: the number of the write, and whether what follows it is in the log.

use rusqlite::Connection;

use super::rows::sql;
use crate::error::Result;

const NUMBERS: u32 = 1 << 31;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark(u32);

impl Mark {
    pub fn from_bits(bits: u32) -> Self {
        Mark(bits)
    }

    pub fn bits(self) -> u32 {
        self.0
    }

    /// As this connection sees it.
    pub fn of(db: &Connection) -> Result<Self> {
        let mut query = db.prepare_cached("PRAGMA user_version").map_err(sql)?;
        let bits: i32 = query.query_row([], |row| row.get(0)).map_err(sql)?;
        Ok(Mark(bits.cast_unsigned()))
    }

    /// The number of the last write of this program; others leave it as it is. Goes around at 2^31.
    pub fn number(self) -> u32 {
        self.0 >> 1
    }

    /// Whether the file was in use when this was written into it: without its log it is not whole.
    pub fn continues_in_log(self) -> bool {
        self.0 & 1 == 1
    }

    /// By how many writes `self` comes after `other`; negative if it comes before.
    pub fn since(self, other: Mark) -> i64 {
        let distance = self.number().wrapping_sub(other.number()) % NUMBERS;
        if distance < NUMBERS / 2 { i64::from(distance) } else { i64::from(distance) - i64::from(NUMBERS) }
    }

    /// In a write transaction: the mark of this write.
    pub fn put_next(db: &Connection, continues_in_log: bool) -> Result<Self> {
        let number = (Mark::of(db)?.number() + 1) % NUMBERS;
        let mark = Mark(number << 1 | u32::from(continues_in_log));
        db.execute_batch(&format!("PRAGMA user_version = {}", mark.0.cast_signed())).map_err(sql)?;
        Ok(mark)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_around() {
        let mark = |number: u32| Mark(number << 1);
        assert_eq!(mark(7).since(mark(5)), 2);
        assert_eq!(mark(5).since(mark(7)), -2);
        assert_eq!(mark(1).since(mark(NUMBERS - 1)), 2);
        assert_eq!(mark(NUMBERS - 1).since(mark(1)), -2);
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch("PRAGMA user_version = -2").unwrap();
        assert_eq!(Mark::of(&db).unwrap().number(), NUMBERS - 1);
        assert_eq!(Mark::put_next(&db, true).unwrap(), Mark(1));
        assert_eq!(Mark::of(&db).unwrap(), Mark(1));
    }
}
