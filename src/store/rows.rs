//! From rows to types and back. A value in the database that breaks a rule of the model is damage,
//! reported as such, never guessed at.

use rusqlite::types::Type;
use rusqlite::{Connection, Row};

use crate::error::{Error, Result};
use crate::model::{Email, Networks, RateLimit, Role, ScopeSet, Time, User, UserId};

/// Every failure of SQLite while serving is "unavailable": it says nothing about a key.
pub(super) fn sql(error: rusqlite::Error) -> Error {
    Error::unavailable(format!("SQLite: {error}"))
}

pub(super) fn is_unique_violation(error: &rusqlite::Error) -> bool {
    matches!(error, rusqlite::Error::SqliteFailure(failure, _)
        if failure.extended_code == rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE || failure.extended_code == rusqlite::ffi::SQLITE_CONSTRAINT_PRIMARYKEY)
}

/// A stored text through the parser of its type.
pub(super) fn parsed<T>(column: usize, value: Result<T>) -> rusqlite::Result<T> {
    value.map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error)))
}

pub(super) fn time(millis: i64) -> Time {
    Time::from_millis(millis)
}

pub(super) fn scopes(row: &Row<'_>, column: usize) -> rusqlite::Result<ScopeSet> {
    parsed(column, ScopeSet::parse(row.get_ref(column)?.as_str()?.split(' ').filter(|part| !part.is_empty())))
}

pub(super) fn networks(row: &Row<'_>, column: usize) -> rusqlite::Result<Networks> {
    parsed(column, Networks::parse(row.get_ref(column)?.as_str()?.split(' ').filter(|part| !part.is_empty())))
}

pub(super) fn rate_limit(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<RateLimit>> {
    let text: Option<String> = row.get(column)?;
    text.map(|text| parsed(column, RateLimit::parse(&text))).transpose()
}

pub(super) const USER: &str = "u.id, u.email, u.role, u.active, u.created_at, u.last_login_at, \
    (SELECT count(*) FROM keys WHERE owner_id = u.id) - (SELECT count(*) FROM token_families WHERE user_id = u.id)";

/// From the columns of [`USER`], the first of them at `first`.
pub(super) fn user(row: &Row<'_>, first: usize) -> rusqlite::Result<User> {
    Ok(User {
        id: UserId::from_bytes(row.get(first)?),
        email: parsed(first + 1, Email::parse(row.get_ref(first + 1)?.as_str()?))?,
        role: parsed(first + 2, Role::parse(row.get_ref(first + 2)?.as_str()?))?,
        active: row.get(first + 3)?,
        created_at: time(row.get(first + 4)?),
        last_login_at: row.get::<_, Option<i64>>(first + 5)?.map(time),
        keys: row.get::<_, i64>(first + 6)?.unsigned_abs(),
    })
}

/// `%` and `_` of a search text stand for themselves.
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

pub(super) fn changed(db: &Connection, sql_text: &str, params: impl rusqlite::Params) -> Result<usize> {
    db.prepare_cached(sql_text).and_then(|mut statement| statement.execute(params)).map_err(sql)
}
