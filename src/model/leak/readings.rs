//! The encodings in which a text may be read: as it is, UTF-16 or UTF-32, percent-encoded, or as JSON strings (each is
//! also searched for base64). A log can mix several, since Windows programs append to each other's files. The start of
//! the text therefore does not tell the encoding: each piece is read in every encoding of which it shows signs.

use std::borrow::Cow;
use std::iter::successors;

use super::Edges;

/// Maximum nesting of JSON strings within JSON strings whose escapes are undone.
const MAX_DEPTH: usize = 4;

/// One way of reading a piece.
pub(super) struct Reading<'a> {
    pub text: Cow<'a, [u8]>,
    pub edges: Edges,
}

/// All readings. Escapes are undone only in the parts that have some; those parts are then put on consecutive lines.
pub(super) fn of(text: &[u8], edges: Edges) -> Vec<Reading<'_>> {
    let mut readings = vec![Reading { text: Cow::Borrowed(text), edges }];
    if text.contains(&0) {
        readings.extend(wide(text).map(|text| Reading { text: Cow::Owned(text), edges }));
    }
    for at in 0..readings.len() {
        let Reading { text, edges } = &readings[at];
        let is_percent = |part: &[u8]| part[0] == b'%' && part[1..].iter().all(u8::is_ascii_hexdigit);
        let percent = parts(text, *edges, |part| part.windows(3).any(is_percent));
        let percent = percent.map(|(text, edges)| (percent_encoding::percent_decode(&text).collect(), edges));
        let escaped = |text: &[u8], edges| {
            let escaped = parts(text, edges, |part| part.contains(&b'\\'));
            escaped.map(|(text, edges)| (unescaped(&text), edges))
        };
        let escaped = successors(escaped(text, *edges), |(text, edges)| escaped(text, *edges)).take(MAX_DEPTH);
        let undone = percent.into_iter().chain(escaped);
        readings.extend(undone.map(|(text, edges)| Reading { text: Cow::Owned(text), edges }).collect::<Vec<_>>());
    }
    readings
}

/// The readings of a text with zero bytes: without them, and as UTF-16.
pub(super) fn wide(text: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let narrow = text.iter().copied().filter(|byte| *byte != 0).collect();
    [narrow].into_iter().chain(utf16(text).map(String::into_bytes))
}

/// The wanted parts, which are separated by white space, one per line.
fn parts(text: &[u8], edges: Edges, is_wanted: impl Fn(&[u8]) -> bool) -> Option<(Vec<u8>, Edges)> {
    let (mut wanted, mut kept) = (Vec::new(), edges);
    let mut next = 0;
    for part in text.split(u8::is_ascii_whitespace) {
        let (start, end) = (next, next + part.len());
        next = end + 1;
        if is_wanted(part) {
            if wanted.is_empty() {
                kept.starts_whole = edges.starts_whole || start > 0;
            } else {
                wanted.push(b'\n');
            }
            wanted.extend_from_slice(part);
            kept.ends_whole = edges.ends_whole || end < text.len();
        }
    }
    (!wanted.is_empty()).then_some((wanted, kept))
}

/// Reads the text as UTF-16 in both byte orders, aligned to the zero bytes of its ASCII characters.
fn utf16(text: &[u8]) -> [String; 2] {
    let zeros = |parity: usize| text.iter().skip(parity).step_by(2).filter(|byte| **byte == 0).count();
    let at = usize::from(zeros(1) > zeros(0));
    let decode = |start: usize, unit: fn([u8; 2]) -> u16| {
        let units = text.get(start..).unwrap_or_default().chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
        char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
    };
    [decode(1 - at, u16::from_le_bytes), decode(at, u16::from_be_bytes)]
}

/// Undoes the escapes of JSON strings (RFC 8259 §7); anything else is kept.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, after @ ..] = rest {
        let (byte, after) = match (first, after) {
            (b'\\', [escape @ (b'"' | b'\\' | b'/'), after @ ..]) => (*escape, after),
            (b'\\', [b'b' | b'f' | b'n' | b'r' | b't', after @ ..]) => (b'\n', after),
            (b'\\', [b'u', a, b, c, d, after @ ..]) => match hexadecimal([*a, *b, *c, *d]) {
                Some(c) => {
                    plain.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                    rest = after;
                    continue;
                }
                None => (b'\\', &rest[1..]),
            },
            (first, after) => (*first, after),
        };
        plain.push(byte);
        rest = after;
    }
    plain
}

fn hexadecimal(digits: [u8; 4]) -> Option<char> {
    let digits = std::str::from_utf8(&digits).ok()?;
    let code = u32::from_str_radix(digits, 16).ok()?;
    Some(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER))
}
