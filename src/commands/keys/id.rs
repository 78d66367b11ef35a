//! The argument that names a key by its id. If someone pastes the key itself, it is recognised and not repeated.

use crate::auth::Auth;
use crate::auth::caller::Asking;
use crate::error::{Error, Kind, Result};
use crate::model::foreign_text::has_key;
use crate::model::{Digest, KeyId};

pub const INSTEAD: &str = "keybearer keys list prints the ids. To revoke the key, pass it to keybearer keys revoke \
                           --stdin; it may now be in your shell's history.";

pub async fn parse(auth: &Auth, asking: &Asking, text: &str) -> Result<KeyId> {
    match KeyId::parse(text) {
        Err(_) if is_key(auth, asking, text).await => {
            Err(Error::new(Kind::NotFound, format!("This is a key, not the id of a key. {INSTEAD}")))
        }
        parsed => parsed,
    }
}

/// Whether the text contains a key created here, live or not, or is an imported key.
pub async fn is_key(auth: &Auth, asking: &Asking, text: &str) -> bool {
    let is_imported = async || {
        let known = auth.keys_with_digests(asking, vec![Digest::of(text.trim().as_bytes())]).await;
        known.is_ok_and(|known| !known.is_empty())
    };
    has_key(text) || is_imported().await
}
