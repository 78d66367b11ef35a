//! What is known of one connection between two looks at it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Waker};

use actix_http::Request;

use super::watch::Limits;

/// Whom a connection waits for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Phase {
    /// For the peer's next request.
    #[default]
    Idle,
    /// For the rest of a head.
    Head,
    /// For us, or for a body, which has its own deadline (`body.rs`).
    Answering,
    /// For the peer to read.
    Unread,
}

/// In cells: it belongs to one thread, and nothing on the way of a request waits for it.
#[derive(Default)]
pub struct Life {
    phase: Cell<Phase>,
    /// Looks since the phase began.
    looks: Cell<u32>,
    ended: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Life {
    fn begin(&self, phase: Phase) {
        self.phase.set(phase);
        self.looks.set(0);
    }

    /// The request's connection waits for us until the guard is dropped.
    pub fn answering(request: &Request) -> Option<Answering> {
        let life = Rc::clone(request.conn_data::<Rc<Life>>()?);
        life.begin(Phase::Answering);
        Some(Answering(life))
    }

    pub fn has_read(&self) {
        if self.phase.get() == Phase::Idle {
            self.begin(Phase::Head);
        }
    }

    pub fn has_written(&self) {
        if self.phase.get() != Phase::Answering {
            self.begin(Phase::Idle);
        }
    }

    pub fn cannot_write(&self) {
        if !matches!(self.phase.get(), Phase::Answering | Phase::Unread) {
            self.begin(Phase::Unread);
        }
    }

    pub fn has_ended(&self) -> bool {
        self.ended.get()
    }

    /// Remembers whom to wake when the time is over: always the same task, so this clones once.
    pub fn waits(&self, context: &Context<'_>) {
        let mut waker = self.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|held| held.will_wake(context.waker())) {
            *waker = Some(context.waker().clone());
        }
    }

    pub fn look(&self, limits: &Limits) {
        let looks = self.looks.get() + 1;
        self.looks.set(looks);
        let limit = match self.phase.get() {
            Phase::Idle => limits.idle,
            Phase::Head => limits.head,
            Phase::Unread => limits.unread,
            Phase::Answering => return,
        };
        // The first look may have come at once.
        if looks > limit {
            self.ended.set(true);
            if let Some(waker) = self.waker.borrow().as_ref() {
                waker.wake_by_ref();
            }
        }
    }
}

/// While it is held, the connection waits for us, not for its peer.
pub struct Answering(Rc<Life>);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.begin(Phase::Unread);
    }
}
