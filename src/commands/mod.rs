//! One file a subcommand. Each calls the same `auth` functions as the dashboard, on the same
//! database, beside a running server or alone. Data on stdout, talk on stderr.

pub mod check;
pub mod events;
pub mod input;
pub mod keys;
pub mod output;
pub mod password;
pub mod serve;
pub mod signing_keys;
pub mod users;

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;

use crate::ambient::{OsEntropy, SystemClock};
use crate::auth::Auth;
use crate::error::{Error, Result};
use crate::model::{Consent, KeyPrefix, Purpose};

/// What every command knows.
pub struct Context {
    pub database: PathBuf,
    pub consent: Consent,
    pub json: bool,
}

impl Context {
    fn auth(&self, purpose: Purpose, prefixes: Vec<KeyPrefix>) -> Result<Auth> {
        let (clock, entropy) = (Arc::new(SystemClock::new()), Arc::new(OsEntropy));
        let auth = Auth::open(&self.database, purpose, self.consent, clock, entropy, prefixes)?;
        if self.consent.older_database {
            // On the writer's thread, so that any executor will do.
            let accepted = futures_executor::block_on(auth.note_acceptance())?;
            output::say(&match accepted {
                Some(what) => format!(
                    "Accepted {what}. The audit log says so. Keys that were revoked since are live again: revoke them."
                ),
                None => "--accept-older-database changes nothing: this is the newest database. Leave it out, so that \
                         an older copy is noticed."
                    .to_owned(),
            });
        }
        Ok(auth)
    }

    /// For commands that read or change an existing database, never make an empty one by a typing slip.
    fn existing(&self) -> Result<()> {
        if self.database.exists() {
            return Ok(());
        }
        Err(Error::conflict(format!(
            "There is no database at {}. Name it with --database, or make it with keybearer serve or keybearer users add.",
            self.database.display()
        )))
    }
}

/// Runs one command's future to its end.
fn block_on<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(Error::internal)?;
    runtime.block_on(future)
}
