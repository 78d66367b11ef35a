//! One transaction or one read, on either engine. `tables` has its methods, one per statement.

use super::postgres::session::PostgresSession;
use super::row::{Read, Row};
use super::sqlite::statement;
use super::value::Values;
use crate::error::Result;

/// The argument of the closures of [`Store::read`](super::Store::read) and [`Store::write`](super::Store::write). What
/// a rule reads cannot change before it writes, because a write transaction excludes all other writers.
///
/// Statements are written once, in the SQL that both engines understand: values are `?1`, `?2` and so on or `:name`,
/// flags are the numbers 0 and 1. Where the engines differ, a method asks for the [`Tx::dialect`].
pub struct Tx<'a> {
    connection: EngineConnection<'a>,
}

/// The connection of the engine.
#[derive(Clone, Copy)]
pub(super) enum EngineConnection<'a> {
    Sqlite(&'a rusqlite::Connection),
    Postgres(&'a PostgresSession),
}

impl<'a> From<&'a rusqlite::Connection> for Tx<'a> {
    fn from(db: &'a rusqlite::Connection) -> Self {
        Tx { connection: EngineConnection::Sqlite(db) }
    }
}

impl<'a> From<&'a PostgresSession> for Tx<'a> {
    fn from(session: &'a PostgresSession) -> Self {
        Tx { connection: EngineConnection::Postgres(session) }
    }
}

impl<'a> Tx<'a> {
    pub(super) fn connection(&self) -> EngineConnection<'a> {
        self.connection
    }

    /// Returns the number of rows changed.
    pub(super) fn execute(&self, text: &str, values: impl Values) -> Result<usize> {
        values.with(|values, names| match self.connection {
            EngineConnection::Sqlite(db) => statement::execute(db, text, values, names),
            EngineConnection::Postgres(session) => session.execute(text, values, names),
        })
    }

    /// Reads row by row until `read` returns false. In `read` no other statement can run.
    pub(super) fn each(
        &self,
        text: &str,
        values: impl Values,
        mut read: impl FnMut(&Row<'_>) -> Read<bool>,
    ) -> Result<()> {
        values.with(|values, names| match self.connection {
            EngineConnection::Sqlite(db) => statement::each(db, text, values, names, &mut read),
            EngineConnection::Postgres(session) => session.each(text, values, names, &mut read),
        })
    }

    /// The first row, if there is one.
    pub(super) fn row<T>(
        &self,
        text: &str,
        values: impl Values,
        mut read: impl FnMut(&Row<'_>) -> Read<T>,
    ) -> Result<Option<T>> {
        let mut found = None;
        self.each(text, values, |row| {
            found = Some(read(row)?);
            Ok(false)
        })?;
        Ok(found)
    }

    /// The row of a query that always returns one.
    pub(super) fn one<T>(&self, text: &str, values: impl Values, read: impl FnMut(&Row<'_>) -> Read<T>) -> Result<T> {
        let nothing = || crate::error::Error::internal("a query that returns a row returned none");
        self.row(text, values, read)?.ok_or_else(nothing)
    }

    pub(super) fn rows<T>(
        &self,
        text: &str,
        values: impl Values,
        mut read: impl FnMut(&Row<'_>) -> Read<T>,
    ) -> Result<Vec<T>> {
        let mut found = Vec::new();
        self.each(text, values, |row| {
            found.push(read(row)?);
            Ok(true)
        })?;
        Ok(found)
    }

    /// Runs several reads that all see the same moment. Must not be called in a write.
    pub(super) fn at_one_moment<T>(&self, read: impl FnOnce() -> Result<T>) -> Result<T> {
        match self.connection {
            EngineConnection::Sqlite(db) => statement::at_one_moment(db, read),
            EngineConnection::Postgres(session) => session.at_one_moment(read),
        }
    }

    /// One of two texts, where the engines differ.
    pub(super) fn dialect<T>(&self, sqlite: T, postgres: T) -> T {
        match self.connection {
            EngineConnection::Sqlite(_) => sqlite,
            EngineConnection::Postgres(_) => postgres,
        }
    }

    /// Whether to cache up to 256 MiB of the database's pages while writing, instead of the usual 8 MiB. PostgreSQL's
    /// cache is its own.
    pub fn keep_many_pages(&self, many: bool) -> Result<()> {
        match self.connection {
            EngineConnection::Sqlite(db) => statement::keep_many_pages(db, many),
            EngineConnection::Postgres(_) => Ok(()),
        }
    }
}
