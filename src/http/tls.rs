//! TLS from two PEM files. Anything wrong with them stops the start; there is no way back to plain.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::settings::TlsFiles;
use crate::error::{Error, Kind, Result};

pub fn config(files: &TlsFiles) -> Result<ServerConfig> {
    let wrong = |flag: &str, path: &std::path::Path, error: &dyn std::fmt::Display| {
        Error::new(Kind::Invalid, format!("{flag} {}: {error}", path.display()))
    };
    let certificates = CertificateDer::pem_file_iter(&files.cert)
        .and_then(Iterator::collect::<std::result::Result<Vec<_>, _>>)
        .map_err(|error| wrong("--tls-cert", &files.cert, &error))?;
    if certificates.is_empty() {
        return Err(wrong("--tls-cert", &files.cert, &"holds no certificate"));
    }
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| wrong("--tls-key", &files.key, &error))?;
    // rustls offers TLS 1.2 and 1.3 with sound suites only.
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(Error::internal)?
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .map_err(|error| wrong("--tls-cert and --tls-key do not fit:", &files.cert, &error))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
