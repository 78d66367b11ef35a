//! The notice that the owner of a revoked key gets because the key had leaked.

use super::characters::is_deceptive;
use super::foreign_text::message_without_keys;
use super::{KeyId, Time, UserId};

/// A key that was revoked because it was found in a leak.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeakNotice {
    pub key: KeyId,
    pub owner: UserId,
    /// The name and the hint of the key.
    pub name: String,
    pub hint: String,
    pub revoked_at: Time,
    pub place: Option<LeakPlace>,
}

/// Where a leaked key was found, in the words of whoever reported it: usually a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeakPlace(String);

impl LeakPlace {
    const MAX_CHARS: usize = 500;

    /// Bounded, without keys and without deceptive characters; `None` if nothing is left.
    pub fn of(reported: &str) -> Option<Self> {
        let text: String = message_without_keys(reported).chars().filter(|c| !is_deceptive(*c)).collect();
        let text: String = text.trim().chars().take(Self::MAX_CHARS).collect();
        (!text.is_empty()).then_some(LeakPlace(text))
    }

    /// As it is stored.
    pub fn stored(text: String) -> Self {
        LeakPlace(text)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{KeyPrefix, PlainKey};

    #[test]
    fn a_place_has_no_key_and_no_deceptive_character() {
        let key = PlainKey::generate(&KeyPrefix::parse("kb").unwrap(), &[7; 32]);
        let of = |text: &str| LeakPlace::of(text).map(|place| place.as_str().to_owned());
        let url = "https://github.com/octocat/Hello-World/blob/12345600/foo.txt";
        assert_eq!(of(url).as_deref(), Some(url));
        assert_eq!(of(&format!("https://x.test/?k={}&b", key.expose())).as_deref(), Some("https://x.test/?k=[key]&b"));
        assert_eq!(of("a\u{202e}b\n").as_deref(), Some("ab"));
        assert_eq!(of(" \u{200b} "), None);
        assert_eq!(of(&"x".repeat(600)).unwrap().len(), 500);
    }
}
