//! A point in time in UTC, with millisecond precision, written in RFC 3339.

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use jiff::SignedDuration;
use jiff::civil::{Date, DateTime, date};

use crate::error::{Error, Result};

/// Milliseconds since 1970-01-01T00:00:00Z, in the years 1 to 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(i64);

/// 0001-01-01T00:00:00Z and 9999-12-31T23:59:59.999Z: RFC 3339 has no other years.
const FIRST: i64 = -62_135_596_800_000;
const LAST: i64 = 253_402_300_799_999;

/// How far in the future a start time may be: more than a normal clock correction.
pub const SKEW: Duration = Duration::from_secs(5 * 60);

impl Time {
    pub fn from_millis(millis: i64) -> Self {
        Time(millis.clamp(FIRST, LAST))
    }

    /// Reads a stored time; `None` if we could not have stored it.
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

    /// Drops the fraction of a second, so that the text is exactly what is compared.
    pub fn whole_second(self) -> Self {
        Time::from_millis(self.seconds().saturating_mul(1000))
    }

    /// Time elapsed since `earlier`; zero if this is before it.
    pub fn since(self, earlier: Time) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Whether this start time was recorded by a wrong clock. Lifetimes need this bound too: otherwise, anything that
    /// was created while the clock was far ahead would be valid until that time.
    pub fn is_ahead_of(self, now: Time) -> bool {
        self.since(now) > SKEW
    }

    /// Parses RFC 3339 §5.6, also with a space instead of the `T`. The result is a whole second, so that the text of an
    /// expiry is exactly what is compared; a leap second becomes the second before it.
    pub fn parse(text: &str) -> Result<Self> {
        rfc_3339(text)
            .and_then(|seconds| Time::stored(seconds * 1000))
            .ok_or_else(|| Error::invalid("expires_at", "Use an RFC 3339 time, for example 2027-01-31T12:00:00Z."))
    }

    /// Does not use jiff's timestamp, whose range ends a day earlier to leave room for time zones.
    fn civil(self) -> DateTime {
        let epoch = date(1970, 1, 1).at(0, 0, 0, 0);
        epoch.checked_add(SignedDuration::from_millis(self.0)).unwrap_or(DateTime::MAX)
    }

    /// `23 Nov 2026, 07:48 UTC`, for pages.
    pub fn for_pages(self) -> String {
        self.civil().strftime("%-d %b %Y, %H:%M UTC").to_string()
    }

    /// `23 Nov 2026, 07:48:05 UTC`, for the audit log on pages.
    pub fn to_the_second(self) -> String {
        self.civil().strftime("%-d %b %Y, %H:%M:%S UTC").to_string()
    }

    /// `07:48:05 UTC`, for a list with a heading for each day.
    pub fn clock(self) -> String {
        self.civil().strftime("%H:%M:%S UTC").to_string()
    }

    /// `Monday, 23 Nov 2026`, for a heading.
    pub fn weekday(self) -> String {
        self.civil().strftime("%A, %-d %b %Y").to_string()
    }

    /// `2026-11-23`, for a date field.
    pub fn day(self) -> String {
        self.civil().strftime("%Y-%m-%d").to_string()
    }

    /// `2026-11-23 07:48 UTC`, for people.
    pub fn for_people(self) -> String {
        self.civil().strftime("%Y-%m-%d %H:%M UTC").to_string()
    }
}

