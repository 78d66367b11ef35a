//! Runs statements on a connection.

use rusqlite::{CachedStatement, Connection};

use crate::error::{Error, Result};
use crate::store::row::{Read, Row};
use crate::store::value::SqlValue;

/// Every failure of SQLite while serving is "unavailable", because it proves nothing about a key.
pub(in crate::store) fn sql(error: rusqlite::Error) -> Error {
    Error::unavailable(format!("SQLite: {error}"))
}

pub(in crate::store) fn execute(db: &Connection, text: &str, values: &[SqlValue<'_>], names: &[&str]) -> Result<usize> {
    try_to_execute(db, text, values, names).map_err(sql)
}

pub(in crate::store) fn try_to_execute(
    db: &Connection,
    text: &str,
    values: &[SqlValue<'_>],
    names: &[&str],
) -> rusqlite::Result<usize> {
    prepared(db, text, values, names)?.raw_execute()
}

pub(in crate::store) fn each(
    db: &Connection,
    text: &str,
    values: &[SqlValue<'_>],
    names: &[&str],
    read: &mut dyn FnMut(&Row<'_>) -> Read<bool>,
) -> Result<()> {
    let mut statement = prepared(db, text, values, names).map_err(sql)?;
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next().map_err(sql)? {
        if !read(&Row::Sqlite(row))? {
            break;
        }
    }
    Ok(())
}

fn prepared<'a>(
    db: &'a Connection,
    text: &str,
    values: &[SqlValue<'_>],
    names: &[&str],
) -> rusqlite::Result<CachedStatement<'a>> {
    let mut statement = db.prepare_cached(text)?;
    for (place, value) in values.iter().enumerate() {
        let number = match names.get(place) {
            Some(name) => {
                let missing = || rusqlite::Error::InvalidParameterName((*name).to_owned());
                statement.parameter_index(name)?.ok_or_else(missing)?
            }
            None => place + 1,
        };
        statement.raw_bind_parameter(number, value)?;
    }
    Ok(statement)
}

pub(in crate::store) fn at_one_moment<T>(db: &Connection, read: impl FnOnce() -> Result<T>) -> Result<T> {
    run(db, "BEGIN").map_err(sql)?;
    let _end = EndOfRead(db);
    read()
}

/// Ends a read transaction, also after a panic. Unlike rusqlite's own, it does not parse its statement each time.
struct EndOfRead<'a>(&'a Connection);

impl Drop for EndOfRead<'_> {
    fn drop(&mut self) {
        if let Err(error) = run(self.0, "ROLLBACK") {
            tracing::warn!(%error, "a read transaction could not be ended");
        }
    }
}

fn run(db: &Connection, text: &str) -> rusqlite::Result<usize> {
    db.prepare_cached(text)?.execute(())
}

pub(in crate::store) fn keep_many_pages(db: &Connection, many: bool) -> Result<()> {
    db.pragma_update(None, "cache_size", if many { "-262144" } else { "-8192" }).map_err(sql)
}
