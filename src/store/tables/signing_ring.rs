//! `signing_ring`, which only PostgreSQL has: the key ring of all nodes, sealed.

use crate::error::Result;
use crate::store::Tx;

/// The ring and its version, which rises with each change.
#[derive(Debug)]
pub struct SealedRing {
    pub version: i64,
    pub sealed: Vec<u8>,
}

impl Tx<'_> {
    pub fn signing_ring(&self) -> Result<Option<SealedRing>> {
        let read = "SELECT version, sealed FROM signing_ring";
        self.row(read, (), |row| Ok(SealedRing { version: row.get(0)?, sealed: row.get(1)? }))
    }

    pub fn put_signing_ring(&self, sealed: &[u8]) -> Result<()> {
        let text = "INSERT INTO signing_ring (one, version, sealed) VALUES (1, 1, ?1)
             ON CONFLICT (one) DO UPDATE SET version = signing_ring.version + 1, sealed = excluded.sealed";
        self.execute(text, [sealed]).map(drop)
    }
}
