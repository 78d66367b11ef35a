//! A source that is read twice: import checks every line before it writes one.

use std::fmt;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, IsTerminal, Read, Seek, SeekFrom, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use super::stdin;
use crate::error::{Error, Result};

/// A file, a pipe or stdin that is read twice. A pipe is copied, while it is read, to an unlinked file, which
/// disappears when it is closed.
pub struct Source {
    name: String,
    from: Box<dyn Read + Send>,
    /// What is read the second time.
    kept: File,
    /// Where the second reading starts.
    start: u64,
}

impl Source {
    /// `-` is stdin. A copy is made beside the database file or, if there is none, in the folder for temporary files.
    pub fn open(path: &Path, database: Option<&Path>) -> Result<Self> {
        let is_stdin = [Path::new("-"), Path::new("/dev/stdin")].contains(&path);
        let name = if is_stdin { "stdin".to_owned() } else { path.display().to_string() };
        let trouble = |error: io::Error| Error::conflict(format!("{name} cannot be read: {error}"));
        let file = if is_stdin {
            File::from(stdin()?.as_fd().try_clone_to_owned().map_err(trouble)?)
        } else {
            // The path is checked before it is opened, because opening some devices has side effects.
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
        let place = database.map_or_else(|| std::env::temp_dir().join("keybearer"), Path::to_owned);
        let folder = place.parent().unwrap_or(Path::new(".")).display();
        let kept = nameless_file(&place)
            .map_err(|error| Error::conflict(format!("{name} cannot be copied to {folder}: {error}")))?;
        let copy = kept.try_clone().map_err(trouble)?;
        Ok(Source { name, from: Box::new(Copying { from: file, copy }), kept, start: 0 })
    }

    /// The source's name, for messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn first_time(&mut self) -> impl Read + '_ {
        &mut self.from
    }

    /// Reads the source again, after the first reading.
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

/// The error when a pipe cannot be copied; it says nothing about the text.
#[derive(Debug)]
pub struct CopyFailed(io::Error);

impl fmt::Display for CopyFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "a pipe is copied to a file while it is read (beside the database file, if there is one), and the copy could \
             not be written: {}. Free some space there, or import from a file, which is not copied.",
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
    let _ = fs::remove_file(&path); // a killed process with the same pid may have left it
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
    fs::remove_file(&path)?;
    Ok(file)
}
