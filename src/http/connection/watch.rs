//! The task of a worker that ends connections whose peers keep them waiting.

use std::cell::RefCell;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use actix_web::rt;
use tokio::time::MissedTickBehavior;

use super::life::Life;
use super::reader::{Reader, SLOWEST};
use super::socket::{self, Socket};
use super::{Connection, Deadlines, LINGER};
use crate::http::request_id::RequestIds;
use crate::http::seats::Seat;

/// Connections of a worker that are closed, but for an answer that the peer still takes.
const MOST_LEFT: usize = 1024;

/// Deadlines in looks.
#[derive(Clone, Copy)]
pub struct Limits {
    pub idle: u32,
    pub head: u32,
    pub unread: u32,
    pub leaving: u32,
    /// Bytes that a peer must take in `unread` looks, if so many wait for it.
    pub least_read: u64,
}

/// One worker's connections.
pub struct Watch {
    /// For answers that are made here.
    pub ids: RequestIds,
    lives: RefCell<Vec<Weak<Life>>>,
    left: RefCell<Vec<Left>>,
}

/// A connection without anybody on our side. The system would let its peer take years over the rest.
struct Left {
    socket: OwnedFd,
    /// What waited for the peer at first.
    queued: u64,
    reader: Reader,
    _seat: Arc<Seat>,
}

impl Watch {
    /// Looks from now on, as long as the worker runs. To be called on the worker's thread.
    pub fn start(deadlines: Deadlines, ids: RequestIds) -> Rc<Self> {
        let watch = Rc::new(Watch { ids, lives: RefCell::default(), left: RefCell::default() });
        let Deadlines { idle, head, unread } = deadlines;
        let every = idle.min(head).min(unread).div_f32(4.0).clamp(Duration::from_millis(10), Duration::from_secs(1));
        let looks = |deadline: Duration| deadline.as_millis().div_ceil(every.as_millis()) as u32;
        let limits = Limits {
            idle: looks(idle),
            head: looks(head),
            unread: looks(unread),
            leaving: looks(LINGER),
            least_read: (SLOWEST * unread.as_millis() as u64 / 1000).max(1),
        };
        let watched = Rc::clone(&watch);
        rt::spawn(async move {
            let mut times = rt::time::interval(every);
            times.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                times.tick().await;
                watched.look(&limits);
            }
        });
        watch
    }

    pub fn over<T: Socket>(self: &Rc<Self>, stream: T) -> Connection<T> {
        let life = Life::of(stream.seated().as_fd());
        self.lives.borrow_mut().push(Rc::downgrade(&life));
        Connection::new(stream, life, Rc::clone(self))
    }

    /// What waits in a socket that is about to be closed is sent all the same, to a peer that takes it.
    pub fn leave<T: Socket>(&self, stream: &T) {
        let seated = stream.seated();
        let queued = socket::queued(seated.as_fd());
        if queued == 0 {
            return;
        }
        let mut left = self.left.borrow_mut();
        // Too many, or no file descriptor is left for one more: the system keeps nothing for this one.
        let kept = if left.len() < MOST_LEFT { seated.as_fd().try_clone_to_owned().ok() } else { None };
        let Some(socket) = kept else { return socket::reset_when_closed(seated.as_fd()) };
        // It may have been done before; then it fails.
        let _ = rustix::net::shutdown(&socket, rustix::net::Shutdown::Write);
        left.push(Left { socket, queued, reader: Reader::begin(0), _seat: seated.seat() });
    }

    fn look(&self, limits: &Limits) {
        self.lives.borrow_mut().retain(|life| match life.upgrade() {
            Some(life) => {
                life.look(limits);
                true
            }
            None => false,
        });
        self.left.borrow_mut().retain_mut(|left| {
            let queued = socket::queued(left.socket.as_fd());
            let is_too_slow = left.reader.is_too_slow(left.queued.saturating_sub(queued), limits);
            if is_too_slow {
                socket::reset_when_closed(left.socket.as_fd());
            }
            queued > 0 && !is_too_slow && !socket::is_reset(left.socket.as_fd())
        });
    }
}
