//! The server's signing keys: created, rotated and replaced, in a file next to the database.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::by::By;
use super::caller::Asking;
use super::{Auth, Urgency, audit};
use crate::ambient::Clock;
use crate::error::{Error, Result};
use crate::model::Action;
use crate::model::signing::Keyring;
use crate::signing::{Keyrings, MAX_JWT_LIFETIME, Signing, SigningSettings, one_of_each, read_pem, two_of_each};
use crate::store::{Store, Tx};

/// Runs in a transaction, so that of two concurrent rotations the second sees the first. The file is replaced before
/// the commit: at worst a rotation has no event; an event always has its rotation.
fn change(
    tx: &Tx<'_>,
    by: &By,
    store: &Store,
    change: &impl Fn(Keyring) -> Keyring,
    action: Action,
) -> Result<Keyring> {
    let ring = change(store.signing_keys()?.ok_or_else(|| Error::not_found("signing key"))?);
    audit::append(tx, by, action, None, ring.label())?;
    store.replace_signing_keys(&ring)?;
    Ok(ring)
}

/// The store as the keeper thread sees it.
struct StoredKeyrings {
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
}

impl Keyrings for StoredKeyrings {
    fn file(&self) -> Result<PathBuf> {
        self.store.signing_file()
    }

    fn read(&self) -> Result<Option<Keyring>> {
        self.store.signing_keys()
    }

    fn begin(&self, ring: &Keyring) -> Result<Keyring> {
        self.store.begin_signing_keys(ring)
    }

    fn change(&self, wanted: Box<dyn Fn(Keyring) -> Keyring + Send>) -> Result<Keyring> {
        let (by, store) = (By::server(self.clock.now()), Arc::clone(&self.store));
        let act = move |tx: &Tx<'_>| change(tx, &by, &store, &wanted, Action::SigningKeysRotated);
        futures_executor::block_on(self.store.write(Urgency::Ordinary, act))
    }
}

impl Auth {
    /// Called once, in the server only. The server does not start with unusable keys; missing keys are generated while
    /// it already answers.
    pub fn start_signing(&self, settings: SigningSettings, issuer: &str) -> Result<()> {
        let stored = StoredKeyrings { store: Arc::clone(&self.store), clock: Arc::clone(&self.clock) };
        self.signing.start(settings, issuer, Arc::new(stored), Arc::clone(&self.clock))
    }

    pub fn signing(&self) -> &Signing {
        &self.signing
    }

    /// All keys, for the operator: those of this file, or ours.
    pub fn signing_keys(&self, file: Option<&Path>) -> Result<Option<Keyring>> {
        match file {
            Some(file) => read_pem(file, self.now()).map(Some),
            None => self.store.signing_keys(),
        }
    }

    /// The next keys start to sign; retired keys stay published for `overlap`.
    pub async fn rotate_signing_keys(&self, asking: &Asking, overlap: Duration) -> Result<Keyring> {
        asking.caller.must_be_admin()?;
        if overlap < MAX_JWT_LIFETIME {
            return Err(Error::invalid(
                "overlap",
                "The overlap must be at least 1h, the maximum token lifetime. After a leak, use --leaked.",
            ));
        }
        if self.store.signing_keys()?.is_none() {
            return self.store.begin_signing_keys(&Keyring::begin(two_of_each()?, self.now()));
        }
        let (fresh, now) = (one_of_each()?, self.now());
        let rotate = move |ring: Keyring| ring.rotated(fresh.clone(), now, overlap);
        self.change_signing_keys(asking, rotate, Action::SigningKeysRotated).await
    }

    /// After a leak: replaces every key and invalidates everything signed so far.
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
        wanted: impl Fn(Keyring) -> Keyring + Send + 'static,
        action: Action,
    ) -> Result<Keyring> {
        let store = Arc::clone(&self.store);
        let act = move |tx: &Tx<'_>, by: &By| change(tx, by, &store, &wanted, action);
        self.act(Urgency::Ordinary, self.by(&asking.origin), act).await
    }
}
