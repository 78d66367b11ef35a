//! Random bytes. The server takes them from the operating system and fails rather than weaken.

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

/// `getrandom(2)` and its kin; no user-space generator between.
pub struct OsEntropy;

impl Entropy for OsEntropy {
    #[expect(clippy::disallowed_methods, reason = "this is where ambient randomness enters")]
    fn fill(&self, bytes: &mut [u8]) -> Result<()> {
        SysRng
            .try_fill_bytes(bytes)
            .map_err(|error| Error::unavailable(format!("no random bytes from the system: {error}")))
    }
}

/// The same bytes for the same seed: for tests alone.
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
