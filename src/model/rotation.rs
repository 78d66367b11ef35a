//! A rotation: a new key with an old key's settings, and how long the old key stays valid.

use std::time::Duration;

use super::expiry::parse_span;
use super::{Expiry, KeyId, KeyRecord, Time};
use crate::error::{Error, Result};

/// How long the old key stays valid, in whole seconds; zero means that the rotation itself revokes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Overlap(Duration);

impl Overlap {
    pub const MAX: Duration = Duration::from_secs(90 * 86_400);

    /// Parses `24h`, `7d` or `0`.
    pub fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        let span = if matches!(text, "0" | "0s") { Some(Duration::ZERO) } else { parse_span(text) };
        match span {
            Some(span) if span <= Self::MAX => Ok(Overlap(span)),
            Some(_) => Err(Error::invalid("overlap", "An overlap must not exceed 90d.")),
            None => Err(Error::invalid("overlap", "Use an overlap such as 24h, 7d, 15m, 30s or 0.")),
        }
    }

    pub fn is_none(self) -> bool {
        self.0.is_zero()
    }

    /// When the old key expires: an overlap shortens its lifetime, never extends it.
    pub fn end(self, old: &KeyRecord, now: Time) -> Time {
        self.end_within(old.settings.expires_at, now)
    }

    /// The same for a key that had this expiry before it was rotated.
    pub fn end_within(self, before: Option<Time>, now: Time) -> Time {
        let end = now.whole_second().plus(self.0);
        before.map_or(end, |expiry| expiry.min(end))
    }
}

/// How long the old key must have been unused for the server to revoke it before its overlap is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Silence(Duration);

impl Silence {
    /// Uses reach the database with a delay, so a shorter silence could end a key in use.
    const MIN: Duration = Duration::from_secs(3600);

    /// Parses `1h` or `7d`.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = |message: &'static str| Error::invalid("end_if_unused_for", message);
        match parse_span(text.trim()) {
            Some(span) if (Self::MIN..=Overlap::MAX).contains(&span) => Ok(Silence(span)),
            Some(_) => Err(wrong("Use a time between 1h and 90d.")),
            None => Err(wrong("Use a time such as 1h, 24h or 7d.")),
        }
    }

    /// The silence as stored.
    pub fn from_seconds(seconds: u64) -> Self {
        Silence(Duration::from_secs(seconds))
    }

    pub fn span(self) -> Duration {
        self.0
    }
}

/// That one key replaces another, with what the end of the rotation needs. It is kept as long as the new key.
#[derive(Debug, Clone)]
pub struct Replacement {
    pub new: KeyId,
    pub old: KeyId,
    /// The old key's expiry before the rotation; `None` means never. Cancelling the rotation restores it.
    pub old_expires_at: Option<Time>,
    pub silence: Option<Silence>,
}

/// When the old key gets its new expiry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handover {
    /// In the transaction that creates the new key, so that the old key never stays valid for longer than intended.
    AtOnce,
    /// After the new key has reached its owner, so that the owner always has a working key.
    Later,
}

/// When a new key expires, and the lifetime that its own successor gets.
#[derive(Debug, Clone, Copy)]
pub struct SuccessorLife {
    pub expiry: Expiry,
    pub lifetime: Option<Duration>,
}

impl SuccessorLife {
    /// The same lifetime that the old key had when it was created.
    pub fn like(old: &KeyRecord, now: Time) -> Self {
        let end = old.lifetime.map(|lifetime| now.whole_second().plus(lifetime));
        SuccessorLife { expiry: end.map_or(Expiry::Never, Expiry::At), lifetime: old.lifetime }
    }

    pub fn until(expiry: Expiry, now: Time) -> Self {
        SuccessorLife { expiry, lifetime: expiry.lifetime(now) }
    }
}

/// Fails, with the reason, if this key cannot be rotated. A disabled key's successor would be refused too.
pub fn may_rotate(old: &KeyRecord) -> Result<()> {
    if old.is_token {
        return Err(Error::conflict("A short-lived token cannot be rotated. Refresh it, or request another one."));
    }
    if !old.unreadable.is_empty() {
        return Err(Error::conflict(format!(
            "The record of this key is damaged ({}), and its replacement would be too. Create another key and revoke \
             this one.",
            old.unreadable.join(", ")
        )));
    }
    if !old.enabled {
        return Err(Error::conflict("This key is disabled, and its replacement would be too. Enable it first."));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overlap_must_not_exceed_ninety_days() {
        for (text, seconds) in [("0", 0), ("0s", 0), (" 24h ", 86_400), ("90d", 90 * 86_400), ("1s", 1)] {
            assert_eq!(Overlap::parse(text).unwrap(), Overlap(Duration::from_secs(seconds)), "{text}");
        }
        for bad in ["", "0h", "59m", "91d", "never"] {
            assert!(Silence::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(Silence::parse("1h").unwrap().span(), Duration::from_secs(3600));
        for bad in ["", "1", "-1h", "91d", "2161h", "24 h", "1.5h", "never", "00", "99999999999999999999d"] {
            assert!(Overlap::parse(bad).is_err(), "{bad}");
        }
    }
}
