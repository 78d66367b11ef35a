//! One row of a result, of either engine.

use super::value::{SqlValue, ToValue};
use super::{postgres::types as postgres, sqlite::types as sqlite};
use crate::error::Error;

/// The columns are counted from 0.
pub(super) enum Row<'a> {
    Sqlite(&'a rusqlite::Row<'a>),
    Postgres(&'a tokio_postgres::Row),
}

/// A column does not contain what its type allows: damage, which proves nothing about a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unreadable {
    pub column: usize,
}

pub(super) type Read<T> = Result<T, Unreadable>;

impl From<Unreadable> for Error {
    fn from(found: Unreadable) -> Self {
        Error::unavailable(format!("column {} of a row breaks a rule of its type", found.column))
    }
}

impl Row<'_> {
    pub fn value(&self, column: usize) -> SqlValue<'_> {
        match self {
            Row::Sqlite(row) => sqlite::value_at(row, column),
            Row::Postgres(row) => postgres::value_at(row, column),
        }
    }

    pub fn get<T: FromValue>(&self, column: usize) -> Read<T> {
        T::read(self.value(column)).ok_or(Unreadable { column })
    }

    /// The text, borrowed from the row.
    pub fn text(&self, column: usize) -> Read<&str> {
        self.text_or_null(column)?.ok_or(Unreadable { column })
    }

    pub fn text_or_null(&self, column: usize) -> Read<Option<&str>> {
        match self.value(column) {
            SqlValue::Null => Ok(None),
            SqlValue::Text(bytes) => str::from_utf8(bytes).map(Some).map_err(|_| Unreadable { column }),
            _ => Err(Unreadable { column }),
        }
    }
}

/// What can be read from a column.
pub(super) trait FromValue: Sized {
    /// `None` if the column contains something else.
    fn read(value: SqlValue<'_>) -> Option<Self>;
}

impl FromValue for i64 {
    fn read(value: SqlValue<'_>) -> Option<Self> {
        match value {
            SqlValue::Integer(number) => Some(number),
            _ => None,
        }
    }
}

impl FromValue for u32 {
    fn read(value: SqlValue<'_>) -> Option<Self> {
        i64::read(value)?.try_into().ok()
    }
}

/// For conditions; a stored boolean is read by [`super::columns::flag`].
impl FromValue for bool {
    fn read(value: SqlValue<'_>) -> Option<Self> {
        i64::read(value).map(|number| number != 0)
    }
}

impl FromValue for String {
    fn read(value: SqlValue<'_>) -> Option<Self> {
        match value {
            SqlValue::Text(bytes) => String::from_utf8(bytes.to_vec()).ok(),
            _ => None,
        }
    }
}

impl FromValue for Vec<u8> {
    fn read(value: SqlValue<'_>) -> Option<Self> {
        match value {
            SqlValue::Blob(bytes) => Some(bytes.to_vec()),
            _ => None,
        }
    }
}

impl<const N: usize> FromValue for [u8; N] {
    fn read(value: SqlValue<'_>) -> Option<Self> {
        match value {
            SqlValue::Blob(bytes) => bytes.try_into().ok(),
            _ => None,
        }
    }
}

impl<T: FromValue> FromValue for Option<T> {
    fn read(value: SqlValue<'_>) -> Option<Self> {
        match value {
            SqlValue::Null => Some(None),
            value => T::read(value).map(Some),
        }
    }
}

/// The content of a column, whatever it is, with which a damaged row can be found again.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum StoredContent {
    Null,
    Integer(i64),
    Real(f64),
    Text(Vec<u8>),
    Blob(Vec<u8>),
}

impl FromValue for StoredContent {
    fn read(value: SqlValue<'_>) -> Option<Self> {
        Some(match value {
            SqlValue::Null => StoredContent::Null,
            SqlValue::Integer(number) => StoredContent::Integer(number),
            SqlValue::Real(number) => StoredContent::Real(number),
            SqlValue::Text(bytes) => StoredContent::Text(bytes.to_vec()),
            SqlValue::Blob(bytes) => StoredContent::Blob(bytes.to_vec()),
        })
    }
}

impl ToValue for StoredContent {
    fn value(&self) -> SqlValue<'_> {
        match self {
            StoredContent::Null => SqlValue::Null,
            StoredContent::Integer(number) => SqlValue::Integer(*number),
            StoredContent::Real(number) => SqlValue::Real(*number),
            StoredContent::Text(bytes) => SqlValue::Text(bytes),
            StoredContent::Blob(bytes) => SqlValue::Blob(bytes),
        }
    }
}
