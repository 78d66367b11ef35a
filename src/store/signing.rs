//! The file of the server's signing keys, `keybearer.db-signing`: beside the database and never in
//! it, so that a stolen database alone cannot sign. Replaced whole, so that nobody reads half of one.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::files::{beside, sync_directory_of, trouble};
use super::{Store, companions, events};
use crate::error::{Error, Result};
use crate::model::signing::Keyring;
use crate::model::{Action, NewEvent, Origin, Time};

/// Tells one content of a file from another, as far as the file system does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp([i64; 5]);

impl Stamp {
    /// `None`: there is no such file.
    pub fn of(path: &Path) -> Option<Self> {
        let found = fs::symlink_metadata(path).ok()?;
        let place = [found.dev() as i64, found.ino() as i64, found.size() as i64];
        Some(Stamp([place[0], place[1], place[2], found.mtime(), found.mtime_nsec()]))
    }
}

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

    /// One transaction, so that of two rotations at once the second sees the first. The file is
    /// replaced before the commit: at worst a rotation has no event, never an event no rotation.
    pub async fn change_signing_keys(
        &self,
        change: impl Fn(Keyring) -> Keyring + Send + 'static,
        action: Action,
        now: Time,
        origin: Origin,
    ) -> Result<Keyring> {
        let (path, database) = (self.signing_file(), self.path.clone());
        self.write(origin, now, move |db, origin| {
            let ring = change(read(&database)?.ok_or_else(|| Error::not_found("signing key"))?);
            let (origin, label) = (origin.clone(), ring.label());
            events::append(db, &NewEvent { at: now, origin, action, object: None, label })?;
            let draft = draft(&database, &ring)?;
            fs::rename(&draft, &path).map_err(|error| trouble(&path, "cannot be replaced", error))?;
            sync_directory_of(&path)?;
            Ok(ring)
        })
        .await
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
