//! The words of a text: what stands between two delimiters. A delimiter such as `:` or `/` may as well be a part of
//! the word, so each word is offered up to several of them.

use super::Edges;

/// In bytes. Shorter ones are too many, and nobody's keys.
pub const SHORTEST_WORD: usize = 4;
/// In bytes: the longest key that is looked up at all.
pub const LONGEST_WORD: usize = 1024;
/// How many of the delimiters that may be a part of a word are passed over.
const PASSED: usize = 6;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    /// A part of a word.
    Inner,
    /// A part of a word, or what ends it.
    Either,
    /// What ends a word: blanks, controls, quotes.
    Outer,
    /// The first byte of a character of which some end a word.
    Lead,
}

const CLASSES: [Class; 256] = {
    let mut classes = [Class::Inner; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = match byte as u8 {
            0..=0x20 | 0x7f | b'"' | b'\'' | b'`' | b'<' | b'>' | b'\\' | 0xfe | 0xff => Class::Outer,
            b',' | b';' | b'=' | b'&' | b'?' | b'(' | b')' | b'[' | b']' | b'{' | b'}' => Class::Either,
            b':' | b'/' | b'@' | b'#' | b'|' | b'!' | b'.' | b'*' => Class::Either,
            0xc2 | 0xe2 | 0xe3 | 0xef => Class::Lead,
            _ => Class::Inner,
        };
        byte += 1;
    }
    classes
};

/// Calls `found` with each word. At an edge that is not whole no word begins or ends.
pub(super) fn each(text: &[u8], edges: Edges, found: &mut dyn FnMut(&[u8])) {
    let (mut start, mut starts_whole, mut cuts) = (0, edges.starts_whole, Vec::new());
    let mut at = 0;
    while at < text.len() {
        match outer(text, at) {
            0 => {
                if CLASSES[usize::from(text[at])] == Class::Either {
                    cuts.push(at - start);
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

/// The length of the character here, if it ends a word.
fn outer(text: &[u8], at: usize) -> usize {
    match CLASSES[usize::from(text[at])] {
        Class::Outer => 1,
        Class::Inner | Class::Either => 0,
        Class::Lead => match text[at..] {
            // No-break space, « and ».
            [0xc2, 0xa0 | 0xab | 0xbb, ..] => 2,
            // U+2000 to U+206F, general punctuation: spaces, dashes, quotes, marks of direction.
            [0xe2, 0x80, ..] | [0xe2, 0x81, 0x80..=0xaf, ..] => 3.min(text.len() - at),
            // The space, comma and full stop of CJK, and their brackets.
            [0xe3, 0x80, 0x80..=0x82 | 0x88..=0x91, ..] => 3,
            // The byte-order mark, and what stands for a character that could not be read.
            [0xef, 0xbb, 0xbf, ..] | [0xef, 0xbf, 0xbd, ..] => 3,
            _ => 0,
        },
    }
}

/// The words of a run without an outer delimiter; `cuts` are the places of the others.
fn in_run(run: &[u8], cuts: &[usize], edges: Edges, found: &mut dyn FnMut(&[u8])) {
    let mut from = |start: usize, cuts: &[usize]| {
        let near = cuts.iter().take(PASSED).copied();
        for end in near.chain(edges.ends_whole.then_some(run.len())) {
            if (SHORTEST_WORD..=LONGEST_WORD).contains(&(end - start)) {
                found(&run[start..end]);
            }
        }
    };
    if edges.starts_whole {
        from(0, cuts);
        // A line of a diff.
        if matches!(run, [b'+' | b'-', ..]) {
            from(1, &cuts[cuts.partition_point(|cut| *cut < 1)..]);
        }
    }
    for (number, cut) in cuts.iter().enumerate() {
        from(cut + 1, &cuts[number + 1..]);
    }
}
