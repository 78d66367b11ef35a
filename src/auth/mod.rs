//! The rules: verify, create, revoke, log in. Knows the store, the clock and the model; knows no HTTP.

pub mod caller;
pub mod keys;
pub mod login;
pub mod passwords;
pub mod sessions;
pub mod setup;
pub mod throttle;
pub mod users;
pub mod verify;

use std::sync::Arc;

use crate::ambient::{Clock, Entropy};
use crate::error::Result;
use crate::model::{KeyPrefix, Time};
use crate::store::Store;

pub use caller::Caller;
pub use keys::{KeyRequest, Made};
pub use verify::{Identity, Presented, Verdict};

/// Everything a decision needs. One for the process, shared by all workers.
pub struct Auth {
    store: Store,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    passwords: passwords::Passwords,
    setup: setup::SetupLink,
    /// The first is the default for new keys.
    prefixes: Vec<KeyPrefix>,
}

impl Auth {
    pub fn new(
        store: Store,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        prefixes: Vec<KeyPrefix>,
    ) -> Result<Self> {
        let passwords = passwords::Passwords::start(entropy.as_ref())?;
        Ok(Auth { store, clock, entropy, passwords, setup: setup::SetupLink::default(), prefixes })
    }

    pub fn store(&self) -> &Store {
        &self.store
    }

    pub fn now(&self) -> Time {
        self.clock.now()
    }

    pub fn entropy(&self) -> &dyn Entropy {
        self.entropy.as_ref()
    }

    pub fn shared_entropy(&self) -> Arc<dyn Entropy> {
        Arc::clone(&self.entropy)
    }

    pub fn prefixes(&self) -> &[KeyPrefix] {
        &self.prefixes
    }
}
