//! When a key expires: read from what people and programs write, judged against `now`.

use std::time::Duration;

use super::Time;
use crate::error::{Error, Result};

/// Lifetime of a key whose creator chooses none.
pub const USUAL_LIFETIME: Duration = Duration::from_secs(90 * 86_400);

/// When a key expires, in whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    Never,
    At(Time),
}

impl Expiry {
    const FURTHEST: Duration = Duration::from_secs(36_525 * 86_400);

    /// `90d`, `12h`, `never` or an RFC 3339 time; judged against `now`.
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
                "Write an expiry as 90d, 12h, never or an RFC 3339 time (2027-01-31T12:00:00Z).",
            )),
        }
    }

    /// So long from `now`.
    pub fn after(span: Duration, now: Time) -> Result<Self> {
        Self::at(now.whole_second().plus(span), now)
    }

    /// `2027-01-31`, from a date field: the end of that day where UTC is `offset` minutes behind.
    pub fn parse_day(text: &str, offset: UtcOffset, now: Time) -> Result<Self> {
        let wrong = || Error::invalid("expires_on", "Choose a date, written as 2027-01-31.");
        let day: jiff::civil::Date = text.parse().ok().filter(|_| text.len() == 10).ok_or_else(wrong)?;
        let end = day.tomorrow().and_then(|next| next.to_zoned(jiff::tz::TimeZone::UTC)).map_err(|_| wrong())?;
        let end = Time::from_millis(end.timestamp().as_millisecond() - i64::from(offset.0) * 60_000);
        Self::at(end, now).map_err(|error| Error { field: Some("expires_on"), ..error })
    }

    /// In the future, and not absurdly so.
    pub fn at(time: Time, now: Time) -> Result<Self> {
        if time <= now {
            return Err(Error::invalid("expires", "An expiry lies in the future."));
        }
        if time.since(now) > Self::FURTHEST {
            return Err(Error::invalid(
                "expires",
                "An expiry is at most 100 years away. Choose never for a key without one.",
            ));
        }
        Ok(Expiry::At(time))
    }

    /// So long from `now`, in whole seconds; `None`: for ever.
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

/// How far a person's clock is ahead of UTC, in minutes; behind it, negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UtcOffset(i32);

impl UtcOffset {
    /// From UTC-12:00 (ships) to UTC+14:00 (Kiritimati).
    const RANGE: std::ops::RangeInclusive<i32> = -12 * 60..=14 * 60;

    /// As the dashboard's script writes it: `-420`, `840`. Empty, where no script ran: UTC.
    pub fn parse(text: &str) -> Result<Self> {
        if text.is_empty() {
            return Ok(UtcOffset::default());
        }
        let minutes = text.parse().ok().filter(|minutes| Self::RANGE.contains(minutes));
        minutes.map(UtcOffset).ok_or_else(|| {
            Error::invalid("expires_on", "Your time zone could not be read. Reload the page and choose the day again.")
        })
    }
}

/// `90d`, `24h`, `15m`, `30s`: a positive span of time.
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
    fn a_day_ends_at_the_midnight_of_its_time_zone() {
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
