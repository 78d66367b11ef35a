//! The server's own signing keys: created, rotated and replaced. Beside an SQLite database they are in a file; on
//! PostgreSQL all nodes share one ring, which is sealed in the database.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_executor::block_on;

use super::by::By;
use super::caller::Asking;
use super::{Auth, Urgency, audit};
use crate::ambient::Clock;
use crate::error::{Error, Result};
use crate::model::Action;
use crate::model::signing::Keyring;
use crate::signing::{
    Keyrings, MAX_JWT_LIFETIME, RingStamp, Secret, Signing, SigningSettings, one_of_each, read_pem, two_of_each,
};
use crate::store::{Store, Tx};

/// The key ring, wherever it is stored.
#[derive(Clone)]
struct StoredRing {
    store: Arc<Store>,
    /// `None`: the ring is in the file beside the database.
    secret: Option<Arc<Secret>>,
}

impl StoredRing {
    fn of(store: &Arc<Store>, secret: Option<&Path>) -> Result<Self> {
        let store = Arc::clone(store);
        match (store.path(), secret) {
            (Some(_), None) => Ok(StoredRing { store, secret: None }),
            (Some(_), Some(_)) => Err(Error::conflict(
                "--secret-file is for a database on PostgreSQL. Beside this database, the signing keys are in a file.",
            )),
            (None, Some(file)) => Ok(StoredRing { store, secret: Some(Arc::new(Secret::read(file)?)) }),
            (None, None) => Err(Error::conflict(
                "On PostgreSQL the nodes share their signing keys, sealed with a secret: give each node the same \
                 --secret-file FILE (or KEYBEARER_SECRET_FILE), made with (umask 077; head -c 32 /dev/urandom | base64 > \
                 FILE), or your own keys with --signing-keys FILE (or KEYBEARER_SIGNING_KEYS).",
            )),
        }
    }

    fn read_in(&self, tx: &Tx<'_>) -> Result<Option<Keyring>> {
        match &self.secret {
            None => self.store.signing_keys(),
            Some(secret) => {
                let found = tx.signing_ring()?;
                found.map(|ring| secret.open(&ring.sealed, self.store.installation())).transpose()
            }
        }
    }

    fn replace_in(&self, tx: &Tx<'_>, ring: &Keyring) -> Result<()> {
        match &self.secret {
            None => self.store.replace_signing_keys(ring),
            Some(secret) => tx.put_signing_ring(&secret.seal(ring, self.store.installation())?),
        }
    }

    async fn read(&self) -> Result<Option<Keyring>> {
        let ring = self.clone();
        match self.secret {
            None => self.store.signing_keys(),
            Some(_) => self.store.read(move |tx| ring.read_in(tx)).await,
        }
    }

    /// Stores the first ring, unless another process was first. Returns the stored one.
    async fn begin(&self, first: &Keyring) -> Result<Keyring> {
        if self.secret.is_none() {
            return self.store.begin_signing_keys(first);
        }
        let (ring, first) = (self.clone(), first.clone());
        let begin = move |tx: &Tx<'_>| match ring.read_in(tx)? {
            Some(found) => Ok(found),
            None => ring.replace_in(tx, &first).map(|()| first.clone()),
        };
        self.store.write(Urgency::Ordinary, begin).await
    }

    /// Runs in a transaction, so that of two concurrent rotations the second sees the first. A file is replaced before
    /// the commit: at worst a rotation has no event; an event always has its rotation.
    fn change(&self, tx: &Tx<'_>, by: &By, change: &impl Fn(Keyring) -> Keyring, action: Action) -> Result<Keyring> {
        let ring = change(self.read_in(tx)?.ok_or_else(|| Error::not_found("signing key"))?);
        audit::append(tx, by, action, None, ring.label())?;
        self.replace_in(tx, &ring)?;
        Ok(ring)
    }
}

/// The ring as the keeper thread sees it.
struct KeptRing {
    ring: StoredRing,
    clock: Arc<dyn Clock>,
}

impl Keyrings for KeptRing {
    fn stamp(&self) -> Result<RingStamp> {
        if self.ring.secret.is_none() {
            return Ok(RingStamp::of_file(&self.ring.store.signing_file()?));
        }
        let version = block_on(self.ring.store.read(|tx| tx.signing_ring()))?.map(|ring| ring.version);
        Ok(RingStamp::Version(version))
    }

