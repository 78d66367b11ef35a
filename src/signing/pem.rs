//! Signing keys that the operator gives: private keys in PEM, as `openssl genpkey` writes them. Of
//! each algorithm the first signs; the others are published, before and after their time.

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
            "--signing-keys {}: {why}. It holds private keys in PEM: RSA of 2048 bits or more (openssl genpkey \
             -algorithm RSA -pkeyopt rsa_keygen_bits:2048), Ed25519 (openssl genpkey -algorithm ed25519).",
            file.display()
        ))
    };
    let pem = plain_file::read(file).map_err(|error| wrong(&error))?;
    let documents = PrivateKeyDer::pem_slice_iter(&pem)
        .collect::<std::result::Result<Vec<_>, _>>()
        .map_err(|error| wrong(&error))?;
    if documents.is_empty() {
        return Err(wrong(&"there is no key in it"));
    }
    let keys = documents.iter().enumerate().map(|(number, document)| {
        let adopted = match document {
            PrivateKeyDer::Pkcs8(der) => make::adopt_pkcs8(der.secret_pkcs8_der()),
            PrivateKeyDer::Pkcs1(der) => make::adopt_pkcs1(der.secret_pkcs1_der()),
            _ => None,
        };
        adopted.unwrap_or_else(|| Err(wrong(&format!("key {} is of another kind", number + 1))))
    });
    Ok(Keyring::begin(keys.collect::<Result<_>>()?, now))
}
