//! Replies to the callers of committed changes once every node has applied them, or can no longer answer from memory.
//! Marks and removes the rows of nodes that are late. Its rules are those of the model in `tests/it/nodes_model`, which
//! must be changed with it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::address::ServerAddress;
use super::lease::Lease;
use super::nodes::{self, Incarnation, NodeRow, NodeTable, Position};
use super::session::PostgresSession;
use crate::ambient::Moment;
use crate::error::{Error, Result};
use crate::model::PendingChange;
use crate::model::database::LEASES;
use crate::store::writer::Job;

/// The pause between two looks at the table while somebody waits.
const PAUSE: Duration = Duration::from_micros(500);
/// How long a change that only adds something waits for nodes that are late: a new key should work everywhere when it is
/// shown, but a node that is cut off need not delay it for a whole lease.
const ADDS_WAIT: Duration = Duration::from_millis(500);
/// The pause between two looks while nobody waits.
const LOOK_AROUND: Duration = Duration::from_millis(250);
/// The wait after a failure to reach the database.
const AGAIN: Duration = Duration::from_millis(50);

/// Callers who were told of committed changes, their own or those of others.
pub(super) struct Waiting {
    pub jobs: Vec<Box<dyn Job>>,
    /// The change.
    pub at: Position,
    /// The newest revision up to it that takes something away; nodes that lack only later ones are waited for briefly.
    pub takes: i64,
    /// When this process first knew of that revision.
    pub takes_since: Moment,
    /// When the commit was known.
    pub since: Moment,
    /// The longest lease in the table, once it was read after the commit. Who joins later reads the change first.
    pub longest: Option<Duration>,
}

pub(super) struct Acknowledgements {
    queue: Sender<Waiting>,
    thread: JoinHandle<()>,
}

impl Acknowledgements {
    /// `own` is the lease of this process, if it is a node.
    pub fn start(address: Arc<ServerAddress>, own: Option<Arc<Lease>>) -> Result<(Self, Sender<Waiting>)> {
        let (queue, arrivals) = channel();
        let work = AcknowledgementsLoop { address, own, session: None, waiting: Vec::new(), late: HashMap::new() };
        let run = move || work.run(&arrivals);
        let thread = thread::Builder::new().name("acknowledgements".into()).spawn(run).map_err(Error::unavailable)?;
        Ok((Acknowledgements { queue: queue.clone(), thread }, queue))
    }

    /// Returns when every caller has a reply. The writer, which has the other sender, must have stopped.
    pub fn stop(self) {
        drop(self.queue);
        let _ = self.thread.join(); // the log already has its panic
    }
}

struct AcknowledgementsLoop {
    address: Arc<ServerAddress>,
    /// `None` in a command.
    own: Option<Arc<Lease>>,
    session: Option<PostgresSession>,
    waiting: Vec<Waiting>,
    late: HashMap<Incarnation, Late>,
}

/// What this process has observed of another node's row.
struct Late {
    beats: i64,
    /// Since when the number of beats is unchanged, or since when the row is known to be marked.
    since: Moment,
    marked: bool,
}

impl AcknowledgementsLoop {
    fn run(mut self, arrivals: &Receiver<Waiting>) {
        let mut is_open = true;
        while is_open || !self.waiting.is_empty() {
            let pause = if self.waiting.is_empty() { LOOK_AROUND } else { PAUSE };
            match arrivals.recv_timeout(if is_open { pause } else { Duration::ZERO }) {
                Ok(first) if cfg!(feature = "unsafe-no-wait") => reply(vec![first]),
                Ok(first) => {
                    self.waiting.push(first);
                    self.waiting.extend(arrivals.try_iter());
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    is_open = false;
                    if !self.waiting.is_empty() {
                        thread::sleep(PAUSE);
                    }
                }
            }
            // A command has no rows to tend.
            if self.waiting.is_empty() && self.own.is_none() {
                continue;
            }
            match self.rows() {
                Ok(table) => self.judge(&table),
                Err(error) => {
                    tracing::debug!(%error, "the nodes' acknowledgements cannot be read");
                    self.session = None;
                    self.late.clear();
                    if let Some(own) = &self.own {
                        own.set_pending(None);
                    }
                    self.reply_after_the_lease();
                    thread::sleep(AGAIN);
                }
            }
        }
    }

    fn rows(&mut self) -> Result<NodeTable> {
        let session = match self.session.take() {
            Some(session) => session,
            None => PostgresSession::connect(&self.address)?,
        };
        let rows = nodes::all(&session)?;
        self.session = Some(session);
        Ok(rows)
    }

