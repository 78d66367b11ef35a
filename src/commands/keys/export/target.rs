//! Where an export goes: a file that appears complete or not at all, or a pipe.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::commands::output;
use crate::error::{Error, Result};

const STDOUT: &str = "stdout";

pub struct Target {
    name: String,
    file: File,
    /// The path while the export is incomplete, and the path of the complete export.
    becomes: Option<(PathBuf, PathBuf)>,
}

impl Target {
    /// `-` is stdout. Links are followed; a file that is not a regular file is written to, not replaced.
    pub fn open(path: &Path, database: Option<&Path>) -> Result<Self> {
        if [Path::new("-"), Path::new("/dev/stdout")].contains(&path) {
            let file = output::stdout().map_err(|error| trouble(STDOUT, &error))?;
            return Ok(Target { name: STDOUT.to_owned(), file, becomes: None });
        }
        let name = path.display().to_string();
        let found = match fs::metadata(path) {
            Ok(found) => Some(found),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(trouble(&name, &error)),
        };
        if found.as_ref().is_some_and(|found| found.is_dir() || found.file_type().is_block_device()) {
            let what = if found.is_some_and(|found| found.is_dir()) { "directory" } else { "block device" };
            return Err(Error::conflict(format!("{name} is a {what}. Name a file or a pipe, or - for stdout.")));
        }
        if found.is_some_and(|found| !found.is_file()) || is_descriptor(path) {
            let file = OpenOptions::new().append(true).open(path).map_err(|error| trouble(&name, &error))?;
            return Ok(Target { name, file, becomes: None });
        }
        let target = behind_links(path).map_err(|error| trouble(&name, &error))?;
        if database.is_some_and(|database| belongs_to(&target, database)) {
            return Err(Error::conflict(format!(
                "{name} is the database or a file that belongs to it. Name another file."
            )));
        }
        // The target's name with a suffix could be too long.
        let draft = target.with_file_name(format!(".keybearer-export.{}.part", std::process::id()));
        let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft);
        let file = opened.map_err(|error| trouble(&name, &error))?;
        Ok(Target { name, file, becomes: Some((draft, target)) })
    }

    /// The target's name, for messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn is_stdout(&self) -> bool {
        self.name == STDOUT
    }

    pub fn file(&self) -> &File {
        &self.file
    }

    pub fn finish(mut self) -> Result<()> {
        let Some((draft, target)) = self.becomes.take() else { return Ok(()) };
        let placed = self.file.sync_all().and_then(|()| fs::rename(&draft, &target));
        placed.map_err(|error| {
            let _ = fs::remove_file(&draft); // half an export is useless
            trouble(&self.name, &error)
        })
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if let Some((draft, _)) = &self.becomes {
            let _ = fs::remove_file(draft); // as above
        }
    }
}

pub fn trouble(name: &str, error: &io::Error) -> Error {
    Error::conflict(format!("{name} cannot be written: {error}"))
}

/// Whether the path names an open descriptor of ours, which must be written to, not replaced.
fn is_descriptor(path: &Path) -> bool {
    path == Path::new("/dev/stderr") || ["/dev/fd", "/proc/self/fd"].iter().any(|folder| path.starts_with(folder))
}

/// The path that the links lead to, whether or not the file exists.
fn behind_links(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..40 {
        match fs::read_link(&path) {
            Ok(next) => path = path.parent().unwrap_or(Path::new("/")).join(next),
            Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::NotFound) => {
                return Ok(path);
            }
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("too many symbolic links"))
}

fn belongs_to(target: &Path, database: &Path) -> bool {
    let folder = |path: &Path| {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::canonicalize(folder).ok()
    };
    let name = |path: &Path| path.file_name().map(OsString::from).unwrap_or_default();
    let (target_name, own) = (name(target), name(database));
    let rest = target_name.as_encoded_bytes().strip_prefix(own.as_encoded_bytes());
    folder(target) == folder(database) && rest.is_some_and(|rest| rest.is_empty() || rest[0] == b'-')
}
