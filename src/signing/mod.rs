//! The server's signing keys in use: generated at the first start, kept in a file, rotated by command or on schedule,
//! used for tokens and signed identity. No request reads a file. This module must not depend on the store: [`Keyrings`]
//! is its interface to the stored keys.

mod keeper;
mod make;
mod pem;
mod ring;
mod secret;

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwapOption;

use crate::ambient::{Clock, FileStamp, Pool};
use crate::error::{Error, Result};
use crate::model::signing::{FreshKey, Keyring};
use crate::model::{SigningAlgorithm, Time};
use keeper::Keeper;
pub use make::fresh;
pub use pem::read as read_pem;
pub use ring::Ring;
pub use secret::Secret;

/// Maximum token lifetime, and therefore the minimum overlap.
pub const MAX_JWT_LIFETIME: Duration = Duration::from_secs(3600);
/// How far a verifier's clock may be behind ours. Many libraries tolerate no difference.
const CLOCK_SKEW: Duration = Duration::from_secs(5);
/// How long a key stays published after its last signature.
pub const OVERLAP: Duration = Duration::from_secs(24 * 3600);
/// Maximum number of signatures that wait for the signer thread. RSA signatures take more than a millisecond, so
/// workers do not make them.
const WAITING_SIGNATURES: usize = 256;

/// `iat` and `nbf` of a token that is issued now, in seconds since 1970 (RFC 7519 §4.1.5, §4.1.6).
pub fn valid_from(now: Time) -> i64 {
    now.minus(CLOCK_SKEW).seconds()
}

/// The operator's settings, already parsed.
#[derive(Debug, Clone)]
pub struct SigningSettings {
    /// The operator's own keys (PEM); `None` means ours, next to the database.
    pub file: Option<PathBuf>,
    /// The file with the secret that seals our own keys in a database on PostgreSQL.
    pub secret: Option<PathBuf>,
    /// How long a key of ours signs; `None` means until a command rotates it.
    pub rotation: Option<Duration>,
    pub token_algorithm: SigningAlgorithm,
    pub token_lifetime: Duration,
    /// Default audience of a token whose client names none; `None` means the issuer.
    pub token_audience: Option<String>,
    pub identity_algorithm: SigningAlgorithm,
}

impl Default for SigningSettings {
    fn default() -> Self {
        SigningSettings {
            file: None,
            secret: None,
            rotation: Some(Duration::from_secs(90 * 86_400)),
            token_algorithm: SigningAlgorithm::Rs256,
            token_lifetime: Duration::from_secs(600),
            token_audience: None,
            identity_algorithm: SigningAlgorithm::EdDSA,
        }
    }
}

/// The signing keys in use; in a command, both fields stay empty.
#[derive(Default)]
pub struct Signing {
    /// `None` until the first keys exist.
    ring: ArcSwapOption<Ring>,
    running: OnceLock<SigningService>,
}

pub struct SigningService {
    pub settings: SigningSettings,
    pub issuer: String,
    pub signers: Pool<()>,
    keeper: Keeper,
}

impl Signing {
    /// The current keys; an error if there are none yet.
    pub fn ring(&self) -> Result<Arc<Ring>> {
        self.ring.load_full().ok_or_else(|| Error::unavailable("the signing keys do not exist yet"))
    }

    pub fn running(&self) -> Result<&SigningService> {
        self.running.get().ok_or_else(|| Error::internal("signing was not started"))
    }

    fn put(&self, keyring: &Keyring, now: Time) -> Result<()> {
        self.ring.store(Some(Arc::new(Ring::of(keyring, now)?)));
        Ok(())
    }
}

/// Tells versions of a stored ring apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RingStamp {
    File(Option<FileStamp>),
    /// In a database; `None` if there is no ring yet.
    Version(Option<i64>),
}

impl RingStamp {
    pub fn of_file(file: &Path) -> Self {
        RingStamp::File(FileStamp::of(file))
    }
}

/// Storage for the server's own key rings.
pub trait Keyrings: Send + Sync {
    /// Changes whenever the ring does; the keeper compares it.
    fn stamp(&self) -> Result<RingStamp>;

    /// `None` if there is none yet.
    fn read(&self) -> Result<Option<Keyring>>;

    /// Stores the first ring unless another process was first. Returns the stored ring.
    fn begin(&self, ring: &Keyring) -> Result<Keyring>;

    /// Makes a scheduled change. `change` may run twice.
    fn change(&self, change: Box<dyn Fn(Keyring) -> Keyring + Send>) -> Result<Keyring>;
}

impl Signing {
    /// Called once, in the server only. The server does not start with unusable keys; missing keys are generated while
    /// it already answers.
    pub fn start(
        self: &Arc<Self>,
        settings: SigningSettings,
        issuer: &str,
        keyrings: Arc<dyn Keyrings>,
        clock: Arc<dyn Clock>,
    ) -> Result<()> {
        let keyring = match &settings.file {
            Some(file) => {
                warn_if_others_read(file, "signing keys");
                Some(operators(file, &settings, clock.now())?)
            }
            None => keyrings.read()?,
        };
        if let Some(keyring) = &keyring {
            self.put(keyring, clock.now())?;
        }
        let keeper = Keeper::start(Arc::clone(self), keyrings, clock, &settings)?;
        let signers = Pool::start("signer", WAITING_SIGNATURES, vec![()])?;
        // After a second call, the first call's thread goes on and the new one is stopped.
        let _ = self.running.set(SigningService { settings, issuer: issuer.to_owned(), signers, keeper });
        Ok(())
    }

    pub fn stop(&self) {
        if let Some(running) = self.running.get() {
            running.keeper.stop();
        }
    }
}

/// Warns about the operator's file, whose mode is the operator's choice; the store restricts ours.
fn warn_if_others_read(file: &Path, what: &str) {
    let mode = std::fs::metadata(file).map_or(0, |metadata| metadata.mode());
    if mode & 0o077 != 0 {
        tracing::warn!(file = %file.display(), mode = format!("{:o}", mode & 0o777), "other users can read the {what}");
    }
}

/// The operator's keys, which must include those that the settings need.
fn operators(file: &Path, settings: &SigningSettings, now: Time) -> Result<Keyring> {
    let keyring = pem::read(file, now)?;
    for (flag, algorithm) in
        [("--access-token-algorithm", settings.token_algorithm), ("--identity-algorithm", settings.identity_algorithm)]
    {
        if keyring.signing(algorithm).is_none() {
            return Err(Error::conflict(format!(
                "{} contains no key for {flag} {}. Add one, or choose another algorithm.",
                file.display(),
                algorithm.as_str()
            )));
        }
    }
    Ok(keyring)
}

pub fn one_of_each() -> Result<Vec<FreshKey>> {
    SigningAlgorithm::ALL.into_iter().map(fresh).collect()
}

/// Two keys of each algorithm: one that signs and one that is next.
pub fn two_of_each() -> Result<Vec<FreshKey>> {
    [one_of_each()?, one_of_each()?].into_iter().flatten().map(Ok).collect()
}
