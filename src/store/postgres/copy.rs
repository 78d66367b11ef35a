//! Many rows into a table by COPY in its binary form (PostgreSQL documentation, "COPY").

use std::pin::Pin;

use tokio_postgres::binary_copy::BinaryCopyInWriter;

use super::session::PostgresSession;
use super::types::Parameter;
use crate::error::Result;
use crate::store::value::SqlValue;

/// A COPY that has begun. It has no effect unless `finish` is called.
pub(in crate::store) struct RowCopy<'a> {
    session: &'a PostgresSession,
    writer: Pin<Box<BinaryCopyInWriter>>,
}

impl PostgresSession {
    /// Begins to write these columns of a table.
    pub fn copy(&self, table: &str, columns: &str) -> Result<RowCopy<'_>> {
        let types = self.types_of(&format!("SELECT {columns} FROM {table}"))?;
        let writer = self.begin_copy(&format!("COPY {table} ({columns}) FROM STDIN BINARY"), &types)?;
        Ok(RowCopy { session: self, writer: Box::pin(writer) })
    }
}

impl RowCopy<'_> {
    pub fn push(&mut self, row: &[SqlValue<'_>]) -> Result<()> {
        self.session.run(self.writer.as_mut().write_raw(row.iter().copied().map(Parameter)))
    }

    pub fn finish(mut self) -> Result<()> {
        self.session.run(self.writer.as_mut().finish()).map(drop)
    }
}
