//! Copies a whole database into another one, of the same or the other engine, and compares every row.

mod destination;
mod rows;
mod tables;

use super::tables::pending_imports::Id;
use super::tx::EngineConnection;
use super::{Tx, postgres};
use crate::error::{Error, Result};
pub use destination::Destination;
use rows::TableContent;
use tables::COPIED;

/// How many rows of a table were copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CopiedRows {
    pub table: &'static str,
    pub rows: u64,
}

impl Tx<'_> {
    /// About how many rows there are to copy, for the progress.
    pub fn rows_to_copy(&self) -> Result<u64> {
        let mut sum = 0;
        for table in &COPIED {
            // Counting in PostgreSQL takes as long as reading.
            let text = self.dialect(
                format!("SELECT count(*) FROM {}", table.name),
                format!("SELECT greatest(reltuples, 0)::BIGINT FROM pg_class WHERE oid = '{}'::regclass", table.name),
            );
            sum += self.one(&text, (), |row| row.get::<i64>(0))?.unsigned_abs();
        }
        Ok(sum)
    }

    /// Begins to read the whole database. Until the end of this transaction, no node can join; an error if one has.
    pub fn begin_copy(&self, name: &str) -> Result<()> {
        match self.connection() {
            EngineConnection::Sqlite(_) => self.keep_many_pages(true),
            EngineConnection::Postgres(session) => {
                postgres::take_long(session)?;
                postgres::keep_nodes_away(session, name)
            }
        }
    }

    /// The random id of the database; its copies have the same id.
    pub fn installation(&self) -> Result<[u8; 16]> {
        self.one("SELECT id FROM installation", (), |row| row.get(0))
    }
}

/// Copies every row. Both are in transactions that keep others from writing and may take long; `tick` is called after each row.
pub fn copy_rows(from: &Tx<'_>, to: &Tx<'_>, tick: &dyn Fn()) -> Result<Vec<CopiedRows>> {
    let copy = || COPIED.iter().map(|table| rows::copy(from, to, table, tick)).collect::<Result<Vec<TableContent>>>();
    let copied = without_triggers(to, copy)?;
    COPIED.iter().zip(&copied).map(|(table, rows)| same(to, table, rows)).collect()
}

fn same(to: &Tx<'_>, table: &tables::CopiedTable, rows: &TableContent) -> Result<CopiedRows> {
    if rows::read(to, table)? == *rows {
        return Ok(CopiedRows { table: table.name, rows: rows.count });
    }
    Err(Error::unavailable(format!("the rows of {} are not the same in the copy", table.name)))
}

/// Runs `copy` in a new database, whose triggers must not add lines of the feed for keys that nobody has in memory.
fn without_triggers<T>(to: &Tx<'_>, copy: impl FnOnce() -> Result<T>) -> Result<T> {
    to.execute("DELETE FROM installation", ())?;
    let switch = |to: &Tx<'_>, word: &str| {
        COPIED
            .iter()
            .try_for_each(|table| to.execute(&format!("ALTER TABLE {} {word} TRIGGER USER", table.name), ()).map(drop))
    };
    if to.dialect(false, true) {
        switch(to, "DISABLE")?;
        let copied = copy()?;
        switch(to, "ENABLE")?;
        to.execute("UPDATE clock SET events = (SELECT coalesce(max(seq), 0) FROM events)", ())?;
        return Ok(copied);
    }
    let (first, last): (Id, Id) = ([0; 16], [0xff; 16]);
    to.execute("INSERT INTO pending_imports (first_id, last_id, lost) VALUES (?1, ?2, 0)", (first, last))?;
    let copied = copy()?;
    to.execute("DELETE FROM pending_imports", ())?;
    to.fill_names()?;
    Ok(copied)
}
