//! A point in time as pages show it.

use crate::model::Time;

#[derive(Clone)]
pub struct When {
    /// RFC 3339 UTC, for machines.
    pub iso: String,
    /// For people, such as `23 Nov 2026, 07:48 UTC`. The script shows the reader's own time instead.
    pub text: String,
}

impl From<Time> for When {
    fn from(time: Time) -> Self {
        When { iso: time.to_string(), text: time.for_pages() }
    }
}
