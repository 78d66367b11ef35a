//! Where the database is: the path that was given, the file that it leads to, and whether that file is one of
//! ours. Decides before anything is created or changed, from the file's own first bytes.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::mem::ManuallyDrop;
use std::os::unix::fs::{FileExt, FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::files::trouble;
use super::mark::{IN_USE, IN_USE_AT, Mark};
use crate::error::{Error, Result};

/// "KBR\x11": set by the first migration.
pub(super) const APPLICATION_ID: u32 = 1_262_637_649;

pub(super) struct Place {
    /// As given, from the root: may lead through symbolic links.
    pub given: PathBuf,
    /// The file itself; everything that belongs to it is beside it.
    pub path: PathBuf,
}

impl Place {
    /// Follows symbolic links once. What they lead to later is another file.
    pub fn find(given: &Path) -> Result<Self> {
        let given = std::path::absolute(given).map_err(|error| trouble(given, "cannot be resolved", error))?;
        let path = match fs::symlink_metadata(&given) {
            Ok(_) => fs::canonicalize(&given).map_err(|error| match error.kind() {
                ErrorKind::NotFound => Error::conflict(format!(
                    "{} is a symbolic link to a file that does not exist. Put the database there, or remove the link.",
                    given.display()
                )),
                _ => trouble(&given, "cannot be reached", error),
            }),
            Err(error) if error.kind() == ErrorKind::NotFound => in_its_folder(&given),
            Err(error) => Err(trouble(&given, "cannot be reached", error)),
        }?;
        Ok(Place { given, path })
    }

    /// The folder of the database and of all that belongs to it.
    pub fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("/"))
    }
}

fn in_its_folder(given: &Path) -> Result<PathBuf> {
    let (Some(folder), Some(name)) = (given.parent(), given.file_name()) else {
        return Err(Error::conflict(format!("{} is no file. Choose another --database.", given.display())));
    };
    let folder = fs::canonicalize(folder).map_err(|error| match error.kind() {
        ErrorKind::NotFound => Error::conflict(format!(
            "The folder {} does not exist. Make it, or choose another --database.",
            folder.display()
        )),
        _ => trouble(folder, "cannot be reached", error),
    })?;
    Ok(folder.join(name))
}

/// The database file by a handle beside SQLite's, to read its header and to hold a lock on it. The handle is never
/// closed: closing one of a process's handles drops all of its POSIX locks on the file, SQLite's too
/// (sqlite.org/howtocorrupt §2.2).
#[derive(Debug)]
pub(super) struct DatabaseFile(ManuallyDrop<File>);

/// What the first bytes of the file itself say, without what is in its log
/// (sqlite.org/fileformat2 §1.3).
#[derive(Debug, Clone, Copy)]
pub(super) struct Header {
    pub mark: Mark,
}

impl DatabaseFile {
    /// `None`: there is no such file. An error: there is something that is not a database of ours; nothing is
    /// changed about it, and a device or a pipe is not even opened.
    pub fn open(path: &Path) -> Result<Option<Self>> {
        let kind = match fs::symlink_metadata(path) {
            Ok(metadata) => metadata.file_type(),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(trouble(path, "cannot be reached", error)),
        };
        if !kind.is_file() {
            return Err(not_ours(path, kind_of(kind)));
        }
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32;
        let open = |write| OpenOptions::new().read(true).write(write).custom_flags(flags).open(path);
        // To be looked at, it need not be writable.
        let opened = open(true).or_else(|_| open(false));
        let file = DatabaseFile(ManuallyDrop::new(opened.map_err(|error| trouble(path, "cannot be opened", error))?));
        match file.header() {
            Ok(Some(_)) => Ok(Some(file)),
            Ok(None) => Err(not_ours(path, "not a keybearer database, or damaged at its beginning")),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                Err(not_ours(path, "empty or cut short, not a keybearer database"))
            }
            Err(error) => Err(trouble(path, "cannot be read", error)),
        }
    }

    /// `None`: these are not the first bytes of a database of ours.
    pub fn header(&self) -> io::Result<Option<Header>> {
        let mut bytes = [0; 100];
        self.0.read_exact_at(&mut bytes, 0)?;
        let four = |at: usize| u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let is_ours = bytes.starts_with(b"SQLite format 3\0") && four(68) == APPLICATION_ID;
        Ok(is_ours.then(|| Header { mark: Mark::from_bits(four(60)) }))
    }

    /// Makes the file itself say that it continues in its log. Past SQLite: only while the first page in the log is a
    /// newer one and no checkpoint can bring it into the file at this moment.
    pub fn say_in_use(&self) -> io::Result<()> {
        self.0.write_all_at(&[IN_USE], IN_USE_AT)
    }

    pub fn handle(&self) -> &File {
        &self.0
    }
}

fn kind_of(kind: fs::FileType) -> &'static str {
    if kind.is_dir() {
        "a folder, not a keybearer database"
    } else if kind.is_block_device() || kind.is_char_device() {
        "a device, not a keybearer database"
    } else {
        "no plain file, so not a keybearer database"
    }
}

fn not_ours(path: &Path, what: &str) -> Error {
    Error::conflict(format!(
        "{} is {what}. Nothing was changed. Choose another --database, or put the right file there.",
        path.display()
    ))
}