    fn judge(&mut self, table: &NodeTable) {
        let rows = &table.rows;
        let longest = rows.iter().map(NodeRow::lease).max();
        let own = self.own.as_deref();
        if let Some(own) = own {
            let live = rows.iter().filter(|row| !row.marked).count();
            own.note_standby(table.has_standby);
            own.nodes.store(u32::try_from(live).unwrap_or(1).max(1), Ordering::Relaxed);
        }
        // This process knows better than its row what it has applied. That it has no lease proves nothing: the answer
        // to an earlier heartbeat may be on its way.
        let others: Vec<_> =
            rows.iter().filter(|row| own.is_none_or(|own| own.incarnation() != Some(row.incarnation))).collect();
        let (done, waiting) = std::mem::take(&mut self.waiting).into_iter().partition::<Vec<_>, _>(|change| {
            let waited = change.since.elapsed();
            // A server that was replaced by another one does not know which nodes there are. `reply_to_kept` says what
            // becomes of the change.
            let is_known = table.rev >= change.at.rev || waited > change.longest.unwrap_or(*LEASES.end()) * 101 / 100;
            let is_own_behind =
                own.is_some_and(|own| own.applied() < change.at.rev && waited <= own.length() * 101 / 100);
            // A row that claims nothing is waited for too: a first heartbeat may be waiting for the standby, which read
            // the feed before this change and brings a lease. Its row shows that only afterwards.
            let is_brief = change.takes < change.at.rev && waited >= ADDS_WAIT;
            let (rev, waited) =
                if is_brief { (change.takes, change.takes_since.elapsed()) } else { (change.at.rev, waited) };
            let is_behind = |row: &NodeRow| row.seen < rev && waited <= row.lease() * 101 / 100;
            is_known && !is_own_behind && !others.iter().any(|row| is_behind(row))
        });
        self.waiting = waiting;
        if let Some(own) = own {
            own.set_pending(self.pending(&others, rows.len()));
        }
        for change in self.waiting.iter_mut().filter(|change| table.rev >= change.at.rev) {
            change.longest = longest;
        }
        self.reply_to_kept(done);
        if let Err(error) = self.tend(rows) {
            tracing::debug!(%error, "rows of nodes that are late cannot be marked");
            self.session = None;
        }
    }

    /// Replies, unless this server does not have the change: then it has lost what was committed before it replaced
    /// another one, or this process is connected to the one that was replaced.
    fn reply_to_kept(&mut self, done: Vec<Waiting>) {
        for change in done {
            let found = self.session.as_ref().map(|session| nodes::has(session, change.at));
            match found {
                Some(Ok(true)) => reply(vec![change]),
                Some(Ok(false)) => {
                    let error = Error::outcome_unknown("the database was replaced by one without this change");
                    change.jobs.into_iter().for_each(|job| job.finish(Err(error.clone())));
                }
                Some(Err(_)) | None => {
                    self.session = None;
                    self.waiting.push(change);
                }
            }
        }
    }

    /// What the caller of the newest change that takes something away waits for.
    fn pending(&self, others: &[&NodeRow], nodes: usize) -> Option<PendingChange> {
        let change = self.waiting.iter().rfind(|change| change.takes == change.at.rev)?;
        let waited = change.since.elapsed();
        let left = |row: &&NodeRow| (row.lease() * 101 / 100).checked_sub(waited).filter(|_| row.seen < change.at.rev);
        let late: Vec<_> = others.iter().filter_map(left).collect();
        Some(PendingChange { in_force: nodes.saturating_sub(late.len()), nodes, left: late.into_iter().max()? })
    }

    /// A row whose heartbeats have stopped for 1.01 of its lease is marked: from then on it gets no lease. It is removed
    /// after another 1.03, when its last lease is over for certain.
    fn tend(&mut self, rows: &[NodeRow]) -> Result<()> {
        let Some(session) = &self.session else { return Ok(()) };
        // While this node's own heartbeats fail too, as during an outage of the database, silence says nothing.
        if self.own.as_ref().is_some_and(|own| !own.is_held()) {
            self.late.clear();
            return Ok(());
        }
        self.late.retain(|incarnation, _| rows.iter().any(|row| row.incarnation == *incarnation));
        for row in rows {
            let lease = row.lease();
            let observed = self.late.entry(row.incarnation).or_insert(Late {
                beats: row.beats,
                since: Moment::now(),
                marked: row.marked,
            });
            if observed.beats != row.beats || observed.marked != row.marked {
                *observed = Late { beats: row.beats, since: Moment::now(), marked: row.marked };
            }
            let silent = observed.since.elapsed();
            if !row.marked && silent > lease * 101 / 100 {
                if nodes::mark(session, row)? {
                    if let Some(own) = &self.own {
                        own.counts.evictions.fetch_add(1, Ordering::Relaxed);
                    }
                    tracing::warn!(node = row.name, "a node's heartbeats have stopped; its row will be removed");
                }
            } else if row.marked && silent > lease * 103 / 100 {
                nodes::remove_marked(session, row.incarnation)?;
            }
        }
        Ok(())
    }

    /// While the table cannot be read, a change is in force everywhere once every lease from before it has ended.
    fn reply_after_the_lease(&mut self) {
        let waits = |change: &Waiting| {
            let is_brief = change.takes < change.at.rev && change.since.elapsed() >= ADDS_WAIT;
            let since = if is_brief { change.takes_since } else { change.since };
            since.elapsed() <= change.longest.unwrap_or(*LEASES.end()) * 101 / 100
        };
        let (waiting, done) = std::mem::take(&mut self.waiting).into_iter().partition(waits);
        self.waiting = waiting;
        reply(done);
    }
}

fn reply(done: Vec<Waiting>) {
    for job in done.into_iter().flat_map(|change| change.jobs) {
        job.finish(Ok(()));
    }
}
