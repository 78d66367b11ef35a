//! Password hashing on a few low-priority threads behind a short, fair queue, so that sign-ins cannot starve
//! verification or exhaust memory (19 MiB per hash in progress, nothing otherwise).

mod hasher;
mod memory;
mod queue;

use std::num::NonZero;
use std::sync::{Arc, OnceLock};
use std::thread;

pub use hasher::{Hasher, Match};
pub use queue::Lane;

use self::queue::PasswordQueue;
use crate::ambient::Entropy;
use crate::error::Result;
use crate::model::Password;

/// Maximum hashes in progress, of 19 MiB each, whatever the number of cores.
const MAX_THREADS: usize = 4;

pub struct Passwords {
    queue: PasswordQueue,
    /// A random password and its salt.
    random: ([u8; 32], [u8; 16]),
    /// The hash (PHC string) of that password. Unknown emails are checked against it, so that they take as long as
    /// known ones.
    nobody: OnceLock<Arc<str>>,
}

impl Passwords {
    pub fn start(entropy: &dyn Entropy) -> Result<Self> {
        let threads = thread::available_parallelism().map_or(1, NonZero::get).min(MAX_THREADS);
        let random = (entropy.bytes()?, entropy.bytes()?);
        Ok(Passwords { queue: PasswordQueue::start(threads)?, random, nobody: OnceLock::new() })
    }

    /// The PHC string for a new password, with this salt, which must be fresh.
    pub async fn hash(&self, password: Password, salt: [u8; 16]) -> Result<String> {
        self.run(Lane::Trusted, move |hasher| hasher.hash(password.expose().as_bytes(), &salt)).await
    }

    /// Runs `job` on one of the threads when its turn comes. Returns [`crate::error::Kind::Unavailable`] if the queue
    /// is full. If the caller has left by then, the job is skipped; a job that has started is finished.
    pub async fn run<T: Send + 'static>(
        &self,
        lane: Lane,
        job: impl FnOnce(&mut Hasher) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.queue.run(lane, job).await
    }

    /// The first call computes the hash: a server calls this when it starts, a command never does.
    pub fn nobody(&self) -> Result<Arc<str>> {
        if let Some(nobody) = self.nobody.get() {
            return Ok(Arc::clone(nobody));
        }
        let (password, salt) = &self.random;
        let hash = Hasher::default().hash(password, salt)?;
        Ok(Arc::clone(self.nobody.get_or_init(|| hash.into())))
    }
}
