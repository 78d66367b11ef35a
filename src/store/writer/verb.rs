//! A verb (one caller's write) in the writer's queue, and the reply to its caller.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tokio::sync::oneshot;

use crate::error::{Error, Kind, Result};
use crate::store::Tx;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    Ordinary,
    /// Removes access, so it must succeed even if the disk is full.
    Revocation,
}

/// A queued verb. It is run, perhaps twice, and then gets the result of the commit.
pub(in crate::store) trait Job: Send {
    fn run(&mut self, tx: &Tx<'_>) -> bool;
    fn finish(self: Box<Self>, commit: Result<()>);
    fn urgency(&self) -> Urgency;
}

pub(super) struct Verb<T, F> {
    verb: F,
    urgency: Urgency,
    result: Option<Result<T>>,
    reply: oneshot::Sender<Result<T>>,
}

impl<T, F> Verb<T, F> {
    pub fn new(verb: F, urgency: Urgency, reply: oneshot::Sender<Result<T>>) -> Self {
        Verb { verb, urgency, result: None, reply }
    }
}

impl<T: Send, F: Fn(&Tx<'_>) -> Result<T> + Send> Job for Verb<T, F> {
    fn run(&mut self, tx: &Tx<'_>) -> bool {
        let result = catch_unwind(AssertUnwindSafe(|| (self.verb)(tx)));
        let result = result.unwrap_or_else(|_| Err(Error::internal("a write panicked")));
        let is_ok = result.is_ok();
        self.result = Some(result);
        is_ok
    }

    fn finish(self: Box<Self>, commit: Result<()>) {
        let result = match (self.result, commit) {
            (Some(result), Ok(())) => result,
            // What was not found may be there again: an earlier verb of the transaction could have deleted it.
            (Some(Err(own)), Err(_)) if ![Kind::Unavailable, Kind::NotFound].contains(&own.kind) => Err(own),
            (_, Err(error)) => Err(error),
            (None, Ok(())) => Err(Error::internal("a write was committed but never ran")),
        };
        // The caller may have gone away; the write has happened anyway.
        let _ = self.reply.send(result);
    }

    fn urgency(&self) -> Urgency {
        self.urgency
    }
}
