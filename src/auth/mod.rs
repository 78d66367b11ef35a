//! The rules. Each act is one function over a transaction, and the method of [`Auth`] that sends it to the writer.
//! Depends on the store, the index, the clock and the model; must not depend on HTTP or the command line.

mod act;
mod audit;
mod authority;
mod bad_keys;
mod bounds;
mod by;
pub mod caller;
mod chain;
mod explain;
mod history;
pub mod identity;
mod jwt;
pub mod keys;
mod leaks;
pub mod limits;
pub mod login;
mod moving;
mod nodes;
pub mod passwords;
mod records;
mod restoring;
pub mod sessions;
mod settings;
pub mod setup;
pub mod short_tokens;
mod signing_keys;
mod state;
mod step_up;
mod upkeep;
mod usage;
pub mod users;
pub mod verdict_counts;
pub mod verify;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::ambient::{Clock, Entropy};
use crate::error::Result;
use crate::model::token::{REFRESH_REUSE, TOKEN_LIFETIME};
use crate::model::{Consent, DatabaseAddress, KeyPrefix, Purpose, Time};
use crate::signing::Signing;
use crate::store::{Store, Urgency};
use crate::usage::{Collector, Usage, UsageState};

pub use crate::index::KeyView;
pub use crate::store::{Examination, back_up, examine, exists};
pub use caller::Caller;
pub use chain::ChainState;
pub use explain::{CheckOutcome, VerdictCheck};
pub use jwt::{Ownership, TokenFacts};
pub use keys::{ImportInput, KeyRequest, LeftOpen, Made, RevokedLines, Rotation, WhichKeys};
pub use leaks::{FoundDigests, KeyTraces, LeakNotices, LeakReport, ReportedKey};
pub use limits::Allowance;
pub use moving::{CopyProgress, MoveRequest, SigningKeysMove};
pub use records::{RecordCacheState, VerifiedKey};
pub use restoring::{Restoring, RevivedKey};
pub use settings::{AuthSettings, BAD_KEY_LIMIT};
pub use step_up::SensitiveAct;
pub use verify::{Accepted, LiveKey, Presented, Refused, Sought, Verdict};

/// Everything a decision needs. There is one per process, shared by all workers.
pub struct Auth {
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    passwords: passwords::Passwords,
    /// The first is the default for new keys.
    prefixes: Vec<KeyPrefix>,
    limits: Arc<limits::Limits>,
    bad_keys: bad_keys::BadKeyLimiter,
    report_limit: leaks::ReportLimiter,
    tally: verdict_counts::VerdictCounts,
    records: records::Records,
    usage: Usage,
    signing: Arc<Signing>,
    token_lifetime: Duration,
    refresh_reuse: Duration,
    /// Set in the server only.
    collector: OnceLock<Collector>,
    upkeep: OnceLock<upkeep::Upkeep>,
    chain: chain::SharedChainState,
    chain_watch: OnceLock<chain::ChainWatch>,
    reports: OnceLock<leaks::ReportQueue>,
}

impl Auth {
    /// Opens or creates the database.
    pub fn open(
        database: &DatabaseAddress,
        purpose: Purpose,
        consent: Consent,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        prefixes: Vec<KeyPrefix>,
    ) -> Result<Self> {
        Auth::new(Store::open(database, purpose, consent)?, clock, entropy, prefixes)
    }

    fn new(store: Store, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>, prefixes: Vec<KeyPrefix>) -> Result<Self> {
        let passwords = passwords::Passwords::start(entropy.as_ref())?;
        Ok(Auth {
            limits: Arc::new(limits::Limits::new(Arc::clone(&clock), store.node_count())),
            store: Arc::new(store),
            bad_keys: bad_keys::BadKeyLimiter::new(BAD_KEY_LIMIT),
            report_limit: leaks::ReportLimiter::default(),
            tally: verdict_counts::VerdictCounts::default(),
            records: records::Records::new(0),
            usage: Usage::default(),
            signing: Arc::default(),
            token_lifetime: TOKEN_LIFETIME,
            refresh_reuse: REFRESH_REUSE,
            collector: OnceLock::new(),
            upkeep: OnceLock::new(),
            chain: chain::SharedChainState::default(),
            chain_watch: OnceLock::new(),
            reports: OnceLock::new(),
            clock,
            entropy,
            passwords,
            prefixes,
        })
    }

    /// Replaces the defaults with the operator's settings.
    pub fn with(self, settings: &AuthSettings) -> Self {
        Auth {
            bad_keys: bad_keys::BadKeyLimiter::new(settings.bad_key_limit),
            records: records::Records::new(settings.record_cache),
            token_lifetime: settings.token_lifetime,
            refresh_reuse: settings.refresh_reuse,
            ..self
        }
    }

    /// Starts writing uses and tidying the database, which a server does and a command does not.
    pub fn start_collecting(&self, retention: Duration) -> Result<()> {
        let (store, clock) = (Arc::clone(&self.store), Arc::clone(&self.clock));
        let collector = Collector::start(self.usage.clone(), store, clock, retention)?;
        // After a second call, the first call's thread goes on and the new one is stopped.
        let _ = self.collector.set(collector);
        // It is hashed before anybody signs in, so that no worker has to do it.
        self.passwords.nobody()?;
        let (store, clock, limits) = (Arc::clone(&self.store), Arc::clone(&self.clock), Arc::clone(&self.limits));
        let _ = self.reports.set(leaks::ReportQueue::start(Arc::clone(&store), Arc::clone(&clock))?);
        let _ = self.upkeep.set(upkeep::Upkeep::start(store, clock, limits)?); // as with the collector
        let _ = self.chain_watch.set(self.watch_chain()?);
        Ok(())
    }

    /// Writes every count, finishes queued work, checkpoints and closes the store.
    pub fn close(&self) {
        self.signing.stop();
        if let Some(watch) = self.chain_watch.get() {
            watch.stop();
        }
        if let Some(reports) = self.reports.get() {
            reports.stop();
        }
        if let Some(upkeep) = self.upkeep.get() {
            upkeep.stop();
        }
        if let Some(collector) = self.collector.get() {
            collector.stop();
        }
        self.store.close();
    }

    /// Verdicts given so far, by code.
    pub fn verdicts(&self) -> Vec<(&'static str, u64)> {
        self.tally.totals()
    }

    pub fn usage_state(&self) -> UsageState {
        self.usage.state()
    }

    /// Identifies this server's database.
    pub fn installation(&self) -> &[u8; 16] {
        self.store.installation()
    }

    pub fn now(&self) -> Time {
        self.clock.now()
    }

    pub fn entropy(&self) -> &dyn Entropy {
        self.entropy.as_ref()
    }

    pub fn prefixes(&self) -> &[KeyPrefix] {
        &self.prefixes
    }
}
