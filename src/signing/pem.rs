//! Signing keys from the operator: private keys in PEM, as written by `openssl genpkey`. The first of each algorithm
//! signs; the others are only published.

use std::path::Path;

use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;

use super::make;
use crate::ambient::plain_file;
use crate::error::{Error, Result};
use crate::model::Time;
use crate::model::signing::Keyring;

pub fn read(file: &Path, now: Time) -> Result<Keyring> {
    let wrong = |why: &dyn std::fmt::Display| {
        Error::conflict(format!(
            "--signing-keys {}: {why}. The file must contain PEM private keys: RSA of 2048 bits or more (openssl genpkey \
             -algorithm RSA -pkeyopt rsa_keygen_bits:2048) or Ed25519 (openssl genpkey -algorithm ed25519).",
            file.display()
        ))
    };
    let pem = plain_file::read(file).map_err(|error| wrong(&error))?;
    let documents = PrivateKeyDer::pem_slice_iter(&pem)
        .collect::<std::result::Result<Vec<_>, _>>()
        .map_err(|error| wrong(&error))?;
    if documents.is_empty() {
        return Err(wrong(&"it contains no key"));
    }
    let keys = documents.iter().enumerate().map(|(number, document)| {
        let adopted = match document {
            PrivateKeyDer::Pkcs8(der) => make::adopt_pkcs8(der.secret_pkcs8_der()),
            PrivateKeyDer::Pkcs1(der) => make::adopt_pkcs1(der.secret_pkcs1_der()),
            _ => None,
        };
        adopted.unwrap_or_else(|| Err(wrong(&format!("key {} is of an unsupported type", number + 1))))
    });
    Ok(Keyring::begin(keys.collect::<Result<_>>()?, now))
}
