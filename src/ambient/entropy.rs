//! Random bytes from the operating system. If it has none, the server fails rather than use weaker ones.

use std::sync::Mutex;

use rand::rngs::{StdRng, SysRng};
use rand::{Rng, SeedableRng, TryRng};

use crate::error::{Error, Result};

pub trait Entropy: Send + Sync {
    fn fill(&self, bytes: &mut [u8]) -> Result<()>;
}

impl dyn Entropy + '_ {
    pub fn bytes<const N: usize>(&self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }
}

/// `getrandom(2)` or its equivalent, without a user-space generator in between.
pub struct OsEntropy;

impl Entropy for OsEntropy {
    #[expect(clippy::disallowed_methods, reason = "the only place that reads the system's randomness")]
    fn fill(&self, bytes: &mut [u8]) -> Result<()> {
        SysRng
            .try_fill_bytes(bytes)
            .map_err(|error| Error::unavailable(format!("the system returned no random bytes: {error}")))
    }
}

/// A generator that returns the same bytes for the same seed; for tests only.
pub struct SeededEntropy(Mutex<StdRng>);

impl SeededEntropy {
    pub fn new(seed: u64) -> Self {
        SeededEntropy(Mutex::new(StdRng::seed_from_u64(seed)))
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, bytes: &mut [u8]) -> Result<()> {
        self.0.lock().map_err(|_| Error::internal("the seeded generator is poisoned"))?.fill_bytes(bytes);
        Ok(())
    }
}
