//! The key as text: `<prefix>_<43 characters><6 characters>` (32 random bytes in unpadded base64url, then the base-62
//! CRC-32 of everything before it). This module knows nothing about owners.

use std::fmt;

use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::error::{Error, Result};

const SECRET_BYTES: usize = 32;
const SECRET_CHARS: usize = 43;
const CHECKSUM_CHARS: usize = 6;
const TAIL_CHARS: usize = 1 + SECRET_CHARS + CHECKSUM_CHARS;
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The characters of base64url, which include those of the checksum.
const IN_SECRET: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        let b = byte as u8;
        table[byte] = b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        byte += 1;
    }
    table
};

/// The part before the last `_` separator: `[a-z][a-z0-9]*(_[a-z0-9]+)*`, up to 32 characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KeyPrefix(String);

impl KeyPrefix {
    pub const MAX: usize = 32;

    pub fn parse(text: &str) -> Result<Self> {
        if is_prefix(text.as_bytes()) {
            return Ok(KeyPrefix(text.to_owned()));
        }
        Err(Error::invalid(
            "key_prefix",
            "Use a key prefix of up to 32 characters: a lower-case letter, then lower-case letters and digits, \
             in parts joined by single underscores (kb, acme_live).",
        ))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_prefix(text: &[u8]) -> bool {
    let starts_well = text.first().is_some_and(u8::is_ascii_lowercase);
    let clean = text.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'_');
    let no_empty_part = text.last() != Some(&b'_') && !text.windows(2).any(|pair| pair == b"__");
    starts_well && clean && no_empty_part && text.len() <= KeyPrefix::MAX
}

/// A key's full text. It exists in one response or on one stdout and nowhere else. The type therefore has no `Display`,
/// only a `Debug` that prints its name, and one accessor, [`PlainKey::expose`]. Its memory is wiped on drop.
pub struct PlainKey(Zeroizing<String>);

impl PlainKey {
    /// A new key from 32 bytes that the caller took from a CSPRNG.
    pub fn generate(prefix: &KeyPrefix, secret: &[u8; SECRET_BYTES]) -> Self {
        let mut text = String::with_capacity(prefix.as_str().len() + TAIL_CHARS);
        text.push_str(prefix.as_str());
        text.push('_');
        BASE64URL_NOPAD.encode_append(secret, &mut text);
        let sum = checksum(text.as_bytes());
        text.extend(sum.iter().map(|&b| char::from(b)));
        PlainKey(Zeroizing::new(text))
    }

    /// Whether `text` has the shape and the checksum of one of our keys. Text that fails is rejected without a digest
    /// or look-up, unless imported keys exist: those can have any text. Allocates nothing.
    pub fn is_well_formed(text: &[u8]) -> bool {
        let Some((prefix, tail)) = text.split_last_chunk::<TAIL_CHARS>() else { return false };
        let (body, sum) = text.split_at(text.len() - CHECKSUM_CHARS);
        tail[0] == b'_' && tail.iter().all(|b| IN_SECRET[usize::from(*b)]) && is_prefix(prefix) && checksum(body) == sum
    }

    /// The first of our keys in `text` that has other text around it (quotes, another scheme's name). Allocates
    /// nothing; most text is skipped because it has no underscore.
    pub fn find_in(text: &[u8]) -> Option<&[u8]> {
        if !text.contains(&b'_') {
            return None;
        }
        text.split(|byte| !IN_SECRET[usize::from(*byte)]).find(|word| Self::is_well_formed(word))
    }

    pub fn parse(text: &str) -> Result<Self> {
        if Self::is_well_formed(text.as_bytes()) {
            return Ok(PlainKey(Zeroizing::new(text.to_owned())));
        }
        Err(Error::invalid("key", "Not a complete key: the format or checksum is wrong. Copy the whole key again."))
    }

    pub fn expose(&self) -> &str {
        &self.0
    }

    pub fn digest(&self) -> Digest {
        Digest::of(self.0.as_bytes())
    }

    pub fn prefix(&self) -> &str {
        &self.0[..self.0.len() - TAIL_CHARS]
    }

    /// Prefix, `…` and the last four characters: enough to recognise a key, useless as one.
    pub fn hint(&self) -> String {
        hint(&self.0)
    }

    /// The prefix of a presented text, if it has the shape and the checksum of one of our keys.
    pub fn prefix_of(presented: &[u8]) -> Option<KeyPrefix> {
        let text = std::str::from_utf8(presented).ok()?;
        let prefix = Self::is_well_formed(presented).then(|| &text[..text.len() - TAIL_CHARS])?;
        KeyPrefix::parse(prefix).ok()
    }

    /// The hint of a presented text, if it has the shape and the checksum of one of our keys.
    pub fn hint_of(presented: &[u8]) -> Option<String> {
        Self::is_well_formed(presented).then(|| std::str::from_utf8(presented).ok().map(hint)).flatten()
    }
}

impl fmt::Debug for PlainKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PlainKey")
    }
}

/// The hint of a well-formed key, which is all ASCII.
fn hint(key: &str) -> String {
    format!("{}_…{}", &key[..key.len() - TAIL_CHARS], &key[key.len() - 4..])
}

