//! Locates the database: the given path, the file that it leads to, and whether that file is ours. The first bytes of
//! the file decide that before anything is created or changed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::mem::ManuallyDrop;
use std::os::unix::fs::{FileExt, FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::files::{refused, trouble};
use super::mark::{IN_USE, IN_USE_AT, Mark};
use crate::error::{Error, Result};

/// "KBR\x11": set by the first migration.
pub(super) const APPLICATION_ID: u32 = 1_262_637_649;

pub(super) struct Place {
    /// The given path, made absolute; it can contain symbolic links.
    pub given: PathBuf,
    /// The path of the file itself; all companions are beside it.
    pub path: PathBuf,
}

impl Place {
    /// Resolves symbolic links only once, because they could lead to another file later.
    pub fn find(given: &Path) -> Result<Self> {
        let given = std::path::absolute(given).map_err(|error| trouble(given, "cannot be resolved", error))?;
        let path = match fs::symlink_metadata(&given) {
            Ok(_) => fs::canonicalize(&given).map_err(|error| match error.kind() {
                ErrorKind::NotFound => Error::conflict(format!(
                    "{} is a symbolic link to a file that does not exist. Restore that file, or remove the link.",
                    given.display()
                )),
                _ => refused(&given, "cannot be reached", &error),
            }),
            Err(error) if error.kind() == ErrorKind::NotFound => in_its_folder(&given),
            Err(error) => Err(refused(&given, "cannot be reached", &error)),
        }?;
        Ok(Place { given, path })
    }

    /// The folder of the database and its companions.
    pub fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("/"))
    }
}

fn in_its_folder(given: &Path) -> Result<PathBuf> {
    let (Some(folder), Some(name)) = (given.parent(), given.file_name()) else {
        return Err(Error::conflict(format!("{} is not a file. Choose another path.", given.display())));
    };
    let folder = fs::canonicalize(folder).map_err(|error| match error.kind() {
        ErrorKind::NotFound => Error::conflict(format!(
            "The folder {} does not exist. Create it, or choose another path.",
            folder.display()
        )),
        _ => refused(folder, "cannot be reached", &error),
    })?;
    Ok(folder.join(name))
}

/// A second handle to the database file, besides SQLite's, to read its header and to lock it. It is never closed,
/// because closing any of a process's handles drops all of its POSIX locks on the file, including SQLite's
/// (sqlite.org/howtocorrupt §2.2).
#[derive(Debug)]
pub(super) struct DatabaseFile(ManuallyDrop<File>);

/// The header in the file itself, without changes that are only in the log (sqlite.org/fileformat2 §1.3).
#[derive(Debug, Clone, Copy)]
pub(super) struct FileHeader {
    pub mark: Mark,
}

impl DatabaseFile {
    /// Opens the file; `None` if there is none. It is an error if it is not a database of ours. Such a file is not
    /// changed, and a device or a pipe is not even opened.
    pub fn open(path: &Path) -> Result<Option<Self>> {
        let kind = match fs::symlink_metadata(path) {
            Ok(metadata) => metadata.file_type(),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(refused(path, "cannot be reached", &error)),
        };
        if !kind.is_file() {
            return Err(not_ours(path, kind_of(kind)));
        }
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32;
        let open = |write| OpenOptions::new().read(true).write(write).custom_flags(flags).open(path);
        // A file that cannot be written can still be inspected.
        let opened = open(true).or_else(|_| open(false));
        let file = DatabaseFile(ManuallyDrop::new(opened.map_err(|error| refused(path, "cannot be opened", &error))?));
        match file.header() {
            Ok(Some(_)) => Ok(Some(file)),
            Ok(None) => Err(not_ours(path, "not a keybearer database, or its beginning is damaged")),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                Err(not_ours(path, "empty or cut short, not a keybearer database"))
            }
            Err(error) => Err(trouble(path, "cannot be read", error)),
        }
    }

    /// Reads the header; `None` if it is not that of a database of ours.
    pub fn header(&self) -> io::Result<Option<FileHeader>> {
        let mut bytes = [0; 100];
        self.0.read_exact_at(&mut bytes, 0)?;
        let four = |at: usize| u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let is_ours = bytes.starts_with(b"SQLite format 3\0") && four(68) == APPLICATION_ID;
        Ok(is_ours.then(|| FileHeader { mark: Mark::from_bits(four(60)) }))
    }

    /// Marks the file as incomplete without its log. This bypasses SQLite, so it is allowed only while the log has a
    /// newer first page and no checkpoint can copy that into the file.
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
        "not a plain file, so not a keybearer database"
    }
}

fn not_ours(path: &Path, what: &str) -> Error {
    Error::conflict(format!(
        "{} is {what}. Nothing was changed. Choose another path, or put the right file there.",
        path.display()
    ))
}
