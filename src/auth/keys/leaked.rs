//! Finds which of many digests belong to something that can be revoked; used for texts in which keys may have leaked.

use crate::auth::Auth;
use crate::auth::caller::Asking;
use crate::error::Result;
use crate::model::Digest;
use crate::store::Tx;

impl Auth {
    /// The digests that belong to a key or a refresh token.
    pub async fn known_digests(&self, asking: &Asking, digests: Vec<Digest>) -> Result<Vec<Digest>> {
        asking.caller.must_be_admin()?;
        let known = move |tx: &Tx<'_>| {
            let mut known = Vec::new();
            for digest in digests {
                if tx.is_known(&digest)? {
                    known.push(digest);
                }
            }
            Ok(known)
        };
        self.store.read(known).await
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
