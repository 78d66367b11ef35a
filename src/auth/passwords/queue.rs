//! The hashing threads and their queue. Nobody can fill the queue for others: addresses take turns, each has few
//! places, and when all are taken, the longest line gives up a place to an address with a shorter line.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use tokio::sync::oneshot;

use super::Hasher;
use crate::error::{Error, Result};
use crate::model::Digest;
use crate::model::client_address::Neighbourhood;

/// A waiting job holds a password (up to 12 KiB in NFKC) and a hash, so full queues need up to 4 MiB.
const STRANGERS: QueueBounds = QueueBounds { line: 32, all: 192 };
const TRUSTED: QueueBounds = QueueBounds { line: 64, all: 128 };
const KNOWN: QueueBounds = QueueBounds { line: 4, ..TRUSTED };

/// The line in which a job waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// A person who is signed in, or who has the setup link.
    Trusted,
    /// A browser or an address from which this account (its digest) has signed in before.
    Known(Digest),
    Stranger(Neighbourhood),
}

type PasswordJob = Box<dyn FnOnce(&mut Hasher) + Send>;

pub(super) struct PasswordQueue(Arc<QueueState>);

struct QueueState {
    waiting: Mutex<WaitingAttempts>,
    changed: Condvar,
}

#[derive(Default)]
struct WaitingAttempts {
    known: FairLines<Option<Digest>, PasswordJob>,
    strangers: FairLines<Neighbourhood, PasswordJob>,
    /// Whether it is a stranger's turn if both kinds wait.
    is_strangers_turn: bool,
    is_closed: bool,
}

impl PasswordQueue {
    pub fn start(threads: usize) -> Result<Self> {
        let queue = PasswordQueue(Arc::new(QueueState { waiting: Mutex::default(), changed: Condvar::new() }));
        for number in 0..threads {
            let shared = Arc::clone(&queue.0);
            thread::Builder::new()
                .name(format!("passwords-{number}"))
                .spawn(move || shared.work())
                .map_err(|error| Error::unavailable(format!("cannot start a thread for passwords: {error}")))?;
        }
        Ok(queue)
    }

    pub async fn run<T: Send + 'static>(
        &self,
        lane: Lane,
        job: impl FnOnce(&mut Hasher) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        let job: PasswordJob = Box::new(move |hasher| {
            if reply.is_closed() {
                return;
            }
            // The panic hook has logged it.
            let done = catch_unwind(AssertUnwindSafe(|| job(hasher)));
            // The caller may have left.
            let _ = reply.send(done.unwrap_or_else(|_| Err(Error::internal("a password job panicked"))));
        });
        let full = || Error::unavailable("the password queue is full");
        // A job that gave up its place is dropped outside the lock, because dropping it wakes its caller.
        let gave_up = {
            let mut waiting = self.0.lock();
            match lane {
                Lane::Trusted => waiting.known.push(None, job, TRUSTED),
                Lane::Known(account) => waiting.known.push(Some(account), job, KNOWN),
                Lane::Stranger(from) => waiting.strangers.push(from, job, STRANGERS),
            }
            .map_err(|_| full())?
        };
        self.0.changed.notify_one();
        drop(gave_up);
        answer.await.map_err(|_| full())?
    }
}

impl Drop for PasswordQueue {
    fn drop(&mut self) {
        self.0.lock().is_closed = true;
        self.0.changed.notify_all();
    }
}

