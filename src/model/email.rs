//! An email address in its one canonical form, used for sign-in, throttling and uniqueness.

use std::fmt;

use super::foreign_text::has_key;
use crate::error::{Error, Result};

/// A lower-case ASCII address without surrounding white space. Letters beyond ASCII are refused, not mapped: case
/// mapping can merge two addresses (Django CVE-2019-19844).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Email(String);

impl Email {
    pub const MAX: usize = 254;

    pub fn parse(text: &str) -> Result<Self> {
        let text = text.trim_matches([' ', '\t', '\r', '\n']);
        let wrong = |message| Err(Error::invalid("email", message));
        if text.len() > Self::MAX {
            return wrong("Use an email address of up to 254 characters.");
        }
        if !text.bytes().all(|b| b.is_ascii_graphic()) {
            return wrong("An email address must not contain spaces, control characters or non-ASCII letters.");
        }
        let well_formed = text.rsplit_once('@').is_some_and(|(local, domain)| {
            !local.is_empty()
                && !local.contains(['@', '"', '<', '>', '(', ')', ',', ';', ':', '\\', '[', ']'])
                && !domain.is_empty()
                && domain.split('.').all(|label| {
                    !label.is_empty()
                        && !label.starts_with('-')
                        && !label.ends_with('-')
                        && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
                })
        });
        if has_key(text) {
            return wrong("This address contains a key. Keys are never stored: enter an email address.");
        }
        if !well_formed {
            return wrong("Enter an email address such as ada@example.com.");
        }
        Ok(Email(text.to_ascii_lowercase()))
    }

    /// The address as stored, and whether it is valid. Characters that could break a header or a terminal are replaced
    /// by `?`; the result is nobody's address.
    pub fn stored(text: &str) -> (Self, bool) {
        match Self::parse(text) {
            Ok(email) if email.0 == text => (email, true),
            _ => {
                let harmless = |c: char| if c.is_ascii_graphic() { c } else { '?' };
                (Email(text.chars().map(harmless).collect()), false)
            }
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl serde::Serialize for Email {
    fn serialize<S: serde::Serializer>(&self, s: S) -> std::result::Result<S::Ok, S::Error> {
        s.serialize_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_email_has_one_spelling() {
        for text in ["ada@example.com", " Ada@Example.COM ", "ADA@EXAMPLE.COM\n"] {
            assert_eq!(Email::parse(text).unwrap().as_str(), "ada@example.com");
        }
    }

    #[test]
    fn a_stored_address_is_always_read_and_an_invalid_one_is_reported() {
        assert_eq!(Email::stored("ada@example.com"), (Email::parse("ada@example.com").unwrap(), true));
        for (damaged, read) in
            [("Ada@example.com", "Ada@example.com"), ("a b\r\n", "a?b??"), ("", ""), ("mıke@x.y", "m?ke@x.y")]
        {
            let (email, is_address) = Email::stored(damaged);
            assert_eq!((email.as_str(), is_address), (read, false));
        }
    }

    #[test]
    fn look_alikes_and_nonsense_are_refused() {
        for text in [
            "",
            "a",
            "@b",
            "a@",
            "mıke@example.com",
            "\u{212a}im@example.com",
            "ａda@example.com",
            "a b@example.com",
            "a\0@example.com",
            "a@b@c.d",
            "a@-b.c",
            "a@b..c",
            "<a@b.c>",
            &format!("{}@b.c", "a".repeat(260)),
        ] {
            assert!(Email::parse(text).is_err(), "{text}");
        }
    }
}
