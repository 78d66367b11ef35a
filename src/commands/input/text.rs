//! Text in UTF-8 or UTF-16, read as UTF-8. Windows programs write both, with a byte-order mark (Unicode 16.0, §23.8)
//! that is not part of the text.

use std::io::{self, Read};

/// How the characters of a text are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    Utf8,
    Utf16Le,
    Utf16Be,
    /// Recognised, but not supported.
    Utf32,
}

impl Encoding {
    /// Detects the encoding from the start of a text: from a byte-order mark or, if there is none, from the zero bytes
    /// beside the first characters. Also returns the length of the mark.
    pub fn of(start: &[u8]) -> (Self, usize) {
        match start {
            [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => (Encoding::Utf32, 4),
            [first, 0, 0, 0, ..] | [0, 0, 0, first, ..] if *first != 0 => (Encoding::Utf32, 0),
            [0xef, 0xbb, 0xbf, ..] => (Encoding::Utf8, 3),
            [0xff, 0xfe, ..] => (Encoding::Utf16Le, 2),
            [0xfe, 0xff, ..] => (Encoding::Utf16Be, 2),
            [first, 0, second, 0, ..] if *first != 0 && *second != 0 => (Encoding::Utf16Le, 0),
            [0, first, 0, second, ..] if *first != 0 && *second != 0 => (Encoding::Utf16Be, 0),
            _ => (Encoding::Utf8, 0),
        }
    }
}

/// What to do with half of a surrogate pair, which is not a character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unpaired {
    /// Fail; for text that is stored.
    Refuse,
    /// Replace it with U+FFFD; for text that is searched.
    Replace,
}

/// A reader's text as UTF-8, without a byte-order mark. UTF-8 is passed on unchecked: the caller splits it into lines
/// and can then name the line that is invalid.
pub struct Text<R> {
    source: R,
    /// `None` until the first bytes have been read.
    encoding: Option<Encoding>,
    unpaired: Unpaired,
    /// Bytes of an incomplete character.
    rest: Vec<u8>,
    /// Decoded text; the part from `taken` on has not been returned yet.
    ready: Vec<u8>,
    taken: usize,
    is_over: bool,
}

/// How many bytes are decoded at once.
const CHUNK: usize = 64 << 10;

impl<R: Read> Text<R> {
    pub fn new(source: R, unpaired: Unpaired) -> Self {
        Text { source, encoding: None, unpaired, rest: Vec::new(), ready: Vec::new(), taken: 0, is_over: false }
    }

    /// Reads enough of the start to detect the encoding.
    fn begin(&mut self) -> io::Result<Encoding> {
        let mut start = Vec::with_capacity(4);
        (&mut self.source).take(4).read_to_end(&mut start)?;
        let (encoding, mark) = Encoding::of(&start);
        start.drain(..mark);
        match encoding {
            Encoding::Utf8 => self.ready = start,
            Encoding::Utf16Le | Encoding::Utf16Be => self.rest = start,
            Encoding::Utf32 => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "it is in UTF-32. Save it as UTF-8 and try again.",
                ));
            }
        }
        Ok(encoding)
    }

    /// The next chunk of UTF-16, decoded into `ready`.
    fn decode(&mut self, unit: fn([u8; 2]) -> u16) -> io::Result<()> {
        let held = self.rest.len();
        self.rest.resize(held + CHUNK, 0);
        let read = match self.source.read(&mut self.rest[held..]) {
            Err(error) => {
                self.rest.truncate(held);
                return Err(error);
            }
            Ok(read) => read,
        };
        self.rest.truncate(held + read);
        self.is_over = read == 0;
        let mut units: Vec<u16> = self.rest.chunks_exact(2).map(|pair| unit([pair[0], pair[1]])).collect();
        // A pair can be split across two chunks.
        if !self.is_over && units.last().is_some_and(|last| (0xd800..0xdc00).contains(last)) {
            units.pop();
        }
        self.rest.drain(..units.len() * 2);
        let is_cut = self.is_over && !self.rest.is_empty();
        let mut text = String::with_capacity(units.len());
        for decoded in char::decode_utf16(units) {
            match decoded {
                Ok(c) => text.push(c),
                Err(_) if self.unpaired == Unpaired::Replace => text.push(char::REPLACEMENT_CHARACTER),
                Err(_) => return Err(io::Error::new(io::ErrorKind::InvalidData, BROKEN_UTF16)),
            }
        }
        if is_cut && self.unpaired == Unpaired::Refuse {
            return Err(io::Error::new(io::ErrorKind::InvalidData, BROKEN_UTF16));
        }
        (self.ready, self.taken) = (text.into_bytes(), 0);
        Ok(())
    }
}