impl QueueState {
    /// No job runs under the lock, so a panic leaves the guarded data intact.
    fn lock(&self) -> MutexGuard<'_, WaitingAttempts> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        // Verification comes first. On Linux, this sets the thread's own priority; if it is refused, the thread keeps
        // its normal priority.
        #[cfg(target_os = "linux")]
        let _ = rustix::process::nice(10);
        let mut hasher = Hasher::default();
        while let Some(job) = self.next(&mut hasher) {
            job(&mut hasher);
        }
    }

    /// Waits for the next job; memory is kept only between consecutive jobs. `None` means stop.
    fn next(&self, hasher: &mut Hasher) -> Option<PasswordJob> {
        let mut waiting = self.lock();
        loop {
            if let Some(job) = waiting.next() {
                return Some(job);
            }
            if waiting.is_closed {
                return None;
            }
            if hasher.holds_memory() {
                drop(waiting);
                hasher.release_memory();
                waiting = self.lock();
            } else {
                waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }
}

impl WaitingAttempts {
    /// Known visitors go first, but never twice in a row while an unknown one waits.
    fn next(&mut self) -> Option<PasswordJob> {
        let job = if self.is_strangers_turn {
            self.strangers.pop().or_else(|| self.known.pop())
        } else {
            self.known.pop().or_else(|| self.strangers.pop())
        };
        self.is_strangers_turn = !self.is_strangers_turn && !self.strangers.is_empty();
        job
    }
}

#[derive(Clone, Copy)]
struct QueueBounds {
    line: usize,
    all: usize,
}

/// Lines of jobs that are served in turn.
struct FairLines<K, J> {
    lines: VecDeque<(K, VecDeque<J>)>,
    count: usize,
}

impl<K, J> Default for FairLines<K, J> {
    fn default() -> Self {
        FairLines { lines: VecDeque::new(), count: 0 }
    }
}

impl<K: PartialEq, J> FairLines<K, J> {
    fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Returns the job that gave up its place, if one had to, or the new job if there is no room for it.
    fn push(&mut self, key: K, job: J, bounds: QueueBounds) -> std::result::Result<Option<J>, J> {
        let own = self.lines.iter().position(|(other, _)| *other == key);
        let length = own.map_or(0, |own| self.lines[own].1.len());
        if length >= bounds.line {
            return Err(job);
        }
        let mut gave_up = None;
        if self.count >= bounds.all {
            let longest = self.lines.iter_mut().map(|(_, line)| line).max_by_key(|line| line.len());
            match longest.filter(|longest| longest.len() > length + 1) {
                Some(longest) => gave_up = longest.pop_back(),
                None => return Err(job),
            }
            self.count -= 1;
        }
        match own {
            Some(own) => self.lines[own].1.push_back(job),
            None => self.lines.push_back((key, VecDeque::from([job]))),
        }
        self.count += 1;
        Ok(gave_up)
    }

    fn pop(&mut self) -> Option<J> {
        let (key, mut line) = self.lines.pop_front()?;
        let job = line.pop_front();
        if !line.is_empty() {
            self.lines.push_back((key, line));
        }
        self.count -= 1;
        job
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SMALL: QueueBounds = QueueBounds { line: 3, all: 5 };

    #[test]
    fn queues_are_served_round_robin() {
        let mut lines = FairLines::default();
        for (key, job) in [('a', 1), ('a', 2), ('a', 3), ('b', 4)] {
            assert!(lines.push(key, job, SMALL).unwrap().is_none());
        }
        assert_eq!(lines.push('a', 9, SMALL), Err(9), "three places each");
        assert_eq!(std::iter::from_fn(|| lines.pop()).collect::<Vec<_>>(), [1, 4, 2, 3]);
    }

    #[test]
    fn the_longest_queue_gives_up_a_place_to_a_newcomer() {
        let mut lines = FairLines::default();
        for (key, job) in [('a', 1), ('a', 2), ('a', 3), ('b', 4), ('b', 5)] {
            assert_eq!(lines.push(key, job, SMALL), Ok(None));
        }
        assert_eq!(lines.push('c', 6, SMALL), Ok(Some(3)));
        assert_eq!(lines.push('b', 7, SMALL), Err(7), "no line is longer than its own would be");
        assert_eq!(std::iter::from_fn(|| lines.pop()).collect::<Vec<_>>(), [1, 4, 6, 2, 5]);
    }

    #[test]
    fn known_visitors_go_first_without_starving_strangers() {
        let mut waiting = WaitingAttempts::default();
        let (sender, order) = std::sync::mpsc::channel();
        let from = crate::model::ClientAddress::Unknown.neighbourhood();
        for number in 0..3 {
            let (known, stranger) = (sender.clone(), sender.clone());
            let job: PasswordJob = Box::new(move |_| stranger.send(("stranger", number)).unwrap());
            assert!(waiting.strangers.push(from, job, STRANGERS).is_ok_and(|none| none.is_none()));
            let job: PasswordJob = Box::new(move |_| known.send(("known", number)).unwrap());
            assert!(waiting.known.push(None, job, KNOWN).is_ok_and(|none| none.is_none()));
        }
        let mut hasher = Hasher::default();
        std::iter::from_fn(|| waiting.next()).for_each(|job| job(&mut hasher));
        let expected = [("known", 0), ("stranger", 0), ("known", 1), ("stranger", 1), ("known", 2), ("stranger", 2)];
        assert_eq!(order.try_iter().collect::<Vec<_>>(), expected);
    }

    proptest! {
        #[test]
        fn no_job_is_lost_and_no_bound_is_exceeded(steps in proptest::collection::vec(proptest::option::of(0_u8..4), 0..200)) {
            let (mut lines, mut held) = (FairLines::default(), std::collections::BTreeSet::new());
            for (job, step) in steps.into_iter().enumerate() {
                match step {
                    Some(key) => {
                        let out = match lines.push(key, job, SMALL) {
                            Ok(gave_up) => { held.insert(job); gave_up }
                            Err(refused) => { prop_assert_eq!(refused, job); None }
                        };
                        if let Some(out) = out {
                            prop_assert!(held.remove(&out));
                        }
                    }
                    None => {
                        let job = lines.pop();
                        prop_assert_eq!(job.is_none(), held.is_empty());
                        prop_assert!(job.is_none_or(|job| held.remove(&job)));
                    }
                }
                prop_assert_eq!(lines.count, held.len());
                prop_assert!(held.len() <= SMALL.all && lines.lines.iter().all(|(_, line)| (1..=SMALL.line).contains(&line.len())));
            }
        }
    }
}
