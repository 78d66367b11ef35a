//! What is known of one connection between two looks at it.

use std::cell::{Cell, RefCell};
use std::os::fd::BorrowedFd;
use std::rc::Rc;
use std::task::{Context, Waker};

use actix_http::Request;

use super::reader::Reader;
use super::socket::{self, Handle};
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
    /// For the peer to leave, after the connection's last answer.
    Leaving,
}

/// The body of the request that is being answered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Body {
    #[default]
    None,
    Unread,
    Read,
}

/// In cells: it belongs to one thread, and nothing on the way of a request waits for it.
#[derive(Default)]
pub struct Life {
    phase: Cell<Phase>,
    /// Looks since the phase began.
    looks: Cell<u32>,
    body: Cell<Body>,
    /// The last bytes that were read, the newest lowest.
    tail: Cell<u32>,
    /// Where in memory they end.
    tail_end: Cell<usize>,
    /// What was read ends with the body that was just read.
    ends_with_body: Cell<bool>,
    /// Bytes written so far.
    written: Cell<u64>,
    /// Whether the peer may still have to take some of them.
    may_be_queued: Cell<bool>,
    reader: Cell<Option<Reader>>,
    socket: Handle,
    ended: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Life {
    /// Of a connection over this socket. [`Life::close`] must be called before the socket is closed.
    pub fn of(socket: BorrowedFd<'_>) -> Rc<Self> {
        Rc::new(Life { socket: Handle::of(socket), ..Life::default() })
    }

    /// Whether the peer may still have to take some of what was written.
    pub fn close(&self) -> bool {
        self.socket.close();
        self.may_be_queued.get() && !self.ended.get()
    }

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

    pub fn expects_body(&self) {
        self.body.set(Body::Unread);
    }

    /// The body is here as a whole; its last byte is before `end` in memory.
    pub fn has_body(&self, end: usize) {
        self.body.set(Body::Read);
        self.ends_with_body.set(end == self.tail_end.get());
    }

    pub fn has_unread_body(&self) -> bool {
        self.body.get() == Body::Unread
    }

    /// The answer that comes is the last one.
    pub fn leave(&self) {
        self.begin(Phase::Leaving);
    }

    /// Whether what is read next begins a request.
    pub fn is_idle(&self) -> bool {
        self.phase.get() == Phase::Idle
    }

    pub fn has_read(&self, bytes: &[u8]) {
        let tail = match bytes.last_chunk::<4>() {
            Some(last) => u32::from_be_bytes(*last),
            None => bytes.iter().fold(self.tail.get(), |tail, byte| tail << 8 | u32::from(*byte)),
        };
        self.tail.set(tail);
        self.tail_end.set(bytes.as_ptr_range().end as usize);
        self.ends_with_body.set(false);
        if self.phase.get() == Phase::Idle {
            self.begin(Phase::Head);
        }
    }

    pub fn has_written(&self, bytes: usize) {
        self.written.set(self.written.get() + bytes as u64);
        self.may_be_queued.set(true);
        match self.phase.get() {
            Phase::Answering => {}
            Phase::Leaving => self.looks.set(0),
            Phase::Idle | Phase::Head | Phase::Unread => self.begin(self.next()),
        }
    }

    /// What we wait for after an answer: the rest of a head, if a part of one came with what was read
    /// before. Heads end with an empty line, and so do chunked bodies; other bodies end as they like.
    fn next(&self) -> Phase {
        let tail = self.tail.get();
        let is_at_an_end = tail & 0x00ff_ffff == 0x000a_0d0a || tail & 0xffff == 0x0a0a;
        if is_at_an_end || self.ends_with_body.get() { Phase::Idle } else { Phase::Head }
    }

    pub fn cannot_write(&self) {
        if !matches!(self.phase.get(), Phase::Answering | Phase::Unread | Phase::Leaving) {
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
            Phase::Leaving => limits.leaving,
            Phase::Answering => return,
        };
        let is_too_slow = self.may_be_queued.get() && self.is_too_slow(limits);
        // The first look may have come at once.
        if looks > limit || is_too_slow {
            if is_too_slow || self.phase.get() == Phase::Unread {
                // The peer gets none of what waits for it, or it would go on for as long as it likes.
                self.socket.ask(socket::reset_when_closed);
            }
            self.ended.set(true);
            if let Some(waker) = self.waker.borrow().as_ref() {
                waker.wake_by_ref();
            }
        }
    }

    /// Whether the peer takes too little of what waits for it in the socket.
    fn is_too_slow(&self, limits: &Limits) -> bool {
        let Some(queued) = self.socket.ask(socket::queued) else { return false };
        if queued == 0 && self.phase.get() != Phase::Unread {
            self.may_be_queued.set(false);
            self.reader.set(None);
            return false;
        }
        // Under TLS a little more waits than was written.
        let taken = self.written.get().saturating_sub(queued);
        let mut reader = self.reader.get().unwrap_or_else(|| Reader::begin(taken));
        let is_too_slow = reader.is_too_slow(taken, limits);
        self.reader.set(Some(reader));
        is_too_slow
    }
}

/// While it is held, the connection waits for us, not for its peer.
pub struct Answering(Rc<Life>);

impl Drop for Answering {
    fn drop(&mut self) {
        if self.0.phase.get() == Phase::Answering {
            self.0.begin(Phase::Unread);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_an_answer_it_is_known_whether_a_part_of_a_head_is_there() {
        let after = |reads: &[&[u8]]| {
            let life = Life::default();
            reads.iter().for_each(|bytes| life.has_read(bytes));
            life.has_written(1);
            life.phase.get()
        };
        let head = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        assert_eq!(after(&[head]), Phase::Idle);
        assert_eq!(after(&[&head[..7], &head[7..]]), Phase::Idle);
        assert_eq!(after(&head.iter().map(std::slice::from_ref).collect::<Vec<_>>()), Phase::Idle);
        assert_eq!(after(&[&head.repeat(3)]), Phase::Idle);
        assert_eq!(after(&[b"GET / HTTP/1.1\nHost: a\n\n"]), Phase::Idle);
        for rest in 1..head.len() {
            assert_eq!(after(&[&[&head[..], &head[..rest]].concat()]), Phase::Head, "{rest}");
        }
        assert_eq!(after(&[head, b"G"]), Phase::Head);
    }

    #[test]
    fn a_body_ends_where_it_ends_in_memory() {
        let life = Life::default();
        let read = b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}".to_vec();
        let end = read.as_ptr_range().end as usize;
        life.has_read(&read);
        life.has_body(end);
        life.has_written(1);
        assert_eq!(life.phase.get(), Phase::Idle);
        life.has_read(&read);
        life.has_body(end - 1);
        life.has_written(1);
        assert_eq!(life.phase.get(), Phase::Head);
    }
}
