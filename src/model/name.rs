//! The name a person gives to a key.

use std::fmt;

use crate::error::{Error, Result};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyName(String);

impl KeyName {
    /// In characters (Unicode scalar values).
    pub const MAX: usize = 100;

    pub fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        if text.is_empty() {
            return Err(Error::invalid("name", "Give the key a name that says what it is for."));
        }
        if text.chars().count() > Self::MAX {
            return Err(Error::invalid("name", "A name has at most 100 characters."));
        }
        if text.chars().any(is_deceptive) {
            return Err(Error::invalid(
                "name",
                "A name has no control characters and no marks that change the writing direction.",
            ));
        }
        Ok(KeyName(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Characters that make text look like other text in a page, a log or a terminal.
pub fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{61c}' | '\u{feff}')
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_trimmed_and_bounded_in_characters() {
        assert_eq!(KeyName::parse("  nightly backup ").unwrap().as_str(), "nightly backup");
        assert!(KeyName::parse(&"ü".repeat(100)).is_ok());
        assert!(KeyName::parse("<script>alert(1)</script>").is_ok());
        for bad in ["", "   ", "a\nb", "a\u{202e}b", "a\0b", &"x".repeat(101)] {
            assert!(KeyName::parse(bad).is_err(), "{bad:?}");
        }
    }
}
