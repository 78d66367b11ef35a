//! What one connection is waiting for, recorded by its requests and checked at each tick.

use std::cell::{Cell, RefCell};
use std::os::fd::AsFd;
use std::rc::Rc;
use std::task::{Context, Waker};

use actix_http::Request;

use super::deadlines::DeadlineTicks;
use super::reader::Reader;
use super::socket::{self, Handle, Seated};

/// What a connection is waiting for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Phase {
    /// The peer's next request.
    #[default]
    Idle,
    /// The rest of a head.
    Head,
    /// Our response, or the request's body, which has a deadline of its own (`http/body.rs`).
    Answering,
    /// The peer, which must read the response.
    Unread,
    /// The peer, which must close after the connection's last response.
    Leaving,
}

/// The body of the current request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum BodyState {
    #[default]
    None,
    Unread,
    Read,
}

/// The state of one connection. It belongs to one thread, so a request sets it without waiting for anything.
#[derive(Default)]
pub struct ConnState {
    phase: Cell<Phase>,
    /// Ticks since the phase began.
    ticks: Cell<u32>,
    body: Cell<BodyState>,
    /// The last four bytes that were read; the newest is the lowest byte.
    tail: Cell<u32>,
    /// The memory address at which those bytes end.
    tail_end: Cell<usize>,
    /// Whether the last bytes that were read end where the body ends.
    ends_with_body: Cell<bool>,
    /// Bytes written so far.
    written: Cell<u64>,
    /// Whether the peer may not have read all of them yet.
    may_be_queued: Cell<bool>,
    reader: Cell<Option<Reader>>,
    socket: Handle,
    /// Whether the peer is at a Unix socket, and so has no address.
    is_unix: bool,
    ended: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl ConnState {
    /// The state of a new connection. [`ConnState::close`] must be called before the socket is closed.
    pub fn of(seated: &Seated) -> Rc<Self> {
        let (socket, is_unix) = (Handle::of(seated.as_fd()), seated.stream().is_unix());
        Rc::new(ConnState { socket, is_unix, ..ConnState::default() })
    }

    pub fn is_unix(&self) -> bool {
        self.is_unix
    }

    /// Returns whether the peer may not have read all that was written yet.
    pub fn close(&self) -> bool {
        self.socket.close();
        self.may_be_queued.get() && !self.ended.get()
    }

    fn begin(&self, phase: Phase) {
        self.phase.set(phase);
        self.ticks.set(0);
    }

    /// Until the guard is dropped, the request's connection waits for our response.
    pub fn answering(request: &Request) -> Option<AnsweringGuard> {
        let state = Rc::clone(request.conn_data::<Rc<ConnState>>()?);
        state.begin(Phase::Answering);
        Some(AnsweringGuard(state))
    }

    pub fn expects_body(&self) {
        self.body.set(BodyState::Unread);
    }

    /// Records that the whole body has been read; it ends before `end` in memory.
    pub fn has_body(&self, end: usize) {
        self.body.set(BodyState::Read);
        self.ends_with_body.set(end == self.tail_end.get());
    }

    pub fn has_unread_body(&self) -> bool {
        self.body.get() == BodyState::Unread
    }

    /// Records that the next response is the last one.
    pub fn leave(&self) {
        self.begin(Phase::Leaving);
    }

    /// Whether the next byte begins a request.
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
            Phase::Leaving => self.ticks.set(0),
            Phase::Idle | Phase::Head | Phase::Unread => self.begin(self.next()),
        }
    }

    /// What the connection waits for after a response: the rest of a head, if a part of one has been read already. A
    /// head and a chunked body end with an empty line; any other body can end with any bytes.
    fn next(&self) -> Phase {
        let tail = self.tail.get();
        let is_complete = tail & 0x00ff_ffff == 0x000a_0d0a || tail & 0xffff == 0x0a0a;
        if is_complete || self.ends_with_body.get() { Phase::Idle } else { Phase::Head }
    }

    pub fn cannot_write(&self) {
        if !matches!(self.phase.get(), Phase::Answering | Phase::Unread | Phase::Leaving) {
            self.begin(Phase::Unread);
        }
    }

    pub fn has_ended(&self) -> bool {
        self.ended.get()
    }

    /// Remembers the task to wake when a deadline has passed. It is always the same one, so this clones once.
    pub fn waits(&self, context: &Context<'_>) {
        let mut waker = self.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|held| held.will_wake(context.waker())) {
            *waker = Some(context.waker().clone());
        }
    }

    /// Counts a tick, and ends the connection if a deadline has passed.
    pub fn tick(&self, deadlines: &DeadlineTicks) {
        let ticks = self.ticks.get() + 1;
        self.ticks.set(ticks);
        let most = match self.phase.get() {
            Phase::Idle => deadlines.idle,
            Phase::Head => deadlines.head,
            Phase::Unread => deadlines.unread,
            Phase::Leaving => deadlines.leaving,
            Phase::Answering => return,
        };
        let is_too_slow = self.may_be_queued.get() && self.is_too_slow(deadlines);
        // Not `>=`: the first tick may have come immediately after the phase began.
        if ticks > most || is_too_slow {
            if is_too_slow || self.phase.get() == Phase::Unread {
                // Unread data is discarded; otherwise the peer could keep reading as slowly as it likes.
                self.socket.ask(socket::reset_when_closed);
            }
            self.ended.set(true);
            if let Some(waker) = self.waker.borrow().as_ref() {
                waker.wake_by_ref();
            }
        }
    }

    /// Whether the peer reads too slowly what waits for it in the socket.
    fn is_too_slow(&self, deadlines: &DeadlineTicks) -> bool {
        let Some(queued) = self.socket.ask(socket::queued) else { return false };
        if queued == 0 && self.phase.get() != Phase::Unread {
            self.may_be_queued.set(false);
            self.reader.set(None);
            return false;
        }
        // With TLS, slightly more is queued than `written` counts.
        let taken = self.written.get().saturating_sub(queued);
        let mut reader = self.reader.get().unwrap_or_else(|| Reader::begin(taken));
        let is_too_slow = reader.is_too_slow(taken, deadlines);
        self.reader.set(Some(reader));
        is_too_slow
    }
}

/// While it is held, the connection waits for us, not for its peer.
pub struct AnsweringGuard(Rc<ConnState>);

impl Drop for AnsweringGuard {
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
    fn the_state_after_a_response_records_whether_part_of_a_head_has_arrived() {
        let after = |reads: &[&[u8]]| {
            let state = ConnState::default();
            reads.iter().for_each(|bytes| state.has_read(bytes));
            state.has_written(1);
            state.phase.get()
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
    fn the_end_of_a_body_is_found_in_the_buffer() {
        let state = ConnState::default();
        let read = b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}".to_vec();
        let end = read.as_ptr_range().end as usize;
        state.has_read(&read);
        state.has_body(end);
        state.has_written(1);
        assert_eq!(state.phase.get(), Phase::Idle);
        state.has_read(&read);
        state.has_body(end - 1);
        state.has_written(1);
        assert_eq!(state.phase.get(), Phase::Head);
    }
}
