//! Where a copy of another database may be put.

use std::fs;
use std::path::Path;

use super::create::refuse_a_lost_one;
use super::draft::{self, Draft};
use super::files::beside;
use super::open;
use crate::error::Result;
use crate::model::Consent;

/// Begins a database to copy another one to; none may exist, nor signing keys beside it.
pub(in crate::store) fn create_copy(given: &Path, consent: Consent) -> Result<Draft> {
    let path = open::find(given, consent)?.path;
    for file in [&path, &beside(&path, "-signing")] {
        if fs::symlink_metadata(file).is_ok() {
            return Err(draft::exists(file));
        }
    }
    refuse_a_lost_one(&path)?;
    Draft::begin_copy(&path)
}
