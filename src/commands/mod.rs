//! One file per subcommand. Each calls the same `auth` functions as the dashboard, on the same database, with or
//! without a running server. Data goes to stdout, messages to stderr.

pub mod backup;
pub mod check;
pub mod copy;
pub mod events;
pub mod healthcheck;
pub mod input;
pub mod keys;
pub mod nodes;
pub mod output;
pub mod password;
mod progress;
pub mod restore;
pub mod scanner_rules;
pub mod serve;
pub mod signing_keys;
pub mod users;

use std::future::Future;
use std::sync::Arc;

use crate::ambient::{OsEntropy, SystemClock};
use crate::auth::{Auth, exists};
use crate::error::{Error, Result};
use crate::model::{Consent, DatabaseAddress, KeyPrefix, Purpose};

/// What every command needs.
pub struct Context {
    pub database: DatabaseAddress,
    pub consent: Consent,
    pub json: bool,
}

impl Context {
    fn auth(&self, purpose: Purpose, prefixes: Vec<KeyPrefix>) -> Result<Auth> {
        let (clock, entropy) = (Arc::new(SystemClock::new()), Arc::new(OsEntropy));
        let auth = Auth::open(&self.database, purpose, self.consent, clock, entropy, prefixes)?;
        if self.consent.older_database {
            // The work is done on the writer's thread, so any executor will do.
            let accepted = futures_executor::block_on(auth.note_acceptance())?;
            output::say(&match accepted {
                Some(what) => format!(
                    "Accepted {what}. The audit log records it. Keys that were revoked since then are live again: revoke them."
                ),
                None => "--accept-older-database had no effect: this is the newest database. Leave the flag out, so \
                         that an older copy is noticed."
                    .to_owned(),
            });
        }
        Ok(auth)
    }

    /// For commands that need an existing database: a mistyped path must not create an empty one.
    fn existing(&self) -> Result<()> {
        if exists(&self.database)? {
            return Ok(());
        }
        Err(Error::conflict(format!(
            "There is no database at {}. Name it with --database, or create it with keybearer serve or keybearer users add.",
            self.database
        )))
    }
}

/// Runs one command's future to its end.
fn block_on<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(Error::internal)?;
    runtime.block_on(future)
}
