//! The name of a key.

use std::fmt;

use unicode_normalization::char::{canonical_combining_class, is_combining_mark};

use super::characters::is_deceptive;
use super::foreign_text;
use crate::error::{Error, Result};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyName(String);

impl KeyName {
    /// Maximum length in characters (Unicode scalar values).
    pub const MAX: usize = 100;

    pub fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        if !text.chars().any(is_visible) {
            return Err(Error::invalid("name", "Enter a name."));
        }
        if text.chars().count() > Self::MAX {
            return Err(Error::invalid("name", "Use a name of up to 100 characters."));
        }
        if text.chars().any(|c| is_deceptive(c) && c != BREAK) {
            return Err(Error::invalid(
                "name",
                "A name must not contain control characters or marks that change the writing direction.",
            ));
        }
        if !joiners_are_in_place(text) || !breaks_are_in_place(text) || !tags_are_in_place(text) {
            return Err(Error::invalid(
                "name",
                "The name contains an invisible character that has no effect there. Type the name again.",
            ));
        }
        if foreign_text::has_key(text) {
            return Err(Error::invalid("name", "The name contains a key. Keys are never stored: choose another name."));
        }
        Ok(KeyName(text.to_owned()))
    }

    /// The name as stored, where it may be damaged.
    pub fn stored(text: String) -> Self {
        KeyName(text)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// ZERO WIDTH SPACE: marks a possible line break in scripts that write no spaces between words.
const BREAK: char = '\u{200b}';

/// ZERO WIDTH NON-JOINER and ZERO WIDTH JOINER: part of the spelling in some scripts, and the glue that makes one emoji
/// out of several. Elsewhere they are invisible.
pub fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}')
}

/// Whether the character is visible by itself. Combining marks need a base letter; the other invisible ones are
/// Unicode's Default_Ignorable_Code_Points and the letters and symbols that are blank.
fn is_visible(c: char) -> bool {
    let is_ignorable = matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}');
    // Noncharacters (Unicode 23.7): no font has a glyph for them.
    let is_ignorable = is_ignorable || matches!(c, '\u{fdd0}'..='\u{fdef}') || u32::from(c) & 0xfffe == 0xfffe;
    let is_blank = matches!(c, '\u{2800}' | '\u{16fe4}' | '\u{1d159}' | '\u{13430}'..='\u{1345f}');
    !(c.is_whitespace() || c.is_control() || is_combining_mark(c) || is_ignorable || is_blank)
}

/// Joiners must stand next to a letter of a script that uses them (RFC 5892 appendix A and UAX #31 §2.3 give the
/// details) or between two emoji (UAX #29, GB11), one at a time. ZERO WIDTH JOINER changes the shape of a word's last
/// letter; ZERO WIDTH NON-JOINER does so only after a virama.
fn joiners_are_in_place(text: &str) -> bool {
    // The character that the preceding marks belong to.
    let mut base = None;
    let mut before = None;
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        if is_joiner(c) {
            let after = characters.peek().copied().filter(|after| !is_joiner(*after) && !after.is_whitespace());
            let follows_virama = before.is_some_and(|before| canonical_combining_class(before) == 9);
            let is_zwj = c == '\u{200d}';
            let joins_emoji = is_zwj && base.is_some_and(is_emoji) && after.is_some_and(is_emoji);
            let ends_letter = base.is_some_and(uses_joiners) && (is_zwj || after.is_some());
            let begins_letter = base.is_some_and(char::is_alphanumeric) && after.is_some_and(uses_joiners);
            let is_second = before.is_some_and(is_joiner);
            if is_second || !(joins_emoji || follows_virama || ends_letter || begins_letter) {
                return false;
            }
        } else if !is_combining_mark(c) && !is_emoji_modifier(c) {
            base = Some(c);
        }
        before = Some(c);
    }
    true
}

/// Scripts whose letters join or stack: the Arabic family and N'Ko, the Brahmic scripts of South and South-East Asia,
/// Mongolian, Adlam and their historic relatives, by block.
fn uses_joiners(c: char) -> bool {
    matches!(c,
        '\u{600}'..='\u{dff}' | '\u{f00}'..='\u{109f}' | '\u{1700}'..='\u{18af}' | '\u{1a00}'..='\u{1c4f}'
        | '\u{a800}'..='\u{a8ff}' | '\u{a930}'..='\u{a95f}' | '\u{a980}'..='\u{aaff}' | '\u{abc0}'..='\u{abff}'
        | '\u{fb50}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}' | '\u{10a00}'..='\u{10bff}' | '\u{10d00}'..='\u{10fff}'
        | '\u{11000}'..='\u{11fff}' | '\u{1e900}'..='\u{1e95f}')
}

/// Breaks must stand between two letters of such scripts, where they separate words.
fn breaks_are_in_place(text: &str) -> bool {
    let characters: Vec<char> = text.chars().collect();
    let at = |position: Option<usize>| position.and_then(|at| characters.get(at)).copied();
    characters.iter().enumerate().filter(|(_, c)| **c == BREAK).all(|(here, _)| {
        let neighbours = [at(here.checked_sub(1)), at(here.checked_add(1))];
        neighbours.into_iter().all(|c| c.is_some_and(writes_no_spaces))
    })
}

/// Thai, Lao, Tibetan, Myanmar, Khmer, Tai and Javanese, by block.
fn writes_no_spaces(c: char) -> bool {
    matches!(c, '\u{e00}'..='\u{109f}' | '\u{1780}'..='\u{17ff}' | '\u{1950}'..='\u{19ff}' | '\u{1a20}'..='\u{1aaf}'
        | '\u{a980}'..='\u{a9ff}' | '\u{aa00}'..='\u{aadf}')
}

