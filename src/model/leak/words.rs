//! The words of a text: whatever is between two delimiters. A delimiter such as `:` or `/` may also be part of a word,
//! so longer words that contain several of them are reported too.

use super::Edges;

/// Minimum length in bytes. There are too many shorter words, and none of them is a key.
pub const MIN_WORD_BYTES: usize = 4;
/// Maximum length in bytes of a key that is looked up.
pub const MAX_WORD_BYTES: usize = 1024;
/// From each start, words are reported that end at one of this many next delimiters, or at the end of the run.
const PASSED: usize = 6;
/// Maximum length of the parameters of a control sequence, in bytes.
const MAX_SEQUENCE: usize = 32;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    /// A byte that is part of a word.
    Inner,
    /// A byte that can be part of a word or end it.
    Either,
    /// A byte that ends a word: white space, a control character, a quote.
    Outer,
    /// The first byte of a character that may end a word, or of a terminal control sequence.
    Lead,
    /// Part of a UTF-8 character; alone, a punctuation mark of Windows-1252: … ‘ ’ “ ” – — and so on.
    Stray,
}

const CLASSES: [Class; 256] = {
    let mut classes = [Class::Inner; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = match byte as u8 {
            0..=0x1a | 0x1c..=0x20 | 0x7f | b'"' | b'\'' | b'`' | b'<' | b'>' | b'\\' | 0xfe | 0xff => Class::Outer,
            b',' | b';' | b'=' | b'&' | b'?' | b'(' | b')' | b'[' | b']' | b'{' | b'}' => Class::Either,
            b':' | b'/' | b'@' | b'#' | b'|' | b'!' | b'.' | b'*' | b'~' | b'^' | b'$' => Class::Either,
            0x1b | 0xc2 | 0xe2 | 0xe3 | 0xef => Class::Lead,
            0x82 | 0x84 | 0x85 | 0x8b | 0x91..=0x97 | 0x9b | 0xa0 | 0xab | 0xb4 | 0xb7 | 0xbb => Class::Stray,
            _ => Class::Inner,
        };
        byte += 1;
    }
    classes
};

/// Calls `found` with each word. No word begins or ends at an edge that is not whole.
pub(super) fn each(text: &[u8], edges: Edges, found: &mut dyn FnMut(&[u8])) {
    let (mut start, mut starts_whole, mut cuts) = (0, edges.starts_whole, Vec::new());
    let mut at = 0;
    while at < text.len() {
        match outer(text, at) {
            0 => {
                match CLASSES[usize::from(text[at])] {
                    Class::Either => cuts.push(at - start),
                    Class::Stray if !is_in_character(text, at) => cuts.push(at - start),
                    _ => {}
                }
                at += 1;
            }
            length => {
                in_run(&text[start..at], &cuts, Edges { starts_whole, ends_whole: true }, found);
                at += length;
                (start, starts_whole) = (at, true);
                cuts.clear();
            }
        }
    }
    in_run(&text[start..], &cuts, Edges { starts_whole, ends_whole: edges.ends_whole }, found);
}

/// The length of the character at `at`, if it ends a word.
fn outer(text: &[u8], at: usize) -> usize {
    match CLASSES[usize::from(text[at])] {
        Class::Outer => 1,
        Class::Inner | Class::Either | Class::Stray => 0,
        Class::Lead => match text[at..] {
            [0x1b, ..] => control_sequence(&text[at..]),
            // No-break space, « and ».
            [0xc2, 0xa0 | 0xab | 0xbb, ..] => 2,
            // U+2000 to U+206F, general punctuation: spaces, dashes, quotes, direction marks.
            [0xe2, 0x80, ..] | [0xe2, 0x81, 0x80..=0xaf, ..] => 3.min(text.len() - at),
            // The CJK space, comma and full stop, and CJK brackets.
            [0xe3, 0x80, 0x80..=0x82 | 0x88..=0x91, ..] => 3,
            // The byte-order mark and the replacement character.
            [0xef, 0xbb, 0xbf, ..] | [0xef, 0xbf, 0xbd, ..] => 3,
            // Full-width ! " ' ( ) , . : ; < = > ? [ ] { } and the half-width brackets and marks.
            [0xef, 0xbc, 0x81 | 0x82 | 0x87..=0x89 | 0x8c | 0x8e | 0x9a..=0x9f | 0xbb | 0xbd, ..] => 3,
            [0xef, 0xbd, 0x9b | 0x9d | 0xa1..=0xa4, ..] => 3,
            _ => 0,
        },
    }
}

/// The length of a terminal control sequence (ECMA-48 §5.4): ESC, `[`, parameters and a letter, which would otherwise
/// be taken as part of the next word. ESC alone ends a word too.
fn control_sequence(text: &[u8]) -> usize {
    let length = |from: usize, inner: fn(&u8) -> bool, last: fn(&u8) -> bool| {
        let rest = text.get(from..)?;
        let inner = rest.iter().take(MAX_SEQUENCE).take_while(|byte| inner(byte)).count();
        rest.get(inner).filter(|byte| last(byte)).map(|_| from + inner + 1)
    };
    let length = match text {
        [_, b'[', ..] => length(2, |byte| matches!(byte, 0x20..=0x3f), |byte| matches!(byte, 0x40..=0x7e)),
        // A character-set selection, for example ESC ( B.
        [_, b'('..=b'/', ..] => length(2, |_| false, |byte| byte.is_ascii_alphanumeric()),
        _ => None,
    };
    length.unwrap_or(1)
}

/// Whether the byte at `at` continues a UTF-8 character that began before it.
fn is_in_character(text: &[u8], at: usize) -> bool {
    (1..=3.min(at)).any(|back| {
        let start = at - back;
        let length = match text[start] {
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            _ => return false,
        };
        let character = &text[start..text.len().min(start + length)];
        // At the end of a piece, the rest of the character has not arrived yet.
        length > back && std::str::from_utf8(character).map_or_else(|error| error.error_len().is_none(), |_| true)
    })
}

/// The words of a run without an outer delimiter; `cuts` are the positions of the other delimiters.
fn in_run(run: &[u8], cuts: &[usize], edges: Edges, found: &mut dyn FnMut(&[u8])) {
    let mut from = |start: usize, cuts: &[usize]| {
        let near = cuts.iter().take(PASSED).copied();
        for end in near.chain(edges.ends_whole.then_some(run.len())) {
            if (MIN_WORD_BYTES..=MAX_WORD_BYTES).contains(&(end - start)) {
                found(&run[start..end]);
            }
        }
    };
    if edges.starts_whole {
        from(0, cuts);
        // The line may be from a diff, whose mark is not part of the word.
        if matches!(run, [b'+' | b'-', ..]) {
            from(1, &cuts[cuts.partition_point(|cut| *cut < 1)..]);
        }
    }
    for (number, cut) in cuts.iter().enumerate() {
        from(cut + 1, &cuts[number + 1..]);
    }
}
