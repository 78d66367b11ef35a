//! TLS to the server. Its certificate and name are always verified.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::address::{ServerAddress, Verification};
use crate::error::{Error, Result};

pub(super) struct Tls;

impl Tls {
    /// A connection without TLS never uses what this returns.
    pub fn of(address: &ServerAddress) -> Result<MakeRustlsConnect> {
        let mut roots = RootCertStore::empty();
        match &address.verification {
            Verification::Plain => {}
            Verification::SystemRoots => {
                for root in rustls_native_certs::load_native_certs().certs {
                    let _ = roots.add(root); // the system may have some that nobody can use
                }
                if roots.is_empty() {
                    return Err(unverifiable(address, "this machine has no root certificates"));
                }
            }
            Verification::Roots(file) => {
                let unreadable = |error| unverifiable(address, &format!("{} cannot be read: {error}", file.display()));
                for root in CertificateDer::pem_file_iter(file).map_err(unreadable)? {
                    let root = root.map_err(unreadable)?;
                    roots.add(root).map_err(|error| unverifiable(address, &format!("{}: {error}", file.display())))?;
                }
            }
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = versions.map_err(Error::internal)?.with_root_certificates(roots).with_no_client_auth();
        Ok(MakeRustlsConnect::new(config))
    }
}

fn unverifiable(address: &ServerAddress, why: &str) -> Error {
    Error::conflict(format!(
        "The server of {} cannot be verified: {why}. Name its root certificate with sslrootcert=FILE in the URL.",
        address.shown
    ))
}
