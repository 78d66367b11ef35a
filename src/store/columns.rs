//! Converts between rows and types. A stored value that breaks a rule of the model is damage. It is reported, never
//! guessed, and affects nothing else: a record lists its unreadable fields, and its key gets no verdict.

use std::time::Duration;

use super::row::{Read, Row, Unreadable};
use super::value::SqlValue;
use crate::model::{Email, KeyId, Networks, RateLimit, ScopeSet, Time};

/// A time; an error for any other value, and for a number outside the years that are ever stored.
pub(super) fn time(row: &Row<'_>, column: usize) -> Read<Time> {
    time_or_null(row, column)?.ok_or(Unreadable { column })
}

pub(super) fn time_or_null(row: &Row<'_>, column: usize) -> Read<Option<Time>> {
    let millis: Option<i64> = row.get(column)?;
    millis.map(|millis| Time::stored(millis).ok_or(Unreadable { column })).transpose()
}

/// A boolean. Only 0 and 1 are valid, although every number except zero is true in SQLite.
pub(super) fn flag(row: &Row<'_>, column: usize) -> Read<bool> {
    match row.value(column) {
        SqlValue::Integer(0) => Ok(false),
        SqlValue::Integer(1) => Ok(true),
        _ => Err(Unreadable { column }),
    }
}

pub(super) fn scopes(row: &Row<'_>, column: usize) -> Read<ScopeSet> {
    ScopeSet::stored(row.text(column)?).ok_or(Unreadable { column })
}

pub(super) fn networks(row: &Row<'_>, column: usize) -> Read<Networks> {
    Networks::stored(row.text(column)?).ok_or(Unreadable { column })
}

pub(super) fn rate_limit(row: &Row<'_>, column: usize) -> Read<Option<RateLimit>> {
    let text = row.text_or_null(column)?;
    text.map(|text| RateLimit::parse(text).map_err(|_| Unreadable { column })).transpose()
}

/// The key whose rate limit this one shares, if it has none of its own.
pub(super) fn limit_bucket(row: &Row<'_>, column: usize) -> Read<Option<KeyId>> {
    Ok(row.get::<Option<[u8; 16]>>(column)?.map(KeyId::from_bytes))
}

/// A key's total lifetime, stored in seconds.
pub(super) fn lifetime(row: &Row<'_>, column: usize) -> Read<Option<Duration>> {
    let seconds: Option<i64> = row.get(column)?;
    let longest = Time::from_millis(i64::MAX).seconds();
    let read = |seconds: i64| u64::try_from(seconds).ok().filter(|_| seconds <= longest).map(Duration::from_secs);
    seconds.map(|seconds| read(seconds).ok_or(Unreadable { column })).transpose()
}

/// Reads a row column by column. A value that breaks a rule is left out and its field reported, so that a damaged value
/// never prevents its own row or others from being listed, refused or deleted.
pub(super) struct Salvage<'a, 'row> {
    row: &'a Row<'row>,
    pub unreadable: Vec<&'static str>,
}

impl<'a, 'row> Salvage<'a, 'row> {
    pub fn of(row: &'a Row<'row>) -> Self {
        Salvage { row, unreadable: Vec::new() }
    }

    /// The value, or `instead` if it is unreadable.
    pub fn or<T>(&mut self, field: &'static str, value: Option<T>, instead: T) -> T {
        value.unwrap_or_else(|| {
            self.note(field);
            instead
        })
    }

    /// A text; bytes that are not UTF-8 are replaced.
    pub fn text(&mut self, field: &'static str, column: usize) -> Read<String> {
        let text = self.text_or_null(field, column)?;
        Ok(self.or(field, text, String::new()))
    }

    pub fn text_or_null(&mut self, field: &'static str, column: usize) -> Read<Option<String>> {
        let bytes = match self.row.value(column) {
            SqlValue::Null => return Ok(None),
            SqlValue::Text(bytes) => bytes,
            _ => {
                self.note(field);
                return Ok(None);
            }
        };
        Ok(Some(match str::from_utf8(bytes) {
            Ok(text) => text.to_owned(),
            Err(_) => {
                self.note(field);
                String::from_utf8_lossy(bytes).into_owned()
            }
        }))
    }

    pub fn email(&mut self, field: &'static str, column: usize) -> Read<Email> {
        let (email, is_address) = Email::stored(&self.text_or_null(field, column)?.unwrap_or_default());
        if !is_address {
            self.note(field);
        }
        Ok(email)
    }

    /// An id of sixteen bytes; all zero, which is no valid id, for any other value.
    pub fn id(&mut self, field: &'static str, column: usize) -> [u8; 16] {
        self.or(field, self.row.get(column).ok(), [0; 16])
    }

    /// The valid time closest to the stored one; the earliest time if none is stored.
    pub fn time(&mut self, field: &'static str, column: usize) -> Time {
        let nearest = Time::from_millis(self.row.get(column).unwrap_or(i64::MIN));
        self.or(field, time(self.row, column).ok(), nearest)
    }

    pub fn time_or_null(&mut self, field: &'static str, column: usize) -> Option<Time> {
        self.or(field, time_or_null(self.row, column).ok(), None)
    }

    pub fn flag(&mut self, field: &'static str, column: usize, instead: bool) -> bool {
        self.or(field, flag(self.row, column).ok(), instead)
    }

    fn note(&mut self, field: &'static str) {
        if !self.unreadable.contains(&field) {
            self.unreadable.push(field);
        }
    }
}

/// The pattern for LIKE; `%` and `_` in the search text are literal.
pub(super) fn like_pattern(search: &str) -> String {
    let mut pattern = String::from("%");
    for c in search.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}