/// Seconds since 1970. Does not use jiff's parser, which accepts more than RFC 3339 and less of the year 9999.
fn rfc_3339(text: &str) -> Option<i64> {
    let at = |range: Range<usize>, most: i64| {
        let digits = text.get(range).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
        digits.parse::<i64>().ok().filter(|number| *number <= most)
    };
    let is_at = |at: usize, any: &[u8]| text.as_bytes().get(at).is_some_and(|byte| any.contains(byte));
    let has_shape = is_at(4, b"-") && is_at(7, b"-") && is_at(10, b"Tt ") && is_at(13, b":") && is_at(16, b":");
    let (day, time) =
        ([at(0..4, 9999)?, at(5..7, 12)?, at(8..10, 31)?], [at(11..13, 23)?, at(14..16, 59)?, at(17..19, 60)?]);
    let day = Date::new(i16::try_from(day[0]).ok()?, i8::try_from(day[1]).ok()?, i8::try_from(day[2]).ok()?).ok()?;
    let seconds = day.duration_since(date(1970, 1, 1)).as_secs() + time[0] * 3600 + time[1] * 60 + time[2].min(59);
    let mut end = 19;
    if is_at(end, b".") {
        let digits = text.as_bytes()[end + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        end += if digits == 0 { return None } else { 1 + digits };
    }
    let offset = match text.len() - end {
        1 if is_at(end, b"Zz") => 0,
        6 if is_at(end, b"+-") && is_at(end + 3, b":") => {
            let offset = at(end + 1..end + 3, 23)? * 3600 + at(end + 4..end + 6, 59)? * 60;
            if is_at(end, b"-") { -offset } else { offset }
        }
        _ => return None,
    };
    has_shape.then_some(seconds - offset)
}

/// `2026-11-23T07:48:00Z`, without an allocation: a check over the API returns three times.
struct Rfc3339([u8; 20]);

impl Rfc3339 {
    fn of(time: Time) -> Self {
        let (civil, mut text) = (time.civil(), *b"0000-00-00T00:00:00Z");
        let year = civil.year().unsigned_abs();
        for (at, two_digits) in [
            (0, (year / 100) as u8),
            (2, (year % 100) as u8),
            (5, civil.month().unsigned_abs()),
            (8, civil.day().unsigned_abs()),
            (11, civil.hour().unsigned_abs()),
            (14, civil.minute().unsigned_abs()),
            (17, civil.second().unsigned_abs()),
        ] {
            text[at] += two_digits / 10;
            text[at + 1] += two_digits % 10;
        }
        Rfc3339(text)
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("digits are ASCII")
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Rfc3339::of(*self).as_str())
    }
}

impl serde::Serialize for Time {
    fn serialize<S: serde::Serializer>(&self, s: S) -> std::result::Result<S::Ok, S::Error> {
        s.serialize_str(Rfc3339::of(*self).as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_and_the_last_time_are_written_in_full() {
        let text = |millis| Time::from_millis(millis).to_string();
        assert_eq!((text(FIRST).as_str(), text(LAST).as_str()), ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"));
        assert_eq!((text(i64::MIN), text(i64::MAX)), (text(FIRST), text(LAST)));
        assert_eq!((text(-1).as_str(), text(0).as_str()), ("1969-12-31T23:59:59Z", "1970-01-01T00:00:00Z"));
        assert_eq!((Time::stored(FIRST - 1), Time::stored(LAST + 1)), (None, None));
        assert_eq!((Time::stored(FIRST), Time::stored(LAST)), (Some(Time(FIRST)), Some(Time(LAST))));
        assert!(Time::parse("-000001-01-01T00:00:00Z").is_err() && Time::parse("0000-12-31T23:59:59Z").is_err());
    }

    #[test]
    fn times_are_read_only_in_the_format_of_rfc_3339() {
        let noon = Time::parse("2027-01-31T12:00:00Z").unwrap();
        for same in [
            "2027-01-31t12:00:00z",
            "2027-01-31 12:00:00Z",
            "2027-01-31T12:00:00.999999999999Z",
            "2027-01-31T14:30:00+02:30",
            "2027-01-30T23:00:00-13:00",
        ] {
            assert_eq!(Time::parse(same).unwrap(), noon, "{same}");
        }
        assert_eq!(Time::parse("2016-12-31T23:59:60Z").unwrap(), Time::parse("2016-12-31T23:59:59Z").unwrap());
        assert_eq!(Time::parse("9999-12-31T23:59:59Z").unwrap().millis(), LAST - 999);
        for other in [
            "",
            "2027-01-31",
            "20270131T120000Z",
            "2027-01-31T12:00Z",
            "2027-01-31T12:00:00",
            "2027-01-31T12:00:00,5Z",
            "2027-01-31T12:00:00.Z",
            "2027-01-31T12:00:00Z[UTC]",
            "2027-01-31T12:00:00+25:59",
            "2027-01-31T12:00:00+01:60",
            "2027-01-31T12:00:00+0100",
            "2027-01-31T24:00:00Z",
            "2027-02-29T12:00:00Z",
            "2027-13-01T12:00:00Z",
            "+2027-01-31T12:00:00Z",
            "2027-01-31T12:00:61Z",
            "２027-01-31T12:00:00Z",
            "2027-01-31T12:00:00é",
        ] {
            assert!(Time::parse(other).is_err(), "{other}");
        }
    }

    proptest::proptest! {
        #[test]
        fn every_number_makes_a_time_that_can_be_written(any: i64, near in FIRST..=LAST) {
            for millis in [any, near] {
                let time = Time::from_millis(millis);
                let (text, short) = (time.to_string(), time.for_people());
                proptest::prop_assert!(text.len() == 20 && text.ends_with('Z') && short.len() == 20, "{text} {short}");
                proptest::prop_assert_eq!(Time::stored(millis).is_some(), time.millis() == millis);
                proptest::prop_assert_eq!(Time::parse(&text).unwrap(), time.whole_second());
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
