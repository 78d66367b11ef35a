//! One transaction or one read. `tables` has its methods, one per statement.

use rusqlite::{Connection, OptionalExtension, Params, Row};

use super::rows::sql;
use crate::error::Result;

/// The argument of the closures of [`Store::read`](super::Store::read) and [`Store::write`](super::Store::write). What
/// a rule reads cannot change before it writes, because a write transaction excludes all other writers.
pub struct Tx<'a> {
    pub(super) db: &'a Connection,
}

impl<'a> Tx<'a> {
    pub(super) fn new(db: &'a Connection) -> Self {
        Tx { db }
    }

    /// Returns the number of rows changed.
    pub(super) fn execute(&self, text: &str, values: impl Params) -> Result<usize> {
        self.db.prepare_cached(text).and_then(|mut statement| statement.execute(values)).map_err(sql)
    }

    /// The first row, if there is one.
    pub(super) fn row<T>(
        &self,
        text: &str,
        values: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>> {
        let mut query = self.db.prepare_cached(text).map_err(sql)?;
        query.query_row(values, read).optional().map_err(sql)
    }

    /// The row of a query that always returns one.
    pub(super) fn one<T>(
        &self,
        text: &str,
        values: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<T> {
        let mut query = self.db.prepare_cached(text).map_err(sql)?;
        query.query_row(values, read).map_err(sql)
    }

    pub(super) fn rows<T>(
        &self,
        text: &str,
        values: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>> {
        let mut query = self.db.prepare_cached(text).map_err(sql)?;
        query.query_map(values, read).and_then(Iterator::collect).map_err(sql)
    }

    /// Whether to cache up to 1 GiB of the database's pages while writing, instead of the usual 8 MiB.
    pub fn keep_many_pages(&self, many: bool) -> Result<()> {
        self.db.pragma_update(None, "cache_size", if many { "-1048576" } else { "-8192" }).map_err(sql)
    }
}