/// CRC-32 (IEEE) in base 62, zero-padded on the left to six characters (62^6 > 2^32).
fn checksum(text: &[u8]) -> [u8; CHECKSUM_CHARS] {
    let mut rest = crc32fast::hash(text);
    let mut sum = [b'0'; CHECKSUM_CHARS];
    for slot in sum.iter_mut().rev() {
        *slot = BASE62[(rest % 62) as usize];
        rest /= 62;
    }
    sum
}

/// SHA-256 of a key's text exactly as presented; the only part of a key that is stored.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    pub fn of(presented: &[u8]) -> Self {
        Digest(Sha256::digest(presented).into())
    }

    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Digest(bytes)
    }

    /// Parses 32 bytes in hex, base64 or base64url (padded or not), as other systems export them.
    pub fn parse(text: &str) -> Result<Self> {
        let bare = text.trim_end_matches('=');
        let decoded = match bare.len() {
            64 => hex::decode(bare).ok(),
            43 if bare.contains(['+', '/']) => data_encoding::BASE64_NOPAD.decode(bare.as_bytes()).ok(),
            43 => BASE64URL_NOPAD.decode(bare.as_bytes()).ok(),
            _ => None,
        };
        decoded
            .and_then(|bytes| bytes.try_into().ok())
            .map(Digest)
            .ok_or_else(|| Error::invalid("sha256", "Use a SHA-256 digest (32 bytes) in hex, base64 or base64url."))
    }

    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first eight bytes as a number, which sorts in the same order.
    pub fn head(&self) -> u64 {
        let [head @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = self.0;
        u64::from_be_bytes(head)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(prefix: &str, secret: [u8; 32]) -> PlainKey {
        PlainKey::generate(&KeyPrefix::parse(prefix).unwrap(), &secret)
    }

    #[test]
    fn the_published_vectors_hold() {
        let counting: [u8; 32] = std::array::from_fn(|i| i as u8);
        let vectors = [
            (
                "kb",
                [0; 32],
                "kb_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA4gH3Qs",
                "7511f98ffc53a8a5b6b6b0605a986dfe38f0e36ed91c9d33c5b00dc7633572e1",
            ),
            (
                "kb",
                counting,
                "kb_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh80VyYDB",
                "1dd8c25c8eea3ef9797f06745dbeefb0a267bfb43ea2bb8181cbe39c34b247bc",
            ),
            (
                "acme_live",
                [255; 32],
                "acme_live___________________________________________84VeyXc",
                "638d615f2e032162e7ccb0c5540f2ae2e2667effa75931a1bb74a2e47a17bbdb",
            ),
        ];
        for (prefix, secret, text, digest) in vectors {
            let made = key(prefix, secret);
            assert_eq!(made.expose(), text);
            assert_eq!(hex::encode(made.digest().as_bytes()), digest);
            assert_eq!(PlainKey::parse(text).unwrap().prefix(), prefix);
        }
    }

    #[test]
    fn debug_output_contains_no_part_of_the_key() {
        let made = key("kb", [7; 32]);
        assert_eq!(format!("{made:?} {:?}", made.digest()), "PlainKey Digest");
        assert_eq!(made.hint().chars().count(), "kb_…".chars().count() + 4);
    }

    #[test]
    fn prefixes_follow_the_grammar() {
        for good in ["kb", "a", "acme_live", "a1_2_3b", &"a".repeat(32)] {
            assert!(KeyPrefix::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "1a", "_a", "a_", "a__b", "A", "a-b", "ä", &"a".repeat(33)] {
            assert!(KeyPrefix::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn digests_are_read_in_three_alphabets() {
        let digest = Digest::of(b"x");
        for text in [
            hex::encode(digest.as_bytes()),
            data_encoding::BASE64.encode(digest.as_bytes()),
            data_encoding::BASE64URL.encode(digest.as_bytes()),
            BASE64URL_NOPAD.encode(digest.as_bytes()),
        ] {
            assert_eq!(Digest::parse(&text).unwrap(), digest);
        }
        assert!(Digest::parse("abc").is_err());
    }

    proptest! {
        #[test]
        fn every_single_typo_is_refused(secret: [u8; 32], at in 0usize..52, other in prop::char::range(' ', '~')) {
            let text = key("kb", secret).expose().to_owned();
            let at = at % text.len();
            let mut changed = text.clone();
            changed.replace_range(at..=at, &other.to_string());
            let mut deleted = text.clone();
            deleted.remove(at);
            let mut inserted = text.clone();
            inserted.insert(at, other);
            let mut swapped = text.clone().into_bytes();
            let next = (at + 1) % text.len();
            swapped.swap(at, next);
            let swapped = String::from_utf8(swapped).unwrap();
            for slip in [changed, deleted, inserted, swapped] {
                prop_assert_eq!(PlainKey::parse(&slip).is_ok(), slip == text, "{}", slip);
            }
        }

        #[test]
        fn every_truncated_key_and_any_other_text_is_refused(secret: [u8; 32], cut in 0usize..52, noise in "\\PC*") {
            let text = key("acme_live", secret).expose().to_owned();
            prop_assert!(PlainKey::parse(&text[..cut % text.len()]).is_err());
            prop_assert!(PlainKey::parse(&text[1 + cut % text.len()..]).is_err() || cut % text.len() == text.len() - 1);
            prop_assert!(PlainKey::parse(&noise).is_err());
        }
    }
}
