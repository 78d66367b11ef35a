//! A point in time in UTC, kept to the millisecond, written in RFC 3339.

use std::fmt;
use std::time::Duration;

use jiff::civil::{DateTime, date};
use jiff::{SignedDuration, Timestamp};

use crate::error::{Error, Result};

/// Milliseconds since 1970-01-01T00:00:00Z, from [`FIRST`] to [`LAST`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(i64);

/// 0001-01-01T00:00:00Z and 9999-12-31T23:59:59.999Z: RFC 3339 writes no other years.
const FIRST: i64 = -62_135_596_800_000;
const LAST: i64 = 253_402_300_799_999;

/// How far ahead of the clock a beginning may be: more than a clock moves when it is set right.
pub const SKEW: Duration = Duration::from_secs(5 * 60);

impl Time {
    pub fn from_millis(millis: i64) -> Self {
        Time(millis.clamp(FIRST, LAST))
    }

    /// What was stored; `None` where we would never have stored it.
    pub fn stored(millis: i64) -> Option<Self> {
        (FIRST..=LAST).contains(&millis).then_some(Time(millis))
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
        let parsed: Option<Timestamp> = text.parse().ok();
        parsed.and_then(|parsed| Time::stored(parsed.as_second().saturating_mul(1000))).ok_or_else(|| {
            Error::invalid("expires_at", "A time is written as RFC 3339, for example 2027-01-31T12:00:00Z.")
        })
    }

    /// Not as a timestamp of jiff's: those end a day earlier, to leave room for time zones.
    fn civil(self) -> DateTime {
        let epoch = date(1970, 1, 1).at(0, 0, 0, 0);
        epoch.checked_add(SignedDuration::from_millis(self.0)).unwrap_or(DateTime::MAX)
    }

    /// `2026-11-23 07:48 UTC`, for people.
    pub fn for_people(self) -> String {
        self.civil().strftime("%Y-%m-%d %H:%M UTC").to_string()
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.civil().strftime("%Y-%m-%dT%H:%M:%SZ"))
    }
}

impl serde::Serialize for Time {
    fn serialize<S: serde::Serializer>(&self, s: S) -> std::result::Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_and_the_last_time_are_written_as_they_are() {
        let text = |millis| Time::from_millis(millis).to_string();
        assert_eq!((text(FIRST).as_str(), text(LAST).as_str()), ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"));
        assert_eq!((text(i64::MIN), text(i64::MAX)), (text(FIRST), text(LAST)));
        assert_eq!((text(-1).as_str(), text(0).as_str()), ("1969-12-31T23:59:59Z", "1970-01-01T00:00:00Z"));
        assert_eq!((Time::stored(FIRST - 1), Time::stored(LAST + 1)), (None, None));
        assert_eq!((Time::stored(FIRST), Time::stored(LAST)), (Some(Time(FIRST)), Some(Time(LAST))));
        assert!(Time::parse("-000001-01-01T00:00:00Z").is_err() && Time::parse("0000-12-31T23:59:59Z").is_err());
    }

    proptest::proptest! {
        #[test]
        fn every_number_is_a_time_that_can_be_written(any: i64, near in FIRST..=LAST) {
            for millis in [any, near] {
                let time = Time::from_millis(millis);
                let (text, short) = (time.to_string(), time.for_people());
                proptest::prop_assert!(text.len() == 20 && text.ends_with('Z') && short.len() == 20, "{text} {short}");
                proptest::prop_assert_eq!(Time::stored(millis).is_some(), time.millis() == millis);
                // What jiff can read comes back.
                if let Ok(read) = Time::parse(&text) {
                    proptest::prop_assert_eq!(read, time.whole_second());
                }
            }
        }

        #[test]
        fn no_text_makes_a_time_that_cannot_be_written(text in "-?[0-9]{4,6}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9](Z|[+-][0-2][0-9]:[0-5][0-9])") {
            if let Ok(time) = Time::parse(&text) {
                proptest::prop_assert_eq!(Time::stored(time.millis()), Some(time));
            }
        }
    }
}
