//! `tombstones`: the digests of revoked keys. A trigger leaves one however a key's row is deleted.

use crate::error::Result;
use crate::model::{Digest, Time};
use crate::store::Tx;
use crate::store::columns::Salvage;

impl Tx<'_> {
    pub fn count_tombstones(&self) -> Result<u64> {
        self.one("SELECT count(*) FROM tombstones", (), |row| row.get::<i64>(0)).map(i64::unsigned_abs)
    }

    /// When the key with this digest was revoked; `None` if it was not.
    pub fn revoked_at(&self, digest: &Digest) -> Result<Option<Time>> {
        let text = "SELECT revoked_at FROM tombstones WHERE digest = ?1";
        // An unreadable time is still a revocation.
        self.row(text, [digest.as_bytes()], |row| Ok(Salvage::of(row).time("revoked_at", 0)))
    }

    pub fn delete_tombstone(&self, digest: &Digest) -> Result<()> {
        self.execute("DELETE FROM tombstones WHERE digest = ?1", [digest.as_bytes()]).map(drop)
    }
}