const BROKEN_UTF16: &str = "it is not valid UTF-16. Save it as UTF-8 and try again.";

impl<R: Read> Read for Text<R> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        let encoding = match self.encoding {
            Some(encoding) => encoding,
            None => {
                let begun = self.begin()?;
                *self.encoding.insert(begun)
            }
        };
        loop {
            if self.taken < self.ready.len() {
                let count = (&self.ready[self.taken..]).read(target)?;
                self.taken += count;
                return Ok(count);
            }
            match encoding {
                Encoding::Utf16Le if !self.is_over => self.decode(u16::from_le_bytes)?,
                Encoding::Utf16Be if !self.is_over => self.decode(u16::from_be_bytes)?,
                Encoding::Utf16Le | Encoding::Utf16Be => return Ok(0),
                Encoding::Utf8 | Encoding::Utf32 => return self.source.read(target),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    /// Returns a few bytes at a time.
    struct Drip<'a>(&'a [u8], usize);

    impl Read for Drip<'_> {
        fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
            let most = self.1.min(target.len());
            (&mut self.0).take(most as u64).read(target)
        }
    }

    fn read(bytes: &[u8], drip: usize, unpaired: Unpaired) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        Text::new(Drip(bytes, drip), unpaired).read_to_end(&mut text).map(|_| text)
    }

    fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(bytes).collect()
    }

    #[test]
    fn utf_32_is_named_in_the_error() {
        for start in [[0xff, 0xfe, 0, 0], [0, 0, 0xfe, 0xff], [b'{', 0, 0, 0], [0, 0, 0, b'{']] {
            let error = read(&start, 3, Unpaired::Replace).unwrap_err();
            assert!(error.to_string().contains("UTF-32"), "{error}");
        }
    }

    #[test]
    fn half_a_character_is_refused_or_replaced() {
        for bytes in [&[0xff, 0xfe, b'a', 0, 0, 0xd8][..], &[0xff, 0xfe, b'a', 0, 0, 0xd8, b'b', 0]] {
            assert!(read(bytes, 1, Unpaired::Refuse).is_err());
            assert!(String::from_utf8(read(bytes, 1, Unpaired::Replace).unwrap()).unwrap().starts_with("a\u{fffd}"));
        }
    }

    proptest! {
        #[test]
        fn a_text_reads_the_same_in_each_encoding(text in vec(any::<char>(), 0..40), drip in 1_usize..9) {
            let text = String::from_iter(text);
            // The mark of UTF-16 followed by a zero is the mark of UTF-32.
            prop_assume!(!text.starts_with('\0'));
            let marked = format!("\u{feff}{text}");
            for bytes in [marked.clone().into_bytes(), utf16(&marked, u16::to_le_bytes), utf16(&marked, u16::to_be_bytes)] {
                prop_assert_eq!(read(&bytes, drip, Unpaired::Refuse).unwrap(), text.as_bytes());
            }
        }

        #[test]
        fn a_text_without_a_mark_is_recognised(text in "[!-~]{2,40}", drip in 1_usize..9) {
            for bytes in [text.clone().into_bytes(), utf16(&text, u16::to_le_bytes), utf16(&text, u16::to_be_bytes)] {
                prop_assert_eq!(read(&bytes, drip, Unpaired::Refuse).unwrap(), text.as_bytes());
            }
        }

        #[test]
        fn any_bytes_are_handled(bytes in vec(any::<u8>(), 0..64), drip in 1_usize..9) {
            let _ = read(&bytes, drip, Unpaired::Refuse);
            let _ = read(&bytes, drip, Unpaired::Replace);
        }
    }
}
