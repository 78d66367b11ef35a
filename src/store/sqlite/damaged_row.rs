//! Writes to a row that holds values of the wrong type, which only SQLite can store.

use rusqlite::Connection;

use super::statement::{sql, try_to_execute};
use crate::error::Result;
use crate::model::KeyId;
use crate::store::value::{SqlValue, ToValue};

/// Values that do not have their column's type are replaced by others that are unreadable too, so that the row grants
/// no more than before.
const REPLACE_DAMAGE: &str = "UPDATE keys SET enabled = ?2,
    name = iif(typeof(name) = 'text', name, '?'),
    description = iif(typeof(description) = 'text', description, '?'),
    prefix = iif(typeof(prefix) IN ('text', 'null'), prefix, '?'),
    hint = iif(typeof(hint) = 'text', hint, '?'),
    scopes = iif(typeof(scopes) = 'text', scopes, '?'),
    allowed_ips = iif(typeof(allowed_ips) = 'text', allowed_ips, '?'),
    rate_limit = iif(typeof(rate_limit) IN ('text', 'null'), rate_limit, '?'),
    metadata = iif(typeof(metadata) = 'text', metadata, '?'),
    created_at = iif(typeof(created_at) = 'integer', created_at, -9223372036854775808),
    expires_at = iif(typeof(expires_at) IN ('integer', 'null'), expires_at, -9223372036854775808),
    lifetime = iif(typeof(lifetime) IN ('integer', 'null'), lifetime, -1),
    limit_bucket = iif(typeof(limit_bucket) IN ('blob', 'null'), limit_bucket, x''),
    is_token = iif(typeof(is_token) = 'integer' AND is_token IN (0, 1), is_token, 0)
    WHERE id = ?1";

/// SQLite refuses to update any column of a row with a value that does not have its column's type. Such values are then
/// replaced too.
pub(in crate::store) fn set_key_enabled(db: &Connection, id: KeyId, enabled: bool) -> Result<()> {
    let (id, enabled): (SqlValue<'_>, SqlValue<'_>) = (id.as_bytes().value(), enabled.value());
    let write = |text| try_to_execute(db, text, &[id, enabled], &[]).map(drop);
    let written = match write("UPDATE keys SET enabled = ?2 WHERE id = ?1") {
        Err(rusqlite::Error::SqliteFailure(failure, _))
            if failure.extended_code == rusqlite::ffi::SQLITE_CONSTRAINT_DATATYPE =>
        {
            write(REPLACE_DAMAGE)
        }
        other => other,
    };
    written.map_err(sql)
}
