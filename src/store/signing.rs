//! The file of the server's signing keys, `keybearer.db-signing`: beside the database and never in
//! it, so that a stolen database alone cannot sign. Replaced whole, so that nobody reads half of one.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use super::files::{beside, sync_directory_of, trouble};
use super::{Store, companions};
use crate::error::{Error, Result};
use crate::model::signing::Keyring;

impl Store {
    pub fn signing_file(&self) -> PathBuf {
        beside(&self.path, "-signing")
    }

    /// The ring that the file holds; `None` if there is no file.
    pub fn signing_keys(&self) -> Result<Option<Keyring>> {
        read(&self.path)
    }

    /// Puts the first ring in its place, unless another process was first. What stands there then.
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
        read(&self.path)?.ok_or_else(|| Error::unavailable("the signing keys vanished while they were made"))
    }

    /// Replaces the file whole, durably.
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
        let way_out = "Put it back from a copy, or remove it: new keys are made then, and tokens that are out can no \
                       longer be checked.";
        Error::conflict(format!("The signing keys in {} cannot be used: {}. {way_out}", path.display(), error.message))
    })?;
    Ok(Some(ring))
}

/// The ring in a file of its own beside the one that it will replace, durable.
fn draft(database: &Path, ring: &Keyring) -> Result<PathBuf> {
    let draft = beside(database, &format!("-signing-new-{}", std::process::id()));
    let mut file = companions::open(database, &draft)?;
    let written = file.set_len(0).and_then(|()| file.write_all(ring.text().as_bytes())).and_then(|()| file.sync_all());
    written.map_err(|error| trouble(&draft, "cannot be written", error))?;
    Ok(draft)
}
