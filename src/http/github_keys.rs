//! The public keys with which GitHub signs its messages, from a file that has the format of
//! <https://api.github.com/meta/public_keys/secret_scanning>. The file is read again when it has changed; if it cannot be
//! used then, the keys that were read before stay in use.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ParsedPublicKey};
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::PemObject;
use serde::Deserialize;

use crate::ambient::{FileStamp, plain_file};
use crate::error::{Error, Kind, Result};

pub struct GitHubKeys {
    file: PathBuf,
    read: Mutex<KeysRead>,
}

struct KeysRead {
    /// The state of the file when it was last read.
    stamp: Option<FileStamp>,
    keys: Arc<Vec<GitHubKey>>,
}

struct GitHubKey {
    id: String,
    key: ParsedPublicKey,
}

#[derive(Deserialize)]
struct PublishedKeys {
    public_keys: Vec<PublishedKey>,
}

#[derive(Deserialize)]
struct PublishedKey {
    key_identifier: String,
    /// PEM.
    key: String,
}

impl GitHubKeys {
    pub fn read(file: &Path) -> Result<Self> {
        let stamp = FileStamp::of(file);
        let keys = Arc::new(load(file)?);
        Ok(GitHubKeys { file: file.to_owned(), read: Mutex::new(KeysRead { stamp, keys }) })
    }

    /// Whether the key with this identifier made this signature of the message.
    pub fn verify(&self, id: &str, signature: &[u8], message: &[u8]) -> bool {
        let keys = self.keys();
        keys.iter().any(|known| known.id == id && known.key.verify_sig(message, signature).is_ok())
    }

    fn keys(&self) -> Arc<Vec<GitHubKey>> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = FileStamp::of(&self.file);
        if stamp != read.stamp {
            read.stamp = stamp;
            match load(&self.file) {
                Ok(keys) => {
                    tracing::info!(file = %self.file.display(), keys = keys.len(), "GitHub’s new keys are in use");
                    read.keys = Arc::new(keys);
                }
                Err(error) => {
                    let cause = error.message;
                    tracing::error!(%cause, "GitHub’s keys cannot be used; those that were read before stay in use");
                }
            }
        }
        Arc::clone(&read.keys)
    }
}

fn load(file: &Path) -> Result<Vec<GitHubKey>> {
    let wrong =
        |cause: &dyn std::fmt::Display| Error::new(Kind::Invalid, format!("--github-keys {}: {cause}", file.display()));
    let text = plain_file::read(file).map_err(|error| wrong(&error))?;
    let PublishedKeys { public_keys } = serde_json::from_slice(&text).map_err(|error| wrong(&error))?;
    let parse = |published: PublishedKey| {
        let der = SubjectPublicKeyInfoDer::from_pem_slice(published.key.as_bytes()).map_err(|error| wrong(&error))?;
        let key = ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, der.as_ref())
            .map_err(|_| wrong(&format_args!("{} is not a public key of ECDSA P-256", published.key_identifier)))?;
        Ok(GitHubKey { id: published.key_identifier, key })
    };
    let keys = public_keys.into_iter().map(parse).collect::<Result<Vec<_>>>()?;
    if keys.is_empty() { Err(wrong(&"the file has no keys")) } else { Ok(keys) }
}
