//! The thread that sends this node's heartbeats and applies the feed to the index. Its rules are those of the model in
//! `tests/it/nodes_model`, which must be changed with it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use super::address::ServerAddress;
use super::lease::Lease;
use super::nodes::{self, Beat, NewNode, Position};
use super::session::PostgresSession;
use crate::ambient::background::Orders;
use crate::ambient::{Clock, Entropy, Moment, OsEntropy, SystemClock};
use crate::error::Result;
use crate::index::Index;
use crate::model::Consent;
use crate::store::Tx;
use crate::store::follow::Follower;

/// The longest wait between two looks at the order to stop.
const SLICE: Duration = Duration::from_millis(100);
/// The number of keys read between two heartbeats while filling: few, so that the lease goes on on a busy machine too.
const PAGE: usize = 512;
/// How long a statement may take, however short the lease is.
const LEAST_PATIENCE: Duration = Duration::from_secs(1);
/// Without statistics, as after an import, PostgreSQL would read whole tables for a few lines of the feed.
const LISTEN: &str =
    "LISTEN keybearer; SET enable_seqscan TO off; SET enable_hashjoin TO off; SET enable_mergejoin TO off";
/// The wait after a failure.
const AGAIN: Duration = Duration::from_millis(100);

pub(super) struct Heart {
    address: Arc<ServerAddress>,
    lease: Arc<Lease>,
    index: Arc<Index>,
    follower: Follower,
    name: String,
    consent: Consent,
    session: Option<PostgresSession>,
    position: Position,
    /// When the last heartbeat was sent.
    sent: Option<Moment>,
    is_failing: bool,
}

impl Heart {
    pub fn new(
        address: Arc<ServerAddress>,
        lease: Arc<Lease>,
        index: Arc<Index>,
        name: String,
        consent: Consent,
    ) -> Self {
        let follower = Follower::new(Arc::clone(&index), -1);
        Heart {
            address,
            lease,
            index,
            follower,
            name,
            consent,
            session: None,
            position: Position::default(),
            sent: None,
            is_failing: false,
        }
    }

    pub fn run(mut self, orders: &Orders) {
        while !orders.to_stop_within(Duration::ZERO) {
            match self.turn() {
                Ok(()) => {}
                Err(error) => {
                    if !std::mem::replace(&mut self.is_failing, true) {
                        tracing::error!(%error, "no heartbeat reaches the database; keys are answered only until the lease ends");
                    }
                    self.session = None;
                    if orders.to_stop_within(AGAIN) {
                        break;
                    }
                }
            }
        }
        self.leave();
    }

    fn note_success(&mut self) {
        if std::mem::replace(&mut self.is_failing, false) {
            tracing::warn!("heartbeats reach the database again");
        }
    }

    /// One step: connect, join, send a heartbeat, read a page of keys, or wait.
    fn turn(&mut self) -> Result<()> {
        if self.session.is_none() {
            return self.connect();
        }
        if self.lease.incarnation().is_none() {
            return self.join();
        }
        // Between two steps, so that neither filling nor a stream of changes holds the other up.
        if self.follower.is_filling() {
            self.fill()?;
        }
        if self.is_beat_due() {
            return self.beat();
        }
        let wait = if self.follower.is_filling() { Duration::ZERO } else { self.until_next_beat().min(SLICE) };
        let Some(session) = &self.session else { return Ok(()) };
        if session.notified_within(wait) {
            // Applied before the heartbeat, which then acknowledges it at once. It extends nothing.
            let beat = nodes::peek(session, self.position)?;
            self.apply(beat);
            return self.beat();
        }
        Ok(())
    }

    fn fill(&mut self) -> Result<()> {
        let Some(session) = &self.session else { return Ok(()) };
        if self.follower.fill_a_page(&Tx::from(session), PAGE)? {
            // So that `keybearer nodes` shows all keys at once.
            self.sent = None;
        }
        Ok(())
    }

