//! A rotation: a new key with an old one's settings, and how long the old one goes on beside it.

use std::time::Duration;

use super::expiry::parse_span;
use super::{Expiry, KeyRecord, Time};
use crate::error::{Error, Result};

/// Whole seconds; none: the old key is revoked by the rotation itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Overlap(Duration);

impl Overlap {
    pub const MOST: Duration = Duration::from_secs(90 * 86_400);

    /// `24h`, `7d`, `0`.
    pub fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        let span = if matches!(text, "0" | "0s") { Some(Duration::ZERO) } else { parse_span(text) };
        match span {
            Some(span) if span <= Self::MOST => Ok(Overlap(span)),
            Some(_) => Err(Error::invalid("overlap", "An overlap is at most 90d.")),
            None => Err(Error::invalid("overlap", "Write an overlap as 24h, 7d, 15m, 30s or 0.")),
        }
    }

    pub fn is_none(self) -> bool {
        self.0.is_zero()
    }

    /// When the old key ends: an overlap shortens its life, never lengthens it.
    pub fn end(self, old: &KeyRecord, now: Time) -> Time {
        let end = now.whole_second().plus(self.0);
        old.settings.expires_at.map_or(end, |expiry| expiry.min(end))
    }
}

/// When the old key gets its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handover {
    /// In the transaction that creates the new key: there are never two without an end.
    AtOnce,
    /// When the new key has reached its owner: there is never none that somebody has.
    Later,
}

/// When a new key ends, and the lifetime that its own successor gets.
#[derive(Debug, Clone, Copy)]
pub struct SuccessorLife {
    pub expiry: Expiry,
    pub lifetime: Option<Duration>,
}

impl SuccessorLife {
    /// As long as the old one was to live when it was created.
    pub fn like(old: &KeyRecord, now: Time) -> Self {
        let end = old.lifetime.map(|lifetime| now.whole_second().plus(lifetime));
        SuccessorLife { expiry: end.map_or(Expiry::Never, Expiry::At), lifetime: old.lifetime }
    }

    pub fn until(expiry: Expiry, now: Time) -> Self {
        SuccessorLife { expiry, lifetime: expiry.lifetime(now) }
    }
}

/// Why this key has no successor. A disabled one would have one that is refused, too.
pub fn may_rotate(old: &KeyRecord) -> Result<()> {
    if old.is_token {
        return Err(Error::conflict("This is a short-lived token. Its program refreshes it, or asks for another one."));
    }
    if !old.unreadable.is_empty() {
        return Err(Error::conflict(format!(
            "The record of this key is damaged ({}), and so would that of the new one be. Make another key and revoke \
             this one.",
            old.unreadable.join(", ")
        )));
    }
    if !old.enabled {
        return Err(Error::conflict("This key is disabled, and so would the new one be. Enable it first."));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overlap_is_a_span_of_at_most_ninety_days() {
        for (text, seconds) in [("0", 0), ("0s", 0), (" 24h ", 86_400), ("90d", 90 * 86_400), ("1s", 1)] {
            assert_eq!(Overlap::parse(text).unwrap(), Overlap(Duration::from_secs(seconds)), "{text}");
        }
        for bad in ["", "1", "-1h", "91d", "2161h", "24 h", "1.5h", "never", "00", "99999999999999999999d"] {
            assert!(Overlap::parse(bad).is_err(), "{bad}");
        }
    }
}
