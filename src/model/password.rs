//! A password as typed, and the rules for a new one (NIST SP 800-63B-4 §3.1.1.2): a minimum length and a blocklist, but
//! no composition rules.

use std::fmt;

use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

use super::Email;
use crate::error::{Error, Result};

/// A password, normalised to NFKC and never truncated. `Debug` prints only the type.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// Minimum length in code points; the password is the only factor.
    pub const MIN: usize = 15;
    /// Maximum length in bytes, as typed.
    pub const MAX: usize = 1024;

    /// Parses any password that somebody could already have; for sign-in.
    pub fn parse(typed: &str) -> Result<Self> {
        if typed.len() > Self::MAX {
            return Err(Error::invalid("password", "Use a password of up to 1,024 bytes."));
        }
        if typed.is_empty() {
            return Err(Error::invalid("password", "Enter a password."));
        }
        // The buffer is allocated once at the maximum size (UAX #15: NFKC makes text at most eleven times as long), so
        // that it is not reallocated, which would leave a copy behind.
        let mut text = Zeroizing::new(String::with_capacity(typed.len() * 11));
        text.extend(typed.nfkc());
        Ok(Password(text))
    }

    /// A new password for `email`.
    pub fn parse_new(typed: &str, email: &Email) -> Result<Self> {
        let password = Self::parse(typed)?;
        // The smaller of the lengths before and after NFKC counts: it turns one character into three (¾), and two into
        // one (e and its accent).
        if typed.chars().count().min(password.0.chars().count()) < Self::MIN {
            return Err(Error::invalid("password", "Use a password of at least 15 characters."));
        }
        if password.is_guessable(email) {
            return Err(Error::invalid(
                "password",
                "This password is too easy to guess. Avoid common words, names and your email; four random words work \
                 well.",
            ));
        }
        Ok(password)
    }

    /// Whether it can be guessed from word lists, names, dates and patterns within ten million guesses. The lists are
    /// zxcvbn's: some 90,000 common and breached passwords, words and names.
    fn is_guessable(&self, email: &Email) -> bool {
        let (local, domain) = email.as_str().split_once('@').unwrap_or((email.as_str(), ""));
        let site = domain.split('.').next().unwrap_or_default();
        // Only the beginning is estimated, because the cost grows with the square of the length.
        let head: String = self.0.chars().take(64).collect();
        let guesses =
            zxcvbn::zxcvbn(&head, &[email.as_str(), local, domain, site, "keybearer", "api", "key"]).guesses();
        let one_character = self.0.chars().all(|c| self.0.starts_with(c));
        guesses < 10_000_000 || one_character
    }

    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(typed: &str) -> Result<Password> {
        Password::parse_new(typed, &Email::parse("ada.lovelace@example.com").unwrap())
    }

    #[test]
    fn a_long_uncommon_password_is_accepted() {
        for good in
            ["correct horse battery staple", "qzvkwmxrtplbncd", "ünïcödé pässwörter", &"long winded tale ".repeat(60)]
        {
            assert!(new(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn short_common_and_personal_passwords_are_refused() {
        for bad in [
            "",
            "short",
            "fourteen chars",
            "twelve and ¾ +",
            "keybearer12345678",
            "ada.lovelace@example.com",
            "password1234567",
            "aaaaaaaaaaaaaaaaaaaa",
            "123456789012345",
            &"x".repeat(1025),
        ] {
            assert!(new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn compatible_unicode_spellings_are_one_password() {
        assert_eq!(Password::parse("ﬁve").unwrap().expose(), Password::parse("five").unwrap().expose());
    }
}
