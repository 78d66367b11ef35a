//! The keeper thread: generates the first keys, rotates them when due, and reads their file or row within half a second
//! of a change by somebody else, so that no request has to look at it.

use std::sync::Arc;
use std::time::Duration;

use super::{Keyrings, OVERLAP, RingStamp, Signing, SigningSettings, one_of_each, operators, two_of_each};
use crate::ambient::background::{Orders, give_way};
use crate::ambient::{Background, Clock};
use crate::error::{Error, Result};
use crate::model::Time;
use crate::model::signing::{FreshKey, Keyring};

const CHECK_INTERVAL: Duration = Duration::from_millis(500);
/// Turns to wait after generating or rotating keys fails: generating keys is expensive.
const RETRY_TURNS: u32 = 60;

pub struct Keeper(Background);

impl Keeper {
    pub fn start(
        signing: Arc<Signing>,
        keyrings: Arc<dyn Keyrings>,
        clock: Arc<dyn Clock>,
        settings: &SigningSettings,
    ) -> Result<Self> {
        let mut work = KeeperLoop {
            signing,
            keyrings,
            clock,
            settings: settings.clone(),
            seen: None,
            keyring: None,
            next_end: None,
            patience: 0,
            unwritten: None,
            failure: None,
        };
        let run = move |orders: Orders| {
            // The server is not ready without keys; everything later can wait for verifications.
            work.turn();
            give_way();
            loop {
                work.turn();
                if orders.to_stop_within(CHECK_INTERVAL) {
                    return;
                }
            }
        };
        Background::start("signing", run).map(Keeper)
    }

    pub fn stop(&self) {
        self.0.stop();
    }
}

struct KeeperLoop {
    signing: Arc<Signing>,
    keyrings: Arc<dyn Keyrings>,
    clock: Arc<dyn Clock>,
    settings: SigningSettings,
    /// The ring's stamp when it was last read.
    seen: Option<RingStamp>,
    keyring: Option<Keyring>,
    /// The next time at which a key stops being published.
    next_end: Option<Time>,
    /// Turns to wait after a failure.
    patience: u32,
    /// The first keys, until they can be written.
    unwritten: Option<Vec<FreshKey>>,
    /// Why they could not be written, so that each reason is logged only once.
    failure: Option<String>,
}

impl KeeperLoop {
    fn turn(&mut self) {
        let now = self.clock.now();
        if let Err(error) = self.look(now) {
            tracing::error!(%error, "the signing keys were not updated; still using the previous ones");
        }
        match self.patience.checked_sub(1) {
            Some(left) => self.patience = left,
            None => {
                if let Err(error) = self.tend(now) {
                    self.complain(&error);
                }
            }
        }
    }

    fn complain(&mut self, error: &Error) {
        if self.unwritten.is_none() {
            tracing::error!(%error, "signing keys could not be generated or rotated; trying again in half a minute");
            self.patience = RETRY_TURNS;
            return;
        }
        // The server is not ready without them, so they are written as soon as possible.
        let failure = Some(error.to_string());
        if self.failure != failure {
            tracing::error!(%error, "the first signing keys cannot be written; trying again");
            self.failure = failure;
        }
    }

    /// Reads the ring if it has changed since it was last read, and drops keys that are no longer published.
    fn look(&mut self, now: Time) -> Result<()> {
        let stamp = match &self.settings.file {
            Some(file) => RingStamp::of_file(file),
            None => self.keyrings.stamp()?,
        };
        if self.seen != Some(stamp) {
            self.seen = Some(stamp);
            return self.read(now);
        }
        match self.next_end {
            Some(end) if end <= now => self.put(self.keyring.clone(), now),
            _ => Ok(()),
        }
    }

    /// Generates missing keys and rotates due ones; never changes the operator's own keys.
    fn tend(&mut self, now: Time) -> Result<()> {
        if self.settings.file.is_some() {
            return Ok(());
        }
        match &self.keyring {
            None => self.begin(now),
            Some(ring) if self.settings.rotation.is_some_and(|every| ring.is_due(now, every)) => self.rotate(now),
            Some(_) => Ok(()),
        }
    }

    fn read(&mut self, now: Time) -> Result<()> {
        let keyring = match &self.settings.file {
            Some(file) => Some(operators(file, &self.settings, now)?),
            None => self.keyrings.read()?,
        };
        self.put(keyring, now)
    }

    fn put(&mut self, keyring: Option<Keyring>, now: Time) -> Result<()> {
        if let Some(keyring) = &keyring {
            self.signing.put(keyring, now)?;
        }
        self.next_end = keyring.as_ref().and_then(|keyring| keyring.next_end(now));
        self.keyring = keyring;
        Ok(())
    }

    fn begin(&mut self, now: Time) -> Result<()> {
        let keys = self.unwritten.take().map_or_else(two_of_each, Ok)?;
        let written = self.keyrings.begin(&Keyring::begin(keys.clone(), now));
        let keyring = written.inspect_err(|_| self.unwritten = Some(keys))?;
        tracing::info!(keys = keyring.label(), "created signing keys");
        self.put(Some(keyring), now)
    }

    fn rotate(&mut self, now: Time) -> Result<()> {
        let (fresh, every) = (one_of_each()?, self.settings.rotation);
        // A command may have rotated first, so the file's current keys are checked again.
        let rotate = move |ring: Keyring| {
            let is_due = every.is_some_and(|every| ring.is_due(now, every));
            if is_due { ring.rotated(fresh.clone(), now, OVERLAP) } else { ring }
        };
        let keyring = self.keyrings.change(Box::new(rotate))?;
        tracing::info!(keys = keyring.label(), "rotated the signing keys on schedule");
        self.put(Some(keyring), now)
    }
}
