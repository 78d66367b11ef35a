//! Converts values between statements and SQLite.

use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};

use crate::store::value::SqlValue;

impl ToSql for SqlValue<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match *self {
            SqlValue::Null => ValueRef::Null,
            SqlValue::Integer(number) => ValueRef::Integer(number),
            SqlValue::Real(number) => ValueRef::Real(number),
            SqlValue::Text(bytes) => ValueRef::Text(bytes),
            SqlValue::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

pub(in crate::store) fn value_at<'a>(row: &'a rusqlite::Row<'_>, column: usize) -> SqlValue<'a> {
    match row.get_ref(column) {
        Ok(ValueRef::Integer(number)) => SqlValue::Integer(number),
        Ok(ValueRef::Real(number)) => SqlValue::Real(number),
        Ok(ValueRef::Text(bytes)) => SqlValue::Text(bytes),
        Ok(ValueRef::Blob(bytes)) => SqlValue::Blob(bytes),
        // A row has the columns that its statement names.
        Ok(ValueRef::Null) | Err(_) => SqlValue::Null,
    }
}
