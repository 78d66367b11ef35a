//! Who does what a rule does.

use crate::model::{Origin, Time};

/// Who acts, by what authority, from where and when. Each rule that changes something takes it beside the transaction.
#[derive(Debug, Clone)]
pub struct By {
    pub origin: Origin,
    pub at: Time,
}

impl By {
    /// The server itself, by its schedule.
    pub fn server(at: Time) -> Self {
        By { origin: Origin::server(), at }
    }
}
