//! The server's signing keys at work: made at the first start, kept in a file, rotated by a command or
//! by schedule, used for tokens and signed identity. Nothing here looks at a file during a request. Must not depend on
//! the store: where rings are kept is a port.

mod keeper;
mod make;
mod pem;
mod ring;

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwapOption;

use crate::ambient::{Clock, Pool};
use crate::error::{Error, Result};
use crate::model::signing::{FreshKey, Keyring};
use crate::model::{SigningAlgorithm, Time};
use keeper::Keeper;
pub use make::fresh;
pub use pem::read as read_pem;
pub use ring::Ring;

/// A token may live this long at most, and so must an overlap.
pub const LONGEST_TOKEN: Duration = Duration::from_secs(3600);
/// How far the clock of a checker may be behind ours. Many libraries allow for no difference.
const CLOCK_SKEW: Duration = Duration::from_secs(5);
/// How long a key is published after it has signed for the last time.
pub const OVERLAP: Duration = Duration::from_secs(24 * 3600);
/// RSA signatures take more than a millisecond; they are made beside the workers.
const WAITING_SIGNATURES: usize = 256;

/// `iat` and `nbf` of a token that is made now, in seconds since 1970 (RFC 7519 §4.1.5, §4.1.6).
pub fn valid_from(now: Time) -> i64 {
    now.minus(CLOCK_SKEW).seconds()
}

/// What the operator chose; already parsed.
#[derive(Debug, Clone)]
pub struct SigningSettings {
    /// The operator's own keys (PEM); `None`: ours, beside the database.
    pub file: Option<PathBuf>,
    /// How long a key of ours signs; `None`: until a command says otherwise.
    pub rotation: Option<Duration>,
    pub token_algorithm: SigningAlgorithm,
    pub token_lifetime: Duration,
    /// Whom a token is for when its client names nobody; `None`: the issuer.
    pub token_audience: Option<String>,
    pub identity_algorithm: SigningAlgorithm,
}

impl Default for SigningSettings {
    fn default() -> Self {
        SigningSettings {
            file: None,
            rotation: Some(Duration::from_secs(90 * 86_400)),
            token_algorithm: SigningAlgorithm::Rs256,
            token_lifetime: Duration::from_secs(600),
            token_audience: None,
            identity_algorithm: SigningAlgorithm::EdDSA,
        }
    }
}

/// In a command there is none of it but the file.
#[derive(Default)]
pub struct Signing {
    /// `None` until the first keys are made.
    ring: ArcSwapOption<Ring>,
    running: OnceLock<Running>,
}

pub struct Running {
    pub settings: SigningSettings,
    pub issuer: String,
    pub signers: Pool<()>,
    keeper: Keeper,
}

impl Signing {
    /// The keys as they are now; an error while there are none yet.
    pub fn ring(&self) -> Result<Arc<Ring>> {
        self.ring.load_full().ok_or_else(|| Error::unavailable("the signing keys are not made yet"))
    }

    pub fn running(&self) -> Result<&Running> {
        self.running.get().ok_or_else(|| Error::internal("signing was not started"))
    }

    fn put(&self, keyring: &Keyring, now: Time) -> Result<()> {
        self.ring.store(Some(Arc::new(Ring::of(keyring, now)?)));
        Ok(())
    }
}

/// Where the server's own key rings are kept.
pub trait Keyrings: Send + Sync {
    /// The file that holds the ring: whoever changes it is noticed.
    fn file(&self) -> PathBuf;

    /// `None`: there is none yet.
    fn read(&self) -> Result<Option<Keyring>>;

    /// Puts the first ring in its place, unless another process was first. Returns what is there then.
    fn begin(&self, ring: &Keyring) -> Result<Keyring>;

    /// A change that is due by the schedule. `change` may run twice.
    fn change(&self, change: Box<dyn Fn(Keyring) -> Keyring + Send>) -> Result<Keyring>;
}

impl Signing {
    /// In the server only, once. Keys that cannot be used stop the start; keys that are missing are made while the
    /// server answers already.
    pub fn start(
        self: &Arc<Self>,
        settings: SigningSettings,
        issuer: &str,
        keyrings: Arc<dyn Keyrings>,
        clock: Arc<dyn Clock>,
    ) -> Result<()> {
        let keyring = match &settings.file {
            Some(file) => {
                warn_if_others_read(file);
                Some(operators(file, &settings, clock.now())?)
            }
            None => keyrings.read()?,
        };
        if let Some(keyring) = &keyring {
            self.put(keyring, clock.now())?;
        }
        let keeper = Keeper::start(Arc::clone(self), keyrings, clock, &settings)?;
        let signers = Pool::start("signer", WAITING_SIGNATURES, vec![()])?;
        // A second call finds the first one's thread at work and ends its own.
        let _ = self.running.set(Running { settings, issuer: issuer.to_owned(), signers, keeper });
        Ok(())
    }

    pub fn stop(&self) {
        if let Some(running) = self.running.get() {
            running.keeper.stop();
        }
    }
}

/// The file is the operator's, and so is its mode; ours is narrowed by the store.
fn warn_if_others_read(file: &Path) {
    let mode = std::fs::metadata(file).map_or(0, |metadata| metadata.mode());
    if mode & 0o077 != 0 {
        tracing::warn!(file = %file.display(), mode = format!("{:o}", mode & 0o777), "others can read the signing keys");
    }
}

/// The operator's keys, among which those that the settings need.
fn operators(file: &Path, settings: &SigningSettings, now: Time) -> Result<Keyring> {
    let keyring = pem::read(file, now)?;
    for (flag, algorithm) in
        [("--access-token-algorithm", settings.token_algorithm), ("--identity-algorithm", settings.identity_algorithm)]
    {
        if keyring.signing(algorithm).is_none() {
            return Err(Error::conflict(format!(
                "{} holds no key for {flag} {}. Add one, or choose another algorithm.",
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

/// The one that signs, and the one that will be next.
pub fn two_of_each() -> Result<Vec<FreshKey>> {
    [one_of_each()?, one_of_each()?].into_iter().flatten().map(Ok).collect()
}
