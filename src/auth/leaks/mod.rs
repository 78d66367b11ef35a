//! Leaked keys: finding them in a text, revoking those that are reported, and telling their owners.

mod find;
mod limit;
mod notices;
mod report;

pub use find::{FoundDigests, KeyTraces};
pub use notices::LeakNotices;
pub use report::{LeakReport, ReportedKey};

pub(super) use limit::ReportLimiter;
pub(super) use notices::notify;
pub(super) use report::ReportQueue;
