//! One row of a result, of either engine.

use super::postgres;
use super::sqlite;
use super::value::{ToValue, Value};
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
    pub fn value(&self, column: usize) -> Value<'_> {
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
            Value::Null => Ok(None),
            Value::Text(bytes) => str::from_utf8(bytes).map(Some).map_err(|_| Unreadable { column }),
            _ => Err(Unreadable { column }),
        }
    }
}

/// What can be read from a column.
pub(super) trait FromValue: Sized {
    /// `None` if the column contains something else.
    fn read(value: Value<'_>) -> Option<Self>;
}

impl FromValue for i64 {
    fn read(value: Value<'_>) -> Option<Self> {
        match value {
            Value::Integer(number) => Some(number),
            _ => None,
        }
    }
}

impl FromValue for u32 {
    fn read(value: Value<'_>) -> Option<Self> {
        i64::read(value)?.try_into().ok()
    }
}

/// For conditions; a stored boolean is read by [`super::columns::flag`].
impl FromValue for bool {
    fn read(value: Value<'_>) -> Option<Self> {
        i64::read(value).map(|number| number != 0)
    }
}

impl FromValue for String {
    fn read(value: Value<'_>) -> Option<Self> {
        match value {
            Value::Text(bytes) => String::from_utf8(bytes.to_vec()).ok(),
            _ => None,
        }
    }
}

impl FromValue for Vec<u8> {
    fn read(value: Value<'_>) -> Option<Self> {
        match value {
            Value::Blob(bytes) => Some(bytes.to_vec()),
            _ => None,
        }
    }
}

impl<const N: usize> FromValue for [u8; N] {
    fn read(value: Value<'_>) -> Option<Self> {
        match value {
            Value::Blob(bytes) => bytes.try_into().ok(),
            _ => None,
        }
    }
}

impl<T: FromValue> FromValue for Option<T> {
    fn read(value: Value<'_>) -> Option<Self> {
        match value {
            Value::Null => Some(None),
            value => T::read(value).map(Some),
        }
    }
}

/// The content of a column, whatever it is, with which a damaged row can be found again.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Content {
    Null,
    Integer(i64),
    Real(f64),
    Text(Vec<u8>),
    Blob(Vec<u8>),
}

impl FromValue for Content {
    fn read(value: Value<'_>) -> Option<Self> {
        Some(match value {
            Value::Null => Content::Null,
            Value::Integer(number) => Content::Integer(number),
            Value::Real(number) => Content::Real(number),
            Value::Text(bytes) => Content::Text(bytes.to_vec()),
            Value::Blob(bytes) => Content::Blob(bytes.to_vec()),
        })
    }
}

impl ToValue for Content {
    fn value(&self) -> Value<'_> {
        match self {
            Content::Null => Value::Null,
            Content::Integer(number) => Value::Integer(*number),
            Content::Real(number) => Value::Real(*number),
            Content::Text(bytes) => Value::Text(bytes),
            Content::Blob(bytes) => Value::Blob(bytes),
        }
    }
}
