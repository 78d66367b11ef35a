//! Checks the chain of the audit log in the background: new lines every minute, the whole log when the server starts and
//! once a day. Each step reads a few thousand lines, so that no read transaction is long.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_executor::block_on;

use super::Auth;
use super::caller::Asking;
use crate::ambient::background::{Orders, give_way};
use crate::ambient::{Background, Clock};
use crate::error::Result;
use crate::model::event::ChainCheck;
use crate::model::{ChainReport, Time};
use crate::store::{Store, Tx};

/// Lines per step: some ten milliseconds.
const STEP: i64 = 4000;
/// Pause between two steps, in which others can read.
const STEP_PAUSE: Duration = Duration::from_millis(40);
/// Time between two checks of new lines.
const INTERVAL: Duration = Duration::from_secs(60);
/// Time between two checks of the whole log.
const WHOLE_INTERVAL: Duration = Duration::from_secs(24 * 3600);

/// The newest result of the background check.
#[derive(Debug, Clone, Copy)]
pub struct ChainState {
    pub report: ChainReport,
    pub at: Time,
}

/// `None` until the first check has ended.
#[derive(Clone, Default)]
pub(super) struct SharedChainState(Arc<Mutex<Option<ChainState>>>);

impl SharedChainState {
    fn lock(&self) -> MutexGuard<'_, Option<ChainState>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) struct ChainWatch(Background);

impl ChainWatch {
    pub fn stop(&self) {
        self.0.stop();
    }
}

struct ChainWatchLoop {
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    state: SharedChainState,
    check: ChainCheck,
    /// When the present check of the whole log began.
    began_at: Duration,
}

impl ChainWatchLoop {
    /// One step; returns the pause until the next.
    fn turn(&mut self) -> Duration {
        let now = self.clock.steady();
        if self.check.is_broken() || now.saturating_sub(self.began_at) >= WHOLE_INTERVAL {
            self.check = ChainCheck::default();
            self.began_at = now;
        }
        match block_on(step(&self.store, self.check.clone())) {
            Ok((check, None)) => {
                self.check = check;
                STEP_PAUSE
            }
            Ok((check, Some(report))) => {
                self.check = check;
                self.note(report);
                INTERVAL
            }
            Err(error) => {
                tracing::warn!(%error, "the audit log was not verified; trying again later");
                INTERVAL
            }
        }
    }

    fn note(&self, report: ChainReport) {
        if let ChainReport::Broken { seq } = report {
            tracing::error!(
                line = seq,
                "the audit log was tampered with: this line does not follow from the line before it. Keep a copy of the \
                 database, and compare it with a backup"
            );
        }
        *self.state.lock() = Some(ChainState { report, at: self.clock.now() });
    }
}

/// Follows some lines; the report comes with the last ones.
async fn step(store: &Store, mut check: ChainCheck) -> Result<(ChainCheck, Option<ChainReport>)> {
    let follow = move |tx: &Tx<'_>| {
        let report = tx.go_on_with_chain(&mut check, STEP)?;
        Ok((check, report))
    };
    store.read(follow).await
}

impl Auth {
    /// Recomputes the chain of the whole log.
    pub async fn verify_events(&self, asking: &Asking) -> Result<ChainReport> {
        asking.caller.must_be_admin()?;
        let mut check = ChainCheck::default();
        loop {
            let (followed, report) = step(&self.store, check).await?;
            match report {
                Some(report) => return Ok(report),
                None => check = followed,
            }
        }
    }

    /// The newest result of the background check; `None` while the first check of the whole log runs, and in a command.
    pub fn chain_state(&self) -> Option<ChainState> {
        *self.chain.lock()
    }

    pub(super) fn watch_chain(&self) -> Result<ChainWatch> {
        let (store, clock) = (Arc::clone(&self.store), Arc::clone(&self.clock));
        let (state, began_at) = (self.chain.clone(), clock.steady());
        let mut work = ChainWatchLoop { store, clock, state, check: ChainCheck::default(), began_at };
        let run = move |orders: Orders| {
            give_way();
            loop {
                let pause = work.turn();
                if orders.to_stop_within(pause) {
                    return;
                }
            }
        };
        Background::start("audit-chain", run).map(ChainWatch)
    }
}
