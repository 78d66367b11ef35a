//! Text that is chosen by someone else and stored, such as a user agent or a name. It may contain a key by mistake,
//! and keys are never stored.

use std::borrow::Cow;
use std::ops::Range;

use super::characters::is_deceptive;
use super::{KeyPrefix, PlainKey};

/// Maximum stored length of a user agent, in bytes.
pub const MAX_CHARS: usize = 200;
/// Length of the secret and the checksum.
const TAIL: usize = 49;
const IN_PLACE_OF_A_KEY: &[u8] = b"[key]";

/// Positions of our keys in the text, in order.
pub fn keys_in(text: &[u8]) -> impl Iterator<Item = Range<usize>> + '_ {
    let separators = text.iter().enumerate().filter(|(_, byte)| **byte == b'_').map(|(at, _)| at);
    separators.filter_map(|separator| {
        let end = separator + 1 + TAIL;
        text.get(separator + 1..end)?.iter().all(|byte| is_in_key(*byte)).then_some(())?;
        let starts = separator.saturating_sub(KeyPrefix::MAX)..separator;
        starts.map(|start| start..end).find(|key| PlainKey::is_well_formed(&text[key.clone()]))
    })
}

pub fn has_key(text: &str) -> bool {
    keys_in(text.as_bytes()).next().is_some()
}

/// The text without our keys, and without the beginning of a key that was cut off at its end.
pub fn without_keys(text: &[u8]) -> Cow<'_, [u8]> {
    let end = if text.len() >= MAX_CHARS { text.len() - possible_beginning(text) } else { text.len() };
    without_whole_keys(&text[..end])
}

/// A message of any length that quotes someone's input, without the keys in it.
pub fn message_without_keys(text: &str) -> Cow<'_, str> {
    match without_whole_keys(text.as_bytes()) {
        Cow::Borrowed(_) => Cow::Borrowed(text),
        Cow::Owned(kept) => Cow::Owned(String::from_utf8_lossy(&kept).into_owned()),
    }
}

fn without_whole_keys(text: &[u8]) -> Cow<'_, [u8]> {
    let mut keys = keys_in(text).peekable();
    if keys.peek().is_none() {
        return Cow::Borrowed(text);
    }
    let (mut rest, mut kept) = (0, Vec::with_capacity(text.len()));
    for key in keys {
        if key.start >= rest {
            kept.extend_from_slice(&text[rest..key.start]);
            kept.extend_from_slice(IN_PLACE_OF_A_KEY);
        }
        rest = rest.max(key.end);
    }
    kept.extend_from_slice(&text[rest..]);
    Cow::Owned(kept)
}

/// A user agent as it is stored and shown: bounded, without keys and without deceptive characters.
pub fn user_agent(sent: &[u8]) -> String {
    let sent = &sent[..sent.len().min(MAX_CHARS)];
    String::from_utf8_lossy(&without_keys(sent)).chars().filter(|c| !is_deceptive(*c)).take(MAX_CHARS).collect()
}

/// How many bytes at the end may be the beginning of a key.
fn possible_beginning(text: &[u8]) -> usize {
    let word = text.iter().rev().take_while(|byte| is_in_key(**byte)).count();
    if text[text.len() - word..].contains(&b'_') { word } else { 0 }
}

fn is_in_key(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(prefix: &str, byte: u8) -> String {
        PlainKey::generate(&KeyPrefix::parse(prefix).unwrap(), &[byte; 32]).expose().to_owned()
    }

    #[test]
    fn keys_are_removed_wherever_they_appear() {
        let (one, two) = (key("kb", 1), key("acme_live", 255));
        assert_eq!(user_agent(b"curl/8.5.0 (x_y)"), "curl/8.5.0 (x_y)");
        assert_eq!(user_agent(one.as_bytes()), "[key]");
        assert_eq!(user_agent(format!("a={one}&b {two} c").as_bytes()), "a=[key]&b [key] c");
        let cut = format!("{} {one}", "x".repeat(MAX_CHARS - 40));
        assert_eq!(user_agent(cut.as_bytes()), format!("{} ", "x".repeat(MAX_CHARS - 40)));
        assert_eq!(user_agent(&[0xff, b'a', b'\n']), "\u{fffd}a");
    }

    proptest! {
        #[test]
        fn no_text_keeps_a_key(before: String, secret: [u8; 32], after: String) {
            let key = PlainKey::generate(&KeyPrefix::parse("kb").unwrap(), &secret);
            let text = format!("{before} {} {after}", key.expose());
            let kept = without_keys(text.as_bytes());
            prop_assert!(!String::from_utf8_lossy(&kept).contains(key.expose()));
            prop_assert_eq!(keys_in(&kept).count(), 0);
            prop_assert!(!user_agent(text.as_bytes()).contains(&key.expose()[3..35]));
            prop_assert!(!message_without_keys(&text).contains(&key.expose()[3..35]));
        }

        #[test]
        fn text_without_keys_is_unchanged(text in "[ -~]{0,199}") {
            prop_assume!(keys_in(text.as_bytes()).next().is_none());
            prop_assert_eq!(&*without_keys(text.as_bytes()), text.as_bytes());
        }
    }
}
