//! Who performs an act.

use crate::model::{Origin, Time};

/// Who acts, with what authority, from where and when. Each rule that changes something takes it as an argument next to
/// the transaction.
#[derive(Debug, Clone)]
pub struct By {
    pub origin: Origin,
    pub at: Time,
}

impl By {
    /// The server itself, acting on a schedule.
    pub fn server(at: Time) -> Self {
        By { origin: Origin::server(), at }
    }
}
