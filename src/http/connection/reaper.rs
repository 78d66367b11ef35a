//! One task per worker that ends connections whose deadline has passed.

use std::cell::{Cell, RefCell};
use std::os::fd::{AsFd, OwnedFd};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use actix_web::rt;
use tokio::time::MissedTickBehavior;

use super::deadlines::{DeadlineTicks, Deadlines};
use super::reader::Reader;
use super::socket::{self, Socket};
use super::state::ConnState;
use crate::http::base_path::BasePath;
use crate::http::pulse::Pulse;
use crate::http::request_id::RequestIds;
use crate::http::seats::Seat;

/// Maximum closed connections per worker whose peers are still reading the end of a response.
const MAX_LINGERING: usize = 1024;

/// How soon a connection whose peer has read everything releases its seat. A peer usually acknowledges the end of a
/// response within a millisecond after we close the connection, and 40 ms at the latest (delayed ACK).
const DRAIN: Duration = Duration::from_millis(20);

/// One worker's connections.
pub struct ConnReaper {
    /// Ids for the responses that are made in `refused`.
    pub ids: RequestIds,
    /// The path that `refused` removes from requests, if there is one.
    pub base: Option<BasePath>,
    open: RefCell<Vec<Weak<ConnState>>>,
    lingering: RefCell<Vec<Lingering>>,
    /// Whether the task that looks for drained connections runs.
    is_draining: Cell<bool>,
    pulse: Pulse,
}

/// A connection that is closed on our side. Without this, the system would give its peer years to read the rest.
struct Lingering {
    socket: OwnedFd,
    /// Bytes that waited for the peer when the connection was closed.
    queued: u64,
    reader: Reader,
    _seat: Arc<Seat>,
}

impl Lingering {
    fn is_unread(&self) -> bool {
        socket::queued(self.socket.as_fd()) > 0 && !socket::is_reset(self.socket.as_fd())
    }
}

impl ConnReaper {
    /// Starts the task, which runs as long as the worker. Must be called on the worker's thread.
    pub fn start(deadlines: Deadlines, ids: RequestIds, base: Option<BasePath>, pulse: Pulse) -> Rc<Self> {
        let reaper = Rc::new(ConnReaper {
            ids,
            base,
            open: RefCell::default(),
            lingering: RefCell::default(),
            is_draining: Cell::new(false),
            pulse,
        });
        let (deadlines, every) = DeadlineTicks::of(deadlines);
        let ticking = Rc::clone(&reaper);
        rt::spawn(async move {
            let mut times = rt::time::interval(every);
            times.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                times.tick().await;
                ticking.pulse.beat();
                ticking.tick(&deadlines);
            }
        });
        reaper
    }

    /// Checks the deadlines of one more connection.
    pub fn add(&self, state: &Rc<ConnState>) {
        self.open.borrow_mut().push(Rc::downgrade(state));
    }

    /// Keeps a socket that is about to be closed, so that the peer can read the rest of its response.
    pub fn leave<T: Socket>(self: &Rc<Self>, stream: &T) {
        let seated = stream.seated();
        let queued = socket::queued(seated.as_fd());
        if queued == 0 {
            return;
        }
        let mut lingering = self.lingering.borrow_mut();
        // If there are too many, or no file descriptor is left, the peer gets a reset instead.
        let kept = if lingering.len() < MAX_LINGERING { seated.as_fd().try_clone_to_owned().ok() } else { None };
        let Some(socket) = kept else { return socket::reset_when_closed(seated.as_fd()) };
        // Fails if it was shut down before.
        let _ = rustix::net::shutdown(&socket, rustix::net::Shutdown::Write);
        lingering.push(Lingering { socket, queued, reader: Reader::begin(0), _seat: seated.seat() });
        if !self.is_draining.replace(true) {
            rt::spawn(Rc::clone(self).drain());
        }
    }

    /// Releases connections as soon as their peers have read everything, until none is left. A client that opens a
    /// connection per request would otherwise fill its share of seats with closed ones.
    async fn drain(self: Rc<Self>) {
        while !self.lingering.borrow().is_empty() {
            rt::time::sleep(DRAIN).await;
            self.lingering.borrow_mut().retain(Lingering::is_unread);
        }
        self.is_draining.set(false);
    }

    fn tick(&self, deadlines: &DeadlineTicks) {
        self.open.borrow_mut().retain(|state| match state.upgrade() {
            Some(state) => {
                state.tick(deadlines);
                true
            }
            None => false,
        });
        self.lingering.borrow_mut().retain_mut(|kept| {
            let queued = socket::queued(kept.socket.as_fd());
            let is_too_slow = kept.reader.is_too_slow(kept.queued.saturating_sub(queued), deadlines);
            if is_too_slow {
                socket::reset_when_closed(kept.socket.as_fd());
            }
            !is_too_slow
        });
    }
}
