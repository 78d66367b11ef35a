//! Checks the database: its log, its lineage, SQLite's integrity check, references, the audit log, and that every
//! record can be read.

use std::path::Path;

use rusqlite::Connection;

use super::reading::{self, ReadOnly};
use super::statement::sql;
use crate::error::Result;
use crate::model::Consent;
use crate::store::Tx;
use crate::store::examination::{self, Examination};

pub fn examine(given: &Path, consent: Consent) -> Result<Examination> {
    reading::read(given, consent, |path, reading| match reading {
        ReadOnly::ForeignLog(why) => {
            Ok(Examination { findings: vec![format!("log: {why}")], ..Examination::default() })
        }
        ReadOnly::Opened { db, is_of_this_version, accusation } => {
            let accused = accusation.map(|accusation| format!("log: {}", accusation.text(&path.display().to_string())));
            let mut found = content(&db, is_of_this_version)?;
            found.findings.splice(0..0, accused);
            Ok(found)
        }
    })
}

/// What is wrong with the file's structure and records.
pub(super) fn content(db: &Connection, is_of_this_version: bool) -> Result<Examination> {
    let mut found = Examination { findings: structure(db)?, ..Examination::default() };
    examination::records(&Tx::from(db), is_of_this_version, &mut found)?;
    Ok(found)
}

fn structure(db: &Connection) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    let mut integrity = db.prepare("PRAGMA integrity_check").map_err(sql)?;
    let rows = integrity.query_map([], |row| row.get::<_, String>(0)).map_err(sql)?;
    for row in rows {
        let line = row.map_err(sql)?;
        if line != "ok" {
            findings.push(format!("structure: {line}"));
        }
    }
    let mut references = db.prepare("PRAGMA foreign_key_check").map_err(sql)?;
    let rows = references.query_map([], |row| row.get::<_, String>(0)).map_err(sql)?;
    for row in rows {
        findings.push(format!("references: a row of {} refers to a missing row", row.map_err(sql)?));
    }
    Ok(findings)
}
