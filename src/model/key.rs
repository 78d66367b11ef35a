//! A key's settings and record. The key itself is `PlainKey`; here is only what may be stored.

use std::time::Duration;

pub use super::metadata::Metadata;
use super::{Digest, Email, KeyId, KeyName, KeyPrefix, Networks, RateLimit, ScopeSet, Time, UserId, Version};
use crate::error::{Error, Result};

/// How long a key lives when nobody says otherwise.
pub const USUAL_LIFETIME: Duration = Duration::from_secs(90 * 86_400);

/// When a key ends. Whole seconds.
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

/// What a new key shall be; every part already parsed.
#[derive(Debug, Clone)]
pub struct NewKey {
    pub name: KeyName,
    pub prefix: KeyPrefix,
    pub scopes: ScopeSet,
    pub expiry: Expiry,
    pub allowed_ips: Networks,
    pub rate_limit: Option<RateLimit>,
    pub metadata: Metadata,
}

/// What shall be different about a key; `None` leaves a part as it is.
#[derive(Debug, Clone, Default)]
pub struct KeyChange {
    pub name: Option<KeyName>,
    pub scopes: Option<ScopeSet>,
    pub expiry: Option<Expiry>,
    pub enabled: Option<bool>,
    pub allowed_ips: Option<Networks>,
    /// `Some(None)`: no limit any more.
    pub rate_limit: Option<Option<RateLimit>>,
    pub metadata: Option<Metadata>,
}

impl KeyChange {
    /// Whether it touches what bounds the key's use: when, where, how often, at all.
    pub fn moves_bounds(&self) -> bool {
        self.expiry.is_some() || self.enabled.is_some() || self.allowed_ips.is_some() || self.rate_limit.is_some()
    }

    /// Whether it only takes away, so that it must not wait for space on a full disk.
    pub fn only_disables(&self) -> bool {
        self.enabled == Some(false)
            && self.name.is_none()
            && self.scopes.is_none()
            && self.expiry.is_none()
            && self.allowed_ips.is_none()
            && self.rate_limit.is_none()
            && self.metadata.is_none()
    }

    /// Whether it gives this field of a record a new value.
    pub fn sets(&self, field: &str) -> bool {
        match field {
            "name" => self.name.is_some(),
            "scopes" => self.scopes.is_some(),
            "allowed_ips" => self.allowed_ips.is_some(),
            "rate_limit" => self.rate_limit.is_some(),
            "metadata" => self.metadata.is_some(),
            "enabled" => self.enabled.is_some(),
            "expires_at" => self.expiry.is_some(),
            _ => false,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Owner {
    pub id: UserId,
    pub email: Email,
}

/// Last use of a key, as far as it has been flushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastUse {
    pub at: Time,
    pub address: Option<String>,
    pub user_agent: Option<String>,
}

/// Everything stored about a key.
#[derive(Debug, Clone)]
pub struct KeyRecord {
    pub id: KeyId,
    /// For the index alone; no answer shows it.
    pub digest: Digest,
    pub name: String,
    /// None for an imported key, whose text we never knew.
    pub prefix: Option<String>,
    pub hint: String,
    pub owner: Owner,
    pub owner_active: bool,
    pub scopes: ScopeSet,
    pub enabled: bool,
    pub created_at: Time,
    pub expires_at: Option<Time>,
    /// How long it was to live when it was created; `None`: for ever.
    pub lifetime: Option<Duration>,
    pub allowed_ips: Networks,
    pub rate_limit: Option<RateLimit>,
    pub metadata: Metadata,
    pub last_use: Option<LastUse>,
    /// Short-lived, of a log-in by a program.
    pub is_token: bool,
    /// The fields whose stored value breaks a rule, by their names in the API; what can be read of them is in
    /// its place. Empty, unless somebody changed the database by hand or its file is damaged.
    pub unreadable: Vec<&'static str>,
}

impl KeyRecord {
    pub fn is_expired(&self, now: Time) -> bool {
        self.expires_at.is_some_and(|end| now >= end)
    }

    /// Whether what is unreadable decides what the key may do, so that nobody can judge it.
    pub fn is_beyond_judging(&self) -> bool {
        let judged = ["id", "scopes", "enabled", "expires_at", "allowed_ips", "rate_limit", "is_token"];
        self.unreadable.iter().any(|field| judged.contains(field))
    }

    /// Of everything that can be changed; being used is no change.
    pub fn version(&self) -> Version {
        let unreadable = self.unreadable.join(" ");
        let parts = [
            &self.id.to_string(),
            &self.name,
            &self.scopes.joined(),
            &self.expires_at.map_or_else(String::new, |end| end.to_string()),
            &self.enabled.to_string(),
            &self.allowed_ips.joined(),
            &self.rate_limit.map_or_else(String::new, |limit| limit.text()),
            self.metadata.text(),
            &unreadable,
        ];
        // A sound record has the version that it had before damage was told.
        Version::of(if unreadable.is_empty() { &parts[..8] } else { &parts })
    }
}

/// A key of another system, or of an export: known by its digest only.
#[derive(Debug, Clone)]
pub struct ImportedKey {
    pub digest: Digest,
    pub owner: Email,
    pub name: KeyName,
    /// None: another system's.
    pub prefix: Option<KeyPrefix>,
    pub hint: String,
    pub scopes: ScopeSet,
    pub enabled: bool,
    pub expires_at: Option<Time>,
    pub allowed_ips: Networks,
    pub rate_limit: Option<RateLimit>,
    pub metadata: Metadata,
}

impl ImportedKey {
    /// From now on, since nobody says when it was created. One that is over already tells nothing.
    pub fn lifetime(&self, now: Time) -> Option<Duration> {
        let left = self.expires_at.map(|end| end.since(now.whole_second()));
        left.map(|left| if left.is_zero() { USUAL_LIFETIME } else { left })
    }
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
