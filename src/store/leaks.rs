//! Which of many digests are known: for texts in which keys may have leaked.

use rusqlite::OptionalExtension;

use super::Store;
use super::rows::sql;
use crate::error::Result;
use crate::model::Digest;

impl Store {
    /// Those that are a key's or a refresh token's.
    pub async fn known_digests(&self, digests: Vec<Digest>) -> Result<Vec<Digest>> {
        self.read(move |db| {
            let mut query = db
                .prepare_cached(
                    "SELECT 1 WHERE EXISTS (SELECT 1 FROM keys WHERE digest = ?1) OR EXISTS (SELECT 1 FROM refresh_tokens WHERE digest = ?1)",
                )
                .map_err(sql)?;
            let mut known = Vec::new();
            for digest in digests {
                if query.query_row([digest.as_bytes()], |_| Ok(())).optional().map_err(sql)?.is_some() {
                    known.push(digest);
                }
            }
            Ok(known)
        })
        .await
    }

    /// The heads of the digests of all keys of other systems, sorted. Reads every key.
    pub async fn imported_heads(&self) -> Result<Vec<u64>> {
        self.read(|db| {
            let mut query = db.prepare("SELECT digest FROM keys WHERE prefix IS NULL").map_err(sql)?;
            let rows = query.query_map([], |row| Ok(row.get(0).ok().map(Digest::from_bytes))).map_err(sql)?;
            let digests: Vec<Option<Digest>> = rows.collect::<rusqlite::Result<_>>().map_err(sql)?;
            let mut heads: Vec<u64> = digests.iter().flatten().map(Digest::head).collect();
            heads.sort_unstable();
            Ok(heads)
        })
        .await
    }
}
