//! Moving to another database, of the same or the other engine: everything is copied in one transaction, and the source
//! is marked as moved, so that two databases never answer for the same keys.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::by::By;
use super::caller::Asking;
use super::{Auth, Urgency, audit};
use crate::error::{Error, Result};
use crate::model::signing::Keyring;
use crate::model::{Action, Consent, DatabaseAddress};
use crate::signing::Secret;
use crate::store::{CopiedRows, Destination, Store, Tx, copy_rows};

const UNSOUND: &str = "Nothing was copied. keybearer check lists them.";

/// What to do with the server's own signing keys.
pub enum SigningKeysMove {
    /// Copy them. On PostgreSQL they are sealed with the secret.
    With(Option<Secret>),
    LeaveBehind,
}

impl SigningKeysMove {
    pub fn with_secret_in(file: Option<&Path>) -> Result<Self> {
        file.map(Secret::read).transpose().map(SigningKeysMove::With)
    }
}

/// The progress: how many rows there are, and that one more was copied.
pub trait CopyProgress: Send + Sync {
    fn begin(&self, rows: u64);
    fn tick(&self);
}

/// Where to copy to, and what happens meanwhile.
pub struct MoveRequest {
    pub from: DatabaseAddress,
    pub to: DatabaseAddress,
    pub consent: Consent,
    pub signing_keys: SigningKeysMove,
    pub progress: Arc<dyn CopyProgress>,
}

impl Auth {
    /// Copies this database, which must be opened exclusively, to a new one, and marks it as moved. Returns how many rows
    /// of each table there are; each was read again and compared.
    pub async fn move_to(&self, asking: &Asking, request: MoveRequest) -> Result<Vec<CopiedRows>> {
        asking.caller.must_be_admin()?;
        let is_importing = || Error::conflict("An import is running. Nothing was copied. Try again when it has ended.");
        let _lock = self.store.try_lock_import()?.ok_or_else(is_importing)?;
        self.remove_pending().await?;
        let (from, to) = (request.from.to_string(), request.to.to_string());
        let is_copied = Arc::new(AtomicBool::new(false));
        // The writer drops this after its reply; it must not be the one that closes the store.
        let (store, done) = (Arc::downgrade(&self.store), Arc::clone(&is_copied));
        let act = move |tx: &Tx<'_>, by: &By| {
            let store = store.upgrade().ok_or_else(|| Error::internal("the store was closed during a copy"))?;
            let rows = copy(tx, by, &store, &request)?;
            done.store(true, Ordering::Relaxed);
            tx.put_move(by.at, &request.to.to_string())?;
            Ok(rows)
        };
        let moved = self.act(Urgency::Ordinary, self.by(&asking.origin), act).await;
        moved.map_err(|error| match is_copied.load(Ordering::Relaxed) {
            true => Error::conflict(format!(
                "{to} is a complete copy, but {from} could not be marked as moved ({error}). Use only one of them, and \
                 remove the other."
            )),
            false => error,
        })
    }
}

fn copy(tx: &Tx<'_>, by: &By, store: &Store, request: &MoveRequest) -> Result<Vec<CopiedRows>> {
    let (from, to) = (request.from.to_string(), request.to.to_string());
    tx.begin_copy(&from)?;
    tx.examine()?.must_be_sound(&from, UNSOUND)?;
    let ring = ring(tx, store, &request.signing_keys)?;
    let mut destination = Destination::begin(&request.to, request.consent)?;
    request.progress.begin(tx.rows_to_copy()?);
    let rows = copy_rows(tx, &destination.tx(), &|| request.progress.tick())?;
    let label = format!("from {from}");
    audit::append(&destination.tx(), by, Action::DatabaseMoved, None, label)?;
    if let Some(ring) = ring {
        keep(&mut destination, store, &request.signing_keys, &ring)?;
    }
    destination.tx().examine()?.must_be_sound(&to, UNSOUND)?;
    destination.finish()?;
    Ok(rows)
}

/// The signing keys to copy; `None` if there are none.
fn ring(tx: &Tx<'_>, store: &Store, wanted: &SigningKeysMove) -> Result<Option<Keyring>> {
    let SigningKeysMove::With(secret) = wanted else { return Ok(None) };
    if store.path().is_some() {
        return store.signing_keys();
    }
    let open = |sealed: Vec<u8>| opened_with(secret.as_ref())?.open(&sealed, store.installation());
    tx.signing_ring()?.map(|ring| open(ring.sealed)).transpose()
}

fn keep(destination: &mut Destination, store: &Store, wanted: &SigningKeysMove, ring: &Keyring) -> Result<()> {
    let SigningKeysMove::With(secret) = wanted else { return Ok(()) };
    if destination.has_signing_file() {
        return destination.keep_signing_keys(ring);
    }
    // The copy has the same id.
    let sealed = opened_with(secret.as_ref())?.seal(ring, store.installation())?;
    destination.tx().put_signing_ring(&sealed)
}

fn opened_with(secret: Option<&Secret>) -> Result<&Secret> {
    secret.ok_or_else(|| {
        Error::conflict(
            "On PostgreSQL the signing keys are sealed with a secret: give the nodes' file with --secret-file FILE. Or \
             leave the signing keys behind with --without-signing-keys; tokens issued so far can then no longer be \
             verified. Nothing was copied.",
        )
    })
}
