//! The server's signing keys at work: made at the first start, kept in a file, rotated by a command or
//! by schedule, used for tokens and signed identity. Nothing here looks at a file during a request.

mod change;
mod keeper;
mod make;
mod pem;
mod ring;

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwapOption;

use super::by::By;
use super::caller::Asking;
use super::{Auth, Urgency};
use crate::ambient::Pool;
use crate::error::{Error, Result};
use crate::model::signing::{FreshKey, Keyring};
use crate::model::{Action, SigningAlgorithm, Time};
use crate::store::Tx;
use keeper::Keeper;
pub use make::fresh;
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
pub(super) fn valid_from(now: Time) -> i64 {
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

pub(super) struct Running {
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

    pub(super) fn running(&self) -> Result<&Running> {
        self.running.get().ok_or_else(|| Error::internal("signing was not started"))
    }

    fn put(&self, keyring: &Keyring, now: Time) -> Result<()> {
        self.ring.store(Some(Arc::new(Ring::of(keyring, now)?)));
        Ok(())
    }
}

impl Auth {
    /// In the server alone. Keys that cannot be used stop the start; keys that are missing are made
    /// while the server answers already.
    pub fn start_signing(&self, settings: SigningSettings, issuer: &str) -> Result<()> {
        let signing = &self.signing;
        let keyring = match &settings.file {
            Some(file) => {
                warn_if_others_read(file);
                Some(operators(file, &settings, self.now())?)
            }
            None => self.store.signing_keys()?,
        };
        if let Some(keyring) = &keyring {
            signing.put(keyring, self.now())?;
        }
        let keeper = Keeper::start(Arc::clone(signing), Arc::clone(&self.store), Arc::clone(&self.clock), &settings)?;
        let signers = Pool::start("signer", WAITING_SIGNATURES, vec![()])?;
        // A second call finds the first one's thread at work and ends its own.
        let _ = signing.running.set(Running { settings, issuer: issuer.to_owned(), signers, keeper });
        Ok(())
    }

    pub(super) fn stop_signing(&self) {
        if let Some(running) = self.signing.running.get() {
            running.keeper.stop();
        }
    }

    pub fn signing(&self) -> &Signing {
        &self.signing
    }

    /// All keys, for the operator's eyes: of this file, or ours.
    pub fn signing_keys(&self, file: Option<&Path>) -> Result<Option<Keyring>> {
        match file {
            Some(file) => pem::read(file, self.now()).map(Some),
            None => self.store.signing_keys(),
        }
    }

    /// The next keys sign from now on; those that signed are published for `overlap` more.
    pub async fn rotate_signing_keys(&self, asking: &Asking, overlap: Duration) -> Result<Keyring> {
        asking.caller.must_be_admin()?;
        if overlap < LONGEST_TOKEN {
            return Err(Error::invalid(
                "overlap",
                "An overlap is at least 1h: so long may a token live that an old key has signed. After a leak, use --leaked.",
            ));
        }
        if self.store.signing_keys()?.is_none() {
            return self.store.begin_signing_keys(&Keyring::begin(two_of_each()?, self.now()));
        }
        let (fresh, now) = (one_of_each()?, self.now());
        let rotate = move |ring: Keyring| ring.rotated(fresh.clone(), now, overlap);
        self.change_signing_keys(asking, rotate, Action::SigningKeysRotated).await
    }

    /// After a leak: all keys anew, and what the old ones have signed is good no more.
    pub async fn replace_signing_keys(&self, asking: &Asking) -> Result<Keyring> {
        asking.caller.must_be_admin()?;
        let (fresh, now) = (two_of_each()?, self.now());
        if self.store.signing_keys()?.is_none() {
            return self.store.begin_signing_keys(&Keyring::begin(fresh, now));
        }
        let replace = move |_| Keyring::begin(fresh.clone(), now);
        self.change_signing_keys(asking, replace, Action::SigningKeysReplaced).await
    }

    async fn change_signing_keys(
        &self,
        asking: &Asking,
        change: impl Fn(Keyring) -> Keyring + Send + 'static,
        action: Action,
    ) -> Result<Keyring> {
        let store = Arc::clone(&self.store);
        let act = move |tx: &Tx<'_>, by: &By| change::change(tx, by, &store, &change, action);
        self.act(Urgency::Ordinary, self.by(&asking.origin), act).await
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

fn one_of_each() -> Result<Vec<FreshKey>> {
    SigningAlgorithm::ALL.into_iter().map(fresh).collect()
}

/// The one that signs, and the one that will be next.
fn two_of_each() -> Result<Vec<FreshKey>> {
    [one_of_each()?, one_of_each()?].into_iter().flatten().map(Ok).collect()
}
