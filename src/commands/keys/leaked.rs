//! Finds every key in any text (a log, a diff, a dump of any size) and revokes those that live.

use std::collections::HashSet;
use std::io::Read;

use crate::auth::Auth;
use crate::auth::caller::Asking;
use crate::error::{Error, Result};
use crate::model::{Digest, KeyPrefix, KeyRecord, PlainKey};

const CHUNK: usize = 1 << 20;
/// The longest key of ours: prefix, separator, secret, checksum.
const LONGEST: usize = KeyPrefix::MAX + 50;
const TAIL: usize = 50;
/// Digests in one revocation.
const BATCH: usize = 500;

pub async fn revoke_all_in(mut text: impl Read, auth: &Auth, asking: &Asking) -> Result<Vec<KeyRecord>> {
    let (mut revoked, mut seen) = (Vec::new(), HashSet::new());
    let mut window = Vec::with_capacity(CHUNK + LONGEST);
    let mut chunk = vec![0; CHUNK];
    loop {
        let read =
            text.read(&mut chunk).map_err(|error| Error::invalid("usage", format!("stdin cannot be read: {error}")))?;
        window.extend_from_slice(&chunk[..read]);
        let fresh: Vec<Digest> = keys_in(&window).filter(|digest| seen.insert(*digest)).collect();
        for batch in fresh.chunks(BATCH) {
            revoked.extend(auth.revoke_leaked(asking, batch.to_vec()).await?);
        }
        if read == 0 {
            return Ok(revoked);
        }
        // A key may lie across two chunks.
        let keep = window.len().min(2 * LONGEST);
        window.drain(..window.len() - keep);
    }
}

/// Digests of everything in `text` that has the shape and the checksum of a key. Each `_` may be
/// the one between prefix and secret; the prefix may begin anywhere before it.
fn keys_in(text: &[u8]) -> impl Iterator<Item = Digest> + '_ {
    let separators = text.iter().enumerate().filter(|(_, byte)| **byte == b'_').map(|(at, _)| at);
    separators.flat_map(move |separator| {
        let end = separator + TAIL;
        let starts = separator.saturating_sub(KeyPrefix::MAX)..separator;
        let may_end = text.get(separator + 1..end).is_some_and(is_key_text);
        starts
            .filter(move |_| may_end)
            .map(move |start| &text[start..end])
            .filter(|candidate| PlainKey::is_well_formed(candidate))
            .map(Digest::of)
    })
}

fn is_key_text(text: &[u8]) -> bool {
    text.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_wherever_they_stand() {
        let key = |prefix: &str, byte| PlainKey::generate(&KeyPrefix::parse(prefix).unwrap(), &[byte; 32]);
        let (one, two, three) = (key("kb", 1), key("acme_live", 255), key("kb", 7));
        let text = format!(
            "Authorization: Bearer {}\nurl=https://x/?k={}&b=1 x_{}_y",
            one.expose(),
            two.expose(),
            three.expose()
        );
        let found: HashSet<Digest> = keys_in(text.as_bytes()).collect();
        for key in [one, two, three] {
            assert!(found.contains(&key.digest()));
        }
    }
}
