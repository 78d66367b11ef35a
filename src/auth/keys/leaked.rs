//! Finds which of many digests belong to something that can be revoked; used for texts in which keys may have leaked.

use crate::auth::Auth;
use crate::auth::caller::Asking;
use crate::error::Result;
use crate::model::{Digest, KeyRecord};
use crate::store::Tx;

impl Auth {
    /// The keys with these digests, in their order, and the tokens whose refresh tokens have them.
    pub async fn keys_with_digests(&self, asking: &Asking, digests: Vec<Digest>) -> Result<Vec<(Digest, KeyRecord)>> {
        asking.caller.must_be_admin()?;
        let read = move |tx: &Tx<'_>| {
            let mut known = Vec::new();
            for digest in digests {
                if let Some(record) = with_digest(tx, &digest)? {
                    known.push((digest, record));
                }
            }
            Ok(known)
        };
        self.store.read(read).await
    }

    /// The first eight bytes of each imported key's digest, sorted: a word whose digest begins with none of these is
    /// not an imported key.
    pub async fn imported_heads(&self, asking: &Asking) -> Result<Vec<u64>> {
        asking.caller.must_be_admin()?;
        let mut heads = self.store.read(|tx| tx.imported_heads()).await?;
        heads.sort_unstable();
        Ok(heads)
    }
}

/// The key with this digest, or the token whose refresh token has it.
pub(in crate::auth) fn with_digest(tx: &Tx<'_>, digest: &Digest) -> Result<Option<KeyRecord>> {
    let key = tx.key_with_digest(digest)?;
    if key.is_some() { Ok(key) } else { tx.token_of_refresh_token(digest) }
}