    /// Another server may answer now, so the feed must continue from where the index is.
    fn connect(&mut self) -> Result<()> {
        let session = PostgresSession::connect_patiently(&self.address, (self.lease.length() / 2).max(LEAST_PATIENCE))?;
        session.batch(LISTEN)?;
        let place = nodes::place(&session, self.position)?;
        if place.rev < self.lease.applied() || !place.continues || self.lease.applied() < 0 {
            if self.lease.applied() >= 0 {
                self.lease.counts.reloads.fetch_add(1, Ordering::Relaxed);
                tracing::error!(
                    revision = place.rev,
                    applied = self.lease.applied(),
                    "the database has lost changes or was replaced; all keys are read again"
                );
            }
            self.lease.drop_now();
            self.join_with(&session)?;
            // Read after the row is there, so that no change is missed.
            let place = nodes::place(&session, Position::default())?;
            self.position = place.newest;
            self.follower.start_again(place.rev);
            self.lease.set_applied(place.rev);
        }
        self.session = Some(session);
        // Changes since the last connection were notified to nobody here, and somebody may wait for them.
        self.sent = None;
        Ok(())
    }

    /// The old lease ends before the new run begins. What the index has is still right, as `connect` has made sure.
    fn join(&mut self) -> Result<()> {
        let Some(session) = self.session.take() else { return Ok(()) };
        let joined = self.join_with(&session);
        self.session = Some(session);
        joined
    }

    fn join_with(&mut self, session: &PostgresSession) -> Result<()> {
        self.lease.drop_now();
        let before = self.lease.incarnation();
        self.lease.set_incarnation(None);
        let mut incarnation = [0; 16];
        OsEntropy.fill(&mut incarnation)?;
        let (name, lease) = (self.name.clone(), self.lease.length());
        let joined_at = SystemClock::new().now();
        nodes::join(session, &NewNode { incarnation, name, lease, joined_at, consent: self.consent }, before)?;
        self.lease.set_incarnation(Some(incarnation));
        self.lease.counts.joins.fetch_add(1, Ordering::Relaxed);
        self.sent = None;
        Ok(())
    }

    fn is_beat_due(&self) -> bool {
        self.until_next_beat().is_zero()
    }

    fn until_next_beat(&self) -> Duration {
        self.sent.map_or(Duration::ZERO, |sent| (self.lease.length() / 4).saturating_sub(sent.elapsed()))
    }

    /// A heartbeat. If it returns something new, the next one, which acknowledges that, is due at once.
    fn beat(&mut self) -> Result<()> {
        let (Some(session), Some(incarnation)) = (&self.session, self.lease.incarnation()) else { return Ok(()) };
        let sent = Moment::now();
        let keys = i64::try_from(self.index.keys()).unwrap_or(i64::MAX);
        let beat = nodes::beat(session, incarnation, self.lease.applied(), keys, self.position)?;
        if !beat.is_accepted {
            tracing::warn!("this node's heartbeats were missing for too long; it joins again");
            self.lease.drop_now();
            self.lease.set_incarnation(None);
            return Ok(());
        }
        let has_news = beat.news.lines > 0;
        self.apply(beat);
        self.lease.extend(sent);
        self.sent = (!has_news).then_some(sent);
        self.lease.counts.heartbeats.fetch_add(1, Ordering::Relaxed);
        self.note_success();
        Ok(())
    }

    fn apply(&mut self, beat: Beat) {
        let rev = beat.rev;
        self.position = beat.position;
        self.follower.apply(beat.news);
        self.lease.set_applied(rev);
    }

    /// Nobody needs to wait for a node that has stopped.
    fn leave(mut self) {
        self.lease.drop_now();
        if let (Some(session), Some(own)) = (self.session.take(), self.lease.incarnation())
            && let Err(error) = nodes::leave(&session, own)
        {
            tracing::warn!(%error, "the node's row was not removed; the next change waits for its lease");
        }
    }
}

/// Waits until the lease is held.
pub(super) fn wait_for(lease: &Lease, patience: Duration) -> bool {
    let began = Moment::now();
    while !lease.is_held() {
        if began.elapsed() >= patience {
            return false;
        }
        thread::sleep(Duration::from_millis(1));
    }
    true
}
