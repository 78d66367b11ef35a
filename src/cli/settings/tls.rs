//! Settings of TLS.

use clap::Args;
use serde::Deserialize;

use super::given::Given;
use crate::error::{Error, Result};
use crate::http::settings::TlsFiles;

#[derive(Debug, Default, Args, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct TlsSection {
    /// Serve TLS with this certificate chain (PEM)
    #[arg(long, env = "KEYBEARER_TLS_CERT", value_name = "FILE")]
    tls_cert: Option<Given>,
    /// Private key of the certificate (PEM)
    #[arg(long, env = "KEYBEARER_TLS_KEY", value_name = "FILE")]
    tls_key: Option<Given>,
}

impl TlsSection {
    pub fn files(&self) -> Result<Option<TlsFiles>> {
        let path = |given: &Option<Given>| given.as_ref().map(Given::path).transpose();
        match (path(&self.tls_cert)?, path(&self.tls_key)?) {
            (Some(cert), Some(key)) => Ok(Some(TlsFiles { cert, key })),
            (None, None) => Ok(None),
            (Some(_), None) => Err(alone(&self.tls_cert, "tls-key")),
            (None, Some(_)) => Err(alone(&self.tls_key, "tls-cert")),
        }
    }
}

fn alone(given: &Option<Given>, other: &str) -> Error {
    let name = given.as_ref().map(Given::name).unwrap_or_default();
    Error::invalid("usage", format!("{name} is set and --{other} is not. They go together: set both, or neither."))
}
