//! Converts values between statements and PostgreSQL's wire format, and our placeholders into PostgreSQL's.

use std::borrow::Cow;
use std::error::Error as StdError;

use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use crate::store::value::SqlValue;

type Boxed = Box<dyn StdError + Sync + Send>;

/// A value for whatever type the statement gives its place.
#[derive(Debug)]
pub(super) struct Parameter<'a>(pub SqlValue<'a>);

impl ToSql for Parameter<'_> {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Boxed> {
        match self.0 {
            SqlValue::Null => return Ok(IsNull::Yes),
            SqlValue::Integer(number) => match *kind {
                Type::INT8 => number.to_sql(kind, out)?,
                Type::INT4 => i32::try_from(number)?.to_sql(kind, out)?,
                Type::BOOL => (number != 0).to_sql(kind, out)?,
                _ => return Err(mismatch("a number", kind)),
            },
            SqlValue::Text(bytes) if [Type::TEXT, Type::VARCHAR].contains(kind) => {
                storable(str::from_utf8(bytes)?).to_sql(kind, out)?
            }
            SqlValue::Blob(bytes) if [Type::BYTEA, Type::UUID].contains(kind) => bytes.to_sql(kind, out)?,
            SqlValue::Real(_) | SqlValue::Text(_) | SqlValue::Blob(_) => return Err(mismatch("a text or blob", kind)),
        };
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// PostgreSQL's texts contain no NUL, and neither do ours, which are checked before they are stored. So a search for one
/// finds nothing.
fn storable(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{fffd}")) } else { Cow::Borrowed(text) }
}

fn mismatch(what: &str, kind: &Type) -> Boxed {
    format!("{what} was given for a {kind}").into()
}

/// What a column contains.
pub(super) struct Received<'a>(pub SqlValue<'a>);

impl<'a> FromSql<'a> for Received<'a> {
    fn from_sql(kind: &Type, raw: &'a [u8]) -> Result<Self, Boxed> {
        Ok(Received(match *kind {
            Type::INT8 => SqlValue::Integer(i64::from_sql(kind, raw)?),
            Type::INT4 => SqlValue::Integer(i32::from_sql(kind, raw)?.into()),
            Type::BOOL => SqlValue::Integer(bool::from_sql(kind, raw)?.into()),
            Type::TEXT | Type::VARCHAR | Type::NAME => SqlValue::Text(raw),
            // A UUID is sent as its sixteen bytes.
            Type::BYTEA | Type::UUID => SqlValue::Blob(raw),
            _ => return Err(mismatch("a column", kind)),
        }))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Boxed> {
        Ok(Received(SqlValue::Null))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// A statement has the columns that its text names, of the types above; anything else reads as damage.
pub(in crate::store) fn value_at(row: &tokio_postgres::Row, column: usize) -> SqlValue<'_> {
    row.try_get::<_, Received<'_>>(column).map_or(SqlValue::Null, |found| found.0)
}

/// `?2` becomes `$2`, and `:name` the number of its name. Text in quotes stays.
pub(super) fn numbered(text: &str, names: &[&str]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut is_quoted = false;
    while let Some(c) = rest.chars().next() {
        let length = c.len_utf8();
        let end =
            rest[length..].find(|c: char| !c.is_ascii_alphanumeric() && c != '_').map_or(rest.len(), |at| at + length);
        match (c, &rest[..end]) {
            ('?', _) if !is_quoted => out.push('$'),
            (':', name) if !is_quoted && names.contains(&name) => {
                let place = names.iter().position(|own| *own == name).unwrap_or_default();
                out.push_str(&format!("${}", place + 1));
                rest = &rest[end..];
                continue;
            }
            _ => out.push(c),
        }
        is_quoted ^= c == '\'';
        rest = &rest[length..];
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_become_numbers_except_in_quotes() {
        for (text, names, expected) in [
            ("SELECT ?2, ?1", &[][..], "SELECT $2, $1"),
            ("a = :id AND b = :idle OR :id IS NULL", &[":idle", ":id"], "a = $2 AND b = $1 OR $2 IS NULL"),
            ("x LIKE ?1 ESCAPE '\\' AND y = '?:id'", &[":id"], "x LIKE $1 ESCAPE '\\' AND y = '?:id'"),
            ("now()::text", &[":text2"], "now()::text"),
        ] {
            assert_eq!(numbered(text, names), expected);
        }
    }
}
