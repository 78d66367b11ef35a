//! TLS from two PEM files, which can be replaced while the server runs. If they are not usable at startup, the server
//! does not start, and never falls back to plain HTTP. Later, the error is logged and the previous pair stays in use.

mod expiry;

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert, ServerSessionMemoryCache, StoresServerSessions};
use rustls::sign::CertifiedKey;

use super::settings::TlsFiles;
use crate::ambient::background::give_way;
use crate::ambient::plain_file;
use crate::ambient::{Background, FileStamp};
use crate::error::{Error, Kind, Result};
use crate::model::Time;

/// How often the files are checked.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// Maximum number of sessions that can be resumed; the default of rustls.
const SESSIONS: usize = 256;

/// The certificate and key in use.
pub struct Certificates {
    files: TlsFiles,
    provider: Arc<CryptoProvider>,
    pair: ArcSwap<CertifiedKey>,
    /// The sessions that were started with this pair, so that a resumed session never uses an older certificate.
    sessions: ArcSwap<ServerSessionMemoryCache>,
    seen: Mutex<FilesSeen>,
}

struct FilesSeen {
    /// The state of the files when they were last read.
    stamps: [Option<FileStamp>; 2],
    /// Why they could not be used; `None` if they could.
    failure: Option<String>,
}

impl Certificates {
    pub fn read(files: &TlsFiles, now: Time) -> Result<Arc<Self>> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let stamps = stamps(files);
        let pair = Arc::new(load(files, &provider)?);
        match expiry::of(&pair) {
            Some(end) if end <= now => {
                tracing::error!(cert = %files.cert.display(), %end, "the certificate has expired")
            }
            Some(end) => tracing::info!(cert = %files.cert.display(), expires = %end, "the certificate is loaded"),
            None => {}
        }
        Ok(Arc::new(Certificates {
            files: files.clone(),
            provider,
            pair: ArcSwap::new(pair),
            sessions: ArcSwap::new(ServerSessionMemoryCache::new(SESSIONS)),
            seen: Mutex::new(FilesSeen { stamps, failure: None }),
        }))
    }

    /// When the certificate in use expires; `None` if the date is not in the required form (RFC 5280 §4.1.2.5).
    pub fn expires_at(&self) -> Option<Time> {
        expiry::of(&self.pair.load())
    }

    /// Watches the files until the handle is dropped.
    pub fn watch(self: &Arc<Self>, now: impl Fn() -> Time + Send + 'static) -> Result<Background> {
        let certificates = Arc::clone(self);
        Background::start("certificates", move |orders| {
            give_way();
            while !orders.to_stop_within(CHECK_INTERVAL) {
                certificates.look(now());
            }
        })
    }

    /// Reads the files again, changed or not, and logs the result.
    pub fn reload(&self, now: Time) {
        let mut seen = self.seen();
        let stamps = stamps(&self.files);
        match self.exchange(now) {
            Ok(is_other) => {
                seen.failure = None;
                self.report(if is_other {
                    "the new certificate is in use"
                } else {
                    "the certificate is the same as before"
                });
            }
            Err(error) => seen.failure = Some(self.refuse(&error)),
        }
        seen.stamps = stamps;
    }

    /// Reads the files again if they have changed. If they cannot be used, it tries again each time, because the other
    /// file may follow at any moment, but logs the same error only once.
    fn look(&self, now: Time) {
        let mut seen = self.seen();
        let stamps = stamps(&self.files);
        if stamps == seen.stamps && seen.failure.is_none() {
            return;
        }
        match self.exchange(now) {
            Ok(is_other) => {
                seen.failure = None;
                if is_other {
                    self.report("the new certificate is in use");
                }
            }
            Err(error) if seen.failure.as_deref() != Some(&error.message) => seen.failure = Some(self.refuse(&error)),
            Err(_) => {}
        }
        seen.stamps = stamps;
    }

    /// Uses the certificate in the files if it is another one, and returns whether it is.
    fn exchange(&self, now: Time) -> Result<bool> {
        let pair = load(&self.files, &self.provider)?;
        if let Some(end) = expiry::of(&pair).filter(|end| *end <= now) {
            return Err(wrong("--tls-cert", &self.files.cert, &format_args!("the certificate expired at {end}")));
        }
        let is_other = self.pair.load().cert != pair.cert;
        if is_other {
            self.pair.store(Arc::new(pair));
            self.sessions.store(ServerSessionMemoryCache::new(SESSIONS));
        }
        Ok(is_other)
    }

    fn report(&self, what: &str) {
        let expires = self.expires_at().map(|end| end.to_string());
        tracing::info!(cert = %self.files.cert.display(), expires, "{what}");
    }

    fn refuse(&self, error: &Error) -> String {
        tracing::error!(cause = %error.message, "the certificate files cannot be used; the certificate loaded before stays in use");
        error.message.to_string()
    }

    fn seen(&self) -> MutexGuard<'_, FilesSeen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The TLS configuration of the main listener. rustls offers only TLS 1.2 and 1.3 with secure cipher suites.
pub fn config(certificates: Arc<Certificates>) -> Result<ServerConfig> {
    let mut config = ServerConfig::builder_with_provider(Arc::clone(&certificates.provider))
        .with_safe_default_protocol_versions()
        .map_err(Error::internal)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::clone(&certificates) as Arc<dyn ResolvesServerCert>);
    config.session_storage = certificates;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn load(files: &TlsFiles, provider: &CryptoProvider) -> Result<CertifiedKey> {
    let cert = plain_file::read(&files.cert).map_err(|error| wrong("--tls-cert", &files.cert, &error))?;
    let chain = CertificateDer::pem_slice_iter(&cert)
        .collect::<std::result::Result<Vec<_>, _>>()
        .map_err(|error| wrong("--tls-cert", &files.cert, &error))?;
    if chain.is_empty() {
        return Err(wrong("--tls-cert", &files.cert, &"the file contains no certificate"));
    }
    let key = plain_file::read(&files.key).map_err(|error| wrong("--tls-key", &files.key, &error))?;
    let key = PrivateKeyDer::from_pem_slice(&key).map_err(|error| wrong("--tls-key", &files.key, &error))?;
    CertifiedKey::from_der(chain, key, provider).map_err(|error| {
        let error = format!(
            "{error}. The first certificate in the file must be the server's own, for this key; its issuers follow"
        );
        wrong("--tls-cert and --tls-key do not match:", &files.cert, &error)
    })
}

fn wrong(flag: &str, path: &Path, error: &dyn fmt::Display) -> Error {
    Error::new(Kind::Invalid, format!("{flag} {}: {error}", path.display()))
}

/// Links are followed, so that pointing a link at another file is a change.
fn stamps(files: &TlsFiles) -> [Option<FileStamp>; 2] {
    [&files.cert, &files.key].map(|file| FileStamp::of(file))
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.pair.load_full())
    }
}

impl StoresServerSessions for Certificates {
    fn put(&self, key: Vec<u8>, value: Vec<u8>) -> bool {
        self.sessions.load().put(key, value)
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.sessions.load().get(key)
    }

    fn take(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.sessions.load().take(key)
    }

    fn can_cache(&self) -> bool {
        true
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Certificates")
    }
}
