//! Password hashing on a few low-priority threads behind a short, fair queue, so that sign-ins can starve neither
//! verification nor memory (19 MiB per hash in progress, nothing otherwise).

mod hasher;
mod memory;
mod queue;

use std::num::NonZero;
use std::sync::Arc;
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
    /// The hash (PHC string) of a random password. Unknown emails are checked against it, so that they take as long.
    nobody: Arc<str>,
}

impl Passwords {
    pub fn start(entropy: &dyn Entropy) -> Result<Self> {
        let threads = thread::available_parallelism().map_or(1, NonZero::get).min(MAX_THREADS);
        let nobody = Hasher::default().hash(&entropy.bytes::<32>()?, &entropy.bytes()?)?;
        Ok(Passwords { queue: PasswordQueue::start(threads)?, nobody: nobody.into() })
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

    pub fn nobody(&self) -> Arc<str> {
        Arc::clone(&self.nobody)
    }
}
