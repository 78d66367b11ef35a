//! Text that a command reads: UTF-8 or UTF-16 comes in, UTF-8 goes on. Windows programs write both, with a
//! byte-order mark (Unicode 16.0, §23.8) that is no part of the text.

use std::fmt;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, IsTerminal, Read, Seek, SeekFrom, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use crate::ambient::streams::{Stream, was_closed};
use crate::error::{Error, Result};

/// stdin, if this process has one: what was closed is no empty text.
pub fn stdin() -> Result<io::StdinLock<'static>> {
    if was_closed(Stream::Stdin) {
        return Err(Error::conflict("stdin is closed: there is nothing to read. Nothing was changed."));
    }
    Ok(io::stdin().lock())
}

/// How a text's characters are written as bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    Utf8,
    Utf16Le,
    Utf16Be,
    /// Recognised, and not read.
    Utf32,
}

impl Encoding {
    /// What a text begins with decides: a byte-order mark, or where there is none, the zero bytes beside
    /// its first character. Also returns the length of the mark.
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

/// What becomes of a character that UTF-16 cannot hold (half of a surrogate pair).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unpaired {
    /// Reading fails: for text that is stored.
    Refuse,
    /// It becomes U+FFFD: for text that is searched.
    Replace,
}

/// A reader's text as UTF-8, without a byte-order mark. Bytes of a text that claims to be UTF-8 pass as they
/// are: whoever splits it into lines can say which one is not.
pub struct Text<R> {
    source: R,
    /// `None` until the first bytes have come.
    encoding: Option<Encoding>,
    unpaired: Unpaired,
    /// Bytes that wait for the rest of their character.
    rest: Vec<u8>,
    /// Decoded, from `taken` on not handed out yet.
    ready: Vec<u8>,
    taken: usize,
    is_over: bool,
}

/// Bytes decoded at once.
const CHUNK: usize = 64 << 10;

impl<R: Read> Text<R> {
    pub fn new(source: R, unpaired: Unpaired) -> Self {
        Text { source, encoding: None, unpaired, rest: Vec::new(), ready: Vec::new(), taken: 0, is_over: false }
    }

    /// Enough of the beginning to know the encoding, or all there is.
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
                    "it is written in UTF-32. Save it as UTF-8 and try again.",
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
        // A pair may lie across two chunks.
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

/// A file, a pipe or stdin that is read twice. What can only be read once is copied, while it is read, to a file
/// that has no name: nothing of it stays.
pub struct Source {
    name: String,
    from: Box<dyn Read + Send>,
    /// What is read the second time, from its beginning.
    kept: File,
    /// Where that is.
    start: u64,
}

impl Source {
    /// `-` is stdin. The copy lies in the folder of `database`.
    pub fn open(path: &Path, database: &Path) -> Result<Self> {
        let is_stdin = [Path::new("-"), Path::new("/dev/stdin")].contains(&path);
        let name = if is_stdin { "stdin".to_owned() } else { path.display().to_string() };
        let trouble = |error: io::Error| Error::conflict(format!("{name} cannot be read: {error}"));
        let file = if is_stdin {
            File::from(stdin()?.as_fd().try_clone_to_owned().map_err(trouble)?)
        } else {
            // Before it is opened: opening some devices does something.
            refuse(&name, &fs::metadata(path).map_err(trouble)?, false)?;
            File::open(path).map_err(trouble)?
        };
        let found = file.metadata().map_err(trouble)?;
        refuse(&name, &found, file.is_terminal())?;
        if found.is_file() {
            let mut kept = file.try_clone().map_err(trouble)?;
            let start = kept.stream_position().map_err(trouble)?;
            return Ok(Source { name, from: Box::new(file), kept, start });
        }
        let kept = nameless_file(database)
            .map_err(|error| Error::conflict(format!("{name} cannot be copied beside the database: {error}")))?;
        let copy = kept.try_clone().map_err(trouble)?;
        Ok(Source { name, from: Box::new(Copying { from: file, copy }), kept, start: 0 })
    }

    /// For messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn first_time(&mut self) -> impl Read + '_ {
        &mut self.from
    }

    /// From the beginning, once the first time is over.
    pub fn again(mut self) -> Result<File> {
        let rewound = self.kept.seek(SeekFrom::Start(self.start));
        rewound.map_err(|error| Error::conflict(format!("{} cannot be read again: {error}", self.name)))?;
        Ok(self.kept)
    }
}

fn refuse(name: &str, found: &Metadata, is_terminal: bool) -> Result<()> {
    let kind = found.file_type();
    let what = match () {
        () if kind.is_dir() => "a directory",
        () if kind.is_block_device() || (kind.is_char_device() && !is_terminal) => "a device",
        () => return Ok(()),
    };
    Err(Error::conflict(format!("{name} is {what}. Name a file or a pipe, or - for stdin.")))
}

/// Why a pipe could not be read to its end: nothing is wrong with what came through it.
#[derive(Debug)]
pub struct CopyFailed(io::Error);

impl fmt::Display for CopyFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the copy that is made beside the database while a pipe is read could not be written: {}. Make room there, or \
             import from a file, which is not copied.",
            self.0
        )
    }
}

impl std::error::Error for CopyFailed {}

struct Copying {
    from: File,
    copy: File,
}

impl Read for Copying {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(target)?;
        self.copy.write_all(&target[..read]).map_err(|error| io::Error::other(CopyFailed(error)))?;
        Ok(read)
    }
}

fn nameless_file(database: &Path) -> io::Result<File> {
    let mut path = database.as_os_str().to_owned();
    path.push(format!("-import-{}", std::process::id()));
    let _ = fs::remove_file(&path); // left by a process with this pid that was killed in the next line
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
    fs::remove_file(&path)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    /// Hands out a few bytes at a time.
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
    fn utf_32_is_named() {
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
            // A zero behind the mark of UTF-16 makes that of UTF-32.
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
        fn no_bytes_are_too_strange(bytes in vec(any::<u8>(), 0..64), drip in 1_usize..9) {
            let _ = read(&bytes, drip, Unpaired::Refuse);
            let _ = read(&bytes, drip, Unpaired::Replace);
        }
    }
}
