//! `tombstones`: the digests of revoked keys. A trigger leaves one however a key's row is deleted.

use crate::error::Result;
use crate::model::{Digest, Time};
use crate::store::Tx;
use crate::store::columns::Salvage;

impl Tx<'_> {
    pub fn count_tombstones(&self) -> Result<u64> {
        self.one("SELECT count(*) FROM tombstones", (), |row| row.get::<i64>(0)).map(i64::unsigned_abs)
    }

    pub fn has_tombstones(&self) -> Result<bool> {
        self.one("SELECT EXISTS (SELECT 1 FROM tombstones)", (), |row| row.get(0))
    }

    /// When the key with this digest was revoked; `None` if it was not.
    pub fn revoked_at(&self, digest: &Digest) -> Result<Option<Time>> {
        let text = "SELECT revoked_at FROM tombstones WHERE digest = ?1";
        // An unreadable time is still a revocation.
        self.row(text, [digest.as_bytes()], |row| Ok(Salvage::of(row).time("revoked_at", 0)))
    }

    /// Every digest on record, with the time of its revocation.
    pub fn each_tombstone(&self, mut each: impl FnMut(&Digest, Time) -> Result<()>) -> Result<()> {
        let mut failed = Ok(());
        self.each("SELECT digest, revoked_at FROM tombstones", (), |row| {
            // An unreadable time is still a revocation.
            failed = each(&Digest::from_bytes(row.get(0)?), Salvage::of(row).time("revoked_at", 1));
            Ok(failed.is_ok())
        })?;
        failed
    }

    pub fn put_tombstone(&self, digest: &Digest, revoked_at: Time) -> Result<()> {
        let text = "INSERT INTO tombstones (digest, revoked_at) VALUES (?1, ?2)
             ON CONFLICT (digest) DO UPDATE SET revoked_at = excluded.revoked_at";
        self.execute(text, (digest.as_bytes(), revoked_at.millis())).map(drop)
    }

    pub fn delete_tombstone(&self, digest: &Digest) -> Result<()> {
        self.execute("DELETE FROM tombstones WHERE digest = ?1", [digest.as_bytes()]).map(drop)
    }
}
