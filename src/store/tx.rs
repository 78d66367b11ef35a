//! One transaction, or one read. What can be done in it stands in `tables`: one method per statement.

use rusqlite::{Connection, OptionalExtension, Params, Row};

use super::rows::sql;
use crate::error::Result;

/// Handed to the closures of [`Store::read`](super::Store::read) and [`Store::write`](super::Store::write). Whatever a
/// rule reads through it is as it is when the rule writes: a write transaction excludes every other writer.
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

    /// The row of a query that always has one.
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

    /// How many pages of the database stay in memory while it is written to: 1 GiB of them, or the usual 8 MiB.
    pub fn keep_many_pages(&self, many: bool) -> Result<()> {
        self.db.pragma_update(None, "cache_size", if many { "-1048576" } else { "-8192" }).map_err(sql)
    }
}
