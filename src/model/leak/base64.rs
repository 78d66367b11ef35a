//! Finds base64 in a text: HTTP Basic credentials (RFC 7617), secret values in YAML, or a file that was encoded and
//! wrapped (RFC 2045 §6.8; `base64` wraps at 76 columns).

use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD};

use super::{Edges, readings};

/// Maximum length of a run without a line break; a longer one is a file, not a credential.
const MAX_RUN: usize = 4096;
/// Minimum decoded length in bytes; a shorter run is an ordinary word.
const MIN_DECODED_BYTES: usize = 12;
/// Minimum length of a line in a wrapped file.
const MIN_LINE: usize = 16;
/// Maximum length of the gap between two wrapped lines: the line break and the next line's indent or quote mark.
const MAX_BREAK: usize = 32;
/// Lines that belong together are decoded in overlapping windows of this many characters.
const WINDOW: usize = 4096;
/// The distance between the starts of two windows; the overlap fits the longest word.
const WINDOW_STEP: usize = 2048;

/// Calls `found` with every decoded run of at least `shortest` bytes, and whether a word may begin and end at its
/// edges.
pub(super) fn each(text: &[u8], edges: Edges, shortest: usize, found: &mut dyn FnMut(&[u8], Edges)) {
    let shortest = shortest.max(MIN_DECODED_BYTES);
    let (mut block, mut at) = (Block::default(), 0);
    for run in text.split(|byte| !is_base64(*byte)) {
        let (start, end) = (at, at + run.len());
        at = end + 1;
        let is_mark_of_a_diff = matches!(run, [b'+' | b'-']) && (start == 0 || text[start - 1] == b'\n');
        if run.is_empty() || is_mark_of_a_diff {
            continue;
        }
        let begins = edges.starts_whole || start > 0;
        let is_whole = begins && (edges.ends_whole || end < text.len());
        if is_whole && run.len() * 3 / 4 >= shortest && run.len() <= MAX_RUN {
            decode(run, WHOLE, found);
        }
        let goes_on = block.goes_on(text, start, run.len());
        if goes_on && is_whole {
            block.lines.push(run);
            block.end = end;
            continue;
        }
        block.decode(Edges { starts_whole: block.starts_whole, ends_whole: !goes_on }, shortest, found);
        let is_rest_of_one_before = block.is_cut && is_break(&text[block.end..start]);
        let lines = if is_whole && run.len() >= MIN_LINE { vec![run] } else { Vec::new() };
        block = Block { lines, end, starts_whole: !is_rest_of_one_before, is_cut: !begins };
    }
    let ends_whole = edges.ends_whole || !is_break(&text[block.end.min(text.len())..]);
    block.decode(Edges { starts_whole: block.starts_whole, ends_whole }, shortest, found);
}

/// Whether the decoded bytes are worth searching for words; most decoded runs are not text.
pub(super) fn is_text(decoded: &[u8]) -> bool {
    let is_plain = |c: char| !c.is_control() || matches!(c, '\t' | '\r' | '\n');
    std::str::from_utf8(decoded).is_ok_and(|text| text.chars().all(is_plain))
}

const WHOLE: Edges = Edges { starts_whole: true, ends_whole: true };

/// Wrapped lines that form one run: all but the last have the same length.
#[derive(Default)]
struct Block<'a> {
    lines: Vec<&'a [u8]>,
    /// Position in the text at which the last line ends.
    end: usize,
    /// False if a line may precede the first one, in a part of the text that was read before.
    starts_whole: bool,
    /// Whether the last run is the rest of a run that began in an earlier part; it is then not among the lines.
    is_cut: bool,
}

impl Block<'_> {
    fn goes_on(&self, text: &[u8], start: usize, length: usize) -> bool {
        let (Some(first), Some(last)) = (self.lines.first(), self.lines.last()) else { return false };
        last.len() == first.len() && length <= first.len() && is_break(&text[self.end..start])
    }

    fn decode(&self, edges: Edges, shortest: usize, found: &mut dyn FnMut(&[u8], Edges)) {
        let [first, _, ..] = self.lines[..] else { return };
        // The lines that were cut off decode to whole bytes only if the length of a line is a multiple of four.
        let is_aligned = edges.starts_whole || first.len().is_multiple_of(4);
        let mut decode = |lines: &[&[u8]]| {
            let joined = lines.concat();
            for skipped in 0..if is_aligned { 1 } else { 4 } {
                windows(&joined[skipped..], edges, shortest, found);
            }
        };
        decode(&self.lines);
        // These may be lines of a diff, whose mark is also a base64 character.
        if matches!(first[0], b'+' | b'-') && self.lines.iter().all(|line| line[0] == first[0]) {
            decode(&self.lines.iter().map(|line| &line[1..]).collect::<Vec<_>>());
        }
    }
}

fn windows(joined: &[u8], edges: Edges, shortest: usize, found: &mut dyn FnMut(&[u8], Edges)) {
    if joined.len() * 3 / 4 < shortest {
        return;
    }
    for start in (0..joined.len()).step_by(WINDOW_STEP) {
        let end = joined.len().min(start + WINDOW);
        let starts_whole = start == 0 && edges.starts_whole;
        decode(&joined[start..end], Edges { starts_whole, ends_whole: end == joined.len() && edges.ends_whole }, found);
        if end == joined.len() {
            break;
        }
    }
}

/// Reports the decoded bytes as they are and, if they contain zero bytes, also without these and as UTF-16.
fn decode(run: &[u8], edges: Edges, found: &mut dyn FnMut(&[u8], Edges)) {
    let alphabet = if run.iter().any(|byte| matches!(byte, b'-' | b'_')) { BASE64URL_NOPAD } else { BASE64_NOPAD };
    // A part of a longer run may end within a byte.
    let whole = &run[..run.len() / 4 * 4];
    let Ok(decoded) = alphabet.decode(run).or_else(|_| alphabet.decode(whole)) else { return };
    found(&decoded, edges);
    if decoded.contains(&0) {
        readings::wide(&decoded).for_each(|text| found(&text, edges));
    }
}

/// Whether the gap separates two lines of a text: one line break, optionally followed by an indent or quote mark.
fn is_break(gap: &[u8]) -> bool {
    let gap = gap.strip_prefix(b"\r").unwrap_or(gap);
    let is_margin = |byte: &u8| matches!(byte, b' ' | b'\t' | b'>' | b'|' | b'#' | b'*' | b'+' | b'-');
    matches!(gap, [b'\n', margin @ ..] if margin.len() <= MAX_BREAK && margin.iter().all(is_margin))
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_')
}
