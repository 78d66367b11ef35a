//! `setup_links`: the digests of the links with which the first admin can be created.

use crate::error::Result;
use crate::model::{Digest, Time};
use crate::store::Tx;

impl Tx<'_> {
    pub fn has_setup_link(&self, digest: &Digest) -> Result<bool> {
        let text = "SELECT EXISTS (SELECT 1 FROM setup_links WHERE digest = ?1)";
        self.one(text, [digest.as_bytes()], |row| row.get(0))
    }

    pub fn put_setup_link(&self, digest: &Digest, made_at: Time) -> Result<()> {
        let text = "INSERT INTO setup_links (digest, made_at) VALUES (?1, ?2)";
        self.execute(text, (digest.as_bytes(), made_at.millis())).map(drop)
    }

    /// Keeps the newest `kept`.
    pub fn delete_old_setup_links(&self, kept: i64) -> Result<()> {
        let text = "DELETE FROM setup_links WHERE digest NOT IN
             (SELECT digest FROM setup_links ORDER BY made_at DESC, digest LIMIT ?1)";
        self.execute(text, [kept]).map(drop)
    }
}
