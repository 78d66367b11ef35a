//! Tombstones: the digests of revoked keys, left by a trigger however a key's row is deleted, so that
//! no import brings a revoked key back unnoticed.

use rusqlite::{Connection, OptionalExtension};

use super::rows::{Salvage, changed, sql};
use crate::error::Result;
use crate::model::{Digest, Time};

/// How many revoked keys are remembered.
pub(super) fn count(db: &Connection) -> Result<u64> {
    let count: i64 = db.query_row("SELECT count(*) FROM tombstones", [], |row| row.get(0)).map_err(sql)?;
    Ok(count.unsigned_abs())
}

/// When the key with this digest was revoked, if it was.
pub(super) fn revoked_at(db: &Connection, digest: &Digest) -> Result<Option<Time>> {
    let mut query = db.prepare_cached("SELECT revoked_at FROM tombstones WHERE digest = ?1").map_err(sql)?;
    // A time that cannot be read is a revocation all the same.
    query.query_row([digest.as_bytes()], |row| Ok(Salvage::of(row).time("revoked_at", 0))).optional().map_err(sql)
}

/// For a key that is brought back on purpose.
pub(super) fn remove(db: &Connection, digest: &Digest) -> Result<()> {
    changed(db, "DELETE FROM tombstones WHERE digest = ?1", [digest.as_bytes()]).map(drop)
}
