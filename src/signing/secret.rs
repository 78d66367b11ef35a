//! Seals the key ring for a database that several nodes share: who has the database alone, or a backup of it, can sign
//! nothing. AES-256-GCM with a random nonce (NIST SP 800-38D) under a key that HKDF-SHA256 derives (RFC 5869) from the
//! operator's secret.

use std::path::Path;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use zeroize::Zeroizing;

use crate::ambient::plain_file;
use crate::error::{Error, Result};
use crate::model::signing::Keyring;

/// The first byte of what is sealed: how it is sealed.
const FORMAT: u8 = 1;
/// As text, half a kilobit of randomness in base64 is 44 characters; less than this is a typed password.
const MIN_LENGTH: usize = 32;

/// The secret of `--secret-file`, which every node has.
pub struct Secret(Zeroizing<[u8; 32]>);

impl Secret {
    /// Blanks around the text do not count, so that editors and `echo` change nothing.
    pub fn read(file: &Path) -> Result<Self> {
        let wrong = |why: &dyn std::fmt::Display| {
            Error::conflict(format!(
                "--secret-file {}: {why}. Make one with: (umask 077; head -c 32 /dev/urandom | base64 > FILE), and give \
                 every node the same.",
                file.display()
            ))
        };
        let text = Zeroizing::new(plain_file::read(file).map_err(|error| wrong(&error))?);
        let text = text.trim_ascii();
        if text.len() < MIN_LENGTH {
            return Err(wrong(&"it has fewer than 32 characters"));
        }
        super::warn_if_others_read(file, "secret");
        let mut key = Zeroizing::new([0; 32]);
        let derived = Salt::new(HKDF_SHA256, b"keybearer").extract(text);
        let filled = derived.expand(&[b"signing keys"], HKDF_SHA256).and_then(|okm| okm.fill(&mut *key));
        filled.map_err(|_| Error::internal("a key of 32 bytes cannot be derived"))?;
        Ok(Secret(key))
    }

    /// `database` is the id of the database, in no other one can it be opened.
    pub fn seal(&self, ring: &Keyring, database: &[u8; 16]) -> Result<Vec<u8>> {
        let mut text = ring.text().into_bytes();
        let sealed = self.key()?.seal_in_place_append_tag(Aad::from(database), &mut text);
        let nonce = sealed.map_err(|_| Error::internal("the signing keys cannot be sealed"))?;
        Ok([&[FORMAT][..], nonce.as_ref(), &text].concat())
    }

    pub fn open(&self, sealed: &[u8], database: &[u8; 16]) -> Result<Keyring> {
        let wrong = || {
            Error::conflict(
                "The signing keys in the database cannot be opened with this --secret-file. Give this node the same \
                 file as the others.",
            )
        };
        let (nonce, text) = match sealed.split_first() {
            Some((&FORMAT, rest)) if rest.len() > NONCE_LEN => rest.split_at(NONCE_LEN),
            _ => return Err(wrong()),
        };
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| wrong())?;
        let mut text = Zeroizing::new(text.to_vec());
        let opened = self.key()?.open_in_place(nonce, Aad::from(database), &mut text).map_err(|_| wrong())?;
        Keyring::parse(str::from_utf8(opened).map_err(|_| wrong())?)
    }

    fn key(&self) -> Result<RandomizedNonceKey> {
        RandomizedNonceKey::new(&AES_256_GCM, &*self.0).map_err(|_| Error::internal("the key has 32 bytes"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Time;
    use crate::signing::one_of_each;

    fn secret(text: &str) -> Result<Secret> {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("secret");
        std::fs::write(&file, text).unwrap();
        Secret::read(&file)
    }

    #[test]
    fn only_the_same_secret_and_database_open_what_was_sealed() {
        let ring = Keyring::begin(one_of_each().unwrap(), Time::from_millis(0));
        let (text, database) = ("0123456789abcdef0123456789abcdef", [7; 16]);
        let own = secret(text).unwrap();
        let sealed = own.seal(&ring, &database).unwrap();
        assert_ne!(sealed, own.seal(&ring, &database).unwrap(), "each time another nonce");
        assert!(!sealed.windows(11).any(|window| window == b"private_key"));
        let again = secret(&format!("  {text}\n")).unwrap().open(&sealed, &database).unwrap();
        assert_eq!(again.text(), ring.text());
        assert!(secret("another secret of thirty-two characters").unwrap().open(&sealed, &database).is_err());
        assert!(own.open(&sealed, &[8; 16]).is_err());
        for broken in [&sealed[..sealed.len() - 1], &sealed[..5], &[], &[2; 80]] {
            assert!(own.open(broken, &database).is_err());
        }
        assert!(secret("short").is_err());
    }
}
