//! A point in time in UTC, kept to the millisecond, written in RFC 3339.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

use crate::error::{Error, Result};

/// Milliseconds since 1970-01-01T00:00:00Z; within the years jiff can print (-9999 to 9999).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(i64);

/// How far ahead of the clock a beginning may be: more than a clock moves when it is set right.
pub const SKEW: Duration = Duration::from_secs(5 * 60);

impl Time {
    pub fn from_millis(millis: i64) -> Self {
        Time(millis.clamp(Timestamp::MIN.as_millisecond(), Timestamp::MAX.as_millisecond()))
    }

    pub fn millis(self) -> i64 {
        self.0
    }

    pub fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    pub fn plus(self, span: Duration) -> Self {
        Time::from_millis(self.0.saturating_add(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }

    pub fn minus(self, span: Duration) -> Self {
        Time::from_millis(self.0.saturating_sub(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }

    /// Without the part of a second, so that it reads as it is judged.
    pub fn whole_second(self) -> Self {
        Time::from_millis(self.seconds().saturating_mul(1000))
    }

    /// How long after `earlier` this is; zero when it is not.
    pub fn since(self, earlier: Time) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Whether something that began then began while the clock was wrong. A lifetime is bounded on this side
    /// too: else what a clock far ahead made would live until that time.
    pub fn is_ahead_of(self, now: Time) -> bool {
        self.since(now) > SKEW
    }

    /// RFC 3339 with an offset. The result is a whole second, so that an expiry reads as it is judged.
    pub fn parse(text: &str) -> Result<Self> {
        let parsed: Timestamp = text.parse().map_err(|_| {
            Error::invalid("expires_at", "A time is written as RFC 3339, for example 2027-01-31T12:00:00Z.")
        })?;
        Ok(Time(parsed.as_second() * 1000))
    }

    fn timestamp(self) -> Timestamp {
        Timestamp::from_millisecond(self.0).expect("clamped to jiff's range where it was made")
    }

    /// `2026-11-23 07:48 UTC`, for people.
    pub fn for_people(self) -> String {
        self.timestamp().strftime("%Y-%m-%d %H:%M UTC").to_string()
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.timestamp().strftime("%Y-%m-%dT%H:%M:%SZ"))
    }
}

impl serde::Serialize for Time {
    fn serialize<S: serde::Serializer>(&self, s: S) -> std::result::Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}
