//! The file with the server's signing keys, `keybearer.db-signing`. It is beside the database, so that a stolen
//! database alone cannot sign, and is replaced atomically, so that no reader sees a partial file.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use super::files::{beside, sync_directory_of, trouble};
use super::{Files, companions};
use crate::error::{Error, Result};
use crate::model::signing::Keyring;

impl Files {
    pub fn signing_file(&self) -> PathBuf {
        beside(&self.path, "-signing")
    }

    /// The keyring in the file; `None` if there is no file.
    pub fn signing_keys(&self) -> Result<Option<Keyring>> {
        read(&self.path)
    }

    /// Creates the file with the first keyring, unless another process was first, and returns what it contains.
    pub fn begin_signing_keys(&self, ring: &Keyring) -> Result<Keyring> {
        let path = self.signing_file();
        let draft = draft(&self.path, ring)?;
        let linked = fs::hard_link(&draft, &path);
        let _ = fs::remove_file(&draft); // the link is what counts
        match linked {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                return Err(trouble(&path, "cannot be created", error));
            }
            _ => sync_directory_of(&path)?,
        }
        read(&self.path)?.ok_or_else(|| Error::unavailable("the signing keys disappeared while they were created"))
    }

    /// Replaces the file atomically and durably.
    pub fn replace_signing_keys(&self, ring: &Keyring) -> Result<()> {
        let path = self.signing_file();
        let draft = draft(&self.path, ring)?;
        fs::rename(&draft, &path).map_err(|error| trouble(&path, "cannot be replaced", error))?;
        sync_directory_of(&path)
    }
}

fn read(database: &Path) -> Result<Option<Keyring>> {
    let path = beside(database, "-signing");
    let Some(mut file) = companions::open_existing(database, &path)? else { return Ok(None) };
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(|error| trouble(&path, "cannot be read", error))?;
    let ring = Keyring::parse(&text).map_err(|error| {
        let way_out = "Restore the file from a copy, or remove it: the server then creates new keys, and tokens already \
                       issued can no longer be verified.";
        Error::conflict(format!("The signing keys in {} cannot be used: {}. {way_out}", path.display(), error.message))
    })?;
    Ok(Some(ring))
}

/// Writes the keyring durably to a separate file beside the one that it will replace.
pub(super) fn draft(database: &Path, ring: &Keyring) -> Result<PathBuf> {
    let draft = beside(database, &format!("-signing-unfinished-{}", std::process::id()));
    let mut file = companions::open(database, &draft)?;
    let written = file.set_len(0).and_then(|()| file.write_all(ring.text().as_bytes())).and_then(|()| file.sync_all());
    written.map_err(|error| trouble(&draft, "cannot be written", error))?;
    Ok(draft)
}
