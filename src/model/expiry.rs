//! When a key expires: parsed from what people and programs write, checked against `now`.

use std::time::Duration;

use super::Time;
use crate::error::{Error, Result};

/// Default lifetime of a key.
pub const DEFAULT_LIFETIME: Duration = Duration::from_secs(90 * 86_400);

/// When a key expires, in whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    Never,
    At(Time),
}

impl Expiry {
    const MAX_LIFETIME: Duration = Duration::from_secs(36_525 * 86_400);

    /// Parses `90d`, `12h`, `never` or an RFC 3339 time, relative to `now`.
    pub fn parse(text: &str, now: Time) -> Result<Self> {
        let text = text.trim();
        if text == "never" {
            return Ok(Expiry::Never);
        }
        if let Some(span) = parse_span(text) {
            return Self::after(span, now);
        }
        match Time::parse(text) {
            Ok(time) => Self::at(time, now),
            Err(_) => Err(Error::invalid(
                "expires",
                "Use an expiry such as 90d, 12h, never or an RFC 3339 time (2027-01-31T12:00:00Z).",
            )),
        }
    }

    /// The expiry `span` after `now`.
    pub fn after(span: Duration, now: Time) -> Result<Self> {
        Self::at(now.whole_second().plus(span), now)
    }

    /// Parses `2027-01-31`, from a date field, as the end of that day in a time zone `offset` minutes ahead of UTC.
    pub fn parse_day(text: &str, offset: UtcOffset, now: Time) -> Result<Self> {
        let wrong = || Error::invalid("expires_on", "Enter a date such as 2027-01-31.");
        let day: jiff::civil::Date = text.parse().ok().filter(|_| text.len() == 10).ok_or_else(wrong)?;
        let end = day.tomorrow().and_then(|next| next.to_zoned(jiff::tz::TimeZone::UTC)).map_err(|_| wrong())?;
        let end = Time::from_millis(end.timestamp().as_millisecond() - i64::from(offset.0) * 60_000);
        Self::at(end, now).map_err(|error| Error { field: Some("expires_on"), ..error })
    }

    /// An expiry in the future, within 100 years.
    pub fn at(time: Time, now: Time) -> Result<Self> {
        if time <= now {
            return Err(Error::invalid("expires", "Choose a date in the future."));
        }
        if time.since(now) > Self::MAX_LIFETIME {
            return Err(Error::invalid("expires", "Choose a date within 100 years, or never."));
        }
        Ok(Expiry::At(time))
    }

    /// Time from `now` to the expiry, in whole seconds; `None` if it never expires.
    pub fn lifetime(self, now: Time) -> Option<Duration> {
        self.time().map(|end| end.since(now.whole_second()))
    }

    pub fn time(self) -> Option<Time> {
        match self {
            Expiry::Never => None,
            Expiry::At(time) => Some(time),
        }
    }
}

/// A person's offset from UTC in minutes: positive east of Greenwich, negative west.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UtcOffset(i32);

impl UtcOffset {
    /// From UTC-12:00 (ships) to UTC+14:00 (Kiritimati).
    const RANGE: std::ops::RangeInclusive<i32> = -12 * 60..=14 * 60;

    /// Parses `-420` or `840`, as the dashboard's script writes it. Empty, because no script ran, means UTC.
    pub fn parse(text: &str) -> Result<Self> {
        if text.is_empty() {
            return Ok(UtcOffset::default());
        }
        let minutes = text.parse().ok().filter(|minutes| Self::RANGE.contains(minutes));
        minutes.map(UtcOffset).ok_or_else(|| {
            Error::invalid("expires_on", "Your time zone could not be read. Reload the page and choose the date again.")
        })
    }

    /// The first moment of a day such as `2027-01-31`; `None` if this is no date.
    pub fn start_of(self, day: &str) -> Option<Time> {
        let day: jiff::civil::Date = day.parse().ok().filter(|_| day.len() == 10)?;
        let start = day.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_millisecond();
        Some(Time::from_millis(start - i64::from(self.0) * 60_000))
    }

    /// The same moment as a time that, read as UTC, shows what a clock in this zone shows.
    pub fn shift(self, time: Time) -> Time {
        Time::from_millis(time.millis() + i64::from(self.0) * 60_000)
    }
}

/// Parses `90d`, `24h`, `15m` or `30s`: a positive time span.
pub fn parse_span(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let number: u64 = number.parse().ok().filter(|_| number.bytes().all(|b| b.is_ascii_digit()))?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    number.checked_mul(seconds).filter(|s| *s > 0).map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expiries_are_read_strictly() {
        let now = Time::parse("2026-11-23T08:00:00Z").unwrap();
        let at = |text| Expiry::parse(text, now).map(|expiry| expiry.time().map(|time| time.to_string()));
        assert_eq!(at("90d").unwrap().unwrap(), "2027-02-21T08:00:00Z");
        assert_eq!(at("never").unwrap(), None);
        assert_eq!(at("2027-01-01T00:00:00+01:00").unwrap().unwrap(), "2026-12-31T23:00:00Z");
        for bad in [
            "",
            "0d",
            "-1d",
            "1",
            "1e30d",
            "soon",
            "2020-01-01T00:00:00Z",
            "9999-01-01T00:00:00Z",
            "99999999999999999999d",
            "2026-11-23",
            "((((",
        ] {
            assert!(at(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_day_ends_at_midnight_in_its_time_zone() {
        let now = Time::parse("2026-11-24T00:30:00Z").unwrap();
        let end = |day: &str, offset: &str| {
            let expiry = Expiry::parse_day(day, UtcOffset::parse(offset)?, now)?;
            Ok::<_, Error>(expiry.time().unwrap().to_string())
        };
        assert_eq!(end("2026-11-24", "").unwrap(), "2026-11-25T00:00:00Z");
        assert_eq!(end("2026-11-23", "-480").unwrap(), "2026-11-24T08:00:00Z", "Los Angeles, 16:30 the day before");
        assert_eq!(end("2026-11-24", "840").unwrap(), "2026-11-24T10:00:00Z", "Kiritimati, 14:30 of this day");
        assert_eq!(end("2026-11-24", "345").unwrap(), "2026-11-24T18:15:00Z", "Kathmandu");
        for (day, offset) in [
            ("2026-11-23", ""),
            ("2026-11-23", "840"),
            ("2026-11-24", "841"),
            ("2026-11-24", "-721"),
            ("2026-11-24", "1e2"),
            ("2026-11-24", "99999999999"),
            ("", ""),
            ("2026-13-01", ""),
            ("20270101", ""),
            ("9999-12-31", "-720"),
            ("-9999-01-01", "840"),
            ("tomorrow", ""),
        ] {
            assert_eq!(end(day, offset).unwrap_err().field, Some("expires_on"), "{day} {offset}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_day_and_any_time_zone_are_read(day: String, offset: String) {
            if let Ok(offset) = UtcOffset::parse(&offset) {
                let _ = Expiry::parse_day(&day, offset, Time::from_millis(0));
            }
        }
    }
}
