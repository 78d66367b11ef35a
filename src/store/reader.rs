//! A connection that only reads, of either engine.

use super::{Tx, postgres};
use crate::error::Result;

pub(super) enum Reader {
    Sqlite(rusqlite::Connection),
    Postgres(postgres::Reader),
}

impl Reader {
    pub fn run<T>(&mut self, query: impl FnOnce(&Tx<'_>) -> Result<T>) -> Result<T> {
        match self {
            Reader::Sqlite(db) => query(&Tx::from(&*db)),
            Reader::Postgres(reader) => reader.run(query),
        }
    }
}
