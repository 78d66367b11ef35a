//! The ways in which a text may be written: as it stands, in UTF-16 or UTF-32, percent-encoded, in the strings of
//! JSON, in base64. A log can hold several at once (Windows programs append one to another), so what a text begins
//! with decides nothing: each piece is read in each way that it has a sign of.

use std::borrow::Cow;

use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD};

use super::Edges;

/// Longer runs are files, not credentials.
const LONGEST_BASE64: usize = 4096;

/// A way of reading a piece.
pub(super) struct Reading<'a> {
    pub text: Cow<'a, [u8]>,
    pub edges: Edges,
}

/// All of them. Escapes are undone only in the parts that have some, which then stand side by side.
pub(super) fn of(text: &[u8], edges: Edges) -> Vec<Reading<'_>> {
    let mut readings = vec![Reading { text: Cow::Borrowed(text), edges }];
    if text.contains(&0) {
        let narrow = text.iter().copied().filter(|byte| *byte != 0).collect();
        let wide = utf16(text).map(String::into_bytes);
        readings.extend([narrow].into_iter().chain(wide).map(|text| Reading { text: Cow::Owned(text), edges }));
    }
    for at in 0..readings.len() {
        let Reading { text, edges } = &readings[at];
        let is_percent = |part: &[u8]| part[0] == b'%' && part[1..].iter().all(u8::is_ascii_hexdigit);
        let percent = parts(text, *edges, |part| part.windows(3).any(is_percent));
        let percent = percent.map(|(text, edges)| (percent_encoding::percent_decode(&text).collect(), edges));
        let escaped = parts(text, *edges, |part| part.contains(&b'\\'));
        let escaped = escaped.map(|(text, edges)| (unescaped(&text), edges));
        let undone = percent.into_iter().chain(escaped);
        readings.extend(undone.map(|(text, edges)| Reading { text: Cow::Owned(text), edges }).collect::<Vec<_>>());
    }
    readings
}

/// The parts between blanks that are of interest, a line each.
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

/// As UTF-16 in both byte orders, with the zero bytes where those of ASCII are.
fn utf16(text: &[u8]) -> [String; 2] {
    let zeros = |parity: usize| text.iter().skip(parity).step_by(2).filter(|byte| **byte == 0).count();
    let at = usize::from(zeros(1) > zeros(0));
    let decode = |start: usize, unit: fn([u8; 2]) -> u16| {
        let units = text.get(start..).unwrap_or_default().chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
        char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
    };
    [decode(1 - at, u16::from_le_bytes), decode(at, u16::from_be_bytes)]
}

/// With the escapes of JSON strings (RFC 8259 §7) undone; what is no escape stays.
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

/// What the runs of base64 in this text say, where it is text of at least `shortest` bytes: credentials of HTTP
/// Basic (RFC 7617), values of secrets in YAML.
pub(super) fn in_base64(text: &[u8], edges: Edges, shortest: usize) -> impl Iterator<Item = Vec<u8>> {
    let runs = text.split(|byte| !is_base64(*byte)).scan(0, |next, run| {
        let start = std::mem::replace(next, *next + run.len() + 1);
        Some((start, run))
    });
    let worth_it = move |run: &[u8]| run.len() * 3 / 4 >= shortest.max(12) && run.len() <= LONGEST_BASE64;
    runs.filter(move |(_, run)| worth_it(run)).filter_map(move |(start, run)| {
        let is_whole = (edges.starts_whole || start > 0) && (edges.ends_whole || start + run.len() < text.len());
        let alphabet = if run.iter().any(|byte| matches!(byte, b'-' | b'_')) { BASE64URL_NOPAD } else { BASE64_NOPAD };
        let decoded = is_whole.then(|| alphabet.decode(run).ok()).flatten()?;
        decoded.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\t' | b'\r' | b'\n')).then_some(decoded)
    })
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_')
}