    fn read(&self) -> Result<Option<Keyring>> {
        block_on(self.ring.read())
    }

    fn begin(&self, ring: &Keyring) -> Result<Keyring> {
        block_on(self.ring.begin(ring))
    }

    fn change(&self, wanted: Box<dyn Fn(Keyring) -> Keyring + Send>) -> Result<Keyring> {
        let (by, ring) = (By::server(self.clock.now()), self.ring.clone());
        let act = move |tx: &Tx<'_>| ring.change(tx, &by, &wanted, Action::SigningKeysRotated);
        block_on(self.ring.store.write(Urgency::Ordinary, act))
    }
}

/// Keyrings of a server that uses only the operator's own keys.
struct NoRing;

impl Keyrings for NoRing {
    fn stamp(&self) -> Result<RingStamp> {
        Ok(RingStamp::Version(None))
    }

    fn read(&self) -> Result<Option<Keyring>> {
        Ok(None)
    }

    fn begin(&self, _: &Keyring) -> Result<Keyring> {
        Err(Error::not_found("signing key"))
    }

    fn change(&self, _: Box<dyn Fn(Keyring) -> Keyring + Send>) -> Result<Keyring> {
        Err(Error::not_found("signing key"))
    }
}

impl Auth {
    /// Called once, in the server only. The server does not start with unusable keys; missing keys are generated while
    /// it already answers.
    pub fn start_signing(&self, settings: SigningSettings, issuer: &str) -> Result<()> {
        let clock = Arc::clone(&self.clock);
        let rings: Arc<dyn Keyrings> = match settings.file {
            Some(_) => Arc::new(NoRing),
            None => {
                let ring = StoredRing::of(&self.store, settings.secret.as_deref())?;
                Arc::new(KeptRing { ring, clock: Arc::clone(&clock) })
            }
        };
        self.signing.start(settings, issuer, rings, clock)
    }

    pub fn signing(&self) -> &Signing {
        &self.signing
    }

    /// All keys, for the operator: those of this file, or ours.
    pub async fn signing_keys(&self, file: Option<&Path>, secret: Option<&Path>) -> Result<Option<Keyring>> {
        match file {
            Some(file) => read_pem(file, self.now()).map(Some),
            None => StoredRing::of(&self.store, secret)?.read().await,
        }
    }

    /// The next keys start to sign; retired keys stay published for `overlap`.
    pub async fn rotate_signing_keys(
        &self,
        asking: &Asking,
        secret: Option<&Path>,
        overlap: Duration,
    ) -> Result<Keyring> {
        asking.caller.must_be_admin()?;
        if overlap < MAX_JWT_LIFETIME {
            return Err(Error::invalid(
                "overlap",
                "The overlap must be at least 1h, the maximum token lifetime. After a leak, use --leaked.",
            ));
        }
        let ring = StoredRing::of(&self.store, secret)?;
        if ring.read().await?.is_none() {
            return ring.begin(&Keyring::begin(two_of_each()?, self.now())).await;
        }
        let (fresh, now) = (one_of_each()?, self.now());
        let rotate = move |ring: Keyring| ring.rotated(fresh.clone(), now, overlap);
        self.change_signing_keys(asking, ring, rotate, Action::SigningKeysRotated).await
    }

    /// After a leak: replaces every key and invalidates everything signed so far.
    pub async fn replace_signing_keys(&self, asking: &Asking, secret: Option<&Path>) -> Result<Keyring> {
        asking.caller.must_be_admin()?;
        let ring = StoredRing::of(&self.store, secret)?;
        let (fresh, now) = (two_of_each()?, self.now());
        if ring.read().await?.is_none() {
            return ring.begin(&Keyring::begin(fresh, now)).await;
        }
        let replace = move |_| Keyring::begin(fresh.clone(), now);
        self.change_signing_keys(asking, ring, replace, Action::SigningKeysReplaced).await
    }

    async fn change_signing_keys(
        &self,
        asking: &Asking,
        ring: StoredRing,
        wanted: impl Fn(Keyring) -> Keyring + Send + 'static,
        action: Action,
    ) -> Result<Keyring> {
        let act = move |tx: &Tx<'_>, by: &By| ring.change(tx, by, &wanted, action);
        self.act(Urgency::Ordinary, self.by(&asking.origin), act).await
    }
}
