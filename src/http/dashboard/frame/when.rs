//! A point in time as pages show it.

use crate::model::Time;

#[derive(Clone)]
pub struct When {
    /// RFC 3339 UTC, for machines.
    pub iso: String,
    /// For people, such as `2026-11-23 07:48 UTC`.
    pub text: String,
}

impl From<Time> for When {
    fn from(time: Time) -> Self {
        When { iso: time.to_string(), text: time.for_people() }
    }
}
