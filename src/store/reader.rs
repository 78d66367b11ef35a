//! A connection that only reads, of either engine.

use super::{Tx, postgres};
use crate::error::Result;

pub(super) enum AnyReader {
    Sqlite(rusqlite::Connection),
    Postgres(Box<postgres::PostgresReader>),
}

impl AnyReader {
    pub fn run<T>(&mut self, query: impl FnOnce(&Tx<'_>) -> Result<T>) -> Result<T> {
        match self {
            AnyReader::Sqlite(db) => query(&Tx::from(&*db)),
            AnyReader::Postgres(reader) => reader.run(query),
        }
    }
}
