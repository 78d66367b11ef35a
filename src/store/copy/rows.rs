//! Copies the rows of one table, and reads them again to compare.

use sha2::{Digest as _, Sha256};

use super::tables::CopiedTable;
use crate::error::{Error, Result};
use crate::store::Tx;
use crate::store::postgres::RowCopy;
use crate::store::tx::EngineConnection;
use crate::store::value::SqlValue;

/// How many rows a table has, and a digest of all of them in the order of their key.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TableContent {
    pub count: u64,
    digest: [u8; 32],
}

/// Copies all rows; calls `tick` after each.
pub(super) fn copy(from: &Tx<'_>, to: &Tx<'_>, table: &CopiedTable, tick: &dyn Fn()) -> Result<TableContent> {
    let mut sink = RowSink::open(to, table)?;
    let rows = each(from, table, &mut |values| {
        sink.push(values)?;
        tick();
        Ok(())
    })?;
    sink.finish()?;
    Ok(rows)
}

pub(super) fn read(tx: &Tx<'_>, table: &CopiedTable) -> Result<TableContent> {
    each(tx, table, &mut |_| Ok(()))
}

fn each(tx: &Tx<'_>, table: &CopiedTable, take: &mut dyn FnMut(&[SqlValue<'_>]) -> Result<()>) -> Result<TableContent> {
    let CopiedTable { name, columns, key } = table;
    let width = columns.split(", ").count();
    let (mut hash, mut count, mut failed) = (Sha256::new(), 0, None);
    tx.each(&format!("SELECT {columns} FROM {name} ORDER BY {key}"), (), |row| {
        let values: Vec<_> = (0..width).map(|column| row.value(column)).collect();
        values.iter().for_each(|value| update(&mut hash, value));
        count += 1;
        failed = take(&values).err();
        Ok(failed.is_none())
    })?;
    match failed {
        Some(error) => Err(Error { message: format!("{} (a row of {name})", error.message).into(), ..error }),
        None => Ok(TableContent { count, digest: hash.finalize().into() }),
    }
}

/// Each value with its type and length, so that different rows never give the same input.
fn update(hash: &mut Sha256, value: &SqlValue<'_>) {
    let number;
    let (kind, bytes): (u8, &[u8]) = match value {
        SqlValue::Null => (0, &[]),
        SqlValue::Integer(integer) => {
            number = integer.to_be_bytes();
            (1, &number)
        }
        SqlValue::Real(real) => {
            number = real.to_be_bytes();
            (2, &number)
        }
        SqlValue::Text(text) => (3, text),
        SqlValue::Blob(blob) => (4, blob),
    };
    hash.update([kind]);
    hash.update((bytes.len() as u64).to_be_bytes());
    hash.update(bytes);
}

enum RowSink<'a> {
    Statement { tx: &'a Tx<'a>, text: String },
    Copy(RowCopy<'a>),
}

impl<'a> RowSink<'a> {
    fn open(tx: &'a Tx<'a>, table: &CopiedTable) -> Result<Self> {
        let CopiedTable { name, columns, .. } = table;
        Ok(match tx.connection() {
            EngineConnection::Sqlite(_) => {
                let places: Vec<_> = (1..=columns.split(", ").count()).map(|place| format!("?{place}")).collect();
                let text = format!("INSERT INTO {name} ({columns}) VALUES ({})", places.join(", "));
                RowSink::Statement { tx, text }
            }
            EngineConnection::Postgres(session) => RowSink::Copy(session.copy(name, columns)?),
        })
    }

    fn push(&mut self, row: &[SqlValue<'_>]) -> Result<()> {
        match self {
            RowSink::Statement { tx, text } => tx.execute(text, row).map(drop),
            RowSink::Copy(copy) => copy.push(row),
        }
    }

    fn finish(self) -> Result<()> {
        match self {
            RowSink::Statement { .. } => Ok(()),
            RowSink::Copy(copy) => copy.finish(),
        }
    }
}