/// Extended_Pictographic, by block.
fn is_emoji(c: char) -> bool {
    matches!(c, '\u{a9}' | '\u{ae}' | '\u{203c}' | '\u{2049}' | '\u{2122}' | '\u{2139}' | '\u{2190}'..='\u{21ff}'
        | '\u{2300}'..='\u{23ff}' | '\u{25a0}'..='\u{27bf}' | '\u{2900}'..='\u{297f}' | '\u{2b00}'..='\u{2bff}'
        | '\u{3030}' | '\u{303d}' | '\u{3297}' | '\u{3299}' | '\u{1f000}'..='\u{1faff}')
}

fn is_emoji_modifier(c: char) -> bool {
    matches!(c, '\u{1f3fb}'..='\u{1f3ff}')
}

/// Tag characters spell a flag after U+1F3F4 and end with U+E007F (UTS #51, ED-14a); elsewhere they are invisible text.
fn tags_are_in_place(text: &str) -> bool {
    let mut in_flag = false;
    for c in text.chars() {
        in_flag = match c {
            '\u{1f3f4}' => true,
            '\u{e0020}'..='\u{e007e}' if in_flag => true,
            '\u{e007f}' if in_flag => false,
            '\u{e0000}'..='\u{e007f}' => return false,
            _ => false,
        };
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_trimmed_and_bounded_in_characters() {
        assert_eq!(KeyName::parse("  nightly backup ").unwrap().as_str(), "nightly backup");
        assert!(KeyName::parse(&"ü".repeat(100)).is_ok());
        assert!(KeyName::parse("<script>alert(1)</script>").is_ok());
        for bad in ["", "   ", "a\nb", "a\u{202e}b", "a\u{2066}b", "a\u{200f}b", "a\u{200b}b", "a\0b", &"x".repeat(101)]
        {
            assert!(KeyName::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn joiners_are_kept_where_a_script_or_an_emoji_needs_them() {
        for good in [
            "می\u{200c}خواهم",
            "کار\u{200c}ها",
            "ه\u{200d}.ش",
            "क्\u{200d}ष",
            "क्\u{200c}ष",
            "র\u{200d}্যাব",
            "ශ්\u{200d}රී",
            "👩\u{200d}💻 deploy",
            "👩🏽\u{200d}🚀",
            "❤\u{fe0f}\u{200d}🔥",
            "👨\u{200d}👩\u{200d}👧\u{200d}👦",
            "🏳\u{fe0f}\u{200d}🌈",
            "🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}",
            "🇺🇳",
            "छन्\u{200c}",
            "छन्\u{200c} 2",
            "ന്\u{200d}",
            "ত্\u{200d}",
            "ه\u{200d}",
            "API\u{200c}ها",
            "2\u{200c}تایی",
            "ភាសា\u{200b}ខ្មែរ",
            "ภาษา\u{200b}ไทย",
        ] {
            assert_eq!(KeyName::parse(good).unwrap().as_str(), good, "{good:?}");
        }
        for bad in [
            "pay\u{200d}pal",
            "a\u{200c}b",
            "\u{200d}a",
            "a\u{200d}",
            "می\u{200c}",
            "می\u{200c}\u{200c}خ",
            "ه\u{200d}\u{200d}",
            "می\u{200c} خ",
            "\u{200c}ها",
            "a \u{200c}ها",
            "ภาษา\u{200b}",
            "ภ\u{200b}\u{200b}ไ",
            "ภ\u{200b}a",
            "👩\u{200d}",
            "👩\u{200d}a",
            "👩\u{200c}💻",
            "a\u{e0061}\u{e007f}",
            "🏴 \u{e0067}",
        ] {
            assert!(KeyName::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_name_without_visible_characters_is_refused() {
        for blank in [
            "\u{3164}",
            "\u{3164}\u{3164} \u{3164}",
            "\u{2800}",
            "\u{115f}\u{1160}",
            "\u{ffa0}",
            "\u{200d}",
            "\u{200c}\u{200d}",
            "\u{301}",
            "\u{ad}",
            "\u{34f}",
            "\u{fe0f}",
            "\u{180e}",
            "\u{a0}\u{2003}\u{3000}",
            "\u{e0061}",
            "\u{fdd0}",
            "\u{ffff}\u{1fffe}",
        ] {
            assert!(KeyName::parse(blank).is_err(), "{blank:?}");
        }
        assert!(KeyName::parse("e\u{301}\u{2800}").is_ok());
    }

    proptest! {
        #[test]
        fn any_accepted_name_is_visible_and_survives_a_round_trip(text: String) {
            if let Ok(name) = KeyName::parse(&text) {
                prop_assert!(name.as_str().chars().any(is_visible));
                prop_assert!(!name.as_str().chars().any(|c| is_deceptive(c) && c != BREAK));
                let again = KeyName::parse(name.as_str()).unwrap();
                prop_assert_eq!(again, name);
            }
        }

        #[test]
        fn joiners_between_letters_that_do_not_join_are_refused(left in "[a-zA-Z0-9а-яα-ω]{1,5}", right in "[a-zA-Z0-9а-яα-ω]{1,5}", joiner in "[\u{200c}\u{200d}]{1,3}") {
            let (hidden, plain) = (format!("{left}{joiner}{right}"), format!("{left}{right}"));
            prop_assert!(KeyName::parse(&hidden).is_err());
            prop_assert!(KeyName::parse(&plain).is_ok());
        }
    }
}
