//! Reports of leaked keys. Whoever has a key's whole text can also use it, so its report needs no other proof. An
//! anonymous report is answered before it is looked at, so that the answer tells nothing about the keys.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use futures_executor::block_on;

use super::notify;
use crate::ambient::background::Orders;
use crate::ambient::{Background, Clock};
use crate::auth::Auth;
use crate::auth::by::By;
use crate::auth::keys::{revoke, with_digest};
use crate::error::{Error, Kind, Result};
use crate::model::{ClientAddress, Digest, LeakPlace, Origin};
use crate::store::{Store, Tx, Urgency};

/// Keys revoked per transaction, so that no other revocation waits for all of them.
const AT_ONCE: usize = 250;
/// Reports that wait; further ones are refused.
const MAX_WAITING: usize = 64;
/// How often the queue looks whether it has to end.
const CHECK_INTERVAL: Duration = Duration::from_millis(250);
/// Pause after a failure, and how many failures in a row end a report.
const RETRY_PAUSE: Duration = Duration::from_secs(1);
const MAX_FAILURES: u32 = 600;

/// A key that was found where it should not be.
#[derive(Debug, Clone)]
pub struct ReportedKey {
    pub digest: Digest,
    pub place: Option<LeakPlace>,
}

#[derive(Debug, Clone)]
pub struct LeakReport {
    pub keys: Vec<ReportedKey>,
    pub origin: Origin,
}

/// Revokes these keys and tells their owners. Returns for each whether it is or was a key of this server.
fn revoke_reported(tx: &Tx<'_>, by: &By, keys: &[ReportedKey]) -> Result<Vec<bool>> {
    let revoke_one = |key: &ReportedKey| match with_digest(tx, &key.digest)? {
        Some(record) => {
            revoke(tx, by, &record)?;
            notify(tx, by, &record, key.place.as_ref())?;
            Ok(true)
        }
        None => Ok(tx.revoked_at(&key.digest)?.is_some()),
    };
    keys.iter().map(revoke_one).collect()
}

impl Auth {
    /// Counts a report from this address; refuses it if there were too many.
    pub fn may_report(&self, from: ClientAddress) -> Result<()> {
        self.report_limit.take(from, self.clock.steady()).map_or(Ok(()), |wait| Err(too_many(wait)))
    }

    /// Refuses a report whose proof is in its body, if too many from this address had none.
    pub fn may_prove_report(&self, from: ClientAddress) -> Result<()> {
        self.report_limit.wait(from, self.clock.steady()).map_or(Ok(()), |wait| Err(too_many(wait)))
    }

    /// Queues an anonymous report. Its keys are revoked soon after, whatever becomes of the caller.
    pub fn accept_report(&self, report: LeakReport) -> Result<()> {
        self.reports.get().ok_or_else(|| Error::internal("the queue of reports was not started"))?.put(report)
    }

    /// Revokes the keys of a report whose sender may learn the result: for each key, whether it is or was one of this
    /// server.
    pub async fn revoke_reported(&self, report: LeakReport) -> Result<Vec<bool>> {
        let mut known = Vec::new();
        for keys in report.keys.chunks(AT_ONCE) {
            let keys = keys.to_vec();
            let act = move |tx: &Tx<'_>, by: &By| revoke_reported(tx, by, &keys);
            known.extend(self.act(Urgency::Revocation, self.by(&report.origin), act).await?);
        }
        Ok(known)
    }
}

fn too_many(wait: Duration) -> Error {
    let message = "Too many reports came from this address. Send the others later, up to 1,000 keys in each.";
    Error { message: message.into(), ..Error::throttled(wait) }
}

/// The thread that revokes the keys of anonymous reports, one report after the other.
pub struct ReportQueue {
    reports: SyncSender<LeakReport>,
    thread: Background,
}

impl ReportQueue {
    pub fn start(store: Arc<Store>, clock: Arc<dyn Clock>) -> Result<Self> {
        let (sender, reports) = sync_channel(MAX_WAITING);
        let thread = Background::start("leaks", move |orders| run(&store, &*clock, &reports, &orders))?;
        Ok(ReportQueue { reports: sender, thread })
    }

    fn put(&self, report: LeakReport) -> Result<()> {
        self.reports.try_send(report).map_err(|error| match error {
            TrySendError::Full(_) => Error::unavailable("too many reports of leaks are waiting"),
            TrySendError::Disconnected(_) => Error::unavailable("the server is stopping"),
        })
    }

    /// Works off what is queued, and ends the thread.
    pub fn stop(&self) {
        self.thread.stop();
    }
}

fn run(store: &Store, clock: &dyn Clock, reports: &Receiver<LeakReport>, orders: &Orders) {
    let mut is_stopping = false;
    loop {
        match reports.recv_timeout(if is_stopping { Duration::ZERO } else { CHECK_INTERVAL }) {
            Ok(report) => is_stopping |= work_off(store, clock, &report, orders),
            Err(RecvTimeoutError::Timeout) if !is_stopping => is_stopping = orders.to_stop_within(Duration::ZERO),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// Revokes all keys of the report. If the database does not answer, it tries again, because the report was accepted.
/// Returns whether the order to stop came meanwhile.
fn work_off(store: &Store, clock: &dyn Clock, report: &LeakReport, orders: &Orders) -> bool {
    let (mut chunks, mut failures) = (report.keys.chunks(AT_ONCE), 0);
    let mut next = chunks.next();
    while let Some(keys) = next {
        let (by, keys) = (By { origin: report.origin.clone(), at: clock.now() }, keys.to_vec());
        let outcome = block_on(store.write(Urgency::Revocation, move |tx| revoke_reported(tx, &by, &keys)));
        let Err(error) = outcome else {
            (next, failures) = (chunks.next(), 0);
            continue;
        };
        failures += 1;
        let is_final = failures >= MAX_FAILURES || !matches!(error.kind, Kind::Unavailable | Kind::OutcomeUnknown);
        if failures == 1 || is_final {
            let request_id = report.origin.request_id.as_deref();
            tracing::error!(request_id, %error, is_final, "keys that were reported as leaked could not be revoked");
        }
        let must_stop = orders.to_stop_within(RETRY_PAUSE);
        if is_final || must_stop {
            return must_stop;
        }
    }
    false
}
