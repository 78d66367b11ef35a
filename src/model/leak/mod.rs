//! Finds possible keys in any text: a log, a diff, a dump of any size. Our keys are recognised by their shape and
//! checksum, wherever they are. Keys from other systems can be any text, so each word is a candidate. The digests of
//! live keys are not known here: the caller compares the candidates with them.

mod base64;
mod likeness;
mod readings;
mod words;

use super::{KeyPrefix, PlainKey};
use readings::Reading;

/// How many bytes are read again with the next piece: more than the longest word needs in any encoding.
const CONTEXT: usize = 4096;
/// Length of what follows a key's prefix: separator, secret and checksum.
const TAIL: usize = 50;

pub use likeness::may_be_secret;
pub use words::{MAX_WORD_BYTES, MIN_WORD_BYTES};

/// A part of the text that may be a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Candidate<'a> {
    /// Text with the shape and the checksum of one of our keys.
    Key(&'a [u8]),
    /// Text between two delimiters.
    Word(&'a [u8]),
}

/// A search through a text that arrives in pieces. Its memory use does not grow with the text.
#[derive(Default)]
pub struct Search {
    /// The end of what was read before.
    context: Vec<u8>,
    /// Whether something was read before `context`.
    is_cut: bool,
    are_words_left_out: bool,
}

impl Search {
    /// Limits the rest of the search to our keys.
    pub fn leave_out_words(&mut self) {
        self.are_words_left_out = true;
    }

    /// Searches the next piece. A candidate may be found more than once.
    pub fn read(&mut self, piece: &[u8], found: &mut dyn FnMut(Candidate<'_>)) {
        let mut text = std::mem::take(&mut self.context);
        text.extend_from_slice(piece);
        self.search(&text, false, found);
        let done = text.len().saturating_sub(CONTEXT);
        self.is_cut |= done > 0;
        text.drain(..done);
        self.context = text;
    }

    /// Finishes the search: the last word is now complete.
    pub fn end(self, found: &mut dyn FnMut(Candidate<'_>)) {
        self.search(&self.context, true, found);
    }

    fn search(&self, text: &[u8], is_end: bool, found: &mut dyn FnMut(Candidate<'_>)) {
        let edges = Edges { starts_whole: !self.is_cut, ends_whole: is_end };
        for Reading { text, edges } in readings::of(text, edges) {
            self.plain(&text, edges, found);
            let shortest = if self.are_words_left_out { TAIL } else { MIN_WORD_BYTES };
            base64::each(&text, edges, shortest, &mut |decoded, edges| {
                if base64::is_text(decoded) {
                    self.plain(decoded, edges, found);
                } else {
                    keys(decoded).for_each(|key| found(Candidate::Key(key)));
                }
            });
        }
    }

    fn plain(&self, text: &[u8], edges: Edges, found: &mut dyn FnMut(Candidate<'_>)) {
        keys(text).for_each(|key| found(Candidate::Key(key)));
        if !self.are_words_left_out {
            words::each(text, edges, &mut |word| found(Candidate::Word(word)));
        }
    }
}

/// Whether a part of a text starts and ends where a word may.
#[derive(Clone, Copy)]
struct Edges {
    starts_whole: bool,
    ends_whole: bool,
}

/// Each `_` may separate a prefix from a secret; the prefix may begin anywhere before it.
fn keys(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let separators = text.iter().enumerate().filter(|(_, byte)| **byte == b'_').map(|(at, _)| at);
    separators.flat_map(move |separator| {
        let end = separator + TAIL;
        let starts = separator.saturating_sub(KeyPrefix::MAX)..separator;
        let may_end = text.get(separator + 1..end).is_some_and(is_key_text);
        let candidates = starts.filter(move |_| may_end).map(move |start| &text[start..end]);
        candidates.filter(|candidate| PlainKey::is_well_formed(candidate))
    })
}

fn is_key_text(text: &[u8]) -> bool {
    text.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

#[cfg(test)]
mod tests;
