//! What the server cleans up on a schedule: rows of a killed import, failed sign-ins of past hours, old lines of the
//! change feed, rate limits of keys that have not been used lately, rotated keys that nobody uses any more.

use std::sync::Arc;
use std::time::Duration;

use futures_executor::block_on;

use super::keys;
use super::limits::Limits;
use super::login::refused;
use crate::ambient::background::{Orders, give_way};
use crate::ambient::{Background, Clock};
use crate::error::Result;
use crate::store::{Store, Urgency};

const UPKEEP_INTERVAL: Duration = Duration::from_secs(600);
const CHECK_INTERVAL: Duration = Duration::from_millis(500);
/// Pause between two steps of a long task.
const STEP_PAUSE: Duration = Duration::from_millis(125);
/// Lines of the change feed that are kept for followers.
const CHANGE_RETENTION: i64 = 100_000;
/// Rows removed per transaction; few, so that a revocation never waits long behind it.
const PRUNED_AT_ONCE: usize = 256;

pub(super) struct Upkeep(Background);

impl Upkeep {
    pub fn start(store: Arc<Store>, clock: Arc<dyn Clock>, limits: Arc<Limits>) -> Result<Self> {
        let mut work = UpkeepLoop { store, clock, limits, tidied_at: None, is_clearing: false };
        let run = move |orders: Orders| {
            give_way();
            loop {
                work.turn();
                if orders.to_stop_within(if work.is_clearing { STEP_PAUSE } else { CHECK_INTERVAL }) {
                    return;
                }
            }
        };
        Background::start("upkeep", run).map(Upkeep)
    }

    pub fn stop(&self) {
        self.0.stop();
    }
}

struct UpkeepLoop {
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    limits: Arc<Limits>,
    tidied_at: Option<Duration>,
    /// Whether a killed import may have left rows.
    is_clearing: bool,
}

impl UpkeepLoop {
    fn turn(&mut self) {
        let now = self.clock.steady();
        if self.tidied_at.is_none_or(|at| now.saturating_sub(at) >= UPKEEP_INTERVAL) {
            self.tidied_at = Some(now);
            self.is_clearing = true;
            warn("failed sign-ins of past hours were not written to the audit log", self.report_refused_logins());
            warn("old lines of the change feed were not removed", self.prune_changes());
            warn("old keys that nobody uses any more were not revoked", self.end_silent_keys());
            self.limits.prune();
        }
        if self.is_clearing {
            let more = block_on(keys::remove_abandoned(&self.store));
            self.is_clearing = warn("rows of a killed import were not removed", more) == Some(true);
        }
    }

    fn report_refused_logins(&self) -> Result<()> {
        let now = self.clock.now();
        block_on(self.store.write(Urgency::Ordinary, move |tx| refused::report_past_hours(tx, now)))
    }

    fn end_silent_keys(&self) -> Result<()> {
        block_on(keys::end_silent_keys(&self.store, self.clock.now()))
    }

    fn prune_changes(&self) -> Result<()> {
        let prune =
            || self.store.write(Urgency::Ordinary, |tx| tx.delete_old_changes(CHANGE_RETENTION, PRUNED_AT_ONCE));
        while block_on(prune())? > 0 {}
        Ok(())
    }
}

fn warn<T>(what: &str, outcome: Result<T>) -> Option<T> {
    outcome.inspect_err(|error| tracing::warn!(%error, "{what}; trying again later")).ok()
}
