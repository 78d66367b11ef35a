//! The only place that uses the system's time, randomness and threads; clippy forbids them elsewhere. All other
//! modules get a [`Clock`] and an [`Entropy`] as arguments, so that a test can control both.

pub mod background;
pub mod clock;
pub mod constant_time;
pub mod entropy;
pub mod file_stamp;
pub mod histogram;
pub mod log;
pub mod moment;
pub mod plain_file;
pub mod pool;
pub mod slot;
pub mod streams;

pub use background::Background;
pub use clock::{Clock, ManualClock, SystemClock};
pub use entropy::{Entropy, OsEntropy, SeededEntropy};
pub use file_stamp::FileStamp;
pub use histogram::Histogram;
pub use moment::Moment;
pub use pool::Pool;
pub use slot::PerThread;
